/* store/table-regtest: the money of the regtest node is never more or less than what the faucet
 * gave, and an invoice is paid once, in time, by one. */
#include "tests/unit/unit.h"

#include "schema.h"
#include "table-regtest.h"

#define HASH     "aa00000000000000000000000000000000000000000000000000000000000001"
#define OTHER    "aa00000000000000000000000000000000000000000000000000000000000002"
#define PREIMAGE "bb00000000000000000000000000000000000000000000000000000000000001"
#define FAR      INT64_C(4000000000)

typedef struct World {
        char folder[64], path[96], trail[256];
        Sql *db;
        RegtestTable *t;
} World;

static int set_up(void **state) {
        World *w = new0(World, 1);
        const char *reason;
        int64_t n;

        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-regtest-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/pylon.db", w->folder);
        assert_int_equal(sql_open(w->path, schema, schema_n, &w->db, &reason), 0);
        assert_int_equal(regtest_table_new(w->db, &w->t), 0);
        assert_int_equal(regtest_fund(w->t, "f1", "alice", 5000, &n, &reason), 0);
        assert_int_equal(n, 5000);
        *state = w;
        return 0;
}

/* After every test: nothing was made and nothing was lost. */
static int tear_down(void **state) {
        World *w = *state;
        SqlStatement *q;

        assert_int_equal(
                        sql_prepare(w->db,
                                        "SELECT total(amount_msats) FROM regtest_postings "
                                        "UNION ALL SELECT total(balance_msats) FROM regtest_accounts "
                                        "UNION ALL SELECT count(*) FROM (SELECT seq FROM "
                                        "regtest_postings GROUP BY seq HAVING sum(amount_msats) <> 0)",
                                        &q),
                        0);
        while (sql_step(q) > 0)
                assert_int_equal(sql_int(q, 0), 0);
        w->t = regtest_table_free(w->t);
        w->db = sql_close(w->db);
        (void) unlink(w->path);
        (void) rmdir(w->folder);
        free(w);
        return 0;
}

static void add(World *w, const char *hash, int64_t msat, int64_t expires_at) {
        RegtestInvoice i = {
                .hash = hash,
                .preimage = PREIMAGE,
                .account = REGTEST_SELF,
                .bolt11 = "lnbcrt1",
                .description = "",
                .amount_msat = msat,
                .created_at = 1,
                .expires_at = expires_at,
        };
        const char *reason;

        assert_int_equal(regtest_add_invoice(w->t, &i, &reason), 0);
        assert_int_equal(regtest_add_invoice(w->t, &i, &reason), 0);
}

static RegtestPayment pay(World *w, const char *payer, const char *hash, int64_t msat) {
        RegtestPayment p;

        assert_int_equal(regtest_pay(w->t, payer, hash, msat, &p), 0);
        return p;
}

static int64_t balance(World *w, const char *account) {
        int64_t n;

        assert_int_equal(regtest_balance(w->t, account, &n), 0);
        return n;
}

static void an_invoice_is_paid_once(void **state) {
        World *w = *state;
        RegtestPayment p;

        add(w, HASH, 2000, FAR);
        p = pay(w, "alice", HASH, 0);
        assert_true(p.settled && !p.again);
        assert_string_equal(p.preimage, PREIMAGE);
        p = pay(w, "alice", HASH, 0);
        assert_true(p.settled && p.again);
        assert_int_equal(p.amount_msat, 2000);
        assert_int_equal(balance(w, "alice"), 3000);
        assert_int_equal(balance(w, REGTEST_SELF), 2000);
        assert_string_equal(pay(w, REGTEST_SELF, HASH, 0).reason,
                        "somebody else has paid this invoice already");
}

static void nobody_pays_what_he_does_not_have(void **state) {
        World *w = *state;

        add(w, HASH, 5001, FAR);
        assert_string_equal(pay(w, "alice", HASH, 0).reason, "the payer does not have that much");
        assert_string_equal(pay(w, "bob", HASH, 0).reason, "the payer does not have that much");
        assert_int_equal(balance(w, "alice"), 5000);
}

static void an_expired_invoice_takes_no_money(void **state) {
        World *w = *state;

        add(w, HASH, 1, 2);
        assert_string_equal(pay(w, "alice", HASH, 0).reason, "the invoice has expired");
}

static void the_amount_is_the_invoices_or_the_payers(void **state) {
        World *w = *state;

        add(w, HASH, 0, FAR);
        add(w, OTHER, 100, FAR);
        assert_string_equal(pay(w, "alice", HASH, 0).reason,
                        "the invoice names no amount, and none was given");
        assert_string_equal(pay(w, "alice", OTHER, 99).reason, "the amount is not the invoice's");
        assert_true(pay(w, "alice", HASH, 7).settled);
        assert_true(pay(w, "alice", OTHER, 100).settled);
        assert_int_equal(balance(w, REGTEST_SELF), 107);
}

static void to_others_there_is_no_route(void **state) {
        World *w = *state;

        assert_string_equal(pay(w, "alice", HASH, 5).reason, "there is no route to this payee");
}

static void who_pays_himself_needs_no_more_than_he_pays(void **state) {
        World *w = *state;
        const char *reason;
        int64_t n;

        assert_int_equal(regtest_fund(w->t, "f2", REGTEST_SELF, 10, &n, &reason), 0);
        assert_int_equal(regtest_fund(w->t, "f2", REGTEST_SELF, 10, &n, &reason), 0);
        assert_int_equal(n, 10);
        add(w, HASH, 10, FAR);
        assert_true(pay(w, REGTEST_SELF, HASH, 0).settled);
        assert_int_equal(balance(w, REGTEST_SELF), 10);
}

static int on_settled(_unused_ int64_t seq, const char *hash, int64_t msat,
                _unused_ int64_t settled_at, _unused_ const char *preimage, void *userdata) {
        World *w = userdata;
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%s:%d ", hash + 62, (int) msat);
        return 0;
}

static void what_was_settled_is_told_in_its_order(void **state) {
        World *w = *state;

        add(w, OTHER, 20, FAR);
        add(w, HASH, 10, FAR);
        assert_true(pay(w, "alice", OTHER, 0).settled);
        assert_true(pay(w, "alice", HASH, 0).settled);
        assert_int_equal(regtest_settled(w->t, REGTEST_SELF, 0, 10, on_settled, w), 0);
        assert_string_equal(w->trail, "02:20 01:10 ");
        w->trail[0] = 0;
        assert_int_equal(regtest_settled(w->t, REGTEST_SELF, 2, 10, on_settled, w), 0);
        assert_string_equal(w->trail, "01:10 ");
}

static void the_first_key_is_kept(void **state) {
        World *w = *state;
        char kept[65];

        assert_int_equal(regtest_key(w->t, HASH, kept), 0);
        assert_int_equal(regtest_key(w->t, OTHER, kept), 0);
        assert_string_equal(kept, HASH);
        assert_int_equal(regtest_key(w->t, "beef", kept), -EINVAL);
}

static int on_entry(const RegtestEntry *e, void *userdata) {
        World *w = userdata;
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%s %s %d ", e->incoming ? "in" : "out",
                        e->state, (int) e->amount_msat);
        return 0;
}

static void an_account_has_a_history(void **state) {
        World *w = *state;
        RegtestQuery q = { .account = REGTEST_SELF, .kind = "", .limit = 10, .unpaid = true };

        add(w, OTHER, 20, FAR);
        assert_int_equal(regtest_list(w->t, &q, on_entry, w), 0);
        assert_string_equal(w->trail, "in open 20 ");
        assert_true(pay(w, "alice", OTHER, 0).settled);
        w->trail[0] = 0;
        q.account = "alice";
        assert_int_equal(regtest_list(w->t, &q, on_entry, w), 0);
        assert_string_equal(w->trail, "out settled 20 ");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(an_invoice_is_paid_once),
                TEST(nobody_pays_what_he_does_not_have),
                TEST(an_expired_invoice_takes_no_money),
                TEST(the_amount_is_the_invoices_or_the_payers),
                TEST(to_others_there_is_no_route),
                TEST(who_pays_himself_needs_no_more_than_he_pays),
                TEST(what_was_settled_is_told_in_its_order),
                TEST(the_first_key_is_kept),
                TEST(an_account_has_a_history),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
