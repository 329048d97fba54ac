#pragma once
/* The person's editor: $VISUAL, $EDITOR, or vi. */
#include "basic/macro.h"

/* Opens the file in it and waits for its end. -ECANCELED: it ended with an error. */
int editor_run(const char *path);
