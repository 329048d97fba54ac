#include "mind/action.h"

#include <inttypes.h>

#include "basic/text.h"
#include "mind/action-private.h"
#include "money/bolt11.h"
#include "nostr/nip19.h"

#define DEPTH_MAX    2 /* an action is flat */
#define VALUES_MAX   32
#define MSAT_PER_SAT 1000

static const ActionClass *const classes[_ACTION_TYPE_MAX] = {
        [ACTION_POST] = &action_post,
        [ACTION_REPLY] = &action_reply,
        [ACTION_REACT] = &action_react,
        [ACTION_DM] = &action_dm,
        [ACTION_ZAP] = &action_zap,
        [ACTION_PAY] = &action_pay,
        [ACTION_GOAL_ADD] = &action_goal_add,
        [ACTION_GOAL_UPDATE] = &action_goal_update,
        [ACTION_GOAL_CLOSE] = &action_goal_close,
        [ACTION_REMEMBER] = &action_remember,
        [ACTION_FORGET] = &action_forget,
        [ACTION_SCHEDULE] = &action_schedule,
        [ACTION_FOLLOW] = &action_follow,
        [ACTION_ASK] = &action_ask,
        [ACTION_NOTHING] = &action_nothing,
};

#define FIELD_FOREACH(f, class)                      \
        for (const ActionField *f = (class)->fields; \
                        f < (class)->fields + ACTION_FIELDS_MAX && f->name; f++)

const char *action_type_name(ActionType t) {
        return classes[t]->name;
}

int action_type_from_name(const char *name, ActionType *ret) {
        for (ActionType t = 0; t < _ACTION_TYPE_MAX; t++)
                if (streq(classes[t]->name, name)) {
                        *ret = t;
                        return 0;
                }
        return -EINVAL;
}

/* ---- reading: one function for each type of field; -EINVAL where the value is another */

static void *member(const Action *a, const ActionField *f) {
        return (char *) a + f->offset;
}

static int keep(char **at, const char *s) {
        *at = strdup(s);
        return *at ? 0 : -ENOMEM;
}

/* Whatever it is for, it says something, and nothing that a terminal would obey. */
static bool is_text(const char *s, int64_t max, const char *also) {
        bool blank = true;
        size_t n = 0;

        for (; s[n]; n++) {
                unsigned char c = (unsigned char) s[n];

                if ((c < 0x20 && !strchr(also, c)) || c == 0x7f)
                        return false;
                if (c > 0x20)
                        blank = false;
        }
        return !blank && n <= (size_t) max;
}

static int read_text(
                const Json *j, const ActionField *f, Action *a, _unused_ const ActionNames *names) {
        const char *s;

        if (json_string(j, &s) < 0 || !is_text(s, f->max, "\n\r\t"))
                return -EINVAL;
        return keep(member(a, f), s);
}

static int read_line(
                const Json *j, const ActionField *f, Action *a, _unused_ const ActionNames *names) {
        const char *s;

        if (json_string(j, &s) < 0 || !is_text(s, f->max, ""))
                return -EINVAL;
        return keep(member(a, f), s);
}

static int read_id(
                const Json *j, const ActionField *f, Action *a, _unused_ const ActionNames *names) {
        const char *s;
        size_t n;

        if (json_string(j, &s) < 0)
                return -EINVAL;
        n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-");
        if (n == 0 || s[n] || n > ITEM_ID_MAX)
                return -EINVAL;
        return keep(member(a, f), s);
}

/* What NIP-19 has for keys and events, and what else was in it is left out. */
static int read_bech32(const char *s, Action *a) {
        _cleanup_nip19_ Nip19 n = { 0 };
        const char *reason;
        int r;

        r = nip19_decode(s, &n, &reason);
        if (r < 0)
                return r;
        if (n.type == NIP19_NPUB || n.type == NIP19_NPROFILE)
                a->to_is = ACTION_TO_KEY;
        else if (n.type == NIP19_NOTE || n.type == NIP19_NEVENT)
                a->to_is = ACTION_TO_EVENT;
        else
                return -EINVAL;
        hex_encode(n.key, sizeof(n.key), a->to);
        return 0;
}

static int read_to(const Json *j, ActionTo wanted, Action *a, const ActionNames *names) {
        uint8_t bytes[32];
        const char *s;
        int r;

        if (json_string(j, &s) < 0)
                return -EINVAL;
        if (hex_decode(s, bytes, sizeof(bytes)) >= 0) {
                hex_encode(bytes, sizeof(bytes), a->to);
                a->to_is = wanted;
                return 0;
        }
        r = names ? names->find(s, wanted, a, names->userdata) : -ENOENT;
        if (r == -ENOENT)
                r = read_bech32(s, a);
        if (r < 0)
                return r;
        return wanted == ACTION_TO_EITHER || a->to_is == wanted ? 0 : -EINVAL;
}

static int read_event(
                const Json *j, _unused_ const ActionField *f, Action *a, const ActionNames *names) {
        return read_to(j, ACTION_TO_EVENT, a, names);
}

static int read_key(
                const Json *j, _unused_ const ActionField *f, Action *a, const ActionNames *names) {
        return read_to(j, ACTION_TO_KEY, a, names);
}

static int read_either(
                const Json *j, _unused_ const ActionField *f, Action *a, const ActionNames *names) {
        return read_to(j, ACTION_TO_EITHER, a, names);
}

/* Only its form: what it demands is looked at by check(). */
static int read_invoice(
                const Json *j, const ActionField *f, Action *a, _unused_ const ActionNames *names) {
        const char *s;

        if (json_string(j, &s) < 0 || isempty(s) || strlen(s) > BOLT11_MAX)
                return -EINVAL;
        return keep(member(a, f), s);
}

static int read_number(
                const Json *j, const ActionField *f, Action *a, _unused_ const ActionNames *names) {
        int64_t n;

        if (json_i64(j, &n) < 0 || n < f->min || n > f->max)
                return -EINVAL;
        *(int64_t *) member(a, f) = n;
        return 0;
}

static int read_sats(const Json *j, const ActionField *f, Action *a, const ActionNames *names) {
        int r;

        r = read_number(j, f, a, names);
        if (r >= 0)
                *(int64_t *) member(a, f) *= MSAT_PER_SAT;
        return r;
}

static int read_bool(
                const Json *j, const ActionField *f, Action *a, _unused_ const ActionNames *names) {
        return json_bool(j, member(a, f));
}

static int read_choice(
                const Json *j, const ActionField *f, Action *a, _unused_ const ActionNames *names) {
        const char *s, *word = f->form;

        if (json_string(j, &s) < 0)
                return -EINVAL;
        while (*word) {
                size_t n = strcspn(word, "|");

                if (strlen(s) == n && strncmp(s, word, n) == 0)
                        return keep(member(a, f), s);
                word += n;
                word += strspn(word, "|");
        }
        return -EINVAL;
}

/* ---- writing: false where it was not said */

static int write_string(const Action *a, const ActionField *f, Buffer *b) {
        const char *s = *(char **) member(a, f);

        return json_write_string(b, s, strlen(s));
}

static bool has_string(const Action *a, const ActionField *f) {
        return *(char **) member(a, f) != NULL;
}

static int write_to(const Action *a, _unused_ const ActionField *f, Buffer *b) {
        return buffer_addf(b, "\"%s\"", a->to);
}

/* Bare hex would leave open which of both is meant. */
static int write_either(const Action *a, const ActionField *f, Buffer *b) {
        Nip19 n = { .type = a->to_is == ACTION_TO_KEY ? NIP19_NPUB : NIP19_NOTE };
        _cleanup_free_ char *text = NULL;
        int r;

        if (a->to_is == ACTION_TO_EITHER)
                return write_to(a, f, b);
        r = hex_decode(a->to, n.key, sizeof(n.key));
        if (r >= 0)
                r = nip19_encode(&n, &text);
        return r < 0 ? r : buffer_addf(b, "\"%s\"", text);
}

static bool has_to(const Action *a, _unused_ const ActionField *f) {
        return a->to_is != ACTION_TO_NOBODY;
}

static int write_number(const Action *a, const ActionField *f, Buffer *b) {
        return buffer_addf(b, "%" PRIi64, *(int64_t *) member(a, f));
}

static int write_sats(const Action *a, const ActionField *f, Buffer *b) {
        return buffer_addf(b, "%" PRIi64, *(int64_t *) member(a, f) / MSAT_PER_SAT);
}

static bool has_number(const Action *a, const ActionField *f) {
        return *(int64_t *) member(a, f) >= 0;
}

static int write_bool(const Action *a, const ActionField *f, Buffer *b) {
        return buffer_add_string(b, *(bool *) member(a, f) ? "true" : "false");
}

static bool has_always(_unused_ const Action *a, _unused_ const ActionField *f) {
        return true;
}

static const struct {
        int (*read)(const Json *j, const ActionField *f, Action *a, const ActionNames *names);
        bool (*has)(const Action *a, const ActionField *f);
        int (*write)(const Action *a, const ActionField *f, Buffer *b);
} types[] = {
        [FIELD_TEXT] = { read_text, has_string, write_string },
        [FIELD_LINE] = { read_line, has_string, write_string },
        [FIELD_EVENT] = { read_event, has_to, write_to },
        [FIELD_KEY] = { read_key, has_to, write_to },
        [FIELD_EITHER] = { read_either, has_to, write_either },
        [FIELD_ID] = { read_id, has_string, write_string },
        [FIELD_INVOICE] = { read_invoice, has_string, write_string },
        [FIELD_SATS] = { read_sats, has_number, write_sats },
        [FIELD_NUMBER] = { read_number, has_number, write_number },
        [FIELD_BOOL] = { read_bool, has_always, write_bool },
        [FIELD_CHOICE] = { read_choice, has_string, write_string },
};

static int refuse(const char *reason, const char **reterr) {
        *reterr = reason;
        return -EBADMSG;
}

static bool is_known(const ActionClass *class, const char *key) {
        FIELD_FOREACH(f, class)
        if (streq(f->name, key))
                return true;
        return streq(key, "type");
}

static int read_fields(const Json *j, const ActionNames *names, Action *a, const char **reterr) {
        const ActionClass *class = classes[a->type];
        const void *cursor = NULL;
        const char *key;
        Json *value;
        int r;

        while (json_next(j, &cursor, &key, &value))
                if (!is_known(class, key))
                        return refuse("it has a field that this action does not have", reterr);

        FIELD_FOREACH(f, class) {
                value = json_get(j, f->name);
                if (!value && !f->required)
                        continue;
                r = value ? types[f->type].read(value, f, a, names) : -EINVAL;
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return refuse(f->wrong, reterr);
        }
        return class->check ? class->check(a, reterr) : 0;
}

int action_parse_named(const Json *j, const ActionNames *names, Action **ret, const char **reterr) {
        _cleanup_(action_freep) Action *a = NULL;
        const char *name;
        ActionType type;
        int r;

        if (!json_is_object(j))
                return refuse("it is not an object", reterr);
        if (json_string(json_get(j, "type"), &name) < 0)
                return refuse("it has no type", reterr);
        if (action_type_from_name(name, &type) < 0)
                return refuse("there is no action of this type", reterr);

        a = new0(Action, 1);
        if (!a)
                return -ENOMEM;
        *a = (Action){
                .type = type,
                .msat = -1,
                .priority = -1,
                .progress = -1,
                .in_seconds = -1,
                .heartbeat_seconds = -1,
        };
        r = read_fields(j, names, a, reterr);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(a);
        return 0;
}

int action_parse(const Json *j, Action **ret, const char **reterr) {
        return action_parse_named(j, NULL, ret, reterr);
}

int action_parse_text(const char *json, size_t size, Action **ret, const char **reterr) {
        _cleanup_(json_unrefp) Json *j = NULL;
        int r;

        if (size > ACTION_JSON_MAX)
                return refuse("it is too long", reterr);
        r = json_parse(json, size, DEPTH_MAX, VALUES_MAX, &j, reterr);
        return r < 0 ? r : action_parse(j, ret, reterr);
}

Action *action_free(Action *a) {
        if (!a)
                return NULL;
        free(a->text);
        free(a->id);
        free(a->invoice);
        free(a->status);
        return mfree(a);
}

int action_write(const Action *a, Buffer *b) {
        const ActionClass *class = classes[a->type];
        int r;

        r = buffer_addf(b, "{\"type\":\"%s\"", class->name);
        FIELD_FOREACH(f, class) {
                if (r < 0)
                        return r;
                if (!types[f->type].has(a, f))
                        continue;
                r = buffer_addf(b, ",\"%s\":", f->name);
                if (r >= 0)
                        r = types[f->type].write(a, f, b);
        }
        return r < 0 ? r : buffer_add(b, "}", 1);
}

int action_json(const Action *a, char **ret) {
        _cleanup_buffer_ Buffer b = { 0 };
        int r;

        buffer_init(&b, ACTION_JSON_MAX);
        r = action_write(a, &b);
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

int action_describe(const Action *a, char **ret) {
        _cleanup_buffer_ Buffer b = { 0 };
        int r;

        buffer_init(&b, ACTION_JSON_MAX);
        r = classes[a->type]->describe(a, &b);
        if (r < 0)
                return r;
        *ret = buffer_take(&b, NULL);
        return *ret ? 0 : -ENOMEM;
}

/* {"type":"zap","to":"…","sats":N,"comment":"…"?}: what it does */
int action_type_schema(ActionType t, Buffer *b) {
        const ActionClass *class = classes[t];
        int r;

        r = buffer_addf(b, "{\"type\":\"%s\"", class->name);
        FIELD_FOREACH(f, class)
        if (r >= 0)
                r = buffer_addf(b, f->type == FIELD_CHOICE ? ",\"%s\":\"%s\"%s" : ",\"%s\":%s%s",
                                f->name, f->form, f->required ? "" : "?");
        return r < 0 ? r : buffer_addf(b, "}  %s\n", class->help);
}
