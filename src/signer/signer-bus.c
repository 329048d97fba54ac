/* The signer on its private socket: com.openagents.Pylon1.Signer. It is never on a message bus. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/codec.h"
#include "basic/crypt.h"
#include "basic/log.h"
#include "basic/text.h"
#include "bus/names.h"
#include "bus/text.h"
#include "intake.h"
#include "nostr/bip39.h"
#include "parcel.h"
#include "policy.h"
#include "signer.h"

static PeerRole caller(Signer *s, sd_bus_message *m) {
        return bus_server_role(service_server(s->service), m);
}

static int refuse(sd_bus_error *error, PeerRole role) {
        return sd_bus_error_setf(error, BUS_ERROR_NOT_ALLOWED,
                        "The signer does not do this for \"%s\".", peer_role_name(role));
}

/* What is wrong with a key or its file, in words that name it. */
static int key_error(Signer *s, sd_bus_error *error, const char *name, int r, const char *reason) {
        _cleanup_free_ char *path = NULL;

        if (r == -ENOMEM || keyring_file(s->keyring, name, &path) == -ENOMEM)
                return -ENOMEM;
        if (r == -ENOENT)
                return sd_bus_error_setf(error, BUS_ERROR_NO_KEY,
                                "There is no key \"%s\" yet: \"%s\" does not exist.", name, path);
        if (r == -EEXIST)
                return sd_bus_error_setf(error, BUS_ERROR_KEY_EXISTS,
                                "The key \"%s\" is there already, in \"%s\".", name, path);
        if (r == -EINVAL)
                return sd_bus_error_setf(
                                error, BUS_ERROR_BAD_INPUT, "The key \"%s\": %s.", name, reason);
        return sd_bus_error_setf(error, BUS_ERROR_DAMAGED,
                        "The key file \"%s\" cannot be used: %s.", path, reason ?: strerror(-r));
}

static int get_request(
                Signer *s, sd_bus_message *m, const char *name, Request *ret, sd_bus_error *error) {
        const char *reason = NULL;
        int r;

        *ret = (Request){ .role = caller(s, m), .key_name = name };
        if (!policy_may_use(ret->role, name))
                return refuse(error, ret->role);

        r = keyring_get(s->keyring, name, &ret->key, &reason);
        return r < 0 ? key_error(s, error, name, r, reason) : 0;
}

/* A method whose items come as an array and go as an array, each with its own outcome. */
typedef struct Batch {
        const char *item, *result;                            /* their types */
        int (*one)(const Request *q, const char *const *item, /* as many strings as its type has */
                        sd_bus_message *reply);
} Batch;

#define FIELDS_MAX 3

static int batch_items(const Batch *b, const Request *q, sd_bus_message *m, sd_bus_message *reply,
                sd_bus_error *error) {
        const char *item[FIELDS_MAX];
        int r;

        for (unsigned n = 0; (r = sd_bus_message_read(m, b->item, item, item + 1, item + 2)) > 0;
                        n++) {
                if (n == SIGNER_BATCH_MAX)
                        return sd_bus_error_setf(error, BUS_ERROR_BUSY,
                                        "One call takes at most %d items.", SIGNER_BATCH_MAX);
                r = b->one(q, item, reply);
                if (r < 0)
                        return r;
        }
        return r;
}

static int batch_do(const Batch *b, sd_bus_message *m, Signer *s, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const char *name;
        Request q;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        r = get_request(s, m, name, &q, error);
        if (r < 0)
                return r;
        r = sd_bus_message_enter_container(m, 'a', b->item);
        if (r < 0)
                return r;
        r = sd_bus_message_new_method_return(m, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', b->result);
        if (r < 0)
                return r;
        r = batch_items(b, &q, m, reply, error);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

static int add_result(sd_bus_message *reply, int r, const char *text, const char *reason) {
        return sd_bus_message_append(reply, "(is)", MIN(r, 0),
                        r >= 0 ? text : reason ?: "there is no memory");
}

/* JSON may hold characters that D-Bus does not carry. */
static int add_json(sd_bus_message *reply, int r, const char *json, const char *reason) {
        _cleanup_free_ char *owned = NULL;

        if (r >= 0)
                r = bus_text_json(json, &owned, &json);
        return add_result(reply, r, json, reason);
}

static int sign_one(const Request *q, const char *const *item, sd_bus_message *reply) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = NULL;
        int r;

        r = signer_sign(q, item[0], &e, &reason);
        return add_json(reply, r, r < 0 ? NULL : event_json(e, NULL), reason);
}

static int method_sign(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return batch_do(&(const Batch){ "s", "(is)", sign_one }, m, userdata, error);
}

static int encrypt_one(const Request *q, const char *const *item, sd_bus_message *reply) {
        _cleanup_free_ char *payload = NULL;
        const char *reason = NULL;
        int r;

        r = signer_encrypt(q, item[0], item[1], item[2], &payload, &reason);
        return add_result(reply, r, payload, reason);
}

static int method_encrypt(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return batch_do(&(const Batch){ "(sss)", "(is)", encrypt_one }, m, userdata, error);
}

static int decrypt_one(const Request *q, const char *const *item, sd_bus_message *reply) {
        const char *reason = NULL, *scheme = "";
        _cleanup_free_ char *text = NULL;
        int r;

        r = signer_decrypt(q, item[0], item[1], &scheme, &text, &reason);
        if (r >= 0 && !bus_text_is_fit(text)) {
                r = -EILSEQ;
                reason = "the text holds characters that are none";
        }
        return sd_bus_message_append(reply, "(iss)", MIN(r, 0), scheme,
                        r >= 0 ? text : reason ?: "there is no memory");
}

static int method_decrypt(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return batch_do(&(const Batch){ "(ss)", "(iss)", decrypt_one }, m, userdata, error);
}

static int wrap_one(const Request *q, const char *const *item, sd_bus_message *reply) {
        _cleanup_(event_unrefp) Event *e = NULL;
        const char *reason = NULL;
        int r;

        r = signer_wrap(q, item[0], item[1], &e, &reason);
        return add_json(reply, r, r < 0 ? NULL : event_json(e, NULL), reason);
}

static int method_wrap(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return batch_do(&(const Batch){ "(ss)", "(is)", wrap_one }, m, userdata, error);
}

static int unwrap_one(const Request *q, const char *const *item, sd_bus_message *reply) {
        _cleanup_(rumor_unrefp) Rumor *rumor = NULL;
        const char *reason = NULL;
        int r;

        r = signer_unwrap(q, item[0], &rumor, &reason);
        return add_json(reply, r, r < 0 ? NULL : rumor_json(rumor, NULL), reason);
}

static int method_unwrap(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        return batch_do(&(const Batch){ "s", "(is)", unwrap_one }, m, userdata, error);
}

/* Does the key really sign? What the owner gets is always the same, so it is no way to sign. */
static int method_check(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(event_unrefp) Event *e = NULL, *checked = NULL;
        const char *name, *json, *reason = NULL;
        Signer *s = userdata;
        size_t size;
        Request q;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        r = get_request(s, m, name, &q, error);
        if (r < 0)
                return r;
        r = signer_test(&q, &e, &reason);
        if (r >= 0) {
                json = event_json(e, &size);
                r = event_parse(json, size, &checked, &reason);
        }
        if (r < 0)
                return sd_bus_error_setf(error, BUS_ERROR_DAMAGED,
                                "The key \"%s\" does not sign: %s.", name, reason ?: strerror(-r));
        return sd_bus_reply_method_return(m, "ss", event_pubkey_hex(checked), json);
}

static int reply_pubkey(Signer *s, sd_bus_message *m, const char *name, sd_bus_error *error) {
        const char *reason = NULL;
        char hex[HEX32_MAX];
        const Keypair *k;
        int r;

        r = keyring_get(s->keyring, name, &k, &reason);
        if (r < 0)
                return key_error(s, error, name, r, reason);

        hex_encode(keypair_pubkey(k), 32, hex);
        return sd_bus_reply_method_return(m, "s", hex);
}

static int method_public_key(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Signer *s = userdata;
        PeerRole role = caller(s, m);
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        if (!policy_may_use(role, name))
                return refuse(error, role);
        return reply_pubkey(s, m, name, error);
}

static int add_key(Signer *s, const char *name, sd_bus_message *reply) {
        const char *reason = NULL;
        char hex[HEX32_MAX] = "";
        const Keypair *k;
        int r;

        /* A damaged file is in the list, with an empty key; who asks for it alone reads why. */
        r = keyring_get(s->keyring, name, &k, &reason);
        if (r >= 0)
                hex_encode(keypair_pubkey(k), 32, hex);
        return sd_bus_message_append(reply, "(ss)", name, hex);
}

static int method_keys(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_strv_ char **names = NULL;
        Signer *s = userdata;
        PeerRole role = caller(s, m);
        int r;

        if (!policy_may_manage(role, "*"))
                return refuse(error, role);
        r = keyring_list(s->keyring, &names);
        if (r < 0)
                return sd_bus_error_set_errnof(error, r, "The keys cannot be listed: %m");

        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(ss)");
        STRV_FOREACH (name, names)
                if (r >= 0)
                        r = add_key(s, *name, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_send(NULL, reply, NULL);
}

/* In one piece, if the pipe can take it at once. */
static int give_away(int fd, const Secret *what) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        size_t n = secret_size(what);
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISFIFO(st.st_mode))
                return -ENOSTR;
        if (poll(&p, 1, 0) < 0)
                return -errno;
        if (!(p.revents & POLLOUT) || (p.revents & POLLERR))
                return -EPIPE;
        return write(fd, secret_text(what), n) == (ssize_t) n ? 0 : -EPIPE;
}

static int give_away_line(int fd, const Secret *mnemonic) {
        _cleanup_(secret_freep) Secret *line = NULL;
        size_t n = secret_size(mnemonic);
        int r;

        r = secret_new(n + 1, &line);
        if (r < 0)
                return r;
        memcpy(secret_data(line), secret_text(mnemonic), n);
        secret_data(line)[n] = '\n';
        return give_away(fd, line);
}

static int store_and_reply(Signer *s, sd_bus_message *m, const char *name, const Secret *mnemonic,
                bool replace, sd_bus_error *error) {
        const char *reason = NULL;
        uint64_t now;
        int r;

        r = sd_event_now(service_event(s->service), CLOCK_REALTIME, &now);
        if (r < 0)
                return r;
        r = keyring_store(s->keyring, name, mnemonic, replace, (int64_t) (now / SEC), &reason);
        if (r < 0)
                return key_error(s, error, name, r, reason);

        log_notice("The key \"%s\" has been stored.", name);
        return reply_pubkey(s, m, name, error);
}

/* The words are given away first: a key whose words nobody has seen could not be restored. */
static int method_generate(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_(secret_freep) Secret *mnemonic = NULL;
        const char *name, *reason = NULL;
        Signer *s = userdata;
        PeerRole role = caller(s, m);
        int fd, replace, r;
        unsigned n_words;

        r = sd_bus_message_read(m, "subh", &name, &n_words, &replace, &fd);
        if (r < 0)
                return r;
        if (!policy_may_manage(role, name) || (replace && role != PEER_OWNER))
                return refuse(error, role);
        r = keyring_may_store(s->keyring, name, replace, &reason);
        if (r < 0)
                return key_error(s, error, name, r, reason);

        r = signer_make_mnemonic(n_words, &mnemonic, &reason);
        if (r < 0)
                return r == -ENOMEM ? r
                                    : sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                                      "No mnemonic was made: %s.", reason);
        r = give_away_line(fd, mnemonic);
        if (r < 0)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT,
                                "No key was made: the pipe for its words takes nothing.");
        return store_and_reply(s, m, name, mnemonic, replace, error);
}

/* A call whose secret has not arrived yet. */
typedef struct Import {
        Signer *signer;
        sd_bus_message *message;
        bool replace;
        char pubkey[HEX32_MAX]; /* of ImportSealed() */
        int fd;                 /* of Export(): where its answer goes */
        char name[];
} Import;

static void import_release(void *userdata) {
        Import *i = userdata;

        sd_bus_message_unref(i->message);
        closep(&i->fd);
        free(i);
}

static Import *import_new(Signer *s, sd_bus_message *m, const char *name) {
        Import *i = calloc(1, sizeof(Import) + strlen(name) + 1);

        if (!i)
                return NULL;
        *i = (Import){ .signer = s, .message = sd_bus_message_ref(m), .fd = -EBADF };
        memcpy(i->name, name, strlen(name) + 1);
        return i;
}

/* Takes the import. `what` is what has to come, for people. */
static int import_start(
                Import *i, int fd, intake_done_t done, const char *what, sd_bus_error *error) {
        Signer *s = i->signer;

        if (intake_start(service_event(s->service), fd, done, import_release, i, &s->intakes) >= 0)
                return 1; /* answered by done() */
        import_release(i);
        return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT, "%s must come through a pipe.", what);
}

static int import_text(Import *i, const Secret *text, sd_bus_error *error) {
        _cleanup_(secret_freep) Secret *mnemonic = NULL;
        const char *reason = NULL;
        unsigned word;
        int r;

        r = mnemonic_parse(secret_text(text), secret_size(text), &mnemonic, &word, &reason);
        if (r == -EINVAL && word > 0)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The mnemonic cannot be used, at word %u: %s.", word, reason);
        if (r == -EINVAL)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The mnemonic cannot be used: %s.", reason);
        if (r < 0)
                return r;
        return store_and_reply(i->signer, i->message, i->name, mnemonic, i->replace, error);
}

/* What came, or why nothing did; then the answer, or the error that `use` says. */
static void import_finish(Import *i, int error, const Secret *text, const char *what,
                int (*use)(Import *i, const Secret *text, sd_bus_error *error)) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        int r;

        if (error == -ETIMEDOUT)
                r = sd_bus_error_setf(&e, BUS_ERROR_BAD_INPUT,
                                "%s did not come through the pipe in time.", what);
        else if (error < 0)
                r = sd_bus_error_setf(&e, BUS_ERROR_BAD_INPUT,
                                "%s could not be read from the pipe: %s.", what,
                                error == -EFBIG ? "it is too long" : strerror(-error));
        else
                r = use(i, text, &e);
        if (r < 0)
                (void) sd_bus_reply_method_errno(i->message, r, &e); /* the caller may be gone */
}

static void on_import(int error, Secret *text, void *userdata) {
        _cleanup_(secret_freep) Secret *owned = text;

        import_finish(userdata, error, owned, "The mnemonic", import_text);
}

static int method_import(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *reason = NULL;
        Signer *s = userdata;
        PeerRole role = caller(s, m);
        int fd, replace, r;
        Import *i;

        r = sd_bus_message_read(m, "sbh", &name, &replace, &fd);
        if (r < 0)
                return r;
        if (!policy_may_manage(role, name) || (replace && role != PEER_OWNER))
                return refuse(error, role);
        r = keyring_may_store(s->keyring, name, replace, &reason);
        if (r < 0)
                return key_error(s, error, name, r, reason);

        i = import_new(s, m, name);
        if (!i)
                return -ENOMEM;
        i->replace = replace;
        return import_start(i, fd, on_import, "The mnemonic", error);
}

/* ---- to another machine, and from there */

static int export_text(Import *i, const Secret *key, sd_bus_error *error) {
        _cleanup_(secret_freep) Secret *mnemonic = NULL, *parcel = NULL;
        const char *reason = NULL;
        char hex[HEX32_MAX];
        const Keypair *pair;
        int r;

        if (secret_size(key) != SEAL_KEY_SIZE)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The key of a parcel has %d bytes.", SEAL_KEY_SIZE);
        r = keyring_get(i->signer->keyring, i->name, &pair, &reason);
        if (r >= 0)
                hex_encode(keypair_pubkey(pair), 32, hex);
        if (r >= 0)
                r = keyring_words(i->signer->keyring, i->name, &mnemonic, &reason);
        if (r < 0)
                return key_error(i->signer, error, i->name, r, reason);
        r = parcel_pack(key, hex, mnemonic, &parcel);
        if (r < 0)
                return r;
        if (give_away(i->fd, parcel) < 0)
                return sd_bus_error_set(error, BUS_ERROR_BAD_INPUT,
                                "The pipe for the parcel takes nothing.");
        log_notice("The words of the key \"%s\" have been exported, encrypted.", i->name);
        return sd_bus_reply_method_return(i->message, "s", hex);
}

static void on_export(int error, Secret *text, void *userdata) {
        _cleanup_(secret_freep) Secret *owned = text;

        import_finish(userdata, error, owned, "The key of the parcel", export_text);
}

static int method_export(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *reason = NULL;
        Signer *s = userdata;
        PeerRole role = caller(s, m);
        int from, to, r;
        const Keypair *pair;
        Import *i;

        r = sd_bus_message_read(m, "shh", &name, &from, &to);
        if (r < 0)
                return r;
        if (!policy_may_export(role, name))
                return refuse(error, role);
        r = keyring_get(s->keyring, name, &pair, &reason);
        if (r < 0)
                return key_error(s, error, name, r, reason);

        i = import_new(s, m, name);
        if (!i)
                return -ENOMEM;
        i->fd = fcntl(to, F_DUPFD_CLOEXEC, 3);
        return import_start(i, from, on_export, "The key of the parcel", error);
}

static int unpack_text(Import *i, const Secret *text, sd_bus_error *error) {
        _cleanup_(secret_freep) Secret *mnemonic = NULL;
        const char *reason = NULL;
        int r;

        r = parcel_open(text, i->pubkey, &mnemonic, &reason);
        if (r == -EBADMSG || r == -EINVAL)
                return sd_bus_error_setf(error, BUS_ERROR_BAD_INPUT,
                                "The parcel cannot be opened: %s.", reason);
        if (r < 0)
                return r;
        return store_and_reply(i->signer, i->message, i->name, mnemonic, false, error);
}

static void on_unpack(int error, Secret *text, void *userdata) {
        _cleanup_(secret_freep) Secret *owned = text;

        import_finish(userdata, error, owned, "The parcel", unpack_text);
}

static int method_import_sealed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *pubkey, *reason = NULL;
        Signer *s = userdata;
        PeerRole role = caller(s, m);
        Import *i;
        int fd, r;

        r = sd_bus_message_read(m, "ssh", &name, &pubkey, &fd);
        if (r < 0)
                return r;
        if (!policy_may_export(role, name))
                return refuse(error, role);
        r = keyring_may_store(s->keyring, name, false, &reason);
        if (r < 0)
                return key_error(s, error, name, r, reason);

        i = import_new(s, m, name);
        if (!i)
                return -ENOMEM;
        (void) snprintf(i->pubkey, sizeof(i->pubkey), "%s", pubkey);
        return import_start(i, fd, on_unpack, "The parcel", error);
}

/* clang-format off */
const sd_bus_vtable signer_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Generate",
                        SD_BUS_ARGS("s", key, "u", n_words, "b", replace, "h", pipe),
                        SD_BUS_RESULT("s", pubkey),
                        method_generate, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Import",
                        SD_BUS_ARGS("s", key, "b", replace, "h", pipe), SD_BUS_RESULT("s", pubkey),
                        method_import, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Export",
                        SD_BUS_ARGS("s", key, "h", pipe_in, "h", pipe_out), SD_BUS_RESULT("s", pubkey),
                        method_export, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("ImportSealed",
                        SD_BUS_ARGS("s", key, "s", pubkey, "h", pipe), SD_BUS_RESULT("s", pubkey),
                        method_import_sealed, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Keys", SD_BUS_NO_ARGS, SD_BUS_RESULT("a(ss)", keys),
                        method_keys, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("PublicKey", SD_BUS_ARGS("s", key), SD_BUS_RESULT("s", pubkey),
                        method_public_key, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Check", SD_BUS_ARGS("s", key),
                        SD_BUS_RESULT("s", pubkey, "s", event),
                        method_check, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Sign",
                        SD_BUS_ARGS("s", key, "as", drafts), SD_BUS_RESULT("a(is)", events),
                        method_sign, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Encrypt",
                        SD_BUS_ARGS("s", key, "a(sss)", texts), SD_BUS_RESULT("a(is)", payloads),
                        method_encrypt, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Decrypt",
                        SD_BUS_ARGS("s", key, "a(ss)", payloads), SD_BUS_RESULT("a(iss)", texts),
                        method_decrypt, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Wrap",
                        SD_BUS_ARGS("s", key, "a(ss)", rumors), SD_BUS_RESULT("a(is)", wraps),
                        method_wrap, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Unwrap",
                        SD_BUS_ARGS("s", key, "as", wraps), SD_BUS_RESULT("a(is)", rumors),
                        method_unwrap, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
/* clang-format on */
