#include "market/market.h"

#include "market/market-private.h"

static void on_events(const char *name, const RelayEvent *events, size_t n, void *userdata) {
        Market *m = userdata;
        Purchase *p;

        if (m->rest && !map_get_string(&m->by_subscription, name)) {
                m->rest->events(name, events, n, m->rest_userdata);
                return;
        }
        for (size_t i = 0; i < n; i++) {
                p = map_get_string(&m->by_subscription, name); /* an answer may have ended it */
                if (!p)
                        return;
                purchase_take(p, events + i);
        }
        p = map_get_string(&m->by_subscription, name);
        if (p && n > 0)
                purchase_taken(p, events[n - 1].seq);
}

static void on_live(const char *name, const char *relay, void *userdata) {
        Market *m = userdata;

        if (m->rest && m->rest->live && !map_get_string(&m->by_subscription, name))
                m->rest->live(name, relay, m->rest_userdata);
}

static void on_outcome(const char *id, const char *relay, RelayVerdict verdict, const char *message,
                void *userdata) {
        Market *m = userdata;
        Purchase *p = map_get_string(&m->by_id, id);

        if (p)
                purchase_outcome(p, relay, verdict, message);
        else if (m->rest)
                m->rest->outcome(id, relay, verdict, message, m->rest_userdata);
        else
                relay_client_forget(m->relay, id); /* of a purchase that is over */
}

static const RelayHandler relay_handler = {
        .events = on_events,
        .live = on_live,
        .outcome = on_outcome,
};

int market_new(sd_event *event, const MarketSockets *sockets, const char *key, Network network,
                Market **ret) {
        _cleanup_(market_freep) Market *m = NULL;
        int r;

        m = new0(Market, 1);
        if (!m)
                return -ENOMEM;
        m->event = sd_event_ref(event);
        m->network = network;
        map_init(&m->by_id, MARKET_PURCHASES_MAX);
        map_init(&m->by_subscription, MARKET_PURCHASES_MAX);
        map_init(&m->by_ref, MARKET_PURCHASES_MAX);
        m->key = strdup(key);
        if (!m->key)
                return -ENOMEM;
        r = relay_client_new(event, sockets->relay, &relay_handler, m, &m->relay);
        if (r >= 0)
                r = signer_client_new(event, sockets->signer, &m->signer);
        if (r >= 0)
                r = purchases_client_new(event, sockets->store, &m->purchases);
        if (r >= 0)
                r = wallet_client_new(event, sockets->wallet, NULL, NULL, &m->wallet);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Market *market_free(Market *m) {
        Purchase *p;
        size_t cursor = 0;

        if (!m)
                return NULL;

        while ((p = map_next(&m->by_ref, &cursor))) { /* those that go on alone */
                (void) purchase_free(p);
                cursor = 0;
        }
        m->relay = relay_client_free(m->relay);
        m->signer = signer_client_free(m->signer);
        m->purchases = purchases_client_free(m->purchases);
        m->wallet = wallet_client_free(m->wallet);
        map_done(&m->by_id);
        map_done(&m->by_subscription);
        map_done(&m->by_ref);
        free(m->key);
        m->event = sd_event_unref(m->event);
        return mfree(m);
}

size_t market_n_purchases(const Market *m) {
        return map_size(&m->by_id);
}

PurchasesClient *market_purchases(const Market *m) {
        return m->purchases;
}

RelayClient *market_relay(const Market *m) {
        return m->relay;
}

void market_share_relay(Market *m, const RelayHandler *rest, void *userdata) {
        m->rest = rest;
        m->rest_userdata = userdata;
}
