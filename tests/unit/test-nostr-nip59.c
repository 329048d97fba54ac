/* nostr/rumor, nip59 and nip17: the official wraps, the fixture bit by bit, and every way in which
 * two layers may not agree. */
#include "tests/unit/vectors.h"

#include "basic/crypt.h"
#include "nostr/nip17.h"
#include "nostr/nip44.h"
#include "nostr/nip59.h"

#define NOW INT64_C(1760000000)

typedef struct World {
        Keypair *author, *recipient, *other, *once;
        uint8_t for_whom[32];
        WrapChance chance;
} World;

static int setup(void **state) {
        World *w = new0(World, 1);

        assert_non_null(w);
        assert_int_equal(keypair_new((uint8_t[32]){ [31] = 3 }, &w->author), 0);
        assert_int_equal(keypair_new((uint8_t[32]){ [31] = 4 }, &w->recipient), 0);
        assert_int_equal(keypair_new((uint8_t[32]){ [31] = 5 }, &w->other), 0);
        assert_int_equal(keypair_new((uint8_t[32]){ [31] = 6 }, &w->once), 0);
        memcpy(w->for_whom, keypair_pubkey(w->recipient), 32);
        w->chance.created_at = NOW - 1000;
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        keypair_free(w->author);
        keypair_free(w->recipient);
        keypair_free(w->other);
        keypair_free(w->once);
        free(w);
        return 0;
}

static const char *text_of(struct json_object *row) {
        return json_object_to_json_string_ext(row, JSON_C_TO_STRING_NOSLASHESCAPE);
}

static Event *event_of(struct json_object *row) {
        const char *text = text_of(row), *reason = NULL;
        Event *e = NULL;

        if (event_parse(text, strlen(text), &e, &reason) < 0)
                fail_msg("%s", reason);
        return e;
}

static Keypair *key_of(struct json_object *row, const char *name) {
        uint8_t secret[VECTOR_BYTES_MAX];
        Keypair *k = NULL;

        assert_int_equal(row_bytes(row, name, secret), 32);
        assert_int_equal(keypair_new(secret, &k), 0);
        return k;
}

/* The fixtures' key that has this public key. */
static Keypair *key_with(struct json_object *all, const char *pubkey) {
        json_object_object_foreach(row_get(all, "keys"), label, row) {
                if (streq(row_string(row, "pubkey"), pubkey))
                        return key_of(row, "secret");
                (void) label;
        }
        fail_msg("no key is %s", pubkey);
        return NULL;
}

static Rumor *opened(const Event *wrap, const Keypair *k) {
        const char *reason = NULL;
        Rumor *r = NULL;

        if (nip59_open(wrap, k, &r, &reason) < 0)
                fail_msg("%s", reason);
        return r;
}

/* The row's own fields, whatever their order. */
static void expect_rumor(const Rumor *r, struct json_object *row) {
        assert_string_equal(rumor_id_hex(r), row_string(row, "id"));
        assert_string_equal(rumor_pubkey_hex(r), row_string(row, "pubkey"));
        assert_string_equal(rumor_content(r, NULL), row_string(row, "content"));
        assert_int_equal(rumor_kind(r), row_int(row, "kind"));
        assert_int_equal(rumor_created_at(r), row_int(row, "created_at"));
        assert_int_equal(rumor_n_tags(r), json_object_array_length(row_get(row, "tags")));
}

static void the_nips_own_example_opens(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip59_nip17_vectors.json");
        struct json_object *row = row_get(all, "nip59");
        _cleanup_(keypair_freep) Keypair *recipient = key_of(row, "recipient_secret");
        _cleanup_(keypair_freep) Keypair *author = key_of(row, "author_secret");
        _cleanup_(event_unrefp) Event *wrap = event_of(row_get(row, "gift_wrap"));
        _cleanup_(rumor_unrefp) Rumor *r = opened(wrap, recipient);
        const char *reason = NULL;
        Rumor *none = NULL;

        expect_rumor(r, row_get(row, "rumor"));
        assert_memory_equal(rumor_pubkey(r), keypair_pubkey(author), 32);
        assert_int_equal(nip59_open(wrap, author, &none, &reason), -EBADMSG);
        assert_string_equal(reason, "the encrypted text was changed or is for another key");
}

static void both_wraps_of_nip17s_example_hold_the_same_message(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("nip59_nip17_vectors.json");
        struct json_object *wraps = row_get(row_get(all, "nip17"), "wraps"), *row;
        size_t n = 0;

        ROWS_FOREACH(row, wraps) {
                _cleanup_(keypair_freep) Keypair *k = key_of(row, "recipient_secret");
                _cleanup_(event_unrefp) Event *wrap = event_of(row_get(row, "gift_wrap"));
                _cleanup_(rumor_unrefp) Rumor *r = opened(wrap, k);
                const char *reason = NULL;
                PrivateText text;

                expect_rumor(r, row_get(row, "rumor"));
                assert_int_equal(private_message_read(r, &text, &reason), 0);
                assert_string_equal(text.text, "Hola, que tal?");
                assert_int_equal(text.n_recipients, 1);
                assert_null(text.subject);
                assert_null(text.reply_to);
                n++;
        }
        assert_int_equal(n, 2);
}

/* The nonce stands in the payload. */
static WrapChance chance_of(struct json_object *layer) {
        const char *payload = row_string(layer, "content");
        WrapChance c = { .created_at = row_int(layer, "created_at") };
        _cleanup_free_ uint8_t *bytes = NULL;
        size_t n;

        assert_int_equal(base64_decode(payload, strlen(payload), &bytes, &n), 0);
        memcpy(c.nonce, bytes + 1, 32);
        return c;
}

static void the_fixture_is_made_again_bit_by_bit(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("fixtures_computed.json");
        struct json_object *row = row_get(all, "nip17"), *seal_row = row_get(row, "seal"),
                           *wrap_row = row_get(row, "gift_wrap");
        _cleanup_(event_unrefp) Event *seal = NULL, *wrap = NULL, *theirs = event_of(wrap_row);
        WrapChance inner = chance_of(seal_row), outer = chance_of(wrap_row);
        _cleanup_(keypair_freep) Keypair *author = NULL, *recipient = NULL, *once = NULL;
        const char *json = row_string(row, "rumor_json"), *reason = NULL;
        _cleanup_(rumor_unrefp) Rumor *r = NULL, *again = NULL;
        author = key_with(all, row_string(seal_row, "pubkey"));
        once = key_with(all, row_string(wrap_row, "pubkey"));
        recipient = key_with(all, event_tag_value(theirs, "p"));
        assert_int_equal(rumor_parse(json, strlen(json), &r, &reason), 0);
        assert_string_equal(rumor_json(r, NULL), json);
        assert_int_equal(nip59_seal(r, author, keypair_pubkey(recipient), &inner, &seal), 0);
        assert_string_equal(event_id_hex(seal), row_string(seal_row, "id"));
        assert_int_equal(nip59_wrap(seal, once, keypair_pubkey(recipient),
                                         "wss://relay.example.com", &outer, &wrap),
                        0);
        assert_string_equal(event_json(wrap, NULL), event_json(theirs, NULL));
        again = opened(wrap, recipient);
        assert_string_equal(rumor_json(again, NULL), json);
}

static void a_forged_author_is_refused(_unused_ void **state) {
        _cleanup_json_object_ struct json_object *all = vectors_json("fixtures_computed.json");
        struct json_object *forged = row_get(row_get(all, "nip17"), "forged_must_reject");
        _cleanup_(event_unrefp) Event *wrap = event_of(row_get(forged, "gift_wrap"));
        _cleanup_(keypair_freep) Keypair *k = key_with(all, event_tag_value(wrap, "p"));
        const char *reason = NULL;
        Rumor *r = NULL;

        assert_int_equal(nip59_open(wrap, k, &r, &reason), -EBADMSG);
        assert_string_equal(reason, "it says that somebody else than the sealer wrote it");
}

static Rumor *rumor_of(const Keypair *author, const char *text) {
        _cleanup_(draft_freep) Draft *d = NULL;
        Rumor *r = NULL;

        assert_int_equal(draft_new(NIP17_MESSAGE_KIND, NOW, &d), 0);
        assert_int_equal(draft_content(d, text, strlen(text)), 0);
        assert_int_equal(rumor_new(d, keypair_pubkey(author), &r), 0);
        return r;
}

/* A seal as an attacker makes it: any text, any tag, any kind, by any key. */
static Event *seal_around(
                World *w, const Keypair *k, const char *text, uint16_t kind, const char *tag) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *payload = NULL;
        uint8_t conversation[32];
        Event *e = NULL;

        assert_int_equal(nip44_conversation_key(k, w->for_whom, conversation), 0);
        assert_int_equal(nip44_encrypt(conversation, w->chance.nonce, text, strlen(text), &payload),
                        0);
        assert_int_equal(draft_new(kind, NOW, &d), 0);
        if (tag)
                assert_int_equal(draft_tag(d, tag, "1", NULL), 0);
        assert_int_equal(draft_content(d, payload, strlen(payload)), 0);
        assert_int_equal(draft_sign(d, k, w->chance.random, &e), 0);
        return e;
}

static void expect_refused(World *w, const Event *seal, const char *expected) {
        _cleanup_(event_unrefp) Event *wrap = NULL;
        const char *reason = NULL;
        Rumor *r = NULL;

        assert_int_equal(nip59_wrap(seal, w->once, w->for_whom, NULL, &w->chance, &wrap), 0);
        assert_int_equal(nip59_open(wrap, w->recipient, &r, &reason), -EBADMSG);
        assert_string_equal(reason, expected);
        assert_null(r);
}

static void layers_that_do_not_agree_are_refused(void **state) {
        World *w = *state;
        _cleanup_(rumor_unrefp) Rumor *r = rumor_of(w->author, "hello");
        _cleanup_(event_unrefp) Event *thief = NULL, *tagged = NULL, *kind = NULL, *note = NULL,
                                      *expires = NULL, *wrap = NULL;
        _cleanup_(rumor_unrefp) Rumor *ok = NULL;
        const char *json = rumor_json(r, NULL), *reason = NULL;

        thief = seal_around(w, w->other, json, NIP59_SEAL_KIND, NULL);
        expect_refused(w, thief, "it says that somebody else than the sealer wrote it");
        tagged = seal_around(w, w->author, json, NIP59_SEAL_KIND, "p");
        expect_refused(w, tagged, "the seal has tags");
        kind = seal_around(w, w->author, json, 14, NULL);
        expect_refused(w, kind, "what is in the wrap is not a seal");
        note = seal_around(w, w->author, "hello", NIP59_SEAL_KIND, NULL);
        expect_refused(w, note, "an object is missing");

        expires = seal_around(w, w->author, json, NIP59_SEAL_KIND, "expiration");
        assert_int_equal(nip59_wrap(expires, w->once, w->for_whom, NULL, &w->chance, &wrap), 0);
        assert_int_equal(nip59_open(wrap, w->recipient, &ok, &reason), 0);
        assert_int_equal(nip59_open(expires, w->recipient, &ok, &reason), -EBADMSG);
        assert_string_equal(reason, "it is not a gift wrap");
}

static void a_rumor_that_is_signed_or_changed_is_refused(void **state) {
        World *w = *state;
        _cleanup_(rumor_unrefp) Rumor *r = rumor_of(w->author, "hello");
        _cleanup_(event_unrefp) Event *e = NULL, *signed_seal = NULL, *changed_seal = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *changed = strdup(rumor_json(r, NULL));
        const char *reason = NULL;
        Rumor *none = NULL;

        assert_int_equal(draft_new(NIP17_MESSAGE_KIND, NOW, &d), 0);
        assert_int_equal(draft_sign(d, w->author, w->chance.random, &e), 0);
        signed_seal = seal_around(w, w->author, event_json(e, NULL), NIP59_SEAL_KIND, NULL);
        expect_refused(w, signed_seal, "a signature is in it");

        assert_non_null(changed);
        memcpy(strstr(changed, "hello"), "hullo", 5);
        changed_seal = seal_around(w, w->author, changed, NIP59_SEAL_KIND, NULL);
        expect_refused(w, changed_seal, "the id does not fit the event");
        assert_int_equal(rumor_parse("{\"kind\":14}", 11, &none, &reason), -EBADMSG);
        assert_string_equal(reason, "a field is missing");
}

static void a_seal_inside_must_be_signed(void **state) {
        World *w = *state;
        _cleanup_(rumor_unrefp) Rumor *r = rumor_of(w->author, "hello");
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *wrap = NULL;
        _cleanup_free_ char *payload = NULL;
        const char *reason = NULL;
        uint8_t conversation[32];
        Rumor *none = NULL;

        /* a wrap whose inside is the bare rumor */
        assert_int_equal(nip44_conversation_key(w->once, w->for_whom, conversation), 0);
        assert_int_equal(nip44_encrypt(conversation, w->chance.nonce, rumor_json(r, NULL),
                                         strlen(rumor_json(r, NULL)), &payload),
                        0);
        assert_int_equal(draft_new(NIP59_WRAP_KIND, NOW, &d), 0);
        assert_int_equal(draft_content(d, payload, strlen(payload)), 0);
        assert_int_equal(draft_sign(d, w->once, w->chance.random, &wrap), 0);
        assert_int_equal(nip59_open(wrap, w->recipient, &none, &reason), -EBADMSG);
        assert_string_equal(reason, "what is in the wrap is no event that somebody signed");
}

static void the_longest_rumor_goes_through_both_layers(void **state) {
        World *w = *state;
        _cleanup_(event_unrefp) Event *seal = NULL, *wrap = NULL, *none = NULL;
        _cleanup_(rumor_unrefp) Rumor *empty = rumor_of(w->author, ""), *fits = NULL, *r = NULL,
                                      *over = NULL;
        size_t room = NIP59_RUMOR_MAX - strlen(rumor_json(empty, NULL));
        _cleanup_free_ char *text = malloc(room + 2);

        assert_non_null(text);
        memset(text, 'a', room + 1);
        text[room] = text[room + 1] = 0;
        fits = rumor_of(w->author, text);
        assert_int_equal(strlen(rumor_json(fits, NULL)), NIP59_RUMOR_MAX);
        assert_int_equal(nip59_seal(fits, w->author, w->for_whom, &w->chance, &seal), 0);
        assert_true(strlen(event_json(seal, NULL)) <= NIP44_TEXT_MAX);
        assert_int_equal(nip59_wrap(seal, w->once, w->for_whom, NULL, &w->chance, &wrap), 0);
        r = opened(wrap, w->recipient);
        assert_string_equal(rumor_content(r, NULL), text);

        text[room] = 'a';
        over = rumor_of(w->author, text);
        assert_int_equal(nip59_seal(over, w->author, w->for_whom, &w->chance, &none), -E2BIG);
        assert_int_equal(nip59_seal(fits, w->other, w->for_whom, &w->chance, &none), -EINVAL);
}

static void times_lie_in_the_last_two_days(_unused_ void **state) {
        assert_int_equal(nip59_back(NOW, 0), NOW);
        assert_int_equal(nip59_back(NOW, 1), NOW - 1);
        assert_int_equal(nip59_back(NOW, (uint64_t) NIP59_BACK_MAX), NOW);
        assert_true(nip59_back(NOW, UINT64_MAX) > NOW - NIP59_BACK_MAX);
        assert_int_equal(nip59_back(10, 100), 0);
}

static void a_message_names_whom_it_is_for_and_what_it_answers(void **state) {
        World *w = *state;
        static const char *const recipients[] = {
                "9e173308f7af56211a0330c0d9e40d89a61d54dfdc9d37ccf6770c64a221ceb9",
                "14375ab3afabda721b760bcb073763bd383e2dffa6491fe62d9f3d2a1601bd59", NULL
        };
        static const char *const nobody[] = { NULL };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(rumor_unrefp) Rumor *r = NULL;
        const char *reason = NULL;
        PrivateText text;

        assert_int_equal(private_message_draft(&(PrivateMessage){ .recipients = recipients,
                                                               .reply_to = recipients[0],
                                                               .subject = "lunch",
                                                               .text = "at noon?" },
                                         NOW, &d),
                        0);
        assert_int_equal(rumor_new(d, keypair_pubkey(w->author), &r), 0);
        assert_int_equal(private_message_read(r, &text, &reason), 0);
        assert_string_equal(text.text, "at noon?");
        assert_string_equal(text.subject, "lunch");
        assert_string_equal(text.reply_to, recipients[0]);
        assert_int_equal(text.n_recipients, 2);
        d = draft_free(d);
        assert_int_equal(
                        private_message_draft(&(PrivateMessage){ .recipients = nobody, .text = "" },
                                        NOW, &d),
                        -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_nips_own_example_opens),
                TEST(both_wraps_of_nip17s_example_hold_the_same_message),
                TEST(the_fixture_is_made_again_bit_by_bit),
                TEST(a_forged_author_is_refused),
                TEST(layers_that_do_not_agree_are_refused),
                TEST(a_rumor_that_is_signed_or_changed_is_refused),
                TEST(a_seal_inside_must_be_signed),
                TEST(the_longest_rumor_goes_through_both_layers),
                TEST(times_lie_in_the_last_two_days),
                TEST(a_message_names_whom_it_is_for_and_what_it_answers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
