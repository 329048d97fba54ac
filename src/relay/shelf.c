/* The schema of relay.db, subscriptions and the outbox. */
#include "shelf-private.h"

static const SqlMigration migrations[] = {
        { "subscriptions, outbox, local events",
                        "CREATE TABLE subscription (id INTEGER PRIMARY KEY, role TEXT NOT NULL,"
                        " name TEXT NOT NULL, since INTEGER NOT NULL, UNIQUE (role, name)) STRICT;"
                        "CREATE TABLE watermark (subscription INTEGER NOT NULL"
                        " REFERENCES subscription ON DELETE CASCADE, relay TEXT NOT NULL,"
                        " at INTEGER NOT NULL, PRIMARY KEY (subscription, relay))"
                        " STRICT, WITHOUT ROWID;"
                        "CREATE TABLE seen (subscription INTEGER NOT NULL"
                        " REFERENCES subscription ON DELETE CASCADE, at INTEGER NOT NULL,"
                        " id BLOB NOT NULL, PRIMARY KEY (subscription, at, id))"
                        " STRICT, WITHOUT ROWID;"
                        "CREATE TABLE outbox (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
                        " owner TEXT NOT NULL, relays TEXT NOT NULL, json TEXT NOT NULL,"
                        " expires_at INTEGER NOT NULL) STRICT;"
                        "CREATE TABLE answer (id BLOB NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,"
                        " relay TEXT NOT NULL,"
                        " accepted INTEGER NOT NULL, message TEXT NOT NULL,"
                        " PRIMARY KEY (id, relay)) STRICT, WITHOUT ROWID;"
                        "CREATE TABLE event (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
                        " pubkey BLOB NOT NULL, kind INTEGER NOT NULL, created_at INTEGER NOT NULL,"
                        " expires_at INTEGER, d TEXT, json TEXT NOT NULL) STRICT;"
                        "CREATE INDEX event_author ON event (pubkey, kind, created_at);"
                        "CREATE INDEX event_kind ON event (kind, created_at);"
                        "CREATE INDEX event_time ON event (created_at);"
                        "CREATE INDEX event_expires ON event (expires_at)"
                        " WHERE expires_at IS NOT NULL;"
                        "CREATE TABLE event_tag (hash INTEGER NOT NULL, created_at INTEGER NOT NULL,"
                        " number INTEGER NOT NULL, PRIMARY KEY (hash, created_at, number))"
                        " STRICT, WITHOUT ROWID;" },
};

/* clang-format off */
static const char *const texts[_Q_MAX] = {
        [Q_SUBSCRIPTION]        = "SELECT id, since FROM subscription WHERE role = ? AND name = ?",
        [Q_SUBSCRIPTION_NEW]    = "INSERT INTO subscription (role, name, since) VALUES (?, ?, ?)",
        [Q_SUBSCRIPTION_FORGET] = "DELETE FROM subscription WHERE role = ? AND name = ?",
        [Q_WATERMARK]           = "SELECT at FROM watermark WHERE subscription = ? AND relay = ?",
        [Q_WATERMARK_SET]       = "INSERT INTO watermark VALUES (?, ?, ?)"
                                  " ON CONFLICT DO UPDATE SET at = excluded.at",
        [Q_SEEN_ADD]            = "INSERT OR IGNORE INTO seen (subscription, id, at) VALUES (?, ?, ?)",
        [Q_SEEN_PRUNE]          = "DELETE FROM seen WHERE subscription = ?1 AND at < max(?2, ifnull("
                                  "(SELECT at FROM seen WHERE subscription = ?1"
                                  " ORDER BY at DESC LIMIT 1 OFFSET 131072), 0))",
        [Q_SEEN]                = "SELECT id, at FROM seen WHERE subscription = ? ORDER BY at",
        [Q_OUTBOX_ADD]          = "INSERT INTO outbox (id, owner, relays, json, expires_at)"
                                  " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [Q_OUTBOX_RELAYS]       = "UPDATE outbox SET relays = ?2 WHERE id = ?1",
        [Q_OUTBOX_REMOVE]       = "DELETE FROM outbox WHERE id = ?",
        [Q_OUTBOX_ANSWER]       = "INSERT INTO answer SELECT ?, ?, ?, ?"
                                  " WHERE EXISTS (SELECT 1 FROM outbox WHERE id = ?1)"
                                  " ON CONFLICT DO UPDATE SET accepted = excluded.accepted,"
                                  " message = excluded.message",
        [Q_OUTBOX]              = "SELECT id, owner, relays, json, expires_at FROM outbox ORDER BY number",
        [Q_ANSWERS]             = "SELECT id, relay, accepted, message FROM answer",
        [Q_EVENT_ADD]           = "INSERT INTO event (id, pubkey, kind, created_at, expires_at, d, json)"
                                  " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [Q_EVENT_REMOVE]        = "DELETE FROM event WHERE number = ?",
        [Q_EVENT_GET]           = "SELECT json FROM event WHERE number = ?",
        [Q_EVENT_BY_ID]         = "SELECT number, json, created_at FROM event WHERE id = ?",
        [Q_EVENT_VERSIONS]      = "SELECT number, created_at, id FROM event"
                                  " WHERE pubkey = ? AND kind = ? AND d IS ?",
        [Q_EVENT_COUNT]         = "SELECT count(*), count(*) FILTER (WHERE kind = 5) FROM event",
        [Q_EVENT_EXPIRED]       = "SELECT number FROM event WHERE expires_at <= ? LIMIT 256",
        [Q_EVENT_OLDEST]        = "SELECT number FROM event ORDER BY created_at LIMIT ?",
        [Q_TAG_ADD]             = "INSERT OR IGNORE INTO event_tag VALUES (?, ?, ?)",
        [Q_TAG_REMOVE]          = "DELETE FROM event_tag WHERE hash = ? AND created_at = ? AND number = ?",
        [Q_DELETIONS]           = "SELECT e.created_at, e.json FROM event_tag t JOIN event e USING (number)"
                                  " WHERE t.hash = ? AND e.kind = 5 AND e.pubkey = ?",
        [Q_FIND_TAG]            = "SELECT e.number, e.created_at, e.json, e.expires_at"
                                  " FROM event_tag t JOIN event e USING (number)"
                                  " WHERE t.hash = ? AND t.created_at BETWEEN ? AND ?"
                                  " ORDER BY t.created_at DESC",
        [Q_FIND_AUTHOR_KIND]    = "SELECT number, created_at, json, expires_at FROM event"
                                  " WHERE pubkey = ? AND kind = ? AND created_at BETWEEN ? AND ?"
                                  " ORDER BY created_at DESC",
        [Q_FIND_AUTHOR]         = "SELECT number, created_at, json, expires_at FROM event"
                                  " WHERE pubkey = ? AND created_at BETWEEN ? AND ?"
                                  " ORDER BY created_at DESC",
        [Q_FIND_KIND]           = "SELECT number, created_at, json, expires_at FROM event"
                                  " WHERE kind = ? AND created_at BETWEEN ? AND ?"
                                  " ORDER BY created_at DESC",
        [Q_FIND_TIME]           = "SELECT number, created_at, json, expires_at FROM event"
                                  " WHERE created_at BETWEEN ? AND ? ORDER BY created_at DESC",
};
/* clang-format on */

static void on_undone(_unused_ int error, void *userdata) {
        (void) shelf_event_count(userdata); /* wrong counts cost only time */
}

int shelf_open(const char *path, sd_event *e, Shelf **ret, const char **reterr) {
        _cleanup_(shelf_closep) Shelf *s = NULL;
        int r;

        s = new0(Shelf, 1);
        if (!s)
                return -ENOMEM;

        r = sql_open(path, migrations, ELEMENTSOF(migrations), &s->db, reterr);
        if (r < 0)
                return r;
        r = sql_prepare_table(s->db, texts, _Q_MAX, s->q);
        if (r >= 0)
                r = sql_group_new(s->db, e, &s->group);
        if (r >= 0)
                r = shelf_event_count(s);
        if (r < 0) {
                *reterr = sql_reason(r);
                return r;
        }

        sql_group_on_undone(s->group, on_undone, s);
        *ret = TAKE_PTR(s);
        return 0;
}

Shelf *shelf_close(Shelf *s) {
        if (!s)
                return NULL;

        sql_group_free(s->group);
        sql_close(s->db);
        return mfree(s);
}

SqlGroup *shelf_group(Shelf *s) {
        return s->group;
}

Sql *shelf_sql(Shelf *s) {
        return s->db;
}

int shelf_begin(Shelf *s) {
        return sql_request_begin(s->group);
}

void shelf_end(Shelf *s, int error) {
        if (error < 0)
                sql_request_refuse(s->group);
        else
                (void) sql_request_ok(s->group, true, NULL, NULL); /* lazy: may be lost */
}

int shelf_subscription(Shelf *s, const char *role, const char *name, int64_t now, int64_t *ret_id,
                int64_t *ret_since) {
        _cleanup_sql_ SqlStatement *q = s->q[Q_SUBSCRIPTION];
        SqlStatement *add = s->q[Q_SUBSCRIPTION_NEW];
        int r;

        sql_bind_text(q, 1, role);
        sql_bind_text(q, 2, name);
        r = sql_step(q);
        if (r < 0)
                return r;
        if (r > 0) {
                *ret_id = sql_int(q, 0);
                *ret_since = sql_int(q, 1);
                return 0;
        }

        r = shelf_begin(s);
        if (r < 0)
                return r;
        sql_bind_text(add, 1, role);
        sql_bind_text(add, 2, name);
        sql_bind_int(add, 3, now);
        r = sql_run(add);
        *ret_id = sql_last_id(s->db);
        *ret_since = now;
        shelf_end(s, r);
        return r;
}

int shelf_subscription_forget(Shelf *s, const char *role, const char *name) {
        SqlStatement *q = s->q[Q_SUBSCRIPTION_FORGET];
        int r;

        r = shelf_begin(s);
        if (r < 0)
                return r;
        sql_bind_text(q, 1, role);
        sql_bind_text(q, 2, name);
        r = sql_run(q);
        shelf_end(s, r);
        return r;
}

int64_t shelf_watermark(Shelf *s, int64_t subscription, const char *relay) {
        _cleanup_sql_ SqlStatement *q = s->q[Q_WATERMARK];

        sql_bind_int(q, 1, subscription);
        sql_bind_text(q, 2, relay);
        return sql_step(q) > 0 ? sql_int(q, 0) : 0;
}

int shelf_set_watermark(Shelf *s, int64_t subscription, const char *relay, int64_t at) {
        SqlStatement *q = s->q[Q_WATERMARK_SET];

        sql_bind_int(q, 1, subscription);
        sql_bind_text(q, 2, relay);
        sql_bind_int(q, 3, at);
        return sql_run(q);
}

int shelf_add_seen(Shelf *s, int64_t subscription, const uint8_t id[static 32], int64_t at) {
        SqlStatement *q = s->q[Q_SEEN_ADD];

        sql_bind_int(q, 1, subscription);
        sql_bind_bytes(q, 2, id, 32);
        sql_bind_int(q, 3, at);
        return sql_run(q);
}

int shelf_prune_seen(Shelf *s, int64_t subscription, int64_t before) {
        SqlStatement *q = s->q[Q_SEEN_PRUNE];

        sql_bind_int(q, 1, subscription);
        sql_bind_int(q, 2, before);
        return sql_run(q);
}

int shelf_each_seen(Shelf *s, int64_t subscription,
                int (*each)(const uint8_t id[static 32], int64_t at, void *userdata),
                void *userdata) {
        _cleanup_sql_ SqlStatement *q = s->q[Q_SEEN];
        int r;

        sql_bind_int(q, 1, subscription);
        while ((r = sql_step(q)) > 0) {
                size_t size;
                const void *id = sql_bytes(q, 0, &size);

                r = size == 32 ? each(id, sql_int(q, 1), userdata) : 0;
                if (r < 0)
                        return r;
        }
        return r;
}

int shelf_outbox_add(Shelf *s, const ShelfLetter *letter) {
        SqlStatement *q = s->q[Q_OUTBOX_ADD];

        sql_bind_bytes(q, 1, letter->id, 32);
        sql_bind_text(q, 2, letter->owner);
        sql_bind_text(q, 3, letter->relays);
        sql_bind_text(q, 4, letter->json);
        sql_bind_int(q, 5, letter->expires_at);
        return sql_run(q);
}

int shelf_outbox_relays(Shelf *s, const uint8_t id[static 32], const char *relays) {
        SqlStatement *q = s->q[Q_OUTBOX_RELAYS];

        sql_bind_bytes(q, 1, id, 32);
        sql_bind_text(q, 2, relays);
        return sql_run(q);
}

int shelf_outbox_remove(Shelf *s, const uint8_t id[static 32]) {
        SqlStatement *q = s->q[Q_OUTBOX_REMOVE];

        sql_bind_bytes(q, 1, id, 32);
        return sql_run(q);
}

int shelf_outbox_answer(Shelf *s, const uint8_t id[static 32], const char *relay, bool accepted,
                const char *message) {
        SqlStatement *q = s->q[Q_OUTBOX_ANSWER];

        sql_bind_bytes(q, 1, id, 32);
        sql_bind_text(q, 2, relay);
        sql_bind_int(q, 3, accepted);
        sql_bind_text(q, 4, message);
        return sql_run(q);
}

int shelf_each_letter(
                Shelf *s, int (*each)(const ShelfLetter *letter, void *userdata), void *userdata) {
        _cleanup_sql_ SqlStatement *q = s->q[Q_OUTBOX];
        int r;

        while ((r = sql_step(q)) > 0) {
                size_t size;
                ShelfLetter letter = {
                        .id = sql_bytes(q, 0, &size),
                        .owner = sql_text(q, 1),
                        .relays = sql_text(q, 2),
                        .json = sql_text(q, 3),
                        .expires_at = sql_int(q, 4),
                };

                r = size == 32 ? each(&letter, userdata) : 0;
                if (r < 0)
                        return r;
        }
        return r;
}

int shelf_each_answer(Shelf *s,
                int (*each)(const uint8_t id[static 32], const char *relay, bool accepted,
                                const char *message, void *userdata),
                void *userdata) {
        _cleanup_sql_ SqlStatement *q = s->q[Q_ANSWERS];
        int r;

        while ((r = sql_step(q)) > 0) {
                size_t size;
                const void *id = sql_bytes(q, 0, &size);

                r = size == 32 ? each(id, sql_text(q, 1), sql_int(q, 2) != 0, sql_text(q, 3),
                                                 userdata)
                               : 0;
                if (r < 0)
                        return r;
        }
        return r;
}
