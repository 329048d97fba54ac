#pragma once
/* Shared by the files of an upstream: the connection, its subscriptions, its authentication. */
#include "net/resolve.h"
#include "nostr/message.h"
#include "nostr/nip11.h"
#include "relay-hub.h"

#define UPSTREAM_MESSAGE_MAX (MESSAGE_SIZE_MAX + 1024)
#define UPSTREAM_QUEUE_MAX   (4 * 1024 * 1024)
#define UPSTREAM_AGAIN_USEC  (20 * SEC) /* after a relay refused something for now */

typedef enum ReqState {
        REQ_NONE,
        REQ_STORED, /* sent; stored events come */
        REQ_PAGING, /* and older ones, page by page */
        REQ_HELD,   /* the next page waits for room at the subscriber */
        REQ_LIVE,
        REQ_AUTH,    /* waits until the relay knows who we are */
        REQ_LATER,   /* will be sent again */
        REQ_REFUSED, /* until the next connection */
} ReqState;

typedef struct Req {
        Subscription *subscription;
        ReqState state;
        unsigned generation; /* part of its id: answers to an older one are not taken for this */
        int64_t since, until, oldest;
        unsigned n_stored, n_pages, n_tries;
        usec_t asked;
        usec_t at; /* when to give up waiting, or to send it again */
} Req;

typedef enum AuthState {
        AUTH_NONE,
        AUTH_SIGNING,
        AUTH_SENT,
        AUTH_DONE,
        AUTH_REFUSED,
} AuthState;

struct Upstream {
        Hub *hub;
        Url *url;
        OutRelay *out;
        UpstreamState state;
        int64_t since;
        char *error;
        Resolve *resolve;
        char **addresses; /* in the order to try */
        Ws *tries[RESOLVE_ADDRESSES_MAX];
        size_t n_tried;
        char good_address[URL_MAX]; /* that worked last time, a name where it is proxied; "" */
        Ws *ws;
        sd_event_source *timer; /* reconnect, lingering, deadlines: one at a time */
        sd_event_source *sender;
        unsigned n_failures, charged;
        usec_t charged_since;
        usec_t up_at, unwanted_at; /* 0: wanted */
        Req reqs[INGEST_SLOTS];
        unsigned generation;
        AuthState auth;
        unsigned n_auths; /* signatures that this connection has cost */
        char challenge[MESSAGE_TEXT_MAX + 1], auth_id[HEX32_MAX];
        SignerCall *signing;
        Buffer line;
        UpstreamCounts counts;
        unsigned n_connections;
        usec_t latency;  /* smoothed: from a request to the end of what is stored; 0: not known */
        RelayInfo *info; /* NULL: not known */
        WsGet *getting;
        usec_t info_at;       /* when it was asked for */
        int64_t clock_offset; /* of its clock, seconds; INT64_MIN: not known */
};

void upstream_say(Upstream *u, const char *text); /* the last error, for people */
int upstream_write(Upstream *u);                  /* sends the line */
void upstream_turn(Upstream *u); /* while it is up: what is overdue, and when to look again */

void upstream_set_state(Upstream *u, UpstreamState state);
void upstream_arm(Upstream *u, usec_t after); /* the timer; UINT64_MAX: off */
void upstream_is_up(Upstream *u);
void upstream_lost(Upstream *u, const char *reason);
void upstream_hear(Upstream *u, const char *text, size_t size);
void upstream_hear_rubbish(Upstream *u); /* a message that was skipped */

bool upstream_is_local(const Upstream *u); /* on this machine */

/* ---- upstream-connect.c: ends with upstream_is_up() or upstream_lost() */
void connect_start(Upstream *u);
void connect_next(Upstream *u, const char *reason); /* the next address; why, if there is none */
void connect_stop(Upstream *u);
WsTarget connect_target(const Upstream *u, const char *address);

/* ---- upstream-info.c: NIP-11 */
void info_refresh(Upstream *u); /* a connection stands */
/* Why the relay would refuse it, in the words of an OK; NULL: it may be sent. */
const char *info_refusal(const Upstream *u, const Letter *l);

/* ---- upstream-req.c */
void req_send(Upstream *u, Req *q);
void req_stored_done(Upstream *u, Req *q);
void req_closed(Upstream *u, Req *q, bool page, const char *text);
/* Of a subscription id that we made, unless another has taken its place. */
Req *req_find(Upstream *u, const char *id, bool *ret_page);
/* An event came: stored ones are counted, to know whether there are older ones. */
void req_count(Upstream *u, Req *q, bool page, int64_t created_at);
bool req_is_timed(const Req *q);
void req_overdue(Upstream *u, Req *q);
void req_later(Upstream *u, Req *q); /* again, after growing pauses */

/* ---- upstream-auth.c: NIP-42 */
void auth_start(Upstream *u); /* the relay asked for it */
bool auth_is_answer(const Upstream *u, const char *id_hex);
void auth_answered(Upstream *u, bool accepted, const char *text);
void auth_challenge(Upstream *u, const char *challenge);
void auth_reset(Upstream *u);
void auth_give_up(Upstream *u); /* there is no answer, or none that helps */
