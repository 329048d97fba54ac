#pragma once
/* NOTIFY_SOCKET for the services: what they say of themselves, with the process it is from. */
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "basic/macro.h"

typedef struct NotifySocket NotifySocket;
/* message is lines such as "READY=1"; the kernel vouches for the sender, who may be anybody of
 * ours. */
typedef void (*notify_t)(pid_t sender, const char *message, void *userdata);

int notify_socket_new(sd_event *event, const char *path, notify_t handler, void *userdata,
                NotifySocket **ret);
NotifySocket *notify_socket_free(NotifySocket *n); /* removes the file */
DEFINE_CLEANUP(NotifySocket, notify_socket_free)
const char *notify_socket_path(const NotifySocket *n);
