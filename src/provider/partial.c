#include "partial.h"

#include "basic/text.h"

#define FIRST 4  /* of the pause, before the first part */
#define SHARE 16 /* a part has at least one sixteenth that the one before it had not */

bool partial_is_worth(size_t said, size_t size) {
        return size > said && size - said >= said / SHARE;
}

static usec_t now_of(const Partial *p) {
        usec_t now = 0;

        (void) sd_event_now(p->event, CLOCK_BOOTTIME, &now);
        return now;
}

static void partial_say(Partial *p) {
        if (!partial_is_worth(p->said, p->text.size))
                return;
        p->said = p->text.size;
        p->last = now_of(p);
        p->send(p->text.data, utf8_prefix(p->text.data, p->text.size, p->text.size), p->userdata);
}

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        partial_say(userdata);
        return 0;
}

static void partial_arm(Partial *p) {
        int enabled = SD_EVENT_OFF;
        usec_t at = p->last + p->interval;

        if (p->interval == 0)
                return;
        if (p->timer) {
                (void) sd_event_source_get_enabled(p->timer, &enabled);
                if (enabled != SD_EVENT_OFF)
                        return;
                (void) sd_event_source_set_time(p->timer, at);
                (void) sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
                return;
        }
        if (sd_event_add_time(p->event, &p->timer, CLOCK_BOOTTIME, at, p->interval / 10, on_timer,
                            p) >= 0)
                (void) sd_event_source_set_description(p->timer, "partial");
}

void partial_init(Partial *p, sd_event *event, size_t size_max, usec_t interval,
                partial_send_t send, void *userdata) {
        partial_done(p);
        *p = (Partial){
                .interval = interval,
                .event = sd_event_ref(event),
                .send = send,
                .userdata = userdata,
        };
        buffer_init(&p->text, size_max);
        /* The first words come soon, but not at once: short answers need no parts. */
        p->last = now_of(p) - interval + interval / FIRST;
}

void partial_done(Partial *p) {
        p->timer = sd_event_source_disable_unref(p->timer);
        p->event = sd_event_unref(p->event);
        buffer_done(&p->text);
}

int partial_add(Partial *p, const char *bytes, size_t size) {
        int r;

        r = buffer_add(&p->text, bytes, size);
        if (r >= 0)
                partial_arm(p);
        return r;
}

void partial_clear(Partial *p) {
        buffer_clear(&p->text);
        p->said = 0;
}
