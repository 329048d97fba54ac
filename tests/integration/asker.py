"""Asks a service of ours on its private socket: asker.py SOCKET. Reads calls as JSON lines, [interface,
method, signature, arguments], and prints what came back, {"ok": […]} or {"error": name, "text": …}.

Run by a copy of the interpreter named pylon-provider it is the provider, as far as a user instance can tell."""
import json
import sys

from gi.repository import Gio, GLib


def connect(path):
    """GDBus sends the first call together with the end of the greeting, where sd-bus takes no descriptors: so
    the first one is a Ping."""
    connection = Gio.DBusConnection.new_for_address_sync(
        f"unix:path={path}", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT, None, None)
    connection.call_sync(None, "/", "org.freedesktop.DBus.Peer", "Ping", None, None, Gio.DBusCallFlags.NONE, 5000, None)
    return connection


def ask(connection, interface, method, signature, arguments, fds=()):
    parameters = GLib.Variant(f"({signature})", arguments) if signature else None
    sent = Gio.UnixFDList.new()
    for fd in fds:
        sent.append(fd)     # a duplicate; the caller keeps his own
    try:
        answer, _ = connection.call_with_unix_fd_list_sync(
            None, "/com/openagents/Pylon1", interface, method, parameters, None, Gio.DBusCallFlags.NONE, 30000,
            sent, None)
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error) or error.domain
        Gio.DBusError.strip_remote_error(error)
        return {"error": name, "text": error.message}
    return {"ok": answer.unpack()}


if __name__ == "__main__":
    bus = connect(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(ask(bus, *json.loads(line))), flush=True)
