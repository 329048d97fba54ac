/* Rows of ledger_entries, ledger_moves, ledger_accounts, see ledger.h and schema-books.c. */
#include "ledger.h"

#include "basic/fault.h"

#define MOVES_MAX 3 /* of one entry */

enum {
        Q_NOW,
        Q_TICK,
        Q_ENTRY,
        Q_MOVE,
        Q_HAS,
        Q_ACCOUNT,
        Q_FREEZE,
        Q_BALANCES,
        Q_HISTORY,
        Q_HISTORY_ALL,
        Q_LIST,
        _Q_MAX,
};

/* 1 for what we have and have spent, -1 for what is somebody's. */
#define SIGN(account) "iif(" account " = 'fees' OR " account " GLOB 'wallet:*', 1, -1)"

static const char *const texts[_Q_MAX] = {
        [Q_NOW] = "SELECT seconds, max(seconds, coalesce(nullif(?, 0), unixepoch())) "
                  "FROM ledger_clock",
        [Q_TICK] = "UPDATE ledger_clock SET seconds = ?",
        [Q_ENTRY] = "INSERT INTO ledger_entries (booked_at, kind, ref, text) VALUES (?, ?, ?, ?)",
        [Q_MOVE] = "INSERT INTO ledger_moves VALUES (?, ?, ?, ?, ?)",
        [Q_HAS] = "SELECT 1 FROM ledger_entries WHERE ref = ? AND kind = ? "
                  "AND kind NOT IN ('earned', 'owed', 'resumed')",
        [Q_ACCOUNT] = "SELECT msats * " SIGN("name") ", reserved_msats, frozen <> '' "
                                                     "FROM ledger_accounts WHERE name = ?",
        [Q_FREEZE] = "INSERT INTO ledger_accounts (name, frozen) VALUES (?1, ?2) "
                     "ON CONFLICT DO UPDATE SET frozen = ?2 WHERE frozen <> ?2",
        [Q_BALANCES] = "SELECT name, msats * " SIGN(
                        "name") ", reserved_msats, frozen <> '' FROM ledger_accounts ORDER BY name",
        /* Three moves at most are of one entry: none is cut by the inner limit. */
        [Q_HISTORY] = "SELECT seq, booked_at, kind, ref, ?1, text, sum(msats) * " SIGN(
                        "?1") " FROM (SELECT * FROM (SELECT entry, msats FROM ledger_moves "
                              "WHERE debit = ?1 AND entry < ?2 ORDER BY entry DESC LIMIT 3 * ?3) "
                              "UNION ALL SELECT * FROM (SELECT entry, -msats FROM ledger_moves "
                              "WHERE credit = ?1 AND entry < ?2 ORDER BY entry DESC LIMIT 3 * ?3)) "
                              "JOIN ledger_entries ON seq = entry "
                              "GROUP BY entry ORDER BY entry DESC LIMIT ?3",
        [Q_HISTORY_ALL] =
                        "WITH e AS (SELECT * FROM ledger_entries WHERE seq < ?1 "
                        "ORDER BY seq DESC LIMIT ?2) "
                        "SELECT seq, booked_at, kind, ref, account, text, sum(shown) FROM ("
                        "SELECT e.*, iif(side > 0, debit, credit) AS account, msats * side * " SIGN(
                                        "iif(side > 0, debit, credit)") " AS shown FROM e "
                                                                        "JOIN ledger_moves ON entry = seq "
                                                                        "JOIN (SELECT 1 AS side UNION ALL SELECT -1)) "
                                                                        "WHERE account NOT GLOB 'wallet:*' "
                                                                        "GROUP BY seq, account ORDER BY seq DESC, account",
        [Q_LIST] = "WITH e AS (SELECT * FROM ledger_entries WHERE seq > iif(?1 < 0, "
                   "(SELECT max(seq) FROM ledger_entries) - ?2, ?1) ORDER BY seq LIMIT ?2) "
                   "SELECT seq, booked_at, kind, ref, iif(side > 0, debit, credit), text, "
                   "msats * side FROM e JOIN ledger_moves ON entry = seq "
                   "JOIN (SELECT 1 AS side UNION ALL SELECT -1) ORDER BY seq, n, side DESC",
};

struct Ledger {
        Sql *db;
        int64_t clock; /* 0: the system's */
        SqlStatement *q[_Q_MAX];
};

int ledger_new(Sql *db, Ledger **ret) {
        _cleanup_(ledger_freep) Ledger *l = NULL;
        int r;

        l = new0(Ledger, 1);
        if (!l)
                return -ENOMEM;

        l->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, l->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(l);
        return 0;
}

Ledger *ledger_free(Ledger *l) {
        return mfree(l); /* the statements belong to the database */
}

Sql *ledger_db(Ledger *l) {
        return l->db;
}

static bool is_name(const char *s) {
        size_t n = strlen(s);

        return n > 0 && n <= LEDGER_NAME_MAX &&
               strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

AccountKind account_kind(const char *name) {
        static const struct {
                const char *name;
                AccountKind kind;
        } fixed[] = {
                { ACCOUNT_OWNER, ACCOUNT_MINE },
                { ACCOUNT_PROVIDER, ACCOUNT_MINE },
                { ACCOUNT_HELD, ACCOUNT_HOUSE },
                { ACCOUNT_REFUNDS, ACCOUNT_HOUSE },
                { ACCOUNT_OUTSIDE, ACCOUNT_HOUSE },
                { ACCOUNT_FEES, ACCOUNT_ASSET },
        };
        const char *rest;

        for (size_t i = 0; i < ELEMENTSOF(fixed); i++)
                if (streq(fixed[i].name, name))
                        return fixed[i].kind;

        rest = startswith(name, ACCOUNT_AGENT);
        if (rest)
                return is_name(rest) ? ACCOUNT_MINE : ACCOUNT_UNKNOWN;
        rest = startswith(name, ACCOUNT_WALLET);
        return rest && is_name(rest) ? ACCOUNT_ASSET : ACCOUNT_UNKNOWN;
}

int ledger_now(Ledger *l, int64_t *ret) {
        SqlStatement *q = l->q[Q_NOW];
        int64_t before, now;
        int r;

        sql_bind_int(q, 1, l->clock);
        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        before = sql_int(q, 0);
        now = sql_int(q, 1);
        (void) sql_reset(q);

        *ret = now;
        if (now == before || !sql_in_transaction(l->db))
                return 0;
        sql_bind_int(l->q[Q_TICK], 1, now);
        return sql_run(l->q[Q_TICK]);
}

void ledger_set_clock(Ledger *l, int64_t seconds) {
        l->clock = seconds;
}

int ledger_book(Ledger *l, const char *kind, const char *ref, const char *text,
                const LedgerMove *moves, size_t n) {
        SqlStatement *q = l->q[Q_ENTRY];
        int64_t now, entry;
        int r;

        assert(n <= MOVES_MAX);

        r = ledger_now(l, &now);
        if (r < 0)
                return r;
        sql_bind_int(q, 1, now);
        sql_bind_text(q, 2, kind);
        sql_bind_text(q, 3, ref);
        sql_bind_text(q, 4, text);
        r = sql_run(q);
        if (r < 0)
                return r;
        entry = sql_last_id(l->db);

        q = l->q[Q_MOVE];
        for (size_t i = 0; i < n; i++) {
                assert(account_kind(moves[i].debit) != ACCOUNT_UNKNOWN);
                assert(account_kind(moves[i].credit) != ACCOUNT_UNKNOWN);
                if (moves[i].msat == 0)
                        continue;
                sql_bind_int(q, 1, entry);
                sql_bind_int(q, 2, (int64_t) i);
                sql_bind_text(q, 3, moves[i].debit);
                sql_bind_text(q, 4, moves[i].credit);
                sql_bind_int(q, 5, moves[i].msat);
                r = sql_run(q);
                if (r < 0)
                        return r;
        }
        return fault("ledger.booked");
}

int ledger_has(Ledger *l, const char *kind, const char *ref) {
        _cleanup_sql_ SqlStatement *q = l->q[Q_HAS];

        sql_bind_text(q, 1, ref);
        sql_bind_text(q, 2, kind);
        return sql_step(q);
}

static int account_read(Ledger *l, const char *name, LedgerAccount *ret) {
        _cleanup_sql_ SqlStatement *q = l->q[Q_ACCOUNT];
        int r;

        *ret = (LedgerAccount){ 0 };
        sql_bind_text(q, 1, name);
        r = sql_step(q);
        if (r <= 0)
                return r;
        ret->msat = sql_int(q, 0);
        ret->reserved = sql_int(q, 1);
        ret->available = ret->msat - ret->reserved;
        ret->frozen = sql_int(q, 2) != 0;
        return 0;
}

int ledger_account(Ledger *l, const char *name, LedgerAccount *ret) {
        LedgerAccount fees;
        int r;

        r = account_read(l, name, ret);
        if (r < 0 || !streq(name, ACCOUNT_PROVIDER))
                return r;

        /* What the house paid to forward others' money came out of what was earned. */
        r = account_read(l, ACCOUNT_FEES, &fees);
        ret->available -= MAX(fees.msat, INT64_C(0));
        return r;
}

int ledger_fits(Ledger *l, const char *name, int64_t msat) {
        LedgerAccount a;
        int r;

        r = account_read(l, name, &a);
        if (r < 0)
                return r;
        return llabs(a.msat) <= LEDGER_MSAT_MAX && llabs(a.msat + msat) <= LEDGER_MSAT_MAX;
}

int ledger_freeze(Ledger *l, const char *name, const char *why) {
        SqlStatement *q = l->q[Q_FREEZE];
        int r;

        sql_bind_text(q, 1, name);
        sql_bind_text(q, 2, why);
        r = sql_run(q);
        return r < 0 ? r : sql_changes(l->db) == 0;
}

SqlStatement *ledger_balances(Ledger *l) {
        return l->q[Q_BALANCES];
}

SqlStatement *ledger_history(Ledger *l, const char *account, int64_t before, unsigned limit) {
        SqlStatement *q = l->q[isempty(account) ? Q_HISTORY_ALL : Q_HISTORY];
        int i = 1;

        if (!isempty(account))
                sql_bind_text(q, i++, account);
        sql_bind_int(q, i++, before > 0 ? before : INT64_MAX);
        sql_bind_int(q, i, limit);
        return q;
}

SqlStatement *ledger_list(Ledger *l, int64_t after, unsigned limit) {
        SqlStatement *q = l->q[Q_LIST];

        sql_bind_int(q, 1, after);
        sql_bind_int(q, 2, limit);
        return q;
}
