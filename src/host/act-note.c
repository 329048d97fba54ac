/* What everybody can read: notes, answers, reactions, and whom the agent follows. */
#include <stdio.h>

#include "basic/text.h"
#include "deed.h"
#include "nostr/nip02.h"
#include "nostr/nip10.h"

#define LISTS_MAX 4 /* of one author: relays may hold old ones */

static Step draft_ready(Flow *f, int r) {
        return r < 0 ? flow_fail(f, r,
                                       r == -EINVAL ? "it is nothing to react with"
                                                    : "it could not be written")
                     : deed_sign_draft(f);
}

/* ---- a note of its own */

static Step post_sign(Flow *f) {
        Deed *d = flow_deed(f);
        int r;

        r = draft_new(NIP10_NOTE_KIND, hands_now(d->hands), &d->draft);
        if (r >= 0)
                r = draft_content(d->draft, d->action->text, strlen(d->action->text));
        return draft_ready(f, r);
}

const DeedClass deed_post = { .sign = post_sign, .send = deed_publish_note };

/* ---- answers: the thread is in the note that is answered, so it has to be found */

static void on_note(int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        Deed *d = userdata;

        if (error >= 0 && n == 0) {
                error = -ENOENT;
                reason = "the note that is answered was not found";
        }
        if (error >= 0)
                d->found = event_ref(events[0]);
        flow_drive(&d->flow,
                        error < 0 ? flow_fail(&d->flow, error, reason) : flow_go(DEED_SIGNING));
}

static Step answer_prepare(Flow *f) {
        Deed *d = flow_deed(f);
        char filter[96];
        const char *const filters[] = { filter, NULL };
        int r;

        (void) snprintf(filter, sizeof(filter), "{\"ids\":[\"%s\"]}", d->action->to);
        r = deed_ask_relays(d, filters, 1, on_note);
        return r < 0 ? flow_fail(f, r, "the relays could not be asked") : flow_wait();
}

static Answer answer(const Deed *d) {
        return (Answer){
                .to = d->found,
                .author = d->agent->pubkey_hex,
                .text = d->action->text,
        };
}

static Step reply_sign(Flow *f) {
        Deed *d = flow_deed(f);
        const Answer a = answer(d);

        return draft_ready(f, reply_draft(&a, hands_now(d->hands), &d->draft));
}

static Step react_sign(Flow *f) {
        Deed *d = flow_deed(f);
        const Answer a = answer(d);

        return draft_ready(f, reaction_draft(&a, hands_now(d->hands), &d->draft));
}

const DeedClass deed_reply = {
        .prepare = answer_prepare,
        .sign = reply_sign,
        .send = deed_publish_note,
};
const DeedClass deed_react = {
        .prepare = answer_prepare,
        .sign = react_sign,
        .send = deed_publish_note,
};

/* ---- whom it follows: the list is replaced as a whole, so the newest one is looked for first, and
 * two changes come one after the other */

static void on_list(int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        Deed *d = userdata;

        if (error >= 0 && n > 0)
                d->found = event_ref(events[0]); /* the newest comes first */
        flow_drive(&d->flow,
                        error < 0 ? flow_fail(&d->flow, error, reason) : flow_go(DEED_SIGNING));
}

static Step follow_prepare(Flow *f) {
        Deed *d = flow_deed(f);
        char filter[128];
        const char *const filters[] = { filter, NULL };
        int r;

        if (deed_before(d, ACTION_FOLLOW))
                return flow_wait(); /* it is called again when that one is over */
        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%d],\"authors\":[\"%s\"]}", NIP02_KIND,
                        d->agent->pubkey_hex);
        r = deed_ask_relays(d, filters, LISTS_MAX, on_list);
        return r < 0 ? flow_fail(f, r, "the relays could not be asked") : flow_wait();
}

static Step follow_sign(Flow *f) {
        Deed *d = flow_deed(f);
        const Follow change = {
                .old = d->found,
                .pubkey_hex = d->action->to,
                .on = d->action->on,
        };
        int r;

        r = follow_list_draft(&change, hands_now(d->hands), &d->draft);
        if (r == 1)
                return flow_fail(f, -EALREADY,
                                d->action->on ? "it follows them already"
                                              : "it does not follow them");
        return r < 0 ? flow_fail(f, r, "the list could not be written") : deed_sign_draft(f);
}

const DeedClass deed_follow = {
        .prepare = follow_prepare,
        .sign = follow_sign,
        .send = deed_publish_note,
};
