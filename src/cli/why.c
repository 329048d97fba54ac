/* pylon why: what became of the requests that were seen, and what would have won more of them; and
 * the story of one. */
#include <inttypes.h>
#include <stdio.h>

#include "advice.h"
#include "bad-events.h"
#include "call.h"
#include "out.h"
#include "story.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define SINCE_DEFAULT (24 * HOUR)
#define LINES_MAX     100000

static int read_lines(sd_bus_message *m, WhyReport *r) {
        size_t room = 0;
        WhyLine l;
        int q;

        q = sd_bus_message_enter_container(m, 'a', "(sqst)");
        while (q >= 0 && r->n_lines < LINES_MAX &&
                        (q = sd_bus_message_read(
                                         m, "(sqst)", &l.relay, &l.kind, &l.verdict, &l.n)) > 0) {
                if (r->n_lines == room) {
                        WhyLine *lines = reallocarray(
                                        r->lines, room = room > 0 ? 2 * room : 64, sizeof(l));

                        if (!lines)
                                return -ENOMEM;
                        r->lines = lines;
                }
                r->lines[r->n_lines++] = l;
        }
        return q < 0 ? q : sd_bus_message_exit_container(m);
}

static int read_bids(sd_bus_message *m, WhyReport *r) {
        size_t room = 0;
        WhyBidLine b;
        int q;

        q = sd_bus_message_enter_container(m, 'a', "(qut)");
        while (q >= 0 && r->n_bids < LINES_MAX &&
                        (q = sd_bus_message_read(m, "(qut)", &b.kind, &b.percent, &b.n)) > 0) {
                if (r->n_bids == room) {
                        WhyBidLine *bids = reallocarray(
                                        r->bids, room = room > 0 ? 2 * room : 64, sizeof(b));

                        if (!bids)
                                return -ENOMEM;
                        r->bids = bids;
                }
                r->bids[r->n_bids++] = b;
        }
        return q < 0 ? q : sd_bus_message_exit_container(m);
}

static int read_facts(sd_bus_message *m, WhyReport *r) {
        const char *name;
        int q;

        q = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (q >= 0 && (q = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                q = sd_bus_message_read(m, "s", &name);
                if (q >= 0)
                        q = streq(name, "price_msats")
                                            ? sd_bus_message_read(m, "v", "x", &r->price_msats)
                                            : sd_bus_message_skip(m, "v");
                if (q >= 0)
                        q = sd_bus_message_exit_container(m);
        }
        return q;
}

static uint64_t sum(const WhyReport *r, const char *verdict) {
        uint64_t n = 0;

        for (size_t i = 0; i < r->n_lines; i++)
                if (!verdict || streq(r->lines[i].verdict, verdict))
                        n += r->lines[i].n;
        return n;
}

/* ---- as a program reads it */

static void print_bad_json(Out *o, const BadEvents *bad) {
        out_array(o, "bad_events");
        for (size_t i = 0; i < bad->n; i++) {
                out_object(o, NULL);
                out_text(o, "relay", bad->list[i].relay);
                out_number(o, "events", (int64_t) bad->list[i].n);
                out_end(o);
        }
        out_end(o);
}

static int print_json(const WhyReport *r, const BadEvents *bad, int64_t since) {
        _cleanup_(out_done) Out o = OUT_INIT;
        Advice advice[ADVICE_MAX];
        size_t n = advice_make(r, advice);

        out_object(&o, NULL);
        out_number(&o, "since", since);
        out_number(&o, "seen", (int64_t) sum(r, NULL));
        out_number(&o, "accepted", (int64_t) sum(r, "accepted"));
        out_number(&o, "price_msats", r->price_msats);
        out_array(&o, "verdicts");
        for (size_t i = 0; i < r->n_lines; i++) {
                out_object(&o, NULL);
                out_text(&o, "relay", r->lines[i].relay);
                out_number(&o, "kind", r->lines[i].kind);
                out_text(&o, "verdict", r->lines[i].verdict);
                out_number(&o, "requests", (int64_t) r->lines[i].n);
                out_end(&o);
        }
        out_end(&o);
        out_array(&o, "bids");
        for (size_t i = 0; i < r->n_bids; i++) {
                out_object(&o, NULL);
                out_number(&o, "kind", r->bids[i].kind);
                out_number(&o, "percent_of_price", r->bids[i].percent);
                out_number(&o, "requests", (int64_t) r->bids[i].n);
                out_end(&o);
        }
        out_end(&o);
        print_bad_json(&o, bad);
        out_array(&o, "advice");
        for (size_t i = 0; i < n; i++) {
                out_object(&o, NULL);
                out_text(&o, "verdict", advice[i].verdict);
                if (advice[i].kind > 0)
                        out_number(&o, "kind", advice[i].kind);
                out_number(&o, "requests", (int64_t) advice[i].n);
                if (advice[i].percent > 0) {
                        out_number(&o, "percent_of_price", advice[i].percent);
                        out_number(&o, "price_msats", advice[i].price_msats);
                }
                out_text(&o, "change", advice_change(advice[i].verdict));
                out_end(&o);
        }
        out_end(&o);
        out_end(&o);
        return out_print(&o);
}

/* ---- as people read it */

/* The relays added up: a line for each kind and verdict. */
static size_t merge_relays(const WhyReport *r, WhyLine *ret) {
        size_t n = 0;

        for (size_t i = 0; i < r->n_lines; i++) {
                size_t k = 0;

                while (k < n && (ret[k].kind != r->lines[i].kind ||
                                                !streq(ret[k].verdict, r->lines[i].verdict)))
                        k++;
                if (k == n) {
                        ret[n++] = r->lines[i];
                        continue;
                }
                ret[k].n += r->lines[i].n;
        }
        return n;
}

static int by_number(const void *a, const void *b) {
        const WhyLine *x = a, *y = b;

        return x->n < y->n ? 1 : x->n > y->n ? -1 : 0;
}

static int print_table(const WhyReport *r) {
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_free_ WhyLine *lines = new0(WhyLine, r->n_lines);
        size_t n;
        int q;

        if (!lines)
                return -ENOMEM;
        n = merge_relays(r, lines);
        qsort(lines, n, sizeof(*lines), by_number);
        q = table_new(4, &t);
        if (q < 0)
                return q;
        (void) table_add(t, _("REQUESTS"));
        (void) table_add(t, _("KIND"));
        (void) table_add(t, _("VERDICT"));
        (void) table_add(t, _("THEY"));
        for (size_t i = 0; i < n && q >= 0; i++) {
                (void) table_addf(t, "%" PRIu64, lines[i].n);
                (void) table_addf(t, "%u", lines[i].kind);
                (void) table_add(t, lines[i].verdict);
                q = table_add(t, advice_meaning(lines[i].verdict));
        }
        if (q >= 0)
                table_print(t);
        return q;
}

static void print_advice(const WhyReport *r) {
        Advice advice[ADVICE_MAX];
        size_t n = advice_make(r, advice);
        char price[TEXT_MAX], better[TEXT_MAX];

        if (n > 0)
                (void) printf("\n%s\n", _("What would have won more:"));
        text_msats(r->price_msats, price);
        for (const Advice *a = advice; a < advice + n; a++) {
                if (a->percent > 0) {
                        text_msats(a->price_msats, better);
                        (void) printf(_("  %" PRIu64
                                        " of kind %u bid at least %u %% of your price of %s. At %s they were yours: `min_price_msats = %" PRIi64
                                        "`.\n"),
                                        a->n, a->kind, a->percent, price, better, a->price_msats);
                        continue;
                }
                if (!advice_change(a->verdict))
                        continue;
                (void) printf("  %" PRIu64 " %s", a->n, advice_meaning(a->verdict));
                if (a->kind > 0)
                        (void) printf(_(" (kind %u)"), a->kind);
                (void) printf(". %s\n", advice_change(a->verdict));
        }
}

static void print_bad(const BadEvents *bad) {
        for (size_t i = 0; i < bad->n; i++) {
                _cleanup_free_ char *relay = strdup(bad->list[i].relay);

                (void) printf(_("%" PRIu64
                                " events from %s had a wrong signature, id or form; they are not counted above.\n"),
                                bad->list[i].n, relay ? printable(relay) : "?");
        }
}

static int print_text(const WhyReport *r, const BadEvents *bad, usec_t span) {
        char text[TEXT_MAX];
        int q;

        text_span(span, text);
        if (r->n_lines == 0) {
                (void) printf(_("No request was seen in the last %s. `pylon relay list` shows whether the relays are connected.\n"),
                                text);
                print_bad(bad);
                return 0;
        }
        (void) printf(_("In the last %s %" PRIu64 " requests were seen, and %" PRIu64
                        " became jobs.\n\n"),
                        text, sum(r, NULL), sum(r, "accepted"));
        q = print_table(r);
        if (q < 0)
                return q;
        print_bad(bad);
        print_advice(r);
        return 0;
}

static int report(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote provider = { 0 };
        usec_t span = cli->args.since > 0 ? cli->args.since : SINCE_DEFAULT;
        int64_t since = now_seconds() - (int64_t) (span / SEC);
        _cleanup_(bad_events_done) BadEvents bad = { 0 };
        WhyReport r = { 0 };
        CallError error;
        int q;

        q = remote_open(cli, "provider", &provider, &error);
        if (q >= 0)
                q = remote_call(&provider, "Why", &reply, &error, "x", since);
        if (q < 0)
                return call_fail(cli, &error);
        q = read_lines(reply, &r);
        if (q >= 0)
                q = read_bids(reply, &r);
        if (q >= 0)
                q = read_facts(reply, &r);
        if (q >= 0)
                bad_events_read(cli, &bad);
        if (q >= 0)
                q = cli->args.json ? print_json(&r, &bad, since) : print_text(&r, &bad, span);
        free(r.lines);
        free(r.bids);
        return q < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

int verb_why(Cli *cli) {
        return cli->args.n_rest > 0 ? story_print(cli, cli->args.rest[0]) : report(cli);
}
