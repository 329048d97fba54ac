/* pylon: the table of verbs, which is dispatch, help and completion, and what the man page is
 * checked against; and the table of options, from which each verb takes its own. */
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/log.h"
#include "basic/text.h"
#include "verb-table.h"
#include "verb.h"

/* clang-format off */
static const Verb verbs[] = {
        { NULL,     "init",       "",          N_("Make this Pylon's identity and show its words, once"),  0, 0, false, verb_init,         "import words force" },
        { NULL,     "start",      "",          N_("Start Pylon, and return when it is ready"),             0, 0, false, verb_start,        "detach foreground mode" },
        { NULL,     "stop",       "",          N_("Finish what runs, and stop"),                           0, 0, false, verb_stop,         "force-stop timeout" },
        { NULL,     "status",     "",          N_("Show what runs and what it earned"),                    0, 0, false, verb_status,       "" },
        { NULL,     "doctor",     "",          N_("Try everything, and say what is wrong and what to do"),  0, 0, false, verb_doctor,       "" },
        { "job",    "list",       "",          N_("List the jobs, the newest first"),                      0, 0, false, verb_job_list,     "limit state bought" },
        { "job",    "show",       "ID",        N_("Show one job; the first 8 characters of its id do"),    1, 1, false, verb_job_show,     "" },
        { "job",    "submit",     "TEXT|JSON", N_("Buy one result and print it"),                          1, 1, false, verb_job_submit,   "kind model param pow bid provider relay timeout wait no-wait auto-pay max" },
        { "job",    "result",     "ID",        N_("Show what was bought, or wait for it"),                 1, 1, false, verb_job_result,   "timeout wait no-wait" },
        { "job",    "settle",     "ID",        N_("Say what becomes of a job that was paid and not done"), 1, 1, false, verb_job_settle, "refund delivered" },
        { "job",    "watch",      "[ID]",      N_("Show how jobs change, as it happens"),                  0, 1, false, verb_job_watch,    "" },
        { "job",    "cancel",     "ID",        N_("Take a job off the queue; its customer hears so"),      1, 1, false, verb_job_cancel,   "" },
        { NULL,     "why",        "[ID]",      N_("Say what became of requests, and what would have won more"), 0, 1, false, verb_why,   "since" },
        { "provider", "online",   "",          N_("Take jobs, now and after every start"),                 0, 0, false, verb_provider_online, "" },
        { "provider", "offline",  "",          N_("Take no jobs, now and after every start"),              0, 0, false, verb_provider_offline, "" },
        { "provider", "drain",    "",          N_("Finish all jobs that wait, and go offline"),            0, 0, false, verb_provider_drain, "" },
        { "provider", "announce", "",          N_("Announce the provider again"),                          0, 0, false, verb_provider_announce, "" },
        { "provider", "status",   "",          N_("Show whether the provider takes jobs"),                 0, 0, false, verb_provider_status, "" },
        { "agent",  "spawn",      "[NAME]",    N_("Bring an agent to life and show its words, once"),      0, 1, false, verb_agent_spawn,   "name about autonomy heartbeat network relay mind model exec owner settings set fund import key-there stopped" },
        { "agent",  "list",       "",          N_("List the agents that live here"),                       0, 0, false, verb_agent_list,    "" },
        { "agent",  "info",       "NAME",      N_("Show what an agent is, and how it is"),                 1, 1, false, verb_agent_info,    "" },
        { "agent",  "status",     "[NAME]",    N_("Show how an agent is, and when it wakes"),              0, 1, false, verb_agent_status,  "" },
        { "agent",  "start",      "NAME",      N_("Let an agent live"),                                    1, 1, false, verb_agent_start,   "" },
        { "agent",  "stop",       "[NAME]",    N_("Stop an agent at once, and let it spend nothing"),      0, 1, false, verb_agent_stop,    "all" },
        { "agent",  "pause",      "NAME",      N_("Let an agent sleep; what happens is kept for it"),      1, 1, false, verb_agent_pause,   "" },
        { "agent",  "resume",     "NAME",      N_("Wake an agent that was paused or stopped"),             1, 1, false, verb_agent_resume,  "" },
        { "agent",  "fund",       "NAME AMOUNT", N_("Give an agent money, by an invoice or from here"),    2, 2, false, verb_agent_fund,    "from yes" },
        { "agent",  "withdraw",   "NAME DEST [AMOUNT]", N_("Send money of an agent to an invoice or address"), 2, 3, false, verb_agent_withdraw, "yes" },
        { "agent",  "delete",     "NAME",      N_("Delete an agent; its money goes first"),                1, 1, false, verb_agent_delete,  "sweep-to yes force-delete" },
        { "agent",  "edit",       "NAME [KEY VALUE]", N_("Change one setting of an agent, or all in an editor"), 1, 3, false, verb_agent_edit, "" },
        { "agent",  "tell",       "NAME TEXT", N_("Tell an agent something; it wakes up for that"),        2, 2, false, verb_agent_tell,    "" },
        { "agent",  "tick",       "NAME",      N_("Let an agent tick now, and show what it does"),         1, 1, false, verb_agent_tick,    "dry-run timeout" },
        { "agent",  "history",    "NAME",      N_("List what an agent did, or show all of one tick"),      1, 1, false, verb_agent_history, "limit tick" },
        { "agent",  "replay",     "NAME TICK", N_("Show what a tick would do now, and do nothing"),        2, 2, false, verb_agent_replay,  "fresh" },
        { "agent",  "memory",     "NAME [QUERY]", N_("Show what an agent remembers"),                      1, 2, false, verb_agent_memory,  "forget" },
        { "agent",  "goal",       "NAME [add|change|done|drop ...]", N_("Show an agent's goals, or change them"), 1, 4, false, verb_agent_goal, "priority progress" },
        { "agent",  "approvals",  "",          N_("List what waits for your approval"),                    0, 0, false, verb_agent_approvals, "" },
        { "agent",  "approve",    "ID",        N_("Let an agent do what waits for you"),                   1, 1, false, verb_agent_approve, "comment" },
        { "agent",  "deny",       "ID",        N_("Do not let an agent do what waits for you"),            1, 1, false, verb_agent_deny,    "comment" },
        { "agent",  "export",     "NAME FILE", N_("Write an agent into one encrypted file"),               2, 2, false, verb_agent_export,  "passphrase-file" },
        { "agent",  "import",     "FILE",      N_("Take in an agent that was exported elsewhere"),         1, 1, false, verb_agent_import,  "passphrase-file name" },
        { "event",  "decode",     "TEXT...",   N_("Say what is in an npub, note, nevent or the like"),     1, 64, true, verb_event_decode, "" },
        { "event",  "encode",     "TYPE VALUE", N_("Make an npub, note, nprofile, nevent or naddr"),       2, 2, true,  verb_event_encode, "relay" },
        { "event",  "publish",    "FILE|-",    N_("Send a signed event to relays and show their answers"), 1, 1, false, verb_event_publish, "relay timeout" },
        { "event",  "query",      "FILTER...", N_("Ask relays for stored events, one JSON line each"),     1, 10, false, verb_event_query, "relay limit timeout" },
        { "event",  "show",       "FILE|-",    N_("Check an event and show what is in it"),                1, 1, true,  verb_event_show,   "" },
        { "relay",  "list",       "",          N_("List the relays and what they say"),                    0, 0, false, verb_relay_list,   "" },
        { "relay",  "status",     "URL",       N_("Show all that is known about one relay"),               1, 1, false, verb_relay_status, "" },
        { NULL,     "compute",    "",          N_("List the servers of models, and their models"),         0, 0, false, verb_compute,      "" },
        { NULL,     "infer",      "PROMPT|-",  N_("Ask a model of this machine"),                          1, 1, false, verb_infer,        "model max-tokens" },
        { NULL,     "earnings",   "",          N_("Show what was earned"),                                 0, 0, false, verb_earnings,     "limit by since csv" },
        { "ledger", "export",     "",          N_("Write the whole books as text, for other programs"),     0, 0, false, verb_ledger_export, "format" },
        { "ledger", "list",       "",          N_("Show the last entries of the books"),                   0, 0, false, verb_ledger_list,   "limit" },
        { "ledger", "verify",     "",          N_("Prove that the books are right"),                       0, 0, false, verb_ledger_verify, "" },
        { "wallet", "balance",    "",          N_("Show what every account has"),                          0, 0, false, verb_wallet_balance, "" },
        { "wallet", "status",     "",          N_("Show which wallet it is and how it is"),                0, 0, false, verb_wallet_status, "" },
        { "wallet", "invoice",    "AMOUNT [TEXT]", N_("Ask for money with an invoice"),                    1, 2, false, verb_wallet_invoice, "account expiry" },
        { "wallet", "pay",        "INVOICE|ADDRESS [AMOUNT]", N_("Pay an invoice, or to an address like name@host"), 1, 2, false, verb_wallet_pay, "account yes max-fee comment grant id" },
        { "wallet", "history",    "",          N_("List what came and went, the newest first"),            0, 0, false, verb_wallet_history, "account limit" },
        { "wallet", "show",       "HASH|ID",   N_("Show one payment or invoice"),                          1, 1, false, verb_wallet_show,   "" },
        { "wallet", "fund",       "AMOUNT",    N_("Take test money from the faucet; regtest only"),        1, 1, false, verb_wallet_fund,   "account" },
        { "wallet", "transfer",   "AMOUNT FROM TO", N_("Move money between accounts of this Pylon"),       3, 3, false, verb_wallet_transfer, "yes comment id" },
        { "wallet", "grant",      "[NAME ACCOUNT LIMIT...]", N_("List, set or revoke who may spend how much"), 0, 32, false, verb_wallet_grant, "revoke" },
        { "wallet", "approve",    "ID",        N_("Let a payment go that waits for a person"),             1, 1, false, verb_wallet_approve, "yes comment" },
        { "wallet", "reject",     "ID",        N_("Refuse a payment that waits for a person"),             1, 1, false, verb_wallet_reject, "comment" },
        { "wallet", "resolve",    "HASH",      N_("Say how a payment ended that the wallet cannot know"),  1, 1, false, verb_wallet_resolve, "settled failed yes comment" },
        { "wallet", "connect",    "NAME",      N_("Let another program use this wallet, by NIP-47"),       1, 1, false, verb_wallet_connect, "account max-sat per" },
        { "wallet", "connections", "",         N_("List the programs that may use this wallet"),           0, 0, false, verb_wallet_connections, "" },
        { "wallet", "disconnect", "NAME",      N_("Let a program use this wallet no more"),                1, 1, false, verb_wallet_disconnect, "" },
        { "config", "check",      "",          N_("Say all that is wrong with the configuration"),         0, 0, true,  verb_config_check, "" },
        { "config", "show",       "",          N_("Print every setting with the value in effect"),         0, 0, false, verb_config_show,  "" },
        { "store",  "backup",     "FILE",      N_("Copy the database while it is in use"),                 1, 1, false, verb_store_backup, "" },
        { NULL,     "completion", "[bash|zsh|fish]",         N_("Print the completion for a shell"),                     0, 1, true,  verb_completion,   "" },
};
/* clang-format on */

#define AT(field) offsetof(Arguments, field)

/* clang-format off */
static const OptionRow options[] = {
        { "json",       0,   OPTION_FLAG,  NULL,    AT(json),       N_("Print JSON, errors too") },
        { "system",     0,   OPTION_FLAG,  NULL,    AT(system),     N_("The system's instance") },
        { "user",       0,   OPTION_FLAG,  NULL,    AT(user),       N_("The user's instance") },
        { "config",     0,   OPTION_TEXT,  "PATH",  AT(config),     N_("Another configuration file") },
        { "help",       'h', OPTION_FLAG,  NULL,    AT(help),       N_("This text") },
        { "version",    0,   OPTION_FLAG,  NULL,    AT(version),    N_("The version") },
        { "import",     0,   OPTION_FLAG,  NULL,    AT(import),     N_("Read the words of an identity from standard input") },
        { "words",      0,   OPTION_COUNT, "12|24", AT(words),      N_("How many words the new identity has (12)") },
        { "force",      'f', OPTION_FLAG,  NULL,    AT(force),      N_("Replace an identity that is there") },
        { "detach",     'd', OPTION_FLAG,  NULL,    AT(detach),     N_("Without systemd, in the background") },
        { "foreground", 'f', OPTION_FLAG,  NULL,    AT(foreground), N_("Without systemd, in the foreground") },
        { "mode",       'm', OPTION_MODE,  "MODE",  AT(mode),       N_("\"provider\", \"host\" or \"both\" (both)") },
        { "force-stop", 'f', OPTION_FLAG,  NULL,    AT(force),      N_("Kill it at once"), "force" },
        { "timeout",    't', OPTION_SPAN,  "SECS",  AT(timeout),    N_("How long to wait") },
        { "format",     0,   OPTION_TEXT,  "csv|ledger", AT(format), N_("The form of the text (csv)") },
        { "by",         0,   OPTION_TEXT,  "source|kind|day", AT(by), N_("How to group it") },
        { "csv",        0,   OPTION_FLAG,  NULL,    AT(csv),        N_("Print lines of CSV") },
        { "since",      0,   OPTION_SPAN,  "SPAN",  AT(since),      N_("How far back to look") },
        { "limit",      'l', OPTION_COUNT, "N",     AT(limit),      N_("At most so many") },
        { "state",      0,   OPTION_TEXT,  "STATE", AT(state),      N_("Only jobs in this state") },
        { "model",      0,   OPTION_TEXT,  "MODEL", AT(model),      N_("The model that is asked (any)") },
        { "max-tokens", 0,   OPTION_COUNT, "N",     AT(max_tokens), N_("How long the answer may be, in tokens") },
        { "bought",     0,   OPTION_FLAG,  NULL,    AT(bought),     N_("What was ordered of others, instead of what is sold") },
        { "kind",       'k', OPTION_COUNT, "KIND",  AT(kind),       N_("The kind of the request, 5000 to 5999 (5970)") },
        { "pow",        0,   OPTION_COUNT, "BITS",  AT(pow),        N_("The difficulty of the work (16)") },
        { "param",      0,   OPTION_PARAM, "NAME=VALUE", AT(params), N_("A parameter of the request; may be given several times") },
        { "wait",       0,   OPTION_FLAG,  NULL,    AT(wait),       N_("Wait for the result, as it does anyway") },
        { "no-wait",    0,   OPTION_FLAG,  NULL,    AT(no_wait),    N_("Do not wait for the result") },
        { "refund",     0,   OPTION_TEXT,  "DEST",  AT(refund),     N_("Pay it back to this invoice or lightning address") },
        { "delivered",  0,   OPTION_FLAG,  NULL,    AT(delivered),  N_("It was delivered by other means; the money is earned") },
        { "auto-pay",   0,   OPTION_FLAG,  NULL,    AT(auto_pay),   N_("Pay the provider's invoice, up to --max") },
        { "max",        0,   OPTION_LARGE, "MSATS", AT(max),        N_("The most that is paid without asking") },
        { "bid",        0,   OPTION_LARGE, "MSATS", AT(bid),        N_("The most it may cost") },
        { "provider",   'p', OPTION_TEXT,  "NPUB",  AT(provider),   N_("Only this provider may answer") },
        { "account",    'a', OPTION_TEXT,  "NAME",  AT(account),    N_("The account that is meant (owner)") },
        { "yes",        'y', OPTION_FLAG,  NULL,    AT(yes),        N_("Do it without asking") },
        { "max-fee",    0,   OPTION_TEXT,  "AMOUNT", AT(max_fee),   N_("The most the fee may be") },
        { "comment",    0,   OPTION_TEXT,  "TEXT",  AT(comment),    N_("A few words that go with it") },
        { "grant",      0,   OPTION_TEXT,  "NAME",  AT(grant),      N_("The grant that limits it") },
        { "id",         0,   OPTION_TEXT,  "ID",    AT(id),         N_("The same id is never paid twice (chosen by chance)") },
        { "expiry",     0,   OPTION_SPAN,  "SECS",  AT(expiry),     N_("How long it can be paid (1h)") },
        { "settled",    0,   OPTION_FLAG,  NULL,    AT(settled),    N_("It was paid") },
        { "failed",     0,   OPTION_FLAG,  NULL,    AT(failed),     N_("It was not paid, and never will be") },
        { "revoke",     0,   OPTION_FLAG,  NULL,    AT(revoke),     N_("End this grant") },
        { "max-sat",    0,   OPTION_LARGE, "N",     AT(max_sat),    N_("How much it may spend, in sat (nothing)") },
        { "per",        0,   OPTION_TEXT,  "hour|day", AT(per),     N_("How often it may spend that much (once)") },
        { "force-delete", 'f', OPTION_FLAG, NULL,   AT(yes),        N_("Do it without asking"), "force" },
        { "name",       'n', OPTION_TEXT,  "NAME",  AT(name),       N_("What it is called here") },
        { "about",      0,   OPTION_TEXT,  "TEXT",  AT(about),      N_("Who it is, in a sentence or two; others read it, too") },
        { "autonomy",   0,   OPTION_TEXT,  "supervised|bounded|full", AT(autonomy), N_("What it may do without asking you (bounded)") },
        { "heartbeat",  0,   OPTION_TEXT,  "SPAN",  AT(heartbeat),  N_("How often it wakes by itself (15min)") },
        { "network",    0,   OPTION_TEXT,  "NAME",  AT(network),    N_("The network, which is this Pylon's") },
        { "mind",       0,   OPTION_TEXT,  "rules|exec|nip90|local", AT(mind), N_("What thinks for it (rules)") },
        { "exec",       0,   OPTION_TEXT,  "PROGRAM", AT(exec),     N_("The program that thinks for it, with --mind exec") },
        { "owner",      0,   OPTION_TEXT,  "NPUB",  AT(owner),      N_("Who is told and may approve by private message") },
        { "settings",   0,   OPTION_TEXT,  "FILE",  AT(settings),   N_("Its settings, as TOML; see pylon-agent.toml(5)") },
        { "set",        0,   OPTION_PARAM, "KEY=VALUE", AT(params), N_("One of its settings; may be given several times") },
        { "fund",       0,   OPTION_TEXT,  "AMOUNT|no", AT(fund),   N_("The amount of its first invoice (10000 sat)") },
        { "key-there",  0,   OPTION_FLAG,  NULL,    AT(key_there),  N_("The signer has its key, from an agent that was deleted") },
        { "stopped",    0,   OPTION_FLAG,  NULL,    AT(stopped),    N_("Do not start it yet") },
        { "all",        0,   OPTION_FLAG,  NULL,    AT(all),        N_("All of them") },
        { "from",       0,   OPTION_TEXT,  "owner|provider|invoice", AT(from), N_("Where the money comes from (an invoice)") },
        { "sweep-to",   0,   OPTION_TEXT,  "DEST",  AT(sweep_to),   N_("Where its money goes: owner, an invoice or an address") },
        { "dry-run",    0,   OPTION_FLAG,  NULL,    AT(dry_run),    N_("It thinks, and does nothing") },
        { "tick",       0,   OPTION_TEXT,  "N",     AT(tick),       N_("All of this tick") },
        { "fresh",      0,   OPTION_FLAG,  NULL,    AT(fresh),      N_("Think once more, which may cost, instead of taking the old answer") },
        { "forget",     0,   OPTION_TEXT,  "ID",    AT(forget),     N_("Let it forget this") },
        { "priority",   0,   OPTION_TEXT,  "0-9",   AT(priority),   N_("How urgent the goal is (1)") },
        { "progress",   0,   OPTION_TEXT,  "PERCENT", AT(progress), N_("How much of the goal is reached") },
        { "passphrase-file", 0, OPTION_TEXT, "PATH", AT(passphrase_file), N_("Read the passphrase from this file") },
        { "relay",      'r', OPTION_RELAY, "URL",   AT(relays),     N_("Use this relay; may be given several times") },
};
/* clang-format on */

#define N_COMMON_OPTIONS 6 /* the first rows */

const Verb *verb_rows(size_t *ret_n) {
        *ret_n = ELEMENTSOF(verbs);
        return verbs;
}

const OptionRow *option_rows(size_t *ret_n) {
        *ret_n = ELEMENTSOF(options);
        return options;
}

const char *option_spelling(const OptionRow *o) {
        return o->spelled ?: o->name;
}

/* Is the word one of those in a list with blanks between them? */
static bool lists(const char *list, const char *word) {
        size_t n = strlen(word);

        for (const char *p = list; (p = strstr(p, word)); p += n)
                if ((p == list || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
                        return true;
        return false;
}

bool verb_has(const Verb *verb, const OptionRow *o) {
        return o < options + N_COMMON_OPTIONS || (verb && lists(verb->options, o->name));
}

static void print_options(const Verb *verb, bool common) {
        for (const OptionRow *o = options; o < options + ELEMENTSOF(options); o++) {
                char text[64];

                if ((o < options + N_COMMON_OPTIONS) != common || !verb_has(verb, o))
                        continue;
                (void) snprintf(text, sizeof(text), "%s%.*s%s--%s%s%s", o->letter ? "-" : "  ",
                                o->letter ? 1 : 0, &o->letter, o->letter ? ", " : "  ",
                                option_spelling(o), o->value ? " " : "", o->value ?: "");
                (void) printf("  %-22s %s\n", text, _(o->help));
        }
}

static void print_verb_help(const Verb *verb) {
        (void) printf("pylon %s%s%s %s%s%s\n\n%s.\n\n", verb->group ?: "", verb->group ? " " : "",
                        verb->name, _("[OPTIONS]"), *verb->synopsis ? " " : "", verb->synopsis,
                        _(verb->help));
        print_options(verb, false);
        print_options(verb, true);
}

/* Those of one group, or all. */
static void print_verbs(const char *group) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                char words[64];

                if (group && !streq(verbs[i].group ?: "", group))
                        continue;
                (void) snprintf(words, sizeof(words), "%s%s%s%s%s", verbs[i].group ?: "",
                                verbs[i].group ? " " : "", verbs[i].name,
                                *verbs[i].synopsis ? " " : "", verbs[i].synopsis);
                (void) printf("  %-22s %s\n", words, _(verbs[i].help));
        }
        (void) printf("\n");
}

static void print_group_help(const char *group) {
        (void) printf("pylon %s %s\n\n", group, _("[OPTIONS] COMMAND"));
        print_verbs(group);
        print_options(NULL, true);
}

static void print_help(void) {
        (void) printf("pylon %s\n\n%s\n\n", _("[OPTIONS] COMMAND"),
                        _("Pylon sells this machine's compute on Nostr, and buys what its agents need."));
        print_verbs(NULL);
        print_options(NULL, true);
        (void) printf("\n%s\n", _("Without a command: status."));
}

static int print_version(void) {
        (void) printf("pylon %s\n", PYLON_VERSION);
        return EXIT_SUCCESS;
}

static int parse_mode(const char *text, Arguments *a) {
        static const char *const names[_MODE_MAX] = {
                [MODE_BOTH] = "both",
                [MODE_PROVIDER] = "provider",
                [MODE_HOST] = "host",
        };

        for (Mode m = 0; m < _MODE_MAX; m++)
                if (streq(names[m], text)) {
                        a->mode = m;
                        a->mode_given = true;
                        return 0;
                }
        return -EINVAL;
}

static int parse_relay(const char *text, Arguments *a) {
        if (a->n_relays >= RELAYS_MAX ||
                        (!startswith(text, "ws://") && !startswith(text, "wss://")))
                return -EINVAL;
        a->relays[a->n_relays++] = text;
        return 0;
}

static int parse_param(const char *text, Arguments *a) {
        const char *equals = strchr(text, '=');

        if (a->n_params >= PARAMS_MAX || !equals || equals == text)
                return -EINVAL;
        a->params[a->n_params++] = text;
        return 0;
}

static int parse_option(const OptionRow *o, const char *text, Arguments *a) {
        void *field = (char *) a + o->offset;

        switch (o->type) {
        case OPTION_FLAG:
                *(bool *) field = true;
                return 0;
        case OPTION_TEXT:
                *(const char **) field = text;
                return 0;
        case OPTION_COUNT:
                return parse_u32(text, field);
        case OPTION_LARGE:
                return parse_u64(text, field);
        case OPTION_SPAN:
                return parse_span(text, field);
        case OPTION_MODE:
                return parse_mode(text, a);
        case OPTION_RELAY:
                return parse_relay(text, a);
        case OPTION_PARAM:
                return parse_param(text, a);
        }
        return -EINVAL;
}

static const OptionRow *find_option(const Verb *verb, int c) {
        for (const OptionRow *o = options; o < options + ELEMENTSOF(options); o++)
                if (verb_has(verb, o) && (c < 0x100 ? o->letter == c : o - options == c - 0x100))
                        return o;
        return NULL;
}

/* What getopt wants, made from the rows that the verb has. */
typedef struct Getopt {
        struct option longs[ELEMENTSOF(options) + 1];
        char letters[2 * ELEMENTSOF(options) + 3];
} Getopt;

static void getopt_fill(const Verb *verb, Getopt *g) {
        char *letter = g->letters;
        size_t n = 0;

        *letter++ = verb ? ':' : '+'; /* "+": up to the verb; ':': we say what is wrong */
        if (!verb)
                *letter++ = ':';
        for (const OptionRow *o = options; o < options + ELEMENTSOF(options); o++) {
                int argument = o->type == OPTION_FLAG ? no_argument : required_argument;

                if (!verb_has(verb, o))
                        continue;
                g->longs[n++] = (struct option){ option_spelling(o), argument, NULL,
                        0x100 + (int) (o - options) };
                if (o->letter) {
                        *letter++ = o->letter;
                        if (argument == required_argument)
                                *letter++ = ':';
                }
        }
        g->longs[n] = (struct option){ 0 };
        *letter = '\0';
}

static int parse_options(Cli *cli, const Verb *verb, int argc, char *argv[]) {
        Getopt g;
        int c;

        getopt_fill(verb, &g);
        optind = 0;
        opterr = 0;
        while ((c = getopt_long(argc, argv, g.letters, g.longs, NULL)) >= 0) {
                const OptionRow *o = c == '?' || c == ':' ? NULL : find_option(verb, c);

                if (c == ':')
                        return cli_fail(cli, "Usage", _("The option \"%s\" needs a value."),
                                        argv[optind - 1]);
                if (!o)
                        return cli_fail(cli, "Usage", _("There is no option \"%s\" here."),
                                        argv[optind - 1]);
                if (parse_option(o, optarg, &cli->args) < 0)
                        return cli_fail(cli, "Usage", _("\"%s\" is no value for --%s."), optarg,
                                        option_spelling(o));
        }
        return EXIT_SUCCESS;
}

static const Verb *find_verb(char *const *words, int n) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                const Verb *v = &verbs[i];

                if (n > 0 && !v->group && streq(words[0], v->name))
                        return v;
                if (n > 1 && v->group && streq(words[0], v->group) && streq(words[1], v->name))
                        return v;
        }
        return NULL;
}

static const Verb *nearest_verb(const char *word) {
        const Verb *nearest = NULL;
        size_t best = 3;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                size_t d = edit_distance(word, verbs[i].group ?: verbs[i].name);

                if (d < best) {
                        best = d;
                        nearest = &verbs[i];
                }
        }
        return nearest;
}

static bool is_group(const char *word) {
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (verbs[i].group && streq(verbs[i].group, word))
                        return true;
        return false;
}

static int lonely_group(const Cli *cli, const char *group) {
        char list[512] = "";
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(verbs) && n < sizeof(list); i++)
                if (streq(verbs[i].group ?: "", group))
                        n += (size_t) snprintf(list + n, sizeof(list) - n, "%s%s",
                                        n > 0 ? ", " : "", verbs[i].name);
        return cli_fail(cli, "Usage", _("\"%s\" needs a second word: %s."), group, list);
}

static int unknown_verb(const Cli *cli, char *const *words, int n) {
        const Verb *nearest = nearest_verb(words[0]);

        if (n == 1 && is_group(words[0]))
                return lonely_group(cli, words[0]);
        if (nearest && (n == 1 || !nearest->group))
                return cli_fail(cli, "Usage", _("There is no command \"%s\"; did you mean \"%s\"?"),
                                words[0], nearest->group ?: nearest->name);
        return cli_fail(cli, "Usage", _("There is no command \"%s%s%s\"."), words[0],
                        n > 1 ? " " : "", n > 1 ? words[1] : "");
}

/* --json is looked for first, so that even a wrong command line is answered in it. */
static bool wants_json(int argc, char *argv[]) {
        for (int i = 1; i < argc && !streq(argv[i], "--"); i++)
                if (streq(argv[i], "--json"))
                        return true;
        return false;
}

static bool wants_help(const char *word) {
        return streq(word, "--help") || streq(word, "-h");
}

static int run_verb(Cli *cli, const Verb *verb, int argc, char *argv[]) {
        int r;

        r = parse_options(cli, verb, argc, argv);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.help) {
                print_verb_help(verb);
                return EXIT_SUCCESS;
        }
        if (cli->args.version)
                return print_version();
        cli->args.rest = argv + optind;
        cli->args.n_rest = argc - optind;
        if (cli->args.n_rest < verb->n_min)
                return cli_fail(cli, "Usage", _("This command needs %s."), verb->synopsis);
        if (cli->args.n_rest > verb->n_max)
                return cli_fail(cli, "Usage", _("\"%s\" is one word too many."),
                                cli->args.rest[verb->n_max]);
        r = verb->anywhere ? EXIT_SUCCESS : cli_locate(cli);
        return r != EXIT_SUCCESS ? r : verb->run(cli);
}

static int run(Cli *cli, int argc, char *argv[]) {
        static char status[] = "status";
        static char *bare[] = { status, NULL };
        const Verb *verb;
        int n, r;

        r = parse_options(cli, NULL, argc, argv);
        if (r != EXIT_SUCCESS)
                return r;
        if (cli->args.version)
                return print_version();
        n = argc - optind;
        argv += optind;
        if (n == 0 && cli->args.help) {
                print_help();
                return EXIT_SUCCESS;
        }
        if (n == 0) {
                argv = bare;
                n = 1;
        }
        verb = find_verb(argv, n);
        if (!verb && is_group(argv[0]) && (cli->args.help || (n > 1 && wants_help(argv[1])))) {
                print_group_help(argv[0]);
                return EXIT_SUCCESS;
        }
        if (!verb)
                return unknown_verb(cli, argv, n > 1 && argv[1][0] == '-' ? 1 : n);
        /* The last word of the verb stands where getopt expects the program. */
        return run_verb(cli, verb, n - (verb->group != NULL), argv + (verb->group != NULL));
}

/* A file that is opened later must not become what we print into. To a stream that was closed
 * nothing can be written, and that is told at the end. */
static void keep_streams(void) {
        static const int modes[] = { O_WRONLY, O_RDONLY, O_RDONLY };

        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        (void) open("/dev/null", modes[fd]); /* takes the lowest number */
}

/* Who asked for something and did not get it shall hear so, and a script not go on. */
static int check_output(int r) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return r;
        (void) fprintf(stderr, "%s\n", _("Not everything could be written to standard output."));
        return r != EXIT_SUCCESS ? r : EXIT_FAILURE;
}

int main(int argc, char *argv[]) {
        Cli cli = { .args.json = wants_json(argc, argv) };
        int r;

        keep_streams();
        /* Not LC_NUMERIC: numbers in files are not written for people. */
        (void) setlocale(LC_CTYPE, "");
        (void) setlocale(LC_MESSAGES, "");
        (void) bindtextdomain("pylon", PYLON_LOCALEDIR);
        (void) textdomain("pylon");
        log_open("pylon");
        (void) umask(0077); /* whatever is made here is its owner's only */

        r = check_output(run(&cli, argc, argv));
        cli_done(&cli);
        return r;
}
