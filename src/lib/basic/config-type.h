#pragma once
/* The types a setting may have: how each is read from TOML, written, freed, and described to the
 * person who wrote something else. */
#include "basic/config.h"
#include "basic/toml.h"

typedef struct ConfigType ConfigType;

struct ConfigItem {
        const char *section, *key;
        const ConfigType *type;
        size_t offset;
        const char *value; /* the default as TOML; NULL: depends on others, config.c finds it. In a
                            * list of sections NULL means that the key must be there */
        int64_t min, max;  /* numbers and spans; the length of a text, the number of a list */
        const char *help;
};

struct ConfigType {
        const char *allowed; /* fits after "must be" */
        /* Fills the field, which holds nothing yet. -EINVAL with the culprit, -ENOMEM. */
        int (*parse)(const ConfigItem *item, const TomlValue *v, void *field,
                        const TomlValue **ret_culprit);
        int (*write)(const void *field, Buffer *b);
        void (*done)(void *field);
        bool (*check)(const char *text);           /* of a text, or of each in a list */
        int (*write_bound)(uint64_t n, Buffer *b); /* NULL: min and max are not worth a word */
};

/* A list of sections: its items have its name as section, and offsets into a row. */
typedef struct ConfigList {
        const char *name;
        size_t offset; /* of its ConfigRows */
        size_t row_size, max;
        const char *unique; /* no two rows have the same text in this key; NULL: they may */
} ConfigList;

/* The tables, in config.c. */
#define CONFIG_FOREACH_ITEM(item) \
        for (const ConfigItem *item = config_item_at(0); item; item = config_item_next(item))
const ConfigItem *config_item_next(const ConfigItem *item);
const ConfigItem *config_item_find(const char *section, const char *key);
const ConfigList *config_list_find(const char *name);
bool config_is_unused(const char *section, const char *key);
bool config_is_section(const char *section);
void *config_item_field(const ConfigItem *item, const void *base);
ConfigRows *config_list_rows(const ConfigList *l, const Config *c);
void *config_list_row(const ConfigList *l, const Config *c, size_t i);

extern const ConfigType config_backend_type, config_bid, config_boolean, config_count,
                config_driver, config_http_url, config_wallet_url, config_kinds, config_level,
                config_lines, config_listen, config_msats, config_name, config_network,
                config_origins, config_pairs, config_path, config_proxy, config_relays, config_size,
                config_span, config_switch, config_text, config_words;
extern const ConfigType config_keys, config_trust;
