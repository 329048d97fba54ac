/* Farewell: an agent is deleted, as a flow. While money is left it is not, unless somebody says
 * where that goes; from the renamed file on there is no way back, and the next start goes on. The
 * key stays in the signer. */
#include <inttypes.h>
#include <stdio.h>

#include "agents.h"
#include "basic/fault.h"
#include "basic/flow.h"
#include "basic/log.h"
#include "basic/text.h"
#include "money/msat.h"
#include "tick.h"
#include "watch.h"

#define SWEEP_USEC (2 * MIN_)
#define ROUNDS_MAX 3 /* a sweep leaves the fee that it did not need */

typedef enum FarewellState {
        FAREWELL_STOPPING, /* the wish is on disk: it does nothing any more */
        FAREWELL_REVOKING, /* nor may it spend */
        FAREWELL_COUNTING, /* what is left, and what is open */
        FAREWELL_SWEEPING,
        FAREWELL_FILING,   /* its file is renamed: it is gone */
        FAREWELL_REMOVING, /* its rows */
        FAREWELL_DONE,
        FAREWELL_FAILED,
        _FAREWELL_STATE_MAX,
} FarewellState;

struct Farewell {
        Flow flow;
        Agents *agents;
        Farewell *prev, *next;
        HostAgent *agent; /* NULL: a crash came in between, and it does not live any more */
        char npub[NPUB_SIZE];
        char *sweep_to;
        unsigned n_rounds;
        int64_t left_msat;
        char reason[160];
        agent_done_t done;
        void *userdata;
        sd_event_source *launch;
        AgentsCall *writing;
        WalletCall *paying;
        char payment[128];
};

static Step farewell_stop(Flow *f);
static Step farewell_revoke(Flow *f);
static Step farewell_count(Flow *f);
static Step farewell_sweep(Flow *f);
static Step farewell_file(Flow *f);
static Step farewell_remove(Flow *f);
static void farewell_over(Flow *f);

/* clang-format off */
static const FlowState farewell_states[_FAREWELL_STATE_MAX] = {
        /*                      name        enter            deadline    late             fails            next                                           durable */
        [FAREWELL_STOPPING] = { "stopping", farewell_stop,   MIN_,       FAREWELL_FAILED, FAREWELL_FAILED, B(FAREWELL_REVOKING),                          false },
        [FAREWELL_REVOKING] = { "revoking", farewell_revoke, MIN_,       FAREWELL_FAILED, FAREWELL_FAILED, B(FAREWELL_COUNTING),                          false },
        [FAREWELL_COUNTING] = { "counting", farewell_count,  MIN_,       FAREWELL_FAILED, FAREWELL_FAILED, B(FAREWELL_SWEEPING) | B(FAREWELL_FILING),     false },
        [FAREWELL_SWEEPING] = { "sweeping", farewell_sweep,  SWEEP_USEC, FAREWELL_FAILED, FAREWELL_FAILED, B(FAREWELL_COUNTING),                          false },
        [FAREWELL_FILING]   = { "filing",   farewell_file,   0,          0,               FAREWELL_FAILED, B(FAREWELL_REMOVING),                          false },
        [FAREWELL_REMOVING] = { "removing", farewell_remove, 10 * MIN_,  FAREWELL_FAILED, FAREWELL_FAILED, B(FAREWELL_DONE),                              false },
        [FAREWELL_DONE]     = { "done",     .final = true },
        [FAREWELL_FAILED]   = { "failed",   .final = true },
};
/* clang-format on */

static const FlowTable farewell_table = {
        .name = "farewell",
        .states = farewell_states,
        .n_states = _FAREWELL_STATE_MAX,
        .done = farewell_over,
};

static Farewell *flow_farewell(Flow *f) {
        return container_of(f, Farewell, flow);
}

static Step farewell_next(Farewell *w, FarewellState next) {
        char name[48];
        int r;

        (void) snprintf(name, sizeof(name), "farewell.%s.after", flow_state_name(&w->flow));
        r = fault(name);
        return r < 0 ? flow_fail(&w->flow, r, "a fault was asked for") : flow_go((int) next);
}

/* ---- it does nothing any more */

static void on_stopped(int verdict, const char *text, void *userdata) {
        Farewell *w = userdata;
        Flow *f = &w->flow;

        if (verdict >= 0) {
                w->agent->wish = AGENT_STOPPED;
                host_agent_changed(w->agent, "Wish", "Asleep", NULL);
        }
        flow_drive(f, verdict < 0 ? flow_fail(f, verdict, text)
                                  : farewell_next(w, FAREWELL_REVOKING));
}

static Step farewell_stop(Flow *f) {
        Farewell *w = flow_farewell(f);
        HostAgent *a = w->agent;
        AgentChange c = { a->npub, NULL, agent_wish_name(AGENT_STOPPED), -1, -1, -1, -1, false };
        int r;

        a->work->going = true;
        if (a->tick)
                tick_stop(a->tick, "its agent is being deleted");
        agent_consider(a);
        r = agents_set(w->agents->store, &c, on_stopped, w, &w->writing);
        return r < 0 ? flow_fail(f, r, "the store cannot be asked") : flow_wait();
}

static void on_revoked(int error, const char *reason, void *userdata) {
        Farewell *w = userdata;
        Flow *f = &w->flow;

        if (error >= 0 || error == -ENOENT)
                w->agent->work->grant = GRANT_UNKNOWN;
        flow_drive(f, error < 0 && error != -ENOENT ? flow_fail(f, error, reason)
                                                    : farewell_next(w, FAREWELL_COUNTING));
}

static Step farewell_revoke(Flow *f) {
        Farewell *w = flow_farewell(f);
        int r;

        r = wallet_revoke_grant(w->agents->wallet, w->agent->key, on_revoked, w, &w->paying);
        return r < 0 ? flow_fail(f, r, "the wallet cannot be asked") : flow_wait();
}

/* ---- its money */

static Step money_is_left(Farewell *w) {
        (void) snprintf(w->reason, sizeof(w->reason),
                        "it has %" PRIi64 " sats left, and nobody said where they go",
                        w->left_msat / 1000);
        return flow_fail(&w->flow, -EDQUOT, w->reason);
}

static void on_counted(int error, const char *reason, const WalletAccount *accounts, size_t n,
                void *userdata) {
        Farewell *w = userdata;
        Flow *f = &w->flow;
        Step step;

        if (error >= 0 && n == 1)
                w->left_msat = accounts->balance_msat - accounts->reserved_msat;
        if (error < 0 || n != 1)
                step = flow_fail(f, MIN(error, -EIO), reason ?: "the wallet gave no balance");
        else if (w->agent->tick)
                step = flow_fail(f, -EBUSY, "it is awake and has to end first; try again soon");
        else if (accounts->reserved_msat > 0)
                step = flow_fail(f, -EBUSY, "a payment of it is under way");
        else if (w->left_msat <= 0)
                step = farewell_next(w, FAREWELL_FILING);
        else if (isempty(w->sweep_to))
                step = money_is_left(w);
        else if (++w->n_rounds > ROUNDS_MAX)
                step = flow_fail(f, -EDQUOT, "not all of its money could be sent");
        else
                step = farewell_next(w, FAREWELL_SWEEPING);
        flow_drive(f, step);
}

static Step farewell_count(Flow *f) {
        Farewell *w = flow_farewell(f);
        const char *names[] = { w->agent->key };
        int r;

        r = wallet_accounts(w->agents->wallet, names, 1, on_counted, w, &w->paying);
        return r < 0 ? flow_fail(f, r, "the wallet cannot be asked") : flow_wait();
}

static void on_swept_inside(int error, const char *reason, void *userdata) {
        Farewell *w = userdata;
        Flow *f = &w->flow;

        flow_drive(f, error < 0 ? flow_fail(f, error, reason)
                                : farewell_next(w, FAREWELL_COUNTING));
}

static void on_swept(int error, const char *reason, const WalletPaid *paid, void *userdata) {
        Farewell *w = userdata;
        Flow *f = &w->flow;
        Step step;

        if (error < 0)
                step = flow_fail(f, error, reason);
        else if (streq(paid->state, "settled"))
                step = farewell_next(w, FAREWELL_COUNTING);
        else if (streq(paid->state, "failed"))
                step = flow_fail(f, -EREMOTEIO,
                                *paid->reason ? paid->reason : "its money could not be sent");
        else
                step = flow_fail(f, -EBUSY,
                                "its money is on the way; try again when it has arrived");
        flow_drive(f, step);
}

/* A payment is named by what is left, so that asking again pays nothing again. What a fee has not
 * needed is too little to be sent: that goes to the owner. */
static Step farewell_sweep(Flow *f) {
        Farewell *w = flow_farewell(f);
        HostAgent *a = w->agent;
        bool inside = streq(w->sweep_to, "owner") || w->n_rounds > 1;
        int r;

        (void) snprintf(w->payment, sizeof(w->payment), "%s/sweep/%" PRIi64 "/%" PRIi64, a->key,
                        a->created_at, w->left_msat);
        if (inside)
                r = wallet_transfer(w->agents->wallet,
                                &(WalletTransfer){ w->payment, a->key, "owner",
                                                "What a deleted agent had left", w->left_msat },
                                on_swept_inside, w, &w->paying);
        else
                r = agent_pay_out(
                                a, w->payment, w->sweep_to, w->left_msat, on_swept, w, &w->paying);
        return r < 0 ? flow_fail(f, r, "its money cannot be sent there") : flow_wait();
}

/* ---- it is gone */

static Step farewell_file(Flow *f) {
        Farewell *w = flow_farewell(f);
        int r;

        r = registry_note_delete(w->agents->folder, w->npub);
        if (r < 0)
                return flow_fail(f, r, "its file cannot be removed");
        log_event(LOG_NOTICE, LOG_ID_AGENT_DELETED, LOG_FIELDS("PYLON_AGENT", w->agent->name),
                        "Agent %s has been deleted (%s). Its key stays in the signer.",
                        w->agent->name, w->npub);
        agents_drop_one(w->agents, TAKE_PTR(w->agent));
        watch_changed(w->agents->watch);
        return farewell_next(w, FAREWELL_REMOVING);
}

static void on_removed(int verdict, const char *text, void *userdata) {
        Farewell *w = userdata;
        Flow *f = &w->flow;
        int r = verdict;

        if (r >= 0) {
                r = registry_forget_delete(w->agents->folder, w->npub);
                text = "its file cannot be removed";
        }
        flow_drive(f, r < 0 ? flow_fail(f, r, text) : farewell_next(w, FAREWELL_DONE));
}

static Step farewell_remove(Flow *f) {
        Farewell *w = flow_farewell(f);
        int r;

        r = agents_remove(w->agents->store, w->npub, on_removed, w, &w->writing);
        return r < 0 ? flow_fail(f, r, "the store cannot be asked") : flow_wait();
}

/* ---- the end */

static void farewell_over(Flow *f) {
        Farewell *w = flow_farewell(f);
        bool good = f->state == FAREWELL_DONE;

        if (w->agent) { /* it stays, stopped */
                w->agent->work->going = false;
                host_agent_changed(w->agent, "Asleep", NULL);
        } else if (!good)
                log_warning("What is left of a deleted agent goes at the next start: %s.",
                                f->reason);
        if (w->done) /* without an agent it is deleted, whatever is left of it */
                w->done(w->agent ? MIN(f->error, -1) : 0, w->agent ? f->reason : NULL, w->userdata);
        (void) farewell_free(w);
}

Farewell *farewell_free(Farewell *w) {
        if (!w)
                return NULL;
        *(w->prev ? &w->prev->next : &w->agents->farewells) = w->next;
        if (w->next)
                w->next->prev = w->prev;
        flow_stop(&w->flow);
        w->launch = sd_event_source_disable_unref(w->launch);
        w->writing = agents_call_free(w->writing);
        w->paying = wallet_call_free(w->paying);
        free(w->sweep_to);
        return mfree(w);
}

static int on_launch(_unused_ sd_event_source *source, void *userdata) {
        Farewell *w = userdata;
        int r;

        w->launch = sd_event_source_disable_unref(w->launch);
        r = flow_start(&w->flow, &farewell_table, w->agents->event,
                        w->agent ? FAREWELL_STOPPING : FAREWELL_REMOVING);
        assert(r >= 0);
        return 0;
}

static int farewell_new(Agents *agents, const char *npub, Farewell **ret) {
        Farewell *w = new0(Farewell, 1);

        if (!w)
                return -ENOMEM;
        *w = (Farewell){ .agents = agents, .next = agents->farewells };
        if (w->next)
                w->next->prev = w;
        agents->farewells = w;
        (void) snprintf(w->npub, sizeof(w->npub), "%s", npub);
        if (sd_event_add_defer(agents->event, &w->launch, on_launch, w) < 0) {
                (void) farewell_free(w);
                return -ENOMEM;
        }
        *ret = w;
        return 0;
}

int farewell_resume(Agents *agents, const char *npub) {
        Farewell *w;

        return farewell_new(agents, npub, &w);
}

int agent_delete(HostAgent *a, const char *sweep_to, agent_done_t done, void *userdata) {
        Farewell *w;
        int r;

        if (a->work->going)
                return -EBUSY;
        r = farewell_new(a->host->agents, a->npub, &w);
        if (r < 0)
                return r;
        w->agent = a;
        w->sweep_to = strdup(sweep_to ?: "");
        if (!w->sweep_to) {
                (void) farewell_free(w);
                return -ENOMEM;
        }
        a->work->going = true;
        w->done = done;
        w->userdata = userdata;
        return 0;
}
