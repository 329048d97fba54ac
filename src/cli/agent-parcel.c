#include "agent-parcel.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/buffer.h"
#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/seal.h"
#include "basic/text.h"

#define START      "pylon-agent 1 pbkdf2-sha512 "
#define ROUNDS     UINT32_C(500000)
#define ROUNDS_MIN UINT32_C(10000)
#define ROUNDS_MAX UINT32_C(5000000) /* a file of a stranger must not keep us for an hour */
#define SALT_SIZE  16
#define NONCE_SIZE 32
#define LINE       76

void parcel_keys_done(ParcelKeys *k) {
        k->body = secret_free(k->body);
        k->words = secret_free(k->words);
}

static int derive(const Secret *passphrase, const uint8_t salt[static SALT_SIZE], uint32_t rounds,
                ParcelKeys *ret) {
        _cleanup_(parcel_keys_done) ParcelKeys k = { 0 };
        uint8_t keys[2 * PARCEL_KEY_SIZE];
        char hex[2 * SALT_SIZE + 1];
        int r;

        hex_encode(salt, SALT_SIZE, hex);
        (void) snprintf(k.head, sizeof(k.head), START "%" PRIu32 " %s", rounds, hex);
        r = pbkdf2_sha512(secret_text(passphrase), secret_size(passphrase), salt, SALT_SIZE, rounds,
                        keys, sizeof(keys));
        if (r >= 0)
                r = secret_copy(keys, PARCEL_KEY_SIZE, &k.body);
        if (r >= 0)
                r = secret_copy(keys + PARCEL_KEY_SIZE, PARCEL_KEY_SIZE, &k.words);
        memory_wipe(keys, sizeof(keys));
        if (r < 0)
                return r;
        *ret = TAKE(k, (ParcelKeys){ 0 });
        return 0;
}

int parcel_keys_new(const Secret *passphrase, ParcelKeys *ret) {
        uint8_t salt[SALT_SIZE];
        int r;

        r = crypt_random(salt, sizeof(salt));
        return r < 0 ? r : derive(passphrase, salt, ROUNDS, ret);
}

/* "ROUNDS SALT" to the end of the first line, and nothing else. */
static bool read_head(const char *text, uint32_t *ret_rounds, uint8_t ret_salt[static SALT_SIZE]) {
        const char *at = startswith(text, START);
        char number[16], hex[2 * SALT_SIZE + 1];
        size_t n = at ? strcspn(at, " \n") : 0;

        if (!at || n == 0 || n >= sizeof(number) || at[n] != ' ')
                return false;
        memcpy(number, at, n);
        number[n] = '\0';
        at += n + 1;
        n = strcspn(at, "\n");
        if (n != sizeof(hex) - 1 || at[n] != '\n')
                return false;
        memcpy(hex, at, n);
        hex[n] = '\0';
        return parse_u32(number, ret_rounds) >= 0 && hex_decode(hex, ret_salt, SALT_SIZE) >= 0;
}

int parcel_keys_of(
                const char *text, const Secret *passphrase, ParcelKeys *ret, const char **reterr) {
        uint8_t salt[SALT_SIZE];
        uint32_t rounds;

        if (!startswith(text, "pylon-agent ")) {
                *reterr = "it is no file of `pylon agent export`";
                return -EBADMSG;
        }
        if (!read_head(text, &rounds, salt)) {
                *reterr = "it is damaged, or of a later version";
                return -EBADMSG;
        }
        if (rounds < ROUNDS_MIN || rounds > ROUNDS_MAX) {
                *reterr = "its passphrase is stretched too little or too much";
                return -EBADMSG;
        }
        return derive(passphrase, salt, rounds, ret);
}

static int fold(const char *head, const char *base64, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = PARCEL_MAX };
        size_t size = strlen(base64);
        int r;

        r = buffer_addf(&b, "%s\n", head);
        for (size_t i = 0; i < size && r >= 0; i += LINE) {
                r = buffer_add(&b, base64 + i, MIN(size - i, (size_t) LINE));
                if (r >= 0)
                        r = buffer_add(&b, "\n", 1);
        }
        if (r < 0)
                return r == -ENOBUFS ? -EFBIG : r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

int parcel_write(const ParcelKeys *k, const char *body, size_t size, char **ret) {
        _cleanup_(secret_freep) Secret *plain = NULL, *sealed = NULL;
        _cleanup_free_ char *base64 = NULL;
        uint8_t nonce[NONCE_SIZE];
        int r;

        r = crypt_random(nonce, sizeof(nonce));
        if (r >= 0)
                r = secret_copy(body, size, &plain);
        if (r >= 0)
                r = seal(k->body, k->head, nonce, plain, &sealed);
        if (r >= 0)
                r = base64_encode(secret_text(sealed), secret_size(sealed), &base64);
        return r < 0 ? r : fold(k->head, base64, ret);
}

/* Without the ends of the lines, wherever they are. */
static int unfold(const char *text, Secret **ret, const char **reterr) {
        _cleanup_free_ uint8_t *bytes = NULL;
        _cleanup_free_ char *base64 = NULL;
        const char *at = strchr(text, '\n');
        size_t n = 0, size;
        int r;

        base64 = at ? malloc(strlen(at) + 1) : NULL;
        if (!base64)
                return -ENOMEM;
        for (; *at; at++)
                if (*at != '\n' && *at != '\r')
                        base64[n++] = *at;
        base64[n] = '\0';
        r = base64_decode(base64, n, &bytes, &size);
        if (r >= 0)
                return secret_copy(bytes, size, ret);
        if (r == -ENOMEM)
                return r;
        *reterr = "it is damaged";
        return -EBADMSG;
}

int parcel_read(const ParcelKeys *k, const char *text, Secret **ret_body, const char **reterr) {
        _cleanup_(secret_freep) Secret *sealed = NULL;
        int r;

        r = unfold(text, &sealed, reterr);
        if (r < 0)
                return r;
        r = unseal(k->body, k->head, sealed, ret_body);
        if (r == -EBADMSG)
                *reterr = "the passphrase is another one, or the file is damaged";
        return r;
}
