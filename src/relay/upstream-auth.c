/* NIP-42: telling a relay who we are, where it asks. The signer signs with the provider's key. */
#include <stdio.h>

#include "nostr/nip42.h"
#include "query.h"
#include "upstream-private.h"

#define AUTHS_MAX 32 /* of one connection: each costs a signature */

/* It knows us: what it refused before that goes again. */
static void auth_repeat(Upstream *u) {
        u->out->not_before = 0;
        for (size_t i = 0; i < INGEST_SLOTS; i++)
                if (u->reqs[i].subscription && u->reqs[i].state == REQ_AUTH)
                        req_send(u, u->reqs + i);
        query_up(u);
        upstream_send(u);
}

static int auth_send(Upstream *u, Event *e) {
        const char *json;
        size_t size;
        int r;

        json = event_json(e, &size);
        r = message_write_auth(&u->line, json, size);
        if (r < 0)
                return r;
        memcpy(u->auth_id, event_id_hex(e), HEX32_MAX);
        memcpy(u->hub->own_key, event_pubkey_hex(e), HEX32_MAX);
        return upstream_write(u);
}

static void on_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        Upstream *u = userdata;
        int r = error;

        if (r >= 0 && n == 1) {
                r = results[0].error;
                reason = results[0].reason;
        }
        if (r >= 0 && u->state == UPSTREAM_UP) {
                r = auth_send(u, results[0].event);
                reason = "the connection is full";
        }
        u->auth = AUTH_SENT;
        if (r < 0) {
                auth_give_up(u);
                upstream_say(u, "it asks who we are, and the signer did not sign");
                log_warning("%s asks who we are, and the signer did not sign: %s.", u->url->text,
                                reason);
        }
}

static int auth_ask_signer(Upstream *u) {
        _cleanup_(draft_freep) Draft *draft = NULL;
        int r;

        r = nip42_draft(u->url->text, u->challenge, hub_now(), &draft);
        if (r < 0)
                return r;
        return signer_sign(u->hub->signer, "provider", (const Draft *const[]){ draft }, 1,
                        on_signed, u, &u->signing);
}

/* Asked for by the relay: only then, so that a relay that need not know us does not. */
void auth_start(Upstream *u) {
        int r;

        if ((u->auth != AUTH_NONE && u->auth != AUTH_REFUSED) || !u->challenge[0])
                return;
        if (u->n_auths == AUTHS_MAX) {
                upstream_say(u, "it asks again and again who we are");
                return;
        }

        u->n_auths++;
        u->auth = AUTH_SIGNING;
        r = auth_ask_signer(u);
        if (r < 0) {
                auth_give_up(u);
                log_warning("%s asks who we are, and the signer is not reachable.", u->url->text);
        }
}

void auth_answered(Upstream *u, bool accepted, const char *text) {
        u->auth = AUTH_DONE;
        if (accepted) {
                u->error = mfree(u->error); /* that it asked is no trouble any more */
                auth_repeat(u);
        } else {
                auth_give_up(u);
                upstream_say(u, text);
                log_warning("%s does not accept who we are: %s", u->url->text, text);
        }
}

static bool auth_is_wanted(const Upstream *u) {
        for (size_t i = 0; i < INGEST_SLOTS; i++)
                if (u->reqs[i].subscription && u->reqs[i].state == REQ_AUTH)
                        return true;
        return false;
}

bool auth_is_answer(const Upstream *u, const char *id_hex) {
        return u->auth == AUTH_SENT && streq(id_hex, u->auth_id);
}

/* The newest challenge counts. */
void auth_challenge(Upstream *u, const char *challenge) {
        auth_reset(u);
        (void) snprintf(u->challenge, sizeof(u->challenge), "%s", challenge);
        if (auth_is_wanted(u) || (u->info && u->info->auth))
                auth_start(u);
}

/* It may be another time: the signer comes back, people let us in. */
void auth_give_up(Upstream *u) {
        u->signing = signer_call_free(u->signing);
        u->auth = AUTH_REFUSED;
        for (size_t i = 0; i < INGEST_SLOTS; i++)
                if (u->reqs[i].subscription && u->reqs[i].state == REQ_AUTH)
                        req_later(u, u->reqs + i);
        upstream_turn(u);
}

void auth_reset(Upstream *u) {
        u->signing = signer_call_free(u->signing);
        u->auth = AUTH_NONE;
        u->challenge[0] = '\0';
}
