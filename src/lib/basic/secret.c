#include "basic/secret.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

struct Secret {
        size_t mapped, size, capacity;
        uint8_t data[];
};

int secret_new(size_t size, Secret **ret) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), whole;
        Secret *s;

        if (size > SIZE_MAX - sizeof(Secret) - page - 1)
                return -E2BIG;
        whole = (sizeof(Secret) + size + 1 + page - 1) / page * page;

        s = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s == MAP_FAILED)
                return -ENOMEM;

        /* All best effort: a small RLIMIT_MEMLOCK is no reason to refuse work. */
        (void) mlock(s, whole);
        (void) madvise(s, whole, MADV_DONTDUMP);
        (void) madvise(s, whole, MADV_WIPEONFORK);

        s->mapped = whole;
        s->size = s->capacity = size;
        *ret = s;
        return 0;
}

int secret_copy(const void *data, size_t size, Secret **ret) {
        Secret *s;
        int r;

        r = secret_new(size, &s);
        if (r < 0)
                return r;

        memcpy(s->data, data, size);
        *ret = s;
        return 0;
}

int secret_read(int fd, size_t max, Secret **ret) {
        _cleanup_(secret_freep) Secret *s = NULL;
        size_t n = 0;
        int r;

        r = secret_new(max + 1, &s); /* one more, to see that it is longer */
        if (r < 0)
                return r;

        while (n <= max) {
                ssize_t k = read(fd, s->data + n, max + 1 - n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0) {
                        secret_truncate(s, n);
                        *ret = TAKE_PTR(s);
                        return 0;
                }
                n += (size_t) k;
        }
        return -EFBIG;
}

int secret_credential(const char *name, size_t max, Secret **ret) {
        const char *folder = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *path = NULL;

        if (!folder)
                return -ENOENT;
        if (asprintf(&path, "%s/%s", folder, name) < 0)
                return -ENOMEM;

        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        return secret_read(fd, max, ret);
}

Secret *secret_free(Secret *s) {
        if (s) {
                explicit_bzero(s->data, s->capacity);
                (void) munmap(s, s->mapped);
        }
        return NULL;
}

uint8_t *secret_data(Secret *s) {
        return s->data;
}

const char *secret_text(const Secret *s) {
        return (const char *) s->data;
}

size_t secret_size(const Secret *s) {
        return s->size;
}

void secret_truncate(Secret *s, size_t size) {
        assert(size <= s->size);

        explicit_bzero(s->data + size, s->size - size);
        s->size = size;
}
