#include "hands.h"

#include "approve-private.h"
#include "deed.h"
#include "letter.h"

int hands_new(Host *host, Hands **ret) {
        _cleanup_(hands_freep) Hands *h = NULL;
        _cleanup_free_ char *store = NULL, *signer = NULL, *wallet = NULL, *provider = NULL;
        Service *s = host->service;
        int r;

        h = new0(Hands, 1);
        if (!h)
                return -ENOMEM;
        h->host = host;
        h->event = sd_event_ref(service_event(s));
        h->relay = market_relay(host->market);
        map_init(&h->by_event, HANDS_EVENTS_MAX);
        map_init(&h->by_subscription, HANDS_EVENTS_MAX);
        r = service_socket(s, "store", &store);
        if (r >= 0)
                r = service_socket(s, "signer", &signer);
        if (r >= 0)
                r = service_socket(s, "wallet", &wallet);
        if (r >= 0)
                r = service_socket(s, "provider", &provider);
        if (r >= 0)
                r = agents_client_new(h->event, store, &h->agents);
        if (r >= 0)
                r = signer_client_new(h->event, signer, &h->signer);
        if (r >= 0)
                r = wallet_client_new(h->event, wallet, NULL, NULL, &h->wallet);
        if (r >= 0)
                r = thinker_new(h->event, service_config(s), host->market,
                                &(ThinkSockets){ .provider = provider, .wallet = wallet },
                                &h->thinker);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(h);
        return 0;
}

Hands *hands_free(Hands *h) {
        if (!h)
                return NULL;

        approvals_drop(h, NULL);
        letters_drop(h, NULL);
        while (h->deeds)
                (void) deed_free(h->deeds);
        h->resuming = agents_call_free(h->resuming);
        h->retry = sd_event_source_disable_unref(h->retry);
        h->silence = sd_event_source_disable_unref(h->silence);
        h->thinker = thinker_free(h->thinker);
        h->agents = agents_client_free(h->agents);
        h->signer = signer_client_free(h->signer);
        h->wallet = wallet_client_free(h->wallet);
        map_done(&h->by_event);
        map_done(&h->by_subscription);
        h->event = sd_event_unref(h->event);
        return mfree(h);
}

bool hands_busy(const Hands *h) {
        return h->deeds || h->resuming || h->retry || agents_client_n_waiting(h->agents) > 0;
}

int64_t hands_now(const Hands *h) {
        uint64_t usec = 0;

        (void) sd_event_now(h->event, CLOCK_REALTIME, &usec);
        return (int64_t) (usec / SEC);
}

bool hands_take_events(Hands *h, const char *name, const RelayEvent *events, size_t n) {
        Deed *d = map_get_string(&h->by_subscription, name);

        if (!d)
                return startswith(name, "zap:"); /* of one that is over */
        deed_take_receipt(d, events, n);
        return true;
}

void hands_drop_agent(Hands *h, HostAgent *a) {
        approvals_drop(h, a);
        letters_drop(h, a);
        for (Deed *d = h->deeds, *next; d; d = next) {
                next = d->next;
                if (d->agent == a)
                        (void) deed_free(d);
        }
}
