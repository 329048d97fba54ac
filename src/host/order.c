#include "order.h"

#include "basic/log.h"
#include "bus/names.h"
#include "bus/text.h"

#define ORDERS_MAX  256 /* open and over; the oldest that is over makes room */
#define WAITING_MAX 8

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
                if (streq(o->id, id))
                        return o;
        return NULL;
}

static const char *order_status(const Order *o) {
        return o->purchase                     ? "open"
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

static void on_signed(Purchase *p, void *userdata) {
        Order *o = userdata;

        memcpy(o->id, purchase_id(p), sizeof(o->id));
        (void) sd_bus_reply_method_return(o->submitted, "s", o->id);
        o->submitted = sd_bus_message_unref(o->submitted);
}

static void on_progress(
                _unused_ Purchase *p, const char *status, const char *text, void *userdata) {
        Order *o = userdata;

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
        .signed_ = on_signed,
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

static int64_t now_seconds(Host *h) {
        uint64_t usec = 0;

        (void) sd_event_now(service_event(h->service), CLOCK_REALTIME, &usec);
        return (int64_t) (usec / SEC);
}

int order_new(Host *h, const JobOrder *what, usec_t timeout, sd_bus_message *submit,
                sd_bus_error *error) {
        Order *o;
        int r;

        r = make_room(h);
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_BUSY,
                                "%d purchases are open; wait for one to end.", ORDERS_MAX);
        o = new0(Order, 1);
        if (!o)
                return -ENOMEM;
        *o = (Order){ .host = h, .next = h->orders };
        h->orders = o;
        h->n_orders++;
        h->n_open++;

        r = purchase_start(h->market, what, timeout, now_seconds(h), &purchase_handler, o,
                        &o->purchase);
        if (r < 0) {
                h->n_open--;
                order_free(o);
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
