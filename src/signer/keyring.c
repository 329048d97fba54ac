#include "keyring.h"

#include <dirent.h>
#include <stdio.h>

#include "basic/file.h"
#include "basic/map.h"
#include "basic/text.h"
#include "nostr/bip39.h"
#include "nostr/key.h"
#include "seed.h"

#define CACHED_MAX 256
#define KEYS_MAX   10000 /* that are listed */
#define SUFFIX     ".mnemonic"
#define AGENT      "agent:"

struct Keyring {
        char *folder, *agents;
        Secret *wrapping_key;
        Map cache; /* name → Cached */
};

typedef struct Cached {
        Keypair *pair;
        char name[];
} Cached;

/* Where a key comes from. */
typedef struct Source {
        char *path;
        const char *seed; /* what the file is bound to when sealed */
        uint32_t account;
} Source;

static void source_done(Source *s) {
        free(s->path);
}
#define _cleanup_source_ _cleanup_(source_done)

/* The keys that share the identity's seed. */
static const struct {
        const char *name;
        uint32_t account;
} identity_keys[] = {
        { "provider", 0 },
        { "buyer", 1 },
        { "wallet", 2 },
};

static bool agent_name_is_valid(const char *name, size_t n) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

        return n > 0 && n <= AGENT_NAME_MAX && name[0] != '.' && strspn(name, allowed) >= n;
}

static int source_find(Keyring *k, const char *name, Source *ret, const char **reterr) {
        const char *agent = startswith(name, AGENT);

        if (agent && agent_name_is_valid(agent, strlen(agent))) {
                *ret = (Source){ .seed = name };
                return asprintf(&ret->path, "%s/%s" SUFFIX, k->agents, agent) < 0 ? -ENOMEM : 0;
        }
        for (size_t i = 0; i < ELEMENTSOF(identity_keys); i++)
                if (streq(identity_keys[i].name, name)) {
                        *ret = (Source){ .seed = "identity", .account = identity_keys[i].account };
                        return asprintf(&ret->path, "%s/identity" SUFFIX, k->folder) < 0 ? -ENOMEM
                                                                                         : 0;
                }

        *reterr = "no key has such a name";
        return -EINVAL;
}

static Cached *cached_free(Cached *c) {
        if (c)
                (void) keypair_free(c->pair);
        return mfree(c);
}
DEFINE_CLEANUP(Cached, cached_free)

static void keyring_forget(Keyring *k) {
        Cached *c;

        MAP_FOREACH (c, &k->cache)
                (void) cached_free(c);
        map_done(&k->cache);
}

static int cached_new(const char *name, Cached **ret) {
        size_t n = strlen(name) + 1;
        Cached *c = calloc(1, sizeof(Cached) + n);

        if (!c)
                return -ENOMEM;

        memcpy(c->name, name, n);
        *ret = c;
        return 0;
}

static int read_words(Keyring *k, const char *name, Secret **ret, uint32_t *ret_account,
                const char **reterr) {
        _cleanup_source_ Source s = { 0 };
        int r;

        r = source_find(k, name, &s, reterr);
        if (r < 0)
                return r;
        *ret_account = s.account;
        return seed_read(s.path, s.seed, k->wrapping_key, ret, reterr);
}

int keyring_words(Keyring *k, const char *name, Secret **ret, const char **reterr) {
        uint32_t account;

        return read_words(k, name, ret, &account, reterr);
}

static int load_pair(Keyring *k, const char *name, Keypair **ret, const char **reterr) {
        _cleanup_(secret_freep) Secret *mnemonic = NULL, *seed = NULL;
        uint32_t account;
        int r;

        r = read_words(k, name, &mnemonic, &account, reterr);
        if (r < 0)
                return r;
        r = mnemonic_seed(mnemonic, "", &seed, reterr);
        if (r < 0)
                return r;
        return nip06_keypair(seed, account, ret);
}

int keyring_get(Keyring *k, const char *name, const Keypair **ret, const char **reterr) {
        _cleanup_(cached_freep) Cached *c = NULL;
        Cached *found = map_get_string(&k->cache, name);
        int r;

        if (found) {
                *ret = found->pair;
                return 0;
        }

        r = cached_new(name, &c);
        if (r < 0)
                return r;
        r = load_pair(k, name, &c->pair, reterr);
        if (r < 0)
                return r;
        if (map_size(&k->cache) >= CACHED_MAX)
                keyring_forget(k);
        r = map_put_string(&k->cache, c->name, c);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(c)->pair;
        return 0;
}

static int list_agents(Keyring *k, char ***list) {
        DIR *dir = opendir(k->agents);
        int r = 0;

        if (!dir)
                return errno == ENOENT ? 0 : -errno;

        for (struct dirent *e; r >= 0 && (e = readdir(dir));) {
                const char *suffix = strstr(e->d_name, SUFFIX);
                char name[sizeof(AGENT) + AGENT_NAME_MAX];

                if (!suffix || !streq(suffix, SUFFIX) ||
                                !agent_name_is_valid(e->d_name, (size_t) (suffix - e->d_name)))
                        continue;
                if (strv_length(*list) >= KEYS_MAX)
                        break;
                (void) snprintf(name, sizeof(name), AGENT "%.*s", (int) (suffix - e->d_name),
                                e->d_name);
                r = strv_add(list, name);
        }
        (void) closedir(dir);
        return r;
}

int keyring_list(Keyring *k, char ***ret) {
        _cleanup_strv_ char **list = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(identity_keys); i++) {
                _cleanup_free_ char *path = NULL;

                r = keyring_file(k, identity_keys[i].name, &path);
                if (r >= 0 && access(path, F_OK) >= 0)
                        r = strv_add(&list, identity_keys[i].name);
        }
        if (r >= 0)
                r = list_agents(k, &list);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(list);
        return 0;
}

static int source_for_storing(Keyring *k, const char *name, Source *ret, const char **reterr) {
        int r;

        r = source_find(k, name, ret, reterr);
        if (r < 0)
                return r;
        if (ret->account != 0) {
                *reterr = "this key comes from the provider's seed";
                return -EINVAL;
        }
        return 0;
}

int keyring_may_store(Keyring *k, const char *name, bool replace, const char **reterr) {
        _cleanup_source_ Source s = { 0 };
        int r;

        r = source_for_storing(k, name, &s, reterr);
        return r < 0 ? r : seed_may_write(s.path, replace, reterr);
}

int keyring_store(Keyring *k, const char *name, const Secret *mnemonic, bool replace, int64_t now,
                const char **reterr) {
        _cleanup_source_ Source s = { 0 };
        int r;

        r = source_for_storing(k, name, &s, reterr);
        if (r < 0)
                return r;
        r = mkdir_p(startswith(name, AGENT) ? k->agents : k->folder);
        if (r < 0) {
                *reterr = "its directory cannot be made";
                return r;
        }

        keyring_forget(k); /* pairs of the seed that is replaced, among others */
        return seed_write(s.path, s.seed, k->wrapping_key, mnemonic, replace, now, reterr);
}

int keyring_file(Keyring *k, const char *name, char **ret) {
        _cleanup_source_ Source s = { 0 };
        const char *reason;
        int r;

        r = source_find(k, name, &s, &reason);
        if (r >= 0)
                *ret = TAKE_PTR(s.path);
        return r;
}

int keyring_new(const char *folder, Secret *wrapping_key, Keyring **ret) {
        _cleanup_(keyring_freep) Keyring *k = new0(Keyring, 1);

        if (!k) {
                (void) secret_free(wrapping_key);
                return -ENOMEM;
        }

        map_init(&k->cache, CACHED_MAX);
        k->wrapping_key = wrapping_key;
        k->folder = strdup(folder);
        if (!k->folder || asprintf(&k->agents, "%s/keys", folder) < 0) {
                k->agents = NULL;
                return -ENOMEM;
        }

        seed_sweep(k->folder);
        seed_sweep(k->agents);
        *ret = TAKE_PTR(k);
        return 0;
}

Keyring *keyring_free(Keyring *k) {
        if (k) {
                keyring_forget(k);
                (void) secret_free(k->wrapping_key);
                free(k->folder);
                free(k->agents);
        }
        return mfree(k);
}
