/* What the wires share: lists of models, errors, pieces of JSON, text whose bytes may be cut. */
#include "wire.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

#include "basic/text.h"

#define DEPTH_MAX        16
#define ERROR_VALUES_MAX 1000

const Wire *const wires[] = {
        &wire_openai,
        &wire_ollama,
        NULL,
};

const Wire *wire_find(const char *name) {
        for (size_t i = 0; wires[i]; i++)
                if (streq(wires[i]->name, name))
                        return wires[i];
        return NULL;
}

/* ---- models */

/* llama.cpp calls a model by its file, and where that is is nobody's business. */
static char *public_name(const char *id) {
        const char *base = strrchr(id, '/'), *end;

        base = base && (*id == '/' || *id == '.') ? base + 1 : id;
        end = base + strlen(base);
        if (end - base > 5 && strcasecmp(end - 5, ".gguf") == 0)
                end -= 5;
        return strndup(base, (size_t) (end - base));
}

static bool is_name(const char *id) {
        size_t n = strlen(id);

        for (const char *p = id; *p; p++)
                if ((unsigned char) *p <= 0x20 || *p == 0x7f)
                        return false;
        return n > 0 && n < WIRE_MODEL_NAME_MAX && utf8_is_valid(id, n);
}

static void model_done(WireModel *m) {
        free(m->id);
        free(m->name);
        free(m->version);
}

int wire_models_add(WireModels *l, const char *id, uint32_t context, const char *version) {
        WireModel m = { .context = context };
        WireModel *more;

        if (!is_name(id) || l->n_models == WIRE_MODELS_MAX)
                return 0;
        for (size_t i = 0; i < l->n_models; i++)
                if (streq(l->models[i].id, id))
                        return 0;

        more = reallocarray(l->models, l->n_models + 1, sizeof(WireModel));
        if (!more)
                return -ENOMEM;
        l->models = more;
        m.id = strdup(id);
        m.name = public_name(id);
        m.version = version ? strdup(version) : NULL;
        if (!m.id || !m.name || (version && !m.version)) {
                model_done(&m);
                return -ENOMEM;
        }
        l->models[l->n_models++] = m;
        return 0;
}

void wire_models_done(WireModels *l) {
        for (size_t i = 0; i < l->n_models; i++)
                model_done(&l->models[i]);
        free(l->models);
        *l = (WireModels){};
}

void wire_piece_done(WirePiece *p) {
        p->json = json_unref(p->json);
}

/* ---- errors */

/* clang-format off */
static const struct {
        const char *words;
        int error;
} complaints[] = {
        { "context length",          -E2BIG },
        { "context_length",          -E2BIG },
        { "context size",            -E2BIG },
        { "context_size",            -E2BIG },
        { "context window",          -E2BIG },
        { "maximum context",         -E2BIG },
        { "prompt is too long",      -E2BIG },
        { "loading model",           -EAGAIN },
        { "is currently loading",    -EAGAIN },
        { "server busy",             -EAGAIN },
        { "maximum pending request", -EAGAIN },
        { "model_not_found",         -ENOENT },
        { "model not found",         -ENOENT },
        { "not found, try pulling",  -ENOENT },
        { "does not exist",          -ENOENT },
};
/* clang-format on */

static int error_of(unsigned status, const char *text) {
        for (size_t i = 0; i < ELEMENTSOF(complaints); i++)
                if (strcasestr(text, complaints[i].words))
                        return complaints[i].error;
        switch (status) {
        case 400:
        case 413:
        case 422:
                return -EINVAL;
        case 401:
        case 403:
                return -EACCES;
        case 404:
                return -ENOENT;
        case 429:
        case 503:
                return -EAGAIN;
        default:
                return -EREMOTEIO;
        }
}

/* For the owner's eyes: one line of text. */
static void error_text(const char *text, char *ret) {
        size_t n = utf8_prefix(text, strlen(text), WIRE_ERROR_MAX - 1);

        if (!utf8_is_valid(text, n))
                n = 0;
        memcpy(ret, text, n);
        ret[n] = '\0';
        for (char *p = ret; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = ' ';
}

/* "text", {"message": "text"} or {"error": …}. */
int wire_error_value(unsigned status, const Json *error, char *ret_text) {
        const char *text = "", *type = "";
        uint64_t code = 0;
        int r;

        if (json_is_object(error)) {
                (void) json_string(json_get(error, "message"), &text);
                (void) json_string(json_get(error, "type"), &type);
                if (json_u64(json_get(error, "code"), 599, &code) >= 0 && code >= 400)
                        status = (unsigned) code;
                else if (!*type)
                        (void) json_string(json_get(error, "code"), &type);
        } else
                (void) json_string(error, &text);
        error_text(text, ret_text);
        r = error_of(status, type);
        return r == -EREMOTEIO || r == -EINVAL ? error_of(status, text) : r;
}

int wire_error(unsigned status, const char *body, size_t size, char *ret_text) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const Json *error;

        (void) snprintf(ret_text, WIRE_ERROR_MAX, "HTTP status %u", status);
        if (size > WIRE_PIECE_MAX || wire_parse(body, size, ERROR_VALUES_MAX, &j) < 0)
                return error_of(status, "");
        error = json_get(j, "error") ?: json_get(j, "detail") ?: j;
        return wire_error_value(status, error, ret_text);
}

/* ---- text that may be cut in the middle of a character */

/* The byte 0x80+n of no UTF-8 is U+10FD80+n meanwhile, for private use: f4 8f b6 80 and on. */
#define STAND_IN "\xf4\x8f\xb6"

static size_t character_size(const char *s, size_t size) {
        for (size_t n = 1; n <= 4 && n <= size; n++)
                if (utf8_is_valid(s, n))
                        return n;
        return 0;
}

static int add_stand_in(Buffer *b, char byte) {
        uint8_t low = (uint8_t) byte & 0x7f;
        char c[4];

        memcpy(c, STAND_IN, 3);
        c[2] = (char) ((uint8_t) c[2] + (low >> 6));
        c[3] = (char) (0x80 | (low & 0x3f));
        return buffer_add(b, c, 4);
}

static int repair(const char *data, size_t size, Buffer *b) {
        size_t from = 0, i = 0;
        int r = 0;

        while (r >= 0 && i < size) {
                size_t n = character_size(data + i, size - i);

                if (n == 0) {
                        r = buffer_add(b, data + from, i - from);
                        if (r >= 0)
                                r = add_stand_in(b, data[i]);
                        from = i + 1;
                }
                i += MAX(n, (size_t) 1);
        }
        return r < 0 ? r : buffer_add(b, data + from, size - from);
}

int wire_parse(const char *data, size_t size, size_t values_max, Json **ret) {
        _cleanup_buffer_ Buffer b = { .max = 4 * (size_t) WIRE_LIST_MAX };
        const char *reason;
        int r;

        if (utf8_is_valid(data, size))
                return json_parse(data, size, DEPTH_MAX, values_max, ret, &reason);
        r = repair(data, size, &b);
        if (r < 0)
                return r == -ENOBUFS ? -EBADMSG : r;
        return json_parse(b.data ?: "", b.size, DEPTH_MAX, values_max, ret, &reason);
}

size_t wire_bytes(char *text, size_t size) {
        char *to = text;

        for (size_t i = 0; i < size;) {
                uint8_t third = i + 3 < size ? (uint8_t) text[i + 2] : 0;

                if (third >= 0xb6 && third <= 0xb7 && memcmp(text + i, STAND_IN, 2) == 0) {
                        *to++ = (char) (0x80 | ((third - 0xb6) << 6) |
                                        ((uint8_t) text[i + 3] & 0x3f));
                        i += 4;
                } else
                        *to++ = text[i++];
        }
        return (size_t) (to - text);
}

/* ---- what is asked */

/* Whatever the locale, with a dot. */
int wire_add_number(Buffer *b, const char *key, double value) {
        int64_t millionths;

        if (isnan(value) || fabs(value) > 1e9)
                return 0;
        millionths = (int64_t) (fabs(value) * 1e6 + 0.5);
        return buffer_addf(b, ",\"%s\":%s%" PRIi64 ".%06" PRIi64, key, value < 0 ? "-" : "",
                        millionths / 1000000, millionths % 1000000);
}

int wire_add_integer(Buffer *b, const char *key, int64_t value) {
        return value < 0 ? 0 : buffer_addf(b, ",\"%s\":%" PRIi64, key, value);
}

int wire_add_messages(Buffer *b, const TextTask *t) {
        int r;

        r = buffer_add_string(b, ",\"messages\":[");
        for (size_t i = 0; r >= 0 && i < t->n_messages; i++) {
                const TextMessage *m = &t->messages[i];

                r = buffer_addf(b, "%s{\"role\":\"%s\",\"content\":", i > 0 ? "," : "", m->role);
                if (r >= 0)
                        r = json_write_string(b, m->content, strlen(m->content));
                if (r >= 0)
                        r = buffer_add_string(b, "}");
        }
        return r < 0 ? r : buffer_add_string(b, "]");
}

int wire_add_texts(Buffer *b, const char *key, const TextTask *t) {
        int r;

        r = buffer_addf(b, ",\"%s\":[", key);
        for (size_t i = 0; r >= 0 && i < t->n_messages; i++) {
                r = i > 0 ? buffer_add_string(b, ",") : 0;
                if (r >= 0)
                        r = json_write_string(
                                        b, t->messages[i].content, strlen(t->messages[i].content));
        }
        return r < 0 ? r : buffer_add_string(b, "]");
}

int wire_add_stops(Buffer *b, const TextTask *t) {
        int r = 0;

        STRV_FOREACH (s, t->stop) {
                r = buffer_add_string(b, s == t->stop ? ",\"stop\":[" : ",");
                if (r >= 0)
                        r = json_write_string(b, *s, strlen(*s));
                if (r < 0)
                        return r;
        }
        return t->stop && *t->stop ? buffer_add_string(b, "]") : 0;
}

/* Only numbers in lists pass: an answer is not a way into somebody else's JSON. */
static bool is_vector(const Json *v) {
        if (!json_is_array(v) || json_array_size(v) == 0)
                return false;
        for (size_t i = 0; i < json_array_size(v); i++)
                if (!json_is_number(json_array_at(v, i)))
                        return false;
        return true;
}

int wire_add_vectors(Buffer *b, const Json *vectors, const char *key) {
        int r;

        if (!json_is_array(vectors) || json_array_size(vectors) == 0)
                return -EBADMSG;
        r = buffer_add_string(b, "[");
        for (size_t i = 0; r >= 0 && i < json_array_size(vectors); i++) {
                const Json *v = json_array_at(vectors, i);

                if (key)
                        v = json_get(v, key);
                if (!is_vector(v))
                        return -EBADMSG;
                r = i > 0 ? buffer_add_string(b, ",") : 0;
                if (r >= 0)
                        r = json_write(b, v);
        }
        return r < 0 ? r : buffer_add_string(b, "]");
}
