/* Preloaded into a service: what the disk would hold if the power failed now. After each
 * fdatasync() or fsync() of a file whose name holds ".db", the file as it is goes to LASTSYNC_DIR
 * under its own name; a file removed is removed there, one cut off is not until it is synced. A
 * test that copies the folder back has pulled the plug. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*SyncFunction)(int);
typedef int (*UnlinkFunction)(const char *);

int fdatasync(int fd);
int fsync(int fd);
int unlink(const char *path);

/* Where the copy of this file is kept: false where it is none of ours. */
static int copy_path(const char *path, char ret[static PATH_MAX], const char *suffix) {
        const char *folder = getenv("LASTSYNC_DIR"), *name = strrchr(path, '/');

        name = name ? name + 1 : path;
        if (!folder || !strstr(name, ".db"))
                return 0;
        return snprintf(ret, PATH_MAX, "%s/%s%s", folder, name, suffix) < PATH_MAX;
}

static int copy_bytes(int from, int to) {
        static char bytes[1 << 16];
        off_t at = 0;
        ssize_t n;

        while ((n = pread(from, bytes, sizeof(bytes), at)) > 0) {
                if (pwrite(to, bytes, (size_t) n, at) != n)
                        return -EIO;
                at += n;
        }
        return n < 0 ? -errno : 0;
}

/* The new copy takes the place of the old one at once: a test may look at any time. */
static void keep(int fd) {
        char link[64], path[PATH_MAX], target[PATH_MAX], temporary[PATH_MAX];
        int saved = errno, from, to;
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        if (n <= 0)
                return;
        path[n] = 0;
        if (!copy_path(path, target, "") || !copy_path(path, temporary, ".new"))
                return;

        /* The service's own descriptor may be for writing only. */
        from = open(path, O_RDONLY | O_CLOEXEC);
        to = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (from >= 0 && to >= 0 && copy_bytes(from, to) == 0)
                (void) rename(temporary, target);
        if (from >= 0)
                (void) close(from);
        if (to >= 0)
                (void) close(to);
        errno = saved;
}

static int sync_and_keep(const char *function, int fd) {
        SyncFunction real;
        void *symbol = dlsym(RTLD_NEXT, function);
        int r;

        memcpy(&real, &symbol, sizeof(real));
        r = real(fd);
        if (r == 0)
                keep(fd);
        return r;
}

__attribute__((visibility("default"))) int fdatasync(int fd) {
        return sync_and_keep("fdatasync", fd);
}

__attribute__((visibility("default"))) int fsync(int fd) {
        return sync_and_keep("fsync", fd);
}

__attribute__((visibility("default"))) int unlink(const char *path) {
        char target[PATH_MAX];
        UnlinkFunction real;
        void *symbol = dlsym(RTLD_NEXT, "unlink");
        int r;

        memcpy(&real, &symbol, sizeof(real));
        r = real(path);
        if (r == 0 && copy_path(path, target, ""))
                (void) real(target);
        return r;
}
