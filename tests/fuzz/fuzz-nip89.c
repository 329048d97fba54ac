/* Announcements of strangers: what is read is sane, and the choice among them is one of them. */
#include "market/choose.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const Wishes w = {
                .network = NETWORK_MAINNET, .now = 1700000000, .model = "", .max_msat = -1
        };
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = NULL;
        const Offer *chosen;
        Records records;
        Offer o;

        if (event_parse_trusted((const char *) data, size, &e, &reason) < 0)
                return 0;
        if (nip89_offer_read(e, 5050, &o, &reason) < 0) {
                if (!reason)
                        abort();
                return 0;
        }
        if (o.price_msat < -1 || strlen(o.network) >= sizeof(o.network))
                abort();
        for (size_t i = 0; o.models && o.models[i]; i++)
                if (i >= NIP89_MODELS_MAX || strlen(o.models[i]) > NIP89_MODEL_MAX)
                        abort();
        records_init(&records);
        (void) records_note(&records,
                        &(RecordNote){ o.pubkey_hex, true, o.created_at, -1, o.price_msat });
        chosen = choose(&o, 1, &records, &w, &reason);
        if (chosen && chosen != &o)
                abort();
        records_done(&records);
        nip89_offer_done(&o);
        return 0;
}
