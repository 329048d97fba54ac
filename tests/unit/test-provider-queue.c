/* provider/queue and inbox: turns, customers, and what may be acknowledged. */
#include "tests/unit/unit.h"

#include "inbox.h"
#include "queue.h"

static void who_comes_first_is_served_first(_unused_ void **state) {
        QueueItem items[4] = {};
        Queue q = {};

        for (size_t i = 0; i < 4; i++)
                queue_push(&q, &items[i], 0);
        queue_remove(&q, &items[1]);
        queue_remove(&q, &items[1]);
        assert_int_equal(q.n, 3);
        assert_ptr_equal(queue_pop(&q), &items[0]);
        queue_remove(&q, &items[3]);
        assert_ptr_equal(queue_pop(&q), &items[2]);
        assert_null(queue_pop(&q));
        assert_null(q.last);
        queue_push(&q, &items[0], 0);
        assert_ptr_equal(queue_pop(&q), &items[0]);
}

static void the_jobs_of_each_customer_are_counted(_unused_ void **state) {
        Customers c;

        customers_init(&c, 2);
        assert_int_equal(customers_add_job(&c, "a"), 0);
        assert_int_equal(customers_add_job(&c, "a"), 0);
        assert_int_equal(customers_add_job(&c, "b"), 0);
        assert_int_equal(customers_add_job(&c, "c"), -ENOBUFS);
        assert_int_equal(customers_n_jobs(&c, "a"), 2);
        assert_int_equal(customers_n_jobs(&c, "c"), 0);
        customers_remove_job(&c, "b");
        assert_int_equal(customers_add_job(&c, "c"), 0);
        customers_remove_job(&c, "a");
        assert_int_equal(customers_n_jobs(&c, "a"), 1);
        customers_done(&c);
}

static void a_heap_of_jobs_locks_nobody_out(_unused_ void **state) {
        QueueItem heap[5] = {}, other[2] = {};
        Queue q = {};
        Customers c;

        customers_init(&c, 2);
        assert_int_equal(customers_add_job(&c, "greedy"), 0);
        for (size_t i = 0; i < 5; i++)
                queue_push(&q, &heap[i], customers_next_round(&c, "greedy", &q));
        assert_ptr_equal(queue_pop(&q), &heap[0]);
        assert_ptr_equal(queue_pop(&q), &heap[1]);

        assert_int_equal(customers_add_job(&c, "late"), 0);
        for (size_t i = 0; i < 2; i++)
                queue_push(&q, &other[i], customers_next_round(&c, "late", &q));
        assert_ptr_equal(queue_pop(&q), &heap[2]);
        assert_ptr_equal(queue_pop(&q), &other[0]);
        assert_ptr_equal(queue_pop(&q), &heap[3]);
        assert_ptr_equal(queue_pop(&q), &other[1]);
        assert_ptr_equal(queue_pop(&q), &heap[4]);
        assert_null(queue_pop(&q));
        assert_null(q.last);
        customers_done(&c);
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
                cmocka_unit_test(the_jobs_of_each_customer_are_counted),
                cmocka_unit_test(a_heap_of_jobs_locks_nobody_out),
                cmocka_unit_test(only_what_is_finished_without_a_gap_is_acknowledged),
                cmocka_unit_test(a_relay_that_counts_anew_starts_an_empty_inbox),
                cmocka_unit_test(the_inbox_has_an_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
