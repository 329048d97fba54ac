/* Proof of work for other people's events (kind 5970): NIP-13 mining, delegated.
 *
 * Small work is done at once in bites that are bounded, because a process would cost more than it.
 * The rest goes to processes of our own program, one for each spare core, at the lowest priority. A
 * process is ended when nobody wants what it does, and started again when the next work comes. */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "backend.h"
#include "basic/log.h"
#include "nostr/nip13.h"
#include "pow-worker.h"

#define SMALL_BITS  8    /* 256 tries on average */
#define LIGHT_BYTES 1024 /* of an event; twice as much is one bit more */
#define BITE_TRIES  8192 /* in one turn of the loop: about two milliseconds */
#define STEP_TRIES  1024

typedef struct PowWorker PowWorker;
typedef struct PowBackend PowBackend;

typedef struct PowWork {
        Work work;
        PowTask task;
        WorkEvents events;
        void *userdata;
        usec_t since;
        Nip13Miner *miner;    /* of small work */
        struct PowWork *next; /* of small work that is started */
        PowWorker *worker;    /* of other work that is started */
} PowWork;

struct PowWorker {
        PowBackend *backend;
        PowWorker *next;
        int fd;
        sd_event_source *answer, *child;
        PowWork *work; /* NULL: idle, or nobody wants it any more */
        bool ending;
};

struct PowBackend {
        Backend backend;
        sd_event *event;
        sd_event_source *bite;
        unsigned bits_max;
        PowWork *small, **small_end; /* where the next one goes */
        PowWorker *workers;
};

/* The last thing that is done with it. */
static void work_tell(PowWork *w, int error, const char *reason, const char *content, size_t size) {
        PowBackend *b = container_of(w->work.backend, PowBackend, backend);
        usec_t now = w->since;

        (void) sd_event_now(b->event, CLOCK_MONOTONIC, &now); /* fails only after a fork */
        const WorkUsage usage = {
                .tokens_in = -1,
                .tokens_out = -1,
                .model = "",
                .backend = "pow",
                .duration = now - w->since,
        };
        w->events.done(error, reason, content, size, &usage, w->userdata);
}

static unsigned spare_cores(void) {
        cpu_set_t set;

        if (sched_getaffinity(0, sizeof(set), &set) < 0)
                return 1;
        return (unsigned) MAX(CPU_COUNT(&set) - 1, 1);
}

/* ---- small work */

static void small_remove(PowBackend *b, PowWork *w) {
        PowWork **p = &b->small;

        if (!w->next && b->small_end != &w->next)
                return; /* it is not in the list */
        while (*p != w)
                p = &(*p)->next;

        *p = TAKE_PTR(w->next);
        if (!*p)
                b->small_end = p;
}

static void small_finish(PowWork *w, int found) {
        _cleanup_free_ char *event = NULL;
        int r;

        r = found < 0 ? found : nip13_miner_event(w->miner, &event);
        if (r < 0)
                work_tell(w, r, _("Mining failed."), NULL, 0);
        else
                work_tell(w, 0, NULL, event, strlen(event));
}

static int on_bite(_unused_ sd_event_source *s, void *userdata) {
        PowBackend *b = userdata;

        for (unsigned tries = 0; tries < BITE_TRIES && b->small; tries += STEP_TRIES) {
                PowWork *w = b->small;
                int r;

                r = nip13_miner_step(w->miner, STEP_TRIES);
                if (r == 0)
                        continue; /* unlucky: the next step goes on with it */

                small_remove(b, w);
                small_finish(w, r);
        }

        if (b->small)
                (void) sd_event_source_set_enabled(b->bite, SD_EVENT_ONESHOT);
        return 0;
}

static int small_start(PowBackend *b, PowWork *w) {
        int r;

        r = nip13_miner_new(w->task.draft, w->task.pubkey_hex, w->task.bits, 0, &w->miner);
        if (r < 0)
                return r;

        *b->small_end = w;
        b->small_end = &w->next;
        return sd_event_source_set_enabled(b->bite, SD_EVENT_ONESHOT);
}

/* ---- work for the processes */

static void worker_free(PowWorker *w) {
        for (PowWorker **p = &w->backend->workers; *p; p = &(*p)->next)
                if (*p == w) {
                        *p = w->next;
                        break;
                }
        w->answer = sd_event_source_disable_unref(w->answer);
        w->child = sd_event_source_disable_unref(w->child); /* ends the process if it still lives */
        closep(&w->fd);
        free(w);
}

/* Takes the work from the worker and tells how it went. */
static void worker_tell(
                PowWorker *w, int error, const char *reason, const char *event, size_t size) {
        PowWork *work = TAKE_PTR(w->work);

        if (!work)
                return;
        work->worker = NULL;
        work_tell(work, error, reason, event, size);
}

static int on_child(_unused_ sd_event_source *s, const siginfo_t *si, void *userdata) {
        PowWorker *w = userdata;
        PowWork *work = TAKE_PTR(w->work);

        if (work || (si->si_status != 0 && !w->ending))
                log_warning("A mining process ended unexpectedly (%s %d).",
                                si->si_code == CLD_EXITED ? "exit code" : "signal", si->si_status);
        worker_free(w);
        if (work) {
                work->worker = NULL;
                work_tell(work, -ECONNRESET, _("Mining broke down."), NULL, 0);
        }
        return 0;
}

static int on_answer(sd_event_source *s, int fd, _unused_ uint32_t events, void *userdata) {
        PowWorker *w = userdata;
        _cleanup_free_ char *event = NULL;
        ssize_t n;

        event = malloc(POW_PACKET_MAX + 1);
        if (!event)
                return 0; /* it stays readable */

        n = recv(fd, event, POW_PACKET_MAX, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
                return 0;
        if (n <= 0) {
                /* It has ended or is about to: on_child() says so. */
                (void) sd_event_source_set_enabled(s, SD_EVENT_OFF);
                return 0;
        }

        event[n] = 0;
        worker_tell(w, 0, NULL, event, (size_t) n);
        return 0;
}

static int worker_spawn(int fd, pid_t *ret) {
        char program[] = "pylon-provider", option[] = POW_WORKER_OPTION;
        char *const argv[] = { program, option, NULL }, *const environment[] = { NULL };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        sigset_t none;
        int r;

        (void) sigemptyset(&none);
        r = posix_spawn_file_actions_init(&actions);
        if (r != 0)
                return -r;
        r = posix_spawnattr_init(&attributes);
        if (r == 0) {
                r = posix_spawn_file_actions_adddup2(&actions, fd, POW_WORKER_FD)
                                ?: posix_spawnattr_setsigmask(&attributes, &none)
                                ?: posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK)
                                ?: posix_spawn(ret, "/proc/self/exe", &actions, &attributes, argv,
                                                   environment);
                (void) posix_spawnattr_destroy(&attributes);
        }
        (void) posix_spawn_file_actions_destroy(&actions);
        return -r;
}

static int worker_watch(PowWorker *w, pid_t pid) {
        int r;

        r = sd_event_add_child(w->backend->event, &w->child, pid, WEXITED, on_child, w);
        if (r < 0) {
                (void) kill(pid, SIGKILL);
                return r;
        }
        (void) sd_event_source_set_child_process_own(w->child, true);
        return sd_event_add_io(w->backend->event, &w->answer, w->fd, EPOLLIN, on_answer, w);
}

static int worker_new(PowBackend *b, PowWorker **ret) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int fds[2], r;
        PowWorker *w;
        pid_t pid = 0;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        ours = fds[0];
        theirs = fds[1];

        r = worker_spawn(theirs, &pid);
        if (r < 0)
                return r;
        assert(pid > 0);

        w = new0(PowWorker, 1);
        if (!w) {
                (void) kill(pid, SIGKILL);
                return -ENOMEM;
        }
        w->backend = b;
        w->fd = TAKE_FD(ours);
        w->next = b->workers;
        b->workers = w;

        r = worker_watch(w, pid);
        if (r < 0) {
                worker_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

static int worker_idle(PowBackend *b, PowWorker **ret) {
        for (PowWorker *w = b->workers; w; w = w->next)
                if (!w->work && !w->ending) {
                        *ret = w;
                        return 0;
                }
        return worker_new(b, ret);
}

/* Nobody wants what it does. A process that is told would have to look; this is certain. */
static void worker_end(PowWorker *w) {
        w->work = NULL;
        w->ending = true;
        if (sd_event_source_send_child_signal(w->child, SIGKILL, NULL, 0) < 0)
                log_debug("A mining process had ended already.");
}

static int large_start(PowBackend *b, PowWork *w) {
        _cleanup_buffer_ Buffer packet = { .max = POW_PACKET_MAX };
        _cleanup_free_ char *draft = NULL;
        PowWorker *worker = NULL;
        int r;

        r = draft_json(w->task.draft, &draft);
        if (r < 0)
                return r;
        r = buffer_addf(&packet, "%u %s %s", w->task.bits, w->task.pubkey_hex, draft);
        if (r < 0)
                return r;

        r = worker_idle(b, &worker);
        if (r < 0)
                return r;
        assert(worker);
        /* It may be leaving because nothing came for long; then on_child() says that it broke down,
         * and the work is tried again. */
        if (send(worker->fd, packet.data, packet.size, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
                        errno != EPIPE)
                return -errno;

        worker->work = w;
        w->worker = worker;
        return 0;
}

/* ---- the backend */

/* Each try hashes the event once more, so a large one is work as if it wanted more bits. */
static unsigned work_bits(const JobRequest *r, unsigned bits) {
        for (size_t n = strlen(r->inputs[0].data); n > LIGHT_BYTES; n /= 2)
                bits++;
        return bits;
}

static Verdict pow_check(Backend *backend, const JobRequest *r, _unused_ const TextTask *text,
                Work **ret, const char **ret_reason) {
        PowBackend *b = container_of(backend, PowBackend, backend);
        PowWork *w;
        PowTask task;
        unsigned bits;
        int q;

        q = pow_task_parse(r, &task, ret_reason);
        if (q == -EBADMSG || q == -E2BIG)
                return VERDICT_BAD_INPUT;
        if (q < 0)
                return VERDICT_TROUBLE;
        bits = work_bits(r, task.bits);
        if (bits > b->bits_max || draft_has_tag(task.draft, "nonce")) {
                *ret_reason = bits > b->bits_max ? NULL : _("The event has a nonce already.");
                pow_task_done(&task);
                return *ret_reason ? VERDICT_BAD_INPUT : VERDICT_TOO_HARD;
        }

        w = new0(PowWork, 1);
        if (!w) {
                pow_task_done(&task);
                return VERDICT_TROUBLE;
        }
        w->work = (Work){ .backend = backend, .small = bits <= SMALL_BITS };
        w->task = task;
        *ret = &w->work;
        return VERDICT_ACCEPTED;
}

static int pow_start(Work *work, _unused_ const TextTask *text, const WorkEvents *events,
                void *userdata) {
        PowWork *w = container_of(work, PowWork, work);
        PowBackend *b = container_of(work->backend, PowBackend, backend);

        w->events = *events;
        w->userdata = userdata;
        (void) sd_event_now(b->event, CLOCK_MONOTONIC, &w->since);
        return work->small ? small_start(b, w) : large_start(b, w);
}

static void pow_free(Work *work) {
        PowWork *w = container_of(work, PowWork, work);

        small_remove(container_of(work->backend, PowBackend, backend), w);
        if (w->worker)
                worker_end(w->worker);
        w->miner = nip13_miner_free(w->miner);
        pow_task_done(&w->task);
        free(w);
}

static void pow_reload(Backend *backend, const Config *config) {
        PowBackend *b = container_of(backend, PowBackend, backend);

        b->bits_max = config->pow.max_bits;
        backend->n_slots = config->pow.workers ?: spare_cores();
}

static void pow_close(Backend *backend) {
        PowBackend *b = container_of(backend, PowBackend, backend);

        while (b->workers)
                worker_free(b->workers);
        b->bite = sd_event_source_disable_unref(b->bite);
        b->event = sd_event_unref(b->event);
        free(b);
}

static int pow_open(sd_event *event, const Config *config, Backend **ret) {
        PowBackend *b;
        sigset_t child;
        int r;

        /* sd-event learns of ended children by this signal. */
        (void) sigemptyset(&child);
        (void) sigaddset(&child, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &child, NULL) < 0)
                return -errno;

        b = new0(PowBackend, 1);
        if (!b)
                return -ENOMEM;
        b->backend.class = &backend_pow;
        b->event = sd_event_ref(event);
        b->small_end = &b->small;
        pow_reload(&b->backend, config);

        r = sd_event_add_defer(event, &b->bite, on_bite, b);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->bite, SD_EVENT_OFF);
        if (r < 0) {
                pow_close(&b->backend);
                return r;
        }
        *ret = &b->backend;
        return 0;
}

static void pow_describe(const Backend *backend, char *ret, size_t size) {
        const PowBackend *b = (const PowBackend *) (const void *) backend;

        (void) snprintf(ret, size, _("NIP-13 mining up to %u bits"), b->bits_max);
}

static const uint16_t pow_kinds[] = { JOB_KIND_POW };

const BackendClass backend_pow = {
        .name = "pow",
        .kinds = pow_kinds,
        .n_kinds = ELEMENTSOF(pow_kinds),
        .open = pow_open,
        .reload = pow_reload,
        .close = pow_close,
        .describe = pow_describe,
        .check = pow_check,
        .start = pow_start,
        .free = pow_free,
};
