/* What others read about an agent: its profile and its lists of relays, published when they are not
 * what was published last. */
#include <inttypes.h>
#include <stdio.h>

#include "agents.h"
#include "basic/crypt.h"
#include "basic/json.h"
#include "basic/log.h"
#include "basic/text.h"
#include "client/relay-client.h"
#include "nostr/url.h"

#define PROFILE_KIND     0
#define RELAY_LIST_KIND  10002 /* NIP-65 */
#define DM_RELAYS_KIND   10050 /* NIP-17 */
#define SA_PROFILE_KIND  39200 /* NIP-SA; addressable, so that each has a "d" */
#define SA_SCHEDULE_KIND 39202
#define DRAFTS_MAX       5
#define CONTENT_MAX      (64 * 1024)

struct Profile {
        HostAgent *agent;
        Draft *drafts[DRAFTS_MAX];
        size_t n_drafts, n_published;
        int error;
        char hash[HEX32_MAX]; /* of all of them but their times */
        int64_t at;
        bool again; /* the settings have changed since it began */
        StoreCall *asking;
        SignerCall *signing;
        RelayPublish *publishing[DRAFTS_MAX];
};

/* ---- what is said */

static int add_text(Buffer *b, const char *key, const char *value) {
        int r;

        if (isempty(value))
                return 0;
        r = buffer_addf(b, "%s\"%s\":", b->size > 1 ? "," : "", key);
        return r < 0 ? r : json_write_string(b, value, strlen(value));
}

static int profile_content(const HostAgent *a, Buffer *b) {
        const AgentSettings *s = a->settings;
        int r;

        r = buffer_add_string(b, "{");
        if (r >= 0)
                r = add_text(b, "name", *s->display_name ? s->display_name : s->name);
        if (r >= 0)
                r = add_text(b, "about", s->about);
        if (r >= 0)
                r = add_text(b, "picture", s->picture);
        if (r >= 0)
                r = add_text(b, "lud16", s->lud16);
        return r < 0 ? r : buffer_add_string(b, ",\"bot\":true}"); /* NIP-24 */
}

/* Others cannot reach a relay of this machine; where there is no other it is one all the same. */
static bool is_remote(const char *relay) {
        _cleanup_(url_freep) Url *u = NULL;
        const char *reason;

        return url_parse(relay, &u, &reason) >= 0 && !streq(u->host, "localhost") &&
               !startswith(u->host, "127.") && !strchr(u->host, ':');
}

static int add_relays(const HostAgent *a, Draft *d, const char *tag) {
        char *const *relays = a->settings->relays && *a->settings->relays ? a->settings->relays
                                                                          : a->host->agents->relays;
        bool remote = false;
        int r = 0;

        STRV_FOREACH (relay, relays)
                remote = remote || is_remote(*relay);
        STRV_FOREACH (relay, relays)
                if (r >= 0 && (!remote || is_remote(*relay)))
                        r = draft_tag(d, tag, *relay, NULL);
        return r;
}

static int fill_nip_sa(const HostAgent *a, Draft *d) {
        const AgentSettings *s = a->settings;
        _cleanup_buffer_ Buffer b = { .max = CONTENT_MAX };
        int r;

        r = draft_tag(d, "d", "profile", NULL);
        if (r >= 0 && *s->lud16)
                r = draft_tag(d, "lud16", s->lud16, NULL);
        if (r >= 0 && *s->owner_hex)
                r = draft_tag(d, "operator", s->owner_hex, NULL);
        if (r >= 0)
                r = buffer_add_string(&b, "{");
        if (r >= 0)
                r = add_text(&b, "name", *s->display_name ? s->display_name : s->name);
        if (r >= 0)
                r = add_text(&b, "about", s->about);
        if (r >= 0)
                r = add_text(&b, "picture", s->picture);
        if (r >= 0)
                r = add_text(&b, "autonomy_level", agent_autonomy_name(s->autonomy));
        if (r >= 0)
                r = add_text(&b, "version", s->version);
        if (r >= 0)
                r = buffer_add_string(&b, ",\"capabilities\":[");
        STRV_FOREACH (c, s->capabilities)
                if (r >= 0) {
                        r = c > s->capabilities ? buffer_add_string(&b, ",") : 0;
                        r = r < 0 ? r : json_write_string(&b, *c, strlen(*c));
                }
        if (r >= 0)
                r = buffer_add_string(&b, "]}");
        return r < 0 ? r : draft_content(d, b.data, b.size);
}

static int fill_nip_sa_schedule(const HostAgent *a, Draft *d) {
        const AgentSettings *s = a->settings;
        char seconds[24];
        int r;

        (void) snprintf(seconds, sizeof(seconds), "%llu",
                        (unsigned long long) (s->heartbeat / SEC));
        r = draft_tag(d, "d", "schedule", NULL);
        if (r >= 0)
                r = draft_tag(d, "active", a->wish == AGENT_STARTED && s->active ? "true" : "false",
                                NULL);
        if (r >= 0)
                r = draft_tag(d, "heartbeat", seconds, NULL);
        STRV_FOREACH (t, s->triggers)
                if (r >= 0)
                        r = draft_tag(d, "trigger", *t, NULL);
        return r;
}

static int fill(const HostAgent *a, uint16_t kind, Draft *d) {
        _cleanup_buffer_ Buffer b = { .max = CONTENT_MAX };
        int r;

        switch (kind) {
        case PROFILE_KIND:
                r = profile_content(a, &b);
                return r < 0 ? r : draft_content(d, b.data, b.size);
        case RELAY_LIST_KIND:
                return add_relays(a, d, "r");
        case DM_RELAYS_KIND:
                return add_relays(a, d, "relay");
        case SA_PROFILE_KIND:
                return fill_nip_sa(a, d);
        default:
                return fill_nip_sa_schedule(a, d);
        }
}

static int add_draft(Profile *p, uint16_t kind, int64_t at) {
        _cleanup_(draft_freep) Draft *d = NULL;
        int r;

        r = draft_new(kind, at, &d);
        if (r >= 0)
                r = fill(p->agent, kind, d);
        if (r < 0)
                return r;
        p->drafts[p->n_drafts++] = TAKE_PTR(d);
        return 0;
}

static void drop_drafts(Profile *p) {
        while (p->n_drafts > 0)
                (void) draft_free(p->drafts[--p->n_drafts]);
}

static int make_drafts(Profile *p, int64_t at) {
        static const uint16_t kinds[] = { PROFILE_KIND, RELAY_LIST_KIND, DM_RELAYS_KIND,
                SA_PROFILE_KIND, SA_SCHEDULE_KIND };
        size_t n = p->agent->settings->nip_sa ? ELEMENTSOF(kinds) : 3;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_draft(p, kinds[i], at);
        return r;
}

/* Of what they say; when they say it is left out. */
static int hash_drafts(Profile *p) {
        _cleanup_(sha256_freep) Sha256 *hash = NULL;
        uint8_t bytes[32];
        int r;

        r = sha256_new(&hash);
        if (r >= 0)
                r = make_drafts(p, 0);
        for (size_t i = 0; r >= 0 && i < p->n_drafts; i++) {
                _cleanup_free_ char *json = NULL;

                r = draft_json(p->drafts[i], &json);
                if (r >= 0)
                        r = sha256_add(hash, json, strlen(json));
        }
        if (r >= 0)
                r = sha256_end(hash, bytes);
        if (r >= 0)
                hex_encode(bytes, sizeof(bytes), p->hash);
        drop_drafts(p);
        return r;
}

static Profile *profile_done(Profile *p) {
        for (size_t i = 0; i < DRAFTS_MAX; i++)
                p->publishing[i] = relay_publish_free(p->publishing[i]);
        drop_drafts(p);
        p->asking = store_call_free(p->asking);
        p->signing = signer_call_free(p->signing);
        return p;
}

Profile *profile_free(Profile *p) {
        return p ? mfree(profile_done(p)) : NULL;
}

/* ---- its way out */

static void setting_name(const HostAgent *a, char ret[static 96]) {
        (void) snprintf(ret, 96, "agent.%s.profile", a->npub);
}

static void profile_end(Profile *p) {
        HostAgent *a = p->agent;
        bool again = p->again;

        a->work->profile = profile_free(p);
        if (again)
                agent_publish_profile(a);
}

static void on_noted(int error, const char *reason, _unused_ const char *value, void *userdata) {
        Profile *p = userdata;

        if (error < 0)
                log_debug("That a profile is out could not be written down: %s.", reason);
        profile_end(p);
}

/* "HASH TIME" */
static void profile_note(Profile *p) {
        char name[96], value[96];

        setting_name(p->agent, name);
        (void) snprintf(value, sizeof(value), "%s %" PRIi64, p->hash, p->at);
        if (store_set_setting(p->agent->host->agents->settings, name, value, on_noted, p,
                            &p->asking) < 0)
                profile_end(p);
}

static void on_published(int error, const char *reason, void *userdata) {
        Profile *p = userdata;

        if (error < 0) {
                p->error = error;
                log_warning("The profile of agent %s could not be handed over: %s.", p->agent->name,
                                reason);
        }
        if (++p->n_published < p->n_drafts)
                return;
        if (p->error < 0)
                profile_end(p); /* at its next change, or start */
        else
                profile_note(p);
}

static void on_signed(int error, _unused_ const char *name, const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        Profile *p = userdata;
        const AgentSettings *s = p->agent->settings;

        for (size_t i = 0; error >= 0 && i < n && i < p->n_drafts; i++) {
                if (results[i].error < 0) {
                        error = results[i].error;
                        reason = results[i].reason;
                        break;
                }
                error = relay_client_publish(market_relay(p->agent->host->market),
                                event_json(results[i].event, NULL),
                                s->relays && *s->relays ? (const char *const *) s->relays : NULL,
                                true, on_published, p, &p->publishing[i]);
        }
        if (error >= 0)
                return;
        log_warning("The profile of agent %s could not be published: %s.", p->agent->name,
                        reason ?: strerror(-error));
        profile_end(p); /* what is on its way goes; all of it again at the next change or start */
}

/* NIP-01: of two versions the later one counts, so each is later than the one before. */
static void on_asked(int error, _unused_ const char *reason, const char *value, void *userdata) {
        Profile *p = userdata;
        int64_t last = 0;

        if (error < 0 || startswith(value, p->hash)) {
                profile_end(p);
                return;
        }
        if (strlen(value) > HEX32_MAX)
                (void) parse_i64(value + HEX32_MAX, &last);
        p->at = MAX(agents_now(p->agent->host->agents), last + 1);
        if (make_drafts(p, p->at) < 0 ||
                        signer_sign(p->agent->host->agents->signer, p->agent->key,
                                        (const Draft *const *) p->drafts, p->n_drafts, on_signed, p,
                                        &p->signing) < 0)
                profile_end(p);
}

void agent_publish_profile(HostAgent *a) {
        char name[96];
        Profile *p;

        if (a->work->profile) {
                a->work->profile->again = true;
                return;
        }
        p = new0(Profile, 1);
        if (!p)
                return;
        p->agent = a;
        setting_name(a, name);
        if (hash_drafts(p) < 0 || store_get_setting(a->host->agents->settings, name, on_asked, p,
                                                  &p->asking) < 0) {
                log_warning("The profile of agent %s is not published.", a->name);
                (void) profile_free(p);
                return;
        }
        a->work->profile = p;
}
