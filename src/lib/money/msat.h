#pragma once
/* Amounts as people write and read them. Inside they are whole millisats, 64 bits. */
#include "basic/macro.h"

#define MSAT_MAX      INT64_C(2100000000000000000) /* all the bitcoin there will be */
#define MSAT_TEXT_MAX 40

/* "21", "21 sat", "1500 msat", "0.5 sat", "0.00021 btc": exact, or -EINVAL with a reason. A number
 * without a unit is sat. No sign, no grouping. */
int msat_parse(const char *text, int64_t *ret, const char **reterr);
/* "21 sat", "1.5 sat"; returns ret. */
const char *msat_text(int64_t msat, char ret[static MSAT_TEXT_MAX]);
