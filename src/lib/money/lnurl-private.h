#pragma once
/* What lnurl.c (questions) and lnurl-answer.c share. */
#include "money/lnurl.h"

/* -EINVAL with a reason. Of the characters, the host and the scheme; http only to this machine. */
int lnurl_url_check(const char *url, bool loopback_http, const char **reterr);
