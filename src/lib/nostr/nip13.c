#include "nostr/nip13.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/text.h"

#define BLOCK     64 /* of SHA-256: only whole ones are worth hashing beforehand */
#define N_DIGITS  16
#define NONCE_MAX UINT64_C(9999999999999999)

/* In the serialisation the quotes inside strings are escaped: this can only be a tag. */
static const char tag_start[] = "[\"nonce\"";

struct Nip13Miner {
        Buffer text;      /* NIP-01's serialisation */
        size_t digits_at; /* where the nonce is in it */
        size_t n_head;    /* so much of it is in `head` */
        Sha256 *head, *work;
        uint8_t id[32];
        unsigned bits;
};

unsigned nip13_difficulty(const uint8_t id[static 32]) {
        unsigned n = 0;

        for (size_t i = 0; i < 32; i++, n += 8)
                if (id[i] != 0)
                        return n + (unsigned) __builtin_clz(id[i]) - 24;
        return n;
}

bool nip13_event_has_work(const Event *e, unsigned bits) {
        const Tag *t = event_find_tag(e, "nonce", NULL);
        uint32_t target;

        if (bits == 0)
                return true;
        return t && t->n >= 3 && parse_u32(t->values[2], &target) >= 0 && target >= bits &&
               nip13_difficulty(event_id(e)) >= bits;
}

static int add_nonce_tag(Draft *d, unsigned bits, uint64_t nonce) {
        char digits[N_DIGITS + 1], target[16];

        if (nonce > NONCE_MAX)
                return -EINVAL;

        (void) snprintf(digits, sizeof(digits), "%0*" PRIu64, N_DIGITS, nonce);
        (void) snprintf(target, sizeof(target), "%u", bits);
        return draft_tag(d, "nonce", digits, target, NULL);
}

static int miner_serialize(Nip13Miner *m, Draft *d, const char *pubkey_hex, uint64_t nonce) {
        const char *p;
        int r;

        r = draft_serialize(d, pubkey_hex, &m->text);
        if (r < 0)
                return r;
        if (memmem(m->text.data, m->text.size, tag_start, strlen(tag_start)))
                return -EEXIST;

        buffer_clear(&m->text);
        r = add_nonce_tag(d, m->bits, nonce);
        if (r < 0)
                return r;
        r = draft_serialize(d, pubkey_hex, &m->text);
        if (r < 0)
                return r;

        p = memmem(m->text.data, m->text.size, tag_start, strlen(tag_start));
        assert(p);
        m->digits_at = (size_t) (p - m->text.data) + strlen(tag_start) + strlen(",\"");
        return 0;
}

int nip13_miner_new(Draft *d, const char *pubkey_hex, unsigned bits, uint64_t first_nonce,
                Nip13Miner **ret) {
        _cleanup_(nip13_miner_freep) Nip13Miner *m = NULL;
        int r;

        if (bits > NIP13_BITS_MAX)
                return -EINVAL;
        m = new0(Nip13Miner, 1);
        if (!m)
                return -ENOMEM;

        m->bits = bits;
        buffer_init(&m->text, (size_t) 3 * EVENT_SIZE_MAX);
        r = miner_serialize(m, d, pubkey_hex, first_nonce);
        if (r < 0)
                return r;

        r = sha256_new(&m->head);
        if (r < 0)
                return r;
        r = sha256_new(&m->work);
        if (r < 0)
                return r;
        m->n_head = m->digits_at / BLOCK * BLOCK;
        r = sha256_add(m->head, m->text.data, m->n_head);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(m);
        return 0;
}

Nip13Miner *nip13_miner_free(Nip13Miner *m) {
        if (m) {
                buffer_done(&m->text);
                (void) sha256_free(m->head);
                (void) sha256_free(m->work);
        }
        return mfree(m);
}

static int miner_hash(Nip13Miner *m) {
        int r;

        sha256_copy(m->work, m->head);
        r = sha256_add(m->work, m->text.data + m->n_head, m->text.size - m->n_head);
        return r < 0 ? r : sha256_end(m->work, m->id);
}

/* Adds one to the digits in place. */
static int miner_next_nonce(Nip13Miner *m) {
        char *first = m->text.data + m->digits_at, *p = first + N_DIGITS - 1;

        for (; p >= first && *p == '9'; p--)
                *p = '0';
        if (p < first)
                return -ERANGE;

        ++*p;
        return 0;
}

int nip13_miner_step(Nip13Miner *m, unsigned n_tries) {
        int r;

        for (unsigned i = 0; i < n_tries; i++) {
                r = miner_hash(m);
                if (r < 0)
                        return r;
                if (nip13_difficulty(m->id) >= m->bits)
                        return 1;
                r = miner_next_nonce(m);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The serialisation is [0,"PUBKEY",CREATED_AT,KIND,TAGS,CONTENT]: the same texts stand in the
 * event.
 */
int nip13_miner_event(const Nip13Miner *m, char **ret) {
        const char *pubkey = m->text.data + strlen("[0,"), *created_at = strchr(pubkey, ',') + 1;
        const char *kind = strchr(created_at, ',') + 1, *tags = strchr(kind, ',') + 1;
        const char *content = strstr(m->text.data + m->digits_at, "]],") + strlen("]],");
        char id_hex[HEX32_MAX];
        int n;

        hex_encode(m->id, sizeof(m->id), id_hex);
        n = asprintf(ret,
                        "{\"id\":\"%s\",\"pubkey\":%.*s,\"created_at\":%.*s,\"kind\":%.*s,"
                        "\"tags\":%.*s,\"content\":%.*s}",
                        id_hex, (int) (created_at - pubkey - 1), pubkey,
                        (int) (kind - created_at - 1), created_at, (int) (tags - kind - 1), kind,
                        (int) (content - tags - 1), tags,
                        (int) (m->text.data + m->text.size - content - 1), content);
        return n < 0 ? -ENOMEM : 0;
}
