#include "purchase-bus.h"

#include "bus/names.h"
#include "request.h"

#define LIST_MAX       1000
#define OPEN_BYTES_MAX (UINT64_C(1024) * 1024)
#define WHOLE_ROW      "(sqssssssbxxxxxssssxxss)"

/* AddPurchase, MovePurchase */

static int request_add(Store *s, sd_bus_message *m, sd_bus_message *reply, _unused_ bool *ret_lazy,
                const char **reterr) {
        int r, verdict, auto_pay;
        const char *text;
        Purchase p = { 0 };

        r = sd_bus_message_read(m, "sqsssbxxxxssssx", &p.id, &p.kind, &p.provider, &p.relays,
                        &p.request, &auto_pay, &p.bid_msat, &p.max_msat, &p.created_at, &p.deadline,
                        &p.key, &p.account, &p.grant, &p.ref, &p.fee_max_msat);
        if (r < 0)
                return r;
        p.auto_pay = auto_pay;
        r = purchase_add(s->purchases, &p, &verdict, &text);
        if (r < 0) {
                *reterr = sql_reason(r);
                return store_note(s, r);
        }
        return sd_bus_message_append(reply, "is", verdict, text);
}

static int method_add(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_SERVICES, request_add, error);
}

static int request_move(Store *s, sd_bus_message *m, sd_bus_message *reply, _unused_ bool *ret_lazy,
                const char **reterr) {
        PurchaseMove move = { 0 };
        const char *text;
        int r, verdict, blamed;

        r = sd_bus_message_read(m, "ssssssxxxxb", &move.id, &move.state, &move.payee, &move.bolt11,
                        &move.result, &move.error, &move.amount_msat, &move.fee_msat,
                        &move.deadline, &move.took_msec, &blamed);
        if (r < 0)
                return r;
        move.blamed = blamed;
        r = purchase_move(s->purchases, &move, &verdict, &text);
        if (r < 0) {
                *reterr = sql_reason(r);
                return store_note(s, r);
        }
        return sd_bus_message_append(reply, "is", verdict, text);
}

static int method_move(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_SERVICES, request_move, error);
}

/* OpenPurchases, ListPurchases, GetPurchase */

typedef struct List {
        sd_bus_message *reply;
        size_t bytes;
} List;

static int open_row(const Purchase *p, void *userdata) {
        List *l = userdata;
        int r;

        l->bytes += strlen(p->request) + strlen(p->bolt11) + strlen(p->relays) + 512;
        r = sd_bus_message_append(l->reply, WHOLE_ROW, p->id, p->kind, p->provider, p->state,
                        p->relays, p->request, p->payee, p->bolt11, (int) p->auto_pay, p->bid_msat,
                        p->max_msat, p->amount_msat, p->created_at, p->deadline, p->key, p->account,
                        p->grant, p->ref, p->fee_max_msat, p->fee_msat, p->result, p->error);
        return r < 0 ? r : l->bytes >= OPEN_BYTES_MAX;
}

static int method_find(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        const char *ref;
        List list;
        int r;

        r = store_only(s, m, STORE_SERVICES, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &ref);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', WHOLE_ROW);
        if (r < 0)
                return r;

        list = (List){ .reply = reply };
        r = purchase_list_ref(s->purchases, ref, open_row, &list);
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int outcome_row(const PurchaseOutcome *o, void *userdata) {
        int r = sd_bus_message_append(userdata, "(sbxxx)", o->provider, (int) o->good, o->at,
                        o->took_msec, o->cost_msat);

        return MIN(r, 0);
}

static int method_outcomes(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        uint32_t limit;
        int r;

        r = store_only(s, m, STORE_SERVICES, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "u", &limit);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sbxxx)");
        if (r < 0)
                return r;

        r = purchase_list_outcomes(
                        s->purchases, MIN(limit, (uint32_t) LIST_MAX), outcome_row, reply);
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_open(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        const char *after;
        uint32_t limit;
        List list;
        int r;

        r = store_only(s, m, STORE_SERVICES, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "su", &after, &limit);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', WHOLE_ROW);
        if (r < 0)
                return r;

        list = (List){ .reply = reply };
        r = purchase_list_open(
                        s->purchases, after, MIN(limit, (uint32_t) LIST_MAX), open_row, &list);
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int list_row(const Purchase *p, void *userdata) {
        int r = sd_bus_message_append(userdata, "(sqsssxxxxs)", p->id, p->kind,
                        *p->payee ? p->payee : p->provider, p->state,
                        p->auto_pay ? "auto" : "manual", p->amount_msat, p->fee_msat, p->created_at,
                        p->deadline, p->error);

        return MIN(r, 0);
}

int method_list_purchases(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        uint32_t limit;
        int64_t before;
        int r;

        r = sd_bus_message_read(m, "ux", &limit, &before);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sqsssxxxxs)");
        if (r < 0)
                return r;
        r = purchase_list(s->purchases, before > 0 ? before : INT64_MAX,
                        MIN(limit, (uint32_t) LIST_MAX), list_row, reply);
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int append_column(sd_bus_message *reply, SqlStatement *q, int i) {
        if (sql_is_null(q, i))
                return 0;
        if (sql_column_is_int(q, i))
                return sd_bus_message_append(
                                reply, "{sv}", sql_column_name(q, i), "x", sql_int(q, i));
        return sd_bus_message_append(reply, "{sv}", sql_column_name(q, i), "s", sql_text(q, i));
}

int method_get_purchase(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_sql_ SqlStatement *q = NULL;
        const char *prefix, *reason;
        Store *s = userdata;
        int r;

        r = sd_bus_message_read(m, "s", &prefix);
        if (r < 0)
                return r;
        r = purchase_get(s->purchases, prefix, &q, &reason);
        if (r == -ENOENT)
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_JOB,
                                "There is no purchase whose id begins with \"%s\".", prefix);
        if (r < 0)
                return store_refuse(error, r, reason);

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (int i = 0; r >= 0 && i < sql_n_columns(q); i++)
                r = append_column(reply, q, i);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* clang-format off */
const sd_bus_vtable purchase_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("AddPurchase",
                        SD_BUS_ARGS("s", id, "q", kind, "s", provider, "s", relays, "s", request,
                                    "b", auto_pay, "x", bid_msat, "x", max_msat,
                                    "x", created_at, "x", deadline, "s", key, "s", account,
                                    "s", grant, "s", ref, "x", fee_max_msat),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_add, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("MovePurchase",
                        SD_BUS_ARGS("s", id, "s", state, "s", payee, "s", bolt11, "s", result,
                                    "s", error, "x", amount_msat, "x", fee_msat, "x", deadline,
                                    "x", took_msec, "b", blamed),
                        SD_BUS_RESULT("i", verdict, "s", text),
                        method_move, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenPurchases",
                        SD_BUS_ARGS("s", after, "u", limit),
                        SD_BUS_RESULT("a" WHOLE_ROW, purchases),
                        method_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("FindPurchase",
                        SD_BUS_ARGS("s", ref),
                        SD_BUS_RESULT("a" WHOLE_ROW, purchases),
                        method_find, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PurchaseOutcomes",
                        SD_BUS_ARGS("u", limit),
                        SD_BUS_RESULT("a(sbxxx)", outcomes),
                        method_outcomes, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
