#include "nostr/nip11.h"

#include "basic/json.h"
#include "basic/text.h"
#include "nostr/nip13.h"

#define DEPTH_MAX   16
#define VALUES_MAX  8192
#define TEXT_MAX    80
#define EVENT_FRAME 11 /* ["EVENT",…] */

/* A limit below the least is a mistake, such as kilobytes where bytes are meant. */
/* clang-format off */
static const struct {
        const char *name;
        size_t offset;
        int64_t least;
} limits[] = {
        { "max_message_length",     offsetof(RelayInfo, message_max),       4096 },
        { "max_content_length",     offsetof(RelayInfo, content_max),       256  },
        { "max_event_tags",         offsetof(RelayInfo, tags_max),          16   },
        { "max_subscriptions",      offsetof(RelayInfo, subscriptions_max), 1    },
        { "max_filters",            offsetof(RelayInfo, filters_max),       1    },
        { "max_limit",              offsetof(RelayInfo, limit_max),         1    },
        { "default_limit",          offsetof(RelayInfo, limit_max),         1    },
        { "created_at_lower_limit", offsetof(RelayInfo, age_max),           60   },
        { "min_pow_difficulty",     offsetof(RelayInfo, pow_min),           1    },
};
/* clang-format on */

static void read_limits(RelayInfo *i, const Json *limitation) {
        for (size_t n = 0; n < ELEMENTSOF(limits); n++) {
                int64_t *field = (int64_t *) (void *) ((char *) i + limits[n].offset);
                int64_t value;

                if (json_i64(json_get(limitation, limits[n].name), &value) < 0 ||
                                value < limits[n].least)
                        continue;
                *field = *field < 0 ? value : MIN(*field, value);
        }
        (void) json_bool(json_get(limitation, "auth_required"), &i->auth);
        (void) json_bool(json_get(limitation, "payment_required"), &i->payment);
        (void) json_bool(json_get(limitation, "restricted_writes"), &i->restricted);
}

static void read_nips(RelayInfo *i, const Json *nips) {
        for (size_t n = 0; json_is_array(nips) && n < json_array_size(nips); n++) {
                uint64_t nip;

                if (i->n_nips < NIP11_NIPS_MAX &&
                                json_u64(json_array_at(nips, n), UINT16_MAX, &nip) >= 0)
                        i->nips[i->n_nips++] = (uint16_t) nip;
        }
}

/* For a terminal: one line, not too long, without control characters. */
static int read_text(const Json *j, char **ret) {
        const char *s = "";

        if (json_string(j, &s) < 0)
                s = "";
        *ret = strndup(s, utf8_prefix(s, strlen(s), TEXT_MAX));
        if (!*ret)
                return -ENOMEM;
        for (char *p = *ret; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = ' ';
        return 0;
}

int relay_info_parse(const char *text, size_t size, RelayInfo **ret, const char **reterr) {
        _cleanup_(relay_info_freep) RelayInfo *i = NULL;
        _cleanup_(json_unrefp) Json *j = NULL;
        int r;

        *reterr = "the document is too large";
        if (size > NIP11_SIZE_MAX)
                return -EBADMSG;
        r = json_parse(text, size, DEPTH_MAX, VALUES_MAX, &j, reterr);
        if (r < 0)
                return r;
        *reterr = "the document is no object";
        if (!json_is_object(j))
                return -EBADMSG;

        *reterr = "there is no memory";
        i = new0(RelayInfo, 1);
        if (!i)
                return -ENOMEM;
        for (size_t n = 0; n < ELEMENTSOF(limits); n++)
                *(int64_t *) (void *) ((char *) i + limits[n].offset) = -1;
        r = read_text(json_get(j, "name"), &i->name)
                            ?: read_text(json_get(j, "software"), &i->software)
                            ?: read_text(json_get(j, "version"), &i->version);
        if (r < 0)
                return r;
        read_nips(i, json_get(j, "supported_nips"));
        if (json_is_object(json_get(j, "limitation")))
                read_limits(i, json_get(j, "limitation"));
        *ret = TAKE_PTR(i);
        return 0;
}

RelayInfo *relay_info_free(RelayInfo *i) {
        if (!i)
                return NULL;
        free(i->name);
        free(i->software);
        free(i->version);
        return mfree(i);
}

static bool beyond(int64_t value, int64_t max) {
        return max >= 0 && value > max;
}

static int64_t n_characters(const char *s, size_t size) {
        int64_t n = 0;

        for (size_t i = 0; i < size; i++)
                n += ((unsigned char) s[i] & 0xc0) != 0x80;
        return n;
}

const char *relay_info_refusal(const RelayInfo *i, const Event *e, int64_t now) {
        size_t size, content_size;
        const char *content;

        (void) event_json(e, &size);
        content = event_content(e, &content_size);
        if (beyond((int64_t) size + EVENT_FRAME, i->message_max))
                return "invalid: it is larger than this relay says it takes";
        if (beyond((int64_t) content_size, i->content_max) &&
                        beyond(n_characters(content, content_size), i->content_max))
                return "invalid: its content is longer than this relay says it takes";
        if (beyond((int64_t) event_n_tags(e), i->tags_max))
                return "invalid: it has more tags than this relay says it takes";
        if (beyond(now - event_created_at(e), i->age_max))
                return "invalid: it is older than this relay says it takes";
        if (i->pow_min > 0 && nip13_difficulty(event_id(e)) < (unsigned) MIN(i->pow_min, 256))
                return "pow: this relay says it wants more proof of work";
        return NULL;
}
