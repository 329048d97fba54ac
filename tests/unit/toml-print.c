/* Prints each TOML file named on the command line as one line of JSON whose scalars carry their
 * type, or "null" where it is refused; for toml-against-tomllib.py. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/file.h"
#include "basic/toml.h"

static void print_text(const char *s, size_t size) {
        (void) putchar('"');
        for (size_t i = 0; i < size; i++)
                if ((unsigned char) s[i] < 0x20 || s[i] == '"' || s[i] == '\\' || s[i] == 0x7f)
                        (void) printf("\\u%04x", (unsigned char) s[i]);
                else
                        (void) putchar(s[i]);
        (void) putchar('"');
}

static void print_list(const TomlValue *v);

static void print_value(const TomlValue *v) {
        const char *text = "";
        int64_t n = 0;
        double d = 0;
        bool b = false;
        size_t size = 0;

        switch (toml_type(v)) {
        case TOML_STRING:
        case TOML_DATE:
                (void) toml_bytes(v, &text, &size);
                (void) printf("[\"%s\",", toml_type(v) == TOML_DATE ? "date" : "string");
                print_text(text, size);
                (void) putchar(']');
                break;
        case TOML_INTEGER:
                (void) toml_integer(v, &n);
                (void) printf("[\"integer\",\"%" PRIi64 "\"]", n);
                break;
        case TOML_FLOAT:
                (void) toml_float(v, &d);
                (void) printf("[\"float\",\"%.17g\"]", d);
                break;
        case TOML_BOOLEAN:
                (void) toml_boolean(v, &b);
                (void) printf("[\"boolean\",\"%s\"]", b ? "true" : "false");
                break;
        case TOML_ARRAY:
        case TOML_TABLE:
        case _TOML_TYPE_MAX:
                print_list(v);
                break;
        }
}

static void print_list(const TomlValue *v) {
        bool table = toml_type(v) == TOML_TABLE;
        const TomlValue *item;
        const char *key;

        (void) printf("%s", table ? "{" : "[\"array\",[");
        for (size_t i = 0; (item = toml_at(v, i, &key)); i++) {
                if (i > 0)
                        (void) putchar(',');
                if (table) {
                        print_text(key, strlen(key));
                        (void) putchar(':');
                }
                print_value(item);
        }
        (void) printf("%s", table ? "}" : "]]");
}

int main(int argc, char *argv[]) {
        for (int i = 1; i < argc; i++) {
                _cleanup_(toml_freep) TomlValue *root = NULL;
                _cleanup_free_ char *text = NULL;
                TomlError error;
                size_t size;

                if (read_whole(argv[i], TOML_SIZE_MAX, &text, &size) < 0)
                        return EXIT_FAILURE;
                if (toml_parse(text, size, &root, &error) >= 0)
                        print_value(root);
                else
                        (void) printf("null");
                (void) putchar('\n');
        }
        return EXIT_SUCCESS;
}
