/* com.openagents.Pylon1.Relay, for everybody, and its .Service, for provider, host and wallet. */
#include "relay-bus.h"

#include "basic/text.h"
#include "bus/authorize.h"
#include "bus/text.h"
#include "publication.h"
#include "query.h"
#include "relay-hub.h"
#include "relay-status.h"

#define ACTION_QUERY   "com.openagents.pylon1.relay.query"
#define ACTION_PUBLISH "com.openagents.pylon1.relay.publish"

#define NAME_MAX_      64
#define PUBLISH_MAX    1024 /* events of one call */

/* ---- what people may see */

static int method_relays(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Hub *h = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sssxttt)");
        for (size_t i = 0; i < h->n_upstreams && r >= 0; i++) {
                Upstream *u = h->upstreams[i];
                OutRelay *out = upstream_outbox(u);

                r = sd_bus_message_append(reply, "(sssxttt)", upstream_url(u), upstream_word(u),
                                bus_text_or(upstream_error(u), "its words cannot be shown"),
                                upstream_since(u), upstream_counts(u)->events, out->n_accepted,
                                (uint64_t) out_relay_n_open(out));
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int property_local_url(_unused_ sd_bus *bus, _unused_ const char *path,
                _unused_ const char *interface, _unused_ const char *property,
                sd_bus_message *reply, void *userdata, _unused_ sd_bus_error *error) {
        Hub *h = userdata;

        return sd_bus_message_append(reply, "s", h->local ? local_url(h->local) : "");
}

/* NIP-42: relays show us what they do not show to everybody, so not everybody may ask. */
static int method_query(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Hub *h = userdata;
        _cleanup_strv_ char **filters = NULL, **urls = NULL;
        QueryInfo info = { .call = m };
        const char *reason = NULL;
        int r;

        r = bus_authorize(service_server(h->service), m, ACTION_QUERY, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read_strv(m, &filters);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &urls);
        if (r >= 0)
                r = sd_bus_message_read(m, "uu", &info.limit, &info.timeout_ms);
        if (r < 0)
                return r;

        info.filters = filters;
        info.urls = urls;
        r = query_start(h, &info, &reason);
        if (r == -EBUSY)
                return sd_bus_error_set(
                                error, BUS_ERROR_BUSY, "Too many queries are on their way.");
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The query is not possible: %s.", reason ?: strerror(-r));
        return 1;
}

static int method_publish_one(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Hub *h = userdata;
        _cleanup_strv_ char **urls = NULL;
        PublicationInfo info = { .call = m };
        const char *reason = NULL;
        int r;

        r = bus_authorize(service_server(h->service), m, ACTION_PUBLISH, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read_basic(m, 's', &info.json);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &urls);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 'u', &info.timeout_ms);
        if (r < 0)
                return r;

        info.urls = urls;
        r = publication_start(h, &info, &reason);
        if (r == -EBUSY)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "Too many events are on their way.");
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The event cannot be published: %s.", reason ?: strerror(-r));
        return 1;
}

/* ---- what services may do */

/* The role's name under which it subscribes and publishes. */
static int caller_role(Hub *h, sd_bus_message *m, const char **ret, sd_bus_error *error) {
        PeerRole role = bus_server_role(service_server(h->service), m);

        if (!peer_role_is_service(role) && role != PEER_OWNER)
                return sd_bus_error_set(error, BUS_ERROR_NOT_ALLOWED,
                                "Only services of Pylon may do that.");
        *ret = peer_role_name(role);
        return 0;
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Hub *h = userdata;
        _cleanup_strv_ char **filters = NULL, **urls = NULL;
        SubscriptionInfo info = { .bus = sd_bus_message_get_bus(m) };
        const char *reason = NULL;
        int r;

        r = caller_role(h, m, &info.role, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read_basic(m, 's', &info.name);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &filters);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &urls);
        if (r < 0)
                return r;
        if (isempty(info.name) || strlen(info.name) > NAME_MAX_)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT,
                                "The subscription's name is not valid.");

        info.filters = filters;
        info.urls = urls;
        r = hub_subscribe(h, &info, &reason);
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The subscription is not possible: %s.", reason ?: strerror(-r));
        return sd_bus_reply_method_return(m, NULL);
}

static int method_unsubscribe(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Hub *h = userdata;
        const char *role = NULL, *name;
        int forget, r;

        r = caller_role(h, m, &role, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "sb", &name, &forget);
        if (r < 0)
                return r;
        r = hub_unsubscribe(h, role, name, forget);
        if (r < 0)
                return sd_bus_error_set_errnof(error, -r,
                                "The subscription could not be forgotten: %s.", sql_reason(r));
        return sd_bus_reply_method_return(m, NULL);
}

static int method_acknowledge(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Hub *h = userdata;
        const char *role = NULL, *name;
        Subscription *s;
        uint64_t seq;
        int r;

        r = caller_role(h, m, &role, error);
        if (r < 0)
                return r;
        r = sd_bus_message_read(m, "st", &name, &seq);
        if (r < 0)
                return r;
        s = hub_find_subscription(h, role, name);
        if (s)
                subscription_acknowledge(s, seq);
        return sd_bus_reply_method_return(m, NULL);
}

/* The answer to Publish waits until what is durable is on disk. */
typedef struct Answering {
        Hub *hub;
        sd_bus_message *call, *reply;
        PostIds ids;
} Answering;

static Answering *answering_free(Answering *a) {
        if (!a)
                return NULL;
        sd_bus_message_unref(a->call);
        sd_bus_message_unref(a->reply);
        free(a->ids.list);
        return mfree(a);
}
DEFINE_CLEANUP(Answering, answering_free)

static int answering_new(Hub *h, sd_bus_message *call, Answering **ret) {
        _cleanup_(answering_freep) Answering *a = new0(Answering, 1);
        int r;

        if (!a)
                return -ENOMEM;
        a->hub = h;
        a->call = sd_bus_message_ref(call);
        r = sd_bus_message_new_method_return(call, &a->reply);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

static void on_saved(int error, const char *reason, void *userdata) {
        _cleanup_(answering_freep) Answering *a = userdata;
        int r;

        post_settle(a->hub, &a->ids, error >= 0);
        if (error < 0)
                r = sd_bus_reply_method_errnof(
                                a->call, -error, "The events could not be saved: %s.", reason);
        else
                r = sd_bus_send(NULL, a->reply, NULL);
        if (r < 0)
                log_debug_errno(r, "An answer could not be sent: %m");
        post_published(a->hub);
}

static int publish_one(Answering *a, sd_bus_message *m, const char *role, bool *any_durable) {
        _cleanup_strv_ char **urls = NULL;
        const char *json, *reason = "";
        int durable, r, one;

        r = sd_bus_message_enter_container(m, 'r', "sasb");
        if (r <= 0)
                return r;
        r = sd_bus_message_read_basic(m, 's', &json);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &urls);
        if (r >= 0)
                r = sd_bus_message_read_basic(m, 'b', &durable);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;

        one = post_publish(a->hub, role, json, urls, durable, &a->ids, &reason);
        *any_durable |= durable && one >= 0;
        r = sd_bus_message_append(a->reply, "(is)", MIN(one, 0), one < 0 ? reason : "");
        return r < 0 ? r : 1;
}

static int publish_all(Answering *a, sd_bus_message *m, const char *role, bool *any_durable) {
        unsigned n = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(a->reply, 'a', "(is)");
        if (r < 0)
                return r;
        while ((r = publish_one(a, m, role, any_durable)) > 0)
                if (++n > PUBLISH_MAX)
                        return -E2BIG;
        return r < 0 ? r : sd_bus_message_close_container(a->reply);
}

static int method_publish(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Hub *h = userdata;
        SqlGroup *group = shelf_group(h->shelf);
        bool any_durable = false;
        _cleanup_(answering_freep) Answering *a = NULL;
        const char *role = NULL;
        int r;

        r = caller_role(h, m, &role, error);
        if (r >= 0)
                r = post_own(h, sd_bus_message_get_bus(m), role);
        if (r < 0)
                return r;
        r = answering_new(h, m, &a);
        if (r >= 0)
                r = sql_request_begin(group);
        if (r < 0)
                return r;

        r = publish_all(a, m, role, &any_durable);
        if (r < 0 || !any_durable) {
                sql_request_refuse(group); /* nothing was written, or nothing may stay */
                if (r >= 0)
                        on_saved(0, NULL, TAKE_PTR(a));
                else
                        post_settle(h, &a->ids, false);
                return r < 0 ? r : 1;
        }
        r = sql_request_ok(group, false, on_saved, a);
        if (r < 0) {
                post_settle(h, &a->ids, false);
                return sd_bus_error_set_errnof(
                                error, -r, "The events could not be saved: %s.", sql_reason(r));
        }
        (void) TAKE_PTR(a);
        return 1;
}

static int method_forget(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Hub *h = userdata;
        const char *role = NULL, *id;
        int r;

        r = caller_role(h, m, &role, error);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r >= 0)
                r = shelf_begin(h->shelf);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 's', &id)) > 0)
                post_forget(h, role, id);
        shelf_end(h->shelf, MIN(r, 0));
        return r < 0 ? r : sd_bus_reply_method_return(m, NULL);
}

/* clang-format off */
static const sd_bus_vtable relay_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Relays", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sssxttt)", relays),
                        method_relays, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Publish",
                        SD_BUS_ARGS("s", event, "as", relays, "u", timeout_ms),
                        SD_BUS_RESULT("a(sis)", answers),
                        method_publish_one, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Query",
                        SD_BUS_ARGS("as", filters, "as", relays, "u", limit, "u", timeout_ms),
                        SD_BUS_RESULT("a(ss)", events, "a(ss)", silent),
                        method_query, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Status", SD_BUS_ARGS("s", url), SD_BUS_RESULT("a{sv}", status),
                        method_status, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("LocalUrl", "s", property_local_url, 0, 0),
        SD_BUS_SIGNAL_WITH_ARGS("RelayChanged", SD_BUS_ARGS("s", url, "s", state), 0),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_ARGS("s", name, "as", filters, "as", relays),
                        SD_BUS_NO_RESULT, method_subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unsubscribe", SD_BUS_ARGS("s", name, "b", forget),
                        SD_BUS_NO_RESULT, method_unsubscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Acknowledge", SD_BUS_ARGS("s", name, "t", seq),
                        SD_BUS_NO_RESULT, method_acknowledge, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Publish", SD_BUS_ARGS("a(sasb)", events),
                        SD_BUS_RESULT("a(is)", answers), method_publish, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Forget", SD_BUS_ARGS("as", ids),
                        SD_BUS_NO_RESULT, method_forget, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_ARGS("Events", SD_BUS_ARGS("s", name, "a(tss)", events), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Live", SD_BUS_ARGS("s", name, "s", relay), 0),
        SD_BUS_SIGNAL_WITH_ARGS("Outcomes", SD_BUS_ARGS("a(ssis)", outcomes), 0),
        SD_BUS_VTABLE_END,
};

const BusObject relay_objects[] = {
        { BUS_RELAY, relay_vtable, false },
        { BUS_RELAY_SERVICE, service_vtable, true },
        {},
};
/* clang-format on */
