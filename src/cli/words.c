#include "words.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <termios.h>

#include "basic/file.h"

/* A signal which would end us waits until the terminal is as it was; its descriptor only says that
 * one has come. */
static ssize_t read_or_signal(int signals, char *ret, size_t size) {
        struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
                { .fd = signals, .events = POLLIN } };

        while (poll(fds, ELEMENTSOF(fds), -1) < 0)
                if (errno != EINTR)
                        return -errno;
        return fds[1].revents ? -ECANCELED : read(STDIN_FILENO, ret, size);
}

static ssize_t read_unseen(
                const char *prompt, const struct termios *normal, char *ret, size_t size) {
        struct termios quiet = *normal;
        _cleanup_close_ int signals = -EBADF;
        sigset_t ends, before;
        ssize_t n;

        (void) sigemptyset(&ends);
        (void) sigaddset(&ends, SIGINT);
        (void) sigaddset(&ends, SIGTERM);
        (void) sigaddset(&ends, SIGHUP);
        (void) sigaddset(&ends, SIGQUIT);
        (void) sigprocmask(SIG_BLOCK, &ends, &before);
        signals = signalfd(-1, &ends, SFD_CLOEXEC);
        quiet.c_lflag &= ~(tcflag_t) ECHO;
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
        /* From here on nothing that is typed is shown or lost. */
        (void) fprintf(stderr, "%s ", prompt);
        n = read_or_signal(signals, ret, size);
        (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, normal);
        (void) fprintf(stderr, "\n");
        (void) sigprocmask(SIG_SETMASK, &before, NULL); /* and here it comes */
        return n;
}

ssize_t words_read(const Cli *cli, const char *prompt, char *ret, size_t size) {
        struct termios normal;

        if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &normal) < 0)
                return read(STDIN_FILENO, ret, size);
        return read_unseen(cli->args.json ? "" : prompt, &normal, ret, size);
}

int words_pipe(const void *data, size_t size) {
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        from = fds[0];
        to = fds[1];
        r = write_all(to, data, size);
        return r < 0 ? r : TAKE_FD(from);
}
