/* Types of settings. What is written is TOML and JSON at once: texts have no control characters, so
 * that only the quote and the backslash need an escape in either. */
#include "basic/config-type.h"

#include <arpa/inet.h>
#include <inttypes.h>

#include "basic/log.h"
#include "basic/text.h"

static const char *const network_names[_NETWORK_MAX] = {
        [NETWORK_MAINNET] = "mainnet",
        [NETWORK_TESTNET] = "testnet",
        [NETWORK_SIGNET] = "signet",
        [NETWORK_REGTEST] = "regtest",
};

const char *network_name(Network n) {
        return network_names[n];
}

static int write_text(const char *s, Buffer *b) {
        int r;

        r = buffer_add(b, "\"", 1);
        for (; r >= 0 && *s; s++) {
                if (*s == '\n' || *s == '\t') {
                        r = buffer_add(b, *s == '\n' ? "\\n" : "\\t", 2);
                        continue;
                }
                if (*s == '"' || *s == '\\')
                        r = buffer_add(b, "\\", 1);
                if (r >= 0)
                        r = buffer_add(b, s, 1);
        }
        return r < 0 ? r : buffer_add(b, "\"", 1);
}

static void free_text(void *field) {
        char **s = field;

        *s = mfree(*s);
}

static void free_list(void *field) {
        char ***l = field;

        *l = strv_free(*l);
}

static void keep(_unused_ void *field) {
}

/* Booleans and switches. */

static int parse_boolean(_unused_ const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        return toml_boolean(v, field);
}

static int write_boolean(const void *field, Buffer *b) {
        return buffer_add_string(b, *(const bool *) field ? "true" : "false");
}

static int parse_switch(_unused_ const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        Switch *s = field;
        const char *text;
        bool on;

        if (toml_boolean(v, &on) >= 0) {
                *s = on ? SWITCH_YES : SWITCH_NO;
                return 0;
        }
        if (toml_string(v, &text) < 0 || !streq(text, "auto"))
                return -EINVAL;
        *s = SWITCH_AUTO;
        return 0;
}

static int write_switch(const void *field, Buffer *b) {
        switch (*(const Switch *) field) {
        case SWITCH_NO:
                return buffer_add_string(b, "false");
        case SWITCH_YES:
                return buffer_add_string(b, "true");
        case SWITCH_AUTO:
        case _SWITCH_MAX:
                break;
        }
        return buffer_add_string(b, "\"auto\"");
}

/* Numbers. */

static int parse_number(const ConfigItem *item, const TomlValue *v, int64_t *ret) {
        int64_t n;

        if (toml_integer(v, &n) < 0 || n < item->min || n > item->max)
                return -EINVAL;
        *ret = n;
        return 0;
}

static int parse_count(const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        int64_t n;
        int r;

        r = parse_number(item, v, &n);
        if (r >= 0)
                *(uint32_t *) field = (uint32_t) n;
        return r;
}

static int write_number(uint64_t n, Buffer *b) {
        return buffer_addf(b, "%" PRIu64, n);
}

static int write_count(const void *field, Buffer *b) {
        return write_number(*(const uint32_t *) field, b);
}

static int parse_msats(const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        return parse_number(item, v, field);
}

static int write_msats(const void *field, Buffer *b) {
        return buffer_addf(b, "%" PRIi64, *(const int64_t *) field);
}

static int write_msats_bound(uint64_t n, Buffer *b) {
        return buffer_addf(b, "%" PRIi64, (int64_t) n);
}

/* Numbers with a unit: the largest one that leaves no rest is written. */

typedef struct Unit {
        const char *name;
        uint64_t size;
} Unit;

static const Unit span_units[] = {
        { "h", HOUR },
        { "min", MIN_ },
        { "s", SEC },
        { "ms", MSEC },
        { "us", 1 },
};
static const Unit size_units[] = {
        { "G", UINT64_C(1) << 30 },
        { "M", UINT64_C(1) << 20 },
        { "K", UINT64_C(1) << 10 },
        { "", 1 },
};

static int write_unit(const Unit *units, uint64_t n, Buffer *b) {
        while (n % units->size != 0)
                units++;
        return buffer_addf(b, "\"%" PRIu64 "%s\"", n / units->size, units->name);
}

static bool in_range(const ConfigItem *item, uint64_t n) {
        return n >= (uint64_t) item->min && n <= (uint64_t) item->max;
}

static int parse_time_span(const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        const char *text;
        int64_t seconds;
        usec_t span;

        if (toml_integer(v, &seconds) >= 0) {
                if (seconds < 0 || seconds > INT64_MAX / (int64_t) SEC)
                        return -EINVAL;
                span = (usec_t) seconds * SEC;
        } else if (toml_string(v, &text) < 0 || parse_span(text, &span) < 0)
                return -EINVAL;
        if (!in_range(item, span))
                return -EINVAL;
        *(usec_t *) field = span;
        return 0;
}

static int write_span_bound(uint64_t n, Buffer *b) {
        return write_unit(span_units, n, b);
}

static int write_span(const void *field, Buffer *b) {
        return write_unit(span_units, *(const usec_t *) field, b);
}

static int size_from_text(const char *text, uint64_t *ret) {
        size_t n = strspn(text, "0123456789");
        char digits[24];

        if (n == 0 || n >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, text, n);
        digits[n] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(size_units); i++) {
                if (!streq(text + n, size_units[i].name))
                        continue;
                if (parse_u64(digits, ret) < 0 ||
                                __builtin_mul_overflow(*ret, size_units[i].size, ret))
                        return -EINVAL;
                return 0;
        }
        return -EINVAL;
}

static int parse_size(const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        const char *text;
        uint64_t size;
        int64_t bytes;

        if (toml_integer(v, &bytes) >= 0 && bytes >= 0)
                size = (uint64_t) bytes;
        else if (toml_string(v, &text) < 0 || size_from_text(text, &size) < 0)
                return -EINVAL;
        if (!in_range(item, size))
                return -EINVAL;
        *(uint64_t *) field = size;
        return 0;
}

static int write_size_bound(uint64_t n, Buffer *b) {
        return write_unit(size_units, n, b);
}

static int write_size(const void *field, Buffer *b) {
        return write_unit(size_units, *(const uint64_t *) field, b);
}

/* Texts. */

static bool is_any_text(_unused_ const char *s) {
        return true;
}

static bool is_place(const char *s) {
        return isempty(s) || *s == '/' || startswith(s, "~/");
}

static bool is_word(const char *s) {
        return !isempty(s) && !strpbrk(s, " ,");
}

/* What people type in commands and read in lists. */
static bool is_name(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

        return n > 0 && s[n] == '\0';
}

/* The wires of pylon-provider. */
static bool is_backend_type(const char *s) {
        return streq(s, "openai") || streq(s, "ollama");
}

static bool is_pair(const char *s) {
        const char *equals = strchr(s, '=');

        return equals && equals > s && equals[1] && is_word(s);
}

/* No password in it: those have files of their own. */
static bool is_http_url(const char *s) {
        const char *host = startswith(s, "http://") ?: startswith(s, "https://");

        if (isempty(s))
                return true;
        return host && !isempty(host) && *host != '/' && !strpbrk(host, " \"<>\\^`{|}#?@");
}

static bool is_wallet_url(const char *s) {
        const char *path = startswith(s, "unix:");

        return path ? *path == '/' : is_http_url(s);
}

static bool is_relay_url(const char *s) {
        const char *host = startswith(s, "ws://") ?: startswith(s, "wss://");

        return host && !isempty(host) && *host != '/' && !strpbrk(s, " \"<>\\^`{|}#");
}

static bool is_origin(const char *s) {
        const char *host = strstr(s, "://");

        return host && host > s && !isempty(host + 3) && !strpbrk(host + 3, "/ ");
}

/* Its checksum is looked at by those who use it. */
static bool is_key(const char *s) {
        const char *data = startswith(s, "npub1");

        if (data)
                return strlen(data) == 58 && strspn(data, "qpzry9x8gf2tvdw0s3jn54khce6mua7l") == 58;
        return strlen(s) == 64 && strspn(s, "0123456789abcdef") == 64;
}

static bool is_trust(const char *s) {
        return streq(s, "any") || streq(s, "follows");
}

static bool is_level(const char *s) {
        static const char *const levels[] = { "err", "warning", "notice", "info", "debug" };

        for (size_t i = 0; i < ELEMENTSOF(levels); i++)
                if (streq(levels[i], s))
                        return true;
        return false;
}

static bool is_driver(const char *s) {
        static const char *const drivers[] = { "auto", "none", "regtest", "nwc", "phoenixd", "lnd",
                "cln", "lnbits" };

        for (size_t i = 0; i < ELEMENTSOF(drivers); i++)
                if (streq(drivers[i], s))
                        return true;
        return false;
}

/* The local relay serves this machine only. */
static bool is_loopback_listen(const char *s) {
        const char *port = startswith(s, "127.0.0.1:") ?: startswith(s, "[::1]:") ?: startswith(s, "localhost:");
        uint64_t n;

        return port && parse_u64(port, &n) >= 0 && n > 0 && n <= 65535;
}

/* Numeric, so that nobody has to look a name up first. */
static bool is_proxy(const char *s) {
        const char *colon = strrchr(s, ':');
        char address[INET6_ADDRSTRLEN];
        struct in6_addr buffer;
        uint64_t n;
        size_t size;

        if (isempty(s))
                return true;
        if (!colon || parse_u64(colon + 1, &n) < 0 || n == 0 || n > 65535)
                return false;
        size = (size_t) (colon - s);
        if (*s == '[' && colon[-1] == ']')
                s++, size -= 2;
        else if (memchr(s, ':', size))
                return false;
        if (size >= sizeof(address))
                return false;
        memcpy(address, s, size);
        address[size] = '\0';
        return inet_pton(strchr(address, ':') ? AF_INET6 : AF_INET, address, &buffer) == 1;
}

/* A text of at most item->max bytes without control characters, which passes the type's check. */
static int checked_text(const ConfigItem *item, const TomlValue *v, size_t max, const char **ret) {
        const char *s;

        if (toml_string(v, &s) < 0 || strlen(s) > max || !item->type->check(s))
                return -EINVAL;
        for (const char *p = s; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        return -EINVAL;
        *ret = s;
        return 0;
}

static int parse_text(const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        const char *s;
        int r;

        r = checked_text(item, v, (size_t) item->max, &s);
        if (r < 0)
                return r;
        *(char **) field = strdup(s);
        return *(char **) field ? 0 : -ENOMEM;
}

/* A whole text, with its lines. */
static int parse_lines(const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        const char *s;

        if (toml_string(v, &s) < 0 || strlen(s) > (size_t) item->max)
                return -EINVAL;
        for (const char *p = s; *p; p++)
                if (((unsigned char) *p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
                        return -EINVAL;
        *(char **) field = strdup(s);
        return *(char **) field ? 0 : -ENOMEM;
}

static int write_text_field(const void *field, Buffer *b) {
        return write_text(*(char *const *) field, b);
}

static int parse_network(_unused_ const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        const char *s;

        if (toml_string(v, &s) < 0)
                return -EINVAL;
        for (Network n = 0; n < _NETWORK_MAX; n++)
                if (streq(network_names[n], s)) {
                        *(Network *) field = n;
                        return 0;
                }
        return -EINVAL;
}

static int write_network(const void *field, Buffer *b) {
        return write_text(network_name(*(const Network *) field), b);
}

static const char *const bid_names[_BID_RULE_MAX] = {
        [BID_ACCEPT] = "accept",
        [BID_REQUIRE] = "require",
        [BID_TAKE] = "take",
};

static int parse_bid(_unused_ const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        const char *s;

        if (toml_string(v, &s) < 0)
                return -EINVAL;
        for (BidRule b = 0; b < _BID_RULE_MAX; b++)
                if (streq(bid_names[b], s)) {
                        *(BidRule *) field = b;
                        return 0;
                }
        return -EINVAL;
}

static int write_bid(const void *field, Buffer *b) {
        return write_text(bid_names[*(const BidRule *) field], b);
}

/* Lists. */

#define LIST_TEXT_MAX 1024

static int parse_list(const ConfigItem *item, const TomlValue *v, void *field,
                const TomlValue **ret_culprit) {
        _cleanup_strv_ char **l = NULL;
        int r;

        if (toml_type(v) != TOML_ARRAY || toml_size(v) > (size_t) item->max)
                return -EINVAL;

        l = new0(char *, 1); /* an empty list is not the same as none */
        if (!l)
                return -ENOMEM;
        for (size_t i = 0; i < toml_size(v); i++) {
                const char *s;

                *ret_culprit = toml_at(v, i, NULL);
                r = checked_text(item, *ret_culprit, LIST_TEXT_MAX, &s);
                if (r < 0)
                        return r;
                r = strv_add(&l, s);
                if (r < 0)
                        return r;
        }
        *(char ***) field = TAKE_PTR(l);
        return 0;
}

static int write_list(const void *field, Buffer *b) {
        char *const *l = *(char **const *) field;
        int r;

        r = buffer_add(b, "[", 1);
        STRV_FOREACH (s, l) {
                if (r >= 0 && s != l)
                        r = buffer_add(b, ", ", 2);
                if (r >= 0)
                        r = write_text(*s, b);
        }
        return r < 0 ? r : buffer_add(b, "]", 1);
}

/* NIP-90: requests are of kinds 5000 to 5999. */
static int parse_kinds(_unused_ const ConfigItem *item, const TomlValue *v, void *field,
                const TomlValue **ret_culprit) {
        ConfigKinds *k = field;

        if (toml_type(v) != TOML_ARRAY || toml_size(v) > CONFIG_KINDS_MAX)
                return -EINVAL;
        k->n_kinds = 0;
        for (size_t i = 0; i < toml_size(v); i++) {
                int64_t n;

                *ret_culprit = toml_at(v, i, NULL);
                if (toml_integer(*ret_culprit, &n) < 0 || n < 5000 || n > 5999)
                        return -EINVAL;
                k->kinds[k->n_kinds++] = (uint16_t) n;
        }
        return 0;
}

static int write_kinds(const void *field, Buffer *b) {
        const ConfigKinds *k = field;
        int r;

        r = buffer_add(b, "[", 1);
        for (size_t i = 0; r >= 0 && i < k->n_kinds; i++)
                r = buffer_addf(b, "%s%u", i > 0 ? ", " : "", k->kinds[i]);
        return r < 0 ? r : buffer_add(b, "]", 1);
}

/* clang-format off */
const ConfigType config_bid     = { N_("\"require\", \"take\" or \"accept\""),                parse_bid,       write_bid,        keep };
const ConfigType config_boolean = { N_("true or false"),                                      parse_boolean,   write_boolean,    keep };
const ConfigType config_switch  = { N_("true, false or \"auto\""),                            parse_switch,    write_switch,     keep };
const ConfigType config_count   = { N_("a whole number"),                                     parse_count,     write_count,      keep, .write_bound = write_number };
const ConfigType config_msats   = { N_("a whole number of millisats"),                        parse_msats,     write_msats,      keep, .write_bound = write_msats_bound };
const ConfigType config_span    = { N_("a time such as \"30s\", \"5min\" or a number of seconds"), parse_time_span, write_span,  keep, .write_bound = write_span_bound };
const ConfigType config_size    = { N_("a size such as \"512K\", \"10M\" or a number of bytes"), parse_size,   write_size,       keep, .write_bound = write_size_bound };
const ConfigType config_network = { N_("\"mainnet\", \"testnet\", \"signet\" or \"regtest\""), parse_network, write_network,    keep };
const ConfigType config_text    = { N_("a text in quotes, on one line and not too long"),     parse_text,      write_text_field, free_text, is_any_text };
const ConfigType config_lines   = { N_("a text in quotes, not too long"),                     parse_lines,     write_text_field, free_text };
const ConfigType config_path    = { N_("an absolute path, or one that begins with \"~/\""),   parse_text,      write_text_field, free_text, is_place };
const ConfigType config_listen  = { N_("a loopback address with a port, such as \"127.0.0.1:7447\""), parse_text, write_text_field, free_text, is_loopback_listen };
const ConfigType config_proxy   = { N_("a numeric address with a port, such as \"127.0.0.1:9080\""), parse_text, write_text_field, free_text, is_proxy };
const ConfigType config_level   = { N_("\"err\", \"warning\", \"notice\", \"info\" or \"debug\""), parse_text, write_text_field, free_text, is_level };
const ConfigType config_driver  = { N_("\"auto\", \"none\", \"regtest\", \"nwc\", \"phoenixd\", \"lnd\", \"cln\" or \"lnbits\""), parse_text, write_text_field, free_text, is_driver };
const ConfigType config_name    = { N_("a name of letters, digits, '-', '_' and '.'"),        parse_text,      write_text_field, free_text, is_name };
const ConfigType config_http_url = { N_("an URL that begins with \"http://\" or \"https://\" and has no password in it"), parse_text, write_text_field, free_text, is_http_url };
const ConfigType config_wallet_url = { N_("an URL that begins with \"http://\", \"https://\" or \"unix:/\" and has no password in it"), parse_text, write_text_field, free_text, is_wallet_url };
const ConfigType config_backend_type = { N_("\"openai\" or \"ollama\""),                     parse_text,      write_text_field, free_text, is_backend_type };
const ConfigType config_pairs   = { N_("a list of pairs such as \"NAME=MODEL\""),             parse_list,      write_list,       free_list, is_pair };
const ConfigType config_relays  = { N_("a list of URLs that begin with \"ws://\" or \"wss://\""), parse_list,  write_list,       free_list, is_relay_url };
const ConfigType config_origins = { N_("a list of origins such as \"https://example.com\""),  parse_list,      write_list,       free_list, is_origin };
const ConfigType config_keys    = { N_("a list of public keys, each an npub or 64 digits of hex"), parse_list,     write_list,       free_list, is_key };
const ConfigType config_trust   = { N_("\"any\" or \"follows\""),                             parse_text,      write_text_field, free_text, is_trust };
const ConfigType config_words   = { N_("a list of names in quotes"),                          parse_list,      write_list,       free_list, is_word };
const ConfigType config_kinds   = { N_("a list of job kinds, each from 5000 to 5999"),        parse_kinds,     write_kinds,      keep };
/* clang-format on */
