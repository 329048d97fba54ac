#pragma once
/* control.sock: one request a connection, one line each way. Who is silent is turned away after a
 * while, and until then is in nobody's way. */
#include <systemd/sd-event.h>

#include "control-request.h"

typedef struct ControlSocket ControlSocket;
typedef struct ControlClient ControlClient;

/* The answer may be given at once or later, with control_answer(). The client may leave before:
 * then `gone` is called, and it must not be answered any more. */
typedef struct ControlHandler {
        void (*request)(ControlClient *client, ControlRequest request, void *userdata);
        void (*gone)(ControlClient *client, void *userdata);
} ControlHandler;

int control_socket_new(sd_event *event, const char *path, const ControlHandler *handler,
                void *userdata, ControlSocket **ret);
ControlSocket *control_socket_free(ControlSocket *s); /* removes the file; clients are not `gone` */
DEFINE_CLEANUP(ControlSocket, control_socket_free)

/* Sends it, closes the connection, frees the client. */
void control_answer(ControlClient *client, const char *line, size_t size);
