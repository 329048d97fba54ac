/* pylon compute: the servers of models, and which models there are. */
#include <inttypes.h>
#include <stdio.h>

#include "bus/names.h"
#include "call.h"
#include "out.h"
#include "table.h"
#include "verb.h"

typedef struct Server {
        const char *name, *type, *url, *socket, *state, *trouble;
        int detected;
        uint32_t slots, used, models;
        uint64_t answers, broken;
} Server;

/* 1 and a server, 0 at the end. */
static int read_server(sd_bus_message *m, Server *s) {
        const struct {
                const char *name, *type;
                void *to;
        } fields[] = {
                { "name", "s", &s->name },
                { "type", "s", &s->type },
                { "url", "s", &s->url },
                { "socket", "s", &s->socket },
                { "state", "s", &s->state },
                { "trouble", "s", &s->trouble },
                { "detected", "b", &s->detected },
                { "slots", "u", &s->slots },
                { "used", "u", &s->used },
                { "models", "u", &s->models },
                { "answers", "t", &s->answers },
                { "broken", "t", &s->broken },
        };
        int r;

        *s = (Server){ "", "", "", "", "", "", 0, 0, 0, 0, 0, 0 };
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r <= 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;
                size_t i = 0;

                r = sd_bus_message_read(m, "s", &name);
                while (i < ELEMENTSOF(fields) && r >= 0 && !streq(fields[i].name, name))
                        i++;
                if (r >= 0)
                        r = i < ELEMENTSOF(fields) ? sd_bus_message_read(m, "v", fields[i].type,
                                                                     fields[i].to)
                                                   : sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

static int servers_json(sd_bus_message *m, Out *o) {
        Server s;
        int r;

        out_array(o, "backends");
        while ((r = read_server(m, &s)) > 0) {
                out_object(o, NULL);
                out_text(o, "name", s.name);
                out_text(o, "type", s.type);
                out_text(o, "url", s.url);
                out_text(o, "socket", *s.socket ? s.socket : NULL);
                out_boolean(o, "detected", s.detected);
                out_text(o, "state", s.state);
                out_text(o, "trouble", *s.trouble ? s.trouble : NULL);
                out_number(o, "slots", s.slots);
                out_number(o, "used", s.used);
                out_number(o, "models", s.models);
                out_number(o, "answers", (int64_t) s.answers);
                out_number(o, "broken", (int64_t) s.broken);
                out_end(o);
        }
        out_end(o);
        return r;
}

static int servers_table(sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        Server s;
        int r;

        r = table_new(7, &t);
        if (r < 0)
                return r;
        (void) table_add(t, _("BACKEND"));
        (void) table_add(t, _("TYPE"));
        (void) table_add(t, _("STATE"));
        (void) table_add(t, _("SLOTS"));
        (void) table_add(t, _("MODELS"));
        (void) table_add(t, _("WHERE"));
        (void) table_add(t, _("TROUBLE"));
        while ((r = read_server(m, &s)) > 0) {
                (void) table_add(t, s.name);
                (void) table_add(t, s.type);
                (void) table_add(t, s.state);
                (void) table_addf(t, "%u/%u", s.used, s.slots);
                (void) table_addf(t, "%u", s.models);
                (void) table_add(t, *s.socket ? s.socket : s.url);
                (void) table_add(t, s.trouble);
        }
        if (r >= 0)
                table_print(t);
        return r;
}

typedef struct Model {
        const char *name;
        uint32_t context;
        char **backends;
} Model;

static int read_model(sd_bus_message *m, Model *model) {
        int r;

        model->backends = NULL;
        r = sd_bus_message_enter_container(m, 'r', "suas");
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "su", &model->name, &model->context);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &model->backends);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

static void model_done(Model *model) {
        for (char **s = model->backends; s && *s; s++)
                free(*s);
        free(model->backends);
}

static int models_json(sd_bus_message *m, Out *o) {
        Model model;
        int r;

        out_array(o, "models");
        while ((r = read_model(m, &model)) > 0) {
                out_object(o, NULL);
                out_text(o, "name", model.name);
                if (model.context > 0)
                        out_number(o, "context", model.context);
                else
                        out_null(o, "context");
                out_array(o, "backends");
                for (char **s = model.backends; s && *s; s++)
                        out_text(o, NULL, *s);
                out_end(o);
                out_end(o);
                model_done(&model);
        }
        out_end(o);
        return r;
}

static void add_model(Table *t, const Model *model) {
        _cleanup_buffer_ Buffer where = { .max = 8192 };

        for (char **s = model->backends; s && *s; s++)
                (void) buffer_addf(&where, "%s%s", s == model->backends ? "" : ", ", *s);
        (void) table_add(t, model->name);
        if (model->context > 0)
                (void) table_addf(t, "%u", model->context);
        else
                (void) table_add(t, "?");
        (void) table_add(t, where.data ?: "");
}

static int models_table(sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        Model model;
        int r;

        r = table_new(3, &t);
        if (r < 0)
                return r;
        (void) table_add(t, _("MODEL"));
        (void) table_add(t, _("CONTEXT"));
        (void) table_add(t, _("BACKENDS"));
        while ((r = read_model(m, &model)) > 0) {
                add_model(t, &model);
                model_done(&model);
        }
        if (r < 0)
                return r;
        (void) printf("\n");
        table_print(t);
        return 0;
}

static int tell(const Cli *cli, sd_bus_message *servers, sd_bus_message *models) {
        _cleanup_(out_done) Out o = OUT_INIT;
        int r;

        r = sd_bus_message_enter_container(servers, 'a', "a{sv}");
        if (r >= 0)
                r = sd_bus_message_enter_container(models, 'a', "(suas)");
        if (r < 0)
                return r;
        if (!cli->args.json) {
                r = servers_table(servers);
                return r < 0 ? r : models_table(models);
        }
        out_object(&o, NULL);
        r = servers_json(servers, &o);
        if (r >= 0)
                r = models_json(models, &o);
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

int verb_compute(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *servers = NULL, *models = NULL;
        _cleanup_(remote_done) Remote provider = { 0 };
        CallError error;
        int r;

        r = remote_open(cli, "provider", &provider, &error);
        provider.interface = BUS_PROVIDER_COMPUTE;
        if (r >= 0)
                r = remote_call(&provider, "Backends", &servers, &error, NULL);
        if (r >= 0)
                r = remote_call(&provider, "Models", &models, &error, NULL);
        if (r < 0)
                return call_fail(cli, &error);
        return tell(cli, servers, models) < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}
