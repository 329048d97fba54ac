/* host/trigger: which events concern an agent, and as what. */
#include "tests/unit/vectors.h"

#include "basic/text.h"
#include "client/agents-limits.h"
#include "nostr/nip17.h"
#include "trigger.h"

static const uint8_t agent_secret[32] = { [31] = 1 }, other_secret[32] = { [31] = 2 },
                     third_secret[32] = { [31] = 3 }, zeros[32];

typedef struct World {
        Keypair *agent, *other, *third;
        char agent_hex[HEX32_MAX], other_hex[HEX32_MAX], third_hex[HEX32_MAX];
        AgentSettings *settings;
        TriggerView view;
} World;

static Keypair *key_of(const uint8_t secret[static 32], char hex[static HEX32_MAX]) {
        Keypair *k = NULL;

        assert_int_equal(keypair_new(secret, &k), 0);
        hex_encode(keypair_pubkey(k), 32, hex);
        return k;
}

static void world(World *w) {
        w->agent = key_of(agent_secret, w->agent_hex);
        w->other = key_of(other_secret, w->other_hex);
        w->third = key_of(third_secret, w->third_hex);
        assert_int_equal(agent_settings_new("ada", &w->settings), 0);
        w->view = (TriggerView){ .pubkey = keypair_pubkey(w->agent),
                .pubkey_hex = w->agent_hex,
                .settings = w->settings,
                .network = NETWORK_MAINNET };
}

static void world_done(World *w) {
        (void) keypair_free(w->agent);
        (void) keypair_free(w->other);
        (void) keypair_free(w->third);
        (void) agent_settings_free(w->settings);
}
#define _cleanup_world_ _cleanup_(world_done)

static void edit(World *w, const char *key, const char *value) {
        _cleanup_free_ char *reason = NULL;

        if (agent_settings_edit(w->settings, &(AgentEdit){ key, value }, &reason) < 0)
                fail_msg("%s", reason);
}

static Draft *note(uint16_t kind, const char *content) {
        Draft *d = NULL;

        assert_int_equal(draft_new(kind, 1700000000, &d), 0);
        assert_int_equal(draft_content(d, content, strlen(content)), 0);
        return d;
}

/* Signs and judges; the draft is gone. */
static TriggerVerdict judge(
                const World *w, const Keypair *by, Draft *draft, bool named, TriggerFound *ret) {
        _cleanup_(draft_freep) Draft *d = draft;
        _cleanup_(event_unrefp) Event *e = NULL;
        TriggerVerdict verdict;

        assert_int_equal(draft_sign(d, by, zeros, &e), 0);
        assert_int_equal(trigger_read(e, named, &w->view, ret, &verdict), 0);
        return verdict;
}

static void assert_what(const World *w, Draft *d, const char *what) {
        TriggerFound found;
        TriggerVerdict verdict = judge(w, w->other, d, true, &found);

        assert_int_equal(verdict, what ? TRIGGER_SEEN : TRIGGER_NOTHING);
        if (what)
                assert_string_equal(found.what, what);
        trigger_found_done(&found);
}

#define ID  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID2 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void a_note_that_names_it_is_a_mention(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        TriggerFound found;
        Draft *d;

        world(&w);
        d = note(1, "hello nostr:ada");
        assert_int_equal(draft_tag(d, "p", w.agent_hex, NULL), 0);
        assert_int_equal(judge(&w, w.other, d, true, &found), TRIGGER_SEEN);
        assert_string_equal(found.what, "mention");
        assert_string_equal(found.author, w.other_hex);
        assert_string_equal(found.text, "hello nostr:ada");
        assert_string_equal(found.event, "");
        assert_int_equal(found.at, 1700000000);
        trigger_found_done(&found);
}

static void an_answer_to_its_own_note_is_a_reply(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        TriggerFound found;
        Draft *d;

        world(&w);
        d = note(1, "yes");
        assert_int_equal(draft_tag(d, "e", ID, "", "root", w.third_hex, NULL), 0);
        assert_int_equal(draft_tag(d, "e", ID2, "", "reply", w.agent_hex, NULL), 0);
        assert_int_equal(draft_tag(d, "p", w.third_hex, NULL), 0);
        assert_int_equal(draft_tag(d, "p", w.agent_hex, NULL), 0);
        assert_int_equal(judge(&w, w.other, d, true, &found), TRIGGER_SEEN);
        assert_string_equal(found.what, "reply");
        assert_string_equal(found.event, ID2);
        trigger_found_done(&found);
}

static void an_answer_to_somebody_else_that_names_it_is_a_mention(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        Draft *d;

        world(&w);
        d = note(1, "yes");
        assert_int_equal(draft_tag(d, "e", ID, "", "root", w.third_hex, NULL), 0);
        assert_int_equal(draft_tag(d, "p", w.agent_hex, NULL), 0);
        assert_what(&w, d, "mention");
        d = note(1, "yes");
        assert_int_equal(draft_tag(d, "e", ID, "", "root", NULL), 0);
        assert_int_equal(draft_tag(d, "p", w.third_hex, NULL), 0);
        assert_int_equal(draft_tag(d, "p", w.agent_hex, NULL), 0);
        assert_what(&w, d, "mention");
}

static void whose_it_answers_is_who_is_named_first_where_nothing_else_says_so(
                _unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        Draft *d;

        world(&w);
        d = note(1, "yes");
        assert_int_equal(draft_tag(d, "e", ID, "", "root", NULL), 0);
        assert_int_equal(draft_tag(d, "p", w.agent_hex, NULL), 0);
        assert_int_equal(draft_tag(d, "p", w.third_hex, NULL), 0);
        assert_what(&w, d, "reply");
        d = note(1, "in the old way");
        assert_int_equal(draft_tag(d, "e", ID, NULL), 0);
        assert_int_equal(draft_tag(d, "p", w.agent_hex, NULL), 0);
        assert_what(&w, d, "reply");
}

static void its_own_notes_and_those_of_the_muted_are_nothing(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        TriggerFound found;
        uint8_t muted[1][32];
        Draft *d;

        world(&w);
        d = note(1, "me");
        assert_int_equal(draft_tag(d, "p", w.agent_hex, NULL), 0);
        assert_int_equal(judge(&w, w.agent, d, true, &found), TRIGGER_NOTHING);
        memcpy(muted[0], keypair_pubkey(w.other), 32);
        w.view.muted = (const uint8_t(*)[32]) muted;
        w.view.n_muted = 1;
        assert_what(&w, note(1, "him"), NULL);
}

static void reactions_reposts_and_other_kinds_are_nothing(_unused_ void **state) {
        static const uint16_t kinds[] = { 0, 3, 5, 6, 7, 16, 42, 1984, 6050, 10002, 30023 };
        _cleanup_world_ World w = { 0 };

        world(&w);
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                Draft *d = note(kinds[i], "+");

                assert_int_equal(draft_tag(d, "p", w.agent_hex, NULL), 0);
                assert_int_equal(draft_tag(d, "e", ID, NULL), 0);
                assert_what(&w, d, NULL);
        }
}

static void what_it_does_not_listen_to_is_nothing(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        TriggerFound found;

        world(&w);
        edit(&w, "triggers", "zap");
        assert_what(&w, note(1, "hello"), NULL);
        assert_int_equal(judge(&w, w.other, note(4, "x?iv=y"), true, &found), TRIGGER_NOTHING);
        edit(&w, "triggers", "reply");
        assert_what(&w, note(1, "hello"), NULL);
}

static void messages_are_sealed_until_the_signer_opens_them(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        TriggerFound found;

        world(&w);
        assert_int_equal(judge(&w, w.other, note(4, "x?iv=y"), true, &found), TRIGGER_SEALED);
        assert_int_equal(judge(&w, w.other, note(1059, "x"), true, &found), TRIGGER_SEALED);
        assert_int_equal(judge(&w, w.other, note(1059, "x"), false, &found), TRIGGER_NOTHING);
        edit(&w, "triggers", "zap");
        assert_int_equal(judge(&w, w.other, note(1059, "x"), true, &found), TRIGGER_NOTHING);
        edit(&w, "owner.npub", w.third_hex); /* he may approve */
        assert_int_equal(judge(&w, w.other, note(1059, "x"), true, &found), TRIGGER_SEALED);
}

static void an_opened_message_is_of_who_wrote_it(_unused_ void **state) {
        const char *recipients[] = { NULL, NULL };
        _cleanup_(rumor_unrefp) Rumor *his = NULL, *mine = NULL, *reaction = NULL;
        _cleanup_(draft_freep) Draft *message = NULL, *plus = note(7, "+");
        _cleanup_world_ World w = { 0 };
        TriggerVerdict verdict;
        TriggerFound found;

        world(&w);
        recipients[0] = w.agent_hex;
        assert_int_equal(private_message_draft(&(PrivateMessage){ .recipients = recipients,
                                                               .reply_to = ID,
                                                               .text = "psst" },
                                         1700000000, &message),
                        0);
        assert_int_equal(rumor_new(message, keypair_pubkey(w.other), &his), 0);
        assert_int_equal(rumor_new(message, keypair_pubkey(w.agent), &mine), 0);
        assert_int_equal(rumor_new(plus, keypair_pubkey(w.other), &reaction), 0);

        assert_int_equal(trigger_read_rumor(his, &w.view, &found, &verdict), 0);
        assert_int_equal(verdict, TRIGGER_SEEN);
        assert_string_equal(found.what, "dm");
        assert_string_equal(found.author, w.other_hex);
        assert_string_equal(found.text, "psst");
        assert_string_equal(found.event, ID);
        trigger_found_done(&found);
        assert_int_equal(trigger_read_rumor(mine, &w.view, &found, &verdict), 0);
        assert_int_equal(verdict, TRIGGER_NOTHING);
        assert_int_equal(trigger_read_rumor(reaction, &w.view, &found, &verdict), 0);
        assert_int_equal(verdict, TRIGGER_NOTHING);
}

static void who_only_approves_is_heard_and_nobody_else(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        TriggerVerdict verdict;
        TriggerFound found;

        world(&w);
        edit(&w, "triggers", "zap");
        edit(&w, "owner.npub", w.third_hex);
        assert_int_equal(trigger_read_dm(w.other_hex, "hi", 1, &w.view, &found, &verdict), 0);
        assert_int_equal(verdict, TRIGGER_NOTHING);
        assert_int_equal(trigger_read_dm(w.third_hex, "ok 1234", 1, &w.view, &found, &verdict), 0);
        assert_int_equal(verdict, TRIGGER_SEEN);
        trigger_found_done(&found);
}

static void keywords_are_whole_words_and_hashtags_are_tags(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        TriggerFound found;
        Draft *d;

        world(&w);
        edit(&w, "triggers", "keyword");
        edit(&w, "keywords", "pylon, #NostR");
        assert_int_equal(judge(&w, w.other, note(1, "a Pylon, they say"), false, &found),
                        TRIGGER_SEEN);
        assert_string_equal(found.what, "keyword");
        trigger_found_done(&found);
        assert_int_equal(judge(&w, w.other, note(1, "pylons, upylon, pylon_x, \xc3\xa9pylon"),
                                         false, &found),
                        TRIGGER_NOTHING);
        assert_int_equal(judge(&w, w.other, note(1, "#nostr in the text alone"), false, &found),
                        TRIGGER_NOTHING);
        d = note(1, "tagged");
        assert_int_equal(draft_tag(d, "t", "nostr", NULL), 0);
        assert_int_equal(judge(&w, w.other, d, false, &found), TRIGGER_SEEN);
        trigger_found_done(&found);
}

static void a_long_text_is_cut_between_two_characters(_unused_ void **state) {
        _cleanup_world_ World w = { 0 };
        char text[3 * OBSERVATION_TEXT_MAX];
        TriggerFound found;

        world(&w);
        memset(text, 'a', sizeof(text));
        for (size_t i = 1; i + 2 < sizeof(text); i += 2)
                memcpy(text + i, "\xc3\xa9", 2);
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(judge(&w, w.other, note(1, text), true, &found), TRIGGER_SEEN);
        assert_in_range(strlen(found.text), OBSERVATION_TEXT_MAX - 1, OBSERVATION_TEXT_MAX);
        assert_true(utf8_is_valid(found.text, strlen(found.text)));
        trigger_found_done(&found);
}

static void a_zap_says_who_sent_it_and_which_server_must_be_asked(_unused_ void **state) {
        struct json_object *all = vectors_json("fixtures_computed.json");
        _cleanup_(event_unrefp) Event *receipt = NULL;
        _cleanup_world_ World w = { 0 };
        TriggerVerdict verdict;
        TriggerFound found;
        const char *text, *reason;
        char hex[HEX32_MAX];
        uint8_t us[32];

        world(&w);
        text = json_object_to_json_string_ext(row_get(row_get(all, "zap"), "zap_receipt"),
                        JSON_C_TO_STRING_NOSLASHESCAPE);
        assert_int_equal(event_parse(text, strlen(text), &receipt, &reason), 0);
        assert_int_equal(hex_decode(event_tag_value(receipt, "p"), us, 32), 0);
        hex_encode(us, 32, hex);
        w.view.pubkey = us;
        w.view.pubkey_hex = hex;

        assert_int_equal(trigger_read(receipt, true, &w.view, &found, &verdict), 0);
        assert_int_equal(verdict, TRIGGER_SEEN);
        assert_string_equal(found.what, "zap");
        assert_int_equal(found.msat, 21000);
        assert_string_equal(found.text, "Zap!");
        assert_string_equal(found.server, event_pubkey_hex(receipt));
        assert_string_equal(found.author, event_tag_value(receipt, "P"));
        assert_int_equal(strlen(found.hash), 64);
        trigger_found_done(&found);

        edit(&w, "zap_min_sats", "22");
        assert_int_equal(trigger_read(receipt, true, &w.view, &found, &verdict), 0);
        assert_int_equal(verdict, TRIGGER_NOTHING);
        edit(&w, "zap_min_sats", "21");
        w.view.pubkey = keypair_pubkey(w.agent); /* for somebody else */
        assert_int_equal(trigger_read(receipt, true, &w.view, &found, &verdict), 0);
        assert_int_equal(verdict, TRIGGER_NOTHING);
        (void) json_object_put(all);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_note_that_names_it_is_a_mention),
                cmocka_unit_test(an_answer_to_its_own_note_is_a_reply),
                cmocka_unit_test(an_answer_to_somebody_else_that_names_it_is_a_mention),
                cmocka_unit_test(whose_it_answers_is_who_is_named_first_where_nothing_else_says_so),
                cmocka_unit_test(its_own_notes_and_those_of_the_muted_are_nothing),
                cmocka_unit_test(reactions_reposts_and_other_kinds_are_nothing),
                cmocka_unit_test(what_it_does_not_listen_to_is_nothing),
                cmocka_unit_test(messages_are_sealed_until_the_signer_opens_them),
                cmocka_unit_test(an_opened_message_is_of_who_wrote_it),
                cmocka_unit_test(who_only_approves_is_heard_and_nobody_else),
                cmocka_unit_test(keywords_are_whole_words_and_hashtags_are_tags),
                cmocka_unit_test(a_long_text_is_cut_between_two_characters),
                cmocka_unit_test(a_zap_says_who_sent_it_and_which_server_must_be_asked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
