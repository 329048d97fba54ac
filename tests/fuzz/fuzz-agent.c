/* Any bytes as an agent's file: settings or remarks, and what was read can be written and read
 * again, whole or without its defaults. */
#include "settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_errors(const ConfigRemark *remark, void *userdata) {
        assert(remark->text && *remark->text);
        *(unsigned *) userdata += remark->severity == CONFIG_ERROR;
}

static void write_again(const AgentSettings *s, bool all) {
        _cleanup_buffer_ Buffer once = { .max = 1 << 20 }, twice = { .max = 1 << 20 };
        _cleanup_(agent_settings_freep) AgentSettings *again = NULL;
        unsigned errors = 0;

        if (agent_settings_write(s, all, &once) < 0) /* longer than a file may be */
                return;
        assert(agent_settings_parse(once.data ?: "", once.size, count_errors, &errors, &again,
                               NULL) >= 0);
        assert(errors == 0);
        assert(agent_settings_write(again, all, &twice) >= 0);
        assert(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(agent_settings_freep) AgentSettings *s = NULL;
        _cleanup_(secret_freep) Secret *mnemonic = NULL;
        unsigned errors = 0;
        int r;

        r = agent_settings_parse((const char *) data, size, count_errors, &errors, &s, &mnemonic);
        assert((r < 0) == (errors > 0));
        if (r < 0)
                return 0;
        assert(agent_name_is_valid(s->name));
        write_again(s, false);
        write_again(s, true);
        return 0;
}
