/* What a relay costs us before anybody looks at an event: parse, id and signature, beside the bare
 * signature check of the library. One JSON line. */
#include <stdio.h>
#include <time.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "nostr/event.h"

#define EVENTS 2000
#define ROUNDS 5

static double seconds(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

typedef struct Sample {
        char *json;
        size_t size;
        uint8_t id[32], pubkey[32], signature[64];
} Sample;

static void sample_make(Sample *s, const Keypair *k, size_t n) {
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        const uint8_t chance[32] = { 0 };
        const char *json, *signature;
        char input[200];

        (void) snprintf(input, sizeof(input),
                        "{\"kind\":1,\"created_at\":1700000000,\"tags\":[],\"content\":\"note %zu\"}",
                        n);
        if (draft_new(5970, 1700000000, &d) < 0 || draft_tag(d, "i", input, "text", NULL) < 0 ||
                        draft_tag(d, "param", "pow", "20", NULL) < 0 ||
                        draft_sign(d, k, chance, &e) < 0)
                exit(EXIT_FAILURE);
        json = event_json(e, &s->size);
        s->json = strdup(json);
        memcpy(s->id, event_id(e), 32);
        memcpy(s->pubkey, event_pubkey(e), 32);
        signature = strstr(json, "\"sig\":\"") + strlen("\"sig\":\"");
        for (size_t i = 0; i < 64; i++) {
                const char digits[3] = { signature[2 * i], signature[2 * i + 1], 0 };

                if (hex_decode(digits, s->signature + i, 1) < 0)
                        exit(EXIT_FAILURE);
        }
}

int main(void) {
        static Sample samples[EVENTS];
        _cleanup_(keypair_freep) Keypair *k = NULL;
        const uint8_t secret[32] = { [31] = 3 };
        double bare = 1e9, whole = 1e9;

        if (crypt_setup() < 0 || keypair_new(secret, &k) < 0)
                return EXIT_FAILURE;
        for (size_t i = 0; i < EVENTS; i++)
                sample_make(samples + i, k, i);

        for (int round = 0; round < ROUNDS; round++) {
                double from = seconds(), took;

                for (const Sample *s = samples; s < samples + EVENTS; s++)
                        if (secp_verify(s->signature, s->id, s->pubkey) < 0)
                                return EXIT_FAILURE;
                took = seconds() - from;
                bare = took < bare ? took : bare;

                from = seconds();
                for (const Sample *s = samples; s < samples + EVENTS; s++) {
                        const char *reason;
                        Event *e;

                        if (event_parse(s->json, s->size, &e, &reason) < 0)
                                return EXIT_FAILURE;
                        event_unref(e);
                }
                took = seconds() - from;
                whole = took < whole ? took : whole;
        }
        printf("{\"bench\":\"ingest\",\"event_bytes\":%zu,\"bare_verify_per_second\":%.0f,"
               "\"parse_and_verify_per_second\":%.0f,\"share\":%.3f}\n",
                        samples[0].size, EVENTS / bare, EVENTS / whole, bare / whole);
        for (size_t i = 0; i < EVENTS; i++)
                free(samples[i].json);
        return EXIT_SUCCESS;
}
