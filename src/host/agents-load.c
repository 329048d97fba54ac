/* How the agents come to be here: rows of the store and files of the folder, at the start and when
 * the files were changed. Either may be missing: a file without a row is adopted, a row without a
 * file sleeps. */
#include <stdio.h>

#include "agents.h"
#include "basic/log.h"
#include "basic/text.h"
#include "tick.h"
#include "watch.h"

#define PAGE  500
#define RETRY (2 * SEC)

/* A row of the store which no agent has taken yet. */
typedef struct StoredRow {
        AgentBirth birth;
        char npub[NPUB_SIZE];
        char *name;
        bool taken;
} StoredRow;

static void stored_free(StoredRow *row) {
        free(row->name);
        free(row);
}

static void rows_done(Agents *s) {
        StoredRow *row;

        MAP_FOREACH (row, &s->rows)
                stored_free(row);
        map_done(&s->rows);
        map_init(&s->rows, AGENTS_MAX);
}

static int keep_row(Agents *s, const AgentRow *row) {
        StoredRow *stored = new0(StoredRow, 1);
        int r;

        if (!stored)
                return -ENOMEM;
        (void) snprintf(stored->npub, sizeof(stored->npub), "%s", row->npub);
        stored->birth = (AgentBirth){ NULL, AGENT_SPAWNING, AGENT_STARTED, row->balance_msat,
                row->cost_msat, row->failures, row->next_tick_at, row->created_at, row->tick_count,
                row->last_tick_at };
        if (agent_lifecycle_from_name(row->lifecycle, &stored->birth.lifecycle) < 0)
                log_warning("Agent %s is \"%s\" in the database, which it cannot be.", row->name,
                                row->lifecycle);
        if (agent_wish_from_name(row->wish, &stored->birth.wish) < 0)
                stored->birth.wish = AGENT_PAUSED;
        stored->name = strdup(row->name);
        r = stored->name ? map_put_string(&s->rows, stored->npub, stored) : -ENOMEM;
        if (r < 0)
                stored_free(stored);
        return r == -EEXIST ? 0 : r;
}

/* An agent whose row is not there: its file was brought here, or a crash came between the two. */
struct Adoption {
        Agents *agents;
        AgentSettings *settings;
        Secret *mnemonic;
        char *key;
        KeysCall *asking;
        AgentsCall *adding;
        Adoption *prev, *next;
};

static Adoption *adoption_free(Adoption *a) {
        if (!a)
                return NULL;
        *(a->prev ? &a->prev->next : &a->agents->adoptions) = a->next;
        if (a->next)
                a->next->prev = a->prev;
        a->asking = keys_call_free(a->asking);
        a->adding = agents_call_free(a->adding);
        (void) agent_settings_free(a->settings);
        (void) secret_free(a->mnemonic);
        free(a->key);
        return mfree(a);
}

static void adopted(Adoption *a) {
        AgentBirth birth = { .settings = a->settings,
                .lifecycle = AGENT_SPAWNING,
                .wish = AGENT_STARTED,
                .created_at = a->settings->created_at ?: agents_now(a->agents) };
        const char *name = a->settings->name;
        HostAgent *agent;
        int r;

        r = agents_add_one(a->agents, &birth, &agent);
        if (r >= 0) {
                a->settings = NULL;
                log_info("Agent %s has been taken up.", agent->name);
                agents_ask_balance(a->agents, agent->key);
                watch_changed(a->agents->watch);
                agent_consider(agent);
        } else
                (void) log_error_errno(r, "Agent %s cannot live: %m", name);
        (void) adoption_free(a);
}

static void on_adopted_row(int verdict, const char *text, void *userdata) {
        Adoption *a = userdata;

        if (verdict >= 0) {
                adopted(a);
                return;
        }
        log_error("Agent %s cannot live: %s.", a->settings->name, text);
        (void) adoption_free(a);
}

static void adopt_row(Adoption *a) {
        const AgentSettings *s = a->settings;
        char hex[HEX32_MAX];
        const char *reason;
        uint8_t key[32];
        int r;

        r = pubkey_parse(s->npub, key, &reason);
        if (r >= 0) {
                hex_encode(key, sizeof(key), hex);
                r = agents_add(a->agents->store,
                                &(AgentRow){ .npub = s->npub,
                                                .pubkey = hex,
                                                .name = s->name,
                                                .lifecycle = agent_lifecycle_name(AGENT_SPAWNING),
                                                .wish = agent_wish_name(AGENT_STARTED),
                                                .created_at = s->created_at ?: agents_now(a->agents) },
                                on_adopted_row, a, &a->adding);
        }
        if (r < 0) {
                (void) log_error_errno(r, "Agent %s cannot live: %m", s->name);
                (void) adoption_free(a);
        }
}

/* The words are the signer's now, or were before: the file loses them. */
static void on_mnemonic_moved(
                int error, const char *reason, const char *pubkey_hex, void *userdata) {
        Adoption *a = userdata;
        char npub[NPUB_SIZE];
        uint8_t key[32];
        int r;

        if (error == -EEXIST) { /* is it the same one? */
                r = keys_public(a->agents->keys, a->key, on_mnemonic_moved, a, &a->asking);
                if (r >= 0)
                        return;
                error = r;
                reason = "the signer cannot be asked";
        }
        if (error >= 0 && hex_decode(pubkey_hex, key, 32) >= 0 && npub_encode(key, npub) >= 0) {
                error = streq(npub, a->settings->npub) ? 0 : -EKEYREJECTED;
                reason = "its words are those of another key than the file names";
        }
        if (error < 0) {
                log_event(LOG_ERR, LOG_ID_AGENT_DAMAGED,
                                LOG_FIELDS("PYLON_AGENT", a->settings->name),
                                "Agent %s cannot live: %s. Its file is as it was.",
                                a->settings->name, reason);
                (void) adoption_free(a);
                return;
        }
        r = registry_write(a->agents->folder, a->settings);
        if (r < 0)
                (void) log_error_errno(r, "The words of agent %s are still in its file: %m",
                                a->settings->name);
        else
                log_event(LOG_NOTICE, LOG_ID_AGENT_MNEMONIC,
                                LOG_FIELDS("PYLON_AGENT", a->settings->name),
                                "The words of agent %s have been moved from its file to the signer.",
                                a->settings->name);
        a->mnemonic = secret_free(a->mnemonic);
        if (map_get_string(&a->agents->by_name, a->settings->name))
                (void) adoption_free(a); /* it lives already */
        else
                adopt_row(a);
}

static int adopt(Agents *s, RegistryFile *file) {
        Adoption *a = new0(Adoption, 1);
        int r;

        if (!a)
                return -ENOMEM;
        *a = (Adoption){ .agents = s,
                .settings = TAKE_PTR(file->settings),
                .mnemonic = TAKE_PTR(file->mnemonic),
                .next = s->adoptions };
        if (a->next)
                a->next->prev = a;
        s->adoptions = a;
        if (asprintf(&a->key, "agent:%s", a->settings->name) < 0) {
                a->key = NULL;
                (void) adoption_free(a);
                return -ENOMEM;
        }
        if (!a->mnemonic) {
                adopt_row(a);
                return 0;
        }
        r = keys_import_words(s->keys, a->key, a->mnemonic, on_mnemonic_moved, a, &a->asking);
        if (r < 0)
                (void) adoption_free(a);
        return r;
}

static int take_up(Agents *s, RegistryFile *file, StoredRow *row) {
        AgentBirth birth = row->birth;
        HostAgent *agent;
        int r;

        row->taken = true;
        if (!streq(row->name, file->settings->name)) {
                log_error("The agent of \"%s.toml\" is called %s in the database and %s in its file; it does not live.",
                                row->npub, row->name, file->settings->name);
                return 0;
        }
        birth.settings = file->settings;
        if (!service_config(s->host->service)->host.auto_start_agents &&
                        birth.wish == AGENT_STARTED)
                birth.wish = AGENT_PAUSED; /* in this life, until somebody starts it */
        r = agents_add_one(s, &birth, &agent);
        if (r == -EEXIST) {
                log_error("Two agents are called %s; the one of \"%s.toml\" does not live.",
                                file->settings->name, row->npub);
                return 0;
        }
        if (r < 0)
                return r;
        file->settings = NULL;
        if (s->loaded) { /* else all are looked at together */
                agents_ask_balance(s, agent->key);
                agent_consider(agent);
        }
        return 0;
}

/* An agent that lives already, and whose file may have been changed by hand. */
static int take_change(HostAgent *a, RegistryFile *file) {
        _cleanup_buffer_ Buffer was = { .max = AGENT_SETTINGS_MAX }, is = was;
        int r;

        r = agent_settings_write(a->settings, false, &was);
        if (r >= 0)
                r = agent_settings_write(file->settings, false, &is);
        if (r < 0 || (was.size == is.size && memcmp(was.data, is.data, is.size) == 0))
                return r;
        if (!streq(a->name, file->settings->name)) {
                log_error("Agent %s cannot be called %s: a name cannot be changed.", a->name,
                                file->settings->name);
                return 0;
        }
        r = agent_take_settings(a, file->settings);
        if (r < 0)
                return r;
        file->settings = NULL;
        log_info("The settings of agent %s have been read again.", a->name);
        agent_settings_changed(a);
        return 0;
}

static void on_file(RegistryFile *file, void *userdata) {
        Agents *s = userdata;
        HostAgent *a;
        StoredRow *row;
        uint8_t key[32];
        const char *reason;
        int r = 0;

        switch (file->kind) {
        case REGISTRY_SPAWNING:
                if (!s->loaded)
                        r = spawn_resume(s, TAKE_PTR(file->settings));
                break;
        case REGISTRY_DELETED:
                if (!s->loaded)
                        r = farewell_resume(s, file->npub);
                break;
        case REGISTRY_AGENT:
                a = pubkey_parse(file->npub, key, &reason) < 0 ? NULL : agents_by_pubkey(s, key);
                row = map_get_string(&s->rows, file->npub);
                if (a)
                        r = take_change(a, file);
                else if (row && !file->mnemonic)
                        r = take_up(s, file, row);
                else
                        r = adopt(s, file);
                break;
        case _REGISTRY_KIND_MAX:
                break;
        }
        if (r < 0)
                (void) log_error_errno(r, "An agent cannot be taken up: %m");
}

static void on_ready(void *userdata) {
        Agents *s = userdata;

        s->resumed = true;
        agents_consider_all(s);
}

static void live(Agents *s) {
        StoredRow *row;
        int r;

        if (registry_read(s->folder, on_file, s) < 0)
                log_error("No agent lives until the next start.");
        MAP_FOREACH (row, &s->rows)
                if (!row->taken)
                        log_warning("Agent %s has no file \"%s/%s.toml\": it sleeps until that is there.",
                                        row->name, s->folder, row->npub);
        rows_done(s);
        s->loaded = true;
        if (s->n_agents > 0)
                log_info("%zu agents live here.", s->n_agents);
        agents_ask_balance(s, NULL);
        watch_changed(s->watch);
        r = ticks_resume(s->host, on_ready, s);
        if (r < 0)
                (void) log_error_errno(r, "What agents were doing cannot be taken up: %m");
}

/* What was taken away by hand: its rows stay, and it lives again when its file is back. */
static void drop_missing(Agents *s) {
        for (size_t i = s->n_agents; i > 0; i--) {
                HostAgent *a = s->list[i - 1];

                if (a->work->going || registry_has(s->folder, a->npub))
                        continue;
                log_warning("The file of agent %s is gone: it sleeps until that is back.", a->name);
                agents_drop_one(s, a);
        }
}

static void read_again(Agents *s) {
        (void) registry_read(s->folder, on_file, s);
        drop_missing(s);
        rows_done(s);
        watch_changed(s->watch);
}

static int ask_rows(Agents *s);

static int on_retry(_unused_ sd_event_source *source, _unused_ uint64_t usec, void *userdata) {
        Agents *s = userdata;

        s->retry = sd_event_source_disable_unref(s->retry);
        return ask_rows(s);
}

static void on_rows(int error, const char *reason, const AgentRow *rows, size_t n, void *userdata) {
        Agents *s = userdata;
        int r = error;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                r = keep_row(s, rows + i);
                reason = "there is no memory";
        }
        if (r >= 0 && n == 0) {
                if (s->loaded)
                        read_again(s);
                else
                        live(s);
                return;
        }
        if (r >= 0) {
                (void) snprintf(s->last_listed, sizeof(s->last_listed), "%s", rows[n - 1].npub);
                r = ask_rows(s);
                reason = "the store cannot be asked";
        }
        if (r >= 0)
                return;
        log_warning("The agents could not be read: %s.", reason);
        if (sd_event_add_time_relative(
                            s->event, &s->retry, CLOCK_BOOTTIME, RETRY, RETRY / 8, on_retry, s) < 0)
                log_error("No timer is left; agents live at the next start.");
}

int agents_load(Agents *s) {
        map_init(&s->rows, AGENTS_MAX);
        return ask_rows(s);
}

void agents_load_done(Agents *s) {
        s->listing = agents_call_free(s->listing);
        s->retry = sd_event_source_disable_unref(s->retry);
        while (s->adoptions)
                (void) adoption_free(s->adoptions);
        rows_done(s);
}

static int ask_rows(Agents *s) {
        return agents_list(s->store, s->last_listed, PAGE, on_rows, s, &s->listing);
}

int agents_reload(Agents *s) {
        int r;

        (void) strv_free(s->relays);
        s->relays = NULL;
        r = strv_copy(service_config(s->host->service)->relays, &s->relays);
        if (r < 0 || !s->loaded || s->listing || s->retry) /* it is about to be read */
                return r;
        *s->last_listed = '\0';
        return ask_rows(s);
}
