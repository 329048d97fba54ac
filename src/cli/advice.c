#include "advice.h"

/* What each verdict means to the owner, and what he could change. */
/* clang-format off */
static const struct {
        const char *verdict, *meaning, *change;
        bool by_kind;
} rows[] = {
        { "accepted",         N_("became jobs"), NULL, false },
        { "not-for-us",       N_("named other providers"), NULL, false },
        { "unsupported-kind", N_("asked for work that nothing here does"),
          N_("Add a backend that does it, or a [[kind]]; `pylon compute` shows what is there."), true },
        { "denied",           N_("came from keys that are not served"),
          N_("Take the keys out of `deny`, or add them to `allow`."), false },
        { "not-trusted",      N_("came from keys that nobody you trust follows"),
          N_("Set `trust = \"any\"`, or follow them."), false },
        { "no-pow",           N_("carried too little proof of work"),
          N_("Lower `min_pow`."), false },
        { "duplicate",        N_("were known already"), NULL, false },
        { "stale",            N_("were too old when they arrived"),
          N_("Raise `accept_age`, or look whether relays are slow (`pylon relay list`)."), false },
        { "from-the-future",  N_("were dated in the future"),
          N_("Check this machine's clock: `timedatectl`."), false },
        { "expired",          N_("had expired when they arrived"), NULL, false },
        { "offline",          N_("came while the provider went offline"),
          N_("`pylon provider online` takes jobs again."), false },
        { "unreadable",       N_("could not be opened or understood"), NULL, false },
        { "bad-input",        N_("had an input that this work cannot use"), NULL, false },
        { "too-large",        N_("were too large"), NULL, false },
        { "too-hard",         N_("asked for more than is accepted"),
          N_("Raise the limit of the backend; for proof of work that is `max_bits` in [pow]."), true },
        { "too-cheap",        N_("bid less than your price"), NULL, true },
        { "no-wallet",        N_("would have paid, and there is no wallet"),
          N_("Connect a wallet, or set `require_payment = false`."), false },
        { "no-backend",       N_("came while no backend that does it was running"),
          N_("Start the backend; `pylon compute` shows what is missing."), true },
        { "unknown-model",    N_("asked for a model that is not here"),
          N_("Install the model, or give it an alias or a fallback in [[backend]]."), true },
        { "over-quota",       N_("came from customers with too many open jobs"),
          N_("Raise `per_customer_max` or `per_customer_size`."), false },
        { "too-fast",         N_("came from customers who asked too often"),
          N_("Raise `per_customer_rate`."), false },
        { "queue-full",       N_("came while the queue was full"),
          N_("Raise `queue_max` or `max_concurrent_jobs`, or add a backend."), false },
        { "trouble",          N_("were lost to a problem here"),
          N_("`pylon doctor` looks for it; the log says more."), false },
};
/* clang-format on */

static size_t row_of(const char *verdict) {
        size_t i = 0;

        while (i < ELEMENTSOF(rows) && !streq(rows[i].verdict, verdict))
                i++;
        return i;
}

const char *advice_meaning(const char *verdict) {
        size_t i = row_of(verdict);

        return i < ELEMENTSOF(rows) ? _(rows[i].meaning) : verdict;
}

const char *advice_change(const char *verdict) {
        size_t i = row_of(verdict);

        return i < ELEMENTSOF(rows) && rows[i].change ? _(rows[i].change) : NULL;
}

static uint64_t bids_from(const WhyReport *r, uint16_t kind, uint32_t percent) {
        uint64_t n = 0;

        for (size_t i = 0; i < r->n_bids; i++)
                if (r->bids[i].kind == kind && r->bids[i].percent >= percent)
                        n += r->bids[i].n;
        return n;
}

/* The lower price that would have earned the most with those who bid. */
static void find_price(const WhyReport *r, Advice *a) {
        uint64_t best = 0;

        for (uint32_t percent = 90; percent >= 10; percent -= 10) {
                uint64_t n = bids_from(r, a->kind, percent);

                if (n * percent <= best)
                        continue;
                best = n * percent;
                a->percent = percent;
                a->n = n;
        }
        a->price_msats =
                        r->price_msats / 100 * a->percent + r->price_msats % 100 * a->percent / 100;
}

static Advice *place_for(Advice *list, size_t *n, const char *verdict, uint16_t kind) {
        for (size_t i = 0; i < *n; i++)
                if (streq(list[i].verdict, verdict) && list[i].kind == kind)
                        return &list[i];
        if (*n == ADVICE_MAX)
                return NULL;
        list[*n] = (Advice){ .verdict = verdict, .kind = kind };
        return &list[(*n)++];
}

static int by_number(const void *a, const void *b) {
        const Advice *x = a, *y = b;

        return x->n < y->n ? 1 : x->n > y->n ? -1 : 0;
}

size_t advice_make(const WhyReport *r, Advice ret[static ADVICE_MAX]) {
        size_t n = 0;

        for (size_t i = 0; i < r->n_lines; i++) {
                const WhyLine *l = &r->lines[i];
                size_t row = row_of(l->verdict);
                bool cheap = streq(l->verdict, "too-cheap");
                Advice *a;

                if (row == ELEMENTSOF(rows) || (!rows[row].change && !cheap))
                        continue;
                a = place_for(ret, &n, rows[row].verdict, rows[row].by_kind ? l->kind : 0);
                if (a)
                        a->n += l->n;
        }
        for (size_t i = 0; i < n; i++)
                if (streq(ret[i].verdict, "too-cheap"))
                        find_price(r, &ret[i]);
        qsort(ret, n, sizeof(*ret), by_number);
        return n;
}
