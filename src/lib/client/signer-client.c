/* The client's side of com.openagents.Pylon1.Signer. Each call waits in a list; once a turn, calls
 * about the same with the same key become one batch, and each batch is one message. */
#include "client/signer-client.h"

#include "bus/names.h"
#include "bus/text.h"

#define CALL_USEC         (30 * SEC)
#define HOLD_USEC         (2 * MSEC) /* under load a turn may be long */
#define BATCH_ITEMS_MAX   256
#define CALL_ITEMS_MAX    1024 /* what the signer takes in one message */
#define WAITING_ITEMS_MAX 65536
#define FIELDS_MAX        3

typedef enum Op {
        OP_SIGN,
        OP_ENCRYPT,
        OP_DECRYPT,
        OP_WRAP,
        OP_UNWRAP,
        OP_PUBLIC_KEY,
        _OP_MAX,
} Op;

static int read_event(sd_bus_message *m, SignerResult *ret);
static int read_payload(sd_bus_message *m, SignerResult *ret);
static int read_text(sd_bus_message *m, SignerResult *ret);
static int read_rumor(sd_bus_message *m, SignerResult *ret);
static int read_pubkey(sd_bus_message *m, SignerResult *ret);

static const struct {
        const char *method;
        size_t n_fields;    /* strings of an item; 0: no array of items, and one result for all */
        const char *item;   /* the items' type */
        const char *result; /* the results' type */
        int (*read)(sd_bus_message *m, SignerResult *ret);
} ops[_OP_MAX] = {
        [OP_SIGN] = { "Sign", 1, "s", "(is)", read_event },
        [OP_ENCRYPT] = { "Encrypt", 3, "(sss)", "(is)", read_payload },
        [OP_DECRYPT] = { "Decrypt", 2, "(ss)", "(iss)", read_text },
        [OP_WRAP] = { "Wrap", 2, "(ss)", "(is)", read_event },
        [OP_UNWRAP] = { "Unwrap", 1, "s", "(is)", read_rumor },
        [OP_PUBLIC_KEY] = { "PublicKey", 0, NULL, NULL, read_pubkey },
};

typedef struct Item {
        char *fields[FIELDS_MAX];
} Item;

typedef struct Batch Batch;

struct SignerCall {
        SignerClient *client;
        SignerCall *prev, *next; /* in the list it is in: waiting, or of its batch */
        Batch *batch;            /* NULL while it waits */
        SignerCall **handle;
        Op op;
        char *key;
        Item *items;
        size_t n_items;
        signer_done_t done; /* NULL: cancelled, but its place in the batch stays */
        void *userdata;
};

typedef struct CallList {
        SignerCall *first, *last;
} CallList;

struct Batch {
        SignerClient *client; /* NULL: it was freed while results are being handed out */
        CallList calls;
        size_t n_items;
        bool handing_out;
        Batch *prev, *next;
};

struct SignerClient {
        BusClient *bus;
        sd_event *event;
        sd_event_source *flush;
        usec_t since; /* when the first of the waiting calls came */
        CallList waiting;
        size_t n_waiting, n_items; /* items not sent; and not answered, these included */
        Batch *batches;
};

static void list_add(CallList *l, SignerCall *call) {
        call->prev = l->last;
        call->next = NULL;
        *(l->last ? &l->last->next : &l->first) = call;
        l->last = call;
}

static void list_remove(CallList *l, SignerCall *call) {
        *(call->prev ? &call->prev->next : &l->first) = call->next;
        *(call->next ? &call->next->prev : &l->last) = call->prev;
}

/* Frees a call that is in no list any more. */
static SignerCall *call_destroy(SignerCall *call) {
        if (call->handle)
                *call->handle = NULL;
        for (size_t i = 0; i < call->n_items && call->items; i++)
                for (size_t k = 0; k < FIELDS_MAX; k++)
                        free(call->items[i].fields[k]);
        free(call->items);
        free(call->key);
        return mfree(call);
}

SignerCall *signer_call_free(SignerCall *call) {
        if (!call)
                return NULL;

        if (call->batch) { /* its results will come, and nobody reads them */
                if (call->handle)
                        *call->handle = NULL;
                call->handle = NULL;
                call->done = NULL;
                return NULL;
        }
        list_remove(&call->client->waiting, call);
        call->client->n_waiting -= call->n_items;
        call->client->n_items -= call->n_items;
        return call_destroy(call);
}

static Batch *batch_free(Batch *b) {
        SignerCall *call;

        while ((call = b->calls.first)) {
                list_remove(&b->calls, call);
                (void) call_destroy(call);
        }
        if (b->client) {
                *(b->prev ? &b->prev->next : &b->client->batches) = b->next;
                if (b->next)
                        b->next->prev = b->prev;
                b->client->n_items -= b->n_items;
        }
        return mfree(b);
}

/* ---- answers: as sd_bus_message_read(), 0 means that there are no more */

static int read_event(sd_bus_message *m, SignerResult *ret) {
        const char *text, *reason;
        int r;

        r = sd_bus_message_read(m, "(is)", &ret->error, &text);
        if (r <= 0)
                return r;
        if (ret->error < 0) {
                ret->reason = text;
                return 1;
        }
        r = event_parse_trusted(text, strlen(text), &ret->event, &reason);
        return r < 0 ? r : 1;
}

static int read_payload(sd_bus_message *m, SignerResult *ret) {
        const char *text;
        int r;

        r = sd_bus_message_read(m, "(is)", &ret->error, &text);
        if (r > 0)
                *(ret->error < 0 ? &ret->reason : &ret->text) = text;
        return r;
}

static int read_text(sd_bus_message *m, SignerResult *ret) {
        const char *text;
        int r;

        r = sd_bus_message_read(m, "(iss)", &ret->error, &ret->scheme, &text);
        if (r > 0)
                *(ret->error < 0 ? &ret->reason : &ret->text) = text;
        return r;
}

static int read_rumor(sd_bus_message *m, SignerResult *ret) {
        const char *text, *reason;
        int r;

        r = sd_bus_message_read(m, "(is)", &ret->error, &text);
        if (r <= 0)
                return r;
        if (ret->error < 0) {
                ret->reason = text;
                return 1;
        }
        r = rumor_parse(text, strlen(text), &ret->rumor, &reason);
        return r < 0 ? r : 1;
}

static int read_pubkey(sd_bus_message *m, SignerResult *ret) {
        return sd_bus_message_read(m, "s", &ret->text);
}

static int read_results(sd_bus_message *m, Op op, SignerResult *results, size_t n) {
        int r;

        if (ops[op].n_fields == 0)
                return ops[op].read(m, results);

        r = sd_bus_message_enter_container(m, 'a', ops[op].result);
        for (size_t i = 0; i < n && r > 0; i++)
                r = ops[op].read(m, results + i);
        if (r == 0)
                return -EBADMSG;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* Callbacks may free this client, other calls, and start new ones; the batch itself stays ours. */
static void batch_hand_out(Batch *b, int error, const char *name, const char *reason,
                const SignerResult *results) {
        SignerCall *call;

        b->handing_out = true;
        while ((call = b->calls.first)) {
                signer_done_t done = call->done;
                void *userdata = call->userdata;
                size_t n = call->n_items;

                list_remove(&b->calls, call);
                (void) call_destroy(call);
                if (done && error < 0)
                        done(error, name, reason, NULL, 0, userdata);
                else if (done)
                        done(0, "", NULL, results, n, userdata);
                if (results)
                        results += n;
        }
}

static void on_reply(sd_bus_message *m, int error, const char *name, const char *reason,
                void *userdata) {
        _cleanup_free_ SignerResult *results = NULL;
        Batch *b = userdata;
        size_t n = b->n_items;
        int r = error;

        if (r >= 0) {
                results = new0(SignerResult, n);
                r = results ? read_results(m, b->calls.first->op, results, n) : -ENOMEM;
                name = "";
                reason = r == -ENOMEM ? "there is no memory" : "the signer's answer makes no sense";
        }
        batch_hand_out(b, r, name, reason, r < 0 ? NULL : results);
        (void) batch_free(b);
        for (size_t i = 0; i < n && results; i++) {
                (void) event_unref(results[i].event);
                (void) rumor_unref(results[i].rumor);
        }
}

/* ---- requests */

static int append_item(sd_bus_message *m, Op op, const Item *item) {
        const char *const *f = (const char *const *) item->fields;

        switch (ops[op].n_fields) {
        case 1:
                return sd_bus_message_append(m, "s", f[0]);
        case 2:
                return sd_bus_message_append(m, "(ss)", f[0], f[1]);
        default:
                return sd_bus_message_append(m, "(sss)", f[0], f[1], f[2]);
        }
}

static int append_batch(sd_bus_message *m, const Batch *b) {
        const SignerCall *first = b->calls.first;
        int r;

        r = sd_bus_message_append(m, "s", first->key);
        if (r < 0 || ops[first->op].n_fields == 0)
                return r;

        r = sd_bus_message_open_container(m, 'a', ops[first->op].item);
        for (const SignerCall *call = first; call; call = call->next)
                for (size_t i = 0; i < call->n_items && r >= 0; i++)
                        r = append_item(m, first->op, call->items + i);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int batch_send(Batch *b) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(b->client->bus, BUS_SIGNER, ops[b->calls.first->op].method, &m);
        if (r < 0)
                return r;
        r = append_batch(m, b);
        if (r < 0)
                return r;
        return bus_client_call(b->client->bus, m, CALL_USEC, on_reply, b, NULL);
}

static bool fits(const Batch *b, const SignerCall *call) {
        const SignerCall *first = b->calls.first;

        if (!first)
                return true;
        return ops[call->op].n_fields > 0 && call->op == first->op &&
               streq(call->key, first->key) && b->n_items + call->n_items <= BATCH_ITEMS_MAX;
}

/* The first waiting call and all that can go with it. */
static int batch_new(SignerClient *c, Batch **ret) {
        Batch *b = new0(Batch, 1);
        SignerCall *next;

        if (!b)
                return -ENOMEM;

        b->client = c;
        b->next = c->batches;
        if (b->next)
                b->next->prev = b;
        c->batches = b;
        for (SignerCall *call = c->waiting.first; call; call = next) {
                next = call->next;
                if (!fits(b, call))
                        continue;
                list_remove(&c->waiting, call);
                list_add(&b->calls, call);
                call->batch = b;
                b->n_items += call->n_items;
                c->n_waiting -= call->n_items;
        }
        *ret = b;
        return 0;
}

/* Those whose request cannot be sent hear it now: this is only called from the event loop. */
static void batch_refuse(Batch *b, int error) {
        batch_hand_out(b, error, "", "the request to the signer cannot be sent", NULL);
        (void) batch_free(b);
}

static int client_on_flush(sd_event_source *s, void *userdata) {
        SignerClient *c = userdata;
        int r = 0;

        while (c->waiting.first && r >= 0) {
                Batch *b;

                r = batch_new(c, &b);
                if (r < 0)
                        break;
                r = batch_send(b);
                if (r >= 0)
                        continue;

                /* The rest at the next turn: callbacks may start new calls, or free the client. */
                (void) sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
                batch_refuse(b, r);
                return 0;
        }
        return r < 0 ? sd_event_source_set_enabled(s, SD_EVENT_ONESHOT) : 0;
}

/* One turn may last long under load; then waiting calls go out with the bus's own turn. */
static int client_want_flush(SignerClient *c) {
        usec_t now;
        int r;

        r = sd_event_now(c->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        if (!c->waiting.first->next)
                c->since = now;

        r = sd_event_source_set_priority(
                        c->flush, c->n_waiting >= BATCH_ITEMS_MAX || now - c->since >= HOLD_USEC
                                                  ? SD_EVENT_PRIORITY_IMPORTANT
                                                  : SD_EVENT_PRIORITY_IDLE);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(c->flush, SD_EVENT_ONESHOT);
}

static int call_new(SignerClient *c, Op op, const char *key, size_t n, SignerCall **ret) {
        SignerCall *call;

        if (n == 0 || n > CALL_ITEMS_MAX)
                return -EINVAL;
        if (c->n_items + n > WAITING_ITEMS_MAX)
                return -ENOBUFS;
        call = new0(SignerCall, 1);
        if (!call)
                return -ENOMEM;

        *call = (SignerCall){ .client = c, .op = op, .n_items = n };
        call->key = strdup(key);
        call->items = new0(Item, n);
        if (!call->key || !call->items) {
                (void) call_destroy(call);
                return -ENOMEM;
        }
        *ret = call;
        return 0;
}

/* Takes the call whose items have been filled in, or frees it where filling them in failed. */
static int call_start(
                SignerCall *call, int r, signer_done_t done, void *userdata, SignerCall **ret) {
        SignerClient *c = call->client;

        if (r < 0) {
                (void) call_destroy(call);
                return r;
        }

        call->done = done;
        call->userdata = userdata;
        list_add(&c->waiting, call);
        c->n_waiting += call->n_items;
        c->n_items += call->n_items;
        r = client_want_flush(c);
        if (r < 0) {
                (void) signer_call_free(call);
                return r;
        }

        call->handle = ret;
        if (ret)
                *ret = call;
        return 0;
}

static int draft_text(const Draft *d, char **ret) {
        _cleanup_free_ char *json = NULL, *owned = NULL;
        const char *fit;
        int r;

        r = draft_json(d, &json);
        if (r < 0)
                return r;
        r = bus_text_json(json, &owned, &fit);
        if (r < 0)
                return r;

        *ret = owned ? TAKE_PTR(owned) : TAKE_PTR(json);
        return 0;
}

int signer_sign(SignerClient *c, const char *key, const Draft *const *drafts, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret) {
        SignerCall *call;
        int r;

        r = call_new(c, OP_SIGN, key, n, &call);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = draft_text(drafts[i], &call->items[i].fields[0]);
        return call_start(call, r, done, userdata, ret);
}

static int item_set(Item *item, const char *const fields[static FIELDS_MAX]) {
        for (size_t i = 0; i < FIELDS_MAX && fields[i]; i++) {
                if (!bus_text_is_fit(fields[i]))
                        return -EILSEQ;
                item->fields[i] = strdup(fields[i]);
                if (!item->fields[i])
                        return -ENOMEM;
        }
        return 0;
}

int signer_encrypt(SignerClient *c, const char *key, const SignerText *texts, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret) {
        SignerCall *call;
        int r;

        r = call_new(c, OP_ENCRYPT, key, n, &call);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = item_set(call->items + i, (const char *const[FIELDS_MAX]){ texts[i].peer,
                                                              texts[i].scheme, texts[i].text });
        return call_start(call, r, done, userdata, ret);
}

int signer_decrypt(SignerClient *c, const char *key, const SignerText *texts, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret) {
        SignerCall *call;
        int r;

        r = call_new(c, OP_DECRYPT, key, n, &call);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = item_set(call->items + i,
                                (const char *const[FIELDS_MAX]){ texts[i].peer, texts[i].text });
        return call_start(call, r, done, userdata, ret);
}

int signer_wrap(SignerClient *c, const char *key, const Draft *rumor, const char *const *recipients,
                signer_done_t done, void *userdata, SignerCall **ret) {
        _cleanup_free_ char *text = NULL;
        size_t n = 1; /* the author's own */
        SignerCall *call;
        int r;

        while (recipients[n - 1])
                n++;
        r = draft_text(rumor, &text);
        if (r >= 0)
                r = call_new(c, OP_WRAP, key, n, &call);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = item_set(call->items + i,
                                (const char *const[FIELDS_MAX]){ recipients[i] ?: "", text });
        return call_start(call, r, done, userdata, ret);
}

static int event_text(Event *e, char **ret) {
        _cleanup_free_ char *owned = NULL;
        const char *fit;
        int r;

        r = bus_text_json(event_json(e, NULL), &owned, &fit);
        if (r < 0)
                return r;
        *ret = owned ? TAKE_PTR(owned) : strdup(fit);
        return *ret ? 0 : -ENOMEM;
}

int signer_unwrap(SignerClient *c, const char *key, Event *const *wraps, size_t n,
                signer_done_t done, void *userdata, SignerCall **ret) {
        SignerCall *call;
        int r;

        r = call_new(c, OP_UNWRAP, key, n, &call);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = event_text(wraps[i], &call->items[i].fields[0]);
        return call_start(call, r, done, userdata, ret);
}

int signer_public_key(SignerClient *c, const char *key, signer_done_t done, void *userdata,
                SignerCall **ret) {
        SignerCall *call;
        int r;

        r = call_new(c, OP_PUBLIC_KEY, key, 1, &call);
        return r < 0 ? r : call_start(call, 0, done, userdata, ret);
}

int signer_client_new(sd_event *event, const char *socket_path, SignerClient **ret) {
        _cleanup_(signer_client_freep) SignerClient *c = new0(SignerClient, 1);
        int r;

        if (!c)
                return -ENOMEM;

        c->event = sd_event_ref(event);
        r = bus_client_new(event, socket_path, &c->bus);
        if (r < 0)
                return r;
        r = sd_event_add_defer(event, &c->flush, client_on_flush, c);
        if (r < 0)
                return r;
        (void) sd_event_source_set_description(c->flush, "signer-client-flush");
        r = sd_event_source_set_enabled(c->flush, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c);
        return 0;
}

SignerClient *signer_client_free(SignerClient *c) {
        if (!c)
                return NULL;

        while (c->waiting.first)
                (void) signer_call_free(c->waiting.first);
        /* A batch that is just being handed out frees itself. */
        for (Batch *b = c->batches, *next; b; b = next) {
                next = b->next;
                for (SignerCall *call = b->calls.first; call; call = call->next)
                        (void) signer_call_free(call);
                if (b->handing_out)
                        b->client = NULL;
                else
                        (void) batch_free(b);
        }
        (void) bus_client_free(c->bus);
        sd_event_source_disable_unref(c->flush);
        sd_event_unref(c->event);
        return mfree(c);
}
