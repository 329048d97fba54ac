#include "agent-travel.h"

#include <stdio.h>

#include "input.h"
#include "question.h"
#include "words.h"

#define PASSPHRASE_MIN 8
#define PASSPHRASE_MAX 1024
#define KEY_PREFIX     "agent:"

/* ---- the passphrase */

static int passphrase_of(const Cli *cli, char *text, size_t size, Secret **ret) {
        size_t n;
        int r;

        text[size] = '\0';
        n = strcspn(text, "\r\n");
        if (n < PASSPHRASE_MIN)
                return cli_fail(cli, "BadInput", _("A passphrase has at least %d characters."),
                                PASSPHRASE_MIN);
        r = secret_copy(text, n, ret);
        return r < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int passphrase_from_file(const Cli *cli, Secret **ret) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = input_read(cli, cli->args.passphrase_file, PASSPHRASE_MAX, &text, &size);
        if (r != EXIT_SUCCESS)
                return r;
        r = passphrase_of(cli, text, size, ret);
        explicit_bzero(text, size);
        return r;
}

static int passphrase_typed(const Cli *cli, const char *prompt, Secret **ret) {
        char text[PASSPHRASE_MAX + 1];
        ssize_t n;
        int r;

        n = words_read(cli, prompt, text, PASSPHRASE_MAX);
        r = passphrase_of(cli, text, n > 0 ? (size_t) n : 0, ret);
        explicit_bzero(text, sizeof(text));
        return r;
}

/* Twice where a new one is made: nobody could open the file after a slip. */
int passphrase_read(const Cli *cli, bool is_new, Secret **ret) {
        _cleanup_(secret_freep) Secret *again = NULL;
        int r;

        if (cli->args.passphrase_file)
                return passphrase_from_file(cli, ret);
        if (!isatty(STDIN_FILENO))
                return cli_fail(cli, "Usage", "%s",
                                _("Where nobody types, the passphrase comes from a file: --passphrase-file PATH."));
        r = passphrase_typed(cli, _("Passphrase:"), ret);
        if (r == EXIT_SUCCESS && is_new)
                r = passphrase_typed(cli, _("Once more:"), &again);
        if (r == EXIT_SUCCESS && is_new && !streq(secret_text(*ret), secret_text(again)))
                return cli_fail(cli, "BadInput", "%s", _("The two are not the same."));
        return r;
}

int travel_key(const char *name, char ret[static TRAVEL_KEY_MAX]) {
        int n = snprintf(ret, TRAVEL_KEY_MAX, KEY_PREFIX "%s", name);

        return n < 0 || n >= TRAVEL_KEY_MAX ? -ENAMETOOLONG : 0;
}

/* ---- calls with a pipe */

static int on_answer(sd_bus_message *m, void *userdata, _unused_ sd_bus_error *error) {
        TravelCall *call = userdata;

        call->reply = sd_bus_message_ref(m);
        return 1;
}

/* Sent, so that whoever shall use the pipe has it. */
static int write_out(sd_bus *bus) {
        uint64_t n = 0;
        int r;

        while ((r = sd_bus_get_n_queued_write(bus, &n)) >= 0 && n > 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, UINT64_MAX);
                if (r < 0)
                        return r;
        }
        return r;
}

int travel_call_begin(TravelCall *call, const Remote *agent, const char *member, int *fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        call->bus = agent->bus;
        r = remote_message(agent, member, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "h", *fd);
        closep(fd); /* the message has its own, until it is sent */
        if (r >= 0)
                r = sd_bus_call_async(agent->bus, &call->slot, m, on_answer, call, TRAVEL_TIMEOUT);
        return r < 0 ? r : write_out(agent->bus);
}

int travel_call_end(const Cli *cli, const char *name, TravelCall *call) {
        const sd_bus_error *e;
        CallError error;
        int r = 0;

        while (r >= 0 && !call->reply) {
                r = sd_bus_process(call->bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(call->bus, UINT64_MAX); /* the call has its deadline */
        }
        if (r < 0)
                return cli_fail(cli, "NotReachable", _("The connection to pylon-host ended: %s."),
                                strerror(-r));
        e = sd_bus_message_get_error(call->reply);
        if (!e)
                return EXIT_SUCCESS;
        error.name = error_name(e->name ?: "");
        (void) snprintf(error.message, sizeof(error.message), "%s", e->message ?: e->name);
        return agent_fail(cli, name, &error);
}

void travel_call_done(TravelCall *call) {
        sd_bus_slot_unref(call->slot);
        sd_bus_message_unref(call->reply);
}
