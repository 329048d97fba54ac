/* store/table-*: jobs and the states they may go through, earnings, settings, totals that always
 * agree with the rows. */
#include "tests/unit/unit.h"

#include "books.h"
#include "schema.h"
#include "table-earning.h"
#include "table-job.h"
#include "table-setting.h"

#define CUSTOMER "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"

typedef struct World {
        char folder[64], path[96], id[JOB_ID_SIZE + 1];
        Sql *db;
        Books *books;
        JobTable *jobs;
        EarningTable *earnings;
        SettingTable *settings;
        char trail[1024];
        int64_t n, msat;
} World;

static int set_up(void **state) {
        World *w = new0(World, 1);
        const char *reason;

        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-table-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/pylon.db", w->folder);
        assert_int_equal(sql_open(w->path, schema, schema_n, &w->db, &reason), 0);
        assert_int_equal(books_new(w->db, &w->books), 0);
        assert_int_equal(job_table_new(w->db, w->books->money, &w->jobs), 0);
        assert_int_equal(earning_table_new(w->db, &w->earnings), 0);
        assert_int_equal(setting_table_new(w->db, &w->settings), 0);
        *state = w;
        return 0;
}

static int64_t number(World *w, const char *text) {
        SqlStatement *q;
        int64_t n;

        assert_int_equal(sql_prepare(w->db, text, &q), 0);
        assert_int_equal(sql_step(q), 1);
        n = sql_int(q, 0);
        (void) sql_reset(q);
        return n;
}

/* After every test: what is kept is what a sum over the rows would say. */
static int tear_down(void **state) {
        World *w = *state;

        assert_int_equal(number(w, "SELECT count(*) FROM (SELECT status, jobs FROM job_totals "
                                   "WHERE jobs <> 0 EXCEPT SELECT status, count(*) FROM jobs "
                                   "GROUP BY status)"),
                        0);
        assert_int_equal(number(w, "SELECT total(jobs) FROM job_totals"),
                        number(w, "SELECT count(*) FROM jobs"));
        assert_int_equal(number(w, "SELECT total(amount_msats) FROM earning_totals"),
                        number(w, "SELECT total(amount_msats) FROM earnings"));

        w->jobs = job_table_free(w->jobs);
        w->books = books_free(w->books);
        w->earnings = earning_table_free(w->earnings);
        w->settings = setting_table_free(w->settings);
        w->db = sql_close(w->db);
        assert_int_equal(unlink(w->path), 0);
        assert_int_equal(rmdir(w->folder), 0);
        free(w);
        return 0;
}

/* An id whose first eight digits are the number. */
static const char *id_of(World *w, unsigned i) {
        (void) snprintf(w->id, sizeof(w->id), "%08x%056x", i, 7u);
        return w->id;
}

static int add(World *w, unsigned i, const char *state, int64_t price, const char **ret_text) {
        Job job = {
                .id = id_of(w, i),
                .kind = 5970,
                .customer = CUSTOMER,
                .request = "{\"kind\":5970}",
                .relay = "ws://127.0.0.1:7447",
                .state = state,
                .price_msat = price,
                .created_at = 1000 + i,
        };
        int verdict;

        assert_int_equal(job_add(w->jobs, &job, &verdict, ret_text), 0);
        return verdict;
}

static int move(World *w, unsigned i, const char *state, const char *result, const char *error) {
        JobMove m = { id_of(w, i), state, result, error, "" };
        const char *text;
        int verdict;

        assert_int_equal(job_move(w->jobs, &m, &verdict, &text), 0);
        assert_true(verdict == 0 || !isempty(text));
        return verdict;
}

static int on_row(const Job *job, void *userdata) {
        World *w = userdata;
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%c:%s ", job->id[7], job->state);
        return 0;
}

static const char *list(World *w, const char *state, int64_t before, unsigned limit) {
        w->trail[0] = 0;
        assert_int_equal(job_list(w->jobs, state, before, limit, on_row, w), 0);
        return w->trail;
}

static void a_job_that_is_there_already_is_left_alone(void **state) {
        World *w = *state;
        const char *text;

        assert_int_equal(add(w, 1, "queued", 0, &text), 0);
        assert_string_equal(text, "");
        assert_int_equal(move(w, 1, "running", "", ""), 0);
        assert_int_equal(add(w, 1, "queued", 77, &text), 1);
        assert_string_equal(text, "running");
        assert_int_equal(number(w, "SELECT price_msats FROM jobs"), 0);
        assert_int_equal(number(w, "SELECT count(*) FROM job_requests"), 1);
}

static void a_bad_job_is_refused_and_says_why(void **state) {
        Job good = { .id = CUSTOMER,
                .customer = CUSTOMER,
                .request = "{}",
                .relay = "",
                .state = "queued" };
        World *w = *state;
        const char *text;
        int verdict;
        Job job;

#define REFUSED(field, value, words)                                  \
        job = good;                                                   \
        job.field = value;                                            \
        assert_int_equal(job_add(w->jobs, &job, &verdict, &text), 0); \
        assert_int_equal(verdict, -EINVAL);                           \
        assert_string_equal(text, words)
        REFUSED(id, "abc", "its id is not an event id");
        REFUSED(customer, "", "its customer is not a public key");
        REFUSED(state, "sold", "there is no such state");
        REFUSED(price_msat, -1, "its price or its time is negative");
#undef REFUSED
        assert_int_equal(number(w, "SELECT count(*) FROM jobs"), 0);
}

static void a_free_job_goes_its_way_and_earns_nothing(void **state) {
        World *w = *state;
        const char *text;

        assert_int_equal(add(w, 1, "queued", 500, &text), 0);
        assert_int_equal(move(w, 1, "running", "", ""), 0);
        assert_int_equal(move(w, 1, "publishing", "{\"id\":\"result-1\"}", ""), 0);
        assert_int_equal(move(w, 1, "completed", "", ""), 0);
        assert_int_equal(number(w, "SELECT count(*) FROM earnings"), 0);
        assert_int_equal(number(w, "SELECT output_hash = 'result-1' AND started_at IS NOT NULL AND "
                                   "completed_at >= started_at AND paid_at IS NULL AND "
                                   "input_hash = id FROM jobs"),
                        1);
}

static int on_total(const char *source, int64_t n, int64_t msat, void *userdata) {
        World *w = userdata;

        assert_string_equal(source, "job");
        w->n = n;
        w->msat = msat;
        return 0;
}

static int on_earning(const Earning *e, void *userdata) {
        World *w = userdata;

        assert_string_equal(e->source, "job");
        assert_string_equal(e->id, e->job_id);
        (void) snprintf(w->trail + strlen(w->trail), 32, "%ld ", (long) e->amount_msat);
        return 0;
}

/* The customer pays the job's invoice. */
static void pay(World *w, unsigned i, int64_t msat) {
        Outcome o = { 0 };
        char hash[65];

        (void) snprintf(hash, sizeof(hash), "%064x", i);
        assert_int_equal(invoice_add(w->books->invoices,
                                         &(Invoice){ hash, "lnbcrt1", "held", id_of(w, i), "pre",
                                                         "", msat, 1, 2 },
                                         &o),
                        0);
        assert_int_equal(o.verdict, 0);
        assert_int_equal(invoice_settle(w->books->invoices,
                                         &(Settlement){ hash, "regtest", "", "", msat, 0, 2 }, &o),
                        0);
        assert_int_equal(o.verdict, 0);
        outcome_done(&o);
}

static void a_paid_job_earns_once(void **state) {
        World *w = *state;
        const char *text;
        int64_t n, msat;

        for (unsigned i = 1; i <= 3; i++) {
                assert_int_equal(add(w, i, "unpaid", INT64_C(1000) * i, &text), 0);
                pay(w, i, INT64_C(1000) * i);
                assert_int_equal(move(w, i, "queued", "", ""), 0);
                assert_int_equal(move(w, i, "running", "", ""), 0);
                assert_int_equal(move(w, i, "publishing", "{}", ""), 0);
                assert_int_equal(move(w, i, "completed", "", ""), 0);
                assert_int_equal(move(w, i, "completed", "", ""), 0);
        }
        assert_int_equal(add(w, 4, "unpaid", 9999, &text), 0);
        assert_int_equal(move(w, 4, "expired", "", "nobody paid"), 0);

        assert_int_equal(earning_totals(w->earnings, on_total, w), 0);
        assert_int_equal(w->n, 3);
        assert_int_equal(w->msat, 6000);
        assert_int_equal(earning_sum(w->earnings, &n, &msat), 0);
        assert_int_equal(n, 3);
        assert_int_equal(msat, 6000);
        assert_int_equal(earning_list(w->earnings, 2, on_earning, w), 0);
        assert_string_equal(w->trail, "3000 2000 ");
}

static void a_final_state_never_changes(void **state) {
        static const char *const finals[] = { "completed", "failed", "expired", "cancelled" };
        World *w = *state;
        const char *text;

        for (unsigned i = 0; i < ELEMENTSOF(finals); i++) {
                assert_int_equal(add(w, i, "running", 0, &text), 0);
                assert_int_equal(move(w, i, finals[i], "", ""), 0);
                for (int s = 0; s < _JOB_STATE_MAX; s++) {
                        const char *name = job_state_name((JobState) s);

                        assert_int_equal(move(w, i, name, "", "other words"),
                                        streq(name, finals[i]) ? 0 : -EALREADY);
                }
        }
        assert_int_equal(number(w, "SELECT count(*) FROM jobs WHERE error_message IS NULL"), 4);
}

static void no_state_goes_back_but_to_run_again(void **state) {
        World *w = *state;
        const char *text;

        assert_int_equal(add(w, 1, "queued", 0, &text), 0);
        assert_int_equal(move(w, 1, "received", "", ""), -EALREADY);
        assert_int_equal(move(w, 1, "running", "", ""), 0);
        assert_int_equal(move(w, 1, "queued", "", ""), 0);
        assert_int_equal(move(w, 1, "publishing", "{\"id\":\"a\"}", ""), 0); /* running was lazy */
        assert_int_equal(move(w, 1, "running", "", ""), -EALREADY);
        assert_int_equal(move(w, 1, "nowhere", "", ""), -EINVAL);
        assert_int_equal(move(w, 2, "running", "", ""), -ENOENT);
}

static void a_result_once_stored_is_kept(void **state) {
        World *w = *state;
        const char *text;

        assert_int_equal(add(w, 1, "running", 0, &text), 0);
        assert_int_equal(move(w, 1, "publishing", "{\"id\":\"first\"}", ""), 0);
        assert_int_equal(move(w, 1, "publishing", "{\"id\":\"second\"}", ""), 0);
        assert_int_equal(number(w, "SELECT output_hash = 'first' FROM jobs"), 1);
        assert_int_equal(number(w, "SELECT result = '{\"id\":\"first\"}' FROM job_results"), 1);
}

static void lists_are_newest_first_by_state_and_time(void **state) {
        World *w = *state;
        const char *text;

        for (unsigned i = 1; i <= 5; i++)
                assert_int_equal(add(w, i, "running", 0, &text), 0);
        assert_int_equal(move(w, 2, "completed", "", ""), 0);
        assert_int_equal(move(w, 4, "completed", "", ""), 0);

        assert_string_equal(list(w, NULL, INT64_MAX, 3), "5:running 4:completed 3:running ");
        assert_string_equal(list(w, NULL, 1003, 9), "2:completed 1:running ");
        assert_string_equal(list(w, "completed", INT64_MAX, 9), "4:completed 2:completed ");
        assert_string_equal(list(w, "running", 1005, 9), "3:running 1:running ");
        assert_string_equal(list(w, "failed", INT64_MAX, 9), "");
        assert_int_equal(job_list(w->jobs, "nowhere", 0, 1, on_row, w), -EINVAL);
}

static void open_jobs_come_in_pages(void **state) {
        World *w = *state;
        const char *text;

        for (unsigned i = 1; i <= 5; i++)
                assert_int_equal(add(w, i, "running", 0, &text), 0);
        assert_int_equal(move(w, 2, "completed", "", ""), 0);
        assert_int_equal(move(w, 3, "owed", "", ""), 0);

        assert_int_equal(job_list_open(w->jobs, "", 2, on_row, w), 0);
        assert_string_equal(w->trail, "1:running 3:owed ");
        assert_int_equal(job_list_open(w->jobs, id_of(w, 3), 9, on_row, w), 0);
        assert_string_equal(w->trail, "1:running 3:owed 4:running 5:running ");
}

static void a_job_is_found_by_the_beginning_of_its_id(void **state) {
        World *w = *state;
        const char *text, *reason;
        SqlStatement *q;

        assert_int_equal(add(w, 0xabc, "running", 0, &text), 0);
        assert_int_equal(job_get(w->jobs, "00000abc", &q, &reason), 0);
        assert_string_equal(sql_text(q, 0), w->id);
        (void) sql_reset(q);
        assert_int_equal(job_get(w->jobs, w->id, &q, &reason), 0);
        (void) sql_reset(q);
        assert_int_equal(job_get(w->jobs, "00000abd", &q, &reason), -ENOENT);
        assert_int_equal(job_get(w->jobs, "0000abc", &q, &reason), -EINVAL);
        assert_int_equal(job_get(w->jobs, "0000zzzz", &q, &reason), -EINVAL);

        assert_int_equal(sql_exec(w->db, "INSERT INTO jobs (id, kind, customer_pubkey, status, "
                                         "created_at) VALUES ('00000abcf', 1, '', 'failed', 1)"),
                        0);
        assert_int_equal(job_get(w->jobs, "00000abc", &q, &reason), -ENOTUNIQ);
}

static void lists_and_pages_read_an_index(void **state) {
        static const char *const queries[] = {
                "SELECT id FROM jobs WHERE created_at < 9 ORDER BY created_at DESC, seq DESC LIMIT 9",
                "SELECT id FROM jobs WHERE created_at < 9 AND status = 'failed' AND status IN "
                "('completed', 'failed', 'expired', 'cancelled') "
                "ORDER BY created_at DESC, seq DESC LIMIT 9",
                "SELECT id FROM jobs WHERE status IN ('received', 'priced', 'unpaid', 'queued', "
                "'running', 'publishing', 'owed') AND id > '' ORDER BY id LIMIT 9",
                "SELECT seq FROM jobs WHERE id >= 'a' AND id < 'a' || 'g' LIMIT 2",
        };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(queries); i++) {
                _cleanup_free_ char *text = NULL;
                SqlStatement *q;

                assert_true(asprintf(&text, "EXPLAIN QUERY PLAN %s", queries[i]) > 0);
                assert_int_equal(sql_prepare(w->db, text, &q), 0);
                while (sql_step(q) > 0) {
                        assert_non_null(strstr(sql_text(q, 3), "SEARCH jobs USING"));
                        assert_null(strstr(sql_text(q, 3), "TEMP B-TREE"));
                }
        }
}

static void settings_are_kept_and_replaced(void **state) {
        World *w = *state;
        char name[SETTING_NAME_MAX + 2], *value;

        assert_int_equal(setting_get(w->settings, "provider.online", &value), 0);
        assert_string_equal(value, "");
        free(value);
        assert_int_equal(setting_set(w->settings, "provider.online", "no"), 0);
        assert_int_equal(setting_set(w->settings, "provider.online", "yes"), 0);
        assert_int_equal(setting_get(w->settings, "provider.online", &value), 0);
        assert_string_equal(value, "yes");
        free(value);

        memset(name, 'x', sizeof(name));
        name[sizeof(name) - 1] = 0;
        assert_int_equal(setting_set(w->settings, name, ""), -EINVAL);
        assert_int_equal(setting_set(w->settings, "", ""), -EINVAL);
}

/* The queries of the first Pylon's documents. */
static void the_predecessors_queries_work(void **state) {
        static const char *const queries[] = {
                "SELECT status, COUNT(*) FROM jobs GROUP BY status",
                "SELECT id, kind, customer_pubkey, status, price_msats, input_hash, output_hash, "
                "error_message, started_at, completed_at, created_at FROM jobs",
                "SELECT SUM(amount_msats) / 1000 FROM earnings WHERE source = 'job'",
                "SELECT id, job_id, amount_msats, source, payment_hash, preimage, earned_at "
                "FROM earnings ORDER BY earned_at DESC LIMIT 10",
                "SELECT npub, name, lifecycle_state, balance_sats, tick_count, last_tick_at, "
                "memory_json, goals_json, created_at, updated_at FROM agents",
                "SELECT id, agent_npub, tick_number, prompt_tokens, completion_tokens, "
                "actions_json, cost_sats, duration_ms, created_at FROM tick_history",
                "SELECT id, job_id, bolt11, amount_msats, status, paid_amount_msats, created_at, "
                "paid_at FROM invoices",
                "SELECT id, name, applied_at FROM migrations",
        };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(queries); i++)
                assert_int_equal(sql_exec(w->db, queries[i]), 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(a_job_that_is_there_already_is_left_alone),
                T(a_bad_job_is_refused_and_says_why),
                T(a_free_job_goes_its_way_and_earns_nothing),
                T(a_paid_job_earns_once),
                T(a_final_state_never_changes),
                T(no_state_goes_back_but_to_run_again),
                T(a_result_once_stored_is_kept),
                T(lists_are_newest_first_by_state_and_time),
                T(open_jobs_come_in_pages),
                T(a_job_is_found_by_the_beginning_of_its_id),
                T(lists_and_pages_read_an_index),
                T(settings_are_kept_and_replaced),
                T(the_predecessors_queries_work),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
