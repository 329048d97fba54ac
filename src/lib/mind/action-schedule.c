/* When to wake up next, and doing nothing until then. */
#include <inttypes.h>

#include "mind/action-private.h"

#define WRONG "a time is a whole number of seconds from 60 to 604800"

static int check_schedule(Action *a, const char **reterr) {
        if ((a->in_seconds >= 0) != (a->heartbeat_seconds >= 0))
                return 0;
        *reterr = "it says either \"in_seconds\" or \"heartbeat_seconds\"";
        return -EBADMSG;
}

static int describe_schedule(const Action *a, Buffer *b) {
        return a->in_seconds >= 0 ? buffer_addf(b, _("Wake up in %" PRIi64 " s"), a->in_seconds)
                                  : buffer_addf(b, _("Wake up every %" PRIi64 " s"),
                                                    a->heartbeat_seconds);
}

static int describe_nothing(_unused_ const Action *a, Buffer *b) {
        return buffer_add_string(b, _("Do nothing"));
}

/* clang-format off */
const ActionClass action_schedule = {
        .name = "schedule",
        .help = "wakes you once in so many seconds, or from now on every so many; say one of both",
        .fields = {
                { "in_seconds", FIELD_NUMBER, offsetof(Action, in_seconds), false, ACTION_WAIT_MIN, ACTION_WAIT_MAX, "N", WRONG },
                { "heartbeat_seconds", FIELD_NUMBER, offsetof(Action, heartbeat_seconds), false, ACTION_WAIT_MIN, ACTION_WAIT_MAX, "N", WRONG },
        },
        .check = check_schedule,
        .describe = describe_schedule,
};

const ActionClass action_nothing = {
        .name = "nothing",
        .help = "does nothing this time",
        .describe = describe_nothing,
};
/* clang-format on */
