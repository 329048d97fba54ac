#include "intake.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include "nostr/bip39.h"

#define PATIENCE (10 * SEC)

struct Intake {
        int fd;
        Secret *text;
        size_t n_read;
        sd_event_source *readable, *deadline;
        intake_done_t done;
        void (*release)(void *userdata);
        void *userdata;
        Intake **list, *next;
};

Intake *intake_free(Intake *i) {
        if (!i)
                return NULL;

        for (Intake **p = i->list; *p; p = &(*p)->next)
                if (*p == i) {
                        *p = i->next;
                        break;
                }
        sd_event_source_disable_unref(i->readable);
        sd_event_source_disable_unref(i->deadline);
        closep(&i->fd);
        (void) secret_free(i->text);
        if (i->release)
                i->release(i->userdata);
        return mfree(i);
}

static void intake_finish(Intake *i, int error) {
        if (error >= 0) {
                secret_truncate(i->text, i->n_read);
                i->done(0, TAKE_PTR(i->text), i->userdata);
        } else
                i->done(error, NULL, i->userdata);
        (void) intake_free(i);
}

static int intake_on_deadline(_unused_ sd_event_source *s, _unused_ uint64_t now, void *userdata) {
        intake_finish(userdata, -ETIMEDOUT);
        return 0;
}

static int intake_on_readable(
                _unused_ sd_event_source *s, int fd, _unused_ uint32_t events, void *userdata) {
        Intake *i = userdata;
        ssize_t n;

        n = read(fd, secret_data(i->text) + i->n_read, secret_size(i->text) - i->n_read);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n < 0) {
                intake_finish(i, -errno);
                return 0;
        }

        i->n_read += (size_t) n;
        if (i->n_read == secret_size(i->text))
                intake_finish(i, -EFBIG);
        else if (n == 0)
                intake_finish(i, 0);
        return 0;
}

/* The first time it is readable there are bytes or the end, so the read does not block; afterwards
 * epoll speaks again. The descriptor's flags are shared with its sender and stay as they are. */
static int intake_watch(Intake *i, sd_event *event) {
        int r;

        r = sd_event_add_io(event, &i->readable, i->fd, EPOLLIN, intake_on_readable, i);
        if (r < 0)
                return r;
        return sd_event_add_time_relative(
                        event, &i->deadline, CLOCK_MONOTONIC, PATIENCE, SEC, intake_on_deadline, i);
}

int intake_start(sd_event *event, int fd, intake_done_t done, void (*release)(void *userdata),
                void *userdata, Intake **list) {
        Intake *i = new0(Intake, 1);
        int r;

        if (!i)
                return -ENOMEM;

        *i = (Intake){ .done = done, .userdata = userdata, .list = list, .next = *list };
        *list = i;
        i->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        r = i->fd < 0 ? -errno : secret_new(MNEMONIC_SIZE_MAX + 1, &i->text);
        if (r >= 0)
                r = intake_watch(i, event);
        if (r < 0) {
                (void) intake_free(i);
                return r;
        }

        i->release = release;
        return 0;
}
