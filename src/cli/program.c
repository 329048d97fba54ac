/* Finds the programs of the services. */
#include <stdio.h>

#include "supervisor.h"

#define PATH_LENGTH_MAX 4096

static int own_folder(char *ret, size_t size) {
        ssize_t n = readlink("/proc/self/exe", ret, size - 1);
        char *slash;

        if (n < 0)
                return -errno;
        ret[n] = '\0';
        slash = strrchr(ret, '/');
        if (!slash)
                return -ENOENT;
        *slash = '\0';
        return 0;
}

static int try_path(char *path, char **ret) {
        if (path && access(path, X_OK) >= 0) {
                *ret = path;
                return 0;
        }
        free(path);
        return path ? -ENOENT : -ENOMEM;
}

static char *join3(const char *a, const char *b, const char *c) {
        char *s;

        return asprintf(&s, "%s%s%s", a, b, c) < 0 ? NULL : s;
}

int find_program(const char *service, char **ret) {
        char folder[PATH_LENGTH_MAX], build[64];
        int r;

        r = own_folder(folder, sizeof(folder));
        if (r < 0)
                return r;
        /* The build tree, an installation that was moved as a whole, the place it was built for. */
        (void) snprintf(build, sizeof(build), "/../%s/pylon-", service);
        r = try_path(join3(folder, build, service), ret);
        if (r == -ENOENT)
                r = try_path(join3(folder, "/../libexec/pylon/pylon-", service), ret);
        if (r == -ENOENT)
                r = try_path(join3(PYLON_LIBEXECDIR, "/pylon-", service), ret);
        return r;
}
