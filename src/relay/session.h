#pragma once
/* Session: one client of the local relay. NIP-01, NIP-42 and NIP-45 on top of a websocket. */
#include "match.h"
#include "net/ws.h"

#define SESSION_SUBSCRIPTIONS_MAX 64
#define SESSION_LIMIT_MAX         5000
#define SESSION_MESSAGE_MAX       (128 * 1024 + 4096)

typedef struct Hub Hub;
typedef struct Session Session;

typedef struct SessionHandler {
        /* Stored or, where it is ephemeral, only valid: to be shown to all sessions. */
        void (*accepted)(Event *e, void *userdata);
        void (*closed)(Session *s, void *userdata); /* frees it */
} SessionHandler;

int session_new(Hub *hub, Ws *ws, const char *url, const SessionHandler *handler, void *userdata,
                Session **ret);
Session *session_free(Session *s);
DEFINE_CLEANUP(Session, session_free)
void session_show(Session *s, const Event *e); /* to those subscriptions that match */
