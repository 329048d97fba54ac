#include "await.h"

#include <stdio.h>
#include <time.h>

#include "basic/json.h"
#include "bus/names.h"
#include "out.h"
#include "qr.h"
#include "question.h"
#include "text.h"
#include "verb.h"

#define ANSWER_EXTRA (2 * SEC) /* the host's own deadline comes first */
#define AGAIN_MAX    50
#define AGAIN_USEC   (200 * MSEC)

static usec_t now_monotonic(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (usec_t) t.tv_sec * SEC + (usec_t) t.tv_nsec / 1000;
}

void await_done(Await *a) {
        a->reply = sd_bus_message_unref(a->reply);
        remote_done(&a->host);
        free(a->job_id);
}

static void show_invoice(const char *bolt11) {
        qr_print_invoice(stderr, bolt11);
        (void) fprintf(stderr, _("The provider wants to be paid first. Pay this invoice:\n%s\n"),
                        bolt11);
}

/* Progress(s job_id, s status, s text) */
static int on_progress(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const Await *a = userdata;
        const char *id, *status, *text;
        _cleanup_free_ char *copy = NULL;

        if (sd_bus_message_read(m, "sss", &id, &status, &text) < 0 || !a->job_id ||
                        !startswith(id, a->job_id) || a->cli->args.json)
                return 0;
        copy = strdup(text);
        if (!copy)
                return 0;
        if (streq(status, "invoice"))
                show_invoice(printable(copy));
        else
                (void) fprintf(stderr, "%s%s%s\n", status, *text ? ": " : "", printable(copy));
        return 0;
}

int await_open(Await *a) {
        CallError error;

        if (remote_open(a->cli, "host", &a->host, &error) < 0)
                return call_fail(a->cli, &error);
        if (sd_bus_match_signal(a->host.bus, NULL, a->host.destination, BUS_PATH, BUS_HOST,
                            "Progress", on_progress, a) < 0)
                return cli_out_of_memory(a->cli);
        return EXIT_SUCCESS;
}

static int print_result(const Await *a, const char *provider, const char *event) {
        _cleanup_(json_unrefp) Json *root = NULL;
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *content = NULL, *id = NULL, *reason;

        if (json_parse(event, strlen(event), 32, 100000, &root, &reason) < 0 ||
                        json_string(json_get(root, "content"), &content) < 0 ||
                        json_string(json_get(root, "id"), &id) < 0)
                return call_unreadable(a->cli);
        if (!a->cli->args.json) {
                (void) printf("%s\n", content);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "id", a->job_id);
        out_text(&o, "state", "success");
        out_text(&o, "provider", provider);
        out_text(&o, "content", content);
        out_raw(&o, "event", event);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int on_result(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        Await *a = userdata;

        a->reply = sd_bus_message_ref(m);
        return 1; /* 0, and sd_bus_process() would say that nothing came when the time is over */
}

/* Until the result is there, what the host says of its progress is shown. */
static int wait_for_reply(Await *a, usec_t until) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
        usec_t now = now_monotonic();
        int r;

        r = remote_message(&a->host, "Result", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", a->job_id);
        if (r >= 0)
                r = sd_bus_call_async(
                                a->host.bus, &slot, m, on_result, a, until > now ? until - now : 1);
        while (r >= 0 && !a->reply) {
                r = sd_bus_process(a->host.bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(a->host.bus, UINT64_MAX); /* the call has its deadline */
        }
        return r;
}

/* The connection ended before an answer came: pylon-host was killed, and is back soon. sd-bus has
 * the same name for that and for a time that is over. */
static bool was_cut(const Await *a, int r) {
        const sd_bus_error *e = a->reply ? sd_bus_message_get_error(a->reply) : NULL;

        return r < 0 || sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY) ||
               sd_bus_error_has_name(e, SD_BUS_ERROR_DISCONNECTED);
}

static int come_back(Await *a) {
        CallError error;
        int r = -ENOTCONN;

        a->reply = sd_bus_message_unref(a->reply);
        remote_done(&a->host);
        for (unsigned i = 0; i < AGAIN_MAX && r < 0; i++) {
                const struct timespec pause = { .tv_nsec = AGAIN_USEC * 1000 };

                (void) clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
                r = remote_open(a->cli, "host", &a->host, &error);
        }
        if (r >= 0)
                r = sd_bus_match_signal(a->host.bus, NULL, a->host.destination, BUS_PATH, BUS_HOST,
                                "Progress", on_progress, a);
        return r;
}

static int say_end(const Await *a, const char *status, const char *message) {
        return cli_fail(a->cli, "JobFailed", _("The job ended without a result (%s): %s"), status,
                        *message ? message : _("no reason was given"));
}

static int read_result(const Await *a) {
        const char *status, *provider, *event, *message;
        const sd_bus_error *e = sd_bus_message_get_error(a->reply);

        if (e)
                return cli_fail(a->cli, error_name(e->name), "%s", e->message);
        if (sd_bus_message_read(a->reply, "ssss", &status, &provider, &event, &message) < 0)
                return call_unreadable(a->cli);
        return isempty(event) ? say_end(a, status, message) : print_result(a, provider, event);
}

int await_result(Await *a) {
        usec_t until = now_monotonic() + a->timeout + ANSWER_EXTRA;
        int r;

        for (;;) {
                r = wait_for_reply(a, until);
                if (!was_cut(a, r))
                        return read_result(a);
                if (now_monotonic() >= until)
                        return cli_fail(a->cli, "TimedOut",
                                        _("There is no result yet, and the purchase goes on; `pylon job result %.12s` shows it."),
                                        a->job_id);
                r = come_back(a);
                if (r < 0)
                        return cli_fail(a->cli, "NotReachable",
                                        _("The connection to pylon-host ended: %s."), strerror(-r));
        }
}

/* ---- looking */

typedef struct Invoice {
        const char *bolt11;
        int64_t amount_msat;
} Invoice;

static int read_invoice(sd_bus_message *m, Invoice *ret) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0 && streq(name, "bolt11"))
                        r = sd_bus_message_read(m, "v", "s", &ret->bolt11);
                else if (r >= 0 && streq(name, "amount_msats"))
                        r = sd_bus_message_read(m, "v", "x", &ret->amount_msat);
                else if (r >= 0)
                        r = sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int print_state(const Await *a, const char *status, const Invoice *i) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (!a->cli->args.json) {
                (void) printf("%s\n", status);
                if (streq(status, "unpaid"))
                        show_invoice(i->bolt11);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "id", a->job_id);
        out_text(&o, "state", status);
        out_text(&o, "bolt11", *i->bolt11 ? i->bolt11 : NULL);
        out_number(&o, "amount_msats", i->amount_msat);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int look_open(const Await *a, const char *status) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote store = { 0 };
        Invoice invoice = { .bolt11 = "" };
        CallError error;
        int r;

        r = remote_open(a->cli, "store", &store, &error);
        if (r >= 0)
                r = remote_call(&store, "GetPurchase", &reply, &error, "s", a->job_id);
        if (r < 0)
                return call_fail(a->cli, &error);
        if (read_invoice(reply, &invoice) < 0)
                return call_unreadable(a->cli);
        return print_state(a, status, &invoice);
}

int await_look(Await *a) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *status, *provider, *event, *message;
        CallError error;

        if (remote_call(&a->host, "Look", &reply, &error, "s", a->job_id) < 0)
                return call_fail(a->cli, &error);
        if (sd_bus_message_read(reply, "ssss", &status, &provider, &event, &message) < 0)
                return call_unreadable(a->cli);
        if (!isempty(event))
                return print_result(a, provider, event);
        if (streq(status, "error") || streq(status, "timeout"))
                return say_end(a, status, message);
        return look_open(a, status);
}

#define TIMEOUT_DEFAULT (5 * MIN_)

int verb_job_result(Cli *cli) {
        _cleanup_(await_done) Await a = { .cli = cli };
        int r;

        r = cli_check_text(cli, cli->args.rest[0]);
        if (r != EXIT_SUCCESS)
                return r;
        a.timeout = cli->args.timeout > 0 ? cli->args.timeout : TIMEOUT_DEFAULT;
        a.job_id = strdup(cli->args.rest[0]);
        if (!a.job_id)
                return cli_out_of_memory(cli);
        r = await_open(&a);
        if (r != EXIT_SUCCESS)
                return r;
        return cli->args.no_wait ? await_look(&a) : await_result(&a);
}
