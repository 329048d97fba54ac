/* The flow of a purchase. */
#include <stdio.h>

#include "basic/fault.h"
#include "basic/log.h"
#include "basic/text.h"
#include "market/market-private.h"

#define FINDING_USEC   (20 * SEC)
#define SIGNING_USEC   (20 * SEC)
#define REVOKING_USEC  (5 * SEC)
#define COMPARING_USEC (10 * SEC)
#define LEAST_USEC     (10 * SEC) /* for what was answered while nobody listened */

static Step purchase_wait(Flow *f);
static int purchase_record(Flow *f);
static uint64_t purchase_deadline(Flow *f);
static void purchase_changed(Flow *f, int from);
static void purchase_done(Flow *f);

/* clang-format off */
static const FlowState purchase_states[_PURCHASE_STATE_MAX] = {
        /*                        name          enter              deadline        late             fails            next                                                 durable */
        [PURCHASE_FINDING]    = { "finding",    purchase_look,     FINDING_USEC,   PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_SIGNING) | B(PURCHASE_ASKING) | B(PURCHASE_UNPAID) | B(PURCHASE_PAYING) | B(PURCHASE_PAID) | B(PURCHASE_RECEIVED), false },
        [PURCHASE_SIGNING]    = { "signing",    purchase_sign,     SIGNING_USEC,   PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_ASKING),                                  false },
        [PURCHASE_ASKING]     = { "asking",     purchase_ask,      MIN_,           PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_WAITING) | B(PURCHASE_CANCELLING),        true  },
        [PURCHASE_WAITING]    = { "waiting",    purchase_wait,     MIN_,           PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_COMPARING) | B(PURCHASE_RECEIVED) | B(PURCHASE_CANCELLING), false },
        [PURCHASE_COMPARING]  = { "comparing",  purchase_compare,  COMPARING_USEC, PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_WAITING) | B(PURCHASE_COMPARING) | B(PURCHASE_UNPAID) | B(PURCHASE_PAYING) | B(PURCHASE_RECEIVED) | B(PURCHASE_CANCELLING), false },
        [PURCHASE_UNPAID]     = { "unpaid",     purchase_show,     MIN_,           PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_RECEIVED) | B(PURCHASE_CANCELLING),       true  },
        [PURCHASE_PAYING]     = { "paying",     purchase_pay,      0,              0,               PURCHASE_FAILED, B(PURCHASE_PAID) | B(PURCHASE_RECEIVED),             true  },
        [PURCHASE_PAID]       = { "paid",       purchase_was_paid, HOUR,           PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_RECEIVED) | B(PURCHASE_CANCELLING),       true  },
        [PURCHASE_CANCELLING] = { "cancelling", purchase_revoke,   REVOKING_USEC,  PURCHASE_FAILED, PURCHASE_FAILED, 0,                                                   false },
        [PURCHASE_RECEIVED]   = { "received",   .final = true, .durable = true },
        [PURCHASE_FAILED]     = { "failed",     .final = true, .durable = true },
};
/* clang-format on */

static const FlowTable purchase_table = {
        .name = "purchase",
        .states = purchase_states,
        .n_states = _PURCHASE_STATE_MAX,
        .record = purchase_record,
        .deadline = purchase_deadline,
        .changed = purchase_changed,
        .done = purchase_done,
};

Purchase *flow_purchase(Flow *f) {
        return container_of(f, Purchase, flow);
}

const char *purchase_state_name(PurchaseState s) {
        return purchase_states[s].name;
}

bool purchase_state_is_durable(PurchaseState s) {
        return purchase_states[s].durable;
}

int64_t purchase_now(const Purchase *p) {
        uint64_t usec = 0;

        (void) sd_event_now(p->market->event, CLOCK_REALTIME, &usec);
        return (int64_t) (usec / SEC);
}

/* What lasts as long as the customer said does so after a restart, too. */
static uint64_t purchase_deadline(Flow *f) {
        const Purchase *p = flow_purchase(f);
        int64_t left = p->deadline - purchase_now(p);

        if (f->state <= PURCHASE_SIGNING || f->state == PURCHASE_COMPARING ||
                        f->state == PURCHASE_CANCELLING)
                return purchase_states[f->state].deadline_usec;
        return MAX(left > 0 ? (usec_t) left * SEC : 0, p->resumed ? LEAST_USEC : SEC);
}

void purchase_tell(Purchase *p, const char *status, const char *text) {
        if (p->handler->progress)
                p->handler->progress(p, status, text, p->userdata);
}

/* ---- what is on disk */

static int purchase_fault(const Purchase *p, const char *moment) {
        char name[48];

        (void) snprintf(name, sizeof(name), "purchase.%s.%s", flow_state_name(&p->flow), moment);
        return fault(name);
}

/* What was paid for is waited for though the disk did not take the note: after a crash the wallet
 * is asked once more. */
static bool goes_on_without_disk(const Purchase *p) {
        return p->flow.state == PURCHASE_PAID;
}

static void on_written(int verdict, const char *text, void *userdata) {
        Purchase *p = userdata;
        int error = MIN(verdict, 0);

        if (verdict == 1 && !streq(text, flow_state_name(&p->flow))) {
                error = -EEXIST;
                text = "the same request was bought already";
        }
        if (error >= 0) {
                p->stored = true;
                error = purchase_fault(p, "after");
        }
        if (error < 0) {
                log_warning("Purchase %.12s could not be moved to %s: %s.", purchase_id(p),
                                flow_state_name(&p->flow), text);
                (void) snprintf(p->last_refusal, sizeof(p->last_refusal), "%s", text);
        }
        flow_recorded(&p->flow, goes_on_without_disk(p) ? 0 : error);
}

static int purchase_write_new(Purchase *p) {
        _cleanup_buffer_ Buffer relays = { .max = 4096 };
        int r = 0;

        STRV_FOREACH (url, p->relays)
                if (r >= 0)
                        r = buffer_addf(&relays, "%s%s", url == p->relays ? "" : " ", *url);
        if (r < 0)
                return r;
        return purchases_add(p->market->purchases,
                        &(PurchaseRow){
                                        .id = purchase_id(p),
                                        .kind = event_kind(p->request),
                                        .provider = p->provider,
                                        .relays = relays.data ?: "",
                                        .request = event_json(p->request, NULL),
                                        .auto_pay = p->auto_pay,
                                        .bid_msat = p->bid_msat,
                                        .max_msat = p->max_msat,
                                        .created_at = p->created_at,
                                        .deadline = p->deadline,
                                        .key = p->key,
                                        .account = p->account,
                                        .grant = p->grant,
                                        .ref = p->ref,
                                        .fee_max_msat = p->fee_max_msat,
                        },
                        on_written, p, &p->writing);
}

/* Silence is blamed, too. What our wallet did not pay was not spent. */
static void note_failure(Purchase *p) {
        const Flow *f = &p->flow;

        if (f->error == -ETIMEDOUT && (f->from == PURCHASE_WAITING || f->from == PURCHASE_PAID))
                p->blamed = true;
        if (f->from == PURCHASE_PAYING)
                p->amount_msat = p->fee_msat = 0;
}

static int purchase_record(Flow *f) {
        Purchase *p = flow_purchase(f);
        bool pays = p->payee[0];
        int r;

        if (f->state == PURCHASE_FAILED)
                note_failure(p);

        r = purchase_fault(p, "before");
        if (r < 0)
                return r;
        if (f->state == PURCHASE_ASKING && !p->stored)
                return purchase_write_new(p);
        if (!p->stored)
                return 1; /* what was never written needs no end */
        return purchases_move(p->market->purchases,
                        &(PurchaseChange){
                                        .id = purchase_id(p),
                                        .state = flow_state_name(f),
                                        .payee = p->payee,
                                        .bolt11 = p->bolt11,
                                        .result = p->result ? event_json(p->result, NULL) : NULL,
                                        .error = f->state == PURCHASE_FAILED ? purchase_reason(p)
                                                                             : NULL,
                                        .amount_msat = pays ? p->amount_msat : -1,
                                        .fee_msat = pays ? p->fee_msat : -1,
                                        .deadline = p->deadline,
                                        .took_msec = f->state == PURCHASE_RECEIVED ? p->took_msec
                                                                                   : -1,
                                        .blamed = p->blamed,
                        },
                        on_written, p, &p->writing);
}

static void purchase_changed(Flow *f, int from) {
        Purchase *p = flow_purchase(f);

        log_debug("Purchase %.12s: %s -> %s", purchase_id(p), purchase_states[from].name,
                        flow_state_name(f));
        if ((from == PURCHASE_SIGNING || from == PURCHASE_FINDING) && p->stored &&
                        p->handler->stored)
                p->handler->stored(p, p->userdata);
        purchase_acknowledge(p);
}

static Step purchase_wait(Flow *f) {
        return flow_purchase(f)->n_candidates > 0 ? flow_go(PURCHASE_COMPARING) : flow_wait();
}

static void purchase_done(Flow *f) {
        Purchase *p = flow_purchase(f);

        if (p->started)
                p->handler->done(p, p->userdata);
}

/* ---- life */

static Purchase *purchase_new(Market *m, const PurchaseHandler *handler, void *userdata) {
        Purchase *p = new0(Purchase, 1);

        if (p) {
                p->market = m;
                p->handler = handler;
                p->userdata = userdata;
                p->fee_max_msat = p->took_msec = -1;
        }
        return p;
}

static int purchase_begin(Purchase *p, PurchaseState first) {
        int r;

        r = flow_start(&p->flow, &purchase_table, p->market->event, (int) first);
        if (r >= 0 && p->flow.finished)
                r = p->flow.error;
        p->started = r >= 0;
        return r;
}

static int take_buyer(Purchase *p, const PurchaseBuyer *b) {
        p->key = strdup(b->key ?: p->market->key);
        p->account = strdup(b->account ?: OWNER);
        p->grant = strdup(b->grant ?: "");
        p->ref = strdup(b->ref ?: "");
        return p->key && p->account && p->grant && p->ref ? 0 : -ENOMEM;
}

static int take_job(Purchase *p, const JobOrder *job) {
        int r = 0;

        p->bid_msat = job->bid_msat;
        if (job->provider)
                (void) snprintf(p->provider, sizeof(p->provider), "%s", job->provider);
        for (size_t i = 0; r >= 0 && i < job->n_relays; i++)
                r = strv_add(&p->relays, job->relays[i]);
        if (r >= 0 && job->encrypted)
                r = job_order_sealed_text(job, &p->plaintext);
        return r < 0 ? r : job_order_draft(job, p->created_at, &p->draft);
}

/* ---- those which nobody waits for, and who asks for one of them again */

static void alone_done(Purchase *p, _unused_ void *userdata) {
        log_debug("Purchase %.12s is over: %s", purchase_id(p), flow_state_name(&p->flow));
        (void) purchase_free(p);
}

static const PurchaseHandler alone = {
        .done = alone_done,
};

/* 1: there is one of this ref, and it is theirs now. */
static int take_over(Market *m, const char *ref, const PurchaseHandler *handler, void *userdata,
                Purchase **ret) {
        Purchase *p = isempty(ref) ? NULL : map_get_string(&m->by_ref, ref);

        if (!p)
                return 0;
        if (p->handler != &alone)
                return -EBUSY;
        p->handler = handler;
        p->userdata = userdata;
        *ret = p;
        return 1;
}

static int register_ref(Purchase *p) {
        int r = p->ref[0] ? map_put_string(&p->market->by_ref, p->ref, p) : 0;

        p->has_ref = p->ref[0] && r >= 0;
        return r;
}

int purchase_start(Market *m, const PurchaseOrder *order, const PurchaseHandler *handler,
                void *userdata, Purchase **ret) {
        _cleanup_(purchase_freep) Purchase *p = NULL;
        int r;

        r = take_over(m, order->buyer.ref, handler, userdata, ret);
        if (r != 0)
                return MIN(r, 0);
        p = purchase_new(m, handler, userdata);
        if (!p)
                return -ENOMEM;
        p->created_at = purchase_now(p);
        p->deadline = p->created_at + (int64_t) (order->timeout / SEC);
        p->auto_pay = order->auto_pay;
        p->max_msat = order->max_msat;
        p->fee_max_msat = order->fee_max_msat;
        r = take_buyer(p, &order->buyer);
        if (r >= 0)
                r = take_job(p, &order->job);
        if (r >= 0)
                r = register_ref(p);
        if (r >= 0)
                r = purchase_begin(p, p->ref[0] ? PURCHASE_FINDING : PURCHASE_SIGNING);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

int purchase_find(Market *m, const PurchaseBuyer *buyer, const PurchaseHandler *handler,
                void *userdata, Purchase **ret) {
        _cleanup_(purchase_freep) Purchase *p = NULL;
        int r;

        r = take_over(m, buyer->ref, handler, userdata, ret);
        if (r != 0)
                return MIN(r, 0);
        p = purchase_new(m, handler, userdata);
        if (!p)
                return -ENOMEM;
        p->only_find = true;
        r = take_buyer(p, buyer);
        if (r >= 0)
                r = register_ref(p);
        if (r >= 0)
                r = purchase_begin(p, PURCHASE_FINDING);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

int purchase_resume(Market *m, const PurchaseRow *row, const PurchaseHandler *handler,
                void *userdata, Purchase **ret) {
        _cleanup_(purchase_freep) Purchase *p = purchase_new(m, handler, userdata);
        PurchaseState first = purchase_stored_state(row->state);
        int r;

        if (!p)
                return -ENOMEM;
        if (first == PURCHASE_SIGNING || purchase_states[first].final)
                return -EBADMSG;
        r = purchase_read(p, row);
        if (r >= 0)
                r = register_ref(p);
        if (r >= 0)
                r = purchase_register(p);
        if (r >= 0)
                r = purchase_begin(p, first);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

int purchase_resume_alone(Market *m, const PurchaseRow *row) {
        Purchase *p;

        if (map_get_string(&m->by_ref, row->ref))
                return 0;
        return purchase_resume(m, row, &alone, NULL, &p);
}

Purchase *purchase_leave(Purchase *p) {
        if (!p || p->flow.finished || !p->ref[0] || p->flow.state == PURCHASE_SIGNING)
                return purchase_free(p);
        p->only_find = true; /* what was not bought yet is not bought now */
        p->handler = &alone;
        p->userdata = NULL;
        return NULL;
}

Purchase *purchase_abandon(Purchase *p, const char *reason, bool blamed) {
        if (!p || p->flow.finished || !p->ref[0] || p->flow.state == PURCHASE_SIGNING)
                return purchase_free(p);
        (void) purchase_leave(p);
        if (p->flow.state != PURCHASE_FINDING)
                (void) purchase_cancel(p, reason, blamed);
        return NULL;
}

int purchase_cancel(Purchase *p, const char *reason, bool blamed) {
        Flow *f = &p->flow;

        if (f->state == PURCHASE_PAYING)
                return -EBUSY;
        if (f->state >= PURCHASE_CANCELLING)
                return -EALREADY;
        p->blamed = p->blamed || blamed;
        (void) snprintf(p->cancel_reason, sizeof(p->cancel_reason), "%s", reason);
        flow_drive(f, f->state <= PURCHASE_SIGNING ? flow_fail(f, -ECANCELED, reason)
                                                   : flow_go(PURCHASE_CANCELLING));
        return 0;
}

Purchase *purchase_free(Purchase *p) {
        Market *m;

        if (!p)
                return NULL;

        m = p->market;
        p->signing = signer_call_free(p->signing);
        p->publishing = relay_publish_free(p->publishing);
        p->writing = purchases_call_free(p->writing);
        p->finding = purchases_call_free(p->finding);
        sealed_done(p);
        p->paying = wallet_call_free(p->paying);
        p->offer = relay_query_free(p->offer);
        p->again = sd_event_source_disable_unref(p->again);
        if (p->registered) {
                map_remove_string(&m->by_id, event_id_hex(p->request));
                map_remove_string(&m->by_subscription, p->subscription);
        }
        if (p->has_ref)
                map_remove_string(&m->by_ref, p->ref);
        if (p->registered && p->flow.finished) {
                (void) relay_client_unsubscribe(m->relay, p->subscription, true);
                relay_client_forget(m->relay, event_id_hex(p->request));
        }
        flow_stop(&p->flow);
        p->draft = draft_free(p->draft);
        for (size_t i = 0; i < p->n_candidates; i++)
                candidate_done(p->candidates + i);
        (void) strv_free(p->relays);
        free(p->bolt11);
        free(p->key);
        free(p->account);
        free(p->grant);
        free(p->ref);
        free(p->content);
        free(p->plaintext);
        p->request = event_unref(p->request);
        p->result = event_unref(p->result);
        return mfree(p);
}

const char *purchase_id(const Purchase *p) {
        return p->request ? event_id_hex(p->request) : "";
}

PurchaseState purchase_state(const Purchase *p) {
        return (PurchaseState) p->flow.state;
}

const char *purchase_invoice(const Purchase *p) {
        return p->bolt11 ?: "";
}

Event *purchase_result(const Purchase *p) {
        return p->flow.state == PURCHASE_RECEIVED ? p->result : NULL;
}

const char *purchase_content(const Purchase *p) {
        if (!purchase_result(p))
                return NULL;
        return p->content ?: event_content(p->result, NULL);
}

const char *purchase_provider(const Purchase *p) {
        return p->payee[0] ? p->payee : p->provider;
}

int64_t purchase_spent(const Purchase *p) {
        return p->auto_pay && p->payee[0] && p->flow.state >= PURCHASE_PAID
                               ? p->amount_msat + p->fee_msat
                               : 0;
}

int64_t purchase_created_at(const Purchase *p) {
        return p->created_at;
}

bool purchase_is_paying(const Purchase *p) {
        return p->flow.state == PURCHASE_PAYING;
}

bool purchase_is_blamed(const Purchase *p) {
        return p->blamed;
}

int64_t purchase_took_msec(const Purchase *p) {
        return p->took_msec;
}

/* Nobody came in time: then the last no is the best reason there is. */
const char *purchase_reason(const Purchase *p) {
        if (p->flow.error == -EEXIST)
                return "the same request was bought already; requests of one second must differ";
        if (p->flow.error != -ETIMEDOUT)
                return p->flow.reason;
        if (p->flow.from == PURCHASE_PAID)
                return "it was paid, and no result came";
        if (p->flow.from == PURCHASE_UNPAID)
                return "the invoice was not paid in time, or no result came";
        return p->last_refusal[0] ? p->last_refusal : "nobody answered in time";
}

int purchase_error(const Purchase *p) {
        return p->flow.error;
}
