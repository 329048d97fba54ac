/* The books as one, and what moves money without an invoice, see books.h. */
#include "books.h"

#include <stdio.h>

int books_new(Sql *db, Books **ret) {
        _cleanup_(books_freep) Books *b = NULL;
        int r;

        b = new0(Books, 1);
        if (!b)
                return -ENOMEM;

        r = ledger_new(db, &b->ledger);
        if (r >= 0)
                r = job_money_new(b->ledger, &b->money);
        if (r >= 0)
                r = invoice_table_new(b->ledger, b->money, &b->invoices);
        if (r >= 0)
                r = grant_table_new(b->ledger, &b->grants);
        if (r >= 0)
                r = payment_table_new(b->ledger, b->money, b->invoices, b->grants, &b->payments);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(b);
        return 0;
}

Books *books_free(Books *b) {
        if (!b)
                return NULL;

        b->payments = payment_table_free(b->payments);
        b->grants = grant_table_free(b->grants);
        b->invoices = invoice_table_free(b->invoices);
        b->money = job_money_free(b->money);
        b->ledger = ledger_free(b->ledger);
        outcome_done(&b->outcome);
        return mfree(b);
}

static const char *words_fault(const Transfer *x) {
        if (isempty(x->id) || !is_short(x->id, LEDGER_NAME_MAX))
                return "it has an id of 1 to 128 bytes";
        if (!is_short(x->text, LEDGER_TEXT_MAX))
                return "its text is too long";
        return NULL;
}

/* Ours, or what is outside. */
static bool may_hold(const char *account) {
        return account_kind(account) == ACCOUNT_MINE || streq(account, ACCOUNT_OUTSIDE);
}

int book_transfer(Books *b, const Transfer *x, Outcome *ret) {
        const char *fault = words_fault(x);
        LedgerAccount a;
        int r;

        if (!fault && (!may_hold(x->from) || !may_hold(x->to)))
                fault = "between these accounts nothing is transferred";
        if (!fault && streq(x->from, x->to))
                fault = "from and to are the same account";
        if (!fault && (x->msat < 1 || x->msat > LEDGER_MSAT_MAX))
                fault = "its amount is out of range";
        if (fault)
                return outcome_say(ret, -EINVAL, fault);

        r = ledger_has(b->ledger, "transfer", x->id);
        if (r != 0)
                return r < 0 ? r : outcome_say(ret, 1, "");
        r = ledger_account(b->ledger, x->from, &a);
        if (r < 0)
                return r;
        if (a.frozen)
                return outcome_say(ret, -EBUSY, "the account is frozen until a person looks at it");
        if (x->msat > a.available && !streq(x->from, ACCOUNT_OUTSIDE))
                return outcome_say(ret, -ENOBUFS, "the account has not so much");

        r = ledger_book(b->ledger, "transfer", x->id, x->text,
                        &(LedgerMove){ x->from, x->to, x->msat }, 1);
        if (r >= 0 && startswith(x->from, ACCOUNT_AGENT) && streq(x->to, ACCOUNT_PROVIDER))
                r = job_money_sold(b->money, x->id, x->msat);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

int book_deposit(Books *b, const Transfer *x, Outcome *ret) {
        const char *fault = words_fault(x);
        char wallet[80];
        int r;

        (void) snprintf(wallet, sizeof(wallet), ACCOUNT_WALLET "%.40s", x->from);
        if (!fault && (!is_short(x->from, 32) || account_kind(wallet) == ACCOUNT_UNKNOWN))
                fault = "its driver is none";
        if (!fault && !may_hold(x->to))
                fault = "into this account nothing is put";
        if (!fault && (x->msat == 0 || x->msat > LEDGER_MSAT_MAX || x->msat < -LEDGER_MSAT_MAX))
                fault = "its amount is out of range";
        if (fault)
                return outcome_say(ret, -EINVAL, fault);

        r = ledger_has(b->ledger, "deposit", x->id);
        if (r != 0)
                return r < 0 ? r : outcome_say(ret, 1, "");
        r = ledger_fits(b->ledger, wallet, x->msat);
        if (r <= 0)
                return r < 0 ? r : outcome_say(ret, -EINVAL, "that is more money than there is");

        r = ledger_book(b->ledger, "deposit", x->id, x->text,
                        x->msat > 0 ? &(LedgerMove){ wallet, x->to, x->msat }
                                    : &(LedgerMove){ x->to, wallet, -x->msat },
                        1);
        return r < 0 ? r : outcome_say(ret, 0, "");
}

int book_unfreeze(Books *b, const char *account, Outcome *ret) {
        LedgerAccount a;
        int r;

        r = ledger_account(b->ledger, account, &a);
        if (r < 0)
                return r;
        if (!a.frozen)
                return outcome_say(ret, 1, "");
        r = ledger_freeze(b->ledger, account, "");
        return r < 0 ? r : outcome_say(ret, 0, "");
}
