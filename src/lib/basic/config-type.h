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
        const char *value; /* the default as TOML; NULL: depends on others, config.c finds it */
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

extern const ConfigType config_boolean, config_count, config_kinds, config_level, config_listen,
                config_msats, config_network, config_origins, config_path, config_relays,
                config_size, config_span, config_switch, config_text, config_words;
