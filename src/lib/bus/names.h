#pragma once
/* What is on the bus: names, the one object path and the folder below it, errors. A bus name is
 * also the name of its public interface; what only our own services may call is the second
 * interface NAME.Service. */

#define BUS_PATH                "/com/openagents/Pylon1"
#define BUS_AGENT_FOLDER        BUS_PATH "/agent" /* an object for each of the host's agents */
#define BUS_PREFIX              "com.openagents.Pylon1."

#define BUS_STORE               BUS_PREFIX "Store"
#define BUS_SIGNER              BUS_PREFIX "Signer"
#define BUS_RELAY               BUS_PREFIX "Relay"
#define BUS_PROVIDER            BUS_PREFIX "Provider"
#define BUS_HOST                BUS_PREFIX "Host"
#define BUS_WALLET              BUS_PREFIX "Wallet"
#define BUS_AGENT               BUS_PREFIX "Agent" /* of an agent's object; no name */

#define BUS_AGENT_SERVICE       BUS_AGENT ".Service" /* of an agent's process; for the host */
#define BUS_PROVIDER_COMPUTE    BUS_PROVIDER ".Compute"
#define BUS_STORE_SERVICE       BUS_STORE ".Service"
#define BUS_STORE_PURCHASES     BUS_STORE ".Purchases" /* for the host */
#define BUS_STORE_AGENTS        BUS_STORE ".Agents"    /* for the host alone */
#define BUS_RELAY_SERVICE       BUS_RELAY ".Service"
#define BUS_WALLET_SERVICE      BUS_WALLET ".Service"
#define BUS_STORE_REGTEST       BUS_STORE ".Regtest" /* for the wallet alone */
#define BUS_STORE_WHY           BUS_STORE ".Why"
#define BUS_STORE_WALLET        BUS_STORE ".Wallet" /* the books; only the wallet writes them */

#define BUS_ERROR               BUS_PREFIX "Error."
#define BUS_ERROR_NOT_ALLOWED   BUS_ERROR "NotAllowed" /* the caller's role may not do this */
#define BUS_ERROR_NO_SUCH_JOB   BUS_ERROR "NoSuchJob"
#define BUS_ERROR_NO_SUCH_RELAY BUS_ERROR "NoSuchRelay"
#define BUS_ERROR_AMBIGUOUS     BUS_ERROR "Ambiguous" /* a prefix that fits several ids */
#define BUS_ERROR_NO_KEY        BUS_ERROR "NoKey"     /* no identity yet: pylon init */
#define BUS_ERROR_KEY_EXISTS    BUS_ERROR "KeyExists"
#define BUS_ERROR_BAD_INPUT     BUS_ERROR "BadInput"
#define BUS_ERROR_NOT_REACHABLE BUS_ERROR "NotReachable" /* another service does not answer */
#define BUS_ERROR_DAMAGED       BUS_ERROR "Damaged"      /* a file is not what it should be */
#define BUS_ERROR_BUSY          BUS_ERROR "Busy"         /* a limit is reached; try again later */
#define BUS_ERROR_NOT_ONLINE    BUS_ERROR "NotOnline"
#define BUS_ERROR_NO_WALLET     BUS_ERROR "NoWallet"
#define BUS_ERROR_NO_PAYMENT    BUS_ERROR "NoSuchPayment" /* neither an invoice nor a payment */
#define BUS_ERROR_WRONG_NETWORK BUS_ERROR "WrongNetwork"
#define BUS_ERROR_NO_MONEY      BUS_ERROR "NoMoney" /* the account, or a limit of it, forbids it */
#define BUS_ERROR_NO_AGENT      BUS_ERROR "NoSuchAgent"
#define BUS_ERROR_AGENT_EXISTS  BUS_ERROR "AgentExists" /* its name, or its key */
#define BUS_ERROR_MONEY_LEFT    BUS_ERROR "MoneyLeft"   /* an agent goes only without */
#define BUS_ERROR_NO_TICK       BUS_ERROR "NoSuchTick"
#define BUS_ERROR_NO_APPROVAL   BUS_ERROR "NoSuchApproval" /* nothing of this id waits */
#define BUS_ERROR_MIND          BUS_ERROR "MindFailed"     /* an agent's program broke down */
#define BUS_ERROR_NO_REGTEST    BUS_ERROR "NoRegtest"      /* exists with the regtest wallet only */
