#include "letter.h"

#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "nostr/nip17.h"
#include "nostr/relay-list.h"

#define LETTERS_MAX 64 /* on the way; then they are not sent */
#define RELAYS_MAX  3
#define RELAYS_USEC (5 * SEC)

struct Letter {
        Hands *hands;
        HostAgent *agent;
        Letter *prev, *next;
        char *text;
        char **relays;
        Draft *draft;
        RelayQuery *query;
        SignerCall *signing;
};

static Letter *letter_free(Letter *l) {
        if (!l)
                return NULL;

        *(l->prev ? &l->prev->next : &l->hands->letters) = l->next;
        if (l->next)
                l->next->prev = l->prev;
        l->hands->n_letters--;
        l->query = relay_query_free(l->query);
        l->signing = signer_call_free(l->signing);
        l->draft = draft_free(l->draft);
        strv_free(l->relays);
        free(l->text);
        return mfree(l);
}
DEFINE_CLEANUP(Letter, letter_free)

static void on_wrapped(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        _cleanup_(letter_freep) Letter *l = userdata;

        if (error >= 0 && n > 0) {
                error = results[0].error; /* the second is the agent's own copy */
                reason = results[0].reason;
        }
        if (error >= 0)
                error = relay_client_publish(l->hands->relay, event_json(results[0].event, NULL),
                                (const char *const *) (l->relays ?: l->agent->settings->relays),
                                true, NULL, NULL, NULL);
        if (error < 0)
                log_info("%s could not write to its owner: %s.", l->agent->key,
                                reason ?: strerror(-error));
}

static int wrap(Letter *l) {
        const char *const to[] = { l->agent->settings->owner_hex, NULL };
        const PrivateMessage m = { .recipients = to, .text = l->text };
        int r;

        r = private_message_draft(&m, hands_now(l->hands), &l->draft);
        if (r < 0)
                return r;
        return signer_wrap(
                        l->hands->signer, l->agent->key, l->draft, to, on_wrapped, l, &l->signing);
}

static void on_relays(int error, _unused_ const char *reason, Event *const *events, size_t n,
                void *userdata) {
        _cleanup_relay_list_ RelayList list = { 0 };
        Letter *l = userdata;

        if (error >= 0 && n > 0 && relay_list_read(events[0], &list) >= 0)
                for (size_t i = 0; i < list.n && i < RELAYS_MAX; i++)
                        if (strv_add(&l->relays, list.items[i].url) < 0)
                                break;
        if (wrap(l) < 0)
                (void) letter_free(l);
}

void letter_to_owner(HostAgent *a, const char *text) {
        Hands *h = a->host->hands;
        char filter[160];
        const char *const filters[] = { filter, NULL };
        const RelayQuestion question = {
                .filters = filters,
                .relays = (const char *const *) a->settings->relays,
                .limit = 1,
                .timeout = RELAYS_USEC,
        };
        Letter *l;

        if (isempty(a->settings->owner_hex) || !a->settings->notify_owner ||
                        h->n_letters >= LETTERS_MAX)
                return;
        l = new0(Letter, 1);
        if (!l)
                return;
        *l = (Letter){ .hands = h, .agent = a, .next = h->letters, .text = strdup(text) };
        if (l->next)
                l->next->prev = l;
        h->letters = l;
        h->n_letters++;
        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%d],\"authors\":[\"%s\"],\"limit\":1}",
                        NIP17_RELAYS_KIND, a->settings->owner_hex);
        if (!l->text || relay_client_query(h->relay, &question, on_relays, l, &l->query) < 0)
                (void) letter_free(l);
}

void letters_drop(Hands *h, const HostAgent *a) {
        for (Letter *l = h->letters, *next; l; l = next) {
                next = l->next;
                if (!a || l->agent == a)
                        (void) letter_free(l);
        }
}
