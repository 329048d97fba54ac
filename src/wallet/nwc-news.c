/* News for the clients of the NIP-47 service, and rows of the books as NIP-47 has them. */
#include <stdio.h>

#include "basic/log.h"
#include "nwc-private.h"

#define NEWS_MAX 1024 /* on their way; further ones are left out: clients look invoices up */

/* To one client in one scheme. */
struct NwcNews {
        NwcService *service;
        NwcNews *prev, *next;
        char client[HEX32_MAX];
        Nip47Scheme scheme;
        char *text;
        SignerCall *signing;
};

NwcNews *nwc_news_free(NwcNews *n) {
        if (!n)
                return NULL;
        if (n->next)
                n->next->prev = n->prev;
        *(n->prev ? &n->prev->next : &n->service->news) = n->next;
        n->service->n_news--;
        signer_call_free(n->signing);
        free(n->text);
        return mfree(n);
}

static void news_over(NwcNews *n, int error, const char *reason) {
        if (error < 0)
                log_debug("News for a wallet's client were not sent: %s.", reason ?: "no memory");
        nwc_news_free(n);
}

static void on_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        NwcNews *news = userdata;

        if (error >= 0)
                error = results[0].error;
        if (error >= 0)
                nwc_publish(news->service, results[0].event, false);
        news_over(news, error, reason);
}

static void on_encrypted(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        NwcNews *news = userdata;
        _cleanup_(draft_freep) Draft *d = NULL;
        const Draft *draft;

        if (error >= 0)
                error = results[0].error;
        if (error >= 0)
                error = nip47_notification_draft(news->client, news->scheme, results[0].text,
                                nwc_now(news->service), &d);
        if (error >= 0) {
                draft = d;
                error = signer_sign(news->service->signer, WALLET_KEY, &draft, 1, on_signed, news,
                                &news->signing);
        }
        if (error < 0)
                news_over(news, error, reason);
}

static void news_send(NwcService *s, const NwcConnection *c, Nip47Scheme scheme, const char *json) {
        SignerText text = {
                .peer = c->client,
                .scheme = scheme == NIP47_NIP44 ? "nip44" : "nip04",
        };
        NwcNews *n;

        if (s->n_news >= NEWS_MAX)
                return;
        n = new0(NwcNews, 1);
        if (!n)
                return;
        n->service = s;
        n->scheme = scheme;
        memcpy(n->client, c->client, HEX32_MAX);
        n->next = s->news;
        if (n->next)
                n->next->prev = n;
        s->news = n;
        s->n_news++;
        n->text = strdup(json);
        text.text = n->text;
        if (!n->text || signer_encrypt(s->signer, WALLET_KEY, &text, 1, on_encrypted, n,
                                        &n->signing) < 0)
                news_over(n, -ENOMEM, NULL);
}

/* Both ways, as the announcement promises: a client reads the one it knows. */
static void tell(NwcService *s, const NwcConnection *c, const Nip47Transaction *t) {
        _cleanup_free_ char *json = NULL;

        if (nip47_notification_write(t, &json) < 0)
                return;
        for (Nip47Scheme scheme = 0; scheme < _NIP47_SCHEME_MAX; scheme++)
                news_send(s, c, scheme, json);
}

/* ---- rows */

static const char *hash_or_null(const char *hex) {
        return isempty(hex) ? NULL : hex;
}

void nwc_of_invoice(const BooksInvoice *i, Nip47Transaction *ret) {
        bool paid = streq(i->state, "paid") || streq(i->state, "late");

        *ret = (Nip47Transaction){
                .state = paid                         ? NIP47_STATE_SETTLED
                         : streq(i->state, "pending") ? NIP47_STATE_PENDING
                                                      : NIP47_STATE_EXPIRED,
                .invoice = i->bolt11,
                .description = i->description,
                .payment_hash = i->hash,
                .preimage = paid ? hash_or_null(i->preimage) : NULL,
                .amount = paid ? i->received_msat : i->amount_msat,
                .created_at = i->created_at,
                .expires_at = i->expires_at,
                .settled_at = paid ? i->settled_at : 0,
        };
}

/* "unknown" is pending to a client: it must not be told that it may pay again. */
void nwc_of_intent(const BooksIntent *i, Nip47Transaction *ret) {
        bool settled = streq(i->state, "settled");

        *ret = (Nip47Transaction){
                .outgoing = true,
                .state = settled                     ? NIP47_STATE_SETTLED
                         : streq(i->state, "failed") ? NIP47_STATE_FAILED
                                                     : NIP47_STATE_PENDING,
                .invoice = i->bolt11,
                .payment_hash = i->hash,
                .preimage = settled ? hash_or_null(i->preimage) : NULL,
                .amount = i->amount_msat,
                .fees_paid = settled ? i->fee_msat : 0,
                .created_at = i->created_at,
                .settled_at = settled ? i->settled_at : 0,
        };
}

/* ---- what happened */

static void on_invoice(int error, _unused_ const char *reason, const BooksInvoice *rows, size_t n,
                void *userdata) {
        NwcService *s = userdata;
        Nip47Transaction t;

        if (error < 0 || n == 0)
                return;
        nwc_of_invoice(rows, &t);
        for (size_t i = 0; i < s->n_connections; i++)
                if (streq(s->connections[i].account, rows->account))
                        tell(s, s->connections + i, &t);
}

void nwc_service_paid(NwcService *s, const Invoice *i) {
        bool wanted = false;

        for (size_t k = 0; k < s->n_connections; k++)
                wanted = wanted || streq(s->connections[k].account, i->account);
        if (wanted && books_get_invoice(s->wallet->books, i->hash, on_invoice, s, NULL) < 0)
                log_debug("The clients of the wallet are not told of an invoice.");
}

void nwc_service_moved(NwcService *s, const Payment *p) {
        Nip47Transaction t = {
                .outgoing = true,
                .state = NIP47_STATE_SETTLED,
                .invoice = p->bolt11,
                .payment_hash = p->hash,
                .preimage = hash_or_null(p->preimage),
                .amount = p->amount_msat,
                .fees_paid = p->fee_msat,
                .created_at = nwc_now(s),
                .settled_at = nwc_now(s),
        };

        if (p->flow.state != PAYMENT_SETTLED || isempty(p->hash))
                return;
        for (size_t i = 0; i < s->n_connections; i++)
                if (p->grant && streq(s->connections[i].grant, p->grant))
                        tell(s, s->connections + i, &t);
}
