#pragma once
/* AgentSockets: one listening socket for each agent's file, and pylon-agent behind it when the host
 * connects. The folder is watched: an agent that is spawned gets its socket, one whose file goes
 * loses it. Between ticks an agent is a descriptor and a few hundred bytes here. */
#include "basic/paths.h"
#include "child.h"

#define AGENTS_MAX 2000

typedef struct AgentSockets AgentSockets;

/* changed() of the setup is called for agents, too. */
int agent_sockets_new(const ChildSetup *setup, const Paths *paths, AgentSockets **ret);
AgentSockets *agent_sockets_free(AgentSockets *a);
DEFINE_CLEANUP(AgentSockets, agent_sockets_free)

void agent_sockets_stop(AgentSockets *a, usec_t patience); /* no more start, either */
void agent_sockets_kill(AgentSockets *a);
bool agent_sockets_are_stopped(const AgentSockets *a);
void agent_sockets_reload(AgentSockets *a);
/* What came on NOTIFY_SOCKET; false: of none of these. */
bool agent_sockets_notified(AgentSockets *a, pid_t sender, const char *message);

/* What a supervisor that was killed has left. */
void agent_sockets_remove(const Paths *paths);
