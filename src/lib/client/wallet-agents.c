/* What the host asks of the wallet for its agents: grants, transfers, accounts, addresses; and what
 * a zap is worth. */
#include "bus/names.h"
#include "bus/text.h"
#include "client/wallet-private.h"

static void on_done(_unused_ sd_bus_message *m, int error, const char *name, const char *reason,
                void *userdata) {
        WalletCall call = wallet_call_end(userdata);

        if (call.done.done)
                call.done.done(error < 0 ? wallet_error(error, name) : 0, error < 0 ? reason : NULL,
                                call.userdata);
}

static int done_call(WalletClient *c, sd_bus_message *m, wallet_done_t done, void *userdata,
                WalletCall **ret) {
        WalletCall *call;
        int r;

        r = wallet_call_new(c, NULL, userdata, &call);
        if (r < 0)
                return r;
        call->done.done = done;
        return wallet_call_send(call, m, on_done, ret);
}

int wallet_set_grant(WalletClient *c, const char *name, const char *account, const char *json,
                wallet_done_t done, void *userdata, WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        if (!bus_text_is_fit(json))
                return -EILSEQ;
        r = bus_client_message(wallet_client_bus(c), BUS_WALLET, "SetGrant", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sss", name, account, json);
        return r < 0 ? r : done_call(c, m, done, userdata, ret);
}

int wallet_revoke_grant(WalletClient *c, const char *name, wallet_done_t done, void *userdata,
                WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(wallet_client_bus(c), BUS_WALLET, "RevokeGrant", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        return r < 0 ? r : done_call(c, m, done, userdata, ret);
}

int wallet_begin_tick(WalletClient *c, const char *grant, const char *tick, wallet_done_t done,
                void *userdata, WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(wallet_client_bus(c), BUS_WALLET_SERVICE, "BeginTick", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", grant, tick);
        return r < 0 ? r : done_call(c, m, done, userdata, ret);
}

int wallet_transfer(WalletClient *c, const WalletTransfer *t, wallet_done_t done, void *userdata,
                WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(wallet_client_bus(c), BUS_WALLET, "Transfer", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sssxs", t->id, t->from, t->to, t->msat,
                                bus_text_or(t->text ?: "", ""));
        return r < 0 ? r : done_call(c, m, done, userdata, ret);
}

static int read_accounts(sd_bus_message *m, WalletAccount *rows, size_t max, size_t *ret_n) {
        size_t n = 0;
        int r, frozen;

        r = sd_bus_message_enter_container(m, 'a', "(sxxb)");
        while (r >= 0 && n < max) {
                WalletAccount *a = rows + n;

                r = sd_bus_message_read(m, "(sxxb)", &a->account, &a->balance_msat,
                                &a->reserved_msat, &frozen);
                if (r <= 0)
                        break;
                a->frozen = frozen;
                n++;
        }
        *ret_n = n;
        return MIN(r, 0);
}

static void on_accounts(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_free_ WalletAccount *rows = NULL;
        WalletCall call = wallet_call_end(userdata);
        size_t n = 0;

        if (error < 0)
                error = wallet_error(error, name);
        else {
                rows = new0(WalletAccount, WALLET_JOBS_MAX);
                error = rows ? read_accounts(m, rows, WALLET_JOBS_MAX, &n) : -ENOMEM;
                reason = "the wallet's answer could not be read";
        }
        if (call.done.accounts)
                call.done.accounts(error, error < 0 ? reason : NULL, rows, error < 0 ? 0 : n,
                                call.userdata);
}

int wallet_accounts(WalletClient *c, const char *const *names, size_t n,
                wallet_accounts_done_t done, void *userdata, WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        WalletCall *call;
        int r;

        if (n > WALLET_JOBS_MAX)
                return -E2BIG;
        r = bus_client_message(wallet_client_bus(c), BUS_WALLET_SERVICE, "Accounts", &m);
        if (r >= 0)
                r = wallet_append_names(m, names, n);
        if (r >= 0)
                r = wallet_call_new(c, NULL, userdata, &call);
        if (r < 0)
                return r;
        call->done.accounts = done;
        return wallet_call_send(call, m, on_accounts, ret);
}

static void on_filled(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        WalletCall call = wallet_call_end(userdata);
        WalletInvoice i = { 0 };

        if (error < 0)
                error = wallet_error(error, name);
        else if (sd_bus_message_read(m, "ssx", &i.hash, &i.bolt11, &i.expires_at) <= 0) {
                error = -EBADMSG;
                reason = "the wallet's answer could not be read";
        }
        if (call.done.invoice)
                call.done.invoice(MIN(error, 0), error < 0 ? reason : NULL, error < 0 ? NULL : &i,
                                call.userdata);
}

int wallet_fill(WalletClient *c, const WalletFill *fill, wallet_invoice_done_t done, void *userdata,
                WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        WalletCall *call;
        int r;

        wallet_client_listen(c);
        r = bus_client_message(wallet_client_bus(c), BUS_WALLET, "CreateInvoice", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sxsu", fill->account, fill->amount_msat,
                                bus_text_or(fill->description ?: "", ""), fill->expiry_s);
        if (r >= 0)
                r = wallet_call_new(c, NULL, userdata, &call);
        if (r < 0)
                return r;
        call->done.invoice = done;
        return wallet_call_send(call, m, on_filled, ret);
}

int wallet_zapped(WalletClient *c, const WalletZap *z, wallet_done_t done, void *userdata,
                WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *owned = NULL;
        const char *json;
        int r;

        r = bus_text_json(z->receipt, &owned, &json);
        if (r >= 0)
                r = bus_client_message(wallet_client_bus(c), BUS_WALLET_SERVICE, "Zapped", &m);
        if (r >= 0)
                r = sd_bus_message_append(
                                m, "sssx", z->job_id, z->recipient_hex, json, z->asked_msat);
        return r < 0 ? r : done_call(c, m, done, userdata, ret);
}

static void on_lnurl(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        WalletCall call = wallet_call_end(userdata);
        WalletLnurl l = { 0 };
        int allows = 0;

        if (error < 0)
                error = wallet_error(error, name);
        else if (sd_bus_message_read(m, "xxubsss", &l.min_msat, &l.max_msat, &l.comment_max,
                                 &allows, &l.nostr_pubkey, &l.lnurl, &l.description) <= 0) {
                error = -EBADMSG;
                reason = "the wallet's answer could not be read";
        }
        l.allows_nostr = allows;
        if (call.done.lnurl)
                call.done.lnurl(MIN(error, 0), error < 0 ? reason : NULL, error < 0 ? NULL : &l,
                                call.userdata);
}

int wallet_lnurl(WalletClient *c, const char *destination, wallet_lnurl_done_t done, void *userdata,
                WalletCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        WalletCall *call;
        int r;

        if (!bus_text_is_fit(destination))
                return -EILSEQ;
        r = bus_client_message(wallet_client_bus(c), BUS_WALLET_SERVICE, "LnurlInfo", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", destination);
        if (r >= 0)
                r = wallet_call_new(c, NULL, userdata, &call);
        if (r < 0)
                return r;
        call->done.lnurl = done;
        return wallet_call_send(call, m, on_lnurl, ret);
}
