#include "feedback.h"

#include "basic/log.h"
#include "basic/text.h"

struct Feedback {
        FeedbackDoors doors;
        Feedback *prev, *next;
        char **relays;
        Draft *draft; /* waits for its content */
        SignerCall *call;
};

static Feedback *feedback_free(Feedback *f) {
        FeedbackList *l = f->doors.list;

        if (f->prev)
                f->prev->next = f->next;
        else
                l->first = f->next;
        if (f->next)
                f->next->prev = f->prev;
        l->n--;

        f->call = signer_call_free(f->call);
        (void) draft_free(f->draft);
        (void) strv_free(f->relays);
        return mfree(f);
}

static void on_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Feedback *f = userdata;
        int r;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error >= 0) {
                r = relay_client_publish(f->doors.relay, event_json(results[0].event, NULL),
                                (const char *const *) f->relays, false, NULL, NULL, NULL);
                if (r < 0)
                        log_debug_errno(r, "Feedback was left out: %m");
        } else
                log_debug("Feedback was not signed: %s", reason);
        (void) feedback_free(f);
}

static int feedback_new(const FeedbackDoors *d, char *const *relays, Feedback **ret) {
        Feedback *f;

        if (d->list->n >= FEEDBACK_MAX)
                return -ENOBUFS;

        f = new0(Feedback, 1);
        if (!f)
                return -ENOMEM;
        if (relays && strv_copy(relays, &f->relays) < 0) {
                free(f);
                return -ENOMEM;
        }

        f->doors = *d;
        f->next = d->list->first;
        if (f->next)
                f->next->prev = f;
        d->list->first = f;
        d->list->n++;
        *ret = f;
        return 0;
}

void feedback_send(const FeedbackDoors *d, const Draft *draft, char *const *relays) {
        Feedback *f;
        int r;

        r = feedback_new(d, relays, &f);
        if (r >= 0) {
                r = signer_sign(d->signer, "provider", &draft, 1, on_signed, f, &f->call);
                if (r < 0)
                        (void) feedback_free(f);
        }
        if (r < 0)
                log_debug_errno(r, "Feedback was left out: %m");
}

static int feedback_seal(Feedback *f, const char *content) {
        const Draft *drafts[1] = { f->draft };
        int r;

        r = draft_tag(f->draft, "encrypted", NULL);
        if (r >= 0)
                r = draft_content(f->draft, content, strlen(content));
        if (r >= 0)
                r = signer_sign(f->doors.signer, "provider", drafts, 1, on_signed, f, &f->call);
        return r;
}

static void on_encrypted(int error, _unused_ const char *name, _unused_ const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Feedback *f = userdata;

        if (error >= 0)
                error = results[0].error;
        if (error >= 0)
                error = feedback_seal(f, results[0].text);
        if (error < 0) {
                log_debug_errno(error, "Feedback was left out: %m");
                (void) feedback_free(f);
        }
}

void feedback_send_sealed(
                const FeedbackDoors *d, Draft *draft, const SignerText *text, char *const *relays) {
        Feedback *f;
        int r;

        r = feedback_new(d, relays, &f);
        if (r < 0)
                (void) draft_free(draft);
        else {
                f->draft = draft;
                r = signer_encrypt(d->signer, "provider", text, 1, on_encrypted, f, &f->call);
                if (r < 0)
                        (void) feedback_free(f);
        }
        if (r < 0)
                log_debug_errno(r, "Feedback was left out: %m");
}

void feedback_done(FeedbackList *l) {
        while (l->first)
                (void) feedback_free(l->first);
}
