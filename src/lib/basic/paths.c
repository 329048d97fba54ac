/* Where everything lives. The environment is read here and nowhere above. */
#include "basic/paths.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>

#define PATH_LENGTH_MAX     4095
#define LONGEST_SOCKET_NAME "/provider.sock"

static int join(char **ret, const char *format, ...) _printf_(2, 3);
static int join(char **ret, const char *format, ...) {
        va_list ap;
        char *s;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        if (n > PATH_LENGTH_MAX) {
                free(s);
                return -ENAMETOOLONG;
        }
        *ret = s;
        return 0;
}

/* $HOME, or the home directory of the account where a service manager set none. */
static const char *home_directory(void) {
        const char *home = getenv("HOME");
        struct passwd *pw;

        if (!isempty(home))
                return *home == '/' ? home : NULL;
        pw = getpwuid(getuid());
        return pw && pw->pw_dir && *pw->pw_dir == '/' ? pw->pw_dir : NULL;
}

static int user_data(const char *home, const char *data_dir, char **ret, const char **reterr) {
        const char *rest;

        if (isempty(data_dir))
                return join(ret, "%s/.openagents/pylon", home);
        rest = startswith(data_dir, "~/");
        if (rest)
                return join(ret, "%s/%s", home, rest);
        if (*data_dir != '/') {
                *reterr = "data_dir is no absolute path";
                return -EINVAL;
        }
        return join(ret, "%s", data_dir);
}

static int user_paths(Paths *p, const char *data_dir, const char **reterr) {
        const char *home = home_directory();
        int r;

        if (!home) {
                *reterr = "the home directory is not known: HOME is not set to an absolute path";
                return -ENXIO;
        }
        r = user_data(home, data_dir, &p->data, reterr);
        if (r < 0)
                return r;
        /* The config stays where people look for it, even when the data are elsewhere. */
        if (!p->config) {
                r = join(&p->config, "%s/.openagents/pylon/config.toml", home);
                if (r < 0)
                        return r;
        }
        r = join(&p->run, "%s/run", p->data);
        if (r < 0)
                return r;
        return join(&p->agents, "%s/.openagents/agents", home);
}

static int system_paths(Paths *p) {
        const char *state = getenv("STATE_DIRECTORY");
        int r;

        r = join(&p->data, "%s", isempty(state) ? "/var/lib/pylon" : state);
        if (r < 0)
                return r;
        if (!p->config) {
                r = join(&p->config, "%s/config.toml", PYLON_SYSCONFDIR);
                if (r < 0)
                        return r;
        }
        r = join(&p->run, "/run/pylon");
        if (r < 0)
                return r;
        return join(&p->agents, "%s/agents", p->data);
}

int paths_new(Scope scope, const char *config, const char *data_dir, Paths **ret,
                const char **reterr) {
        _cleanup_(paths_freep) Paths *p = NULL;
        int r;

        p = new0(Paths, 1);
        if (!p)
                return -ENOMEM;
        p->scope = scope;
        r = config ? join(&p->config, "%s", config) : 0;
        if (r >= 0)
                r = scope == SCOPE_SYSTEM ? system_paths(p) : user_paths(p, data_dir, reterr);
        if (r == -ENAMETOOLONG)
                *reterr = "a path is longer than 4095 bytes";
        if (r < 0)
                return r;
        if (strlen(p->run) + strlen(LONGEST_SOCKET_NAME) > SOCKET_PATH_MAX) {
                *reterr = "the path of the sockets is too long for a socket address (107 bytes), a shorter data_dir helps";
                return -ENAMETOOLONG;
        }
        *ret = TAKE_PTR(p);
        return 0;
}

Paths *paths_free(Paths *p) {
        if (!p)
                return NULL;
        free(p->config);
        free(p->data);
        free(p->run);
        free(p->agents);
        free(p);
        return NULL;
}

int paths_file(const Paths *p, const char *name, char **ret) {
        return join(ret, "%s/%s", p->data, name);
}

int paths_socket(const Paths *p, const char *service, char **ret) {
        return join(ret, "%s/%s.sock", p->run, service);
}
