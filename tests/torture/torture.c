/* The n-th allocation of our own objects fails, alone or with all after it, for n = 1 until a run
 * passes: ld --wrap leaves the libraries alone. The tables of the cases are at the end. */
#include "tests/torture/torture.h"

#include <stdio.h>

#include "basic/config.h"
#include "basic/json.h"
#include "basic/map.h"
#include "basic/text.h"
#include "basic/toml.h"
#include "net/sse.h"
#include "nostr/bip39.h"
#include "nostr/filter.h"
#include "nostr/key.h"
#include "nostr/message.h"
#include "nostr/nip02.h"
#include "nostr/nip04.h"
#include "nostr/nip10.h"
#include "nostr/nip17.h"
#include "nostr/nip19.h"
#include "nostr/nip42.h"
#include "nostr/nip44.h"
#include "nostr/nip59.h"
#include "nostr/nip89.h"
#include "nostr/nip90.h"
#include "nostr/relay-list.h"
#include "nostr/url.h"

#define RUNS_MAX 10000
#define NOW      INT64_C(1760000000)

/* The allocations. */

static uint64_t n_allocated, fails_at; /* 0: never */
static bool stays;                     /* the memory is gone for good, not once */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t size);

static bool fails(void) {
        if (++n_allocated < fails_at || fails_at == 0 || (n_allocated > fails_at && !stays))
                return false;
        errno = ENOMEM;
        return true;
}

void *__wrap_malloc(size_t size) {
        return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size) {
        return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size) {
        return fails() ? NULL : __real_realloc(p, size);
}

char *__wrap_strdup(const char *s) {
        return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t size) {
        return fails() ? NULL : __real_strndup(s, size);
}

void torture_wrong(const char *what) {
        (void) printf("# not so: %s\n", what);
}

/* What the cases work with; made once, while nothing fails. */

static const char mnemonic_text[] =
                "leader monkey parrot ring guide accident before fence cannon height naive bean";
static const uint8_t secret[32] = { [31] = 3 }, zeros[32];
static Keypair *keypair;
static Event *request_event, *auth_event, *answer_event;

static int make_event(Draft *taken, Event **ret) {
        _cleanup_(draft_freep) Draft *d = taken;

        return draft_sign(d, keypair, zeros, ret);
}

static const char *const params[] = { "top_k", "40", "temperature", "0.5" };
static const char *const relays[] = { "wss://relay.example/", "ws://127.0.0.1:7447" };

static const JobOrder order = {
        .kind = 5050,
        .input = "what is the weather",
        .input_type = "text",
        .params = params,
        .n_params = 2,
        .relays = relays,
        .n_relays = 2,
        .output = "text/plain",
        .bid_msat = 1000,
};

static int order_draft(Draft **ret) {
        return job_order_draft(&order, NOW, ret);
}

static int answer_draft(Draft **ret) {
        const JobAnswer answer = { .status = JOB_STATUS_SUCCESS,
                .text = "",
                .amount_msat = 1000,
                .invoice = "lnbcrt1",
                .relay = relays[0],
                .content = "sunny",
                .content_size = 5 };
        _cleanup_(job_request_freep) JobRequest *request = NULL;
        const char *reason;
        int r;

        r = job_request_parse(request_event, &request, &reason);
        if (r < 0)
                return r;
        return job_result_draft(request, &answer, NOW, ret);
}

static int auth_draft(Draft **ret) {
        return nip42_draft(relays[0], "challenge", NOW, ret);
}

static int prepare(void) {
        static const struct {
                int (*draft)(Draft **ret);
                Event **event;
        } events[] = {
                { order_draft, &request_event },
                { answer_draft, &answer_event },
                { auth_draft, &auth_event },
        };
        int r;

        r = keypair_new(secret, &keypair);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(events); i++) {
                Draft *d = NULL;

                r = events[i].draft(&d);
                if (r >= 0)
                        r = make_event(d, events[i].event);
        }
        return r;
}

/* The cases. */

static int run_buffer(void) {
        _cleanup_buffer_ Buffer b = { .max = 4096 };
        _cleanup_free_ char *text = NULL;
        int r;

        for (unsigned i = 0; i < 100; i++) {
                size_t before = b.size;

                r = buffer_addf(&b, "%u-%s ", i, "0123456789");
                if (r < 0) {
                        RIGHT(b.size == before);
                        return r;
                }
        }
        text = buffer_take(&b, NULL);
        if (!text)
                return -ENOMEM;
        RIGHT(startswith(text, "0-0123456789 1-"));
        return 0;
}

static int run_map(void) {
        static const char keys[64][4] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k",
                "l" };
        Map m;
        int r = 0;
        size_t n;

        map_init(&m, 64);
        for (n = 0; n < 12 && r >= 0; n++)
                r = map_put_string(&m, keys[n], (void *) keys[n]);
        n -= r < 0;
        for (size_t i = 0; i < 12; i++)
                if ((map_get_string(&m, keys[i]) != NULL) != (i < n))
                        r = TORTURE_WRONG;
        map_done(&m);
        return r;
}

static int run_strv(void) {
        _cleanup_strv_ char **a = NULL, **b = NULL;
        int r = 0;

        for (unsigned i = 0; i < 10 && r >= 0; i++)
                r = strv_add(&a, "a string");
        if (r < 0)
                return r;
        r = strv_copy(a, &b);
        if (r < 0)
                return r;
        RIGHT(strv_length(b) == 10);
        return 0;
}

static int run_json(void) {
        static const char text[] =
                        "{\"a\":[1,2.5,true,null,\"\\u00e4\"],\"b\":{\"c\":-1},\"d\":\"x\"}";
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *reason = NULL, *value = NULL;
        int r;

        r = json_parse(text, strlen(text), 4, 100, &j, &reason);
        if (r < 0)
                return r;
        r = json_string(json_get(j, "d"), &value);
        if (r < 0)
                return r;
        RIGHT(streq(value, "x"));
        return 0;
}

static int run_toml(void) {
        static const char text[] = "a = 1\nb.c = [1, 2.5, \"x\", {y = true}]\n[t]\nd = 2020-01-01\n"
                                   "e = '''\nlong'''\n[[l]]\nf = \"\\u00e4\"\n[[l]]\nf = 2\n";
        _cleanup_(toml_freep) TomlValue *v = NULL;
        TomlError error = { 0 };
        int r;

        r = toml_parse(text, strlen(text), &v, &error);
        if (r < 0)
                return r;
        RIGHT(toml_size(v) == 4);
        RIGHT(toml_size(toml_get(v, "l")) == 2);
        return 0;
}

static void on_remark(_unused_ const ConfigRemark *remark, void *userdata) {
        ++*(unsigned *) userdata;
}

static int run_config(void) {
        static const char text[] =
                        "name = \"mill\"\nrelays = [\"ws://a/\", \"wss://b/\"]\nnmae = 1\n"
                        "backend_preference = [\"a\", \"b\"]\ndescription = \"d\"\n"
                        "[provider]\nkinds = [5050]\njob_timeout = \"2min\"\n[relay]\n"
                        "listen = \"127.0.0.1:7000\"\nallowed_origins = [\"http://x\"]\n"
                        "[[backend]]\nname = \"b\"\ntype = \"ollama\"\nmodels = [\"m\"]\n";
        _cleanup_(config_freep) Config *c = NULL;
        _cleanup_buffer_ Buffer b = { .max = 8192 };
        unsigned n_remarks = 0;
        int r;

        r = config_parse(text, strlen(text), on_remark, &n_remarks, &c);
        if (r < 0)
                return r;
        RIGHT(n_remarks == 1 && streq(c->name, "mill") && strv_length(c->relays) == 2);
        RIGHT(c->provider.kinds.n_kinds == 1 && streq(c->relay.listen, "127.0.0.1:7000"));

        for (size_t i = 0; config_item_at(i); i++) {
                if (config_item_n_rows(config_item_at(i), c) == 0)
                        continue;
                r = config_item_write(config_item_at(i), c, 0, &b);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int run_config_wrong(void) {
        static const char text[] = "name = 1\nrelays = [2]\n[pow]\nmax_bits = \"x\"\n";
        Config *c = NULL;
        unsigned n_remarks = 0;
        int r;

        r = config_parse(text, strlen(text), on_remark, &n_remarks, &c);
        RIGHT(r < 0 && !c);
        if (r == -ENOMEM)
                return r;
        RIGHT(r == -EBADMSG && n_remarks == 3);
        return 0;
}

static int run_sse(void) {
        static const char stream[] = "id: 7\nevent: x\ndata: 1\ndata: 2\n\n";
        const char *bytes = stream;
        size_t size = strlen(stream);
        const SseEvent *event = NULL;
        _cleanup_sse_ Sse s;
        int r;

        sse_init(&s, 256, 256);
        r = sse_read(&s, &bytes, &size, &event);
        if (r < 0)
                return r;
        RIGHT(r == 1 && streq(event->type, "x") && streq(event->id, "7"));
        RIGHT(streq(event->data, "1\n2"));
        return 0;
}

static int run_event(void) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *json, *reason = NULL;
        size_t size;
        int r;

        json = event_json(request_event, &size);
        r = event_parse(json, size, &e, &reason);
        if (r < 0)
                return r;
        RIGHT(streq(event_id_hex(e), event_id_hex(request_event)));
        return 0;
}

/* What is not well formed stays so, and is never believed for want of memory. */
static int run_event_forged(void) {
        _cleanup_free_ char *json = NULL;
        Event *e = NULL;
        const char *reason = NULL;
        char *at;
        int r;

        json = strdup(event_json(request_event, NULL));
        if (!json)
                return -ENOMEM;
        at = strstr(json, "weather");
        RIGHT(at);
        at[0] = 'W';
        r = event_parse(json, strlen(json), &e, &reason);
        RIGHT(r < 0 && !e);
        if (r == -ENOMEM)
                return r;
        RIGHT(r == -EBADMSG && reason);
        return 0;
}

static int run_draft(void) {
        _cleanup_(draft_freep) Draft *d = NULL, *again = NULL;
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_free_ char *json = NULL;
        const char *reason = NULL;
        uint8_t id[32];
        int r;

        r = order_draft(&d);
        if (r < 0)
                return r;
        r = draft_json(d, &json);
        if (r < 0)
                return r;
        r = draft_parse(json, strlen(json), &again, &reason);
        if (r < 0)
                return r;
        r = draft_id(again, keypair_pubkey(keypair), id);
        if (r < 0)
                return r;
        RIGHT(memcmp(id, event_id(request_event), 32) == 0);
        r = draft_sign(again, keypair, zeros, &e);
        if (r < 0)
                return r;
        RIGHT(memcmp(event_id(e), id, 32) == 0);
        return 0;
}

static int run_filter(void) {
        static const char text[] =
                        "{\"kinds\":[5050,1],\"authors\":[\"f9308a019258c31049344f85f89d5229b531c845836"
                        "f99b08601f113bce036f9\"],\"#t\":[\"b\",\"a\"],\"since\":5,\"limit\":3}";
        _cleanup_(filter_freep) Filter *f = NULL;
        _cleanup_buffer_ Buffer b = { .max = 4096 };
        const char *reason = NULL;
        int r;

        r = filter_parse(text, strlen(text), &f, &reason);
        if (r < 0)
                return r;
        RIGHT(f->n_kinds == 2 && f->n_authors == 1 && f->n_tags == 1 && f->tags[0].n == 2);
        r = filter_write(f, &b);
        if (r < 0)
                return r;
        RIGHT(strstr(b.data, "\"#t\":[\"a\",\"b\"]"));
        return 0;
}

static int run_message_client(void) {
        static const char text[] = "[\"REQ\",\"s\",{\"kinds\":[1]},{\"kinds\":[2]}]";
        const char *reason = NULL;
        Message m;
        int r;

        r = message_parse_from_client(text, strlen(text), &m, &reason);
        if (r < 0)
                return r;
        RIGHT(m.type == MESSAGE_REQ && m.n_filters == 2 && streq(m.subscription, "s"));
        return 0;
}

static int run_message_relay(void) {
        _cleanup_buffer_ Buffer b = { .max = 4096 };
        const char *reason = NULL;
        Message m;
        int r;

        r = message_write_ok(&b, event_id_hex(request_event), true, "fine \"enough\"");
        if (r < 0)
                return r;
        r = message_parse_from_relay(b.data, b.size, &m, &reason);
        if (r < 0)
                return r;
        RIGHT(m.type == MESSAGE_OK && m.accepted && streq(m.text, "fine \"enough\""));
        return 0;
}

static int run_mnemonic(void) {
        _cleanup_(secret_freep) Secret *words = NULL, *seed = NULL;
        _cleanup_(keypair_freep) Keypair *k = NULL;
        const char *reason = NULL;
        unsigned word = 0;
        int r;

        r = mnemonic_parse(mnemonic_text, strlen(mnemonic_text), &words, &word, &reason);
        if (r < 0)
                return r;
        r = mnemonic_seed(words, "", &seed, &reason);
        if (r < 0)
                return r;
        r = nip06_keypair(seed, 0, &k);
        if (r < 0)
                return r;
        RIGHT(keypair_pubkey(k)[0] == 0x17 && keypair_pubkey(k)[1] == 0x16);
        return 0;
}

static int run_nip19(void) {
        Nip19 n = { .type = NIP19_NADDR,
                .author = { 1 },
                .kind = 31990,
                .identifier = (char *) "d",
                .relays = (char *[]){
                                (char *) "wss://a.example", (char *) "wss://b.example", NULL } };
        _cleanup_nip19_ Nip19 again = { 0 };
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;
        int r;

        r = nip19_encode(&n, &text);
        if (r < 0)
                return r;
        r = nip19_decode(text, &again, &reason);
        if (r < 0)
                return r;
        RIGHT(again.kind == 31990 && streq(again.identifier, "d"));
        RIGHT(strv_length(again.relays) == 2);
        return 0;
}

static int run_nip44(void) {
        _cleanup_free_ char *payload = NULL, *text = NULL;
        const char *reason = NULL;
        uint8_t key[32];
        size_t size;
        int r;

        r = nip44_conversation_key(keypair, keypair_pubkey(keypair), key);
        if (r < 0)
                return r;
        r = nip44_encrypt(key, zeros, "hello", 5, &payload);
        if (r < 0)
                return r;
        r = nip44_decrypt(key, payload, strlen(payload), &text, &size, &reason);
        if (r < 0)
                return r;
        RIGHT(size == 5 && streq(text, "hello"));
        return 0;
}

static int wrap_message(Event **ret) {
        static const char *const recipients[] = {
                "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9", NULL
        };
        const WrapChance chance = { .created_at = NOW };
        _cleanup_(event_unrefp) Event *seal = NULL;
        _cleanup_(rumor_unrefp) Rumor *rumor = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = private_message_draft(
                        &(PrivateMessage){ .recipients = recipients, .text = "hello" }, NOW, &d);
        if (r >= 0)
                r = rumor_new(d, keypair_pubkey(keypair), &rumor);
        if (r >= 0)
                r = nip59_seal(rumor, keypair, keypair_pubkey(keypair), &chance, &seal);
        if (r < 0)
                return r;
        return nip59_wrap(seal, keypair, keypair_pubkey(keypair), NULL, &chance, ret);
}

static int run_nip59(void) {
        _cleanup_(event_unrefp) Event *wrap = NULL;
        _cleanup_(rumor_unrefp) Rumor *rumor = NULL;
        const char *reason = NULL;
        PrivateText text;
        int r;

        r = wrap_message(&wrap);
        if (r >= 0)
                r = nip59_open(wrap, keypair, &rumor, &reason);
        if (r < 0)
                return r;
        RIGHT(private_message_read(rumor, &text, &reason) >= 0 && streq(text.text, "hello"));
        return 0;
}

static int run_reply(void) {
        const Answer a = { .to = request_event, .relay = relays[0], .text = "+" };
        _cleanup_(draft_freep) Draft *reply = NULL, *reaction = NULL;
        int r;

        r = reply_draft(&a, NOW, &reply);
        if (r >= 0)
                r = reaction_draft(&a, NOW, &reaction);
        if (r < 0)
                return r;
        RIGHT(draft_kind(reply) == NIP22_COMMENT_KIND && draft_has_tag(reply, "K"));
        RIGHT(draft_kind(reaction) == NIP25_REACT_KIND && draft_has_tag(reaction, "k"));
        return 0;
}

static int run_lists(void) {
        _cleanup_(draft_freep) Draft *follows = NULL;
        _cleanup_relay_list_ RelayList l = { 0 }, again = { 0 };
        _cleanup_(event_unrefp) Event *e = NULL;
        Draft *d = NULL;
        int r;

        r = relay_list_add(&l, relays[0], true, true);
        if (r >= 0)
                r = relay_list_add(&l, relays[1], false, true);
        if (r >= 0)
                r = relay_list_draft(&l, NIP65_KIND, NOW, &d);
        if (r >= 0)
                r = make_event(d, &e);
        if (r >= 0)
                r = relay_list_read(e, &again);
        if (r >= 0)
                r = follow_list_draft(&(Follow){ .pubkey_hex = event_pubkey_hex(e), .on = true },
                                NOW, &follows);
        if (r < 0)
                return r;
        RIGHT(again.n == 2 && again.items[0].read && !again.items[1].read);
        return 0;
}

static int run_nip04(void) {
        _cleanup_free_ char *payload = NULL, *text = NULL;
        size_t size;
        int r;

        r = nip04_encrypt(secret, zeros, "hello", 5, &payload);
        if (r < 0)
                return r;
        r = nip04_decrypt(secret, payload, strlen(payload), &text, &size);
        if (r < 0)
                return r;
        RIGHT(size == 5 && streq(text, "hello"));
        return 0;
}

static int run_nip42(void) {
        const char *reason = NULL;
        int r;

        r = nip42_check(auth_event, relays[0], "challenge", NOW, &reason);
        if (r < 0)
                return r;
        r = nip42_check(auth_event, relays[0], "another", NOW, &reason);
        RIGHT(r < 0);
        return r == -EBADMSG ? 0 : r;
}

static int run_nip89(void) {
        static const uint16_t kinds[] = { 5050, 5970 };
        const Announcement a = { .identifier = "mill",
                .name = "Mill",
                .about = "grinds \"text\"",
                .kinds = kinds,
                .n_kinds = 2,
                .price_msat = 1000,
                .network = "regtest" };
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *json = NULL;
        int r;

        r = nip89_draft(&a, NOW, &d);
        if (r < 0)
                return r;
        r = draft_json(d, &json);
        if (r < 0)
                return r;
        RIGHT(strstr(json, "5970") && strstr(json, "mill"));
        return 0;
}

static int run_request(void) {
        static const char inner[] = "[[\"i\",\"x\",\"text\"],[\"param\",\"a\",\"b\"]]";
        _cleanup_(job_request_freep) JobRequest *request = NULL;
        const char *reason = NULL;
        int r;

        r = job_request_parse(request_event, &request, &reason);
        if (r < 0)
                return r;
        RIGHT(request->n_inputs == 1 && request->n_params == 2 && request->n_relays == 2);
        request->encrypted = true;
        r = job_request_open(request, inner, strlen(inner), &reason);
        if (r < 0)
                return r;
        RIGHT(streq(job_request_param(request, "a"), "b"));
        return 0;
}

static int run_answer(void) {
        _cleanup_(draft_freep) Draft *d = NULL, *cancel = NULL;
        const char *reason = NULL;
        JobAnswer answer;
        int r;

        r = answer_draft(&d);
        if (r < 0)
                return r;
        r = job_cancel_draft(request_event, NOW, &cancel);
        if (r < 0)
                return r;
        r = job_answer_parse(answer_event, &answer, &reason);
        if (r < 0)
                return r;
        RIGHT(answer.content_size == 5 && streq(answer.job_id, event_id_hex(request_event)));
        return job_answer_check(answer_event, request_event, NULL, &reason);
}

static int run_url(void) {
        _cleanup_(url_freep) Url *u = NULL;
        const char *reason = NULL;
        int r;

        r = url_parse("WSS://Relay.Example:443/path?x", &u, &reason);
        if (r < 0)
                return r;
        RIGHT(streq(u->text, "wss://relay.example/path?x"));
        return 0;
}

static const TortureCase cases[] = {
        { "a buffer grows or stays as it was", run_buffer },
        { "a map grows or stays as it was", run_map },
        { "lists of strings", run_strv },
        { "JSON is parsed", run_json },
        { "TOML is parsed", run_toml },
        { "settings are read and written", run_config },
        { "wrong settings are refused", run_config_wrong },
        { "server-sent events", run_sse },
        { "an event is parsed and verified", run_event },
        { "a forged event is refused", run_event_forged },
        { "a draft is written, read and signed", run_draft },
        { "a filter is read and written", run_filter },
        { "a client's message", run_message_client },
        { "a relay's message", run_message_relay },
        { "a mnemonic becomes a key", run_mnemonic },
        { "NIP-19 in both directions", run_nip19 },
        { "NIP-44 in both directions", run_nip44 },
        { "NIP-59: a message is wrapped and opened", run_nip59 },
        { "NIP-10: an answer and a reaction", run_reply },
        { "lists of relays and people", run_lists },
        { "NIP-04 in both directions", run_nip04 },
        { "NIP-42 is checked", run_nip42 },
        { "NIP-89 is announced", run_nip89 },
        { "NIP-90: a request is read and opened", run_request },
        { "NIP-90: answers are written, read and checked", run_answer },
        { "URLs of relays", run_url },
        { 0 },
};

/* The driver. */

/* Of the sanitizer, where it is there. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

/* 1: all of its allocations have failed once. */
static int torture_once(const TortureCase *c, uint64_t n) {
        bool failed;
        int r;

        n_allocated = 0;
        fails_at = n;
        r = c->run();
        failed = n_allocated >= n;
        fails_at = 0;

        if (r != 0 && !(failed && r == -ENOMEM)) {
                (void) printf("# allocation %llu: %s\n", (unsigned long long) n, strerror(-r));
                return r;
        }
        if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() != 0) {
                (void) printf("# allocation %llu: a leak\n", (unsigned long long) n);
                return -ENOTRECOVERABLE;
        }
        return !failed;
}

static bool torture(const TortureCase *c, unsigned number) {
        uint64_t n = 0;
        int r = 0;

        while (r == 0 && ++n <= RUNS_MAX)
                r = torture_once(c, n);
        (void) printf("%s %u - %s (%llu allocations fail %s)\n", r > 0 ? "ok" : "not ok", number,
                        c->name, (unsigned long long) n - 1, stays ? "for good" : "once");
        return r > 0;
}

static unsigned torture_all(const TortureCase *table, const char *only, unsigned *number) {
        unsigned n_bad = 0;

        for (const TortureCase *c = table; c->name; c++)
                if (!only || strstr(c->name, only))
                        n_bad += !torture(c, ++*number);
        return n_bad;
}

int main(int argc, char *argv[]) {
        const char *only = argc > 1 ? argv[1] : NULL;
        unsigned number = 0, n_bad;
        int r;

        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        /* A key lives in pages of its own, where the leak check does not look for pointers. */
        if (__lsan_disable)
                __lsan_disable();
        r = prepare();
        if (__lsan_enable)
                __lsan_enable();
        if (r < 0) {
                (void) printf("Bail out! %s\n", strerror(-r));
                return 1;
        }

        n_bad = torture_all(cases, only, &number);
        stays = true;
        n_bad += torture_all(cases, only, &number);
        stays = false;
        n_bad += torture_all(torture_agents_cases, only, &number);
        n_bad += torture_all(torture_agents_client_cases, only, &number);
        n_bad += torture_all(torture_books_cases, only, &number);
        n_bad += torture_all(torture_bus_cases, only, &number);
        n_bad += torture_all(torture_http_cases, only, &number);
        n_bad += torture_all(torture_market_cases, only, &number);
        n_bad += torture_all(torture_mind_cases, only, &number);
        (void) printf("1..%u\n", number);

        event_unref(request_event);
        event_unref(answer_event);
        event_unref(auth_event);
        keypair_free(keypair);
        return n_bad > 0;
}
