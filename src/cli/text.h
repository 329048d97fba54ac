#pragma once
/* Numbers and times as people write them. */
#include "basic/macro.h"

#define TEXT_MAX 64

/* "3 days", "2h 5min", "12s". */
void text_span(usec_t span, char ret[static TEXT_MAX]);
/* "just now", "5min ago"; a time to come is "now". */
void text_ago(int64_t then, int64_t now, char ret[static TEXT_MAX]);
/* "in 5min"; "now" when it is due, "-" for 0. */
void text_until(int64_t then, int64_t now, char ret[static TEXT_MAX]);
/* "0 sat", "12 sat", "1.500 sat": millisats as sats, with what is left over. */
void text_msats(int64_t msats, char ret[static TEXT_MAX]);
/* The first characters of an id. */
void text_id(const char *id, char ret[static TEXT_MAX]);

int64_t now_seconds(void);
