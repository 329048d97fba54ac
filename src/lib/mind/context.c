#include "mind/context.h"

#include "basic/codec.h"
#include "basic/text.h"
#include "mind/action.h"

#define DEPTH_MAX   8
#define VALUES_MAX  16384
#define TIMEOUT_MAX 3600 /* seconds */
#define TOKENS_MAX  (16 * 1024 * 1024)

/* The parts that are objects of their own, until their fields are read. */
typedef struct Parts {
        const Json *agent, *money, *mind, *goals, *memories, *observations, *last, *peers, *allowed,
                        *exec;
        int64_t version;
        const char *mind_type;
} Parts;

/* clang-format off */
#define PART(name, type, member, required) { name, type, offsetof(Parts, member), required }
static const JsonField part_fields[] = {
        PART("v",            JSON_I64,    version,      true),
        PART("agent",        JSON_OBJECT, agent,        true),
        PART("money",        JSON_OBJECT, money,        true),
        PART("mind",         JSON_OBJECT, mind,         true),
        PART("goals",        JSON_ARRAY,  goals,        false),
        PART("memories",     JSON_ARRAY,  memories,     false),
        PART("observations", JSON_ARRAY,  observations, false),
        PART("last",         JSON_ARRAY,  last,         false),
        PART("peers",        JSON_ARRAY,  peers,        false),
        PART("allowed",      JSON_ARRAY,  allowed,      true),
};
static const JsonField mind_part_fields[] = {
        PART("type",         JSON_STRING, mind_type,    true),
        PART("exec",         JSON_ARRAY,  exec,         false),
};
#undef PART

#define FIELD(name, type, member, required) { name, type, offsetof(Context, member), required }
static const JsonField context_fields[] = {
        FIELD("now",     JSON_I64,    now,     true),
        FIELD("tick",    JSON_I64,    tick,    true),
        FIELD("trigger", JSON_STRING, trigger, true),
        FIELD("network", JSON_STRING, network, false),
        FIELD("fence",   JSON_STRING, fence,   true),
        FIELD("dropped", JSON_I64,    dropped, false),
        FIELD("owner",   JSON_STRING, owner,   false),
        FIELD("remembered", JSON_I64, remembered, false),
};
static const JsonField agent_fields[] = {
        FIELD("name",   JSON_STRING, name,   true),
        FIELD("npub",   JSON_STRING, npub,   true),
        FIELD("pubkey", JSON_STRING, pubkey, true),
        FIELD("about",  JSON_STRING, about,  false),
};
static const JsonField money_fields[] = {
        FIELD("balance_msat",     JSON_I64, balance_msat,     true),
        FIELD("runway_s",         JSON_I64, runway_s,         false),
        FIELD("tick_max_msat",    JSON_I64, tick_max_msat,    false),
        FIELD("payment_max_msat", JSON_I64, payment_max_msat, false),
};
static const JsonField mind_fields[] = {
        FIELD("model",          JSON_STRING, model,          false),
        FIELD("context_tokens", JSON_I64,    context_tokens, false),
        FIELD("max_tokens",     JSON_I64,    max_tokens,     false),
        FIELD("timeout_s",      JSON_I64,    timeout_s,      false),
};
#undef FIELD

static const JsonField goal_fields[] = {
        { "id",       JSON_STRING, offsetof(ContextGoal, id),       true  },
        { "text",     JSON_STRING, offsetof(ContextGoal, text),     true  },
        { "priority", JSON_I64,    offsetof(ContextGoal, priority), false },
        { "progress", JSON_I64,    offsetof(ContextGoal, progress), false },
};
static const JsonField memory_fields[] = {
        { "id",   JSON_STRING, offsetof(ContextMemory, id),   true  },
        { "text", JSON_STRING, offsetof(ContextMemory, text), true  },
        { "at",   JSON_I64,    offsetof(ContextMemory, at),   false },
};
static const JsonField observation_fields[] = {
        { "id",     JSON_STRING, offsetof(ContextObservation, id),     true  },
        { "what",   JSON_STRING, offsetof(ContextObservation, what),   true  },
        { "author", JSON_STRING, offsetof(ContextObservation, author), true  },
        { "text",   JSON_STRING, offsetof(ContextObservation, text),   true  },
        { "event",  JSON_STRING, offsetof(ContextObservation, event),  false },
        { "msat",   JSON_I64,    offsetof(ContextObservation, msat),   false },
        { "at",     JSON_I64,    offsetof(ContextObservation, at),     false },
};
static const JsonField peer_fields[] = {
        { "name", JSON_STRING, offsetof(ContextPeer, name), true },
        { "npub", JSON_STRING, offsetof(ContextPeer, npub), true },
};
static const JsonField outcome_fields[] = {
        { "type",   JSON_STRING, offsetof(ContextOutcome, type),   true  },
        { "state",  JSON_STRING, offsetof(ContextOutcome, state),  true  },
        { "reason", JSON_STRING, offsetof(ContextOutcome, reason), false },
};
/* clang-format on */

/* For one call of context_parse(): where its words about a fault go. */
typedef struct Reader {
        Context *context;
        const char **field, **reason;
} Reader;

static int wrong(const Reader *r, const char *field, const char *reason) {
        *r->field = field;
        *r->reason = reason;
        return -EBADMSG;
}

static int read_object(
                const Reader *r, const Json *j, const JsonField *fields, size_t n, void *base) {
        return json_read(j, fields, n, base, r->field, r->reason);
}
#define READ(r, j, fields, base) read_object(r, j, fields, ELEMENTSOF(fields), base)

static int read_goals(const Reader *r, const Json *j) {
        Context *c = r->context;
        int q = 0;

        if (json_array_size(j) > GOALS_MAX)
                return wrong(r, "goals", "there are too many");
        c->goals = new0(ContextGoal, json_array_size(j) + 1);
        if (!c->goals)
                return -ENOMEM;
        for (; c->n_goals < json_array_size(j) && q >= 0; c->n_goals++)
                q = READ(r, json_array_at(j, c->n_goals), goal_fields, c->goals + c->n_goals);
        return q;
}

static int read_memories(const Reader *r, const Json *j) {
        Context *c = r->context;
        int q = 0;

        if (json_array_size(j) > CONTEXT_MEMORIES_MAX)
                return wrong(r, "memories", "there are too many");
        c->memories = new0(ContextMemory, json_array_size(j) + 1);
        if (!c->memories)
                return -ENOMEM;
        for (; c->n_memories < json_array_size(j) && q >= 0; c->n_memories++)
                q = READ(r, json_array_at(j, c->n_memories), memory_fields,
                                c->memories + c->n_memories);
        return q;
}

static int read_observations(const Reader *r, const Json *j) {
        Context *c = r->context;
        int q = 0;

        if (json_array_size(j) > OBSERVATIONS_MAX)
                return wrong(r, "observations", "there are too many");
        c->observations = new0(ContextObservation, json_array_size(j) + 1);
        if (!c->observations)
                return -ENOMEM;
        for (; c->n_observations < json_array_size(j) && q >= 0; c->n_observations++) {
                ContextObservation *o = c->observations + c->n_observations;

                *o = (ContextObservation){ .event = "" };
                q = READ(r, json_array_at(j, c->n_observations), observation_fields, o);
        }
        return q;
}

static int read_peers(const Reader *r, const Json *j) {
        Context *c = r->context;
        int q = 0;

        if (json_array_size(j) > CONTEXT_PEERS_MAX)
                return wrong(r, "peers", "there are too many");
        c->peers = new0(ContextPeer, json_array_size(j) + 1);
        if (!c->peers)
                return -ENOMEM;
        for (; c->n_peers < json_array_size(j) && q >= 0; c->n_peers++)
                q = READ(r, json_array_at(j, c->n_peers), peer_fields, c->peers + c->n_peers);
        return q;
}

/* What became of one tick's actions. */
static int read_outcomes(const Reader *r, const Json *tick) {
        const Json *actions = json_get(tick, "actions");
        Context *c = r->context;
        int64_t number;
        int q = 0;

        if (json_i64(json_get(tick, "tick"), &number) < 0 || !json_is_array(actions))
                return wrong(r, "last", "a tick in it has no number or no actions");
        if (json_array_size(actions) > ACTIONS_MAX + 1) /* one more for all that were too many */
                return wrong(r, "last", "a tick in it has too many actions");
        for (size_t i = 0; i < json_array_size(actions) && q >= 0; i++) {
                ContextOutcome *o = c->outcomes + c->n_outcomes++;

                *o = (ContextOutcome){ .tick = number, .reason = "" };
                q = READ(r, json_array_at(actions, i), outcome_fields, o);
        }
        return q;
}

static int read_last(const Reader *r, const Json *j) {
        Context *c = r->context;
        int q = 0;

        if (json_array_size(j) > CONTEXT_TICKS_MAX)
                return wrong(r, "last", "there are too many");
        c->outcomes = new0(ContextOutcome, CONTEXT_TICKS_MAX * (ACTIONS_MAX + 1));
        if (!c->outcomes)
                return -ENOMEM;
        for (size_t i = 0; i < json_array_size(j) && q >= 0; i++)
                q = read_outcomes(r, json_array_at(j, i));
        return q;
}

/* A host that is newer may allow what this agent does not know; it will not ask for it. */
static int read_allowed(const Reader *r, const Json *j) {
        for (size_t i = 0; i < json_array_size(j); i++) {
                const char *name;
                ActionType type;

                if (json_string(json_array_at(j, i), &name) < 0)
                        return wrong(r, "allowed", "it is not a list of texts");
                if (action_type_from_name(name, &type) >= 0)
                        r->context->allowed |= B(type);
        }
        return 0;
}

static int read_exec(const Reader *r, const Json *j) {
        if (json_array_size(j) > CONTEXT_EXEC_MAX)
                return wrong(r, "exec", "there are too many");
        for (size_t i = 0; i < json_array_size(j); i++) {
                const char *word;

                if (json_string(json_array_at(j, i), &word) < 0)
                        return wrong(r, "exec", "it is not a list of texts");
                if (strv_add(&r->context->command, word) < 0)
                        return -ENOMEM;
        }
        if (r->context->command && r->context->command[0][0] != '/')
                return wrong(r, "exec", "the program's path does not begin with /");
        return 0;
}

static int read_mind(const Reader *r, const Json *j) {
        Parts parts = { 0 };
        int q;

        q = READ(r, j, mind_part_fields, &parts);
        if (q >= 0)
                q = READ(r, j, mind_fields, r->context);
        if (q < 0)
                return q;
        r->context->exec = streq(parts.mind_type, "exec");
        if (!r->context->exec && !streq(parts.mind_type, "nip90") &&
                        !streq(parts.mind_type, "local"))
                return wrong(r, "type", "there is no mind of this type");
        return read_exec(r, parts.exec);
}

static int check(const Reader *r) {
        const Context *c = r->context;

        if (strlen(c->fence) != FENCE_SIZE || strspn(c->fence, "0123456789abcdef") != FENCE_SIZE)
                return wrong(r, "fence", "it is not 32 digits of hex");
        if (c->context_tokens < 1 || c->context_tokens > TOKENS_MAX)
                return wrong(r, "context_tokens", "it is out of range");
        if (c->max_tokens < 1 || c->max_tokens > TOKENS_MAX)
                return wrong(r, "max_tokens", "it is out of range");
        if (c->timeout_s < 1 || c->timeout_s > TIMEOUT_MAX)
                return wrong(r, "timeout_s", "it is out of range");
        return 0;
}

static int read_all(const Reader *r) {
        Context *c = r->context;
        Parts parts = { 0 };
        int q;

        q = READ(r, c->root, part_fields, &parts);
        if (q >= 0 && parts.version != 1)
                return wrong(r, "v", "it is of another version");
        if (q >= 0)
                q = READ(r, c->root, context_fields, c);
        if (q >= 0)
                q = READ(r, parts.agent, agent_fields, c);
        if (q >= 0)
                q = READ(r, parts.money, money_fields, c);
        if (q >= 0)
                q = read_mind(r, parts.mind);
        if (q >= 0)
                q = read_goals(r, parts.goals);
        if (q >= 0)
                q = read_memories(r, parts.memories);
        if (q >= 0)
                q = read_observations(r, parts.observations);
        if (q >= 0)
                q = read_last(r, parts.last);
        if (q >= 0)
                q = read_peers(r, parts.peers);
        if (q >= 0)
                q = read_allowed(r, parts.allowed);
        return q < 0 ? q : check(r);
}

int context_parse(const char *json, size_t size, Context **ret, const char **ret_field,
                const char **reterr) {
        _cleanup_(context_freep) Context *c = NULL;
        int r;

        *ret_field = NULL;
        if (size > CONTEXT_SIZE_MAX) {
                *reterr = "it is too long";
                return -EBADMSG;
        }
        c = new0(Context, 1);
        if (!c)
                return -ENOMEM;
        *c = (Context){
                .about = "",
                .network = "",
                .model = "",
                .owner = "",
                .runway_s = -1,
                .tick_max_msat = -1,
                .payment_max_msat = -1,
                .context_tokens = 8192,
                .max_tokens = 800,
                .timeout_s = 60,
        };
        r = json_parse(json, size, DEPTH_MAX, VALUES_MAX, &c->root, reterr);
        if (r >= 0)
                r = read_all(&(Reader){ c, ret_field, reterr });
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Context *context_free(Context *c) {
        if (!c)
                return NULL;
        c->command = strv_free(c->command);
        free(c->goals);
        free(c->memories);
        free(c->observations);
        free(c->outcomes);
        free(c->peers);
        (void) json_unref(c->root);
        return mfree(c);
}

bool context_is_owner(const Context *c, const ContextObservation *o) {
        if (streq(o->author, "owner"))
                return true;
        return *c->owner && streq(o->author, c->owner) &&
               (streq(o->what, "dm") || streq(o->what, "mention") || streq(o->what, "reply"));
}
