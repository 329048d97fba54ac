#include "nostr/nip19.h"

#include "basic/buffer.h"
#include "basic/codec.h"
#include "basic/secp.h"
#include "basic/text.h"

/* The entries of the longer texts: type, length, value. Others are skipped. */
enum { TLV_SPECIAL, TLV_RELAY, TLV_AUTHOR, TLV_KIND };

static const struct {
        const char *prefix;
        bool bare; /* 32 bytes and nothing else */
} types[_NIP19_TYPE_MAX] = {
        [NIP19_NPUB] = { "npub", true },
        [NIP19_NSEC] = { "nsec", true },
        [NIP19_NOTE] = { "note", true },
        [NIP19_NPROFILE] = { "nprofile", false },
        [NIP19_NEVENT] = { "nevent", false },
        [NIP19_NADDR] = { "naddr", false },
};

static int tlv_text(const uint8_t *value, size_t size, char **ret) {
        if (!utf8_is_valid((const char *) value, size) || memchr(value, 0, size))
                return -EINVAL;

        *ret = strndup((const char *) value, size);
        return *ret ? 0 : -ENOMEM;
}

static int tlv_32_bytes(const uint8_t *value, size_t size, uint8_t ret[static 32]) {
        if (size != 32)
                return -EINVAL;

        memcpy(ret, value, 32);
        return 0;
}

static int tlv_special(Nip19 *n, const uint8_t *value, size_t size, bool *have_special) {
        if (*have_special) /* repeated: the first counts */
                return 0;

        *have_special = true;
        if (n->type == NIP19_NADDR)
                return tlv_text(value, size, &n->identifier);
        return tlv_32_bytes(value, size, n->key);
}

static int tlv_relay(Nip19 *n, const uint8_t *value, size_t size) {
        _cleanup_free_ char *url = NULL;
        int r;

        if (strv_length(n->relays) >= NIP19_RELAYS_MAX)
                return 0;

        r = tlv_text(value, size, &url);
        return r < 0 ? r : strv_add(&n->relays, url);
}

static int tlv_kind(Nip19 *n, const uint8_t *value, size_t size) {
        if (size != 4)
                return -EINVAL;

        n->has_kind = true;
        n->kind = (uint32_t) value[0] << 24 | (uint32_t) value[1] << 16 | (uint32_t) value[2] << 8 |
                  value[3];
        return 0;
}

static int tlv_entry(
                Nip19 *n, uint8_t type, const uint8_t *value, size_t size, bool *have_special) {
        switch (type) {
        case TLV_SPECIAL:
                return tlv_special(n, value, size, have_special);
        case TLV_RELAY:
                return tlv_relay(n, value, size);
        case TLV_AUTHOR:
                n->has_author = true;
                return tlv_32_bytes(value, size, n->author);
        case TLV_KIND:
                return tlv_kind(n, value, size);
        default:
                return 0;
        }
}

static int decode_tlv(Nip19 *n, const uint8_t *data, size_t size, const char **reterr) {
        bool have_special = false;
        int r;

        while (size > 0) {
                if (size < 2 || size - 2 < data[1]) {
                        *reterr = "an entry runs past the end";
                        return -EINVAL;
                }
                r = tlv_entry(n, data[0], data + 2, data[1], &have_special);
                if (r < 0) {
                        *reterr = "an entry has the wrong length or is no text";
                        return r;
                }
                size -= 2 + (size_t) data[1];
                data += 2 + (size_t) data[1];
        }

        if (!have_special || (n->type == NIP19_NADDR && !(n->has_author && n->has_kind))) {
                *reterr = "an entry is missing";
                return -EINVAL;
        }
        return 0;
}

static int decode_data(Nip19 *n, const char *prefix, const uint8_t *data, size_t size,
                const char **reterr) {
        while (!streq(types[n->type].prefix, prefix))
                if (++n->type == _NIP19_TYPE_MAX) {
                        *reterr = "it is of a kind that is not known";
                        return -EINVAL;
                }

        if (!types[n->type].bare)
                return decode_tlv(n, data, size, reterr);
        if (size != sizeof(n->key)) {
                *reterr = "it has the wrong length";
                return -EINVAL;
        }
        memcpy(n->key, data, size);
        return 0;
}

int nip19_decode(const char *text, Nip19 *ret, const char **reterr) {
        const char *without = startswith(text, "nostr:");
        _cleanup_free_ char *prefix = NULL;
        _cleanup_free_ uint8_t *data = NULL;
        _cleanup_nip19_ Nip19 n = { 0 };
        size_t size;
        int r;

        r = bech32_decode(without ?: text, NIP19_SIZE_MAX, &prefix, &data, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                *reterr = "it is mistyped or cut off";
                return -EINVAL;
        }

        r = decode_data(&n, prefix, data, size, reterr);
        explicit_bzero(data, size);
        if (r < 0)
                return r;
        if (without && n.type == NIP19_NSEC) {
                *reterr = "a secret key is never a link";
                return -EINVAL;
        }

        *ret = TAKE(n, (Nip19){ 0 });
        return 0;
}

static int add_entry(Buffer *b, uint8_t type, const void *value, size_t size) {
        uint8_t head[] = { type, (uint8_t) size };
        int r;

        if (size > NIP19_VALUE_MAX)
                return -EINVAL;

        r = buffer_add(b, head, sizeof(head));
        return r < 0 ? r : buffer_add(b, value, size);
}

static int encode_tlv(const Nip19 *n, Buffer *b) {
        uint8_t kind[4] = { (uint8_t) (n->kind >> 24), (uint8_t) (n->kind >> 16),
                (uint8_t) (n->kind >> 8), (uint8_t) n->kind };
        const char *identifier = n->identifier ?: "";
        int r;

        if (n->type == NIP19_NADDR)
                r = add_entry(b, TLV_SPECIAL, identifier, strlen(identifier));
        else
                r = add_entry(b, TLV_SPECIAL, n->key, sizeof(n->key));
        STRV_FOREACH (url, n->relays)
                if (r >= 0)
                        r = add_entry(b, TLV_RELAY, *url, strlen(*url));
        if (r >= 0 && (n->has_author || n->type == NIP19_NADDR))
                r = add_entry(b, TLV_AUTHOR, n->author, sizeof(n->author));
        if (r >= 0 && (n->has_kind || n->type == NIP19_NADDR))
                r = add_entry(b, TLV_KIND, kind, sizeof(kind));
        return r;
}

int nip19_encode(const Nip19 *n, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = (size_t) NIP19_SIZE_MAX / 8 * 5 };
        int r;

        if (types[n->type].bare)
                return bech32_encode(types[n->type].prefix, n->key, sizeof(n->key), ret);

        r = encode_tlv(n, &b);
        if (r < 0)
                return r == -ENOBUFS ? -EINVAL : r;
        return bech32_encode(types[n->type].prefix, (const uint8_t *) b.data, b.size, ret);
}

void nip19_done(Nip19 *n) {
        (void) strv_free(n->relays);
        free(n->identifier);
        explicit_bzero(n, sizeof(*n)); /* it may have been an nsec */
}

int npub_encode(const uint8_t pubkey[static 32], char ret[static NPUB_SIZE]) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = bech32_encode(types[NIP19_NPUB].prefix, pubkey, 32, &text);
        if (r < 0)
                return r;

        assert(strlen(text) < NPUB_SIZE);
        memcpy(ret, text, strlen(text) + 1);
        return 0;
}

int pubkey_parse(const char *text, uint8_t ret[static 32], const char **reterr) {
        uint8_t key[32];
        int r;

        if (hex_decode(text, key, sizeof(key)) < 0) {
                _cleanup_nip19_ Nip19 n = { 0 };

                r = nip19_decode(text, &n, reterr);
                if (r < 0)
                        return r;
                if (n.type != NIP19_NPUB && n.type != NIP19_NPROFILE) {
                        *reterr = "it names no public key";
                        return -EINVAL;
                }
                memcpy(key, n.key, sizeof(key));
        }
        if (secp_pubkey_check(key) < 0) {
                *reterr = "it is not a point of the curve";
                return -EINVAL;
        }

        memcpy(ret, key, sizeof(key));
        return 0;
}
