/* basic/sql: real files, opened in every state they may be in; statements, migrations, backup. */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "basic/sql.h"

typedef struct Place {
        char folder[64], path[96], copy[96];
} Place;

/* A macro, because clang does not take an element of an array for a constant. */
#define THINGS                                                                                       \
        {                                                                                            \
                "things", "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, " \
                          "data BLOB, n INTEGER CHECK (n < 1000)) STRICT"                            \
        }

static const SqlMigration first[] = {
        THINGS,
};
static const SqlMigration second[] = {
        THINGS,
        { "colours", "ALTER TABLE things ADD COLUMN colour TEXT; "
                     "UPDATE things SET colour = 'grey'" },
};
static const SqlMigration broken[] = {
        THINGS,
        { "half", "CREATE TABLE half (id INTEGER); INSERT INTO nowhere VALUES (1)" },
};

static int set_up(void **state) {
        Place *p = new0(Place, 1);

        (void) snprintf(p->folder, sizeof(p->folder), "/tmp/pylon-sql-XXXXXX");
        assert_non_null(mkdtemp(p->folder));
        (void) snprintf(p->path, sizeof(p->path), "%s/test.db", p->folder);
        (void) snprintf(p->copy, sizeof(p->copy), "%s/copy.db", p->folder);
        *state = p;
        return 0;
}

static int tear_down(void **state) {
        static const char *const names[] = { "test.db", "test.db-wal", "test.db-shm", "copy.db",
                "copy.db-wal", "copy.db-shm", "copy.db-journal" };
        Place *p = *state;
        char path[128];

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", p->folder, names[i]);
                (void) unlink(path);
        }
        assert_int_equal(rmdir(p->folder), 0);
        free(p);
        return 0;
}

static Sql *open_it(const char *path, const SqlMigration *m, size_t n) {
        const char *reason = NULL;
        Sql *db = NULL;

        assert_int_equal(sql_open(path, m, n, &db, &reason), 0);
        assert_null(reason);
        return db;
}

static int64_t number(Sql *db, const char *text) {
        SqlStatement *q;
        int64_t n;

        assert_int_equal(sql_prepare(db, text, &q), 0);
        assert_int_equal(sql_step(q), 1);
        n = sql_int(q, 0);
        (void) sql_reset(q);
        return n;
}

static void refuse(
                const char *path, const SqlMigration *m, size_t n, int error, const char *words) {
        const char *reason = NULL;
        Sql *db = NULL;

        assert_int_equal(sql_open(path, m, n, &db, &reason), error);
        assert_null(db);
        assert_string_equal(reason, words);
}

static void overwrite(const char *path, off_t at, const char *bytes, size_t size) {
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, bytes, size, at), size);
        assert_int_equal(close(fd), 0);
}

static void a_new_file_gets_its_schema_and_notes_each_migration(void **state) {
        Place *p = *state;
        Sql *db = open_it(p->path, second, 2);

        assert_int_equal(number(db, "SELECT count(*) FROM migrations"), 2);
        assert_int_equal(
                        number(db, "SELECT max(abs(applied_at - unixepoch())) < 60 FROM migrations"),
                        1);
        assert_int_equal(number(db, "SELECT id FROM migrations WHERE name = 'colours'"), 2);
        assert_int_equal(number(db, "PRAGMA synchronous"), 2);
        assert_int_equal(number(db, "PRAGMA foreign_keys"), 1);
        (void) sql_close(db);
}

static void an_older_file_is_brought_up_to_date(void **state) {
        Place *p = *state;
        Sql *db = open_it(p->path, first, 1);

        assert_int_equal(sql_exec(db, "INSERT INTO things (name) VALUES ('door')"), 0);
        (void) sql_close(db);
        db = open_it(p->path, second, 2);
        assert_int_equal(number(db, "SELECT count(*) FROM things WHERE colour = 'grey'"), 1);
        (void) sql_close(db);
}

static void a_migration_that_fails_leaves_nothing_of_itself(void **state) {
        Place *p = *state;
        const char *reason = NULL;
        Sql *db = open_it(p->path, first, 1);

        (void) sql_close(db);
        db = NULL;
        assert_int_equal(sql_open(p->path, broken, 2, &db, &reason), -EIO);
        db = open_it(p->path, first, 1);
        assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), 0);
        (void) sql_close(db);
}

static void a_file_of_a_newer_version_is_refused_and_left_alone(void **state) {
        Place *p = *state;
        struct stat before, after;
        Sql *db = open_it(p->path, second, 2);

        (void) sql_close(db);
        assert_int_equal(stat(p->path, &before), 0);
        refuse(p->path, first, 1, -EPROTONOSUPPORT,
                        "the database was written by a newer version of Pylon");
        assert_int_equal(stat(p->path, &after), 0);
        assert_int_equal(before.st_size, after.st_size);
        assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void the_file_of_another_program_is_refused(void **state) {
        static const SqlMigration other[] = { { "001_initial_schema",
                        "CREATE TABLE jobs (id TEXT)" } };
        Place *p = *state;
        Sql *db = open_it(p->path, other, 1);

        (void) sql_close(db);
        refuse(p->path, first, 1, -EMEDIUMTYPE, "the file is the database of another program");
}

static void a_file_that_is_no_database_is_damaged_and_left_alone(void **state) {
        char bytes[4096], after[4096];
        Place *p = *state;
        int fd;

        memset(bytes, 'x', sizeof(bytes));
        overwrite(p->path, 0, bytes, sizeof(bytes));
        refuse(p->path, first, 1, -EUCLEAN, "the database file is damaged");
        fd = open(p->path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(read(fd, after, sizeof(after)), sizeof(after));
        assert_int_equal(close(fd), 0);
        assert_memory_equal(bytes, after, sizeof(bytes));
}

static void a_damaged_page_is_found_after_a_close_that_was_not_clean(void **state) {
        Place *p = *state;
        char log[128], zeros[2048];
        Sql *db = open_it(p->path, first, 1);

        assert_int_equal(
                        sql_exec(db, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
                                     "c WHERE i < 999) INSERT INTO things (name, n) SELECT "
                                     "'thing number ' || i, i FROM c"),
                        0);
        (void) sql_close(db);
        memset(zeros, 0xff, sizeof(zeros));
        overwrite(p->path, 4 * 4096L, zeros, sizeof(zeros));
        (void) snprintf(log, sizeof(log), "%s-wal", p->path);
        overwrite(log, 0, "\0\0", 2); /* what a crash leaves behind */
        refuse(p->path, first, 1, -EUCLEAN, "the database file is damaged");
}

static void a_missing_folder_and_a_folder_in_its_place_have_their_own_words(void **state) {
        Place *p = *state;
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/none/test.db", p->folder);
        refuse(path, first, 1, -ENOENT, "the folder of the database does not exist");
        refuse(p->folder, first, 1, -EISDIR, "there is a folder in the place of the database file");
}

static void values_come_back_as_they_went_in(void **state) {
        Place *p = *state;
        SqlStatement *add, *get;
        size_t size;
        Sql *db = open_it(p->path, first, 1);

        assert_int_equal(sql_prepare(db, "INSERT INTO things (name, data, n) VALUES (?, ?, ?)",
                                         &add),
                        0);
        assert_int_equal(sql_prepare(db, "SELECT name, data, n FROM things WHERE id = ?", &get), 0);

        sql_bind_text(add, 1, "door");
        sql_bind_bytes(add, 2, "a\0b", 3);
        sql_bind_int(add, 3, -5);
        assert_int_equal(sql_run(add), 0);
        assert_int_equal(sql_changes(db), 1);

        sql_bind_int(get, 1, sql_last_id(db));
        assert_int_equal(sql_step(get), 1);
        assert_string_equal(sql_text(get, 0), "door");
        assert_memory_equal(sql_bytes(get, 1, &size), "a\0b", 3);
        assert_int_equal(size, 3);
        assert_int_equal(sql_int(get, 2), -5);
        assert_int_equal(sql_n_columns(get), 3);
        assert_string_equal(sql_column_name(get, 2), "n");
        assert_true(sql_column_is_int(get, 2));
        assert_int_equal(sql_step(get), 0);

        sql_bind_text(add, 1, "window"); /* nothing is left of the values before */
        assert_int_equal(sql_run(add), 0);
        sql_bind_int(get, 1, sql_last_id(db));
        assert_int_equal(sql_step(get), 1);
        assert_true(sql_is_null(get, 1));
        assert_string_equal(sql_text(get, 1), "");
        (void) sql_close(db);
}

static void errors_say_what_was_wrong(void **state) {
        Place *p = *state;
        SqlStatement *add;
        Sql *db = open_it(p->path, first, 1);

        assert_int_equal(sql_prepare(db, "INSERT INTO things (name, n) VALUES (?, ?)", &add), 0);
        sql_bind_text(add, 1, "door");
        assert_int_equal(sql_run(add), 0);
        sql_bind_text(add, 1, "door");
        assert_int_equal(sql_run(add), -EEXIST);
        assert_non_null(strstr(sql_message(db), "things.name"));
        sql_bind_text(add, 1, "tower");
        sql_bind_int(add, 2, 1000);
        assert_int_equal(sql_run(add), -EINVAL);
        sql_bind_text(add, 3, "there is no third value");
        assert_int_equal(sql_run(add), -EIO);
        assert_int_equal(sql_run(add), -EINVAL); /* the name is missing again: nothing stuck */

        assert_int_equal(sql_exec(db, "PRAGMA max_page_count = 10"), 0);
        assert_int_equal(sql_exec(db, "INSERT INTO things (name, data) VALUES ('large', "
                                      "zeroblob(100000))"),
                        -ENOSPC);
        assert_string_equal(sql_reason(-ENOSPC), "the disk is full");
        (void) sql_close(db);
}

static void another_program_may_read_meanwhile_and_a_lock_is_named(void **state) {
        Place *p = *state;
        const char *reason;
        Sql *db = open_it(p->path, first, 1), *other = NULL;

        assert_int_equal(
                        sql_exec(db, "BEGIN IMMEDIATE; INSERT INTO things (name) VALUES ('a')"), 0);
        assert_int_equal(sql_open(p->path, first, 1, &other, &reason), 0);
        assert_int_equal(number(other, "SELECT count(*) FROM things"), 0);
        assert_int_equal(sql_exec(other, "PRAGMA busy_timeout = 1"), 0);
        assert_int_equal(sql_exec(other, "INSERT INTO things (name) VALUES ('b')"), -EBUSY);
        (void) sql_close(other);
        assert_int_equal(sql_exec(db, "COMMIT"), 0);
        (void) sql_close(db);
}

static void the_log_moves_into_the_file(void **state) {
        Place *p = *state;
        Sql *db = open_it(p->path, first, 1);

        assert_int_equal(sql_exec(db, "INSERT INTO things (name) VALUES ('a')"), 0);
        assert_true(sql_log_pages(db) > 0);
        assert_int_equal(sql_checkpoint(db), 0);
        assert_int_equal(sql_log_pages(db), 0);
        (void) sql_close(db);
}

static void a_backup_holds_what_was_written_meanwhile(void **state) {
        Place *p = *state;
        SqlBackup *b;
        Sql *db = open_it(p->path, first, 1), *copy;
        int r, n = 0;

        assert_int_equal(
                        sql_exec(db, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM "
                                     "c WHERE i < 999) INSERT INTO things (name, data) SELECT "
                                     "'thing number ' || i, zeroblob(3000) FROM c"),
                        0);
        assert_int_equal(sql_backup_new(db, p->copy, &b), 0);
        while ((r = sql_backup_step(b, 50)) > 0)
                if (++n == 3) {
                        assert_int_equal(sql_exec(db, "BEGIN IMMEDIATE"), 0);
                        assert_int_equal(sql_exec(db, "INSERT INTO things (name) VALUES ('x')"), 0);
                        assert_int_equal(sql_backup_step(b, 50), -EBUSY);
                        assert_int_equal(sql_exec(db, "COMMIT"), 0);
                }
        assert_int_equal(r, 0);
        assert_true(n > 10);
        (void) sql_backup_free(b);
        (void) sql_close(db);

        copy = open_it(p->copy, first, 1);
        assert_int_equal(number(copy, "SELECT count(*) FROM things"), 1000);
        (void) sql_close(copy);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        static const struct CMUnitTest tests[] = {
                T(a_new_file_gets_its_schema_and_notes_each_migration),
                T(an_older_file_is_brought_up_to_date),
                T(a_migration_that_fails_leaves_nothing_of_itself),
                T(a_file_of_a_newer_version_is_refused_and_left_alone),
                T(the_file_of_another_program_is_refused),
                T(a_file_that_is_no_database_is_damaged_and_left_alone),
                T(a_damaged_page_is_found_after_a_close_that_was_not_clean),
                T(a_missing_folder_and_a_folder_in_its_place_have_their_own_words),
                T(values_come_back_as_they_went_in),
                T(errors_say_what_was_wrong),
                T(another_program_may_read_meanwhile_and_a_lock_is_named),
                T(the_log_moves_into_the_file),
                T(a_backup_holds_what_was_written_meanwhile),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
