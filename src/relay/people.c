#include "people.h"

#include "basic/log.h"
#include "nostr/nip17.h"
#include "nostr/nip59.h"
#include "nostr/nip90.h"
#include "nostr/relay-list.h"
#include "query.h"
#include "relay-hub.h"

#define NAMED_MAX   8 /* of one event; more are a crowd */
#define RELAYS_MAX  2 /* of each: relays are strangers' and their number ours */
#define KNOWN_MAX   4096
#define LOOKUPS_MAX 4
#define LOOKUP_MS   4000
#define FRESH_USEC  (24 * HOUR)
#define NOBODY_USEC HOUR /* no list was found; it may come */

typedef struct Person {
        uint8_t key[32];
        usec_t until;
        char *urls[RELAYS_MAX]; /* where he reads */
        size_t n;
} Person;

/* A letter that waits for what is found. */
typedef struct Lookup Lookup;
struct Lookup {
        People *people;
        Lookup *next;
        uint8_t letter[32];
        uint8_t keys[NAMED_MAX][32];
        size_t n;
};

struct People {
        Hub *hub;
        Map known; /* by key → Person */
        Lookup *lookups;
        unsigned n_lookups;
};

static Person *person_free(Person *p) {
        for (size_t i = 0; i < p->n; i++)
                free(p->urls[i]);
        return mfree(p);
}

static void forget_all(People *p) {
        Person *person;

        MAP_FOREACH (person, &p->known)
                (void) person_free(person);
        map_done(&p->known);
}

static Person *find(People *p, const uint8_t key[static 32]) {
        Person *person = map_get(&p->known, key, 32);

        return person && person->until > hub_monotonic(p->hub) ? person : NULL;
}

/* A list that says nothing we could use is as good as none. */
static void take_list(Person *person, const Event *e) {
        _cleanup_relay_list_ RelayList list = { 0 };

        if (relay_list_read(e, &list) < 0)
                return;
        for (size_t i = 0; i < list.n && person->n < RELAYS_MAX; i++)
                if (list.items[i].read)
                        person->urls[person->n++] = TAKE_PTR(list.items[i].url);
}

static void learn(People *p, const uint8_t key[static 32], const Event *list) {
        Person *person = new0(Person, 1), *old;

        if (!person)
                return;
        memcpy(person->key, key, sizeof(person->key));
        if (list)
                take_list(person, list);
        person->until = hub_monotonic(p->hub) + (person->n > 0 ? FRESH_USEC : NOBODY_USEC);

        old = map_remove(&p->known, key, 32);
        if (old)
                (void) person_free(old);
        if (map_size(&p->known) >= KNOWN_MAX)
                forget_all(p);
        if (map_put(&p->known, person->key, sizeof(person->key), person) < 0)
                (void) person_free(person);
}

/* ---- the letter */

static bool extend(Hub *h, Letter *l, const Person *person) {
        bool any = false;

        for (size_t i = 0; i < person->n; i++) {
                const char *reason;
                Upstream *u;

                if (hub_upstream(h, person->urls[i], &u, &reason) >= 0)
                        any |= outbox_extend(l, upstream_outbox(u));
        }
        return any;
}

static bool extend_all(People *p, Letter *l, uint8_t (*keys)[32], size_t n) {
        bool any = false;

        for (size_t i = 0; i < n; i++) {
                const Person *person = find(p, keys[i]);

                any |= person && extend(p->hub, l, person);
        }
        return any;
}

static void lookup_end(Lookup *lookup) {
        People *p = lookup->people;

        for (Lookup **q = &p->lookups; *q; q = &(*q)->next)
                if (*q == lookup) {
                        *q = lookup->next;
                        p->n_lookups--;
                        break;
                }
        free(lookup);
}

static const Event *newest_of(Event *const *events, size_t n, const uint8_t key[static 32]) {
        for (size_t i = 0; i < n; i++)
                if (memcmp(event_pubkey(events[i]), key, 32) == 0)
                        return events[i];
        return NULL;
}

static void on_found(Hub *h, Event *const *events, size_t n, void *userdata) {
        Lookup *lookup = userdata;
        People *p = lookup->people;
        Letter *l = outbox_find(h->outbox, lookup->letter);

        for (size_t i = 0; i < lookup->n; i++)
                if (!find(p, lookup->keys[i]))
                        learn(p, lookup->keys[i], newest_of(events, n, lookup->keys[i]));
        if (l && l->held) { /* and not given up meanwhile */
                if (extend_all(p, l, lookup->keys, lookup->n))
                        post_extended(h, l);
                outbox_release(h->outbox, l);
                post_released(h, l);
        }
        lookup_end(lookup);
}

static int write_filter(const Lookup *lookup, Buffer *ret) {
        char hex[HEX32_MAX];
        int r;

        r = buffer_addf(ret, "{\"kinds\":[%d],\"authors\":[", NIP65_KIND);
        for (size_t i = 0; i < lookup->n && r >= 0; i++) {
                hex_encode(lookup->keys[i], 32, hex);
                r = buffer_addf(ret, "%s\"%s\"", i > 0 ? "," : "", hex);
        }
        return r < 0 ? r : buffer_add_string(ret, "]}");
}

static int lookup_start(People *p, Lookup *lookup) {
        _cleanup_buffer_ Buffer filter = { .max = 1024 };
        char *filters[2] = { NULL };
        QueryInfo info = {
                .found = on_found,
                .userdata = lookup,
                .filters = filters,
                .timeout_ms = LOOKUP_MS,
        };
        const char *reason;
        int r;

        r = write_filter(lookup, &filter);
        if (r < 0)
                return r;
        filters[0] = filter.data;
        return query_start(p->hub, &info, &reason);
}

static void look_up(People *p, Letter *l, uint8_t (*keys)[32], size_t n) {
        Lookup *lookup;
        int r;

        if (p->n_lookups == LOOKUPS_MAX)
                return; /* the relays of ours have it all the same */
        lookup = new0(Lookup, 1);
        if (!lookup)
                return;
        *lookup = (Lookup){ .people = p, .next = p->lookups, .n = n };
        memcpy(lookup->letter, l->id, sizeof(l->id));
        memcpy(lookup->keys, keys, n * sizeof(*keys));
        p->lookups = lookup;
        p->n_lookups++;
        outbox_hold(p->hub->outbox, l);
        r = lookup_start(p, lookup);
        if (r >= 0)
                return;
        log_debug_errno(r, "Where the people of an event read is not looked up: %m");
        outbox_release(p->hub->outbox, l);
        lookup_end(lookup);
}

/* ---- what it names */

bool people_want(const Hub *h, const Event *e) {
        uint16_t kind = event_kind(e);
        KindClass class = kind_class(kind);

        if (!service_config(h->service)->relay.reach_people || !event_find_tag(e, "p", NULL))
                return false;
        if (class != KIND_REGULAR && class != KIND_ADDRESSABLE)
                return false;
        return kind != NIP59_WRAP_KIND && kind != NIP59_SEAL_KIND && kind != NIP17_MESSAGE_KIND &&
               (kind < JOB_KIND_FIRST || kind > JOB_FEEDBACK_KIND);
}

static size_t named_by(const Event *e, uint8_t ret[static NAMED_MAX][32]) {
        const Tag *t = NULL;
        size_t n = 0;

        while (n < NAMED_MAX && (t = event_find_tag(e, "p", t))) {
                bool known = t->n < 2 || hex_decode(t->values[1], ret[n], 32) < 0 ||
                             memcmp(ret[n], event_pubkey(e), 32) == 0;

                for (size_t i = 0; i < n && !known; i++)
                        known = memcmp(ret[i], ret[n], 32) == 0;
                n += !known;
        }
        return n;
}

void people_reach(Hub *h, Letter *l, const Event *e) {
        uint8_t named[NAMED_MAX][32], unknown[NAMED_MAX][32];
        size_t n = named_by(e, named), n_unknown = 0;

        for (size_t i = 0; i < n; i++)
                if (!find(h->people, named[i]))
                        memcpy(unknown[n_unknown++], named[i], 32);
        if (n > n_unknown) {
                outbox_hold(h->outbox, l);
                (void) extend_all(h->people, l, named, n);
                outbox_release(h->outbox, l);
        }
        if (n_unknown > 0)
                look_up(h->people, l, unknown, n_unknown);
}

/* ---- life cycle */

int people_new(Hub *h, People **ret) {
        People *p = new0(People, 1);

        if (!p)
                return -ENOMEM;
        p->hub = h;
        map_init(&p->known, KNOWN_MAX);
        *ret = p;
        return 0;
}

People *people_free(People *p) {
        if (!p)
                return NULL;

        while (p->lookups)
                lookup_end(p->lookups);
        forget_all(p);
        return mfree(p);
}
