#include "announce.h"

#include <inttypes.h>
#include <stdio.h>

#include "basic/buffer.h"
#include "basic/log.h"
#include "basic/text.h"

#define SETTING_MAX     2048
#define IDENTIFIER_SIZE 16

static void drop_drafts(Announcer *a) {
        while (a->n_drafts > 0)
                (void) draft_free(a->drafts[--a->n_drafts]);
}

static void forget_all(Announcer *a) {
        for (; a->n_out > 0; a->n_out--)
                a->out[a->n_out - 1].said = mfree(a->out[a->n_out - 1].said);
}

/* What was on its way is overtaken. */
static void begin(Announcer *a) {
        a->call = signer_call_free(a->call);
        a->store_call = store_call_free(a->store_call);
        a->publish = relay_publish_free(a->publish);
        a->withdrawn = NULL;
        drop_drafts(a);
}

/* ---- what others believe, on disk */

static int write_setting(const Announcer *a, Buffer *b) {
        int r;

        r = buffer_addf(b, "%" PRIi64, a->last_at);
        for (size_t i = 0; i < a->n_out && r >= 0; i++)
                r = buffer_addf(b, " %u", a->out[i].kind);
        return r;
}

static void read_setting(Announcer *a, const char *text) {
        long long at;
        unsigned kind;
        int n;

        if (sscanf(text, "%19lld%n", &at, &n) != 1 || at < 0)
                return;
        a->last_at = at;
        for (text += n; a->n_out < ANNOUNCER_KINDS_MAX && sscanf(text, " %5u%n", &kind, &n) == 1;
                        text += n)
                if (kind <= UINT16_MAX)
                        a->out[a->n_out++].kind = (uint16_t) kind;
}

static void on_loaded(int error, const char *reason, const char *value, void *userdata) {
        Announcer *a = userdata;

        if (error >= 0) {
                read_setting(a, value);
                a->loaded = true;
        }
        a->loaded_cb(error, reason, a->userdata);
}

int announcer_load(Announcer *a, void (*done)(int error, const char *reason, void *userdata),
                void *userdata) {
        a->loaded_cb = done;
        a->userdata = userdata;
        return store_get_setting(a->store, ANNOUNCER_SETTING, on_loaded, a, &a->store_call);
}

/* ---- drafts */

static int add_draft(Announcer *a, Draft *d) {
        if (a->n_drafts == ELEMENTSOF(a->drafts)) {
                (void) draft_free(d);
                return -ENOBUFS;
        }
        a->drafts[a->n_drafts++] = d;
        return 0;
}

static void identifier(uint16_t kind, char ret[static IDENTIFIER_SIZE]) {
        (void) snprintf(ret, IDENTIFIER_SIZE, "pylon-%u", kind);
}

/* Relays that ignore NIP-09 must not find it either: a version without kinds takes its place. */
static int add_empty(Announcer *a, uint16_t kind) {
        char name[IDENTIFIER_SIZE];
        const Announcement nothing = { .identifier = name, .name = "", .about = "", .network = "" };
        Draft *d;
        int r;

        identifier(kind, name);
        r = nip89_draft(&nothing, a->last_at, &d);
        return r < 0 ? r : add_draft(a, d);
}

static int add_deletion(Announcer *a, const char *pubkey_hex, const uint16_t *kinds, size_t n) {
        char names[ANNOUNCER_KINDS_MAX][IDENTIFIER_SIZE];
        const char *list[ANNOUNCER_KINDS_MAX];
        Draft *d;
        int r;

        for (size_t i = 0; i < n; i++) {
                identifier(kinds[i], names[i]);
                list[i] = names[i];
        }
        r = nip89_withdrawal_draft(pubkey_hex, list, n, a->last_at, &d);
        return r < 0 ? r : add_draft(a, d);
}

/* ---- signing and publishing */

static void finish(Announcer *a) {
        void (*withdrawn)(void *userdata) = TAKE_PTR(a->withdrawn);

        drop_drafts(a);
        if (withdrawn)
                withdrawn(a->userdata);
}

static int save(Announcer *a, store_setting_t done) {
        _cleanup_buffer_ Buffer b = { .max = SETTING_MAX };
        int r;

        r = write_setting(a, &b);
        return r < 0 ? r
                     : store_set_setting(a->store, ANNOUNCER_SETTING, b.data, done, a,
                                       done ? &a->store_call : NULL);
}

static void on_published(int error, const char *reason, void *userdata) {
        Announcer *a = userdata;

        if (error < 0)
                log_warning("The announcement could not be withdrawn: %s.", reason);
        else {
                forget_all(a);
                if (save(a, NULL) < 0)
                        log_debug("It is withdrawn once more at the next start.");
        }
        finish(a);
}

static int publish_all(Announcer *a, const SignerResult *results, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                bool last = a->withdrawn && i == n - 1;

                if (results[i].error < 0)
                        return results[i].error;
                r = relay_client_publish(a->relay, event_json(results[i].event, NULL), NULL, true,
                                last ? on_published : NULL, a, last ? &a->publish : NULL);
        }
        return r;
}

static void on_signed(int error, _unused_ const char *name, _unused_ const char *reason,
                const SignerResult *results, size_t n, void *userdata) {
        Announcer *a = userdata;

        if (error >= 0)
                error = publish_all(a, results, n);
        if (error >= 0) {
                if (!a->withdrawn)
                        drop_drafts(a);
                return;
        }
        (void) log_warning_errno(error, "The provider could not be announced or withdrawn: %m");
        for (size_t i = 0; i < a->n_out; i++) /* all of it again next time */
                a->out[i].said = mfree(a->out[i].said);
        finish(a);
}

static int sign(Announcer *a) {
        return signer_sign(a->signer, "provider", (const Draft *const *) a->drafts, a->n_drafts,
                        on_signed, a, &a->call);
}

/* The disk does not take it: others hear of us all the same, and a crash may leave them believing
 * that we are there. */
static void on_saved(int error, const char *reason, _unused_ const char *value, void *userdata) {
        Announcer *a = userdata;
        int r;

        if (error < 0)
                log_warning("What is announced could not be written down: %s.", reason);
        r = sign(a);
        if (r < 0) {
                (void) log_warning_errno(r, "The provider could not be announced: %m");
                drop_drafts(a);
        }
}

/* ---- announcing */

static size_t find_out(const Announcer *a, uint16_t kind) {
        size_t i = 0;

        while (i < a->n_out && a->out[i].kind != kind)
                i++;
        return i;
}

static bool is_listed(const Announcement *list, size_t n, uint16_t kind) {
        for (size_t i = 0; i < n; i++)
                if (list[i].kinds[0] == kind)
                        return true;
        return false;
}

/* What is said of the kind but for the time, to see whether it is new. */
static int add_announcement(Announcer *a, const Announcement *what, bool again) {
        _cleanup_(draft_freep) Draft *timeless = NULL;
        _cleanup_free_ char *said = NULL;
        size_t i = find_out(a, what->kinds[0]);
        Draft *d;
        int r;

        if (i == ANNOUNCER_KINDS_MAX)
                return -ENOBUFS;
        r = nip89_draft(what, 0, &timeless) ?: draft_json(timeless, &said);
        if (r < 0 || (!again && i < a->n_out && a->out[i].said && streq(a->out[i].said, said)))
                return r;

        r = nip89_draft(what, a->last_at, &d) ?: add_draft(a, d);
        if (r < 0)
                return r;
        if (i == a->n_out)
                a->out[a->n_out++].kind = what->kinds[0];
        free(a->out[i].said);
        a->out[i].said = TAKE_PTR(said);
        return 0;
}

/* Kinds that are not there any more, in the same breath. */
static int add_withdrawals(
                Announcer *a, const Announcement *list, size_t n, const char *pubkey_hex) {
        uint16_t gone[ANNOUNCER_KINDS_MAX];
        size_t n_gone = 0, n_kept = 0;
        int r = 0;

        for (size_t i = 0; i < a->n_out; i++) {
                if (is_listed(list, n, a->out[i].kind)) {
                        a->out[n_kept++] = a->out[i];
                        continue;
                }
                gone[n_gone++] = a->out[i].kind;
                free(a->out[i].said);
        }
        for (size_t i = n_kept; i < a->n_out; i++)
                a->out[i].said = NULL;
        a->n_out = n_kept;
        for (size_t i = 0; i < n_gone && r >= 0; i++)
                r = add_empty(a, gone[i]);
        return r < 0 || n_gone == 0 ? r : add_deletion(a, pubkey_hex, gone, n_gone);
}

void announcer_announce(Announcer *a, const Announcement *list, size_t n, const char *pubkey_hex,
                int64_t now, bool again) {
        int r = 0;

        if (!a->loaded)
                return;
        begin(a);
        a->last_at = MAX(now, a->last_at + 1);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = add_announcement(a, &list[i], again);
        if (r >= 0)
                r = add_withdrawals(a, list, n, pubkey_hex);
        if (r >= 0 && a->n_drafts > 0)
                r = save(a, on_saved);
        if (r < 0) {
                (void) log_warning_errno(r, "The provider could not be announced: %m");
                drop_drafts(a);
        }
}

bool announcer_withdraw(Announcer *a, const char *pubkey_hex, int64_t now,
                void (*done)(void *userdata), void *userdata) {
        uint16_t kinds[ANNOUNCER_KINDS_MAX];
        size_t n = a->n_out;
        int r = 0;

        begin(a);
        if (n == 0)
                return false;

        a->withdrawn = done;
        a->userdata = userdata;
        a->last_at = MAX(now, a->last_at + 1);
        for (size_t i = 0; i < n && r >= 0; i++) {
                kinds[i] = a->out[i].kind;
                r = add_empty(a, kinds[i]);
        }
        if (r >= 0)
                r = add_deletion(a, pubkey_hex, kinds, n);
        if (r >= 0)
                r = sign(a);
        if (r < 0) {
                (void) log_warning_errno(r, "The announcement could not be withdrawn: %m");
                begin(a);
        }
        return r >= 0;
}

void announcer_done(Announcer *a) {
        begin(a);
        forget_all(a);
}
