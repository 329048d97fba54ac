/* phoenixd (ACINQ): forms in, JSON out, everything in sat but the fees. Its payments have no fee
 * limit: what a trampoline payment costs is fixed, so a limit below that is refused here. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/text.h"
#include "wire.h"

#define DESCRIPTION_MAX 128 /* characters, says its API; we count bytes */
#define PAGE            100
#define LISTED_MAX      5000    /* settlements of one catching up */
#define BEHIND_MS       60000   /* how far before the cursor a new connection looks */
#define LATELY_MS       3600000 /* without a cursor */

typedef struct Settled {
        uint8_t hash[32], preimage[32];
        bool has_preimage;
        int64_t received_msat, completed_ms;
} Settled;

typedef struct Phoenixd {
        Wire wire;
        WireSocket *socket;
        WireCall *call;
        WirePause pause;
        bool again; /* something came while we were listing */
        int64_t cursor_ms, from_ms;
        size_t offset, n_listed;
        Settled *listed; /* newest first */
} Phoenixd;

/* ---- questions */

static int phoenixd_header(Secret *secret, Buffer *ret) {
        _cleanup_free_ char *both = NULL, *text = NULL;
        size_t size = secret_size(secret) + 1;
        int r;

        both = malloc(size);
        if (!both)
                return -ENOMEM;
        both[0] = ':'; /* no user name */
        memcpy(both + 1, secret_text(secret), size - 1);
        r = base64_encode(both, size, &text);
        memory_wipe(both, size);
        if (r < 0)
                return r;
        r = buffer_addf(ret, "Authorization: Basic %s", text);
        memory_wipe(text, strlen(text));
        return r;
}

static int add_escaped(Buffer *b, const char *text, size_t size) {
        int r = 0;

        for (size_t i = 0; i < size && r >= 0; i++) {
                unsigned char c = (unsigned char) text[i];
                bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                             (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.';

                r = plain ? buffer_add(b, text + i, 1) : buffer_addf(b, "%%%02X", c);
        }
        return r;
}

static int phoenixd_ask_make(WireAsk *a, const DriverInvoiceRequest *q, const char **reterr) {
        char hash[HEX32_MAX];
        int64_t sat;
        int r;

        a->form = true;
        if (wire_to_sat(q->amount_msat, &sat) < 0)
                return *reterr = "it counts in whole sat", -EINVAL;
        r = buffer_add_string(&a->path, "/createinvoice");
        if (r >= 0)
                r = buffer_addf(&a->body, "amountSat=%" PRId64 "&expirySeconds=%" PRIu32, sat,
                                q->expiry_s);
        if (r >= 0)
                r = buffer_add_string(&a->body, "&externalId=");
        if (r >= 0)
                r = add_escaped(&a->body, q->id, strlen(q->id));
        if (r >= 0 && q->description_hash) {
                hex_encode(q->description_hash, 32, hash);
                return buffer_addf(&a->body, "&descriptionHash=%s", hash);
        }
        if (r >= 0)
                r = buffer_add_string(&a->body, "&description=");
        if (r >= 0)
                r = add_escaped(&a->body, q->description,
                                utf8_prefix(q->description, strlen(q->description),
                                                DESCRIPTION_MAX));
        return r;
}

static int ask_by_hash(WireAsk *a, const char *where, const uint8_t hash[static 32]) {
        char hex[HEX32_MAX];

        hex_encode(hash, 32, hex);
        return buffer_addf(&a->path, "%s/%s", where, hex);
}

static int phoenixd_ask_invoice(WireAsk *a, const uint8_t hash[static 32]) {
        return ask_by_hash(a, "/payments/incoming", hash);
}

static int phoenixd_ask_payment(WireAsk *a, const uint8_t hash[static 32]) {
        return ask_by_hash(a, "/payments/outgoingbyhash", hash);
}

static int phoenixd_ask_pay(WireAsk *a, const DriverPayRequest *q, const char **reterr) {
        int64_t sat;
        int r;

        if (q->fee_max_msat < driver_fee_fixed(&driver_phoenixd, q->amount_msat))
                return *reterr = "the fee it takes, 4 sat and 0.4 %, is above the limit", -EINVAL;
        a->form = true;
        r = buffer_add_string(&a->path, "/payinvoice");
        if (r >= 0)
                r = buffer_addf(&a->body, "invoice=%s", q->bolt11);
        if (r < 0 || !q->amount_is_ours)
                return r;
        if (wire_to_sat(q->amount_msat, &sat) < 0)
                return *reterr = "it counts in whole sat", -EINVAL;
        return buffer_addf(&a->body, "&amountSat=%" PRId64, sat);
}

static int phoenixd_ask_balance(WireAsk *a) {
        return buffer_add_string(&a->path, "/getbalance");
}

static int phoenixd_ask_info(WireAsk *a) {
        return buffer_add_string(&a->path, "/getinfo");
}

/* ---- answers */

static bool is_good(const WireAnswer *a) {
        return a->status == 200 && a->json;
}

/* Errors are plain text. */
static int phoenixd_refused(const WireAnswer *a, const char **reterr) {
        if (a->status == 401)
                *reterr = "the password is not the right one";
        else if (a->status == 400)
                *reterr = "it refuses the question";
        return a->status == 401 ? -EACCES : -EBADMSG;
}

static int phoenixd_read_made(const WireAnswer *a, DriverInvoice *ret, const char **reterr) {
        if (!is_good(a))
                return phoenixd_refused(a, reterr);
        ret->bolt11 = wire_text(a->json, "serialized");
        if (wire_hex32(a->json, "paymentHash", ret->hash) < 0 || isempty(ret->bolt11))
                return -EBADMSG;
        return 0;
}

/* The preimage stands there before the payment: only isPaid counts. */
static int phoenixd_read_invoice(const WireAnswer *a, const uint8_t hash[static 32],
                DriverInvoice *ret, const char **reterr) {
        uint8_t theirs[32];
        int64_t ms = 0;

        if (a->status == 404) {
                ret->state = DRIVER_INVOICE_ABSENT;
                return 0;
        }
        if (!is_good(a))
                return phoenixd_refused(a, reterr);
        if (wire_hex32(a->json, "paymentHash", theirs) < 0 || memcmp(theirs, hash, 32) != 0)
                return -EBADMSG;

        ret->bolt11 = wire_text(a->json, "invoice");
        if (!wire_true(a->json, "isPaid")) {
                ret->state = wire_true(a->json, "isExpired") ? DRIVER_INVOICE_EXPIRED
                                                             : DRIVER_INVOICE_OPEN;
                return 0;
        }
        ret->state = DRIVER_INVOICE_SETTLED;
        if (wire_sat(a->json, "receivedSat", &ret->received_msat) < 0)
                ret->received_msat = -1;
        if (wire_i64(a->json, "completedAt", &ms) >= 0)
                ret->settled_at = ms / 1000;
        ret->has_preimage = wire_hex32(a->json, "preimage", ret->preimage) >= 0;
        return 0;
}

/* A refusal has status 200 as well, and tells itself by its reason. */
static WirePaid phoenixd_read_pay(const WireAnswer *a, WireWords *words, DriverPayment *ret) {
        const char *reason;

        ret->reason = "its answer to the payment has another form";
        if (!is_good(a))
                return WIRE_TOLD;

        reason = wire_text(a->json, "reason");
        if (wire_hex32(a->json, "paymentPreimage", ret->preimage) >= 0) {
                ret->outcome = DRIVER_SETTLED;
                ret->has_preimage = true;
                if (wire_sat(a->json, "routingFeeSat", &ret->fee_msat) < 0)
                        ret->fee_msat = -1;
                ret->reason = NULL;
                return WIRE_TOLD;
        }
        if (isempty(reason))
                return WIRE_TOLD;

        ret->reason = wire_words(words, reason, strlen(reason), "it refuses the payment");
        return wire_says(reason, "already") || wire_says(reason, "in progress") ? WIRE_LOOK
                                                                                : WIRE_REFUSED;
}

/* Not paid and completed: failed. Not paid and not completed: on its way. */
static void phoenixd_read_payment(const WireAnswer *a, const uint8_t hash[static 32],
                _unused_ bool over, _unused_ WireWords *words, DriverPayment *ret) {
        uint8_t theirs[32];
        int64_t ms;

        ret->reason = "its answer about the payment has another form";
        if (a->status == 404) {
                ret->absent = true;
                ret->reason = "it knows no such payment";
                return;
        }
        if (!is_good(a) || wire_hex32(a->json, "paymentHash", theirs) < 0 ||
                        memcmp(theirs, hash, 32) != 0 || !json_get(a->json, "isPaid"))
                return;

        ret->reason = NULL;
        if (wire_true(a->json, "isPaid")) {
                ret->outcome = DRIVER_SETTLED;
                ret->has_preimage = wire_hex32(a->json, "preimage", ret->preimage) >= 0;
                if (wire_i64(a->json, "fees", &ret->fee_msat) < 0)
                        ret->fee_msat = -1;
        } else if (wire_i64(a->json, "completedAt", &ms) >= 0) {
                ret->outcome = DRIVER_FAILED;
                ret->reason = "the payment did not get through";
        } else {
                ret->outcome = DRIVER_PENDING;
        }
}

static int phoenixd_read_balance(const WireAnswer *a, int64_t *ret_msat, const char **reterr) {
        if (!is_good(a))
                return phoenixd_refused(a, reterr);
        return wire_sat(a->json, "balanceSat", ret_msat) < 0 ? -EBADMSG : 0;
}

static int phoenixd_read_info(const WireAnswer *a, DriverInfo *ret, const char **reterr) {
        if (!is_good(a))
                return phoenixd_refused(a, reterr);
        ret->version = wire_text(a->json, "version");
        ret->node = wire_text(a->json, "nodeId");
        return wire_network(wire_text(a->json, "chain"), ret, reterr);
}

/* ---- the watch: a websocket that says "look", and a list from a time on */

static void phoenixd_list(Phoenixd *p, int64_t from_ms);
static void phoenixd_ask_page(Phoenixd *p);

static int on_list_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Phoenixd *p = userdata;

        phoenixd_list(p, MAX(p->cursor_ms - BEHIND_MS, INT64_C(0)));
        return 0;
}

static void list_failed(Phoenixd *p, const char *reason) {
        p->call = wire_call_free(p->call);
        (void) wire_pause_start(&p->pause, p->wire.driver.doors.event, on_list_again, p);
        wire_state(&p->wire, false, reason);
}

static int by_time(const void *a, const void *b) {
        const Settled *x = a, *y = b;

        return (x->completed_ms > y->completed_ms) - (x->completed_ms < y->completed_ms);
}

static void list_deliver(Phoenixd *p) {
        _cleanup_free_ DriverInvoice *invoices = new0(DriverInvoice, p->n_listed + 1);
        char cursor[DRIVER_CURSOR_MAX];

        if (!invoices)
                return list_failed(p, "there was no memory");
        qsort(p->listed, p->n_listed, sizeof(Settled), by_time);
        for (size_t i = 0; i < p->n_listed; i++) {
                const Settled *s = &p->listed[i];

                invoices[i] = (DriverInvoice){
                        .state = DRIVER_INVOICE_SETTLED,
                        .received_msat = s->received_msat,
                        .settled_at = s->completed_ms / 1000,
                        .has_preimage = s->has_preimage,
                };
                memcpy(invoices[i].hash, s->hash, 32);
                memcpy(invoices[i].preimage, s->preimage, 32);
                p->cursor_ms = MAX(p->cursor_ms, s->completed_ms);
        }
        (void) snprintf(cursor, sizeof(cursor), "%" PRId64, p->cursor_ms);
        wire_state(&p->wire, true, NULL);
        if (p->n_listed > 0)
                wire_settled(&p->wire, invoices, p->n_listed, cursor);
}

static void list_add(Phoenixd *p, const Json *j) {
        Settled s = { .received_msat = -1 };

        if (!wire_true(j, "isPaid") || wire_hex32(j, "paymentHash", s.hash) < 0 ||
                        wire_i64(j, "completedAt", &s.completed_ms) < 0 ||
                        p->n_listed >= LISTED_MAX)
                return;
        if (wire_sat(j, "receivedSat", &s.received_msat) < 0)
                s.received_msat = -1;
        s.has_preimage = wire_hex32(j, "preimage", s.preimage) >= 0;
        p->listed[p->n_listed++] = s;
}

static void on_page(const WireAnswer *a, void *userdata) {
        Phoenixd *p = userdata;
        size_t n = json_array_size(a->json);

        if (a->error < 0 || !is_good(a) || !json_is_array(a->json))
                return list_failed(p, a->error < 0 ? a->reason : "its list has another form");

        for (size_t i = 0; i < n; i++)
                list_add(p, json_array_at(a->json, i));
        p->call = wire_call_free(p->call);
        if (n >= PAGE && p->offset + n < LISTED_MAX) {
                p->offset += n;
                phoenixd_ask_page(p);
                return;
        }
        p->pause.failures = 0;
        if (TAKE(p->again, false)) {
                list_deliver(p);
                phoenixd_list(p, p->cursor_ms);
        } else {
                list_deliver(p);
        }
}

static void phoenixd_ask_page(Phoenixd *p) {
        const char *reason = "there was no memory";
        _cleanup_ask_ WireAsk ask;
        int r;

        wire_ask_init(&ask);
        r = buffer_addf(&ask.path, "/payments/incoming?from=%" PRId64 "&limit=%d&offset=%zu",
                        p->from_ms, PAGE, p->offset);
        if (r >= 0)
                r = wire_call(&p->wire, &ask, on_page, p, &p->call, &reason);
        if (r < 0)
                list_failed(p, reason);
}

static void phoenixd_list(Phoenixd *p, int64_t from_ms) {
        if (p->call) {
                p->again = true;
                return;
        }
        wire_pause_done(&p->pause);
        p->from_ms = from_ms;
        p->offset = p->n_listed = 0;
        if (!p->listed)
                p->listed = new0(Settled, LISTED_MAX);
        if (!p->listed)
                return list_failed(p, "there was no memory");
        phoenixd_ask_page(p);
}

static void on_open(void *userdata) {
        Phoenixd *p = userdata;

        phoenixd_list(p, MAX(p->cursor_ms - BEHIND_MS, INT64_C(0)));
}

static void on_message(const WireAnswer *message, void *userdata) {
        Phoenixd *p = userdata;

        if (streq(wire_text(message->json, "type"), "payment_received"))
                phoenixd_list(p, p->cursor_ms);
}

static void on_lost(const char *reason, void *userdata) {
        Phoenixd *p = userdata;

        wire_state(&p->wire, false, reason);
}

static const WireSocketHandler socket_handler = {
        .open = on_open,
        .message = on_message,
        .lost = on_lost,
};

static int phoenixd_watch(Driver *d, const char *cursor) {
        Phoenixd *p = container_of(d, Phoenixd, wire.driver);
        int r;

        if (parse_i64(cursor, &p->cursor_ms) < 0)
                p->cursor_ms = MAX(wire_now(&p->wire) * 1000 - LATELY_MS, INT64_C(0));
        r = wire_socket_new(&p->wire, "/websocket", true, &socket_handler, p, &p->socket);
        return r == -EOPNOTSUPP ? 0 : r;
}

/* ---- the driver */

static int phoenixd_open(const DriverDoors *doors, const DriverHandler *handler, void *userdata,
                Driver **ret, const char **reterr) {
        Phoenixd *p = new0(Phoenixd, 1);
        int r;

        *reterr = "there was no memory";
        if (!p)
                return -ENOMEM;
        r = wire_init(&p->wire, &wire_phoenixd, doors, handler, userdata, reterr);
        if (r < 0) {
                wire_done(&p->wire);
                free(p);
                return r;
        }
        *ret = &p->wire.driver;
        return 0;
}

static void phoenixd_close(Driver *d) {
        Phoenixd *p = container_of(d, Phoenixd, wire.driver);

        wire_socket_free(p->socket);
        wire_call_free(p->call);
        wire_pause_done(&p->pause);
        wire_done(&p->wire);
        free(p->listed);
        free(p);
}

const DriverClass driver_phoenixd = {
        .name = "phoenixd",
        .caps = { .push = true,
                        .pay_idempotent = true,
                        .fee_base_msat = 4000,
                        .fee_ppm = 4000,
                        .unit_msat = 1000 },
        .wants_secret = true,
        .open = phoenixd_open,
        .close = phoenixd_close,
        .op_free = wire_op_free,
        .make_invoice = wire_make_invoice,
        .lookup_invoice = wire_lookup_invoice,
        .pay = wire_pay,
        .lookup_payment = wire_lookup_payment,
        .balance = wire_balance,
        .info = wire_info,
        .watch = phoenixd_watch,
};

const WireDialect wire_phoenixd = {
        .class = &driver_phoenixd,
        .usual = "http://127.0.0.1:9740",
        .header = phoenixd_header,
        .ask_make = phoenixd_ask_make,
        .ask_invoice = phoenixd_ask_invoice,
        .ask_pay = phoenixd_ask_pay,
        .ask_payment = phoenixd_ask_payment,
        .ask_balance = phoenixd_ask_balance,
        .ask_info = phoenixd_ask_info,
        .read_made = phoenixd_read_made,
        .read_invoice = phoenixd_read_invoice,
        .read_pay = phoenixd_read_pay,
        .read_payment = phoenixd_read_payment,
        .read_balance = phoenixd_read_balance,
        .read_info = phoenixd_read_info,
};
