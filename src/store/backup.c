#include "backup.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#define STEP_PAGES 128                     /* half a megabyte: about a millisecond */
#define STEP_BYTES (UINT64_C(1024) * 1024) /* from the page cache, into it */
/* After the commits, so that nobody waits longer for his answer than one bite. */
#define STEP_PRIORITY (SQL_COMMIT_PRIORITY + 10)

struct Backup {
        Sql *db;
        SqlGroup *group;
        char *temporary;
        int fd, from;
        SqlBackup *copy; /* first phase; then NULL */
        sd_event_source *step;
        backup_done_t done;
        void *userdata;
};

static void backup_end(Backup *b, int error, const char *reason) {
        (void) sd_event_source_set_enabled(b->step, SD_EVENT_OFF);
        b->done(error, reason, b->userdata); /* may free it */
}

/* A transaction that is open would make the copy wait; what is in it is due anyway. */
static int backup_copy_pages(Backup *b) {
        int r;

        r = sql_group_commit(b->group);
        if (r < 0)
                return r;
        r = sql_backup_step(b->copy, STEP_PAGES);
        if (r != 0)
                return r;

        b->copy = sql_backup_free(b->copy);
        b->from = open(b->temporary, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (b->from < 0 || ftruncate(b->fd, 0) < 0 || lseek(b->fd, 0, SEEK_SET) < 0)
                return -errno;
        return 1;
}

static int backup_copy_bytes(Backup *b) {
        ssize_t n;

        n = sendfile(b->fd, b->from, NULL, STEP_BYTES);
        if (n < 0)
                return errno == EINTR ? 1 : -errno;
        if (n == 0)
                return fsync(b->fd) < 0 ? -errno : 0;
        return 1;
}

static int backup_on_step(_unused_ sd_event_source *s, void *userdata) {
        Backup *b = userdata;
        int r;

        r = b->copy ? backup_copy_pages(b) : backup_copy_bytes(b);
        if (r <= 0)
                backup_end(b, r, r < 0 ? sql_reason(r) : NULL);
        return 0;
}

static int backup_take_file(Backup *b, int fd, const char **reterr) {
        struct stat st;
        int flags;

        /* A pipe could make us wait for its reader, and O_APPEND is not for sendfile(). */
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
                        (flags & O_ACCMODE) == O_RDONLY || flags & O_APPEND) {
                *reterr = "a backup goes into a regular file that is open for writing";
                return -EINVAL;
        }

        b->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (b->fd < 0) {
                *reterr = "too many files are open";
                return -errno;
        }
        return 0;
}

int backup_new(const BackupPlan *plan, int fd, backup_done_t done, void *userdata, Backup **ret,
                const char **reterr) {
        _cleanup_(backup_freep) Backup *b = NULL;
        int r;

        b = new0(Backup, 1);
        if (!b)
                return -ENOMEM;
        *b = (Backup){
                .db = plan->db,
                .group = plan->group,
                .fd = -EBADF,
                .from = -EBADF,
                .done = done,
                .userdata = userdata,
        };

        r = backup_take_file(b, fd, reterr);
        if (r < 0)
                return r;
        b->temporary = strdup(plan->temporary);
        if (!b->temporary)
                return -ENOMEM;
        (void) unlink(b->temporary); /* of a backup that was cut short */
        r = sql_backup_new(b->db, b->temporary, &b->copy);
        if (r >= 0)
                r = sd_event_add_defer(plan->event, &b->step, backup_on_step, b);
        if (r >= 0)
                r = sd_event_source_set_priority(b->step, STEP_PRIORITY);
        if (r >= 0)
                r = sd_event_source_set_enabled(b->step, SD_EVENT_ON);
        if (r < 0) {
                *reterr = sql_reason(r);
                return r;
        }
        (void) sd_event_source_set_description(b->step, "store-backup");

        *ret = TAKE_PTR(b);
        return 0;
}

Backup *backup_free(Backup *b) {
        if (!b)
                return NULL;

        b->step = sd_event_source_disable_unref(b->step);
        b->copy = sql_backup_free(b->copy);
        if (b->temporary)
                (void) unlink(b->temporary);
        free(b->temporary);
        closep(&b->from);
        closep(&b->fd);
        return mfree(b);
}
