/* The flow of a deal. */
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "market/shop-private.h"

#define RECALLING_USEC (30 * SEC)
#define CHOOSING_USEC  (20 * SEC)
#define SILENCE_USEC   (10 * SEC) /* of who was asked, before the next one is */
#define OPEN_USEC      (2 * SEC)  /* between looks at one that is being paid */
#define ID_MAX         96         /* its refs are a little longer */

typedef enum DealState {
        DEAL_RECALLING,
        DEAL_CHOOSING,
        DEAL_BUYING,
        DEAL_DONE,
        DEAL_FAILED,
        _DEAL_STATE_MAX,
} DealState;

static Step deal_recall(Flow *f);
static Step deal_choose(Flow *f);
static Step deal_watch(Flow *f);
static uint64_t deal_deadline(Flow *f);
static void deal_finish(Flow *f);

/* clang-format off */
static const FlowState deal_states[_DEAL_STATE_MAX] = {
        /*                   name         enter        deadline        late         fails        next */
        [DEAL_RECALLING] = { "recalling", deal_recall, RECALLING_USEC, DEAL_FAILED, DEAL_FAILED, B(DEAL_RECALLING) | B(DEAL_CHOOSING) | B(DEAL_BUYING) | B(DEAL_DONE) },
        [DEAL_CHOOSING]  = { "choosing",  deal_choose, CHOOSING_USEC,  DEAL_FAILED, DEAL_FAILED, B(DEAL_BUYING) },
        [DEAL_BUYING]    = { "buying",    deal_watch,  HOUR,           DEAL_FAILED, DEAL_FAILED, B(DEAL_CHOOSING) | B(DEAL_DONE) },
        [DEAL_DONE]      = { "done",      .final = true },
        [DEAL_FAILED]    = { "failed",    .final = true },
};
/* clang-format on */

static const FlowTable deal_table = {
        .name = "deal",
        .states = deal_states,
        .n_states = _DEAL_STATE_MAX,
        .deadline = deal_deadline,
        .done = deal_finish,
};

static Deal *flow_deal(Flow *f) {
        return container_of(f, Deal, flow);
}

static usec_t time_left(const Deal *d) {
        usec_t now = shop_now(d->shop);

        return d->deadline > now ? d->deadline - now : 0;
}

static uint64_t deal_deadline(Flow *f) {
        usec_t left = MAX(time_left(flow_deal(f)), (usec_t) MSEC);

        return f->state == DEAL_BUYING ? left : MIN(left, deal_states[f->state].deadline_usec);
}

static int64_t money_left(const Deal *d) {
        return d->max_msat < 0 ? -1 : MAX(d->max_msat - d->spent_msat, INT64_C(0));
}

/* ---- what became of a try */

static void note_try(Deal *d, bool good) {
        const Purchase *p = d->purchase;

        if (!*purchase_provider(p))
                return;
        (void) records_note(&d->shop->records, &(RecordNote){
                                                               .pubkey_hex = purchase_provider(p),
                                                               .good = good,
                                                               .at = shop_time(d->shop),
                                                               .took_msec = purchase_took_msec(p),
                                                               .cost_msat = purchase_spent(p),
                                               });
}

static void end_try(Deal *d) {
        const char *who = purchase_provider(d->purchase);

        d->patience = sd_event_source_disable_unref(d->patience);
        d->spent_msat += purchase_spent(d->purchase);
        d->last_error = purchase_error(d->purchase);
        (void) snprintf(d->last_reason, sizeof(d->last_reason), "%s", purchase_reason(d->purchase));
        if (d->n_tries < DEAL_TRIES)
                (void) snprintf(d->tried[d->n_tries++], HEX32_MAX, "%s", who);
        log_debug("Try %u of %s ended: %s", d->n_tries, d->id, d->last_reason);
        d->purchase = purchase_free(d->purchase);
}

/* What no other provider could help with. */
static bool is_ours(int error) {
        return error == -EDQUOT || error == -EHOSTDOWN || error == -ENOKEY || error == -EAGAIN ||
               error == -ENOBUFS || error == -ENOMEM;
}

static Step fail_as_last(Deal *d) {
        int error = is_ours(d->last_error)                                       ? d->last_error
                    : d->last_error == -ETIMEDOUT || d->last_error == -ECANCELED ? -ETIMEDOUT
                                                                                 : -EREMOTEIO;

        return flow_fail(&d->flow, error, d->last_reason);
}

static Step recalled(Deal *d) {
        if (purchase_state(d->purchase) == PURCHASE_RECEIVED)
                return flow_go(DEAL_DONE);
        if (purchase_error(d->purchase) == -ENOENT) {
                d->purchase = purchase_free(d->purchase);
                return flow_go(DEAL_CHOOSING);
        }
        if (purchase_error(d->purchase) == -EAGAIN || !*purchase_id(d->purchase))
                return flow_fail(&d->flow, -EAGAIN, purchase_reason(d->purchase));
        end_try(d);
        return d->n_tries < DEAL_TRIES ? flow_go(DEAL_RECALLING) : fail_as_last(d);
}

static Step tried(Deal *d) {
        bool good = purchase_state(d->purchase) == PURCHASE_RECEIVED;

        if (good || purchase_is_blamed(d->purchase))
                note_try(d, good);
        if (good)
                return flow_go(DEAL_DONE);
        end_try(d);
        if (is_ours(d->last_error) || d->n_tries >= DEAL_TRIES || time_left(d) < SEC)
                return fail_as_last(d);
        return flow_go(DEAL_CHOOSING);
}

static void on_done(_unused_ Purchase *p, void *userdata) {
        Deal *d = userdata;

        flow_drive(&d->flow, d->flow.state == DEAL_RECALLING ? recalled(d) : tried(d));
}

/* One that was found, and is open. */
static void on_stored(_unused_ Purchase *p, void *userdata) {
        Deal *d = userdata;

        if (d->flow.state == DEAL_RECALLING)
                flow_drive(&d->flow, flow_go(DEAL_BUYING));
}

static void be_patient(Deal *d, usec_t usec);

static void on_progress(_unused_ Purchase *p, const char *status, _unused_ const char *text,
                void *userdata) {
        Deal *d = userdata;

        if (d->alive || d->flow.state != DEAL_BUYING || streq(status, "published") ||
                        streq(status, "refused"))
                return;
        d->alive = true;
        be_patient(d, time_left(d) / 2);
}

static const PurchaseHandler try_handler = {
        .stored = on_stored,
        .progress = on_progress,
        .done = on_done,
};

/* ---- recalling */

static PurchaseBuyer buyer(const Deal *d, const char *ref) {
        return (PurchaseBuyer){
                .key = d->key,
                .account = d->account,
                .grant = d->grant,
                .ref = ref,
        };
}

static void try_ref(const Deal *d, char *ret, size_t size) {
        (void) snprintf(ret, size, "%s/%u", d->id, d->n_tries + 1);
}

static Step deal_recall(Flow *f) {
        Deal *d = flow_deal(f);
        PurchaseBuyer who;
        char ref[128];
        int r;

        try_ref(d, ref, sizeof(ref));
        who = buyer(d, ref);
        r = purchase_find(d->shop->market, &who, &try_handler, d, &d->purchase);
        if (r < 0)
                return flow_fail(f, -EAGAIN, "what was bought before cannot be found now");
        return *purchase_id(d->purchase) ? flow_go(DEAL_BUYING) : flow_wait();
}

/* ---- choosing */

/* Who is allowed and announces nothing is still worth a try. */
static int add_allowed(const Deal *d, const Shelf *f, Offer **offers, size_t *n) {
        size_t max = f->n + strv_length(d->allowed);

        *n = f->n;
        *offers = reallocarray(NULL, max + 1, sizeof(**offers));
        if (!*offers)
                return -ENOMEM;
        for (size_t i = 0; i < f->n; i++)
                (*offers)[i] = f->offers[i]; /* borrowed */
        STRV_FOREACH (who, d->allowed) {
                bool known = false;

                for (size_t i = 0; i < f->n; i++)
                        known = known || streq(f->offers[i].pubkey_hex, *who);
                if (known || strlen(*who) != HEX32_MAX - 1)
                        continue;
                (*offers)[*n] = (Offer){ .price_msat = -1 };
                memcpy((*offers)[(*n)++].pubkey_hex, *who, HEX32_MAX);
        }
        return 0;
}

static int choose_offer(const Deal *d, const Shelf *f, Offer *ret, const char **ret_reason) {
        const char *tried_list[DEAL_TRIES + 1] = { 0 };
        const Wishes w = {
                .network = d->shop->network,
                .now = shop_time(d->shop),
                .model = d->model,
                .max_msat = money_left(d),
                .allowed = (const char *const *) d->allowed,
                .tried = tried_list,
                .again = d->n_tries > 0,
        };
        _cleanup_free_ Offer *offers = NULL;
        const Offer *chosen;
        size_t n;

        for (unsigned i = 0; i < d->n_tries; i++)
                tried_list[i] = d->tried[i];
        if (d->purchase) /* whom could be asked besides? */
                tried_list[d->n_tries] = purchase_provider(d->purchase);
        *ret_reason = "there is no memory";
        if (add_allowed(d, f, &offers, &n) < 0)
                return -ENOMEM;
        chosen = choose(offers, n, &d->shop->records, &w, ret_reason);
        if (!chosen)
                return -ENOENT;
        *ret = *chosen;
        return 0;
}

static Step buy(Deal *d, const Offer *o) {
        PurchaseOrder order = {
                .job = {
                        .kind = d->kind,
                        .input = d->input,
                        .input_type = d->input_type,
                        .params = (const char *const *) d->params,
                        .n_params = strv_length(d->params) / 2,
                        .relays = (const char *const *) d->relays,
                        .n_relays = strv_length(d->relays),
                        .provider = o->pubkey_hex,
                        .output = *d->output ? d->output : NULL,
                        .bid_msat = -1,
                        .encrypted = d->encrypt && o->encryption,
                },
                .timeout = time_left(d),
                .auto_pay = true,
                .max_msat = money_left(d),
                .fee_max_msat = d->fee_max_msat,
        };
        char ref[128];
        int r;

        try_ref(d, ref, sizeof(ref));
        order.buyer = buyer(d, ref);
        r = purchase_start(d->shop->market, &order, &try_handler, d, &d->purchase);
        if (r < 0)
                return flow_fail(&d->flow, r == -ENOBUFS || r == -ENOMEM ? r : -EAGAIN,
                                "it cannot be bought now");
        log_debug("Try %u of %s is with %s.", d->n_tries + 1, d->id, o->pubkey_hex);
        return flow_go(DEAL_BUYING);
}

static Step pick(Deal *d, const Shelf *f) {
        const char *reason;
        Offer o;
        int r;

        r = choose_offer(d, f, &o, &reason);
        if (r >= 0)
                return buy(d, &o);
        if (!d->refreshed) {
                d->refreshed = true;
                if (shop_shelf(d->shop, d->kind, true, &f) == 0) {
                        d->waits = true;
                        return flow_wait();
                }
        }
        return d->n_tries > 0 ? fail_as_last(d) : flow_fail(&d->flow, r, reason);
}

static Step deal_choose(Flow *f) {
        Deal *d = flow_deal(f);
        const Shelf *shelf;

        if (shop_shelf(d->shop, d->kind, false, &shelf) != 0)
                return pick(d, shelf);
        d->waits = true;
        return flow_wait();
}

void deal_go_on(Deal *d) {
        const Shelf *shelf;

        (void) shop_shelf(d->shop, d->kind, false, &shelf);
        flow_drive(&d->flow, pick(d, shelf));
}

/* ---- buying */

/* Nobody is given up for nobody. */
static bool has_next(const Deal *d) {
        const char *reason;
        const Shelf *f;
        Offer o;

        return d->n_tries + 1 < DEAL_TRIES && shop_shelf(d->shop, d->kind, false, &f) > 0 &&
               choose_offer(d, f, &o, &reason) >= 0;
}

static int on_impatient(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Deal *d = userdata;

        d->patience = sd_event_source_disable_unref(d->patience);
        if (d->flow.state != DEAL_BUYING || !d->purchase)
                return 0;
        if (purchase_is_paying(d->purchase))
                be_patient(d, OPEN_USEC);
        else if (has_next(d))
                (void) purchase_cancel(d->purchase, "the provider did not answer in time", true);
        return 0;
}

static void be_patient(Deal *d, usec_t usec) {
        d->patience = sd_event_source_disable_unref(d->patience);
        if (sd_event_add_time_relative(d->shop->event, &d->patience, CLOCK_BOOTTIME, usec,
                            usec / 32 + 1, on_impatient, d) < 0)
                log_debug("A provider is waited for to the end.");
}

/* Whom we have paid has said something, though we may have forgotten what. */
static Step deal_watch(Flow *f) {
        Deal *d = flow_deal(f);

        d->alive = purchase_state(d->purchase) >= PURCHASE_PAYING;
        be_patient(d, d->alive ? time_left(d) / 2 : MIN(SILENCE_USEC, time_left(d) / 2));
        return flow_wait();
}

/* ---- the end */

static const char *model_of(const Event *result) {
        const char *model = result ? event_tag_value(result, "model") : NULL;

        return model && strlen(model) <= NIP89_MODEL_MAX ? model : "";
}

static void give_up(Deal *d, bool late) {
        if (late && !purchase_is_paying(d->purchase))
                note_try(d, false);
        d->spent_msat += purchase_spent(d->purchase);
        d->purchase = purchase_abandon(d->purchase,
                        late ? "the provider did not answer in time" : "it is not wanted any more",
                        late);
}

static void deal_finish(Flow *f) {
        Deal *d = flow_deal(f);
        bool received = f->state == DEAL_DONE, late = f->error == -ETIMEDOUT;
        DealResult result = { .provider = "", .model = "" };
        const char *reason = received ? NULL : f->reason;

        d->waits = false;
        d->patience = sd_event_source_disable_unref(d->patience);
        if (received) {
                d->spent_msat += purchase_spent(d->purchase);
                result.content = purchase_content(d->purchase);
                result.provider = purchase_provider(d->purchase);
                result.model = model_of(purchase_result(d->purchase));
        } else if (d->purchase) {
                reason = purchase_is_paying(d->purchase) ? "a payment for it is still open"
                         : late                          ? "nobody answered in time"
                                                         : reason;
                give_up(d, late);
        }
        result.spent_msat = d->spent_msat;
        if (d->started)
                d->done(received ? 0 : f->error, reason, &result, d->userdata);
}

/* ---- life */

static int copy(char **to, const char *from) {
        *to = strdup(from ?: "");
        return *to ? 0 : -ENOMEM;
}

static int copy_list(char ***to, const char *const *from, size_t n) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n && from[i]; i++)
                r = strv_add(to, from[i]);
        return r;
}

static int deal_take(Deal *d, const DealOrder *o) {
        int r;

        r = copy(&d->id, o->id);
        if (r >= 0)
                r = copy(&d->key, o->key);
        if (r >= 0)
                r = copy(&d->account, o->account);
        if (r >= 0)
                r = copy(&d->grant, o->grant);
        if (r >= 0)
                r = copy(&d->input, o->job.input);
        if (r >= 0)
                r = copy(&d->input_type, o->job.input_type);
        if (r >= 0)
                r = copy(&d->output, o->job.output);
        if (r >= 0)
                r = copy(&d->model, o->model);
        if (r >= 0)
                r = copy_list(&d->params, o->job.params, 2 * o->job.n_params);
        if (r >= 0)
                r = copy_list(&d->relays, o->job.relays, o->job.n_relays);
        if (r >= 0 && o->providers)
                r = copy_list(&d->allowed, o->providers, SIZE_MAX);
        return r;
}

static bool is_dealt_with(const Shop *s, const char *id) {
        for (const Deal *d = s->deals; d; d = d->next)
                if (!d->flow.finished && streq(d->id, id))
                        return true;
        return false;
}

int deal_start(Shop *s, const DealOrder *o, deal_done_t done, void *userdata, Deal **ret) {
        _cleanup_(deal_freep) Deal *d = NULL;
        int r;

        if (isempty(o->id) || strlen(o->id) > ID_MAX || isempty(o->key) || isempty(o->account))
                return -EINVAL;
        if (is_dealt_with(s, o->id))
                return -EBUSY;
        d = new0(Deal, 1);
        if (!d)
                return -ENOMEM;
        *d = (Deal){
                .shop = s,
                .next = s->deals,
                .kind = o->job.kind,
                .max_msat = o->max_msat,
                .fee_max_msat = o->fee_max_msat,
                .deadline = shop_now(s) + o->timeout,
                .encrypt = o->encrypt,
                .done = done,
                .userdata = userdata,
        };
        if (d->next)
                d->next->prev = d;
        s->deals = d;

        r = deal_take(d, o);
        if (r >= 0)
                r = flow_start(&d->flow, &deal_table, s->event, DEAL_RECALLING);
        if (r >= 0 && d->flow.finished)
                r = d->flow.error;
        if (r < 0)
                return r;
        d->started = true;
        *ret = TAKE_PTR(d);
        return 0;
}

Deal *deal_free(Deal *d) {
        if (!d)
                return NULL;

        *(d->prev ? &d->prev->next : &d->shop->deals) = d->next;
        if (d->next)
                d->next->prev = d->prev;
        d->patience = sd_event_source_disable_unref(d->patience);
        d->purchase = purchase_leave(d->purchase);
        flow_stop(&d->flow);
        free(d->id);
        free(d->key);
        free(d->account);
        free(d->grant);
        free(d->input);
        free(d->input_type);
        free(d->output);
        free(d->model);
        (void) strv_free(d->params);
        (void) strv_free(d->relays);
        (void) strv_free(d->allowed);
        return mfree(d);
}
