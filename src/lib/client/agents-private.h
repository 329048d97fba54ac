#pragma once
/* What the two files of the agents' client share. */
#include "bus/client.h"
#include "client/agents-client.h"

struct AgentsCall {
        AgentsClient *client;
        BusCall *bus;
        union {
                agents_verdict_t verdict;
                agents_began_t began;
                agents_json_t json;
                agents_rows_t rows;
                agents_open_t open;
                agents_history_t history;
                agents_goals_t goals;
                agents_memories_t memories;
                agents_count_t count;
        } done;
        void *userdata;
        char *npub; /* of an agent that is removed: that takes more than one message */
        AgentsCall **handle, *prev, *next;
};

int agents_message(AgentsClient *c, const char *member, sd_bus_message **ret);
int agents_call_send(AgentsClient *c, sd_bus_message *m, bus_reply_t on_reply,
                const AgentsCall *what, AgentsCall **ret);
/* Takes the call out of the client; what is to be called is left. */
AgentsCall agents_call_end(AgentsCall *call);

/* Texts of strangers, and JSON: what the bus cannot carry is replaced, or escaped. NULL is "". */
int agents_put_text(sd_bus_message *m, const char *text);
int agents_put_json(sd_bus_message *m, const char *json);
