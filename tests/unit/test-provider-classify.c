/* provider/admission, understand: 125 events from the network (2023 to 2025), each judged by
 * reading it. What is expected is written down here, event by event, and not what the program says.
 */
#include "tests/unit/vectors.h"

#include "admission.h"
#include "understand.h"

#define STRANGER "0000000000000000000000000000000000000000000000000000000000000001"

static const uint16_t served[] = { 5000, 5001, 5002, 5050, 5970 };

typedef struct Row {
        const char *id, *verdict;
        const char *reason; /* NULL: the verdict's own */
} Row;

static const char no_text
                [] = "The URL is not of a text, and this provider reads texts only.",
         no_input[] = "The request has no input.",
         no_output[] = "This kind of work is not answered in the output format that is asked for.";

/* Of the kinds we serve, as a provider sees them who is nobody's choice in particular. */
static const Row for_everybody[] = {
        { "7cadd987", "not-for-us", NULL },   /* text of a film, wanted from somebody else */
        { "c339128d", "bad-input", no_text }, /* text of a film */
        { "41746577", "not-for-us", NULL },   /* summary of "Test", from somebody else */
        { "e2947bcb", "accepted", NULL },     /* "Summarize this" and an event */
        { "84b70da5", "accepted", NULL },     /* an event in German */
        { "ee67b24b", "accepted", NULL },     /* an event in English */
        { "a53c9389", "accepted", NULL },     /* "What is a data vending machine?" */
};

/* The same for those whom they name. */
static const Row for_the_named[] = {
        { "7cadd987", "bad-input", no_text },
        { "41746577", "accepted", NULL },
};

/* Requests of other kinds: nobody hears of us. But where somebody serves that kind with a model
 * ([[kind]]) and is the one they name, this is what he says. */
static const Row of_other_kinds[] = {
        { "600f05a6", "accepted", NULL },       /* 5068: an event and texts, answered in JSON */
        { "899edd49", "accepted", NULL },       /* 5100: "marketing, lack of personalization" */
        { "cf726170", "bad-input", no_output }, /* 5100: a picture of an ostrich, as image/png */
        { "059cfc7f", "bad-input", no_text },   /* 5101: a photo */
        { "1b48aa4b", "bad-input", no_output }, /* 5102: two jobs, as image/png */
        { "7e6dfd2f", "bad-input", no_output }, /* 5102: likewise */
        { "aed3f3e0", "accepted", NULL },       /* 5107: JSON-RPC as text */
        { "91052f7c", "sealed", NULL },         /* 5124: NIP-04 that does not say so */
        { "6f9571cb", "sealed", NULL },         /* 5200 */
        { "e1be9485", "sealed", NULL },         /* 5202 */
        { "0081c58d", "sealed", NULL },         /* 5204 */
        { "4c81a4f9", "bad-input", no_text },   /* 5205: a film */
        { "f492967b", "bad-input", no_text },   /* 5205: a film */
        { "ecff24e3", "accepted", NULL },       /* 5206: an event */
        { "f42d106f", "accepted", NULL },       /* 5206: an event */
        { "8ae46d5b", "accepted", NULL },       /* 5250: an event, read aloud */
        { "7b1213df", "bad-input", no_input },  /* 5300: discover something; no words */
        { "0383fc28", "sealed", NULL },         /* 5301 */
        { "a0de2ea1", "sealed", NULL },         /* 5302 */
        { "b908aed1", "sealed", NULL },         /* 5303 */
        { "72bcfb29", "accepted", NULL },       /* 5304: "Give me visuals", in the content */
        { "320e769d", "bad-input", no_input },  /* 5305: nothing at all */
        { "64f6f114", "bad-input", no_input },  /* 5312: parameters only */
        { "bcead90f", "bad-input", no_input },  /* 5313 */
        { "cf3d8dbf", "bad-input", no_input },  /* 5314 */
        { "1404b0c9", "bad-input", no_input },  /* 5315 */
        { "420bf794", "accepted", NULL },       /* 5400: a filter in the content */
        { "bf0ca16e", "accepted", NULL },       /* 5500: a text file to be scanned */
        { "af7580ec", "bad-input", no_input },  /* 5500: nothing */
        { "f650ba80", "sealed", NULL },         /* 5600: parameters are in clear, the rest is not */
        { "a34008d2", "accepted", NULL },       /* 5703: ["url", "https://google.com"] */
        { "1e9e3f21", "sealed", NULL },         /* 5805: NIP-04 that does not say so */
        { "fd0a116e", "bad-input", no_input },  /* 5900: parameters only */
        { "e2aefcd5", "accepted", NULL },       /* 5902: an address as text */
        { "196ebec7", "sealed", NULL },         /* 5905 */
        { "bed953b0", "sealed", NULL },         /* 5906 */
        { "ff9657d5", "accepted", NULL },       /* 5910: a call of a tool in the content */
        { "84610264", "accepted", NULL },       /* 5950: an address without a type */
        { "684391c4", "bad-input", no_text },   /* 5988: a program */
        { "03056ca3", "bad-input", no_input },  /* 5999: a virtual machine, by parameters */
        { "6fa1d4ca", "not-for-us", NULL },     /* 5151: encrypted to nobody */
        { "d7052da1", "not-for-us", NULL },     /* 5389: likewise */
        { "e6c355d9", "not-for-us", NULL },     /* 5546: likewise */
};

/* No requests, but other things with such a number. */
static const char *const no_requests[] = {
        "72aece45", /* 5132: an ascent */
        "1375c270", /* 5183: a tag */
        "e2109ce2", /* 5391: a piece of a game */
        "ebbd7923", /* 5392: a page */
        "84953957", /* 5393: its style */
        "d9fb3af1", /* 5394: its script */
        "9677300c", /* 5555: "secret seed 17" */
        "f4c8592a", /* 5663: an egg */
};

/* Feedback and results: what they say to the customer; "" where it is encrypted or not said. */
static const Row answers[] = {
        { "9324e8bb", "success", NULL },          /* 6000 */
        { "f873a966", "success", NULL },          /* 6001 */
        { "58abdd24", "success", NULL },          /* 6002: results need no status */
        { "ad1ac53c", "success", NULL },          /* 6050 */
        { "e3931e41", "success", NULL },          /* 6100 */
        { "6ce06b92", "success", NULL },          /* 6101 */
        { "0d8f934c", "success", NULL },          /* 6102 */
        { "9bb43537", "success", NULL },          /* 6200, encrypted */
        { "408bc392", "success", NULL },          /* 6202, encrypted */
        { "27694aa3", "success", NULL },          /* 6204, encrypted */
        { "69162926", "success", NULL },          /* 6205 */
        { "efdbd4fa", "success", NULL },          /* 6206 */
        { "2f5bea1d", "success", NULL },          /* 6250 */
        { "7ecfb986", "success", NULL },          /* 6300 */
        { "b89b42d4", "success", NULL },          /* 6301, encrypted */
        { "831dedad", "success", NULL },          /* 6302, encrypted */
        { "060c6f74", "success", NULL },          /* 6303, encrypted */
        { "2aa51735", "success", NULL },          /* 6312 */
        { "b557617c", "success", NULL },          /* 6313 */
        { "5c9e4739", "success", NULL },          /* 6314 */
        { "562293bb", "success", NULL },          /* 6315 */
        { "ffbbecd2", "success", NULL },          /* 6500, and 1 sat is asked for */
        { "905cdfd0", "success", NULL },          /* 6600 */
        { "61e8ce3f", "success", NULL },          /* 6910 */
        { "c5415b57", "success", NULL },          /* 6950 */
        { "822dda3b", "payment-required", NULL }, /* all from here on: 7000 */
        { "49a821ca", "success", NULL },
        { "3c9a3c28", "processing", NULL },
        { "6a4ab1a5", "processing", NULL },
        { "a9d93a5f", "", NULL },
        { "74eef1cc", "", NULL },
        { "99a5f844", "success", NULL },
        { "905fcfb1", "processing", NULL },
        { "f4543fde", "", NULL },
        { "08f145a1", "payment-required", NULL },
        { "3bdd339e", "success", NULL },
        { "aed8c203", "error", NULL },
        { "bdbe31b9", "error", NULL },
        { "56df1d45", "error", NULL },
        { "10f189b2", "processing", NULL },
        { "66c25eaa", "payment-required", NULL },
        { "a54a1401", "partial", NULL },
        { "6ed9c0f5", "success", NULL },
        { "cca91694", "processing", NULL },
        { "2e933bdb", "payment-required", NULL },
        { "3f4aa1b5", "success", NULL },
        { "f9fe21e8", "payment-required", NULL },
        { "f98a57bb", "payment-required", NULL },
        { "0642fc0c", "processing", NULL },
        { "6c5e930a", "", NULL },
        { "1604dd5f", "", NULL },
        { "f6862613", "", NULL },
        { "3e0bab49", "processing", NULL },
};

/* Results by their number, but they answer nobody. */
static const char *const no_answers[] = { "cdc0d024", "d1fc70ac", "ee2d3552", "b2b22cf8",
        "191207dd", "25284820", "3ab564cf", "706e593a", "d4ac9d36", "e8dcef20", "36a9b0d4",
        "d0f52e7a", "fbf59c00", "a13dc1c6" };

static struct json_object *vectors(void) {
        static struct json_object *all;

        if (!all)
                all = vectors_json("dvm_events_signed.json");
        return all;
}

static Event *event_of(const char *id) {
        struct json_object *list = row_get(vectors(), "events"), *row;
        const char *reason = "";
        Event *e = NULL;

        ROWS_FOREACH(row, list) {
                struct json_object *event = row_get(row, "event");
                const char *json;

                if (!startswith(row_string(event, "id"), id))
                        continue;
                json = json_object_to_json_string_ext(
                                event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
                assert_int_equal(event_parse(json, strlen(json), &e, &reason), 0);
                return e;
        }
        fail_msg("there is no event %s", id);
        return NULL;
}

static const Kind *kind_of(const JobRequest *r) {
        static const Kind any = {
                .work = KIND_WORK_TEXT,
                .outputs = { "text/plain", "text/markdown", "application/json" },
        };

        return kind_table_find(&(KindTable){}, event_kind(r->event)) ?: &any;
}

static Verdict judge(const JobRequest *r, const char *us, const uint16_t *kinds, size_t n_kinds,
                const char **ret_reason) {
        const Limits limits = {
                .pubkey_hex = us,
                .kinds = kinds,
                .n_kinds = n_kinds,
                .open = true,
                .age_max = INT64_MAX,
                .queue_max = 1,
                .unpaid_max = 1,
                .per_customer_max = 1,
                .per_customer_bytes_max = UINT64_MAX,
        };
        const InputRules rules = { .urls = true };
        TextTask *task = NULL;
        Verdict v;

        *ret_reason = NULL;
        v = admission(r, &limits, event_created_at(r->event) + 10);
        if (v == VERDICT_ACCEPTED)
                v = understand(kind_of(r), r, &rules, &task, ret_reason);
        (void) text_task_free(task);
        return v;
}

static void assert_judged(const Row *row, bool as_named, bool as_other_kind) {
        _cleanup_(event_unrefp) Event *e = event_of(row->id);
        _cleanup_(job_request_freep) JobRequest *r = NULL;
        const char *reason = "", *us;
        uint16_t kind = event_kind(e);

        assert_int_equal(job_request_parse(e, &r, &reason), 0);
        us = as_named && r->n_providers > 0 ? r->providers[0] : STRANGER;
        assert_string_equal(verdict_name(judge(r, us, as_other_kind ? &kind : served,
                                            as_other_kind ? 1 : ELEMENTSOF(served), &reason)),
                        row->verdict);
        if (row->reason)
                assert_string_equal(reason, row->reason);
        else
                assert_null(reason);
}

static void requests_of_our_kinds_are_judged(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(for_everybody); i++)
                assert_judged(for_everybody + i, false, false);
        for (size_t i = 0; i < ELEMENTSOF(for_the_named); i++)
                assert_judged(for_the_named + i, true, false);
}

static void other_kinds_are_nobodys_business_unless_they_are_served(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(of_other_kinds); i++) {
                const Row silent = { of_other_kinds[i].id, "unsupported-kind", NULL };

                assert_judged(&silent, true, false);
                assert_judged(of_other_kinds + i, true, true);
        }
}

static void what_only_looks_like_a_request_gets_no_answer(_unused_ void **state) {
        for (size_t i = 0; i < ELEMENTSOF(no_requests); i++) {
                const Row silent = { no_requests[i], "unsupported-kind", NULL };

                assert_judged(&silent, true, false);
        }
        assert_true(verdict_is_silent(VERDICT_UNSUPPORTED_KIND));
        assert_true(verdict_is_silent(VERDICT_NOT_FOR_US));
}

static void answers_are_read(_unused_ void **state) {
        const char *reason;
        JobAnswer a;

        for (size_t i = 0; i < ELEMENTSOF(answers); i++) {
                _cleanup_(event_unrefp) Event *e = event_of(answers[i].id);

                assert_int_equal(job_answer_parse(e, &a, &reason), 0);
                assert_string_equal(a.status_text, answers[i].verdict);
        }
        for (size_t i = 0; i < ELEMENTSOF(no_answers); i++) {
                _cleanup_(event_unrefp) Event *e = event_of(no_answers[i]);

                assert_int_equal(job_answer_parse(e, &a, &reason), -EBADMSG);
                assert_string_equal(reason, "it names no request");
        }
}

static void each_event_has_its_row(_unused_ void **state) {
        assert_int_equal(json_object_array_length(row_get(vectors(), "events")), 125);
        assert_int_equal(ELEMENTSOF(for_everybody) + ELEMENTSOF(of_other_kinds) +
                                         ELEMENTSOF(no_requests) + ELEMENTSOF(answers) +
                                         ELEMENTSOF(no_answers),
                        125);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requests_of_our_kinds_are_judged),
                cmocka_unit_test(other_kinds_are_nobodys_business_unless_they_are_served),
                cmocka_unit_test(what_only_looks_like_a_request_gets_no_answer),
                cmocka_unit_test(answers_are_read),
                cmocka_unit_test(each_event_has_its_row),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
