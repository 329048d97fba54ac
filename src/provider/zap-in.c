#include "zap-in.h"

#include <stdio.h>

#include "basic/log.h"
#include "provider.h"

#define ZAPS_MAX      32 /* that are being looked at; a customer who zaps too early zaps again */
#define QUERY_TIMEOUT (5 * SEC)
#define AGAIN         (15 * SEC)
#define TRIES_MAX     20

struct ZapIn {
        Provider *provider;
        Event *receipt;
        uint64_t seq; /* of its delivery; 0: acknowledged */
        char asked_by[HEX32_MAX], job[HEX32_MAX];
        unsigned n_tries;
        RelayQuery *query;
        WalletCall *call;
        sd_event_source *timer;
        ZapIn *prev, *next;
};

bool zaps_are_taken(const Provider *p) {
        return p->config->require_payment && pricing_has_wallet(p->config) &&
               p->config->pay.zap_max_msats > 0 && !isempty(p->config->pay.zap_address);
}

static ZapIn *zap_free(ZapIn *z) {
        Provider *p = z->provider;

        *(z->prev ? &z->prev->next : &p->zaps) = z->next;
        if (z->next)
                z->next->prev = z->prev;
        p->n_zaps--;
        relay_query_free(z->query);
        wallet_call_free(z->call);
        sd_event_source_disable_unref(z->timer);
        event_unref(z->receipt);
        return mfree(z);
}

static void zap_finish(ZapIn *z) {
        Provider *p = z->provider;
        uint64_t seq = z->seq;

        zap_free(z);
        if (seq > 0)
                provider_finish(p, seq);
}

/* ---- what it is worth */

static void zap_ask_wallet(ZapIn *z);

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        ZapIn *z = userdata;

        z->timer = sd_event_source_disable_unref(z->timer);
        zap_ask_wallet(z);
        return 0;
}

static void zap_again(ZapIn *z, const char *reason) {
        log_debug("The zap of job %.12s is looked at again: %s.", z->job, reason);
        if (++z->n_tries >= TRIES_MAX ||
                        sd_event_add_time_relative(z->provider->event, &z->timer, CLOCK_BOOTTIME,
                                        AGAIN, SEC, on_again, z) < 0)
                zap_finish(z);
}

static void on_counted(int error, const char *reason, void *userdata) {
        ZapIn *z = userdata;

        if (error == -EAGAIN || error == -EBUSY)
                zap_again(z, reason);
        else
                zap_finish(z); /* where it does not count, the wallet has logged why */
}

static Job *unpaid_job(const Provider *p, const char *id_hex) {
        uint8_t id[32];
        Job *job;

        if (hex_decode(id_hex, id, sizeof(id)) < 0)
                return NULL;
        job = map_get(&p->jobs, id, sizeof(id));
        return job && job->flow.state == JOB_UNPAID && !job->pay.dormant && job->price_msat > 0
                               ? job
                               : NULL;
}

static void zap_ask_wallet(ZapIn *z) {
        Provider *p = z->provider;
        const Job *job = unpaid_job(p, z->job);
        const WalletZap zap = {
                .job_id = z->job,
                .recipient_hex = p->pubkey_hex,
                .receipt = event_json(z->receipt, NULL),
                .asked_msat = job ? job->price_msat : 0,
        };

        if (!job)
                zap_finish(z); /* nothing is to be paid: it is a gift */
        else if (wallet_zapped(p->wallet, &zap, on_counted, z, &z->call) < 0)
                zap_again(z, "the wallet cannot be asked");
}

/* ---- for which job? */

static void on_found(
                int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        ZapIn *z = userdata;
        Provider *p = z->provider;
        const char *job = NULL;

        for (size_t i = 0; error >= 0 && i < n && !job; i++)
                if (event_kind(events[i]) == 7000 && streq(event_id_hex(events[i]), z->asked_by) &&
                                streq(event_pubkey_hex(events[i]), p->pubkey_hex))
                        job = event_tag_value(events[i], "e");
        if (!job || !unpaid_job(p, job)) {
                log_debug("A zap is for no job that is to be paid: %s.", error < 0 ? reason : "-");
                zap_finish(z);
                return;
        }
        (void) snprintf(z->job, sizeof(z->job), "%s", job);
        zap_ask_wallet(z);
}

static int zap_find_job(ZapIn *z) {
        char filter[256];
        const RelayQuestion question = {
                .filters = (const char *const[]){ filter, NULL },
                .limit = 1,
                .timeout = QUERY_TIMEOUT,
        };

        (void) snprintf(filter, sizeof(filter),
                        "{\"kinds\":[7000],\"ids\":[\"%s\"],\"authors\":[\"%s\"]}", z->asked_by,
                        z->provider->pubkey_hex);
        return relay_client_query(z->provider->relay, &question, on_found, z, &z->query);
}

bool zap_take(Provider *p, const RelayEvent *e) {
        const char *zapped = event_tag_value(e->event, "e");
        uint8_t id[32];
        ZapIn *z;

        if (!zaps_are_taken(p) || !zapped || hex_decode(zapped, id, sizeof(id)) < 0)
                return false;
        if (p->n_zaps >= ZAPS_MAX) {
                log_warning("Too many zaps are being looked at; one is left out.");
                return false;
        }
        z = new0(ZapIn, 1);
        if (!z)
                return false;
        z->provider = p;
        z->receipt = event_ref(e->event);
        z->seq = e->seq;
        hex_encode(id, sizeof(id), z->asked_by);
        z->next = p->zaps;
        if (z->next)
                z->next->prev = z;
        p->zaps = z;
        p->n_zaps++;
        if (unpaid_job(p, z->asked_by)) { /* the request itself */
                memcpy(z->job, z->asked_by, sizeof(z->job));
                zap_ask_wallet(z);
        } else if (zap_find_job(z) < 0)
                zap_finish(z);
        return true;
}

void zaps_forget_deliveries(Provider *p) {
        for (ZapIn *z = p->zaps; z; z = z->next)
                z->seq = 0;
}

void zaps_free_all(Provider *p) {
        while (p->zaps)
                zap_free(p->zaps);
}
