#include "purse.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/log.h"
#include "bus/names.h"
#include "money/msat.h"

#define SECRET_MAX        (16 * 1024)
#define SECRET_CREDENTIAL "pylon-wallet-secret"
#define SECRET_FILE       "wallet.secret"
#define TELL_AGAIN        (30 * SEC)
#define STATUS_PAUSE      SEC

/* ---- the secret */

/* A file that others could read is refused with the command that mends it. */
static int open_secret(const char *path, char *refused, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 && errno == ENOENT)
                return -ENOENT;
        if (fd < 0 || fstat(fd, &st) < 0) {
                (void) snprintf(refused, size, "The wallet's secret \"%s\" could not be read: %s.",
                                path, strerror(errno));
                return -EACCES;
        }
        if (!S_ISREG(st.st_mode) || (st.st_mode & 077) ||
                        (st.st_uid != geteuid() && st.st_uid != 0)) {
                (void) snprintf(refused, size,
                                "The wallet's secret \"%s\" can be read by others: `chmod 600 %s`.",
                                path, path);
                return -EPERM;
        }
        return TAKE_FD(fd);
}

static void trim(Secret *s) {
        size_t n = secret_size(s);

        while (n > 0 && strchr("\r\n\t ", secret_text(s)[n - 1]))
                n--;
        secret_truncate(s, n);
}

static int secret_path(Service *s, char **ret) {
        const Config *c = service_config(s);
        const char *home = startswith(c->wallet.secret_file, "~/"), *at;

        if (isempty(c->wallet.secret_file))
                return paths_file(service_paths(s), SECRET_FILE, ret);
        at = home ? strstr(service_paths(s)->data, "/.openagents/") : NULL;
        if (home && at) {
                if (asprintf(ret, "%.*s/%s", (int) (at - service_paths(s)->data),
                                    service_paths(s)->data, home) < 0)
                        return -ENOMEM;
                return 0;
        }
        *ret = strdup(c->wallet.secret_file);
        return *ret ? 0 : -ENOMEM;
}

/* 0 without a secret where there is none: the driver says whether it needs one. */
static int read_secret(Service *s, Secret **ret, char *refused, size_t size) {
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = secret_credential(SECRET_CREDENTIAL, SECRET_MAX, ret);
        if (r == -ENOENT) {
                r = secret_path(s, &path);
                if (r < 0)
                        return r;
                fd = open_secret(path, refused, size);
                if (fd < 0)
                        return fd == -ENOENT ? 0 : fd;
                r = secret_read(fd, SECRET_MAX, ret);
        }
        if (r < 0) {
                (void) snprintf(refused, size, "The wallet's secret could not be read: %s.",
                                strerror(-r));
                return r;
        }
        trim(*ret);
        return 0;
}

/* ---- settlements are told until they are noted */

static Unnoted *unnoted_free(Unnoted *u) {
        free(u->job);
        free(u->stage);
        return mfree(u);
}

static int append_unnoted(sd_bus_message *m, const Purse *p) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(ssxx)");
        for (const Unnoted *u = p->unnoted; u && r >= 0; u = u->next)
                if (!u->told)
                        r = sd_bus_message_append(m, "(ssxx)", u->job, u->stage, u->received_msat,
                                        u->settled_at);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int tell_one(Purse *p, sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (bus_is_slow(bus))
                return -EAGAIN;
        r = sd_bus_message_new_signal(bus, &m, BUS_PATH, BUS_WALLET_SERVICE, "Settled");
        if (r >= 0)
                r = append_unnoted(m, p);
        return r < 0 ? r : sd_bus_send(bus, m, NULL);
}

static void tell_in(Purse *p, usec_t pause) {
        if (sd_event_source_set_time_relative(p->tell, pause) < 0 ||
                        sd_event_source_set_enabled(p->tell, SD_EVENT_ONESHOT) < 0)
                log_error("No timer is left to tell of settlements.");
}

static int on_tell(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Purse *p = userdata;
        bool fresh = false, all = true;

        for (const Unnoted *u = p->unnoted; u && !fresh; u = u->next)
                fresh = !u->told;
        for (size_t i = 0; fresh && i < p->n_listeners; i++)
                all &= tell_one(p, p->listeners[i]) >= 0;
        for (Unnoted *u = p->unnoted; u && all && p->n_listeners > 0; u = u->next)
                u->told = true;
        if (!all)
                tell_in(p, 100 * MSEC);
        return 0;
}

void purse_listen(Purse *p, sd_bus *bus) {
        for (size_t i = 0; i < p->n_listeners; i++)
                if (p->listeners[i] == bus)
                        return;
        if (p->n_listeners == PURSE_LISTENERS_MAX)
                return;
        p->listeners[p->n_listeners++] = bus;
        for (Unnoted *u = p->unnoted; u; u = u->next)
                u->told = false;
        tell_in(p, 0);
}

void purse_gone(Purse *p, sd_bus *bus) {
        for (size_t i = 0; i < p->n_listeners; i++)
                if (p->listeners[i] == bus)
                        p->listeners[i--] = p->listeners[--p->n_listeners];
}

void purse_noted(Purse *p, const char *job) {
        for (Unnoted **at = &p->unnoted; *at;) {
                Unnoted *u = *at;

                if (streq(u->job, job)) {
                        *at = u->next;
                        unnoted_free(u);
                        p->n_unnoted--;
                } else
                        at = &u->next;
        }
}

static void unnoted_add(Purse *p, const Invoice *i, int64_t received_msat, int64_t settled_at) {
        Unnoted *u;

        if (p->n_unnoted == PURSE_UNNOTED_MAX)
                return; /* who asks for its jobs' payments is told */
        u = new0(Unnoted, 1);
        if (!u)
                return;
        *u = (Unnoted){
                .job = strdup(i->job),
                .stage = strdup(i->stage),
                .received_msat = received_msat,
                .settled_at = settled_at,
                .next = p->unnoted,
        };
        if (!u->job || !u->stage) {
                unnoted_free(u);
                return;
        }
        p->unnoted = u;
        p->n_unnoted++;
        tell_in(p, 0);
}

/* ---- what the wallet says */

static unsigned n_under_way(const Wallet *w) {
        const Payment *p;
        unsigned n = 0;

        MAP_FOREACH (p, &w->payments)
                n += !streq(payment_word(p), "settled") && !streq(payment_word(p), "failed");
        return n;
}

static void purse_status(Purse *p) {
        const Wallet *w = p->wallet;

        if (w->state == WALLET_READY)
                service_status(p->service,
                                "The wallet \"%s\" is ready on %s; payments under way: %u.",
                                wallet_driver(w), network_name(w->config->network), n_under_way(w));
        else
                service_status(p->service, "%s",
                                w->state == WALLET_NONE ? "No wallet is set up."
                                : *w->reason            ? w->reason
                                                        : "Starting.");
}

static int on_status(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        purse_status(userdata);
        return 0;
}

/* Many payments a second are one line of status. */
static void purse_status_soon(Purse *p) {
        int on;

        if (sd_event_source_get_enabled(p->status, &on) > 0)
                return;
        if (sd_event_source_set_time_relative(p->status, STATUS_PAUSE) < 0 ||
                        sd_event_source_set_enabled(p->status, SD_EVENT_ONESHOT) < 0)
                purse_status(p);
}

static void on_changed(Wallet *w, void *userdata) {
        Purse *p = userdata;
        size_t n = p->n_deferred;

        purse_status(p);
        bus_server_changed(service_server(p->service), BUS_WALLET, "State", NULL);
        if (w->state == WALLET_LOADING)
                return;
        if (p->nwc)
                nwc_service_refresh(p->nwc);
        p->n_deferred = 0;
        for (size_t i = 0; i < n; i++) {
                sd_bus_message *m = p->deferred[i];

                if (sd_bus_enqueue_for_read(sd_bus_message_get_bus(m), m) < 0)
                        (void) sd_bus_reply_method_errorf(m, BUS_ERROR_BUSY, "Ask again.");
                sd_bus_message_unref(m);
        }
}

static void on_paid(const Invoice *i, int64_t received_msat, int64_t settled_at, void *userdata) {
        Purse *p = userdata;

        nwc_service_paid(p->nwc, i);
        if (!isempty(i->job))
                unnoted_add(p, i, received_msat, settled_at);
        bus_server_signal(service_server(p->service), BUS_WALLET, "InvoiceSettled", "ssx", i->hash,
                        i->account, received_msat);
}

static void on_moved(Payment *payment, void *userdata) {
        Purse *p = userdata;

        nwc_service_moved(p->nwc, payment);
        bus_server_signal(service_server(p->service), BUS_WALLET, "PaymentChanged", "ss",
                        payment->id, payment_word(payment));
        purse_status_soon(p);
}

static const WalletHooks hooks = {
        .changed = on_changed,
        .paid = on_paid,
        .moved = on_moved,
};

int purse_wait_ready(Purse *p, sd_bus_message *m, sd_bus_error *error) {
        const char *name, *trouble = wallet_trouble(p->wallet, &name);

        if (!trouble)
                return 1;
        if (p->wallet->state == WALLET_LOADING && p->n_deferred < PURSE_DEFERRED_MAX) {
                p->deferred[p->n_deferred++] = sd_bus_message_ref(m);
                return 0;
        }
        return sd_bus_error_set(error, name, trouble);
}

/* ---- life cycle */

static int purse_open_wallet(Purse *p) {
        _cleanup_free_ char *store = NULL, *relay = NULL, *signer = NULL;
        const Config *config = service_config(p->service);
        char refused[WALLET_REASON_MAX] = "";
        WalletSetup setup = { .config = config };
        int r;

        setup.class = driver_class(config_wallet_driver(config));
        if (!setup.class && !streq(config_wallet_driver(config), "none"))
                (void) snprintf(refused, sizeof(refused),
                                "The wallet \"%s\" is not part of this build.",
                                config_wallet_driver(config));
        if (setup.class && !*refused)
                (void) read_secret(p->service, &setup.secret, refused, sizeof(refused));
        setup.refused = *refused ? refused : NULL;
        r = service_socket(p->service, "store", &store);
        if (r >= 0)
                r = service_socket(p->service, "relay", &relay);
        if (r >= 0)
                r = service_socket(p->service, "signer", &signer);
        setup.store_socket = store;
        setup.relay_socket = relay;
        setup.signer_socket = signer;
        if (r >= 0)
                r = wallet_new(service_event(p->service), &setup, &hooks, p, &p->wallet);
        secret_free(setup.secret);
        if (r >= 0)
                r = nwc_service_new(p->wallet, &p->nwc);
        if (r >= 0)
                purse_status(p);
        return r;
}

int purse_new(Service *s, Purse **ret) {
        _cleanup_(purse_freep) Purse *p = NULL;
        int r;

        p = new0(Purse, 1);
        if (!p)
                return -ENOMEM;
        p->service = s;
        r = sd_event_add_time_relative(
                        service_event(s), &p->tell, CLOCK_MONOTONIC, TELL_AGAIN, 1, on_tell, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->tell, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(service_event(s), &p->status, CLOCK_MONOTONIC,
                                STATUS_PAUSE, STATUS_PAUSE / 4, on_status, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->status, SD_EVENT_OFF);
        if (r >= 0)
                r = purse_open_wallet(p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static bool same_wallet(const Config *a, const Config *b) {
        return a->network == b->network && streq(a->wallet.driver, b->wallet.driver) &&
               streq(a->wallet.url, b->wallet.url) &&
               streq(a->wallet.secret_file, b->wallet.secret_file) &&
               streq(a->wallet.ca_file, b->wallet.ca_file) && streq(a->wallet.pin, b->wallet.pin);
}

void purse_reload(Purse *p, const Config *old) {
        const Config *config = service_config(p->service);
        bool same = same_wallet(old, config) && p->wallet->state != WALLET_REFUSED;

        p->wallet->config = config;
        if (p->wallet->driver)
                p->wallet->driver->doors.config = config;
        if (same)
                return;
        log_notice("The wallet is another one by its settings, and starts anew.");
        service_exit(p->service, EXIT_SUCCESS);
}

Purse *purse_free(Purse *p) {
        if (!p)
                return NULL;

        p->nwc = nwc_service_free(p->nwc);
        p->wallet = wallet_free(p->wallet);
        for (size_t i = 0; i < p->n_deferred; i++)
                sd_bus_message_unref(p->deferred[i]);
        while (p->unnoted) {
                Unnoted *u = p->unnoted;

                p->unnoted = u->next;
                unnoted_free(u);
        }
        sd_event_source_disable_unref(p->tell);
        sd_event_source_disable_unref(p->status);
        free(p->zap_server.address);
        free(p->zap_server.lnurl);
        return mfree(p);
}

bool purse_is_busy(const Purse *p) {
        return p->n_calls > 0 || wallet_is_busy(p->wallet) || nwc_service_is_busy(p->nwc);
}
