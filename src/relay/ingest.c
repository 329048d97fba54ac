#include "ingest.h"

#define EVENT_BYTES_MAX (4 * 1024 * 1024) /* of JSON, in the events that are kept */

int ingest_init(Ingest *i, size_t ids_max, size_t events_max) {
        *i = (Ingest){ .ring_max = ids_max, .events_max = events_max };
        map_init(&i->ids, ids_max + 1);
        i->ring = new0(Seen *, ids_max);
        return i->ring ? 0 : -ENOMEM;
}

static Seen *seen_free(Seen *s) {
        if (s)
                event_unref(s->event);
        return mfree(s);
}

void ingest_done(Ingest *i) {
        for (size_t n = 0; n < i->ring_max && i->ring; n++)
                seen_free(i->ring[n]);
        i->ring = mfree(i->ring);
        map_done(&i->ids);
}

/* What stands behind the name "id" at p, or NULL where it is no name. */
static const char *peek_value(const char *p, const char *end) {
        p += strlen("\"id\"");
        while (p < end && strchr(" \t\r\n", *p))
                p++;
        if (p == end || *p++ != ':')
                return NULL;
        while (p < end && strchr(" \t\r\n", *p))
                p++;
        return end - p > 65 && *p == '"' && p[65] == '"' ? p + 1 : NULL;
}

/* Inside a JSON string a quote has a backslash before it, so what is found can only be a whole
 * string; with a colon behind it is a name, and events hold no second object. */
bool ingest_peek(const char *json, size_t size, uint8_t ret[static 32]) {
        const char *end = json + size, *p = json, *value = NULL;
        char hex[HEX32_MAX];

        while (!value && (p = memmem(p, (size_t) (end - p), "\"id\"", 4)))
                value = peek_value(p++, end);
        if (!value)
                return false;

        memcpy(hex, value, 64);
        hex[64] = '\0';
        return hex_decode(hex, ret, 32) >= 0;
}

static void event_let_go(Ingest *i, Seen *s) {
        size_t size = 0;

        if (!s || !s->event)
                return;
        (void) event_json(s->event, &size);
        i->event_bytes -= size;
        s->event = event_unref(s->event);
}

static size_t n_events(const Ingest *i) {
        return (i->next + i->ring_max - i->oldest_event) % i->ring_max;
}

/* Only the newest events are kept, and always the very newest; of the others the id is enough. */
static void let_events_go(Ingest *i) {
        size_t keep = MIN(i->events_max, i->ring_max - 1);

        while (n_events(i) > keep || (n_events(i) > 1 && i->event_bytes > EVENT_BYTES_MAX)) {
                event_let_go(i, i->ring[i->oldest_event]);
                i->oldest_event = (i->oldest_event + 1) % i->ring_max;
        }
}

static int ingest_add(
                Ingest *i, const uint8_t id[static 32], int64_t created_at, Event *e, Seen **ret) {
        Seen *s, *old = i->ring[i->next];
        size_t size = 0;
        int r;

        s = new0(Seen, 1);
        if (!s)
                return -ENOMEM;
        memcpy(s->id, id, sizeof(s->id));
        s->created_at = created_at;
        r = map_put(&i->ids, s->id, sizeof(s->id), s);
        if (r < 0) {
                free(s);
                return r;
        }

        if (old) {
                (void) map_remove(&i->ids, old->id, sizeof(old->id));
                event_let_go(i, old);
                seen_free(old);
        }
        if (e)
                (void) event_json(e, &size);
        s->event = event_ref(e);
        i->event_bytes += size;
        i->ring[i->next] = s;
        i->next = (i->next + 1) % i->ring_max;
        let_events_go(i);
        *ret = s;
        return 0;
}

int ingest_known(Ingest *i, Event *e, Seen **ret) {
        Seen *s = map_get(&i->ids, event_id(e), 32);

        if (!s)
                return ingest_add(i, event_id(e), event_created_at(e), e, ret);

        *ret = s;
        return 1;
}

int ingest_event(Ingest *i, const char *json, size_t size, Seen **ret, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        uint8_t id[32];
        Seen *s;
        int r;

        if (ingest_peek(json, size, id) && (s = map_get(&i->ids, id, sizeof(id)))) {
                *ret = s;
                return 1;
        }

        r = event_parse(json, size, &e, reterr);
        return r < 0 ? r : ingest_known(i, e, ret);
}

int ingest_again(const Seen *s, const char *json, size_t size, Event **ret, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        int r;

        r = event_parse(json, size, &e, reterr);
        if (r < 0)
                return r;
        if (memcmp(event_id(e), s->id, sizeof(s->id)) != 0) {
                *reterr = "its id is not what it claimed at first";
                return -EBADMSG;
        }
        *ret = TAKE_PTR(e);
        return 0;
}

int ingest_mark(Ingest *i, const uint8_t id[static 32], int64_t created_at, unsigned slot) {
        Seen *s = map_get(&i->ids, id, 32);
        int r;

        if (!s) {
                r = ingest_add(i, id, created_at, NULL, &s);
                if (r < 0)
                        return r;
        }
        s->slots |= UINT64_C(1) << slot;
        return 0;
}

void ingest_unmark(Ingest *i, const uint8_t id[static 32], unsigned slot) {
        Seen *s = map_get(&i->ids, id, 32);

        if (s)
                s->slots &= ~(UINT64_C(1) << slot);
}

void ingest_clear_slot(Ingest *i, unsigned slot) {
        Seen *s;

        MAP_FOREACH (s, &i->ids)
                s->slots &= ~(UINT64_C(1) << slot);
}
