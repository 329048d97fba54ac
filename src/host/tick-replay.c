/* Playing a recorded tick once more: the same context, the recorded answer or a fresh one, and what
 * the policy of today says to it. Nothing is written down or done. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/crypt.h"
#include "tick-private.h"

#define RECORD_DEPTH  8
#define RECORD_VALUES 65536
#define RESULT_MAX    (8 * 1024 * 1024)

TickReplay *tick_replay_free(TickReplay *r) {
        if (!r)
                return NULL;

        if (r->handle)
                *r->handle = NULL;
        r->reading = agents_call_free(r->reading);
        if (r->tick)
                r->tick->replay = NULL;
        r->tick = tick_free(r->tick);
        for (size_t i = 0; i < TICK_THOUGHTS; i++)
                free(r->answers[i]);
        free(r->done);
        return mfree(r);
}

static void replay_end(TickReplay *r, int error, const char *reason, const char *json) {
        tick_replayed_t told = r->told;
        void *userdata = r->userdata;

        if (r->handle)
                *r->handle = NULL;
        r->handle = NULL;
        told(error, reason, json, userdata);
        (void) tick_replay_free(r);
}

/* A fresh thought is another one than the recorded one, and than that of another replay. */
void tick_replay_id(const Tick *t, char ret[static TICK_ID_MAX]) {
        (void) snprintf(ret, TICK_ID_MAX, "%s/%" PRIi64 "/again-%s-%u", t->agent->key, t->number,
                        t->replay->nonce, t->n_thoughts);
}

/* ---- what came of it */

static int add_text(Buffer *b, const char *name, const char *text) {
        int r = buffer_addf(b, "\"%s\":", name);

        return r < 0 ? r : json_write_string(b, text ?: "", strlen(text ?: ""));
}

static int write_plan(const Plan *p, Buffer *b) {
        static const char *const verdicts[_POLICY_VERDICT_MAX] = {
                [POLICY_GO] = "go",
                [POLICY_WAIT] = "wait",
                [POLICY_REFUSE] = "refuse",
        };
        int r;

        r = buffer_addf(b, "{\"action\":%s,\"verdict\":\"%s\",", p->json, verdicts[p->verdict]);
        if (r >= 0)
                r = add_text(b, "reason", p->reason);
        return r < 0 ? r : buffer_add(b, "}", 1);
}

static int write_result(const Tick *t, Buffer *b) {
        int r;

        r = buffer_addf(b, "{\"tick\":%" PRIi64 ",\"fresh\":%s,\"cost_msat\":%" PRIi64 ",",
                        t->number, t->replay->fresh ? "true" : "false", t->cost_msat);
        if (r >= 0)
                r = add_text(b, "answer", t->answer ?: t->done);
        if (r >= 0)
                r = buffer_add_string(b, ",\"actions\":[");
        for (size_t i = 0; i < t->n_plans && r >= 0; i++) {
                r = i > 0 ? buffer_add(b, ",", 1) : 0;
                if (r >= 0)
                        r = write_plan(t->plans + i, b);
        }
        return r < 0 ? r : buffer_add_string(b, "]}");
}

static int on_end(_unused_ sd_event_source *s, void *userdata) {
        Tick *t = userdata;
        TickReplay *replay = t->replay;
        _cleanup_buffer_ Buffer b = { .max = RESULT_MAX };
        int r = t->flow.state == TICK_FAILED ? MIN(t->flow.error, -1) : write_result(t, &b);

        replay_end(replay, r, r < 0 ? tick_reason(t) : "", r < 0 ? NULL : b.data);
        return 0;
}

/* It may be over within a callback of its own agent's connection. */
void tick_replayed(Tick *t) {
        t->again = sd_event_source_disable_unref(t->again);
        (void) sd_event_add_defer(t->hands->event, &t->again, on_end, t);
}

/* ---- what is on disk */

static int keep_string(const Json *j, const char *name, char **ret) {
        const char *s;

        if (json_string(json_get(j, name), &s) < 0)
                return 0; /* it is not kept any more */
        free(*ret);
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

static int read_record(TickReplay *replay, const char *record) {
        _cleanup_(json_unrefp) Json *j = NULL;
        _cleanup_free_ char *context = NULL;
        const char *reason;
        const Json *list;
        int r;

        r = json_parse(record, strlen(record), RECORD_DEPTH, RECORD_VALUES, &j, &reason);
        if (r < 0)
                return r;
        list = json_get(j, "thoughts");
        r = keep_string(json_array_at(list, 0), "prompt", &context);
        if (r >= 0)
                r = keep_string(json_array_at(list, 0), "answer", &replay->done);
        for (size_t i = 0; i < TICK_THOUGHTS && r >= 0; i++)
                r = keep_string(json_array_at(list, i + 1), "answer", replay->answers + i);
        if (r < 0)
                return r;
        if (!context)
                return -ENODATA;
        r = tick_new(replay->agent, "replay", &replay->tick);
        if (r < 0)
                return r;
        replay->tick->replay = replay;
        replay->tick->number = replay->number;
        r = tick_take_context(replay->tick, TAKE_PTR(context));
        return r < 0 ? r : tick_launch(replay->tick, TICK_BEGINNING);
}

static void on_record(int error, const char *reason, const char *json, void *userdata) {
        TickReplay *replay = userdata;
        int r = error;

        if (r >= 0) {
                r = read_record(replay, json);
                reason = r == -ENODATA ? "its texts are not kept any more"
                                       : "its record cannot be read";
        }
        if (r < 0)
                replay_end(replay, r, reason, NULL);
}

int tick_replay(HostAgent *a, int64_t tick, bool fresh, tick_replayed_t done, void *userdata,
                TickReplay **ret) {
        TickReplay *replay;
        uint8_t random[4];
        int r;

        if (a->tick)
                return -EBUSY; /* its process answers one at a time */
        r = crypt_random(random, sizeof(random));
        if (r < 0)
                return r;
        replay = new0(TickReplay, 1);
        if (!replay)
                return -ENOMEM;
        *replay = (TickReplay){
                .agent = a,
                .number = tick,
                .fresh = fresh,
                .told = done,
                .userdata = userdata,
        };
        hex_encode(random, sizeof(random), replay->nonce);
        r = agents_tick(a->host->hands->agents, a->npub, tick, on_record, replay, &replay->reading);
        if (r < 0) {
                (void) tick_replay_free(replay);
                return r;
        }
        replay->handle = ret;
        if (ret)
                *ret = replay;
        return 0;
}
