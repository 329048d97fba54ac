/* host/settings: an agent's file, of ours and of the predecessor. */
#include "tests/unit/unit.h"

#include "basic/file.h"
#include "basic/text.h"
#include "settings.h"

#define NPUB  "npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu"
#define HEX   "17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917"
#define WORDS "leader monkey parrot ring guide accident before fence cannon height naive bean"

static void note_remark(const ConfigRemark *remark, void *userdata) {
        static const char *const severities[_CONFIG_SEVERITY_MAX] = { "error", "warning",
                "notice" };

        assert_int_equal(buffer_addf(userdata, "%u:%u %s: %s\n", remark->line, remark->column,
                                         severities[remark->severity], remark->text),
                        0);
}

static AgentSettings *read_settings(const char *text, Secret **ret_mnemonic) {
        _cleanup_buffer_ Buffer remarks = { .max = 8192 };
        AgentSettings *s = NULL;

        if (agent_settings_parse(text, strlen(text), note_remark, &remarks, &s, ret_mnemonic) < 0)
                fail_msg("%s", remarks.data);
        return s;
}

static void assert_remarks(const char *text, int result, const char *expected) {
        _cleanup_(agent_settings_freep) AgentSettings *s = NULL;
        _cleanup_buffer_ Buffer remarks = { .max = 8192 };

        assert_int_equal(agent_settings_parse(text, strlen(text), note_remark, &remarks, &s, NULL),
                        result);
        assert_string_equal(remarks.data ?: "", expected);
}

static void a_name_is_enough(_unused_ void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s = read_settings("name = \"ada\"", NULL);

        assert_string_equal(s->name, "ada");
        assert_int_equal(s->heartbeat, 900 * SEC);
        assert_int_equal(strv_length(s->triggers), 4);
        assert_int_equal(s->autonomy, AUTONOMY_BOUNDED);
        assert_int_equal(s->mind, MIND_EXEC);
        assert_int_equal(s->hibernate_msat, 1000000);
        assert_int_equal(s->approve_above_msat, -1);
        assert_int_equal(s->keep_texts, 30 * 24 * HOUR);
        assert_true(s->active && s->notify_owner && s->encrypt && !s->nip_sa);
        assert_string_equal(s->owner_hex, "");
}

static void the_predecessors_file_is_read_and_its_words_come_apart(_unused_ void **state) {
        static const char text[] =
                        "name = \"My Agent\"\npubkey = \"" HEX "\"\nnpub = \"" NPUB "\"\n"
                        "mnemonic_encrypted = \"" WORDS "\"\nspark_address = \"sp1q\"\n"
                        "network = \"regtest\"\nrelays = [\"wss://nos.lol\"]\n"
                        "created_at = 1735689600\nstate = \"spawning\"\ntick_count = 0\n"
                        "[profile]\nname = \"My Agent\"\nabout = \"A test\"\nautonomy = \"autonomous\"\n"
                        "capabilities = [\"general\"]\nversion = \"1.0.0\"\n"
                        "[schedule]\nheartbeat_seconds = 600\ntriggers = [\"mention\", \"dm\", \"zap\"]\n"
                        "active = true\n[runway]\nlow_balance_days = 3\ndaily_burn_sats = 1000\n"
                        "hibernate_threshold_sats = 500\ndaily_limit_sats = 9000\n"
                        "per_tick_limit_sats = 100\n";
        _cleanup_(secret_freep) Secret *mnemonic = NULL;
        _cleanup_(agent_settings_freep) AgentSettings *s = read_settings(text, &mnemonic);
        _cleanup_buffer_ Buffer written = { .max = AGENT_SETTINGS_MAX };

        assert_string_equal(s->name, "my-agent");
        assert_string_equal(s->display_name, "My Agent");
        assert_string_equal(s->npub, NPUB);
        assert_string_equal(s->pubkey, HEX);
        assert_int_equal(s->created_at, 1735689600);
        assert_int_equal(s->autonomy, AUTONOMY_FULL);
        assert_int_equal(s->heartbeat, 600 * SEC);
        assert_int_equal(s->low_balance_days, 3);
        assert_int_equal(s->hibernate_msat, 500000);
        assert_int_equal(s->day_max_msat, 9000000);
        assert_int_equal(s->tick_max_msat, 100000);
        assert_non_null(mnemonic);
        assert_string_equal(secret_text(mnemonic), WORDS);

        assert_int_equal(agent_settings_write(s, true, &written), 0);
        assert_null(strstr(written.data, "leader"));
        assert_null(strstr(written.data, "mnemonic"));
}

static void the_layout_of_host_mode_is_read(_unused_ void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s = read_settings(
                        "npub = \"" NPUB "\"\ncreated_at = 2026-01-01T00:00:00Z\n"
                        "[profile]\nname = \"Research Bot\"\n[network]\nbitcoin = \"regtest\"\n"
                        "[relays]\nurls = [\"ws://127.0.0.1:7447\"]\n[runway]\ndaily_burn_sats = 100\n",
                        NULL);

        assert_string_equal(s->name, "research-bot");
        assert_string_equal(s->display_name, "Research Bot");
        assert_string_equal(s->network, "regtest");
        assert_int_equal(strv_length(s->relays), 1);
        assert_string_equal(s->relays[0], "ws://127.0.0.1:7447");
        assert_int_equal(s->created_at, 0);
}

static void a_mistake_is_named_with_its_place(_unused_ void **state) {
        assert_remarks("name = \"ada\"\n[schedule]\nheartbeat_seconds = 0\n", -EBADMSG,
                        "3:21 error: 'heartbeat_seconds' must be a whole number of seconds, from 1 to 604800\n");
        assert_remarks("name = \"ada\"\n[schedule]\ncalendar = [\"daily\", \"nonsense\"]\n",
                        -EBADMSG,
                        "3:22 error: 'calendar' must be a list of calendar events such as \"Mon..Fri 9..17:*\"\n");
        assert_remarks("name = \"ada\"\n[mind]\ntype = \"brain\"\n", -EBADMSG,
                        "3:8 error: 'type' must be \"exec\", \"nip90\" or \"local\"\n");
        assert_remarks("name = \"ada\"\n[policy]\nallow = [\"rm\"]\n", -EBADMSG,
                        "3:10 error: 'allow' must be a list of actions such as \"post\" and \"reply\"\n");
        assert_remarks("name = \"ada\"\ncolour = 3\n", 0,
                        "2:1 warning: there is no setting 'colour' of an agent here, it is ignored\n");
        assert_remarks("profile = 3\nname = \"ada\"\n", -EBADMSG,
                        "1:11 error: 'profile' is a section: write [profile] and its settings below\n");
        assert_remarks("", -EBADMSG, "0:0 error: the agent has no 'name'\n");
        assert_remarks("name = \"!?\"\n", -EBADMSG,
                        "1:8 error: 'name' must be a name of at most 32 lowercase letters, digits, '.', '_' and '-' that begins with a letter or digit\n");
        assert_remarks("name = \"a\n", -EBADMSG, "1:8 error: the string has no end\n");
}

static void sats_are_millisats_in_memory_and_none_is_none(_unused_ void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s =
                        read_settings("name = \"ada\"\n[runway]\ndaily_limit_sats = -1\n"
                                      "[limits]\nper_payment_sats = 21\napprove_above_sats = 0\n",
                                        NULL);

        assert_int_equal(s->day_max_msat, -1);
        assert_int_equal(s->payment_max_msat, 21000);
        assert_int_equal(s->approve_above_msat, 0);
        assert_remarks("name = \"ada\"\n[runway]\ndaily_limit_sats = 9223372036854775807\n",
                        -EBADMSG,
                        "3:20 error: 'daily_limit_sats' must be a whole number of sats, from -1 to 2100000000000000\n");
}

static void an_owner_is_hex_in_memory_and_an_npub_in_the_file(_unused_ void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s =
                        read_settings("name = \"ada\"\n[owner]\nnpub = \"" NPUB "\"\n", NULL);
        _cleanup_buffer_ Buffer b = { .max = AGENT_SETTINGS_MAX };

        assert_string_equal(s->owner_hex, HEX);
        assert_int_equal(agent_settings_write(s, false, &b), 0);
        assert_string_equal(b.data, "name = \"ada\"\n\n[owner]\nnpub = \"" NPUB "\"\n");
}

static void what_is_written_is_read_as_the_same(_unused_ void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s = NULL, *copy = NULL;
        _cleanup_buffer_ Buffer all = { .max = AGENT_SETTINGS_MAX }, again = all;

        s = read_settings(
                        "name = \"ada\"\n[profile]\nabout = \"\"\"two\nlines \\\"quoted\\\"\"\"\"\n"
                        "[schedule]\nquiet_hours = [\"22:00-07:00\"]\nheartbeat_seconds = \"2h\"\n"
                        "[mind]\nexec = [\"/bin/cat\", \"-\"]\nkeep_texts_days = 2\n",
                        NULL);
        assert_int_equal(agent_settings_copy(s, &copy), 0);
        assert_int_equal(agent_settings_write(s, true, &all), 0);
        assert_int_equal(agent_settings_write(copy, true, &again), 0);
        assert_string_equal(all.data, again.data);
        assert_non_null(strstr(all.data, "heartbeat_seconds = 7200\n"));
        assert_non_null(strstr(all.data, "about = \"two\\nlines \\\"quoted\\\"\"\n"));
}

static void assert_edit(AgentSettings *s, const char *key, const char *value, int result,
                const char *reason) {
        _cleanup_free_ char *words = NULL;
        int r;

        r = agent_settings_edit(s, &(AgentEdit){ key, value }, &words);
        if (r != result)
                fail_msg("%s = %s: %d, %s", key, value, r, words ?: "");
        if (reason)
                assert_string_equal(words, reason);
}

static void one_value_is_changed_as_people_write_it(_unused_ void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s = read_settings("name = \"ada\"", NULL);

        assert_edit(s, "schedule.heartbeat_seconds", "60", 0, NULL);
        assert_int_equal(s->heartbeat, 60 * SEC);
        assert_edit(s, "heartbeat_seconds", "5min", 0, NULL);
        assert_int_equal(s->heartbeat, 300 * SEC);
        assert_edit(s, "profile.about", "I say \"hello\"", 0, NULL);
        assert_string_equal(s->about, "I say \"hello\"");
        assert_edit(s, "triggers", "dm, zap", 0, NULL);
        assert_int_equal(strv_length(s->triggers), 2);
        assert_string_equal(s->triggers[1], "zap");
        assert_edit(s, "triggers", "", 0, NULL);
        assert_int_equal(strv_length(s->triggers), 0);
        assert_edit(s, "schedule.calendar", "[\"daily\", \"Mon,Tue 9:00\"]", 0, NULL);
        assert_int_equal(strv_length(s->calendar), 2);
        assert_edit(s, "owner.npub", HEX, 0, NULL);
        assert_string_equal(s->owner_hex, HEX);
        assert_edit(s, "mind.type", "nip90", 0, NULL);
        assert_int_equal(s->mind, MIND_NIP90);
        assert_edit(s, "profile.nip_sa", "true", 0, NULL);
        assert_true(s->nip_sa);
}

static void what_is_wrong_changes_nothing(_unused_ void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s = read_settings("name = \"ada\"", NULL);

        assert_edit(s, "schedule.heartbeat", "60", -ENOENT,
                        "there is no setting 'schedule.heartbeat' of an agent");
        assert_edit(s, "npub", HEX, -EPERM, "'npub' cannot be changed");
        assert_edit(s, "heartbeat_seconds", "soon", -EINVAL,
                        "'heartbeat_seconds' must be a whole number of seconds, from 1 to 604800");
        assert_int_equal(s->heartbeat, 900 * SEC);
        assert_edit(s, "triggers", "dm, love", -EINVAL, NULL);
        assert_int_equal(strv_length(s->triggers), 4);
        assert_edit(s, "profile.about",
                        "a\x01"
                        "b",
                        -EINVAL, NULL);
        assert_edit(s, "profile.about", "\"a\"\nname = \"b\"", 0, NULL); /* one text of two lines */
        assert_string_equal(s->name, "ada");
}

static void names_are_made_of_what_people_call_it(_unused_ void **state) {
        char name[AGENT_NAME_LENGTH_MAX + 1];

        assert_true(agent_name_is_valid("ada"));
        assert_true(agent_name_is_valid("0.a_b-c"));
        assert_false(agent_name_is_valid(""));
        assert_false(agent_name_is_valid(".a"));
        assert_false(agent_name_is_valid("Ada"));
        assert_false(agent_name_is_valid("a/b"));
        assert_false(agent_name_is_valid("abcdefghijklmnopqrstuvwxyz0123456"));
        assert_int_equal(agent_name_from("  My Agent! ", name), 0);
        assert_string_equal(name, "my-agent");
        assert_int_equal(agent_name_from("../../etc/passwd", name), 0);
        assert_string_equal(name, "etc-passwd");
        assert_int_equal(agent_name_from("---", name), -EINVAL);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_name_is_enough),
                cmocka_unit_test(the_predecessors_file_is_read_and_its_words_come_apart),
                cmocka_unit_test(the_layout_of_host_mode_is_read),
                cmocka_unit_test(a_mistake_is_named_with_its_place),
                cmocka_unit_test(sats_are_millisats_in_memory_and_none_is_none),
                cmocka_unit_test(an_owner_is_hex_in_memory_and_an_npub_in_the_file),
                cmocka_unit_test(what_is_written_is_read_as_the_same),
                cmocka_unit_test(one_value_is_changed_as_people_write_it),
                cmocka_unit_test(what_is_wrong_changes_nothing),
                cmocka_unit_test(names_are_made_of_what_people_call_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
