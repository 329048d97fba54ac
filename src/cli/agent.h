#pragma once
/* What the verbs of `pylon agent` share: the agents as they are on the bus, and one of them to ask.
 */
#include "call.h"
#include "out.h"

/* The strings belong to the list. */
typedef struct AgentLine {
        const char *path, *name, *npub, *state, *wish, *asleep, *about, *autonomy, *mind;
        char **relays, **triggers;
        int64_t balance, runway, cost; /* msat; seconds, -1: no end; msat */
        int64_t tick_count, last_tick, next_tick, ticking, created_at;
        uint64_t heartbeat; /* seconds */
        uint32_t failures, pending;
} AgentLine;

typedef struct AgentList {
        sd_bus_message *reply;
        AgentLine *agents; /* by name */
        size_t n;
} AgentList;

/* After a start of the host they are read from its disk, which takes a moment. */
int agents_wait(const Remote *host, CallError *ret_error);
int agents_read(const Remote *host, AgentList *ret, CallError *ret_error);
int agents_parse(sd_bus_message *reply, AgentList *ret); /* what GetManagedObjects() answered */
void agents_done(AgentList *l);
const AgentLine *agents_find(const AgentList *l, const char *name_or_npub);

/* The verbs: 0, or the exit code after it was said. */
typedef struct AgentRemote {
        Remote remote; /* of its object */
        char *path;
} AgentRemote;
void agent_remote_done(AgentRemote *a);
int agent_open_host(const Cli *cli, Remote *ret);
int agent_open(const Cli *cli, const char *name_or_npub, AgentRemote *ret);
int agent_fail(const Cli *cli, const char *name, const CallError *error);
/* The end of a verb which has nothing to tell but that it worked. */
int agent_say_done(const Cli *cli, const char *name, const char *format, ...) _printf_(3, 4);
/* One call to one agent that answers nothing, and what is said then. */
int agent_do(const Cli *cli, const char *member, const char *said);
/* May it be done? --yes, or a person at the terminal types the name. */
int agent_confirm(const Cli *cli, const char *name, const char *question);

#define AGENT_MONEY_TIMEOUT (90 * SEC) /* a payment is part of it */

/* "active", "active, paused", "low_balance, 2 wait". */
#define AGENT_STATE_MAX 128
void agent_state_text(const AgentLine *a, char ret[static AGENT_STATE_MAX]);
void agent_balance_text(const AgentLine *a, char ret[static 64]);
void agent_runway_text(const AgentLine *a, char ret[static 64]);
char *const *agent_relays(const Cli *cli, const AgentLine *a);
void agent_json(const Cli *cli, Out *o, const char *key, const AgentLine *a);
