#include "client/why-client.h"

#include "bus/client.h"
#include "bus/names.h"
#include "bus/text.h"

struct WhyCall {
        BusCall *bus;
        why_counted_t counted;
        why_answer_t answer;
        void *userdata;
        WhyCall **handle;
};

WhyCall *why_call_free(WhyCall *call) {
        if (!call)
                return NULL;

        if (call->handle)
                *call->handle = NULL;
        call->bus = bus_call_free(call->bus);
        return mfree(call);
}

static void on_reply(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        WhyCall *call = userdata;
        const WhyCall copy = *call;

        (void) why_call_free(call);
        if (copy.answer)
                copy.answer(m, error, reason, copy.userdata);
        else
                copy.counted(error, reason, copy.userdata);
}

static int send(StoreClient *c, sd_bus_message *m, const WhyCall *template, WhyCall **ret) {
        _cleanup_(why_call_freep) WhyCall *call = new0(WhyCall, 1);
        int r;

        if (!call)
                return -ENOMEM;
        *call = *template;
        r = bus_client_call(store_client_bus(c), m, 0, on_reply, call, &call->bus);
        if (r < 0)
                return r;
        call->handle = ret;
        *ret = TAKE_PTR(call);
        return 0;
}

static int append_counts(sd_bus_message *m, const WhyBatch *b) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(xsqst)");
        for (const WhyCount *c = b->counts; c < b->counts + b->n_counts && r >= 0; c++)
                r = sd_bus_message_append(
                                m, "(xsqst)", c->hour, c->relay, c->kind, c->verdict, c->n);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_bids(sd_bus_message *m, const WhyBatch *b) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(xqut)");
        for (const WhyBid *w = b->bids; w < b->bids + b->n_bids && r >= 0; w++)
                r = sd_bus_message_append(m, "(xqut)", w->hour, w->kind, w->percent, w->n);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_requests(sd_bus_message *m, const WhyBatch *b) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "(xsqsssssxxxxs)");
        for (const WhyRequest *q = b->requests; q < b->requests + b->n_requests && r >= 0; q++)
                r = sd_bus_message_append(m, "(xsqsssssxxxxs)", q->at, q->relay, q->kind,
                                q->verdict, bus_text_or(q->reason, ""), q->class, q->backend,
                                bus_text_or(q->model, ""), q->bid_msat, q->price_msat, q->wait_ms,
                                q->run_ms, q->id);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int why_client_count(StoreClient *c, const WhyBatch *b, why_counted_t done, void *userdata,
                WhyCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(store_client_bus(c), BUS_STORE_WHY, "Count", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "st", b->source, b->number);
        if (r >= 0)
                r = append_counts(m, b);
        if (r >= 0)
                r = append_bids(m, b);
        if (r >= 0)
                r = append_requests(m, b);
        if (r < 0)
                return r;
        return send(c, m, &(WhyCall){ .counted = done, .userdata = userdata }, ret);
}

int why_client_read(
                StoreClient *c, int64_t since, why_answer_t done, void *userdata, WhyCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(store_client_bus(c), BUS_STORE_WHY, "Read", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "x", since);
        if (r < 0)
                return r;
        return send(c, m, &(WhyCall){ .answer = done, .userdata = userdata }, ret);
}

int why_client_request(StoreClient *c, const char *prefix, why_answer_t done, void *userdata,
                WhyCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(store_client_bus(c), BUS_STORE_WHY, "Request", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", prefix);
        if (r < 0)
                return r;
        return send(c, m, &(WhyCall){ .answer = done, .userdata = userdata }, ret);
}
