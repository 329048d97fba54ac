/* NIP-11: what the relay says about itself is read when a connection stands, now and then, and
 * obeyed: nothing is sent that it says it would refuse. */
#include <stdio.h>
#include <time.h>

#include "upstream-private.h"

#define AGAIN_USEC (6 * 60 * MIN_)

/* "Fri, 20 Nov 2026 22:52:08 GMT" (RFC 9110); its names are English in every locale. */
static void note_clock(Upstream *u, const char *date) {
        static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
        char month[4] = "";
        struct tm t = { 0 };
        const char *at;

        if (sscanf(date, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &t.tm_mday, month, &t.tm_year,
                            &t.tm_hour, &t.tm_min, &t.tm_sec) != 6)
                return;
        at = strstr(months, month);
        if (!at || strlen(month) != 3 || (at - months) % 3 != 0 || t.tm_year < 1970)
                return;
        t.tm_mon = (int) (at - months) / 3;
        t.tm_year -= 1900;
        u->clock_offset = (int64_t) timegm(&t) - hub_now();
}

static void on_got(WsGet *g, int error, const char *reason, const char *text, size_t size,
                void *userdata) {
        Upstream *u = userdata;
        RelayInfo *info = NULL;
        int r = error;

        if (r >= 0)
                r = relay_info_parse(text, size, &info, &reason);
        if (r < 0)
                log_debug("%s tells nothing about itself: %s.", u->url->text, reason);
        else {
                relay_info_free(u->info);
                u->info = info;
        }
        if (error >= 0)
                note_clock(u, ws_get_date(g));
        u->getting = ws_get_free(u->getting);
}

void info_refresh(Upstream *u) {
        const WsTarget t = connect_target(u, u->good_address);
        usec_t now = hub_monotonic(u->hub);

        if (u->getting || (u->info_at > 0 && now < u->info_at + AGAIN_USEC))
                return;
        u->info_at = now;
        (void) ws_get(u->hub->ws, &t, NIP11_SIZE_MAX, on_got, u, &u->getting);
}

const char *info_refusal(const Upstream *u, const Letter *l) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason;

        if (!u->info || event_parse_trusted(l->json, l->size, &e, &reason) < 0)
                return NULL;
        return relay_info_refusal(u->info, e, hub_now());
}
