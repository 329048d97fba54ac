/* mind/reply: any answer means some actions, each of which reads as itself, and some refusals. */
#include "basic/text.h"
#include "mind/reply.h"

#define ID "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"

static const char context[] =
                "{\"v\":1,\"agent\":{\"name\":\"a\",\"npub\":\"n\",\"pubkey\":\"p\"},\"now\":1,"
                "\"tick\":1,\"trigger\":\"dm\",\"fence\":\"0123456789abcdef0123456789abcdef\","
                "\"money\":{\"balance_msat\":1},\"mind\":{\"type\":\"local\"},\"observations\":["
                "{\"id\":\"" ID "\",\"what\":\"dm\",\"author\":\"" ID "\",\"text\":\"hi\"}],"
                "\"allowed\":[\"post\",\"reply\",\"react\",\"dm\",\"zap\",\"pay\",\"goal_add\","
                "\"goal_update\",\"goal_close\",\"remember\",\"forget\",\"schedule\",\"follow\","
                "\"ask\",\"nothing\"],\"owner\":\"\"}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(context_freep) Context *c = NULL;
        _cleanup_(json_unrefp) Json *written = NULL;
        _cleanup_reply_ Reply reply = { 0 };
        _cleanup_buffer_ Buffer b = { .max = REPLY_SIZE_MAX };
        const char *field, *reason = NULL;

        assert(context_parse(context, strlen(context), &c, &field, &reason) >= 0);
        assert(reply_read((const char *) data, size, c, &reply) >= 0);
        assert(reply.n_actions + reply.n_refused <= ACTIONS_MAX + 1);
        for (size_t i = 0; i < reply.n_actions; i++) {
                _cleanup_(action_freep) Action *again = NULL;
                _cleanup_free_ char *json = NULL;

                assert(action_json(reply.actions[i], &json) >= 0);
                assert(action_parse_text(json, strlen(json), &again, &reason) >= 0);
        }
        for (size_t i = 0; i < reply.n_refused; i++)
                assert(strlen(reply.refused[i].text) <= REFUSED_TEXT_MAX &&
                                reply.refused[i].reason);
        assert(reply_write(&reply, &b) >= 0);
        assert(utf8_is_valid(b.data, b.size));
        assert(json_parse(b.data, b.size, 8, 65536, &written, &reason) >= 0);
        return 0;
}
