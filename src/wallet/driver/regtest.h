#pragma once
/* The regtest node, for those in this process who have an account there beside our own purse: the
 * NWC service's connections. Each account pays and is paid by the others of this machine. */
#include "bus/client.h"
#include "driver.h"

int regtest_make_invoice(Driver *d, const char *account, const DriverInvoiceRequest *r,
                driver_invoice_t done, void *userdata, DriverOp **ret);
/* amount_msat 0: the invoice's. */
int regtest_pay_from(Driver *d, const char *account, const uint8_t hash[static 32],
                int64_t amount_msat, driver_payment_t done, void *userdata, DriverOp **ret);
int regtest_account_balance(Driver *d, const char *account, driver_balance_t done, void *userdata,
                DriverOp **ret);
/* Out of nothing, once for each id. */
int regtest_fund_account(Driver *d, const char *id, const char *account, int64_t msat,
                driver_balance_t done, void *userdata, DriverOp **ret);
/* For questions of its own: com.openagents.Pylon1.Store.Regtest. */
BusClient *regtest_bus(Driver *d);
