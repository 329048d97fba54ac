#pragma once
/* The tables of pylon.db. Their names and columns are promises: people query the file with sqlite3,
 * see pylon-store(8). */
#include "basic/sql.h"

extern const char schema_books[]; /* schema-books.c */
extern const char schema_host[];  /* schema-agents.c */

extern const SqlMigration schema[];
extern const size_t schema_n;
