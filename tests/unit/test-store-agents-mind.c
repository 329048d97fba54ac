/* store/agents: goals and memories, what strangers may write into a search, export and import. */
#include "tests/unit/agents-world.h"

/* Goals. */

static int put(World *w, const char *npub, const char *id, const char *words, const char *status) {
        const Goal g = { id, words, status, -1, -1, NOW };

        return SAYS(w, agent_put_goal(w->agents, npub, &g, OUT(w)));
}

static const char *goals(World *w, const char *npub) {
        _cleanup_sql_ SqlStatement *q = goal_list(w->agents->goals, npub);

        buffer_clear(&w->json);
        assert_int_equal(buffer_add_string(&w->json, ""), 0);
        while (sql_step(q) > 0)
                assert_int_equal(buffer_addf(&w->json, "%s:%s:%" PRId64 ":%" PRId64 ":%s ",
                                                 sql_text(q, 0), sql_text(q, 1), sql_int(q, 2),
                                                 sql_int(q, 3), sql_text(q, 4)),
                                0);
        return w->json.data;
}

static void a_goal_is_made_changed_and_closed_once(void **state) {
        World *w = *state;
        const Goal half = { "1.1", NULL, NULL, 2, 50, NOW + 1 };

        assert_int_equal(put(w, w->a, "1.1", NULL, NULL), -ENOENT);
        assert_string_equal(TEXT(w), "there is no such goal");
        assert_int_equal(put(w, w->a, "1.1", "live", NULL), 0);
        assert_int_equal(put(w, w->a, "1.1", "live", NULL), 1);
        assert_string_equal(TEXT(w), "active");
        assert_int_equal(SAYS(w, agent_put_goal(w->agents, w->a, &half, OUT(w))), 0);
        assert_string_equal(goals(w, w->a), "1.1:live:2:50:active ");
        assert_int_equal(put(w, w->a, "1.1", NULL, "done"), 0);
        assert_int_equal(put(w, w->a, "1.1", NULL, "done"), 1);
        assert_int_equal(put(w, w->a, "1.1", NULL, "dropped"), -EALREADY);
        assert_string_equal(TEXT(w), "the goal is over");
        assert_int_equal(put(w, w->a, "1.1", "live longer", NULL), -EALREADY);
        assert_string_equal(goals(w, w->b), "");
        assert_int_equal(put(w, "npub1nobody", "1.1", "live", NULL), -ENOENT);
}

static void what_is_no_goal_is_refused(void **state) {
        char words[GOAL_TEXT_MAX + 2], id[ITEM_ID_MAX + 2];
        World *w = *state;
        Goal bad[] = {
                { "", "x", NULL, -1, -1, NOW },
                { "a b", "x", NULL, -1, -1, NOW },
                { id, "x", NULL, -1, -1, NOW },
                { "1.1", "", NULL, -1, -1, NOW },
                { "1.1", words, NULL, -1, -1, NOW },
                { "1.1", "x", "asleep", -1, -1, NOW },
                { "1.1", "x", NULL, 0, -1, NOW },
                { "1.1", "x", NULL, 10, -1, NOW },
                { "1.1", "x", NULL, -1, 101, NOW },
        };

        memset(words, 'x', sizeof(words));
        words[sizeof(words) - 1] = 0;
        memset(id, 'x', sizeof(id));
        id[sizeof(id) - 1] = 0;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(
                                SAYS(w, agent_put_goal(w->agents, w->a, bad + i, OUT(w))), -EINVAL);
        assert_string_equal(goals(w, w->a), "");
}

static void the_first_goals_come_first_and_the_latest_of_the_others(void **state) {
        static const Goal all[] = {
                { "low", "x", NULL, 9, -1, NOW },
                { "new", "x", NULL, -1, -1, NOW },
                { "top", "x", NULL, 1, -1, NOW },
                { "old", "x", "done", -1, -1, NOW },
                { "late", "x", "dropped", -1, -1, NOW + 5 },
        };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                assert_int_equal(SAYS(w, agent_put_goal(w->agents, w->a, all + i, OUT(w))), 0);
        assert_string_equal(goals(w, w->a), "top:x:1:0:active new:x:5:0:active low:x:9:0:active "
                                            "late:x:5:0:dropped old:x:5:0:done ");
}

static void goals_are_few_and_those_that_are_over_do_not_count(void **state) {
        World *w = *state;
        char id[16];

        for (int i = 0; i < GOALS_MAX; i++) {
                (void) snprintf(id, sizeof(id), "%d", i);
                assert_int_equal(put(w, w->a, id, "x", NULL), 0);
        }
        assert_int_equal(put(w, w->a, "more", "x", NULL), -E2BIG);
        assert_int_equal(put(w, w->b, "more", "x", NULL), 0);
        assert_int_equal(put(w, w->a, "0", NULL, "done"), 0);
        assert_int_equal(put(w, w->a, "more", "x", NULL), 0);
        for (int i = 0; i < 100; i++) {
                (void) snprintf(id, sizeof(id), "over%d", i);
                assert_int_equal(put(w, w->a, id, "x", "done"), 0);
        }
        assert_int_equal(number(w, "SELECT count(*) FROM agent_goals WHERE status = 'done'"),
                        GOALS_MAX);
        assert_int_equal(number(w, "SELECT count(*) FROM agent_goals WHERE id = 'over99'"), 1);
}

/* Memories. */

static int remember(World *w, const char *npub, const char *id, const char *words) {
        const Memory m = { id, words, NOW };

        return SAYS(w, agent_remember(w->agents, npub, &m, OUT(w)));
}

static int add_id(const Memory *m, _unused_ int64_t key, void *userdata) {
        World *w = userdata;

        return buffer_addf(&w->json, "%s ", m->id);
}

static const char *found(World *w, const char *npub, const char *query) {
        buffer_clear(&w->json);
        assert_int_equal(buffer_add_string(&w->json, ""), 0);
        assert_int_equal(memory_search(w->agents->memories, npub, query, 10, add_id, w), 0);
        return w->json.data;
}

/* The index agrees with the rows. */
static void check_index(World *w) {
        assert_int_equal(
                        sql_exec(w->db, "INSERT INTO agent_memory_words (agent_memory_words, rank) "
                                        "VALUES ('integrity-check', 1)"),
                        0);
}

static void a_memory_is_found_by_its_words(void **state) {
        World *w = *state;

        assert_int_equal(remember(w, w->a, "1.1", "Bob likes black cats"), 0);
        assert_int_equal(remember(w, w->a, "1.1", "Bob hates cats"), 1); /* written once */
        assert_int_equal(remember(w, w->a, "1.2", "The relay of Zo\xc3\xab is slow"), 0);
        assert_string_equal(found(w, w->a, "what does bob like?"), "1.1 ");
        assert_string_equal(found(w, w->a, "a cat"), "1.1 "); /* another form of the word */
        assert_string_equal(found(w, w->a, "zoe"), "1.2 ");
        assert_string_equal(found(w, w->a, "dogs"), "");
        assert_string_equal(found(w, w->a, ""), "");
        assert_int_equal(SAYS(w, memory_forget(w->agents->memories, w->a, "1.1", OUT(w))), 0);
        assert_int_equal(SAYS(w, memory_forget(w->agents->memories, w->a, "1.1", OUT(w))), 1);
        assert_string_equal(found(w, w->a, "cats"), "");
        check_index(w);
}

static void what_is_no_memory_is_refused(void **state) {
        char words[MEMORY_TEXT_MAX + 2];
        World *w = *state;

        memset(words, 'x', sizeof(words));
        words[sizeof(words) - 1] = 0;
        assert_int_equal(remember(w, w->a, "1.1", ""), -EINVAL);
        assert_int_equal(remember(w, w->a, "1.1", words), -EINVAL);
        assert_string_equal(TEXT(w), "a memory has a text of 1 to 2048 bytes");
        assert_int_equal(remember(w, w->a, "1 1", "x"), -EINVAL);
        assert_int_equal(remember(w, "npub1nobody", "1.1", "x"), -ENOENT);
}

static void rare_words_count_for_more_and_several_for_most(void **state) {
        World *w = *state;

        assert_int_equal(remember(w, w->a, "common1", "bitcoin is money"), 0);
        assert_int_equal(remember(w, w->a, "rare", "a zebra has no bitcoin"), 0);
        assert_int_equal(remember(w, w->a, "common2", "bitcoin is slow"), 0);
        assert_string_equal(found(w, w->a, "bitcoin zebra"), "rare common2 common1 ");
        assert_int_equal(remember(w, w->a, "both", "money for a zebra"), 0);
        assert_string_equal(found(w, w->a, "zebra money"), "both rare common1 ");
        assert_string_equal(found(w, w->a, "money money money zebra"), "both rare common1 ");
}

/* Neither by words, nor by ids, nor by how the words of one weigh for the other. */
static void two_agents_memories_never_mix(void **state) {
        World *w = *state;
        char query[256];

        assert_int_equal(remember(w, w->a, "1.1", "the password is swordfish"), 0);
        assert_int_equal(remember(w, w->b, "1.1", "nothing of interest"), 0);
        assert_string_equal(found(w, w->b, "password swordfish"), "");
        assert_string_equal(found(w, w->b, w->a), "");
        (void) snprintf(query, sizeof(query), "nothing\" OR agent_npub : \"%s", w->a);
        assert_string_equal(found(w, w->b, query), "1.1 ");
        assert_null(strstr(context(w, w->b, begin(w, w->b, false), query), "swordfish"));
        assert_int_equal(SAYS(w, memory_forget(w->agents->memories, w->b, "1.1", OUT(w))), 0);
        assert_string_equal(found(w, w->a, "password"), "1.1 ");

        assert_int_equal(remember(w, w->a, "2.1", "zebra"), 0);
        assert_int_equal(remember(w, w->a, "2.2", "lion"), 0);
        assert_int_equal(remember(w, w->a, "2.3", "lion"), 0);
        for (int i = 0; i < 50; i++) {
                (void) snprintf(query, sizeof(query), "z%d", i);
                assert_int_equal(remember(w, w->b, query, "zebra"), 0);
        }
        assert_string_equal(found(w, w->a, "lion zebra"), "2.1 2.3 2.2 ");
}

static void whatever_a_stranger_writes_is_only_words(void **state) {
        static const char *const queries[] = {
                "\"",
                "\"\"",
                "cats\"",
                "\"cats",
                "'",
                "''",
                "cats'; DROP TABLE jobs; --",
                "text : cats",
                "agent_npub : x",
                "-cats",
                "NOT cats",
                "cats NOT cats",
                "cats AND",
                "AND",
                "OR",
                "NEAR(",
                "NEAR(cats likes, 1)",
                "(((((((",
                "))))",
                "cats*",
                "*",
                "^cats",
                "cats + likes",
                "{text agent_npub} : cats",
                "rank MATCH 'bm25()'",
                "%",
                "_",
                "\\\"cats",
                "\x01\x02\x1f",
                "\xe2\x80\xa6",
                "\xef\xbf\xbd",
                "\xf0\x9f\x90\x88",
                "\xff\xfe",
                "\xc3",
                "cats\xc3",
                "a b c d e f g h i j k l m n o p q r s t u v w x y z",
        };
        World *w = *state;

        assert_int_equal(remember(w, w->a, "1.1", "Bob likes black cats"), 0);
        assert_int_equal(remember(w, w->b, "1.1", "nothing"), 0);
        for (size_t i = 0; i < ELEMENTSOF(queries); i++) {
                const char *ids = found(w, w->a, queries[i]);

                assert_true(streq(ids, "1.1 ") || streq(ids, ""));
                if (strstr(queries[i], "cats"))
                        assert_true(streq(ids, "1.1 ") || (uint8_t) queries[i][4] == 0xc3);
        }
        assert_int_equal(number(w, "SELECT count(*) FROM jobs"), 0);
        check_index(w);
}

/* However large, and however it is made to take long. */
static void a_huge_query_is_cut(void **state) {
        size_t size = 8 * 1024 * 1024;
        char *query = malloc(size + 1);
        World *w = *state;

        assert_non_null(query);
        assert_int_equal(remember(w, w->a, "1.1", "zoo cats"), 0);
        for (size_t i = 0; i < size; i++)
                query[i] = "a zoo "[i % 6];
        query[size] = 0;
        assert_string_equal(found(w, w->a, query), "1.1 ");
        memset(query, 'x', size); /* one word */
        assert_string_equal(found(w, w->a, query), "");
        memset(query, '"', size);
        assert_string_equal(found(w, w->a, query), "");
        memset(query, '\xe4', size);
        assert_string_equal(found(w, w->a, query), "");
        free(query);
}

static void the_least_used_of_the_old_ones_goes(void **state) {
        World *w = *state;
        char id[16], words[32];

        assert_int_equal(sql_exec(w->db, "BEGIN"), 0);
        for (int i = 0; i < MEMORIES_MAX; i++) {
                (void) snprintf(id, sizeof(id), "%d", i);
                (void) snprintf(words, sizeof(words), "word%d", i);
                assert_int_equal(remember(w, w->a, id, words), 0);
        }
        assert_int_equal(remember(w, w->b, "0", "word0"), 0);
        (void) begin(w, w->a, false);
        assert_non_null(strstr(context(w, w->a, 1, "word0 word2"), "word0"));
        assert_int_equal(remember(w, w->a, "more1", "x"), 0);
        assert_int_equal(remember(w, w->a, "more2", "x"), 0);
        assert_string_equal(found(w, w->a, "word0 word1 word2 word3 word4"), "4 2 0 ");
        assert_string_equal(found(w, w->b, "word0"), "0 ");
        assert_int_equal(number(w, "SELECT count(*) FROM agent_memories"), MEMORIES_MAX + 1);
        check_index(w);
        assert_int_equal(sql_exec(w->db, "COMMIT"), 0);
}

static void a_context_has_what_is_asked_for_and_the_newest(void **state) {
        World *w = *state;
        char id[16];

        assert_int_equal(remember(w, w->a, "cats", "Bob likes cats"), 0);
        assert_int_equal(remember(w, w->a, "dogs", "Bob hates dogs"), 0);
        for (int i = 0; i < 20; i++) {
                (void) snprintf(id, sizeof(id), "%d", i);
                assert_int_equal(remember(w, w->a, id, "noise"), 0);
        }
        (void) begin(w, w->a, false);
        assert_non_null(strstr(context(w, w->a, 1, "cats, noise?"), "likes cats"));
        assert_non_null(strstr(w->json.data, "\"id\":\"19\""));
        assert_null(strstr(w->json.data, "dogs"));
        assert_non_null(strstr(w->json.data, ",\"remembered\":22,"));
        assert_int_equal(number(w, "SELECT uses FROM agent_memories WHERE id = 'cats'"), 1);
        assert_int_equal(number(w, "SELECT uses FROM agent_memories WHERE id = 'dogs'"), 0);
        assert_ptr_equal(strstr(strstr(w->json.data, "likes cats") + 1, "likes cats"), NULL);
}

/* What an action does in these tables is done with it. */

static int take_effect(World *w, uint32_t n, const char *to, const Effect *e) {
        ActionMove m = { 0, n, to, "", "", "", "", -1 };

        return SAYS(w, agent_move_action(w->agents, w->a, 1, &m, e, OUT(w)));
}

static void the_effect_of_an_action_comes_with_it_or_not_at_all(void **state) {
        static const TickAction actions[] = { { 1, "remember", "{}", "planned", "" },
                { 2, "goal_add", "{}", "planned", "" }, { 3, "goal_close", "{}", "planned", "" },
                { 4, "forget", "{}", "planned", "" }, { 5, "remember", "{}", "waiting", "" } };
        World *w = *state;
        const Memory m = { "1.1", "cats", NOW };
        const Goal g = { "1.2", "find cats", NULL, -1, -1, NOW };
        const Goal none = { "9.9", NULL, "done", -1, -1, NOW };

        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 1, actions, ELEMENTSOF(actions)), 0);
        assert_int_equal(take_effect(w, 1, "planned", &(Effect){ .remember = &m }), -EINVAL);
        assert_string_equal(TEXT(w), "an effect comes when the action is done");
        assert_int_equal(take_effect(w, 5, "done", &(Effect){ .remember = &m }), -EALREADY);
        assert_string_equal(found(w, w->a, "cats"), "");
        assert_int_equal(take_effect(w, 1, "done", &(Effect){ .remember = &m }), 0);
        assert_int_equal(take_effect(w, 1, "done", &(Effect){ .remember = &m }), 1);
        assert_string_equal(found(w, w->a, "cats"), "1.1 ");
        assert_int_equal(take_effect(w, 2, "done", &(Effect){ .goal = &g }), 0);
        assert_string_equal(goals(w, w->a), "1.2:find cats:5:0:active ");
        assert_int_equal(take_effect(w, 3, "done", &(Effect){ .goal = &none }), -ENOENT);
        assert_string_equal(text(w, "SELECT status FROM agent_actions WHERE n = 3"), "planned");
        assert_int_equal(take_effect(w, 3, "failed", &(Effect){ 0 }), 0);
        assert_int_equal(take_effect(w, 4, "done", &(Effect){ .forget = "1.1" }), 0);
        assert_string_equal(found(w, w->a, "cats"), "");
        /* Forgotten is forgotten: the action that remembered it does not come back. */
        assert_int_equal(take_effect(w, 1, "done", &(Effect){ .remember = &m }), 1);
        assert_string_equal(found(w, w->a, "cats"), "");
}

/* Export and import. */

static int import(World *w, const char *npub, const char *json) {
        return SAYS(w, agent_import(w->agents, npub, json, OUT(w)));
}

static char *export(World *w, const char *npub) {
        char *copy;

        buffer_clear(&w->json);
        assert_int_equal(agent_export(w->agents, npub, &w->json), 1);
        copy = strdup(w->json.data);
        assert_non_null(copy);
        return copy;
}

static void what_is_exported_comes_back(void **state) {
        _cleanup_free_ char *first = NULL, *second = NULL;
        World *w = *state;
        const Goal g = { "1.1", "say \"hi\"", "done", 3, 100, NOW };
        char name[128];

        assert_int_equal(SAYS(w, agent_put_goal(w->agents, w->a, &g, OUT(w))), 0);
        assert_int_equal(put(w, w->a, "1.2", "live", NULL), 0);
        assert_int_equal(remember(w, w->a, "1.3", "cats\n\xf0\x9f\x90\x88"), 0);
        assert_int_equal(remember(w, w->a, "1.4", "dogs"), 0);
        (void) snprintf(name, sizeof(name), "agent.%s.colour", w->a);
        assert_int_equal(setting_set(w->settings, name, "blue"), 0);
        first = export(w, w->a);
        assert_int_equal(import(w, w->a, first), 0); /* all is there already */
        second = export(w, w->a);
        assert_string_equal(first, second);

        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), 0);
        assert_int_equal(add_agent(w, w->a, w->a_key, "alice"), 0);
        assert_int_equal(import(w, w->a, first), 0);
        free(second);
        second = export(w, w->a);
        assert_string_equal(first, second);
        assert_string_equal(found(w, w->a, "cats"), "1.3 ");

        assert_int_equal(import(w, w->b, first), 0); /* a copy of its mind */
        assert_string_equal(found(w, w->b, "cats"), "1.3 ");
        (void) snprintf(name, sizeof(name), "agent.%s.colour", w->b);
        assert_int_equal(number(w, "SELECT count(*) FROM settings"), 2);
        buffer_clear(&w->json);
        assert_int_equal(agent_export(w->agents, "npub1nobody", &w->json), 0);
}

static void what_is_wrong_in_an_import_leaves_nothing_of_it(void **state) {
#define GOALS(x)    "{\"v\":1,\"npub\":\"x\",\"goals\":[" x "],\"memories\":[],\"settings\":[]}"
#define MEMORIES(x) "{\"v\":1,\"npub\":\"x\",\"goals\":[],\"memories\":[" x "],\"settings\":[]}"
#define SETTINGS(x) \
        "{\"v\":1,\"npub\":\"x\",\"goals\":[],\"memories\":[" GOOD "],\"settings\":[" x "]}"
#define GOOD "{\"id\":\"1\",\"text\":\"cats\",\"at\":1}"
        static const char *const bad[] = {
                "",
                "null",
                "[]",
                "{}",
                "{\"v\":1}",
                "{\"v\":2,\"npub\":\"x\",\"goals\":[],\"memories\":[],\"settings\":[]}",
                GOALS("1"),
                GOALS("{}"),
                GOALS("{\"id\":\"1\",\"text\":\"\",\"status\":\"active\",\"priority\":1,\"progress\":0,\"at\":1}"),
                GOALS("{\"id\":\"1\",\"text\":\"x\",\"status\":\"active\",\"priority\":-1,\"progress\":0,\"at\":1}"),
                GOALS("{\"id\":\"1\",\"text\":\"\\ufffe\",\"status\":\"active\",\"priority\":1,\"progress\":0,\"at\":1}"),
                MEMORIES(GOOD ",{}"),
                MEMORIES(GOOD ",{\"id\":\"a b\",\"text\":\"x\",\"at\":1}"),
                MEMORIES(GOOD ",{\"id\":\"2\",\"text\":\"x\",\"at\":-1}"),
                MEMORIES(GOOD ",{\"id\":\"2\",\"text\":\"\\uffff\",\"at\":1}"),
                MEMORIES(GOOD ",{\"id\":\"2\",\"text\":\"a\\u0000b\",\"at\":1}"),
                SETTINGS("{\"name\":\"provider.online\",\"value\":\"no\"}"),
                SETTINGS("{\"name\":\"agent.y.colour\",\"value\":\"no\"}"),
                SETTINGS("{\"name\":\"agent.xcolour\",\"value\":\"no\"}"),
                SETTINGS("{\"name\":\"agent.x."
                         "0123456789012345678901234567890123456789012345678"
                         "\",\"value\":\"no\"}"),
                MEMORIES(GOOD "]"),
                MEMORIES("[[[[[[1]]]]]]"),
        };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(import(w, w->a, bad[i]), -EBADMSG);
                assert_int_equal(number(w, "SELECT (SELECT count(*) FROM agent_goals) + (SELECT "
                                           "count(*) FROM agent_memories) + (SELECT count(*) FROM "
                                           "settings)"),
                                0);
        }
        assert_int_equal(import(w, w->a, MEMORIES(GOOD)), 0);
        assert_int_equal(import(w, "npub1nobody", MEMORIES(GOOD)), -ENOENT);
}

static void an_import_cannot_pass_the_limit_of_goals(void **state) {
        World *w = *state;
        _cleanup_free_ char *json = NULL;
        char id[16];

        for (int i = 0; i < GOALS_MAX; i++) {
                (void) snprintf(id, sizeof(id), "%d", i);
                assert_int_equal(put(w, w->a, id, "x", NULL), 0);
        }
        json = export(w, w->a);
        assert_int_equal(put(w, w->b, "0", "x", NULL), 0); /* is there already */
        assert_int_equal(import(w, w->b, json), 0);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->b, OUT(w))), 0);
        assert_int_equal(add_agent(w, w->b, w->b_key, "bob"), 0);
        assert_int_equal(put(w, w->b, "other", "x", NULL), 0);
        assert_int_equal(import(w, w->b, json), -EBADMSG);
        assert_string_equal(TEXT(w), "together that is more than 64 goals");
        assert_string_equal(goals(w, w->b), "other:x:5:0:active ");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(a_goal_is_made_changed_and_closed_once),
                T(what_is_no_goal_is_refused),
                T(the_first_goals_come_first_and_the_latest_of_the_others),
                T(goals_are_few_and_those_that_are_over_do_not_count),
                T(a_memory_is_found_by_its_words),
                T(what_is_no_memory_is_refused),
                T(rare_words_count_for_more_and_several_for_most),
                T(two_agents_memories_never_mix),
                T(whatever_a_stranger_writes_is_only_words),
                T(a_huge_query_is_cut),
                T(the_least_used_of_the_old_ones_goes),
                T(a_context_has_what_is_asked_for_and_the_newest),
                T(the_effect_of_an_action_comes_with_it_or_not_at_all),
                T(what_is_exported_comes_back),
                T(what_is_wrong_in_an_import_leaves_nothing_of_it),
                T(an_import_cannot_pass_the_limit_of_goals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
