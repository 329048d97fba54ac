#include "rows.h"

#include <stdio.h>

static int column_append(sd_bus_message *reply, SqlStatement *q, int i, char type) {
        int flag;

        switch (type) {
        case 's':
                return sd_bus_message_append(reply, "s", sql_text(q, i));
        case 'x':
                return sd_bus_message_append(reply, "x", sql_int(q, i));
        case 'u':
                return sd_bus_message_append(reply, "u", (uint32_t) sql_int(q, i));
        default:
                flag = sql_int(q, i) != 0;
                return sd_bus_message_append(reply, "b", flag);
        }
}

int row_append(sd_bus_message *reply, SqlStatement *q, int first, const char *types) {
        int r = 0;

        for (int i = 0; r >= 0 && types[i]; i++)
                r = column_append(reply, q, first + i, types[i]);
        return r;
}

int rows_append(sd_bus_message *reply, SqlStatement *query, const char *signature) {
        _cleanup_sql_ SqlStatement *q = query;
        char types[32];
        int r;

        (void) snprintf(types, sizeof(types), "%.*s", (int) strlen(signature) - 2, signature + 1);
        while ((r = sql_step(q)) > 0) {
                r = sd_bus_message_open_container(reply, 'r', types);
                if (r >= 0)
                        r = row_append(reply, q, 0, types);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
                if (r < 0)
                        return r;
        }
        return r;
}
