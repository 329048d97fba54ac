/* Asking: the request is encrypted where that is wanted, signed, listened for and published; and
 * taken back. */
#include <stdio.h>

#include "basic/log.h"
#include "bus/names.h"
#include "market/market-private.h"

/* ---- signing */

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

static Step sign(Purchase *p) {
        const Draft *draft = p->draft;
        int r;

        r = signer_sign(p->market->signer, p->key, &draft, 1, on_signed, p, &p->signing);
        if (r < 0)
                return flow_fail(&p->flow, r, "the signer could not be asked");
        return flow_wait();
}

static void on_encrypted(int error, const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Purchase *p = userdata;
        int r = streq(name, BUS_ERROR_NO_KEY) ? -ENOKEY : error;

        if (r >= 0) {
                r = results[0].error;
                reason = results[0].reason;
        }
        if (r >= 0) {
                r = draft_content(p->draft, results[0].text, strlen(results[0].text));
                reason = "the encrypted request is too long";
        }
        p->plaintext = mfree(p->plaintext);
        flow_drive(&p->flow, r < 0 ? flow_fail(&p->flow, r, reason) : sign(p));
}

/* NIP-90: input and params, encrypted to the provider who is asked. */
Step purchase_sign(Flow *f) {
        Purchase *p = flow_purchase(f);
        const SignerText text = {
                .peer = p->provider,
                .scheme = "nip44",
                .text = p->plaintext,
        };
        int r;

        if (!p->plaintext)
                return sign(p);
        r = signer_encrypt(p->market->signer, p->key, &text, 1, on_encrypted, p, &p->signing);
        if (r < 0)
                return flow_fail(f, r, "the request could not be encrypted");
        return flow_wait();
}

/* ---- asking */

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
Step purchase_ask(Flow *f) {
        Purchase *p = flow_purchase(f);
        int r;

        if (!p->resumed)
                (void) sd_event_now(p->market->event, CLOCK_BOOTTIME, &p->asked_usec);
        r = purchase_listen(p);
        if (r < 0)
                return flow_fail(f, r, "the answers could not be subscribed to");

        r = relay_client_publish(p->market->relay, event_json(p->request, NULL),
                        (const char *const *) p->relays, true, on_published, p, &p->publishing);
        if (r < 0)
                return flow_fail(f, r, "the request could not be handed to the relays");
        return flow_wait();
}

/* ---- giving up */

static Step cancelled(Purchase *p) {
        return flow_fail(&p->flow, -ECANCELED, p->cancel_reason);
}

static void on_revoked(int error, const char *reason, void *userdata) {
        Purchase *p = userdata;

        if (error < 0)
                log_debug("Purchase %.12s was given up, and its provider not told: %s.",
                                purchase_id(p), reason);
        flow_drive(&p->flow, cancelled(p));
}

static void on_revocation_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Purchase *p = userdata;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error >= 0) {
                error = relay_client_publish(p->market->relay, event_json(results[0].event, NULL),
                                (const char *const *) p->relays, true, on_revoked, p,
                                &p->publishing);
                reason = "the relays could not be asked";
        }
        if (error < 0)
                on_revoked(error, reason, p);
}

/* NIP-09. Telling the provider is a courtesy: where it cannot be done the purchase ends all the
 * same. */
Step purchase_revoke(Flow *f) {
        Purchase *p = flow_purchase(f);
        const Draft *drafts[1];
        int r;

        p->draft = draft_free(p->draft);
        p->publishing = relay_publish_free(p->publishing);
        r = job_cancel_draft(p->request, purchase_now(p), &p->draft);
        drafts[0] = p->draft;
        if (r >= 0)
                r = signer_sign(p->market->signer, p->key, drafts, 1, on_revocation_signed, p,
                                &p->signing);
        return r < 0 ? cancelled(p) : flow_wait();
}
