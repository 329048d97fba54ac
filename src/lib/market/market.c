#include "market/market.h"

#include "market/market-private.h"

static void on_events(const char *name, const RelayEvent *events, size_t n, void *userdata) {
        Market *m = userdata;
        Purchase *p;

        for (size_t i = 0; i < n; i++) {
                p = map_get_string(&m->by_subscription, name); /* an answer may have ended it */
                if (p)
                        purchase_take(p, events + i);
        }
        if (n > 0)
                relay_client_acknowledge(m->relay, name, events[n - 1].seq);
}

static void on_outcome(const char *id, const char *relay, RelayVerdict verdict, const char *message,
                void *userdata) {
        Market *m = userdata;
        Purchase *p = map_get_string(&m->by_id, id);

        if (p)
                purchase_outcome(p, relay, verdict, message);
        else
                relay_client_forget(m->relay, id); /* of a purchase that is over */
}

static const RelayHandler relay_handler = {
        .events = on_events,
        .outcome = on_outcome,
};

int market_new(sd_event *event, const char *relay_socket, const char *signer_socket,
                const char *key, Market **ret) {
        _cleanup_(market_freep) Market *m = NULL;
        int r;

        m = new0(Market, 1);
        if (!m)
                return -ENOMEM;
        m->event = sd_event_ref(event);
        map_init(&m->by_id, MARKET_PURCHASES_MAX);
        map_init(&m->by_subscription, MARKET_PURCHASES_MAX);
        m->key = strdup(key);
        if (!m->key)
                return -ENOMEM;
        r = relay_client_new(event, relay_socket, &relay_handler, m, &m->relay);
        if (r < 0)
                return r;
        r = signer_client_new(event, signer_socket, &m->signer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

Market *market_free(Market *m) {
        if (!m)
                return NULL;

        relay_client_free(m->relay);
        signer_client_free(m->signer);
        map_done(&m->by_id);
        map_done(&m->by_subscription);
        free(m->key);
        sd_event_unref(m->event);
        return mfree(m);
}

size_t market_n_purchases(const Market *m) {
        return map_size(&m->by_id);
}
