#include "provider.h"

#include "basic/log.h"
#include "infer.h"
#include "intake.h"
#include "job-pay.h"

#define JOBS_MAX       (4 << 20)
#define RUNS_IN_A_TURN 256
#define PACES_MAX      65536 /* customers whose pace is remembered */

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

static void tell_backends(const Provider *p, bool online) {
        for (size_t i = 0; i < p->n_backends; i++)
                if (p->backends[i]->class->online)
                        p->backends[i]->class->online(p->backends[i], online);
}

void provider_set_state(Provider *p, ProviderState s) {
        if (p->state == s)
                return;

        p->state = s;
        if (s != PROVIDER_DRAINING)
                tell_backends(p, s == PROVIDER_ONLINE);
        if (s == PROVIDER_ONLINE)
                log_event(LOG_NOTICE, LOG_ID_ONLINE, NULL, "The provider is online.");
        if (s == PROVIDER_OFFLINE)
                log_event(LOG_NOTICE, LOG_ID_OFFLINE, NULL, "The provider is offline.");
        p->changed(p, p->userdata);
}

/* ---- for the jobs */

Backend *provider_backend(Provider *p, uint16_t kind) {
        const Kind *k = kind_table_find(&p->kind_table, kind);

        for (size_t i = 0; k && k->work != KIND_WORK_REQUEST && i < p->n_backends; i++)
                if (p->backends[i]->class->asks_models &&
                                p->backends[i]->class->serves(p->backends[i], k->work))
                        return p->backends[i];
        for (size_t i = 0; i < p->n_backends; i++)
                for (size_t n = 0; n < p->backends[i]->class->n_kinds; n++)
                        if (p->backends[i]->class->kinds[n] == kind)
                                return p->backends[i];
        return NULL;
}

/* Our own agents pay nothing. */
JobPrice provider_price(const Provider *p, const JobRequest *r) {
        if (provider_is_agent(p, r))
                return (JobPrice){ 0 };
        return pricing_quote(&p->pricing, p->config, r, provider_now(p), NULL);
}

Limits provider_limits(const Provider *p, const JobRequest *r) {
        const JobPrice price = provider_price(p, r);
        const Customer *customer = customers_get(&p->customers, event_pubkey_hex(r->event));
        const Config *c = p->config;
        const uint64_t unpaid_max = (uint64_t) c->provider.queue_max * c->provider.unpaid_share;

        return (Limits){
                .pubkey_hex = p->pubkey_hex,
                .kinds = p->kinds,
                .n_kinds = p->n_kinds,
                .open = p->state == PROVIDER_ONLINE,
                .wallet = pricing_has_wallet(c),
                .price_msat = price.free_once ? 0 : price.msat,
                .any_bid = price.any_bid,
                .age_max = (int64_t) (c->provider.accept_age / SEC),
                .queue_max = c->provider.queue_max,
                /* Where nobody pays there is nobody to keep room for. */
                .unpaid_max = c->require_payment ? (size_t) MAX(unpaid_max / 100, UINT64_C(1))
                                                 : SIZE_MAX,
                .per_customer_max = c->provider.per_customer_max,
                .per_customer_bytes_max = c->provider.per_customer_size,
                .n_queued = map_size(&p->jobs) - 1, /* all that are open, but this one */
                .n_unpaid = p->n_unpaid,
                .n_of_customer = customer ? customer->n_jobs : 0,
                .bytes_of_customer = customer ? customer->bytes : 0,
                .agents = &p->agents,
                .allow = &p->allow,
                .deny = &p->deny,
                .trusted = streq(c->provider.trust, "follows") ? &p->trust.known : NULL,
                .min_pow = c->provider.min_pow,
        };
}

bool provider_is_agent(const Provider *p, const JobRequest *r) {
        return keyset_has(&p->agents, event_pubkey(r->event));
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

static bool has_slot(const QueueItem *item, void *userdata) {
        const Provider *p = userdata;
        const Job *job = container_of(item, Job, queue);
        const unsigned max = p->config->provider.per_customer_running;

        if (max > 0 && job->class != QUEUE_AGENT && job->customer->n_running >= max)
                return false;
        return work_is_ready(job->work);
}

/* NULL: nobody waits, or there is no slot. What is small needs none and waits for nobody who does.
 */
static Job *take_next(Provider *p) {
        QueueItem *item = NULL;

        if (p->n_running < p->config->provider.max_concurrent_jobs)
                item = queue_take(&p->queue, has_slot, p);
        item = item ?: queue_pop(&p->small);
        return item ? container_of(item, Job, queue) : NULL;
}

static bool queue_is_open(const Provider *p) {
        return p->state == PROVIDER_ONLINE || (p->state == PROVIDER_DRAINING && p->run_queue);
}

static bool is_settled(Provider *p) {
        Job *job;

        MAP_FOREACH (job, &p->jobs) {
                JobState s = (JobState) job->flow.state;

                if (job->pay.dormant)
                        continue;
                if (job->flow.recording || s == JOB_RECEIVED || s == JOB_RUNNING || job->publish)
                        return false;
                if (s == JOB_QUEUED && p->run_queue)
                        return false;
        }
        return true;
}

static int on_turn(_unused_ sd_event_source *s, void *userdata) {
        Provider *p = userdata;
        unsigned n = 0;
        Job *job;

        while (queue_is_open(p) && n < RUNS_IN_A_TURN && provider_fetch_next(p))
                n++;
        while (n < RUNS_IN_A_TURN && infer_run_next(p))
                n++;
        while (queue_is_open(p) && n < RUNS_IN_A_TURN && (job = take_next(p))) {
                job_run_now(job);
                n++;
        }
        if (n == RUNS_IN_A_TURN)
                provider_want_turn(p);

        if (p->reread && p->loaded && p->state == PROVIDER_ONLINE && !p->going_online) {
                p->reread = false;
                provider_read_again(p);
        }
        if (p->state == PROVIDER_DRAINING && is_settled(p))
                provider_end_drain(p);
        return 0;
}

/* ---- life */

static void read_keys(KeySet *s, char *const *texts) {
        const char *culprit = "";

        keyset_done(s);
        if (keyset_parse(s, texts, &culprit) < 0)
                log_warning("\"%s\" is no public key; it is left out.", culprit);
}

static void read_standings(Provider *p) {
        read_keys(&p->agents, p->config->provider.agents);
        read_keys(&p->allow, p->config->provider.allow);
        read_keys(&p->deny, p->config->provider.deny);
}

static bool serves(const Provider *p, uint16_t kind) {
        for (size_t i = 0; i < p->n_kinds; i++)
                if (p->kinds[i] == kind)
                        return true;
        return false;
}

static void choose_kind(Provider *p, uint16_t kind) {
        const ConfigKinds *wanted = &p->config->provider.kinds;
        bool use = wanted->n_kinds == 0;

        for (size_t i = 0; i < wanted->n_kinds; i++)
                use |= wanted->kinds[i] == kind;
        if (use && !serves(p, kind) && p->n_kinds < PROVIDER_KINDS_MAX)
                p->kinds[p->n_kinds++] = kind;
}

/* Kinds that some backend can do and the configuration does not exclude. */
static void choose_kinds(Provider *p) {
        size_t cursor = 0;
        const Kind *k;

        if (kind_table_load(&p->kind_table, p->config) < 0)
                log_warning("There is no memory for the kinds of the settings.");
        p->n_kinds = 0;
        while ((k = kind_table_next(&p->kind_table, &cursor)))
                if (k->work != KIND_WORK_REQUEST && provider_backend(p, k->number))
                        choose_kind(p, k->number);
        for (size_t i = 0; i < p->n_backends; i++) {
                const BackendClass *class = p->backends[i]->class;

                for (size_t n = 0; n < class->n_kinds; n++)
                        choose_kind(p, class->kinds[n]);
        }
}

static void on_backend_wake(_unused_ Backend *b, void *userdata) {
        provider_want_turn(userdata);
}

/* Models came or went. */
static void on_backend_changed(_unused_ Backend *b, void *userdata) {
        Provider *p = userdata;

        choose_kinds(p);
        if (p->state == PROVIDER_ONLINE)
                provider_come_online(p);
        provider_want_turn(p);
}

static int open_backends(Provider *p) {
        for (size_t i = 0; backend_classes[i]; i++) {
                int r;

                assert(i < PROVIDER_BACKENDS_MAX);
                r = backend_classes[i]->open(p->event, p->config, &p->backends[p->n_backends]);
                if (r < 0)
                        return r;
                p->backends[p->n_backends]->changed = on_backend_changed;
                p->backends[p->n_backends]->wake = on_backend_wake;
                p->backends[p->n_backends]->userdata = p;
                p->router = p->router ?: router_of(p->backends[p->n_backends]);
                p->n_backends++;
        }
        choose_kinds(p);
        return 0;
}

/* The store was killed, perhaps before it had written down that a job is completed. What was
 * published is then published once more, and taken at once. */
static void on_store_returned(void *userdata) {
        provider_read_again(userdata);
}

static int open_clients(Provider *p, const ProviderSockets *sockets) {
        int r;

        r = store_client_new(p->event, sockets->store, &p->store);
        if (r >= 0)
                r = signer_client_new(p->event, sockets->signer, &p->signer);
        if (r >= 0)
                r = relay_client_new(p->event, sockets->relay, &intake_handler, p, &p->relay);
        if (r >= 0)
                r = wallet_client_new(p->event, sockets->wallet, &payments_handler, p, &p->wallet);
        if (r < 0)
                return r;

        r = tally_init(&p->tally, p->event, p->store);
        if (r < 0)
                return r;
        store_client_on_return(p->store, on_store_returned, p);
        p->trust = (Trust){ .event = p->event, .store = p->store, .relay = p->relay };
        p->announcer = (Announcer){ .store = p->store, .signer = p->signer, .relay = p->relay };
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
        pricing_init(&p->pricing);
        customers_init(&p->customers, JOBS_MAX);
        pace_init(&p->pace, PACES_MAX);
        pace_init(&p->ping_pace, 1024);
        durations_init(&p->durations);
        read_standings(p);

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
        read_standings(p);
        for (size_t i = 0; i < p->n_backends; i++)
                p->backends[i]->class->reload(p->backends[i], config);
        choose_kinds(p);
        if (p->state == PROVIDER_ONLINE)
                provider_come_online(p);
}

Provider *provider_free(Provider *p) {
        if (!p)
                return NULL;

        for (size_t cursor = 0; map_size(&p->jobs) > 0; cursor = 0)
                (void) job_free(map_next(&p->jobs, &cursor));
        p->http = http_unref(p->http);
        kind_table_done(&p->kind_table);
        infer_free_all(p);
        router_look_end(&p->look);
        announcer_done(&p->announcer);
        feedback_done(&p->feedback);
        tally_done(&p->tally);
        trust_stop(&p->trust);
        outreach_done(p);
        remember_stop(&p->remember);
        zaps_free_all(p);
        p->store_call = store_call_free(p->store_call);
        p->signer_call = signer_call_free(p->signer_call);
        p->wallet_call = wallet_call_free(p->wallet_call);
        p->wallet = wallet_client_free(p->wallet);
        p->store = store_client_free(p->store);
        p->signer = signer_client_free(p->signer);
        p->relay = relay_client_free(p->relay);
        for (size_t i = 0; i < p->n_backends; i++)
                p->backends[i]->class->close(p->backends[i]);
        map_done(&p->jobs);
        map_done(&p->results);
        pricing_done(&p->pricing);
        customers_done(&p->customers);
        pace_done(&p->pace);
        pace_done(&p->ping_pace);
        durations_done(&p->durations);
        keyset_done(&p->agents);
        keyset_done(&p->allow);
        keyset_done(&p->deny);
        p->turn = sd_event_source_disable_unref(p->turn);
        p->retry = sd_event_source_disable_unref(p->retry);
        p->event = sd_event_unref(p->event);
        return mfree(p);
}
