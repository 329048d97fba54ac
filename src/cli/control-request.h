#pragma once
/* What may be asked on control.sock, as the original Pylon has it: "Ping", "Status", "Shutdown",
 * each also as {"Ping":null}; and ours: "Services". Answers are one line of JSON. */
#include "basic/buffer.h"

typedef enum ControlRequest {
        CONTROL_PING,
        CONTROL_STATUS,
        CONTROL_SHUTDOWN,
        CONTROL_SERVICES,
        _CONTROL_MAX,
} ControlRequest;

#define CONTROL_LINE_MAX 1024

/* One line without its newline. -EBADMSG with the reason. */
int control_request_parse(const char *line, size_t size, ControlRequest *ret, const char **reterr);
const char *control_request_name(ControlRequest request);

typedef struct ControlStatus {
        bool running, provider_active, host_active;
        uint64_t uptime_secs, jobs_completed;
        int64_t earnings_msats;
} ControlStatus;

/* With the newline. */
int control_write_status(const ControlStatus *status, Buffer *b);
int control_write_error(const char *text, Buffer *b);
