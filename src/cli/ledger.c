/* pylon ledger list|export. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "ledger-page.h"
#include "out.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define LIST_DEFAULT 20
#define LIST_MAX     1000

/* JSON */

static int entry_json(const Entry *e, void *userdata) {
        Out *o = userdata;

        out_object(o, NULL);
        out_number(o, "entry", e->number);
        out_number(o, "booked_at", e->time);
        out_text(o, "kind", e->kind);
        out_text(o, "ref", e->ref);
        out_text(o, "text", *e->text ? e->text : NULL);
        out_array(o, "postings");
        for (size_t i = 0; i < e->n_postings; i++) {
                out_object(o, NULL);
                out_text(o, "account", e->postings[i].account);
                out_number(o, "msats", e->postings[i].msats);
                out_end(o);
        }
        out_end(o);
        out_end(o);
        return o->error;
}

static int walk_json(Cli *cli, uint32_t limit) {
        _cleanup_(out_done) Out o = OUT_INIT;
        int r;

        out_array(&o, NULL);
        r = ledger_walk(cli, limit, entry_json, &o);
        if (r != EXIT_SUCCESS)
                return r;
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

/* A list that people read: what each account has more or less. */

typedef struct List {
        Table *table;
        int64_t now;
        unsigned n;
} List;

static int entry_list(const Entry *e, void *userdata) {
        List *l = userdata;
        int r = 0;

        for (size_t i = 0; i < e->n_postings; i++) {
                char amount[TEXT_MAX], when[TEXT_MAX], ref[TEXT_MAX];

                text_msats(posting_shown(&e->postings[i]), amount);
                text_ago(e->time, l->now, when);
                text_id(e->ref, ref);
                (void) table_addf(l->table, "%" PRIi64, e->number);
                (void) table_add(l->table, when);
                (void) table_add(l->table, e->kind);
                (void) table_add(l->table, ref);
                (void) table_add(l->table, e->postings[i].account);
                r = table_add(l->table, amount);
        }
        l->n++;
        return r;
}

static int walk_list(Cli *cli, uint32_t limit) {
        _cleanup_(table_freep) Table *t = NULL;
        List l = { .now = now_seconds() };
        int r;

        r = table_new(6, &t);
        if (r < 0)
                return cli_out_of_memory(cli);
        l.table = t;
        (void) table_add(t, _("ENTRY"));
        (void) table_add(t, _("WHEN"));
        (void) table_add(t, _("KIND"));
        (void) table_add(t, _("OF"));
        (void) table_add(t, _("ACCOUNT"));
        (void) table_add(t, _("AMOUNT"));
        r = ledger_walk(cli, limit, entry_list, &l);
        if (r != EXIT_SUCCESS)
                return r;
        if (l.n == 0)
                (void) printf("%s\n", _("Nothing has been booked yet."));
        else
                table_print(t);
        return EXIT_SUCCESS;
}

int verb_ledger_list(Cli *cli) {
        uint32_t limit = cli->args.limit > 0 ? cli->args.limit : LIST_DEFAULT;

        limit = MIN(limit, (uint32_t) LIST_MAX);
        return cli->args.json ? walk_json(cli, limit) : walk_list(cli, limit);
}

/* Text for other programs. */

/* "2026-11-20T22:00:00Z"; the first ten characters are the day. */
static void utc(int64_t seconds, char ret[static TEXT_MAX]) {
        time_t t = (time_t) seconds;
        struct tm tm;

        if (!gmtime_r(&t, &tm) || strftime(ret, TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                (void) snprintf(ret, TEXT_MAX, "1970-01-01T00:00:00Z");
}

/* One field; a quote inside is doubled (RFC 4180). */
static void csv_field(const char *text, char end) {
        if (!strpbrk(text, ",\"\r\n")) {
                (void) printf("%s%c", text, end);
                return;
        }
        (void) putchar('"');
        for (; *text; text++) {
                if (*text == '"')
                        (void) putchar('"');
                (void) putchar(*text);
        }
        (void) printf("\"%c", end);
}

static int entry_csv(const Entry *e, _unused_ void *userdata) {
        char when[TEXT_MAX];

        utc(e->time, when);
        for (size_t i = 0; i < e->n_postings; i++) {
                (void) printf("%" PRIi64 ",%s,", e->number, when);
                csv_field(e->kind, ',');
                csv_field(e->ref, ',');
                csv_field(e->postings[i].account, ',');
                csv_field(e->text, ',');
                (void) printf("%" PRIi64 "\n", e->postings[i].msats);
        }
        return 0;
}

/* What an account is in the books of other programs. */
static void ledger_account(const char *account, char *ret, size_t size) {
        static const struct {
                const char *account, *name;
        } names[] = {
                { "provider", "Equity:Provider" },
                { "owner", "Equity:Owner" },
                { "outside", "Equity:Outside" },
                { "held", "Liabilities:Held" },
                { "refunds", "Liabilities:Refunds" },
                { "fees", "Expenses:Fees" },
        };
        const char *rest;

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i].account, account)) {
                        (void) snprintf(ret, size, "%s", names[i].name);
                        return;
                }
        if ((rest = startswith(account, "wallet:")))
                (void) snprintf(ret, size, "Assets:Wallet:%s", rest);
        else if ((rest = startswith(account, "agent:")))
                (void) snprintf(ret, size, "Equity:Agent:%s", rest);
        else
                (void) snprintf(ret, size, "Equity:%s", account);
}

/* A line of its own or a payee: no line breaks, and nothing that begins a comment. */
static void plain(const char *text) {
        for (; *text; text++)
                (void) putchar((unsigned char) *text < ' ' || *text == ';' || *text == '|' ? ' '
                                                                                           : *text);
}

static int entry_ledger(const Entry *e, _unused_ void *userdata) {
        char when[TEXT_MAX];

        utc(e->time, when);
        (void) printf("%.10s * (%" PRIi64 ") %s ", when, e->number, e->kind);
        plain(e->ref);
        (void) putchar('\n');
        if (*e->text) {
                (void) printf("    ; ");
                plain(e->text);
                (void) putchar('\n');
        }
        for (size_t i = 0; i < e->n_postings; i++) {
                char account[256];

                ledger_account(e->postings[i].account, account, sizeof(account));
                (void) printf("    %-40s  %" PRIi64 " msat\n", account, e->postings[i].msats);
        }
        (void) putchar('\n');
        return 0;
}

int verb_ledger_export(Cli *cli) {
        const char *format = cli->args.format ?: "csv";

        if (!streq(format, "csv") && !streq(format, "ledger"))
                return cli_fail(cli, "Usage", _("There is no format \"%s\"."), format);
        if (cli->args.json)
                return walk_json(cli, 0);
        if (streq(format, "ledger"))
                return ledger_walk(cli, 0, entry_ledger, NULL);
        (void) printf("entry,booked_at,kind,ref,account,text,msat\n");
        return ledger_walk(cli, 0, entry_csv, NULL);
}
