#include "client/inbox.h"

static InboxEntry *entry(Inbox *i, size_t n) {
        return &i->entries[(i->first + n) % INBOX_MAX];
}

int inbox_add(Inbox *i, uint64_t seq) {
        bool anew = seq <= i->last;

        if (anew)
                i->n = 0;
        if (i->n == INBOX_MAX)
                return -ENOBUFS;

        *entry(i, i->n++) = (InboxEntry){ .seq = seq };
        i->last = seq;
        return anew;
}

/* The seqs grow, but may have gaps. */
static InboxEntry *find(Inbox *i, uint64_t seq) {
        size_t low = 0, high = i->n;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (entry(i, middle)->seq < seq)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < i->n && entry(i, low)->seq == seq ? entry(i, low) : NULL;
}

uint64_t inbox_finish(Inbox *i, uint64_t seq) {
        InboxEntry *e = find(i, seq);
        uint64_t up_to = 0;

        if (e)
                e->done = true;
        while (i->n > 0 && i->entries[i->first].done) {
                up_to = i->entries[i->first].seq;
                i->first = (i->first + 1) % INBOX_MAX;
                i->n--;
        }
        return up_to;
}
