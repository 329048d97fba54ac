#pragma once
/* NIP-11: what a relay says about itself. A courtesy of the relay, written by hand and often wrong:
 * what makes no sense in it counts as not said. */
#include "nostr/event.h"

#define NIP11_SIZE_MAX (128 * 1024)
#define NIP11_NIPS_MAX 64

typedef struct RelayInfo {
        char *name, *software, *version; /* one line each; "" */
        uint16_t nips[NIP11_NIPS_MAX];
        size_t n_nips;
        /* Limits; -1: none is known. */
        int64_t message_max; /* bytes of one message */
        int64_t content_max; /* characters */
        int64_t tags_max, subscriptions_max, filters_max;
        int64_t limit_max;              /* of stored events in one answer, the smaller of its two */
        int64_t age_max;                /* seconds */
        int64_t pow_min;                /* bits, NIP-13 */
        bool auth, payment, restricted; /* is demanded of readers; of writers; few may write */
} RelayInfo;

/* -EBADMSG with a reason; -ENOMEM. */
int relay_info_parse(const char *text, size_t size, RelayInfo **ret, const char **reterr);
RelayInfo *relay_info_free(RelayInfo *i);
DEFINE_CLEANUP(RelayInfo, relay_info_free)

/* Would the relay refuse this event, whoever sends it? In the words of an OK message: a prefix and
 * why. NULL: nothing speaks against it. The size is that of the event's JSON. */
const char *relay_info_refusal(const RelayInfo *i, const Event *e, int64_t now);
