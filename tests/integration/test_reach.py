"""An event that names people reaches the relays where they read (NIP-65), whatever happens to us on the way."""
import json
import os
import signal
import subprocess

import pytest

from parts import NODE, Relay, wait_for
from store_wire import Wire

SERVICE = "com.openagents.Pylon1.Relay.Service"
SIGN = """
import { finalizeEvent } from 'nostr-tools/pure';
const [key, ...templates] = process.argv.slice(2);
for (const t of templates) console.log(JSON.stringify(finalizeEvent(JSON.parse(t), Buffer.from(key, 'hex'))));
"""
ADA, BOB = "01" * 32, "02" * 32


def sign(key, kind, tags, content="", at=1_700_000_000):
    template = json.dumps({"kind": kind, "created_at": at, "tags": tags, "content": content})
    done = subprocess.run(["node", "--input-type=module", "-e", SIGN, "-", key, template], cwd=NODE, capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def elsewhere(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    one = Relay(folder, "elsewhere")
    yield one
    one.kill()
    one.log.close()


class Door:
    """pylon-relay as the host sees it."""

    def __init__(self, pylon, folder, relay):
        self.pylon, self.folder, self.relay = pylon, folder, relay
        self.wire = None

    def publish(self, event, relays=(), durable=True):
        self.wire = self.wire or Wire(self.folder, str(self.pylon.base / "run/relay.sock"), "pylon-host")
        ((error, reason),) = self.wire.call(SERVICE, "Publish", "a(sasb)", [(json.dumps(event), list(relays), durable)])
        assert error == 0, reason

    def close(self):
        if self.wire:
            self.wire.close()
            self.wire = None


@pytest.fixture
def make_door(make_pylon, relay, tmp_path):
    made = []

    def make(more=""):
        pylon = make_pylon("start", [relay.url])
        pylon.config.write_text(pylon.config.read_text().replace("[relay]\n", f"[relay]\n{more}"))
        pylon.start()
        made.append(Door(pylon, tmp_path, relay))
        return made[-1]

    yield make
    for one in made:
        one.close()


def ids(relay, *kinds):
    return {e["id"] for e in relay.events(*kinds)}


def bobs_list(*relays):
    return sign(BOB, 10002, [["r", url, *marker] for url, *marker in relays], at=1_700_000_000)


def to_bob(kind=1, content="hello", more=()):
    bob = bobs_list()["pubkey"]
    return sign(ADA, kind, [["p", bob], *more], content)


def test_who_is_named_hears_of_it_where_he_reads(make_door, relay, elsewhere):
    door = make_door()
    door.publish(bobs_list((elsewhere.url, "read"), ("ws://127.0.0.1:1", "write")))
    wait_for(lambda: relay.events(10002), 10, "bob's list is on our relay")
    note = to_bob()
    door.publish(note)
    wait_for(lambda: note["id"] in ids(elsewhere, 1), 10, "bob's relay has it")
    assert note["id"] in ids(relay, 1)
    # From here on he is known; who is named in an answer and in a comment, too.
    for kind in (1111, 7, 30023):
        event = to_bob(kind, more=[["d", "x"]])
        door.publish(event)
        wait_for(lambda e=event: e["id"] in ids(elsewhere, e["kind"]), 10, "bob's relay has that, too")
    assert elsewhere.events(10002) == []


def test_private_things_jobs_and_lists_stay_where_they_are_sent(make_door, relay, elsewhere):
    door = make_door()
    door.publish(bobs_list((elsewhere.url,)))
    wait_for(lambda: relay.events(10002), 10, "bob's list is on our relay")
    sent = [to_bob(kind) for kind in (1059, 3, 5050, 6050, 7000)]
    for event in sent:
        door.publish(event)
    explicit = to_bob(content="only here")
    door.publish(explicit, [relay.url])
    last = to_bob(content="for all")
    door.publish(last)
    wait_for(lambda: last["id"] in ids(elsewhere), 10, "bob's relay has the last")
    wait_for(lambda: {e["id"] for e in (*sent, explicit, last)} <= ids(relay), 10, "our relay has all")
    assert ids(elsewhere) == {last["id"]}


def test_nobodys_list_holds_nothing_up(make_door, relay):
    door = make_door()
    note = to_bob()
    door.publish(note)
    wait_for(lambda: note["id"] in ids(relay, 1), 3, "our relay has it")
    wait_for(lambda: door.pylon.json("relay", "list")[0]["outbox_pending"] == 0, 10, "nothing waits")


def test_it_can_be_switched_off(make_door, relay, elsewhere):
    door = make_door("reach_people = false\n")
    door.publish(bobs_list((elsewhere.url,)))
    note, last = to_bob(), to_bob(content="the last")
    door.publish(note)
    door.publish(last, [relay.url, elsewhere.url])
    wait_for(lambda: last["id"] in ids(elsewhere), 10, "what is sent there is there")
    wait_for(lambda: {note["id"], last["id"]} <= ids(relay, 1), 10, "our relay has both")
    assert ids(elsewhere) == {last["id"]}


def test_a_relay_that_is_away_gets_it_after_we_died(make_door, relay, elsewhere):
    door = make_door()
    door.publish(bobs_list((elsewhere.url,)))
    wait_for(lambda: relay.events(10002), 10, "bob's list is on our relay")
    elsewhere.kill()
    note = to_bob()
    door.publish(note)
    wait_for(lambda: note["id"] in ids(relay, 1), 10, "our relay has it")
    wait_for(lambda: any(row["url"].rstrip("/") == elsewhere.url for row in door.pylon.json("relay", "list")), 10, "bob's relay is known")
    door.publish(sign(ADA, 1, [], "so that the lazy write is on disk"))
    wait_for(lambda: len(ids(relay, 1)) == 2, 10, "that is out")
    door.close()
    os.kill(door.pylon.pid("relay"), signal.SIGKILL)
    elsewhere.start()
    door.publish(sign(ADA, 1, [], "wake up"))
    wait_for(lambda: note["id"] in ids(elsewhere, 1), 60, "bob's relay has it")
