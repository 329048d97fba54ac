#pragma once
/* SQLite, for the two services that own a file: opening with every check, prepared statements,
 * migrations, backup. The one file that includes sqlite3.h. Commits for many requests at once are
 * in sql-group.h.
 *
 * Every function returns a negative errno which sql_reason() puts into words:
 *   -EUCLEAN damaged · -EROFS read-only · -ENOSPC full · -EPROTONOSUPPORT written by a newer
 * version · -EMEDIUMTYPE another program's file · -EBUSY locked by another program · -EACCES · -EIO
 * · -EEXIST and -EINVAL: the row breaks a rule of the schema */
#include "basic/macro.h"

typedef struct Sql Sql;
typedef struct SqlStatement SqlStatement;
typedef struct SqlBackup SqlBackup;

/* One step of the schema. Its id is its place in the table, from 1. Never edit an old one. */
typedef struct SqlMigration {
        const char *name;
        const char *text;
} SqlMigration;

/* Write-ahead log, synchronous=FULL, foreign keys on. A file that is refused is left as it was, and
 * so is its log. After a close that was not clean a small file is checked page by page. */
int sql_open(const char *path, const SqlMigration *migrations, size_t n_migrations, Sql **ret,
                const char **reterr);
Sql *sql_close(Sql *db); /* with all its statements */
DEFINE_CLEANUP(Sql, sql_close)

const char *sql_reason(int error);       /* static words for people, never NULL */
int sql_last_error(const Sql *db);       /* the last one there was, 0 = none yet */
const char *sql_message(const Sql *db);  /* SQLite's own words about the last error, for the log */
int sql_exec(Sql *db, const char *text); /* several statements, without values */
int64_t sql_changes(const Sql *db);      /* rows the last statement changed */
int64_t sql_last_id(const Sql *db);      /* rowid of the last insert */
bool sql_in_transaction(const Sql *db);
unsigned sql_log_pages(const Sql *db); /* in the write-ahead log after the last commit */
int sql_checkpoint(Sql *db);           /* moves the log into the file, as far as readers allow */

/* Statements belong to the database and live as long. */
int sql_prepare(Sql *db, const char *text, SqlStatement **ret);
int sql_prepare_table(Sql *db, const char *const *texts, size_t n, SqlStatement **ret);

/* Positions count from 1. Values are borrowed until the statement is reset. An error is kept and
 * returned by the next step. */
void sql_bind_text(SqlStatement *q, int i, const char *s); /* NULL: SQL's NULL */
void sql_bind_bytes(SqlStatement *q, int i, const void *data, size_t size);
void sql_bind_int(SqlStatement *q, int i, int64_t v);
void sql_bind_null(SqlStatement *q, int i);

int sql_step(SqlStatement *q); /* 1 = a row, 0 = the end; reset at the end and after an error */
int sql_run(SqlStatement *q);  /* to the end, whatever rows there are */
SqlStatement *sql_reset(SqlStatement *q);
DEFINE_CLEANUP(SqlStatement, sql_reset)
#define _cleanup_sql_ _cleanup_(sql_resetp)

/* Of the current row, columns from 0; borrowed until the next step. */
const char *sql_text(SqlStatement *q, int i); /* "" for NULL */
const void *sql_bytes(SqlStatement *q, int i, size_t *ret_size);
int64_t sql_int(SqlStatement *q, int i);
bool sql_is_null(SqlStatement *q, int i);
int sql_n_columns(SqlStatement *q);
const char *sql_column_name(SqlStatement *q, int i);
bool sql_column_is_int(SqlStatement *q, int i);

/* A copy of the whole database in a new file, while it is being written to. Call step between two
 * transactions (-EBUSY inside one) until it returns 0. */
int sql_backup_new(Sql *db, const char *path, SqlBackup **ret);
int sql_backup_step(SqlBackup *b, unsigned n_pages); /* 1 = more to do */
SqlBackup *sql_backup_free(SqlBackup *b);
DEFINE_CLEANUP(SqlBackup, sql_backup_free)
