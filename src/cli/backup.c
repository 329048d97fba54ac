/* pylon store backup. */
#include <fcntl.h>
#include <stdio.h>

#include "call.h"
#include "out.h"
#include "verb.h"

#define TIMEOUT (10 * MIN_)

static int copy_into(const Cli *cli, int fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(remote_done) Remote store = { 0 };
        CallError error;

        if (remote_open(cli, "store", &store, &error) < 0)
                return call_fail(cli, &error);
        if (remote_message(&store, "Backup", &m) < 0 || sd_bus_message_append(m, "h", fd) < 0)
                return cli_out_of_memory(cli);
        if (remote_send(&store, m, TIMEOUT, NULL, &error) < 0)
                return call_fail(cli, &error);
        return EXIT_SUCCESS;
}

int verb_store_backup(Cli *cli) {
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *path = cli->args.rest[0];
        _cleanup_close_ int fd = -EBADF;
        int r;

        /* A backup never replaces anything. */
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return cli_fail(cli, "CannotCreate", _("\"%s\" could not be made: %s."), path,
                                strerror(errno));
        r = copy_into(cli, fd);
        if (r == EXIT_SUCCESS && fsync(fd) < 0)
                r = cli_fail(cli, "CannotCreate", _("\"%s\" could not be written: %s."), path,
                                strerror(errno));
        if (r != EXIT_SUCCESS) {
                (void) unlink(path);
                return r;
        }
        cli_say(cli, _("The database was copied to \"%s\"."), path);
        if (!cli->args.json)
                return EXIT_SUCCESS;
        out_object(&o, NULL);
        out_text(&o, "file", path);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
