/* Asking our services. */
#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bus/names.h"
#include "manager.h"
#include "question.h"
#include "wish.h"

#define CONNECTS_MAX 5 /* times in a row that a connection may end before it is used */

static const struct {
        const char *name, *interface;
        bool never_on_bus;
} services[] = {
        { "store", BUS_STORE, false },
        { "signer", BUS_SIGNER, true },
        { "relay", BUS_RELAY, false },
        { "wallet", BUS_WALLET, false },
        { "provider", BUS_PROVIDER, false },
        { "host", BUS_HOST, false },
};

void remote_done(Remote *r) {
        r->bus = sd_bus_flush_close_unref(r->bus);
}

static int set_error(CallError *e, int error, const char *service, const char *text) {
        bool absent = error == -ENOENT || error == -ECONNREFUSED;

        e->name = absent ? "NotRunning" : error == -EACCES ? "NotAllowed" : "NotReachable";
        if (absent)
                (void) snprintf(e->message, sizeof(e->message), "%s", _("Pylon is not running."));
        else
                (void) snprintf(e->message, sizeof(e->message), _("pylon-%s cannot be asked: %s."),
                                service, text);
        return error;
}

static int connect_private(const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -EBADF;

        if (strlen(path) > SOCKET_PATH_MAX)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int open_private(const Cli *cli, const char *service, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = paths_socket(cli->paths, service, &path);
        if (r < 0)
                return r;
        fd = connect_private(path);
        if (fd < 0)
                return fd;
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r < 0)
                return r;
        TAKE_FD(fd);
        r = sd_bus_negotiate_fds(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

/* Who accepted us may be killed before we have said a word. Nothing was asked of it then, and the
 * next connection waits for the process that follows. */
static int open_again(const Cli *cli, const char *service, sd_bus **ret) {
        int r = -ECONNRESET;

        for (unsigned i = 0; i < CONNECTS_MAX && (r == -ECONNRESET || r == -EPIPE); i++)
                r = open_private(cli, service, ret);
        return r;
}

int remote_open(const Cli *cli, const char *service, Remote *ret, CallError *ret_error) {
        size_t i = 0;
        int r;

        while (!streq(services[i].name, service))
                i++;
        *ret = (Remote){ .interface = services[i].interface };
        if (cli->scope == SCOPE_SYSTEM && !services[i].never_on_bus) {
                ret->destination = ret->interface;
                ret->may_start = manager_runs_pylon(cli->scope); /* else the bus waits in vain */
                r = sd_bus_open_system(&ret->bus);
                if (r >= 0)
                        r = sd_bus_set_allow_interactive_authorization(ret->bus, true);
        } else
                r = open_again(cli, service, &ret->bus);
        return r < 0 ? set_error(ret_error, r, service, strerror(-r)) : 0;
}

int remote_message(const Remote *r, const char *member, sd_bus_message **ret) {
        int n;

        n = sd_bus_message_new_method_call(
                        r->bus, ret, r->destination, r->path ?: BUS_PATH, r->interface, member);
        return n < 0 ? n : sd_bus_message_set_auto_start(*ret, r->may_start);
}

int remote_send(const Remote *r, sd_bus_message *m, usec_t timeout, sd_bus_message **ret,
                CallError *ret_error) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int n;

        n = sd_bus_call(r->bus, m, timeout > 0 ? timeout : CALL_TIMEOUT, &error, ret);
        if (n >= 0)
                return 0;
        ret_error->name = error_name(error.name ?: "");
        (void) snprintf(ret_error->message, sizeof(ret_error->message), "%s",
                        error.message ?: strerror(-n));
        return n;
}

int remote_call(const Remote *r, const char *member, sd_bus_message **ret, CallError *ret_error,
                const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        va_list ap;
        int n;

        n = remote_message(r, member, &m);
        if (n >= 0 && !isempty(types)) {
                va_start(ap, types);
                n = sd_bus_message_appendv(m, types, ap);
                va_end(ap);
        }
        if (n < 0) {
                *ret_error = (CallError){ .name = "NoMemory" };
                (void) snprintf(ret_error->message, sizeof(ret_error->message), "%s", strerror(-n));
                return n;
        }
        return remote_send(r, m, 0, ret, ret_error);
}

int remote_properties(const Remote *r, sd_bus_message **ret, CallError *ret_error) {
        Remote properties = *r;

        properties.interface = "org.freedesktop.DBus.Properties";
        return remote_call(&properties, "GetAll", ret, ret_error, "s", r->interface);
}

int call_fail(const Cli *cli, const CallError *error) {
        return cli_fail(cli, error->name, "%s", error->message);
}

int call_unreadable(const Cli *cli) {
        return cli_fail(cli, "NotReachable", "%s",
                        _("The answer could not be read: is the running Pylon of another version?"));
}

static int tell_mode(const Cli *cli, const char *service, bool online) {
        Remote remote = { 0 };
        CallError error;
        int r;

        r = remote_open(cli, service, &remote, &error);
        if (r >= 0)
                r = remote_call(&remote, online ? "Online" : "Offline", NULL, &error, NULL);
        remote_done(&remote);
        return r < 0 ? call_fail(cli, &error) : EXIT_SUCCESS;
}

int call_mode(const Cli *cli, Mode mode) {
        int r;

        r = tell_mode(cli, "provider", mode_wants_provider(mode));
        return r != EXIT_SUCCESS ? r : tell_mode(cli, "host", mode_wants_host(mode));
}
