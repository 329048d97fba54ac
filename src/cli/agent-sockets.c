#include "agent-sockets.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/inotify.h>

#include "basic/file.h"
#include "basic/log.h"
#include "basic/map.h"
#include "mind/name.h"
#include "supervisor.h"

#define SUFFIX        ".toml"
#define PREFIX        "npub1"
#define SOCKET_PREFIX "agent-"
#define FILE_MAX      (64 * 1024)
#define EVENTS        (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)

typedef struct AgentSocket {
        char *file;                                               /* NPUB.toml; in by_file */
        char name[sizeof(SOCKET_PREFIX) + AGENT_NAME_LENGTH_MAX]; /* of the child; in by_name */
        char option[sizeof("--agent=") + AGENT_NAME_LENGTH_MAX];
        Child *child;
} AgentSocket;

struct AgentSockets {
        ChildSetup setup;
        const Paths *paths;
        char *program;
        Map by_file, by_name;
        sd_event_source *watch;
        bool stopping, full_said;
        bool refused; /* one that may get its socket when another one goes */
};

static AgentSocket *agent_socket_free(AgentSocket *s) {
        if (!s)
                return NULL;
        (void) child_free(s->child);
        free(s->file);
        return mfree(s);
}
DEFINE_CLEANUP(AgentSocket, agent_socket_free)

static void drop(AgentSockets *a, AgentSocket *s) {
        (void) map_remove_string(&a->by_file, s->file);
        (void) map_remove_string(&a->by_name, s->name);
        (void) agent_socket_free(s);
}

static int add(AgentSockets *a, const char *file, const char *name) {
        _cleanup_(agent_socket_freep) AgentSocket *s = new0(AgentSocket, 1);
        _cleanup_free_ char *path = NULL;
        int r;

        if (!s)
                return -ENOMEM;
        s->file = strdup(file);
        if (!s->file)
                return -ENOMEM;
        (void) snprintf(s->name, sizeof(s->name), SOCKET_PREFIX "%s", name);
        (void) snprintf(s->option, sizeof(s->option), "--agent=%s", name);
        r = paths_socket(a->paths, s->name, &path);
        if (r >= 0)
                r = map_put_string(&a->by_name, s->name, s);
        if (r < 0)
                return r;
        r = map_put_string(&a->by_file, s->file, s);
        if (r >= 0)
                r = child_new(&a->setup, s->name, a->program, path, &s->child);
        if (r < 0) {
                (void) map_remove_string(&a->by_name, s->name);
                (void) map_remove_string(&a->by_file, s->file);
                return r;
        }
        child_set_on_demand(s->child, s->option);
        (void) TAKE_PTR(s);
        return 0;
}

/* -ENOENT: there is no such file (any more). */
static int read_name(const AgentSockets *a, const char *file,
                char ret[static AGENT_NAME_LENGTH_MAX + 1]) {
        _cleanup_free_ char *path = NULL;
        char *text = NULL;
        size_t size;
        int r;

        if (asprintf(&path, "%s/%s", a->paths->agents, file) < 0)
                return -ENOMEM;
        r = read_whole(path, FILE_MAX, &text, &size);
        if (r < 0)
                return r;
        r = agent_name_read(text, size, ret);
        explicit_bzero(text, size);
        free(text);
        return r;
}

static void say_why_not(AgentSockets *a, const char *file, int error) {
        if (error == -ENOENT)
                return;
        a->refused |= error == -ENOBUFS || error == -EEXIST;
        if (error == -ENOBUFS) {
                if (!a->full_said)
                        log_warning("There are more than %d agents; the others have no socket.",
                                        AGENTS_MAX);
                a->full_said = true;
        } else if (error == -EBADMSG)
                log_warning("\"%s\" is not an agent's file, or has no name in it.", file);
        else if (error == -EEXIST)
                log_warning("\"%s\" has the name of another agent.", file);
        else
                (void) log_warning_errno(error, "The agent of \"%s\" has no socket: %m", file);
}

static bool is_agents_file(const char *file) {
        size_t n = strlen(file);

        return startswith(file, PREFIX) && n > strlen(SUFFIX) &&
               streq(file + n - strlen(SUFFIX), SUFFIX);
}

/* A file has come, changed, or gone. */
static void look_at(AgentSockets *a, const char *file) {
        AgentSocket *s = map_get_string(&a->by_file, file);
        char name[AGENT_NAME_LENGTH_MAX + 1];
        int r;

        r = read_name(a, file, name);
        if (s && r >= 0 && streq(s->name + strlen(SOCKET_PREFIX), name))
                return;
        if (s && r == -EBADMSG) { /* the host goes on with what it has read before, too */
                log_warning("\"%s\" cannot be read as an agent's file; its socket stays as it is.",
                                file);
                return;
        }
        if (s)
                drop(a, s);
        if (r >= 0)
                r = add(a, file, name);
        if (r < 0)
                say_why_not(a, file, r);
}

static int look_at_all(AgentSockets *a) {
        DIR *dir = opendir(a->paths->agents);
        AgentSocket *s;

        if (!dir)
                return -errno;
        for (struct dirent *e; (e = readdir(dir));)
                if (is_agents_file(e->d_name))
                        look_at(a, e->d_name);
        (void) closedir(dir);

        for (size_t cursor = 0; (s = map_next(&a->by_file, &cursor));) {
                char name[AGENT_NAME_LENGTH_MAX + 1];

                if (read_name(a, s->file, name) != -ENOENT)
                        continue;
                drop(a, s);
                cursor = 0; /* the map has changed */
        }
        return 0;
}

static int on_change(
                _unused_ sd_event_source *source, const struct inotify_event *e, void *userdata) {
        AgentSockets *a = userdata;

        if (a->stopping)
                return 0;
        if (e->mask & (IN_Q_OVERFLOW | IN_IGNORED))
                (void) look_at_all(a);
        else if (e->len > 0 && is_agents_file(e->name)) {
                look_at(a, e->name);
                if (a->refused && !map_get_string(&a->by_file, e->name))
                        (void) look_at_all(a);
        }
        return 0;
}

void agent_sockets_remove(const Paths *paths) {
        DIR *dir = opendir(paths->run);

        for (struct dirent *e; dir && (e = readdir(dir));)
                if (startswith(e->d_name, SOCKET_PREFIX))
                        (void) unlinkat(dirfd(dir), e->d_name, 0);
        if (dir)
                (void) closedir(dir);
}

static int watch(AgentSockets *a) {
        int r;

        r = mkdir_p(a->paths->agents);
        if (r >= 0)
                r = sd_event_add_inotify(
                                a->setup.event, &a->watch, a->paths->agents, EVENTS, on_change, a);
        return r < 0 ? r : look_at_all(a);
}

int agent_sockets_new(const ChildSetup *setup, const Paths *paths, AgentSockets **ret) {
        _cleanup_(agent_sockets_freep) AgentSockets *a = new0(AgentSockets, 1);
        int r;

        if (!a)
                return -ENOMEM;
        a->setup = *setup;
        a->paths = paths;
        map_init(&a->by_file, AGENTS_MAX);
        map_init(&a->by_name, AGENTS_MAX);
        agent_sockets_remove(paths);
        r = find_program("agent", &a->program);
        if (r < 0)
                return r;
        r = watch(a);
        if (r == -ENOMEM)
                return r;
        if (r < 0) /* whoever has no agents does without */
                (void) log_warning_errno(r,
                                "Agents have no sockets, for \"%s\" cannot be watched: %m",
                                paths->agents);
        *ret = TAKE_PTR(a);
        return 0;
}

AgentSockets *agent_sockets_free(AgentSockets *a) {
        AgentSocket *s;

        if (!a)
                return NULL;
        MAP_FOREACH (s, &a->by_file)
                (void) agent_socket_free(s);
        map_done(&a->by_file);
        map_done(&a->by_name);
        sd_event_source_disable_unref(a->watch);
        free(a->program);
        return mfree(a);
}

void agent_sockets_stop(AgentSockets *a, usec_t patience) {
        AgentSocket *s;

        if (!a)
                return;
        a->stopping = true;
        MAP_FOREACH (s, &a->by_file)
                child_stop(s->child, patience);
}

void agent_sockets_kill(AgentSockets *a) {
        AgentSocket *s;

        if (!a)
                return;
        MAP_FOREACH (s, &a->by_file)
                child_kill(s->child);
}

bool agent_sockets_are_stopped(const AgentSockets *a) {
        AgentSocket *s;

        if (!a)
                return true;
        MAP_FOREACH (s, &a->by_file)
                if (child_state(s->child) != CHILD_STOPPED)
                        return false;
        return true;
}

void agent_sockets_reload(AgentSockets *a) {
        AgentSocket *s;

        MAP_FOREACH (s, &a->by_file)
                child_reload(s->child);
}

bool agent_sockets_notified(AgentSockets *a, pid_t sender, const char *message) {
        AgentSocket *s;

        if (!a)
                return false;
        MAP_FOREACH (s, &a->by_file)
                if (child_pid(s->child) == sender) {
                        child_notified(s->child, message);
                        return true;
                }
        return false;
}
