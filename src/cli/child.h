#pragma once
/* Child: one service under the supervisor. Its socket is bound here; it runs while there is a
 * reason, comes back after a crash (pause.h), and is told apart from its like by nobody
 * but us. */
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "log-file.h"

typedef enum ChildState {
        CHILD_LISTENING, /* a connection starts it */
        CHILD_STARTING,  /* until READY=1 */
        CHILD_RUNNING,
        CHILD_STOPPING, /* has been told to */
        CHILD_PAUSING,  /* after a crash, until it is tried again */
        CHILD_FAILED,   /* trying again is no use before a reload: exit code 78 */
        CHILD_STOPPED,  /* for good */
        _CHILD_STATE_MAX,
} ChildState;

typedef struct Child Child;

typedef struct ChildSetup { /* the same for all; outlives them */
        sd_event *event;
        LogFile *log;
        const char *notify_path;
        const char *config;                            /* NULL: the usual place */
        unsigned n_files;                              /* a process may have open; 0: as we */
        void (*changed)(Child *child, void *userdata); /* the state is another one */
        void *userdata;
} ChildSetup;

/* Binds the socket, which is the owner's only (the umask is 077). */
int child_new(const ChildSetup *setup, const char *name, const char *program,
                const char *socket_path, Child **ret);
Child *child_free(Child *c); /* kills it and removes the socket */
DEFINE_CLEANUP(Child, child_free)

/* One that lives for a connection only: however it ended, the next one starts it again. The option
 * is borrowed. */
void child_set_on_demand(Child *c, const char *option);
int child_start(Child *c);
void child_stop(Child *c, usec_t patience); /* SIGTERM, and SIGKILL when that takes longer */
void child_kill(Child *c);
void child_reload(Child *c);
void child_notified(
                Child *c, const char *message); /* what came on NOTIFY_SOCKET from its process */

const char *child_name(const Child *c);
ChildState child_state(const Child *c);
const char *child_state_name(const Child *c);
pid_t child_pid(const Child *c);          /* 0: does not run */
unsigned child_restarts(const Child *c);  /* after crashes */
const char *child_status(const Child *c); /* its last STATUS=, "" */
/* Why it ended last, a sentence for people; "" when it never did. */
const char *child_ending(const Child *c);
