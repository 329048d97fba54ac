#pragma once
/* RelayClient: what provider and host ask of pylon-relay. Subscriptions survive a lost connection;
 * publishing, acknowledging and forgetting ride together, one message per turn of the loop. */
#include <systemd/sd-event.h>

#include "nostr/event.h"

typedef struct RelayClient RelayClient;
typedef struct RelayPublish RelayPublish;

typedef struct RelayEvent {
        uint64_t seq;
        const char *relay; /* the URL it came from first */
        Event *event;      /* verified by the relay; take a reference to keep it */
} RelayEvent;

typedef enum RelayVerdict {
        RELAY_TRYING = -1,
        RELAY_REFUSED = 0, /* for good, by this relay */
        RELAY_ACCEPTED = 1,
} RelayVerdict;

typedef struct RelayHandler {
        /* What came in one turn. It comes again, after any restart, until it is acknowledged. */
        void (*events)(const char *name, const RelayEvent *events, size_t n, void *userdata);
        /* The events this relay had stored have all been handed over. May be NULL. */
        void (*live)(const char *name, const char *relay, void *userdata);
        /* What a relay said to an event of ours; again at every connection until it is forgotten.
         * May be NULL: who only listens leaves outcomes to another connection of its role. */
        void (*outcome)(const char *id, const char *relay, RelayVerdict verdict,
                        const char *message, void *userdata);
} RelayHandler;

int relay_client_new(sd_event *e, const char *socket_path, const RelayHandler *handler,
                void *userdata, RelayClient **ret);
RelayClient *relay_client_free(RelayClient *c); /* nothing is called back */
DEFINE_CLEANUP(RelayClient, relay_client_free)

/* Filters are JSON objects without "since", which the relay adds: it remembers by our role and the
 * name how far we acknowledged. No relays: all that are configured. The same name again replaces.
 * Both lists end with NULL. */
int relay_client_subscribe(RelayClient *c, const char *name, const char *const *filters,
                const char *const *relays);
/* forget: the next subscription of this name begins at its own time. */
int relay_client_unsubscribe(RelayClient *c, const char *name, bool forget);
/* Everything up to this seq is finished with, or on disk at ours. */
void relay_client_acknowledge(RelayClient *c, const char *name, uint64_t seq);

/* Exactly once, never before relay_client_publish() has returned, never after relay_publish_free().
 * 0: it is on disk (durable) or queued, and outcomes follow. */
typedef void (*relay_published_t)(int error, const char *reason, void *userdata);

/* *ret is cleared when it is over, so it must live as long; NULL where nobody will let go of it.
 * Publishing the same event again is harmless. relays: NULL or empty = all configured. */
int relay_client_publish(RelayClient *c, const char *event_json, const char *const *relays,
                bool durable, relay_published_t done, void *userdata, RelayPublish **ret);
RelayPublish *relay_publish_free(RelayPublish *p); /* done() does not come; the event still goes */
/* The outcomes have been noted. id: 64 hex digits. */
void relay_client_forget(RelayClient *c, const char *id);

/* For what asks by the same connection (client/relay-query.h). */
struct BusClient *relay_client_bus(RelayClient *c);
