/* host/tick: from the trigger to the last action, and what a crash leaves of it. */
#include "host-world.h"

#define SEEN     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define FRIEND   "3333333333333333333333333333333333333333333333333333333333333333"
#define DONE(a)  "done:{\"actions\":[" a "],\"refused\":[]}"
#define POST     "{\"type\":\"post\",\"text\":\"good morning\"}"
#define REMEMBER "{\"type\":\"remember\",\"text\":\"the sky\"}"
#define ZAP      "{\"type\":\"zap\",\"to\":\"" FRIEND "\",\"sats\":21}"
#define QUESTION \
        "think:{\"messages\":[{\"role\":\"user\",\"content\":\"well?\"}],\"max_tokens\":100}"

#define BEGUN "begin:mention window:agent:alice:1 context tick:thinking(agent:alice/1/0) "
#define ASKED "connect:agent-alice Tick "

static bool has(const char *what) {
        if (strstr(world->trail, what))
                return true;
        print_message("# \"%s\" is not in \"%s\"\n", what, world->trail);
        return false;
}

static void a_tick_walks_from_its_trigger_to_the_last_action(_unused_ void **state) {
        world->answers[0] = DONE(POST);
        world_tick("mention", false);
        assert_string_equal(world->trail, BEGUN ASKED
                        "count:post tick:acting(agent:alice/1/0)[1 post planned] "
                        "sign:1 1:signed publish:1:good morning 1:done tick:done ended:0 ");
        assert_int_equal(world->n_ended, 1);
        assert_string_equal(world->tick_state, "done");
}

static void a_tick_that_wants_nothing_is_done(_unused_ void **state) {
        world->answers[0] = DONE("{\"type\":\"nothing\"}");
        world_tick("mention", false);
        assert_true(has("[1 nothing planned] 1:done tick:done ended:0"));
}

static void a_thought_is_on_disk_before_it_is_bought(_unused_ void **state) {
        world->answers[0] = QUESTION;
        world->answers[1] = DONE(POST);
        world->thought = "I say good morning.";
        world_tick("mention", false);
        assert_true(has(ASKED "tick:thinking(agent:alice/1/1) think:agent:alice/1/1 Answer "
                              "count:post tick:acting(agent:alice/1/1)"));
        assert_true(world->result.cost_msat == 21000);
}

static void an_agent_may_not_think_for_ever(_unused_ void **state) {
        for (size_t i = 0; i < 4; i++)
                world->answers[i] = QUESTION;
        world->thought = "hm";
        world_tick("mention", false);
        assert_true(has("think:agent:alice/1/3 Answer tick:failed(agent:alice/1/3)"
                        "(the agent asked for too many thoughts) ended:-71"));
}

static void a_thought_that_fails_ends_the_tick_and_its_cost_is_kept(_unused_ void **state) {
        world->answers[0] = QUESTION;
        world_tick("mention", false);
        assert_true(has("tick:failed(nobody could) ended:"));
        assert_true(world->result.cost_msat == 21000);
}

static void an_agent_that_says_no_has_failed_its_tick(_unused_ void **state) {
        world->answers[0] = "error:com.openagents.Pylon1.Error.Mind";
        world_tick("mention", false);
        assert_true(has("tick:failed(It is not well) ended:-5"));
}

static void garbage_does_nothing(_unused_ void **state) {
        world->answers[0] =
                        "done:{\"actions\":[17,{\"type\":\"launch\"},{\"type\":\"post\",\"agent\":\"bob\","
                        "\"text\":\"as bob\"}],\"refused\":[{\"text\":\"x\",\"reason\":\"nonsense\"}]}";
        world_tick("mention", false);
        assert_true(has("[1 unknown refused"));
        assert_true(has("[3 unknown refused"));
        assert_true(has("[4 unknown refused: nonsense]"));
        assert_true(has("tick:done ended:0"));
        assert_int_equal(world->n_published, 0);
}

static void what_is_no_json_fails_the_tick(_unused_ void **state) {
        world->answers[0] = "done:I would rather not say.";
        world_tick("mention", false);
        assert_true(has("tick:failed("));
        assert_int_equal(world->n_published, 0);
}

static void five_hundred_actions_are_thirty_one_and_a_word(_unused_ void **state) {
        _cleanup_buffer_ Buffer b = { .max = 1 << 20 };

        assert_int_equal(buffer_add_string(&b, "done:{\"actions\":["), 0);
        for (unsigned i = 0; i < 500; i++)
                assert_int_equal(buffer_addf(&b, "%s{\"type\":\"post\",\"text\":\"post %u\"}",
                                                 i > 0 ? "," : "", i),
                                0);
        assert_int_equal(buffer_add_string(&b, "],\"refused\":[]}"), 0);
        world->answers[0] = b.data;
        world_tick("mention", false);
        assert_int_equal(world->n_published, 10); /* a day's posts */
        assert_true(has("[11 post refused: the limit is 10 posts a day]"));
        assert_true(has("[32 unknown refused: these are too many actions for one answer]"));
        assert_true(has("ended:0"));
}

static void the_same_twice_is_done_once(_unused_ void **state) {
        world->answers[0] = DONE(POST "," POST);
        world_tick("mention", false);
        assert_true(has("[2 post refused: the same is in this answer already]"));
        assert_int_equal(world->n_published, 1);
}

static void a_dry_run_thinks_and_does_nothing(_unused_ void **state) {
        world->answers[0] = DONE(POST "," REMEMBER);
        world_tick("manual", true);
        assert_true(has("begin:manual:dry"));
        assert_true(has("[1 post refused: dry run][2 remember refused: dry run] tick:done ended:0"));
        assert_int_equal(world->n_published, 0);
}

static void a_memory_is_kept_with_the_same_move(_unused_ void **state) {
        world->answers[0] = DONE(REMEMBER ",{\"type\":\"goal_add\",\"text\":\"be kind\"}"
                                          ",{\"type\":\"forget\",\"id\":\"1.1\"}");
        world_tick("mention", false);
        assert_true(has("1:done:it is memory 1.1{remember 1.1 the sky}"));
        assert_true(has("2:done:it is goal 1.2{goal 1.2 be kind}"));
        assert_true(has("3:done{forget 1.1}"));
}

static void what_the_store_refuses_is_not_done(_unused_ void **state) {
        world->refuse = "done";
        world->answers[0] = DONE(REMEMBER);
        world_tick("mention", false);
        assert_true(has("1:failed:the store does not like it"));
}

static void what_no_relay_takes_has_failed(_unused_ void **state) {
        world->relay_says = "refuse";
        world->answers[0] = DONE(POST);
        world_tick("mention", false);
        assert_true(has("1:failed:wss://relay.example: blocked: no tick:done ended:0"));
}

static void a_reply_names_its_thread(_unused_ void **state) {
        world->observations = "{\"goals\":[],\"memories\":[],\"observations\":[{\"id\":\"" SEEN
                              "\",\"what\":\"mention\",\"author\":\"" FRIEND
                              "\",\"text\":\"hello alice\",\"event\":\"\",\"msat\":0,\"at\":1}],"
                              "\"dropped\":0,\"last\":[]}";
        world->found[0] = "{\"kind\":1,\"created_at\":1,\"tags\":[],\"content\":\"hello alice\"}";
        world->answers[0] = DONE("{\"type\":\"reply\",\"to\":\"" SEEN "\",\"text\":\"hello\"}"
                                 ",{\"type\":\"reply\",\"to\":\"" FRIEND "\",\"text\":\"who?\"}");
        world_tick("mention", false);
        assert_true(has("context context:hello alice"));
        assert_true(has("[1 reply planned][2 reply refused: no such event is among the observations]"));
        assert_true(has("query:{\"ids\":[\"aa sign:1 1:signed publish:1:hello 1:done"));
}

static void what_is_not_found_is_not_answered(_unused_ void **state) {
        a_reply_names_its_thread(state);
        world->trail[0] = 0;
        world->n_asked = 0;
        world->n_found = 1;
        world_tick("mention", false);
        assert_true(has("1:failed:the note that is answered was not found"));
}

static void a_message_goes_wrapped_to_its_peer_and_to_itself(_unused_ void **state) {
        world->answers[0] = DONE("{\"type\":\"dm\",\"to\":\"" FRIEND "\",\"text\":\"psst\"}");
        world_tick("mention", false);
        assert_true(has("query:{\"kinds\":[1 sign:14 1:signed publish:14:psst publish:14:psst 1:done"));
}

static void lists_are_changed_one_after_the_other(_unused_ void **state) {
        world->answers[0] = DONE("{\"type\":\"follow\",\"who\":\"" FRIEND "\",\"on\":true}"
                                 ",{\"type\":\"follow\",\"who\":\"" SEEN "\",\"on\":true}");
        world_tick("mention", false);
        assert_true(has("query:{\"kinds\":[3 sign:3 1:signed publish:3: 1:done "
                        "query:{\"kinds\":[3 sign:3 2:signed publish:3: 2:done tick:done"));
}

/* ---- money */

static void a_zap_asks_pays_and_listens(_unused_ void **state) {
        world->found[0] = "{\"kind\":0,\"created_at\":1,\"tags\":[],\"content\":\"{\\\"lud16\\\":"
                          "\\\"friend@example.com\\\"}\"}";
        world->answers[0] = DONE(ZAP);
        world_tick("mention", false);
        assert_true(has("query:{\"kinds\":[0 lnurl:friend@example.com sign:9734 "
                        "1:signed(agent:alice/1/1) pay:agent:alice/1/1:agent:alice listen"));
}

static void a_payment_that_is_unknown_is_looked_at_until_it_is_known(_unused_ void **state) {
        a_zap_asks_pays_and_listens(state); /* the receipt is still waited for */
        world->n_paid = 0;
        world->paid[0] = "pending";
        world_restart();
        assert_true(has("| ready lookup:agent:alice/1/1 1:unknown(agent:alice/1/1)"));
        assert_null(strstr(strchr(world->trail, '|'), "pay:"));
        world->rows[0].state = "unknown";
        world->paid[1] = "settled";
        world->n_paid = 1;
        world_restart();
        assert_null(strstr(strchr(world->trail, '|'), "pay:"));
}

static void what_the_wallet_does_not_know_was_never_sent(_unused_ void **state) {
        a_zap_asks_pays_and_listens(state);
        world->n_paid = 0;
        world->paid[0] = "absent";
        world->paid[1] = "failed";
        world_restart();
        assert_true(has("| ready lookup:agent:alice/1/1 pay:agent:alice/1/1:agent:alice "
                        "1:failed:no route"));
}

/* ---- crashes */

static void an_open_tick_goes_on_after_a_crash(_unused_ void **state) {
        world->tick = 7;
        (void) snprintf(world->tick_state, sizeof(world->tick_state), "open");
        world->open.at = INT64_MAX / 2;
        world->answers[0] = DONE(POST);
        world_restart();
        assert_true(has("| ready window:agent:alice:7 context tick:thinking(agent:alice/7/0) " ASKED));
        assert_true(has("tick:done ended:0"));
        assert_int_equal(world->n_published, 1);
}

static void a_thought_is_found_again_by_its_id(_unused_ void **state) {
        world->answers[0] = QUESTION;
        world->answers[1] = "hang";
        world->thought = "well";
        world_tick("mention", false);
        assert_string_equal(world->tick_state, "thinking");
        world->answers[2] = QUESTION;
        world->answers[3] = DONE(POST);
        world->open.at = INT64_MAX / 2;
        world_restart();
        assert_true(has("| ready record tick:thinking(agent:alice/1/0) " ASKED
                        "tick:thinking(agent:alice/1/1) think:agent:alice/1/1 Answer "));
        assert_true(has("tick:done ended:0"));
}

static void an_agent_that_died_while_it_was_thought_for_is_told_again(_unused_ void **state) {
        world->answers[0] = QUESTION;
        world->answers[1] = "error:com.openagents.Pylon1.Error.NoSuchTick";
        world->answers[2] = QUESTION;
        world->answers[3] = DONE(POST);
        world->thought = "well";
        world_tick("mention", false);
        assert_true(has("Answer tick:thinking(agent:alice/1/0) " ASKED));
        assert_true(has("tick:done ended:0"));
}

static void what_was_interrupted_long_ago_fails(_unused_ void **state) {
        world->tick = 7;
        (void) snprintf(world->tick_state, sizeof(world->tick_state), "thinking");
        world->open.at = 1;
        world_restart();
        assert_true(has("tick:failed(it was interrupted, and that is long ago)"));
}

static void an_event_that_was_signed_goes_out_again_the_same(_unused_ void **state) {
        char first[65];

        world->relay_says = "nothing";
        world->answers[0] = DONE(POST);
        world_tick("mention", false);
        assert_string_equal(world->rows[0].state, "signed");
        (void) snprintf(first, sizeof(first), "%.64s",
                        strstr(world->rows[0].event, "\"id\":\"") + 6);
        world->relay_says = "accept";
        world_restart();
        assert_true(has("| ready publish:1:good morning 1:done tick:done ended:0"));
        assert_int_equal(world->n_published, 2);
        assert_non_null(strstr(world->rows[0].event, first));
}

static void who_was_stopped_meanwhile_begins_nothing(_unused_ void **state) {
        world->tick = 7;
        (void) snprintf(world->tick_state, sizeof(world->tick_state), "open");
        world->open.at = INT64_MAX / 2;
        world->agent.wish = AGENT_STOPPED;
        world_restart();
        assert_true(has("| ready tick:failed(its owner stopped it) ended:-125"));
}

static void what_others_may_have_seen_is_followed_though_it_was_stopped(_unused_ void **state) {
        world->relay_says = "nothing";
        world->answers[0] = DONE(POST "," REMEMBER);
        world_tick("mention", false);
        world->rows[1].state = "planned";
        world->agent.wish = AGENT_STOPPED;
        world->relay_says = "accept";
        world_restart();
        assert_true(has("| ready tick:failed(its owner stopped it)"));
        assert_true(has("publish:1:good morning "));
        assert_true(has("1:done"));
        assert_null(strstr(strchr(world->trail, '|'), "remember"));
}

static void what_was_planned_is_begun_after_a_crash(_unused_ void **state) {
        world->relay_says = "nothing";
        world->answers[0] = DONE(POST);
        world_tick("mention", false);
        world->rows[0].state = "planned";
        world->rows[0].event = "";
        world->relay_says = "accept";
        world_restart();
        assert_true(has("| ready sign:1 1:signed publish:1:good morning 1:done tick:done ended:0"));
}

static void an_end_that_was_not_written_is_written_by_the_next_tick(_unused_ void **state) {
        world->refuse = "done";
        world->answers[0] = DONE("{\"type\":\"nothing\"}");
        world_tick("mention", false);
        assert_string_equal(world->tick_state, "acting");
        world->rows[0].state = "done";
        world->refuse = NULL;
        world->trail[0] = 0;
        world_tick("dm", false);
        assert_string_equal(world->trail, "begin:dm tick:done ended:0 wake:dm ");
        assert_int_equal(world->tick, 1);
}

static void an_answer_of_the_store_that_was_lost_is_no_second_tick(_unused_ void **state) {
        world->tick = 1;
        (void) snprintf(world->tick_state, sizeof(world->tick_state), "open");
        world->answers[0] = DONE(POST);
        world_tick("mention", false);
        assert_true(has("begin:mention window:agent:alice:1 context tick:thinking(agent:alice/1/0)"));
        assert_true(has("tick:done ended:0 "));
        assert_null(strstr(world->trail, "wake"));
}

static void ticks_do_not_overlap(_unused_ void **state) {
        Tick *t;

        world->answers[0] = "hang";
        world_tick("mention", false);
        assert_int_equal(tick_start(&world->agent, "dm", false, &t), -EBUSY);
}

static void an_owner_may_end_a_tick(_unused_ void **state) {
        world->answers[0] = "hang";
        world_tick("mention", false);
        tick_stop(world->agent.tick, "its owner stopped it");
        world_run();
        assert_true(has("tick:failed(its owner stopped it) ended:-125"));
}

/* ---- approvals */

static const Approval *wait_for_owner(void) {
        world->settings->autonomy = AUTONOMY_SUPERVISED;
        world->answers[0] = DONE(POST);
        world_tick("mention", false);
        assert_true(has("[1 post waiting: its owner has to approve it] tick:done ended:0"));
        assert_int_equal(world->n_published, 0);
        assert_int_equal(approvals_count(&world->host), 1);
        assert_int_equal(world->agent.n_approvals, 1);
        return approval_next(&world->host, NULL);
}

static void on_approved(int error, const char *reason, _unused_ void *userdata) {
        world_trail("approved:%d%s ", error, reason);
}

static void what_waits_is_done_when_its_owner_agrees(_unused_ void **state) {
        const Approval *a = wait_for_owner();
        char id[HEX32_MAX];

        memcpy(id, a->id, sizeof(id));
        id[APPROVAL_SHORT] = 0;
        assert_int_equal(approve(&world->host, "0123", true, "", on_approved, NULL), -EINVAL);
        assert_int_equal(approve(&world->host, "0123456789", true, "", on_approved, NULL), -ENOENT);
        assert_int_equal(approve(&world->host, id, true, "go on", on_approved, NULL), 0);
        assert_int_equal(approve(&world->host, id, true, "go on", on_approved, NULL), -ENOENT);
        world_run();
        assert_true(has("1:planned:its owner agreed: go on"));
        assert_true(has("approved:0"));
        assert_true(has("sign:1 1:signed publish:1:good morning 1:done"));
        assert_int_equal(approvals_count(&world->host), 0);
        assert_int_equal(world->agent.n_approvals, 0);
}

static void what_is_denied_is_over(_unused_ void **state) {
        const Approval *a = wait_for_owner();

        assert_int_equal(approve(&world->host, a->id, false, "", on_approved, NULL), 0);
        world_run();
        assert_true(has("1:denied:its owner said no"));
        assert_int_equal(approvals_count(&world->host), 0);
        assert_int_equal(world->n_published, 0);
}

static void only_the_owners_own_words_decide(_unused_ void **state) {
        const Approval *a = wait_for_owner();
        char yes[128];

        (void) snprintf(yes, sizeof(yes), " ok %.8s\n", a->id);
        assert_false(approve_hear(&world->agent, FRIEND, yes));
        world->settings->owner_hex = (char *) SEEN;
        assert_false(approve_hear(&world->agent, FRIEND, yes));
        assert_false(approve_hear(&world->agent, SEEN, "ok, do that"));
        assert_false(approve_hear(&world->agent, SEEN, "ok 12"));
        assert_true(approve_hear(&world->agent, SEEN, "no 1234567890"));
        assert_int_equal(approvals_count(&world->host), 1);
        assert_true(approve_hear(&world->agent, SEEN, yes));
        world_run();
        assert_true(has("1:planned:its owner agreed: by a message"));
        assert_int_equal(world->n_published, 1);
}

static void what_waits_outlives_a_crash_with_its_id(_unused_ void **state) {
        char before[HEX32_MAX];

        memcpy(before, wait_for_owner()->id, sizeof(before));
        world->open.at = INT64_MAX / 2;
        world->rows[0].state = "waiting";
        world_restart();
        assert_int_equal(approvals_count(&world->host), 1);
        assert_string_equal(approval_next(&world->host, NULL)->id, before);
}

static void silence_is_no(_unused_ void **state) {
        (void) wait_for_owner();
        world->open.at = 1; /* long ago */
        world->rows[0].state = "waiting";
        world_restart();
        assert_true(has("1:denied:its owner did not answer in time"));
        assert_int_equal(approvals_count(&world->host), 0);
}

static void limits_hold_for_what_is_approved_later(_unused_ void **state) {
        world->settings->autonomy = AUTONOMY_SUPERVISED;
        world->answers[0] = DONE(ZAP);
        world_tick("mention", false);
        world->settings->payment_max_msat = 1000;
        assert_int_equal(approve(&world->host, approval_next(&world->host, NULL)->id, true, "",
                                         on_approved, NULL),
                        0);
        world_run();
        assert_true(has("1:refused:its owner agreed, but the limit of one payment is 1 sat"));
}

/* ---- replay */

static void on_replayed(int error, const char *reason, const char *text, _unused_ void *userdata) {
        world_trail("replayed:%d:%s ", error, error < 0 ? reason : text);
}

static void a_replay_shuts_all_doors(_unused_ void **state) {
        TickReplay *replay = NULL;
        _cleanup_buffer_ Buffer b = { .max = 1 << 16 };

        world->answers[0] = DONE(POST);
        world_tick("mention", false);
        assert_int_equal(buffer_add_string(&b, "{\"thoughts\":[{\"prompt\":"), 0);
        assert_int_equal(json_write_string(&b, world->context, strlen(world->context)), 0);
        assert_int_equal(buffer_add_string(&b, ",\"answer\":"), 0);
        assert_int_equal(json_write_string(&b, &DONE(POST)[5], strlen(DONE(POST)) - 5), 0);
        assert_int_equal(buffer_add_string(&b, "}]}"), 0);
        world->record = b.data;
        world->trail[0] = 0;
        assert_int_equal(tick_replay(&world->agent, 1, false, on_replayed, NULL, &replay), 0);
        world_run();
        assert_null(replay);
        assert_true(has("record count:post replayed:0:{\"tick\":1,\"fresh\":false"));
        assert_true(has("\"verdict\":\"go\""));
        assert_null(strstr(world->trail, "publish"));
        assert_null(strstr(world->trail, "tick:"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
        const struct CMUnitTest tests[] = {
                TEST(a_tick_walks_from_its_trigger_to_the_last_action),
                TEST(a_tick_that_wants_nothing_is_done),
                TEST(a_thought_is_on_disk_before_it_is_bought),
                TEST(an_agent_may_not_think_for_ever),
                TEST(a_thought_that_fails_ends_the_tick_and_its_cost_is_kept),
                TEST(an_agent_that_says_no_has_failed_its_tick),
                TEST(garbage_does_nothing),
                TEST(what_is_no_json_fails_the_tick),
                TEST(five_hundred_actions_are_thirty_one_and_a_word),
                TEST(the_same_twice_is_done_once),
                TEST(a_dry_run_thinks_and_does_nothing),
                TEST(a_memory_is_kept_with_the_same_move),
                TEST(what_the_store_refuses_is_not_done),
                TEST(what_no_relay_takes_has_failed),
                TEST(a_reply_names_its_thread),
                TEST(what_is_not_found_is_not_answered),
                TEST(a_message_goes_wrapped_to_its_peer_and_to_itself),
                TEST(lists_are_changed_one_after_the_other),
                TEST(a_zap_asks_pays_and_listens),
                TEST(a_payment_that_is_unknown_is_looked_at_until_it_is_known),
                TEST(what_the_wallet_does_not_know_was_never_sent),
                TEST(an_open_tick_goes_on_after_a_crash),
                TEST(a_thought_is_found_again_by_its_id),
                TEST(an_agent_that_died_while_it_was_thought_for_is_told_again),
                TEST(what_was_interrupted_long_ago_fails),
                TEST(an_event_that_was_signed_goes_out_again_the_same),
                TEST(who_was_stopped_meanwhile_begins_nothing),
                TEST(what_others_may_have_seen_is_followed_though_it_was_stopped),
                TEST(what_was_planned_is_begun_after_a_crash),
                TEST(an_end_that_was_not_written_is_written_by_the_next_tick),
                TEST(an_answer_of_the_store_that_was_lost_is_no_second_tick),
                TEST(ticks_do_not_overlap),
                TEST(an_owner_may_end_a_tick),
                TEST(what_waits_is_done_when_its_owner_agrees),
                TEST(what_is_denied_is_over),
                TEST(only_the_owners_own_words_decide),
                TEST(what_waits_outlives_a_crash_with_its_id),
                TEST(silence_is_no),
                TEST(limits_hold_for_what_is_approved_later),
                TEST(a_replay_shuts_all_doors),
        };

        if (crypt_setup() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
