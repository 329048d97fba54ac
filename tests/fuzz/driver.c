/* Runs the files of a folder through a fuzz target, where libFuzzer is not linked. An empty input
 * goes first, and each file is also tried with its end cut off at a few places: parsers forget the
 * end of their input more often than anything else. */
#include "basic/macro.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define FILE_MAX (4 << 20)
#define CUTS     16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that the sanitizer sees one byte too many. */
static int run_bytes(const uint8_t *data, size_t size) {
        _cleanup_free_ uint8_t *copy = calloc(1, size > 0 ? size : 1);

        if (!copy)
                return -ENOMEM;
        if (size > 0)
                memcpy(copy, data, size);
        (void) LLVMFuzzerTestOneInput(copy, size);
        return 0;
}

static int run_file(int dir, const char *name) {
        _cleanup_free_ uint8_t *data = NULL;
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        ssize_t n;
        int r = 0;

        fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
                return 0;

        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return -ENOMEM;
        n = read(fd, data, (size_t) st.st_size);
        if (n < 0)
                return -errno;

        for (size_t cut = 0; cut < CUTS && r == 0; cut++)
                r = run_bytes(data, (size_t) n - (size_t) n * cut / CUTS);
        return r;
}

int main(int argc, char *argv[]) {
        unsigned n_files = 0;
        DIR *dir;
        int r;

        if (argc != 2) {
                (void) fprintf(stderr, "%s CORPUS-FOLDER\n", argv[0]);
                return 2;
        }

        (void) run_bytes(NULL, 0);
        dir = opendir(argv[1]);
        if (!dir) {
                (void) fprintf(stderr, "%s: %m\n", argv[1]);
                return 1;
        }
        for (struct dirent *e; (e = readdir(dir)); n_files++) {
                r = run_file(dirfd(dir), e->d_name);
                if (r < 0) {
                        errno = -r;
                        (void) fprintf(stderr, "%s/%s: %m\n", argv[1], e->d_name);
                        (void) closedir(dir);
                        return 1;
                }
        }
        (void) closedir(dir);
        (void) printf("%u entries of %s\n", n_files, argv[1]);
        return 0;
}
