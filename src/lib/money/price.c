/* Amounts here are plain msat: a price list is arithmetic, and its result becomes money elsewhere.
 */
#include "money/price.h"

#define KILO 1000

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

/* A star that did not fit is tried one character later: only the last one can be worth it. */
bool price_model_fits(const char *pattern, const char *model) {
        const char *star = NULL, *retry = NULL;

        while (*model)
                if (*pattern == '*') {
                        star = ++pattern;
                        retry = model;
                } else if (*pattern == '?' || (*pattern && lower(*pattern) == lower(*model))) {
                        pattern++;
                        model++;
                } else if (star) {
                        pattern = star;
                        model = ++retry;
                } else
                        return false;
        while (*pattern == '*')
                pattern++;
        return *pattern == '\0';
}

const ConfigPrice *price_find(const PriceList *l, uint16_t kind, const char *model) {
        for (const ConfigPrice *p = l->rows; p < l->rows + l->n_rows; p++)
                if ((p->kind == 0 || p->kind == kind) &&
                                (isempty(p->model) || price_model_fits(p->model, model ?: "")))
                        return p;
        return NULL;
}

/* ret += ceil(rate * amount / per). */
static int add_part(int64_t rate, int64_t amount, int64_t per, int64_t *ret) {
        __int128 sum;

        if (rate < 0 || amount < 0)
                return -EINVAL;
        sum = ((__int128) rate * amount + per - 1) / per + *ret;
        if (sum > PRICE_MAX)
                return -EOVERFLOW;
        *ret = (int64_t) sum;
        return 0;
}

static int add_parts(const ConfigPrice *p, const PriceFacts *f, int64_t *ret) {
        int64_t duration = (int64_t) MIN(f->duration, (usec_t) INT64_MAX);
        int64_t cpu = (int64_t) MIN(f->cpu, (usec_t) INT64_MAX);

        return add_part(p->base_msats, 1, 1, ret)
                               ?: add_part(p->per_ktoken_in_msats, f->tokens_in, KILO, ret)
                               ?: add_part(p->per_ktoken_out_msats, f->tokens_out, KILO, ret)
                               ?: add_part(p->per_kbyte_msats, f->bytes, KILO, ret)
                               ?: add_part(p->per_second_msats, duration, (int64_t) SEC, ret)
                               ?: add_part(p->per_cpu_second_msats, cpu, (int64_t) SEC, ret);
}

static int round_up(int64_t unit, int64_t *msat) {
        int64_t rest = unit > 1 ? *msat % unit : 0;

        return rest > 0 ? add_part(unit - rest, 1, 1, msat) : 0;
}

static int list_price(const PriceList *l, const PriceFacts *f, PriceQuote *ret) {
        const ConfigPrice *p = price_find(l, f->kind, f->model);
        int r;

        *ret = (PriceQuote){ .row = p };
        if (!p)
                ret->msat = l->base_msat;
        else {
                r = add_parts(p, f, &ret->msat);
                if (r < 0)
                        return r;
                ret->msat = MAX(ret->msat, p->minimum_msats >= 0 ? p->minimum_msats : l->base_msat);
        }
        return round_up(f->unit_msat, &ret->msat);
}

/* Whole units only: a bid between two of them buys the lower one. */
static int64_t bid_in_units(const PriceFacts *f, int64_t most) {
        int64_t bid = most > 0 ? MIN(f->bid_msat, most) : f->bid_msat;

        return f->unit_msat > 1 ? bid - bid % f->unit_msat : bid;
}

int price_quote(const PriceList *l, const PriceFacts *facts, PriceQuote *ret) {
        PriceQuote q;
        BidRule rule;
        int r;

        r = list_price(l, facts, &q);
        if (r < 0)
                return r;

        rule = q.row ? q.row->bid : BID_REQUIRE;
        if (facts->bid_msat >= 0 && q.msat > 0) {
                if (rule != BID_ACCEPT)
                        q.too_cheap = facts->bid_msat < q.msat;
                if (rule == BID_TAKE && !q.too_cheap)
                        q.msat = MAX(q.msat, bid_in_units(facts, q.row->maximum_msats));
        }
        if (q.msat > PRICE_MAX)
                return -EOVERFLOW;
        *ret = q;
        return 0;
}
