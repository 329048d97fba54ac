/* The table of all settings, and what reads a file through it. */
#include "basic/config.h"

#include <stdio.h>

#include "basic/config-type.h"
#include "basic/file.h"
#include "basic/log.h"
#include "basic/text.h"

#define REMARK_MAX    512
#define DEFAULT_MAX   256
#define SUGGEST_EDITS 2 /* of a short name; one third of a longer one */

#define AT(field)     offsetof(Config, field)

/* clang-format off */
static const ConfigItem items[] = {
        { "", "name",               &config_text,    AT(name),               "\"Pylon\"",          0, 128,
          N_("The name under which the provider announces itself.") },
        { "", "description",        &config_text,    AT(description),        "\"\"",               0, 1024,
          N_("One sentence about this provider, for its announcement.") },
        { "", "relays",             &config_relays,  AT(relays),             NULL,                 0, 64,
          N_("The relays. Unset: the local relay on regtest, else two well-known public ones.") },
        { "", "min_price_msats",    &config_msats,   AT(min_price_msats),    "1000",               0, INT64_C(2100000000000000000),
          N_("The lowest price of a job, in millisats.") },
        { "", "require_payment",    &config_boolean, AT(require_payment),    "true",               0, 0,
          N_("Whether a job must be paid before it runs; false: jobs are free.") },
        { "", "default_model",      &config_text,    AT(default_model),      "\"llama3.2\"",       0, 128,
          N_("The model for requests that name none.") },
        { "", "backend_preference", &config_words,   AT(backend_preference), "[\"ollama\", \"llamacpp\", \"apple_fm\"]", 0, 16,
          N_("Which backend to prefer where several serve a kind, the best first.") },
        { "", "data_dir",           &config_path,    AT(data_dir),           "\"\"",               0, 256,
          N_("Where databases, seeds, sockets and the log live; \"\": ~/.openagents/pylon.") },
        { "", "network",            &config_network, AT(network),            "\"regtest\"",        0, 0,
          N_("The Bitcoin network: mainnet, testnet, signet or regtest.") },
        { "", "enable_payments",    &config_boolean, AT(enable_payments),    "true",               0, 0,
          N_("Whether this machine pays and is paid at all.") },

        { "provider", "max_concurrent_jobs", &config_count, AT(provider.max_concurrent_jobs), "4",         1, 1024,
          N_("How many jobs run at the same time.") },
        { "provider", "queue_max",           &config_count, AT(provider.queue_max),           "10000",     1, 1000000,
          N_("How many jobs may wait; more are refused.") },
        { "provider", "per_customer_max",    &config_count, AT(provider.per_customer_max),    "100",       1, 1000000,
          N_("How many jobs of one customer may be open at the same time.") },
        { "provider", "job_timeout",         &config_span,  AT(provider.job_timeout),         "\"5min\"",  SEC, 24 * HOUR,
          N_("How long one job may run.") },
        { "provider", "accept_age",          &config_span,  AT(provider.accept_age),          "\"15min\"", SEC, 7 * 24 * HOUR,
          N_("How old a request may be when it arrives.") },
        { "provider", "drain_timeout",       &config_span,  AT(provider.drain_timeout),       "\"30s\"",   0, HOUR,
          N_("How long running jobs are waited for when the provider stops.") },
        { "provider", "kinds",               &config_kinds, AT(provider.kinds),               "[]",        0, 0,
          N_("The job kinds to serve; []: all that a backend can.") },

        { "pow", "max_bits", &config_count, AT(pow.max_bits), "28", 1, 64,
          N_("The highest proof-of-work difficulty that is accepted (kind 5970).") },
        { "pow", "workers",  &config_count, AT(pow.workers),  "0",  0, 1024,
          N_("How many cores mine; 0: those that are spare.") },

        { "relay", "local",           &config_switch,  AT(relay.local),           "\"auto\"",             0, 0,
          N_("Whether to serve a relay for this machine; \"auto\": while network is regtest.") },
        { "relay", "listen",          &config_listen,  AT(relay.listen),          "\"127.0.0.1:7447\"",   0, 64,
          N_("Where the local relay listens; a loopback address.") },
        { "relay", "allowed_origins", &config_origins, AT(relay.allowed_origins), "[]",                   0, 64,
          N_("The web origins that may use the local relay.") },
        { "relay", "ca_file",         &config_path,    AT(relay.ca_file),         "\"\"",                 0, 4096,
          N_("Certificates that relays are checked against; \"\": the system's.") },
        { "relay", "outbox_max",      &config_count,   AT(relay.outbox_max),      "100000",               1, 10000000,
          N_("How many events may wait to be accepted by relays.") },

        { "log", "level",    &config_level, AT(log.level),    "\"info\"", 0, 16,
          N_("What is logged: err, warning, notice, info or debug.") },
        { "log", "max_size", &config_size,  AT(log.max_size), "\"10M\"",  INT64_C(4096), INT64_C(1) << 40,
          N_("How large pylon.log grows before it is moved to pylon.log.1.") },

        { "host", "auto_start_agents", &config_boolean, AT(host.auto_start_agents), "true", 0, 0,
          N_("Whether agents become active when host mode starts.") },
};

/* Keys of the original Pylon that are understood, and have no effect in this version. */
static const struct { const char *section, *key; } unused[] = {
        { "", "spark_url" }, { "", "spark_token" },
        { "provider", "default_model" }, { "host", "agent_log_dir" },
        { "pricing", "base_rate_msats_per_token" }, { "pricing", "model_multipliers" },
        { "backends.*", "url" }, { "backends.*", "enabled" },
        { "codex", "enabled" }, { "codex", "model" }, { "codex", "autonomy" },
        { "codex", "approval_required_tools" }, { "codex", "allowed_tools" },
        { "codex", "blocked_tools" }, { "codex", "max_cost_usd" }, { "codex", "cwd" },
        { "codex", "executable_path" },
};
/* clang-format on */

typedef struct Reader {
        config_remark_t remark;
        void *userdata;
        Config *config;
        bool failed;
} Reader;

static void remark_at(Reader *reader, ConfigSeverity severity, unsigned line, unsigned column,
                const char *format, ...) _printf_(5, 6);
static void remark_at(Reader *reader, ConfigSeverity severity, unsigned line, unsigned column,
                const char *format, ...) {
        char text[REMARK_MAX];
        va_list ap;

        if (severity == CONFIG_ERROR)
                reader->failed = true;
        if (!reader->remark)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        reader->remark(&(ConfigRemark){ severity, line, column, text }, reader->userdata);
}

static void *item_field(const ConfigItem *item, const Config *c) {
        return (char *) c + item->offset;
}

static const ConfigItem *find_item(const char *section, const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (streq(items[i].section, section) && streq(items[i].key, key))
                        return &items[i];
        return NULL;
}

static bool is_unused(const char *section, const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(unused); i++)
                if (streq(unused[i].section, section) && streq(unused[i].key, key))
                        return true;
        return false;
}

static bool is_section(const char *section) {
        if (isempty(section) || strchr(section, '*'))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (streq(items[i].section, section))
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(unused); i++)
                if (streq(unused[i].section, section))
                        return true;
        return false;
}

/* The known name which is nearest to what was written, if it is near at all. */
typedef struct Nearest {
        const char *written, *section, *key;
        size_t distance;
} Nearest;

static void nearest_try(Nearest *n, const char *name, const char *section, const char *key) {
        size_t distance = edit_distance(n->written, name);

        if (distance < n->distance)
                *n = (Nearest){ n->written, section, key, distance };
}

static Nearest nearest_begin(const char *written) {
        return (Nearest){ .written = written,
                .distance = MAX((size_t) SUGGEST_EDITS, strlen(written) / 3) + 1 };
}

static void unknown_key(Reader *reader, const char *section, const char *key, const TomlValue *v) {
        Nearest n = nearest_begin(key);

        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (streq(items[i].section, section))
                        nearest_try(&n, items[i].key, items[i].section, items[i].key);
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                nearest_try(&n, items[i].key, items[i].section, items[i].key);

        if (!n.key)
                remark_at(reader, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                _("there is no setting '%s' here, it is ignored"), key);
        else if (streq(n.section, section))
                remark_at(reader, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                _("there is no setting '%s' here, it is ignored; did you mean '%s'?"),
                                key, n.key);
        else if (isempty(n.section))
                remark_at(reader, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                _("there is no setting '%s' here, it is ignored; did you mean '%s' before the first section?"),
                                key, n.key);
        else
                remark_at(reader, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                _("there is no setting '%s' here, it is ignored; did you mean '%s' in [%s]?"),
                                key, n.key, n.section);
}

static void unknown_section(Reader *reader, const char *section, const TomlValue *v) {
        Nearest n = nearest_begin(section);

        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (!isempty(items[i].section))
                        nearest_try(&n, items[i].section, items[i].section, NULL);
        if (n.section)
                remark_at(reader, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                _("there is no section [%s], it is ignored; did you mean [%s]?"),
                                section, n.section);
        else
                remark_at(reader, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                _("there is no section [%s], it is ignored"), section);
}

static void refuse_value(Reader *reader, const ConfigItem *item, const TomlValue *culprit) {
        _cleanup_buffer_ Buffer min = { .max = 64 }, max = { .max = 64 };
        const ConfigType *type = item->type;

        if (type->write_bound && type->write_bound((uint64_t) item->min, &min) >= 0 &&
                        type->write_bound((uint64_t) item->max, &max) >= 0)
                remark_at(reader, CONFIG_ERROR, toml_line(culprit), toml_column(culprit),
                                _("'%s' must be %s, from %s to %s"), item->key, _(type->allowed),
                                min.data, max.data);
        else
                remark_at(reader, CONFIG_ERROR, toml_line(culprit), toml_column(culprit),
                                _("'%s' must be %s"), item->key, _(type->allowed));
}

static int read_item(Reader *reader, const ConfigItem *item, const TomlValue *v) {
        void *field = item_field(item, reader->config);
        const TomlValue *culprit = v;
        int r;

        item->type->done(field);
        r = item->type->parse(item, v, field, &culprit);
        if (r != -EINVAL)
                return r;
        refuse_value(reader, item, culprit);
        return 0;
}

static int read_default(Reader *reader, const ConfigItem *item) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        char text[DEFAULT_MAX];
        TomlError error;
        int r;

        if (!item->value)
                return 0;
        (void) snprintf(text, sizeof(text), "value = %s", item->value);
        r = toml_parse(text, strlen(text), &root, &error);
        assert(r != -EBADMSG);
        return r < 0 ? r : read_item(reader, item, toml_get(root, "value"));
}

static int read_key(Reader *reader, const char *section, const char *key, const TomlValue *v) {
        const ConfigItem *item = find_item(section, key);

        if (item)
                return read_item(reader, item, v);
        if (is_unused(section, key))
                remark_at(reader, CONFIG_NOTICE, toml_line(v), toml_key_column(v),
                                _("'%s' is known and has no effect in this version"), key);
        else
                unknown_key(reader, section, key, v);
        return 0;
}

static int read_section(Reader *reader, const char *section, const TomlValue *table) {
        const TomlValue *v;
        const char *key;
        int r;

        for (size_t i = 0; (v = toml_at(table, i, &key)); i++) {
                r = read_key(reader, section, key, v);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* [backends.ID]: the names are the user's. */
static int read_backends(Reader *reader, const TomlValue *table) {
        const TomlValue *v;
        const char *id;
        int r;

        for (size_t i = 0; (v = toml_at(table, i, &id)); i++) {
                if (toml_type(v) != TOML_TABLE) {
                        remark_at(reader, CONFIG_ERROR, toml_line(v), toml_column(v),
                                        _("'%s' must be a section of its own, [backends.%s]"), id,
                                        id);
                        continue;
                }
                r = read_section(reader, "backends.*", v);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_top(Reader *reader, const char *key, const TomlValue *v) {
        bool backends = streq(key, "backends"), section = backends || is_section(key);

        if (section && toml_type(v) != TOML_TABLE) {
                remark_at(reader, CONFIG_ERROR, toml_line(v), toml_column(v),
                                _("'%s' is a section: write [%s] and its settings below"), key,
                                key);
                return 0;
        }
        if (backends)
                return read_backends(reader, v);
        if (section)
                return read_section(reader, key, v);
        if (toml_type(v) == TOML_TABLE && !find_item("", key)) {
                unknown_section(reader, key, v);
                return 0;
        }
        return read_key(reader, "", key, v);
}

static int default_relays(Config *c) {
        static const char *const public[] = { "wss://relay.damus.io", "wss://nos.lol" };
        char local[128];
        int r;

        if (c->relays)
                return 0;
        if (c->network == NETWORK_REGTEST) {
                (void) snprintf(local, sizeof(local), "ws://%s", c->relay.listen);
                return strv_add(&c->relays, local);
        }
        for (size_t i = 0; i < ELEMENTSOF(public); i++) {
                r = strv_add(&c->relays, public[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_all(Reader *reader, const TomlValue *root) {
        const TomlValue *v;
        const char *key;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(items); i++) {
                r = read_default(reader, &items[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; (v = toml_at(root, i, &key)); i++) {
                r = read_top(reader, key, v);
                if (r < 0)
                        return r;
        }
        return reader->failed ? -EBADMSG : default_relays(reader->config);
}

int config_parse(const char *text, size_t size, config_remark_t remark, void *userdata,
                Config **ret) {
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_(toml_freep) TomlValue *root = NULL;
        TomlError error = { 0 };
        Reader reader = { .remark = remark, .userdata = userdata };
        int r;

        r = toml_parse(text, size, &root, &error);
        if (r == -EBADMSG)
                remark_at(&reader, CONFIG_ERROR, error.line, error.column, "%s", _(error.reason));
        if (r < 0)
                return r;

        reader.config = c = new0(Config, 1);
        if (!c)
                return -ENOMEM;
        r = read_all(&reader, root);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int config_load(const char *path, config_remark_t remark, void *userdata, Config **ret) {
        Reader reader = { .remark = remark, .userdata = userdata };
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        r = read_whole(path, TOML_SIZE_MAX, &text, &size);
        if (r < 0 && r != -ENOENT) {
                remark_at(&reader, CONFIG_ERROR, 0, 0, _("the file could not be read: %s"),
                                strerror(-r));
                return r;
        }
        return config_parse(text ?: "", size, remark, userdata, ret);
}

static void log_remark(const ConfigRemark *remark, void *userdata) {
        static const int levels[_CONFIG_SEVERITY_MAX] = {
                [CONFIG_ERROR] = LOG_ERR,
                [CONFIG_WARNING] = LOG_WARNING,
                [CONFIG_NOTICE] = LOG_NOTICE,
        };
        const char *path = userdata;

        log_event(levels[remark->severity], LOG_ID_CONFIG_INVALID, LOG_FIELDS("PYLON_FILE", path),
                        "%s:%u:%u: %s.", path, remark->line, remark->column, remark->text);
}

int config_load_logged(const char *path, Config **ret) {
        return config_load(path, log_remark, (void *) path, ret);
}

Config *config_free(Config *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                items[i].type->done(item_field(&items[i], c));
        free(c);
        return NULL;
}

bool config_local_relay(const Config *c) {
        return c->relay.local == SWITCH_YES ||
               (c->relay.local == SWITCH_AUTO && c->network == NETWORK_REGTEST);
}

const ConfigItem *config_item_at(size_t i) {
        return i < ELEMENTSOF(items) ? &items[i] : NULL;
}

const char *config_item_section(const ConfigItem *item) {
        return item->section;
}

const char *config_item_key(const ConfigItem *item) {
        return item->key;
}

const char *config_item_default(const ConfigItem *item) {
        return item->value ?: "";
}

const char *config_item_help(const ConfigItem *item) {
        return _(item->help);
}

int config_item_write(const ConfigItem *item, const Config *c, Buffer *b) {
        return item->type->write(item_field(item, c), b);
}
