#include "input.h"

#include <strings.h>

#include "basic/json.h"
#include "basic/text.h"
#include "net/address.h"
#include "nostr/filter.h"
#include "nostr/nip19.h"

#define URL_SIZE_MAX 2048
#define HOST_MAX_    253

static int wrong(const char **reterr, const char *reason) {
        *reterr = reason;
        return -EBADMSG;
}

/* ---- URLs */

/* The host in lower case, without the brackets of an IPv6 address; and where the path begins. */
static int url_host(const char *url, char ret[static HOST_MAX_ + 1], const char **ret_path) {
        const char *start = strstr(url, "://") + 3, *host = start;
        size_t n = strcspn(start, "/?#");

        *ret_path = start + n;
        if (memchr(start, '@', n))
                return -EINVAL; /* a password is in it, or it pretends to be of another host */
        if (*start == '[') {
                host++;
                n = strcspn(host, "]");
        } else
                n = MIN(n, strcspn(start, ":"));
        if (n == 0 || n > HOST_MAX_)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) host[i];

                if (c <= ' ' || c >= 0x7f)
                        return -EINVAL;
                ret[i] = (char) (c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c);
        }
        ret[n] = '\0';
        return 0;
}

static bool ends_with(const char *s, const char *end) {
        size_t n = strlen(s), m = strlen(end);

        return n >= m && strcasecmp(s + n - m, end) == 0;
}

/* "0x7f.1" and "2130706433" are addresses for those who look them up. */
static bool is_address(const char *host) {
        const char *last = strrchr(host, '.') ? strrchr(host, '.') + 1 : host;

        return strchr(host, ':') || strspn(last, "0123456789") == strlen(last) ||
               startswith(last, "0x");
}

/* By its name only: who is behind it shows when it is connected to. */
static bool host_is_private(const char *host) {
        static const char *const ends[] = { ".localhost", ".local", ".internal", ".lan", ".home",
                ".home.arpa", ".onion", ".i2p", ".test", ".invalid" };

        if (is_address(host))
                return !address_is_public(host);
        if (!strchr(host, '.'))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                if (ends_with(host, ends[i]))
                        return true;
        return false;
}

/* Places that have pictures and sound, and no text worth the customer's money. */
static bool is_media(const char *host, const char *path) {
        static const char *const hosts[] = { "youtube.com", "youtu.be", "tiktok.com", "vimeo.com",
                "twitch.tv" };
        static const char *const types[] = { ".mp4", ".mkv", ".webm", ".mov", ".avi", ".mp3",
                ".m4a", ".wav", ".ogg", ".flac", ".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif",
                ".zip", ".gz", ".wasm", ".exe", ".pdf" };
        char name[256];
        size_t n = strcspn(path, "?#");

        for (size_t i = 0; i < ELEMENTSOF(hosts); i++)
                if (streq(host, hosts[i]) ||
                                (ends_with(host, hosts[i]) &&
                                                host[strlen(host) - strlen(hosts[i]) - 1] == '.'))
                        return true;
        if (n >= sizeof(name))
                return false;
        memcpy(name, path, n);
        name[n] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (ends_with(name, types[i]))
                        return true;
        return false;
}

/* NIP-90's registry: the marker may be the media type. */
static bool marker_is_media(const char *marker) {
        return startswith(marker, "video/") || startswith(marker, "audio/") ||
               startswith(marker, "image/");
}

static int url_check(const JobInput *i, const InputRules *rules, const char **reterr) {
        bool secure = strncasecmp(i->data, "https://", 8) == 0;
        char host[HOST_MAX_ + 1];
        const char *path;

        if (!rules->urls)
                return wrong(reterr, _("This provider does not fetch URLs."));
        if (!secure && strncasecmp(i->data, "http://", 7) != 0)
                return wrong(reterr, _("The input is not a URL that begins with https://."));
        if (strlen(i->data) > URL_SIZE_MAX || url_host(i->data, host, &path) < 0)
                return wrong(reterr, _("The input is not a URL that can be fetched."));
        if (!secure && !rules->http)
                return wrong(reterr, _("Only URLs that begin with https:// are fetched."));
        if (!rules->private && host_is_private(host))
                return wrong(reterr, _("The URL does not lead to a public address."));
        if (is_media(host, path) || marker_is_media(i->marker))
                return wrong(reterr,
                                _("The URL is not of a text, and this provider reads texts only."));
        return 0;
}

/* ---- events */

void input_event_done(InputEvent *e) {
        free(e->identifier);
        (void) strv_free(e->relays);
        *e = (InputEvent){};
}

static int from_nip19(const char *text, InputEvent *ret, const char **reterr) {
        Nip19 n;
        const char *reason;

        if (nip19_decode(text, &n, &reason) < 0)
                return wrong(reterr, _("The input names no event."));
        if (n.type == NIP19_NADDR) {
                hex_encode(n.author, sizeof(n.author), ret->author_hex);
                ret->kind = n.kind;
                ret->identifier = TAKE_PTR(n.identifier);
        } else if (n.type == NIP19_NOTE || n.type == NIP19_NEVENT)
                hex_encode(n.key, sizeof(n.key), ret->id_hex);
        ret->relays = TAKE_PTR(n.relays);
        nip19_done(&n);
        if (*ret->id_hex || *ret->author_hex)
                return 0;
        input_event_done(ret);
        return wrong(reterr, _("The input names no event."));
}

int input_event_read(const JobInput *i, InputEvent *ret, const char **reterr) {
        uint8_t id[32];
        int r;

        *ret = (InputEvent){};
        if (hex_decode(i->data, id, sizeof(id)) >= 0)
                hex_encode(id, sizeof(id), ret->id_hex);
        else {
                r = from_nip19(i->data, ret, reterr);
                if (r < 0)
                        return r;
        }
        if (i->type == INPUT_JOB && !*ret->id_hex) {
                input_event_done(ret);
                return wrong(reterr, _("The input names no job."));
        }
        if (*i->relay && strv_length(ret->relays) < INPUT_RELAYS_MAX &&
                        strv_add(&ret->relays, i->relay) < 0) {
                input_event_done(ret);
                return -ENOMEM;
        }
        return 0;
}

int input_event_filter(const InputEvent *e, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = 8192 };
        int r;

        if (*e->id_hex)
                r = buffer_addf(&b, "{\"ids\":[\"%s\"]}", e->id_hex);
        else {
                r = buffer_addf(&b, "{\"kinds\":[%u],\"authors\":[\"%s\"]", e->kind, e->author_hex);
                if (r >= 0 && kind_class((uint16_t) e->kind) == KIND_ADDRESSABLE)
                        r = buffer_add_string(&b, ",\"#d\":[") ?: json_write_string(&b, e->identifier,
                                                            strlen(e->identifier))
                                        ?: buffer_add_string(&b, "]");
                if (r >= 0)
                        r = buffer_add_string(&b, "}");
        }
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

/* ---- any */

int input_check(const JobInput *i, const InputRules *rules, const char **reterr) {
        InputEvent e;
        int r;

        switch (i->type) {
        case INPUT_TEXT:
                return 0;
        case INPUT_URL:
                return url_check(i, rules, reterr);
        case INPUT_EVENT:
        case INPUT_JOB:
                break;
        }
        r = input_event_read(i, &e, reterr);
        if (r >= 0)
                input_event_done(&e);
        return r;
}
