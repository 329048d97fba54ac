#include "trigger.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "basic/text.h"
#include "client/agents-limits.h"
#include "market/zap.h"
#include "nostr/nip10.h"
#include "nostr/nip17.h"

void trigger_found_done(TriggerFound *f) {
        free(f->text);
        *f = (TriggerFound){ 0 };
}

static bool wants(const TriggerView *v, const char *what) {
        return strv_contains(v->settings->triggers, what);
}

static bool is_muted(const TriggerView *v, const uint8_t pubkey[static 32]) {
        for (size_t i = 0; i < v->n_muted; i++)
                if (memcmp(v->muted[i], pubkey, 32) == 0)
                        return true;
        return false;
}

/* Longer than the store keeps makes no sense; a NUL would end it for everybody else. */
static int fill(TriggerFound *ret, const char *what, const char *author, const char *text,
                size_t size, int64_t at) {
        size_t n = strnlen(text, size);

        n = utf8_prefix(text, n, OBSERVATION_TEXT_MAX);
        *ret = (TriggerFound){ .what = what, .at = at };
        (void) snprintf(ret->author, sizeof(ret->author), "%s", author);
        ret->text = strndup(text, n);
        return ret->text ? 0 : -ENOMEM;
}

/* ---- notes */

static bool is_hex32(const char *s) {
        uint8_t bytes[32];

        return hex_decode(s, bytes, sizeof(bytes)) >= 0;
}

/* NIP-10, NIP-22: who wrote what is answered is the last value of its tag; where the note does not
 * say, the first that it names is whom it talks to. */
static bool answers_agent(const Event *e, const char *parent, const TriggerView *v) {
        const char *first = event_tag_value(e, "p");

        for (const Tag *t = NULL; (t = event_find_tag(e, "e", t));) {
                const char *author = t->n > 3 ? t->values[t->n - 1] : "";

                if (streq(t->values[1], parent) && is_hex32(author))
                        return streq(author, v->pubkey_hex);
        }
        return first && streq(first, v->pubkey_hex);
}

static bool is_word_part(char c) {
        return isalnum((unsigned char) c) || c == '_' || (unsigned char) c >= 0x80;
}

static bool has_word(const char *text, const char *word) {
        size_t n = strlen(word);

        if (n == 0)
                return false;
        for (const char *p = strcasestr(text, word); p; p = strcasestr(p + 1, word))
                if ((p == text || !is_word_part(p[-1])) && !is_word_part(p[n]))
                        return true;
        return false;
}

static bool has_hashtag(const Event *e, const char *tag) {
        for (const Tag *t = NULL; (t = event_find_tag(e, "t", t));)
                if (strcasecmp(t->values[1], tag) == 0)
                        return true;
        return false;
}

bool trigger_has_keyword(const Event *e, char *const *keywords) {
        STRV_FOREACH (word, keywords)
                if (**word == '#' ? has_hashtag(e, *word + 1)
                                  : has_word(event_content(e, NULL), *word))
                        return true;
        return false;
}

static int read_note(const Event *e, bool named, const TriggerView *v, TriggerFound *ret,
                TriggerVerdict *ret_verdict) {
        const char *what = NULL, *text, *parent = NULL;
        Thread thread;
        size_t size;
        int r;

        if (named && thread_read(e, &thread))
                parent = thread.parent;
        if (parent && answers_agent(e, parent, v) && wants(v, "reply"))
                what = "reply";
        else if (named && wants(v, "mention"))
                what = "mention";
        else if (wants(v, "keyword") && trigger_has_keyword(e, v->settings->keywords))
                what = "keyword";
        if (!what)
                return 0;
        text = event_content(e, &size);
        r = fill(ret, what, event_pubkey_hex(e), text, size, event_created_at(e));
        if (r < 0)
                return r;
        if (parent)
                (void) snprintf(ret->event, sizeof(ret->event), "%s", parent);
        *ret_verdict = TRIGGER_SEEN;
        return 0;
}

/* ---- zaps */

static int read_zap(
                Event *e, const TriggerView *v, TriggerFound *ret, TriggerVerdict *ret_verdict) {
        _cleanup_zap_read_ Zap z = { 0 };
        const char *reason;
        uint8_t sender[32];
        int r;

        if (!wants(v, "zap"))
                return 0;
        r = zap_read(e, &(ZapFor){ .recipient = v->pubkey, .network = v->network }, &z, &reason);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (z.msat < v->settings->zap_min_msat || hex_decode(z.sender, sender, 32) < 0 ||
                        streq(z.sender, v->pubkey_hex) || is_muted(v, sender))
                return 0;
        r = fill(ret, "zap", z.sender, z.comment, strlen(z.comment), z.at);
        if (r < 0)
                return r;
        ret->msat = z.msat;
        (void) snprintf(ret->event, sizeof(ret->event), "%s", z.event);
        (void) snprintf(ret->server, sizeof(ret->server), "%s", z.server);
        (void) snprintf(ret->hash, sizeof(ret->hash), "%s", z.hash);
        *ret_verdict = TRIGGER_SEEN;
        return 0;
}

int trigger_read(Event *e, bool named, const TriggerView *v, TriggerFound *ret,
                TriggerVerdict *ret_verdict) {
        *ret_verdict = TRIGGER_NOTHING;
        *ret = (TriggerFound){ 0 };
        if (memcmp(event_pubkey(e), v->pubkey, 32) == 0 || is_muted(v, event_pubkey(e)))
                return 0;
        switch (event_kind(e)) {
        case NIP10_NOTE_KIND:
        case NIP22_COMMENT_KIND:
                return read_note(e, named, v, ret, ret_verdict);
        case 4:
        case 1059: /* signed by a key of its own: who wrote it is inside */
                if (named && (wants(v, "dm") || !isempty(v->settings->owner_hex)))
                        *ret_verdict = TRIGGER_SEALED;
                return 0;
        case NIP57_RECEIPT_KIND:
                return named ? read_zap(e, v, ret, ret_verdict) : 0;
        default:
                return 0;
        }
}

/* ---- messages */

int trigger_read_dm(const char *author_hex, const char *text, int64_t at, const TriggerView *v,
                TriggerFound *ret, TriggerVerdict *ret_verdict) {
        uint8_t author[32];
        int r;

        *ret_verdict = TRIGGER_NOTHING;
        *ret = (TriggerFound){ 0 };
        if (hex_decode(author_hex, author, 32) < 0 || memcmp(author, v->pubkey, 32) == 0 ||
                        is_muted(v, author) || isempty(text))
                return 0;
        if (!wants(v, "dm") && !streq(author_hex, v->settings->owner_hex)) /* who approves */
                return 0;
        r = fill(ret, "dm", author_hex, text, strlen(text), at);
        if (r >= 0)
                *ret_verdict = TRIGGER_SEEN;
        return r;
}

/* NIP-17: kind 14. What else may be in a wrap (files, reactions) wakes nobody. */
int trigger_read_rumor(const Rumor *r, const TriggerView *v, TriggerFound *ret,
                TriggerVerdict *ret_verdict) {
        const char *reason;
        PrivateText text;
        int e;

        *ret_verdict = TRIGGER_NOTHING;
        *ret = (TriggerFound){ 0 };
        if (private_message_read(r, &text, &reason) < 0)
                return 0;
        e = trigger_read_dm(
                        rumor_pubkey_hex(r), text.text, rumor_created_at(r), v, ret, ret_verdict);
        if (e >= 0 && *ret_verdict == TRIGGER_SEEN && text.reply_to && is_hex32(text.reply_to))
                (void) snprintf(ret->event, sizeof(ret->event), "%s", text.reply_to);
        return e;
}
