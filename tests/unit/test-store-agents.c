/* store/agents: agents, their ticks and actions go forward only, and only as they may. */
#include "tests/unit/agents-world.h"

static void an_agent_is_added_once_and_has_its_name_alone(void **state) {
        World *w = *state;
        char npub[NPUB_SIZE], key[HEX32_MAX];

        assert_int_equal(add_agent(w, w->a, w->a_key, "alice"), 1);
        assert_string_equal(TEXT(w), "spawning");
        key_of(0x33, npub, key);
        assert_int_equal(add_agent(w, npub, key, "alice"), -EEXIST);
        assert_string_equal(TEXT(w), "another agent has this name");
        assert_int_equal(add_agent(w, npub, w->a_key, "carol"), -EINVAL);
        assert_string_equal(TEXT(w), "its npub is not that of its public key");
        assert_int_equal(add_agent(w, npub, "nonsense", "carol"), -EINVAL);
        assert_int_equal(add_agent(w, npub, key, "carol"), 0);
}

static void an_agents_name_is_strict(void **state) {
        static const char *const bad[] = { "", "Alice", ".a", "-a", "a b", "a/b", "agent:a",
                "\xc3\xa4", "a23456789012345678901234567890123" };
        World *w = *state;
        char npub[NPUB_SIZE], key[HEX32_MAX];

        key_of(0x33, npub, key);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(add_agent(w, npub, key, bad[i]), -EINVAL);
        assert_int_equal(add_agent(w, npub, key, "a2345678901234567890123456789.-_"), 0);
}

static void a_change_leaves_what_it_does_not_name(void **state) {
        World *w = *state;
        AgentChange c = { w->a, "active", "", 5000, -1, -1, -1 };

        assert_int_equal(SAYS(w, agent_set(w->agents->agents, &c, OUT(w))), 0);
        c = (AgentChange){ w->a, "", "paused", -1, 77, 1200, 2 };
        assert_int_equal(SAYS(w, agent_set(w->agents->agents, &c, OUT(w))), 0);
        assert_string_equal(
                        text(w, "SELECT lifecycle_state || ' ' || wish || ' ' || balance_msats || ' ' "
                                "|| next_tick_at || ' ' || cost_msats || ' ' || failures "
                                "FROM agent_state WHERE name = 'alice'"),
                        "active paused 5000 77 1200 2");
        c.lifecycle = "dead";
        assert_int_equal(SAYS(w, agent_set(w->agents->agents, &c, OUT(w))), -EINVAL);
        c = (AgentChange){ w->a, "", "asleep", -1, -1, -1, -1 };
        assert_int_equal(SAYS(w, agent_set(w->agents->agents, &c, OUT(w))), -EINVAL);
        c = (AgentChange){ "npub1nobody", "", "", -1, -1, -1, -1 };
        assert_int_equal(SAYS(w, agent_set(w->agents->agents, &c, OUT(w))), -ENOENT);
        assert_string_equal(TEXT(w), "there is no such agent");
}

/* Ticks. */

static void a_tick_begins_when_none_is_open_and_has_the_next_number(void **state) {
        World *w = *state;
        const TickStart again = { w->a, "mention", false, NOW, -1 };
        int64_t tick;

        assert_int_equal(begin(w, w->a, false), 1);
        assert_int_equal(SAYS(w, agent_begin_tick(w->agents, &again, &tick, OUT(w))), 1);
        assert_int_equal(tick, 1);
        assert_int_equal(begin(w, w->b, false), 1); /* another's is not in its way */
        assert_int_equal(move(w, w->a, 1, "failed"), 0);
        assert_int_equal(begin(w, w->a, false), 2);
        assert_int_equal(number(w, "SELECT tick_count FROM agent_state WHERE name = 'alice'"), 2);
        assert_int_equal(number(w, "SELECT last_tick_at FROM agent_state WHERE name = 'alice'"),
                        NOW);
}

static void a_tick_of_nobody_or_for_no_word_does_not_begin(void **state) {
        World *w = *state;
        TickStart s = { "npub1nobody", "mention", false, NOW, -1 };
        int64_t tick;

        assert_int_equal(SAYS(w, agent_begin_tick(w->agents, &s, &tick, OUT(w))), -ENOENT);
        s = (TickStart){ w->a, "two words", false, NOW, -1 };
        assert_int_equal(SAYS(w, agent_begin_tick(w->agents, &s, &tick, OUT(w))), -EINVAL);
        s = (TickStart){ w->a, "mention", false, -1, -1 };
        assert_int_equal(SAYS(w, agent_begin_tick(w->agents, &s, &tick, OUT(w))), -EINVAL);
        assert_int_equal(number(w, "SELECT count(*) FROM tick_history"), 0);
}

/* Every pair of states, against the sentence in the header. */
static void a_tick_goes_as_it_may_and_not_otherwise(void **state) {
        static const char *const names[] = { "open", "thinking", "acting", "done", "failed" };
        /* clang-format off */
        static const int expected[5][5] = {
                /*               open       thinking   acting     done       failed */
                /* open     */ { -EALREADY, 0,         0,         -EINVAL,   0         },
                /* thinking */ { -EALREADY, 1,         0,         -EINVAL,   0         },
                /* acting   */ { -EALREADY, -EALREADY, 1,         0,         0         },
                /* done     */ { -EALREADY, -EALREADY, -EALREADY, 1,         -EALREADY },
                /* failed   */ { -EALREADY, -EALREADY, -EALREADY, -EALREADY, 1         },
        };
        /* clang-format on */
        World *w = *state;

        for (int from = 0; from < 5; from++) {
                for (int to = 0; to < 5; to++) {
                        int64_t tick = begin(w, w->a, false);

                        if (from == 3)
                                assert_int_equal(move(w, w->a, tick, "acting"), 0);
                        if (from > 0)
                                assert_int_equal(move(w, w->a, tick, names[from]), 0);
                        assert_int_equal(move(w, w->a, tick, names[to]), expected[from][to]);
                        (void) move(w, w->a, tick, "failed"); /* where it is not over */
                        (void) move(w, w->a, tick, "done");
                }
        }
        assert_int_equal(move(w, w->a, 99, "done"), -ENOENT);
        assert_int_equal(move(w, w->a, 1, "sleeping"), -EINVAL);
        assert_int_equal(move(w, w->b, 1, "done"), -ENOENT); /* alice's */
        for (TickState s = 0; s < _TICK_STATE_MAX; s++)
                assert_int_equal(tick_state_of(tick_state_name(s)), s);
}

static int think(World *w, const char *id, const char *prompt, const char *answer) {
        const TickMove m = {
                .npub = w->a,
                .tick = 1,
                .state = "thinking",
                .thought = { id, prompt, answer },
                .facts = { "", 10, 20, 3000, 44 },
        };

        return SAYS(w, agent_move_tick(w->agents, &m, OUT(w)));
}

static void each_thought_is_kept_with_the_hashes_of_its_texts(void **state) {
        World *w = *state;
        const TickMove acting = {
                .npub = w->a,
                .tick = 1,
                .state = "acting",
                .thought = { "", "", "hello" },
                .facts = { "", 11, 21, 3001, 45 },
        };

        (void) begin(w, w->a, false);
        assert_int_equal(think(w, "", "hello", ""), -EINVAL);
        assert_string_equal(TEXT(w), "a thought has an id and a prompt");
        assert_int_equal(think(w, "t/1", "hello", ""), 0);
        assert_int_equal(think(w, "t/1", "hello", ""), 1); /* a lost answer */
        assert_int_equal(think(w, "t/2", "again", "no idea"), 0);
        assert_int_equal(think(w, "t/2", "again", "no idea"), 1);
        assert_int_equal(SAYS(w, agent_move_tick(w->agents, &acting, OUT(w))), 0);
        assert_int_equal(SAYS(w, agent_move_tick(w->agents, &acting, OUT(w))), 1);
        assert_string_equal(
                        text(w, "SELECT group_concat(id || ' ' || prompt || ' ' || answer, ', ') "
                                "FROM tick_thoughts"),
                        "t/1 hello no idea, t/2 again hello");
        assert_string_equal(text(w, "SELECT prompt_hash FROM tick_thoughts WHERE id = 't/1'"),
                        HASH_OF_HELLO);
        assert_string_equal(text(w, "SELECT answer_hash FROM tick_history"), HASH_OF_HELLO);
        assert_string_equal(text(w, "SELECT prompt_tokens || ' ' || completion_tokens || ' ' || "
                                    "cost_msats || ' ' || cost_sats || ' ' || duration_ms "
                                    "FROM tick_history"),
                        "11 21 3001 4 45");
}

static void a_tick_thinks_eight_times_at_most(void **state) {
        World *w = *state;
        char id[16];

        (void) begin(w, w->a, false);
        for (int i = 0; i < TICK_THOUGHTS_MAX; i++) {
                (void) snprintf(id, sizeof(id), "t/%d", i);
                assert_int_equal(think(w, id, "why", "so"), 0);
        }
        assert_int_equal(think(w, "t/9", "why", "so"), -E2BIG);
        assert_int_equal(think(w, "t/3", "why", "so"), 1);
}

static void a_mind_that_needs_no_thoughts_leaves_its_texts_too(void **state) {
        World *w = *state;
        const TickMove acting = {
                .npub = w->a,
                .tick = 1,
                .state = "acting",
                .thought = { "", "{}", "hello" },
                .facts = { "", -1, -1, -1, -1 },
        };

        (void) begin(w, w->a, false);
        assert_int_equal(SAYS(w, agent_move_tick(w->agents, &acting, OUT(w))), 0);
        assert_string_equal(text(w, "SELECT id || prompt || answer FROM tick_thoughts"), "{}hello");
}

static void long_texts_are_cut_between_characters_and_hashed_whole(void **state) {
        size_t size = TICK_TEXT_MAX + 3;
        char *long_one = malloc(size + 1);
        World *w = *state;
        char hash[HEX32_MAX];
        uint8_t bytes[32];

        assert_non_null(long_one);
        memset(long_one, 'x', size);
        memcpy(long_one + TICK_TEXT_MAX - 1, "\xc3\xa4", 2); /* across the limit */
        long_one[size] = 0;
        assert_int_equal(sha256(long_one, size, bytes), 0);
        hex_encode(bytes, 32, hash);
        (void) begin(w, w->a, false);
        assert_int_equal(think(w, "t/1", long_one, ""), 0);
        assert_int_equal(number(w, "SELECT length(prompt) FROM tick_thoughts"), TICK_TEXT_MAX - 1);
        assert_string_equal(text(w, "SELECT prompt_hash FROM tick_thoughts"), hash);
        free(long_one);
}

/* Observations. */

static const char *waiting(World *w) {
        return text(w, "SELECT coalesce(group_concat(id, ' '), '') FROM agent_observations "
                       "WHERE tick IS NULL");
}

static void what_was_seen_waits_for_the_next_tick_and_is_seen_once(void **state) {
        World *w = *state;

        assert_int_equal(see(w, w->a, "one", w->b_key, "hello"), 0);
        assert_int_equal(see(w, w->a, "one", w->b_key, "hello"), 1);
        assert_int_equal(see(w, w->b, "one", w->a_key, "hello, too"), 0); /* for both of them */
        assert_int_equal(begin(w, w->a, false), 1);
        assert_int_equal(see(w, w->a, "one", w->b_key, "hello"), 1); /* also now */
        assert_int_equal(see(w, w->a, "two", w->b_key, "later"), 0);
        assert_non_null(strstr(context(w, w->a, 1, ""), "\"hello\""));
        assert_null(strstr(w->json.data, "later"));
        assert_null(strstr(w->json.data, "hello, too"));
        assert_int_equal(move(w, w->a, 1, "acting"), 0);
        assert_int_equal(move(w, w->a, 1, "done"), 0);
        assert_int_equal(see(w, w->a, "one", w->b_key, "hello"), 1); /* and ever after */
        assert_int_equal(begin(w, w->a, false), 2);
        assert_non_null(strstr(context(w, w->a, 2, ""), "later"));
}

static void what_is_no_observation_is_refused_with_all_beside_it(void **state) {
        World *w = *state;
        Observation list[] = {
                { "ok", "mention", w->b_key, "", "", 0, NOW },
                { "bad", "mention", w->b_key, "", "", 0, NOW },
        };

        list[1].author = "somebody";
        assert_int_equal(SAYS(w, agent_observe(w->agents, w->a, list, 2, OUT(w))), -EINVAL);
        assert_string_equal(TEXT(w), "its author is neither a public key nor the owner");
        list[1] = (Observation){ "", "mention", "", "", "", 0, NOW };
        assert_int_equal(SAYS(w, agent_observe(w->agents, w->a, list, 2, OUT(w))), -EINVAL);
        list[1] = (Observation){ "bad", "two words", "", "", "", 0, NOW };
        assert_int_equal(SAYS(w, agent_observe(w->agents, w->a, list, 2, OUT(w))), -EINVAL);
        list[1] = (Observation){ "bad", "zap", "", "", "", -1, NOW };
        assert_int_equal(SAYS(w, agent_observe(w->agents, w->a, list, 2, OUT(w))), -EINVAL);
        assert_int_equal(
                        SAYS(w, agent_observe(w->agents, "npub1nobody", list, 1, OUT(w))), -ENOENT);
        assert_int_equal(SAYS(w, agent_observe(w->agents, w->a, list, 257, OUT(w))), -E2BIG);
        assert_string_equal(waiting(w), "");
}

static void a_text_that_is_too_long_is_cut_between_characters(void **state) {
        World *w = *state;
        char words[OBSERVATION_TEXT_MAX + 8];

        memset(words, 'x', sizeof(words));
        memcpy(words + OBSERVATION_TEXT_MAX - 1, "\xe2\x82\xac", 3);
        words[sizeof(words) - 1] = 0;
        assert_int_equal(see(w, w->a, "one", w->b_key, words), 0);
        assert_int_equal(number(w, "SELECT length(text) FROM agent_observations"),
                        OBSERVATION_TEXT_MAX - 1);
}

static void a_flood_of_one_sender_costs_nobody_else(void **state) {
        World *w = *state;
        char id[16];

        assert_int_equal(see(w, w->a, "owner", "owner", "do your work"), 0);
        assert_int_equal(see(w, w->a, "job", "", "a result"), 0);
        assert_int_equal(see(w, w->a, "friend", w->a_key, "hello"), 0);
        for (int i = 0; i < 500; i++) {
                (void) snprintf(id, sizeof(id), "flood%d", i);
                assert_int_equal(see(w, w->a, id, w->b_key, "buy"), 0);
        }
        assert_int_equal(number(w, "SELECT count(*) FROM agent_observations"), OBSERVATIONS_MAX);
        assert_int_equal(number(w, "SELECT count(*) FROM agent_observations "
                                   "WHERE id IN ('owner', 'job', 'friend')"),
                        3);
        assert_int_equal(number(w, "SELECT min(substr(id, 6) + 0) FROM agent_observations "
                                   "WHERE id LIKE 'flood%'"),
                        500 - OBSERVATIONS_MAX + 3);
        assert_int_equal(begin(w, w->a, false), 1);
        assert_non_null(strstr(context(w, w->a, 1, ""), "\"dropped\":439"));
        assert_int_equal(move(w, w->a, 1, "failed"), 0);
        assert_int_equal(begin(w, w->a, false), 2);
        assert_non_null(strstr(context(w, w->a, 2, ""), "\"dropped\":0"));
}

static void a_flood_of_many_senders_spares_the_owner(void **state) {
        World *w = *state;
        char id[16], npub[NPUB_SIZE], key[HEX32_MAX];

        for (int i = 0; i < 5; i++) {
                (void) snprintf(id, sizeof(id), "owner%d", i);
                assert_int_equal(see(w, w->a, id, "owner", "do your work"), 0);
        }
        for (int i = 0; i < 200; i++) {
                key_of((uint8_t) i, npub, key);
                (void) snprintf(id, sizeof(id), "flood%d", i);
                assert_int_equal(see(w, w->a, id, key, "buy"), 0);
        }
        assert_int_equal(number(w, "SELECT count(*) FROM agent_observations "
                                   "WHERE author = 'owner'"),
                        5);
        assert_int_equal(number(w, "SELECT count(*) FROM agent_observations"), OBSERVATIONS_MAX);
}

static void what_a_tick_that_failed_had_seen_waits_again_but_not_for_ever(void **state) {
        World *w = *state;

        assert_int_equal(see(w, w->a, "poison", w->b_key, "x"), 0);
        for (int i = 1; i < OBSERVATION_TRIES_MAX; i++) {
                int64_t tick = begin(w, w->a, false);

                assert_string_equal(waiting(w), "");
                assert_int_equal(move(w, w->a, tick, "failed"), 0);
                assert_int_equal(move(w, w->a, tick, "failed"), 1);
                assert_string_equal(waiting(w), "poison");
        }
        assert_int_equal(move(w, w->a, begin(w, w->a, false), "failed"), 0);
        assert_string_equal(waiting(w), "");
        assert_int_equal(begin(w, w->a, false), OBSERVATION_TRIES_MAX + 1);
        assert_non_null(strstr(context(w, w->a, OBSERVATION_TRIES_MAX + 1, ""), "\"dropped\":1"));
}

static void what_a_tick_had_seen_that_acted_is_over(void **state) {
        World *w = *state;

        assert_int_equal(see(w, w->a, "one", w->b_key, "x"), 0);
        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 1, &post, 1), 0);
        assert_int_equal(move(w, w->a, 1, "failed"), 0);
        assert_string_equal(waiting(w), "");
}

static void a_dry_tick_sees_and_takes_nothing(void **state) {
        World *w = *state;

        assert_int_equal(see(w, w->a, "one", w->b_key, "hello"), 0);
        assert_int_equal(begin(w, w->a, true), 1);
        assert_non_null(strstr(context(w, w->a, 1, ""), "hello"));
        assert_int_equal(act(w, w->a, 1, &post, 1), 0);
        assert_int_equal(move(w, w->a, 1, "done"), 0); /* though its action is only planned */
        assert_string_equal(waiting(w), "one");
}

/* Removing and forgetting. */

static void an_agent_goes_with_all_that_is_its_own_and_nothing_else(void **state) {
        static const char *const tables[] = { "agent_state", "tick_history", "tick_thoughts",
                "agent_observations", "agent_actions", "agent_goals", "agent_memories",
                "agent_memory_words", "settings" };
        World *w = *state;
        const Memory m = { "1.1", "all about cats", NOW };
        const Goal g = { "1.2", "find cats", NULL, -1, -1, NOW };
        const TickAction waits = { 1, "post", "{\"type\":\"post\"}", "waiting", "" };
        char name[96], query[64];

        for (int i = 0; i < 2; i++) {
                const char *npub = i ? w->b : w->a;

                assert_int_equal(see(w, npub, "one", "", "x"), 0);
                (void) begin(w, npub, false);
                assert_int_equal(move(w, npub, 1, "thinking"), 0);
                assert_int_equal(act(w, npub, 1, &post, 1), 0);
                assert_int_equal(see(w, npub, "two", "", "x"), 0);
                assert_int_equal(SAYS(w, agent_remember(w->agents, npub, &m, OUT(w))), 0);
                assert_int_equal(SAYS(w, agent_put_goal(w->agents, npub, &g, OUT(w))), 0);
                (void) snprintf(name, sizeof(name), "agent.%s.colour", npub);
                assert_int_equal(setting_set(w->settings, name, "blue"), 0);
        }
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), -EBUSY);
        assert_string_equal(TEXT(w), "a tick of it is not over");
        assert_int_equal(move_action(w, 1, 1, "signed"), 0);
        assert_int_equal(move(w, w->a, 1, "done"), 0);
        assert_int_equal(move_action(w, 1, 1, "unknown"), 0);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), -EBUSY);
        assert_string_equal(TEXT(w), "a payment of it is not over");
        assert_int_equal(move_action(w, 1, 1, "done"), 0);
        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 2, &waits, 1), 0);
        assert_int_equal(move(w, w->a, 2, "done"), 0);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), 0);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), 1);
        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                (void) snprintf(query, sizeof(query), "SELECT count(*) FROM %s", tables[i]);
                assert_int_equal(number(w, query), streq(tables[i], "agent_observations") ? 2 : 1);
        }
        assert_int_equal(add_agent(w, w->a, w->a_key, "alice"), 0);
}

static void a_long_history_goes_in_parts(void **state) {
        World *w = *state;

        assert_int_equal(sql_exec(w->db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                                         "FROM n WHERE i < 2500) INSERT INTO tick_history "
                                         "(agent_npub, tick_number, created_at) SELECT npub, i, 1 "
                                         "FROM n, agent_state"),
                        0);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), AGENT_REMOVE_MORE);
        assert_int_equal(number(w, "SELECT count(*) FROM tick_history"), 4000);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), AGENT_REMOVE_MORE);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), 0);
        assert_int_equal(number(w, "SELECT count(*) FROM tick_history"), 2500);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), 1);
}

static void texts_go_after_their_time_and_hashes_stay(void **state) {
        World *w = *state;

        assert_int_equal(see(w, w->a, "one", w->b_key, "secret words"), 0);
        assert_int_equal(begin_at(w, w->a, false, NOW, 60), 1);
        assert_int_equal(think(w, "t/1", "hello", ""), 0);
        assert_int_equal(think(w, "t/2", "again", "hello"), 0);
        assert_int_equal(move(w, w->a, 1, "acting"), 0);
        assert_int_equal(move(w, w->a, 1, "done"), 0);

        assert_int_equal(begin_at(w, w->a, false, NOW + 60, 60), 2); /* not yet */
        assert_int_equal(move(w, w->a, 2, "failed"), 0);
        assert_int_equal(number(w, "SELECT count(prompt) FROM tick_thoughts"), 2);
        assert_int_equal(begin_at(w, w->b, false, NOW + 99, 60), 1); /* another's are not its own */
        assert_int_equal(number(w, "SELECT count(prompt) FROM tick_thoughts"), 2);
        assert_int_equal(begin_at(w, w->a, false, NOW + 61, 60), 3);
        assert_int_equal(number(w, "SELECT count(prompt) + count(answer) FROM tick_thoughts"), 0);
        assert_int_equal(number(w, "SELECT count(prompt_hash) FROM tick_thoughts"), 2);
        assert_string_equal(text(w, "SELECT text FROM agent_observations"), "");
        buffer_clear(&w->json);
        assert_int_equal(agent_record(w->agents, w->a, 1, &w->json), 1);
        assert_non_null(strstr(w->json.data, "\"answer\":null,\"answer_hash\":\"" HASH_OF_HELLO));
}

static void old_ticks_go_unless_something_of_them_is_open(void **state) {
        World *w = *state;

        assert_int_equal(move(w, w->a, tick_with_action(w, "signed"), "done"), 0);
        assert_int_equal(move(w, w->a, tick_with_action(w, "done"), "done"), 0);
        assert_int_equal(sql_exec(w->db, "UPDATE agent_state SET tick_count = 10001"), 0);
        assert_int_equal(begin(w, w->a, false), TICKS_MAX + 2);
        assert_string_equal(text(w, "SELECT group_concat(tick_number, ' ') FROM tick_history"),
                        "1 10002");
        assert_int_equal(number(w, "SELECT count(*) FROM agent_actions"), 1);
        assert_int_equal(move_action(w, 1, 1, "done"), 0);
        assert_int_equal(move(w, w->a, TICKS_MAX + 2, "failed"), 0);
        (void) begin(w, w->a, false);
        assert_int_equal(number(w, "SELECT count(*) FROM agent_actions"), 0);
}

/* What people and ticks read. */

static void the_context_says_what_became_of_the_last_ticks(void **state) {
        World *w = *state;
        const TickAction refused = { 1, "pay", "{}", "refused", "over the \"limit\"" };

        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 1, &refused, 1), 0);
        assert_int_equal(move(w, w->a, 1, "done"), 0);
        (void) begin(w, w->a, true); /* does not count */
        assert_int_equal(move(w, w->a, 2, "failed"), 0);
        (void) begin(w, w->a, false);
        assert_string_equal(context(w, w->a, 3, ""),
                        "{\"goals\":[],\"memories\":[],\"remembered\":0,\"observations\":[],\"dropped\":0,"
                        "\"last\":[{\"tick\":1,\"actions\":[{\"n\":1,\"type\":\"pay\","
                        "\"state\":\"refused\",\"reason\":\"over the \\\"limit\\\"\"}]}]}");
        buffer_clear(&w->json);
        assert_int_equal(agent_context(w->agents, w->b, 3, "", &w->json), 0);
}

static void the_largest_context_has_its_limit_and_says_what_was_left_out(void **state) {
        _cleanup_(json_unrefp) Json *j = NULL;
        char words[OBSERVATION_TEXT_MAX + 1], id[16];
        World *w = *state;
        const char *reason;
        uint64_t dropped;
        Goal g = { id, words, NULL, -1, -1, NOW };
        Memory m = { id, words, NOW };

        memset(words, 1, sizeof(words)); /* each of these bytes becomes six */
        for (int i = 0; i < 100; i++) {
                (void) snprintf(id, sizeof(id), "%d", i);
                words[OBSERVATION_TEXT_MAX] = 0;
                assert_int_equal(see(w, w->a, id, w->b_key, words), 0);
                words[MEMORY_TEXT_MAX] = 0;
                assert_int_equal(SAYS(w, agent_remember(w->agents, w->a, &m, OUT(w))), 0);
                words[MEMORY_TEXT_MAX] = 1;
                words[GOAL_TEXT_MAX] = 0;
                assert_int_equal(SAYS(w, agent_put_goal(w->agents, w->a, &g, OUT(w))),
                                i < GOALS_MAX ? 0 : -E2BIG);
                words[GOAL_TEXT_MAX] = 1;
        }
        (void) begin(w, w->a, false);
        buffer_done(&w->json);
        buffer_init(&w->json, AGENT_CONTEXT_MAX);
        (void) context(w, w->a, 1, "");
        assert_true(w->json.size > 150 * 1024);
        assert_int_equal(json_parse(w->json.data, w->json.size, 8, 100000, &j, &reason), 0);
        assert_int_equal(json_u64(json_get(j, "dropped"), UINT64_MAX, &dropped), 0);
        assert_int_equal(dropped + json_array_size(json_get(j, "observations")), 100);
        assert_in_range(json_array_size(json_get(j, "observations")), 4, 5);
}

static void the_record_of_a_tick_has_everything(void **state) {
        World *w = *state;

        assert_int_equal(see(w, w->a, "one", w->b_key, "hi"), 0);
        (void) begin(w, w->a, false);
        assert_int_equal(think(w, "t/1", "hello", ""), 0);
        assert_int_equal(act(w, w->a, 1, &post, 1), 0);
        assert_int_equal(move_action(w, 1, 1, "signed"), 0);
        assert_int_equal(sql_exec(w->db, "UPDATE agent_actions SET moved_at = 5"), 0);
        buffer_clear(&w->json);
        assert_int_equal(agent_record(w->agents, w->a, 1, &w->json), 1);
        assert_non_null(strstr(w->json.data, "{\"tick\":1,\"at\":1700000000,\"state\":\"acting\","
                                             "\"trigger\":\"heartbeat\",\"dry\":false,"));
        assert_non_null(strstr(w->json.data, "\"thoughts\":[{\"id\":\"t/1\",\"prompt\":\"hello\","
                                             "\"prompt_hash\":\"" HASH_OF_HELLO
                                             "\",\"answer\":null,\"answer_hash\":null}]"));
        assert_non_null(strstr(
                        w->json.data, "\"observations\":[{\"id\":\"one\",\"what\":\"mention\","));
        assert_non_null(strstr(w->json.data,
                        "\"actions\":[{\"n\":1,\"type\":\"post\",\"action\":{\"type\":\"post\"},"
                        "\"state\":\"signed\",\"reason\":\"\",\"event_id\":\"" HASH_OF_HELLO
                        "\",\"event\":{\"id\":1},\"payment\":null,\"cost_msat\":0,\"at\":5}]}"));
        assert_int_equal(agent_record(w->agents, w->a, 2, &w->json), 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(an_agent_is_added_once_and_has_its_name_alone),
                T(an_agents_name_is_strict),
                T(a_change_leaves_what_it_does_not_name),
                T(a_tick_begins_when_none_is_open_and_has_the_next_number),
                T(a_tick_of_nobody_or_for_no_word_does_not_begin),
                T(a_tick_goes_as_it_may_and_not_otherwise),
                T(each_thought_is_kept_with_the_hashes_of_its_texts),
                T(a_tick_thinks_eight_times_at_most),
                T(a_mind_that_needs_no_thoughts_leaves_its_texts_too),
                T(long_texts_are_cut_between_characters_and_hashed_whole),
                T(what_was_seen_waits_for_the_next_tick_and_is_seen_once),
                T(what_is_no_observation_is_refused_with_all_beside_it),
                T(a_text_that_is_too_long_is_cut_between_characters),
                T(a_flood_of_one_sender_costs_nobody_else),
                T(a_flood_of_many_senders_spares_the_owner),
                T(what_a_tick_that_failed_had_seen_waits_again_but_not_for_ever),
                T(what_a_tick_had_seen_that_acted_is_over),
                T(a_dry_tick_sees_and_takes_nothing),
                T(an_agent_goes_with_all_that_is_its_own_and_nothing_else),
                T(a_long_history_goes_in_parts),
                T(texts_go_after_their_time_and_hashes_stay),
                T(old_ticks_go_unless_something_of_them_is_open),
                T(the_context_says_what_became_of_the_last_ticks),
                T(the_largest_context_has_its_limit_and_says_what_was_left_out),
                T(the_record_of_a_tick_has_everything),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
