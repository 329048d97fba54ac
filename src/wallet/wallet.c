#include "wallet.h"

#include <stdarg.h>
#include <stdio.h>

#include "basic/log.h"
#include "bus/names.h"
#include "bus/text.h"

#define PAGE        500
#define RETRY_FIRST (2 * SEC)
#define RETRY_MAX   MIN_

static void wallet_load(Wallet *w);
static void load_intents(Wallet *w);
static void load_invoices(Wallet *w);
static void ask_backend(Wallet *w);

static const char *const state_names[_WALLET_STATE_MAX] = {
        [WALLET_NONE] = "none",
        [WALLET_REFUSED] = "refused",
        [WALLET_LOADING] = "starting",
        [WALLET_UNREACHABLE] = "unreachable",
        [WALLET_READY] = "ready",
};

const char *wallet_state_name(WalletState s) {
        return state_names[s];
}

const char *wallet_driver(const Wallet *w) {
        return w->class ? w->class->name : "none";
}

int64_t wallet_now(const Wallet *w) {
        uint64_t usec = 0;

        (void) sd_event_now(w->event, CLOCK_REALTIME, &usec);
        return (int64_t) (usec / SEC);
}

const char *wallet_trouble(const Wallet *w, const char **ret_name) {
        *ret_name = w->state == WALLET_UNREACHABLE || w->state == WALLET_LOADING
                                    ? BUS_ERROR_NOT_REACHABLE
                                    : BUS_ERROR_NO_WALLET;
        if (w->state == WALLET_READY)
                return NULL;
        if (w->state == WALLET_NONE)
                return "No wallet is set up: say which one in [wallet] driver.";
        return *w->reason ? w->reason : "The wallet is still starting.";
}

const char *wallet_network_fault(const Wallet *w, Network n) {
        static const char *const faults[_NETWORK_MAX] = {
                [NETWORK_MAINNET] = "the invoice is for mainnet, and this wallet is not",
                [NETWORK_TESTNET] = "the invoice is for testnet, and this wallet is not",
                [NETWORK_SIGNET] = "the invoice is for signet, and this wallet is not",
                [NETWORK_REGTEST] = "the invoice is for regtest, and this wallet is not",
        };

        return n == w->config->network ? NULL : faults[n];
}

static void wallet_set_state(Wallet *w, WalletState state, const char *format, ...) _printf_(3, 4);
static void wallet_set_state(Wallet *w, WalletState state, const char *format, ...) {
        WalletState was = w->state;
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(w->reason, sizeof(w->reason), format, ap);
        va_end(ap);
        w->state = state;
        if (state == was)
                return;
        if (state == WALLET_READY)
                log_event(LOG_NOTICE, LOG_ID_WALLET_READY,
                                LOG_FIELDS("PYLON_WALLET", w->class->name),
                                "The wallet \"%s\" is ready on %s.", w->class->name,
                                network_name(w->config->network));
        else if (state != WALLET_LOADING && *w->reason)
                log_event(LOG_WARNING, LOG_ID_WALLET_DOWN,
                                LOG_FIELDS("PYLON_WALLET", wallet_driver(w)), "%s", w->reason);
        if (w->hooks)
                w->hooks->changed(w, w->userdata);
}

/* ---- what the driver says by itself */

static void on_driver_settled(
                const DriverInvoice *invoices, size_t n, const char *cursor, void *userdata) {
        Wallet *w = userdata;

        for (size_t i = 0; i < n; i++) /* the cursor stands behind the last one */
                if (invoice_book(w, &invoices[i], i == n - 1 ? cursor : "") < 0)
                        log_error("There is no memory to book an invoice; the next start does.");
}

static void on_driver_state(bool up, const char *reason, void *userdata) {
        Wallet *w = userdata;

        if (w->pushed == up)
                return;
        w->pushed = up;
        if (up)
                log_info("The wallet \"%s\" tells of payments as they come.", w->class->name);
        else
                log_warning("The wallet \"%s\" does not tell of payments, it is asked instead: %s.",
                                w->class->name, reason ?: "the connection ended");
}

static void on_driver_payment(const uint8_t hash[static 32], void *userdata) {
        Wallet *w = userdata;
        char hex[HEX32_MAX];
        Payment *p;

        hex_encode(hash, 32, hex);
        p = payment_find(w, hex);
        if (p)
                payment_look(p);
}

static const DriverHandler driver_handler = {
        .settled = on_driver_settled,
        .state = on_driver_state,
        .payment_moved = on_driver_payment,
};

/* ---- the start: where the watch stood, what is open, then the backend */

static int on_retry(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Wallet *w = userdata;

        w->retry = sd_event_source_disable_unref(w->retry);
        if (w->watching)
                ask_backend(w);
        else
                wallet_load(w);
        return 0;
}

static void retry_later(Wallet *w) {
        w->retry_usec = w->retry_usec == 0 ? RETRY_FIRST : MIN(2 * w->retry_usec, RETRY_MAX);
        w->retry = sd_event_source_disable_unref(w->retry);
        if (sd_event_add_time_relative(w->event, &w->retry, CLOCK_BOOTTIME, w->retry_usec,
                            w->retry_usec / 8, on_retry, w) < 0)
                log_error("No timer is left to ask the wallet's backend again.");
}

static void load_failed(Wallet *w, const char *reason) {
        wallet_set_state(w, WALLET_UNREACHABLE, "The books could not be read: %s.",
                        reason ?: "there is no memory");
        retry_later(w);
}

static void on_marked(_unused_ int verdict, _unused_ const char *text, _unused_ void *userdata) {
}

static void mark_connected(Wallet *w) {
        char name[64];

        (void) snprintf(name, sizeof(name), "connected:%s", w->class->name);
        (void) books_set_cursor(w->books, name, "yes", on_marked, w, NULL);
}

static void on_deposited(int verdict, const char *text, void *userdata) {
        Wallet *w = userdata;

        if (verdict < 0)
                log_warning("What was in the wallet before could not be booked: %s.", text);
        else
                mark_connected(w);
}

/* What was in the backend before we knew it is the owner's. */
static void on_first_balance(int error, const char *reason, int64_t msat, void *userdata) {
        Wallet *w = userdata;
        BooksDeposit deposit = {
                .driver = w->class->name,
                .account = "owner",
                .text = "what was in the wallet when it was connected",
                .msat = msat,
        };
        char id[64];

        if (error < 0) {
                log_debug("The wallet did not say what is in it: %s.", reason);
                return;
        }
        if (msat <= 0) {
                mark_connected(w);
                return;
        }
        (void) snprintf(id, sizeof(id), "connected:%s", w->class->name);
        deposit.id = id;
        (void) books_deposit(w->books, &deposit, on_deposited, w, NULL);
}

static void on_connected_known(
                int error, _unused_ const char *reason, const char *text, void *userdata) {
        Wallet *w = userdata;

        if (error < 0 || !isempty(text) || !w->driver || w->asking)
                return;
        if (w->class->balance(w->driver, on_first_balance, w, &w->asking) < 0)
                log_debug("The wallet cannot be asked what is in it.");
}

static void ask_whether_connected(Wallet *w) {
        char name[64];

        if (w->class->caps.pays_itself) /* regtest: it began empty */
                return;
        (void) snprintf(name, sizeof(name), "connected:%s", w->class->name);
        if (w->loading)
                return;
        (void) books_get_cursor(w->books, name, on_connected_known, w, &w->loading);
}

static void wallet_come_up(Wallet *w) {
        int r = 0;

        if (!w->watching) {
                w->watching = true;
                if (w->class->watch)
                        r = w->class->watch(w->driver, w->cursor);
        }
        if (r < 0)
                log_warning("The wallet does not tell of payments, it is asked instead: %s.",
                                strerror(-r));
        w->retry_usec = 0;
        wallet_set_state(w, WALLET_READY, "%s", "");
        ask_whether_connected(w);
}

static void on_info(int error, const char *reason, const DriverInfo *info, void *userdata) {
        Wallet *w = userdata;

        if (error < 0) {
                wallet_set_state(w, WALLET_UNREACHABLE, "The wallet \"%s\" does not answer: %s.",
                                w->class->name,
                                bus_text_or(reason ?: "", "its words cannot be shown"));
                retry_later(w);
                return;
        }
        if (info->network >= 0 && info->network != (int) w->config->network) {
                wallet_set_state(w, WALLET_REFUSED,
                                "The wallet \"%s\" is on %s, and this Pylon is on %s: set \"network\" "
                                "to what the wallet is.",
                                w->class->name,
                                info->network < _NETWORK_MAX ? network_name((Network) info->network)
                                                             : "another network",
                                network_name(w->config->network));
                return;
        }
        wallet_come_up(w);
}

static void ask_backend(Wallet *w) {
        int r;

        r = w->class->info(w->driver, on_info, w, &w->asking);
        if (r < 0) {
                wallet_set_state(w, WALLET_UNREACHABLE, "The wallet \"%s\" cannot be asked: %s.",
                                w->class->name, strerror(-r));
                retry_later(w);
        }
}

static void on_invoices(
                int error, const char *reason, const BooksInvoice *rows, size_t n, void *userdata) {
        Wallet *w = userdata;

        for (size_t i = 0; error >= 0 && i < n; i++) {
                error = invoice_adopt(w, &rows[i], (unsigned) map_size(&w->invoices));
                (void) snprintf(w->last, sizeof(w->last), "%s", rows[i].hash);
        }
        if (error < 0)
                load_failed(w, reason);
        else if (n > 0)
                load_invoices(w);
        else
                ask_backend(w);
}

static void load_invoices(Wallet *w) {
        if (books_open_invoices(w->books, w->last, PAGE, on_invoices, w, &w->loading) < 0)
                load_failed(w, NULL);
}

static void on_intents(
                int error, const char *reason, const BooksIntent *rows, size_t n, void *userdata) {
        Wallet *w = userdata;

        for (size_t i = 0; error >= 0 && i < n; i++) {
                if (payment_adopt(w, &rows[i]) == -ENOMEM)
                        error = -ENOMEM;
                (void) snprintf(w->last, sizeof(w->last), "%s", rows[i].id);
        }
        if (error < 0)
                load_failed(w, reason);
        else if (n > 0)
                load_intents(w);
        else {
                w->last[0] = 0;
                load_invoices(w);
        }
}

static void load_intents(Wallet *w) {
        if (books_open_intents(w->books, w->last, PAGE, on_intents, w, &w->loading) < 0)
                load_failed(w, NULL);
}

static void on_cursor(int error, const char *reason, const char *text, void *userdata) {
        Wallet *w = userdata;

        if (error < 0) {
                load_failed(w, reason);
                return;
        }
        (void) snprintf(w->cursor, sizeof(w->cursor), "%s", text);
        w->last[0] = 0;
        load_intents(w);
}

static void wallet_load(Wallet *w) {
        wallet_set_state(w, WALLET_LOADING, "%s", "");
        if (books_get_cursor(w->books, w->class->name, on_cursor, w, &w->loading) < 0)
                load_failed(w, NULL);
}

/* ---- life cycle */

static int wallet_open_driver(Wallet *w, const char **reterr) {
        const DriverDoors doors = {
                .event = w->event,
                .config = w->config,
                .secret = w->secret,
                .http = w->http,
                .ws = w->ws,
                .relay_socket = w->relay_socket,
                .signer_socket = w->signer_socket,
                .store_socket = w->store_socket,
        };

        if (w->class->wants_url && isempty(w->config->wallet.url)) {
                *reterr = "[wallet] url is not set";
                return -EINVAL;
        }
        if (w->class->wants_secret && !w->secret) {
                *reterr = "its secret was not given; see pylon-wallet(8)";
                return -ENOKEY;
        }
        return w->class->open(&doors, &driver_handler, w, &w->driver, reterr);
}

static int wallet_make_doors(Wallet *w) {
        const char *pin = w->config->wallet.pin, *ca_file = w->config->wallet.ca_file;
        int r;

        r = http_new(w->event, ca_file, &w->http);
        if (r >= 0)
                r = http_new(w->event, NULL, &w->web);
        if (r >= 0 && !isempty(pin))
                r = http_pin(w->http, pin);
        if (r >= 0)
                r = ws_loop_new(w->event, ca_file, &w->ws);
        return r;
}

static int wallet_begin(Wallet *w, const WalletSetup *setup) {
        const char *reason = "there is no memory";
        int r;

        if (setup->refused) {
                wallet_set_state(w, WALLET_REFUSED, "%s", setup->refused);
                return 0;
        }
        if (!w->class)
                return 0;
        r = wallet_make_doors(w);
        if (r == -EINVAL)
                reason = "[wallet] pin is not sha256//BASE64";
        if (r >= 0)
                r = wallet_open_driver(w, &reason);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                wallet_set_state(w, WALLET_REFUSED, "The wallet \"%s\" cannot be used: %s.",
                                w->class->name, reason);
                return 0;
        }
        wallet_load(w);
        return 0;
}

int wallet_new(sd_event *event, WalletSetup *setup, const WalletHooks *hooks, void *userdata,
                Wallet **ret) {
        _cleanup_(wallet_freep) Wallet *w = NULL;
        int r;

        w = new0(Wallet, 1);
        if (!w)
                return -ENOMEM;
        w->event = sd_event_ref(event);
        w->config = setup->config;
        w->class = setup->class;
        w->secret = TAKE_PTR(setup->secret);
        map_init(&w->payments, WALLET_PAYMENTS);
        map_init(&w->invoices, WALLET_INVOICES);
        map_init(&w->jobs, WALLET_INVOICES);
        w->store_socket = strdup(setup->store_socket);
        w->relay_socket = strdup(setup->relay_socket);
        w->signer_socket = strdup(setup->signer_socket);
        if (!w->store_socket || !w->relay_socket || !w->signer_socket)
                return -ENOMEM;
        w->bills = (NwcBills){ .event = w->event, .relay_socket = w->relay_socket };
        r = books_client_new(event, w->store_socket, &w->books);
        if (r < 0)
                return r;
        r = wallet_begin(w, setup);
        if (r < 0)
                return r;
        w->hooks = hooks;
        w->userdata = userdata;
        *ret = TAKE_PTR(w);
        return 0;
}

Wallet *wallet_free(Wallet *w) {
        Payment *p;
        Invoice *i;

        if (!w)
                return NULL;

        for (size_t c = 0; (p = map_next(&w->payments, &c)); c = 0)
                payment_free(p);
        for (size_t c = 0; (i = map_next(&w->invoices, &c)); c = 0)
                invoice_free(i);
        while (w->makings)
                making_free(w->makings);
        while (w->bookings)
                booking_free(w->bookings);
        books_call_free(w->loading);
        driver_op_free(w->asking);
        driver_free(w->driver);
        books_client_free(w->books);
        http_unref(w->http);
        http_unref(w->web);
        ws_loop_free(w->ws);
        secret_free(w->secret);
        sd_event_source_disable_unref(w->retry);
        map_done(&w->payments);
        map_done(&w->invoices);
        map_done(&w->jobs);
        free(w->store_socket);
        free(w->relay_socket);
        free(w->signer_socket);
        sd_event_unref(w->event);
        return mfree(w);
}

bool wallet_is_busy(const Wallet *w) {
        return map_size(&w->payments) > 0 || map_size(&w->invoices) > 0 || w->bookings ||
               w->makings || books_client_n_waiting(w->books) > 0;
}
