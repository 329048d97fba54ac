/* Thoughts, and those that are bought on the market. */
#include "think.h"

#include <stdio.h>

#include "basic/json.h"
#include "basic/text.h"
#include "bus/text.h"
#include "nostr/nip19.h"
#include "think-private.h"

#define KIND_TEXT           5050
#define INPUT_MAX           (60 * 1024) /* relays take events of 64 KiB */
#define INPUT_ENCRYPTED_MAX (40 * 1024) /* which is a third more as base64, and padded */
#define JSON_DEPTH_MAX      4
#define JSON_VALUES_MAX     1024
#define TIMEOUT_MAX         HOUR
#define PROVIDERS_MAX       64

void think_end(Think *t, int error, const char *reason, const Thought *thought) {
        t->over = true;
        t->thinker->n_thoughts--;
        t->done(error, reason, thought, t->userdata);
}

/* ---- what is asked */

static int read_message(const Json *j, Message *ret) {
        static const char *const roles[] = { "system", "user", "assistant" };
        const char *role;

        if (json_string(json_get(j, "role"), &role) < 0 ||
                        json_string(json_get(j, "content"), &ret->content) < 0 ||
                        !bus_text_is_fit(ret->content))
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(roles); i++)
                if (streq(role, roles[i])) {
                        ret->role = roles[i];
                        return 0;
                }
        return -EINVAL;
}

static int read_messages(const Json *j, Message *messages, size_t *ret_n) {
        size_t n = json_array_size(j);
        int r = 0;

        if (n == 0 || n > MESSAGES_MAX)
                return -EINVAL;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = read_message(json_array_at(j, i), messages + i);
        if (r >= 0 && streq(messages[n - 1].role, "system"))
                r = -EINVAL; /* there is no question */
        *ret_n = n;
        return r;
}

/* NIP-90 knows one text: the rules first, then what is asked. Only a longer conversation says who
 * speaks. */
static int render(const Message *messages, size_t n, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = INPUT_MAX };
        bool simple = n <= 2 && !streq(messages[0].role, "assistant") &&
                      (n < 2 || streq(messages[0].role, "system"));
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (i > 0)
                        r = buffer_add_string(&b, "\n\n");
                if (r >= 0 && !simple)
                        r = buffer_addf(&b, "%s:\n", messages[i].role);
                if (r >= 0)
                        r = buffer_add_string(&b, messages[i].content);
        }
        if (r < 0)
                return r == -ENOBUFS ? -E2BIG : r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

/* ---- on the market */

static void on_dealt(int error, const char *reason, const DealResult *d, void *userdata) {
        Think *t = userdata;

        think_end(t, error, reason,
                        &(Thought){
                                        .text = d->content,
                                        .cost_msat = d->spent_msat,
                                        .prompt_tokens = -1,
                                        .completion_tokens = -1,
                                        .provider = d->provider,
                                        .model = d->model,
                        });
}

/* npub or hex. */
static int read_providers(const char *const *from, char ***ret) {
        const char *reason;
        uint8_t pubkey[32];
        char hex[HEX32_MAX];
        int r = 0;

        for (size_t i = 0; r >= 0 && from && from[i] && i < PROVIDERS_MAX; i++) {
                if (pubkey_parse(from[i], pubkey, &reason) < 0)
                        return -EINVAL;
                hex_encode(pubkey, sizeof(pubkey), hex);
                r = strv_add(ret, hex);
        }
        return r;
}

static int64_t fee_max(const Config *c, int64_t max_msat) {
        return MAX(c->wallet.fee_max_msats, max_msat / 100);
}

static int market_start(Think *t, const ThinkOrder *o, const Message *messages, size_t n) {
        _cleanup_strv_ char **providers = NULL;
        _cleanup_free_ char *input = NULL;
        char max_tokens[16];
        const char *params[4];
        DealOrder d = {
                .id = o->id,
                .key = o->key,
                .account = o->account,
                .grant = o->grant,
                .job = {
                        .kind = KIND_TEXT,
                        .input_type = "text",
                        .params = params,
                        .bid_msat = -1,
                },
                .model = o->model ?: "",
                .max_msat = o->max_msat,
                .fee_max_msat = fee_max(t->thinker->config, o->max_msat),
                .timeout = MIN(o->timeout, TIMEOUT_MAX),
                .encrypt = o->encrypt,
        };
        int r;

        r = render(messages, n, &input);
        if (r >= 0 && o->encrypt && strlen(input) > INPUT_ENCRYPTED_MAX)
                r = -E2BIG;
        if (r >= 0)
                r = read_providers(o->providers, &providers);
        if (r < 0)
                return r;
        d.job.input = input;
        d.providers = (const char *const *) providers;
        if (!isempty(o->model)) {
                params[2 * d.job.n_params] = "model";
                params[2 * d.job.n_params++ + 1] = o->model;
        }
        if (o->max_tokens > 0) {
                (void) snprintf(max_tokens, sizeof(max_tokens), "%u", o->max_tokens);
                params[2 * d.job.n_params] = "max_tokens";
                params[2 * d.job.n_params++ + 1] = max_tokens;
        }
        return deal_start(t->thinker->shop, &d, on_dealt, t, &t->deal);
}

/* ---- life */

static bool is_thought(const Thinker *th, const char *id) {
        for (const Think *t = th->thoughts; t; t = t->next)
                if (!t->over && t->id && streq(t->id, id))
                        return true;
        return false;
}

static int check_order(const Thinker *th, const ThinkOrder *o) {
        if (isempty(o->id) || strlen(o->id) > THINK_ID_MAX || isempty(o->key) ||
                        isempty(o->account) || !o->messages || o->max_msat < -1 ||
                        o->timeout == 0 || !bus_text_is_fit(o->model ?: ""))
                return -EINVAL;
        if (o->mind != MIND_NIP90 && o->mind != MIND_LOCAL)
                return -EINVAL;
        if (is_thought(th, o->id))
                return -EBUSY;
        return th->n_thoughts >= THINKS_MAX ? -ENOBUFS : 0;
}

static Think *think_new(Thinker *th, const char *id, think_done_t done, void *userdata) {
        Think *t = new0(Think, 1);

        if (!t)
                return NULL;
        *t = (Think){
                .thinker = th,
                .next = th->thoughts,
                .id = strdup(id),
                .done = done,
                .userdata = userdata,
        };
        if (t->next)
                t->next->prev = t;
        th->thoughts = t;
        th->n_thoughts++;
        return t;
}

int think_start(Thinker *th, const ThinkOrder *o, think_done_t done, void *userdata, Think **ret) {
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_(think_freep) Think *t = NULL;
        Message messages[MESSAGES_MAX];
        const char *reason;
        size_t n;
        int r;

        r = check_order(th, o);
        if (r < 0)
                return r;
        r = json_parse(o->messages, strlen(o->messages), JSON_DEPTH_MAX, JSON_VALUES_MAX, &j,
                        &reason);
        if (r >= 0)
                r = read_messages(j, messages, &n);
        if (r < 0)
                return r == -EBADMSG ? -EINVAL : r;
        t = think_new(th, o->id, done, userdata);
        if (!t || !t->id)
                return -ENOMEM;
        r = o->mind == MIND_LOCAL ? local_start(t, o, messages, n, &t->local)
                                  : market_start(t, o, messages, n);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

Think *think_free(Think *t) {
        if (!t)
                return NULL;

        *(t->prev ? &t->prev->next : &t->thinker->thoughts) = t->next;
        if (t->next)
                t->next->prev = t->prev;
        if (!t->over)
                t->thinker->n_thoughts--;
        t->deal = deal_free(t->deal);
        t->local = local_free(t->local);
        free(t->id);
        return mfree(t);
}

int thinker_new(sd_event *event, const Config *config, Market *market, const ThinkSockets *sockets,
                Thinker **ret) {
        _cleanup_(thinker_freep) Thinker *t = NULL;
        int r;

        t = new0(Thinker, 1);
        if (!t)
                return -ENOMEM;
        t->event = sd_event_ref(event);
        t->config = config;
        t->market = market;
        r = shop_new(event, market, config->network, &t->shop);
        if (r >= 0)
                r = bus_client_new(event, sockets->provider, &t->provider);
        if (r >= 0)
                r = wallet_client_new(event, sockets->wallet, NULL, NULL, &t->wallet);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

Thinker *thinker_free(Thinker *t) {
        if (!t)
                return NULL;

        while (t->thoughts)
                (void) think_free(t->thoughts);
        t->shop = shop_free(t->shop);
        t->provider = bus_client_free(t->provider);
        t->wallet = wallet_client_free(t->wallet);
        sd_event_unref(t->event);
        return mfree(t);
}

size_t thinker_n_thoughts(const Thinker *t) {
        return t->n_thoughts;
}
