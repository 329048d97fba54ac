/* What Ollama speaks. Answers are lines of JSON; how much a model reads is a setting of the model,
 * and 4096 tokens where it has none: what is longer is cut off silently, so we say the smaller
 * number and let the owner raise it. */
#include "wire.h"

#include "basic/text.h"

#define LIST_VALUES_MAX  200000
#define PIECE_VALUES_MAX 20000
#define CONTEXT_USUAL    4096
#define DETAILS_MAX      128 /* models that are asked about */

static int ollama_read_models(const char *body, size_t size, WireModels *l, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const Json *models;
        int r;

        *reterr = "its list of models could not be read";
        if (size > WIRE_LIST_MAX || wire_parse(body, size, LIST_VALUES_MAX, &j) < 0)
                return -EBADMSG;
        models = json_get(j, "models");
        if (!json_is_array(models) && !memmem(body, size, "\"models\":null", 13))
                return -EBADMSG; /* null: it has none */

        for (size_t i = 0; i < json_array_size(models); i++) {
                const Json *model = json_array_at(models, i);
                const char *id, *digest = NULL;

                if (json_string(json_get(model, "model") ?: json_get(model, "name"), &id) < 0)
                        continue;
                if (json_string(json_get(model, "digest"), &digest) < 0 || strlen(digest) > 128)
                        digest = NULL;
                r = wire_models_add(l, id, 0, digest);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool ollama_detail(
                const WireModels *l, size_t *cursor, const char **ret_path, Buffer *body) {
        while (*cursor < l->n_models && l->models[*cursor].detailed)
                ++*cursor;
        if (*cursor >= MIN(l->n_models, (size_t) DETAILS_MAX))
                return false;
        *ret_path = "/api/show";
        return buffer_add_string(body, "{\"model\":") >= 0 &&
               json_write_string(body, l->models[*cursor].id, strlen(l->models[*cursor].id)) >= 0 &&
               buffer_add_string(body, "}") >= 0;
}

/* "general.architecture": "llama", "llama.context_length": 131072 */
static uint32_t trained_context(const Json *info) {
        const void *cursor = NULL;
        const char *key;
        Json *value;

        while (json_next(info, &cursor, &key, &value)) {
                size_t n = strlen(key), m = strlen(".context_length");
                uint64_t context;

                if (n > m && streq(key + n - m, ".context_length") &&
                                json_u64(value, WIRE_CONTEXT_MAX, &context) >= 0)
                        return (uint32_t) context;
        }
        return 0;
}

/* Lines such as "num_ctx                        8192". */
static uint32_t set_context(const char *parameters) {
        for (const char *p = parameters; p && *p;
                        p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL) {
                const char *value = startswith(p, "num_ctx");
                char digits[12] = "";
                uint32_t n;
                size_t k;

                if (!value)
                        continue;
                value += strspn(value, " \t");
                k = strspn(value, "0123456789");
                if (k == 0 || k >= sizeof(digits))
                        continue;
                memcpy(digits, value, k);
                if (parse_u32(digits, &n) >= 0 && n <= WIRE_CONTEXT_MAX)
                        return n;
        }
        return 0;
}

static void ollama_read_detail(WireModels *l, size_t cursor, const char *body, size_t size) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *parameters = NULL;
        uint32_t trained, set;

        if (size > WIRE_LIST_MAX || wire_parse(body, size, LIST_VALUES_MAX, &j) < 0)
                return;
        (void) json_string(json_get(j, "parameters"), &parameters);
        trained = trained_context(json_get(j, "model_info"));
        set = set_context(parameters) ?: CONTEXT_USUAL;
        l->models[cursor].context = trained > 0 ? MIN(trained, set) : set;
}

static int add_options(Buffer *b, const ConfigBackend *c, const TextTask *t) {
        size_t from;
        int r;

        r = buffer_add_string(b, ",\"options\":{");
        from = b->size;
        if (r >= 0)
                r = wire_add_integer(b, "num_predict", t->max_tokens);
        if (r >= 0 && c->context > 0)
                r = wire_add_integer(b, "num_ctx", c->context);
        if (r >= 0)
                r = wire_add_number(b, "temperature", t->temperature);
        if (r >= 0)
                r = wire_add_number(b, "top_p", t->top_p);
        if (r >= 0)
                r = wire_add_integer(b, "top_k", t->top_k);
        if (r >= 0)
                r = wire_add_integer(b, "seed", t->seed);
        if (r >= 0)
                r = wire_add_number(b, "frequency_penalty", t->frequency_penalty);
        if (r >= 0)
                r = wire_add_number(b, "presence_penalty", t->presence_penalty);
        if (r >= 0)
                r = wire_add_stops(b, t);
        if (r >= 0 && b->size > from)
                b->data[from] = ' '; /* instead of the first comma */
        return r < 0 ? r : buffer_add_string(b, "}");
}

static int ollama_write_ask(const ConfigBackend *c, const char *id, const TextTask *t,
                const char **ret_path, Buffer *b) {
        bool vectors = t->work == KIND_WORK_EMBEDDINGS;
        int r;

        *ret_path = vectors ? "/api/embed" : "/api/chat";
        r = buffer_add_string(b, "{\"model\":");
        if (r >= 0)
                r = json_write_string(b, id, strlen(id));
        if (r >= 0)
                r = vectors ? wire_add_texts(b, "input", t) : wire_add_messages(b, t);
        if (r >= 0 && !vectors)
                r = buffer_add_string(b, ",\"stream\":true");
        if (r >= 0 && !isempty(c->keep_alive)) {
                r = buffer_add_string(b, ",\"keep_alive\":");
                if (r >= 0)
                        r = json_write_string(b, c->keep_alive, strlen(c->keep_alive));
        }
        if (r >= 0 && t->json && !vectors)
                r = buffer_add_string(b, ",\"format\":\"json\"");
        if (r >= 0 && !vectors)
                r = add_options(b, c, t);
        return r < 0 ? r : buffer_add_string(b, "}");
}

static void read_counts(const Json *j, WirePiece *p) {
        uint64_t n;

        if (json_u64(json_get(j, "prompt_eval_count"), INT32_MAX, &n) >= 0)
                p->tokens_in = (int64_t) n;
        if (json_u64(json_get(j, "eval_count"), INT32_MAX, &n) >= 0)
                p->tokens_out = (int64_t) n;
}

static int ollama_read_piece(const char *data, size_t size, WirePiece *p) {
        const Json *message;
        bool done = false;

        *p = (WirePiece){ .tokens_in = -1, .tokens_out = -1 };
        if (wire_parse(data, size, PIECE_VALUES_MAX, &p->json) < 0 || !json_is_object(p->json))
                return -EBADMSG;
        if (json_get(p->json, "error"))
                return wire_error_value(500, json_get(p->json, "error"), p->error);
        message = json_get(p->json, "message");
        if (!message || json_bool(json_get(p->json, "done"), &done) < 0)
                return -EBADMSG;

        if (json_bytes(json_get(message, "content"), &p->text, &p->size) < 0)
                p->text = NULL;
        p->thinks = json_is_string(json_get(message, "thinking"));
        p->finished = p->end = done;
        read_counts(p->json, p);
        return 0;
}

static int ollama_read_vectors(const char *body, size_t size, Buffer *vectors, WirePiece *p) {
        *p = (WirePiece){ .tokens_in = -1, .tokens_out = -1 };
        if (wire_parse(body, size, SIZE_MAX, &p->json) < 0)
                return -EBADMSG;
        if (json_get(p->json, "error"))
                return wire_error_value(500, json_get(p->json, "error"), p->error);
        read_counts(p->json, p);
        return wire_add_vectors(vectors, json_get(p->json, "embeddings"), NULL);
}

const Wire wire_ollama = {
        .name = "ollama",
        .url = "http://127.0.0.1:11434",
        .models_path = "/api/tags",
        .read_models = ollama_read_models,
        .detail = ollama_detail,
        .read_detail = ollama_read_detail,
        .write_ask = ollama_write_ask,
        .read_piece = ollama_read_piece,
        .read_vectors = ollama_read_vectors,
};
