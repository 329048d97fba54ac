#include "market/proof.h"

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/json.h"
#include "nostr/nip13.h"

#define JSON_VALUES_MAX 8192

static bool values_equal(const Json *a, const Json *b) {
        const char *x, *y;
        size_t n, m;

        return json_bytes(a, &x, &n) >= 0 && json_bytes(b, &y, &m) >= 0 && n == m &&
               memcmp(x, y, n) == 0;
}

static bool tags_equal(const Json *a, const Json *b) {
        if (json_array_size(a) != json_array_size(b))
                return false;
        for (size_t i = 0; i < json_array_size(a); i++)
                if (!values_equal(json_array_at(a, i), json_array_at(b, i)))
                        return false;
        return true;
}

static bool tag_is_nonce(const Json *tag) {
        const char *name;

        return json_array_size(tag) == 3 && json_string(json_array_at(tag, 0), &name) >= 0 &&
               streq(name, "nonce");
}

static int draft_as_json(const Draft *d, Json **ret, const char **reterr) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = draft_json(d, &text);
        if (r < 0)
                return r;
        return json_parse(text, strlen(text), EVENT_DEPTH_MAX, JSON_VALUES_MAX, ret, reterr);
}

/* The miner may add one nonce tag and refresh the time; everything else is the customer's. */
static int check_unchanged(const Draft *ordered, const Draft *mined, const char **reterr) {
        _cleanup_(json_unrefp) Json *a = NULL, *b = NULL;
        const Json *tags, *more;
        size_t n;
        int r;

        r = draft_as_json(ordered, &a, reterr);
        if (r >= 0)
                r = draft_as_json(mined, &b, reterr);
        if (r < 0)
                return r;

        tags = json_get(a, "tags");
        more = json_get(b, "tags");
        n = json_array_size(tags);
        if (draft_kind(ordered) != draft_kind(mined) ||
                        !values_equal(json_get(a, "content"), json_get(b, "content")) ||
                        json_array_size(more) != n + 1 || !tag_is_nonce(json_array_at(more, n))) {
                *reterr = "the mined event is another one than was ordered";
                return -EBADMSG;
        }
        for (size_t i = 0; i < n; i++)
                if (!tags_equal(json_array_at(tags, i), json_array_at(more, i))) {
                        *reterr = "the tags of the mined event are not those that were ordered";
                        return -EBADMSG;
                }
        return 0;
}

/* NIP-13 through kind 5970: same event, same author, enough zero bits. */
static int check_pow(
                const JobRequest *request, const char *content, size_t size, const char **reterr) {
        _cleanup_(pow_task_done) PowTask task = { 0 };
        _cleanup_(draft_freep) Draft *mined = NULL;
        _cleanup_buffer_ Buffer serial = { .max = EVENT_SIZE_MAX };
        char author[HEX32_MAX];
        uint8_t id[32];
        int r;

        r = pow_task_parse(request, &task, reterr);
        if (r < 0)
                return r;
        r = draft_parse_unsigned(content, size, author, &mined, reterr);
        if (r < 0)
                return r;
        if (author[0] && !streq(author, task.pubkey_hex)) {
                *reterr = "the mined event has another author";
                return -EBADMSG;
        }
        r = check_unchanged(task.draft, mined, reterr);
        if (r < 0)
                return r;

        r = draft_serialize(mined, task.pubkey_hex, &serial);
        if (r >= 0)
                r = sha256(serial.data, serial.size, id);
        if (r < 0)
                return r;
        if (nip13_difficulty(id) < task.bits) {
                *reterr = "the mined event has too little work in it";
                return -EBADMSG;
        }
        return 0;
}

int proof_check(Event *request, const char *content, size_t size, const char **reterr) {
        _cleanup_(job_request_freep) JobRequest *r = NULL;
        int q;

        if (event_kind(request) != JOB_KIND_POW)
                return 0;

        q = job_request_parse(request, &r, reterr);
        return q < 0 ? q : check_pow(r, content, size, reterr);
}
