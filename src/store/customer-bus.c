#include "customer-bus.h"

#include "request.h"

#define COUNTS_MAX 65536

static int request_note(Store *s, sd_bus_message *m, _unused_ sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        CustomerNote n = { 0 };
        int r;

        r = sd_bus_message_read(m, "sssx", &n.what, &n.job, &n.customer, &n.day);
        if (r < 0)
                return r;
        r = customer_note(s->customers, &n, reterr);
        return r < 0 && r != -EINVAL ? store_note(s, r) : r;
}

int method_note_customer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_run(userdata, m, STORE_SERVICES, request_note, error);
}

static int append_customer(const char *customer, int64_t n, void *userdata) {
        return sd_bus_message_append(userdata, "(sx)", customer, n);
}

static int request_customers(Store *s, sd_bus_message *m, sd_bus_message *reply,
                _unused_ bool *ret_lazy, const char **reterr) {
        const char *what;
        uint32_t limit;
        int64_t day;
        int r;

        r = sd_bus_message_read(m, "sxu", &what, &day, &limit);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(sx)");
        if (r < 0)
                return r;
        r = customer_counts(s->customers, what, day, MIN(limit, (uint32_t) COUNTS_MAX),
                        append_customer, reply);
        if (r < 0) {
                *reterr = sql_reason(store_note(s, r));
                return r;
        }
        return sd_bus_message_close_container(reply);
}

int method_customers(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return request_ask(userdata, m, STORE_SERVICES, request_customers, error);
}
