#pragma once
/* Backend: what does the work of jobs. Some take requests of their own kinds as they are (proof of
 * work), one asks models (router.h). One file and one line in the table for each.
 */
#include <systemd/sd-event.h>

#include "basic/config.h"
#include "nostr/nip90.h"
#include "text-task.h"
#include "verdict.h"

typedef struct Backend Backend;
typedef struct Work Work;

/* What it took. The texts are good until done() returns. */
typedef struct WorkUsage {
        int64_t tokens_in, tokens_out; /* -1: unknown */
        const char *model, *backend;   /* as they are called here */
        usec_t duration, cpu;          /* from work_start(); of the processor, 0: unknown */
} WorkUsage;

/* None is called before work_start() has returned, nor after work_free(), which is allowed in each
 * of them. */
typedef struct WorkEvents {
        /* More of the answer: whole characters of UTF-8. NULL and 0: what came so far is void,
         * another backend begins again. NULL: nobody is interested in parts. */
        void (*partial)(const char *bytes, size_t size, void *userdata);
        /* Exactly once, with the whole answer. error < 0: the reason is a sentence for the customer
         * and good until this returns. -ECONNRESET: the backend broke down; trying again may help.
         */
        void (*done)(int error, const char *reason, const char *content, size_t size,
                        const WorkUsage *usage, void *userdata);
} WorkEvents;

typedef struct BackendClass {
        const char *name;
        const uint16_t *kinds; /* what it takes as it is */
        size_t n_kinds;
        bool asks_models;                                /* takes TextTasks, of whatever kind … */
        bool (*serves)(const Backend *b, KindWork work); /* … if it does such work here */

        int (*open)(sd_event *event, const Config *config, Backend **ret);
        void (*reload)(Backend *b, const Config *config);
        void (*close)(Backend *b);
        void (*describe)(const Backend *b, char *ret, size_t size); /* a sentence for people */
        /* It is wanted from now on, or not: what looks after servers sleeps meanwhile. NULL:
         * nothing to do. */
        void (*online)(Backend *b, bool online);

        /* Understands the request. Accepted: *ret is the work, to be started later. *ret_reason
         * may replace the verdict's own text. `task` is what is known of it before its inputs are
         * there; NULL where the request is taken as it is. */
        Verdict (*check)(Backend *b, const JobRequest *r, const TextTask *task, Work **ret,
                        const char **ret_reason);
        bool (*ready)(const Work *w); /* it could start now. NULL: where a slot is free */
        /* The task is the whole one, and lives as long as the work. */
        int (*start)(Work *w, const TextTask *task, const WorkEvents *events, void *userdata);
        /* Cancels. A model stops writing: its connection is closed at once. */
        void (*free)(Work *w);
} BackendClass;

/* Each backend's own struct begins with this. */
struct Backend {
        const BackendClass *class;
        unsigned n_slots; /* how much it does at the same time, beside what is small */
        unsigned n_used;  /* kept by the provider */
        /* What it can do is another thing now: a model came or went. Set after open(). */
        void (*changed)(Backend *b, void *userdata);
        void (*wake)(Backend *b, void *userdata); /* who waits may be ready now */
        void *userdata;
};
struct Work {
        Backend *backend;
        bool small; /* so little that it needs no slot */
};

extern const BackendClass backend_pow;

extern const BackendClass *const backend_classes[]; /* ends with NULL */

static inline bool work_is_ready(const Work *w) {
        const Backend *b = w->backend;

        return b->class->ready ? b->class->ready(w) : b->n_used < b->n_slots;
}
static inline int work_start(
                Work *w, const TextTask *task, const WorkEvents *events, void *userdata) {
        return w->backend->class->start(w, task, events, userdata);
}
static inline Work *work_free(Work *w) {
        if (w)
                w->backend->class->free(w);
        return NULL;
}
DEFINE_CLEANUP(Work, work_free)
