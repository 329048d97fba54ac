/* A purchase from its row: of a former life, or of somebody who asks for it again by its ref. */
#include <stdio.h>

#include "basic/log.h"
#include "basic/text.h"
#include "market/market-private.h"

PurchaseState purchase_stored_state(const char *name) {
        for (PurchaseState s = PURCHASE_ASKING; s < _PURCHASE_STATE_MAX; s++)
                if (streq(purchase_state_name(s), name) && purchase_state_is_durable(s))
                        return s;
        return PURCHASE_SIGNING;
}

static int split(const char *words, char ***ret) {
        _cleanup_free_ char *copy = strdup(words);
        char *rest = copy, *word;
        int r = copy ? 0 : -ENOMEM;

        while (r >= 0 && (word = strsep(&rest, " ")))
                if (*word)
                        r = strv_add(ret, word);
        return r;
}

static int put(char **place, const char *value) {
        char *copy = strdup(value);

        if (!copy)
                return -ENOMEM;
        free(*place);
        *place = copy;
        return 0;
}

static int read_texts(Purchase *p, const PurchaseRow *row) {
        const char *reason;
        int r;

        r = event_parse_trusted(row->request, strlen(row->request), &p->request, &reason);
        if (r >= 0)
                r = split(row->relays, &p->relays);
        if (r >= 0)
                r = put(&p->key, row->key);
        if (r >= 0)
                r = put(&p->account, row->account);
        if (r >= 0)
                r = put(&p->grant, row->grant);
        if (r >= 0 && !p->ref)
                r = put(&p->ref, row->ref);
        if (r >= 0 && *row->bolt11)
                r = put(&p->bolt11, row->bolt11);
        if (r >= 0 && *row->result)
                r = event_parse_trusted(row->result, strlen(row->result), &p->result, &reason);
        return r;
}

int purchase_read(Purchase *p, const PurchaseRow *row) {
        int r;

        r = read_texts(p, row);
        if (r < 0)
                return r;
        (void) snprintf(p->provider, sizeof(p->provider), "%s", row->provider);
        (void) snprintf(p->payee, sizeof(p->payee), "%s", row->payee);
        p->auto_pay = row->auto_pay;
        p->bid_msat = row->bid_msat;
        p->max_msat = row->max_msat;
        p->fee_max_msat = row->fee_max_msat;
        p->amount_msat = row->amount_msat;
        p->fee_msat = row->fee_msat;
        p->created_at = row->created_at;
        p->deadline = row->deadline;
        p->stored = p->resumed = true;
        return 0;
}

int purchase_register(Purchase *p) {
        Market *m = p->market;
        int r;

        (void) snprintf(p->subscription, sizeof(p->subscription), "job:%.16s",
                        event_id_hex(p->request));
        r = map_put_string(&m->by_id, event_id_hex(p->request), p);
        if (r < 0)
                return r;
        r = map_put_string(&m->by_subscription, p->subscription, p);
        if (r < 0)
                map_remove_string(&m->by_id, event_id_hex(p->request));
        p->registered = r >= 0;
        return r;
}

/* ---- by its ref */

static void on_opened(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Purchase *p = userdata;

        if (error >= 0) {
                error = results[0].error;
                reason = results[0].reason;
        }
        if (error >= 0) {
                p->content = strdup(results[0].text);
                error = p->content ? 0 : -ENOMEM;
        }
        flow_drive(&p->flow, error < 0 ? flow_fail(&p->flow, error, reason ?: "there is no memory")
                                       : flow_go(PURCHASE_RECEIVED));
}

/* The result is on disk as it came. */
static Step found_result(Purchase *p) {
        const SignerText text = {
                .peer = p->result ? event_pubkey_hex(p->result) : "",
                .text = p->result ? event_content(p->result, NULL) : "",
        };
        int r;

        if (!p->result)
                return flow_fail(&p->flow, -EUCLEAN, "its result is not in the database");
        if (!event_find_tag(p->result, "encrypted", NULL) || !*text.text)
                return flow_go(PURCHASE_RECEIVED);
        r = signer_decrypt(p->market->signer, p->key, &text, 1, on_opened, p, &p->signing);
        return r < 0 ? flow_fail(&p->flow, -EAGAIN, "the signer could not be asked") : flow_wait();
}

static Step found(Purchase *p, const PurchaseRow *row) {
        PurchaseState state = purchase_stored_state(row->state);
        int r;

        r = state == PURCHASE_SIGNING ? -EBADMSG : purchase_read(p, row);
        if (r >= 0 && state != PURCHASE_RECEIVED && state != PURCHASE_FAILED)
                r = purchase_register(p);
        if (r < 0)
                return flow_fail(&p->flow, r, "what was bought before cannot be taken up");

        log_debug("Purchase %.12s is found by %s: %s", purchase_id(p), p->ref, row->state);
        p->stored = state != PURCHASE_RECEIVED && state != PURCHASE_FAILED; /* nothing to write */
        if (state == PURCHASE_FAILED)
                return flow_fail(&p->flow, -EREMOTEIO, row->error);
        return state == PURCHASE_RECEIVED ? found_result(p) : flow_go((int) state);
}

static void on_found(
                int error, const char *reason, const PurchaseRow *rows, size_t n, void *userdata) {
        Purchase *p = userdata;
        Step s = flow_go(PURCHASE_SIGNING);

        if (error < 0)
                s = flow_fail(&p->flow, -EAGAIN, reason);
        else if (n > 0)
                s = found(p, rows);
        else if (p->only_find)
                s = flow_fail(&p->flow, -ENOENT, "there is no such purchase");
        flow_drive(&p->flow, s);
}

Step purchase_look(Flow *f) {
        Purchase *p = flow_purchase(f);
        int r;

        r = purchases_find(p->market->purchases, p->ref, on_found, p, &p->finding);
        if (r < 0)
                return flow_fail(f, -EAGAIN, "the store could not be asked");
        return flow_wait();
}
