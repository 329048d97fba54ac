/* The tables of agents that live: what waits for their ticks, what ticks wanted and did, goals and
 * memories. agent_state and tick_history are older (schema.c) and get columns. */
#include "schema.h"

/* The lists of states must be these very words in a query that is to use the index. Rows are found
 * by the agent's npub, and what belongs to a tick by the tick's id; both go with it. */
/* clang-format off */
const char schema_host[] =
        "ALTER TABLE agent_state ADD COLUMN pubkey TEXT;"
        "ALTER TABLE agent_state ADD COLUMN wish TEXT NOT NULL DEFAULT 'started'"
        " CHECK (wish IN ('started', 'stopped', 'paused'));"
        "ALTER TABLE agent_state ADD COLUMN next_tick_at INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE agent_state ADD COLUMN cost_msats INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE agent_state ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE agent_state ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;"
        "CREATE UNIQUE INDEX agent_state_name ON agent_state (name) WHERE pubkey IS NOT NULL;"

        "ALTER TABLE tick_history ADD COLUMN status TEXT NOT NULL DEFAULT 'done'"
        " CHECK (status IN ('open', 'thinking', 'acting', 'done', 'failed'));"
        "ALTER TABLE tick_history ADD COLUMN woken_by TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE tick_history ADD COLUMN dry INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE tick_history ADD COLUMN cost_msats INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE tick_history ADD COLUMN prompt_hash TEXT;"
        "ALTER TABLE tick_history ADD COLUMN answer_hash TEXT;"
        "ALTER TABLE tick_history ADD COLUMN error_message TEXT;"
        "ALTER TABLE tick_history ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE tick_history ADD COLUMN completed_at INTEGER;"
        "ALTER TABLE tick_history ADD COLUMN has_texts INTEGER NOT NULL DEFAULT 0;"
        /* One at a time: the database says so, too. */
        "CREATE UNIQUE INDEX tick_history_open ON tick_history (agent_npub)"
        " WHERE status IN ('open', 'thinking', 'acting');"
        "CREATE INDEX tick_history_texts ON tick_history (agent_npub, created_at)"
        " WHERE has_texts = 1;"

        "CREATE TABLE tick_thoughts ("
        " seq INTEGER PRIMARY KEY,"
        " tick INTEGER NOT NULL REFERENCES tick_history ON DELETE CASCADE,"
        " id TEXT NOT NULL,"
        " prompt TEXT,"
        " prompt_hash TEXT,"
        " answer TEXT,"
        " answer_hash TEXT,"
        " UNIQUE (tick, id)"
        ") STRICT;"

        /* tick: NULL while it waits. */
        "CREATE TABLE agent_observations ("
        " seq INTEGER PRIMARY KEY,"
        " agent_npub TEXT NOT NULL REFERENCES agent_state (npub),"
        " id TEXT NOT NULL,"
        " what TEXT NOT NULL,"
        " author TEXT NOT NULL,"
        " text TEXT NOT NULL,"
        " event_id TEXT NOT NULL,"
        " msats INTEGER NOT NULL,"
        " seen_at INTEGER NOT NULL,"
        " tick INTEGER REFERENCES tick_history ON DELETE CASCADE,"
        " tries INTEGER NOT NULL DEFAULT 0,"
        " UNIQUE (agent_npub, id)"
        ") STRICT;"
        "CREATE INDEX agent_observations_waiting ON agent_observations (agent_npub)"
        " WHERE tick IS NULL;"
        "CREATE INDEX agent_observations_tick ON agent_observations (tick)"
        " WHERE tick IS NOT NULL;"

        "CREATE TABLE agent_actions ("
        " seq INTEGER PRIMARY KEY,"
        " agent_npub TEXT NOT NULL," /* the tick's */
        " tick INTEGER NOT NULL REFERENCES tick_history ON DELETE CASCADE,"
        " n INTEGER NOT NULL,"
        " type TEXT NOT NULL,"
        " action TEXT NOT NULL,"
        " status TEXT NOT NULL CHECK (status IN ('planned', 'waiting', 'signed', 'unknown',"
        " 'done', 'failed', 'refused', 'denied')),"
        " reason TEXT NOT NULL DEFAULT '',"
        " event_id TEXT,"
        " event TEXT,"
        " payment TEXT,"
        " cost_msats INTEGER NOT NULL DEFAULT 0,"
        " dry INTEGER NOT NULL,"
        " moved_at INTEGER NOT NULL,"
        " acted_at INTEGER," /* when it began to have effects outside */
        " UNIQUE (tick, n)"
        ") STRICT;"
        "CREATE INDEX agent_actions_open ON agent_actions (tick)"
        " WHERE status IN ('planned', 'waiting', 'signed', 'unknown') AND dry = 0;"
        "CREATE INDEX agent_actions_acted ON agent_actions (agent_npub, type, acted_at)"
        " WHERE acted_at IS NOT NULL;"

        "CREATE TABLE agent_goals ("
        " seq INTEGER PRIMARY KEY,"
        " agent_npub TEXT NOT NULL REFERENCES agent_state (npub),"
        " id TEXT NOT NULL,"
        " text TEXT NOT NULL,"
        " priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 9),"
        " progress INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 100),"
        " status TEXT NOT NULL CHECK (status IN ('active', 'done', 'dropped')),"
        " created_at INTEGER NOT NULL,"
        " updated_at INTEGER NOT NULL,"
        " UNIQUE (agent_npub, id)"
        ") STRICT;"

        "CREATE TABLE agent_memories ("
        " seq INTEGER PRIMARY KEY,"
        " agent_npub TEXT NOT NULL REFERENCES agent_state (npub),"
        " id TEXT NOT NULL,"
        " text TEXT NOT NULL,"
        " uses INTEGER NOT NULL DEFAULT 0," /* how often it was found for a tick */
        " created_at INTEGER NOT NULL,"
        " UNIQUE (agent_npub, id)"
        ") STRICT;"
        "CREATE INDEX agent_memories_of ON agent_memories (agent_npub);"
        /* The words of all agents' memories; the npub is one of them, so that a search reads only
         * its own agent's rows. table-memory.c keeps it: a trigger may not, where the schema is not
         * trusted. */
        "CREATE VIRTUAL TABLE agent_memory_words USING fts5 (agent_npub, text,"
        " content = 'agent_memories', content_rowid = 'seq',"
        " tokenize = 'porter unicode61 remove_diacritics 2');";
/* clang-format on */
