/* Any bytes as a TOML file: a tree or a reason, and the tree can be walked. */
#include "basic/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const TomlValue *v) {
        size_t n = 1 + toml_line(v) + toml_column(v);
        const TomlValue *item;
        const char *key, *text;

        (void) toml_bytes(v, &text, &n);
        for (size_t i = 0; (item = toml_at(v, i, &key)); i++)
                n += walk(item) + (key ? strlen(key) : 0);
        return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(toml_freep) TomlValue *root = NULL;
        TomlError error = { 0 };

        if (toml_parse((const char *) data, size, &root, &error) >= 0)
                (void) walk(root);
        else
                assert(error.reason && error.line > 0 && error.column > 0);
        return 0;
}
