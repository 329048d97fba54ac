/* pylon job submit: asks the host to buy one result, shows how it goes on stderr, and the result on
 * stdout. */
#include <stdio.h>

#include "basic/codec.h"
#include "basic/json.h"
#include "bus/names.h"
#include "call.h"
#include "nostr/nip19.h"
#include "out.h"
#include "question.h"
#include "text.h"
#include "verb.h"

#define KIND_POW        5970
#define POW_DEFAULT     16
#define POW_MAX         256
#define TIMEOUT_DEFAULT (5 * MIN_)
#define ANSWER_EXTRA    (10 * SEC) /* the host's own deadline comes first */

typedef struct Purchase {
        const Cli *cli;
        Remote host;
        uint16_t kind;
        char provider[HEX32_MAX]; /* "" any */
        char *input;
        const char *input_type;
        usec_t timeout;
        char *job_id;
        sd_bus_message *reply; /* of Result() */
} Purchase;

static void purchase_done(Purchase *p) {
        sd_bus_message_unref(p->reply);
        remote_done(&p->host);
        free(p->input);
        free(p->job_id);
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
        p->cli = cli;
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
        if (a->bid > INT64_MAX)
                return cli_fail(cli, "Usage", "%s", _("There is not that much money."));
        p->timeout = a->timeout > 0 ? a->timeout : TIMEOUT_DEFAULT;
        p->input_type = "text";
        r = p->kind == KIND_POW && !is_json_object(text) ? note_of(text, &p->input)
            : (p->input = strdup(text))                  ? 0
                                                         : -ENOMEM;
        return r < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int append_parameters(const Purchase *p, sd_bus_message *m) {
        char bits[16];

        if (p->kind != KIND_POW)
                return sd_bus_message_append(m, "a(ss)", 0);
        (void) snprintf(bits, sizeof(bits), "%u",
                        p->cli->args.pow > 0 ? p->cli->args.pow : POW_DEFAULT);
        return sd_bus_message_append(m, "a(ss)", 1, "pow", bits);
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
        const Arguments *a = &p->cli->args;
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "timeout", "u",
                                (uint32_t) MAX(p->timeout / SEC, UINT64_C(1)));
        if (r >= 0 && a->bid > 0)
                r = sd_bus_message_append(m, "{sv}", "bid", "x", (int64_t) a->bid);
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

        r = remote_message(&p->host, "Submit", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "qss", p->kind, p->input, p->input_type);
        if (r >= 0)
                r = append_parameters(p, m);
        if (r >= 0)
                r = append_options(p, m);
        if (r < 0)
                return cli_out_of_memory(p->cli);
        if (remote_send(&p->host, m, 0, &reply, &error) < 0)
                return call_fail(p->cli, &error);
        if (sd_bus_message_read(reply, "s", &id) < 0)
                return call_unreadable(p->cli);
        p->job_id = strdup(id);
        return p->job_id ? EXIT_SUCCESS : cli_out_of_memory(p->cli);
}

/* Progress(s job_id, s status, s text) */
static int on_progress(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const Purchase *p = userdata;
        const char *id, *status, *text;
        _cleanup_free_ char *copy = NULL;

        if (sd_bus_message_read(m, "sss", &id, &status, &text) < 0 || !p->job_id ||
                        !streq(id, p->job_id) || p->cli->args.json)
                return 0;
        copy = strdup(text);
        if (copy)
                (void) fprintf(stderr, "%s%s%s\n", status, *text ? ": " : "", printable(copy));
        return 0;
}

static int print_result(const Purchase *p, const char *provider, const char *event) {
        _cleanup_(json_unrefp) Json *root = NULL;
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *content = NULL, *reason;

        if (json_parse(event, strlen(event), 32, 100000, &root, &reason) < 0 ||
                        json_string(json_get(root, "content"), &content) < 0)
                return call_unreadable(p->cli);
        if (!p->cli->args.json) {
                (void) printf("%s\n", content);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "id", p->job_id);
        out_text(&o, "provider", provider);
        out_text(&o, "content", content);
        out_raw(&o, "event", event);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int on_result(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Purchase *p = userdata;

        p->reply = sd_bus_message_ref(m);
        return 0;
}

/* Until the result is there, what the host says of its progress is shown. */
static int wait_for_reply(Purchase *p, sd_bus_message *m) {
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        int r;

        r = sd_bus_call_async(p->host.bus, &slot, m, on_result, p, p->timeout + ANSWER_EXTRA);
        while (r >= 0 && !p->reply) {
                r = sd_bus_process(p->host.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(p->host.bus, UINT64_MAX); /* the call has its deadline */
        }
        return r;
}

static int read_result(const Purchase *p) {
        const char *status, *provider, *event, *message;
        const sd_bus_error *e = sd_bus_message_get_error(p->reply);

        if (e)
                return cli_fail(p->cli, error_name(e->name), "%s", e->message);
        if (sd_bus_message_read(p->reply, "ssss", &status, &provider, &event, &message) < 0)
                return call_unreadable(p->cli);
        if (isempty(event))
                return cli_fail(p->cli, "JobFailed", _("The job ended without a result (%s): %s"),
                                status, *message ? message : _("no reason was given"));
        return print_result(p, provider, event);
}

static int wait_for_result(Purchase *p) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (remote_message(&p->host, "Result", &m) < 0 ||
                        sd_bus_message_append(m, "s", p->job_id) < 0)
                return cli_out_of_memory(p->cli);
        r = wait_for_reply(p, m);
        if (r < 0)
                return cli_fail(p->cli, "NotReachable",
                                _("The connection to pylon-host ended: %s."), strerror(-r));
        return read_result(p);
}

int verb_job_submit(Cli *cli) {
        _cleanup_(purchase_done) Purchase p = { 0 };
        CallError error;
        int r;

        r = prepare(cli, &p);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_open(cli, "host", &p.host, &error) < 0)
                return call_fail(cli, &error);
        if (sd_bus_match_signal(p.host.bus, NULL, p.host.destination, BUS_PATH, BUS_HOST,
                            "Progress", on_progress, &p) < 0)
                return cli_out_of_memory(cli);
        r = submit(&p);
        if (r != EXIT_SUCCESS)
                return r;
        if (!cli->args.json)
                (void) fprintf(stderr, _("Job %s is on its way.\n"), p.job_id);
        return wait_for_result(&p);
}
