/* Files: see the header. Paths are ours or the user's, contents may be anybody's. */
#include "basic/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/buffer.h"
#include "basic/text.h"

#define PATH_MAX_ 4096

static int read_all(int fd, char *data, size_t size, size_t *ret) {
        size_t n = 0;

        while (n < size) {
                ssize_t k = read(fd, data + n, size - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
        }
        *ret = n;
        return 0;
}

int read_whole(const char *path, size_t max, char **ret, size_t *ret_size) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *data = NULL;
        struct stat st;
        size_t size = 0;
        int r;

        /* Not blocking, so that a pipe in the place of the file does not hang us. */
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EBADF;
        if (st.st_size > (off_t) max)
                return -EFBIG;

        /* One more than it had, to see whether it has grown meanwhile. */
        data = malloc((size_t) st.st_size + 2);
        if (!data)
                return -ENOMEM;
        r = read_all(fd, data, (size_t) st.st_size + 1, &size);
        if (r < 0)
                return r;
        if (size > (size_t) st.st_size)
                return -EAGAIN;
        data[size] = '\0';
        *ret = TAKE_PTR(data);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int read_stream(int fd, size_t max, char **ret, size_t *ret_size) {
        _cleanup_buffer_ Buffer b = { .max = max };
        char piece[4096];
        ssize_t n;
        int r;

        while ((n = read(fd, piece, sizeof(piece))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                r = buffer_add(&b, piece, (size_t) n);
                if (r < 0)
                        return r == -ENOBUFS ? -EFBIG : r;
        }
        *ret = buffer_take(&b, ret_size);
        return *ret ? 0 : -ENOMEM;
}

int write_all(int fd, const void *data, size_t size) {
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

static int sync_folder_of(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *folder = NULL;
        const char *slash = strrchr(path, '/');

        folder = slash ? strndup(path, slash == path ? 1 : (size_t) (slash - path)) : strdup(".");
        if (!folder)
                return -ENOMEM;
        fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int write_temporary(const char *path, const void *data, size_t size) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = write_all(fd, data, size);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        if (r < 0)
                (void) unlink(path);
        return r;
}

/* Gives the temporary file its name: link() refuses where the name is taken, rename() does not. */
static int put_in_place(const char *temporary, const char *path, bool replace) {
        int r = 0;

        if (replace) {
                if (rename(temporary, path) >= 0)
                        return 0;
                r = -errno;
        } else if (link(temporary, path) < 0)
                r = -errno;
        (void) unlink(temporary);
        return r;
}

static int write_file(const char *path, const void *data, size_t size, bool replace) {
        char temporary[PATH_MAX_];
        int n, r;

        n = snprintf(temporary, sizeof(temporary), "%s.%d.tmp", path, (int) getpid());
        if (n < 0 || (size_t) n >= sizeof(temporary))
                return -ENAMETOOLONG;

        /* One of the same PID is left from a process that died here. */
        (void) unlink(temporary);
        r = write_temporary(temporary, data, size);
        if (r < 0)
                return r;
        r = put_in_place(temporary, path, replace);
        if (r < 0)
                return r;
        return sync_folder_of(path);
}

int write_atomic(const char *path, const void *data, size_t size) {
        return write_file(path, data, size, true);
}

int write_new(const char *path, const void *data, size_t size) {
        return write_file(path, data, size, false);
}

static int make_folder(const char *path) {
        struct stat st;

        if (mkdir(path, 0700) >= 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (stat(path, &st) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int mkdir_p(const char *path) {
        _cleanup_free_ char *copy = strdup(path);
        int r;

        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1; *copy && (p = strchr(p, '/')); p++) {
                *p = '\0';
                r = make_folder(copy);
                if (r < 0)
                        return r;
                *p = '/';
        }
        return make_folder(copy);
}

static pid_t read_holder(int fd) {
        char text[16];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        uint32_t pid;

        if (n <= 0)
                return 0;
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return parse_u32(text, &pid) >= 0 ? (pid_t) pid : 0;
}

/* An open file description lock: it is seen by F_OFD_GETLK without being taken, and fork keeps it.
 */
static int whole_file_lock(int fd, int command, struct flock *l) {
        *l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
        return fcntl(fd, command, l) < 0 ? -errno : 0;
}

static bool is_the_file_at(int fd, const char *path) {
        struct stat ours, theirs;

        return fstat(fd, &ours) >= 0 && stat(path, &theirs) >= 0 && ours.st_dev == theirs.st_dev &&
               ours.st_ino == theirs.st_ino;
}

/* 1: locked; 0: its holder removed the file meanwhile, and another may be there now. */
static int try_lock(const char *path, int *ret_fd, pid_t *ret_holder) {
        _cleanup_close_ int fd = -EBADF;
        struct flock l;
        int r;

        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
        if (fd < 0)
                return -errno;
        r = whole_file_lock(fd, F_OFD_SETLK, &l);
        if (r == -EACCES)
                r = -EAGAIN; /* POSIX allows either */
        if (r == -EAGAIN && ret_holder)
                *ret_holder = read_holder(fd);
        if (r < 0)
                return r;
        if (!is_the_file_at(fd, path))
                return 0;
        *ret_fd = TAKE_FD(fd);
        return 1;
}

int lock_file(const char *path, int *ret_fd, pid_t *ret_holder) {
        _cleanup_close_ int fd = -EBADF;
        char text[16];
        int n, r;

        do
                r = try_lock(path, &fd, ret_holder);
        while (r == 0);
        if (r < 0)
                return r;

        n = snprintf(text, sizeof(text), "%d\n", (int) getpid());
        if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t) n, 0) != n)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int lock_probe(const char *path, pid_t *ret_holder) {
        _cleanup_close_ int fd = -EBADF;
        struct flock l;
        int r;

        /* Writing is needed for the question about a write lock. */
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        r = whole_file_lock(fd, F_OFD_GETLK, &l);
        if (r < 0)
                return r;
        if (l.l_type == F_UNLCK)
                return 0;
        if (ret_holder)
                *ret_holder = read_holder(fd);
        return 1;
}
