/* Any bytes as config.toml: settings or remarks, and what was read can be written and read again.
 */
#include "basic/config.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_errors(const ConfigRemark *remark, void *userdata) {
        assert(remark->text && *remark->text);
        *(unsigned *) userdata += remark->severity == CONFIG_ERROR;
}

static void write_section(const Config *c, size_t first, size_t row, Buffer *b) {
        const char *section = config_item_section(config_item_at(first));
        const ConfigItem *item;

        for (size_t i = first; (item = config_item_at(i)); i++) {
                if (strcmp(section, config_item_section(item)) != 0)
                        break;
                assert(buffer_addf(b, "%s = ", config_item_key(item)) >= 0);
                assert(config_item_write(item, c, row, b) >= 0);
                assert(buffer_add_string(b, "\n") >= 0);
        }
}

static void write_all_items(const Config *c, Buffer *b) {
        const char *section = NULL;
        const ConfigItem *item;

        for (size_t i = 0; (item = config_item_at(i)); i++) {
                if (section && strcmp(section, config_item_section(item)) == 0)
                        continue;
                section = config_item_section(item);
                for (size_t row = 0; row < config_item_n_rows(item, c); row++) {
                        if (*section)
                                assert(buffer_addf(b,
                                                       config_item_is_listed(item) ? "[[%s]]\n"
                                                                                   : "[%s]\n",
                                                       section) >= 0);
                        write_section(c, i, row, b);
                }
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ Buffer once = { .max = 1 << 20 }, twice = { .max = 1 << 20 };
        _cleanup_(config_freep) Config *c = NULL, *again = NULL;
        unsigned errors = 0;
        int r;

        r = config_parse((const char *) data, size, count_errors, &errors, &c);
        assert((r < 0) == (errors > 0));
        if (r < 0)
                return 0;

        write_all_items(c, &once);
        assert(config_parse(once.data, once.size, count_errors, &errors, &again) >= 0);
        write_all_items(again, &twice);
        assert(strcmp(once.data, twice.data) == 0);
        return 0;
}
