#include "books-bus.h"

#include "bus/authorize.h"
#include "bus/names.h"
#include "request.h"
#include "rows.h"

#define BATCH_MAX  4096
#define LIST_MAX   1000
#define REPORT_MAX (UINT64_C(64) * 1024)

/* Changing calls: an array of rows in, an array of (is) out. A row function returns what reading
 * the row returned, and in *ret_error what became of it. Questions are answered after the commit of
 * what came before them, too: nobody is told of money that a crash could still undo. */
typedef int (*row_t)(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error);

static int batch(Store *s, sd_bus_message *m, sd_bus_message *reply, const char *types, row_t row,
                const char **reterr) {
        Outcome *o = &s->books->outcome;
        int r, error = 0, n = 0;

        r = sd_bus_message_enter_container(m, 'a', types);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(is)");
        while (r >= 0) {
                r = row(s->books, m, o, &error);
                if (r <= 0)
                        break;
                if (error < 0) {
                        *reterr = sql_reason(error);
                        return store_note(s, error);
                }
                if (++n > BATCH_MAX) {
                        *reterr = "more than 4096 rows at once";
                        return -E2BIG;
                }
                r = sd_bus_message_append(reply, "(is)", o->verdict, o->text);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* One method: how a row is read, and what is done with it. */
#define DEFINE_BATCH(name, types)                                                     \
        static int request_##name(Store *s, sd_bus_message *m, sd_bus_message *reply, \
                        _unused_ bool *ret_lazy, const char **reterr) {               \
                return batch(s, m, reply, types, row_##name, reterr);                 \
        }                                                                             \
        DEFINE_METHOD(name)

#define DEFINE_METHOD(name)                                                                \
        static int method_##name(sd_bus_message *m, void *userdata, sd_bus_error *error) { \
                return request_run(userdata, m, STORE_WALLET, request_##name, error);      \
        }

#define DEFINE_QUESTION(name)                                                              \
        static int method_##name(sd_bus_message *m, void *userdata, sd_bus_error *error) { \
                return request_ask(userdata, m, STORE_WALLET, request_##name, error);      \
        }

static int row_add_invoices(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        Invoice i = { 0 };
        int r;

        r = sd_bus_message_read(m, "(ssssssxxx)", &i.hash, &i.bolt11, &i.account, &i.job, &i.stage,
                        &i.description, &i.amount_msat, &i.created_at, &i.expires_at);
        if (r > 0)
                *ret_error = invoice_add(b->invoices, &i, ret);
        return r;
}
DEFINE_BATCH(add_invoices, "(ssssssxxx)")

static int row_settle_invoices(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        Settlement s = { 0 };
        int r;

        r = sd_bus_message_read(m, "(ssssxxx)", &s.hash, &s.driver, &s.preimage, &s.cursor,
                        &s.received_msat, &s.fee_msat, &s.settled_at);
        if (r > 0)
                *ret_error = invoice_settle(b->invoices, &s, ret);
        return r;
}
DEFINE_BATCH(settle_invoices, "(ssssxxx)")

static int row_end_invoices(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        const char *hash, *state;
        int r;

        r = sd_bus_message_read(m, "(ss)", &hash, &state);
        if (r > 0)
                *ret_error = invoice_end(b->invoices, hash, state, ret);
        return r;
}
DEFINE_BATCH(end_invoices, "(ss)")

static int row_set_cursors(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        const char *driver, *cursor;
        int r;

        r = sd_bus_message_read(m, "(ss)", &driver, &cursor);
        if (r > 0)
                *ret_error = cursor_set(b->invoices, driver, cursor, ret);
        return r;
}
DEFINE_BATCH(set_cursors, "(ss)")

static int row_add_intents(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        Intent i = { 0 };
        int r;

        r = sd_bus_message_read(m, "(sssssssssxx)", &i.id, &i.account, &i.hash, &i.bolt11, &i.payee,
                        &i.grant, &i.purpose, &i.ref, &i.verify, &i.amount_msat, &i.fee_max_msat);
        if (r > 0)
                *ret_error = payment_add(b->payments, &i, ret);
        return r;
}
DEFINE_BATCH(add_intents, "(sssssssssxx)")

/* Reserved and sent in one: where nothing has to be made before, one commit does. */
static int row_send_intents(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        Intent i = { 0 };
        IntentMove sent = { .state = "sent", .opaque = "", .preimage = "", .reason = "" };
        int r;

        r = sd_bus_message_read(m, "(sssssssssxxs)", &i.id, &i.account, &i.hash, &i.bolt11,
                        &i.payee, &i.grant, &i.purpose, &i.ref, &i.verify, &i.amount_msat,
                        &i.fee_max_msat, &sent.driver);
        if (r <= 0)
                return r;
        *ret_error = payment_add(b->payments, &i, ret);
        if (*ret_error < 0 || ret->verdict != 0 || !streq(ret->text, "new"))
                return r;
        sent.id = i.id;
        *ret_error = payment_move(b->payments, &sent, ret);
        if (*ret_error >= 0 && ret->verdict == 0)
                *ret_error = outcome_say(ret, 0, "sent");
        return r;
}
DEFINE_BATCH(send_intents, "(sssssssssxxs)")

#define OUTCOME_WAITS (2 * MSEC) /* for another commit; often there is one: the payee's */

static int row_move_intents(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        IntentMove i = { 0 };
        int r;

        r = sd_bus_message_read(m, "(ssssssx)", &i.id, &i.state, &i.opaque, &i.preimage, &i.reason,
                        &i.driver, &i.fee_msat);
        if (r <= 0)
                return r;
        b->urgent |= !streq(i.state, "settled") && !streq(i.state, "failed");
        *ret_error = payment_move(b->payments, &i, ret);
        return r;
}

/* What is over waits for nothing but that somebody hears of it. */
static int request_move_intents(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        int r;

        s->books->urgent = false;
        r = batch(s, m, reply, "(ssssssx)", row_move_intents, reterr);
        if (r >= 0 && !s->books->urgent)
                request_may_wait(s, OUTCOME_WAITS);
        return r;
}
DEFINE_METHOD(move_intents)

static int row_approve_intents(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        const char *id, *note;
        int r, yes;

        r = sd_bus_message_read(m, "(sbs)", &id, &yes, &note);
        if (r > 0)
                *ret_error = payment_approve(b->payments, id, yes, note, ret);
        return r;
}
DEFINE_BATCH(approve_intents, "(sbs)")

static int row_set_grants(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        const char *name, *account, *json;
        int r;

        r = sd_bus_message_read(m, "(sss)", &name, &account, &json);
        if (r > 0)
                *ret_error = grant_set(b->grants, name, account, json, ret);
        return r;
}
DEFINE_BATCH(set_grants, "(sss)")

static int row_revoke_grants(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        const char *name;
        int r;

        r = sd_bus_message_read(m, "(s)", &name);
        if (r > 0)
                *ret_error = grant_revoke(b->grants, name, ret);
        return r;
}
DEFINE_BATCH(revoke_grants, "(s)")

static int row_begin_ticks(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        const char *name, *tick;
        int r;

        r = sd_bus_message_read(m, "(ss)", &name, &tick);
        if (r > 0)
                *ret_error = grant_begin_tick(b->grants, name, tick, ret);
        return r;
}
DEFINE_BATCH(begin_ticks, "(ss)")

static int row_transfers(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        Transfer x = { 0 };
        int r;

        r = sd_bus_message_read(m, "(sssxs)", &x.id, &x.from, &x.to, &x.msat, &x.text);
        if (r > 0)
                *ret_error = book_transfer(b, &x, ret);
        return r;
}
DEFINE_BATCH(transfers, "(sssxs)")

static int row_deposits(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        Transfer x = { 0 };
        int r;

        r = sd_bus_message_read(m, "(sssxs)", &x.id, &x.from, &x.to, &x.msat, &x.text);
        if (r > 0)
                *ret_error = book_deposit(b, &x, ret);
        return r;
}
DEFINE_BATCH(deposits, "(sssxs)")

static int row_unfreeze(Books *b, sd_bus_message *m, Outcome *ret, int *ret_error) {
        const char *account;
        int r;

        r = sd_bus_message_read(m, "(s)", &account);
        if (r > 0)
                *ret_error = book_unfreeze(b, account, ret);
        return r;
}
DEFINE_BATCH(unfreeze, "(s)")

/* Questions. */

static int answer_rows(Store *s, sd_bus_message *reply, SqlStatement *q, const char *signature,
                const char **reterr) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', signature);
        if (r < 0)
                return r;
        r = rows_append(reply, q, signature);
        if (r < 0) {
                *reterr = sql_reason(r);
                return store_note(s, r);
        }
        return sd_bus_message_close_container(reply);
}

static int request_open_invoices(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *after;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(m, "su", &after, &limit);
        if (r < 0)
                return r;
        return answer_rows(s, reply,
                        invoice_open(s->books->invoices, after, MIN(limit, (uint32_t) LIST_MAX)),
                        INVOICE_ROW, reterr);
}
DEFINE_QUESTION(open_invoices)

static int request_get_invoice(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *hash;
        int r;

        r = sd_bus_message_read(m, "s", &hash);
        if (r < 0)
                return r;
        return answer_rows(s, reply, invoice_get(s->books->invoices, hash), INVOICE_ROW, reterr);
}
DEFINE_QUESTION(get_invoice)

static int request_job_invoices(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *job;
        int r, n = 0;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', INVOICE_ROW);
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &job)) > 0) {
                if (++n > LIST_MAX) {
                        *reterr = "more than 1000 jobs at once";
                        return -E2BIG;
                }
                r = rows_append(reply, invoice_of_job(s->books->invoices, job), INVOICE_ROW);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}
DEFINE_QUESTION(job_invoices)

static int request_cursor(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        _cleanup_sql_ SqlStatement *q = NULL;
        const char *driver, *cursor;
        int r;

        r = sd_bus_message_read(m, "s", &driver);
        if (r < 0)
                return r;
        r = cursor_get(s->books->invoices, driver, &q, &cursor);
        if (r < 0) {
                *reterr = sql_reason(r);
                return store_note(s, r);
        }
        return sd_bus_message_append(reply, "s", cursor);
}
DEFINE_QUESTION(cursor)

static int request_open_intents(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *after;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(m, "su", &after, &limit);
        if (r < 0)
                return r;
        return answer_rows(s, reply,
                        payment_open(s->books->payments, after, MIN(limit, (uint32_t) LIST_MAX)),
                        PAYMENT_ROW, reterr);
}
DEFINE_QUESTION(open_intents)

static int request_get_intent(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *id;
        int r;

        r = sd_bus_message_read(m, "s", &id);
        if (r < 0)
                return r;
        return answer_rows(s, reply, payment_get(s->books->payments, id), PAYMENT_ROW, reterr);
}
DEFINE_QUESTION(get_intent)

static int request_grants(Store *s, _unused_ sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        SqlStatement *q;
        int r;

        r = grant_list(s->books->grants, &q);
        if (r < 0) {
                *reterr = sql_reason(r);
                return store_note(s, r);
        }
        return answer_rows(s, reply, q, GRANT_ROW, reterr);
}
DEFINE_QUESTION(grants)

static int request_balances(Store *s, _unused_ sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        return answer_rows(s, reply, ledger_balances(s->books->ledger), "(sxxb)", reterr);
}
DEFINE_QUESTION(balances)

static int append_account(Store *s, sd_bus_message *reply, const char *name, const char **reterr) {
        LedgerAccount a;
        int r;

        r = ledger_account(s->books->ledger, name, &a);
        if (r < 0) {
                *reterr = sql_reason(r);
                return store_note(s, r);
        }
        return sd_bus_message_append(reply, "(sxxb)", name, a.msat, a.reserved, (int) a.frozen);
}

/* Those that are asked for, in this order; one that nobody has used is empty. */
static int request_accounts(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *name;
        int r, n = 0;

        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sxxb)");
        while (r >= 0 && (r = sd_bus_message_read(m, "s", &name)) > 0) {
                if (++n > LIST_MAX) {
                        *reterr = "more than 1000 accounts at once";
                        return -E2BIG;
                }
                if (account_kind(name) == ACCOUNT_UNKNOWN) {
                        *reterr = "there can be no such account";
                        return -EINVAL;
                }
                r = append_account(s, reply, name, reterr);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}
DEFINE_METHOD(accounts)

static int request_history(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *account;
        int64_t before;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(m, "sxu", &account, &before, &limit);
        if (r < 0)
                return r;
        return answer_rows(s, reply,
                        ledger_history(s->books->ledger, account, before,
                                        MIN(limit, (uint32_t) LIST_MAX)),
                        "(xxssssx)", reterr);
}
DEFINE_QUESTION(history)

/* Verify */

typedef struct Report {
        Buffer lines;
        bool bad;
} Report;

static int report_line(const char *check, bool ok, const char *detail, void *userdata) {
        Report *report = userdata;

        report->bad |= !ok;
        return buffer_addf(&report->lines, "%s: %s%s\n", check, ok ? "ok" : "wrong, ", detail);
}

static int verify_drivers(Store *s, sd_bus_message *m, Report *report) {
        const char *driver;
        int64_t msat;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sx)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sx)", &driver, &msat)) > 0)
                r = book_verify_driver(s->books, driver, msat, report_line, report);
        return r;
}

static int request_verify(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        Report report = { 0 };
        int r;

        buffer_init(&report.lines, REPORT_MAX);
        r = book_verify(s->books, report_line, &report);
        if (r >= 0)
                r = verify_drivers(s, m, &report);
        if (r >= 0)
                r = sd_bus_message_append(reply, "(is)", (int) report.bad, report.lines.data ?: "");
        else
                *reterr = sql_reason(r);
        buffer_done(&report.lines);
        return r;
}
DEFINE_METHOD(verify)

/* For people. */

static int may_view(Store *s, sd_bus_message *m, sd_bus_error *error) {
        return bus_authorize(
                        service_server(s->service), m, "com.openagents.pylon1.wallet.view", error);
}

int method_ledger(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        const char *reason = NULL;
        uint32_t limit;
        int64_t after;
        int r;

        r = sd_bus_message_read(m, "xu", &after, &limit);
        if (r < 0)
                return r;
        r = may_view(s, m, error);
        if (r <= 0)
                return r < 0 ? r : 1; /* 0: polkit asks, and we are called again */

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = answer_rows(s, reply,
                        ledger_list(s->books->ledger, after, MIN(limit, (uint32_t) LIST_MAX)),
                        "(xxssssx)", &reason);
        if (r < 0)
                return reason ? store_refuse(error, r, reason) : r;
        return sd_bus_send(NULL, reply, NULL);
}

static int append_check(const char *check, bool ok, const char *detail, void *userdata) {
        return sd_bus_message_append(userdata, "(sbs)", check, ok, detail);
}

/* Each check reads all of the books: one in a turn of the loop, so that others are served between.
 */
typedef struct Verification Verification;
struct Verification {
        Store *store;
        sd_bus_message *request, *reply;
        sd_event_source *source;
        size_t next;
};

static void verification_end(Verification *v, int error) {
        sd_bus_error e = SD_BUS_ERROR_NULL;
        Store *s = v->store;

        if (error >= 0)
                error = sd_bus_message_close_container(v->reply);
        if (error >= 0)
                (void) sd_bus_send(NULL, v->reply, NULL); /* the caller may be gone */
        else {
                (void) store_refuse_database(s, &e, error);
                (void) sd_bus_reply_method_error(v->request, &e);
                sd_bus_error_free(&e);
        }
        books_bus_done(s);
}

static int on_verify(_unused_ sd_event_source *source, void *userdata) {
        Verification *v = userdata;
        int r;

        r = book_verify_one(v->store->books, v->next++, append_check, v->reply);
        if (r <= 0)
                verification_end(v, r);
        return 0;
}

void books_bus_done(Store *s) {
        Verification *v = TAKE_PTR(s->verification);

        if (!v)
                return;
        sd_bus_message_unref(v->request);
        sd_bus_message_unref(v->reply);
        sd_event_source_disable_unref(v->source);
        free(v);
}

static int verification_start(Store *s, sd_bus_message *m) {
        Verification *v = s->verification;
        int r;

        v->store = s;
        v->request = sd_bus_message_ref(m);
        r = sd_bus_message_new_method_return(m, &v->reply);
        if (r >= 0)
                r = sd_bus_message_open_container(v->reply, 'a', "(sbs)");
        if (r >= 0)
                r = sd_event_add_defer(service_event(s->service), &v->source, on_verify, v);
        if (r >= 0)
                r = sd_event_source_set_priority(v->source, SD_EVENT_PRIORITY_IDLE);
        return r < 0 ? r : sd_event_source_set_enabled(v->source, SD_EVENT_ON);
}

int method_verify_ledger(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Store *s = userdata;
        int r;

        r = may_view(s, m, error);
        if (r <= 0)
                return r < 0 ? r : 1; /* 0: polkit asks, and we are called again */
        if (s->verification)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "The books are being verified.");

        s->verification = new0(Verification, 1);
        if (!s->verification)
                return -ENOMEM;
        r = verification_start(s, m);
        if (r < 0) {
                books_bus_done(s);
                return r;
        }
        return 1;
}

/* clang-format off */
#define BATCH_ROW(member, types, name) \
        SD_BUS_METHOD_WITH_ARGS(member, SD_BUS_ARGS("a" types, rows), \
                        SD_BUS_RESULT("a(is)", verdicts), method_##name, SD_BUS_VTABLE_UNPRIVILEGED)

const sd_bus_vtable books_vtable[] = {
        SD_BUS_VTABLE_START(0),
        BATCH_ROW("AddInvoices",    "(ssssssxxx)",  add_invoices),
        BATCH_ROW("SettleInvoices", "(ssssxxx)",    settle_invoices),
        BATCH_ROW("EndInvoices",    "(ss)",         end_invoices),
        BATCH_ROW("SetCursors",     "(ss)",         set_cursors),
        BATCH_ROW("AddIntents",     "(sssssssssxx)", add_intents),
        BATCH_ROW("SendIntents",    "(sssssssssxxs)", send_intents),
        BATCH_ROW("MoveIntents",    "(ssssssx)",    move_intents),
        BATCH_ROW("ApproveIntents", "(sbs)",        approve_intents),
        BATCH_ROW("SetGrants",      "(sss)",        set_grants),
        BATCH_ROW("RevokeGrants",   "(s)",          revoke_grants),
        BATCH_ROW("BeginTicks",     "(ss)",         begin_ticks),
        BATCH_ROW("Transfers",      "(sssxs)",      transfers),
        BATCH_ROW("Deposits",       "(sssxs)",      deposits),
        BATCH_ROW("Unfreeze",       "(s)",          unfreeze),
        SD_BUS_METHOD_WITH_ARGS("OpenInvoices",
                        SD_BUS_ARGS("s", after, "u", limit),
                        SD_BUS_RESULT("a" INVOICE_ROW, invoices),
                        method_open_invoices, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Invoice",
                        SD_BUS_ARGS("s", hash), SD_BUS_RESULT("a" INVOICE_ROW, invoices),
                        method_get_invoice, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("JobInvoices",
                        SD_BUS_ARGS("as", jobs), SD_BUS_RESULT("a" INVOICE_ROW, invoices),
                        method_job_invoices, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Cursor",
                        SD_BUS_ARGS("s", driver), SD_BUS_RESULT("s", cursor),
                        method_cursor, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenIntents",
                        SD_BUS_ARGS("s", after, "u", limit),
                        SD_BUS_RESULT("a" PAYMENT_ROW, intents),
                        method_open_intents, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Intent",
                        SD_BUS_ARGS("s", id), SD_BUS_RESULT("a" PAYMENT_ROW, intents),
                        method_get_intent, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Grants",
                        SD_BUS_NO_ARGS, SD_BUS_RESULT("a" GRANT_ROW, grants),
                        method_grants, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Balances",
                        SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sxxb)", balances),
                        method_balances, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Accounts",
                        SD_BUS_ARGS("as", names), SD_BUS_RESULT("a(sxxb)", accounts),
                        method_accounts, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("History",
                        SD_BUS_ARGS("s", account, "x", before, "u", limit),
                        SD_BUS_RESULT("a(xxssssx)", lines),
                        method_history, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Verify",
                        SD_BUS_ARGS("a(sx)", drivers), SD_BUS_RESULT("(is)", verdict),
                        method_verify, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
