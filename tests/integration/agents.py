"""What the tests of agents share: a Pylon with a wallet, agents whose mind is a program of the test, and people who
are not ours."""
import json
import os
import subprocess

from parts import NODE, customer, wait_for
from test_wallet import Purse
from zaps import Addresses

MIND = """import json, pathlib, sys
context = json.load(sys.stdin)
folder = pathlib.Path(__file__).parent
with open(folder / "contexts.jsonl", "a") as f:
    f.write(json.dumps(context) + "\\n")
def say(*actions):
    print(json.dumps({"actions": actions}))
exec((folder / "answer.py").read_text())
"""
OWNER = {"LETTER_KEY": "11" * 32}
STRANGER = {"LETTER_KEY": "22" * 32, "CUSTOMER_KEY": "22" * 32}


def letter(*args, who):
    done = subprocess.run(["node", NODE / "letter.mjs", *map(str, args)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **who})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def public_key(who):
    return letter("key", who=who).strip()


class Agent:
    """One that was spawned; its mind runs answer.py of its folder, with `context` and say()."""

    def __init__(self, life, name, answer, msat, **settings):
        self.life, self.name = life, name
        self.folder = life.folder / f"mind-{name}"
        self.folder.mkdir()
        (self.folder / "mind.py").write_text(MIND)
        self.answers("say()")
        if "mind.type" not in settings:
            settings["mind.exec"] = f"/usr/bin/python3,{self.folder / 'mind.py'}"
        sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        born = life.pylon.json("agent", "spawn", name, "--fund", "no", *sets)
        self.npub, self.words = born["npub"], born["mnemonic"]
        self.pubkey = life.pylon.json("agent", "status", name)["pubkey"]
        if msat:  # it wakes for its first money
            life.purse.fund(msat, f"agent:{name}")
            self.wait_tick(1, "done")
        self.answers(answer)

    def answers(self, code):
        (self.folder / "answer.py").write_text(code)

    def wants(self, *actions):
        self.answers(f"say(*{list(actions)!r})")

    def contexts(self):
        path = self.folder / "contexts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def rows(self):
        return self.life.pylon.query("select tick_number, status, error_message from tick_history where agent_npub = ?"
                                     " order by tick_number", self.npub)

    def wait_tick(self, number, *states, seconds=60):
        def state():
            return next((s for n, s, _ in self.rows() if n == number), None)
        return wait_for(lambda: state() in states and state(), seconds,
                        f"tick {number} of {self.name} in {states}, they are {self.rows()}")

    def tick(self, *args, state="done"):
        """Ticks now, after whatever it is doing, and returns the record of it."""
        def done():
            ran = self.life.pylon.run("agent", "tick", self.name, "--json", *args, expect=None, seconds=120)
            return ran if "Busy" not in ran.stdout and "NoSuchAgent" not in ran.stdout else None
        ran = wait_for(done, 60, f"{self.name} may tick")
        record = self.record(json.loads(ran.stdout)["tick"]) if ran.returncode == 0 else self.record(self.rows()[-1][0])
        assert record["state"] == state, (record["state"], record["error"], ran.stdout, ran.stderr)
        return record

    def record(self, number):
        """A host that was killed has to find its agents first."""
        def asked():
            done = self.life.pylon.run("agent", "history", self.name, "--tick", str(number), "--json", expect=None)
            return done.stdout if done.returncode == 0 else None
        return json.loads(wait_for(asked, 20, f"tick {number} of {self.name} can be read"))

    def actions(self, number):
        return [(a["type"], a["state"]) for a in self.record(number)["actions"]]

    def reasons(self, number):
        return [a["reason"] for a in self.record(number)["actions"]]

    def notes(self, *kinds):
        return [e for e in self.life.relay.events(*(kinds or (1,))) if e["pubkey"] == self.pubkey]


class Life:
    def __init__(self, make_pylon, relay, folder, more="", env=None, mode="both"):
        self.relay, self.folder = relay, folder
        self.pylon = make_pylon("start", [relay.url], env=env)
        text = self.pylon.config.read_text().replace("enable_payments = false", "enable_payments = true")
        self.pylon.config.write_text(text + more)
        self.pylon.start("--mode", mode)
        self.purse = Purse(self.pylon, folder)
        self.servers = []

    def addresses(self, *names):
        """A server of lightning addresses that is not ours: each agent's account has one."""
        self.servers.append(Addresses(self.pylon, self.folder, **{name: f"agent:{name}" for name in names}))
        return self.servers[-1]

    def spawn(self, name="alice", answer="say({'type': 'nothing'})", msat=0, **settings):
        return Agent(self, name, answer, msat, **{k.replace("__", "."): v for k, v in settings.items()})

    def note(self, text, *tags, who=STRANGER):
        """A note of a stranger; returns the event."""
        (line,) = customer("post", self.relay.url, json.dumps({"kind": 1, "content": text, "tags": list(tags)}), env=who)
        return line["request"]

    def balance(self, name):
        return self.purse.balances().get(f"agent:{name}", 0)

    def end(self):
        for server in self.servers:
            server.kill()
        self.purse.verify()
        self.purse.close()
