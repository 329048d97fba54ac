/* basic/paths and basic/option: where things are, and the options all services share. */
#include "tests/unit/unit.h"

#include "basic/option.h"
#include "basic/paths.h"

static void a_users_files_are_below_the_home_directory(_unused_ void **state) {
        _cleanup_(paths_freep) Paths *p = NULL;
        _cleanup_free_ char *file = NULL, *sock = NULL;
        const char *reason = NULL;

        assert_int_equal(setenv("HOME", "/home/u", 1), 0);
        assert_int_equal(paths_new(SCOPE_PRIVATE, NULL, NULL, &p, &reason), 0);
        assert_string_equal(p->config, "/home/u/.openagents/pylon/config.toml");
        assert_string_equal(p->data, "/home/u/.openagents/pylon");
        assert_string_equal(p->agents, "/home/u/.openagents/agents");
        assert_int_equal(paths_file(p, "pylon.db", &file), 0);
        assert_string_equal(file, "/home/u/.openagents/pylon/pylon.db");
        assert_int_equal(paths_socket(p, "store", &sock), 0);
        assert_string_equal(sock, "/home/u/.openagents/pylon/run/store.sock");
}

static void data_dir_moves_the_data_and_not_the_config(_unused_ void **state) {
        _cleanup_(paths_freep) Paths *p = NULL, *q = NULL, *bad = NULL;
        const char *reason = NULL;

        assert_int_equal(setenv("HOME", "/home/u", 1), 0);
        assert_int_equal(paths_new(SCOPE_USER, NULL, "~/elsewhere", &p, &reason), 0);
        assert_string_equal(p->config, "/home/u/.openagents/pylon/config.toml");
        assert_string_equal(p->data, "/home/u/elsewhere");
        assert_string_equal(p->run, "/home/u/elsewhere/run");
        assert_int_equal(paths_new(SCOPE_USER, "/c.toml", "/data", &q, &reason), 0);
        assert_string_equal(q->config, "/c.toml");
        assert_string_equal(q->data, "/data");
        assert_int_equal(paths_new(SCOPE_USER, NULL, "data", &bad, &reason), -EINVAL);
        assert_string_equal(reason, "data_dir is no absolute path");
}

static void the_system_has_its_own_places(_unused_ void **state) {
        _cleanup_(paths_freep) Paths *p = NULL, *q = NULL;
        const char *reason = NULL;

        assert_int_equal(unsetenv("STATE_DIRECTORY"), 0);
        assert_int_equal(paths_new(SCOPE_SYSTEM, NULL, "/ignored", &p, &reason), 0);
        assert_string_equal(p->config, PYLON_SYSCONFDIR "/config.toml");
        assert_string_equal(p->data, "/var/lib/pylon");
        assert_string_equal(p->run, "/run/pylon");
        assert_int_equal(setenv("STATE_DIRECTORY", "/var/lib/pylon/store", 1), 0);
        assert_int_equal(paths_new(SCOPE_SYSTEM, NULL, NULL, &q, &reason), 0);
        assert_string_equal(q->data, "/var/lib/pylon/store");
}

static void a_folder_too_long_for_a_socket_is_refused_with_the_reason(_unused_ void **state) {
        _cleanup_(paths_freep) Paths *p = NULL, *fits = NULL;
        const char *reason = NULL;
        char folder[200];

        (void) memset(folder, 'a', sizeof(folder));
        folder[0] = '/';
        folder[SOCKET_PATH_MAX - strlen("/run/provider.sock")] = '\0';
        assert_int_equal(paths_new(SCOPE_USER, NULL, folder, &fits, &reason), 0);
        folder[SOCKET_PATH_MAX - strlen("/run/provider.sock")] = 'a';
        folder[SOCKET_PATH_MAX - strlen("/run/provider.sock") + 1] = '\0';
        assert_int_equal(paths_new(SCOPE_USER, NULL, folder, &p, &reason), -ENAMETOOLONG);
        assert_non_null(strstr(reason, "107 bytes"));
}

static void a_home_that_is_no_absolute_path_is_refused(_unused_ void **state) {
        _cleanup_(paths_freep) Paths *p = NULL;
        const char *reason = NULL;

        assert_int_equal(setenv("HOME", "here", 1), 0);
        assert_int_equal(paths_new(SCOPE_USER, NULL, NULL, &p, &reason), -ENXIO);
        assert_non_null(reason);
}

static void services_share_their_options(_unused_ void **state) {
        char *plain[] = { (char *) "p", NULL };
        char *system_scope[] = { (char *) "p", (char *) "--system", (char *) "--config",
                (char *) "/c", NULL };
        char *user[] = { (char *) "p", (char *) "--user", NULL };
        char *more[] = { (char *) "p", (char *) "extra", NULL };
        char *unknown[] = { (char *) "p", (char *) "--frobnicate", NULL };
        Options o;

        assert_int_equal(options_parse(1, plain, "p", "Does it.", &o), 0);
        assert_int_equal(o.scope, SCOPE_PRIVATE);
        assert_null(o.config);
        assert_int_equal(options_parse(4, system_scope, "p", "Does it.", &o), 0);
        assert_int_equal(o.scope, SCOPE_SYSTEM);
        assert_string_equal(o.config, "/c");
        assert_int_equal(options_parse(2, user, "p", "Does it.", &o), 0);
        assert_int_equal(o.scope, SCOPE_USER);
        assert_int_equal(options_parse(2, more, "p", "Does it.", &o), -EINVAL);
        assert_int_equal(options_parse(2, unknown, "p", "Does it.", &o), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_users_files_are_below_the_home_directory),
                cmocka_unit_test(data_dir_moves_the_data_and_not_the_config),
                cmocka_unit_test(the_system_has_its_own_places),
                cmocka_unit_test(a_folder_too_long_for_a_socket_is_refused_with_the_reason),
                cmocka_unit_test(a_home_that_is_no_absolute_path_is_refused),
                cmocka_unit_test(services_share_their_options),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
