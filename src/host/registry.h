#pragma once
/* Registry: the folder with one file for each agent.
 *
 *     NPUB.toml          an agent
 *     NAME.spawning      one that is being made: its settings, before it has a key
 *     NPUB.toml.deleted  one that is being removed
 *
 * Files are replaced as a whole, readable by their owner only, and durable when a function returns.
 */
#include "settings.h"

#define REGISTRY_MAX 10000 /* agents */

typedef enum RegistryKind {
        REGISTRY_AGENT,
        REGISTRY_SPAWNING,
        REGISTRY_DELETED,
        _REGISTRY_KIND_MAX,
} RegistryKind;

/* What was found; the callback takes what it takes, the rest is freed. */
typedef struct RegistryFile {
        RegistryKind kind;
        const char *npub;        /* of an agent; NULL: it is being made */
        const char *name;        /* of one that is being made */
        AgentSettings *settings; /* not of one that is being removed */
        Secret *mnemonic;        /* that the predecessor left in the file; NULL */
} RegistryFile;
typedef void (*registry_found_t)(RegistryFile *file, void *userdata);

/* In the order of their names. A file that cannot be used is named in the log and left alone.
 * Missing: no agents. */
int registry_read(const char *folder, registry_found_t found, void *userdata);
bool registry_has(const char *folder, const char *npub); /* whatever is in it */
/* settings->npub names it. */
int registry_write(const char *folder, const AgentSettings *settings);

int registry_note_spawn(const char *folder, const AgentSettings *settings); /* -EEXIST */
int registry_forget_spawn(const char *folder, const char *name);
/* From here on the agent is gone, after every crash too. */
int registry_note_delete(const char *folder, const char *npub);
int registry_forget_delete(const char *folder, const char *npub);
