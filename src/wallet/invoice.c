#include "invoice.h"

#include <stdio.h>

#include "basic/crypt.h"
#include "basic/fault.h"
#include "basic/log.h"
#include "money/bolt11.h"
#include "money/msat.h"
#include "wallet.h"

#define LOOK_MAX     30 /* seconds between two looks while it is open */
#define AGAIN_FIRST  SEC
#define MAKINGS_MAX  4096
#define START_SPREAD (5 * MSEC) /* between the first looks after a start */

/* ---- one that is open */

Invoice *invoice_free(Invoice *i) {
        if (!i)
                return NULL;

        if (i->open) {
                (void) map_remove_string(&i->wallet->invoices, i->hash);
                if (i->key && map_get_string(&i->wallet->jobs, i->key) == i)
                        (void) map_remove_string(&i->wallet->jobs, i->key);
        }
        sd_event_source_disable_unref(i->timer);
        driver_op_free(i->op);
        books_call_free(i->call);
        free(i->bolt11);
        free(i->account);
        free(i->job);
        free(i->stage);
        free(i->key);
        return mfree(i);
}

Invoice *invoice_find(Wallet *w, const char *hash) {
        return map_get_string(&w->invoices, hash);
}

Invoice *invoice_find_job(Wallet *w, const char *job, const char *stage) {
        char key[BOOKS_NAME_MAX + 16];

        (void) snprintf(key, sizeof(key), "%.*s/%.8s", BOOKS_NAME_MAX, job, stage);
        return map_get_string(&w->jobs, key);
}

static int invoice_new(Wallet *w, const BooksInvoice *row, Invoice **ret) {
        _cleanup_(invoice_freep) Invoice *i = NULL;

        i = new0(Invoice, 1);
        if (!i)
                return -ENOMEM;
        i->wallet = w;
        (void) snprintf(i->hash, sizeof(i->hash), "%s", row->hash);
        i->bolt11 = strdup(row->bolt11);
        i->account = strdup(row->account);
        i->job = strdup(row->job ?: "");
        i->stage = strdup(row->stage ?: "");
        if (!i->bolt11 || !i->account || !i->job || !i->stage)
                return -ENOMEM;
        if (!isempty(i->job) && asprintf(&i->key, "%s/%s", i->job, i->stage) < 0) {
                i->key = NULL;
                return -ENOMEM;
        }
        i->amount_msat = row->amount_msat;
        i->expires_at = row->expires_at;
        *ret = TAKE_PTR(i);
        return 0;
}

/* Looks: after 1, 2, 4 … 30 s while it is open; then 1, 10 and 60 minutes after its end. */
static void invoice_look_later(Invoice *i);

/* Seconds until the next look; -1: there is none. */
static int64_t look_pause(const Invoice *i) {
        static const int64_t late[] = { 60, 600, 3600 };
        int64_t left = i->expires_at - wallet_now(i->wallet);
        int64_t pause = i->looks > 4 ? LOOK_MAX : INT64_C(1) << i->looks;

        if (left > 0)
                return MIN(pause, left + 1);
        for (size_t n = 0; n < ELEMENTSOF(late); n++)
                if (left + late[n] > 0)
                        return left + late[n];
        return -1;
}

static void on_ended(int verdict, const char *text, void *userdata) {
        Invoice *i = userdata;

        if (verdict < 0 && verdict != -EALREADY && verdict != -ENOENT) {
                log_debug("The end of an invoice could not be written: %s.", text);
                i->looks = 0;
                invoice_look_later(i);
                return;
        }
        invoice_free(i); /* paid at the last moment: its booking tells */
}

static void invoice_end(Invoice *i, const char *state) {
        if (books_end_invoice(i->wallet->books, i->hash, state, on_ended, i, &i->call) < 0)
                invoice_look_later(i);
}

static void on_looked(int error, const char *reason, const DriverInvoice *d, void *userdata) {
        Invoice *i = userdata;

        if (error < 0)
                log_debug("Invoice %s could not be looked up: %s.", i->hash, reason);
        else if (d->state == DRIVER_INVOICE_SETTLED) {
                if (invoice_book(i->wallet, d, "") >= 0)
                        return; /* frees this one when it is on disk */
        } else if (look_pause(i) < 0) {
                invoice_end(i, "expired");
                return;
        }
        if (look_pause(i) < 0)
                i->expires_at = wallet_now(i->wallet) - 3600 +
                                LOOK_MAX; /* nobody could say: once more */
        invoice_look_later(i);
}

static int on_look(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Invoice *i = userdata;
        uint8_t hash[32];

        i->timer = sd_event_source_disable_unref(i->timer);
        i->looks++;
        if (i->op || i->call || hex_decode(i->hash, hash, sizeof(hash)) < 0)
                return 0;
        if (!i->wallet->driver || i->wallet->class->lookup_invoice(i->wallet->driver, hash,
                                                  on_looked, i, &i->op) < 0)
                invoice_look_later(i);
        return 0;
}

static void invoice_look_in(Invoice *i, usec_t pause) {
        i->timer = sd_event_source_disable_unref(i->timer);
        if (sd_event_add_time_relative(i->wallet->event, &i->timer, CLOCK_BOOTTIME, pause,
                            pause / 16 + 1, on_look, i) < 0)
                log_debug("No timer is left to look after an invoice.");
}

static void invoice_look_later(Invoice *i) {
        int64_t pause = look_pause(i);

        invoice_look_in(i, pause < 0 ? 0 : (usec_t) pause * SEC);
}

static int invoice_open(Invoice *i) {
        int r;

        r = map_put_string(&i->wallet->invoices, i->hash, i);
        if (r < 0)
                return r;
        i->open = true;
        if (i->key)
                (void) map_put_string(&i->wallet->jobs, i->key, i); /* the books know it, too */
        return 0;
}

int invoice_adopt(Wallet *w, const BooksInvoice *row, unsigned place) {
        _cleanup_(invoice_freep) Invoice *i = NULL;
        int r;

        if (invoice_find(w, row->hash))
                return 0;
        r = invoice_new(w, row, &i);
        if (r >= 0)
                r = invoice_open(i);
        if (r < 0)
                return r;
        invoice_look_in(i, place * START_SPREAD);
        TAKE_PTR(i);
        return 0;
}

/* ---- one that is being made */

struct Making {
        Wallet *wallet;
        char *account, *job, *stage, *description, *bolt11;
        char hash[HEX32_MAX];
        int64_t amount_msat, created_at;
        uint32_t expiry_s;
        int64_t expires_at;
        DriverOp *op;
        BooksCall *call;
        invoice_made_t made;
        void *userdata;
        Making **handle, *prev, *next;
};

Making *making_free(Making *m) {
        if (!m)
                return NULL;

        *(m->prev ? &m->prev->next : &m->wallet->makings) = m->next;
        if (m->next)
                m->next->prev = m->prev;
        m->wallet->n_makings--;
        if (m->handle)
                *m->handle = NULL;
        driver_op_free(m->op);
        books_call_free(m->call);
        free(m->account);
        free(m->job);
        free(m->stage);
        free(m->description);
        free(m->bolt11);
        return mfree(m);
}

static void making_end(Making *m, int error, const char *reason, const Invoice *i) {
        invoice_made_t made = m->made;
        void *userdata = m->userdata;

        making_free(m);
        made(error, reason, i, userdata);
}

/* This job's stage has one: the same answer as then. */
static void making_joined(Making *m, const char *bolt11) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *reason;
        char hash[HEX32_MAX];
        Invoice *i = NULL;

        if (bolt11_decode(bolt11, &b, &reason) >= 0) {
                hex_encode(b.payment_hash, sizeof(b.payment_hash), hash);
                i = invoice_find(m->wallet, hash);
        }
        making_end(m, i ? 0 : -EISCONN, i ? NULL : "it is paid already", i);
}

static BooksInvoice making_row(const Making *m) {
        return (BooksInvoice){
                .hash = m->hash,
                .bolt11 = m->bolt11,
                .account = m->account,
                .job = m->job,
                .stage = m->stage,
                .description = m->description,
                .amount_msat = m->amount_msat,
                .created_at = m->created_at,
                .expires_at = m->expires_at,
        };
}

static void on_added(int verdict, const char *text, void *userdata) {
        _cleanup_(invoice_freep) Invoice *i = NULL;
        Making *m = userdata;
        BooksInvoice row = making_row(m);
        int r;

        if (verdict < 0 || (verdict > 0 && !streq(text, m->bolt11))) {
                if (verdict < 0)
                        making_end(m, verdict, text, NULL);
                else
                        making_joined(m, text);
                return;
        }
        (void) fault("invoice.added");
        r = invoice_new(m->wallet, &row, &i);
        if (r >= 0)
                r = invoice_open(i);
        if (r < 0) {
                making_end(m, r, "there is no memory", NULL);
                return;
        }
        invoice_look_later(i);
        making_end(m, 0, NULL, TAKE_PTR(i));
}

/* What the backend made is read by us before anybody sees it. */
static const char *making_fault(Making *m, const DriverInvoice *d) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *reason = "there is no memory";

        if (isempty(d->bolt11) || bolt11_decode(d->bolt11, &b, &reason) < 0)
                return "the wallet's backend made an invoice that cannot be read";
        reason = wallet_network_fault(m->wallet, b.network);
        if (reason)
                return "the wallet's backend made an invoice for another network";
        if (memcmp(b.payment_hash, d->hash, sizeof(d->hash)) != 0)
                return "the wallet's backend named another hash than its invoice";
        if (b.amount_msat != m->amount_msat)
                return "the wallet's backend made an invoice about another amount";
        hex_encode(d->hash, sizeof(d->hash), m->hash);
        m->expires_at = bolt11_expires_at(&b);
        m->bolt11 = strdup(d->bolt11);
        return m->bolt11 ? NULL : "there is no memory";
}

static void on_made(int error, const char *reason, const DriverInvoice *d, void *userdata) {
        Making *m = userdata;
        BooksInvoice row;

        if (error >= 0) {
                reason = making_fault(m, d);
                error = reason ? -EBADMSG : 0;
        }
        if (error < 0) {
                making_end(m, error, reason, NULL);
                return;
        }
        (void) fault("invoice.made");
        row = making_row(m);
        error = books_add_invoice(m->wallet->books, &row, on_added, m, &m->call);
        if (error < 0)
                making_end(m, error, "the books cannot be asked", NULL);
}

static int making_ask(Making *m, const uint8_t *description_hash) {
        const DriverInvoiceRequest request = {
                .id = isempty(m->job) ? "pylon" : m->job,
                .amount_msat = m->amount_msat,
                .description = m->description,
                .expiry_s = m->expiry_s,
                .description_hash = description_hash,
        };

        return m->wallet->class->make_invoice(m->wallet->driver, &request, on_made, m, &m->op);
}

int invoice_make(Wallet *w, const InvoiceOrder *order, invoice_made_t made, void *userdata,
                Making **ret) {
        _cleanup_(making_freep) Making *m = NULL;
        int r;

        if (w->n_makings >= MAKINGS_MAX)
                return -ENOBUFS;
        m = new0(Making, 1);
        if (!m)
                return -ENOMEM;
        *m = (Making){
                .wallet = w,
                .account = strdup(order->account),
                .job = strdup(order->job ?: ""),
                .stage = strdup(order->stage ?: ""),
                .description = strdup(order->description ?: ""),
                .amount_msat = order->amount_msat,
                .expiry_s = order->expiry_s,
                .created_at = wallet_now(w),
                .made = made,
                .userdata = userdata,
                .next = w->makings,
        };
        if (m->next)
                m->next->prev = m;
        w->makings = m;
        w->n_makings++;
        if (!m->account || !m->job || !m->stage || !m->description)
                return -ENOMEM;
        r = making_ask(m, order->description_hash);
        if (r < 0)
                return r;
        m->handle = ret;
        if (ret)
                *ret = m;
        TAKE_PTR(m);
        return 0;
}

/* ---- one that is being booked */

struct Booking {
        Wallet *wallet;
        char hash[HEX32_MAX], preimage[HEX32_MAX];
        char cursor[DRIVER_CURSOR_MAX];
        int64_t received_msat, settled_at;
        Invoice *late; /* one that was not open any more, as the books have it */
        BooksCall *call;
        sd_event_source *again;
        usec_t again_usec;
        Booking *prev, *next;
};

Booking *booking_free(Booking *b) {
        if (!b)
                return NULL;

        *(b->prev ? &b->prev->next : &b->wallet->bookings) = b->next;
        if (b->next)
                b->next->prev = b->prev;
        books_call_free(b->call);
        sd_event_source_disable_unref(b->again);
        invoice_free(b->late);
        return mfree(b);
}

static void booking_ask(Booking *b);

static int booking_on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Booking *b = userdata;

        b->again = sd_event_source_disable_unref(b->again);
        booking_ask(b);
        return 0;
}

static void booking_again(Booking *b, const char *reason) {
        b->again_usec = b->again_usec == 0 ? AGAIN_FIRST : MIN(2 * b->again_usec, MIN_);
        log_warning("A paid invoice could not be booked, tried again: %s.", reason);
        if (sd_event_add_time_relative(b->wallet->event, &b->again, CLOCK_BOOTTIME, b->again_usec,
                            b->again_usec / 8, booking_on_again, b) < 0)
                booking_free(b); /* it comes again at the next start */
}

static void invoice_tell(const Invoice *i, int64_t received_msat, int64_t settled_at) {
        char amount[MSAT_TEXT_MAX], msat[24];

        (void) snprintf(msat, sizeof(msat), "%lld", (long long) received_msat);
        log_event(LOG_NOTICE, LOG_ID_INVOICE_PAID,
                        LOG_FIELDS("PYLON_PAYMENT", i->hash, "PYLON_JOB", i->job, "PYLON_MSAT",
                                        msat),
                        "Received %s for \"%s\".", msat_text(received_msat, amount),
                        isempty(i->job) ? i->account : i->job);
        if (i->wallet->hooks)
                i->wallet->hooks->paid(i, received_msat, settled_at, i->wallet->userdata);
}

static void on_booked(int verdict, const char *text, void *userdata) {
        Booking *b = userdata;
        Invoice *i = b->late ?: invoice_find(b->wallet, b->hash);

        if (verdict < 0 && verdict != -ENOENT && verdict != -EINVAL) {
                booking_again(b, text);
                return;
        }
        (void) fault("invoice.booked");
        if (verdict == -EINVAL)
                log_error("The books refused that invoice %s is paid: %s.", b->hash, text);
        else if (i && verdict >= 0 && (i->open || verdict == 0)) /* told before otherwise */
                invoice_tell(i, b->received_msat, b->settled_at);
        if (i && i->open)
                invoice_free(i);
        booking_free(b);
}

static void booking_write(Booking *b, const Invoice *i) {
        int64_t asked = i ? i->amount_msat : 0;
        BooksSettlement s = {
                .hash = b->hash,
                .driver = wallet_driver(b->wallet),
                .preimage = b->preimage,
                .cursor = b->cursor,
        };

        if (b->received_msat < 0)
                b->received_msat = asked;
        /* The backend says that it is paid: what is missing is what the backend kept. */
        s.received_msat = MAX(b->received_msat, asked);
        s.fee_msat = s.received_msat - b->received_msat;
        s.settled_at = b->settled_at;
        if (books_settle_invoice(b->wallet->books, &s, on_booked, b, &b->call) < 0)
                booking_again(b, "the books cannot be asked");
}

static void on_found(
                int error, const char *reason, const BooksInvoice *rows, size_t n, void *userdata) {
        Booking *b = userdata;

        if (error >= 0 && n > 0 && !b->late)
                error = invoice_new(b->wallet, rows, &b->late);
        if (error < 0)
                booking_again(b, reason ?: "there is no memory");
        else
                booking_write(b, b->late); /* not ours: the cursor is saved all the same */
}

static void booking_ask(Booking *b) {
        Invoice *i = invoice_find(b->wallet, b->hash);

        (void) fault("invoice.settled");
        if (i)
                booking_write(b, i);
        else if (books_get_invoice(b->wallet->books, b->hash, on_found, b, &b->call) < 0)
                booking_again(b, "the books cannot be asked");
}

int invoice_book(Wallet *w, const DriverInvoice *settled, const char *cursor) {
        uint8_t hash[32];
        Booking *b;

        b = new0(Booking, 1);
        if (!b)
                return -ENOMEM;
        *b = (Booking){
                .wallet = w,
                .received_msat = settled->received_msat,
                .settled_at = settled->settled_at > 0 ? settled->settled_at : wallet_now(w),
                .next = w->bookings,
        };
        hex_encode(settled->hash, sizeof(settled->hash), b->hash);
        if (settled->has_preimage && sha256(settled->preimage, 32, hash) >= 0 &&
                        memory_equal(hash, settled->hash, sizeof(hash)))
                hex_encode(settled->preimage, sizeof(settled->preimage), b->preimage);
        (void) snprintf(b->cursor, sizeof(b->cursor), "%s", cursor);
        if (b->next)
                b->next->prev = b;
        w->bookings = b;
        booking_ask(b);
        return 0;
}

void invoice_paid_inside(Invoice *i) {
        invoice_tell(i, i->amount_msat, wallet_now(i->wallet));
        invoice_free(i);
}

int invoice_paid_elsewhere(
                Wallet *w, const BooksInvoice *row, int64_t received_msat, int64_t settled_at) {
        _cleanup_(invoice_freep) Invoice *i = NULL;
        int r;

        r = invoice_new(w, row, &i);
        if (r >= 0)
                invoice_tell(i, received_msat, settled_at);
        return r;
}
