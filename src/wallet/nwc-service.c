/* Which connections there are, what comes from their clients, and the announcement. */
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "nwc-private.h"

#define SUBSCRIPTION "nwc-service"
#define AGAIN        (10 * SEC)
#define NO_BUDGET    "\"total_msat\":0"
#define METHODS_READ                                                              \
        (B(NIP47_MAKE_INVOICE) | B(NIP47_LOOKUP_INVOICE) | B(NIP47_GET_BALANCE) | \
                        B(NIP47_LIST_TRANSACTIONS) | B(NIP47_GET_INFO))

int64_t nwc_now(const NwcService *s) {
        return wallet_now(s->wallet);
}

const char *nwc_service_pubkey(const NwcService *s) {
        return *s->pubkey ? s->pubkey : NULL;
}

char *const *nwc_service_relays(const NwcService *s) {
        return s->wallet->config->relays;
}

/* ---- connections */

bool nwc_name_is_valid(const char *name) {
        size_t n = strlen(name);

        return n > 0 && n <= NWC_NAME_MAX &&
               strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
                               n;
}

int nwc_grant_read(const char *grant, NwcConnection *ret) {
        const char *name = startswith(grant, NWC_GRANT);
        size_t n = name ? strcspn(name, ":") : 0;
        uint8_t key[32];

        *ret = (NwcConnection){ 0 };
        if (!name || n == 0 || n > NWC_NAME_MAX || name[n] != ':' ||
                        hex_decode(name + n + 1, key, 32) < 0)
                return -EINVAL;
        memcpy(ret->name, name, n);
        memcpy(ret->client, name + n + 1, HEX32_MAX);
        (void) snprintf(ret->grant, sizeof(ret->grant), "%s", grant);
        return 0;
}

NwcConnection *nwc_find(NwcService *s, const char *client_hex) {
        for (size_t i = 0; i < s->n_connections; i++)
                if (streq(s->connections[i].client, client_hex))
                        return s->connections + i;
        return NULL;
}

const NwcConnection *nwc_service_find(const NwcService *s, const char *name) {
        for (size_t i = 0; i < s->n_connections; i++)
                if (streq(s->connections[i].name, name))
                        return s->connections + i;
        return NULL;
}

/* ---- what comes from the relays */

/* All up to the oldest that is still under way. */
void nwc_acknowledge(NwcService *s) {
        uint64_t seq = s->last_seq;

        for (const NwcRequest *r = s->requests; r; r = r->next)
                seq = MIN(seq, r->seq - 1);
        if (seq > 0)
                relay_client_acknowledge(s->relay, SUBSCRIPTION, seq);
}

static void on_events(
                _unused_ const char *name, const RelayEvent *events, size_t n, void *userdata) {
        NwcService *s = userdata;

        for (size_t i = 0; i < n; i++) {
                Event *e = events[i].event;
                const NwcConnection *c = nwc_find(s, event_pubkey_hex(e));

                s->last_seq = events[i].seq;
                if (c && event_kind(e) == NIP47_REQUEST_KIND && event_has_tag(e, "p", s->pubkey))
                        nwc_request_begin(s, c, e, events[i].seq);
        }
        nwc_acknowledge(s);
}

static void on_outcome(const char *id, _unused_ const char *relay, RelayVerdict verdict,
                _unused_ const char *message, void *userdata) {
        NwcService *s = userdata;

        if (verdict != RELAY_TRYING)
                relay_client_forget(s->relay, id);
}

static const RelayHandler relay_handler = {
        .events = on_events,
        .outcome = on_outcome,
};

void nwc_publish(NwcService *s, const Event *e, bool durable) {
        if (relay_client_publish(s->relay, event_json(e, NULL), NULL, durable, NULL, NULL, NULL) <
                        0)
                log_warning("An answer to a wallet's client could not be handed to the relays.");
}

static int subscribe(NwcService *s) {
        const char *filters[2] = { NULL, NULL };
        _cleanup_buffer_ Buffer b;
        int r;

        buffer_init(&b, 64 * 1024);
        if (s->n_connections == 0)
                return relay_client_unsubscribe(s->relay, SUBSCRIPTION, false);
        r = buffer_addf(&b, "{\"kinds\":[%d],\"#p\":[\"%s\"],\"authors\":[", NIP47_REQUEST_KIND,
                        s->pubkey);
        for (size_t i = 0; i < s->n_connections && r >= 0; i++)
                r = buffer_addf(&b, "%s\"%s\"", i ? "," : "", s->connections[i].client);
        if (r >= 0)
                r = buffer_add_string(&b, "]}");
        if (r < 0)
                return r;
        filters[0] = b.data;
        return relay_client_subscribe(s->relay, SUBSCRIPTION, filters, NULL);
}

/* ---- the announcement */

static void on_announced(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        NwcService *s = userdata;

        if (error >= 0)
                error = results[0].error;
        if (error < 0)
                log_warning("What the wallet can do could not be announced: %s.", reason);
        else
                nwc_publish(s, results[0].event, true);
}

static void announce(NwcService *s) {
        const Nip47Info info = {
                .methods = METHODS_READ | B(NIP47_PAY_INVOICE),
                .nip44 = true,
                .nip04 = true,
                .received = true,
                .sent = true,
        };
        _cleanup_(draft_freep) Draft *d = NULL;
        const Draft *draft;

        if (s->n_connections == 0 || s->announcing || nip47_info_draft(&info, nwc_now(s), &d) < 0)
                return;
        draft = d;
        if (signer_sign(s->signer, WALLET_KEY, &draft, 1, on_announced, s, &s->announcing) < 0)
                log_warning("What the wallet can do could not be announced.");
}

/* ---- what there is */

static void ask_grants(NwcService *s);

static int on_retry(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        NwcService *s = userdata;

        s->retry = sd_event_source_disable_unref(s->retry);
        nwc_service_refresh(s);
        return 0;
}

static void try_again(NwcService *s) {
        if (!s->retry && sd_event_add_time_relative(s->wallet->event, &s->retry, CLOCK_BOOTTIME,
                                         AGAIN, SEC, on_retry, s) < 0)
                log_error("No timer is left for the wallet's connections.");
}

static void on_grants(
                int error, const char *reason, const BooksGrant *rows, size_t n, void *userdata) {
        NwcService *s = userdata;
        size_t was = s->n_connections;

        if (error < 0) {
                log_warning("The wallet's connections could not be read: %s.", reason);
                try_again(s);
                return;
        }
        s->n_connections = 0;
        for (size_t i = 0; i < n && s->n_connections < NWC_CONNECTIONS_MAX; i++) {
                NwcConnection *c = s->connections + s->n_connections;

                if (!streq(rows[i].state, "active") || nwc_grant_read(rows[i].name, c) < 0)
                        continue;
                (void) snprintf(c->account, sizeof(c->account), "%s", rows[i].account);
                c->pays = !strstr(rows[i].json, NO_BUDGET);
                s->n_connections++;
        }
        for (NwcRequest *r = s->requests; r; r = r->next) {
                NwcConnection *c = nwc_find(s, event_pubkey_hex(r->event));

                if (c)
                        c->n_requests++;
        }
        if (subscribe(s) < 0)
                log_error("The requests of wallet clients cannot be subscribed to.");
        if (s->n_connections != was)
                announce(s);
        if (TAKE(s->again, false))
                ask_grants(s);
}

static void ask_grants(NwcService *s) {
        if (s->loading) {
                s->again = true;
                return;
        }
        if (books_grants(s->wallet->books, on_grants, s, &s->loading) < 0)
                try_again(s);
}

static void on_pubkey(int error, _unused_ const char *name, _unused_ const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        NwcService *s = userdata;

        if (error >= 0)
                error = results[0].error;
        if (error < 0 || strlen(results[0].text) != HEX32_MAX - 1) {
                try_again(s); /* there may be no identity yet */
                return;
        }
        memcpy(s->pubkey, results[0].text, HEX32_MAX);
        ask_grants(s);
}

void nwc_service_refresh(NwcService *s) {
        if (s->wallet->state != WALLET_READY)
                return;
        if (*s->pubkey)
                ask_grants(s);
        else if (!s->asking &&
                        signer_public_key(s->signer, WALLET_KEY, on_pubkey, s, &s->asking) < 0)
                try_again(s);
}

bool nwc_service_is_busy(const NwcService *s) {
        return s->n_connections > 0 || s->requests || s->news;
}

int nwc_service_new(Wallet *w, NwcService **ret) {
        _cleanup_(nwc_service_freep) NwcService *s = new0(NwcService, 1);
        int r;

        if (!s)
                return -ENOMEM;
        s->wallet = w;
        r = relay_client_new(w->event, w->relay_socket, &relay_handler, s, &s->relay);
        if (r >= 0)
                r = signer_client_new(w->event, w->signer_socket, &s->signer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

NwcService *nwc_service_free(NwcService *s) {
        if (!s)
                return NULL;
        while (s->requests)
                nwc_request_free(s->requests);
        while (s->news)
                nwc_news_free(s->news);
        sd_event_source_disable_unref(s->retry);
        books_call_free(s->loading);
        signer_client_free(s->signer);
        relay_client_free(s->relay);
        return mfree(s);
}
