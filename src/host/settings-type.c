/* Types of an agent's settings. Sats are in the file, msat in memory; times are whole seconds
 * there, as the predecessor had them. */
#include "settings-type.h"

#include <inttypes.h>

#include "basic/codec.h"
#include "basic/text.h"
#include "calendar.h"
#include "nostr/nip19.h"

#define DAY      (24 * HOUR)
#define SATS_MAX INT64_C(2100000000000000) /* all there will be */

static void keep(_unused_ void *field) {
}

static void free_text(void *field) {
        config_text.done(field);
}

static void free_list(void *field) {
        config_words.done(field);
}

static int write_number(uint64_t n, Buffer *b) {
        return buffer_addf(b, "%" PRIu64, n);
}

/* ---- names of a few */

static const char *const autonomy_names[_AUTONOMY_MAX] = {
        [AUTONOMY_SUPERVISED] = "supervised",
        [AUTONOMY_BOUNDED] = "bounded",
        [AUTONOMY_FULL] = "full",
};

static const char *const mind_names[_MIND_TYPE_MAX] = {
        [MIND_EXEC] = "exec",
        [MIND_NIP90] = "nip90",
        [MIND_LOCAL] = "local",
};

const char *agent_autonomy_name(AgentAutonomy a) {
        return autonomy_names[a];
}

const char *mind_type_name(MindType m) {
        return mind_names[m];
}

static int find_name(const TomlValue *v, const char *const *names, size_t n) {
        const char *s;

        if (toml_string(v, &s) < 0)
                return -EINVAL;
        for (size_t i = 0; i < n; i++)
                if (streq(names[i], s))
                        return (int) i;
        return -EINVAL;
}

static int parse_autonomy(_unused_ const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        const char *s;
        int i = find_name(v, autonomy_names, _AUTONOMY_MAX);

        if (i < 0 && toml_string(v, &s) >= 0 && streq(s, "autonomous")) /* the predecessor's */
                i = AUTONOMY_FULL;
        if (i < 0)
                return i;
        *(AgentAutonomy *) field = (AgentAutonomy) i;
        return 0;
}

static int write_autonomy(const void *field, Buffer *b) {
        return buffer_addf(b, "\"%s\"", autonomy_names[*(const AgentAutonomy *) field]);
}

static int parse_mind(_unused_ const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        int i = find_name(v, mind_names, _MIND_TYPE_MAX);

        if (i < 0)
                return i;
        *(MindType *) field = (MindType) i;
        return 0;
}

static int write_mind(const void *field, Buffer *b) {
        return buffer_addf(b, "\"%s\"", mind_names[*(const MindType *) field]);
}

/* ---- numbers */

/* -1 stands for no limit where the table allows it. */
static int parse_sats(const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        int64_t n;

        if (toml_integer(v, &n) < 0 || n < item->min || n > MIN(item->max, SATS_MAX))
                return -EINVAL;
        *(int64_t *) field = n < 0 ? -1 : n * 1000;
        return 0;
}

static int write_sats(const void *field, Buffer *b) {
        int64_t msat = *(const int64_t *) field;

        return buffer_addf(b, "%" PRIi64, msat < 0 ? -1 : msat / 1000);
}

static int write_sats_bound(uint64_t n, Buffer *b) {
        return buffer_addf(b, "%" PRIi64, (int64_t) n);
}

static int write_seconds(const void *field, Buffer *b) {
        return write_number(*(const usec_t *) field / SEC, b);
}

static int write_seconds_bound(uint64_t n, Buffer *b) {
        return write_number(n / SEC, b);
}

/* "15min" is read as well. */
static int parse_seconds(const ConfigItem *item, const TomlValue *v, void *field,
                const TomlValue **ret_culprit) {
        usec_t span;
        int r;

        r = config_span.parse(item, v, &span, ret_culprit);
        if (r < 0)
                return r;
        if (span % SEC != 0)
                return -EINVAL;
        *(usec_t *) field = span;
        return 0;
}

static int parse_days(const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        int64_t n;

        if (toml_integer(v, &n) < 0 || n < item->min || n > item->max)
                return -EINVAL;
        *(usec_t *) field = (usec_t) n * DAY;
        return 0;
}

static int write_days(const void *field, Buffer *b) {
        return write_number(*(const usec_t *) field / DAY, b);
}

/* Seconds since 1970. The predecessor wrote texts and dates too; those say nothing to us. */
static int parse_created(_unused_ const ConfigItem *item, const TomlValue *v, void *field,
                _unused_ const TomlValue **ret_culprit) {
        int64_t n;

        if (toml_integer(v, &n) >= 0 && n >= 0)
                *(int64_t *) field = n;
        return 0;
}

static int write_created(const void *field, Buffer *b) {
        return buffer_addf(b, "%" PRIi64, *(const int64_t *) field);
}

/* ---- texts */

static bool is_npub(const char *s) {
        const char *reason;
        uint8_t key[32];

        return isempty(s) || (startswith(s, "npub1") && pubkey_parse(s, key, &reason) >= 0);
}

static bool is_key(const char *s) {
        const char *reason;
        uint8_t key[32];

        return pubkey_parse(s, key, &reason) >= 0;
}

static bool is_key_or_nothing(const char *s) {
        return isempty(s) || is_key(s);
}

static bool is_network(const char *s) {
        if (isempty(s))
                return true;
        for (Network n = 0; n < _NETWORK_MAX; n++)
                if (streq(network_name(n), s))
                        return true;
        return false;
}

static bool is_any_text(_unused_ const char *s) {
        return true;
}

static bool is_in(const char *s, const char *const *names, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (streq(names[i], s))
                        return true;
        return false;
}

static bool is_trigger(const char *s) {
        static const char *const names[] = { "mention", "reply", "dm", "zap", "keyword", "job" };

        return is_in(s, names, ELEMENTSOF(names));
}

static bool is_action(const char *s) {
        static const char *const names[] = { "post", "reply", "react", "dm", "zap", "pay",
                "goal_add", "goal_update", "goal_close", "remember", "forget", "schedule", "follow",
                "ask", "nothing" };

        return is_in(s, names, ELEMENTSOF(names));
}

static bool is_calendar(const char *s) {
        const char *reason;
        Calendar c;

        return calendar_parse(s, &c, &reason) >= 0;
}

static bool is_day_span(const char *s) {
        DaySpan span;

        return day_span_parse(s, &span) >= 0;
}

/* The checks are those of the item's type, which is one of ours. */
static int parse_text(const ConfigItem *item, const TomlValue *v, void *field,
                const TomlValue **ret_culprit) {
        return config_text.parse(item, v, field, ret_culprit);
}

static int write_text(const void *field, Buffer *b) {
        return config_text.write(field, b);
}

/* Who owns the agent: hex in memory, whatever was written. */
static int parse_key(const ConfigItem *item, const TomlValue *v, void *field,
                const TomlValue **ret_culprit) {
        const char *reason;
        uint8_t key[32];
        char **s = field;
        int r;

        r = config_text.parse(item, v, field, ret_culprit);
        if (r < 0 || isempty(*s))
                return r;
        if (pubkey_parse(*s, key, &reason) < 0)
                return -EINVAL;
        free(*s);
        *s = malloc(HEX32_MAX);
        if (!*s)
                return -ENOMEM;
        hex_encode(key, sizeof(key), *s);
        return 0;
}

static int write_key(const void *field, Buffer *b) {
        const char *hex = *(char *const *) field;
        char npub[NPUB_SIZE] = "";
        uint8_t key[32];
        int r = 0;

        if (!isempty(hex) && hex_decode(hex, key, sizeof(key)) >= 0)
                r = npub_encode(key, npub);
        return r < 0 ? r : buffer_addf(b, "\"%s\"", npub);
}

static int parse_list(const ConfigItem *item, const TomlValue *v, void *field,
                const TomlValue **ret_culprit) {
        return config_words.parse(item, v, field, ret_culprit);
}

static int write_list(const void *field, Buffer *b) {
        return config_words.write(field, b);
}

/* clang-format off */
const ConfigType agent_actions   = { N_("a list of actions such as \"post\" and \"reply\""),       parse_list,     write_list,     free_list, is_action };
const ConfigType agent_autonomy  = { N_("\"supervised\", \"bounded\" or \"full\""),                parse_autonomy, write_autonomy, keep };
const ConfigType agent_calendars = { N_("a list of calendar events such as \"Mon..Fri 9..17:*\""), parse_list,     write_list,     free_list, is_calendar };
const ConfigType agent_created   = { N_("a number of seconds since 1970"),                         parse_created,  write_created,  keep };
const ConfigType agent_days      = { N_("a whole number of days"),                                 parse_days,     write_days,     keep, .write_bound = write_number };
const ConfigType agent_key       = { N_("an npub, 64 digits of hex, or \"\""),                     parse_key,      write_key,      free_text, is_key_or_nothing };
const ConfigType agent_keys      = { N_("a list of public keys, each an npub or 64 digits of hex"), parse_list,    write_list,     free_list, is_key };
const ConfigType agent_mind      = { N_("\"exec\", \"nip90\" or \"local\""),                       parse_mind,     write_mind,     keep };
const ConfigType agent_name      = { N_("a name of at most 32 lowercase letters, digits, '.', '_' and '-' that begins with a letter or digit"), parse_text, write_text, free_text, agent_name_is_valid };
const ConfigType agent_networks  = { N_("\"mainnet\", \"testnet\", \"signet\", \"regtest\" or \"\""), parse_text,  write_text,     free_text, is_network };
const ConfigType agent_npub      = { N_("an npub"),                                                parse_text,     write_text,     free_text, is_npub };
const ConfigType agent_quiets    = { N_("a list of times of day such as \"22:00-07:00\""),         parse_list,     write_list,     free_list, is_day_span };
const ConfigType agent_sats      = { N_("a whole number of sats"),                                 parse_sats,     write_sats,     keep, .write_bound = write_sats_bound };
const ConfigType agent_seconds   = { N_("a whole number of seconds"),                              parse_seconds,  write_seconds,  keep, .write_bound = write_seconds_bound };
const ConfigType agent_texts     = { N_("a list of texts in quotes"),                              parse_list,     write_list,     free_list, is_any_text };
const ConfigType agent_triggers  = { N_("a list of \"mention\", \"reply\", \"dm\", \"zap\", \"keyword\" and \"job\""), parse_list, write_list, free_list, is_trigger };
/* clang-format on */
