#pragma once
/* BIP-39: a mnemonic is entropy in words, of which the last also carries a checksum. */
#include "basic/secret.h"

#define BIP39_N_WORDS  2048
#define BIP39_WORD_MAX 8 /* letters of the longest word */
extern const char bip39_english[BIP39_N_WORDS][BIP39_WORD_MAX + 1];

#define MNEMONIC_WORDS_MAX 24
#define MNEMONIC_SIZE_MAX  1024 /* longer texts, blanks included, are refused unread */

/* How much entropy a mnemonic of 12, 15, 18, 21 or 24 words holds, in bytes; 0: no such mnemonic.
 */
size_t mnemonic_entropy_size(unsigned n_words);
int mnemonic_from_entropy(const uint8_t *entropy, size_t size, Secret **ret);

/* Reads what a person typed: any blanks between the words, upper or lower case. Gives the words
 * back in lower case with one blank between them. -EINVAL with a reason; *ret_word is then the
 * number of the word at fault, from 1, or 0 where it is all of them. */
int mnemonic_parse(const char *text, size_t size, Secret **ret, unsigned *ret_word,
                const char **reterr);

/* The seed of 64 bytes. BIP-39 wants passphrases in Unicode's form NFKD, which only ASCII texts
 * have by nature; others are refused with -EOPNOTSUPP rather than turned into another seed. */
int mnemonic_seed(
                const Secret *mnemonic, const char *passphrase, Secret **ret, const char **reterr);
