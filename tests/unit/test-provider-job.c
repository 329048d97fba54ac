/* provider: jobs walk through their table, in the world of provider-world.h. */
#include "tests/unit/provider-world.h"

/* ---- the test's hands */

/* Answers what was asked, and lets the loop turn, until nothing is left to do. */
static void go_on_until_quiet(void) {
        for (int r = 1; r > 0 || world.n_asked > 0;) {
                size_t n = world.n_asked;

                for (size_t i = 0; i < n; i++) {
                        Asked a = world.asked[i];

                        if (!a.answer)
                                continue;
                        if (a.handle)
                                *a.handle = NULL;
                        world.asked[i].answer = NULL;
                        world.asked[i].n_events = 0;
                        a.answer(&a);
                }
                for (size_t i = n; i < world.n_asked; i++)
                        if (world.asked[i].handle && world.asked[i].answer)
                                *world.asked[i].handle = &world.asked[i - n];
                memmove(world.asked, world.asked + n, (world.n_asked - n) * sizeof(Asked));
                world.n_asked -= n;
                r = sd_event_run(world.event, 0);
        }
}

static void forget_trail(void) {
        world.trail[0] = 0;
        while (world.n_published > 0)
                event_unref(world.published[--world.n_published]);
}

static void on_changed(Provider *p, _unused_ void *userdata) {
        trail("%s\n", provider_state_name(p->state));
}

static Event *request(const char *bits, const char *extra_name, const char *extra) {
        _cleanup_(draft_freep) Draft *d = NULL;
        Event *e = NULL;

        assert_int_equal(draft_new(5970, provider_now(world.provider), &d), 0);
        assert_int_equal(
                        draft_tag(d, "i",
                                        "{\"kind\":1,\"created_at\":5,\"tags\":[],\"content\":\"x\"}",
                                        "text", NULL),
                        0);
        assert_int_equal(draft_tag(d, "param", "pow", bits, NULL), 0);
        if (extra_name)
                assert_int_equal(draft_tag(d, extra_name, extra, NULL), 0);
        assert_int_equal(draft_sign(d, world.customer, zeros, &e), 0);
        return e;
}

static void deliver(uint64_t seq, Event *e) {
        const RelayEvent event = { .seq = seq, .relay = "wss://relay.example.com", .event = e };

        world.handler.events(PROVIDER_SUBSCRIPTION, &event, 1, world.handler_userdata);
}

static void outcome(const Event *e, const char *relay, RelayVerdict verdict) {
        world.handler.outcome(event_id_hex(e), relay, verdict, "", world.handler_userdata);
}

static const Event *published(uint16_t kind) {
        for (size_t i = world.n_published; i > 0; i--)
                if (event_kind(world.published[i - 1]) == kind)
                        return world.published[i - 1];
        fail_msg("no event of kind %u was published", kind);
        return NULL;
}

static int setup(_unused_ void **state) {
        static char relay[] = "wss://relay.example.com", name[] = "Pylon", none[] = "",
                    no_wallet[] = "none", any[] = "any";
        static char *relays[] = { relay, NULL };
        const uint8_t ours[32] = { [31] = 1 }, customer[32] = { [31] = 2 };

        world = (struct World){
                .config = {
                        .name = name,
                        .description = none,
                        .relays = relays,
                        .network = NETWORK_REGTEST,
                        .provider = {
                                .max_concurrent_jobs = 4,
                                .queue_max = 100,
                                .per_customer_max = 10,
                                .per_customer_size = 1 << 20,
                                .unpaid_share = 75,
                                .job_timeout = 5 * MIN_,
                                .accept_age = 15 * MIN_,
                                .drain_timeout = 30 * SEC,
                                .trust = any,
                        },
                        .wallet = { .driver = no_wallet },
                        .pow = { .max_bits = 28, .workers = 1 },
                },
                .wish = "",
        };
        assert_int_equal(keypair_new(ours, &world.ours), 0);
        assert_int_equal(keypair_new(customer, &world.customer), 0);
        assert_int_equal(sd_event_new(&world.event), 0);
        assert_int_equal(provider_new(world.event, &world.config, &(ProviderSockets){}, on_changed,
                                         NULL, &world.provider),
                        0);
        return 0;
}

static int teardown(_unused_ void **state) {
        forget_trail();
        world.provider = provider_free(world.provider);
        for (size_t i = 0; i < world.n_asked; i++)
                let_go(&world.asked[i]);
        world.event = sd_event_unref(world.event);
        world.ours = keypair_free(world.ours);
        world.customer = keypair_free(world.customer);
        return 0;
}

static void go_online(void) {
        provider_go_as_wished(world.provider);
        go_on_until_quiet();
        assert_int_equal(world.provider->state, PROVIDER_ONLINE);
        forget_trail();
}

/* ---- the tests */

static void a_provider_goes_online_unless_told_otherwise(_unused_ void **state) {
        provider_go_as_wished(world.provider);
        go_on_until_quiet();
        assert_string_equal(world.trail,
                        "subscribe {\"kinds\":[5970]} {\"kinds\":[5],\"#k\":[\"5970\"]}\n"
                        "online\n"
                        "publish 31990  durable\n");
        assert_true(event_has_tag(published(31990), "k", "5970"));
}

static void a_provider_that_shall_not_be_online_stays_offline(_unused_ void **state) {
        world.wish = "no";
        provider_go_as_wished(world.provider);
        go_on_until_quiet();
        assert_int_equal(world.provider->state, PROVIDER_OFFLINE);
        assert_string_equal(world.trail, "");
        assert_false(provider_is_busy(world.provider));
}

static void a_free_job_goes_all_the_way(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const Event *result;
        const char *reason;

        go_online();
        e = request("8", NULL, NULL);
        deliver(1, e);
        assert_string_equal(world.trail, "add queued\n"); /* nothing is said before it is on disk */
        go_on_until_quiet();
        assert_string_equal(world.trail, "add queued\n"
                                         "ack\n"
                                         "publish 7000 processing\n"
                                         "move publishing with result\n"
                                         "publish 6970 success durable\n"
                                         "publish 7000 success\n");
        result = published(6970);
        assert_int_equal(job_answer_check(result, e, event_pubkey_hex(result), &reason), 0);
        assert_string_equal(event_tag_value(result, "request"), event_json(e, NULL));

        outcome(result, "wss://relay.example.com", RELAY_TRYING);
        world.trail[0] = 0;
        outcome(result, "wss://relay.example.com", RELAY_ACCEPTED);
        assert_string_equal(world.trail, "forget\nmove completed, lazy\n");
        go_on_until_quiet();
        assert_int_equal(map_size(&world.provider->jobs), 0);
        assert_int_equal(map_size(&world.provider->results), 0);
        assert_int_equal(map_size(&world.provider->customers.open), 0);
}

static void long_work_is_seen_to_run_and_is_taken_back(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL, *deletion = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;

        go_online();
        e = request("28", NULL, NULL);
        deliver(1, e);
        go_on_until_quiet();
        assert_string_equal(world.trail,
                        "add queued\nack\nmove running, lazy\npublish 7000 processing\n");
        assert_int_equal(world.provider->n_running, 1);

        assert_int_equal(job_cancel_draft(e, 5, &d), 0);
        assert_int_equal(draft_sign(d, world.customer, zeros, &deletion), 0);
        forget_trail();
        deliver(2, deletion);
        assert_int_equal(world.provider->n_running, 0);
        go_on_until_quiet();
        assert_string_equal(world.trail, "move cancelled\nack\n");
        assert_int_equal(map_size(&world.provider->jobs), 0);
}

static void the_answer_goes_where_the_request_says(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;

        go_online();
        e = request("4", "relays", "wss://elsewhere.example.com");
        deliver(1, e);
        go_on_until_quiet();
        assert_non_null(strstr(world.trail,
                        "publish 6970 success durable at wss://elsewhere.example.com\n"));
}

static void relays_that_cannot_be_had_are_left_out(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;

        go_online();
        world.relay_error = -ENOBUFS;
        e = request("4", "relays", "wss://elsewhere.example.com");
        deliver(1, e);
        go_on_until_quiet();
        assert_non_null(strstr(world.trail,
                        "publish 6970 success durable at wss://elsewhere.example.com\n"));
        assert_non_null(strstr(world.trail, "publish 6970 success durable\n"));
        outcome(published(6970), "wss://relay.example.com", RELAY_ACCEPTED);
        go_on_until_quiet();
        assert_int_equal(map_size(&world.provider->jobs), 0);
}

static void a_second_delivery_runs_nothing(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;

        go_online();
        e = request("8", NULL, NULL);
        deliver(1, e);
        deliver(2, e);
        assert_string_equal(world.trail, "add queued\n");
        assert_int_equal(world.acknowledged, 0);
        go_on_until_quiet();
        assert_int_equal(world.acknowledged, 2);

        /* And after a restart, when only the store knows it. */
        outcome(published(6970), "wss://relay.example.com", RELAY_ACCEPTED);
        go_on_until_quiet();
        forget_trail();
        world.verdict = 1;
        world.verdict_text = "completed";
        deliver(3, e);
        go_on_until_quiet();
        assert_string_equal(world.trail, "add queued\nack\n");
        assert_int_equal(map_size(&world.provider->jobs), 0);
}

static void the_answer_to_a_repeated_call_is_no_second_delivery(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;

        go_online();
        world.verdict = 1;
        world.verdict_text = "queued";
        e = request("8", NULL, NULL);
        deliver(1, e);
        go_on_until_quiet();
        assert_non_null(published(6970));
}

static void what_is_refused_is_told_and_not_stored(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *hard = NULL, *others = NULL;

        go_online();
        hard = request("29", NULL, NULL);
        deliver(1, hard);
        go_on_until_quiet();
        assert_string_equal(world.trail, "ack\npublish 7000 error\n");
        assert_string_equal(event_find_tag(published(7000), "status", NULL)->values[2],
                        verdict_text(VERDICT_TOO_HARD));

        forget_trail();
        others = request("8", "p", event_pubkey_hex(hard));
        deliver(2, others);
        go_on_until_quiet();
        assert_string_equal(world.trail, "ack\n");
}

static void without_a_wallet_a_job_that_must_be_paid_is_refused(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;

        go_online();
        world.config.require_payment = true; /* from now on: it would not go online like this */
        world.config.min_price_msats = 1000;
        e = request("8", NULL, NULL);
        deliver(1, e);
        go_on_until_quiet();
        assert_string_equal(world.trail, "ack\npublish 7000 error\n");
        assert_string_equal(event_find_tag(published(7000), "status", NULL)->values[2],
                        verdict_text(VERDICT_NO_WALLET));
}

static void a_job_that_cannot_be_stored_is_refused(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;

        go_online();
        world.verdict = -ENOSPC;
        world.verdict_text = "the disk is full";
        e = request("8", NULL, NULL);
        deliver(1, e);
        go_on_until_quiet();
        assert_string_equal(world.trail,
                        "add queued\nadd queued\nadd queued\nack\npublish 7000 error\n");
        assert_int_equal(map_size(&world.provider->jobs), 0);
}

static void a_disk_that_fails_once_is_asked_again(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;

        go_online();
        world.verdict = -EIO;
        world.verdict_once = true;
        e = request("8", NULL, NULL);
        deliver(1, e);
        go_on_until_quiet();
        assert_non_null(strstr(
                        world.trail, "add queued\nadd queued\nack\npublish 7000 processing\n"));
        assert_non_null(published(6970));
}

static void a_result_waits_for_a_full_disk(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = request("8", NULL, NULL);

        go_online();
        world.full = "publishing";
        deliver(1, e);
        go_on_until_quiet();
        assert_null(strstr(world.trail, "error"));
        assert_int_equal(map_size(&world.provider->jobs), 1);
        world.full = NULL; /* there is room again */
        while (map_size(&world.provider->results) == 0) {
                assert_true(sd_event_run(world.event, 10 * SEC) > 0);
                go_on_until_quiet();
        }
        outcome(published(6970), "wss://relay.example.com", RELAY_ACCEPTED);
        go_on_until_quiet();
        assert_int_equal(map_size(&world.provider->jobs), 0);
}

static void an_encrypted_request_gets_an_encrypted_answer(_unused_ void **state) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        const Event *result;

        go_online();
        world.opened = "[[\"i\",\"{\\\"kind\\\":1,\\\"created_at\\\":5,\\\"tags\\\":[],\\\"content\\\":\\\"\\\"}\"],"
                       "[\"param\",\"pow\",\"3\"]]";
        assert_int_equal(draft_new(5970, provider_now(world.provider), &d), 0);
        assert_int_equal(draft_tag(d, "encrypted", NULL), 0);
        assert_int_equal(draft_tag(d, "p", world.provider->pubkey_hex, NULL), 0);
        assert_int_equal(draft_content(d, "Abc", 3), 0);
        assert_int_equal(draft_sign(d, world.customer, zeros, &e), 0);
        deliver(1, e);
        go_on_until_quiet();
        assert_string_equal(world.trail,
                        "decrypt\nadd queued\nack\npublish 7000 processing\nencrypt nip44\n"
                        "move publishing with result\npublish 6970 success durable\n"
                        "publish 7000 success\n");
        result = published(6970);
        assert_string_equal(event_content(result, NULL), "SEALED");
        assert_non_null(event_find_tag(result, "encrypted", NULL));
        assert_null(event_find_tag(result, "i", NULL));

        outcome(result, "wss://relay.example.com", RELAY_ACCEPTED);
}

static void only_its_author_takes_a_request_back(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL, *by_author = NULL, *by_other = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;

        world.config.provider.max_concurrent_jobs = 0; /* it waits */
        go_online();
        e = request("20", NULL, NULL);
        deliver(1, e);
        go_on_until_quiet();
        assert_int_equal(world.provider->queue.n, 1);

        assert_int_equal(job_cancel_draft(e, 5, &d), 0);
        assert_int_equal(draft_sign(d, world.customer, zeros, &by_author), 0);
        assert_int_equal(draft_sign(d, world.ours, zeros, &by_other), 0);
        forget_trail();
        deliver(2, by_other);
        assert_string_equal(world.trail, "ack\n");
        deliver(3, by_author);
        assert_string_equal(world.trail, "ack\nmove cancelled\n");
        go_on_until_quiet(); /* acknowledged when it is on disk */
        assert_string_equal(world.trail, "ack\nmove cancelled\nack\n");
        assert_int_equal(map_size(&world.provider->jobs), 0);
        assert_int_equal(world.provider->queue.n, 0);
}

static void what_is_small_does_not_wait_behind_what_is_large(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *large = request("28", NULL, NULL),
                                      *small = request("8", NULL, NULL);

        world.config.provider.max_concurrent_jobs = 0; /* no slot is free */
        go_online();
        deliver(1, large);
        deliver(2, small);
        go_on_until_quiet();
        assert_int_equal(world.provider->queue.n, 1);
        assert_string_equal(event_tag_value(published(6970), "e"), event_id_hex(small));
}

static void no_relay_wants_the_result(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;

        go_online();
        e = request("8", "relays", "wss://a.example.com");
        deliver(1, e);
        go_on_until_quiet();
        outcome(published(6970), "wss://a.example.com", RELAY_REFUSED);
        outcome(published(6970), "wss://a.example.com", RELAY_REFUSED);
        assert_int_equal(map_size(&world.provider->jobs), 1); /* the relay it came from may */
        world.trail[0] = 0;
        outcome(published(6970), "wss://relay.example.com", RELAY_REFUSED);
        go_on_until_quiet();
        assert_string_equal(world.trail,
                        "forget\nmove failed with error\npublish 7000 error at wss://a.example.com\n");
        assert_int_equal(map_size(&world.provider->jobs), 0);
}

static void after_a_restart_everything_is_taken_up(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *waits = request("8", NULL, NULL),
                                      *done = request("9", NULL, NULL), *result = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;

        assert_int_equal(draft_new(6970, 5, &d), 0);
        assert_int_equal(draft_tag(d, "e", event_id_hex(done), NULL), 0);
        assert_int_equal(draft_sign(d, world.ours, zeros, &result), 0);
        world.open[0] = (StoreJob){
                .id = event_id_hex(waits),
                .request = event_json(waits, NULL),
                .relay = "wss://relay.example.com",
                .state = "queued",
                .result = "",
        };
        world.open[1] = (StoreJob){
                .id = event_id_hex(done),
                .request = event_json(done, NULL),
                .relay = "wss://relay.example.com",
                .state = "publishing",
                .result = event_json(result, NULL),
        };
        world.n_open = 2;
        provider_go_as_wished(world.provider);
        go_on_until_quiet();
        assert_non_null(strstr(world.trail, "add queued\n"));
        assert_non_null(strstr(world.trail, "publish 6970  durable\n")); /* the same event again */
        assert_non_null(strstr(world.trail, "publish 6970 success durable\n"));
        outcome(result, "wss://relay.example.com", RELAY_ACCEPTED);
        outcome(published(6970), "wss://relay.example.com", RELAY_ACCEPTED);
        go_on_until_quiet();
        assert_int_equal(map_size(&world.provider->jobs), 0);
}

static void a_drain_finishes_what_runs_and_withdraws(_unused_ void **state) {
        _cleanup_(event_unrefp) Event *e = NULL, *late = NULL;

        go_online();
        e = request("8", NULL, NULL);
        deliver(1, e);
        go_on_until_quiet();
        forget_trail();
        provider_drain(world.provider, false);
        late = request("7", NULL, NULL);
        deliver(2, late);
        go_on_until_quiet();
        assert_string_equal(world.trail, "unsubscribe\ndraining\nack\npublish 7000 error\n"
                                         "publish 31990  durable\npublish 5  durable\noffline\n");
        assert_null(event_tag_value(published(31990), "k"));
        assert_int_equal(world.counted, 2);
        assert_string_equal(world.stories, "offline"); /* the other one has not ended */
        assert_int_equal(world.provider->state, PROVIDER_OFFLINE);
        assert_false(provider_is_busy(world.provider));
        assert_int_equal(map_size(&world.provider->jobs), 1); /* its result is in the outbox */

        forget_trail();
        provider_go_online(world.provider);
        go_on_until_quiet();
        assert_int_equal(world.provider->state, PROVIDER_ONLINE);
        outcome(published(31990), "wss://relay.example.com", RELAY_ACCEPTED);
}

static void who_goes_offline_while_coming_back_stays_offline(_unused_ void **state) {
        go_online();
        provider_drain(world.provider, false);
        while (!world.provider->withdrawing)
                assert_true(sd_event_run(world.event, 0) >= 0);
        world.provider->loaded = false; /* the store was away: coming back takes a while */
        provider_go_online(world.provider);
        assert_true(world.provider->going_online);
        provider_drain(world.provider, false);
        go_on_until_quiet();
        assert_int_equal(world.provider->state, PROVIDER_OFFLINE);
        assert_false(provider_is_busy(world.provider));
        assert_null(world.provider->retry);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                                a_provider_goes_online_unless_told_otherwise, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                a_provider_that_shall_not_be_online_stays_offline, setup, teardown),
                cmocka_unit_test_setup_teardown(a_free_job_goes_all_the_way, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                long_work_is_seen_to_run_and_is_taken_back, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                the_answer_goes_where_the_request_says, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                relays_that_cannot_be_had_are_left_out, setup, teardown),
                cmocka_unit_test_setup_teardown(a_second_delivery_runs_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(the_answer_to_a_repeated_call_is_no_second_delivery,
                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                                what_is_refused_is_told_and_not_stored, setup, teardown),
                cmocka_unit_test_setup_teardown(without_a_wallet_a_job_that_must_be_paid_is_refused,
                                setup, teardown),
                cmocka_unit_test_setup_teardown(
                                a_job_that_cannot_be_stored_is_refused, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                a_disk_that_fails_once_is_asked_again, setup, teardown),
                cmocka_unit_test_setup_teardown(a_result_waits_for_a_full_disk, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                an_encrypted_request_gets_an_encrypted_answer, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                only_its_author_takes_a_request_back, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                what_is_small_does_not_wait_behind_what_is_large, setup, teardown),
                cmocka_unit_test_setup_teardown(no_relay_wants_the_result, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                after_a_restart_everything_is_taken_up, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                a_drain_finishes_what_runs_and_withdraws, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                who_goes_offline_while_coming_back_stays_offline, setup, teardown),
        };

        if (argc == 2 && streq(argv[1], POW_WORKER_OPTION))
                return pow_worker_main();
        return crypt_setup() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
