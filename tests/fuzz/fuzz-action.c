/* mind/action: what is taken for an action is written canonically, and reads as the same again. */
#include "basic/text.h"
#include "mind/action.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(action_freep) Action *a = NULL, *again = NULL;
        _cleanup_free_ char *text = NULL, *same = NULL, *line = NULL;
        const char *reason = NULL;

        if (action_parse_text((const char *) data, size, &a, &reason) < 0) {
                assert(reason);
                return 0;
        }
        assert(action_json(a, &text) >= 0);
        assert(action_parse_text(text, strlen(text), &again, &reason) >= 0);
        assert(action_json(again, &same) >= 0 && streq(text, same));
        assert(action_describe(a, &line) >= 0);
        assert(utf8_is_valid(line, strlen(line)));
        for (const char *p = line; *p; p++)
                assert((unsigned char) *p >= 0x20);
        return 0;
}
