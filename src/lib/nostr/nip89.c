#include "nostr/nip89.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/json.h"
#include "basic/text.h"

#define CONTENT_MAX 16384

static int write_text_name(Buffer *b, const char *name) {
        return buffer_addf(b, "%s\"%s\":", b->data[b->size - 1] == '{' ? "" : ",", name);
}

static int write_text(Buffer *b, const char *name, const char *value) {
        int r;

        r = write_text_name(b, name);
        return r < 0 ? r : json_write_string(b, value, strlen(value));
}

/* {"model":{"required":false,"values":["a","b"]},…}: the registry's form. */
static int write_param(Buffer *b, const char *name, const char *const *values, size_t n) {
        int r;

        r = write_text_name(b, name) ?: buffer_add_string(b, "{\"required\":false,\"values\":[");
        for (size_t i = 0; i < n && r >= 0; i++) {
                if (i > 0)
                        r = buffer_add_string(b, ",");
                if (r >= 0)
                        r = json_write_string(b, values[i], strlen(values[i]));
        }
        return r < 0 ? r : buffer_add_string(b, "]}");
}

static int write_params(const Announcement *a, Buffer *b) {
        int r = 0;

        if (a->n_models > 0)
                r = write_param(b, "model", a->models, MIN(a->n_models, (size_t) NIP89_MODELS_MAX));
        for (const char *const *p = a->params; p && *p && r >= 0; p++)
                r = write_param(b, *p, NULL, 0);
        return r;
}

/* NIP-89 has kind 0's fields; the rest is what clients of DVMs look for. */
static int write_content(const Announcement *a, Buffer *b) {
        char price[24] = "free";
        int r;

        if (a->price_msat > 0)
                (void) snprintf(price, sizeof(price), "%" PRIi64, a->price_msat);

        r = buffer_add_string(b, "{") ?: write_text(b, "name", a->name)
                        ?: write_text(b, "about", a->about) ?: write_text(b, "amount", price);
        if (r >= 0 && a->lud16)
                r = write_text(b, "lud16", a->lud16);
        if (r >= 0)
                r = buffer_addf(b, ",\"encryptionSupported\":%s,\"nip90Params\":{",
                                a->encryption ? "true" : "false");
        if (r >= 0)
                r = write_params(a, b);
        return r < 0 ? r : buffer_add_string(b, "}}");
}

static int add_kinds(Draft *d, const Announcement *a) {
        int r = 0;

        for (size_t i = 0; i < a->n_kinds && r >= 0; i++) {
                char kind[8], capability[32];

                (void) snprintf(kind, sizeof(kind), "%u", a->kinds[i]);
                (void) snprintf(capability, sizeof(capability), "nip90-kind-%u", a->kinds[i]);
                r = draft_tag(d, "k", kind, NULL) ?: draft_tag(d, "capability", capability, NULL);
        }
        return r;
}

/* OpenAgents' own tags. Its price says "sats" and means millisats; who reads it knows. */
static int add_openagents(Draft *d, const Announcement *a) {
        char price[24];

        (void) snprintf(price, sizeof(price), "%" PRIi64, a->price_msat);
        return draft_tag(d, "handler", "compute_provider", NULL)
                        ?: draft_tag(d, "price", price, "per-request", "sats", NULL)
                        ?: draft_tag(d, "network", a->network, NULL);
}

int nip89_draft(const Announcement *a, int64_t now, Draft **ret) {
        _cleanup_buffer_ Buffer b = { .max = CONTENT_MAX };
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = draft_new(NIP89_KIND, now, &d) ?: write_content(a, &b);
        if (r < 0)
                return r;

        r = draft_tag(d, "d", a->identifier, NULL) ?: add_kinds(d, a) ?: add_openagents(d, a)
                        ?: draft_content(d, b.data, b.size);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

int nip89_withdrawal_draft(const char *pubkey_hex, const char *const *identifiers, size_t n,
                int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = draft_new(5, now, &d);
        for (size_t i = 0; i < n && r >= 0; i++) {
                _cleanup_buffer_ Buffer address = { .max = CONTENT_MAX };

                r = buffer_addf(&address, "%d:%s:%s", NIP89_KIND, pubkey_hex, identifiers[i])
                                    ?: draft_tag(d, "a", address.data, NULL);
        }
        if (r >= 0)
                r = draft_tag(d, "k", "31990", NULL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

/* Of the content: "free", or the price of a request. Elsewhere it may be sats, in a number: then it
 * says nothing. */
static int64_t content_price(const Event *e) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *text, *reason;
        size_t size;

        text = event_content(e, &size);
        if (json_parse(text, size, 8, 4096, &j, &reason) < 0 || !json_is_object(j) ||
                        json_string(json_get(j, "amount"), &text) < 0)
                return -1;
        return streq(text, "free") ? 0 : -1;
}

int64_t nip89_price(const Event *e, uint16_t kind) {
        const Tag *t = NULL;
        char number[8];
        int64_t msat;

        (void) snprintf(number, sizeof(number), "%u", kind);
        if (event_find_tag(e, "k", NULL) && !event_has_tag(e, "k", number))
                return -1;
        while ((t = event_find_tag(e, "price", t)))
                if (t->n >= 3 && streq(t->values[2], "per-request") &&
                                parse_i64(t->values[1], &msat) >= 0)
                        return msat;
        return content_price(e);
}

/* ---- what others offer */

#define OFFER_DEPTH_MAX  8
#define OFFER_VALUES_MAX 4096

void nip89_offer_done(Offer *o) {
        o->models = strv_free(o->models);
}

static int read_models(const Json *content, Offer *o) {
        const Json *values =
                        json_get(json_get(json_get(content, "nip90Params"), "model"), "values");
        size_t n = MIN(json_array_size(values), (size_t) NIP89_MODELS_MAX);
        const char *name;
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                if (json_string(json_array_at(values, i), &name) >= 0 && *name &&
                                strlen(name) <= NIP89_MODEL_MAX)
                        r = strv_add(&o->models, name);
        return r;
}

/* A content that is no JSON is one that says nothing. */
static int read_content(const Event *e, Offer *o) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const char *text, *reason;
        size_t size;
        int r;

        text = event_content(e, &size);
        r = json_parse(text, size, OFFER_DEPTH_MAX, OFFER_VALUES_MAX, &j, &reason);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (json_bool(json_get(j, "encryptionSupported"), &o->encryption) < 0)
                o->encryption = false;
        return read_models(j, o);
}

int nip89_offer_read(const Event *e, uint16_t kind, Offer *ret, const char **reterr) {
        Offer o = { .created_at = event_created_at(e), .price_msat = nip89_price(e, kind) };
        const char *network = event_tag_value(e, "network");
        char number[8];
        int r;

        (void) snprintf(number, sizeof(number), "%u", kind);
        if (event_kind(e) != NIP89_KIND || !event_has_tag(e, "k", number)) {
                *reterr = "it offers nothing of that kind";
                return -EBADMSG;
        }
        memcpy(o.pubkey_hex, event_pubkey_hex(e), sizeof(o.pubkey_hex));
        if (network && strlen(network) < sizeof(o.network))
                (void) snprintf(o.network, sizeof(o.network), "%s", network);
        r = read_content(e, &o);
        if (r < 0) {
                nip89_offer_done(&o);
                *reterr = "there is no memory";
                return r;
        }
        *ret = o;
        return 0;
}
