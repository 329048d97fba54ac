/* What the store costs: rows per second in grouped commits, how many fdatasync, and how long a
 * question takes over a long history. Prints JSON lines.
 *
 *     bench-store FOLDER [ROWS OF HISTORY]
 */
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "basic/log.h"
#include "basic/sql-group.h"
#include "basic/text.h"
#include "books.h"
#include "schema.h"
#include "table-earning.h"
#include "table-job.h"

#define JOBS     20000 /* fewer where each waits for the disk */
#define REQUESTS 2500
#define CUSTOMER "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"

typedef struct Bench {
        sd_event *event;
        Sql *db;
        SqlGroup *group;
        Books *books;
        JobTable *jobs;
        EarningTable *earnings;
        unsigned n_answers, n_rows;
        int error;
} Bench;

static double now(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void on_done(int error, _unused_ const char *reason, void *userdata) {
        Bench *b = userdata;

        b->n_answers++;
        b->error = MIN(b->error, error);
}

/* As event ids are: spread evenly over all there are. */
static void make_id(unsigned i, char ret[static JOB_ID_SIZE + 1]) {
        uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

        x = (x ^ x >> 31) * UINT64_C(0xbf58476d1ce4e5b9);
        (void) snprintf(ret, JOB_ID_SIZE + 1, "%016llx%048x", (unsigned long long) x, i);
}

static int step_job(Bench *b, unsigned i, int step) {
        static const char *const states[] = { "queued", "running", "publishing", "completed" };
        char id[JOB_ID_SIZE + 1], text[900];
        const char *words;
        int verdict, r;

        make_id(i, id);
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        if (step == 0) {
                text[600] = 0;
                r = job_add(b->jobs,
                                &(Job){ .id = id,
                                                .kind = 5970,
                                                .customer = CUSTOMER,
                                                .request = text,
                                                .relay = "wss://relay.example.com",
                                                .state = states[0],
                                                .created_at = 1700000000 + i },
                                &verdict, &words);
        } else
                r = job_move(b->jobs, &(JobMove){ id, states[step], step == 2 ? text : "", "", "" },
                                &verdict, &words);
        return r < 0 ? r : MIN(verdict, 0);
}

/* Whole lives of jobs, `size` of them in each request: added, running, publishing, completed. */
static int bench_write(Bench *b, unsigned first, unsigned size) {
        unsigned n_jobs = MIN((unsigned) JOBS, size * REQUESTS);
        double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        unsigned wanted = 0;
        int r = 0;

        b->n_answers = 0;
        for (unsigned i = 0; r >= 0 && i < n_jobs; i += size)
                for (int step = 0; r >= 0 && step < 4; step++) {
                        r = sql_request_begin(b->group);
                        for (unsigned k = i; r >= 0 && k < MIN(i + size, n_jobs); k++)
                                r = step_job(b, first + k, step);
                        if (r >= 0)
                                r = sql_request_ok(b->group, step == 1, on_done, b);
                        wanted++;
                        while (r >= 0 && step != 1 && b->n_answers < wanted)
                                r = sd_event_run(b->event, UINT64_MAX);
                }
        if (r < 0)
                return r;

        wall = now(CLOCK_MONOTONIC) - wall;
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        printf("{\"bench\":\"store-write\",\"jobs_per_request\":%u,\"row_changes_per_s\":%.0f,"
               "\"jobs_per_s\":%.0f,\"cpu_us_per_change\":%.1f}\n",
                        size, n_jobs * 4 / wall, n_jobs / wall, cpu * 1e6 / (n_jobs * 4));
        return b->error;
}

/* The same for money: an invoice, the job that waits for it, its settlement, what it earned, and a
 * payment of an agent: reserved, sent, settled. Each step is a request of its own, with so many
 * rows; the move to "queued" is lazy, as the provider has it. */
enum {
        STEP_INVOICE,
        STEP_UNPAID,
        STEP_SETTLE,
        STEP_QUEUED,
        STEP_PUBLISHING,
        STEP_RESERVE,
        STEP_SENT,
        STEP_SETTLED,
        _STEP_MAX
};

static int step_job_money(Bench *b, const char *id, int step, Outcome *o) {
        const char *words;
        int verdict, r;

        if (step == STEP_UNPAID)
                r = job_add(b->jobs,
                                &(Job){ .id = id,
                                                .kind = 5970,
                                                .customer = CUSTOMER,
                                                .request = "{}",
                                                .relay = "wss://relay.example.com",
                                                .state = "unpaid",
                                                .price_msat = 1000,
                                                .created_at = 1700000000 },
                                &verdict, &words);
        else
                r = job_move(b->jobs,
                                &(JobMove){ id, step == STEP_QUEUED ? "queued" : "publishing",
                                                step == STEP_QUEUED ? "" : "{}", "", "" },
                                &verdict, &words);
        return r < 0 ? r : outcome_say(o, verdict, words);
}

static int step_payment(Bench *b, const char *id, int step, Outcome *o) {
        if (step == STEP_RESERVE)
                return payment_add(b->books->payments,
                                &(Intent){ id, "owner", id, "lnbcrt1", "payee", "g", "job", id, 900,
                                                10 },
                                o);
        return payment_move(b->books->payments,
                        &(IntentMove){ id, step == STEP_SENT ? "sent" : "settled", "", "", "",
                                        "regtest", 1 },
                        o);
}

static int step_money(Bench *b, unsigned i, int step) {
        char id[JOB_ID_SIZE + 1];
        Outcome o = { 0 };
        int r;

        make_id(i, id);
        if (step == STEP_INVOICE)
                r = invoice_add(b->books->invoices,
                                &(Invoice){ id, "lnbcrt1", "held", id, "pre", "", 1000, 1, 2 }, &o);
        else if (step == STEP_SETTLE)
                r = invoice_settle(b->books->invoices,
                                &(Settlement){ id, "regtest", "", "cursor", 1000, 0, 1 }, &o);
        else if (step < STEP_RESERVE)
                r = step_job_money(b, id, step, &o);
        else
                r = step_payment(b, id, step, &o);
        if (r >= 0)
                r = MIN(o.verdict, 0);
        outcome_done(&o);
        return r;
}

static int prepare_money(Bench *b) {
        Outcome o = { 0 };
        int r;

        r = sql_request_begin(b->group);
        if (r >= 0)
                r = book_deposit(b->books,
                                &(Transfer){ "rich", "regtest", "owner", "", INT64_C(1) << 50 },
                                &o);
        if (r >= 0)
                r = grant_set(b->books->grants, "g", "owner",
                                "{\"per_hour_msat\":1000000000000,\"total_msat\":1000000000000}",
                                &o);
        outcome_done(&o);
        return r < 0 ? r : sql_request_ok(b->group, false, NULL, NULL);
}

static int bench_money(Bench *b, unsigned first, unsigned size, int from, int to) {
        unsigned n_jobs = MIN((unsigned) JOBS / 2, size * REQUESTS / 2), wanted = 0;
        double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        int r = 0;

        b->n_answers = 0;
        for (unsigned i = 0; r >= 0 && i < n_jobs; i += size)
                for (int step = from; r >= 0 && step < to; step++) {
                        bool lazy = step == STEP_QUEUED;

                        r = sql_request_begin(b->group);
                        for (unsigned k = i; r >= 0 && k < MIN(i + size, n_jobs); k++)
                                r = step_money(b, first + k, step);
                        if (r >= 0)
                                r = sql_request_ok(b->group, lazy, on_done, b);
                        wanted++;
                        while (r >= 0 && !lazy && b->n_answers < wanted)
                                r = sd_event_run(b->event, UINT64_MAX);
                }
        if (r < 0)
                return r;

        wall = now(CLOCK_MONOTONIC) - wall;
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        printf("{\"bench\":\"store-money\",\"what\":\"%s\",\"per_request\":%u,"
               "\"commits_when_alone\":%d,\"per_s\":%.0f,\"cpu_us\":%.1f}\n",
                        from == STEP_INVOICE ? "paid job" : "payment", size,
                        from == STEP_INVOICE ? 4 : 3, n_jobs / wall, cpu * 1e6 / n_jobs);
        return b->error;
}

static int make_history(Bench *b, int64_t rows) {
        SqlStatement *q;
        int r;

        /* The triggers would count each row; the sums at the end are the same. */
        r = sql_exec(b->db, "DROP TRIGGER jobs_added; DROP TRIGGER earnings_added; "
                            "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; "
                            "PRAGMA cache_size = -400000");
        if (r < 0)
                return r;
        r = sql_prepare(b->db,
                        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < "
                        "?1) INSERT INTO jobs (id, kind, customer_pubkey, status, price_msats, "
                        "created_at) SELECT lower(hex(randomblob(32))), 5970, '" CUSTOMER "', "
                        "CASE i % 100 WHEN 0 THEN 'failed' WHEN 1 THEN 'expired' ELSE 'completed' "
                        "END, 1000, 1600000000 + i FROM c",
                        &q);
        if (r < 0)
                return r;
        sql_bind_int(q, 1, rows);
        r = sql_run(q);
        if (r < 0)
                return r;
        return sql_exec(b->db,
                        "INSERT INTO earnings (id, job_id, amount_msats, source, earned_at) "
                        "SELECT id, id, price_msats, 'job', created_at FROM jobs WHERE "
                        "status = 'completed' AND id NOT IN (SELECT id FROM earnings); "
                        "INSERT INTO job_totals SELECT status, count(*) FROM jobs GROUP BY 1 "
                        "ON CONFLICT DO UPDATE SET jobs = excluded.jobs; "
                        "INSERT OR REPLACE INTO earning_totals SELECT source, count(*), "
                        "sum(amount_msats) FROM earnings GROUP BY 1");
}

static int on_job(_unused_ const Job *job, void *userdata) {
        ((Bench *) userdata)->n_rows++;
        return 0;
}

static int on_earning(_unused_ const Earning *earning, void *userdata) {
        ((Bench *) userdata)->n_rows++;
        return 0;
}

static int ask(Bench *b, unsigned i) {
        int64_t totals[_JOB_STATE_MAX], n, msat;

        switch (i) {
        case 0:
                return earning_sum(b->earnings, &n, &msat)
                                       ?: earning_list(b->earnings, 50, on_earning, b);
        case 1:
                return job_list(b->jobs, NULL, INT64_MAX, 50, on_job, b);
        case 2:
                return job_list(b->jobs, "failed", INT64_MAX, 50, on_job, b);
        case 3:
                return job_list(b->jobs, "completed", 1600000000 + 500000, 50, on_job, b);
        case 4:
                return job_totals(b->jobs, totals);
        default:
                return job_list_open(b->jobs, "", 1000, on_job, b);
        }
}

static int bench_read(Bench *b, int64_t rows) {
        static const char *const names[] = { "Earnings", "ListJobs", "ListJobs failed",
                "ListJobs completed, old", "JobsByState", "OpenJobs" };
        int r;

        for (unsigned i = 0; i < ELEMENTSOF(names); i++) {
                double first, again;

                b->n_rows = 0;
                first = now(CLOCK_MONOTONIC);
                r = ask(b, i);
                again = now(CLOCK_MONOTONIC);
                if (r >= 0)
                        r = ask(b, i);
                if (r < 0)
                        return r;
                printf("{\"bench\":\"store-read\",\"question\":\"%s\",\"history\":%lld,"
                       "\"first_ms\":%.3f,\"again_ms\":%.3f}\n",
                                names[i], (long long) rows, (again - first) * 1e3,
                                (now(CLOCK_MONOTONIC) - again) * 1e3);
        }
        return 0;
}

static int bench_open(Bench *b, const char *path) {
        const char *reason;
        int r;

        r = sql_open(path, schema, schema_n, &b->db, &reason);
        if (r >= 0)
                r = sql_group_new(b->db, b->event, &b->group);
        if (r >= 0)
                r = books_new(b->db, &b->books);
        if (r >= 0)
                r = job_table_new(b->db, b->books->money, &b->jobs);
        if (r >= 0)
                r = earning_table_new(b->db, &b->earnings);
        return r;
}

static void bench_close(Bench *b) {
        b->group = sql_group_free(b->group);
        b->jobs = job_table_free(b->jobs);
        b->earnings = earning_table_free(b->earnings);
        b->books = books_free(b->books);
        b->db = sql_close(b->db);
}

static int run(Bench *b, const char *path, int64_t rows) {
        static const unsigned sizes[] = { 1, 16, 64, 256 };
        int r;

        r = bench_open(b, path);
        for (unsigned i = 0; r >= 0 && i < ELEMENTSOF(sizes); i++)
                r = bench_write(b, i * JOBS, sizes[i]);
        if (r >= 0)
                r = prepare_money(b);
        for (unsigned i = 0; r >= 0 && i < ELEMENTSOF(sizes); i++) {
                unsigned at = (100 + i) * JOBS;

                r = bench_money(b, at, sizes[i], STEP_INVOICE, STEP_RESERVE);
                if (r >= 0)
                        r = bench_money(b, at, sizes[i], STEP_RESERVE, _STEP_MAX);
        }
        if (r < 0 || rows == 0)
                return r;

        r = make_history(b, rows);
        if (r < 0)
                return r;
        bench_close(b);
        r = bench_open(b, path); /* with the cache of a service that has just been started */
        if (r >= 0)
                r = bench_read(b, rows);
        return r < 0 ? r : bench_write(b, ELEMENTSOF(sizes) * JOBS, 64);
}

int main(int argc, char *argv[]) {
        char path[4096];
        Bench b = { 0 };
        int64_t rows = 0;
        int r;

        if (argc < 2 || (argc > 2 && parse_i64(argv[2], &rows) < 0)) {
                (void) fprintf(stderr, "bench-store FOLDER [ROWS OF HISTORY]\n");
                return 2;
        }
        (void) snprintf(path, sizeof(path), "%s/bench.db", argv[1]);
        log_open("bench-store");
        r = sd_event_new(&b.event);
        if (r >= 0)
                r = run(&b, path, rows);
        if (r < 0)
                (void) fprintf(stderr, "%s\n", sql_reason(r));
        bench_close(&b);
        sd_event_unref(b.event);
        (void) unlink(path);
        return r < 0;
}
