/* LNbits: invoices in sat, balances and payments in msat, with a sign. A payment that takes longer
 * than its server waits is answered like a success: only the status in the body counts. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/text.h"
#include "wire.h"

#define MEMO_MAX       639
#define FEE_LEAST_MSAT 2000 /* what a server as it comes may spend on a route */
#define FEE_PERCENT    1
#define SOCKETS_MAX    32 /* invoices that are watched for at once; the schedule has the others */
#define PAGE           100
#define OLD_SEC        3600 /* how long one is watched whose expiry is not known */
#define OFFSET_MAX     5000 /* settlements of one and the same moment */

typedef struct Lnbits Lnbits;

/* One socket for each open invoice: the one for all of a wallet has its key in the path. */
typedef struct Watched {
        Lnbits *lnbits;
        WireSocket *socket; /* NULL: the place is free */
        uint8_t hash[32];
        int64_t expires_at;
        bool up;
} Watched;

struct Lnbits {
        Wire wire;
        WireCall *call;
        WirePause pause;
        bool watching, again;
        size_t offset;
        char cursor[DRIVER_CURSOR_MAX]; /* updated_at of the newest that was told, as it has it */
        Watched watched[SOCKETS_MAX];
};

/* ---- questions */

static int lnbits_header(Secret *secret, Buffer *ret) {
        int r = buffer_add_string(ret, "X-Api-Key: ");

        return r < 0 ? r : buffer_add(ret, secret_text(secret), secret_size(secret));
}

static int lnbits_ask_make(WireAsk *a, const DriverInvoiceRequest *q, const char **reterr) {
        size_t n = utf8_prefix(q->description, strlen(q->description), MEMO_MAX);
        int64_t sat;
        char hash[HEX32_MAX];
        int r;

        if (wire_to_sat(q->amount_msat, &sat) < 0)
                return *reterr = "it counts in whole sat", -EINVAL;
        r = buffer_add_string(&a->path, "/api/v1/payments");
        if (r >= 0)
                r = buffer_addf(&a->body,
                                "{\"out\":false,\"unit\":\"sat\",\"amount\":%" PRId64
                                ",\"expiry\":%" PRIu32 ",\"extra\":{\"pylon\":",
                                sat, q->expiry_s);
        if (r >= 0)
                r = json_write_string(&a->body, q->id, strlen(q->id));
        if (r >= 0 && q->description_hash) {
                hex_encode(q->description_hash, 32, hash);
                return buffer_addf(&a->body, "},\"description_hash\":\"%s\"}", hash);
        }
        if (r >= 0)
                r = buffer_add_string(&a->body, "},\"memo\":");
        if (r >= 0)
                r = json_write_string(&a->body, q->description, n);
        return r < 0 ? r : buffer_add_string(&a->body, "}");
}

static int lnbits_ask_by_hash(WireAsk *a, const uint8_t hash[static 32]) {
        char hex[HEX32_MAX];

        hex_encode(hash, 32, hex);
        return buffer_addf(&a->path, "/api/v1/payments/%s", hex);
}

static int lnbits_ask_pay(WireAsk *a, const DriverPayRequest *q, const char **reterr) {
        int64_t fee = MAX((int64_t) FEE_LEAST_MSAT, q->amount_msat / 100 * FEE_PERCENT);
        int r;

        if (q->amount_is_ours)
                return *reterr = "it pays only invoices that name their amount", -EINVAL;
        if (q->fee_max_msat < fee)
                return *reterr = "the fee it may take, 1 % and 2 sat at least, is above the limit",
                       -EINVAL;
        r = buffer_add_string(&a->path, "/api/v1/payments");
        if (r >= 0)
                r = buffer_add_string(&a->body, "{\"out\":true,\"bolt11\":");
        if (r >= 0)
                r = json_write_string(&a->body, q->bolt11, strlen(q->bolt11));
        return r < 0 ? r : buffer_add_string(&a->body, "}");
}

static int lnbits_ask_wallet(WireAsk *a) {
        return buffer_add_string(&a->path, "/api/v1/wallet");
}

/* ---- answers */

static bool is_good(const WireAnswer *a) {
        return (a->status == 200 || a->status == 201) && json_is_object(a->json);
}

static int lnbits_refused(const WireAnswer *a, const char **reterr) {
        if (a->status == 401 || a->status == 403) {
                *reterr = "the key does not allow it";
                return -EACCES;
        }
        if (a->status == 429)
                *reterr = "it was asked too often";
        return -EBADMSG;
}

/* 0.x calls it payment_request, 1.x both. */
static int lnbits_read_made(const WireAnswer *a, DriverInvoice *ret, const char **reterr) {
        if (!is_good(a))
                return lnbits_refused(a, reterr);
        ret->bolt11 = wire_text(a->json, "bolt11");
        if (isempty(ret->bolt11))
                ret->bolt11 = wire_text(a->json, "payment_request");
        if (wire_hex32(a->json, "payment_hash", ret->hash) < 0 || isempty(ret->bolt11))
                return -EBADMSG;
        return 0;
}

/* Whole numbers with a sign. */
static int read_signed(const Json *j, const char *key, int64_t *ret) {
        return json_i64(json_get(j, key), ret);
}

/* A wallet that paid itself has two rows for one hash, and the outgoing one is shown: it is the
 * same payment, so that what holds for it holds for the other. */
static int lnbits_read_invoice(const WireAnswer *a, const uint8_t hash[static 32],
                DriverInvoice *ret, const char **reterr) {
        const Json *details = json_get(a->json, "details");
        const char *status = wire_text(a->json, "status");
        uint8_t theirs[32];
        int64_t msat;

        if (a->status == 404) {
                ret->state = DRIVER_INVOICE_ABSENT;
                return 0;
        }
        if (!is_good(a))
                return lnbits_refused(a, reterr);
        if (!json_is_object(details))
                return *reterr = "the key is of another wallet", -EBADMSG;
        if (wire_hex32(details, "payment_hash", theirs) < 0 || memcmp(theirs, hash, 32) != 0 ||
                        read_signed(details, "amount", &msat) < 0 || msat == INT64_MIN ||
                        !json_get(a->json, "paid"))
                return -EBADMSG;

        ret->bolt11 = wire_text(details, "bolt11");
        if (!wire_true(a->json, "paid")) {
                ret->state = streq(status, "failed") && msat > 0 ? DRIVER_INVOICE_EXPIRED
                                                                 : DRIVER_INVOICE_OPEN;
                return 0;
        }
        ret->state = DRIVER_INVOICE_SETTLED;
        ret->received_msat = msat < 0 ? -msat : msat;
        ret->has_preimage = wire_hex32(a->json, "preimage", ret->preimage) >= 0;
        return 0;
}

static int64_t lnbits_fee(const Json *j) {
        int64_t fee;

        if (read_signed(j, "fee", &fee) < 0 || fee == INT64_MIN)
                return -1;
        return fee < 0 ? -fee : fee;
}

static WirePaid lnbits_read_pay(const WireAnswer *a, WireWords *words, DriverPayment *ret) {
        const char *status = wire_text(a->json, "status"), *detail = wire_text(a->json, "detail");

        ret->reason = "its answer to the payment has another form";
        if (is_good(a)) {
                if (streq(status, "pending")) {
                        ret->outcome = DRIVER_PENDING;
                        ret->reason = NULL;
                        return WIRE_TOLD;
                }
                if (streq(status, "failed"))
                        return ret->reason = "the payment did not get through", WIRE_REFUSED;
                if (!streq(status, "success"))
                        return WIRE_LOOK; /* 0.x says nothing here */
                ret->outcome = DRIVER_SETTLED;
                ret->has_preimage = wire_hex32(a->json, "preimage", ret->preimage) >= 0;
                ret->fee_msat = lnbits_fee(a->json);
                ret->reason = NULL;
                return WIRE_TOLD;
        }
        if (a->status != 520 || !json_is_object(a->json))
                return WIRE_TOLD;

        ret->reason = wire_words(words, detail, strlen(detail), "it refuses the payment");
        if (streq(status, "failed"))
                return WIRE_REFUSED;
        return WIRE_LOOK; /* "pending", "success" */
}

static void lnbits_read_payment(const WireAnswer *a, const uint8_t hash[static 32],
                _unused_ bool over, _unused_ WireWords *words, DriverPayment *ret) {
        const Json *details = json_get(a->json, "details");
        const char *status = wire_text(a->json, "status");
        uint8_t theirs[32];
        int64_t msat;

        ret->reason = "its answer about the payment has another form";
        if (a->status == 404 && !isempty(wire_text(a->json, "detail"))) {
                ret->absent = true;
                ret->reason = "it knows no such payment";
                return;
        }
        if (!is_good(a) || wire_hex32(details, "payment_hash", theirs) < 0 ||
                        memcmp(theirs, hash, 32) != 0 ||
                        read_signed(details, "amount", &msat) < 0 || !json_get(a->json, "paid"))
                return;
        if (msat >= 0) { /* an invoice of this wallet, which it has not paid */
                ret->absent = true;
                ret->reason = "it knows no such payment";
                return;
        }

        ret->reason = NULL;
        if (wire_true(a->json, "paid")) {
                ret->outcome = DRIVER_SETTLED;
                ret->has_preimage = wire_hex32(a->json, "preimage", ret->preimage) >= 0;
                ret->fee_msat = lnbits_fee(details);
        } else if (streq(status, "failed")) {
                ret->outcome = DRIVER_FAILED;
                ret->reason = "the payment did not get through";
        } else {
                ret->outcome = DRIVER_PENDING;
        }
}

static int lnbits_read_balance(const WireAnswer *a, int64_t *ret_msat, const char **reterr) {
        if (!is_good(a))
                return lnbits_refused(a, reterr);
        return wire_i64(a->json, "balance", ret_msat) < 0 ? -EBADMSG : 0;
}

/* It does not say what network is behind it: its invoices do. */
static int lnbits_read_info(const WireAnswer *a, DriverInfo *ret, const char **reterr) {
        if (!is_good(a))
                return lnbits_refused(a, reterr);
        ret->alias = wire_text(a->json, "name");
        return 0;
}

/* ---- the watch: sockets that say "look", and a list from a time on */

static void lnbits_list(Lnbits *l);
static void lnbits_ask_page(Lnbits *l);

static int on_list_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        lnbits_list(userdata);
        return 0;
}

static void list_failed(Lnbits *l, const char *reason) {
        l->call = wire_call_free(l->call);
        (void) wire_pause_start(&l->pause, l->wire.driver.doors.event, on_list_again, l);
        wire_state(&l->wire, false, reason);
}

static void watched_free(Watched *w) {
        w->socket = wire_socket_free(w->socket);
        w->up = false;
}

static void lnbits_forget(Lnbits *l, const uint8_t hash[static 32]) {
        for (size_t i = 0; i < SOCKETS_MAX; i++)
                if (l->watched[i].socket && memcmp(l->watched[i].hash, hash, 32) == 0)
                        watched_free(&l->watched[i]);
}

/* It goes into a query as it came: only what a time is made of. */
static bool is_time(const char *text) {
        size_t n = strlen(text);

        return n > 0 && n < 48 && strspn(text, "0123456789-:.T+ Z") == n;
}

static bool lnbits_tell(Lnbits *l, const Json *j) {
        DriverInvoice invoice = { .state = DRIVER_INVOICE_SETTLED };
        const char *time = wire_text(j, "updated_at");

        if (!streq(wire_text(j, "status"), "success") ||
                        read_signed(j, "amount", &invoice.received_msat) < 0 ||
                        invoice.received_msat <= 0 ||
                        wire_hex32(j, "payment_hash", invoice.hash) < 0)
                return false;
        invoice.has_preimage = wire_hex32(j, "preimage", invoice.preimage) >= 0;
        if (is_time(time) && strcmp(time, l->cursor) > 0)
                (void) snprintf(l->cursor, sizeof(l->cursor), "%s", time);
        lnbits_forget(l, invoice.hash);
        wire_settled(&l->wire, &invoice, 1, l->cursor);
        return true;
}

static void on_page(const WireAnswer *a, void *userdata) {
        Lnbits *l = userdata;
        const char *reason = "its list has another form";
        size_t n = json_array_size(a->json);
        bool first = isempty(l->cursor);
        char before[DRIVER_CURSOR_MAX];

        if (a->error < 0)
                return list_failed(l, a->reason);
        if (a->status != 200 || !json_is_array(a->json)) {
                (void) lnbits_refused(a, &reason);
                return list_failed(l, reason);
        }
        memcpy(before, l->cursor, sizeof(before));
        /* Without a cursor the newest come first. */
        for (size_t i = 0; i < n; i++)
                (void) lnbits_tell(l, json_array_at(a->json, first ? n - 1 - i : i));

        l->call = wire_call_free(l->call);
        l->pause.failures = 0;
        wire_state(&l->wire, true, NULL);
        if (!first && n >= PAGE && l->offset < OFFSET_MAX) {
                /* The next page begins at the new time, or goes on within the same one. */
                l->offset = streq(before, l->cursor) ? l->offset + n : 0;
                lnbits_ask_page(l);
        } else if (TAKE(l->again, false)) {
                lnbits_list(l);
        }
}

static int lnbits_write_page(Lnbits *l, WireAsk *ask) {
        int r;

        if (isempty(l->cursor))
                return buffer_addf(&ask->path,
                                "/api/v1/payments?limit=%d&sortby=updated_at&direction=desc&status=success&amount[gt]=0",
                                PAGE);
        r = buffer_addf(&ask->path,
                        "/api/v1/payments?limit=%d&offset=%zu&sortby=updated_at&direction=asc&status=success&amount[gt]=0&updated_at[ge]=",
                        PAGE, l->offset);
        for (const char *p = l->cursor; r >= 0 && *p; p++)
                r = *p == '+'   ? buffer_add_string(&ask->path, "%2B")
                    : *p == ' ' ? buffer_add_string(&ask->path, "%20")
                                : buffer_add(&ask->path, p, 1);
        return r;
}

static void lnbits_ask_page(Lnbits *l) {
        const char *reason = "there was no memory";
        _cleanup_ask_ WireAsk ask;
        int r;

        wire_ask_init(&ask);
        r = lnbits_write_page(l, &ask);
        if (r >= 0)
                r = wire_call(&l->wire, &ask, on_page, l, &l->call, &reason);
        if (r < 0)
                list_failed(l, reason);
}

static void lnbits_list(Lnbits *l) {
        if (l->call) {
                l->again = true;
                return;
        }
        wire_pause_done(&l->pause);
        l->offset = 0;
        lnbits_ask_page(l);
}

static void on_open(void *userdata) {
        Watched *w = userdata;

        w->up = true;
        lnbits_list(w->lnbits); /* it may have been paid before the socket was there */
}

static void on_message(const WireAnswer *message, void *userdata) {
        Watched *w = userdata;

        if (json_is_object(message->json) && !wire_true(message->json, "pending"))
                lnbits_list(w->lnbits);
}

static void on_lost(_unused_ const char *reason, void *userdata) {
        Watched *w = userdata;

        w->up = false;
}

static const WireSocketHandler socket_handler = {
        .open = on_open,
        .message = on_message,
        .lost = on_lost,
};

/* A free place, one of an invoice that has expired, or that of the one which expires first. NULL:
 * it has one, or it is an old one (expires_at 0) and there is none free. */
static Watched *watched_find(
                Lnbits *l, const uint8_t hash[static 32], int64_t expires_at, int64_t now) {
        Watched *best = &l->watched[0];

        for (size_t i = 0; i < SOCKETS_MAX; i++)
                if (l->watched[i].socket && memcmp(l->watched[i].hash, hash, 32) == 0)
                        return NULL;

        for (size_t i = 0; i < SOCKETS_MAX; i++) {
                Watched *w = &l->watched[i];

                if (w->socket && w->expires_at + 60 < now)
                        watched_free(w);
                if (!w->socket)
                        return w;
                if (w->expires_at < best->expires_at)
                        best = w;
        }
        return expires_at > 0 ? best : NULL;
}

static void lnbits_made(Wire *wire, const uint8_t hash[static 32], int64_t expires_at) {
        Lnbits *l = container_of(wire, Lnbits, wire);
        char path[sizeof("/api/v1/ws/") + HEX32_MAX] = "/api/v1/ws/";
        Watched *w;

        if (!l->watching)
                return;
        w = watched_find(l, hash, expires_at, wire_now(wire));
        if (!w)
                return;
        watched_free(w);
        *w = (Watched){
                .lnbits = l,
                .expires_at = expires_at ?: wire_now(wire) + OLD_SEC,
        };
        memcpy(w->hash, hash, 32);
        hex_encode(hash, 32, path + strlen(path));
        (void) wire_socket_new(wire, path, false, &socket_handler, w, &w->socket);
}

static int lnbits_watch(Driver *d, const char *cursor) {
        Lnbits *l = container_of(d, Lnbits, wire.driver);

        if (is_time(cursor))
                (void) snprintf(l->cursor, sizeof(l->cursor), "%s", cursor);
        l->watching = true;
        lnbits_list(l);
        return 0;
}

/* ---- the driver */

static int lnbits_open(const DriverDoors *doors, const DriverHandler *handler, void *userdata,
                Driver **ret, const char **reterr) {
        Lnbits *l = new0(Lnbits, 1);
        int r;

        *reterr = "there was no memory";
        if (!l)
                return -ENOMEM;
        r = wire_init(&l->wire, &wire_lnbits, doors, handler, userdata, reterr);
        if (r < 0) {
                wire_done(&l->wire);
                free(l);
                return r;
        }
        *ret = &l->wire.driver;
        return 0;
}

static void lnbits_close(Driver *d) {
        Lnbits *l = container_of(d, Lnbits, wire.driver);

        for (size_t i = 0; i < SOCKETS_MAX; i++)
                watched_free(&l->watched[i]);
        wire_call_free(l->call);
        wire_pause_done(&l->pause);
        wire_done(&l->wire);
        free(l);
}

const DriverClass driver_lnbits = {
        .name = "lnbits",
        .caps = { .push = true, .pay_idempotent = true, .failed_twice = true, .unit_msat = 1000 },
        .wants_secret = true,
        .open = lnbits_open,
        .close = lnbits_close,
        .op_free = wire_op_free,
        .make_invoice = wire_make_invoice,
        .lookup_invoice = wire_lookup_invoice,
        .pay = wire_pay,
        .lookup_payment = wire_lookup_payment,
        .balance = wire_balance,
        .info = wire_info,
        .watch = lnbits_watch,
};

const WireDialect wire_lnbits = {
        .class = &driver_lnbits,
        .usual = "http://127.0.0.1:5000",
        .header = lnbits_header,
        .ask_make = lnbits_ask_make,
        .ask_invoice = lnbits_ask_by_hash,
        .ask_pay = lnbits_ask_pay,
        .ask_payment = lnbits_ask_by_hash,
        .ask_balance = lnbits_ask_wallet,
        .ask_info = lnbits_ask_wallet,
        .read_made = lnbits_read_made,
        .read_invoice = lnbits_read_invoice,
        .read_pay = lnbits_read_pay,
        .read_payment = lnbits_read_payment,
        .read_balance = lnbits_read_balance,
        .read_info = lnbits_read_info,
        .made = lnbits_made,
};
