/* pylon wallet invoice|pay|transfer|resolve|approve|reject. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "money/bolt11.h"
#include "money/msat.h"
#include "out.h"
#include "qr.h"
#include "text.h"
#include "verb.h"
#include "wallet.h"

#define PAY_TIMEOUT    (90 * SEC)
#define EXPIRY_DEFAULT 3600
#define ID_MAX         64

/* ---- invoice */

static int print_invoice(const Cli *cli, sd_bus_message *m, int64_t msat) {
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *hash, *bolt11;
        int64_t expires_at;

        if (sd_bus_message_read(m, "ssx", &hash, &bolt11, &expires_at) < 0)
                return call_unreadable(cli);
        if (!cli->args.json) {
                qr_print_invoice(stdout, bolt11);
                (void) printf("%s\n", bolt11);
                return EXIT_SUCCESS;
        }
        out_object(&o, NULL);
        out_text(&o, "payment_hash", hash);
        out_text(&o, "bolt11", bolt11);
        out_number(&o, "amount_msats", msat);
        out_number(&o, "expires_at", expires_at);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

int verb_wallet_invoice(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        const char *text = cli->args.rest[0] && cli->args.rest[1] ? cli->args.rest[1] : "";
        usec_t expiry = cli->args.expiry > 0 ? cli->args.expiry : EXPIRY_DEFAULT * SEC;
        CallError error;
        int64_t msat;
        int r;

        r = wallet_amount(cli, cli->args.rest[0], &msat);
        if (r == EXIT_SUCCESS)
                r = cli_check_text(cli, text);
        if (r == EXIT_SUCCESS)
                r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "CreateInvoice", &reply, &error, "sxsu", wallet_account(cli), msat,
                            text, (uint32_t) MIN(expiry / SEC, (usec_t) UINT32_MAX)) < 0)
                return call_fail(cli, &error);
        return print_invoice(cli, reply, msat);
}

/* ---- pay */

typedef struct Payment {
        const char *destination;
        int64_t msat, fee_max_msat;
        char id[ID_MAX];
} Payment;

/* What a person is asked; of an invoice it is what the invoice says. */
static int confirm_payment(const Cli *cli, Payment *p) {
        _cleanup_bolt11_ Bolt11 b = { 0 };
        _cleanup_free_ char *what = NULL;
        char amount[TEXT_MAX], fee[TEXT_MAX];
        const char *reason = "";
        int64_t msat = p->msat;

        what = strdup(p->destination);
        if (bolt11_decode(p->destination, &b, &reason) >= 0) {
                msat = b.amount_msat ?: msat;
                free(what);
                what = strdup(b.description ?: _("an invoice without a description"));
        }
        if (!what)
                return cli_out_of_memory(cli);
        text_msats(msat, amount);
        if (p->fee_max_msat < 0)
                return wallet_confirm(cli, _("Pay %s from \"%s\" for \"%s\"?"), amount,
                                wallet_account(cli), printable(what));
        text_msats(p->fee_max_msat, fee);
        return wallet_confirm(cli, _("Pay %s and a fee of at most %s from \"%s\" for \"%s\"?"),
                        amount, fee, wallet_account(cli), printable(what));
}

static int read_payment(const Cli *cli, Payment *p) {
        uint8_t chance[16];
        int r = EXIT_SUCCESS;

        *p = (Payment){ .destination = cli->args.rest[0], .fee_max_msat = -1 };
        if (cli->args.n_rest > 1)
                r = wallet_amount(cli, cli->args.rest[1], &p->msat);
        if (r == EXIT_SUCCESS && cli->args.max_fee)
                r = wallet_amount(cli, cli->args.max_fee, &p->fee_max_msat);
        if (r == EXIT_SUCCESS)
                r = cli_check_text(cli, p->destination);
        if (r == EXIT_SUCCESS && cli->args.comment)
                r = cli_check_text(cli, cli->args.comment);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.id) {
                (void) snprintf(p->id, sizeof(p->id), "%s", cli->args.id);
                return EXIT_SUCCESS;
        }
        if (crypt_setup() < 0 || crypt_random(chance, sizeof(chance)) < 0)
                return cli_fail(cli, "Failed", "%s", _("There is no chance to be had."));
        hex_encode(chance, sizeof(chance), p->id);
        return EXIT_SUCCESS;
}

static int append_options(sd_bus_message *m, const Cli *cli) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && cli->args.comment)
                r = sd_bus_message_append(m, "{sv}", "comment", "s", cli->args.comment);
        if (r >= 0 && cli->args.grant)
                r = sd_bus_message_append(m, "{sv}", "grant", "s", cli->args.grant);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int send_payment(const Cli *cli, const Payment *p, sd_bus_message **ret, CallError *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        int r;

        r = remote_open(cli, "wallet", &wallet, error);
        if (r < 0)
                return r;
        r = remote_message(&wallet, "Pay", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sssxx", p->id, wallet_account(cli), p->destination,
                                p->msat, p->fee_max_msat);
        if (r >= 0)
                r = append_options(m, cli);
        if (r < 0) {
                error->name = "NoMemory";
                (void) snprintf(error->message, sizeof(error->message), "%s", strerror(-r));
                return r;
        }
        return remote_send(&wallet, m, PAY_TIMEOUT, ret, error);
}

static int print_payment(const Cli *cli, const Payment *p, sd_bus_message *m) {
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *state, *hash, *preimage, *reason;
        char fee_text[TEXT_MAX];
        int64_t fee;
        int r = EXIT_SUCCESS;

        if (sd_bus_message_read(m, "sssxs", &state, &hash, &preimage, &fee, &reason) < 0)
                return call_unreadable(cli);
        if (streq(state, "failed"))
                return cli_fail(cli, "PaymentFailed", _("The payment failed: %s."), reason);
        if (!streq(state, "settled"))
                r = error_exit_code("PaymentUnknown");
        text_msats(fee, fee_text);
        if (!cli->args.json && r == EXIT_SUCCESS)
                cli_say(cli, _("Paid, with a fee of %s.\n"), fee_text);
        else if (!cli->args.json)
                return cli_fail(cli, "PaymentUnknown",
                                _("What became of payment %s is not known yet (%s)."), p->id,
                                state);
        if (!cli->args.json)
                return EXIT_SUCCESS;
        out_object(&o, NULL);
        out_text(&o, "id", p->id);
        out_text(&o, "state", state);
        out_text(&o, "payment_hash", *hash ? hash : NULL);
        out_text(&o, "preimage", *preimage ? preimage : NULL);
        out_number(&o, "fee_msats", fee);
        out_text(&o, "reason", *reason ? reason : NULL);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : r;
}

int verb_wallet_pay(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CallError error;
        Payment p;
        int r;

        r = read_payment(cli, &p);
        if (r == EXIT_SUCCESS)
                r = confirm_payment(cli, &p);
        if (r != EXIT_SUCCESS)
                return r;
        if (send_payment(cli, &p, &reply, &error) < 0)
                return call_fail(cli, &error);
        return print_payment(cli, &p, reply);
}

/* ---- transfer */

int verb_wallet_transfer(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        const char *from = cli->args.rest[1], *to = cli->args.rest[2];
        char amount[TEXT_MAX], id[ID_MAX];
        uint8_t chance[16];
        CallError error;
        int64_t msat;
        int r;

        r = wallet_amount(cli, cli->args.rest[0], &msat);
        if (r != EXIT_SUCCESS)
                return r;
        text_msats(msat, amount);
        r = wallet_confirm(cli, _("Move %s from \"%s\" to \"%s\"?"), amount, from, to);
        if (r == EXIT_SUCCESS)
                r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (crypt_setup() < 0 || crypt_random(chance, sizeof(chance)) < 0)
                return cli_fail(cli, "Failed", "%s", _("There is no chance to be had."));
        hex_encode(chance, sizeof(chance), id);
        if (remote_call(&wallet, "Transfer", &reply, &error, "sssxs", cli->args.id ?: id, from, to,
                            msat, cli->args.comment ?: "") < 0)
                return call_fail(cli, &error);
        return wallet_done(cli, _("It is moved."));
}

/* ---- what a person decides */

int verb_wallet_resolve(Cli *cli) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        bool settled = cli->args.settled;
        CallError error;
        int r;

        if (settled == cli->args.failed)
                return cli_fail(cli, "Usage", "%s", _("Say how it ended: --settled or --failed."));
        r = wallet_confirm(cli,
                        settled ? _("Book the payment %s as settled, for good?")
                                : _("Free the money reserved for %s? If it was paid after all, the books are wrong."),
                        cli->args.rest[0]);
        if (r == EXIT_SUCCESS)
                r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "Resolve", &reply, &error, "sss", cli->args.rest[0],
                            settled ? "settled" : "failed", cli->args.comment ?: "") < 0)
                return call_fail(cli, &error);
        return wallet_done(cli, _("It is written down."));
}

static int decide(Cli *cli, bool yes) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_(remote_done) Remote wallet = { 0 };
        CallError error;
        int r;

        r = yes ? wallet_confirm(cli, _("Let the payment %s go?"), cli->args.rest[0])
                : EXIT_SUCCESS;
        if (r == EXIT_SUCCESS)
                r = wallet_open(cli, &wallet);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&wallet, "Approve", &reply, &error, "sbs", cli->args.rest[0], (int) yes,
                            cli->args.comment ?: "") < 0)
                return call_fail(cli, &error);
        return wallet_done(cli, yes ? _("It goes.") : _("It does not go."));
}

int verb_wallet_approve(Cli *cli) {
        return decide(cli, true);
}

int verb_wallet_reject(Cli *cli) {
        return decide(cli, false);
}
