#include "basic/editor.h"

#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

/* The variable may hold options; so a shell reads it, as git and others have it. */
int editor_run(const char *path) {
        static char shell[] = "sh", flag[] = "-c",
                    script[] = "exec ${VISUAL:-${EDITOR:-vi}} \"$1\"";
        char *const argv[] = { shell, flag, script, shell, (char *) path, NULL };
        pid_t pid;
        int r, status;

        r = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
        if (r != 0)
                return -r;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECANCELED;
}
