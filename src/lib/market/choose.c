#include "market/choose.h"

#include "basic/text.h"

#define WHOLE         1000 /* a success, a failure */
#define WEIGHT_MAX    (1000 * WHOLE)
#define LONG_HALF     (7 * 24 * 3600) /* seconds, until what happened weighs half */
#define SHORT_HALF    (10 * 60)       /* of trouble */
#define BAN_AT        (5 * WHOLE / 2) /* three failures in a row, not long ago */
#define MEAN_OF       8               /* a mean moves by an eighth */
#define PRICE_MIN     1000            /* of what is free: then time and failures decide */
#define PRICE_BOUND   INT64_C(1000000000)
#define PRICE_UNKNOWN 21000 /* where nothing is said and nothing limits it */
#define TIME_MIN      250   /* msec: below nobody notices a difference */
#define TIME_BOUND    INT64_C(600000)
#define TIME_UNKNOWN  5000

void records_init(Records *r) {
        map_init(&r->by_pubkey, RECORDS_MAX);
}

void records_done(Records *r) {
        Record *one;

        MAP_FOREACH (one, &r->by_pubkey)
                free(one);
        map_done(&r->by_pubkey);
}

const Record *records_get(const Records *r, const char *pubkey_hex) {
        return map_get_string(&r->by_pubkey, pubkey_hex);
}

/* Halved at every half-life, on a straight line in between. */
static int64_t faded(int64_t weight, int64_t age, int64_t half) {
        int64_t halvings = age > 0 ? age / half : 0, rest = age > 0 ? age % half : 0;

        if (halvings >= 32)
                return 0;
        weight >>= halvings;
        return weight - weight * rest / (2 * half);
}

static int64_t mean(int64_t so_far, int64_t value, int64_t most) {
        value = MIN(value, most);
        if (value < 0)
                return so_far;
        return so_far < 0 ? value : so_far + (value - so_far) / MEAN_OF;
}

static Record *record_of(Records *r, const char *pubkey_hex) {
        Record *one = map_get_string(&r->by_pubkey, pubkey_hex);

        if (one || strlen(pubkey_hex) != HEX32_MAX - 1)
                return one;
        one = new0(Record, 1);
        if (!one)
                return NULL;
        *one = (Record){ .took_msec = -1, .cost_msat = -1 };
        memcpy(one->pubkey_hex, pubkey_hex, HEX32_MAX);
        if (map_put_string(&r->by_pubkey, one->pubkey_hex, one) < 0)
                return mfree(one);
        return one;
}

int records_note(Records *r, const RecordNote *n) {
        Record *one = record_of(r, n->pubkey_hex);
        int64_t age;

        if (!one)
                return -ENOBUFS;
        age = one->at > 0 ? n->at - one->at : 0;
        one->good = faded(one->good, age, LONG_HALF);
        one->bad = faded(one->bad, age, LONG_HALF);
        one->trouble = n->good ? 0 : faded(one->trouble, age, SHORT_HALF);
        one->at = MAX(one->at, n->at);
        if (n->good) {
                one->good = MIN(one->good + WHOLE, WEIGHT_MAX);
                one->took_msec = mean(one->took_msec, n->took_msec, TIME_BOUND);
                one->cost_msat = mean(one->cost_msat, n->cost_msat, PRICE_BOUND);
                one->proven = true;
        } else {
                one->bad = MIN(one->bad + WHOLE, WEIGHT_MAX);
                one->trouble = MIN(one->trouble + WHOLE, WEIGHT_MAX);
        }
        return 0;
}

static int64_t trouble_now(const Record *r, int64_t now) {
        return faded(r->trouble, now - r->at, SHORT_HALF);
}

bool record_is_banned(const Record *r, int64_t now) {
        return r && trouble_now(r, now) >= BAN_AT;
}

/* ---- choosing */

static bool is_in(const char *const *list, const char *pubkey_hex) {
        for (; list && *list; list++)
                if (streq(*list, pubkey_hex))
                        return true;
        return false;
}

static bool has_model(const Offer *o, const char *model) {
        return isempty(model) || !o->models || strv_contains(o->models, model);
}

/* Who names no network means the one with money in it, as everybody did before there was a tag. */
static bool is_here(const Offer *o, Network network) {
        return o->network[0] ? streq(o->network, network_name(network))
                             : network == NETWORK_MAINNET;
}

/* Why not, or NULL. */
static const char *fault_of(const Offer *o, const Records *records, const Wishes *w) {
        bool listed = w->allowed && *w->allowed;

        if (listed && !is_in(w->allowed, o->pubkey_hex))
                return "none of the providers that are allowed sells this";
        if (!listed && !is_here(o, w->network))
                return "nobody sells this on this Bitcoin network";
        if (!has_model(o, w->model))
                return "nobody sells this model";
        if (w->max_msat >= 0 && o->price_msat > w->max_msat)
                return "everybody asks for more than may be paid";
        if (is_in(w->tried, o->pubkey_hex))
                return "nobody else sells this";
        if (record_is_banned(records_get(records, o->pubkey_hex), w->now))
                return "everybody who sells this has failed several times lately";
        return NULL;
}

static int64_t price_of(const Offer *o, const Record *r, const Wishes *w) {
        int64_t price = o->price_msat;

        if (r && r->cost_msat > price)
                price = r->cost_msat; /* it was announced "from" that on */
        if (price < 0)
                price = w->max_msat >= 0 ? w->max_msat : PRICE_UNKNOWN;
        return MIN(MAX(price, (int64_t) PRICE_MIN), PRICE_BOUND);
}

/* At most 10^9 × 6·10^5 × 10^4, which fits. */
static uint64_t score(const Offer *o, const Record *r, const Wishes *w) {
        int64_t time = r && r->took_msec >= 0 ? r->took_msec : TIME_UNKNOWN;
        int64_t good = WHOLE, bad = WHOLE;

        if (r) {
                good += faded(r->good, w->now - r->at, LONG_HALF);
                bad += faded(r->bad, w->now - r->at, LONG_HALF) + trouble_now(r, w->now);
        }
        return (uint64_t) price_of(o, r, w) *
               (uint64_t) MIN(MAX(time, (int64_t) TIME_MIN), TIME_BOUND) *
               (uint64_t) MIN(10 * (good + bad) / good, INT64_C(10000));
}

static const Offer *best(const Offer *offers, size_t n, const Records *records, const Wishes *w,
                bool proven, const char **ret_reason) {
        const Offer *chosen = NULL;
        uint64_t least = UINT64_MAX;

        for (const Offer *o = offers; o < offers + n; o++) {
                const Record *r = records_get(records, o->pubkey_hex);
                const char *fault = fault_of(o, records, w);
                uint64_t s;

                if (fault)
                        *ret_reason = fault;
                if (fault || (proven && !(r && r->proven)))
                        continue;
                s = score(o, r, w);
                if (s < least)
                        chosen = o;
                least = MIN(least, s);
        }
        return chosen;
}

const Offer *choose(const Offer *offers, size_t n, const Records *records, const Wishes *w,
                const char **ret_reason) {
        const Offer *chosen = NULL;

        *ret_reason = "nobody sells this";
        if (w->again)
                chosen = best(offers, n, records, w, true, ret_reason);
        return chosen ?: best(offers, n, records, w, false, ret_reason);
}
