/* Rows of jobs, job_requests, job_results, job_totals, see table-job.h. */
#include "table-job.h"

#include "job-money.h"

#define OPEN  "('received', 'priced', 'unpaid', 'queued', 'running', 'publishing', 'owed')"
#define FINAL "('completed', 'failed', 'expired', 'cancelled')"

/* What may follow. Forward with gaps, because moves may be skipped when they were lazy; backward
 * only where a job runs again. A state without followers is final. */
#define ENDS B(JOB_FAILED) | B(JOB_EXPIRED) | B(JOB_CANCELLED)
#define DUE  B(JOB_RUNNING) | B(JOB_PUBLISHING) | B(JOB_OWED) | B(JOB_COMPLETED) | ENDS

/* clang-format off */
static const struct {
        const char *name;
        uint32_t next;
} states[_JOB_STATE_MAX] = {
        [JOB_RECEIVED]   = { "received",   B(JOB_PRICED) | B(JOB_UNPAID) | B(JOB_QUEUED) | DUE },
        [JOB_PRICED]     = { "priced",     B(JOB_UNPAID) | B(JOB_QUEUED) | DUE },
        [JOB_UNPAID]     = { "unpaid",     B(JOB_QUEUED) | DUE },
        [JOB_QUEUED]     = { "queued",     B(JOB_UNPAID) | DUE },
        [JOB_RUNNING]    = { "running",    B(JOB_UNPAID) | B(JOB_QUEUED) | DUE },
        [JOB_PUBLISHING] = { "publishing", B(JOB_OWED) | B(JOB_COMPLETED) | ENDS },
        [JOB_OWED]       = { "owed",       B(JOB_QUEUED) | DUE },
        [JOB_COMPLETED]  = { "completed",  0 },
        [JOB_FAILED]     = { "failed",     0 },
        [JOB_EXPIRED]    = { "expired",    0 },
        [JOB_CANCELLED]  = { "cancelled",  0 },
};
/* clang-format on */

enum {
        Q_ADD,
        Q_ADD_REQUEST,
        Q_STATE,
        Q_MOVE,
        Q_RESULT,
        Q_LIST,
        Q_LIST_OPEN_STATE,
        Q_LIST_FINAL_STATE,
        Q_OPEN,
        Q_FIND,
        Q_GET,
        Q_TOTALS,
        _Q_MAX,
};

#define LIST_COLUMNS                                                                        \
        "SELECT id, kind, customer_pubkey, status, price_msats, created_at, error_message " \
        "FROM jobs WHERE created_at < ?1 "

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO jobs (id, kind, customer_pubkey, status, price_msats, created_at) "
                  "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        [Q_ADD_REQUEST] = "INSERT INTO job_requests VALUES (?, ?, ?)",
        [Q_STATE] = "SELECT seq, status FROM jobs WHERE id = ?",
        /* The id of a result is the SHA-256 of it: there is no better hash of the output. */
        [Q_MOVE] = "UPDATE jobs SET status = ?2, "
                   "error_message = coalesce(nullif(?3, ''), error_message), "
                   "output_hash = coalesce(output_hash, "
                   "iif(json_valid(?4), json_extract(?4, '$.id'), NULL)), "
                   "paid_at = iif(?5, unixepoch(), paid_at), "
                   "started_at = iif(?6, unixepoch(), started_at), "
                   "completed_at = iif(?7, unixepoch(), completed_at) WHERE seq = ?1",
        /* A result that was once stored is the one that is published, for ever. */
        [Q_RESULT] = "INSERT INTO job_results VALUES (?1, nullif(?2, ''), nullif(?3, '')) "
                     "ON CONFLICT (seq) DO UPDATE SET result = coalesce(result, excluded.result), "
                     "feedback = coalesce(excluded.feedback, feedback)",
        [Q_LIST] = LIST_COLUMNS "ORDER BY created_at DESC, seq DESC LIMIT ?2",
        [Q_LIST_OPEN_STATE] = LIST_COLUMNS "AND status = ?3 AND status IN " OPEN
                                           " ORDER BY +created_at DESC, seq DESC LIMIT ?2",
        [Q_LIST_FINAL_STATE] = LIST_COLUMNS "AND status = ?3 AND status IN " FINAL
                                            " ORDER BY created_at DESC, seq DESC LIMIT ?2",
        [Q_OPEN] = "SELECT id, kind, customer_pubkey, status, price_msats, created_at, "
                   "error_message, request, relay, result FROM jobs "
                   "JOIN job_requests USING (seq) LEFT JOIN job_results USING (seq) "
                   "WHERE status IN " OPEN " AND id > ?1 ORDER BY id LIMIT ?2",
        [Q_FIND] = "SELECT seq FROM jobs WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2",
        [Q_GET] = "SELECT id, kind, customer_pubkey, status, price_msats, input_hash, "
                  "output_hash, error_message, paid_at, started_at, completed_at, created_at, "
                  "relay, request, result, feedback FROM jobs "
                  "JOIN job_requests USING (seq) LEFT JOIN job_results USING (seq) WHERE seq = ?",
        [Q_TOTALS] = "SELECT status, jobs FROM job_totals",
};

struct JobTable {
        Sql *db;
        JobMoney *money;
        SqlStatement *q[_Q_MAX];
};

const char *job_state_name(JobState s) {
        return states[s].name;
}

int job_state_of(const char *name) {
        for (int i = 0; i < _JOB_STATE_MAX; i++)
                if (streq(states[i].name, name))
                        return i;
        return -EINVAL;
}

bool job_state_is_final(JobState s) {
        return states[s].next == 0;
}

int job_table_new(Sql *db, JobMoney *money, JobTable **ret) {
        _cleanup_(job_table_freep) JobTable *t = NULL;
        int r;

        t = new0(JobTable, 1);
        if (!t)
                return -ENOMEM;

        t->db = db;
        t->money = money;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

JobTable *job_table_free(JobTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_hex(const char *s, size_t n) {
        return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

static const char *job_fault(const Job *job) {
        if (!is_hex(job->id, JOB_ID_SIZE))
                return "its id is not an event id";
        if (!is_hex(job->customer, JOB_ID_SIZE))
                return "its customer is not a public key";
        if (job_state_of(job->state) < 0)
                return "there is no such state";
        if (job->price_msat < 0 || job->created_at < 0)
                return "its price or its time is negative";
        if (strlen(job->request) > JOB_REQUEST_MAX)
                return "its request is too large";
        if (strlen(job->relay) > JOB_TEXT_MAX)
                return "its relay is too long";
        return NULL;
}

/* 1 = found. */
static int job_find(JobTable *t, const char *id, int64_t *ret_seq, JobState *ret_state) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_STATE];
        int r;

        sql_bind_text(q, 1, id);
        r = sql_step(q);
        if (r <= 0)
                return r;

        r = job_state_of(sql_text(q, 1));
        if (r < 0)
                return -EUCLEAN; /* only another hand can have written that */
        *ret_state = (JobState) r;
        *ret_seq = sql_int(q, 0);
        return 1;
}

int job_add(JobTable *t, const Job *job, int *ret_verdict, const char **ret_text) {
        SqlStatement *q = t->q[Q_ADD];
        JobState state;
        int64_t seq;
        int r;

        *ret_verdict = -EINVAL;
        *ret_text = job_fault(job);
        if (*ret_text)
                return 0;

        sql_bind_text(q, 1, job->id);
        sql_bind_int(q, 2, job->kind);
        sql_bind_text(q, 3, job->customer);
        sql_bind_text(q, 4, job->state);
        sql_bind_int(q, 5, job->price_msat);
        sql_bind_int(q, 6, job->created_at);
        r = sql_run(q);
        if (r < 0)
                return r;

        if (sql_changes(t->db) == 0) {
                r = job_find(t, job->id, &seq, &state);
                if (r <= 0)
                        return r ?: -EUCLEAN; /* the index knows it, and the table does not */
                *ret_verdict = 1;
                *ret_text = states[state].name;
                return 0;
        }

        q = t->q[Q_ADD_REQUEST];
        sql_bind_int(q, 1, sql_last_id(t->db));
        sql_bind_text(q, 2, job->relay);
        sql_bind_text(q, 3, job->request);
        *ret_verdict = 0;
        *ret_text = "";
        return sql_run(q);
}

static int job_update(JobTable *t, int64_t seq, JobState from, JobState to, const JobMove *move) {
        SqlStatement *q = t->q[Q_MOVE];
        int r;

        sql_bind_int(q, 1, seq);
        sql_bind_text(q, 2, states[to].name);
        sql_bind_text(q, 3, move->error);
        sql_bind_text(q, 4, move->result);
        sql_bind_int(q, 5, from == JOB_UNPAID && !(B(to) & (ENDS)));
        sql_bind_int(q, 6, to == JOB_RUNNING && from != to);
        sql_bind_int(q, 7, job_state_is_final(to));
        r = sql_run(q);
        if (r < 0)
                return r;

        if (!isempty(move->result) || !isempty(move->feedback)) {
                q = t->q[Q_RESULT];
                sql_bind_int(q, 1, seq);
                sql_bind_text(q, 2, move->result);
                sql_bind_text(q, 3, move->feedback);
                r = sql_run(q);
                if (r < 0)
                        return r;
        }

        if (!t->money || !job_money_cares(from, to))
                return 0;
        return job_money_follow(t->money, move->id, from, to);
}

/* Why the job cannot go there, or NULL. */
static const char *move_fault(JobState from, JobState to, int *ret_verdict) {
        *ret_verdict = -EALREADY;
        if (job_state_is_final(from))
                return "the job is over";
        if (from != to && !(states[from].next & B(to)) && to < from)
                return "the job is further than that";
        *ret_verdict = -EINVAL;
        if (from != to && !(states[from].next & B(to)))
                return "this state does not follow the present one";
        *ret_verdict = 0;
        return NULL;
}

static int job_check_money(JobTable *t, const char *id, JobState from, JobState to,
                int *ret_verdict, const char **ret_text) {
        const char *fault;
        int r;

        if (!t->money || !job_money_cares(from, to))
                return 0;
        r = job_money_check(t->money, id, from, to, &fault);
        if (r < 0 || !fault)
                return r;
        *ret_verdict = -EBUSY;
        *ret_text = fault;
        return 0;
}

int job_move(JobTable *t, const JobMove *move, int *ret_verdict, const char **ret_text) {
        int r, to = job_state_of(move->state);
        JobState from;
        int64_t seq;

        *ret_verdict = -EINVAL;
        if (to < 0) {
                *ret_text = "there is no such state";
                return 0;
        }
        if (strlen(move->result) > JOB_RESULT_MAX || strlen(move->feedback) > JOB_RESULT_MAX ||
                        strlen(move->error) > JOB_TEXT_MAX) {
                *ret_text = "its texts are too large";
                return 0;
        }

        r = job_find(t, move->id, &seq, &from);
        if (r < 0)
                return r;
        if (r == 0) {
                *ret_verdict = -ENOENT;
                *ret_text = "there is no such job";
                return 0;
        }

        *ret_text = "";
        *ret_verdict = 0;
        if (from == (JobState) to && job_state_is_final(from))
                return 0; /* repeated */

        *ret_text = move_fault(from, (JobState) to, ret_verdict) ?: "";
        if (*ret_verdict < 0)
                return 0;
        r = job_check_money(t, move->id, from, (JobState) to, ret_verdict, ret_text);
        if (r < 0 || *ret_verdict < 0)
                return r;
        return job_update(t, seq, from, (JobState) to, move);
}

static int job_rows(SqlStatement *q, bool whole, job_row_t row, void *userdata) {
        _cleanup_sql_ _unused_ SqlStatement *reset = q;
        int r;

        while ((r = sql_step(q)) > 0) {
                Job job = {
                        .id = sql_text(q, 0),
                        .kind = (uint16_t) sql_int(q, 1),
                        .customer = sql_text(q, 2),
                        .state = sql_text(q, 3),
                        .price_msat = sql_int(q, 4),
                        .created_at = sql_int(q, 5),
                        .error = sql_text(q, 6),
                        .request = whole ? sql_text(q, 7) : "",
                        .relay = whole ? sql_text(q, 8) : "",
                        .result = whole ? sql_text(q, 9) : "",
                };

                r = row(&job, userdata);
                if (r != 0)
                        return r;
        }
        return r;
}

int job_list(JobTable *t, const char *state, int64_t before, unsigned limit, job_row_t row,
                void *userdata) {
        SqlStatement *q = t->q[Q_LIST];
        int s;

        if (state) {
                s = job_state_of(state);
                if (s < 0)
                        return s;
                q = t->q[job_state_is_final((JobState) s) ? Q_LIST_FINAL_STATE : Q_LIST_OPEN_STATE];
                sql_bind_text(q, 3, states[s].name);
        }
        sql_bind_int(q, 1, before);
        sql_bind_int(q, 2, limit);
        return job_rows(q, false, row, userdata);
}

int job_list_open(JobTable *t, const char *after, unsigned limit, job_row_t row, void *userdata) {
        SqlStatement *q = t->q[Q_OPEN];

        sql_bind_text(q, 1, after);
        sql_bind_int(q, 2, limit);
        return job_rows(q, true, row, userdata);
}

static int job_find_prefix(JobTable *t, const char *prefix, int64_t *ret_seq, const char **reterr) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];
        int r;

        if (strlen(prefix) < JOB_PREFIX_MIN || strlen(prefix) > JOB_ID_SIZE ||
                        !is_hex(prefix, strlen(prefix))) {
                *reterr = "an id is 8 to 64 digits of 0-9 and a-f";
                return -EINVAL;
        }

        sql_bind_text(q, 1, prefix);
        r = sql_step(q);
        if (r == 0) {
                *reterr = "there is no such job";
                return -ENOENT;
        }
        if (r < 0) {
                *reterr = sql_reason(r);
                return r;
        }
        *ret_seq = sql_int(q, 0);

        r = sql_step(q);
        if (r > 0) {
                *reterr = "several jobs have ids that begin like this";
                return -ENOTUNIQ;
        }
        *reterr = sql_reason(r);
        return r;
}

int job_get(JobTable *t, const char *prefix, SqlStatement **ret, const char **reterr) {
        SqlStatement *q = t->q[Q_GET];
        int64_t seq;
        int r;

        r = job_find_prefix(t, prefix, &seq, reterr);
        if (r < 0)
                return r;

        sql_bind_int(q, 1, seq);
        r = sql_step(q);
        if (r <= 0) {
                *reterr = sql_reason(r ?: -EUCLEAN);
                return r ?: -EUCLEAN;
        }
        *ret = q;
        return 0;
}

int job_totals(JobTable *t, int64_t ret[static _JOB_STATE_MAX]) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_TOTALS];
        int r;

        memset(ret, 0, _JOB_STATE_MAX * sizeof(*ret));
        while ((r = sql_step(q)) > 0) {
                int s = job_state_of(sql_text(q, 0));

                if (s >= 0)
                        ret[s] = sql_int(q, 1);
        }
        return r;
}
