/* Drafts keep tags and content as the canonical text that is going to be hashed. */
#include <inttypes.h>
#include <stdarg.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/json.h"
#include "basic/scan.h"
#include "nostr/event.h"

struct Draft {
        uint16_t kind;
        int64_t created_at;
        Buffer tags;    /* [..],[..] */
        Buffer content; /* "…"; empty while it was not set */
};

int draft_new(uint16_t kind, int64_t created_at, Draft **ret) {
        Draft *d;

        d = new0(Draft, 1);
        if (!d)
                return -ENOMEM;

        d->kind = kind;
        d->created_at = created_at;
        buffer_init(&d->tags, EVENT_SIZE_MAX);
        buffer_init(&d->content, EVENT_SIZE_MAX);
        *ret = d;
        return 0;
}

Draft *draft_free(Draft *d) {
        if (!d)
                return NULL;

        buffer_done(&d->tags);
        buffer_done(&d->content);
        return mfree(d);
}

uint16_t draft_kind(const Draft *d) {
        return d->kind;
}

/* What stands in a value has its quotes escaped: this text begins a tag and nothing else. */
bool draft_has_tag(const Draft *d, const char *name) {
        for (const char *p = d->tags.data; p && (p = strstr(p, "[\"")); p++) {
                const char *end = startswith(p + 2, name);

                if (end && *end == '"')
                        return true;
        }
        return false;
}

static int tag_begin(Draft *d) {
        return buffer_add_string(&d->tags, d->tags.size > 0 ? ",[" : "[");
}

static int tag_add(Draft *d, const char *value, bool first) {
        int r;

        r = first ? 0 : buffer_add(&d->tags, ",", 1);
        if (r < 0)
                return r;
        return json_write_string(&d->tags, value, strlen(value));
}

/* Ends the tag, or takes it back where it did not fit. */
static int tag_end(Draft *d, size_t before, int error) {
        if (error >= 0)
                error = buffer_add(&d->tags, "]", 1);
        if (error < 0 && d->tags.data) {
                d->tags.size = before;
                d->tags.data[before] = 0;
        }
        return error;
}

int draft_tag(Draft *d, const char *name, ...) {
        size_t before = d->tags.size;
        va_list ap;
        int r;

        r = tag_begin(d);
        if (r >= 0)
                r = tag_add(d, name, true);
        va_start(ap, name);
        for (const char *v; r >= 0 && (v = va_arg(ap, const char *));)
                r = tag_add(d, v, false);
        va_end(ap);
        return tag_end(d, before, r);
}

int draft_tag_strv(Draft *d, const char *const *values, size_t n) {
        size_t before = d->tags.size;
        int r;

        assert(n > 0);

        r = tag_begin(d);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = tag_add(d, values[i], i == 0);
        return tag_end(d, before, r);
}

int draft_content(Draft *d, const char *content, size_t size) {
        buffer_clear(&d->content);
        return json_write_string(&d->content, content, size);
}

static const char *tags_text(const Draft *d) {
        return d->tags.size > 0 ? d->tags.data : "";
}

static const char *content_text(const Draft *d) {
        return d->content.size > 0 ? d->content.data : "\"\"";
}

int draft_json(const Draft *d, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = 3 * EVENT_SIZE_MAX };
        char *json;
        int r;

        r = buffer_addf(&b, "{\"kind\":%u,\"created_at\":%" PRIi64 ",\"tags\":[%s],\"content\":%s}",
                        d->kind, d->created_at, tags_text(d), content_text(d));
        if (r < 0)
                return r;

        json = buffer_take(&b, NULL);
        if (!json)
                return -ENOMEM;
        *ret = json;
        return 0;
}

int draft_serialize(const Draft *d, const char *pubkey_hex, Buffer *ret) {
        return buffer_addf(ret, "[0,\"%s\",%" PRIi64 ",%u,[%s],%s]", pubkey_hex, d->created_at,
                        d->kind, tags_text(d), content_text(d));
}

int draft_id(const Draft *d, const uint8_t pubkey[static 32], uint8_t ret[static 32]) {
        _cleanup_buffer_ Buffer b = { .max = 3 * EVENT_SIZE_MAX };
        char hex[HEX32_MAX];
        int r;

        hex_encode(pubkey, 32, hex);
        r = draft_serialize(d, hex, &b);
        if (r < 0)
                return r;
        return sha256(b.data, b.size, ret);
}

int draft_write_unsigned(const Draft *d, const uint8_t pubkey[static 32], Buffer *ret) {
        char id_hex[HEX32_MAX], pubkey_hex[HEX32_MAX];
        uint8_t id[32];
        int r;

        r = draft_id(d, pubkey, id);
        if (r < 0)
                return r;

        hex_encode(id, sizeof(id), id_hex);
        hex_encode(pubkey, 32, pubkey_hex);
        return buffer_addf(ret,
                        "{\"id\":\"%s\",\"pubkey\":\"%s\",\"created_at\":%" PRIi64
                        ",\"kind\":%u,\"tags\":[%s],\"content\":%s}",
                        id_hex, pubkey_hex, d->created_at, d->kind, tags_text(d), content_text(d));
}

int draft_sign(const Draft *d, const Keypair *k, const uint8_t random[static 32], Event **ret) {
        _cleanup_buffer_ Buffer b = { .max = 3 * EVENT_SIZE_MAX };
        char id_hex[HEX32_MAX], pubkey_hex[HEX32_MAX], signature_hex[HEX64_MAX];
        uint8_t id[32], signature[64];
        const char *reason;
        int r;

        r = draft_id(d, keypair_pubkey(k), id) ?: keypair_sign(k, id, random, signature);
        if (r < 0)
                return r;

        hex_encode(id, sizeof(id), id_hex);
        hex_encode(keypair_pubkey(k), 32, pubkey_hex);
        hex_encode(signature, sizeof(signature), signature_hex);
        r = buffer_addf(&b,
                        "{\"id\":\"%s\",\"pubkey\":\"%s\",\"created_at\":%" PRIi64
                        ",\"kind\":%u,\"tags\":[%s],\"content\":%s,\"sig\":\"%s\"}",
                        id_hex, pubkey_hex, d->created_at, d->kind, tags_text(d), content_text(d),
                        signature_hex);
        if (r < 0)
                return r;

        /* -E2BIG or -EBADMSG: what the draft holds is no event that others would take. */
        return event_parse_trusted(b.data, b.size, ret, &reason);
}

/* A draft that is being read from JSON. Values are decoded into `text` and written again at once,
 * so that what is signed is our own text. */
typedef struct Reader {
        Scan scan;
        Draft *draft;
        char *text;
        unsigned seen;
        char pubkey_hex[HEX32_MAX];
} Reader;

static int fail(Reader *r, const char *reason) {
        r->scan.reason = reason;
        return -EBADMSG;
}

static int read_tag(Reader *r) {
        Draft *d = r->draft;
        bool first = true;
        size_t size;
        int q;

        q = tag_begin(d) ?: scan_open(&r->scan, '[');
        while (q >= 0 && (q = scan_more(&r->scan, ']')) > 0) {
                q = scan_string(&r->scan, r->text, &size);
                if (q >= 0 && r->scan.nul)
                        q = fail(r, "a NUL is in a tag");
                if (q >= 0)
                        q = tag_add(d, r->text, first);
                first = false;
        }
        if (q < 0)
                return q;
        if (first)
                return fail(r, "a tag is empty");
        return buffer_add(&d->tags, "]", 1);
}

static int read_tags(Reader *r) {
        int q;

        r->scan.nul = false;
        q = scan_open(&r->scan, '[');
        while (q >= 0 && (q = scan_more(&r->scan, ']')) > 0)
                q = read_tag(r);
        return q;
}

static int read_content(Reader *r) {
        size_t size;
        int q;

        q = scan_string(&r->scan, r->text, &size);
        return q < 0 ? q : draft_content(r->draft, r->text, size);
}

static int read_kind(Reader *r) {
        uint64_t u;
        int q;

        q = scan_u64(&r->scan, UINT16_MAX, &u);
        if (q >= 0)
                r->draft->kind = (uint16_t) u;
        return q;
}

static int read_created_at(Reader *r) {
        uint64_t u;
        int q;

        q = scan_u64(&r->scan, EVENT_CREATED_AT_MAX, &u);
        if (q >= 0)
                r->draft->created_at = (int64_t) u;
        return q;
}

static int read_pubkey(Reader *r) {
        uint8_t pubkey[32];
        size_t size;
        int q;

        q = scan_string(&r->scan, r->text, &size);
        if (q < 0)
                return q;
        if (size != 64 || hex_decode(r->text, pubkey, sizeof(pubkey)) < 0)
                return fail(r, "its author is not a public key");

        hex_encode(pubkey, sizeof(pubkey), r->pubkey_hex);
        return 0;
}

static const struct {
        const char *name;
        int (*read)(Reader *r);
        bool required;
} fields[] = {
        { "kind", read_kind, true },
        { "created_at", read_created_at, true },
        { "tags", read_tags, true },
        { "content", read_content, true },
        { "pubkey", read_pubkey, false },
};

static int read_field(Reader *r) {
        size_t i, size;
        int q;

        q = scan_string(&r->scan, r->text, &size) ?: scan_colon(&r->scan);
        if (q < 0)
                return q;

        for (i = 0; i < ELEMENTSOF(fields); i++)
                if (strlen(fields[i].name) == size && memcmp(fields[i].name, r->text, size) == 0)
                        break;
        if (i == ELEMENTSOF(fields))
                return scan_skip(&r->scan);
        if (r->seen & B(i))
                return fail(r, "a field is in it twice");

        r->seen |= B(i);
        return fields[i].read(r);
}

static int read_draft(Reader *r) {
        int q;

        q = scan_open(&r->scan, '{');
        while (q >= 0 && (q = scan_more(&r->scan, '}')) > 0)
                q = read_field(r);
        if (q >= 0)
                q = scan_end(&r->scan);
        if (q < 0)
                return q;

        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (fields[i].required && !(r->seen & B(i)))
                        return fail(r, "a field is missing");
        return 0;
}

int draft_parse_unsigned(const char *json, size_t size, char ret_pubkey_hex[static HEX32_MAX],
                Draft **ret, const char **reterr) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *text = NULL;
        Reader r = {};
        int q;

        if (size > EVENT_SIZE_MAX) {
                *reterr = "it is too large";
                return -E2BIG;
        }

        text = malloc(size + 1);
        if (!text || draft_new(0, 0, &d) < 0)
                return -ENOMEM;

        r.draft = d;
        r.text = text;
        q = scan_start(&r.scan, json, size, EVENT_DEPTH_MAX, SIZE_MAX) ?: read_draft(&r);
        if (q < 0) {
                *reterr = q == -ENOBUFS ? "it is too large" : r.scan.reason;
                return q == -ENOBUFS ? -E2BIG : q;
        }

        memcpy(ret_pubkey_hex, r.pubkey_hex, HEX32_MAX);
        *ret = TAKE_PTR(d);
        return 0;
}

int draft_parse(const char *json, size_t size, Draft **ret, const char **reterr) {
        char ignored[HEX32_MAX];

        return draft_parse_unsigned(json, size, ignored, ret, reterr);
}
