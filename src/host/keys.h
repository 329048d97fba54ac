#pragma once
/* Keys: what the host asks of the signer about the keys of its agents: to make one, to take one
 * over, and what its public half is. Words go through pipes from and to others, never through here.
 */
#include <systemd/sd-event.h>

#include "basic/secret.h"

typedef struct Keys Keys;
typedef struct KeysCall KeysCall;

int keys_new(sd_event *event, const char *signer_socket, Keys **ret);
Keys *keys_free(Keys *k); /* nothing is called back */
DEFINE_CLEANUP(Keys, keys_free)

/* -ENOKEY: there is none; -EEXIST: there is one already; else a reason for people. Exactly once,
 * never before the function has returned, never after keys_call_free(). *ret is cleared when it is
 * over. */
typedef void (*keys_done_t)(int error, const char *reason, const char *pubkey_hex, void *userdata);

int keys_public(Keys *k, const char *key, keys_done_t done, void *userdata, KeysCall **ret);
/* The pipe is borrowed: the signer writes the words into it, or reads them from it. */
int keys_generate(Keys *k, const char *key, int pipe, keys_done_t done, void *userdata,
                KeysCall **ret);
int keys_import(Keys *k, const char *key, int pipe, keys_done_t done, void *userdata,
                KeysCall **ret);
/* Words that were found in an agent's file. */
int keys_import_words(Keys *k, const char *key, const Secret *words, keys_done_t done,
                void *userdata, KeysCall **ret);
KeysCall *keys_call_free(KeysCall *c);
