/* com.openagents.Pylon1.Host: going online, buying one result; agents (agents-bus.c). */
#include "agent-bus.h"
#include "agents.h"
#include "basic/text.h"
#include "bus/authorize.h"
#include "bus/names.h"
#include "host.h"
#include "order.h"

#define ACTION_MANAGE   "com.openagents.pylon1.provider.manage"
#define ACTION_SUBMIT   "com.openagents.pylon1.job.submit"

#define TIMEOUT_DEFAULT 60 /* seconds */
#define TIMEOUT_MAX     3600
#define INPUT_MAX       (60 * 1024) /* relays take events of 64 KiB */
#define PARAMS_MAX      32

/* What Submit() was given; the strings but the relays' belong to the message. */
typedef struct Submission {
        PurchaseOrder purchase;
        const char *params[2 * PARAMS_MAX];
        char **relays;
        uint32_t timeout;
} Submission;

static void submission_done(Submission *s) {
        strv_free(s->relays);
}

static int read_params(sd_bus_message *m, Submission *s, sd_bus_error *error) {
        const char *name, *value;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &name, &value)) > 0) {
                if (s->purchase.job.n_params == PARAMS_MAX)
                        return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                        "A job has at most %d parameters.", PARAMS_MAX);
                s->params[2 * s->purchase.job.n_params] = name;
                s->params[2 * s->purchase.job.n_params + 1] = value;
                s->purchase.job.n_params++;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_auto_pay(sd_bus_message *m, Submission *s) {
        int r, auto_pay;

        r = sd_bus_message_read(m, "v", "b", &auto_pay);
        if (r >= 0)
                s->purchase.auto_pay = auto_pay;
        return r;
}

static int read_option(sd_bus_message *m, const char *name, Submission *s) {
        if (streq(name, "bid"))
                return sd_bus_message_read(m, "v", "x", &s->purchase.job.bid_msat);
        if (streq(name, "provider"))
                return sd_bus_message_read(m, "v", "s", &s->purchase.job.provider);
        if (streq(name, "output"))
                return sd_bus_message_read(m, "v", "s", &s->purchase.job.output);
        if (streq(name, "timeout"))
                return sd_bus_message_read(m, "v", "u", &s->timeout);
        if (streq(name, "max"))
                return sd_bus_message_read(m, "v", "x", &s->purchase.max_msat);
        if (streq(name, "auto_pay"))
                return read_auto_pay(m, s);
        return -ENOENT;
}

static int read_relays(sd_bus_message *m, Submission *s) {
        int r;

        r = sd_bus_message_enter_container(m, 'v', "as");
        if (r < 0)
                return r;
        r = sd_bus_message_read_strv(m, &s->relays);
        if (r < 0)
                return r;
        s->purchase.job.relays = (const char *const *) s->relays;
        s->purchase.job.n_relays = strv_length(s->relays);
        return sd_bus_message_exit_container(m);
}

static int read_options(sd_bus_message *m, Submission *s, sd_bus_error *error) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r < 0)
                        return r;
                r = streq(name, "relays") ? read_relays(m, s) : read_option(m, name, s);
                if (r == -ENOENT)
                        return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                        "A job has no option \"%s\".", name);
                if (r < 0)
                        return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                        "The option \"%s\" has the wrong type.", name);
                r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int check_submission(const Submission *s, sd_bus_error *error) {
        const JobOrder *o = &s->purchase.job;

        if (!job_kind_is_request(o->kind))
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "Kind %u is no job request; those are %d to %d.", o->kind,
                                JOB_KIND_FIRST, JOB_KIND_LAST);
        if (strlen(o->input) > INPUT_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The input has %zu bytes; relays take at most %d.",
                                strlen(o->input), INPUT_MAX);
        if (s->purchase.max_msat < -1 || o->bid_msat < -1)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "An amount is negative.");
        if (s->purchase.auto_pay && s->purchase.max_msat < 0)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT,
                                "What is paid without asking needs a limit, \"max\".");
        if (s->timeout == 0 || s->timeout > TIMEOUT_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The time-out is 1 to %d seconds.", TIMEOUT_MAX);
        return 0;
}

static int method_submit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(submission_done) Submission s = { .timeout = TIMEOUT_DEFAULT };
        Host *h = userdata;
        int r;

        r = bus_authorize(service_server(h->service), m, ACTION_SUBMIT, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        s.purchase.job.bid_msat = s.purchase.max_msat = s.purchase.fee_max_msat = -1;
        s.purchase.job.params = s.params;
        r = sd_bus_message_read(m, "qss", &s.purchase.job.kind, &s.purchase.job.input,
                        &s.purchase.job.input_type);
        if (r >= 0)
                r = read_params(m, &s, error);
        if (r >= 0)
                r = read_options(m, &s, error);
        if (r >= 0)
                r = check_submission(&s, error);
        if (r < 0)
                return r;
        s.purchase.timeout = s.timeout * SEC;
        return order_new(h, &s.purchase, m, error);
}

static int read_job(
                sd_bus_message *m, Host *h, Order **ret, const char **ret_id, sd_bus_error *error) {
        int r;

        r = bus_authorize(service_server(h->service), m, ACTION_SUBMIT, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", ret_id);
        if (r < 0)
                return r;
        *ret = order_find(h, *ret_id);
        return 0;
}

static int method_result(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Host *h = userdata;
        Order *o = NULL;
        const char *id;
        int r;

        r = read_job(m, h, &o, &id, error);
        if (r != 0)
                return r;
        return o ? order_wait(o, m, error) : order_recall(h, id, true, m, error);
}

static int method_look(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Host *h = userdata;
        Order *o = NULL;
        const char *id;
        int r;

        r = read_job(m, h, &o, &id, error);
        if (r != 0)
                return r;
        return o ? order_look(o, m) : order_recall(h, id, false, m, error);
}

/* The wish is on disk before anybody hears of it. */
typedef struct Wish {
        Host *host;
        sd_bus_message *message;
        bool online;
} Wish;

static void on_wish_written(
                int error, const char *reason, _unused_ const char *value, void *userdata) {
        Wish *w = userdata;

        if (error < 0)
                (void) sd_bus_reply_method_errorf(w->message, BUS_ERROR_NOT_REACHABLE,
                                "The wish could not be written down: %s.", reason);
        else {
                host_set_online(w->host, w->online);
                (void) sd_bus_reply_method_return(w->message, NULL);
        }
        sd_bus_message_unref(w->message);
        free(w);
}

static int wish(Host *h, sd_bus_message *m, bool online, sd_bus_error *error) {
        Wish *w;
        int r;

        r = bus_authorize(service_server(h->service), m, ACTION_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;

        w = new0(Wish, 1);
        if (!w)
                return -ENOMEM;
        *w = (Wish){ h, sd_bus_message_ref(m), online };
        r = store_set_setting(
                        h->store, "host.online", online ? "yes" : "no", on_wish_written, w, NULL);
        if (r < 0) {
                sd_bus_message_unref(w->message);
                free(w);
                return r;
        }
        return 1;
}

static int method_online(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return wish(userdata, m, true, error);
}

static int method_offline(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return wish(userdata, m, false, error);
}

static int property_state(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        Host *h = userdata;

        return sd_bus_message_append(reply, "s", h->online ? "online" : "offline");
}

static int property_purchases(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        Host *h = userdata;

        return sd_bus_message_append(reply, "u", (uint32_t) h->n_open);
}

static int property_agents(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        return sd_bus_message_append(reply, "u", (uint32_t) host_agent_count(userdata));
}

/* Until then an agent that is not there may come yet. */
static int property_loading(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        const Host *h = userdata;

        return sd_bus_message_append(reply, "b", (int) !h->agents->loaded);
}

/* clang-format off */
static const sd_bus_vtable host_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Online", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                        method_online, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Offline", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                        method_offline, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Submit",
                        SD_BUS_ARGS("q", kind, "s", input, "s", input_type, "a(ss)", params,
                                    "a{sv}", options),
                        SD_BUS_RESULT("s", job),
                        method_submit, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Result",
                        SD_BUS_ARGS("s", job),
                        SD_BUS_RESULT("s", status, "s", provider, "s", result, "s", message),
                        method_result, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Look",
                        SD_BUS_ARGS("s", job),
                        SD_BUS_RESULT("s", status, "s", provider, "s", result, "s", message),
                        method_look, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Spawn",
                        SD_BUS_ARGS("s", name, "a{sv}", options, "h", pipe),
                        SD_BUS_RESULT("s", npub, "o", path, "s", bolt11),
                        method_agent_spawn, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("StopAll", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT,
                        method_agent_stop_all, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Approvals", SD_BUS_NO_ARGS,
                        SD_BUS_RESULT("a(ssssx)", approvals),
                        method_agent_approvals, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Approve",
                        SD_BUS_ARGS("s", id, "b", yes, "s", note), SD_BUS_NO_RESULT,
                        method_agent_approve, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Progress", SD_BUS_ARGS("s", job, "s", status, "s", text), 0),
        SD_BUS_PROPERTY("State", "s", property_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Agents", "u", property_agents, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("Loading", "b", property_loading, 0, 0),
        SD_BUS_PROPERTY("Purchases", "u", property_purchases, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

const BusObject host_objects[] = {
        { BUS_HOST, host_vtable, false, NULL },
        { BUS_AGENT, agent_vtable, false, BUS_AGENT_FOLDER },
        { 0 },
};
/* clang-format on */
