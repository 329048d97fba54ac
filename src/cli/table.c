/* Columns of text. */
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <wchar.h>

#include "cli.h"

#define GAP         2
#define CELL_MAX    512
#define MB_CUR_MAX_ 16 /* no encoding has longer characters */

struct Table {
        size_t n_columns, n_cells, allocated;
        char **cells;
};

int table_new(size_t n_columns, Table **ret) {
        Table *t = new0(Table, 1);

        if (!t)
                return -ENOMEM;
        t->n_columns = n_columns;
        *ret = t;
        return 0;
}

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < t->n_cells; i++)
                free(t->cells[i]);
        free(t->cells);
        return mfree(t);
}

int table_add(Table *t, const char *text) {
        char *copy;

        if (t->n_cells == t->allocated) {
                size_t n = t->allocated > 0 ? 2 * t->allocated : 8 * t->n_columns;
                char **cells = reallocarray(t->cells, n, sizeof(*cells));

                if (!cells)
                        return -ENOMEM;
                t->cells = cells;
                t->allocated = n;
        }
        copy = strndup(text, MIN(strlen(text), (size_t) CELL_MAX));
        if (!copy)
                return -ENOMEM;
        t->cells[t->n_cells++] = printable(copy);
        return 0;
}

int table_addf(Table *t, const char *format, ...) {
        char text[CELL_MAX];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        return table_add(t, text);
}

size_t text_width(const char *text) {
        mbstate_t state = { 0 };
        size_t width = 0;

        while (*text) {
                wchar_t c;
                size_t n = mbrtowc(&c, text, MB_CUR_MAX_, &state);

                if (n == 0 || n > MB_CUR_MAX_)
                        return width + strlen(text); /* another encoding: bytes will do */
                width += wcwidth(c) > 0 ? (size_t) wcwidth(c) : 0;
                text += n;
        }
        return width;
}

void table_print(const Table *t) {
        _cleanup_free_ size_t *widths = new0(size_t, t->n_columns);

        if (!widths)
                return;
        for (size_t i = 0; i < t->n_cells; i++)
                widths[i % t->n_columns] = MAX(widths[i % t->n_columns], text_width(t->cells[i]));

        for (size_t i = 0; i < t->n_cells; i++) {
                size_t column = i % t->n_columns, used = text_width(t->cells[i]);

                (void) fputs(t->cells[i], stdout);
                if (column + 1 == t->n_columns)
                        (void) putchar('\n');
                else
                        (void) printf("%*s", (int) (widths[column] - used + GAP), "");
        }
}
