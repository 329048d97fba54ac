/* Which instance is meant, its config and its files. */
#include "cli.h"

#include <stdio.h>

#include "instance.h"
#include "manager.h"

typedef struct Remarks {
        const Cli *cli;
        const char *path;
        char first[512]; /* the first error, for one line */
} Remarks;

static void on_remark(const ConfigRemark *remark, void *userdata) {
        Remarks *r = userdata;

        if (remark->severity == CONFIG_ERROR && isempty(r->first))
                (void) snprintf(r->first, sizeof(r->first), "%u:%u: %s", remark->line,
                                remark->column, remark->text);
        if (remark->severity == CONFIG_WARNING && !r->cli->args.json)
                (void) fprintf(stderr, "%s:%u:%u: %s\n", r->path, remark->line, remark->column,
                                remark->text);
}

static int find_files(Cli *cli, const char *data_dir) {
        const char *reason = NULL;
        int r;

        cli->paths = paths_free(cli->paths);
        r = paths_new(cli->scope, cli->args.config, data_dir, &cli->paths, &reason);
        if (r < 0)
                return reason ? cli_fail(cli, "ConfigInvalid",
                                                _("Pylon's files cannot be found: %s."), reason)
                              : cli_out_of_memory(cli);
        return EXIT_SUCCESS;
}

static int read_config(Cli *cli) {
        Remarks remarks = { .cli = cli, .path = cli->paths->config };
        int r;

        r = config_load(cli->paths->config, on_remark, &remarks, &cli->config);
        if (r < 0)
                return cli_fail(cli, "ConfigInvalid", _("The configuration is not valid: %s:%s."),
                                cli->paths->config,
                                isempty(remarks.first) ? strerror(-r) : remarks.first);
        return find_files(cli, cli->config->data_dir);
}

static int locate_as(Cli *cli, Scope scope) {
        int r;

        cli->scope = scope;
        cli->config = config_free(cli->config);
        r = find_files(cli, NULL);
        return r != EXIT_SUCCESS ? r : read_config(cli);
}

static int make_config_absolute(Cli *cli) {
        char folder[4096];

        if (!cli->args.config || *cli->args.config == '/')
                return 0;
        if (!getcwd(folder, sizeof(folder)))
                return -errno;
        if (asprintf(&cli->config_path, "%s/%s", folder, cli->args.config) < 0) {
                cli->config_path = NULL;
                return -ENOMEM;
        }
        cli->args.config = cli->config_path;
        return 0;
}

/* root means the system's, where there is one; but not while an instance of root's own runs. */
int cli_locate(Cli *cli) {
        const Arguments *a = &cli->args;
        int r;

        if (a->system && (a->detach || a->foreground))
                return cli_fail(cli, "Usage", "%s",
                                _("The system instance is started by systemd, without -d and -f."));
        r = make_config_absolute(cli);
        if (r < 0)
                return cli_fail(cli, "ConfigInvalid", _("Pylon's files cannot be found: %s."),
                                strerror(-r));
        if (a->system)
                return locate_as(cli, SCOPE_SYSTEM);
        r = locate_as(cli, a->user ? SCOPE_USER : SCOPE_PRIVATE);
        if (r != EXIT_SUCCESS || a->user || a->detach || a->foreground || getuid() != 0)
                return r;
        if (instance_runs(cli->paths) || !manager_has_pylon(SCOPE_SYSTEM))
                return r;
        return locate_as(cli, SCOPE_SYSTEM);
}

void cli_done(Cli *cli) {
        cli->config = config_free(cli->config);
        cli->paths = paths_free(cli->paths);
        cli->config_path = mfree(cli->config_path);
}
