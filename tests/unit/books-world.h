#pragma once
/* The world of the tests of the books: a database, and a verb for each thing that happens. Every
 * test ends with all invariants checked. */
#include "tests/unit/unit.h"

#include "books.h"
#include "schema.h"

#define CUSTOMER "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"
#define NOW      INT64_C(1800000000)

typedef struct World {
        char folder[64], path[96], text[4][65];
        unsigned n_text;
        Sql *db;
        Books *books;
        JobTable *jobs;
        Outcome o;
} World;

static inline _unused_ int set_up(void **state) {
        World *w = new0(World, 1);
        const char *reason;

        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-books-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/pylon.db", w->folder);
        assert_int_equal(sql_open(w->path, schema, schema_n, &w->db, &reason), 0);
        assert_int_equal(sql_exec(w->db, "PRAGMA synchronous = OFF"), 0);
        assert_int_equal(books_new(w->db, &w->books), 0);
        assert_int_equal(job_table_new(w->db, w->books->money, &w->jobs), 0);
        ledger_set_clock(w->books->ledger, NOW);
        assert_int_equal(sql_exec(w->db, "BEGIN"), 0);
        *state = w;
        return 0;
}

static inline _unused_ int on_check(
                const char *check, bool ok, const char *detail, _unused_ void *userdata) {
        if (!ok)
                print_error("%s: %s\n", check, detail);
        assert_true(ok);
        return 0;
}

static inline _unused_ int note_check(
                _unused_ const char *check, bool ok, _unused_ const char *detail, void *userdata) {
        bool *bad = userdata;

        *bad |= !ok;
        return 0;
}

static inline _unused_ int tear_down(void **state) {
        World *w = *state;

        assert_int_equal(book_verify(w->books, on_check, NULL), 0);
        assert_int_equal(sql_exec(w->db, "COMMIT"), 0);
        outcome_done(&w->o);
        w->jobs = job_table_free(w->jobs);
        w->books = books_free(w->books);
        w->db = sql_close(w->db);
        assert_int_equal(unlink(w->path), 0);
        assert_int_equal(rmdir(w->folder), 0);
        free(w);
        return 0;
}

/* 64 digits; four of them live at a time. */
static inline _unused_ const char *id_of(World *w, unsigned i) {
        char *text = w->text[w->n_text++ % 4];

        (void) snprintf(text, 65, "%064x", i);
        return text;
}

static inline _unused_ int64_t shown(World *w, const char *account) {
        LedgerAccount a;

        assert_int_equal(ledger_account(w->books->ledger, account, &a), 0);
        return a.msat;
}

static inline _unused_ int64_t reserved(World *w, const char *account) {
        LedgerAccount a;

        assert_int_equal(ledger_account(w->books->ledger, account, &a), 0);
        return a.reserved;
}

static inline _unused_ int deposit(World *w, const char *id, const char *account, int64_t msat) {
        assert_int_equal(book_deposit(w->books,
                                         &(Transfer){ id, "regtest", account, "faucet", msat },
                                         &w->o),
                        0);
        return w->o.verdict;
}

static inline _unused_ int invoice(World *w, unsigned n, const char *account, unsigned job,
                const char *stage, int64_t msat) {
        assert_int_equal(invoice_add(w->books->invoices,
                                         &(Invoice){ .hash = id_of(w, n),
                                                         .bolt11 = id_of(w, n),
                                                         .account = account,
                                                         .job = job ? id_of(w, job) : "",
                                                         .stage = stage,
                                                         .description = "",
                                                         .amount_msat = msat,
                                                         .created_at = NOW,
                                                         .expires_at = NOW + 600 },
                                         &w->o),
                        0);
        return w->o.verdict;
}

static inline _unused_ int settle(World *w, unsigned n, int64_t msat, int64_t fee) {
        assert_int_equal(invoice_settle(w->books->invoices,
                                         &(Settlement){ .hash = id_of(w, n),
                                                         .driver = "regtest",
                                                         .preimage = "",
                                                         .cursor = "c",
                                                         .received_msat = msat,
                                                         .fee_msat = fee },
                                         &w->o),
                        0);
        return w->o.verdict;
}

static inline _unused_ Intent an_intent(
                World *w, const char *id, const char *account, unsigned hash, int64_t msat) {
        return (Intent){ .id = id,
                .account = account,
                .hash = id_of(w, hash),
                .bolt11 = "lnbcrt1",
                .payee = "payee",
                .grant = "",
                .purpose = "",
                .ref = "",
                .amount_msat = msat,
                .fee_max_msat = 10 };
}

static inline _unused_ int add(World *w, const Intent *i) {
        assert_int_equal(payment_add(w->books->payments, i, &w->o), 0);
        return w->o.verdict;
}

static inline _unused_ int pay(
                World *w, const char *id, const char *account, unsigned hash, int64_t msat) {
        Intent i = an_intent(w, id, account, hash, msat);

        return add(w, &i);
}

static inline _unused_ int move(World *w, const char *id, const char *state, int64_t fee) {
        assert_int_equal(payment_move(w->books->payments,
                                         &(IntentMove){ .id = id,
                                                         .state = state,
                                                         .opaque = "",
                                                         .preimage = "",
                                                         .reason = "",
                                                         .driver = "regtest",
                                                         .fee_msat = fee },
                                         &w->o),
                        0);
        return w->o.verdict;
}

static inline _unused_ int job(World *w, unsigned n, const char *state) {
        const char *text;
        int verdict;

        assert_int_equal(job_add(w->jobs,
                                         &(Job){ .id = id_of(w, n),
                                                         .kind = 5050,
                                                         .customer = CUSTOMER,
                                                         .request = "{}",
                                                         .relay = "ws://a",
                                                         .state = state,
                                                         .price_msat = 1000,
                                                         .created_at = NOW },
                                         &verdict, &text),
                        0);
        return verdict;
}

static inline _unused_ int go(World *w, unsigned n, const char *state) {
        const char *text;
        int verdict;

        assert_int_equal(job_move(w->jobs, &(JobMove){ id_of(w, n), state, "", "", "" }, &verdict,
                                         &text),
                        0);
        return verdict;
}

static inline _unused_ int64_t number(World *w, const char *text) {
        SqlStatement *q;
        int64_t n;

        assert_int_equal(sql_prepare(w->db, text, &q), 0);
        assert_int_equal(sql_step(q), 1);
        n = sql_int(q, 0);
        (void) sql_reset(q);
        return n;
}

static inline _unused_ int grant(World *w, const char *json) {
        assert_int_equal(grant_set(w->books->grants, "g", "agent:alice", json, &w->o), 0);
        return w->o.verdict;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
