/* Relay URLs: scheme://host[:port][/path][?query]. */
#include <ctype.h>
#include <stdio.h>

#include "basic/text.h"
#include "nostr/url.h"

#define HOST_MAX 253

static int refuse(const char **reterr, const char *reason) {
        *reterr = reason;
        return -EINVAL;
}

static int check_characters(const char *text, const char **reterr) {
        if (strlen(text) > URL_MAX)
                return refuse(reterr, "the address is too long");
        for (const char *p = text; *p; p++)
                if (*p <= ' ' || *p > '~' || strchr("\"<>\\^`{|}", *p))
                        return refuse(reterr, "the address has a character that none may have");
        if (strchr(text, '#'))
                return refuse(reterr, "a relay's address has no '#' part");
        return 0;
}

static int parse_scheme(const char **text, bool *ret_secure, const char **reterr) {
        if (strncasecmp(*text, "wss://", 6) == 0) {
                *text += 6;
                *ret_secure = true;
        } else if (strncasecmp(*text, "ws://", 5) == 0) {
                *text += 5;
                *ret_secure = false;
        } else {
                return refuse(reterr, "a relay's address begins with ws:// or wss://");
        }
        return 0;
}

static bool host_is_name(const char *host, size_t size) {
        if (size == 0 || size > HOST_MAX || host[0] == '.' || host[0] == '-')
                return false;
        for (size_t i = 0; i < size; i++)
                if (!isalnum((unsigned char) host[i]) && !strchr("-._", host[i]))
                        return false;
        return true;
}

static bool host_is_v6(const char *host, size_t size) {
        return size >= 2 && size < 46 && strspn(host, "0123456789abcdefABCDEF:.") >= size &&
               memchr(host, ':', size);
}

/* Splits "host:port"; the host points into the text. */
static int parse_authority(const char *text, size_t size, Url *u, const char **reterr) {
        const char *host = text, *after;
        size_t n;
        bool v6 = size > 0 && text[0] == '[';
        uint32_t port;

        if (memchr(text, '@', size))
                return refuse(reterr, "a relay's address must not hold a user or password");

        after = v6 ? memchr(text, ']', size) : memchr(text, ':', size);
        if (v6 && !after)
                return refuse(reterr, "the address has a '[' without its ']'");
        if (v6)
                host++;
        n = (size_t) ((after ?: text + size) - host);
        if (v6 ? !host_is_v6(host, n) : !host_is_name(host, n))
                return refuse(reterr, "the host's name is not valid");
        if (v6)
                after++;

        u->port = u->secure ? 443 : 80;
        if (after && after < text + size) {
                char digits[6] = "";
                size_t n_digits = (size_t) (text + size - after) - 1;

                if (*after != ':' || n_digits >= sizeof(digits))
                        return refuse(reterr, "the port is not valid");
                memcpy(digits, after + 1, n_digits);
                if (parse_u32(digits, &port) < 0 || port == 0 || port > UINT16_MAX)
                        return refuse(reterr, "the port is not valid");
                u->port = (uint16_t) port;
        }

        u->host = strndup(host, n);
        if (!u->host)
                return -ENOMEM;
        for (char *p = u->host; *p; p++)
                *p = (char) tolower((unsigned char) *p);
        return 0;
}

static int write_text(Url *u) {
        const char *left = strchr(u->host, ':') ? "[" : "", *right = *left ? "]" : "";
        char port[8] = "";

        if (u->port != (u->secure ? 443 : 80))
                snprintf(port, sizeof(port), ":%u", u->port);
        if (asprintf(&u->text, "%s://%s%s%s%s%s", u->secure ? "wss" : "ws", left, u->host, right,
                            port, streq(u->path, "/") ? "" : u->path) < 0) {
                u->text = NULL;
                return -ENOMEM;
        }
        return 0;
}

int url_parse(const char *text, Url **ret, const char **reterr) {
        _cleanup_(url_freep) Url *u = NULL;
        size_t n;
        int r;

        r = check_characters(text, reterr);
        if (r < 0)
                return r;

        u = new0(Url, 1);
        if (!u)
                return -ENOMEM;
        r = parse_scheme(&text, &u->secure, reterr);
        if (r < 0)
                return r;

        n = strcspn(text, "/?");
        r = parse_authority(text, n, u, reterr);
        if (r < 0)
                return r;

        text += n;
        if (asprintf(&u->path, "%s%s", *text == '/' ? "" : "/", text) < 0) {
                u->path = NULL;
                return -ENOMEM;
        }
        r = write_text(u);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(u);
        return 0;
}

Url *url_free(Url *u) {
        if (!u)
                return NULL;

        free(u->host);
        free(u->path);
        free(u->text);
        return mfree(u);
}
