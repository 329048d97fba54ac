/* Reading a file, or standard input. */
#include "input.h"

#include <unistd.h>

#include "basic/buffer.h"
#include "basic/file.h"

static int read_stdin(size_t max, char **ret, size_t *ret_size) {
        _cleanup_buffer_ Buffer b = { .max = max + 1 };
        char piece[4096];
        ssize_t n;

        while ((n = read(STDIN_FILENO, piece, sizeof(piece))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (b.size + (size_t) n > max)
                        return -EFBIG;
                if (buffer_add(&b, piece, (size_t) n) < 0)
                        return -ENOMEM;
        }
        if (buffer_add(&b, "", 0) < 0)
                return -ENOMEM;
        *ret = buffer_take(&b, ret_size);
        return *ret ? 0 : -ENOMEM;
}

int input_read(const Cli *cli, const char *path, size_t max, char **ret, size_t *ret_size) {
        bool is_stdin = streq(path, "-");
        int r;

        r = is_stdin ? read_stdin(max, ret, ret_size) : read_whole(path, max, ret, ret_size);
        if (r == -ENOMEM)
                return cli_out_of_memory(cli);
        if (r < 0)
                return cli_fail(cli, "BadInput", _("\"%s\" cannot be read: %s."), path,
                                r == -EFBIG ? _("it is too large") : strerror(-r));
        return EXIT_SUCCESS;
}
