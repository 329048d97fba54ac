/* The invariants of the books, each as a question that has no answer where all is well. */
#include "books.h"

#include <assert.h>
#include <stdio.h>

#define OPEN "('waiting', 'new', 'sent', 'unknown')"

/* clang-format off */
static const struct {
        const char *check;
        const char *text; /* a row, with a text, for each thing that is wrong */
} checks[] = {
        { "complete",
          "SELECT printf('%d entries, and the last has number %d', count(*), max(seq)) "
          "FROM ledger_entries HAVING count(*) <> coalesce(max(seq), 0)" },
        { "balanced",
          "SELECT printf('the accounts sum up to %d msat', sum(msats)) FROM ledger_accounts "
          "HAVING coalesce(sum(msats), 0) <> 0 UNION ALL "
          "SELECT printf('entry %d sums up to %d msat', entry, sum(msats)) FROM ledger_postings "
          "GROUP BY entry HAVING sum(msats) <> 0" },
        { "balances",
          "SELECT printf('%s has %d msat, its postings sum up to %d msat', "
          "coalesce(name, account), msats, booked) FROM ledger_accounts FULL JOIN "
          "(SELECT account, sum(msats) AS booked FROM ledger_postings GROUP BY account) "
          "ON account = name WHERE coalesce(msats, 0) <> coalesce(booked, 0)" },
        { "reservations",
          "SELECT printf('%s has %d msat reserved, its open payments want %d msat', "
          "coalesce(name, account), reserved_msats, wanted) FROM ledger_accounts FULL JOIN "
          "(SELECT account, sum(amount_msats + iif(account = 'refunds', 0, fee_max_msats)) AS wanted "
          "FROM payments WHERE status IN " OPEN " GROUP BY account) ON account = name "
          "WHERE coalesce(reserved_msats, 0) <> coalesce(wanted, 0)" },
        { "invoices",
          "SELECT printf('invoice %s was paid with %d msat, booked are %d msat', i.id, "
          "paid_amount_msats, booked) FROM (SELECT * FROM invoices WHERE status = 'paid' "
          "AND driver NOT IN ('', 'internal')) AS i FULL JOIN "
          "(SELECT ref, sum(msats) AS booked FROM ledger_entries JOIN ledger_moves ON entry = seq "
          "WHERE kind = 'invoice' GROUP BY ref) AS e ON ref = i.id "
          "WHERE i.id IS NULL OR ref IS NULL OR paid_amount_msats <> booked" },
        { "payments",
          "SELECT printf('payment %s took %d msat, booked are %d msat', coalesce(id, ref), "
          "spent, booked) FROM (SELECT id, driver, account, amount_msats + fee_msats AS spent "
          "FROM payments WHERE status = 'settled') AS p FULL JOIN "
          "(SELECT ref AS booked_ref, coalesce(sum(msats), 0) AS booked, ref FROM ledger_entries "
          "LEFT JOIN ledger_moves ON entry = seq WHERE kind IN ('payment', 'refund') GROUP BY ref) "
          "ON booked_ref = id WHERE id IS NULL OR booked_ref IS NULL "
          "OR (spent <> booked AND NOT (driver = 'internal' AND booked = 0))" },
        { "held",
          "SELECT printf('%s: %d msat for jobs, %d msat in the account', name, jobs, -msats) FROM "
          "(SELECT iif(place = 'held', 'held', 'refunds') AS account, sum(msats) AS jobs "
          "FROM job_funds WHERE place <> 'provider' GROUP BY 1) "
          "FULL JOIN (SELECT name, msats FROM ledger_accounts WHERE name IN ('held', 'refunds')) "
          "ON account = name WHERE coalesce(jobs, 0) <> -coalesce(msats, 0)" },
        { "jobs",
          "SELECT printf('job %s is %s and %d msat of it are %s', id, status, msats, place) "
          "FROM job_funds JOIN jobs ON id = job_id WHERE msats > 0 AND "
          "(status IN ('failed', 'expired', 'cancelled') "
          "OR (place = 'held' AND status IN ('publishing', 'completed', 'owed')) "
          "OR (place = 'refunds' AND status <> 'owed') "
          "OR (place = 'provider' AND status = 'owed'))" },
        { "earnings",
          "SELECT printf('job %s earned %d msat, its earnings sum up to %d msat', "
          "coalesce(f.job_id, e.job_id), msats, earned) FROM "
          "(SELECT job_id, msats FROM job_funds WHERE place = 'provider' AND msats > 0) AS f "
          "FULL JOIN (SELECT job_id, sum(amount_msats) AS earned FROM earnings "
          "WHERE source = 'job' GROUP BY 1) AS e ON e.job_id = f.job_id "
          "WHERE coalesce(msats, 0) <> coalesce(earned, 0) UNION ALL "
          "SELECT printf('%s moved %d msat to the provider, who earned %d msat by it', "
          "coalesce(t.id, e.id), msats, earned) FROM "
          "(SELECT 'transfer:' || ref AS id, m.msats AS msats FROM ledger_moves AS m "
          "JOIN ledger_entries ON seq = entry WHERE credit = 'provider' AND debit GLOB 'agent:*' "
          "AND kind = 'transfer') AS t FULL JOIN (SELECT id, amount_msats AS earned FROM earnings "
          "WHERE source = 'other' AND id GLOB 'transfer:*') AS e ON e.id = t.id "
          "WHERE coalesce(msats, 0) <> coalesce(earned, 0)" },
        { "grants",
          "SELECT printf('grant %s has used %d msat, its payments sum up to %d msat', name, "
          "total_used_msats, counted) FROM (SELECT name, total_used_msats, "
          "(SELECT coalesce(sum(counted_msats), 0) FROM payments WHERE grant_name = name "
          "AND grant_name <> '') AS counted FROM grants) WHERE total_used_msats <> counted" },
        /* What was earned may be spent already when its job turns out to be owed. */
        { "debts",
          "SELECT printf('%s has %d msat', name, -msats) FROM ledger_accounts "
          "WHERE msats > 0 AND frozen = '' AND name NOT IN ('fees', 'outside', 'provider') "
          "AND name NOT GLOB 'wallet:*'" },
        { "clock",
          "SELECT printf('entry %d was booked at %d, and the clock says %d', seq, booked_at, "
          "seconds) FROM (SELECT seq, max(booked_at) AS booked_at FROM ledger_entries), "
          "ledger_clock WHERE booked_at > seconds" },
};
/* clang-format on */

/* The first thing that is wrong is told. */
static int verify_one(Sql *db, const char *text, SqlStatement **kept, char **ret_detail) {
        int r;

        if (!*kept) {
                r = sql_prepare(db, text, kept);
                if (r < 0)
                        return r;
        }
        r = sql_step(*kept);
        if (r <= 0)
                return r;
        *ret_detail = strdup(sql_text(*kept, 0));
        (void) sql_reset(*kept);
        return *ret_detail ? 0 : -ENOMEM;
}

int book_verify_one(Books *b, size_t i, book_check_t check, void *userdata) {
        _cleanup_free_ char *detail = NULL;
        int r;

        static_assert(ELEMENTSOF(checks) == ELEMENTSOF(b->checks), "one result for each");

        if (i >= ELEMENTSOF(checks))
                return 0;
        r = verify_one(ledger_db(b->ledger), checks[i].text, b->checks + i, &detail);
        if (r >= 0)
                r = check(checks[i].check, !detail, detail ?: "", userdata);
        return r < 0 ? r : 1;
}

int book_verify(Books *b, book_check_t check, void *userdata) {
        size_t i = 0;
        int r;

        do
                r = book_verify_one(b, i++, check, userdata);
        while (r > 0);
        return r;
}

/* A payment that is on the way has left the driver's balance or has not, and its fee is unknown. */
int book_verify_driver(
                Books *b, const char *driver, int64_t msat, book_check_t check, void *userdata) {
        char wallet[LEDGER_NAME_MAX], detail[256] = "";
        LedgerAccount a;
        int64_t underway;
        bool ok;
        int r;

        (void) snprintf(wallet, sizeof(wallet), ACCOUNT_WALLET "%.40s", driver);
        r = ledger_account(b->ledger, wallet, &a);
        if (r >= 0)
                r = payment_underway(b->payments, driver, &underway);
        if (r < 0)
                return r;

        ok = msat <= a.msat && msat >= a.msat - underway;
        if (!ok)
                (void) snprintf(detail, sizeof(detail),
                                "%s has %lld msat in the books, the wallet says %lld msat, "
                                "%lld msat are on the way",
                                wallet, (long long) a.msat, (long long) msat, (long long) underway);
        return check("driver", ok, detail, userdata);
}
