#include "nostr/nip04.h"

#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/text.h"

#define BLOCK 16

static const char separator[] = "?iv=";

int nip04_encrypt(const uint8_t shared[static 32], const uint8_t iv[static 16], const char *text,
                size_t size, char **ret) {
        _cleanup_free_ char *body = NULL, *tail = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        size_t n_padding = BLOCK - size % BLOCK;
        int r;

        if (size > NIP04_TEXT_MAX)
                return -E2BIG;
        data = malloc(size + n_padding);
        if (!data)
                return -ENOMEM;

        memcpy(data, text, size);
        memset(data + size, (int) n_padding, n_padding); /* PKCS #7 */
        r = aes256_cbc(shared, iv, true, data, size + n_padding);
        if (r < 0)
                return r;

        r = base64_encode(data, size + n_padding, &body);
        if (r < 0)
                return r;
        r = base64_encode(iv, BLOCK, &tail);
        if (r < 0)
                return r;
        return asprintf(ret, "%s%s%s", body, separator, tail) < 0 ? -ENOMEM : 0;
}

/* The size without the padding. It looks at every byte, whatever it finds. */
static int unpad(const uint8_t *data, size_t size, size_t *ret) {
        size_t n = data[size - 1];
        unsigned wrong = n == 0 || n > BLOCK;

        for (size_t i = 1; i <= BLOCK; i++)
                wrong |= (unsigned) (i <= n) & (unsigned) (data[size - i] != n);
        if (wrong)
                return -EBADMSG;

        *ret = size - n;
        return 0;
}

int nip04_decrypt(const uint8_t shared[static 32], const char *payload, size_t size, char **ret,
                size_t *ret_size) {
        _cleanup_free_ uint8_t *data = NULL, *iv = NULL;
        const char *split = memmem(payload, size, separator, sizeof(separator) - 1);
        size_t n_data, n_iv, n_text, n_head;
        int r;

        if (size > NIP04_PAYLOAD_MAX || !split)
                return -EBADMSG;

        n_head = (size_t) (split - payload);
        split += sizeof(separator) - 1;
        r = base64_decode(payload, n_head, &data, &n_data);
        if (r >= 0)
                r = base64_decode(split, (size_t) (payload + size - split), &iv, &n_iv);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || n_iv != BLOCK || n_data == 0 || n_data % BLOCK != 0)
                return -EBADMSG;

        if (aes256_cbc(shared, iv, false, data, n_data) < 0 || unpad(data, n_data, &n_text) < 0 ||
                        !utf8_is_valid((const char *) data, n_text))
                return -EBADMSG;

        data[n_text] = 0; /* at least one byte of padding was there */
        *ret = (char *) TAKE_PTR(data);
        *ret_size = n_text;
        return 0;
}

bool nip04_looks_like(const char *payload) {
        return strstr(payload, separator) != NULL;
}
