#include "host-world.h"

#include <stdarg.h>
#include <sys/socket.h>
#include <systemd/sd-id128.h>

#include "bus/names.h"

World *world;
unsigned world_inside;

static void inside_end(_unused_ int *inside) {
        world_inside--;
}
#define INSIDE()                                        \
        _cleanup_(inside_end) _unused_ int inside_ = 0; \
        world_inside++
/* Back in the code under test, whatever the box was doing. */
#define BACK(call)                                     \
        do {                                           \
                unsigned was_ = TAKE(world_inside, 0); \
                                                       \
                call;                                  \
                world_inside = was_;                   \
        } while (false)

void world_trail(const char *format, ...) {
        size_t n = strlen(world->trail);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(world->trail + n, TRAIL_MAX - n, format, ap);
        va_end(ap);
}

static char *keep(const char *s) {
        INSIDE();
        char *copy = strdup(s ?: "");

        assert_non_null(copy);
        assert_true(world->n_kept < ELEMENTSOF(world->kept));
        return world->kept[world->n_kept++] = copy;
}

/* ---- answers that come later */

static Later *later_new(void (*fire)(Later *l), void *done, void *userdata, void *handle) {
        INSIDE();
        Later *l = new0(Later, 1), **last = &world->later;

        assert_non_null(l);
        *l = (Later){ .fire = fire, .done = done, .userdata = userdata, .handle = handle };
        while (*last)
                last = &(*last)->next;
        *last = l;
        if (l->handle)
                *l->handle = l;
        return l;
}

static void later_done(Later *l) {
        if (l->handle)
                *l->handle = NULL;
        free(l->text);
        sd_bus_message_unref(l->message);
        free(l);
}

static void *later_free(void *call) {
        for (Later **p = &world->later; *p; p = &(*p)->next)
                if (*p == call) {
                        Later *l = *p;

                        *p = l->next;
                        later_done(l);
                        break;
                }
        return NULL;
}

void world_run(void) {
        for (unsigned idle = 0; idle < 3;) {
                int r = sd_event_run(world->event, 0);
                Later *l = world->later;

                assert_true(r >= 0);
                if (l) {
                        world->later = l->next;
                        if (l->handle)
                                *l->handle = NULL;
                        l->handle = NULL;
                        l->fire(l);
                        later_done(l);
                }
                idle = r > 0 || l ? 0 : idle + 1;
        }
}

/* ---- the service and its neighbours */

sd_event *service_event(_unused_ Service *s) {
        return world->event;
}
const Config *service_config(_unused_ Service *s) {
        return world->config;
}
int service_socket(_unused_ Service *s, const char *name, char **ret) {
        INSIDE();
        *ret = strdup(name);
        return *ret ? 0 : -ENOMEM;
}
RelayClient *market_relay(_unused_ const Market *m) {
        return (RelayClient *) world;
}
int signer_client_new(_unused_ sd_event *e, _unused_ const char *path, SignerClient **ret) {
        *ret = (SignerClient *) world;
        return 0;
}
SignerClient *signer_client_free(_unused_ SignerClient *c) {
        return NULL;
}
int wallet_client_new(_unused_ sd_event *e, _unused_ const char *path,
                _unused_ const WalletHandler *handler, _unused_ void *userdata,
                WalletClient **ret) {
        *ret = (WalletClient *) world;
        return 0;
}
WalletClient *wallet_client_free(_unused_ WalletClient *c) {
        return NULL;
}
int thinker_new(_unused_ sd_event *e, _unused_ const Config *c, _unused_ Market *m,
                _unused_ const ThinkSockets *s, Thinker **ret) {
        *ret = (Thinker *) world;
        return 0;
}
Thinker *thinker_free(_unused_ Thinker *t) {
        return NULL;
}
int agents_client_new(_unused_ sd_event *e, _unused_ const char *path, AgentsClient **ret) {
        *ret = (AgentsClient *) world;
        return 0;
}
AgentsClient *agents_client_free(_unused_ AgentsClient *c) {
        return NULL;
}
size_t agents_client_n_waiting(_unused_ const AgentsClient *c) {
        return 0;
}
AgentsCall *agents_call_free(AgentsCall *call) {
        return later_free(call);
}
SignerCall *signer_call_free(SignerCall *call) {
        return later_free(call);
}
WalletCall *wallet_call_free(WalletCall *call) {
        return later_free(call);
}
RelayQuery *relay_query_free(RelayQuery *q) {
        return later_free(q);
}
RelayPublish *relay_publish_free(RelayPublish *p) {
        return later_free(p);
}
Think *think_free(Think *t) {
        return later_free(t);
}
BusCall *bus_call_free(BusCall *c) {
        return later_free(c);
}

/* ---- host-core */

HostAgent *host_agent_find(_unused_ Host *h, const char *name) {
        return streq(name, world->agent.npub) ? &world->agent : NULL;
}
HostAgent *host_agent_next(_unused_ Host *h, const HostAgent *a) {
        return a ? NULL : &world->agent;
}
void host_agent_changed(_unused_ HostAgent *a, _unused_ const char *property, ...) {
}
void host_agent_wake(_unused_ HostAgent *a, const char *trigger) {
        world_trail("wake:%s ", trigger);
}
int64_t host_agent_runway(_unused_ const HostAgent *a) {
        return INT64_MAX;
}
void host_agent_tick_ended(_unused_ HostAgent *a, const TickResult *r) {
        world->n_ended++;
        world->result = *r;
        (void) snprintf(world->result_reason, sizeof(world->result_reason), "%s", r->reason);
        world_trail("ended:%d ", r->error);
}
const char *mind_type_name(MindType m) {
        return m == MIND_EXEC ? "exec" : m == MIND_NIP90 ? "nip90" : "local";
}

/* ---- the agent's process */

static void mind_reply(Later *l) {
        INSIDE();
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *text, *answer = world->answers[world->n_asked++] ?: "hang";
        bus_reply_t done = (bus_reply_t) l->done;

        assert_int_equal(sd_bus_message_seal(l->message, 1, 0), 0);
        assert_true(sd_bus_message_read(l->message, "s", &text) > 0);
        if (streq(answer, "hang"))
                return;
        if (startswith(answer, "error:")) {
                BACK(done(NULL, -EIO, startswith(answer, "error:"), "It is not well.",
                                l->userdata));
                return;
        }
        assert_true(sd_bus_message_new_method_return(l->message, &reply) >= 0);
        if (startswith(answer, "think:"))
                assert_true(sd_bus_message_append(reply, "ss", "think", answer + 6) >= 0);
        else
                assert_true(sd_bus_message_append(reply, "ss", "done", answer + 5) >= 0);
        assert_true(sd_bus_message_seal(reply, 2, 0) >= 0);
        BACK(done(reply, 0, "", NULL, l->userdata));
}
int bus_client_new(_unused_ sd_event *e, const char *path, BusClient **ret) {
        world_trail("connect:%s ", path);
        *ret = (BusClient *) world;
        return 0;
}
BusClient *bus_client_free(_unused_ BusClient *c) {
        return NULL;
}
void bus_client_on_state(_unused_ BusClient *c, _unused_ void (*up)(void *userdata),
                _unused_ void (*down)(void *userdata), _unused_ void *userdata) {
}
int bus_client_message(_unused_ BusClient *c, const char *interface, const char *member,
                sd_bus_message **ret) {
        world_trail("%s ", member);
        return sd_bus_message_new_method_call(
                        world->scratch, ret, NULL, BUS_PATH, interface, member);
}
int bus_client_call(_unused_ BusClient *c, sd_bus_message *m, _unused_ usec_t deadline,
                bus_reply_t done, void *userdata, BusCall **ret) {
        INSIDE();
        later_new(mind_reply, (void *) done, userdata, ret)->message = sd_bus_message_ref(m);
        return 0;
}

/* ---- the store */

static void say_verdict(Later *l) {
        if (l->done)
                BACK(((agents_verdict_t) l->done)(l->error, l->text ?: "", l->userdata));
}
static int verdict(int error, agents_verdict_t done, void *userdata, void *ret) {
        INSIDE();
        Later *l = later_new(say_verdict, (void *) done, userdata, ret);

        l->error = error;
        l->text = strdup(error < 0 ? "the store does not like it" : "");
        return 0;
}
static void say_begun(Later *l) {
        BACK(((agents_began_t) l->done)(l->error, l->number, "", l->userdata));
}
int agents_begin_tick(_unused_ AgentsClient *c, const TickStart *s, agents_began_t done,
                void *userdata, AgentsCall **ret) {
        Later *l = later_new(say_begun, (void *) done, userdata, ret);

        world_trail("begin:%s%s ", s->trigger, s->dry ? ":dry" : "");
        if (world->tick_state[0] && !streq(world->tick_state, "done") &&
                        !streq(world->tick_state, "failed"))
                l->error = 1;
        else {
                world->tick++;
                world->n_rows = 0;
                (void) snprintf(world->tick_state, sizeof(world->tick_state), "open");
        }
        world->open.dry = s->dry;
        world->open.at = s->now;
        l->number = world->tick;
        return 0;
}
static void say_json(Later *l) {
        BACK(((agents_json_t) l->done)(
                        l->error, l->error < 0 ? "there is none" : NULL, l->text, l->userdata));
}
static int json(const char *text, agents_json_t done, void *userdata, void *ret) {
        INSIDE();
        Later *l = later_new(say_json, (void *) done, userdata, ret);

        l->text = strdup(text);
        return 0;
}
int agents_context(_unused_ AgentsClient *c, _unused_ const char *npub, _unused_ int64_t tick,
                const char *query, agents_json_t done, void *userdata, AgentsCall **ret) {
        INSIDE();
        world_trail("context%s%s ", *query ? ":" : "", query);
        return json(world->observations, done, userdata, ret);
}
int agents_tick(_unused_ AgentsClient *c, _unused_ const char *npub, _unused_ int64_t tick,
                agents_json_t done, void *userdata, AgentsCall **ret) {
        INSIDE();
        _cleanup_buffer_ Buffer b = { .max = 1 << 20 };

        world_trail("record ");
        if (world->record)
                return json(world->record, done, userdata, ret);
        assert_int_equal(buffer_add_string(&b, "{\"thoughts\":[{\"prompt\":"), 0);
        assert_int_equal(json_write_string(&b, world->context, strlen(world->context)), 0);
        assert_int_equal(buffer_add_string(&b, "}]}"), 0);
        return json(b.data, done, userdata, ret);
}
static void keep_actions(const TickMove *m) {
        for (size_t i = 0; i < m->n_actions; i++) {
                const TickAction *a = m->actions + i;

                assert_true(i < TICK_ACTIONS_MAX);
                world->rows[i] = (ActionRow){
                        .n = a->n,
                        .type = keep(a->type),
                        .json = keep(a->json),
                        .state = keep(a->state),
                        .reason = keep(a->reason),
                        .event_id = "",
                        .event = "",
                        .payment = "",
                };
                world_trail("[%u %s %s%s%s]", a->n, a->type, a->state, *a->reason ? ": " : "",
                                a->reason);
        }
        world->n_rows = m->n_actions;
}
int agents_move_tick(_unused_ AgentsClient *c, const TickMove *m, agents_verdict_t done,
                void *userdata, AgentsCall **ret) {
        INSIDE();
        assert_int_equal(m->tick, world->tick);
        world_trail("tick:%s", m->state);
        if (m->think)
                world_trail("(%s)", m->think);
        if (m->prompt && m->think && m->think[strlen(m->think) - 1] == '0')
                (void) snprintf(world->context, sizeof(world->context), "%s", m->prompt);
        if (m->error)
                world_trail("(%s)", m->error);
        if (m->n_actions > 0)
                keep_actions(m);
        world_trail(" ");
        if (world->refuse && streq(world->refuse, m->state))
                return verdict(-EIO, done, userdata, ret);
        (void) snprintf(world->tick_state, sizeof(world->tick_state), "%s", m->state);
        return verdict(0, done, userdata, ret);
}
int agents_move_action(_unused_ AgentsClient *c, const ActionMove *m, agents_verdict_t done,
                void *userdata, AgentsCall **ret) {
        INSIDE();
        ActionRow *row = world->rows + m->n - 1;

        world_trail("%u:%s%s%s", m->n, m->state, isempty(m->reason) ? "" : ":", m->reason ?: "");
        if (m->payment)
                world_trail("(%s)", m->payment);
        if (m->goal)
                world_trail("{goal %s %s}", m->goal->id, m->goal->text ?: m->goal->status ?: "");
        if (m->remember)
                world_trail("{remember %s %s}", m->remember->id, m->remember->text);
        if (m->forget)
                world_trail("{forget %s}", m->forget);
        world_trail(" ");
        if (world->refuse && streq(world->refuse, m->state))
                return verdict(-E2BIG, done, userdata, ret);
        row->state = keep(m->state);
        if (m->event)
                row->event = keep(m->event);
        return verdict(0, done, userdata, ret);
}
static void say_count(Later *l) {
        BACK(((agents_count_t) l->done)(0, NULL, l->number, l->userdata));
}
int agents_count(_unused_ AgentsClient *c, _unused_ const char *npub, const char *type,
                _unused_ int64_t since, agents_count_t done, void *userdata, AgentsCall **ret) {
        world_trail("count:%s ", type);
        later_new(say_count, (void *) done, userdata, ret)->number = world->counted;
        return 0;
}
static void say_open(Later *l) {
        world->open.position = world->open.tick = world->tick;
        world->open.npub = world->agent.npub;
        world->open.state = world->tick_state;
        world->open.trigger = "mention";
        world->open.think = world->open.prompt = "";
        world->open.actions = world->rows;
        world->open.n_actions = world->n_rows;
        BACK(((agents_open_t) l->done)(0, NULL, &world->open, (size_t) l->number, l->userdata));
}
int agents_open(_unused_ AgentsClient *c, int64_t after, agents_open_t done, void *userdata,
                AgentsCall **ret) {
        INSIDE();
        later_new(say_open, (void *) done, userdata, ret)->number =
                        after < world->tick && world->tick_state[0];
        return 0;
}
int agents_find(_unused_ AgentsClient *c, _unused_ const char *npub, _unused_ int64_t tick,
                agents_open_t done, void *userdata, AgentsCall **ret) {
        INSIDE();
        later_new(say_open, (void *) done, userdata, ret)->number = 1;
        return 0;
}
int agents_observe(_unused_ AgentsClient *c, _unused_ const char *npub, const Observation *list,
                _unused_ size_t n, agents_verdict_t done, void *userdata, AgentsCall **ret) {
        world_trail("observe:%s:%s ", list->what, list->text);
        return verdict(0, done, userdata, ret);
}

/* ---- the signer */

static void say_signed(Later *l) {
        INSIDE();
        SignerResult results[2] = { 0 };
        const char *reason = "";
        size_t n = (size_t) l->number;

        for (size_t i = 0; i < n; i++) {
                _cleanup_(draft_freep) Draft *d = NULL;
                uint8_t random[32] = { (uint8_t) i };

                assert_int_equal(draft_parse(l->text, strlen(l->text), &d, &reason), 0);
                if (i > 0)
                        assert_int_equal(draft_tag(d, "p", ME, NULL), 0);
                assert_int_equal(draft_sign(d, world->key, random, &results[i].event), 0);
        }
        BACK(((signer_done_t) l->done)(0, "", NULL, results, n, l->userdata));
        for (size_t i = 0; i < n; i++)
                event_unref(results[i].event);
}
static int sign(const Draft *d, int64_t n, signer_done_t done, void *userdata, void *ret) {
        INSIDE();
        Later *l = later_new(say_signed, (void *) done, userdata, ret);

        world_trail("sign:%u ", draft_kind(d));
        assert_int_equal(draft_json(d, &l->text), 0);
        l->number = n;
        return 0;
}
int signer_sign(_unused_ SignerClient *c, _unused_ const char *key, const Draft *const *drafts,
                _unused_ size_t n, signer_done_t done, void *userdata, SignerCall **ret) {
        return sign(drafts[0], 1, done, userdata, ret);
}
int signer_wrap(_unused_ SignerClient *c, _unused_ const char *key, const Draft *rumor,
                _unused_ const char *const *recipients, signer_done_t done, void *userdata,
                SignerCall **ret) {
        return sign(rumor, 2, done, userdata, ret);
}
int signer_encrypt(_unused_ SignerClient *c, _unused_ const char *key,
                _unused_ const SignerText *texts, _unused_ size_t n, _unused_ signer_done_t done,
                _unused_ void *userdata, _unused_ SignerCall **ret) {
        return -EIO;
}

/* ---- the relay */

static void say_published(Later *l) {
        if (l->done)
                BACK(((relay_published_t) l->done)(0, NULL, l->userdata));
}
static void say_outcome(Later *l) {
        if (world->host.hands)
                BACK((void) hands_take_outcome(world->host.hands, l->text, "wss://relay.example",
                                streq(world->relay_says, "accept") ? RELAY_ACCEPTED : RELAY_REFUSED,
                                "blocked: no"));
}
int relay_client_publish(_unused_ RelayClient *c, const char *event_json,
                _unused_ const char *const *relays, _unused_ bool durable, relay_published_t done,
                void *userdata, RelayPublish **ret) {
        INSIDE();
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason;

        assert_int_equal(event_parse(event_json, strlen(event_json), &e, &reason), 0);
        world->n_published++;
        world_trail("publish:%u:%.20s ", event_kind(e), event_content(e, NULL));
        later_new(say_published, (void *) done, userdata, ret);
        if (!streq(world->relay_says, "nothing"))
                later_new(say_outcome, NULL, NULL, NULL)->text = strdup(event_id_hex(e));
        return 0;
}
void relay_client_forget(_unused_ RelayClient *c, _unused_ const char *id) {
}
int relay_client_subscribe(_unused_ RelayClient *c, _unused_ const char *name,
                _unused_ const char *const *filters, _unused_ const char *const *relays) {
        world_trail("listen ");
        return 0;
}
int relay_client_unsubscribe(
                _unused_ RelayClient *c, _unused_ const char *name, _unused_ bool forget) {
        return 0;
}
static void say_found(Later *l) {
        INSIDE();
        const char *draft = world->n_found < ELEMENTSOF(world->found)
                                            ? world->found[world->n_found++]
                                            : NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        const uint8_t random[32] = { 0 };
        const char *reason;

        if (draft) {
                assert_int_equal(draft_parse(draft, strlen(draft), &d, &reason), 0);
                assert_int_equal(draft_sign(d, world->key, random, &e), 0);
        }
        BACK(((relay_query_done_t) l->done)(0, NULL, &e, draft ? 1 : 0, l->userdata));
}
int relay_client_query(_unused_ RelayClient *c, const RelayQuestion *q, relay_query_done_t done,
                void *userdata, RelayQuery **ret) {
        world_trail("query:%.11s ", q->filters[0]);
        later_new(say_found, (void *) done, userdata, ret);
        return 0;
}

/* ---- the wallet */

static void say_done(Later *l) {
        BACK(((wallet_done_t) l->done)(0, "", l->userdata));
}
int wallet_begin_tick(_unused_ WalletClient *c, const char *grant, const char *tick,
                wallet_done_t done, void *userdata, WalletCall **ret) {
        world_trail("window:%s:%s ", grant, tick);
        later_new(say_done, (void *) done, userdata, ret);
        return 0;
}
static void say_paid(Later *l) {
        const char *state = world->paid[world->n_paid++] ?: "settled";
        int error = streq(state, "error") ? -EIO : streq(state, "absent") ? -ENOENT : 0;
        const WalletPaid paid = {
                .state = state,
                .hash = ME,
                .preimage = "",
                .fee_msat = 7,
                .reason = "no route",
        };

        BACK(((wallet_paid_done_t) l->done)(
                        error, error < 0 ? "the wallet says so" : NULL, &paid, l->userdata));
}
int wallet_pay(_unused_ WalletClient *c, const WalletPay *p, wallet_paid_done_t done,
                void *userdata, WalletCall **ret) {
        world_trail("pay:%s:%s ", p->id, p->grant);
        later_new(say_paid, (void *) done, userdata, ret);
        return 0;
}
int wallet_lookup(_unused_ WalletClient *c, const char *id, wallet_paid_done_t done, void *userdata,
                WalletCall **ret) {
        world_trail("lookup:%s ", id);
        later_new(say_paid, (void *) done, userdata, ret);
        return 0;
}
static void say_lnurl(Later *l) {
        const WalletLnurl lnurl = {
                .min_msat = 1000,
                .max_msat = 1000000,
                .allows_nostr = true,
                .nostr_pubkey = ME,
                .lnurl = "lnurl1test",
                .description = "",
        };

        BACK(((wallet_lnurl_done_t) l->done)(0, "", &lnurl, l->userdata));
}
int wallet_lnurl(_unused_ WalletClient *c, const char *destination, wallet_lnurl_done_t done,
                void *userdata, WalletCall **ret) {
        world_trail("lnurl:%s ", destination);
        later_new(say_lnurl, (void *) done, userdata, ret);
        return 0;
}

/* ---- thinking */

static void say_thought(Later *l) {
        const Thought t = {
                .text = world->thought,
                .cost_msat = 21000,
                .prompt_tokens = 100,
                .completion_tokens = 10,
                .provider = "local",
                .model = "",
        };

        BACK(((think_done_t) l->done)(world->thought ? 0 : -EREMOTEIO,
                        world->thought ? NULL : "nobody could", &t, l->userdata));
}
int think_start(_unused_ Thinker *t, const ThinkOrder *o, think_done_t done, void *userdata,
                Think **ret) {
        world_trail("think:%s ", o->id);
        later_new(say_thought, (void *) done, userdata, ret);
        return 0;
}

/* ---- life */

static int scratch_new(void) {
        int fds[2];

        assert_int_equal(
                        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        world->scratch_peer = fds[1];
        assert_true(sd_bus_new(&world->scratch) >= 0);
        assert_true(sd_bus_set_fd(world->scratch, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_set_server(world->scratch, 1, SD_ID128_ALLF) >= 0);
        return sd_bus_start(world->scratch);
}

static char *no_list[] = { NULL };

static void settings_new(void) {
        AgentSettings *s = world->settings = new0(AgentSettings, 1);

        assert_non_null(s);
        *s = (AgentSettings){
                .name = (char *) "alice",
                .about = (char *) "a test",
                .model = (char *) "",
                .owner_hex = (char *) "",
                .autonomy = AUTONOMY_BOUNDED,
                .relays = no_list,
                .allow = no_list,
                .quiet = no_list,
                .payees = no_list,
                .recipients = no_list,
                .exec = no_list,
                .providers = no_list,
                .mind = MIND_EXEC,
                .context_tokens = 8192,
                .max_tokens = 800,
                .heartbeat = HOUR,
                .tick_timeout = 30 * SEC,
                .keep_texts = 24 * HOUR,
                .payment_max_msat = 50000,
                .tick_max_msat = 100000,
                .day_max_msat = 1000000,
                .fee_max_msat = 1000,
                .approve_above_msat = -1,
                .posts_per_day = 10,
                .replies_per_day = 10,
                .messages_per_day = 10,
                .zaps_per_day = 10,
                .payments_per_day = 10,
                .reactions_per_day = 10,
                .follows_per_day = 10,
                .thought_max_msat = 50000,
        };
}

static void on_ready(_unused_ void *userdata) {
        world_trail("ready ");
}

static void begin_life(void) {
        assert_int_equal(hands_new(&world->host, &world->host.hands), 0);
        assert_int_equal(ticks_resume(&world->host, on_ready, NULL), 0);
}

static void end_life(void) {
        Hands *h = world->host.hands;

        world->agent.tick = tick_free(world->agent.tick);
        hands_drop_agent(h, &world->agent);
        world->host.hands = hands_free(h);
        while (world->later) {
                Later *l = world->later;

                world->later = l->next;
                later_done(l);
        }
}

int world_setup(void **state) {
        world = new0(World, 1);
        assert_non_null(world);
        *state = world;
        assert_true(sd_event_new(&world->event) >= 0);
        assert_int_equal(config_parse("", 0, NULL, NULL, &world->config), 0);
        assert_true(scratch_new() >= 0);
        world->secret[31] = 5;
        assert_int_equal(keypair_new(world->secret, &world->key), 0);
        settings_new();
        world->agent = (HostAgent){
                .host = &world->host,
                .npub = (char *) "npub1test",
                .name = (char *) "alice",
                .key = (char *) "agent:alice",
                .settings = world->settings,
                .balance_msat = 1000000,
        };
        memcpy(world->agent.pubkey_hex, ME, sizeof(ME));
        world->observations = "{\"goals\":[],\"memories\":[],\"observations\":[],\"dropped\":0,"
                              "\"last\":[]}";
        world->relay_says = "accept";
        begin_life();
        world_run();
        world->trail[0] = 0;
        return 0;
}

int world_teardown(_unused_ void **state) {
        end_life();
        for (size_t i = 0; i < world->n_kept; i++)
                free(world->kept[i]);
        free(world->settings);
        keypair_free(world->key);
        sd_bus_close_unref(world->scratch);
        (void) close(world->scratch_peer);
        config_free(world->config);
        sd_event_unref(world->event);
        free(world);
        return 0;
}

void world_restart(void) {
        end_life();
        world->agent.tick = NULL;
        world_trail("| ");
        begin_life();
        world_run();
}

void world_tick(const char *trigger, bool dry) {
        Tick *t;

        assert_int_equal(tick_start(&world->agent, trigger, dry, &t), 0);
        world_run();
}
