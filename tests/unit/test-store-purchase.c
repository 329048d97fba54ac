/* store/table-purchase: what was ordered of others is found again, goes forward only, and keeps
 * what was once written down. */
#include "tests/unit/unit.h"

#include "schema.h"
#include "table-purchase.h"

#define ID         "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00"
#define PAYEE      "ab0ffee0ab0ffee0ab0ffee0ab0ffee0ab0ffee0ab0ffee0ab0ffee0ab0ffee0"

#define PAYEE_REST "0ffee0ab0ffee0ab0ffee0ab0ffee0ab0ffee0ab0ffee0ab0ffee0ab0ffee0"

typedef struct World {
        char folder[64], path[96];
        Sql *db;
        PurchaseTable *purchases;
        const char *text;
        char trail[512];
} World;

static int set_up(void **state) {
        World *w = new0(World, 1);
        const char *reason;

        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-purchase-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/pylon.db", w->folder);
        assert_int_equal(sql_open(w->path, schema, schema_n, &w->db, &reason), 0);
        assert_int_equal(purchase_table_new(w->db, &w->purchases), 0);
        *state = w;
        return 0;
}

static int tear_down(void **state) {
        World *w = *state;
        char command[128];

        w->purchases = purchase_table_free(w->purchases);
        w->db = sql_close(w->db);
        (void) unlink(w->path);
        (void) snprintf(command, sizeof(command), "%s-wal", w->path);
        (void) unlink(command);
        (void) snprintf(command, sizeof(command), "%s-shm", w->path);
        (void) unlink(command);
        assert_int_equal(rmdir(w->folder), 0);
        free(w);
        return 0;
}

static int add_ref(World *w, const char *id, const char *ref) {
        const Purchase p = {
                .id = id,
                .kind = 5970,
                .provider = "",
                .relays = "ws://one ws://two",
                .request = "{}",
                .auto_pay = true,
                .bid_msat = -1,
                .max_msat = 5000,
                .created_at = 1700000000,
                .deadline = 1700000060,
                .key = "agent:ada",
                .account = "agent:ada",
                .grant = "agent:ada",
                .ref = ref,
                .fee_max_msat = -1,
        };
        int verdict;

        assert_int_equal(purchase_add(w->purchases, &p, &verdict, &w->text), 0);
        return verdict;
}

static int add(World *w, const char *id) {
        return add_ref(w, id, "");
}

static int move_id(World *w, const char *id, const char *state, const char *bolt11,
                const char *result) {
        const PurchaseMove m = {
                .id = id,
                .took_msec = streq(state, "received") ? 1500 : -1,
                .blamed = streq(state, "failed"),
                .state = state,
                .payee = *bolt11 ? PAYEE : "",
                .bolt11 = bolt11,
                .result = result,
                .error = "",
                .amount_msat = *bolt11 ? 4000 : -1,
                .fee_msat = -1,
                .deadline = -1,
        };
        int verdict;

        assert_int_equal(purchase_move(w->purchases, &m, &verdict, &w->text), 0);
        return verdict;
}

static int move(World *w, const char *state, const char *bolt11, const char *result) {
        return move_id(w, ID, state, bolt11, result);
}

static int row(const Purchase *p, void *userdata) {
        World *w = userdata;
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%.8s %s %s %lld\n", p->id, p->state,
                        p->bolt11, (long long) p->amount_msat);
        return 0;
}

static const char *open_ones(World *w) {
        w->trail[0] = '\0';
        assert_int_equal(purchase_list_open(w->purchases, "", 10, row, w), 0);
        return w->trail;
}

static void a_purchase_is_added_once(void **state) {
        World *w = *state;

        assert_int_equal(add(w, ID), 0);
        assert_int_equal(add(w, ID), 1);
        assert_string_equal(w->text, "asking");
        assert_int_equal(add(w, "nonsense"), -EINVAL);
        assert_string_equal(open_ones(w), "c0ffee00 asking  0\n");
}

static void a_ref_is_of_one_purchase_and_finds_it_in_every_state(void **state) {
        World *w = *state;

        assert_int_equal(add_ref(w, ID, "agent:ada/7/1/1"), 0);
        assert_int_equal(add_ref(w, ID, "agent:ada/7/1/1"), 1); /* repeated */
        assert_int_equal(add_ref(w, PAYEE, "agent:ada/7/1/1"), -EEXIST);
        assert_int_equal(add_ref(w, PAYEE, ""), 0);
        w->trail[0] = '\0';
        assert_int_equal(purchase_list_ref(w->purchases, "", row, w), 0);
        assert_string_equal(w->trail, "");
        assert_int_equal(move(w, "received", "", "{}"), 0);
        assert_int_equal(purchase_list_ref(w->purchases, "agent:ada/7/1/1", row, w), 0);
        assert_string_equal(w->trail, "c0ffee00 received  0\n");
}

static int whole(const Purchase *p, void *userdata) {
        World *w = userdata;
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%s '%s' '%s'\n", p->state, p->request,
                        p->result);
        return 0;
}

static void texts_with_a_ref_are_kept_for_a_day(void **state) {
        World *w = *state;

        assert_int_equal(add_ref(w, ID, "one"), 0);
        assert_int_equal(move(w, "received", "", "{\"id\":1}"), 0);
        assert_int_equal(add_ref(w, PAYEE, "two"), 0);
        w->trail[0] = '\0';
        assert_int_equal(purchase_list_ref(w->purchases, "one", whole, w), 0);
        assert_string_equal(w->trail, "received '{}' '{\"id\":1}'\n");

        assert_int_equal(sql_exec(w->db, "UPDATE purchases SET completed_at = 1700000000 "
                                         "WHERE ref = 'one'"),
                        0);
        assert_int_equal(move_id(w, PAYEE, "failed", "", ""), 0);
        assert_int_equal(add_ref(w, "00" PAYEE_REST, "three"), 0);
        w->trail[0] = '\0';
        assert_int_equal(purchase_list_ref(w->purchases, "one", whole, w), 0);
        assert_int_equal(purchase_list_ref(w->purchases, "two", whole, w), 0);
        assert_string_equal(w->trail, "received '' ''\nfailed '{}' ''\n");
}

static int outcome(const PurchaseOutcome *o, void *userdata) {
        World *w = userdata;
        size_t n = strlen(w->trail);

        (void) snprintf(w->trail + n, sizeof(w->trail) - n, "%.8s %d %lld %lld\n", o->provider,
                        o->good, (long long) o->took_msec, (long long) o->cost_msat);
        return 0;
}

static void how_it_went_with_providers_is_told_newest_first(void **state) {
        World *w = *state;

        assert_int_equal(add(w, ID), 0);
        assert_int_equal(add(w, PAYEE), 0);
        assert_int_equal(move(w, "paying", "lnbcrt1", ""), 0);
        assert_int_equal(move(w, "received", "", "{}"), 0);
        w->trail[0] = '\0';
        assert_int_equal(purchase_list_outcomes(w->purchases, 10, outcome, w), 0);
        assert_string_equal(w->trail, "ab0ffee0 1 1500 4000\n");
        assert_int_equal(move_id(w, PAYEE, "failed", "lnbcrt2", ""), 0);
        w->trail[0] = '\0';
        assert_int_equal(purchase_list_outcomes(w->purchases, 10, outcome, w), 0);
        assert_int_equal(strncmp(w->trail, "ab0ffee0 0 ", 11), 0);
}

static void it_goes_forward_only(void **state) {
        World *w = *state;

        assert_int_equal(move(w, "paying", "lnbcrt", ""), -ENOENT);
        assert_int_equal(add(w, ID), 0);
        assert_int_equal(move(w, "paying", "lnbcrt1", ""), 0);
        assert_int_equal(move(w, "paying", "lnbcrt1", ""), 0); /* repeated */
        assert_int_equal(move(w, "asking", "", ""), -EALREADY);
        assert_int_equal(move(w, "running", "", ""), -EINVAL);
        assert_int_equal(move(w, "paid", "", ""), 0);
        assert_int_equal(move(w, "received", "", "{\"id\":1}"), 0);
        assert_int_equal(move(w, "received", "", "{\"id\":1}"), 0); /* repeated */
        assert_int_equal(move(w, "failed", "", ""), -EALREADY);
        assert_string_equal(open_ones(w), "");
}

/* Whatever else comes: who was paid first stays the one who was paid. */
static void an_invoice_and_a_result_stay_what_they_were(void **state) {
        World *w = *state;
        SqlStatement *q;
        const char *reason;

        assert_int_equal(add(w, ID), 0);
        assert_int_equal(move(w, "paying", "lnbcrt1", ""), 0);
        assert_int_equal(move(w, "paid", "lnbcrt2", ""), 0);
        assert_string_equal(open_ones(w), "c0ffee00 paid lnbcrt1 4000\n");
        assert_int_equal(purchase_get(w->purchases, "c0ffee00", &q, &reason), 0);
        assert_string_equal(sql_text(q, 8), "lnbcrt1");
        (void) sql_reset(q);
        assert_int_equal(purchase_get(w->purchases, "c0ff", &q, &reason), -EINVAL);
        assert_int_equal(purchase_get(w->purchases, "deadbeef", &q, &reason), -ENOENT);
}

static void the_states_have_names(_unused_ void **state) {
        for (PurchaseState s = 0; s < _PURCHASE_STATE_MAX; s++)
                assert_int_equal(purchase_state_of(purchase_state_name(s)), s);
        assert_int_equal(purchase_state_of("nothing"), -EINVAL);
        assert_true(purchase_state_is_final(PURCHASE_FAILED));
        assert_false(purchase_state_is_final(PURCHASE_PAID));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_purchase_is_added_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                                a_ref_is_of_one_purchase_and_finds_it_in_every_state, set_up,
                                tear_down),
                cmocka_unit_test_setup_teardown(
                                texts_with_a_ref_are_kept_for_a_day, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                                how_it_went_with_providers_is_told_newest_first, set_up, tear_down),
                cmocka_unit_test_setup_teardown(it_goes_forward_only, set_up, tear_down),
                cmocka_unit_test_setup_teardown(
                                an_invoice_and_a_result_stay_what_they_were, set_up, tear_down),
                cmocka_unit_test(the_states_have_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
