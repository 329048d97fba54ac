/* One question to a backend: as a whole, or line by line for as long as it speaks. Lines are
 * handed on from the loop, not from within the HTTP library. */
#include "basic/crypt.h"
#include "basic/log.h"
#include "wire.h"

#define STREAM_MAX  (64 * 1024 * 1024) /* then it is opened anew */
#define STREAM_USEC (10 * MIN_)        /* the same: a peer that is gone says nothing */
#define PAUSE_FIRST (SEC / 2)
#define PAUSE_MAX   MIN_

struct WireCall {
        Wire *wire;
        HttpCall *http;
        sd_event_source *defer;
        Buffer lines;
        bool by_line, whole_stream; /* lines are looked at; all of them are wanted */
        bool last_line;
        bool over, busy, gone; /* gone: let go of in a line's callback */
        int error;
        const char *reason;
        unsigned status;
        wire_line_t line;
        wire_answered_t answered;
        void *userdata;
};

int64_t wire_now(Wire *w) {
        usec_t now = 0;

        (void) sd_event_now(w->driver.doors.event, CLOCK_REALTIME, &now);
        return (int64_t) (now / SEC);
}

void wire_ask_init(WireAsk *a) {
        *a = (WireAsk){ .total = DRIVER_ASK_DEADLINE };
        buffer_init(&a->path, WIRE_PATH_MAX);
        buffer_init(&a->body, WIRE_BODY_MAX);
}

void wire_ask_done(WireAsk *a) {
        buffer_done(&a->path);
        buffer_done(&a->body);
}

static const char *last_line(const char *text, size_t *size) {
        size_t end = *size, begin;

        while (end > 0 && strchr(" \r\n\t", text[end - 1]))
                end--;
        for (begin = end; begin > 0 && text[begin - 1] != '\n';)
                begin--;
        *size = end - begin;
        return text + begin;
}

static void call_tell(WireCall *c, int error, const char *reason, unsigned status, const char *text,
                size_t size) {
        WireAnswer a;

        if (c->last_line)
                text = last_line(text, &size);
        wire_answer_init(&a, status, text, size, wire_now(c->wire));
        a.error = error;
        a.reason = reason;
        c->answered(&a, c->userdata);
        wire_answer_done(&a);
}

/* The first line that is not empty; it is then out of the buffer. */
static char *call_take_line(WireCall *c) {
        for (;;) {
                char *end = c->lines.size > 0 ? memchr(c->lines.data, '\n', c->lines.size) : NULL;
                size_t size = end ? (size_t) (end - c->lines.data) : c->lines.size;
                char *line;

                if (!end && (!c->over || size == 0))
                        return NULL;
                line = size > 0 ? strndup(c->lines.data, size) : NULL;
                buffer_drop(&c->lines, end ? size + 1 : size);
                if (line && line[strspn(line, " \r\t")] != '\0')
                        return line;
                free(line);
        }
}

static void call_release(WireCall *c) {
        http_call_free(c->http);
        sd_event_source_disable_unref(c->defer);
        buffer_done(&c->lines);
        free(c);
}

static void call_tell_lines(WireCall *c) {
        char *line;

        c->busy = true;
        while (!c->gone && (line = call_take_line(c))) {
                WireAnswer a;

                wire_answer_init(&a, 200, line, strlen(line), wire_now(c->wire));
                c->line(&a, c->userdata);
                wire_answer_done(&a);
                free(line);
        }
        c->busy = false;
}

static int on_lines(_unused_ sd_event_source *s, void *userdata) {
        _cleanup_free_ char *line = NULL;
        WireCall *c = userdata;

        if (c->whole_stream) {
                call_tell_lines(c);
                if (c->gone) {
                        call_release(c);
                        return 0;
                }
        } else {
                line = call_take_line(c);
        }

        if (line) {
                c->http = http_call_free(c->http);
                call_tell(c, 0, NULL, 200, line, strlen(line));
        } else if (c->over) {
                call_tell(c, c->error ?: -ECONNRESET, c->reason ?: "the backend ended its answer",
                                c->status, "", 0);
        }
        return 0;
}

static void call_look(WireCall *c) {
        if (sd_event_source_set_enabled(c->defer, SD_EVENT_ONESHOT) < 0)
                c->over = true; /* cannot be: the source is ours */
}

static void on_data(_unused_ HttpCall *http, const char *bytes, size_t size, void *userdata) {
        WireCall *c = userdata;

        if (c->error < 0)
                return;
        if (buffer_add(&c->lines, bytes, size) < 0) {
                c->error = -EMSGSIZE;
                c->reason = "a line of the answer is too large";
                buffer_clear(&c->lines);
                c->over = true;
        }
        call_look(c);
}

static void on_done(_unused_ HttpCall *http, int error, const char *reason,
                const HttpAnswer *answer, void *userdata) {
        WireCall *c = userdata;

        c->over = true;
        if (!c->by_line || (answer && answer->status / 100 != 2)) {
                call_tell(c, error, reason, answer ? answer->status : 0, answer ? answer->body : "",
                                answer ? answer->size : 0);
                return;
        }
        if (c->error == 0) {
                c->error = error;
                c->reason = reason;
        }
        c->status = answer ? answer->status : 0;
        call_look(c);
}

static int call_start(WireCall *c, const WireAsk *ask, const char **reterr) {
        Wire *w = c->wire;
        _cleanup_buffer_ Buffer url;
        char type_form[] = "Content-Type: application/x-www-form-urlencoded";
        char type_json[] = "Content-Type: application/json";
        char *headers[] = { w->header.size > 0 ? w->header.data : type_json,
                ask->form ? type_form : type_json, NULL };
        HttpRequest request = {
                .headers = w->header.size > 0 ? headers : headers + 1,
                .socket = w->socket,
                .body = ask->body.size > 0 ? ask->body.data : NULL,
                .body_size = ask->body.size,
                .body_max = c->whole_stream ? STREAM_MAX : WIRE_REPLY_MAX,
                .first_byte = c->whole_stream ? STREAM_USEC : ask->total,
                .between_bytes = c->whole_stream ? STREAM_USEC : ask->total,
                .total = c->whole_stream ? STREAM_USEC : ask->total,
        };
        int r;

        buffer_init(&url, HTTP_URL_MAX);
        r = buffer_addf(&url, "%s%s", w->base, ask->path.data);
        if (r < 0)
                return *reterr = "the question is too long", r;

        request.url = url.data;
        return http_start(w->driver.doors.http, &request, c->by_line ? on_data : NULL, on_done, c,
                        &c->http, reterr);
}

static int call_new(Wire *w, const WireAsk *ask, wire_line_t line, wire_answered_t answered,
                void *userdata, WireCall **ret, const char **reterr) {
        WireCall *c = new0(WireCall, 1);
        int r;

        *reterr = "there was no memory";
        if (!c)
                return -ENOMEM;
        *c = (WireCall){
                .wire = w,
                .by_line = ask->shape == WIRE_FIRST_LINE || line,
                .whole_stream = line,
                .last_line = ask->shape == WIRE_LAST_LINE,
                .line = line,
                .answered = answered,
                .userdata = userdata,
        };
        buffer_init(&c->lines, 2 * WIRE_REPLY_MAX);

        r = sd_event_add_defer(w->driver.doors.event, &c->defer, on_lines, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->defer, SD_EVENT_OFF);
        if (r >= 0)
                r = call_start(c, ask, reterr);
        if (r < 0) {
                wire_call_free(c);
                return r;
        }
        *ret = c;
        return 0;
}

int wire_call(Wire *w, const WireAsk *ask, wire_answered_t answered, void *userdata, WireCall **ret,
                const char **reterr) {
        return call_new(w, ask, NULL, answered, userdata, ret, reterr);
}

int wire_stream(Wire *w, const WireAsk *ask, wire_line_t line, wire_answered_t ended,
                void *userdata, WireCall **ret, const char **reterr) {
        return call_new(w, ask, line, ended, userdata, ret, reterr);
}

WireCall *wire_call_free(WireCall *c) {
        if (!c)
                return NULL;

        c->gone = true;
        if (!c->busy)
                call_release(c);
        return NULL;
}

/* ---- pauses */

int wire_pause_start(WirePause *p, sd_event *e, sd_event_time_handler_t again, void *userdata) {
        usec_t wait = PAUSE_FIRST << MIN(p->failures, 8u);
        uint16_t chance = 0;
        int r;

        wait = MIN(wait, PAUSE_MAX);
        if (crypt_random(&chance, sizeof(chance)) >= 0)
                wait -= wait / 4 * chance / UINT16_MAX;
        p->failures++;

        p->timer = sd_event_source_disable_unref(p->timer);
        r = sd_event_add_time_relative(
                        e, &p->timer, CLOCK_MONOTONIC, wait, 100 * MSEC, again, userdata);
        if (r >= 0)
                (void) sd_event_source_set_description(p->timer, "wallet-watch-pause");
        return r;
}

void wire_pause_done(WirePause *p) {
        p->timer = sd_event_source_disable_unref(p->timer);
}
