#pragma once
/* A backup while everything goes on: the database is copied into a temporary file in small bites
 * between the commits, then from there into the file that the caller holds. */
#include <systemd/sd-event.h>

#include "basic/sql-group.h"

typedef struct Backup Backup;

/* Called exactly once, never before backup_new() has returned, never after backup_free(). */
typedef void (*backup_done_t)(int error, const char *reason, void *userdata);

typedef struct BackupPlan {
        Sql *db;
        SqlGroup *group;
        sd_event *event;
        const char *temporary; /* a path beside the database; replaced, and removed at the end */
} BackupPlan;

/* fd: a regular file, open for writing; a copy of it is kept. -EINVAL with a reason otherwise. */
int backup_new(const BackupPlan *plan, int fd, backup_done_t done, void *userdata, Backup **ret,
                const char **reterr);
Backup *backup_free(Backup *b); /* cancels */
DEFINE_CLEANUP(Backup, backup_free)
