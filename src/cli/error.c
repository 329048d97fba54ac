/* The one table from the name of an error to what a person can do about it, and the exit code. */
#include <stdarg.h>
#include <stdio.h>

#include "basic/text.h"
#include "cli.h"
#include "out.h"

typedef struct ErrorRow {
        const char *name;
        int exit_code;
        const char *hint;
} ErrorRow;

/* clang-format off */
static const ErrorRow rows[] = {
        { "AgentExists",    EXIT_CANTCREAT,   N_("`pylon agent list` shows the agents. Take another name; --key-there brings one back that was deleted.") },
        { "AlreadyRunning", EXIT_FAILURE,     N_("`pylon stop` ends it.") },
        { "Ambiguous",      EXIT_FAILURE,     N_("Give more characters of the id.") },
        { "BadEvent",       EXIT_FAILURE,     NULL },
        { "BadInput",       EXIT_USAGE,       NULL },
        { "Busy",           EXIT_UNAVAILABLE, N_("A limit is reached. Try again later.") },
        { "CannotCreate",   EXIT_CANTCREAT,   N_("Look at the free space and the owner of the folder.") },
        { "ConfigInvalid",  EXIT_CONFIG,      N_("`pylon config check` says all that is wrong, `man pylon.toml` what is allowed.") },
        { "Damaged",        EXIT_FAILURE,     N_("Restore the file from a backup; the damaged one is left as it is.") },
        { "Failed",         EXIT_FAILURE,     NULL },
        { "JobFailed",      EXIT_FAILURE,     NULL },
        { "KeyExists",      EXIT_CANTCREAT,   N_("`pylon init --force` replaces it. Its words are then the only way back to it.") },
        { "MoneyLeft",      EXIT_FAILURE,     N_("`pylon agent delete NAME --sweep-to owner` takes the money back first; an invoice or an address does, too.") },
        { "NoBackend",      EXIT_UNAVAILABLE, N_("`pylon compute` shows the servers of models and what is wrong with them.") },
        { "NoKey",          EXIT_CONFIG,      N_("Make an identity with `pylon init`.") },
        { "NoMemory",       EXIT_FAILURE,     NULL },
        { "NoMoney",        EXIT_FAILURE,     N_("`pylon wallet balance` shows what there is, `pylon wallet grant` who may spend it.") },
        { "NoRegtest",      EXIT_FAILURE,     N_("Real money comes by an invoice: `pylon wallet invoice`.") },
        { "NoSuchAgent",    EXIT_FAILURE,     N_("`pylon agent list` shows the agents that are here.") },
        { "NoSuchApproval", EXIT_FAILURE,     N_("`pylon agent approvals` lists what waits.") },
        { "NoSuchJob",      EXIT_FAILURE,     N_("`pylon job list` shows the jobs that are known.") },
        { "NoSuchModel",    EXIT_FAILURE,     N_("`pylon compute` lists the models.") },
        { "NoSuchPayment",  EXIT_FAILURE,     N_("`pylon wallet history` lists what came and went.") },
        { "NoSuchRelay",    EXIT_FAILURE,     N_("`pylon relay list` shows the relays that are known.") },
        { "NoSuchTick",     EXIT_FAILURE,     N_("`pylon agent history NAME` lists its ticks.") },
        { "NotAllowed",     EXIT_NOPERM,      N_("Ask as root, or as the account that owns this instance.") },
        { "NotConfirmed",   EXIT_FAILURE,     N_("--yes says so in advance.") },
        { "NotInstalled",   EXIT_UNAVAILABLE, N_("Install Pylon completely, or run `pylon` from its build folder.") },
        { "NotOnline",      EXIT_FAILURE,     N_("`pylon provider online` takes it online.") },
        { "NotReachable",   EXIT_UNAVAILABLE, N_("`pylon status` shows which service does not answer, its log why.") },
        { "NotRunning",     EXIT_UNAVAILABLE, N_("Start it with `pylon start`.") },
        { "NoWallet",       EXIT_UNAVAILABLE, N_("`pylon wallet status` says what is missing, `man pylon-wallet` how to set one up.") },
        { "PaymentFailed",  EXIT_FAILURE,     NULL },
        { "PaymentUnknown", EXIT_TEMPFAIL,    N_("The money stays reserved until it is known. `pylon wallet show ID` tells; never pay again to be sure.") },
        { "StartFailed",    EXIT_FAILURE,     N_("The end of pylon.log, or of the journal, may say more.") },
        { "StopFailed",     EXIT_FAILURE,     N_("`pylon stop --force` does not wait.") },
        { "TickFailed",     EXIT_FAILURE,     N_("`pylon agent history NAME --tick N` shows all of it.") },
        { "TimedOut",       EXIT_UNAVAILABLE, N_("Give it more time with --timeout, or look at `pylon status`.") },
        { "Usage",          EXIT_USAGE,       N_("`pylon --help` lists the commands, `pylon COMMAND --help` their options.") },
        { "WrongNetwork",   EXIT_FAILURE,     N_("`network` in the configuration says on which one this Pylon is.") },
};
/* clang-format on */

static const ErrorRow *find_row(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (streq(rows[i].name, name))
                        return &rows[i];
        return NULL;
}

const char *error_known(const char *name) {
        const ErrorRow *row = find_row(name);

        return row ? row->name : "Failed";
}

int error_exit_code(const char *name) {
        const ErrorRow *row = find_row(name);

        return row ? row->exit_code : EXIT_FAILURE;
}

const char *error_hint(const char *name) {
        const ErrorRow *row = find_row(name);

        return row && row->hint ? _(row->hint) : NULL;
}

/* The C1 controls U+0080 to U+009F steer some terminals too. */
static bool is_c1(const char *p) {
        return (unsigned char) p[0] == 0xc2 && (unsigned char) p[1] >= 0x80 &&
               (unsigned char) p[1] < 0xa0;
}

char *printable(char *text) {
        bool utf8 = utf8_is_valid(text, strlen(text));

        for (char *p = text; *p; p++)
                if (*p == '\n')
                        *p = ' ';
                else if ((unsigned char) *p < 0x20 || *p == 0x7f || (!utf8 && (*p & 0x80)))
                        *p = '?';
                else if (is_c1(p))
                        p[0] = p[1] = '?';
        return text;
}

static void print_json_error(const char *name, const char *message, const char *hint) {
        _cleanup_(out_done) Out o = OUT_INIT;

        out_object(&o, NULL);
        out_object(&o, "error");
        out_text(&o, "name", name);
        out_text(&o, "message", message);
        out_text(&o, "hint", hint);
        out_end(&o);
        out_end(&o);
        (void) out_print(&o);
}

int cli_fail(const Cli *cli, const char *name, const char *format, ...) {
        const char *hint = error_hint(name);
        char message[1024];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        printable(message);

        if (cli->args.json)
                print_json_error(name, message, hint);
        else
                (void) fprintf(stderr, hint ? "%s\n%s\n" : "%s\n", message, hint);
        return error_exit_code(name);
}

int cli_check_text(const Cli *cli, const char *text) {
        if (utf8_is_valid(text, strlen(text)))
                return EXIT_SUCCESS;
        return cli_fail(cli, "Usage", _("\"%s\" is not UTF-8."), text);
}

int cli_out_of_memory(const Cli *cli) {
        return cli_fail(cli, "NoMemory", "%s", _("There is not enough memory."));
}

void cli_say(const Cli *cli, const char *format, ...) {
        va_list ap;

        if (cli->args.json)
                return;
        va_start(ap, format);
        (void) vfprintf(stdout, format, ap);
        va_end(ap);
        (void) putchar('\n');
}
