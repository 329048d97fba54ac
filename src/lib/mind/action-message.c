/* Words for one reader: a private message, a question to the owner. */
#include "mind/action-private.h"

#define WRONG_TEXT "its text is empty, too long, or has control characters"

static int describe_dm(const Action *a, Buffer *b) {
        int r;

        r = buffer_add_string(b, _("Write in private to "));
        if (r >= 0)
                r = describe_to(b, a);
        if (r >= 0)
                r = buffer_add_string(b, ": ");
        return r < 0 ? r : describe_quote(b, a->text);
}

static int describe_ask(const Action *a, Buffer *b) {
        int r;

        r = buffer_add_string(b, _("Ask the owner: "));
        return r < 0 ? r : describe_quote(b, a->text);
}

/* clang-format off */
const ActionClass action_dm = {
        .name = "dm",
        .help = "writes to somebody in private",
        .fields = {
                { "to", FIELD_KEY, 0, true, 0, 0, "\"NPUB\"", "\"to\" is no npub and no public key in hex" },
                { "text", FIELD_TEXT, offsetof(Action, text), true, 0, ACTION_TEXT_MAX, "\"…\"", WRONG_TEXT },
        },
        .describe = describe_dm,
};

const ActionClass action_ask = {
        .name = "ask",
        .help = "asks your owner something, or tells them",
        .fields = {
                { "text", FIELD_TEXT, offsetof(Action, text), true, 0, ACTION_TEXT_MAX, "\"…\"", WRONG_TEXT },
        },
        .describe = describe_ask,
};
/* clang-format on */
