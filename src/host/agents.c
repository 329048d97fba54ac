/* Which agents there are. */
#include "agents.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/timerfd.h>

#include "basic/log.h"
#include "basic/text.h"
#include "hands.h"
#include "tick.h"
#include "unit.h"
#include "watch.h"

#define CHANGES_MAX 16 /* properties in one signal */

int64_t agents_now_ms(const Agents *s) {
        uint64_t usec = 0;

        (void) sd_event_now(s->event, CLOCK_REALTIME, &usec);
        return (int64_t) (usec / MSEC);
}

int64_t agents_now(const Agents *s) {
        return agents_now_ms(s) / 1000;
}

struct AgentsClient *host_agents_client(Host *h) {
        return h->agents->store;
}

/* ---- one of them */

static int by_name(const void *a, const void *b) {
        return strcmp((*(HostAgent *const *) a)->name, (*(HostAgent *const *) b)->name);
}

HostAgent *agents_by_pubkey(const Agents *s, const uint8_t pubkey[static 32]) {
        return map_get(&s->by_pubkey, pubkey, 32);
}

HostAgent *host_agent_find(Host *h, const char *what) {
        const char *reason;
        uint8_t key[32];
        HostAgent *a = map_get_string(&h->agents->by_name, what);

        if (a || pubkey_parse(what, key, &reason) < 0)
                return a;
        return agents_by_pubkey(h->agents, key);
}

HostAgent *host_agent_next(Host *h, const HostAgent *a) {
        Agents *s = h->agents;
        HostAgent **at;

        if (!a)
                return s->n_agents > 0 ? s->list[0] : NULL;
        at = bsearch(&a, s->list, s->n_agents, sizeof(*s->list), by_name);
        return at && at + 1 < s->list + s->n_agents ? at[1] : NULL;
}

size_t host_agent_count(Host *h) {
        return h->agents->n_agents;
}

void host_agents_listen(Host *h, const AgentListener *listener, void *userdata) {
        h->agents->listener = listener;
        h->agents->listener_userdata = userdata;
        for (size_t i = 0; listener && i < h->agents->n_agents; i++)
                listener->added(h->agents->list[i], userdata);
}

void host_agent_changed(HostAgent *a, const char *property, ...) {
        Agents *s = a->host->agents;
        const char *properties[CHANGES_MAX + 1] = { property };
        size_t n = 1;
        va_list ap;

        va_start(ap, property);
        for (const char *p; n < CHANGES_MAX && (p = va_arg(ap, const char *));)
                properties[n++] = p;
        va_end(ap);
        if (s->listener)
                s->listener->changed(a, properties, s->listener_userdata);
}

/* What the settings' texts mean; they were read before, so each is good. */
static int derive(AgentWork *w, const AgentSettings *s) {
        size_t n_windows = strv_length(s->calendar), n_quiet = strv_length(s->quiet),
               n_muted = strv_length(s->muted);
        _cleanup_free_ Calendar *windows = new0(Calendar, n_windows + 1);
        _cleanup_free_ DaySpan *quiet = new0(DaySpan, n_quiet + 1);
        _cleanup_free_ uint8_t(*muted)[32] = calloc(n_muted + 1, sizeof(*muted));
        const char *reason;

        if (!windows || !quiet || !muted)
                return -ENOMEM;
        for (size_t i = 0; i < n_windows; i++)
                if (calendar_parse(s->calendar[i], &windows[i], &reason) < 0)
                        return -EINVAL;
        for (size_t i = 0; i < n_quiet; i++)
                if (day_span_parse(s->quiet[i], &quiet[i]) < 0)
                        return -EINVAL;
        for (size_t i = 0; i < n_muted; i++)
                if (pubkey_parse(s->muted[i], muted[i], &reason) < 0)
                        return -EINVAL;
        free(w->windows);
        free(w->quiet);
        free(w->muted);
        w->windows = TAKE_PTR(windows);
        w->quiet = TAKE_PTR(quiet);
        w->muted = TAKE_PTR(muted);
        w->n_windows = n_windows;
        w->n_quiet = n_quiet;
        w->n_muted = n_muted;
        return 0;
}

int agent_take_settings(HostAgent *a, AgentSettings *settings) {
        int r;

        r = derive(a->work, settings);
        if (r < 0)
                return r;
        (void) agent_settings_free(a->settings);
        a->settings = settings;
        return 0;
}

HostAgent *agent_free(HostAgent *a) {
        AgentWork *w;

        if (!a)
                return NULL;
        w = a->work;
        a->tick = tick_free(a->tick);
        if (w) {
                w->timer = sd_event_source_disable_unref(w->timer);
                w->granting = wallet_call_free(w->granting);
                w->unit = unit_call_free(w->unit);
                w->saving = agents_call_free(w->saving);
                w->profile = profile_free(w->profile);
                free(w->windows);
                free(w->quiet);
                free(w->muted);
                free(w);
        }
        (void) agent_settings_free(a->settings);
        free(a->npub);
        free(a->name);
        free(a->key);
        return mfree(a);
}

static HostAgent *agent_make(Agents *s, const AgentBirth *b) {
        HostAgent *a = new0(HostAgent, 1);

        if (!a)
                return NULL;
        *a = (HostAgent){
                .host = s->host,
                .lifecycle = b->lifecycle,
                .wish = b->wish,
                .balance_msat = -1,
                .late_ms = -1,
                .cost_msat = b->cost_msat,
                .tick_count = b->tick_count,
                .last_tick_at = b->last_tick_at,
                .next_tick_at = b->next_tick_at,
                .created_at = b->created_at,
                .failures = (unsigned) MAX(b->failures, INT64_C(0)),
                .npub = strdup(b->settings->npub),
                .name = strdup(b->settings->name),
                .work = new0(AgentWork, 1),
        };
        if (!a->npub || !a->name || !a->work ||
                        asprintf(&a->key, "agent:%s", b->settings->name) < 0)
                return agent_free(a);
        return a;
}

static int list_add(Agents *s, HostAgent *a) {
        HostAgent **more = reallocarray(s->list, s->n_agents + 1, sizeof(*more));
        size_t low = 0, high = s->n_agents;

        if (!more)
                return -ENOMEM;
        s->list = more;
        while (low < high) {
                size_t middle = (low + high) / 2;

                if (strcmp(s->list[middle]->name, a->name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        memmove(s->list + low + 1, s->list + low, (s->n_agents - low) * sizeof(*s->list));
        s->list[low] = a;
        s->n_agents++;
        return 0;
}

static void list_remove(Agents *s, const HostAgent *a) {
        for (size_t i = 0; i < s->n_agents; i++)
                if (s->list[i] == a) {
                        memmove(s->list + i, s->list + i + 1,
                                        (s->n_agents - i - 1) * sizeof(*s->list));
                        s->n_agents--;
                        return;
                }
}

static int agents_index(Agents *s, HostAgent *a) {
        int r;

        r = map_put_string(&s->by_name, a->name, a);
        if (r < 0)
                return r;
        r = map_put(&s->by_pubkey, a->work->pubkey, 32, a);
        if (r >= 0) {
                r = list_add(s, a);
                if (r < 0)
                        (void) map_remove(&s->by_pubkey, a->work->pubkey, 32);
        }
        if (r < 0)
                (void) map_remove_string(&s->by_name, a->name);
        return r;
}

static void on_unit(int error, const char *reason, void *userdata) {
        HostAgent *a = userdata;

        if (error < 0)
                log_warning("The socket of agent %s could not be started: %s.", a->name, reason);
}

static void on_unit_stopped(int error, const char *reason, _unused_ void *userdata) {
        if (error < 0)
                log_warning("The socket of an agent could not be stopped: %s.", reason);
}

int agents_add_one(Agents *s, AgentBirth *birth, HostAgent **ret) {
        HostAgent *a;
        const char *reason;
        int r;

        a = agent_make(s, birth);
        if (!a)
                return -ENOMEM;
        r = pubkey_parse(a->npub, a->work->pubkey, &reason);
        if (r >= 0) {
                hex_encode(a->work->pubkey, 32, a->pubkey_hex);
                r = agent_take_settings(a, birth->settings);
        }
        if (r >= 0) {
                r = agents_index(s, a);
                if (r < 0)
                        a->settings = NULL; /* it stays the caller's */
        }
        if (r < 0) {
                (void) agent_free(a);
                return r;
        }
        birth->settings = NULL;
        agent_recall_wish(a, birth->next_tick_at);
        a->work->saved_next = birth->next_tick_at;
        if (units_start(s->units, a->name, on_unit, a, &a->work->unit) < 0)
                log_warning("The socket of agent %s could not be started.", a->name);
        if (s->listener)
                s->listener->added(a, s->listener_userdata);
        if (ret)
                *ret = a;
        return 0;
}

void agents_drop_one(Agents *s, HostAgent *a) {
        if (s->listener)
                s->listener->removed(a, s->listener_userdata);
        cares_drop_agent(s, a);
        watch_drop_agent(s->watch, a);
        agent_unqueue(a);
        if (a->work->counted)
                s->n_ticking--;
        a->tick = tick_free(a->tick);
        hands_drop_agent(s->host->hands, a);
        a->work->unit = unit_call_free(a->work->unit);
        if (units_stop(s->units, a->name, on_unit_stopped, NULL, NULL) < 0)
                log_warning("The socket of agent %s could not be stopped.", a->name);
        (void) map_remove_string(&s->by_name, a->name);
        (void) map_remove(&s->by_pubkey, a->work->pubkey, 32);
        list_remove(s, a);
        (void) agent_free(a);
}

/* ---- the clock */

static int64_t clock_offset(const Agents *s) {
        uint64_t real = 0, passed = 0;

        (void) sd_event_now(s->event, CLOCK_REALTIME, &real);
        (void) sd_event_now(s->event, CLOCK_BOOTTIME, &passed);
        return ((int64_t) real - (int64_t) passed) / (int64_t) SEC;
}

/* Far away, and cancelled whenever somebody sets the clock. */
static int clock_arm(Agents *s) {
        static const struct itimerspec never = { .it_value.tv_sec = INT32_MAX };
        struct itimerspec at = never;
        struct timespec now;

        if (clock_gettime(CLOCK_REALTIME, &now) >= 0)
                at.it_value.tv_sec = now.tv_sec + INT32_MAX;
        return timerfd_settime(s->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at,
                               NULL) < 0
                               ? -errno
                               : 0;
}

static int on_clock(_unused_ sd_event_source *source, int fd, _unused_ uint32_t revents,
                void *userdata) {
        Agents *s = userdata;
        int64_t offset = clock_offset(s), jump = offset - s->clock_offset;
        uint64_t ignored;

        (void) !read(fd, &ignored, sizeof(ignored)); /* ECANCELED, which is the news */
        s->clock_offset = offset;
        if (jump != 0)
                log_notice("The clock was set by %" PRIi64 " s; agents wake accordingly.", jump);
        for (size_t i = 0; i < s->n_agents; i++)
                agent_clock_jumped(s->list[i], jump);
        agents_consider_all(s);
        return clock_arm(s);
}

static int clock_start(Agents *s) {
        int r;

        s->clock_offset = clock_offset(s);
        s->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
        if (s->clock_fd < 0)
                return -errno;
        r = clock_arm(s);
        if (r >= 0)
                r = sd_event_add_io(s->event, &s->clock, s->clock_fd, EPOLLIN, on_clock, s);
        if (r >= 0)
                (void) sd_event_source_set_description(s->clock, "agents-clock");
        return r;
}

/* ---- all of them */

static int connect_services(Agents *s, Service *service) {
        _cleanup_free_ char *store = NULL, *signer = NULL;
        int r;

        r = service_socket(service, "store", &store);
        if (r >= 0)
                r = service_socket(service, "signer", &signer);
        if (r >= 0)
                r = agents_client_new(s->event, store, &s->store);
        if (r >= 0)
                r = store_client_new(s->event, store, &s->settings);
        if (r >= 0)
                r = signer_client_new(s->event, signer, &s->signer);
        if (r >= 0)
                r = keys_new(s->event, signer, &s->keys);
        return r < 0 ? r : agents_funds_start(s);
}

int agents_new(Host *h, Agents **ret) {
        _cleanup_(agents_freep) Agents *s = new0(Agents, 1);
        int r;

        if (!s)
                return -ENOMEM;
        s->host = h;
        s->clock_fd = -EBADF;
        s->event = sd_event_ref(service_event(h->service));
        s->network = network_name(service_config(h->service)->network);
        map_init(&s->by_name, AGENTS_MAX);
        map_init(&s->by_pubkey, AGENTS_MAX);
        map_init(&s->rows, AGENTS_MAX);
        s->folder = strdup(service_paths(h->service)->agents);
        r = s->folder ? strv_copy(service_config(h->service)->relays, &s->relays) : -ENOMEM;
        if (r >= 0)
                r = connect_services(s, h->service);
        if (r >= 0)
                r = units_new(s->event, service_paths(h->service)->scope, &s->units);
        if (r >= 0)
                r = watch_new(s, &s->watch);
        if (r >= 0)
                r = clock_start(s);
        if (r >= 0)
                r = agents_load(s);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

void agents_end_ticks(Agents *s) {
        for (size_t i = 0; s && i < s->n_agents; i++)
                s->list[i]->tick = tick_free(s->list[i]->tick);
}

Agents *agents_free(Agents *s) {
        if (!s)
                return NULL;
        while (s->spawns)
                (void) spawn_free(s->spawns);
        while (s->farewells)
                (void) farewell_free(s->farewells);
        while (s->cares)
                (void) care_free(s->cares);
        s->watch = watch_free(s->watch);
        s->units = units_free(s->units);
        s->balances = wallet_call_free(s->balances);
        s->balances_timer = sd_event_source_disable_unref(s->balances_timer);
        s->clock = sd_event_source_disable_unref(s->clock);
        closep(&s->clock_fd);
        for (size_t i = 0; i < s->n_agents; i++)
                (void) agent_free(s->list[i]);
        free(s->list);
        agents_load_done(s);
        map_done(&s->by_name);
        map_done(&s->by_pubkey);
        (void) strv_free(s->dirty);
        (void) strv_free(s->relays);
        s->keys = keys_free(s->keys);
        s->signer = signer_client_free(s->signer);
        s->wallet = wallet_client_free(s->wallet);
        s->store = agents_client_free(s->store);
        s->settings = store_client_free(s->settings);
        s->event = sd_event_unref(s->event);
        free(s->folder);
        return mfree(s);
}

bool agents_busy(const Agents *s) {
        return s->n_agents > 0 || s->spawns || s->farewells || s->cares || s->adoptions ||
               s->listing || s->retry;
}
