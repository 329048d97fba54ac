/* The agents' tables: whichever allocation fails, what was refused for want of memory did not
 * happen, and what was said to be done is. */
#include <stdio.h>

#include "agents.h"
#include "schema.h"
#include "tests/torture/torture.h"

#define NPUB "npub1zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygse4sl3h"
#define KEY  "1111111111111111111111111111111111111111111111111111111111111111"
#define NOW  1700000000

typedef int (*step_t)(Agents *a, Outcome *o);

static int step_add(Agents *a, Outcome *o) {
        const Agent agent = { NPUB, KEY, "alice", "active", "started", 0, 0, 0, 0, NOW };

        return agent_add(a->agents, &agent, o);
}

static int step_observe(Agents *a, Outcome *o) {
        const Observation list[] = { { "e1", "mention", KEY, "hello", "", 0, NOW },
                { "e2", "tell", "owner", "be kind", "", 0, NOW } };

        return agent_observe(a, NPUB, list, 2, o);
}

static int step_remember(Agents *a, Outcome *o) {
        return agent_remember(a, NPUB, &(Memory){ "1.1", "black cats", NOW }, o);
}

static int step_begin(Agents *a, Outcome *o) {
        int64_t tick;

        return agent_begin_tick(a, &(TickStart){ NPUB, "mention", false, NOW, 0 }, &tick, o);
}

static int move(Agents *a, int64_t tick, const char *to, const TickAction *actions, size_t n,
                Outcome *o) {
        const TickMove m = {
                .npub = NPUB,
                .tick = tick,
                .state = to,
                .thought = { "t/1", "prompt", streq(to, "thinking") ? "" : "answer" },
                .facts = { "", 1, 2, 3, 4 },
                .actions = actions,
                .n_actions = n,
        };

        return agent_move_tick(a, &m, o);
}

static int step_think(Agents *a, Outcome *o) {
        return move(a, 1, "thinking", NULL, 0, o);
}

static int step_act(Agents *a, Outcome *o) {
        static const TickAction actions[] = { { 1, "post", "{\"text\":[1,2]}", "planned", "" },
                { 2, "goal_add", "{}", "planned", "" } };

        return move(a, 1, "acting", actions, 2, o);
}

static int step_sign(Agents *a, Outcome *o) {
        ActionMove m = { 0, 1, "signed", "id", "[{\"id\":1}]", "", "why", 5 };

        return agent_move_action(a, NPUB, 1, &m, &(Effect){ 0 }, o);
}

static int step_goal(Agents *a, Outcome *o) {
        const Goal g = { "1.2", "find cats", NULL, -1, -1, NOW };
        ActionMove m = { 0, 2, "done", "", "", "", "", -1 };

        return agent_move_action(a, NPUB, 1, &m, &(Effect){ .goal = &g }, o);
}

static int step_done(Agents *a, Outcome *o) {
        return move(a, 1, "done", NULL, 0, o);
}

static int step_begin_again(Agents *a, Outcome *o) {
        int64_t tick;

        return agent_begin_tick(a, &(TickStart){ NPUB, "mention", false, NOW + 9, 0 }, &tick, o);
}

static int step_fail(Agents *a, Outcome *o) {
        return move(a, 2, "failed", NULL, 0, o);
}

static int step_import(Agents *a, Outcome *o) {
        return agent_import(a, NPUB,
                        "{\"v\":1,\"npub\":\"x\",\"goals\":[{\"id\":\"9\",\"text\":\"x\",\"status\":"
                        "\"done\",\"priority\":1,\"progress\":0,\"at\":1}],\"memories\":[{\"id\":"
                        "\"9\",\"text\":\"dogs\",\"at\":1}],\"settings\":[{\"name\":\"agent.x.y\","
                        "\"value\":\"z\"}]}",
                        o);
}

/* What reads is whole, or there was no memory for it. */
static int read_all(Agents *a) {
        _cleanup_buffer_ Buffer b;
        int r;

        buffer_init(&b, 1024 * 1024);
        r = agent_context(a, NPUB, 2, "cats and dogs", &b);
        if (r < 0)
                return r;
        RIGHT(r == 1 && strstr(b.data, "black cats") && strstr(b.data, "dogs"));
        buffer_clear(&b);
        r = agent_record(a, NPUB, 1, &b);
        if (r < 0)
                return r;
        RIGHT(r == 1 && strstr(b.data, "\"prompt\":null") && strstr(b.data, "{\"text\":[1,2]}"));
        buffer_clear(&b);
        r = agent_export(a, NPUB, &b);
        if (r < 0)
                return r;
        RIGHT(r == 1 && strstr(b.data, "find cats"));
        return 0;
}

static int story(Sql *db, Agents *a) {
        static const step_t steps[] = { step_add, step_observe, step_remember, step_begin,
                step_think, step_act, step_sign, step_goal, step_done, step_begin_again, step_fail,
                step_import };
        bool no_memory = false;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                RIGHT(sql_exec(db, "SAVEPOINT step") == 0);
                r = steps[i](a, &a->outcome);
                if (r == -ENOMEM) {
                        no_memory = true;
                        RIGHT(sql_exec(db, "ROLLBACK TO step") == 0);
                        r = steps[i](a, &a->outcome);
                }
                if (r < 0)
                        return r;
                RIGHT(a->outcome.verdict == 0 && a->outcome.text);
                RIGHT(sql_exec(db, "RELEASE step") == 0);
        }
        r = read_all(a);
        if (r == -ENOMEM) {
                no_memory = true;
                r = read_all(a);
        }
        return r < 0 ? r : no_memory ? -ENOMEM : 0;
}

static int run_tables(void) {
        _cleanup_(setting_table_freep) SettingTable *settings = NULL;
        _cleanup_(agents_freep) Agents *a = NULL;
        _cleanup_(sql_closep) Sql *db = NULL;
        char path[] = "/tmp/pylon-torture-XXXXXX";
        const char *reason;
        int r, fd = mkstemp(path);

        RIGHT(fd >= 0);
        (void) close(fd);
        r = sql_open(path, schema, schema_n, &db, &reason);
        if (r >= 0)
                r = sql_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; BEGIN");
        if (r >= 0)
                r = setting_table_new(db, &settings);
        if (r >= 0)
                r = agents_new(db, settings, &a);
        if (r >= 0)
                r = story(db, a);
        a = agents_free(a);
        settings = setting_table_free(settings);
        db = sql_close(db);
        (void) unlink(path);
        return r;
}

const TortureCase torture_agents_cases[] = {
        { "an agent's ticks are written down or not, and nothing in between", run_tables },
        { 0 },
};
