/* Any bytes as config.toml: settings or remarks, and what was read can be written and read again.
 */
#include "basic/config.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_errors(const ConfigRemark *remark, void *userdata) {
        assert(remark->text && *remark->text);
        *(unsigned *) userdata += remark->severity == CONFIG_ERROR;
}

static void write_all_items(const Config *c, Buffer *b) {
        const char *section = "";
        const ConfigItem *item;

        for (size_t i = 0; (item = config_item_at(i)); i++) {
                if (strcmp(section, config_item_section(item)) != 0) {
                        section = config_item_section(item);
                        assert(buffer_addf(b, "[%s]\n", section) >= 0);
                }
                assert(buffer_addf(b, "%s = ", config_item_key(item)) >= 0);
                assert(config_item_write(item, c, b) >= 0);
                assert(buffer_add_string(b, "\n") >= 0);
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
