/* The log file and its rotation. */
#include "log-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/file.h"
#include "basic/log.h"

struct LogFile {
        char *path; /* NULL: stderr */
        int fd;
        uint64_t max_size;
};

static int log_file_open(LogFile *l) {
        _cleanup_close_ int fd = -EBADF;

        fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
        if (fd < 0)
                return -errno;
        if (dup2(fd, STDERR_FILENO) < 0)
                return -errno;
        closep(&l->fd);
        l->fd = TAKE_FD(fd);
        return 0;
}

int log_file_new(const char *path, uint64_t max_size, LogFile **ret) {
        _cleanup_(log_file_freep) LogFile *l = new0(LogFile, 1);
        int r;

        if (!l)
                return -ENOMEM;
        l->fd = -EBADF;
        l->max_size = max_size;
        if (path) {
                l->path = strdup(path);
                if (!l->path)
                        return -ENOMEM;
                r = log_file_open(l);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

LogFile *log_file_free(LogFile *l) {
        if (!l)
                return NULL;
        closep(&l->fd);
        free(l->path);
        return mfree(l);
}

void log_file_set_max(LogFile *l, uint64_t max_size) {
        l->max_size = max_size;
}

static void log_file_rotate(LogFile *l) {
        _cleanup_free_ char *old = NULL;
        int r;

        if (asprintf(&old, "%s.1", l->path) < 0) {
                old = NULL;
                return;
        }
        r = rename(l->path, old) < 0 ? -errno : log_file_open(l);
        if (r < 0)
                (void) log_warning_errno(r, "The log could not be moved aside: %m");
}

void log_file_write(LogFile *l, const char *lines, size_t size) {
        struct stat st;

        if (!l->path) {
                (void) write_all(STDERR_FILENO, lines, size);
                return;
        }
        if (fstat(l->fd, &st) >= 0 && (uint64_t) st.st_size + size > l->max_size && st.st_size > 0)
                log_file_rotate(l);
        (void) write_all(l->fd, lines, size);
}
