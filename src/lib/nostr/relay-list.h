#pragma once
/* The relays of a person: where he writes and reads (NIP-65, kind 10002), and where private
 * messages for him go (NIP-17, kind 10050). */
#include "nostr/event.h"

#define NIP65_KIND        10002
#define NIP17_RELAYS_KIND 10050
#define RELAY_LIST_MAX    16 /* of each list; what a person has beyond is not used */

typedef struct RelayListItem {
        char *url; /* in url.h's normal form */
        bool read, write;
} RelayListItem;

/* In the order of the list, each relay once, those that are none left out. */
typedef struct RelayList {
        RelayListItem items[RELAY_LIST_MAX];
        size_t n;
} RelayList;

/* Of either kind; private messages are read there and written there. -EBADMSG: another kind. */
int relay_list_read(const Event *e, RelayList *ret);
/* Does nothing where it is there already, but for what it is used for. -EINVAL: no relay's URL;
 * -ENOBUFS: the list is full. */
int relay_list_add(RelayList *l, const char *url, bool read, bool write);
int relay_list_draft(const RelayList *l, uint16_t kind, int64_t now, Draft **ret);
void relay_list_done(RelayList *l);
#define _cleanup_relay_list_ _cleanup_(relay_list_done)
