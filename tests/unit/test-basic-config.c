/* basic/config: the defaults, each type, and what a person reads about a mistake. */
#include "tests/unit/unit.h"

#include "basic/config.h"
#include "basic/file.h"
#include "basic/text.h"

/* All remarks of a file, one a line. */
static void note_remark(const ConfigRemark *remark, void *userdata) {
        static const char *const severities[_CONFIG_SEVERITY_MAX] = { "error", "warning",
                "notice" };

        assert_int_equal(buffer_addf(userdata, "%u:%u %s: %s\n", remark->line, remark->column,
                                         severities[remark->severity], remark->text),
                        0);
}

static Config *read_config(const char *text) {
        _cleanup_buffer_ Buffer remarks = { .max = 8192 };
        Config *c = NULL;

        assert_int_equal(config_parse(text, strlen(text), note_remark, &remarks, &c), 0);
        if (remarks.size > 0)
                fail_msg("%s", remarks.data);
        return c;
}

static void assert_remarks(const char *text, int result, const char *expected) {
        _cleanup_buffer_ Buffer remarks = { .max = 8192 };
        _cleanup_(config_freep) Config *c = NULL;

        assert_int_equal(config_parse(text, strlen(text), note_remark, &remarks, &c), result);
        assert_string_equal(remarks.data ?: "", expected);
}

static void an_empty_file_has_every_default(_unused_ void **state) {
        _cleanup_(config_freep) Config *c = read_config("");

        assert_string_equal(c->name, "Pylon");
        assert_string_equal(c->description, "");
        assert_int_equal(c->min_price_msats, 1000);
        assert_true(c->require_payment);
        assert_string_equal(c->default_model, "llama3.2");
        assert_int_equal(strv_length(c->backend_preference), 3);
        assert_int_equal(c->network, NETWORK_REGTEST);
        assert_true(c->enable_payments);
        assert_int_equal(c->provider.max_concurrent_jobs, 4);
        assert_int_equal(c->provider.queue_max, 10000);
        assert_int_equal(c->provider.per_customer_max, 100);
        assert_int_equal(c->provider.job_timeout, 5 * MIN_);
        assert_int_equal(c->provider.accept_age, 15 * MIN_);
        assert_int_equal(c->provider.drain_timeout, 30 * SEC);
        assert_int_equal(c->provider.kinds.n_kinds, 0);
        assert_int_equal(c->pow.max_bits, 28);
        assert_int_equal(c->pow.workers, 0);
        assert_string_equal(c->relay.listen, "127.0.0.1:7447");
        assert_int_equal(c->relay.outbox_max, 100000);
        assert_string_equal(c->log.level, "info");
        assert_int_equal(c->log.max_size, 10 << 20);
        assert_true(c->host.auto_start_agents);
}

static void a_missing_file_is_an_empty_one(_unused_ void **state) {
        _cleanup_(config_freep) Config *c = NULL;

        assert_int_equal(config_load("/nowhere/config.toml", NULL, NULL, &c), 0);
        assert_string_equal(c->name, "Pylon");
}

static void a_file_that_cannot_be_read_is_an_error(_unused_ void **state) {
        _cleanup_buffer_ Buffer remarks = { .max = 8192 };
        _cleanup_(config_freep) Config *c = NULL;

        assert_int_equal(config_load("/", note_remark, &remarks, &c), -EISDIR);
        assert_string_equal(
                        remarks.data, "0:0 error: the file could not be read: Is a directory\n");
}

static void the_relays_follow_the_network_until_they_are_set(_unused_ void **state) {
        _cleanup_(config_freep) Config *local = read_config("[relay]\nlisten = \"127.0.0.1:9\""),
                                       *open = read_config("network = \"mainnet\""),
                                       *set = read_config("relays = [\"wss://a.example\"]"),
                                       *none = read_config("relays = []");

        assert_string_equal(local->relays[0], "ws://127.0.0.1:9");
        assert_true(config_local_relay(local));
        assert_int_equal(strv_length(open->relays), 2);
        assert_string_equal(open->relays[0], "wss://relay.damus.io");
        assert_false(config_local_relay(open));
        assert_string_equal(set->relays[0], "wss://a.example");
        assert_int_equal(strv_length(none->relays), 0);
}

static void the_originals_minimal_file_works(_unused_ void **state) {
        _cleanup_(config_freep) Config *c =
                        read_config("relays = [\"wss://relay.damus.io\", \"wss://nos.lol\"]\n"
                                    "min_price_msats = 500\nrequire_payment = false\n"
                                    "backend_preference = [\"ollama\", \"llamacpp\"]\n"
                                    "network = \"testnet\"\n[provider]\nmax_concurrent_jobs = 8\n"
                                    "[host]\nauto_start_agents = false\n");

        assert_int_equal(c->min_price_msats, 500);
        assert_false(c->require_payment);
        assert_int_equal(c->network, NETWORK_TESTNET);
        assert_int_equal(c->provider.max_concurrent_jobs, 8);
        assert_false(c->host.auto_start_agents);
}

static void every_type_is_read(_unused_ void **state) {
        _cleanup_(config_freep) Config *c = read_config(
                        "[provider]\njob_timeout = 90\naccept_age = \"2h\"\nkinds = [5970, 5050]\n"
                        "[relay]\nlocal = false\nallowed_origins = [\"https://example.com\"]\n"
                        "[log]\nlevel = \"debug\"\nmax_size = \"512K\"\n");

        assert_int_equal(c->provider.job_timeout, 90 * SEC);
        assert_int_equal(c->provider.accept_age, 2 * HOUR);
        assert_int_equal(c->provider.kinds.n_kinds, 2);
        assert_int_equal(c->provider.kinds.kinds[0], 5970);
        assert_false(config_local_relay(c));
        assert_string_equal(c->relay.allowed_origins[0], "https://example.com");
        assert_string_equal(c->log.level, "debug");
        assert_int_equal(c->log.max_size, 512 << 10);
}

static void an_unknown_name_warns_and_names_the_nearest(_unused_ void **state) {
        assert_remarks("min_price_msat = 5\n", 0,
                        "1:1 warning: there is no setting 'min_price_msat' here, it is ignored; "
                        "did you mean 'min_price_msats'?\n");
        assert_remarks("[pow]\nmax_bit = 5\n", 0,
                        "2:1 warning: there is no setting 'max_bit' here, it is ignored; did you "
                        "mean 'max_bits'?\n");
        assert_remarks("max_bits = 5\n", 0,
                        "1:1 warning: there is no setting 'max_bits' here, it is ignored; did you "
                        "mean 'max_bits' in [pow]?\n");
        assert_remarks("[pow]\n network = \"regtest\"\n", 0,
                        "2:2 warning: there is no setting 'network' here, it is ignored; did you "
                        "mean 'network' before the first section?\n");
        assert_remarks("frobnicate = 1\n", 0,
                        "1:1 warning: there is no setting 'frobnicate' here, it is ignored\n");
        assert_remarks("[providers]\nx = 1\n", 0,
                        "1:11 warning: there is no section [providers], it is ignored; did you "
                        "mean [provider]?\n");
        assert_remarks("[zzzzzzzzz]\n", 0,
                        "1:11 warning: there is no section [zzzzzzzzz], it is ignored\n");
}

static void what_this_version_does_not_use_is_said_once_per_key(_unused_ void **state) {
        assert_remarks("spark_url = \"x\"\n[backends.ollama]\nurl = \"http://x\"\n"
                       "[pricing]\nmodel_multipliers = { a = 2.0 }\n",
                        0,
                        "1:1 notice: 'spark_url' is known and has no effect in this version\n"
                        "3:1 notice: 'url' is known and has no effect in this version\n"
                        "5:1 notice: 'model_multipliers' is known and has no effect in this "
                        "version\n");
}

static void a_wrong_value_is_an_error_that_says_what_is_allowed(_unused_ void **state) {
        assert_remarks("network = \"main\"\n", -EBADMSG,
                        "1:11 error: 'network' must be \"mainnet\", \"testnet\", \"signet\" or "
                        "\"regtest\"\n");
        assert_remarks("require_payment = \"no\"\n", -EBADMSG,
                        "1:19 error: 'require_payment' must be true or false\n");
        assert_remarks("[provider]\nqueue_max = 0\n", -EBADMSG,
                        "2:13 error: 'queue_max' must be a whole number, from 1 to 1000000\n");
        assert_remarks("[provider]\njob_timeout = \"soon\"\n", -EBADMSG,
                        "2:15 error: 'job_timeout' must be a time such as \"30s\", \"5min\" or a "
                        "number of seconds, from \"1s\" to \"24h\"\n");
        assert_remarks("[log]\nmax_size = \"1P\"\n", -EBADMSG,
                        "2:12 error: 'max_size' must be a size such as \"512K\", \"10M\" or a "
                        "number of bytes, from \"4K\" to \"1024G\"\n");
        assert_remarks("relays = [\"wss://a.example\",\n  \"http://b\"]\n", -EBADMSG,
                        "2:3 error: 'relays' must be a list of URLs that begin with \"ws://\" or "
                        "\"wss://\"\n");
        assert_remarks("[relay]\nlisten = \"0.0.0.0:80\"\n", -EBADMSG,
                        "2:10 error: 'listen' must be a loopback address with a port, such as "
                        "\"127.0.0.1:7447\"\n");
        assert_remarks("data_dir = \"here\"\n", -EBADMSG,
                        "1:12 error: 'data_dir' must be an absolute path, or one that begins with "
                        "\"~/\"\n");
        assert_remarks("name = \"two\\nlines\"\n", -EBADMSG,
                        "1:8 error: 'name' must be a text in quotes, on one line and not too "
                        "long\n");
        assert_remarks("[provider]\nkinds = [5970, 1]\n", -EBADMSG,
                        "2:16 error: 'kinds' must be a list of job kinds, each from 5000 to "
                        "5999\n");
        assert_remarks("provider = 3\n", -EBADMSG,
                        "1:12 error: 'provider' is a section: write [provider] and its settings "
                        "below\n");
}

static void all_mistakes_are_said_at_once(_unused_ void **state) {
        assert_remarks("require_payment = 1\nnam = \"x\"\nname = 2\n", -EBADMSG,
                        "1:19 error: 'require_payment' must be true or false\n"
                        "2:1 warning: there is no setting 'nam' here, it is ignored; did you mean "
                        "'name'?\n"
                        "3:8 error: 'name' must be a text in quotes, on one line and not too "
                        "long\n");
        assert_remarks("name = Pylon\n", -EBADMSG,
                        "1:8 error: a value is expected: a string needs quotes\n");
}

static void a_list_of_sections_is_rows_in_the_order_of_the_file(_unused_ void **state) {
        _cleanup_(config_freep) Config *c = read_config(
                        "[[backend]]\nname = \"big\"\ntype = \"openai\"\nslots = 8\n"
                        "url = \"https://ai.example/v1\"\naliases = [\"gpt-4o=qwen3:32b\"]\n"
                        "[[backend]]\nname = \"small\"\ntype = \"ollama\"\n"
                        "models = [\"a\", \"b\"]\ntoken_timeout = 5\n");
        const ConfigBackend *rows = c->backends.rows;

        assert_int_equal(c->backends.n_rows, 2);
        assert_string_equal(rows[0].name, "big");
        assert_int_equal(rows[0].slots, 8);
        assert_string_equal(rows[0].aliases[0], "gpt-4o=qwen3:32b");
        assert_true(rows[0].enabled);
        assert_int_equal(rows[0].first_token_timeout, 2 * MIN_);
        assert_string_equal(rows[1].url, "");
        assert_int_equal(strv_length(rows[1].models), 2);
        assert_int_equal(rows[1].token_timeout, 5 * SEC);
}

static void mistakes_in_a_list_of_sections_are_said_where_they_are(_unused_ void **state) {
        assert_remarks("[[backend]]\nname = \"a\"\ntype = \"ollama\"\nmodel = [\"x\"]\n", 0,
                        "4:1 warning: there is no setting 'model' here, it is ignored; did you "
                        "mean 'models'?\n");
        assert_remarks("[[backend]]\nname = \"a\"\n", -EBADMSG,
                        "1:10 error: this [[backend]] has no 'type', and needs one\n");
        assert_remarks("[[backend]]\nname = \"a\"\ntype = \"ollama\"\nslots = -1\n", -EBADMSG,
                        "4:9 error: 'slots' must be a whole number, from 0 to 1024\n");
        assert_remarks("[[backend]]\nname = \"a\"\ntype = \"openai\"\n[[backend]]\ntype = \"openai\"\n"
                       "name = \"a\"\n",
                        -EBADMSG, "6:8 error: there is a [[backend]] with the name 'a' already\n");
        assert_remarks("[[backend]]\nname = \"a\"\ntype = \"vllm\"\n", -EBADMSG,
                        "3:8 error: 'type' must be \"openai\" or \"ollama\"\n");
        assert_remarks("[backend]\nname = \"a\"\n", -EBADMSG,
                        "1:9 error: 'backend' is a list: write [[backend]] and its settings "
                        "below, at most 32 times\n");
        assert_remarks("backend = [1]\n", -EBADMSG,
                        "1:12 error: each of 'backend' must be a section of its own, "
                        "[[backend]]\n");
        assert_remarks("[[backends]]\nx = 1\n", 0,
                        "1:11 warning: there is no section [[backends]], it is ignored; did you "
                        "mean [[backend]]?\n");
        assert_remarks("[[backned]]\nx = 1\n", 0,
                        "1:10 warning: there is no section [[backned]], it is ignored; did you mean "
                        "[[backend]]?\n");
        assert_remarks("[[backend]]\nname = \"a\"\ntype = \"openai\"\n"
                       "url = \"http://me:secret@host\"\naliases = [\"x\"]\n",
                        -EBADMSG,
                        "4:7 error: 'url' must be an URL that begins with \"http://\" or "
                        "\"https://\" and has no password in it\n"
                        "5:12 error: 'aliases' must be a list of pairs such as \"NAME=MODEL\"\n");
}

static void every_row_has_what_people_read_and_is_written_as_its_default(_unused_ void **state) {
        _cleanup_(config_freep) Config *c =
                        read_config("[[backend]]\nname = \"a\"\ntype = \"ollama\"\n");
        const ConfigItem *item;

        for (size_t i = 0; (item = config_item_at(i)); i++) {
                _cleanup_buffer_ Buffer b = { .max = 4096 };
                const char *help = config_item_help(item);

                assert_true(strlen(help) > 10 && help[strlen(help) - 1] == '.');
                if (config_item_n_rows(item, c) == 0)
                        continue; /* a list that this file has not */
                assert_int_equal(config_item_write(item, c, 0, &b), 0);
                if (*config_item_default(item))
                        assert_string_equal(b.data, config_item_default(item));
        }
        assert_string_equal(network_name(c->network), "regtest");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_file_has_every_default),
                cmocka_unit_test(a_missing_file_is_an_empty_one),
                cmocka_unit_test(a_file_that_cannot_be_read_is_an_error),
                cmocka_unit_test(the_relays_follow_the_network_until_they_are_set),
                cmocka_unit_test(the_originals_minimal_file_works),
                cmocka_unit_test(every_type_is_read),
                cmocka_unit_test(an_unknown_name_warns_and_names_the_nearest),
                cmocka_unit_test(what_this_version_does_not_use_is_said_once_per_key),
                cmocka_unit_test(a_wrong_value_is_an_error_that_says_what_is_allowed),
                cmocka_unit_test(all_mistakes_are_said_at_once),
                cmocka_unit_test(a_list_of_sections_is_rows_in_the_order_of_the_file),
                cmocka_unit_test(mistakes_in_a_list_of_sections_are_said_where_they_are),
                cmocka_unit_test(every_row_has_what_people_read_and_is_written_as_its_default),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
