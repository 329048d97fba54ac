/* The profile and the list of relays: merged with what is there, and pure. */
#include "basic/json.h"
#include "basic/text.h"
#include "nostr/url.h"
#include "outreach.h"

#define CONTENT_MAX (64 * 1024)
#define VALUES_MAX  4096

static bool is_so(const Json *content, const char *key, const char *value) {
        const char *text;

        return json_string(json_get(content, key), &text) >= 0 && streq(text, value);
}

static int add_member(Buffer *b, const char *key) {
        int r = 0;

        if (b->data[b->size - 1] != '{')
                r = buffer_add_string(b, ",");
        if (r >= 0)
                r = json_write_string(b, key, strlen(key));
        return r < 0 ? r : buffer_add_string(b, ":");
}

static int add_text(Buffer *b, const char *key, const char *value) {
        int r;

        r = add_member(b, key);
        return r < 0 ? r : json_write_string(b, value, strlen(value));
}

/* Everything but our own two. */
static int copy_rest(Buffer *b, const Json *content, bool about) {
        const void *cursor = NULL;
        const char *key;
        Json *value;
        int r = 0;

        while (r >= 0 && json_next(content, &cursor, &key, &value)) {
                if (streq(key, "name") || (about && streq(key, "about")))
                        continue;
                r = add_member(b, key);
                if (r >= 0)
                        r = json_write(b, value);
        }
        return r;
}

static int copy_tags(Draft *d, const Event *old, const char *but) {
        int r = 0;

        for (size_t i = 0; old && i < event_n_tags(old) && r >= 0; i++) {
                const Tag *t = event_tag(old, i);

                if (!but || !streq(t->values[0], but))
                        r = draft_tag_strv(d, t->values, t->n);
        }
        return r;
}

static int64_t younger(const Event *old, int64_t now) {
        return old ? MAX(now, event_created_at(old) + 1) : now;
}

int profile_merge(const Event *old, const char *name, const char *about, int64_t now, Draft **ret) {
        _cleanup_buffer_ Buffer b = { .max = CONTENT_MAX };
        _cleanup_(json_unrefp) Json *content = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        const char *text, *reason;
        size_t size = 0;
        int r;

        if (old) {
                text = event_content(old, &size);
                (void) json_parse(text, size, 8, VALUES_MAX, &content, &reason);
        }
        if (content && !json_is_object(content))
                content = json_unref(content);
        if (content && is_so(content, "name", name) &&
                        (isempty(about) || is_so(content, "about", about)))
                return 0;

        r = buffer_add_string(&b, "{") ?: add_text(&b, "name", name);
        if (r >= 0 && !isempty(about))
                r = add_text(&b, "about", about);
        if (r >= 0 && content)
                r = copy_rest(&b, content, !isempty(about));
        if (r >= 0)
                r = buffer_add_string(&b, "}");
        if (r >= 0)
                r = draft_new(PROFILE_KIND, younger(old, now), &d);
        if (r >= 0)
                r = copy_tags(d, old, NULL) ?: draft_content(d, b.data, b.size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 1;
}

/* Others cannot reach a relay of this machine. */
static bool is_reachable(const char *relay) {
        _cleanup_(url_freep) Url *u = NULL;
        const char *reason;

        return url_parse(relay, &u, &reason) >= 0 && !streq(u->host, "localhost") &&
               !startswith(u->host, "127.") && !strchr(u->host, ':');
}

static bool is_listed(const Event *old, const char *relay) {
        return old && event_has_tag(old, "r", relay);
}

int relay_list_merge(const Event *old, char *const *relays, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        size_t n_new = 0, n = old ? event_n_tags(old) : 0;
        int r;

        STRV_FOREACH (relay, relays)
                n_new += is_reachable(*relay) && !is_listed(old, *relay);
        if (n_new == 0)
                return 0;

        r = draft_new(RELAY_LIST_KIND, younger(old, now), &d) ?: copy_tags(d, old, NULL);
        STRV_FOREACH (relay, relays)
                if (r >= 0 && n < PROFILE_RELAYS_MAX && is_reachable(*relay) &&
                                !is_listed(old, *relay)) {
                        r = draft_tag(d, "r", *relay, NULL);
                        n++;
                }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 1;
}
