/* pylon earnings. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"
#include "out.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define LIST_DEFAULT 10
#define SOURCES_MAX  16

typedef struct Sum {
        const char *name;
        int64_t msats;
} Sum;

typedef struct Earnings {
        int64_t total_msats, job_count;
        Sum sources[SOURCES_MAX];
        size_t n_sources;
} Earnings;

static int read_sums(sd_bus_message *m, Sum *sums, size_t max, size_t *ret_n) {
        Sum s;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sx}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{sx}", &s.name, &s.msats)) > 0)
                if (*ret_n < max)
                        sums[(*ret_n)++] = s;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_totals(sd_bus_message *m, Earnings *e) {
        Sum sums[SOURCES_MAX];
        size_t n = 0;
        int r;

        r = read_sums(m, sums, ELEMENTSOF(sums), &n);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (streq(sums[i].name, "total_msats"))
                        e->total_msats = sums[i].msats;
                else if (streq(sums[i].name, "job_count"))
                        e->job_count = sums[i].msats;
        return read_sums(m, e->sources, ELEMENTSOF(e->sources), &e->n_sources);
}

typedef struct Earning {
        const char *id, *job_id, *source, *payment_hash;
        int64_t msats, earned_at;
} Earning;

static int read_earning(sd_bus_message *m, Earning *e) {
        return sd_bus_message_read(m, "(sssxsx)", &e->id, &e->job_id, &e->source, &e->msats,
                        &e->payment_hash, &e->earned_at);
}

static int print_json(const Earnings *e, sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Earning one;
        int r;

        out_object(&o, NULL);
        out_object(&o, "summary");
        out_number(&o, "total_sats", e->total_msats / 1000);
        out_number(&o, "total_msats", e->total_msats);
        out_number(&o, "job_count", e->job_count);
        out_object(&o, "by_source");
        for (size_t i = 0; i < e->n_sources; i++)
                out_number(&o, e->sources[i].name, e->sources[i].msats);
        out_end(&o);
        out_end(&o);
        out_array(&o, "recent");
        while ((r = read_earning(m, &one)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "id", one.id);
                out_text(&o, "job_id", *one.job_id ? one.job_id : NULL);
                out_number(&o, "amount_msats", one.msats);
                out_text(&o, "source", one.source);
                out_number(&o, "earned_at", one.earned_at);
                out_end(&o);
        }
        out_end(&o);
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int print_recent(sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        int64_t now = now_seconds();
        Earning one;
        int r;

        r = table_new(4, &t);
        if (r < 0)
                return r;
        (void) table_add(t, _("AMOUNT"));
        (void) table_add(t, _("SOURCE"));
        (void) table_add(t, _("WHEN"));
        (void) table_add(t, _("JOB"));
        while ((r = read_earning(m, &one)) > 0) {
                char amount[TEXT_MAX], when[TEXT_MAX], id[TEXT_MAX];

                text_msats(one.msats, amount);
                text_ago(one.earned_at, now, when);
                text_id(one.job_id, id);
                (void) table_add(t, amount);
                (void) table_add(t, one.source);
                (void) table_add(t, when);
                r = table_add(t, id);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        (void) printf("\n");
        table_print(t);
        return 0;
}

static int print_text(const Earnings *e, sd_bus_message *m) {
        char total[TEXT_MAX];

        text_msats(e->total_msats, total);
        (void) printf(ngettext("%s earned, with %" PRIi64 " job.\n",
                                      "%s earned, with %" PRIi64 " jobs.\n",
                                      (unsigned long) e->job_count),
                        total, e->job_count);
        for (size_t i = 0; i < e->n_sources; i++) {
                text_msats(e->sources[i].msats, total);
                (void) printf("  %s: %s\n", e->sources[i].name, total);
        }
        return e->job_count > 0 ? print_recent(m) : 0;
}

/* ---- grouped */

typedef struct Group {
        const char *name;
        int64_t n, msats;
} Group;

static int ask_groups(const Cli *cli, const char *by, sd_bus_message **ret) {
        _cleanup_(remote_done) Remote store = { 0 };
        int64_t since = 0;
        CallError error;
        int r;

        if (cli->args.since > 0)
                since = now_seconds() - (int64_t) (cli->args.since / SEC);
        r = remote_open(cli, "store", &store, &error);
        if (r >= 0)
                r = remote_call(&store, "EarningsBy", ret, &error, "sx", by, since);
        if (r < 0)
                return call_fail(cli, &error);
        return sd_bus_message_enter_container(*ret, 'a', "(sxx)") < 0 ? call_unreadable(cli)
                                                                      : EXIT_SUCCESS;
}

static int read_group(sd_bus_message *m, Group *g) {
        return sd_bus_message_read(m, "(sxx)", &g->name, &g->n, &g->msats);
}

/* As the whole summary, for the days that are meant. */
static int groups_json(const char *by, sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Group g, sum = { 0 };
        char key[32];
        int r;

        (void) snprintf(key, sizeof(key), "by_%s", by);
        out_object(&o, NULL);
        out_array(&o, key);
        while ((r = read_group(m, &g)) > 0) {
                out_object(&o, NULL);
                out_text(&o, by, g.name);
                out_number(&o, "job_count", g.n);
                out_number(&o, "amount_msats", g.msats);
                out_end(&o);
                sum.n += g.n;
                sum.msats += g.msats;
        }
        out_end(&o);
        out_object(&o, "summary");
        out_number(&o, "total_sats", sum.msats / 1000);
        out_number(&o, "total_msats", sum.msats);
        out_number(&o, "job_count", sum.n);
        out_end(&o);
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

static int groups_csv(const char *by, sd_bus_message *m) {
        Group g;
        int r;

        (void) printf("%s,earnings,amount_msats\n", by);
        while ((r = read_group(m, &g)) > 0)
                (void) printf("%s,%" PRIi64 ",%" PRIi64 "\n", g.name, g.n, g.msats);
        return r;
}

static int groups_table(const char *by, sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        Group g;
        int r;

        r = table_new(3, &t);
        if (r < 0)
                return r;
        (void) table_add(t, streq(by, "source") ? _("SOURCE")
                            : streq(by, "kind") ? _("KIND")
                                                : _("DAY"));
        (void) table_add(t, _("JOBS"));
        (void) table_add(t, _("AMOUNT"));
        while ((r = read_group(m, &g)) > 0) {
                char amount[TEXT_MAX];

                text_msats(g.msats, amount);
                (void) table_add(t, g.name);
                (void) table_addf(t, "%" PRIi64, g.n);
                r = table_add(t, amount);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                table_print(t);
        return r;
}

static int print_groups(const Cli *cli, const char *by) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        if (!streq(by, "source") && !streq(by, "kind") && !streq(by, "day"))
                return cli_fail(cli, "Usage", "%s", _("--by is source, kind or day."));
        r = ask_groups(cli, by, &reply);
        if (r != EXIT_SUCCESS)
                return r;
        r = cli->args.json  ? groups_json(by, reply)
            : cli->args.csv ? groups_csv(by, reply)
                            : groups_table(by, reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

static int recent_csv(sd_bus_message *m) {
        Earning e;
        int r;

        (void) printf("id,job_id,source,amount_msats,payment_hash,earned_at\n");
        while ((r = read_earning(m, &e)) > 0)
                (void) printf("%s,%s,%s,%" PRIi64 ",%s,%" PRIi64 "\n", e.id, e.job_id, e.source,
                                e.msats, e.payment_hash, e.earned_at);
        return r;
}

static int print(const Cli *cli, const Earnings *e, sd_bus_message *m) {
        return cli->args.json ? print_json(e, m) : cli->args.csv ? recent_csv(m) : print_text(e, m);
}

int verb_earnings(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote store = { 0 };
        uint32_t limit = cli->args.limit > 0 ? cli->args.limit : LIST_DEFAULT;
        Earnings e = { 0 };
        CallError error;
        int r;

        if (cli->args.by || cli->args.since > 0)
                return print_groups(cli, cli->args.by ?: "day");
        r = remote_open(cli, "store", &store, &error);
        if (r >= 0)
                r = remote_call(&store, "Earnings", &reply, &error, "u", limit);
        if (r < 0)
                return call_fail(cli, &error);
        r = read_totals(reply, &e);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sssxsx)");
        if (r >= 0)
                r = print(cli, &e, reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}
