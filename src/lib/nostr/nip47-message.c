/* What is inside the encryption: requests, responses and notifications as JSON, through tables of
 * fields. */
#include <inttypes.h>
#include <strings.h>

#include "basic/json.h"
#include "basic/text.h"
#include "nostr/nip47.h"

#define DEPTH_MAX  12
#define VALUES_MAX 8192

static const char *const error_names[_NIP47_ERROR_MAX] = {
        [NIP47_OK] = "",
        [NIP47_RATE_LIMITED] = "RATE_LIMITED",
        [NIP47_NOT_IMPLEMENTED] = "NOT_IMPLEMENTED",
        [NIP47_INSUFFICIENT_BALANCE] = "INSUFFICIENT_BALANCE",
        [NIP47_QUOTA_EXCEEDED] = "QUOTA_EXCEEDED",
        [NIP47_RESTRICTED] = "RESTRICTED",
        [NIP47_UNAUTHORIZED] = "UNAUTHORIZED",
        [NIP47_INTERNAL] = "INTERNAL",
        [NIP47_UNSUPPORTED_ENCRYPTION] = "UNSUPPORTED_ENCRYPTION",
        [NIP47_OTHER] = "OTHER",
        [NIP47_PAYMENT_FAILED] = "PAYMENT_FAILED",
        [NIP47_NOT_FOUND] = "NOT_FOUND",
        [NIP47_BAD_REQUEST] = "BAD_REQUEST",
        [NIP47_EXPIRED] = "EXPIRED",
};

static const char *const state_names[_NIP47_STATE_MAX] = {
        [NIP47_STATE_NONE] = "",
        [NIP47_STATE_PENDING] = "pending",
        [NIP47_STATE_SETTLED] = "settled",
        [NIP47_STATE_ACCEPTED] = "accepted",
        [NIP47_STATE_EXPIRED] = "expired",
        [NIP47_STATE_FAILED] = "failed",
};

const char *nip47_error_name(Nip47Error e) {
        return error_names[e];
}

bool nip47_is_settled(const Nip47Transaction *t) {
        return t->state == NIP47_STATE_SETTLED ||
               (t->state == NIP47_STATE_NONE && t->settled_at > 0);
}

/* Writing. */

static int write_name(Buffer *b, const char *name) {
        char last = b->data[b->size - 1];

        return buffer_addf(b, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", name);
}

static int write_text(Buffer *b, const char *name, const char *value) {
        int r;

        if (!value)
                return 0;
        r = write_name(b, name);
        return r < 0 ? r : json_write_string(b, value, strlen(value));
}

static int write_number(Buffer *b, const char *name, int64_t value) {
        int r = write_name(b, name);

        return r < 0 ? r : buffer_addf(b, "%" PRIi64, value);
}

static int write_said(Buffer *b, const char *name, int64_t value) {
        return value > 0 ? write_number(b, name, value) : 0;
}

static int write_transaction(Buffer *b, const Nip47Transaction *t) {
        int r;

        r = buffer_add_string(b, "{");
        if (r >= 0)
                r = write_text(b, "type", t->outgoing ? "outgoing" : "incoming");
        if (r >= 0 && t->state != NIP47_STATE_NONE)
                r = write_text(b, "state", state_names[t->state]);
        r = r < 0 ? r
                  : write_text(b, "invoice", t->invoice)
                                    ?: write_text(b, "description", t->description)
                                    ?: write_text(b, "description_hash", t->description_hash)
                                    ?: write_text(b, "preimage", t->preimage)
                                    ?: write_text(b, "payment_hash", t->payment_hash)
                                    ?: write_number(b, "amount", t->amount)
                                    ?: write_number(b, "fees_paid", t->fees_paid)
                                    ?: write_number(b, "created_at", t->created_at)
                                    ?: write_said(b, "expires_at", t->expires_at)
                                    ?: write_said(b, "settled_at", t->settled_at);
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int take(Buffer *b, int r, char **ret) {
        if (r < 0)
                return r;
        *ret = buffer_take(b, NULL);
        return *ret ? 0 : -ENOMEM;
}

int nip47_request_write(const Nip47Request *q, char **ret) {
        _cleanup_buffer_ Buffer b;
        int r;

        buffer_init(&b, NIP47_MESSAGE_MAX);
        r = buffer_addf(&b, "{\"method\":\"%s\",\"params\":{", nip47_method_name(q->method));
        if (r < 0)
                return r;
        r = write_said(&b, "amount", q->amount) ?: write_text(&b, "invoice", q->invoice)
                        ?: write_text(&b, "payment_hash", q->payment_hash)
                        ?: write_text(&b, "description", q->description)
                        ?: write_text(&b, "description_hash", q->description_hash)
                        ?: write_said(&b, "expiry", q->expiry) ?: write_said(&b, "from", q->from)
                        ?: write_said(&b, "until", q->until) ?: write_said(&b, "limit", q->limit)
                        ?: write_said(&b, "offset", q->offset);
        if (r >= 0 && q->unpaid)
                r = write_name(&b, "unpaid") ?: buffer_add_string(&b, "true");
        if (r >= 0 && (q->only_incoming || q->only_outgoing))
                r = write_text(&b, "type", q->only_incoming ? "incoming" : "outgoing");
        if (r >= 0)
                r = buffer_add_string(&b, "}}");
        return take(&b, r, ret);
}

static int write_methods(Buffer *b, uint32_t methods) {
        int r;

        r = write_name(b, "methods") ?: buffer_add_string(b, "[");
        for (Nip47Method m = 0; m < _NIP47_METHOD_MAX && r >= 0; m++)
                if (methods & B(m))
                        r = buffer_addf(b, "%s\"%s\"", b->data[b->size - 1] == '[' ? "" : ",",
                                        nip47_method_name(m));
        return r < 0 ? r : buffer_add_string(b, "]");
}

static int write_info(Buffer *b, const Nip47Response *p) {
        int r;

        r = buffer_add_string(b, "{") ?: write_text(b, "alias", p->alias)
                        ?: write_text(b, "pubkey", p->pubkey)
                        ?: write_text(b, "network", p->network) ?: write_methods(b, p->methods);
        if (r >= 0 && p->notifies)
                r = buffer_add_string(
                                b, ",\"notifications\":[\"payment_received\",\"payment_sent\"]");
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int write_list(Buffer *b, const Nip47Response *p) {
        int r = buffer_add_string(b, "{\"transactions\":[");

        for (size_t i = 0; i < p->n_transactions && r >= 0; i++)
                r = (i ? buffer_add_string(b, ",") : 0)
                                    ?: write_transaction(b, p->transactions + i);
        return r < 0 ? r : buffer_add_string(b, "]}");
}

static int write_payment(Buffer *b, const Nip47Response *p) {
        int r;

        r = buffer_add_string(b, "{") ?: write_text(b, "preimage", p->preimage ?: "");
        if (r >= 0 && p->fees_paid >= 0)
                r = write_number(b, "fees_paid", p->fees_paid);
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int write_budget(Buffer *b, const Nip47Response *p) {
        int r = buffer_add_string(b, "{");

        if (r >= 0 && p->total_budget > 0)
                r = write_number(b, "used_budget", p->used_budget)
                                ?: write_number(b, "total_budget", p->total_budget)
                                ?: write_text(b, "renewal_period", p->renewal_period);
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int write_result(Buffer *b, const Nip47Response *p) {
        switch (p->method) {
        case NIP47_MAKE_INVOICE:
        case NIP47_LOOKUP_INVOICE:
                return write_transaction(b, &p->transaction);
        case NIP47_PAY_INVOICE:
                return write_payment(b, p);
        case NIP47_GET_BALANCE:
                return buffer_addf(b, "{\"balance\":%" PRIi64 "}", p->balance);
        case NIP47_LIST_TRANSACTIONS:
                return write_list(b, p);
        case NIP47_GET_INFO:
                return write_info(b, p);
        case NIP47_GET_BUDGET:
                return write_budget(b, p);
        case _NIP47_METHOD_MAX:
                break;
        }
        return buffer_add_string(b, "null");
}

int nip47_response_write(const Nip47Response *p, char **ret) {
        const char *name = p->method < _NIP47_METHOD_MAX ? nip47_method_name(p->method) : "";
        _cleanup_buffer_ Buffer b;
        int r;

        buffer_init(&b, NIP47_MESSAGE_MAX);
        r = buffer_addf(&b, "{\"result_type\":\"%s\",\"error\":", name);
        if (r < 0)
                return r;
        if (p->error == NIP47_OK)
                r = buffer_add_string(&b, "null,\"result\":") ?: write_result(&b, p);
        else
                r = buffer_addf(&b, "{\"code\":\"%s\"", error_names[p->error])
                                ?: write_text(&b, "message", p->message ?: "")
                                ?: buffer_add_string(&b, "},\"result\":null");
        if (r >= 0)
                r = buffer_add_string(&b, "}");
        return take(&b, r, ret);
}

int nip47_notification_write(const Nip47Transaction *t, char **ret) {
        _cleanup_buffer_ Buffer b;
        int r;

        buffer_init(&b, NIP47_MESSAGE_MAX);
        r = buffer_addf(&b, "{\"notification_type\":\"%s\",\"notification\":",
                            t->outgoing ? "payment_sent" : "payment_received")
                        ?: write_transaction(&b, t)
                        ?: buffer_add_string(&b, "}");
        return take(&b, r, ret);
}

/* Reading. */

static int parse(const char *json, size_t size, Json **ret, const char **reterr) {
        int r;

        if (size > NIP47_MESSAGE_MAX)
                return *reterr = "the message is too large", -EBADMSG;
        r = json_parse(json, size, DEPTH_MAX, VALUES_MAX, ret, reterr);
        if (r < 0)
                return r;
        if (!json_is_object(*ret)) {
                *ret = json_unref(*ret);
                return *reterr = "the message is no object", -EBADMSG;
        }
        return 0;
}

static bool is_hash(const char *text) {
        uint8_t bytes[32];

        return hex_decode(text, bytes, 32) >= 0;
}

typedef struct Row {
        const char *type, *state, *invoice, *description, *description_hash;
        const char *payment_hash, *preimage;
        int64_t amount, fees_paid, created_at, expires_at, settled_at;
} Row;

#define TEXT(name) \
        { #name, JSON_STRING, offsetof(Row, name), false }
#define NUMBER(name) \
        { #name, JSON_I64, offsetof(Row, name), false }
static const JsonField row_fields[] = {
        { "type", JSON_STRING, offsetof(Row, type), true },
        TEXT(state),
        TEXT(invoice),
        TEXT(description),
        TEXT(description_hash),
        TEXT(payment_hash),
        TEXT(preimage),
        { "amount", JSON_I64, offsetof(Row, amount), true },
        NUMBER(fees_paid),
        NUMBER(created_at),
        NUMBER(expires_at),
        NUMBER(settled_at),
};

static Nip47State state_from_name(const char *name) {
        for (Nip47State s = NIP47_STATE_PENDING; s < _NIP47_STATE_MAX; s++)
                if (strcasecmp(state_names[s], name) == 0)
                        return s;
        return NIP47_STATE_NONE;
}

static int read_transaction(const Json *j, Nip47Transaction *ret, const char **reterr) {
        const char *field;
        Row row = { 0 };

        if (json_read(j, row_fields, ELEMENTSOF(row_fields), &row, &field, reterr) < 0)
                return *reterr = "a transaction in the message is not well formed", -EBADMSG;
        if (row.amount < 0 || row.fees_paid < 0 || row.settled_at < 0 || row.expires_at < 0)
                return *reterr = "a number in the message is negative", -EBADMSG;
        if (!streq(row.type, "incoming") && !streq(row.type, "outgoing"))
                return *reterr = "a transaction in the message has no direction", -EBADMSG;
        if (row.payment_hash && !is_hash(row.payment_hash))
                return *reterr = "a payment hash in the message is none", -EBADMSG;

        *ret = (Nip47Transaction){
                .outgoing = streq(row.type, "outgoing"),
                .state = row.state ? state_from_name(row.state) : NIP47_STATE_NONE,
                .invoice = row.invoice,
                .description = row.description,
                .description_hash = row.description_hash,
                .payment_hash = row.payment_hash,
                /* Until it is settled some say "". */
                .preimage = row.preimage && is_hash(row.preimage) ? row.preimage : NULL,
                .amount = row.amount,
                .fees_paid = row.fees_paid,
                .created_at = row.created_at,
                .expires_at = row.expires_at,
                .settled_at = row.settled_at,
        };
        return 0;
}

/* Requests. */

typedef struct Params {
        const char *invoice, *payment_hash, *description, *description_hash, *type;
        int64_t amount, expiry, from, until, limit, offset;
        bool unpaid;
} Params;

#undef TEXT
#undef NUMBER
#define TEXT(name) \
        { #name, JSON_STRING, offsetof(Params, name), false }
#define NUMBER(name) \
        { #name, JSON_I64, offsetof(Params, name), false }
static const JsonField params_fields[] = {
        TEXT(invoice),
        TEXT(payment_hash),
        TEXT(description),
        TEXT(description_hash),
        TEXT(type),
        NUMBER(amount),
        NUMBER(expiry),
        NUMBER(from),
        NUMBER(until),
        NUMBER(limit),
        NUMBER(offset),
        { "unpaid", JSON_BOOL, offsetof(Params, unpaid), false },
};

static int params_check(const Params *p, const char **reterr) {
        if (p->amount < 0 || p->expiry < 0 || p->from < 0 || p->until < 0 || p->limit < 0 ||
                        p->offset < 0)
                return *reterr = "a number in the request is negative", -EBADMSG;
        if ((p->payment_hash && !is_hash(p->payment_hash)) ||
                        (p->description_hash && !is_hash(p->description_hash)))
                return *reterr = "a hash in the request is none", -EBADMSG;
        return 0;
}

static int request_params(const Json *j, Nip47Request *ret, const char **reterr) {
        const Json *params = json_get(j, "params");
        Params p = { 0 };
        const char *field;
        int r;

        if (params && json_read(params, params_fields, ELEMENTSOF(params_fields), &p, &field,
                                      reterr) < 0)
                return *reterr = "its parameters are not well formed", -EBADMSG;
        r = params_check(&p, reterr);
        if (r < 0)
                return r;
        ret->invoice = p.invoice;
        ret->payment_hash = p.payment_hash;
        ret->description = p.description;
        ret->description_hash = p.description_hash;
        ret->amount = p.amount;
        ret->expiry = p.expiry;
        ret->from = p.from;
        ret->until = p.until;
        ret->limit = p.limit;
        ret->offset = p.offset;
        ret->unpaid = p.unpaid;
        ret->only_incoming = p.type && streq(p.type, "incoming");
        ret->only_outgoing = p.type && streq(p.type, "outgoing");
        return 0;
}

/* What each method cannot do without. */
static int request_needs(const Nip47Request *q, const char **reterr) {
        if (q->method == NIP47_PAY_INVOICE && !q->invoice)
                return *reterr = "there is no invoice in it", -EBADMSG;
        if (q->method == NIP47_LOOKUP_INVOICE && !q->invoice && !q->payment_hash)
                return *reterr = "there is neither invoice nor payment hash in it", -EBADMSG;
        if (q->method == NIP47_MAKE_INVOICE && q->amount == 0)
                return *reterr = "there is no amount in it", -EBADMSG;
        return 0;
}

static bool method_from_name(const char *name, Nip47Method *ret) {
        for (Nip47Method m = 0; m < _NIP47_METHOD_MAX; m++)
                if (streq(nip47_method_name(m), name)) {
                        *ret = m;
                        return true;
                }
        return false;
}

int nip47_request_parse(const char *json, size_t size, Nip47Request *ret, Nip47Error *ret_error,
                const char **reterr) {
        _cleanup_nip47_request_ Nip47Request q = { .method = _NIP47_METHOD_MAX };
        const char *method;
        int r;

        *reterr = NULL;
        *ret_error = NIP47_BAD_REQUEST;
        ret->method = _NIP47_METHOD_MAX;
        r = parse(json, size, &q.json, reterr);
        if (r < 0)
                return r;
        if (json_string(json_get(q.json, "method"), &method) < 0)
                return *reterr = "it names no method", -EBADMSG;
        if (!method_from_name(method, &q.method)) {
                *ret_error = NIP47_NOT_IMPLEMENTED;
                return *reterr = "its method is not known here", -EBADMSG;
        }
        ret->method = q.method;
        r = request_params(q.json, &q, reterr);
        if (r >= 0)
                r = request_needs(&q, reterr);
        if (r < 0)
                return r;

        *ret_error = NIP47_OK;
        *ret = TAKE(q, (Nip47Request){ 0 });
        return 0;
}

void nip47_request_done(Nip47Request *r) {
        r->json = json_unref(r->json);
}

/* Responses. */

static Nip47Error error_from_name(const char *name) {
        for (Nip47Error e = NIP47_RATE_LIMITED; e < _NIP47_ERROR_MAX; e++)
                if (streq(error_names[e], name))
                        return e;
        return NIP47_OTHER;
}

static void read_error(const Json *j, Nip47Response *ret) {
        const char *code = "", *message = "";

        (void) json_string(json_get(j, "code"), &code);
        (void) json_string(json_get(j, "message"), &message);
        ret->error = error_from_name(code);
        ret->message = message;
}

static int read_list(const Json *j, Nip47Response *ret, const char **reterr) {
        const Json *list = json_get(j, "transactions");
        size_t n = list && json_is_array(list) ? json_array_size(list) : 0;
        int r = 0;

        if (!list || !json_is_array(list))
                return *reterr = "there is no list of transactions in it", -EBADMSG;
        n = MIN(n, (size_t) NIP47_TRANSACTIONS_MAX);
        ret->transactions = new0(Nip47Transaction, n + 1);
        if (!ret->transactions)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++, ret->n_transactions++)
                r = read_transaction(json_array_at(list, i), ret->transactions + i, reterr);
        return r;
}

static int read_payment(const Json *j, Nip47Response *ret, const char **reterr) {
        const Json *fees = json_get(j, "fees_paid");
        const char *preimage = NULL;

        if (json_string(json_get(j, "preimage"), &preimage) >= 0 && is_hash(preimage))
                ret->preimage = preimage;
        ret->fees_paid = -1;
        if (fees && (json_i64(fees, &ret->fees_paid) < 0 || ret->fees_paid < 0))
                return *reterr = "its fee is no amount", -EBADMSG;
        return 0;
}

static void read_methods(const Json *list, Nip47Response *ret) {
        const char *name;
        Nip47Method m;

        for (size_t i = 0; list && json_is_array(list) && i < json_array_size(list); i++)
                if (json_string(json_array_at(list, i), &name) >= 0 && method_from_name(name, &m))
                        ret->methods |= B(m);
}

static void read_info(const Json *j, Nip47Response *ret) {
        (void) json_string(json_get(j, "alias"), &ret->alias);
        (void) json_string(json_get(j, "pubkey"), &ret->pubkey);
        (void) json_string(json_get(j, "network"), &ret->network);
        read_methods(json_get(j, "methods"), ret);
}

static int read_result(const Json *j, Nip47Response *ret, const char **reterr) {
        if (!j || !json_is_object(j))
                return *reterr = "there is no result in it", -EBADMSG;

        switch (ret->method) {
        case NIP47_MAKE_INVOICE:
        case NIP47_LOOKUP_INVOICE:
                return read_transaction(j, &ret->transaction, reterr);
        case NIP47_PAY_INVOICE:
                return read_payment(j, ret, reterr);
        case NIP47_GET_BALANCE:
                if (json_i64(json_get(j, "balance"), &ret->balance) < 0 || ret->balance < 0)
                        return *reterr = "its balance is no amount", -EBADMSG;
                return 0;
        case NIP47_LIST_TRANSACTIONS:
                return read_list(j, ret, reterr);
        case NIP47_GET_INFO:
                return read_info(j, ret), 0;
        case NIP47_GET_BUDGET:
        case _NIP47_METHOD_MAX:
                break;
        }
        return 0;
}

int nip47_response_parse(const char *json, size_t size, Nip47Method expected, Nip47Response *ret,
                const char **reterr) {
        _cleanup_nip47_response_ Nip47Response p = { .method = expected };
        const char *type = NULL;
        const Json *error;
        int r;

        *reterr = NULL;
        r = parse(json, size, &p.json, reterr);
        if (r < 0)
                return r;
        error = json_get(p.json, "error");
        (void) json_string(json_get(p.json, "result_type"), &type);
        if (error)
                read_error(error, &p);
        else if (!type || !streq(type, nip47_method_name(expected)))
                return *reterr = "it answers another question", -EBADMSG;
        else
                r = read_result(json_get(p.json, "result"), &p, reterr);
        if (r < 0)
                return r;

        *ret = TAKE(p, (Nip47Response){ 0 });
        return 0;
}

void nip47_response_done(Nip47Response *r) {
        r->json = json_unref(r->json);
        if (r->transactions)
                r->transactions = mfree(r->transactions);
}

int nip47_notification_parse(
                const char *json, size_t size, Nip47Notification *ret, const char **reterr) {
        _cleanup_nip47_notification_ Nip47Notification n = { 0 };
        const char *type;
        int r;

        *reterr = NULL;
        r = parse(json, size, &n.json, reterr);
        if (r < 0)
                return r;
        if (json_string(json_get(n.json, "notification_type"), &type) < 0)
                return *reterr = "it has no type", -EBADMSG;
        if (!streq(type, "payment_received") && !streq(type, "payment_sent"))
                return *reterr = "its type is not known", -EOPNOTSUPP;
        r = read_transaction(json_get(n.json, "notification"), &n.transaction, reterr);
        if (r < 0)
                return r;
        *ret = TAKE(n, (Nip47Notification){ 0 });
        return 0;
}

void nip47_notification_done(Nip47Notification *n) {
        n->json = json_unref(n->json);
}
