#include "nwc-bus.h"

#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/crypt.h"
#include "basic/log.h"
#include "basic/text.h"
#include "bus/authorize.h"
#include "bus/names.h"
#include "money/msat.h"
#include "purse.h"
#include "reply.h"

#define ACTION_VIEW "com.openagents.pylon1.wallet.view"
#define ACTION_PAY  "com.openagents.pylon1.wallet.pay"
#define URI_RELAYS  3

/* Only people hand out a part of the purse. */
static int may(Purse *p, sd_bus_message *m, const char *action, sd_bus_error *error) {
        if (peer_role_is_service(bus_server_role(service_server(p->service), m)))
                return sd_bus_error_set(
                                error, BUS_ERROR_NOT_ALLOWED, "Only a person may decide that.");
        return bus_authorize(service_server(p->service), m, action, error);
}

/* ---- connecting */

/* In one piece, if the pipe can take it at once. */
static int give_away(int fd, const char *text) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        size_t n = strlen(text);
        struct stat st;

        if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
                return -ENOSTR;
        if (poll(&p, 1, 0) < 0 || !(p.revents & POLLOUT) || (p.revents & POLLERR))
                return -EPIPE;
        return write(fd, text, n) == (ssize_t) n && write(fd, "\n", 1) == 1 ? 0 : -EPIPE;
}

/* The secret exists in here only: it is made, given away, and wiped. */
static int make_connection(
                Purse *p, int fd, char ret_client[static HEX32_MAX], const char **reterr) {
        _cleanup_nip47_uri_ Nip47Uri uri = { 0 };
        _cleanup_(keypair_freep) Keypair *k = NULL;
        char *const *relays = nwc_service_relays(p->nwc);
        char *text = NULL;
        int r;

        *reterr = "there is no memory";
        r = crypt_random(uri.secret, sizeof(uri.secret));
        if (r >= 0)
                r = keypair_new(uri.secret, &k);
        if (r >= 0)
                r = hex_decode(nwc_service_pubkey(p->nwc), uri.wallet, 32);
        for (size_t i = 0; r >= 0 && i < URI_RELAYS && relays && relays[i]; i++)
                r = strv_add(&uri.relays, relays[i]);
        if (r >= 0 && strv_length(uri.relays) == 0)
                return *reterr = "there is no relay to meet at", -ENODEV;
        if (r >= 0)
                r = nip47_uri_write(&uri, &text);
        if (r < 0)
                return r;
        r = give_away(fd, text);
        explicit_bzero(text, strlen(text));
        free(text);
        if (r < 0)
                *reterr = "the pipe for it takes nothing";
        hex_encode(keypair_pubkey(k), 32, ret_client);
        return r;
}

static int limits_json(int64_t max_msat, const char *per, char *ret, size_t size) {
        const char *name = isempty(per)         ? "total_msat"
                           : streq(per, "hour") ? "per_hour_msat"
                           : streq(per, "day")  ? "per_day_msat"
                                                : NULL;

        if (!name || max_msat < 0 || max_msat > MSAT_MAX || (max_msat == 0 && !isempty(per)))
                return -EINVAL;
        (void) snprintf(ret, size, "{\"%s\":%lld}", name, (long long) max_msat);
        return 0;
}

static void on_connected(int verdict, const char *text, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;

        if (verdict < 0) {
                reply_error(reply, verdict, text);
                return;
        }
        nwc_service_refresh(reply->purse->nwc);
        (void) sd_bus_reply_method_return(reply->message, "s", reply->note);
}

typedef struct Connecting {
        const char *name, *account, *per;
        int64_t max_msat;
        int fd;
} Connecting;

static int connect_check(Purse *p, const Connecting *c, char *json, size_t size, sd_bus_error *e) {
        if (!nwc_name_is_valid(c->name))
                return sd_bus_error_setf(e, BUS_ERROR_BAD_INPUT,
                                "A connection's name has at most %d letters, digits, dots, "
                                "hyphens and underscores.",
                                NWC_NAME_MAX);
        if (!streq(c->account, "owner") && !startswith(c->account, "agent:"))
                return sd_bus_error_setf(e, BUS_ERROR_BAD_INPUT,
                                "The account \"%s\" cannot be connected.", c->account);
        if (limits_json(c->max_msat, c->per, json, size) < 0)
                return sd_bus_error_set(e, BUS_ERROR_BAD_INPUT,
                                "A budget is an amount per \"hour\", per \"day\", or in total.");
        if (nwc_service_find(p->nwc, c->name))
                return sd_bus_error_setf(e, BUS_ERROR_BAD_INPUT,
                                "There is a connection \"%s\" already.", c->name);
        if (!nwc_service_pubkey(p->nwc))
                return sd_bus_error_set(e, BUS_ERROR_NO_KEY,
                                "There is no identity yet, or pylon-signer does not answer.");
        return 0;
}

/* The address is given away first: one that nobody has is no use, and cannot be made again. */
int method_connect(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        char json[96], client[HEX32_MAX], grant[BOOKS_NAME_MAX + 1];
        Purse *p = userdata;
        const char *reason;
        Connecting c;
        Reply *reply;
        int r;

        r = purse_wait_ready(p, m, error);
        if (r > 0)
                r = may(p, m, ACTION_PAY, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "ssxsh", &c.name, &c.account, &c.max_msat, &c.per, &c.fd);
        if (r >= 0)
                r = connect_check(p, &c, json, sizeof(json), error);
        if (r < 0)
                return r;
        r = make_connection(p, c.fd, client, &reason);
        if (r < 0)
                return sd_bus_error_setf(
                                error, BUS_ERROR_BAD_INPUT, "No connection was made: %s.", reason);
        r = reply_new(p, m, &reply);
        if (r < 0)
                return r;
        (void) snprintf(grant, sizeof(grant), NWC_GRANT "%s:%s", c.name, client);
        (void) snprintf(reply->note, sizeof(reply->note), "%s", client);
        log_notice("A wallet client is connected to \"%s\" as \"%s\": %s.", c.account, c.name,
                        json);
        return reply_asked(reply, books_set_grant(p->wallet->books, grant, c.account, json,
                                                  on_connected, reply, &reply->call));
}

/* ---- looking, ending */

static void on_grants(
                int error, const char *reason, const BooksGrant *rows, size_t n, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(reply_freep) Reply *reply = userdata;
        NwcConnection c;
        int r;

        if (error < 0) {
                reply_error(reply, error, reason);
                return;
        }
        r = sd_bus_message_new_method_return(reply->message, &m);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssssss)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (nwc_grant_read(rows[i].name, &c) >= 0)
                        r = sd_bus_message_append(m, "(ssssss)", c.name, rows[i].account, c.client,
                                        rows[i].state, rows[i].json, rows[i].used);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        reply_send(reply, r, m);
}

int method_connections(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Purse *p = userdata;
        Reply *reply;
        int r;

        r = may(p, m, ACTION_VIEW, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_grants(p->wallet->books, on_grants, reply,
                                                          &reply->call));
}

static void on_disconnected(int verdict, const char *text, void *userdata) {
        _cleanup_(reply_freep) Reply *reply = userdata;

        if (verdict < 0) {
                reply_error(reply, verdict, text);
                return;
        }
        nwc_service_refresh(reply->purse->nwc);
        (void) sd_bus_reply_method_return(reply->message, NULL);
}

int method_disconnect(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const NwcConnection *c;
        Purse *p = userdata;
        const char *name;
        Reply *reply;
        int r;

        r = purse_wait_ready(p, m, error);
        if (r > 0)
                r = may(p, m, ACTION_PAY, error);
        if (r <= 0)
                return r < 0 ? r : 1;
        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        c = nwc_service_find(p->nwc, name);
        if (!c)
                return sd_bus_error_setf(
                                error, BUS_ERROR_BAD_INPUT, "There is no connection \"%s\".", name);
        log_notice("The wallet client \"%s\" is disconnected.", name);
        r = reply_new(p, m, &reply);
        return r < 0 ? r
                     : reply_asked(reply, books_revoke_grant(p->wallet->books, c->grant,
                                                          on_disconnected, reply, &reply->call));
}
