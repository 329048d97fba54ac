"""How agents buy their thinking: on the market, from whom they choose, or from this machine's provider. tool-think is
a host that does nothing else; killed anywhere and started again with the same id, a thought is bought and paid once."""
import json
import os
import shutil
import subprocess
import threading
import queue

import pytest

import asker
from mind import Mind
from paid import make_paid
from parts import BUILD, customer, tag, wait_for
from test_crash import Fault
from test_wallet import Purse

SIGNER = "com.openagents.Pylon1.Signer"
ADA = "agent:ada"
SECRET = "the word is xyzzy"
PRICE = 21000


def think(n, **more):
    return {"id": f"{ADA}/7/{n}", "key": ADA, "mind": "nip90", "max_msat": 50000, "timeout": 40, "max_tokens": 100,
            "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": f"{SECRET} {n}"}], **more}


class Host:
    """tool-think, taken for pylon-host by the name of its program."""

    def __init__(self, pylon, folder, env=None):
        program = folder / "pylon-host"
        if not program.exists():
            shutil.copy(BUILD / "tests/integration/tool-think", program)
        self.log = open(folder / "think.log", "ab")
        self.process = subprocess.Popen([program, pylon.config, pylon.base / "run"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log,
                                        env={**os.environ, "PYLON_LOG": "debug", **(env or {})})
        self.said = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.said.put(json.loads(line))

    def order(self, what):
        self.process.stdin.write(json.dumps(what).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, seconds=60):
        return self.said.get(timeout=seconds)

    def ask(self, what, seconds=60):
        self.order(what)
        return self.answer(seconds)

    def kill(self):
        self.process.kill()
        self.end(-9)

    def end(self, expect=0):
        """It leaves when nothing is ordered any more. One that was killed stays so."""
        if self.process.stdout.closed:
            return
        killed = self.process.poll() == -9
        self.process.stdin.close()
        assert self.process.wait(60) in ((expect,) if not killed else (-9,))
        self.reader.join()
        self.process.stdout.close()
        self.log.close()


class Agent:
    """A key, an account with money in it, and a grant."""

    def __init__(self, pylon, folder, msat=1_000_000, **limits):
        self.purse = Purse(pylon, folder)
        self.purse.fund(msat, account=ADA)
        self.msat = msat
        self.grant(**limits)
        out, into = os.pipe()
        asker.ask(asker.connect(pylon.base / "run/signer.sock"), SIGNER, "Generate", "subh", (ADA, 12, False, 0), [into])
        os.close(into)
        os.close(out)

    def grant(self, **limits):
        self.purse.call("SetGrant", "sss", ADA, ADA, json.dumps(limits))

    def spent(self):
        return self.msat - self.purse.balances()[ADA]


@pytest.fixture
def mind():
    one = Mind()
    yield one
    one.stop()


@pytest.fixture
def world(make_pylon, relay, tmp_path, mind):
    """world(…): a provider that is paid, an agent with money, and a host."""
    made, agents = [], []

    def host(pylon, env=None):
        made.append(Host(pylon, tmp_path, env))
        return made[-1]

    def make(price=PRICE, more="", limits=None, env=None, mode="provider"):
        pylon = make_paid(make_pylon, relay, price=price, more=mind.config(more), start=False)
        pylon.start("--mode", mode)
        if mode == "provider":
            wait_for(lambda: [e for e in relay.events(31990) if tag(e, "k") == "5050"], 20, "it is announced")
        agents.append(Agent(pylon, tmp_path, **(limits or {})))
        return pylon, agents[-1], host(pylon, env)

    make.again = host
    yield make
    for one in made:
        one.end()
    for agent in agents:
        agent.purse.verify()
        agent.purse.close()


def purchases(pylon):
    return pylon.query("select ref, status, key_name, account, grant_name, amount_msats, blamed, error_message from purchases "
                       "order by seq")


def test_a_thought_is_bought_on_the_market_with_the_agents_key_and_money(world, relay, mind):
    pylon, agent, host = world()
    thought = host.ask(think(1))
    assert (thought["error"], thought["text"], thought["cost"], thought["model"]) == (0, "Paris.", PRICE, "llama3.2")
    assert agent.spent() == PRICE and agent.purse.balances()["provider"] == PRICE
    (row,) = purchases(pylon)
    assert row[:6] == (f"{ADA}/7/1/1", "received", ADA, ADA, ADA, PRICE)
    (request,) = relay.events(5050)
    assert tag(request, "i") == f"Be short.\n\n{SECRET} 1" and tag(request, "p") == thought["provider"]
    again = host.ask(think(1))
    assert again == thought
    assert agent.spent() == PRICE and len(relay.events(5050)) == 1


def test_an_encrypted_conversation_shows_no_plaintext(world, relay, mind):
    pylon, agent, host = world(more="[feedback]\npartial = true\n")
    thought = host.ask(think(1, encrypt=1))
    assert (thought["error"], thought["text"]) == (0, "Paris.")
    assert SECRET in mind.prompts()[0][-1]
    said = relay.file.read_text()
    assert "xyzzy" not in said and "Paris" not in said and "Be short" not in said
    (request,) = relay.events(5050)
    assert [t for t in request["tags"] if t[0] == "encrypted"]
    assert host.ask(think(1, encrypt=1)) == thought
    assert agent.spent() == PRICE


def test_a_grant_that_is_used_up_ends_it_at_once(world):
    pylon, agent, host = world(limits={"total_msat": PRICE + 1000})
    assert host.ask(think(1))["error"] == 0
    refused = host.ask(think(2))
    assert refused["error"] == -122 and "grant" in refused["reason"]
    assert agent.spent() == PRICE
    assert [row[1] for row in purchases(pylon)] == ["received", "failed"]


LIST = """[[price]]
kind = 5050
minimum_msats = 0
base_msats = 1000
per_ktoken_in_msats = 4000
per_ktoken_out_msats = 5000
"""
TOKENS_IN = (len(f"Be short.{SECRET} 1") + 3) // 4
LISTED = 1000 + TOKENS_IN * 4 + 500


def local(world, **more):
    pylon, agent, host = world(**more)
    pylon.stop()
    agent.purse.close()
    pylon.config.write_text(pylon.config.read_text() + LIST)
    pylon.start("--mode", "host")
    return pylon, agent, host


def test_a_local_thought_costs_what_the_list_says_and_is_paid_inside(world, mind):
    pylon, agent, host = local(world)
    thought = host.ask(think(1, mind="local"))
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "Paris.", LISTED)
    assert thought["provider"] == "local" and thought["model"] == "llama3.2"
    assert agent.spent() == LISTED and agent.purse.balances()["provider"] == LISTED
    assert pylon.json("earnings")["summary"]["total_msats"] == LISTED
    assert mind.asked[0]["max_tokens"] == 100
    assert [m["role"] for m in mind.asked[0]["messages"]] == ["system", "user"]


def test_what_the_agent_cannot_pay_is_not_thought(world, mind):
    pylon, agent, host = local(world)
    assert host.ask(think(1, mind="local", max_msat=LISTED - 1))["error"] == -122
    agent.purse.call("Transfer", "sssxs", "away", ADA, "owner", agent.msat - LISTED + 1, "")
    refused = host.ask(think(2, mind="local"))
    assert refused["error"] == -122 and "not so much" in refused["reason"]
    assert mind.asked == []


def test_a_model_that_is_not_there_is_said(world):
    pylon, agent, host = local(world)
    assert host.ask(think(1, mind="local", model="no-such-model"))["error"] == -2
    assert agent.spent() == 0


def test_the_provider_dies_in_the_middle_of_a_local_answer(world, mind):
    pauses = [30, 0.01]
    mind.answer = lambda messages: ["Pa", pauses.pop(0), "ris."]
    pylon, agent, host = local(world)
    host.order(think(1, mind="local"))
    wait_for(lambda: mind.asked, 20, "the model is asked")
    pylon.kill("provider")
    thought = host.answer()
    assert (thought["error"], thought["text"]) == (0, "Paris.")
    assert agent.spent() == LISTED and len(mind.asked) == 2


@pytest.mark.parametrize("point", ["think.paying", "think.paid"])
def test_a_local_thought_is_paid_once_though_the_host_is_killed(world, tmp_path, point):
    fault = Fault(tmp_path, point, "kill")
    pylon, agent, host = local(world, env=fault.env)
    host.order(think(1, mind="local"))
    fault.wait()
    thought = world.again(pylon).ask(think(1, mind="local"))
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "Paris.", LISTED)
    assert agent.spent() == LISTED and pylon.json("earnings")["summary"]["total_msats"] == LISTED


def test_the_last_of_the_money_buys_a_thought_though_the_host_is_killed(world, tmp_path):
    fault = Fault(tmp_path, "think.paid", "kill")
    pylon, agent, host = local(world, env=fault.env)
    agent.purse.call("Transfer", "sssxs", "away", ADA, "owner", agent.msat - LISTED, "")
    host.order(think(1, mind="local"))
    fault.wait()
    thought = world.again(pylon).ask(think(1, mind="local"))
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "Paris.", LISTED)
    assert agent.spent() == agent.msat and agent.purse.balances()["provider"] == LISTED


# ---- crashes on the market

@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", ["asking", "paying", "paid", "received"])
def test_a_thought_is_bought_and_paid_once_wherever_the_host_is_killed(world, relay, tmp_path, state, moment):
    fault = Fault(tmp_path, f"purchase.{state}.{moment}", "kill")
    pylon, agent, host = world(env=fault.env)
    host.order(think(1, encrypt=1))
    fault.wait()
    again = world.again(pylon)
    thought = again.ask(think(1, encrypt=1))
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "Paris.", PRICE)
    assert agent.spent() == PRICE and len(relay.events(5050)) == 1 and len(purchases(pylon)) == 1


@pytest.mark.parametrize("role", ["relay", "wallet", "provider", "store"])
def test_a_service_is_killed_while_a_thought_is_bought(world, relay, mind, role):
    mind.answer = lambda messages: ["Par", 2, "is."]
    pylon, agent, host = world()
    host.order(think(1, encrypt=1))
    wait_for(lambda: mind.asked, 20, "the model is asked")
    pylon.kill(role)
    agent.purse.close()
    thought = host.answer()
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "Paris.", PRICE)
    assert agent.spent() == PRICE and len(relay.events(5050)) == 1


def test_who_failed_is_remembered_by_the_next_life(world, relay):
    pylon, agent, host = world()
    rival = Rival(relay, agent)
    host.order(think(1))
    rival.say(7000, [["status", "error", "not today"]])
    assert host.answer()["error"] == 0
    host.kill()
    assert world.again(pylon).ask(think(2))["error"] == 0
    assert len([e for e in relay.events(5050) if tag(e, "p") == rival.pubkey]) == 1


# ---- the next one

class Rival:
    """A provider that is not ours, announces to be the cheapest, and does what a test says."""

    def __init__(self, relay, agent, msat=1000):
        self.relay, self.purse, self.env = relay, agent.purse, {"CUSTOMER_KEY": "33" * 32}
        self.pubkey = customer("sign", "-", "{}", env=self.env)[0]["pubkey"]
        tags = [["d", "rival"], ["k", "5050"], ["price", str(msat), "per-request", "sats"], ["network", "regtest"]]
        customer("post", relay.url, json.dumps({"kind": 31990, "content": "{}", "tags": tags}), env=self.env)

    def request(self):
        (event,) = wait_for(lambda: [e for e in self.relay.events(5050) if tag(e, "p") == self.pubkey], 20, "the rival is asked")
        return event

    def say(self, kind, tags, content=""):
        request = self.request()
        tags = [["e", request["id"]], ["p", request["pubkey"]], *tags]
        customer("post", self.relay.url, json.dumps({"kind": kind, "content": content, "tags": tags}), env=self.env)

    def ask(self, msat):
        bolt11 = self.purse.invoice(msat, account="agent:rival", text=os.urandom(4).hex())[1]
        self.say(7000, [["status", "payment-required"], ["amount", str(msat), bolt11]])


def test_who_refuses_is_left_for_the_next(world, relay):
    pylon, agent, host = world()
    rival = Rival(relay, agent)
    host.order(think(1))
    rival.say(7000, [["status", "error", "not today"]])
    thought = host.answer()
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "Paris.", PRICE)
    assert [row[:2] for row in purchases(pylon)] == [(f"{ADA}/7/1/1", "failed"), (f"{ADA}/7/1/2", "received")]
    assert purchases(pylon)[0][6] == 1
    assert host.ask(think(1)) == thought


def test_who_is_silent_is_told_and_left_for_the_next(world, relay):
    pylon, agent, host = world()
    rival = Rival(relay, agent)
    host.order(think(1))
    request = rival.request()
    thought = host.answer()
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "Paris.", PRICE)
    (deletion,) = [e for e in relay.events(5) if tag(e, "e") == request["id"]]
    assert deletion["pubkey"] == request["pubkey"]


def test_who_was_paid_and_died_is_waited_for_and_then_left(world, relay):
    pylon, agent, host = world()
    rival = Rival(relay, agent)
    host.order(think(1, timeout=20))
    rival.ask(9000)
    thought = host.answer()
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "Paris.", 9000 + PRICE)
    assert agent.spent() == 9000 + PRICE


def test_what_was_bought_and_let_go_goes_on_in_the_host_and_is_found(world, relay):
    pylon, agent, host = world()
    rival = Rival(relay, agent)
    host.order(think(1))
    rival.ask(9000)
    wait_for(lambda: [row for row in purchases(pylon) if row[1] == "paid"], 20, "it is paid")
    host.kill()
    agent.purse.close()
    pylon.stop()
    pylon.start("--mode", "host")
    rival.say(6050, [], "after all")
    wait_for(lambda: [row for row in purchases(pylon) if row[1] == "received"], 20, "it is received")
    thought = world.again(pylon).ask(think(1))
    assert (thought["error"], thought["text"], thought["cost"]) == (0, "after all", 9000)
    assert agent.spent() == 9000 and len(purchases(pylon)) == 1


def test_all_that_is_tried_stays_within_the_limit(world, relay):
    pylon, agent, host = world()
    rival = Rival(relay, agent)
    host.order(think(1, timeout=8, max_msat=PRICE + 8000))
    rival.ask(9000)
    thought = host.answer()
    assert thought["error"] == -110 and thought["cost"] == 9000 and agent.spent() == 9000
    assert [tag(e, "p") for e in relay.events(5050)] == [rival.pubkey]


def test_only_those_who_are_allowed_are_asked(world, relay):
    pylon, agent, host = world()
    rival = Rival(relay, agent)
    host.order(think(1, providers=[rival.pubkey], timeout=20))
    rival.say(6050, [], "of the rival")
    thought = host.answer()
    assert (thought["error"], thought["text"], thought["provider"]) == (0, "of the rival", rival.pubkey)


def test_many_thoughts_at_once(world, mind):
    pylon, agent, host = world(price=1000)
    for n in range(1, 21):
        host.order(think(n, encrypt=n % 2))
        host.order(think(100 + n, mind="local"))
    thoughts = [host.answer() for _ in range(40)]
    assert [(t["error"], t["reason"]) for t in thoughts if t["error"]] == []
    assert {t["text"] for t in thoughts} == {"Paris."} and len({t["id"] for t in thoughts}) == 40
    assert agent.spent() == 40 * 1000


def test_nobody_sells_it(world, relay):
    pylon, agent, host = world()
    assert host.ask(think(1, model="no-such-model"))["error"] == -2
    assert host.ask(think(2, max_msat=PRICE - 1))["error"] == -2
    assert relay.events(5050) == [] and agent.spent() == 0


def test_what_is_no_conversation_is_refused(world):
    pylon, agent, host = world()
    for messages in ([], [{"role": "user"}], [{"role": "boss", "content": "x"}], [{"role": "system", "content": "x"}], {}):
        assert host.ask(think(1, messages=messages))["error"] == -22
    assert host.ask(think(1, messages=[{"role": "user", "content": "x" * 70000}]))["error"] == -7
