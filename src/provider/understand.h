#pragma once
/* Understanding: what somebody who reads a request would say that it asks for, before anything is
 * fetched or paid. Pure. */
#include "input.h"
#include "text-task.h"
#include "verdict.h"

/* Accepted: *ret is what a model would be asked, with empty inputs where they must be fetched; NULL
 * where the request is taken as it is. *ret_reason may replace the verdict's own text. */
Verdict understand(const Kind *k, const JobRequest *r, const InputRules *rules, TextTask **ret,
                const char **ret_reason);
