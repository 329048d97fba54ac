#include "story.h"

#include <stdio.h>

#include "call.h"
#include "facts.h"
#include "text.h"

/* What the two services call it, what programs read, what people read, and how it is written. */
typedef enum Form { FORM_TEXT, FORM_NUMBER, FORM_TIME, FORM_MSATS, FORM_MS } Form;

/* clang-format off */
static const struct { const char *name, *key; const char *label; Form form; } lines[] = {
        { "id",              "id",           N_("Request"),   FORM_TEXT   },
        { "kind",            "kind",         N_("Kind"),      FORM_NUMBER },
        { "customer_pubkey", "customer",     N_("Customer"),  FORM_TEXT   },
        { "relay",           "relay",        N_("Relay"),     FORM_TEXT   },
        { "created_at",      "created_at",   N_("Requested"), FORM_TIME   },
        { "verdict",         "verdict",      N_("Verdict"),   FORM_TEXT   },
        { "reason",          "reason",       N_("Reason"),    FORM_TEXT   },
        { "status",          "state",        N_("State"),     FORM_TEXT   },
        { "error_message",   "error",        N_("Error"),     FORM_TEXT   },
        { "bid_msats",       "bid_msats",    N_("Bid"),       FORM_MSATS  },
        { "price_msats",     "price_msats",  N_("Price"),     FORM_MSATS  },
        { "paid_at",         "paid_at",      N_("Paid"),      FORM_TIME   },
        { "class",           "class",        N_("Class"),     FORM_TEXT   },
        { "wait_ms",         "wait_ms",      N_("Waited"),    FORM_MS     },
        { "backend",         "backend",      N_("Backend"),   FORM_TEXT   },
        { "model",           "model",        N_("Model"),     FORM_TEXT   },
        { "started_at",      "started_at",   N_("Started"),   FORM_TIME   },
        { "run_ms",          "run_ms",       N_("Ran"),       FORM_MS     },
        { "completed_at",    "completed_at", N_("Completed"), FORM_TIME   },
};
/* clang-format on */

typedef struct Value {
        bool known;
        char *text;
        int64_t number;
} Value;

typedef struct Story {
        Value values[ELEMENTSOF(lines)];
        bool found;
} Story;

static void story_done(Story *s) {
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                free(s->values[i].text);
}

static int read_value(sd_bus_message *m, Story *s) {
        const char *name, *text = NULL, *type;
        int64_t number = 0;
        size_t i = 0;
        char kind;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, &kind, &type);
        if (r >= 0)
                r = streq(type, "s")   ? sd_bus_message_read(m, "v", "s", &text)
                    : streq(type, "x") ? sd_bus_message_read(m, "v", "x", &number)
                                       : sd_bus_message_skip(m, "v");
        if (r < 0)
                return r;

        s->found = true;
        while (i < ELEMENTSOF(lines) && !streq(lines[i].name, name))
                i++;
        /* Who is asked first knows better. */
        if (i == ELEMENTSOF(lines) || s->values[i].known || (lines[i].form == FORM_TEXT) != !!text)
                return 0;
        s->values[i] = (Value){ .known = true, .number = number };
        if (!text)
                return 0;
        s->values[i].text = strdup(text);
        return s->values[i].text ? 0 : -ENOMEM;
}

static int read_dict(sd_bus_message *m, Story *s) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_value(m, s);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

/* -ENOENT: it does not know it. */
static int ask(const Cli *cli, const char *service, const char *member, const char *id, Story *s,
                CallError *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote remote = { 0 };
        int r;

        r = remote_open(cli, service, &remote, ret_error);
        if (r >= 0)
                r = remote_call(&remote, member, &reply, ret_error, "s", id);
        if (r < 0)
                return streq(ret_error->name, "NoSuchJob") ? -ENOENT : r;
        return read_dict(reply, s);
}

static void print_value(Facts *f, size_t i, const Value *v) {
        const char *label = _(lines[i].label);
        char text[TEXT_MAX];

        if (lines[i].form == FORM_TEXT) {
                fact_text(f, lines[i].key, label, v->text);
                return;
        }
        if (f->cli->args.json || lines[i].form == FORM_NUMBER) {
                fact_number(f, lines[i].key, label, v->number);
                return;
        }
        if (lines[i].form == FORM_TIME)
                text_ago(v->number, now_seconds(), text);
        else if (lines[i].form == FORM_MSATS)
                text_msats(v->number, text);
        else
                (void) snprintf(text, sizeof(text), "%lld.%03lld s", (long long) v->number / 1000,
                                (long long) v->number % 1000);
        fact_text(f, lines[i].key, label, text);
}

int story_print(Cli *cli, const char *id) {
        _cleanup_(facts_done) Facts f = FACTS_INIT(cli);
        _cleanup_(story_done) Story s = { 0 };
        CallError error;
        int r;

        r = cli_check_text(cli, id);
        if (r != EXIT_SUCCESS)
                return r;
        r = ask(cli, "store", "GetJob", id, &s, &error);
        if (r >= 0 || r == -ENOENT)
                r = ask(cli, "provider", "Story", id, &s, &error);
        if (r == -ENOMEM)
                return cli_out_of_memory(cli);
        if (r < 0)
                return call_fail(cli, &error);
        if (!s.found)
                return cli_fail(cli, "NoSuchJob",
                                _("No request is known whose id begins with \"%s\"."), id);

        if (cli->args.json)
                out_object(&f.out, NULL);
        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                if (s.values[i].known)
                        print_value(&f, i, &s.values[i]);
        if (cli->args.json)
                out_end(&f.out);
        return facts_print(&f);
}
