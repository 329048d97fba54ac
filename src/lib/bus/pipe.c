#include "bus/pipe.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "basic/buffer.h"

#define BITE PIPE_BUF /* what a pipe that is writable takes without blocking */

struct Pipe {
        int fd;
        Buffer buffer; /* what was read, or what is to be written */
        size_t n_written;
        sd_event_source *ready, *deadline;
        pipe_done_t done;
        void *userdata;
};

Pipe *pipe_free(Pipe *p) {
        if (!p)
                return NULL;
        sd_event_source_disable_unref(p->ready);
        sd_event_source_disable_unref(p->deadline);
        closep(&p->fd);
        buffer_done(&p->buffer);
        return mfree(p);
}

/* The end is told once: its sources are gone, and the buffer is lent while it is told. */
static void pipe_finish(Pipe *p, int error, bool with_text) {
        _cleanup_buffer_ Buffer text = p->buffer;

        p->buffer = (Buffer){ 0 };
        p->ready = sd_event_source_disable_unref(p->ready);
        p->deadline = sd_event_source_disable_unref(p->deadline);
        closep(&p->fd); /* the other end hears of the end, too */
        if (error < 0 || !with_text)
                p->done(error, NULL, 0, p->userdata);
        else
                p->done(0, text.data ?: "", text.size, p->userdata);
}

static int on_deadline(_unused_ sd_event_source *s, _unused_ uint64_t now, void *userdata) {
        pipe_finish(userdata, -ETIMEDOUT, false);
        return 0;
}

/* Where it is ready there are bytes, room or the end, so that nothing blocks. The flags of the
 * descriptor are shared with its sender and stay as they are. */
static int on_readable(
                _unused_ sd_event_source *s, int fd, _unused_ uint32_t events, void *userdata) {
        Pipe *p = userdata;
        char bite[BITE];
        ssize_t n;
        int r;

        n = read(fd, bite, sizeof(bite));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                pipe_finish(p, n < 0 ? -EIO : 0, true);
                return 0;
        }
        r = buffer_add(&p->buffer, bite, (size_t) n);
        if (r < 0)
                pipe_finish(p, r == -ENOBUFS ? -EFBIG : r, false);
        return 0;
}

static int on_writable(
                _unused_ sd_event_source *s, int fd, _unused_ uint32_t events, void *userdata) {
        Pipe *p = userdata;
        size_t left = p->buffer.size - p->n_written;
        ssize_t n;

        n = left > 0 ? write(fd, p->buffer.data + p->n_written, MIN(left, (size_t) BITE)) : 0;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n < 0) {
                pipe_finish(p, errno == EPIPE ? -EPIPE : -EIO, false);
                return 0;
        }
        p->n_written += (size_t) n;
        if (p->n_written == p->buffer.size)
                pipe_finish(p, 0, false);
        return 0;
}

static int pipe_watch(Pipe *p, sd_event *event, int fd, uint32_t events, usec_t deadline) {
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode))
                return -ENOSTR;
        p->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (p->fd < 0)
                return -errno;
        r = sd_event_add_io(event, &p->ready, p->fd, events,
                        events == EPOLLIN ? on_readable : on_writable, p);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(
                        event, &p->deadline, CLOCK_MONOTONIC, deadline, SEC, on_deadline, p);
}

static Pipe *pipe_new(size_t max, pipe_done_t done, void *userdata) {
        Pipe *p = new0(Pipe, 1);

        if (!p)
                return NULL;
        *p = (Pipe){ .fd = -EBADF, .done = done, .userdata = userdata };
        buffer_init(&p->buffer, max);
        return p;
}

int pipe_read(sd_event *event, int fd, size_t max, usec_t deadline, pipe_done_t done,
                void *userdata, Pipe **ret) {
        _cleanup_(pipe_freep) Pipe *p = pipe_new(max, done, userdata);
        int r;

        r = p ? pipe_watch(p, event, fd, EPOLLIN, deadline) : -ENOMEM;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

int pipe_write(sd_event *event, int fd, const char *text, usec_t deadline, pipe_done_t done,
                void *userdata, Pipe **ret) {
        _cleanup_(pipe_freep) Pipe *p = pipe_new(strlen(text), done, userdata);
        int r;

        r = p ? buffer_add_string(&p->buffer, text) : -ENOMEM;
        if (r >= 0)
                r = pipe_watch(p, event, fd, EPOLLOUT, deadline);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}
