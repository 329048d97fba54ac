/* Private messages: by NIP-17 to whoever can read them, by NIP-04 only to those who have nothing
 * better and wrote to us like that. A question to the owner is one of them, too. */
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "deed.h"
#include "nostr/nip17.h"
#include "nostr/relay-list.h"

#define NIP04_KIND    4
#define DM_RELAYS_MAX 3 /* NIP-17: people name one to three */
#define FOUND_MAX     8

static const char *recipient(const Deed *d) {
        return d->action->type == ACTION_ASK ? d->agent->settings->owner_hex : d->action->to;
}

/* ---- how this peer is reached */

static int take_relays(Deed *d, const Event *event) {
        _cleanup_relay_list_ RelayList list = { 0 };
        int r;

        r = relay_list_read(event, &list);
        for (size_t i = 0; i < list.n && i < DM_RELAYS_MAX && r >= 0; i++)
                r = strv_add(&d->relays, list.items[i].url);
        return r;
}

static bool is_newer(const Event *e, const Event *than) {
        return !than || event_created_at(e) > event_created_at(than);
}

/* The newest list counts. Without one, who wrote by kind 4 reads kind 4. */
static int learn(Deed *d, Event *const *events, size_t n) {
        const Event *list = NULL;
        bool wrote_old = false;

        for (size_t i = 0; i < n; i++) {
                if (!streq(event_pubkey_hex(events[i]), recipient(d)))
                        continue;
                if (event_kind(events[i]) == NIP17_RELAYS_KIND && is_newer(events[i], list))
                        list = events[i];
                wrote_old |= event_kind(events[i]) == NIP04_KIND;
        }
        d->relays = strv_free(d->relays);
        d->knows_old_only = !list && wrote_old;
        return list ? take_relays(d, list) : 0;
}

static int ask_about(Deed *d, relay_query_done_t done) {
        char lists[160], letters[224];
        const char *const filters[] = { lists, letters, NULL };

        (void) snprintf(lists, sizeof(lists), "{\"kinds\":[%d],\"authors\":[\"%s\"],\"limit\":2}",
                        NIP17_RELAYS_KIND, recipient(d));
        (void) snprintf(letters, sizeof(letters),
                        "{\"kinds\":[%d],\"authors\":[\"%s\"],\"#p\":[\"%s\"],\"limit\":1}",
                        NIP04_KIND, recipient(d), d->agent->pubkey_hex);
        return deed_ask_relays(d, filters, FOUND_MAX, done);
}

/* Relays that say nothing do not keep a message from going: then it goes where the agent writes. */
static void on_learned(
                int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        Deed *d = userdata;
        int r;

        if (error < 0)
                log_debug("%s: how %.12s is reached is not known: %s", d->agent->key, recipient(d),
                                reason);
        r = learn(d, events, error < 0 ? 0 : n);
        flow_drive(&d->flow, r < 0 ? flow_fail(&d->flow, r, "there is no memory")
                                   : flow_go(DEED_SIGNING));
}

static Step prepare(Flow *f) {
        Deed *d = flow_deed(f);
        int r;

        r = ask_about(d, on_learned);
        return r < 0 ? flow_fail(f, r, "the relays could not be asked") : flow_wait();
}

/* ---- NIP-04 */

static int old_draft(Deed *d, const char *payload) {
        int r;

        r = draft_new(NIP04_KIND, hands_now(d->hands), &d->draft);
        if (r >= 0)
                r = draft_tag(d->draft, "p", recipient(d), NULL);
        return r < 0 ? r : draft_content(d->draft, payload, strlen(payload));
}

static void on_encrypted(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        Deed *d = userdata;

        if (error >= 0 && n == 1) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error >= 0) {
                error = old_draft(d, results[0].text);
                reason = "there is no memory";
        }
        flow_drive(&d->flow,
                        error < 0 ? flow_fail(&d->flow, error, reason) : deed_sign_draft(&d->flow));
}

static Step sign_old(Flow *f) {
        Deed *d = flow_deed(f);
        const SignerText text = {
                .peer = recipient(d),
                .scheme = "nip04",
                .text = d->action->text,
        };
        int r;

        r = signer_encrypt(d->hands->signer, d->agent->key, &text, 1, on_encrypted, d, &d->signing);
        return r < 0 ? flow_fail(f, r, "the signer could not be asked") : flow_wait();
}

/* ---- NIP-17 */

static Step sign(Flow *f) {
        Deed *d = flow_deed(f);
        const char *const to[] = { recipient(d), NULL };
        const PrivateMessage m = { .recipients = to, .text = d->action->text };
        int r;

        if (d->knows_old_only && d->action->type != ACTION_ASK)
                return sign_old(f);
        r = private_message_draft(&m, hands_now(d->hands), &d->draft);
        return r < 0 ? flow_fail(f, r, "it could not be written") : deed_wrap_draft(f, to[0]);
}

/* ---- sending */

static Step publish(Flow *f) {
        Deed *d = flow_deed(f);
        int r;

        r = deed_publish(d, 0, (const char *const *) d->relays);
        for (size_t i = 1; i < d->n_events && r >= 0; i++)
                r = deed_publish(d, i, NULL); /* its own copy */
        if (r < 0)
                return flow_fail(f, r, "it could not be handed to the relays");
        deed_rest_after(d, 10 * SEC);
        return flow_wait();
}

static void on_learned_again(int error, _unused_ const char *reason, Event *const *events, size_t n,
                void *userdata) {
        Deed *d = userdata;

        (void) learn(d, events, error < 0 ? 0 : n);
        flow_drive(&d->flow, publish(&d->flow));
}

/* Where it goes is not on disk. If it is in the outbox it stays with the relays it has there. */
static Step send_it(Flow *f) {
        Deed *d = flow_deed(f);

        if (d->resumed && !d->relays && event_kind(d->events[0]) != NIP04_KIND &&
                        ask_about(d, on_learned_again) >= 0) {
                d->resumed = false;
                return flow_wait();
        }
        return publish(f);
}

const DeedClass deed_dm = { .prepare = prepare, .sign = sign, .send = send_it };
/* The end of the tick tells of it, and its history; a letter is for who wants letters. */
static bool ask_stays(const Deed *d) {
        return isempty(recipient(d)) || !d->agent->settings->notify_owner;
}

const DeedClass deed_ask = {
        .prepare = prepare,
        .sign = sign,
        .send = send_it,
        .stays = ask_stays,
};
