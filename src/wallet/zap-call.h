#pragma once
/* ZapCall: a receipt (NIP-57) is said to pay a job. The money is elsewhere, and that it was paid is
 * the word of one server, so it counts only where the owner has said whose word, and up to how
 * much; after every check there is; and each payment once, which the books know. */
#include "purse.h"

/* Answers with nothing when the job is paid by it, in the books. BadInput: it never will be. */
int zap_call(Purse *p, sd_bus_message *m, sd_bus_error *error);
