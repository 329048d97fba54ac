#pragma once
/* Group commit: many requests, one fdatasync. Each request is a savepoint in one open transaction,
 * so a refused one undoes only itself. The transaction is committed when the event loop has nothing
 * more urgent, at the latest after 256 requests or 2 ms; then everybody who waited is told. */
#include <systemd/sd-event.h>

#include "basic/sql.h"

/* Below the buses, which have SD_EVENT_PRIORITY_NORMAL: commit after reading what has come. */
#define SQL_COMMIT_PRIORITY  (SD_EVENT_PRIORITY_NORMAL + 20)
#define SQL_REQUESTS_MAX     256
#define SQL_COMMIT_USEC      (2 * MSEC)
#define SQL_COMMIT_LAZY_USEC (800 * MSEC) /* and 200 ms of accuracy: together one second */

typedef struct SqlGroup SqlGroup;

/* Called exactly once, never before sql_request_ok() has returned: 0 = it is on disk, else nothing
 * of it is. */
typedef void (*sql_done_t)(int error, const char *reason, void *userdata);
/* All that was not committed is gone; before its callers are told. Reload what was cached. */
typedef void (*sql_undone_t)(int error, void *userdata);

int sql_group_new(Sql *db, sd_event *event, SqlGroup **ret);
SqlGroup *sql_group_free(SqlGroup *g); /* commits first */
DEFINE_CLEANUP(SqlGroup, sql_group_free)
void sql_group_on_undone(SqlGroup *g, sql_undone_t undone, void *userdata);

/* begin, then statements, then exactly one of ok and refuse. Between two requests reading is free.
 */
int sql_request_begin(SqlGroup *g);
/* Lazy: the caller has its answer now; what it wrote goes to disk within a second. After an error
 * the request is undone and done() never comes. done may be NULL. */
int sql_request_ok(SqlGroup *g, bool lazy, sql_done_t done, void *userdata);
/* As not lazy, but no hurry: it rides with the next commit, or has one of its own within this time.
 */
int sql_request_soon(SqlGroup *g, uint64_t within, sql_done_t done, void *userdata);
void sql_request_refuse(SqlGroup *g);

int sql_group_commit(SqlGroup *g); /* now, for a clean stop, or before a step of a backup */
bool sql_group_is_idle(const SqlGroup *g);
