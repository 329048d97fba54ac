#pragma once
/* Words of strangers, made harmless: for a person's terminal and for a model. */
#include "basic/buffer.h"

/* How many bytes at s are one character that is not shown as it is: controls, what turns the
 * direction of writing, what takes no room; 0: it is shown. s is UTF-8 with a NUL at its end. */
size_t foreign_unshown(const char *s);

typedef struct Foreign {
        size_t max;           /* bytes that are written at most; what does not go in is cut off */
        const char *fence;    /* does not occur in it; NULL */
        const char *new_line; /* what a line's end becomes */
} Foreign;

/* For a model: a blank for what a person would not see, and without anything that looks like a
 * fence or like the marks by which models tell who speaks (<|im_start|>, [INST] …). */
int foreign_write(Buffer *b, const char *text, const Foreign *how);
