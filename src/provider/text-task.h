#pragma once
/* TextTask: what a model is asked, whoever runs it. Made of a request, its inputs and the kind's
 * row. Pure. Everything in it is in the limits below and UTF-8; whether the model exists and how
 * much it can read is for the backend. */
#include "kind.h"
#include "nostr/nip90.h"

#define TEXT_MESSAGES_MAX 64
#define TEXT_SIZE_MAX     (1024 * 1024) /* of all messages together */
#define TEXT_STOPS_MAX    4             /* as the OpenAI wire has it; more are left out */
#define TEXT_NAME_MAX     256           /* of a model */

typedef struct TextMessage {
        const char *role; /* "system" "user" "assistant"; static */
        char *content;
} TextMessage;

typedef struct TextTask {
        KindWork work;         /* KIND_WORK_TEXT, or _EMBEDDINGS: one message for each input */
        char *model;           /* "": any */
        TextMessage *messages; /* at least one; the last is never "system" */
        size_t n_messages;
        size_t size; /* of all contents, in bytes */

        int64_t max_tokens, top_k, seed;                                /* -1: not said */
        double temperature, top_p, frequency_penalty, presence_penalty; /* NAN: not said */
        char **stop;                                                    /* NULL: none */
        char *output; /* the media type of the answer */
        bool json;    /* the answer is to be JSON */
        bool taken;   /* its job was accepted before: it waits for a server that is away */
} TextTask;

/* `texts` are the texts of the request's inputs in their order, once they are here. NULL: they are
 * not, and what must be fetched counts as empty: good for all that is decided before the work
 * begins. -EBADMSG: the reason is a sentence for the customer; -ENOMEM. */
int text_task_new(const Kind *k, const JobRequest *r, const char *const *texts, TextTask **ret,
                const char **reterr);
TextTask *text_task_free(TextTask *t);
DEFINE_CLEANUP(TextTask, text_task_free)
