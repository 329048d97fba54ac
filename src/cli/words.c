#include "words.h"

#include <fcntl.h>
#include <stdio.h>
#include <termios.h>

#include "basic/file.h"

ssize_t words_read(const Cli *cli, const char *prompt, char *ret, size_t size) {
        bool person = isatty(STDIN_FILENO);
        struct termios normal, quiet;
        ssize_t n;

        if (person && tcgetattr(STDIN_FILENO, &normal) >= 0) {
                quiet = normal;
                quiet.c_lflag &= ~(tcflag_t) ECHO;
                (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
                /* From here on nothing that is typed is shown or lost. */
                (void) fprintf(stderr, "%s ", cli->args.json ? "" : prompt);
        } else
                person = false;
        n = read(STDIN_FILENO, ret, size);
        if (person) {
                (void) tcsetattr(STDIN_FILENO, TCSAFLUSH, &normal);
                (void) fprintf(stderr, "\n");
        }
        return n;
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
