/* systemd, asked over its bus, and told through systemctl, which also asks for passwords. */
#include "manager.h"

#include <sys/wait.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>

#define TARGET  "pylon.target"
#define MANAGER "org.freedesktop.systemd1"
#define TIMEOUT (5 * SEC)

static int manager_open(Scope scope, sd_bus **ret) {
        int r;

        if (sd_booted() <= 0)
                return -ENOTCONN;
        r = scope == SCOPE_SYSTEM ? sd_bus_open_system(ret) : sd_bus_open_user(ret);
        return r < 0 ? r : sd_bus_set_method_call_timeout(*ret, TIMEOUT);
}

bool manager_has_pylon(Scope scope) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;

        return manager_open(scope, &bus) >= 0 &&
               sd_bus_call_method(bus, MANAGER, "/org/freedesktop/systemd1", MANAGER ".Manager",
                               "GetUnitFileState", NULL, NULL, "s", TARGET) >= 0;
}

bool manager_runs_pylon(Scope scope) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *state = NULL;
        const char *path;

        if (manager_open(scope, &bus) < 0)
                return false;
        if (sd_bus_call_method(bus, MANAGER, "/org/freedesktop/systemd1", MANAGER ".Manager",
                            "GetUnit", NULL, &reply, "s", TARGET) < 0 ||
                        sd_bus_message_read(reply, "o", &path) < 0)
                return false;
        return sd_bus_get_property_string(bus, MANAGER, path, MANAGER ".Unit", "ActiveState", NULL,
                               &state) >= 0 &&
               streq(state, "active");
}

int manager_do(Scope scope, const char *verb, const char *const units[]) {
        const char *argv[24] = { "systemctl", scope == SCOPE_SYSTEM ? "--system" : "--user", verb };
        size_t n = 3;
        int status;
        pid_t pid;

        for (; *units && n < ELEMENTSOF(argv) - 1; units++)
                argv[n++] = *units;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                (void) execvp(argv[0], (char *const *) argv);
                _exit(127);
        }
        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}
