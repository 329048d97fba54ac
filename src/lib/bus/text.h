#pragma once
/* Text that D-Bus carries: UTF-8 without Unicode's noncharacters (U+FDD0…U+FDEF and the last two of
 * each plane), which sd-bus refuses and a stranger's event may hold. */
#include "basic/macro.h"

bool bus_text_is_fit(const char *s);
/* For the words of strangers: what stands in for them if they are not fit. */
const char *bus_text_or(const char *s, const char *otherwise);

/* The same JSON value as a text that is fit: a noncharacter can only stand in a string, where it is
 * written as an escape. *ret is the text itself where it is fit already; else it is *ret_owned,
 * which the caller frees. -EILSEQ: it is not UTF-8. */
int bus_text_json(const char *json, char **ret_owned, const char **ret);
/* The same text with U+FFFD for what is not fit, as above. -EILSEQ: it is not UTF-8. */
int bus_text_clean(const char *s, char **ret_owned, const char **ret);
