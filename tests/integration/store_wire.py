"""A store by itself, and connections to it as any of our programs: what test_store and test_books share."""
import array
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading

import pytest

from parts import BUILD

gi = pytest.importorskip("gi")
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

PATH = "/com/openagents/Pylon1"
PUBLIC = "com.openagents.Pylon1.Store"
SERVICE = PUBLIC + ".Service"
BOOKS = PUBLIC + ".Wallet"
CUSTOMER = "c0ffee00" * 8
CONNECT = """
import array, socket, sys
door = socket.socket(fileno=int(sys.argv[1]))
wire = socket.socket(socket.AF_UNIX)
wire.connect(sys.argv[2])
door.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [wire.fileno()]))])
sys.stdin.read()
"""


class Refused(Exception):
    def __init__(self, error):
        self.name = Gio.DBusError.get_remote_error(error)
        super().__init__(error.message)


class Wire:
    """A connection made by a program of that name, which stays as long as the connection."""

    def __init__(self, folder, path, program):
        here, there = socket.socketpair()
        executable = pathlib.Path(folder) / program
        if not executable.exists():
            shutil.copy(os.path.realpath("/usr/bin/python3"), executable)
        self.program = subprocess.Popen([executable, "-I", "-c", CONNECT, str(there.fileno()), path],
                                        stdin=subprocess.PIPE, pass_fds=[there.fileno()])
        there.close()
        fds = array.array("i")
        _, extra, _, _ = here.recvmsg(1, socket.CMSG_LEN(fds.itemsize))
        fds.frombytes(extra[0][2])
        here.close()
        connection = Gio.Socket.new_from_fd(fds[0]).connection_factory_create_connection()
        patience = Gio.Cancellable()
        timer = threading.Timer(10, patience.cancel)
        timer.start()
        try:
            self.bus = Gio.DBusConnection.new_sync(connection, None, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT,
                                                   None, patience)
        except GLib.Error as error:
            self.close()
            raise Refused(error) from None
        finally:
            timer.cancel()
        self.bus.set_exit_on_close(False)

    def call(self, interface, method, types="", *args, fds=()):
        files = Gio.UnixFDList.new_from_array([os.dup(fd) for fd in fds]) if fds else None
        try:
            answer, _ = self.bus.call_with_unix_fd_list_sync(
                None, PATH, interface, method, GLib.Variant(f"({types})", args), None, Gio.DBusCallFlags.NONE,
                30000, files, None)
        except GLib.Error as error:
            raise Refused(error) from None
        answer = answer.unpack()
        return answer[0] if len(answer) == 1 else answer or None

    def begin(self, interface, method, types="", *args):
        """Asks, and does not wait for the answer."""
        self.bus.call(None, PATH, interface, method, GLib.Variant(f"({types})", args), None, Gio.DBusCallFlags.NONE,
                      60000, None, None, None)
        self.bus.flush_sync()

    def add(self, *jobs):
        return self.call(SERVICE, "AddJobs", "a(sqssssxx)", list(jobs))

    def move(self, *moves, lazy=False):
        return self.call(SERVICE, "MoveJobs", "a(sssss)b", list(moves), lazy)

    def property(self, name):
        return self.call("org.freedesktop.DBus.Properties", "Get", "ss", PUBLIC, name)

    def close(self):
        self.program.stdin.close()
        self.program.wait()


class Store:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.home = self.folder / "home"
        self.data = self.home / ".openagents" / "pylon"
        self.data.mkdir(parents=True)
        self.db = self.data / "pylon.db"
        self.path = str(self.folder / "store.sock")
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        self.socket.listen(16)
        self.log = self.folder / "store.log"
        self.process = None
        self.wires = []

    def start(self, before=()):
        n = self.socket.fileno()
        self.process = subprocess.Popen(
            [*before, "bash", "-c", f'LISTEN_PID=$$ exec "$0" 3<&{n}', BUILD / "src/store/pylon-store"],
            env={**os.environ, "HOME": str(self.home), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "store"},
            pass_fds=[n], stderr=open(self.log, "ab"))
        return self

    def exit_code(self):
        return self.process.wait(timeout=20)

    def wire(self, program="pylon-provider"):
        self.wires.append(Wire(self.folder, self.path, program))
        return self.wires[-1]

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def words(self):
        return self.log.read_text()

    def query(self, text):
        with sqlite3.connect(f"file:{self.db}?mode=ro", uri=True) as db:
            return db.execute(text).fetchall()


def opened(folder):
    """One store in that folder, and everything of it gone afterwards; for a fixture."""
    one = Store(folder)
    yield one
    for wire in one.wires:
        wire.close()
    if one.process and one.process.poll() is None:
        one.kill()
