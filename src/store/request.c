#include "request.h"

#include "bus/names.h"
#include "store.h"

#define REDONE_MAX 1024 /* lazy requests whose commit failed */
#define REDO_PAUSE SEC

/* An answer that waits for the commit of what it says. */
typedef struct Answer Answer;
struct Answer {
        Store *store;
        sd_bus_message *request, *reply;
        request_t run;
        Answer *next; /* among those that are redone */
};

static Answer *answer_free(Answer *a) {
        if (!a)
                return NULL;

        sd_bus_message_unref(a->request);
        sd_bus_message_unref(a->reply);
        return mfree(a);
}
DEFINE_CLEANUP(Answer, answer_free)

int store_refuse(sd_bus_error *error, int r, const char *reason) {
        const char *name = r == -EUCLEAN    ? BUS_ERROR_DAMAGED
                           : r == -EBUSY    ? BUS_ERROR_BUSY
                           : r == -EINVAL   ? BUS_ERROR_BAD_INPUT
                           : r == -E2BIG    ? BUS_ERROR_BAD_INPUT
                           : r == -ENOTUNIQ ? BUS_ERROR_AMBIGUOUS
                                            : NULL;

        if (name)
                return sd_bus_error_setf(error, name, "%s", reason ?: sql_reason(r));
        return sd_bus_error_set_errnof(error, r, "%s", reason ?: sql_reason(r));
}

int store_refuse_database(Store *s, sd_bus_error *error, int r) {
        return store_refuse(error, store_note(s, r), NULL);
}

int store_only(Store *s, sd_bus_message *m, StoreCallers callers, sd_bus_error *error) {
        PeerRole role = bus_server_role(service_server(s->service), m);

        if (callers == STORE_SERVICES && !peer_role_is_service(role))
                return sd_bus_error_set(error, BUS_ERROR_NOT_ALLOWED,
                                "Only Pylon's own services may call this.");
        if (callers == STORE_WALLET && role != PEER_WALLET)
                return sd_bus_error_set(
                                error, BUS_ERROR_NOT_ALLOWED, "Only pylon-wallet may call this.");
        if (callers == STORE_HOST && role != PEER_HOST)
                return sd_bus_error_set(
                                error, BUS_ERROR_NOT_ALLOWED, "Only pylon-host may call this.");
        return 0;
}

static void answer_send_reply(const Answer *a) {
        (void) sd_bus_send(NULL, a->reply, NULL); /* the caller may be gone: he repeats it */
}

static void answer_send(int error, const char *reason, void *userdata) {
        _cleanup_(answer_freep) Answer *a = userdata;
        sd_bus_error e = SD_BUS_ERROR_NULL;

        if (error < 0) {
                (void) store_refuse(&e, error, reason);
                (void) sd_bus_reply_method_error(a->request, &e); /* the caller may be gone */
                sd_bus_error_free(&e);
                return;
        }
        (void) store_note(a->store, 0);
        answer_send_reply(a);
}

static int answer_new(Store *s, sd_bus_message *request, Answer **ret) {
        _cleanup_(answer_freep) Answer *a = NULL;
        int r;

        a = new0(Answer, 1);
        if (!a)
                return -ENOMEM;
        a->store = s;
        a->request = sd_bus_message_ref(request);
        r = sd_bus_message_new_method_return(request, &a->reply);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

/* Who moved lazily has his answer already and will not ask again. Where the commit fails, it is
 * done once more: a move that was done or overtaken meanwhile changes nothing. */
static void redo_later(Answer *a) {
        Store *s = a->store;

        if (s->n_redone >= REDONE_MAX ||
                        sd_event_source_set_time_relative(s->redo, REDO_PAUSE) < 0 ||
                        sd_event_source_set_enabled(s->redo, SD_EVENT_ONESHOT) < 0) {
                (void) answer_free(a); /* it comes again at the next start of its caller */
                return;
        }
        a->next = s->redone;
        s->redone = a;
        s->n_redone++;
}

static void on_lazy_end(int error, _unused_ const char *reason, void *userdata) {
        Answer *a = userdata;

        if (error < 0) {
                redo_later(a);
                return;
        }
        (void) store_note(a->store, 0);
        (void) answer_free(a);
}

static int redo(Store *s, const Answer *a) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *reason;
        bool lazy;
        int r;

        r = sd_bus_message_rewind(a->request, true);
        if (r >= 0)
                r = sd_bus_message_new_method_return(a->request, &reply);
        if (r >= 0)
                r = sql_request_begin(s->group);
        if (r < 0)
                return r;

        r = a->run(s, a->request, reply, &lazy, &reason);
        if (r < 0)
                sql_request_refuse(s->group);
        return r;
}

int request_run(Store *s, sd_bus_message *m, StoreCallers callers, request_t run,
                sd_bus_error *error) {
        _cleanup_(answer_freep) Answer *a = NULL;
        const char *reason = NULL;
        bool lazy = false;
        int r;

        r = store_only(s, m, callers, error);
        if (r < 0)
                return r;
        r = answer_new(s, m, &a);
        if (r < 0)
                return r;
        r = sql_request_begin(s->group);
        if (r < 0)
                return store_refuse_database(s, error, r);

        a->run = run;
        s->may_wait = 0;
        r = run(s, m, a->reply, &lazy, &reason);
        if (r < 0) {
                sql_request_refuse(s->group);
                return reason ? store_refuse(error, r, reason) : r;
        }

        r = s->may_wait > 0 && !lazy
                            ? sql_request_soon(s->group, s->may_wait, answer_send, a)
                            : sql_request_ok(s->group, lazy, lazy ? on_lazy_end : answer_send, a);
        if (r < 0)
                return store_refuse_database(s, error, r);
        if (lazy)
                answer_send_reply(a);
        TAKE_PTR(a); /* now the commit's */
        return 1;
}

void request_may_wait(Store *s, usec_t within) {
        s->may_wait = within;
}

int request_ask(Store *s, sd_bus_message *m, StoreCallers callers, request_t run,
                sd_bus_error *error) {
        _cleanup_(answer_freep) Answer *a = NULL;
        const char *reason = NULL;
        bool lazy;
        int r;

        if (!sql_group_is_idle(s->group))
                return request_run(s, m, callers, run, error);

        r = store_only(s, m, callers, error);
        if (r >= 0)
                r = answer_new(s, m, &a);
        if (r < 0)
                return r;
        r = run(s, m, a->reply, &lazy, &reason);
        if (r < 0)
                return reason ? store_refuse(error, r, reason) : r;
        answer_send_reply(a);
        return 1;
}

static int on_redo(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Store *s = userdata;
        Answer *list = TAKE_PTR(s->redone);

        s->n_redone = 0;
        while (list) {
                Answer *a = list;
                int r;

                list = TAKE_PTR(a->next);
                r = redo(s, a);
                if (r >= 0)
                        r = sql_request_ok(s->group, true, on_lazy_end, a);
                if (r < 0)
                        redo_later(a);
        }
        return 0;
}

int request_prepare(Store *s) {
        int r;

        r = sd_event_add_time_relative(service_event(s->service), &s->redo, CLOCK_MONOTONIC,
                        REDO_PAUSE, 100 * MSEC, on_redo, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(s->redo, "store-redo");
        return sd_event_source_set_enabled(s->redo, SD_EVENT_OFF);
}

void request_done(Store *s) {
        s->redo = sd_event_source_disable_unref(s->redo);
        while (s->redone) {
                Answer *a = s->redone;

                s->redone = a->next;
                (void) answer_free(a);
        }
}
