#pragma once
/* RelayQuery: what relays have stored, asked for once through pylon-relay, which verifies it. */
#include "client/relay-client.h"

typedef struct RelayQuery RelayQuery;

/* Exactly once, never before relay_client_query() has returned, never after relay_query_free().
 * error < 0: there are no events. The newest come first; take a reference to keep one. */
typedef void (*relay_query_done_t)(
                int error, const char *reason, Event *const *events, size_t n, void *userdata);

typedef struct RelayQuestion {
        const char *const *filters; /* JSON objects; both lists end with NULL */
        const char *const *relays;  /* NULL: all that are configured */
        uint32_t limit;
        usec_t timeout;
} RelayQuestion;

/* *ret is cleared when it is over, so it must live as long; free it before the client. */
int relay_client_query(RelayClient *c, const RelayQuestion *question, relay_query_done_t done,
                void *userdata, RelayQuery **ret);
RelayQuery *relay_query_free(RelayQuery *q); /* cancels */
DEFINE_CLEANUP(RelayQuery, relay_query_free)
