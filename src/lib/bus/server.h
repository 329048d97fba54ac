#pragma once
/* Serves one set of interfaces on every way in: the system or user bus, and private sockets.
 *
 * Methods in the tables are SD_BUS_VTABLE_UNPRIVILEGED: sd-bus would otherwise refuse other uids
 * before we have looked at who they are. Rights are asked for in the handler: bus_server_role() on
 * the private socket, bus_authorize() (bus/authorize.h) where people may come. */
#include <systemd/sd-bus.h>

#include "bus/peer.h"

typedef struct BusObject {
        const char *interface;
        const sd_bus_vtable *vtable;
        bool private;       /* on private sockets only */
        const char *folder; /* NULL: it is at the one path; else each object in this folder has it
                             */
} BusObject;

typedef struct BusServer BusServer;

/* objects ends with an entry without interface. The userdata is what the handlers get. */
int bus_server_new(sd_event *event, const char *bus_name, const BusObject *objects,
                bool system_instance, void *userdata, BusServer **ret);
BusServer *bus_server_free(BusServer *s);
void bus_server_set_userdata(BusServer *s, void *userdata); /* before anybody is connected */
DEFINE_CLEANUP(BusServer, bus_server_free)

int bus_server_listen(BusServer *s, int fd); /* a listening AF_UNIX socket, which it then owns */
/* Opens the system or user bus and takes the name there. A bus that goes away is left; the private
 * sockets go on. */
int bus_server_join(BusServer *s, bool system_bus);

/* For a unit with PrivateUsers=, to which most accounts are nobody: whom the mode of its socket
 * lets in. */
void bus_server_expect(BusServer *s, PeerRole role);

/* Called when a private connection has ended, before its sd_bus is gone. */
void bus_server_on_gone(BusServer *s, void (*gone)(sd_bus *bus, void *userdata), void *userdata);
size_t bus_server_n_private(const BusServer *s);

/* Who sent this: PEER_PERSON on the public bus, whatever the sender claims. */
PeerRole bus_server_role(BusServer *s, sd_bus_message *m);
const Peer *bus_server_peer(BusServer *s, sd_bus_message *m); /* NULL on the public bus */

/* PropertiesChanged on every way in; the properties end with NULL. */
void bus_server_changed(BusServer *s, const char *interface, const char *property, ...)
                __attribute__((sentinel));
/* A signal of a public interface to everybody who listens. */
void bus_server_signal(
                BusServer *s, const char *interface, const char *member, const char *types, ...);

/* Objects that come and go, beside the one path: each is one element below a folder of the table,
 * and its userdata is what the handlers of the folder's interfaces get. They are there on every way
 * in, also for those who come later, and org.freedesktop.DBus.ObjectManager at the one path tells
 * of them. One that is removed answers nothing more; who keeps a message of its answers it.
 * -EINVAL: in no folder; -EEXIST, -ENOBUFS, -ENOMEM. */
#define BUS_OBJECTS_MAX 4096
int bus_server_add_object(BusServer *s, const char *path, void *userdata);
void bus_server_remove_object(BusServer *s, const char *path);
void bus_server_object_changed(BusServer *s, const char *path, const char *interface,
                const char *property, ...) __attribute__((sentinel));
void bus_server_object_changed_strv(
                BusServer *s, const char *path, const char *interface, char **properties);
void bus_server_object_signal(BusServer *s, const char *path, const char *interface,
                const char *member, const char *types, ...);

/* Before sending much to one peer: is it behind with reading? Then hold back; nothing else limits
 * what sd-bus keeps in memory for it. */
bool bus_is_slow(sd_bus *bus);

/* For bus/authorize.c: the questions to polkit that are on the way. */
struct AuthQuery **bus_server_queries(BusServer *s);
