/* The local relay's events in relay.db: NIP-01's replacing, NIP-09's deleting, NIP-40's expiring,
 * and finding. Tags are found by a hash; whatever an index finds is read again through the filter,
 * so that a collision costs time and never an answer. */
#include <stdio.h>

#include "basic/text.h"
#include "shelf-private.h"

#define EVENTS_MAX   1000000
#define PRUNE_BITE   256
#define SCAN_MAX     20000 /* rows that one question may look at */
#define TAGS_INDEXED 64    /* of one event; the rest is not found by tag */
#define TAG_SIZE_MAX 255

static bool tag_is_indexed(const Tag *t) {
        return t->n >= 2 && t->values[0][0] && !t->values[0][1] &&
               strlen(t->values[1]) <= TAG_SIZE_MAX;
}

/* FNV-1a: it is written to disk, so it may not depend on this process. */
static int64_t tag_hash(char name, const char *value) {
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        h = (h ^ (uint8_t) name) * UINT64_C(0x100000001b3);
        for (const char *p = value; *p; p++)
                h = (h ^ (uint8_t) *p) * UINT64_C(0x100000001b3);
        return (int64_t) h;
}

int shelf_event_count(Shelf *s) {
        _cleanup_sql_ SqlStatement *q = s->q[Q_EVENT_COUNT];
        int r;

        r = sql_step(q);
        if (r < 0)
                return r;
        s->n_events = sql_int(q, 0);
        s->n_deletions = sql_int(q, 1);
        return 0;
}

static int for_each_tag(Shelf *s, int q_index, const Event *e, int64_t number) {
        SqlStatement *q = s->q[q_index];
        unsigned n = 0;
        int r;

        for (size_t i = 0; i < event_n_tags(e) && n < TAGS_INDEXED; i++) {
                const Tag *t = event_tag(e, i);

                if (!tag_is_indexed(t))
                        continue;
                sql_bind_int(q, 1, tag_hash(t->values[0][0], t->values[1]));
                sql_bind_int(q, 2, event_created_at(e));
                sql_bind_int(q, 3, number);
                r = sql_run(q);
                if (r < 0)
                        return r;
                n++;
        }
        return 0;
}

int shelf_event_get(Shelf *s, int64_t number, Event **ret) {
        _cleanup_sql_ SqlStatement *q = s->q[Q_EVENT_GET];
        const char *json, *reason;
        int r;

        sql_bind_int(q, 1, number);
        r = sql_step(q);
        if (r <= 0)
                return r < 0 ? r : -ENOENT;
        json = sql_text(q, 0);
        return event_parse_trusted(json, strlen(json), ret, &reason);
}

static int event_remove(Shelf *s, int64_t number) {
        _cleanup_(event_unrefp) Event *e = NULL;
        SqlStatement *q = s->q[Q_EVENT_REMOVE];
        int r;

        r = shelf_event_get(s, number, &e);
        if (r < 0)
                return r;
        r = for_each_tag(s, Q_TAG_REMOVE, e, number);
        if (r < 0)
                return r;

        sql_bind_int(q, 1, number);
        r = sql_run(q);
        if (r < 0)
                return r;
        s->n_events--;
        s->n_deletions -= event_kind(e) == 5;
        return 0;
}

/* "kind:pubkey:d" of an event that has versions. */
static bool event_address(const Event *e, char *ret, size_t size) {
        KindClass class = kind_class(event_kind(e));
        const char *d = class == KIND_ADDRESSABLE ? event_tag_value(e, "d") ?: "" : "";
        int n;

        if (class != KIND_REPLACEABLE && class != KIND_ADDRESSABLE)
                return false;
        n = snprintf(ret, size, "%u:%s:%s", event_kind(e), event_pubkey_hex(e), d);
        return n > 0 && (size_t) n < size;
}

static bool deletion_names(const char *json, char name, const char *value) {
        _cleanup_(event_unrefp) Event *deletion = NULL;
        const char *reason;

        return event_parse_trusted(json, strlen(json), &deletion, &reason) >= 0 &&
               event_has_tag(deletion, (const char[]){ name, 0 }, value);
}

/* NIP-09: has the author asked to delete it? An address counts for versions up to the request. */
static int is_deleted_by(Shelf *s, const Event *e, char name, const char *value) {
        _cleanup_sql_ SqlStatement *q = s->q[Q_DELETIONS];
        int r;

        sql_bind_int(q, 1, tag_hash(name, value));
        sql_bind_bytes(q, 2, event_pubkey(e), 32);
        while ((r = sql_step(q)) > 0)
                if ((name == 'e' || sql_int(q, 0) >= event_created_at(e)) &&
                                deletion_names(sql_text(q, 1), name, value))
                        return 1;
        return r;
}

static int is_deleted(Shelf *s, const Event *e) {
        char address[TAG_SIZE_MAX + 1];
        int r;

        /* NIP-09: deleting a deletion has no effect. */
        if (s->n_deletions == 0 || event_kind(e) == 5)
                return 0;
        r = is_deleted_by(s, e, 'e', event_id_hex(e));
        if (r != 0 || !event_address(e, address, sizeof(address)))
                return r;
        return is_deleted_by(s, e, 'a', address);
}

static const char *event_d(const Event *e) {
        switch (kind_class(event_kind(e))) {
        case KIND_ADDRESSABLE:
                return event_tag_value(e, "d") ?: "";
        case KIND_REPLACEABLE:
                return "";
        case KIND_REGULAR:
        case KIND_EPHEMERAL:
        case _KIND_CLASS_MAX:
                break;
        }
        return NULL;
}

/* NIP-01: the newer version stays; of two from the same second the one with the lower id. Returns
 * 1 where the stored one stays. */
static int replace(Shelf *s, const Event *e, const char *d) {
        SqlStatement *q = s->q[Q_EVENT_VERSIONS];
        int64_t old = 0;
        int r;

        sql_bind_bytes(q, 1, event_pubkey(e), 32);
        sql_bind_int(q, 2, event_kind(e));
        sql_bind_text(q, 3, d);
        r = sql_step(q);
        if (r > 0) {
                size_t size;
                int64_t at = sql_int(q, 1);
                bool stays = at > event_created_at(e) ||
                             (at == event_created_at(e) &&
                                             memcmp(sql_bytes(q, 2, &size), event_id(e), 32) <= 0);

                old = sql_int(q, 0);
                sql_reset(q);
                return stays ? 1 : event_remove(s, old);
        }
        sql_reset(q);
        return r;
}

static int delete_id(Shelf *s, const Event *deletion, const char *id_hex) {
        SqlStatement *q = s->q[Q_EVENT_BY_ID];
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *json, *reason;
        uint8_t id[32];
        int64_t number;
        int r;

        if (hex_decode(id_hex, id, sizeof(id)) < 0)
                return 0;
        sql_bind_bytes(q, 1, id, sizeof(id));
        r = sql_step(q);
        if (r <= 0) {
                sql_reset(q);
                return r;
        }

        number = sql_int(q, 0);
        json = sql_text(q, 1);
        r = event_parse_trusted(json, strlen(json), &e, &reason);
        sql_reset(q);
        if (r < 0)
                return r;
        if (event_kind(e) == 5 || memcmp(event_pubkey(e), event_pubkey(deletion), 32) != 0)
                return 0; /* only its own author may */
        return event_remove(s, number);
}

static int delete_address(Shelf *s, const Event *deletion, const char *address) {
        SqlStatement *q = s->q[Q_EVENT_VERSIONS];
        const char *colon = strchr(address, ':'), *d;
        uint64_t kind;
        char digits[6] = "";
        int64_t number;
        int r;

        if (!colon || colon - address >= (ptrdiff_t) sizeof(digits))
                return 0;
        memcpy(digits, address, (size_t) (colon - address));
        d = startswith(colon + 1, event_pubkey_hex(deletion));
        if (parse_u64(digits, &kind) < 0 || kind > UINT16_MAX || !d || *d != ':')
                return 0;

        sql_bind_bytes(q, 1, event_pubkey(deletion), 32);
        sql_bind_int(q, 2, (int64_t) kind);
        sql_bind_text(q, 3, d + 1);
        r = sql_step(q);
        if (r <= 0 || sql_int(q, 1) > event_created_at(deletion)) {
                sql_reset(q);
                return MIN(r, 0);
        }
        number = sql_int(q, 0);
        sql_reset(q);
        return event_remove(s, number);
}

static int apply_deletion(Shelf *s, const Event *e) {
        int r;

        for (size_t i = 0; i < event_n_tags(e); i++) {
                const Tag *t = event_tag(e, i);

                if (t->n < 2)
                        continue;
                r = streq(t->values[0], "e")   ? delete_id(s, e, t->values[1])
                    : streq(t->values[0], "a") ? delete_address(s, e, t->values[1])
                                               : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int event_insert(Shelf *s, Event *e, const char *d, ShelfVerdict *ret) {
        SqlStatement *q = s->q[Q_EVENT_ADD];
        int r;

        sql_bind_bytes(q, 1, event_id(e), 32);
        sql_bind_bytes(q, 2, event_pubkey(e), 32);
        sql_bind_int(q, 3, event_kind(e));
        sql_bind_int(q, 4, event_created_at(e));
        if (event_expiration(e) == INT64_MAX)
                sql_bind_null(q, 5);
        else
                sql_bind_int(q, 5, event_expiration(e));
        sql_bind_text(q, 6, d);
        sql_bind_text(q, 7, event_json(e, NULL));
        r = sql_run(q);
        if (r < 0)
                return r;
        if (sql_changes(s->db) == 0) {
                *ret = SHELF_DUPLICATE;
                return 0;
        }

        s->n_events++;
        s->n_deletions += event_kind(e) == 5;
        *ret = SHELF_ADDED;
        return for_each_tag(s, Q_TAG_ADD, e, sql_last_id(s->db));
}

static int event_add(Shelf *s, Event *e, ShelfVerdict *ret) {
        const char *d = event_d(e);
        int r;

        r = is_deleted(s, e);
        if (r != 0) {
                *ret = SHELF_DELETED;
                return MIN(r, 0);
        }
        r = d ? replace(s, e, d) : 0;
        if (r != 0) {
                *ret = SHELF_OLDER;
                return MIN(r, 0);
        }

        r = event_insert(s, e, d, ret);
        if (r < 0 || *ret != SHELF_ADDED || event_kind(e) != 5)
                return r;
        return apply_deletion(s, e);
}

int shelf_event_add(Shelf *s, Event *e, ShelfVerdict *ret) {
        int64_t n_events = s->n_events, n_deletions = s->n_deletions;
        int r;

        r = event_add(s, e, ret);
        if (r < 0) { /* the caller undoes what was written */
                s->n_events = n_events;
                s->n_deletions = n_deletions;
        }
        return r;
}

/* ---- finding */

typedef struct Search {
        Shelf *shelf;
        const Filter *filter;
        int64_t now;
        size_t limit; /* of this filter */
        unsigned scanned;
        ShelfHit *hits;
        size_t n, allocated, max;
} Search;

static int search_keep(Search *s, int64_t number, const Event *e) {
        if (s->n == s->allocated) {
                size_t n = MIN(s->max, MAX((size_t) 64, 2 * s->allocated));
                ShelfHit *hits = n > s->allocated ? reallocarray(s->hits, n, sizeof(ShelfHit))
                                                  : NULL;

                if (!hits)
                        return n > s->allocated ? -ENOMEM : -ENOBUFS;
                s->hits = hits;
                s->allocated = n;
        }
        s->hits[s->n] = (ShelfHit){ .number = number, .created_at = event_created_at(e) };
        memcpy(s->hits[s->n++].id, event_id(e), sizeof(s->hits->id));
        return 0;
}

/* Columns: number, created_at, json, expires_at; newest first. */
static int search_run(Search *s, SqlStatement *q) {
        size_t found = 0;
        int r;

        while ((r = sql_step(q)) > 0 && found < s->limit && s->scanned++ < SCAN_MAX) {
                _cleanup_(event_unrefp) Event *e = NULL;
                const char *json = sql_text(q, 2), *reason;

                if (!sql_is_null(q, 3) && sql_int(q, 3) <= s->now)
                        continue;
                r = event_parse_trusted(json, strlen(json), &e, &reason);
                if (r < 0)
                        break;
                if (!filter_matches(s->filter, e))
                        continue;
                found++;
                r = search_keep(s, sql_int(q, 0), e);
                if (r < 0)
                        break;
        }
        sql_reset(q);
        return r == -ENOBUFS ? 0 : MIN(r, 0);
}

static int search_range(Search *s, SqlStatement *q, int first) {
        sql_bind_int(q, first, s->filter->since);
        sql_bind_int(q, first + 1, s->filter->until);
        return search_run(s, q);
}

static int search_ids(Search *s) {
        SqlStatement *q = s->shelf->q[Q_EVENT_BY_ID];
        int r = 0;

        for (size_t i = 0; i < s->filter->n_ids && r >= 0; i++) {
                _cleanup_(event_unrefp) Event *e = NULL;
                const char *json, *reason;

                sql_bind_bytes(q, 1, s->filter->ids[i], 32);
                r = sql_step(q);
                if (r > 0) {
                        json = sql_text(q, 1);
                        r = event_parse_trusted(json, strlen(json), &e, &reason);
                        if (r >= 0 && event_expiration(e) > s->now && filter_matches(s->filter, e))
                                r = search_keep(s, sql_int(q, 0), e);
                }
                sql_reset(q);
        }
        return r == -ENOBUFS ? 0 : r;
}

static int search_tag(Search *s, const FilterTag *t) {
        SqlStatement *q = s->shelf->q[Q_FIND_TAG];
        int r = 0;

        for (size_t i = 0; i < t->n && r >= 0; i++) {
                sql_bind_int(q, 1, tag_hash(t->name, t->values[i]));
                r = search_range(s, q, 2);
        }
        return r;
}

static int search_authors(Search *s) {
        const Filter *f = s->filter;
        SqlStatement *q;
        int r = 0;

        for (size_t i = 0; i < f->n_authors && r >= 0; i++) {
                if (f->n_kinds == 0) {
                        q = s->shelf->q[Q_FIND_AUTHOR];
                        sql_bind_bytes(q, 1, f->authors[i], 32);
                        r = search_range(s, q, 2);
                }
                for (size_t k = 0; k < f->n_kinds && r >= 0; k++) {
                        q = s->shelf->q[Q_FIND_AUTHOR_KIND];
                        sql_bind_bytes(q, 1, f->authors[i], 32);
                        sql_bind_int(q, 2, f->kinds[k]);
                        r = search_range(s, q, 3);
                }
        }
        return r;
}

static int search_kinds(Search *s) {
        int r = 0;

        for (size_t k = 0; k < s->filter->n_kinds && r >= 0; k++) {
                sql_bind_int(s->shelf->q[Q_FIND_KIND], 1, s->filter->kinds[k]);
                r = search_range(s, s->shelf->q[Q_FIND_KIND], 2);
        }
        return r;
}

/* A tag whose values are all short enough to be in the index. */
static const FilterTag *indexed_tag(const Filter *f) {
        for (size_t i = 0; i < f->n_tags; i++) {
                size_t n = 0;

                while (n < f->tags[i].n && strlen(f->tags[i].values[n]) <= TAG_SIZE_MAX)
                        n++;
                if (n == f->tags[i].n)
                        return f->tags + i;
        }
        return NULL;
}

static int search_filter(Search *s) {
        const FilterTag *t = indexed_tag(s->filter);

        if (s->filter->nothing || s->limit == 0)
                return 0;
        if (s->filter->n_ids > 0)
                return search_ids(s);
        if (t)
                return search_tag(s, t);
        if (s->filter->n_authors > 0)
                return search_authors(s);
        if (s->filter->n_kinds > 0)
                return search_kinds(s);
        return search_range(s, s->shelf->q[Q_FIND_TIME], 1);
}

static int compare_hits(const void *a, const void *b) {
        const ShelfHit *x = a, *y = b;
        int r;

        if (x->created_at != y->created_at)
                return x->created_at > y->created_at ? -1 : 1;
        r = memcmp(x->id, y->id, sizeof(x->id));
        if (r != 0)
                return r;
        return x->number == y->number ? 0 : x->number > y->number ? -1 : 1;
}

/* Sorts what was found from `first` on, takes out what is there twice and cuts it to the limit. */
static void search_sort(Search *s, size_t first, size_t limit) {
        size_t n = first;

        if (s->n == first)
                return;
        qsort(s->hits + first, s->n - first, sizeof(ShelfHit), compare_hits);
        for (size_t i = first; i < s->n; i++)
                if (n == first || s->hits[n - 1].number != s->hits[i].number)
                        s->hits[n++] = s->hits[i];
        s->n = first + MIN(n - first, limit);
}

int shelf_event_find(Shelf *s, const Interest *interest, size_t max, int64_t now, ShelfHit **ret,
                size_t *ret_n) {
        Search search = { .shelf = s, .now = now, .max = SCAN_MAX };
        int r = 0;

        for (size_t i = 0; i < interest->n && r >= 0; i++) {
                const Filter *f = interest->filters[i];
                size_t first = search.n;

                search.filter = f;
                search.limit = f->limit < 0 ? max : MIN(max, (size_t) f->limit);
                r = search_filter(&search);
                search_sort(&search, first, search.limit);
        }
        if (r < 0) {
                free(search.hits);
                return r;
        }

        search_sort(&search, 0, SIZE_MAX);
        *ret = search.hits;
        *ret_n = search.n;
        return 0;
}

static int prune(Shelf *s, SqlStatement *q) {
        int64_t numbers[PRUNE_BITE];
        size_t n = 0;
        int r;

        while ((r = sql_step(q)) > 0 && n < ELEMENTSOF(numbers))
                numbers[n++] = sql_int(q, 0);
        sql_reset(q);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = event_remove(s, numbers[i]);
        return MIN(r, 0);
}

int shelf_event_prune(Shelf *s, int64_t now) {
        int r;

        r = shelf_begin(s);
        if (r < 0)
                return r;
        sql_bind_int(s->q[Q_EVENT_EXPIRED], 1, now);
        r = prune(s, s->q[Q_EVENT_EXPIRED]);
        if (r >= 0 && s->n_events > EVENTS_MAX) {
                sql_bind_int(s->q[Q_EVENT_OLDEST], 1, PRUNE_BITE);
                r = prune(s, s->q[Q_EVENT_OLDEST]);
        }
        shelf_end(s, r);
        return r;
}
