#include "endpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/log.h"
#include "basic/text.h"

#define PROBE_LOCAL_USEC  (2 * SEC) /* all of one question, on this machine */
#define PROBE_REMOTE_USEC (10 * SEC)
#define PAUSE_FIRST       (1 * SEC) /* after the first question that was not answered */
#define PAUSES_MAX        4         /* intervals; so long it grows */
#define SHUN_FIRST        (5 * SEC) /* after an answer that broke */
#define SHUN_LONGEST      (1 * MIN_)
#define ANSWER_HEADER_MAX (16 * 1024)

static const char *const state_names[_ENDPOINT_STATE_MAX] = {
        [ENDPOINT_UNKNOWN] = "unknown",
        [ENDPOINT_UP] = "up",
        [ENDPOINT_DOWN] = "down",
};

const char *endpoint_state_name(EndpointState s) {
        return state_names[s];
}

/* ---- the key */

static int key_open(const ConfigBackend *c, Secret **ret, const char **reterr) {
        _cleanup_close_ int fd = -EBADF;
        char name[128];
        struct stat st;
        int r;

        if (isempty(c->api_key_file)) {
                (void) snprintf(name, sizeof(name), "pylon-backend-%s", c->name);
                r = secret_credential(name, ENDPOINT_KEY_MAX, ret);
                *reterr = "its credential could not be read";
                return r == -ENOENT ? 0 : r;
        }

        *reterr = "the file with its API key could not be read";
        fd = open(c->api_key_file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if (st.st_mode & 077) {
                *reterr = "the file with its API key can be read by others; use chmod 600";
                return -EPERM;
        }
        return secret_read(fd, ENDPOINT_KEY_MAX, ret);
}

/* One line of visible characters, so that it fits into a header. */
static int key_load(const ConfigBackend *c, Secret **ret, const char **reterr) {
        static const char header[] = "Authorization: Bearer ";
        _cleanup_(secret_freep) Secret *key = NULL, *whole = NULL;
        size_t size;
        int r;

        r = key_open(c, &key, reterr);
        if (r < 0 || !key)
                return r;
        size = strcspn(secret_text(key), "\r\n");
        *reterr = "its API key is not one line of visible characters";
        for (size_t i = 0; i < size; i++)
                if (secret_text(key)[i] <= 0x20 || secret_text(key)[i] >= 0x7f)
                        return -EINVAL;
        if (size == 0 || secret_size(key) > size + 2)
                return -EINVAL;

        *reterr = "there was no memory";
        r = secret_new(strlen(header) + size, &whole);
        if (r < 0)
                return r;
        memcpy(secret_data(whole), header, strlen(header));
        memcpy(secret_data(whole) + strlen(header), secret_data(key), size);
        *ret = TAKE_PTR(whole);
        return 0;
}

/* ---- slots */

WireModel *endpoint_model(const Endpoint *e, const char *id) {
        for (size_t i = 0; i < e->models.n_models; i++)
                if (streq(e->models.models[i].id, id))
                        return &e->models.models[i];
        return NULL;
}

unsigned endpoint_n_slots(const Endpoint *e) {
        return e->config->slots ?: e->models.n_slots ?: ENDPOINT_SLOTS_USUAL;
}

bool endpoint_has_slot(const Endpoint *e, const WireModel *m) {
        unsigned of_model = e->config->model_slots;

        return e->n_used < endpoint_n_slots(e) && (of_model == 0 || m->n_used < of_model);
}

void endpoint_use(Endpoint *e, const char *id, int n) {
        WireModel *m = endpoint_model(e, id);

        assert(n > 0 || e->n_used > 0);
        e->n_used += (unsigned) n;
        if (m && (n > 0 || m->n_used > 0)) /* it may have been away meanwhile */
                m->n_used += (unsigned) n;
}

/* ---- questions */

int endpoint_request(Endpoint *e, const HttpRequest *what, http_data_t data, http_done_t done,
                void *userdata, HttpCall **ret, const char **reterr) {
        static char type[] = "Content-Type: application/json", plain[] = "Expect:";
        char *headers[] = { type, plain, e->key ? (char *) secret_text(e->key) : NULL, NULL };
        HttpRequest request = *what;
        char url[HTTP_URL_MAX];

        if (snprintf(url, sizeof(url), "%s%s", e->url, what->url) >= (int) sizeof(url))
                return *reterr = "its URL is too long", -EINVAL;
        request.url = url;
        request.headers = request.body ? headers : headers + 2;
        request.socket = isempty(e->config->socket) ? NULL : e->config->socket;
        request.connected = e->config->connect_timeout;
        request.header_max = ANSWER_HEADER_MAX;
        return http_start(e->http, &request, data, done, userdata, ret, reterr);
}

static bool is_local(const Endpoint *e) {
        return !isempty(e->config->socket) || startswith(e->url, "http://127.0.0.1:") ||
               startswith(e->url, "http://localhost:") || startswith(e->url, "http://[::1]:");
}

static void plan(Endpoint *e) {
        usec_t longest = PAUSES_MAX * e->interval, now = 0;

        if (e->interval == 0 || e->probe)
                return;
        if (e->state == ENDPOINT_UP)
                e->pause = e->interval;
        else
                e->pause = MIN(MAX(2 * e->pause, PAUSE_FIRST), longest);
        (void) sd_event_now(e->event, CLOCK_MONOTONIC, &now);
        /* The loop wakes up for several at once where it may. */
        (void) sd_event_source_set_time_accuracy(e->timer, MAX(e->pause / 8, 100 * MSEC));
        (void) sd_event_source_set_time(e->timer, now + e->pause);
        (void) sd_event_source_set_enabled(e->timer, SD_EVENT_ONESHOT);
}

static bool same_models(const WireModels *a, const WireModels *b) {
        if (a->n_models != b->n_models || a->n_slots != b->n_slots)
                return false;
        for (size_t i = 0; i < a->n_models; i++)
                if (!streq(a->models[i].id, b->models[i].id) ||
                                a->models[i].context != b->models[i].context)
                        return false;
        return true;
}

/* What the owner reads in `pylon compute`, and once in the log. */
static void settle(Endpoint *e, EndpointState state, const char *trouble) {
        bool changed = e->state != state || !same_models(&e->models, &e->fresh);
        WireModels old = e->models;

        if (state == ENDPOINT_UP)
                for (size_t i = 0; i < e->fresh.n_models; i++) {
                        const WireModel *before = endpoint_model(e, e->fresh.models[i].id);

                        e->fresh.models[i].n_used = before ? before->n_used : 0;
                }
        else
                wire_models_done(&e->fresh);
        e->models = TAKE(e->fresh, (WireModels){});
        wire_models_done(&old);

        if (e->state != state && state == ENDPOINT_UP)
                log_info("The backend '%s' is there, with %zu models.", e->config->name,
                                e->models.n_models);
        if (state == ENDPOINT_DOWN && (e->state == ENDPOINT_UP || (!e->detected && changed)))
                log_warning("The backend '%s' cannot be used: %s.", e->config->name, trouble);
        if (e->state != state && state == ENDPOINT_DOWN)
                e->pause = 0;
        e->state = state;
        if (*trouble || e->n_failed == 0) /* what went wrong last stays until something goes well */
                (void) snprintf(e->trouble, sizeof(e->trouble), "%s", trouble);
        plan(e);
        e->known(e, changed, e->userdata);
}

static void ask_details(Endpoint *e);

/* What is known of a model stays so until it is another one. */
static void remember_details(Endpoint *e) {
        for (size_t i = 0; i < e->fresh.n_models; i++) {
                WireModel *m = &e->fresh.models[i];
                const WireModel *old = endpoint_model(e, m->id);

                if (!old || !old->detailed || !old->version || !m->version ||
                                !streq(old->version, m->version))
                        continue;
                m->context = old->context;
                m->detailed = true;
        }
}

static void on_detail(HttpCall *c, int error, _unused_ const char *reason, const HttpAnswer *a,
                void *userdata) {
        Endpoint *e = userdata;

        if (error >= 0 && a->status == 200)
                e->wire->read_detail(&e->fresh, e->cursor, a->body, a->size);
        if (e->cursor < e->fresh.n_models)
                e->fresh.models[e->cursor].detailed = true;
        e->cursor++;
        e->probe = http_call_free(c);
        ask_details(e);
}

static usec_t probe_time(const Endpoint *e) {
        return is_local(e) ? PROBE_LOCAL_USEC : PROBE_REMOTE_USEC;
}

static void ask_details(Endpoint *e) {
        _cleanup_buffer_ Buffer body = { .max = 4096 };
        const char *path, *reason;
        HttpRequest request;

        if (!e->wire->detail(&e->fresh, &e->cursor, &path, &body)) {
                settle(e, ENDPOINT_UP, "");
                return;
        }
        request = (HttpRequest){
                .url = path,
                .body = body.size > 0 ? body.data : NULL,
                .body_size = body.size,
                .body_max = WIRE_LIST_MAX,
                .total = probe_time(e),
        };
        if (endpoint_request(e, &request, NULL, on_detail, e, &e->probe, &reason) < 0)
                settle(e, ENDPOINT_UP, "");
}

static const char *refusal(int error) {
        switch (error) {
        case -EACCES:
                return "it does not accept our API key";
        case -EAGAIN:
                return "it is loading, or busy";
        case -ENOENT:
                return "it does not speak what its type says";
        default:
                return "it has a problem of its own";
        }
}

/* Who writes for us is there, though he is too busy to say what he has; so may be who did not
 * answer once. */
static bool is_only_busy(Endpoint *e) {
        return e->state == ENDPOINT_UP && (e->n_used > 0 || e->n_missed++ == 0);
}

static void on_models(
                HttpCall *c, int error, const char *reason, const HttpAnswer *a, void *userdata) {
        Endpoint *e = userdata;
        char text[WIRE_ERROR_MAX], trouble[sizeof(e->trouble)];
        const char *r = NULL;

        if (error < 0)
                r = reason;
        else if (a->status != 200) {
                error = wire_error(a->status, a->body, a->size, text);
                (void) snprintf(trouble, sizeof(trouble), "%s (%s)", refusal(error), text);
                r = trouble;
        } else if (e->wire->read_models(a->body, a->size, &e->fresh, &r) >= 0)
                r = NULL;

        if (!r && e->config->context > 0)
                for (size_t i = 0; i < e->fresh.n_models; i++) {
                        e->fresh.models[i].context = e->config->context;
                        e->fresh.models[i].detailed = streq(e->wire->name, "ollama");
                }
        e->probe = http_call_free(c);
        if (error == -ETIMEDOUT && is_only_busy(e)) {
                plan(e);
                e->known(e, false, e->userdata);
                return;
        }
        e->n_missed = 0;
        if (r) {
                settle(e, ENDPOINT_DOWN, r);
                return;
        }
        remember_details(e);
        e->cursor = 0;
        ask_details(e);
}

void endpoint_probe(Endpoint *e) {
        HttpRequest request = {
                .url = e->wire->models_path,
                .body_max = WIRE_LIST_MAX,
                .total = probe_time(e),
        };
        const char *reason;

        if (e->probe)
                return;
        (void) sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
        wire_models_done(&e->fresh);
        if (endpoint_request(e, &request, NULL, on_models, e, &e->probe, &reason) < 0)
                settle(e, ENDPOINT_DOWN, reason);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        endpoint_probe(userdata);
        return 0;
}

void endpoint_want(Endpoint *e, usec_t interval) {
        bool begins = e->interval == 0 && interval > 0;

        e->interval = interval;
        if (interval == 0)
                (void) sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
        else if (begins)
                endpoint_probe(e);
}

static usec_t endpoint_now(const Endpoint *e) {
        usec_t now = 0;

        (void) sd_event_now(e->event, CLOCK_MONOTONIC, &now); /* fails only after a fork */
        return now;
}

bool endpoint_is_shunned(const Endpoint *e) {
        return e->n_failed > 0 && endpoint_now(e) < e->shunned;
}

void endpoint_did_well(Endpoint *e) {
        e->n_answers++;
        e->n_failed = 0;
        e->trouble[0] = '\0';
}

void endpoint_did_badly(Endpoint *e, int error, const char *trouble) {
        usec_t shun;

        e->n_broken++;
        e->n_failed++;
        shun = SHUN_FIRST << MIN(e->n_failed - 1, 10U);
        e->shunned = endpoint_now(e) + MIN(shun, SHUN_LONGEST);
        (void) snprintf(e->trouble, sizeof(e->trouble), "%s", trouble);
        log_warning("The backend '%s' did not answer: %s.", e->config->name, trouble);
        /* Is it there at all? */
        if (error == -ECONNREFUSED || error == -ENOENT || error == -ECONNRESET ||
                        error == -EHOSTUNREACH || error == -ETIMEDOUT)
                endpoint_probe(e);
}

/* ---- life */

/* "http://host:1/v1/" is "http://host:1": the wires say /v1 themselves. */
static char *base_url(const char *url) {
        size_t n = strlen(url);

        while (n > 0 && url[n - 1] == '/')
                n--;
        if (n > 3 && memcmp(url + n - 3, "/v1", 3) == 0)
                n -= 3;
        return strndup(url, n);
}

int endpoint_new(sd_event *event, Http *http, const ConfigBackend *config, bool detected,
                Endpoint **ret, const char **reterr) {
        _cleanup_(endpoint_freep) Endpoint *e = NULL;
        int r;

        *reterr = "there was no memory";
        e = new0(Endpoint, 1);
        if (!e)
                return -ENOMEM;
        e->event = sd_event_ref(event);
        e->config = config;
        e->detected = detected;
        e->wire = wire_find(config->type);
        if (!e->wire) {
                *reterr = "its type is not known; there are \"openai\" and \"ollama\"";
                return -EINVAL;
        }
        e->url = base_url(isempty(config->url) ? e->wire->url : config->url);
        if (!e->url)
                return -ENOMEM;
        r = key_load(config, &e->key, reterr);
        if (r < 0)
                return r;

        *reterr = "its certificates could not be read";
        if (isempty(config->ca_file))
                e->http = http_ref(http);
        else {
                r = http_new(event, config->ca_file, &e->http);
                if (r < 0)
                        return r;
        }
        *reterr = "the event loop does not take it";
        r = sd_event_add_time(event, &e->timer, CLOCK_MONOTONIC, 0, 100 * MSEC, on_timer, e);
        if (r >= 0)
                r = sd_event_source_set_enabled(e->timer, SD_EVENT_OFF);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(e->timer, "backend-probe");
        *ret = TAKE_PTR(e);
        return 0;
}

Endpoint *endpoint_free(Endpoint *e) {
        if (!e)
                return NULL;
        e->probe = http_call_free(e->probe);
        e->timer = sd_event_source_disable_unref(e->timer);
        e->http = http_unref(e->http);
        e->key = secret_free(e->key);
        wire_models_done(&e->models);
        wire_models_done(&e->fresh);
        e->event = sd_event_unref(e->event);
        free(e->url);
        return mfree(e);
}
