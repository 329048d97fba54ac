#include "announce.h"

#include "basic/log.h"

static void on_announced(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Announcer *a = userdata;
        int r;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error < 0) {
                log_warning("The announcement could not be signed: %s.", reason);
                return;
        }

        r = relay_client_publish(
                        a->relay, event_json(results[0].event, NULL), NULL, true, NULL, NULL, NULL);
        if (r < 0)
                (void) log_warning_errno(r, "The announcement could not be published: %m");
        a->out = true;
}

static int64_t next_time(Announcer *a, int64_t now) {
        a->last_at = MAX(now, a->last_at + 1);
        return a->last_at;
}

void announcer_announce(Announcer *a, const Announcement *what, int64_t now) {
        _cleanup_(draft_freep) Draft *d = NULL;
        const Draft *drafts[1];
        int r;

        a->call = signer_call_free(a->call);
        a->publish = relay_publish_free(a->publish); /* of a withdrawal that is overtaken */
        r = nip89_draft(what, next_time(a, now), &d);
        drafts[0] = d;
        if (r >= 0)
                r = signer_sign(a->signer, "provider", drafts, 1, on_announced, a, &a->call);
        if (r < 0)
                (void) log_warning_errno(r, "The provider could not be announced: %m");
}

static void withdrawn(Announcer *a) {
        a->out = false;
        a->withdrawn(a->userdata);
}

static void on_withdrawal_published(int error, const char *reason, void *userdata) {
        if (error < 0)
                log_warning("The announcement could not be withdrawn: %s.", reason);
        withdrawn(userdata);
}

static int publish_withdrawal(Announcer *a, const SignerResult *results) {
        int r;

        for (size_t i = 0; i < 2; i++)
                if (results[i].error < 0)
                        return results[i].error;

        r = relay_client_publish(
                        a->relay, event_json(results[0].event, NULL), NULL, true, NULL, NULL, NULL);
        if (r < 0)
                return r;
        return relay_client_publish(a->relay, event_json(results[1].event, NULL), NULL, true,
                        on_withdrawal_published, a, &a->publish);
}

static void on_withdrawal_signed(int error, _unused_ const char *name, _unused_ const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Announcer *a = userdata;

        if (error >= 0)
                error = publish_withdrawal(a, results);
        if (error < 0) {
                (void) log_warning_errno(error, "The announcement could not be withdrawn: %m");
                withdrawn(a);
        }
}

bool announcer_withdraw(Announcer *a, const Announcement *what, const char *pubkey_hex, int64_t now,
                void (*done)(void *userdata), void *userdata) {
        _cleanup_(draft_freep) Draft *empty = NULL, *deletion = NULL;
        Announcement nothing = *what;
        int r;

        a->call = signer_call_free(a->call);
        a->publish = relay_publish_free(a->publish); /* of a withdrawal that is begun anew */
        if (!a->out)
                return false;

        /* Relays that ignore NIP-09 must not find it either: a version without kinds takes its
         * place. */
        nothing.n_kinds = 0;
        a->withdrawn = done;
        a->userdata = userdata;
        now = next_time(a, now);
        r = nip89_draft(&nothing, now, &empty)
                            ?: nip89_withdrawal_draft(pubkey_hex, what->identifier, now, &deletion);
        if (r >= 0)
                r = signer_sign(a->signer, "provider", (const Draft *const[]){ empty, deletion }, 2,
                                on_withdrawal_signed, a, &a->call);
        if (r < 0)
                (void) log_warning_errno(r, "The announcement could not be withdrawn: %m");
        return r >= 0;
}

void announcer_done(Announcer *a) {
        a->call = signer_call_free(a->call);
        a->publish = relay_publish_free(a->publish);
}
