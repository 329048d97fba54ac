#pragma once
/* What the verbs of `pylon wallet` share. */
#include "call.h"
#include "out.h"

#define WALLET_OWNER "owner"

/* 0, or the exit code after it was said. */
int wallet_open(const Cli *cli, Remote *ret);
int wallet_amount(const Cli *cli, const char *text, int64_t *ret_msat);
const char *wallet_account(const Cli *cli);
/* May it be done? --yes, or a person at the terminal says so. 0: yes; else the exit code. */
int wallet_confirm(const Cli *cli, const char *format, ...) _printf_(2, 3);
/* The end of a verb which has nothing to tell but that it worked. */
int wallet_done(const Cli *cli, const char *text);
/* An a{sv} whose values are s, x, t or b, as members of the present object. */
int wallet_print_map(sd_bus_message *m, Out *o);
