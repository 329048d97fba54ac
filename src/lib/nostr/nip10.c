#include "nostr/nip10.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/text.h"
#include "nostr/url.h"

#define REACTION_MAX 64 /* bytes: an emoji is several characters */

static bool is_hex32(const char *text) {
        uint8_t bytes[32];

        return hex_decode(text, bytes, sizeof(bytes)) >= 0;
}

static const char *value_at(const Tag *t, size_t i) {
        return i < t->n ? t->values[i] : "";
}

/* NIP-10: a marker is the fourth value, the author the fifth. */
static bool is_marked(const Tag *t, const char *marker) {
        return streq(value_at(t, 3), marker);
}

static const char *author_of(const Tag *t) {
        return is_hex32(value_at(t, 4)) ? t->values[4] : "";
}

static void take_root(Thread *r, const Tag *t) {
        r->root = t->values[1];
        r->root_relay = value_at(t, 2);
        r->root_author = author_of(t);
}

/* What the tags of one event say, whichever way they say it. */
typedef struct Marks {
        const Tag *root, *reply, *first, *last;
} Marks;

static Marks marks_of(const Event *e) {
        const Tag *t = NULL;
        Marks m = { 0 };

        while ((t = event_find_tag(e, "e", t))) {
                if (!is_hex32(value_at(t, 1)) || is_marked(t, "mention"))
                        continue;
                if (is_marked(t, "root"))
                        m.root = m.root ?: t;
                else if (is_marked(t, "reply"))
                        m.reply = m.reply ?: t;
                m.first = m.first ?: t;
                m.last = t;
        }
        return m;
}

bool thread_read(const Event *e, Thread *ret) {
        Marks m = marks_of(e);
        const Tag *root = m.root, *parent = m.reply;

        if (!root && !parent) { /* by positions */
                root = m.first;
                parent = m.last;
        }
        root = root ?: parent; /* some mark the parent alone */
        parent = parent ?: root;
        if (!parent)
                return false;

        *ret = (Thread){ .parent = parent->values[1] };
        take_root(ret, root);
        return true;
}

/* ---- writing */

/* Who is told, each once. */
typedef struct People {
        const char *keys[NIP10_PEOPLE_MAX];
        size_t n;
        const char *author;
} People;

static int add_person(People *p, const char *key, Draft *d) {
        if (p->n == NIP10_PEOPLE_MAX || !is_hex32(key) || (p->author && streq(key, p->author)))
                return 0;
        for (size_t i = 0; i < p->n; i++)
                if (streq(p->keys[i], key))
                        return 0;
        p->keys[p->n++] = key;
        return draft_tag(d, "p", key, NULL);
}

/* Hints of strangers are handed on only where they are what they should be. */
static const char *relay_or_nothing(const char *relay) {
        _cleanup_(url_freep) Url *u = NULL;
        const char *reason;

        return relay && url_parse(relay, &u, &reason) >= 0 ? relay : "";
}

static int tag_event(Draft *d, const char *id, const char *relay, const char *marker,
                const char *author) {
        return draft_tag(
                        d, "e", id, relay_or_nothing(relay), marker, *author ? author : NULL, NULL);
}

/* NIP-10: the author of what is answered, and all whom that told. */
static int note_people(const Answer *a, Draft *d) {
        People people = { .author = a->author };
        const Tag *t = NULL;
        int r;

        r = add_person(&people, event_pubkey_hex(a->to), d);
        while (r >= 0 && (t = event_find_tag(a->to, "p", t)))
                if (t->n >= 2)
                        r = add_person(&people, t->values[1], d);
        return r;
}

static int note_tags(const Answer *a, Draft *d) {
        const char *id = event_id_hex(a->to), *author = event_pubkey_hex(a->to);
        Thread thread;
        int r;

        if (thread_read(a->to, &thread)) {
                r = tag_event(d, thread.root, thread.root_relay, "root", thread.root_author);
                if (r >= 0)
                        r = tag_event(d, id, a->relay, "reply", author);
        } else
                r = tag_event(d, id, a->relay, "root", author);
        return r < 0 ? r : note_people(a, d);
}

static int address_of(const Event *e, Buffer *ret) {
        const char *name = event_tag_value(e, "d");
        KindClass class = kind_class(event_kind(e));

        if (class != KIND_ADDRESSABLE && class != KIND_REPLACEABLE)
                return 0;
        return buffer_addf(ret, "%u:%s:%s", event_kind(e), event_pubkey_hex(e),
                        class == KIND_ADDRESSABLE && name ? name : "");
}

/* NIP-22: the root in capitals, the parent in small letters. A comment on a comment keeps its root.
 */
static int comment_root(const Answer *a, const char *address, const char *kind, Draft *d) {
        static const char *const names[] = { "A", "E", "I", "K", "P" };
        const char *relay = relay_or_nothing(a->relay);
        const Tag *t;
        int r = 0;

        if (event_kind(a->to) == NIP22_COMMENT_KIND) {
                for (size_t i = 0; i < ELEMENTSOF(names) && r >= 0; i++) {
                        t = event_find_tag(a->to, names[i], NULL);
                        if (t && t->n >= 2)
                                r = draft_tag_strv(d, t->values, t->n);
                }
                return r;
        }
        if (*address)
                r = draft_tag(d, "A", address, relay, NULL);
        else
                r = draft_tag(d, "E", event_id_hex(a->to), relay, event_pubkey_hex(a->to), NULL);
        if (r >= 0)
                r = draft_tag(d, "K", kind, NULL);
        return r < 0 ? r : draft_tag(d, "P", event_pubkey_hex(a->to), NULL);
}

static int comment_tags(const Answer *a, Draft *d) {
        _cleanup_buffer_ Buffer address = { .max = EVENT_SIZE_MAX };
        const char *relay = relay_or_nothing(a->relay);
        char kind[8];
        int r;

        (void) snprintf(kind, sizeof(kind), "%u", event_kind(a->to));
        r = address_of(a->to, &address);
        if (r >= 0)
                r = comment_root(a, address.size > 0 ? address.data : "", kind, d);
        if (r >= 0 && address.size > 0)
                r = draft_tag(d, "a", address.data, relay, NULL);
        if (r >= 0)
                r = draft_tag(d, "e", event_id_hex(a->to), relay, event_pubkey_hex(a->to), NULL);
        if (r >= 0)
                r = draft_tag(d, "k", kind, NULL);
        return r < 0 ? r : draft_tag(d, "p", event_pubkey_hex(a->to), NULL);
}

int reply_draft(const Answer *a, int64_t now, Draft **ret) {
        bool note = event_kind(a->to) == NIP10_NOTE_KIND;
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = draft_new(note ? NIP10_NOTE_KIND : NIP22_COMMENT_KIND, now, &d);
        if (r >= 0)
                r = note ? note_tags(a, d) : comment_tags(a, d);
        if (r >= 0)
                r = draft_content(d, a->text, strlen(a->text));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

int reaction_draft(const Answer *a, int64_t now, Draft **ret) {
        _cleanup_buffer_ Buffer address = { .max = EVENT_SIZE_MAX };
        const char *relay = relay_or_nothing(a->relay);
        _cleanup_(draft_freep) Draft *d = NULL;
        size_t size = strlen(a->text);
        char kind[8];
        int r;

        if (size == 0 || size > REACTION_MAX || !utf8_is_valid(a->text, size))
                return -EINVAL;
        (void) snprintf(kind, sizeof(kind), "%u", event_kind(a->to));
        r = draft_new(NIP25_REACT_KIND, now, &d);
        if (r >= 0)
                r = address_of(a->to, &address);
        if (r >= 0)
                r = draft_tag(d, "e", event_id_hex(a->to), relay, event_pubkey_hex(a->to), NULL);
        if (r >= 0)
                r = draft_tag(d, "p", event_pubkey_hex(a->to), NULL);
        if (r >= 0 && address.size > 0)
                r = draft_tag(d, "a", address.data, relay, NULL);
        if (r >= 0)
                r = draft_tag(d, "k", kind, NULL);
        if (r >= 0)
                r = draft_content(d, a->text, size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}
