#pragma once
/* Talk: one question to a model, and its answer as it is written, with deadlines and limits. */
#include "backend.h"
#include "endpoint.h"

typedef struct Talk Talk;

typedef struct TalkEnd {
        int error;          /* 0: the answer is whole */
        const char *reason; /* a sentence for the customer; static */
        const char *content;
        size_t size;
        int64_t tokens_in, tokens_out;
} TalkEnd;

/* Not before talk_start() has returned; the talk may be freed in each. text(): whole characters. */
typedef void (*talk_text_t)(const char *bytes, size_t size, void *userdata);
typedef void (*talk_done_t)(const TalkEnd *end, void *userdata);

/* -ECONNRESET and the like at the end: another endpoint may do. -E2BIG, -EINVAL: none will. */
int talk_start(Endpoint *e, const char *id, const TextTask *task, talk_text_t text,
                talk_done_t done, void *userdata, Talk **ret);
Talk *talk_free(Talk *t); /* closes the connection, so that the model stops */
DEFINE_CLEANUP(Talk, talk_free)

/* The server waits meanwhile, and its deadlines do not count. */
void talk_pause(Talk *t, bool pause);
