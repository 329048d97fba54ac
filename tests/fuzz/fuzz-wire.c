/* Any bytes as what a server of models says: a list, a detail, a piece, vectors, an error. What
 * comes out is text, and the same whether its bytes came at once or one by one. */
#include "wire.h"

#include "basic/text.h"
#include "repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void repair_both_ways(const char *text, size_t size) {
        _cleanup_buffer_ Buffer once = { .max = 1 << 24 }, bit_by_bit = { .max = 1 << 24 };
        Repair a = {}, b = {};

        assert(repair_add(&a, text, size, &once) >= 0 && repair_end(&a, &once) >= 0);
        for (size_t i = 0; i < size; i++)
                assert(repair_add(&b, text + i, 1, &bit_by_bit) >= 0);
        assert(repair_end(&b, &bit_by_bit) >= 0);
        assert(utf8_is_valid(once.data ?: "", once.size));
        assert(utf8_is_valid(bit_by_bit.data ?: "", bit_by_bit.size));
        assert(once.size == 0 || !memchr(once.data, 0, once.size));
        if (utf8_is_valid(text, size) && !memchr(text, 0, size))
                assert(once.size == size && bit_by_bit.size == size);
}

static void read_as(const Wire *w, const char *text, size_t size) {
        _cleanup_buffer_ Buffer vectors = { .max = 1 << 22 };
        _cleanup_piece_ WirePiece p = {}, q = {};
        WireModels l = {};
        const char *reason;

        if (w->read_models(text, size, &l, &reason) < 0)
                assert(reason);
        assert(l.n_models <= WIRE_MODELS_MAX);
        if (l.n_models > 0)
                w->read_detail(&l, 0, text, size);
        for (size_t i = 0; i < l.n_models; i++)
                assert(utf8_is_valid(l.models[i].name, strlen(l.models[i].name)));
        wire_models_done(&l);

        if (w->read_piece(text, size, &p) >= 0 && p.text) {
                _cleanup_buffer_ Buffer bytes = { .max = 1 << 24 };

                assert(buffer_add(&bytes, p.text, p.size) >= 0);
                repair_both_ways(bytes.data, wire_bytes(bytes.data, bytes.size));
        }
        assert(utf8_is_valid(p.error, strlen(p.error)));
        if (w->read_vectors(text, size, &vectors, &q) >= 0)
                assert(vectors.size > 3 && vectors.data[0] == '[');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char error[WIRE_ERROR_MAX];

        for (size_t i = 0; wires[i]; i++)
                read_as(wires[i], (const char *) data, size);
        assert(wire_error(500, (const char *) data, size, error) < 0);
        assert(utf8_is_valid(error, strlen(error)));
        repair_both_ways((const char *) data, size);
        return 0;
}
