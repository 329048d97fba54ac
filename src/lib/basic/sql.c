/* SQLite behind errno and typed helpers, see sql.h. */
#include "basic/sql.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/log.h"

#define BUSY_MSEC 2000 /* somebody's sqlite3 shell holds the lock; nobody here waits for more */
#define CHECK_SIZE_MAX \
        (INT64_C(16) * 1024 * 1024) /* a page check of this takes well below 100 ms */

struct SqlStatement {
        Sql *db;
        sqlite3_stmt *stmt;
        SqlStatement *next;
        int bind_error; /* SQLite's code */
};

struct Sql {
        sqlite3 *handle;
        SqlStatement *statements;
        unsigned log_pages;
        int last_error;
        char last_message[160]; /* a rollback would overwrite SQLite's own */
};

struct SqlBackup {
        sqlite3 *target;
        sqlite3_backup *copy;
};

/* clang-format off */
static const struct {
        int code, error; /* SQLite's primary or extended code; ours */
} codes[] = {
        { SQLITE_CONSTRAINT_UNIQUE,     -EEXIST },
        { SQLITE_CONSTRAINT_PRIMARYKEY, -EEXIST },
        { SQLITE_CONSTRAINT,            -EINVAL },
        { SQLITE_TOOBIG,                -E2BIG },
        { SQLITE_CORRUPT,               -EUCLEAN },
        { SQLITE_NOTADB,                -EUCLEAN },
        { SQLITE_READONLY,              -EROFS },
        { SQLITE_FULL,                  -ENOSPC },
        { SQLITE_BUSY,                  -EBUSY },
        { SQLITE_LOCKED,                -EBUSY },
        { SQLITE_NOMEM,                 -ENOMEM },
        { SQLITE_PERM,                  -EACCES },
        { SQLITE_AUTH,                  -EACCES },
};

static const struct {
        int error;
        const char *reason;
} reasons[] = {
        { -EUCLEAN,         N_("the database file is damaged") },
        { -EROFS,           N_("the database file may only be read") },
        { -ENOSPC,          N_("the disk is full") },
        { -EDQUOT,          N_("the disk quota is used up") },
        { -EPROTONOSUPPORT, N_("the database was written by a newer version of Pylon") },
        { -EMEDIUMTYPE,     N_("the file is the database of another program") },
        { -EBUSY,           N_("another program keeps the database locked") },
        { -EACCES,          N_("there is no permission to use the database file") },
        { -EPERM,           N_("there is no permission to use the database file") },
        { -ENOENT,          N_("the folder of the database does not exist") },
        { -EISDIR,          N_("there is a folder in the place of the database file") },
        { -EMFILE,          N_("too many files are open") },
        { -ENFILE,          N_("too many files are open") },
        { -ENOMEM,          N_("there is not enough memory") },
        { -EEXIST,          N_("such a row is there already") },
        { -EINVAL,          N_("a value breaks a rule of the database") },
        { -E2BIG,           N_("a value is too large") },
};
/* clang-format on */

const char *sql_reason(int error) {
        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (reasons[i].error == error)
                        return reasons[i].reason;
        return N_("the disk reported an error");
}

const char *sql_message(const Sql *db) {
        return db->last_message;
}

/* What SQLite's code is among ours; where the system's own number says more, that one. */
static int error_of_code(int code, int system) {
        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                if (codes[i].code == code || codes[i].code == (code & 0xff))
                        return codes[i].error;

        if (((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_IOERR) && system > 0)
                return -system;
        return -EIO;
}

static int sql_error_of(sqlite3 *handle, int code) {
        int r = error_of_code(code, sqlite3_system_errno(handle));

        log_debug("SQLite said %d (%s): %s", code, sqlite3_errstr(code), sqlite3_errmsg(handle));
        return r;
}

static int sql_error(Sql *db, int code) {
        int r;

        if (code == SQLITE_OK)
                return 0;

        r = sql_error_of(db->handle, code);
        db->last_error = r;
        (void) snprintf(db->last_message, sizeof(db->last_message), "%s",
                        sqlite3_errmsg(db->handle));
        return r;
}

static int on_commit(void *userdata, _unused_ sqlite3 *handle, _unused_ const char *name, int n) {
        Sql *db = userdata;

        db->log_pages = (unsigned) MAX(n, 0);
        return SQLITE_OK;
}

int sql_exec(Sql *db, const char *text) {
        return sql_error(db, sqlite3_exec(db->handle, text, NULL, NULL, NULL));
}

int sql_last_error(const Sql *db) {
        return db->last_error;
}

int64_t sql_changes(const Sql *db) {
        return sqlite3_changes64(db->handle);
}

int64_t sql_last_id(const Sql *db) {
        return sqlite3_last_insert_rowid(db->handle);
}

bool sql_in_transaction(const Sql *db) {
        return !sqlite3_get_autocommit(db->handle);
}

unsigned sql_log_pages(const Sql *db) {
        return db->log_pages;
}

int sql_checkpoint(Sql *db) {
        int in_log = 0, moved = 0, r;

        r = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
        if (r != SQLITE_OK)
                return sql_error(db, r);

        /* What a reader keeps in the log is tried again after the next commit. */
        db->log_pages = 0;
        return 0;
}

/* Statements. */

int sql_prepare(Sql *db, const char *text, SqlStatement **ret) {
        SqlStatement *q;
        int r;

        q = new0(SqlStatement, 1);
        if (!q)
                return -ENOMEM;

        r = sqlite3_prepare_v3(db->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
        if (r != SQLITE_OK) {
                free(q);
                r = sql_error(db, r);
                assert(r < 0);
                return r;
        }

        q->db = db;
        q->next = db->statements;
        db->statements = q;
        *ret = q;
        return 0;
}

int sql_prepare_table(Sql *db, const char *const *texts, size_t n, SqlStatement **ret) {
        int r;

        for (size_t i = 0; i < n; i++) {
                r = sql_prepare(db, texts[i], ret + i);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void sql_bound(SqlStatement *q, int code) {
        if (code != SQLITE_OK && q->bind_error == SQLITE_OK)
                q->bind_error = code;
}

void sql_bind_text(SqlStatement *q, int i, const char *s) {
        sql_bound(q, sqlite3_bind_text(q->stmt, i, s, -1, SQLITE_STATIC));
}

void sql_bind_bytes(SqlStatement *q, int i, const void *data, size_t size) {
        sql_bound(q, sqlite3_bind_blob64(q->stmt, i, data, size, SQLITE_STATIC));
}

void sql_bind_int(SqlStatement *q, int i, int64_t v) {
        sql_bound(q, sqlite3_bind_int64(q->stmt, i, v));
}

void sql_bind_null(SqlStatement *q, int i) {
        sql_bound(q, sqlite3_bind_null(q->stmt, i));
}

SqlStatement *sql_reset(SqlStatement *q) {
        if (!q)
                return NULL;

        /* The last step's error again, which its caller has seen. */
        (void) sqlite3_reset(q->stmt);
        (void) sqlite3_clear_bindings(q->stmt);
        q->bind_error = SQLITE_OK;
        return NULL;
}

int sql_step(SqlStatement *q) {
        int code, r;

        code = q->bind_error != SQLITE_OK ? q->bind_error : sqlite3_step(q->stmt);
        if (code == SQLITE_ROW)
                return 1;

        r = code == SQLITE_DONE ? 0 : sql_error(q->db, code);
        (void) sql_reset(q);
        return r;
}

int sql_run(SqlStatement *q) {
        int r;

        do
                r = sql_step(q);
        while (r > 0);
        return r;
}

const char *sql_text(SqlStatement *q, int i) {
        return (const char *) sqlite3_column_text(q->stmt, i) ?: "";
}

const void *sql_bytes(SqlStatement *q, int i, size_t *ret_size) {
        const void *p = sqlite3_column_blob(q->stmt, i);

        *ret_size = (size_t) sqlite3_column_bytes(q->stmt, i);
        return p;
}

int64_t sql_int(SqlStatement *q, int i) {
        return sqlite3_column_int64(q->stmt, i);
}

bool sql_is_null(SqlStatement *q, int i) {
        return sqlite3_column_type(q->stmt, i) == SQLITE_NULL;
}

int sql_n_columns(SqlStatement *q) {
        return sqlite3_column_count(q->stmt);
}

const char *sql_column_name(SqlStatement *q, int i) {
        return sqlite3_column_name(q->stmt, i);
}

bool sql_column_is_int(SqlStatement *q, int i) {
        return sqlite3_column_type(q->stmt, i) == SQLITE_INTEGER;
}

/* Opening. */

/* SQLite removes the log at a clean close: one that is there tells of a crash. */
static bool closed_badly(const char *path) {
        char log[PATH_MAX];
        struct stat st;

        return (size_t) snprintf(log, sizeof(log), "%s-wal", path) < sizeof(log) &&
               stat(log, &st) >= 0 && st.st_size > 0;
}

static int sql_check_pages(Sql *db) {
        SqlStatement *q;
        int r;

        r = sql_prepare(db, "PRAGMA quick_check(1)", &q);
        if (r < 0)
                return r;

        r = sql_step(q);
        if (r < 0)
                return r;
        if (r > 0 && !streq(sql_text(q, 0), "ok")) {
                log_debug("SQLite's check: %s", sql_text(q, 0));
                r = -EUCLEAN;
        }
        (void) sql_reset(q);
        return MIN(r, 0);
}

/* Is this ours, and how far has it come? Nothing is written yet. */
static int sql_version(Sql *db, const SqlMigration *migrations, size_t n, size_t *ret) {
        SqlStatement *q;
        size_t version = 0;
        int r;

        r = sql_prepare(db, "SELECT count(*), sum(name = 'migrations') FROM sqlite_schema", &q);
        if (r < 0)
                return r;
        r = sql_step(q);
        if (r < 0)
                return r;
        if (sql_int(q, 1) == 0) {
                r = sql_int(q, 0) > 0 ? -EMEDIUMTYPE : 0;
                (void) sql_reset(q);
                *ret = 0;
                return r;
        }
        (void) sql_reset(q);

        r = sql_prepare(db, "SELECT id, name FROM migrations ORDER BY id", &q);
        if (r < 0)
                return r;
        while ((r = sql_step(q)) > 0) {
                bool known = version >= n || streq(sql_text(q, 1), migrations[version].name);

                if (!known || sql_int(q, 0) != (int64_t) ++version) {
                        (void) sql_reset(q);
                        return -EMEDIUMTYPE;
                }
        }
        if (r < 0)
                return r;

        *ret = version;
        return version > n ? -EPROTONOSUPPORT : 0;
}

static int sql_migrate_one(Sql *db, size_t id, const SqlMigration *m) {
        SqlStatement *q;
        int r;

        r = sql_exec(db, m->text);
        if (r < 0)
                return r;
        r = sql_prepare(db, "INSERT INTO migrations VALUES (?, ?, unixepoch())", &q);
        if (r < 0)
                return r;
        sql_bind_int(q, 1, (int64_t) id);
        sql_bind_text(q, 2, m->name);
        r = sql_run(q);
        if (r < 0)
                return r;
        return sql_exec(db, "COMMIT");
}

static int sql_migrate(Sql *db, const SqlMigration *migrations, size_t n, size_t version) {
        int r;

        r = sql_exec(db, "CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY, "
                         "name TEXT NOT NULL UNIQUE, applied_at INTEGER NOT NULL) STRICT");

        for (size_t i = version; r >= 0 && i < n; i++) {
                r = sql_exec(db, "BEGIN IMMEDIATE");
                if (r < 0)
                        return r;
                r = sql_migrate_one(db, i + 1, migrations + i);
                if (r < 0 && sql_in_transaction(db))
                        (void) sql_exec(db, "ROLLBACK"); /* the first error counts */
        }
        return r;
}

static int sql_set_up(Sql *db, const char *path, const SqlMigration *migrations, size_t n) {
        bool check = closed_badly(path);
        struct stat st;
        size_t version;
        int r;

        (void) sqlite3_busy_timeout(db->handle, BUSY_MSEC);
        (void) sqlite3_extended_result_codes(db->handle, 1);
        /* Until we know that the file is ours and sound, closing it must not touch it. */
        (void) sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);

        if (stat(path, &st) < 0)
                return -errno;
        r = sql_version(db, migrations, n, &version);
        if (r < 0)
                return r;
        if (sqlite3_db_readonly(db->handle, "main") == 1)
                return -EROFS;
        if (check && st.st_size <= CHECK_SIZE_MAX) {
                r = sql_check_pages(db);
                if (r < 0)
                        return r;
        }

        r = sql_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                         "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; "
                         "PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; "
                         "PRAGMA journal_size_limit = 16777216");
        if (r < 0)
                return r;
        (void) sqlite3_wal_hook(db->handle, on_commit, db);
        r = sql_migrate(db, migrations, n, version);
        if (r < 0)
                return r;

        (void) sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
        return 0;
}

int sql_open(const char *path, const SqlMigration *migrations, size_t n_migrations, Sql **ret,
                const char **reterr) {
        _cleanup_(sql_closep) Sql *db = NULL;
        int r;

        db = new0(Sql, 1);
        if (!db)
                return -ENOMEM;

        r = sqlite3_open_v2(path, &db->handle,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
        if (!db->handle)
                r = -ENOMEM;
        else if (r != SQLITE_OK)
                r = sql_error(db, r);
        else
                r = sql_set_up(db, path, migrations, n_migrations);
        if (r < 0) {
                *reterr = sql_reason(r);
                return r;
        }

        *ret = TAKE_PTR(db);
        return 0;
}

Sql *sql_close(Sql *db) {
        if (!db)
                return NULL;

        while (db->statements) {
                SqlStatement *q = db->statements;

                db->statements = q->next;
                (void) sqlite3_finalize(q->stmt);
                free(q);
        }
        (void) sqlite3_close_v2(db->handle);
        return mfree(db);
}

/* Backup. */

int sql_backup_new(Sql *db, const char *path, SqlBackup **ret) {
        _cleanup_(sql_backup_freep) SqlBackup *b = NULL;
        int r;

        b = new0(SqlBackup, 1);
        if (!b)
                return -ENOMEM;

        r = sqlite3_open_v2(path, &b->target,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
        if (!b->target)
                return -ENOMEM;
        /* Not synced and without a journal: it counts only when it is complete and copied. */
        if (r == SQLITE_OK)
                r = sqlite3_exec(b->target, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF",
                                NULL, NULL, NULL);
        if (r != SQLITE_OK)
                return sql_error_of(b->target, r);

        b->copy = sqlite3_backup_init(b->target, "main", db->handle, "main");
        if (!b->copy)
                return sql_error_of(b->target, sqlite3_extended_errcode(b->target));

        *ret = TAKE_PTR(b);
        return 0;
}

int sql_backup_step(SqlBackup *b, unsigned n_pages) {
        int r;

        r = sqlite3_backup_step(b->copy, (int) n_pages);
        if (r == SQLITE_OK)
                return 1;
        if (r != SQLITE_DONE)
                return sql_error_of(b->target, r);

        r = sqlite3_backup_finish(TAKE_PTR(b->copy));
        /* The copy came with "has a write-ahead log" in its header; one file is easier to keep. */
        if (r == SQLITE_OK)
                r = sqlite3_exec(b->target, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
        return r == SQLITE_OK ? 0 : sql_error_of(b->target, r);
}

SqlBackup *sql_backup_free(SqlBackup *b) {
        if (!b)
                return NULL;

        (void) sqlite3_backup_finish(b->copy);
        (void) sqlite3_close_v2(b->target);
        return mfree(b);
}
