/* Spawn: an agent comes to be, as a flow. Each step may be done twice: its settings are on disk
 * before it has a key, so that the next start completes what a crash has left, or, where there is
 * no key yet, removes it. */
#include <fcntl.h>
#include <stdio.h>

#include "agents.h"
#include "basic/fault.h"
#include "basic/flow.h"
#include "basic/log.h"
#include "basic/text.h"
#include "watch.h"

#define SPAWNS_MAX     64
#define FUND_USEC      (20 * SEC) /* a wallet that does not answer keeps nobody from living */
#define INVOICE_EXPIRY (24 * 3600)

typedef enum SpawnState {
        SPAWN_CHECKING, /* is there a key of this name? */
        SPAWN_NOTING,   /* its settings are written down */
        SPAWN_KEYING,   /* the signer makes its key, or reads its words */
        SPAWN_FILING,   /* NPUB.toml */
        SPAWN_ADDING,   /* the row in the store */
        SPAWN_GRANTING, /* what it may spend */
        SPAWN_FUNDING,  /* an invoice, where one is wanted */
        SPAWN_DONE,
        SPAWN_UNDOING, /* nothing of it stays but a key that was made */
        SPAWN_FAILED,
        _SPAWN_STATE_MAX,
} SpawnState;

struct Spawn {
        Flow flow;
        Agents *agents;
        Spawn *prev, *next;
        AgentSettings *settings;
        char *key;
        AgentKeyFrom from;
        int pipe;
        int64_t fund_msat;
        AgentWish wish;
        bool resumed; /* after a crash: nobody waits */
        bool noted;
        char npub[NPUB_SIZE], hex[HEX32_MAX];
        HostAgent *agent;
        char *bolt11;
        int error;     /* with the refusal */
        char *refusal; /* it was nonsense; whoever asked hears of it in the next turn */
        agent_spawned_t done;
        void *userdata;
        sd_event_source *launch;
        KeysCall *asking;
        AgentsCall *adding;
        WalletCall *filling;
};

static Step spawn_check(Flow *f);
static Step spawn_note(Flow *f);
static Step spawn_key(Flow *f);
static Step spawn_file(Flow *f);
static Step spawn_add(Flow *f);
static Step spawn_grant(Flow *f);
static Step spawn_fund(Flow *f);
static Step spawn_undo(Flow *f);
static void spawn_over(Flow *f);

/* clang-format off */
static const FlowState spawn_states[_SPAWN_STATE_MAX] = {
        /*                   name        enter        deadline   late           fails          next                                             durable */
        [SPAWN_CHECKING] = { "checking", spawn_check, MIN_,      SPAWN_FAILED,  SPAWN_FAILED,  B(SPAWN_NOTING) | B(SPAWN_FILING) | B(SPAWN_UNDOING), false },
        [SPAWN_NOTING]   = { "noting",   spawn_note,  0,         0,             SPAWN_UNDOING, B(SPAWN_KEYING) | B(SPAWN_FILING),                false },
        [SPAWN_KEYING]   = { "keying",   spawn_key,   10 * MIN_, SPAWN_UNDOING, SPAWN_UNDOING, B(SPAWN_FILING),                                  false },
        [SPAWN_FILING]   = { "filing",   spawn_file,  0,         0,             SPAWN_FAILED,  B(SPAWN_ADDING),                                  false },
        [SPAWN_ADDING]   = { "adding",   spawn_add,   10 * MIN_, SPAWN_FAILED,  SPAWN_FAILED,  B(SPAWN_GRANTING),                                false },
        [SPAWN_GRANTING] = { "granting", spawn_grant, FUND_USEC, SPAWN_FUNDING, SPAWN_FUNDING, B(SPAWN_FUNDING),                                 false },
        [SPAWN_FUNDING]  = { "funding",  spawn_fund,  FUND_USEC, SPAWN_DONE,    SPAWN_DONE,    B(SPAWN_DONE),                                    false },
        [SPAWN_DONE]     = { "done",     .final = true },
        [SPAWN_UNDOING]  = { "undoing",  spawn_undo,  0,         0,             SPAWN_FAILED,  B(SPAWN_FAILED),                                  false },
        [SPAWN_FAILED]   = { "failed",   .final = true },
};
/* clang-format on */

static const FlowTable spawn_table = {
        .name = "spawn",
        .states = spawn_states,
        .n_states = _SPAWN_STATE_MAX,
        .done = spawn_over,
};

static Spawn *flow_spawn(Flow *f) {
        return container_of(f, Spawn, flow);
}

/* For crash tests: "spawn.filing.after" and the like. */
static int spawn_fault(const Spawn *s) {
        char name[48];

        (void) snprintf(name, sizeof(name), "spawn.%s.after", flow_state_name(&s->flow));
        return fault(name);
}

static Step spawn_next(Spawn *s, SpawnState next) {
        int r = spawn_fault(s);

        return r < 0 ? flow_fail(&s->flow, r, "a fault was asked for") : flow_go((int) next);
}

/* ---- the key */

static int take_pubkey(Spawn *s, const char *hex) {
        uint8_t key[32];
        int r;

        r = hex_decode(hex, key, sizeof(key));
        if (r >= 0)
                r = npub_encode(key, s->npub);
        if (r < 0)
                return r;
        (void) snprintf(s->hex, sizeof(s->hex), "%s", hex);
        free(s->settings->npub);
        s->settings->npub = strdup(s->npub);
        return s->settings->npub ? 0 : -ENOMEM;
}

/* Two names for one key: its file is named after the key, and has one agent's settings. */
static bool key_is_taken(Spawn *s, char reason[static 96]) {
        const HostAgent *a;
        uint8_t key[32];

        a = hex_decode(s->hex, key, sizeof(key)) >= 0 ? agents_by_pubkey(s->agents, key) : NULL;
        if (!a || streq(a->name, s->settings->name))
                return false;
        (void) snprintf(reason, 96, "the agent \"%s\" has this key", a->name);
        return true;
}

static void on_checked(int error, const char *reason, const char *hex, void *userdata) {
        Spawn *s = userdata;
        Flow *f = &s->flow;
        char taken[96];
        Step step;

        if (error >= 0)
                error = take_pubkey(s, hex);
        if (error >= 0 && key_is_taken(s, taken))
                step = s->noted ? flow_go(SPAWN_UNDOING) : flow_fail(f, -EEXIST, taken);
        else if (error >= 0 && s->from == AGENT_KEY_THERE)
                step = spawn_next(s, s->noted ? SPAWN_FILING : SPAWN_NOTING);
        else if (error >= 0)
                step = flow_fail(f, -EEXIST,
                                "the signer has a key of this name already, from an agent that was deleted or an import");
        else if (error == -ENOKEY && s->resumed)
                step = flow_go(SPAWN_UNDOING);
        else if (error == -ENOKEY && s->from != AGENT_KEY_THERE)
                step = spawn_next(s, SPAWN_NOTING);
        else
                step = flow_fail(f, error, reason ?: "the signer cannot be asked");
        flow_drive(f, step);
}

static Step spawn_check(Flow *f) {
        Spawn *s = flow_spawn(f);
        int r;

        r = keys_public(s->agents->keys, s->key, on_checked, s, &s->asking);
        return r < 0 ? flow_fail(f, r, "the signer cannot be asked") : flow_wait();
}

static Step spawn_note(Flow *f) {
        Spawn *s = flow_spawn(f);
        int r;

        r = registry_note_spawn(s->agents->folder, s->settings);
        if (r == -EEXIST)
                return flow_fail(f, -EBUSY, "an agent of this name is being made");
        if (r < 0)
                return flow_fail(f, r, "its settings could not be written down");
        s->noted = true;
        return spawn_next(s, s->from == AGENT_KEY_THERE ? SPAWN_FILING : SPAWN_KEYING);
}

static void on_keyed(int error, const char *reason, const char *hex, void *userdata) {
        Spawn *s = userdata;
        Flow *f = &s->flow;
        char taken[96];
        int r;

        if (error == -EEXIST) { /* an answer of the signer was lost: it is ours */
                r = keys_public(s->agents->keys, s->key, on_keyed, s, &s->asking);
                if (r < 0)
                        flow_drive(f, flow_fail(f, r, "the signer cannot be asked"));
                return;
        }
        if (error >= 0)
                error = take_pubkey(s, hex);
        if (error >= 0 && key_is_taken(s, taken)) {
                error = -EEXIST;
                reason = taken;
        }
        flow_drive(f, error < 0 ? flow_fail(f, error, reason ?: "there is no memory")
                                : spawn_next(s, SPAWN_FILING));
}

static Step spawn_key(Flow *f) {
        Spawn *s = flow_spawn(f);
        int r;

        if (s->from == AGENT_KEY_NEW)
                r = keys_generate(s->agents->keys, s->key, s->pipe, on_keyed, s, &s->asking);
        else
                r = keys_import(s->agents->keys, s->key, s->pipe, on_keyed, s, &s->asking);
        return r < 0 ? flow_fail(f, r, "the signer cannot be asked") : flow_wait();
}

/* ---- the agent */

static Step spawn_file(Flow *f) {
        Spawn *s = flow_spawn(f);
        int r;

        r = registry_write(s->agents->folder, s->settings);
        if (r >= 0)
                r = registry_forget_spawn(s->agents->folder, s->settings->name);
        if (r < 0)
                return flow_fail(f, r, "its file could not be written; the next start does it");
        return spawn_next(s, SPAWN_ADDING);
}

static int spawn_birth(Spawn *s) {
        AgentBirth birth = {
                .settings = s->settings,
                .lifecycle = AGENT_SPAWNING,
                .wish = s->wish,
                .created_at = s->settings->created_at,
        };
        int r;

        r = agents_add_one(s->agents, &birth, &s->agent);
        if (r < 0)
                return r;
        s->settings = NULL;
        log_event(LOG_NOTICE, LOG_ID_AGENT_SPAWNED, LOG_FIELDS("PYLON_AGENT", s->agent->name),
                        "Agent %s has been made: %s.", s->agent->name, s->agent->npub);
        watch_changed(s->agents->watch);
        agents_ask_balance(s->agents, s->agent->key);
        agent_publish_profile(s->agent);
        agent_consider(s->agent);
        return 0;
}

static void on_added(int verdict, const char *text, void *userdata) {
        Spawn *s = userdata;
        Flow *f = &s->flow;

        if (verdict >= 0)
                verdict = spawn_birth(s);
        flow_drive(f, verdict < 0 ? flow_fail(f, verdict,
                                                    isempty(text) ? "there is no memory" : text)
                                  : spawn_next(s, SPAWN_GRANTING));
}

static Step spawn_add(Flow *f) {
        Spawn *s = flow_spawn(f);
        int r;

        r = agents_add(s->agents->store,
                        &(AgentRow){ .npub = s->npub,
                                        .pubkey = s->hex,
                                        .name = s->settings->name,
                                        .lifecycle = agent_lifecycle_name(AGENT_SPAWNING),
                                        .wish = agent_wish_name(s->wish),
                                        .created_at = s->settings->created_at },
                        on_added, s, &s->adding);
        return r < 0 ? flow_fail(f, r, "the store cannot be asked") : flow_wait();
}

/* It is set again before the agent wakes for the first time; a wallet that sleeps is no reason. */
static void on_granted(int error, const char *reason, void *userdata) {
        Spawn *s = userdata;

        if (error < 0)
                log_warning("The limits of agent %s are not set yet: %s.", s->agent->name, reason);
        else if (s->agent->work->grant == GRANT_UNKNOWN)
                s->agent->work->grant = GRANT_SET;
        flow_drive(&s->flow, spawn_next(s, SPAWN_FUNDING));
}

static Step spawn_grant(Flow *f) {
        _cleanup_buffer_ Buffer json = { .max = AGENT_SETTINGS_MAX };
        Spawn *s = flow_spawn(f);
        int r;

        r = agent_grant_json(s->agent->settings, &json);
        if (r >= 0)
                r = wallet_set_grant(s->agents->wallet, s->agent->key, s->agent->key, json.data,
                                on_granted, s, &s->filling);
        return r < 0 ? flow_go(SPAWN_FUNDING) : flow_wait();
}

static void on_invoice(
                int error, const char *reason, const WalletInvoice *invoice, void *userdata) {
        Spawn *s = userdata;

        if (error < 0)
                log_info("There is no invoice to fund agent %s: %s.", s->agent->name, reason);
        else
                s->bolt11 = strdup(invoice->bolt11);
        flow_drive(&s->flow, flow_go(SPAWN_DONE));
}

static Step spawn_fund(Flow *f) {
        Spawn *s = flow_spawn(f);
        char text[64];
        int r;

        if (s->fund_msat < 0)
                return flow_go(SPAWN_DONE);
        s->filling = wallet_call_free(s->filling);
        (void) snprintf(text, sizeof(text), "For agent %s", s->agent->name);
        r = wallet_fill(s->agents->wallet,
                        &(WalletFill){ s->agent->key, s->fund_msat, text, INVOICE_EXPIRY },
                        on_invoice, s, &s->filling);
        return r < 0 ? flow_go(SPAWN_DONE) : flow_wait();
}

/* ---- the end */

static Step spawn_undo(Flow *f) {
        Spawn *s = flow_spawn(f);
        int r;

        r = s->noted ? registry_forget_spawn(s->agents->folder, s->settings->name) : 0;
        if (r < 0)
                (void) log_warning_errno(
                                r, "What was written for agent %s stays: %m", s->settings->name);
        return flow_go(SPAWN_FAILED);
}

static void spawn_over(Flow *f) {
        Spawn *s = flow_spawn(f);
        bool good = f->state == SPAWN_DONE;

        if (s->resumed && !good)
                log_notice("An agent that was being made when Pylon ended has not been: %s.",
                                *f->reason ? f->reason : "it had no key yet");
        if (s->done)
                s->done(good ? 0 : MIN(f->error, -1), good ? NULL : f->reason, s->agent,
                                s->bolt11 ?: "", s->userdata);
        (void) spawn_free(s);
}

Spawn *spawn_free(Spawn *s) {
        if (!s)
                return NULL;
        *(s->prev ? &s->prev->next : &s->agents->spawns) = s->next;
        if (s->next)
                s->next->prev = s->prev;
        flow_stop(&s->flow);
        s->launch = sd_event_source_disable_unref(s->launch);
        s->asking = keys_call_free(s->asking);
        s->adding = agents_call_free(s->adding);
        s->filling = wallet_call_free(s->filling);
        closep(&s->pipe);
        (void) agent_settings_free(s->settings);
        free(s->key);
        free(s->bolt11);
        free(s->refusal);
        return mfree(s);
}

/* Not at once: who asks hears of the end later than of the beginning. */
static int on_launch(_unused_ sd_event_source *source, void *userdata) {
        Spawn *s = userdata;
        int r;

        s->launch = sd_event_source_disable_unref(s->launch);
        if (s->refusal) {
                s->done(s->error, s->refusal, NULL, "", s->userdata);
                (void) spawn_free(s);
                return 0;
        }
        r = flow_start(&s->flow, &spawn_table, s->agents->event, SPAWN_CHECKING);
        assert(r >= 0);
        return 0;
}

static Spawn *spawn_new(Agents *agents, AgentSettings *settings) {
        Spawn *s = new0(Spawn, 1);

        if (!s)
                return NULL;
        *s = (Spawn){ .agents = agents, .next = agents->spawns, .pipe = -EBADF, .fund_msat = -1 };
        if (s->next)
                s->next->prev = s;
        agents->spawns = s;
        if (settings && asprintf(&s->key, "agent:%s", settings->name) < 0) {
                s->key = NULL;
                return spawn_free(s);
        }
        if (sd_event_add_defer(agents->event, &s->launch, on_launch, s) < 0)
                return spawn_free(s);
        s->settings = settings;
        return s;
}

int spawn_resume(Agents *agents, AgentSettings *settings) {
        Spawn *s = spawn_new(agents, settings);

        if (!s) {
                (void) agent_settings_free(settings);
                return -ENOMEM;
        }
        s->from = AGENT_KEY_THERE;
        s->resumed = s->noted = true;
        return 0;
}

/* ---- what is asked for */

static void keep_first_error(const ConfigRemark *r, void *userdata) {
        char **reason = userdata;

        if (r->severity == CONFIG_ERROR && !*reason &&
                        asprintf(reason, "%u:%u: %s", r->line, r->column, r->text) < 0)
                *reason = NULL;
}

/* The name is the order's, whatever the settings say. */
static int read_order(const SpawnOrder *o, AgentSettings **ret, char **ret_reason) {
        _cleanup_(agent_settings_freep) AgentSettings *s = NULL;
        int r;

        if (o->settings)
                r = agent_settings_parse(o->settings, strlen(o->settings), keep_first_error,
                                ret_reason, &s, NULL);
        else
                r = agent_settings_new(o->name, &s);
        if (r >= 0) {
                free(s->name);
                s->name = strdup(o->name);
                r = s->name ? 0 : -ENOMEM;
        }
        for (size_t i = 0; r >= 0 && i < o->n_edits; i++)
                r = agent_settings_edit(s, o->edits + i, ret_reason);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

static int complete(Agents *agents, AgentSettings *s) {
        s->created_at = agents_now(agents);
        free(s->npub);
        s->npub = strdup("");
        free(s->pubkey);
        s->pubkey = strdup("");
        if (isempty(s->network)) {
                free(s->network);
                s->network = strdup(agents->network);
        }
        return s->npub && s->pubkey && s->network ? 0 : -ENOMEM;
}

static bool is_being_made(const Agents *agents, const char *name) {
        size_t n = 0;

        for (const Spawn *s = agents->spawns; s; s = s->next, n++)
                if (s->settings && streq(s->settings->name, name))
                        return true;
        return n >= SPAWNS_MAX;
}

static int may_spawn(const Agents *agents, const SpawnOrder *o) {
        if (!agent_name_is_valid(o->name))
                return -EINVAL;
        if (!agents->loaded)
                return -EAGAIN;
        if (map_get_string(&agents->by_name, o->name))
                return -EEXIST;
        if (is_being_made(agents, o->name) || agents->n_agents >= AGENTS_MAX)
                return -EBUSY;
        return 0;
}

int agent_spawn(Host *h, const SpawnOrder *o, agent_spawned_t done, void *userdata) {
        _cleanup_(agent_settings_freep) AgentSettings *settings = NULL;
        _cleanup_free_ char *reason = NULL;
        Agents *agents = h->agents;
        Spawn *s;
        int r, error;

        r = may_spawn(agents, o);
        if (r < 0)
                return r;
        error = read_order(o, &settings, &reason);
        if (error >= 0)
                error = complete(agents, settings);
        if (error < 0 && !reason)
                return error;
        s = spawn_new(agents, settings);
        if (!s)
                return -ENOMEM;
        settings = NULL;
        s->done = done;
        s->userdata = userdata;
        s->error = error;
        s->refusal = TAKE_PTR(reason);
        s->from = o->key;
        s->fund_msat = o->fund_msat;
        s->wish = o->stopped ? AGENT_STOPPED : AGENT_STARTED;
        if (s->refusal || o->key == AGENT_KEY_THERE)
                return 0;
        s->pipe = fcntl(o->pipe, F_DUPFD_CLOEXEC, 3);
        if (s->pipe < 0) {
                r = -errno;
                (void) spawn_free(s);
                return r;
        }
        return 0;
}
