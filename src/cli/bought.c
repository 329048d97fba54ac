/* pylon job list --bought: what was ordered of others. */
#include <stdio.h>

#include "call.h"
#include "out.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define LIST_DEFAULT 20

typedef struct Line {
        const char *id, *provider, *state, *paid_by, *error;
        uint16_t kind;
        int64_t amount_msat, fee_msat, created_at, deadline;
} Line;

static int read_line(sd_bus_message *m, Line *l) {
        return sd_bus_message_read(m, "(sqsssxxxxs)", &l->id, &l->kind, &l->provider, &l->state,
                        &l->paid_by, &l->amount_msat, &l->fee_msat, &l->created_at, &l->deadline,
                        &l->error);
}

static int list_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Line l;
        int r;

        out_array(&o, NULL);
        while ((r = read_line(m, &l)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "id", l.id);
                out_number(&o, "kind", l.kind);
                out_text(&o, "provider", *l.provider ? l.provider : NULL);
                out_text(&o, "state", l.state);
                out_boolean(&o, "auto_pay", streq(l.paid_by, "auto"));
                out_number(&o, "amount_msats", l.amount_msat);
                out_number(&o, "fee_msats", l.fee_msat);
                out_number(&o, "created_at", l.created_at);
                out_number(&o, "deadline_at", l.deadline);
                out_text(&o, "error", *l.error ? l.error : NULL);
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int add_line(Table *t, const Line *l, int64_t now) {
        char id[TEXT_MAX], price[TEXT_MAX], when[TEXT_MAX];

        text_id(l->id, id);
        text_msats(l->amount_msat + l->fee_msat, price);
        text_ago(l->created_at, now, when);
        (void) table_add(t, id);
        (void) table_addf(t, "%u", l->kind);
        (void) table_add(t, l->state);
        (void) table_add(t, price);
        (void) table_add(t, when);
        return table_add(t, l->error);
}

static int list_table(sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();
        unsigned n = 0;
        Line l;
        int r;

        r = table_new(6, &t);
        if (r < 0)
                return r;
        (void) table_add(t, _("JOB"));
        (void) table_add(t, _("KIND"));
        (void) table_add(t, _("STATE"));
        (void) table_add(t, _("COST"));
        (void) table_add(t, _("WHEN"));
        (void) table_add(t, _("ERROR"));
        for (; (r = read_line(m, &l)) > 0; n++) {
                r = add_line(t, &l, now);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (n == 0)
                (void) printf("%s\n", _("Nothing was bought yet."));
        else
                table_print(t);
        return 0;
}

int list_bought(const Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote store = { 0 };
        uint32_t limit = cli->args.limit > 0 ? cli->args.limit : LIST_DEFAULT;
        CallError error;
        int r;

        r = remote_open(cli, "store", &store, &error);
        if (r >= 0)
                r = remote_call(&store, "ListPurchases", &reply, &error, "ux", limit, INT64_C(0));
        if (r < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(sqsssxxxxs)");
        if (r >= 0)
                r = cli->args.json ? list_json(reply) : list_table(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}
