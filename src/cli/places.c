#include "places.h"

#define LIMIT 1000

static int read_list(Places *p) {
        const char *customer, *state;
        uint16_t kind;
        int r;

        r = sd_bus_message_enter_container(p->reply, 'a', "(sqsssux)");
        while (r >= 0 && p->n < LIMIT) {
                Place *one = &p->list[p->n];

                r = sd_bus_message_read(p->reply, "(sqsssux)", &one->id, &kind, &customer, &state,
                                &one->class, &one->position, &one->seconds);
                if (r == 0)
                        break;
                p->n += r > 0;
        }
        return r;
}

void places_read(const Cli *cli, Places *ret) {
        _cleanup_(remote_done) Remote provider = { 0 };
        CallError error;

        *ret = (Places){ .list = new0(Place, LIMIT) };
        if (!ret->list)
                return;
        if (remote_open(cli, "provider", &provider, &error) >= 0 &&
                        remote_call(&provider, "Queue", &ret->reply, &error, "u",
                                        (uint32_t) LIMIT) >= 0 &&
                        read_list(ret) < 0)
                ret->n = 0;
}

void places_done(Places *p) {
        sd_bus_message_unref(p->reply);
        free(p->list);
}

const Place *places_find(const Places *p, const char *id) {
        for (size_t i = 0; i < p->n; i++)
                if (streq(p->list[i].id, id))
                        return &p->list[i];
        return NULL;
}
