/* Answers: feedback and results, decrypted where they came encrypted, believed only from whom they
 * are expected of. */
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "market/market-private.h"
#include "market/proof.h"
#include "nostr/tag-list.h"

/* What is handed over is on disk, or has made no difference. */
void purchase_acknowledge(Purchase *p) {
        if (p->seq == 0 || p->flow.recording || p->n_candidates > 0 || p->n_sealed > 0 ||
                        !p->registered)
                return;
        relay_client_acknowledge(p->market->relay, p->subscription, TAKE(p->seq, 0));
}

void purchase_taken(Purchase *p, uint64_t seq) {
        p->seq = seq;
        purchase_acknowledge(p);
}

/* Once somebody is to be paid, only he counts. */
static const char *only_provider(const Purchase *p) {
        return p->payee[0] ? p->payee : p->provider[0] ? p->provider : NULL;
}

static Step refuse(Purchase *p, const char *text) {
        p->blamed = true;
        return flow_fail(&p->flow, -EREMOTEIO, isempty(text) ? "the provider refused" : text);
}

/* What a provider wrote is a stranger's text: cut to size, and the terminal's escapes are dealt
 * with where it is shown. */
static void take_feedback(Purchase *p, const Event *e, const JobAnswer *a) {
        const char *text = isempty(a->text) ? a->content : a->text;

        if (a->status == JOB_STATUS_PAYMENT_REQUIRED && p->payee[0])
                return; /* one invoice was taken: another one of the same job is not another payment
                         */
        purchase_tell(p, a->status_text, text);
        if (a->status == JOB_STATUS_PAYMENT_REQUIRED)
                purchase_want_pay(p, e, a);
        else if (a->status == JOB_STATUS_ERROR && p->flow.state == PURCHASE_PAYING)
                log_info("Purchase %.12s: its provider gave up while it was being paid.",
                                purchase_id(p));
        else if (a->status == JOB_STATUS_ERROR && only_provider(p))
                flow_drive(&p->flow, refuse(p, text));
        else if (a->status == JOB_STATUS_ERROR)
                (void) snprintf(p->last_refusal, sizeof(p->last_refusal), "%s", text);
}

static int keep_result(Purchase *p, Event *e, const JobAnswer *a) {
        uint64_t now = 0;

        if (a->content != event_content(e, NULL)) {
                p->content = strdup(a->content);
                if (!p->content)
                        return -ENOMEM;
        }
        (void) sd_event_now(p->market->event, CLOCK_BOOTTIME, &now);
        p->took_msec = p->asked_usec > 0 ? (int64_t) ((now - p->asked_usec) / MSEC) : -1;
        p->result = event_ref(e);
        return 0;
}

static void take_result(Purchase *p, Event *e, const JobAnswer *a) {
        const char *reason = NULL;
        int r;

        if (p->result)
                return;
        r = proof_check(p->request, a->content, a->content_size, &reason);
        if (r >= 0)
                r = keep_result(p, e, a);
        if (r < 0) {
                log_debug("A result of %s is not taken: %s", event_pubkey_hex(e),
                                reason ?: "no memory");
                purchase_tell(p, "refused", reason ?: "there is no memory");
                return;
        }
        flow_drive(&p->flow, flow_go(PURCHASE_RECEIVED));
}

static bool is_expected(const Purchase *p) {
        return p->flow.state >= PURCHASE_WAITING && p->flow.state <= PURCHASE_PAID;
}

static void take(Purchase *p, Event *e, const JobAnswer *a) {
        if (!is_expected(p))
                return;
        if (a->feedback)
                take_feedback(p, e, a);
        else
                take_result(p, e, a);
}

/* ---- what came encrypted */

void sealed_done(Purchase *p) {
        for (size_t i = 0; i < SEALED_MAX; i++) {
                p->sealed[i].call = signer_call_free(p->sealed[i].call);
                p->sealed[i].event = event_unref(p->sealed[i].event);
        }
        p->n_sealed = 0;
}

/* A provider's result that nobody can read is none; he has had his try. */
static void cannot_read(Purchase *p, const Event *e, const char *reason) {
        log_debug("An answer of %s cannot be decrypted: %s", event_pubkey_hex(e), reason);
        purchase_tell(p, "refused", "the answer could not be decrypted");
        if (event_kind(e) != JOB_FEEDBACK_KIND && only_provider(p) &&
                        p->flow.state != PURCHASE_PAYING && is_expected(p))
                flow_drive(&p->flow, refuse(p, "the result could not be decrypted"));
}

static void take_opened(Purchase *p, Event *e, const char *plaintext) {
        _cleanup_(tag_list_freep) TagList *tags = NULL;
        const char *reason = "there is no memory";
        JobAnswer a;
        int r;

        /* While it was decrypted somebody else may have become the payee. */
        r = job_answer_check(e, p->request, only_provider(p), &reason);
        if (r >= 0)
                r = job_answer_parse(e, &a, &reason);
        if (r >= 0)
                r = job_answer_open(&a, plaintext, strlen(plaintext), &tags);
        if (r < 0)
                log_debug("An encrypted answer is not taken: %s", reason);
        else
                take(p, e, &a);
}

static void on_opened(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Sealed *s = userdata;
        Purchase *p = s->purchase;
        _cleanup_(event_unrefp) Event *e = TAKE_PTR(s->event);
        char id[HEX32_MAX];
        Market *m = p->market;

        (void) snprintf(id, sizeof(id), "%s", purchase_id(p));
        p->n_sealed--;
        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error >= 0)
                take_opened(p, e, results[0].text);
        else
                cannot_read(p, e, reason ?: "no memory");
        p = map_get_string(&m->by_id, id); /* it may be over, and gone */
        if (p)
                purchase_acknowledge(p);
}

static void open_sealed(Purchase *p, Event *e, const JobAnswer *a) {
        const SignerText text = { .peer = event_pubkey_hex(e), .text = a->content };
        size_t most = a->feedback ? SEALED_MAX - SEALED_RESULTS : SEALED_MAX;
        Sealed *s = NULL;
        int r = -ENOBUFS;

        for (size_t i = 0; i < most && !s; i++)
                if (!p->sealed[i].event)
                        s = p->sealed + i;
        if (s) {
                *s = (Sealed){ .purchase = p };
                r = signer_decrypt(p->market->signer, p->key, &text, 1, on_opened, s, &s->call);
        }
        if (r < 0) {
                log_debug_errno(r, "An encrypted answer is left out: %m");
                return;
        }
        s->event = event_ref(e);
        p->n_sealed++;
}

/* ---- what the relay handed over */

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
        if (!is_expected(p))
                return;
        if (a.encrypted && a.content_size > 0)
                open_sealed(p, e->event, &a);
        else
                take(p, e->event, &a);
}

void purchase_outcome(Purchase *p, const char *relay, RelayVerdict verdict, const char *message) {
        char text[512];

        if (verdict == RELAY_TRYING)
                return;
        (void) snprintf(text, sizeof(text), "%s%s%s", relay, isempty(message) ? "" : ": ", message);
        purchase_tell(p, verdict == RELAY_ACCEPTED ? "published" : "refused", text);
}
