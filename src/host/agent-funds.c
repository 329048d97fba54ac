/* What agents have: told by the wallet whenever it changes, never asked for by the clock; and how
 * they are by it. */
#include <inttypes.h>

#include "agents.h"
#include "basic/json.h"
#include "basic/log.h"
#include "basic/text.h"
#include "letter.h"
#include "lifecycle.h"

#define GATHER       (20 * MSEC) /* changes come in flocks */
#define ACCOUNTS_MAX 500         /* in one question */
#define RETRY        (5 * SEC)
#define RETRY_MAX    6 /* doublings */

static LifecycleView view_of(const HostAgent *a) {
        return (LifecycleView){
                .balance_msat = MAX(a->balance_msat, INT64_C(0)),
                .cost_msat = a->cost_msat,
                .heartbeat = (int64_t) (a->settings->heartbeat / SEC),
                .hibernate_msat = a->settings->hibernate_msat,
                .low_days = a->settings->low_balance_days,
        };
}

int64_t host_agent_runway(const HostAgent *a) {
        LifecycleView v = view_of(a);

        return lifecycle_runway(&v);
}

/* ---- what is on disk */

static void on_saved(int verdict, const char *text, void *userdata) {
        HostAgent *a = userdata;

        if (verdict < 0)
                log_warning("How agent %s is could not be written down: %s.", a->name, text);
}

void agent_save(HostAgent *a) {
        AgentChange c = {
                .npub = a->npub,
                .lifecycle = agent_lifecycle_name(a->lifecycle),
                .balance_msat = a->balance_msat,
                .next_tick_at = a->next_tick_at,
                .cost_msat = a->cost_msat,
                .failures = a->failures,
                .lazy = true,
        };

        a->work->saving = agents_call_free(a->work->saving); /* what was asked still happens */
        if (agents_set(a->host->agents->store, &c, on_saved, a, &a->work->saving) < 0)
                log_warning("How agent %s is could not be written down.", a->name);
}

/* ---- lifecycle */

static void tell_change(HostAgent *a, AgentLifecycle from) {
        static const char *const words[_AGENT_LIFECYCLE_MAX] = {
                [AGENT_SPAWNING] = "is not funded yet",
                [AGENT_ACTIVE] = "is active",
                [AGENT_LOW_BALANCE] = "has little money left",
                [AGENT_HIBERNATING] = "hibernates: it has too little money to wake",
                [AGENT_DORMANT] = "is dormant: it has no money",
        };
        char text[256];

        log_event(a->lifecycle == AGENT_ACTIVE ? LOG_NOTICE : LOG_WARNING, LOG_ID_AGENT_CHANGED,
                        LOG_FIELDS("PYLON_AGENT", a->name, "PYLON_STATE",
                                        agent_lifecycle_name(a->lifecycle)),
                        "Agent %s %s (%" PRIi64 " sats).", a->name, words[a->lifecycle],
                        MAX(a->balance_msat, INT64_C(0)) / 1000);
        host_agent_changed(a, "State", "Asleep", NULL);
        if (from == AGENT_SPAWNING && a->lifecycle == AGENT_ACTIVE)
                return; /* its owner has just seen to that */
        (void) snprintf(text, sizeof(text), "Your agent %s %s. It has %" PRIi64 " sats.", a->name,
                        words[a->lifecycle], MAX(a->balance_msat, INT64_C(0)) / 1000);
        letter_to_owner(a, text);
}

static void on_state_saved(int verdict, const char *text, void *userdata) {
        on_saved(verdict, text, userdata);
}

static void save_state(HostAgent *a) {
        AgentChange c = { a->npub, agent_lifecycle_name(a->lifecycle), NULL, a->balance_msat,
                a->next_tick_at, a->cost_msat, a->failures, false };

        a->work->saving = agents_call_free(a->work->saving);
        if (agents_set(a->host->agents->store, &c, on_state_saved, a, &a->work->saving) < 0)
                log_warning("How agent %s is could not be written down.", a->name);
}

void agent_evaluate(HostAgent *a) {
        LifecycleView v = view_of(a);
        AgentLifecycle from = a->lifecycle;

        /* What the wallet has not said yet is not nothing. */
        if (!a->work->funded && v.hibernate_msat > 0)
                return;
        a->lifecycle = lifecycle_next(from, &v);
        if (a->lifecycle == from)
                return;
        save_state(a);
        tell_change(a, from);
        if (!lifecycle_may_tick(from) && lifecycle_may_tick(a->lifecycle))
                host_agent_wake(a, "deposit");
        else
                agent_consider(a);
}

/* ---- balances */

static int ask_dirty(Agents *s);

static int on_gathered(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Agents *s = userdata;

        s->balances_timer = sd_event_source_disable_unref(s->balances_timer);
        return ask_dirty(s);
}

static void gather(Agents *s, usec_t usec) {
        if (s->balances_timer || s->balances)
                return;
        if (sd_event_add_time_relative(s->event, &s->balances_timer, CLOCK_BOOTTIME, usec, usec / 4,
                            on_gathered, s) < 0)
                log_error("No timer is left; what agents have is not known.");
}

void agents_take_balance(Agents *s, const WalletAccount *account) {
        const char *name = startswith(account->account, "agent:");
        HostAgent *a = name ? map_get_string(&s->by_name, name) : NULL;
        int64_t msat = account->balance_msat - account->reserved_msat;

        if (!a)
                return;
        a->work->funded = true;
        if (msat != a->balance_msat) {
                a->balance_msat = msat;
                agent_save(a);
                host_agent_changed(a, "Balance", "Runway", NULL);
        }
        agent_evaluate(a);
}

static void on_balances(int error, const char *reason, const WalletAccount *accounts, size_t n,
                void *userdata) {
        Agents *s = userdata;

        if (error < 0) {
                log_warning("The wallet could not say what agents have: %s.", reason);
                agents_ask_balance(s, NULL);
                gather(s, RETRY << MIN(s->balances_failed++, (unsigned) RETRY_MAX));
                return;
        }
        s->balances_failed = 0;
        for (size_t i = 0; i < n; i++)
                agents_take_balance(s, accounts + i);
        if (s->dirty)
                gather(s, GATHER);
}

static int ask_dirty(Agents *s) {
        const char *names[ACCOUNTS_MAX];
        _cleanup_strv_ char **dirty = TAKE_PTR(s->dirty);
        size_t n = 0;
        int r;

        STRV_FOREACH (name, dirty) {
                if (n < ACCOUNTS_MAX)
                        names[n++] = *name;
                else if (strv_add(&s->dirty, *name) < 0)
                        log_warning("There is no memory to ask for all balances.");
        }
        if (n == 0)
                return 0;
        r = wallet_accounts(s->wallet, names, n, on_balances, s, &s->balances);
        if (r < 0)
                (void) log_warning_errno(r, "The wallet cannot be asked what agents have: %m");
        return 0;
}

void agents_ask_balance(Agents *s, const char *account) {
        for (size_t i = 0; !account && i < s->n_agents; i++)
                if (strv_add(&s->dirty, s->list[i]->key) < 0)
                        return;
        if (account && !strv_contains(s->dirty, account) && strv_add(&s->dirty, account) < 0)
                return;
        gather(s, GATHER);
}

/* ---- what the wallet tells */

static void ask_agent(Agents *s, const char *account) {
        const char *name = startswith(account, "agent:");

        if (name && map_get_string(&s->by_name, name))
                agents_ask_balance(s, account);
}

static void on_settled(_unused_ const char *hash, const char *account, _unused_ int64_t msat,
                void *userdata) {
        ask_agent(userdata, account);
}

/* Payments of agents have ids "agent:NAME/…". */
static void on_payment(const char *id, _unused_ const char *state, void *userdata) {
        _cleanup_free_ char *account = strndup(id, strcspn(id, "/"));

        if (account)
                ask_agent(userdata, account);
}

static void on_transfer(_unused_ const char *id, const char *from, const char *to,
                _unused_ int64_t msat, void *userdata) {
        ask_agent(userdata, from);
        ask_agent(userdata, to);
}

static void on_returned(void *userdata) {
        agents_ask_balance(userdata, NULL);
}

static const WalletHandler wallet_handler = {
        .returned = on_returned,
        .invoice_settled = on_settled,
        .payment_changed = on_payment,
        .transferred = on_transfer,
};

int agents_funds_start(Agents *s) {
        _cleanup_free_ char *socket = NULL;
        int r;

        r = service_socket(s->host->service, "wallet", &socket);
        return r < 0 ? r : wallet_client_new(s->event, socket, &wallet_handler, s, &s->wallet);
}

/* ---- limits */

static int add_limit(Buffer *b, const char *name, int64_t msat) {
        if (msat < 0)
                return 0;
        return buffer_addf(b, "%s\"%s\":%" PRIi64, b->size > 1 ? "," : "", name, msat);
}

/* Whom it pays and what waits for its owner is decided here, by its actions (policy.c): what it
 * buys its thinking with is a payment, too. */
int agent_grant_json(const AgentSettings *s, Buffer *b) {
        int r;

        r = buffer_add_string(b, "{");
        if (r >= 0)
                r = add_limit(b, "per_payment_msat", s->payment_max_msat);
        if (r >= 0)
                r = add_limit(b, "per_tick_msat", s->tick_max_msat);
        if (r >= 0)
                r = add_limit(b, "per_hour_msat", s->hour_max_msat);
        if (r >= 0)
                r = add_limit(b, "per_day_msat", s->day_max_msat);
        if (r >= 0)
                r = add_limit(b, "fee_max_msat", s->fee_max_msat);
        return r < 0 ? r : buffer_add_string(b, "}");
}
