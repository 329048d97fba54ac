#include "bus/peer.h"

#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>

#define PROGRAM_PREFIX "pylon-"
#define UID_NOBODY     65534

static const char *const role_names[_PEER_ROLE_MAX] = {
        [PEER_PERSON] = "person",
        [PEER_OWNER] = "owner",
        [PEER_STORE] = "store",
        [PEER_SIGNER] = "signer",
        [PEER_RELAY] = "relay",
        [PEER_WALLET] = "wallet",
        [PEER_PROVIDER] = "provider",
        [PEER_HOST] = "host",
};

const char *peer_role_name(PeerRole role) {
        return role_names[role];
}

/* "pylon-store" → PEER_STORE; anything else → otherwise. Accounts and programs are named alike. */
static PeerRole role_by_name(const char *name, PeerRole otherwise) {
        const char *service = startswith(name, PROGRAM_PREFIX);

        for (PeerRole role = PEER_STORE; service && role < _PEER_ROLE_MAX; role++)
                if (streq(service, role_names[role]))
                        return role;
        return otherwise;
}

static PeerRole role_by_account(uid_t uid) {
        char buffer[4096];
        struct passwd pw, *found;

        if (uid == 0)
                return PEER_OWNER;
        if (getpwuid_r(uid, &pw, buffer, sizeof(buffer), &found) != 0 || !found)
                return PEER_PERSON;
        return role_by_name(pw.pw_name, PEER_PERSON);
}

static PeerRole role_by_program(pid_t pid) {
        char link[64], path[PATH_MAX], *name, *deleted;
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/%d/exe", pid);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return PEER_OWNER;
        path[n] = 0;

        /* After an upgrade the running program's file is gone, and the kernel says so. */
        deleted = strstr(path, " (deleted)");
        if (deleted)
                *deleted = 0;
        name = strrchr(path, '/');
        return role_by_name(name ? name + 1 : path, PEER_OWNER);
}

int peer_identify(int fd, bool system_instance, Peer *ret) {
        struct ucred c;
        socklen_t size = sizeof(c);

        *ret = (Peer){ .uid = (uid_t) -1 };
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &size) < 0)
                return -errno;

        *ret = (Peer){ .uid = c.uid, .pid = c.pid };
        if (system_instance)
                ret->role = role_by_account(c.uid);
        else if (c.uid == geteuid())
                ret->role = role_by_program(c.pid);
        else if (c.uid == 0)
                ret->role = PEER_OWNER;

        return ret->role == PEER_PERSON ? -EACCES : 0;
}

bool peer_is_hidden(const Peer *p) {
        _cleanup_close_ int fd = -EBADF;
        char map[256];
        ssize_t n;

        if (p->uid != UID_NOBODY)
                return false;
        fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, map, sizeof(map) - 1);
        if (n < 0)
                return false;
        map[n] = '\0';
        return !strstr(map, "4294967295"); /* there, all accounts are what they are */
}
