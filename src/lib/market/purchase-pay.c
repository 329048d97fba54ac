/* Paying for a purchase: a provider's invoice is compared with everything that was said before, and
 * is on disk before it is shown or paid. The wallet knows the payment by the purchase's id: asking
 * again, after any crash, never pays again. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "market/market-private.h"
#include "market/terms.h"
#include "nostr/nip89.h"

#define PURPOSE       "job"
#define PAYMENT_ID    "purchase:%s"
#define OFFER_USEC    (3 * SEC)
#define OFFERS_MAX    20
#define LOOK_FIRST    SEC /* at a payment whose outcome is open; later less often */
#define LOOK_MAX      MIN_
#define EXPIRED_GRACE 60   /* seconds: the result of what was paid at the last moment */
#define PAID_WAIT     3600 /* seconds: how long a paid result is waited for at least */
#define PAID_LEAST    15   /* the same, of one with a ref: its buyer decides */

void candidate_done(Candidate *c) {
        c->bolt11 = mfree(c->bolt11);
}

static bool is_candidate(const Purchase *p, const char *payee) {
        for (size_t i = 0; i < p->n_candidates; i++)
                if (streq(p->candidates[i].payee, payee))
                        return true;
        return false;
}

/* Every provider has one try at a time; who asks twice is asked to wait. */
void purchase_want_pay(Purchase *p, const Event *feedback, const JobAnswer *a) {
        const char *payee = event_pubkey_hex(feedback);
        Candidate *c;

        if (p->n_candidates == CANDIDATES_MAX || is_candidate(p, payee))
                return;
        if (isempty(a->invoice)) {
                purchase_tell(p, "refused", "the provider wants to be paid and sent no invoice");
                return;
        }

        c = p->candidates + p->n_candidates;
        *c = (Candidate){ .asked_msat = a->amount_msat, .bolt11 = strdup(a->invoice) };
        if (!c->bolt11)
                return;
        (void) snprintf(c->payee, sizeof(c->payee), "%s", payee);
        p->n_candidates++;
        if (p->flow.state == PURCHASE_WAITING)
                flow_drive(&p->flow, flow_go(PURCHASE_COMPARING));
}

/* ---- comparing */

static void drop_candidate(Purchase *p) {
        candidate_done(p->candidates);
        p->n_candidates--;
        memmove(p->candidates, p->candidates + 1, p->n_candidates * sizeof(*p->candidates));
}

static Step refuse_candidate(Purchase *p, const char *reason) {
        purchase_tell(p, "refused", reason);
        if (p->provider[0]) {
                p->blamed = true;
                return flow_fail(&p->flow, -EPERM, reason);
        }
        (void) snprintf(p->last_refusal, sizeof(p->last_refusal), "%s", reason);
        drop_candidate(p);
        return flow_go(p->n_candidates > 0 ? PURCHASE_COMPARING : PURCHASE_WAITING);
}

static Step take_candidate(Purchase *p, int64_t offer_msat) {
        Candidate *c = p->candidates;
        const PayTerms t = {
                .network = p->market->network,
                .now = purchase_now(p),
                .asked_msat = c->asked_msat,
                .bid_msat = p->bid_msat,
                .max_msat = p->auto_pay ? p->max_msat : -1,
                .offer_msat = p->auto_pay ? offer_msat : -1,
        };
        const char *reason = "there is no memory";
        PayDemand d;

        if (pay_terms_check(&t, c->bolt11, &d, &reason) < 0)
                return refuse_candidate(p, reason);

        memcpy(p->payee, c->payee, sizeof(p->payee));
        p->bolt11 = TAKE_PTR(c->bolt11);
        p->amount_msat = d.amount_msat;
        if (!p->auto_pay)
                p->deadline = MAX(p->deadline, d.expires_at + EXPIRED_GRACE);
        return flow_go(p->auto_pay ? PURCHASE_PAYING : PURCHASE_UNPAID);
}

/* The newest announcement counts. Who announced nothing is held to the bid and the limit alone. */
static void on_offer(int error, _unused_ const char *reason, Event *const *events, size_t n,
                void *userdata) {
        Purchase *p = userdata;
        int64_t newest = -1, offer = -1;

        for (size_t i = 0; error >= 0 && i < n; i++)
                if (streq(event_pubkey_hex(events[i]), p->candidates[0].payee) &&
                                event_created_at(events[i]) > newest) {
                        newest = event_created_at(events[i]);
                        offer = nip89_price(events[i], event_kind(p->request));
                }
        flow_drive(&p->flow, take_candidate(p, offer));
}

static int ask_offer(Purchase *p) {
        char filter[192];
        const RelayQuestion question = {
                .filters = (const char *const[]){ filter, NULL },
                .relays = (const char *const *) p->relays,
                .limit = OFFERS_MAX,
                .timeout = OFFER_USEC,
        };

        (void) snprintf(filter, sizeof(filter),
                        "{\"kinds\":[%d],\"authors\":[\"%s\"],\"#k\":[\"%u\"]}", NIP89_KIND,
                        p->candidates[0].payee, event_kind(p->request));
        return relay_client_query(p->market->relay, &question, on_offer, p, &p->offer);
}

Step purchase_compare(Flow *f) {
        Purchase *p = flow_purchase(f);

        /* Whoever gave it a ref has chosen by the announcements already. */
        if (p->auto_pay && !p->ref[0] && ask_offer(p) >= 0)
                return flow_wait();
        return take_candidate(p, -1);
}

/* ---- paid by somebody else */

Step purchase_show(Flow *f) {
        Purchase *p = flow_purchase(f);

        if (purchase_listen(p) < 0)
                log_debug("The answers are listened to later.");
        purchase_tell(p, "invoice", p->bolt11);
        return flow_wait();
}

/* ---- paid by our wallet */

static void on_paid(int error, const char *reason, const WalletPaid *paid, void *userdata);
static void on_looked(int error, const char *reason, const WalletPaid *paid, void *userdata);

static void payment_id(const Purchase *p, char *ret, size_t size) {
        (void) snprintf(ret, size, PAYMENT_ID, purchase_id(p));
}

/* With a ref the most that may be paid has the fee in it. Where there is room for as much as the
 * wallet allows, that is for the wallet to say: it reserves no more than its backend can take. */
static int64_t fee_max(const Purchase *p) {
        int64_t left = p->max_msat - p->amount_msat;

        if (p->fee_max_msat < 0 || p->max_msat < 0)
                return -1;
        return left >= p->fee_max_msat ? -1 : MAX(left, INT64_C(0));
}

static int send_payment(Purchase *p) {
        char id[128];
        const WalletPay pay = {
                .id = id,
                .account = p->account,
                .destination = p->bolt11,
                .amount_msat = p->amount_msat,
                .fee_max_msat = fee_max(p),
                .grant = p->grant,
                .purpose = PURPOSE,
                .ref = purchase_id(p),
                .payee = p->payee,
        };

        payment_id(p, id, sizeof(id));
        return wallet_pay(p->market->wallet, &pay, on_paid, p, &p->paying);
}

static int look(Purchase *p) {
        char id[128];

        payment_id(p, id, sizeof(id));
        return wallet_lookup(p->market->wallet, id, on_looked, p, &p->paying);
}

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata);

/* Unknown is not failed: it is looked at until the wallet knows. */
static void look_later(Purchase *p) {
        usec_t pause = p->n_looks < 6 ? LOOK_FIRST << p->n_looks : LOOK_MAX;

        p->n_looks++;
        p->again = sd_event_source_disable_unref(p->again);
        if (sd_event_add_time_relative(p->market->event, &p->again, CLOCK_BOOTTIME, pause,
                            pause / 8, on_again, p) < 0)
                log_warning("Purchase %.12s waits for the next start.", purchase_id(p));
}

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Purchase *p = userdata;

        p->again = sd_event_source_disable_unref(p->again);
        if (look(p) < 0)
                look_later(p);
        return 0;
}

static void take_payment(Purchase *p, const WalletPaid *paid) {
        if (streq(paid->state, "settled")) {
                p->fee_msat = paid->fee_msat;
                p->deadline = MAX(p->deadline,
                                purchase_now(p) + (p->ref[0] ? PAID_LEAST : PAID_WAIT));
                flow_drive(&p->flow, flow_go(PURCHASE_PAID));
        } else if (streq(paid->state, "failed")) {
                p->blamed = true; /* who cannot be paid is not asked again soon */
                flow_drive(&p->flow, flow_fail(&p->flow, -EREMOTEIO,
                                                     isempty(paid->reason) ? "the payment failed"
                                                                           : paid->reason));
        } else
                look_later(p);
}

static void on_looked(int error, const char *reason, const WalletPaid *paid, void *userdata) {
        Purchase *p = userdata;

        if (error == -ENOENT) /* it was never written down, so it was never sent */
                flow_drive(&p->flow, flow_fail(&p->flow, p->pay_error ?: -EREMOTEIO,
                                                     p->last_refusal[0] ? p->last_refusal
                                                                        : "it was not paid"));
        else if (error < 0) {
                log_debug("Purchase %.12s: the wallet does not know yet: %s", purchase_id(p),
                                reason);
                look_later(p);
        } else
                take_payment(p, paid);
}

/* A refusal may come after something was written down: what the wallet knows decides. */
static void on_paid(int error, const char *reason, const WalletPaid *paid, void *userdata) {
        Purchase *p = userdata;

        if (error >= 0) {
                take_payment(p, paid);
                return;
        }
        log_info("Purchase %.12s was not paid: %s.", purchase_id(p), reason);
        p->pay_error = error;
        (void) snprintf(p->last_refusal, sizeof(p->last_refusal), "%s", reason);
        if (look(p) < 0)
                look_later(p);
}

/* After a crash as well: the same id never pays twice. */
Step purchase_pay(Flow *f) {
        Purchase *p = flow_purchase(f);
        char amount[32];
        int r;

        if (purchase_listen(p) < 0)
                log_debug("The answers are listened to later.");
        (void) snprintf(amount, sizeof(amount), "%" PRIi64 " msat", p->amount_msat);
        purchase_tell(p, "paying", amount);
        r = send_payment(p);
        if (r < 0)
                return flow_fail(f, r, "the wallet could not be asked");
        return flow_wait();
}

Step purchase_was_paid(Flow *f) {
        Purchase *p = flow_purchase(f);
        char amount[32];

        if (purchase_listen(p) < 0)
                log_debug("The answers are listened to later.");
        (void) snprintf(amount, sizeof(amount), "%" PRIi64 " msat", p->amount_msat + p->fee_msat);
        purchase_tell(p, "paid", amount);
        return flow_wait();
}
