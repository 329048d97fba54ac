/* JSON on stdout. */
#include "out.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/json.h"
#include "basic/text.h"

#define DEPTH_MAX 63

static void note(Out *o, int r) {
        if (r < 0 && o->error >= 0)
                o->error = r;
}

static void begin(Out *o, const char *key) {
        if (o->comma)
                note(o, buffer_add(&o->buffer, ",", 1));
        o->comma = true;
        if (!key)
                return;
        note(o, json_write_string(&o->buffer, key, strlen(key)));
        note(o, buffer_add(&o->buffer, ":", 1));
}

static void open_list(Out *o, const char *key, bool array) {
        assert(o->depth < DEPTH_MAX);
        begin(o, key);
        note(o, buffer_add(&o->buffer, array ? "[" : "{", 1));
        o->depth++;
        o->arrays = o->arrays << 1 | array;
        o->comma = false;
}

void out_object(Out *o, const char *key) {
        open_list(o, key, false);
}

void out_array(Out *o, const char *key) {
        open_list(o, key, true);
}

void out_end(Out *o) {
        assert(o->depth > 0);
        note(o, buffer_add(&o->buffer, o->arrays & 1 ? "]" : "}", 1));
        o->arrays >>= 1;
        o->depth--;
        o->comma = true;
}

/* A path may be any bytes; JSON is UTF-8. */
static int write_text(Out *o, const char *value) {
        _cleanup_free_ char *copy = NULL;
        size_t n = strlen(value);

        if (utf8_is_valid(value, n))
                return json_write_string(&o->buffer, value, n);

        copy = strdup(value);
        if (!copy)
                return -ENOMEM;
        for (char *p = copy; *p; p++)
                if (*p & 0x80)
                        *p = '?';
        return json_write_string(&o->buffer, copy, n);
}

void out_text(Out *o, const char *key, const char *value) {
        begin(o, key);
        note(o, value ? write_text(o, value) : buffer_add_string(&o->buffer, "null"));
}

void out_number(Out *o, const char *key, int64_t value) {
        begin(o, key);
        note(o, buffer_addf(&o->buffer, "%" PRIi64, value));
}

void out_boolean(Out *o, const char *key, bool value) {
        begin(o, key);
        note(o, buffer_add_string(&o->buffer, value ? "true" : "false"));
}

void out_null(Out *o, const char *key) {
        out_text(o, key, NULL);
}

void out_raw(Out *o, const char *key, const char *json) {
        begin(o, key);
        note(o, buffer_add_string(&o->buffer, json));
}

int out_print(Out *o) {
        assert(o->depth == 0);
        note(o, buffer_add(&o->buffer, "\n", 1));
        if (o->error < 0)
                return o->error;
        if (fwrite(o->buffer.data, 1, o->buffer.size, stdout) != o->buffer.size ||
                        fflush(stdout) != 0)
                return -EIO;
        return 0;
}

void out_done(Out *o) {
        buffer_done(&o->buffer);
}
