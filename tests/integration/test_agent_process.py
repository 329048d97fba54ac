"""pylon-agent: one agent's tick in a process of its own, and the sockets which the supervisor keeps for it."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

from parts import BUILD, ROOT, wait_for
from store_wire import Refused, Wire

SERVICE = "com.openagents.Pylon1.Agent.Service"
ERROR = "com.openagents.Pylon1.Error."
KEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
AGENT = BUILD / "src/agent/pylon-agent"
SANITIZED = b"__asan_init" in AGENT.read_bytes()    # its memory is not what it is measured by


def context(name="ada", mind=None, **more):
    return {
        "v": 1, "agent": {"name": name, "npub": "npub1x", "pubkey": KEY, "about": ""}, "now": 1800000000, "tick": 1,
        "trigger": "mention", "network": "regtest", "fence": "0123456789abcdef0123456789abcdef",
        "money": {"balance_msat": 1000, "runway_s": 1, "tick_max_msat": 1, "payment_max_msat": 1},
        "mind": mind or {"type": "nip90", "model": "m", "context_tokens": 8192, "max_tokens": 100},
        "goals": [], "memories": [], "last": [], "dropped": 0, "owner": "", "allowed": ["post", "dm", "nothing"],
        "observations": [{"id": "aa" * 32, "what": "dm", "author": KEY, "text": "hi", "event": "", "msat": 0, "at": 1}],
        **more}


def script(text, **more):
    return {"type": "exec", "exec": ["/bin/sh", "-c", text], **more}


@pytest.fixture
def pylon(make_pylon, relay):
    pylon = make_pylon("start", [relay.url])
    pylon.agents = pylon.home / ".openagents/agents"
    pylon.agents.mkdir(parents=True, exist_ok=True)
    return pylon


@pytest.fixture
def running(pylon):
    pylon.start("--mode", "provider")
    return pylon


def put(pylon, file, name):
    """As the host does: at once or not at all."""
    new = pylon.agents / f".{file}"
    new.write_text(f'name = "{name}"\n')
    new.rename(pylon.agents / f"npub1{file}.toml")


def sockets(pylon):
    return {p.name for p in (pylon.base / "run").glob("agent-*")}


def wait_sockets(pylon, *names):
    wanted = {f"agent-{name}.sock" for name in names}
    wait_for(lambda: sockets(pylon) == wanted, 10, f"the sockets are {wanted}")


def test_a_folder_that_cannot_be_watched_stops_nobody(pylon):
    pylon.agents.rmdir()
    pylon.agents.write_text("no folder")
    pylon.start("--mode", "provider")
    assert "Agents have no sockets" in pylon.log()
    assert pylon.pids("provider")


def connect(pylon, tmp_path, name="ada", program="pylon-host"):
    wire = Wire(tmp_path, str(pylon.base / f"run/agent-{name}.sock"), program)
    wire.tick = lambda c: (lambda what, text: (what, json.loads(text)))(*wire.call(SERVICE, "Tick", "s", json.dumps(c)))
    wire.answer = lambda a: (lambda what, text: (what, json.loads(text)))(*wire.call(SERVICE, "Answer", "s", a))
    wire.end = lambda: (wire.bus.close_sync(None), wire.close())
    return wire


def test_each_agents_file_has_a_socket_for_as_long_as_it_is_there(pylon):
    put(pylon, "a", "ada")
    pylon.start("--mode", "provider")
    wait_sockets(pylon, "ada")
    assert (pylon.base / "run/agent-ada.sock").stat().st_mode & 0o777 == 0o600
    put(pylon, "b", "bob")
    wait_sockets(pylon, "ada", "bob")
    put(pylon, "b", "carl")
    wait_sockets(pylon, "ada", "carl")
    put(pylon, "d", "carl")         # the second of a name has to wait
    (pylon.agents / "npub1b.toml").unlink()
    wait_sockets(pylon, "ada", "carl")
    (pylon.agents / "npub1d.toml").unlink()
    (pylon.agents / "npub1a.toml").unlink()
    wait_sockets(pylon)
    assert not pylon.pids("agent")
    pylon.stop()


def test_what_is_not_an_agents_file_is_said_once_and_disturbs_nobody(running):
    for file, text in {"npub1x.toml": "name = ", "npub1y.toml": "[schedule]\nheartbeat_seconds = 1\n",
                       "npub1z.toml": "name = '-'", "notes.txt": "name = 'x'", "npub1big.toml": "#" * 100000}.items():
        (running.agents / file).write_text(text)
    (running.agents / "npub1dir.toml").mkdir()
    put(running, "a", "My Agent")   # of the first Pylon, with words in it
    wait_sockets(running, "my-agent")
    (running.agents / "npub1w.toml").write_text('mnemonic_encrypted = "abandon abandon about"\nname = "w"\n')
    wait_sockets(running, "my-agent", "w")
    log = running.log()
    assert '"npub1x.toml" is not an agent' in log
    assert "notes.txt" not in log and "abandon" not in log


def test_an_agent_keeps_its_socket_while_its_file_is_damaged(running):
    put(running, "a", "ada")
    wait_sockets(running, "ada")
    before = (running.base / "run/agent-ada.sock").stat().st_ino
    (running.agents / "npub1a.toml").write_text("name = ")  # in an editor that does not replace it at once
    wait_for(lambda: "cannot be read as an agent" in running.log(), 10, "it is said")
    assert (running.base / "run/agent-ada.sock").stat().st_ino == before
    put(running, "a", "bob")
    wait_sockets(running, "bob")


def test_a_connection_starts_it_and_it_leaves_with_it(running, tmp_path):
    put(running, "a", "ada")
    wait_sockets(running, "ada")
    assert not running.pids("agent")
    for _ in range(3):
        wire = connect(running, tmp_path)
        what, question = wire.tick(context())
        assert what == "think" and [m["role"] for m in question["messages"]] == ["system", "user"]
        assert question["max_tokens"] == 100 and question["model"] == "m"
        assert "| hi" in question["messages"][1]["content"]
        assert pss(running.pid("agent")) < 5000 or SANITIZED
        what, done = wire.answer('Sure: {"actions":[{"type":"post","text":"hello"},{"type":"zap","to":"o1","sats":1}]}')
        assert what == "done" and done["actions"] == [{"type": "post", "text": "hello"}]
        assert [r["reason"] for r in done["refused"]] == ["this agent is not allowed to do so"]
        wire.end()
        wait_for(lambda: not running.pids("agent"), 10, "the agent's process is gone")
    assert "warning" not in "".join(line for line in running.log().splitlines() if "agent-ada" in line)


def test_only_the_host_may_speak_to_it(running, tmp_path):
    put(running, "a", "ada")
    wait_sockets(running, "ada")
    wire = connect(running, tmp_path, program="pylon-wallet")
    with pytest.raises(Refused) as e:
        wire.tick(context())
    assert e.value.name == ERROR + "NotAllowed"
    wire.end()


def test_what_is_wrong_with_a_context_is_said(running, tmp_path):
    put(running, "a", "ada")
    wait_sockets(running, "ada")
    wire = connect(running, tmp_path)
    for wrong, why in ((context("bob"), '"name": it is another agent\'s'), ({"v": 2}, '"agent": it is missing'),
                       (context(mind={"type": "nip90", "context_tokens": 100}), "too few for any question")):
        with pytest.raises(Refused) as e:
            wire.tick(wrong)
        assert e.value.name == ERROR + "BadInput" and why in str(e.value)
    with pytest.raises(Refused) as e:
        wire.answer("{}")
    assert e.value.name == ERROR + "NoSuchTick"
    wire.end()


def test_a_program_is_the_mind(running, tmp_path):
    put(running, "a", "ada")
    wait_sockets(running, "ada")
    wire = connect(running, tmp_path)
    words = "import json,sys; c=json.load(sys.stdin); print(json.dumps({'actions':[" \
            "{'type':'dm','to':o['author'],'text':o['text']*2} for o in c['observations']]}))"
    what, done = wire.tick(context(mind={"type": "exec", "exec": ["/usr/bin/python3", "-I", "-c", words]}))
    assert what == "done" and done == {"actions": [{"type": "dm", "to": KEY, "text": "hihi"}], "refused": []}

    what, done = wire.tick(context(mind={"type": "exec"}))     # the built-in rules
    assert [a["type"] for a in done["actions"]] == ["dm"]

    started = time.monotonic()
    for mind, why in ((script("sleep 600 & sleep 600", timeout_s=1), "took too long"), (script("yes"), "wrote too much"),
                      (script("exit 7"), "exit status 7"), (script("kill -9 $$"), "signal KILL"),
                      ({"type": "exec", "exec": ["/nonexistent"]}, "cannot be run")):
        with pytest.raises(Refused) as e:
            wire.tick(context(mind=mind))
        assert e.value.name == ERROR + "MindFailed" and why in str(e.value)
    assert time.monotonic() - started < 60

    what, done = wire.tick(context(mind=script("printf '\\377\\376'")))
    assert done["actions"] == [] and done["refused"][0]["reason"] == "the answer is not UTF-8"
    wire.end()


def test_a_mind_dies_with_the_connection(running, tmp_path):
    put(running, "a", "ada")
    wait_sockets(running, "ada")
    wire = connect(running, tmp_path)
    mark = tmp_path / "pid"
    wire.begin(SERVICE, "Tick", "s", json.dumps(context(mind=script(f"echo $$ > {mark}; exec sleep 600"))))
    pid = int(wait_for(lambda: mark.exists() and mark.read_text().strip(), 10, "the mind runs"))
    wire.end()
    wait_for(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 10, "the mind is gone")
    wait_for(lambda: not running.pids("agent"), 10, "the agent's process is gone")


def test_an_agent_that_was_killed_serves_the_next_connection(running, tmp_path):
    put(running, "a", "ada")
    wait_sockets(running, "ada")
    wire = connect(running, tmp_path)
    wire.begin(SERVICE, "Tick", "s", json.dumps(context(mind=script("sleep 600"))))
    os.kill(wait_for(lambda: running.pid("agent"), 10, "the agent's process runs"), signal.SIGKILL)
    wire.close()
    again = connect(running, tmp_path)
    assert again.tick(context())[0] == "think"
    again.end()
    wait_for(lambda: not running.pids("agent"), 10, "the agent's process is gone")


def pss(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("Pss:")))


def test_a_thousand_agents_cost_little_while_they_sleep(pylon):
    pylon.start("--mode", "provider")
    before = pss(pylon.pid("supervisor"))
    for i in range(1000):
        put(pylon, f"{i:04}", f"a{i}")
    wait_for(lambda: len(sockets(pylon)) == 1000, 30, "there are a thousand sockets")
    after = pss(pylon.pid("supervisor"))
    assert after - before < 6000 or SANITIZED, f"{after - before} kB"
    assert not pylon.pids("agent")
    pylon.kill("supervisor")
    for file in pylon.agents.iterdir():
        file.unlink()
    put(pylon, "one", "one")
    pylon.start("--mode", "provider")
    wait_sockets(pylon, "one")
    pylon.stop()
    assert not (pylon.base / "run").exists()


def by_hand(c, *args, name="ada"):
    text = c if isinstance(c, str) else json.dumps(c)
    return subprocess.run([AGENT, "--agent", name, "--single-tick", *args], input=text, capture_output=True, text=True,
                          timeout=60, check=False)


def test_a_tick_by_hand_prints_what_would_be_answered():
    done = by_hand(context())
    assert done.returncode == 0 and json.loads(done.stdout)["messages"][0]["role"] == "system"
    done = by_hand(context(mind=script("echo 'POST: hello'; echo careful >&2")))
    assert done.returncode == 0 and json.loads(done.stdout)["actions"] == [{"type": "post", "text": "hello"}]
    assert "careful" in done.stderr
    done = by_hand(context(mind=script("exit 1")))
    assert done.returncode == 1 and "exit status 1" in done.stderr
    for wrong in ("", "{}", "[" * 1000, "x" * 300000):
        done = by_hand(wrong)
        assert done.returncode == 1 and done.stderr.startswith("pylon-agent: ")
    assert by_hand(context(), name="../x").returncode == 2
    assert subprocess.run([AGENT], capture_output=True, check=False).returncode == 2


def test_the_minds_of_the_man_page_work(tmp_path):
    blocks = (ROOT / "man/pylon-agent.8.scd").read_text().split("```")[1::2]
    scripts = [block.strip() for block in blocks if block.startswith("\n#!")]
    assert len(scripts) == 2
    said = []
    for i, text in enumerate(scripts):
        program = tmp_path / f"mind{i}"
        program.write_text(text + "\n")
        program.chmod(0o755)
        done = by_hand(context(mind={"type": "exec", "exec": [str(program)]}, allowed=["post", "schedule", "dm"]))
        assert done.returncode == 0, done.stderr
        said.append([a["type"] for a in json.loads(done.stdout)["actions"]])
    assert said == [["post", "schedule"], ["dm"]]
