/* One request of a wallet's client: opened, handled, answered in the way it was asked. It is
 * acknowledged when its answer is handed over; what a crash leaves open comes again, and its
 * payment is the same by the event's id. */
#include <stdio.h>

#include "basic/log.h"
#include "nostr/nip04.h"
#include "nwc-private.h"

#define AGE_MAX (6 * 3600) /* seconds: nobody waits for the answer any more */

NwcRequest *nwc_request_free(NwcRequest *r) {
        NwcService *s;
        NwcConnection *c;

        if (!r)
                return NULL;
        s = r->service;
        c = nwc_find(s, event_pubkey_hex(r->event));
        if (c && c->n_requests > 0)
                c->n_requests--;
        if (r->next)
                r->next->prev = r->prev;
        *(r->prev ? &r->prev->next : &s->requests) = r->next;
        s->n_requests--;
        if (r->payment)
                payment_unwait(r->payment, r);
        making_free(r->making);
        books_call_free(r->call);
        signer_call_free(r->signing);
        nip47_request_done(&r->ask);
        free(r->rows);
        free(r->texts);
        free(r->answer);
        event_unref(r->event);
        return mfree(r);
}

/* The end of it, whatever came out. */
static void request_over(NwcRequest *r) {
        NwcService *s = r->service;

        nwc_request_free(r);
        nwc_acknowledge(s);
}

static void request_dropped(NwcRequest *r, const char *reason) {
        log_debug("A request of a wallet's client is not answered: %s.", reason ?: "no memory");
        request_over(r);
}

/* ---- answering: encrypt, sign, publish */

static void on_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        NwcRequest *r = userdata;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error < 0) {
                request_dropped(r, reason);
                return;
        }
        nwc_publish(r->service, results[0].event, false);
        request_over(r);
}

static void on_encrypted(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        NwcRequest *r = userdata;
        _cleanup_(draft_freep) Draft *d = NULL;
        const Draft *draft;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error >= 0) {
                reason = "there is no memory";
                error = nip47_response_draft(event_pubkey_hex(r->event), event_id_hex(r->event),
                                results[0].text, nwc_now(r->service), &d);
        }
        if (error >= 0) {
                draft = d;
                reason = "the signer cannot be asked";
                error = signer_sign(r->service->signer, WALLET_KEY, &draft, 1, on_signed, r,
                                &r->signing);
        }
        if (error < 0)
                request_dropped(r, reason);
}

void nwc_answer(NwcRequest *r, Nip47Response *response) {
        SignerText text = {
                .peer = event_pubkey_hex(r->event),
                .scheme = r->scheme == NIP47_NIP44 ? "nip44" : "nip04",
        };
        int k;

        response->method = r->ask.method;
        k = nip47_response_write(response, &r->answer);
        if (k >= 0) {
                text.text = r->answer;
                k = signer_encrypt(r->service->signer, WALLET_KEY, &text, 1, on_encrypted, r,
                                &r->signing);
        }
        if (k < 0)
                request_dropped(r, "its answer is too long, or the signer cannot be asked");
}

void nwc_refuse(NwcRequest *r, Nip47Error code, const char *message) {
        Nip47Response p = { .error = code, .message = message };

        nwc_answer(r, &p);
}

/* ---- opening */

static void on_decrypted(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        NwcRequest *r = userdata;
        Nip47Error code;
        const char *text;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error < 0) {
                request_dropped(r, reason);
                return;
        }
        text = results[0].text;
        error = nip47_request_parse(text, strlen(text), &r->ask, &code, &reason);
        if (error == -ENOMEM)
                request_dropped(r, NULL);
        else if (error < 0)
                nwc_refuse(r, code, reason);
        else
                nwc_method(r);
}

static bool is_known(const NwcService *s, const Event *e) {
        for (const NwcRequest *r = s->requests; r; r = r->next)
                if (streq(event_id_hex(r->event), event_id_hex(e)))
                        return true;
        return false;
}

static NwcRequest *request_new(NwcService *s, const NwcConnection *c, Event *e, uint64_t seq) {
        NwcRequest *r = new0(NwcRequest, 1);

        if (!r)
                return NULL;
        r->service = s;
        r->seq = seq;
        r->event = event_ref(e);
        r->ask.method = _NIP47_METHOD_MAX;
        r->pays = c->pays;
        (void) snprintf(r->grant, sizeof(r->grant), "%s", c->grant);
        (void) snprintf(r->account, sizeof(r->account), "%s", c->account);
        r->next = s->requests;
        if (r->next)
                r->next->prev = r;
        s->requests = r;
        s->n_requests++;
        nwc_find(s, c->client)->n_requests++;
        return r;
}

void nwc_request_begin(NwcService *s, const NwcConnection *c, Event *e, uint64_t seq) {
        const char *content = event_content(e, NULL);
        bool too_many = c->n_requests >= NWC_PER_CONNECTION;
        SignerText text = {
                .peer = c->client,
                .scheme = nip04_looks_like(content) ? "nip04" : "nip44",
                .text = content,
        };
        Nip47Scheme said;
        NwcRequest *r;

        if (s->n_requests >= NWC_REQUESTS_MAX || is_known(s, e) ||
                        event_expiration(e) <= nwc_now(s) ||
                        event_created_at(e) < nwc_now(s) - AGE_MAX)
                return;
        r = request_new(s, c, e, seq);
        if (!r)
                return;
        r->scheme = nip04_looks_like(content) ? NIP47_NIP04 : NIP47_NIP44;
        if (nip47_event_scheme(e, &said) < 0)
                nwc_refuse(r, NIP47_UNSUPPORTED_ENCRYPTION, "nip44_v2 and nip04 are understood");
        else if (too_many)
                nwc_refuse(r, NIP47_RATE_LIMITED, "too many requests are under way");
        else if (signer_decrypt(s->signer, WALLET_KEY, &text, 1, on_decrypted, r, &r->signing) < 0)
                request_dropped(r, "the signer cannot be asked");
}
