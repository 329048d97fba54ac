#pragma once
/* The verbs: each is one row of the table in main.c. They return the exit code. */
#include "cli.h"

int verb_compute(Cli *cli);
int list_bought(const Cli *cli); /* job list --bought */

int verb_config_check(Cli *cli);
int verb_config_show(Cli *cli);
int verb_doctor(Cli *cli);
int verb_earnings(Cli *cli);
int verb_event_decode(Cli *cli);
int verb_event_encode(Cli *cli);
int verb_event_publish(Cli *cli);
int verb_event_query(Cli *cli);
int verb_event_show(Cli *cli);
int verb_infer(Cli *cli);
int verb_init(Cli *cli);
int verb_job_cancel(Cli *cli);
int verb_job_list(Cli *cli);
int verb_job_result(Cli *cli);
int verb_job_settle(Cli *cli);
int verb_job_show(Cli *cli);
int verb_job_submit(Cli *cli);
int verb_ledger_export(Cli *cli);
int verb_ledger_list(Cli *cli);
int verb_ledger_verify(Cli *cli);
int verb_job_watch(Cli *cli);
int verb_provider_announce(Cli *cli);
int verb_provider_drain(Cli *cli);
int verb_provider_offline(Cli *cli);
int verb_provider_online(Cli *cli);
int verb_provider_status(Cli *cli);
int verb_relay_list(Cli *cli);
int verb_relay_status(Cli *cli);
int verb_start(Cli *cli);
int verb_status(Cli *cli);
int verb_stop(Cli *cli);
int verb_store_backup(Cli *cli);
int verb_wallet_approve(Cli *cli);
int verb_wallet_balance(Cli *cli);
int verb_wallet_connect(Cli *cli);
int verb_wallet_connections(Cli *cli);
int verb_wallet_disconnect(Cli *cli);
int verb_wallet_fund(Cli *cli);
int verb_wallet_grant(Cli *cli);
int verb_wallet_history(Cli *cli);
int verb_wallet_invoice(Cli *cli);
int verb_wallet_pay(Cli *cli);
int verb_wallet_reject(Cli *cli);
int verb_wallet_resolve(Cli *cli);
int verb_wallet_show(Cli *cli);
int verb_wallet_status(Cli *cli);
int verb_wallet_transfer(Cli *cli);
int verb_why(Cli *cli);
