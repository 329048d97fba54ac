#include "provider-compute-bus.h"

#include <fcntl.h>
#include <math.h>

#include "basic/text.h"
#include "bus/authorize.h"
#include "bus/names.h"
#include "infer.h"

#define ACTION_MANAGE "com.openagents.pylon1.provider.manage"
#define LOOKS_MAX     16 /* who asks while the servers are being asked */

/* ---- what there is; answered when the servers have answered, or are late */

typedef struct LookCall {
        RouterLook look;
        ProviderService *service;
        sd_bus_message *message;
        int (*append)(const Router *r, sd_bus_message *reply);
        struct LookCall *next;
} LookCall;

static void look_call_free(LookCall *c) {
        for (LookCall **p = &c->service->looks; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        c->service->n_looks--;
        router_look_end(&c->look);
        sd_bus_message_unref(c->message);
        free(c);
}

void provider_compute_bus_done(ProviderService *s) {
        while (s->looks)
                look_call_free(s->looks);
}

static void on_looked(RouterLook *look) {
        LookCall *c = container_of(look, LookCall, look);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(c->message, &reply);
        if (r >= 0)
                r = c->append(c->service->provider->router, reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r < 0)
                (void) sd_bus_reply_method_errnof(
                                c->message, r, "The answer could not be made: %m");
        look_call_free(c);
}

static int look(ProviderService *s, sd_bus_message *m,
                int (*append)(const Router *r, sd_bus_message *reply), sd_bus_error *error) {
        LookCall *c;

        if (s->n_looks >= LOOKS_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "Too many ask at the same time.");
        c = new0(LookCall, 1);
        if (!c)
                return -ENOMEM;
        c->service = s;
        c->message = sd_bus_message_ref(m);
        c->append = append;
        c->next = s->looks;
        s->looks = c;
        s->n_looks++;
        router_look(s->provider->router, &c->look, on_looked);
        return 1;
}

static int append_field(sd_bus_message *m, const char *name, const char *type, ...) {
        va_list ap;
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', type);
        va_start(ap, type);
        if (r >= 0)
                r = sd_bus_message_appendv(m, type, ap);
        va_end(ap);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_backend(sd_bus_message *m, const Endpoint *e) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_field(m, "name", "s", e->config->name);
        if (r >= 0)
                r = append_field(m, "type", "s", e->config->type);
        if (r >= 0)
                r = append_field(m, "url", "s", e->url);
        if (r >= 0)
                r = append_field(m, "socket", "s", e->config->socket);
        if (r >= 0)
                r = append_field(m, "detected", "b", e->detected);
        if (r >= 0)
                r = append_field(m, "state", "s", endpoint_state_name(e->state));
        if (r >= 0)
                r = append_field(m, "trouble", "s", e->trouble);
        if (r >= 0)
                r = append_field(m, "slots", "u", endpoint_n_slots(e));
        if (r >= 0)
                r = append_field(m, "used", "u", e->n_used);
        if (r >= 0)
                r = append_field(m, "models", "u", (uint32_t) e->models.n_models);
        if (r >= 0)
                r = append_field(m, "answers", "t", e->n_answers);
        if (r >= 0)
                r = append_field(m, "broken", "t", e->n_broken);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_backends(const Router *router, sd_bus_message *m) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "a{sv}");
        for (size_t i = 0; r >= 0 && i < ROUTER_ENDPOINTS_MAX; i++)
                if (router_endpoint(router, i))
                        r = append_backend(m, router_endpoint(router, i));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_model(const Router *router, sd_bus_message *m, const char *name) {
        uint32_t context = 0;
        const char *real = name;
        int r;

        (void) router_find(router, name, &context, &real);
        r = sd_bus_message_open_container(m, 'r', "suas");
        if (r >= 0)
                r = sd_bus_message_append(m, "su", name, context);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < ROUTER_ENDPOINTS_MAX; i++)
                if (router_has(router, i, name))
                        r = sd_bus_message_append(m, "s", router_endpoint(router, i)->config->name);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_models(const Router *router, sd_bus_message *m) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = router_models(router, &names);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(suas)");
        STRV_FOREACH (name, names)
                if (r >= 0)
                        r = append_model(router, m, *name);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int method_backends(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return look(userdata, m, append_backends, error);
}

static int method_models(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return look(userdata, m, append_models, error);
}

/* ---- Infer() */

static int bad(sd_bus_error *error, const char *text) {
        return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, text);
}

static int read_messages(sd_bus_message *m, TextTask *t, sd_bus_error *error) {
        static const char *const roles[] = { "system", "user", "assistant" };
        const char *role, *content;
        int r;

        t->messages = new0(TextMessage, TEXT_MESSAGES_MAX);
        if (!t->messages)
                return -ENOMEM;
        r = sd_bus_message_enter_container(m, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(ss)", &role, &content)) > 0) {
                TextMessage *to = &t->messages[t->n_messages];

                if (t->n_messages == TEXT_MESSAGES_MAX)
                        return bad(error, "There are too many messages.");
                for (size_t i = 0; i < ELEMENTSOF(roles); i++)
                        if (streq(role, roles[i]))
                                to->role = roles[i];
                if (!to->role)
                        return bad(error, "A message is of \"system\", \"user\" or \"assistant\".");
                t->size += strlen(content);
                if (t->size > TEXT_SIZE_MAX)
                        return bad(error, "The text is too long.");
                to->content = strdup(content);
                if (!to->content)
                        return -ENOMEM;
                t->n_messages++;
        }
        if (r < 0)
                return r;
        if (t->n_messages == 0 || streq(t->messages[t->n_messages - 1].role, "system"))
                return bad(error, "There is no question.");
        return sd_bus_message_exit_container(m);
}

static int read_option(sd_bus_message *m, const char *name, TextTask *t) {
        const struct {
                const char *name, *type;
                void *to;
        } options[] = {
                { "max_tokens", "x", &t->max_tokens },
                { "top_k", "x", &t->top_k },
                { "seed", "x", &t->seed },
                { "temperature", "d", &t->temperature },
                { "top_p", "d", &t->top_p },
                { "frequency_penalty", "d", &t->frequency_penalty },
                { "presence_penalty", "d", &t->presence_penalty },
        };
        int json;

        for (size_t i = 0; i < ELEMENTSOF(options); i++)
                if (streq(name, options[i].name))
                        return sd_bus_message_read(m, "v", options[i].type, options[i].to);
        if (streq(name, "json")) {
                int r = sd_bus_message_read(m, "v", "b", &json);

                t->json = r >= 0 && json;
                return r;
        }
        return sd_bus_message_skip(m, "v");
}

static int read_options(sd_bus_message *m, TextTask *t) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_option(m, name, t);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_task(sd_bus_message *m, TextTask **ret, sd_bus_error *error) {
        _cleanup_(text_task_freep) TextTask *t = NULL;
        const char *model;
        int r;

        t = new0(TextTask, 1);
        if (!t)
                return -ENOMEM;
        *t = (TextTask){
                .work = KIND_WORK_TEXT,
                .max_tokens = -1,
                .top_k = -1,
                .seed = -1,
                .temperature = NAN,
                .top_p = NAN,
                .frequency_penalty = NAN,
                .presence_penalty = NAN,
        };
        r = sd_bus_message_read(m, "s", &model);
        if (r < 0)
                return r;
        if (strlen(model) >= TEXT_NAME_MAX)
                return bad(error, "No model has such a long name.");
        t->model = strdup(model);
        if (!t->model)
                return -ENOMEM;
        r = read_messages(m, t, error);
        if (r >= 0)
                r = read_options(m, t);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

static int method_infer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_close_ int fd = -EBADF;
        ProviderService *s = userdata;
        TextTask *task = NULL;
        int r;

        r = bus_authorize(service_server(s->service), m, ACTION_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = read_task(m, &task, error);
        if (r < 0)
                return r;
        r = infer_new(s->provider, task,
                        bus_server_role(service_server(s->service), m) == PEER_HOST ? QUEUE_AGENT
                                                                                    : QUEUE_OWNER,
                        &fd);
        if (r == -EBUSY)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "Too many ask at the same time.");
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "The question could not be asked: %m");
        return sd_bus_reply_method_return(m, "h", fd);
}

/* What an agent of this machine pays for one question, before it is asked. */
static int method_quote(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ProviderService *s = userdata;
        int64_t max_tokens;
        const char *model;
        uint64_t bytes;
        int r;

        r = bus_authorize(service_server(s->service), m, ACTION_MANAGE, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "stx", &model, &bytes, &max_tokens);
        if (r < 0)
                return r;
        if (strlen(model) >= TEXT_NAME_MAX || bytes > TEXT_SIZE_MAX)
                return bad(error, "The name of the model or the text is too long.");
        return sd_bus_reply_method_return(m, "x",
                        pricing_text(s->provider->config, model, (int64_t) bytes, max_tokens));
}

/* clang-format off */
const sd_bus_vtable provider_compute_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Backends", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", backends), method_backends, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Models", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(suas)", models), method_models, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Infer", SD_BUS_ARGS("s", model, "a(ss)", messages, "a{sv}", options), SD_BUS_RESULT("h", answer), method_infer, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Quote", SD_BUS_ARGS("s", model, "t", bytes, "x", max_tokens), SD_BUS_RESULT("x", msats), method_quote, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
