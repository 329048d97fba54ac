#pragma once
/* Columns of text, aligned; the last one is not cut. Used for lists that people read. */
#include "basic/macro.h"

typedef struct Table Table;

int table_new(size_t n_columns, Table **ret);
Table *table_free(Table *t);
DEFINE_CLEANUP(Table, table_free)

/* One cell after the other, row by row. Control characters become '?'. */
int table_add(Table *t, const char *text);
int table_addf(Table *t, const char *format, ...) _printf_(2, 3);
void table_print(const Table *t);

/* The width on a terminal, in cells. */
size_t text_width(const char *text);
