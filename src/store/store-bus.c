#include "store-bus.h"

#include "agents-bus.h"
#include "books-bus.h"
#include "bus/authorize.h"
#include "bus/names.h"
#include "check-bus.h"
#include "customer-bus.h"
#include "purchase-bus.h"
#include "regtest-bus.h"
#include "request.h"
#include "store.h"
#include "why-bus.h"

#define BATCH_MAX      4096
#define LIST_MAX       1000
#define OPEN_BYTES_MAX (UINT64_C(1024) * 1024)

/* AddJobs */

#define UNPAID_WAITS (100 * MSEC) /* for the commit of its invoice */

static int request_add_jobs(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        bool urgent = false;
        int r, n = 0;

        r = sd_bus_message_enter_container(m, 'a', "(sqssssxx)");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(is)");
        while (r >= 0) {
                const char *text;
                int verdict;
                Job job = { 0 };

                r = sd_bus_message_read(m, "(sqssssxx)", &job.id, &job.kind, &job.customer,
                                &job.request, &job.relay, &job.state, &job.price_msat,
                                &job.created_at);
                if (r <= 0)
                        break;
                if (++n > BATCH_MAX) {
                        *reterr = "more than 4096 jobs at once";
                        return -E2BIG;
                }
                urgent |= !streq(job.state, "unpaid");
                r = job_add(s->jobs, &job, &verdict, &text);
                if (r < 0) {
                        *reterr = sql_reason(r);
                        return store_note(s, r);
                }
                r = sd_bus_message_append(reply, "(is)", verdict, text);
        }
        if (r >= 0 && !urgent)
                request_may_wait(s, UNPAID_WAITS);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_add_jobs(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_SERVICES, request_add_jobs, error);
}

/* MoveJobs */

static int request_move_jobs(Store *s, sd_bus_message *m, sd_bus_message *reply, bool *ret_lazy,
                const char **reterr) {
        int r, n = 0, lazy;

        r = sd_bus_message_enter_container(m, 'a', "(sssss)");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(is)");
        while (r >= 0) {
                const char *text;
                int verdict;
                JobMove move = { 0 };

                r = sd_bus_message_read(m, "(sssss)", &move.id, &move.state, &move.result,
                                &move.error, &move.feedback);
                if (r <= 0)
                        break;
                if (++n > BATCH_MAX) {
                        *reterr = "more than 4096 jobs at once";
                        return -E2BIG;
                }
                r = job_move(s->jobs, &move, &verdict, &text);
                if (r < 0) {
                        *reterr = sql_reason(r);
                        return store_note(s, r);
                }
                r = sd_bus_message_append(reply, "(is)", verdict, text);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r >= 0)
                r = sd_bus_message_read(m, "b", &lazy);
        if (r < 0)
                return r;
        *ret_lazy = lazy;
        return sd_bus_message_close_container(reply);
}

static int method_move_jobs(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_SERVICES, request_move_jobs, error);
}

/* SetSetting, GetSetting */

static int request_set_setting(Store *s, sd_bus_message *m, _unused_ sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *name, *value;
        int r;

        r = sd_bus_message_read(m, "ss", &name, &value);
        if (r < 0)
                return r;
        r = setting_set(s->settings, name, value);
        if (r == -EINVAL)
                *reterr = "a setting has a name of 1 to 128 bytes and a value of at most 64 KiB";
        else if (r < 0)
                *reterr = sql_reason(store_note(s, r));
        return r;
}

static int method_set_setting(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_SERVICES, request_set_setting, error);
}

static int method_get_setting(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_free_ char *value = NULL;
        Store *s = userdata;
        const char *name;
        int r;

        r = store_only(s, m, STORE_SERVICES, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        r = setting_get(s->settings, name, &value);
        if (r < 0)
                return store_refuse_database(s, error, r);
        return sd_bus_reply_method_return(m, "s", value);
}

/* OpenJobs, ListJobs */

typedef struct List {
        sd_bus_message *reply;
        size_t bytes;
} List;

static int list_open_row(const Job *job, void *userdata) {
        List *l = userdata;
        int r;

        l->bytes += strlen(job->request) + strlen(job->result) + strlen(job->relay) + 256;
        r = sd_bus_message_append(l->reply, "(sqssssxxs)", job->id, job->kind, job->customer,
                        job->request, job->relay, job->state, job->price_msat, job->created_at,
                        job->result);
        if (r < 0)
                return r;
        return l->bytes >= OPEN_BYTES_MAX; /* the caller asks on from here */
}

static int list_row(const Job *job, void *userdata) {
        List *l = userdata;
        int r;

        r = sd_bus_message_append(l->reply, "(sqssxxs)", job->id, job->kind, job->customer,
                        job->state, job->price_msat, job->created_at, job->error);
        return MIN(r, 0);
}

static int method_open_jobs(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        const char *after;
        uint32_t limit;
        List list;
        int r;

        r = store_only(s, m, STORE_SERVICES, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "su", &after, &limit);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(sqssssxxs)");
        if (r < 0)
                return r;

        list = (List){ .reply = reply };
        r = job_list_open(s->jobs, after, MIN(limit, (uint32_t) LIST_MAX), list_open_row, &list);
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int method_list_jobs(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        const char *state;
        uint32_t limit;
        int64_t before;
        List list;
        int r;

        r = sd_bus_message_read(m, "sux", &state, &limit, &before);
        if (r < 0)
                return r;
        if (!isempty(state) && job_state_of(state) < 0)
                return sd_bus_error_setf(
                                error, BUS_ERROR_BAD_INPUT, "There is no state \"%s\".", state);

        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "(sqssxxs)");
        if (r < 0)
                return r;

        list = (List){ .reply = reply };
        r = job_list(s->jobs, isempty(state) ? NULL : state, before > 0 ? before : INT64_MAX,
                        MIN(limit, (uint32_t) LIST_MAX), list_row, &list);
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* GetJob */

static int append_column(sd_bus_message *reply, SqlStatement *q, int i) {
        if (sql_is_null(q, i))
                return 0;
        if (sql_column_is_int(q, i))
                return sd_bus_message_append(
                                reply, "{sv}", sql_column_name(q, i), "x", sql_int(q, i));
        return sd_bus_message_append(reply, "{sv}", sql_column_name(q, i), "s", sql_text(q, i));
}

static int method_get_job(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_sql_ SqlStatement *q = NULL;
        Store *s = userdata;
        const char *prefix, *reason;
        int r;

        r = sd_bus_message_read(m, "s", &prefix);
        if (r < 0)
                return r;
        r = job_get(s->jobs, prefix, &q, &reason);
        if (r == -ENOENT)
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_JOB,
                                "There is no job whose id begins with \"%s\".", prefix);
        if (r < 0)
                return store_refuse(error, r, reason);

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        for (int i = 0; r >= 0 && i < sql_n_columns(q); i++)
                r = append_column(reply, q, i);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* Earnings */

static int append_source(const char *source, _unused_ int64_t n, int64_t msat, void *userdata) {
        return sd_bus_message_append(userdata, "{sx}", source, msat);
}

static int append_earning(const Earning *e, void *userdata) {
        return sd_bus_message_append(userdata, "(sssxsx)", e->id, e->job_id, e->source,
                        e->amount_msat, e->payment_hash, e->earned_at);
}

static int append_earnings(Store *s, sd_bus_message *reply, unsigned limit) {
        int64_t n, msat;
        int r;

        r = earning_sum(s->earnings, &n, &msat);
        if (r >= 0)
                r = sd_bus_message_append(reply, "a{sx}", 2, "total_msats", msat, "job_count", n);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sx}");
        if (r >= 0)
                r = earning_totals(s->earnings, append_source, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sssxsx)");
        if (r >= 0)
                r = earning_list(s->earnings, limit, append_earning, reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_earnings(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        uint32_t limit;
        int r;

        r = sd_bus_message_read(m, "u", &limit);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = append_earnings(s, reply, MIN(limit, (uint32_t) LIST_MAX));
        if (r < 0)
                return store_refuse_database(s, error, r);
        return sd_bus_send(NULL, reply, NULL);
}

static int append_group(const char *name, int64_t n, int64_t msat, void *userdata) {
        return sd_bus_message_append(userdata, "(sxx)", name, n, msat);
}

static int method_earnings_by(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Store *s = userdata;
        const char *group;
        int64_t since;
        int r;

        r = sd_bus_message_read(m, "sx", &group, &since);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sxx)");
        if (r < 0)
                return r;
        r = earning_groups(s->earnings, group, MAX(since, INT64_C(0)), append_group, reply);
        if (r == -EINVAL)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT,
                                "Earnings are grouped by \"source\", \"kind\" or \"day\".");
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* Backup */

static void backup_done(int error, const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *request = NULL;
        Store *s = userdata;

        request = TAKE_PTR(s->backup_request);
        s->backup = backup_free(s->backup);
        if (error < 0)
                (void) sd_bus_reply_method_errorf(request, "System.Error.EIO",
                                "The backup could not be finished: %s.", reason);
        else
                (void) sd_bus_reply_method_return(request, NULL);
}

static int method_backup(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Store *s = userdata;
        BackupPlan plan = { s->db, s->group, service_event(s->service), s->temporary };
        const char *reason = NULL;
        int r, fd;

        r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;
        r = bus_authorize(
                        service_server(s->service), m, "com.openagents.pylon1.store.backup", error);
        if (r <= 0)
                return r < 0 ? r : 1; /* 0: polkit asks, and we are called again */
        if (s->backup)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "Another backup is being made.");

        r = backup_new(&plan, fd, backup_done, s, &s->backup, &reason);
        if (r < 0)
                return store_refuse(error, r, reason);
        s->backup_request = sd_bus_message_ref(m);
        return 1;
}

/* Properties: from the tables of totals, never summed over history. */

static int property_jobs_completed(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        int64_t totals[_JOB_STATE_MAX];
        Store *s = userdata;
        int r;

        r = job_totals(s->jobs, totals);
        if (r < 0)
                return store_refuse_database(s, error, r);
        return sd_bus_message_append(reply, "t", (uint64_t) totals[JOB_COMPLETED]);
}

static int property_jobs_by_state(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        int64_t totals[_JOB_STATE_MAX];
        Store *s = userdata;
        int r;

        r = job_totals(s->jobs, totals);
        if (r < 0)
                return store_refuse_database(s, error, r);
        r = sd_bus_message_open_container(reply, 'a', "{st}");
        for (int i = 0; r >= 0 && i < _JOB_STATE_MAX; i++)
                r = sd_bus_message_append(
                                reply, "{st}", job_state_name((JobState) i), (uint64_t) totals[i]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_earnings(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Store *s = userdata;
        int64_t n, msat;
        int r;

        r = earning_sum(s->earnings, &n, &msat);
        if (r < 0)
                return store_refuse_database(s, error, r);
        return sd_bus_message_append(reply, "x", msat);
}

/* clang-format off */
static const sd_bus_vtable store_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("ListJobs",
                        SD_BUS_ARGS("s", state, "u", limit, "x", before),
                        SD_BUS_RESULT("a(sqssxxs)", jobs),
                        method_list_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetJob",
                        SD_BUS_ARGS("s", id), SD_BUS_RESULT("a{sv}", job),
                        method_get_job, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ListPurchases",
                        SD_BUS_ARGS("u", limit, "x", before),
                        SD_BUS_RESULT("a(sqsssxxxxs)", purchases),
                        method_list_purchases, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetPurchase",
                        SD_BUS_ARGS("s", id), SD_BUS_RESULT("a{sv}", purchase),
                        method_get_purchase, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Earnings",
                        SD_BUS_ARGS("u", limit),
                        SD_BUS_RESULT("a{sx}", totals, "a{sx}", by_source, "a(sssxsx)", recent),
                        method_earnings, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Ledger",
                        SD_BUS_ARGS("x", after, "u", limit),
                        SD_BUS_RESULT("a(xxssssx)", postings),
                        method_ledger, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("VerifyLedger",
                        SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sbs)", checks),
                        method_verify_ledger, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", report),
                        method_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("EarningsBy",
                        SD_BUS_ARGS("s", group, "x", since),
                        SD_BUS_RESULT("a(sxx)", groups),
                        method_earnings_by, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Backup",
                        SD_BUS_ARGS("h", file), SD_BUS_NO_RESULT,
                        method_backup, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("JobsCompleted", "t", property_jobs_completed, 0, 0),
        SD_BUS_PROPERTY("EarningsMsat", "x", property_earnings, 0, 0),
        SD_BUS_PROPERTY("JobsByState", "a{st}", property_jobs_by_state, 0, 0),
        SD_BUS_PROPERTY("Path", "s", NULL, offsetof(Store, path), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable store_service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("AddJobs",
                        SD_BUS_ARGS("a(sqssssxx)", jobs), SD_BUS_RESULT("a(is)", verdicts),
                        method_add_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("MoveJobs",
                        SD_BUS_ARGS("a(sssss)", moves, "b", lazy), SD_BUS_RESULT("a(is)", verdicts),
                        method_move_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("OpenJobs",
                        SD_BUS_ARGS("s", after, "u", limit), SD_BUS_RESULT("a(sqssssxxs)", jobs),
                        method_open_jobs, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetSetting",
                        SD_BUS_ARGS("s", name), SD_BUS_RESULT("s", value),
                        method_get_setting, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetSetting",
                        SD_BUS_ARGS("s", name, "s", value), SD_BUS_NO_RESULT,
                        method_set_setting, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("NoteCustomer",
                        SD_BUS_ARGS("s", what, "s", job, "s", customer, "x", day), SD_BUS_NO_RESULT,
                        method_note_customer, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Customers",
                        SD_BUS_ARGS("s", what, "x", since_day, "u", limit),
                        SD_BUS_RESULT("a(sx)", customers),
                        method_customers, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

const BusObject store_objects[] = {
        { BUS_STORE, store_vtable, false },
        { BUS_STORE_SERVICE, store_service_vtable, true },
        { BUS_STORE_WALLET, books_vtable, true },
        { BUS_STORE_REGTEST, store_regtest_vtable, true },
        { BUS_STORE_PURCHASES, purchase_vtable, true },
        { BUS_STORE_AGENTS, agents_vtable, true },
        { BUS_STORE_WHY, store_why_vtable, true },
        { 0 },
};
/* clang-format on */
