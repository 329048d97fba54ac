/* pylon event query: what relays have stored, asked for once through pylon-relay. */
#include <stdio.h>

#include "basic/text.h"
#include "call.h"
#include "out.h"
#include "text.h"
#include "verb.h"

#define TIMEOUT_DEFAULT (10 * SEC)
#define TIMEOUT_MAX     MIN_
#define ANSWER_EXTRA    (10 * SEC) /* the relay's own deadline comes first */

static int append_list(sd_bus_message *m, const char *const *list, size_t n) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = sd_bus_message_append_basic(m, 's', list[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int query(const Cli *cli, sd_bus_message **ret) {
        const Arguments *a = &cli->args;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(remote_done) Remote relay = { 0 };
        usec_t timeout = MIN(a->timeout > 0 ? a->timeout : TIMEOUT_DEFAULT, TIMEOUT_MAX);
        CallError error;
        int r;

        if (remote_open(cli, "relay", &relay, &error) < 0)
                return call_fail(cli, &error);
        r = remote_message(&relay, "Query", &m);
        if (r >= 0)
                r = append_list(m, (const char *const *) a->rest, (size_t) a->n_rest);
        if (r >= 0)
                r = append_list(m, a->relays, a->n_relays);
        if (r >= 0)
                r = sd_bus_message_append(
                                m, "uu", a->limit, (uint32_t) MAX(timeout / MSEC, UINT64_C(1)));
        if (r < 0)
                return cli_fail(cli, "BadInput", _("This cannot be asked for: %s."), strerror(-r));
        if (remote_send(&relay, m, timeout + ANSWER_EXTRA, ret, &error) < 0)
                return call_fail(cli, &error);
        return EXIT_SUCCESS;
}

static int print_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *relay, *text;
        int r;

        out_object(&o, NULL);
        out_array(&o, "events");
        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &relay, &text)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "relay", relay);
                out_raw(&o, "event", text);
                out_end(&o);
        }
        out_end(&o);
        out_array(&o, "silent");
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &relay, &text)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "relay", relay);
                out_text(&o, "reason", text);
                out_end(&o);
        }
        out_end(&o);
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

/* Characters that steer some terminals, and that JSON leaves as they are, are escaped: they can
 * only stand in strings. */
static void print_event(const char *json) {
        for (const unsigned char *p = (const unsigned char *) json; *p; p++)
                if (*p == 0x7f)
                        (void) printf("\\u007f");
                else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
                        (void) printf("\\u%04x", *++p);
                else
                        (void) putchar(*p);
        (void) putchar('\n');
}

static int print_lines(sd_bus_message *m) {
        const char *relay, *text;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &relay, &text)) > 0)
                print_event(text);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &relay, &text)) > 0) {
                _cleanup_free_ char *copy = strdup(text);

                (void) fprintf(stderr, _("%s did not answer: %s\n"), relay,
                                copy ? printable(copy) : "?");
        }
        return r;
}

int verb_event_query(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = query(cli, &reply);
        if (r != EXIT_SUCCESS)
                return r;
        r = cli->args.json ? print_json(reply) : print_lines(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}
