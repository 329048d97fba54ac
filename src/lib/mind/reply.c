#include "mind/reply.h"

#include <stdio.h>

#include "basic/text.h"
#include "mind/reply-private.h"
#include "nostr/nip19.h"

#define DEPTH_MAX  8
#define VALUES_MAX 16384

static int refuse(Reply *reply, const char *text, size_t size, const char *reason) {
        Refusal *refusal = reply->refused + reply->n_refused;

        refusal->text = strndup(text, utf8_prefix(text, size, REFUSED_TEXT_MAX));
        if (!refusal->text)
                return -ENOMEM;
        refusal->reason = reason;
        reply->n_refused++;
        return 0;
}

static bool is_full(Answer *a) {
        bool full = a->reply->n_actions + a->reply->n_refused == ACTIONS_MAX;

        a->n_more += full;
        return full;
}

int answer_refuse(Answer *a, const char *text, size_t size, const char *reason) {
        return is_full(a) ? 0 : refuse(a->reply, text, size, reason);
}

static int refuse_value(Answer *a, const Json *j, const char *line, const char *reason) {
        _cleanup_buffer_ Buffer b = { .max = ANSWER_SIZE_MAX };
        int r;

        if (line)
                return answer_refuse(a, line, strlen(line), reason);
        r = json_write(&b, j);
        if (r == -ENOBUFS)
                return answer_refuse(a, "", 0, reason);
        return r < 0 ? r : answer_refuse(a, b.data, b.size, reason);
}

int answer_add(Answer *a, const Json *j, const char *line) {
        _cleanup_(action_freep) Action *action = NULL;
        const char *reason;
        int r;

        if (is_full(a))
                return 0;
        r = action_parse_named(j, &a->names, &action, &reason);
        if (r == -EBADMSG)
                return refuse_value(a, j, line, reason);
        if (r < 0)
                return r;
        if (!(a->context->allowed & B(action->type)))
                return refuse_value(a, j, line, "this agent is not allowed to do so");
        a->reply->actions[a->reply->n_actions++] = TAKE_PTR(action);
        return 0;
}

/* A note can be zapped itself; what was written in private, or was a zap, is its author's. */
static bool is_note(const ContextObservation *o) {
        return streq(o->what, "mention") || streq(o->what, "reply") || streq(o->what, "keyword");
}

static int take_name(Action *action, ActionTo what, const char *hex) {
        uint8_t bytes[32];

        if (hex_decode(hex, bytes, sizeof(bytes)) < 0)
                return -EINVAL;
        action->to_is = what;
        hex_encode(bytes, sizeof(bytes), action->to);
        return 0;
}

static int find_peer(const Context *c, const char *name, Action *action) {
        uint8_t key[32];
        char hex[HEX32_MAX];
        const char *reason;

        for (size_t i = 0; i < c->n_peers; i++)
                if (streq(c->peers[i].name, name)) {
                        if (pubkey_parse(c->peers[i].npub, key, &reason) < 0)
                                return -EINVAL;
                        hex_encode(key, sizeof(key), hex);
                        return take_name(action, ACTION_TO_KEY, hex);
                }
        return -ENOENT;
}

/* "o3" is the third observation, or whoever wrote it; "owner" is the owner; and agents of the same
 * owner have their names. */
static int find_name(const char *name, ActionTo wanted, Action *action, const void *userdata) {
        const Context *c = userdata;
        const ContextObservation *o;
        uint32_t n;

        if (streq(name, "owner"))
                return take_name(action, ACTION_TO_KEY, c->owner);
        if (*name != 'o' || parse_u32(name + 1, &n) < 0 || n < 1 || n > c->n_observations)
                return find_peer(c, name, action);
        o = c->observations + n - 1;
        if (wanted == ACTION_TO_EVENT || (wanted == ACTION_TO_EITHER && is_note(o)))
                return take_name(action, ACTION_TO_EVENT, o->id);
        return take_name(action, ACTION_TO_KEY, streq(o->author, "owner") ? c->owner : o->author);
}

/* From the first to the last fence that the answer repeats, there are others' words: they go.
 * Returns the size of what is left. */
static size_t cut_fenced(char *text, size_t size, const char *fence) {
        char *first = memmem(text, size, fence, FENCE_SIZE), *behind = NULL;
        char *end = text + size;

        for (char *p = first; p; p = memmem(behind, (size_t) (end - behind), fence, FENCE_SIZE))
                behind = p + FENCE_SIZE;
        if (!first)
                return size;
        memmove(first, behind, (size_t) (end - behind) + 1);
        return size - (size_t) (behind - first);
}

static int read_json(Answer *a, const char *text, size_t size) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const Json *list;
        const char *reason;
        int r;

        r = json_parse(text, size, DEPTH_MAX, VALUES_MAX, &j, &reason);
        if (r < 0)
                return r;
        list = json_is_array(j) ? j : json_get(j, "actions");
        if (!list)
                return answer_add(a, j, NULL);
        for (size_t i = 0; i < json_array_size(list) && r >= 0; i++)
                r = answer_add(a, json_array_at(list, i), NULL);
        return r;
}

static int read_text(Answer *a, const char *text, size_t size) {
        const char *json;
        size_t json_size;
        int r;

        if (reply_find_json(text, size, &json, &json_size))
                return read_json(a, json, json_size);
        r = reply_read_lines(a, text, size);
        if (r != 0)
                return r;
        return answer_refuse(a, text, size,
                        memmem(text, size, "\"actions\"", 9) ? "its JSON is cut off or not valid"
                                                             : "there is no action in it");
}

int reply_read(const char *answer, size_t size, const Context *c, Reply *ret) {
        _cleanup_(reply_done) Reply reply = { 0 };
        Answer a = { .context = c, .names = { find_name, c }, .reply = &reply };
        _cleanup_free_ char *text = NULL;
        char many[64];
        int r;

        if (size > ANSWER_SIZE_MAX)
                r = answer_refuse(&a, "", 0, "the answer is longer than 1 MiB");
        else if (!utf8_is_valid(answer, size))
                r = answer_refuse(&a, "", 0, "the answer is not UTF-8");
        else {
                text = malloc(size + 1);
                if (!text)
                        return -ENOMEM;
                memcpy(text, answer, size);
                text[size] = 0;
                r = read_text(&a, text, cut_fenced(text, size, c->fence));
        }
        if (r >= 0 && a.n_more > 0) {
                int n = snprintf(many, sizeof(many), "%zu more", a.n_more);

                r = refuse(&reply, many, (size_t) n, "an answer has at most 32 actions");
        }
        if (r < 0)
                return r;
        *ret = TAKE(reply, (Reply){ 0 });
        return 0;
}

void reply_done(Reply *r) {
        for (size_t i = 0; i < r->n_actions; i++)
                (void) action_free(r->actions[i]);
        for (size_t i = 0; i < r->n_refused; i++)
                free(r->refused[i].text);
        *r = (Reply){ 0 };
}

static int write_refusal(const Refusal *refusal, Buffer *b) {
        int r;

        r = buffer_add_string(b, "{\"text\":");
        if (r >= 0)
                r = json_write_string(b, refusal->text, strlen(refusal->text));
        if (r >= 0)
                r = buffer_add_string(b, ",\"reason\":");
        if (r >= 0)
                r = json_write_string(b, refusal->reason, strlen(refusal->reason));
        return r < 0 ? r : buffer_add(b, "}", 1);
}

int reply_write(const Reply *reply, Buffer *b) {
        int r;

        r = buffer_add_string(b, "{\"actions\":[");
        for (size_t i = 0; i < reply->n_actions && r >= 0; i++) {
                if (i > 0)
                        r = buffer_add(b, ",", 1);
                if (r >= 0)
                        r = action_write(reply->actions[i], b);
        }
        if (r >= 0)
                r = buffer_add_string(b, "],\"refused\":[");
        for (size_t i = 0; i < reply->n_refused && r >= 0; i++) {
                if (i > 0)
                        r = buffer_add(b, ",", 1);
                if (r >= 0)
                        r = write_refusal(reply->refused + i, b);
        }
        return r < 0 ? r : buffer_add_string(b, "]}");
}
