/* pylon event publish: a signed event on its way to relays, and what each of them says. */
#include <stdio.h>

#include "bus/text.h"
#include "call.h"
#include "input.h"
#include "nostr/event.h"
#include "out.h"
#include "text.h"
#include "verb.h"

#define TIMEOUT_DEFAULT (10 * SEC)
#define TIMEOUT_MAX     MIN_
#define ANSWER_EXTRA    (10 * SEC) /* the relay's own deadline comes first */

static int read_event(const Cli *cli, Event **ret) {
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;
        size_t size;
        int r;

        r = input_read(cli, cli->args.rest[0], EVENT_SIZE_MAX, &text, &size);
        if (r != EXIT_SUCCESS)
                return r;
        r = event_parse(text, size, ret, &reason);
        if (r == -ENOMEM)
                return cli_out_of_memory(cli);
        if (r < 0)
                return cli_fail(cli, "BadEvent", _("This is no valid event: %s."),
                                reason ? _(reason) : strerror(-r));
        return EXIT_SUCCESS;
}

static int append_event(sd_bus_message *m, const Event *e, const Arguments *a) {
        _cleanup_free_ char *owned = NULL;
        const char *json;
        int r;

        r = bus_text_json(event_json(e, NULL), &owned, &json);
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', json);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; i < a->n_relays && r >= 0; i++)
                r = sd_bus_message_append_basic(m, 's', a->relays[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int publish(const Cli *cli, const Event *e, sd_bus_message **ret) {
        const Arguments *a = &cli->args;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(remote_done) Remote relay = { 0 };
        usec_t timeout = MIN(a->timeout > 0 ? a->timeout : TIMEOUT_DEFAULT, TIMEOUT_MAX);
        CallError error;
        int r;

        if (remote_open(cli, "relay", &relay, &error) < 0)
                return call_fail(cli, &error);
        r = remote_message(&relay, "Publish", &m);
        if (r >= 0)
                r = append_event(m, e, a);
        if (r >= 0)
                r = sd_bus_message_append(m, "u", (uint32_t) MAX(timeout / MSEC, UINT64_C(1)));
        if (r < 0)
                return cli_fail(cli, "BadInput", _("This cannot be published: %s."), strerror(-r));
        if (remote_send(&relay, m, timeout + ANSWER_EXTRA, ret, &error) < 0)
                return call_fail(cli, &error);
        return EXIT_SUCCESS;
}

static const char *verdict_name(int32_t verdict) {
        return verdict > 0 ? N_("accepted") : verdict == 0 ? N_("refused") : N_("no answer");
}

static void print_answer(const char *relay, int32_t verdict, const char *words) {
        _cleanup_free_ char *copy = strdup(words);

        (void) printf("%s: %s%s%s\n", relay, _(verdict_name(verdict)), *words ? ": " : "",
                        copy ? printable(copy) : "?");
}

static void add_answer(Out *o, const char *relay, int32_t verdict, const char *words) {
        out_object(o, NULL);
        out_text(o, "relay", relay);
        out_text(o, "answer", verdict_name(verdict));
        out_text(o, "message", *words ? words : NULL);
        out_end(o);
}

/* How many relays have it. */
static int print_answers(const Cli *cli, const Event *e, sd_bus_message *m, unsigned *ret) {
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *relay, *words;
        int32_t verdict;
        int r;

        out_object(&o, NULL);
        out_text(&o, "id", event_id_hex(e));
        out_array(&o, "answers");
        r = sd_bus_message_enter_container(m, 'a', "(sis)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sis)", &relay, &verdict, &words)) > 0) {
                *ret += verdict > 0;
                if (cli->args.json)
                        add_answer(&o, relay, verdict, words);
                else
                        print_answer(relay, verdict, words);
        }
        out_end(&o);
        out_end(&o);
        return r < 0 || !cli->args.json ? r : out_print(&o);
}

int verb_event_publish(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        unsigned n_accepted = 0;
        int r;

        r = read_event(cli, &e);
        if (r == EXIT_SUCCESS)
                r = publish(cli, e, &reply);
        if (r != EXIT_SUCCESS)
                return r;
        if (print_answers(cli, e, reply, &n_accepted) < 0)
                return call_unreadable(cli);
        return n_accepted > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
