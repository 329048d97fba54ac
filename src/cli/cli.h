#pragma once
/* What all verbs share: what was asked for, where Pylon is, and how people are told.
 *
 * Functions that speak to people return the exit code of the program: 0 is fine, everything else
 * has been said. */
#include "basic/config.h"
#include "basic/option.h"
#include "basic/paths.h"

#define RELAYS_MAX 32
#define PARAMS_MAX 16

typedef enum Mode { MODE_BOTH, MODE_PROVIDER, MODE_HOST, _MODE_MAX } Mode;

/* One field for each option of the table in main.c; absent ones are zero. */
typedef struct Arguments {
        bool json, help, version, system, user;
        const char *config;
        bool force, import, detach, foreground, mode_given;
        Mode mode;
        uint32_t words, limit, kind, pow, max_tokens;
        const char *model;
        usec_t timeout, since;
        const char *provider, *state, *format;
        const char *relays[RELAYS_MAX];
        size_t n_relays;
        bool yes, settled, failed, revoke;
        const char *account, *max_fee, *comment, *grant, *id, *per;
        usec_t expiry;
        uint64_t bid, max, max_sat;
        bool bought, wait, no_wait, auto_pay, delivered;
        const char *refund, *by;
        bool csv;
        bool all, dry_run, fresh, key_there, stopped;
        const char *name, *about, *autonomy, *heartbeat, *network, *mind, *exec, *owner, *settings;
        const char *fund, *from, *sweep_to, *tick, *forget, *priority, *progress, *passphrase_file;
        const char *params[PARAMS_MAX]; /* each NAME=VALUE */
        size_t n_params;
        char **rest; /* what is no option; ends with NULL */
        int n_rest;
} Arguments;

typedef struct Cli {
        Arguments args;
        Scope scope;
        Config *config;
        Paths *paths;
        char *config_path; /* args.config, absolute: daemons work in "/" */
} Cli;

/* Says an error: "name" is its row in the table of hints (error.c), the text is a sentence. */
int cli_fail(const Cli *cli, const char *name, const char *format, ...) _printf_(3, 4);
int cli_check_text(const Cli *cli, const char *text); /* what travels on a bus is UTF-8 */
int cli_out_of_memory(const Cli *cli);
/* A line for people, which --json leaves out. */
void cli_say(const Cli *cli, const char *format, ...) _printf_(2, 3);

/* Where Pylon is: which instance is meant, its config and its files. */
int cli_locate(Cli *cli);
void cli_done(Cli *cli);

/* The name as the table has it, which lives for ever; "Failed" where it is not there. */
const char *error_known(const char *name);
/* The exit code and the hint that belong to the name of an error; unknown ones have neither. */
int error_exit_code(const char *name);
const char *error_hint(const char *name); /* translated; NULL: none */

/* Control characters of strangers' texts never reach the terminal. Changes the text. */
char *printable(char *text);
