"""Two agents and a provider on one machine live for many ticks over a relay that is not ours: they buy their thinking
from the provider, post, write to each other, zap each other, run dry, sleep, are funded and wake. The mind is a model
server of ours that answers by what it finds inside the fence of what strangers wrote; the provider and the agents do
not know that."""
import contextlib
import json
import os
import re
import secrets
import sqlite3
import subprocess

import pytest

from mind import Mind
from parts import NODE, wait_for
from zaps import Addresses, read_by_others

TICKS = int(os.environ.get("PYLON_TICKS", "24"))  # of both together; tools/check --real lives for 200
SETTINGS = ("schedule.heartbeat_seconds=86400", "limits.posts_per_day=1000", "limits.messages_per_day=1000",
            "limits.zaps_per_day=1000", "runway.daily_limit_sats=1000000", "limits.per_hour_sats=1000000",
            "runway.hibernate_threshold_sats=50", "schedule.wakes_per_hour=3600", "schedule.sender_per_hour=3600")


class World:
    def __init__(self, pylon, relay, folder):
        self.pylon, self.relay, self.folder = pylon, relay, folder
        self.mind = Mind(self.think)
        self.plans = {}  # nonce: what the mind answers where it reads it
        pylon.config.write_text(pylon.config.read_text()
                                .replace("enable_payments = false", "enable_payments = true")
                                .replace("require_payment = false", "require_payment = true\nmin_price_msats = 3000")
                                + self.mind.config())
        pylon.start("--mode", "both")
        self.addresses = None
        self.agents = {}

    def think(self, messages):
        """Does what it was told, in the owner's words, and nothing that others say."""
        text = "\n".join(m["content"] for m in messages)
        told = [n for n in re.findall(r"Please say (nonce-[0-9a-f]{16}) to others", text) if n in self.plans]
        actions = [action for nonce in dict.fromkeys(told) for action in self.plans[nonce]]
        return [json.dumps({"actions": actions or [{"type": "nothing"}]})]

    def spawn(self, name, sats):
        agent = self.pylon.json("agent", "spawn", name, "--mind", "nip90", "--fund", "no",
                                *(word for setting in SETTINGS for word in ("--set", setting)))
        self.pylon.run("wallet", "fund", str(sats))
        self.pylon.run("agent", "fund", name, str(sats), "--from", "owner", "--yes")
        agent["pubkey"] = self.pylon.query("select pubkey from agent_state where name = ?", name)[0][0]
        self.agents[name] = agent
        return agent

    def address(self):
        self.addresses = Addresses(self.pylon, self.folder, **{name: f"agent:{name}" for name in self.agents})
        for name in self.agents:
            self.pylon.run("agent", "edit", name, "profile.lud16", self.addresses.at(name))
            self.pylon.run("agent", "edit", name, "profile.zap_key", self.addresses.pubkey)
        for name, agent in self.agents.items():
            wait_for(lambda a=agent: any(e["pubkey"] == a["pubkey"] and self.addresses.at("").strip("@") in e["content"]
                                         for e in self.relay.events(0)), 30, f"the profile of {name}")

    def ticks(self, name, *states):
        marks = ",".join("?" * len(states))
        return self.pylon.query("select tick_number from tick_history join agent_state on npub = agent_npub"
                                f" where name = ? and status in ({marks})", name, *states)

    def live(self, name, *actions):
        """One tick, in which the mind does this where it reads a nonce that it was told."""
        nonce = f"nonce-{secrets.token_hex(8)}"
        self.plans[nonce] = [{k: v.replace("NONCE", nonce) if isinstance(v, str) else v for k, v in a.items()} for a in actions]
        self.pylon.run("agent", "tell", name, f"Please say {nonce} to others.")
        wait_for(lambda: self.heard(nonce) == [("done",)], 60, f"a tick of {name} for {nonce}, it is {self.heard(nonce)}")
        return nonce

    def heard(self, nonce):
        """How the tick ended which was told so."""
        return self.pylon.query("select status from tick_history join agent_observations as o on o.tick = tick_history.id"
                                " where o.text like ? and what = 'tell'", f"%{nonce}%")

    def balance(self, account):
        return next((row["balance_msats"] for row in self.pylon.json("wallet", "balance") if row["account"] == account), 0)

    def state(self, name):
        return self.pylon.json("agent", "info", name)["state"]

    def sleeps(self, name):
        return self.state(name) in ("hibernating", "dormant")

    def messages(self, name):
        events = self.relay.events(1059)
        done = subprocess.run(["node", NODE / "dm-read.mjs"], capture_output=True, text=True, timeout=120, check=True,
                              input=json.dumps({"mnemonic": self.agents[name]["mnemonic"], "events": events}))
        return json.loads(done.stdout)

    def close(self):
        self.mind.stop()
        if self.addresses:
            self.addresses.kill()


@pytest.fixture
def world(way, make_pylon, relay, tmp_path):
    with contextlib.closing(World(make_pylon(way, [relay.url]), relay, tmp_path)) as one:
        yield one


def notes(world, name):
    return [e for e in world.relay.events(1) if e["pubkey"] == world.agents[name]["pubkey"]]


def test_two_agents_live(world):
    alice, bob = world.spawn("alice", 20000), world.spawn("bob", 20000)
    world.address()
    other = {"alice": bob, "bob": alice}
    said = {"alice": [], "bob": []}
    written = {"alice": [], "bob": []}
    zaps = {"alice": 0, "bob": 0}
    for i in range(TICKS // 2):
        for name in ("alice", "bob"):
            actions = [{"type": "post", "text": "I say NONCE."}]
            if i % 3 == 0:
                actions.append({"type": "dm", "to": other[name]["npub"], "text": "Only for you: NONCE"})
            if i % 4 == 0:
                actions.append({"type": "zap", "to": other[name]["npub"], "sats": 21, "comment": "NONCE"})
            nonce = world.live(name, *actions)
            said[name].append(nonce)
            if i % 3 == 0:
                written[name].append(nonce)
            zaps[name] += i % 4 == 0

    for name in ("alice", "bob"):
        wait_for(lambda n=name: len(notes(world, n)) >= len(said[n]), 30, "all notes are on the relay")
        assert sorted(e["content"] for e in notes(world, name)) == sorted(f"I say {n}." for n in said[name])
        partner = "bob" if name == "alice" else "alice"
        read = [m["text"] for m in world.messages(partner) if m["from"] == world.agents[name]["pubkey"]]
        assert sorted(read) == sorted(f"Only for you: {n}" for n in written[name])
        assert world.ticks(name, "failed") == []

    receipts = wait_for(lambda: len(r := world.relay.events(9735)) >= sum(zaps.values()) and r, 60, "a receipt for each zap")
    read = [read_by_others(r) for r in receipts]
    for name in ("alice", "bob"):
        sent = [r for r in read if r["sender"] == world.agents[name]["pubkey"]]
        assert len(sent) == zaps[name] and all(r["msat"] == 21000 and r["recipient"] == other[name]["pubkey"] for r in sent)
        assert len({r["hash"] for r in sent}) == zaps[name]

    # Nobody's words or keys are where they should not be.
    log = world.pylon.log()
    for agent in world.agents.values():
        assert agent["mnemonic"] not in log and " ".join(agent["mnemonic"].split()[:3]) not in log

    # What was thought was paid: each tick is one job at least, at the provider's price.
    thoughts = world.pylon.query("select count(*) from purchases where status = 'received'")[0][0]
    assert thoughts >= TICKS
    assert world.balance("provider") == 3000 * world.pylon.query("select count(*) from earnings")[0][0] >= 3000 * TICKS
    world.pylon.run("ledger", "verify")


def test_an_agent_runs_dry_sleeps_and_is_woken_by_money(world):
    world.spawn("alice", 100)
    wait_for(lambda: world.state("alice") in ("active", "low_balance"), 20, "alice lives")
    world.live("alice", {"type": "post", "text": "I say NONCE."})
    # What a tick has cost is counted right after it: the last word may come when it sleeps already.
    for n in range(60):
        world.pylon.run("agent", "tell", "alice", f"Spend money, {n}")
        wait_for(lambda n=n: world.heard(f"Spend money, {n}") == [("done",)] or world.sleeps("alice"), 60, "a tick")
        if world.sleeps("alice"):
            break
    wait_for(lambda: not world.ticks("alice", "open", "thinking", "acting"), 30, "alice is asleep")
    count = len(world.ticks("alice", "done", "failed"))
    assert world.sleeps("alice") and world.balance("agent:alice") < 50_000

    nonce = f"nonce-{secrets.token_hex(8)}"
    world.plans[nonce] = [{"type": "post", "text": f"I woke: {nonce}"}]
    world.pylon.run("agent", "tell", "alice", f"Please say {nonce} to others.")
    asleep = world.pylon.json("agent", "info", "alice")
    assert asleep["state"] in ("hibernating", "dormant") and len(world.ticks("alice", "done", "failed")) == count

    # Anybody may pay the invoice of an agent that sleeps.
    bolt11 = world.pylon.json("agent", "fund", "alice", "5000", "--from", "invoice")["bolt11"]
    world.pylon.run("wallet", "fund", "6000")
    world.pylon.run("wallet", "pay", bolt11, "--yes")
    wait_for(lambda: any(nonce in e["content"] for e in notes(world, "alice")), 60, "what it was told in its sleep is done")
    assert world.state("alice") in ("active", "low_balance")
    world.pylon.run("ledger", "verify")


def test_an_agent_outlives_the_end_of_everything(world):
    world.spawn("alice", 5000)
    first = world.live("alice", {"type": "post", "text": "I say NONCE."}, {"type": "remember", "text": "I said NONCE"})
    before = world.balance("agent:alice")
    announced = len(world.relay.events(31990))
    world.pylon.stop()
    world.pylon.start("--mode", "both")
    wait_for(lambda: len(world.relay.events(31990)) > announced, 20, "the provider is on the market again")
    second = world.live("alice", {"type": "post", "text": "I say NONCE."})
    assert sorted(e["content"] for e in notes(world, "alice")) == sorted(f"I say {n}." for n in (first, second))
    assert world.balance("agent:alice") < before
    assert any(first in m["text"] for m in world.pylon.json("agent", "memory", "alice"))
    with contextlib.closing(sqlite3.connect(f"file:{world.pylon.database('store')}?mode=ro", uri=True)) as db:
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
