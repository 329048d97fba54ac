#pragma once
/* LNURL-pay: what people give as a place to pay to, and what its server answers (LUD-01, 06, 12,
 * 16, 17, 21, and what NIP-57 adds). Pure: the conversation itself is the wallet's.
 *
 * A server's answers are a stranger's. Texts in them are UTF-8 without control characters. */
#include "money/bolt11.h"

#define LNURL_URL_MAX      4096
#define LNURL_COMMENT_MAX  2000         /* characters; a server may allow fewer */
#define LNURL_ANSWER_MAX   (256 * 1024) /* metadata may hold a picture */
#define LNURL_REFUSAL_SIZE 161          /* the server's own words, with the NUL */

/* Could this be one, and no invoice: lnurl1…, lightning:lnurl1…, lnurlp://…, name@host? */
bool lnurl_looks_like(const char *text);
/* The URL that is asked first. -EINVAL with a reason. loopback_http: this machine's own names and
 * addresses are asked without encryption; for regtest. */
int lnurl_url(const char *text, bool loopback_http, char **ret, const char **reterr);
/* The same URL as text, as NIP-57's "lnurl" wants it. */
int lnurl_encode(const char *url, char **ret);

/* Any answer may be a refusal: true, with the server's reason cleaned and cut. */
bool lnurl_refused(const char *json, size_t size, char ret[static LNURL_REFUSAL_SIZE]);

typedef struct LnurlPay {
        char *callback;
        int64_t min_msat, max_msat;
        char *metadata;       /* byte for byte: its hash is in the invoice */
        char *description;    /* metadata's text/plain */
        uint32_t comment_max; /* characters; 0: none wanted */
        bool allows_nostr;
        uint8_t nostr_pubkey[32]; /* where allows_nostr: who signs the zap receipts */
} LnurlPay;
/* -EBADMSG with a reason. */
int lnurl_pay_parse(const char *json, size_t size, LnurlPay *ret, const char **reterr);
void lnurl_pay_done(LnurlPay *p);
#define _cleanup_lnurl_pay_ _cleanup_(lnurl_pay_done)

/* What is asked for an invoice. comment and zap_request (a signed event's JSON) may be NULL; lnurl
 * goes with a zap request. -ERANGE, -EINVAL with a reason. */
typedef struct LnurlAsk {
        int64_t msat;
        const char *comment, *zap_request, *lnurl;
} LnurlAsk;
int lnurl_callback_url(const LnurlPay *p, const LnurlAsk *ask, char **ret, const char **reterr);

typedef struct LnurlInvoice {
        char *bolt11;
        char *verify; /* LUD-21; NULL */
} LnurlInvoice;
int lnurl_invoice_parse(const char *json, size_t size, LnurlInvoice *ret, const char **reterr);
void lnurl_invoice_done(LnurlInvoice *i);
#define _cleanup_lnurl_invoice_ _cleanup_(lnurl_invoice_done)

/* Is it what was asked for? The amount to the millisat, the network, and where the invoice holds a
 * hash, the metadata's; with a zap request it must hold that one's. -EBADMSG with a reason. */
int lnurl_invoice_check(const Bolt11 *b, const LnurlPay *p, const LnurlAsk *ask, Network network,
                const char **reterr);

/* LUD-21. */
typedef struct LnurlVerify {
        bool settled, has_preimage;
        uint8_t preimage[32];
} LnurlVerify;
int lnurl_verify_parse(const char *json, size_t size, LnurlVerify *ret, const char **reterr);
