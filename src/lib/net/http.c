/* Calls: what curl is told, what it tells us, their deadlines and their end. Names are resolved by
 * us (curl would start a thread), redirects are followed by us (so that each hop is resolved and
 * judged), deadlines are ours (curl's look at the clock twice a second). curl's callbacks run
 * inside curl: nothing there may add or remove a transfer, so freeing a call in one of them only
 * marks it. */
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "basic/text.h"
#include "net/address.h"
#include "net/http-private.h"

#define HEADER_MAX      (32 * 1024)
#define BODY_MAX        (1024 * 1024)
#define CONNECTED_USEC  (10 * SEC)
#define FIRST_BYTE_USEC (60 * SEC)
#define BETWEEN_USEC    (60 * SEC)
#define ACCURACY_USEC   (50 * MSEC)
#define READ_SIZE       16384L

static const char *const late[_PHASE_MAX] = {
        [PHASE_CONNECTING] = "no connection was made in time",
        [PHASE_WAITING] = "no answer came in time",
        [PHASE_STREAMING] = "the answer stopped coming",
};

static const struct {
        CURLcode code;
        int error;
        const char *reason;
} failures[] = {
        { CURLE_OUT_OF_MEMORY, -ENOMEM,
                        "there was no memory, or a line of the answer's head is too long" },
        { CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, "the name has no address" },
        { CURLE_GOT_NOTHING, -ECONNRESET, "the server closed without an answer" },
        { CURLE_PARTIAL_FILE, -ECONNRESET, "the answer ended before it was whole" },
        { CURLE_SEND_ERROR, -ECONNRESET, "the connection was lost" },
        { CURLE_RECV_ERROR, -ECONNRESET, "the connection was lost" },
        { CURLE_FILESIZE_EXCEEDED, -EMSGSIZE, "the answer is too large" },
        { CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED,
                        "the server's certificate is not trusted" },
        { CURLE_SSL_PINNEDPUBKEYNOTMATCH, -EKEYREJECTED,
                        "the server's key is not the one that is pinned" },
        { CURLE_SSL_CACERT_BADFILE, -ENOENT, "the trusted authorities could not be read" },
        { CURLE_SSL_CONNECT_ERROR, -EPROTO, "no secure connection could be made" },
        { CURLE_UNSUPPORTED_PROTOCOL, -EPROTO, "the server does not speak HTTP" },
        { CURLE_WEIRD_SERVER_REPLY, -EPROTO, "the server does not speak HTTP" },
        { CURLE_BAD_CONTENT_ENCODING, -EPROTO, "the answer is not well formed" },
};

static const struct {
        int error;
        const char *reason;
} refusals[] = {
        { ECONNREFUSED, "the connection was refused" },
        { ENETUNREACH, "the network cannot be reached" },
        { EHOSTUNREACH, "the server cannot be reached" },
        { ENOENT, "the server's socket is not there" },
        { EACCES, "there is no permission for the server's socket" },
};

/* Calls: their phases and their end. */

static usec_t usec_sum(usec_t a, usec_t b) {
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static usec_t call_now(const HttpCall *c) {
        usec_t now = 0;

        (void) sd_event_now(c->http->event, CLOCK_MONOTONIC, &now); /* fails only after a fork */
        return now;
}

static usec_t call_due(const HttpCall *c) {
        usec_t due = usec_sum(c->since, c->limits[c->phase]);

        return c->paused ? c->end : MIN(due, c->end);
}

static void call_arm(HttpCall *c) {
        usec_t due = call_due(c);

        (void) sd_event_source_set_time(c->deadline, due);
        (void) sd_event_source_set_enabled(
                        c->deadline, due == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* Bytes only move the mark; the timer looks at it when it fires. */
static void call_enter(HttpCall *c, Phase phase) {
        c->since = call_now(c);
        if (c->phase == phase)
                return;
        c->phase = phase;
        call_arm(c);
}

void http_call_detach(HttpCall *c) {
        if (c->attached)
                (void) curl_multi_remove_handle(c->http->multi, c->easy);
        c->attached = false;
}

static void call_stop(HttpCall *c) {
        http_call_detach(c);
        c->resolve = resolve_free(c->resolve);
        c->begin = sd_event_source_disable_unref(c->begin);
        c->deadline = sd_event_source_disable_unref(c->deadline);
        c->resume = sd_event_source_disable_unref(c->resume);
}

void http_call_end(HttpCall *c, int error, const char *reason) {
        _cleanup_buffer_ Buffer body = TAKE(c->body, (Buffer){ .max = c->body_max });
        HttpAnswer answer = {
                .status = http_call_status(c),
                .body = body.data ?: "",
                .size = body.size,
        };

        call_stop(c);
        c->done(c, error, reason, error < 0 ? NULL : &answer, c->userdata);
}

static void call_refused(HttpCall *c) {
        const char *reason = "no connection could be made";
        long error = 0;

        if (c->was_private)
                return http_call_end(c, -EACCES, "its address is not of the public Internet");
        (void) curl_easy_getinfo(c->easy, CURLINFO_OS_ERRNO, &error);
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++)
                if (refusals[i].error == error)
                        reason = refusals[i].reason;
        http_call_end(c, error > 0 ? -(int) error : -ECONNREFUSED, reason);
}

static void call_fail(HttpCall *c, CURLcode code) {
        if (c->error < 0)
                return http_call_end(c, c->error, c->reason);
        if (code == CURLE_COULDNT_CONNECT)
                return call_refused(c);

        for (size_t i = 0; i < ELEMENTSOF(failures); i++)
                if (failures[i].code == code)
                        return http_call_end(c, failures[i].error, failures[i].reason);
        http_call_end(c, -EIO, "the request could not be carried out");
}

static int on_deadline(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        HttpCall *c = userdata;
        usec_t now = call_now(c);

        if (c->end <= now)
                http_call_end(c, -ETIMEDOUT, "the answer was not whole in time");
        else if (call_due(c) <= now)
                http_call_end(c, -ETIMEDOUT, late[c->phase]);
        else
                call_arm(c);
        return 0;
}

/* Starting: look the name up, hand over to curl. */

static void call_attach(HttpCall *c) {
        if (curl_multi_add_handle(c->http->multi, c->easy) != CURLM_OK)
                return http_call_end(c, -ENOMEM, "there was no memory");
        c->attached = true;
}

static int on_begin(_unused_ sd_event_source *s, void *userdata) {
        call_attach(userdata);
        return 0;
}

static int call_pin(HttpCall *c, char *const *addresses) {
        _cleanup_free_ char *line = NULL;
        int r;

        r = http_url_pin(c->url, addresses, &line);
        if (r < 0 || !line)
                return r;

        curl_slist_free_all(c->addresses);
        c->addresses = curl_slist_append(NULL, line);
        if (!c->addresses)
                return -ENOMEM;
        return curl_easy_setopt(c->easy, CURLOPT_RESOLVE, c->addresses) == CURLE_OK ? 0 : -ENOMEM;
}

static void on_resolved(_unused_ Resolve *q, int error, const char *reason, char *const *addresses,
                void *userdata) {
        HttpCall *c = userdata;

        if (error < 0)
                return http_call_end(c, error, reason);

        error = call_pin(c, addresses);
        c->resolve = resolve_free(c->resolve);
        if (error < 0)
                return http_call_end(c, error, "there was no memory");
        call_attach(c);
}

static int call_resolve(HttpCall *c) {
        _cleanup_free_ char *name = http_url_name(c->url);

        if (!name)
                return -ENOMEM;
        return resolve_name(c->http->event, name, on_resolved, c, &c->resolve);
}

/* From here on the deadlines run. Nothing calls back before the loop turns. */
static int call_begin(HttpCall *c) {
        int r;

        c->phase = PHASE_CONNECTING;
        c->since = call_now(c);
        if (c->by_socket)
                r = sd_event_add_defer(c->http->event, &c->begin, on_begin, c);
        else
                r = call_resolve(c);
        if (r < 0)
                return r;

        call_arm(c);
        return 0;
}

/* Redirects. */

/* What the caller put into the headers may be a secret between him and the first server. */
static int call_move(HttpCall *c, const char *where, const char **reterr) {
        CURLU *url;
        int r;

        r = http_url_read(where, &url, reterr);
        if (r < 0)
                return r;
        if ((c->https_only || http_url_is_secure(c->url)) && !http_url_is_secure(url)) {
                curl_url_cleanup(url);
                *reterr = "the server redirects to a place without encryption";
                return -EPROTO;
        }
        if (!http_url_same_origin(c->url, url)) {
                (void) curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, NULL);
                (void) curl_easy_setopt(c->easy, CURLOPT_UNIX_SOCKET_PATH, NULL);
                c->by_socket = false;
        }

        (void) curl_easy_setopt(c->easy, CURLOPT_CURLU, url);
        curl_url_cleanup(c->url);
        c->url = url;
        c->redirects_left--;
        c->was_private = false;
        c->header_size = c->received = 0;
        buffer_clear(&c->body);
        return call_begin(c);
}

static void call_finished(HttpCall *c) {
        const char *reason = "there was no memory";
        char *where = NULL;
        int r;

        (void) curl_easy_getinfo(c->easy, CURLINFO_REDIRECT_URL, &where);
        if (!where)
                return http_call_end(c, 0, NULL);
        if (!c->safe || c->redirects_left == 0)
                return http_call_end(c, -ELOOP, "the server redirects to another place");

        r = call_move(c, where, &reason);
        if (r < 0)
                http_call_end(c, r, reason);
}

void http_call_over(HttpCall *c, CURLcode code) {
        if (c->dead)
                http_call_free(c);
        else if (code == CURLE_OK)
                call_finished(c);
        else
                call_fail(c, code);
}

/* Inside curl. */

static int call_abort(HttpCall *c, int error, const char *reason) {
        c->error = error;
        c->reason = reason;
        return error;
}

/* The connection stands, the request goes out. */
static int on_connected(void *userdata, _unused_ char *address, _unused_ char *local,
                _unused_ int port, _unused_ int local_port) {
        HttpCall *c = userdata;

        if (c->dead)
                return CURL_PREREQFUNC_ABORT;
        call_enter(c, PHASE_WAITING);
        return CURL_PREREQFUNC_OK;
}

static size_t on_header(_unused_ char *line, _unused_ size_t one, size_t size, void *userdata) {
        HttpCall *c = userdata;

        if (c->dead)
                return CURL_WRITEFUNC_ERROR;
        if (size > c->header_max - c->header_size) {
                call_abort(c, -EMSGSIZE, "the answer's head is too large");
                return CURL_WRITEFUNC_ERROR;
        }
        c->header_size += size;
        return size;
}

static int call_take(HttpCall *c, const char *bytes, size_t size) {
        if (size > c->body_max - c->received)
                return call_abort(c, -EMSGSIZE, "the answer is too large");
        c->received += size;

        if (c->data && http_call_status(c) / 100 == 2) {
                c->data(c, bytes, size, c->userdata);
                return c->dead ? -ECANCELED : 0;
        }
        if (buffer_add(&c->body, bytes, size) < 0)
                return call_abort(c, -ENOMEM, "there was no memory");
        return 0;
}

static size_t on_body(char *bytes, _unused_ size_t one, size_t size, void *userdata) {
        HttpCall *c = userdata;

        if (c->dead)
                return CURL_WRITEFUNC_ERROR;
        if (c->paused) {
                c->held = true;
                return CURL_WRITEFUNC_PAUSE; /* we are given the same bytes again */
        }
        call_enter(c, PHASE_STREAMING);
        return call_take(c, bytes, size) < 0 ? CURL_WRITEFUNC_ERROR : size;
}

/* curl 7.88 leaves its sockets to children. What it connects to is what we are shown here. */
static curl_socket_t on_socket(
                void *userdata, _unused_ curlsocktype purpose, struct curl_sockaddr *a) {
        HttpCall *c = userdata;

        if (c->public_only && !sockaddr_is_public(&a->addr, a->addrlen)) {
                c->was_private = true;
                return CURL_SOCKET_BAD;
        }
        return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static int on_resume(_unused_ sd_event_source *s, void *userdata) {
        HttpCall *c = userdata;
        _cleanup_(http_unrefp) Http *h = http_ref(c->http);
        CURLcode code;

        if (!c->attached || c->paused || !c->held)
                return 0;

        c->held = false;
        h->busy = true;
        code = curl_easy_pause(c->easy, CURLPAUSE_CONT);
        h->busy = false;
        if (!c->dead && code != CURLE_OK)
                call_fail(c, code);
        http_settle(h, CURLM_OK);
        return 0;
}

static int call_resume(HttpCall *c) {
        if (c->resume)
                return sd_event_source_set_enabled(c->resume, SD_EVENT_ONESHOT);
        return sd_event_add_defer(c->http->event, &c->resume, on_resume, c);
}

/* What curl is told. */

#define SET(c, option, value) (curl_easy_setopt((c)->easy, (option), (value)) == CURLE_OK)

static bool easy_set_common(HttpCall *c) {
        return SET(c, CURLOPT_PRIVATE, c) && SET(c, CURLOPT_CURLU, c->url) &&
               SET(c, CURLOPT_PROTOCOLS_STR, "http,https") && SET(c, CURLOPT_PROXY, "") &&
               SET(c, CURLOPT_NOSIGNAL, 1L) && SET(c, CURLOPT_BUFFERSIZE, READ_SIZE) &&
               SET(c, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) &&
               SET(c, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) &&
               SET(c, CURLOPT_USERAGENT, "pylon/" PYLON_VERSION) &&
               /* Ours are the deadlines; 0 would be 300 s. */
               SET(c, CURLOPT_CONNECTTIMEOUT_MS, (long) INT32_MAX) &&
               SET(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) c->body_max) &&
               /* curl repeats what was lost on a connection that it had kept; and the address of
                * a kept one nobody judged for us. */
               SET(c, CURLOPT_FRESH_CONNECT, c->safe && !c->public_only ? 0L : 1L) &&
               SET(c, CURLOPT_OPENSOCKETFUNCTION, on_socket) && SET(c, CURLOPT_OPENSOCKETDATA, c) &&
               SET(c, CURLOPT_PREREQFUNCTION, on_connected) && SET(c, CURLOPT_PREREQDATA, c) &&
               SET(c, CURLOPT_HEADERFUNCTION, on_header) && SET(c, CURLOPT_HEADERDATA, c) &&
               SET(c, CURLOPT_WRITEFUNCTION, on_body) && SET(c, CURLOPT_WRITEDATA, c);
}

static bool easy_set_request(HttpCall *c, const HttpRequest *r, const char *method) {
        bool sends = r->body || streq(method, "POST");

        return SET(c, CURLOPT_HTTPHEADER, c->headers) &&
               (!c->http->ca_file || (SET(c, CURLOPT_CAINFO, c->http->ca_file) &&
                                                     SET(c, CURLOPT_CAPATH, NULL))) &&
               (!c->http->pin || SET(c, CURLOPT_PINNEDPUBLICKEY, c->http->pin)) &&
               (!r->socket || SET(c, CURLOPT_UNIX_SOCKET_PATH, r->socket)) &&
               (!sends || (SET(c, CURLOPT_POST, 1L) &&
                                          SET(c, CURLOPT_POSTFIELDSIZE_LARGE,
                                                          (curl_off_t) r->body_size) &&
                                          SET(c, CURLOPT_COPYPOSTFIELDS, r->body ?: ""))) &&
               (!streq(method, "HEAD") || SET(c, CURLOPT_NOBODY, 1L)) &&
               SET(c, CURLOPT_CUSTOMREQUEST, method);
}

static int add_header(struct curl_slist **list, const char *line) {
        struct curl_slist *longer = curl_slist_append(*list, line);

        if (!longer)
                return -ENOMEM;
        *list = longer;
        return 0;
}

static bool header_is_valid(const char *line) {
        size_t n = strcspn(line, ":");

        if (n == 0 || line[n] != ':')
                return false;
        for (const char *p = line; *p; p++)
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return false;
        return true;
}

/* An empty value takes one of curl's own away. */
static int call_set_headers(HttpCall *c, char *const *headers) {
        bool typed = false;
        int r = 0;

        STRV_FOREACH (h, headers) {
                typed = typed || strncasecmp(*h, "content-type:", 13) == 0;
                r = add_header(&c->headers, *h);
                if (r < 0)
                        return r;
        }
        if (!typed)
                r = add_header(&c->headers, "Content-Type:");
        return r < 0 ? r : add_header(&c->headers, "Expect:");
}

static int request_check(const HttpRequest *request, const char **reterr) {
        STRV_FOREACH (h, request->headers)
                if (!header_is_valid(*h))
                        return *reterr = "a header is not well formed", -EINVAL;

        if (request->socket &&
                        (request->socket[0] != '/' ||
                                        strlen(request->socket) >=
                                                        sizeof(((struct sockaddr_un *) NULL)
                                                                                        ->sun_path)))
                return *reterr = "the socket's path is not absolute or too long", -EINVAL;
        if (request->socket && request->public_only)
                return *reterr = "a socket of this machine is not public", -EINVAL;
        return 0;
}

static HttpCall *call_new(Http *h, const HttpRequest *r, const char *method) {
        HttpCall *c = new0(HttpCall, 1);

        if (!c)
                return NULL;

        c->http = http_ref(h);
        c->next = h->calls;
        c->self = &h->calls;
        if (c->next)
                c->next->self = &c->next;
        h->calls = c;
        h->n_calls++;

        c->safe = streq(method, "GET") || streq(method, "HEAD");
        c->header_max = r->header_max ?: HEADER_MAX;
        c->body_max = r->body_max ?: BODY_MAX;
        c->redirects_left = r->redirects_max;
        c->by_socket = r->socket;
        c->public_only = r->public_only;
        c->https_only = r->https_only;
        c->limits[PHASE_CONNECTING] = r->connected ?: CONNECTED_USEC;
        c->limits[PHASE_WAITING] = r->first_byte ?: FIRST_BYTE_USEC;
        c->limits[PHASE_STREAMING] = r->between_bytes ?: BETWEEN_USEC;
        c->end = r->total ? usec_sum(call_now(c), r->total) : UINT64_MAX;
        buffer_init(&c->body, c->body_max);
        return c;
}

static int call_prepare(HttpCall *c, const HttpRequest *request, const char *method) {
        int r;

        c->easy = curl_easy_init();
        if (!c->easy)
                return -ENOMEM;

        r = call_set_headers(c, request->headers);
        if (r < 0)
                return r;
        if (!easy_set_common(c) || !easy_set_request(c, request, method))
                return -ENOMEM;

        r = sd_event_add_time(c->http->event, &c->deadline, CLOCK_MONOTONIC, UINT64_MAX,
                        ACCURACY_USEC, on_deadline, c);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(c->deadline, "http-deadline");
        return 0;
}

int http_start(Http *h, const HttpRequest *request, http_data_t data, http_done_t done,
                void *userdata, HttpCall **ret, const char **reterr) {
        const char *method = request->method ?: request->body ? "POST" : "GET";
        _cleanup_(http_call_freep) HttpCall *c = NULL;
        int r;

        r = request_check(request, reterr);
        if (r < 0)
                return r;
        if (h->n_calls >= HTTP_CALLS_MAX)
                return *reterr = "too many requests are under way", -EBUSY;

        *reterr = "there was no memory";
        c = call_new(h, request, method);
        if (!c)
                return -ENOMEM;
        r = http_url_read(request->url, &c->url, reterr);
        if (r < 0)
                return r;
        if (c->https_only && !http_url_is_secure(c->url))
                return *reterr = "the URL is without encryption", -EPROTO;

        *reterr = "the request could not be begun";
        r = call_prepare(c, request, method);
        if (r < 0)
                return r;
        r = call_begin(c);
        if (r < 0)
                return r;

        c->data = data;
        c->done = done;
        c->userdata = userdata;
        *ret = TAKE_PTR(c);
        return 0;
}

HttpCall *http_call_free(HttpCall *c) {
        if (!c)
                return NULL;

        c->dead = true;
        if (c->http->busy && c->attached)
                return NULL; /* http_settle() comes back to it */

        call_stop(c);
        *c->self = c->next;
        if (c->next)
                c->next->self = c->self;
        c->http->n_calls--;

        curl_easy_cleanup(c->easy);
        curl_url_cleanup(c->url);
        curl_slist_free_all(c->headers);
        curl_slist_free_all(c->addresses);
        buffer_done(&c->body);
        http_unref(c->http);
        return mfree(c);
}

void http_call_pause(HttpCall *c, bool pause) {
        if (c->paused == pause)
                return;

        c->paused = pause;
        c->since = call_now(c);
        if (!c->deadline)
                return; /* it is over */
        call_arm(c);
        if (!pause && c->held)
                (void) call_resume(c);
}

unsigned http_call_status(const HttpCall *c) {
        long status = 0;

        (void) curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        return (unsigned) status;
}

const char *http_call_header(const HttpCall *c, const char *name) {
        struct curl_header *h;

        return curl_easy_header(c->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value
                                                                                     : NULL;
}
