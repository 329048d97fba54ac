#include "verdict.h"

/* A provider that answered to everything which is not its business would be a nuisance: several
 * hear every request. */
/* clang-format off */
static const struct {
        const char *name, *text;
        bool silent;
} verdicts[_VERDICT_MAX] = {
        [VERDICT_ACCEPTED]         = { "accepted",         N_("The job was accepted."), true },
        [VERDICT_SEALED]           = { "sealed",           N_("The request is encrypted."), true },
        [VERDICT_NOT_FOR_US]       = { "not-for-us",       N_("The request names other providers."), true },
        [VERDICT_UNSUPPORTED_KIND] = { "unsupported-kind", N_("This provider does not do this kind of work."), true },
        [VERDICT_DENIED]           = { "denied",           N_("This provider does not serve this key."), true },
        [VERDICT_NOT_TRUSTED]      = { "not-trusted",      N_("This provider serves only whom it trusts."), true },
        [VERDICT_NO_POW]           = { "no-pow",           N_("The request carries less proof of work than this provider asks for."), false },
        [VERDICT_DUPLICATE]        = { "duplicate",        N_("The request is known already."), true },
        [VERDICT_STALE]            = { "stale",            N_("The request is too old."), true },
        [VERDICT_FROM_THE_FUTURE]  = { "from-the-future",  N_("The request's time lies in the future; please check your clock."), false },
        [VERDICT_EXPIRED]          = { "expired",          N_("The request has expired."), true },
        [VERDICT_OFFLINE]          = { "offline",          N_("This provider is going offline and takes no new jobs."), false },
        [VERDICT_UNREADABLE]       = { "unreadable",       N_("The encrypted request could not be read."), false },
        [VERDICT_BAD_INPUT]        = { "bad-input",        N_("The request's input is not what this kind of work needs."), false },
        [VERDICT_TOO_LARGE]        = { "too-large",        N_("The request is larger than this provider accepts."), false },
        [VERDICT_TOO_HARD]         = { "too-hard",         N_("The job is harder than this provider accepts."), false },
        [VERDICT_TOO_CHEAP]        = { "too-cheap",        N_("The bid is below this provider's price."), false },
        [VERDICT_NO_WALLET]        = { "no-wallet",        N_("This provider wants to be paid and has no wallet yet."), false },
        [VERDICT_NO_BACKEND]       = { "no-backend",       N_("Nothing that does this work is running here at the moment."), true },
        [VERDICT_UNKNOWN_MODEL]    = { "unknown-model",    N_("This provider does not have the model that was asked for."), true },
        [VERDICT_OVER_QUOTA]       = { "over-quota",       N_("You have too many open jobs here; please wait until one is done."), false },
        [VERDICT_TOO_FAST]         = { "too-fast",         N_("You ask more often than this provider allows; please wait a moment."), false },
        [VERDICT_QUEUE_FULL]       = { "queue-full",       N_("This provider's queue is full; please try again later."), false },
        [VERDICT_TROUBLE]          = { "trouble",          N_("This provider has a problem of its own; please try again later."), false },
};
/* clang-format on */

const char *verdict_name(Verdict v) {
        return verdicts[v].name;
}

const char *verdict_text(Verdict v) {
        return _(verdicts[v].text);
}

bool verdict_is_silent(Verdict v) {
        return verdicts[v].silent;
}
