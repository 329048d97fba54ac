#include "client/store-client.h"

#include "bus/client.h"
#include "bus/names.h"
#include "bus/text.h"

#define BATCH_MAX   256
#define BATCH_BYTES (UINT64_C(4) * 1024 * 1024)
#define PAGE_MAX    1000
/* After what came in this turn has been read, before the loop sleeps. */
#define FLUSH_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)

typedef struct Batch Batch;

/* One caller's question: a row of a batch, or a call of its own. */
struct StoreCall {
        StoreClient *client;
        Batch *batch; /* NULL: a call of its own */
        BusCall *bus;
        union {
                store_verdict_t verdict;
                store_page_t page;
                store_setting_t setting;
        } done; /* NULL: nobody wants to know any more */
        void *userdata;
        char state[16]; /* which it was added in */
        StoreCall **handle, *prev, *next;
};

/* One message with many rows. First it is filled, then sent, then answered. */
struct Batch {
        StoreClient *client;
        const char *member;
        sd_bus_message *message; /* its array is open while it is filled */
        StoreCall *first, *last; /* in the order of the rows */
        size_t n, bytes;
        int error; /* it could not be sent */
        bool lazy, repeated;
        Batch *prev, *next; /* among those on the way, or those that failed */
};

struct StoreClient {
        sd_event *event;
        sd_event_source *flush;
        BusClient *bus;
        Batch *adds, *moves; /* being filled; NULL: nothing to send */
        Batch *sent, *failed;
        StoreCall *alone; /* calls of their own */
        size_t n_waiting;
        void (*returned)(void *userdata);
        void *returned_userdata;
        bool was_down;
};

/* Calls. */

static StoreCall **call_list(StoreCall *call) {
        return call->batch ? &call->batch->first : &call->client->alone;
}

static void call_unlink(StoreCall *call) {
        *(call->prev ? &call->prev->next : call_list(call)) = call->next;
        if (call->next)
                call->next->prev = call->prev;
        else if (call->batch)
                call->batch->last = call->prev;
        call->client->n_waiting--;
        if (call->handle)
                *call->handle = NULL;
}

/* A row of a batch keeps its place, since the answers come in the order of the rows. */
StoreCall *store_call_free(StoreCall *call) {
        if (!call)
                return NULL;

        if (call->batch) {
                if (call->handle)
                        *call->handle = NULL;
                call->handle = NULL;
                call->done.verdict = NULL;
                return NULL;
        }
        call_unlink(call);
        call->bus = bus_call_free(call->bus);
        return mfree(call);
}

static int call_new(
                StoreClient *c, Batch *batch, void *userdata, StoreCall **handle, StoreCall **ret) {
        StoreCall *call;

        if (c->n_waiting >= STORE_WAITING_MAX)
                return -ENOBUFS;

        call = new0(StoreCall, 1);
        if (!call)
                return -ENOMEM;
        *call = (StoreCall){
                .client = c,
                .batch = batch,
                .userdata = userdata,
                .handle = handle,
        };
        if (batch) {
                call->prev = batch->last;
                *(batch->last ? &batch->last->next : &batch->first) = call;
                batch->last = call;
        } else {
                call->next = c->alone;
                if (call->next)
                        call->next->prev = call;
                c->alone = call;
        }
        c->n_waiting++;
        *ret = call;
        return 0;
}

/* Batches. */

static Batch *batch_free(Batch *b) {
        if (!b)
                return NULL;

        while (b->first) {
                StoreCall *call = b->first;

                call_unlink(call);
                free(call);
        }
        sd_bus_message_unref(b->message);
        return mfree(b);
}
DEFINE_CLEANUP(Batch, batch_free)

static Batch **batch_list(Batch *b) {
        return b->error < 0 ? &b->client->failed : &b->client->sent;
}

static void batch_link(Batch *b) {
        b->next = *batch_list(b);
        if (b->next)
                b->next->prev = b;
        *batch_list(b) = b;
}

static void batch_unlink(Batch *b) {
        *(b->prev ? &b->prev->next : batch_list(b)) = b->next;
        if (b->next)
                b->next->prev = b->prev;
}

/* The first answer may have been lost: then the store tells of what we did ourselves. */
static int first_verdict(const Batch *b, const StoreCall *call, int verdict, const char *text) {
        if (!b->repeated)
                return verdict;
        if (verdict == -EALREADY || (verdict == 1 && streq(text, call->state)))
                return 0;
        return verdict;
}

/* A callback may free the client, so this batch is nobody's by now and its calls leave one by one.
 */
static void batch_answer(Batch *b, sd_bus_message *reply, int error, const char *reason) {
        StoreCall *call;

        if (reply && sd_bus_message_enter_container(reply, 'a', "(is)") < 0)
                error = -EBADMSG;

        while ((call = b->first)) {
                store_verdict_t done = call->done.verdict;
                void *userdata = call->userdata;
                const char *text = reason ?: "the store's answer could not be read";
                int verdict = error;

                if (error >= 0 && sd_bus_message_read(reply, "(is)", &verdict, &text) <= 0)
                        verdict = error = -EBADMSG;
                if (error >= 0)
                        verdict = first_verdict(b, call, verdict, text);
                call_unlink(call);
                free(call);
                if (done)
                        done(verdict, verdict == 0 ? "" : text, userdata);
        }
}

static void batch_on_reply(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_(batch_freep) Batch *b = userdata;

        batch_unlink(b);
        batch_answer(b, m, error, reason);
}

static void batch_send(Batch *b) {
        StoreClient *c;
        int r;

        if (!b)
                return;

        c = b->client;
        r = sd_bus_message_close_container(b->message);
        if (r >= 0 && streq(b->member, "MoveJobs"))
                r = sd_bus_message_append(b->message, "b", b->lazy);
        if (r >= 0)
                r = bus_client_call(c->bus, b->message, 0, batch_on_reply, b, NULL);
        b->error = MIN(r, 0);
        b->message = sd_bus_message_unref(b->message); /* the bus client keeps its own */
        batch_link(b);
        if (r < 0) /* told from the event loop: the caller of this may be one of them */
                (void) sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
}

static void client_send(StoreClient *c) {
        batch_send(TAKE_PTR(c->adds)); /* a job is there before it moves */
        batch_send(TAKE_PTR(c->moves));
}

static int on_flush(_unused_ sd_event_source *s, void *userdata) {
        _cleanup_(batch_freep) Batch *b = NULL;
        StoreClient *c = userdata;

        client_send(c);
        b = c->failed;
        if (!b)
                return 0;

        batch_unlink(b);
        if (c->failed) /* a callback may free the client: one at a time */
                (void) sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
        batch_answer(b, NULL, b->error, "the store cannot be asked");
        return 0;
}

/* The batch to append a row to; a full one is sent first. */
static int batch_get(
                StoreClient *c, Batch **place, const char *member, const char *row, Batch **ret) {
        _cleanup_(batch_freep) Batch *b = NULL;
        int r;

        if (*place && ((*place)->n >= BATCH_MAX || (*place)->bytes >= BATCH_BYTES))
                client_send(c);
        if (*place) {
                *ret = *place;
                return 0;
        }

        b = new0(Batch, 1);
        if (!b)
                return -ENOMEM;
        *b = (Batch){ .client = c, .member = member, .lazy = true };
        r = bus_client_message(c->bus, BUS_STORE_SERVICE, member, &b->message);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(b->message, 'a', row);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
        if (r < 0)
                return r;
        *ret = *place = TAKE_PTR(b);
        return 0;
}

int store_add_job(StoreClient *c, const StoreJob *job, store_verdict_t done, void *userdata,
                StoreCall **ret) {
        _cleanup_free_ char *owned = NULL;
        const char *request;
        StoreCall *call;
        Batch *b;
        int r;

        if (!bus_text_is_fit(job->id) || !bus_text_is_fit(job->customer) ||
                        !bus_text_is_fit(job->relay) || !bus_text_is_fit(job->state))
                return -EILSEQ;
        r = bus_text_json(job->request, &owned, &request);
        if (r < 0)
                return r;
        r = batch_get(c, &c->adds, "AddJobs", "(sqssssxx)", &b);
        if (r < 0)
                return r;
        r = call_new(c, b, userdata, ret, &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(b->message, "(sqssssxx)", job->id, job->kind, job->customer,
                        request, job->relay, job->state, job->price_msat, job->created_at);
        if (r < 0) {
                call_unlink(call);
                free(call);
                return r;
        }

        call->done.verdict = done;
        strncpy(call->state, job->state, sizeof(call->state) - 1);
        b->n++;
        b->bytes += strlen(request) + strlen(job->relay) + 256;
        if (ret)
                *ret = call;
        return 0;
}

int store_move_job(StoreClient *c, const StoreMove *move, store_verdict_t done, void *userdata,
                StoreCall **ret) {
        _cleanup_free_ char *owned_result = NULL, *owned_feedback = NULL;
        const char *result, *feedback, *error = move->error ?: "";
        StoreCall *call;
        Batch *b;
        int r;

        if (!bus_text_is_fit(move->id) || !bus_text_is_fit(move->state) || !bus_text_is_fit(error))
                return -EILSEQ;
        r = bus_text_json(move->result ?: "", &owned_result, &result);
        if (r >= 0)
                r = bus_text_json(move->feedback ?: "", &owned_feedback, &feedback);
        if (r < 0)
                return r;
        r = batch_get(c, &c->moves, "MoveJobs", "(sssss)", &b);
        if (r < 0)
                return r;
        r = call_new(c, b, userdata, ret, &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(
                        b->message, "(sssss)", move->id, move->state, result, error, feedback);
        if (r < 0) {
                call_unlink(call);
                free(call);
                return r;
        }

        call->done.verdict = done;
        b->lazy &= move->lazy;
        b->n++;
        b->bytes += strlen(result) + strlen(feedback) + 256;
        if (ret)
                *ret = call;
        return 0;
}

/* Calls of their own. */

static int call_send(StoreCall *call, sd_bus_message *m, bus_reply_t on_reply, StoreCall **ret) {
        int r;

        r = bus_client_call(call->client->bus, m, 0, on_reply, call, &call->bus);
        if (r < 0) {
                call->handle = NULL;
                (void) store_call_free(call);
                return r;
        }
        if (ret)
                *ret = call;
        return 0;
}

static int read_page(sd_bus_message *m, StoreJob *jobs, size_t *ret_n) {
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sqssssxxs)");
        while (r >= 0 && n < PAGE_MAX) {
                StoreJob *j = jobs + n;

                r = sd_bus_message_read(m, "(sqssssxxs)", &j->id, &j->kind, &j->customer,
                                &j->request, &j->relay, &j->state, &j->price_msat, &j->created_at,
                                &j->result);
                if (r == 0)
                        break;
                n++;
        }
        if (r >= 0)
                *ret_n = n;
        return MIN(r, 0);
}

static void open_jobs_on_reply(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_free_ StoreJob *jobs = NULL;
        StoreCall *call = userdata;
        store_page_t done = call->done.page;
        size_t n = 0;

        userdata = call->userdata;
        call_unlink(call);
        free(call);

        if (error >= 0) {
                jobs = new0(StoreJob, PAGE_MAX);
                error = jobs ? read_page(m, jobs, &n) : -ENOMEM;
                reason = "the store's answer could not be read";
        }
        done(error, error < 0 ? reason : NULL, jobs, error < 0 ? 0 : n, userdata);
}

int store_open_jobs(StoreClient *c, const char *after, unsigned limit, store_page_t done,
                void *userdata, StoreCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        StoreCall *call;
        int r;

        r = bus_client_message(c->bus, BUS_STORE_SERVICE, "OpenJobs", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "su", after, (uint32_t) MIN(limit, (unsigned) PAGE_MAX));
        if (r < 0)
                return r;
        r = call_new(c, NULL, userdata, ret, &call);
        if (r < 0)
                return r;
        call->done.page = done;
        return call_send(call, m, open_jobs_on_reply, ret);
}

static int read_columns(sd_bus_message *m, StoreJob *j) {
        const struct {
                const char *name, **value;
        } columns[] = {
                { "id", &j->id },
                { "request", &j->request },
                { "status", &j->state },
                { "result", &j->result },
        };
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name, **value = NULL;

                r = sd_bus_message_read_basic(m, 's', &name);
                for (size_t i = 0; r >= 0 && i < ELEMENTSOF(columns); i++)
                        if (streq(columns[i].name, name))
                                value = columns[i].value;
                if (r >= 0)
                        r = value ? sd_bus_message_read(m, "v", "s", value)
                                  : sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return MIN(r, 0);
}

static void find_on_reply(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        StoreJob job = { .id = "", .request = "", .state = "", .result = "" };
        StoreCall *call = userdata;
        store_page_t done = call->done.page;
        bool unknown = error < 0 && streq(name, BUS_ERROR_NO_SUCH_JOB);

        userdata = call->userdata;
        call_unlink(call);
        free(call);

        if (error >= 0) {
                error = read_columns(m, &job);
                reason = "the store's answer could not be read";
        }
        if (unknown)
                done(0, NULL, NULL, 0, userdata);
        else
                done(error, error < 0 ? reason : NULL, &job, error < 0 ? 0 : 1, userdata);
}

int store_find_job(StoreClient *c, const char *id, store_page_t done, void *userdata,
                StoreCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        StoreCall *call;
        int r;

        r = bus_client_message(c->bus, BUS_STORE, "GetJob", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r >= 0)
                r = call_new(c, NULL, userdata, ret, &call);
        if (r < 0)
                return r;
        call->done.page = done;
        return call_send(call, m, find_on_reply, ret);
}

static void setting_on_reply(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        StoreCall *call = userdata;
        store_setting_t done = call->done.setting;
        const char *value = "";
        int r;

        userdata = call->userdata;
        call_unlink(call);
        free(call);

        if (error >= 0 && !isempty(sd_bus_message_get_signature(m, true))) {
                r = sd_bus_message_read(m, "s", &value);
                if (r < 0) {
                        error = r;
                        reason = "the store's answer could not be read";
                }
        }
        if (done)
                done(error, error < 0 ? reason : NULL, error < 0 ? "" : value, userdata);
}

static int setting_call(StoreClient *c, const char *name, const char *value, store_setting_t done,
                void *userdata, StoreCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        StoreCall *call;
        int r;

        r = bus_client_message(c->bus, BUS_STORE_SERVICE, value ? "SetSetting" : "GetSetting", &m);
        if (r < 0)
                return r;
        r = sd_bus_message_append(m, "s", name);
        if (r >= 0 && value)
                r = sd_bus_message_append(m, "s", value);
        if (r < 0)
                return r;
        r = call_new(c, NULL, userdata, ret, &call);
        if (r < 0)
                return r;
        call->done.setting = done;
        return call_send(call, m, setting_on_reply, ret);
}

int store_get_setting(StoreClient *c, const char *name, store_setting_t done, void *userdata,
                StoreCall **ret) {
        return setting_call(c, name, NULL, done, userdata, ret);
}

int store_set_setting(StoreClient *c, const char *name, const char *value, store_setting_t done,
                void *userdata, StoreCall **ret) {
        return setting_call(c, name, value, done, userdata, ret);
}

/* The client. */

static void on_up(void *userdata) {
        StoreClient *c = userdata;

        if (TAKE(c->was_down, false) && c->returned)
                c->returned(c->returned_userdata);
}

static void on_down(void *userdata) {
        StoreClient *c = userdata;

        c->was_down = true;
        for (Batch *b = c->sent; b; b = b->next)
                b->repeated = true;
}

void store_client_on_return(StoreClient *c, void (*returned)(void *userdata), void *userdata) {
        c->returned = returned;
        c->returned_userdata = userdata;
        bus_client_stay(c->bus, true);
}

int store_client_new(sd_event *event, const char *socket_path, StoreClient **ret) {
        _cleanup_(store_client_freep) StoreClient *c = NULL;
        int r;

        c = new0(StoreClient, 1);
        if (!c)
                return -ENOMEM;

        c->event = sd_event_ref(event);
        r = bus_client_new(event, socket_path, &c->bus);
        if (r < 0)
                return r;
        bus_client_on_state(c->bus, on_up, on_down, c);
        r = sd_event_add_defer(event, &c->flush, on_flush, c);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(c->flush, "store-client");
        r = sd_event_source_set_priority(c->flush, FLUSH_PRIORITY);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(c->flush, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

StoreClient *store_client_free(StoreClient *c) {
        if (!c)
                return NULL;

        c->flush = sd_event_source_disable_unref(c->flush);
        while (c->alone)
                (void) store_call_free(c->alone);
        c->bus = bus_client_free(c->bus);
        while (c->sent || c->failed) {
                Batch *b = c->sent ?: c->failed;

                batch_unlink(b);
                (void) batch_free(b);
        }
        (void) batch_free(c->adds);
        (void) batch_free(c->moves);
        c->event = sd_event_unref(c->event);
        return mfree(c);
}

BusClient *store_client_bus(StoreClient *c) {
        return c->bus;
}

size_t store_client_n_waiting(const StoreClient *c) {
        return c->n_waiting;
}
