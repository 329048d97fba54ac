#include "admission.h"

#include "nostr/nip13.h"

static bool serves_kind(const Limits *l, uint16_t kind) {
        for (size_t i = 0; i < l->n_kinds; i++)
                if (l->kinds[i] == kind)
                        return true;
        return false;
}

/* What is not our business: nobody hears of it. */
static Verdict is_our_business(const JobRequest *r, const Limits *l) {
        if (!serves_kind(l, event_kind(r->event)))
                return VERDICT_UNSUPPORTED_KIND;
        if (!job_request_is_for(r, l->pubkey_hex))
                return VERDICT_NOT_FOR_US;
        return VERDICT_ACCEPTED;
}

static bool is_in(const KeySet *s, const JobRequest *r) {
        return s && keyset_has(s, event_pubkey(r->event));
}

bool admission_is_agent(const JobRequest *r, const Limits *l) {
        return is_in(l->agents, r);
}

/* Who is not served at all hears nothing: it would not help him. */
static Verdict is_he_welcome(const JobRequest *r, const Limits *l) {
        if (is_in(l->deny, r))
                return VERDICT_DENIED;
        if (l->known || admission_is_agent(r, l))
                return VERDICT_ACCEPTED;
        if (l->allow && l->allow->n > 0 && !is_in(l->allow, r))
                return VERDICT_DENIED;
        if (l->trusted && !is_in(l->trusted, r))
                return VERDICT_NOT_TRUSTED;
        if (l->min_pow > 0 && !nip13_event_has_work(r->event, l->min_pow))
                return VERDICT_NO_POW;
        return VERDICT_ACCEPTED;
}

static Verdict is_its_time(const JobRequest *r, const Limits *l, int64_t now) {
        int64_t at = event_created_at(r->event);

        if (event_expiration(r->event) <= now)
                return VERDICT_EXPIRED;
        if (l->age_max < INT64_MAX && at < now - l->age_max)
                return VERDICT_STALE;
        if (at > now + FUTURE_MAX)
                return VERDICT_FROM_THE_FUTURE;
        return VERDICT_ACCEPTED;
}

static Verdict is_there_room(const JobRequest *r, const Limits *l) {
        size_t size;

        (void) event_json(r->event, &size);
        if (size > REQUEST_SIZE_MAX)
                return VERDICT_TOO_LARGE;
        if (l->known)
                return VERDICT_ACCEPTED;
        if (!l->open)
                return VERDICT_OFFLINE;
        if (!admission_is_agent(r, l)) {
                if (l->n_of_customer >= l->per_customer_max ||
                                l->bytes_of_customer + size > l->per_customer_bytes_max)
                        return VERDICT_OVER_QUOTA;
                if (l->n_unpaid >= l->unpaid_max)
                        return VERDICT_QUEUE_FULL;
        }
        if (l->n_queued >= l->queue_max)
                return VERDICT_QUEUE_FULL;
        return VERDICT_ACCEPTED;
}

static Verdict is_it_worth_it(const JobRequest *r, const Limits *l) {
        if (l->price_msat == 0 || l->known)
                return VERDICT_ACCEPTED;
        if (!l->wallet)
                return VERDICT_NO_WALLET;
        if (!l->any_bid && r->bid_msat >= 0 && r->bid_msat < l->price_msat)
                return VERDICT_TOO_CHEAP;
        return VERDICT_ACCEPTED;
}

Verdict admission(const JobRequest *r, const Limits *l, int64_t now) {
        Verdict v;

        v = is_our_business(r, l);
        if (v == VERDICT_ACCEPTED)
                v = is_he_welcome(r, l);
        if (v == VERDICT_ACCEPTED)
                v = is_its_time(r, l, now);
        if (v == VERDICT_ACCEPTED)
                v = is_there_room(r, l);
        if (v == VERDICT_ACCEPTED && r->encrypted && !r->opened)
                return VERDICT_SEALED;
        if (v == VERDICT_ACCEPTED)
                v = is_it_worth_it(r, l);
        return v;
}
