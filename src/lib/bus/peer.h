#pragma once
/* Peer: who is at the other end of a private connection, from SO_PEERCRED.
 *
 * In a system instance each service has its own account, and the role is a boundary. Elsewhere all
 * are one uid and the role is the name of the program: a guard rail against our own mistakes. */
#include <sys/types.h>

#include "basic/macro.h"

typedef enum PeerRole {
        PEER_PERSON, /* anybody else; on the public bus: everybody */
        PEER_OWNER,  /* root, or the owner of a user instance by any other program */
        PEER_STORE,
        PEER_SIGNER,
        PEER_RELAY,
        PEER_WALLET,
        PEER_PROVIDER,
        PEER_HOST,
        _PEER_ROLE_MAX,
} PeerRole;

typedef struct Peer {
        uid_t uid;
        pid_t pid;
        PeerRole role;
} Peer;

/* -EACCES: a stranger; close the connection. `system_instance` tells which rule holds. */
int peer_identify(int fd, bool system_instance, Peer *ret);
/* It has an account that we are not shown, behind the PrivateUsers= of our unit. */
bool peer_is_hidden(const Peer *p);
const char *peer_role_name(PeerRole role); /* "provider"; "owner"; "person" */
static inline bool peer_role_is_service(PeerRole role) {
        return role >= PEER_STORE;
}
