/* The tables of pylon.db, as migrations. Append one, never edit an old one.
 *
 * Columns have the names of the first Pylon, so that its users' queries go on working. What is
 * large lies beside the row, so that a list reads small rows only. Totals are kept by triggers, in
 * the same transaction, whoever changes a row. */
#include "schema.h"

/* The two lists of states below must be these very words in a query that is to use the index. */
static const char schema_jobs[] =
                "CREATE TABLE jobs ("
                " seq INTEGER PRIMARY KEY,"
                " id TEXT NOT NULL UNIQUE,"
                " kind INTEGER NOT NULL,"
                " customer_pubkey TEXT NOT NULL,"
                " status TEXT NOT NULL,"
                " price_msats INTEGER NOT NULL DEFAULT 0,"
                " input_hash TEXT AS (id),"
                " output_hash TEXT,"
                " error_message TEXT,"
                " paid_at INTEGER,"
                " started_at INTEGER,"
                " completed_at INTEGER,"
                " created_at INTEGER NOT NULL"
                ") STRICT;"
                "CREATE INDEX jobs_created ON jobs (created_at);"
                "CREATE INDEX jobs_open ON jobs (id) WHERE status IN ('received', 'priced',"
                " 'unpaid', 'queued', 'running', 'publishing', 'owed');"
                "CREATE INDEX jobs_final ON jobs (status, created_at) WHERE status IN"
                " ('completed', 'failed', 'expired', 'cancelled');"
                "CREATE TABLE job_requests ("
                " seq INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,"
                " relay TEXT NOT NULL,"
                " request TEXT NOT NULL"
                ") STRICT;"
                "CREATE TABLE job_results ("
                " seq INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,"
                " result TEXT,"
                " feedback TEXT"
                ") STRICT;"
                "CREATE TABLE job_totals ("
                " status TEXT PRIMARY KEY,"
                " jobs INTEGER NOT NULL DEFAULT 0"
                ") STRICT, WITHOUT ROWID;"
                "CREATE TRIGGER jobs_added AFTER INSERT ON jobs BEGIN"
                " INSERT INTO job_totals VALUES (new.status, 1)"
                " ON CONFLICT DO UPDATE SET jobs = jobs + 1;"
                "END;"
                "CREATE TRIGGER jobs_moved AFTER UPDATE OF status ON jobs"
                " WHEN old.status <> new.status BEGIN"
                " UPDATE job_totals SET jobs = jobs - 1 WHERE status = old.status;"
                " INSERT INTO job_totals VALUES (new.status, 1)"
                " ON CONFLICT DO UPDATE SET jobs = jobs + 1;"
                "END;"
                "CREATE TRIGGER jobs_removed AFTER DELETE ON jobs BEGIN"
                " UPDATE job_totals SET jobs = jobs - 1 WHERE status = old.status;"
                "END;";

static const char schema_money[] =
                "CREATE TABLE earnings ("
                " id TEXT NOT NULL UNIQUE,"
                " job_id TEXT REFERENCES jobs (id),"
                " amount_msats INTEGER NOT NULL CHECK (amount_msats >= 0),"
                " source TEXT NOT NULL CHECK (source IN ('job', 'tip', 'other')),"
                " payment_hash TEXT,"
                " preimage TEXT,"
                " earned_at INTEGER NOT NULL"
                ") STRICT;"
                "CREATE TABLE earning_totals ("
                " source TEXT PRIMARY KEY,"
                " earnings INTEGER NOT NULL DEFAULT 0,"
                " amount_msats INTEGER NOT NULL DEFAULT 0"
                ") STRICT, WITHOUT ROWID;"
                "CREATE TRIGGER earnings_added AFTER INSERT ON earnings BEGIN"
                " INSERT INTO earning_totals VALUES (new.source, 1, new.amount_msats)"
                " ON CONFLICT DO UPDATE SET earnings = earnings + 1,"
                " amount_msats = amount_msats + excluded.amount_msats;"
                "END;"
                "CREATE TRIGGER earnings_removed AFTER DELETE ON earnings BEGIN"
                " UPDATE earning_totals SET earnings = earnings - 1,"
                " amount_msats = amount_msats - old.amount_msats WHERE source = old.source;"
                "END;"
                "CREATE TABLE invoices ("
                " id TEXT NOT NULL UNIQUE,"
                " job_id TEXT REFERENCES jobs (id),"
                " bolt11 TEXT NOT NULL,"
                " amount_msats INTEGER NOT NULL CHECK (amount_msats >= 0),"
                " status TEXT NOT NULL DEFAULT 'pending'"
                " CHECK (status IN ('pending', 'paid', 'expired', 'cancelled')),"
                " paid_amount_msats INTEGER,"
                " created_at INTEGER NOT NULL,"
                " paid_at INTEGER"
                ") STRICT;"
                "CREATE INDEX invoices_job ON invoices (job_id);";

static const char schema_agents[] =
                "CREATE TABLE agent_state ("
                " npub TEXT NOT NULL UNIQUE,"
                " name TEXT NOT NULL,"
                " lifecycle_state TEXT NOT NULL CHECK (lifecycle_state IN"
                " ('spawning', 'active', 'low_balance', 'hibernating', 'dormant')),"
                " balance_msats INTEGER NOT NULL DEFAULT 0,"
                " tick_count INTEGER NOT NULL DEFAULT 0,"
                " last_tick_at INTEGER,"
                " memory_json TEXT,"
                " goals_json TEXT,"
                " created_at INTEGER NOT NULL,"
                " updated_at INTEGER NOT NULL"
                ") STRICT;"
                "CREATE VIEW agents AS SELECT npub, name, lifecycle_state,"
                " balance_msats / 1000 AS balance_sats, tick_count, last_tick_at, memory_json,"
                " goals_json, created_at, updated_at FROM agent_state;"
                "CREATE TABLE tick_history ("
                " id INTEGER PRIMARY KEY,"
                " agent_npub TEXT NOT NULL REFERENCES agent_state (npub),"
                " tick_number INTEGER NOT NULL,"
                " prompt_tokens INTEGER NOT NULL DEFAULT 0,"
                " completion_tokens INTEGER NOT NULL DEFAULT 0,"
                " actions_json TEXT,"
                " cost_sats INTEGER NOT NULL DEFAULT 0,"
                " duration_ms INTEGER NOT NULL DEFAULT 0,"
                " created_at INTEGER NOT NULL,"
                " UNIQUE (agent_npub, tick_number)"
                ") STRICT;";

static const char schema_settings[] = "CREATE TABLE settings ("
                                      " name TEXT PRIMARY KEY,"
                                      " value TEXT NOT NULL"
                                      ") STRICT, WITHOUT ROWID;";

/* The regtest node of this machine: nobody but the wallet's driver "regtest" looks in here. */
static const char schema_regtest[] =
                "CREATE TABLE regtest_node ("
                " id INTEGER PRIMARY KEY CHECK (id = 1),"
                " secret TEXT NOT NULL"
                ") STRICT;"
                "CREATE TABLE regtest_accounts ("
                " name TEXT PRIMARY KEY,"
                " balance_msats INTEGER NOT NULL CHECK (balance_msats >= 0 OR name = 'faucet')"
                ") STRICT, WITHOUT ROWID;"
                "CREATE TABLE regtest_transactions ("
                " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
                " id TEXT NOT NULL UNIQUE,"
                " what TEXT NOT NULL CHECK (what IN ('faucet', 'payment')),"
                " made_at INTEGER NOT NULL"
                ") STRICT;"
                "CREATE TABLE regtest_postings ("
                " seq INTEGER NOT NULL REFERENCES regtest_transactions,"
                " account TEXT NOT NULL,"
                " amount_msats INTEGER NOT NULL"
                ") STRICT;"
                "CREATE TRIGGER regtest_posted AFTER INSERT ON regtest_postings BEGIN"
                " INSERT INTO regtest_accounts VALUES (new.account, 0) ON CONFLICT DO NOTHING;"
                " UPDATE regtest_accounts SET balance_msats = balance_msats + new.amount_msats"
                " WHERE name = new.account;"
                "END;"
                "CREATE TABLE regtest_invoices ("
                " hash TEXT PRIMARY KEY,"
                " preimage TEXT NOT NULL,"
                " account TEXT NOT NULL,"
                " bolt11 TEXT NOT NULL,"
                " description TEXT NOT NULL,"
                " amount_msats INTEGER NOT NULL CHECK (amount_msats >= 0),"
                " created_at INTEGER NOT NULL,"
                " expires_at INTEGER NOT NULL,"
                " received_msats INTEGER,"
                " settled_at INTEGER,"
                " settled_tx INTEGER REFERENCES regtest_transactions"
                ") STRICT;"
                "CREATE INDEX regtest_settled ON regtest_invoices (account, settled_tx)"
                " WHERE settled_tx IS NOT NULL;"
                "CREATE INDEX regtest_made ON regtest_invoices (account, created_at);"
                "CREATE TABLE regtest_payments ("
                " payer TEXT NOT NULL,"
                " hash TEXT NOT NULL REFERENCES regtest_invoices,"
                " amount_msats INTEGER NOT NULL,"
                " paid_at INTEGER NOT NULL,"
                " tx INTEGER NOT NULL REFERENCES regtest_transactions,"
                " PRIMARY KEY (payer, hash)"
                ") STRICT, WITHOUT ROWID;";
/* The words of the index are those of the query that lists what is open. */
static const char schema_purchases[] =
                "CREATE TABLE purchases ("
                " seq INTEGER PRIMARY KEY,"
                " id TEXT NOT NULL UNIQUE,"
                " kind INTEGER NOT NULL,"
                " provider_pubkey TEXT NOT NULL,"
                " status TEXT NOT NULL CHECK (status IN"
                " ('asking', 'unpaid', 'paying', 'paid', 'received', 'failed')),"
                " relays TEXT NOT NULL,"
                " request TEXT NOT NULL,"
                " bid_msats INTEGER NOT NULL,"
                " max_msats INTEGER NOT NULL,"
                " auto_pay INTEGER NOT NULL,"
                " payee_pubkey TEXT NOT NULL DEFAULT '',"
                " bolt11 TEXT NOT NULL DEFAULT '',"
                " amount_msats INTEGER NOT NULL DEFAULT 0 CHECK (amount_msats >= 0),"
                " fee_msats INTEGER NOT NULL DEFAULT 0 CHECK (fee_msats >= 0),"
                " result TEXT,"
                " error_message TEXT,"
                " created_at INTEGER NOT NULL,"
                " deadline_at INTEGER NOT NULL,"
                " paid_at INTEGER,"
                " completed_at INTEGER"
                ") STRICT;"
                "CREATE INDEX purchases_created ON purchases (created_at);"
                "CREATE INDEX purchases_open ON purchases (id) WHERE status IN"
                " ('asking', 'unpaid', 'paying', 'paid');";

/* Who bought, under which name of his own, and how it went: for choosing the next one. */
static const char schema_purchase_buyers[] =
                "ALTER TABLE purchases ADD COLUMN key_name TEXT NOT NULL DEFAULT 'buyer';"
                "ALTER TABLE purchases ADD COLUMN account TEXT NOT NULL DEFAULT 'owner';"
                "ALTER TABLE purchases ADD COLUMN grant_name TEXT NOT NULL DEFAULT '';"
                "ALTER TABLE purchases ADD COLUMN ref TEXT NOT NULL DEFAULT '';"
                "ALTER TABLE purchases ADD COLUMN fee_max_msats INTEGER NOT NULL DEFAULT -1;"
                "ALTER TABLE purchases ADD COLUMN took_msecs INTEGER NOT NULL DEFAULT -1;"
                "ALTER TABLE purchases ADD COLUMN blamed INTEGER NOT NULL DEFAULT 0;"
                "CREATE UNIQUE INDEX purchases_ref ON purchases (ref) WHERE ref <> '';";

/* What became of requests; table-why.c. */
static const char schema_why[] = "CREATE TABLE why_counts ("
                                 " hour INTEGER NOT NULL,"
                                 " relay TEXT NOT NULL,"
                                 " kind INTEGER NOT NULL,"
                                 " verdict TEXT NOT NULL,"
                                 " requests INTEGER NOT NULL,"
                                 " PRIMARY KEY (hour, relay, kind, verdict)"
                                 ") STRICT, WITHOUT ROWID;"
                                 "CREATE TABLE why_bids ("
                                 " hour INTEGER NOT NULL,"
                                 " kind INTEGER NOT NULL,"
                                 " percent INTEGER NOT NULL," /* of the price, at least */
                                 " requests INTEGER NOT NULL,"
                                 " PRIMARY KEY (hour, kind, percent)"
                                 ") STRICT, WITHOUT ROWID;"
                                 "CREATE TABLE why_events ("
                                 " seq INTEGER PRIMARY KEY,"
                                 " id TEXT NOT NULL UNIQUE,"
                                 " seen_at INTEGER NOT NULL,"
                                 " relay TEXT NOT NULL,"
                                 " kind INTEGER NOT NULL,"
                                 " verdict TEXT NOT NULL,"
                                 " reason TEXT,"
                                 " class TEXT,"
                                 " backend TEXT,"
                                 " model TEXT,"
                                 " bid_msats INTEGER,"
                                 " price_msats INTEGER,"
                                 " wait_ms INTEGER,"
                                 " run_ms INTEGER"
                                 ") STRICT;"
                                 "CREATE TABLE why_batches ("
                                 " one INTEGER PRIMARY KEY CHECK (one = 1),"
                                 " source TEXT NOT NULL,"
                                 " number INTEGER NOT NULL"
                                 ") STRICT;";

/* What was earned on each day (UTC) with each kind: few rows, however many jobs there were. */
#define EARNING_DAY(row)                                                          \
        row ".earned_at / 86400, coalesce((SELECT kind FROM jobs WHERE id = " row \
            ".job_id), 0), " row ".source"
static const char schema_earning_days[] =
                "CREATE TABLE earning_days ("
                " day INTEGER NOT NULL,"
                " kind INTEGER NOT NULL," /* of the job; 0: none */
                " source TEXT NOT NULL,"
                " earnings INTEGER NOT NULL DEFAULT 0,"
                " amount_msats INTEGER NOT NULL DEFAULT 0,"
                " PRIMARY KEY (day, kind, source)"
                ") STRICT, WITHOUT ROWID;"
                "INSERT INTO earning_days SELECT " EARNING_DAY(
                                "e") ", count(*), sum(e.amount_msats) FROM earnings AS e GROUP BY 1, 2, 3;"
                                     "CREATE TRIGGER earning_days_added AFTER INSERT ON earnings BEGIN"
                                     " INSERT INTO earning_days SELECT " EARNING_DAY(
                                                     "new") ", 1, new.amount_msats WHERE true"
                                                            " ON CONFLICT DO UPDATE SET earnings = earnings + 1,"
                                                            " amount_msats = amount_msats + excluded.amount_msats;"
                                                            "END;"
                                                            "CREATE TRIGGER earning_days_removed AFTER DELETE ON earnings BEGIN"
                                                            " UPDATE earning_days SET earnings = earnings - 1,"
                                                            " amount_msats = amount_msats - old.amount_msats"
                                                            " WHERE (day, kind, source) = (" EARNING_DAY(
                                                                            "old") ");"
                                                                                   "END;";

/* What the provider remembers of its customers; table-customer.c. */
static const char schema_customers[] = "CREATE TABLE customer_notes ("
                                       " seq INTEGER PRIMARY KEY,"
                                       " what TEXT NOT NULL CHECK (what IN ('free', 'unpaid')),"
                                       " job_id TEXT NOT NULL,"
                                       " customer_pubkey TEXT NOT NULL,"
                                       " day INTEGER NOT NULL,"
                                       " UNIQUE (job_id, what)"
                                       ") STRICT;"
                                       "CREATE INDEX customer_notes_days"
                                       " ON customer_notes (what, day, customer_pubkey);";

/* Those with a ref whose texts can be dropped; the words are those of the query. */
static const char schema_purchase_texts[] =
                "CREATE INDEX purchases_texts ON purchases (completed_at)"
                " WHERE ref <> '' AND request <> '' AND completed_at IS NOT NULL;";

/* LUD-21: where the payee's server says whether it was paid. */
static const char schema_payment_verify[] =
                "ALTER TABLE payments ADD COLUMN verify_url TEXT NOT NULL DEFAULT '';";

const SqlMigration schema[] = {
        { "jobs", schema_jobs },
        { "money", schema_money },
        { "agents", schema_agents },
        { "settings", schema_settings },
        { "regtest", schema_regtest },
        { "purchases", schema_purchases },
        { "why", schema_why },
        { "books", schema_books },
        { "earning-days", schema_earning_days },
        { "purchase-buyers", schema_purchase_buyers },
        { "host", schema_host },
        { "customers", schema_customers },
        { "purchase-texts", schema_purchase_texts },
        { "payment-verify", schema_payment_verify },
};
const size_t schema_n = ELEMENTSOF(schema);
