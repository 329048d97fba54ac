#pragma once
/* What export and import of an agent share. */
#include "agent-parcel.h"
#include "agent.h"

#define TRAVEL_VERSION    1
#define TRAVEL_SEALED_MAX 4096       /* bytes of the words, encrypted */
#define TRAVEL_MEMORY_MAX (17 << 20) /* what the host hands out, and a little */
#define TRAVEL_DEPTH      16
#define TRAVEL_VALUES     1000000
#define TRAVEL_TIMEOUT    (2 * MIN_)
#define TRAVEL_KEY_MAX    64

/* From --passphrase-file, or from a person; twice where it is a new one. 0, or the exit code. */
int passphrase_read(const Cli *cli, bool is_new, Secret **ret);

/* The name of the signer's key. -ENAMETOOLONG. */
int travel_key(const char *name, char ret[static TRAVEL_KEY_MAX]);

/* A call whose argument is the end of a pipe that somebody fills and empties until the answer
 * comes. The end is ours no longer. */
typedef struct TravelCall {
        sd_bus *bus;
        sd_bus_slot *slot;
        sd_bus_message *reply;
} TravelCall;
int travel_call_begin(TravelCall *call, const Remote *agent, const char *member, int *fd);
int travel_call_end(const Cli *cli, const char *name, TravelCall *call); /* 0, or the exit code */
void travel_call_done(TravelCall *call);
