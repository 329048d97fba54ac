/* A wallet's core without a wallet, for tests: tool-driver CONFIG [SECRET-FILE [RELAY-SOCKET]].
 * Opens the driver of the configuration; each line of stdin is a JSON array, a verb and its
 * arguments; each line of stdout says what came. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/json.h"
#include "basic/log.h"
#include "driver.h"

#define LINE_MAX_ (256 * 1024)

typedef struct Tool {
        sd_event *event;
        Driver *driver;
        Buffer in;
} Tool;

static void say(const char *format, ...) _printf_(1, 2);
static void say(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vprintf(format, ap);
        va_end(ap);
        (void) fflush(stdout);
}

static void say_text(const char *text) {
        _cleanup_buffer_ Buffer b;

        buffer_init(&b, 65536);
        if (json_write_string(&b, text ?: "", strlen(text ?: "")) >= 0)
                (void) fputs(b.data, stdout);
}

static void say_invoice(const DriverInvoice *i) {
        static const char *const states[] = { "open", "settled", "expired", "absent" };
        char hash[HEX32_MAX], preimage[HEX32_MAX] = "";

        hex_encode(i->hash, 32, hash);
        if (i->has_preimage)
                hex_encode(i->preimage, 32, preimage);
        (void) printf("[\"%s\",\"%s\",%" PRId64 ",%" PRId64 ",\"%s\",", hash, states[i->state],
                        i->received_msat, i->settled_at, preimage);
        say_text(i->bolt11);
        (void) printf("]");
}

static void on_invoice(int error, const char *reason, const DriverInvoice *i, void *userdata) {
        (void) printf("[\"%s\",%d,", (const char *) userdata, error);
        say_text(reason);
        if (i) {
                (void) printf(",");
                say_invoice(i);
        }
        say("]\n");
}

static void on_payment(const DriverPayment *p, void *userdata) {
        char preimage[HEX32_MAX] = "";

        if (p->has_preimage)
                hex_encode(p->preimage, 32, preimage);
        (void) printf("[\"%s\",\"%s\",%s,%" PRId64 ",\"%s\",", (const char *) userdata,
                        driver_outcome_name(p->outcome), p->absent ? "true" : "false", p->fee_msat,
                        preimage);
        say_text(p->reason);
        say("]\n");
}

static void on_balance(int error, const char *reason, int64_t msat, _unused_ void *userdata) {
        (void) printf("[\"balance\",%d,", error);
        say_text(reason);
        say(",%" PRId64 "]\n", msat);
}

static void on_info(int error, const char *reason, const DriverInfo *i, _unused_ void *userdata) {
        (void) printf("[\"info\",%d,", error);
        say_text(reason);
        if (i) {
                (void) printf(",\"%s\",", i->network < 0 ? "" : network_name((Network) i->network));
                say_text(i->alias);
        }
        say("]\n");
}

static void on_settled(const DriverInvoice *invoices, size_t n, const char *cursor,
                _unused_ void *userdata) {
        (void) printf("[\"settled\",");
        say_text(cursor);
        (void) printf(",[");
        for (size_t i = 0; i < n; i++) {
                (void) printf("%s", i > 0 ? "," : "");
                say_invoice(&invoices[i]);
        }
        say("]]\n");
}

static void on_state(bool up, const char *reason, _unused_ void *userdata) {
        (void) printf("[\"state\",%s,", up ? "true" : "false");
        say_text(reason);
        say("]\n");
}

static const DriverHandler handler = {
        .settled = on_settled,
        .state = on_state,
};

static const char *word(const Json *j, size_t i) {
        const char *s = "";

        (void) json_string(json_array_at(j, i), &s);
        return s;
}

static int64_t number(const Json *j, size_t i) {
        int64_t n = 0;

        (void) json_i64(json_array_at(j, i), &n);
        return n;
}

static int run_make(Tool *t, const Json *j) {
        DriverInvoiceRequest q = {
                .id = word(j, 1),
                .amount_msat = number(j, 2),
                .description = word(j, 3),
                .expiry_s = (uint32_t) number(j, 4),
        };

        return t->driver->class->make_invoice(t->driver, &q, on_invoice, (void *) "made", NULL);
}

static void on_prepared(int error, const char *reason, const char *opaque, void *userdata) {
        (void) printf("[\"%s\",%d,", (const char *) userdata, error);
        say_text(reason);
        (void) printf(",");
        say_text(opaque);
        say("]\n");
}

/* Behind the arguments of "pay" may stand what "prepare" made, and whether it was sent before. */
static int run_pay(Tool *t, const Json *j, const uint8_t hash[static 32], bool prepare) {
        DriverPayRequest q = {
                .id = word(j, 2),
                .bolt11 = word(j, 3),
                .amount_msat = number(j, 4),
                .fee_max_msat = number(j, 5),
                .opaque = word(j, 7),
        };

        memcpy(q.hash, hash, 32);
        (void) json_bool(json_array_at(j, 6), &q.amount_is_ours);
        (void) json_bool(json_array_at(j, 8), &q.again);
        if (prepare)
                return t->driver->class->prepare(
                                t->driver, &q, on_prepared, (void *) "prepared", NULL);
        return t->driver->class->pay(t->driver, &q, on_payment, (void *) "paid", NULL);
}

static int run(Tool *t, const char *line) {
        _cleanup_(json_unrefp) Json *j = NULL;
        const DriverClass *c = t->driver->class;
        const char *reason, *verb;
        uint8_t hash[32] = {};

        if (json_parse(line, strlen(line), 4, 1000, &j, &reason) < 0)
                return -EBADMSG;
        verb = word(j, 0);
        (void) hex_decode(word(j, 1), hash, 32);
        if (streq(verb, "make"))
                return run_make(t, j);
        if (streq(verb, "pay"))
                return run_pay(t, j, hash, false);
        if (streq(verb, "prepare"))
                return run_pay(t, j, hash, true);
        if (streq(verb, "invoice"))
                return c->lookup_invoice(t->driver, hash, on_invoice, (void *) "invoice", NULL);
        if (streq(verb, "payment"))
                return c->lookup_payment(t->driver, hash, on_payment, (void *) "payment", NULL);
        if (streq(verb, "balance"))
                return c->balance(t->driver, on_balance, NULL, NULL);
        if (streq(verb, "info"))
                return c->info(t->driver, on_info, NULL, NULL);
        if (streq(verb, "watch"))
                return c->watch(t->driver, word(j, 1));
        return -EINVAL;
}

static int on_input(
                _unused_ sd_event_source *s, int fd, _unused_ uint32_t revents, void *userdata) {
        Tool *t = userdata;
        char bytes[65536], *end;
        ssize_t n = read(fd, bytes, sizeof(bytes));

        if (n <= 0)
                return sd_event_exit(t->event, 0);
        if (buffer_add(&t->in, bytes, (size_t) n) < 0)
                return -ENOBUFS;
        while ((end = memchr(t->in.data, '\n', t->in.size))) {
                int r;

                *end = '\0';
                r = run(t, t->in.data);
                if (r < 0)
                        say("[\"refused\",%d]\n", r);
                buffer_drop(&t->in, (size_t) (end - t->in.data) + 1);
        }
        return 0;
}

static int open_doors(sd_event *e, const Config *c, const char *secret, DriverDoors *ret) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        *ret = (DriverDoors){ .event = e, .config = c };
        r = http_new(e, c->wallet.ca_file, &ret->http);
        if (r >= 0)
                r = http_pin(ret->http, c->wallet.pin);
        if (r >= 0)
                r = ws_loop_new(e, c->wallet.ca_file, &ret->ws);
        if (r < 0 || !secret)
                return r;
        fd = open(secret, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : secret_read(fd, 4096, &ret->secret);
}

int main(int argc, char **argv) {
        _cleanup_(config_freep) Config *config = NULL;
        const DriverClass *class;
        const char *reason;
        DriverDoors doors;
        Tool tool = {};
        int r;

        log_open("tool-driver");
        buffer_init(&tool.in, LINE_MAX_);
        if (argc < 2 || crypt_setup() < 0 || sd_event_new(&tool.event) < 0 ||
                        config_load_logged(argv[1], &config) < 0 ||
                        open_doors(tool.event, config, argc > 2 ? argv[2] : NULL, &doors) < 0)
                return EXIT_FAILURE;
        doors.relay_socket = argc > 3 ? argv[3] : NULL;
        class = driver_class(config->wallet.driver);
        if (!class)
                return EXIT_FAILURE;

        r = class->open(&doors, &handler, NULL, &tool.driver, &reason);
        if (r < 0) {
                say("[\"closed\",%d,\"%s\"]\n", r, reason);
                return EXIT_FAILURE;
        }
        say("[\"ready\"]\n");
        if (sd_event_add_io(tool.event, NULL, STDIN_FILENO, EPOLLIN, on_input, &tool) < 0)
                return EXIT_FAILURE;
        r = sd_event_loop(tool.event);

        tool.driver = driver_free(tool.driver);
        doors.http = http_unref(doors.http);
        doors.ws = ws_loop_free(doors.ws);
        doors.secret = secret_free(doors.secret);
        buffer_done(&tool.in);
        tool.event = sd_event_unref(tool.event);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
