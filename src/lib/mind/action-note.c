/* Notes in public: writing one, answering one, a reaction, whom to follow. */
#include "mind/action-private.h"

#define WRONG_TEXT  "its text is empty, too long, or has control characters"
#define WRONG_EVENT "\"to\" is no id of an event"

static int describe_post(const Action *a, Buffer *b) {
        int r;

        r = buffer_add_string(b, _("Publish the note "));
        return r < 0 ? r : describe_quote(b, a->text);
}

static int describe_to_text(const Action *a, Buffer *b, const char *verb) {
        int r;

        r = buffer_addf(b, "%s ", verb);
        if (r >= 0)
                r = describe_to(b, a);
        if (r >= 0)
                r = buffer_add_string(b, ": ");
        return r < 0 ? r : describe_quote(b, a->text);
}

static int describe_reply(const Action *a, Buffer *b) {
        return describe_to_text(a, b, _("Answer in public to"));
}

static int describe_react(const Action *a, Buffer *b) {
        return describe_to_text(a, b, _("React to"));
}

static int describe_follow(const Action *a, Buffer *b) {
        int r;

        r = buffer_add_string(b, a->on ? _("Follow ") : _("No longer follow "));
        return r < 0 ? r : describe_to(b, a);
}

/* clang-format off */
const ActionClass action_post = {
        .name = "post",
        .help = "publishes a short note that everybody can read",
        .fields = {
                { "text", FIELD_TEXT, offsetof(Action, text), true, 0, ACTION_TEXT_MAX, "\"…\"", WRONG_TEXT },
        },
        .describe = describe_post,
};

const ActionClass action_reply = {
        .name = "reply",
        .help = "answers in public; \"to\" is the id of an observation",
        .fields = {
                { "to", FIELD_EVENT, 0, true, 0, 0, "\"ID\"", WRONG_EVENT },
                { "text", FIELD_TEXT, offsetof(Action, text), true, 0, ACTION_TEXT_MAX, "\"…\"", WRONG_TEXT },
        },
        .describe = describe_reply,
};

const ActionClass action_react = {
        .name = "react",
        .help = "reacts to a note: \"+\", \"-\" or one emoji; \"to\" is the id of an observation",
        .fields = {
                { "to", FIELD_EVENT, 0, true, 0, 0, "\"ID\"", WRONG_EVENT },
                { "content", FIELD_LINE, offsetof(Action, text), true, 0, ACTION_REACTION_MAX, "\"+\"",
                  "a reaction's content is \"+\", \"-\" or one emoji" },
        },
        .describe = describe_react,
};

const ActionClass action_follow = {
        .name = "follow",
        .help = "follows somebody in public, or with false no longer",
        .fields = {
                { "who", FIELD_KEY, 0, true, 0, 0, "\"NPUB\"", "\"who\" is no npub and no public key in hex" },
                { "on", FIELD_BOOL, offsetof(Action, on), true, 0, 0, "true|false", "\"on\" is neither true nor false" },
        },
        .describe = describe_follow,
};
/* clang-format on */
