/* LND over REST: 64-bit numbers are text, bytes are base64 in answers to invoices and hex in those
 * to payments, streams are lines of {"result":…} or {"error":…}. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/text.h"
#include "wire.h"

#define MEMO_MAX       639
#define ATTEMPTS_SEC   50  /* its own deadline for attempts, before ours for the answer */
#define LATELY         100 /* invoices of the first look, where there is no cursor */
#define GRPC_NONE      (-1)
#define GRPC_NOT_FOUND 5
#define GRPC_EXISTS    6

typedef struct Lnd {
        Wire wire;
        WireCall *call;
        WirePause pause;
        int64_t index; /* settle_index of the last that was told; 0: none */
} Lnd;

/* ---- questions */

/* The file as it is, or its hex. */
static int lnd_header(Secret *secret, Buffer *ret) {
        const char *text = secret_text(secret);
        size_t size = secret_size(secret), n = strspn(text, "0123456789abcdefABCDEF");
        int r = buffer_add_string(ret, "Grpc-Metadata-macaroon: ");

        if (n == size && size % 2 == 0)
                return r < 0 ? r : buffer_add(ret, text, size);
        for (size_t i = 0; i < size && r >= 0; i++)
                r = buffer_addf(ret, "%02x", secret_data(secret)[i]);
        return r;
}

static int add_b64(Buffer *b, const uint8_t *bytes, bool for_url) {
        _cleanup_free_ char *text = NULL;
        int r = base64_encode(bytes, 32, &text);

        if (r < 0)
                return r;
        for (char *p = text; for_url && *p; p++)
                *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
        return buffer_add_string(b, text);
}

static int lnd_ask_make(WireAsk *a, const DriverInvoiceRequest *q, _unused_ const char **reterr) {
        size_t n = utf8_prefix(q->description, strlen(q->description), MEMO_MAX);
        int r;

        r = buffer_add_string(&a->path, "/v1/invoices");
        if (r >= 0)
                r = buffer_addf(&a->body,
                                "{\"value_msat\":\"%" PRId64 "\",\"expiry\":\"%" PRIu32
                                "\",\"private\":true,",
                                q->amount_msat, q->expiry_s);
        if (r < 0)
                return r;
        if (q->description_hash) {
                r = buffer_add_string(&a->body, "\"description_hash\":\"");
                if (r >= 0)
                        r = add_b64(&a->body, q->description_hash, false);
                return r < 0 ? r : buffer_add_string(&a->body, "\"}");
        }
        r = buffer_add_string(&a->body, "\"memo\":");
        if (r >= 0)
                r = json_write_string(&a->body, q->description, n);
        return r < 0 ? r : buffer_add_string(&a->body, "}");
}

static int lnd_ask_invoice(WireAsk *a, const uint8_t hash[static 32]) {
        char hex[HEX32_MAX];

        hex_encode(hash, 32, hex);
        return buffer_addf(&a->path, "/v1/invoice/%s", hex);
}

/* Without a fee_limit LND would take routes that cost nothing only: it is always said. */
static int lnd_ask_pay(WireAsk *a, const DriverPayRequest *q, _unused_ const char **reterr) {
        int r;

        a->shape = WIRE_LAST_LINE;
        r = buffer_add_string(&a->path, "/v2/router/send");
        if (r >= 0)
                r = buffer_add_string(&a->body, "{\"payment_request\":");
        if (r >= 0)
                r = json_write_string(&a->body, q->bolt11, strlen(q->bolt11));
        if (r >= 0)
                r = buffer_addf(&a->body,
                                ",\"timeout_seconds\":%d,\"fee_limit_msat\":\"%" PRId64
                                "\",\"no_inflight_updates\":true",
                                ATTEMPTS_SEC, q->fee_max_msat);
        if (r >= 0 && q->amount_is_ours)
                r = buffer_addf(&a->body, ",\"amt_msat\":\"%" PRId64 "\"", q->amount_msat);
        return r < 0 ? r : buffer_add_string(&a->body, "}");
}

/* The first line says how it stands; the stream would go on until it has ended. */
static int lnd_ask_payment(WireAsk *a, const uint8_t hash[static 32]) {
        int r;

        a->shape = WIRE_FIRST_LINE;
        r = buffer_add_string(&a->path, "/v2/router/track/");
        if (r >= 0)
                r = add_b64(&a->path, hash, true);
        return r < 0 ? r : buffer_add_string(&a->path, "?no_inflight_updates=false");
}

static int lnd_ask_balance(WireAsk *a) {
        return buffer_add_string(&a->path, "/v1/balance/channels");
}

static int lnd_ask_info(WireAsk *a) {
        return buffer_add_string(&a->path, "/v1/getinfo");
}

/* ---- answers */

static bool is_good(const WireAnswer *a) {
        return a->status == 200 && a->json;
}

/* An error stands bare, and in a stream inside of "error". */
static const Json *lnd_error(const WireAnswer *a) {
        const Json *inside = json_get(a->json, "error");

        if (json_is_object(inside))
                return inside;
        return json_get(a->json, "code") ? a->json : NULL;
}

static int64_t lnd_code(const WireAnswer *a) {
        int64_t code;

        return wire_i64(lnd_error(a), "code", &code) < 0 ? GRPC_NONE : code;
}

static int lnd_refused(const WireAnswer *a, const char **reterr) {
        if (a->status == 401 || a->status == 403 ||
                        wire_says(wire_text(lnd_error(a), "message"), "macaroon")) {
                *reterr = "the macaroon does not allow it";
                return -EACCES;
        }
        if (wire_says(wire_text(lnd_error(a), "message"), "wallet locked"))
                *reterr = "its wallet is locked";
        return -EBADMSG;
}

static int lnd_read_made(const WireAnswer *a, DriverInvoice *ret, const char **reterr) {
        if (!is_good(a) || lnd_error(a))
                return lnd_refused(a, reterr);
        ret->bolt11 = wire_text(a->json, "payment_request");
        if (wire_b64_32(a->json, "r_hash", ret->hash) < 0 || isempty(ret->bolt11))
                return -EBADMSG;
        return 0;
}

static int lnd_read_one(const Json *j, DriverInvoice *ret) {
        static const struct {
                const char *name;
                DriverInvoiceState state;
        } states[] = {
                { "OPEN", DRIVER_INVOICE_OPEN },
                { "ACCEPTED", DRIVER_INVOICE_OPEN },
                { "SETTLED", DRIVER_INVOICE_SETTLED },
                { "CANCELED", DRIVER_INVOICE_EXPIRED },
        };
        const char *state = wire_text(j, "state");
        size_t i = 0;

        while (i < ELEMENTSOF(states) && !streq(states[i].name, state))
                i++;
        if (i == ELEMENTSOF(states) || wire_b64_32(j, "r_hash", ret->hash) < 0)
                return -EBADMSG;

        ret->state = states[i].state;
        ret->bolt11 = wire_text(j, "payment_request");
        if (ret->state != DRIVER_INVOICE_SETTLED)
                return 0;
        if (wire_i64(j, "amt_paid_msat", &ret->received_msat) < 0)
                ret->received_msat = -1;
        if (wire_i64(j, "settle_date", &ret->settled_at) < 0)
                ret->settled_at = 0;
        ret->has_preimage = wire_b64_32(j, "r_preimage", ret->preimage) >= 0;
        return 0;
}

static int lnd_read_invoice(const WireAnswer *a, const uint8_t hash[static 32], DriverInvoice *ret,
                const char **reterr) {
        if (a->status == 404 && lnd_code(a) == GRPC_NOT_FOUND) {
                ret->state = DRIVER_INVOICE_ABSENT;
                return 0;
        }
        if (!is_good(a) || lnd_error(a))
                return lnd_refused(a, reterr);
        if (lnd_read_one(a->json, ret) < 0 || memcmp(ret->hash, hash, 32) != 0)
                return -EBADMSG;
        return 0;
}

/* "FAILURE_REASON_NO_ROUTE": "no route". */
static const char *lnd_why(const Json *payment, WireWords *words) {
        const char *name = wire_text(payment, "failure_reason"), *text;

        text = startswith(name, "FAILURE_REASON_") ?: name;
        if (isempty(text) || streq(text, "NONE"))
                return "the payment failed";
        text = wire_words(words, text, strlen(text), "the payment failed");
        for (char *p = words->text; text == words->text && *p; p++)
                *p = *p == '_' ? ' ' : (char) tolower((unsigned char) *p);
        return text;
}

static void lnd_read_status(const Json *payment, WireWords *words, DriverPayment *ret) {
        const char *status = wire_text(payment, "status");

        if (streq(status, "SUCCEEDED")) {
                ret->outcome = DRIVER_SETTLED;
                ret->reason = NULL;
                ret->has_preimage = wire_hex32(payment, "payment_preimage", ret->preimage) >= 0;
                if (wire_i64(payment, "fee_msat", &ret->fee_msat) < 0)
                        ret->fee_msat = -1;
        } else if (streq(status, "FAILED")) {
                ret->outcome = DRIVER_FAILED;
                ret->reason = lnd_why(payment, words);
        } else if (streq(status, "IN_FLIGHT") || streq(status, "INITIATED")) {
                ret->outcome = DRIVER_PENDING;
                ret->reason = NULL;
        }
}

static WirePaid lnd_read_pay(const WireAnswer *a, WireWords *words, DriverPayment *ret) {
        const Json *error = lnd_error(a);
        const char *message = wire_text(error, "message");

        ret->reason = "its answer to the payment has another form";
        if (is_good(a) && !error) {
                lnd_read_status(json_get(a->json, "result"), words, ret);
                return WIRE_TOLD;
        }
        if (!error || lnd_code(a) == GRPC_NONE)
                return WIRE_TOLD;

        ret->reason = wire_words(words, message, strlen(message), "it refuses the payment");
        if (lnd_code(a) == GRPC_EXISTS)
                return WIRE_LOOK;
        /* A server's own trouble is no refusal. */
        return a->status / 100 == 4 ? WIRE_REFUSED : WIRE_TOLD;
}

/* "payment isn't initiated" is the one answer that says: never sent. */
static void lnd_read_payment(const WireAnswer *a, const uint8_t hash[static 32], _unused_ bool over,
                WireWords *words, DriverPayment *ret) {
        const Json *payment = json_get(a->json, "result");
        uint8_t theirs[32];

        ret->reason = "its answer about the payment has another form";
        if (lnd_code(a) == GRPC_NOT_FOUND && (a->status == 404 || a->status == 200)) {
                ret->absent = true;
                ret->reason = "it knows no such payment";
        } else if (is_good(a) && wire_hex32(payment, "payment_hash", theirs) >= 0 &&
                        memcmp(theirs, hash, 32) == 0) {
                lnd_read_status(payment, words, ret);
        }
}

static int lnd_read_balance(const WireAnswer *a, int64_t *ret_msat, const char **reterr) {
        if (!is_good(a) || lnd_error(a))
                return lnd_refused(a, reterr);
        return wire_i64(json_get(a->json, "local_balance"), "msat", ret_msat) < 0 ? -EBADMSG : 0;
}

static int lnd_read_info(const WireAnswer *a, DriverInfo *ret, const char **reterr) {
        const char *network;

        if (!is_good(a) || lnd_error(a))
                return lnd_refused(a, reterr);
        network = wire_text(json_array_at(json_get(a->json, "chains"), 0), "network");
        ret->alias = wire_text(a->json, "alias");
        ret->version = wire_text(a->json, "version");
        ret->node = wire_text(a->json, "identity_pubkey");
        return wire_network(network, ret, reterr);
}

/* ---- the watch: a stream that replays everything behind settle_index */

static void lnd_begin(Lnd *l);

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        lnd_begin(userdata);
        return 0;
}

static void watch_lost(Lnd *l, const char *reason) {
        l->call = wire_call_free(l->call);
        (void) wire_pause_start(&l->pause, l->wire.driver.doors.event, on_again, l);
        wire_state(&l->wire, false, reason);
}

static void watch_tell(Lnd *l, const Json *j) {
        DriverInvoice invoice = { .received_msat = -1 };
        char cursor[DRIVER_CURSOR_MAX];
        int64_t index;

        if (lnd_read_one(j, &invoice) < 0 || invoice.state != DRIVER_INVOICE_SETTLED ||
                        wire_i64(j, "settle_index", &index) < 0 || index <= 0)
                return;
        l->index = MAX(l->index, index);
        (void) snprintf(cursor, sizeof(cursor), "%" PRId64, l->index);
        wire_settled(&l->wire, &invoice, 1, cursor);
}

static void on_line(const WireAnswer *line, void *userdata) {
        Lnd *l = userdata;

        l->pause.failures = 0;
        watch_tell(l, json_get(line->json, "result"));
}

static void on_stream_end(const WireAnswer *a, void *userdata) {
        Lnd *l = userdata;

        if (a->error == -ETIMEDOUT || a->error == -EMSGSIZE) { /* ours: nothing is wrong */
                l->call = wire_call_free(l->call);
                lnd_begin(l);
                return;
        }
        watch_lost(l, a->reason ?: "it refuses to tell of invoices");
}

static void lnd_stream(Lnd *l) {
        const char *reason = "there was no memory";
        _cleanup_ask_ WireAsk ask;
        int r;

        wire_ask_init(&ask);
        r = buffer_addf(&ask.path, "/v1/invoices/subscribe?settle_index=%" PRId64, l->index);
        if (r >= 0)
                r = wire_stream(&l->wire, &ask, on_line, on_stream_end, l, &l->call, &reason);
        if (r < 0)
                watch_lost(l, reason);
}

static int by_settle_index(const void *a, const void *b) {
        const Json *const *x = a, *const *y = b;
        int64_t m = 0, n = 0;

        (void) wire_i64(*x, "settle_index", &m);
        (void) wire_i64(*y, "settle_index", &n);
        return (m > n) - (m < n);
}

/* Before the first settlement there is no index to replay from: what was settled lately is told
 * instead. Later this only shows that the server is there. */
static void on_lately(const WireAnswer *a, void *userdata) {
        const Json *list = json_get(a->json, "invoices"), *sorted[LATELY];
        size_t n = MIN(json_array_size(list), (size_t) LATELY);
        const char *reason = "it refuses to tell of invoices";
        Lnd *l = userdata;

        if (a->error < 0 || !is_good(a) || lnd_error(a)) {
                if (a->error >= 0)
                        (void) lnd_refused(a, &reason);
                return watch_lost(l, a->error < 0 ? a->reason : reason);
        }
        if (l->index == 0) {
                for (size_t i = 0; i < n; i++)
                        sorted[i] = json_array_at(list, i);
                qsort(sorted, n, sizeof(sorted[0]), by_settle_index);
                for (size_t i = 0; i < n; i++)
                        watch_tell(l, sorted[i]);
        }
        l->call = wire_call_free(l->call);
        l->pause.failures = 0;
        wire_state(&l->wire, true, NULL);
        lnd_stream(l);
}

static void lnd_begin(Lnd *l) {
        const char *reason = "there was no memory";
        _cleanup_ask_ WireAsk ask;
        int r;

        wire_ask_init(&ask);
        r = buffer_addf(&ask.path, "/v1/invoices?reversed=true&num_max_invoices=%d",
                        l->index > 0 ? 1 : LATELY);
        if (r >= 0)
                r = wire_call(&l->wire, &ask, on_lately, l, &l->call, &reason);
        if (r < 0)
                watch_lost(l, reason);
}

static int lnd_watch(Driver *d, const char *cursor) {
        Lnd *l = container_of(d, Lnd, wire.driver);

        if (parse_i64(cursor, &l->index) < 0)
                l->index = 0;
        lnd_begin(l);
        return 0;
}

/* ---- the driver */

static int lnd_open(const DriverDoors *doors, const DriverHandler *handler, void *userdata,
                Driver **ret, const char **reterr) {
        Lnd *l = new0(Lnd, 1);
        int r;

        *reterr = "there was no memory";
        if (!l)
                return -ENOMEM;
        r = wire_init(&l->wire, &wire_lnd, doors, handler, userdata, reterr);
        if (r < 0) {
                wire_done(&l->wire);
                free(l);
                return r;
        }
        *ret = &l->wire.driver;
        return 0;
}

static void lnd_close(Driver *d) {
        Lnd *l = container_of(d, Lnd, wire.driver);

        wire_call_free(l->call);
        wire_pause_done(&l->pause);
        wire_done(&l->wire);
        free(l);
}

const DriverClass driver_lnd = {
        .name = "lnd",
        .caps = { .push = true, .fee_limit = true, .pay_idempotent = true, .unit_msat = 1 },
        .wants_secret = true,
        .open = lnd_open,
        .close = lnd_close,
        .op_free = wire_op_free,
        .make_invoice = wire_make_invoice,
        .lookup_invoice = wire_lookup_invoice,
        .pay = wire_pay,
        .lookup_payment = wire_lookup_payment,
        .balance = wire_balance,
        .info = wire_info,
        .watch = lnd_watch,
};

const WireDialect wire_lnd = {
        .class = &driver_lnd,
        .usual = "https://127.0.0.1:8080",
        .header = lnd_header,
        .ask_make = lnd_ask_make,
        .ask_invoice = lnd_ask_invoice,
        .ask_pay = lnd_ask_pay,
        .ask_payment = lnd_ask_payment,
        .ask_balance = lnd_ask_balance,
        .ask_info = lnd_ask_info,
        .read_made = lnd_read_made,
        .read_invoice = lnd_read_invoice,
        .read_pay = lnd_read_pay,
        .read_payment = lnd_read_payment,
        .read_balance = lnd_read_balance,
        .read_info = lnd_read_info,
};
