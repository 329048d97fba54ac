/* Any bytes as a line on control.sock: a request, or a reason that can be sent back. */
#include "control-request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ Buffer b = { .max = 4096 };
        const char *reason = NULL;
        ControlRequest request;

        if (size > CONTROL_LINE_MAX)
                return 0;
        if (control_request_parse((const char *) data, size, &request, &reason) < 0) {
                assert(reason);
                assert(control_write_error(reason, &b) >= 0);
        } else
                assert(control_request_name(request));
        return 0;
}
