#pragma once
/* Action: one thing an agent wants done, as a value. The agent makes them of a model's answer, the
 * host reads them again with the same code before it does anything.
 *
 * Reading is strict: another type, a field nobody knows, a number out of range, a text too long
 * are refused with a reason that says what would have been right. */
#include "basic/buffer.h"
#include "basic/codec.h"
#include "basic/json.h"
#include "client/agents-limits.h"

#define ACTIONS_MAX         TICK_ACTIONS_MAX /* of one answer */
#define ACTION_TEXT_MAX     8192             /* bytes of a note or message */
#define ACTION_COMMENT_MAX  500
#define ACTION_REACTION_MAX 64
#define ACTION_PRIORITY_MAX 9
#define ACTION_WAIT_MIN     60 /* seconds: both of schedule's numbers */
#define ACTION_WAIT_MAX     604800
#define ACTION_SATS_MAX     INT64_C(21000000)

typedef enum ActionType {
        ACTION_POST,
        ACTION_REPLY,
        ACTION_REACT,
        ACTION_DM,
        ACTION_ZAP,
        ACTION_PAY,
        ACTION_GOAL_ADD,
        ACTION_GOAL_UPDATE,
        ACTION_GOAL_CLOSE,
        ACTION_REMEMBER,
        ACTION_FORGET,
        ACTION_SCHEDULE,
        ACTION_FOLLOW,
        ACTION_ASK,
        ACTION_NOTHING,
        _ACTION_TYPE_MAX,
} ActionType;

/* What the 32 bytes in `to` are. Bare hex in a zap may be either: the host looks among the tick's
 * observations, and takes it for a key where none has this id. */
typedef enum ActionTo {
        ACTION_TO_NOBODY,
        ACTION_TO_EVENT,
        ACTION_TO_KEY,
        ACTION_TO_EITHER,
} ActionTo;

typedef struct Action {
        ActionType type;
        ActionTo to_is;
        char to[HEX32_MAX]; /* reply, react, dm, zap, follow */
        char *text; /* what is said, wanted, remembered; a reaction; a zap's comment; NULL */
        char *id;   /* of a goal or memory */
        char *invoice;
        int64_t msat;                          /* zap: this much; pay: at most */
        int64_t priority, progress;            /* 1 is first; per cent; -1: not said */
        int64_t in_seconds, heartbeat_seconds; /* schedule: one of them; -1: not said */
        char *status;                          /* goal_close: "done" or "dropped" */
        bool on;                               /* follow; false: no longer */
} Action;

/* -EBADMSG with a reason; -ENOMEM. */
int action_parse(const Json *j, Action **ret, const char **reterr);
int action_parse_text(const char *json, size_t size, Action **ret, const char **reterr);

/* What a model may write in the place of a key or of an event's id: "o3" for the third observation,
 * and for whoever wrote it. -ENOENT: nothing is called so. */
typedef struct ActionNames {
        int (*find)(const char *name, ActionTo wanted, Action *a, const void *userdata);
        const void *userdata;
} ActionNames;
int action_parse_named(const Json *j, const ActionNames *names, Action **ret, const char **reterr);

Action *action_free(Action *a);
DEFINE_CLEANUP(Action, action_free)

/* Canonical: the same action is always the same bytes, and reads as the same action. */
int action_write(const Action *a, Buffer *b);
int action_json(const Action *a, char **ret);
/* One line for a person who is to approve it: nothing in it can move a terminal's cursor or turn
 * the text around, and a long text is cut with its length said. */
int action_describe(const Action *a, char **ret);

const char *action_type_name(ActionType t);                   /* "goal_add" */
int action_type_from_name(const char *name, ActionType *ret); /* -EINVAL */
/* For the prompt: one line with the form of this action, and what it does. */
int action_type_schema(ActionType t, Buffer *b);
