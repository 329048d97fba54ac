#pragma once
/* What the reader and the writer of invoices share. */
#include "money/bolt11.h"

#define BOLT11_TIME_WORDS      7
#define BOLT11_SIGNATURE_WORDS 104
#define BOLT11_HOP_SIZE        51

/* The fields' types: the letter's place in bech32's alphabet. */
enum {
        BOLT11_P = 1,
        BOLT11_R = 3,
        BOLT11_9 = 5,
        BOLT11_X = 6,
        BOLT11_F = 9,
        BOLT11_D = 13,
        BOLT11_S = 16,
        BOLT11_N = 19,
        BOLT11_H = 23,
        BOLT11_C = 24,
        BOLT11_M = 27,
};

extern const char *const bolt11_prefixes[_NETWORK_MAX];

bool bolt11_fallback_is_valid(const Bolt11Fallback *f);
/* What is signed: the prefix and the words' bits, filled up with zeros to whole bytes. */
int bolt11_digest(const char *hrp, const uint8_t *words, size_t n, uint8_t ret[static 32]);
