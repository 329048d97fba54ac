/* Coming online: our key, the open jobs of the store, the subscription, the announcement. Going: no
 * new jobs, the end of what runs, the withdrawal. */
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "bus/names.h"
#include "job-pay.h"
#include "provider.h"

#define PAGE         256
#define RETRY_FIRST  (500 * MSEC)
#define RETRY_MAX    (5 * MIN_)
#define WITHDRAW_MAX (5 * SEC)
#define ABOUT_MAX    2048

/* ---- what is announced */

typedef struct Announced {
        Announcement list[PROVIDER_KINDS_MAX];
        char identifiers[PROVIDER_KINDS_MAX][sizeof("pylon-65535")];
        char about[PROVIDER_KINDS_MAX][ABOUT_MAX];
        size_t n;
        char **models; /* of those that ask models */
} Announced;

/* What the owner says of it, and what this kind of work is. */
static void describe(const Provider *p, uint16_t kind, char ret[static ABOUT_MAX]) {
        const Kind *k = kind_table_find(&p->kind_table, kind);
        const char *about = p->config->description;

        (void) snprintf(ret, ABOUT_MAX, "%s%s%s", about, *about && k && k->name ? " " : "",
                        k && k->name ? k->name : "");
        ret[utf8_prefix(ret, strlen(ret), ABOUT_MAX - 1)] = '\0';
}

static void add_kind(Announced *a, Provider *p, const uint16_t *kind) {
        const Kind *k = kind_table_find(&p->kind_table, *kind);
        const Backend *b = provider_backend(p, *kind);
        const Config *c = p->config;
        const bool models = b && b->class->asks_models;
        char *identifier = a->identifiers[a->n], *about = a->about[a->n];

        (void) snprintf(identifier, sizeof(a->identifiers[0]), "pylon-%u", *kind);
        describe(p, *kind, about);
        a->list[a->n++] = (Announcement){
                .identifier = identifier,
                .name = c->name,
                .about = about,
                .kinds = kind,
                .n_kinds = 1,
                .price_msat = pricing_from(c, *kind),
                .network = network_name(c->network),
                .encryption = true,
                .models = models ? (const char *const *) a->models : NULL,
                .n_models = models ? strv_length(a->models) : 0,
                .params = k ? k->params : NULL,
        };
}

/* One announcement for each kind, so that each is found, replaced and withdrawn by itself. */
static void announce(Provider *p, bool again) {
        _cleanup_free_ Announced *a = new0(Announced, 1);

        if (!a || (p->router && router_models(p->router, &a->models) < 0)) {
                log_warning("There is no memory for the announcement.");
                return;
        }
        for (size_t i = 0; i < p->n_kinds; i++)
                add_kind(a, p, &p->kinds[i]);
        announcer_announce(&p->announcer, a->list, a->n, p->pubkey_hex, provider_now(p), again);
        strv_free(a->models);
}

/* ---- coming */

/* What is done as soon as it works: each step begins the next one. */
static void go_on(Provider *p);

static int on_retry(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Provider *p = userdata;

        p->retry = sd_event_source_disable_unref(p->retry);
        go_on(p);
        return 0;
}

/* Who asks for the status shall read it, and not only who looks into the log. */
static void tell_trouble(Provider *p, const char *what, const char *reason) {
        (void) snprintf(p->trouble, sizeof(p->trouble), "%s: %s", what, reason);
        p->changed(p, p->userdata);
}

static void retry_later(Provider *p, const char *what, const char *reason) {
        log_warning("%s: %s. Trying again in %u s.", what, reason,
                        (unsigned) (p->retry_usec / SEC));
        p->retry = sd_event_source_disable_unref(p->retry);
        if (sd_event_add_time_relative(p->event, &p->retry, CLOCK_BOOTTIME, p->retry_usec,
                            p->retry_usec / 8, on_retry, p) < 0)
                log_error("No timer is left; the provider stays offline.");
        p->retry_usec = MIN(p->retry_usec * 2, RETRY_MAX);
        tell_trouble(p, what, reason);
}

static int kinds_filter(const Provider *p, Buffer *b, const char *before, const char *quote,
                const char *after) {
        int r;

        r = buffer_add_string(b, before);
        for (size_t i = 0; i < p->n_kinds && r >= 0; i++)
                r = buffer_addf(b, "%s%s%u%s", i == 0 ? "" : ",", quote, p->kinds[i], quote);
        return r < 0 ? r : buffer_add_string(b, after);
}

/* Requests of all our kinds, and what is taken back of them (NIP-09). */
static int subscribe(Provider *p) {
        _cleanup_buffer_ Buffer requests = { .max = 4096 }, deletions = { .max = 4096 };
        char ours[HEX32_MAX + 32], zaps[HEX32_MAX + 32];
        int r;

        r = kinds_filter(p, &requests, "{\"kinds\":[", "", "]}")
                            ?: kinds_filter(p, &deletions, "{\"kinds\":[5],\"#k\":[", "\"", "]}");
        if (r < 0)
                return r;
        /* Not every client says the kind of what it takes back. */
        (void) snprintf(ours, sizeof(ours), "{\"kinds\":[5],\"#p\":[\"%s\"]}", p->pubkey_hex);
        (void) snprintf(zaps, sizeof(zaps), "{\"kinds\":[9735],\"#p\":[\"%s\"]}", p->pubkey_hex);
        return relay_client_subscribe(p->relay, PROVIDER_SUBSCRIPTION,
                        (const char *const[]){ requests.data, deletions.data, ours,
                                        zaps_are_taken(p) ? zaps : NULL, NULL },
                        NULL);
}

void provider_go_on(Provider *p) {
        go_on(p);
}

void provider_try_again(Provider *p, const char *what, const char *reason) {
        retry_later(p, what, reason);
}

void provider_announce(Provider *p) {
        announce(p, true);
}

/* Whom the roots follow; the own key, where none is named. */
static void start_trusting(Provider *p) {
        char *own[] = { p->pubkey_hex, NULL };
        char *const *texts = p->config->provider.trust_roots;
        const char *culprit = "";
        KeySet roots = {};
        int r;

        if (!streq(p->config->provider.trust, "follows")) {
                trust_stop(&p->trust);
                return;
        }
        r = keyset_parse(&roots, strv_length(texts) > 0 ? texts : own, &culprit);
        if (r == -EINVAL)
                log_warning("\"%s\" is no public key; it is not trusted.", culprit);
        if (r != -ENOMEM)
                r = trust_start(&p->trust, &roots);
        if (r < 0)
                (void) log_warning_errno(r, "Whom to trust cannot be found out: %m");
        keyset_done(&roots);
}

void provider_come_online(Provider *p) {
        int r;

        r = subscribe(p);
        if (r < 0) {
                retry_later(p, "The provider could not subscribe", strerror(-r));
                return;
        }

        announce(p, false);
        start_trusting(p);
        outreach_online(p);
        p->going_online = p->withdrawing = false;
        p->retry_usec = RETRY_FIRST;
        p->trouble[0] = '\0';
        provider_set_state(p, PROVIDER_ONLINE);
        provider_want_turn(p);
}

static void resume(Provider *p, const StoreJob *row) {
        _cleanup_(job_request_freep) JobRequest *request = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = "there is no memory";
        Job *job = NULL;
        int r;

        r = event_parse_trusted(row->request, strlen(row->request), &e, &reason);
        if (r >= 0 && map_get(&p->jobs, event_id(e), 32))
                return;
        if (r >= 0)
                r = job_request_parse(e, &request, &reason);
        if (r >= 0)
                r = job_new(p, request, row->relay, &job);
        if (r < 0) {
                log_warning("Job %.12s of the database cannot be taken up: %s.", row->id, reason);
                return;
        }
        (void) TAKE_PTR(request);
        job->price_msat = row->price_msat;
        if (row->price_msat == 0) {
                job_resume(job, row->state, row->result);
                return;
        }

        /* Whether it is paid has to be known before anything is done with it. */
        job->pay.dormant = true;
        job->pay.row_state = strdup(row->state);
        job->pay.row_result = strdup(row->result);
        if (!job->pay.row_state || !job->pay.row_result)
                (void) job_free(job);
}

static void on_open_jobs(
                int error, const char *reason, const StoreJob *jobs, size_t n, void *userdata) {
        Provider *p = userdata;

        if (error < 0) {
                retry_later(p, "The open jobs could not be read", reason);
                return;
        }

        for (size_t i = 0; i < n; i++)
                resume(p, jobs + i);
        if (n > 0)
                (void) snprintf(p->last_loaded, sizeof(p->last_loaded), "%s", jobs[n - 1].id);
        p->loaded = n == 0;
        if (payments_ask(p) <= 0)
                go_on(p);
}

static void on_public_key(int error, const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Provider *p = userdata;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
                name = "";
        }
        if (error < 0 && streq(name, BUS_ERROR_NO_KEY)) {
                /* Online() comes again when there is one. */
                log_error("There is no identity yet; `pylon init` makes one.");
                p->going_online = false;
                tell_trouble(p, "There is no identity yet", "`pylon init` makes one");
                return;
        }
        if (error < 0) {
                retry_later(p, "The signer does not tell our key", reason);
                return;
        }

        (void) snprintf(p->pubkey_hex, sizeof(p->pubkey_hex), "%s", results[0].text);
        go_on(p);
}

static void on_announced_before(int error, const char *reason, void *userdata) {
        Provider *p = userdata;

        if (error < 0)
                retry_later(p, "The store does not tell what is announced", reason);
        else
                go_on(p);
}

static void on_wish(int error, const char *reason, const char *value, void *userdata) {
        Provider *p = userdata;

        if (error < 0) {
                retry_later(p, "The store does not tell whether to be online", reason);
                return;
        }
        if (!p->wished && streq(value, "no")) {
                p->going_online = false;
                return;
        }
        p->wished = true;
        go_on(p);
}

/* What there is to announce is known, or late. */
static void on_looked(RouterLook *look) {
        Provider *p = container_of(look, Provider, look);

        p->looked = true;
        go_on(p);
}

/* Somebody who wants to be paid and cannot be would only disappoint. */
static bool cannot_be_paid(Provider *p) {
        if (!p->config->require_payment || pricing_has_wallet(p->config))
                return false;

        log_error("Jobs have to be paid here, and there is no wallet: set [wallet] driver, or require_payment = false.");
        p->going_online = false;
        tell_trouble(p, "Jobs have to be paid here, and there is no wallet",
                        "set [wallet] driver, or require_payment = false");
        return true;
}

static void go_on(Provider *p) {
        int r = 0;

        if (!p->going_online || (p->wished && cannot_be_paid(p)))
                return;
        if (!p->wished)
                r = store_get_setting(p->store, PROVIDER_WISH, on_wish, p, &p->store_call);
        else if (!*p->pubkey_hex)
                r = signer_public_key(p->signer, PROVIDER_KEY, on_public_key, p, &p->signer_call);
        else if (!p->announcer.loaded)
                r = announcer_load(&p->announcer, on_announced_before, p);
        else if (!p->remember.done)
                r = remember_read(p);
        else if (!p->loaded)
                r = store_open_jobs(
                                p->store, p->last_loaded, PAGE, on_open_jobs, p, &p->store_call);
        else if (router_is_new(p->router) && !p->looked) {
                if (!p->look.router)
                        router_look(p->router, &p->look, on_looked);
        } else
                provider_come_online(p);
        if (r < 0)
                retry_later(p, "The provider could not go online", strerror(-r));
}

static void go_online(Provider *p) {
        if (p->state == PROVIDER_ONLINE || p->going_online)
                return;

        p->going_online = true;
        p->retry_usec = RETRY_FIRST;
        p->retry = sd_event_source_disable_unref(p->retry);
        go_on(p);
}

void provider_go_online(Provider *p) {
        p->wished = true;
        go_online(p);
}

void provider_go_as_wished(Provider *p) {
        p->wished = false;
        go_online(p);
}

void provider_read_again(Provider *p) {
        if (p->state != PROVIDER_ONLINE || p->going_online)
                return;

        p->loaded = false;
        p->last_loaded[0] = '\0';
        p->going_online = true;
        p->retry_usec = RETRY_FIRST;
        go_on(p);
}

/* ---- going */

static void on_withdrawn(void *userdata) {
        Provider *p = userdata;

        if (!p->withdrawing)
                return; /* it came online again meanwhile */

        p->withdrawing = false;
        p->retry = sd_event_source_disable_unref(p->retry);
        provider_set_state(p, PROVIDER_OFFLINE);
}

static int on_withdraw_timeout(
                _unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        log_warning("The announcement could not be withdrawn: signer or relay do not answer.");
        on_withdrawn(userdata);
        return 0;
}

void provider_end_drain(Provider *p) {
        if (p->withdrawing)
                return;

        p->withdrawing = true;
        tally_flush(&p->tally);
        p->retry = sd_event_source_disable_unref(p->retry);
        if (!announcer_withdraw(&p->announcer, p->pubkey_hex, provider_now(p), on_withdrawn, p) ||
                        sd_event_add_time_relative(p->event, &p->retry, CLOCK_BOOTTIME,
                                        WITHDRAW_MAX, 100 * MSEC, on_withdraw_timeout, p) < 0)
                on_withdrawn(p);
}

/* What still runs runs again at the next start. */
static int on_drain_timeout(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Provider *p = userdata;

        log_notice("Jobs still run; they will run again.");
        provider_end_drain(p);
        return 0;
}

void provider_drain(Provider *p, bool run_queue) {
        if (p->withdrawing && !p->going_online)
                return; /* it is offline as soon as that is over */

        p->going_online = p->withdrawing = false;
        p->trouble[0] = '\0';
        p->signer_call = signer_call_free(p->signer_call);
        p->store_call = store_call_free(p->store_call);
        p->retry = sd_event_source_disable_unref(p->retry);
        p->run_queue = run_queue;
        if (p->state == PROVIDER_OFFLINE) {
                p->changed(p, p->userdata);
                return;
        }

        (void) relay_client_unsubscribe(p->relay, PROVIDER_SUBSCRIPTION, false);
        outreach_offline(p);
        if (!run_queue && sd_event_add_time_relative(p->event, &p->retry, CLOCK_BOOTTIME,
                                          p->config->provider.drain_timeout, 100 * MSEC,
                                          on_drain_timeout, p) < 0)
                log_warning("No timer is left; the drain takes as long as it takes.");
        provider_set_state(p, PROVIDER_DRAINING);
        provider_want_turn(p);
}

bool provider_is_busy(const Provider *p) {
        return p->state != PROVIDER_OFFLINE || p->going_online || p->n_infers > 0;
}
