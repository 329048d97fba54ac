/* store/agents: an action goes as it may, once, and what is not over is found again. */
#include "tests/unit/agents-world.h"

static void an_action_goes_as_it_may_and_not_otherwise(void **state) {
        static const char *const names[] = { "planned", "waiting", "signed", "unknown", "done",
                "failed", "refused", "denied" };
        /* clang-format off */
        static const int expected[8][8] = {
                /*              planned    waiting    signed     unknown    done       failed     refused    denied */
                /* planned */ { 0,         0,         0,         0,         0,         0,         0,         0         },
                /* waiting */ { 0,         0,         -EALREADY, -EALREADY, -EALREADY, 0,         0,         0         },
                /* signed  */ { -EALREADY, -EALREADY, 0,         0,         0,         0,         -EALREADY, -EALREADY },
                /* unknown */ { -EALREADY, -EALREADY, -EALREADY, 0,         0,         0,         -EALREADY, -EALREADY },
                /* done    */ { -EALREADY, -EALREADY, -EALREADY, -EALREADY, 1,         -EALREADY, -EALREADY, -EALREADY },
                /* failed  */ { -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EALREADY, 1,         -EALREADY, -EALREADY },
                /* refused */ { -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EALREADY, 1,         -EALREADY },
                /* denied  */ { -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EALREADY, 1         },
        };
        /* clang-format on */
        World *w = *state;

        for (int from = 0; from < 8; from++) {
                for (int to = 0; to < 8; to++) {
                        int64_t tick = tick_with_action(w, names[from]);

                        assert_int_equal(move_action(w, tick, 1, names[to]), expected[from][to]);
                        assert_int_equal(move(w, w->a, tick, "failed"), 0);
                }
        }
        assert_int_equal(move_action(w, 1, 2, "done"), -ENOENT);
        assert_int_equal(move_action(w, 999, 1, "done"), -ENOENT);
        assert_int_equal(move_action(w, 1, 1, "paid"), -EINVAL);
        for (ActionState s = 0; s < _ACTION_STATE_MAX; s++)
                assert_int_equal(action_state_of(action_state_name(s)), s);
}

static int move_with(World *w, const char *to, const char *event_id, const char *event,
                const char *payment) {
        ActionMove m = { 0, 1, to, event_id, event, payment, "because", -1 };
        const Effect none = { 0 };

        return SAYS(w, agent_move_action(w->agents, w->a, 1, &m, &none, OUT(w)));
}

static void what_was_signed_or_begun_to_be_paid_stays_what_it_is(void **state) {
        World *w = *state;

        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 1, &post, 1), 0);
        assert_int_equal(move_with(w, "signed", "", "", ""), -EINVAL);
        assert_string_equal(TEXT(w), "what is signed is stored with it");
        assert_int_equal(move_with(w, "signed", "id", "", ""), -EINVAL);
        assert_int_equal(move_with(w, "signed", "id", "not json", ""), -EINVAL);
        assert_int_equal(move_with(w, "signed", "id", "\"text\"", ""), -EINVAL);
        assert_int_equal(move_with(w, "signed", "id", "[{\"id\":1},{\"id\":2}]", ""), 0);
        assert_int_equal(move_with(w, "signed", "id", "[{\"id\":1},{\"id\":2}]", ""), 0);
        assert_int_equal(move_with(w, "signed", "other", "{\"id\":3}", ""), -EEXIST);
        assert_string_equal(TEXT(w), "another event is stored for it");
        assert_int_equal(move_with(w, "unknown", "", "", ""), -EINVAL);
        assert_string_equal(TEXT(w), "only a payment can be unknown");
        assert_int_equal(move_with(w, "signed", "", "", "hash"), 0);
        assert_int_equal(move_with(w, "unknown", "", "", ""), 0);
        assert_int_equal(move_with(w, "unknown", "", "", "hash2"), -EEXIST);
        assert_int_equal(move_with(w, "done", "", "", ""), 0);
        assert_string_equal(
                        text(w, "SELECT event_id || ' ' || event || ' ' || payment || ' ' || reason "
                                "FROM agent_actions"),
                        "id [{\"id\":1},{\"id\":2}] hash because");
}

static void the_actions_of_a_tick_are_checked_before_one_is_written(void **state) {
        World *w = *state;
        TickAction many[TICK_ACTIONS_MAX + 1];

        (void) begin(w, w->a, false);
        for (uint32_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = (TickAction){ i + 1, "post", "{}", "planned", "" };
        assert_int_equal(act(w, w->a, 1, many, ELEMENTSOF(many)), -EINVAL);
        assert_string_equal(TEXT(w), "a tick has at most 32 actions");
        many[1].n = 1;
        assert_int_equal(act(w, w->a, 1, many, 2), -EINVAL);
        assert_string_equal(TEXT(w), "the numbers of actions grow from 1 to 32");
        many[1] = (TickAction){ 2, "post", "{}", "done", "" };
        assert_int_equal(act(w, w->a, 1, many, 2), -EINVAL);
        assert_string_equal(TEXT(w), "an action begins as planned, waiting or refused");
        many[1] = (TickAction){ 2, "Post it", "{}", "planned", "" };
        assert_int_equal(act(w, w->a, 1, many, 2), -EINVAL);
        many[1] = (TickAction){ 2, "post", "[]", "planned", "" };
        assert_int_equal(act(w, w->a, 1, many, 2), -EINVAL);
        many[1] = (TickAction){ 2, "post", "{},{}", "planned", "" };
        assert_int_equal(act(w, w->a, 1, many, 2), -EINVAL);
        assert_int_equal(number(w, "SELECT count(*) FROM agent_actions"), 0);
        many[1] = (TickAction){ 2, "post", "{}", "planned", "" };
        assert_int_equal(act(w, w->a, 1, many, 2), 0);
        assert_int_equal(act(w, w->a, 1, many, 2), 1);
        assert_int_equal(act(w, w->a, 1, many, 1), -EALREADY);
        assert_int_equal(act(w, w->a, 1, many, 3), -EALREADY);
        many[1].json = "{\"text\":\"another\"}";
        assert_int_equal(act(w, w->a, 1, many, 2), -EALREADY);
        assert_string_equal(TEXT(w), "the tick has other actions already");
        assert_string_equal(text(w, "SELECT actions_json FROM tick_history"), "[{},{}]");
}

static void what_could_not_be_read_is_kept_as_a_text_and_refused(void **state) {
        World *w = *state;
        TickAction a = { 1, "unknown", "\"POST it\"", "planned", "no such action" };

        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 1, &a, 1), -EINVAL);
        a.state = "refused";
        assert_int_equal(act(w, w->a, 1, &a, 1), 0);
        assert_string_equal(text(w, "SELECT actions_json FROM tick_history"), "[\"POST it\"]");
}

/* A payment without an event is as good as signed when its id is on disk. */
static void a_payment_goes_its_way_without_an_event(void **state) {
        const TickAction pay = { 1, "pay", "{}", "planned", "" };
        World *w = *state;

        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 1, &pay, 1), 0);
        assert_int_equal(move_with(w, "signed", "", "", ""), -EINVAL);
        assert_int_equal(move_with(w, "signed", "", "", "agent:alice/1/1"), 0);
        assert_int_equal(move_with(w, "unknown", "", "", "agent:alice/1/1"), 0);
        assert_int_equal(move_with(w, "done", "", "", ""), 0);
}

static void a_tick_is_not_done_while_something_is_planned(void **state) {
        World *w = *state;
        const TickAction actions[] = { post, { 2, "dm", "{}", "waiting", "" } };

        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 1, actions, 2), 0);
        assert_int_equal(move(w, w->a, 1, "done"), -EBUSY);
        assert_string_equal(TEXT(w), "an action of the tick is still planned");
        assert_int_equal(move_action(w, 1, 1, "signed"), 0);
        assert_int_equal(move(w, w->a, 1, "done"), 0); /* the others go on by themselves */
        assert_int_equal(move_action(w, 1, 2, "planned"), 0);
        assert_int_equal(move_action(w, 1, 2, "done"), 0);
}

static void what_a_failed_tick_had_planned_fails_with_it(void **state) {
        World *w = *state;
        const TickAction actions[] = { post, { 2, "dm", "{}", "waiting", "" },
                { 3, "zap", "{}", "planned", "" }, { 4, "pay", "{}", "refused", "no" } };
        const TickMove failed = {
                .npub = w->a,
                .tick = 1,
                .state = "failed",
                .thought = { "", "", "" },
                .facts = { "the owner stopped it", -1, -1, -1, -1 },
        };

        (void) begin(w, w->a, false);
        assert_int_equal(act(w, w->a, 1, actions, 4), 0);
        assert_int_equal(move_action(w, 1, 3, "unknown"), 0);
        assert_int_equal(SAYS(w, agent_move_tick(w->agents, &failed, OUT(w))), 0);
        assert_string_equal(text(w, "SELECT group_concat(status || ':' || reason, ' ') "
                                    "FROM agent_actions"),
                        "failed:the owner stopped it failed:the owner stopped it unknown: refused:no");
        assert_int_equal(move_action(w, 1, 3, "done"), 0); /* money is not over with the tick */
}

static void of_a_dry_tick_nothing_is_ever_done(void **state) {
        static const char *const names[] = { "planned", "waiting", "signed", "unknown", "done",
                "failed" };
        World *w = *state;

        (void) begin(w, w->a, true);
        assert_int_equal(act(w, w->a, 1, &post, 1), 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(move_action(w, 1, 1, names[i]), -EPERM);
        assert_string_equal(TEXT(w), "the tick is a dry run");
        assert_int_equal(move(w, w->a, 1, "done"), 0);
        assert_int_equal(SAYS(w, agent_erase(w->agents, w->a, OUT(w))), 0); /* it is not open */
}

static int64_t count(World *w, const char *npub, const char *type, int64_t since) {
        int64_t n;

        assert_int_equal(action_count(w->agents->actions, npub, type, since, &n), 0);
        return n;
}

static void what_may_have_been_done_counts(void **state) {
        static const char *const ends[] = { "done", "signed", "unknown", "failed", "refused",
                "waiting" };
        World *w = *state;
        int64_t now = number(w, "SELECT unixepoch()");

        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                assert_int_equal(move(w, w->a, tick_with_action(w, ends[i]), "failed"), 0);
        assert_int_equal(move(w, w->a, tick_with_action(w, "signed"), "failed"), 0);
        assert_int_equal(move_action(w, ELEMENTSOF(ends) + 1, 1, "failed"), 0); /* no longer */
        assert_int_equal(count(w, w->a, "post", 0), 3);
        assert_int_equal(count(w, w->a, "", now), 3);
        assert_int_equal(count(w, w->a, "post", now + 100), 0);
        assert_int_equal(count(w, w->a, "zap", 0), 0);
        assert_int_equal(count(w, w->b, "", 0), 0);
}

/* What is not over. */

static const char *open_ones(World *w) {
        _cleanup_sql_ SqlStatement *q = tick_list_open(w->agents->ticks, 0, 100);

        buffer_clear(&w->json);
        assert_int_equal(buffer_add_string(&w->json, ""), 0);
        while (sql_step(q) > 0)
                assert_int_equal(buffer_addf(&w->json, "%s%" PRId64 ":%s ",
                                                 streq(sql_text(q, 1), w->a) ? "a" : "b",
                                                 sql_int(q, 2), sql_text(q, 4)),
                                0);
        return w->json.data;
}

static void what_is_not_over_is_found_again(void **state) {
        World *w = *state;
        int64_t tick;

        assert_string_equal(open_ones(w), "");
        (void) begin(w, w->b, false);
        tick = tick_with_action(w, "signed");
        assert_int_equal(move(w, w->a, tick, "done"), 0);
        tick = tick_with_action(w, "done");
        assert_int_equal(move(w, w->a, tick, "done"), 0);
        (void) begin(w, w->a, true);
        assert_string_equal(open_ones(w), "b1:open a1:done a3:open ");
        close_tables(w);
        open_tables(w);
        assert_string_equal(open_ones(w), "b1:open a1:done a3:open ");
        assert_int_equal(move_action(w, 1, 1, "done"), 0);
        assert_int_equal(move(w, w->a, 3, "failed"), 0);
        assert_int_equal(move(w, w->b, 1, "failed"), 0);
        assert_string_equal(open_ones(w), "");
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(an_action_goes_as_it_may_and_not_otherwise),
                T(what_was_signed_or_begun_to_be_paid_stays_what_it_is),
                T(the_actions_of_a_tick_are_checked_before_one_is_written),
                T(what_could_not_be_read_is_kept_as_a_text_and_refused),
                T(a_payment_goes_its_way_without_an_event),
                T(a_tick_is_not_done_while_something_is_planned),
                T(what_a_failed_tick_had_planned_fails_with_it),
                T(of_a_dry_tick_nothing_is_ever_done),
                T(what_may_have_been_done_counts),
                T(what_is_not_over_is_found_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
