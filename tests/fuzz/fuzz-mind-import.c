/* store/agents: what is imported comes out again as it went in, what is refused leaves nothing, and
 * whatever is searched for, only an agent's own memories are found. The first byte chooses. */
#include <stdio.h>

#include "agents.h"
#include "basic/crypt.h"
#include "basic/json.h"
#include "bus/text.h"
#include "schema.h"

#define ALICE "npub1zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygse4kam5"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Agents *agents;
static Sql *db;

static void must(bool right) {
        if (!right)
                abort();
}

/* Made once; each input is undone. */
static void set_up(void) {
        char path[] = "/tmp/pylon-fuzz-XXXXXX";
        const char *reason;
        SettingTable *settings;
        int fd;

        if (db)
                return;
        fd = mkstemp(path);
        must(fd >= 0 && crypt_setup() >= 0);
        (void) close(fd);
        must(sql_open(path, schema, schema_n, &db, &reason) >= 0);
        (void) unlink(path);
        must(sql_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY") >= 0);
        must(setting_table_new(db, &settings) >= 0 && agents_new(db, settings, &agents) >= 0);
        must(sql_exec(db, "INSERT INTO agent_state (npub, pubkey, name, lifecycle_state, created_at, "
                          "updated_at) VALUES ('" ALICE "', '', 'alice', 'active', 0, 0), "
                          "('npub1b', '', 'bob', 'active', 0, 0)") >= 0);
        must(memory_add(agents->memories, ALICE, &(Memory){ "1", "hers", 0 }, &agents->outcome) >=
                        0);
        must(memory_add(agents->memories, "npub1b", &(Memory){ "2", "his", 0 }, &agents->outcome) >=
                        0);
}

static int only_hers(const Memory *m, _unused_ int64_t key, _unused_ void *userdata) {
        must(streq(m->id, "1"));
        return 0;
}

static void export(Buffer *b) {
        buffer_init(b, AGENT_EXPORT_MAX);
        must(agent_export(agents, ALICE, b) == 1);
        must(bus_text_is_fit(b->data));
}

static void try_import(const char *text) {
        _cleanup_buffer_ Buffer before, after, again;
        int verdict;

        export(&before);
        must(agent_import(agents, ALICE, text, &agents->outcome) >= 0);
        verdict = agents->outcome.verdict;
        must(agents->outcome.text);
        export(&after);
        must(verdict >= 0 || streq(before.data, after.data));
        must(agent_import(agents, ALICE, after.data, &agents->outcome) >= 0);
        must(agents->outcome.verdict == 0);
        export(&again);
        must(streq(after.data, again.data));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL;

        set_up();
        if (size < 1)
                return 0;
        text = strndup((const char *) data + 1, size - 1);
        must(text && sql_exec(db, "SAVEPOINT input") >= 0);
        if (data[0] == '?')
                must(memory_search(agents->memories, ALICE, text, 10, only_hers, NULL) >= 0);
        else
                try_import(text);
        must(sql_exec(db, "ROLLBACK TO input; RELEASE input") >= 0);
        return 0;
}
