/* money/lnurl: the first byte chooses between what people give and what servers answer. */
#include "basic/text.h"
#include "money/lnurl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void give(const char *text) {
        _cleanup_free_ char *url = NULL;
        const char *reason = NULL;

        (void) lnurl_looks_like(text);
        if (lnurl_url(text, text[0] == 'x', &url, &reason) < 0)
                assert(reason);
        else
                assert(startswith(url, "https://") || startswith(url, "http://"));
}

static void ask(const LnurlPay *p) {
        LnurlAsk question = { .msat = p->min_msat, .comment = "x" };
        _cleanup_free_ char *url = NULL;
        const char *reason = NULL;

        assert(p->min_msat >= 1 && p->min_msat <= p->max_msat);
        assert(utf8_is_valid(p->description, strlen(p->description)));
        if (lnurl_callback_url(p, &question, &url, &reason) < 0)
                assert(reason);
}

static void answer(const char *json, size_t size) {
        _cleanup_lnurl_invoice_ LnurlInvoice i = { 0 };
        _cleanup_lnurl_pay_ LnurlPay p = { 0 };
        char words[LNURL_REFUSAL_SIZE];
        const char *reason = NULL;
        LnurlVerify v;

        (void) lnurl_refused(json, size, words);
        if (lnurl_pay_parse(json, size, &p, &reason) >= 0)
                ask(&p);
        else
                assert(reason);
        (void) lnurl_invoice_parse(json, size, &i, &reason);
        (void) lnurl_verify_parse(json, size, &v, &reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *) data, size);

        if (!text)
                return 0;
        if (size > 0 && data[0] == '{')
                answer((const char *) data, size);
        else
                give(text);
        return 0;
}
