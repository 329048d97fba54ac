#include "bad-events.h"

static int read_relays(sd_bus_message *m, BadEvents *b) {
        const char *url, *state, *error;
        uint64_t in, out, waiting;
        int64_t since;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sssxttt)");
        while (r >= 0 && b->n < BAD_EVENTS_MAX &&
                        (r = sd_bus_message_read(m, "(sssxttt)", &url, &state, &error, &since, &in,
                                         &out, &waiting)) > 0) {
                b->list[b->n].relay = strdup(url);
                if (!b->list[b->n].relay)
                        return -ENOMEM;
                b->n++;
        }
        return r;
}

static int read_count(sd_bus_message *m, uint64_t *ret) {
        const char *name;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = streq(name, "events_bad") ? sd_bus_message_read(m, "v", "t", ret)
                                                      : sd_bus_message_skip(m, "v");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r;
}

void bad_events_read(const Cli *cli, BadEvents *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *relays = NULL;
        _cleanup_(remote_done) Remote relay = { 0 };
        CallError error;
        size_t n = 0;

        *ret = (BadEvents){ 0 };
        if (remote_open(cli, "relay", &relay, &error) < 0 ||
                        remote_call(&relay, "Relays", &relays, &error, NULL) < 0 ||
                        read_relays(relays, ret) < 0)
                return;
        for (size_t i = 0; i < ret->n; i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *status = NULL;

                if (remote_call(&relay, "Status", &status, &error, "s", ret->list[i].relay) >= 0)
                        (void) read_count(status, &ret->list[i].n);
        }
        for (size_t i = 0; i < ret->n; i++) /* those that have sent any */
                if (ret->list[i].n > 0)
                        ret->list[n++] = ret->list[i];
                else
                        free(ret->list[i].relay);
        ret->n = n;
}

void bad_events_done(BadEvents *b) {
        for (size_t i = 0; i < b->n; i++)
                free(b->list[i].relay);
}
