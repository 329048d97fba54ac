#pragma once
/* What a family of actions fills in: the fields of each of its actions as a table, and the words a
 * person reads. action.c does the rest. */
#include "mind/action.h"

typedef enum ActionFieldType {
        FIELD_TEXT,    /* char *; several lines */
        FIELD_LINE,    /* char *; one line */
        FIELD_EVENT,   /* to: hex or note1…, nevent1… */
        FIELD_KEY,     /* to: hex or npub1…, nprofile1… */
        FIELD_EITHER,  /* to: any of these */
        FIELD_ID,      /* char *; of a goal or memory */
        FIELD_INVOICE, /* char * */
        FIELD_SATS,    /* int64_t in msat; whole sats in JSON */
        FIELD_NUMBER,  /* int64_t */
        FIELD_BOOL,
        FIELD_CHOICE, /* char *; one of the words in `form`, which are divided by | */
} ActionFieldType;

typedef struct ActionField {
        const char *name;
        ActionFieldType type;
        size_t offset; /* not of those that fill `to` */
        bool required;
        int64_t min, max;  /* of a number; max: bytes of a text */
        const char *form;  /* as the prompt shows the value */
        const char *wrong; /* what would have been right */
} ActionField;

#define ACTION_FIELDS_MAX 4

typedef struct ActionClass {
        const char *name, *help;                      /* help: for the model, not translated */
        ActionField fields[ACTION_FIELDS_MAX];        /* ends before one without a name */
        int (*check)(Action *a, const char **reterr); /* NULL; may fill in what was not said */
        int (*describe)(const Action *a, Buffer *b);
} ActionClass;

extern const ActionClass action_post, action_reply, action_react, action_follow; /* note */
extern const ActionClass action_dm, action_ask;                                  /* message */
extern const ActionClass action_zap, action_pay;                                 /* money */
extern const ActionClass action_goal_add, action_goal_update, action_goal_close; /* goal */
extern const ActionClass action_remember, action_forget;                         /* memory */
extern const ActionClass action_schedule, action_nothing;                        /* schedule */

/* For describe(): a stranger's or a model's text in quotes, on one line, harmless, cut where it is
 * long. */
int describe_quote(Buffer *b, const char *text);
int describe_to(Buffer *b, const Action *a); /* the whole npub or note, or both's hex */
