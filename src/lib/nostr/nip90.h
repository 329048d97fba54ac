#pragma once
/* NIP-90: work for sale. Requests (5000-5999), feedback (7000), results (request kind + 1000) and
 * their cancellation, read as they are found on the network and written as the NIP says. */
#include "nostr/event.h"

#define JOB_KIND_FIRST    5000
#define JOB_KIND_LAST     5999
#define JOB_FEEDBACK_KIND 7000
#define JOB_KIND_POW      5970 /* proof of work for somebody else's event */

#define JOB_RELAYS_MAX    16 /* of those a request names, more are ignored */
#define JOB_PROVIDERS_MAX 16
#define JOB_ANSWER_MAX \
        (60 * 1024) /* the `request` tag is left out of results beyond: relays take 64 KiB */

static inline bool job_kind_is_request(uint16_t kind) {
        return kind >= JOB_KIND_FIRST && kind <= JOB_KIND_LAST;
}
static inline uint16_t job_result_kind(uint16_t request_kind) {
        return (uint16_t) (request_kind + 1000);
}

typedef enum InputType {
        INPUT_TEXT,
        INPUT_URL,
        INPUT_EVENT, /* an event's id */
        INPUT_JOB,   /* the id of a request whose result is meant */
} InputType;

typedef struct JobInput {
        const char *data, *relay, *marker; /* "" where not said */
        InputType type;
} JobInput;

typedef struct JobParam {
        const char *name;
        const char *const *values;
        size_t n; /* of values */
} JobParam;

/* Everything is borrowed from the event, or from the text that was decrypted. */
typedef struct JobRequest {
        Event *event;
        JobInput *inputs;
        JobParam *params;
        size_t n_inputs, n_params;
        const char *output;         /* "" where not said */
        const char *const *outputs; /* all that would do, the output first */
        size_t n_outputs;
        int64_t bid_msat; /* -1: none, or not a number */
        const char *relays[JOB_RELAYS_MAX];
        const char *providers[JOB_PROVIDERS_MAX];
        size_t n_relays, n_providers;
        bool encrypted, opened; /* inputs and params are in the content, until it is opened */
        struct TagList *inner;
} JobRequest;

/* -EBADMSG with a reason; -ENOMEM. A request that cannot be understood fully is still one: wrong
 * tags are ignored, as everybody does. Takes a reference of the event. */
int job_request_parse(Event *e, JobRequest **ret, const char **reterr);
/* The tags which came encrypted in the content. */
int job_request_open(JobRequest *r, const char *plaintext, size_t size, const char **reterr);
JobRequest *job_request_free(JobRequest *r);
DEFINE_CLEANUP(JobRequest, job_request_free)

/* Open to everybody, or this provider is one of those it names. */
bool job_request_is_for(const JobRequest *r, const char *pubkey_hex);
bool job_param_is(const JobParam *p, const char *name);
/* The first of this name that has a value, or NULL. "top_k" finds "top-k" and "topK" as well:
 * NIP-90's text and examples differ. */
const JobParam *job_request_find_param(const JobRequest *r, const char *name);
const char *job_request_param(const JobRequest *r, const char *name); /* its first value */

/* What is to be mined (kind 5970): an event without signature, and bits of difficulty. */
typedef struct PowTask {
        Draft *draft;
        char pubkey_hex[HEX32_MAX]; /* of the customer, where the event names none */
        unsigned bits;
} PowTask;
int pow_task_parse(const JobRequest *r, PowTask *ret, const char **reterr);
void pow_task_done(PowTask *t);

typedef enum JobStatus {
        JOB_STATUS_PAYMENT_REQUIRED,
        JOB_STATUS_PROCESSING,
        JOB_STATUS_PARTIAL,
        JOB_STATUS_SUCCESS,
        JOB_STATUS_ERROR,
        JOB_STATUS_OTHER, /* there are more on the network; for show only */
        _JOB_STATUS_MAX,
} JobStatus;

/* An answer to a request: feedback, or the result. */
typedef struct JobAnswer {
        JobStatus status;
        const char *status_text; /* the word, when reading */
        const char *text;        /* for people; "" */
        const char *job_id;      /* hex, when reading */
        const char *customer;    /* hex, when reading; "" */
        int64_t amount_msat;     /* -1: none */
        const char *invoice;     /* "" */
        const char *relay;       /* a hint where the request can be found; "" */
        const char *content;
        size_t content_size;
        bool encrypted;             /* the content; the caller encrypts and decrypts */
        bool feedback;              /* no result, when reading */
        const char *output, *model; /* of a result: media type, and who wrote it; NULL */
        int64_t expires_at;         /* NIP-40, seconds; 0: never */
} JobAnswer;

const char *job_status_name(JobStatus s);
/* What encrypted feedback says, as those have it who were first (nostrdvm, NDK): a JSON array of
 * tags, ["status", word, text] and ["content", content]. */
int job_feedback_sealed_text(const JobAnswer *a, char **ret);
int job_feedback_draft(const JobRequest *r, const JobAnswer *a, int64_t now, Draft **ret);
int job_result_draft(const JobRequest *r, const JobAnswer *a, int64_t now, Draft **ret);
int job_cancel_draft(const Event *request, int64_t now, Draft **ret); /* NIP-09 */

/* Reads feedback or a result. Nothing in it may be believed but its author, before it was checked
 * against the request. */
int job_answer_parse(const Event *e, JobAnswer *ret, const char **reterr);
/* The content, decrypted. Of a result it is the content; of feedback it may be tags (see
 * job_feedback_sealed_text), of which status, amount and content count; *ret_tags keeps what the
 * answer borrows then, and is NULL else. */
struct TagList;
int job_answer_open(JobAnswer *a, const char *plaintext, size_t size, struct TagList **ret_tags);
/* Does this event answer that request, and may this provider (NULL: any) do so? */
int job_answer_check(const Event *answer, const Event *request, const char *provider_hex,
                const char **reterr);

/* What a customer asks for. */
typedef struct JobOrder {
        uint16_t kind;
        const char *input, *input_type; /* "text" "url" "event" "job" */
        const char *const *params;      /* name, value, name, value … */
        size_t n_params;                /* pairs */
        const char *const *relays;      /* where answers are read */
        size_t n_relays;
        const char *provider; /* hex; NULL: open to all */
        const char *output;   /* NULL */
        int64_t bid_msat;     /* -1: none */
        bool encrypted;       /* to the provider, who must be there */
} JobOrder;
/* Of an encrypted order the draft has neither input nor params: those are the text, whose cipher is
 * the content. */
int job_order_draft(const JobOrder *o, int64_t now, Draft **ret);
int job_order_sealed_text(const JobOrder *o, char **ret);
