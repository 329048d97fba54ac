"""pylon event: names and events are taken apart and put together, with those that nostr-tools makes."""
import json
import os
import subprocess

import pytest

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
