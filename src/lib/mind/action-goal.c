/* Goals: what the agent lives for, by itself added, moved on and closed. */
#include <inttypes.h>

#include "mind/action-private.h"

#define WRONG_ID       "\"id\" is no id of a goal"
#define WRONG_TEXT     "the goal's text is empty, too long, or has control characters"
#define WRONG_PRIORITY "a goal's priority is a number from 0 to 9"

static int check_update(Action *a, const char **reterr) {
        if (a->text || a->priority >= 0 || a->progress >= 0)
                return 0;
        *reterr = "it changes nothing of the goal";
        return -EBADMSG;
}

static int describe_add(const Action *a, Buffer *b) {
        int r;

        r = buffer_add_string(b, _("Add the goal "));
        return r < 0 ? r : describe_quote(b, a->text);
}

static int describe_update(const Action *a, Buffer *b) {
        int r;

        r = buffer_addf(b, _("Change goal %s"), a->id);
        if (r >= 0 && a->progress >= 0)
                r = buffer_addf(b, _(", progress %" PRIi64 " %%"), a->progress);
        if (r >= 0 && a->priority >= 0)
                r = buffer_addf(b, _(", priority %" PRIi64), a->priority);
        if (r >= 0 && a->text)
                r = buffer_add_string(b, ": ");
        return r >= 0 && a->text ? describe_quote(b, a->text) : r;
}

static int describe_close(const Action *a, Buffer *b) {
        return buffer_addf(b, streq(a->status, "done") ? _("Goal %s is done") : _("Drop goal %s"),
                        a->id);
}

/* clang-format off */
const ActionClass action_goal_add = {
        .name = "goal_add",
        .help = "adds a goal to yours",
        .fields = {
                { "text", FIELD_TEXT, offsetof(Action, text), true, 0, GOAL_TEXT_MAX, "\"…\"", WRONG_TEXT },
                { "priority", FIELD_NUMBER, offsetof(Action, priority), false, 0, ACTION_PRIORITY_MAX, "0-9", WRONG_PRIORITY },
        },
        .describe = describe_add,
};

const ActionClass action_goal_update = {
        .name = "goal_update",
        .help = "changes one of your goals",
        .fields = {
                { "id", FIELD_ID, offsetof(Action, id), true, 0, 0, "\"ID\"", WRONG_ID },
                { "progress", FIELD_NUMBER, offsetof(Action, progress), false, 0, 100, "0-100", "progress is a number from 0 to 100" },
                { "text", FIELD_TEXT, offsetof(Action, text), false, 0, GOAL_TEXT_MAX, "\"…\"", WRONG_TEXT },
                { "priority", FIELD_NUMBER, offsetof(Action, priority), false, 0, ACTION_PRIORITY_MAX, "0-9", WRONG_PRIORITY },
        },
        .check = check_update,
        .describe = describe_update,
};

const ActionClass action_goal_close = {
        .name = "goal_close",
        .help = "ends one of your goals",
        .fields = {
                { "id", FIELD_ID, offsetof(Action, id), true, 0, 0, "\"ID\"", WRONG_ID },
                { "status", FIELD_CHOICE, offsetof(Action, status), true, 0, 0, "done|dropped", "a goal ends as \"done\" or \"dropped\"" },
        },
        .describe = describe_close,
};
/* clang-format on */
