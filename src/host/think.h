#pragma once
/* Think: one thought of an agent, bought. Messages go in, text comes out, and what it cost is in
 * the books. Two minds are bought from: the market (nip90), where somebody's provider is found,
 * asked and paid by the agent's own key and money, and this machine's provider (local), which is
 * paid inside.
 *
 * A thought is known by its id. Whoever starts it again after a crash finds what was bought before:
 * nothing is bought or paid twice, and an answer that is on disk is given again. Nothing here
 * blocks, and every thought ends by its timeout. */
#include <systemd/sd-event.h>

#include "basic/config.h"
#include "market/market.h"
#include "settings.h"

#define THOUGHT_TEXT_MAX (UINT64_C(1024) * 1024) /* of an answer; a longer one is an error */
#define THINK_ID_MAX     96
#define THINKS_MAX       1024 /* at the same time */

typedef struct Thinker Thinker;
typedef struct Think Think;

typedef struct ThinkOrder {
        const char *id;  /* "agent:NAME/TICK/N": durable; the same id is the same thought */
        const char *key; /* of the signer; all three are agent:NAME */
        const char *account, *grant;
        MindType mind;        /* MIND_NIP90 or MIND_LOCAL */
        const char *model;    /* "": whatever the provider takes */
        const char *messages; /* JSON: [{"role":"system","content":"…"},…] */
        uint32_t max_tokens;  /* 0: not said */
        int64_t max_msat;     /* for all of it, whatever has to be tried; -1: as the grant has it */
        usec_t timeout;       /* for all of it; an hour at most */
        const char *const *providers; /* hex or npub, ends with NULL; NULL or none: the market */
        bool encrypt;                 /* where the provider can */
} ThinkOrder;

typedef struct Thought {
        const char *text;
        int64_t cost_msat;                        /* what was paid for it, fees included */
        int64_t prompt_tokens, completion_tokens; /* -1: not known */
        const char *provider;                     /* hex; "local" */
        const char *model;                        /* "": not known */
} Thought;

/* Exactly once, never before think_start() has returned, never after think_free(). error < 0 comes
 * with a reason for people:
 *   -EDQUOT the grant, the account or max_msat does not allow it; trying again will not help now
 *   -ENOENT nobody sells that · -ETIMEDOUT nobody answered in time · -EREMOTEIO they all failed
 *   -EAGAIN a service of ours did not answer: nothing is decided, ask again by the same id
 *   -EINVAL -E2BIG the messages or the answer are not as they must be
 * t is there in success, and else only tells what was spent nevertheless (its text is NULL). */
typedef void (*think_done_t)(int error, const char *reason, const Thought *t, void *userdata);

typedef struct ThinkSockets {
        const char *provider, *wallet;
} ThinkSockets;
int thinker_new(sd_event *event, const Config *config, Market *market, const ThinkSockets *sockets,
                Thinker **ret);
Thinker *thinker_free(Thinker *t); /* after its thoughts, before the market */
DEFINE_CLEANUP(Thinker, thinker_free)
size_t thinker_n_thoughts(const Thinker *t); /* that are being thought */

/* A negative return: it never started. -EINVAL; -EBUSY: this very id is being thought; -ENOBUFS:
 * too many are. The order's strings are borrowed during the call only. */
int think_start(Thinker *t, const ThinkOrder *o, think_done_t done, void *userdata, Think **ret);
/* Lets go: nothing is called back. What is bought stays bought and is found again by the id. After
 * done() it is to be freed as well, also in done(). */
Think *think_free(Think *t);
DEFINE_CLEANUP(Think, think_free)
