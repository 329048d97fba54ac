/* The numbers of "Status". */
#include "census.h"

#include "bus/names.h"
#include "question.h"

#define DEADLINE   (1 * SEC)
#define PROPERTIES "org.freedesktop.DBus.Properties"

struct Census {
        Question *store, *provider, *host;
        unsigned waiting;
        ControlStatus *status;
        census_done_t done;
        void *userdata;
};

/* One entry of a{sv}; "State" is where `active` is told. */
static int read_property(sd_bus_message *m, ControlStatus *status, bool *active) {
        const char *name, *state;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (streq(name, "JobsCompleted") && !active)
                return sd_bus_message_read(m, "v", "t", &status->jobs_completed);
        if (streq(name, "EarningsMsat") && !active)
                return sd_bus_message_read(m, "v", "x", &status->earnings_msats);
        if (!streq(name, "State") || !active)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_read(m, "v", "s", &state);
        if (r >= 0)
                *active = streq(state, "online");
        return r;
}

static void read_properties(sd_bus_message *m, ControlStatus *status, bool *active) {
        int r;

        r = m ? sd_bus_message_enter_container(m, 'a', "{sv}") : -ENOTCONN;
        while (r >= 0) {
                r = sd_bus_message_enter_container(m, 'e', "sv");
                if (r <= 0)
                        return;
                r = read_property(m, status, active);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
}

static void census_note(Census *c, sd_bus_message *m, bool *active) {
        read_properties(m, c->status, active);
        if (--c->waiting == 0)
                c->done(c, c->userdata);
}

static void census_on_store(sd_bus_message *m, _unused_ const char *name,
                _unused_ const char *message, void *userdata) {
        census_note(userdata, m, NULL);
}

static void census_on_provider(sd_bus_message *m, _unused_ const char *name,
                _unused_ const char *message, void *userdata) {
        Census *c = userdata;

        census_note(c, m, &c->status->provider_active);
}

static void census_on_host(sd_bus_message *m, _unused_ const char *name,
                _unused_ const char *message, void *userdata) {
        Census *c = userdata;

        census_note(c, m, &c->status->host_active);
}

int census_new(sd_event *event, const Paths *paths, unsigned whom, ControlStatus *status,
                census_done_t done, void *userdata, Census **ret) {
        static const QuestionText store = { "store", PROPERTIES, "GetAll", BUS_STORE, DEADLINE },
                                  provider = { "provider", PROPERTIES, "GetAll", BUS_PROVIDER,
                                          DEADLINE },
                                  host = { "host", PROPERTIES, "GetAll", BUS_HOST, DEADLINE };
        _cleanup_(census_freep) Census *c = new0(Census, 1);
        int r;

        if (!c)
                return -ENOMEM;
        *c = (Census){ .status = status, .done = done, .userdata = userdata };
        c->waiting = 1 + ((whom & CENSUS_PROVIDER) != 0) + ((whom & CENSUS_HOST) != 0);
        r = question_new(event, paths, &store, census_on_store, c, &c->store);
        if (r >= 0 && (whom & CENSUS_PROVIDER))
                r = question_new(event, paths, &provider, census_on_provider, c, &c->provider);
        if (r >= 0 && (whom & CENSUS_HOST))
                r = question_new(event, paths, &host, census_on_host, c, &c->host);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Census *census_free(Census *c) {
        if (!c)
                return NULL;
        question_free(c->store);
        question_free(c->provider);
        question_free(c->host);
        return mfree(c);
}
