/* pylon wallet balance|status|history|fund|show. */
#include "wallet.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "money/msat.h"
#include "out.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define HISTORY_DEFAULT 20
#define KEY_WIDTH       22

int wallet_open(const Cli *cli, Remote *ret) {
        CallError error;

        return remote_open(cli, "wallet", ret, &error) < 0 ? call_fail(cli, &error) : EXIT_SUCCESS;
}

int wallet_amount(const Cli *cli, const char *text, int64_t *ret_msat) {
        const char *reason = "";

        if (msat_parse(text, ret_msat, &reason) >= 0)
                return EXIT_SUCCESS;
        return cli_fail(cli, "Usage",
                        _("\"%s\" is no amount such as 21, \"21 sat\" or \"500 msat\"."), text);
}

const char *wallet_account(const Cli *cli) {
        return cli->args.account ?: WALLET_OWNER;
}

int wallet_confirm(const Cli *cli, const char *format, ...) {
        char answer[16] = "";
        va_list ap;

        if (cli->args.yes)
                return EXIT_SUCCESS;
        if (cli->args.json || !isatty(STDIN_FILENO))
                return cli_fail(cli, "NotConfirmed", "%s",
                                _("Money is spent only after somebody said yes."));
        va_start(ap, format);
        (void) vfprintf(stderr, format, ap);
        va_end(ap);
        (void) fprintf(stderr, " %s ", _("[y/N]"));
        if (!fgets(answer, sizeof(answer), stdin) ||
                        (answer[0] != 'y' && answer[0] != 'Y' && answer[0] != *_("y")))
                return cli_fail(cli, "NotConfirmed", "%s", _("Nothing was done."));
        return EXIT_SUCCESS;
}

int wallet_done(const Cli *cli, const char *text) {
        _cleanup_(out_done) Out o = OUT_INIT;

        if (!cli->args.json) {
                cli_say(cli, "%s\n", text);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_boolean(&o, "done", true);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int print_value(sd_bus_message *m, const char *key, Out *o) {
        const char *types = NULL, *text;
        int64_t number;
        int r, flag;

        r = sd_bus_message_peek_type(m, NULL, &types);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'v', types);
        if (r < 0)
                return r;
        if (streq(types, "s")) {
                r = sd_bus_message_read(m, "s", &text);
                if (r >= 0)
                        out_text(o, key, *text ? text : NULL);
        } else if (streq(types, "b")) {
                r = sd_bus_message_read(m, "b", &flag);
                if (r >= 0)
                        out_boolean(o, key, flag);
        } else {
                r = sd_bus_message_read_basic(m, types[0], &number);
                if (r >= 0)
                        out_number(o, key, number);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int wallet_print_map(sd_bus_message *m, Out *o) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = print_value(m, key, o);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* ---- balance */

static int balance_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        int64_t balance, reserved;
        const char *account;
        int r;

        out_array(&o, NULL);
        while ((r = sd_bus_message_read(m, "(sxx)", &account, &balance, &reserved)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "account", account);
                out_number(&o, "balance_msats", balance);
                out_number(&o, "reserved_msats", reserved);
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int balance_text(sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        int64_t balance, reserved;
        const char *account;
        int r;

        r = table_new(3, &t);
        if (r < 0)
                return r;
        (void) table_add(t, _("ACCOUNT"));
        (void) table_add(t, _("HAS"));
        r = table_add(t, _("RESERVED"));
        while (r >= 0 && (r = sd_bus_message_read(m, "(sxx)", &account, &balance, &reserved)) > 0) {
                char has[TEXT_MAX], held[TEXT_MAX] = "";

                text_msats(balance, has);
                if (reserved != 0)
                        text_msats(reserved, held);
                (void) table_add(t, account);
                (void) table_add(t, has);
                r = table_add(t, held);
        }
        if (r >= 0)
                table_print(t);
        return r;
}

int verb_wallet_balance(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        CallError error;
        int r;

        r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "Balances", &reply, &error, NULL) < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(sxx)");
        if (r >= 0)
                r = cli->args.json ? balance_json(reply) : balance_text(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* ---- status, show: what the wallet says, a line for each */

static int print_line(sd_bus_message *m, const char *key) {
        const char *types = NULL, *text, *amount = strstr(key, "_msat"), *time = strstr(key, "_at");
        char words[TEXT_MAX], name[64];
        int64_t number;
        int r, flag;

        (void) snprintf(name, sizeof(name), "%.*s",
                        (int) (amount ? (size_t) (amount - key) : strlen(key)), key);
        r = sd_bus_message_peek_type(m, NULL, &types);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'v', types);
        if (r < 0)
                return r;
        if (streq(types, "s")) {
                r = sd_bus_message_read(m, "s", &text);
                if (r >= 0 && *text) {
                        _cleanup_free_ char *clean = strdup(text);

                        (void) printf("%-*s %s\n", KEY_WIDTH, name, clean ? printable(clean) : "");
                }
        } else if (streq(types, "b")) {
                r = sd_bus_message_read(m, "b", &flag);
                if (r >= 0)
                        (void) printf("%-*s %s\n", KEY_WIDTH, name, flag ? _("yes") : _("no"));
        } else {
                r = sd_bus_message_read_basic(m, types[0], &number);
                (void) snprintf(words, sizeof(words), "%" PRIi64, number);
                if (amount)
                        text_msats(number, words);
                else if (time)
                        text_ago(number, now_seconds(), words);
                if (r >= 0 && (!time || number > 0))
                        (void) printf("%-*s %s\n", KEY_WIDTH, name, words);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int print_lines(sd_bus_message *m) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &key);
                if (r >= 0)
                        r = print_line(m, key);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

static int print_all(const Cli *cli, sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        int r;

        if (!cli->args.json)
                return print_lines(m);
        out_object(&o, NULL);
        r = wallet_print_map(m, &o);
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

int verb_wallet_status(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        CallError error;
        int r;

        r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "Status", &reply, &error, NULL) < 0)
                return call_fail(cli, &error);
        return print_all(cli, reply) < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

int verb_wallet_show(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        CallError error;
        int r;

        r = cli_check_text(cli, cli->args.rest[0]);
        if (r == EXIT_SUCCESS)
                r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "Lookup", &reply, &error, "s", cli->args.rest[0]) < 0)
                return call_fail(cli, &error);
        return print_all(cli, reply) < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* ---- history */

typedef struct Line {
        int64_t entry, booked_at, msat;
        const char *kind, *ref, *account, *text;
} Line;

static int read_field(sd_bus_message *m, Line *l) {
        const char *key, **text;
        int64_t *number;
        int r;

        r = sd_bus_message_read(m, "s", &key);
        if (r < 0)
                return r;
        text = streq(key, "kind")      ? &l->kind
               : streq(key, "ref")     ? &l->ref
               : streq(key, "account") ? &l->account
               : streq(key, "text")    ? &l->text
                                       : NULL;
        number = streq(key, "entry")       ? &l->entry
                 : streq(key, "booked_at") ? &l->booked_at
                 : streq(key, "msat")      ? &l->msat
                                           : NULL;
        if (text)
                return sd_bus_message_read(m, "v", "s", text);
        return number ? sd_bus_message_read(m, "v", "x", number) : sd_bus_message_skip(m, "v");
}

static int read_line(sd_bus_message *m, Line *l) {
        int r;

        *l = (Line){ .kind = "", .ref = "", .account = "", .text = "" };
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r <= 0)
                return r;
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_field(m, l);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

static int history_json(sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Line l;
        int r;

        out_array(&o, NULL);
        while ((r = read_line(m, &l)) > 0) {
                out_object(&o, NULL);
                out_number(&o, "entry", l.entry);
                out_number(&o, "booked_at", l.booked_at);
                out_text(&o, "kind", l.kind);
                out_text(&o, "account", l.account);
                out_number(&o, "msats", l.msat);
                out_text(&o, "ref", *l.ref ? l.ref : NULL);
                out_text(&o, "text", *l.text ? l.text : NULL);
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int history_text(sd_bus_message *m) {
        static const char *const heads[] = { N_("WHEN"), N_("AMOUNT"), N_("ACCOUNT"), N_("WHAT"),
                N_("TEXT") };
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();
        Line l;
        int r;

        r = table_new(ELEMENTSOF(heads), &t);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(heads); i++)
                r = table_add(t, _(heads[i]));
        while (r >= 0 && (r = read_line(m, &l)) > 0) {
                char amount[TEXT_MAX], when[TEXT_MAX];

                text_ago(l.booked_at, now, when);
                text_msats(l.msat, amount);
                (void) table_add(t, when);
                (void) table_add(t, amount);
                (void) table_add(t, l.account);
                (void) table_add(t, l.kind);
                r = table_add(t, l.text);
        }
        if (r >= 0)
                table_print(t);
        return r;
}

int verb_wallet_history(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        uint32_t limit = cli->args.limit > 0 ? cli->args.limit : HISTORY_DEFAULT;
        CallError error;
        int r;

        r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "History", &reply, &error, "sxu", cli->args.account ?: "",
                            INT64_C(0), limit) < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "a{sv}");
        if (r >= 0)
                r = cli->args.json ? history_json(reply) : history_text(reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* ---- fund */

int verb_wallet_fund(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        char amount[TEXT_MAX], text[256];
        CallError error;
        int64_t msat;
        int r;

        r = wallet_amount(cli, cli->args.rest[0], &msat);
        if (r == EXIT_SUCCESS)
                r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "Fund", &reply, &error, "sx", wallet_account(cli), msat) < 0)
                return call_fail(cli, &error);
        text_msats(msat, amount);
        (void) snprintf(text, sizeof(text), _("%s of test money are on their way to \"%s\"."),
                        amount, wallet_account(cli));
        return wallet_done(cli, text);
}
