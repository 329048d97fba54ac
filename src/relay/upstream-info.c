/* NIP-11: what the relay says about itself is read when a connection stands, now and then, and
 * obeyed: nothing is sent that it says it would refuse. */
#include "upstream-private.h"

#define AGAIN_USEC (6 * 60 * MIN_)

static void on_got(_unused_ WsGet *g, int error, const char *reason, const char *text, size_t size,
                void *userdata) {
        Upstream *u = userdata;
        RelayInfo *info = NULL;
        int r = error;

        if (r >= 0)
                r = relay_info_parse(text, size, &info, &reason);
        if (r < 0)
                log_debug("%s tells nothing about itself: %s.", u->url->text, reason);
        else {
                relay_info_free(u->info);
                u->info = info;
        }
        u->getting = ws_get_free(u->getting);
}

void info_refresh(Upstream *u) {
        const WsTarget t = connect_target(u, u->good_address);
        usec_t now = hub_monotonic(u->hub);

        if (u->getting || (u->info_at > 0 && now < u->info_at + AGAIN_USEC))
                return;
        u->info_at = now;
        (void) ws_get(u->hub->ws, &t, NIP11_SIZE_MAX, on_got, u, &u->getting);
}

const char *info_refusal(const Upstream *u, const Letter *l) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason;

        if (!u->info || event_parse_trusted(l->json, l->size, &e, &reason) < 0)
                return NULL;
        return relay_info_refusal(u->info, e, hub_now());
}
