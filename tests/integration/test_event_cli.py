"""pylon event: names and events are taken apart and put together, with those that nostr-tools makes, and relays
are asked for them."""
import asyncio
import concurrent.futures
import contextlib
import json
import os
import subprocess
import threading

import pytest
import websockets

from parts import BUILD, customer, wait_for

PYLON = BUILD / "src/cli/pylon"
# NIP-19's own examples
PUBKEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
NPUB = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
NPROFILE = ("nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mg"
            "pz4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p")


@pytest.fixture
def run(tmp_path):
    def call(*args, expect=0, stdin=None):
        done = subprocess.run([PYLON, *map(str, args)], capture_output=True, text=True, timeout=30, check=False, input=stdin or "",
                              cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
        assert done.returncode == expect, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done
    return call


def decode(run, *texts):
    return json.loads(run("event", "decode", "--json", *texts).stdout)


def test_names_are_decoded_and_made(run):
    assert decode(run, NPUB, f"nostr:{NPROFILE}") == [
        {"type": "npub", "pubkey": PUBKEY},
        {"type": "nprofile", "pubkey": PUBKEY, "relays": ["wss://r.x.com", "wss://djbas.sadkb.com"]}]
    assert PUBKEY in run("event", "decode", NPUB).stdout
    for made in [["npub", PUBKEY], ["note", PUBKEY], ["nevent", PUBKEY, "--relay", "wss://r.x.com"],
                 ["naddr", f"31990:{PUBKEY}:x", "--relay", "wss://r.x.com"]]:
        text = run("event", "encode", *made).stdout.strip()
        assert json.loads(run("event", "encode", "--json", *made).stdout) == {"text": text}
        [read] = decode(run, text)
        assert read["type"] == made[0] and PUBKEY in read.values()
        assert read.get("relays") == (["wss://r.x.com"] if "--relay" in made else None)


def test_32_bytes_may_be_a_key_or_an_event(run):
    [read] = decode(run, PUBKEY)
    assert read["npub"] == NPUB and read["note"].startswith("note1")


def test_a_secret_key_is_never_shown(run):
    assert decode(run, NSEC) == [{"type": "nsec"}]
    assert "67dea2ed" not in run("event", "decode", NSEC).stdout
    broken = run("event", "decode", NSEC[:-1], expect=2)
    broken = broken.stderr + run("event", "decode", f"nostr:{NSEC}", expect=2).stderr
    assert NSEC[:20] not in broken


def test_what_is_no_name_is_told(run):
    error = json.loads(run("event", "decode", NPUB, "npub1wrong", "--json", expect=2).stdout)["error"]
    assert error["name"] == "BadInput" and '"npub1wrong"' in error["message"]
    assert "npub" in run("event", "encode", "nsec", PUBKEY, expect=2).stderr


def made_by_nostr_tools(**template):
    [event] = customer("sign", "-", json.dumps({"kind": 1, "created_at": 1700000000, "tags": [], "content": "", **template}))
    return event


def test_an_event_of_nostr_tools_is_shown(run, tmp_path):
    event = made_by_nostr_tools(content="line\x1b[2J\nänd", tags=[["d", "x"], ["t", "a", "b"]], kind=30023)
    shown = json.loads(run("event", "show", "-", "--json", stdin=json.dumps(event)).stdout)
    [author] = decode(run, shown["author"])
    assert shown["event"] == event and shown["id"] == event["id"] and author["pubkey"] == event["pubkey"]
    assert shown["difficulty"] == 256 - int(event["id"], 16).bit_length()
    (tmp_path / "event.json").write_text(json.dumps(event, indent=1))
    text = run("event", "show", "event.json").stdout
    assert "30023 (addressable)" in text and "2023-11-14 22:13:20 UTC" in text and '"t" "a" "b"' in text
    assert "line?[2J änd" in text and "\x1b" not in text


@pytest.mark.parametrize("change, reason", [
    ({"content": "another"}, "id"),
    ({"sig": "00" * 64}, "signature"),
    ({"kind": "1"}, "a whole number"),
])
def test_what_is_wrong_with_an_event_is_told(run, change, reason):
    event = {**made_by_nostr_tools(), **change}
    error = json.loads(run("event", "show", "-", "--json", stdin=json.dumps(event), expect=1).stdout)["error"]
    assert error["name"] == "BadEvent" and reason in error["message"]


def test_what_is_too_large_or_not_there_is_told(run):
    assert "too large" in run("event", "show", "-", stdin=" " * 200_000, expect=2).stderr
    assert '"nothing.json"' in run("event", "show", "nothing.json", expect=2).stderr
    assert run("event", "show", "-", stdin="", expect=1).stderr.startswith("This is no valid event")


@pytest.fixture
def online(make_pylon, relay):
    """Pylon at a relay that is not ours."""
    one = make_pylon("start", [relay.url])
    one.start()
    return one


def test_relays_are_listed(online, relay):
    def announced():
        [line] = online.json("relay", "list")
        return line["events_accepted"] > 0 and line
    line = wait_for(announced, 10, "the provider has told the relay of itself")
    assert line["url"] == relay.url and line["state"] == "up" and line["error"] is None
    assert relay.url in online.run("relay", "list").stdout


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_stored_events_of_several_relays_come_once(make_pylon, relay, second_relay):
    one = make_pylon("start", [relay.url, second_relay.url])
    one.start()
    key = {"CUSTOMER_KEY": "03" * 32}
    template = json.dumps({"kind": 1, "content": "both\u009b\ufdd0", "created_at": 1700000002})
    both, = [line["request"] for line in customer("post", f"{relay.url},{second_relay.url}", template, env=key)]
    only = [line["request"] for at in (1700000001, 1700000003) for line in customer(
        "post", second_relay.url, json.dumps({"kind": 1, "content": f"at {at}", "created_at": at}), env=key)]
    asked = json.dumps({"authors": [both["pubkey"]]})
    done = one.run("event", "query", asked)
    assert lines(done) == [only[1], both, only[0]] and done.stderr == "" and "\u009b" not in done.stdout
    assert lines(one.run("event", "query", asked, "--limit", "1")) == [only[1]]
    assert lines(one.run("event", "query", asked, "--relay", relay.url)) == [both]
    assert lines(one.run("event", "query", '{"ids":["%s"]}' % both["id"], '{"ids":["%s"]}' % only[0]["id"])) == [both, only[0]]
    answer = one.json("event", "query", asked, "--relay", relay.url)
    assert answer == {"events": [{"relay": relay.url, "event": both}], "silent": []}


def test_a_relay_that_does_not_answer_is_named(online, relay, second_relay):
    second_relay.kill()
    done = online.run("event", "query", '{"kinds":[31990]}', "--relay", relay.url, "--relay", second_relay.url)
    assert [e["kind"] for e in lines(done)] == [31990]
    assert done.stderr.startswith(f"{second_relay.url} did not answer: ")
    error = json.loads(online.run("event", "query", "{}", "--relay", second_relay.url, "--json", expect=69).stdout)["error"]
    assert error["name"] == "NotReachable" and second_relay.url in error["message"]


@pytest.mark.parametrize("words", [["[]"], ['{"kinds":[]}'], ["{}", "--relay", "ws://a b"], ['{"what":1}']])
def test_what_cannot_be_asked_is_refused(online, words):
    assert online.run("event", "query", *words, expect=2).stderr.startswith("The query is not possible: ")



@contextlib.contextmanager
def scripted_relay(answer):
    """A relay that answers each message with what answer(message) says. Yields its URL."""
    loop = asyncio.new_event_loop()

    async def serve(ws, _=None):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in ws:
                for reply in answer(json.loads(text)):
                    await ws.send(json.dumps(reply))

    async def start():
        return await websockets.serve(serve, "127.0.0.1", 0)

    async def end():
        server.close()
        await server.wait_closed()
    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_what_a_lying_relay_answers_is_left_out(online):
    good, other = made_by_nostr_tools(kind=1111), made_by_nostr_tools(kind=1112)
    forged = {**made_by_nostr_tools(kind=1111), "content": "forged"}
    heard = []

    def answer(message):
        heard.append(message[0])
        if message[0] == "REQ":
            name = message[1]
            yield from (["EVENT", name, e] for e in (forged, other, good, good))
            yield ["EVENT", "q999", made_by_nostr_tools(kind=1111)]
            yield ["EOSE", name]
    with scripted_relay(answer) as url:
        assert lines(online.run("event", "query", '{"kinds":[1111]}', "--relay", url)) == [good]
        wait_for(lambda: heard == ["REQ", "CLOSE"], 5, "the relay is told that this was all")


def test_what_came_in_time_is_shown_and_who_was_late_is_named(online):
    good = made_by_nostr_tools(kind=1111)
    with scripted_relay(lambda m: [["EVENT", m[1], good]] if m[0] == "REQ" else []) as url:
        done = online.run("event", "query", '{"kinds":[1111]}', "--relay", url, "--timeout", "1")
        assert lines(done) == [good] and done.stderr == f"{url} did not answer: it did not answer in time\n"


def test_who_asks_while_many_others_do_waits_for_his_turn(online):
    good = made_by_nostr_tools(kind=1111)
    asked, open_now = [], []

    def answer(message):
        if message[0] != "REQ":
            return
        asked.append(message[1])
        open_now.append(message[1])
        if len(asked) < 16:
            return
        while open_now:
            name = open_now.pop()
            yield ["EVENT", name, good]
            yield ["EOSE", name]

    def query(_):
        return lines(online.run("event", "query", '{"kinds":[1111]}', "--relay", url, "--timeout", "20"))
    with scripted_relay(answer) as url, concurrent.futures.ThreadPoolExecutor(20) as together:
        assert list(together.map(query, range(20))) == [[good]] * 20
    assert len(asked) == 20


def test_a_relay_that_asks_who_we_are_is_told(online):
    good = made_by_nostr_tools(kind=1111)
    known = []

    def answer(message):
        if message[0] == "AUTH":
            known.append(message[1])
            yield ["OK", message[1]["id"], True, ""]
        elif message[0] == "REQ" and not known:
            yield ["AUTH", "a challenge"]
            yield ["CLOSED", message[1], "auth-required: who are you?"]
        elif message[0] == "REQ":
            yield ["EVENT", message[1], good]
            yield ["EOSE", message[1]]
    with scripted_relay(answer) as url:
        assert lines(online.run("event", "query", '{"kinds":[1111]}', "--relay", url)) == [good]


def test_a_relay_that_refuses_is_quoted(online):
    with scripted_relay(lambda m: [["CLOSED", m[1], "restricted: not for you"]]) as url:
        said = online.run("event", "query", '{"kinds":[1111]}', "--relay", url, expect=69).stderr
        assert "restricted: not for you" in said


def test_the_local_relay_is_asked_as_well(make_pylon):
    one = make_pylon("start", None)
    one.start()
    url = f"ws://127.0.0.1:{one.local_port}"
    [line] = customer("post", url, json.dumps({"kind": 1, "content": "here"}))
    assert lines(one.run("event", "query", '{"kinds":[1]}', "--relay", url)) == [line["request"]]


def publish(pylon, event, *args, expect=0):
    path = pylon.folder / "event.json"
    path.write_text(json.dumps(event))
    path.chmod(0o644)
    return pylon.run("event", "publish", path, *args, expect=expect)


def test_an_event_is_published_to_all_relays_and_found_again(make_pylon, relay, second_relay):
    one = make_pylon("start", [relay.url, second_relay.url])
    one.start()
    event = made_by_nostr_tools(kind=1, content="published\ufdd0")
    assert sorted(publish(one, event).stdout.splitlines()) == sorted(f"{url}: accepted" for url in (relay.url, second_relay.url))
    assert relay.events(1) == second_relay.events(1) == [event]
    assert lines(one.run("event", "query", json.dumps({"ids": [event["id"]]}))) == [event]
    answer = json.loads(publish(one, event, "--relay", relay.url, "--json").stdout)  # once more: it is over and done with
    assert answer["id"] == event["id"] and [a["relay"] for a in answer["answers"]] == [relay.url]
    assert [line["outbox_pending"] for line in one.json("relay", "list")] == [0, 0]


def test_each_answer_is_shown(online, relay):
    event = made_by_nostr_tools()
    with scripted_relay(lambda m: [["OK", m[1]["id"], False, "blocked: not you"]]) as refusing, \
            scripted_relay(lambda m: []) as silent:
        urls = [word for url in (relay.url, refusing, silent) for word in ("--relay", url)]
        answer = json.loads(publish(online, event, *urls, "--timeout", "1", "--json").stdout)
        assert answer["answers"] == [
            {"relay": relay.url, "answer": "accepted", "message": None},
            {"relay": refusing, "answer": "refused", "message": "blocked: not you"},
            {"relay": silent, "answer": "no answer", "message": "it did not answer in time"}]
        assert "blocked: not you" in publish(online, event, "--relay", refusing, expect=1).stdout


def test_only_what_is_signed_is_published(online, relay):
    event = made_by_nostr_tools()
    assert "signature" in publish(online, {**event, "sig": "00" * 64}, expect=1).stderr
    assert "Usage" not in publish(online, event, "--relay", "ws://a b", expect=2).stderr
    forged = {**event, "sig": "00" * 64}  # and not only the command looks
    done = subprocess.run(["busctl", f"--address=unix:path={online.base}/run/relay.sock", "call", "com.openagents.Pylon1.Relay",
                           "/com/openagents/Pylon1", "com.openagents.Pylon1.Relay", "Publish", "sasu", json.dumps(forged), "0", "0"],
                          capture_output=True, text=True, check=False)
    assert "The event cannot be published: " in done.stderr and "signature" in done.stderr
    assert relay.events(1) == []
