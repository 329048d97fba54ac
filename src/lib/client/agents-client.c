#include "client/agents-client.h"

#include "bus/names.h"
#include "bus/text.h"
#include "client/agents-private.h"

struct AgentsClient {
        BusClient *bus;
        AgentsCall *calls;
};

static const char unreadable[] = "the store's answer could not be read";

/* Calls. */

static void call_unlink(AgentsCall *call) {
        *(call->prev ? &call->prev->next : &call->client->calls) = call->next;
        if (call->next)
                call->next->prev = call->prev;
        if (call->handle)
                *call->handle = NULL;
}

AgentsCall *agents_call_free(AgentsCall *call) {
        if (!call)
                return NULL;

        call_unlink(call);
        call->bus = bus_call_free(call->bus);
        free(call->npub);
        return mfree(call);
}

AgentsCall agents_call_end(AgentsCall *call) {
        AgentsCall copy = *call;

        call_unlink(call);
        free(call);
        return copy;
}

int agents_call_send(AgentsClient *c, sd_bus_message *m, bus_reply_t on_reply,
                const AgentsCall *what, AgentsCall **ret) {
        AgentsCall *call;
        int r;

        call = new0(AgentsCall, 1);
        if (!call)
                return -ENOMEM;
        *call = *what;
        call->client = c;
        call->next = c->calls;
        if (call->next)
                call->next->prev = call;
        c->calls = call;

        r = bus_client_call(c->bus, m, 0, on_reply, call, &call->bus);
        if (r < 0) {
                call->npub = NULL; /* it stays the caller's */
                (void) agents_call_free(call);
                return r;
        }
        call->handle = ret;
        if (ret)
                *ret = call;
        return 0;
}

int agents_message(AgentsClient *c, const char *member, sd_bus_message **ret) {
        return bus_client_message(c->bus, BUS_STORE_AGENTS, member, ret);
}

int agents_put_text(sd_bus_message *m, const char *text) {
        _cleanup_free_ char *owned = NULL;
        const char *fit;
        int r;

        r = bus_text_clean(text ?: "", &owned, &fit);
        return r < 0 ? r : sd_bus_message_append(m, "s", fit);
}

int agents_put_json(sd_bus_message *m, const char *json) {
        _cleanup_free_ char *owned = NULL;
        const char *fit;
        int r;

        r = bus_text_json(json ?: "", &owned, &fit);
        return r < 0 ? r : sd_bus_message_append(m, "s", fit);
}

/* Several, until the NULL behind the last place. */
static int put_texts(sd_bus_message *m, const char *const *texts, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                r = agents_put_text(m, texts[i]);
        return r;
}
#define PUT_TEXTS(m, ...)                                   \
        ({                                                  \
                const char *_texts[] = { __VA_ARGS__ };     \
                put_texts((m), _texts, ELEMENTSOF(_texts)); \
        })

static void on_verdict(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = sd_bus_message_ref(m);
        AgentsCall call = agents_call_end(userdata);
        const char *text = reason ?: "";
        int verdict = error;

        if (error >= 0 && sd_bus_message_read(reply, "is", &verdict, &text) < 0) {
                verdict = -EBADMSG;
                text = unreadable;
        }
        if (call.done.verdict)
                call.done.verdict(verdict, text, call.userdata);
}

/* Ends a function that changes something: r is how the making of the message went. */
static int send_change(AgentsClient *c, int r, sd_bus_message *m, const AgentsCall *what,
                AgentsCall **ret) {
        return r < 0 ? r : agents_call_send(c, m, on_verdict, what, ret);
}
#define VERDICT (&(const AgentsCall){ .done.verdict = done, .userdata = userdata })

/* Agents. */

int agents_add(AgentsClient *c, const AgentRow *row, agents_verdict_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Add", &m);
        if (r >= 0)
                r = PUT_TEXTS(m, row->npub, row->pubkey, row->name, row->lifecycle, row->wish);
        if (r >= 0)
                r = sd_bus_message_append(m, "xxxxx", row->balance_msat, row->cost_msat,
                                row->failures, row->next_tick_at, row->created_at);
        return send_change(c, r, m, VERDICT, ret);
}

int agents_set(AgentsClient *c, const AgentChange *change, agents_verdict_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Set", &m);
        if (r >= 0)
                r = PUT_TEXTS(m, change->npub, change->lifecycle, change->wish);
        if (r >= 0)
                r = sd_bus_message_append(m, "xxxxb", change->balance_msat, change->next_tick_at,
                                change->cost_msat, change->failures, (int) change->lazy);
        return send_change(c, r, m, VERDICT, ret);
}

static int remove_message(AgentsClient *c, const char *npub, sd_bus_message **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Remove", &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

/* A long history goes in parts, so that the store serves others meanwhile. */
static void on_removed(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        AgentsCall *call = userdata;
        const char *text;
        int verdict = 0;

        if (error < 0 || sd_bus_message_read(reply, "is", &verdict, &text) < 0 ||
                        verdict != AGENT_REMOVE_MORE) {
                if (reply)
                        (void) sd_bus_message_rewind(reply, true);
                free(TAKE_PTR(call->npub));
                on_verdict(reply, error, name, reason, call);
                return;
        }
        error = remove_message(call->client, call->npub, &m);
        if (error >= 0)
                error = bus_client_call(call->client->bus, m, 0, on_removed, call, &call->bus);
        if (error < 0) {
                free(TAKE_PTR(call->npub));
                on_verdict(NULL, error, "", "the store cannot be asked", call);
        }
}

int agents_remove(AgentsClient *c, const char *npub, agents_verdict_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *copy = strdup(npub);
        AgentsCall what = { .done.verdict = done, .userdata = userdata, .npub = copy };
        int r;

        if (!copy)
                return -ENOMEM;
        r = remove_message(c, npub, &m);
        if (r >= 0)
                r = agents_call_send(c, m, on_removed, &what, ret);
        if (r >= 0)
                TAKE_PTR(copy); /* the call's */
        return r;
}

/* Observations. */

static int put_observation(sd_bus_message *m, const Observation *o) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "sssssxx");
        if (r >= 0)
                r = PUT_TEXTS(m, o->id, o->what, o->author, o->text, o->event);
        if (r >= 0)
                r = sd_bus_message_append(m, "xx", o->msat, o->at);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int agents_observe(AgentsClient *c, const char *npub, const Observation *list, size_t n,
                agents_verdict_t done, void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Observe", &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sssssxx)");
        for (size_t i = 0; i < n && r >= 0; i++)
                r = put_observation(m, list + i);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return send_change(c, r, m, VERDICT, ret);
}

/* Ticks. */

static void on_began(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = sd_bus_message_ref(m);
        AgentsCall call = agents_call_end(userdata);
        const char *text = reason ?: "";
        int verdict = error;
        int64_t tick = 0;

        if (error >= 0 && sd_bus_message_read(reply, "isx", &verdict, &text, &tick) < 0) {
                verdict = -EBADMSG;
                text = unreadable;
        }
        if (call.done.began)
                call.done.began(verdict, tick, text, call.userdata);
}

int agents_begin_tick(AgentsClient *c, const TickStart *start, agents_began_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "BeginTick", &m);
        if (r >= 0)
                r = PUT_TEXTS(m, start->npub, start->trigger);
        if (r >= 0)
                r = sd_bus_message_append(
                                m, "bxx", (int) start->dry, start->now, start->keep_texts);
        if (r < 0)
                return r;
        return agents_call_send(c, m, on_began,
                        &(AgentsCall){ .done.began = done, .userdata = userdata }, ret);
}

static int put_action(sd_bus_message *m, const TickAction *a) {
        int r;

        r = sd_bus_message_open_container(m, 'r', "ussss");
        if (r >= 0)
                r = sd_bus_message_append(m, "u", a->n);
        if (r >= 0)
                r = agents_put_text(m, a->type);
        if (r >= 0)
                r = agents_put_json(m, a->json);
        if (r >= 0)
                r = PUT_TEXTS(m, a->state, a->reason);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int agents_move_tick(AgentsClient *c, const TickMove *move, agents_verdict_t done, void *userdata,
                AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "MoveTick", &m);
        if (r >= 0)
                r = agents_put_text(m, move->npub);
        if (r >= 0)
                r = sd_bus_message_append(m, "x", move->tick);
        if (r >= 0)
                r = PUT_TEXTS(m, move->state, move->think);
        if (r >= 0)
                r = agents_put_json(m, move->prompt);
        if (r >= 0)
                r = PUT_TEXTS(m, move->answer, move->error);
        if (r >= 0)
                r = sd_bus_message_append(m, "xxxx", move->prompt_tokens, move->completion_tokens,
                                move->cost_msat, move->duration_ms);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ussss)");
        for (size_t i = 0; i < move->n_actions && r >= 0; i++)
                r = put_action(m, move->actions + i);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return send_change(c, r, m, VERDICT, ret);
}

/* Actions. */

static int put_goal(sd_bus_message *m, const AgentGoal *g) {
        int r = PUT_TEXTS(m, g->id, g->text, g->status);

        return r < 0 ? r
                     : sd_bus_message_append(m, "xxx", (int64_t) g->priority, (int64_t) g->progress,
                                       g->at);
}

static int put_effect(sd_bus_message *m, const ActionMove *move) {
        const char *what = move->goal       ? "goal"
                           : move->remember ? "remember"
                           : move->forget   ? "forget"
                                            : "";
        AgentGoal values = { .priority = -1, .progress = -1, .id = move->forget };
        int r;

        if (move->goal)
                values = *move->goal;
        else if (move->remember)
                values = (AgentGoal){ .id = move->remember->id,
                        .text = move->remember->text,
                        .at = move->remember->at };
        r = sd_bus_message_open_container(m, 'r', "ssssxxx");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", what);
        if (r >= 0)
                r = put_goal(m, &values);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int agents_move_action(AgentsClient *c, const ActionMove *move, agents_verdict_t done,
                void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "MoveAction", &m);
        if (r >= 0)
                r = agents_put_text(m, move->npub);
        if (r >= 0)
                r = sd_bus_message_append(m, "xu", move->tick, move->n);
        if (r >= 0)
                r = PUT_TEXTS(m, move->state, move->event_id);
        if (r >= 0)
                r = agents_put_json(m, move->event);
        if (r >= 0)
                r = PUT_TEXTS(m, move->payment, move->reason);
        if (r >= 0)
                r = sd_bus_message_append(m, "x", move->cost_msat);
        if (r >= 0)
                r = put_effect(m, move);
        return send_change(c, r, m, VERDICT, ret);
}

/* Goals, memories. */

int agents_put_goal(AgentsClient *c, const char *npub, const AgentGoal *goal, agents_verdict_t done,
                void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "PutGoal", &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r >= 0)
                r = put_goal(m, goal);
        return send_change(c, r, m, VERDICT, ret);
}

int agents_remember(AgentsClient *c, const char *npub, const AgentMemory *memory,
                agents_verdict_t done, void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Remember", &m);
        if (r >= 0)
                r = PUT_TEXTS(m, npub, memory->id, memory->text);
        if (r >= 0)
                r = sd_bus_message_append(m, "x", memory->at);
        return send_change(c, r, m, VERDICT, ret);
}

int agents_forget(AgentsClient *c, const char *npub, const char *id, agents_verdict_t done,
                void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Forget", &m);
        if (r >= 0)
                r = PUT_TEXTS(m, npub, id);
        return send_change(c, r, m, VERDICT, ret);
}

int agents_import(AgentsClient *c, const char *npub, const char *json, agents_verdict_t done,
                void *userdata, AgentsCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = agents_message(c, "Import", &m);
        if (r >= 0)
                r = agents_put_text(m, npub);
        if (r >= 0)
                r = agents_put_json(m, json);
        return send_change(c, r, m, VERDICT, ret);
}

/* The client. */

int agents_client_new(sd_event *event, const char *socket_path, AgentsClient **ret) {
        _cleanup_(agents_client_freep) AgentsClient *c = NULL;
        int r;

        c = new0(AgentsClient, 1);
        if (!c)
                return -ENOMEM;
        r = bus_client_new(event, socket_path, &c->bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

AgentsClient *agents_client_free(AgentsClient *c) {
        if (!c)
                return NULL;

        while (c->calls)
                (void) agents_call_free(c->calls);
        c->bus = bus_client_free(c->bus);
        return mfree(c);
}

size_t agents_client_n_waiting(const AgentsClient *c) {
        return bus_client_n_waiting(c->bus);
}
