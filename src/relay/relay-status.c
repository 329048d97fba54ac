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

        return add_text(m, "Url", u->url->text) ?: add_text(m, "State", upstream_word(u))
                        ?: add_text(m, "Error", upstream_error(u))
                        ?: add(m, "Since", "x", u->since)
                        ?: add(m, "Configured", "b", hub_is_configured(u->hub, u))
                        ?: add_text(m, "Address", u->good_address)
                        ?: add_text(m, "Authenticated", auth_word(u))
                        ?: add_count(m, "LatencyUsec", u->latency)
                        ?: add_count(m, "Connections", u->n_connections)
                        ?: add_count(m, "EventsReceived", c->events)
                        ?: add_count(m, "EventsBad", c->bad_events)
                        ?: add_count(m, "EventsUnasked", c->unasked)
                        ?: add_count(m, "MessagesMalformed", c->malformed)
                        ?: add_count(m, "EventsAccepted", u->out->n_accepted)
                        ?: add_count(m, "OutboxPending", out_relay_n_open(u->out));
}

/* What it does not limit is left out. */
static int add_limits(sd_bus_message *m, const RelayInfo *i) {
        const struct {
                const char *key;
                int64_t value;
        } limits[] = {
                { "MessageMax", i->message_max },
                { "ContentMax", i->content_max },
                { "TagsMax", i->tags_max },
                { "SubscriptionsMax", i->subscriptions_max },
                { "FiltersMax", i->filters_max },
                { "LimitMax", i->limit_max },
                { "AgeMax", i->age_max },
                { "PowMin", i->pow_min },
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
                r = sd_bus_message_append(m, "s", "Nips");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "aq");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'q', i->nips, i->n_nips * sizeof(*i->nips));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int add_info(sd_bus_message *m, const RelayInfo *i) {
        if (!i)
                return 0;
        return add_text(m, "Name", i->name) ?: add_text(m, "Software", i->software)
                        ?: add_text(m, "Version", i->version)
                        ?: add(m, "AuthRequired", "b", i->auth)
                        ?: add(m, "PaymentRequired", "b", i->payment)
                        ?: add(m, "RestrictedWrites", "b", i->restricted)
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
                r = add_connection(reply, u) ?: add_info(reply, u->info);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}
