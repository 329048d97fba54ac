/* pylon stop: drained, then TERM, then KILL; and nothing is left behind. */
#include <signal.h>
#include <stdio.h>

#include "agent-sockets.h"
#include "instance.h"
#include "manager.h"
#include "out.h"
#include "verb.h"

#define STOP_EXTRA   (35 * SEC) /* besides the drain: the other services, one after the other */
#define QUIT_TIMEOUT (5 * SEC)

static int say_stopped(const Cli *cli, bool stopped) {
        _cleanup_(out_done) Out o = OUT_INIT;

        cli_say(cli, "%s", stopped ? _("Pylon has stopped.") : _("Pylon is not running."));
        if (!cli->args.json)
                return EXIT_SUCCESS;
        out_object(&o, NULL);
        out_boolean(&o, "stopped", stopped);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What a supervisor that was killed could not remove itself. Its services died with it.
 */
static void remove_leftovers(const Paths *paths) {
        static const char *const files[] = { "pylon.pid", "control.sock", "run/notify",
                "run/store.sock", "run/signer.sock", "run/relay.sock", "run/wallet.sock",
                "run/provider.sock", "run/host.sock" };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = NULL;

                if (paths_file(paths, files[i], &path) >= 0)
                        (void) unlink(path);
        }
        agent_sockets_remove(paths);
        (void) rmdir(paths->run);
}

/* Asks it to stop, in the way that even a supervisor whose control.sock is gone understands. */
static void ask_to_stop(const Cli *cli, const Instance *i) {
        _cleanup_free_ char *answer = NULL;

        if (instance_ask(cli->paths, "Shutdown", &answer) < 0)
                (void) instance_signal(i, SIGTERM);
}

static int stop_instance(const Cli *cli, const Instance *i) {
        usec_t timeout = cli->args.timeout > 0 ? cli->args.timeout
                                               : cli->config->provider.drain_timeout + STOP_EXTRA;

        if (!cli->args.force) {
                ask_to_stop(cli, i);
                if (instance_wait(i, timeout) >= 0)
                        return say_stopped(cli, true);
                cli_say(cli, "%s", _("That takes too long; what still runs is killed."));
        }
        /* SIGQUIT: kill the services, clean up, leave. */
        (void) instance_signal(i, SIGQUIT);
        if (instance_wait(i, QUIT_TIMEOUT) < 0) {
                (void) instance_signal(i, SIGKILL);
                if (instance_wait(i, QUIT_TIMEOUT) < 0)
                        return cli_fail(cli, "StopFailed", _("Process %d could not be killed."),
                                        (int) i->pid);
                remove_leftovers(cli->paths);
        }
        return say_stopped(cli, true);
}

static int stop_units(const Cli *cli) {
        /* All of them: for those that are only part of the target systemctl would not wait. */
        static const char *const units[] = { "pylon.target", "pylon-provider.service",
                "pylon-host.service", "pylon-agent@*.service", "pylon-agent@*.socket",
                "pylon-wallet.service", "pylon-relay.service", "pylon-signer.service",
                "pylon-store.service", "pylon-provider.socket", "pylon-host.socket",
                "pylon-wallet.socket", "pylon-relay.socket", "pylon-signer.socket",
                "pylon-store.socket", NULL };

        if (manager_do(cli->scope, "stop", units) != 0)
                return cli_fail(cli, "StopFailed", "%s", _("systemd could not stop pylon.target."));
        return say_stopped(cli, true);
}

int verb_stop(Cli *cli) {
        Instance i = INSTANCE_INIT;
        int r;

        if (cli->scope != SCOPE_SYSTEM) {
                r = instance_find(cli->paths, &i);
                if (r < 0)
                        return cli_fail(cli, "StopFailed", _("The PID file cannot be read: %s."),
                                        strerror(-r));
                if (r > 0) {
                        r = stop_instance(cli, &i);
                        instance_done(&i);
                        return r;
                }
        }
        if (manager_runs_pylon(cli->scope))
                return stop_units(cli);
        return say_stopped(cli, false);
}
