/* pylon agent export: an agent in one encrypted file. Its words are encrypted by the signer, and
 * nobody else has them meanwhile. */
#include <fcntl.h>
#include <stdio.h>

#include "agent-travel.h"
#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/file.h"
#include "basic/json.h"
#include "text.h"
#include "verb.h"
#include "words.h"

/* ---- the signer's part */

/* The words as the signer encrypts them, in base64. */
static int export_words(const Cli *cli, const char *name, const ParcelKeys *k, char **ret,
                char **ret_pubkey) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        _cleanup_close_ int key = -EBADF, from = -EBADF, to = -EBADF;
        _cleanup_(remote_done) Remote signer = { 0 };
        char sealed[TRAVEL_SEALED_MAX], key_name[TRAVEL_KEY_MAX];
        const char *pubkey;
        CallError error;
        int fds[2], r;
        ssize_t n;

        if (remote_open(cli, "signer", &signer, &error) < 0)
                return call_fail(cli, &error);
        key = words_pipe(secret_text(k->words), secret_size(k->words));
        if (key < 0 || pipe2(fds, O_CLOEXEC) < 0)
                return cli_out_of_memory(cli);
        from = fds[0];
        to = fds[1];
        r = travel_key(name, key_name);
        if (r >= 0)
                r = remote_message(&signer, "Export", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "shh", key_name, key, to);
        if (r < 0)
                return cli_out_of_memory(cli);
        closep(&to);
        if (remote_send(&signer, m, 0, &reply, &error) < 0)
                return call_fail(cli, &error);
        if (sd_bus_message_read(reply, "s", &pubkey) < 0)
                return call_unreadable(cli);
        n = read(from, sealed, sizeof(sealed));
        if (n <= 0)
                return call_unreadable(cli);
        *ret_pubkey = strdup(pubkey);
        r = *ret_pubkey ? base64_encode(sealed, (size_t) n, ret) : -ENOMEM;
        return r < 0 ? cli_out_of_memory(cli) : EXIT_SUCCESS;
}

/* ---- the host's part */

static int read_to_end(int fd, char **ret) {
        _cleanup_buffer_ Buffer b = { .max = TRAVEL_MEMORY_MAX };
        char bite[65536];
        ssize_t n;
        int r = 0;

        while (r >= 0 && (n = read(fd, bite, sizeof(bite))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                r = n < 0 ? -errno : buffer_add(&b, bite, (size_t) n);
        }
        if (r >= 0)
                r = buffer_add(&b, "", 0);
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

/* The answer comes when all is in the pipe, which holds less: it is read first. */
static int export_memory(const Cli *cli, const char *name, const Remote *agent, char **ret) {
        _cleanup_(travel_call_done) TravelCall call = { 0 };
        _cleanup_close_ int from = -EBADF, to = -EBADF;
        _cleanup_(json_unrefp) Json *check = NULL;
        const char *reason;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return cli_out_of_memory(cli);
        from = fds[0];
        to = fds[1];
        r = travel_call_begin(&call, agent, "Export", &to);
        if (r >= 0)
                r = read_to_end(from, ret);
        if (r < 0)
                return cli_fail(cli, "NotReachable", _("\"%s\" could not be exported: %s."), name,
                                strerror(-r));
        r = travel_call_end(cli, name, &call);
        if (r != EXIT_SUCCESS)
                return r;
        if (json_parse(*ret, strlen(*ret), TRAVEL_DEPTH, TRAVEL_VALUES, &check, &reason) < 0)
                return cli_fail(cli, "NotReachable", _("\"%s\" could not be exported: %s."), name,
                                _("pylon-host did not tell all of it"));
        return EXIT_SUCCESS;
}

/* ---- export */

typedef struct Luggage {
        char *words, *pubkey, *memory;
        sd_bus_message *settings;
        const char *toml; /* in it */
} Luggage;

static void luggage_done(Luggage *l) {
        free(l->words);
        free(l->pubkey);
        free(l->memory);
        sd_bus_message_unref(l->settings);
}

static int pack(const Cli *cli, const char *name, const ParcelKeys *k, const Luggage *l,
                char **ret) {
        _cleanup_(out_done) Out o = OUT_INIT;
        int r;

        out_object(&o, NULL);
        out_number(&o, "v", TRAVEL_VERSION);
        out_text(&o, "name", name);
        out_text(&o, "pubkey", l->pubkey);
        out_text(&o, "network", network_name(cli->config->network));
        out_number(&o, "exported_at", now_seconds());
        out_text(&o, "settings", l->toml);
        out_raw(&o, "memory", l->memory);
        out_text(&o, "words", l->words);
        out_end(&o);
        r = o.error < 0 ? o.error : parcel_write(k, o.buffer.data, o.buffer.size, ret);
        return r < 0 ? cli_fail(cli, "Failed", _("\"%s\" could not be exported: %s."), name,
                                       strerror(-r))
                     : EXIT_SUCCESS;
}

static int gather(const Cli *cli, const char *name, const ParcelKeys *k, Luggage *l) {
        _cleanup_(agent_remote_done) AgentRemote a = { 0 };
        CallError error;
        int r;

        r = agent_open(cli, name, &a);
        if (r != EXIT_SUCCESS)
                return r;
        if (remote_call(&a.remote, "Settings", &l->settings, &error, NULL) < 0)
                return agent_fail(cli, name, &error);
        if (sd_bus_message_read(l->settings, "s", &l->toml) < 0)
                return call_unreadable(cli);
        r = export_words(cli, name, k, &l->words, &l->pubkey);
        return r != EXIT_SUCCESS ? r : export_memory(cli, name, &a.remote, &l->memory);
}

int verb_agent_export(Cli *cli) {
        _cleanup_(parcel_keys_done) ParcelKeys k = { 0 };
        const char *name = cli->args.rest[0], *path = cli->args.rest[1];
        _cleanup_(secret_freep) Secret *passphrase = NULL;
        _cleanup_(luggage_done) Luggage l = { 0 };
        _cleanup_free_ char *text = NULL;
        int r;

        if (startswith(name, "npub1"))
                return cli_fail(cli, "Usage", "%s", _("Say the name of the agent."));
        r = passphrase_read(cli, true, &passphrase);
        if (r != EXIT_SUCCESS)
                return r;
        if (crypt_setup() < 0 || parcel_keys_new(passphrase, &k) < 0)
                return cli_fail(cli, "Failed", "%s", _("There is no chance to be had."));
        r = gather(cli, name, &k, &l);
        if (r == EXIT_SUCCESS)
                r = pack(cli, name, &k, &l, &text);
        if (r != EXIT_SUCCESS)
                return r;
        r = write_new(path, text, strlen(text));
        if (r < 0)
                return cli_fail(cli, "CannotCreate", _("\"%s\" could not be written: %s."), path,
                                strerror(-r));
        return agent_say_done(cli, name,
                        _("\"%s\" is in \"%s\", all but its money. Only one of the two may live: stop it here before it starts elsewhere."),
                        name, path);
}
