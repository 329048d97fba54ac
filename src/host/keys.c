#include "keys.h"

#include <fcntl.h>

#include "bus/client.h"
#include "bus/names.h"

#define CALL_USEC (30 * SEC)
#define N_WORDS   12
/* The signer waits that long for somebody to write. */
#define IMPORT_USEC (5 * MIN_)

struct Keys {
        BusClient *bus;
        KeysCall *calls;
};

struct KeysCall {
        Keys *keys;
        KeysCall *prev, *next, **handle;
        BusCall *call;
        keys_done_t done;
        void *userdata;
};

int keys_new(sd_event *event, const char *signer_socket, Keys **ret) {
        _cleanup_(keys_freep) Keys *k = new0(Keys, 1);
        int r;

        if (!k)
                return -ENOMEM;
        r = bus_client_new(event, signer_socket, &k->bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(k);
        return 0;
}

KeysCall *keys_call_free(KeysCall *c) {
        if (!c)
                return NULL;
        *(c->prev ? &c->prev->next : &c->keys->calls) = c->next;
        if (c->next)
                c->next->prev = c->prev;
        if (c->handle)
                *c->handle = NULL;
        c->call = bus_call_free(c->call);
        return mfree(c);
}

Keys *keys_free(Keys *k) {
        if (!k)
                return NULL;
        while (k->calls)
                (void) keys_call_free(k->calls);
        k->bus = bus_client_free(k->bus);
        return mfree(k);
}

static int error_of(int error, const char *name) {
        if (streq(name, BUS_ERROR_NO_KEY))
                return -ENOKEY;
        if (streq(name, BUS_ERROR_KEY_EXISTS))
                return -EEXIST;
        if (streq(name, BUS_ERROR_BAD_INPUT))
                return -EINVAL;
        return error;
}

static void on_reply(sd_bus_message *reply, int error, const char *name, const char *reason,
                void *userdata) {
        KeysCall *c = userdata;
        keys_done_t done = c->done;
        void *done_userdata = c->userdata;
        const char *hex = NULL;

        if (error >= 0 && sd_bus_message_read(reply, "s", &hex) < 0) {
                error = -EBADMSG;
                reason = "the signer gave no key";
        }
        (void) keys_call_free(c);
        done(error < 0 ? error_of(error, name) : 0, error < 0 ? reason : NULL,
                        error < 0 ? NULL : hex, done_userdata);
}

static int keys_ask(Keys *k, sd_bus_message *m, usec_t usec, keys_done_t done, void *userdata,
                KeysCall **ret) {
        KeysCall *c = new0(KeysCall, 1);
        int r;

        if (!c)
                return -ENOMEM;
        *c = (KeysCall){ .keys = k, .next = k->calls, .done = done, .userdata = userdata };
        if (c->next)
                c->next->prev = c;
        k->calls = c;
        r = bus_client_call(k->bus, m, usec, on_reply, c, &c->call);
        if (r < 0) {
                (void) keys_call_free(c);
                return r;
        }
        c->handle = ret;
        if (ret)
                *ret = c;
        return 0;
}

int keys_public(Keys *k, const char *key, keys_done_t done, void *userdata, KeysCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(k->bus, BUS_SIGNER, "PublicKey", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        return r < 0 ? r : keys_ask(k, m, CALL_USEC, done, userdata, ret);
}

int keys_generate(Keys *k, const char *key, int pipe, keys_done_t done, void *userdata,
                KeysCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(k->bus, BUS_SIGNER, "Generate", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "subh", key, (uint32_t) N_WORDS, 0, pipe);
        return r < 0 ? r : keys_ask(k, m, CALL_USEC, done, userdata, ret);
}

int keys_import(Keys *k, const char *key, int pipe, keys_done_t done, void *userdata,
                KeysCall **ret) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r;

        r = bus_client_message(k->bus, BUS_SIGNER, "Import", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "sbh", key, 0, pipe);
        return r < 0 ? r : keys_ask(k, m, IMPORT_USEC, done, userdata, ret);
}

int keys_import_words(Keys *k, const char *key, const Secret *words, keys_done_t done,
                void *userdata, KeysCall **ret) {
        _cleanup_close_ int in = -EBADF, out = -EBADF;
        size_t size = secret_size(words);
        int fds[2];

        if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
                return -errno;
        in = fds[0];
        out = fds[1];
        if (write(out, secret_text(words), size) != (ssize_t) size)
                return -EIO;
        return keys_import(k, key, in, done, userdata, ret);
}
