#include "host.h"

#include "agent-bus.h"
#include "agents.h"
#include "asked.h"
#include "basic/log.h"
#include "bus/names.h"
#include "hands.h"
#include "order.h"
#include "watch.h"

#define BUYER_KEY "buyer"

void host_set_online(Host *h, bool online) {
        if (h->online == online)
                return;
        h->online = online;
        log_event(LOG_NOTICE, online ? LOG_ID_ONLINE : LOG_ID_OFFLINE, NULL, "Host mode is %s.",
                        online ? "on" : "off");
        service_status(h->service, online ? "Host mode is on." : "Host mode is off.");
        bus_server_changed(service_server(h->service), BUS_HOST, "State", NULL);
        agents_switched(h->agents);
}

/* "" is the wish of somebody who never said no. */
static void on_wish(int error, const char *reason, const char *value, void *userdata) {
        Host *h = userdata;

        if (error < 0)
                log_warning("The store could not say whether host mode is wished: %s.", reason);
        else
                host_set_online(h, !streq(value, "no"));
}

/* ---- what the relay has for agents */

static void on_events(const char *name, const RelayEvent *events, size_t n, void *userdata) {
        Host *h = userdata;

        if (watch_take(h->agents->watch, name, events, n) ||
                        hands_take_events(h->hands, name, events, n))
                return;
        /* Of a former life, and nobody waits for it any more. */
        (void) relay_client_unsubscribe(market_relay(h->market), name, true);
}

static void on_outcome(const char *id, const char *relay, RelayVerdict verdict, const char *message,
                void *userdata) {
        Host *h = userdata;

        if (!hands_take_outcome(h->hands, id, relay, verdict, message))
                relay_client_forget(market_relay(h->market), id);
}

static const RelayHandler relay_handler = {
        .events = on_events,
        .outcome = on_outcome,
};

int host_new(Service *s, Host **ret) {
        _cleanup_(host_freep) Host *h = NULL;
        _cleanup_free_ char *relay = NULL, *signer = NULL, *store = NULL, *wallet = NULL;
        int r;

        h = new0(Host, 1);
        if (!h)
                return -ENOMEM;
        h->service = s;
        r = service_socket(s, "relay", &relay);
        if (r >= 0)
                r = service_socket(s, "signer", &signer);
        if (r >= 0)
                r = service_socket(s, "store", &store);
        if (r >= 0)
                r = service_socket(s, "wallet", &wallet);
        if (r >= 0)
                r = market_new(service_event(s), &(MarketSockets){ relay, signer, store, wallet },
                                BUYER_KEY, service_config(s)->network, &h->market);
        if (r >= 0)
                r = store_client_new(service_event(s), store, &h->store);
        if (r >= 0)
                r = hands_new(h, &h->hands);
        if (r >= 0)
                r = agents_new(h, &h->agents);
        if (r >= 0)
                agent_bus_listen(h);
        if (r >= 0)
                market_share_relay(h->market, &relay_handler, h);
        if (r >= 0)
                r = store_get_setting(h->store, "host.online", on_wish, h, &h->asking);
        if (r >= 0)
                r = orders_resume(h);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

Host *host_free(Host *h) {
        if (!h)
                return NULL;

        asked_free_all(h);
        if (h->agents)
                host_agents_listen(h, NULL, NULL); /* that we leave is no agent's end */
        h->resuming = purchases_call_free(h->resuming);
        h->retry = sd_event_source_disable_unref(h->retry);
        while (h->questions)
                question_free(h->questions);
        while (h->orders)
                order_free(h->orders);
        agents_end_ticks(h->agents);
        h->hands = hands_free(h->hands);
        h->agents = agents_free(h->agents);
        store_client_free(h->store);
        market_free(h->market);
        return mfree(h);
}

bool host_busy(Host *h) {
        return h->online || agents_busy(h->agents) || hands_busy(h->hands) || h->n_open > 0 ||
               market_n_purchases(h->market) > 0 || h->resuming || h->retry || h->questions ||
               h->asked || store_client_n_waiting(h->store) > 0;
}
