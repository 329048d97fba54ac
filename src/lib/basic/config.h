#pragma once
/* Settings: one table (config.c) is the parser, the defaults, `pylon config show` and what the man
 * page pylon.toml(5) is checked against. Every key has a default; a missing file is an empty one.
 */
#include "basic/buffer.h"

typedef enum Network {
        NETWORK_MAINNET,
        NETWORK_TESTNET,
        NETWORK_SIGNET,
        NETWORK_REGTEST,
        _NETWORK_MAX,
} Network;
const char *network_name(Network n);

typedef enum Switch { SWITCH_NO, SWITCH_YES, SWITCH_AUTO, _SWITCH_MAX } Switch;

/* What a bid means for the price. */
typedef enum BidRule {
        BID_ACCEPT,  /* nothing: whoever bids less sees the price */
        BID_REQUIRE, /* less than the price is refused */
        BID_TAKE,    /* less is refused, more is taken, up to the maximum */
        _BID_RULE_MAX,
} BidRule;

/* [[price]]: what jobs of a kind and a model cost. */
typedef struct ConfigPrice {
        uint32_t kind; /* 0: all */
        char *model;   /* with "*" and "?"; "": all */
        int64_t base_msats, per_ktoken_in_msats, per_ktoken_out_msats, per_kbyte_msats;
        int64_t per_second_msats, per_cpu_second_msats;
        int64_t minimum_msats; /* -1: min_price_msats */
        int64_t maximum_msats; /* of a bid that is taken; 0: whatever it is */
        BidRule bid;
        uint32_t free_per_day; /* jobs of each customer */
        bool pay_after;        /* the result is held back until it is paid */
} ConfigPrice;

/* A list of sections [[x]]: rows of one type, in the order of the file. */
#define CONFIG_ROWS_MAX 256
typedef struct ConfigRows {
        void *rows;
        size_t n_rows;
} ConfigRows;
#define CONFIG_FOREACH_ROW(T, row, list)                                                          \
        for (const T *row = (list).rows, *_##row##_end = row + (list).n_rows; row < _##row##_end; \
                        row++)

/* [[backend]]: an endpoint that does work for us. */
typedef struct ConfigBackend {
        char *name, *type; /* the type is a backend's name, such as "ollama" */
        char *url;         /* "": the type's usual one */
        char *socket;      /* a unix socket; "": the URL's host */
        char *api_key_file, *ca_file;
        bool enabled;
        uint32_t slots, model_slots; /* 0: as many as the server says, else a few */
        uint32_t context;            /* tokens; 0: as the server says */
        char **models;               /* the only ones to use; none: all */
        char **aliases, **fallbacks; /* "NAME=MODEL" */
        char *keep_alive;
        usec_t connect_timeout, first_token_timeout, token_timeout;
        uint64_t output_max;
} ConfigBackend;

/* [[kind]]: another kind of work that models do, or a built-in one done otherwise. */
typedef struct ConfigKind {
        uint32_t kind;
        char *as;   /* "text" or "embeddings" */
        char *name; /* for people */
        char *prompt;
        char *model;                /* "": any */
        char **outputs, **defaults; /* "NAME=VALUE" */
} ConfigKind;

#define CONFIG_KINDS_MAX 64
typedef struct ConfigKinds {
        uint16_t kinds[CONFIG_KINDS_MAX];
        size_t n_kinds;
} ConfigKinds;

typedef struct Config {
        char *name, *description; /* for the announcement; description may be "" */
        char **relays;            /* ws:// and wss:// URLs; the local relay's while on regtest */
        int64_t min_price_msats;
        bool require_payment;
        char *default_model;
        char **backend_preference;
        char *data_dir; /* "": the usual place */
        Network network;
        bool enable_payments;
        struct {
                uint32_t max_concurrent_jobs, queue_max, per_customer_max;
                usec_t job_timeout, accept_age, drain_timeout;
                ConfigKinds kinds; /* none: every kind that a backend serves */
                uint32_t per_customer_running, per_customer_rate, unpaid_share, min_pow;
                uint64_t per_customer_size;
                char **agents, **allow, **deny, **trust_roots; /* hex or npub */
                char *trust;                                   /* "any" or "follows" */
        } provider;
        struct {
                usec_t heartbeat; /* 0: none */
                bool ping, profile, watch;
        } discovery;
        ConfigRows prices; /* of ConfigPrice */
        struct {
                usec_t invoice_expiry;
                int64_t credit_msats; /* of each customer who may pay after */
                bool refund, deliver_late;
                char *zap_address;     /* of ours, whose server's receipts are believed; "" */
                int64_t zap_max_msats; /* for how much, for each job; 0: none is */
        } pay;
        ConfigRows backends; /* of ConfigBackend */
        ConfigRows kinds;    /* of ConfigKind */
        struct {
                bool urls, allow_http, allow_private;
                uint64_t size_max;
                usec_t timeout, job_wait;
        } input;
        struct {
                bool partials;
                usec_t partial_interval, partial_lifetime;
                uint64_t answer_max;
        } feedback;
        struct {
                bool autodetect; /* looks for backends at their usual addresses */
                usec_t probe_interval;
        } compute;
        struct {
                uint32_t max_bits, workers; /* 0 workers: the spare cores */
        } pow;
        struct {
                Switch local; /* see config_local_relay() */
                char *listen; /* HOST:PORT, a loopback address */
                char **allowed_origins;
                char *ca_file; /* "": the system's */
                char *proxy;   /* ADDRESS:PORT; "": none */
                uint32_t outbox_max, min_pow;
                bool forward, reach_people;
        } relay;
        struct {
                char *driver;      /* "auto": see config_wallet_driver() */
                char *url;         /* "": the driver's usual place */
                char *secret_file; /* "": wallet.secret beside the databases */
                char *ca_file;     /* "": the system's */
                char *pin;         /* "sha256//BASE64"; "": any key with a valid certificate */
                bool allow_private;
                int64_t fee_max_msats;
        } wallet;
        struct {
                char *level; /* err warning notice info debug */
                uint64_t max_size;
        } log;
        struct {
                bool auto_start_agents;
                uint32_t max_ticks;
                usec_t approval_timeout; /* then it is denied */
        } host;
} Config;

typedef enum ConfigSeverity {
        CONFIG_ERROR,   /* the file cannot be used */
        CONFIG_WARNING, /* most likely a mistake: a key nobody knows */
        CONFIG_NOTICE,  /* known, and without effect in this version */
        _CONFIG_SEVERITY_MAX,
} ConfigSeverity;

typedef struct ConfigRemark {
        ConfigSeverity severity;
        unsigned line, column; /* from 1; 0: about the whole file */
        const char *text;      /* a sentence without full stop */
} ConfigRemark;
typedef void (*config_remark_t)(const ConfigRemark *remark, void *userdata);

/* Reads all of the file even where it has errors, so that a person sees every remark at once.
 * -EBADMSG: there were errors. -ENOMEM and what opening a file may say. A missing file is empty. */
int config_load(const char *path, config_remark_t remark, void *userdata, Config **ret);
int config_parse(const char *text, size_t size, config_remark_t remark, void *userdata,
                Config **ret);
/* The same with each remark in the log; what services want. */
int config_load_logged(const char *path, Config **ret);
Config *config_free(Config *c);
DEFINE_CLEANUP(Config, config_free)

/* [relay] local = "auto" means: on regtest. */
bool config_local_relay(const Config *c);
/* [wallet] driver = "auto" means: "regtest" on regtest, else "none". */
const char *config_wallet_driver(const Config *c);

/* The rows of the table, for `config show` and for the check of the man page. */
typedef struct ConfigItem ConfigItem;
const ConfigItem *config_item_at(size_t i);              /* NULL behind the last */
const char *config_item_section(const ConfigItem *item); /* "" for the keys without a section */
const char *config_item_key(const ConfigItem *item);
const char *config_item_default(const ConfigItem *item); /* as TOML text */
const char *config_item_help(const ConfigItem *item);
/* True: its section is one of a list, [[section]]; there are config_item_n_rows() of it. */
bool config_item_is_listed(const ConfigItem *item);
size_t config_item_n_rows(const ConfigItem *item, const Config *c); /* 1 where it is not listed */
/* The value as text that is both TOML and JSON. */
int config_item_write(const ConfigItem *item, const Config *c, size_t row, Buffer *b);
