#pragma once
/* HTML to the text that a person reads in it: no tags, scripts and styles; paragraphs as lines.
 * Made for pages of strangers: one pass, nothing nests, whatever it is ends. Pure. */
#include "basic/buffer.h"

int html_text(const char *html, size_t size, Buffer *b); /* -ENOBUFS, -ENOMEM */
