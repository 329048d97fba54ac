"""pylon start and stop without systemd: the small supervisor, its PID file and control.sock."""
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess

import pytest

from parts import ROLES, mining_job, customer, wait_for


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


def test_silent_and_endless_clients_disturb_nobody(running):
    silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    for s in silent:
        s.connect(str(running.base / "control.sock"))
    silent[0].sendall(b'"Pi')
    with pytest.raises(OSError):
        for _ in range(1000):
            silent[1].sendall(b"x" * 4096)
    assert ask(running, '"Ping"') == "Pong"
    for s in silent:
        s.close()


def test_a_second_start_says_that_it_runs(running):
    pid = running.pid("supervisor")
    assert str(pid) in running.start().stdout
    assert running.pids("supervisor") == [pid]
    assert running.json("start", "-d")["already"] is True


def test_stop_leaves_no_file_and_no_process_behind(running):
    running.stop()
    assert not left_behind(running)
    assert not any(running.pids(role) for role in ("supervisor", *ROLES))
    assert "not running" in running.run("stop").stdout


def test_stop_by_force_leaves_nothing_either(running):
    running.run("stop", "--force")
    assert not left_behind(running)
    wait_for(lambda: not any(running.pids(role) for role in ROLES), 10, "the services are gone")


def test_the_services_end_with_a_supervisor_that_was_killed_and_a_new_one_starts(running):
    running.kill("supervisor")
    wait_for(lambda: not any(running.pids(role) for role in ROLES), 40, "the services are gone")
    assert (running.base / "pylon.pid").exists()
    assert running.run("status", expect=None).returncode != 0
    running.start()
    assert ask(running, '"Ping"') == "Pong"


def test_a_pid_file_with_somebody_elses_number_is_not_believed(stopped):
    (stopped.base / "pylon.pid").write_text(f"{os.getpid()}\n")
    assert "not running" in stopped.run("stop").stdout
    stopped.start()
    assert running_pid(stopped) == stopped.pid("supervisor")


def running_pid(pylon):
    return int((pylon.base / "pylon.pid").read_text())


def test_start_needs_an_identity_and_says_how_to_get_one(make_pylon, relay):
    pylon = make_pylon("start", [relay.url], init=False)
    done = pylon.start(expect=None)
    assert done.returncode != 0
    assert "pylon init" in done.stdout + done.stderr
    assert not left_behind(pylon)


def test_start_names_the_line_of_a_wrong_configuration(stopped):
    stopped.config.write_text(stopped.config.read_text() + "\n[provider]\nmax_concurrent_jobs = \"many\"\n")
    number = len(stopped.config.read_text().splitlines())
    done = stopped.start(expect=None)
    assert done.returncode == 78
    assert str(number) in done.stdout + done.stderr
    assert not left_behind(stopped)


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


def test_a_busy_port_of_the_local_relay_warns_and_everything_else_works(stopped, relay):
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", stopped.local_port))
        busy.listen()
        stopped.start()
        lines = customer("buy", relay.url, 20, mining_job())
        assert any(line["event"]["kind"] == 6970 for line in lines if "event" in line)
        assert str(stopped.local_port) in stopped.log()


def test_in_the_foreground_it_ends_with_sigterm(stopped):
    process = subprocess.Popen(stopped.command("start", "-f"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: (stopped.base / "control.sock").exists() and ask(stopped, '"Ping"') == "Pong", 20, "it answers")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert not left_behind(stopped)


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
