#include "client/relay-query.h"

#include "basic/log.h"
#include "bus/client.h"
#include "bus/names.h"

#define EVENTS_MAX 1000       /* of one answer; the relay gives no more */
#define EXTRA      (10 * SEC) /* the relay's own deadline comes first */

struct RelayQuery {
        BusCall *call;
        relay_query_done_t done;
        void *userdata;
        RelayQuery **handle;
};

RelayQuery *relay_query_free(RelayQuery *q) {
        if (!q)
                return NULL;

        if (q->handle)
                *q->handle = NULL;
        q->call = bus_call_free(q->call);
        return mfree(q);
}

static int read_events(sd_bus_message *m, Event **events, size_t *ret_n) {
        const char *relay, *json, *reason;
        size_t n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && n < EVENTS_MAX &&
                        (r = sd_bus_message_read(m, "(ss)", &relay, &json)) > 0) {
                if (event_parse_trusted(json, strlen(json), &events[n], &reason) >= 0)
                        n++;
                else
                        log_debug("The relay handed over what is no event: %s.", reason);
        }
        *ret_n = n;
        return MIN(r, 0);
}

static void on_reply(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        RelayQuery *q = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_free_ Event **events = NULL;
        relay_query_done_t done = q->done;
        size_t n = 0;

        userdata = q->userdata;
        (void) relay_query_free(q);

        if (error >= 0) {
                events = new0(Event *, EVENTS_MAX);
                error = events ? read_events(m, events, &n) : -ENOMEM;
                reason = "the relay's answer could not be read";
        }
        done(error, error < 0 ? reason : NULL, events, error < 0 ? 0 : n, userdata);
        for (size_t i = 0; i < n; i++)
                event_unref(events[i]);
}

int relay_client_query(RelayClient *c, const RelayQuestion *question, relay_query_done_t done,
                void *userdata, RelayQuery **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(relay_query_freep) RelayQuery *q = NULL;
        BusClient *bus = relay_client_bus(c);
        int r;

        r = bus_client_message(bus, BUS_RELAY, "Query", &m);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) question->filters);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **) question->relays);
        if (r >= 0)
                r = sd_bus_message_append(
                                m, "uu", question->limit, (uint32_t) (question->timeout / MSEC));
        if (r < 0)
                return r;

        q = new0(RelayQuery, 1);
        if (!q)
                return -ENOMEM;
        q->done = done;
        q->userdata = userdata;
        r = bus_client_call(bus, m, question->timeout + EXTRA, on_reply, q, &q->call);
        if (r < 0)
                return r;
        q->handle = ret;
        *ret = TAKE_PTR(q);
        return 0;
}
