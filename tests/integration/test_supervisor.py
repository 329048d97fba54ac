"""The supervisor's control.sock as others use it, and the reasons why Pylon does not start. What start and stop
leave behind is in test_start.py."""
import contextlib
import json
import socket
import sqlite3

import pytest

from parts import ROLES, wait_for


def ask(pylon, line, timeout=10):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(str(pylon.base / "control.sock"))
        s.sendall(line.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            piece = s.recv(65536)
            assert piece, f"closed after {answer!r}"
            answer += piece
        return json.loads(answer)


@pytest.fixture
def stopped(make_pylon, relay):
    return make_pylon("start", [relay.url])


@pytest.fixture
def running(stopped):
    stopped.start()
    return stopped


def left_behind(pylon):
    names = {p.name for p in pylon.base.rglob("*")}
    return names & {"pylon.pid", "control.sock", "notify", *(f"{role}.sock" for role in ROLES)}


def test_control_sock_answers_as_the_first_pylon_did(running):
    assert ask(running, '"Ping"') == "Pong"
    assert ask(running, '{"Ping":null}') == "Pong"
    status = ask(running, '"Status"')["Status"]
    assert status["running"] is True
    assert {"uptime_secs", "provider_active", "host_active", "jobs_completed", "earnings_msats"} <= set(status)
    for nonsense in ('"Dance"', "{}", "7", "not json", '{"Ping":1}', "[" * 900):
        assert "Error" in ask(running, nonsense)
    assert ask(running, '"Shutdown"') == "Ok"
    wait_for(lambda: not running.pids("supervisor"), 30, "the supervisor is gone")
    assert not left_behind(running)


def test_a_client_that_never_ends_its_line_disturbs_nobody(running):
    with socket.socket(socket.AF_UNIX) as half, socket.socket(socket.AF_UNIX) as endless:
        for s in (half, endless):
            s.connect(str(running.base / "control.sock"))
        half.sendall(b'"Pi')
        with pytest.raises(OSError):
            for _ in range(1000):
                endless.sendall(b"x" * 4096)
        assert ask(running, '"Ping"') == "Pong"


def test_the_services_end_with_a_supervisor_that_was_killed_and_a_new_one_starts(running):
    running.kill("supervisor")
    wait_for(lambda: not any(running.pids(role) for role in ROLES), 40, "the services are gone")
    assert (running.base / "pylon.pid").exists()
    assert running.run("status", expect=None).returncode != 0
    running.start()
    assert ask(running, '"Ping"') == "Pong"


def test_start_needs_an_identity_and_says_how_to_get_one(make_pylon, relay):
    pylon = make_pylon("start", [relay.url], init=False)
    done = pylon.start(expect=None)
    assert done.returncode != 0
    assert "pylon init" in done.stdout + done.stderr
    assert not left_behind(pylon)


@pytest.mark.parametrize("damage", ["not a database", "newer", "a folder"])
def test_start_gives_the_true_reason_when_the_database_cannot_be_used(stopped, damage):
    path = stopped.database("store")
    if damage == "not a database":
        path.write_bytes(b"this is not a database at all, " * 300)
    elif damage == "newer":
        stopped.start()
        stopped.stop()
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("insert into migrations values (1000, 'from the future', 0)")
    else:
        path.mkdir()
    before = path.read_bytes() if path.is_file() else None
    done = stopped.start(expect=None)
    assert done.returncode != 0
    assert "database" in done.stdout + done.stderr or "pylon.db" in done.stdout + done.stderr
    assert not left_behind(stopped)
    assert before is None or path.read_bytes() == before, "the file was changed"


def test_the_mode_is_a_wish_that_outlives_a_restart(stopped):
    stopped.start("--mode", "host")
    assert ask(stopped, '"Status"')["Status"]["provider_active"] is False
    stopped.kill("provider")
    wait_for(lambda: ask(stopped, '"Status"')["Status"]["running"], 10, "it answers")
    assert ask(stopped, '"Status"')["Status"]["provider_active"] is False


def test_secrets_are_in_nobodys_arguments_environment_or_log(running):
    words = (running.base / "identity.mnemonic").read_text().split()
    assert (running.base / "identity.mnemonic").stat().st_mode & 0o077 == 0
    phrase = " ".join(words[:4])
    assert phrase not in running.log()
    for role in ("supervisor", *ROLES):
        for pid in running.pids(role):
            for name in ("cmdline", "environ"):
                text = open(f"/proc/{pid}/{name}", "rb").read().replace(b"\0", b" ").decode(errors="replace")
                assert phrase not in text
