/* Memory: what the agent wants to know later. */
#include "mind/action-private.h"

static int describe_remember(const Action *a, Buffer *b) {
        int r;

        r = buffer_add_string(b, _("Remember "));
        return r < 0 ? r : describe_quote(b, a->text);
}

static int describe_forget(const Action *a, Buffer *b) {
        return buffer_addf(b, _("Forget memory %s"), a->id);
}

/* clang-format off */
const ActionClass action_remember = {
        .name = "remember",
        .help = "keeps something for later ticks; you forget everything else",
        .fields = {
                { "text", FIELD_TEXT, offsetof(Action, text), true, 0, MEMORY_TEXT_MAX, "\"…\"",
                  "the memory's text is empty, too long, or has control characters" },
        },
        .describe = describe_remember,
};

const ActionClass action_forget = {
        .name = "forget",
        .help = "removes one of your memories",
        .fields = {
                { "id", FIELD_ID, offsetof(Action, id), true, 0, 0, "\"ID\"", "\"id\" is no id of a memory" },
        },
        .describe = describe_forget,
};
/* clang-format on */
