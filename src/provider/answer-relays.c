#include "answer-relays.h"

#include <ctype.h>

#include "basic/text.h"
#include "nostr/url.h"

/* A name of the public network, and encrypted: no address, no name without a dot. */
static bool is_public(const Url *u) {
        const char *end = strrchr(u->host, '.');

        return u->secure && end && isalpha((unsigned char) end[1]) && !strchr(u->host, ':');
}

/* Two spellings are one relay. */
static int normal_form(const char *text, char **ret, bool *ret_public) {
        _cleanup_(url_freep) Url *u = NULL;
        const char *reason;
        int r;

        r = url_parse(text, &u, &reason);
        if (r < 0)
                return r;

        *ret_public = is_public(u);
        *ret = TAKE_PTR(u->text);
        return 0;
}

bool relay_is_public(const char *text, char **ret) {
        bool public = false;

        if (normal_form(text, ret, &public) < 0)
                return false;
        if (!public)
                *ret = mfree(*ret);
        return public;
}

static int add(char ***relays, const char *url) {
        return strv_contains(*relays, url) ? 0 : strv_add(relays, url);
}

int answer_relays(const JobRequest *r, const char *from, char *const *configured, char ***ret) {
        _cleanup_strv_ char **relays = NULL;
        unsigned n_named = 0;
        int q = 0;

        for (size_t i = 0; i < r->n_relays && q >= 0; i++) {
                _cleanup_free_ char *url = NULL;
                bool public;

                if (normal_form(r->relays[i], &url, &public) < 0)
                        continue;
                if (streq(url, from) || strv_contains(configured, url))
                        q = add(&relays, url);
                else if (public && n_named++ < NAMED_RELAYS_MAX)
                        q = add(&relays, url);
        }
        if (q >= 0 && relays && *from)
                q = add(&relays, from);
        if (q < 0)
                return q;

        *ret = TAKE_PTR(relays);
        return 0;
}
