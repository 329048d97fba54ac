"""Takes the place of a service in its own unit and tries what the unit forbids. Prints, as JSON, the name
of the errno that each attempt ended with, or "" where it went through."""
import ctypes
import errno
import json
import mmap
import os
import socket
import sys

CLONE_NEWUSER = 0x10000000
OPEN_FOLDER = "/srv/pylon-probe"  # mode 0777: only the sandbox keeps a service out


def network():
    socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()


def netlink():
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()


def local_socket():
    socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()


def look_at_sockets():
    os.listdir("/run/pylon")


def look_at_bus():
    os.stat("/run/dbus/system_bus_socket")


def look_at_state():
    os.listdir("/var/lib/pylon")


def look_at_settings():
    os.listdir("/etc/pylon")


def signal_others():
    os.kill(1, 0)


def read_home():
    os.listdir("/home")


def write_outside():
    with open(f"{OPEN_FOLDER}/{os.getpid()}", "wb"):
        pass


def write_own_state():
    with open(f"{os.environ.get('STATE_DIRECTORY', OPEN_FOLDER)}/probe", "wb"):
        pass


def look_at_others():
    with open("/proc/1/comm", "rb") as f:
        f.read()


def look_at_kernel():
    with open("/proc/meminfo", "rb") as f:
        f.read()


def run_program():
    pid = os.posix_spawn("/usr/bin/true", ["true"], {})
    os.waitpid(pid, 0)


def run_own_program():
    path = f"/tmp/probe-{os.getpid()}.py"
    with open(path, "w") as f:
        f.write(f"#!{sys.executable}\n")
    os.chmod(path, 0o755)
    os.waitpid(os.posix_spawn(path, [path], {}), 0)


def write_and_execute():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def change_priority():
    os.setpriority(os.PRIO_PROCESS, 0, 19)


def make_setuid_file():
    os.chmod(os.open(f"/tmp/probe-{os.getpid()}", os.O_CREAT | os.O_WRONLY), 0o4755)


def make_namespace():
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) < 0:
        raise OSError(ctypes.get_errno(), "unshare")


def attempt(what):
    try:
        globals()[what]()
    except OSError as e:
        return errno.errorcode[e.errno]
    return ""


if __name__ == "__main__":
    print(json.dumps({what: attempt(what) for what in sys.argv[1:]}))
