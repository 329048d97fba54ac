/* The books against a model of a page: random operations with repetitions, refusals, and crashes
 * before the commit after which the caller asks again. After each step every balance is what the
 * model says; what the model forbids is never answered with yes. PYLON_SEED and PYLON_ROUNDS say
 * where to begin and how long. */
#include "tests/unit/books-world.h"

#define STEPS    400
#define ROUNDS   20
#define ITEMS    24
#define JOBS     6
#define ACCOUNTS 3

static const char *const accounts[ACCOUNTS] = { "owner", "provider", "agent:a" };

typedef struct Model {
        int64_t msat[ACCOUNTS], reserved[ACCOUNTS], held, refunds, refunds_reserved, fees, wallet;
        bool frozen[ACCOUNTS + 1]; /* the last: refunds */
        struct {
                int64_t amount, received;
                int account, job; /* -1: none */
                bool there, ended, paid;
        } invoices[ITEMS];
        struct {
                int64_t amount, fee_max;
                int account, job; /* a refund has a job */
                bool there, sent, over, settled;
        } intents[ITEMS];
        struct {
                bool there;
                int state; /* of job_state_of() */
                int64_t held, refunds, surplus, ours;
        } jobs[JOBS];
        uint64_t dice;
        unsigned n_done, n_refused, n_undone;
} Model;

static unsigned roll(Model *m, unsigned n) {
        m->dice ^= m->dice << 13;
        m->dice ^= m->dice >> 7;
        m->dice ^= m->dice << 17;
        return (unsigned) (m->dice % n);
}

static void compare(World *w, const Model *m) {
        for (int i = 0; i < ACCOUNTS; i++) {
                assert_int_equal(shown(w, accounts[i]), m->msat[i]);
                assert_int_equal(reserved(w, accounts[i]), m->reserved[i]);
        }
        assert_int_equal(shown(w, "held"), m->held);
        assert_int_equal(shown(w, "refunds"), m->refunds);
        assert_int_equal(reserved(w, "refunds"), m->refunds_reserved);
        assert_int_equal(shown(w, "fees"), m->fees);
        assert_int_equal(shown(w, "wallet:regtest"), m->wallet);
        assert_int_equal(number(w, "SELECT coalesce(sum(msats), 0) FROM ledger_accounts"), 0);
}

/* Each operation says what it did: the model follows only what was answered with 0 (or 1 where
 * something was done all the same). */

static int op_deposit(World *w, Model *m, unsigned step) {
        unsigned a = roll(m, ACCOUNTS);
        int64_t msat = 1 + roll(m, 5000);
        char id[32];
        int verdict;

        (void) snprintf(id, sizeof(id), "d%u", step);
        verdict = deposit(w, id, accounts[a], msat);
        assert_int_equal(verdict, 0);
        assert_int_equal(deposit(w, id, accounts[a], msat), 1);
        m->msat[a] += msat;
        m->wallet += msat;
        return 0;
}

static int64_t available(const Model *m, unsigned a) {
        return m->msat[a] - m->reserved[a] - (a == 1 ? m->fees : 0);
}

static int op_transfer(World *w, Model *m, unsigned step) {
        unsigned a = roll(m, ACCOUNTS), b = roll(m, ACCOUNTS);
        int64_t msat = 1 + roll(m, 3000);
        char id[32];
        int verdict;

        (void) snprintf(id, sizeof(id), "t%u", step);
        assert_int_equal(book_transfer(w->books,
                                         &(Transfer){ id, accounts[a], accounts[b], "", msat },
                                         &w->o),
                        0);
        verdict = w->o.verdict;
        assert_int_equal(verdict == 0, a != b && !m->frozen[a] && msat <= available(m, a));
        if (verdict == 0) {
                m->msat[a] -= msat;
                m->msat[b] += msat;
        }
        return verdict;
}

static bool stage_taken(const Model *m, int job, bool paid_only) {
        for (int i = 0; i < ITEMS; i++)
                if (m->invoices[i].there && m->invoices[i].job == job &&
                                (m->invoices[i].paid || (!paid_only && !m->invoices[i].ended)))
                        return true;
        return false;
}

static int op_invoice(World *w, Model *m, _unused_ unsigned step) {
        unsigned i = roll(m, ITEMS);
        int job = (int) roll(m, JOBS * 2) - JOBS, a = (int) roll(m, ACCOUNTS), verdict;
        int64_t msat = 1 + roll(m, 2000);
        bool taken = m->invoices[i].there || (job >= 0 && stage_taken(m, job, false));

        verdict = invoice(w, i + 1, job >= 0 ? "held" : accounts[a],
                        job >= 0 ? 1000 + (unsigned) job : 0, job >= 0 ? "pre" : "", msat);
        assert_int_equal(verdict, taken ? 1 : 0);
        if (verdict == 0) {
                m->invoices[i].there = true;
                m->invoices[i].amount = msat;
                m->invoices[i].account = a;
                m->invoices[i].job = MAX(job, -1);
        }
        return verdict;
}

static bool is_state(const Model *m, int job, const char *name) {
        return m->jobs[job].there && m->jobs[job].state == job_state_of(name);
}

static bool is_end(const Model *m, int job) {
        return is_state(m, job, "failed") || is_state(m, job, "expired") ||
               is_state(m, job, "cancelled");
}

static void model_receive(Model *m, int job, int64_t msat, bool surplus) {
        if (surplus) {
                m->jobs[job].surplus += msat;
                m->refunds += msat;
        } else if (is_state(m, job, "publishing") || is_state(m, job, "completed")) {
                m->jobs[job].ours += msat;
                m->msat[1] += msat;
        } else if (is_end(m, job) || is_state(m, job, "owed")) {
                m->jobs[job].refunds += msat;
                m->refunds += msat;
        } else {
                m->jobs[job].held += msat;
                m->held += msat;
        }
        if (is_end(m, job))
                m->jobs[job].state = job_state_of("owed");
}

static int op_settle(World *w, Model *m, _unused_ unsigned step) {
        unsigned i = roll(m, ITEMS);
        int64_t msat = MAX(m->invoices[i].amount, INT64_C(1)), fee = roll(m, 3);
        int verdict, job = m->invoices[i].job;
        bool surplus;

        fee = MIN(fee, msat);
        verdict = settle(w, i + 1, msat, fee);
        assert_int_equal(verdict, !m->invoices[i].there ? -ENOENT : m->invoices[i].paid ? 1 : 0);
        if (verdict != 0)
                return verdict;

        surplus = job >= 0 && stage_taken(m, job, true);
        m->invoices[i].paid = true;
        m->wallet += msat - fee;
        m->fees += fee;
        if (job >= 0)
                model_receive(m, job, msat, surplus);
        else
                m->msat[m->invoices[i].account] += msat;
        return 0;
}

static int op_end(World *w, Model *m, _unused_ unsigned step) {
        unsigned i = roll(m, ITEMS);
        int verdict;

        assert_int_equal(invoice_end(w->books->invoices, id_of(w, i + 1), "expired", &w->o), 0);
        verdict = w->o.verdict;
        assert_int_equal(verdict, !m->invoices[i].there  ? -ENOENT
                                  : m->invoices[i].paid  ? -EALREADY
                                  : m->invoices[i].ended ? 1
                                                         : 0);
        if (verdict == 0)
                m->invoices[i].ended = true;
        return verdict;
}

static bool refund_open(const Model *m, int job) {
        for (int i = 0; i < ITEMS; i++)
                if (m->intents[i].there && !m->intents[i].over && m->intents[i].account < 0 &&
                                m->intents[i].job == job)
                        return true;
        return false;
}

static void model_follow(Model *m, int job, int to) {
        int64_t msat = m->jobs[job].held + m->jobs[job].refunds;
        int owed = job_state_of("owed");

        if (to == job_state_of("publishing") || to == job_state_of("completed")) {
                m->held -= m->jobs[job].held;
                m->refunds -= m->jobs[job].refunds;
                m->msat[1] += msat;
                m->jobs[job].ours += msat;
                m->jobs[job].held = m->jobs[job].refunds = 0;
        } else if (to == owed) {
                m->held -= m->jobs[job].held;
                m->msat[1] -= m->jobs[job].ours;
                m->refunds += m->jobs[job].held + m->jobs[job].ours;
                m->jobs[job].refunds += m->jobs[job].held + m->jobs[job].ours;
                m->jobs[job].held = m->jobs[job].ours = 0;
        } else if (m->jobs[job].state == owed) {
                m->refunds -= m->jobs[job].refunds;
                m->held += m->jobs[job].refunds;
                m->jobs[job].held += m->jobs[job].refunds;
                m->jobs[job].refunds = 0;
        }
}

static int op_job(World *w, Model *m, _unused_ unsigned step) {
        static const char *const ways[] = { "queued", "running", "publishing", "completed",
                "failed", "expired", "cancelled", "owed" };
        int n = (int) roll(m, JOBS), verdict, to;
        const char *way = ways[roll(m, ELEMENTSOF(ways))];

        if (!m->jobs[n].there) {
                verdict = job(w, 1000 + (unsigned) n, "unpaid");
                assert_int_equal(verdict, 0);
                m->jobs[n].there = true;
                m->jobs[n].state = job_state_of("unpaid");
                return verdict;
        }

        to = job_state_of(way);
        verdict = go(w, 1000 + (unsigned) n, way);
        if (verdict != 0 || to == m->jobs[n].state)
                return verdict;
        if (job_state_is_final((JobState) to) && to != job_state_of("completed"))
                assert_int_equal(m->jobs[n].held + m->jobs[n].refunds + m->jobs[n].surplus +
                                                 m->jobs[n].ours,
                                0);
        if (m->jobs[n].state == job_state_of("owed"))
                assert_false(refund_open(m, n));
        model_follow(m, n, to);
        m->jobs[n].state = to;
        return 0;
}

static bool hash_taken(const Model *m, unsigned hash) {
        return m->intents[hash].there && !(m->intents[hash].over && !m->intents[hash].settled);
}

static int op_pay(World *w, Model *m, _unused_ unsigned step) {
        unsigned i = roll(m, ITEMS);
        int a = (int) roll(m, ACCOUNTS + 1), n = (int) roll(m, JOBS), verdict;
        bool refund = a == ACCOUNTS, room;
        char id[16];
        Intent x;

        (void) snprintf(id, sizeof(id), "p%u", i);
        x = an_intent(w, id, refund ? "refunds" : accounts[a], 5000 + i, 1 + roll(m, 1500));
        if (refund) {
                x.purpose = "refund";
                x.ref = id_of(w, 1000 + (unsigned) n);
        }
        verdict = add(w, &x);
        if (verdict != 0)
                return verdict;

        assert_false(m->intents[i].there);
        assert_false(hash_taken(m, i));
        assert_false(m->frozen[a]);
        room = refund ? x.amount_msat <= m->jobs[n].refunds + m->jobs[n].surplus &&
                                               !refund_open(m, n)
                      : x.amount_msat + x.fee_max_msat <= available(m, (unsigned) a);
        assert_true(room);
        m->intents[i].there = true;
        m->intents[i].amount = x.amount_msat;
        m->intents[i].fee_max = x.fee_max_msat;
        m->intents[i].account = refund ? -1 : a;
        m->intents[i].job = n;
        if (refund)
                m->refunds_reserved += x.amount_msat;
        else
                m->reserved[a] += x.amount_msat + x.fee_max_msat;
        return 0;
}

static void model_settled(Model *m, unsigned i, int64_t fee) {
        int a = m->intents[i].account, n = m->intents[i].job;
        int64_t first;

        m->wallet -= m->intents[i].amount + fee;
        if (a >= 0) {
                m->msat[a] -= m->intents[i].amount + fee;
                return;
        }
        first = MIN(m->intents[i].amount, m->jobs[n].surplus);
        m->fees += fee;
        m->refunds -= m->intents[i].amount;
        m->jobs[n].surplus -= first;
        m->jobs[n].refunds -= m->intents[i].amount - first;
}

static void model_release(Model *m, unsigned i) {
        int a = m->intents[i].account;

        if (m->intents[i].over)
                return;
        if (a >= 0)
                m->reserved[a] -= m->intents[i].amount + m->intents[i].fee_max;
        else
                m->refunds_reserved -= m->intents[i].amount;
}

static int op_move(World *w, Model *m, _unused_ unsigned step) {
        static const char *const ways[] = { "sent", "unknown", "settled", "settled", "failed" };
        const char *way = ways[roll(m, ELEMENTSOF(ways))];
        unsigned i = roll(m, ITEMS);
        int64_t fee = roll(m, 100) == 0 ? 50 : roll(m, 11); /* 10 is the limit */
        bool over = m->intents[i].over, settled = m->intents[i].settled;
        char id[16];
        int verdict;

        if (over && !settled) /* money of a failed one that is gone: has a test of its own */
                return 0;
        (void) snprintf(id, sizeof(id), "p%u", i);
        verdict = move(w, id, way, fee);
        if (verdict < 0)
                return verdict;
        assert_true(m->intents[i].there);
        if (over) {
                assert_true(settled && streq(way, "settled"));
                return verdict;
        }
        if (streq(way, "sent"))
                m->intents[i].sent = true;
        if (streq(way, "settled") || streq(way, "failed")) {
                model_release(m, i);
                m->intents[i].over = true;
        }
        if (streq(way, "settled")) {
                int a = m->intents[i].account;

                assert_true(m->intents[i].sent);
                m->intents[i].settled = true;
                model_settled(m, i, fee);
                assert_int_equal(verdict, fee > m->intents[i].fee_max);
                m->frozen[a >= 0 ? a : ACCOUNTS] |= fee > m->intents[i].fee_max;
        }
        return 0;
}

static int op_unfreeze(World *w, Model *m, _unused_ unsigned step) {
        unsigned a = roll(m, ACCOUNTS + 1);

        assert_int_equal(book_unfreeze(w->books, a < ACCOUNTS ? accounts[a] : "refunds", &w->o), 0);
        assert_int_equal(w->o.verdict, m->frozen[a] ? 0 : 1);
        m->frozen[a] = false;
        return w->o.verdict;
}

static void one_round(World *w, Model *m) {
        static int (*const ops[])(World *, Model *, unsigned) = { op_deposit, op_transfer,
                op_invoice, op_invoice, op_settle, op_settle, op_end, op_job, op_job, op_job,
                op_pay, op_pay, op_move, op_move, op_move, op_unfreeze };

        for (unsigned step = 0; step < STEPS; step++) {
                unsigned op = roll(m, ELEMENTSOF(ops));
                Model before = *m;
                int verdict;

                assert_int_equal(sql_exec(w->db, "SAVEPOINT step"), 0);
                verdict = ops[op](w, m, step);
                if (roll(m, 8) == 0) { /* killed before the commit: and asked again */
                        uint64_t dice = m->dice;

                        assert_int_equal(sql_exec(w->db, "ROLLBACK TO step"), 0);
                        before.n_undone = m->n_undone + 1;
                        *m = before;
                        compare(w, m);
                        assert_int_equal(ops[op](w, m, step), verdict);
                        m->dice = dice;
                }
                assert_int_equal(sql_exec(w->db, "RELEASE step"), 0);
                m->n_done += verdict >= 0;
                m->n_refused += verdict < 0;
                compare(w, m);
                if (step % 50 == 0)
                        assert_int_equal(book_verify(w->books, on_check, NULL), 0);
        }
}

static uint64_t from_environment(const char *name, uint64_t otherwise) {
        const char *text = getenv(name);

        return isempty(text) ? otherwise : strtoull(text, NULL, 10);
}

static void the_books_do_what_the_model_does(void **state) {
        uint64_t seed = from_environment("PYLON_SEED", 1);
        uint64_t rounds = from_environment("PYLON_ROUNDS", ROUNDS);
        unsigned n_done = 0, n_refused = 0, n_undone = 0;

        for (uint64_t i = 0; i < rounds; i++) {
                Model m = { .dice = (seed + i) * UINT64_C(0x9e3779b97f4a7c15) };

                print_message("# seed %llu\n", (unsigned long long) (seed + i));
                for (int k = 0; k < ITEMS; k++)
                        m.invoices[k].job = -1;
                one_round(*state, &m);
                n_done += m.n_done;
                n_refused += m.n_refused;
                n_undone += m.n_undone;
                (void) tear_down(state);
                (void) set_up(state);
        }
        assert_true(n_done > rounds * STEPS / 4);
        assert_true(n_refused > rounds * STEPS / 20);
        assert_true(n_undone > rounds * STEPS / 20);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_books_do_what_the_model_does),
        };

        return cmocka_run_group_tests_name("store-property", tests, NULL, NULL);
}
