/* Reads a file of settings through the table in config.c. */
#include <stdio.h>

#include "basic/config-type.h"
#include "basic/file.h"
#include "basic/log.h"
#include "basic/text.h"

#define REMARK_MAX    512
#define DEFAULT_MAX   256
#define SUGGEST_EDITS 2 /* of a short name; one third of a longer one */

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

        CONFIG_FOREACH_ITEM (item)
                if (streq(item->section, section))
                        nearest_try(&n, item->key, item->section, item->key);
        CONFIG_FOREACH_ITEM (item)
                if (!config_list_find(item->section))
                        nearest_try(&n, item->key, item->section, item->key);

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
        bool listed = toml_type(v) == TOML_ARRAY;
        Nearest n = nearest_begin(section);
        char suggestion[128];

        CONFIG_FOREACH_ITEM (item)
                if (!isempty(item->section))
                        nearest_try(&n, item->section, item->section, NULL);
        if (n.section && config_list_find(n.section))
                (void) snprintf(suggestion, sizeof(suggestion), "[[%s]]", n.section);
        else
                (void) snprintf(suggestion, sizeof(suggestion), "[%s]", n.section ?: "");
        if (n.section)
                remark_at(reader, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                listed ? _("there is no section [[%s]], it is ignored; did you mean %s?")
                                       : _("there is no section [%s], it is ignored; did you mean %s?"),
                                section, suggestion);
        else
                remark_at(reader, CONFIG_WARNING, toml_line(v), toml_key_column(v),
                                listed ? _("there is no section [[%s]], it is ignored")
                                       : _("there is no section [%s], it is ignored"),
                                section);
}

static bool looks_like_section(const TomlValue *v) {
        return toml_type(v) == TOML_TABLE ||
               (toml_type(v) == TOML_ARRAY && toml_size(v) > 0 &&
                               toml_type(toml_at(v, 0, NULL)) == TOML_TABLE);
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

static int read_item(Reader *reader, const ConfigItem *item, void *base, const TomlValue *v) {
        void *field = config_item_field(item, base);
        const TomlValue *culprit = v;
        int r;

        item->type->done(field);
        r = item->type->parse(item, v, field, &culprit);
        if (r != -EINVAL)
                return r;
        refuse_value(reader, item, culprit);
        return 0;
}

static int read_default(Reader *reader, const ConfigItem *item, void *base) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        char text[DEFAULT_MAX];
        TomlError error;
        int r;

        if (!item->value)
                return 0;
        (void) snprintf(text, sizeof(text), "value = %s", item->value);
        r = toml_parse(text, strlen(text), &root, &error);
        assert(r != -EBADMSG);
        return r < 0 ? r : read_item(reader, item, base, toml_get(root, "value"));
}

static int read_key(Reader *reader, const char *section, const char *key, void *base,
                const TomlValue *v) {
        const ConfigItem *item = config_item_find(section, key);

        if (item)
                return read_item(reader, item, base, v);
        if (config_is_unused(section, key))
                remark_at(reader, CONFIG_NOTICE, toml_line(v), toml_key_column(v),
                                _("'%s' is known and has no effect in this version"), key);
        else
                unknown_key(reader, section, key, v);
        return 0;
}

static int read_section(Reader *reader, const char *section, void *base, const TomlValue *table) {
        const TomlValue *v;
        const char *key;
        int r;

        for (size_t i = 0; (v = toml_at(table, i, &key)); i++) {
                r = read_key(reader, section, key, base, v);
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
                r = read_section(reader, "backends.*", reader->config, v);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* What a row does not say has its default, or is missed. */
static int read_row_defaults(
                Reader *reader, const ConfigList *list, void *row, const TomlValue *table) {
        CONFIG_FOREACH_ITEM (item) {
                int r;

                if (!streq(item->section, list->name))
                        continue;
                if (!item->value && !toml_get(table, item->key))
                        remark_at(reader, CONFIG_ERROR, toml_line(table), toml_column(table),
                                        _("this [[%s]] has no '%s', and needs one"), list->name,
                                        item->key);
                r = read_default(reader, item, row);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void refuse_twin(Reader *reader, const ConfigList *list, size_t i, const TomlValue *table) {
        const ConfigItem *item = config_item_find(list->name, list->unique);
        const char *text = *(char **) config_item_field(
                        item, config_list_row(list, reader->config, i));

        for (size_t k = 0; text && k < i; k++) {
                const char *other = *(char **) config_item_field(
                                item, config_list_row(list, reader->config, k));

                if (other && streq(text, other)) {
                        const TomlValue *v = toml_get(table, list->unique);

                        remark_at(reader, CONFIG_ERROR, toml_line(v), toml_column(v),
                                        _("there is a [[%s]] with the %s '%s' already"), list->name,
                                        list->unique, text);
                        return;
                }
        }
}

static int read_list(Reader *reader, const ConfigList *list, const TomlValue *v) {
        ConfigRows *rows = config_list_rows(list, reader->config);
        size_t n = toml_size(v);
        int r;

        if (toml_type(v) != TOML_ARRAY || n > list->max) {
                remark_at(reader, CONFIG_ERROR, toml_line(v), toml_column(v),
                                _("'%s' is a list: write [[%s]] and its settings below, at most %zu times"),
                                list->name, list->name, list->max);
                return 0;
        }

        rows->rows = calloc(MAX(n, (size_t) 1), list->row_size);
        if (!rows->rows)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const TomlValue *table = toml_at(v, i, NULL);

                if (toml_type(table) != TOML_TABLE) {
                        remark_at(reader, CONFIG_ERROR, toml_line(table), toml_column(table),
                                        _("each of '%s' must be a section of its own, [[%s]]"),
                                        list->name, list->name);
                        continue;
                }
                rows->n_rows = i + 1;
                r = read_row_defaults(
                                reader, list, config_list_row(list, reader->config, i), table);
                if (r >= 0)
                        r = read_section(reader, list->name,
                                        config_list_row(list, reader->config, i), table);
                if (r < 0)
                        return r;
                if (list->unique)
                        refuse_twin(reader, list, i, table);
        }
        return 0;
}

static int read_top(Reader *reader, const char *key, const TomlValue *v) {
        bool backends = streq(key, "backends") && toml_type(v) != TOML_ARRAY,
             section = backends || config_is_section(key);

        if (config_list_find(key))
                return read_list(reader, config_list_find(key), v);
        if (section && toml_type(v) != TOML_TABLE) {
                remark_at(reader, CONFIG_ERROR, toml_line(v), toml_column(v),
                                _("'%s' is a section: write [%s] and its settings below"), key,
                                key);
                return 0;
        }
        if (backends)
                return read_backends(reader, v);
        if (section)
                return read_section(reader, key, reader->config, v);
        if (looks_like_section(v) && !config_item_find("", key)) {
                unknown_section(reader, key, v);
                return 0;
        }
        return read_key(reader, "", key, reader->config, v);
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

        CONFIG_FOREACH_ITEM (item) {
                if (config_list_find(item->section))
                        continue;
                r = read_default(reader, item, reader->config);
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
