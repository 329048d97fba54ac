/* The orders of this life, those that a former one has left open, and questions for those that are
 * over. */
#include "order.h"

#include <stdio.h>

#include "basic/log.h"
#include "bus/names.h"
#include "bus/text.h"

#define ORDERS_MAX    256 /* open and over; the oldest that is over makes room */
#define WAITING_MAX   8
#define QUESTIONS_MAX 64
#define PREFIX_MIN    8 /* of an id */
#define RETRY         (2 * SEC)

Order *order_free(Order *o) {
        if (!o)
                return NULL;

        for (Order **p = &o->host->orders; *p; p = &(*p)->next)
                if (*p == o) {
                        *p = o->next;
                        o->host->n_orders--;
                        break;
                }
        if (o->purchase)
                o->host->n_open--;
        purchase_free(o->purchase);
        sd_bus_message_unref(o->submitted);
        for (size_t i = 0; i < o->n_waiting; i++)
                sd_bus_message_unref(o->waiting[i]);
        free(o->waiting);
        free(o->reason);
        event_unref(o->result);
        return mfree(o);
}

Order *order_find(Host *h, const char *id) {
        for (Order *o = h->orders; o; o = o->next)
                if (strlen(id) >= PREFIX_MIN && startswith(o->id, id))
                        return o;
        return NULL;
}

static const char *order_status(const Order *o) {
        return o->purchase                     ? purchase_state_name(purchase_state(o->purchase))
               : o->state == PURCHASE_RECEIVED ? "success"
               : o->error == -ETIMEDOUT        ? "timeout"
                                               : "error";
}

static int order_reply(const Order *o, sd_bus_message *m) {
        _cleanup_free_ char *owned = NULL;
        const char *json = "";
        int r;

        if (o->result) {
                r = bus_text_json(event_json(o->result, NULL), &owned, &json);
                if (r < 0)
                        return r;
        }
        return sd_bus_reply_method_return(m, "ssss", order_status(o),
                        o->result ? event_pubkey_hex(o->result) : "", json,
                        bus_text_or(o->reason, ""));
}

static void on_stored(Purchase *p, void *userdata) {
        Order *o = userdata;

        memcpy(o->id, purchase_id(p), sizeof(o->id));
        if (!o->submitted)
                return;
        (void) sd_bus_reply_method_return(o->submitted, "s", o->id);
        o->submitted = sd_bus_message_unref(o->submitted);
}

static void on_progress(Purchase *p, const char *status, const char *text, void *userdata) {
        Order *o = userdata;

        if (!o->id[0]) /* it speaks before its start has returned */
                memcpy(o->id, purchase_id(p), sizeof(o->id));
        bus_server_signal(service_server(o->host->service), BUS_HOST, "Progress", "sss", o->id,
                        bus_text_or(status, ""), bus_text_or(text, ""));
}

static void on_done(Purchase *p, void *userdata) {
        Order *o = userdata;

        o->state = purchase_state(p);
        o->error = purchase_error(p);
        o->reason = strdup(purchase_reason(p));
        o->result = event_ref(purchase_result(p));
        o->purchase = purchase_free(p);
        o->host->n_open--;
        bus_server_changed(service_server(o->host->service), BUS_HOST, "Purchases", NULL);

        if (o->state == PURCHASE_RECEIVED)
                log_info("Job %s was answered by %s.", o->id, event_pubkey_hex(o->result));
        else
                log_info("Job %s was not answered: %s.", o->id, o->reason);

        if (o->submitted) { /* it never had an id: nobody can ask for it again */
                (void) sd_bus_reply_method_errorf(o->submitted,
                                o->error == -ENOKEY ? BUS_ERROR_NO_KEY : BUS_ERROR_NOT_REACHABLE,
                                "The job could not be sent: %s.",
                                o->reason ?: "there is no memory");
                order_free(o);
                return;
        }
        for (size_t i = 0; i < o->n_waiting; i++) {
                (void) order_reply(o, o->waiting[i]);
                sd_bus_message_unref(o->waiting[i]);
        }
        o->n_waiting = 0;
}

static const PurchaseHandler purchase_handler = {
        .stored = on_stored,
        .progress = on_progress,
        .done = on_done,
};

/* The list has the newest first. */
static int make_room(Host *h) {
        Order *oldest = NULL;

        if (h->n_orders < ORDERS_MAX)
                return 0;
        for (Order *o = h->orders; o; o = o->next)
                if (!o->purchase)
                        oldest = o;
        if (!oldest)
                return -ENOBUFS;
        order_free(oldest);
        return 0;
}

static Order *order_add(Host *h) {
        Order *o = new0(Order, 1);

        if (!o)
                return NULL;
        *o = (Order){ .host = h, .next = h->orders };
        h->orders = o;
        h->n_orders++;
        h->n_open++;
        return o;
}

static void order_drop(Order *o) {
        o->host->n_open--;
        (void) order_free(o);
}

int order_new(Host *h, const PurchaseOrder *what, sd_bus_message *submit, sd_bus_error *error) {
        Order *o;
        int r;

        r = make_room(h);
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_BUSY,
                                "%d purchases are open; wait for one to end.", ORDERS_MAX);
        o = order_add(h);
        if (!o)
                return -ENOMEM;

        r = purchase_start(h->market, what, &purchase_handler, o, &o->purchase);
        if (r < 0) {
                order_drop(o);
                return sd_bus_error_set_errnof(
                                error, r, "The job could not be sent: %s.", strerror(-r));
        }
        o->submitted = sd_bus_message_ref(submit);
        bus_server_changed(service_server(h->service), BUS_HOST, "Purchases", NULL);
        return 1;
}

int order_wait(Order *o, sd_bus_message *m, sd_bus_error *error) {
        sd_bus_message **more;

        if (!o->purchase)
                return order_reply(o, m);
        if (o->n_waiting >= WAITING_MAX)
                return sd_bus_error_set(
                                error, BUS_ERROR_BUSY, "Too many wait for this job already.");

        more = reallocarray(o->waiting, o->n_waiting + 1, sizeof(*more));
        if (!more)
                return -ENOMEM;
        o->waiting = more;
        o->waiting[o->n_waiting++] = sd_bus_message_ref(m);
        return 1;
}

int order_look(const Order *o, sd_bus_message *m) {
        return order_reply(o, m);
}

/* ---- what is over, and forgotten here */

struct Question {
        Host *host;
        Question *prev, *next;
        char id[HEX32_MAX];
        bool wait; /* for its end; else the present state will do */
        sd_bus_message *message;
        PurchasesCall *call; /* NULL: what is open has to be taken up first */
};

Question *question_free(Question *q) {
        if (!q)
                return NULL;

        *(q->prev ? &q->prev->next : &q->host->questions) = q->next;
        if (q->next)
                q->next->prev = q->prev;
        q->host->n_questions--;
        q->call = purchases_call_free(q->call);
        q->message = sd_bus_message_unref(q->message);
        return mfree(q);
}

static const char *row_status(const PurchaseRow *row) {
        return streq(row->state, "received") ? "success"
               : streq(row->state, "failed") ? "error"
                                             : row->state;
}

static void on_row(
                int error, const char *reason, const PurchaseRow *rows, size_t n, void *userdata) {
        Question *q = userdata;

        if (error >= 0 && n == 1)
                (void) sd_bus_reply_method_return(q->message, "ssss", row_status(rows),
                                *rows->payee ? rows->payee : rows->provider, rows->result,
                                rows->error);
        else
                (void) sd_bus_reply_method_errorf(q->message, BUS_ERROR_NO_SUCH_JOB, "%s",
                                reason ?: "There is no such purchase.");
        (void) question_free(q);
}

static int question_ask(Question *q) {
        return purchases_get(market_purchases(q->host->market), q->id, on_row, q, &q->call);
}

int order_recall(Host *h, const char *id, bool wait, sd_bus_message *m, sd_bus_error *error) {
        Question *q;
        int r;

        if (h->n_questions >= QUESTIONS_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "Too many ask at the same time.");
        q = new0(Question, 1);
        if (!q)
                return -ENOMEM;
        *q = (Question){ .host = h, .next = h->questions, .wait = wait };
        (void) snprintf(q->id, sizeof(q->id), "%s", id);
        q->message = sd_bus_message_ref(m);
        if (q->next)
                q->next->prev = q;
        h->questions = q;
        h->n_questions++;

        r = h->resumed ? question_ask(q) : 0;
        if (r < 0) {
                (void) question_free(q);
                return sd_bus_error_set_errnof(error, r, "The store cannot be asked: %m");
        }
        return 1;
}

/* ---- what a former life has left open */

static void resume(Host *h, const PurchaseRow *row) {
        Order *o;
        int r;

        if (order_find(h, row->id))
                return;
        if (*row->ref) { /* an agent's: it asks for it again */
                r = purchase_resume_alone(h->market, row);
                if (r < 0)
                        log_warning("Purchase %.12s of the database cannot be taken up: %s.",
                                        row->id, strerror(-r));
                return;
        }
        r = make_room(h);
        o = r < 0 ? NULL : order_add(h);
        if (o) {
                (void) snprintf(o->id, sizeof(o->id), "%s", row->id);
                r = purchase_resume(h->market, row, &purchase_handler, o, &o->purchase);
                if (r < 0)
                        order_drop(o);
        }
        if (!o || r < 0)
                log_warning("Purchase %.12s of the database cannot be taken up: %s.", row->id,
                                strerror(o ? -r : ENOBUFS));
        else
                log_info("Purchase %.12s is taken up where it was: %s.", row->id, row->state);
}

/* Who asked before everything was taken up. */
static void answer_questions(Host *h) {
        for (Question *q = h->questions, *next; q; q = next) {
                Order *o = order_find(h, q->id);

                next = q->next;
                if (q->call)
                        continue;
                if (!o && question_ask(q) >= 0)
                        continue;
                if (!o || (q->wait ? order_wait(o, q->message, NULL) : order_look(o, q->message)) <
                                                0)
                        (void) sd_bus_reply_method_errorf(
                                        q->message, BUS_ERROR_BUSY, "It cannot be told now.");
                (void) question_free(q);
        }
}

static int on_retry(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Host *h = userdata;

        h->retry = sd_event_source_disable_unref(h->retry);
        return orders_resume(h);
}

static void on_open(
                int error, const char *reason, const PurchaseRow *rows, size_t n, void *userdata) {
        Host *h = userdata;

        if (error < 0) {
                log_warning("The open purchases could not be read: %s.", reason);
                if (sd_event_add_time_relative(service_event(h->service), &h->retry, CLOCK_BOOTTIME,
                                    RETRY, RETRY / 8, on_retry, h) < 0)
                        log_warning("No timer is left; they are taken up at the next start.");
                return;
        }
        for (size_t i = 0; i < n; i++)
                resume(h, rows + i);
        if (n == 0) {
                h->resumed = true;
                answer_questions(h);
                return;
        }
        (void) snprintf(h->last_resumed, sizeof(h->last_resumed), "%s", rows[n - 1].id);
        (void) orders_resume(h);
}

int orders_resume(Host *h) {
        return purchases_open(
                        market_purchases(h->market), h->last_resumed, on_open, h, &h->resuming);
}
