/* The books' client: rows into batches, see books-client.h. The questions are in books-list.c. */
#include <stdarg.h>

#include "client/books-private.h"

#include "bus/names.h"
#include "bus/text.h"

#define BATCH_MAX   256
#define BATCH_BYTES (UINT64_C(1024) * 1024)
/* After what came in this turn has been read, before the loop sleeps. */
#define FLUSH_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

/* The changing calls, in the order in which those of one turn are sent: what is there comes before
 * what uses it. */
typedef enum Kind {
        KIND_SET_GRANT,
        KIND_REVOKE_GRANT,
        KIND_BEGIN_TICK,
        KIND_DEPOSIT,
        KIND_TRANSFER,
        KIND_ADD_INVOICE,
        KIND_SETTLE_INVOICE,
        KIND_END_INVOICE,
        KIND_SET_CURSOR,
        KIND_ADD_INTENT,
        KIND_SEND_INTENT,
        KIND_APPROVE_INTENT,
        KIND_MOVE_INTENT,
        KIND_UNFREEZE,
        _KIND_MAX,
} Kind;

static const struct {
        const char *member, *row;
} kinds[_KIND_MAX] = {
        [KIND_SET_GRANT] = { "SetGrants", "(sss)" },
        [KIND_REVOKE_GRANT] = { "RevokeGrants", "(s)" },
        [KIND_BEGIN_TICK] = { "BeginTicks", "(ss)" },
        [KIND_DEPOSIT] = { "Deposits", "(sssxs)" },
        [KIND_TRANSFER] = { "Transfers", "(sssxs)" },
        [KIND_ADD_INVOICE] = { "AddInvoices", "(ssssssxxx)" },
        [KIND_SETTLE_INVOICE] = { "SettleInvoices", "(ssssxxx)" },
        [KIND_END_INVOICE] = { "EndInvoices", "(ss)" },
        [KIND_SET_CURSOR] = { "SetCursors", "(ss)" },
        [KIND_ADD_INTENT] = { "AddIntents", "(sssssssssxx)" },
        [KIND_SEND_INTENT] = { "SendIntents", "(sssssssssxxs)" },
        [KIND_APPROVE_INTENT] = { "ApproveIntents", "(sbs)" },
        [KIND_MOVE_INTENT] = { "MoveIntents", "(ssssssx)" },
        [KIND_UNFREEZE] = { "Unfreeze", "(s)" },
};

/* One message with many rows. First it is filled, then sent, then answered. */
struct BooksBatch {
        BooksClient *client;
        sd_bus_message *message; /* its array is open while it is filled */
        BooksCall *first, *last; /* in the order of the rows */
        size_t n, bytes;
        int error; /* it could not be sent */
        BooksBatch *prev, *next;
};

struct BooksClient {
        sd_event *event;
        sd_event_source *flush;
        BusClient *bus;
        BooksBatch *filled[_KIND_MAX]; /* NULL: nothing to send */
        BooksBatch *sent, *failed;
        BooksCall *alone; /* calls of their own */
        size_t n_waiting;
};

/* Calls. */

static void call_unlink(BooksCall *call) {
        BooksCall **list = call->batch ? &call->batch->first : &call->client->alone;

        *(call->prev ? &call->prev->next : list) = call->next;
        if (call->next)
                call->next->prev = call->prev;
        else if (call->batch)
                call->batch->last = call->prev;
        call->client->n_waiting--;
        if (call->asker.ret)
                *call->asker.ret = NULL;
}

/* A row of a batch keeps its place, since the answers come in the order of the rows. */
BooksCall *books_call_free(BooksCall *call) {
        if (!call)
                return NULL;

        if (call->batch) {
                if (call->asker.ret)
                        *call->asker.ret = NULL;
                call->asker = (BooksAsker){ 0 };
                return NULL;
        }
        call_unlink(call);
        call->bus = bus_call_free(call->bus);
        return mfree(call);
}

int books_call_new(BooksClient *c, BooksBatch *batch, const BooksAsker *asker, BooksCall **ret) {
        BooksCall *call;

        if (c->n_waiting >= BOOKS_WAITING_MAX)
                return -ENOBUFS;
        call = new0(BooksCall, 1);
        if (!call)
                return -ENOMEM;

        *call = (BooksCall){ .client = c, .batch = batch, .asker = *asker };
        if (batch) {
                call->prev = batch->last;
                *(batch->last ? &batch->last->next : &batch->first) = call;
                batch->last = call;
        } else {
                call->next = c->alone;
                if (call->next)
                        call->next->prev = call;
                c->alone = call;
        }
        c->n_waiting++;
        *ret = call;
        return 0;
}

/* Takes the call out of the client; what is to be called is left. */
BooksAsker books_call_end(BooksCall *call) {
        BooksAsker asker = call->asker;

        call_unlink(call);
        free(call);
        return asker;
}

/* Batches. */

static BooksBatch *batch_free(BooksBatch *b) {
        if (!b)
                return NULL;

        while (b->first)
                (void) books_call_end(b->first);
        sd_bus_message_unref(b->message);
        return mfree(b);
}
DEFINE_CLEANUP(BooksBatch, batch_free)

static BooksBatch **batch_list(BooksBatch *b) {
        return b->error < 0 ? &b->client->failed : &b->client->sent;
}

static void batch_link(BooksBatch *b) {
        b->next = *batch_list(b);
        if (b->next)
                b->next->prev = b;
        *batch_list(b) = b;
}

static void batch_unlink(BooksBatch *b) {
        *(b->prev ? &b->prev->next : batch_list(b)) = b->next;
        if (b->next)
                b->next->prev = b->prev;
}

/* A callback may free the client, so this batch is nobody's by now and its calls leave one by one.
 */
static void batch_answer(BooksBatch *b, sd_bus_message *reply, int error, const char *reason) {
        if (reply && sd_bus_message_enter_container(reply, 'a', "(is)") < 0)
                error = -EBADMSG;

        while (b->first) {
                const char *text = reason ?: "the store's answer could not be read";
                int verdict = error;
                BooksAsker asker;

                if (error >= 0 && sd_bus_message_read(reply, "(is)", &verdict, &text) <= 0)
                        verdict = error = -EBADMSG;
                asker = books_call_end(b->first);
                if (asker.done.verdict)
                        asker.done.verdict(verdict, text, asker.userdata);
        }
}

static void batch_on_reply(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_(batch_freep) BooksBatch *b = userdata;

        batch_unlink(b);
        batch_answer(b, m, error, reason);
}

static void batch_send(BooksBatch *b) {
        BooksClient *c;
        int r;

        if (!b)
                return;

        c = b->client;
        r = sd_bus_message_close_container(b->message);
        if (r >= 0)
                r = bus_client_call(c->bus, b->message, 0, batch_on_reply, b, NULL);
        b->error = MIN(r, 0);
        b->message = sd_bus_message_unref(b->message); /* the bus client keeps its own */
        batch_link(b);
        if (r < 0) /* told from the event loop: the caller of this may be one of them */
                (void) sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
}

void books_client_send(BooksClient *c) {
        for (int i = 0; i < _KIND_MAX; i++)
                batch_send(TAKE_PTR(c->filled[i]));
}

static int on_flush(_unused_ sd_event_source *s, void *userdata) {
        _cleanup_(batch_freep) BooksBatch *b = NULL;
        BooksClient *c = userdata;

        books_client_send(c);
        b = c->failed;
        if (!b)
                return 0;

        batch_unlink(b);
        if (c->failed) /* a callback may free the client: one at a time */
                (void) sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
        batch_answer(b, NULL, b->error, "the store cannot be asked");
        return 0;
}

/* The batch to append a row to; a full one is sent first. */
static int batch_get(BooksClient *c, Kind kind, BooksBatch **ret) {
        _cleanup_(batch_freep) BooksBatch *b = NULL;
        int r;

        *ret = c->filled[kind];
        if (*ret && ((*ret)->n >= BATCH_MAX || (*ret)->bytes >= BATCH_BYTES)) {
                books_client_send(c);
                *ret = NULL;
        }
        if (*ret)
                return 0;

        b = new0(BooksBatch, 1);
        if (!b)
                return -ENOMEM;
        b->client = c;
        r = bus_client_message(c->bus, BUS_STORE_WALLET, kinds[kind].member, &b->message);
        if (r >= 0)
                r = sd_bus_message_open_container(b->message, 'a', kinds[kind].row);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;
        *ret = c->filled[kind] = TAKE_PTR(b);
        return 0;
}

/* What sd-bus would refuse in the middle of a row would spoil the rows of the others. */
static int texts_are_fit(const char *types, va_list ap, size_t *ret_bytes) {
        *ret_bytes = 64;
        for (; *types; types++) {
                if (*types == 's') {
                        const char *s = va_arg(ap, const char *);

                        if (!bus_text_is_fit(s))
                                return -EILSEQ;
                        *ret_bytes += strlen(s);
                } else if (*types == 'x')
                        (void) va_arg(ap, int64_t);
                else if (*types == 'b')
                        (void) va_arg(ap, int);
        }
        return 0;
}

/* Appends a row; the values are those of the kind's signature, texts never NULL. */
static int row_add(BooksClient *c, Kind kind, const BooksAsker *asker, ...) {
        BooksCall *call;
        size_t bytes;
        BooksBatch *b;
        va_list ap;
        int r;

        va_start(ap, asker);
        r = texts_are_fit(kinds[kind].row, ap, &bytes);
        va_end(ap);
        if (r >= 0)
                r = batch_get(c, kind, &b);
        if (r >= 0)
                r = books_call_new(c, b, asker, &call);
        if (r < 0)
                return r;

        va_start(ap, asker);
        r = sd_bus_message_appendv(b->message, kinds[kind].row, ap);
        va_end(ap);
        if (r < 0) {
                call->asker.ret = NULL;
                (void) books_call_end(call);
                return r;
        }
        b->n++;
        b->bytes += bytes;
        if (asker->ret)
                *asker->ret = call;
        return 0;
}

#define VERDICT(d) (&(const BooksAsker){ .done.verdict = (d), .userdata = userdata, .ret = ret })

int books_add_invoice(BooksClient *c, const BooksInvoice *i, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        return row_add(c, KIND_ADD_INVOICE, VERDICT(done), i->hash ?: "", i->bolt11 ?: "",
                        i->account ?: "", i->job ?: "", i->stage ?: "", i->description ?: "",
                        i->amount_msat, i->created_at, i->expires_at);
}

int books_settle_invoice(BooksClient *c, const BooksSettlement *s, books_verdict_t done,
                void *userdata, BooksCall **ret) {
        return row_add(c, KIND_SETTLE_INVOICE, VERDICT(done), s->hash ?: "", s->driver ?: "",
                        s->preimage ?: "", s->cursor ?: "", s->received_msat, s->fee_msat,
                        s->settled_at);
}

int books_end_invoice(BooksClient *c, const char *hash, const char *state, books_verdict_t done,
                void *userdata, BooksCall **ret) {
        return row_add(c, KIND_END_INVOICE, VERDICT(done), hash, state);
}

int books_set_cursor(BooksClient *c, const char *driver, const char *cursor, books_verdict_t done,
                void *userdata, BooksCall **ret) {
        return row_add(c, KIND_SET_CURSOR, VERDICT(done), driver, cursor);
}

int books_add_intent(BooksClient *c, const BooksIntent *i, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        return row_add(c, KIND_ADD_INTENT, VERDICT(done), i->id ?: "", i->account ?: "",
                        i->hash ?: "", i->bolt11 ?: "", i->payee ?: "", i->grant ?: "",
                        i->purpose ?: "", i->ref ?: "", i->verify ?: "", i->amount_msat,
                        i->fee_max_msat);
}

int books_send_intent(BooksClient *c, const BooksIntent *i, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        return row_add(c, KIND_SEND_INTENT, VERDICT(done), i->id ?: "", i->account ?: "",
                        i->hash ?: "", i->bolt11 ?: "", i->payee ?: "", i->grant ?: "",
                        i->purpose ?: "", i->ref ?: "", i->verify ?: "", i->amount_msat,
                        i->fee_max_msat, i->driver ?: "");
}

int books_move_intent(BooksClient *c, const BooksMove *m, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        return row_add(c, KIND_MOVE_INTENT, VERDICT(done), m->id ?: "", m->state ?: "",
                        m->opaque ?: "", m->preimage ?: "", m->reason ?: "", m->driver ?: "",
                        m->fee_msat);
}

int books_approve(BooksClient *c, const char *id, bool yes, const char *note, books_verdict_t done,
                void *userdata, BooksCall **ret) {
        return row_add(c, KIND_APPROVE_INTENT, VERDICT(done), id, (int) yes, note ?: "");
}

int books_set_grant(BooksClient *c, const char *name, const char *account, const char *json,
                books_verdict_t done, void *userdata, BooksCall **ret) {
        return row_add(c, KIND_SET_GRANT, VERDICT(done), name, account, json);
}

int books_revoke_grant(BooksClient *c, const char *name, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        return row_add(c, KIND_REVOKE_GRANT, VERDICT(done), name);
}

int books_begin_tick(BooksClient *c, const char *grant, const char *tick, books_verdict_t done,
                void *userdata, BooksCall **ret) {
        return row_add(c, KIND_BEGIN_TICK, VERDICT(done), grant, tick);
}

int books_transfer(BooksClient *c, const BooksTransfer *x, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        return row_add(c, KIND_TRANSFER, VERDICT(done), x->id ?: "", x->from ?: "", x->to ?: "",
                        x->msat, x->text ?: "");
}

int books_deposit(BooksClient *c, const BooksDeposit *x, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        return row_add(c, KIND_DEPOSIT, VERDICT(done), x->id ?: "", x->driver ?: "",
                        x->account ?: "", x->msat, x->text ?: "");
}

int books_unfreeze(BooksClient *c, const char *account, books_verdict_t done, void *userdata,
                BooksCall **ret) {
        return row_add(c, KIND_UNFREEZE, VERDICT(done), account);
}

/* The client. */

int books_client_new(sd_event *event, const char *socket_path, BooksClient **ret) {
        _cleanup_(books_client_freep) BooksClient *c = NULL;
        int r;

        c = new0(BooksClient, 1);
        if (!c)
                return -ENOMEM;

        c->event = sd_event_ref(event);
        r = bus_client_new(event, socket_path, &c->bus);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &c->flush, on_flush, c);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(c->flush, "books-client");
        r = sd_event_source_set_priority(c->flush, FLUSH_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->flush, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

BooksClient *books_client_free(BooksClient *c) {
        if (!c)
                return NULL;

        c->flush = sd_event_source_disable_unref(c->flush);
        while (c->alone)
                (void) books_call_free(c->alone);
        c->bus = bus_client_free(c->bus);
        while (c->sent || c->failed) {
                BooksBatch *b = c->sent ?: c->failed;

                batch_unlink(b);
                (void) batch_free(b);
        }
        for (int i = 0; i < _KIND_MAX; i++)
                c->filled[i] = batch_free(c->filled[i]);
        c->event = sd_event_unref(c->event);
        return mfree(c);
}

BusClient *books_client_bus(BooksClient *c) {
        return c->bus;
}

size_t books_client_n_waiting(const BooksClient *c) {
        return c->n_waiting;
}
