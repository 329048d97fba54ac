/* Messages in both directions; the filters and events in them as well. */
#include "nostr/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *text = (const char *) data, *reason = NULL;
        Message m;

        if (message_parse_from_relay(text, size, &m, &reason) < 0) {
                if (!reason)
                        abort();
        } else if (m.json.text) {
                _cleanup_(event_unrefp) Event *e = NULL;

                (void) event_parse_trusted(m.json.text, m.json.size, &e, &reason);
        }

        if (message_parse_from_client(text, size, &m, &reason) < 0)
                return 0;
        for (size_t i = 0; i < m.n_filters; i++) {
                _cleanup_(filter_freep) Filter *f = NULL;

                (void) filter_parse(m.filters[i].text, m.filters[i].size, &f, &reason);
        }
        return 0;
}
