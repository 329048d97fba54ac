#pragma once
/* What `pylon status` has gathered, from whoever answered. */
#include "agent.h"
#include "basic/json.h"

#define STATES_MAX   16
#define RELAYS_SHOWN 64
#define BACKENDS_MAX 16
#define SERVICES_MAX 8
#define ACCOUNTS_MAX 16

typedef struct RelayLine {
        char *url, *state, *error;
        int64_t since;
        uint64_t received, accepted, pending;
} RelayLine;

typedef struct BackendLine {
        char *name, *state, *detail;
        uint32_t slots;
} BackendLine;

typedef struct ServiceLine {
        const char *name, *state, *status; /* in services_json */
        uint64_t pid, restarts;
} ServiceLine;

typedef struct AccountLine {
        char *name;
        int64_t msats;
} AccountLine;

typedef struct Status {
        bool self_fork, running; /* running: at least the store answers, or an instance is there */
        pid_t pid;
        int64_t uptime;                    /* -1: not known */
        char *provider_state, *host_state; /* NULL: no answer */
        char *pubkey;
        uint64_t jobs_completed;
        int64_t earnings_msats;
        bool store_answers;
        char *wallet_driver, *wallet_state, *wallet_network; /* NULL: no answer */
        AccountLine accounts[ACCOUNTS_MAX];
        size_t n_accounts;
        struct {
                char *name;
                uint64_t n;
        } states[STATES_MAX];
        size_t n_states;
        uint32_t jobs_running, jobs_queued;
        RelayLine relays[RELAYS_SHOWN];
        size_t n_relays;
        AgentList agents;
        BackendLine backends[BACKENDS_MAX];
        size_t n_backends;
        Json *services_json;
        ServiceLine services[SERVICES_MAX];
        size_t n_services;
        Buffer silent; /* who did not answer, and why */
} Status;

void status_print(const Status *s);
int status_print_json(const Cli *cli, const Status *s);
