#include "client/customers-client.h"

#include "bus/names.h"

struct CustomersCall {
        BusCall *bus;
        customers_row_t row;
        customers_done_t done;
        void *userdata;
        CustomersCall **handle;
};

CustomersCall *customers_call_free(CustomersCall *call) {
        if (!call)
                return NULL;

        if (call->handle)
                *call->handle = NULL;
        call->bus = bus_call_free(call->bus);
        return mfree(call);
}
DEFINE_CLEANUP(CustomersCall, customers_call_free)

static void on_noted(_unused_ sd_bus_message *reply, _unused_ int error, _unused_ const char *name,
                _unused_ const char *reason, _unused_ void *userdata) {
}

int customers_note(StoreClient *c, const char *what, const char *job, const char *customer,
                int64_t day) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(store_client_bus(c), BUS_STORE_SERVICE, "NoteCustomer", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sssx", what, job, customer, day);
        return r < 0 ? r : bus_client_call(store_client_bus(c), m, 0, on_noted, NULL, NULL);
}

static int read_rows(sd_bus_message *m, const CustomersCall *call) {
        const char *customer;
        int64_t n;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(sx)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(sx)", &customer, &n)) > 0)
                r = call->row(customer, n, call->userdata);
        return MIN(r, 0);
}

static void on_read(sd_bus_message *reply, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        CustomersCall *call = userdata;
        const CustomersCall copy = *call;

        (void) customers_call_free(call);
        if (error >= 0) {
                error = read_rows(m, &copy);
                reason = "the store's answer could not be read";
        }
        copy.done(error, error < 0 ? reason : NULL, copy.userdata);
}

int customers_read(StoreClient *c, const char *what, int64_t since_day, customers_row_t row,
                customers_done_t done, void *userdata, CustomersCall **ret) {
        _cleanup_(customers_call_freep) CustomersCall *call = NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        call = new0(CustomersCall, 1);
        if (!call)
                return -ENOMEM;
        call->row = row;
        call->done = done;
        call->userdata = userdata;
        r = bus_client_message(store_client_bus(c), BUS_STORE_SERVICE, "Customers", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sxu", what, since_day, (uint32_t) CUSTOMERS_MAX);
        if (r >= 0)
                r = bus_client_call(store_client_bus(c), m, 0, on_read, call, &call->bus);
        if (r < 0)
                return r;
        call->handle = ret;
        *ret = TAKE_PTR(call);
        return 0;
}
