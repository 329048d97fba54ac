/* What an agent may know when it wakes: what the store has for this tick, its money, its mind, and
 * who else lives here. It is read again by the code the agent reads it with, so that nothing is
 * sent which it would refuse. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/crypt.h"
#include "basic/text.h"
#include "tick-private.h"

#define PEERS_MAX   16
#define QUERY_MAX   8192 /* bytes of observations that memories are searched with */
#define QUOTE_MAX   512  /* of each */
#define FENCE_BYTES 16

/* ---- writing */

static int add_string(Buffer *b, const char *name, const char *value) {
        int r;

        r = buffer_addf(b, "\"%s\":", name);
        return r < 0 ? r : json_write_string(b, value ?: "", strlen(value ?: ""));
}

static int add_strings(Buffer *b, const char *name, char *const *list) {
        int r;

        r = buffer_addf(b, "\"%s\":[", name);
        STRV_FOREACH (s, list) {
                if (r >= 0 && s != list)
                        r = buffer_add(b, ",", 1);
                if (r >= 0)
                        r = json_write_string(b, *s, strlen(*s));
        }
        return r < 0 ? r : buffer_add(b, "]", 1);
}

static int add_agent(Buffer *b, const HostAgent *a) {
        int r;

        r = buffer_add_string(b, "\"agent\":{");
        if (r >= 0)
                r = add_string(b, "name", a->name);
        if (r >= 0)
                r = buffer_addf(b, ",\"npub\":\"%s\",\"pubkey\":\"%s\",", a->npub, a->pubkey_hex);
        if (r >= 0)
                r = add_string(b, "about", a->settings->about);
        return r < 0 ? r : buffer_add_string(b, "},");
}

static int add_moment(Buffer *b, const Tick *t) {
        uint8_t random[FENCE_BYTES];
        char fence[2 * FENCE_BYTES + 1];
        int r;

        r = crypt_random(random, sizeof(random));
        if (r < 0)
                return r;
        hex_encode(random, sizeof(random), fence);
        r = buffer_addf(b, "\"now\":%" PRIi64 ",\"tick\":%" PRIi64 ",\"fence\":\"%s\",",
                        hands_now(t->hands), t->number, fence);
        if (r >= 0)
                r = add_string(b, "trigger", t->trigger);
        if (r >= 0)
                r = buffer_add(b, ",", 1);
        if (r >= 0)
                r = add_string(b, "network",
                                network_name(service_config(t->hands->host->service)->network));
        return r < 0 ? r : buffer_add(b, ",", 1);
}

static int add_money(Buffer *b, const HostAgent *a) {
        const AgentSettings *s = a->settings;
        int64_t runway = host_agent_runway(a);
        int r;

        r = buffer_addf(b, "\"money\":{\"balance_msat\":%" PRIi64, MAX(a->balance_msat, 0));
        if (r >= 0 && runway < INT64_MAX) /* else it has no end */
                r = buffer_addf(b, ",\"runway_s\":%" PRIi64, runway);
        return r < 0 ? r
                     : buffer_addf(b,
                                       ",\"tick_max_msat\":%" PRIi64
                                       ",\"payment_max_msat\":%" PRIi64 "},",
                                       s->tick_max_msat, s->payment_max_msat);
}

static int add_mind(Buffer *b, const AgentSettings *s) {
        int r;

        r = buffer_addf(b, "\"mind\":{\"type\":\"%s\",", mind_type_name(s->mind));
        if (r >= 0)
                r = add_string(b, "model", s->model);
        if (r >= 0)
                r = buffer_addf(b,
                                ",\"context_tokens\":%u,\"max_tokens\":%u,\"timeout_s\":%" PRIu64
                                ",",
                                s->context_tokens, s->max_tokens,
                                MAX(s->tick_timeout / SEC, UINT64_C(1)));
        if (r >= 0)
                r = add_strings(b, "exec", s->exec);
        return r < 0 ? r : buffer_add_string(b, "},");
}

static int add_allowed(Buffer *b, const AgentSettings *s) {
        const char *comma = "";
        int r;

        r = buffer_add_string(b, "\"allowed\":[");
        for (ActionType t = 0; t < _ACTION_TYPE_MAX && r >= 0; t++)
                if (policy_is_allowed(s, t)) {
                        r = buffer_addf(b, "%s\"%s\"", comma, action_type_name(t));
                        comma = ",";
                }
        return r < 0 ? r : buffer_add_string(b, "],");
}

/* Those of the same owner, whom it could not know otherwise. */
static int add_peers(Buffer *b, const HostAgent *a) {
        unsigned n = 0;
        int r;

        r = buffer_add_string(b, "\"peers\":[");
        for (HostAgent *o = host_agent_next(a->host, NULL); o && r >= 0 && n < PEERS_MAX;
                        o = host_agent_next(a->host, o)) {
                if (o == a)
                        continue;
                r = buffer_addf(b, "%s{\"name\":\"%s\",\"npub\":\"%s\"}", n++ > 0 ? "," : "",
                                o->name, o->npub);
        }
        return r < 0 ? r : buffer_add_string(b, "],");
}

/* What the store says is an object of its own: its members go into ours. */
static int add_stored(Buffer *b, const char *json) {
        size_t size = strlen(json);

        if (size < 2 || json[0] != '{' || json[size - 1] != '}')
                return -EBADMSG;
        return size == 2 ? buffer_add_string(b, "\"goals\":[]}")
                         : buffer_add(b, json + 1, size - 1);
}

static int write_context(const Tick *t, const char *stored, Buffer *b) {
        const HostAgent *a = t->agent;
        int r;

        r = buffer_add_string(b, "{\"v\":1,");
        if (r >= 0)
                r = add_agent(b, a);
        if (r >= 0)
                r = add_moment(b, t);
        if (r >= 0)
                r = add_money(b, a);
        if (r >= 0)
                r = add_mind(b, a->settings);
        if (r >= 0)
                r = add_allowed(b, a->settings);
        if (r >= 0)
                r = add_string(b, "owner", a->settings->owner_hex);
        if (r >= 0)
                r = buffer_add(b, ",", 1);
        if (r >= 0)
                r = add_peers(b, a);
        return r < 0 ? r : add_stored(b, stored);
}

/* ---- gathering */

int tick_take_context(Tick *t, char *json) {
        const char *field = NULL, *reason = "there is no memory";
        int r;

        free(t->json);
        t->json = json;
        t->context = context_free(t->context);
        r = context_parse(json, strlen(json), &t->context, &field, &reason);
        if (r < 0)
                (void) snprintf(t->flow.reason, sizeof(t->flow.reason),
                                "what the agent should know cannot be read%s%s: %s",
                                field ? ", " : "", field ?: "", reason);
        return r;
}

static Step compose(Tick *t, const char *stored) {
        _cleanup_buffer_ Buffer b = { .max = CONTEXT_SIZE_MAX };
        char *json;
        int r;

        r = write_context(t, stored, &b);
        if (r < 0)
                return flow_fail(&t->flow, r,
                                r == -ENOBUFS ? "what the agent should know is too much"
                                              : "what the agent should know cannot be written");
        json = buffer_take(&b, NULL);
        if (!json)
                return flow_fail(&t->flow, -ENOMEM, "there is no memory");
        r = tick_take_context(t, json);
        if (r < 0) {
                _cleanup_free_ char *reason = strdup(t->flow.reason);

                return flow_fail(&t->flow, r, reason);
        }
        return flow_go(TICK_COMPOSING);
}

static void on_searched(int error, const char *reason, const char *json, void *userdata) {
        Tick *t = userdata;

        flow_drive(&t->flow, error < 0 ? flow_fail(&t->flow, error, reason) : compose(t, json));
}

/* What was said to it is what its memories are searched with. */
static int write_query(const char *stored, Buffer *b) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason, *text;
        const Json *list;
        int r;

        r = json_parse(stored, strlen(stored), 8, 65536, &j, &reason);
        if (r < 0)
                return r;
        list = json_get(j, "observations");
        for (size_t i = 0; i < json_array_size(list) && r >= 0; i++)
                if (json_string(json_get(json_array_at(list, i), "text"), &text) >= 0)
                        r = buffer_addf(b, "%.*s ",
                                        (int) utf8_prefix(text, strlen(text), QUOTE_MAX), text);
        return r == -ENOBUFS ? 0 : r;
}

static void on_context(int error, const char *reason, const char *json, void *userdata) {
        _cleanup_buffer_ Buffer query = { .max = QUERY_MAX };
        Tick *t = userdata;
        int r;

        if (error < 0) {
                flow_drive(&t->flow, flow_fail(&t->flow, error, reason));
                return;
        }
        r = write_query(json, &query);
        if (r < 0)
                flow_drive(&t->flow, flow_fail(&t->flow, r, "the store's answer cannot be read"));
        else if (query.size == 0)
                flow_drive(&t->flow, compose(t, json));
        else if (agents_context(t->hands->agents, t->agent->npub, t->number, query.data,
                                 on_searched, t, &t->asking) < 0)
                flow_drive(&t->flow, compose(t, json));
}

Step tick_gather(Flow *f) {
        Tick *t = flow_tick(f);
        int r;

        f->error = 0; /* a wallet that is away is no failure, and is not waited for any more */
        t->paying = wallet_call_free(t->paying);
        r = agents_context(
                        t->hands->agents, t->agent->npub, t->number, "", on_context, t, &t->asking);
        return r < 0 ? flow_fail(f, r, "the store could not be asked") : flow_wait();
}
