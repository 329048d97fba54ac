#pragma once
/* The jobs: their rows, which state may follow which, lists. Every changing call belongs between
 * sql_request_begin() and _ok(). */
#include "basic/sql.h"

typedef enum JobState {
        JOB_RECEIVED,
        JOB_PRICED,
        JOB_UNPAID,
        JOB_QUEUED,
        JOB_RUNNING,
        JOB_PUBLISHING,
        JOB_OWED,
        JOB_COMPLETED,
        JOB_FAILED,
        JOB_EXPIRED,
        JOB_CANCELLED,
        _JOB_STATE_MAX,
} JobState;

const char *job_state_name(JobState s);
int job_state_of(const char *name); /* -EINVAL: no such state */
bool job_state_is_final(JobState s);

#define JOB_ID_SIZE     64 /* digits */
#define JOB_PREFIX_MIN  8
#define JOB_REQUEST_MAX (UINT64_C(128) * 1024)
#define JOB_RESULT_MAX  (UINT64_C(512) * 1024)
#define JOB_TEXT_MAX    4096 /* an error, a URL */

/* Borrowed strings, on the way in and out. */
typedef struct Job {
        const char *id, *customer, *request, *relay, *state, *error, *result;
        uint16_t kind;
        int64_t price_msat, created_at;
} Job;

typedef struct JobMove {
        const char *id, *state, *result, *error, *feedback; /* "": as it was */
} JobMove;

typedef struct JobTable JobTable;
typedef struct JobMoney JobMoney; /* job-money.h */

/* money NULL: none of these jobs was ever paid. */
int job_table_new(Sql *db, JobMoney *money, JobTable **ret);
JobTable *job_table_free(JobTable *t);
DEFINE_CLEANUP(JobTable, job_table_free)

/* An answer about one job is a verdict with a text and does not touch the others of the batch:
 * 0 = done, 1 = it was there already (the text is its state), negative = refused (why). Only what
 * concerns the whole database comes back as an error. */
int job_add(JobTable *t, const Job *job, int *ret_verdict, const char **ret_text);
int job_move(JobTable *t, const JobMove *move, int *ret_verdict, const char **ret_text);

/* Called for each row; a positive or negative return ends the list and is the result. */
typedef int (*job_row_t)(const Job *job, void *userdata);
/* Newest first, created before that time; state NULL: all. Without request, relay and result. */
int job_list(JobTable *t, const char *state, int64_t before, unsigned limit, job_row_t row,
                void *userdata);
/* Those not in a final state, by id, with everything. */
int job_list_open(JobTable *t, const char *after, unsigned limit, job_row_t row, void *userdata);

/* A row with all that is known about the one job whose id begins like this; its columns are the
 * answer. -ENOENT, -ENOTUNIQ, -EINVAL with a reason. Reset it. */
int job_get(JobTable *t, const char *prefix, SqlStatement **ret, const char **reterr);

int job_totals(JobTable *t, int64_t ret[static _JOB_STATE_MAX]);
