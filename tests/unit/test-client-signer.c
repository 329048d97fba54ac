/* client/signer-client: calls of one turn become one request, and each gets its own answer. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

#include "basic/crypt.h"
#include "bus/names.h"
#include "bus/server.h"
#include "client/signer-client.h"

#define ANSWERS_MAX 1000

typedef struct World World;

/* One call and what came back. */
typedef struct Answer {
        World *world;
        SignerCall *call, *free_call; /* free_call: let go of it when the answer comes */
        int error, item_error;
        unsigned n_done;
        size_t n;
        char name[64], text[128];
        int64_t created_at;
        bool free_client;
} Answer;

struct World {
        sd_event *event;
        char folder[64], path[128];
        BusServer *server;
        SignerClient *client;
        Keypair *key;
        unsigned n_requests, n_items, n_open;
        const char *refuse;
        Answer answers[ANSWERS_MAX];
};

/* A signer that refuses what is older than ten seconds after the epoch. */
static int fake_sign(World *w, const char *draft, sd_bus_message *reply) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason;

        assert_int_equal(draft_parse(draft, strlen(draft), &d, &reason), 0);
        assert_int_equal(draft_sign(d, w->key, (uint8_t[32]){ 0 }, &e), 0);
        if (event_created_at(e) < 10)
                return sd_bus_message_append(reply, "(is)", -EPERM, "too old");
        return sd_bus_message_append(reply, "(is)", 0, event_json(e, NULL));
}

static int method_sign(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        World *w = userdata;
        const char *draft;

        w->n_requests++;
        if (w->refuse)
                return sd_bus_error_set(error, w->refuse, "There is no key \"buyer\" yet.");
        assert_true(sd_bus_message_skip(m, "s") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "s") >= 0);
        assert_true(sd_bus_message_new_method_return(m, &reply) >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "(is)") >= 0);
        while (sd_bus_message_read(m, "s", &draft) > 0) {
                w->n_items++;
                assert_true(fake_sign(w, draft, reply) >= 0);
        }
        assert_true(sd_bus_message_close_container(reply) >= 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int method_decrypt(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;

        w->n_requests++;
        return sd_bus_reply_method_return(
                        m, "a(iss)", 2, 0, "nip04", "plain", -EBADMSG, "", "damaged");
}

/* A signer whose wraps are notes that say for whom they are, and which opens nothing but "good". */
static int method_wrap(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *recipient, *draft;
        World *w = userdata;

        w->n_requests++;
        assert_true(sd_bus_message_skip(m, "s") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(ss)") >= 0);
        assert_true(sd_bus_message_new_method_return(m, &reply) >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "(is)") >= 0);
        while (sd_bus_message_read(m, "(ss)", &recipient, &draft) > 0) {
                w->n_items++;
                if (streq(recipient, "npub1"))
                        assert_true(sd_bus_message_append(reply, "(is)", -EINVAL, "no key") >= 0);
                else
                        assert_true(fake_sign(w, draft, reply) >= 0);
        }
        assert_true(sd_bus_message_close_container(reply) >= 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int method_unwrap(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        _cleanup_(rumor_unrefp) Rumor *r = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        World *w = userdata;

        w->n_requests++;
        assert_int_equal(draft_new(14, 1000, &d), 0);
        assert_int_equal(draft_content(d, "psst", 4), 0);
        assert_int_equal(rumor_new(d, keypair_pubkey(w->key), &r), 0);
        return sd_bus_reply_method_return(
                        m, "a(is)", 2, 0, rumor_json(r, NULL), -EBADMSG, "it is not a gift wrap");
}

static int method_public_key(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        World *w = userdata;

        w->n_requests++;
        return sd_bus_reply_method_return(m, "s", "c0ffee");
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Sign", "sas", "a(is)", method_sign, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Decrypt", "sa(ss)", "a(iss)", method_decrypt, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Wrap", "sa(ss)", "a(is)", method_wrap, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Unwrap", "sas", "a(is)", method_unwrap, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("PublicKey", "s", "s", method_public_key, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const BusObject objects[] = { { BUS_SIGNER, vtable, true }, { 0 } };

static void serve(World *w) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        memcpy(sa.sun_path, w->path, strlen(w->path) + 1);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(listen(fd, 16), 0);
        assert_int_equal(bus_server_new(w->event, BUS_SIGNER, objects, false, w, &w->server), 0);
        assert_int_equal(bus_server_listen(w->server, fd), 0);
}

static int setup(void **state) {
        World *w = new0(World, 1);

        assert_non_null(w);
        assert_int_equal(sd_event_new(&w->event), 0);
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-test-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/signer.sock", w->folder);
        assert_int_equal(keypair_new((uint8_t[32]){ [31] = 9 }, &w->key), 0);
        assert_int_equal(signer_client_new(w->event, w->path, &w->client), 0);
        serve(w);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        signer_client_free(w->client);
        bus_server_free(w->server);
        sd_event_unref(w->event);
        keypair_free(w->key);
        (void) unlink(w->path);
        (void) rmdir(w->folder);
        free(w);
        return 0;
}

static void on_done(int error, const char *name, const char *reason, const SignerResult *results,
                size_t n, void *userdata) {
        Answer *a = userdata;
        World *w = a->world;

        assert_null(a->call); /* cleared before */
        a->n_done++;
        w->n_open--;
        a->error = error;
        a->n = n;
        (void) snprintf(a->name, sizeof(a->name), "%s", name);
        if (error < 0)
                (void) snprintf(a->text, sizeof(a->text), "%s", reason);
        else {
                a->item_error = results[0].error;
                a->created_at = results[0].event ? event_created_at(results[0].event) : 0;
                (void) snprintf(a->text, sizeof(a->text), "%s",
                                results[0].reason ?: results[0].text ?: "");
        }
        if (a->free_call) {
                signer_call_free(a->free_call);
                w->n_open--;
        }
        if (a->free_client)
                w->client = signer_client_free(w->client);
}

static void ask(World *w, unsigned i, const char *key, int64_t created_at) {
        _cleanup_(draft_freep) Draft *d = NULL;
        Answer *a = w->answers + i;

        a->world = w;
        assert_int_equal(draft_new(1, created_at, &d), 0);
        assert_int_equal(draft_content(d, "hello", 5), 0);
        assert_int_equal(signer_sign(w->client, key, (const Draft *const[]){ d }, 1, on_done, a,
                                         &a->call),
                        0);
        assert_int_equal(a->n_done, 0);
        w->n_open++;
}

static void wait_for_answers(World *w) {
        while (w->n_open > 0)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
}

static void calls_of_one_turn_go_out_as_one_request(void **state) {
        World *w = *state;

        for (unsigned i = 0; i < 100; i++)
                ask(w, i, "provider", 1000 + i);
        wait_for_answers(w);
        assert_int_equal(w->n_requests, 1);
        assert_int_equal(w->n_items, 100);
        for (unsigned i = 0; i < 100; i++) {
                assert_int_equal(w->answers[i].n_done, 1);
                assert_int_equal(w->answers[i].error, 0);
                assert_int_equal(w->answers[i].created_at, 1000 + i);
        }
}

static void keys_are_not_mixed_and_batches_are_bounded(void **state) {
        World *w = *state;

        for (unsigned i = 0; i < 1000; i++)
                ask(w, i, i % 2 ? "buyer" : "provider", 1000 + i);
        wait_for_answers(w);
        assert_int_equal(w->n_items, 1000);
        assert_true(w->n_requests >= 4 && w->n_requests <= 8);
        for (unsigned i = 0; i < 1000; i++)
                assert_int_equal(w->answers[i].created_at, 1000 + i);
}

static void one_bad_draft_fails_alone(void **state) {
        World *w = *state;

        ask(w, 0, "provider", 1000);
        ask(w, 1, "provider", 5);
        ask(w, 2, "provider", 1002);
        wait_for_answers(w);
        assert_int_equal(w->n_requests, 1);
        assert_int_equal(w->answers[0].created_at, 1000);
        assert_int_equal(w->answers[1].item_error, -EPERM);
        assert_string_equal(w->answers[1].text, "too old");
        assert_int_equal(w->answers[2].created_at, 1002);
}

static void a_refused_request_is_told_to_all_who_were_in_it(void **state) {
        World *w = *state;

        w->refuse = BUS_ERROR_NO_KEY;
        ask(w, 0, "buyer", 1000);
        ask(w, 1, "buyer", 1001);
        wait_for_answers(w);
        for (unsigned i = 0; i < 2; i++) {
                assert_true(w->answers[i].error < 0);
                assert_string_equal(w->answers[i].name, BUS_ERROR_NO_KEY);
                assert_string_equal(w->answers[i].text, "There is no key \"buyer\" yet.");
        }
}

static void cancelled_calls_are_not_called_back(void **state) {
        World *w = *state;

        ask(w, 0, "provider", 1000);
        ask(w, 1, "provider", 1001);
        signer_call_free(w->answers[0].call); /* while it waits */
        assert_null(w->answers[0].call);
        w->n_open--;
        ask(w, 2, "provider", 1002);
        w->answers[1].free_call = w->answers[2].call; /* while results are handed out */
        ask(w, 3, "provider", 1003);
        wait_for_answers(w);
        assert_int_equal(w->answers[0].n_done, 0);
        assert_int_equal(w->answers[2].n_done, 0);
        assert_int_equal(w->answers[3].created_at, 1003);
}

static void the_client_may_be_freed_by_a_callback(void **state) {
        World *w = *state;

        ask(w, 0, "provider", 1000);
        ask(w, 1, "provider", 1001);
        ask(w, 2, "buyer", 1002);
        w->answers[0].free_client = true;
        while (w->answers[0].n_done == 0)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        while (sd_event_run(w->event, 0) > 0)
                ;
        assert_null(w->client);
        assert_int_equal(w->answers[1].n_done + w->answers[2].n_done, 0);
}

static void texts_and_public_keys_have_their_results_too(void **state) {
        static const SignerText texts[] = { { "peer", NULL, "a" }, { "peer", NULL, "b" } };
        World *w = *state;

        w->answers[0].world = w->answers[1].world = w;
        w->n_open = 2;
        assert_int_equal(signer_decrypt(w->client, "provider", texts, 2, on_done, w->answers,
                                         &w->answers[0].call),
                        0);
        assert_int_equal(signer_public_key(w->client, "provider", on_done, w->answers + 1,
                                         &w->answers[1].call),
                        0);
        wait_for_answers(w);
        assert_int_equal(w->answers[0].n, 2);
        assert_string_equal(w->answers[0].text, "plain");
        assert_int_equal(w->answers[1].n, 1);
        assert_string_equal(w->answers[1].text, "c0ffee");
}

static void an_answer_with_too_few_results_is_no_answer(void **state) {
        static const SignerText texts[3] = { { "p", NULL, "a" }, { "p", NULL, "b" },
                { "p", NULL, "c" } };
        World *w = *state;

        w->answers[0].world = w;
        w->n_open = 1;
        assert_int_equal(signer_decrypt(w->client, "provider", texts, 3, on_done, w->answers, NULL),
                        0);
        wait_for_answers(w);
        assert_int_equal(w->answers[0].error, -EBADMSG);
}

/* Results are looked at while they are there. */
typedef struct Wrapped {
        World *world;
        size_t n;
        int errors[4];
        char texts[4][32];
} Wrapped;

static void on_wrapped(int error, _unused_ const char *name, _unused_ const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        Wrapped *v = userdata;

        assert_int_equal(error, 0);
        assert_true(n <= ELEMENTSOF(v->errors));
        v->n = n;
        v->world->n_open--;
        for (size_t i = 0; i < n; i++) {
                v->errors[i] = results[i].error;
                (void) snprintf(v->texts[i], sizeof(v->texts[i]), "%s",
                                results[i].rumor   ? rumor_content(results[i].rumor, NULL)
                                : results[i].event ? event_content(results[i].event, NULL)
                                                   : results[i].reason);
        }
}

static void a_rumor_is_wrapped_for_each_recipient_and_for_its_author(void **state) {
        static const char *const recipients[] = { "aa", "npub1", NULL };
        _cleanup_(draft_freep) Draft *d = NULL;
        World *w = *state;
        Wrapped v = { .world = w };

        assert_int_equal(draft_new(14, 1000, &d), 0);
        assert_int_equal(draft_content(d, "psst", 4), 0);
        assert_int_equal(signer_wrap(w->client, "agent:ada", d, recipients, on_wrapped, &v, NULL),
                        0);
        w->n_open++;
        wait_for_answers(w);
        assert_int_equal(w->n_requests, 1);
        assert_int_equal(w->n_items, 3);
        assert_int_equal(v.n, 3);
        assert_int_equal(v.errors[0], 0);
        assert_string_equal(v.texts[0], "psst");
        assert_int_equal(v.errors[1], -EINVAL);
        assert_string_equal(v.texts[1], "no key");
        assert_int_equal(v.errors[2], 0);
}

static void wraps_become_rumors_each_on_its_own(void **state) {
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        World *w = *state;
        Wrapped v = { .world = w };

        assert_int_equal(draft_new(1059, 1000, &d), 0);
        assert_int_equal(draft_sign(d, w->key, (uint8_t[32]){ 0 }, &e), 0);
        assert_int_equal(signer_unwrap(w->client, "agent:ada", (Event *const[]){ e, e }, 2,
                                         on_wrapped, &v, NULL),
                        0);
        w->n_open++;
        wait_for_answers(w);
        assert_int_equal(v.n, 2);
        assert_int_equal(v.errors[0], 0);
        assert_string_equal(v.texts[0], "psst");
        assert_int_equal(v.errors[1], -EBADMSG);
        assert_string_equal(v.texts[1], "it is not a gift wrap");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(
                                calls_of_one_turn_go_out_as_one_request, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                keys_are_not_mixed_and_batches_are_bounded, setup, teardown),
                cmocka_unit_test_setup_teardown(one_bad_draft_fails_alone, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                a_refused_request_is_told_to_all_who_were_in_it, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                cancelled_calls_are_not_called_back, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                the_client_may_be_freed_by_a_callback, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                texts_and_public_keys_have_their_results_too, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                a_rumor_is_wrapped_for_each_recipient_and_for_its_author, setup,
                                teardown),
                cmocka_unit_test_setup_teardown(
                                wraps_become_rumors_each_on_its_own, setup, teardown),
                cmocka_unit_test_setup_teardown(
                                an_answer_with_too_few_results_is_no_answer, setup, teardown),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
