#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* IANA's registries of special purposes (RFC 6890): network, length of its prefix. */
static const struct {
        uint32_t network;
        unsigned bits;
} special4[] = {
        { 0x00000000, 8 },  /* 0/8: this network */
        { 0x0a000000, 8 },  /* 10/8: private */
        { 0x64400000, 10 }, /* 100.64/10: shared behind a carrier's NAT */
        { 0x7f000000, 8 },  /* 127/8: loopback */
        { 0xa9fe0000, 16 }, /* 169.254/16: link-local, clouds' metadata */
        { 0xac100000, 12 }, /* 172.16/12: private */
        { 0xc0000000, 24 }, /* 192.0.0/24: protocol assignments */
        { 0xc0000200, 24 }, /* 192.0.2/24: documentation */
        { 0xc01fc400, 24 }, /* 192.31.196/24: AS112 */
        { 0xc034c100, 24 }, /* 192.52.193/24: AMT */
        { 0xc0586300, 24 }, /* 192.88.99/24: 6to4 relays */
        { 0xc0a80000, 16 }, /* 192.168/16: private */
        { 0xc0af3000, 24 }, /* 192.175.48/24: AS112 */
        { 0xc6120000, 15 }, /* 198.18/15: benchmarks */
        { 0xc6336400, 24 }, /* 198.51.100/24: documentation */
        { 0xcb007100, 24 }, /* 203.0.113/24: documentation */
        { 0xe0000000, 3 },  /* 224/4: multicast; 240/4: reserved, broadcast */
};

/* Inside 2000::/3; all that lies outside of it is not public: ::1, v4-mapped, 64:ff9b::/96 and
 * 64:ff9b:1::/48 (NAT64), fc00::/7, fe80::/10, ff00::/8 and what is not assigned. */
static const struct {
        uint8_t network[4];
        unsigned bits;
} special6[] = {
        { { 0x20, 0x01, 0x00, 0x00 }, 23 }, /* 2001::/23: Teredo, ORCHID, benchmarks */
        { { 0x20, 0x01, 0x0d, 0xb8 }, 32 }, /* 2001:db8::/32: documentation */
        { { 0x20, 0x02, 0x00, 0x00 }, 16 }, /* 2002::/16: 6to4 holds an IPv4 address */
        { { 0x3f, 0xff, 0x00, 0x00 }, 20 }, /* 3fff::/20: documentation */
};

static bool same_prefix(uint32_t a, uint32_t b, unsigned bits) {
        return ((a ^ b) >> (32 - bits)) == 0;
}

static bool public4(uint32_t address) {
        for (size_t i = 0; i < ELEMENTSOF(special4); i++)
                if (same_prefix(address, special4[i].network, special4[i].bits))
                        return false;
        return true;
}

static uint32_t first_word(const uint8_t *bytes) {
        return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 |
               bytes[3];
}

static bool public6(const uint8_t address[static 16]) {
        uint32_t word = first_word(address);

        if (word >> 29 != 1)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(special6); i++)
                if (same_prefix(word, first_word(special6[i].network), special6[i].bits))
                        return false;
        return true;
}

bool sockaddr_is_public(const struct sockaddr *a, size_t size) {
        if (a->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
                const struct sockaddr_in *v4 = (const struct sockaddr_in *) (const void *) a;

                return public4(ntohl(v4->sin_addr.s_addr));
        }
        if (a->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
                const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *) (const void *) a;

                return public6(v6->sin6_addr.s6_addr);
        }
        return false;
}

bool address_is_numeric(const char *s) {
        struct in6_addr buffer;

        return inet_pton(AF_INET, s, &buffer) == 1 || inet_pton(AF_INET6, s, &buffer) == 1;
}

bool address_is_public(const char *address) {
        struct in6_addr v6;
        struct in_addr v4;

        if (inet_pton(AF_INET, address, &v4) == 1)
                return public4(ntohl(v4.s_addr));
        return inet_pton(AF_INET6, address, &v6) == 1 && public6(v6.s6_addr);
}
