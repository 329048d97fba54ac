#pragma once
/* Letter: what the host itself writes to an agent's owner, by NIP-17 and under the agent's key:
 * that something waits for a yes, that money runs out. It is sent once and not looked after. */
#include "hands.h"

/* Where the owner has no key, or wants no letters, nothing happens. */
void letter_to_owner(HostAgent *a, const char *text);
void letters_drop(Hands *h, const HostAgent *a); /* NULL: all */
