/* One question to one service. */
#include "question.h"

#include <stdio.h>

#include "bus/client.h"
#include "bus/names.h"

struct Question {
        BusClient *client;
        BusCall *call;
        sd_event_source *answered;
        sd_bus_message *reply;
        const char *name;
        char message[512];
        question_done_t done;
        void *userdata;
};

const char *error_name(const char *bus_name) {
        /* clang-format off */
        static const struct { const char *bus, *ours; } names[] = {
                { "org.freedesktop.DBus.Error.NoReply",        "TimedOut" },
                { "org.freedesktop.DBus.Error.Timeout",        "TimedOut" },
                { "org.freedesktop.DBus.Error.TimedOut",       "TimedOut" },
                { "System.Error.ETIMEDOUT",                    "TimedOut" },
                { "org.freedesktop.DBus.Error.ServiceUnknown", "NotRunning" },
                { "org.freedesktop.DBus.Error.NameHasNoOwner", "NotRunning" },
                { "org.freedesktop.DBus.Error.UnknownObject",  "NoSuchAgent" },
                { "org.freedesktop.DBus.Error.AccessDenied",   "NotAllowed" },
                { "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "NotAllowed" },
                { "org.freedesktop.DBus.Error.InvalidArgs",    "BadInput" },
                { "org.freedesktop.DBus.Error.NoMemory",       "NoMemory" },
        };
        /* clang-format on */
        const char *ours = startswith(bus_name, BUS_ERROR);

        if (ours)
                return error_known(ours);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i].bus, bus_name))
                        return names[i].ours;
        return "NotReachable";
}

/* The client must not be freed in its own callback, so the answer is handed on in the next turn. */
static int question_on_answered(_unused_ sd_event_source *source, void *userdata) {
        Question *q = userdata;

        q->done(q->reply, q->name, q->message, q->userdata);
        return 0;
}

static void question_on_reply(sd_bus_message *reply, int error, const char *name,
                const char *reason, void *userdata) {
        Question *q = userdata;

        if (error < 0) {
                q->name = error == -ETIMEDOUT ? "TimedOut" : error_name(name);
                (void) snprintf(q->message, sizeof(q->message), "%s", reason);
        } else
                q->reply = sd_bus_message_ref(reply);
        (void) sd_event_source_set_enabled(q->answered, SD_EVENT_ONESHOT);
}

int question_new(sd_event *event, const Paths *paths, const QuestionText *text,
                question_done_t done, void *userdata, Question **ret) {
        _cleanup_(question_freep) Question *q = new0(Question, 1);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        if (!q)
                return -ENOMEM;
        q->done = done;
        q->userdata = userdata;
        r = sd_event_add_defer(event, &q->answered, question_on_answered, q);
        if (r >= 0)
                r = sd_event_source_set_enabled(q->answered, SD_EVENT_OFF);
        if (r >= 0)
                r = paths_socket(paths, text->service, &path);
        if (r >= 0)
                r = bus_client_new(event, path, &q->client);
        if (r >= 0)
                r = bus_client_message(q->client, text->interface, text->member, &m);
        if (r >= 0 && text->argument)
                r = sd_bus_message_append(m, "s", text->argument);
        if (r >= 0)
                r = bus_client_call(q->client, m, text->deadline, question_on_reply, q, &q->call);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

Question *question_free(Question *q) {
        if (!q)
                return NULL;
        bus_client_free(q->client);
        sd_event_source_disable_unref(q->answered);
        sd_bus_message_unref(q->reply);
        return mfree(q);
}
