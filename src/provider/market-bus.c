#include "market-bus.h"

#include "bus/authorize.h"
#include "bus/names.h"
#include "bus/text.h"
#include "job-pay.h"

#define ASKED_MAX  32         /* questions to the store at a time */
#define WATCH_USEC (2 * MIN_) /* who watches says so again in time */
#define PREFIX_MIN 8

/* ---- questions that the store answers */

struct ProviderAsked {
        ProviderService *service;
        ProviderAsked *next;
        sd_bus_message *message;
        WhyCall *call;
        int (*append)(ProviderService *s, sd_bus_message *reply, sd_bus_message *question);
};

static void asked_free(ProviderAsked *a) {
        for (ProviderAsked **p = &a->service->asked; *p; p = &(*p)->next)
                if (*p == a) {
                        *p = a->next;
                        break;
                }
        a->service->n_asked--;
        a->call = why_call_free(a->call);
        sd_bus_message_unref(a->message);
        free(a);
}

void market_bus_done(ProviderService *s) {
        while (s->asked)
                asked_free(s->asked);
}

static int asked_new(
                ProviderService *s, sd_bus_message *m, ProviderAsked **ret, sd_bus_error *error) {
        ProviderAsked *a;

        if (s->n_asked >= ASKED_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "Too many ask at the same time.");
        a = new0(ProviderAsked, 1);
        if (!a)
                return -ENOMEM;
        *a = (ProviderAsked){
                .service = s,
                .next = s->asked,
                .message = sd_bus_message_ref(m),
        };
        s->asked = a;
        s->n_asked++;
        *ret = a;
        return 0;
}

static int reply_with(ProviderAsked *a, sd_bus_message *answer) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(a->message, &reply);
        if (r >= 0)
                r = sd_bus_message_copy(reply, answer, true);
        if (r >= 0 && a->append)
                r = a->append(a->service, reply, a->message);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static void on_answer(sd_bus_message *answer, int error, const char *reason, void *userdata) {
        ProviderAsked *a = userdata;

        if (error >= 0)
                error = reply_with(a, answer);
        if (error < 0)
                (void) sd_bus_reply_method_errorf(a->message,
                                error == -EINVAL     ? BUS_ERROR_BAD_INPUT
                                : error == -ENOTUNIQ ? BUS_ERROR_AMBIGUOUS
                                                     : BUS_ERROR_NOT_REACHABLE,
                                "%s", reason ?: strerror(-error)); /* or the caller is gone */
        asked_free(a);
}

static int append_kinds(sd_bus_message *reply, const Provider *p) {
        int r;

        r = sd_bus_message_open_container(reply, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", "kinds");
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'v', "aq");
        if (r >= 0)
                r = sd_bus_message_append_array(
                                reply, 'q', p->kinds, p->n_kinds * sizeof(*p->kinds));
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_facts(
                ProviderService *s, sd_bus_message *reply, _unused_ sd_bus_message *question) {
        const Provider *p = s->provider;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}", "state", "s",
                                provider_state_name(p->state), "price_msats", "x",
                                p->config->require_payment ? p->config->min_price_msats
                                                           : INT64_C(0),
                                "queue_max", "u", p->config->provider.queue_max, "per_customer_max",
                                "u", p->config->provider.per_customer_max);
        if (r >= 0)
                r = append_kinds(reply, p);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

int method_why(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ProviderService *s = userdata;
        ProviderAsked *a = NULL;
        int64_t since;
        int r;

        r = sd_bus_message_read(m, "x", &since);
        if (r >= 0)
                r = asked_new(s, m, &a, error);
        if (r < 0)
                return r;

        a->append = append_facts;
        tally_flush(&s->provider->tally); /* the store does one after the other */
        r = why_client_read(s->provider->store, MAX(since, INT64_C(0)), on_answer, a, &a->call);
        if (r < 0) {
                asked_free(a);
                return sd_bus_error_set_errnof(error, r, "The store cannot be asked: %m");
        }
        return 1;
}

int method_story(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ProviderService *s = userdata;
        const char *prefix;
        ProviderAsked *a = NULL;
        int r;

        r = sd_bus_message_read(m, "s", &prefix);
        if (r >= 0)
                r = asked_new(s, m, &a, error);
        if (r < 0)
                return r;

        tally_flush(&s->provider->tally);
        r = why_client_request(s->provider->store, prefix, on_answer, a, &a->call);
        if (r < 0) {
                asked_free(a);
                return sd_bus_error_set_errnof(error, r, "The store cannot be asked: %m");
        }
        return 1;
}

/* ---- the queue */

static int append_queued(sd_bus_message *reply, const Job *job) {
        const Event *e = job->request->event;
        size_t position = 0;
        usec_t wait = 0;
        bool waits;

        waits = job_estimate(job, &position, &wait);
        return sd_bus_message_append(reply, "(sqsssux)", event_id_hex(e), event_kind(e),
                        event_pubkey_hex(e), flow_state_name(&job->flow),
                        queue_class_name(job->class), (uint32_t) MIN(position, (size_t) UINT32_MAX),
                        waits && wait > 0 ? (int64_t) (wait / SEC) : INT64_C(-1));
}

int method_queue(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        ProviderService *s = userdata;
        uint32_t limit;
        const Job *job;
        int r;

        r = sd_bus_message_read(m, "u", &limit);
        if (r >= 0)
                r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sqsssux)");
        limit = limit > 0 ? MIN(limit, UINT32_C(1000)) : 1000;
        MAP_FOREACH (job, &s->provider->jobs) {
                if (r < 0 || limit-- == 0)
                        break;
                r = append_queued(reply, job);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int find_job(Provider *p, const char *prefix, Job **ret, sd_bus_error *error) {
        Job *job, *found = NULL;

        if (strlen(prefix) < PREFIX_MIN)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "An id has at least 8 digits.");
        MAP_FOREACH (job, &p->jobs) {
                if (!startswith(job_id(job), prefix))
                        continue;
                if (found)
                        return sd_bus_error_set(error, BUS_ERROR_AMBIGUOUS,
                                        "Several jobs have ids that begin like this.");
                found = job;
        }
        if (!found)
                return sd_bus_error_setf(error, BUS_ERROR_NO_SUCH_JOB,
                                "There is no open job whose id begins with \"%s\".", prefix);
        *ret = found;
        return 0;
}

int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ProviderService *s = userdata;
        char id[HEX32_MAX];
        const char *prefix;
        Job *job = NULL;
        int r;

        r = bus_authorize(service_server(s->service), m, ACTION_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", &prefix);
        if (r >= 0)
                r = find_job(s->provider, prefix, &job, error);
        if (r < 0)
                return r;

        memcpy(id, job_id(job), sizeof(id));
        r = job_drop(job); /* and it may be gone */
        if (r < 0)
                return sd_bus_error_set(error, BUS_ERROR_BUSY,
                                "The job is too far: its result is on the way, or it is owed.");
        return sd_bus_reply_method_return(m, "s", id);
}

/* "": it was delivered by other means. */
int method_settle(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *prefix, *destination;
        ProviderService *s = userdata;
        char id[HEX32_MAX];
        Job *job = NULL;
        int r;

        r = bus_authorize(service_server(s->service), m, ACTION_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "ss", &prefix, &destination);
        if (r >= 0)
                r = find_job(s->provider, prefix, &job, error);
        if (r < 0)
                return r;

        memcpy(id, job_id(job), sizeof(id));
        r = job_settle(job, *destination ? destination : NULL);
        if (r == -EBUSY)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "It is being paid back just now.");
        if (r < 0)
                return sd_bus_error_set(error, BUS_ERROR_NO_SUCH_JOB, "The job is not owed.");
        return sd_bus_reply_method_return(m, "s", id);
}

int method_announce(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ProviderService *s = userdata;
        int r;

        r = bus_authorize(service_server(s->service), m, ACTION_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        if (s->provider->state != PROVIDER_ONLINE)
                return sd_bus_error_set(error, BUS_ERROR_NOT_ONLINE,
                                "The provider is not online: there is nothing to announce.");

        provider_announce(s->provider);
        return sd_bus_reply_method_return(m, NULL);
}

/* ---- watching: changes are told while somebody said lately that he wants to hear them */

static usec_t now_usec(const ProviderService *s) {
        uint64_t now = 0;

        (void) sd_event_now(service_event(s->service), CLOCK_BOOTTIME, &now);
        return now;
}

int method_watch(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        ProviderService *s = userdata;

        s->watched_until = now_usec(s) + WATCH_USEC;
        return sd_bus_reply_method_return(m, "u", (uint32_t) (WATCH_USEC / SEC));
}

void market_bus_moved(ProviderService *s, const Job *job) {
        BusServer *server = service_server(s->service);
        const Event *e = job->request->event;

        if (s->watched_until == 0 || !server)
                return;
        if (s->watched_until < now_usec(s)) {
                s->watched_until = 0;
                return;
        }
        bus_server_signal(server, BUS_PROVIDER, "JobChanged", "sqsss", event_id_hex(e),
                        event_kind(e), event_pubkey_hex(e), flow_state_name(&job->flow),
                        bus_text_or(job_end_text(job), ""));
}
