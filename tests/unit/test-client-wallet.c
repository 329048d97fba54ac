/* client/wallet-client: what the host asks for its agents, and what it hears without asking. The
 * wallet here answers by the name of the account. */
#include "tests/unit/unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "bus/names.h"
#include "bus/server.h"
#include "client/wallet-client.h"

typedef struct World {
        sd_event *event;
        char folder[64], path[128], trail[1024];
        BusServer *server;
        WalletClient *client;
        unsigned n_answers;
} World;

static void note(World *w, const char *format, ...) _printf_(2, 3);
static void note(World *w, const char *format, ...) {
        size_t n = strlen(w->trail);
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(w->trail + n, sizeof(w->trail) - n, format, ap);
        va_end(ap);
        w->n_answers++;
}

static void expect(World *w, unsigned n, const char *trail) {
        while (w->n_answers < n)
                assert_true(sd_event_run(w->event, UINT64_MAX) >= 0);
        assert_string_equal(w->trail, trail);
        w->trail[0] = 0;
        w->n_answers = 0;
}

/* The wallet. */

static int verdict(sd_bus_message *m, const char *account, sd_bus_error *error) {
        if (streq(account, "agent:poor"))
                return sd_bus_error_set(error, BUS_ERROR_NO_MONEY, "It has not so much.");
        if (streq(account, "agent:none"))
                return sd_bus_error_set(error, BUS_ERROR_NO_PAYMENT, "There is no such grant.");
        if (streq(account, "held"))
                return sd_bus_error_set(error, BUS_ERROR_NOT_ALLOWED, "Not the caller's.");
        return sd_bus_reply_method_return(m, NULL);
}

static int method_set_grant(sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error) {
        const char *name, *account, *json;

        assert_true(sd_bus_message_read(m, "sss", &name, &account, &json) > 0);
        assert_string_equal(json, "{\"per_tick_msat\":1000}");
        return verdict(m, account, error);
}

static int method_revoke_grant(sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error) {
        const char *name;

        assert_true(sd_bus_message_read(m, "s", &name) > 0);
        return verdict(m, name, error);
}

static int method_begin_tick(sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error) {
        const char *grant, *tick;

        assert_true(sd_bus_message_read(m, "ss", &grant, &tick) > 0);
        assert_string_equal(tick, "7");
        return verdict(m, grant, error);
}

static int method_transfer(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *id, *from, *to, *text;
        World *w = userdata;
        int64_t msat;

        assert_true(sd_bus_message_read(m, "sssxs", &id, &from, &to, &msat, &text) > 0);
        if (streq(from, "owner"))
                bus_server_signal(w->server, BUS_WALLET, "Transferred", "sssx", id, from, to, msat);
        return verdict(m, from, error);
}

static int method_create_invoice(sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error) {
        const char *account, *text;
        uint32_t expiry;
        int64_t msat;

        assert_true(sd_bus_message_read(m, "sxsu", &account, &msat, &text, &expiry) > 0);
        if (streq(account, "held"))
                return verdict(m, account, error);
        return sd_bus_reply_method_return(m, "ssx", "c0ffee", "lnbcrt1", INT64_C(1700000000));
}

static int method_accounts(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *e) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name;

        assert_true(sd_bus_message_new_method_return(m, &reply) >= 0);
        assert_true(sd_bus_message_open_container(reply, 'a', "(sxxb)") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "s") >= 0);
        while (sd_bus_message_read(m, "s", &name) > 0)
                assert_true(sd_bus_message_append(reply, "(sxxb)", name, INT64_C(5000),
                                            INT64_C(1000), streq(name, "agent:b")) >= 0);
        assert_true(sd_bus_message_close_container(reply) >= 0);
        return sd_bus_send(NULL, reply, NULL);
}

static int method_lnurl_info(sd_bus_message *m, _unused_ void *userdata, sd_bus_error *error) {
        const char *destination;

        assert_true(sd_bus_message_read(m, "s", &destination) > 0);
        if (!streq(destination, "ada@example.com"))
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT, "It is no address.");
        return sd_bus_reply_method_return(m, "xxubsss", INT64_C(1000), INT64_C(50000), UINT32_C(20),
                        true, "beef", "lnurl1x", "tea");
}

static int method_pay(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        const char *id, *account, *destination, *name, *value;
        World *w = userdata;
        int64_t msat, fee;

        assert_true(sd_bus_message_read(m, "sssxx", &id, &account, &destination, &msat, &fee) > 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") >= 0);
        while (sd_bus_message_read(m, "{sv}", &name, "s", &value) > 0)
                note(w, "%s=%s ", name, value);
        bus_server_signal(w->server, BUS_WALLET, "PaymentChanged", "ss", id, "settled");
        return sd_bus_reply_method_return(m, "sssxs", "settled", "c0ffee", "", INT64_C(0), "");
}

static int method_listen(sd_bus_message *m, _unused_ void *userdata, _unused_ sd_bus_error *error) {
        fail_msg("nobody waits for settlements of jobs");
        return sd_bus_reply_method_return(m, NULL);
}

static const sd_bus_vtable wallet_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("SetGrant", "sss", "", method_set_grant, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RevokeGrant", "s", "", method_revoke_grant, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Transfer", "sssxs", "", method_transfer, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("CreateInvoice", "sxsu", "ssx", method_create_invoice,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("InvoiceSettled", "ssx", 0),
        SD_BUS_SIGNAL("PaymentChanged", "ss", 0),
        SD_BUS_SIGNAL("Transferred", "sssx", 0),
        SD_BUS_VTABLE_END,
};
static const sd_bus_vtable service_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("BeginTick", "ss", "", method_begin_tick, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Accounts", "as", "a(sxxb)", method_accounts, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("LnurlInfo", "s", "xxubsss", method_lnurl_info, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Pay", "sssxxa{sv}", "sssxs", method_pay, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Listen", "", "", method_listen, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
static const BusObject objects[] = {
        { BUS_WALLET, wallet_vtable, true },
        { BUS_WALLET_SERVICE, service_vtable, true },
        { 0 },
};

static void serve(World *w) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void) unlink(w->path);
        memcpy(sa.sun_path, w->path, strlen(w->path) + 1);
        assert_int_equal(bind(fd, (struct sockaddr *) &sa, sizeof(sa)), 0);
        assert_int_equal(listen(fd, 16), 0);
        assert_int_equal(bus_server_new(w->event, BUS_WALLET, objects, false, w, &w->server), 0);
        assert_int_equal(bus_server_listen(w->server, fd), 0);
}

/* The host. */

static void on_returned(void *userdata) {
        note(userdata, "returned ");
}

static void on_invoice_settled(
                const char *hash, const char *account, int64_t msat, void *userdata) {
        note(userdata, "%s:%s:%lld ", hash, account, (long long) msat);
}

static void on_payment_changed(const char *id, const char *state, void *userdata) {
        note(userdata, "%s:%s ", id, state);
}

static void on_transferred(
                const char *id, const char *from, const char *to, int64_t msat, void *userdata) {
        note(userdata, "%s:%s>%s:%lld ", id, from, to, (long long) msat);
}

static const WalletHandler handler = {
        .returned = on_returned,
        .invoice_settled = on_invoice_settled,
        .payment_changed = on_payment_changed,
        .transferred = on_transferred,
};

static int setup(void **state) {
        World *w = new0(World, 1);

        assert_non_null(w);
        assert_int_equal(sd_event_new(&w->event), 0);
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-test-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        (void) snprintf(w->path, sizeof(w->path), "%s/wallet.sock", w->folder);
        assert_int_equal(wallet_client_new(w->event, w->path, &handler, w, &w->client), 0);
        serve(w);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        World *w = *state;

        wallet_client_free(w->client);
        bus_server_free(w->server);
        sd_event_unref(w->event);
        (void) unlink(w->path);
        (void) rmdir(w->folder);
        free(w);
        return 0;
}

static void on_done(int error, const char *reason, void *userdata) {
        assert_int_equal(error < 0, reason != NULL);
        note(userdata, "%d ", error);
}

static void what_is_refused_says_how(void **state) {
        static const char json[] = "{\"per_tick_msat\":1000}";
        World *w = *state;

        assert_int_equal(wallet_set_grant(w->client, "agent:a", "agent:a", json, on_done, w, NULL),
                        0);
        expect(w, 1, "0 ");
        assert_int_equal(wallet_set_grant(w->client, "agent:a", "held", json, on_done, w, NULL), 0);
        expect(w, 1, "-1 ");
        assert_int_equal(wallet_revoke_grant(w->client, "agent:none", on_done, w, NULL), 0);
        expect(w, 1, "-2 ");
        assert_int_equal(wallet_begin_tick(w->client, "agent:a", "7", on_done, w, NULL), 0);
        expect(w, 1, "0 ");
        assert_int_equal(wallet_begin_tick(w->client, "agent:none", "7", on_done, w, NULL), 0);
        expect(w, 1, "-2 ");
        assert_int_equal(wallet_transfer(w->client,
                                         &(WalletTransfer){ .id = "t",
                                                         .from = "agent:poor",
                                                         .to = "owner",
                                                         .msat = 1 },
                                         on_done, w, NULL),
                        0);
        expect(w, 1, "-122 ");
}

static void on_accounts(int error, _unused_ const char *reason, const WalletAccount *rows, size_t n,
                void *userdata) {
        assert_int_equal(error, 0);
        for (size_t i = 0; i < n; i++)
                note(userdata, "%s:%lld-%lld%s ", rows[i].account, (long long) rows[i].balance_msat,
                                (long long) rows[i].reserved_msat, rows[i].frozen ? " frozen" : "");
}

static void accounts_come_in_the_order_they_were_asked_for(void **state) {
        static const char *const names[] = { "agent:b", "agent:a" };
        World *w = *state;

        assert_int_equal(wallet_accounts(w->client, names, 2, on_accounts, w, NULL), 0);
        expect(w, 2, "agent:b:5000-1000 frozen agent:a:5000-1000 ");
        assert_int_equal(wallet_accounts(w->client, names, 1001, on_accounts, w, NULL), -E2BIG);
}

static void on_invoice(int error, const char *reason, const WalletInvoice *i, void *userdata) {
        note(userdata, "%d %s ", error, error < 0 ? reason : i->bolt11);
}

static void on_lnurl(int error, const char *reason, const WalletLnurl *l, void *userdata) {
        if (error < 0)
                note(userdata, "%d %s ", error, reason);
        else
                note(userdata, "%lld-%lld %u %d %s %s %s ", (long long) l->min_msat,
                                (long long) l->max_msat, l->comment_max, l->allows_nostr,
                                l->nostr_pubkey, l->lnurl, l->description);
}

static void invoices_and_addresses_have_their_answers(void **state) {
        World *w = *state;

        assert_int_equal(wallet_fill(w->client, &(WalletFill){ .account = "agent:a" }, on_invoice,
                                         w, NULL),
                        0);
        expect(w, 1, "0 lnbcrt1 ");
        assert_int_equal(wallet_fill(w->client, &(WalletFill){ .account = "held" }, on_invoice, w,
                                         NULL),
                        0);
        expect(w, 1, "-1 Not the caller's. ");
        assert_int_equal(wallet_lnurl(w->client, "ada@example.com", on_lnurl, w, NULL), 0);
        expect(w, 1, "1000-50000 20 1 beef lnurl1x tea ");
        assert_int_equal(wallet_lnurl(w->client, "ada", on_lnurl, w, NULL), 0);
        expect(w, 1, "-22 It is no address. ");
}

static void on_paid(
                int error, _unused_ const char *reason, const WalletPaid *paid, void *userdata) {
        assert_int_equal(error, 0);
        note(userdata, "%s ", paid->state);
}

static void a_zap_request_goes_with_the_payment_and_its_end_is_heard(void **state) {
        const WalletPay pay = { .id = "p",
                .account = "agent:a",
                .destination = "ada@example.com",
                .grant = "agent:a",
                .zap = "{\"kind\":9734}" };
        World *w = *state;

        assert_int_equal(wallet_pay(w->client, &pay, on_paid, w, NULL), 0);
        expect(w, 4, "grant=agent:a zap={\"kind\":9734} p:settled settled ");
        assert_int_equal(wallet_pay(w->client,
                                         &(WalletPay){ .id = "p",
                                                         .account = "a",
                                                         .destination = "d",
                                                         .zap = "\xef\xb7\x90" },
                                         on_paid, w, NULL),
                        -EILSEQ);
}

static void money_that_comes_is_heard_of_and_lost_connections_come_back(void **state) {
        World *w = *state;

        wallet_client_listen(w->client);
        assert_int_equal(wallet_transfer(w->client,
                                         &(WalletTransfer){ .id = "t",
                                                         .from = "owner",
                                                         .to = "agent:a",
                                                         .msat = 9 },
                                         on_done, w, NULL),
                        0);
        expect(w, 2, "t:owner>agent:a:9 0 ");
        bus_server_signal(w->server, BUS_WALLET, "InvoiceSettled", "ssx", "c0ffee", "agent:a",
                        INT64_C(21));
        expect(w, 1, "c0ffee:agent:a:21 ");

        bus_server_free(w->server);
        serve(w);
        expect(w, 1, "returned ");
}

static void letting_go_is_silent(void **state) {
        World *w = *state;
        WalletCall *call;

        assert_int_equal(wallet_lnurl(w->client, "ada@example.com", on_lnurl, w, &call), 0);
        wallet_call_free(call);
        assert_null(call);
        assert_int_equal(wallet_begin_tick(w->client, "agent:a", "7", on_done, w, NULL), 0);
        expect(w, 1, "0 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(what_is_refused_says_how),
                TEST(accounts_come_in_the_order_they_were_asked_for),
                TEST(invoices_and_addresses_have_their_answers),
                TEST(a_zap_request_goes_with_the_payment_and_its_end_is_heard),
                TEST(money_that_comes_is_heard_of_and_lost_connections_come_back),
                TEST(letting_go_is_silent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
