#pragma once
/* NIP-47, Nostr Wallet Connect: asking a wallet over relays, and being such a wallet. Connection
 * texts, the wallet's announcement, and the messages in both directions. Pure.
 *
 * Whatever the other side writes is a stranger's: sizes are limited, amounts are whole millisats
 * that are not negative, hashes are 64 digits; unknown fields are skipped. Strings in what was
 * parsed are borrowed from it and live as long. */
#include "nostr/event.h"

#define NIP47_INFO_KIND               13194
#define NIP47_REQUEST_KIND            23194
#define NIP47_RESPONSE_KIND           23195
#define NIP47_NOTIFICATION_NIP04_KIND 23196
#define NIP47_NOTIFICATION_KIND       23197

#define NIP47_URI_MAX                 2048
#define NIP47_RELAYS_MAX              8
#define NIP47_MESSAGE_MAX             (60 * 1024) /* bytes of JSON, both ways; NIP-44 ends at 64 KB */
#define NIP47_TRANSACTIONS_MAX        50          /* that are read of one page */

/* A connection: a credential. */
typedef struct Nip47Uri {
        uint8_t wallet[32];
        uint8_t secret[32]; /* the client's key */
        char **relays;      /* at least one */
        char *lud16;        /* NULL */
} Nip47Uri;
int nip47_uri_parse(const char *text, Nip47Uri *ret, const char **reterr); /* -EINVAL */
int nip47_uri_write(const Nip47Uri *u, char **ret);
void nip47_uri_done(Nip47Uri *u); /* wipes the secret */
#define _cleanup_nip47_uri_ _cleanup_(nip47_uri_done)

typedef enum Nip47Scheme { NIP47_NIP44, NIP47_NIP04, _NIP47_SCHEME_MAX } Nip47Scheme;
const char *nip47_scheme_name(Nip47Scheme s); /* as in the tag: "nip44_v2", "nip04" */
/* What an event says in its tag `encryption`; without one it is NIP-04. -EOPNOTSUPP. */
int nip47_event_scheme(const Event *e, Nip47Scheme *ret);

/* random: 32 bytes, fresh for every message. */
int nip47_encrypt(const Keypair *k, const uint8_t peer[static 32], Nip47Scheme s,
                const uint8_t random[static 32], const char *text, char **ret);
/* -EBADMSG with a reason. The content's own form says the scheme. */
int nip47_decrypt(const Keypair *k, const uint8_t peer[static 32], const char *content, char **ret,
                const char **reterr);

typedef enum Nip47Method {
        NIP47_MAKE_INVOICE,
        NIP47_LOOKUP_INVOICE,
        NIP47_PAY_INVOICE,
        NIP47_GET_BALANCE,
        NIP47_LIST_TRANSACTIONS,
        NIP47_GET_INFO,
        NIP47_GET_BUDGET, /* of Alby Hub, not in the NIP */
        _NIP47_METHOD_MAX,
} Nip47Method;
const char *nip47_method_name(Nip47Method m);

typedef enum Nip47Error {
        NIP47_OK,
        NIP47_RATE_LIMITED,
        NIP47_NOT_IMPLEMENTED,
        NIP47_INSUFFICIENT_BALANCE,
        NIP47_QUOTA_EXCEEDED,
        NIP47_RESTRICTED,
        NIP47_UNAUTHORIZED,
        NIP47_INTERNAL,
        NIP47_UNSUPPORTED_ENCRYPTION,
        NIP47_OTHER, /* and every code we do not know */
        NIP47_PAYMENT_FAILED,
        NIP47_NOT_FOUND,
        NIP47_BAD_REQUEST, /* these two of Alby Hub */
        NIP47_EXPIRED,
        _NIP47_ERROR_MAX,
} Nip47Error;
const char *nip47_error_name(Nip47Error e);

/* The wallet's announcement. */
typedef struct Nip47Info {
        uint32_t methods;    /* B(method) */
        bool nip44, nip04;   /* without its tag: NIP-04 only */
        bool received, sent; /* notifications */
} Nip47Info;
void nip47_info_parse(const Event *e, Nip47Info *ret);
int nip47_info_draft(const Nip47Info *i, int64_t now, Draft **ret);

typedef enum Nip47State {
        NIP47_STATE_NONE, /* not said */
        NIP47_STATE_PENDING,
        NIP47_STATE_SETTLED,
        NIP47_STATE_ACCEPTED,
        NIP47_STATE_EXPIRED,
        NIP47_STATE_FAILED,
        _NIP47_STATE_MAX,
} Nip47State;

/* Strings are NULL or hashes "" where nothing is said; numbers 0. */
typedef struct Nip47Transaction {
        bool outgoing;
        Nip47State state;
        const char *invoice, *description, *description_hash;
        const char *payment_hash, *preimage; /* 64 digits or NULL */
        int64_t amount, fees_paid;
        int64_t created_at, expires_at, settled_at;
} Nip47Transaction;
/* state may be missing, and settled_at tells. */
bool nip47_is_settled(const Nip47Transaction *t);

typedef struct Nip47Request {
        struct json_object *json; /* of what was parsed */
        Nip47Method method;
        const char *invoice, *payment_hash, *description, *description_hash;
        int64_t amount; /* 0: not said */
        int64_t expiry; /* seconds; 0: not said */
        int64_t from, until, limit, offset;
        bool unpaid, only_incoming, only_outgoing;
} Nip47Request;
int nip47_request_write(const Nip47Request *r, char **ret);
/* -EBADMSG with a reason; ret_error then says what to answer, and ret->method what it was about
 * (_NIP47_METHOD_MAX where that is not known). */
int nip47_request_parse(const char *json, size_t size, Nip47Request *ret, Nip47Error *ret_error,
                const char **reterr);
void nip47_request_done(Nip47Request *r);
#define _cleanup_nip47_request_ _cleanup_(nip47_request_done)

typedef struct Nip47Response {
        struct json_object *json;
        Nip47Method method;
        Nip47Error error; /* OK: the fields below */
        const char *message;
        Nip47Transaction transaction;   /* make_invoice, lookup_invoice */
        Nip47Transaction *transactions; /* list_transactions; owned by what was parsed */
        size_t n_transactions;
        const char *preimage;              /* pay_invoice */
        int64_t fees_paid;                 /* pay_invoice: -1: not said */
        int64_t balance;                   /* get_balance */
        int64_t total_budget, used_budget; /* get_budget */
        const char *renewal_period;
        const char *alias, *pubkey, *network; /* get_info */
        uint32_t methods;                     /* get_info: B(method) */
        bool notifies;                        /* get_info, writing */
} Nip47Response;
int nip47_response_write(const Nip47Response *r, char **ret);
/* -EBADMSG with a reason. expected: what was asked; result_type may be missing in errors. */
int nip47_response_parse(const char *json, size_t size, Nip47Method expected, Nip47Response *ret,
                const char **reterr);
void nip47_response_done(Nip47Response *r);
#define _cleanup_nip47_response_ _cleanup_(nip47_response_done)

/* payment_received where it is incoming, payment_sent where it is outgoing. */
int nip47_notification_write(const Nip47Transaction *t, char **ret);
typedef struct Nip47Notification {
        struct json_object *json;
        Nip47Transaction transaction;
} Nip47Notification;
/* -EOPNOTSUPP: of another type. */
int nip47_notification_parse(
                const char *json, size_t size, Nip47Notification *ret, const char **reterr);
void nip47_notification_done(Nip47Notification *n);
#define _cleanup_nip47_notification_ _cleanup_(nip47_notification_done)

/* Events around the encrypted content. expiration 0: none. */
int nip47_request_draft(const char *wallet_hex, Nip47Scheme s, const char *content, int64_t now,
                int64_t expiration, Draft **ret);
int nip47_response_draft(const char *client_hex, const char *request_id, const char *content,
                int64_t now, Draft **ret);
int nip47_notification_draft(const char *client_hex, Nip47Scheme s, const char *content,
                int64_t now, Draft **ret);
