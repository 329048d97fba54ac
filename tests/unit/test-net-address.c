/* net/address: the edges of every network that is not public. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "net/address.h"

/* Both ways to ask agree. */
static bool is_public(const char *text) {
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        bool yes;

        if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
                yes = sockaddr_is_public((struct sockaddr *) &v4, sizeof(v4));
        else {
                assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
                yes = sockaddr_is_public((struct sockaddr *) &v6, sizeof(v6));
        }
        assert_int_equal(address_is_public(text), yes);
        return yes;
}

static void our_own_networks_are_not_public(_unused_ void **state) {
        static const char *const all[] = { "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255",
                "100.64.0.0", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
                "172.16.0.0", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1",
                "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255", "198.51.100.9",
                "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
                "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
                "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:10::1",
                "2001:1ff::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "3fff:fff::1", "fc00::1",
                "fdff::1", "fe80::1", "febf::1", "fec0::1", "ff02::1", "4000::1" };

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                if (is_public(all[i]))
                        fail_msg("%s", all[i]);
}

static void what_lies_beside_them_is(_unused_ void **state) {
        static const char *const all[] = { "1.0.0.0", "1.1.1.1", "8.8.8.8", "9.255.255.255",
                "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
                "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.1",
                "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
                "223.255.255.255", "2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1",
                "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "3ffe::1", "3fff:1000::1" };

        for (size_t i = 0; i < ELEMENTSOF(all); i++)
                if (!is_public(all[i]))
                        fail_msg("%s", all[i]);
}

static void another_kind_of_address_is_not_public(_unused_ void **state) {
        struct sockaddr a = { .sa_family = AF_UNIX };

        assert_false(sockaddr_is_public(&a, sizeof(a)));
        a.sa_family = AF_INET6;
        assert_false(sockaddr_is_public(&a, 2));
        assert_false(address_is_public("name"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(our_own_networks_are_not_public),
                cmocka_unit_test(what_lies_beside_them_is),
                cmocka_unit_test(another_kind_of_address_is_not_public),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
