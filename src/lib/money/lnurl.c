/* Where to ask: from what a person gave to a URL, and from a server's offer to the URL that asks
 * for the invoice. */
#include "money/lnurl.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "basic/buffer.h"
#include "basic/codec.h"
#include "basic/text.h"
#include "money/lnurl-private.h"

#define NAME_MAX_ 64
#define HOST_MAX_ 255

static const char *without_prefix(const char *text) {
        return strncasecmp(text, "lightning:", 10) == 0 ? text + 10 : text;
}

/* LUD-16: lower-case letters, digits, - _ . and, as some servers have it, +. */
static size_t name_size(const char *text) {
        return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.+");
}

static bool is_address(const char *text) {
        size_t n = name_size(text);

        return n > 0 && n <= NAME_MAX_ && text[n] == '@' && text[n + 1];
}

bool lnurl_looks_like(const char *text) {
        text = without_prefix(text);
        return strncasecmp(text, "lnurl1", 6) == 0 || strncasecmp(text, "lnurlp:", 7) == 0 ||
               strcasestr(text, "lightning=lnurl1") || is_address(text);
}

/* Letters, digits, dots and hyphens, a port behind them; an IPv6 address in brackets. */
static bool host_is_plain(const char *host, size_t size) {
        const char *p = host, *end = host + size;

        if (size == 0 || size > HOST_MAX_)
                return false;
        if (*p == '[') {
                p++;
                p += strspn(p, "0123456789abcdefABCDEF:.");
                if (p >= end || *p++ != ']')
                        return false;
        } else {
                p += strspn(p, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.");
                if (p == host || host[0] == '.' || host[0] == '-')
                        return false;
        }
        if (p < end && *p == ':')
                p += 1 + strspn(p + 1, "0123456789");
        return p == end && end[-1] != ':';
}

static bool host_is_loopback(const char *host, size_t size) {
        static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                size_t n = strlen(names[i]);

                if (size >= n && strncasecmp(host, names[i], n) == 0 &&
                                (size == n || host[n] == ':'))
                        return true;
        }
        return false;
}

static bool host_is_onion(const char *host, size_t size) {
        size_t n = strcspn(host, ":");

        n = MIN(n, size);
        return n > 6 && strncasecmp(host + n - 6, ".onion", 6) == 0;
}

static const char *scheme_for(const char *host, size_t size, bool loopback_http) {
        return loopback_http && host_is_loopback(host, size) ? "http" : "https";
}

int lnurl_url_check(const char *url, bool loopback_http, const char **reterr) {
        const char *host = startswith(url, "https://") ?: startswith(url, "http://");
        size_t n = host ? strcspn(host, "/?") : 0;

        if (!host)
                return *reterr = "its URL begins not with https://", -EINVAL;
        if (strlen(url) > LNURL_URL_MAX)
                return *reterr = "its URL is too long", -EINVAL;
        for (const char *p = url; *p; p++)
                if ((unsigned char) *p <= ' ' || (unsigned char) *p >= 0x7f ||
                                strchr("#\\\"<>", *p))
                        return *reterr = "its URL holds what belongs into no URL", -EINVAL;
        if (host_is_onion(host, n))
                return *reterr = "its server is in the Tor network", -EINVAL;
        if (!host_is_plain(host, n))
                return *reterr = "its URL's host is not well formed", -EINVAL;
        if (!startswith(url, "https://") && !(loopback_http && host_is_loopback(host, n)))
                return *reterr = "its URL is without encryption", -EINVAL;
        return 0;
}

static int url_of_bech32(const char *text, char **ret, const char **reterr) {
        _cleanup_free_ uint8_t *bytes = NULL;
        _cleanup_free_ char *hrp = NULL;
        size_t size;
        int r;

        r = bech32_decode(text, LNURL_URL_MAX * 2, &hrp, &bytes, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !streq(hrp, "lnurl") || memchr(bytes, 0, size))
                return *reterr = "the LNURL is misspelt", -EINVAL;
        *ret = strndup((char *) bytes, size);
        return *ret ? 0 : -ENOMEM;
}

/* "lnurlp://host/path", also without the slashes. */
static int url_of_scheme(const char *rest, bool loopback_http, char **ret) {
        rest = startswith(rest, "//") ?: rest;
        return asprintf(ret, "%s://%s", scheme_for(rest, strcspn(rest, "/?"), loopback_http),
                               rest) < 0
                               ? -ENOMEM
                               : 0;
}

static int url_of_address(const char *text, bool loopback_http, char **ret, const char **reterr) {
        size_t n = name_size(text);
        const char *host = text + n + 1;

        if (!host_is_plain(host, strlen(host)))
                return *reterr = "the address's host is not well formed", -EINVAL;
        return asprintf(ret, "%s://%s/.well-known/lnurlp/%.*s",
                               scheme_for(host, strlen(host), loopback_http), host, (int) n,
                               text) < 0
                               ? -ENOMEM
                               : 0;
}

int lnurl_url(const char *text, bool loopback_http, char **ret, const char **reterr) {
        _cleanup_free_ char *url = NULL, *inner = NULL;
        const char *given;
        int r;

        *reterr = NULL;
        text = without_prefix(text);
        given = strcasestr(text, "lightning=lnurl1");
        if (strlen(text) > LNURL_URL_MAX * 2)
                return *reterr = "it is too long", -EINVAL;
        if (given) {
                inner = strndup(given + 10, strcspn(given + 10, "&#"));
                if (!inner)
                        return -ENOMEM;
                text = inner;
        }

        if (strncasecmp(text, "lnurl1", 6) == 0)
                r = url_of_bech32(text, &url, reterr);
        else if (strncasecmp(text, "lnurlp:", 7) == 0)
                r = url_of_scheme(text + 7, loopback_http, &url);
        else if (is_address(text))
                r = url_of_address(text, loopback_http, &url, reterr);
        else
                return *reterr = "it is neither an LNURL nor an address like name@host", -EINVAL;
        if (r < 0)
                return r;

        r = lnurl_url_check(url, loopback_http, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(url);
        return 0;
}

int lnurl_encode(const char *url, char **ret) {
        return bech32_encode("lnurl", (const uint8_t *) url, strlen(url), ret);
}

static size_t characters(const char *text) {
        size_t n = 0;

        for (; *text; text++)
                n += (*text & 0xc0) != 0x80;
        return n;
}

static int add_parameter(Buffer *b, const char *name, const char *value) {
        _cleanup_free_ char *encoded = NULL;
        int r;

        if (isempty(value))
                return 0;
        r = percent_encode(value, &encoded);
        return r < 0 ? r : buffer_addf(b, "&%s=%s", name, encoded);
}

int lnurl_callback_url(const LnurlPay *p, const LnurlAsk *ask, char **ret, const char **reterr) {
        size_t n = ask->comment ? characters(ask->comment) : 0;
        _cleanup_buffer_ Buffer b;
        int r;

        *reterr = NULL;
        buffer_init(&b, 16 * LNURL_URL_MAX);
        if (ask->msat < p->min_msat)
                return *reterr = "the server takes more than that only", -ERANGE;
        if (ask->msat > p->max_msat)
                return *reterr = "the server takes less than that only", -ERANGE;
        if (n > p->comment_max)
                return *reterr = p->comment_max ? "the comment is longer than the server takes"
                                                : "the server takes no comment",
                       -EINVAL;
        if (ask->zap_request && !p->allows_nostr)
                return *reterr = "the server knows nothing of zaps", -EINVAL;

        r = buffer_addf(&b, "%s%camount=%" PRIi64, p->callback,
                        strchr(p->callback, '?') ? '&' : '?', ask->msat);
        if (r >= 0)
                r = add_parameter(&b, "comment", ask->comment);
        if (r >= 0)
                r = add_parameter(&b, "nostr", ask->zap_request);
        if (r >= 0 && ask->zap_request)
                r = add_parameter(&b, "lnurl", ask->lnurl);
        if (r == -ENOBUFS)
                return *reterr = "the question would be too long", -EINVAL;
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

void lnurl_pay_done(LnurlPay *p) {
        free(p->callback);
        free(p->metadata);
        free(p->description);
        *p = (LnurlPay){ 0 };
}

void lnurl_invoice_done(LnurlInvoice *i) {
        free(i->bolt11);
        free(i->verify);
        *i = (LnurlInvoice){ 0 };
}
