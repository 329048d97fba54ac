#pragma once
/* One question to one of our services, asked without waiting: a connection of its own, one call. */
#include <systemd/sd-bus.h>

#include "basic/paths.h"
#include "cli.h"

typedef struct Question Question;

/* reply is NULL on failure; name is then that of an error in error.c's table. Called once, never
 * before question_new() has returned; the question may be freed in it. */
typedef void (*question_done_t)(
                sd_bus_message *reply, const char *name, const char *message, void *userdata);

typedef struct QuestionText {
        const char *service, *interface, *member;
        const char *argument; /* a string, or NULL for none */
        usec_t deadline;
} QuestionText;

int question_new(sd_event *event, const Paths *paths, const QuestionText *text,
                question_done_t done, void *userdata, Question **ret);
Question *question_free(Question *q);
DEFINE_CLEANUP(Question, question_free)

/* "com.openagents.Pylon1.Error.NoKey" → "NoKey"; what the bus itself says → one of our names.
 * Always one of error.c's table. */
const char *error_name(const char *bus_name);
