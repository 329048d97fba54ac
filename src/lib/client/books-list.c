/* Questions to the books: lists and texts, each a message of its own; see books-client.h. */
#include <stdarg.h>

#include "bus/names.h"
#include "client/books-private.h"

/* Reads the rows of an answer into an array that grows; the texts are the message's. */
typedef int (*read_row_t)(sd_bus_message *m, void *row);

static int rows_read(sd_bus_message *m, const char *types, size_t size, read_row_t read, void **ret,
                size_t *ret_n) {
        _cleanup_free_ char *rows = NULL;
        size_t n = 0, room = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', types);
        while (r >= 0) {
                if (n == room) {
                        size_t more = MAX(room * 2, (size_t) 8);
                        char *grown = reallocarray(rows, more, size);

                        if (!grown)
                                return -ENOMEM;
                        rows = grown;
                        room = more;
                }
                memset(rows + n * size, 0, size);
                r = read(m, rows + n * size);
                if (r <= 0)
                        break;
                n++;
        }
        if (r < 0)
                return -EBADMSG;
        *ret = TAKE_PTR(rows);
        *ret_n = n;
        return 0;
}

#define INVOICE_ROW "(ssssssxxxsssxx)"
static int read_invoice(sd_bus_message *m, void *row) {
        BooksInvoice *i = row;

        return sd_bus_message_read(m, INVOICE_ROW, &i->hash, &i->bolt11, &i->account, &i->job,
                        &i->stage, &i->description, &i->amount_msat, &i->created_at, &i->expires_at,
                        &i->state, &i->preimage, &i->driver, &i->received_msat, &i->settled_at);
}

#define INTENT_ROW "(sssssssssxxsssssxxxxx)"
static int read_intent(sd_bus_message *m, void *row) {
        BooksIntent *i = row;

        return sd_bus_message_read(m, INTENT_ROW, &i->id, &i->account, &i->hash, &i->bolt11,
                        &i->payee, &i->grant, &i->purpose, &i->ref, &i->verify, &i->amount_msat,
                        &i->fee_max_msat, &i->state, &i->opaque, &i->preimage, &i->reason,
                        &i->driver, &i->fee_msat, &i->created_at, &i->sent_at, &i->settled_at,
                        &i->tries);
}

#define GRANT_ROW "(sssss)"
static int read_grant(sd_bus_message *m, void *row) {
        BooksGrant *g = row;

        return sd_bus_message_read(
                        m, GRANT_ROW, &g->name, &g->account, &g->json, &g->state, &g->used);
}

#define BALANCE_ROW "(sxxb)"
static int read_balance(sd_bus_message *m, void *row) {
        BooksBalance *b = row;
        int r, frozen = 0;

        r = sd_bus_message_read(
                        m, BALANCE_ROW, &b->account, &b->balance_msat, &b->reserved_msat, &frozen);
        b->frozen = frozen;
        return r;
}

#define LINE_ROW "(xxssssx)"
static int read_line(sd_bus_message *m, void *row) {
        BooksLine *l = row;

        return sd_bus_message_read(m, LINE_ROW, &l->entry, &l->booked_at, &l->kind, &l->ref,
                        &l->account, &l->text, &l->msat);
}

static const char unreadable[] = "the store's answer could not be read";

/* What a list is made of. */
typedef struct List {
        const char *types;
        size_t size;
        read_row_t read;
} List;

static const List invoice_list = { INVOICE_ROW, sizeof(BooksInvoice), read_invoice };
static const List intent_list = { INTENT_ROW, sizeof(BooksIntent), read_intent };
static const List grant_list = { GRANT_ROW, sizeof(BooksGrant), read_grant };
static const List balance_list = { BALANCE_ROW, sizeof(BooksBalance), read_balance };
static const List line_list = { LINE_ROW, sizeof(BooksLine), read_line };

/* The end of a call: its rows, or why there are none, and who wants to know. */
typedef struct Rows {
        BooksAsker asker;
        sd_bus_message *m;
        void *rows;
        size_t n;
        int error;
        const char *reason;
} Rows;

static void rows_done(Rows *r) {
        sd_bus_message_unref(r->m);
        free(r->rows);
}
#define _cleanup_rows_ _cleanup_(rows_done)

static Rows rows_take(BooksCall *call, sd_bus_message *reply, int error, const char *reason,
                const List *list) {
        Rows r = { .m = sd_bus_message_ref(reply), .error = MIN(error, 0), .reason = reason };

        r.asker = books_call_end(call);
        if (error >= 0) {
                r.error = rows_read(r.m, list->types, list->size, list->read, &r.rows, &r.n);
                r.reason = r.error < 0 ? unreadable : NULL;
        }
        return r;
}

static void on_invoices(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_rows_ Rows r = rows_take(userdata, reply, error, reason, &invoice_list);

        if (r.asker.done.invoices)
                r.asker.done.invoices(r.error, r.reason, r.rows, r.n, r.asker.userdata);
}

static void on_intents(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_rows_ Rows r = rows_take(userdata, reply, error, reason, &intent_list);

        if (r.asker.done.intents)
                r.asker.done.intents(r.error, r.reason, r.rows, r.n, r.asker.userdata);
}

static void on_grants(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_rows_ Rows r = rows_take(userdata, reply, error, reason, &grant_list);

        if (r.asker.done.grants)
                r.asker.done.grants(r.error, r.reason, r.rows, r.n, r.asker.userdata);
}

static void on_balances(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_rows_ Rows r = rows_take(userdata, reply, error, reason, &balance_list);

        if (r.asker.done.balances)
                r.asker.done.balances(r.error, r.reason, r.rows, r.n, r.asker.userdata);
}

static void on_lines(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_rows_ Rows r = rows_take(userdata, reply, error, reason, &line_list);

        if (r.asker.done.lines)
                r.asker.done.lines(r.error, r.reason, r.rows, r.n, r.asker.userdata);
}

static void on_text(sd_bus_message *reply, int error, _unused_ const char *bus_name,
                const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        BooksAsker asker = books_call_end(userdata);
        const char *text = "";

        if (error >= 0 && sd_bus_message_read(m, "s", &text) <= 0) {
                error = -EBADMSG;
                reason = unreadable;
        }
        if (asker.done.text)
                asker.done.text(MIN(error, 0), error < 0 ? reason : NULL, text, asker.userdata);
}

static void on_verdict(sd_bus_message *reply, int error, _unused_ const char *bus_name,
                const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        BooksAsker asker = books_call_end(userdata);
        int verdict = error;

        if (error >= 0 && sd_bus_message_read(m, "(is)", &verdict, &reason) <= 0) {
                verdict = -EBADMSG;
                reason = unreadable;
        }
        if (asker.done.verdict)
                asker.done.verdict(verdict, reason, asker.userdata);
}

/* Sends what was written; rows that wait go before, so that a question sees them. */
static int call_send(
                BooksClient *c, sd_bus_message *m, bus_reply_t on_reply, const BooksAsker *asker) {
        BooksCall *call;
        int r;

        books_client_send(c);
        r = books_call_new(c, NULL, asker, &call);
        if (r < 0)
                return r;
        r = bus_client_call(books_client_bus(c), m, 0, on_reply, call, &call->bus);
        if (r < 0) {
                call->asker.ret = NULL;
                (void) books_call_end(call);
                return r;
        }
        if (asker->ret)
                *asker->ret = call;
        return 0;
}

static int ask(BooksClient *c, const char *member, bus_reply_t on_reply, const BooksAsker *asker,
                const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;
        int r;

        r = bus_client_message(books_client_bus(c), BUS_STORE_WALLET, member, &m);
        if (r < 0)
                return r;
        va_start(ap, types);
        r = sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        return r < 0 ? r : call_send(c, m, on_reply, asker);
}

#define ASKER(field) (&(const BooksAsker){ .done.field = done, .userdata = userdata, .ret = ret })

int books_open_invoices(BooksClient *c, const char *after, unsigned limit, books_invoices_t done,
                void *userdata, BooksCall **ret) {
        return ask(c, "OpenInvoices", on_invoices, ASKER(invoices), "su", after ?: "", limit);
}

int books_get_invoice(BooksClient *c, const char *hash, books_invoices_t done, void *userdata,
                BooksCall **ret) {
        return ask(c, "Invoice", on_invoices, ASKER(invoices), "s", hash);
}

static int ask_about(BooksClient *c, const char *member, const char *const *names, size_t n,
                bus_reply_t on_reply, const BooksAsker *asker) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(books_client_bus(c), BUS_STORE_WALLET, member, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "s", names[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : call_send(c, m, on_reply, asker);
}

int books_job_invoices(BooksClient *c, const char *const *jobs, size_t n_jobs,
                books_invoices_t done, void *userdata, BooksCall **ret) {
        return ask_about(c, "JobInvoices", jobs, n_jobs, on_invoices, ASKER(invoices));
}

int books_get_cursor(BooksClient *c, const char *driver, books_text_t done, void *userdata,
                BooksCall **ret) {
        return ask(c, "Cursor", on_text, ASKER(text), "s", driver);
}

int books_open_intents(BooksClient *c, const char *after, unsigned limit, books_intents_t done,
                void *userdata, BooksCall **ret) {
        return ask(c, "OpenIntents", on_intents, ASKER(intents), "su", after ?: "", limit);
}

int books_get_intent(BooksClient *c, const char *id_or_hash, books_intents_t done, void *userdata,
                BooksCall **ret) {
        return ask(c, "Intent", on_intents, ASKER(intents), "s", id_or_hash);
}

int books_grants(BooksClient *c, books_grants_t done, void *userdata, BooksCall **ret) {
        return ask(c, "Grants", on_grants, ASKER(grants), "");
}

int books_balances(BooksClient *c, books_balances_t done, void *userdata, BooksCall **ret) {
        return ask(c, "Balances", on_balances, ASKER(balances), "");
}

int books_accounts(BooksClient *c, const char *const *names, size_t n, books_balances_t done,
                void *userdata, BooksCall **ret) {
        return ask_about(c, "Accounts", names, n, on_balances, ASKER(balances));
}

int books_history(BooksClient *c, const char *account, int64_t before, unsigned limit,
                books_lines_t done, void *userdata, BooksCall **ret) {
        return ask(c, "History", on_lines, ASKER(lines), "sxu", account ?: "", before, limit);
}

int books_verify(BooksClient *c, const BooksDriver *drivers, size_t n, books_verdict_t done,
                void *userdata, BooksCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(books_client_bus(c), BUS_STORE_WALLET, "Verify", &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sx)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "(sx)", drivers[i].driver, drivers[i].balance_msat);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : call_send(c, m, on_verdict, ASKER(verdict));
}
