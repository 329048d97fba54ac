/* Rows of settings, see table-setting.h. */
#include "table-setting.h"

enum { Q_GET, Q_SET, Q_LIST, Q_REMOVE, _Q_MAX };

/* The slash comes after the dot. */
#define OF_AGENT "WHERE name >= 'agent.' || ?1 || '.' AND name < 'agent.' || ?1 || '/'"

static const char *const texts[_Q_MAX] = {
        [Q_GET] = "SELECT value FROM settings WHERE name = ?",
        [Q_SET] = "INSERT INTO settings VALUES (?, ?) "
                  "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        [Q_LIST] = "SELECT name, value FROM settings " OF_AGENT " ORDER BY name",
        [Q_REMOVE] = "DELETE FROM settings " OF_AGENT,
};

struct SettingTable {
        SqlStatement *q[_Q_MAX];
};

int setting_table_new(Sql *db, SettingTable **ret) {
        _cleanup_(setting_table_freep) SettingTable *t = NULL;
        int r;

        t = new0(SettingTable, 1);
        if (!t)
                return -ENOMEM;

        r = sql_prepare_table(db, texts, _Q_MAX, t->q);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(t);
        return 0;
}

SettingTable *setting_table_free(SettingTable *t) {
        return mfree(t); /* the statements belong to the database */
}

int setting_get(SettingTable *t, const char *name, char **ret) {
        _cleanup_sql_ SqlStatement *q = t->q[Q_GET];
        char *value;
        int r;

        sql_bind_text(q, 1, name);
        r = sql_step(q);
        if (r < 0)
                return r;

        value = strdup(r > 0 ? sql_text(q, 0) : "");
        if (!value)
                return -ENOMEM;
        *ret = value;
        return 0;
}

int setting_set(SettingTable *t, const char *name, const char *value) {
        SqlStatement *q = t->q[Q_SET];

        if (isempty(name) || strlen(name) > SETTING_NAME_MAX || strlen(value) > SETTING_VALUE_MAX)
                return -EINVAL;

        sql_bind_text(q, 1, name);
        sql_bind_text(q, 2, value);
        return sql_run(q);
}

SqlStatement *setting_list_of_agent(SettingTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_LIST];

        sql_bind_text(q, 1, npub);
        return q;
}

int setting_remove_of_agent(SettingTable *t, const char *npub) {
        SqlStatement *q = t->q[Q_REMOVE];

        sql_bind_text(q, 1, npub);
        return sql_run(q);
}
