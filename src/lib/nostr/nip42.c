#include "nostr/nip42.h"

#define AGE_MAX (10 * 60) /* seconds, in both directions */

int nip42_draft(const char *relay_url, const char *challenge, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = draft_new(NIP42_KIND, now, &d);
        if (r < 0)
                return r;

        r = draft_tag(d, "relay", relay_url, NULL) ?: draft_tag(d, "challenge", challenge, NULL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

/* The part of an address that says which machine: behind "://", up to the path. */
static const char *authority(const char *url, size_t *ret_size) {
        const char *p = strstr(url, "://");

        p = p ? p + 3 : url;
        *ret_size = strcspn(p, "/?#");
        return p;
}

static bool same_relay(const char *a, const char *b) {
        size_t n, m;

        a = authority(a, &n);
        b = authority(b, &m);
        return n == m && strncasecmp(a, b, n) == 0;
}

static const char *what_is_wrong(
                const Event *e, const char *relay_url, const char *challenge, int64_t now) {
        const char *relay = event_tag_value(e, "relay"), *answer = event_tag_value(e, "challenge");

        if (event_kind(e) != NIP42_KIND)
                return "it is of the wrong kind";
        if (event_created_at(e) < now - AGE_MAX || event_created_at(e) > now + AGE_MAX)
                return "its time is not now";
        if (!answer || !streq(answer, challenge))
                return "it answers another challenge";
        if (!relay || !same_relay(relay, relay_url))
                return "it is meant for another relay";
        return NULL;
}

int nip42_check(const Event *e, const char *relay_url, const char *challenge, int64_t now,
                const char **reterr) {
        const char *wrong = what_is_wrong(e, relay_url, challenge, now);

        if (!wrong)
                return 0;

        *reterr = wrong;
        return -EBADMSG;
}
