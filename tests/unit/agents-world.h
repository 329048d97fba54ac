#pragma once
/* A database with two agents, for the tests of their tables. */
#include "tests/unit/unit.h"

#include <inttypes.h>

#include "agents.h"
#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/json.h"
#include "nostr/nip19.h"
#include "schema.h"

#define NOW INT64_C(1700000000)

typedef struct World {
        char folder[64], path[96];
        Sql *db;
        SettingTable *settings;
        Agents *agents;
        char a[NPUB_SIZE], b[NPUB_SIZE], a_key[HEX32_MAX], b_key[HEX32_MAX];
        Buffer json;
} World;

static inline void key_of(uint8_t byte, char npub[static NPUB_SIZE], char hex[static HEX32_MAX]) {
        uint8_t key[32];

        memset(key, byte, sizeof(key));
        hex_encode(key, sizeof(key), hex);
        assert_int_equal(npub_encode(key, npub), 0);
}

static inline void open_tables(World *w) {
        const char *reason;

        assert_int_equal(sql_open(w->path, schema, schema_n, &w->db, &reason), 0);
        assert_int_equal(setting_table_new(w->db, &w->settings), 0);
        assert_int_equal(agents_new(w->db, w->settings, &w->agents), 0);
}

static inline void close_tables(World *w) {
        w->agents = agents_free(w->agents);
        w->settings = setting_table_free(w->settings);
        w->db = sql_close(w->db);
}

static inline int add_agent(World *w, const char *npub, const char *key, const char *name) {
        const Agent agent = {
                .npub = npub,
                .pubkey = key,
                .name = name,
                .lifecycle = "spawning",
                .wish = "started",
                .created_at = NOW,
        };

        assert_int_equal(agent_add(w->agents->agents, &agent, &w->agents->outcome), 0);
        return w->agents->outcome.verdict;
}

static inline int set_up(void **state) {
        World *w = new0(World, 1);

        assert_int_equal(crypt_setup(), 0);
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-agents-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/pylon.db", w->folder);
        open_tables(w);
        key_of(0x11, w->a, w->a_key);
        key_of(0x22, w->b, w->b_key);
        assert_int_equal(add_agent(w, w->a, w->a_key, "alice"), 0);
        assert_int_equal(add_agent(w, w->b, w->b_key, "bob"), 0);
        buffer_init(&w->json, 64 * 1024 * 1024);
        *state = w;
        return 0;
}

static inline int tear_down(void **state) {
        static const char *const ends[] = { "", "-wal", "-shm" };
        World *w = *state;

        buffer_done(&w->json);
        close_tables(w);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                char path[128];

                (void) snprintf(path, sizeof(path), "%s%s", w->path, ends[i]);
                (void) unlink(path);
        }
        assert_int_equal(rmdir(w->folder), 0);
        free(w);
        return 0;
}

/* What was said, of a call that the database did not fail. */
#define SAYS(w, call)                                       \
        ({                                                  \
                assert_int_equal((call), 0);                \
                assert_non_null((w)->agents->outcome.text); \
                (w)->agents->outcome.verdict;               \
        })
#define OUT(w)  (&(w)->agents->outcome)
#define TEXT(w) ((w)->agents->outcome.text)

/* One number, or the first text, that a query finds. */
static inline int64_t number(World *w, const char *query) {
        _cleanup_sql_ SqlStatement *q = NULL;

        assert_int_equal(sql_prepare(w->db, query, &q), 0);
        assert_int_equal(sql_step(q), 1);
        return sql_int(q, 0);
}

static inline _unused_ const char *text(World *w, const char *query) {
        SqlStatement *q = NULL;

        assert_int_equal(sql_prepare(w->db, query, &q), 0);
        buffer_clear(&w->json);
        assert_int_equal(sql_step(q), 1);
        assert_true(buffer_add_string(&w->json, sql_text(q, 0)) >= 0);
        (void) sql_reset(q);
        return w->json.data;
}

static inline int64_t begin_at(World *w, const char *npub, bool dry, int64_t now, int64_t keep) {
        const TickStart s = { npub, "heartbeat", dry, now, keep };
        int64_t tick;

        assert_int_equal(SAYS(w, agent_begin_tick(w->agents, &s, &tick, OUT(w))), 0);
        return tick;
}

static inline int64_t begin(World *w, const char *npub, bool dry) {
        return begin_at(w, npub, dry, NOW, -1);
}

static inline int move(World *w, const char *npub, int64_t tick, const char *to) {
        const TickMove m = {
                .npub = npub,
                .tick = tick,
                .state = to,
                .thought = { streq(to, "thinking") ? "agent:alice/1/1" : "",
                                streq(to, "thinking") ? "[]" : "", "" },
                .facts = { "", -1, -1, -1, -1 },
        };

        return SAYS(w, agent_move_tick(w->agents, &m, OUT(w)));
}

static inline int act(
                World *w, const char *npub, int64_t tick, const TickAction *actions, size_t n) {
        const TickMove m = {
                .npub = npub,
                .tick = tick,
                .state = "acting",
                .thought = { "", "", "" },
                .facts = { "", -1, -1, -1, -1 },
                .actions = actions,
                .n_actions = n,
        };

        return SAYS(w, agent_move_tick(w->agents, &m, OUT(w)));
}

static inline int see(
                World *w, const char *npub, const char *id, const char *author, const char *words) {
        const Observation o = { id, "mention", author, words, "", 0, NOW };

        return SAYS(w, agent_observe(w->agents, npub, &o, 1, OUT(w)));
}

static inline _unused_ const char *context(
                World *w, const char *npub, int64_t tick, const char *query) {
        buffer_clear(&w->json);
        assert_int_equal(agent_context(w->agents, npub, tick, query, &w->json), 1);
        return w->json.data;
}

#define HASH_OF_HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static const _unused_ TickAction post = { 1, "post", "{\"type\":\"post\"}", "planned", "" };

static inline _unused_ int move_action(World *w, int64_t tick, uint32_t n, const char *to) {
        ActionMove m = {
                .n = n, .state = to, .event_id = "", .event = "", .payment = "", .reason = ""
        };
        const Effect none = { 0 };

        m.cost_msat = -1;
        if (streq(to, "signed")) {
                m.event_id = HASH_OF_HELLO;
                m.event = "{\"id\":1}";
        }
        if (streq(to, "unknown"))
                m.payment = HASH_OF_HELLO;
        return SAYS(w, agent_move_action(w->agents, w->a, tick, &m, &none, OUT(w)));
}

/* A new tick with one action that has come so far. */
static inline _unused_ int64_t tick_with_action(World *w, const char *in) {
        TickAction a = post;
        int64_t tick;

        if (streq(in, "waiting") || streq(in, "refused"))
                a.state = in;
        tick = begin(w, w->a, false);
        assert_int_equal(act(w, w->a, tick, &a, 1), 0);
        if (streq(in, "denied"))
                assert_int_equal(move_action(w, tick, 1, "waiting"), 0);
        if (!streq(a.state, in) && !streq(in, "planned"))
                assert_int_equal(move_action(w, tick, 1, in), 0);
        return tick;
}
