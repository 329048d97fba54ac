#pragma once
/* Everything an operator may search for in the journal: the name and its MESSAGE_ID. The texts of
 * what each means and what to do are in units/pylon.catalog; a test compares the two lists. */

/* clang-format off */
#define LOG_ID_SERVICE_READY   "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a10"
#define LOG_ID_SERVICE_FAILED  "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a11"
#define LOG_ID_RELAY_UP        "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a20"
#define LOG_ID_RELAY_DOWN      "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a21"
#define LOG_ID_RELAY_PORT_BUSY "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a22"
#define LOG_ID_JOB_ACCEPTED    "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a30"
#define LOG_ID_JOB_REFUSED     "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a31"
#define LOG_ID_JOB_COMPLETED   "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a32"
#define LOG_ID_JOB_FAILED      "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a33"
#define LOG_ID_JOB_PAID        "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a34"
#define LOG_ID_JOB_OWED        "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a35"
#define LOG_ID_JOB_REFUNDED    "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a36"
#define LOG_ID_ONLINE          "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a40"
#define LOG_ID_OFFLINE         "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a41"
#define LOG_ID_STORE_DAMAGED   "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a50"
#define LOG_ID_CONFIG_INVALID  "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a60"
#define LOG_ID_PAYMENT_EXCEEDED "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a78"
#define LOG_ID_WALLET_READY    "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a70"
#define LOG_ID_WALLET_DOWN     "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a71"
#define LOG_ID_INVOICE_PAID    "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a72"
#define LOG_ID_PAYMENT_SENT    "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a73"
#define LOG_ID_PAYMENT_FAILED  "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a74"
#define LOG_ID_PAYMENT_UNKNOWN "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a75"
#define LOG_ID_PAYMENT_RESOLVED "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a76"
#define LOG_ID_GRANT_CHANGED   "5b1f3a0c6d1e4f2b9a7c0e8d2f4b6a77"
/* clang-format on */
