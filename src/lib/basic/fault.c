#include "basic/fault.h"

#if PYLON_FAULTS
#        include <ctype.h>
#        include <signal.h>

#        define FAULTS_MAX 16

typedef struct Fault {
        char name[64], action[16];
        unsigned at, passed;
} Fault;

static Fault faults[FAULTS_MAX];
static size_t n_faults;

static const struct {
        const char *name;
        int error;
} errors[] = {
        { "EIO", EIO },
        { "ENOSPC", ENOSPC },
        { "ENOMEM", ENOMEM },
        { "EAGAIN", EAGAIN },
        { "ETIMEDOUT", ETIMEDOUT },
};

static void faults_read(void) {
        const char *p = getenv("PYLON_FAULTS") ?: "";

        while (n_faults < FAULTS_MAX) {
                Fault *f = faults + n_faults;
                size_t n;

                p += strspn(p, " ");
                n = strcspn(p, "@= ");
                if (n == 0)
                        return;
                memcpy(f->name, p, MIN(n, sizeof(f->name) - 1));
                p += n;
                f->at = 1;
                if (*p == '@') {
                        f->at = 0;
                        for (p++; isdigit((unsigned char) *p); p++)
                                f->at = f->at * 10 + (unsigned) (*p - '0');
                }
                if (*p == '=') {
                        n = strcspn(++p, " ");
                        memcpy(f->action, p, MIN(n, sizeof(f->action) - 1));
                        p += n;
                }
                n_faults++;
        }
}

int fault(const char *name) {
        static bool read;

        if (!read) {
                read = true;
                faults_read();
        }

        for (Fault *f = faults; f < faults + n_faults; f++) {
                if (!streq(f->name, name) || ++f->passed != f->at)
                        continue;
                if (streq(f->action, "kill"))
                        (void) kill(getpid(), SIGKILL);
                for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                        if (streq(f->action, errors[i].name))
                                return -errors[i].error;
                return -EIO;
        }
        return 0;
}
#endif
