/* pylon relay status URL: all that is known about one relay. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"
#include "out.h"
#include "text.h"
#include "verb.h"

typedef struct Fact {
        const char *name, *text;
        char type;
        int64_t number;
        const uint16_t *list;
        size_t n;
} Fact;

/* clang-format off */
static const struct {
        const char *name, *label;
        const char *unit; /* NULL: a plain number or text */
} facts[] = {
        { "url",                N_("Relay"),                                   NULL },
        { "state",              N_("State"),                                   NULL },
        { "since",              N_("Since"),                                   "time" },
        { "error",              N_("Last error"),                              NULL },
        { "configured",         N_("Configured"),                              NULL },
        { "address",            N_("Address"),                                 NULL },
        { "authenticated",      N_("Knows who we are"),                        NULL },
        { "latency_usec",       N_("Latency"),                                 "usec" },
        { "clock_offset",       N_("Its clock is ahead by"),                   "seconds" },
        { "connections",        N_("Connections"),                             NULL },
        { "events_received",    N_("Events in"),                               NULL },
        { "events_bad",         N_("Bad events"),                              NULL },
        { "events_unasked",     N_("Not asked for"),                           NULL },
        { "messages_malformed", N_("Malformed"),                               NULL },
        { "events_accepted",    N_("Events out"),                              NULL },
        { "outbox_pending",     N_("Waiting"),                                 NULL },
        { "name",               N_("Name"),                                    NULL },
        { "software",           N_("Software"),                                NULL },
        { "version",            N_("Version"),                                 NULL },
        { "nips",               N_("NIPs"),                                    NULL },
        { "auth_required",      N_("Wants to know us"),                        NULL },
        { "payment_required",   N_("Wants to be paid"),                        NULL },
        { "restricted_writes",  N_("Few may write"),                           NULL },
        { "message_max",        N_("Message, at most"),                        "bytes" },
        { "content_max",        N_("Content, at most"),                        "characters" },
        { "tags_max",           N_("Tags, at most"),                           NULL },
        { "subscriptions_max",  N_("Subscriptions, at most"),                  NULL },
        { "filters_max",        N_("Filters, at most"),                        NULL },
        { "limit_max",          N_("Stored events an answer, at most"),        NULL },
        { "age_max",            N_("Events, at most as old as"),               "seconds" },
        { "pow_min",            N_("Proof of work, at least"),                 "bits" },
};
/* clang-format on */

static int read_number(sd_bus_message *m, Fact *f) {
        uint64_t number;
        int yes, r;

        switch (f->type) {
        case 'x':
                return sd_bus_message_read_basic(m, 'x', &f->number);
        case 't':
                r = sd_bus_message_read_basic(m, 't', &number);
                f->number = (int64_t) MIN(number, (uint64_t) INT64_MAX);
                return r;
        case 'b':
                r = sd_bus_message_read_basic(m, 'b', &yes);
                f->number = yes;
                return r;
        default:
                return -EBADMSG;
        }
}

/* 0: there are no more. */
static int read_fact(sd_bus_message *m, Fact *f) {
        const char *contents;
        size_t size;
        int r;

        *f = (Fact){ 0 };
        r = sd_bus_message_enter_container(m, 'e', "sv");
        if (r <= 0)
                return r;
        r = sd_bus_message_read_basic(m, 's', &f->name);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, NULL, &contents);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'v', contents);
        if (r < 0)
                return r;
        f->type = *contents;
        if (f->type == 's')
                r = sd_bus_message_read_basic(m, 's', &f->text);
        else if (streq(contents, "aq")) {
                r = sd_bus_message_read_array(m, 'q', (const void **) &f->list, &size);
                f->n = size / sizeof(*f->list);
        } else
                r = read_number(m, f);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m) < 0 ? -EBADMSG : 1;
}

static void print_json(Out *o, const char *key, const Fact *f) {
        switch (f->type) {
        case 's':
                out_text(o, key, *f->text ? f->text : NULL);
                break;
        case 'a':
                out_array(o, key);
                for (size_t i = 0; i < f->n; i++)
                        out_number(o, NULL, f->list[i]);
                out_end(o);
                break;
        case 'b':
                out_boolean(o, key, f->number);
                break;
        default:
                out_number(o, key, f->number);
        }
}

static void print_number(int64_t number, const char *unit) {
        char text[TEXT_MAX];

        if (!unit)
                (void) printf("%" PRIi64 "\n", number);
        else if (streq(unit, "time")) {
                text_ago(number, now_seconds(), text);
                (void) printf("%s\n", text);
        } else if (streq(unit, "usec"))
                (void) printf("%.1f ms\n", (double) number / 1000);
        else if (streq(unit, "seconds") && number < 0)
                (void) printf("%" PRIi64 " s\n", number);
        else if (streq(unit, "seconds")) {
                text_span((usec_t) number * SEC, text);
                (void) printf("%s\n", text);
        } else
                (void) printf("%" PRIi64 " %s\n", number, unit);
}

/* What says nothing is left out. */
static void print_fact(const char *label, const char *unit, const Fact *f) {
        if (f->type == 's' ? !*f->text : f->type == 'a' ? f->n == 0 : unit && f->number == 0)
                return;
        (void) printf("%s: ", _(label));
        if (f->type == 's') {
                _cleanup_free_ char *copy = strdup(f->text);

                (void) printf("%s\n", copy ? printable(copy) : "?");
        } else if (f->type == 'a') {
                for (size_t i = 0; i < f->n; i++)
                        (void) printf("%s%u", i > 0 ? " " : "", f->list[i]);
                (void) printf("\n");
        } else if (f->type == 'b')
                (void) printf("%s\n", f->number ? _("yes") : _("no"));
        else
                print_number(f->number, unit);
}

static int show(const Cli *cli, sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Fact f;
        int r;

        out_object(&o, NULL);
        while ((r = read_fact(m, &f)) > 0)
                for (size_t i = 0; i < ELEMENTSOF(facts); i++)
                        if (!streq(facts[i].name, f.name))
                                continue;
                        else if (cli->args.json)
                                print_json(&o, facts[i].name, &f);
                        else
                                print_fact(facts[i].label, facts[i].unit, &f);
        out_end(&o);
        return r < 0 || !cli->args.json ? r : out_print(&o);
}

int verb_relay_status(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote relay = { 0 };
        CallError error;
        int r;

        r = cli_check_text(cli, cli->args.rest[0]);
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_open(cli, "relay", &relay, &error);
        if (r >= 0)
                r = remote_call(&relay, "Status", &reply, &error, "s", cli->args.rest[0]);
        if (r < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = show(cli, reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}
