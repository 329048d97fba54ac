/* The table of all settings. */
#include "basic/config.h"

#include "basic/config-type.h"

#define AT(field)      offsetof(Config, field)
#define BACKEND(field) offsetof(ConfigBackend, field)
#define KIND(field)    offsetof(ConfigKind, field)
#define PRICE(field)   offsetof(ConfigPrice, field)
#define MSATS_MAX      INT64_C(2100000000000000000)

#define JOB_KIND_MIN   5000
#define JOB_KIND_MAX   5999

/* clang-format off */
static const ConfigItem items[] = {
        { "", "name",               &config_text,    AT(name),               "\"Pylon\"",          0, 128,
          N_("The name under which the provider announces itself.") },
        { "", "description",        &config_text,    AT(description),        "\"\"",               0, 1024,
          N_("One sentence about this provider, for its announcement.") },
        { "", "relays",             &config_relays,  AT(relays),             NULL,                 0, 64,
          N_("The relays. Unset: the local relay on regtest, else two well-known public ones.") },
        { "", "min_price_msats",    &config_msats,   AT(min_price_msats),    "1000",               0, INT64_C(2100000000000000000),
          N_("The lowest price of a job, in millisats.") },
        { "", "require_payment",    &config_boolean, AT(require_payment),    "true",               0, 0,
          N_("Whether a job must be paid before it runs; false: jobs are free.") },
        { "", "default_model",      &config_text,    AT(default_model),      "\"llama3.2\"",       0, 128,
          N_("The model for requests that name none.") },
        { "", "backend_preference", &config_words,   AT(backend_preference), "[\"ollama\", \"llamacpp\", \"apple_fm\"]", 0, 16,
          N_("Which backend to prefer where several serve a kind, the best first.") },
        { "", "data_dir",           &config_path,    AT(data_dir),           "\"\"",               0, 256,
          N_("Where databases, seeds, sockets and the log live; \"\": ~/.openagents/pylon.") },
        { "", "network",            &config_network, AT(network),            "\"regtest\"",        0, 0,
          N_("The Bitcoin network: mainnet, testnet, signet or regtest.") },
        { "", "enable_payments",    &config_boolean, AT(enable_payments),    "true",               0, 0,
          N_("Whether this machine pays and is paid at all.") },

        { "provider", "max_concurrent_jobs", &config_count, AT(provider.max_concurrent_jobs), "4",         1, 1024,
          N_("How many jobs run at the same time.") },
        { "provider", "queue_max",           &config_count, AT(provider.queue_max),           "10000",     1, 1000000,
          N_("How many jobs may wait; more are refused.") },
        { "provider", "per_customer_max",    &config_count, AT(provider.per_customer_max),    "100",       1, 1000000,
          N_("How many jobs of one customer may be open at the same time.") },
        { "provider", "job_timeout",         &config_span,  AT(provider.job_timeout),         "\"5min\"",  SEC, 24 * HOUR,
          N_("How long one job may run.") },
        { "provider", "accept_age",          &config_span,  AT(provider.accept_age),          "\"15min\"", SEC, 7 * 24 * HOUR,
          N_("How old a request may be when it arrives.") },
        { "provider", "drain_timeout",       &config_span,  AT(provider.drain_timeout),       "\"30s\"",   0, HOUR,
          N_("How long running jobs are waited for when the provider stops.") },
        { "provider", "kinds",               &config_kinds, AT(provider.kinds),               "[]",        0, 0,
          N_("The job kinds to serve; []: all that a backend can.") },
        { "provider", "per_customer_running", &config_count, AT(provider.per_customer_running), "0",      0, 1024,
          N_("How many jobs of one customer may run at the same time; 0: as many as there are slots.") },
        { "provider", "per_customer_rate",    &config_count, AT(provider.per_customer_rate),    "0",      0, 1000000,
          N_("How many requests of one customer are taken in a minute; 0: as many as come.") },
        { "provider", "per_customer_size",    &config_size,  AT(provider.per_customer_size),    "\"10M\"", 1024, INT64_C(1) << 40,
          N_("How large all open requests of one customer may be together.") },
        { "provider", "unpaid_share",         &config_count, AT(provider.unpaid_share),         "75",     1, 100,
          N_("How many percent of the queue jobs may take that nobody has paid for.") },
        { "provider", "agents",               &config_keys,  AT(provider.agents),               "[]",     0, 256,
          N_("The keys of this machine's own agents; their jobs come before those of strangers.") },
        { "provider", "allow",                &config_keys,  AT(provider.allow),                "[]",     0, 1024,
          N_("The only keys that are served; []: all.") },
        { "provider", "deny",                 &config_keys,  AT(provider.deny),                 "[]",     0, 1024,
          N_("Keys that are not served.") },
        { "provider", "min_pow",              &config_count, AT(provider.min_pow),              "0",      0, 64,
          N_("The proof of work that a request must carry, in bits (NIP-13); 0: none.") },
        { "provider", "trust",                &config_trust, AT(provider.trust),                "\"any\"", 0, 16,
          N_("Who is served: \"any\", or \"follows\": only whom the keys of trust_roots follow.") },
        { "provider", "trust_roots",          &config_keys,  AT(provider.trust_roots),          "[]",     0, 16,
          N_("The keys whose follows are trusted; []: the provider's own.") },

        { "discovery", "heartbeat", &config_span,    AT(discovery.heartbeat), "\"0h\"", 0, HOUR,
          N_("How often others are told that the provider is there (kind 11998); 0: never.") },
        { "discovery", "ping",      &config_boolean, AT(discovery.ping),      "false", 0, 0,
          N_("Whether pings (kind 7007) are answered.") },
        { "discovery", "profile",   &config_boolean, AT(discovery.profile),   "false", 0, 0,
          N_("Whether the provider's name, description and relays are kept in its profile (kinds 0 and 10002).") },
        { "discovery", "watch",     &config_boolean, AT(discovery.watch),     "true",  0, 0,
          N_("Whether requests of kinds that are not served are counted, for `pylon why`.") },

        { "compute", "autodetect",     &config_boolean, AT(compute.autodetect),     "true",   0,       0,
          N_("Whether backends are looked for where they usually are on this machine.") },
        { "compute", "probe_interval", &config_span,    AT(compute.probe_interval), "\"30s\"", SEC, HOUR,
          N_("How often a backend is asked how it is while it works; a missing one less and less often.") },

        { "input", "urls",          &config_boolean, AT(input.urls),          "true",     0,      0,
          N_("Whether inputs that are URLs are fetched.") },
        { "input", "allow_http",    &config_boolean, AT(input.allow_http),    "false",    0,      0,
          N_("Whether such a URL may be without encryption; on regtest it always may.") },
        { "input", "allow_private", &config_boolean, AT(input.allow_private), "false",    0,      0,
          N_("Whether such a URL may lead to this machine and its networks.") },
        { "input", "size_max",      &config_size,    AT(input.size_max),      "\"1M\"",   1024,   INT64_C(16) << 20,
          N_("How large one fetched input may be.") },
        { "input", "timeout",       &config_span,    AT(input.timeout),       "\"30s\"",  SEC,    HOUR,
          N_("How long an input may take to be fetched.") },
        { "input", "job_wait",      &config_span,    AT(input.job_wait),      "\"10min\"", SEC,   24 * HOUR,
          N_("How long the result of another job is waited for that is the input of one.") },

        { "feedback", "partials",         &config_boolean, AT(feedback.partials),         "true",     0,          0,
          N_("Whether customers see an answer while it is written.") },
        { "feedback", "partial_interval", &config_span,    AT(feedback.partial_interval), "\"1s\"",   100 * MSEC, MIN_,
          N_("How often at most they do.") },
        { "feedback", "partial_lifetime", &config_span,    AT(feedback.partial_lifetime), "\"10min\"", SEC,       24 * HOUR,
          N_("When relays may forget such a part.") },
        { "feedback", "answer_max",       &config_size,    AT(feedback.answer_max),       "\"48K\"",  1024,       INT64_C(96) << 10,
          N_("How large an answer becomes before it is cut off, because relays take no larger events.") },

        { "pow", "max_bits", &config_count, AT(pow.max_bits), "28", 1, 64,
          N_("The highest proof-of-work difficulty that is accepted (kind 5970).") },
        { "pow", "workers",  &config_count, AT(pow.workers),  "0",  0, 1024,
          N_("How many cores mine; 0: those that are spare.") },

        { "relay", "local",           &config_switch,  AT(relay.local),           "\"auto\"",             0, 0,
          N_("Whether to serve a relay for this machine; \"auto\": while network is regtest.") },
        { "relay", "listen",          &config_listen,  AT(relay.listen),          "\"127.0.0.1:7447\"",   0, 64,
          N_("Where the local relay listens; a loopback address.") },
        { "relay", "allowed_origins", &config_origins, AT(relay.allowed_origins), "[]",                   0, 64,
          N_("The web origins that may use the local relay.") },
        { "relay", "ca_file",         &config_path,    AT(relay.ca_file),         "\"\"",                 0, 4096,
          N_("Certificates that relays are checked against; \"\": the system's.") },
        { "relay", "proxy",           &config_proxy,   AT(relay.proxy),          "\"\"",                 0, 64,
          N_("A proxy that relays are reached through, by HTTP's CONNECT; \"\": directly.") },
        { "relay", "min_pow",         &config_count,   AT(relay.min_pow),        "0",                    0, 64,
          N_("How much proof of work the local relay wants of an event, in bits.") },
        { "relay", "forward",         &config_boolean, AT(relay.forward),        "false",                0, 0,
          N_("Whether what programs publish on the local relay is sent on to the other relays.") },
        { "relay", "reach_people",    &config_boolean, AT(relay.reach_people),   "true",                 0, 0,
          N_("Whether an event also goes to relays where those read whom it names (NIP-65).") },
        { "relay", "outbox_max",      &config_count,   AT(relay.outbox_max),      "100000",               1, 10000000,
          N_("How many events may wait to be accepted by relays.") },

        { "wallet", "driver",        &config_driver,   AT(wallet.driver),        "\"auto\"", 0, 16,
          N_("Where the money is: auto, none, regtest, nwc, phoenixd, lnd, cln or lnbits.") },
        { "wallet", "url",         &config_wallet_url, AT(wallet.url),           "\"\"",     0, 1024,
          N_("The address of the wallet; \"\": the usual one on this machine.") },
        { "wallet", "secret_file",   &config_path,     AT(wallet.secret_file),   "\"\"",     0, 4096,
          N_("The file with the wallet's password, rune, macaroon, key or NWC address; \"\": wallet.secret in the data directory.") },
        { "wallet", "ca_file",       &config_path,     AT(wallet.ca_file),       "\"\"",     0, 4096,
          N_("Certificates that the wallet is checked against; \"\": the system's.") },
        { "wallet", "pin",           &config_text,     AT(wallet.pin),           "\"\"",     0, 128,
          N_("The one public key the wallet may have, as sha256//BASE64; \"\": any.") },
        { "wallet", "allow_private", &config_boolean,  AT(wallet.allow_private), "false",    0, 0,
          N_("Whether lightning addresses may lead to machines of the local network.") },
        { "wallet", "fee_max_msats", &config_msats,    AT(wallet.fee_max_msats), "5000",     0, INT64_C(2100000000000000000),
          N_("The fee that a payment may cost where nobody says another limit, in millisats; one percent of the amount if that is more.") },

        { "log", "level",    &config_level, AT(log.level),    "\"info\"", 0, 16,
          N_("What is logged: err, warning, notice, info or debug.") },
        { "log", "max_size", &config_size,  AT(log.max_size), "\"10M\"",  INT64_C(4096), INT64_C(1) << 40,
          N_("How large pylon.log grows before it is moved to pylon.log.1.") },

        { "host", "auto_start_agents", &config_boolean, AT(host.auto_start_agents), "true",   0, 0,
          N_("Whether agents become active when host mode starts.") },
        { "host", "max_ticks",         &config_count,   AT(host.max_ticks),         "32",   1, 1024,
          N_("How many agents are awake at the same time; others wait for their turn.") },
        { "host", "approval_timeout",  &config_span,    AT(host.approval_timeout),  "\"24h\"", MIN_, 30 * 24 * HOUR,
          N_("How long an action waits for its agent's owner; without an answer it is not done.") },

        { "pay", "invoice_expiry", &config_span,    AT(pay.invoice_expiry), "\"10min\"", 10 * SEC, 24 * HOUR,
          N_("How long a customer has to pay an invoice.") },
        { "pay", "credit_msats",   &config_msats,   AT(pay.credit_msats),   "100000", 0, MSATS_MAX,
          N_("For how many millisats results may wait to be paid, for each customer who pays after.") },
        { "pay", "refund",         &config_boolean, AT(pay.refund),         "true",   0, 0,
          N_("Whether what was paid and cannot be done is paid back, where the customer says how.") },
        { "pay", "deliver_late",   &config_boolean, AT(pay.deliver_late),   "true",   0, 0,
          N_("Whether a job that is paid after its time is done; false: it is paid back.") },
        { "pay", "zap_address",    &config_text,    AT(pay.zap_address),    "\"\"",   0, 320,
          N_("Your lightning address, of which zaps are taken as payment; \"\": no zap is.") },
        { "pay", "zap_max_msats",  &config_msats,   AT(pay.zap_max_msats),  "0",      0, MSATS_MAX,
          N_("Up to which price a job may be paid by a zap, on the word of that address's server; 0: none may.") },

        { "price", "kind",                 &config_count,   PRICE(kind),                 "0",    0, 5999,
          N_("The kind of the jobs; 0: all.") },
        { "price", "model",                &config_text,    PRICE(model),                "\"\"", 0, 128,
          N_("The model, with \"*\" for any text and \"?\" for one character; \"\": all.") },
        { "price", "base_msats",           &config_msats,   PRICE(base_msats),           "0",    0, MSATS_MAX,
          N_("The price of a job.") },
        { "price", "per_ktoken_in_msats",  &config_msats,   PRICE(per_ktoken_in_msats),  "0",    0, MSATS_MAX,
          N_("The price of 1000 tokens that the model reads.") },
        { "price", "per_ktoken_out_msats", &config_msats,   PRICE(per_ktoken_out_msats), "0",    0, MSATS_MAX,
          N_("The price of 1000 tokens that the model writes.") },
        { "price", "per_kbyte_msats",      &config_msats,   PRICE(per_kbyte_msats),      "0",    0, MSATS_MAX,
          N_("The price of 1000 bytes of input.") },
        { "price", "per_second_msats",     &config_msats,   PRICE(per_second_msats),     "0",    0, MSATS_MAX,
          N_("The price of a second of work, where it is paid for after it.") },
        { "price", "per_cpu_second_msats", &config_msats,   PRICE(per_cpu_second_msats), "0",    0, MSATS_MAX,
          N_("The price of a second of the processor, where it is paid for after the work.") },
        { "price", "minimum_msats",        &config_msats,   PRICE(minimum_msats),        "-1",   -1, MSATS_MAX,
          N_("The least that such a job costs; -1: min_price_msats.") },
        { "price", "maximum_msats",        &config_msats,   PRICE(maximum_msats),        "0",    0, MSATS_MAX,
          N_("How much of a bid is taken; 0: all of it.") },
        { "price", "bid",                  &config_bid,     PRICE(bid),                  "\"require\"", 0, 0,
          N_("What a bid means: \"require\" refuses what is below the price, \"take\" does so and takes what is above it, \"accept\" takes no notice.") },
        { "price", "free_per_day",         &config_count,   PRICE(free_per_day),         "0",    0, 1000000,
          N_("How many such jobs each customer has free in a day.") },
        { "price", "pay_after",            &config_boolean, PRICE(pay_after),            "false", 0, 0,
          N_("Whether the work is done first, and its result held back until it is paid.") },

        { "backend", "name",         &config_name,     BACKEND(name),         NULL,     0, 64,
          N_("What the backend is called here.") },
        { "backend", "type",         &config_backend_type, BACKEND(type),         NULL,     0, 32,
          N_("What it speaks: \"openai\" or \"ollama\".") },
        { "backend", "url",          &config_http_url, BACKEND(url),          "\"\"",   0, 1024,
          N_("Where it is; \"\": where this type usually is on this machine.") },
        { "backend", "socket",       &config_path,     BACKEND(socket),       "\"\"",   0, 104,
          N_("The unix socket it listens on; \"\": the host of the URL.") },
        { "backend", "api_key_file", &config_path,     BACKEND(api_key_file), "\"\"",   0, 4096,
          N_("The file with its API key, readable by the owner only; \"\": the credential, if there is one.") },
        { "backend", "ca_file",      &config_path,     BACKEND(ca_file),      "\"\"",   0, 4096,
          N_("Certificates that it is checked against; \"\": the system's.") },
        { "backend", "enabled",      &config_boolean,  BACKEND(enabled),      "true",   0, 0,
          N_("Whether it is used.") },
        { "backend", "slots",        &config_count,    BACKEND(slots),        "0",      0, 1024,
          N_("How many answers it writes at the same time; 0: as many as it says, else 4.") },
        { "backend", "model_slots",  &config_count,    BACKEND(model_slots),  "0",      0, 1024,
          N_("How many of these may be of one model; 0: all.") },
        { "backend", "context",      &config_count,    BACKEND(context),      "0",      0, 100000000,
          N_("How many tokens a model reads and writes together; 0: what the backend says.") },
        { "backend", "models",       &config_words,    BACKEND(models),       "[]",     0, 256,
          N_("The only models to use; []: all that it has.") },
        { "backend", "aliases",      &config_pairs,    BACKEND(aliases),      "[]",     0, 256,
          N_("Other names for models, each as \"NAME=MODEL\".") },
        { "backend", "fallbacks",    &config_pairs,    BACKEND(fallbacks),    "[]",     0, 256,
          N_("What to use for a model that nobody has, each as \"MODEL=OTHER\"; \"*\" is any model.") },
        { "backend", "keep_alive",   &config_text,     BACKEND(keep_alive),   "\"\"",   0, 32,
          N_("How long Ollama keeps a model in memory, such as \"10m\"; \"\": as it likes.") },
        { "backend", "connect_timeout",     &config_span, BACKEND(connect_timeout),     "\"5s\"",  100 * MSEC, MIN_,
          N_("How long connecting to it may take.") },
        { "backend", "first_token_timeout", &config_span, BACKEND(first_token_timeout), "\"2min\"", 100 * MSEC, HOUR,
          N_("How long it may think before its first word; loading a model counts.") },
        { "backend", "token_timeout",       &config_span, BACKEND(token_timeout),       "\"30s\"", 100 * MSEC, HOUR,
          N_("How long it may be silent between two words.") },
        { "backend", "output_max",          &config_size, BACKEND(output_max),          "\"256K\"", INT64_C(1), INT64_C(8) << 20,
          N_("How large an answer may become before it is cut off.") },

        { "kind", "kind",     &config_count, KIND(kind),     NULL,       JOB_KIND_MIN, JOB_KIND_MAX,
          N_("The number of the kind.") },
        { "kind", "as",       &config_name,  KIND(as),       "\"text\"", 0, 16,
          N_("What models do for it: \"text\" or \"embeddings\".") },
        { "kind", "name",     &config_text,  KIND(name),     "\"\"",     0, 64,
          N_("What people call this work.") },
        { "kind", "prompt",   &config_lines, KIND(prompt),   "\"\"",     0, 4096,
          N_("What the model is told besides the inputs.") },
        { "kind", "model",    &config_text,  KIND(model),    "\"\"",     0, 128,
          N_("The model for requests that name none; \"\": any.") },
        { "kind", "outputs",  &config_words, KIND(outputs),  "[]",       0, 4,
          N_("The media types it is answered in, the usual one first; []: plain text.") },
        { "kind", "defaults", &config_pairs, KIND(defaults), "[]",       0, 32,
          N_("Parameters for requests that do not have them, each as \"NAME=VALUE\".") },
};

/* Lists of sections, [[name]]: their keys are in the table above. */
static const ConfigList lists[] = {
        { "price", AT(prices), sizeof(ConfigPrice), 256, NULL },
        { "backend", AT(backends), sizeof(ConfigBackend), 32, "name" },
        { "kind", AT(kinds), sizeof(ConfigKind), 64, NULL },
};

/* Keys of the original Pylon that are understood, and have no effect in this version. */
static const struct { const char *section, *key; } unused[] = {
        { "", "spark_url" }, { "", "spark_token" },
        { "provider", "default_model" }, { "host", "agent_log_dir" },
        { "pricing", "base_rate_msats_per_token" }, { "pricing", "model_multipliers" },
        { "backends.*", "url" }, { "backends.*", "enabled" },
        { "codex", "enabled" }, { "codex", "model" }, { "codex", "autonomy" },
        { "codex", "approval_required_tools" }, { "codex", "allowed_tools" },
        { "codex", "blocked_tools" }, { "codex", "max_cost_usd" }, { "codex", "cwd" },
        { "codex", "executable_path" },
};
/* clang-format on */

void *config_item_field(const ConfigItem *item, const void *base) {
        return (char *) base + item->offset;
}

const ConfigList *config_list_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if (streq(lists[i].name, name))
                        return &lists[i];
        return NULL;
}

ConfigRows *config_list_rows(const ConfigList *l, const Config *c) {
        return (ConfigRows *) (void *) ((char *) c + l->offset);
}

void *config_list_row(const ConfigList *l, const Config *c, size_t i) {
        return (char *) config_list_rows(l, c)->rows + i * l->row_size;
}

const ConfigItem *config_item_find(const char *section, const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (streq(items[i].section, section) && streq(items[i].key, key))
                        return &items[i];
        return NULL;
}

bool config_is_unused(const char *section, const char *key) {
        for (size_t i = 0; i < ELEMENTSOF(unused); i++)
                if (streq(unused[i].section, section) && streq(unused[i].key, key))
                        return true;
        return false;
}

bool config_is_section(const char *section) {
        if (isempty(section) || strchr(section, '*') || config_list_find(section))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                if (streq(items[i].section, section))
                        return true;
        for (size_t i = 0; i < ELEMENTSOF(unused); i++)
                if (streq(unused[i].section, section))
                        return true;
        return false;
}

Config *config_free(Config *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(items); i++) {
                const ConfigList *list = config_list_find(items[i].section);

                for (size_t k = 0; list && k < config_list_rows(list, c)->n_rows; k++)
                        items[i].type->done(
                                        config_item_field(&items[i], config_list_row(list, c, k)));
                if (!list)
                        items[i].type->done(config_item_field(&items[i], c));
        }
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                free(config_list_rows(&lists[i], c)->rows);
        free(c);
        return NULL;
}

const char *config_wallet_driver(const Config *c) {
        if (!streq(c->wallet.driver, "auto"))
                return c->wallet.driver;
        return c->network == NETWORK_REGTEST ? "regtest" : "none";
}

bool config_local_relay(const Config *c) {
        return c->relay.local == SWITCH_YES ||
               (c->relay.local == SWITCH_AUTO && c->network == NETWORK_REGTEST);
}

const ConfigItem *config_item_next(const ConfigItem *item) {
        return config_item_at((size_t) (item - items) + 1);
}

const ConfigItem *config_item_at(size_t i) {
        return i < ELEMENTSOF(items) ? &items[i] : NULL;
}

const char *config_item_section(const ConfigItem *item) {
        return item->section;
}

const char *config_item_key(const ConfigItem *item) {
        return item->key;
}

const char *config_item_default(const ConfigItem *item) {
        return item->value ?: "";
}

const char *config_item_help(const ConfigItem *item) {
        return _(item->help);
}

bool config_item_is_listed(const ConfigItem *item) {
        return config_list_find(item->section);
}

size_t config_item_n_rows(const ConfigItem *item, const Config *c) {
        const ConfigList *list = config_list_find(item->section);

        return list ? config_list_rows(list, c)->n_rows : 1;
}

int config_item_write(const ConfigItem *item, const Config *c, size_t row, Buffer *b) {
        const ConfigList *list = config_list_find(item->section);
        void *base = list ? config_list_row(list, c, row) : (void *) c;

        return item->type->write(config_item_field(item, base), b);
}
