/* The flow of a purchase. */
#include <stdio.h>

#include "basic/fault.h"
#include "basic/log.h"
#include "basic/text.h"
#include "bus/names.h"
#include "market/market-private.h"
#include "market/proof.h"

#define SIGNING_USEC   (20 * SEC)
#define COMPARING_USEC (10 * SEC)
#define LEAST_USEC     (10 * SEC) /* for what was answered while nobody listened */

static Step purchase_sign(Flow *f);
static Step purchase_ask(Flow *f);
static Step purchase_wait(Flow *f);
static int purchase_record(Flow *f);
static uint64_t purchase_deadline(Flow *f);
static void purchase_changed(Flow *f, int from);
static void purchase_done(Flow *f);

/* clang-format off */
static const FlowState purchase_states[_PURCHASE_STATE_MAX] = {
        /*                       name         enter              deadline        late             fails            next                                                 durable */
        [PURCHASE_SIGNING]   = { "signing",   purchase_sign,     SIGNING_USEC,   PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_ASKING),                                  false },
        [PURCHASE_ASKING]    = { "asking",    purchase_ask,      MIN_,           PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_WAITING),                                 true  },
        [PURCHASE_WAITING]   = { "waiting",   purchase_wait,     MIN_,           PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_COMPARING) | B(PURCHASE_RECEIVED),         false },
        [PURCHASE_COMPARING] = { "comparing", purchase_compare,  COMPARING_USEC, PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_WAITING) | B(PURCHASE_COMPARING) | B(PURCHASE_UNPAID) | B(PURCHASE_PAYING) | B(PURCHASE_RECEIVED), false },
        [PURCHASE_UNPAID]    = { "unpaid",    purchase_show,     MIN_,           PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_RECEIVED),                                true  },
        [PURCHASE_PAYING]    = { "paying",    purchase_pay,      0,              0,               PURCHASE_FAILED, B(PURCHASE_PAID) | B(PURCHASE_RECEIVED),             true  },
        [PURCHASE_PAID]      = { "paid",      purchase_was_paid, HOUR,           PURCHASE_FAILED, PURCHASE_FAILED, B(PURCHASE_RECEIVED),                                true  },
        [PURCHASE_RECEIVED]  = { "received",  .final = true, .durable = true },
        [PURCHASE_FAILED]    = { "failed",    .final = true, .durable = true },
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

        if (f->state == PURCHASE_SIGNING || f->state == PURCHASE_COMPARING)
                return purchase_states[f->state].deadline_usec;
        return MAX(left > 0 ? (usec_t) left * SEC : 0, p->timeout > 0 ? SEC : LEAST_USEC);
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
                        },
                        on_written, p, &p->writing);
}

static int purchase_record(Flow *f) {
        Purchase *p = flow_purchase(f);
        bool pays = p->payee[0];
        int r;

        r = purchase_fault(p, "before");
        if (r < 0)
                return r;
        if (f->state == PURCHASE_ASKING)
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
                        },
                        on_written, p, &p->writing);
}

/* What is handed over is on disk, or has made no difference. */
static void acknowledge(Purchase *p) {
        if (p->seq == 0 || p->flow.recording || p->n_candidates > 0 || !p->registered)
                return;
        relay_client_acknowledge(p->market->relay, p->subscription, TAKE(p->seq, 0));
}

void purchase_taken(Purchase *p, uint64_t seq) {
        p->seq = seq;
        acknowledge(p);
}

static void purchase_changed(Flow *f, int from) {
        Purchase *p = flow_purchase(f);

        log_debug("Purchase %.12s: %s -> %s", purchase_id(p), purchase_states[from].name,
                        flow_state_name(f));
        if (f->state == PURCHASE_ASKING && from != PURCHASE_ASKING && p->handler->stored)
                p->handler->stored(p, p->userdata);
        acknowledge(p);
}

/* ---- signing, asking */

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
        p->registered = r >= 0;
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
        flow_drive(&p->flow, r < 0 ? flow_fail(&p->flow, r, reason) : flow_go(PURCHASE_ASKING));
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

        if (p->flow.state != PURCHASE_ASKING)
                return; /* an answer was faster */
        flow_drive(&p->flow,
                        error < 0 ? flow_fail(&p->flow, error, reason) : flow_go(PURCHASE_WAITING));
}

int purchase_listen(Purchase *p) {
        char filter[160];
        const char *const filters[] = { filter, NULL };
        int r;

        if (p->listening)
                return 0;
        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%u,%u],\"#e\":[\"%s\"]}",
                        (unsigned) job_result_kind(event_kind(p->request)), JOB_FEEDBACK_KIND,
                        event_id_hex(p->request));
        r = relay_client_subscribe(p->market->relay, p->subscription, filters,
                        (const char *const *) p->relays);
        p->listening = r >= 0;
        return r;
}

/* First the ear, then the mouth: a fast provider answers before we would be listening. */
static Step purchase_ask(Flow *f) {
        Purchase *p = flow_purchase(f);
        int r;

        r = purchase_listen(p);
        if (r < 0)
                return flow_fail(f, r, "the answers could not be subscribed to");

        r = relay_client_publish(p->market->relay, event_json(p->request, NULL),
                        (const char *const *) p->relays, true, on_published, p, &p->publishing);
        if (r < 0)
                return flow_fail(f, r, "the request could not be handed to the relays");
        return flow_wait();
}

static Step purchase_wait(Flow *f) {
        return flow_purchase(f)->n_candidates > 0 ? flow_go(PURCHASE_COMPARING) : flow_wait();
}

/* ---- answers */

/* What a provider wrote is a stranger's text: cut to size, and the terminal's escapes are dealt
 * with where it is shown. */
static void take_feedback(Purchase *p, const Event *e, const JobAnswer *a) {
        const char *text = isempty(a->text) ? a->content : a->text;
        bool alone = p->provider[0] || p->payee[0];

        if (a->status == JOB_STATUS_PAYMENT_REQUIRED && p->payee[0])
                return; /* one invoice was taken: another one of the same job is not another payment
                         */
        purchase_tell(p, a->status_text, text);
        if (a->status == JOB_STATUS_PAYMENT_REQUIRED)
                purchase_want_pay(p, e, a);
        else if (a->status == JOB_STATUS_ERROR && p->flow.state == PURCHASE_PAYING)
                log_info("Purchase %.12s: its provider gave up while it was being paid.",
                                purchase_id(p));
        else if (a->status == JOB_STATUS_ERROR && alone)
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
                purchase_tell(p, "refused", reason ?: "there is no memory");
                return;
        }
        if (p->result)
                return;
        p->result = event_ref(e);
        flow_drive(&p->flow, flow_go(PURCHASE_RECEIVED));
}

/* Once somebody is to be paid, only he counts. */
static const char *only_provider(const Purchase *p) {
        return p->payee[0] ? p->payee : p->provider[0] ? p->provider : NULL;
}

void purchase_take(Purchase *p, const RelayEvent *e) {
        const char *reason = NULL;
        JobAnswer a;
        int r;

        r = job_answer_check(e->event, p->request, only_provider(p), &reason);
        if (r >= 0)
                r = job_answer_parse(e->event, &a, &reason);
        if (r < 0) {
                log_debug("An answer from %s is not taken: %s", e->relay, reason ?: "no memory");
                return;
        }

        /* The answer may come before the relay service has said that the request is on disk. */
        if (p->flow.state == PURCHASE_ASKING)
                flow_drive(&p->flow, flow_go(PURCHASE_WAITING));
        if (p->flow.state < PURCHASE_WAITING || p->flow.state > PURCHASE_PAID)
                return;
        if (event_kind(e->event) == JOB_FEEDBACK_KIND)
                take_feedback(p, e->event, &a);
        else
                take_result(p, e->event, &a);
}

void purchase_outcome(Purchase *p, const char *relay, RelayVerdict verdict, const char *message) {
        char text[512];

        if (verdict == RELAY_TRYING)
                return;
        (void) snprintf(text, sizeof(text), "%s%s%s", relay, isempty(message) ? "" : ": ", message);
        purchase_tell(p, verdict == RELAY_ACCEPTED ? "published" : "refused", text);
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

int purchase_start(Market *m, const PurchaseOrder *order, const PurchaseHandler *handler,
                void *userdata, Purchase **ret) {
        _cleanup_(purchase_freep) Purchase *p = purchase_new(m, handler, userdata);
        const JobOrder *job = &order->job;
        int r = 0;

        if (!p)
                return -ENOMEM;
        p->timeout = order->timeout;
        p->created_at = purchase_now(p);
        p->deadline = p->created_at + (int64_t) (order->timeout / SEC);
        p->auto_pay = order->auto_pay;
        p->bid_msat = job->bid_msat;
        p->max_msat = order->max_msat;
        if (job->provider)
                (void) snprintf(p->provider, sizeof(p->provider), "%s", job->provider);
        for (size_t i = 0; r >= 0 && i < job->n_relays; i++)
                r = strv_add(&p->relays, job->relays[i]);
        if (r >= 0)
                r = job_order_draft(job, p->created_at, &p->draft);
        if (r >= 0)
                r = purchase_begin(p, PURCHASE_SIGNING);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

/* 0: a state that no row can be in. */
static PurchaseState stored_state(const char *name) {
        for (int s = 0; s < _PURCHASE_STATE_MAX; s++)
                if (streq(purchase_states[s].name, name) && purchase_states[s].durable &&
                                !purchase_states[s].final)
                        return (PurchaseState) s;
        return PURCHASE_SIGNING;
}

static int split(const char *words, char ***ret) {
        _cleanup_free_ char *copy = strdup(words);
        char *rest = copy, *word;
        int r = copy ? 0 : -ENOMEM;

        while (r >= 0 && (word = strsep(&rest, " ")))
                if (*word)
                        r = strv_add(ret, word);
        return r;
}

static int purchase_read(Purchase *p, const PurchaseRow *row) {
        const char *reason;
        int r;

        r = event_parse_trusted(row->request, strlen(row->request), &p->request, &reason);
        if (r >= 0)
                r = split(row->relays, &p->relays);
        if (r < 0)
                return r;
        if (*row->bolt11) {
                p->bolt11 = strdup(row->bolt11);
                if (!p->bolt11)
                        return -ENOMEM;
        }
        (void) snprintf(p->provider, sizeof(p->provider), "%s", row->provider);
        (void) snprintf(p->payee, sizeof(p->payee), "%s", row->payee);
        p->auto_pay = row->auto_pay;
        p->bid_msat = row->bid_msat;
        p->max_msat = row->max_msat;
        p->amount_msat = row->amount_msat;
        p->created_at = row->created_at;
        p->deadline = row->deadline;
        p->stored = true;
        return 0;
}

int purchase_resume(Market *m, const PurchaseRow *row, const PurchaseHandler *handler,
                void *userdata, Purchase **ret) {
        _cleanup_(purchase_freep) Purchase *p = purchase_new(m, handler, userdata);
        PurchaseState first = stored_state(row->state);
        int r;

        if (!p)
                return -ENOMEM;
        if (first == PURCHASE_SIGNING)
                return -EBADMSG;
        r = purchase_read(p, row);
        if (r >= 0)
                r = purchase_register(p);
        if (r >= 0)
                r = purchase_begin(p, first);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
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
        p->paying = wallet_call_free(p->paying);
        p->offer = relay_query_free(p->offer);
        p->again = sd_event_source_disable_unref(p->again);
        if (p->registered) {
                map_remove_string(&m->by_id, event_id_hex(p->request));
                map_remove_string(&m->by_subscription, p->subscription);
        }
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
