/* Thinking on this machine: the provider is asked what it costs, asked the question, and paid
 * inside, agent to provider, when the answer is there. The transfer has the thought's id, so after
 * any crash it is booked once; the price is of the question, so it is the same again. */
#include <fcntl.h>
#include <stdio.h>

#include "basic/fault.h"
#include "basic/flow.h"
#include "basic/json.h"
#include "basic/log.h"
#include "basic/text.h"
#include "bus/names.h"
#include "think-private.h"

#define SHORT_USEC     (20 * SEC)
#define PAYING_USEC    MIN_
#define LEAST_USEC     (100 * MSEC)
#define BUSY_USEC      (500 * MSEC) /* before it is asked again */
#define ASKS_MAX       3            /* where the provider ends in the middle of the answer */
#define LINE_SIZE_MAX  (UINT64_C(2) * 1024 * 1024)
#define READ_SIZE      (64 * 1024) /* in one turn */
#define PROVIDER       "provider"  /* its account */
#define MODEL_SIZE_MAX 256

typedef enum LocalState {
        LOCAL_PRICING,
        LOCAL_COUNTING,
        LOCAL_PROVING,
        LOCAL_ASKING,
        LOCAL_HEARING,
        LOCAL_PAYING,
        LOCAL_DONE,
        LOCAL_FAILED,
        _LOCAL_STATE_MAX,
} LocalState;

struct Local {
        Flow flow;
        Think *think;
        char *account, *model, *used_model;
        char **messages; /* role, content, role, content … */
        size_t bytes;    /* of the contents */
        int64_t max_tokens, max_msat, price_msat;
        int64_t tokens_in, tokens_out;
        usec_t deadline; /* CLOCK_BOOTTIME */
        unsigned n_asks;

        BusCall *call;
        WalletCall *wallet;
        int fd;
        sd_event_source *io, *again;
        Buffer line, answer;
        bool started;
};

static Step local_price(Flow *f);
static Step local_count(Flow *f);
static Step local_prove(Flow *f);
static Step local_ask(Flow *f);
static Step local_hear(Flow *f);
static Step local_pay(Flow *f);
static uint64_t local_deadline(Flow *f);
static void local_finish(Flow *f);

/* clang-format off */
static const FlowState local_states[_LOCAL_STATE_MAX] = {
        /*                   name        enter        deadline     late          fails         next */
        [LOCAL_PRICING]  = { "pricing",  local_price, SHORT_USEC,  LOCAL_FAILED, LOCAL_FAILED, B(LOCAL_COUNTING) | B(LOCAL_ASKING) },
        [LOCAL_COUNTING] = { "counting", local_count, SHORT_USEC,  LOCAL_FAILED, LOCAL_FAILED, B(LOCAL_PROVING) | B(LOCAL_ASKING)  },
        [LOCAL_PROVING]  = { "proving",  local_prove, SHORT_USEC,  LOCAL_FAILED, LOCAL_FAILED, B(LOCAL_ASKING)                     },
        [LOCAL_ASKING]   = { "asking",   local_ask,   HOUR,        LOCAL_FAILED, LOCAL_FAILED, B(LOCAL_HEARING)                    },
        [LOCAL_HEARING]  = { "hearing",  local_hear,  HOUR,        LOCAL_FAILED, LOCAL_FAILED, B(LOCAL_ASKING) | B(LOCAL_PAYING) | B(LOCAL_DONE) },
        [LOCAL_PAYING]   = { "paying",   local_pay,   PAYING_USEC, LOCAL_FAILED, LOCAL_FAILED, B(LOCAL_DONE)                       },
        [LOCAL_DONE]     = { "done",     .final = true },
        [LOCAL_FAILED]   = { "failed",   .final = true },
};
/* clang-format on */

static const FlowTable local_table = {
        .name = "local-thought",
        .states = local_states,
        .n_states = _LOCAL_STATE_MAX,
        .deadline = local_deadline,
        .done = local_finish,
};

static Local *flow_local(Flow *f) {
        return container_of(f, Local, flow);
}

static usec_t now_usec(const Local *l) {
        uint64_t now = 0;

        (void) sd_event_now(l->think->thinker->event, CLOCK_BOOTTIME, &now);
        return now;
}

/* What was answered may still be paid. */
static uint64_t local_deadline(Flow *f) {
        const Local *l = flow_local(f);
        usec_t now = now_usec(l), left = l->deadline > now ? l->deadline - now : 0;

        if (f->state == LOCAL_PAYING)
                return PAYING_USEC;
        return MAX(MIN(left, local_states[f->state].deadline_usec), LEAST_USEC);
}

/* ---- the price */

static int error_of(int error, const char *name) {
        if (streq(name, BUS_ERROR_BAD_INPUT))
                return -EINVAL;
        return streq(name, BUS_ERROR_NOT_ALLOWED) ? -EACCES : error == -ENOMEM ? error : -EAGAIN;
}

static void on_priced(sd_bus_message *m, int error, const char *name, const char *reason,
                void *userdata) {
        Local *l = userdata;
        Step s = flow_go(LOCAL_COUNTING);

        if (error >= 0 && (sd_bus_message_read(m, "x", &l->price_msat) < 0 || l->price_msat < 0)) {
                error = -EBADMSG;
                reason = "the provider's price cannot be read";
        }
        if (error < 0)
                s = flow_fail(&l->flow, error_of(error, name), reason);
        else if (l->max_msat >= 0 && l->price_msat > l->max_msat)
                s = flow_fail(&l->flow, -EDQUOT, "it costs more than a thought may");
        else if (l->price_msat == 0)
                s = flow_go(LOCAL_ASKING);
        flow_drive(&l->flow, s);
}

static Step local_price(Flow *f) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Local *l = flow_local(f);
        BusClient *c = l->think->thinker->provider;
        int r;

        r = bus_client_message(c, BUS_PROVIDER_COMPUTE, "Quote", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "stx", l->model, (uint64_t) l->bytes, l->max_tokens);
        if (r >= 0)
                r = bus_client_call(c, m, 0, on_priced, l, &l->call);
        return r < 0 ? flow_fail(f, -EAGAIN, "the provider cannot be asked") : flow_wait();
}

/* ---- the money, looked at before anybody works for it */

static void on_counted(int error, const char *reason, const WalletAccount *accounts, size_t n,
                void *userdata) {
        Local *l = userdata;
        Step s = flow_go(LOCAL_ASKING);

        if (error < 0 || n != 1)
                s = flow_fail(&l->flow, error == -EHOSTDOWN ? error : -EAGAIN,
                                reason ?: "the wallet's answer cannot be read");
        else if (accounts[0].frozen)
                s = flow_fail(&l->flow, -EDQUOT, "the account is frozen");
        else if (accounts[0].balance_msat - accounts[0].reserved_msat < l->price_msat)
                s = flow_go(LOCAL_PROVING);
        flow_drive(&l->flow, s);
}

static Step local_count(Flow *f) {
        Local *l = flow_local(f);
        const char *const names[] = { l->account };

        if (wallet_accounts(l->think->thinker->wallet, names, 1, on_counted, l, &l->wallet) < 0)
                return flow_fail(f, -EAGAIN, "the wallet cannot be asked");
        return flow_wait();
}

/* ---- too little money, unless this very thought was paid before we were killed: the transfer of
 * its id tells */

static int transfer(Local *l, wallet_done_t done) {
        const WalletTransfer t = {
                .id = l->think->id,
                .from = l->account,
                .to = PROVIDER,
                .text = "thinking",
                .msat = l->price_msat,
        };

        return wallet_transfer(l->think->thinker->wallet, &t, done, l, &l->wallet);
}

static int transfer_error(int error) {
        return error == -EDQUOT || error == -EBUSY ? -EDQUOT : -EAGAIN;
}

static void on_proved(int error, const char *reason, void *userdata) {
        Local *l = userdata;

        flow_drive(&l->flow, error < 0 ? flow_fail(&l->flow, transfer_error(error),
                                                         reason ?: "the wallet did not answer")
                                       : flow_go(LOCAL_ASKING));
}

static Step local_prove(Flow *f) {
        if (transfer(flow_local(f), on_proved) < 0)
                return flow_fail(f, -EAGAIN, "the wallet cannot be asked");
        return flow_wait();
}

/* ---- asking */

static int send_question(Local *l);

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Local *l = userdata;

        l->again = sd_event_source_disable_unref(l->again);
        if (send_question(l) < 0)
                flow_drive(&l->flow, flow_fail(&l->flow, -EAGAIN, "the provider cannot be asked"));
        return 0;
}

static Step ask_later(Local *l) {
        l->again = sd_event_source_disable_unref(l->again);
        if (sd_event_add_time_relative(l->think->thinker->event, &l->again, CLOCK_BOOTTIME,
                            BUSY_USEC, BUSY_USEC / 8, on_again, l) < 0)
                return flow_fail(&l->flow, -EAGAIN, "no timer is left");
        return flow_wait();
}

static int take_fd(Local *l, sd_bus_message *m) {
        int fd, flags, r;

        r = sd_bus_message_read(m, "h", &fd); /* the message's own */
        if (r < 0)
                return r;
        l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (l->fd < 0)
                return -errno;
        flags = fcntl(l->fd, F_GETFL);
        return flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static void on_asked(sd_bus_message *m, int error, const char *name, const char *reason,
                void *userdata) {
        Local *l = userdata;
        Step s = flow_go(LOCAL_HEARING);

        if (error < 0 && streq(name, BUS_ERROR_BUSY))
                s = ask_later(l);
        else if (error < 0)
                s = flow_fail(&l->flow, error_of(error, name), reason);
        else if (take_fd(l, m) < 0)
                s = flow_fail(&l->flow, -EAGAIN, "the provider's answer cannot be read");
        flow_drive(&l->flow, s);
}

static int append_question(const Local *l, sd_bus_message *m) {
        int r;

        r = sd_bus_message_append(m, "s", l->model);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (size_t i = 0; r >= 0 && l->messages[i]; i += 2)
                r = sd_bus_message_append(m, "(ss)", l->messages[i], l->messages[i + 1]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && l->max_tokens > 0)
                r = sd_bus_message_append(m, "{sv}", "max_tokens", "x", l->max_tokens);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int send_question(Local *l) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        BusClient *c = l->think->thinker->provider;
        int r;

        r = bus_client_message(c, BUS_PROVIDER_COMPUTE, "Infer", &m);
        if (r >= 0)
                r = append_question(l, m);
        return r < 0 ? r : bus_client_call(c, m, 0, on_asked, l, &l->call);
}

static Step local_ask(Flow *f) {
        Local *l = flow_local(f);

        l->n_asks++;
        buffer_clear(&l->line);
        buffer_clear(&l->answer);
        if (send_question(l) < 0)
                return flow_fail(f, -EAGAIN, "the provider cannot be asked");
        return flow_wait();
}

/* ---- hearing; the lines are described in provider/infer.h */

static void stop_hearing(Local *l) {
        l->io = sd_event_source_disable_unref(l->io);
        closep(&l->fd);
        l->fd = -EBADF;
}

static Step hear_text(Local *l, const Json *text) {
        const char *s;
        size_t size;
        int r = 0;

        if (json_bytes(text, &s, &size) < 0)
                return flow_fail(&l->flow, -EREMOTEIO, "the provider's answer cannot be read");
        while (r >= 0 && size > 0) { /* a model may write NUL; text has none */
                size_t n = strnlen(s, size);

                r = buffer_add(&l->answer, s, n);
                n += n < size;
                s += n;
                size -= n;
        }
        return r < 0 ? flow_fail(&l->flow, r == -ENOBUFS ? -E2BIG : r, "the answer is too long")
                     : flow_wait();
}

static Step hear_done(Local *l, const Json *done) {
        const char *model = "";

        (void) json_string(json_get(done, "model"), &model);
        (void) json_i64(json_get(done, "tokens_in"), &l->tokens_in);
        (void) json_i64(json_get(done, "tokens_out"), &l->tokens_out);
        free(l->used_model);
        l->used_model = strndup(model, MODEL_SIZE_MAX);
        return flow_go(l->price_msat > 0 ? LOCAL_PAYING : LOCAL_DONE);
}

static Step hear_error(Local *l, const Json *error) {
        const char *message = "the model did not answer", *name = "";

        (void) json_string(json_get(error, "message"), &message);
        (void) json_string(json_get(error, "name"), &name);
        return flow_fail(&l->flow,
                        streq(name, "NoSuchModel") ? -ENOENT
                        : streq(name, "BadInput")  ? -EINVAL
                                                   : -EREMOTEIO,
                        message);
}

static Step hear_line(Local *l, const char *line, size_t size) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason;

        if (json_parse(line, size, 4, 100, &j, &reason) < 0)
                return flow_fail(&l->flow, -EREMOTEIO, "the provider's answer cannot be read");
        if (json_get(j, "text"))
                return hear_text(l, json_get(j, "text"));
        if (json_get(j, "done"))
                return hear_done(l, json_get(j, "done"));
        if (json_get(j, "error"))
                return hear_error(l, json_get(j, "error"));
        if (json_get(j, "again"))
                buffer_clear(&l->answer);
        return flow_wait();
}

static Step hear_lines(Local *l) {
        char *end;

        while (l->line.size > 0 && (end = memchr(l->line.data, '\n', l->line.size))) {
                size_t size = (size_t) (end - l->line.data);
                Step s = hear_line(l, l->line.data, size);

                buffer_drop(&l->line, size + 1);
                if (s.kind == FLOW_GO)
                        return s;
        }
        return flow_wait();
}

/* It ended in the middle: it was stopped, or died. */
static Step heard_nothing(Local *l) {
        if (l->n_asks < ASKS_MAX)
                return flow_go(LOCAL_ASKING);
        return flow_fail(&l->flow, -EREMOTEIO, "the provider ended in the middle of the answer");
}

static int on_readable(_unused_ sd_event_source *s, _unused_ int fd, _unused_ uint32_t events,
                void *userdata) {
        Local *l = userdata;
        char piece[READ_SIZE];
        Step step;
        ssize_t n;

        n = read(l->fd, piece, sizeof(piece));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0)
                step = heard_nothing(l);
        else if (buffer_add(&l->line, piece, (size_t) n) < 0)
                step = flow_fail(&l->flow, -E2BIG, "the answer is too long");
        else
                step = hear_lines(l);
        if (step.kind == FLOW_GO)
                stop_hearing(l);
        flow_drive(&l->flow, step);
        return 0;
}

static Step local_hear(Flow *f) {
        Local *l = flow_local(f);

        if (sd_event_add_io(l->think->thinker->event, &l->io, l->fd, EPOLLIN, on_readable, l) < 0)
                return flow_fail(f, -EAGAIN, "the provider's answer cannot be read");
        return flow_wait();
}

/* ---- paying */

static void on_paid(int error, const char *reason, void *userdata) {
        Local *l = userdata;
        Step s = flow_go(LOCAL_DONE);

        if (error >= 0)
                error = fault("think.paid");
        if (error < 0)
                s = flow_fail(&l->flow, transfer_error(error),
                                reason ?: "the wallet did not answer");
        flow_drive(&l->flow, s);
}

static Step local_pay(Flow *f) {
        int r;

        r = fault("think.paying");
        if (r >= 0)
                r = transfer(flow_local(f), on_paid);
        return r < 0 ? flow_fail(f, -EAGAIN, "the wallet cannot be asked") : flow_wait();
}

/* ---- life */

static void local_finish(Flow *f) {
        Local *l = flow_local(f);
        bool done = f->state == LOCAL_DONE, unknown = f->from == LOCAL_PAYING;
        int error = done ? 0 : f->error == -ETIMEDOUT && unknown ? -EAGAIN : f->error;
        const Thought t = {
                .text = done ? l->answer.data ?: "" : NULL,
                .cost_msat = done ? l->price_msat : 0,
                .prompt_tokens = l->tokens_in,
                .completion_tokens = l->tokens_out,
                .provider = "local",
                .model = l->used_model ?: "",
        };

        l->call = bus_call_free(l->call);
        l->again = sd_event_source_disable_unref(l->again);
        stop_hearing(l);
        if (l->started)
                think_end(l->think, error, done ? NULL : f->reason, &t);
}

static int local_take(Local *l, const ThinkOrder *o, const Message *messages, size_t n) {
        int r = 0;

        l->account = strdup(o->account);
        l->model = strdup(o->model ?: "");
        if (!l->account || !l->model)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                l->bytes += strlen(messages[i].content);
                r = strv_add(&l->messages, messages[i].role);
                if (r >= 0)
                        r = strv_add(&l->messages, messages[i].content);
        }
        return r;
}

int local_start(Think *t, const ThinkOrder *o, const Message *messages, size_t n, Local **ret) {
        Local *l = new0(Local, 1);
        int r;

        if (!l)
                return -ENOMEM;
        *l = (Local){
                .think = t,
                .max_tokens = o->max_tokens,
                .max_msat = o->max_msat,
                .tokens_in = -1,
                .tokens_out = -1,
                .fd = -EBADF,
        };
        buffer_init(&l->line, LINE_SIZE_MAX);
        buffer_init(&l->answer, THOUGHT_TEXT_MAX);
        l->deadline = now_usec(l) + MIN(o->timeout, HOUR);
        r = local_take(l, o, messages, n);
        if (r >= 0)
                r = flow_start(&l->flow, &local_table, t->thinker->event, LOCAL_PRICING);
        if (r >= 0 && l->flow.finished)
                r = l->flow.error;
        if (r < 0) {
                (void) local_free(l);
                return r;
        }
        l->started = true;
        *ret = l;
        return 0;
}

Local *local_free(Local *l) {
        if (!l)
                return NULL;

        l->call = bus_call_free(l->call);
        l->wallet = wallet_call_free(l->wallet);
        l->again = sd_event_source_disable_unref(l->again);
        stop_hearing(l);
        flow_stop(&l->flow);
        buffer_done(&l->line);
        buffer_done(&l->answer);
        free(l->account);
        free(l->model);
        free(l->used_model);
        (void) strv_free(l->messages);
        return mfree(l);
}
