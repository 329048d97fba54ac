/* The agents as they are on the bus: read, and told in one line or as JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "agent.h"
#include "basic/codec.h"
#include "basic/text.h"
#include "bus/names.h"
#include "nostr/nip19.h"
#include "text.h"

#define AGENTS_MAX    4096
#define LOADING_AGAIN (50 * MSEC)
#define LOADING_TRIES 200

/* ---- reading */

typedef struct Field {
        const char *name;
        char type; /* of D-Bus; 'a' is as */
        size_t offset;
} Field;

/* clang-format off */
static const Field fields[] = {
        { "Name",        's', offsetof(AgentLine, name) },
        { "Npub",        's', offsetof(AgentLine, npub) },
        { "State",       's', offsetof(AgentLine, state) },
        { "Wish",        's', offsetof(AgentLine, wish) },
        { "Asleep",      's', offsetof(AgentLine, asleep) },
        { "About",       's', offsetof(AgentLine, about) },
        { "Autonomy",    's', offsetof(AgentLine, autonomy) },
        { "Mind",        's', offsetof(AgentLine, mind) },
        { "Balance",     'x', offsetof(AgentLine, balance) },
        { "Runway",      'x', offsetof(AgentLine, runway) },
        { "CostPerTick", 'x', offsetof(AgentLine, cost) },
        { "TickCount",   'x', offsetof(AgentLine, tick_count) },
        { "LastTick",    'x', offsetof(AgentLine, last_tick) },
        { "NextTick",    'x', offsetof(AgentLine, next_tick) },
        { "Ticking",     'x', offsetof(AgentLine, ticking) },
        { "CreatedAt",   'x', offsetof(AgentLine, created_at) },
        { "Heartbeat",   't', offsetof(AgentLine, heartbeat) },
        { "Failures",    'u', offsetof(AgentLine, failures) },
        { "Pending",     'u', offsetof(AgentLine, pending) },
        { "Relays",      'a', offsetof(AgentLine, relays) },
        { "Triggers",    'a', offsetof(AgentLine, triggers) },
};
/* clang-format on */

static int read_value(sd_bus_message *m, const Field *f, AgentLine *a) {
        void *at = (char *) a + f->offset;
        char type[3] = { f->type, f->type == 'a' ? 's' : '\0', '\0' };
        int r;

        r = sd_bus_message_enter_container(m, 'v', type);
        if (r >= 0)
                r = f->type == 'a' ? sd_bus_message_read_strv(m, at)
                                   : sd_bus_message_read_basic(m, f->type, at);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* One member of an a{sv}; a later Pylon may have more of them. */
static int read_member(sd_bus_message *m, AgentLine *a) {
        const char *name;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(fields); i++)
                if (streq(fields[i].name, name))
                        return read_value(m, &fields[i], a);
        return sd_bus_message_skip(m, "v");
}

static int read_interfaces(sd_bus_message *m, AgentLine *a) {
        const char *interface;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                r = sd_bus_message_read_basic(m, 's', &interface);
                if (r >= 0 && !streq(interface, BUS_AGENT))
                        r = sd_bus_message_skip(m, "a{sv}");
                else if (r >= 0) {
                        r = sd_bus_message_enter_container(m, 'a', "{sv}");
                        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                                r = read_member(m, a);
                                if (r >= 0)
                                        r = sd_bus_message_exit_container(m);
                        }
                        if (r >= 0)
                                r = sd_bus_message_exit_container(m);
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int add_agent(AgentList *l, const AgentLine *a) {
        AgentLine *more = reallocarray(l->agents, l->n + 1, sizeof(*more));

        if (!more)
                return -ENOMEM;
        l->agents = more;
        more[l->n++] = *a;
        return 0;
}

/* a{oa{sa{sv}}} */
static int read_objects(AgentList *l) {
        sd_bus_message *m = l->reply;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
                AgentLine a = { .name = "",
                        .npub = "",
                        .state = "",
                        .wish = "",
                        .asleep = "",
                        .about = "",
                        .autonomy = "",
                        .mind = "" };

                r = sd_bus_message_read_basic(m, 'o', &a.path);
                if (r >= 0)
                        r = read_interfaces(m, &a);
                if (r >= 0 && *a.name && l->n < AGENTS_MAX)
                        r = add_agent(l, &a);
                else {
                        strv_free(a.relays);
                        strv_free(a.triggers);
                }
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int by_name(const void *a, const void *b) {
        return strcmp(((const AgentLine *) a)->name, ((const AgentLine *) b)->name);
}

int agents_parse(sd_bus_message *reply, AgentList *ret) {
        _cleanup_(agents_done) AgentList l = { .reply = sd_bus_message_ref(reply) };
        int r;

        r = read_objects(&l);
        if (r < 0)
                return r;
        if (l.n > 0)
                qsort(l.agents, l.n, sizeof(*l.agents), by_name);
        *ret = TAKE(l, (AgentList){ 0 });
        return 0;
}

/* A host of another version does not know the property, and has read what it has. */
static bool is_loading(const Remote *host) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Remote properties = *host;
        CallError error;
        int loading;

        properties.interface = "org.freedesktop.DBus.Properties";
        return remote_call(&properties, "Get", &reply, &error, "ss", BUS_HOST, "Loading") >= 0 &&
               sd_bus_message_read(reply, "v", "b", &loading) >= 0 && loading;
}

int agents_wait(const Remote *host, CallError *ret_error) {
        const struct timespec pause = { .tv_nsec = LOADING_AGAIN * 1000 };

        for (unsigned i = 0; is_loading(host); i++) {
                if (i == LOADING_TRIES) {
                        *ret_error = (CallError){ .name = "Busy" };
                        (void) snprintf(ret_error->message, sizeof(ret_error->message), "%s",
                                        _("pylon-host still reads which agents there are."));
                        return -EBUSY;
                }
                (void) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        }
        return 0;
}

int agents_read(const Remote *host, AgentList *ret, CallError *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Remote manager = *host;
        int r;

        r = agents_wait(host, ret_error);
        if (r < 0)
                return r;
        manager.interface = "org.freedesktop.DBus.ObjectManager";
        r = remote_call(&manager, "GetManagedObjects", &reply, ret_error, NULL);
        if (r < 0)
                return r;
        r = agents_parse(reply, ret);
        if (r < 0) {
                ret_error->name = "NotReachable";
                (void) snprintf(ret_error->message, sizeof(ret_error->message), "%s",
                                _("The answer could not be read: is the running Pylon of another version?"));
        }
        return r;
}

void agents_done(AgentList *l) {
        for (size_t i = 0; i < l->n; i++) {
                strv_free(l->agents[i].relays);
                strv_free(l->agents[i].triggers);
        }
        free(l->agents);
        sd_bus_message_unref(l->reply);
        *l = (AgentList){ 0 };
}

const AgentLine *agents_find(const AgentList *l, const char *name_or_npub) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->agents[i].name, name_or_npub) ||
                                streq(l->agents[i].npub, name_or_npub))
                        return &l->agents[i];
        return NULL;
}

/* ---- showing */

void agent_state_text(const AgentLine *a, char ret[static AGENT_STATE_MAX]) {
        size_t n = (size_t) snprintf(ret, AGENT_STATE_MAX, "%s", a->state);

        if (!streq(a->wish, "started") && n < AGENT_STATE_MAX)
                n += (size_t) snprintf(ret + n, AGENT_STATE_MAX - n, ", %s", a->wish);
        if (a->pending > 0 && n < AGENT_STATE_MAX)
                (void) snprintf(ret + n, AGENT_STATE_MAX - n, _(", %" PRIu32 " to approve"),
                                a->pending);
}

void agent_runway_text(const AgentLine *a, char ret[static 64]) {
        if (a->runway < 0)
                (void) snprintf(ret, 64, "-");
        else
                text_span((usec_t) MIN(a->runway, INT64_C(1) << 40) * SEC, ret);
}

void agent_balance_text(const AgentLine *a, char ret[static 64]) {
        if (a->balance < 0)
                (void) snprintf(ret, 64, "?");
        else
                text_msats(a->balance, ret);
}

static void out_seconds(Out *o, const char *key, int64_t when) {
        if (when > 0)
                out_number(o, key, when);
        else
                out_null(o, key);
}

static void out_strv(Out *o, const char *key, char *const *l) {
        out_array(o, key);
        STRV_FOREACH (s, l)
                out_text(o, NULL, *s);
        out_end(o);
}

static void out_pubkey(Out *o, const char *npub) {
        const char *reason;
        char hex[HEX32_MAX];
        uint8_t key[32];

        if (pubkey_parse(npub, key, &reason) < 0) {
                out_null(o, "pubkey");
                return;
        }
        hex_encode(key, sizeof(key), hex);
        out_text(o, "pubkey", hex);
}

/* Without relays of its own it has this machine's. */
char *const *agent_relays(const Cli *cli, const AgentLine *a) {
        return a->relays && *a->relays ? a->relays : cli->config->relays;
}

/* The predecessor's names first; what it had and we have not is what must not be told. */
void agent_json(const Cli *cli, Out *o, const char *key, const AgentLine *a) {
        out_object(o, key);
        out_text(o, "name", a->name);
        out_text(o, "npub", a->npub);
        out_pubkey(o, a->npub);
        out_text(o, "state", a->state);
        out_text(o, "network", network_name(cli->config->network));
        out_strv(o, "relays", agent_relays(cli, a));
        out_number(o, "created_at", a->created_at);
        out_seconds(o, "last_active_at", a->last_tick);
        out_number(o, "tick_count", a->tick_count);
        out_object(o, "profile");
        out_text(o, "name", a->name);
        out_text(o, "about", a->about);
        out_text(o, "autonomy", a->autonomy);
        out_end(o);
        out_object(o, "schedule");
        out_number(o, "heartbeat_seconds", (int64_t) a->heartbeat);
        out_strv(o, "triggers", a->triggers);
        out_boolean(o, "active", streq(a->wish, "started"));
        out_end(o);
        out_object(o, "db_stats");
        out_number(o, "balance_sats", a->balance >= 0 ? a->balance / 1000 : 0);
        out_number(o, "tick_count", a->tick_count);
        out_seconds(o, "last_tick_at", a->last_tick);
        out_end(o);
        out_text(o, "wish", a->wish);
        out_text(o, "asleep", *a->asleep ? a->asleep : NULL);
        out_text(o, "mind", a->mind);
        if (a->balance >= 0)
                out_number(o, "balance_msats", a->balance);
        else
                out_null(o, "balance_msats");
        out_number(o, "cost_per_tick_msats", a->cost);
        if (a->runway >= 0)
                out_number(o, "runway_secs", a->runway);
        else
                out_null(o, "runway_secs");
        out_seconds(o, "next_tick_at", a->next_tick);
        out_seconds(o, "ticking", a->ticking);
        out_number(o, "failures", a->failures);
        out_number(o, "to_approve", a->pending);
        out_end(o);
}
