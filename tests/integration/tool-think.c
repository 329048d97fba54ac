/* A host that only thinks, for tests: tool-think CONFIG SOCKETS. Each line of stdin is an order as
 * JSON, each line of stdout what became of it. Copied to "pylon-host" it is taken for the host. */
#include "basic/config.h"
#include "basic/crypt.h"
#include "basic/json.h"
#include "basic/log.h"
#include "basic/text.h"
#include "think.h"

#include <inttypes.h>
#include <stdio.h>

#define LINE_MAX_ (4 * 1024 * 1024)

typedef struct Tool {
        sd_event *event;
        Market *market;
        Thinker *thinker;
        Buffer in;
        bool ended;
        size_t n_open;
} Tool;

typedef struct Order {
        Tool *tool;
        Think *think;
        char *id;
} Order;

static void print_text(Buffer *b, const char *name, const char *value) {
        (void) buffer_addf(b, ",\"%s\":", name);
        (void) (value ? json_write_string(b, value, strlen(value)) : buffer_add_string(b, "null"));
}

static void on_thought(int error, const char *reason, const Thought *t, void *userdata) {
        _cleanup_buffer_ Buffer b = { .max = LINE_MAX_ };
        Order *o = userdata;
        Tool *tool = o->tool;

        (void) buffer_addf(&b, "{\"error\":%d", error);
        print_text(&b, "id", o->id);
        print_text(&b, "reason", reason);
        if (t) {
                print_text(&b, "text", t->text);
                print_text(&b, "provider", t->provider);
                print_text(&b, "model", t->model);
                (void) buffer_addf(&b, ",\"cost\":%" PRIi64 ",\"tokens\":[%" PRIi64 ",%" PRIi64 "]",
                                t->cost_msat, t->prompt_tokens, t->completion_tokens);
        }
        (void) printf("%s}\n", b.data);
        (void) fflush(stdout);
        o->think = think_free(o->think);
        free(o->id);
        free(o);
        tool->n_open--;
        if (tool->ended && tool->n_open == 0)
                (void) sd_event_exit(tool->event, 0);
}

static const char *text_of(const Json *j, const char *name) {
        const char *s = "";

        (void) json_string(json_get(j, name), &s);
        return s;
}

static int64_t number_of(const Json *j, const char *name, int64_t otherwise) {
        (void) json_i64(json_get(j, name), &otherwise);
        return otherwise;
}

static int take_line(Tool *tool, const char *line, size_t size) {
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_buffer_ Buffer messages = { .max = LINE_MAX_ };
        const char *reason, *providers[8] = { 0 };
        Order *o = new0(Order, 1);
        int r;

        r = json_parse(line, size, 8, 10000, &j, &reason);
        if (r < 0 || !o)
                return -EINVAL;
        for (size_t i = 0; i < 7; i++)
                if (json_string(json_array_at(json_get(j, "providers"), i), providers + i) < 0)
                        break;
        (void) json_write(&messages, json_get(j, "messages"));
        *o = (Order){ .tool = tool, .id = strdup(text_of(j, "id")) };
        tool->n_open++;
        r = think_start(tool->thinker,
                        &(ThinkOrder){
                                        .id = o->id,
                                        .key = text_of(j, "key"),
                                        .account = text_of(j, "key"),
                                        .grant = text_of(j, "key"),
                                        .mind = streq(text_of(j, "mind"), "local") ? MIND_LOCAL
                                                                                   : MIND_NIP90,
                                        .model = text_of(j, "model"),
                                        .messages = messages.data,
                                        .max_tokens = (uint32_t) number_of(j, "max_tokens", 0),
                                        .max_msat = number_of(j, "max_msat", 0),
                                        .timeout = (usec_t) number_of(j, "timeout", 60) * SEC,
                                        .providers = providers,
                                        .encrypt = number_of(j, "encrypt", 0) != 0,
                        },
                        on_thought, o, &o->think);
        if (r < 0)
                on_thought(r, "it was not started", NULL, o);
        return 0;
}

static int on_input(_unused_ sd_event_source *s, int fd, _unused_ uint32_t events, void *userdata) {
        Tool *tool = userdata;
        char piece[65536], *end;
        ssize_t n = read(fd, piece, sizeof(piece));

        if (n <= 0 || buffer_add(&tool->in, piece, (size_t) n) < 0) {
                tool->ended = true;
                return tool->n_open == 0 ? sd_event_exit(tool->event, 0)
                                         : sd_event_source_set_enabled(s, SD_EVENT_OFF);
        }
        while (tool->in.size > 0 && (end = memchr(tool->in.data, '\n', tool->in.size))) {
                size_t size = (size_t) (end - tool->in.data);

                if (take_line(tool, tool->in.data, size) < 0)
                        return sd_event_exit(tool->event, 2);
                buffer_drop(&tool->in, size + 1);
        }
        return 0;
}

static int run(Tool *tool, const Config *config, const char *folder) {
        char sockets[5][200];
        static const char *const names[] = { "relay", "signer", "store", "wallet", "provider" };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                (void) snprintf(sockets[i], sizeof(sockets[i]), "%s/%s.sock", folder, names[i]);
        r = sd_event_new(&tool->event);
        if (r >= 0)
                r = market_new(tool->event,
                                &(MarketSockets){ sockets[0], sockets[1], sockets[2], sockets[3] },
                                "buyer", config->network, &tool->market);
        if (r >= 0)
                r = thinker_new(tool->event, config, tool->market,
                                &(ThinkSockets){ .provider = sockets[4], .wallet = sockets[3] },
                                &tool->thinker);
        if (r >= 0)
                r = sd_event_add_io(tool->event, NULL, 0, EPOLLIN, on_input, tool);
        return r < 0 ? r : sd_event_loop(tool->event);
}

int main(int argc, char *argv[]) {
        _cleanup_(config_freep) Config *config = NULL;
        Tool tool = { 0 };
        int r;

        if (argc != 3 || crypt_setup() < 0)
                return 2;
        log_open("think");
        buffer_init(&tool.in, LINE_MAX_);
        r = config_load_logged(argv[1], &config);
        if (r >= 0)
                r = run(&tool, config, argv[2]);
        tool.thinker = thinker_free(tool.thinker);
        tool.market = market_free(tool.market);
        tool.event = sd_event_unref(tool.event);
        buffer_done(&tool.in);
        return r < 0 ? 1 : 0;
}
