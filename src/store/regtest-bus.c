#include "regtest-bus.h"

#include "basic/fault.h"
#include "request.h"

#define LIST_MAX 1000

/* Everything here waits for the commit of what came before it, questions too: nobody is told of a
 * payment that a crash could still undo. */

static int request_key(Store *s, sd_bus_message *m, sd_bus_message *reply, _unused_ bool *ret_lazy,
                const char **reterr) {
        const char *fresh;
        char kept[65];
        int r;

        r = sd_bus_message_read(m, "s", &fresh);
        if (r < 0)
                return r;
        r = regtest_key(s->regtest, fresh, kept);
        if (r < 0) {
                *reterr = r == -EINVAL ? "the key is not 64 hex digits"
                                       : sql_reason(store_note(s, r));
                return r;
        }
        return sd_bus_message_append(reply, "s", kept);
}

static int request_add_invoice(Store *s, sd_bus_message *m, _unused_ sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        RegtestInvoice i = { 0 };
        int r;

        r = sd_bus_message_read(m, "sssssxxx", &i.hash, &i.preimage, &i.account, &i.bolt11,
                        &i.description, &i.amount_msat, &i.created_at, &i.expires_at);
        if (r < 0)
                return r;
        return regtest_add_invoice(s->regtest, &i, reterr);
}

static int request_pay(Store *s, sd_bus_message *m, sd_bus_message *reply, _unused_ bool *ret_lazy,
                const char **reterr) {
        const char *payer, *hash;
        RegtestPayment p;
        int64_t msat;
        int r;

        r = sd_bus_message_read(m, "ssx", &payer, &hash, &msat);
        if (r < 0)
                return r;
        r = fault("store.regtest.pay");
        if (r >= 0)
                r = regtest_pay(s->regtest, payer, hash, msat, &p);
        if (r < 0) {
                *reterr = sql_reason(store_note(s, r));
                return r;
        }
        return sd_bus_message_append(reply, "sssxx",
                        !p.settled ? "failed"
                        : p.again  ? "again"
                                   : "settled",
                        p.settled ? "" : p.reason, p.preimage, p.amount_msat, p.paid_at);
}

static int request_payment(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *payer, *hash;
        RegtestPayment p;
        int r;

        r = sd_bus_message_read(m, "ss", &payer, &hash);
        if (r < 0)
                return r;
        r = regtest_payment(s->regtest, payer, hash, &p);
        if (r < 0) {
                *reterr = sql_reason(store_note(s, r));
                return r;
        }
        return sd_bus_message_append(reply, "ssxx", p.settled ? "settled" : "", p.preimage,
                        p.amount_msat, p.paid_at);
}

static int request_invoice(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        RegtestInvoice i = {
                .state = "", .account = "", .bolt11 = "", .description = "", .preimage = ""
        };
        _cleanup_sql_ SqlStatement *row = NULL;
        const char *hash;
        int r;

        r = sd_bus_message_read(m, "s", &hash);
        if (r < 0)
                return r;
        r = regtest_invoice(s->regtest, hash, &i, &row);
        if (r < 0) {
                *reterr = sql_reason(store_note(s, r));
                return r;
        }
        return sd_bus_message_append(reply, "sssssxxxxx", i.state, i.account, i.bolt11,
                        i.description, i.preimage, i.amount_msat, i.received_msat, i.created_at,
                        i.expires_at, i.settled_at);
}

static int settled_row(int64_t seq, const char *hash, int64_t received_msat, int64_t settled_at,
                const char *preimage, void *userdata) {
        return sd_bus_message_append(
                        userdata, "(xsxxs)", seq, hash, received_msat, settled_at, preimage);
}

static int request_settled(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *account;
        uint32_t limit;
        int64_t after;
        int r;

        r = sd_bus_message_read(m, "sxu", &account, &after, &limit);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(xsxxs)");
        if (r < 0)
                return r;
        r = regtest_settled(s->regtest, account, after, MIN(limit, (uint32_t) LIST_MAX),
                        settled_row, reply);
        if (r < 0) {
                *reterr = sql_reason(store_note(s, r));
                return r;
        }
        return sd_bus_message_close_container(reply);
}

static int request_fund(Store *s, sd_bus_message *m, sd_bus_message *reply, _unused_ bool *ret_lazy,
                const char **reterr) {
        const char *id, *account;
        int64_t msat, balance;
        int r;

        r = sd_bus_message_read(m, "ssx", &id, &account, &msat);
        if (r < 0)
                return r;
        r = regtest_fund(s->regtest, id, account, msat, &balance, reterr);
        if (r < 0)
                return r == -EINVAL ? r : store_note(s, r);
        return sd_bus_message_append(reply, "x", balance);
}

static int request_balance(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *account;
        int64_t balance;
        int r;

        r = sd_bus_message_read(m, "s", &account);
        if (r < 0)
                return r;
        r = regtest_balance(s->regtest, account, &balance);
        if (r < 0) {
                *reterr = sql_reason(store_note(s, r));
                return r;
        }
        return sd_bus_message_append(reply, "x", balance);
}

static int entry_row(const RegtestEntry *e, void *userdata) {
        return sd_bus_message_append(userdata, "(ssssssxxxx)",
                        e->incoming ? "incoming" : "outgoing", e->state, e->hash, e->bolt11,
                        e->description, e->preimage, e->amount_msat, e->created_at, e->settled_at,
                        e->expires_at);
}

static int request_list(Store *s, sd_bus_message *m, sd_bus_message *reply, _unused_ bool *ret_lazy,
                const char **reterr) {
        RegtestQuery q = { 0 };
        int r, unpaid;

        r = sd_bus_message_read(m, "ssxxuub", &q.account, &q.kind, &q.from, &q.until, &q.offset,
                        &q.limit, &unpaid);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ssssssxxxx)");
        if (r < 0)
                return r;
        q.unpaid = unpaid;
        q.limit = MIN(q.limit, (uint32_t) LIST_MAX);
        r = regtest_list(s->regtest, &q, entry_row, reply);
        if (r < 0) {
                *reterr = sql_reason(store_note(s, r));
                return r;
        }
        return sd_bus_message_close_container(reply);
}

#define METHOD(name)                                                                   \
        static int method_##name(sd_bus_message *m, void *userdata, sd_bus_error *e) { \
                return request_run(userdata, m, STORE_WALLET, request_##name, e);      \
        }

#define QUESTION(name)                                                                 \
        static int method_##name(sd_bus_message *m, void *userdata, sd_bus_error *e) { \
                return request_ask(userdata, m, STORE_WALLET, request_##name, e);      \
        }

METHOD(key)
METHOD(add_invoice)
METHOD(pay)
METHOD(fund)
QUESTION(payment)
QUESTION(invoice)
QUESTION(settled)
QUESTION(balance)
QUESTION(list)

/* clang-format off */
const sd_bus_vtable store_regtest_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Key", SD_BUS_ARGS("s", fresh), SD_BUS_RESULT("s", kept),
                        method_key, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("AddInvoice",
                        SD_BUS_ARGS("s", hash, "s", preimage, "s", account, "s", bolt11,
                                    "s", description, "x", amount_msat, "x", created_at, "x", expires_at),
                        SD_BUS_NO_RESULT,
                        method_add_invoice, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Pay",
                        SD_BUS_ARGS("s", payer, "s", hash, "x", amount_msat),
                        SD_BUS_RESULT("s", outcome, "s", reason, "s", preimage, "x", amount_msat, "x", paid_at),
                        method_pay, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Payment",
                        SD_BUS_ARGS("s", payer, "s", hash),
                        SD_BUS_RESULT("s", state, "s", preimage, "x", amount_msat, "x", paid_at),
                        method_payment, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Invoice",
                        SD_BUS_ARGS("s", hash),
                        SD_BUS_RESULT("s", state, "s", account, "s", bolt11, "s", description,
                                      "s", preimage, "x", amount_msat, "x", received_msat,
                                      "x", created_at, "x", expires_at, "x", settled_at),
                        method_invoice, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Settled",
                        SD_BUS_ARGS("s", account, "x", after, "u", limit),
                        SD_BUS_RESULT("a(xsxxs)", invoices),
                        method_settled, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Fund",
                        SD_BUS_ARGS("s", id, "s", account, "x", msat), SD_BUS_RESULT("x", balance),
                        method_fund, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Balance",
                        SD_BUS_ARGS("s", account), SD_BUS_RESULT("x", balance),
                        method_balance, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("List",
                        SD_BUS_ARGS("s", account, "s", kind, "x", from, "x", until, "u", offset,
                                    "u", limit, "b", unpaid),
                        SD_BUS_RESULT("a(ssssssxxxx)", entries),
                        method_list, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
