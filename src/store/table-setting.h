#pragma once
/* Settings that the services keep for themselves: wishes such as "provider.online". */
#include "basic/sql.h"

#define SETTING_NAME_MAX  128
#define SETTING_VALUE_MAX (UINT64_C(64) * 1024)

typedef struct SettingTable SettingTable;

int setting_table_new(Sql *db, SettingTable **ret);
SettingTable *setting_table_free(SettingTable *t);
DEFINE_CLEANUP(SettingTable, setting_table_free)

/* "" where it was never set. */
int setting_get(SettingTable *t, const char *name, char **ret);
/* -EINVAL: the name is empty, or one of both is too long. */
int setting_set(SettingTable *t, const char *name, const char *value);

/* Those of one agent have names that begin with "agent.NPUB.". name, value: */
SqlStatement *setting_list_of_agent(SettingTable *t, const char *npub);
int setting_remove_of_agent(SettingTable *t, const char *npub);
