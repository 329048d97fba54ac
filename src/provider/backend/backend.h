#pragma once
/* Backend: what does the work of some kinds of jobs. One file and one line in the table for each.
 */
#include <systemd/sd-event.h>

#include "basic/config.h"
#include "nostr/nip90.h"
#include "verdict.h"

typedef struct Backend Backend;
typedef struct Work Work;

/* Called exactly once, never before work_start() has returned, never after work_free(). error < 0:
 * the reason is for the customer. -ECONNRESET: the backend broke down; trying again may help. */
typedef void (*work_done_t)(
                int error, const char *reason, const char *content, size_t size, void *userdata);

typedef struct BackendClass {
        const char *name;
        const uint16_t *kinds;
        size_t n_kinds;

        int (*open)(sd_event *event, const Config *config, Backend **ret);
        void (*reload)(Backend *b, const Config *config);
        void (*close)(Backend *b);
        void (*describe)(const Backend *b, char *ret, size_t size); /* a sentence for people */

        /* Understands the request. Accepted: *ret is the work, to be started later. *ret_reason
         * may replace the verdict's own text. */
        Verdict (*check)(Backend *b, const JobRequest *r, Work **ret, const char **ret_reason);
        int (*start)(Work *w, work_done_t done, void *userdata);
        void (*free)(Work *w); /* cancels */
} BackendClass;

/* Each backend's own struct begins with this. */
struct Backend {
        const BackendClass *class;
        unsigned n_slots; /* how much it does at the same time, beside what is small */
        unsigned n_used;  /* kept by the provider */
};
struct Work {
        Backend *backend;
        bool small; /* so little that it needs no slot */
};

extern const BackendClass backend_pow;

extern const BackendClass *const backend_classes[]; /* ends with NULL */

static inline int work_start(Work *w, work_done_t done, void *userdata) {
        return w->backend->class->start(w, done, userdata);
}
static inline Work *work_free(Work *w) {
        if (w)
                w->backend->class->free(w);
        return NULL;
}
DEFINE_CLEANUP(Work, work_free)
