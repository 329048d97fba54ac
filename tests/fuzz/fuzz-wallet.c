/* What wallet backends answer. The first byte chooses driver and status, the rest is the answer;
 * each reader gets it. An outcome is one of four, and what is not settled carries a reason or is on
 * its way. */
#include "wire.h"

#define NOW 1700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_payment(const DriverPayment *p) {
        if (p->outcome < 0 || p->outcome >= _DRIVER_OUTCOME_MAX || p->fee_msat < -1)
                abort();
        if ((p->outcome == DRIVER_FAILED || p->outcome == DRIVER_UNKNOWN) &&
                        (!p->reason || strlen(p->reason) == 0))
                abort();
        if (p->absent && p->outcome != DRIVER_UNKNOWN)
                abort();
}

static void try_payments(const WireDialect *d, const WireAnswer *a) {
        static const uint8_t hash[32] = { 1 };
        WireWords words;

        for (unsigned over = 0; over < 2; over++) {
                DriverPayment p = { .outcome = DRIVER_UNKNOWN, .fee_msat = -1 };

                d->read_payment(a, hash, over, &words, &p);
                check_payment(&p);
        }

        DriverPayment p = { .outcome = DRIVER_UNKNOWN, .fee_msat = -1 };
        WirePaid verdict = d->read_pay(a, &words, &p);

        check_payment(&p);
        if (verdict != WIRE_TOLD && isempty(p.reason))
                abort();
        if (a->status >= 500 && a->status != 520 && verdict == WIRE_TOLD &&
                        p.outcome != DRIVER_UNKNOWN)
                abort(); /* a server's trouble is no outcome */
}

static void try_invoices(const WireDialect *d, const WireAnswer *a) {
        static const uint8_t hash[32] = { 1 };
        const char *reason = "";
        DriverInvoice made = { .received_msat = -1 }, known = { .received_msat = -1 };
        DriverInfo info = { .network = -1, .alias = "", .version = "", .node = "" };
        int64_t msat = 0;

        if (d->read_made(a, &made, &reason) >= 0 && isempty(made.bolt11))
                abort();
        memcpy(known.hash, hash, 32);
        if (d->read_invoice(a, hash, &known, &reason) >= 0 &&
                        (memcmp(known.hash, hash, 32) != 0 || known.received_msat < -1))
                abort();
        if (d->read_balance(a, &msat, &reason) >= 0 && msat < 0)
                abort();
        if (d->read_info(a, &info, &reason) >= 0 && info.network >= (int) _NETWORK_MAX)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const WireDialect *const dialects[] = { &wire_phoenixd, &wire_lnd, &wire_cln,
                &wire_lnbits };
        static const unsigned statuses[] = { 200, 201, 404, 500, 520, 401, 409, 400 };
        WireAnswer a;

        if (size < 1)
                return 0;
        wire_answer_init(&a, statuses[data[0] / 4 % 8], (const char *) data + 1, size - 1, NOW);
        try_payments(dialects[data[0] % 4], &a);
        try_invoices(dialects[data[0] % 4], &a);
        wire_answer_done(&a);
        return 0;
}
