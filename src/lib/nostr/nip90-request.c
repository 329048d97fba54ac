/* Requests as they are written by many hands: what the NIP says, and the usual mistakes. */
#include <ctype.h>
#include <strings.h>

#include "basic/text.h"
#include "nostr/nip90.h"
#include "nostr/tag-list.h"

JobRequest *job_request_free(JobRequest *r) {
        if (!r)
                return NULL;

        (void) event_unref(r->event);
        (void) tag_list_free(r->inner);
        free(r->inputs);
        free(r->params);
        return mfree(r);
}

static const char *value_or_empty(const Tag *t, size_t i) {
        return i < t->n ? t->values[i] : "";
}

static bool is_hex32(const char *s) {
        uint8_t bytes[32];

        return hex_decode(s, bytes, sizeof(bytes)) >= 0;
}

static bool is_relay(const char *s) {
        return startswith(s, "wss://") || startswith(s, "ws://");
}

/* NIP-90 wants the type said. Where it is not, the data tell; an unknown type is a text: the
 * registry's own example has "prompt". */
static int known_type(const char *name, InputType *ret) {
        static const struct {
                const char *name;
                InputType type;
        } types[] = {
                { "text", INPUT_TEXT },
                { "url", INPUT_URL },
                { "event", INPUT_EVENT },
                { "job", INPUT_JOB },
        };

        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                if (strcasecmp(types[i].name, name) == 0) {
                        *ret = types[i].type;
                        return 0;
                }
        return -EINVAL;
}

static InputType input_type(const char *type, const char *data) {
        InputType known;

        if (known_type(type, &known) >= 0)
                return known;
        if (*type)
                return INPUT_TEXT;
        if (is_hex32(data))
                return INPUT_EVENT;
        return startswith(data, "https://") || startswith(data, "http://") ? INPUT_URL : INPUT_TEXT;
}

/* Seen: a marker where the relay should be, or instead of the type ("prompt", "system"). */
static const char *input_marker(const char *type, const Tag *t) {
        const char *relay = value_or_empty(t, 3), *marker = value_or_empty(t, 4);
        InputType known;

        if (*marker)
                return marker;
        if (*relay && !strpbrk(relay, ".:"))
                return relay;
        return known_type(type, &known) < 0 ? type : "";
}

static void add_input(JobRequest *r, const char *data, const char *type, const Tag *t) {
        r->inputs[r->n_inputs++] = (JobInput){
                .data = data,
                .type = input_type(type, data),
                .relay = t && is_relay(value_or_empty(t, 3)) ? t->values[3] : "",
                .marker = t ? input_marker(type, t) : "",
        };
}

static void read_i(JobRequest *r, const Tag *t) {
        if (t->n >= 2 && *t->values[1])
                add_input(r, t->values[1], value_or_empty(t, 2), t);
}

/* Not in the NIP but on the network: ["input", "text", "Hi"]. */
static void read_input(JobRequest *r, const Tag *t) {
        InputType type;

        if (t->n >= 3 && known_type(t->values[1], &type) >= 0)
                add_input(r, t->values[2], t->values[1], NULL);
        else
                read_i(r, t);
}

static void read_param(JobRequest *r, const Tag *t) {
        if (t->n >= 2)
                r->params[r->n_params++] = (JobParam){
                        .name = t->values[1],
                        .values = t->values + 2,
                        .n = t->n - 2,
                };
}

static void read_output(JobRequest *r, const Tag *t) {
        r->output = value_or_empty(t, 1);
        r->outputs = t->values + 1;
        r->n_outputs = t->n - 1;
}

/* "100_000" is seen too; a bid that is not a number is none. */
static void read_bid(JobRequest *r, const Tag *t) {
        int64_t msat;

        if (parse_i64(value_or_empty(t, 1), &msat) >= 0)
                r->bid_msat = msat;
}

static void add_relays(JobRequest *r, const Tag *t, size_t from) {
        for (size_t i = from; i < t->n && r->n_relays < JOB_RELAYS_MAX; i++)
                if (is_relay(t->values[i]))
                        r->relays[r->n_relays++] = t->values[i];
}

static void read_relays(JobRequest *r, const Tag *t) {
        add_relays(r, t, 1);
}

static void read_p(JobRequest *r, const Tag *t) {
        if (r->n_providers < JOB_PROVIDERS_MAX && is_hex32(value_or_empty(t, 1)))
                r->providers[r->n_providers++] = t->values[1];
}

static void read_encrypted(JobRequest *r, _unused_ const Tag *t) {
        r->encrypted = true;
}

static const struct {
        const char *name;
        void (*read)(JobRequest *r, const Tag *t);
} tag_readers[] = {
        { "i", read_i },
        { "input", read_input },
        { "param", read_param },
        { "params", read_param },
        { "output", read_output },
        { "bid", read_bid },
        { "relays", read_relays },
        { "relay", read_relays },
        { "p", read_p },
        { "encrypted", read_encrypted },
};

static void read_tag(JobRequest *r, const Tag *t) {
        for (size_t i = 0; i < ELEMENTSOF(tag_readers); i++)
                if (streq(tag_readers[i].name, t->values[0])) {
                        tag_readers[i].read(r, t);
                        return;
                }

        /* Seen: a list of relays that forgot to say that it is one. */
        if (is_relay(t->values[0]))
                add_relays(r, t, 0);
}

/* Seen: encrypted, and the tag forgotten that says so. NIP-44's payload begins with the byte 2. */
static bool looks_encrypted(const char *s) {
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789+/=";
        size_t n = strspn(s, digits);

        if (s[n] == '?' && n >= 24)
                return startswith(s + n, "?iv=");
        return s[n] == '\0' && n >= 132 && s[0] == 'A' && s[1] >= 'g' && s[1] <= 'v';
}

static const Tag *find_tag(const JobRequest *r, const char *name) {
        for (size_t i = 0; r->inner && i < r->inner->n; i++)
                if (streq(r->inner->tags[i].values[0], name) && r->inner->tags[i].n > 1)
                        return &r->inner->tags[i];
        for (const Tag *t = event_find_tag(r->event, name, NULL); t;
                        t = event_find_tag(r->event, name, t))
                if (t->n > 1)
                        return t;
        return NULL;
}

/* Seen where no `i` tag is: ["param", "prompt", text], ["prompt", text], ["url", address], or the
 * text as content. */
static void guess_input(JobRequest *r) {
        static const char *const names[] = { "prompt", "input", "text", "query", "question" };
        const char *content = event_content(r->event, NULL);

        for (size_t i = 0; i < ELEMENTSOF(names) && r->n_inputs == 0; i++) {
                const char *value = job_request_param(r, names[i]);
                const Tag *t = find_tag(r, names[i]);

                if (value || t)
                        add_input(r, value ?: t->values[1], value ? "text" : "", NULL);
        }
        if (r->n_inputs == 0 && find_tag(r, "url"))
                add_input(r, find_tag(r, "url")->values[1], "url", NULL);
        if (r->n_inputs == 0 && *content && !r->encrypted)
                add_input(r, content, "text", NULL);
}

static int read_tags(JobRequest *r) {
        size_t n_outer = event_n_tags(r->event), n_inner = r->inner ? r->inner->n : 0;

        r->inputs = mfree(r->inputs);
        r->params = mfree(r->params);
        r->n_inputs = r->n_params = r->n_relays = r->n_providers = 0;
        r->output = "";
        r->n_outputs = 0;
        r->bid_msat = -1;

        /* One more: for the input that is guessed. */
        r->inputs = new0(JobInput, n_outer + n_inner + 1);
        r->params = new0(JobParam, n_outer + n_inner + 1);
        if (!r->inputs || !r->params)
                return -ENOMEM;

        for (size_t i = 0; i < n_outer; i++)
                read_tag(r, event_tag(r->event, i));
        if (r->n_inputs == 0 && looks_encrypted(event_content(r->event, NULL)))
                r->encrypted = true;
        for (size_t i = 0; i < n_inner; i++)
                read_tag(r, r->inner->tags + i);
        guess_input(r);
        return 0;
}

int job_request_parse(Event *e, JobRequest **ret, const char **reterr) {
        _cleanup_(job_request_freep) JobRequest *req = NULL;
        int r;

        if (!job_kind_is_request(event_kind(e))) {
                *reterr = "it is of no kind that asks for work";
                return -EBADMSG;
        }

        req = new0(JobRequest, 1);
        if (!req)
                return -ENOMEM;
        req->event = event_ref(e);

        r = read_tags(req);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(req);
        return 0;
}

int job_request_open(JobRequest *r, const char *plaintext, size_t size, const char **reterr) {
        TagList *inner;
        int q;

        q = tag_list_parse(plaintext, size, &inner, reterr);
        if (q < 0)
                return q;

        (void) tag_list_free(r->inner);
        r->inner = inner;
        r->opened = true;
        return read_tags(r);
}

bool job_request_is_for(const JobRequest *r, const char *pubkey_hex) {
        for (size_t i = 0; i < r->n_providers; i++)
                if (streq(r->providers[i], pubkey_hex))
                        return true;
        /* Encrypted to nobody cannot be meant for us. */
        return r->n_providers == 0 && !r->encrypted;
}

/* "top_k", "top-k", "topK": one parameter. */
static bool same_name(const char *a, const char *b) {
        for (;;) {
                a += strspn(a, "_- ");
                b += strspn(b, "_- ");
                if (!*a || !*b)
                        return *a == *b;
                if (tolower((unsigned char) *a++) != tolower((unsigned char) *b++))
                        return false;
        }
}

bool job_param_is(const JobParam *p, const char *name) {
        return same_name(p->name, name);
}

const JobParam *job_request_find_param(const JobRequest *r, const char *name) {
        for (size_t i = 0; i < r->n_params; i++)
                if (job_param_is(r->params + i, name) && r->params[i].n > 0)
                        return r->params + i;
        return NULL;
}

const char *job_request_param(const JobRequest *r, const char *name) {
        const JobParam *p = job_request_find_param(r, name);

        return p ? p->values[0] : NULL;
}

int pow_task_parse(const JobRequest *r, PowTask *ret, const char **reterr) {
        const char *bits = job_request_param(r, "pow");
        uint32_t n;
        int q;

        if (r->n_inputs == 0 || r->inputs[0].type == INPUT_URL) {
                *reterr = "the event to be mined is missing";
                return -EBADMSG;
        }
        if (!bits || parse_u32(bits, &n) < 0 || n > 256) {
                *reterr = "it does not say how many bits are wanted";
                return -EBADMSG;
        }

        *ret = (PowTask){ .bits = n };
        q = draft_parse_unsigned(r->inputs[0].data, strlen(r->inputs[0].data), ret->pubkey_hex,
                        &ret->draft, reterr);
        if (q < 0)
                return q;

        /* The registry's own example names no author: then it is whoever asks. */
        if (!*ret->pubkey_hex)
                memcpy(ret->pubkey_hex, event_pubkey_hex(r->event), HEX32_MAX);
        return 0;
}

void pow_task_done(PowTask *t) {
        t->draft = draft_free(t->draft);
}
