/* pylon relay list: every relay, what it does, and what it said last. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"
#include "out.h"
#include "table.h"
#include "text.h"
#include "verb.h"

typedef struct Line {
        const char *url, *state, *error;
        int64_t since;
        uint64_t received, accepted, pending;
} Line;

static int read_line(sd_bus_message *m, Line *l) {
        return sd_bus_message_read(m, "(sssxttt)", &l->url, &l->state, &l->error, &l->since,
                        &l->received, &l->accepted, &l->pending);
}

static int list_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Line l;
        int r;

        out_array(&o, NULL);
        while ((r = read_line(m, &l)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "url", l.url);
                out_text(&o, "state", l.state);
                out_text(&o, "error", *l.error ? l.error : NULL);
                out_number(&o, "since", l.since);
                out_number(&o, "events_received", (int64_t) l.received);
                out_number(&o, "events_accepted", (int64_t) l.accepted);
                out_number(&o, "outbox_pending", (int64_t) l.pending);
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static void add_line(Table *t, const Line *l, int64_t now) {
        char since[TEXT_MAX];

        text_ago(l->since, now, since);
        (void) table_add(t, l->url);
        (void) table_add(t, l->state);
        (void) table_add(t, since);
        (void) table_addf(t, "%" PRIu64, l->received);
        (void) table_addf(t, "%" PRIu64, l->accepted);
        (void) table_addf(t, "%" PRIu64, l->pending);
        (void) table_add(t, l->error);
}

static int list_table(sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();
        Line l;
        int r;

        r = table_new(7, &t);
        if (r < 0)
                return r;
        (void) table_add(t, _("RELAY"));
        (void) table_add(t, _("STATE"));
        (void) table_add(t, _("SINCE"));
        (void) table_add(t, _("IN"));
        (void) table_add(t, _("OUT"));
        (void) table_add(t, _("WAITING"));
        (void) table_add(t, _("ERROR"));
        while ((r = read_line(m, &l)) > 0)
                add_line(t, &l, now);
        if (r >= 0)
                table_print(t);
        return r;
}

int verb_relay_list(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote relay = { 0 };
        CallError error;
        int r;

        r = remote_open(cli, "relay", &relay, &error);
        if (r >= 0)
                r = remote_call(&relay, "Relays", &reply, &error, NULL);
        if (r < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(sssxttt)");
        if (r >= 0)
                r = cli->args.json ? list_json(reply) : list_table(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}
