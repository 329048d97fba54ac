/* pylon event decode|encode|show: what is in a name or an event, found out without asking anybody.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "basic/codec.h"
#include "basic/text.h"
#include "event-code.h"
#include "facts.h"
#include "input.h"
#include "nostr/nip13.h"
#include "nostr/nip19.h"
#include "text.h"
#include "verb.h"

/* ---- decode */

/* clang-format off */
static const struct {
        const char *name, *meaning;
} types[_NIP19_TYPE_MAX] = {
        [NIP19_NPUB]     = { "npub",     N_("a public key") },
        [NIP19_NSEC]     = { "nsec",     N_("a secret key, which is not shown") },
        [NIP19_NOTE]     = { "note",     N_("an event's id") },
        [NIP19_NPROFILE] = { "nprofile", N_("a public key, and relays") },
        [NIP19_NEVENT]   = { "nevent",   N_("an event's id, and where it is") },
        [NIP19_NADDR]    = { "naddr",    N_("the address of an event that is replaced") },
};
/* clang-format on */

static void fact_type(Facts *f, const char *name, const char *meaning) {
        if (!f->cli->args.json)
                (void) printf("%s: %s (%s)\n", _("Type"), name, meaning);
        fact_text(f, "type", NULL, name);
}

static void fact_key(Facts *f, const char *key, const char *label, const uint8_t bytes[static 32]) {
        char hex[HEX32_MAX];

        hex_encode(bytes, 32, hex);
        fact_text(f, key, label, hex);
}

static void decode_special(Facts *f, const Nip19 *n) {
        switch (n->type) {
        case NIP19_NPUB:
        case NIP19_NPROFILE:
                fact_key(f, "pubkey", _("Public key"), n->key);
                break;
        case NIP19_NOTE:
        case NIP19_NEVENT:
                fact_key(f, "id", _("Event id"), n->key);
                break;
        case NIP19_NADDR:
                fact_text(f, "identifier", _("Identifier"), n->identifier ?: "");
                break;
        case NIP19_NSEC:
        case _NIP19_TYPE_MAX:
                break;
        }
}

static void describe_name(Facts *f, const Nip19 *n) {
        fact_type(f, types[n->type].name, _(types[n->type].meaning));
        decode_special(f, n);
        if (n->has_author || n->type == NIP19_NADDR)
                fact_key(f, "author", _("Author"), n->author);
        if (n->has_kind || n->type == NIP19_NADDR)
                fact_number(f, "kind", _("Kind"), n->kind);
        if (n->type == NIP19_NPROFILE || n->type == NIP19_NEVENT || n->type == NIP19_NADDR)
                fact_list(f, "relays", _("Relay"), n->relays);
}

/* Nothing in 32 bytes says whether they are a key or an event: both names are given. */
static int describe_hex(Facts *f, const uint8_t bytes[static 32]) {
        Nip19 note = { .type = NIP19_NOTE };
        _cleanup_free_ char *text = NULL;
        char npub[NPUB_SIZE];
        int r;

        memcpy(note.key, bytes, 32);
        r = npub_encode(bytes, npub);
        if (r >= 0)
                r = nip19_encode(&note, &text);
        if (r < 0)
                return r;
        fact_type(f, "hex", _("32 bytes: a public key or an event's id"));
        fact_key(f, "hex", NULL, bytes);
        fact_text(f, "npub", _("As a public key"), npub);
        fact_text(f, "note", _("As an event's id"), text);
        return 0;
}

static int decode_one(Facts *f, const char *text) {
        _cleanup_nip19_ Nip19 n = { 0 };
        const char *reason = NULL;
        uint8_t bytes[32];
        int r;

        if (hex_decode(text, bytes, sizeof(bytes)) >= 0)
                return describe_hex(f, bytes) < 0 ? cli_out_of_memory(f->cli) : EXIT_SUCCESS;
        r = nip19_decode(text, &n, &reason);
        if (r == -ENOMEM)
                return cli_out_of_memory(f->cli);
        if (r < 0)
                return cli_fail(f->cli, "BadInput", _("\"%s\" cannot be decoded: %s."),
                                strcasestr(text, "nsec") ? "nsec…" : text,
                                reason ? _(reason) : strerror(-r));
        describe_name(f, &n);
        return EXIT_SUCCESS;
}

int verb_event_decode(Cli *cli) {
        _cleanup_(facts_done) Facts f = FACTS_INIT(cli);
        int r;

        out_array(&f.out, NULL);
        STRV_FOREACH (text, cli->args.rest) {
                if (text > cli->args.rest)
                        cli_say(cli, "%s", "");
                out_object(&f.out, NULL);
                r = decode_one(&f, *text);
                if (r != EXIT_SUCCESS)
                        return r;
                out_end(&f.out);
        }
        out_end(&f.out);
        return facts_print(&f);
}

/* ---- encode */

int verb_event_encode(Cli *cli) {
        const Arguments *a = &cli->args;
        _cleanup_free_ char *text = NULL;
        _cleanup_(out_done) Out o = OUT_INIT;
        const char *reason = NULL;
        int r;

        r = event_code(a->rest[0], a->rest[1], a->relays, a->n_relays, &text, &reason);
        if (r == -ENOMEM)
                return cli_out_of_memory(cli);
        if (r < 0)
                return cli_fail(cli, "BadInput", _("This cannot be encoded: %s."),
                                reason ? _(reason) : strerror(-r));
        cli_say(cli, "%s", text);
        if (!a->json)
                return EXIT_SUCCESS;
        out_object(&o, NULL);
        out_text(&o, "text", text);
        out_end(&o);
        return out_print(&o) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- show */

static void print_time(int64_t seconds) {
        char text[64] = "?", ago[TEXT_MAX];
        time_t t = seconds;
        struct tm tm;

        if (gmtime_r(&t, &tm))
                (void) strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
        text_ago(seconds, now_seconds(), ago);
        (void) printf("%s: %s (%s)\n", _("Created"), text, ago);
}

static void print_tag(const Tag *tag) {
        (void) printf("%s:", _("Tag"));
        for (size_t i = 0; i < tag->n; i++) {
                _cleanup_free_ char *copy = strdup(tag->values[i]);

                (void) printf(" \"%s\"", copy ? printable(copy) : "?");
        }
        (void) putchar('\n');
}

static void print_event(const Event *e) {
        static const char *const classes[_KIND_CLASS_MAX] = {
                [KIND_REGULAR] = N_("regular"),
                [KIND_REPLACEABLE] = N_("replaceable"),
                [KIND_EPHEMERAL] = N_("ephemeral"),
                [KIND_ADDRESSABLE] = N_("addressable"),
        };
        _cleanup_free_ char *content = NULL;

        (void) printf("%s: %" PRIu16 " (%s)\n", _("Kind"), event_kind(e),
                        _(classes[kind_class(event_kind(e))]));
        print_time(event_created_at(e));
        for (size_t i = 0; i < event_n_tags(e); i++)
                print_tag(event_tag(e, i));
        content = strdup(event_content(e, NULL));
        (void) printf("%s: %s\n", _("Content"), content ? printable(content) : "?");
}

static int show(const Cli *cli, const Event *e) {
        _cleanup_(facts_done) Facts f = FACTS_INIT(cli);
        unsigned bits = nip13_difficulty(event_id(e));
        char npub[NPUB_SIZE];

        if (npub_encode(event_pubkey(e), npub) < 0)
                return cli_out_of_memory(cli);
        out_object(&f.out, NULL);
        fact_text(&f, "id", _("Event id"), event_id_hex(e));
        fact_text(&f, "author", _("Author"), npub);
        fact_number(&f, "difficulty", _("Difficulty (bits)"), bits);
        if (cli->args.json)
                out_raw(&f.out, "event", event_json(e, NULL));
        else
                print_event(e);
        out_end(&f.out);
        cli_say(cli, "%s", _("Id and signature are good."));
        return facts_print(&f);
}

int verb_event_show(Cli *cli) {
        _cleanup_(event_unrefp) Event *e = NULL;
        _cleanup_free_ char *text = NULL;
        const char *reason = NULL;
        size_t size;
        int r;

        r = input_read(cli, cli->args.rest[0], EVENT_SIZE_MAX, &text, &size);
        if (r != EXIT_SUCCESS)
                return r;
        r = event_parse(text, size, &e, &reason);
        if (r == -ENOMEM)
                return cli_out_of_memory(cli);
        if (r < 0)
                return cli_fail(cli, "BadEvent", _("This is no valid event: %s."),
                                reason ? _(reason) : strerror(-r));
        return show(cli, e);
}
