#include "unit.h"

#include <stdio.h>
#include <systemd/sd-bus.h>

#include "basic/log.h"
#include "mind/name.h"

#define MANAGER         "org.freedesktop.systemd1"
#define MANAGER_PATH    "/org/freedesktop/systemd1"
#define MANAGER_MANAGER MANAGER ".Manager"
#define NAME_MAX_       (sizeof("pylon-agent@.service") + AGENT_NAME_LENGTH_MAX)
#define TIMEOUT         (30 * SEC)

/* A question to the manager, and then the job that it makes of it. */
struct UnitCall {
        Units *units;
        UnitCall *next, **ret;
        char unit[NAME_MAX_], job[128];
        bool stop;
        unit_done_t done;
        void *userdata;
        sd_bus_slot *asked;
        sd_event_source *timer; /* its deadline; in the private scope the answer */
};

struct Units {
        sd_event *event;
        Scope scope;
        sd_bus *bus; /* NULL: not opened yet, or lost */
        UnitCall *calls;
};

UnitCall *unit_call_free(UnitCall *c) {
        if (!c)
                return NULL;
        for (UnitCall **p = &c->units->calls; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        if (c->ret)
                *c->ret = NULL;
        sd_bus_slot_unref(c->asked);
        sd_event_source_disable_unref(c->timer);
        return mfree(c);
}

static void finish(UnitCall *c, int error, const char *reason) {
        unit_done_t done = c->done;
        void *userdata = c->userdata;

        (void) unit_call_free(c);
        done(error, reason, userdata);
}

static UnitCall *find_job(Units *u, const char *job) {
        for (UnitCall *c = u->calls; c; c = c->next)
                if (*c->job && streq(c->job, job))
                        return c;
        return NULL;
}

static int on_job_removed(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *job, *unit, *result;
        UnitCall *c;
        uint32_t id;

        if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) < 0)
                return 0;
        c = find_job(userdata, job);
        if (c && streq(result, "done"))
                finish(c, 0, NULL);
        else if (c)
                finish(c, -EIO,
                                c->stop ? "systemd could not stop the agent's socket"
                                        : "systemd could not start the agent's socket");
        return 0;
}

static int on_disconnect(_unused_ sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Units *u = userdata;

        u->bus = sd_bus_close_unref(u->bus);
        while (u->calls)
                finish(u->calls, -ECONNRESET, "the connection to systemd has ended");
        return 0;
}

static int on_subscribed(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        if (sd_bus_message_is_method_error(m, NULL))
                log_warning("systemd does not tell of its jobs: %s",
                                sd_bus_message_get_error(m)->message);
        return 0;
}

static int connect_bus(Units *u) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (u->bus)
                return 0;
        r = u->scope == SCOPE_SYSTEM ? sd_bus_open_system(&bus) : sd_bus_open_user(&bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus, u->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                "Disconnected", on_disconnect, NULL, u);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus, NULL, MANAGER, MANAGER_PATH, MANAGER_MANAGER,
                                "JobRemoved", on_job_removed, NULL, u);
        if (r >= 0)
                r = sd_bus_call_method_async(bus, NULL, MANAGER, MANAGER_PATH, MANAGER_MANAGER,
                                "Subscribe", on_subscribed, NULL, NULL);
        if (r < 0)
                return r;
        u->bus = TAKE_PTR(bus);
        return 0;
}

/* Nothing was there to be stopped: so it is. */
static bool is_gone_already(const UnitCall *c, sd_bus_message *m) {
        return c->stop && sd_bus_message_is_method_error(m, MANAGER ".NoSuchUnit");
}

static int on_asked(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        UnitCall *c = userdata;
        const char *job;

        c->asked = sd_bus_slot_unref(c->asked);
        if (is_gone_already(c, m))
                finish(c, 0, NULL);
        else if (sd_bus_message_is_method_error(m, NULL))
                finish(c, -sd_bus_message_get_errno(m), sd_bus_message_get_error(m)->message);
        else if (sd_bus_message_read(m, "o", &job) < 0 || strlen(job) >= sizeof(c->job))
                finish(c, -EBADMSG, "systemd's answer could not be read");
        else
                (void) snprintf(c->job, sizeof(c->job), "%s", job);
        return 0;
}

static int on_late(_unused_ sd_event_source *s, _unused_ uint64_t now, void *userdata) {
        finish(userdata, -ETIMEDOUT, "systemd did not answer in time");
        return 0;
}

static int on_nothing_to_do(_unused_ sd_event_source *s, void *userdata) {
        finish(userdata, 0, NULL);
        return 0;
}

static int ask(UnitCall *c) {
        Units *u = c->units;
        int r;

        if (u->scope == SCOPE_PRIVATE)
                return sd_event_add_defer(u->event, &c->timer, on_nothing_to_do, c);
        r = connect_bus(u);
        if (r >= 0)
                r = sd_event_add_time_relative(
                                u->event, &c->timer, CLOCK_MONOTONIC, TIMEOUT, SEC, on_late, c);
        if (r >= 0)
                r = sd_bus_call_method_async(u->bus, &c->asked, MANAGER, MANAGER_PATH,
                                MANAGER_MANAGER, c->stop ? "StopUnit" : "StartUnit", on_asked, c,
                                "ss", c->unit, "replace");
        return r;
}

static int call_new(Units *u, const char *agent, bool stop, unit_done_t done, void *userdata,
                UnitCall **ret) {
        UnitCall *c;
        int r;

        if (!agent_name_is_valid(agent))
                return -EINVAL;
        c = new0(UnitCall, 1);
        if (!c)
                return -ENOMEM;
        *c = (UnitCall){
                .units = u, .next = u->calls, .stop = stop, .done = done, .userdata = userdata
        };
        (void) snprintf(c->unit, sizeof(c->unit), "pylon-agent@%s.socket", agent);
        u->calls = c;
        r = ask(c);
        if (r < 0) {
                (void) unit_call_free(c);
                return r;
        }
        c->ret = ret;
        if (ret)
                *ret = c;
        return 0;
}

int units_start(Units *u, const char *agent, unit_done_t done, void *userdata, UnitCall **ret) {
        return call_new(u, agent, false, done, userdata, ret);
}

/* The service is stopped with its socket: its Requisite= and the end of the connection see to it.
 */
int units_stop(Units *u, const char *agent, unit_done_t done, void *userdata, UnitCall **ret) {
        return call_new(u, agent, true, done, userdata, ret);
}

int units_new(sd_event *event, Scope scope, Units **ret) {
        Units *u = new0(Units, 1);

        if (!u)
                return -ENOMEM;
        *u = (Units){ .event = sd_event_ref(event), .scope = scope };
        *ret = u;
        return 0;
}

Units *units_free(Units *u) {
        if (!u)
                return NULL;
        while (u->calls)
                (void) unit_call_free(u->calls);
        sd_bus_close_unref(u->bus);
        sd_event_unref(u->event);
        return mfree(u);
}
