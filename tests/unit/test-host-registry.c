/* host/registry: the folder of agents' files, whole ones and damaged ones. */
#include "tests/unit/unit.h"

#include <ftw.h>
#include <sys/stat.h>

#include "basic/file.h"
#include "basic/log.h"
#include "basic/text.h"
#include "registry.h"

#define NPUB  "npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu"
#define NPUB2 "npub1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqshp52w2"
#define HEX   "17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917"

typedef struct World {
        char folder[64];
        Buffer found; /* "agent npub name", "spawning name", "deleted npub" */
        char *words;
} World;

static int setup(void **state) {
        World *w = new0(World, 1);

        if (!w)
                return -1;
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-registry-XXXXXX");
        buffer_init(&w->found, 1 << 16);
        *state = w;
        return mkdtemp(w->folder) ? log_set_level("err") : -1;
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int flag,
                _unused_ struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        World *w = *state;
        int r;

        r = nftw(w->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        buffer_done(&w->found);
        free(w->words);
        free(w);
        return r;
}

static void put(const World *w, const char *name, const char *text) {
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/%s", w->folder, name);
        assert_int_equal(write_atomic(path, text, strlen(text)), 0);
}

static bool is_there(const World *w, const char *name) {
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/%s", w->folder, name);
        return access(path, F_OK) == 0;
}

static void on_found(RegistryFile *f, void *userdata) {
        static const char *const kinds[_REGISTRY_KIND_MAX] = { "agent", "spawning", "deleted" };
        World *w = userdata;

        assert_int_equal(buffer_addf(&w->found, "%s %s\n", kinds[f->kind],
                                         f->kind == REGISTRY_DELETED ? f->npub : f->settings->name),
                        0);
        if (f->kind == REGISTRY_AGENT)
                assert_string_equal(f->settings->npub, f->npub);
        if (f->mnemonic)
                w->words = strdup(secret_text(f->mnemonic));
}

static void assert_found(World *w, const char *expected) {
        buffer_clear(&w->found);
        assert_int_equal(registry_read(w->folder, on_found, w), 0);
        assert_string_equal(w->found.data ?: "", expected);
}

static void a_folder_that_is_not_there_has_no_agents(void **state) {
        World *w = *state;

        assert_int_equal(registry_read("/nowhere/agents", on_found, w), 0);
        assert_int_equal(w->found.size, 0);
}

static void what_is_written_is_found_again_and_is_the_owners_alone(void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s = NULL;
        World *w = *state;
        char path[256];
        struct stat st;

        assert_int_equal(agent_settings_new("ada", &s), 0);
        free(s->npub);
        s->npub = strdup(NPUB);
        assert_int_equal(registry_write(w->folder, s), 0);
        (void) snprintf(path, sizeof(path), "%s/" NPUB ".toml", w->folder);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_found(w, "agent ada\n");
        assert_int_equal(chmod(path, 0644), 0);
        assert_found(w, "agent ada\n");
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_damaged_file_keeps_no_other_from_living(void **state) {
        World *w = *state;

        put(w, NPUB ".toml", "name = \"ada\"\n");
        put(w, NPUB2 ".toml", "name = \"bob\n");
        assert_found(w, "agent ada\n");
        put(w, NPUB2 ".toml", "name = \"bob\"\n[mind]\ntype = \"brain\"\n");
        assert_found(w, "agent ada\n");
        put(w, NPUB2 ".toml", "\xff\xfe");
        assert_found(w, "agent ada\n");
        put(w, "notes.toml", "name = \"carl\"\n");
        put(w, "npub1short.toml", "name = \"carl\"\n");
        put(w, "README", "hello");
        assert_found(w, "agent ada\n");
}

static void a_key_inside_must_be_that_of_the_files_name(void **state) {
        World *w = *state;

        put(w, NPUB ".toml", "name = \"ada\"\npubkey = \"" HEX "\"\nnpub = \"" NPUB "\"\n");
        assert_found(w, "agent ada\n");
        put(w, NPUB ".toml", "name = \"ada\"\nnpub = \"" NPUB2 "\"\n");
        assert_found(w, "");
        put(w, NPUB ".toml",
                        "name = \"ada\"\npubkey = "
                        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n");
        assert_found(w, "");
}

static void words_in_a_file_are_handed_over(void **state) {
        World *w = *state;

        put(w, NPUB ".toml", "name = \"ada\"\nmnemonic_encrypted = \"one two three\"\n");
        assert_found(w, "agent ada\n");
        assert_string_equal(w->words, "one two three");
}

static void one_that_is_being_made_is_noted_once(void **state) {
        _cleanup_(agent_settings_freep) AgentSettings *s = NULL;
        World *w = *state;

        assert_int_equal(agent_settings_new("ada", &s), 0);
        assert_int_equal(registry_note_spawn(w->folder, s), 0);
        assert_int_equal(registry_note_spawn(w->folder, s), -EEXIST);
        assert_found(w, "spawning ada\n");
        assert_int_equal(registry_forget_spawn(w->folder, "ada"), 0);
        assert_int_equal(registry_forget_spawn(w->folder, "ada"), 0);
        assert_found(w, "");
}

static void one_that_is_being_deleted_is_no_agent_any_more(void **state) {
        World *w = *state;

        put(w, NPUB ".toml", "name = \"ada\"\n");
        assert_int_equal(registry_note_delete(w->folder, NPUB), 0);
        assert_int_equal(registry_note_delete(w->folder, NPUB), 0);
        assert_found(w, "deleted " NPUB "\n");
        assert_false(is_there(w, NPUB ".toml"));
        assert_int_equal(registry_forget_delete(w->folder, NPUB), 0);
        assert_int_equal(registry_forget_delete(w->folder, NPUB), 0);
        assert_found(w, "");
}

static void a_file_that_is_too_large_is_not_read(void **state) {
        _cleanup_free_ char *text = malloc(AGENT_SETTINGS_MAX + 2);
        World *w = *state;

        assert_non_null(text);
        memset(text, '#', AGENT_SETTINGS_MAX + 1);
        text[AGENT_SETTINGS_MAX + 1] = '\0';
        put(w, NPUB ".toml", text);
        assert_found(w, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        static const struct CMUnitTest tests[] = {
                TEST(a_folder_that_is_not_there_has_no_agents),
                TEST(what_is_written_is_found_again_and_is_the_owners_alone),
                TEST(a_damaged_file_keeps_no_other_from_living),
                TEST(a_key_inside_must_be_that_of_the_files_name),
                TEST(words_in_a_file_are_handed_over),
                TEST(one_that_is_being_made_is_noted_once),
                TEST(one_that_is_being_deleted_is_no_agent_any_more),
                TEST(a_file_that_is_too_large_is_not_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
