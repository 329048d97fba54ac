#pragma once
/* A relay's URL, read strictly and in one form, so that two spellings are one relay. */
#include "basic/macro.h"

#define URL_MAX 512

typedef struct Url {
        bool secure;   /* wss */
        uint16_t port; /* always set */
        char *host;    /* lowercase; an IPv6 address without its brackets */
        char *path;    /* with the query; "/" at least */
        char *text;    /* normal form: lowercase scheme and host, no default port, no bare "/" */
} Url;

/* -EINVAL with a reason. ws:// and wss:// only; no credentials, fragment, blank or control
 * character, nothing but ASCII. */
int url_parse(const char *text, Url **ret, const char **reterr);
Url *url_free(Url *u);
DEFINE_CLEANUP(Url, url_free)
