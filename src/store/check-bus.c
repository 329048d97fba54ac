#include "check-bus.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "bus/authorize.h"
#include "request.h"

#define READ_THROUGH_MAX (INT64_C(64) << 20) /* bytes; more would keep everybody waiting */
#define PROBE_SETTING    "store.checked"

typedef struct Check {
        Store *store;
        sd_bus_message *call;
        char integrity[256];
        usec_t began;
} Check;

static usec_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
        return (usec_t) t.tv_sec * SEC + (usec_t) t.tv_nsec / 1000;
}

/* "ok", or the first thing that is wrong; "" where the file is too large to be read through. */
static int check_integrity(Store *s, char *ret, size_t size) {
        struct stat st;
        int r;

        *ret = '\0';
        if (stat(s->path, &st) < 0)
                return -errno;
        if (st.st_size > READ_THROUGH_MAX)
                return 0;
        r = s->integrity ? 0 : sql_prepare(s->db, "PRAGMA quick_check(1)", &s->integrity);
        if (r < 0)
                return r;
        r = sql_step(s->integrity);
        if (r > 0)
                (void) snprintf(ret, size, "%s", sql_text(s->integrity, 0));
        (void) sql_reset(s->integrity);
        return MIN(r, 0);
}

static void on_committed(int error, const char *reason, void *userdata) {
        Check *c = userdata;
        struct stat st = { 0 };

        (void) stat(c->store->path, &st);
        if (error < 0)
                (void) sd_bus_reply_method_errnof(
                                c->call, -error, "A commit does not reach the disk: %s.", reason);
        else
                (void) sd_bus_reply_method_return(c->call, "a{sv}", 3, "integrity", "s",
                                c->integrity, "commit_usec", "t", now_usec() - c->began,
                                "size_bytes", "t", (uint64_t) st.st_size);
        sd_bus_message_unref(c->call);
        free(c);
}

/* A real commit, of a setting that means nothing. */
static int write_probe(Check *c) {
        Store *s = c->store;
        int r;

        c->began = now_usec();
        r = sql_request_begin(s->group);
        if (r < 0)
                return r;
        r = setting_set(s->settings, PROBE_SETTING, "");
        if (r < 0) {
                sql_request_refuse(s->group);
                return r;
        }
        return sql_request_ok(s->group, false, on_committed, c);
}

int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Store *s = userdata;
        Check *c;
        int r;

        r = bus_authorize(
                        service_server(s->service), m, "com.openagents.pylon1.store.backup", error);
        if (r <= 0)
                return r < 0 ? r : 1; /* 0: polkit asks, and we are called again */
        c = new0(Check, 1);
        if (!c)
                return -ENOMEM;
        *c = (Check){ .store = s, .call = sd_bus_message_ref(m) };
        r = check_integrity(s, c->integrity, sizeof(c->integrity));
        if (r >= 0)
                r = write_probe(c);
        if (r >= 0)
                return 1;
        sd_bus_message_unref(c->call);
        free(c);
        return store_refuse_database(s, error, r);
}
