#include "rules.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/file.h"
#include "basic/text.h"
#include "mind/action.h"

/* What begins so is never answered: two of us would thank each other for ever. */
#define MARK  "[automatic] "
#define WORDS MARK "Thank you for writing. I keep no conversation, but your words have arrived."

typedef struct Writer {
        const Context *c;
        Buffer *b;
        size_t n;
} Writer;

static int begin(Writer *w, ActionType type) {
        int r;

        r = buffer_addf(w->b, "%s{\"type\":\"%s\"", w->n > 0 ? "," : "", action_type_name(type));
        w->n++;
        return r;
}

static int add(Writer *w, const char *name, const char *value, size_t max) {
        int r;

        r = buffer_addf(w->b, ",\"%s\":", name);
        return r < 0 ? r : json_write_string(w->b, value, utf8_prefix(value, strlen(value), max));
}

static bool may(const Writer *w, ActionType type) {
        return w->n < ACTIONS_MAX && w->c->allowed & B(type);
}

static int speak(Writer *w, ActionType type, const char *to, const char *text) {
        int r;

        if (!may(w, type))
                return 0;
        r = begin(w, type);
        if (r >= 0)
                r = add(w, "to", to, HEX32_MAX);
        if (r >= 0)
                r = add(w, "text", text, ACTION_TEXT_MAX);
        return r < 0 ? r : buffer_add(w->b, "}", 1);
}

static int thank(Writer *w, const ContextObservation *o) {
        char text[128];

        (void) snprintf(text, sizeof(text), MARK "Thank you for %" PRIi64 " sat.", o->msat / 1000);
        return speak(w, ACTION_DM, o->author, text);
}

static int keep(Writer *w, const ContextObservation *o) {
        int r;

        if (!may(w, ACTION_REMEMBER) || strspn(o->text, " \n\r\t") == strlen(o->text))
                return 0;
        r = begin(w, ACTION_REMEMBER);
        if (r >= 0)
                r = add(w, "text", o->text, MEMORY_TEXT_MAX);
        return r < 0 ? r : buffer_add(w->b, "}", 1);
}

static bool is_key(const char *hex) {
        uint8_t bytes[32];

        return hex_decode(hex, bytes, sizeof(bytes)) >= 0;
}

/* The first of its kind by this author in this tick. */
static bool is_first(const Context *c, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (streq(c->observations[k].author, c->observations[i].author) &&
                                streq(c->observations[k].what, c->observations[i].what))
                        return false;
        return true;
}

static int answer(Writer *w, size_t i) {
        const ContextObservation *o = w->c->observations + i;

        if (streq(o->what, "tell"))
                return streq(o->author, "owner") ? keep(w, o) : 0;
        if (!is_key(o->author) || !is_first(w->c, i) || startswith(o->text, MARK))
                return 0;
        if (streq(o->what, "zap"))
                return thank(w, o);
        if (streq(o->what, "dm"))
                return speak(w, ACTION_DM, o->author, WORDS);
        if (streq(o->what, "mention") && is_key(o->id))
                return speak(w, ACTION_REPLY, o->id, WORDS);
        return 0;
}

int rules_answer(const Context *c, Buffer *b) {
        Writer w = { .c = c, .b = b };
        int r;

        r = buffer_add_string(b, "{\"actions\":[");
        for (size_t i = 0; i < c->n_observations && r >= 0; i++)
                r = answer(&w, i);
        return r < 0 ? r : buffer_add_string(b, "]}\n");
}

int rules_main(void) {
        _cleanup_(context_freep) Context *c = NULL;
        _cleanup_buffer_ Buffer b = { .max = 1024 * 1024 };
        _cleanup_free_ char *json = NULL;
        const char *field, *reason = "there is no memory";
        size_t size;
        int r;

        r = read_stream(STDIN_FILENO, CONTEXT_SIZE_MAX, &json, &size);
        if (r >= 0)
                r = context_parse(json, size, &c, &field, &reason);
        if (r >= 0)
                r = rules_answer(c, &b);
        if (r >= 0)
                r = write_all(STDOUT_FILENO, b.data, b.size);
        if (r < 0)
                (void) fprintf(stderr, "The context cannot be answered: %s.\n", reason);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
