#pragma once
/* Context: all that an agent knows when it wakes, read from the JSON the host sends. What is in its
 * observations comes from strangers; so may what is in its memories. */
#include "basic/json.h"
#include "client/agents-limits.h"

#define CONTEXT_SIZE_MAX     (256 * 1024) /* bytes of JSON */
#define CONTEXT_MEMORIES_MAX 256
#define CONTEXT_TICKS_MAX    16
#define CONTEXT_PEERS_MAX    64
#define CONTEXT_EXEC_MAX     32 /* words of a command */
#define FENCE_SIZE           32 /* hex digits */

typedef struct ContextGoal {
        const char *id, *text;
        int64_t priority, progress;
} ContextGoal;

typedef struct ContextMemory {
        const char *id, *text;
        int64_t at;
} ContextMemory;

typedef struct ContextObservation {
        const char *id, *what, *author, *text, *event;
        int64_t msat, at;
} ContextObservation;

/* Another agent of the same owner. */
typedef struct ContextPeer {
        const char *name, *npub;
} ContextPeer;

/* One action of a tick before, and what became of it. */
typedef struct ContextOutcome {
        int64_t tick;
        const char *type, *state, *reason;
} ContextOutcome;

/* Everything is borrowed from the tree; no text is NULL. */
typedef struct Context {
        Json *root;
        const char *name, *npub, *pubkey, *about;
        int64_t now, tick;
        const char *trigger, *network;
        const char *fence; /* unguessable, new each tick: what strangers wrote is between two */
        int64_t balance_msat, runway_s, tick_max_msat, payment_max_msat;
        bool exec;         /* its mind is a program; else the host asks a model */
        char **command;    /* of that; none: the built-in rules */
        int64_t timeout_s; /* of the program */
        const char *model; /* "": any */
        int64_t context_tokens, max_tokens;
        ContextGoal *goals;
        size_t n_goals;
        ContextMemory *memories;
        size_t n_memories;
        int64_t remembered; /* how many it has, with those that were not found for this */
        ContextObservation *observations;
        size_t n_observations;
        ContextOutcome *outcomes;
        size_t n_outcomes;
        ContextPeer *peers;
        size_t n_peers;
        int64_t dropped;
        uint32_t allowed;  /* B(ActionType) */
        const char *owner; /* hex, or "" */
} Context;

/* -EBADMSG with a reason, and the name of the field where it is one's fault (else NULL); -ENOMEM.
 */
int context_parse(const char *json, size_t size, Context **ret, const char **ret_field,
                const char **reterr);
Context *context_free(Context *c);
DEFINE_CLEANUP(Context, context_free)

/* The owner said it: by `tell`, or in words signed with their key (a zap's are in somebody else's
 * receipt). */
bool context_is_owner(const Context *c, const ContextObservation *o);
