#include "seed.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/crypt.h"
#include "basic/file.h"
#include "basic/seal.h"
#include "nostr/bip39.h"

#define FILE_MAX (MNEMONIC_SIZE_MAX + SEAL_OVERHEAD)

static int check_file(int fd, const char **reterr) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode)) {
                *reterr = "it is not a regular file";
                return -EBADMSG;
        }
        if (st.st_uid != geteuid()) {
                *reterr = "it belongs to another user; give it back with chown";
                return -EPERM;
        }
        if (st.st_mode & 077) {
                *reterr = "others may read or change it; run chmod 600 on it";
                return -EPERM;
        }
        return 0;
}

static int read_file(const char *path, Secret **ret, const char **reterr) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        /* Not blocking, so that a pipe in the place of the file does not hang us. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0) {
                *reterr = errno == ENOENT ? "there is none yet" : "it cannot be opened";
                return -errno;
        }
        r = check_file(fd, reterr);
        if (r < 0)
                return r;

        r = secret_read(fd, FILE_MAX, ret);
        if (r < 0 && r != -ENOMEM)
                *reterr = r == -EFBIG ? "it is too large for a mnemonic" : "it cannot be read";
        return r == -EFBIG ? -EBADMSG : r;
}

int seed_read(const char *path, const char *name, const Secret *wrapping_key, Secret **ret,
                const char **reterr) {
        _cleanup_(secret_freep) Secret *file = NULL, *text = NULL;
        unsigned word;
        int r;

        r = read_file(path, &file, reterr);
        if (r < 0)
                return r;

        if (secret_size(file) > 0 && secret_data(file)[0] == SEAL_VERSION) {
                if (!wrapping_key) {
                        *reterr = "it is sealed, and the wrapping key was not passed";
                        return -ENOKEY;
                }
                r = unseal(wrapping_key, name, file, &text);
                if (r == -EBADMSG)
                        *reterr = "it was changed, or sealed for another name or with another key";
                if (r < 0)
                        return r;
                (void) secret_free(file);
                file = TAKE_PTR(text);
        }

        r = mnemonic_parse(secret_text(file), secret_size(file), ret, &word, reterr);
        return r == -EINVAL ? -EBADMSG : r;
}

/* The bytes of the file: the words and a newline, sealed where we can. */
static int seed_contents(const char *name, const Secret *wrapping_key, const Secret *mnemonic,
                Secret **ret) {
        size_t n = secret_size(mnemonic);
        uint8_t nonce[32];
        int r;

        if (!wrapping_key) {
                r = secret_new(n + 1, ret);
                if (r < 0)
                        return r;
                memcpy(secret_data(*ret), secret_text(mnemonic), n);
                secret_data(*ret)[n] = '\n';
                return 0;
        }

        r = crypt_random(nonce, sizeof(nonce));
        return r < 0 ? r : seal(wrapping_key, name, nonce, mnemonic, ret);
}

/* A second name for the old file; the first is given to the new one in a single step afterwards. */
static int keep_old(const char *path, int64_t now) {
        _cleanup_free_ char *backup = NULL;

        if (asprintf(&backup, "%s.bak-%" PRIi64, path, now) < 0)
                return -ENOMEM;
        return link(path, backup) < 0 ? -errno : 0;
}

int seed_may_write(const char *path, bool replace, const char **reterr) {
        if (access(path, F_OK) < 0 || replace)
                return 0;

        *reterr = "there is one already";
        return -EEXIST;
}

int seed_write(const char *path, const char *name, const Secret *wrapping_key,
                const Secret *mnemonic, bool replace, int64_t now, const char **reterr) {
        _cleanup_(secret_freep) Secret *contents = NULL;
        int r;

        r = seed_contents(name, wrapping_key, mnemonic, &contents);
        if (r < 0)
                return r;

        if (replace) {
                r = keep_old(path, now);
                if (r < 0 && r != -ENOENT) {
                        *reterr = r == -EEXIST ? "it was replaced a moment ago; wait a second"
                                               : "the old one cannot be kept";
                        return r == -EEXIST ? -EBUSY : r;
                }
                r = write_atomic(path, secret_text(contents), secret_size(contents));
        } else
                r = write_new(path, secret_text(contents), secret_size(contents));
        if (r == -EEXIST)
                return seed_may_write(path, false, reterr);
        if (r < 0 && r != -ENOMEM)
                *reterr = r == -ENOSPC ? "the disk is full" : "it cannot be written";
        return r;
}

void seed_sweep(const char *folder) {
        DIR *dir = opendir(folder);

        if (!dir)
                return; /* made later, with the first seed in it */

        for (struct dirent *e; (e = readdir(dir));)
                if (fnmatch("*.mnemonic.*.tmp", e->d_name, 0) == 0)
                        (void) unlinkat(dirfd(dir), e->d_name, 0);
        (void) closedir(dir);
}
