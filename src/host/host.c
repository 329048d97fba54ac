#include "host.h"

#include "basic/log.h"
#include "bus/names.h"
#include "order.h"

#define BUYER_KEY "buyer"

void host_set_online(Host *h, bool online) {
        if (h->online == online)
                return;
        h->online = online;
        log_event(LOG_NOTICE, online ? LOG_ID_ONLINE : LOG_ID_OFFLINE, NULL, "Host mode is %s.",
                        online ? "on" : "off");
        service_status(h->service, online ? "Host mode is on." : "Host mode is off.");
        bus_server_changed(service_server(h->service), BUS_HOST, "State", NULL);
}

/* "" is the wish of somebody who never said no. */
static void on_wish(int error, const char *reason, const char *value, void *userdata) {
        Host *h = userdata;

        if (error < 0)
                log_warning("The store could not say whether host mode is wished: %s.", reason);
        else
                host_set_online(h, !streq(value, "no"));
}

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

        h->resuming = purchases_call_free(h->resuming);
        h->retry = sd_event_source_disable_unref(h->retry);
        while (h->questions)
                question_free(h->questions);
        while (h->orders)
                order_free(h->orders);
        store_client_free(h->store);
        market_free(h->market);
        return mfree(h);
}

bool host_busy(Host *h) {
        return h->online || h->n_open > 0 || market_n_purchases(h->market) > 0 || h->resuming ||
               h->retry || h->questions || store_client_n_waiting(h->store) > 0;
}
