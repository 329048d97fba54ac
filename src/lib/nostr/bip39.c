#include "nostr/bip39.h"

#include "basic/crypt.h"

#define WORD_BITS   11
#define SEED_SIZE   64
#define SEED_ROUNDS 2048
#define ENTROPY_MAX 32

size_t mnemonic_entropy_size(unsigned n_words) {
        if (n_words < 12 || n_words > MNEMONIC_WORDS_MAX || n_words % 3 != 0)
                return 0;
        return (size_t) n_words / 3 * 4;
}

static unsigned mnemonic_n_words(size_t entropy_size) {
        if (entropy_size < 16 || entropy_size > ENTROPY_MAX || entropy_size % 4 != 0)
                return 0;
        return (unsigned) entropy_size / 4 * 3;
}

static unsigned word_index_at(const uint8_t *bits, unsigned n) {
        unsigned v = 0;

        for (unsigned bit = n * WORD_BITS; bit < (n + 1) * WORD_BITS; bit++)
                v = v << 1 | (bits[bit / 8] >> (7 - bit % 8) & 1);
        return v;
}

static void word_index_put(uint8_t *bits, unsigned n, unsigned index) {
        for (unsigned i = 0; i < WORD_BITS; i++) {
                unsigned bit = n * WORD_BITS + i;

                if (index >> (WORD_BITS - 1 - i) & 1)
                        bits[bit / 8] |= (uint8_t) (0x80 >> bit % 8);
        }
}

int mnemonic_from_entropy(const uint8_t *entropy, size_t size, Secret **ret) {
        unsigned n_words = mnemonic_n_words(size);
        uint8_t bits[ENTROPY_MAX + 1], hash[32];
        _cleanup_(secret_freep) Secret *s = NULL;
        char *p;
        int r;

        if (n_words == 0)
                return -EINVAL;

        /* The checksum is at most eight bits: the first byte of the hash holds it. */
        r = sha256(entropy, size, hash);
        if (r < 0)
                return r;
        r = secret_new((size_t) n_words * (BIP39_WORD_MAX + 1), &s);
        if (r < 0)
                return r;

        memcpy(bits, entropy, size);
        bits[size] = hash[0];
        p = (char *) secret_data(s);
        for (unsigned i = 0; i < n_words; i++) {
                if (i > 0)
                        *p++ = ' ';
                p = stpcpy(p, bip39_english[word_index_at(bits, i)]);
        }
        memory_wipe(bits, sizeof(bits));
        secret_truncate(s, (size_t) (p - (char *) secret_data(s)));
        *ret = TAKE_PTR(s);
        return 0;
}

static int word_compare(const void *key, const void *element) {
        return strcmp(key, element);
}

static bool is_blank(char c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of the text, in lower case. 1: there was one, 0: the end, -EINVAL: it is too long
 * to be in the list. */
static int next_word(const char **text, const char *end, char ret[static BIP39_WORD_MAX + 1]) {
        size_t n = 0;

        while (*text < end && is_blank(**text))
                (*text)++;
        for (; *text < end && !is_blank(**text); (*text)++) {
                bool capital = **text >= 'A' && **text <= 'Z';

                if (n == BIP39_WORD_MAX)
                        return -EINVAL;
                ret[n++] = (char) (capital ? **text - 'A' + 'a' : **text);
        }
        ret[n] = 0;
        return n > 0;
}

/* The words' bits; returns how many words there were. */
static int words_to_bits(const char *text, size_t size, uint8_t *bits, unsigned *ret_word,
                const char **reterr) {
        const char *end = text + size;
        unsigned n = 0;
        int r;

        for (;;) {
                char word[BIP39_WORD_MAX + 1];
                const char(*found)[BIP39_WORD_MAX + 1] = NULL;

                r = next_word(&text, end, word);
                if (r == 0)
                        return (int) n;
                if (r > 0 && n == MNEMONIC_WORDS_MAX)
                        break;
                if (r > 0)
                        found = bsearch(word, bip39_english, BIP39_N_WORDS,
                                        sizeof(bip39_english[0]), word_compare);
                memory_wipe(word, sizeof(word));
                if (!found) {
                        *ret_word = n + 1;
                        *reterr = "a word is not in the English word list of BIP-39";
                        return -EINVAL;
                }
                word_index_put(bits, n++, (unsigned) (found - bip39_english));
        }

        *reterr = "a mnemonic has 12, 15, 18, 21 or 24 words";
        return -EINVAL;
}

int mnemonic_parse(const char *text, size_t size, Secret **ret, unsigned *ret_word,
                const char **reterr) {
        uint8_t bits[ENTROPY_MAX + 1] = { 0 }, hash[32], checksum_mask;
        size_t entropy_size;
        int r;

        *ret_word = 0;
        if (size > MNEMONIC_SIZE_MAX) {
                *reterr = "the text is too long for a mnemonic";
                return -EINVAL;
        }

        r = words_to_bits(text, size, bits, ret_word, reterr);
        if (r < 0)
                goto finish;
        entropy_size = mnemonic_entropy_size((unsigned) r);
        if (entropy_size == 0) {
                *reterr = "a mnemonic has 12, 15, 18, 21 or 24 words";
                r = -EINVAL;
                goto finish;
        }

        r = sha256(bits, entropy_size, hash);
        if (r < 0)
                goto finish;
        checksum_mask = (uint8_t) (0xff << (8 - entropy_size / 4));
        if (((hash[0] ^ bits[entropy_size]) & checksum_mask) != 0) {
                *reterr = "the checksum is wrong: a word is mistaken or out of place";
                r = -EINVAL;
                goto finish;
        }
        r = mnemonic_from_entropy(bits, entropy_size, ret);

finish:
        memory_wipe(bits, sizeof(bits));
        return r;
}

int mnemonic_seed(
                const Secret *mnemonic, const char *passphrase, Secret **ret, const char **reterr) {
        _cleanup_(secret_freep) Secret *salt = NULL, *seed = NULL;
        static const char prefix[] = "mnemonic";
        size_t n = strlen(passphrase);
        int r;

        for (const char *p = passphrase; *p; p++)
                if ((unsigned char) *p >= 0x80) {
                        *reterr = "the passphrase has characters beyond ASCII";
                        return -EOPNOTSUPP;
                }

        r = secret_new(sizeof(prefix) - 1 + n, &salt);
        if (r < 0)
                return r;
        memcpy(secret_data(salt), prefix, sizeof(prefix) - 1);
        memcpy(secret_data(salt) + sizeof(prefix) - 1, passphrase, n + 1);

        r = secret_new(SEED_SIZE, &seed);
        if (r < 0)
                return r;
        r = pbkdf2_sha512(secret_text(mnemonic), secret_size(mnemonic), secret_data(salt),
                        secret_size(salt), SEED_ROUNDS, secret_data(seed), SEED_SIZE);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(seed);
        return 0;
}
