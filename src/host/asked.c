#include "asked.h"

#include <stdio.h>

#include "bus/names.h"
#include "bus/text.h"

#define ASKED_MAX  256
#define REASON_MAX 4096

int asked_new(Host *h, sd_bus_message *m, const char *what, Asked **ret, sd_bus_error *error) {
        Asked *a;

        if (h->n_asked >= ASKED_MAX)
                return sd_bus_error_set(error, BUS_ERROR_BUSY, "Too many ask at the same time.");
        a = new0(Asked, 1);
        if (!a)
                return -ENOMEM;
        *a = (Asked){ .host = h, .message = sd_bus_message_ref(m), .what = what, .next = h->asked };
        if (a->next)
                a->next->prev = a;
        h->asked = a;
        h->n_asked++;
        *ret = a;
        return 0;
}

Asked *asked_free(Asked *a) {
        if (!a)
                return NULL;
        *(a->prev ? &a->prev->next : &a->host->asked) = a->next;
        if (a->next)
                a->next->prev = a->prev;
        a->host->n_asked--;
        a->call = agents_call_free(a->call);
        a->pipe = pipe_free(a->pipe);
        a->replay = tick_replay_free(a->replay);
        a->message = sd_bus_message_unref(a->message);
        free(a->text);
        return mfree(a);
}

void asked_free_all(Host *h) {
        while (h->asked)
                asked_free(h->asked);
}

void asked_forget_agent(HostAgent *agent) {
        for (Asked *a = agent->host->asked, *next; a; a = next) {
                next = a->next;
                if (a->agent != agent)
                        continue;
                (void) sd_bus_reply_method_errorf(
                                a->message, BUS_ERROR_NO_AGENT, "%s: it is gone.", a->what);
                asked_free(a);
        }
}

/* What people read where nobody gave a better reason. */
/* clang-format off */
static const struct {
        int error;
        const char *name, *words;
} errors[] = {
        { -EBUSY,     BUS_ERROR_BUSY,         "something of the kind is under way" },
        { -EAGAIN,    BUS_ERROR_BUSY,         "what a former life has left is taken up first" },
        { -ENOBUFS,   BUS_ERROR_BUSY,         "too much waits already" },
        { -EDQUOT,    BUS_ERROR_NO_MONEY,     "there is not so much money" },
        { -EEXIST,    BUS_ERROR_AGENT_EXISTS, "there is one already" },
        { -ENOKEY,    BUS_ERROR_NO_KEY,       "the signer has no such key" },
        { -EHOSTDOWN, BUS_ERROR_NOT_REACHABLE, "another service does not answer" },
        { -ETIMEDOUT, BUS_ERROR_NOT_REACHABLE, "it took too long" },
        { -EPIPE,     BUS_ERROR_BAD_INPUT,    "nobody reads the pipe" },
        { -ENOSTR,    BUS_ERROR_BAD_INPUT,    "what was passed is no pipe" },
        { -EFBIG,     BUS_ERROR_BAD_INPUT,    "it is too long" },
        { -E2BIG,     BUS_ERROR_BAD_INPUT,    "it is too long" },
        { -EINVAL,    BUS_ERROR_BAD_INPUT,    "what was given is not possible" },
        { -EILSEQ,    BUS_ERROR_BAD_INPUT,    "it holds what D-Bus does not carry" },
        { -ENOENT,    BUS_ERROR_BAD_INPUT,    "there is no such thing" },
        { -ENOMEM,    SD_BUS_ERROR_NO_MEMORY, "there is no memory" },
        { -EIO,       SD_BUS_ERROR_IO_ERROR,  "it could not be read or written" },
};
/* clang-format on */

static const char *name_of(int error) {
        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (errors[i].error == error)
                        return errors[i].name;
        return BUS_ERROR_BAD_INPUT;
}

static const char *words_of(int error) {
        for (size_t i = 0; i < ELEMENTSOF(errors); i++)
                if (errors[i].error == error)
                        return errors[i].words;
        return strerror(-error);
}

int asked_started(Asked *a, int r, sd_bus_error *error) {
        const char *what = a->what;

        if (r >= 0)
                return 1;
        asked_free(a);
        return sd_bus_error_setf(error, name_of(r), "%s: %s.", what, words_of(r));
}

/* A reason of another service may be a sentence of its own, with a full stop. */
void asked_fail_as(Asked *a, const char *name, const char *reason) {
        size_t n = strlen(reason);

        n -= n > 0 && reason[n - 1] == '.';
        (void) sd_bus_reply_method_errorf(a->message, name, "%s: %.*s.", a->what,
                        (int) MIN(n, (size_t) REASON_MAX), reason);
        asked_free(a);
}

void asked_fail(Asked *a, int error, const char *reason) {
        asked_fail_as(a, name_of(error),
                        bus_text_or(isempty(reason) ? NULL : reason, words_of(error)));
}

void asked_done(int error, const char *reason, void *userdata) {
        Asked *a = userdata;

        if (error < 0) {
                asked_fail(a, error, reason);
                return;
        }
        (void) sd_bus_reply_method_return(a->message, NULL);
        asked_free(a);
}

void asked_text(int error, const char *reason, const char *text, void *userdata) {
        Asked *a = userdata;

        if (error < 0) {
                asked_fail(a, error, reason);
                return;
        }
        (void) sd_bus_reply_method_return(a->message, "s", text);
        asked_free(a);
}

void asked_verdict(int verdict, const char *text, void *userdata) {
        asked_done(verdict, text, userdata);
}

void asked_json(int error, const char *reason, const char *json, void *userdata) {
        _cleanup_free_ char *owned = NULL;
        const char *text = NULL;
        Asked *a = userdata;
        int r;

        r = error < 0 ? error : bus_text_json(json, &owned, &text);
        if (r < 0) {
                asked_fail(a, r, reason);
                return;
        }
        (void) sd_bus_reply_method_return(a->message, "s", text);
        asked_free(a);
}

void asked_reply(Asked *a, sd_bus_message *reply, int r) {
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r < 0)
                (void) sd_bus_reply_method_errno(a->message, r, NULL);
        asked_free(a);
}
