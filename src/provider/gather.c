#include "gather.h"

#include <stdio.h>

#include "answer-relays.h"
#include "basic/text.h"
#include "client/relay-query.h"
#include "input-text.h"
#include "text-task.h"

#define AGAIN_FIRST (1 * SEC) /* what is not there yet is asked for again, less and less often */
#define AGAIN_MAX   (30 * SEC)
#define QUERY_USEC  (8 * SEC)
#define FOUND_MAX   50
#define RELAYS_MAX  16
#define REDIRECTS   5

typedef struct Part {
        Gather *gather;
        const JobInput *input;
        InputEvent event;
        usec_t deadline; /* CLOCK_BOOTTIME */
        usec_t pause;
        sd_event_source *again;
        HttpCall *http;
        RelayQuery *query;
        StoreCall *store;
        SignerCall *signer;
        Event *other;   /* the request of the other job */
        bool elsewhere; /* it is not one of ours */
        char **relays;
        unsigned n_errors; /* of queries */
        Buffer text;
} Part;

struct Gather {
        GatherDoors doors;
        const JobRequest *request;
        struct {
                size_t size_max;
                usec_t timeout, job_wait;
                InputRules rules;
        } limits;
        Part parts[TEXT_MESSAGES_MAX];
        size_t n_parts, n_open, size;
        size_t next_url; /* they are fetched one after the other */
        char reason[256];
        gather_done_t done;
        void *userdata;
};

InputRules gather_rules(const Config *c) {
        return (InputRules){
                .urls = c->input.urls,
                .http = c->input.allow_http || c->network == NETWORK_REGTEST,
                .private = c->input.allow_private,
        };
}

bool gather_is_needed(const JobRequest *r) {
        for (size_t i = 0; i < r->n_inputs; i++)
                if (r->inputs[i].type != INPUT_TEXT)
                        return true;
        return false;
}

static void part_stop(Part *p) {
        p->again = sd_event_source_disable_unref(p->again);
        p->http = http_call_free(p->http);
        p->query = relay_query_free(p->query);
        p->store = store_call_free(p->store);
        p->signer = signer_call_free(p->signer);
}

static void part_drop(Part *p) {
        part_stop(p);
        p->other = event_unref(p->other);
        p->relays = strv_free(p->relays);
        input_event_done(&p->event);
        buffer_done(&p->text);
}

Gather *gather_free(Gather *g) {
        if (!g)
                return NULL;

        for (size_t i = 0; i < g->n_parts; i++)
                part_drop(g->parts + i);
        g->doors.http = http_unref(g->doors.http);
        g->doors.event = sd_event_unref(g->doors.event);
        return mfree(g);
}

/* ---- the ends; the gather may be gone after each of them */

static void part_fail(Part *p, const char *reason) {
        Gather *g = p->gather;
        char copy[sizeof(g->reason)];

        for (size_t i = 0; i < g->n_parts; i++)
                part_stop(g->parts + i);
        (void) snprintf(copy, sizeof(copy), "%s", reason);
        g->done(-EREMOTEIO, copy, NULL, g->userdata);
}

static int fetch_next(Gather *g);

static void part_done(Part *p) {
        const char *texts[TEXT_MESSAGES_MAX];
        Gather *g = p->gather;

        part_stop(p);
        if (--g->n_open > 0) {
                if (p->input->type == INPUT_URL && fetch_next(g) < 0)
                        part_fail(p, _("The inputs could not be fetched."));
                return;
        }
        for (size_t i = 0; i < g->n_parts; i++)
                texts[i] = g->parts[i].input->type == INPUT_TEXT ? NULL
                                                                 : g->parts[i].text.data ?: "";
        g->done(0, NULL, texts, g->userdata);
}

static void part_take(Part *p, const char *type, const char *body, size_t size) {
        const char *reason = _("There is no memory.");
        int r;

        r = input_text(type, body, size, &p->text, &reason);
        if (r == -ENOBUFS)
                reason = _("An input is larger than this provider takes.");
        p->gather->size += p->text.size;
        if (r >= 0 && p->gather->size > TEXT_SIZE_MAX) {
                reason = _("The inputs are too large together.");
                r = -ENOBUFS;
        }
        if (r < 0)
                part_fail(p, reason);
        else
                part_done(p);
}

static void part_take_event(Part *p, const Event *e) {
        const char *content;
        size_t size;

        content = event_content(e, &size);
        part_take(p, "text/plain", content, size);
}

/* ---- again, until it is too late */

static usec_t now_of(const Part *p) {
        usec_t now = 0;

        (void) sd_event_now(p->gather->doors.event, CLOCK_BOOTTIME, &now);
        return now;
}

static const char *too_late(const Part *p) {
        if (p->input->type == INPUT_JOB)
                return _("The result of the other job did not come in time.");
        return _("The event that is the input was not found.");
}

static int part_ask(Part *p);

static int on_again(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Part *p = userdata;

        p->again = sd_event_source_disable_unref(p->again);
        if (now_of(p) >= p->deadline || part_ask(p) < 0)
                part_fail(p, too_late(p));
        return 0;
}

static void part_wait(Part *p) {
        usec_t now = now_of(p), at = MIN(now + p->pause, MAX(p->deadline, now + 1));

        p->pause = MIN(p->pause * 2, AGAIN_MAX);
        p->again = sd_event_source_disable_unref(p->again);
        if (sd_event_add_time(p->gather->doors.event, &p->again, CLOCK_BOOTTIME, at, 50 * MSEC,
                            on_again, p) < 0)
                part_fail(p, _("This provider has a problem of its own; please try again later."));
}

/* ---- URLs */

static const char *fetch_sentence(int error) {
        if (error == -EACCES)
                return _("The URL does not lead to a public address.");
        if (error == -EPROTO)
                return _("Only URLs that begin with https:// are fetched.");
        if (error == -EMSGSIZE)
                return _("An input is larger than this provider takes.");
        return NULL;
}

static void on_fetched(HttpCall *c, int error, const char *reason, const HttpAnswer *answer,
                void *userdata) {
        Part *p = userdata;
        Gather *g = p->gather;

        if (error >= 0 && answer->status == 200) {
                part_take(p, http_call_header(c, "Content-Type"), answer->body, answer->size);
                return;
        }
        if (error >= 0)
                (void) snprintf(g->reason, sizeof(g->reason),
                                _("The URL could not be fetched: the server answered with status %u."),
                                answer->status);
        else if (!fetch_sentence(error))
                (void) snprintf(g->reason, sizeof(g->reason),
                                _("The URL could not be fetched: %s."), reason);
        part_fail(p, error < 0 ? fetch_sentence(error) ?: g->reason : g->reason);
}

static int part_fetch(Part *p) {
        static char accept[] = "Accept: text/*, application/json;q=0.9, */*;q=0.1",
                    agent[] = "User-Agent: Pylon";
        static char *const headers[] = { accept, agent, NULL };
        const Gather *g = p->gather;
        const HttpRequest request = {
                .url = p->input->data,
                .headers = headers,
                .body_max = g->limits.size_max,
                .first_byte = g->limits.timeout,
                .between_bytes = g->limits.timeout,
                .total = g->limits.timeout,
                .redirects_max = REDIRECTS,
                .public_only = !g->limits.rules.private,
                .https_only = !g->limits.rules.http,
        };
        const char *reason = "";

        return http_start(g->doors.http, &request, NULL, on_fetched, p, &p->http, &reason);
}

static int fetch_next(Gather *g) {
        while (g->next_url < g->n_parts) {
                Part *p = g->parts + g->next_url++;

                if (p->input->type == INPUT_URL)
                        return part_fetch(p);
        }
        return 0;
}

/* ---- events */

static int part_query(Part *p, const char *filter, relay_query_done_t done) {
        const char *const filters[] = { filter, NULL };
        const RelayQuestion q = {
                .filters = filters,
                .relays = (const char *const *) p->relays,
                .limit = FOUND_MAX,
                .timeout = QUERY_USEC,
        };

        return relay_client_query(p->gather->doors.relay, &q, done, p, &p->query);
}

/* A relay that the customer named may be what is wrong: then those of the settings must do. */
static void part_query_failed(Part *p) {
        if (++p->n_errors > 1)
                p->relays = strv_free(p->relays);
}

static void on_event(int error, _unused_ const char *reason, Event *const *events, size_t n,
                void *userdata) {
        Part *p = userdata;

        if (error < 0)
                part_query_failed(p);
        if (error < 0 || n == 0)
                part_wait(p);
        else
                part_take_event(p, events[0]);
}

static int part_find(Part *p, relay_query_done_t done) {
        _cleanup_free_ char *filter = NULL;
        int r;

        r = input_event_filter(&p->event, &filter);
        return r < 0 ? r : part_query(p, filter, done);
}

/* ---- the results of other jobs */

static bool is_whose(const Part *p, const Event *other) {
        return memcmp(event_pubkey(other), event_pubkey(p->gather->request->event), 32) == 0;
}

static void on_opened(int error, _unused_ const char *name, _unused_ const char *reason,
                const SignerResult *results, _unused_ size_t n, void *userdata) {
        Part *p = userdata;

        if (error < 0 || results[0].error < 0)
                part_fail(p, _("The result of the other job is encrypted."));
        else
                part_take(p, "text/plain", results[0].text, strlen(results[0].text));
}

/* What we wrote to a customer ourselves, he and we can read; nobody else gets it from us. */
static void part_open(Part *p, const Event *result) {
        bool ours = streq(event_pubkey_hex(result), p->gather->doors.pubkey_hex);
        const SignerText text = {
                .peer = event_pubkey_hex(p->gather->request->event),
                .text = event_content(result, NULL),
        };

        if (!ours || !is_whose(p, p->other) ||
                        signer_decrypt(p->gather->doors.signer, "provider", &text, 1, on_opened, p,
                                        &p->signer) < 0)
                part_fail(p, _("The result of the other job is encrypted."));
}

static void part_take_result(Part *p, const Event *result) {
        if (event_find_tag(result, "encrypted", NULL))
                part_open(p, result);
        else
                part_take_event(p, result);
}

/* Of all who answered, the first; where the customer named providers, the first of those. */
static const Event *choose_result(const Event *other, Event *const *events, size_t n) {
        const Event *chosen = NULL;
        bool named = event_find_tag(other, "p", NULL);

        for (size_t i = 0; i < n; i++) {
                const char *status = event_tag_value(events[i], "status"), *reason;

                if (job_answer_check(events[i], other, NULL, &reason) < 0 ||
                                event_kind(events[i]) == JOB_FEEDBACK_KIND ||
                                (status && streq(status, "error")))
                        continue;
                if (named && !event_has_tag(other, "p", event_pubkey_hex(events[i])))
                        continue;
                chosen = events[i];
        }
        return chosen;
}

static void on_results(int error, _unused_ const char *reason, Event *const *events, size_t n,
                void *userdata) {
        Part *p = userdata;
        const Event *result = error < 0 ? NULL : choose_result(p->other, events, n);

        if (error < 0)
                part_query_failed(p);
        if (result)
                part_take_result(p, result);
        else
                part_wait(p);
}

static int part_ask_results(Part *p) {
        char filter[160];

        (void) snprintf(filter, sizeof(filter), "{\"kinds\":[%u],\"#e\":[\"%s\"]}",
                        job_result_kind(event_kind(p->other)), event_id_hex(p->other));
        return part_query(p, filter, on_results);
}

static void on_other(int error, _unused_ const char *reason, Event *const *events, size_t n,
                void *userdata) {
        Part *p = userdata;

        if (error < 0)
                part_query_failed(p);
        if (error < 0 || n == 0) {
                part_wait(p);
                return;
        }
        if (!job_kind_is_request(event_kind(events[0]))) {
                part_fail(p, _("The input names no job."));
                return;
        }
        p->other = event_ref(events[0]);
        if (part_ask_results(p) < 0)
                part_wait(p);
}

static bool has_ended(const char *state) {
        return streq(state, "failed") || streq(state, "expired") || streq(state, "cancelled");
}

static void on_own_job(int error, _unused_ const char *reason, const StoreJob *jobs, size_t n,
                void *userdata) {
        _cleanup_(event_unrefp) Event *result = NULL;
        Part *p = userdata;
        const char *why;

        if (error < 0) {
                part_wait(p);
                return;
        }
        p->elsewhere = n == 0;
        if (n == 0) {
                if (part_ask(p) < 0)
                        part_wait(p);
                return;
        }
        if (!p->other && event_parse_trusted(
                                         jobs->request, strlen(jobs->request), &p->other, &why) < 0)
                p->elsewhere = true;
        if (!isempty(jobs->result) && p->other &&
                        event_parse_trusted(jobs->result, strlen(jobs->result), &result, &why) >= 0)
                part_take_result(p, result);
        else if (has_ended(jobs->state))
                part_fail(p, _("The other job ended without a result."));
        else
                part_wait(p);
}

static int part_ask(Part *p) {
        if (p->input->type == INPUT_EVENT)
                return part_find(p, on_event);
        if (!p->elsewhere)
                return store_find_job(
                                p->gather->doors.store, p->event.id_hex, on_own_job, p, &p->store);
        return p->other ? part_ask_results(p) : part_find(p, on_other);
}

/* ---- the start */

/* Relays of the customer's choice only where they are public ones; what we use anyway always. */
static int part_choose_relays(Part *p, char *const *answered_at) {
        char *const *configured = p->gather->doors.config->relays;
        _cleanup_strv_ char **l = NULL;
        int r = 0;

        STRV_FOREACH (hint, p->event.relays) {
                _cleanup_free_ char *url = NULL;

                if (r >= 0 && strv_length(l) < INPUT_RELAYS_MAX && relay_is_public(*hint, &url) &&
                                !strv_contains(l, url))
                        r = strv_add(&l, url);
        }
        STRV_FOREACH (url, answered_at)
                if (r >= 0 && !strv_contains(l, *url))
                        r = strv_add(&l, *url);
        if (r < 0 || !l)
                return r;
        STRV_FOREACH (url, configured)
                if (r >= 0 && !strv_contains(l, *url) && strv_length(l) < RELAYS_MAX)
                        r = strv_add(&l, *url);
        p->relays = TAKE_PTR(l);
        return r;
}

static int part_start(Part *p, char *const *answered_at) {
        const Gather *g = p->gather;
        const char *reason;
        int r;

        p->pause = AGAIN_FIRST;
        p->deadline = now_of(p) +
                      (p->input->type == INPUT_JOB ? g->limits.job_wait : g->limits.timeout);
        if (p->input->type == INPUT_URL)
                return 0; /* its turn comes */

        r = input_event_read(p->input, &p->event, &reason);
        if (r >= 0)
                r = part_choose_relays(p, answered_at);
        return r < 0 ? r : part_ask(p);
}

int gather_start(const GatherDoors *d, const JobRequest *r, char *const *relays, gather_done_t done,
                void *userdata, Gather **ret) {
        Gather *g;
        int q = 0;

        assert(r->n_inputs <= TEXT_MESSAGES_MAX);
        g = new0(Gather, 1);
        if (!g)
                return -ENOMEM;
        g->doors = *d;
        g->doors.event = sd_event_ref(d->event);
        g->doors.http = http_ref(d->http);
        g->request = r;
        g->done = done;
        g->userdata = userdata;
        g->limits.size_max = (size_t) d->config->input.size_max;
        g->limits.timeout = d->config->input.timeout;
        g->limits.job_wait = d->config->input.job_wait;
        g->limits.rules = gather_rules(d->config);
        for (size_t i = 0; i < r->n_inputs && q >= 0; i++) {
                Part *p = g->parts + g->n_parts++;

                *p = (Part){ .gather = g, .input = r->inputs + i };
                p->text.max = g->limits.size_max + 4096;
                if (p->input->type == INPUT_TEXT)
                        continue;
                g->n_open++;
                q = part_start(p, relays);
        }
        g->doors.config = NULL; /* it may be another one later */
        if (q >= 0)
                q = fetch_next(g);
        if (q < 0) {
                (void) gather_free(g);
                return q;
        }
        *ret = g;
        return 0;
}
