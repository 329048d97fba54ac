/* pylon ledger verify: every invariant of the books, and what the wallet's backend says it holds.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#include "call.h"
#include "out.h"
#include "text.h"
#include "verb.h"

#define CHECKS_MAX      32
#define VERIFY_TIMEOUT  (10 * MIN_) /* of the store; it reads all of the books */
#define LOOKS           4           /* at the wallet, before it is called wrong */
#define LOOK_AGAIN_MSEC 500

/* clang-format off */
static const struct { const char *check, *sentence; } sentences[] = {
        { "complete",     N_("No entry is missing.") },
        { "balanced",     N_("Every entry and all accounts together sum up to 0.") },
        { "balances",     N_("Each balance is the sum of what was booked.") },
        { "reservations", N_("What is reserved is what open payments want.") },
        { "invoices",     N_("Every paid invoice was booked once, with its amount.") },
        { "payments",     N_("Every settled payment was booked once, with its fee.") },
        { "held",         N_("Customers' money is what their jobs brought.") },
        { "jobs",         N_("Every paid job is on its way, delivered or owed.") },
        { "earnings",     N_("What delivered jobs brought is what was earned.") },
        { "grants",       N_("What grants have used is what their payments took.") },
        { "debts",        N_("No account has spent more than it had.") },
        { "clock",        N_("The time in the books never went backwards.") },
        { "driver",       N_("The wallet holds what the books say.") },
};
/* clang-format on */

typedef struct Check {
        const char *name, *detail;
        int ok;
} Check;

typedef struct Result {
        sd_bus_message *reply; /* whose texts these are */
        Check checks[CHECKS_MAX];
        size_t n;
        bool bad;
        char detail[256]; /* of the wallet's check */
} Result;

static void result_add(Result *r, const Check *check) {
        if (r->n < CHECKS_MAX)
                r->checks[r->n++] = *check;
        r->bad |= !check->ok;
}

static const char *sentence_of(const char *check) {
        for (size_t i = 0; i < ELEMENTSOF(sentences); i++)
                if (streq(sentences[i].check, check))
                        return _(sentences[i].sentence);
        return check;
}

static int print_result(Cli *cli, const Result *result) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (!cli->args.json) {
                for (size_t i = 0; i < result->n; i++) {
                        const Check *c = result->checks + i;

                        (void) printf("%s %s\n", c->ok ? _("right:") : _("WRONG:"),
                                        sentence_of(c->name));
                        if (!c->ok)
                                (void) printf("    %s\n", c->detail);
                }
                (void) printf("%s\n", result->bad ? _("The books are wrong.")
                                                  : _("The books are right."));
                return 0;
        }

        out_object(&o, NULL);
        out_boolean(&o, "ok", !result->bad);
        out_array(&o, "checks");
        for (size_t i = 0; i < result->n; i++) {
                out_object(&o, NULL);
                out_text(&o, "check", result->checks[i].name);
                out_boolean(&o, "ok", result->checks[i].ok);
                out_text(&o, "detail", *result->checks[i].detail ? result->checks[i].detail : NULL);
                out_end(&o);
        }
        out_end(&o);
        out_end(&o);
        return out_print(&o);
}

static int ask_store(Cli *cli, Result *result) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(remote_done) Remote store = { 0 };
        CallError error = { .name = "NoMemory" };
        Check c;
        int r;

        r = remote_open(cli, "store", &store, &error);
        if (r >= 0)
                r = remote_message(&store, "VerifyLedger", &m);
        if (r >= 0)
                r = remote_send(&store, m, VERIFY_TIMEOUT, &result->reply, &error);
        if (r < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(result->reply, 'a', "(sbs)");
        while (r >= 0 && (r = sd_bus_message_read(
                                          result->reply, "(sbs)", &c.name, &c.ok, &c.detail)) > 0)
                result_add(result, &c);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* The line about the driver, in what the wallet says: "driver: ok" or "driver: wrong, …". False:
 * there is none. */
static bool read_driver(const char *report, Result *result, Check *ret) {
        const char *line = startswith(report, "driver: ") ?: strstr(report, "\ndriver: ");
        const char *wrong;

        if (!line)
                return false;
        line = startswith(line, "\ndriver: ") ?: line;
        wrong = startswith(line, "wrong, ");
        *ret = (Check){ .name = "driver", .detail = result->detail, .ok = !wrong };
        result->detail[0] = 0;
        if (wrong)
                (void) snprintf(result->detail, sizeof(result->detail), "%.*s",
                                (int) strcspn(wrong, "\n"), wrong);
        return true;
}

/* Without a wallet there is nothing to compare with. A payment that arrives just now is at the
 * backend a moment before it is in the books. */
static int ask_wallet(Cli *cli, Result *result) {
        _cleanup_(remote_done) Remote wallet = { 0 };
        Check c = { 0 };
        CallError error;
        int r;

        r = remote_open(cli, "wallet", &wallet, &error);
        for (int i = 0; r >= 0 && !c.ok && i < LOOKS; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                const char *report;
                int ok;

                if (i > 0)
                        (void) poll(NULL, 0, LOOK_AGAIN_MSEC);
                r = remote_call(&wallet, "Verify", &reply, &error, "");
                if (r < 0)
                        break;
                if (sd_bus_message_read(reply, "bs", &ok, &report) < 0)
                        return call_unreadable(cli);
                if (!read_driver(report, result, &c))
                        return EXIT_SUCCESS;
        }
        if (r < 0)
                cli_say(cli, _("What the wallet holds was not compared: %s"), error.message);
        else
                result_add(result, &c);
        return EXIT_SUCCESS;
}

int verb_ledger_verify(Cli *cli) {
        Result result = { 0 };
        int r;

        r = ask_store(cli, &result);
        if (r == EXIT_SUCCESS)
                r = ask_wallet(cli, &result);
        if (r == EXIT_SUCCESS && print_result(cli, &result) < 0)
                r = cli_out_of_memory(cli);
        sd_bus_message_unref(result.reply);
        return r != EXIT_SUCCESS ? r : result.bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
