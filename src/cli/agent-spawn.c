/* pylon agent spawn: an agent with a key of its own, whose words travel through a pipe and are
 * shown once, and an invoice that funds it. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent.h"
#include "input.h"
#include "qr.h"
#include "text.h"
#include "verb.h"
#include "wallet.h"
#include "words.h"

#define WORDS_MAX     512 /* bytes; 24 words have at most 215 */
#define SETTINGS_MAX  (64 * 1024)
#define FUND_DEFAULT  INT64_C(10000000) /* msat */
#define SPAWN_TIMEOUT (60 * SEC)

typedef struct Newborn {
        const char *name;
        char *settings;        /* of --settings */
        char *exec;            /* of --exec, from the root */
        int64_t fund_msat;     /* -1: no invoice */
        char words[WORDS_MAX]; /* "" where they were imported */
        int ours, theirs;      /* the ends of the pipe */
        sd_bus_message *reply;
        const char *npub, *path, *bolt11; /* in the reply */
} Newborn;

static void newborn_done(Newborn *n) {
        explicit_bzero(n->words, sizeof(n->words));
        free(n->settings);
        free(n->exec);
        closep(&n->ours);
        closep(&n->theirs);
        sd_bus_message_unref(n->reply);
}

/* ---- what is asked for */

static int make_pipe(const Cli *cli, Newborn *n) {
        int fds[2];

        if (pipe2(fds, O_CLOEXEC) < 0)
                return cli_out_of_memory(cli);
        n->ours = fds[0];
        n->theirs = fds[1];
        return EXIT_SUCCESS;
}

static int read_words(const Cli *cli, Newborn *n) {
        char words[WORDS_MAX];
        ssize_t size;

        size = words_read(cli, _("The words:"), words, sizeof(words));
        if (size <= 0)
                return cli_fail(cli, "BadInput", "%s", _("No words came from standard input."));
        n->theirs = words_pipe(words, (size_t) size);
        explicit_bzero(words, sizeof(words));
        return n->theirs < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int read_fund(const Cli *cli, Newborn *n) {
        const char *fund = cli->args.fund;

        n->fund_msat = FUND_DEFAULT;
        if (!fund)
                return EXIT_SUCCESS;
        if (streq(fund, "no")) {
                n->fund_msat = -1;
                return EXIT_SUCCESS;
        }
        return wallet_amount(cli, fund, &n->fund_msat);
}

static int check_network(const Cli *cli) {
        const char *ours = network_name(cli->config->network);

        if (!cli->args.network || streq(cli->args.network, ours))
                return EXIT_SUCCESS;
        return cli_fail(cli, "WrongNetwork", _("This Pylon is on \"%s\", and so are its agents."),
                        ours);
}

/* The program is looked for by the agent, from the root: here it is known where we are. A comma
 * begins its arguments, as in all lists. */
static int read_program(const Cli *cli, Newborn *n) {
        const char *exec = cli->args.exec, *mind = cli->args.mind;
        _cleanup_free_ char *program = NULL, *here = NULL;

        if (mind && streq(mind, "exec") && isempty(exec))
                return cli_fail(cli, "Usage", "%s",
                                _("--mind exec needs a program: --exec PROGRAM."));
        if (exec && mind && !streq(mind, "exec"))
                return cli_fail(cli, "Usage", "%s",
                                _("--exec is for --mind exec; other minds run no program."));
        if (!exec)
                return EXIT_SUCCESS;
        program = strndup(exec, strcspn(exec, ","));
        here = *exec == '/' ? strdup("") : get_current_dir_name();
        if (!program || !here)
                return cli_out_of_memory(cli);
        if (access(program, F_OK) < 0 && errno != EACCES) /* it may be for others to see */
                return cli_fail(cli, "BadInput", _("\"%s\" cannot be its mind: %s."), program,
                                strerror(errno));
        exec = startswith(exec, "./") ?: exec;
        if (asprintf(&n->exec, "%s%s%s", here, *here ? "/" : "", exec) < 0) {
                n->exec = NULL;
                return cli_out_of_memory(cli);
        }
        return EXIT_SUCCESS;
}

static int prepare(const Cli *cli, Newborn *n) {
        const Arguments *a = &cli->args;
        size_t size;
        int r;

        if (!a->name == (a->n_rest == 0))
                return cli_fail(cli, "Usage", "%s", _("An agent has one name."));
        n->name = a->name ?: a->rest[0];
        if (a->import && a->key_there)
                return cli_fail(cli, "Usage", "%s",
                                _("Either the words are imported or the key is there."));
        r = cli_check_text(cli, n->name) ?: check_network(cli) ?: read_fund(cli, n) ?: read_program(cli, n);
        if (r == EXIT_SUCCESS && a->settings)
                r = input_read(cli, a->settings, SETTINGS_MAX, &n->settings, &size);
        if (r == EXIT_SUCCESS && n->settings)
                r = cli_check_text(cli, n->settings);
        if (r != EXIT_SUCCESS)
                return r;
        return a->import ? read_words(cli, n) : make_pipe(cli, n);
}

/* ---- the call */

static int append_text(sd_bus_message *m, const char *key, const char *value) {
        return value ? sd_bus_message_append(m, "{sv}", key, "s", value) : 0;
}

/* --set section.key=value */
static int append_edit(sd_bus_message *m, const char *text) {
        const char *equals = strchr(text, '=');
        _cleanup_free_ char *key = strndup(text, (size_t) (equals - text));

        return key ? append_text(m, key, equals + 1) : -ENOMEM;
}

/* Repeated, it is a list. */
static int append_relays(sd_bus_message *m, const Arguments *a) {
        _cleanup_buffer_ Buffer b = { .max = 32 * 1024 };
        int r = 0;

        if (a->n_relays == 0)
                return 0;
        for (size_t i = 0; i < a->n_relays && r >= 0; i++)
                r = buffer_addf(&b, "%s%s", i > 0 ? "," : "", a->relays[i]);
        return r < 0 ? r : append_text(m, "relays", b.data);
}

/* "rules" is the program that is built in: an exec mind without a program. */
static int append_mind(sd_bus_message *m, const Arguments *a, const char *exec) {
        const char *mind = a->mind;
        int r;

        r = append_text(m, "mind.type", mind && streq(mind, "rules") ? "exec" : mind);
        if (r >= 0)
                r = append_text(m, "mind.model", a->model);
        return r < 0 ? r : append_text(m, "mind.exec", exec);
}

static int append_options(sd_bus_message *m, const Cli *cli, const Newborn *n) {
        const Arguments *a = &cli->args;
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = append_text(m, "key", a->import ? "words" : a->key_there ? "signer" : "new");
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}{sv}", "fund", "x", n->fund_msat, "stopped", "b",
                                (int) a->stopped);
        if (r >= 0)
                r = append_text(m, "settings", n->settings);
        if (r >= 0)
                r = append_text(m, "profile.about", a->about);
        if (r >= 0)
                r = append_text(m, "profile.autonomy", a->autonomy);
        if (r >= 0)
                r = append_text(m, "schedule.heartbeat_seconds", a->heartbeat);
        if (r >= 0)
                r = append_text(m, "owner.npub", a->owner);
        if (r >= 0)
                r = append_mind(m, a, n->exec);
        if (r >= 0)
                r = append_relays(m, a);
        for (size_t i = 0; i < a->n_params && r >= 0; i++)
                r = append_edit(m, a->params[i]);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int check_texts(const Cli *cli) {
        const Arguments *a = &cli->args;
        const char *const texts[] = { a->about, a->autonomy, a->heartbeat, a->owner, a->mind,
                a->model, a->exec };
        int r = EXIT_SUCCESS;

        for (size_t i = 0; i < ELEMENTSOF(texts) && r == EXIT_SUCCESS; i++)
                r = cli_check_text(cli, texts[i] ?: "");
        for (size_t i = 0; i < a->n_params && r == EXIT_SUCCESS; i++)
                r = cli_check_text(cli, a->params[i]);
        return r;
}

static int send_spawn(const Cli *cli, Newborn *n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(remote_done) Remote host = { 0 };
        CallError error;
        int r;

        r = check_texts(cli) ?: agent_open_host(cli, &host);
        if (r != EXIT_SUCCESS)
                return r;
        r = remote_message(&host, "Spawn", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", n->name);
        if (r >= 0)
                r = append_options(m, cli, n);
        if (r >= 0)
                r = sd_bus_message_append(m, "h", n->theirs);
        closep(&n->theirs); /* the message has its own */
        if (r < 0)
                return cli_out_of_memory(cli);
        if (remote_send(&host, m, SPAWN_TIMEOUT, &n->reply, &error) < 0)
                return call_fail(cli, &error);
        if (sd_bus_message_read(n->reply, "sos", &n->npub, &n->path, &n->bolt11) < 0)
                return call_unreadable(cli);
        return EXIT_SUCCESS;
}

/* They were put into the pipe before the answer was sent. */
static int take_words(const Cli *cli, Newborn *n) {
        ssize_t size;

        if (n->ours < 0 || cli->args.key_there)
                return EXIT_SUCCESS;
        size = read(n->ours, n->words, sizeof(n->words) - 1);
        if (size <= 0)
                return call_unreadable(cli);
        n->words[size] = '\0';
        n->words[strcspn(n->words, "\n")] = '\0';
        return EXIT_SUCCESS;
}

/* ---- what is told */

static void show_newborn(const Newborn *n) {
        char amount[TEXT_MAX];

        (void) printf(_("\"%s\" is %s.\n"), n->name, n->npub);
        if (*n->words)
                (void) printf("\n    %s\n\n%s\n", n->words,
                                _("These words are its identity. They are shown this once: write them down, and keep\n"
                                  "them where nobody else reads them. Who has them is this agent."));
        if (*n->bolt11) {
                text_msats(n->fund_msat, amount);
                (void) printf("\n");
                qr_print_invoice(stdout, n->bolt11);
                if (n->fund_msat > 0)
                        (void) printf(_("Whoever pays %s here lets it live:\n%s\n"), amount,
                                        n->bolt11);
                else
                        (void) printf(_("Whoever pays here lets it live:\n%s\n"), n->bolt11);
        }
        (void) printf(_("\n`pylon agent fund %s AMOUNT --from owner` funds it from here, too.\n"),
                        n->name);
        (void) fflush(stdout);
}

static int print_newborn(const Cli *cli, const Newborn *n) {
        _cleanup_(out_done) Out o = OUT_INIT;

        out_object(&o, NULL);
        out_text(&o, "name", n->name);
        out_text(&o, "npub", n->npub);
        out_text(&o, "network", network_name(cli->config->network));
        if (*n->words)
                out_text(&o, "mnemonic", n->words);
        out_text(&o, "bolt11", *n->bolt11 ? n->bolt11 : NULL);
        out_text(&o, "object", n->path);
        out_end(&o);
        return out_print(&o) < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

int verb_agent_spawn(Cli *cli) {
        _cleanup_(newborn_done) Newborn n = { .ours = -EBADF, .theirs = -EBADF };
        int r;

        r = prepare(cli, &n);
        if (r == EXIT_SUCCESS)
                r = send_spawn(cli, &n);
        if (r == EXIT_SUCCESS)
                r = take_words(cli, &n);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.json)
                return print_newborn(cli, &n);
        show_newborn(&n);
        return EXIT_SUCCESS;
}
