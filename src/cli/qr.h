#pragma once
/* QR codes for a person at a terminal. */
#include <stdio.h>

/* An invoice as a picture that a phone's wallet reads, two modules for each letter. Nothing where f
 * is no terminal that can show it, or where Pylon was built without QR codes: the text says it,
 * too. */
void qr_print_invoice(FILE *f, const char *bolt11);
