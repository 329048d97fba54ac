#include "talk.h"

#include <stdio.h>
#include <strings.h>

#include "basic/log.h"
#include "basic/text.h"
#include "net/sse.h"
#include "repair.h"

#define ASK_MAX       (2 * TEXT_SIZE_MAX + TEXT_SIZE_MAX / 2) /* of what is sent */
#define BYTES_A_CHAR  512        /* of a stream, where each character comes in a piece of its own */
#define BODY_MAX      (1U << 30) /* of a stream */
#define ACCURACY_USEC (100 * MSEC)

typedef enum Form {
        FORM_UNKNOWN,
        FORM_EVENTS,
        FORM_LINES,
        FORM_WHOLE, /* one object, though a stream was asked for */
} Form;

struct Talk {
        Endpoint *endpoint;
        char *id;
        KindWork work;
        talk_text_t text;
        talk_done_t done;
        void *userdata;
        HttpCall *call;
        sd_event_source *timer;
        usec_t last; /* when the model said something; 0: nothing yet */
        Form form;
        Sse sse;
        Buffer line; /* of FORM_LINES, or the whole */
        Repair repair;
        Buffer content;
        size_t n_told;
        int64_t tokens_in, tokens_out;
        bool finished, ended, paused;
        bool busy, dead; /* inside of our functions; freed there */
};

static usec_t talk_now(const Talk *t) {
        usec_t now = 0;

        (void) sd_event_now(t->endpoint->event, CLOCK_MONOTONIC, &now);
        return now;
}

static void talk_stop(Talk *t) {
        t->timer = sd_event_source_disable_unref(t->timer);
        t->call = http_call_free(t->call);
}

static void talk_destroy(Talk *t) {
        talk_stop(t);
        if (t->endpoint)
                endpoint_use(t->endpoint, t->id, -1);
        sse_done(&t->sse);
        buffer_done(&t->line);
        buffer_done(&t->content);
        free(t->id);
        free(t);
}

Talk *talk_free(Talk *t) {
        if (!t)
                return NULL;
        t->dead = true;
        if (!t->busy)
                talk_destroy(t);
        return NULL;
}

/* The last thing that is done with it in each way. */
static void talk_end(Talk *t, int error, const char *reason, const char *trouble) {
        const TalkEnd end = {
                .error = error,
                .reason = reason,
                .content = t->content.data ?: "",
                .size = t->content.size,
                .tokens_in = t->tokens_in,
                .tokens_out = t->tokens_out,
        };

        if (t->ended)
                return;
        t->ended = true;
        talk_stop(t);
        if (error < 0 && error != -E2BIG)
                endpoint_did_badly(t->endpoint, error, trouble);
        else if (error >= 0)
                endpoint_did_well(t->endpoint);
        t->done(&end, t->userdata);
}

static void talk_broke(Talk *t, const char *trouble) {
        talk_end(t, -ECONNRESET, _("The model's server broke down."), trouble);
}

/* What the server says went wrong. */
static void talk_refused(Talk *t, int error, const char *text) {
        char trouble[WIRE_ERROR_MAX + 64];

        (void) snprintf(trouble, sizeof(trouble), "it says: %s", text);
        switch (error) {
        case -E2BIG:
                return talk_end(t, error, _("The text is longer than the model can read."),
                                trouble);
        case -EINVAL:
                return talk_end(t, error, _("The model's server does not take this request."),
                                trouble);
        case -ENOENT:
                return talk_end(t, error, _("The model is not there any more."), trouble);
        case -EAGAIN:
                return talk_end(t, error, _("The model's server is busy."), trouble);
        default:
                return talk_end(t, -ECONNRESET, _("The model's server broke down."), trouble);
        }
}

/* ---- what comes */

static void talk_tell(Talk *t) {
        size_t from = t->n_told;

        t->n_told = t->content.size;
        if (t->text && t->n_told > from)
                t->text(t->content.data + from, t->n_told - from, t->userdata);
}

/* What is beyond the limit is cut off, and that is the answer. */
static void talk_cut(Talk *t) {
        t->repair = (Repair){};
        talk_tell(t);
        if (!t->dead)
                talk_end(t, 0, NULL, NULL);
}

static int talk_add(Talk *t, const char *text, size_t size) {
        _cleanup_buffer_ Buffer whole = { .max = 4 * (size_t) WIRE_PIECE_MAX };
        size_t n, before = t->content.size;
        int r;

        r = buffer_add(&whole, text, size);
        if (r < 0)
                return r;
        n = wire_bytes(whole.data, whole.size);
        r = repair_add(&t->repair, whole.data, n, &t->content);
        if (r != -ENOBUFS || t->content.size > before)
                return r;

        n = utf8_prefix(whole.data, n, t->content.max - t->content.size);
        if (n > 0 && utf8_is_valid(whole.data, n))
                (void) buffer_add(&t->content, whole.data, n);
        return -ENOBUFS;
}

static void talk_alive(Talk *t) {
        bool first = t->last == 0;

        t->last = talk_now(t);
        if (first)
                (void) sd_event_source_set_time(
                                t->timer, t->last + t->endpoint->config->token_timeout);
}

static void talk_piece(Talk *t, const char *data, size_t size) {
        _cleanup_piece_ WirePiece p = {};
        int r;

        r = t->endpoint->wire->read_piece(data, size, &p);
        if (r == -EBADMSG)
                return talk_broke(t, "it sent something that is not what its type speaks");
        if (r == -ENOMEM)
                return talk_broke(t, "there was no memory");
        if (r < 0)
                return talk_refused(t, r, p.error);

        if (p.tokens_in >= 0)
                t->tokens_in = p.tokens_in;
        if (p.tokens_out >= 0)
                t->tokens_out = p.tokens_out;
        if ((p.text && p.size > 0) || p.thinks)
                talk_alive(t);
        r = p.text ? talk_add(t, p.text, p.size) : 0;
        if (r == -ENOBUFS)
                return talk_cut(t);
        if (r < 0)
                return talk_broke(t, "there was no memory");
        t->finished |= p.finished;
        talk_tell(t);
        if (p.end && !t->dead) {
                if (!t->finished)
                        return talk_broke(t, "it ended in the middle of an answer");
                (void) repair_end(&t->repair, &t->content);
                talk_tell(t);
                if (!t->dead)
                        talk_end(t, 0, NULL, NULL);
        }
}

static void talk_events(Talk *t, const char *bytes, size_t size) {
        const SseEvent *event;
        int r = 0;

        while (!t->dead && !t->ended && (r = sse_read(&t->sse, &bytes, &size, &event)) > 0)
                talk_piece(t, event->data, event->size);
        if (!t->dead && !t->ended && r < 0)
                talk_broke(t, "a piece of its answer is too large");
}

static void talk_lines(Talk *t, const char *bytes, size_t size) {
        while (!t->dead && !t->ended && size > 0) {
                const char *end = memchr(bytes, '\n', size);
                size_t n = end ? (size_t) (end - bytes) : size;

                if (buffer_add(&t->line, bytes, n) < 0) {
                        talk_broke(t, "a line of its answer is too large");
                        return;
                }
                bytes += end ? n + 1 : n;
                size -= end ? n + 1 : n;
                if (!end)
                        return;
                if (t->line.size > strspn(t->line.data ?: "", " \t\r"))
                        talk_piece(t, t->line.data, t->line.size);
                buffer_clear(&t->line);
        }
}

/* Some say an error, or everything, in one object where a stream was asked for. */
static Form form_of(const Talk *t, const HttpCall *c) {
        const char *type = http_call_header(c, "content-type");

        if (t->work == KIND_WORK_EMBEDDINGS)
                return type && strcasestr(type, "json") ? FORM_WHOLE : FORM_UNKNOWN;
        if (!t->endpoint->wire->events)
                return type && strcasestr(type, "json") ? FORM_LINES : FORM_UNKNOWN;
        if (type && strcasestr(type, "text/event-stream"))
                return FORM_EVENTS;
        return type && strcasestr(type, "json") ? FORM_WHOLE : FORM_UNKNOWN;
}

static void on_data(HttpCall *c, const char *bytes, size_t size, void *userdata) {
        Talk *t = userdata;

        if (t->ended)
                return;
        t->busy = true;
        if (t->form == FORM_UNKNOWN)
                t->form = form_of(t, c);
        switch (t->form) {
        case FORM_UNKNOWN:
                talk_broke(t, "its answer is of another type than what its type speaks");
                break;
        case FORM_EVENTS:
                talk_events(t, bytes, size);
                break;
        case FORM_LINES:
                talk_lines(t, bytes, size);
                break;
        case FORM_WHOLE:
                if (buffer_add(&t->line, bytes, size) < 0)
                        talk_broke(t, "its answer is too large");
                break;
        }
        t->busy = false;
        if (t->dead)
                talk_destroy(t);
}

/* ---- the end */

static void talk_vectors(Talk *t) {
        _cleanup_piece_ WirePiece p = {};
        int r;

        r = t->endpoint->wire->read_vectors(t->line.data ?: "", t->line.size, &t->content, &p);
        if (r == -ENOBUFS)
                return talk_end(t, -E2BIG, _("The answer is larger than is allowed here."),
                                "its answer is too large");
        if (r == -EBADMSG || r == -ENOMEM)
                return talk_broke(t, "it sent something that is not what its type speaks");
        if (r < 0)
                return talk_refused(t, r, p.error);
        t->tokens_in = p.tokens_in;
        talk_tell(t);
        if (!t->dead)
                talk_end(t, 0, NULL, NULL);
}

/* The connection ended and nothing is missing, as HTTP has it. */
static void talk_closed(Talk *t) {
        if (t->form == FORM_WHOLE && t->work == KIND_WORK_EMBEDDINGS)
                return talk_vectors(t);
        if (t->form == FORM_WHOLE || (t->form == FORM_LINES && t->line.size > 0))
                talk_piece(t, t->line.data ?: "", t->line.size);
        if (t->dead || t->ended)
                return;
        if (!t->finished)
                return talk_broke(t, "it ended in the middle of an answer");
        (void) repair_end(&t->repair, &t->content);
        talk_tell(t);
        if (!t->dead)
                talk_end(t, 0, NULL, NULL);
}

static void on_done(_unused_ HttpCall *c, int error, const char *reason, const HttpAnswer *a,
                void *userdata) {
        char text[WIRE_ERROR_MAX];
        Talk *t = userdata;

        if (t->ended)
                return;
        t->busy = true;
        if (error < 0)
                talk_end(t, error == -EINVAL || error == -E2BIG ? -ECONNRESET : error,
                                _("The model's server cannot be reached."), reason);
        else if (a->status / 100 != 2) {
                error = wire_error(a->status, a->body, a->size, text);
                talk_refused(t, error, text);
        } else
                talk_closed(t);
        t->busy = false;
        if (t->dead)
                talk_destroy(t);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Talk *t = userdata;
        usec_t timeout = t->endpoint->config->token_timeout, now = talk_now(t);

        if (t->paused || (t->last > 0 && t->last + timeout > now)) {
                (void) sd_event_source_set_time(t->timer, (t->paused ? now : t->last) + timeout);
                (void) sd_event_source_set_enabled(t->timer, SD_EVENT_ONESHOT);
                return 0;
        }
        t->busy = true;
        if (t->last > 0)
                talk_end(t, -ETIMEDOUT, _("The model stopped in the middle of its answer."),
                                "it stopped in the middle of an answer");
        else
                talk_end(t, -ETIMEDOUT, _("The model did not answer in time."),
                                "it said nothing in time");
        t->busy = false;
        if (t->dead)
                talk_destroy(t);
        return 0;
}

void talk_pause(Talk *t, bool pause) {
        if (t->ended || t->paused == pause)
                return;
        t->paused = pause;
        if (t->last > 0)
                t->last = talk_now(t);
        http_call_pause(t->call, pause);
}

/* ---- the beginning */

static int talk_send(Talk *t, const TextTask *task) {
        const ConfigBackend *c = t->endpoint->config;
        _cleanup_buffer_ Buffer body = { .max = ASK_MAX };
        usec_t patience = MAX(c->first_token_timeout, c->token_timeout) + 10 * SEC;
        HttpRequest request;
        const char *path, *reason;
        int r;

        r = t->endpoint->wire->write_ask(c, t->id, task, &path, &body);
        if (r < 0)
                return r == -ENOBUFS ? -E2BIG : r;
        /* Our own deadlines come first: they know a word from a sign of life. */
        request = (HttpRequest){
                .url = path,
                .body = body.data,
                .body_size = body.size,
                .body_max = (size_t) MIN(
                                c->output_max * BYTES_A_CHAR + WIRE_LIST_MAX, (uint64_t) BODY_MAX),
                .first_byte = patience,
                .between_bytes = patience,
        };
        return endpoint_request(t->endpoint, &request, on_data, on_done, t, &t->call, &reason);
}

int talk_start(Endpoint *e, const char *id, const TextTask *task, talk_text_t text,
                talk_done_t done, void *userdata, Talk **ret) {
        _cleanup_(talk_freep) Talk *t = NULL;
        int r;

        t = new0(Talk, 1);
        if (!t)
                return -ENOMEM;
        t->id = strdup(id);
        if (!t->id)
                return -ENOMEM;
        t->endpoint = e;
        endpoint_use(e, id, 1);
        t->work = task->work;
        t->text = text;
        t->done = done;
        t->userdata = userdata;
        t->tokens_in = t->tokens_out = -1;
        sse_init(&t->sse, WIRE_PIECE_MAX, WIRE_PIECE_MAX);
        buffer_init(&t->line, t->work == KIND_WORK_EMBEDDINGS ? WIRE_LIST_MAX : WIRE_PIECE_MAX);
        buffer_init(&t->content, t->work == KIND_WORK_EMBEDDINGS ? WIRE_LIST_MAX
                                                                 : (size_t) e->config->output_max);

        r = sd_event_add_time_relative(e->event, &t->timer, CLOCK_MONOTONIC,
                        e->config->first_token_timeout, ACCURACY_USEC, on_timer, t);
        if (r >= 0)
                r = talk_send(t, task);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}
