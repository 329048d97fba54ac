/* An agent's goals, memories and settings as one JSON object, and back; see agents.h. */
#include "agents.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/json.h"
#include "bus/text.h"

#define VERSION     1
#define JSON_DEPTH  4
#define JSON_VALUES 65536
#define ITEMS_MAX   4096 /* of each kind */
#define REST_MAX    48   /* of a setting's name, behind the npub */

/* Writing. */

/* What each column is called; those after the texts are numbers. */
typedef struct Names {
        const char *const *names;
        int n, n_texts;
} Names;

static int put_row(Buffer *b, SqlStatement *q, const Names *names, bool first) {
        int r;

        r = buffer_add_string(b, first ? "{" : ",{");
        for (int i = 0; i < names->n && r >= 0; i++) {
                r = buffer_addf(b, "%s\"%s\":", i > 0 ? "," : "", names->names[i]);
                if (r < 0)
                        return r;
                if (i < names->n_texts)
                        r = json_write_string(b, sql_text(q, i), strlen(sql_text(q, i)));
                else
                        r = buffer_addf(b, "%" PRId64, sql_int(q, i));
        }
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int put_rows(Buffer *b, const char *before, SqlStatement *query, const Names *names) {
        _cleanup_sql_ SqlStatement *q = query;
        bool first = true;
        int r;

        r = buffer_addf(b, "%s[", before);
        while (r >= 0 && (r = sql_step(q)) > 0) {
                r = put_row(b, q, names, first);
                first = false;
        }
        return r < 0 ? r : buffer_add_string(b, "]");
}

int agent_export(Agents *a, const char *npub, Buffer *b) {
        static const char *const goal[] = { "id", "text", "status", "priority", "progress", "at" };
        static const char *const memory[] = { "id", "text", "at" };
        static const char *const setting[] = { "name", "value" };
        int r;

        r = agent_has(a->agents, npub);
        if (r <= 0)
                return r;
        r = buffer_addf(b, "{\"v\":%d,\"npub\":", VERSION);
        if (r >= 0)
                r = json_write_string(b, npub, strlen(npub));
        if (r >= 0)
                r = put_rows(b, ",\"goals\":", goal_all(a->goals, npub),
                                &(Names){ goal, ELEMENTSOF(goal), 3 });
        if (r >= 0)
                r = put_rows(b, ",\"memories\":", memory_all(a->memories, npub),
                                &(Names){ memory, ELEMENTSOF(memory), 2 });
        if (r >= 0)
                r = put_rows(b, ",\"settings\":", setting_list_of_agent(a->settings, npub),
                                &(Names){ setting, ELEMENTSOF(setting), 2 });
        if (r >= 0)
                r = buffer_add_string(b, "}");
        return r < 0 ? r : 1;
}

/* Reading. First all of it is looked at, then it is written: all or nothing. */

typedef struct Document {
        uint64_t v;
        const char *npub;
        Json *goals, *memories, *settings;
} Document;

static const JsonField document_fields[] = {
        { "v", JSON_U64, offsetof(Document, v), true },
        { "npub", JSON_STRING, offsetof(Document, npub), true },
        { "goals", JSON_ARRAY, offsetof(Document, goals), true },
        { "memories", JSON_ARRAY, offsetof(Document, memories), true },
        { "settings", JSON_ARRAY, offsetof(Document, settings), true },
};

static const JsonField goal_fields[] = {
        { "id", JSON_STRING, offsetof(Goal, id), true },
        { "text", JSON_STRING, offsetof(Goal, text), true },
        { "status", JSON_STRING, offsetof(Goal, status), true },
        { "priority", JSON_I64, offsetof(Goal, priority), true },
        { "progress", JSON_I64, offsetof(Goal, progress), true },
        { "at", JSON_I64, offsetof(Goal, at), true },
};

static const JsonField memory_fields[] = {
        { "id", JSON_STRING, offsetof(Memory, id), true },
        { "text", JSON_STRING, offsetof(Memory, text), true },
        { "at", JSON_I64, offsetof(Memory, at), true },
};

typedef struct Pair {
        const char *name, *value;
} Pair;

static const JsonField pair_fields[] = {
        { "name", JSON_STRING, offsetof(Pair, name), true },
        { "value", JSON_STRING, offsetof(Pair, value), true },
};

typedef struct Import {
        Agents *agents;
        const char *npub;
        Document document;
        int64_t n_active; /* goals */
        Outcome *outcome;
} Import;

/* What is done with each item of a list; 1 = go on, 0 = an outcome was said. */
typedef int (*item_t)(Import *im, const Json *j);

static int wrong(Import *im, const char *why) {
        return outcome_say(im->outcome, -EBADMSG, why);
}

/* Everything else came by D-Bus; here an escape may hide what cannot go back that way. */
static const char *text_fault(const char *text) {
        return bus_text_is_fit(text) ? NULL : "a text has a character that is none";
}

static int read_goal(const Json *j, Goal *ret, const char **reterr) {
        const char *field;

        *ret = (Goal){ 0 };
        return json_read(j, goal_fields, ELEMENTSOF(goal_fields), ret, &field, reterr);
}

static int read_memory(const Json *j, Memory *ret, const char **reterr) {
        const char *field;

        *ret = (Memory){ 0 };
        return json_read(j, memory_fields, ELEMENTSOF(memory_fields), ret, &field, reterr);
}

static int read_pair(const Json *j, Pair *ret, const char **reterr) {
        const char *field;

        *ret = (Pair){ 0 };
        return json_read(j, pair_fields, ELEMENTSOF(pair_fields), ret, &field, reterr);
}

static int check_goal(Import *im, const Json *j) {
        const char *fault;
        Goal g;
        int r;

        r = read_goal(j, &g, &fault);
        if (r >= 0)
                fault = goal_fault(&g);
        if (!fault && (g.priority < 0 || g.progress < 0 || g.at < 0))
                fault = "a number of a goal is negative";
        if (!fault)
                fault = text_fault(g.text);
        if (fault)
                return wrong(im, fault);
        r = goal_has(im->agents->goals, im->npub, g.id);
        if (r < 0)
                return r;
        if (r == 0 && streq(g.status, "active") && ++im->n_active > GOALS_MAX)
                return wrong(im, "together that is more than 64 goals");
        return 1;
}

static int check_memory(Import *im, const Json *j) {
        const char *fault;
        Memory m;

        if (read_memory(j, &m, &fault) >= 0)
                fault = memory_fault(&m) ?: text_fault(m.text);
        return fault ? wrong(im, fault) : 1;
}

/* The end of a name which begins with "agent." and the document's npub, or NULL. */
static const char *rest_of(const Import *im, const char *name) {
        const char *rest = startswith(name, "agent.");

        rest = rest ? startswith(rest, im->document.npub) : NULL;
        return rest && *rest == '.' ? rest + 1 : NULL;
}

static int check_pair(Import *im, const Json *j) {
        const char *fault, *rest;
        Pair p;

        if (read_pair(j, &p, &fault) < 0)
                return wrong(im, fault);
        rest = rest_of(im, p.name);
        if (!rest || strlen(rest) > REST_MAX || strlen(p.value) > SETTING_VALUE_MAX)
                return wrong(im, "a setting is not the agent's, or too long");
        fault = text_fault(rest) ?: text_fault(p.value);
        return fault ? wrong(im, fault) : 1;
}

static int write_goal(Import *im, const Json *j) {
        const char *reason;
        Goal g;
        int r;

        r = read_goal(j, &g, &reason);
        if (r >= 0)
                r = goal_has(im->agents->goals, im->npub, g.id);
        if (r == 0)
                r = goal_put(im->agents->goals, im->npub, &g, im->outcome);
        return r < 0 ? r : 1;
}

static int write_memory(Import *im, const Json *j) {
        const char *reason;
        Memory m;
        int r;

        r = read_memory(j, &m, &reason);
        if (r >= 0)
                r = memory_add(im->agents->memories, im->npub, &m, im->outcome);
        return r < 0 ? r : 1;
}

static int write_pair(Import *im, const Json *j) {
        char name[SETTING_NAME_MAX + 1];
        _cleanup_free_ char *there = NULL;
        const char *reason;
        Pair p;
        int r;

        r = read_pair(j, &p, &reason);
        if (r < 0)
                return r;
        (void) snprintf(name, sizeof(name), "agent.%.64s.%.48s", im->npub, rest_of(im, p.name));
        r = setting_get(im->agents->settings, name, &there);
        if (r >= 0 && isempty(there))
                r = setting_set(im->agents->settings, name, p.value);
        return r < 0 ? r : 1;
}

static int each(Import *im, const Json *list, item_t item) {
        int r = 1;

        if (json_array_size(list) > ITEMS_MAX)
                return wrong(im, "it has more than 4096 items of a kind");
        for (size_t i = 0; i < json_array_size(list) && r > 0; i++)
                r = item(im, json_array_at(list, i));
        return r;
}

static int import(Import *im) {
        const Document *d = &im->document;
        int r;

        r = goal_count(im->agents->goals, im->npub, &im->n_active);
        if (r < 0)
                return r;
        r = each(im, d->goals, check_goal);
        if (r > 0)
                r = each(im, d->memories, check_memory);
        if (r > 0)
                r = each(im, d->settings, check_pair);
        if (r > 0)
                r = each(im, d->goals, write_goal);
        if (r > 0)
                r = each(im, d->memories, write_memory);
        if (r > 0)
                r = each(im, d->settings, write_pair);
        return r <= 0 ? r : outcome_say(im->outcome, 0, "");
}

int agent_import(Agents *a, const char *npub, const char *json, Outcome *ret) {
        Import im = { .agents = a, .npub = npub, .outcome = ret };
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason, *field;
        int r;

        r = agent_has(a->agents, npub);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -ENOENT, "there is no such agent");
        if (strlen(json) > AGENT_EXPORT_MAX)
                return outcome_say(ret, -E2BIG, "it is too large");
        r = json_parse(json, strlen(json), JSON_DEPTH, JSON_VALUES, &j, &reason);
        if (r == -ENOMEM)
                return r;
        if (r >= 0)
                r = json_read(j, document_fields, ELEMENTSOF(document_fields), &im.document, &field,
                                &reason);
        if (r < 0)
                return outcome_say(ret, -EBADMSG, reason);
        if (im.document.v != VERSION)
                return outcome_say(ret, -EBADMSG, "it was written by a newer version of Pylon");
        return import(&im);
}
