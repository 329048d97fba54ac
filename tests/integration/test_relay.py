"""pylon-relay alone: its local relay against a websocket that is not ours, and its two sides against a
relay and a service."""
import asyncio
import contextlib
import http
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
import websockets

from parts import BUILD, NODE, free_port, wait_for

KEY, OTHER = "11" * 32, "22" * 32
OFF = 'local = false'


class Lines:
    """A process that speaks in lines of JSON."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def send(self, *words):
        self.raw(json.dumps(words))

    def raw(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def next(self, seconds=10):
        return self.lines.get(timeout=seconds)

    def until(self, condition, seconds=10):
        """The first that fits; those before it are dropped."""
        deadline = time.monotonic() + seconds
        while True:
            one = self.next(max(0.01, deadline - time.monotonic()))
            if condition(one):
                return one

    def quiet(self, seconds=0.3):
        with contextlib.suppress(queue.Empty):
            return self.next(seconds) and False
        return True

    def close(self):
        self.process.kill()
        self.process.wait()


class Wire(Lines):
    """A client of a relay."""

    def __init__(self, url, *origin):
        super().__init__("node", NODE / "wire.mjs", url, *origin)
        self.first = self.next()
        if "open" in self.first:
            self.challenge = self.message("AUTH")[1]

    def message(self, *head, seconds=10):
        return self.until(lambda x: x.get("message", [])[: len(head)] == list(head), seconds)["message"]

    def sign(self, key=KEY, **template):
        self.raw(json.dumps({"sign": {"key": key, **template}}))
        return self.until(lambda x: "signed" in x)["signed"]

    def publish(self, event):
        self.send("EVENT", event)
        return self.message("OK", event["id"])[2:]

    def stored(self, *filters, name="stored"):
        """The ids of what is stored, in the order in which it comes."""
        self.send("REQ", name, *filters)
        ids = []
        while True:
            m = self.until(lambda x: x.get("message", ["", ""])[1] == name)["message"]
            if m[0] == "EOSE":
                self.send("CLOSE", name)
                return ids
            assert m[0] == "EVENT", m
            ids.append(m[2]["id"])

    def auth(self, url, key=KEY):
        event = self.sign(key, kind=22242, tags=[["relay", url], ["challenge", self.challenge]])
        self.send("AUTH", event)
        return self.message("OK", event["id"])[2:]


class Service:
    """pylon-relay as the supervisor starts it: with its listening socket, and nobody else around."""

    def __init__(self, folder, relays, more="", allowed=()):
        self.base = folder / ".openagents/pylon"
        (self.base / "run").mkdir(parents=True)
        self.port = free_port()
        (self.base / "config.toml").write_text(
            f"relays = {json.dumps(relays or [self.url])}\n[relay]\n{(more or '{listen}').replace('{listen}', self.listen(self.port))}\n"
            f"allowed_origins = {json.dumps(list(allowed))}\n")
        self.log = open(folder / "relay.log", "ab")
        self.socket = socket.socket(socket.AF_UNIX)
        self.path = self.base / "run/relay.sock"
        self.socket.bind(str(self.path))
        self.socket.listen()
        self.process = None
        self.start()

    @staticmethod
    def listen(port):
        return f'listen = "127.0.0.1:{port}"'

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    def start(self):
        fd = self.socket.fileno()
        script = (f"exec 3<&{fd}; export LISTEN_FDS=1 LISTEN_FDNAMES=relay LISTEN_PID=$$; "
                  f"exec {BUILD / 'src/relay/pylon-relay'}")
        self.process = subprocess.Popen(["bash", "-c", script], pass_fds=[fd], stderr=self.log, stdout=self.log,
                                        env={**os.environ, "HOME": str(self.base.parents[1]), "PYLON_LOG": "debug"})

    def kill(self):
        self.process.kill()
        self.process.wait()

    def text(self):
        return (self.base.parents[1] / "relay.log").read_text()


@pytest.fixture
def make_service(tmp_path):
    made = []

    def make(relays=None, more="", folder="service", **options):
        (tmp_path / folder).mkdir()
        made.append(Service(tmp_path / folder, relays, more, **options))
        return made[-1]

    yield make
    for one in made:
        one.process.terminate()
        code = one.process.wait(10)
        one.socket.close()
        assert code == 0, one.text()[-5000:]
        assert "Sanitizer" not in one.text(), one.text()[-5000:]


@pytest.fixture
def service(make_service):
    one = make_service()
    wait_for(lambda: can_connect(one.port), 10, "the local relay listens")
    return one


@pytest.fixture
def connect():
    made = []

    def make(url, *origin):
        made.append(Wire(url, *origin))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def ask():
    made = []

    def make(service):
        made.append(Lines(BUILD / "tests/integration/tool-relay", service.path))
        return made[-1]

    yield make
    for one in made:
        one.close()


def can_connect(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


# ---- the local relay

def test_nip01_stored_then_live(service, connect):
    a, b = connect(service.url), connect(service.url)
    old = [a.sign(created_at=1700000000 + n, content=f"n{n}") for n in range(5)]
    for event in old:
        assert a.publish(event) == [True, ""]
    assert a.publish(old[0])[0] is True
    b.send("REQ", "live", {"kinds": [1], "limit": 2})
    assert b.message("EVENT", "live")[2] == old[4]
    assert b.message("EVENT", "live")[2] == old[3]
    b.message("EOSE", "live")
    new = a.sign(content="new")
    a.publish(new)
    assert b.message("EVENT", "live")[2] == new
    b.send("CLOSE", "live")
    a.publish(a.sign(content="unseen"))
    assert b.quiet()


def test_nip01_filters(service, connect):
    c = connect(service.url)
    one = c.sign(kind=5050, created_at=1700000001, tags=[["t", "x"], ["p", "ab" * 32]])
    two = c.sign(OTHER, kind=5970, created_at=1700000002, tags=[["t", "y"], ["i", "long " * 100]])
    for e in (one, two):
        assert c.publish(e)[0]
    assert c.stored({"#t": ["x"]}) == [one["id"]]
    assert c.stored({"#p": ["ab" * 32], "kinds": [5050]}) == [one["id"]]
    assert c.stored({"authors": [two["pubkey"]]}) == [two["id"]]
    assert c.stored({"ids": [one["id"], two["id"]]}) == [two["id"], one["id"]]
    assert c.stored({"since": 1700000002, "until": 1700000002}) == [two["id"]]
    assert c.stored({"kinds": [5050]}, {"#t": ["y", "x"]}) == [two["id"], one["id"]]
    assert c.stored({"#i": ["long " * 100]}) == [two["id"]]
    assert c.stored({"kinds": [5050, 5970], "limit": 1}) == [two["id"]]
    assert c.stored({"limit": 0}) == []
    assert c.stored({"#t": ["x"], "kinds": [1]}) == []


def test_nip01_replaceable_and_addressable(service, connect):
    c = connect(service.url)
    now = int(time.time())
    first = c.sign(kind=10002, created_at=now - 10)
    second = c.sign(kind=10002, created_at=now - 5)
    assert c.publish(second)[0]
    assert c.publish(first)[1].startswith("duplicate:")
    assert c.stored({"kinds": [10002]}) == [second["id"]]
    third = c.sign(kind=10002, created_at=now)
    c.publish(third)
    assert c.stored({"kinds": [10002]}) == [third["id"]]
    x = c.sign(kind=31990, tags=[["d", "x"]])
    y = c.sign(kind=31990, tags=[["d", "y"]])
    theirs = c.sign(OTHER, kind=31990, tags=[["d", "x"]])
    for e in (x, y, theirs):
        c.publish(e)
    assert set(c.stored({"kinds": [31990]})) == {x["id"], y["id"], theirs["id"]}
    same = sorted((c.sign(kind=0, created_at=now, content=str(n)) for n in range(4)), key=lambda e: e["id"])
    for e in (same[1], same[3], same[0], same[2]):
        c.publish(e)
    assert c.stored({"kinds": [0]}) == [same[0]["id"]]


def test_nip01_ephemeral(service, connect):
    a, b = connect(service.url), connect(service.url)
    b.send("REQ", "e", {"kinds": [20001]})
    b.message("EOSE", "e")
    event = a.sign(kind=20001)
    assert a.publish(event)[0]
    assert b.message("EVENT", "e")[2] == event
    assert a.stored({"kinds": [20001]}) == []
    assert a.publish(a.sign(kind=20001, created_at=int(time.time()) - 600))[1].startswith("invalid:")


def test_nip01_refuses(service, connect):
    c = connect(service.url)
    good = c.sign(content="good")
    c.send("EVENT", {**good, "content": "bad"})
    assert c.message("OK", good["id"])[2] is False
    c.send("EVENT", {**good, "sig": good["sig"][:-1] + ("0" if good["sig"][-1] != "0" else "1")})
    assert c.message("OK", good["id"])[3].startswith("invalid:")
    assert c.publish(good)[0], "a bad copy costs the good one nothing"
    assert c.publish(c.sign(created_at=int(time.time()) + 3600))[1].startswith("invalid:")
    c.send("REQ", "bad", {"kinds": "x"})
    assert c.message("CLOSED", "bad")[2].startswith("invalid:")
    for n in range(80):
        c.send("REQ", f"many{n}", {"kinds": [9999]})
    assert c.message("CLOSED", "many79")[2].startswith("error:")


def test_nip09_deletion(service, connect):
    c = connect(service.url)
    mine, theirs = c.sign(content="mine"), c.sign(OTHER, content="theirs")
    address = c.sign(kind=31990, tags=[["d", "a"]], created_at=1700000000)
    for e in (mine, theirs, address):
        assert c.publish(e)[0]
    name = f"31990:{mine['pubkey']}:a"
    c.publish(c.sign(kind=5, tags=[["e", mine["id"]], ["e", theirs["id"]], ["a", name]]))
    assert c.stored({"kinds": [1]}) == [theirs["id"]]
    assert c.stored({"kinds": [31990]}) == []
    assert c.publish(mine) == [False, "blocked: its author asked to delete it"]
    assert c.publish(address)[0] is False
    assert len(c.stored({"kinds": [5]})) == 1
    assert c.publish(c.sign(kind=31990, tags=[["d", "a"]], created_at=int(time.time()) + 5))[0]


def test_nip11_information(service):
    request = urllib.request.Request(f"http://127.0.0.1:{service.port}/",
                                     headers={"Accept": "application/nostr+json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.headers["content-type"] == "application/nostr+json"
        assert answer.headers["access-control-allow-origin"] == "*"
        info = json.loads(answer.read())
    assert set(info["supported_nips"]) >= {1, 9, 11, 40, 42, 45}
    assert info["limitation"]["max_message_length"] > 65536
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(f"http://127.0.0.1:{service.port}/", timeout=5)
    assert e.value.code == 404


def test_nip40_expiration(service, connect):
    c = connect(service.url)
    now = int(time.time())
    short = c.sign(content="short", tags=[["expiration", str(now + 2)]])
    assert c.publish(short)[0]
    assert c.stored({"kinds": [1]}) == [short["id"]]
    assert c.publish(c.sign(tags=[["expiration", str(now - 1)]]))[1].startswith("invalid:")
    wait_for(lambda: time.time() > now + 2.1, 5, "it has expired")
    assert c.stored({"kinds": [1]}) == []


def test_nip42_private_messages(service, connect):
    a, b = connect(service.url), connect(service.url)
    me = b.sign(OTHER)["pubkey"]
    secret = a.sign(kind=4, tags=[["p", me]], content="x?iv=y")
    foreign = a.sign(kind=4, tags=[["p", "cd" * 32]], content="x?iv=y")
    for e in (secret, foreign):
        assert a.publish(e)[0]
    b.send("REQ", "dm", {"kinds": [4], "#p": [me]})
    assert b.message("CLOSED", "dm")[2].startswith("auth-required:")
    assert b.auth("ws://other.example", OTHER)[0] is False
    assert b.auth(service.url, OTHER) == [True, ""]
    assert b.stored({"kinds": [4]}) == [secret["id"]]
    protected = a.sign(tags=[["-"]])
    assert a.publish(protected)[1].startswith("auth-required:")
    assert a.auth(service.url)[0] and a.publish(protected)[0]


def test_nip45_count(service, connect):
    c = connect(service.url)
    for n in range(7):
        c.publish(c.sign(kind=7, content=str(n)))
    c.send("COUNT", "n", {"kinds": [7]})
    assert c.message("COUNT", "n")[2]["count"] == 7


def test_events_survive_a_kill(service, connect):
    c = connect(service.url)
    event = c.sign(content="kept")
    assert c.publish(event)[0]
    service.kill()
    service.start()
    wait_for(lambda: can_connect(service.port), 10, "the local relay is back")
    assert connect(service.url).stored({"kinds": [1]}) == [event["id"]]


def test_hostile_frames_cost_only_an_answer(service, connect):
    c, other = connect(service.url), connect(service.url)
    for frame in ("no json", "[]", "[1]", '["EVENT"]', '["EVENT",1]', '["REQ"]', '["REQ","x",[]]', '["WHAT",1]',
                  '["REQ","' + "s" * 65 + '",{}]', "[" * 5000, '["EVENT",{"id":1}]', '["OK","x",true,""]'):
        c.raw(frame)
        assert c.until(lambda x: "message" in x)["message"][0] in ("NOTICE", "CLOSED"), frame
    c.raw('["EVENT","' + "x" * 200000 + '"]')
    c.message("NOTICE")
    c.raw(json.dumps({"binary": "bytes"}))
    c.message("NOTICE")
    event = other.sign(content="still here")
    assert other.publish(event)[0] and c.stored({"kinds": [1]}) == [event["id"]]


def test_a_page_that_is_not_listed_is_refused(make_service, connect):
    one = make_service(allowed=["https://good.example"])
    wait_for(lambda: can_connect(one.port), 10, "the local relay listens")
    assert "403" in connect(one.url, "https://evil.example").first["refused"]
    assert "open" in connect(one.url, "https://good.example").first
    request = urllib.request.Request(f"http://127.0.0.1:{one.port}/", headers={
        "Accept": "application/nostr+json", "Origin": "https://evil.example"})
    with pytest.raises(urllib.error.HTTPError) as e:
        urllib.request.urlopen(request, timeout=5)
    assert e.value.code == 403


def test_a_busy_port_warns_and_the_service_goes_on(make_service, ask, tmp_path):
    first = make_service()
    wait_for(lambda: can_connect(first.port), 10, "the local relay listens")
    second = make_service([first.url], folder="second", more=Service.listen(first.port))
    wait_for(lambda: "another program listens" in second.text(), 10, "a warning")
    service = ask(second)
    service.send("subscribe", "s", ['{"kinds":[1]}'], [])
    service.until(lambda x: x[0] == "live")


# ---- between services and relays

def test_stored_and_live_events_reach_a_subscriber_once(make_service, ask, connect, relay, second_relay):
    one = make_service([relay.url, second_relay.url], OFF)
    wires = [connect_plain(r.url) for r in (relay, second_relay)]
    service = ask(one)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    lives = {service.until(lambda x: x[0] == "live")[2] for _ in range(2)}
    assert lives == {relay.url, second_relay.url}
    events = [wires[0].sign(kind=5970, content=str(n)) for n in range(20)]
    for event in events:
        for wire in wires:
            assert wire.publish(event)[0]
    got = [service.until(lambda x: x[0] == "event") for _ in events]
    assert [g[4]["id"] for g in got] == [e["id"] for e in events]
    assert service.quiet()
    assert [g[2] for g in got] == list(range(got[0][2], got[0][2] + 20))
    for wire in wires:
        wire.close()


def connect_plain(url):
    """A relay that does not challenge."""
    wire = Wire.__new__(Wire)
    Lines.__init__(wire, "node", NODE / "wire.mjs", url)
    assert "open" in wire.next()
    return wire


def test_what_was_not_acknowledged_comes_again(make_service, ask, relay):
    one = make_service([relay.url], OFF)
    wire = connect_plain(relay.url)
    service = ask(one)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    service.until(lambda x: x[0] == "live")
    events = [wire.sign(kind=5970, content=str(n)) for n in range(4)]
    for event in events:
        wire.publish(event)
    got = [service.until(lambda x: x[0] == "event") for _ in events]
    service.send("ack", "jobs", got[1][2])
    wait_for(lambda: rows(one, "select count(*) from seen")[0][0] == 2, 5, "two are done with")
    one.kill()
    service.close()
    wire.publish(missed := wire.sign(kind=5970, content="while it was down"))
    one.start()
    service = ask(one)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    ids = {service.until(lambda x: x[0] == "event")[4]["id"] for _ in range(3)}
    assert ids == {events[2]["id"], events[3]["id"], missed["id"]}
    service.until(lambda x: x[0] == "live")
    assert service.quiet()
    wire.close()


def rows(one, sql):
    import sqlite3
    with contextlib.closing(sqlite3.connect(f"file:{one.base / 'relay.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def test_a_gap_is_filled(make_service, ask, relay):
    one = make_service([relay.url], OFF)
    wire = connect_plain(relay.url)
    service = ask(one)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    service.until(lambda x: x[0] == "live")
    n = 1500  # more than the window
    sent = set()
    now = int(time.time())
    for i in range(n):
        # Pages go by the second: no relay can say more of one second than it sends at a time.
        wire.raw(json.dumps({"sign": {"key": KEY, "kind": 5970, "content": str(i), "created_at": now - i // 100}}))
    for i in range(n):
        event = wire.until(lambda x: "signed" in x)["signed"]
        wire.send("EVENT", event)
        sent.add(event["id"])
    for i in range(n):
        wire.message("OK", seconds=30)
    got = [service.until(lambda x: x[0] == "event") for _ in range(1024)]
    assert service.quiet(), "the window is full"
    service.send("ack", "jobs", got[-1][2])
    while len(got) < n:
        got.append(service.until(lambda x: x[0] == "event", 20))
        if len(got) % 100 == 0:
            service.send("ack", "jobs", got[-1][2])
    assert {g[4]["id"] for g in got} == sent
    wire.close()


def test_the_outbox_survives_kills_and_a_relay_that_is_away(make_service, ask, relay):
    one = make_service([relay.url], OFF)
    wire = connect_plain(relay.url)
    first, second = (wire.sign(kind=6970, content=c) for c in "ab")
    service = ask(one)
    service.send("publish", json.dumps(first), [], True)
    assert service.until(lambda x: x[0] == "published")[1] == 0
    assert service.until(lambda x: x[0] == "outcome")[1:4] == [first["id"], relay.url, 1]
    wire.close()
    relay.kill()
    service.send("publish", json.dumps(second), [], True)
    assert service.until(lambda x: x[0] == "published")[1] == 0
    one.kill()
    service.close()
    relay.start()
    one.start()
    wait_for(lambda: [e["id"] for e in relay.events(6970)] == [first["id"], second["id"]], 20, "job 2 arrives")
    service = ask(one)
    service.send("publish", json.dumps(second), [], True)
    seen = {service.until(lambda x: x[0] == "outcome")[1] for _ in range(2)}
    assert seen == {first["id"], second["id"]}, "outcomes are kept until they are forgotten"
    for event in (first, second):
        service.send("forget", event["id"])
    wait_for(lambda: rows(one, "select count(*) from outbox")[0][0] == 0, 5, "the outbox is empty")


def test_bad_frames_of_a_relay_are_skipped(make_service, ask, relay):
    one = make_service([relay.url], OFF)
    wire = connect_plain(relay.url)
    service = ask(one)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    service.until(lambda x: x[0] == "live")
    event = wire.sign(kind=5970)
    other = wire.sign(kind=1)
    for frame in ("no json", "[]", '["EVENT","SUB",{}]', '["EVENT","SUB",' + json.dumps({**event, "content": "x"}) + "]",
                  '["EVENT","SUB",' + json.dumps(other) + "]", '["EVENT","nobody",' + json.dumps(event) + "]",
                  "x" * 300000, '["NOTICE","hello"]', '["EOSE","SUB"]', '["OK","' + "0" * 64 + '",true,""]'):
        relay.inject(frame)
    relay.inject(b"\xc0\xaf")
    relay.inject("bytes", binary=True)
    wire.publish(event)
    assert service.until(lambda x: x[0] == "event")[4]["id"] == event["id"]
    assert service.quiet()
    wire.close()


def test_two_instances_meet_at_a_local_relay_with_auth(make_service, ask, connect):
    """Upstream and local relay are the same program: the one speaks to the other."""
    one = make_service()
    wait_for(lambda: can_connect(one.port), 10, "the local relay listens")
    service = ask(one)
    service.send("subscribe", "all", ['{"kinds":[1]}'], [])
    service.until(lambda x: x[0] == "live")
    wire = connect(one.url)
    event = wire.sign(content="through our own relay")
    wire.publish(event)
    assert service.until(lambda x: x[0] == "event")[4]["id"] == event["id"]
    mine = wire.sign(content="published by a service")
    service.send("publish", json.dumps(mine), [], False)
    assert service.until(lambda x: x[0] == "outcome")[3] == 1
    assert set(wire.stored({"kinds": [1]})) == {event["id"], mine["id"]}


def test_relays_that_a_job_names_are_used_and_forgotten(make_service, ask, relay, second_relay):
    one = make_service([relay.url], OFF)
    wire = connect_plain(relay.url)
    event = wire.sign(kind=6970)
    service = ask(one)
    named = ["no address", second_relay.url, second_relay.url + "/", "ws://127.0.0.1:9/"]
    service.send("publish", json.dumps(event), named, True)
    assert service.until(lambda x: x[0] == "published")[1] == 0
    assert service.until(lambda x: x[0] == "outcome")[1:4] == [event["id"], second_relay.url, 1]
    assert [e["id"] for e in second_relay.events(6970)] == [event["id"]]
    assert relay.events(6970) == []
    other = wire.sign(kind=6970, content="to nobody in particular")
    service.send("publish", json.dumps(other), ["nonsense"], False)
    assert service.until(lambda x: x[0] == "outcome")[1:4] == [other["id"], relay.url, 1]
    wire.close()


def test_many_names_of_strangers_push_each_other_out(make_service, ask, relay):
    one = make_service([relay.url], OFF)
    wire = connect_plain(relay.url)
    service = ask(one)
    for i in range(10):
        event = wire.sign(kind=6970, content=str(i))
        service.send("publish", json.dumps(event), [f"ws://127.0.0.1:{9 + n}/{i}" for n in range(15)] + [relay.url], True)
        assert service.until(lambda x: x[0] == "outcome" and x[3] == 1)[1:3] == [event["id"], relay.url]
        time.sleep(0.3)
    assert len(relay.events(6970)) == 10
    wire.close()


class Tls:
    """A TLS socket in front of a relay, with a certificate for "localhost" and "relay.example" by an authority of its own."""

    def __init__(self, folder, port):
        folder.mkdir()
        self.ca = folder / "ca.pem"
        for command in (
                "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority",
                "req -newkey rsa:2048 -nodes -keyout key.pem -out req.pem -subj /CN=localhost "
                "-addext subjectAltName=DNS:localhost,DNS:relay.example",
                "x509 -req -in req.pem -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 "
                "-copy_extensions copyall"):
            subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.target = self.listener.getsockname()[1], port
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with contextlib.suppress(OSError):
                    inside = socket.create_connection(("127.0.0.1", self.target))
                    outside = self.context.wrap_socket(client, server_side=True)
                    for a, b in ((inside, outside), (outside, inside)):
                        threading.Thread(target=self._copy, args=(a, b), daemon=True).start()

    @staticmethod
    def _copy(a, b):
        with contextlib.suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)


def test_wss_with_a_known_authority_only(make_service, ask, relay, tmp_path):
    tls = Tls(tmp_path / "tls", relay.port)
    url = f"wss://localhost:{tls.port}"
    good = make_service([url], f'{OFF}\nca_file = "{tls.ca}"')
    service = ask(good)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    assert service.until(lambda x: x[0] == "live", 20) == ["live", "jobs", url]
    wire = connect_plain(relay.url)
    wire.publish(event := wire.sign(kind=5970, content="x" * 20000))
    assert service.until(lambda x: x[0] == "event")[4] == event
    answer = wire.sign(kind=6970, content="y" * 20000)
    service.send("publish", json.dumps(answer), [], False)
    assert service.until(lambda x: x[0] == "outcome")[3] == 1
    for name, address, more in (("unknown", url, OFF), ("other", f"wss://127.0.0.1:{tls.port}", f'{OFF}\nca_file = "{tls.ca}"')):
        bad = make_service([address], more, folder=name)
        asker = ask(bad)
        asker.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
        wait_for(lambda: "cannot be reached" in bad.text(), 10, "the certificate is refused")
        assert "Connected" not in bad.text()
    wire.close()


class Forward:
    """Hands connections to another port of this machine; with an answer to CONNECT first it is a proxy."""

    def __init__(self, target, host="127.0.0.1", port=0, proxy=False):
        self.listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen()
        self.port, self.target, self.proxy = self.listener.getsockname()[1], target, proxy
        self.asked = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            if self.proxy:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += client.recv(4096)
                self.asked.append(head.split(b"\r\n")[0].decode())
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            inside = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=Tls._copy, args=(inside, client), daemon=True).start()
            Tls._copy(client, inside)

    def close(self):
        self.listener.close()


@contextlib.contextmanager
def black_hole():
    """A port whose queue is full: whoever connects hears nothing at all."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fill = [socket.socket() for _ in range(4)]
    for s in fill:
        s.setblocking(False)
        s.connect_ex(listener.getsockname())
    yield listener.getsockname()[1]
    for s in (*fill, listener):
        s.close()


def test_an_address_that_does_not_answer_delays_nobody(make_service, ask, relay):
    """localhost is 127.0.0.1, where nobody answers, and ::1."""
    with black_hole() as port:
        door = Forward(relay.port, "::1", port)
        service = ask(make_service([f"ws://localhost:{port}"], OFF))
        before = time.monotonic()
        service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
        assert service.until(lambda x: x[0] == "live")[1] == "jobs"
        assert 0.2 < time.monotonic() - before < 3
        door.close()


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_relays_elsewhere_are_reached_by_the_proxy_which_looks_their_names_up(make_service, ask, relay, tmp_path, secure):
    tls = Tls(tmp_path / "tls", relay.port)
    proxy = Forward(tls.port if secure else relay.port, proxy=True)
    url, here = ("wss" if secure else "ws") + "://relay.example:4430", relay.url
    one = make_service([url, here], f'{OFF}\nca_file = "{tls.ca}"\nproxy = "127.0.0.1:{proxy.port}"')
    service = ask(one)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    assert {service.until(lambda x: x[0] == "live", 20)[2] for _ in range(2)} == {url, here}
    assert {tuple(line.split()[:2]) for line in proxy.asked} == {("CONNECT", url.partition("//")[2])}
    wire = connect_plain(relay.url)
    wire.publish(event := wire.sign(kind=5970, content="by the proxy"))
    assert service.until(lambda x: x[0] == "event")[4] == event
    proxy.close()
    wire.close()


def test_a_reload_moves_subscriptions(make_service, ask, relay, second_relay):
    one = make_service([relay.url], OFF)
    service = ask(one)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    assert service.until(lambda x: x[0] == "live")[2] == relay.url
    config = one.base / "config.toml"
    config.write_text(config.read_text().replace(relay.url, second_relay.url))
    one.process.send_signal(signal.SIGHUP)
    assert service.until(lambda x: x[0] == "live")[2] == second_relay.url
    wait_for(lambda: not relay.subscribers(), 10, "the old relay is left")
    wire = connect_plain(second_relay.url)
    wire.publish(event := wire.sign(kind=5970))
    assert service.until(lambda x: x[0] == "event")[4]["id"] == event["id"]
    wire.close()


class Doorkeeper:
    """A relay that takes events from those it knows only, and says so late."""

    def __init__(self):
        self.port, self.events, self.refused, self.keys = free_port(), [], 0, set()
        self.ready = threading.Event()
        threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True).start()
        assert self.ready.wait(10)

    async def _serve(self):
        async with websockets.serve(self._talk, "127.0.0.1", self.port):
            self.ready.set()
            await asyncio.Future()

    async def _talk(self, ws, *_):
        known = False
        await ws.send(json.dumps(["AUTH", "who"]))
        async for line in ws:
            m = json.loads(line)
            if m[0] == "AUTH":
                known = ["challenge", "who"] in m[1]["tags"] and m[1]["kind"] == 22242
                self.keys.add(m[1]["pubkey"])
                await ws.send(json.dumps(["OK", m[1]["id"], known, ""]))
            elif m[0] == "EVENT" and known:
                self.events.append(m[1]["id"])
                await ws.send(json.dumps(["OK", m[1]["id"], True, ""]))
            elif m[0] == "EVENT":
                self.refused += 1
                await ws.send(json.dumps(["OK", m[1]["id"], False, "auth-required: who are you"]))


def test_an_event_needs_the_work_that_is_wanted(make_service, connect):
    one = make_service(more='{listen}\nmin_pow = 4')
    wire = connect(one.url)
    plain = wire.sign(kind=1, content="none", tags=[["nonce", "1", "3"]])
    assert wire.publish(plain) == [False, "pow: more proof of work is wanted here"]
    for n in range(1000):
        mined = wire.sign(kind=1, content="some", tags=[["nonce", str(n), "4"]])
        if mined["id"][0] == "0":
            break
    assert wire.publish(mined) == [True, ""]


def test_what_programs_publish_here_goes_on_to_the_other_relays(make_service, connect, relay):
    one = make_service([relay.url], '{listen}\nlocal = true\nforward = true')
    wire = connect(one.url)
    event = wire.sign(kind=1, content="for everybody")
    assert wire.publish(event) == [True, ""]
    wait_for(lambda: event["id"] in {e["id"] for e in relay.events(1)}, 10, "it is on the other relay")
    protected = wire.sign(kind=1, content="stays", tags=[["-"]])
    wire.auth(one.url)
    assert wire.publish(protected) == [True, ""]
    relay.kill()
    late = wire.sign(kind=1, content="while it was away")
    assert wire.publish(late) == [True, ""]
    one.kill()
    one.start()
    relay.start()
    ask_it = Lines(BUILD / "tests/integration/tool-relay", one.path)
    ask_it.send("subscribe", "wake", ['{"kinds":[5970]}'], [])
    wait_for(lambda: late["id"] in {e["id"] for e in relay.events(1)}, 30, "it goes on after a restart")
    assert protected["id"] not in {e["id"] for e in relay.events(1)}
    ask_it.close()


class Strict:
    """A relay that tells its limits (NIP-11), keeps to them, and notes who did not."""

    def __init__(self, stored=(), **limits):
        self.port, self.limits, self.stored = free_port(), limits, list(stored)
        self.events, self.broken, self.documents = [], [], 0
        self.ready = threading.Event()
        threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True).start()
        assert self.ready.wait(10)

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.port}"

    async def _serve(self):
        async with websockets.serve(self._talk, "127.0.0.1", self.port, process_request=self._document):
            self.ready.set()
            await asyncio.Future()

    async def _document(self, _, headers):
        if headers.get("Accept") != "application/nostr+json":
            return None
        self.documents += 1
        document = {"name": "strict", "supported_nips": [1, 11], "limitation": self.limits}
        return http.HTTPStatus.OK, [("Content-Type", "application/nostr+json")], json.dumps(document).encode()

    async def _talk(self, ws, *_):
        is_open = set()
        async for line in ws:
            m = json.loads(line)
            if m[0] == "EVENT":
                self.events.append(m[1]["id"])
                if len(line) > self.limits.get("max_message_length", 1 << 20):
                    self.broken.append("size")
                await ws.send(json.dumps(["OK", m[1]["id"], True, ""]))
            elif m[0] == "REQ":
                is_open.add(m[1])
                if len(is_open) > self.limits.get("max_subscriptions", 100):
                    self.broken.append("subscriptions")
                fits = [e for e in self.stored if m[2].get("since", 0) <= e["created_at"] <= m[2].get("until", 1 << 40)]
                for event in fits[: self.limits.get("max_limit", 500)]:
                    await ws.send(json.dumps(["EVENT", m[1], event]))
                await ws.send(json.dumps(["EOSE", m[1]]))
            elif m[0] == "CLOSE":
                is_open.discard(m[1])


def status_of(relay, url):
    """Without the command, which needs an instance around the service."""
    done = subprocess.run(["busctl", f"--address=unix:path={relay.path}", "--json=short", "call",
                           "com.openagents.Pylon1.Relay", "/com/openagents/Pylon1", "com.openagents.Pylon1.Relay",
                           "Status", "s", url], capture_output=True, text=True, check=True)
    return {key: value["data"] for key, value in json.loads(done.stdout)["data"][0].items()}


def test_what_a_relay_says_it_refuses_is_not_sent_to_it(make_service, ask, relay):
    strict = Strict(max_message_length=4096, min_pow_difficulty=1)
    one = make_service([strict.url], OFF)
    service = ask(one)
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    assert service.until(lambda x: x[0] == "live")[2] == strict.url
    status = wait_for(lambda: (s := status_of(one, strict.url)).get("name") and s, 10, "the document was read")
    assert status["name"] == "strict" and status["message_max"] == 4096 and status["pow_min"] == 1
    assert status["nips"] == [1, 11] and status["state"] == "up" and 0 < status["latency_usec"] < 1_000_000
    wire = connect_plain(relay.url)
    events = []
    while sorted({e["id"][0] < "8" for e in events}) != [False, True]:
        events.append(wire.sign(kind=6970, content=f"small {len(events)}"))
    events.append(wire.sign(kind=6970, content="x" * 5000))
    for event in events:
        service.send("publish", json.dumps(event), [], False)
        outcome = service.until(lambda x: x[0] == "outcome" and x[1] == event["id"])
        fine = event["id"][0] < "8" and len(event["content"]) < 5000
        assert outcome[3] == (1 if fine else 0), outcome
        assert outcome[4].startswith("" if fine else "invalid:" if len(event["content"]) == 5000 else "pow:")
        assert (event["id"] in strict.events) == fine
    assert strict.broken == [] and strict.documents == 1
    wire.close()


def test_a_relay_gets_no_more_subscriptions_than_it_allows(make_service, ask, relay):
    strict = Strict(max_subscriptions=2)
    one = make_service([strict.url], OFF)
    service = ask(one)
    service.send("subscribe", "first", ['{"kinds":[1]}'], [])
    assert service.until(lambda x: x[0] == "live")[1] == "first"
    wait_for(lambda: status_of(one, strict.url).get("name"), 10, "the document was read")
    service.send("subscribe", "second", ['{"kinds":[2]}'], [])
    assert service.until(lambda x: x[0] == "live")[1] == "second"
    service.send("subscribe", "third", ['{"kinds":[3]}'], [])
    wait_for(lambda: "fewer subscriptions" in status_of(one, strict.url)["error"], 10, "it is told")
    assert strict.broken == []


def test_stored_events_come_whole_from_a_relay_with_a_small_limit(make_service, ask, relay):
    wire = connect_plain(relay.url)
    now = int(time.time())
    stored = [wire.sign(kind=5970, content=str(n), created_at=now - n) for n in range(20)]
    strict = Strict(stored, max_limit=4)
    service = ask(one := make_service([strict.url], OFF))
    service.send("subscribe", "other", ['{"kinds":[1]}'], [])
    assert service.until(lambda x: x[0] == "live")[1] == "other"
    wait_for(lambda: status_of(one, strict.url).get("limit_max") == 4, 10, "the document was read")
    service.send("subscribe", "jobs", ['{"kinds":[5970]}'], [])
    ids = {service.until(lambda x: x[0] == "event" and x[1] == "jobs")[4]["id"] for _ in stored}
    assert ids == {e["id"] for e in stored}
    wire.close()


@pytest.mark.skipif("start" not in os.environ.get("PYLON_WAYS", "start"), reason="needs the way \"start\"")
def test_events_that_need_a_name_are_sent_again_with_one(make_pylon, connect, relay):
    door = Doorkeeper()
    pylon = make_pylon("start", [relay.url])
    pylon.start()
    service = Lines(BUILD / "tests/integration/tool-relay", pylon.base / "run/relay.sock")
    wire = connect_plain(relay.url)
    events = [wire.sign(kind=6970, content=str(n)) for n in range(5)]
    for event in events:
        service.send("publish", json.dumps(event), [f"ws://127.0.0.1:{door.port}"], True)
    seen = {service.until(lambda x: x[0] == "outcome" and x[3] == 1)[1] for _ in events}
    assert seen == {e["id"] for e in events}
    assert sorted(door.events) == sorted(seen) and 1 <= door.refused <= 5 and len(door.keys) == 1
    wire.close()
    service.close()


@pytest.mark.skipif("start" not in os.environ.get("PYLON_WAYS", "start"), reason="needs the way \"start\"")
def test_a_relay_that_asks_who_we_are_is_answered(make_pylon, relay):
    """NIP-42, with our own local relay as the one that asks: it shows gift wraps to nobody unknown."""
    pylon = make_pylon("start", [relay.url])
    pylon.start()
    service = Lines(BUILD / "tests/integration/tool-relay", pylon.base / "run/relay.sock")
    url = f"ws://127.0.0.1:{pylon.local_port}"
    service.send("subscribe", "wraps", ['{"kinds":[1059]}'], [url])
    assert service.until(lambda x: x[0] == "live") == ["live", "wraps", url]
    service.close()
