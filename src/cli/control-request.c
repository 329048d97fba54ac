/* Requests and answers of control.sock as text. */
#include "control-request.h"

#include <inttypes.h>

#include "basic/json.h"

static const char *const names[_CONTROL_MAX] = {
        [CONTROL_PING] = "Ping",
        [CONTROL_STATUS] = "Status",
        [CONTROL_SHUTDOWN] = "Shutdown",
        [CONTROL_SERVICES] = "Services",
};

const char *control_request_name(ControlRequest request) {
        return names[request];
}

/* "Ping" or {"Ping":null}: an enum without a value, in the two forms that serde reads. */
static int request_name(const Json *root, const char **ret) {
        const char *key, *other;
        const void *cursor = NULL;
        Json *value;

        if (json_string(root, ret) >= 0)
                return 0;
        if (!json_is_object(root) || !json_next(root, &cursor, &key, &value) ||
                        !json_is_null(value) || json_next(root, &cursor, &other, &value))
                return -EBADMSG;
        *ret = key;
        return 0;
}

int control_request_parse(const char *line, size_t size, ControlRequest *ret, const char **reterr) {
        _cleanup_(json_unrefp) Json *root = NULL;
        const char *name;
        int r;

        r = json_parse(line, size, 4, 16, &root, reterr);
        if (r < 0)
                return r;
        if (request_name(root, &name) < 0) {
                *reterr = "a request is a name, such as \"Status\"";
                return -EBADMSG;
        }
        for (ControlRequest i = 0; i < _CONTROL_MAX; i++)
                if (streq(names[i], name)) {
                        *ret = i;
                        return 0;
                }
        *reterr = "there is no such request: Ping, Status, Shutdown, Services";
        return -EBADMSG;
}

int control_write_status(const ControlStatus *s, Buffer *b) {
        return buffer_addf(b,
                        "{\"Status\":{\"running\":%s,\"uptime_secs\":%" PRIu64
                        ",\"provider_active\":%s,\"host_active\":%s,\"jobs_completed\":%" PRIu64
                        ",\"earnings_msats\":%" PRIi64 "}}\n",
                        s->running ? "true" : "false", s->uptime_secs,
                        s->provider_active ? "true" : "false", s->host_active ? "true" : "false",
                        s->jobs_completed, s->earnings_msats);
}

int control_write_error(const char *text, Buffer *b) {
        int r;

        r = buffer_add_string(b, "{\"Error\":");
        if (r >= 0)
                r = json_write_string(b, text, strlen(text));
        return r < 0 ? r : buffer_add_string(b, "}\n");
}
