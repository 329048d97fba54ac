/* pylon config check|show. */
#include <stdio.h>

#include "manager.h"
#include "out.h"
#include "verb.h"

typedef struct Check {
        const Cli *cli;
        const char *path;
        Out out;
        unsigned counts[_CONFIG_SEVERITY_MAX];
} Check;

static const char *severity_name(ConfigSeverity s) {
        switch (s) {
        case CONFIG_ERROR:
                return N_("error");
        case CONFIG_WARNING:
                return N_("warning");
        case CONFIG_NOTICE:
        case _CONFIG_SEVERITY_MAX:
                break;
        }
        return N_("note");
}

static void on_remark(const ConfigRemark *r, void *userdata) {
        Check *c = userdata;

        c->counts[r->severity]++;
        if (!c->cli->args.json) {
                (void) printf("%s:%u:%u: %s: %s.\n", c->path, r->line, r->column,
                                _(severity_name(r->severity)), r->text);
                return;
        }
        out_object(&c->out, NULL);
        out_text(&c->out, "severity", severity_name(r->severity));
        out_number(&c->out, "line", r->line);
        out_number(&c->out, "column", r->column);
        out_text(&c->out, "message", r->text);
        out_end(&c->out);
}

static int check_end(Check *c, bool valid) {
        int r = 0;

        if (c->cli->args.json) {
                out_end(&c->out);
                out_boolean(&c->out, "valid", valid);
                out_end(&c->out);
                r = out_print(&c->out);
        } else if (valid)
                (void) printf(_("%s is valid.\n"), c->path);
        else
                (void) printf(_("%s is not valid.\n"), c->path);
        if (r < 0)
                return EXIT_FAILURE;
        return valid ? EXIT_SUCCESS : EXIT_CONFIG;
}

/* The one verb that must work with a configuration that does not. */
int verb_config_check(Cli *cli) {
        Check c = { .cli = cli, .out = OUT_INIT };
        bool system = cli->args.system ||
                      (!cli->args.user && getuid() == 0 && manager_has_pylon(SCOPE_SYSTEM));
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(paths_freep) Paths *paths = NULL;
        const char *reason = "";
        int r;

        r = paths_new(system ? SCOPE_SYSTEM : SCOPE_USER, cli->args.config, NULL, &paths, &reason);
        if (r < 0)
                return cli_fail(cli, "ConfigInvalid", _("Pylon's files cannot be found: %s."),
                                reason);
        c.path = paths->config;
        if (cli->args.json) {
                out_object(&c.out, NULL);
                out_text(&c.out, "path", c.path);
                out_array(&c.out, "remarks");
        }
        r = config_load(c.path, on_remark, &c, &config);
        r = check_end(&c, r >= 0);
        out_done(&c.out);
        return r;
}

/* The sections, one after the other: its items are those from *i up to the next section's. Of a
 * list of sections each row is told, of any other the only one. */
typedef int (*tell_row_t)(Cli *cli, const ConfigItem *first, size_t row, Out *o);

static int for_each_section(Cli *cli, Out *o, tell_row_t tell) {
        const char *section = NULL;
        const ConfigItem *item;
        int r = 0;

        for (size_t i = 0; r >= 0 && (item = config_item_at(i)); i++) {
                size_t n = config_item_n_rows(item, cli->config);

                if (section && streq(section, config_item_section(item)))
                        continue;
                section = config_item_section(item);
                if (o && config_item_is_listed(item))
                        out_array(o, section);
                for (size_t row = 0; r >= 0 && row < n; row++)
                        r = tell(cli, item, row, o);
                if (o && config_item_is_listed(item))
                        out_end(o);
        }
        return r;
}

static bool is_in_section(const ConfigItem *item, const ConfigItem *first) {
        return item && streq(config_item_section(item), config_item_section(first));
}

static size_t item_index(const ConfigItem *item) {
        size_t i = 0;

        while (config_item_at(i) != item)
                i++;
        return i;
}

static int tell_json(Cli *cli, const ConfigItem *first, size_t row, Out *o) {
        bool nested = config_item_is_listed(first) || !isempty(config_item_section(first));
        const ConfigItem *item;

        if (nested)
                out_object(o, config_item_is_listed(first) ? NULL : config_item_section(first));
        for (size_t i = item_index(first); is_in_section(item = config_item_at(i), first); i++) {
                _cleanup_buffer_ Buffer value = { .max = 1 << 20 };

                if (config_item_write(item, cli->config, row, &value) < 0)
                        return -ENOMEM;
                out_raw(o, config_item_key(item), value.data);
        }
        if (nested)
                out_end(o);
        return 0;
}

static int tell_toml(Cli *cli, const ConfigItem *first, size_t row, _unused_ Out *o) {
        const ConfigItem *item;

        if (config_item_is_listed(first))
                (void) printf("\n[[%s]]\n", config_item_section(first));
        else if (!isempty(config_item_section(first)))
                (void) printf("\n[%s]\n", config_item_section(first));
        for (size_t i = item_index(first); is_in_section(item = config_item_at(i), first); i++) {
                _cleanup_buffer_ Buffer value = { .max = 1 << 20 };

                if (config_item_write(item, cli->config, row, &value) < 0)
                        return -ENOMEM;
                (void) printf("# %s\n%s = %s\n", config_item_help(item), config_item_key(item),
                                value.data);
        }
        return 0;
}

int verb_config_show(Cli *cli) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (cli->args.json) {
                out_object(&o, NULL);
                if (for_each_section(cli, &o, tell_json) < 0)
                        return cli_out_of_memory(cli);
                out_end(&o);
                return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        (void) printf("# %s\n", cli->paths->config);
        if (for_each_section(cli, NULL, tell_toml) < 0)
                return cli_out_of_memory(cli);
        return EXIT_SUCCESS;
}
