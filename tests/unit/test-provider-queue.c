/* provider/queue and inbox: turns, and what may be acknowledged. */
#include "tests/unit/unit.h"

#include "client/inbox.h"
#include "queue.h"

static void who_comes_first_is_served_first(_unused_ void **state) {
        QueueItem items[4] = {};
        Queue q = {};

        for (size_t i = 0; i < 4; i++)
                queue_push(&q, &items[i], QUEUE_FREE, NULL);
        queue_remove(&q, &items[1]);
        queue_remove(&q, &items[1]);
        assert_int_equal(q.n, 3);
        assert_ptr_equal(queue_pop(&q), &items[0]);
        queue_remove(&q, &items[3]);
        assert_ptr_equal(queue_pop(&q), &items[2]);
        assert_null(queue_pop(&q));
        queue_push(&q, &items[0], QUEUE_FREE, NULL);
        assert_ptr_equal(queue_pop(&q), &items[0]);
}

static void a_heap_of_jobs_locks_nobody_out(_unused_ void **state) {
        QueueItem heap[5] = {}, other[2] = {};
        QueueLane greedy = {}, late = {};
        Queue q = {};

        for (size_t i = 0; i < 5; i++)
                queue_push(&q, &heap[i], QUEUE_FREE, &greedy);
        assert_ptr_equal(queue_pop(&q), &heap[0]);
        assert_ptr_equal(queue_pop(&q), &heap[1]);

        for (size_t i = 0; i < 2; i++)
                queue_push(&q, &other[i], QUEUE_FREE, &late);
        assert_int_equal(queue_position(&q, &heap[2]), 1);
        assert_int_equal(queue_position(&q, &other[0]), 2);
        assert_int_equal(queue_position(&q, &heap[3]), 3);
        assert_int_equal(queue_position(&q, &other[1]), 4);
        assert_int_equal(queue_position(&q, &heap[4]), 5);
        assert_ptr_equal(queue_pop(&q), &heap[2]);
        assert_ptr_equal(queue_pop(&q), &other[0]);
        assert_ptr_equal(queue_pop(&q), &heap[3]);
        assert_ptr_equal(queue_pop(&q), &other[1]);
        assert_ptr_equal(queue_pop(&q), &heap[4]);
        assert_null(queue_pop(&q));
        assert_int_equal(q.n, 0);
}

static void the_owner_is_first_and_who_pays_comes_before_who_does_not(_unused_ void **state) {
        QueueItem items[_QUEUE_CLASS_MAX] = {};
        Queue q = {};

        for (QueueClass c = _QUEUE_CLASS_MAX; c-- > 0;)
                queue_push(&q, &items[c], c, NULL);
        for (QueueClass c = 0; c < _QUEUE_CLASS_MAX; c++)
                assert_int_equal(queue_position(&q, &items[c]), c + 1);
        for (QueueClass c = 0; c < _QUEUE_CLASS_MAX; c++)
                assert_ptr_equal(queue_pop(&q), &items[c]);
}

static bool may(const QueueItem *item, void *userdata) {
        return item != userdata;
}

static void who_may_not_start_keeps_his_place_and_holds_nobody_up(_unused_ void **state) {
        QueueItem blocked = {}, behind = {}, other = {};
        QueueLane first = {}, second = {};
        Queue q = {};

        queue_push(&q, &blocked, QUEUE_PAID, &first);
        queue_push(&q, &other, QUEUE_FREE, &second);
        assert_ptr_equal(queue_take(&q, may, &blocked), &other);
        assert_null(queue_take(&q, may, &blocked));
        queue_push(&q, &behind, QUEUE_PAID, &first);
        assert_ptr_equal(queue_take(&q, may, &blocked), &behind);
        assert_ptr_equal(queue_take(&q, may, NULL), &blocked);
}

/* ---- what holds for every mix; numbers that are no accident, so that a failure comes again */

static uint32_t random_state;

static uint32_t any(uint32_t below) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 17;
        random_state ^= random_state << 5;
        return random_state % below;
}

#define N_ITEMS 512
#define N_LANES 8

typedef struct Mix {
        Queue q;
        QueueLane lanes[_QUEUE_CLASS_MAX][N_LANES];
        QueueItem items[N_ITEMS];
        size_t bound[N_ITEMS], turns[N_ITEMS]; /* promised when it came, and waited so far */
        size_t n_waiting;
} Mix;

static void mix_push(Mix *m, size_t i) {
        QueueClass c = any(_QUEUE_CLASS_MAX);

        queue_push(&m->q, &m->items[i], c, &m->lanes[c][any(N_LANES)]);
        m->turns[i] = 0;
        /* The lanes of its class take turns, and no class has more than 32 turns before it. */
        m->bound[i] = m->items[i].lane->n * N_LANES * (32 + _QUEUE_CLASS_MAX);
        m->n_waiting++;
}

static void mix_pop(Mix *m) {
        assert_non_null(queue_pop(&m->q));
        m->n_waiting--;
        for (size_t i = 0; i < N_ITEMS; i++)
                if (queue_is_waiting(&m->items[i]))
                        assert_true(++m->turns[i] <= m->bound[i]);
}

static void mix_step(Mix *m) {
        size_t i = any(N_ITEMS);

        if (!queue_is_waiting(&m->items[i]) && any(5) < 3)
                mix_push(m, i);
        else if (m->n_waiting > 0 && any(8) > 0)
                mix_pop(m);
        else if (queue_is_waiting(&m->items[i])) {
                queue_remove(&m->q, &m->items[i]);
                m->n_waiting--;
        }
        assert_int_equal(m->q.n, m->n_waiting);
}

static void nobody_starves_in_any_mix(_unused_ void **state) {
        static Mix m;

        for (uint32_t seed = 1; seed <= 20; seed++) {
                m = (Mix){};
                random_state = seed * 2654435761U;
                for (unsigned step = 0; step < 4000; step++)
                        mix_step(&m);
                while (m.n_waiting > 0)
                        mix_pop(&m);
                assert_null(queue_pop(&m.q));
        }
}

/* All classes above are never empty; still it is a bounded number of turns. */
static void a_class_that_is_passed_over_grows_older(_unused_ void **state) {
        static const unsigned bounds[_QUEUE_CLASS_MAX] = { 2, 7, 11, 35 };

        for (QueueClass c = 0; c < _QUEUE_CLASS_MAX; c++) {
                QueueItem flood[_QUEUE_CLASS_MAX] = {}, one = {};
                unsigned n = 0;
                Queue q = {};

                queue_push(&q, &one, c, NULL);
                while (queue_is_waiting(&one) && ++n < 1000) {
                        for (QueueClass o = 0; o < _QUEUE_CLASS_MAX; o++)
                                if (o != c && !queue_is_waiting(&flood[o]))
                                        queue_push(&q, &flood[o], o, NULL);
                        (void) queue_pop(&q);
                }
                assert_in_range(n, 1, bounds[c]);
        }
}

/* At whatever moment the stranger comes: before him at most one of the abuser's jobs starts, or one
 * of a class that was passed over. */
static void ten_thousand_jobs_delay_a_stranger_by_one_slot(_unused_ void **state) {
        static QueueItem heap[10000];

        for (QueueClass c = QUEUE_PAID; c <= QUEUE_FREE; c++)
                for (unsigned moment = 0; moment < 100; moment++) {
                        QueueLane abuser = {}, stranger = {};
                        QueueItem one = {};
                        Queue q = {};

                        memset(heap, 0, sizeof(heap));
                        for (size_t i = 0; i < ELEMENTSOF(heap); i++)
                                queue_push(&q, &heap[i], c, &abuser);
                        for (unsigned i = 0; i < moment; i++)
                                assert_non_null(queue_pop(&q));
                        queue_push(&q, &one, QUEUE_PAID, &stranger);
                        assert_true(queue_position(&q, &one) <= 2);
                        if (queue_pop(&q) != &one)
                                assert_ptr_equal(queue_pop(&q), &one);
                }
}

static void a_position_is_what_it_takes_if_nobody_comes(_unused_ void **state) {
        QueueLane lanes[5] = {};
        QueueItem items[60] = {};
        size_t promised[60];
        Queue q = {};

        random_state = 7;
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                queue_push(&q, &items[i], QUEUE_PAID, &lanes[any(5)]);
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                promised[i] = queue_position(&q, &items[i]);
        for (size_t n = 1; n <= ELEMENTSOF(items); n++)
                assert_int_equal(promised[queue_pop(&q) - items], n);
}

static void only_what_is_finished_without_a_gap_is_acknowledged(_unused_ void **state) {
        static Inbox i;

        for (uint64_t seq = 10; seq <= 50; seq += 10)
                assert_int_equal(inbox_add(&i, seq), 0);
        assert_int_equal(inbox_finish(&i, 20), 0);
        assert_int_equal(inbox_finish(&i, 25), 0);
        assert_int_equal(inbox_finish(&i, 10), 20);
        assert_int_equal(inbox_finish(&i, 10), 0);
        assert_int_equal(inbox_finish(&i, 40), 0);
        assert_int_equal(inbox_finish(&i, 30), 40);
        assert_int_equal(inbox_finish(&i, 50), 50);
}

static void a_relay_that_counts_anew_starts_an_empty_inbox(_unused_ void **state) {
        static Inbox i;

        assert_int_equal(inbox_add(&i, 7), 0);
        assert_int_equal(inbox_add(&i, 8), 0);
        assert_int_equal(inbox_add(&i, 1), 1);
        assert_int_equal(inbox_finish(&i, 7), 0);
        assert_int_equal(inbox_finish(&i, 1), 1);
}

static void the_inbox_has_an_end(_unused_ void **state) {
        static Inbox i;

        for (uint64_t seq = 1; seq <= INBOX_MAX; seq++)
                assert_int_equal(inbox_add(&i, seq), 0);
        assert_int_equal(inbox_add(&i, INBOX_MAX + 1), -ENOBUFS);
        assert_int_equal(inbox_finish(&i, 1), 1);
        assert_int_equal(inbox_add(&i, INBOX_MAX + 1), 0);
        for (uint64_t seq = INBOX_MAX + 1; seq > 2; seq--)
                assert_int_equal(inbox_finish(&i, seq), 0);
        assert_int_equal(inbox_finish(&i, 2), INBOX_MAX + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(who_comes_first_is_served_first),
                cmocka_unit_test(a_heap_of_jobs_locks_nobody_out),
                cmocka_unit_test(the_owner_is_first_and_who_pays_comes_before_who_does_not),
                cmocka_unit_test(who_may_not_start_keeps_his_place_and_holds_nobody_up),
                cmocka_unit_test(nobody_starves_in_any_mix),
                cmocka_unit_test(a_class_that_is_passed_over_grows_older),
                cmocka_unit_test(ten_thousand_jobs_delay_a_stranger_by_one_slot),
                cmocka_unit_test(a_position_is_what_it_takes_if_nobody_comes),
                cmocka_unit_test(only_what_is_finished_without_a_gap_is_acknowledged),
                cmocka_unit_test(a_relay_that_counts_anew_starts_an_empty_inbox),
                cmocka_unit_test(the_inbox_has_an_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
