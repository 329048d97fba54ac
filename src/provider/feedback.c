#include "feedback.h"

#include "basic/log.h"
#include "basic/text.h"

struct Feedback {
        FeedbackDoors doors;
        Feedback *prev, *next;
        char **relays;
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

void feedback_done(FeedbackList *l) {
        while (l->first)
                (void) feedback_free(l->first);
}
