#include "client/purchases-client.h"

#include "bus/client.h"
#include "bus/names.h"
#include "bus/text.h"

#define PAGE_MAX  256
#define WHOLE_ROW "(sqssssssbxxxxxssssxxss)"

struct PurchasesCall {
        PurchasesClient *client;
        BusCall *bus;
        union {
                purchases_verdict_t verdict;
                purchases_page_t page;
                purchases_outcomes_t outcomes;
        } done;
        void *userdata;
        PurchasesCall **handle, *prev, *next;
};

struct PurchasesClient {
        BusClient *bus;
        PurchasesCall *calls;
};

static void call_unlink(PurchasesCall *call) {
        *(call->prev ? &call->prev->next : &call->client->calls) = call->next;
        if (call->next)
                call->next->prev = call->prev;
        if (call->handle)
                *call->handle = NULL;
}

PurchasesCall *purchases_call_free(PurchasesCall *call) {
        if (!call)
                return NULL;

        call_unlink(call);
        call->bus = bus_call_free(call->bus);
        return mfree(call);
}

static int call_send(PurchasesClient *c, sd_bus_message *m, bus_reply_t on_reply,
                const PurchasesCall *what, PurchasesCall **ret) {
        PurchasesCall *call;
        int r;

        call = new0(PurchasesCall, 1);
        if (!call)
                return -ENOMEM;
        *call = *what;
        call->client = c;
        call->next = c->calls;
        if (call->next)
                call->next->prev = call;
        c->calls = call;

        r = bus_client_call(c->bus, m, 0, on_reply, call, &call->bus);
        if (r < 0) {
                (void) purchases_call_free(call);
                return r;
        }
        call->handle = ret;
        if (ret)
                *ret = call;
        return 0;
}

static void on_verdict(sd_bus_message *m, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        PurchasesCall *call = userdata;
        purchases_verdict_t done = call->done.verdict;
        const char *text = reason ?: "";
        int verdict = error;

        userdata = call->userdata;
        call_unlink(call);
        free(call);
        if (error >= 0 && sd_bus_message_read(m, "is", &verdict, &text) < 0) {
                verdict = -EBADMSG;
                text = "the store's answer could not be read";
        }
        if (done)
                done(verdict, text, userdata);
}

int purchases_add(PurchasesClient *c, const PurchaseRow *row, purchases_verdict_t done,
                void *userdata, PurchasesCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *owned = NULL;
        const char *request;
        int r;

        r = bus_text_json(row->request, &owned, &request);
        if (r >= 0)
                r = bus_client_message(c->bus, BUS_STORE_PURCHASES, "AddPurchase", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sqsssbxxxxssssx", row->id, row->kind, row->provider,
                                row->relays, request, (int) row->auto_pay, row->bid_msat,
                                row->max_msat, row->created_at, row->deadline, row->key,
                                row->account, row->grant, row->ref, row->fee_max_msat);
        if (r < 0)
                return r;
        return call_send(c, m, on_verdict,
                        &(PurchasesCall){ .done.verdict = done, .userdata = userdata }, ret);
}

int purchases_move(PurchasesClient *c, const PurchaseChange *change, purchases_verdict_t done,
                void *userdata, PurchasesCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_free_ char *owned = NULL;
        const char *result;
        int r;

        r = bus_text_json(change->result ?: "", &owned, &result);
        if (r >= 0)
                r = bus_client_message(c->bus, BUS_STORE_PURCHASES, "MovePurchase", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssssssxxxxb", change->id, change->state,
                                change->payee ?: "", change->bolt11 ?: "", result,
                                bus_text_or(change->error, ""), change->amount_msat,
                                change->fee_msat, change->deadline, change->took_msec,
                                (int) change->blamed);
        if (r < 0)
                return r;
        return call_send(c, m, on_verdict,
                        &(PurchasesCall){ .done.verdict = done, .userdata = userdata }, ret);
}

static int read_page(sd_bus_message *m, PurchaseRow *rows, size_t *ret_n) {
        int r, auto_pay;

        r = sd_bus_message_enter_container(m, 'a', WHOLE_ROW);
        while (r >= 0 && *ret_n < PAGE_MAX) {
                PurchaseRow *p = rows + *ret_n;

                r = sd_bus_message_read(m, WHOLE_ROW, &p->id, &p->kind, &p->provider, &p->state,
                                &p->relays, &p->request, &p->payee, &p->bolt11, &auto_pay,
                                &p->bid_msat, &p->max_msat, &p->amount_msat, &p->created_at,
                                &p->deadline, &p->key, &p->account, &p->grant, &p->ref,
                                &p->fee_max_msat, &p->fee_msat, &p->result, &p->error);
                if (r == 0)
                        break;
                p->auto_pay = r > 0 && auto_pay;
                *ret_n += r > 0;
        }
        return MIN(r, 0);
}

typedef int (*read_rows_t)(sd_bus_message *m, PurchaseRow *rows, size_t *ret_n);

static void finish_page(PurchasesCall *call, sd_bus_message *reply, int error, const char *reason,
                read_rows_t read) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_free_ PurchaseRow *rows = NULL;
        purchases_page_t done = call->done.page;
        void *userdata = call->userdata;
        size_t n = 0;

        call_unlink(call);
        free(call);
        if (error >= 0) {
                rows = new0(PurchaseRow, PAGE_MAX);
                error = rows ? read(m, rows, &n) : -ENOMEM;
                reason = "the store's answer could not be read";
        }
        done(error, error < 0 ? reason : NULL, rows, error < 0 ? 0 : n, userdata);
}

static void on_page(sd_bus_message *reply, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        finish_page(userdata, reply, error, reason, read_page);
}

int purchases_open(PurchasesClient *c, const char *after, purchases_page_t done, void *userdata,
                PurchasesCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_STORE_PURCHASES, "OpenPurchases", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "su", after, (uint32_t) PAGE_MAX);
        if (r < 0)
                return r;
        return call_send(c, m, on_page, &(PurchasesCall){ .done.page = done, .userdata = userdata },
                        ret);
}

int purchases_find(PurchasesClient *c, const char *ref, purchases_page_t done, void *userdata,
                PurchasesCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_STORE_PURCHASES, "FindPurchase", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", ref);
        if (r < 0)
                return r;
        return call_send(c, m, on_page, &(PurchasesCall){ .done.page = done, .userdata = userdata },
                        ret);
}

static int read_outcomes(sd_bus_message *m, PurchaseOutcome *rows, size_t *ret_n) {
        int r, good;

        r = sd_bus_message_enter_container(m, 'a', "(sbxxx)");
        while (r >= 0 && *ret_n < PURCHASE_OUTCOMES_MAX) {
                PurchaseOutcome *o = rows + *ret_n;

                r = sd_bus_message_read(m, "(sbxxx)", &o->provider, &good, &o->at, &o->took_msec,
                                &o->cost_msat);
                if (r == 0)
                        break;
                o->good = r > 0 && good;
                *ret_n += r > 0;
        }
        return MIN(r, 0);
}

static void on_outcomes(sd_bus_message *reply, int error, _unused_ const char *name,
                const char *reason, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = sd_bus_message_ref(reply);
        _cleanup_free_ PurchaseOutcome *rows = NULL;
        PurchasesCall *call = userdata;
        purchases_outcomes_t done = call->done.outcomes;
        size_t n = 0;

        userdata = call->userdata;
        call_unlink(call);
        free(call);
        if (error >= 0) {
                rows = new0(PurchaseOutcome, PURCHASE_OUTCOMES_MAX);
                error = rows ? read_outcomes(m, rows, &n) : -ENOMEM;
                reason = "the store's answer could not be read";
        }
        done(error, error < 0 ? reason : NULL, rows, error < 0 ? 0 : n, userdata);
}

int purchases_outcomes(PurchasesClient *c, purchases_outcomes_t done, void *userdata,
                PurchasesCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_STORE_PURCHASES, "PurchaseOutcomes", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "u", (uint32_t) PURCHASE_OUTCOMES_MAX);
        if (r < 0)
                return r;
        return call_send(c, m, on_outcomes,
                        &(PurchasesCall){ .done.outcomes = done, .userdata = userdata }, ret);
}

/* The columns of the table, as the public interface has them. */
static int read_column(sd_bus_message *m, const char *name, PurchaseRow *p) {
        const struct {
                const char *name;
                const char **place;
        } texts[] = {
                { "id", &p->id },
                { "provider_pubkey", &p->provider },
                { "status", &p->state },
                { "request", &p->request },
                { "relays", &p->relays },
                { "payee_pubkey", &p->payee },
                { "bolt11", &p->bolt11 },
                { "result", &p->result },
                { "error_message", &p->error },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(texts[i].name, name))
                        return sd_bus_message_read(m, "v", "s", texts[i].place);
        if (streq(name, "amount_msats"))
                return sd_bus_message_read(m, "v", "x", &p->amount_msat);
        return sd_bus_message_skip(m, "v");
}

static int read_one(sd_bus_message *m, PurchaseRow *p, size_t *ret_n) {
        const char *name;
        int r;

        *p = (PurchaseRow){ .id = "",
                .provider = "",
                .state = "",
                .request = "",
                .relays = "",
                .payee = "",
                .bolt11 = "",
                .result = "",
                .error = "",
                .key = "",
                .account = "",
                .grant = "",
                .ref = "" };
        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = sd_bus_message_read(m, "s", &name);
                if (r >= 0)
                        r = read_column(m, name, p);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        *ret_n = 1;
        return MIN(r, 0);
}

static void on_one(sd_bus_message *reply, int error, _unused_ const char *name, const char *reason,
                void *userdata) {
        finish_page(userdata, reply, error, reason, read_one);
}

int purchases_get(PurchasesClient *c, const char *id, purchases_page_t done, void *userdata,
                PurchasesCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(c->bus, BUS_STORE, "GetPurchase", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", id);
        if (r < 0)
                return r;
        return call_send(c, m, on_one, &(PurchasesCall){ .done.page = done, .userdata = userdata },
                        ret);
}

int purchases_client_new(sd_event *event, const char *socket_path, PurchasesClient **ret) {
        _cleanup_(purchases_client_freep) PurchasesClient *c = NULL;
        int r;

        c = new0(PurchasesClient, 1);
        if (!c)
                return -ENOMEM;
        r = bus_client_new(event, socket_path, &c->bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

PurchasesClient *purchases_client_free(PurchasesClient *c) {
        if (!c)
                return NULL;

        while (c->calls)
                (void) purchases_call_free(c->calls);
        c->bus = bus_client_free(c->bus);
        return mfree(c);
}
