/* Jobs: requests, answers, the work in them, and the tags that came encrypted (after the first
 * NUL). */
#include "nostr/nip90.h"
#include "nostr/tag-list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(Event *e, const char *inner, size_t inner_size) {
        _cleanup_(job_request_freep) JobRequest *r = NULL;
        _cleanup_(draft_freep) Draft *d = NULL, *result = NULL;
        const char *reason;
        PowTask t;

        if (job_request_parse(e, &r, &reason) < 0)
                return;
        if (inner)
                (void) job_request_open(r, inner, inner_size, &reason);
        (void) job_request_is_for(r, event_pubkey_hex(e));
        if (pow_task_parse(r, &t, &reason) >= 0)
                pow_task_done(&t);

        (void) job_feedback_draft(
                        r, &(JobAnswer){ .status = JOB_STATUS_ERROR, .text = "no" }, 1, &d);
        (void) job_result_draft(
                        r, &(JobAnswer){ .status = JOB_STATUS_SUCCESS, .content = "" }, 1, &result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *nul = size > 0 ? memchr(data, 0, size) : NULL, *text = (const char *) data,
                   *reason;
        _cleanup_(event_unrefp) Event *e = NULL;
        size_t n = nul ? (size_t) (nul - text) : size;
        JobAnswer a;

        if (event_parse_trusted(text, n, &e, &reason) < 0)
                return 0;

        ask(e, nul ? nul + 1 : NULL, nul ? size - n - 1 : 0);
        if (job_answer_parse(e, &a, &reason) >= 0) {
                _cleanup_(tag_list_freep) TagList *tags = NULL;
                _cleanup_free_ char *inner = nul ? strndup(nul + 1, size - n - 1) : NULL;

                (void) job_answer_check(e, e, a.customer, &reason);
                if (inner && job_answer_open(&a, inner, strlen(inner), &tags) >= 0 &&
                                (a.amount_msat < -1 || strlen(a.content) != a.content_size))
                        abort();
        }
        return 0;
}
