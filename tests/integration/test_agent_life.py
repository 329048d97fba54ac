"""Which agents there are, when they wake, and how they are: files, triggers, storms, money, and a kill of the host in
every step of an agent's making and deleting."""
import json
import os
import signal
import time

import pytest

from agents import OWNER, STRANGER, letter, public_key
from parts import customer, tag, wait_for
from store_wire import Wire
from test_crash import Fault
from test_wallet import Purse

NIP06 = "leader monkey parrot ring guide accident before fence cannon height naive bean"
NIP06_NPUB = "npub1zutzeysacnf9rru6zqwmxd54mud0k44tst6l70ja5mhv8jjumytsd2x7nu"
PREDECESSOR = f"""name = "My Agent"
npub = "{NIP06_NPUB}"
mnemonic_encrypted = "{NIP06}"
spark_address = "sp1q"
network = "regtest"
state = "active"
tick_count = 3
[profile]
name = "My Agent"
autonomy = "autonomous"
[schedule]
heartbeat_seconds = 86400
triggers = ["mention", "dm", "zap"]
[runway]
daily_burn_sats = 1000
"""
CALM = ("--set", "schedule.heartbeat_seconds=86400", "--set", "runway.hibernate_threshold_sats=100")


class World:
    """A Pylon in host mode with a purse, on a relay that is not ours."""

    def __init__(self, make_pylon, relay, folder, env=None):
        self.relay = relay
        self.pylon = make_pylon("start", [relay.url], env=env)
        text = self.pylon.config.read_text().replace("enable_payments = false", "enable_payments = true")
        self.pylon.config.write_text(text)
        self.agents = self.pylon.home / ".openagents/agents"
        self.folder = folder
        self.purse = None

    def start(self, **more):
        self.pylon.start("--mode", "host", **more)
        self.purse = Purse(self.pylon, self.folder)
        return self

    def spawn(self, name, *options, msat=5_000_000):
        born = self.pylon.json("agent", "spawn", name, "--fund", "no", *CALM, *options)
        if msat:
            self.fund(name, msat)
            self.wait_ticks(name, 1)
        return born

    def fund(self, name, msat):
        self.purse.fund(msat, f"agent:{name}")

    def row(self, name):
        found = self.pylon.query("select npub, lifecycle_state, wish, tick_count, balance_msats from agent_state"
                                 " where name = ?", name)
        return dict(zip(("npub", "state", "wish", "ticks", "msat"), found[0])) if found else None

    def ticks(self, name):
        """What woke it, the oldest first."""
        found = self.pylon.query("select woken_by, status from tick_history join agent_state on npub = agent_npub"
                                 " where name = ? order by tick_number", name)
        return [trigger for trigger, status in found if status == "done"]

    def wait_ticks(self, name, n, seconds=30):
        return wait_for(lambda: len(self.ticks(name)) >= n and self.ticks(name), seconds,
                        f"{name} has woken {n} times, it has {self.ticks(name)}")

    def wait_state(self, name, state, seconds=20):
        wait_for(lambda: (self.row(name) or {}).get("state") == state, seconds, f"{name} is {state}: {self.row(name)}")

    def pubkey(self, name):
        return self.pylon.json("agent", "info", name)["pubkey"]

    def note(self, content, *tags, kind=1, key="22"):
        (line,) = customer("post", self.relay.url, json.dumps({"kind": kind, "content": content, "tags": list(tags)}),
                           env={"CUSTOMER_KEY": key * 32})
        return line["request"]

    def log(self):
        return self.pylon.log()

    def files(self):
        return sorted(p.name for p in self.agents.iterdir()) if self.agents.exists() else []


@pytest.fixture
def world(make_pylon, relay, tmp_path):
    w = World(make_pylon, relay, tmp_path)
    yield w
    if w.purse:
        w.purse.close()


# ---- which there are

def test_an_agent_is_a_key_a_file_a_row_and_a_grant(world):
    born = world.start().spawn("ada", msat=0)
    assert world.files() == [f"{born['npub']}.toml"]
    path = world.agents / world.files()[0]
    assert path.stat().st_mode & 0o777 == 0o600
    assert born["mnemonic"] not in path.read_text() and 'name = "ada"' in path.read_text()
    assert len(born["mnemonic"].split()) == 12 and born["mnemonic"] not in world.log()
    assert world.row("ada")["state"] == "spawning"
    (grant,) = [g for g in world.purse.call("Grants") if g[0] == "agent:ada"]
    assert json.loads(grant[2])["per_tick_msat"] == 1_000_000 and grant[3] == "active"
    kinds = wait_for(lambda: {0, 10002, 10050} <= {e["kind"] for e in world.relay.events()} and
                     {e["kind"]: e for e in world.relay.events()}, 20, "its profile is out")
    profile = json.loads(kinds[0]["content"])
    assert profile["name"] == "ada" and profile["bot"] is True and kinds[0]["pubkey"] == world.pubkey("ada")
    assert tag(kinds[10050], "relay") == world.relay.url == tag(kinds[10002], "r")


def test_a_profile_is_published_again_only_when_it_changes(world):
    world.start().spawn("ada", msat=0)
    wait_for(lambda: world.relay.events(0), 20, "its profile is out")
    world.pylon.run("agent", "edit", "ada", "profile.about", "I read")
    wait_for(lambda: [e for e in world.relay.events(0) if "I read" in e["content"]], 20, "the new one is out")
    world.pylon.kill("host")
    world.fund("ada", 5_000_000)
    world.wait_ticks("ada", 1)
    assert len(world.relay.events(0)) == 2


def test_a_file_of_the_predecessor_is_taken_up_and_its_words_move(world):
    world.agents.mkdir(parents=True)
    path = world.agents / f"{NIP06_NPUB}.toml"
    path.write_text(PREDECESSOR)
    world.start()
    wait_for(lambda: world.row("my-agent"), 20, "it lives")
    assert world.row("my-agent")["npub"] == NIP06_NPUB
    text = path.read_text()
    assert "mnemonic" not in text and "leader" not in text and path.stat().st_mode & 0o777 == 0o600
    assert "leader" not in world.log()
    assert world.pylon.json("agent", "info", "my-agent")["pubkey"] == "17162c921dc4d2518f9a101db33695df1afb56ab82f5ff3e5da6eec3ca5cd917"
    world.fund("my-agent", 5_000_000)
    assert world.wait_ticks("my-agent", 1) == ["deposit"]


def test_words_of_another_key_stay_where_they_are(world):
    world.agents.mkdir(parents=True)
    other = "npub1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqshp52w2"
    path = world.agents / f"{other}.toml"
    path.write_text(PREDECESSOR.replace(NIP06_NPUB, other))
    world.start()
    wait_for(lambda: "its words are those of another key" in world.log(), 20, "the log says so")
    assert NIP06 in path.read_text() and world.row("my-agent") is None


def test_a_damaged_file_is_named_and_keeps_no_other_from_living(world):
    born = world.start().spawn("ada")
    bad = world.agents / "npub1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqshp52w2.toml"
    bad.write_text('name = "bob"\n[mind]\ntype = "brain"\n')
    world.pylon.stop()
    world.start()
    wait_for(lambda: f"{bad}:3:8: 'type' must be" in world.log(), 20, "the damaged one is named with its place")
    assert world.pylon.json("agent", "info", born["npub"])["name"] == "ada"
    world.pylon.run("agent", "tell", "ada", "good morning")
    world.wait_ticks("ada", 2)


def test_a_file_that_was_changed_by_hand_is_read_again_on_sighup(world):
    born = world.start().spawn("ada")
    path = world.agents / f"{born['npub']}.toml"
    path.write_text(path.read_text().replace("heartbeat_seconds = 86400", "heartbeat_seconds = 1"))
    os.kill(world.pylon.pid("host"), signal.SIGHUP)
    world.wait_ticks("ada", 3)
    path.write_text(path.read_text().replace("heartbeat_seconds = 1", "heartbeat_seconds = 0"))
    os.kill(world.pylon.pid("host"), signal.SIGHUP)
    wait_for(lambda: f"{path}:" in world.log(), 20, "the mistake is named")
    ticks = len(world.ticks("ada"))
    world.wait_ticks("ada", ticks + 2)


def test_an_agent_whose_file_is_taken_away_sleeps_until_it_is_back(world):
    born = world.start().spawn("ada")
    world.pylon.run("agent", "pause", "ada")
    path = world.agents / f"{born['npub']}.toml"
    text = path.read_text()
    path.unlink()
    os.kill(world.pylon.pid("host"), signal.SIGHUP)
    wait_for(lambda: world.pylon.run("agent", "info", "ada", expect=None).returncode != 0, 20, "it is not here")
    assert world.row("ada")  # its history is
    path.write_text(text)
    os.kill(world.pylon.pid("host"), signal.SIGHUP)
    wait_for(lambda: world.pylon.run("agent", "tell", "ada", "welcome", expect=None).returncode == 0, 20, "it is back")
    assert world.pylon.json("agent", "info", "ada")["wish"] == "paused"
    world.pylon.run("agent", "resume", "ada")
    assert world.wait_ticks("ada", 2)[-1] == "tell"


def test_a_name_is_taken_once_and_settings_must_be_good(world):
    world.start().spawn("ada", msat=0)
    assert world.pylon.run("agent", "spawn", "ada", expect=None).returncode != 0
    done = world.pylon.run("agent", "spawn", "bob", "--set", "schedule.heartbeat_seconds=0", "--json", expect=None)
    assert done.returncode != 0 and "heartbeat_seconds" in done.stdout + done.stderr
    assert world.pylon.run("agent", "spawn", "../etc", expect=None).returncode != 0
    assert len(world.files()) == 1 and world.row("bob") is None


# ---- when they wake

def test_a_heartbeat_and_what_was_missed(world):
    world.start().spawn("ada", "--set", "schedule.heartbeat_seconds=2")
    assert set(world.wait_ticks("ada", 3)[1:]) == {"heartbeat"}
    world.pylon.run("agent", "edit", "ada", "schedule.heartbeat_seconds", "3600")
    world.pylon.stop()
    n = len(world.ticks("ada"))
    world.start()
    time.sleep(1.5)
    assert len(world.ticks("ada")) == n  # not missed yet


def test_mentions_replies_and_messages_wake_it_and_reactions_do_not(world):
    world.start().spawn("ada", "--set", "schedule.wakes_per_hour=3600")
    me = world.pubkey("ada")
    wait_for(lambda: "1111" in json.dumps(world.relay.subscribers()), 20, "it listens")
    first = world.note("hello there", ["p", me])
    assert world.wait_ticks("ada", 2)[-1] == "mention"
    world.note("+", ["p", me], ["e", first["id"]], kind=7)
    world.note("answer", ["e", "ab" * 32, "", "root", me], ["p", me])
    assert world.wait_ticks("ada", 3)[-1] == "reply"
    letter("send", world.relay.url, me, "psst", who=STRANGER)  # NIP-17
    assert world.wait_ticks("ada", 4)[-1] == "dm"
    secret = json.dumps({"kind": 4, "scheme": "nip04", "to": me, "tags": [["said", "in the old way"]]})
    customer("post", world.relay.url, secret, env={"CUSTOMER_KEY": "33" * 32})
    assert world.wait_ticks("ada", 5)[-1] == "dm"
    said = world.pylon.query("select what, text, author from agent_observations order by seq")
    assert [what for what, _, _ in said] == ["mention", "reply", "dm", "dm"]
    assert said[2][1:] == ("psst", public_key(STRANGER)) and "in the old way" in said[3][1]
    assert [t for t in world.ticks("ada") if t not in ("deposit", "mention", "reply", "dm")] == []


def test_what_came_while_the_host_was_killed_is_seen_once(world):
    world.start().spawn("ada", "--set", "schedule.wakes_per_hour=3600")
    me = world.pubkey("ada")
    wait_for(lambda: "1111" in json.dumps(world.relay.subscribers()), 20, "it listens")
    world.pylon.run("agent", "pause", "ada")
    world.note("one", ["p", me])
    wait_for(lambda: world.pylon.query("select count(*) from agent_observations")[0][0] == 1, 20, "it is on disk")
    world.pylon.kill("host")
    world.note("two", ["p", me])
    wait_for(lambda: world.pylon.query("select count(*) from agent_observations")[0][0] == 2, 30, "the other one, too")
    world.pylon.run("agent", "resume", "ada")
    world.pylon.run("agent", "tell", "ada", "go on")
    wait_for(lambda: "tell" in world.ticks("ada"), 20, "it is awake again")


def test_a_storm_of_mentions_costs_two_ticks(world, relay):
    world.start().spawn("ada")
    me = world.pubkey("ada")
    wait_for(lambda: "1111" in json.dumps(world.relay.subscribers()), 20, "it listens")
    notes = [json.dumps({"kind": 1, "content": f"buy {i}", "tags": [["p", me]]}) for i in range(400)]
    customer("post", relay.url, *notes, env={"CUSTOMER_KEY": "44" * 32})
    wait_for(lambda: "More is said to agent ada than it may look at" in world.log(), 30, "the log says so")
    time.sleep(2)
    assert 2 <= len(world.ticks("ada")) <= 3  # the deposit, and two
    assert world.pylon.query("select count(*) from agent_observations")[0][0] <= 12  # of one sender
    world.pylon.run("agent", "tell", "ada", "are you there?")  # its owner does not wait
    wait_for(lambda: world.ticks("ada")[-1] == "tell", 20, "it hears its owner")


def test_the_muted_are_not_heard(world):
    world.start().spawn("ada")
    me = world.pubkey("ada")
    author = customer("sign", "-", "{}", env={"CUSTOMER_KEY": "55" * 32})[0]["pubkey"]
    world.pylon.run("agent", "edit", "ada", "schedule.muted", author)
    wait_for(lambda: "1111" in json.dumps(world.relay.subscribers()), 20, "it listens")
    world.note("psst", ["p", me], key="55")
    world.note("hello", ["p", me])
    world.wait_ticks("ada", 2)
    assert world.pylon.query("select count(*) from agent_observations where author = ?", author)[0][0] == 0


def test_keywords_wake_it_where_it_has_some(world):
    world.start().spawn("ada", "--set", "schedule.triggers=keyword", "--set", "schedule.keywords=pylon, #nostr")
    wait_for(lambda: '{"kinds":[1]' in json.dumps(world.relay.subscribers()).replace(" ", ""), 20, "it listens")
    world.note("nothing of interest")
    world.note("a Pylon, they say")
    assert world.wait_ticks("ada", 2)[-1] == "keyword"


def test_stopped_and_paused_agents_do_not_wake_and_a_stopped_one_may_not_pay(world):
    world.start().spawn("ada", "--set", "schedule.heartbeat_seconds=1")
    for verb, wish in (("pause", "paused"), ("stop", "stopped")):
        world.pylon.run("agent", verb, "ada")
        assert world.row("ada")["wish"] == wish
        wait_for(lambda: not world.pylon.json("agent", "info", "ada")["ticking"], 10, "it sleeps")
        n = len(world.ticks("ada"))
        time.sleep(2)
        assert len(world.ticks("ada")) == n
    (grant,) = [g for g in world.purse.call("Grants") if g[0] == "agent:ada"]
    assert grant[3] == "revoked"
    world.pylon.kill("host")
    world.pylon.run("agent", "start", "ada")
    world.wait_ticks("ada", n + 1)
    (grant,) = [g for g in world.purse.call("Grants") if g[0] == "agent:ada"]
    assert grant[3] == "active"


def test_while_host_mode_is_off_none_wakes(world):
    world.start().spawn("ada", "--set", "schedule.heartbeat_seconds=1")
    host = Wire(world.folder, str(world.pylon.base / "run/host.sock"), "owner")
    host.call("com.openagents.Pylon1.Host", "Offline")
    wait_for(lambda: not world.pylon.json("agent", "info", "ada")["ticking"], 10, "it sleeps")
    n = len(world.ticks("ada"))
    time.sleep(2)
    assert len(world.ticks("ada")) == n
    host.call("com.openagents.Pylon1.Host", "Online")
    world.wait_ticks("ada", n + 1)
    host.close()


def test_all_are_stopped_at_once(world):
    world.start()
    for name in ("ada", "bob", "carl"):
        world.spawn(name, "--set", "schedule.heartbeat_seconds=1")
    world.pylon.run("agent", "stop", "--all")
    assert {world.row(name)["wish"] for name in ("ada", "bob", "carl")} == {"stopped"}
    assert {g[3] for g in world.purse.call("Grants")} == {"revoked"}


def test_only_so_many_are_awake_at_a_time_and_all_get_their_turn(make_pylon, relay, tmp_path):
    w = World(make_pylon, relay, tmp_path)
    w.pylon.config.write_text(w.pylon.config.read_text() + "\n[host]\nmax_ticks = 1\n")
    w.start()
    names = ["ada", "bob", "carl", "dora", "emil"]
    for name in names:
        w.spawn(name, "--set", "schedule.heartbeat_seconds=1")
    for name in names:
        w.wait_ticks(name, 5)
    w.pylon.run("agent", "tell", "emil", "hello")
    wait_for(lambda: "tell" in w.ticks("emil"), 20, "who is told something has his turn, too")
    w.purse.close()


def test_an_agent_that_is_not_due_sleeps_on_when_the_host_comes_back(world):
    world.start().spawn("ada")
    before = world.row("ada")
    assert before["ticks"] == 1
    world.pylon.kill("host")
    world.pylon.run("agent", "list")
    time.sleep(1)
    assert world.row("ada")["ticks"] == 1  # it is not due yet, and does not think so


# ---- how they are

def test_money_makes_it_active_and_its_end_dormant_and_a_deposit_brings_it_back(world):
    world.start().spawn("ada", "--set", f"owner.npub={public_key(OWNER)}", msat=0)
    world.fund("ada", 50_000)  # too little
    world.purse.pay("out", world.purse.invoice(50_000, account="owner")[1], account="agent:ada")
    assert world.row("ada")["state"] == "spawning"
    world.fund("ada", 5_000_000)
    world.wait_state("ada", "active")
    world.wait_ticks("ada", 1)
    world.pylon.run("agent", "withdraw", "ada", "owner", "4950", "--yes")
    world.wait_state("ada", "hibernating")
    world.pylon.run("agent", "withdraw", "ada", "owner", "50", "--yes")
    world.wait_state("ada", "dormant")
    n = len(world.ticks("ada"))
    world.pylon.kill("host")
    world.pylon.run("agent", "list")
    assert world.row("ada")["state"] == "dormant"
    world.fund("ada", 1_000_000)
    world.wait_state("ada", "active")
    assert world.wait_ticks("ada", n + 1)[-1] == "deposit"
    wait_for(lambda: all(word in letter("read", world.relay.url, who=OWNER)
                         for word in ("hibernates", "is dormant", "is active")), 20, "its owner was told")
    world.purse.verify()


def test_who_needs_no_money_lives_at_once(world):
    world.start().spawn("ada", "--set", "runway.hibernate_threshold_sats=0", msat=0)
    world.wait_state("ada", "active")
    world.wait_ticks("ada", 1)


# ---- how they go

def test_money_keeps_an_agent_from_being_deleted(world):
    born = world.start().spawn("ada")
    done = world.pylon.run("agent", "delete", "ada", "--yes", expect=None)
    assert done.returncode != 0 and "5000 sats" in done.stdout + done.stderr
    assert world.files() == [f"{born['npub']}.toml"] and world.row("ada")
    world.pylon.run("agent", "delete", "ada", "--yes", "--sweep-to", "owner")
    assert world.files() == [] and world.row("ada") is None
    assert world.purse.balances()["owner"] == 5_000_000 and not world.purse.balances()["agent:ada"]
    world.purse.verify()
    again = world.pylon.json("agent", "spawn", "ada", "--key-there", "--fund", "no")
    assert again["npub"] == born["npub"]


def test_its_money_goes_to_an_invoice_and_the_rest_to_its_owner(world):
    world.start().spawn("ada")
    bolt11 = world.purse.invoice(4_000_000, account="provider")[1]
    world.pylon.run("agent", "delete", "ada", "--yes", "--sweep-to", bolt11)
    assert world.purse.balances()["provider"] == 4_000_000 and world.purse.balances()["owner"] == 1_000_000
    world.purse.verify()


SPAWNING = ("checking", "noting", "keying", "filing", "adding", "granting")


@pytest.mark.parametrize("step", SPAWNING)
def test_the_host_is_killed_in_each_step_of_a_spawn(make_pylon, relay, tmp_path, step):
    fault = Fault(tmp_path, f"spawn.{step}.after", "kill")
    world = World(make_pylon, relay, tmp_path, env=fault.env).start()
    done = world.pylon.run("agent", "spawn", "ada", *CALM, "--fund", "no", expect=None)
    fault.wait()
    assert done.returncode != 0
    if step in ("checking", "noting"):  # it had no key: nothing stays of it
        wait_for(lambda: not [f for f in world.files() if f.endswith(".spawning")] and world.pylon.pid("host"), 20,
                 "what was written is gone")
        assert world.files() == [] and world.row("ada") is None
        world.spawn("ada")
    else:
        wait_for(lambda: world.row("ada"), 30, "it is completed")
        wait_for(lambda: world.files() == [f"{world.row('ada')['npub']}.toml"], 10, "and nothing is left over")
        world.fund("ada", 5_000_000)
        world.wait_ticks("ada", 1)
    assert len(world.pylon.json("agent", "list")) == 1
    world.purse.close()


@pytest.mark.parametrize("step", ("stopping", "revoking", "counting", "sweeping", "filing", "removing"))
def test_the_host_is_killed_in_each_step_of_a_farewell(make_pylon, relay, tmp_path, step):
    fault = Fault(tmp_path, f"farewell.{step}.after", "kill")
    world = World(make_pylon, relay, tmp_path, env=fault.env).start()
    world.spawn("ada")
    world.pylon.run("agent", "delete", "ada", "--yes", "--sweep-to", "owner", expect=None)
    fault.wait()
    if step in ("filing", "removing"):  # there was no way back
        wait_for(lambda: world.files() == [] and world.row("ada") is None, 30, "it is gone")
    else:
        wait_for(lambda: world.pylon.json("agent", "list", expect=None), 20, "the host is back")
        assert world.row("ada")["wish"] == "stopped"
        world.pylon.run("agent", "delete", "ada", "--yes", "--sweep-to", "owner")
        assert world.files() == [] and world.row("ada") is None
    assert world.purse.balances()["owner"] == 5_000_000 and not world.purse.balances()["agent:ada"]
    world.purse.verify()
    world.purse.close()
