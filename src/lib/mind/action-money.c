/* Money: a zap, an invoice to pay. Whether there is any, and may be spent, the host decides. */
#include "basic/text.h"
#include "mind/action-private.h"
#include "money/bolt11.h"
#include "money/msat.h"

#define MSAT_PER_SAT 1000
#define WRONG_SATS   "its sats are no whole number from 1 to 21000000"

/* An invoice that says no amount could cost anything. */
static int check_pay(Action *a, const char **reterr) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        int r;

        r = bolt11_decode(a->invoice, &b, reterr);
        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        if (b.amount_msat <= 0) {
                *reterr = "the invoice says no amount";
                return -EBADMSG;
        }
        if (a->msat < 0 && b.amount_msat <= ACTION_SATS_MAX * MSAT_PER_SAT)
                a->msat = (b.amount_msat + MSAT_PER_SAT - 1) / MSAT_PER_SAT * MSAT_PER_SAT;
        if (b.amount_msat > a->msat) {
                *reterr = "the invoice asks for more than \"max_sats\"";
                return -EBADMSG;
        }
        return 0;
}

static int describe_zap(const Action *a, Buffer *b) {
        char amount[MSAT_TEXT_MAX];
        int r;

        r = buffer_addf(b, _("Zap %s to "), msat_text(a->msat, amount));
        if (r >= 0)
                r = describe_to(b, a);
        if (r < 0 || !a->text)
                return r;
        r = buffer_add_string(b, ": ");
        return r < 0 ? r : describe_quote(b, a->text);
}

static int describe_pay(const Action *a, Buffer *b) {
        _cleanup_bolt11_ Bolt11 i = { 0 };
        char amount[MSAT_TEXT_MAX];
        const char *reason;
        int r;

        r = bolt11_decode(a->invoice, &i, &reason);
        if (r >= 0)
                r = buffer_addf(b, _("Pay an invoice of %s"), msat_text(i.amount_msat, amount));
        if (r >= 0 && !isempty(i.description)) {
                r = buffer_add_string(b, ": ");
                if (r >= 0)
                        r = describe_quote(b, i.description);
        }
        return r;
}

/* clang-format off */
const ActionClass action_zap = {
        .name = "zap",
        .help = "gives sats to somebody; \"to\" is an npub or the id of an observation",
        .fields = {
                { "to", FIELD_EITHER, 0, true, 0, 0, "\"NPUB or ID\"", "\"to\" is neither a key nor the id of an event" },
                { "sats", FIELD_SATS, offsetof(Action, msat), true, 1, ACTION_SATS_MAX, "N", WRONG_SATS },
                { "comment", FIELD_LINE, offsetof(Action, text), false, 0, ACTION_COMMENT_MAX, "\"…\"",
                  "its comment is empty, too long, or not one line" },
        },
        .describe = describe_zap,
};

const ActionClass action_pay = {
        .name = "pay",
        .help = "pays a Lightning invoice that says an amount",
        .fields = {
                { "invoice", FIELD_INVOICE, offsetof(Action, invoice), true, 0, 0, "\"lnbc…\"", "\"invoice\" is no Lightning invoice" },
                { "max_sats", FIELD_SATS, offsetof(Action, msat), false, 1, ACTION_SATS_MAX, "N",
                  "its max_sats are no whole number from 1 to 21000000" },
        },
        .check = check_pay,
        .describe = describe_pay,
};
/* clang-format on */
