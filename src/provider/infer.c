#include "infer.h"

#include <sys/socket.h>

#include "basic/buffer.h"
#include "basic/json.h"
#include "provider.h"

#define PENDING_MAX  (16 << 20) /* of an answer that is not read; far more than is written then */
#define PENDING_HIGH (64 * 1024)

struct Infer {
        Provider *provider;
        Infer *next;
        TextTask *task;
        Work *work;
        QueueItem queue;
        QueueClass class;
        RouterLook look;
        int fd;
        sd_event_source *io;
        Buffer pending;
        bool running, paused, ended;
};

static Infer *infer_free(Infer *i) {
        Provider *p = i->provider;

        for (Infer **at = &p->infers; *at; at = &(*at)->next)
                if (*at == i) {
                        *at = i->next;
                        break;
                }
        p->n_infers--;
        if (i->running)
                p->n_running--;
        router_look_end(&i->look);
        queue_remove(&p->calls, &i->queue);
        i->work = work_free(i->work);
        i->task = text_task_free(i->task);
        i->io = sd_event_source_disable_unref(i->io);
        closep(&i->fd);
        buffer_done(&i->pending);
        free(i);
        provider_want_turn(p);
        if (p->n_infers == 0)
                p->changed(p, p->userdata); /* it may sleep again */
        return NULL;
}

/* ---- what is written */

static void infer_pace(Infer *i) {
        bool pause = i->pending.size > PENDING_HIGH;

        (void) sd_event_source_set_io_events(i->io, i->pending.size > 0 ? EPOLLOUT : 0);
        if (i->work && pause != i->paused) {
                i->paused = pause;
                router_work_pause(i->work, pause);
        }
}

/* False: nobody reads any more. */
static bool infer_flush(Infer *i) {
        while (i->pending.size > 0) {
                ssize_t n = send(i->fd, i->pending.data, i->pending.size,
                                MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == EAGAIN)
                        break;
                if (n <= 0)
                        return false;
                buffer_drop(&i->pending, (size_t) n);
        }
        infer_pace(i);
        return true;
}

/* Freed by the loop, not in here: this may be in the middle of the work. */
static void infer_let_go(Infer *i) {
        i->ended = true;
        buffer_clear(&i->pending);
        (void) shutdown(i->fd, SHUT_RDWR); /* on_io() comes for that */
}

static void infer_say(Infer *i, const char *what, const char *text, size_t size) {
        int r;

        if (i->ended)
                return;
        r = buffer_addf(&i->pending, "{\"%s\":", what);
        if (r >= 0)
                r = text ? json_write_string(&i->pending, text, size)
                         : buffer_add_string(&i->pending, "true");
        if (r >= 0)
                r = buffer_add_string(&i->pending, "}\n");
        if (r < 0 || !infer_flush(i))
                infer_let_go(i);
}

static void infer_end(Infer *i, const char *format, ...) _printf_(2, 3);
static void infer_fail(Infer *i, const char *name, const char *message) {
        _cleanup_buffer_ Buffer text = { .max = 4096 };

        if (json_write_string(&text, message, strlen(message)) < 0)
                infer_let_go(i);
        else
                infer_end(i, "{\"error\":{\"name\":\"%s\",\"message\":%s}}\n", name, text.data);
}

static void infer_end(Infer *i, const char *format, ...) {
        char line[8192];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        if (i->ended)
                return;
        if (buffer_add_string(&i->pending, line) < 0) {
                infer_let_go(i);
                return;
        }
        i->ended = true;
        if (i->running)
                i->provider->n_running--;
        i->running = false;
        provider_want_turn(i->provider);
        (void) sd_event_source_set_io_events(i->io, EPOLLOUT);
}

static int on_io(_unused_ sd_event_source *s, _unused_ int fd, uint32_t events, void *userdata) {
        Infer *i = userdata;

        if ((events & (EPOLLERR | EPOLLHUP)) || !infer_flush(i) ||
                        (i->ended && i->pending.size == 0))
                (void) infer_free(i);
        return 0;
}

/* ---- the work */

static void on_partial(const char *bytes, size_t size, void *userdata) {
        infer_say(userdata, bytes ? "text" : "again", bytes, size);
}

static void on_done(int error, const char *reason, _unused_ const char *content,
                _unused_ size_t size, const WorkUsage *usage, void *userdata) {
        _cleanup_buffer_ Buffer model = { .max = 4096 };
        Infer *i = userdata;

        if (error < 0) {
                infer_fail(i, error == -E2BIG || error == -EINVAL ? "BadInput" : "NoBackend",
                                reason ?: _("The model's server broke down."));
                return;
        }
        if (json_write_string(&model, usage->model, strlen(usage->model)) < 0) {
                infer_let_go(i);
                return;
        }
        infer_end(i,
                        "{\"done\":{\"model\":%s,\"backend\":\"%s\",\"tokens_in\":%" PRIi64
                        ",\"tokens_out\":%" PRIi64 ",\"duration_usec\":%" PRIu64 "}}\n",
                        model.data, usage->backend, usage->tokens_in, usage->tokens_out,
                        usage->duration);
}

static const WorkEvents events = { .partial = on_partial, .done = on_done };

bool infer_run_next(Provider *p) {
        QueueItem *item;
        Infer *i;

        if (p->calls.n == 0 || p->n_running >= p->config->provider.max_concurrent_jobs)
                return false;
        item = queue_pop(&p->calls);
        i = container_of(item, Infer, queue);
        i->running = true;
        p->n_running++;
        if (work_start(i->work, i->task, &events, i) < 0)
                infer_fail(i, "Failed", _("The work could not be started."));
        return true;
}

static void on_looked(RouterLook *look) {
        Infer *i = container_of(look, Infer, look);
        const char *reason = NULL;
        Verdict v;

        v = router_work_new(i->provider->router, i->task, &i->work, &reason);
        if (v != VERDICT_ACCEPTED) {
                infer_fail(i,
                                v == VERDICT_UNKNOWN_MODEL ? "NoSuchModel"
                                : v == VERDICT_NO_BACKEND  ? "NoBackend"
                                                           : "BadInput",
                                reason ?: verdict_text(v));
                return;
        }
        queue_push(&i->provider->calls, &i->queue, i->class, NULL);
        provider_want_turn(i->provider);
}

/* ---- life */

int infer_new(Provider *p, TextTask *task, QueueClass class, int *ret_fd) {
        size_t most = class == QUEUE_OWNER ? INFER_MAX : INFER_MAX - INFER_OWNER_MIN;
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int fds[2], r;
        Infer *i;

        i = p->n_infers < most ? new0(Infer, 1) : NULL;
        if (!i || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
                r = p->n_infers >= most ? -EBUSY : i ? -errno : -ENOMEM;
                (void) text_task_free(task);
                free(i);
                return r;
        }
        ours = fds[0];
        theirs = fds[1];

        *i = (Infer){
                .provider = p,
                .task = task,
                .class = class,
                .fd = -EBADF,
                .next = p->infers,
        };
        buffer_init(&i->pending, PENDING_MAX);
        p->infers = i;
        p->n_infers++;
        r = sd_event_add_io(p->event, &i->io, ours, 0, on_io, i);
        if (r < 0) {
                (void) infer_free(i);
                return r;
        }
        i->fd = TAKE_FD(ours);
        /* It only reads. */
        (void) shutdown(theirs, SHUT_WR);
        router_look(p->router, &i->look, on_looked);
        *ret_fd = TAKE_FD(theirs);
        return 0;
}

void infer_free_all(Provider *p) {
        while (p->infers)
                (void) infer_free(p->infers);
}
