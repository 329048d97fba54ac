/* provider/backend-pow: in bites and in processes, with the test's own program as the miner. */
#include "tests/unit/unit.h"

#include <signal.h>

#include "backend.h"
#include "basic/crypt.h"
#include "nostr/nip13.h"
#include "pow-worker.h"

typedef struct Bench {
        sd_event *event;
        Config config;
        Backend *backend;
        unsigned n_done, n_failed;
        int error;
        char result[1024];
} Bench;

static int setup(void **state) {
        Bench *b = new0(Bench, 1);

        assert_non_null(b);
        b->config.pow.max_bits = 40;
        b->config.pow.workers = 1;
        assert_int_equal(sd_event_new(&b->event), 0);
        assert_int_equal(backend_pow.open(b->event, &b->config, &b->backend), 0);
        *state = b;
        return 0;
}

static int teardown(void **state) {
        Bench *b = *state;

        backend_pow.close(b->backend);
        sd_event_unref(b->event);
        free(b);
        return 0;
}

static JobRequest *request(unsigned bits, const char *content) {
        static const uint8_t secret[32] = { [31] = 3 }, zeros[32];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        static char json[50000];
        char number[16];
        const char *reason;
        JobRequest *r = NULL;

        (void) snprintf(json, sizeof(json),
                        "{\"kind\":1,\"created_at\":5,\"tags\":[],\"content\":\"%s\"}", content);
        (void) snprintf(number, sizeof(number), "%u", bits);
        assert_int_equal(keypair_new(secret, &k), 0);
        assert_int_equal(draft_new(5970, 1000, &d), 0);
        assert_int_equal(draft_tag(d, "i", json, "text", NULL), 0);
        assert_int_equal(draft_tag(d, "param", "pow", number, NULL), 0);
        assert_int_equal(draft_sign(d, k, zeros, &e), 0);
        assert_int_equal(job_request_parse(e, &r, &reason), 0);
        return r;
}

static Work *work(Bench *b, unsigned bits, const char *content) {
        _cleanup_(job_request_freep) JobRequest *r = request(bits, content);
        const char *reason = NULL;
        Work *w = NULL;

        assert_int_equal(b->backend->class->check(b->backend, r, NULL, &w, &reason),
                        VERDICT_ACCEPTED);
        return w;
}

static void on_done(int error, _unused_ const char *reason, const char *content, size_t size,
                const WorkUsage *usage, void *userdata) {
        Bench *b = userdata;

        assert_string_equal(usage->backend, "pow");
        assert_int_equal(usage->tokens_out, -1);

        b->n_done++;
        b->error = error;
        b->n_failed += error < 0;
        if (error >= 0)
                (void) snprintf(b->result, sizeof(b->result), "%.*s", (int) size, content);
}

static const WorkEvents events = { .done = on_done };

static void run_until(Bench *b, unsigned n_done) {
        while (b->n_done < n_done)
                assert_true(sd_event_run(b->event, 20 * SEC) > 0);
}

static void assert_mined(const char *json, unsigned bits) {
        _cleanup_(draft_freep) Draft *d = NULL;
        char pubkey_hex[HEX32_MAX];
        uint8_t pubkey[32], id[32];
        const char *reason;

        assert_int_equal(draft_parse_unsigned(json, strlen(json), pubkey_hex, &d, &reason), 0);
        assert_int_equal(hex_decode(pubkey_hex, pubkey, 32), 0);
        assert_int_equal(draft_id(d, pubkey, id), 0);
        assert_true(nip13_difficulty(id) >= bits);
        assert_true(draft_has_tag(d, "nonce"));
}

static void small_work_is_done_on_the_loop(void **state) {
        Bench *b = *state;
        Work *w[20];

        for (size_t i = 0; i < ELEMENTSOF(w); i++) {
                char content[8];

                (void) snprintf(content, sizeof(content), "%zu", i);
                w[i] = work(b, 8, content);
                assert_true(w[i]->small);
                assert_int_equal(work_start(w[i], NULL, &events, b), 0);
                assert_int_equal(b->n_done, 0);
        }
        w[7] = work_free(w[7]); /* cancelled */
        run_until(b, ELEMENTSOF(w) - 1);
        assert_int_equal(b->n_failed, 0);
        assert_mined(b->result, 8);
        for (size_t i = 0; i < ELEMENTSOF(w); i++)
                (void) work_free(w[i]);
}

static void other_work_is_done_by_a_process(void **state) {
        Bench *b = *state;

        for (unsigned i = 1; i <= 2; i++) {
                _cleanup_(work_freep) Work *w = work(b, 12, "x");

                assert_false(w->small);
                assert_int_equal(work_start(w, NULL, &events, b), 0);
                run_until(b, i);
                assert_int_equal(b->error, 0);
                assert_mined(b->result, 12);
        }
}

/* The children of this process, by name. */
static pid_t find_child(void) {
        char path[64];
        pid_t pid = 0;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
        f = fopen(path, "re");
        if (f) {
                if (fscanf(f, "%d", &pid) != 1)
                        pid = 0;
                (void) fclose(f);
        }
        return pid;
}

static void a_process_that_dies_is_told_and_replaced(void **state) {
        Bench *b = *state;
        _cleanup_(work_freep) Work *w = work(b, 40, "x"), *again = NULL;
        pid_t pid;

        assert_int_equal(work_start(w, NULL, &events, b), 0);
        pid = find_child();
        assert_true(pid > 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        run_until(b, 1);
        assert_int_equal(b->error, -ECONNRESET);

        again = work(b, 12, "y");
        assert_int_equal(work_start(again, NULL, &events, b), 0);
        run_until(b, 2);
        assert_int_equal(b->error, 0);
}

static void cancelled_work_ends_its_process(void **state) {
        Bench *b = *state;
        Work *w = work(b, 40, "x");

        assert_int_equal(work_start(w, NULL, &events, b), 0);
        assert_true(find_child() > 0);
        (void) work_free(w);
        while (find_child() > 0)
                assert_true(sd_event_run(b->event, 10 * SEC) >= 0);
        assert_int_equal(b->n_done, 0);
}

static void a_large_event_is_more_work(void **state) {
        static char content[40000 + 1];
        _cleanup_(job_request_freep) JobRequest *hard = NULL;
        _cleanup_(work_freep) Work *w = NULL;
        Bench *b = *state;
        const char *reason = NULL;
        Work *none = NULL;

        (void) memset(content, 'x', sizeof(content) - 1);
        w = work(b, 8, content);
        assert_false(w->small);
        hard = request(40, content);
        assert_int_equal(b->backend->class->check(b->backend, hard, NULL, &none, &reason),
                        VERDICT_TOO_HARD);
}

static void what_cannot_be_mined_is_turned_away(void **state) {
        Bench *b = *state;
        _cleanup_(job_request_freep) JobRequest *hard = request(41, "x"),
                                                *broken = request(8, "\"");
        const char *reason = NULL;
        Work *w = NULL;

        assert_int_equal(b->backend->class->check(b->backend, hard, NULL, &w, &reason),
                        VERDICT_TOO_HARD);
        assert_int_equal(b->backend->class->check(b->backend, broken, NULL, &w, &reason),
                        VERDICT_BAD_INPUT);
        assert_null(w);
}

int main(int argc, char *argv[]) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(small_work_is_done_on_the_loop, setup, teardown),
                cmocka_unit_test_setup_teardown(other_work_is_done_by_a_process, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                a_process_that_dies_is_told_and_replaced, setup, teardown),
                cmocka_unit_test_setup_teardown(cancelled_work_ends_its_process, setup, teardown),
                cmocka_unit_test_setup_teardown(a_large_event_is_more_work, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                what_cannot_be_mined_is_turned_away, setup, teardown),
        };

        if (argc == 2 && streq(argv[1], POW_WORKER_OPTION))
                return pow_worker_main();
        return crypt_setup() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
