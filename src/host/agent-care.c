/* What an owner does with an agent: each is written down before it is followed. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "agents.h"
#include "basic/log.h"
#include "basic/text.h"
#include "money/bolt11.h"
#include "tick.h"
#include "watch.h"

#define CARES_MAX      256
#define TELL_MAX       (16 * 1024)
#define INVOICE_EXPIRY (24 * 3600)
#define FEE_MIN_MSAT   INT64_C(5000)
#define FEE_PERCENT    1

/* One intention on its way. Whoever wants to know is told in a later turn, in any case. */
struct Care {
        Agents *agents;
        HostAgent *agent; /* NULL: it concerns all, or is over */
        Care *prev, *next;
        agent_done_t done; /* one of these */
        agent_text_t text;
        void *userdata;
        AgentWish wish;
        AgentsCall *writing;
        WalletCall *paying;
        sd_event_source *later;
        int error; /* of later */
        char *reason;
        char id[160];
        size_t n_left; /* of stop_all: agents that have not answered */
};

Care *care_free(Care *c) {
        if (!c)
                return NULL;
        *(c->prev ? &c->prev->next : &c->agents->cares) = c->next;
        if (c->next)
                c->next->prev = c->prev;
        c->writing = agents_call_free(c->writing);
        c->paying = wallet_call_free(c->paying);
        c->later = sd_event_source_disable_unref(c->later);
        free(c->reason);
        return mfree(c);
}

static Care *care_new(Agents *s, HostAgent *a, agent_done_t done, void *userdata) {
        size_t n = 0;
        Care *c;

        for (c = s->cares; c; c = c->next)
                n++;
        c = n < CARES_MAX ? new0(Care, 1) : NULL;
        if (!c)
                return NULL;
        *c = (Care){
                .agents = s, .agent = a, .next = s->cares, .done = done, .userdata = userdata
        };
        if (c->next)
                c->next->prev = c;
        s->cares = c;
        return c;
}

static void care_end(Care *c, int error, const char *reason, const char *text) {
        agent_done_t done = c->done;
        agent_text_t tell = c->text;
        void *userdata = c->userdata;

        /* The reason may be the care's own, so that goes last. */
        c->done = NULL;
        c->text = NULL;
        if (tell)
                tell(error, reason, text, userdata);
        else if (done)
                done(error, reason, userdata);
        (void) care_free(c);
}

static int on_later(_unused_ sd_event_source *source, void *userdata) {
        Care *c = userdata;

        c->later = sd_event_source_disable_unref(c->later);
        care_end(c, c->error, c->reason, "");
        return 0;
}

/* The end is known, and told in the next turn. Takes the reason. */
static int care_later(Care *c, int error, char *reason) {
        int r;

        c->error = error;
        c->reason = reason;
        r = sd_event_add_defer(c->agents->event, &c->later, on_later, c);
        if (r < 0)
                (void) care_free(c);
        return r;
}

static int care_started(Care *c, int r) {
        if (r < 0)
                (void) care_free(c);
        return r;
}

void cares_drop_agent(Agents *s, const HostAgent *a) {
        for (Care *c = s->cares; c;)
                if (c->agent == a) {
                        care_end(c, -ENOENT, "the agent has been deleted", "");
                        c = s->cares; /* whoever was told may have ended others */
                } else
                        c = c->next;
}

/* ---- start, stop, pause */

static void on_wish(int verdict, const char *text, void *userdata) {
        Care *c = userdata;
        HostAgent *a = c->agent;

        if (verdict < 0) {
                care_end(c, verdict, text, "");
                return;
        }
        a->wish = c->wish;
        log_notice("Agent %s is %s.", a->name, agent_wish_name(a->wish));
        host_agent_changed(a, "Wish", "Asleep", NULL);
        if (a->wish == AGENT_STARTED && a->work->grant == GRANT_UNKNOWN && agent_set_grant(a) < 0)
                log_warning("The limits of agent %s are set before it wakes.", a->name);
        agent_consider(a);
        care_end(c, 0, NULL, "");
}

static void on_revoked(int error, const char *reason, void *userdata) {
        HostAgent *a = userdata;

        if (error < 0 && error != -ENOENT)
                log_warning("What agent %s may spend could not be revoked: %s.", a->name, reason);
}

/* At once, and not when the wish is on disk: who stops an agent wants it to stop. */
static void end_doing(HostAgent *a) {
        AgentWork *w = a->work;

        w->granting = wallet_call_free(w->granting);
        w->grant = GRANT_UNKNOWN;
        if (a->tick)
                tick_stop(a->tick, "its owner stopped it");
        if (wallet_revoke_grant(a->host->agents->wallet, a->key, on_revoked, a, &w->granting) < 0)
                log_warning("What agent %s may spend could not be revoked.", a->name);
        a->wish = AGENT_STOPPED;
        agent_consider(a);
}

int agent_set_wish(HostAgent *a, AgentWish wish, agent_done_t done, void *userdata) {
        AgentChange change = { a->npub, NULL, agent_wish_name(wish), -1, -1, -1, -1, false };
        Agents *s = a->host->agents;
        Care *c;
        int r;

        if (a->work->going)
                return -EBUSY;
        c = care_new(s, a, done, userdata);
        if (!c)
                return -ENOBUFS;
        c->wish = wish;
        if (wish == AGENT_STOPPED)
                end_doing(a);
        r = agents_set(s->store, &change, on_wish, c, &c->writing);
        return care_started(c, r);
}

/* Each agent's own care is told of by this; the last one ends the whole. */
static void on_one_stopped(int error, const char *reason, void *userdata) {
        Care *all = userdata;

        if (error < 0 && all->error >= 0) {
                all->error = error;
                all->reason = strdup(reason);
        }
        if (--all->n_left == 0)
                care_end(all, all->error, all->reason, "");
}

static int stop_one(HostAgent *a, Care *all) {
        AgentChange change = { a->npub, NULL, agent_wish_name(AGENT_STOPPED), -1, -1, -1, -1,
                false };
        Care *c = new0(Care, 1); /* not one of those that are counted */

        if (!c)
                return -ENOMEM;
        *c = (Care){ .agents = all->agents,
                .agent = a,
                .next = all->agents->cares,
                .done = on_one_stopped,
                .userdata = all,
                .wish = AGENT_STOPPED };
        if (c->next)
                c->next->prev = c;
        all->agents->cares = c;
        end_doing(a);
        return care_started(c, agents_set(all->agents->store, &change, on_wish, c, &c->writing));
}

int agent_stop_all(Host *h, agent_done_t done, void *userdata) {
        Agents *s = h->agents;
        Care *all = care_new(s, NULL, done, userdata);

        if (!all)
                return -ENOBUFS;
        for (size_t i = 0; i < s->n_agents; i++) {
                int r = stop_one(s->list[i], all);

                if (r >= 0)
                        all->n_left++;
                else if (all->error >= 0) {
                        all->error = r;
                        all->reason = strdup("the store cannot be asked");
                }
        }
        return all->n_left > 0 ? 0 : care_later(all, all->error, TAKE_PTR(all->reason));
}

/* ---- telling */

static void on_told(int verdict, const char *text, void *userdata) {
        Care *c = userdata;
        HostAgent *a = c->agent;

        if (verdict >= 0)
                host_agent_wake(a, "tell");
        care_end(c, MIN(verdict, 0), verdict < 0 ? text : NULL, "");
}

int agent_tell(HostAgent *a, const char *text, agent_done_t done, void *userdata) {
        Agents *s = a->host->agents;
        uint8_t random[8];
        char hex[2 * sizeof(random) + 1];
        Care *c;
        int r;

        if (isempty(text) || strlen(text) > TELL_MAX || !utf8_is_valid(text, strlen(text)))
                return -EINVAL;
        if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
                return -errno;
        hex_encode(random, sizeof(random), hex);
        c = care_new(s, a, done, userdata);
        if (!c)
                return -ENOBUFS;
        (void) snprintf(c->id, sizeof(c->id), "tell:%s", hex);
        r = agents_observe(s->store, a->npub,
                        &(Observation){ .id = c->id,
                                        .what = "tell",
                                        .author = "owner",
                                        .text = text,
                                        .event = "",
                                        .at = agents_now(s) },
                        1, on_told, c, &c->writing);
        return care_started(c, r);
}

/* ---- money */

static void on_invoice(
                int error, const char *reason, const WalletInvoice *invoice, void *userdata) {
        care_end(userdata, error, reason, error < 0 ? "" : invoice->bolt11);
}

/* Whoever hears that it has the money finds it awake. */
static void on_counted(int error, _unused_ const char *reason, const WalletAccount *accounts,
                size_t n, void *userdata) {
        Care *c = userdata;

        for (size_t i = 0; error >= 0 && i < n; i++)
                agents_take_balance(c->agents, accounts + i);
        care_end(c, 0, NULL, ""); /* what the wallet did not say now, its signals say later */
}

static void on_transferred(int error, const char *reason, void *userdata) {
        Care *c = userdata;
        const char *names[] = { c->agent->key };

        agents_ask_balance(c->agents, c->agent->key);
        if (error < 0 || wallet_accounts(c->agents->wallet, names, ELEMENTSOF(names), on_counted, c,
                                         &c->paying) < 0)
                care_end(c, error, reason, "");
}

static int name_payment(Care *c, const char *what) {
        uint8_t random[8];
        char hex[2 * sizeof(random) + 1];

        if (getrandom(random, sizeof(random), 0) != (ssize_t) sizeof(random))
                return -errno;
        hex_encode(random, sizeof(random), hex);
        (void) snprintf(c->id, sizeof(c->id), "%s/%s/%s", c->agent->key, what, hex);
        return 0;
}

int agent_fund(HostAgent *a, int64_t msat, const char *how, agent_text_t done, void *userdata) {
        bool inside = streq(how, "owner") || streq(how, "provider");
        Agents *s = a->host->agents;
        char text[64];
        Care *c;
        int r;

        if (msat < 0 || (!streq(how, "invoice") && (!inside || msat == 0)))
                return -EINVAL;
        c = care_new(s, a, NULL, userdata);
        if (!c)
                return -ENOBUFS;
        c->text = done;
        (void) snprintf(text, sizeof(text), "For agent %s", a->name);
        r = name_payment(c, "fund");
        if (r >= 0 && inside)
                r = wallet_transfer(s->wallet, &(WalletTransfer){ c->id, how, a->key, text, msat },
                                on_transferred, c, &c->paying);
        else if (r >= 0)
                r = wallet_fill(s->wallet, &(WalletFill){ a->key, msat, text, INVOICE_EXPIRY },
                                on_invoice, c, &c->paying);
        return care_started(c, r);
}

static bool has_amount(const char *destination) {
        _cleanup_bolt11_ Bolt11 invoice = { 0 };
        const char *reason;

        return bolt11_decode(destination, &invoice, &reason) >= 0 && invoice.amount_msat > 0;
}

/* At most so much, fee included; an invoice with an amount has said what it wants. */
int agent_pay_out(HostAgent *a, const char *id, const char *destination, int64_t msat,
                wallet_paid_done_t done, void *userdata, WalletCall **ret) {
        int64_t fee = MAX(FEE_MIN_MSAT, msat / 100 * FEE_PERCENT), amount = msat - fee;

        amount -= amount % 1000; /* most take whole sats only */
        if (has_amount(destination))
                amount = 0;
        else if (amount <= 0)
                return -EDQUOT;
        return wallet_pay(a->host->agents->wallet,
                        &(WalletPay){ .id = id,
                                        .account = a->key,
                                        .destination = destination,
                                        .amount_msat = amount,
                                        .fee_max_msat = fee,
                                        .purpose = "withdraw" },
                        done, userdata, ret);
}

static void on_paid(int error, const char *reason, const WalletPaid *paid, void *userdata) {
        Care *c = userdata;

        agents_ask_balance(c->agents, c->agent->key);
        if (error >= 0 && streq(paid->state, "failed")) {
                error = -EREMOTEIO;
                reason = *paid->reason ? paid->reason : "it could not be paid";
        } else if (error >= 0 && !streq(paid->state, "settled")) {
                error = -EINPROGRESS;
                reason = "it is on the way; the wallet goes on by itself";
        }
        care_end(c, error, reason, "");
}

int agent_withdraw(HostAgent *a, const char *destination, int64_t msat, agent_done_t done,
                void *userdata) {
        Agents *s = a->host->agents;
        bool inside = streq(destination, "owner");
        Care *c;
        int r;

        if (isempty(destination) || msat < 0)
                return -EINVAL;
        if (msat == 0)
                msat = a->balance_msat;
        if (msat <= 0)
                return -EDQUOT;
        c = care_new(s, a, done, userdata);
        if (!c)
                return -ENOBUFS;
        r = name_payment(c, "withdraw");
        if (r >= 0 && inside)
                r = wallet_transfer(s->wallet,
                                &(WalletTransfer){ c->id, a->key, "owner",
                                                "Withdrawn from an agent", msat },
                                on_transferred, c, &c->paying);
        else if (r >= 0)
                r = agent_pay_out(a, c->id, destination, msat, on_paid, c, &c->paying);
        return care_started(c, r);
}

/* ---- settings */

void agent_settings_changed(HostAgent *a) {
        Agents *s = a->host->agents;

        a->work->grant = GRANT_UNKNOWN;
        a->work->zap_asked_at = 0; /* its address may be another */
        *a->work->zap_server = '\0';
        if (a->wish != AGENT_STOPPED && s->resumed && agent_set_grant(a) < 0)
                log_warning("The new limits of agent %s are set before it wakes.", a->name);
        host_agent_changed(a, "About", "Heartbeat", "Triggers", "Relays", "Autonomy", "Mind",
                        "Runway", NULL);
        watch_changed(s->watch);
        agent_publish_profile(a);
        agent_evaluate(a);
        agent_consider(a);
}

/* On disk first; then in force. */
static int settings_take(HostAgent *a, AgentSettings **settings) {
        int r;

        r = registry_write(a->host->agents->folder, *settings);
        if (r >= 0)
                r = agent_take_settings(a, *settings);
        if (r < 0)
                return r;
        *settings = NULL;
        agent_settings_changed(a);
        return 0;
}

static int settings_end(HostAgent *a, AgentSettings *settings, int error, char *reason,
                agent_done_t done, void *userdata) {
        _cleanup_(agent_settings_freep) AgentSettings *owned = settings;
        _cleanup_free_ char *words = reason;
        Care *c;

        c = care_new(a->host->agents, a, done, userdata);
        if (!c)
                return -ENOBUFS;
        if (error >= 0) {
                error = settings_take(a, &owned);
                if (error < 0 && asprintf(&words, "the file could not be written: %s",
                                                 strerror(-error)) < 0)
                        words = NULL;
        }
        if (error < 0 && !words)
                words = strdup(strerror(-error));
        return care_later(c, MIN(error, 0), TAKE_PTR(words));
}

int agent_edit(HostAgent *a, const AgentEdit *edits, size_t n, agent_done_t done, void *userdata) {
        _cleanup_(agent_settings_freep) AgentSettings *settings = NULL;
        _cleanup_free_ char *reason = NULL;
        int r;

        r = agent_settings_copy(a->settings, &settings);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = agent_settings_edit(settings, edits + i, &reason);
        return settings_end(a, TAKE_PTR(settings), r, TAKE_PTR(reason), done, userdata);
}

static void keep_first_error(const ConfigRemark *r, void *userdata) {
        char **reason = userdata;

        if (r->severity == CONFIG_ERROR && !*reason &&
                        asprintf(reason, "%u:%u: %s", r->line, r->column, r->text) < 0)
                *reason = NULL;
}

/* Name and key stay what they are. */
int agent_replace_settings(HostAgent *a, const char *toml, agent_done_t done, void *userdata) {
        _cleanup_(agent_settings_freep) AgentSettings *settings = NULL;
        _cleanup_(secret_freep) Secret *mnemonic = NULL;
        _cleanup_free_ char *reason = NULL;
        int r;

        r = agent_settings_parse(
                        toml, strlen(toml), keep_first_error, &reason, &settings, &mnemonic);
        if (r >= 0 && mnemonic) {
                reason = strdup("words have no place in settings");
                r = -EINVAL;
        }
        if (r >= 0 && (!streq(settings->name, a->name) ||
                                      (*settings->npub && !streq(settings->npub, a->npub)))) {
                reason = strdup("its name and its npub cannot be changed");
                r = -EPERM;
        }
        if (r >= 0) {
                free(settings->npub);
                settings->npub = strdup(a->npub);
                settings->created_at = a->settings->created_at;
                r = settings->npub ? 0 : -ENOMEM;
        }
        return settings_end(a, TAKE_PTR(settings), r, TAKE_PTR(reason), done, userdata);
}

int agent_write_settings(const HostAgent *a, Buffer *b) {
        return agent_settings_write(a->settings, true, b);
}
