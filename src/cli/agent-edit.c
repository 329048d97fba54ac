/* pylon agent edit: one setting, or the whole file in an editor, which is checked before it is
 * taken. */
#include <fcntl.h>
#include <stdio.h>

#include "agent.h"
#include "basic/editor.h"
#include "basic/file.h"
#include "verb.h"

#define SETTINGS_MAX (64 * 1024)

static int print_settings(const Cli *cli, const char *name, const char *toml) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (!cli->args.json)
                return fputs(toml, stdout) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        out_object(&o, NULL);
        out_text(&o, "name", name);
        out_text(&o, "settings", toml);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int edit_one(const Cli *cli, const Remote *agent) {
        char **rest = cli->args.rest;
        CallError error;

        if (remote_call(agent, "Edit", NULL, &error, "ss", rest[1], rest[2]) < 0)
                return agent_fail(cli, rest[0], &error);
        return agent_say_done(cli, rest[0], _("%s is %s now."), rest[1], rest[2]);
}

/* ---- in an editor */

typedef struct Draft {
        char path[64];
} Draft;

static void draft_done(Draft *d) {
        if (*d->path)
                (void) unlink(d->path);
}

static int draft_new(const Cli *cli, const char *toml, Draft *d) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        (void) snprintf(d->path, sizeof(d->path), "/tmp/pylon-agent-XXXXXX.toml");
        fd = mkostemps(d->path, 5, O_CLOEXEC); /* readable by its owner only */
        r = fd < 0 ? -errno : write_all(fd, toml, strlen(toml));
        if (fd < 0)
                *d->path = '\0';
        return r < 0 ? cli_fail(cli, "CannotCreate", _("\"%s\" could not be written: %s."), "/tmp",
                                       strerror(-r))
                     : EXIT_SUCCESS;
}

/* Nobody's typing is thrown away because of one letter. */
static bool wants_again(const Cli *cli, const CallError *error) {
        char answer[16] = "";

        (void) call_fail(cli, error);
        (void) fprintf(stderr, "%s ", _("Edit it again? [Y/n]"));
        return fgets(answer, sizeof(answer), stdin) && answer[0] != 'n' && answer[0] != 'N';
}

static int edit_draft(const Cli *cli, const Remote *agent, const char *toml, const Draft *d) {
        const char *name = cli->args.rest[0];

        for (;;) {
                _cleanup_free_ char *text = NULL;
                CallError error;
                size_t size;
                int r;

                r = editor_run(d->path);
                if (r >= 0)
                        r = read_whole(d->path, SETTINGS_MAX, &text, &size);
                if (r < 0)
                        return cli_fail(cli, "Failed", _("It was not edited: %s."), strerror(-r));
                if (streq(text, toml))
                        return agent_say_done(cli, name, "%s", _("Nothing was changed."));
                r = cli_check_text(cli, text);
                if (r != EXIT_SUCCESS)
                        return r;
                if (remote_call(agent, "SetSettings", NULL, &error, "s", text) >= 0)
                        return agent_say_done(cli, name, "%s", _("The settings are taken."));
                if (!streq(error.name, "BadInput"))
                        return agent_fail(cli, name, &error);
                if (!wants_again(cli, &error))
                        return error_exit_code(error.name);
        }
}

static int edit_all(const Cli *cli, const Remote *agent) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(draft_done) Draft d = { 0 };
        const char *toml;
        CallError error;
        int r;

        if (remote_call(agent, "Settings", &reply, &error, NULL) < 0)
                return agent_fail(cli, cli->args.rest[0], &error);
        if (sd_bus_message_read(reply, "s", &toml) < 0)
                return call_unreadable(cli);
        if (cli->args.json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                return print_settings(cli, cli->args.rest[0], toml);
        r = draft_new(cli, toml, &d);
        return r != EXIT_SUCCESS ? r : edit_draft(cli, agent, toml, &d);
}

int verb_agent_edit(Cli *cli) {
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        char **rest = cli->args.rest;
        int r;

        if (cli->args.n_rest == 2)
                return cli_fail(cli, "Usage", _("Say what \"%s\" shall be."), rest[1]);
        r = cli->args.n_rest > 2 ? cli_check_text(cli, rest[1]) ?: cli_check_text(cli, rest[2])
                                 : EXIT_SUCCESS;
        if (r == EXIT_SUCCESS)
                r = agent_open(cli, rest[0], &a);
        if (r != EXIT_SUCCESS)
                return r;
        return cli->args.n_rest > 2 ? edit_one(cli, &a.remote) : edit_all(cli, &a.remote);
}
