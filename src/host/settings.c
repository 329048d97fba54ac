/* The table of an agent's settings: parser, defaults, writer. */
#include "settings.h"

#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "settings-type.h"

#define AT(field)   offsetof(AgentSettings, field)
#define REMARK_MAX  512
#define DEFAULT_MAX 256
#define SATS_MAX    INT64_C(2100000000000000)

/* clang-format off */
static const ConfigItem items[] = {
        { "", "name",       &agent_name,     AT(name),       "\"agent\"", 1, AGENT_NAME_LENGTH_MAX,
          N_("What the agent is called here.") },
        { "", "npub",       &agent_npub,     AT(npub),       "\"\"",      0, 63,
          N_("Its public key, which also names the file.") },
        { "", "pubkey",     &agent_key,      AT(pubkey),     "\"\"",      0, 64,
          N_("The same; only read.") },
        { "", "network",    &agent_networks, AT(network),    "\"\"",      0, 16,
          N_("The Bitcoin network it was made for; \"\": any. On another one it sleeps.") },
        { "", "relays",     &config_relays,  AT(relays),     "[]",        0, 16,
          N_("The relays that others reach it by; []: those of config.toml.") },
        { "", "created_at", &agent_created,  AT(created_at), "0",         0, 0,
          N_("When it was made, in seconds since 1970.") },

        { "profile", "name",         &config_text,    AT(display_name), "\"\"",        0, 128,
          N_("The name in its profile; \"\": the name above.") },
        { "profile", "about",        &config_lines,   AT(about),        "\"\"",        0, 2048,
          N_("What it is for. Others read it in its profile, and its mind at every tick.") },
        { "profile", "picture",      &config_http_url, AT(picture),     "\"\"",        0, 1024,
          N_("The address of a picture, for its profile.") },
        { "profile", "lud16",        &config_text,    AT(lud16),        "\"\"",        0, 256,
          N_("The lightning address at which it is paid, for its profile.") },
        { "profile", "zap_key",      &agent_key,      AT(zap_key),      "\"\"",        0, 64,
          N_("The key with which receipts of its zaps are signed; \"\": that of the address's server.") },
        { "profile", "autonomy",     &agent_autonomy, AT(autonomy),     "\"bounded\"", 0, 0,
          N_("How much it does without asking: supervised, bounded or full.") },
        { "profile", "capabilities", &agent_texts,    AT(capabilities), "[]",          0, 32,
          N_("What it says that it can do, for NIP-SA.") },
        { "profile", "version",      &config_text,    AT(version),      "\"1.0.0\"",   0, 32,
          N_("Its version, for NIP-SA.") },
        { "profile", "nip_sa",       &config_boolean, AT(nip_sa),       "false",       0, 0,
          N_("Whether profile and schedule are published as NIP-SA has them, too.") },

        { "schedule", "active",            &config_boolean,  AT(active),         "true",  0,   0,
          N_("Whether it wakes by itself; others wake it in any case.") },
        { "schedule", "heartbeat_seconds", &agent_seconds,   AT(heartbeat),      "900",   SEC, AGENT_HEARTBEAT_MAX,
          N_("How often it wakes by itself.") },
        { "schedule", "jitter_percent",    &config_count,    AT(jitter_percent), "10",    0,   50,
          N_("By how much that varies, so that agents do not all wake at once.") },
        { "schedule", "triggers",          &agent_triggers,  AT(triggers),       "[\"mention\", \"reply\", \"dm\", \"zap\"]", 0, 6,
          N_("What else wakes it: mention, reply, dm, zap, keyword, job.") },
        { "schedule", "calendar",          &agent_calendars, AT(calendar),       "[]",    0,   16,
          N_("When it may wake by itself, as systemd.time(7) writes calendar events; []: always.") },
        { "schedule", "quiet_hours",       &agent_quiets,    AT(quiet),          "[]",    0,   8,
          N_("When nothing wakes it but its owner, as \"22:00-07:00\".") },
        { "schedule", "zap_min_sats",      &agent_sats,      AT(zap_min_msat),   "1",     0,   SATS_MAX,
          N_("The smallest zap that wakes it.") },
        { "schedule", "keywords",          &agent_texts,     AT(keywords),       "[]",    0,   16,
          N_("Words, or hashtags with their '#', in notes of strangers that wake it.") },
        { "schedule", "muted",             &agent_keys,      AT(muted),          "[]",    0,   1024,
          N_("Keys of whom it sees nothing.") },
        { "schedule", "wakes_per_hour",    &config_count,    AT(wakes_per_hour), "60",    1,   3600,
          N_("How often others may wake it.") },
        { "schedule", "sender_per_hour",   &config_count,    AT(sender_per_hour), "30",   1,   3600,
          N_("How many messages of one sender it sees; others are left out.") },

        { "runway", "low_balance_days",        &config_count, AT(low_balance_days), "7",     0, 3650,
          N_("For how many days its money must last; else it is in low balance.") },
        { "runway", "hibernate_threshold_sats", &agent_sats,  AT(hibernate_msat),   "1000",  0, SATS_MAX,
          N_("With less than that it sleeps until somebody funds it; 0: it lives without money.") },
        { "runway", "daily_limit_sats",        &agent_sats,   AT(day_max_msat),     "10000", -1, SATS_MAX,
          N_("What it may spend in a day; -1: no limit.") },
        { "runway", "per_tick_limit_sats",     &agent_sats,   AT(tick_max_msat),    "1000",  -1, SATS_MAX,
          N_("What it may spend each time it wakes; -1: no limit.") },

        { "limits", "per_payment_sats",   &agent_sats,   AT(payment_max_msat),  "500",  -1, SATS_MAX,
          N_("What one payment may be; -1: no limit.") },
        { "limits", "per_hour_sats",      &agent_sats,   AT(hour_max_msat),     "5000", -1, SATS_MAX,
          N_("What it may spend in an hour; -1: no limit.") },
        { "limits", "fee_max_sats",       &agent_sats,   AT(fee_max_msat),      "10",   -1, SATS_MAX,
          N_("What a payment may cost besides its amount; -1: no limit.") },
        { "limits", "approve_above_sats", &agent_sats,   AT(approve_above_msat), "-1",  -1, SATS_MAX,
          N_("A payment above this waits for the owner; -1: none does.") },
        { "limits", "payees",             &agent_texts,  AT(payees),            "[]",   0, 256,
          N_("The only ones it may pay: npubs, lightning addresses or node keys; []: anybody.") },
        { "limits", "recipients",         &agent_keys,   AT(recipients),        "[]",   0, 256,
          N_("The only ones it may write messages to; []: anybody.") },
        { "limits", "posts_per_day",      &config_count, AT(posts_per_day),     "48",   0, 100000,
          N_("How many notes it may post in a day.") },
        { "limits", "replies_per_day",    &config_count, AT(replies_per_day),   "500",  0, 100000,
          N_("How many replies it may write in a day.") },
        { "limits", "messages_per_day",   &config_count, AT(messages_per_day),  "200",  0, 100000,
          N_("How many direct messages it may send in a day.") },
        { "limits", "zaps_per_day",       &config_count, AT(zaps_per_day),      "50",   0, 100000,
          N_("How many zaps it may send in a day.") },
        { "limits", "payments_per_day",   &config_count, AT(payments_per_day),  "20",   0, 100000,
          N_("How many invoices it may pay in a day.") },
        { "limits", "reactions_per_day",  &config_count, AT(reactions_per_day), "500",  0, 100000,
          N_("How many reactions it may send in a day.") },
        { "limits", "follows_per_day",    &config_count, AT(follows_per_day),   "50",   0, 100000,
          N_("How often it may follow somebody, or no more, in a day.") },

        { "policy", "allow", &agent_actions, AT(allow), "[]", 0, 32,
          N_("The only actions it may do; []: all.") },

        { "mind", "type",             &agent_mind,     AT(mind),             "\"exec\"", 0, 0,
          N_("How it thinks: exec (a program, or built-in rules), nip90 (bought on the market) or local (this machine's provider).") },
        { "mind", "model",            &config_text,    AT(model),            "\"\"",     0, 128,
          N_("The model; \"\": any.") },
        { "mind", "exec",             &agent_texts,    AT(exec),             "[]",       0, 32,
          N_("The program and its arguments, for exec; []: built-in rules.") },
        { "mind", "max_tokens",       &config_count,   AT(max_tokens),       "800",      16, 100000,
          N_("How long an answer may be.") },
        { "mind", "context_tokens",   &config_count,   AT(context_tokens),   "8192",     1024, 1000000,
          N_("How much the model reads and writes together.") },
        { "mind", "thought_max_sats", &agent_sats,     AT(thought_max_msat), "100",      0, SATS_MAX,
          N_("What one thought may cost.") },
        { "mind", "providers",        &agent_keys,     AT(providers),        "[]",       0, 64,
          N_("The only providers it asks; []: whoever is on the market.") },
        { "mind", "encrypt",          &config_boolean, AT(encrypt),          "true",     0, 0,
          N_("Whether its questions are encrypted where the provider can read that.") },
        { "mind", "tick_timeout",     &config_span,    AT(tick_timeout),     "\"5min\"", SEC, HOUR,
          N_("How long it may be awake at a time.") },
        { "mind", "keep_texts_days",  &agent_days,     AT(keep_texts),       "30",       0, 3650,
          N_("How long questions and answers are kept; their hashes always are.") },

        { "owner", "npub",   &agent_key,      AT(owner_hex),    "\"\"",  0, 64,
          N_("Whom it belongs to: who approves by direct message and is told how it is; \"\": nobody.") },
        { "owner", "notify", &config_boolean, AT(notify_owner), "true",  0, 0,
          N_("Whether the owner is sent a message when its money runs low.") },
};

/* The predecessor's keys that mean something else today, or nothing. */
static const struct { const char *section, *key; } ignored[] = {
        { "", "mnemonic" }, { "", "mnemonic_encrypted" }, { "", "spark_address" }, { "", "state" },
        { "", "last_active_at" }, { "", "tick_count" }, { "", "id" },
        { "runway", "daily_burn_sats" }, { "network", "bitcoin" }, { "relays", "urls" },
};

static const char *const mnemonic_keys[] = { "mnemonic", "mnemonic_encrypted" };
/* clang-format on */

static void *field_of(const ConfigItem *item, const AgentSettings *s) {
        return (char *) s + item->offset;
}

AgentSettings *agent_settings_free(AgentSettings *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                items[i].type->done(field_of(&items[i], s));
        return mfree(s);
}

static const ConfigItem *find_item(const char *section, const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (streq(items[i].section, section) && streq(items[i].key, key))
                        return &items[i];
        return NULL;
}

static bool is_section(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (!isempty(name) && streq(items[i].section, name))
                        return true;
        return false;
}

static bool is_ignored(const char *section, const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(ignored); i++)
                if (streq(ignored[i].section, section) && streq(ignored[i].key, key))
                        return true;
        return false;
}

/* ---- reading */

typedef struct Reader {
        config_remark_t remark;
        void *userdata;
        AgentSettings *settings;
        bool failed;
} Reader;

static void remark_at(Reader *r, ConfigSeverity severity, unsigned line, unsigned column,
                const char *format, ...) _printf_(5, 6);
static void remark_at(Reader *r, ConfigSeverity severity, unsigned line, unsigned column,
                const char *format, ...) {
        char text[REMARK_MAX];
        va_list ap;

        if (severity == CONFIG_ERROR)
                r->failed = true;
        if (!r->remark)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        r->remark(&(ConfigRemark){ severity, line, column, text }, r->userdata);
}

/* "must be …", and between which bounds where that says more. */
static int describe(const ConfigItem *item, Buffer *b) {
        _cleanup_buffer_ Buffer min = { .max = 64 }, max = { .max = 64 };
        const ConfigType *type = item->type;

        if (type->write_bound && type->write_bound((uint64_t) item->min, &min) >= 0 &&
                        type->write_bound((uint64_t) item->max, &max) >= 0)
                return buffer_addf(b, _("'%s' must be %s, from %s to %s"), item->key,
                                _(type->allowed), min.data, max.data);
        return buffer_addf(b, _("'%s' must be %s"), item->key, _(type->allowed));
}

static int read_item(Reader *r, const ConfigItem *item, const TomlValue *v) {
        _cleanup_buffer_ Buffer words = { .max = REMARK_MAX };
        void *field = field_of(item, r->settings);
        const TomlValue *culprit = v;
        int e;

        item->type->done(field);
        e = item->type->parse(item, v, field, &culprit);
        if (e != -EINVAL)
                return e;
        e = describe(item, &words);
        if (e < 0)
                return e;
        remark_at(r, CONFIG_ERROR, toml_line(culprit), toml_column(culprit), "%s", words.data);
        return 0;
}

static int read_default(const ConfigItem *item, AgentSettings *s) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        const TomlValue *culprit = NULL;
        char text[DEFAULT_MAX];
        TomlError error;
        int r;

        (void) snprintf(text, sizeof(text), "value = %s", item->value);
        r = toml_parse(text, strlen(text), &root, &error);
        assert(r != -EBADMSG);
        if (r >= 0)
                r = item->type->parse(item, toml_get(root, "value"), field_of(item, s), &culprit);
        assert(r != -EINVAL);
        return r;
}

static int read_defaults(AgentSettings *s) {
        for (size_t i = 0; i < ELEMENTSOF(items); i++) {
                int r;

                r = read_default(&items[i], s);
                if (r < 0)
                        return r;
        }
        return 0;
}

int agent_settings_new(const char *name, AgentSettings **ret) {
        _cleanup_(agent_settings_freep) AgentSettings *s = NULL;
        int r;

        if (!agent_name_is_valid(name))
                return -EINVAL;
        s = new0(AgentSettings, 1);
        if (!s)
                return -ENOMEM;
        r = read_defaults(s);
        if (r < 0)
                return r;
        free(s->name);
        s->name = strdup(name);
        if (!s->name)
                return -ENOMEM;
        *ret = TAKE_PTR(s);
        return 0;
}

/* The name of a former agent may be none of ours: "My Agent". */
static int read_name(Reader *r, const TomlValue *v) {
        char name[AGENT_NAME_LENGTH_MAX + 1];
        const char *text;

        if (toml_string(v, &text) < 0 || agent_name_from(text, name) < 0)
                return read_item(r, find_item("", "name"), v);
        if (!streq(name, text))
                remark_at(r, CONFIG_NOTICE, toml_line(v), toml_column(v),
                                _("the agent is called '%s' here"), name);
        if (!streq(name, text) && isempty(r->settings->display_name)) {
                int e = read_item(r, find_item("profile", "name"), v);

                if (e < 0)
                        return e;
        }
        free(r->settings->name);
        r->settings->name = strdup(name);
        return r->settings->name ? 0 : -ENOMEM;
}

static int read_key(Reader *r, const char *section, const char *key, const TomlValue *v) {
        const ConfigItem *item = find_item(section, key);

        if (isempty(section) && streq(key, "name"))
                return read_name(r, v);
        if (item)
                return read_item(r, item, v);
        if (!is_ignored(section, key))
                remark_at(r, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                _("there is no setting '%s' of an agent here, it is ignored"), key);
        return 0;
}

static int read_section(Reader *r, const char *section, const TomlValue *table) {
        const TomlValue *v;
        const char *key;

        for (size_t i = 0; (v = toml_at(table, i, &key)); i++) {
                int e;

                e = read_key(r, section, key, v);
                if (e < 0)
                        return e;
        }
        return 0;
}

/* HOST_MODE.md of the predecessor showed [network] bitcoin= and [relays] urls=. */
static int read_old_section(Reader *r, const char *section, const TomlValue *table) {
        const TomlValue *network = toml_get(table, "bitcoin"), *urls = toml_get(table, "urls");
        int e = 0;

        if (streq(section, "network") && network)
                e = read_item(r, find_item("", "network"), network);
        if (streq(section, "relays") && urls)
                e = read_item(r, find_item("", "relays"), urls);
        return e < 0 ? e : read_section(r, section, table);
}

static int read_top(Reader *r, const char *key, const TomlValue *v) {
        bool table = toml_type(v) == TOML_TABLE;

        if (table && (streq(key, "network") || streq(key, "relays")))
                return read_old_section(r, key, v);
        if (table && is_section(key))
                return read_section(r, key, v);
        if (is_section(key)) {
                remark_at(r, CONFIG_ERROR, toml_line(v), toml_column(v),
                                _("'%s' is a section: write [%s] and its settings below"), key,
                                key);
                return 0;
        }
        return read_key(r, "", key, v);
}

/* The words leave the tree, too: nothing of it is readable when this returns. */
static int take_mnemonic(const TomlValue *root, Secret **ret) {
        _cleanup_(secret_freep) Secret *found = NULL;

        for (size_t i = 0; i < ELEMENTSOF(mnemonic_keys); i++) {
                const TomlValue *v = toml_get(root, mnemonic_keys[i]);
                const char *words;
                size_t size;

                if (!v || toml_bytes(v, &words, &size) < 0)
                        continue;
                if (size > 0 && !found) {
                        int r = secret_copy(words, size, &found);

                        if (r < 0)
                                return r;
                }
                explicit_bzero((char *) words, size);
        }
        if (ret)
                *ret = TAKE_PTR(found);
        return 0;
}

/* The other layout has the name in its profile only. */
static int find_name(Reader *r, const TomlValue *root) {
        const TomlValue *profile = toml_get(root, "profile");
        const TomlValue *name = profile && toml_type(profile) == TOML_TABLE
                                                ? toml_get(profile, "name")
                                                : NULL;

        if (toml_get(root, "name"))
                return 0;
        if (name)
                return read_name(r, name);
        remark_at(r, CONFIG_ERROR, 0, 0, _("the agent has no 'name'"));
        return 0;
}

static int read_all(Reader *r, const TomlValue *root) {
        const TomlValue *v;
        const char *key;
        int e;

        e = read_defaults(r->settings);
        for (size_t i = 0; e >= 0 && (v = toml_at(root, i, &key)); i++)
                e = read_top(r, key, v);
        return e < 0 ? e : find_name(r, root);
}

int agent_settings_parse(const char *text, size_t size, config_remark_t remark, void *userdata,
                AgentSettings **ret, Secret **ret_mnemonic) {
        _cleanup_(agent_settings_freep) AgentSettings *s = NULL;
        _cleanup_(toml_freep) TomlValue *root = NULL;
        _cleanup_(secret_freep) Secret *mnemonic = NULL;
        Reader reader = { .remark = remark, .userdata = userdata };
        TomlError error = { 0 };
        int r;

        r = toml_parse(text, size, &root, &error);
        if (r == -EBADMSG)
                remark_at(&reader, CONFIG_ERROR, error.line, error.column, "%s", _(error.reason));
        if (r < 0)
                return r;
        r = take_mnemonic(root, &mnemonic);
        if (r < 0)
                return r;
        reader.settings = s = new0(AgentSettings, 1);
        if (!s)
                return -ENOMEM;
        r = read_all(&reader, root);
        if (r < 0)
                return r;
        if (reader.failed)
                return -EBADMSG;
        if (ret_mnemonic)
                *ret_mnemonic = TAKE_PTR(mnemonic);
        *ret = TAKE_PTR(s);
        return 0;
}

/* ---- writing */

static int write_item(const ConfigItem *item, const AgentSettings *s, bool all,
                const AgentSettings *defaults, Buffer *b) {
        _cleanup_buffer_ Buffer value = { .max = AGENT_SETTINGS_MAX },
                                usual = { .max = AGENT_SETTINGS_MAX };
        int r;

        r = item->type->write(field_of(item, s), &value);
        if (r >= 0)
                r = item->type->write(field_of(item, defaults), &usual);
        if (r < 0 || (!all && streq(value.data, usual.data)))
                return r;
        if (all)
                r = buffer_addf(b, "# %s\n", _(item->help));
        return r < 0 ? r : buffer_addf(b, "%s = %s\n", item->key, value.data);
}

/* A section without a key that differs is not written. */
static int write_section(const char *section, const AgentSettings *s, bool all,
                const AgentSettings *defaults, Buffer *ret) {
        _cleanup_buffer_ Buffer b = { .max = AGENT_SETTINGS_MAX };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(items); i++)
                if (streq(items[i].section, section))
                        r = write_item(&items[i], s, all, defaults, &b);
        if (r < 0 || b.size == 0)
                return r;
        if (!isempty(section))
                r = buffer_addf(ret, "\n[%s]\n", section);
        return r < 0 ? r : buffer_add(ret, b.data, b.size);
}

int agent_settings_write(const AgentSettings *s, bool all, Buffer *b) {
        _cleanup_(agent_settings_freep) AgentSettings *defaults = new0(AgentSettings, 1);
        const char *section = NULL;
        int r;

        r = defaults ? read_defaults(defaults) : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(items); i++) {
                if (section && streq(section, items[i].section))
                        continue;
                section = items[i].section;
                r = write_section(section, s, all, defaults, b);
        }
        return r;
}

int agent_settings_copy(const AgentSettings *s, AgentSettings **ret) {
        _cleanup_buffer_ Buffer b = { .max = AGENT_SETTINGS_MAX };
        int r;

        r = agent_settings_write(s, false, &b);
        if (r < 0)
                return r;
        return agent_settings_parse(b.data ?: "", b.size, NULL, NULL, ret, NULL);
}

/* ---- one value */

static const ConfigItem *find_by_path(const char *path) {
        const char *dot = strchr(path, '.');
        const ConfigItem *found = NULL;

        for (size_t i = 0; i < ELEMENTSOF(items); i++) {
                const ConfigItem *item = &items[i];

                if (dot && strlen(item->section) == (size_t) (dot - path) &&
                                strncmp(item->section, path, (size_t) (dot - path)) == 0 &&
                                streq(item->key, dot + 1))
                        return item;
                if (dot || !streq(item->key, path))
                        continue;
                if (isempty(item->section))
                        return item;
                found = found ? &items[0] : item; /* in two sections: which? */
        }
        return found == &items[0] ? NULL : found;
}

/* The value as TOML; else as a text, or a list of texts with commas between them. */
static int edit_value(const char *value, bool list, Buffer *b) {
        int r;

        r = buffer_add_string(b, list ? "value = [" : "value = ");
        for (bool more = !list || *value; r >= 0 && more;) {
                size_t n = list ? strcspn(value, ",") : strlen(value);

                more = value[n] != '\0';
                r = buffer_add(b, "\"", 1);
                for (size_t i = 0; r >= 0 && i < n; i++) {
                        if (value[i] == '"' || value[i] == '\\')
                                r = buffer_add(b, "\\", 1);
                        if (r >= 0 && value[i] == '\n')
                                r = buffer_add(b, "\\n", 2);
                        else if (r >= 0)
                                r = buffer_add(b, value + i, 1);
                }
                if (r >= 0)
                        r = buffer_add_string(b, more ? "\", " : "\"");
                value += n + (more ? 1 : 0);
                value += more && *value == ' ' ? 1 : 0;
        }
        return r < 0 || !list ? r : buffer_add(b, "]", 1);
}

static int try_value(const ConfigItem *item, AgentSettings *s, const char *text, size_t size) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        const TomlValue *culprit = NULL, *v;
        void *field = field_of(item, s);
        TomlError error;
        union {
                uint64_t number;
                void *pointer;
        } value = { 0 };
        int r;

        r = toml_parse(text, size, &root, &error);
        if (r < 0)
                return r == -EBADMSG ? -EINVAL : r;
        v = toml_get(root, "value");
        if (!v || toml_size(root) != 1)
                return -EINVAL;
        r = item->type->parse(item, v, &value, &culprit);
        if (r < 0) {
                item->type->done(&value);
                return r;
        }
        item->type->done(field);
        /* Read again, in its place: each type knows how large it is. */
        r = item->type->parse(item, v, field, &culprit);
        item->type->done(&value);
        return r;
}

int agent_settings_edit(AgentSettings *s, const AgentEdit *edit, char **reterr) {
        static const char *const fixed[] = { "name", "npub", "pubkey", "created_at" };
        _cleanup_buffer_ Buffer text = { .max = AGENT_SETTINGS_MAX }, words = { .max = REMARK_MAX };
        const ConfigItem *item = find_by_path(edit->key);
        int r;

        if (!item) {
                if (asprintf(reterr, _("there is no setting '%s' of an agent"), edit->key) < 0)
                        return -ENOMEM;
                return -ENOENT;
        }
        for (size_t i = 0; isempty(item->section) && i < ELEMENTSOF(fixed); i++)
                if (streq(fixed[i], item->key)) {
                        if (asprintf(reterr, _("'%s' cannot be changed"), item->key) < 0)
                                return -ENOMEM;
                        return -EPERM;
                }

        r = buffer_addf(&text, "value = %s", edit->value);
        if (r >= 0)
                r = try_value(item, s, text.data, text.size);
        for (int list = 0; r == -EINVAL && list < 2; list++) {
                buffer_clear(&text);
                r = edit_value(edit->value, list, &text);
                if (r >= 0)
                        r = try_value(item, s, text.data, text.size);
        }
        if (r != -EINVAL)
                return r;
        r = describe(item, &words);
        if (r < 0)
                return r;
        *reterr = buffer_take(&words, NULL);
        return *reterr ? -EINVAL : -ENOMEM;
}
