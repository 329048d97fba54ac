/* The books and their client: whichever allocation fails, what was refused for want of memory is
 * not booked, and what was said to be booked is. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

#include "books.h"
#include "bus/names.h"
#include "bus/server.h"
#include "client/books-client.h"
#include "schema.h"
#include "tests/torture/torture.h"

#define HASH "00000000000000000000000000000000000000000000000000000000000000aa"
#define JOB  "00000000000000000000000000000000000000000000000000000000000000bb"

/* The tables: each step in a savepoint, as the store has it; one that has no memory is undone. */

typedef int (*step_t)(Books *b, Outcome *o);

static int step_deposit(Books *b, Outcome *o) {
        return book_deposit(b, &(Transfer){ "d", "regtest", "owner", "", 1000 }, o);
}

static int step_grant(Books *b, Outcome *o) {
        return grant_set(b->grants, "g", "owner", "{\"payees\":[\"x\"],\"total_msat\":500}", o);
}

static int step_invoice(Books *b, Outcome *o) {
        return invoice_add(b->invoices,
                        &(Invoice){ HASH, "lnbcrt1", "held", JOB, "pre", "", 100, 1, 2 }, o);
}

static int step_settle(Books *b, Outcome *o) {
        return invoice_settle(b->invoices, &(Settlement){ HASH, "regtest", "", "c", 100, 0, 1 }, o);
}

static int step_pay(Books *b, Outcome *o) {
        return payment_add(b->payments,
                        &(Intent){ "p", "owner", HASH, "lnbcrt1", "x", "g", "", "", 90, 10 }, o);
}

static int step_sent(Books *b, Outcome *o) {
        return payment_move(b->payments, &(IntentMove){ "p", "sent", "", "", "", "regtest", 0 }, o);
}

static int step_settled(Books *b, Outcome *o) {
        return payment_move(
                        b->payments, &(IntentMove){ "p", "settled", "", "", "", "regtest", 5 }, o);
}

static int on_check(_unused_ const char *check, bool ok, _unused_ const char *detail, void *bad) {
        *(bool *) bad |= !ok;
        return 0;
}

static int story(Sql *db, Books *b) {
        static const step_t steps[] = { step_deposit, step_grant, step_invoice, step_settle,
                step_pay, step_sent, step_settled };
        bool bad = false, no_memory = false;
        LedgerAccount a;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                RIGHT(sql_exec(db, "SAVEPOINT step") == 0);
                r = steps[i](b, &b->outcome);
                if (r == -ENOMEM) {
                        no_memory = true;
                        RIGHT(sql_exec(db, "ROLLBACK TO step") == 0);
                        r = steps[i](b, &b->outcome);
                }
                if (r < 0)
                        return r;
                RIGHT(b->outcome.verdict == 0 && b->outcome.text);
                RIGHT(sql_exec(db, "RELEASE step") == 0);
        }

        r = book_verify(b, on_check, &bad);
        if (r == -ENOMEM) {
                no_memory = true;
                r = book_verify(b, on_check, &bad);
        }
        if (r >= 0)
                r = ledger_account(b->ledger, "owner", &a);
        if (r < 0)
                return r;
        RIGHT(!bad);
        RIGHT(a.msat == 905 && a.reserved == 0);
        return no_memory ? -ENOMEM : 0;
}

static int run_tables(void) {
        _cleanup_(sql_closep) Sql *db = NULL;
        _cleanup_(books_freep) Books *b = NULL;
        char path[] = "/tmp/pylon-torture-XXXXXX";
        const char *reason;
        int r, fd = mkstemp(path);

        RIGHT(fd >= 0);
        (void) close(fd);
        r = sql_open(path, schema, schema_n, &db, &reason);
        if (r >= 0)
                r = sql_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; BEGIN");
        if (r >= 0)
                r = books_new(db, &b);
        if (r >= 0)
                r = story(db, b);
        if (b)
                b = books_free(b);
        db = sql_close(db);
        (void) unlink(path);
        return r;
}

/* The client, against a server that says yes to everything. */

typedef struct World {
        sd_event *event;
        char folder[64], path[128];
        int fd;
        BusServer *server;
        BooksClient *client;
        unsigned n_verdicts, n_lists;
        int error, verdict;
        size_t n_balances;
} World;

static int method_deposits(sd_bus_message *m, _unused_ void *u, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "a(is)", 2, 0, "", 1, "so already");
}

static int method_balances(sd_bus_message *m, _unused_ void *u, _unused_ sd_bus_error *error) {
        return sd_bus_reply_method_return(m, "a(sxxb)", 2, "owner", INT64_C(5), INT64_C(0), 0,
                        "wallet:regtest", INT64_C(5), INT64_C(0), 0);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Deposits", SD_BUS_ARGS("a(sssxs)", rows),
                        SD_BUS_RESULT("a(is)", verdicts), method_deposits,
                        SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Balances", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(sxxb)", balances),
                        method_balances, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const BusObject objects[] = {
        { BUS_STORE_WALLET, vtable, true },
        { 0 },
};

static int world_open(World *w) {
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int r;

        w->fd = -EBADF;
        (void) snprintf(w->folder, sizeof(w->folder), "/tmp/pylon-torture-XXXXXX");
        if (!mkdtemp(w->folder))
                return -EIO;
        (void) snprintf(w->path, sizeof(w->path), "%s/sock", w->folder);
        (void) snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", w->path);

        r = sd_event_new(&w->event);
        if (r < 0)
                return r;
        w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (w->fd < 0 || bind(w->fd, (struct sockaddr *) &sa, sizeof(sa)) < 0 ||
                        listen(w->fd, 16) < 0)
                return -errno;
        r = bus_server_new(w->event, BUS_STORE, objects, false, w, &w->server);
        if (r >= 0)
                r = bus_server_listen(w->server, w->fd);
        if (r < 0)
                return r;
        w->fd = -EBADF;
        return books_client_new(w->event, w->path, &w->client);
}

static void world_close(World *w) {
        w->client = books_client_free(w->client);
        bus_server_free(w->server);
        sd_event_unref(w->event);
        closep(&w->fd);
        (void) unlink(w->path);
        (void) rmdir(w->folder);
}

static void on_verdict(int verdict, const char *text, void *userdata) {
        World *w = userdata;

        assert(text);
        w->n_verdicts++;
        if (verdict < 0)
                w->error = verdict;
        else
                w->verdict += verdict;
}

static void on_balances(int error, _unused_ const char *reason,
                _unused_ const BooksBalance *balances, size_t n, void *userdata) {
        World *w = userdata;

        w->n_lists++;
        if (error < 0)
                w->error = error;
        w->n_balances = n;
}

static int world_ask(World *w) {
        BooksDeposit d = { "d", "regtest", "owner", "", 5 };
        int r;

        r = books_deposit(w->client, &d, on_verdict, w, NULL);
        if (r < 0)
                return r;
        r = books_deposit(w->client, &d, on_verdict, w, NULL);
        if (r < 0)
                return r;
        r = books_balances(w->client, on_balances, w, NULL);
        if (r < 0)
                return r;

        while (w->n_verdicts < 2 || w->n_lists < 1) {
                r = sd_event_run(w->event, 10 * SEC);
                if (r <= 0)
                        return r < 0 ? r : TORTURE_WRONG; /* nothing will ever happen */
        }
        RIGHT(w->n_verdicts == 2 && w->n_lists == 1);
        RIGHT(books_client_n_waiting(w->client) == 0);
        if (w->error < 0)
                return w->error;
        RIGHT(w->verdict == 1 && w->n_balances == 2);
        return 0;
}

static int run_client(void) {
        World w = { 0 };
        int r;

        r = world_open(&w);
        if (r >= 0)
                r = world_ask(&w);
        world_close(&w);
        return r;
}

const TortureCase torture_books_cases[] = {
        { "the books refuse or book, and nothing in between", run_tables },
        { "rows and questions to the books are answered once", run_client },
        { 0 },
};
