"""One tick of an agent, from what wakes it to what others can read of it."""
import json

import pytest

from agents import OWNER, STRANGER, Life, letter, public_key
from parts import tag, wait_for
from zaps import read_by_others

POST = {"type": "post", "text": "good morning"}


@pytest.fixture
def life(make_pylon, relay, tmp_path):
    one = Life(make_pylon, relay, tmp_path)
    yield one
    one.end()


def test_what_an_agent_wants_is_done_and_recorded(life):
    alice = life.spawn()
    alice.wants(POST, {"type": "remember", "text": "I greeted everybody"}, {"type": "goal_add", "text": "be kind", "priority": 2},
                {"type": "schedule", "in_seconds": 3600}, {"type": "nothing"})
    record = alice.tick()
    assert [(a["type"], a["state"]) for a in record["actions"]] == [
        ("post", "done"), ("remember", "done"), ("goal_add", "done"), ("schedule", "done"), ("nothing", "done")]
    (note,) = alice.notes()
    assert note["content"] == "good morning" and note["id"] == record["actions"][0]["event_id"]
    (context,) = alice.contexts()
    assert context["agent"]["name"] == "alice" and context["trigger"] == "manual" and context["tick"] == 1
    assert json.loads(record["thoughts"][0]["prompt"]) == context
    alice.wants({"type": "goal_update", "id": "1.3", "progress": 50}, {"type": "forget", "id": "1.2"})
    assert alice.tick()["state"] == "done"
    second = alice.contexts()[1]
    assert [g["text"] for g in second["goals"]] == ["be kind"] and [m["text"] for m in second["memories"]] == ["I greeted everybody"]
    assert [(a["type"], a["state"]) for a in second["last"][0]["actions"]][0] == ("post", "done")
    alice.wants({"type": "nothing"})
    alice.tick()
    assert alice.contexts()[2]["memories"] == [] and alice.contexts()[2]["goals"][0]["progress"] == 50


def test_a_dry_tick_says_what_would_be_done(life):
    alice = life.spawn()
    alice.wants(POST, {"type": "reply", "to": "ab" * 32, "text": "hm"})
    record = alice.tick("--dry-run")
    assert [(a["state"], a["reason"]) for a in record["actions"]] == [
        ("refused", "dry run"), ("refused", "no such event is among the observations")]
    assert not alice.notes()


def test_a_tick_is_played_again_with_shut_doors(life):
    alice = life.spawn()
    alice.wants(POST)
    alice.tick()
    alice.wants({"type": "post", "text": "something else"})
    again = life.pylon.json("agent", "replay", "alice", "1")
    assert [(a["action"]["text"], a["verdict"]) for a in again["actions"]] == [("good morning", "go")]
    fresh = life.pylon.json("agent", "replay", "alice", "1", "--fresh")
    assert [(a["action"]["text"], a["verdict"]) for a in fresh["actions"]] == [("something else", "go")]
    assert len(alice.notes()) == 1 and len(alice.rows()) == 1


def test_a_mention_wakes_it_and_is_answered_in_its_thread(life):
    alice = life.spawn(msat=1_000_000)
    alice.answers("""
seen = [o for o in context["observations"] if o["what"] in ("mention", "reply")]
say(*[{"type": "reply", "to": o["id"], "text": "hello " + o["text"]} for o in seen],
    *[{"type": "react", "to": o["id"], "content": "+"} for o in seen])""")
    root = life.note("a thread")
    asked = life.note("who is there?", ["e", root["id"], "", "root"], ["p", alice.pubkey])
    (answer,) = wait_for(alice.notes, 30, "it answers")
    assert answer["content"] == "hello who is there?"
    assert [t[1] for t in answer["tags"] if t[0] == "e"] == [root["id"], asked["id"]]
    assert ["p", asked["pubkey"]] in [t[:2] for t in answer["tags"]]
    (reaction,) = wait_for(lambda: alice.notes(7), 30, "it reacts")
    assert reaction["content"] == "+" and tag(reaction, "e") == asked["id"] and tag(reaction, "k") == "1"


def test_two_agents_write_to_each_other(life):
    alice = life.spawn(msat=1_000_000)
    bob = life.spawn("bob", msat=1_000_000)
    bob.answers("""
say(*[{"type": "post", "text": "heard: " + o["text"]} for o in context["observations"] if o["what"] == "dm"])""")
    wait_for(lambda: bob.notes(10050), 20, "bob says where he reads")
    alice.wants({"type": "dm", "to": bob.npub, "text": "psst"})
    assert alice.tick()["actions"][0]["state"] == "done"
    (heard,) = wait_for(bob.notes, 30, "bob has read it")
    assert heard["content"] == "heard: psst"
    wraps = life.relay.events(1059)
    assert {tag(e, "p") for e in wraps} == {alice.pubkey, bob.pubkey}
    assert not {e["pubkey"] for e in wraps} & {alice.pubkey, bob.pubkey}


def test_people_read_its_messages(life):
    alice = life.spawn()
    alice.wants({"type": "dm", "to": public_key(STRANGER), "text": "dear stranger"})
    alice.tick()
    (line,) = letter("read", life.relay.url, who=STRANGER).splitlines()
    assert json.loads(line) == {"from": alice.pubkey, "kind": 14, "text": "dear stranger"}


def test_who_knows_nothing_better_is_answered_by_nip_04(life):
    alice = life.spawn(msat=1_000_000)
    alice.answers("""
say(*[{"type": "dm", "to": o["author"], "text": "dear " + o["text"]} for o in context["observations"] if o["what"] == "dm"])""")
    letter("old", life.relay.url, alice.pubkey, "old friend", who=STRANGER)
    (line,) = wait_for(lambda: letter("old-read", life.relay.url, who=STRANGER).splitlines(), 30, "it answers")
    assert json.loads(line) == {"from": alice.pubkey, "kind": 4, "text": "dear old friend"}
    assert not life.relay.events(1059)


def test_a_question_reaches_its_owner(life):
    alice = life.spawn(owner__npub=public_key(OWNER), owner__notify="true")
    alice.wants({"type": "ask", "text": "may I?"})
    assert [(a["type"], a["state"]) for a in alice.tick()["actions"]] == [("ask", "done")]
    (line,) = letter("read", life.relay.url, who=OWNER).splitlines()
    assert json.loads(line) == {"from": alice.pubkey, "kind": 14, "text": "may I?"}
    life.pylon.run("agent", "edit", "alice", "owner.notify", "false")
    assert alice.tick()["actions"][0]["state"] == "done"
    assert len(letter("read", life.relay.url, who=OWNER).splitlines()) == 1


def test_it_follows_and_keeps_the_rest_of_the_list(life):
    alice = life.spawn()
    alice.wants({"type": "follow", "who": "33" * 32, "on": True}, {"type": "follow", "who": "44" * 32, "on": True})
    alice.tick()
    alice.wants({"type": "follow", "who": "33" * 32, "on": False})
    alice.tick()
    newest = max(alice.notes(3), key=lambda e: e["created_at"])
    assert [t[1] for t in newest["tags"] if t[0] == "p"] == ["44" * 32]


def test_a_zap_is_complete(life):
    names = life.addresses("bob")
    alice = life.spawn(msat=1_000_000)
    bob = life.spawn("bob", profile__lud16=names.at("bob"))
    wait_for(lambda: bob.notes(0), 20, "bob's profile is on the relay")
    alice.wants({"type": "zap", "to": bob.npub, "sats": 21, "comment": "well said"})
    record = alice.tick()
    assert [(a["type"], a["state"], a["reason"]) for a in record["actions"]] == [("zap", "done", "paid, and the receipt is good")]
    assert life.balance("bob") == 21_000 and life.balance("alice") == 979_000
    (receipt,) = life.relay.events(9735)
    read = read_by_others(receipt)
    assert (read["sender"], read["recipient"], read["msat"], read["comment"]) == (alice.pubkey, bob.pubkey, 21_000, "well said")
    assert record["cost_msat"] == 21_000


def test_an_invoice_is_paid_within_its_limits(life):
    alice = life.spawn(msat=1_000_000, profile__autonomy="full")
    _, bolt11, _ = life.purse.invoice(30_000, account="owner")
    alice.wants({"type": "pay", "invoice": bolt11, "max_sats": 29})
    assert alice.tick()["actions"][0]["reason"] == "the invoice asks for more than \"max_sats\""
    alice.wants({"type": "pay", "invoice": bolt11, "max_sats": 30})
    assert alice.tick()["actions"][0]["state"] == "done"
    assert life.balance("alice") == 970_000
    alice.tick()  # the same invoice once more is the same payment
    assert life.balance("alice") == 970_000


# ---- the owner

def test_what_waits_is_decided_by_the_command(life):
    alice = life.spawn(profile__autonomy="supervised")
    alice.wants(POST, {"type": "post", "text": "good night"})
    assert [a["state"] for a in alice.tick()["actions"]] == ["waiting", "waiting"]
    listed = life.pylon.json("agent", "approvals")
    assert len(listed) == 2
    life.pylon.kill("host")
    wait_for(lambda: life.pylon.json("agent", "approvals") == listed, 20, "they wait on")
    life.pylon.run("agent", "approve", listed[0]["id"][:8])
    life.pylon.run("agent", "deny", listed[1]["id"][:8])
    (note,) = wait_for(alice.notes, 20, "it is published")
    assert note["content"] == "good morning"
    wait_for(lambda: [s for _, s in alice.actions(1)] == ["done", "denied"], 20, "both are over")
    assert life.pylon.json("agent", "approvals") == []


def test_the_owner_decides_by_a_message(life):
    owner = public_key(OWNER)
    alice = life.spawn(profile__autonomy="supervised", owner__npub=owner, owner__notify="true")
    alice.wants(POST)
    alice.tick()
    (line,) = wait_for(lambda: letter("read", life.relay.url, who=OWNER).splitlines(), 30, "the owner is asked")
    text = json.loads(line)["text"]
    code = text[text.index('"ok ') + 4:][:8]
    letter("send", life.relay.url, alice.pubkey, f"ok {code}", who=STRANGER)
    letter("send", life.relay.url, alice.pubkey, "ok 00000000", who=OWNER)
    wait_for(lambda: len(letter("read", life.relay.url, who=OWNER).splitlines()) == 2, 30, "that is no number of ours")
    assert alice.actions(1) == [("post", "waiting")]
    letter("send", life.relay.url, alice.pubkey, f"ok {code}", who=OWNER)
    (note,) = wait_for(alice.notes, 30, "it is published")
    assert note["content"] == "good morning"


# ---- minds that fail

def test_a_mind_that_fails_is_recorded_and_what_it_was_told_is_told_again(life):
    alice = life.spawn(answer="sys.exit(3)")
    life.pylon.run("agent", "tell", "alice", "listen")
    alice.tick(state="failed")
    assert "exit" in alice.rows()[0][2] or "ended" in alice.rows()[0][2], alice.rows()
    alice.wants(POST)
    alice.tick()
    assert [o["text"] for o in alice.contexts()[-1]["observations"]] == ["listen"]


def test_a_mind_that_hangs_is_ended_at_its_deadline(life):
    alice = life.spawn(answer="import time; time.sleep(600)", mind__tick_timeout="1s")
    alice.tick(state="failed")
    assert alice.rows()[0][2]
