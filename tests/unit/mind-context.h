#pragma once
/* A context for the tests of mind and agent, with room for what a test wants in it. */
#include "tests/unit/unit.h"

#include "mind/context.h"

#define ALICE_HEX  "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
#define ALICE_NPUB "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
#define EVENT_HEX  "00000000000000000000000000000000000000000000000000000000000000aa"
#define OWNER_HEX  "00000000000000000000000000000000000000000000000000000000000000bb"
#define FENCE_HEX  "0123456789abcdef0123456789abcdef"

typedef struct World {
        const char *mind; /* its fields but the type; "" */
        const char *type; /* "nip90" */
        const char *goals, *memories, *observations, *last, *peers, *allowed; /* inside the [] */
        int remembered;
} World;

#define ALLOWED_ALL                                                                                \
        "\"post\",\"reply\",\"react\",\"dm\",\"zap\",\"pay\",\"goal_add\",\"goal_update\",\"goal_" \
        "close\",\"remember\",\"forget\",\"schedule\",\"follow\",\"ask\",\"nothing\""

static inline char *world_json(const World *w) {
        char *json = NULL;
        int n;

        n = asprintf(&json,
                        "{\"v\":1,\"agent\":{\"name\":\"ada\",\"npub\":\"" ALICE_NPUB
                        "\",\"pubkey\":\"" ALICE_HEX "\",\"about\":\"likes tea\"},"
                        "\"now\":1800000000,\"tick\":7,\"trigger\":\"mention\",\"network\":\"regtest\","
                        "\"fence\":\"" FENCE_HEX "\",\"money\":{\"balance_msat\":1000000,"
                        "\"runway_s\":7200,\"tick_max_msat\":100000,\"payment_max_msat\":50000},"
                        "\"mind\":{\"type\":\"%s\"%s},\"goals\":[%s],\"memories\":[%s],\"remembered\":%d,"
                        "\"observations\":[%s],\"dropped\":0,\"last\":[%s],\"peers\":[%s],\"allowed\":[%s],"
                        "\"owner\":\"" OWNER_HEX "\"}",
                        w->type ?: "nip90", w->mind ?: "", w->goals ?: "", w->memories ?: "",
                        w->remembered, w->observations ?: "", w->last ?: "", w->peers ?: "",
                        w->allowed ?: ALLOWED_ALL);
        assert_true(n > 0);
        return json;
}

static inline Context *world_context(const World *w, char **ret_json) {
        const char *field = NULL, *reason = "there is no memory";
        Context *c = NULL;

        *ret_json = world_json(w);
        if (context_parse(*ret_json, strlen(*ret_json), &c, &field, &reason) < 0)
                fail_msg("%s: %s", field ?: "", reason);
        return c;
}
