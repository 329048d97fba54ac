/* The mode, told to provider and host. */
#include "wish.h"

#include "bus/names.h"
#include "question.h"

#define DEADLINE (15 * SEC)

struct Wish {
        Question *provider, *host;
        unsigned waiting;
        wish_done_t done;
        void *userdata;
};

bool mode_wants_provider(Mode mode) {
        return mode != MODE_HOST;
}

bool mode_wants_host(Mode mode) {
        return mode != MODE_PROVIDER;
}

static void wish_on_answer(
                sd_bus_message *reply, const char *name, const char *message, void *userdata) {
        Wish *w = userdata;
        wish_done_t done = w->done;

        if (!done || (reply && --w->waiting > 0))
                return;
        w->done = NULL;
        done(reply ? NULL : name, reply ? NULL : message, w->userdata);
}

int wish_new(sd_event *event, const Paths *paths, Mode mode, wish_done_t done, void *userdata,
                Wish **ret) {
        const QuestionText provider = { "provider", BUS_PROVIDER,
                mode_wants_provider(mode) ? "Online" : "Offline", NULL, DEADLINE },
                           host = { "host", BUS_HOST, mode_wants_host(mode) ? "Online" : "Offline",
                                   NULL, DEADLINE };
        _cleanup_(wish_freep) Wish *w = new0(Wish, 1);
        int r;

        if (!w)
                return -ENOMEM;
        *w = (Wish){ .waiting = 2, .done = done, .userdata = userdata };
        r = question_new(event, paths, &provider, wish_on_answer, w, &w->provider);
        if (r >= 0)
                r = question_new(event, paths, &host, wish_on_answer, w, &w->host);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

Wish *wish_free(Wish *w) {
        if (!w)
                return NULL;
        question_free(w->provider);
        question_free(w->host);
        return mfree(w);
}
