#pragma once
/* Where everything lives: files of a user, of the system, and the sockets between the services.
 *
 * user:   $HOME/.openagents/pylon or the config's data_dir; sockets in its run/
 * system: /etc/pylon/config.toml, $STATE_DIRECTORY (each service its own), sockets in /run/pylon */
#include "basic/macro.h"

typedef enum Scope {
        SCOPE_PRIVATE, /* a user's files and no bus: `pylon start -d`, a terminal, a test */
        SCOPE_USER,    /* a user's files and the session bus */
        SCOPE_SYSTEM,
        _SCOPE_MAX,
} Scope;

typedef struct Paths {
        Scope scope;
        char *config; /* the file that is read; need not exist */
        char *data;   /* databases, seeds, log; the service's own directory in a system instance */
        char *run;    /* NAME.sock */
        char *agents; /* NPUB.toml */
} Paths;

/* NULL takes the usual place. data_dir comes from the config ("~/" is the home directory); it has
 * no meaning in a system instance. -ENXIO, -EINVAL, -ENAMETOOLONG with a reason. */
int paths_new(Scope scope, const char *config, const char *data_dir, Paths **ret,
                const char **reterr);
Paths *paths_free(Paths *p);
DEFINE_CLEANUP(Paths, paths_free)

/* DATA/NAME, owned by the caller. -ENOMEM. */
int paths_file(const Paths *p, const char *name, char **ret);
/* RUN/SERVICE.sock. Always short enough for connect() and bind(): paths_new() saw to it. */
int paths_socket(const Paths *p, const char *service, char **ret);

/* The longest path that fits into sockaddr_un, without the NUL. */
#define SOCKET_PATH_MAX 107
