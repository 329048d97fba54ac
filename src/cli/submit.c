/* pylon job submit: asks the host to buy one result, shows how it goes on stderr, and the result on
 * stdout. */
#include <stdio.h>

#include "await.h"
#include "basic/codec.h"
#include "basic/json.h"
#include "nostr/nip19.h"
#include "out.h"
#include "text.h"
#include "verb.h"

#define KIND_POW        5970
#define POW_DEFAULT     16
#define POW_MAX         256
#define TIMEOUT_DEFAULT (5 * MIN_)

typedef struct Purchase {
        Await await;
        uint16_t kind;
        char provider[HEX32_MAX]; /* "" any */
        char *input;
        const char *input_type;
} Purchase;

static void purchase_done(Purchase *p) {
        await_done(&p->await);
        free(p->input);
}

static bool is_json_object(const char *text) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason;

        return json_parse(text, strlen(text), 32, 100000, &j, &reason) >= 0 && json_is_object(j);
}

/* Work is done on an event that its author signs later. A plain text is a note of the buyer's:
 * without a pubkey the one who asks is meant. */
static int note_of(const char *text, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = 1 << 20 };
        int r;

        r = buffer_addf(&b, "{\"kind\":1,\"created_at\":%lld,\"tags\":[],\"content\":",
                        (long long) now_seconds());
        if (r >= 0)
                r = json_write_string(&b, text, strlen(text));
        if (r >= 0)
                r = buffer_add(&b, "}", 1);
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

static int prepare(const Cli *cli, Purchase *p) {
        const Arguments *a = &cli->args;
        const char *text = a->rest[0], *reason = NULL;
        uint8_t key[32];
        int r;

        r = cli_check_text(cli, text);
        if (r != EXIT_SUCCESS)
                return r;
        p->kind = a->kind > 0 ? (uint16_t) MIN(a->kind, 65535U) : KIND_POW;
        if (p->kind < 5000 || p->kind > 5999)
                return cli_fail(cli, "Usage", "%s", _("Requests are of kinds 5000 to 5999."));
        if (a->pow > POW_MAX)
                return cli_fail(cli, "Usage", _("An event's id has %d bits."), POW_MAX);
        if (a->pow > 0 && p->kind != KIND_POW)
                return cli_fail(cli, "Usage", "%s", _("--pow belongs to kind 5970."));
        if (a->provider) {
                if (pubkey_parse(a->provider, key, &reason) < 0)
                        return cli_fail(cli, "Usage", _("\"%s\" is no public key: %s."),
                                        a->provider, reason ?: "");
                hex_encode(key, sizeof(key), p->provider);
        }
        if (a->auto_pay && a->max == 0)
                return cli_fail(cli, "Usage", "%s", _("--auto-pay needs a limit: --max MSATS."));
        if (a->bid > INT64_MAX || a->max > INT64_MAX)
                return cli_fail(cli, "Usage", "%s", _("There is not that much money."));
        p->await.timeout = a->timeout > 0 ? a->timeout : TIMEOUT_DEFAULT;
        p->input_type = "text";
        r = p->kind == KIND_POW && !is_json_object(text) ? note_of(text, &p->input)
            : (p->input = strdup(text))                  ? 0
                                                         : -ENOMEM;
        return r < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int append_parameter(sd_bus_message *m, const char *name, size_t n, const char *value) {
        _cleanup_free_ char *copy = strndup(name, n);

        return copy ? sd_bus_message_append(m, "(ss)", copy, value) : -ENOMEM;
}

static int append_parameters(const Purchase *p, sd_bus_message *m) {
        const Arguments *a = &p->await.cli->args;
        char bits[16];
        int r;

        r = sd_bus_message_open_container(m, 'a', "(ss)");
        if (r >= 0 && p->kind == KIND_POW) {
                (void) snprintf(bits, sizeof(bits), "%u", a->pow > 0 ? a->pow : POW_DEFAULT);
                r = sd_bus_message_append(m, "(ss)", "pow", bits);
        }
        if (r >= 0 && a->model)
                r = sd_bus_message_append(m, "(ss)", "model", a->model);
        for (size_t i = 0; r >= 0 && i < a->n_params; i++) {
                const char *equals = strchr(a->params[i], '=');

                r = append_parameter(m, a->params[i], (size_t) (equals - a->params[i]), equals + 1);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_relays(const Arguments *a, sd_bus_message *m) {
        int r;

        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "relays");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < a->n_relays; i++)
                r = sd_bus_message_append(m, "s", a->relays[i]);
        for (int i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_options(const Purchase *p, sd_bus_message *m) {
        const Arguments *a = &p->await.cli->args;
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "timeout", "u",
                                (uint32_t) MAX(p->await.timeout / SEC, UINT64_C(1)));
        if (r >= 0 && a->bid > 0)
                r = sd_bus_message_append(m, "{sv}", "bid", "x", (int64_t) a->bid);
        if (r >= 0 && a->auto_pay)
                r = sd_bus_message_append(m, "{sv}", "auto_pay", "b", true);
        if (r >= 0 && a->max > 0)
                r = sd_bus_message_append(m, "{sv}", "max", "x", (int64_t) a->max);
        if (r >= 0 && *p->provider)
                r = sd_bus_message_append(m, "{sv}", "provider", "s", p->provider);
        if (r >= 0 && a->n_relays > 0)
                r = append_relays(a, m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int submit(Purchase *p) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const char *id;
        CallError error;
        int r;

        r = remote_message(&p->await.host, "Submit", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "qss", p->kind, p->input, p->input_type);
        if (r >= 0)
                r = append_parameters(p, m);
        if (r >= 0)
                r = append_options(p, m);
        if (r < 0)
                return cli_out_of_memory(p->await.cli);
        if (remote_send(&p->await.host, m, 0, &reply, &error) < 0)
                return call_fail(p->await.cli, &error);
        if (sd_bus_message_read(reply, "s", &id) < 0)
                return call_unreadable(p->await.cli);
        p->await.job_id = strdup(id);
        return p->await.job_id ? EXIT_SUCCESS : cli_out_of_memory(p->await.cli);
}

static int print_id(const Purchase *p) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (!p->await.cli->args.json) {
                (void) printf("%s\n", p->await.job_id);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "id", p->await.job_id);
        out_text(&o, "state", "asking");
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int verb_job_submit(Cli *cli) {
        _cleanup_(purchase_done) Purchase p = { .await.cli = cli };
        int r;

        r = prepare(cli, &p);
        if (r == EXIT_SUCCESS)
                r = await_open(&p.await);
        if (r == EXIT_SUCCESS)
                r = submit(&p);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.no_wait)
                return print_id(&p);
        if (!cli->args.json)
                (void) fprintf(stderr, _("Job %s is on its way.\n"), p.await.job_id);
        return await_result(&p.await);
}
