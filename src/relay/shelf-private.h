#pragma once
/* Shared by the two files of the shelf. */
#include "shelf.h"

enum {
        Q_SUBSCRIPTION,
        Q_SUBSCRIPTION_NEW,
        Q_SUBSCRIPTION_FORGET,
        Q_WATERMARK,
        Q_WATERMARK_SET,
        Q_SEEN_ADD,
        Q_SEEN_PRUNE,
        Q_SEEN,
        Q_OUTBOX_ADD,
        Q_OUTBOX_RELAYS,
        Q_OUTBOX_REMOVE,
        Q_OUTBOX_ANSWER,
        Q_OUTBOX,
        Q_ANSWERS,
        Q_EVENT_ADD,
        Q_EVENT_REMOVE,
        Q_EVENT_GET,
        Q_EVENT_BY_ID,
        Q_EVENT_VERSIONS,
        Q_EVENT_COUNT,
        Q_EVENT_EXPIRED,
        Q_EVENT_OLDEST,
        Q_TAG_ADD,
        Q_TAG_REMOVE,
        Q_DELETIONS,
        Q_FIND_TAG,
        Q_FIND_AUTHOR_KIND,
        Q_FIND_AUTHOR,
        Q_FIND_KIND,
        Q_FIND_TIME,
        _Q_MAX,
};

struct Shelf {
        Sql *db;
        SqlGroup *group;
        SqlStatement *q[_Q_MAX];
        int64_t n_events, n_deletions; /* of the local relay, counted once at the start */
};

int shelf_event_count(Shelf *s);
