/* An HTTP URL: what we accept of it, its host for the resolver, and the line that tells curl what
 * the resolver found. */
#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "net/http-private.h"

static char *url_part(CURLU *url, CURLUPart part) {
        char *text = NULL;

        (void) curl_url_get(url, part, &text, part == CURLUPART_PORT ? CURLU_DEFAULT_PORT : 0);
        return text;
}

char *http_url_name(CURLU *url) {
        _cleanup_curl_ char *host = url_part(url, CURLUPART_HOST);
        size_t size = host ? strlen(host) : 0;

        if (size > 2 && host[0] == '[')
                return strndup(host + 1, size - 2);
        return host ? strdup(host) : NULL;
}

/* "+": like an answer of the resolver, it grows old. */
int http_url_pin(CURLU *url, char *const *addresses, char **ret) {
        _cleanup_curl_ char *host = url_part(url, CURLUPART_HOST);
        _cleanup_curl_ char *port = url_part(url, CURLUPART_PORT);
        _cleanup_buffer_ Buffer line;
        int r;

        buffer_init(&line, HTTP_URL_MAX + RESOLVE_ADDRESSES_MAX * (INET6_ADDRSTRLEN + 4));
        if (!host || !port)
                return -ENOMEM;
        if (host[0] == '[') {
                *ret = NULL;
                return 0;
        }

        r = buffer_addf(&line, "+%s:%s:", host, port);
        for (size_t i = 0; r >= 0 && addresses[i]; i++)
                r = buffer_addf(&line, strchr(addresses[i], ':') ? "%s[%s]" : "%s%s",
                                i > 0 ? "," : "", addresses[i]);
        if (r < 0)
                return r;

        *ret = buffer_take(&line, NULL);
        return 0;
}

/* ASCII, so that curl looks up the very name which we have resolved; a final dot it would cut. */
static bool host_is_plain(const char *host) {
        size_t size = strlen(host);

        for (size_t i = 0; i < size; i++)
                if ((unsigned char) host[i] <= ' ' || (unsigned char) host[i] >= 0x7f)
                        return false;
        return size > 0 && host[size - 1] != '.';
}

int http_url_read(const char *text, CURLU **ret, const char **reterr) {
        _cleanup_curl_ char *host = NULL, *scheme = NULL;
        CURLU *url;

        if (strlen(text) > HTTP_URL_MAX)
                return *reterr = "the URL is too long", -EINVAL;

        url = curl_url();
        if (!url)
                return -ENOMEM;

        *reterr = NULL;
        if (curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) != CURLUE_OK)
                *reterr = "the URL is not well formed or holds credentials";
        else {
                host = url_part(url, CURLUPART_HOST);
                scheme = url_part(url, CURLUPART_SCHEME);
                if (!scheme || (!streq(scheme, "http") && !streq(scheme, "https")))
                        *reterr = "the URL begins neither with http:// nor https://";
                else if (!host || !host_is_plain(host))
                        *reterr = "the URL's host is not plain ASCII";
        }
        if (*reterr) {
                curl_url_cleanup(url);
                return -EINVAL;
        }

        *ret = url;
        return 0;
}

static bool url_same_part(CURLU *a, CURLU *b, CURLUPart part) {
        _cleanup_curl_ char *x = url_part(a, part), *y = url_part(b, part);

        return x && y && strcasecmp(x, y) == 0;
}

bool http_url_same_origin(CURLU *a, CURLU *b) {
        return url_same_part(a, b, CURLUPART_SCHEME) && url_same_part(a, b, CURLUPART_HOST) &&
               url_same_part(a, b, CURLUPART_PORT);
}

bool http_url_is_secure(CURLU *url) {
        _cleanup_curl_ char *scheme = url_part(url, CURLUPART_SCHEME);

        return scheme && streq(scheme, "https");
}
