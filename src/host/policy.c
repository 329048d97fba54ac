#include "policy.h"

#include <stdarg.h>
#include <stdio.h>

#include "basic/text.h"
#include "money/bolt11.h"
#include "money/msat.h"
#include "nostr/nip19.h"

/* ---- kinds of actions */

bool policy_is_outward(ActionType t) {
        return B(t) & (B(ACTION_POST) | B(ACTION_REPLY) | B(ACTION_REACT) | B(ACTION_DM) |
                                      B(ACTION_ZAP) | B(ACTION_PAY) | B(ACTION_FOLLOW));
}

bool policy_is_allowed(const AgentSettings *s, ActionType t) {
        return t == ACTION_NOTHING || !s->allow || !*s->allow ||
               strv_contains(s->allow, action_type_name(t));
}

/* ---- quiet hours */

/* "07:30" → 450. What follows is in *end. */
static int parse_minute(const char *s, unsigned *ret, const char **end) {
        for (size_t i = 0; i < 5; i++)
                if (i == 2 ? s[i] != ':' : s[i] < '0' || s[i] > '9')
                        return -EINVAL;
        *ret = (unsigned) (600 * (s[0] - '0') + 60 * (s[1] - '0') + 10 * (s[3] - '0') +
                           (s[4] - '0'));
        *end = s + 5;
        return s[3] < '6' && *ret < 24 * 60 ? 0 : -EINVAL;
}

static bool span_has(const char *span, unsigned minute) {
        unsigned from, to;
        const char *rest;

        if (parse_minute(span, &from, &rest) < 0 || *rest != '-' ||
                        parse_minute(rest + 1, &to, &rest) < 0 || *rest)
                return false;
        return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

bool policy_is_quiet(char *const *hours, unsigned minute) {
        STRV_FOREACH (span, hours)
                if (span_has(*span, minute))
                        return true;
        return false;
}

/* ---- what is refused; each returns true with the reason */

static bool refuse(char *reterr, const char *format, ...) _printf_(2, 3);
static bool refuse(char *reterr, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(reterr, POLICY_REASON_MAX, format, ap);
        va_end(ap);
        return true;
}

static const PolicySeen *find_seen(const PolicyFacts *f, const char *id) {
        for (size_t i = 0; i < f->n_seen; i++)
                if (streq(f->seen[i].id, id))
                        return f->seen + i;
        return NULL;
}

static bool is_owner(const PolicyFacts *f, const char *key_hex) {
        return f->settings->owner_hex && streq(f->settings->owner_hex, key_hex);
}

/* A list of keys as people write them. */
static bool keys_contain(char *const *list, const char *key_hex) {
        char hex[HEX32_MAX];
        const char *reason;
        uint8_t key[32];

        STRV_FOREACH (s, list) {
                if (pubkey_parse(*s, key, &reason) < 0)
                        continue;
                hex_encode(key, sizeof(key), hex);
                if (streq(hex, key_hex))
                        return true;
        }
        return false;
}

static bool is_public_note(const PolicySeen *s) {
        return streq(s->what, "mention") || streq(s->what, "reply") || streq(s->what, "keyword");
}

/* Events come from its observations alone: what a model makes up, or remembers wrongly, would put
 * its words under a stranger's note. */
static bool wrong_event(const PolicyFacts *f, const Action *a, char *reterr) {
        const PolicySeen *s = find_seen(f, a->to);

        if (f->approved) /* it was looked at when it was put to the owner */
                return false;
        if (!s)
                return refuse(reterr, "no such event is among the observations");
        if (a->type != ACTION_ZAP && !is_public_note(s))
                return refuse(reterr, "only notes can be answered; this is a %.16s", s->what);
        return false;
}

static bool wrong_person(const PolicyFacts *f, const char *key_hex, char *reterr) {
        uint8_t key[32];

        if (hex_decode(key_hex, key, sizeof(key)) < 0)
                return refuse(reterr, "nobody can be reached there");
        if (streq(key_hex, f->self_hex))
                return refuse(reterr, "that is the agent itself");
        if (is_owner(f, key_hex) || !f->settings->recipients || !*f->settings->recipients)
                return false;
        if (!keys_contain(f->settings->recipients, key_hex))
                return refuse(reterr, "this recipient is not on the owner's list");
        return false;
}

/* Whoever a zap is for. */
static const char *zap_recipient(const PolicyFacts *f, const Action *a) {
        const PolicySeen *s = a->to_is == ACTION_TO_KEY ? NULL : find_seen(f, a->to);

        return s ? s->author : a->to_is == ACTION_TO_EVENT ? "" : a->to;
}

static bool wrong_target(const PolicyFacts *f, const Action *a, char *reterr) {
        switch (a->type) {
        case ACTION_REPLY:
        case ACTION_REACT:
                return wrong_event(f, a, reterr);
        case ACTION_DM:
                return wrong_person(f, a->to, reterr);
        case ACTION_FOLLOW:
                return streq(a->to, f->self_hex) && refuse(reterr, "that is the agent itself");
        case ACTION_ZAP:
                if (a->to_is == ACTION_TO_EVENT && wrong_event(f, a, reterr))
                        return true;
                return !(f->approved && a->to_is == ACTION_TO_EVENT) &&
                       wrong_person(f, zap_recipient(f, a), reterr);
        case ACTION_POST:
        case ACTION_PAY:
        case ACTION_GOAL_ADD:
        case ACTION_GOAL_UPDATE:
        case ACTION_GOAL_CLOSE:
        case ACTION_REMEMBER:
        case ACTION_FORGET:
        case ACTION_SCHEDULE:
        case ACTION_ASK:
        case ACTION_NOTHING:
        case _ACTION_TYPE_MAX:
                break;
        }
        return false;
}

/* ---- how often */

static uint32_t rate_of(const AgentSettings *s, ActionType t, const char **ret_name) {
        const struct {
                ActionType type;
                uint32_t rate;
                const char *name;
        } rates[] = {
                { ACTION_POST, s->posts_per_day, "posts" },
                { ACTION_REPLY, s->replies_per_day, "replies" },
                { ACTION_REACT, s->reactions_per_day, "reactions" },
                { ACTION_DM, s->messages_per_day, "messages" },
                { ACTION_ASK, s->messages_per_day, "questions" },
                { ACTION_ZAP, s->zaps_per_day, "zaps" },
                { ACTION_PAY, s->payments_per_day, "payments" },
                { ACTION_FOLLOW, s->follows_per_day, "follows" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rates); i++)
                if (rates[i].type == t) {
                        *ret_name = rates[i].name;
                        return rates[i].rate;
                }
        return UINT32_MAX;
}

static bool too_often(const PolicyFacts *f, const Action *a, char *reterr) {
        const char *name = "";
        uint32_t rate = rate_of(f->settings, a->type, &name);

        if (f->settings->autonomy == AUTONOMY_FULL || f->done[a->type] < rate)
                return false;
        return refuse(reterr, "the limit is %u %s a day", rate, name);
}

/* ---- money */

static bool read_invoice(const PolicyFacts *f, const Action *a, PolicyMoney *ret, char *reterr) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *reason = "there is no memory";

        if (bolt11_decode(a->invoice, &b, &reason) < 0)
                return refuse(reterr, "the invoice cannot be paid: %s", reason);
        if (b.network != f->network)
                return refuse(reterr, "the invoice is of another Bitcoin network");
        if (b.amount_msat <= 0)
                return refuse(reterr, "the invoice says no amount");
        if (b.amount_msat > a->msat)
                return refuse(reterr, "the invoice asks for more than max_sats");
        if (bolt11_expires_at(&b) <= f->now)
                return refuse(reterr, "the invoice has expired");
        ret->msat = b.amount_msat;
        hex_encode(b.payee, sizeof(b.payee), ret->payee);
        return false;
}

static bool find_cost(const PolicyFacts *f, const Action *a, PolicyMoney *ret, char *reterr) {
        *ret = (PolicyMoney){ 0 };
        if (a->type == ACTION_PAY)
                return read_invoice(f, a, ret, reterr);
        if (a->type != ACTION_ZAP)
                return false;
        ret->msat = a->msat;
        (void) snprintf(ret->payee, sizeof(ret->payee), "%s", zap_recipient(f, a));
        return false;
}

static bool above(int64_t msat, int64_t limit, const char *what, char *reterr) {
        char text[MSAT_TEXT_MAX];

        if (limit < 0 || msat <= limit)
                return false;
        return refuse(reterr, "the limit of %s is %s", what, msat_text(limit, text));
}

static bool costs_too_much(const PolicyFacts *f, const PolicyMoney *m, char *reterr) {
        const AgentSettings *s = f->settings;
        char *const *payees = s->payees;

        if (m->msat == 0)
                return false;
        if (above(m->msat, s->payment_max_msat, "one payment", reterr) ||
                        above(f->spent_msat + m->msat, s->tick_max_msat, "one tick", reterr) ||
                        above(f->spent_msat + m->msat, s->day_max_msat, "a day", reterr))
                return true;
        if (f->free_msat >= 0 && m->msat > f->free_msat)
                return refuse(reterr, "there is not so much money");
        if (payees && *payees && m->payee[0] && !strv_contains(payees, m->payee) &&
                        !keys_contain(payees, m->payee))
                return refuse(reterr, "this payee is not on the owner's list");
        return false;
}

/* ---- who decides */

/* An invoice says who is paid by a node's key, which tells nobody who it is: without a list of
 * payees a stranger's words could be all there is behind it. */
static bool is_up_to_the_owner(const PolicyFacts *f, const Action *a, const PolicyMoney *m) {
        const AgentSettings *s = f->settings;
        bool listed = s->payees && *s->payees;

        if (m->msat > 0 && s->approve_above_msat >= 0 && m->msat > s->approve_above_msat)
                return true;
        if (a->type == ACTION_DM && is_owner(f, a->to))
                return false;
        switch (s->autonomy) {
        case AUTONOMY_SUPERVISED:
                return policy_is_outward(a->type);
        case AUTONOMY_BOUNDED:
                return a->type == ACTION_PAY && !listed;
        case AUTONOMY_FULL:
        case _AUTONOMY_MAX:
                break;
        }
        return false;
}

/* What it writes is for everybody to read. It never had a key of its own; its owner may have told
 * it one. */
static bool tells_a_secret(const Action *a, char *reterr) {
        _cleanup_nip19_ Nip19 n = { 0 };
        const char *s = a->text, *reason;

        while (policy_is_outward(a->type) && s && (s = strcasestr(s, "nsec1"))) {
                size_t size = 5 + strspn(s + 5, "qpzry9x8gf2tvdw0s3jn54khce6mua7lQPZRY9X8GF2TVDW0S3"
                                                "JN54KHCE6MUA7L");
                _cleanup_free_ char *word = strndup(s, size);

                if (!word || nip19_decode(word, &n, &reason) >= 0)
                        return refuse(reterr, "a secret key is in it");
                s += size;
        }
        return false;
}

static bool out_of_time(const PolicyFacts *f, const Action *a, char *reterr) {
        if (!f->quiet || !policy_is_outward(a->type) ||
                        (a->type == ACTION_DM && is_owner(f, a->to)))
                return false;
        return refuse(reterr, "these are its quiet hours");
}

PolicyVerdict policy_decide(const PolicyFacts *f, const Action *a, PolicyMoney *ret_money,
                char reterr[static POLICY_REASON_MAX]) {
        const AgentSettings *s = f->settings;

        reterr[0] = 0;
        *ret_money = (PolicyMoney){ 0 };
        if (!policy_is_allowed(s, a->type)) {
                (void) refuse(reterr, "\"%s\" is not among the actions it may do",
                                action_type_name(a->type));
                return POLICY_REFUSE;
        }
        if (tells_a_secret(a, reterr) || wrong_target(f, a, reterr) || out_of_time(f, a, reterr) ||
                        too_often(f, a, reterr) || find_cost(f, a, ret_money, reterr) ||
                        costs_too_much(f, ret_money, reterr))
                return POLICY_REFUSE;
        if (policy_is_outward(a->type) && f->n_open >= POLICY_OPEN_MAX) {
                (void) refuse(reterr, "%zu of its actions are still under way", f->n_open);
                return POLICY_REFUSE;
        }
        if (f->dry && a->type != ACTION_NOTHING) {
                (void) refuse(reterr, "dry run");
                return POLICY_REFUSE;
        }
        if (!f->approved && is_up_to_the_owner(f, a, ret_money)) {
                if (f->n_waiting >= POLICY_WAITING_MAX) {
                        (void) refuse(reterr, "%zu actions wait for its owner already",
                                        f->n_waiting);
                        return POLICY_REFUSE;
                }
                (void) refuse(reterr, "its owner has to approve it");
                return POLICY_WAIT;
        }
        return POLICY_GO;
}
