/* store/table-why: what became of requests, summed, kept once, and forgotten in time. */
#include "tests/unit/unit.h"

#include <stdio.h>

#include "schema.h"
#include "table-why.h"

#define ID    "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"
#define OTHER "c0ffee0100000000000000000000000000000000000000000000000000000000"

typedef struct World {
        char folder[64], path[96], trail[2048];
        Sql *db;
        WhyTable *why;
} World;

static int set_up(void **state) {
        World *w = new0(World, 1);
        const char *reason;

        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-why-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/pylon.db", w->folder);
        assert_int_equal(sql_open(w->path, schema, schema_n, &w->db, &reason), 0);
        assert_int_equal(why_table_new(w->db, &w->why), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;

        w->why = why_table_free(w->why);
        w->db = sql_close(w->db);
        assert_int_equal(unlink(w->path), 0);
        assert_int_equal(rmdir(w->folder), 0);
        free(w);
        return 0;
}

static int64_t number(World *w, const char *text) {
        SqlStatement *q;
        int64_t n;

        assert_int_equal(sql_prepare(w->db, text, &q), 0);
        assert_int_equal(sql_step(q), 1);
        n = sql_int(q, 0);
        (void) sql_reset(q);
        return n;
}

static void count(World *w, int64_t hour, const char *relay, const char *verdict, uint64_t n) {
        assert_int_equal(why_add_count(w->why,
                                         &(WhyCount){
                                                         .hour = hour,
                                                         .relay = relay,
                                                         .kind = 5970,
                                                         .verdict = verdict,
                                                         .n = n,
                                         }),
                        0);
}

static int note(const WhyCount *c, void *userdata) {
        World *w = userdata;
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%s %u %s %u\n", c->relay, c->kind,
                        c->verdict, (unsigned) c->n);
        return 0;
}

static void counts_are_summed_over_hours(void **state) {
        World *w = *state;

        count(w, 10, "wss://a", "accepted", 3);
        count(w, 10, "wss://a", "accepted", 4);
        count(w, 11, "wss://a", "accepted", 5);
        count(w, 11, "wss://b", "too-cheap", 1);
        assert_int_equal(why_counts(w->why, 10, note, w), 0);
        assert_string_equal(w->trail, "wss://a 5970 accepted 12\nwss://b 5970 too-cheap 1\n");
        w->trail[0] = '\0';
        assert_int_equal(why_counts(w->why, 11, note, w), 0);
        assert_string_equal(w->trail, "wss://a 5970 accepted 5\nwss://b 5970 too-cheap 1\n");
        w->trail[0] = '\0';
        assert_int_equal(why_counts(w->why, 12, note, w), 0);
        assert_string_equal(w->trail, "");
}

static void a_batch_that_comes_again_counts_once(void **state) {
        World *w = *state;

        assert_int_equal(why_begin(w->why, "life-1", 1), 1);
        assert_int_equal(why_begin(w->why, "life-1", 1), 0);
        assert_int_equal(why_begin(w->why, "life-1", 2), 1);
        assert_int_equal(why_begin(w->why, "life-1", 1), 0);
        assert_int_equal(why_begin(w->why, "life-2", 1), 1);
        assert_int_equal(why_begin(w->why, "", 1), -EINVAL);
}

static int note_bid(const WhyBid *b, void *userdata) {
        World *w = userdata;
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%u %u%% %u\n", b->kind, b->percent,
                        (unsigned) b->n);
        return 0;
}

static void bids_are_kept_by_how_near_they_were(void **state) {
        World *w = *state;

        for (uint32_t percent = 0; percent <= 90; percent += 30)
                assert_int_equal(
                                why_add_bid(w->why, &(WhyBid){ 7, 5050, percent, percent + 1 }), 0);
        assert_int_equal(why_add_bid(w->why, &(WhyBid){ 8, 5050, 60, 9 }), 0);
        assert_int_equal(why_add_bid(w->why, &(WhyBid){ 8, 5050, 101, 9 }), -EINVAL);
        assert_int_equal(why_bids(w->why, 0, note_bid, w), 0);
        assert_string_equal(w->trail, "5050 0% 1\n5050 30% 31\n5050 60% 70\n5050 90% 91\n");
}

static WhyEvent an_event(const char *id) {
        return (WhyEvent){
                .id = id,
                .relay = "wss://a",
                .verdict = "accepted",
                .reason = "",
                .class = "",
                .backend = "",
                .model = "",
                .kind = 5050,
                .at = 1000,
                .bid_msat = 7,
                .price_msat = -1,
                .wait_ms = -1,
                .run_ms = -1,
        };
}

static void what_becomes_known_later_is_added(void **state) {
        World *w = *state;
        WhyEvent e = an_event(ID);
        const char *reason;
        SqlStatement *q;

        assert_int_equal(why_add_event(w->why, &e), 0);
        e.backend = "ollama";
        e.run_ms = 42;
        e.bid_msat = -1;
        assert_int_equal(why_add_event(w->why, &e), 0);
        assert_int_equal(why_event(w->why, "c0ffee00", &q, &reason), 0);
        assert_string_equal(sql_column_name(q, 7), "backend");
        assert_string_equal(sql_text(q, 7), "ollama");
        assert_string_equal(sql_column_name(q, 9), "bid_msats");
        assert_int_equal(sql_int(q, 9), 7);
        assert_true(sql_is_null(q, 10));
        assert_int_equal(sql_int(q, 12), 42);
        (void) sql_reset(q);

        e = an_event(OTHER);
        assert_int_equal(why_add_event(w->why, &e), 0);
        assert_int_equal(why_event(w->why, "c0ffee0", &q, &reason), -EINVAL);
        assert_int_equal(why_event(w->why, "deadbeef", &q, &reason), -ENOENT);
        assert_int_equal(why_event(w->why, "c0ffee01", &q, &reason), 0);
        (void) sql_reset(q);
        e.id = "short";
        assert_int_equal(why_add_event(w->why, &e), -EINVAL);
}

static void a_prefix_of_two_is_ambiguous(void **state) {
        World *w = *state;
        WhyEvent e = an_event(OTHER);
        const char *reason;
        SqlStatement *q;
        char id[65] = OTHER;

        assert_int_equal(why_add_event(w->why, &e), 0);
        id[63] = 'f';
        e.id = id;
        assert_int_equal(why_add_event(w->why, &e), 0);
        assert_int_equal(why_event(w->why, "c0ffee01", &q, &reason), -ENOTUNIQ);
}

static void what_is_old_or_too_much_is_forgotten(void **state) {
        World *w = *state;
        WhyEvent e = an_event("");
        char id[65];

        count(w, 10, "wss://a", "accepted", 1);
        count(w, 10 + WHY_HOURS_KEPT, "wss://a", "accepted", 1);
        assert_int_equal(sql_exec(w->db, "BEGIN"), 0);
        e.id = id;
        for (unsigned i = 0; i < WHY_EVENTS_MAX + 10; i++) {
                (void) snprintf(id, sizeof(id), "%064x", i);
                assert_int_equal(why_add_event(w->why, &e), 0);
        }
        assert_int_equal(why_end(w->why, 3600 * (INT64_C(11) + WHY_HOURS_KEPT)), 0);
        assert_int_equal(sql_exec(w->db, "COMMIT"), 0);
        assert_int_equal(number(w, "SELECT count(*) FROM why_events"), WHY_EVENTS_MAX);
        assert_int_equal(number(w, "SELECT count(*) FROM why_counts"), 1);
}

#define with_world(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                with_world(counts_are_summed_over_hours),
                with_world(a_batch_that_comes_again_counts_once),
                with_world(bids_are_kept_by_how_near_they_were),
                with_world(what_becomes_known_later_is_added),
                with_world(a_prefix_of_two_is_ambiguous),
                with_world(what_is_old_or_too_much_is_forgotten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
