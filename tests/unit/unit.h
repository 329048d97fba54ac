#pragma once
/* What every unit test includes: cmocka with the headers it forgets, and the vectors' folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "basic/macro.h"

/* The whole file of official vectors, or a skipped test where the folder is not there. The caller
 * frees it. */
static inline _unused_ char *vectors_read(const char *name) {
        const char *folder = getenv("PYLON_VECTORS");
        char path[4096], *text;
        long size;
        FILE *f;

        (void) snprintf(path, sizeof(path), "%s/%s", folder ?: ".", name);
        f = fopen(path, "re");
        if (!f) {
                print_message("# %s is not there: PYLON_VECTORS names the folder\n", path);
                skip();
        }
        assert_int_equal(fseek(f, 0, SEEK_END), 0);
        size = ftell(f);
        assert_true(size >= 0);
        rewind(f);
        text = malloc((size_t) size + 1);
        assert_non_null(text);
        assert_int_equal(fread(text, 1, (size_t) size, f), size);
        text[size] = 0;
        assert_int_equal(fclose(f), 0);
        return text;
}
