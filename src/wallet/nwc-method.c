/* What the clients of the NIP-47 service may ask for. They see the account they were connected to,
 * and spend through the grant that is their connection. */
#include <stdio.h>

#include "basic/text.h"
#include "money/msat.h"
#include "nwc-private.h"

#define EXPIRY_MAX (30 * 24 * 3600)
#define LIST_MAX   20 /* a page must fit into what relays take */
#define HASH_TEXT  0
#define PROOF_TEXT 1
#define ABOUT_TEXT 2

/* ---- who we are, what there is */

static void answer_info(NwcRequest *r) {
        const Wallet *w = r->service->wallet;
        Nip47Response p = {
                .alias = w->config->name,
                .pubkey = r->service->pubkey,
                .network = network_name(w->config->network),
                .methods = B(NIP47_MAKE_INVOICE) | B(NIP47_LOOKUP_INVOICE) | B(NIP47_GET_BALANCE) |
                           B(NIP47_LIST_TRANSACTIONS) | B(NIP47_GET_INFO),
                .notifies = true,
        };

        if (r->pays)
                p.methods |= B(NIP47_PAY_INVOICE);
        nwc_answer(r, &p);
}

static void on_balances(
                int error, const char *reason, const BooksBalance *rows, size_t n, void *userdata) {
        NwcRequest *r = userdata;
        Nip47Response p = { 0 };

        if (error < 0) {
                nwc_refuse(r, NIP47_INTERNAL, reason);
                return;
        }
        for (size_t i = 0; i < n; i++)
                if (streq(rows[i].account, r->account))
                        p.balance = MAX(rows[i].balance_msat - rows[i].reserved_msat, INT64_C(0));
        nwc_answer(r, &p);
}

/* ---- receiving */

static void on_made(int error, const char *reason, const Invoice *i, void *userdata) {
        NwcRequest *r = userdata;
        Nip47Response p = { 0 };

        r->making = NULL;
        if (error < 0) {
                nwc_refuse(r, NIP47_INTERNAL, reason);
                return;
        }
        p.transaction = (Nip47Transaction){
                .state = NIP47_STATE_PENDING,
                .invoice = i->bolt11,
                .description = r->ask.description,
                .description_hash = r->ask.description_hash,
                .payment_hash = i->hash,
                .amount = i->amount_msat,
                .created_at = nwc_now(r->service),
                .expires_at = i->expires_at,
        };
        nwc_answer(r, &p);
}

static const char *invoice_fault(const NwcRequest *r) {
        const Nip47Request *q = &r->ask;
        int64_t unit = r->service->wallet->class->caps.unit_msat;

        if (q->amount > MSAT_MAX || (unit > 1 && q->amount % unit != 0))
                return "an invoice cannot be about this amount";
        if (q->description &&
                        (strlen(q->description) > BOLT11_DESCRIPTION_MAX ||
                                        !utf8_is_valid(q->description, strlen(q->description))))
                return "the description is too long";
        if (q->expiry > EXPIRY_MAX)
                return "an invoice lives for 30 days at most";
        return NULL;
}

static void make_invoice(NwcRequest *r) {
        const char *fault = invoice_fault(r);
        uint8_t hash[32];
        InvoiceOrder order = {
                .account = r->account,
                .job = "",
                .stage = "",
                .description = r->ask.description ?: "",
                .amount_msat = r->ask.amount,
                .expiry_s = (uint32_t) (r->ask.expiry ?: BOLT11_EXPIRY_DEFAULT),
        };

        if (fault) {
                nwc_refuse(r, NIP47_BAD_REQUEST, fault);
                return;
        }
        if (r->ask.description_hash && hex_decode(r->ask.description_hash, hash, 32) >= 0)
                order.description_hash = hash;
        if (invoice_make(r->service->wallet, &order, on_made, r, &r->making) < 0)
                nwc_refuse(r, NIP47_INTERNAL, "the wallet cannot be asked");
}

/* ---- looking up: an invoice of this account, else a payment from it */

static void on_intent(
                int error, const char *reason, const BooksIntent *rows, size_t n, void *userdata) {
        NwcRequest *r = userdata;
        Nip47Response p = { 0 };

        if (error < 0)
                nwc_refuse(r, NIP47_INTERNAL, reason);
        else if (n == 0 || !streq(rows->account, r->account))
                nwc_refuse(r, NIP47_NOT_FOUND, "there is no such invoice or payment");
        else {
                nwc_of_intent(rows, &p.transaction);
                nwc_answer(r, &p);
        }
}

static void on_invoice(
                int error, const char *reason, const BooksInvoice *rows, size_t n, void *userdata) {
        NwcRequest *r = userdata;
        Nip47Response p = { 0 };

        if (error < 0)
                nwc_refuse(r, NIP47_INTERNAL, reason);
        else if (n > 0 && streq(rows->account, r->account)) {
                nwc_of_invoice(rows, &p.transaction);
                nwc_answer(r, &p);
        } else if (books_get_intent(r->service->wallet->books, r->hash, on_intent, r, &r->call) < 0)
                nwc_refuse(r, NIP47_INTERNAL, "the books cannot be asked");
}

/* What it pays for comes from the invoice itself. */
static int take_hash(NwcRequest *r) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        const char *reason;

        if (r->ask.payment_hash) {
                (void) snprintf(r->hash, sizeof(r->hash), "%s", r->ask.payment_hash);
                return 0;
        }
        if (bolt11_decode(r->ask.invoice, &b, &reason) < 0)
                return -EINVAL;
        hex_encode(b.payment_hash, 32, r->hash);
        return 0;
}

static void lookup_invoice(NwcRequest *r) {
        if (take_hash(r) < 0)
                nwc_refuse(r, NIP47_BAD_REQUEST, "the invoice is none");
        else if (books_get_invoice(r->service->wallet->books, r->hash, on_invoice, r, &r->call) < 0)
                nwc_refuse(r, NIP47_INTERNAL, "the books cannot be asked");
}

/* ---- paying */

static void answer_paid(NwcRequest *r, const char *preimage, int64_t fee_msat) {
        Nip47Response p = { .preimage = preimage, .fees_paid = fee_msat };

        nwc_answer(r, &p);
}

/* A payment of this invoice that was there before. It is this client's own if it went through his
 * connection: then this is its answer. */
static void on_joined(
                int error, const char *reason, const BooksIntent *rows, size_t n, void *userdata) {
        NwcRequest *r = userdata;

        if (error < 0)
                nwc_refuse(r, NIP47_INTERNAL, reason);
        else if (n == 0 || !streq(rows->grant, r->grant))
                nwc_refuse(r, NIP47_OTHER,
                                "this invoice has been paid, or is being paid, by another");
        else if (streq(rows->state, "settled"))
                answer_paid(r, rows->preimage, rows->fee_msat);
        else if (streq(rows->state, "failed"))
                nwc_refuse(r, NIP47_PAYMENT_FAILED, rows->reason);
        else
                nwc_refuse(r, NIP47_OTHER, "there is already a payment pending for this invoice");
}

static Nip47Error refusal_code(int error) {
        switch (-error) {
        case EDQUOT:
                return NIP47_QUOTA_EXCEEDED;
        case ENOBUFS:
                return NIP47_INSUFFICIENT_BALANCE;
        case EACCES:
        case EBUSY:
                return NIP47_RESTRICTED;
        case EINVAL:
        case ENETUNREACH:
                return NIP47_BAD_REQUEST;
        case ETIME:
                return NIP47_EXPIRED;
        default:
                return NIP47_OTHER;
        }
}

static void on_over(Payment *p, void *userdata) {
        NwcRequest *r = userdata;

        r->payment = NULL;
        if (p->flow.state == PAYMENT_SETTLED)
                answer_paid(r, p->preimage, p->fee_msat);
        else if (p->flow.state == PAYMENT_REFUSED)
                nwc_refuse(r, refusal_code(p->flow.error), p->reason);
        else if (p->flow.state == PAYMENT_FAILED)
                nwc_refuse(r, NIP47_PAYMENT_FAILED, p->reason);
        else if (books_get_intent(r->service->wallet->books, p->id, on_joined, r, &r->call) < 0)
                nwc_refuse(r, NIP47_INTERNAL, "the books cannot be asked");
}

/* The event's id is the payment's: the same request, delivered again after whatever, is the same
 * payment. Nobody is told that it failed only because it takes long. */
static void pay_invoice(NwcRequest *r) {
        char id[BOOKS_NAME_MAX + 1];
        PaymentOrder order = {
                .id = id,
                .account = r->account,
                .destination = r->ask.invoice,
                .grant = r->grant,
                .purpose = "nwc",
                .amount_msat = r->ask.amount,
                .fee_max_msat = -1,
        };

        if (!r->pays) {
                nwc_refuse(r, NIP47_RESTRICTED, "this connection has no budget");
                return;
        }
        if (take_hash(r) < 0) { /* an address would let a stranger's server choose */
                nwc_refuse(r, NIP47_BAD_REQUEST, "the invoice is none");
                return;
        }
        (void) snprintf(id, sizeof(id), "nwc:%s", event_id_hex(r->event));
        if (payment_new(r->service->wallet, &order, &r->payment) < 0) {
                r->payment = NULL;
                nwc_refuse(r, NIP47_RATE_LIMITED, "too many payments are under way");
                return;
        }
        if (payment_wait(r->payment, on_over, r) < 0) {
                r->payment = NULL;
                nwc_refuse(r, NIP47_OTHER, "the payment is being made");
        }
}

/* ---- the list */

static void list_next(NwcRequest *r);

static void list_keep(NwcRequest *r, const Nip47Transaction *t) {
        Nip47Transaction *row = r->rows + r->n_rows;
        char(*text)[BOOKS_TEXT_MAX + 1] = r->texts[r->n_rows];
        int64_t amount = row->amount;

        (void) snprintf(text[HASH_TEXT], sizeof(text[0]), "%s", t->payment_hash ?: "");
        (void) snprintf(text[PROOF_TEXT], sizeof(text[0]), "%s", t->preimage ?: "");
        (void) snprintf(text[ABOUT_TEXT], sizeof(text[0]), "%s", t->description ?: "");
        *row = *t;
        row->amount = t->outgoing ? t->amount : amount;
        row->invoice = NULL; /* of a page they would be too much for relays */
        row->payment_hash = text[HASH_TEXT];
        row->preimage = *text[PROOF_TEXT] ? text[PROOF_TEXT] : NULL;
        row->description = *text[ABOUT_TEXT] ? text[ABOUT_TEXT] : NULL;
        r->n_rows++;
}

static void list_drop(NwcRequest *r) {
        size_t last = LIST_MAX - 1;

        memmove(r->rows + r->n_rows, r->rows + r->n_rows + 1,
                        (last - r->n_rows) * sizeof(*r->rows));
        memmove(r->texts + r->n_rows, r->texts + r->n_rows + 1,
                        (last - r->n_rows) * sizeof(*r->texts));
        r->rows[last] = (Nip47Transaction){ 0 };
}

static void on_list_invoice(int error, _unused_ const char *reason, const BooksInvoice *rows,
                size_t n, void *userdata) {
        NwcRequest *r = userdata;
        Nip47Transaction t;

        if (error >= 0 && n > 0) {
                nwc_of_invoice(rows, &t);
                list_keep(r, &t);
        } else
                list_drop(r);
        list_next(r);
}

static void on_list_intent(int error, _unused_ const char *reason, const BooksIntent *rows,
                size_t n, void *userdata) {
        NwcRequest *r = userdata;
        Nip47Transaction t;

        if (error >= 0 && n > 0) {
                nwc_of_intent(rows, &t);
                list_keep(r, &t);
        } else
                list_drop(r);
        list_next(r);
}

/* One row after the other is looked up: the ledger has their sums and names only. */
static void list_next(NwcRequest *r) {
        BooksClient *books = r->service->wallet->books;
        Nip47Response p = { .transactions = r->rows, .n_transactions = r->n_rows };
        const char *ref = r->n_rows < LIST_MAX ? r->texts[r->n_rows][HASH_TEXT] : "";
        int k;

        if (r->n_rows == LIST_MAX || r->rows[r->n_rows].created_at == 0) {
                nwc_answer(r, &p);
                return;
        }
        if (r->rows[r->n_rows].outgoing)
                k = books_get_intent(books, ref, on_list_intent, r, &r->call);
        else
                k = books_get_invoice(books, ref, on_list_invoice, r, &r->call);
        if (k < 0)
                nwc_refuse(r, NIP47_INTERNAL, "the books cannot be asked");
}

static bool is_wanted(const NwcRequest *r, const BooksLine *l) {
        const Nip47Request *q = &r->ask;
        bool in = streq(l->kind, "invoice"), out = streq(l->kind, "payment");

        return ((in && !q->only_outgoing) || (out && !q->only_incoming)) &&
               (q->from == 0 || l->booked_at >= q->from) &&
               (q->until == 0 || l->booked_at <= q->until);
}

static void on_lines(
                int error, const char *reason, const BooksLine *lines, size_t n, void *userdata) {
        NwcRequest *r = userdata;
        int64_t limit = MIN(r->ask.limit ?: LIST_MAX, (int64_t) LIST_MAX), skip = r->ask.offset;
        size_t k = 0;

        if (error < 0) {
                nwc_refuse(r, NIP47_INTERNAL, reason);
                return;
        }
        for (size_t i = 0; i < n && k < (size_t) limit; i++) {
                if (!is_wanted(r, &lines[i]) || skip-- > 0)
                        continue;
                r->rows[k] = (Nip47Transaction){
                        .outgoing = streq(lines[i].kind, "payment"),
                        .amount = lines[i].msat < 0 ? -lines[i].msat : lines[i].msat,
                        .created_at = MAX(lines[i].booked_at, INT64_C(1)),
                };
                (void) snprintf(r->texts[k++][HASH_TEXT], sizeof(r->texts[0][0]), "%s",
                                lines[i].ref);
        }
        list_next(r);
}

static void list_transactions(NwcRequest *r) {
        r->rows = new0(Nip47Transaction, LIST_MAX);
        r->texts = calloc(LIST_MAX, sizeof(*r->texts));
        if (!r->rows || !r->texts)
                nwc_refuse(r, NIP47_INTERNAL, "there is no memory");
        else if (books_history(r->service->wallet->books, r->account, 0, 500, on_lines, r,
                                 &r->call) < 0)
                nwc_refuse(r, NIP47_INTERNAL, "the books cannot be asked");
}

void nwc_method(NwcRequest *r) {
        Wallet *w = r->service->wallet;
        const char *name;

        if (wallet_trouble(w, &name)) {
                nwc_refuse(r, NIP47_INTERNAL, "the wallet is not ready");
                return;
        }
        switch (r->ask.method) {
        case NIP47_GET_INFO:
                answer_info(r);
                break;
        case NIP47_GET_BALANCE:
                if (books_balances(w->books, on_balances, r, &r->call) < 0)
                        nwc_refuse(r, NIP47_INTERNAL, "the books cannot be asked");
                break;
        case NIP47_MAKE_INVOICE:
                make_invoice(r);
                break;
        case NIP47_LOOKUP_INVOICE:
                lookup_invoice(r);
                break;
        case NIP47_PAY_INVOICE:
                pay_invoice(r);
                break;
        case NIP47_LIST_TRANSACTIONS:
                list_transactions(r);
                break;
        case NIP47_GET_BUDGET:
        case _NIP47_METHOD_MAX:
                nwc_refuse(r, NIP47_NOT_IMPLEMENTED, "its method is not known here");
                break;
        }
}
