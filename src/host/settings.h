#pragma once
/* AgentSettings: what an agent's file NPUB.toml says. One table (settings.c) is the parser, the
 * defaults, the writer and what the man page pylon-agent.toml(5) is checked against. */
#include "basic/config.h"
#include "basic/secret.h"
#include "mind/name.h"

#define AGENT_HEARTBEAT_MIN (60 * SEC)
#define AGENT_HEARTBEAT_MAX (7 * 24 * HOUR)
#define AGENT_SETTINGS_MAX  (64 * 1024) /* bytes of a file */

typedef enum AgentAutonomy {
        AUTONOMY_SUPERVISED, /* a person approves every action that others see or that costs */
        AUTONOMY_BOUNDED,    /* within its limits it acts by itself */
        AUTONOMY_FULL,       /* only the limits of money count; "autonomous" is read as this */
        _AUTONOMY_MAX,
} AgentAutonomy;
const char *agent_autonomy_name(AgentAutonomy a);

typedef enum MindType {
        MIND_EXEC,  /* a program inside the agent's unit; without one the built-in rules */
        MIND_NIP90, /* thinking is bought on the market */
        MIND_LOCAL, /* from this machine's own provider */
        _MIND_TYPE_MAX,
} MindType;
const char *mind_type_name(MindType m);

/* Lists are never NULL; texts that are not said are "". Amounts are msat, and -1 is no limit. */
typedef struct AgentSettings {
        char *name; /* what the agent is called here */
        char *npub; /* "" in a file that is not written by us */
        char *pubkey;
        char *network; /* "": this machine's */
        char **relays; /* none: this machine's */
        int64_t created_at;

        char *display_name, *about, *picture, *lud16, *version; /* [profile] */
        char *zap_key; /* who signs the receipts of its zaps, hex; "": the server of lud16 */
        AgentAutonomy autonomy;
        char **capabilities;
        bool nip_sa;

        bool active; /* [schedule] */
        usec_t heartbeat;
        uint32_t jitter_percent;
        char **triggers; /* mention reply dm zap keyword job */
        char **calendar; /* when it may wake by itself, in systemd's syntax; none: always */
        char **quiet;    /* "22:00-07:00", local time: no heartbeats and no triggers but tell */
        int64_t zap_min_msat;
        char **keywords;
        char **muted;             /* npub or hex: nothing of theirs is seen */
        uint32_t wakes_per_hour;  /* by triggers */
        uint32_t sender_per_hour; /* observations of one sender */

        uint32_t low_balance_days; /* [runway] */
        int64_t hibernate_msat, day_max_msat, tick_max_msat;

        int64_t payment_max_msat, hour_max_msat, fee_max_msat, approve_above_msat; /* [limits] */
        char **payees, **recipients; /* none: anybody */
        uint32_t posts_per_day, replies_per_day, messages_per_day, zaps_per_day, payments_per_day,
                        reactions_per_day, follows_per_day;

        char **allow; /* [policy] actions; none: all that the autonomy has */

        MindType mind; /* [mind] */
        char *model;
        char **exec;
        uint32_t max_tokens, context_tokens;
        int64_t thought_max_msat;
        char **providers; /* hex or npub; none: the market */
        bool encrypt;
        usec_t tick_timeout, keep_texts;

        char *owner_hex; /* [owner] npub as hex; "": nobody */
        bool notify_owner;
} AgentSettings;

AgentSettings *agent_settings_free(AgentSettings *s);
DEFINE_CLEANUP(AgentSettings, agent_settings_free)
int agent_settings_new(const char *name, AgentSettings **ret); /* the defaults */
int agent_settings_copy(const AgentSettings *s, AgentSettings **ret);

/* Remarks and errors as config_parse(). Both historic layouts are read. *ret_mnemonic is set where
 * the file carries one, which then has to move to the signer; it may be NULL where none is wanted.
 */
int agent_settings_parse(const char *text, size_t size, config_remark_t remark, void *userdata,
                AgentSettings **ret, Secret **ret_mnemonic);
/* The file: every key that is not at its default; all: those too, with what each means. */
int agent_settings_write(const AgentSettings *s, bool all, Buffer *b);

/* key: "section.key" or "key"; value: TOML, or a bare text, number, span or list with commas.
 * -ENOENT: no such key; -EPERM: it cannot be changed (name, npub …); -EINVAL: not that value. The
 * reason is owned by the caller. */
typedef struct AgentEdit {
        const char *key, *value;
} AgentEdit;
int agent_settings_edit(AgentSettings *s, const AgentEdit *edit, char **reterr);
