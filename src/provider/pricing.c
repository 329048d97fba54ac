#include "pricing.h"

#define CUSTOMERS_MAX  65536 /* with free jobs today */
#define DEFAULTERS_MAX 4096
#define DAY            (24 * 3600)
#define TOKEN_BYTES    4    /* of text, roughly */
#define TOKENS_OUT     1024 /* where the request does not say how many at most */
#define TOKENS_MAX     INT64_C(1000000000)
#define KIND_TEXT      5050 /* text generation */

typedef struct FreeJobs {
        char pubkey_hex[65];
        uint32_t n;
} FreeJobs;

void pricing_init(Pricing *p) {
        map_init(&p->free_today, CUSTOMERS_MAX);
        map_init(&p->defaulters, DEFAULTERS_MAX);
}

/* The keys are in the values: the map is not asked any more. */
static void drop_all(Map *m) {
        FreeJobs *f;

        MAP_FOREACH (f, m)
                free(f);
        map_done(m);
}

void pricing_done(Pricing *p) {
        drop_all(&p->free_today);
        drop_all(&p->defaulters);
}

bool pricing_has_wallet(const Config *c) {
        return c->enable_payments && !streq(config_wallet_driver(c), "none");
}

/* Wallets that count whole sats. */
static int64_t unit_of(const Config *c) {
        const char *driver = config_wallet_driver(c);

        return streq(driver, "phoenixd") || streq(driver, "lnbits") ? 1000 : 1;
}

static int64_t input_size(const JobRequest *r) {
        int64_t size = 0;

        for (size_t i = 0; i < r->n_inputs; i++)
                size += (int64_t) strlen(r->inputs[i].data);
        return size > 0 ? size : (int64_t) strlen(event_content(r->event, NULL));
}

static int64_t tokens_out_at_most(const JobRequest *r) {
        const char *text = job_request_param(r, "max_tokens");
        int64_t n = 0;

        for (const char *p = text ?: ""; *p >= '0' && *p <= '9' && n < TOKENS_MAX; p++)
                n = 10 * n + (*p - '0');
        return n > 0 ? n : TOKENS_OUT;
}

static PriceFacts facts_of(const Config *c, const JobRequest *r, const WorkFacts *work) {
        int64_t size = input_size(r);
        PriceFacts f = {
                .kind = event_kind(r->event),
                .model = job_request_param(r, "model") ?: "",
                .tokens_in = (size + TOKEN_BYTES - 1) / TOKEN_BYTES,
                .tokens_out = tokens_out_at_most(r),
                .bytes = size,
                .bid_msat = r->bid_msat,
                .unit_msat = unit_of(c),
        };

        if (work) {
                f.tokens_in = work->tokens_in >= 0 ? work->tokens_in : f.tokens_in;
                f.tokens_out = work->tokens_out >= 0 ? work->tokens_out : f.tokens_out;
                f.duration = work->duration;
                f.cpu = work->cpu;
        }
        return f;
}

static bool has_free_job(
                const Pricing *p, const ConfigPrice *row, const char *pubkey_hex, int64_t now) {
        const FreeJobs *f = map_get_string(&p->free_today, pubkey_hex);

        if (!row || row->free_per_day == 0)
                return false;
        return !f || p->day < pricing_day(now) || f->n < row->free_per_day;
}

JobPrice pricing_quote(const Pricing *p, const Config *c, const JobRequest *r, int64_t now,
                const WorkFacts *work) {
        const PriceList list = {
                .rows = c->prices.rows,
                .n_rows = c->prices.n_rows,
                .base_msat = MAX(c->min_price_msats, INT64_C(1)),
        };
        const PriceFacts f = facts_of(c, r, work);
        PriceQuote q;

        if (!c->require_payment)
                return (JobPrice){ 0 };
        if (price_quote(&list, &f, &q) < 0) /* so much that nobody has it */
                return (JobPrice){ .msat = PRICE_MAX };
        return (JobPrice){
                .msat = q.msat,
                .any_bid = q.row && q.row->bid == BID_ACCEPT,
                .free_once = q.msat > 0 && has_free_job(p, q.row, event_pubkey_hex(r->event), now),
                .after = q.row && q.row->pay_after &&
                         !pricing_is_defaulter(p, event_pubkey_hex(r->event)),
        };
}

int64_t pricing_from(const Config *c, uint16_t kind) {
        const PriceList list = {
                .rows = c->prices.rows,
                .n_rows = c->prices.n_rows,
                .base_msat = MAX(c->min_price_msats, INT64_C(1)),
        };
        const PriceFacts f = {
                .kind = kind,
                .model = "",
                .bid_msat = -1,
                .unit_msat = unit_of(c),
        };
        PriceQuote q;

        if (!c->require_payment)
                return 0;
        return price_quote(&list, &f, &q) < 0 ? PRICE_MAX : q.msat;
}

int64_t pricing_text(const Config *c, const char *model, int64_t bytes, int64_t max_tokens) {
        const PriceList list = {
                .rows = c->prices.rows,
                .n_rows = c->prices.n_rows,
                .base_msat = MAX(c->min_price_msats, INT64_C(1)),
        };
        const PriceFacts f = {
                .kind = KIND_TEXT,
                .model = model,
                .tokens_in = (bytes + TOKEN_BYTES - 1) / TOKEN_BYTES,
                .tokens_out = max_tokens > 0 ? MIN(max_tokens, TOKENS_MAX) : TOKENS_OUT,
                .bytes = bytes,
                .bid_msat = -1,
                .unit_msat = 1,
        };
        PriceQuote q;

        if (!c->require_payment)
                return 0;
        return price_quote(&list, &f, &q) < 0 ? PRICE_MAX : q.msat;
}

static int count_of(Map *m, const char *pubkey_hex, FreeJobs **ret) {
        FreeJobs *f = map_get_string(m, pubkey_hex);
        int r;

        if (!f) {
                f = new0(FreeJobs, 1);
                if (!f)
                        return -ENOMEM;
                (void) strncpy(f->pubkey_hex, pubkey_hex, sizeof(f->pubkey_hex) - 1);
                r = map_put_string(m, f->pubkey_hex, f);
                if (r < 0) {
                        free(f);
                        return r;
                }
        }
        *ret = f;
        return 0;
}

int64_t pricing_day(int64_t now) {
        return now / DAY;
}

/* A clock that is set back gives nobody another day. */
static void begin_day(Pricing *p, int64_t now) {
        if (p->day >= pricing_day(now))
                return;
        drop_all(&p->free_today);
        map_init(&p->free_today, CUSTOMERS_MAX);
        p->day = pricing_day(now);
}

int pricing_use_free(Pricing *p, const char *pubkey_hex, int64_t now) {
        FreeJobs *f;
        int r;

        begin_day(p, now);
        r = count_of(&p->free_today, pubkey_hex, &f);
        if (r >= 0)
                f->n++;
        return r;
}

int pricing_recall_free(Pricing *p, const char *pubkey_hex, int64_t n, int64_t now) {
        FreeJobs *f;
        int r;

        begin_day(p, now);
        r = count_of(&p->free_today, pubkey_hex, &f);
        if (r >= 0)
                f->n = (uint32_t) MIN(MAX(n, (int64_t) f->n), (int64_t) UINT32_MAX);
        return r;
}

/* Where too many have done it, the others are lucky. */
void pricing_note_default(Pricing *p, const char *pubkey_hex) {
        FreeJobs *f;

        (void) count_of(&p->defaulters, pubkey_hex, &f);
}

bool pricing_is_defaulter(const Pricing *p, const char *pubkey_hex) {
        return map_get_string(&p->defaulters, pubkey_hex);
}
