"""`pylon agent` through `pylon start -d`: what a person and a program get told, from the first word to the last sat."""
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import termios
import textwrap
import time

import pytest
from gi.repository import Gio, GLib

import asker
from agents import STRANGER, letter
from parts import BUILD, ROOT, wait_for

ZOO = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"
ZOO_PUBKEY = "ed6b4c4479c2a9a74dc2fb0757163e25dc0a4e13407263952bfc6c56525f5cfd"
AGENT = "com.openagents.Pylon1.Agent"
PASSPHRASE = "correct horse battery"


def world(make_pylon, funds=200000):
    """A Pylon with test sats, at its own local relay."""
    pylon = make_pylon("start", None)
    run = pylon.run
    pylon.run = lambda *args, **more: run(*map(str, args), **more)
    pylon.config.write_text(pylon.config.read_text().replace("enable_payments = false", "enable_payments = true"))
    pylon.start("--mode", "host")
    if funds:
        pylon.run("wallet", "fund", funds)
        wait_for(lambda: balance(pylon, "owner") == funds, 10, "the owner has test sats")
    return pylon


@pytest.fixture
def pylon(make_pylon):
    return world(make_pylon)


def balance(pylon, account):
    rows = pylon.json("wallet", "balance")
    rows = rows["accounts"] if isinstance(rows, dict) else rows
    return next((r["balance_msats"] // 1000 for r in rows if r.get("name", r.get("account")) == account), 0)


def spawn(pylon, name="scout", *options, sats=20000):
    born = pylon.json("agent", "spawn", name, "--fund", "no", *options)
    if sats:
        pylon.run("agent", "fund", name, sats, "--from", "owner", "--yes")
        wait_for(lambda: info(pylon, name)["balance_msats"] == sats * 1000, 10, "it has its money")
        wait_for(lambda: info(pylon, name)["tick_count"] > 0 or "--stopped" in options, 10, "the deposit woke it")
        wait_for(lambda: not info(pylon, name)["ticking"], 10, "it has ticked")
    return born


def info(pylon, name="scout"):
    return pylon.json("agent", "info", name)


def error(done):
    return json.loads(done.stdout)["error"]


def refused(pylon, code, name, *args):
    """The same in words and in JSON."""
    words = pylon.run(*args, expect=code)
    assert words.stderr.strip() and not words.stdout
    found = error(pylon.run(*args, "--json", expect=code))
    assert found["name"] == name, found
    return found["message"]


def mind(pylon, text):
    """A program that thinks, as `--mind exec` wants it."""
    path = pylon.home / f"mind-{len(list(pylon.home.glob('mind-*')))}"
    path.write_text("#!/usr/bin/python3\nimport json, sys\ncontext = json.load(sys.stdin)\n" + textwrap.dedent(text))
    path.chmod(0o755)
    return path


def acting(pylon, *actions):
    """A mind that wants just this, at a manual tick only."""
    return mind(pylon, f"actions = {list(actions)!r} if context['trigger'] == 'manual' else []\n"
                       "print(json.dumps({'actions': actions}))\n")


def at_terminal(pylon, *args, typed=(), env=None, seconds=30):
    """What a person sees who types this: the screen, and the exit code. `typed` are pairs: after what is read, what is typed."""
    pid, fd = pty.fork()
    if pid == 0:
        command = pylon.command(*args, env={"TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
        os.execvp(command[0], [str(c) for c in command])
    screen, typed, deadline = "", list(typed), time.monotonic() + seconds
    while time.monotonic() < deadline:
        if typed and typed[0][0] in screen.rpartition("\n")[2]:
            os.write(fd, typed.pop(0)[1].encode())
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            screen += os.read(fd, 4096).decode(errors="replace")
        except OSError:     # so a terminal ends
            break
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return screen, os.waitstatus_to_exitcode(status)


# ---- birth

def test_words_are_shown_once_and_kept_by_the_signer_alone(pylon):
    born = pylon.json("agent", "spawn", "scout", "--about", "A scout")
    words = born["mnemonic"].split()
    assert len(words) == 12 and born["npub"].startswith("npub1") and born["bolt11"].startswith("lnbcrt")
    kept = pylon.base / "keys/scout.mnemonic"
    assert kept.read_text().split() == words and stat.S_IMODE(kept.stat().st_mode) == 0o600
    pylon.run("agent", "export", "scout", pylon.home / "file", "--passphrase-file", passphrase(pylon))
    for text in (pylon.run("agent", "list", "--json").stdout, pylon.run("agent", "info", "scout", "--json").stdout,
                 pylon.run("agent", "edit", "scout").stdout, pylon.run("status", "--json").stdout, pylon.log(),
                 (pylon.home / "file").read_text(), pylon.database("store").read_bytes().decode(errors="replace")):
        assert "mnemonic" not in text and " ".join(words[:3]) not in text
    files = list((pylon.home / ".openagents/agents").glob("*.toml"))
    assert [f.stem for f in files] == [born["npub"]] and words[0] + " " + words[1] not in files[0].read_text()


def test_the_fields_of_the_predecessor_are_there(pylon):
    spawn(pylon, "scout", "--heartbeat", "10min", "--about", "A scout")
    one = info(pylon)
    assert {"name", "npub", "state", "network", "relays", "schedule", "db_stats"} <= set(one)
    assert one["schedule"]["heartbeat_seconds"] == 600 and {"mention", "dm", "zap"} <= set(one["schedule"]["triggers"])
    assert one["db_stats"]["balance_sats"] == 20000 and one["db_stats"]["tick_count"] >= 1
    assert one["db_stats"]["last_tick_at"] > 0 and one["network"] == "regtest" and one["relays"]
    assert one["state"] == "active" and one["wish"] == "started" and one["profile"]["about"] == "A scout"
    (listed,) = pylon.json("agent", "list")
    assert listed.keys() == one.keys() and {"pubkey", "created_at", "last_active_at", "tick_count"} <= set(listed)
    assert pylon.json("agent", "status", "scout").keys() == one.keys()
    assert pylon.json("agent", "info", one["npub"])["name"] == "scout"


def test_a_person_at_a_terminal_sees_the_words_and_a_code_to_pay(pylon):
    screen, code = at_terminal(pylon, "agent", "spawn", "scout", "--fund", "5000")
    assert code == 0 and "shown this once" in screen and "lnbcrt" in screen and "▄" in screen
    assert "5000 sat" in screen
    screen, code = at_terminal(pylon, "agent", "fund", "scout", "700")
    assert code == 0 and "▄" in screen and re.search(r"lnbcrt7u1\w+", screen)


def test_known_words_give_the_key_of_nip_06(pylon):
    done = subprocess.run(pylon.command("agent", "spawn", "scout", "--import", "--json"), input=ZOO + "\n", capture_output=True,
                          text=True, check=True)
    born = json.loads(done.stdout)
    assert "mnemonic" not in born and info(pylon)["pubkey"] == ZOO_PUBKEY
    bad = subprocess.run(pylon.command("agent", "spawn", "other", "--import", "--json"), input="zoo zoo\n", capture_output=True,
                         text=True)
    assert bad.returncode == 2 and error(bad)["name"] == "BadInput"
    assert [a["name"] for a in pylon.json("agent", "list")] == ["scout"]


def test_the_mind_s_program_is_found_from_here_and_must_be_there(pylon, tmp_path, monkeypatch):
    program = tmp_path / "think"
    program.write_text("#!/bin/sh\necho '{\"actions\":[]}'\n")
    program.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    refused(pylon, 2, "Usage", "agent", "spawn", "ada", "--mind", "exec")
    refused(pylon, 2, "Usage", "agent", "spawn", "ada", "--mind", "local", "--exec", "./think")
    assert "No such file" in refused(pylon, 2, "BadInput", "agent", "spawn", "ada", "--exec", "./thinks")
    pylon.json("agent", "spawn", "ada", "--fund", "no", "--exec", "./think,--now")
    assert f'exec = ["{tmp_path}/think", "--now"]' in pylon.json("agent", "edit", "ada")["settings"]


def test_one_key_is_one_agent(pylon):
    """Its file is named after the key: a second name for it must not write over the first one's settings."""
    def imported(name):
        return subprocess.run(pylon.command("agent", "spawn", name, "--import", "--fund", "no", "--json"), input=ZOO + "\n",
                              capture_output=True, text=True)
    assert imported("zoe").returncode == 0
    pylon.run("agent", "edit", "zoe", "profile.about", "The first")
    done = imported("impostor")
    assert done.returncode == 73 and 'the agent "zoe" has this key' in error(done)["message"]
    (path,) = (pylon.home / ".openagents/agents").iterdir()
    assert 'name = "zoe"' in path.read_text() and "The first" in path.read_text()
    assert "begins with a letter" in refused(pylon, 2, "BadInput", "agent", "spawn", "My Agent")


def test_what_cannot_be_spawned_is_said_and_leaves_nothing(pylon):
    spawn(pylon, sats=0)
    refused(pylon, 73, "AgentExists", "agent", "spawn", "scout")
    for name in ("", "Scout", "a b", ".x", "x" * 33, "../x", "ä"):
        refused(pylon, 2, "BadInput", "agent", "spawn", name)
    refused(pylon, 2, "BadInput", "agent", "spawn", "two", "--autonomy", "wild")
    refused(pylon, 2, "BadInput", "agent", "spawn", "two", "--set", "no.such=1")
    refused(pylon, 2, "BadInput", "agent", "spawn", "two", "--heartbeat", "often")
    refused(pylon, 2, "Usage", "agent", "spawn", "two", "--name", "three")
    refused(pylon, 1, "WrongNetwork", "agent", "spawn", "two", "--network", "mainnet")
    assert [a["name"] for a in pylon.json("agent", "list")] == ["scout"]
    assert [p.name for p in (pylon.base / "keys").glob("*.mnemonic")] == ["scout.mnemonic"]


# ---- names nobody has

@pytest.mark.parametrize("args", [
    ("info", "nobody"), ("status", "nobody"), ("start", "nobody"), ("stop", "nobody"), ("pause", "nobody"), ("resume", "nobody"),
    ("fund", "nobody", "5"), ("withdraw", "nobody", "owner", "--yes"), ("delete", "nobody", "--yes"), ("edit", "nobody"),
    ("edit", "nobody", "profile.about", "x"), ("tell", "nobody", "x"), ("tick", "nobody"), ("history", "nobody"),
    ("history", "nobody", "--tick", "1"), ("replay", "nobody", "1"), ("memory", "nobody"), ("goal", "nobody"),
    ("goal", "nobody", "add", "x"), ("info", "npub1nobody"), ("info", "no/body")], ids=" ".join)
def test_an_agent_that_is_not_there_is_named(nobody, args):
    message = refused(nobody, 1, "NoSuchAgent", "agent", *args)
    assert args[1] in message


@pytest.fixture(scope="module")
def nobody(tmp_path_factory):
    from parts import SelfFork
    one = SelfFork(tmp_path_factory.mktemp("nobody"), None, "", None)
    one.init()
    one.start("--mode", "host")
    yield one
    one.stop(expect=None)
    one.remove()


def test_without_agents_all_is_quiet(nobody):
    assert nobody.json("agent", "list") == [] and nobody.json("agent", "approvals") == []
    assert "spawn" in nobody.run("agent", "list").stdout
    assert nobody.run("completion", "agents").stdout == ""
    refused(nobody, 1, "NoSuchApproval", "agent", "approve", "0123abcd")
    refused(nobody, 2, "Usage", "agent", "stop")
    assert nobody.json("agent", "stop", "--all")["done"]
    assert not any(f["area"] == "agent" for f in nobody.json("doctor", expect=None)["findings"])


# ---- money

def test_money_comes_goes_and_is_never_lost(pylon):
    spawn(pylon, sats=20000)
    invoice = pylon.json("agent", "fund", "scout", "1000")
    assert invoice["bolt11"].startswith("lnbcrt10u") and invoice["amount_msats"] == 1000000
    pylon.run("wallet", "pay", invoice["bolt11"], "--yes", expect=None)
    before = balance(pylon, "agent:scout")
    pylon.run("wallet", "fund", "300", "--account", "provider")
    wait_for(lambda: balance(pylon, "provider") == 300, 10, "the provider has test sats")
    pylon.run("agent", "fund", "scout", "200", "--from", "provider", "--yes")
    assert balance(pylon, "provider") == 100 and balance(pylon, "agent:scout") == before + 200
    before += 200
    refused(pylon, 1, "NoMoney", "agent", "fund", "scout", "200", "--from", "provider", "--yes")
    pylon.run("agent", "withdraw", "scout", "owner", "500", "--yes")
    wait_for(lambda: balance(pylon, "agent:scout") == before - 500, 10, "it has 500 less")
    message = refused(pylon, 1, "MoneyLeft", "agent", "delete", "scout", "--yes")
    assert "scout" in json.dumps(pylon.json("agent", "list")) and message
    pylon.run("agent", "delete", "scout", "--sweep-to", "owner", "--yes", seconds=120)
    assert pylon.json("agent", "list") == [] and balance(pylon, "agent:scout") == 0
    assert not list((pylon.home / ".openagents/agents").glob("*.toml"))
    assert balance(pylon, "owner") >= 199000
    pylon.run("ledger", "verify")


def test_nothing_is_moved_or_deleted_without_a_yes(pylon):
    spawn(pylon, sats=0)
    for args in (("fund", "scout", "5", "--from", "owner"), ("withdraw", "scout", "owner"), ("delete", "scout")):
        refused(pylon, 1, "NotConfirmed", "agent", *args)
    refused(pylon, 2, "Usage", "agent", "fund", "scout", "5", "--from", "nowhere", "--yes")
    refused(pylon, 2, "Usage", "agent", "fund", "scout", "0")
    refused(pylon, 2, "Usage", "agent", "fund", "scout", "much")
    screen, code = at_terminal(pylon, "agent", "delete", "scout", typed=[("delete it:", "scuot\n")])
    assert code == 1 and info(pylon)["name"] == "scout"
    screen, code = at_terminal(pylon, "agent", "delete", "scout", typed=[("delete it:", "scout\n")])
    assert code == 0 and pylon.json("agent", "list") == []


def test_a_deleted_agent_comes_back_by_its_key(pylon):
    npub = spawn(pylon, sats=0)["npub"]
    pylon.run("agent", "delete", "scout", "--yes")
    assert "signer has a key" in refused(pylon, 73, "AgentExists", "agent", "spawn", "scout")
    assert pylon.json("agent", "spawn", "scout", "--key-there")["npub"] == npub


# ---- its life

def test_what_waits_for_its_owner_goes_with_the_agent(pylon):
    spawn(pylon, "scout", "--autonomy", "supervised", "--exec", acting(pylon, {"type": "post", "text": "May I?"}))
    pylon.run("agent", "goal", "scout", "add", "ask first")
    pylon.run("agent", "tick", "scout")
    assert pylon.json("agent", "approvals")
    pylon.run("agent", "delete", "scout", "--sweep-to", "owner", "--yes")
    assert not pylon.json("agent", "approvals")
    assert not list((pylon.home / ".openagents/agents").iterdir())
    pylon.json("agent", "spawn", "scout", "--key-there", "--fund", "no")
    assert pylon.json("agent", "goal", "scout") == [] and pylon.json("agent", "history", "scout") == []


def test_wishes_are_kept_and_stop_is_for_all(pylon):
    spawn(pylon, "one")
    spawn(pylon, "two")
    pylon.run("agent", "pause", "one")
    assert info(pylon, "one")["wish"] == "paused" and info(pylon, "one")["asleep"]
    pylon.run("agent", "resume", "one")
    assert info(pylon, "one")["wish"] == "started"
    pylon.run("agent", "stop", "--all")
    assert {a["wish"] for a in pylon.json("agent", "list")} == {"stopped"}
    pylon.stop()
    pylon.start("--mode", "host")
    assert {a["wish"] for a in pylon.json("agent", "list")} == {"stopped"}
    pylon.run("agent", "start", "two")
    assert info(pylon, "two")["wish"] == "started" and info(pylon, "one")["wish"] == "stopped"


def test_settings_are_changed_one_by_one_and_checked(pylon):
    spawn(pylon, sats=0)
    pylon.run("agent", "edit", "scout", "schedule.heartbeat_seconds", "1h")
    assert info(pylon)["schedule"]["heartbeat_seconds"] == 3600
    pylon.run("agent", "edit", "scout", "profile.about", "Somebody else")
    assert info(pylon)["profile"]["about"] == "Somebody else"
    assert "Somebody else" in pylon.run("agent", "edit", "scout").stdout
    refused(pylon, 2, "BadInput", "agent", "edit", "scout", "schedule.heartbeat_seconds", "often")
    refused(pylon, 2, "BadInput", "agent", "edit", "scout", "no.such", "1")
    refused(pylon, 2, "BadInput", "agent", "edit", "scout", "npub", "npub1x")
    refused(pylon, 2, "Usage", "agent", "edit", "scout", "profile.about")
    assert info(pylon)["schedule"]["heartbeat_seconds"] == 3600


def editor(pylon, old, new):
    path = pylon.home / f"editor-{abs(hash((old, new)))}"
    path.write_text(f"#!/bin/sh\nsed -i 's/{old}/{new}/' \"$1\"\n")
    path.chmod(0o755)
    return {"EDITOR": str(path), "VISUAL": ""}


def test_an_editor_is_opened_and_what_is_wrong_is_not_taken(pylon):
    spawn(pylon, "scout", "--about", "first", sats=0)
    screen, code = at_terminal(pylon, "agent", "edit", "scout", env=editor(pylon, "first", "second"))
    assert code == 0 and info(pylon)["profile"]["about"] == "second", screen
    screen, code = at_terminal(pylon, "agent", "edit", "scout", env=editor(pylon, "zzz", "x"))
    assert code == 0 and "Nothing was changed" in screen
    screen, code = at_terminal(pylon, "agent", "edit", "scout", env=editor(pylon, "about = ", "about = ="), typed=[("again?", "n\n")])
    assert code == 2 and info(pylon)["profile"]["about"] == "second"
    screen, code = at_terminal(pylon, "agent", "edit", "scout", env={"EDITOR": "false", "VISUAL": ""})
    assert code == 1 and info(pylon)["profile"]["about"] == "second"
    assert not list(__import__("pathlib").Path("/tmp").glob("pylon-agent-*.toml"))


# ---- ticks

def test_a_tick_is_waited_for_and_told(pylon):
    spawn(pylon, "scout", "--mind", "exec", "--exec", acting(pylon, {"type": "post", "text": "Hello from a test"},
                                                           {"type": "remember", "text": "I said hello"}))
    record = pylon.json("agent", "tick", "scout")
    assert record["state"] == "done" and record["trigger"] == "manual"
    assert [(a["type"], a["state"]) for a in record["actions"]] == [("post", "done"), ("remember", "done")]
    post = record["actions"][0]["event"]
    assert post["content"] == "Hello from a test" and post["pubkey"] == info(pylon)["pubkey"]
    found = pylon.json("event", "query", json.dumps({"ids": [post["id"]]}))
    assert [e["event"]["id"] for e in found["events"]] == [post["id"]]
    assert "post: done" in pylon.run("agent", "tick", "scout").stdout
    assert [m["text"] for m in pylon.json("agent", "memory", "scout")][0] == "I said hello"
    assert [m["text"] for m in pylon.json("agent", "memory", "scout", "hello")] == ["I said hello"] * 2
    (first, *_) = pylon.json("agent", "memory", "scout")
    pylon.run("agent", "memory", "scout", "--forget", first["id"])
    assert first["id"] not in [m["id"] for m in pylon.json("agent", "memory", "scout")]


def test_a_dry_tick_thinks_and_does_nothing(pylon):
    spawn(pylon, "scout", "--mind", "exec", "--exec", acting(pylon, {"type": "post", "text": "never said"}))
    record = pylon.json("agent", "tick", "scout", "--dry-run")
    assert record["dry"] is True and [a["state"] for a in record["actions"]] != ["done"]
    assert record["actions"][0]["event"] is None
    assert pylon.json("event", "query", json.dumps({"kinds": [1], "authors": [info(pylon)["pubkey"]]}))["events"] == []
    replay = pylon.json("agent", "replay", "scout", record["tick"])
    assert replay["actions"][0]["action"]["text"] == "never said"
    assert "never said" in pylon.run("agent", "replay", "scout", record["tick"]).stdout


def test_a_tick_that_fails_says_why_and_exits_with_1(pylon):
    spawn(pylon, "scout", "--mind", "exec", "--exec", mind(pylon, "sys.exit(3)\n"), sats=0)
    pylon.run("agent", "fund", "scout", "20000", "--from", "owner", "--yes")
    wait_for(lambda: info(pylon)["failures"] > 0, 20, "its first tick failed")
    wait_for(lambda: not info(pylon)["ticking"], 20, "it is over")
    failed = pylon.run("agent", "tick", "scout", expect=1)
    assert "failed" in failed.stderr
    assert pylon.json("agent", "tick", "scout", expect=1)["state"] == "failed"
    assert [t["state"] for t in pylon.json("agent", "history", "scout")][:2] == ["failed", "failed"]
    (finding, *_) = [f for f in pylon.json("doctor", expect=1)["findings"] if f["area"] == "agent" and "failed" in f["text"]]
    assert finding["verdict"] == "failure" and "history" in finding["remedy"]


def test_a_tick_that_runs_already_is_waited_for(pylon):
    slow = mind(pylon, "import time\ntime.sleep(1)\nprint(json.dumps({'actions': []}))\n")
    spawn(pylon, "scout", "--mind", "exec", "--exec", slow)
    first = subprocess.Popen(pylon.command("agent", "tick", "scout", "--json"), stdout=subprocess.PIPE, text=True)
    wait_for(lambda: info(pylon)["ticking"], 10, "it ticks")
    second = pylon.json("agent", "tick", "scout")
    assert second["state"] == "done" and second["tick"] == json.loads(first.communicate()[0])["tick"] + 1
    assert "not over yet" in pylon.run("agent", "tick", "scout", "--timeout", "500ms", expect=69).stderr
    assert error(pylon.run("agent", "tick", "scout", "--timeout", "100ms", "--json", expect=69))["name"] == "Busy"
    wait_for(lambda: not info(pylon)["ticking"], 10, "they are over")


def test_who_waits_hears_when_the_host_is_killed_and_the_tick_goes_on(pylon):
    slow = mind(pylon, "import time\ntime.sleep(1)\nprint(json.dumps({'actions': []}))\n")
    spawn(pylon, "scout", "--mind", "exec", "--exec", slow)
    waiting = subprocess.Popen(pylon.command("agent", "tick", "scout"), stderr=subprocess.PIPE, text=True)
    tick = wait_for(lambda: info(pylon)["ticking"], 10, "it ticks")
    pylon.kill("host")
    assert "goes on" in waiting.communicate()[1] and waiting.returncode == 69
    wait_for(lambda: [t["state"] for t in pylon.json("agent", "history", "scout") if t["tick"] == tick] == ["done"], 30, "it is done")


def test_history_lists_ticks_and_shows_one(pylon):
    spawn(pylon)
    for _ in range(3):
        pylon.run("agent", "tick", "scout")
    ticks = pylon.json("agent", "history", "scout")
    assert [t["tick"] for t in ticks] == list(range(len(ticks), 0, -1)) and ticks[0]["trigger"] == "manual"
    assert [t["tick"] for t in pylon.json("agent", "history", "scout", "--limit", "2")] == [len(ticks), len(ticks) - 1]
    record = pylon.json("agent", "history", "scout", "--tick", "1")
    assert record["tick"] == 1 and {"thoughts", "observations", "actions"} <= set(record)
    assert re.search(r"^1 +.*deposit", pylon.run("agent", "history", "scout").stdout, re.M)
    refused(pylon, 1, "NoSuchTick", "agent", "history", "scout", "--tick", "999")
    refused(pylon, 2, "Usage", "agent", "history", "scout", "--tick", "-1")
    refused(pylon, 1, "NoSuchTick", "agent", "replay", "scout", "999")


def test_what_the_owner_tells_is_heard(pylon):
    spawn(pylon, "scout")
    before = info(pylon)["tick_count"]
    pylon.run("agent", "tell", "scout", "The door is green")
    wait_for(lambda: info(pylon)["tick_count"] > before, 10, "it wakes")
    wait_for(lambda: "The door is green" in [m["text"] for m in pylon.json("agent", "memory", "scout")]
             or any("The door is green" in m["text"] for m in pylon.json("agent", "memory", "scout")), 10, "it remembers")
    refused(pylon, 2, "BadInput", "agent", "tell", "scout", "x" * 5000)
    pylon.run("agent", "pause", "scout")
    assert "now it does not: it is paused." in pylon.run("agent", "tell", "scout", "Later").stdout


def test_a_letter_at_this_machine_s_own_relay_is_read_and_answered(pylon):
    """With the defaults: the local relay shows private messages to whom they concern, and Pylon reads for its agents."""
    spawn(pylon)
    relay = f"ws://127.0.0.1:{pylon.local_port}"
    letter("send", relay, info(pylon)["pubkey"], "Are you there?", who=STRANGER)
    (tick,) = wait_for(lambda: [t for t in pylon.json("agent", "history", "scout")
                                if t["trigger"] == "dm" and t["state"] == "done"], 20, "the letter woke it")
    (action,) = pylon.json("agent", "history", "scout", "--tick", tick["tick"])["actions"]
    assert (action["type"], action["state"]) == ("dm", "done")
    assert [r["error"] for r in pylon.json("relay", "list")] == [None]  # that it asked who reads is no trouble


def test_goals_are_given_changed_and_reached(pylon):
    spawn(pylon, sats=0)
    first = pylon.json("agent", "goal", "scout", "add", "Find the door", "--priority", "3")["id"]
    second = pylon.json("agent", "goal", "scout", "add", "Paint it")["id"]
    goals = {g["id"]: g for g in pylon.json("agent", "goal", "scout")}
    assert goals[first]["text"] == "Find the door" and goals[first]["priority"] == 3 and goals[first]["status"] == "active"
    pylon.run("agent", "goal", "scout", "change", first, "Find the green door", "--progress", "40")
    pylon.run("agent", "goal", "scout", "done", first)
    pylon.run("agent", "goal", "scout", "drop", second)
    goals = {g["id"]: g for g in pylon.json("agent", "goal", "scout")}
    assert (goals[first]["status"], goals[second]["status"]) == ("done", "dropped")
    assert goals[first]["text"] == "Find the green door" and goals[first]["progress"] in (40, 100)
    refused(pylon, 2, "Usage", "agent", "goal", "scout", "forget", first)
    refused(pylon, 2, "Usage", "agent", "goal", "scout", "add", "x", "--priority", "11")
    assert "Find the green door" in pylon.run("agent", "goal", "scout").stdout


# ---- approvals

def supervised(pylon, *actions):
    spawn(pylon, "scout", "--autonomy", "supervised", "--mind", "exec", "--exec", acting(pylon, *actions))
    pylon.run("agent", "tick", "scout")
    return wait_for(lambda: pylon.json("agent", "approvals"), 10, "something waits")


def test_a_supervised_agent_waits_for_its_owner(pylon):
    (one,) = supervised(pylon, {"type": "post", "text": "May I?"})
    assert one["agent"] == "scout" and one["type"] == "post" and one["action"]["text"] == "May I?"
    assert info(pylon)["to_approve"] == 1 and one["id"][:8] in pylon.run("agent", "approvals").stdout
    assert pylon.json("event", "query", json.dumps({"kinds": [1]}))["events"] == []
    pylon.run("agent", "approve", one["id"][:8], "--comment", "go on")
    wait_for(lambda: pylon.json("event", "query", json.dumps({"kinds": [1]}))["events"], 10, "it is said")
    assert pylon.json("agent", "approvals") == [] and info(pylon)["to_approve"] == 0
    refused(pylon, 1, "NoSuchApproval", "agent", "approve", one["id"][:8])


def test_what_is_denied_is_not_done(pylon):
    (one,) = supervised(pylon, {"type": "post", "text": "May I?"})
    pylon.run("agent", "deny", one["id"], "--comment", "not today")
    assert pylon.json("agent", "approvals") == []
    states = [a["state"] for t in pylon.json("agent", "history", "scout") for a in t["actions"]]
    assert "denied" in states and "done" not in states
    assert pylon.json("event", "query", json.dumps({"kinds": [1]}))["events"] == []


# ---- to another machine

def passphrase(pylon, text=PASSPHRASE):
    path = pylon.home / f"passphrase-{abs(hash(text))}"
    path.write_text(text + "\n")
    return path


def test_an_agent_moves_to_another_machine_with_all_it_knows(pylon, make_pylon):
    spawn(pylon, "scout", "--about", "A traveller", "--mind", "exec", "--exec",
          acting(pylon, {"type": "remember", "text": "The sea is blue"}))
    pylon.run("agent", "tick", "scout")
    pylon.run("agent", "goal", "scout", "add", "See the sea")
    before, words = info(pylon), (pylon.base / "keys/scout.mnemonic").read_text()
    file = pylon.home / "scout.agent"
    pylon.run("agent", "export", "scout", file, "--passphrase-file", passphrase(pylon))
    text = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and text.startswith("pylon-agent 1 pbkdf2-sha512 500000 ")
    assert "scout" not in text and "sea" not in text and words.split()[0] + " " not in text
    refused(pylon, 73, "CannotCreate", "agent", "export", "scout", file, "--passphrase-file", passphrase(pylon))
    refused(pylon, 73, "AgentExists", "agent", "import", file, "--passphrase-file", passphrase(pylon))
    refused(pylon, 73, "AgentExists", "agent", "import", file, "--passphrase-file", passphrase(pylon), "--name", "twin")
    pylon.stop()

    away = world(make_pylon, funds=0)
    message = refused(away, 2, "BadInput", "agent", "import", file, "--passphrase-file", passphrase(away, "another passphrase"))
    assert "passphrase" in message and away.json("agent", "list") == []
    away.run("agent", "import", file, "--passphrase-file", passphrase(away), "--name", "pilgrim")
    after = info(away, "pilgrim")
    assert after["npub"] == before["npub"] and after["wish"] == "stopped" and after["profile"]["about"] == "A traveller"
    assert (away.base / "keys/pilgrim.mnemonic").read_text() == words
    assert [m["text"] for m in away.json("agent", "memory", "pilgrim")] == ["The sea is blue"]
    assert [g["text"] for g in away.json("agent", "goal", "pilgrim")] == ["See the sea"]
    refused(away, 73, "AgentExists", "agent", "import", file, "--passphrase-file", passphrase(away))


def test_a_damaged_file_brings_nobody(pylon):
    spawn(pylon, sats=0)
    file = pylon.home / "scout.agent"
    pylon.run("agent", "export", "scout", file, "--passphrase-file", passphrase(pylon))
    pylon.run("agent", "delete", "scout", "--yes")
    text = file.read_text()
    for broken in (text[:-20], text.replace("500000", "400000"), text[:200] + ("A" if text[200] != "A" else "B") + text[201:],
                   "hello", ""):
        (pylon.home / "broken").write_text(broken)
        refused(pylon, 2, "BadInput", "agent", "import", pylon.home / "broken", "--passphrase-file", passphrase(pylon))
    assert pylon.json("agent", "list") == []
    refused(pylon, 2, "BadInput", "agent", "import", file, "--passphrase-file", passphrase(pylon, "short"))
    refused(pylon, 2, "Usage", "agent", "import", file)
    pylon.run("agent", "import", file, "--passphrase-file", passphrase(pylon))
    assert info(pylon)["wish"] == "stopped"


def test_a_passphrase_is_typed_twice_and_not_shown(pylon):
    spawn(pylon, sats=0)
    screen, code = at_terminal(pylon, "agent", "export", "scout", pylon.home / "a", typed=[("Passphrase:", f"{PASSPHRASE}\n"), ("Once more:", f"{PASSPHRASE}x\n")])
    assert code == 2 and not (pylon.home / "a").exists()
    typed = [("Passphrase:", f"{PASSPHRASE}\n"), ("Once more:", f"{PASSPHRASE}\n")]
    screen, code = at_terminal(pylon, "agent", "export", "scout", pylon.home / "b", typed=typed)
    assert code == 0 and (pylon.home / "b").exists() and PASSPHRASE not in screen, screen


def test_who_breaks_off_at_a_prompt_sees_again_what_he_types(pylon):
    spawn(pylon, sats=0)
    pid, fd = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # who runs in the background of a shell has it ignored
        command = pylon.command("agent", "export", "scout", pylon.home / "a")
        os.execvp(command[0], [str(c) for c in command])
    screen = b""
    while b"Passphrase:" not in screen:
        screen += os.read(fd, 1000)
    assert not termios.tcgetattr(fd)[3] & termios.ECHO
    os.write(fd, b"\x03")
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGINT
    assert termios.tcgetattr(fd)[3] & termios.ECHO
    os.close(fd)
    assert not (pylon.home / "a").exists()


# ---- what is promised

def test_the_readme_is_right_word_for_word(make_pylon):
    pylon = make_pylon("start", None)
    pylon.config.write_text(f"[relay]\nlisten = \"127.0.0.1:{pylon.local_port}\"\n")    # else the defaults
    pylon.start()
    block = (ROOT / "README.md").read_text().split("## Your first agent")[1].split("```")[1]
    commands = [line.partition("#")[0].strip() for line in block.strip().splitlines()]
    said = {}
    for command in commands:
        assert command.startswith("pylon ")
        done = subprocess.run(["bash", "-c", command.replace("pylon", '"$0" --user', 1), BUILD / "src/cli/pylon"], text=True,
                              capture_output=True, env={**os.environ, "HOME": str(pylon.home)}, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        said[command.split()[2]] = done.stdout
    assert "npub1" in said["spawn"] and "10000 sat" in said["fund"]
    wait_for(lambda: "The door is green" in pylon.run("agent", "memory", "scout").stdout, 10, "it remembers")
    assert "Tick" in said["tick"] and "manual" in said["history"]


# ---- who looks from elsewhere

def test_status_doctor_and_completion_know_the_agents(pylon):
    spawn(pylon)
    (one,) = pylon.json("status")["agents"]
    assert one["name"] == "scout" and one["state"] == "active" and one["next_tick_at"] > time.time()
    assert re.search(r"^scout +active +20000 sat", pylon.run("status").stdout, re.M)
    assert pylon.run("completion", "agents").stdout == "scout\n"
    findings = [f for f in pylon.json("doctor", expect=None)["findings"] if f["area"] == "agent"]
    assert findings and {f["verdict"] for f in findings} == {"ok"}
    gone = acting(pylon)
    pylon.run("agent", "edit", "scout", "mind.exec", gone)
    gone.unlink()
    bad = [f for f in pylon.json("doctor", expect=1)["findings"] if f["area"] == "agent" and f["verdict"] == "failure"]
    assert len(bad) == 1 and str(gone) in bad[0]["text"] and bad[0]["remedy"]


def test_the_doctor_sees_a_key_that_is_lost_and_an_empty_purse(pylon):
    spawn(pylon, sats=0)
    (pylon.base / "keys/scout.mnemonic").unlink()
    pylon.restart("signer")
    found = {f["verdict"]: f for f in pylon.json("doctor", expect=1)["findings"] if f["area"] == "agent"}
    assert "key" in found["failure"]["text"] and "fund" in found["warning"]["remedy"]


def test_agents_are_objects_on_the_bus(pylon):
    bus = asker.connect(pylon.base / "run/host.sock")

    def managed():
        (objects,) = asker.ask(bus, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "", ())["ok"]
        return {path: interfaces[AGENT] for path, interfaces in objects.items()}

    assert managed() == {}
    born = spawn(pylon, "scout.2", sats=0)
    assert born["object"] == "/com/openagents/Pylon1/agent/scout_2e2"
    (agent,) = managed().values()
    assert agent["Name"] == "scout.2" and agent["Npub"] == born["npub"] and agent["Mind"] == "rules"
    pylon.run("agent", "delete", "scout.2", "--yes")
    assert managed() == {}


def test_who_listens_on_the_bus_hears_of_agents(pylon):
    bus, heard = asker.connect(pylon.base / "run/host.sock"), []

    def on_signal(_bus, _sender, path, _interface, member, arguments):
        heard.append((path.rpartition("/")[2], member, arguments.unpack()))

    bus.signal_subscribe(None, None, None, None, None, Gio.DBusSignalFlags.NONE, on_signal)

    def changed(name):
        while GLib.MainContext.default().iteration(False):
            pass
        return [values[name] for path, member, (_, values, *_) in (h for h in heard if h[1] == "PropertiesChanged") if name in values]

    def members():
        changed("")
        return {member for _, member, _ in heard}

    spawn(pylon, "scout")
    wait_for(lambda: {"InterfacesAdded", "PropertiesChanged", "TickEnded"} <= members(), 10, "it is heard")
    wait_for(lambda: "active" in changed("State") and 20000000 in changed("Balance"), 10, "its state and its money are heard")
    assert 1 in changed("Ticking") and 0 in changed("Ticking") and 1 in changed("TickCount")
    pylon.run("agent", "pause", "scout")
    wait_for(lambda: "paused" in changed("Wish") and changed("Asleep")[-1], 10, "its sleep is heard")
    pylon.run("agent", "delete", "scout", "--sweep-to", "owner", "--yes")
    wait_for(lambda: "InterfacesRemoved" in members(), 10, "its end is heard")


def test_the_interface_is_what_is_served():
    xml = subprocess.run([BUILD / "src/host/pylon-host", "--print-xml=/com/openagents/Pylon1/agent"], capture_output=True, text=True,
                         check=True).stdout
    assert f'<interface name="{AGENT}">' in xml
    wrong = subprocess.run([BUILD / "src/host/pylon-host", "--print-xml=/x"], capture_output=True, text=True)
    assert wrong.returncode == 2 and wrong.stdout == ""
