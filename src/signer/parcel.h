#pragma once
/* Parcel: the words of a key on their way to another machine, encrypted with a key that the owner's
 * program made of a passphrase, and bound to the public key they belong to. Neither that program
 * nor a file ever holds the words. */
#include "basic/seal.h"

int parcel_pack(const Secret *key, const char *pubkey_hex, const Secret *mnemonic, Secret **ret);
/* `text` is the key and the parcel behind it, as it came. -EBADMSG: another key, another public
 * key, or damaged; -EINVAL: what is inside are no words. With a reason. */
int parcel_open(const Secret *text, const char *pubkey_hex, Secret **ret, const char **reterr);
