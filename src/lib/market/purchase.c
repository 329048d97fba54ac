#include "market/purchase.h"

#include <stdio.h>

#include "basic/flow.h"
#include "basic/log.h"
#include "basic/text.h"
#include "bus/names.h"
#include "market/market-private.h"
#include "market/proof.h"

#define SIGNING_USEC (20 * SEC)

struct Purchase {
        Flow flow;
        Market *market;
        usec_t timeout;
        Draft *draft;
        char **relays;
        char provider[HEX32_MAX]; /* "": open to all */
        Event *request, *result;
        SignerCall *signing;
        RelayPublish *publishing;
        char subscription[32];
        char last_refusal[128]; /* of a provider, in an order that is open to others */
        bool started;           /* purchase_start() has returned: now done() may be called */
        const PurchaseHandler *handler;
        void *userdata;
};

static Step purchase_sign(Flow *f);
static Step purchase_ask(Flow *f);
static uint64_t purchase_deadline(Flow *f);
static void purchase_done(Flow *f);

/* clang-format off */
static const FlowState purchase_states[_PURCHASE_STATE_MAX] = {
        /*                     name        enter          deadline      late             fails            next                   */
        [PURCHASE_SIGNING]  = { "signing",  purchase_sign, SIGNING_USEC, PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_ASKING)   },
        [PURCHASE_ASKING]   = { "asking",   purchase_ask,  MIN_,         PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_WAITING)  },
        [PURCHASE_WAITING]  = { "waiting",  NULL,          MIN_,         PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_RECEIVED) },
        [PURCHASE_RECEIVED] = { "received", .final = true },
        [PURCHASE_FAILED]   = { "failed",   .final = true },
};
/* clang-format on */

static const FlowTable purchase_table = {
        .name = "purchase",
        .states = purchase_states,
        .n_states = _PURCHASE_STATE_MAX,
        .deadline = purchase_deadline,
        .done = purchase_done,
};

static Purchase *flow_purchase(Flow *f) {
        return container_of(f, Purchase, flow);
}

/* Asking and waiting last as long as the customer said. */
static uint64_t purchase_deadline(Flow *f) {
        return f->state == PURCHASE_SIGNING ? SIGNING_USEC : flow_purchase(f)->timeout;
}

static void tell(Purchase *p, const char *status, const char *text) {
        if (p->handler->progress)
                p->handler->progress(p, status, text, p->userdata);
}

static int purchase_register(Purchase *p) {
        Market *m = p->market;
        int r;

        (void) snprintf(p->subscription, sizeof(p->subscription), "job:%.16s",
                        event_id_hex(p->request));
        r = map_put_string(&m->by_id, event_id_hex(p->request), p);
        if (r < 0)
                return r;
        r = map_put_string(&m->by_subscription, p->subscription, p);
        if (r < 0)
                map_remove_string(&m->by_id, event_id_hex(p->request));
        return r;
}

static void on_signed(int error, const char *name, const char *reason, const SignerResult *results,
                size_t n, void *userdata) {
        Purchase *p = userdata;
        int r = streq(name, BUS_ERROR_NO_KEY) ? -ENOKEY : error;

        if (r >= 0 && n == 1) {
                r = results[0].error;
                reason = results[0].reason;
        }
        if (r >= 0) {
                p->request = event_ref(results[0].event);
                r = purchase_register(p);
                reason = r == -EEXIST    ? "the same request is being bought already"
                         : r == -ENOBUFS ? "too many purchases are open"
                                         : "there is no memory";
        }
        if (r < 0) {
                flow_drive(&p->flow, flow_fail(&p->flow, r, reason));
                return;
        }
        if (p->handler->signed_)
                p->handler->signed_(p, p->userdata);
        flow_drive(&p->flow, flow_go(PURCHASE_ASKING));
}

static Step purchase_sign(Flow *f) {
        Purchase *p = flow_purchase(f);
        const Draft *draft = p->draft;
        int r;

        r = signer_sign(p->market->signer, p->market->key, &draft, 1, on_signed, p, &p->signing);
        if (r < 0)
                return flow_fail(f, r, "the signer could not be asked");
        return flow_wait();
}

static void on_published(int error, const char *reason, void *userdata) {
        Purchase *p = userdata;

        flow_drive(&p->flow,
                        error < 0 ? flow_fail(&p->flow, error, reason) : flow_go(PURCHASE_WAITING));
}

/* First the ear, then the mouth: a fast provider answers before we would be listening. */
static Step purchase_ask(Flow *f) {
        Purchase *p = flow_purchase(f);
        const char *const *relays = (const char *const *) p->relays;
        char filter[160];
        const char *const filters[] = { filter, NULL };
        int r;

        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%u,%u],\"#e\":[\"%s\"]}",
                        (unsigned) job_result_kind(event_kind(p->request)), JOB_FEEDBACK_KIND,
                        event_id_hex(p->request));
        r = relay_client_subscribe(p->market->relay, p->subscription, filters, relays);
        if (r < 0)
                return flow_fail(f, r, "the answers could not be subscribed to");

        r = relay_client_publish(p->market->relay, event_json(p->request, NULL), relays, true,
                        on_published, p, &p->publishing);
        if (r < 0)
                return flow_fail(f, r, "the request could not be handed to the relays");
        return flow_wait();
}

/* What a provider wrote is a stranger's text: cut to size, and the terminal's escapes are dealt
 * with where it is shown. */
static void take_feedback(Purchase *p, const JobAnswer *a) {
        const char *text = isempty(a->text) ? a->content : a->text;

        tell(p, a->status_text, text);

        if (a->status == JOB_STATUS_PAYMENT_REQUIRED && p->provider[0])
                flow_drive(&p->flow, flow_fail(&p->flow, -EOPNOTSUPP,
                                                     "the provider wants to be paid first, and "
                                                     "this version has no wallet"));
        else if (a->status == JOB_STATUS_ERROR && p->provider[0])
                flow_drive(&p->flow,
                                flow_fail(&p->flow, -EREMOTEIO,
                                                isempty(text) ? "the provider refused" : text));
        else if (a->status == JOB_STATUS_ERROR)
                (void) snprintf(p->last_refusal, sizeof(p->last_refusal), "%s", text);
}

static void take_result(Purchase *p, Event *e, const JobAnswer *a) {
        const char *reason = NULL;
        int r;

        r = proof_check(p->request, a->content, a->content_size, &reason);
        if (r < 0) {
                log_debug("A result of %s is not taken: %s", event_pubkey_hex(e),
                                reason ?: "no memory");
                tell(p, "refused", reason ?: "there is no memory");
                return;
        }
        p->result = event_ref(e);
        flow_drive(&p->flow, flow_go(PURCHASE_RECEIVED));
}

void purchase_take(Purchase *p, const RelayEvent *e) {
        const char *reason = NULL;
        JobAnswer a;
        int r;

        r = job_answer_check(e->event, p->request, p->provider[0] ? p->provider : NULL, &reason);
        if (r >= 0)
                r = job_answer_parse(e->event, &a, &reason);
        if (r < 0) {
                log_debug("An answer from %s is not taken: %s", e->relay, reason ?: "no memory");
                return;
        }

        /* The answer may come before the relay service has said that the request is on disk. */
        if (p->flow.state == PURCHASE_ASKING)
                flow_drive(&p->flow, flow_go(PURCHASE_WAITING));
        if (p->flow.state != PURCHASE_WAITING)
                return;
        if (event_kind(e->event) == JOB_FEEDBACK_KIND)
                take_feedback(p, &a);
        else
                take_result(p, e->event, &a);
}

void purchase_outcome(Purchase *p, const char *relay, RelayVerdict verdict, const char *message) {
        char text[512];

        if (verdict == RELAY_TRYING)
                return;
        (void) snprintf(text, sizeof(text), "%s%s%s", relay, isempty(message) ? "" : ": ", message);
        tell(p, verdict == RELAY_ACCEPTED ? "published" : "refused", text);
}

static void purchase_done(Flow *f) {
        Purchase *p = flow_purchase(f);

        /* Nobody came in time: then the last no is the best reason there is. */
        if (f->error == -ETIMEDOUT && p->last_refusal[0])
                (void) snprintf(f->reason, sizeof(f->reason), "%s", p->last_refusal);
        else if (f->error == -ETIMEDOUT)
                (void) snprintf(f->reason, sizeof(f->reason), "nobody answered in time");
        if (p->started)
                p->handler->done(p, p->userdata);
}

int purchase_start(Market *m, const JobOrder *order, usec_t timeout, int64_t now,
                const PurchaseHandler *handler, void *userdata, Purchase **ret) {
        _cleanup_(purchase_freep) Purchase *p = NULL;
        int r;

        p = new0(Purchase, 1);
        if (!p)
                return -ENOMEM;
        p->market = m;
        p->timeout = timeout;
        p->handler = handler;
        p->userdata = userdata;
        if (order->provider)
                (void) snprintf(p->provider, sizeof(p->provider), "%s", order->provider);
        for (size_t i = 0; i < order->n_relays; i++) {
                r = strv_add(&p->relays, order->relays[i]);
                if (r < 0)
                        return r;
        }
        r = job_order_draft(order, now, &p->draft);
        if (r < 0)
                return r;
        r = flow_start(&p->flow, &purchase_table, m->event, PURCHASE_SIGNING);
        if (r >= 0 && p->flow.finished)
                r = p->flow.error;
        if (r < 0)
                return r;
        p->started = true;
        *ret = TAKE_PTR(p);
        return 0;
}

Purchase *purchase_free(Purchase *p) {
        Market *m;

        if (!p)
                return NULL;

        m = p->market;
        signer_call_free(p->signing);
        relay_publish_free(p->publishing);
        if (p->request && map_get_string(&m->by_id, event_id_hex(p->request)) == p) {
                map_remove_string(&m->by_id, event_id_hex(p->request));
                map_remove_string(&m->by_subscription, p->subscription);
                (void) relay_client_unsubscribe(m->relay, p->subscription, true);
                relay_client_forget(m->relay, event_id_hex(p->request));
        }
        flow_stop(&p->flow);
        draft_free(p->draft);
        strv_free(p->relays);
        event_unref(p->request);
        event_unref(p->result);
        return mfree(p);
}

const char *purchase_id(const Purchase *p) {
        return p->request ? event_id_hex(p->request) : "";
}

PurchaseState purchase_state(const Purchase *p) {
        return (PurchaseState) p->flow.state;
}

Event *purchase_result(const Purchase *p) {
        return p->result;
}

const char *purchase_reason(const Purchase *p) {
        return p->flow.reason;
}

int purchase_error(const Purchase *p) {
        return p->flow.error;
}
