#include "nostr/message.h"

#include <inttypes.h>

#include "basic/json.h"
#include "basic/scan.h"
#include "basic/text.h"

#define DEPTH_MAX 8

static int fail(Scan *s, const char *reason) {
        s->reason = reason;
        return -EBADMSG;
}

/* The next element is there: the message must not end before it. */
static int next(Scan *s) {
        int r;

        r = scan_more(s, ']');
        return r == 0 ? fail(s, "it ends too early") : MIN(r, 0);
}

/* A text of at most max bytes, or as much of it as fits. */
static int read_text(Scan *s, char *ret, size_t max, bool whole) {
        _cleanup_free_ char *text = NULL;
        const Scan before = *s;
        size_t size;
        int r;

        s->nul = false;
        r = scan_string(s, NULL, &size);
        if (r < 0)
                return r;
        if (size > max && whole)
                return fail(s, "a name in it is too long");
        if (s->nul)
                return fail(s, "a NUL is in it");

        *s = before;
        if (size <= max)
                return scan_string(s, ret, &size);

        text = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        r = scan_string(s, text, &size);
        if (r < 0)
                return r;
        max = utf8_prefix(text, size, max);
        memcpy(ret, text, max);
        ret[max] = 0;
        return 0;
}

static int read_subscription(Scan *s, Message *m) {
        int r;

        r = next(s) ?: read_text(s, m->subscription, MESSAGE_SUBSCRIPTION_MAX, true);
        if (r < 0)
                return r;
        return *m->subscription ? 0 : fail(s, "its subscription has no name");
}

static int read_message_text(Scan *s, Message *m) {
        return next(s) ?: read_text(s, m->text, MESSAGE_TEXT_MAX, false);
}

static int read_object(Scan *s, MessagePart *ret) {
        int r;

        r = next(s);
        if (r < 0)
                return r;
        if (scan_peek(s) != '{')
                return fail(s, "an object is missing");

        ret->text = s->p;
        r = scan_skip(s);
        ret->size = (size_t) (s->p - ret->text);
        return r;
}

static int read_json(Scan *s, Message *m) {
        return read_object(s, &m->json);
}

static int read_event_for(Scan *s, Message *m) {
        return read_subscription(s, m) ?: read_json(s, m);
}

static int read_filters(Scan *s, Message *m) {
        int r;

        r = read_subscription(s, m) ?: read_object(s, &m->filters[m->n_filters++]);
        while (r >= 0 && scan_peek(s) == ',') {
                if (m->n_filters == MESSAGE_FILTERS_MAX)
                        return fail(s, "it has too many filters");
                r = read_object(s, &m->filters[m->n_filters++]);
        }
        return r;
}

static int read_ok(Scan *s, Message *m) {
        uint8_t id[32];
        int r;

        r = next(s) ?: read_text(s, m->id, HEX32_MAX - 1, true) ?: next(s);
        if (r < 0)
                return r;
        if (hex_decode(m->id, id, sizeof(id)) < 0)
                return fail(s, "an id in it is not 64 lowercase hex digits");

        r = scan_bool(s, &m->accepted);
        if (r < 0)
                return r;
        /* NIP-01 has the text always there; some relays forget it. */
        return scan_peek(s) == ',' ? read_message_text(s, m) : 0;
}

static int read_closed(Scan *s, Message *m) {
        int r;

        r = read_subscription(s, m);
        if (r < 0)
                return r;
        return scan_peek(s) == ',' ? read_message_text(s, m) : 0;
}

static int read_count(Scan *s, Message *m) {
        _cleanup_(json_unrefp) Json *j = NULL;
        int r;

        r = read_event_for(s, m);
        if (r < 0)
                return r;

        r = json_parse(m->json.text, m->json.size, DEPTH_MAX, 64, &j, &s->reason);
        if (r < 0)
                return r;
        return json_u64(json_get(j, "count"), INT64_MAX, &m->count) < 0 ? fail(s, "it has no count")
                                                                        : 0;
}

typedef struct Form {
        const char *name;
        MessageType type;
        int (*read)(Scan *s, Message *m);
} Form;

static const Form from_client[] = {
        { "EVENT", MESSAGE_EVENT, read_json },
        { "REQ", MESSAGE_REQ, read_filters },
        { "CLOSE", MESSAGE_CLOSE, read_subscription },
        { "AUTH", MESSAGE_AUTH, read_json },
        { "COUNT", MESSAGE_COUNT, read_filters },
};

static const Form from_relay[] = {
        { "EVENT", MESSAGE_EVENT, read_event_for },
        { "OK", MESSAGE_OK, read_ok },
        { "EOSE", MESSAGE_EOSE, read_subscription },
        { "CLOSED", MESSAGE_CLOSED, read_closed },
        { "NOTICE", MESSAGE_NOTICE, read_message_text },
        { "AUTH", MESSAGE_AUTH, read_message_text },
        { "COUNT", MESSAGE_COUNT, read_count },
};

/* NIP-01: what follows the elements we know is ignored, if it is JSON. */
static int read_rest(Scan *s) {
        int r;

        while ((r = scan_more(s, ']')) > 0) {
                r = scan_skip(s);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : scan_end(s);
}

static int read_message(Scan *s, const Form *forms, size_t n_forms, Message *m) {
        const Form *f;
        char name[8];
        int r;

        r = scan_open(s, '[') ?: next(s) ?: read_text(s, name, sizeof(name) - 1, false);
        if (r < 0)
                return r;

        for (f = forms; f < forms + n_forms; f++)
                if (streq(f->name, name))
                        break;
        if (f == forms + n_forms) {
                s->reason = "its type is unknown";
                return -EOPNOTSUPP;
        }

        m->type = f->type;
        return f->read(s, m) ?: read_rest(s);
}

static int parse(const char *text, size_t size, const Form *forms, size_t n_forms, Message *ret,
                const char **reterr) {
        Scan s;
        int r;

        if (size > MESSAGE_SIZE_MAX) {
                *reterr = "it is too large";
                return -E2BIG;
        }

        ret->n_filters = 0;
        ret->json = (MessagePart){};
        ret->subscription[0] = ret->text[0] = ret->id[0] = 0;
        r = scan_start(&s, text, size, DEPTH_MAX, SIZE_MAX);
        if (r >= 0)
                r = read_message(&s, forms, n_forms, ret);
        if (r < 0 && r != -ENOMEM)
                *reterr = s.reason;
        return r;
}

int message_parse_from_client(const char *text, size_t size, Message *ret, const char **reterr) {
        return parse(text, size, from_client, ELEMENTSOF(from_client), ret, reterr);
}

int message_parse_from_relay(const char *text, size_t size, Message *ret, const char **reterr) {
        return parse(text, size, from_relay, ELEMENTSOF(from_relay), ret, reterr);
}

/* ["NAME","first" */
static int write_head(Buffer *b, const char *name, const char *first) {
        int r;

        r = buffer_addf(b, "[\"%s\",", name);
        if (r < 0 || !first)
                return r;
        return json_write_string(b, first, strlen(first));
}

static int write_texts(Buffer *b, const char *name, const char *first, const char *second) {
        int r;

        r = write_head(b, name, first);
        if (r >= 0 && second) {
                r = buffer_add(b, ",", 1);
                if (r >= 0)
                        r = json_write_string(b, second, strlen(second));
        }
        return r < 0 ? r : buffer_add(b, "]", 1);
}

static int write_json(
                Buffer *b, const char *name, const char *first, const char *json, size_t size) {
        int r;

        r = write_head(b, name, first);
        if (r >= 0 && first)
                r = buffer_add(b, ",", 1);
        if (r >= 0)
                r = buffer_add(b, json, size);
        return r < 0 ? r : buffer_add(b, "]", 1);
}

int message_write_event(Buffer *b, const char *subscription, const char *json, size_t size) {
        return write_json(b, "EVENT", subscription, json, size);
}

int message_write_auth(Buffer *b, const char *json, size_t size) {
        return write_json(b, "AUTH", NULL, json, size);
}

int message_write_req(Buffer *b, const char *subscription, const char *const *filters, size_t n) {
        int r;

        r = write_head(b, "REQ", subscription);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = buffer_addf(b, ",%s", filters[i]);
        return r < 0 ? r : buffer_add(b, "]", 1);
}

int message_write_close(Buffer *b, const char *subscription) {
        return write_texts(b, "CLOSE", subscription, NULL);
}

int message_write_challenge(Buffer *b, const char *challenge) {
        return write_texts(b, "AUTH", challenge, NULL);
}

int message_write_ok(Buffer *b, const char *id, bool accepted, const char *text) {
        int r;

        r = buffer_addf(b, "[\"OK\",\"%s\",%s,", id, accepted ? "true" : "false");
        if (r >= 0)
                r = json_write_string(b, text, strlen(text));
        return r < 0 ? r : buffer_add(b, "]", 1);
}

int message_write_eose(Buffer *b, const char *subscription) {
        return write_texts(b, "EOSE", subscription, NULL);
}

int message_write_closed(Buffer *b, const char *subscription, const char *text) {
        return write_texts(b, "CLOSED", subscription, text);
}

int message_write_notice(Buffer *b, const char *text) {
        return write_texts(b, "NOTICE", text, NULL);
}

int message_write_count(Buffer *b, const char *subscription, uint64_t count) {
        int r;

        r = write_head(b, "COUNT", subscription);
        return r < 0 ? r : buffer_addf(b, ",{\"count\":%" PRIu64 "}]", count);
}
