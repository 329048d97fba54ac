/* Core Lightning by clnrest: every question is a POST, success is 201, amounts are numbers in msat.
 * An answer of 500 is a refusal with a code, or trouble: the code tells them apart. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/text.h"
#include "wire.h"

#define DESCRIPTION_MAX 639
#define RETRY_SEC       50  /* xpay's own deadline, before ours for the answer */
#define SURELY_OVER_SEC 120 /* after its begin no xpay makes another attempt */
#define POLL_SEC        60
#define POLL_USEC       (90 * SEC)
#define CODE_NONE       INT64_MIN
#define CODE_TIMEOUT    904
#define CODE_PAID       219

typedef struct Cln {
        Wire wire;
        WireCall *call;
        WirePause pause;
        int64_t index; /* pay_index of the last that was told */
        bool up;       /* it has answered since the last trouble: its next answer may take long */
} Cln;

/* ---- questions */

static int cln_header(Secret *secret, Buffer *ret) {
        int r = buffer_add_string(ret, "Rune: ");

        return r < 0 ? r : buffer_add(ret, secret_text(secret), secret_size(secret));
}

/* A label is unique for ever, and a job may need more than one invoice. One whose answer was lost
 * is known to nobody and expires. */
static int add_label(Buffer *b, const char *id) {
        uint8_t chance[8];
        char hex[2 * sizeof(chance) + 1];
        int r = crypt_random(chance, sizeof(chance));

        if (r < 0)
                return r;
        hex_encode(chance, sizeof(chance), hex);
        r = json_write_string(b, id, strlen(id));
        if (r < 0)
                return r;
        b->size--; /* inside of the quotes */
        return buffer_addf(b, " %s\"", hex);
}

static int cln_ask_make(WireAsk *a, const DriverInvoiceRequest *q, const char **reterr) {
        size_t n = utf8_prefix(q->description, strlen(q->description), DESCRIPTION_MAX);
        int r;

        if (q->description_hash)
                return *reterr = "it takes a description, not its hash", -EINVAL;
        r = buffer_add_string(&a->path, "/v1/invoice");
        if (r >= 0)
                r = buffer_addf(&a->body,
                                "{\"amount_msat\":%" PRId64 ",\"expiry\":%" PRIu32 ",\"label\":",
                                q->amount_msat, q->expiry_s);
        if (r >= 0)
                r = add_label(&a->body, q->id);
        if (r >= 0)
                r = buffer_add_string(&a->body, ",\"description\":");
        if (r >= 0)
                r = json_write_string(&a->body, q->description, n);
        return r < 0 ? r : buffer_add_string(&a->body, "}");
}

static int ask_by_hash(WireAsk *a, const char *path, const uint8_t hash[static 32]) {
        char hex[HEX32_MAX];
        int r = buffer_add_string(&a->path, path);

        hex_encode(hash, 32, hex);
        return r < 0 ? r : buffer_addf(&a->body, "{\"payment_hash\":\"%s\"}", hex);
}

static int cln_ask_invoice(WireAsk *a, const uint8_t hash[static 32]) {
        return ask_by_hash(a, "/v1/listinvoices", hash);
}

static int cln_ask_payment(WireAsk *a, const uint8_t hash[static 32]) {
        return ask_by_hash(a, "/v1/listpays", hash);
}

static int cln_ask_pay(WireAsk *a, const DriverPayRequest *q, _unused_ const char **reterr) {
        int r;

        r = buffer_add_string(&a->path, "/v1/xpay");
        if (r >= 0)
                r = buffer_add_string(&a->body, "{\"invstring\":");
        if (r >= 0)
                r = json_write_string(&a->body, q->bolt11, strlen(q->bolt11));
        if (r >= 0)
                r = buffer_addf(&a->body, ",\"maxfee\":%" PRId64 ",\"retry_for\":%d",
                                q->fee_max_msat, RETRY_SEC);
        if (r >= 0 && q->amount_is_ours)
                r = buffer_addf(&a->body, ",\"amount_msat\":%" PRId64, q->amount_msat);
        return r < 0 ? r : buffer_add_string(&a->body, "}");
}

static int ask_nothing(WireAsk *a, const char *path) {
        int r = buffer_add_string(&a->path, path);

        return r < 0 ? r : buffer_add_string(&a->body, "{}");
}

static int cln_ask_balance(WireAsk *a) {
        return ask_nothing(a, "/v1/listfunds");
}

static int cln_ask_info(WireAsk *a) {
        return ask_nothing(a, "/v1/getinfo");
}

/* ---- answers */

static bool is_good(const WireAnswer *a) {
        return (a->status == 201 || a->status == 200) && json_is_object(a->json);
}

/* The plugin in Rust answers it bare, the older one in Python inside of "error". Codes may be
 * negative. */
static const Json *cln_error(const WireAnswer *a) {
        const Json *inside = json_get(a->json, "error");

        return json_is_object(inside) ? inside : a->json;
}

static int64_t cln_code(const WireAnswer *a) {
        int64_t code;

        if (is_good(a) || json_i64(json_get(cln_error(a), "code"), &code) < 0)
                return CODE_NONE;
        return code;
}

static int cln_refused(const WireAnswer *a, const char **reterr) {
        if (a->status == 401 || a->status == 403) {
                *reterr = "the rune does not allow it";
                return -EACCES;
        }
        return -EBADMSG;
}

static int cln_read_made(const WireAnswer *a, DriverInvoice *ret, const char **reterr) {
        if (!is_good(a))
                return cln_refused(a, reterr);
        ret->bolt11 = wire_text(a->json, "bolt11");
        if (wire_hex32(a->json, "payment_hash", ret->hash) < 0 || isempty(ret->bolt11))
                return -EBADMSG;
        return 0;
}

static int cln_read_one(const Json *j, DriverInvoice *ret) {
        const char *status = wire_text(j, "status");

        if (wire_hex32(j, "payment_hash", ret->hash) < 0)
                return -EBADMSG;
        ret->bolt11 = wire_text(j, "bolt11");
        if (streq(status, "unpaid")) {
                ret->state = DRIVER_INVOICE_OPEN;
        } else if (streq(status, "expired")) {
                ret->state = DRIVER_INVOICE_EXPIRED;
        } else if (streq(status, "paid")) {
                ret->state = DRIVER_INVOICE_SETTLED;
                if (wire_i64(j, "amount_received_msat", &ret->received_msat) < 0)
                        ret->received_msat = -1;
                if (wire_i64(j, "paid_at", &ret->settled_at) < 0)
                        ret->settled_at = 0;
                ret->has_preimage = wire_hex32(j, "payment_preimage", ret->preimage) >= 0;
        } else {
                return -EBADMSG;
        }
        return 0;
}

static int cln_read_invoice(const WireAnswer *a, const uint8_t hash[static 32], DriverInvoice *ret,
                const char **reterr) {
        const Json *list = json_get(a->json, "invoices");

        if (!is_good(a) || !json_is_array(list))
                return cln_refused(a, reterr);
        if (json_array_size(list) == 0) {
                ret->state = DRIVER_INVOICE_ABSENT;
                return 0;
        }
        if (cln_read_one(json_array_at(list, 0), ret) < 0 || memcmp(ret->hash, hash, 32) != 0)
                return -EBADMSG;
        return 0;
}

static int64_t cln_fee(const Json *j, const char *sent) {
        int64_t with_fee, without;

        if (wire_i64(j, sent, &with_fee) < 0 || wire_i64(j, "amount_msat", &without) < 0 ||
                        with_fee < without)
                return -1;
        return with_fee - without;
}

/* 203 the destination refuses, 205 no route, 206 too dear, 207 expired, 215 the invoice is no
 * good, -32602 the question is not; 401 and 403 are the rune's. All of them before or after the
 * last attempt, never in between. */
static bool is_refusal(const WireAnswer *a) {
        static const int64_t codes[] = { 203, 205, 206, 207, 215, -32602 };

        if (a->status == 401 || a->status == 403)
                return cln_code(a) != CODE_NONE;
        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                if (codes[i] == cln_code(a))
                        return true;
        return false;
}

static WirePaid cln_read_pay(const WireAnswer *a, WireWords *words, DriverPayment *ret) {
        const char *message = wire_text(cln_error(a), "message");

        ret->reason = "its answer to the payment has another form";
        if (is_good(a)) {
                if (wire_hex32(a->json, "payment_preimage", ret->preimage) < 0)
                        return WIRE_TOLD;
                ret->outcome = DRIVER_SETTLED;
                ret->has_preimage = true;
                ret->fee_msat = cln_fee(a->json, "amount_sent_msat");
                ret->reason = NULL;
                return WIRE_TOLD;
        }
        if (cln_code(a) == CODE_NONE)
                return WIRE_TOLD;

        ret->reason = wire_words(words, message, strlen(message), "it refuses the payment");
        if (is_refusal(a))
                return WIRE_REFUSED;
        return cln_code(a) == CODE_PAID ? WIRE_LOOK : WIRE_TOLD;
}

/* A hash may have been tried more than once: complete counts before pending, that before failed. An
 * xpay that is still under way may make another part after the last one failed, so that failed
 * counts once none can be. */
static void cln_read_payment(const WireAnswer *a, const uint8_t hash[static 32], bool over,
                _unused_ WireWords *words, DriverPayment *ret) {
        const Json *list = json_get(a->json, "pays"), *complete = NULL;
        bool pending = false;
        int64_t created, latest = INT64_MIN;

        ret->reason = "its answer about the payment has another form";
        if (!is_good(a) || !json_is_array(list))
                return;
        for (size_t i = 0; i < json_array_size(list); i++) {
                const Json *j = json_array_at(list, i);
                const char *status = wire_text(j, "status");
                uint8_t theirs[32];

                if (wire_hex32(j, "payment_hash", theirs) < 0 || memcmp(theirs, hash, 32) != 0)
                        return;
                if (streq(status, "complete"))
                        complete = j;
                else if (!streq(status, "failed"))
                        pending = true;
                if (wire_i64(j, "created_at", &created) < 0)
                        created = INT64_MAX - SURELY_OVER_SEC;
                latest = MAX(latest, created);
        }

        ret->reason = NULL;
        if (complete) {
                ret->outcome = DRIVER_SETTLED;
                ret->has_preimage = wire_hex32(complete, "preimage", ret->preimage) >= 0;
                ret->fee_msat = cln_fee(complete, "amount_sent_msat");
        } else if (json_array_size(list) == 0) {
                ret->absent = true;
                ret->reason = "it knows no such payment";
        } else if (pending || (!over && a->now < latest + SURELY_OVER_SEC)) {
                ret->outcome = DRIVER_PENDING;
        } else {
                ret->outcome = DRIVER_FAILED;
                ret->reason = "the payment did not get through";
        }
}

static int cln_read_balance(const WireAnswer *a, int64_t *ret_msat, const char **reterr) {
        const Json *list = json_get(a->json, "channels");
        int64_t sum = 0, ours;

        if (!is_good(a) || !json_is_array(list))
                return cln_refused(a, reterr);
        for (size_t i = 0; i < json_array_size(list); i++) {
                const Json *j = json_array_at(list, i);

                if (!streq(wire_text(j, "state"), "CHANNELD_NORMAL"))
                        continue;
                if (wire_i64(j, "our_amount_msat", &ours) < 0 ||
                                __builtin_add_overflow(sum, ours, &sum))
                        return -EBADMSG;
        }
        *ret_msat = sum;
        return 0;
}

static int cln_read_info(const WireAnswer *a, DriverInfo *ret, const char **reterr) {
        if (!is_good(a))
                return cln_refused(a, reterr);
        ret->alias = wire_text(a->json, "alias");
        ret->version = wire_text(a->json, "version");
        ret->node = wire_text(a->json, "id");
        return wire_network(wire_text(a->json, "network"), ret, reterr);
}

/* ---- the watch: a question that is answered when the next invoice is paid */

static void cln_poll(Cln *c);

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        cln_poll(userdata);
        return 0;
}

static void watch_lost(Cln *c, const char *reason) {
        c->call = wire_call_free(c->call);
        c->up = false;
        (void) wire_pause_start(&c->pause, c->wire.driver.doors.event, on_again, c);
        wire_state(&c->wire, false, reason);
}

static void on_polled(const WireAnswer *a, void *userdata) {
        Cln *c = userdata;
        DriverInvoice invoice = { .received_msat = -1 };
        const char *reason = "it refuses to tell of invoices";
        char cursor[DRIVER_CURSOR_MAX];
        int64_t index;

        if (a->error < 0)
                return watch_lost(c, a->reason);
        if (is_good(a)) {
                if (cln_read_one(a->json, &invoice) < 0 ||
                                invoice.state != DRIVER_INVOICE_SETTLED ||
                                wire_i64(a->json, "pay_index", &index) < 0 || index <= c->index)
                        return watch_lost(c, "its word of an invoice has another form");
                c->index = index;
                (void) snprintf(cursor, sizeof(cursor), "%" PRId64, index);
        } else if (cln_code(a) != CODE_TIMEOUT) {
                (void) cln_refused(a, &reason);
                return watch_lost(c, reason);
        }

        c->pause.failures = 0;
        c->up = true;
        wire_state(&c->wire, true, NULL);
        if (is_good(a))
                wire_settled(&c->wire, &invoice, 1, cursor);
        cln_poll(c); /* lets go of this answer */
}

static void cln_poll(Cln *c) {
        const char *reason = "there was no memory";
        _cleanup_ask_ WireAsk ask;
        int r;

        c->call = wire_call_free(c->call);
        wire_ask_init(&ask);
        ask.total = POLL_USEC;
        r = buffer_add_string(&ask.path, "/v1/waitanyinvoice");
        if (r >= 0)
                r = buffer_addf(&ask.body, "{\"lastpay_index\":%" PRId64 ",\"timeout\":%d}",
                                c->index, c->up ? POLL_SEC : 0);
        if (r >= 0)
                r = wire_call(&c->wire, &ask, on_polled, c, &c->call, &reason);
        if (r < 0)
                watch_lost(c, reason);
}

static int cln_watch(Driver *d, const char *cursor) {
        Cln *c = container_of(d, Cln, wire.driver);

        if (parse_i64(cursor, &c->index) < 0)
                c->index = 0; /* all it ever was paid comes by, once */
        cln_poll(c);
        return 0;
}

/* ---- the driver */

static int cln_open(const DriverDoors *doors, const DriverHandler *handler, void *userdata,
                Driver **ret, const char **reterr) {
        Cln *c = new0(Cln, 1);
        int r;

        *reterr = "there was no memory";
        if (!c)
                return -ENOMEM;
        r = wire_init(&c->wire, &wire_cln, doors, handler, userdata, reterr);
        if (r < 0) {
                wire_done(&c->wire);
                free(c);
                return r;
        }
        *ret = &c->wire.driver;
        return 0;
}

static void cln_close(Driver *d) {
        Cln *c = container_of(d, Cln, wire.driver);

        wire_call_free(c->call);
        wire_pause_done(&c->pause);
        wire_done(&c->wire);
        free(c);
}

const DriverClass driver_cln = {
        .name = "cln",
        .caps = { .push = true, .fee_limit = true, .pay_idempotent = true, .unit_msat = 1 },
        .wants_secret = true,
        .open = cln_open,
        .close = cln_close,
        .op_free = wire_op_free,
        .make_invoice = wire_make_invoice,
        .lookup_invoice = wire_lookup_invoice,
        .pay = wire_pay,
        .lookup_payment = wire_lookup_payment,
        .balance = wire_balance,
        .info = wire_info,
        .watch = cln_watch,
};

const WireDialect wire_cln = {
        .class = &driver_cln,
        .usual = "https://127.0.0.1:3010",
        .header = cln_header,
        .ask_make = cln_ask_make,
        .ask_invoice = cln_ask_invoice,
        .ask_pay = cln_ask_pay,
        .ask_payment = cln_ask_payment,
        .ask_balance = cln_ask_balance,
        .ask_info = cln_ask_info,
        .read_made = cln_read_made,
        .read_invoice = cln_read_invoice,
        .read_pay = cln_read_pay,
        .read_payment = cln_read_payment,
        .read_balance = cln_read_balance,
        .read_info = cln_read_info,
};
