#include "relay-status.h"

#include "bus/text.h"
#include "relay-hub.h"
#include "upstream-private.h"

/* 0 or an error: what sd-bus returns on success is not always 0. */
static int add(sd_bus_message *m, const char *key, const char *type, ...) {
        va_list ap;
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', type);
        if (r >= 0) {
                va_start(ap, type);
                r = sd_bus_message_appendv(m, type, ap);
                va_end(ap);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return MIN(r, 0);
}

static int add_text(sd_bus_message *m, const char *key, const char *value) {
        return add(m, key, "s", bus_text_or(value, ""));
}

static int add_count(sd_bus_message *m, const char *key, uint64_t value) {
        return add(m, key, "t", value);
}

static const char *auth_word(const Upstream *u) {
        static const char *const words[] = {
                [AUTH_NONE] = "no",
                [AUTH_SIGNING] = "asked",
                [AUTH_SENT] = "asked",
                [AUTH_DONE] = "yes",
                [AUTH_REFUSED] = "refused",
        };

        return words[u->auth];
}

static int add_connection(sd_bus_message *m, const Upstream *u) {
        const UpstreamCounts *c = &u->counts;

        return add_text(m, "url", u->url->text) ?: add_text(m, "state", upstream_word(u))
                        ?: add_text(m, "error", upstream_error(u))
                        ?: add(m, "since", "x", u->since)
                        ?: add(m, "configured", "b", hub_is_configured(u->hub, u))
                        ?: add_text(m, "address", u->good_address)
                        ?: add_text(m, "authenticated", auth_word(u))
                        ?: add_count(m, "latency_usec", u->latency)
                        ?: add_count(m, "connections", u->n_connections)
                        ?: add_count(m, "events_received", c->events)
                        ?: add_count(m, "events_bad", c->bad_events)
                        ?: add_count(m, "events_unasked", c->unasked)
                        ?: add_count(m, "messages_malformed", c->malformed)
                        ?: add_count(m, "events_accepted", u->out->n_accepted)
                        ?: add_count(m, "outbox_pending", out_relay_n_open(u->out));
}

/* What it does not limit is left out. */
static int add_limits(sd_bus_message *m, const RelayInfo *i) {
        const struct {
                const char *key;
                int64_t value;
        } limits[] = {
                { "message_max", i->message_max },
                { "content_max", i->content_max },
                { "tags_max", i->tags_max },
                { "subscriptions_max", i->subscriptions_max },
                { "filters_max", i->filters_max },
                { "limit_max", i->limit_max },
                { "age_max", i->age_max },
                { "pow_min", i->pow_min },
        };
        int r = 0;

        for (size_t n = 0; n < ELEMENTSOF(limits) && r >= 0; n++)
                if (limits[n].value >= 0)
                        r = add(m, limits[n].key, "x", limits[n].value);
        return r;
}

static int add_nips(sd_bus_message *m, const RelayInfo *i) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "nips");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "aq");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'q', i->nips, i->n_nips * sizeof(*i->nips));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int add_info(sd_bus_message *m, const Upstream *u) {
        const RelayInfo *i = u->info;
        int r = 0;

        if (u->clock_offset != INT64_MIN)
                r = add(m, "clock_offset", "x", u->clock_offset);
        if (r < 0 || !i)
                return r;
        return add_text(m, "name", i->name) ?: add_text(m, "software", i->software)
                        ?: add_text(m, "version", i->version)
                        ?: add(m, "auth_required", "b", i->auth)
                        ?: add(m, "payment_required", "b", i->payment)
                        ?: add(m, "restricted_writes", "b", i->restricted)
                        ?: add_limits(m, i) ?: add_nips(m, i);
}

int method_status(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(url_freep) Url *url = NULL;
        const char *text, *reason = NULL;
        Upstream *u = NULL;
        Hub *h = userdata;
        int r;

        r = sd_bus_message_read_basic(m, 's', &text);
        if (r < 0)
                return r;
        if (url_parse(text, &url, &reason) < 0)
                return sd_bus_error_setf(
                                error, BUS_ERROR_BAD_INPUT, "That is no relay's URL: %s.", reason);
        for (size_t i = 0; i < h->n_upstreams && !u; i++)
                if (streq(upstream_url(h->upstreams[i]), url->text))
                        u = h->upstreams[i];
        if (!u)
                return sd_bus_error_set(error, BUS_ERROR_NO_SUCH_RELAY,
                                "That relay is not configured, and nothing waits for it.");

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = add_connection(reply, u) ?: add_info(reply, u);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
