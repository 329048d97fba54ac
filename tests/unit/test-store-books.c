/* store/books, ledger, table-invoice, table-payment, job-money: after every test all invariants
 * hold. */
#include "tests/unit/books-world.h"

/* Ledger. */

static void what_was_booked_stays_as_it_is(void **state) {
        static const char *const attempts[] = {
                "UPDATE ledger_moves SET msats = 1",
                "DELETE FROM ledger_moves",
                "UPDATE ledger_entries SET text = 'x'",
                "DELETE FROM ledger_entries",
                "INSERT OR REPLACE INTO ledger_moves VALUES (1, 0, 'wallet:x', 'owner', 1)",
                "INSERT OR REPLACE INTO ledger_entries VALUES (1, 1, 'deposit', 'x', '')",
                "DELETE FROM payments",
                "UPDATE ledger_clock SET seconds = 1",
                "INSERT INTO ledger_moves VALUES (1, 7, 'owner', 'owner', 1)",
                "INSERT INTO ledger_moves VALUES (1, 7, 'owner', 'held', 0)",
                "INSERT INTO ledger_moves VALUES (1, 7, 'owner', 'held', -1)",
                "INSERT INTO ledger_moves VALUES (99, 7, 'owner', 'held', 1); COMMIT",
        };
        World *w = *state;

        assert_int_equal(deposit(w, "d", "owner", 1000), 0);
        assert_int_equal(pay(w, "p", "owner", 1, 10), 0);
        for (size_t i = 0; i < ELEMENTSOF(attempts); i++) {
                print_message("# %s\n", attempts[i]);
                assert_true(sql_exec(w->db, attempts[i]) < 0);
        }
        assert_int_equal(shown(w, "owner"), 1000);
}

static void a_deposit_counts_once(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "one", "owner", 1000), 0);
        assert_int_equal(deposit(w, "one", "owner", 1000), 1);
        assert_int_equal(deposit(w, "two", "owner", -300), 0);
        assert_int_equal(deposit(w, "three", "held", 5), -EINVAL);
        assert_int_equal(deposit(w, "three", "nobody", 5), -EINVAL);
        assert_int_equal(deposit(w, "three", "owner", INT64_MAX), -EINVAL);
        assert_int_equal(deposit(w, "three", "owner", INT64_MIN), -EINVAL);
        assert_int_equal(shown(w, "wallet:regtest"), 700);
        assert_int_equal(shown(w, "owner"), 700);
}

static void no_account_gets_more_than_there_is(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "one", "owner", LEDGER_MSAT_MAX), 0);
        assert_int_equal(deposit(w, "two", "owner", 1), -EINVAL);
        assert_int_equal(invoice(w, 1, "owner", 0, "", 5), 0);
        assert_int_equal(settle(w, 1, 5, 0), -EINVAL);
}

static int transfer(World *w, const char *id, const char *from, const char *to, int64_t msat) {
        assert_int_equal(book_transfer(w->books, &(Transfer){ id, from, to, "", msat }, &w->o), 0);
        return w->o.verdict;
}

static void earnings_go_to_an_agent_without_lightning(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "provider", 1000), 0);
        assert_int_equal(transfer(w, "t", "provider", "agent:alice", 600), 0);
        assert_int_equal(transfer(w, "t", "provider", "agent:alice", 600), 1);
        assert_int_equal(transfer(w, "u", "provider", "agent:alice", 401), -ENOBUFS);
        assert_int_equal(transfer(w, "u", "provider", "held", 1), -EINVAL);
        assert_int_equal(transfer(w, "u", "wallet:regtest", "owner", 1), -EINVAL);
        assert_int_equal(transfer(w, "u", "provider", "provider", 1), -EINVAL);
        assert_int_equal(transfer(w, "u", "provider", "agent:", 1), -EINVAL);
        assert_int_equal(shown(w, "agent:alice"), 600);
        assert_int_equal(shown(w, "provider"), 400);
        assert_int_equal(shown(w, "wallet:regtest"), 1000);
}

/* Invoices and jobs. */

static void a_paid_job_is_held_until_it_is_published(void **state) {
        World *w = *state;

        assert_int_equal(invoice(w, 1, "held", 7, "pre", 1000), 0);
        assert_int_equal(job(w, 7, "unpaid"), 0);
        assert_int_equal(settle(w, 1, 1000, 0), 0);
        assert_string_equal(w->o.text, id_of(w, 7));
        assert_int_equal(settle(w, 1, 1000, 0), 1);
        assert_int_equal(shown(w, "held"), 1000);
        assert_int_equal(go(w, 7, "queued"), 0);
        assert_int_equal(go(w, 7, "failed"), -EBUSY);
        assert_int_equal(go(w, 7, "expired"), -EBUSY);
        assert_int_equal(go(w, 7, "cancelled"), -EBUSY);
        assert_int_equal(go(w, 7, "running"), 0);
        assert_int_equal(number(w, "SELECT count(*) FROM earnings"), 0);
        assert_int_equal(go(w, 7, "publishing"), 0);
        assert_int_equal(go(w, 7, "publishing"), 0);
        assert_int_equal(shown(w, "held"), 0);
        assert_int_equal(shown(w, "provider"), 1000);
        assert_int_equal(go(w, 7, "failed"), -EBUSY);
        assert_int_equal(go(w, 7, "completed"), 0);
        assert_int_equal(number(w, "SELECT sum(amount_msats) FROM earnings WHERE id = job_id"),
                        1000);
        assert_int_equal(sql_exec(w->db, "UPDATE jobs SET status = 'failed'"), -EINVAL);
}

static void a_stage_has_one_open_invoice(void **state) {
        World *w = *state;

        assert_int_equal(invoice(w, 1, "held", 7, "pre", 1000), 0);
        assert_int_equal(invoice(w, 2, "held", 7, "pre", 1000), 1);
        assert_string_equal(w->o.text, id_of(w, 1));
        assert_int_equal(invoice(w, 1, "held", 7, "pre", 1000), 1);
        assert_int_equal(invoice(w, 3, "held", 7, "post", 1000), 0);
        assert_int_equal(invoice(w, 4, "owner", 7, "pre", 1000), -EINVAL);
        assert_int_equal(invoice(w, 4, "held", 0, "", 1000), -EINVAL);
        assert_int_equal(invoice(w, 4, "held", 8, "", 1000), -EINVAL);
        assert_int_equal(invoice(w, 4, "held", 8, "pre", 0), -EINVAL);
        assert_int_equal(invoice(w, 4, "owner", 0, "", 0), 0);
}

static int end(World *w, unsigned n, const char *how) {
        assert_int_equal(invoice_end(w->books->invoices, id_of(w, n), how, &w->o), 0);
        return w->o.verdict;
}

static void a_job_paid_late_is_owed_and_paid_back(void **state) {
        World *w = *state;
        Intent i;

        assert_int_equal(invoice(w, 1, "held", 7, "pre", 1000), 0);
        assert_int_equal(job(w, 7, "unpaid"), 0);
        assert_int_equal(end(w, 1, "expired"), 0);
        assert_int_equal(end(w, 1, "expired"), 1);
        assert_int_equal(go(w, 7, "expired"), 0);
        assert_int_equal(settle(w, 1, 1000, 0), 0);
        assert_int_equal(end(w, 1, "expired"), -EALREADY);
        assert_int_equal(number(w, "SELECT count(*) FROM jobs WHERE status = 'owed'"), 1);
        assert_int_equal(shown(w, "refunds"), 1000);
        assert_int_equal(go(w, 7, "cancelled"), -EBUSY);

        i = an_intent(w, "back", "refunds", 9, 1001);
        i.purpose = "refund";
        i.ref = id_of(w, 7);
        assert_int_equal(add(w, &i), -ENOBUFS);
        i.amount_msat = 1000;
        assert_int_equal(add(w, &i), 0);
        assert_int_equal(go(w, 7, "queued"), -EBUSY);
        assert_int_equal(move(w, "back", "sent", 0), 0);
        assert_int_equal(move(w, "back", "settled", 3), 0);
        assert_int_equal(shown(w, "refunds"), 0);
        assert_int_equal(shown(w, "fees"), 3);
        assert_int_equal(shown(w, "wallet:regtest"), -3);
        assert_int_equal(go(w, 7, "cancelled"), 0);
}

static void an_owed_job_can_still_be_delivered(void **state) {
        World *w = *state;

        assert_int_equal(job(w, 7, "unpaid"), 0);
        assert_int_equal(invoice(w, 1, "held", 7, "pre", 1000), 0);
        assert_int_equal(settle(w, 1, 1000, 0), 0);
        assert_int_equal(go(w, 7, "owed"), 0);
        assert_int_equal(shown(w, "refunds"), 1000);
        assert_int_equal(go(w, 7, "queued"), 0);
        assert_int_equal(shown(w, "held"), 1000);
        assert_int_equal(go(w, 7, "publishing"), 0);
        assert_int_equal(go(w, 7, "owed"), 0);
        assert_int_equal(number(w, "SELECT count(*) FROM earnings"), 0);
        assert_int_equal(go(w, 7, "completed"), 0);
        assert_int_equal(shown(w, "provider"), 1000);
        assert_int_equal(number(w, "SELECT sum(amount_msats) FROM earnings"), 1000);
}

static void a_second_payment_of_a_stage_is_paid_back(void **state) {
        World *w = *state;
        Intent i;

        assert_int_equal(job(w, 7, "unpaid"), 0);
        assert_int_equal(invoice(w, 1, "held", 7, "pre", 1000), 0);
        assert_int_equal(end(w, 1, "expired"), 0);
        assert_int_equal(invoice(w, 2, "held", 7, "pre", 1000), 0);
        assert_int_equal(settle(w, 1, 1000, 0), 0); /* late, but before the other */
        assert_int_equal(settle(w, 2, 1000, 0), 0);
        assert_int_equal(invoice(w, 3, "held", 7, "pre", 1000), 1);
        assert_int_equal(shown(w, "held"), 1000);
        assert_int_equal(shown(w, "refunds"), 1000);
        assert_int_equal(go(w, 7, "publishing"), 0);
        assert_int_equal(go(w, 7, "completed"), 0);
        assert_int_equal(shown(w, "provider"), 1000);

        i = an_intent(w, "back", "refunds", 9, 1000);
        i.purpose = "refund";
        i.ref = id_of(w, 7);
        assert_int_equal(add(w, &i), 0);
        assert_int_equal(move(w, "back", "sent", 0), 0);
        assert_int_equal(move(w, "back", "settled", 0), 0);
        assert_int_equal(shown(w, "refunds"), 0);
}

static void what_a_backend_keeps_is_a_fee_of_the_house(void **state) {
        World *w = *state;

        assert_int_equal(job(w, 7, "unpaid"), 0);
        assert_int_equal(invoice(w, 1, "held", 7, "post", 1000), 0);
        assert_int_equal(go(w, 7, "publishing"), 0);
        assert_int_equal(settle(w, 1, 1000, 40), 0); /* after the delivery: earned at once */
        assert_int_equal(shown(w, "provider"), 1000);
        assert_int_equal(shown(w, "fees"), 40);
        assert_int_equal(shown(w, "wallet:regtest"), 960);
        assert_int_equal(transfer(w, "t", "provider", "owner", 961), -ENOBUFS);
        assert_int_equal(transfer(w, "t", "provider", "owner", 960), 0);
}

static void the_cursor_is_kept_for_strangers_invoices_too(void **state) {
        World *w = *state;
        _cleanup_sql_ SqlStatement *q = NULL;
        const char *cursor;

        assert_int_equal(settle(w, 5, 10, 0), -ENOENT);
        assert_int_equal(cursor_get(w->books->invoices, "regtest", &q, &cursor), 0);
        assert_string_equal(cursor, "c");
}

/* Payments. */

static void a_payment_reserves_and_books_what_it_took(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "owner", 1000), 0);
        assert_int_equal(pay(w, "p", "owner", 1, 900), 0);
        assert_string_equal(w->o.text, "new");
        assert_int_equal(reserved(w, "owner"), 910);
        assert_int_equal(pay(w, "q", "owner", 2, 81), -ENOBUFS);
        assert_int_equal(move(w, "p", "settled", 1), -EINVAL);
        assert_int_equal(move(w, "p", "sent", 0), 0);
        assert_int_equal(move(w, "p", "unknown", 0), 0);
        assert_int_equal(reserved(w, "owner"), 910);
        assert_int_equal(move(w, "p", "settled", 1), 0);
        assert_int_equal(move(w, "p", "settled", 1), 0);
        assert_int_equal(move(w, "p", "failed", 0), -EALREADY);
        assert_int_equal(reserved(w, "owner"), 0);
        assert_int_equal(shown(w, "owner"), 99);
        assert_int_equal(shown(w, "wallet:regtest"), 99);
}

static void one_invoice_is_paid_once(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "owner", 1000), 0);
        assert_int_equal(deposit(w, "e", "agent:alice", 1000), 0);
        assert_int_equal(pay(w, "p", "owner", 1, 100), 0);
        assert_int_equal(pay(w, "p", "owner", 1, 100), 1);
        assert_string_equal(w->o.text, "p");
        assert_int_equal(pay(w, "q", "owner", 1, 100), 1);
        assert_string_equal(w->o.text, "p");
        assert_int_equal(pay(w, "p", "owner", 2, 100), -EEXIST);
        assert_int_equal(pay(w, "r", "agent:alice", 1, 100), -EEXIST);
        assert_int_equal(move(w, "p", "failed", 0), 0);
        assert_int_equal(reserved(w, "owner"), 0);
        assert_int_equal(pay(w, "p", "owner", 1, 100), 1); /* that one has failed, for ever */
        assert_int_equal(pay(w, "r", "agent:alice", 1, 100), 0);
        assert_int_equal(move(w, "p", "sent", 0), -EALREADY);
        assert_int_equal(move(w, "p", "settled", 0), -EEXIST);
}

static void one_job_is_paid_once_by_whatever_invoice(void **state) {
        World *w = *state;
        Intent i;

        assert_int_equal(deposit(w, "d", "owner", 1000), 0);
        i = an_intent(w, "p", "owner", 1, 100);
        i.purpose = "job";
        i.ref = "job-1";
        assert_int_equal(add(w, &i), 0);
        i.id = "q";
        i.hash = id_of(w, 2);
        assert_int_equal(add(w, &i), 1);
        assert_string_equal(w->o.text, "p");
        i.ref = "job-2";
        assert_int_equal(add(w, &i), 0);
}

static void a_fee_above_its_limit_is_booked_and_freezes(void **state) {
        World *w = *state;
        Intent i;

        assert_int_equal(deposit(w, "d", "agent:alice", 1000), 0);
        assert_int_equal(grant_set(w->books->grants, "g", "agent:alice", "{}", &w->o), 0);
        i = an_intent(w, "p", "agent:alice", 1, 900);
        i.grant = "g";
        assert_int_equal(add(w, &i), 0);
        assert_int_equal(move(w, "p", "sent", 0), 0);
        assert_int_equal(move(w, "p", "settled", 150), 1);
        assert_int_equal(shown(w, "agent:alice"), -50);
        assert_int_equal(deposit(w, "e", "agent:alice", 1000), 0);
        assert_int_equal(pay(w, "q", "agent:alice", 2, 1), -EBUSY);
        assert_int_equal(transfer(w, "t", "agent:alice", "owner", 1), -EBUSY);
        assert_int_equal(book_unfreeze(w->books, "agent:alice", &w->o), 0);
        i.id = "q";
        i.hash = id_of(w, 2);
        i.amount_msat = 1;
        assert_int_equal(add(w, &i), -EBUSY); /* the grant is still frozen */
        assert_int_equal(grant_set(w->books->grants, "g", "agent:alice", "{}", &w->o), 0);
        assert_int_equal(add(w, &i), 0);
}

static void a_failed_payment_whose_money_is_gone_is_booked(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "owner", 1000), 0);
        assert_int_equal(pay(w, "p", "owner", 1, 100), 0);
        assert_int_equal(move(w, "p", "sent", 0), 0);
        assert_int_equal(move(w, "p", "failed", 0), 0);
        assert_int_equal(move(w, "p", "settled", 2), 1);
        assert_int_equal(shown(w, "owner"), 898);
}

static void who_pays_himself_inside_needs_no_lightning(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "agent:alice", 1000), 0);
        assert_int_equal(job(w, 7, "unpaid"), 0);
        assert_int_equal(invoice(w, 1, "held", 7, "pre", 400), 0);
        assert_int_equal(pay(w, "p", "agent:alice", 1, 400), 0);
        assert_int_equal(payment_move(w->books->payments,
                                         &(IntentMove){ "p", "settled", "", "", "", "internal", 0 },
                                         &w->o),
                        0);
        assert_int_equal(w->o.verdict, 0);
        assert_int_equal(shown(w, "held"), 400);
        assert_int_equal(shown(w, "agent:alice"), 600);
        assert_int_equal(shown(w, "wallet:regtest"), 1000);
        /* and then a stranger pays it through the backend, which cannot be refused */
        assert_int_equal(settle(w, 1, 400, 0), 1);
        assert_int_equal(settle(w, 1, 400, 0), 1);
        assert_int_equal(shown(w, "owner"), 400);
        assert_int_equal(shown(w, "wallet:regtest"), 1400);
}

static void who_pays_himself_by_the_backend_books_both(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "agent:alice", 1000), 0);
        assert_int_equal(invoice(w, 1, "provider", 0, "", 400), 0);
        assert_int_equal(pay(w, "p", "agent:alice", 1, 400), 0);
        assert_int_equal(move(w, "p", "sent", 0), 0);
        assert_int_equal(settle(w, 1, 400, 0), 0);
        assert_int_equal(move(w, "p", "settled", 0), 0);
        assert_int_equal(shown(w, "wallet:regtest"), 1000);
        assert_int_equal(shown(w, "provider"), 400);
        assert_int_equal(number(w, "SELECT amount_msats FROM earnings WHERE source = 'tip'"), 400);
}

/* Lists. */

static void the_history_of_an_account_is_a_page_of_whole_entries(void **state) {
        World *w = *state;
        SqlStatement *q;
        int64_t sum = 0, last = INT64_MAX;
        int n = 0;

        assert_int_equal(deposit(w, "d", "owner", 100000), 0);
        for (unsigned i = 0; i < 20; i++) {
                char id[16];

                (void) snprintf(id, sizeof(id), "p%u", i);
                assert_int_equal(pay(w, id, "owner", i + 1, 100), 0);
                assert_int_equal(move(w, id, "sent", 0), 0);
                assert_int_equal(move(w, id, "settled", 5), 0);
        }
        while (last > 1) {
                int64_t before = last;

                q = ledger_history(w->books->ledger, "owner", last, 3);
                while (sql_step(q) > 0) {
                        assert_true(sql_int(q, 0) < last);
                        last = sql_int(q, 0);
                        sum += sql_int(q, 6);
                        n++;
                }
                assert_true(last < before);
        }
        assert_int_equal(n, 21);
        assert_int_equal(sum, shown(w, "owner"));

        q = ledger_history(w->books->ledger, "", 0, 1000);
        for (n = 0; sql_step(q) > 0; n++)
                assert_string_equal(sql_text(q, 4), "owner");
        assert_int_equal(n, 21);
        q = ledger_list(w->books->ledger, 0, 1000);
        for (n = 0, sum = 0; sql_step(q) > 0; n++)
                sum += sql_int(q, 6);
        assert_int_equal(n, 2 + 20 * 4);
        assert_int_equal(sum, 0);
}

static void verify_finds_what_another_hand_has_done(void **state) {
        static const char *const deeds[] = {
                "UPDATE ledger_accounts SET msats = msats + 1 WHERE name = 'owner'",
                "UPDATE ledger_accounts SET reserved_msats = 1 WHERE name = 'owner'",
                "DROP TRIGGER ledger_moves_no_DELETE; DELETE FROM ledger_moves WHERE entry = 1",
                "DROP TRIGGER ledger_entries_no_DELETE; DROP TRIGGER ledger_moves_no_DELETE;"
                "DELETE FROM ledger_moves WHERE entry = 2; DELETE FROM ledger_entries WHERE seq = 2",
                "UPDATE invoices SET paid_amount_msats = 1",
                "UPDATE invoices SET status = 'pending'",
                "UPDATE payments SET fee_msats = 9",
                "UPDATE payments SET status = 'failed'",
                "UPDATE job_funds SET msats = 1",
                "UPDATE jobs SET status = 'owed'",
                "DELETE FROM earnings",
                "UPDATE grants SET total_used_msats = 1",
        };
        World *w = *state;
        Intent i;

        assert_int_equal(deposit(w, "d", "agent:alice", 1000), 0);
        assert_int_equal(job(w, 7, "unpaid"), 0);
        assert_int_equal(invoice(w, 1, "held", 7, "pre", 1000), 0);
        assert_int_equal(settle(w, 1, 1000, 0), 0);
        assert_int_equal(go(w, 7, "publishing"), 0);
        assert_int_equal(transfer(w, "t", "provider", "owner", 10), 0);
        assert_int_equal(grant(w, "{}"), 0);
        i = an_intent(w, "p", "agent:alice", 5, 100);
        i.grant = "g";
        assert_int_equal(add(w, &i), 0);
        assert_int_equal(move(w, "p", "sent", 0), 0);
        assert_int_equal(move(w, "p", "settled", 1), 0);

        for (size_t k = 0; k < ELEMENTSOF(deeds); k++) {
                bool bad = false;

                assert_int_equal(book_verify(w->books, on_check, NULL), 0);
                assert_int_equal(sql_exec(w->db, "SAVEPOINT deed"), 0);
                print_message("# %s\n", deeds[k]);
                assert_int_equal(sql_exec(w->db, deeds[k]), 0);
                assert_int_equal(book_verify(w->books, note_check, &bad), 0);
                assert_true(bad);
                assert_int_equal(sql_exec(w->db, "ROLLBACK TO deed; RELEASE deed"), 0);
        }
}

static int compare(World *w, int64_t msat) {
        bool bad = false;

        assert_int_equal(book_verify_driver(w->books, "regtest", msat, note_check, &bad), 0);
        return bad;
}

static void the_drivers_balance_may_differ_by_what_is_on_the_way(void **state) {
        World *w = *state;

        assert_int_equal(deposit(w, "d", "owner", 1000), 0);
        assert_int_equal(compare(w, 1000), 0);
        assert_int_equal(compare(w, 999), 1);
        assert_int_equal(compare(w, 1001), 1);
        assert_int_equal(pay(w, "p", "owner", 5, 100), 0);
        assert_int_equal(compare(w, 999), 1);
        assert_int_equal(move(w, "p", "sent", 0), 0);
        assert_int_equal(compare(w, 890), 0);
        assert_int_equal(compare(w, 889), 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(what_was_booked_stays_as_it_is),
                TEST(a_deposit_counts_once),
                TEST(no_account_gets_more_than_there_is),
                TEST(earnings_go_to_an_agent_without_lightning),
                TEST(a_paid_job_is_held_until_it_is_published),
                TEST(a_stage_has_one_open_invoice),
                TEST(a_job_paid_late_is_owed_and_paid_back),
                TEST(an_owed_job_can_still_be_delivered),
                TEST(a_second_payment_of_a_stage_is_paid_back),
                TEST(what_a_backend_keeps_is_a_fee_of_the_house),
                TEST(the_cursor_is_kept_for_strangers_invoices_too),
                TEST(a_payment_reserves_and_books_what_it_took),
                TEST(one_invoice_is_paid_once),
                TEST(one_job_is_paid_once_by_whatever_invoice),
                TEST(a_fee_above_its_limit_is_booked_and_freezes),
                TEST(a_failed_payment_whose_money_is_gone_is_booked),
                TEST(who_pays_himself_inside_needs_no_lightning),
                TEST(who_pays_himself_by_the_backend_books_both),
                TEST(the_history_of_an_account_is_a_page_of_whole_entries),
                TEST(verify_finds_what_another_hand_has_done),
                TEST(the_drivers_balance_may_differ_by_what_is_on_the_way),
        };

        return cmocka_run_group_tests_name("store-books", tests, NULL, NULL);
}
