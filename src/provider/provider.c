#include "provider.h"

#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "bus/names.h"

#define JOBS_MAX       (4 << 20)
#define PAGE           256
#define RETRY_FIRST    (500 * MSEC)
#define RETRY_MAX      (5 * MIN_)
#define IDENTIFIER     "pylon" /* of the announcement: the same as long as the key is */
#define RUNS_IN_A_TURN 256

static const char *const state_names[_PROVIDER_STATE_MAX] = {
        [PROVIDER_OFFLINE] = "offline",
        [PROVIDER_ONLINE] = "online",
        [PROVIDER_DRAINING] = "draining",
};

const char *provider_state_name(ProviderState s) {
        return state_names[s];
}

int64_t provider_now(const Provider *p) {
        uint64_t usec = 0;

        (void) sd_event_now(p->event, CLOCK_REALTIME, &usec); /* fails for a wrong clock only */
        return (int64_t) (usec / SEC);
}

static void provider_set_state(Provider *p, ProviderState s) {
        if (p->state == s)
                return;

        p->state = s;
        if (s == PROVIDER_ONLINE)
                log_event(LOG_NOTICE, LOG_ID_ONLINE, NULL, "The provider is online.");
        if (s == PROVIDER_OFFLINE)
                log_event(LOG_NOTICE, LOG_ID_OFFLINE, NULL, "The provider is offline.");
        p->changed(p, p->userdata);
}

/* ---- for the jobs */

Backend *provider_backend(Provider *p, uint16_t kind) {
        for (size_t i = 0; i < p->n_backends; i++)
                for (size_t n = 0; n < p->backends[i]->class->n_kinds; n++)
                        if (p->backends[i]->class->kinds[n] == kind)
                                return p->backends[i];
        return NULL;
}

Limits provider_limits(const Provider *p, const JobRequest *r) {
        const Config *c = p->config;

        return (Limits){
                .pubkey_hex = p->pubkey_hex,
                .kinds = p->kinds,
                .n_kinds = p->n_kinds,
                .open = p->state == PROVIDER_ONLINE,
                .price_msat = c->require_payment ? MAX(c->min_price_msats, INT64_C(1)) : 0,
                .age_max = (int64_t) (c->provider.accept_age / SEC),
                .queue_max = c->provider.queue_max,
                .per_customer_max = c->provider.per_customer_max,
                .n_queued = map_size(&p->jobs) - 1, /* all that are open, but this one */
                .n_of_customer = customers_n_jobs(&p->customers, event_pubkey_hex(r->event)),
        };
}

void provider_want_turn(Provider *p) {
        (void) sd_event_source_set_enabled(p->turn, SD_EVENT_ONESHOT);
}

void provider_finish(Provider *p, uint64_t seq) {
        uint64_t up_to = inbox_finish(&p->inbox, seq);

        if (up_to > 0)
                relay_client_acknowledge(p->relay, PROVIDER_SUBSCRIPTION, up_to);
}

unsigned provider_n_in_state(const Provider *p, JobState state) {
        const Job *job;
        unsigned n = 0;

        MAP_FOREACH (job, &p->jobs)
                n += job->flow.state == (int) state;
        return n;
}

/* ---- turns: who runs next; whether a drain is over */

static bool may_run(const Provider *p, const Job *job) {
        const Backend *b = job->work->backend;

        if (job->work->small)
                return true;
        return p->n_running < p->config->provider.max_concurrent_jobs && b->n_used < b->n_slots;
}

static bool queue_is_open(const Provider *p) {
        return p->state == PROVIDER_ONLINE || (p->state == PROVIDER_DRAINING && p->run_queue);
}

static bool is_settled(Provider *p) {
        Job *job;

        MAP_FOREACH (job, &p->jobs) {
                JobState s = (JobState) job->flow.state;

                if (job->flow.recording || s == JOB_RECEIVED || s == JOB_RUNNING || job->publish)
                        return false;
                if (s == JOB_QUEUED && p->run_queue)
                        return false;
        }
        return true;
}

static Announcement provider_announcement(const Provider *p) {
        const Config *c = p->config;

        return (Announcement){
                .identifier = IDENTIFIER,
                .name = c->name,
                .about = c->description,
                .kinds = p->kinds,
                .n_kinds = p->n_kinds,
                .price_msat = c->require_payment ? c->min_price_msats : 0,
                .network = network_name(c->network),
                .encryption = true,
        };
}

static void on_withdrawn(void *userdata) {
        Provider *p = userdata;

        if (!p->withdrawing)
                return; /* it came online again meanwhile */

        p->withdrawing = false;
        p->retry = sd_event_source_disable_unref(p->retry);
        provider_set_state(p, PROVIDER_OFFLINE);
}

static void drain_end(Provider *p) {
        const Announcement a = provider_announcement(p);

        if (p->withdrawing)
                return;

        p->withdrawing = true;
        if (!announcer_withdraw(&p->announcer, &a, p->pubkey_hex, provider_now(p), on_withdrawn, p))
                on_withdrawn(p);
}

static int on_turn(_unused_ sd_event_source *s, void *userdata) {
        Provider *p = userdata;
        unsigned n = 0;

        while (queue_is_open(p) && p->queue.n > 0 && n++ < RUNS_IN_A_TURN) {
                Job *job = container_of(p->queue.first, Job, queue);

                if (!may_run(p, job))
                        break;
                queue_remove(&p->queue, &job->queue);
                job_run_now(job);
        }
        if (n > RUNS_IN_A_TURN)
                provider_want_turn(p);

        if (p->state == PROVIDER_DRAINING && is_settled(p))
                drain_end(p);
        return 0;
}

/* ---- what the relay hands over */

static void on_cancellation(Provider *p, const Event *e) {
        const Tag *t = NULL;

        while ((t = event_find_tag(e, "e", t))) {
                uint8_t id[32];
                Job *job;

                if (t->n < 2 || hex_decode(t->values[1], id, sizeof(id)) < 0)
                        continue;
                job = map_get(&p->jobs, id, sizeof(id));
                /* NIP-09: only its author may take back what he wrote. */
                if (job && memcmp(event_pubkey(job->request->event), event_pubkey(e), 32) == 0)
                        job_cancel(job);
        }
}

/* True: a job has taken the delivery over and finishes with it. */
static bool on_request(Provider *p, const RelayEvent *e) {
        _cleanup_(job_request_freep) JobRequest *request = NULL;
        const char *reason;
        Job *job;
        int r;

        job = map_get(&p->jobs, event_id(e->event), 32);
        if (job && (job->stored || job->seq > 0))
                return false; /* on disk, or its first delivery is not finished before that */
        if (job) {
                job->seq = e->seq;
                return true;
        }
        if (job_request_parse(e->event, &request, &reason) < 0)
                return false;

        r = job_new(p, request, e->relay, &job);
        if (r < 0) {
                (void) log_warning_errno(r, "A request could not be looked at: %m");
                return false;
        }
        (void) TAKE_PTR(request);
        job->seq = e->seq;
        job_start(job);
        return true;
}

/* The relay was started again and will hand over what was not acknowledged, with other numbers. */
static void forget_deliveries(Provider *p) {
        Job *job;

        MAP_FOREACH (job, &p->jobs)
                job->seq = 0;
}

static void on_events(
                _unused_ const char *name, const RelayEvent *events, size_t n, void *userdata) {
        Provider *p = userdata;
        int r;

        for (const RelayEvent *e = events; e < events + n; e++) {
                r = inbox_add(&p->inbox, e->seq);
                if (r < 0) {
                        log_debug("The relay sends more than was agreed.");
                        return; /* it comes again */
                }
                if (r > 0)
                        forget_deliveries(p);
                if (event_kind(e->event) == 5)
                        on_cancellation(p, e->event);
                else if (on_request(p, e))
                        continue;
                provider_finish(p, e->seq);
        }
}

static void on_outcome(const char *id_hex, const char *relay, RelayVerdict verdict,
                const char *message, void *userdata) {
        Provider *p = userdata;
        uint8_t id[32];
        Job *job;

        if (hex_decode(id_hex, id, sizeof(id)) < 0)
                return;

        job = map_get(&p->results, id, sizeof(id));
        if (job)
                job_outcome(job, relay, verdict, message);
        else if (verdict != RELAY_TRYING)
                relay_client_forget(
                                p->relay, id_hex); /* an announcement, or a job that has ended */
}

static const RelayHandler relay_handler = {
        .events = on_events,
        .outcome = on_outcome,
};

/* ---- going online: our key, the open jobs, the subscription, the announcement */

/* What is done as soon as it works: each step begins the next one. */
static void go_on(Provider *p);

static int on_retry(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Provider *p = userdata;

        p->retry = sd_event_source_disable_unref(p->retry);
        go_on(p);
        return 0;
}

static void retry_later(Provider *p, const char *what, const char *reason) {
        log_warning("%s: %s. Trying again in %u s.", what, reason,
                        (unsigned) (p->retry_usec / SEC));
        p->retry = sd_event_source_disable_unref(p->retry);
        if (sd_event_add_time_relative(p->event, &p->retry, CLOCK_BOOTTIME, p->retry_usec,
                            p->retry_usec / 8, on_retry, p) < 0)
                log_error("No timer is left; the provider stays offline.");
        p->retry_usec = MIN(p->retry_usec * 2, RETRY_MAX);
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
        int r;

        r = kinds_filter(p, &requests, "{\"kinds\":[", "", "]}")
                            ?: kinds_filter(p, &deletions, "{\"kinds\":[5],\"#k\":[", "\"", "]}");
        if (r < 0)
                return r;
        return relay_client_subscribe(p->relay, PROVIDER_SUBSCRIPTION,
                        (const char *const[]){ requests.data, deletions.data, NULL }, NULL);
}

static void come_online(Provider *p) {
        const Announcement a = provider_announcement(p);
        int r;

        r = subscribe(p);
        if (r < 0) {
                retry_later(p, "The provider could not subscribe", strerror(-r));
                return;
        }

        announcer_announce(&p->announcer, &a, provider_now(p));
        p->going_online = p->withdrawing = false;
        p->retry_usec = RETRY_FIRST;
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
        job_resume(job, row->state, row->result);
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
                return;
        }
        if (error < 0) {
                retry_later(p, "The signer does not tell our key", reason);
                return;
        }

        (void) snprintf(p->pubkey_hex, sizeof(p->pubkey_hex), "%s", results[0].text);
        go_on(p);
}

static void go_on(Provider *p) {
        int r = 0;

        if (!p->going_online)
                return;
        if (!*p->pubkey_hex)
                r = signer_public_key(p->signer, PROVIDER_KEY, on_public_key, p, &p->signer_call);
        else if (!p->loaded)
                r = store_open_jobs(
                                p->store, p->last_loaded, PAGE, on_open_jobs, p, &p->store_call);
        else
                come_online(p);
        if (r < 0)
                retry_later(p, "The provider could not go online", strerror(-r));
}

void provider_go_online(Provider *p) {
        if (p->state == PROVIDER_ONLINE || p->going_online)
                return;

        p->going_online = true;
        p->retry_usec = RETRY_FIRST;
        p->retry = sd_event_source_disable_unref(p->retry);
        go_on(p);
}

static void on_wish(int error, const char *reason, const char *value, void *userdata) {
        Provider *p = userdata;

        if (error < 0)
                log_warning("The store does not tell whether to be online: %s.", reason);
        else if (!streq(value, "no"))
                provider_go_online(p);
}

void provider_go_as_wished(Provider *p) {
        int r;

        r = store_get_setting(p->store, PROVIDER_WISH, on_wish, p, &p->store_call);
        if (r < 0)
                (void) log_warning_errno(r, "The store cannot be asked whether to be online: %m");
}

/* ---- going offline */

/* What still runs runs again at the next start. */
static int on_drain_timeout(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Provider *p = userdata;

        log_notice("Jobs still run; they will run again.");
        p->retry = sd_event_source_disable_unref(p->retry);
        drain_end(p);
        return 0;
}

void provider_drain(Provider *p, bool run_queue) {
        p->going_online = false;
        p->signer_call = signer_call_free(p->signer_call);
        p->store_call = store_call_free(p->store_call);
        p->retry = sd_event_source_disable_unref(p->retry);
        p->run_queue = run_queue;
        if (p->state == PROVIDER_OFFLINE) {
                p->changed(p, p->userdata);
                return;
        }

        (void) relay_client_unsubscribe(p->relay, PROVIDER_SUBSCRIPTION, false);
        if (!run_queue && sd_event_add_time_relative(p->event, &p->retry, CLOCK_BOOTTIME,
                                          p->config->provider.drain_timeout, 100 * MSEC,
                                          on_drain_timeout, p) < 0)
                log_warning("No timer is left; the drain takes as long as it takes.");
        provider_set_state(p, PROVIDER_DRAINING);
        provider_want_turn(p);
}

bool provider_is_busy(const Provider *p) {
        return p->state != PROVIDER_OFFLINE || p->going_online || p->store_call;
}

/* ---- life */

/* Kinds that some backend can do and the configuration does not exclude. */
static void choose_kinds(Provider *p) {
        const ConfigKinds *wanted = &p->config->provider.kinds;

        p->n_kinds = 0;
        for (size_t i = 0; i < p->n_backends; i++) {
                const BackendClass *class = p->backends[i]->class;

                for (size_t n = 0; n < class->n_kinds && p->n_kinds < PROVIDER_KINDS_MAX; n++) {
                        bool use = wanted->n_kinds == 0;

                        for (size_t w = 0; w < wanted->n_kinds; w++)
                                use |= wanted->kinds[w] == class->kinds[n];
                        if (use)
                                p->kinds[p->n_kinds++] = class->kinds[n];
                }
        }
}

static int open_backends(Provider *p) {
        for (size_t i = 0; backend_classes[i]; i++) {
                int r;

                assert(i < PROVIDER_BACKENDS_MAX);
                r = backend_classes[i]->open(p->event, p->config, &p->backends[p->n_backends]);
                if (r < 0)
                        return r;
                p->n_backends++;
        }
        choose_kinds(p);
        return 0;
}

static int open_clients(Provider *p, const ProviderSockets *sockets) {
        int r;

        r = store_client_new(p->event, sockets->store, &p->store);
        if (r >= 0)
                r = signer_client_new(p->event, sockets->signer, &p->signer);
        if (r >= 0)
                r = relay_client_new(p->event, sockets->relay, &relay_handler, p, &p->relay);
        if (r < 0)
                return r;

        p->announcer = (Announcer){ .signer = p->signer, .relay = p->relay };
        return 0;
}

int provider_new(sd_event *event, const Config *config, const ProviderSockets *sockets,
                void (*changed)(Provider *p, void *userdata), void *userdata, Provider **ret) {
        _cleanup_(provider_freep) Provider *p = NULL;
        int r;

        p = new0(Provider, 1);
        if (!p)
                return -ENOMEM;

        p->event = sd_event_ref(event);
        p->config = config;
        p->changed = changed;
        p->userdata = userdata;
        p->started_at = (usec_t) provider_now(p) * SEC;
        map_init(&p->jobs, JOBS_MAX);
        map_init(&p->results, JOBS_MAX);
        customers_init(&p->customers, JOBS_MAX);

        r = sd_event_add_defer(event, &p->turn, on_turn, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->turn, SD_EVENT_OFF);
        if (r >= 0)
                r = open_backends(p);
        if (r >= 0)
                r = open_clients(p, sockets);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(p);
        return 0;
}

void provider_reload(Provider *p, const Config *config) {
        p->config = config;
        for (size_t i = 0; i < p->n_backends; i++)
                p->backends[i]->class->reload(p->backends[i], config);
        choose_kinds(p);
        if (p->state == PROVIDER_ONLINE)
                come_online(p);
}

Provider *provider_free(Provider *p) {
        if (!p)
                return NULL;

        for (size_t cursor = 0; map_size(&p->jobs) > 0; cursor = 0)
                (void) job_free(map_next(&p->jobs, &cursor));
        announcer_done(&p->announcer);
        feedback_done(&p->feedback);
        p->store_call = store_call_free(p->store_call);
        p->signer_call = signer_call_free(p->signer_call);
        p->store = store_client_free(p->store);
        p->signer = signer_client_free(p->signer);
        p->relay = relay_client_free(p->relay);
        for (size_t i = 0; i < p->n_backends; i++)
                p->backends[i]->class->close(p->backends[i]);
        map_done(&p->jobs);
        map_done(&p->results);
        customers_done(&p->customers);
        p->turn = sd_event_source_disable_unref(p->turn);
        p->retry = sd_event_source_disable_unref(p->retry);
        p->event = sd_event_unref(p->event);
        return mfree(p);
}
