/* What OpenAI's API speaks, and with it llama.cpp's server, vLLM, LM Studio, LiteLLM and others.
 * Each has ways of its own: usage comes in a last piece without choices, in the last one with, or
 * not at all; an error may stand in the middle of a stream; "[DONE]" may be missing; the size of a
 * model's context is "max_model_len" (vLLM), "meta" (llama.cpp) or nowhere. */
#include "wire.h"

#include "basic/text.h"

#define LIST_VALUES_MAX  200000
#define PIECE_VALUES_MAX 20000

static uint32_t number(const Json *j, const char *key) {
        uint64_t n = 0;

        (void) json_u64(json_get(j, key), WIRE_CONTEXT_MAX, &n);
        return (uint32_t) n;
}

static uint32_t context_of(const Json *model) {
        const Json *meta = json_get(model, "meta");

        return number(model, "max_model_len") ?: number(model, "context_length")
                        ?: number(model, "loaded_context_length") ?: number(meta, "n_ctx")
                        ?: number(meta, "n_ctx_train");
}

static int openai_read_models(const char *body, size_t size, WireModels *l, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const Json *data;
        int r;

        *reterr = "its list of models could not be read";
        if (size > WIRE_LIST_MAX || wire_parse(body, size, LIST_VALUES_MAX, &j) < 0)
                return -EBADMSG;
        data = json_get(j, "data") ?: json_get(j, "models");
        if (!json_is_array(data))
                return -EBADMSG;

        for (size_t i = 0; i < json_array_size(data); i++) {
                const Json *model = json_array_at(data, i);
                const char *id;

                if (json_string(json_get(model, "id") ?: json_get(model, "model"), &id) < 0)
                        continue;
                r = wire_models_add(l, id, context_of(model), NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* llama.cpp alone has this, and says there how many slots it has and how much each of them reads.
 */
static bool openai_detail(
                const WireModels *l, size_t *cursor, const char **ret_path, _unused_ Buffer *body) {
        if (*cursor > 0 || l->n_models != 1 || l->models[0].detailed)
                return false;
        *ret_path = "/props";
        return true;
}

static void openai_read_detail(
                WireModels *l, _unused_ size_t cursor, const char *body, size_t size) {
        _cleanup_(json_unrefp) Json *j = NULL;
        uint32_t context;

        if (size > WIRE_LIST_MAX || wire_parse(body, size, LIST_VALUES_MAX, &j) < 0)
                return;
        context = number(json_get(j, "default_generation_settings"), "n_ctx");
        if (context > 0)
                l->models[0].context = context;
        l->n_slots = MIN(number(j, "total_slots"), (uint32_t) WIRE_SLOTS_MAX);
}

static int add_options(Buffer *b, const TextTask *t) {
        int r;

        r = wire_add_integer(b, "max_tokens", t->max_tokens);
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
        if (r >= 0 && t->json)
                r = buffer_add_string(b, ",\"response_format\":{\"type\":\"json_object\"}");
        return r;
}

static int openai_write_ask(_unused_ const ConfigBackend *c, const char *id, const TextTask *t,
                const char **ret_path, Buffer *b) {
        bool vectors = t->work == KIND_WORK_EMBEDDINGS;
        int r;

        *ret_path = vectors ? "/v1/embeddings" : "/v1/chat/completions";
        r = buffer_add_string(b, "{\"model\":");
        if (r >= 0)
                r = json_write_string(b, id, strlen(id));
        if (r >= 0 && vectors)
                r = wire_add_texts(b, "input", t);
        if (r >= 0 && !vectors)
                r = wire_add_messages(b, t);
        if (r >= 0 && !vectors)
                r = buffer_add_string(
                                b, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
        if (r >= 0 && !vectors)
                r = add_options(b, t);
        return r < 0 ? r : buffer_add_string(b, "}");
}

static void read_usage(const Json *j, WirePiece *p) {
        const Json *usage = json_get(j, "usage"), *timings = json_get(j, "timings");
        uint64_t n;

        if (json_u64(json_get(usage, "prompt_tokens") ?: json_get(timings, "prompt_n"), INT32_MAX,
                            &n) >= 0)
                p->tokens_in = (int64_t) n;
        if (json_u64(json_get(usage, "completion_tokens") ?: json_get(timings, "predicted_n"),
                            INT32_MAX, &n) >= 0)
                p->tokens_out = (int64_t) n;
}

static void read_text(const Json *from, WirePiece *p) {
        static const char *const thoughts[] = { "reasoning_content", "reasoning", "thinking" };

        if (json_bytes(json_get(from, "content"), &p->text, &p->size) < 0)
                p->text = NULL;
        for (size_t i = 0; i < ELEMENTSOF(thoughts); i++)
                p->thinks |= json_is_string(json_get(from, thoughts[i]));
}

static int openai_read_piece(const char *data, size_t size, WirePiece *p) {
        const Json *choice, *from;

        *p = (WirePiece){ .tokens_in = -1, .tokens_out = -1 };
        if (size == 6 && memcmp(data, "[DONE]", 6) == 0) {
                p->end = true;
                return 0;
        }
        if (wire_parse(data, size, PIECE_VALUES_MAX, &p->json) < 0 || !json_is_object(p->json))
                return -EBADMSG;
        if (json_get(p->json, "error") && !json_is_null(json_get(p->json, "error")))
                return wire_error_value(500, json_get(p->json, "error"), p->error);

        read_usage(p->json, p);
        choice = json_array_at(json_get(p->json, "choices"), 0);
        if (!choice)
                return json_get(p->json, "choices") || json_get(p->json, "usage") ? 0 : -EBADMSG;
        from = json_get(choice, "delta") ?: json_get(choice, "message");
        if (from)
                read_text(from, p);
        p->finished = json_is_string(json_get(choice, "finish_reason"));
        return 0;
}

static int openai_read_vectors(const char *body, size_t size, Buffer *vectors, WirePiece *p) {
        *p = (WirePiece){ .tokens_in = -1, .tokens_out = -1 };
        if (wire_parse(body, size, SIZE_MAX, &p->json) < 0)
                return -EBADMSG;
        if (json_get(p->json, "error"))
                return wire_error_value(500, json_get(p->json, "error"), p->error);
        read_usage(p->json, p);
        return wire_add_vectors(vectors, json_get(p->json, "data"), "embedding");
}

const Wire wire_openai = {
        .name = "openai",
        .url = "http://127.0.0.1:8080",
        .models_path = "/v1/models",
        .events = true,
        .read_models = openai_read_models,
        .detail = openai_detail,
        .read_detail = openai_read_detail,
        .write_ask = openai_write_ask,
        .read_piece = openai_read_piece,
        .read_vectors = openai_read_vectors,
};
