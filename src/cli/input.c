/* Reading a file, or standard input. */
#include "input.h"

#include <unistd.h>

#include "basic/file.h"

int input_read(const Cli *cli, const char *path, size_t max, char **ret, size_t *ret_size) {
        bool is_stdin = streq(path, "-");
        int r;

        r = is_stdin ? read_stream(STDIN_FILENO, max, ret, ret_size)
                     : read_whole(path, max, ret, ret_size);
        if (r == -ENOMEM)
                return cli_out_of_memory(cli);
        if (r < 0)
                return cli_fail(cli, "BadInput", _("\"%s\" cannot be read: %s."), path,
                                r == -EFBIG ? _("it is too large") : strerror(-r));
        return EXIT_SUCCESS;
}
