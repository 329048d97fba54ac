/* Rows of grants, see table-grant.h. */
#include "table-grant.h"

#include "basic/json.h"

enum {
        Q_SET,
        Q_REVOKE,
        Q_TICK,
        Q_FREEZE,
        Q_GET,
        Q_USED,
        Q_PAYEE,
        Q_LIST,
        _Q_MAX,
};

#define OPEN "('waiting', 'new', 'sent', 'unknown')"
/* What was reserved in a window that ends now, in whole slots: up to a slot more, never less. And
 * what is still open from before. */
#define USED(grant, now, window, slot)                                                        \
        "(SELECT coalesce(sum(msats), 0) FROM grant_slots WHERE grant_name = " grant " "      \
        "AND seconds = " slot " AND slot >= (" now " - " window ") / " slot ") + "            \
        "(SELECT coalesce(sum(counted_msats), 0) FROM payments WHERE grant_name = " grant " " \
        "AND grant_name <> '' AND status IN " OPEN " "                                        \
        "AND created_at < (" now " - " window ") / " slot " * " slot ")"
#define USED_HOUR(grant, now) USED(grant, now, "3600", "60")
#define USED_DAY(grant, now)  USED(grant, now, "86400", "900")

static const char *const texts[_Q_MAX] = {
        [Q_SET] = "INSERT INTO grants (name, account, settings_json, per_payment_msats, "
                  "per_tick_msats, per_hour_msats, per_day_msats, total_msats, fee_max_msats, "
                  "approve_above_msats, expires_at, payees_json, created_at) SELECT ?1, ?2, ?3, "
                  "?3 ->> 'per_payment_msat', ?3 ->> 'per_tick_msat', ?3 ->> 'per_hour_msat', "
                  "?3 ->> 'per_day_msat', ?3 ->> 'total_msat', ?3 ->> 'fee_max_msat', "
                  "?3 ->> 'approve_above_msat', ?3 ->> 'expires_at', ?3 -> 'payees', ?4 "
                  "WHERE true ON CONFLICT DO UPDATE SET account = excluded.account, "
                  "settings_json = excluded.settings_json, "
                  "per_payment_msats = excluded.per_payment_msats, "
                  "per_tick_msats = excluded.per_tick_msats, "
                  "per_hour_msats = excluded.per_hour_msats, "
                  "per_day_msats = excluded.per_day_msats, total_msats = excluded.total_msats, "
                  "fee_max_msats = excluded.fee_max_msats, "
                  "approve_above_msats = excluded.approve_above_msats, "
                  "expires_at = excluded.expires_at, payees_json = excluded.payees_json, "
                  "frozen = '', revoked_at = NULL",
        [Q_REVOKE] = "UPDATE grants SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL",
        [Q_TICK] = "UPDATE grants SET tick = ?2, tick_used_msats = 0 "
                   "WHERE name = ?1 AND tick <> ?2",
        [Q_FREEZE] = "UPDATE grants SET frozen = ?2 WHERE name = ?1",
        [Q_GET] = "SELECT account, per_payment_msats, per_tick_msats, per_hour_msats, "
                  "per_day_msats, total_msats, fee_max_msats, approve_above_msats, expires_at, "
                  "payees_json IS NULL, tick, tick_used_msats, total_used_msats, frozen <> '', "
                  "revoked_at IS NOT NULL FROM grants WHERE name = ?",
        [Q_USED] = "SELECT " USED_HOUR("?1", "?2") ", " USED_DAY("?1", "?2"),
        [Q_PAYEE] = "SELECT 1 FROM grants JOIN json_each(payees_json) AS p "
                    "WHERE name = ?1 AND p.value = ?2",
        [Q_LIST] = "SELECT name, account, settings_json, CASE WHEN revoked_at IS NOT NULL THEN "
                   "'revoked' WHEN frozen <> '' THEN 'frozen' WHEN expires_at <= ?1 THEN 'expired' "
                   "ELSE 'active' END, json_object('tick_msat', tick_used_msats, 'hour_msat', " USED_HOUR(
                                   "g.name", "?1") ", 'day_msat', " USED_DAY("g.name",
                                   "?1") ", 'total_msat', "
                                         "total_used_msats) FROM grants AS g ORDER BY name",
};

struct GrantTable {
        Sql *db;
        Ledger *ledger;
        SqlStatement *q[_Q_MAX];
};

int grant_table_new(Ledger *ledger, GrantTable **ret) {
        _cleanup_(grant_table_freep) GrantTable *t = NULL;
        int r;

        t = new0(GrantTable, 1);
        if (!t)
                return -ENOMEM;

        *t = (GrantTable){ .db = ledger_db(ledger), .ledger = ledger };
        r = sql_prepare_table(t->db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

GrantTable *grant_table_free(GrantTable *t) {
        return mfree(t); /* the statements belong to the database */
}

/* Setting a grant. */

static bool is_limit(const char *name) {
        static const char *const limits[] = {
                "per_payment_msat",
                "per_tick_msat",
                "per_hour_msat",
                "per_day_msat",
                "total_msat",
                "fee_max_msat",
                "approve_above_msat",
                "expires_at",
        };

        for (size_t i = 0; i < ELEMENTSOF(limits); i++)
                if (streq(limits[i], name))
                        return true;
        return false;
}

static const char *payees_fault(const Json *list) {
        if (!json_is_array(list))
                return "the payees are not a list";
        for (size_t i = 0; i < json_array_size(list); i++) {
                const char *s;

                if (json_string(json_array_at(list, i), &s) < 0 || isempty(s) ||
                                strlen(s) > LEDGER_NAME_MAX)
                        return "a payee is not a text of 1 to 128 bytes";
        }
        return NULL;
}

/* A limit that is misspelled would be no limit. */
static const char *settings_fault(const Json *j) {
        const void *cursor = NULL;
        const char *key, *fault;
        Json *value;

        if (!json_is_object(j))
                return "the settings are not a JSON object";
        while (json_next(j, &cursor, &key, &value)) {
                uint64_t n;

                if (streq(key, "payees")) {
                        fault = payees_fault(value);
                        if (fault)
                                return fault;
                } else if (!is_limit(key))
                        return "there is no such limit";
                else if (json_u64(value, LEDGER_MSAT_MAX, &n) < 0)
                        return "a limit is not a whole number in range";
        }
        return NULL;
}

int grant_set(GrantTable *t, const char *name, const char *account, const char *json,
                Outcome *ret) {
        _cleanup_(json_unrefp) Json *j = NULL;
        SqlStatement *q = t->q[Q_SET];
        const char *fault = NULL;
        int64_t now;
        int r;

        if (isempty(name) || strlen(name) > LEDGER_NAME_MAX)
                return outcome_say(ret, -EINVAL, "a grant has a name of 1 to 128 bytes");
        if (account_kind(account) != ACCOUNT_MINE)
                return outcome_say(ret, -EINVAL, "this account cannot be granted");
        if (strlen(json) > GRANT_JSON_MAX)
                return outcome_say(ret, -EINVAL, "the settings are too large");
        r = json_parse(json, strlen(json), 3, 1024, &j, &fault);
        if (r == -ENOMEM)
                return r;
        if (r >= 0)
                fault = settings_fault(j);
        if (fault)
                return outcome_say(ret, -EINVAL, fault);

        r = ledger_now(t->ledger, &now);
        if (r < 0)
                return r;
        sql_bind_text(q, 1, name);
        sql_bind_text(q, 2, account);
        sql_bind_text(q, 3, json);
        sql_bind_int(q, 4, now);
        r = sql_run(q);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

/* 0 or 1 by what changed; -ENOENT where there is no such grant. */
static int grant_changed(GrantTable *t, const char *name, SqlStatement *change, Outcome *ret) {
        _cleanup_sql_ SqlStatement *q = NULL;
        int r;

        r = sql_run(change);
        if (r < 0)
                return r;
        if (sql_changes(t->db) > 0)
                return outcome_say(ret, 0, "");

        q = t->q[Q_GET];
        sql_bind_text(q, 1, name);
        r = sql_step(q);
        if (r < 0)
                return r;
        return r > 0 ? outcome_say(ret, 1, "")
                     : outcome_say(ret, -ENOENT, "there is no such grant");
}

int grant_revoke(GrantTable *t, const char *name, Outcome *ret) {
        SqlStatement *q = t->q[Q_REVOKE];
        int64_t now;
        int r;

        r = ledger_now(t->ledger, &now);
        if (r < 0)
                return r;
        sql_bind_text(q, 1, name);
        sql_bind_int(q, 2, now);
        return grant_changed(t, name, q, ret);
}

int grant_begin_tick(GrantTable *t, const char *name, const char *tick, Outcome *ret) {
        SqlStatement *q = t->q[Q_TICK];

        if (isempty(tick) || strlen(tick) > LEDGER_NAME_MAX)
                return outcome_say(ret, -EINVAL, "a tick has a name of 1 to 128 bytes");
        sql_bind_text(q, 1, name);
        sql_bind_text(q, 2, tick);
        return grant_changed(t, name, q, ret);
}

int grant_freeze(GrantTable *t, const char *name, const char *why) {
        sql_bind_text(t->q[Q_FREEZE], 1, name);
        sql_bind_text(t->q[Q_FREEZE], 2, why);
        return sql_run(t->q[Q_FREEZE]);
}

/* Asking. */

typedef struct Limits {
        char account[LEDGER_NAME_MAX + 16], tick[LEDGER_NAME_MAX + 1];
        int64_t per_payment, per_tick, per_hour, per_day, total; /* no limit: INT64_MAX */
        int64_t fee_max, approve_above, expires_at;
        int64_t tick_used, total_used;
        bool anybody, frozen, revoked;
} Limits;

static int64_t limit_at(SqlStatement *q, int i) {
        return sql_is_null(q, i) ? INT64_MAX : sql_int(q, i);
}

/* 1 = there is such a grant. */
static int limits_read(GrantTable *t, const char *name, Limits *ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_GET];
        int r;

        sql_bind_text(q, 1, name);
        r = sql_step(q);
        if (r <= 0)
                return r;

        *ret = (Limits){
                .per_payment = limit_at(q, 1),
                .per_tick = limit_at(q, 2),
                .per_hour = limit_at(q, 3),
                .per_day = limit_at(q, 4),
                .total = limit_at(q, 5),
                .fee_max = limit_at(q, 6),
                .approve_above = limit_at(q, 7),
                .expires_at = limit_at(q, 8),
                .anybody = sql_int(q, 9) != 0,
                .tick_used = sql_int(q, 11),
                .total_used = sql_int(q, 12),
                .frozen = sql_int(q, 13) != 0,
                .revoked = sql_int(q, 14) != 0,
        };
        strncpy(ret->account, sql_text(q, 0), sizeof(ret->account) - 1);
        strncpy(ret->tick, sql_text(q, 10), sizeof(ret->tick) - 1);
        return 1;
}

static int used_within(GrantTable *t, const char *grant, int64_t now, int64_t *ret_hour,
                int64_t *ret_day) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_USED];
        int r;

        sql_bind_text(q, 1, grant);
        sql_bind_int(q, 2, now);
        r = sql_step(q);
        if (r <= 0)
                return r ?: -EUCLEAN;
        *ret_hour = sql_int(q, 0);
        *ret_day = sql_int(q, 1);
        return 0;
}

static int payee_is_listed(GrantTable *t, const char *grant, const char *payee) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_PAYEE];

        sql_bind_text(q, 1, grant);
        sql_bind_text(q, 2, payee);
        return sql_step(q);
}

/* Without a look at the windows: what the grant says about any payment. */
static int grant_is_open(
                GrantTable *t, const GrantQuestion *a, const Limits *l, int64_t now, Outcome *ret) {
        int r = 1;

        if (!streq(l->account, a->account))
                return outcome_say(ret, -EINVAL, "the grant is for another account");
        if (l->revoked)
                return outcome_say(ret, -EACCES, "the grant was revoked");
        if (l->expires_at <= now)
                return outcome_say(ret, -EACCES, "the grant has expired");
        if (l->frozen)
                return outcome_say(ret, -EBUSY, "the grant is frozen");
        if (!l->anybody)
                r = payee_is_listed(t, a->grant, a->payee);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -EACCES, "the grant does not list this payee");
        if (a->fee_max_msat > l->fee_max)
                return outcome_say(ret, -EDQUOT, "the grant's limit of the fee is lower");
        return outcome_say(ret, 0, "");
}

/* Is there room for x more where `used` of `limit` is used? */
static bool room(int64_t used, int64_t x, int64_t limit) {
        return x <= limit && used <= limit - x;
}

static int grant_has_room(GrantTable *t, const char *grant, const Limits *l, int64_t x, int64_t now,
                Outcome *ret) {
        int64_t hour = 0, day = 0;
        int r = 0;

        if (!room(0, x, l->per_payment))
                return outcome_say(ret, -EDQUOT, "the grant's limit per payment is lower");
        if (!room(l->tick_used, x, l->per_tick))
                return outcome_say(ret, -EDQUOT, "the grant's limit per tick is used up");
        if (l->per_hour < INT64_MAX || l->per_day < INT64_MAX)
                r = used_within(t, grant, now, &hour, &day);
        if (r < 0)
                return r;
        if (!room(hour, x, l->per_hour))
                return outcome_say(ret, -EDQUOT, "the grant's limit per hour is used up");
        if (!room(day, x, l->per_day))
                return outcome_say(ret, -EDQUOT, "the grant's limit per day is used up");
        if (!room(l->total_used, x, l->total))
                return outcome_say(ret, -EDQUOT, "the grant is used up");
        return outcome_say(ret, 0, "");
}

int grant_ask(GrantTable *t, const GrantQuestion *a, GrantAnswer *ret_answer, Outcome *ret) {
        int64_t now, x = a->amount_msat + a->fee_max_msat;
        Limits l = { 0 };
        int r;

        *ret_answer = (GrantAnswer){ 0 };
        r = limits_read(t, a->grant, &l);
        if (r < 0)
                return r;
        if (r == 0)
                return outcome_say(ret, -ENOENT, "there is no such grant");
        r = ledger_now(t->ledger, &now);
        if (r < 0)
                return r;

        r = grant_is_open(t, a, &l, now, ret);
        if (r < 0 || ret->verdict < 0)
                return r;
        ret_answer->waits = x > l.approve_above;
        memcpy(ret_answer->tick, l.tick, sizeof(l.tick));
        return grant_has_room(t, a->grant, &l, x, now, ret);
}

int grant_list(GrantTable *t, SqlStatement **ret) {
        int64_t now;
        int r;

        r = ledger_now(t->ledger, &now);
        if (r < 0)
                return r;
        sql_bind_int(t->q[Q_LIST], 1, now);
        *ret = t->q[Q_LIST];
        return 0;
}
