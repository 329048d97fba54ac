/* libcurl's multi interface on an sd_event: an io source for each of its sockets, one time source
 * for its timer. */
#include "basic/codec.h"
#include "net/http-private.h"

#define KEPT_CONNECTIONS 4L

static Http *http_free(Http *h) {
        (void) curl_multi_cleanup(h->multi);
        sd_event_source_disable_unref(h->timer);
        sd_event_unref(h->event);
        free(h->ca_file);
        free(h->pin);
        curl_global_cleanup();
        return mfree(h);
}

DEFINE_REF_UNREF(Http, http)

static void http_reap(Http *h) {
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(h->multi, &left))) {
                CURLcode code = m->data.result; /* m does not survive the removal */
                HttpCall *c = NULL;

                if (m->msg != CURLMSG_DONE)
                        continue;
                (void) curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **) &c);
                http_call_detach(c);
                http_call_over(c, code);
        }
}

static HttpCall *http_find(Http *h, bool dead) {
        for (HttpCall *c = h->calls; c; c = c->next)
                if (dead ? c->dead : c->attached)
                        return c;
        return NULL;
}

void http_settle(Http *h, CURLMcode code) {
        HttpCall *c;

        h->busy = false;
        while ((c = http_find(h, true)))
                http_call_free(c);
        http_reap(h);

        /* A socket could not be watched: curl gives up until all transfers are gone. */
        while (code == CURLM_ABORTED_BY_CALLBACK && (c = http_find(h, false)))
                http_call_end(c, -ENOMEM, "there was no memory");
}

static void http_turn(Http *http, curl_socket_t fd, int events) {
        _cleanup_(http_unrefp) Http *h = http_ref(http);
        CURLMcode code;
        int running;

        h->busy = true;
        code = curl_multi_socket_action(h->multi, fd, events, &running);
        http_settle(h, code);
}

static int on_io(_unused_ sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        int events = 0;

        if (revents & (EPOLLIN | EPOLLHUP))
                events |= CURL_CSELECT_IN;
        if (revents & EPOLLOUT)
                events |= CURL_CSELECT_OUT;
        if (revents & EPOLLERR)
                events |= CURL_CSELECT_ERR;
        http_turn(userdata, fd, events);
        return 0;
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        http_turn(userdata, CURL_SOCKET_TIMEOUT, 0);
        return 0;
}

/* curl calls this from its own functions: it must only arm, never act. */
static int on_curl_timer(_unused_ CURLM *multi, long ms, void *userdata) {
        Http *h = userdata;

        if (ms < 0)
                return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
        if (sd_event_source_set_time_relative(h->timer, (usec_t) ms * MSEC) < 0)
                return -1;
        return sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

static int on_curl_socket(
                _unused_ CURL *easy, curl_socket_t fd, int what, void *userdata, void *watched) {
        sd_event_source *s = watched;
        uint32_t events = 0;
        Http *h = userdata;

        if (what == CURL_POLL_REMOVE) {
                sd_event_source_disable_unref(s);
                return 0;
        }

        if (what & CURL_POLL_IN)
                events |= EPOLLIN;
        if (what & CURL_POLL_OUT)
                events |= EPOLLOUT;
        if (s)
                return sd_event_source_set_io_events(s, events) < 0 ? -1 : 0;

        if (sd_event_add_io(h->event, &s, fd, events, on_io, h) < 0)
                return -1;
        (void) sd_event_source_set_description(s, "http-io");
        (void) curl_multi_assign(h->multi, fd, s);
        return 0;
}

static bool http_set_multi(Http *h) {
        CURLM *m = h->multi;

        return curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK &&
               curl_multi_setopt(m, CURLMOPT_SOCKETDATA, h) == CURLM_OK &&
               curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK &&
               curl_multi_setopt(m, CURLMOPT_TIMERDATA, h) == CURLM_OK &&
               curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS) == CURLM_OK;
}

int http_pin(Http *h, const char *pin) {
        _cleanup_free_ uint8_t *hash = NULL;
        const char *text = isempty(pin) ? NULL : startswith(pin, "sha256//");
        size_t size = 0;
        char *copy = NULL;

        if (text && (base64_decode(text, strlen(text), &hash, &size) < 0 || size != 32))
                return -EINVAL;
        if (!isempty(pin) && !text)
                return -EINVAL;
        if (text && !(copy = strdup(pin)))
                return -ENOMEM;

        free(h->pin);
        h->pin = copy;
        return 0;
}

int http_new(sd_event *e, const char *ca_file, Http **ret) {
        _cleanup_(http_unrefp) Http *h = NULL;
        int r;

        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        h = new0(Http, 1);
        if (!h) {
                curl_global_cleanup();
                return -ENOMEM;
        }
        h->n_ref = 1;
        h->event = sd_event_ref(e);
        h->multi = curl_multi_init();
        if (!h->multi || !http_set_multi(h))
                return -ENOMEM;
        if (!isempty(ca_file)) {
                h->ca_file = strdup(ca_file);
                if (!h->ca_file)
                        return -ENOMEM;
        }

        r = sd_event_add_time(e, &h->timer, CLOCK_MONOTONIC, UINT64_MAX, MSEC, on_timer, h);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(h->timer, "http-timer");
        (void) sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);

        *ret = TAKE_PTR(h);
        return 0;
}
