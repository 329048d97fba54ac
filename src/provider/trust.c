#include "trust.h"

#include <stdio.h>

#include "basic/codec.h"
#include "basic/log.h"

#define SETTING       "provider.follows." /* 0, 1, …; each so many keys as base64 */
#define KEYS_IN_ONE   1500
#define QUERY_TIMEOUT (15 * SEC)
#define AGAIN         HOUR
#define AGAIN_SOON    (5 * MIN_) /* no relay has answered */

int trust_add_follows(KeySet *s, const Event *list) {
        const Tag *t = NULL;
        uint8_t key[32];

        while ((t = event_find_tag(list, "p", t))) {
                int r;

                if (t->n < 2 || hex_decode(t->values[1], key, sizeof(key)) < 0)
                        continue;
                if (s->n >= TRUST_KEYS_MAX)
                        return -E2BIG;
                r = keyset_add(s, key);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_set(KeySet *s, const KeySet *more) {
        int r = 0;

        for (size_t i = 0; i < more->n && r >= 0; i++)
                r = keyset_add(s, more->keys[i]);
        return r;
}

/* ---- the store */

static void setting_name(size_t i, char ret[static 64]) {
        (void) snprintf(ret, 64, SETTING "%zu", i);
}

/* One more than there are keys for ends the list. */
static void keep(Trust *t) {
        char name[64];

        for (size_t i = 0; i * KEYS_IN_ONE <= t->known.n; i++) {
                size_t n = MIN((size_t) KEYS_IN_ONE, t->known.n - i * KEYS_IN_ONE);
                _cleanup_free_ char *text = NULL;

                setting_name(i, name);
                if (base64_encode(t->known.keys + i * KEYS_IN_ONE, 32 * n, &text) < 0 ||
                                store_set_setting(t->store, name, text, NULL, NULL, NULL) < 0) {
                        log_warning("The keys that are trusted could not be kept.");
                        return;
                }
        }
}

static void ask_relays(Trust *t);
static int read_next(Trust *t);

static void on_read(int error, const char *reason, const char *value, void *userdata) {
        Trust *t = userdata;
        _cleanup_free_ uint8_t *keys = NULL;
        size_t size = 0;
        int r = 0;

        if (error < 0)
                log_warning("The keys that are trusted could not be read: %s.", reason);
        if (error >= 0 && *value && base64_decode(value, strlen(value), &keys, &size) >= 0)
                for (size_t i = 0; i + 32 <= size && t->known.n < TRUST_KEYS_MAX && r >= 0; i += 32)
                        r = keyset_add(&t->known, keys + i);
        keyset_sort(&t->known);
        if (r >= 0 && size == 32 * KEYS_IN_ONE && t->n_read < TRUST_KEYS_MAX / KEYS_IN_ONE &&
                        read_next(t) >= 0)
                return;
        t->read = true;
        ask_relays(t);
}

static int read_next(Trust *t) {
        char name[64];

        setting_name(t->n_read++, name);
        return store_get_setting(t->store, name, on_read, t, &t->store_call);
}

/* ---- the relays */

static int on_timer(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        ask_relays(userdata);
        return 0;
}

static void ask_again(Trust *t, usec_t after) {
        t->timer = sd_event_source_disable_unref(t->timer);
        if (sd_event_add_time_relative(
                            t->event, &t->timer, CLOCK_BOOTTIME, after, MIN_, on_timer, t) < 0)
                log_warning("No timer is left; who is trusted is not asked again.");
}

/* The newest of each root counts; they come in this order. */
static bool is_first_of_author(Event *const *events, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (memcmp(event_pubkey(events[k]), event_pubkey(events[i]), 32) == 0)
                        return false;
        return true;
}

static void on_lists(
                int error, const char *reason, Event *const *events, size_t n, void *userdata) {
        Trust *t = userdata;
        KeySet known = {};
        int r;

        if (error < 0 || n == 0) {
                log_notice("Whom to trust could not be asked (%s); what was known stays.",
                                error < 0 ? reason : "no relay has a list of follows");
                ask_again(t, AGAIN_SOON);
                return;
        }

        r = add_set(&known, &t->roots);
        for (size_t i = 0; i < n && r >= 0; i++)
                if (event_kind(events[i]) == 3 && keyset_has(&t->roots, event_pubkey(events[i])) &&
                                is_first_of_author(events, i))
                        r = trust_add_follows(&known, events[i]);
        if (r == -E2BIG)
                log_warning("More than %d keys are followed; the others are not trusted.",
                                TRUST_KEYS_MAX);
        keyset_sort(&known);
        keyset_done(&t->known);
        t->known = known;
        log_debug("%zu keys are trusted.", known.n);
        keep(t);
        ask_again(t, AGAIN);
}

static int ask(Trust *t) {
        _cleanup_buffer_ Buffer filter = { .max = 4096 };
        char hex[HEX32_MAX];
        int r;

        r = buffer_add_string(&filter, "{\"kinds\":[3],\"authors\":[");
        for (size_t i = 0; i < t->roots.n && r >= 0; i++) {
                hex_encode(t->roots.keys[i], 32, hex);
                r = buffer_addf(&filter, "%s\"%s\"", i == 0 ? "" : ",", hex);
        }
        if (r >= 0)
                r = buffer_add_string(&filter, "]}");
        if (r < 0)
                return r;
        return relay_client_query(t->relay,
                        &(RelayQuestion){
                                        .filters = (const char *const[]){ filter.data, NULL },
                                        .limit = 64,
                                        .timeout = QUERY_TIMEOUT,
                        },
                        on_lists, t, &t->query);
}

static void ask_relays(Trust *t) {
        int r;

        if (t->query)
                return;
        r = ask(t);
        if (r < 0) {
                (void) log_warning_errno(r, "Whom to trust cannot be asked: %m");
                ask_again(t, AGAIN_SOON);
        }
}

int trust_start(Trust *t, const KeySet *roots) {
        int r;

        t->query = relay_query_free(t->query);
        t->store_call = store_call_free(t->store_call);
        keyset_done(&t->roots);
        r = add_set(&t->roots, roots);
        keyset_sort(&t->roots);
        if (r >= 0)
                r = add_set(&t->known, roots);
        keyset_sort(&t->known);
        if (r < 0)
                return r;
        if (!t->read) {
                t->n_read = 0;
                return read_next(t);
        }
        ask_relays(t);
        return 0;
}

void trust_stop(Trust *t) {
        t->query = relay_query_free(t->query);
        t->store_call = store_call_free(t->store_call);
        t->timer = sd_event_source_disable_unref(t->timer);
        keyset_done(&t->roots);
        keyset_done(&t->known);
        t->read = false;
}
