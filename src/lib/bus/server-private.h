#pragma once
/* What server.c and object.c share. */
#include <systemd/sd-event.h>

#include "basic/map.h"
#include "bus/authorize.h"
#include "bus/server.h"

typedef struct Link Link;
struct Link {
        BusServer *server;
        sd_bus *bus;
        Peer peer; /* role PEER_PERSON on the public bus */
        bool private;
        sd_event_source *greeting; /* until it is over */
        Link *next;
};

struct BusServer {
        sd_event *event;
        char *name;
        const BusObject *objects;
        PeerRole expected; /* PEER_PERSON: nobody in particular */
        bool system_instance;
        void *userdata;
        sd_event_source *listener, *exit;
        int listen_fd;
        Link *links;
        size_t n_private;
        void (*gone)(sd_bus *bus, void *userdata);
        void *gone_userdata;
        AuthQuery *queries;
        Map children; /* by path: the objects that come and go */
};

/* One row of the table that has a folder, on one way in. */
int link_add_folder(BusServer *s, sd_bus *bus, const BusObject *o);
void children_done(BusServer *s);

#define PROPERTIES_MAX 16
/* The names up to NULL, for one signal. */
void collect_names(const char *first, va_list ap, char *ret[static PROPERTIES_MAX + 1]);
