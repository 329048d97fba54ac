/* The servers: which there are, how they are, which one fits. */
#include "router-private.h"

#include <stdio.h>
#include <strings.h>

#include "basic/log.h"
#include "basic/text.h"

#define TELL_USEC (5 * SEC)
#define LOOK_USEC (2 * SEC) /* who is later is not waited for */

/* ---- names */

/* The part of "NAME=MODEL" behind the sign where NAME is this one. */
static const char *pair_value(const char *pair, const char *name) {
        const char *value = startswith(pair, name);

        return value && *value == '=' ? value + 1 : NULL;
}

static const char *lookup(char *const *pairs, const char *name) {
        STRV_FOREACH (s, pairs) {
                const char *value = pair_value(*s, name);

                if (value)
                        return value;
        }
        return NULL;
}

static bool is_allowed(const ConfigBackend *c, const WireModel *m) {
        return !c->models || !*c->models || strv_contains(c->models, m->id) ||
               strv_contains(c->models, m->name);
}

/* "llama3.2" is also "llama3.2:latest". */
static bool is_called(const char *model, const char *name) {
        size_t n = strlen(name);

        return strcasecmp(model, name) == 0 ||
               (strncasecmp(model, name, n) == 0 && streq(model + n, ":latest"));
}

static const WireModel *find_model(const Endpoint *e, const char *name) {
        const char *real = lookup(e->config->aliases, name) ?: name;

        for (size_t i = 0; i < e->models.n_models; i++) {
                const WireModel *m = &e->models.models[i];

                if (is_allowed(e->config, m) &&
                                (is_called(m->id, real) || is_called(m->name, real)))
                        return m;
        }
        return NULL;
}

/* Models that only make vectors do not write, and those that write make poor vectors. */
static bool makes_vectors(const WireModel *m) {
        static const char *const signs[] = { "embed", "bge-", "minilm", "gte-", "e5-" };

        for (size_t i = 0; i < ELEMENTSOF(signs); i++)
                if (strcasestr(m->id, signs[i]))
                        return true;
        return false;
}

static const WireModel *any_model(const Endpoint *e, KindWork work) {
        const WireModel *other = NULL;

        for (size_t i = 0; i < e->models.n_models; i++) {
                const WireModel *m = &e->models.models[i];

                if (!is_allowed(e->config, m))
                        continue;
                if (makes_vectors(m) == (work == KIND_WORK_EMBEDDINGS))
                        return m;
                other = other ?: m;
        }
        return work == KIND_WORK_EMBEDDINGS ? other : NULL;
}

/* ---- the choice */

static size_t preference(const Router *r, const Endpoint *e) {
        size_t i = 0;

        STRV_FOREACH (s, r->config->backend_preference) {
                if (streq(*s, e->config->name) || streq(*s, e->config->type))
                        break;
                i++;
        }
        return i;
}

typedef struct Rank {
        bool no_slot, broken;
        size_t preference;
        uint64_t load;
} Rank;

static Rank rank_of(const Router *r, const Endpoint *e, const WireModel *m) {
        return (Rank){
                .no_slot = !endpoint_has_slot(e, m),
                .broken = endpoint_is_shunned(e),
                .preference = preference(r, e),
                .load = (uint64_t) e->n_used * 1000000 / endpoint_n_slots(e),
        };
}

static bool is_better(const Rank *a, const Rank *b) {
        if (a->no_slot != b->no_slot)
                return b->no_slot;
        if (a->broken != b->broken)
                return b->broken;
        if (a->preference != b->preference)
                return a->preference < b->preference;
        return a->load < b->load;
}

static int choose_named(const Router *r, const char *name, KindWork work, uint64_t tried,
                RouterChoice *ret) {
        Rank best = {};
        int found = 0;

        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++) {
                const Endpoint *e = r->endpoints[i];
                const WireModel *m;
                Rank rank;

                if (!e || e->state != ENDPOINT_UP || (tried & (UINT64_C(1) << i)))
                        continue;
                m = *name ? find_model(e, name) : any_model(e, work);
                if (!m)
                        continue;
                rank = rank_of(r, e, m);
                if (found && !is_better(&rank, &best))
                        continue;
                best = rank;
                *ret = (RouterChoice){ .endpoint = i, .model = m };
                found = 1;
        }
        return found;
}

static const char *fallback(const Router *r, const char *name) {
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++) {
                const Endpoint *e = r->endpoints[i];
                const char *other =
                                e ? lookup(e->config->fallbacks, name)
                                                                ?: lookup(e->config->fallbacks, "*")
                                  : NULL;

                if (other)
                        return other;
        }
        return NULL;
}

int router_choose(const Router *r, const char *name, KindWork work, uint64_t tried,
                RouterChoice *ret) {
        const char *other;

        if (*name && choose_named(r, name, work, tried, ret) > 0)
                return 1;
        if (*name) {
                other = fallback(r, name);
                return other ? choose_named(r, other, work, tried, ret) : 0;
        }
        if (work == KIND_WORK_TEXT &&
                        choose_named(r, r->config->default_model, work, tried, ret) > 0)
                return 1;
        return choose_named(r, "", work, tried, ret);
}

bool router_is_new(const Router *r) {
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i] && r->endpoints[i]->state == ENDPOINT_UNKNOWN)
                        return true;
        return false;
}

/* A server that is configured is expected back; one that was found is there or is not. */
static bool router_serves(const Backend *b, KindWork work) {
        const Router *r = container_of(b, const Router, backend);

        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i] && !r->endpoints[i]->detected)
                        return true;
        return router_is_new(r) || router_can(r, work);
}

bool router_can(const Router *r, KindWork work) {
        RouterChoice c;

        return router_choose(r, "", work, 0, &c) > 0;
}

int router_find(const Router *r, const char *name, uint32_t *ret_context, const char **ret_name) {
        RouterChoice c;

        if (router_choose(r, name, KIND_WORK_TEXT, 0, &c) <= 0)
                return -ENOENT;
        *ret_context = c.model->context;
        *ret_name = c.model->name;
        return 0;
}

static int add_name(char ***names, const char *name, size_t n) {
        char text[WIRE_MODEL_NAME_MAX];

        if (n >= sizeof(text))
                return 0;
        memcpy(text, name, n);
        text[n] = '\0';
        return strv_contains(*names, text) ? 0 : strv_add(names, text);
}

static int add_names_of(const Endpoint *e, char ***names) {
        int q = 0;

        for (size_t i = 0; q >= 0 && i < e->models.n_models; i++)
                if (is_allowed(e->config, &e->models.models[i]))
                        q = add_name(names, e->models.models[i].name,
                                        strlen(e->models.models[i].name));
        STRV_FOREACH (s, e->config->aliases) {
                size_t n = strcspn(*s, "=");

                for (size_t i = 0; q >= 0 && i < e->models.n_models; i++)
                        if (is_called(e->models.models[i].id, *s + n + 1) ||
                                        is_called(e->models.models[i].name, *s + n + 1))
                                q = add_name(names, *s, n);
        }
        return q;
}

int router_models(const Router *r, char ***ret) {
        _cleanup_strv_ char **names = NULL;
        int q = 0;

        for (size_t i = 0; q >= 0 && i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i] && r->endpoints[i]->state == ENDPOINT_UP)
                        q = add_names_of(r->endpoints[i], &names);
        if (q < 0)
                return q;
        *ret = TAKE_PTR(names);
        return 0;
}

const Endpoint *router_endpoint(const Router *r, size_t i) {
        return i < ROUTER_ENDPOINTS_MAX ? r->endpoints[i] : NULL;
}

bool router_has(const Router *r, size_t i, const char *name) {
        const Endpoint *e = router_endpoint(r, i);

        return e && e->state == ENDPOINT_UP && find_model(e, name);
}

bool router_has_slot(const Router *r) {
        bool up = false;

        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++) {
                const Endpoint *e = r->endpoints[i];

                if (!e || e->state != ENDPOINT_UP)
                        continue;
                if (e->n_used < endpoint_n_slots(e))
                        return true;
                up = true;
        }
        return !up;
}

/* ---- what changes */

void router_want_turn(Router *r) {
        (void) sd_event_source_set_enabled(r->turn, SD_EVENT_ONESHOT);
}

static bool is_looking(const Router *r) {
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i] && r->endpoints[i]->probe)
                        return true;
        return false;
}

static void end_looks(Router *r) {
        (void) sd_event_source_set_enabled(r->look_late, SD_EVENT_OFF);
        while (r->looks) {
                RouterLook *look = r->looks;

                router_look_end(look);
                look->done(look);
        }
}

usec_t router_now(const Router *r) {
        usec_t now = 0;

        (void) sd_event_now(r->event, CLOCK_MONOTONIC, &now); /* fails only after a fork */
        return now;
}

void router_wake_at(Router *r, usec_t when) {
        int enabled = SD_EVENT_OFF;
        uint64_t planned = 0;

        (void) sd_event_source_get_enabled(r->timer, &enabled);
        (void) sd_event_source_get_time(r->timer, &planned);
        if (enabled != SD_EVENT_OFF && planned <= when)
                return;
        (void) sd_event_source_set_time(r->timer, when);
        (void) sd_event_source_set_enabled(r->timer, SD_EVENT_ONESHOT);
}

/* A server that comes and goes is no reason to announce each time. */
static void tell_change(Router *r) {
        usec_t now = router_now(r), next = r->told_at + TELL_USEC;

        if (!r->changed || !r->backend.changed)
                return;
        if (r->online && now < next) {
                router_wake_at(r, next);
                return;
        }
        r->changed = false;
        r->told_at = now;
        r->backend.changed(&r->backend, r->backend.userdata);
}

static int on_turn(_unused_ sd_event_source *s, void *userdata) {
        Router *r = userdata;

        tell_change(r);
        router_serve_waiting(r);
        if (r->backend.wake)
                r->backend.wake(&r->backend, r->backend.userdata);
        if (!is_looking(r))
                end_looks(r);
        return 0;
}

static int on_look_late(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        end_looks(userdata);
        return 0;
}

static void count_slots(Router *r) {
        r->backend.n_slots = 0;
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i] && r->endpoints[i]->state == ENDPOINT_UP)
                        r->backend.n_slots += endpoint_n_slots(r->endpoints[i]);
}

static void on_known(_unused_ Endpoint *e, bool changed, void *userdata) {
        Router *r = userdata;

        r->changed |= changed;
        count_slots(r);
        router_want_turn(r);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        router_want_turn(userdata); /* who waits for a model that is away is looked at again */
        return 0;
}

void router_look(Router *r, RouterLook *look, void (*done)(RouterLook *look)) {
        look->router = r;
        look->done = done;
        look->next = r->looks;
        r->looks = look;
        (void) sd_event_source_set_time_relative(r->look_late, LOOK_USEC);
        (void) sd_event_source_set_enabled(r->look_late, SD_EVENT_ONESHOT);
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i] && (!r->online || r->endpoints[i]->state == ENDPOINT_UNKNOWN))
                        endpoint_probe(r->endpoints[i]);
        router_want_turn(r);
}

void router_look_end(RouterLook *look) {
        if (!look->router)
                return;
        for (RouterLook **p = &look->router->looks; *p; p = &(*p)->next)
                if (*p == look) {
                        *p = look->next;
                        break;
                }
        look->router = NULL;
}

/* ---- the configuration */

static bool same_list(char *const *a, char *const *b) {
        if (strv_length(a) != strv_length(b))
                return false;
        for (size_t i = 0; a && a[i]; i++)
                if (!streq(a[i], b[i]))
                        return false;
        return true;
}

/* What an endpoint is made of: where that is another one, it is a new endpoint. */
static bool is_same_server(const ConfigBackend *a, const ConfigBackend *b) {
        return streq(a->name, b->name) && streq(a->type, b->type) && streq(a->url, b->url) &&
               streq(a->socket, b->socket) && streq(a->api_key_file, b->api_key_file) &&
               streq(a->ca_file, b->ca_file);
}

static void remove_endpoint(Router *r, size_t i) {
        Endpoint *e = r->endpoints[i];

        r->endpoints[i] = NULL;
        r->changed = true;
        router_forget_endpoint(r, i);
        (void) endpoint_free(e);
}

static void add_endpoint(Router *r, const ConfigBackend *c, bool detected) {
        const char *reason;
        Endpoint *e = NULL;

        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++) {
                if (r->endpoints[i])
                        continue;
                if (endpoint_new(r->event, r->http, c, detected, &e, &reason) < 0) {
                        log_warning("The backend '%s' is not used: %s.", c->name, reason);
                        return;
                }
                e->known = on_known;
                e->userdata = r;
                r->endpoints[i] = e;
                endpoint_want(e, r->online ? r->config->compute.probe_interval : 0);
                return;
        }
}

static const ConfigBackend *find_row(const Config *config, const ConfigBackend *like) {
        CONFIG_FOREACH_ROW (ConfigBackend, row, config->backends)
                if (row->enabled && is_same_server(row, like))
                        return row;
        return NULL;
}

static bool has_url(const Config *config, const char *url) {
        CONFIG_FOREACH_ROW (ConfigBackend, row, config->backends) {
                const Wire *w = wire_find(row->type);
                const char *where = *row->url ? row->url : w ? w->url : "";
                const char *rest = startswith(where, url) ?: "x";

                if (isempty(row->socket) && (!*rest || *rest == '/'))
                        return true;
                /* The same place by its other name. */
                if (isempty(row->socket) && startswith(where, "http://localhost:") &&
                                startswith(strrchr(where, ':'), strrchr(url, ':')))
                        return true;
        }
        return false;
}

static void configure(Router *r, const Config *config) {
        r->config = config;
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++) {
                Endpoint *e = r->endpoints[i];
                const ConfigBackend *row = e && !e->detected ? find_row(config, e->config) : NULL;
                bool stays = row || (e && e->detected && config->compute.autodetect &&
                                                    !has_url(config, e->url));

                if (e && !stays)
                        remove_endpoint(r, i);
                else if (row) {
                        if (!same_list(row->aliases, e->config->aliases) ||
                                        !same_list(row->models, e->config->models))
                                r->changed = true;
                        e->config = row;
                }
        }
}

static bool is_used(const Router *r, const ConfigBackend *row) {
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i] && (r->endpoints[i]->config == row))
                        return true;
        return false;
}

static void add_missing(Router *r) {
        CONFIG_FOREACH_ROW (ConfigBackend, row, r->config->backends)
                if (row->enabled && !is_used(r, row))
                        add_endpoint(r, row, false);
        if (!r->config->compute.autodetect)
                return;
        CONFIG_FOREACH_ROW (ConfigBackend, row, r->usual->backends)
                if (!is_used(r, row) && !has_url(r->config, wire_find(row->type)->url))
                        add_endpoint(r, row, true);
}

/* Where the servers usually are, with everything else as the table of settings has it. */
static const char usual[] =
                "[[backend]]\nname = \"ollama\"\ntype = \"ollama\"\nconnect_timeout = 1\n"
                "[[backend]]\nname = \"llamacpp\"\ntype = \"openai\"\nconnect_timeout = 1\n";

/* ---- the backend */

Router *router_of(Backend *b) {
        return b->class == &backend_models ? container_of(b, Router, backend) : NULL;
}

static void router_reload(Backend *b, const Config *config) {
        Router *r = router_of(b);

        configure(r, config);
        add_missing(r);
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i])
                        endpoint_want(r->endpoints[i],
                                        r->online ? config->compute.probe_interval : 0);
        count_slots(r);
        router_want_turn(r);
}

static void router_online(Backend *b, bool online) {
        Router *r = router_of(b);

        r->online = online;
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                if (r->endpoints[i])
                        endpoint_want(r->endpoints[i],
                                        online ? r->config->compute.probe_interval : 0);
}

static void router_close(Backend *b) {
        Router *r = router_of(b);

        while (r->looks)
                router_look_end(r->looks);
        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                r->endpoints[i] = endpoint_free(r->endpoints[i]);
        r->usual = config_free(r->usual);
        r->turn = sd_event_source_disable_unref(r->turn);
        r->timer = sd_event_source_disable_unref(r->timer);
        r->look_late = sd_event_source_disable_unref(r->look_late);
        r->http = http_unref(r->http);
        r->event = sd_event_unref(r->event);
        free(r);
}

static int router_open(sd_event *event, const Config *config, Backend **ret) {
        Router *r;
        int q;

        r = new0(Router, 1);
        if (!r)
                return -ENOMEM;
        r->backend.class = &backend_models;
        r->event = sd_event_ref(event);
        r->config = config;
        q = http_new(event, NULL, &r->http);
        if (q >= 0)
                q = config_parse(usual, strlen(usual), NULL, NULL, &r->usual);
        if (q >= 0)
                q = sd_event_add_defer(event, &r->turn, on_turn, r);
        if (q >= 0)
                q = sd_event_source_set_enabled(r->turn, SD_EVENT_OFF);
        if (q >= 0)
                q = sd_event_add_time(event, &r->timer, CLOCK_MONOTONIC, 0, SEC, on_timer, r);
        if (q >= 0)
                q = sd_event_source_set_enabled(r->timer, SD_EVENT_OFF);
        if (q >= 0)
                q = sd_event_add_time(event, &r->look_late, CLOCK_MONOTONIC, 0, 0, on_look_late, r);
        if (q >= 0)
                q = sd_event_source_set_enabled(r->look_late, SD_EVENT_OFF);
        if (q < 0) {
                router_close(&r->backend);
                return q;
        }
        add_missing(r);
        *ret = &r->backend;
        return 0;
}

static void router_describe(const Backend *b, char *ret, size_t size) {
        const Router *r = container_of(b, Router, backend);
        unsigned up = 0;

        for (size_t i = 0; i < ROUTER_ENDPOINTS_MAX; i++)
                up += r->endpoints[i] && r->endpoints[i]->state == ENDPOINT_UP;
        (void) snprintf(ret, size, _("Language models, on %u servers"), up);
}

const BackendClass backend_models = {
        .name = "models",
        .asks_models = true,
        .open = router_open,
        .reload = router_reload,
        .close = router_close,
        .describe = router_describe,
        .serves = router_serves,
        .online = router_online,
        .check = router_work_check,
        .ready = router_work_ready,
        .start = router_work_start,
        .free = router_work_free,
};
