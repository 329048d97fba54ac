/* Reading the books from the store, see ledger-page.h. */
#include "ledger-page.h"

#define PAGE 500

int64_t posting_shown(const Posting *p) {
        return startswith(p->account, "wallet:") || streq(p->account, "fees") ? p->msats
                                                                              : -p->msats;
}

/* The postings of an entry follow each other: a row with another number ends it. */
static int page_read(sd_bus_message *m, entry_t entry, void *userdata, int64_t *after) {
        Entry e = { 0 }, row = { 0 };
        Posting p;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(xxssssx)");
        while (r >= 0) {
                r = sd_bus_message_read(m, "(xxssssx)", &row.number, &row.time, &row.kind, &row.ref,
                                &p.account, &row.text, &p.msats);
                if (r < 0)
                        break;
                if (e.n_postings > 0 && (r == 0 || row.number != e.number)) {
                        int n = entry(&e, userdata);

                        if (n < 0)
                                return n;
                        e.n_postings = 0;
                }
                if (r == 0)
                        break;
                if (e.n_postings == 0)
                        e = row;
                if (e.n_postings >= POSTINGS_MAX)
                        return -EBADMSG;
                e.postings[e.n_postings++] = p;
                *after = row.number;
        }
        return r;
}

int ledger_walk(Cli *cli, uint32_t limit, entry_t entry, void *userdata) {
        _cleanup_(remote_done) Remote store = { 0 };
        int64_t after = limit > 0 ? -1 : 0, before;
        CallError error;
        int r;

        r = remote_open(cli, "store", &store, &error);
        if (r < 0)
                return call_fail(cli, &error);
        do {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

                before = after;
                r = remote_call(&store, "Ledger", &reply, &error, "xu", after,
                                limit > 0 ? limit : (uint32_t) PAGE);
                if (r < 0)
                        return call_fail(cli, &error);
                r = page_read(reply, entry, userdata, &after);
                if (r == -ENOMEM || r == -ENOBUFS)
                        return cli_out_of_memory(cli);
                if (r < 0)
                        return call_unreadable(cli);
        } while (limit == 0 && after > before);
        return EXIT_SUCCESS;
}
