/* Connection texts, the wallet's announcement, encryption, and the events around the messages. */
#include "nostr/nip47.h"

#include <stdio.h>

#include "basic/crypt.h"
#include "basic/text.h"
#include "nostr/nip04.h"
#include "nostr/nip44.h"
#include "nostr/url.h"

static const char *const scheme_names[_NIP47_SCHEME_MAX] = {
        [NIP47_NIP44] = "nip44_v2",
        [NIP47_NIP04] = "nip04",
};

static const char *const method_names[_NIP47_METHOD_MAX] = {
        [NIP47_MAKE_INVOICE] = "make_invoice",
        [NIP47_LOOKUP_INVOICE] = "lookup_invoice",
        [NIP47_PAY_INVOICE] = "pay_invoice",
        [NIP47_GET_BALANCE] = "get_balance",
        [NIP47_LIST_TRANSACTIONS] = "list_transactions",
        [NIP47_GET_INFO] = "get_info",
        [NIP47_GET_BUDGET] = "get_budget",
};

const char *nip47_scheme_name(Nip47Scheme s) {
        return scheme_names[s];
}

const char *nip47_method_name(Nip47Method m) {
        return method_names[m];
}

/* Connections. */

static int uri_take(Nip47Uri *u, const char *name, const char *value, bool *has_secret) {
        Url *url = NULL;
        const char *reason;

        if (streq(name, "secret") && !*has_secret) {
                *has_secret = hex_decode(value, u->secret, 32) >= 0;
                return *has_secret ? 0 : -EINVAL;
        }
        if (streq(name, "lud16") && !u->lud16) {
                u->lud16 = strdup(value);
                return u->lud16 ? 0 : -ENOMEM;
        }
        if (!streq(name, "relay") || strv_length(u->relays) >= NIP47_RELAYS_MAX)
                return 0;
        if (url_parse(value, &url, &reason) < 0)
                return -EINVAL;
        url_free(url);
        return strv_contains(u->relays, value) ? 0 : strv_add(&u->relays, value);
}

static int uri_parameters(Nip47Uri *u, const char *text, bool *has_secret) {
        int r = 0;

        while (*text && r >= 0) {
                size_t n = strcspn(text, "&"), n_name = strcspn(text, "=&");
                _cleanup_free_ char *name = strndup(text, n_name), *value = NULL;

                if (!name)
                        return -ENOMEM;
                if (n_name < n) {
                        r = percent_decode(text + n_name + 1, n - n_name - 1, &value);
                        if (r >= 0)
                                r = uri_take(u, name, value, has_secret);
                        if (value)
                                explicit_bzero(value, strlen(value));
                }
                text += n + (text[n] == '&');
        }
        return r;
}

int nip47_uri_parse(const char *text, Nip47Uri *ret, const char **reterr) {
        const char *rest = startswith(text, "nostr+walletconnect:")
                                           ?: startswith(text, "nostrwalletconnect:");
        _cleanup_nip47_uri_ Nip47Uri u = { 0 };
        bool has_secret = false;
        char wallet[HEX32_MAX];
        int r;

        if (!rest || strlen(text) > NIP47_URI_MAX)
                return *reterr = "it begins not with nostr+walletconnect://", -EINVAL;
        rest = startswith(rest, "//") ?: rest;
        if (strcspn(rest, "?") != HEX32_MAX - 1 || rest[HEX32_MAX - 1] != '?')
                return *reterr = "it does not name the wallet's key", -EINVAL;
        memcpy(wallet, rest, HEX32_MAX - 1);
        wallet[HEX32_MAX - 1] = 0;
        if (hex_decode(wallet, u.wallet, 32) < 0 || secp_pubkey_check(u.wallet) < 0)
                return *reterr = "it does not name the wallet's key", -EINVAL;

        r = uri_parameters(&u, rest + HEX32_MAX, &has_secret);
        if (r == -ENOMEM)
                return *reterr = NULL, r;
        if (r < 0)
                return *reterr = "a part of it is misspelt", -EINVAL;
        if (!has_secret)
                return *reterr = "it holds no secret", -EINVAL;
        if (strv_length(u.relays) == 0)
                return *reterr = "it names no relay", -EINVAL;

        *ret = TAKE(u, (Nip47Uri){ 0 });
        return 0;
}

static int add_escaped(Buffer *b, const char *before, const char *value) {
        _cleanup_free_ char *escaped = NULL;
        int r;

        r = percent_encode(value, &escaped);
        return r < 0 ? r : buffer_addf(b, "%s%s", before, escaped);
}

int nip47_uri_write(const Nip47Uri *u, char **ret) {
        char wallet[HEX32_MAX], secret[HEX32_MAX];
        _cleanup_buffer_ Buffer b;
        int r;

        buffer_init(&b, NIP47_URI_MAX);
        hex_encode(u->wallet, 32, wallet);
        hex_encode(u->secret, 32, secret);
        r = buffer_addf(&b, "nostr+walletconnect://%s", wallet);
        for (size_t i = 0; r >= 0 && u->relays[i]; i++)
                r = add_escaped(&b, i ? "&relay=" : "?relay=", u->relays[i]);
        if (r >= 0)
                r = buffer_addf(&b, "&secret=%s", secret);
        explicit_bzero(secret, sizeof(secret));
        if (r >= 0 && u->lud16)
                r = add_escaped(&b, "&lud16=", u->lud16);
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

void nip47_uri_done(Nip47Uri *u) {
        explicit_bzero(u->secret, sizeof(u->secret));
        u->relays = strv_free(u->relays);
        u->lud16 = mfree(u->lud16);
}

/* Encryption. */

/* Is this word in a list of words between blanks? */
static bool has_word(const char *list, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list; *p;) {
                size_t size = strcspn(p, " ");

                if (size == n && memcmp(p, word, n) == 0)
                        return true;
                p += size;
                p += strspn(p, " ");
        }
        return false;
}

int nip47_event_scheme(const Event *e, Nip47Scheme *ret) {
        const char *said = event_tag_value(e, "encryption");

        if (!said || streq(said, scheme_names[NIP47_NIP04]))
                *ret = NIP47_NIP04;
        else if (streq(said, scheme_names[NIP47_NIP44]))
                *ret = NIP47_NIP44;
        else
                return -EOPNOTSUPP;
        return 0;
}

int nip47_encrypt(const Keypair *k, const uint8_t peer[static 32], Nip47Scheme s,
                const uint8_t random[static 32], const char *text, char **ret) {
        uint8_t key[32];
        int r;

        if (s == NIP47_NIP44) {
                r = nip44_conversation_key(k, peer, key);
                if (r >= 0)
                        r = nip44_encrypt(key, random, text, strlen(text), ret);
        } else {
                r = keypair_ecdh(k, peer, key);
                if (r >= 0)
                        r = nip04_encrypt(key, random, text, strlen(text), ret);
        }
        memory_wipe(key, sizeof(key));
        return r;
}

int nip47_decrypt(const Keypair *k, const uint8_t peer[static 32], const char *content, char **ret,
                const char **reterr) {
        size_t size = strlen(content), n;
        uint8_t key[32];
        int r;

        *reterr = "the message cannot be decrypted";
        if (nip04_looks_like(content)) {
                r = keypair_ecdh(k, peer, key);
                if (r >= 0)
                        r = nip04_decrypt(key, content, size, ret, &n);
        } else {
                r = nip44_conversation_key(k, peer, key);
                if (r >= 0)
                        r = nip44_decrypt(key, content, size, ret, &n, reterr);
        }
        memory_wipe(key, sizeof(key));
        return r == -EINVAL ? -EBADMSG : r;
}

/* The announcement. */

void nip47_info_parse(const Event *e, Nip47Info *ret) {
        const char *schemes = event_tag_value(e, "encryption");
        const char *notifications = event_tag_value(e, "notifications") ?: "";
        const char *methods = event_content(e, NULL);

        *ret = (Nip47Info){ .nip04 = !schemes };
        for (Nip47Method m = 0; m < _NIP47_METHOD_MAX; m++)
                if (has_word(methods, method_names[m]))
                        ret->methods |= B(m);
        if (schemes) {
                ret->nip44 = has_word(schemes, scheme_names[NIP47_NIP44]);
                ret->nip04 = has_word(schemes, scheme_names[NIP47_NIP04]);
        }
        ret->received = has_word(notifications, "payment_received");
        ret->sent = has_word(notifications, "payment_sent");
}

static int add_words(Buffer *b, const char *word) {
        return buffer_addf(b, "%s%s", b->size > 0 ? " " : "", word);
}

static int info_content(const Nip47Info *i, Buffer *b) {
        int r = 0;

        for (Nip47Method m = 0; m < _NIP47_METHOD_MAX && r >= 0; m++)
                if (i->methods & B(m))
                        r = add_words(b, method_names[m]);
        return r >= 0 && (i->received || i->sent) ? add_words(b, "notifications") : r;
}

int nip47_info_draft(const Nip47Info *i, int64_t now, Draft **ret) {
        const char *schemes = i->nip44 && i->nip04 ? "nip44_v2 nip04"
                              : i->nip44           ? "nip44_v2"
                                                   : "nip04";
        const char *notifications = i->received && i->sent ? "payment_received payment_sent"
                                    : i->received          ? "payment_received"
                                                           : "payment_sent";
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_buffer_ Buffer b;
        int r;

        buffer_init(&b, 1024);
        r = info_content(i, &b);
        if (r >= 0)
                r = draft_new(NIP47_INFO_KIND, now, &d);
        if (r >= 0)
                r = draft_tag(d, "encryption", schemes, NULL);
        if (r >= 0 && (i->received || i->sent))
                r = draft_tag(d, "notifications", notifications, NULL);
        if (r >= 0)
                r = draft_content(d, b.data ?: "", b.size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

/* Events. */

int nip47_request_draft(const char *wallet_hex, Nip47Scheme s, const char *content, int64_t now,
                int64_t expiration, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        char until[24];
        int r;

        r = draft_new(NIP47_REQUEST_KIND, now, &d);
        if (r >= 0)
                r = draft_tag(d, "p", wallet_hex, NULL);
        if (r >= 0)
                r = draft_tag(d, "encryption", scheme_names[s], NULL);
        if (r >= 0 && expiration > 0) {
                (void) snprintf(until, sizeof(until), "%lld", (long long) expiration);
                r = draft_tag(d, "expiration", until, NULL);
        }
        if (r >= 0)
                r = draft_content(d, content, strlen(content));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

static int answer_draft(uint16_t kind, const char *client_hex, const char *request_id,
                const char *content, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = draft_new(kind, now, &d);
        if (r >= 0)
                r = draft_tag(d, "p", client_hex, NULL);
        if (r >= 0 && request_id)
                r = draft_tag(d, "e", request_id, NULL);
        if (r >= 0)
                r = draft_content(d, content, strlen(content));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

int nip47_response_draft(const char *client_hex, const char *request_id, const char *content,
                int64_t now, Draft **ret) {
        return answer_draft(NIP47_RESPONSE_KIND, client_hex, request_id, content, now, ret);
}

int nip47_notification_draft(const char *client_hex, Nip47Scheme s, const char *content,
                int64_t now, Draft **ret) {
        return answer_draft(
                        s == NIP47_NIP44 ? NIP47_NOTIFICATION_KIND : NIP47_NOTIFICATION_NIP04_KIND,
                        client_hex, NULL, content, now, ret);
}
