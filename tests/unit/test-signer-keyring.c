/* signer/keyring, seed and seal: what is on disk, and what is refused. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/seal.h"
#include "basic/text.h"
#include "keyring.h"
#include "nostr/bip39.h"

#define NOW 1700000000

static const char zoo[] = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong";
static const char abandon[] =
                "abandon abandon abandon abandon abandon abandon abandon abandon abandon "
                "abandon abandon about";

typedef struct World {
        char folder[64], path[128];
        Keyring *keyring;
        const char *reason;
} World;

static Secret *some_wrapping_key(void) {
        Secret *s = NULL;

        assert_int_equal(secret_new(SEAL_KEY_SIZE, &s), 0);
        secret_data(s)[0] = 7;
        return s;
}

static void start(World *w, Secret *wrapping_key) {
        w->keyring = keyring_free(w->keyring);
        assert_int_equal(keyring_new(w->folder, wrapping_key, &w->keyring), 0);
}

static int setup(void **state) {
        World *w = new0(World, 1);

        assert_non_null(w);
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-test-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/identity.mnemonic", w->folder);
        (void) umask(077);
        start(w, NULL);
        *state = w;
        return 0;
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type,
                _unused_ struct FTW *ftw) {
        return remove(path);
}

static int teardown(void **state) {
        World *w = *state;

        keyring_free(w->keyring);
        assert_int_equal(nftw(w->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
        free(w);
        return 0;
}

static int store(World *w, const char *name, const char *words, bool replace) {
        _cleanup_(secret_freep) Secret *s = NULL;

        assert_int_equal(secret_copy(words, strlen(words), &s), 0);
        w->reason = NULL;
        return keyring_store(w->keyring, name, s, replace, NOW, &w->reason);
}

static void put_file(const char *path, const char *text, mode_t mode) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
        (void) close(fd);
}

static char *get_file(const char *path) {
        _cleanup_(secret_freep) Secret *s = NULL;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(secret_read(fd, 4096, &s), 0);
        (void) close(fd);
        return strdup(secret_text(s));
}

static void expect_pubkey(World *w, const char *name, const char *hex) {
        char got[HEX32_MAX];
        const Keypair *k;

        assert_int_equal(keyring_get(w->keyring, name, &k, &w->reason), 0);
        hex_encode(keypair_pubkey(k), 32, got);
        assert_string_equal(got, hex);
}

static void expect_error(World *w, const char *name, int error, const char *reason) {
        const Keypair *k;

        w->reason = NULL;
        assert_int_equal(keyring_get(w->keyring, name, &k, &w->reason), error);
        assert_non_null(w->reason);
        assert_non_null(strstr(w->reason, reason));
}

static void provider_and_buyer_are_two_accounts_of_one_seed(void **state) {
        World *w = *state;

        expect_error(w, "provider", -ENOENT, "none yet");
        assert_int_equal(store(w, "provider", zoo, false), 0);
        for (int again = 0; again < 2; again++) {
                expect_pubkey(w, "provider",
                                "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd");
                expect_pubkey(w, "buyer",
                                "83581a0215fb60d08683d2dabecf29ef2a3e69e65103fb5808014ebb6dc74e35");
        }
}

static void a_file_has_its_words_a_newline_and_no_reader_but_the_owner(void **state) {
        _cleanup_free_ char *text = NULL;
        World *w = *state;
        struct stat st;

        assert_int_equal(store(w, "provider", zoo, false), 0);
        assert_int_equal(stat(w->path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        text = get_file(w->path);
        assert_int_equal(strncmp(text, zoo, strlen(zoo)), 0);
        assert_string_equal(text + strlen(zoo), "\n");
}

static void a_key_is_replaced_only_on_demand_and_the_old_one_is_kept(void **state) {
        _cleanup_free_ char *kept = NULL, *backup = NULL;
        World *w = *state;

        assert_int_equal(store(w, "provider", zoo, false), 0);
        expect_pubkey(w, "provider",
                        "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd");
        assert_int_equal(store(w, "provider", abandon, false), -EEXIST);
        assert_int_equal(keyring_may_store(w->keyring, "provider", false, &w->reason), -EEXIST);
        assert_int_equal(keyring_may_store(w->keyring, "provider", true, &w->reason), 0);
        expect_pubkey(w, "provider",
                        "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd");

        assert_int_equal(store(w, "provider", abandon, true), 0);
        expect_pubkey(w, "provider",
                        "e8bcf3823669444d0b49ad45d65088635d9fd8500a75b5f20b59abefa56a144f");
        assert_true(asprintf(&backup, "%s.bak-%d", w->path, NOW) > 0);
        kept = get_file(backup);
        assert_int_equal(strncmp(kept, zoo, strlen(zoo)), 0);

        /* Within the same second the kept one would be lost. */
        assert_int_equal(store(w, "provider", zoo, true), -EBUSY);
        expect_pubkey(w, "provider",
                        "e8bcf3823669444d0b49ad45d65088635d9fd8500a75b5f20b59abefa56a144f");
}

static void agents_have_seeds_of_their_own(void **state) {
        _cleanup_strv_ char **list = NULL;
        World *w = *state;

        assert_int_equal(store(w, "agent:ada", zoo, false), 0);
        expect_pubkey(w, "agent:ada",
                        "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd");
        assert_int_equal(store(w, "provider", abandon, false), 0);
        assert_int_equal(keyring_list(w->keyring, &list), 0);
        assert_int_equal(strv_length(list), 4);
        assert_true(strv_contains(list, "provider") && strv_contains(list, "buyer") &&
                        strv_contains(list, "wallet") && strv_contains(list, "agent:ada"));
}

static void names_that_are_none_are_refused(void **state) {
        static const char *const names[] = { "", "Provider", "agent:", "agent:../identity",
                "agent:.hidden", "agent:a/b", "agent:Ada", "agent:a b", "provider ", "other" };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                expect_error(w, names[i], -EINVAL, "no key has such a name");
                assert_int_equal(store(w, names[i], zoo, false), -EINVAL);
        }
        assert_int_equal(store(w, "buyer", zoo, false), -EINVAL);
        assert_string_equal(w->reason, "this key comes from the provider's seed");
}

static void files_that_others_may_read_are_refused(void **state) {
        static const mode_t modes[] = { 0640, 0604, 0620, 0644, 0666 };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                put_file(w->path, zoo, modes[i]);
                expect_error(w, "provider", -EPERM, "chmod 600");
        }
        assert_int_equal(chmod(w->path, 0400), 0);
        expect_pubkey(w, "provider",
                        "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd");
}

static void damaged_files_are_refused_and_left_alone(void **state) {
        static const struct {
                const char *text, *reason;
        } rows[] = {
                { "", "12, 15" },
                { "zoo zoo zoo", "12, 15" },
                { "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo\n", "checksum" },
                { "\xff\xfe", "word list" },
                { "\x01 this is no sealed file", "sealed" },
        };
        World *w = *state;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *after = NULL;

                put_file(w->path, rows[i].text, 0600);
                expect_error(w, "provider", rows[i].text[0] == 1 ? -ENOKEY : -EBADMSG,
                                rows[i].reason);
                after = get_file(w->path);
                assert_string_equal(after, rows[i].text);
        }
        assert_int_equal(unlink(w->path), 0);
        assert_int_equal(mkdir(w->path, 0700), 0);
        expect_error(w, "provider", -EBADMSG, "regular file");
        assert_int_equal(rmdir(w->path), 0);
        assert_int_equal(mkfifo(w->path, 0600), 0);
        expect_error(w, "provider", -EBADMSG, "regular file");
}

static void half_written_files_of_a_killed_signer_are_swept_away(void **state) {
        _cleanup_free_ char *left = NULL, *other = NULL;
        World *w = *state;

        assert_true(asprintf(&left, "%s/identity.mnemonic.4711.tmp", w->folder) > 0);
        assert_true(asprintf(&other, "%s/notes.tmp", w->folder) > 0);
        put_file(left, "zoo", 0600);
        put_file(other, "mine", 0600);
        start(w, NULL);
        assert_int_equal(access(left, F_OK), -1);
        assert_int_equal(access(other, F_OK), 0);
}

static void sealed_files_show_nothing_and_need_the_key(void **state) {
        _cleanup_free_ char *text = NULL;
        World *w = *state;

        start(w, some_wrapping_key());
        assert_int_equal(store(w, "provider", zoo, false), 0);
        text = get_file(w->path);
        assert_int_equal(text[0], SEAL_VERSION);
        assert_null(strstr(text, "zoo"));
        start(w, some_wrapping_key());
        expect_pubkey(w, "buyer",
                        "83581a0215fb60d08683d2dabecf29ef2a3e69e65103fb5808014ebb6dc74e35");

        start(w, NULL);
        expect_error(w, "provider", -ENOKEY, "sealed");
}

static void a_sealed_file_serves_under_its_own_name_only(void **state) {
        _cleanup_free_ char *agent = NULL;
        World *w = *state;

        start(w, some_wrapping_key());
        assert_int_equal(store(w, "agent:ada", zoo, false), 0);
        assert_true(asprintf(&agent, "%s/keys/ada.mnemonic", w->folder) > 0);
        assert_int_equal(rename(agent, w->path), 0);
        expect_error(w, "provider", -EBADMSG, "another name");
}

static void every_changed_byte_of_a_sealed_file_is_noticed(_unused_ void **state) {
        _cleanup_(secret_freep) Secret *key = some_wrapping_key(), *text = NULL, *sealed = NULL,
                                       *again = NULL;
        static const uint8_t nonce[32] = { 5 };

        assert_int_equal(secret_copy(zoo, strlen(zoo), &text), 0);
        assert_int_equal(seal(key, "identity", nonce, text, &sealed), 0);
        assert_int_equal(secret_size(sealed), strlen(zoo) + SEAL_OVERHEAD);
        for (size_t i = 0; i < secret_size(sealed); i++) {
                Secret *out = NULL;

                secret_data(sealed)[i] ^= 1;
                assert_int_equal(unseal(key, "identity", sealed, &out), -EBADMSG);
                secret_data(sealed)[i] ^= 1;
        }
        assert_int_equal(unseal(key, "identity", sealed, &again), 0);
        assert_string_equal(secret_text(again), zoo);
}

static void plain_files_are_read_beside_sealed_ones(void **state) {
        World *w = *state;

        put_file(w->path, zoo, 0600);
        start(w, some_wrapping_key());
        expect_pubkey(w, "provider",
                        "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(provider_and_buyer_are_two_accounts_of_one_seed),
                TEST(a_file_has_its_words_a_newline_and_no_reader_but_the_owner),
                TEST(a_key_is_replaced_only_on_demand_and_the_old_one_is_kept),
                TEST(agents_have_seeds_of_their_own),
                TEST(names_that_are_none_are_refused),
                TEST(files_that_others_may_read_are_refused),
                TEST(damaged_files_are_refused_and_left_alone),
                TEST(half_written_files_of_a_killed_signer_are_swept_away),
                TEST(sealed_files_show_nothing_and_need_the_key),
                TEST(a_sealed_file_serves_under_its_own_name_only),
                TEST(every_changed_byte_of_a_sealed_file_is_noticed),
                TEST(plain_files_are_read_beside_sealed_ones),
        };

        assert_int_equal(crypt_setup(), 0);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
