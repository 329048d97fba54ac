#include "registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/codec.h"
#include "basic/fault.h"
#include "basic/file.h"
#include "basic/log.h"
#include "basic/text.h"
#include "nostr/nip19.h"

#define AGENT    ".toml"
#define SPAWNING ".spawning"
#define DELETED  ".toml.deleted"

static int path_of(const char *folder, const char *name, const char *suffix, char **ret) {
        return asprintf(ret, "%s/%s%s", folder, name, suffix) < 0 ? -ENOMEM : 0;
}

/* ---- reading */

static bool is_npub(const char *text) {
        const char *reason;
        uint8_t key[32];

        return startswith(text, "npub1") && pubkey_parse(text, key, &reason) >= 0;
}

/* What is before the suffix, or NULL. */
static char *without(const char *name, const char *suffix) {
        size_t n = strlen(name), k = strlen(suffix);

        if (n <= k || !streq(name + n - k, suffix))
                return NULL;
        return strndup(name, n - k);
}

static void log_remark(const ConfigRemark *r, void *userdata) {
        static const int levels[_CONFIG_SEVERITY_MAX] = {
                [CONFIG_ERROR] = LOG_ERR,
                [CONFIG_WARNING] = LOG_WARNING,
                [CONFIG_NOTICE] = LOG_NOTICE,
        };
        const char *path = userdata;

        log_event(levels[r->severity], LOG_ID_CONFIG_INVALID, LOG_FIELDS("PYLON_FILE", path),
                        "%s:%u:%u: %s.", path, r->line, r->column, r->text);
}

/* The text may have had words in it: nothing of it stays. */
static int read_settings(const char *path, AgentSettings **ret, Secret **ret_mnemonic) {
        char *text = NULL;
        size_t size = 0;
        struct stat st;
        int r;

        r = read_whole(path, AGENT_SETTINGS_MAX, &text, &size);
        if (r < 0) {
                (void) log_warning_errno(r, "The agent of \"%s\" does not live: %m", path);
                return r;
        }
        r = agent_settings_parse(text, size, log_remark, (void *) path, ret, ret_mnemonic);
        explicit_bzero(text, size);
        free(text);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                log_event(LOG_ERR, LOG_ID_AGENT_DAMAGED, LOG_FIELDS("PYLON_FILE", path),
                                "The agent of \"%s\" does not live until its file is mended.",
                                path);
        else if (stat(path, &st) >= 0 && (st.st_mode & 077) != 0 && chmod(path, 0600) >= 0)
                log_notice("\"%s\" was open to others, and is no more.", path);
        return r;
}

static int complain(const char *path, const char *what) {
        log_event(LOG_ERR, LOG_ID_AGENT_DAMAGED, LOG_FIELDS("PYLON_FILE", path), "\"%s\" %s.", path,
                        what);
        return -EBADMSG;
}

/* An npub or public key inside must be that of the file's name, which is then the settings'. */
static int check_npub(const char *path, const char *npub, AgentSettings *s) {
        const char *reason;
        uint8_t key[32];
        char hex[HEX32_MAX];

        if (pubkey_parse(npub, key, &reason) < 0)
                return -EBADMSG;
        hex_encode(key, sizeof(key), hex);
        if ((*s->npub && !streq(s->npub, npub)) || (*s->pubkey && !streq(s->pubkey, hex)))
                return complain(path, "has the key of another agent in it");
        free(s->npub);
        s->npub = strdup(npub);
        free(s->pubkey);
        s->pubkey = strdup("");
        return s->npub && s->pubkey ? 0 : -ENOMEM;
}

static int read_file(const char *folder, const char *name, registry_found_t found, void *userdata) {
        _cleanup_free_ char *path = NULL, *agent = without(name, AGENT),
                            *spawning = without(name, SPAWNING), *deleted = without(name, DELETED);
        _cleanup_(agent_settings_freep) AgentSettings *settings = NULL;
        _cleanup_(secret_freep) Secret *mnemonic = NULL;
        RegistryFile file = { .npub = agent, .name = spawning };
        int r;

        r = path_of(folder, name, "", &path);
        if (r < 0)
                return r;
        if (deleted && is_npub(deleted)) {
                file = (RegistryFile){ .kind = REGISTRY_DELETED, .npub = deleted };
                found(&file, userdata);
                return 0;
        }
        if (agent && !is_npub(agent))
                return complain(path, "is not named after the npub of an agent");
        if (spawning && !agent_name_is_valid(spawning))
                return complain(path, "is not named after an agent");
        if (!agent && !spawning)
                return 0;
        r = read_settings(path, &settings, &mnemonic);
        if (r >= 0 && agent)
                r = check_npub(path, agent, settings);
        if (r < 0)
                return r;
        file.kind = agent ? REGISTRY_AGENT : REGISTRY_SPAWNING;
        file.settings = TAKE_PTR(settings);
        file.mnemonic = TAKE_PTR(mnemonic);
        found(&file, userdata);
        (void) agent_settings_free(file.settings);
        (void) secret_free(file.mnemonic);
        return 0;
}

static int by_name(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int list_folder(const char *folder, char ***ret) {
        _cleanup_strv_ char **names = NULL;
        DIR *dir;
        int r = 0;

        dir = opendir(folder);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        for (struct dirent *e; r >= 0 && (e = readdir(dir));) {
                if (*e->d_name == '.')
                        continue;
                if (strv_length(names) >= REGISTRY_MAX) {
                        log_warning("There are more than %d files in \"%s\"; the rest is not read.",
                                        REGISTRY_MAX, folder);
                        break;
                }
                r = strv_add(&names, e->d_name);
        }
        (void) closedir(dir);
        if (r < 0)
                return r;
        if (names)
                qsort(names, strv_length(names), sizeof(*names), by_name);
        *ret = TAKE_PTR(names);
        return 0;
}

int registry_read(const char *folder, registry_found_t found, void *userdata) {
        _cleanup_strv_ char **names = NULL;
        int r;

        r = list_folder(folder, &names);
        if (r < 0)
                return log_error_errno(r, "The agents in \"%s\" cannot be read: %m", folder);
        STRV_FOREACH (name, names) {
                r = read_file(folder, *name, found, userdata);
                if (r == -ENOMEM)
                        return r;
        }
        return 0;
}

bool registry_has(const char *folder, const char *npub) {
        _cleanup_free_ char *path = NULL;

        return path_of(folder, npub, AGENT, &path) < 0 || access(path, F_OK) >= 0 ||
               errno != ENOENT;
}

/* ---- writing */

static int write_settings(const char *path, const AgentSettings *settings, bool new) {
        _cleanup_buffer_ Buffer b = { .max = AGENT_SETTINGS_MAX };
        int r;

        r = agent_settings_write(settings, false, &b);
        if (r < 0)
                return r;
        return new ? write_new(path, b.data, b.size) : write_atomic(path, b.data, b.size);
}

int registry_write(const char *folder, const AgentSettings *settings) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = mkdir_p(folder);
        if (r >= 0)
                r = path_of(folder, settings->npub, AGENT, &path);
        if (r >= 0)
                r = fault("registry.write");
        return r < 0 ? r : write_settings(path, settings, false);
}

int registry_note_spawn(const char *folder, const AgentSettings *settings) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = mkdir_p(folder);
        if (r >= 0)
                r = path_of(folder, settings->name, SPAWNING, &path);
        return r < 0 ? r : write_settings(path, settings, true);
}

/* A removal that a crash undoes is done again by whoever finds the file. */
static int sync_folder(const char *folder) {
        _cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return fsync(fd) < 0 ? -errno : 0;
}

static int remove_file(const char *folder, const char *name, const char *suffix) {
        _cleanup_free_ char *path = NULL;
        int r;

        r = path_of(folder, name, suffix, &path);
        if (r < 0)
                return r;
        if (unlink(path) < 0)
                return errno == ENOENT ? 0 : -errno;
        return sync_folder(folder);
}

int registry_forget_spawn(const char *folder, const char *name) {
        return remove_file(folder, name, SPAWNING);
}

int registry_note_delete(const char *folder, const char *npub) {
        _cleanup_free_ char *from = NULL, *to = NULL;
        int r;

        r = path_of(folder, npub, AGENT, &from);
        if (r >= 0)
                r = path_of(folder, npub, DELETED, &to);
        if (r < 0)
                return r;
        if (rename(from, to) < 0 && errno != ENOENT)
                return -errno;
        return sync_folder(folder);
}

int registry_forget_delete(const char *folder, const char *npub) {
        return remove_file(folder, npub, DELETED);
}
