"""pylon-relay between a relay that means harm and a good one that is not ours: what the good one brings
still comes in time, memory stays bounded, nothing crashes. And a local client that means harm."""
import contextlib
import json
import os
import pathlib
import queue
import socket
import sqlite3
import subprocess
import time
import urllib.request

import pytest

from parts import BUILD, NODE, mining_job, wait_for
from test_relay import OFF, Lines, Wire, ask, can_connect, connect, connect_plain, make_service, rows, service  # noqa: F401

SANITIZED = "__asan_init" in subprocess.run(["nm", "-D", BUILD / "src/relay/pylon-relay"], capture_output=True,
                                            text=True).stdout
FAULTS = b"PYLON_FAULTS" in (BUILD / "src/relay/pylon-relay").read_bytes()
JOBS = ['{"kinds":[5970]}']
MEMORY_MAX = 64 * 1024  # KiB
DELAY_MAX = 5           # seconds, with two processors for everybody in the test


class Hostile:
    def __init__(self, play):
        self.process = subprocess.Popen(["node", NODE / "hostile.mjs", play], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.url = f"ws://127.0.0.1:{self.port}"

    def counts(self):
        return json.loads(urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=60).read())

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def hostile():
    made = []

    def make(play):
        made.append(Hostile(play))
        return made[-1]

    yield make
    for one in made:
        one.close()


def resident(service):
    """KiB, at its largest."""
    status = pathlib.Path(f"/proc/{service.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def spent(service):
    """Seconds of processor time."""
    fields = pathlib.Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_small(service):
    assert service.process.poll() is None, service.text()[-5000:]
    if not SANITIZED:
        assert resident(service) < MEMORY_MAX


def assert_good_one_is_served(subscriber, wire, n=10):
    """Jobs at the good relay arrive, each within the bound."""
    for i in range(n):
        event = wire.sign(kind=5970, content=f"{time.time()} {i}")
        assert wire.publish(event)[0]
        subscriber.until(lambda x: x[0] == "event" and x[4]["id"] == event["id"], DELAY_MAX)


@pytest.fixture
def between(hostile, make_service, ask, relay):
    """between(play): pylon-relay with both, subscribed to jobs; the good one is live."""
    wires = []

    def make(play):
        bad = hostile(play)
        one = make_service([bad.url, relay.url], OFF)
        subscriber = ask(one)
        subscriber.send("subscribe", "jobs", JOBS, [])
        subscriber.until(lambda x: x[:3] == ["live", "jobs", relay.url])
        wires.append(connect_plain(relay.url))
        return one, bad, subscriber, wires[-1]

    yield make
    for wire in wires:
        wire.close()


@pytest.mark.parametrize("play", [
    "bad-signatures", "forged-signatures", "not-asked-for", "unknown-subscriptions", "large-events", "same-id",
    "time-travel", "lying-ends", "closed-storm", "closed-slower", "notice-storm", "frames", "silent", "slow-upgrade",
    "no-websocket", "endless-head", "close-at-once", "cut-at-once", "half-frame", "endless-auth",
    "auth-that-never-helps"])
def test_the_good_relay_is_served_beside(play, between):
    one, bad, subscriber, wire = between(play)
    wait_for(lambda: bad.counts()["connections"] > 0, 10, "it has been reached")
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert_good_one_is_served(subscriber, wire, 3)
    assert_small(one)


@pytest.mark.parametrize("play", ["close-at-once", "cut-at-once"])
def test_a_relay_that_lets_us_in_only_to_close_is_tried_less_and_less(play, between):
    one, bad, *_ = between(play)
    begun = time.monotonic()
    wait_for(lambda: bad.counts()["connections"] >= 6, 60, "it is tried again")
    assert time.monotonic() - begun > 4
    assert_small(one)


@pytest.mark.parametrize("play", [
    "bad-signatures", "forged-signatures", "not-asked-for", "unknown-subscriptions", "lying-ends", "closed-storm",
    "notice-storm", "answers-to-nothing"])
def test_a_flood_of_what_is_not_valid_has_a_fixed_price(play, between):
    one, bad, subscriber, wire = between(play)
    wait_for(lambda: "sends too much that is not valid" in one.text(), 20, "it is hung up on")
    wait_for(lambda: bad.counts()["connections"] >= 2, 20, "and tried again")
    before = spent(one)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert_good_one_is_served(subscriber, wire, 3)
    if not SANITIZED:
        assert spent(one) - before < 1
    assert_small(one)


def test_a_storm_of_closed_is_one_line_in_the_log(between):
    one, bad, subscriber, wire = between("closed-storm")
    wait_for(lambda: "refuses a subscription" in one.text(), 10, "it is told")
    assert_good_one_is_served(subscriber, wire)
    assert one.text().count("refuses a subscription") <= bad.counts()["connections"]


def test_an_event_that_is_always_refused_for_want_of_a_name_is_not_sent_in_a_circle(between):
    one, bad, subscriber, wire = between("auth-without-challenge")
    subscriber.send("publish", json.dumps(wire.sign(kind=6970)), [bad.url], True)
    assert subscriber.until(lambda x: x[0] == "published")[1] == 0
    wait_for(lambda: bad.counts()["EVENT"] > 0, 10, "it is sent")
    assert_good_one_is_served(subscriber, wire)
    assert bad.counts()["EVENT"] == 1


def test_answers_that_lie_end_in_one_verdict(between):
    one, bad, subscriber, wire = between("lying-answers")
    event = wire.sign(kind=6970)
    subscriber.send("publish", json.dumps(event), [bad.url], True)
    assert subscriber.until(lambda x: x[0] == "published")[1] == 0
    said = subscriber.until(lambda x: x[0] == "outcome" and x[3] >= 0)
    assert said[1:4] == [event["id"], bad.url, 0]
    assert_good_one_is_served(subscriber, wire)
    assert subscriber.quiet()


@pytest.mark.skipif("start" not in os.environ.get("PYLON_WAYS", "start"), reason="needs the way \"start\"")
@pytest.mark.parametrize("play, signatures", [("auth-that-never-helps", 1), ("endless-auth", 32)])
def test_a_relay_that_asks_again_and_again_who_we_are(play, signatures, hostile, make_pylon, relay):
    bad = hostile(play)
    pylon = make_pylon("start", [bad.url, relay.url])
    pylon.start()
    wait_for(lambda: bad.counts()["REQ"] > 0, 10, "it is asked")
    wire = connect_plain(relay.url)
    for n in range(3):
        wire.publish(job := wire.sign(kind=5970, **json.loads(mining_job(content=str(n)))))
        wait_for(lambda: relay.results(job["id"]), 20, "the job is done")
    assert bad.counts()["AUTH"] <= signatures
    assert bad.counts()["REQ"] <= 2 * (signatures + 1)  # jobs, and what the market asks for
    assert bad.counts()["connections"] == 1
    wire.close()


# ---- what the relay itself must not lose


@pytest.fixture
def wire(relay):
    one = connect_plain(relay.url)
    yield one
    one.close()


def acknowledge(subscriber, one, got, n_seen):
    subscriber.send("ack", "jobs", got[2])
    wait_for(lambda: rows(one, "select count(*) from seen")[0][0] == n_seen, 5, "it is noted")


def test_a_clock_that_is_behind_costs_nobody_a_job(make_service, ask, relay, wire):
    """The watermark follows the newest event; jobs of a slower clock come before it."""
    one = make_service([relay.url], OFF)
    subscriber = ask(one)
    subscriber.send("subscribe", "jobs", JOBS, [])
    subscriber.until(lambda x: x[0] == "live")
    wire.publish(wire.sign(kind=5970, content="of our time"))
    wire.publish(not_done := wire.sign(kind=5970, content="heard", created_at=int(time.time()) - 600))
    got = [subscriber.until(lambda x: x[0] == "event") for _ in range(2)]
    acknowledge(subscriber, one, got[0], 1)
    one.kill()
    subscriber.close()
    wire.publish(missed := wire.sign(kind=5970, content="missed", created_at=int(time.time()) - 600))
    one.start()
    subscriber = ask(one)
    subscriber.send("subscribe", "jobs", JOBS, [])
    ids = {subscriber.until(lambda x: x[0] == "event")[4]["id"] for _ in range(2)}
    assert ids == {not_done["id"], missed["id"]}
    subscriber.until(lambda x: x[0] == "live")
    assert subscriber.quiet()


def test_a_relay_that_is_always_second_has_a_watermark_too(make_service, ask, relay, second_relay, wire):
    one = make_service([relay.url, second_relay.url], OFF)
    other = connect_plain(second_relay.url)
    subscriber = ask(one)
    subscriber.send("subscribe", "jobs", JOBS, [])
    for _ in range(2):
        subscriber.until(lambda x: x[0] == "live")
    later = int(time.time()) + 2
    for n in range(2):
        wait_for(lambda: time.time() > later + n, 5, "the time of the event")
        event = wire.sign(kind=5970, content=str(n), created_at=later + n)
        wire.publish(event)
        got = subscriber.until(lambda x: x[0] == "event")
        assert got[3] == relay.url
        other.publish(event)
        acknowledge(subscriber, one, got, n + 1)
    marks = dict(rows(one, "select relay, at from watermark"))
    assert set(marks) == {relay.url, second_relay.url}
    assert all(later <= mark <= later + 1 for mark in marks.values())
    other.close()


def test_a_locked_database_makes_no_subscriber_deaf(make_service, ask, relay, wire):
    """The window is full, and just then somebody's sqlite3 shell holds the lock."""
    one = make_service([relay.url], OFF)
    subscriber = ask(one)
    subscriber.send("subscribe", "jobs", JOBS, [])
    subscriber.until(lambda x: x[0] == "live")
    now = int(time.time())
    sent = [wire.sign(kind=5970, content=f"{n}" + "x" * 100000, created_at=now - n) for n in range(180)]
    for event in sent:
        assert wire.publish(event)[0]
    got = []
    with contextlib.suppress(queue.Empty):
        while True:
            got.append(subscriber.next(2))
    assert len(got) < len(sent)
    with contextlib.closing(sqlite3.connect(one.base / "relay.db", timeout=10, isolation_level=None)) as db:
        db.execute("begin immediate")
        subscriber.send("ack", "jobs", got[-1][2])
        wait_for(lambda: "is not noted" in one.text(), 10, "it cannot be noted")
        db.execute("rollback")
    while len(got) < len(sent):
        got.append(subscriber.until(lambda x: x[0] == "event"))
        subscriber.send("ack", "jobs", got[-1][2])
    assert {g[4]["id"] for g in got} == {e["id"] for e in sent}


@pytest.mark.skipif(not FAULTS, reason="needs a build with -Dfaults=true")
def test_what_a_failed_commit_lost_is_not_taken_for_saved(make_service, ask, relay, wire, monkeypatch):
    """The owner hears of the failure, says it again, and is told that it is on disk: then it is there."""
    monkeypatch.setenv("PYLON_FAULTS", "sql.commit.before@1=ENOSPC")
    one = make_service([relay.url], OFF)
    relay.kill()
    subscriber = ask(one)
    event = wire.sign(kind=6970)
    subscriber.send("publish", json.dumps(event), [], True)
    assert subscriber.until(lambda x: x[0] == "published")[1] < 0
    subscriber.send("publish", json.dumps(event), [], True)
    assert subscriber.until(lambda x: x[0] == "published")[1] == 0
    assert rows(one, "select hex(id) from outbox") == [(event["id"].upper(),)]


@pytest.mark.parametrize("killed", [False, True])
def test_what_one_relay_took_still_reaches_the_other_when_it_is_back(killed, make_service, ask, relay, second_relay, wire):
    """Whoever sells is content with one relay, and forgets; the customer may listen at the other."""
    one = make_service([relay.url, second_relay.url], OFF)
    second_relay.kill()
    owner = ask(one)
    event = wire.sign(kind=6970)
    owner.send("publish", json.dumps(event), [], True)
    assert owner.until(lambda x: x[0] == "outcome")[1:4] == [event["id"], relay.url, 1]
    owner.send("forget", event["id"])
    wait_for(lambda: rows(one, "select count(*) from answer")[0][0] == 1, 5, "what the one said is on disk")
    if killed:
        one.kill()
        one.start()
    second_relay.start()
    wait_for(lambda: [e["id"] for e in second_relay.events(6970)] == [event["id"]], 30, "it arrives")
    if not killed:
        assert owner.quiet(), "nobody wanted to hear more of it"
        wait_for(lambda: rows(one, "select count(*) from outbox")[0][0] == 0, 5, "the outbox is empty")
    assert len(relay.events(6970)) == 1


# ---- a local client that means harm


class Raw:
    """A client by hand: what no library would send."""

    def __init__(self, port, upgrade=True):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        if upgrade:
            self.send(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += self.socket.recv(1)
            assert b" 101 " in head

    def send(self, data):
        self.socket.sendall(data)

    def frame(self, text, size=None, final=True, opcode=1):
        data = text.encode()
        size = len(data) if size is None else size
        self.send(bytes([0x80 * final | opcode, 0xff]) + size.to_bytes(8, "big") + bytes(4) + data)

    def is_closed(self):
        self.socket.settimeout(0.01)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def close(self):
        self.socket.close()


@pytest.fixture
def raw(service):
    made = []

    def make(**more):
        made.append(Raw(service.port, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def assert_locals_are_served(connect, url):
    good = connect(url)
    begun = time.monotonic()
    assert good.publish(event := good.sign(content=f"{begun}"))[0]
    assert good.stored({"ids": [event["id"]]}) == [event["id"]]
    assert time.monotonic() - begun < DELAY_MAX
    good.close()


@pytest.mark.parametrize("request_", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websock", b"\x16\x03\x01", b"\0" * 100])
def test_half_requests_are_let_go(request_, service, raw, connect):
    half = [raw(upgrade=False) for _ in range(140)]
    for one in half:
        with contextlib.suppress(OSError):
            one.send(request_)
    wait_for(lambda: all(one.is_closed() for one in half), 60, "they are let go")
    assert_locals_are_served(connect, service.url)
    assert_small(service)


def test_frames_that_never_end_cost_little(service, raw, connect):
    for _ in range(60):
        one = raw()
        one.frame('["REQ","' + "x" * 100000, size=131072)
        one = raw()
        one.frame('["REQ","' + "x" * 100000, final=False)
        for _ in range(10):
            one.frame("x" * 10000, final=False, opcode=0)
    assert_locals_are_served(connect, service.url)
    assert_small(service)


def test_a_flood_of_subscriptions_with_giant_filters(service, raw, connect):
    giants = [{"authors": [f"{n:064x}" for n in range(1900)]}, {"#t": [f"{n}" for n in range(8000)]},
              {f"#{c}": ["x"] * 500 for c in "abcdfghijkl"}, {"kinds": list(range(8000))}]
    for n in range(8):
        one = raw()
        for i in range(200):
            one.frame(json.dumps(["REQ", f"{i}", giants[(n + i) % len(giants)]]))
        one.frame(json.dumps(["REQ", "many", *[{"kinds": [k]} for k in range(200)]]))
        assert_locals_are_served(connect, service.url)
    assert service.process.poll() is None
    if not SANITIZED:
        assert resident(service) < 256 * 1024  # eight of 128 are here


def test_a_client_that_never_reads_is_let_go(service, raw, connect):
    good = connect(service.url)
    for n in range(40):
        assert good.publish(good.sign(content=f"{n}" + "x" * 100000))[0]
    deaf = [raw() for _ in range(8)]
    for one in deaf:
        for n in range(20):
            one.frame(json.dumps(["REQ", f"{n}", {"kinds": [1]}]))
    for n in range(30):
        assert good.publish(good.sign(content=f"live {n}" + "x" * 100000))[0]
    assert_locals_are_served(connect, service.url)
    wait_for(lambda: all(one.is_closed() for one in deaf), 30, "they are let go")
    assert service.process.poll() is None
    if not SANITIZED:
        assert resident(service) < 128 * 1024


def test_questions_that_find_nothing_starve_nobody(service, raw, connect):
    good = connect(service.url)
    for n in range(300):
        assert good.publish(good.sign(content=f"{n}"))[0]
    one = raw()
    never = {"kinds": [1], "#x": ["y" * 300]}
    for n in range(500):
        one.frame(json.dumps(["REQ", f"{n % 60}", *[never] * 30]))
    assert_locals_are_served(connect, service.url)


def test_the_same_version_again_is_a_duplicate(service, connect):
    """It was removed, written and shown to everybody once more."""
    good, other = connect(service.url), connect(service.url)
    other.send("REQ", "live", {"kinds": [0, 31990]})
    other.message("EOSE", "live")
    for event in (good.sign(kind=0), good.sign(kind=31990, tags=[["d", "x"]])):
        assert good.publish(event) == [True, ""]
        assert good.publish(event)[1].startswith("duplicate:")
        assert other.message("EVENT", "live")[2] == event
    assert other.quiet()


def test_more_relays_than_an_event_is_sent_to_are_all_listened_to(make_service, ask, relay, wire):
    one = make_service([f"ws://127.0.0.1:{9 + n}" for n in range(20)] + [relay.url], OFF)
    subscriber = ask(one)
    subscriber.send("subscribe", "jobs", JOBS, [])
    subscriber.until(lambda x: x[:3] == ["live", "jobs", relay.url])
    assert_good_one_is_served(subscriber, wire, 1)


def test_an_address_that_fails_at_once_is_not_the_last(make_service, ask):
    """localhost is 127.0.0.1, where nobody listens, and ::1."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listening:
        listening.settimeout(10)
        one = make_service([f"ws://localhost:{listening.getsockname()[1]}"], OFF)
        ask(one).send("subscribe", "jobs", JOBS, [])
        with listening.accept()[0] as connection:
            assert connection.recv(4096).startswith(b"GET / HTTP/1.1")


@pytest.mark.skipif("start" not in os.environ.get("PYLON_WAYS", "start"), reason="needs the way \"start\"")
def test_one_event_that_no_name_is_good_enough_for_does_not_hold_up_the_others(hostile, make_pylon, relay):
    bad = hostile("auth-for-one")
    pylon = make_pylon("start", [relay.url])
    pylon.start()
    wire = connect_plain(relay.url)
    owner = Lines(BUILD / "tests/integration/tool-relay", pylon.base / "run/relay.sock")
    for n in range(5):
        event = wire.sign(kind=6970, content=f"{n}")
        owner.send("publish", json.dumps(event), [bad.url], True)
        if n > 0:
            assert owner.until(lambda x: x[0] == "outcome" and x[1] == event["id"], DELAY_MAX)[3] == 1
        else:
            wait_for(lambda: bad.counts()["AUTH"] == 1 and bad.counts()["EVENT"] >= 2, 10, "it is sent again")
    assert bad.counts()["EVENT"] <= 8
    owner.close()
    wire.close()
