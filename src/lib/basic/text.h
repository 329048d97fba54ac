#pragma once
/* Text from strangers: UTF-8, numbers, lists of strings. */
#include "basic/macro.h"

/* Strict: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_is_valid(const char *s, size_t size);
/* The longest prefix of at most max bytes that ends between two characters. */
size_t utf8_prefix(const char *s, size_t size, size_t max);

/* Decimal digits only: no sign, blank, underscore or leading zero but "0". -EINVAL, -ERANGE. */
int parse_u64(const char *s, uint64_t *ret);
int parse_u32(const char *s, uint32_t *ret);
int parse_i64(const char *s, int64_t *ret);
/* "0.7" ".7" "-1" "0,7", in every locale; no exponent. Not for money. -EINVAL, -ERANGE. */
int parse_decimal(const char *s, double *ret);
/* "90s" "5min" "2h" "1d" "500ms"; a plain number is seconds. */
int parse_span(const char *s, usec_t *ret);

/* A NULL-terminated list of strings, owned. */
char **strv_free(char **l);
size_t strv_length(char *const *l);
bool strv_contains(char *const *l, const char *s);
int strv_add(char ***l, const char *s);
int strv_copy(char *const *l, char ***ret);
DEFINE_CLEANUP(char *, strv_free)
#define _cleanup_strv_     _cleanup_(strv_freep)
#define STRV_FOREACH(s, l) for (char *const *s = (l); s && *s; s++)

/* The distance in edits, for "did you mean". Of longer texts it says the longer one's length. */
#define EDIT_DISTANCE_MAX 128
size_t edit_distance(const char *a, const char *b);
