/* Facts about one thing, for people and for programs. */
#include "facts.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/text.h"

static void print_line(const char *label, const char *value) {
        _cleanup_free_ char *copy = strdup(value);

        (void) printf("%s: %s\n", label, copy ? printable(copy) : "?");
}

void fact_text(Facts *f, const char *key, const char *label, const char *value) {
        if (f->cli->args.json)
                out_text(&f->out, key, value);
        else if (label)
                print_line(label, value);
}

void fact_number(Facts *f, const char *key, const char *label, int64_t value) {
        if (f->cli->args.json)
                out_number(&f->out, key, value);
        else if (label)
                (void) printf("%s: %" PRIi64 "\n", label, value);
}

void fact_list(Facts *f, const char *key, const char *label, char *const *values) {
        if (f->cli->args.json)
                out_array(&f->out, key);
        STRV_FOREACH (v, values)
                fact_text(f, NULL, label, *v);
        if (f->cli->args.json)
                out_end(&f->out);
}

int facts_print(Facts *f) {
        if (!f->cli->args.json)
                return EXIT_SUCCESS;
        return out_print(&f->out) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

void facts_done(Facts *f) {
        out_done(&f->out);
}
