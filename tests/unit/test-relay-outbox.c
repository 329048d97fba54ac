/* relay/outbox: every event reaches every relay or is refused for good, whatever relays answer. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "outbox.h"

typedef struct World {
        Outbox *outbox;
        OutRelay *relays[2];
        unsigned n_outcomes;
        RelayVerdict last;
        char message[64];
} World;

static void on_outcome(_unused_ Letter *l, Target *t, void *userdata) {
        World *w = userdata;

        w->n_outcomes++;
        w->last = t->verdict;
        (void) snprintf(w->message, sizeof(w->message), "%s", t->message ?: "");
}

static const OutboxHandler handler = { .outcome = on_outcome };

static int set_up(void **state) {
        World *w = new0(World, 1);

        assert_int_equal(outbox_new(4, &handler, w, &w->outbox), 0);
        assert_int_equal(outbox_relay(w->outbox, "ws://a", &w->relays[0]), 0);
        assert_int_equal(outbox_relay(w->outbox, "ws://b", &w->relays[1]), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        outbox_free(w->outbox);
        free(w);
        return 0;
}

static Letter *add(World *w, uint8_t name, size_t n_relays, bool durable) {
        uint8_t id[32] = { name };
        Letter *l = NULL;
        LetterInfo info = { .id = id,
                .owner = "provider",
                .json = "{}",
                .durable = durable,
                .expires_at = 1000,
                .relays = w->relays,
                .n_relays = n_relays };

        assert_int_equal(outbox_add(w->outbox, &info, &l), 0);
        return l;
}

static void each_relay_gets_it_once_and_is_heard(void **state) {
        World *w = *state;
        Letter *l = add(w, 1, 2, true);
        Target *t = out_relay_take(w->relays[0], 1);

        assert_ptr_equal(t->letter, l);
        assert_null(out_relay_take(w->relays[0], 1));
        outbox_answer(w->outbox, w->relays[0], l->id, true, "", 2);
        assert_int_equal(w->last, RELAY_ACCEPTED);
        assert_int_equal(outbox_n_open(w->outbox), 1);
        (void) out_relay_take(w->relays[1], 3);
        outbox_answer(w->outbox, w->relays[1], l->id, false, "blocked: no", 4);
        assert_int_equal(w->last, RELAY_REFUSED);
        assert_string_equal(w->message, "blocked: no");
        assert_int_equal(outbox_n_open(w->outbox), 0);
        assert_int_equal(w->n_outcomes, 2);
        /* Said twice, heard once. */
        outbox_answer(w->outbox, w->relays[1], l->id, true, "", 5);
        assert_int_equal(w->n_outcomes, 2);
}

static void answers_mean_what_relays_mean(_unused_ void **state) {
        assert_int_equal(answer_meaning(true, "whatever"), ANSWER_ACCEPTED);
        assert_int_equal(answer_meaning(false, "duplicate: have it"), ANSWER_ACCEPTED);
        assert_int_equal(answer_meaning(false, "replaced: have newer event"), ANSWER_ACCEPTED);
        assert_int_equal(answer_meaning(false, "auth-required: who"), ANSWER_AUTH);
        assert_int_equal(answer_meaning(false, "rate-limited: slow"), ANSWER_SLOWER);
        assert_int_equal(answer_meaning(false, "pow: 20 bits"), ANSWER_REFUSED);
        assert_int_equal(answer_meaning(false, "error: disk"), ANSWER_LATER);
        assert_int_equal(answer_meaning(false, "what no NIP says"), ANSWER_LATER);
}

static void a_lost_connection_keeps_the_order(void **state) {
        World *w = *state;
        Letter *a = add(w, 1, 1, true), *b = add(w, 2, 1, true), *c = add(w, 3, 1, true);

        (void) out_relay_take(w->relays[0], 1);
        (void) out_relay_take(w->relays[0], 1);
        out_relay_land(w->relays[0]);
        assert_ptr_equal(out_relay_take(w->relays[0], 2)->letter, a);
        assert_ptr_equal(out_relay_take(w->relays[0], 2)->letter, b);
        assert_ptr_equal(out_relay_take(w->relays[0], 2)->letter, c);
}

static void silence_is_followed_by_another_try(void **state) {
        World *w = *state;
        usec_t next;

        (void) add(w, 1, 1, true);
        (void) out_relay_take(w->relays[0], 1);
        next = out_relay_turn(w->relays[0], 2);
        assert_true(next > 2 && next < UINT64_MAX);
        next = out_relay_turn(w->relays[0], next);
        assert_null(out_relay_take(w->relays[0], 3));
        assert_true(out_relay_turn(w->relays[0], next) == UINT64_MAX);
        assert_non_null(out_relay_take(w->relays[0], next));
}

static void a_relay_that_wants_a_pause_gets_it(void **state) {
        World *w = *state;
        Letter *l = add(w, 1, 1, true);
        usec_t next;

        (void) out_relay_take(w->relays[0], 1);
        outbox_answer(w->outbox, w->relays[0], l->id, false, "rate-limited: slow", 2);
        assert_null(out_relay_take(w->relays[0], 3));
        next = out_relay_turn(w->relays[0], 3);
        assert_true(next >= 10 * SEC && next < UINT64_MAX);
        assert_non_null(out_relay_take(w->relays[0], next));
}

static void an_error_that_stays_becomes_a_refusal(void **state) {
        World *w = *state;
        Letter *l = add(w, 1, 1, true);
        usec_t now = 1;

        for (unsigned i = 0; i < 50 && outbox_n_open(w->outbox) > 0; i++) {
                usec_t next = out_relay_turn(w->relays[0], now);

                if (next != UINT64_MAX)
                        now = next;
                if (out_relay_take(w->relays[0], now))
                        outbox_answer(w->outbox, w->relays[0], l->id, false, "error: again", now);
        }
        assert_int_equal(outbox_n_open(w->outbox), 0);
        assert_int_equal(w->last, RELAY_REFUSED);
}

static void it_has_a_maximum_and_knows_what_it_has(void **state) {
        World *w = *state;
        Letter *l = NULL, *known = add(w, 1, 1, true);
        uint8_t id[32] = { 9 };
        LetterInfo info = {
                .id = id, .owner = "provider", .json = "{}", .relays = w->relays, .n_relays = 1
        };

        for (uint8_t i = 2; i <= 4; i++)
                (void) add(w, i, 1, true);
        assert_int_equal(outbox_add(w->outbox, &info, &l), -ENOBUFS);
        info.id = known->id;
        assert_int_equal(outbox_add(w->outbox, &info, &l), -EEXIST);
        assert_ptr_equal(l, known);
        outbox_remove(w->outbox, known);
        assert_int_equal(outbox_n(w->outbox), 3);
        assert_int_equal(out_relay_n_open(w->relays[0]), 3);
}

static Letter *add_with_room(World *w, uint8_t name, size_t room) {
        uint8_t id[32] = { name };
        Letter *l = NULL;
        LetterInfo info = { .id = id,
                .owner = "host",
                .json = "{}",
                .durable = true,
                .expires_at = 1000,
                .relays = w->relays,
                .n_relays = 1,
                .room = room };

        assert_int_equal(outbox_add(w->outbox, &info, &l), 0);
        return l;
}

static void relays_that_are_found_out_later_get_it_too(void **state) {
        World *w = *state;
        Letter *l = add_with_room(w, 1, 1);
        OutRelay *more;

        outbox_hold(w->outbox, l);
        (void) out_relay_take(w->relays[0], 1);
        outbox_answer(w->outbox, w->relays[0], l->id, true, "", 2);
        outbox_forget(w->outbox, l);
        assert_int_equal(outbox_n_open(w->outbox), 1); /* it is not over while it is held */
        assert_null(outbox_finished(w->outbox));

        assert_false(outbox_extend(l, w->relays[0])); /* goes there already */
        assert_true(outbox_extend(l, w->relays[1]));
        assert_true(l->targets[1].reached && !l->targets[0].reached);
        assert_int_equal(outbox_relay(w->outbox, "ws://c", &more), 0);
        assert_false(outbox_extend(l, more)); /* there was room for one */
        outbox_release(w->outbox, l);
        assert_int_equal(outbox_n_open(w->outbox), 1);

        assert_ptr_equal(out_relay_take(w->relays[1], 3)->letter, l);
        outbox_answer(w->outbox, w->relays[1], l->id, true, "", 4);
        assert_int_equal(outbox_n_open(w->outbox), 0);
        assert_ptr_equal(outbox_finished(w->outbox), l);
}

static void a_letter_that_found_nobody_is_over_when_it_is_let_go(void **state) {
        World *w = *state;
        Letter *l = add_with_room(w, 1, 4);

        (void) out_relay_take(w->relays[0], 1);
        outbox_answer(w->outbox, w->relays[0], l->id, true, "", 2);
        assert_int_equal(outbox_n_open(w->outbox), 0);
        outbox_hold(w->outbox, l);
        assert_int_equal(outbox_n_open(w->outbox), 1);
        outbox_release(w->outbox, l);
        assert_int_equal(outbox_n_open(w->outbox), 0);

        outbox_hold(w->outbox, l); /* and where it is given up meanwhile */
        outbox_remove(w->outbox, l);
        assert_int_equal(outbox_n_open(w->outbox), 0);
}

static void verdicts_wait_to_be_saved_once(void **state) {
        World *w = *state;
        Letter *l = add(w, 1, 2, true), *memory = add(w, 2, 1, false), *list;

        for (unsigned i = 0; i < 2; i++) {
                (void) out_relay_take(w->relays[i], 1);
                outbox_answer(w->outbox, w->relays[i], l->id, true, "", 2);
        }
        (void) out_relay_take(w->relays[0], 1);
        outbox_answer(w->outbox, w->relays[0], memory->id, true, "", 2);
        list = outbox_take_unsaved(w->outbox);
        assert_ptr_equal(list, l);
        assert_null(list->next_unsaved);
        assert_null(outbox_take_unsaved(w->outbox));
}

static void verdicts_come_back_from_the_disk(void **state) {
        World *w = *state;
        Letter *l = add(w, 1, 2, true);

        outbox_restore(w->outbox, l->id, "ws://a", true, "");
        assert_int_equal(outbox_n_open(w->outbox), 1);
        outbox_restore(w->outbox, l->id, "ws://b", false, "blocked: no");
        assert_int_equal(outbox_n_open(w->outbox), 0);
        assert_int_equal(l->targets[1].verdict, RELAY_REFUSED);
        assert_int_equal(w->n_outcomes, 0);
        assert_null(out_relay_take(w->relays[0], 1));
}

static void what_expires_is_refused_and_memory_is_freed(void **state) {
        World *w = *state;

        (void) add(w, 1, 1, true);
        (void) add(w, 2, 1, false);
        outbox_expire(w->outbox, 999);
        assert_int_equal(w->n_outcomes, 0);
        outbox_expire(w->outbox, 1000);
        assert_int_equal(w->n_outcomes, 2);
        outbox_remove(w->outbox, outbox_finished(w->outbox));
        assert_null(outbox_finished(w->outbox));
        assert_int_equal(outbox_n(w->outbox), 1);
        assert_int_equal(outbox_n_open(w->outbox), 0);
        outbox_expire(w->outbox, 1000 + 7 * 24 * 3600 - 1);
        assert_null(outbox_finished(w->outbox));
        outbox_expire(w->outbox, 1000 + 7 * 24 * 3600); /* nobody came back to hear of it */
        outbox_remove(w->outbox, outbox_finished(w->outbox));
        assert_int_equal(outbox_n(w->outbox), 0);
}

static void what_is_forgotten_still_goes_to_the_other_relay(void **state) {
        World *w = *state;
        Letter *one = add(w, 1, 2, true), *two = add(w, 2, 2, true);

        (void) out_relay_take(w->relays[0], 1);
        outbox_answer(w->outbox, w->relays[0], one->id, true, "", 1);
        outbox_forget(w->outbox, one);
        outbox_forget(w->outbox, two);
        assert_null(outbox_finished(w->outbox));
        assert_ptr_equal(out_relay_take(w->relays[1], 1)->letter, one);
        outbox_remember(w->outbox, one); /* its owner publishes it again */
        outbox_answer(w->outbox, w->relays[1], one->id, true, "", 1);
        assert_null(outbox_finished(w->outbox));
        outbox_answer(w->outbox, w->relays[0], two->id, true, "", 1);
        outbox_forget(w->outbox, one);
        assert_ptr_equal(outbox_finished(w->outbox), one);
        outbox_remove(w->outbox, one);
        assert_null(outbox_finished(w->outbox));
        outbox_answer(w->outbox, w->relays[1], two->id, false, "blocked: no", 1);
        assert_ptr_equal(outbox_finished(w->outbox), two);
}

static void what_is_forgotten_has_a_maximum(void **state) {
        World *w = *state;
        Letter *first = NULL;

        outbox_set_max(w->outbox, 10000);
        for (unsigned n = 0; n <= 4096; n++) {
                uint8_t id[32] = { n / 256, n % 256 };
                LetterInfo info = { .id = id,
                        .owner = "provider",
                        .json = "{}",
                        .relays = w->relays,
                        .n_relays = 1 };
                Letter *l;

                assert_null(outbox_finished(w->outbox));
                assert_int_equal(outbox_add(w->outbox, &info, &l), 0);
                outbox_forget(w->outbox, l);
                first = first ?: l;
        }
        assert_ptr_equal(outbox_finished(w->outbox), first);
        outbox_remove(w->outbox, first);
        assert_null(outbox_finished(w->outbox));
}

#define with_world(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        static const struct CMUnitTest tests[] = {
                with_world(each_relay_gets_it_once_and_is_heard),
                cmocka_unit_test(answers_mean_what_relays_mean),
                with_world(a_lost_connection_keeps_the_order),
                with_world(silence_is_followed_by_another_try),
                with_world(a_relay_that_wants_a_pause_gets_it),
                with_world(an_error_that_stays_becomes_a_refusal),
                with_world(it_has_a_maximum_and_knows_what_it_has),
                with_world(relays_that_are_found_out_later_get_it_too),
                with_world(a_letter_that_found_nobody_is_over_when_it_is_let_go),
                with_world(verdicts_wait_to_be_saved_once),
                with_world(verdicts_come_back_from_the_disk),
                with_world(what_expires_is_refused_and_memory_is_freed),
                with_world(what_is_forgotten_still_goes_to_the_other_relay),
                with_world(what_is_forgotten_has_a_maximum),
        };

        return cmocka_run_group_tests_name("relay/outbox", tests, NULL, NULL);
}
