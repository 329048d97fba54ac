#pragma once
/* Scan: strict JSON (RFC 8259) read in one pass, without a tree and without memory of its own. For
 * what arrives thousands of times a second, and to look over a text before json-c sees it.
 *
 *     r = scan_open(&s, '{');
 *     while (r >= 0 && (r = scan_more(&s, '}')) > 0)
 *             r = scan_string(&s, key, &n) … scan_colon(&s) … scan_skip(&s)
 *
 * Every function returns -EBADMSG with s->reason set where the text is not what was asked for. */
#include "basic/macro.h"

typedef struct Scan {
        const char *p, *end;
        const char *reason; /* lower case, no full stop */
        unsigned depth, depth_max;
        size_t n_values, values_max; /* what was seen: every string, number, array … */
        size_t n_keys;
        bool first; /* a bracket was just opened */
        bool nul;   /* set by a NUL in a string; cleared by whoever asks */
} Scan;

/* -EBADMSG: not UTF-8. The text is borrowed. */
int scan_start(Scan *s, const char *text, size_t size, unsigned depth_max, size_t values_max);
int scan_end(Scan *s); /* nothing but blanks may follow */

char scan_peek(Scan *s); /* what the next value begins with; 0 at the end */
int scan_open(Scan *s, char bracket);
int scan_more(Scan *s, char bracket); /* 1: another element comes; 0: the bracket was closed */
int scan_colon(Scan *s);

/* Decoded into ret, which has room for as many bytes as the text has left; a NUL follows that does
 * not count. A NUL may also be inside. */
int scan_string(Scan *s, char *ret, size_t *ret_size);
int scan_u64(Scan *s, uint64_t max, uint64_t *ret); /* digits only: no sign, point or exponent */
int scan_bool(Scan *s, bool *ret);
int scan_skip(Scan *s); /* one value of any kind */
