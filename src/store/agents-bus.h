#pragma once
/* com.openagents.Pylon1.Store.Agents: agents, their ticks, actions, goals and memories, for
 * pylon-host alone. */
#include <systemd/sd-bus.h>

extern const sd_bus_vtable agents_vtable[]; /* its userdata is the Store */

/* agents-list.c: what is read. */
#define OPEN_ACTION_TYPES "usssssssxx"
#define OPEN_TICK_ROW     "(xsxxssbssa(" OPEN_ACTION_TYPES "))"
#define TICK_HISTORY_ROW  "(xxxxxxsssxxbs)"
int method_list_agents(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_context(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_open_ticks(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_find_tick(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_tick_history(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_tick_record(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_goals(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_list_memories(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_count_actions(sd_bus_message *m, void *userdata, sd_bus_error *error);
int method_export(sd_bus_message *m, void *userdata, sd_bus_error *error);
