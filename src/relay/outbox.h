#pragma once
/* Outbox: events on their way to relays, and what each relay said, until their owner has noted it.
 * Pure: the clock is an argument, relays are queues that a connection empties, and the shelf is
 * written by whoever is told of a change. */
#include "basic/map.h"
#include "client/relay-client.h"

#define OUTBOX_RELAYS_MAX 16 /* per event */

typedef struct Outbox Outbox;
typedef struct OutRelay OutRelay;
typedef struct Letter Letter;

typedef enum TargetState {
        TARGET_WAITING, /* in its relay's queue */
        TARGET_FLYING,  /* sent, not answered */
        TARGET_LATER,   /* will be tried again */
        TARGET_DONE,
        _TARGET_STATE_MAX,
} TargetState;

typedef struct Target {
        Letter *letter;
        OutRelay *relay;
        struct Target *prev, *next; /* in the list of its state */
        TargetState state;
        RelayVerdict verdict;
        unsigned n_tries;
        usec_t at; /* when it flew; when it is tried again */
        char *message;
        bool unsaved; /* the verdict is not on disk */
        bool reached; /* found out later: its owner did not ask for it, and hears nothing of it */
} Target;

struct Letter {
        uint8_t id[32];
        char id_hex[65];
        char *owner; /* the role of its publisher */
        char *json;
        size_t size;
        bool durable, kept; /* kept: durable, and the commit is done */
        int64_t expires_at; /* seconds */
        size_t n_targets, n_open;
        size_t room;  /* for targets that are found out later */
        bool held;    /* they are being found out: counts as one that has not answered */
        bool unsaved; /* in the list of those with unsaved verdicts */
        Letter *next_unsaved;
        bool forgotten; /* its owner wants to hear no more of it */
        Letter *prev_forgotten, *next_forgotten;
        Target targets[];
};

typedef struct TargetList {
        Target *first, *last;
        size_t n;
} TargetList;

/* One relay's queue. It lives while a letter or a connection needs it. */
struct OutRelay {
        OutRelay *next;
        char *url;
        TargetList lists[TARGET_DONE]; /* by state */
        usec_t not_before;             /* the relay asked for a pause */
        uint64_t n_accepted;
        size_t n_targets; /* in letters, done or not */
        void *upstream;   /* of who serves it */
};

typedef struct OutboxHandler {
        void (*outcome)(Letter *l, Target *t, void *userdata);
} OutboxHandler;

int outbox_new(size_t max, const OutboxHandler *handler, void *userdata, Outbox **ret);
Outbox *outbox_free(Outbox *o);
DEFINE_CLEANUP(Outbox, outbox_free)
void outbox_set_max(Outbox *o, size_t max);

int outbox_relay(Outbox *o, const char *url, OutRelay **ret); /* makes it where it is not there */
void outbox_sweep(Outbox *o); /* drops relays that nothing needs: strangers name many */

typedef struct LetterInfo {
        const uint8_t *id; /* 32 bytes */
        const char *owner, *json;
        bool durable;
        int64_t expires_at;
        OutRelay *const *relays;
        size_t n_relays;
        size_t room; /* for more of them later */
} LetterInfo;

/* -EEXIST with the letter; -ENOBUFS: full; -ENOMEM. */
int outbox_add(Outbox *o, const LetterInfo *info, Letter **ret);
void outbox_mark_reached(Letter *l, const OutRelay *r); /* as it was before a restart */
/* More relays for it, while it is held: until then it is not finished. False: it goes there
 * already, or there is no room. */
void outbox_hold(Outbox *o, Letter *l);
bool outbox_extend(Letter *l, OutRelay *r);
void outbox_release(Outbox *o, Letter *l);
Letter *outbox_find(Outbox *o, const uint8_t id[static 32]);
void outbox_remove(Outbox *o, Letter *l);
/* The owner needs no more outcomes; the relays that have not answered still get it. */
void outbox_forget(Outbox *o, Letter *l);
void outbox_remember(Outbox *o, Letter *l);
/* One that was forgotten and may be removed: all have answered, or too many wait so. NULL: none. */
Letter *outbox_finished(Outbox *o);
Letter *outbox_next(Outbox *o, size_t *cursor); /* all of them, in no order; none may change */

size_t outbox_n(const Outbox *o);
size_t outbox_n_open(const Outbox *o); /* letters that some relay has not answered */
size_t out_relay_n_open(const OutRelay *r);

/* For the connection: what to send next, NULL where nothing waits or the relay wants a pause. It
 * counts as sent. */
Target *out_relay_take(OutRelay *r, usec_t now);
/* false: nothing of that id waits for an answer of this relay. */
bool outbox_answer(Outbox *o, OutRelay *r, const uint8_t id[static 32], bool accepted,
                const char *text, usec_t now);
/* The connection is lost, or the relay wants to know who we are: what flew waits again. */
void out_relay_land(OutRelay *r);
void outbox_land_one(Outbox *o, OutRelay *r, const uint8_t id[static 32]);
/* Moves what is due: unanswered too long, or to be tried again. Returns when to call again,
 * UINT64_MAX for never. */
usec_t out_relay_turn(OutRelay *r, usec_t now);
/* Gives up all that waits for this relay. */
void outbox_give_up(Outbox *o, OutRelay *r, const char *why);
/* Gives up what has expired, and forgets it where its owner has not come back for a week more. */
void outbox_expire(Outbox *o, int64_t now_seconds);

/* Letters with verdicts that are not on disk; the list is the caller's then. */
Letter *outbox_take_unsaved(Outbox *o);
void outbox_restore(Outbox *o, const uint8_t id[static 32], const char *relay, bool accepted,
                const char *message);

/* What a relay's answer means (NIP-01 and what relays really say). */
typedef enum Answer {
        ANSWER_ACCEPTED,
        ANSWER_REFUSED, /* for good */
        ANSWER_AUTH,    /* NIP-42 first */
        ANSWER_SLOWER,
        ANSWER_LATER,
        _ANSWER_MAX,
} Answer;
Answer answer_meaning(bool accepted, const char *text);
