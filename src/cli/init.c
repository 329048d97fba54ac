/* pylon init: the identity, made or imported by the signer. Its words travel through a pipe, are
 * shown once, and are never in a message, a file of ours, or the environment. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/codec.h"
#include "basic/file.h"
#include "call.h"
#include "manager.h"
#include "nostr/nip19.h"
#include "out.h"
#include "transient.h"
#include "verb.h"
#include "words.h"

#define WORDS_MAX 512 /* bytes; 24 words have at most 215 */
#define KEY       "provider"
#define CONFIG_START                                                                                  \
        "# Pylon's settings: pylon.toml(5). Every key has a default, so any of them may go.\n\n"      \
        "# The Bitcoin network. \"regtest\" is play money: a wallet and a relay for this machine,\n"  \
        "# at ws://127.0.0.1:7447, are built in. For real sats say \"mainnet\", choose a wallet in\n" \
        "# [wallet], and name your relays.\n"                                                         \
        "network = \"regtest\"\n\n"                                                                   \
        "# Whether work must be paid for. [[price]] says what it costs; without it everything\n"      \
        "# costs min_price_msats.\n"                                                                  \
        "require_payment = true\n"                                                                    \
        "min_price_msats = 1000\n"

static const char *const signer_units[] = { "pylon-signer.socket", "pylon-signer.service", NULL };
static const char *const signer_socket[] = { "pylon-signer.socket", NULL };

typedef struct Identity {
        char words[WORDS_MAX]; /* "" where they were imported */
        char pubkey[HEX32_MAX];
        char npub[NPUB_SIZE];
        char *config;
        bool config_is_new;
} Identity;

static void identity_done(Identity *i) {
        explicit_bzero(i->words, sizeof(i->words));
        free(i->config);
}

/* Where no instance runs, the signer runs for this command only. */
typedef struct Signer {
        Remote remote;
        Transient *transient;
        bool unit_started;
} Signer;

static void signer_done(Signer *s) {
        remote_done(&s->remote);
        transient_free(s->transient);
        if (s->unit_started)
                (void) manager_do(SCOPE_SYSTEM, "stop", signer_units);
}

static int signer_start(const Cli *cli, Signer *s, const CallError *why) {
        int r;

        if (!streq(why->name, "NotRunning"))
                return call_fail(cli, why);
        if (cli->scope == SCOPE_SYSTEM) {
                if (manager_do(SCOPE_SYSTEM, "start", signer_socket) != 0)
                        return cli_fail(cli, "StartFailed", "%s",
                                        _("systemd could not start pylon-signer.socket."));
                s->unit_started = !manager_runs_pylon(SCOPE_SYSTEM);
                return EXIT_SUCCESS;
        }
        r = transient_start(cli, "signer", &s->transient);
        if (r == -EAGAIN)
                return cli_fail(cli, "AlreadyRunning", "%s",
                                _("Another `pylon` starts or stops right now."));
        if (r == -ENOENT)
                return cli_fail(cli, "NotInstalled", "%s", _("pylon-signer is not there."));
        if (r < 0)
                return cli_fail(cli, "CannotCreate", _("pylon-signer could not be started: %s."),
                                strerror(-r));
        return EXIT_SUCCESS;
}

static int signer_open(const Cli *cli, Signer *s) {
        CallError error;
        int r;

        if (remote_open(cli, "signer", &s->remote, &error) >= 0)
                return EXIT_SUCCESS;
        r = signer_start(cli, s, &error);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_open(cli, "signer", &s->remote, &error) < 0)
                return call_fail(cli, &error);
        return EXIT_SUCCESS;
}

/* Sends the call with one end of the pipe, which is ours no longer. */
static int send_with_pipe(const Cli *cli, const Signer *s, int *fd, Identity *ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        const Arguments *a = &cli->args;
        const char *pubkey;
        CallError error;
        int r;

        r = remote_message(&s->remote, a->import ? "Import" : "Generate", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", KEY);
        if (r >= 0 && !a->import)
                r = sd_bus_message_append(m, "u", a->words > 0 ? a->words : 12);
        if (r >= 0)
                r = sd_bus_message_append(m, "bh", (int) a->force, *fd);
        closep(fd); /* the message has its own */
        if (r < 0)
                return cli_out_of_memory(cli);
        if (remote_send(&s->remote, m, 0, &reply, &error) < 0)
                return call_fail(cli, &error);
        if (sd_bus_message_read(reply, "s", &pubkey) < 0 || strlen(pubkey) != HEX32_MAX - 1)
                return call_unreadable(cli);
        memcpy(ret->pubkey, pubkey, HEX32_MAX);
        return EXIT_SUCCESS;
}

static int generate(const Cli *cli, const Signer *s, Identity *ret) {
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        ssize_t n;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return cli_out_of_memory(cli);
        from = fds[0];
        to = fds[1];
        r = send_with_pipe(cli, s, &to, ret);
        if (r != EXIT_SUCCESS)
                return r;
        n = read(from, ret->words, sizeof(ret->words) - 1);
        if (n <= 0)
                return call_unreadable(cli);
        ret->words[n] = '\0';
        ret->words[strcspn(ret->words, "\n")] = '\0';
        return EXIT_SUCCESS;
}

static int import(const Cli *cli, const Signer *s, Identity *ret) {
        _cleanup_close_ int from = -EBADF;
        char words[WORDS_MAX];
        ssize_t n;

        n = words_read(cli, _("The words:"), words, sizeof(words));
        if (n <= 0)
                return cli_fail(cli, "BadInput", "%s", _("No words came from standard input."));
        from = words_pipe(words, (size_t) n);
        explicit_bzero(words, sizeof(words));
        if (from < 0)
                return cli_out_of_memory(cli);
        return send_with_pipe(cli, s, &from, ret);
}

/* Only where there is none: nobody's settings are ever overwritten. */
static int write_config(const Cli *cli, Identity *i) {
        const char *path = cli->paths->config, *slash = strrchr(path, '/');
        _cleanup_free_ char *folder = NULL;
        bool folder_is_new;
        int r;

        i->config = strdup(path);
        folder = slash && slash > path ? strndup(path, (size_t) (slash - path)) : strdup(".");
        if (!i->config || !folder)
                return cli_out_of_memory(cli);
        folder_is_new = access(folder, F_OK) < 0;
        r = mkdir_p(folder);
        if (r >= 0)
                r = write_new(path, CONFIG_START, strlen(CONFIG_START));
        if (r == -EEXIST)
                return EXIT_SUCCESS;
        /* The system's services are other accounts, and there is no secret in it. */
        if (r >= 0 && cli->scope == SCOPE_SYSTEM &&
                        (chmod(path, 0644) < 0 || (folder_is_new && chmod(folder, 0755) < 0)))
                r = -errno;
        if (r < 0)
                return cli_fail(cli, "CannotCreate", _("\"%s\" could not be written: %s."), path,
                                strerror(-r));
        i->config_is_new = true;
        return EXIT_SUCCESS;
}

static void show_identity(const Identity *i) {
        (void) printf(_("This Pylon is %s.\n"), i->npub);
        if (*i->words)
                (void) printf("\n    %s\n\n%s\n", i->words,
                                _("These words are its identity. They are shown this once: write them down, and keep\n"
                                  "them where nobody else reads them. Who has them is this Pylon."));
        (void) printf("\n");
        (void) printf(i->config_is_new ? _("Settings: %s (new)\n") : _("Settings: %s\n"),
                        i->config);
        (void) printf("%s\n", _("Start it with `pylon start`."));
        (void) fflush(stdout);
}

static int print_identity(const Identity *i) {
        _cleanup_(out_done) Out o = OUT_INIT;

        out_object(&o, NULL);
        out_text(&o, "npub", i->npub);
        out_text(&o, "pubkey", i->pubkey);
        if (*i->words)
                out_text(&o, "mnemonic", i->words);
        out_text(&o, "config", i->config);
        out_boolean(&o, "config_is_new", i->config_is_new);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int make_identity(const Cli *cli, Identity *i) {
        _cleanup_(signer_done) Signer s = { 0 };
        uint8_t pubkey[32];
        int r;

        r = signer_open(cli, &s);
        if (r != EXIT_SUCCESS)
                return r;
        r = cli->args.import ? import(cli, &s, i) : generate(cli, &s, i);
        if (r != EXIT_SUCCESS)
                return r;
        if (hex_decode(i->pubkey, pubkey, sizeof(pubkey)) < 0 || npub_encode(pubkey, i->npub) < 0)
                return call_unreadable(cli);
        return EXIT_SUCCESS;
}

int verb_init(Cli *cli) {
        _cleanup_(identity_done) Identity i = { 0 };
        uint32_t words = cli->args.words;
        int r;

        if (words > 0 && words != 12 && words != 24)
                return cli_fail(cli, "Usage", "%s", _("An identity has 12 or 24 words."));
        if (words > 0 && cli->args.import)
                return cli_fail(cli, "Usage", "%s",
                                _("An identity that is imported has the words it has."));
        r = make_identity(cli, &i);
        if (r != EXIT_SUCCESS)
                return r;
        /* Shown even where the config fails: the words are nowhere else. */
        r = write_config(cli, &i);
        if (cli->args.json)
                return print_identity(&i) == EXIT_SUCCESS ? r : EXIT_FAILURE;
        show_identity(&i);
        return r;
}
