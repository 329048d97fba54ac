/* pylon agent import: what `pylon agent export` wrote. The words are decrypted by the signer. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "agent-travel.h"
#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/file.h"
#include "basic/json.h"
#include "input.h"
#include "nostr/nip19.h"
#include "verb.h"
#include "words.h"

typedef struct Arrival {
        Json *root;
        const char *name, *pubkey, *network, *settings, *words;
        uint64_t version;
        Json *memory;
} Arrival;

static void arrival_done(Arrival *a) {
        (void) json_unref(a->root);
}

static int unpack(const Cli *cli, const char *body, size_t size, Arrival *a) {
        static const JsonField fields[] = {
                { "v", JSON_U64, offsetof(Arrival, version), true },
                { "name", JSON_STRING, offsetof(Arrival, name), true },
                { "pubkey", JSON_STRING, offsetof(Arrival, pubkey), true },
                { "network", JSON_STRING, offsetof(Arrival, network), true },
                { "settings", JSON_STRING, offsetof(Arrival, settings), true },
                { "words", JSON_STRING, offsetof(Arrival, words), true },
                { "memory", JSON_OBJECT, offsetof(Arrival, memory), true },
        };
        const char *field = "", *reason = "";
        Json *root = NULL;

        if (json_parse(body, size, TRAVEL_DEPTH, TRAVEL_VALUES, &root, &reason) < 0 ||
                        json_read(root, fields, ELEMENTSOF(fields), a, &field, &reason) < 0 ||
                        a->version != TRAVEL_VERSION) {
                (void) json_unref(root);
                return cli_fail(cli, "BadInput",
                                _("The file was written by another version of Pylon: %s %s."),
                                field, reason);
        }
        a->root = root;
        if (cli->args.name)
                a->name = cli->args.name;
        if (!streq(a->network, network_name(cli->config->network)))
                return cli_fail(cli, "WrongNetwork", _("This agent lives on \"%s\"."), a->network);
        return EXIT_SUCCESS;
}

static int open_parcel(const Cli *cli, ParcelKeys *k, Arrival *a) {
        _cleanup_(secret_freep) Secret *passphrase = NULL, *body = NULL;
        const char *path = cli->args.rest[0], *reason = _("there is not enough memory");
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = input_read(cli, path, PARCEL_MAX, &text, &size);
        if (r == EXIT_SUCCESS)
                r = passphrase_read(cli, false, &passphrase);
        if (r != EXIT_SUCCESS)
                return r;
        r = crypt_setup();
        if (r >= 0)
                r = parcel_keys_of(text, passphrase, k, &reason);
        if (r >= 0)
                r = parcel_read(k, text, &body, &reason);
        if (r < 0)
                return cli_fail(cli, "BadInput", _("\"%s\" cannot be opened: %s."), path, reason);
        return unpack(cli, secret_text(body), secret_size(body), a);
}

static int check_absent(const Cli *cli, const Remote *host, const Arrival *a) {
        _cleanup_(agents_done) AgentList l = { 0 };
        char npub[NPUB_SIZE] = "";
        CallError error;
        uint8_t key[32];

        if (hex_decode(a->pubkey, key, sizeof(key)) < 0 || npub_encode(key, npub) < 0)
                return cli_fail(cli, "BadInput", "%s", _("The file names no public key."));
        if (agents_read(host, &l, &error) < 0)
                return call_fail(cli, &error);
        if (agents_find(&l, a->name))
                return cli_fail(cli, "AgentExists", _("There is an agent \"%s\" already."),
                                a->name);
        if (agents_find(&l, npub))
                return cli_fail(cli, "AgentExists", _("This agent lives here already, as \"%s\"."),
                                agents_find(&l, npub)->name);
        return EXIT_SUCCESS;
}

/* A key of this name that is there may be this agent's, from an import that was cut short. */
static bool key_is_there(const Remote *signer, const char *key_name, const char *pubkey) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        CallError error;
        const char *hex;

        return remote_call(signer, "PublicKey", &reply, &error, "s", key_name) >= 0 &&
               sd_bus_message_read(reply, "s", &hex) >= 0 && streq(hex, pubkey);
}

/* The key and the parcel of the words, in one pipe. */
static int words_for_signer(const Cli *cli, const ParcelKeys *k, const Arrival *a, int *ret) {
        _cleanup_(secret_freep) Secret *all = NULL;
        _cleanup_free_ uint8_t *sealed = NULL;
        size_t size;

        if (base64_decode(a->words, strlen(a->words), &sealed, &size) < 0 ||
                        size > TRAVEL_SEALED_MAX)
                return cli_fail(cli, "BadInput", "%s", _("The file names no public key."));
        if (secret_new(PARCEL_KEY_SIZE + size, &all) < 0)
                return cli_out_of_memory(cli);
        memcpy(secret_data(all), secret_text(k->words), PARCEL_KEY_SIZE);
        memcpy(secret_data(all) + PARCEL_KEY_SIZE, sealed, size);
        *ret = words_pipe(secret_text(all), secret_size(all));
        return *ret < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

static int import_words(const Cli *cli, const ParcelKeys *k, const Arrival *a) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_(remote_done) Remote signer = { 0 };
        _cleanup_close_ int fd = -EBADF;
        char key_name[TRAVEL_KEY_MAX];
        CallError error;
        int r;

        if (remote_open(cli, "signer", &signer, &error) < 0)
                return call_fail(cli, &error);
        r = words_for_signer(cli, k, a, &fd);
        if (r != EXIT_SUCCESS)
                return r;
        if (travel_key(a->name, key_name) < 0)
                return cli_fail(cli, "BadInput", _("\"%s\" is no name for an agent."), a->name);
        r = remote_message(&signer, "ImportSealed", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "ssh", key_name, a->pubkey, fd);
        closep(&fd);
        if (r < 0)
                return cli_out_of_memory(cli);
        if (remote_send(&signer, m, 0, &reply, &error) >= 0 ||
                        (streq(error.name, "KeyExists") &&
                                        key_is_there(&signer, key_name, a->pubkey)))
                return EXIT_SUCCESS;
        return call_fail(cli, &error);
}

/* It comes to the world stopped: at home it may still live. */
static int import_agent(const Cli *cli, const Remote *host, const Arrival *a) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_close_ int fd = words_pipe("", 0);
        CallError error;
        int r;

        r = fd < 0 ? fd : remote_message(host, "Spawn", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sa{sv}h", a->name, 4, "key", "s", "signer",
                                "settings", "s", a->settings, "stopped", "b", 1, "fund", "x",
                                INT64_C(-1), fd);
        if (r < 0)
                return cli_out_of_memory(cli);
        return remote_send(host, m, TRAVEL_TIMEOUT, &reply, &error) < 0 ? call_fail(cli, &error)
                                                                        : EXIT_SUCCESS;
}

/* The call first, so that somebody reads what is written. Who refuses it closes the pipe. */
static int import_memory(const Cli *cli, const Arrival *a) {
        _cleanup_(travel_call_done) TravelCall call = { 0 };
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        _cleanup_(agent_remote_done) AgentRemote agent = { 0 };
        _cleanup_buffer_ Buffer b = { .max = TRAVEL_MEMORY_MAX };
        int fds[2], r;

        r = agent_open(cli, a->name, &agent);
        if (r != EXIT_SUCCESS)
                return r;
        if (json_write(&b, a->memory) < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return cli_out_of_memory(cli);
        from = fds[0];
        to = fds[1];
        (void) signal(SIGPIPE, SIG_IGN);
        r = travel_call_begin(&call, &agent.remote, "Import", &from);
        if (r >= 0)
                r = write_all(to, b.data, b.size);
        closep(&to);
        if (r < 0 && r != -EPIPE)
                return cli_fail(cli, "NotReachable", _("The connection to pylon-host ended: %s."),
                                strerror(-r));
        return travel_call_end(cli, a->name, &call);
}

int verb_agent_import(Cli *cli) {
        _cleanup_(parcel_keys_done) ParcelKeys k = { 0 };
        _cleanup_(arrival_done) Arrival a = { 0 };
        _cleanup_(remote_done) Remote host = { 0 };
        int r;

        r = open_parcel(cli, &k, &a);
        if (r == EXIT_SUCCESS)
                r = agent_open_host(cli, &host);
        if (r == EXIT_SUCCESS)
                r = check_absent(cli, &host, &a);
        if (r == EXIT_SUCCESS)
                r = import_words(cli, &k, &a);
        if (r == EXIT_SUCCESS)
                r = import_agent(cli, &host, &a);
        if (r == EXIT_SUCCESS)
                r = import_memory(cli, &a);
        if (r != EXIT_SUCCESS)
                return r;
        return agent_say_done(cli, a.name,
                        _("\"%s\" is here, and stopped. `pylon agent start %s` starts it when it lives nowhere else."),
                        a.name, a.name);
}
