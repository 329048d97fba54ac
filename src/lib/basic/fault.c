#include "basic/fault.h"

#if PYLON_FAULTS
#        include <ctype.h>
#        include <fcntl.h>
#        include <signal.h>
#        include <stdio.h>

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

/* Where PYLON_FAULTS_ONCE names a folder, a fault strikes once in all processes that share it, and
 * leaves a file with its name there. Otherwise a service that kills itself would do so for ever. */
static bool is_spent(const char *name) {
        const char *folder = getenv("PYLON_FAULTS_ONCE");
        char path[256];
        int fd;

        if (isempty(folder))
                return false;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0)
                return true;
        (void) close(fd);
        return false;
}

int fault(const char *name) {
        static bool read;

        if (!read) {
                read = true;
                faults_read();
        }

        for (Fault *f = faults; f < faults + n_faults; f++) {
                if (!streq(f->name, name) || ++f->passed != f->at || is_spent(name))
                        continue;
                if (streq(f->action, "kill"))
                        (void) kill(getpid(), SIGKILL);
                if (streq(f->action, "stop")) {
                        (void) kill(getpid(), SIGSTOP);
                        return 0;
                }
                for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                        if (streq(f->action, errors[i].name))
                                return -errors[i].error;
                return -EIO;
        }
        return 0;
}
#endif
