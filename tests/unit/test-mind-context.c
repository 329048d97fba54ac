/* mind/context: what the host tells an agent, read by tables. */
#include "tests/unit/mind-context.h"

#include "mind/action.h"

static void everything_that_was_told_is_there(_unused_ void **state) {
        World w = {
                .type = "exec",
                .mind = ",\"exec\":[\"/bin/sh\",\"-c\",\"x\"],\"model\":\"m\",\"context_tokens\":"
                        "4096,\"max_tokens\":500",
                .goals = "{\"id\":\"3.1\",\"text\":\"live\",\"priority\":2,\"progress\":10}",
                .memories = "{\"id\":\"3.2\",\"text\":\"it rained\",\"at\":5}",
                .observations = "{\"id\":\"" EVENT_HEX "\",\"what\":\"zap\",\"author\":\"" ALICE_HEX
                                "\",\"text\":\"hi\",\"event\":\"\",\"msat\":21000,\"at\":9}",
                .last = "{\"tick\":6,\"actions\":[{\"type\":\"post\",\"state\":\"done\",\"reason\":"
                        "\"\"},{\"type\":\"zap\",\"state\":\"refused\",\"reason\":\"no money\"}]}",
                .allowed = "\"post\",\"zap\",\"fly\"",
        };
        _cleanup_free_ char *json = NULL;
        _cleanup_(context_freep) Context *c = world_context(&w, &json);

        assert_string_equal(c->name, "ada");
        assert_string_equal(c->about, "likes tea");
        assert_int_equal(c->tick, 7);
        assert_int_equal(c->balance_msat, 1000000);
        assert_true(c->exec);
        assert_string_equal(c->command[2], "x");
        assert_null(c->command[3]);
        assert_int_equal(c->context_tokens, 4096);
        assert_int_equal(c->n_goals, 1);
        assert_int_equal(c->goals[0].priority, 2);
        assert_int_equal(c->n_memories, 1);
        assert_int_equal(c->n_observations, 1);
        assert_int_equal(c->observations[0].msat, 21000);
        assert_int_equal(c->n_outcomes, 2);
        assert_int_equal(c->outcomes[1].tick, 6);
        assert_string_equal(c->outcomes[1].reason, "no money");
        assert_int_equal(c->allowed, B(ACTION_POST) | B(ACTION_ZAP));
        assert_string_equal(c->owner, OWNER_HEX);
        assert_false(context_is_owner(c, c->observations));
}

static void expect_wrong(const char *json, const char *field, const char *why) {
        const char *got = NULL, *reason = NULL;
        Context *c = NULL;

        assert_int_equal(context_parse(json, strlen(json), &c, &got, &reason), -EBADMSG);
        assert_null(c);
        if (field)
                assert_string_equal(got, field);
        else
                assert_null(got);
        assert_string_equal(reason, why);
}

static void expect_wrong_world(const World *w, const char *field, const char *why) {
        _cleanup_free_ char *json = world_json(w);

        expect_wrong(json, field, why);
}

static void what_is_not_a_context_is_refused_with_its_place(_unused_ void **state) {
        expect_wrong("", NULL, "it is not JSON: it ends too early");
        expect_wrong("[]", NULL, "it is not an object");
        expect_wrong("{}", "v", "it is missing");
        expect_wrong_world(&(World){ .type = "magic" }, "type", "there is no mind of this type");
        expect_wrong_world(&(World){ .type = "exec", .mind = ",\"exec\":[\"sh\"]" }, "exec",
                        "the program's path does not begin with /");
        expect_wrong_world(&(World){ .mind = ",\"max_tokens\":0" }, "max_tokens",
                        "it is out of range");
        expect_wrong_world(&(World){ .goals = "{\"id\":1}" }, "id", "it is not a text");
        expect_wrong_world(&(World){ .allowed = "1" }, "allowed", "it is not a list of texts");
        expect_wrong_world(&(World){ .last = "{}" }, "last",
                        "a tick in it has no number or no actions");
}

static char *repeated(const char *what, size_t n) {
        size_t size = strlen(what);
        char *all = malloc(n * (size + 1) + 1);

        assert_non_null(all);
        for (size_t i = 0; i < n; i++) {
                memcpy(all + i * (size + 1), what, size);
                all[i * (size + 1) + size] = i + 1 < n ? ',' : '\0';
        }
        return all;
}

static void there_is_a_limit_to_everything(_unused_ void **state) {
        static const char goal[] = "{\"id\":\"1\",\"text\":\"x\"}";
        static const char seen[] = "{\"id\":\"1\",\"what\":\"dm\",\"author\":\"\",\"text\":\"\"}";
        static const char tick[] = "{\"tick\":1,\"actions\":[]}";
        static const char deed[] = "{\"type\":\"post\",\"state\":\"done\"}";
        _cleanup_free_ char *goals = repeated(goal, GOALS_MAX + 1);
        _cleanup_free_ char *memories = repeated(goal, CONTEXT_MEMORIES_MAX + 1);
        _cleanup_free_ char *observations = repeated(seen, OBSERVATIONS_MAX + 1);
        _cleanup_free_ char *peers =
                        repeated("{\"name\":\"\",\"npub\":\"\"}", CONTEXT_PEERS_MAX + 1);
        _cleanup_free_ char *ticks = repeated(tick, CONTEXT_TICKS_MAX + 1);
        _cleanup_free_ char *deeds = repeated(deed, ACTIONS_MAX + 2), *many = NULL;
        _cleanup_free_ char *words = repeated("\"/x\"", CONTEXT_EXEC_MAX + 1), *exec = NULL;
        _cleanup_free_ char *huge = malloc(CONTEXT_SIZE_MAX + 2);

        assert_true(asprintf(&many, "{\"tick\":1,\"actions\":[%s]}", deeds) > 0);
        assert_true(asprintf(&exec, ",\"exec\":[%s]", words) > 0);
        expect_wrong_world(&(World){ .goals = goals }, "goals", "there are too many");
        expect_wrong_world(&(World){ .memories = memories }, "memories", "there are too many");
        expect_wrong_world(&(World){ .observations = observations }, "observations",
                        "there are too many");
        expect_wrong_world(&(World){ .last = ticks }, "last", "there are too many");
        expect_wrong_world(&(World){ .last = many }, "last", "a tick in it has too many actions");
        expect_wrong_world(&(World){ .peers = peers }, "peers", "there are too many");
        expect_wrong_world(&(World){ .mind = exec }, "exec", "there are too many");
        assert_non_null(huge);
        memset(huge, ' ', CONTEXT_SIZE_MAX + 1);
        huge[CONTEXT_SIZE_MAX + 1] = 0;
        expect_wrong(huge, NULL, "it is too long");
}

static void the_owner_is_known_by_name_and_by_key(_unused_ void **state) {
        World w = {
                .observations = "{\"id\":\"tell:1\",\"what\":\"tell\",\"author\":\"owner\",\"text\":"
                                "\"\"},{\"id\":\"1\",\"what\":\"dm\",\"author\":\"" OWNER_HEX
                                "\",\"text\":\"\"},{\"id\":\"2\",\"what\":\"dm\",\"author\":\"\","
                                "\"text\":\"owner\"},{\"id\":\"3\",\"what\":\"zap\",\"author\":\"" OWNER_HEX
                                "\",\"text\":\"\"}",
        };
        _cleanup_free_ char *json = NULL;
        _cleanup_(context_freep) Context *c = world_context(&w, &json);

        assert_true(context_is_owner(c, c->observations));
        assert_true(context_is_owner(c, c->observations + 1));
        assert_false(context_is_owner(c, c->observations + 2));
        assert_false(context_is_owner(c, c->observations + 3));
        c->owner = "";
        assert_false(context_is_owner(c, c->observations + 2));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(everything_that_was_told_is_there),
                cmocka_unit_test(what_is_not_a_context_is_refused_with_its_place),
                cmocka_unit_test(there_is_a_limit_to_everything),
                cmocka_unit_test(the_owner_is_known_by_name_and_by_key),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
