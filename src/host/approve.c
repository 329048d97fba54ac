#include "approve.h"

#include <inttypes.h>
#include <stdio.h>

#include "approve-private.h"
#include "basic/crypt.h"
#include "basic/log.h"
#include "basic/text.h"
#include "letter.h"

#define WAITING_MAX  16384 /* of all agents; policy.h says how many of one */
#define LETTER_MAX   2048
#define OBSERVED_MAX 1024

struct Waiting {
        Approval approval;
        Hands *hands;
        Waiting *next;
        char *json, *text;
        PolicyMoney money;
        bool yes, decided;
        AgentsCall *moving;
        approve_done_t done;
        void *userdata;
};

static void waiting_free(Waiting *w) {
        w->moving = agents_call_free(w->moving);
        free(w->json);
        free(w->text);
        free(w);
}

static void waiting_remove(Waiting *w) {
        Hands *h = w->hands;
        HostAgent *a = w->approval.agent;

        for (Waiting **p = &h->waiting; *p; p = &(*p)->next)
                if (*p == w) {
                        *p = w->next;
                        break;
                }
        h->n_waiting--;
        a->n_approvals--;
        waiting_free(w);
        host_agent_changed(a, "Pending", NULL);
}

const Approval *approval_next(Host *host, const Approval *after) {
        const Waiting *w =
                        after ? container_of(after, Waiting, approval)->next : host->hands->waiting;

        while (w && w->decided)
                w = w->next;
        return w ? &w->approval : NULL;
}

size_t approvals_count(const Host *host) {
        return host->hands->n_waiting;
}

/* ---- silence */

static int on_silence(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata);

static void arm_silence(Hands *h) {
        int64_t soonest = INT64_MAX, now = hands_now(h);

        for (const Waiting *w = h->waiting; w; w = w->next)
                if (!w->decided)
                        soonest = MIN(soonest, w->approval.until);
        h->silence = sd_event_source_disable_unref(h->silence);
        if (soonest == INT64_MAX)
                return;
        if (sd_event_add_time_relative(h->event, &h->silence, CLOCK_BOOTTIME,
                            (usec_t) MAX(soonest - now, INT64_C(0)) * SEC, SEC, on_silence, h) < 0)
                log_warning("No timer is left: what waits for an owner is denied at the next start.");
}

/* ---- deciding */

static void observe(const Waiting *w, const char *words) {
        const Approval *p = &w->approval;
        char id[96], text[OBSERVED_MAX];
        const Observation o = {
                .id = id,
                .what = "approval",
                .author = "owner",
                .text = text,
                .event = "",
                .at = hands_now(w->hands),
        };

        (void) snprintf(id, sizeof(id), "approval:%s", p->id);
        (void) snprintf(text, sizeof(text), "%s: %s", words, p->text);
        text[utf8_prefix(text, strlen(text), sizeof(text) - 1)] = 0;
        if (agents_observe(w->hands->agents, p->agent->npub, &o, 1, NULL, NULL, NULL) < 0)
                log_debug("%s reads of it in its history.", p->agent->key);
}

static int begin(const Waiting *w) {
        const Approval *p = &w->approval;
        _cleanup_(action_freep) Action *a = NULL;
        const char *reason;
        DeedOrder order;
        int r;

        r = action_parse_text(w->json, strlen(w->json), &a, &reason);
        if (r < 0)
                return r;
        order = (DeedOrder){
                .agent = p->agent,
                .number = p->tick,
                .n = p->n,
                .action = a,
                .money = &w->money,
        };
        r = deed_start(w->hands, &order, NULL);
        if (r >= 0)
                TAKE_PTR(a);
        return r;
}

static void on_moved(int verdict, const char *text, void *userdata) {
        Waiting *w = userdata;
        HostAgent *a = w->approval.agent;
        approve_done_t done = w->done;
        void *whose = w->userdata;

        if (verdict >= 0 && w->yes) {
                verdict = begin(w);
                text = "it is done after the next start";
        }
        if (verdict < 0)
                log_warning("%s: what its owner decided is not done: %s.", a->key, text);
        else if (done)
                observe(w, w->yes ? "the owner agreed" : "the owner said no");
        if (verdict >= 0)
                waiting_remove(w);
        else {
                w->decided = false; /* it can be decided again */
                w->done = NULL;
        }
        arm_silence(a->host->hands);
        if (done)
                done(MIN(verdict, 0), verdict < 0 ? text : "", whose);
        if (verdict >= 0 && done)
                host_agent_wake(a, "approval");
}

static int move(Waiting *w, const char *state, const char *reason) {
        int r;

        r = agents_move_action(w->hands->agents,
                        &(ActionMove){
                                        .npub = w->approval.agent->npub,
                                        .tick = w->approval.tick,
                                        .n = w->approval.n,
                                        .state = state,
                                        .reason = reason,
                                        .cost_msat = -1,
                        },
                        on_moved, w, &w->moving);
        w->decided = r >= 0;
        return r;
}

static int on_silence(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        Hands *h = userdata;
        int64_t now = hands_now(h);

        for (Waiting *w = h->waiting; w; w = w->next)
                if (!w->decided && w->approval.until <= now) {
                        w->yes = false;
                        if (move(w, "denied", "its owner did not answer in time") < 0)
                                w->approval.until = now + 60;
                }
        arm_silence(h);
        return 0;
}

/* Its limits may have changed since, and other things were paid. */
static bool is_possible(Waiting *w, char reterr[static POLICY_REASON_MAX]) {
        _cleanup_(action_freep) Action *a = NULL;
        HostAgent *agent = w->approval.agent;
        const char *reason = "there is no memory";
        const PolicyFacts f = {
                .settings = agent->settings,
                .self_hex = agent->pubkey_hex,
                .network = service_config(w->hands->host->service)->network,
                .now = hands_now(w->hands),
                .approved = true,
                .free_msat = agent->balance_msat,
        };

        if (action_parse_text(w->json, strlen(w->json), &a, &reason) < 0) {
                (void) snprintf(reterr, POLICY_REASON_MAX, "%s", reason);
                return false;
        }
        return policy_decide(&f, a, &w->money, reterr) == POLICY_GO;
}

static Waiting *find(Hands *h, const char *id, int *reterr) {
        Waiting *found = NULL;

        *reterr = strlen(id) < APPROVAL_SHORT ? -EINVAL : -ENOENT;
        for (Waiting *w = h->waiting; w && *reterr != -EINVAL; w = w->next) {
                if (w->decided || !startswith(w->approval.id, id))
                        continue;
                *reterr = found ? -ENOTUNIQ : 0;
                found = w;
        }
        return *reterr < 0 ? NULL : found;
}

int approve(Host *host, const char *id, bool yes, const char *note, approve_done_t done,
                void *userdata) {
        char reason[POLICY_REASON_MAX], words[POLICY_REASON_MAX + 32];
        Waiting *w;
        int r;

        if (!host->hands->resumed)
                return -EAGAIN;
        w = find(host->hands, id, &r);
        if (!w)
                return r;
        w->done = done;
        w->userdata = userdata;
        w->yes = yes && is_possible(w, reason);
        if (yes && !w->yes)
                (void) snprintf(words, sizeof(words), "its owner agreed, but %s", reason);
        else
                (void) snprintf(words, sizeof(words), "%s%s%.*s",
                                yes ? "its owner agreed" : "its owner said no",
                                isempty(note) ? "" : ": ",
                                (int) utf8_prefix(note ?: "", strlen(note ?: ""), 128), note ?: "");
        log_event(LOG_NOTICE, LOG_ID_AGENT_DECIDED,
                        LOG_FIELDS("PYLON_AGENT", w->approval.agent->npub, "PYLON_APPROVAL",
                                        w->approval.id),
                        "%s of %s, \"%s\": %s.", w->approval.type, w->approval.agent->key,
                        w->approval.text, words);
        return move(w, w->yes ? "planned" : yes ? "refused" : "denied", words);
}

static void on_heard(int error, const char *reason, void *userdata) {
        HostAgent *a = userdata;
        char text[256];

        if (error >= 0)
                return;
        (void) snprintf(text, sizeof(text), "That was not done: %s.", reason);
        letter_to_owner(a, text);
}

bool approve_hear(HostAgent *a, const char *author_hex, const char *text) {
        Hands *h = a->host->hands;
        char id[HEX32_MAX];
        size_t n;
        Waiting *w;
        bool yes;
        int r;

        if (isempty(a->settings->owner_hex) || !streq(author_hex, a->settings->owner_hex))
                return false;
        text += strspn(text, " \t\r\n");
        yes = strncasecmp(text, "ok", 2) == 0;
        if (!yes && strncasecmp(text, "no", 2) != 0)
                return false;
        text += 2;
        if (*text != ' ')
                return false;
        text += strspn(text, " ");
        n = strspn(text, "0123456789abcdef");
        if (n < APPROVAL_SHORT || n >= sizeof(id) || text[n + strspn(text + n, " \t\r\n")])
                return false;
        memcpy(id, text, n);
        id[n] = 0;
        w = find(h, id, &r);
        if (w && w->approval.agent != a)
                r = -ENOENT;
        if (r >= 0)
                r = approve(a->host, id, yes, "by a message", on_heard, a);
        if (r < 0)
                letter_to_owner(a, r == -ENOTUNIQ ? "Several have these digits; more are needed."
                                                  : "Nothing waits under this number.");
        return true;
}

/* ---- what is put to the owner */

static int hash(const DeedOrder *o, const char *json, char ret[static HEX32_MAX]) {
        _cleanup_(sha256_freep) Sha256 *h = NULL;
        char place[64];
        uint8_t digest[32];
        int r;

        (void) snprintf(place, sizeof(place), "\n%" PRIi64 "\n%u\n", o->number, o->n);
        r = sha256_new(&h);
        if (r >= 0)
                r = sha256_add(h, o->agent->npub, strlen(o->agent->npub));
        if (r >= 0)
                r = sha256_add(h, place, strlen(place));
        if (r >= 0)
                r = sha256_add(h, json, strlen(json));
        if (r >= 0)
                r = sha256_end(h, digest);
        if (r < 0)
                return r;
        hex_encode(digest, sizeof(digest), ret);
        return 0;
}

static void tell_owner(const Waiting *w) {
        const Approval *p = &w->approval;
        char text[LETTER_MAX];

        (void) snprintf(text, sizeof(text),
                        "%s would like to do this:\n\n%.*s\n\nAnswer \"ok %.*s\" or \"no %.*s\". "
                        "Without an answer it is not done.",
                        p->agent->name, (int) utf8_prefix(p->text, strlen(p->text), LETTER_MAX / 2),
                        p->text, APPROVAL_SHORT, p->id, APPROVAL_SHORT, p->id);
        letter_to_owner(p->agent, text);
}

int approval_add(Hands *h, const DeedOrder *o, const char *json, int64_t at) {
        Waiting *w, **last = &h->waiting;
        int r;

        if (h->n_waiting >= WAITING_MAX)
                return -ENOBUFS;
        w = new0(Waiting, 1);
        if (!w)
                return -ENOMEM;
        w->hands = h;
        w->json = strdup(json);
        r = w->json ? action_describe(o->action, &w->text) : -ENOMEM;
        if (r >= 0)
                r = hash(o, json, w->approval.id);
        while (r >= 0 && *last && !streq((*last)->approval.id, w->approval.id))
                last = &(*last)->next;
        if (r < 0 || *last) {
                waiting_free(w); /* or it waits already */
                return r;
        }
        w->approval.agent = o->agent;
        w->approval.tick = o->number;
        w->approval.n = o->n;
        w->approval.type = action_type_name(o->action->type);
        w->approval.json = w->json;
        w->approval.text = w->text;
        w->approval.at = at;
        w->approval.until =
                        at +
                        (int64_t) (service_config(h->host->service)->host.approval_timeout / SEC);
        *last = w;
        h->n_waiting++;
        o->agent->n_approvals++;
        arm_silence(h);
        host_agent_changed(o->agent, "Pending", NULL);
        if (!o->row) /* it was told in its former life */
                tell_owner(w);
        return 0;
}

static void drop(Hands *h, const HostAgent *a, int64_t tick) {
        for (Waiting **p = &h->waiting; *p;) {
                Waiting *w = *p;

                if ((a && w->approval.agent != a) || (tick > 0 && w->approval.tick != tick)) {
                        p = &w->next;
                        continue;
                }
                *p = w->next;
                h->n_waiting--;
                w->approval.agent->n_approvals--;
                waiting_free(w);
        }
}

void approvals_drop(Hands *h, const HostAgent *a) {
        drop(h, a, 0);
        arm_silence(h);
}

void approvals_drop_tick(Hands *h, const HostAgent *a, int64_t tick) {
        if (tick > 0)
                drop(h, a, tick);
}
