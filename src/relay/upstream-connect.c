/* Connecting: the name is looked up, and its addresses are tried a little after each other, without
 * waiting for one that does not answer (RFC 8305, "happy eyeballs"). The first that opens is it. */
#include <stdio.h>

#include "basic/text.h"
#include "net/address.h"
#include "upstream-private.h"

#define NEXT_USEC (250 * MSEC)

static bool is_v6(const char *address) {
        return strchr(address, ':');
}

/* Which is next: the one that worked last time, then IPv6 and IPv4 by turns, each in the order of
 * the resolver. */
static size_t choose(char *const *addresses, uint64_t used, const char *last, const char *good) {
        size_t first = SIZE_MAX;

        for (size_t i = 0; addresses[i]; i++) {
                if (used & UINT64_C(1) << i)
                        continue;
                if (last ? is_v6(addresses[i]) != is_v6(last) : streq(addresses[i], good))
                        return i;
                if (first == SIZE_MAX)
                        first = i;
        }
        return first;
}

static int order_addresses(Upstream *u, char *const *addresses) {
        const char *last = NULL;
        uint64_t used = 0;
        int r;

        u->addresses = strv_free(u->addresses);
        for (size_t n = MIN(strv_length(addresses), (size_t) RESOLVE_ADDRESSES_MAX); n > 0; n--) {
                size_t i = choose(addresses, used, last, u->good_address);

                used |= UINT64_C(1) << i;
                last = addresses[i];
                r = strv_add(&u->addresses, last);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The proxy looks names up: nobody else hears of them. Relays here it could not reach. */
static bool is_proxied(const Upstream *u) {
        return u->hub->proxied && !upstream_is_local(u);
}

/* A stranger's list of relays must not make us speak to machines that only we can reach. What a
 * name means to a proxy only the proxy knows. */
static bool address_is_allowed(const Upstream *u, const char *address) {
        return hub_is_configured(u->hub, u) ||
               service_config(u->hub->service)->network == NETWORK_REGTEST ||
               address_is_public(address) || (is_proxied(u) && !address_is_numeric(address));
}

/* ---- the attempts */

static void on_open(Ws *ws, void *userdata) {
        Upstream *u = userdata;

        for (size_t i = 0; i < u->n_tried; i++)
                if (u->tries[i] == ws) {
                        u->tries[i] = NULL;
                        (void) snprintf(u->good_address, sizeof(u->good_address), "%s",
                                        u->addresses[i]);
                }
        connect_stop(u);
        u->ws = ws;
        upstream_is_up(u);
}

static bool is_trying(const Upstream *u) {
        for (size_t i = 0; i < u->n_tried; i++)
                if (u->tries[i])
                        return true;
        return false;
}

static void on_closed(Ws *ws, _unused_ int error, const char *reason, void *userdata) {
        Upstream *u = userdata;

        if (u->ws == ws) {
                upstream_lost(u, reason);
                return;
        }
        for (size_t i = 0; i < u->n_tried; i++)
                if (u->tries[i] == ws)
                        u->tries[i] = ws_free(ws);
        connect_next(u, reason);
}

static void on_message(_unused_ Ws *ws, const char *text, size_t size, void *userdata) {
        upstream_hear(userdata, text, size);
}

static void on_dropped(_unused_ Ws *ws, _unused_ int error, void *userdata) {
        upstream_hear_rubbish(userdata);
}

static void on_drained(_unused_ Ws *ws, void *userdata) {
        upstream_send(userdata);
}

WsTarget connect_target(const Upstream *u, const char *address) {
        return (WsTarget){ .secure = u->url->secure,
                .proxied = is_proxied(u),
                .address = address,
                .host = u->url->host,
                .port = u->url->port,
                .path = u->url->path };
}

static int try_address(Upstream *u, size_t i, const char **reterr) {
        static const WsLimits limits = { .message_max = UPSTREAM_MESSAGE_MAX,
                .queue_max = UPSTREAM_QUEUE_MAX };
        static const WsHandler handler = {
                .open = on_open,
                .message = on_message,
                .dropped = on_dropped,
                .drained = on_drained,
                .closed = on_closed,
        };
        const WsTarget t = connect_target(u, u->addresses[i]);
        int r;

        if (!address_is_allowed(u, t.address)) {
                *reterr = "its address is not public, and it is not configured";
                return -EACCES;
        }
        r = ws_connect(u->hub->ws, &t, &limits, &handler, u, &u->tries[i]);
        if (r < 0)
                *reterr = strerror(-r);
        return r;
}

void connect_next(Upstream *u, const char *reason) {
        size_t n = strv_length(u->addresses);

        upstream_set_state(u, UPSTREAM_CONNECTING);
        while (u->n_tried < n)
                if (try_address(u, u->n_tried++, &reason) >= 0) {
                        upstream_arm(u, u->n_tried < n ? NEXT_USEC : UINT64_MAX);
                        return;
                }
        upstream_arm(u, UINT64_MAX);
        if (!is_trying(u))
                upstream_lost(u, reason);
}

void connect_stop(Upstream *u) {
        u->resolve = resolve_free(u->resolve);
        for (size_t i = 0; i < u->n_tried; i++)
                u->tries[i] = ws_free(u->tries[i]);
        u->n_tried = 0;
}

/* ---- the name */

static void on_resolved(_unused_ Resolve *q, int error, const char *reason, char *const *addresses,
                void *userdata) {
        Upstream *u = userdata;
        int r = error;

        if (r >= 0)
                r = order_addresses(u, addresses);
        u->resolve = resolve_free(u->resolve);
        if (r < 0)
                upstream_lost(u, reason ?: "there is no memory");
        else
                connect_next(u, "it has no address");
}

void connect_start(Upstream *u) {
        int r;

        upstream_set_state(u, UPSTREAM_RESOLVING);
        upstream_arm(u, UINT64_MAX);
        if (is_proxied(u)) {
                r = order_addresses(u, (char *const[]){ u->url->host, NULL });
                connect_next(u, strerror(-r));
                return;
        }
        r = resolve_name(u->hub->event, u->url->host, on_resolved, u, &u->resolve);
        if (r < 0)
                upstream_lost(u, strerror(-r));
}
