/* Our Nostr formats for another implementation to argue with: each line of stdin is a JSON array of
 * a verb and its arguments, all texts; each line of stdout is a JSON text, or {"error":"…"}. */
#include "basic/buffer.h"
#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/json.h"
#include "basic/secp.h"
#include "basic/text.h"
#include "market/zap.h"
#include "money/bolt11.h"
#include "nostr/bip39.h"
#include "nostr/event.h"
#include "nostr/key.h"
#include "nostr/nip04.h"
#include "nostr/nip10.h"
#include "nostr/nip13.h"
#include "nostr/nip17.h"
#include "nostr/nip19.h"
#include "nostr/nip44.h"
#include "nostr/nip59.h"

#include <stdio.h>

#define ARGUMENTS_MAX 4
#define ANSWER_MAX    (1 << 20)

/* The answer is written into b; a negative return with a reason is an error for the other side. */
typedef int (*Verb)(const char *const *a, Buffer *b, const char **reterr);

static int read_keypair(const char *hex, Keypair **ret) {
        uint8_t secret[32];
        int r;

        r = hex_decode(hex, secret, sizeof(secret));
        return r < 0 ? r : keypair_new(secret, ret);
}

static int verb_verify(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        int r;

        r = event_parse(a[0], strlen(a[0]), &e, reterr);
        return r < 0 ? r : buffer_add_string(b, event_json(e, NULL));
}

static int verb_sign(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        uint8_t random[32];
        int r;

        r = read_keypair(a[0], &k);
        if (r < 0)
                return r;
        r = draft_parse(a[1], strlen(a[1]), &d, reterr);
        if (r < 0)
                return r;
        r = crypt_random(random, sizeof(random));
        if (r < 0)
                return r;
        r = draft_sign(d, k, random, &e);
        return r < 0 ? r : buffer_add_string(b, event_json(e, NULL));
}

static int verb_nip06(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_(secret_freep) Secret *words = NULL, *seed = NULL;
        _cleanup_(keypair_freep) Keypair *k = NULL;
        char hex[HEX32_MAX];
        unsigned word;
        int r;

        r = mnemonic_parse(a[0], strlen(a[0]), &words, &word, reterr);
        if (r < 0)
                return r;
        r = mnemonic_seed(words, "", &seed, reterr);
        if (r < 0)
                return r;
        r = nip06_keypair(seed, (uint32_t) (a[1][0] - '0'), &k);
        if (r < 0)
                return r;
        hex_encode(keypair_pubkey(k), 32, hex);
        return buffer_add_string(b, hex);
}

static int verb_npub(const char *const *a, Buffer *b, _unused_ const char **reterr) {
        uint8_t key[32];
        char npub[NPUB_SIZE];
        int r;

        r = hex_decode(a[0], key, sizeof(key));
        if (r < 0)
                return r;
        r = npub_encode(key, npub);
        return r < 0 ? r : buffer_add_string(b, npub);
}

/* Decoded and encoded again, with the key in front: both directions at once. */
static int verb_nip19(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_nip19_ Nip19 n = { 0 };
        _cleanup_free_ char *text = NULL;
        char hex[HEX32_MAX];
        int r;

        r = nip19_decode(a[0], &n, reterr);
        if (r < 0)
                return r;
        r = nip19_encode(&n, &text);
        if (r < 0)
                return r;
        hex_encode(n.type == NIP19_NADDR ? n.author : n.key, 32, hex);
        return buffer_addf(b, "%s %s", hex, text);
}

static int read_conversation(const char *const *a, uint8_t ret[static 32]) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        uint8_t peer[32];
        int r;

        r = read_keypair(a[0], &k);
        if (r < 0)
                return r;
        r = hex_decode(a[1], peer, sizeof(peer));
        return r < 0 ? r : nip44_conversation_key(k, peer, ret);
}

static int verb_nip44_encrypt(const char *const *a, Buffer *b, _unused_ const char **reterr) {
        _cleanup_free_ char *payload = NULL;
        uint8_t key[32], nonce[32];
        int r;

        r = read_conversation(a, key);
        if (r < 0)
                return r;
        r = crypt_random(nonce, sizeof(nonce));
        if (r < 0)
                return r;
        r = nip44_encrypt(key, nonce, a[2], strlen(a[2]), &payload);
        return r < 0 ? r : buffer_add_string(b, payload);
}

static int verb_nip44_decrypt(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_free_ char *text = NULL;
        uint8_t key[32];
        size_t size;
        int r;

        r = read_conversation(a, key);
        if (r < 0)
                return r;
        r = nip44_decrypt(key, a[2], strlen(a[2]), &text, &size, reterr);
        return r < 0 ? r : buffer_add(b, text, size);
}

static int read_shared(const char *const *a, uint8_t ret[static 32]) {
        _cleanup_(keypair_freep) Keypair *k = NULL;
        uint8_t peer[32];
        int r;

        r = read_keypair(a[0], &k);
        if (r < 0)
                return r;
        r = hex_decode(a[1], peer, sizeof(peer));
        return r < 0 ? r : keypair_ecdh(k, peer, ret);
}

static int verb_nip04_encrypt(const char *const *a, Buffer *b, _unused_ const char **reterr) {
        _cleanup_free_ char *payload = NULL;
        uint8_t shared[32], iv[16];
        int r;

        r = read_shared(a, shared);
        if (r < 0)
                return r;
        r = crypt_random(iv, sizeof(iv));
        if (r < 0)
                return r;
        r = nip04_encrypt(shared, iv, a[2], strlen(a[2]), &payload);
        return r < 0 ? r : buffer_add_string(b, payload);
}

static int verb_nip04_decrypt(const char *const *a, Buffer *b, _unused_ const char **reterr) {
        _cleanup_free_ char *text = NULL;
        uint8_t shared[32];
        size_t size;
        int r;

        r = read_shared(a, shared);
        if (r < 0)
                return r;
        r = nip04_decrypt(shared, a[2], strlen(a[2]), &text, &size);
        return r < 0 ? r : buffer_add(b, text, size);
}

static int wrap_chance(WrapChance *ret) {
        *ret = (WrapChance){ .created_at = nip59_back(1700000000, 3600) };
        return crypt_random(ret->nonce, sizeof(ret->nonce))
                               ?: crypt_random(ret->random, sizeof(ret->random));
}

/* author's secret, recipient's public key, draft of the rumor. The key of the wrap is chance. */
static int verb_wrap(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_(keypair_freep) Keypair *author = NULL, *once = NULL;
        _cleanup_(event_unrefp) Event *seal = NULL, *wrap = NULL;
        _cleanup_(rumor_unrefp) Rumor *rumor = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        uint8_t recipient[32], secret[32];
        WrapChance inner, outer;
        int r;

        r = read_keypair(a[0], &author) ?: hex_decode(a[1], recipient, sizeof(recipient));
        if (r >= 0)
                r = draft_parse(a[2], strlen(a[2]), &d, reterr);
        if (r >= 0)
                r = wrap_chance(&inner) ?: wrap_chance(&outer);
        if (r >= 0)
                r = crypt_random(secret, sizeof(secret)) ?: keypair_new(secret, &once);
        if (r >= 0)
                r = rumor_new(d, keypair_pubkey(author), &rumor);
        if (r >= 0)
                r = nip59_seal(rumor, author, recipient, &inner, &seal);
        if (r >= 0)
                r = nip59_wrap(seal, once, recipient, NULL, &outer, &wrap);
        return r < 0 ? r : buffer_add_string(b, event_json(wrap, NULL));
}

/* recipient's secret, wrap. */
static int verb_unwrap(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_(keypair_freep) Keypair *recipient = NULL;
        _cleanup_(event_unrefp) Event *wrap = NULL;
        _cleanup_(rumor_unrefp) Rumor *rumor = NULL;
        int r;

        r = read_keypair(a[0], &recipient);
        if (r >= 0)
                r = event_parse(a[1], strlen(a[1]), &wrap, reterr);
        if (r >= 0)
                r = nip59_open(wrap, recipient, &rumor, reterr);
        return r < 0 ? r : buffer_add_string(b, rumor_json(rumor, NULL));
}

/* secret, the event that is answered, text. */
static int verb_reply(const char *const *a, Buffer *b, const char **reterr) {
        Answer answer = { .relay = "wss://relay.example.com", .text = a[2] };
        _cleanup_(event_unrefp) Event *to = NULL, *e = NULL;
        _cleanup_(keypair_freep) Keypair *k = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        uint8_t random[32];
        int r;

        r = read_keypair(a[0], &k);
        if (r >= 0)
                r = event_parse(a[1], strlen(a[1]), &to, reterr);
        if (r < 0)
                return r;
        answer.to = to;
        r = reply_draft(&answer, 1700000000, &d);
        if (r >= 0)
                r = crypt_random(random, sizeof(random));
        if (r >= 0)
                r = draft_sign(d, k, random, &e);
        return r < 0 ? r : buffer_add_string(b, event_json(e, NULL));
}

static int verb_thread(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        Thread t;
        int r;

        r = event_parse(a[0], strlen(a[0]), &e, reterr);
        if (r < 0)
                return r;
        return thread_read(e, &t) ? buffer_addf(b, "%s %s", t.root, t.parent) : 0;
}

/* receipt, recipient: sender, event, msat, hash, whether the preimage was shown, and the comment.
 */
static int verb_zap(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_zap_read_ Zap z = { 0 };
        uint8_t recipient[32];
        int r;

        r = hex_decode(a[1], recipient, sizeof(recipient));
        if (r >= 0)
                r = event_parse(a[0], strlen(a[0]), &e, reterr);
        if (r >= 0)
                r = zap_read(e, &(ZapFor){ .recipient = recipient, .network = NETWORK_REGTEST }, &z,
                                reterr);
        return r < 0 ? r
                     : buffer_addf(b, "%s %s %lld %s %d %s", z.sender, *z.event ? z.event : "-",
                                       (long long) z.msat, z.hash, z.proven, z.comment);
}

static int verb_difficulty(const char *const *a, Buffer *b, _unused_ const char **reterr) {
        uint8_t id[32];
        int r;

        r = hex_decode(a[0], id, sizeof(id));
        return r < 0 ? r : buffer_addf(b, "%u", nip13_difficulty(id));
}

/* The unsigned event with a nonce of ten bits. */
static int verb_mine(const char *const *a, Buffer *b, const char **reterr) {
        _cleanup_(nip13_miner_freep) Nip13Miner *m = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *mined = NULL;
        char author[HEX32_MAX];
        int r;

        r = draft_parse_unsigned(a[0], strlen(a[0]), author, &d, reterr);
        if (r < 0)
                return r;
        r = nip13_miner_new(d, author, 10, 0, &m);
        if (r < 0)
                return r;
        r = nip13_miner_step(m, 1 << 20);
        if (r <= 0)
                return r < 0 ? r : -ERANGE;
        r = nip13_miner_event(m, &mined);
        return r < 0 ? r : buffer_add_string(b, mined);
}

/* Its facts, between blanks; the description, or the hash of one, is the last. */
static int verb_bolt11(const char *const *a, Buffer *b, const char **reterr) {
        char hash[HEX32_MAX], secret[HEX32_MAX], about[HEX32_MAX], payee[67];
        _cleanup_bolt11_ Bolt11 i = { 0 };
        int r;

        r = bolt11_decode(a[0], &i, reterr);
        if (r < 0)
                return r;
        hex_encode(i.payment_hash, 32, hash);
        hex_encode(i.payment_secret, 32, secret);
        hex_encode(i.description_hash, 32, about);
        hex_encode(i.payee, 33, payee);
        return buffer_addf(b, "%s %lld %lld %lld %lld %s %s %s %s", network_name(i.network),
                        (long long) i.amount_msat, (long long) i.created_at, (long long) i.expiry,
                        (long long) i.min_final_cltv, hash, secret, payee, i.description ?: about);
}

/* node's secret, msat, payment hash, description. */
static int verb_bolt11_encode(const char *const *a, Buffer *b, const char **reterr) {
        uint16_t features[] = { BOLT11_VAR_ONION, BOLT11_PAYMENT_SECRET, BOLT11_BASIC_MPP + 1 };
        _cleanup_free_ char *text = NULL;
        uint8_t secret[32];
        Bolt11 i = {
                .network = NETWORK_REGTEST,
                .created_at = 1700000000,
                .expiry = 600,
                .min_final_cltv = 80,
                .payment_secret = { 7 },
                .features = features,
                .n_features = ELEMENTSOF(features),
                .description = (char *) a[3],
        };
        int r;

        r = hex_decode(a[0], secret, sizeof(secret)) ?: parse_i64(a[1], &i.amount_msat)
                        ?: hex_decode(a[2], i.payment_hash, 32);
        if (r >= 0)
                r = bolt11_encode(&i, secret, &text, reterr);
        return r < 0 ? r : buffer_add_string(b, text);
}

static const struct {
        const char *name;
        size_t n_arguments;
        Verb run;
} verbs[] = {
        { "verify", 1, verb_verify },
        { "sign", 2, verb_sign },
        { "nip06", 2, verb_nip06 },
        { "npub", 1, verb_npub },
        { "nip19", 1, verb_nip19 },
        { "nip44-encrypt", 3, verb_nip44_encrypt },
        { "nip44-decrypt", 3, verb_nip44_decrypt },
        { "nip04-encrypt", 3, verb_nip04_encrypt },
        { "nip04-decrypt", 3, verb_nip04_decrypt },
        { "wrap", 3, verb_wrap },
        { "unwrap", 2, verb_unwrap },
        { "reply", 3, verb_reply },
        { "thread", 1, verb_thread },
        { "zap", 2, verb_zap },
        { "difficulty", 1, verb_difficulty },
        { "mine", 1, verb_mine },
        { "bolt11", 1, verb_bolt11 },
        { "bolt11-encode", 4, verb_bolt11_encode },
};

static int run_verb(const Json *line, Buffer *b, const char **reterr) {
        const char *a[ARGUMENTS_MAX] = { 0 }, *name;
        size_t n = json_array_size(line);
        int r;

        r = json_string(json_array_at(line, 0), &name);
        for (size_t i = 1; i < n && i <= ARGUMENTS_MAX && r >= 0; i++)
                r = json_string(json_array_at(line, i), a + i - 1);
        if (r < 0)
                return r;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(verbs[i].name, name) && n == verbs[i].n_arguments + 1)
                        return verbs[i].run(a, b, reterr);
        *reterr = "no such verb, or not its arguments";
        return -EINVAL;
}

static void answer(const char *text, size_t size) {
        _cleanup_buffer_ Buffer b = { .max = ANSWER_MAX }, quoted = { .max = 6 * ANSWER_MAX };
        _cleanup_(json_unrefp) Json *line = NULL;
        const char *reason = NULL;
        int r;

        r = json_parse(text, size, 4, ARGUMENTS_MAX + 2, &line, &reason);
        if (r >= 0)
                r = run_verb(line, &b, &reason);
        if (r < 0) {
                (void) printf("{\"error\":\"%s\"}\n", reason ?: "it could not be done");
                return;
        }
        r = json_write_string(&quoted, b.data ?: "", b.size);
        (void) printf("%s\n", r < 0 ? "{\"error\":\"too long\"}" : quoted.data);
}

int main(void) {
        char *line = NULL;
        size_t allocated = 0;
        ssize_t n;

        if (crypt_setup() < 0)
                return 1;
        while ((n = getline(&line, &allocated, stdin)) > 0) {
                answer(line, (size_t) n);
                (void) fflush(stdout);
        }
        free(line);
        return 0;
}
