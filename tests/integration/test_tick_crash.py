"""Killed in every durable state of a tick and of an action: nothing is published twice, nothing is paid twice, nothing
is forgotten, and the books are right."""
import contextlib
import json
import os
import random
import signal
import subprocess
import threading

import pytest

from agents import Life
from mind import Mind
from parts import BUILD, tag, wait_for
from test_crash import Fault

SATS = 21


def states(kind):
    """The names in pylon-host's own table, so that a new state is tested from the day it exists."""
    done = subprocess.run([BUILD / "src/host/pylon-host", "--list-states"], capture_output=True, text=True, check=True)
    return [line.partition(".")[2] for line in done.stdout.split() if line.startswith(kind + ".")]


TICK = [s for s in states("tick") if s not in ("thinking", "failed")]
ACTION = [s for s in states("action") if s not in ("planned", "unknown", "failed")]  # planned is written with the tick


class World(Life):
    """Alice wants one of each kind; bob is zapped."""

    def __init__(self, make_pylon, relay, folder, env=None, **settings):
        super().__init__(make_pylon, relay, folder, mode="both")
        self.names = self.addresses("bob")
        self.bob = self.spawn("bob", profile__lud16=self.names.at("bob"))
        self.alice = self.spawn(msat=1_000_000, **settings)
        wait_for(lambda: self.bob.notes(0), 20, "bob's profile is on the relay")
        self.alice.wants({"type": "post", "text": "good morning"}, {"type": "remember", "text": "I greeted"},
                         {"type": "dm", "to": self.bob.npub, "text": "psst"},
                         {"type": "zap", "to": self.bob.npub, "sats": SATS},
                         {"type": "goal_add", "text": "be kind"})
        if env:
            self.purse.close()
            self.pylon.stop()
            self.pylon.start(env=env)

    def begin(self):
        subprocess.run(self.pylon.command("agent", "tick", "alice"), capture_output=True, timeout=120, check=False)

    def is_whole(self, number=2):
        """All of it happened, once."""
        self.alice.wait_tick(number, "done")
        wait_for(lambda: all(s == "done" for _, s in self.alice.actions(number)), 60,
                 f"every action is done: {self.alice.actions(number)}")
        assert [e["content"] for e in self.alice.notes()] == ["good morning"]
        wraps = self.relay.events(1059)
        assert sorted(tag(e, "p") for e in wraps) == sorted([self.alice.pubkey, self.bob.pubkey])
        assert self.balance("alice") == 1_000_000 - 1000 * SATS and self.balance("bob") == 1000 * SATS
        assert self.names.asked("bob") == 1
        assert len(self.pylon.query("select 1 from payments where account = 'agent:alice'")) == 1
        record = self.alice.record(number)
        assert record["actions"][0]["event_id"] == self.alice.notes()[0]["id"]
        assert len(self.pylon.query("select 1 from agent_memories where text = 'I greeted'")) == 1
        assert len(self.pylon.query("select 1 from agent_goals where text = 'be kind'")) == 1
        self.purse.close()
        self.purse.verify()


@pytest.fixture
def world(make_pylon, relay, tmp_path):
    made = []

    def make(fault=None, **settings):
        made.append(World(make_pylon, relay, tmp_path, fault and fault.env, **settings))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", TICK)
def test_the_host_is_killed_in_each_state_of_a_tick(world, tmp_path, state, moment):
    fault = Fault(tmp_path, f"tick.{state}.{moment}", "kill")
    life = world(fault)
    life.begin()
    fault.wait()
    if (state, moment) == ("open", "before"):  # it never was one
        life.begin()
    life.is_whole()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("state", ACTION)
def test_the_host_is_killed_in_each_state_of_an_action(world, tmp_path, state, moment, nth):
    fault = Fault(tmp_path, f"action.{state}.{moment}@{nth}", "kill")
    life = world(fault)
    life.begin()
    fault.wait()
    life.is_whole()


SERVICES = ("agent-alice", "wallet", "relay", "store", "signer")
PAIRS = [(state, victim) for n, victim in enumerate(SERVICES) for m, state in enumerate(TICK[:-1])
         if "PYLON_KILLS" in os.environ or n % len(TICK[:-1]) == m]  # else each state and each of them once


@pytest.mark.parametrize("state, victim", PAIRS)
def test_a_service_it_needs_is_killed_in_each_state(world, tmp_path, state, victim):
    """The host stops itself at the point, the other one dies, the host goes on."""
    fault = Fault(tmp_path, f"tick.{state}.after", "stop")
    life = world(fault)
    ticking = subprocess.Popen(life.pylon.command("agent", "tick", "alice"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    fault.wait()
    host = life.pylon.pid("host")
    if life.pylon.pids(victim):
        life.pylon.kill(victim)
    os.kill(host, signal.SIGCONT)
    ticking.wait()
    life.is_whole()


@pytest.mark.parametrize("point", ["payment.new", "payment.sent", "payment.outcome", "payment.settled"])
def test_the_wallet_is_killed_while_a_zap_is_paid(world, tmp_path, point):
    fault = Fault(tmp_path, f"{point}", "kill")
    life = world(fault)
    life.begin()
    fault.wait()
    life.alice.wait_tick(2, "done")
    (zap,) = [s for t, s in wait_for(lambda: ends(life.alice, 2), 90, "every action ends") if t == "zap"]
    life.purse.close()
    paid = 1000 * SATS if zap == "done" else 0
    assert (zap, life.balance("bob")) in (("done", paid), ("failed", 0))
    life.purse.close()
    life.purse.verify()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_payment_that_nobody_knows_of_is_waited_for(make_pylon, relay, tmp_path, moment):
    """Lightning takes its time, the host dies meanwhile, and once more when it has heard that nothing is known."""
    fault = Fault(tmp_path, f"action.unknown.{moment}", "kill")
    fault.env["PYLON_FAULTS"] += " regtest.pay.pending=EIO"
    life = Life(make_pylon, relay, tmp_path, env=fault.env)
    alice = life.spawn(msat=1_000_000, profile__autonomy="full")
    _, bolt11, _ = life.purse.invoice(30_000, account="owner")
    alice.wants({"type": "pay", "invoice": bolt11, "max_sats": 30})
    ticking = subprocess.Popen(life.pylon.command("agent", "tick", "alice"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: life.pylon.query("select 1 from payments where status = 'sent'"), 30, "it is on its way")
    life.pylon.kill("host")
    fault.wait()
    alice.wait_tick(2, "done")
    wait_for(lambda: alice.actions(2) == [("pay", "done")], 60, "it is known")
    ticking.wait()
    assert life.balance("alice") == 970_000
    assert len(life.pylon.query("select 1 from payments where account = 'agent:alice'")) == 1
    life.end()


def ends(agent, number):
    actions = agent.actions(number)
    return actions if all(s in ("done", "failed") for _, s in actions) else None


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_host_is_killed_while_a_tick_fails(make_pylon, relay, tmp_path, moment):
    fault = Fault(tmp_path, f"tick.failed.{moment}", "kill")
    life = Life(make_pylon, relay, tmp_path, env=fault.env)
    alice = life.spawn(answer="sys.exit(1)")
    subprocess.run(life.pylon.command("agent", "tick", "alice"), capture_output=True, timeout=60, check=False)
    fault.wait()
    alice.wait_tick(1, "failed")
    alice.wants({"type": "post", "text": "well again"})
    assert wait_for(lambda: alice.tick(), 30, "it ticks again")["state"] == "done"
    assert len(alice.rows()) == 2
    life.end()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_host_is_killed_while_an_action_fails(make_pylon, relay, tmp_path, moment):
    fault = Fault(tmp_path, f"action.failed.{moment}", "kill")
    life = Life(make_pylon, relay, tmp_path, env=fault.env)
    alice = life.spawn(msat=1_000_000)
    alice.wants({"type": "zap", "to": "33" * 32, "sats": SATS}, {"type": "post", "text": "still here"})
    subprocess.run(life.pylon.command("agent", "tick", "alice"), capture_output=True, timeout=60, check=False)
    fault.wait()
    alice.wait_tick(2, "done")
    assert wait_for(lambda: ends(alice, 2), 30, "both are over") == [("zap", "failed"), ("post", "done")]
    assert len(alice.notes()) == 1 and life.balance("alice") == 1_000_000
    life.end()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_host_is_killed_while_it_thinks(make_pylon, relay, tmp_path, moment):
    """The thought is bought from this machine's provider; the same id finds it again."""
    fault = Fault(tmp_path, f"tick.thinking.{moment}", "kill")
    mind = Mind(lambda messages: [json.dumps({"actions": [{"type": "post", "text": "I thought"}]})])
    life = Life(make_pylon, relay, tmp_path, more=mind.config(), env=fault.env)
    wait_for(lambda: life.pylon.json("compute")["models"], 30, "the model is there")
    alice = life.spawn(msat=0, mind__type="local", mind__model="llama3.2")
    life.purse.fund(1_000_000, "agent:alice")
    fault.wait()
    alice.wait_tick(1, "done")
    assert [e["content"] for e in alice.notes()] == ["I thought"]
    assert len(alice.rows()) == 1
    mind.stop()
    life.purse.close()
    life.end()


KILLS = int(os.environ.get("PYLON_KILLS", "8"))
VICTIMS = ("host", "host", "agent-ada", "agent-bob", "wallet", "relay", "store", "signer")


def test_random_kills_while_agents_live(make_pylon, relay, tmp_path):
    """Each tick of two agents posts its own number, writes to the other one and zaps it; whatever dies meanwhile, each
    number is posted once, and the money of both is what it was."""
    life = Life(make_pylon, relay, tmp_path)
    names = life.addresses("ada", "bob")
    pair = [life.spawn(n, msat=1_000_000, profile__lud16=names.at(n), schedule__wakes_per_hour="3600") for n in ("ada", "bob")]
    for one, other in (pair, pair[::-1]):
        wait_for(lambda: other.notes(0), 20, "the profile is on the relay")  # noqa: B023
        one.answers(f"""
t = context["tick"]
say({{"type": "post", "text": "tick %d" % t}}, {{"type": "remember", "text": "tick %d" % t}},
    {{"type": "dm", "to": "{other.npub}", "text": "tick %d" % t}}, {{"type": "zap", "to": "{other.npub}", "sats": 1 + t}})""")
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")
    chance = random.Random(seed)
    for n in range(KILLS):
        for one in pair:
            life.pylon.run("agent", "tell", one.name, f"go on {n}", expect=None)
        threading.Event().wait(chance.random())
        for pid in life.pylon.pids(chance.choice(VICTIMS)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    for one in pair:
        one.answers("say()")
    life.purse.close()

    def quiet():
        return not life.pylon.query("select 1 from tick_history where status not in ('done', 'failed')"
                                    " union select 1 from agent_actions where status in ('planned', 'signed', 'unknown')")
    wait_for(quiet, 120, "everything is over")
    for one in pair:
        numbers = [int(e["content"].split()[1]) for e in one.notes()]
        assert len(numbers) == len(set(numbers)), f"something was posted twice: {numbers}"
        done = life.pylon.query("select event_id from agent_actions where agent_npub = ? and type = 'post' and status = 'done'", one.npub)
        assert {r[0] for r in done} <= {e["id"] for e in one.notes()}
        memories = life.pylon.query("select text from agent_memories where agent_npub = ?", one.npub)
        assert len(memories) == len(set(memories))
    zaps = life.pylon.query("select count(*) from agent_actions where type = 'zap' and status = 'done'")[0][0]
    assert zaps == life.pylon.query("select count(*) from payments where purpose = 'zap' and status = 'settled'")[0][0]
    assert life.balance("ada") + life.balance("bob") == 2_000_000
    life.end()
