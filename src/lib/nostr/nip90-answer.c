/* Feedback, results and cancellations: written, read, and checked against the request. */
#include <inttypes.h>
#include <stdio.h>

#include "basic/json.h"
#include "basic/text.h"
#include "nostr/nip90.h"
#include "nostr/tag-list.h"

#define ANSWER_TAGS_SIZE 2048 /* what else is in a result */

static const char *const status_names[_JOB_STATUS_MAX] = {
        [JOB_STATUS_PAYMENT_REQUIRED] = "payment-required",
        [JOB_STATUS_PROCESSING] = "processing",
        [JOB_STATUS_PARTIAL] = "partial",
        [JOB_STATUS_SUCCESS] = "success",
        [JOB_STATUS_ERROR] = "error",
};

static JobStatus status_from_name(const char *name) {
        for (JobStatus s = 0; s < JOB_STATUS_OTHER; s++)
                if (streq(status_names[s], name))
                        return s;
        return JOB_STATUS_OTHER;
}

const char *job_status_name(JobStatus s) {
        return status_names[s] ?: "";
}

static int add_string(Buffer *b, const char *before, const char *s, size_t size) {
        int r;

        r = buffer_add_string(b, before);
        return r < 0 ? r : json_write_string(b, s, size);
}

int job_feedback_sealed_text(const JobAnswer *a, char **ret) {
        const char *name = job_status_name(a->status), *text = a->text ?: "";
        _cleanup_buffer_ Buffer b = { .max = 8 * (a->content_size + strlen(text)) + 128 };
        int r;

        r = add_string(&b, "[[\"status\",", name, strlen(name));
        if (r >= 0 && *text)
                r = add_string(&b, ",", text, strlen(text));
        if (r >= 0)
                r = buffer_add_string(&b, "]");
        if (r >= 0 && a->content)
                r = add_string(&b, ",[\"content\",", a->content, a->content_size);
        if (r >= 0)
                r = buffer_add_string(&b, a->content ? "]]" : "]");
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

static int add_status(Draft *d, const JobAnswer *a) {
        return draft_tag(d, "status", status_names[a->status], isempty(a->text) ? NULL : a->text,
                        NULL);
}

static int add_amount(Draft *d, const JobAnswer *a) {
        char msat[24];

        if (a->amount_msat < 0)
                return 0;

        (void) snprintf(msat, sizeof(msat), "%" PRIi64, a->amount_msat);
        return draft_tag(d, "amount", msat, isempty(a->invoice) ? NULL : a->invoice, NULL);
}

static int add_request(Draft *d, const Event *request, const JobAnswer *a) {
        return draft_tag(d, "e", event_id_hex(request), isempty(a->relay) ? NULL : a->relay, NULL);
}

static int add_customer(Draft *d, const Event *request) {
        return draft_tag(d, "p", event_pubkey_hex(request), NULL);
}

static int add_content(Draft *d, const JobAnswer *a) {
        int r;

        r = a->encrypted ? draft_tag(d, "encrypted", NULL) : 0;
        if (r < 0 || !a->content)
                return r;
        return draft_content(d, a->content, a->content_size);
}

static int add_expiration(Draft *d, const JobAnswer *a) {
        char at[24];

        if (a->expires_at <= 0)
                return 0;

        (void) snprintf(at, sizeof(at), "%" PRIi64, a->expires_at);
        return draft_tag(d, "expiration", at, NULL);
}

int job_feedback_draft(const JobRequest *r, const JobAnswer *a, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int q;

        q = draft_new(JOB_FEEDBACK_KIND, now, &d);
        if (q < 0)
                return q;

        q = add_status(d, a) ?: add_amount(d, a) ?: add_request(d, r->event, a)
                        ?: add_customer(d, r->event) ?: add_expiration(d, a) ?: add_content(d, a);
        if (q < 0)
                return q;

        *ret = TAKE_PTR(d);
        return 0;
}

/* NIP-90: results carry the whole request, which doubles them. Where relays would refuse the sum,
 * the `e` tag must do. */
static int add_whole_request(Draft *d, const Event *request, const JobAnswer *a) {
        const char *json;
        size_t size;

        json = event_json(request, &size);
        return size + a->content_size > JOB_ANSWER_MAX / 2 ? 0
                                                           : draft_tag(d, "request", json, NULL);
}

/* Copied as they came, from the part that everybody could read, while there is room for them. */
static int add_inputs(Draft *d, const Event *request, const JobAnswer *a) {
        const Tag *t = NULL;
        size_t size = a->content_size;
        int r = 0;

        while ((t = event_find_tag(request, "i", t)))
                for (size_t i = 0; i < t->n; i++)
                        size += strlen(t->values[i]) + 3;
        if (size > JOB_ANSWER_MAX - ANSWER_TAGS_SIZE)
                return 0;
        while (r >= 0 && (t = event_find_tag(request, "i", t)))
                r = draft_tag_strv(d, t->values, t->n);
        return r;
}

static int add_kind_of_answer(Draft *d, const JobAnswer *a) {
        int r = 0;

        if (!isempty(a->output))
                r = draft_tag(d, "output", a->output, NULL);
        if (r >= 0 && !isempty(a->model))
                r = draft_tag(d, "model", a->model, NULL);
        return r;
}

int job_result_draft(const JobRequest *r, const JobAnswer *a, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        const Event *request = r->event;
        int q;

        q = draft_new(job_result_kind(event_kind(request)), now, &d);
        if (q < 0)
                return q;

        q = add_whole_request(d, request, a) ?: add_request(d, request, a)
                        ?: add_inputs(d, request, a) ?: add_customer(d, request) ?: add_status(d, a)
                        ?: add_amount(d, a) ?: add_kind_of_answer(d, a) ?: add_expiration(d, a)
                        ?: add_content(d, a);
        if (q < 0)
                return q;

        *ret = TAKE_PTR(d);
        return 0;
}

int job_cancel_draft(const Event *request, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        char kind[8];
        int r;

        (void) snprintf(kind, sizeof(kind), "%u", event_kind(request));
        r = draft_new(5, now, &d);
        if (r < 0)
                return r;

        r = draft_tag(d, "e", event_id_hex(request), NULL) ?: draft_tag(d, "k", kind, NULL)
                        ?: draft_content(d, "cancelled", strlen("cancelled"));
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

static const char *value_or_empty(const Tag *t, size_t i) {
        return t && i < t->n ? t->values[i] : "";
}

static void read_amount(const Event *e, JobAnswer *a) {
        const Tag *t = event_find_tag(e, "amount", NULL);

        a->amount_msat = -1;
        if (parse_i64(value_or_empty(t, 1), &a->amount_msat) < 0)
                a->amount_msat = -1;
        a->invoice = value_or_empty(t, 2);
}

static void read_status(const Event *e, JobAnswer *a) {
        const Tag *t = event_find_tag(e, "status", NULL);

        /* A result needs none; NIP-90: feedback without one says nothing. */
        a->status_text = t                                    ? value_or_empty(t, 1)
                         : event_kind(e) == JOB_FEEDBACK_KIND ? ""
                                                              : "success";
        a->status = status_from_name(a->status_text);
        a->text = value_or_empty(t, 2);
}

int job_answer_parse(const Event *e, JobAnswer *ret, const char **reterr) {
        const Tag *t = event_find_tag(e, "e", NULL);
        uint16_t kind = event_kind(e);
        uint8_t id[32];

        if (kind != JOB_FEEDBACK_KIND && !job_kind_is_request((uint16_t) (kind - 1000))) {
                *reterr = "it is of no kind that answers a request";
                return -EBADMSG;
        }
        if (hex_decode(value_or_empty(t, 1), id, sizeof(id)) < 0) {
                *reterr = "it names no request";
                return -EBADMSG;
        }

        *ret = (JobAnswer){
                .job_id = t->values[1],
                .relay = value_or_empty(t, 2),
                .customer = event_tag_value(e, "p") ?: "",
                .encrypted = event_find_tag(e, "encrypted", NULL),
                .feedback = kind == JOB_FEEDBACK_KIND,
        };
        ret->content = event_content(e, &ret->content_size);
        read_status(e, ret);
        read_amount(e, ret);
        return 0;
}

static void open_tag(JobAnswer *a, const Tag *t) {
        if (streq(t->values[0], "status") && t->n >= 2) {
                a->status_text = t->values[1];
                a->status = status_from_name(a->status_text);
                a->text = value_or_empty(t, 2);
        } else if (streq(t->values[0], "amount") && t->n >= 2) {
                if (parse_i64(t->values[1], &a->amount_msat) < 0)
                        a->amount_msat = -1;
                a->invoice = value_or_empty(t, 2);
        } else if (streq(t->values[0], "content") && t->n >= 2) {
                a->content = t->values[1];
                a->content_size = strlen(a->content);
        }
}

int job_answer_open(JobAnswer *a, const char *plaintext, size_t size, TagList **ret_tags) {
        TagList *tags = NULL;
        const char *reason;
        int r = -EBADMSG;

        if (a->feedback)
                r = tag_list_parse(plaintext, size, &tags, &reason);
        if (r == -ENOMEM)
                return r;
        a->content = r < 0 ? plaintext : "";
        a->content_size = strlen(a->content);
        for (size_t i = 0; r >= 0 && i < tags->n; i++)
                open_tag(a, tags->tags + i);
        *ret_tags = tags;
        return 0;
}

/* The text of the `request` tag is whatever its author wrote. It proves nothing; but where it is an
 * event, and another one, the answer is not ours. */
static bool carries_another_request(const Event *answer, const Event *request) {
        const char *json = event_tag_value(answer, "request"), *reason;
        _cleanup_(event_unrefp) Event *e = NULL;

        if (!json || streq(json, event_json(request, NULL)))
                return false;
        if (event_parse(json, strlen(json), &e, &reason) < 0)
                return false;
        return memcmp(event_id(e), event_id(request), 32) != 0;
}

static const char *what_is_wrong(
                const Event *answer, const Event *request, const char *provider_hex) {
        uint16_t kind = event_kind(answer);
        const char *customer;

        if (kind != JOB_FEEDBACK_KIND && kind != job_result_kind(event_kind(request)))
                return "it is of another kind than an answer would be";
        if (provider_hex && !streq(event_pubkey_hex(answer), provider_hex))
                return "another provider wrote it";
        if (!event_has_tag(answer, "e", event_id_hex(request)))
                return "it answers another request";

        customer = event_tag_value(answer, "p");
        if (customer && !event_has_tag(answer, "p", event_pubkey_hex(request)))
                return "it is meant for somebody else";
        if (carries_another_request(answer, request))
                return "it carries another request";
        return NULL;
}

int job_answer_check(const Event *answer, const Event *request, const char *provider_hex,
                const char **reterr) {
        const char *wrong = what_is_wrong(answer, request, provider_hex);

        if (!wrong)
                return 0;

        *reterr = wrong;
        return -EBADMSG;
}

static int add_order_params(Draft *d, const JobOrder *o) {
        int r = 0;

        for (size_t i = 0; i < o->n_params && r >= 0; i++)
                r = draft_tag(d, "param", o->params[2 * i], o->params[2 * i + 1], NULL);
        return r;
}

static int add_order_relays(Draft *d, const JobOrder *o) {
        const char *values[JOB_RELAYS_MAX + 1] = { "relays" };
        size_t n = MIN(o->n_relays, (size_t) JOB_RELAYS_MAX);

        for (size_t i = 0; i < n; i++)
                values[i + 1] = o->relays[i];
        return n == 0 ? 0 : draft_tag_strv(d, values, n + 1);
}

static int add_order_bid(Draft *d, const JobOrder *o) {
        char msat[24];

        if (o->bid_msat < 0)
                return 0;

        (void) snprintf(msat, sizeof(msat), "%" PRIi64, o->bid_msat);
        return draft_tag(d, "bid", msat, NULL);
}

int job_order_draft(const JobOrder *o, int64_t now, Draft **ret) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = draft_new(o->kind, now, &d);
        if (r < 0)
                return r;

        r = o->encrypted ? draft_tag(d, "encrypted", NULL)
                         : (draft_tag(d, "i", o->input, o->input_type, NULL)
                                                           ?: add_order_params(d, o));
        if (r >= 0 && !isempty(o->output))
                r = draft_tag(d, "output", o->output, NULL);
        if (r >= 0)
                r = add_order_bid(d, o) ?: add_order_relays(d, o);
        if (r >= 0 && o->provider)
                r = draft_tag(d, "p", o->provider, NULL);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(d);
        return 0;
}

static int add_tag(Buffer *b, const char *const *values, size_t n) {
        int r;

        r = buffer_add_string(b, b->size > 1 ? ",[" : "[");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_string(b, i > 0 ? "," : "", values[i], strlen(values[i]));
        return r < 0 ? r : buffer_add_string(b, "]");
}

int job_order_sealed_text(const JobOrder *o, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = EVENT_SIZE_MAX };
        const char *input[] = { "i", o->input, o->input_type };
        int r;

        r = buffer_add_string(&b, "[");
        if (r >= 0)
                r = add_tag(&b, input, ELEMENTSOF(input));
        for (size_t i = 0; r >= 0 && i < o->n_params; i++) {
                const char *param[] = { "param", o->params[2 * i], o->params[2 * i + 1] };

                r = add_tag(&b, param, ELEMENTSOF(param));
        }
        if (r >= 0)
                r = buffer_add_string(&b, "]");
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}
