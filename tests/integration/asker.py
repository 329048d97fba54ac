"""Asks a service of ours on its private socket: asker.py SOCKET. Reads calls as JSON lines, [interface,
method, signature, arguments], and prints what came back, {"ok": […]} or {"error": name, "text": …}.

Run by a copy of the interpreter named pylon-provider it is the provider, as far as a user instance can tell."""
import json
import sys

from gi.repository import Gio, GLib


def connect(path):
    """sd-bus as a server overlooks a first message that came together with the end of the greeting, until more
    comes. Its own clients never send it so early; GDBus does, hence the repeated Ping."""
    connection = Gio.DBusConnection.new_for_address_sync(
        f"unix:path={path}", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT, None, None)
    for _ in range(50):
        try:
            connection.call_sync(None, "/", "org.freedesktop.DBus.Peer", "Ping", None, None,
                                 Gio.DBusCallFlags.NONE, 200, None)
            break
        except GLib.Error:
            continue
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
