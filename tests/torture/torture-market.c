/* Buying while memory runs out: offers, encrypted orders and answers, and what is remembered. */
#include "tests/torture/torture.h"

#include "basic/text.h"
#include "market/choose.h"
#include "nostr/nip90.h"
#include "nostr/tag-list.h"

#define KEY "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
#define NOW INT64_C(1760000000)

static const char announcement[] =
                "{\"id\":\"" KEY "\",\"pubkey\":\"" KEY
                "\",\"created_at\":1,\"kind\":31990,\"tags\":"
                "[[\"k\",\"5050\"],[\"price\",\"1000\",\"per-request\"],[\"network\",\"regtest\"]],"
                "\"content\":\"{\\\"encryptionSupported\\\":true,\\\"nip90Params\\\":{\\\"model\\\":"
                "{\\\"values\\\":[\\\"one\\\",\\\"two\\\"]}}}\",\"sig\":\"" KEY KEY "\"}";

static int run_offer(void) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason;
        bool right;
        Offer o;
        int r;

        r = event_parse_trusted(announcement, strlen(announcement), &e, &reason);
        if (r >= 0)
                r = nip89_offer_read(e, 5050, &o, &reason);
        if (r < 0)
                return r;
        right = o.encryption && strv_length(o.models) == 2 && o.price_msat == 1000;
        nip89_offer_done(&o);
        RIGHT(right);
        return 0;
}

static int run_encrypted(void) {
        static const char inner[] = "[[\"status\",\"error\",\"no\"],[\"content\",\"x\"]]";
        static const char *const params[] = { "model", "one" };
        const JobOrder order = { .kind = 5050,
                .input = "what is the weather",
                .input_type = "text",
                .params = params,
                .n_params = 1,
                .provider = KEY,
                .bid_msat = -1,
                .encrypted = true };
        JobAnswer a = { .feedback = true, .encrypted = true };
        _cleanup_(tag_list_freep) TagList *tags = NULL;
        _cleanup_(draft_freep) Draft *d = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = job_order_sealed_text(&order, &text);
        if (r >= 0)
                r = job_order_draft(&order, NOW, &d);
        if (r >= 0)
                r = job_answer_open(&a, inner, strlen(inner), &tags);
        if (r < 0)
                return r;
        RIGHT(strstr(text, "weather") && !draft_has_tag(d, "i"));
        RIGHT(a.status == JOB_STATUS_ERROR && streq(a.text, "no") && streq(a.content, "x"));
        return 0;
}

/* Who cannot be remembered stays unknown, and the choice goes on. */
static int run_choice(void) {
        const Wishes w = { .network = NETWORK_REGTEST, .now = NOW, .model = "", .max_msat = -1 };
        Offer o = { .pubkey_hex = KEY, .price_msat = 1000, .network = "regtest" };
        const char *reason;
        const Offer *chosen;
        Records records;
        int r;

        records_init(&records);
        r = records_note(&records, &(RecordNote){ KEY, true, NOW, 100, 1000 });
        chosen = choose(&o, 1, &records, &w, &reason);
        r = r == -ENOBUFS && !records_get(&records, KEY) ? -ENOMEM : r;
        records_done(&records);
        RIGHT(chosen == &o);
        return r;
}

const TortureCase torture_market_cases[] = {
        { "an offer is read", run_offer },
        { "what is encrypted is written and read", run_encrypted },
        { "whom to buy from", run_choice },
        { 0 },
};
