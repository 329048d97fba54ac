#pragma once
/* Memories: what an agent wants to know again, found by their words. They are written once; where
 * there are too many, the least used of the old ones goes. */
#include "table-agent.h"

#define MEMORIES_YOUNG   100 /* these are never the ones to go */
#define MEMORY_WORDS_MAX 16  /* of a query, the longest */

/* Borrowed strings. */
typedef struct Memory {
        const char *id, *text;
        int64_t at;
} Memory;

typedef struct MemoryTable MemoryTable;
int memory_table_new(Sql *db, MemoryTable **ret);
MemoryTable *memory_table_free(MemoryTable *t);
DEFINE_CLEANUP(MemoryTable, memory_table_free)

const char *memory_fault(const Memory *m); /* NULL: none */
int memory_add(MemoryTable *t, const char *npub, const Memory *m, Outcome *ret);
int memory_forget(MemoryTable *t, const char *npub, const char *id, Outcome *ret);
int memory_remove_all(MemoryTable *t, const char *npub);

/* Called for each memory; a negative return ends it and is the result. `key` is for memory_use().
 */
typedef int (*memory_row_t)(const Memory *m, int64_t key, void *userdata);

/* Those that share words with the query, which is any text: the best first. What a word is worth
 * depends on how rare it is among this agent's own memories. */
int memory_search(MemoryTable *t, const char *npub, const char *query, unsigned limit,
                memory_row_t row, void *userdata);
int memory_newest(
                MemoryTable *t, const char *npub, unsigned limit, memory_row_t row, void *userdata);
int memory_use(MemoryTable *t, int64_t key);
int memory_count(MemoryTable *t, const char *npub, int64_t *ret);
/* In the order in which they came: id, text, created_at. */
SqlStatement *memory_all(MemoryTable *t, const char *npub);
