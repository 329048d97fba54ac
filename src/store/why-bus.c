#include "why-bus.h"

#include <time.h>

#include "bus/names.h"
#include "request.h"

#define BATCH_MAX 8192 /* rows of each list */

typedef int (*read_row_t)(WhyTable *t, sd_bus_message *m);

static int read_count(WhyTable *t, sd_bus_message *m) {
        WhyCount c = { 0 };
        int r;

        r = sd_bus_message_read(m, "(xsqst)", &c.hour, &c.relay, &c.kind, &c.verdict, &c.n);
        if (r <= 0)
                return r;
        r = why_add_count(t, &c);
        return r < 0 ? r : 1;
}

static int read_bid(WhyTable *t, sd_bus_message *m) {
        WhyBid b = { 0 };
        int r;

        r = sd_bus_message_read(m, "(xqut)", &b.hour, &b.kind, &b.percent, &b.n);
        if (r <= 0)
                return r;
        r = why_add_bid(t, &b);
        return r < 0 ? r : 1;
}

static int read_event(WhyTable *t, sd_bus_message *m) {
        WhyEvent e = { 0 };
        int r;

        r = sd_bus_message_read(m, "(xsqsssssxxxxs)", &e.at, &e.relay, &e.kind, &e.verdict,
                        &e.reason, &e.class, &e.backend, &e.model, &e.bid_msat, &e.price_msat,
                        &e.wait_ms, &e.run_ms, &e.id);
        if (r <= 0)
                return r;
        r = why_add_event(t, &e);
        return r < 0 ? r : 1;
}

static int read_list(WhyTable *t, sd_bus_message *m, const char *row, read_row_t read) {
        unsigned n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', row);
        while (r >= 0 && (r = read(t, m)) > 0)
                if (++n > BATCH_MAX)
                        r = -E2BIG;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Nothing waits for it, so it rides with the next commit: what was counted in the last second
 * before a power cut is lost, and no job costs more for being counted. */
static int request_count(Store *s, sd_bus_message *m, _unused_ sd_bus_message *reply,
                bool *ret_lazy, const char **reterr) {
        const char *source;
        uint64_t number, now = 0;
        int r;

        *ret_lazy = true;
        r = sd_bus_message_read(m, "st", &source, &number);
        if (r < 0)
                return r;
        r = why_begin(s->why, source, number);
        if (r > 0)
                r = read_list(s->why, m, "(xsqst)", read_count);
        if (r > 0)
                r = read_list(s->why, m, "(xqut)", read_bid);
        if (r > 0)
                r = read_list(s->why, m, "(xsqsssssxxxxs)", read_event);
        if (r > 0)
                r = sd_event_now(service_event(s->service), CLOCK_REALTIME, &now);
        if (r >= 0 && now > 0)
                r = why_end(s->why, (int64_t) (now / SEC));
        if (r == -EINVAL || r == -E2BIG)
                *reterr = "that is not how requests are counted";
        else if (r < 0)
                *reterr = sql_reason(store_note(s, r));
        return r;
}

static int method_count(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_SERVICES, request_count, error);
}

static int append_count(const WhyCount *c, void *userdata) {
        return sd_bus_message_append(userdata, "(sqst)", c->relay, c->kind, c->verdict, c->n);
}

static int append_bid(const WhyBid *b, void *userdata) {
        return sd_bus_message_append(userdata, "(qut)", b->kind, b->percent, b->n);
}

static int method_read(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        int64_t since;
        int r;

        r = store_only(s, m, STORE_SERVICES, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "x", &since);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sqst)");
        if (r < 0)
                return r;

        r = why_counts(s->why, since / 3600, append_count, reply);
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(qut)");
        if (r < 0)
                return r;
        r = why_bids(s->why, since / 3600, append_bid, reply);
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

static int method_event(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_sql_ SqlStatement *q = NULL;
        Store *s = userdata;
        const char *prefix, *reason;
        int r;

        r = store_only(s, m, STORE_SERVICES, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &prefix);
        if (r < 0)
                return r;
        r = why_event(s->why, prefix, &q, &reason);
        if (r < 0 && r != -ENOENT)
                return store_refuse(error, r, reason);

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (int i = 0; r >= 0 && q && i < sql_n_columns(q); i++)
                r = append_column(reply, q, i);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* clang-format off */
const sd_bus_vtable store_why_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Count",
                        SD_BUS_ARGS("s", source, "t", number, "a(xsqst)", counts, "a(xqut)", bids, "a(xsqsssssxxxxs)", requests),
                        SD_BUS_NO_RESULT, method_count, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Read",
                        SD_BUS_ARGS("x", since), SD_BUS_RESULT("a(sqst)", counts, "a(qut)", bids),
                        method_read, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Request",
                        SD_BUS_ARGS("s", id), SD_BUS_RESULT("a{sv}", request),
                        method_event, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
