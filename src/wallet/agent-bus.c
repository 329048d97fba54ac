#include "agent-bus.h"

#include "basic/text.h"
#include "bus/names.h"
#include "bus/text.h"
#include "policy.h"
#include "reply.h"

#define ACCOUNTS_MAX    1000
#define DESTINATION_MAX 8192

static int host_only(Purse *p, sd_bus_message *m, sd_bus_error *error) {
        PeerRole role = bus_server_role(service_server(p->service), m);

        if (role == PEER_HOST || role == PEER_OWNER)
                return 0;
        return sd_bus_error_set(error, BUS_ERROR_NOT_ALLOWED, "Only the host may call this.");
}

int method_begin_tick(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *grant, *tick;
        Purse *p = userdata;
        Reply *reply;
        int r;

        r = sd_bus_message_read(m, "ss", &grant, &tick);
        if (r < 0)
                return r;
        if (!policy_may(bus_server_role(service_server(p->service), m), WALLET_TICK, grant, ""))
                return sd_bus_error_setf(error, BUS_ERROR_NOT_ALLOWED,
                                "The grant \"%s\" is not the caller's.", grant);
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_begin_tick(p->wallet->books, grant, tick,
                                                          reply_verdict, reply, &reply->call));
}

/* ---- accounts */

static void on_accounts(
                int error, const char *reason, const BooksBalance *rows, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(reply_freep) Reply *reply = userdata;
        int r;

        if (error < 0) {
                reply_error(reply, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(reply->message, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sxxb)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "(sxxb)", rows[i].account, rows[i].balance_msat,
                                rows[i].reserved_msat, (int) rows[i].frozen);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        reply_send(reply, r, m);
}

int method_accounts(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_strv_ char **names = NULL;
        Purse *p = userdata;
        Reply *reply;
        int r;

        r = host_only(p, m, error);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &names);
        if (r < 0)
                return r;
        if (strv_length(names) > ACCOUNTS_MAX)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "At most %d accounts can be asked for at once.", ACCOUNTS_MAX);
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply,
                                       books_accounts(p->wallet->books, (const char *const *) names,
                                                       strv_length(names), on_accounts, reply,
                                                       &reply->call));
}

/* ---- what stands behind an address */

static void on_offer(int error, const char *reason, const LnurlPay *offer, const char *lnurl,
                void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;
        char pubkey[HEX32_MAX] = "";

        if (error < 0) {
                reply_error(reply, error, reason);
                return;
        }
        if (offer->allows_nostr)
                hex_encode(offer->nostr_pubkey, 32, pubkey);
        (void) sd_bus_reply_method_return(reply->message, "xxubsss", offer->min_msat,
                        offer->max_msat, offer->comment_max, (int) offer->allows_nostr, pubkey,
                        lnurl, bus_text_or(offer->description, ""));
}

int method_lnurl_info(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        const Config *config = p->wallet->config;
        LnurlOrder order = {
                .network = config->network,
                .allow_private = config->wallet.allow_private,
        };
        const char *reason = NULL;
        Reply *reply;
        int r;

        r = host_only(p, m, error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &order.destination);
        if (r < 0)
                return r;
        if (!p->wallet->web)
                return sd_bus_error_set(error, BUS_ERROR_NO_WALLET, "No wallet is set up.");
        if (strlen(order.destination) > DESTINATION_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "The destination is too long.");

        r = reply_new(p, m, &reply);
        if (r < 0)
                return r;
        r = lnurl_ask(p->wallet->web, &order, on_offer, reply, &reply->lnurl, &reason);
        if (r < 0) {
                reply_error(reply, r, reason);
                (void) reply_free(reply);
        }
        return 1;
}
