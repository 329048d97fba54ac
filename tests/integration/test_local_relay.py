"""The relay on this machine's loopback, asked by a websocket library that is not ours: NIP-01, 09, 11, 40, 42,
45, and who may come in."""
import asyncio
import contextlib
import json
import socket
import subprocess
import time
import urllib.request

import pytest
import websockets

from parts import BUILD, customer, mining_job, tag, wait_for

KEY, OTHER_KEY = "01" * 32, "02" * 32


def sign(kind=1, content="", tags=(), created_at=None, key=KEY):
    """By tool-nostr, whose signatures test_cross.py has compared."""
    draft = {"kind": kind, "created_at": created_at or int(time.time()), "tags": list(tags), "content": content}
    line = json.dumps(["sign", key, json.dumps(draft)]) + "\n"
    done = subprocess.run([BUILD / "tests/integration/tool-nostr"], input=line, capture_output=True, text=True, check=True)
    return json.loads(json.loads(done.stdout))


class Client:
    """One conversation, answer by answer."""

    def __init__(self, url, **more):
        self.loop = asyncio.new_event_loop()
        self.ws = self._run(self._connect(url, more))

    async def _connect(self, url, more):
        return await websockets.connect(url, max_size=None, **more)

    def _run(self, what, seconds=10):
        return self.loop.run_until_complete(asyncio.wait_for(what, seconds))

    def send(self, *message):
        self._run(self.ws.send(message[0] if isinstance(message[0], (str, bytes)) and len(message) == 1 else json.dumps(message)))

    def get(self, *types, seconds=10):
        """The next message of one of these types; a challenge is nothing we asked for."""
        while True:
            message = json.loads(self._run(self.ws.recv(), seconds))
            if message[0] in types or (not types and message[0] != "AUTH"):
                return message

    def publish(self, event):
        self.send("EVENT", event)
        answer = self.get("OK")
        assert answer[1] == event["id"]
        return answer[2], answer[3]

    def ask(self, *filters):
        """The stored events."""
        self.send("REQ", "q", *filters)
        found = []
        while True:
            message = self.get("EVENT", "EOSE", "CLOSED")
            if message[0] != "EVENT":
                assert message[0] == "EOSE", message
                self.send("CLOSE", "q")
                return found
            found.append(message[2])

    def close(self):
        with contextlib.suppress(Exception):
            self._run(self.ws.close(), 2)
        self.loop.close()


@pytest.fixture
def pylon(make_pylon):
    one = make_pylon("start", None)
    one.start()
    return one


@pytest.fixture
def url(pylon):
    return f"ws://127.0.0.1:{pylon.local_port}"


@pytest.fixture
def client(url):
    one = Client(url)
    yield one
    one.close()


def ids(events):
    return [e["id"] for e in events]


def test_it_says_what_it_is(url):
    request = urllib.request.Request(url.replace("ws:", "http:"), headers={"Accept": "application/nostr+json"})
    with urllib.request.urlopen(request, timeout=5) as response:
        about = json.loads(response.read())
        assert response.headers["Content-Type"].startswith("application/nostr+json")
    assert {1, 9, 11, 40, 42, 45} <= set(about["supported_nips"])


def test_what_is_published_is_found_and_heard(client, url):
    old, new = sign(content="old", created_at=1700000000), sign(content="new")
    assert client.publish(old)[0] is True
    listener = Client(url)
    listener.send("REQ", "live", {"kinds": [1]})
    assert listener.get("EVENT")[2] == old
    assert listener.get("EOSE")[1] == "live"
    assert client.publish(new)[0] is True
    assert listener.get("EVENT")[1:] == ["live", new]
    listener.close()
    assert ids(client.ask({"kinds": [1]})) == [new["id"], old["id"]]
    assert ids(client.ask({"kinds": [1], "limit": 1})) == [new["id"]]
    assert ids(client.ask({"ids": [old["id"]]}, {"kinds": [7]})) == [old["id"]]
    assert client.ask({"authors": ["ab" * 32]}) == []


def test_a_second_delivery_is_a_duplicate_and_a_forgery_is_invalid(client):
    event = sign(content="x")
    assert client.publish(event)[0] is True
    accepted, reason = client.publish(event)
    assert accepted is True and reason.startswith("duplicate:")
    forged = {**sign(content="y"), "content": "z"}
    accepted, reason = client.publish(forged)
    assert accepted is False and reason.startswith("invalid:")
    assert ids(client.ask({"kinds": [1]})) == [event["id"]]


def test_replaceable_ephemeral_and_addressable_events(client, url):
    now = int(time.time())
    first, second = sign(0, "a", created_at=now - 10), sign(0, "b", created_at=now)
    assert client.publish(first)[0] and client.publish(second)[0]
    assert ids(client.ask({"kinds": [0]})) == [second["id"]]
    one = sign(30000, "1", [["d", "a"]], now - 10)
    two, other = sign(30000, "2", [["d", "a"]], now), sign(30000, "3", [["d", "b"]], now)
    for event in (one, two, other):
        client.publish(event)
    assert set(ids(client.ask({"kinds": [30000]}))) == {two["id"], other["id"]}
    listener = Client(url)
    listener.send("REQ", "live", {"kinds": [20000]})
    listener.get("EOSE")
    passing = sign(20000, "now or never")
    assert client.publish(passing)[0] is True
    assert listener.get("EVENT")[2] == passing
    listener.close()
    assert client.ask({"kinds": [20000]}) == []


def test_the_author_may_delete_and_nobody_else(client):
    event = sign(content="regretted")
    client.publish(event)
    client.publish(sign(5, tags=[["e", event["id"]]], key=OTHER_KEY))
    assert ids(client.ask({"kinds": [1]})) == [event["id"]]
    client.publish(sign(5, tags=[["e", event["id"]]]))
    assert client.ask({"kinds": [1]}) == []
    assert client.publish(event)[0] is False or client.ask({"kinds": [1]}) == []


def test_what_has_expired_is_not_taken_and_what_expires_is_not_served(client):
    assert client.publish(sign(1, "late", [["expiration", "1700000000"]]))[0] is False
    soon = sign(1, "soon", [["expiration", str(int(time.time()) + 2)]])
    assert client.publish(soon)[0] is True
    assert ids(client.ask({"kinds": [1]})) == [soon["id"]]
    wait_for(lambda: client.ask({"kinds": [1]}) == [], 10, "it expires")


def test_it_counts(client):
    for n in range(3):
        client.publish(sign(content=str(n)))
    client.send("COUNT", "c", {"kinds": [1]})
    assert client.get("COUNT")[1:] == ["c", {"count": 3}]


def test_filters_by_tag(client):
    wanted = sign(tags=[["p", "ab" * 32], ["t", "pylon"]])
    client.publish(wanted)
    client.publish(sign(tags=[["t", "other"]]))
    assert ids(client.ask({"#t": ["pylon"]})) == [wanted["id"]]
    assert ids(client.ask({"#p": ["ab" * 32], "#t": ["pylon"]})) == [wanted["id"]]
    assert client.ask({"#p": ["ab" * 32], "#t": ["other"]}) == []


def test_a_web_page_may_not_come_in(url):
    address = url.removeprefix("ws://")
    for origin, status in (("", 101), ("Origin: https://evil.example\r\n", 403)):
        with socket.create_connection(address.split(":"), timeout=5) as s:
            s.sendall((f"GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{origin}"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
            assert s.recv(4096).split()[1:2] == [str(status).encode()]


def test_nonsense_is_told_and_the_next_client_is_served(client, url):
    for frame in ("", "null", "{}", "[]", '["EVENT"]', '["REQ"]', '["REQ","x"]', '["DANCE","x"]', "[" * 3000, '["EVENT",5]',
                  json.dumps(["REQ", "x" * 300, {}]), json.dumps(["REQ", "q", {"kinds": "all"}])):
        with contextlib.suppress(websockets.ConnectionClosed, asyncio.TimeoutError):
            client.send(frame) if frame else client.send(" ")
    big = Client(url)
    with contextlib.suppress(websockets.ConnectionClosed, OSError):
        big.send("x" * (2 << 20))
        big.get(seconds=5)
    big.close()
    other = Client(url)
    event = sign(content="fine")
    assert other.publish(event)[0] is True
    other.close()


def test_events_outlive_a_restart(client, pylon, url):
    event = sign(content="kept")
    assert client.publish(event)[0] is True
    pylon.stop()
    pylon.start()
    again = Client(url)
    assert ids(again.ask({"kinds": [1]})) == [event["id"]]
    again.close()


def test_a_customer_on_this_machine_is_served_by_it(url):
    lines = customer("buy", url, 20, mining_job())
    results = [line["event"] for line in lines if "event" in line and line["event"]["kind"] == 6970]
    assert len(results) == 1 and tag(results[0], "e")
