/* Rows of agent_state, see table-agent.h. */
#include "table-agent.h"

#include "basic/codec.h"
#include "basic/text.h"
#include "nostr/nip19.h"

enum {
        Q_ADD,
        Q_FIND,
        Q_NAMED,
        Q_SET,
        Q_REMOVE,
        Q_LIST,
        Q_NEXT,
        Q_TICKS,
        Q_DROPS,
        Q_NO_DROPS,
        _Q_MAX,
};

static const char *const texts[_Q_MAX] = {
        [Q_ADD] = "INSERT INTO agent_state (npub, pubkey, name, lifecycle_state, wish, "
                  "balance_msats, cost_msats, failures, next_tick_at, created_at, updated_at) "
                  "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, unixepoch())",
        [Q_FIND] = "SELECT lifecycle_state FROM agent_state WHERE npub = ?",
        [Q_NAMED] = "SELECT 1 FROM agent_state WHERE name = ? AND pubkey IS NOT NULL",
        [Q_SET] = "UPDATE agent_state SET lifecycle_state = coalesce(nullif(?2, ''), "
                  "lifecycle_state), wish = coalesce(nullif(?3, ''), wish), "
                  "balance_msats = iif(?4 >= 0, ?4, balance_msats), "
                  "next_tick_at = iif(?5 >= 0, ?5, next_tick_at), "
                  "cost_msats = iif(?6 >= 0, ?6, cost_msats), "
                  "failures = iif(?7 >= 0, ?7, failures), "
                  "updated_at = unixepoch() WHERE npub = ?1",
        [Q_REMOVE] = "DELETE FROM agent_state WHERE npub = ?",
        [Q_LIST] = "SELECT npub, pubkey, name, lifecycle_state, wish, balance_msats, cost_msats, "
                   "failures, next_tick_at, created_at, tick_count, last_tick_at "
                   "FROM agent_state WHERE npub > ?1 AND pubkey IS NOT NULL ORDER BY npub LIMIT ?2",
        [Q_NEXT] = "SELECT tick_count + 1, dropped FROM agent_state WHERE npub = ?",
        [Q_TICKS] = "UPDATE agent_state SET tick_count = ?2, last_tick_at = ?3, "
                    "updated_at = unixepoch() WHERE npub = ?1",
        [Q_DROPS] = "UPDATE agent_state SET dropped = dropped + ?2 WHERE npub = ?1",
        [Q_NO_DROPS] = "UPDATE agent_state SET dropped = 0 WHERE npub = ?",
};

struct AgentTable {
        Sql *db;
        SqlStatement *q[_Q_MAX];
};

int agent_table_new(Sql *db, AgentTable **ret) {
        _cleanup_(agent_table_freep) AgentTable *t = NULL;
        int r;

        t = new0(AgentTable, 1);
        if (!t)
                return -ENOMEM;
        t->db = db;
        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

AgentTable *agent_table_free(AgentTable *t) {
        return mfree(t); /* the statements belong to the database */
}

static bool is_made_of(const char *s, const char *characters, size_t max) {
        size_t n = strlen(s);

        return n >= 1 && n <= max && strspn(s, characters) == n;
}

#define SMALL  "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

bool is_word(const char *s) {
        return is_made_of(s, SMALL "_", 32);
}

bool is_item_id(const char *s) {
        return is_made_of(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ" SMALL DIGITS "._:-", ITEM_ID_MAX);
}

char *text_cut(const char *s, size_t max) {
        return strndup(s, utf8_prefix(s, strlen(s), max));
}

static bool is_name(const char *s) {
        return is_made_of(s, SMALL DIGITS "._-", AGENT_NAME_MAX) && strspn(s, "._-") == 0;
}

/* An npub is a text for people: the key is what counts, so the two must be the same. 1 = they are.
 */
static int is_npub_of(const char *npub, const char *pubkey) {
        char expected[NPUB_SIZE];
        uint8_t key[32];
        int r;

        if (hex_decode(pubkey, key, sizeof(key)) < 0)
                return 0;
        r = npub_encode(key, expected);
        return r < 0 ? r : streq(npub, expected);
}

static bool is_lifecycle(const char *s) {
        static const char *const names[] = { "spawning", "active", "low_balance", "hibernating",
                "dormant" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i], s))
                        return true;
        return false;
}

static bool is_wish(const char *s) {
        return streq(s, "started") || streq(s, "stopped") || streq(s, "paused");
}

static const char *agent_fault(const Agent *a) {
        if (!is_name(a->name))
                return "an agent's name is 1 to 32 of a-z, 0-9, dot, hyphen and underscore, and "
                       "begins with a letter or digit";
        if (!is_lifecycle(a->lifecycle))
                return "there is no such state of its life";
        if (!is_wish(a->wish))
                return "it is started, stopped or paused";
        if (a->balance_msat < 0 || a->cost_msat < 0 || a->failures < 0 || a->next_tick_at < 0 ||
                        a->created_at < 0)
                return "an amount or a time is negative";
        return NULL;
}

int agent_add(AgentTable *t, const Agent *a, Outcome *ret) {
        _cleanup_sql_ SqlStatement *find = t->q[Q_FIND], *named = t->q[Q_NAMED];
        SqlStatement *q = t->q[Q_ADD];
        const char *fault = agent_fault(a);
        int r;

        if (fault)
                return outcome_say(ret, -EINVAL, fault);
        r = is_npub_of(a->npub, a->pubkey);
        if (r <= 0)
                return r < 0 ? r
                             : outcome_say(ret, -EINVAL, "its npub is not that of its public key");
        sql_bind_text(find, 1, a->npub);
        r = sql_step(find);
        if (r != 0)
                return r < 0 ? r : outcome_quote(ret, 1, sql_text(find, 0));
        sql_bind_text(named, 1, a->name);
        r = sql_step(named);
        if (r != 0)
                return r < 0 ? r : outcome_say(ret, -EEXIST, "another agent has this name");

        sql_bind_text(q, 1, a->npub);
        sql_bind_text(q, 2, a->pubkey);
        sql_bind_text(q, 3, a->name);
        sql_bind_text(q, 4, a->lifecycle);
        sql_bind_text(q, 5, a->wish);
        sql_bind_int(q, 6, a->balance_msat);
        sql_bind_int(q, 7, a->cost_msat);
        sql_bind_int(q, 8, a->failures);
        sql_bind_int(q, 9, a->next_tick_at);
        sql_bind_int(q, 10, a->created_at);
        r = sql_run(q);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

int agent_set(AgentTable *t, const AgentChange *c, Outcome *ret) {
        SqlStatement *q = t->q[Q_SET];
        int r;

        if (!isempty(c->lifecycle) && !is_lifecycle(c->lifecycle))
                return outcome_say(ret, -EINVAL, "there is no such state of its life");
        if (!isempty(c->wish) && !is_wish(c->wish))
                return outcome_say(ret, -EINVAL, "it is started, stopped or paused");

        sql_bind_text(q, 1, c->npub);
        sql_bind_text(q, 2, c->lifecycle);
        sql_bind_text(q, 3, c->wish);
        sql_bind_int(q, 4, c->balance_msat);
        sql_bind_int(q, 5, c->next_tick_at);
        sql_bind_int(q, 6, c->cost_msat);
        sql_bind_int(q, 7, c->failures);
        r = sql_run(q);
        if (r < 0)
                return r;
        return sql_changes(t->db) > 0 ? outcome_say(ret, 0, "")
                                      : outcome_say(ret, -ENOENT, "there is no such agent");
}

int agent_remove(AgentTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_REMOVE];

        sql_bind_text(q, 1, npub);
        return sql_run(q);
}

SqlStatement *agent_list(AgentTable *t, const char *after, unsigned limit) {
        SqlStatement *q = t->q[Q_LIST];

        sql_bind_text(q, 1, after);
        sql_bind_int(q, 2, limit);
        return q;
}

int agent_has(AgentTable *t, const char *npub) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_FIND];

        sql_bind_text(q, 1, npub);
        return sql_step(q);
}

int agent_next_tick(AgentTable *t, const char *npub, int64_t *ret_number, int64_t *ret_dropped) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_NEXT];
        int r;

        sql_bind_text(q, 1, npub);
        r = sql_step(q);
        if (r <= 0)
                return r;
        *ret_number = sql_int(q, 0);
        *ret_dropped = sql_int(q, 1);
        return 1;
}

int agent_ticks(AgentTable *t, const char *npub, int64_t number, int64_t now) {
        SqlStatement *q = t->q[Q_TICKS];

        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, number);
        sql_bind_int(q, 3, now);
        return sql_run(q);
}

int agent_drops(AgentTable *t, const char *npub, int64_t n) {
        SqlStatement *q = t->q[Q_DROPS];

        if (n == 0)
                return 0;
        sql_bind_text(q, 1, npub);
        sql_bind_int(q, 2, n);
        return sql_run(q);
}

int agent_forgets_drops(AgentTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_NO_DROPS];

        sql_bind_text(q, 1, npub);
        return sql_run(q);
}
