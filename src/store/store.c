#include "store.h"

#include <fcntl.h>
#include <stdio.h>

#include "basic/file.h"
#include "basic/log.h"
#include "schema.h"

#define PROGRAM_MAX 32

/* Which failures get better by trying again, for systemd and the supervisor (RestartPrevent…). */
/* clang-format off */
static const struct {
        int error, exit_code;
} exit_codes[] = {
        { -EUCLEAN,         EXIT_CONFIG },
        { -EPROTONOSUPPORT, EXIT_CONFIG },
        { -EMEDIUMTYPE,     EXIT_CONFIG },
        { -EISDIR,          EXIT_CONFIG },
        { -EROFS,           EXIT_NOPERM },
        { -EACCES,          EXIT_NOPERM },
        { -EPERM,           EXIT_NOPERM },
        { -ENOENT,          EXIT_CANTCREAT },
};
/* clang-format on */

static int exit_code_of(int error) {
        for (size_t i = 0; i < ELEMENTSOF(exit_codes); i++)
                if (exit_codes[i].error == error)
                        return exit_codes[i].exit_code;
        return EXIT_IOERR;
}

int store_note(Store *s, int error) {
        if (error == s->told)
                return error;

        s->told = error;
        if (error == -EUCLEAN)
                log_event(LOG_ERR, LOG_ID_STORE_DAMAGED, NULL,
                                "The database \"%s\" is damaged: %s.", s->path, sql_message(s->db));
        else if (error < 0)
                log_error("The database \"%s\" could not be written: %s (%s).", s->path,
                                sql_reason(error), sql_message(s->db));
        else
                log_notice("The database \"%s\" is written again.", s->path);
        return error;
}

static void on_undone(int error, void *userdata) {
        (void) store_note(userdata, error);
}

/* The name of a process, as people know it from ps(1). */
static void program_of(pid_t pid, char ret[static PROGRAM_MAX]) {
        _cleanup_close_ int fd = -EBADF;
        char path[32];
        ssize_t n;

        (void) snprintf(ret, PROGRAM_MAX, "a process");
        (void) snprintf(path, sizeof(path), "/proc/%d/comm", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return;
        n = read(fd, ret, PROGRAM_MAX - 1);
        if (n > 1)
                ret[n - 1] = 0; /* the newline */
}

static int store_take_lock(Store *s) {
        char name[PROGRAM_MAX];
        _cleanup_free_ char *path = NULL;
        pid_t holder = 0;
        int r;

        r = paths_file(service_paths(s->service), "pylon.lock", &path);
        if (r < 0)
                return service_fail(s->service, EXIT_FAILURE, r, "There is no memory.");

        r = lock_file(path, &s->lock, &holder);
        if (r == -EAGAIN) {
                program_of(holder, name);
                return service_fail(s->service, EXIT_TEMPFAIL, r,
                                "Another Pylon uses these files: \"%s\" is held by %s (PID %d).",
                                path, name, holder);
        }
        if (r < 0)
                return service_fail(s->service, exit_code_of(r), r,
                                "The lock file \"%s\" could not be made: %s.", path, strerror(-r));
        return 0;
}

static int store_make_folder(Store *s) {
        const char *folder = service_paths(s->service)->data;
        int r;

        r = mkdir_p(folder);
        if (r < 0)
                return service_fail(s->service, exit_code_of(r), r,
                                "The folder \"%s\" could not be made: %s.", folder, strerror(-r));
        return 0;
}

static int store_open(Store *s) {
        const char *reason = "there is no memory";
        int r;

        r = sql_open(s->path, schema, schema_n, &s->db, &reason);
        if (r == -EUCLEAN)
                log_event(LOG_ERR, LOG_ID_STORE_DAMAGED, NULL, "The database \"%s\" is damaged.",
                                s->path);
        if (r < 0)
                return service_fail(s->service, exit_code_of(r), r,
                                "The database \"%s\" cannot be used: %s. Nothing in it was changed.",
                                s->path, reason);

        r = sql_group_new(s->db, service_event(s->service), &s->group);
        if (r >= 0)
                r = books_new(s->db, &s->books);
        if (r >= 0)
                r = job_table_new(s->db, s->books->money, &s->jobs);
        if (r >= 0)
                r = earning_table_new(s->db, &s->earnings);
        if (r >= 0)
                r = purchase_table_new(s->db, &s->purchases);
        if (r >= 0)
                r = setting_table_new(s->db, &s->settings);
        if (r >= 0)
                r = agents_new(s->db, s->settings, &s->agents);
        if (r >= 0)
                r = regtest_table_new(s->db, &s->regtest);
        if (r >= 0)
                r = why_table_new(s->db, &s->why);
        if (r >= 0)
                r = customer_table_new(s->db, &s->customers);
        if (r < 0)
                return service_fail(s->service, exit_code_of(r), r,
                                "The database \"%s\" cannot be used: %s (%s).", s->path,
                                sql_reason(r), sql_message(s->db));

        sql_group_on_undone(s->group, on_undone, s);
        return 0;
}

int store_new(Service *service, Store **ret) {
        _cleanup_(store_freep) Store *s = NULL;
        int r;

        s = new0(Store, 1);
        if (!s)
                return service_fail(service, EXIT_FAILURE, -ENOMEM, "There is no memory.");
        s->service = service;
        s->lock = -EBADF;

        if (paths_file(service_paths(service), "pylon.db", &s->path) < 0 ||
                        paths_file(service_paths(service), "pylon.db.backup", &s->temporary) < 0)
                return service_fail(service, EXIT_FAILURE, -ENOMEM, "There is no memory.");

        r = store_make_folder(s);
        if (r < 0)
                return r;
        r = store_take_lock(s);
        if (r < 0)
                return r;
        (void) unlink(s->temporary); /* of a backup that was cut short */
        r = store_open(s);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(s);
        return 0;
}

Store *store_free(Store *s) {
        if (!s)
                return NULL;

        s->backup = backup_free(s->backup);
        sd_bus_message_unref(s->backup_request);
        s->group = sql_group_free(s->group);
        s->jobs = job_table_free(s->jobs);
        s->books = books_free(s->books);
        s->earnings = earning_table_free(s->earnings);
        s->purchases = purchase_table_free(s->purchases);
        s->agents = agents_free(s->agents);
        s->settings = setting_table_free(s->settings);
        s->regtest = regtest_table_free(s->regtest);
        s->why = why_table_free(s->why);
        s->customers = customer_table_free(s->customers);
        s->db = sql_close(s->db);
        closep(&s->lock);
        free(s->path);
        free(s->temporary);
        return mfree(s);
}
