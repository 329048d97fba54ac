"""The parts which integration tests are made of: a relay and a customer that are not ours, and Pylon
itself, started in one of three ways. What a test may do is the same for all three."""
import contextlib
import hashlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = pathlib.Path(__file__).resolve().parent / "node"
BUILD = pathlib.Path(os.environ.get("PYLON_BUILD", ROOT / "build")).resolve()
ROLES = ("store", "signer", "relay", "wallet", "provider", "host")
FINAL = ("completed", "failed", "expired", "cancelled")


def wait_for(condition, seconds, what):
    """The first true answer of condition(). The only place that waits by the clock."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Relay:
    """tests/integration/node/relay.mjs in a process of its own; its port stays when it comes back."""

    def __init__(self, folder, name="relay"):
        self.file = pathlib.Path(folder) / f"{name}.jsonl"
        self.log = open(pathlib.Path(folder) / f"{name}.log", "ab")
        self.port = free_port()
        self.process = None
        self.start()

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    def start(self):
        self.process = subprocess.Popen(["node", NODE / "relay.mjs", str(self.port), self.file],
                                        stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        assert line.startswith("listening"), f"the relay did not start: {line}"

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def events(self, *kinds):
        """All that it ever accepted, oldest first."""
        if not self.file.exists():
            return []
        whole, _, _ = self.file.read_text().rpartition("\n")  # the last line may be half written
        events = [json.loads(line) for line in whole.splitlines()]
        return [e for e in events if not kinds or e["kind"] in kinds]

    def results(self, request_id, kind=6970):
        return [e for e in self.events(kind) if ["e", request_id] in [t[:2] for t in e["tags"]]]

    def statuses(self, request_id):
        return [tag(e, "status") for e in self.events(7000) if tag(e, "e") == request_id]

    def _order(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", data=body)
        return json.loads(urllib.request.urlopen(request, timeout=20).read())

    def subscribers(self):
        return [c for c in self._order("clients") if c]

    def inject(self, frame, binary=False):
        body = frame if isinstance(frame, bytes) else frame.encode()
        assert self._order("inject" + ("?binary" if binary else ""), body), "nobody is subscribed"

    def drop(self):
        self._order("drop", b"")


def tag(event, name, position=1):
    return next((t[position] for t in event["tags"] if t[0] == name and len(t) > position), None)


def customer(*args, expect=0, env=None, seconds=120):
    """Runs customer.mjs; returns what it printed, parsed."""
    done = subprocess.run(["node", NODE / "customer.mjs", *map(str, args)], capture_output=True, text=True,
                          timeout=seconds, env={**os.environ, **(env or {})})
    assert expect is None or done.returncode == expect, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def mining_job(bits=8, content="hello", **template):
    """The template of a job of kind 5970: find a nonce for this event."""
    draft = {"pubkey": "ab" * 32, "created_at": 1700000000, "kind": 1, "tags": [], "content": content}
    return json.dumps({"tags": [["i", json.dumps(draft), "text"], ["param", "pow", str(bits)]], **template})


def mined_bits(result):
    """How many zero bits the id of the mined event has; its id is computed here, not believed."""
    event = json.loads(result["content"])
    text = json.dumps([0, *(event[k] for k in ("pubkey", "created_at", "kind", "tags", "content"))],
                      separators=(",", ":"), ensure_ascii=False)
    event_id = hashlib.sha256(text.encode()).hexdigest()
    assert event.get("id", event_id) == event_id
    return 256 - int(event_id, 16).bit_length()


def toml(relays, local_port, more=""):
    """Top-level keys first, as TOML wants it. Without relays it is the local one, which is the default."""
    return "\n".join([
        "name = \"under test\"",
        "" if relays is None else f"relays = {json.dumps(relays)}",
        "require_payment = false",
        "enable_payments = false",
        more if not more.lstrip().startswith("[") else "",
        "[relay]",
        f"listen = \"127.0.0.1:{local_port}\"",
        more if more.lstrip().startswith("[") else "",
        "",
    ])


class Pylon:
    """What the three ways have in common."""
    way = None
    user = None

    def __init__(self, folder, relays, more="", env=None):
        self.folder = pathlib.Path(folder)
        self.local_port = free_port()
        self.env = env or {}
        self.clean()
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(toml(relays, self.local_port, more))
        self.own()

    # What differs is defined by each way: config, database(), clean(), own(), command(), start(), stop(),
    # restart(), pids().

    def run(self, *args, expect=0, seconds=60, env=None):
        done = subprocess.run(self.command(*args, env=env), capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL)
        assert expect is None or done.returncode == expect, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def json(self, *args, **more):
        return json.loads(self.run(*args, "--json", **more).stdout)

    def init(self):
        self.run("init")

    def query(self, sql, *values):
        """Rows of pylon.db, read beside the running store."""
        if not self.database("store").exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.database('store')}?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(sql, values).fetchall()

    def state(self, request_id):
        rows = self.query("select status from jobs where id = ?", request_id)
        return rows[0][0] if rows else None

    def wait_state(self, request_id, *states, seconds=20):
        return wait_for(lambda: self.state(request_id) in states and self.state(request_id), seconds,
                        f"job {request_id[:8]} in {states}, it is in {self.state(request_id)}")

    def pid(self, role):
        pids = self.pids(role)
        assert len(pids) < 2, f"{role} runs {len(pids)} times"
        return pids[0] if pids else None

    def kill(self, role, how=signal.SIGKILL):
        """Returns the process id that was; it is gone, or about to be."""
        pid = wait_for(lambda: self.pid(role), 10, f"{role} runs")
        os.kill(pid, how)
        wait_for(lambda: pid not in self.pids(role), 30, f"{role} ({pid}) is gone")
        return pid

    @classmethod
    def place(cls, folder):
        """Where a test may put files and sockets that the services are to find; give() makes a file theirs."""
        return pathlib.Path(folder)

    @classmethod
    def give(cls, path):
        pass

    def remove(self):
        """What is left of it, at the end of its test."""


def processes(program, condition):
    """Living processes of this name for which the condition on /proc/PID holds."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            argv = (entry / "cmdline").read_bytes().split(b"\0")
            dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
            is_part = b"--pow-worker" in argv or b"--withdraw" in argv  # of the provider, or what cleans up after it
            if os.path.basename(argv[0].decode()) == program and not dead and not is_part and condition(entry):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError, UnicodeDecodeError):
            continue
    return found


class SelfFork(Pylon):
    """pylon start -d in a home of its own, from the build tree."""
    way = "start"

    def __init__(self, *args):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="pylon-"))  # short: the path of a socket has 108 bytes
        super().__init__(*args)

    @property
    def base(self):
        return self.home / ".openagents/pylon"

    @property
    def config(self):
        return self.base / "config.toml"

    def database(self, service):
        return self.base / {"store": "pylon.db", "relay": "relay.db"}[service]

    def clean(self):
        shutil.rmtree(self.base, ignore_errors=True)

    def own(self):
        pass

    def command(self, *args, env=None):
        settings = {**self.env, **(env or {})}
        return ["env", f"HOME={self.home}", *(f"{k}={v}" for k, v in settings.items()),
                BUILD / "src/cli/pylon", "--user", *args]

    def start(self, *args, expect=0, env=None):
        return self.run("start", "-d", *args, expect=expect, env=env)

    def stop(self, expect=0):
        return self.run("stop", "--force", expect=expect) if expect is None else self.run("stop", expect=expect)

    def restart(self, role):
        """The supervisor starts it again; a service that is asked for comes back by its socket."""
        return self.kill(role, signal.SIGTERM)

    def pids(self, role):
        home = f"HOME={self.home}".encode()

        def mine(process):
            try:
                return home in (process / "environ").read_bytes().split(b"\0")
            except PermissionError:  # the signer cannot be looked into; the one who started it can
                parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
                return home in (process.parent / parent / "environ").read_bytes().split(b"\0")

        return processes("pylon" if role == "supervisor" else f"pylon-{role}", mine)

    def remove(self):
        shutil.rmtree(self.home, ignore_errors=True)

    def log(self):
        path = self.base / "pylon.log"
        return path.read_text(errors="replace") if path.exists() else ""


class Units(Pylon):
    """systemd in the testbed; Pylon is installed there."""
    systemctl = ()

    def start(self, *_, expect=0, env=None):
        assert not env
        done = subprocess.run([*self.systemctl, "start", "pylon.target"], capture_output=True, text=True, timeout=60)
        assert expect is None or done.returncode == expect, done.stderr + self.log()[-3000:]
        return done

    def stop(self, expect=0):
        """The target is gone at once; its services are still finishing their work then."""
        done = subprocess.run([*self.systemctl, "stop", "pylon.target"], capture_output=True, text=True, timeout=120)
        assert expect is None or done.returncode == expect, done.stderr
        wait_for(lambda: not any(self.pids(role) for role in ROLES), 90, "every service has stopped")
        return done

    def restart(self, role):
        pid = self.pid(role)
        subprocess.run([*self.systemctl, "restart", f"pylon-{role}.service"], check=True, timeout=90)
        return pid

    def pids(self, role):
        return processes(f"pylon-{role}", lambda p: True)


class SystemUnits(Units):
    way = "system"
    systemctl = ("systemctl",)
    config = pathlib.Path("/etc/pylon/config.toml")

    @classmethod
    def place(cls, folder):
        """/tmp and /home are not there for the units."""
        where = pathlib.Path("/etc/pylon") / pathlib.Path(folder).name
        where.mkdir(parents=True, exist_ok=True)
        return where

    @classmethod
    def give(cls, path):
        shutil.chown(path, "pylon-provider", "pylon-provider")

    def database(self, service):
        return pathlib.Path("/var/lib/pylon") / service / {"store": "pylon.db", "relay": "relay.db"}[service]

    def clean(self):
        self.stop(expect=None)
        for role in ROLES:
            shutil.rmtree(f"/var/lib/pylon/{role}", ignore_errors=True)
        subprocess.run(["systemctl", "reset-failed"], check=False)

    def own(self):
        os.chmod(self.config, 0o644)

    def command(self, *args, env=None):
        return ["env", *(f"{k}={v}" for k, v in (env or {}).items()), "pylon", "--system", *args]

    def log(self):
        return subprocess.run(["journalctl", "-b", "--no-pager", "-o", "short-monotonic", "-n", "300",
                               *(a for r in ROLES for a in ("-u", f"pylon-{r}.service"))],
                              capture_output=True, text=True, check=False).stdout


class UserUnits(Units):
    way = "user"
    user = "op"

    @property
    def as_user(self):
        uid = pwd.getpwnam(self.user).pw_uid
        return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--init-groups", "env", f"HOME=/home/{self.user}",
                f"XDG_RUNTIME_DIR=/run/user/{uid}", f"DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus")

    @property
    def systemctl(self):
        return (*self.as_user, "systemctl", "--user")

    @classmethod
    def place(cls, folder):
        where = pathlib.Path(f"/home/{cls.user}") / pathlib.Path(folder).name
        where.mkdir(parents=True, exist_ok=True)
        cls.give(where)
        return where

    @classmethod
    def give(cls, path):
        shutil.chown(path, cls.user, cls.user)

    @property
    def base(self):
        return pathlib.Path(f"/home/{self.user}/.openagents/pylon")

    @property
    def config(self):
        return self.base / "config.toml"

    def database(self, service):
        return self.base / {"store": "pylon.db", "relay": "relay.db"}[service]

    def clean(self):
        self.stop(expect=None)
        shutil.rmtree(self.base.parent, ignore_errors=True)
        subprocess.run([*self.systemctl, "reset-failed"], check=False)

    def own(self):
        for path in (self.base.parent, self.base, self.config):
            shutil.chown(path, self.user, self.user)
        os.chmod(self.base, 0o700)

    def command(self, *args, env=None):
        return [*self.as_user, *(f"{k}={v}" for k, v in (env or {}).items()), "pylon", "--user", *args]

    def log(self):
        return subprocess.run(["journalctl", "-b", "--no-pager", "-n", "300", f"_UID={pwd.getpwnam(self.user).pw_uid}"],
                              capture_output=True, text=True, check=False).stdout


WAYS = {way.way: way for way in (SelfFork, SystemUnits, UserUnits)}
