/* nostr/nip47: connections, and the decrypted messages of both sides. What is understood can be
 * written and is understood again. */
#include "nostr/nip47.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void connection(const char *text) {
        _cleanup_nip47_uri_ Nip47Uri u = { 0 }, again = { 0 };
        _cleanup_free_ char *written = NULL;
        const char *reason = NULL;

        if (nip47_uri_parse(text, &u, &reason) < 0) {
                assert(reason);
                return;
        }
        if (nip47_uri_write(&u, &written) < 0)
                return; /* escaped it is too long */
        assert(nip47_uri_parse(written, &again, &reason) == 0);
        assert(memcmp(u.secret, again.secret, 32) == 0);
}

static void request(const char *json, size_t size) {
        _cleanup_nip47_request_ Nip47Request q = { 0 }, again = { 0 };
        _cleanup_free_ char *written = NULL;
        const char *reason = NULL;
        Nip47Error code;

        if (nip47_request_parse(json, size, &q, &code, &reason) < 0) {
                assert(reason && code != NIP47_OK);
                return;
        }
        if (nip47_request_write(&q, &written) < 0)
                return;
        assert(nip47_request_parse(written, strlen(written), &again, &code, &reason) == 0);
        assert(q.method == again.method && q.amount == again.amount);
}

static void response(const char *json, size_t size, Nip47Method method) {
        _cleanup_nip47_response_ Nip47Response p = { 0 }, again = { 0 };
        _cleanup_free_ char *written = NULL;
        const char *reason = NULL;

        if (nip47_response_parse(json, size, method, &p, &reason) < 0) {
                assert(reason);
                return;
        }
        assert(p.balance >= 0 && p.transaction.amount >= 0);
        if (nip47_response_write(&p, &written) >= 0)
                assert(nip47_response_parse(written, strlen(written), method, &again, &reason) ==
                                0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_nip47_notification_ Nip47Notification n = { 0 };
        _cleanup_free_ char *text = strndup((const char *) data, size);
        const char *json = (const char *) data, *reason = NULL;

        if (!text)
                return 0;
        if (size > 0 && data[0] == 'n') {
                connection(text);
                return 0;
        }
        request(json, size);
        for (Nip47Method m = 0; m < _NIP47_METHOD_MAX; m++)
                response(json, size, m);
        (void) nip47_notification_parse(json, size, &n, &reason);
        return 0;
}
