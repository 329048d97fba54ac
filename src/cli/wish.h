#pragma once
/* The mode of `pylon start`, told to those who keep it: Online() or Offline() of provider and host.
 */
#include <systemd/sd-event.h>

#include "cli.h"

bool mode_wants_provider(Mode mode);
bool mode_wants_host(Mode mode);

typedef struct Wish Wish;

/* name is NULL where both agreed; else the name of an error and its sentence. Called once; the wish
 * may be freed in it. */
typedef void (*wish_done_t)(const char *name, const char *message, void *userdata);

int wish_new(sd_event *event, const Paths *paths, Mode mode, wish_done_t done, void *userdata,
                Wish **ret);
Wish *wish_free(Wish *w);
DEFINE_CLEANUP(Wish, wish_free)
