/* pylon job list|show. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/json.h"
#include "call.h"
#include "out.h"
#include "places.h"
#include "table.h"
#include "text.h"
#include "verb.h"

#define LIST_DEFAULT 20

typedef struct JobLine {
        const char *id, *customer, *state, *error;
        uint16_t kind;
        int64_t price_msats, created_at;
} JobLine;

static int read_line(sd_bus_message *m, JobLine *l) {
        return sd_bus_message_read(m, "(sqssxxs)", &l->id, &l->kind, &l->customer, &l->state,
                        &l->price_msats, &l->created_at, &l->error);
}

static bool is_open(const char *state) {
        return streq(state, "unpaid") || streq(state, "queued") || streq(state, "running");
}

static void print_place_json(Out *o, const Place *place) {
        if (!place || place->position == 0)
                return;
        out_text(o, "class", place->class);
        out_number(o, "position", place->position);
        if (place->seconds >= 0)
                out_number(o, "seconds_left", place->seconds);
}

static int list_json(const Cli *cli, sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        _cleanup_(places_done) Places places = { 0 };
        JobLine l;
        int r;

        out_array(&o, NULL);
        while ((r = read_line(m, &l)) > 0) {
                out_object(&o, NULL);
                out_text(&o, "id", l.id);
                out_number(&o, "kind", l.kind);
                out_text(&o, "customer", l.customer);
                out_text(&o, "state", l.state);
                out_number(&o, "price_msats", l.price_msats);
                out_number(&o, "created_at", l.created_at);
                out_text(&o, "error", *l.error ? l.error : NULL);
                if (is_open(l.state) && !places.list)
                        places_read(cli, &places);
                print_place_json(&o, places_find(&places, l.id));
                out_end(&o);
        }
        out_end(&o);
        return r < 0 ? r : out_print(&o);
}

/* "queued 3, 40s": its position, and how long until it is done. */
static void text_state(const char *state, const Place *place, char ret[static 2 * TEXT_MAX]) {
        char span[TEXT_MAX] = "";

        if (place && place->seconds >= 0)
                text_span((usec_t) place->seconds * SEC, span);
        if (place && place->position > 0)
                (void) snprintf(ret, 2 * TEXT_MAX, "%s %" PRIu32 "%s%s", state, place->position,
                                *span ? ", " : "", span);
        else
                (void) snprintf(ret, 2 * TEXT_MAX, "%s", state);
}

static int list_table(const Cli *cli, sd_bus_message *m) {
        _cleanup_(table_freep) Table *t = NULL;
        _cleanup_(places_done) Places places = { 0 };
        int64_t now = now_seconds();
        unsigned n = 0;
        JobLine l;
        int r;

        r = table_new(6, &t);
        if (r < 0)
                return r;
        (void) table_add(t, _("JOB"));
        (void) table_add(t, _("KIND"));
        (void) table_add(t, _("STATE"));
        (void) table_add(t, _("PRICE"));
        (void) table_add(t, _("WHEN"));
        (void) table_add(t, _("ERROR"));
        for (; (r = read_line(m, &l)) > 0; n++) {
                char id[TEXT_MAX], price[TEXT_MAX], when[TEXT_MAX], state[2 * TEXT_MAX];

                if (is_open(l.state) && !places.list)
                        places_read(cli, &places);
                text_state(l.state, places_find(&places, l.id), state);
                text_id(l.id, id);
                text_msats(l.price_msats, price);
                text_ago(l.created_at, now, when);
                (void) table_add(t, id);
                (void) table_addf(t, "%u", l.kind);
                (void) table_add(t, state);
                (void) table_add(t, price);
                (void) table_add(t, when);
                r = table_add(t, l.error);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        if (n == 0)
                (void) printf("%s\n", _("There are no jobs yet."));
        else
                table_print(t);
        return 0;
}

int verb_job_list(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote store = { 0 };
        uint32_t limit = cli->args.limit > 0 ? cli->args.limit : LIST_DEFAULT;
        CallError error;
        int r;

        if (cli->args.bought)
                return list_bought(cli);
        r = cli_check_text(cli, cli->args.state ?: "");
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_open(cli, "store", &store, &error);
        if (r >= 0)
                r = remote_call(&store, "ListJobs", &reply, &error, "sux", cli->args.state ?: "",
                                limit, INT64_C(0));
        if (r < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "(sqssxxs)");
        if (r >= 0)
                r = cli->args.json ? list_json(cli, reply) : list_table(cli, reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}

/* The columns of the table, as the original Pylon named them, and what we call them. */
/* clang-format off */
static const struct { const char *column, *key, *label; } columns[] = {
        { "id",              "id",           N_("Job") },
        { "kind",            "kind",         N_("Kind") },
        { "customer_pubkey", "customer",     N_("Customer") },
        { "status",          "state",        N_("State") },
        { "price_msats",     "price_msats",  N_("Price") },
        { "error_message",   "error",        N_("Error") },
        { "created_at",      "created_at",   N_("Requested") },
        { "started_at",      "started_at",   N_("Started") },
        { "paid_at",         "paid_at",      N_("Paid") },
        { "completed_at",    "completed_at", N_("Completed") },
        { "relay",           "relay",        N_("Relay") },
        { "request",         "request",      N_("Request") },
        { "result",          "result",       N_("Result") },
        { "feedback",        "feedback",     N_("Feedback") },
};
/* clang-format on */

typedef struct Column {
        const char *name, *text; /* text NULL: a number */
        int64_t number;
} Column;

static int read_column(sd_bus_message *m, Column *c) {
        const char *type;
        char kind;
        int r;

        r = sd_bus_message_enter_container(m, 'e', "sv");
        if (r <= 0)
                return r;
        *c = (Column){ 0 };
        r = sd_bus_message_read(m, "s", &c->name);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, &kind, &type);
        if (r >= 0)
                r = streq(type, "x") ? sd_bus_message_read(m, "v", "x", &c->number)
                                     : sd_bus_message_read(m, "v", "s", &c->text);
        return r < 0 ? r : sd_bus_message_exit_container(m) < 0 ? -EBADMSG : 1;
}

static size_t column_index(const char *name) {
        size_t i = 0;

        while (i < ELEMENTSOF(columns) && !streq(columns[i].column, name))
                i++;
        return i;
}

/* Events are stored as JSON, and are given as such. */
static bool is_json(const char *text) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason;

        return *text == '{' && json_parse(text, strlen(text), 32, 100000, &j, &reason) >= 0;
}

static void print_column_json(Out *o, const Column *c) {
        size_t i = column_index(c->name);
        const char *key = i < ELEMENTSOF(columns) ? columns[i].key : c->name;

        if (!c->text)
                out_number(o, key, c->number);
        else if (is_json(c->text))
                out_raw(o, key, c->text);
        else
                out_text(o, key, c->text);
}

static void print_column(const Column *c) {
        size_t i = column_index(c->name);
        char text[TEXT_MAX];

        if (i == ELEMENTSOF(columns))
                return;
        (void) printf("%s: ", _(columns[i].label));
        if (c->text) {
                _cleanup_free_ char *copy = strdup(c->text);

                (void) printf("%s\n", copy ? printable(copy) : "?");
        } else if (streq(c->name, "price_msats")) {
                text_msats(c->number, text);
                (void) printf("%s\n", text);
        } else if (streq(c->name, "kind"))
                (void) printf("%" PRIi64 "\n", c->number);
        else {
                text_ago(c->number, now_seconds(), text);
                (void) printf("%s\n", text);
        }
}

/* Where it waits, of a job that does. */
static void show_place(const Cli *cli, const char *id, Out *o) {
        _cleanup_(places_done) Places places = { 0 };
        const Place *place;
        char span[TEXT_MAX];

        places_read(cli, &places);
        place = places_find(&places, id);
        if (!place || place->position == 0)
                return;
        if (cli->args.json) {
                print_place_json(o, place);
                return;
        }
        (void) printf("%s: %" PRIu32 " (%s)\n", _("Position"), place->position, place->class);
        if (place->seconds < 0)
                return;
        text_span((usec_t) place->seconds * SEC, span);
        (void) printf("%s: %s\n", _("Done in"), span);
}

static int show(const Cli *cli, sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *id = NULL;
        bool open = false;
        Column c;
        int r;

        out_object(&o, NULL);
        while ((r = read_column(m, &c)) > 0) {
                if (c.text && streq(c.name, "id"))
                        id = c.text;
                if (c.text && streq(c.name, "status"))
                        open = is_open(c.text);
                if (cli->args.json)
                        print_column_json(&o, &c);
                else
                        print_column(&c);
        }
        if (r >= 0 && open && id)
                show_place(cli, id, &o);
        out_end(&o);
        if (r < 0 || !cli->args.json)
                return r;
        return out_print(&o);
}

int verb_job_show(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote store = { 0 };
        CallError error;
        int r;

        r = cli_check_text(cli, cli->args.rest[0]);
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_open(cli, "store", &store, &error);
        if (r >= 0)
                r = remote_call(&store, "GetJob", &reply, &error, "s", cli->args.rest[0]);
        if (r < 0)
                return call_fail(cli, &error);
        r = sd_bus_message_enter_container(reply, 'a', "{sv}");
        if (r >= 0)
                r = show(cli, reply);
        return r < 0 ? call_unreadable(cli) : EXIT_SUCCESS;
}
