#pragma once
/* Memory, ownership and small conveniences that every file may use. */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _unused_       __attribute__((unused))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _warn_unused_  __attribute__((warn_unused_result))

#define ELEMENTSOF(a)  (sizeof(a) / sizeof((a)[0]))
/* Ours look at each argument once; system headers may have brought theirs. */
#undef MIN
#undef MAX
#define MIN(a, b)                                  \
        ({                                         \
                typeof(a) _min_a = (a);            \
                typeof(b) _min_b = (b);            \
                _min_a < _min_b ? _min_a : _min_b; \
        })
#define MAX(a, b)                                  \
        ({                                         \
                typeof(a) _max_a = (a);            \
                typeof(b) _max_b = (b);            \
                _max_a > _max_b ? _max_a : _max_b; \
        })
#define container_of(p, T, member)                                  \
        ({                                                          \
                const typeof(((T *) NULL)->member) *_p = (p);       \
                (T *) (void *) ((char *) _p - offsetof(T, member)); \
        })
#define TAKE(x, none)                           \
        ({                                      \
                typeof(x) *_x = &(x), _v = *_x; \
                *_x = (none);                   \
                _v;                             \
        })
#define TAKE_PTR(p) TAKE(p, NULL)
#define TAKE_FD(fd) TAKE(fd, -EBADF)

/* A bit of a mask: the states which may follow, the kinds a key may sign. */
#define B(n) (UINT32_C(1) << (n))

/* Times are in microseconds, as sd-event has them. */
typedef uint64_t usec_t;
#define MSEC UINT64_C(1000)
#define SEC  (1000 * MSEC)
#define MIN_ (60 * SEC)
#define HOUR (60 * MIN_)

/* func() frees and returns NULL; funcp() is what _cleanup_() wants. */
#define DEFINE_CLEANUP(T, func)             \
        static inline void func##p(T **p) { \
                *p = func(*p);              \
        }
#define DEFINE_REF_UNREF(T, name)         \
        T *name##_ref(T *p) {             \
                if (p)                    \
                        p->n_ref++;       \
                return p;                 \
        }                                 \
        T *name##_unref(T *p) {           \
                if (p && --p->n_ref == 0) \
                        name##_free(p);   \
                return NULL;              \
        }

static inline void *mfree(void *p) {
        free(p);
        return NULL;
}
static inline void freep(void *p) {
        free(*(void **) p);
}
static inline void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
        *fd = -EBADF;
}
#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define new0(T, n)      ((T *) calloc((n), sizeof(T)))

static inline bool streq(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}
static inline bool isempty(const char *s) {
        return !s || !*s;
}
/* What follows the prefix, or NULL where s does not begin with it. */
static inline const char *startswith(const char *s, const char *prefix) {
        size_t n = strlen(prefix);

        return strncmp(s, prefix, n) == 0 ? s + n : NULL;
}

/* Text for people is translated, text for logs is not. */
#include <libintl.h>
#define _(text)  gettext(text)
#define N_(text) text
