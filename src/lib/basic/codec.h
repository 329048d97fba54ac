#pragma once
/* Bytes as text: hex, base64, bech32. Decoders are strict, because the texts are signed or hashed.
 */
#include "basic/macro.h"

void hex_encode(const void *data, size_t size, char *ret); /* 2 * size + 1 bytes, lowercase */
/* Exactly size bytes from 2 * size lowercase digits and nothing behind them. -EINVAL. */
int hex_decode(const char *hex, void *ret, size_t size);

#define HEX32_MAX 65 /* 32 bytes as hex, with the NUL */
#define HEX64_MAX 129

/* Standard alphabet, padded; the decoder refuses blanks, newlines and wrong padding. */
int base64_encode(const void *data, size_t size, char **ret);
int base64_decode(const char *text, size_t size, uint8_t **ret, size_t *ret_size);

/* BIP-173 with a length that the caller limits. Data are bytes; the five-bit form is inside.
 * -EINVAL: not bech32; -E2BIG: longer than max; -EBADMSG: its data are not whole bytes. */
int bech32_encode(const char *hrp, const uint8_t *data, size_t size, char **ret);
int bech32_decode(const char *text, size_t max, char **ret_hrp, uint8_t **ret, size_t *ret_size);
/* The same as bare five-bit values, which need not be whole bytes: BOLT 11 signs those. */
int bech32_encode_words(const char *hrp, const uint8_t *words, size_t n_words, char **ret);
int bech32_decode_words(const char *text, size_t max, char **ret_hrp, uint8_t **ret, size_t *ret_n);

/* A value inside a URL's query: all but A-Z a-z 0-9 - _ . ~ becomes %XX. The decoder leaves "+"
 * alone; -EINVAL: a broken escape, or a NUL. */
int percent_encode(const char *text, char **ret);
int percent_decode(const char *text, size_t size, char **ret);
