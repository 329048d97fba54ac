"""pylon start -d without any relay: what is up, what comes back and how fast, who is not mistaken for it, and
what stays when it has stopped. See test_supervisor.py for what else is told."""
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from parts import ROLES, wait_for

# Besides the config, the identity and the databases, nothing stays but the logs and the store's lock.
STAYS = {"config.toml", "identity.mnemonic", "keys", "pylon.log", "pylon.log.1", "pylon.lock"}


@pytest.fixture
def pylon(make_pylon):
    return make_pylon("start", [])


def control(pylon, text, seconds=5):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(seconds)
        s.connect(str(pylon.base / "control.sock"))
        s.sendall(text)
        answer = b""
        while more := s.recv(4096):
            answer += more
    return answer


def left_behind(pylon):
    names = {p.name for p in pylon.base.iterdir()}
    return {n for n in names - STAYS if not n.startswith(("pylon.db", "relay.db", "identity.mnemonic."))}


def assert_nothing_runs(pylon):
    wait_for(lambda: not any(pylon.pids(role) for role in (*ROLES, "supervisor")), 10, "nothing runs")
    assert left_behind(pylon) == set()


def services(pylon):
    return {s["name"]: s for s in json.loads(control(pylon, b'"Services"\n'))["Services"]}


def wait_service(pylon, name, state, seconds=20):
    return wait_for(lambda: services(pylon)[name]["state"] == state and services(pylon)[name], seconds,
                    f"{name} is {state}")


def error(done):
    return json.loads(done.stdout)["error"]


def test_start_returns_when_all_is_up_and_stop_leaves_nothing_behind(pylon):
    pylon.start()
    assert {name: s["state"] for name, s in services(pylon).items()} == dict.fromkeys(ROLES, "running")
    for path in (*(pylon.base / "run").iterdir(), pylon.base / "control.sock", pylon.base / "pylon.pid"):
        assert path.stat().st_mode & 0o077 == 0, path
    pylon.stop()
    assert_nothing_runs(pylon)
    assert pylon.json("stop") == {"stopped": False}


def test_the_daemon_is_a_daemon(pylon):
    pylon.start()
    pid = pylon.pid("supervisor")
    assert os.getsid(pid) != os.getsid(0) and os.getsid(pid) != pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
    assert int((pylon.base / "pylon.pid").read_text()) == pid


def test_silent_clients_disturb_nobody(pylon):
    pylon.start()
    silent = []
    try:
        for _ in range(200):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(pylon.base / "control.sock"))
            silent.append(s)
        before = time.monotonic()
        assert control(pylon, b'"Ping"\n') == b'"Pong"\n'
        assert time.monotonic() - before < 1
        assert pylon.json("status")["daemon"]["running"]
    finally:
        for s in silent:
            s.close()


@pytest.mark.parametrize("role", ROLES)
def test_who_connects_and_says_nothing_does_not_keep_a_service_from_stopping(pylon, role):
    pylon.start()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(pylon.base / "run" / f"{role}.sock"))
        before = time.monotonic()
        pylon.stop()
        assert time.monotonic() - before < 5
    assert_nothing_runs(pylon)
    assert "killed" not in (pylon.base / "pylon.log").read_text()


@pytest.mark.parametrize("mode, provider, host", [("provider", True, False), ("host", False, True)])
def test_the_mode_is_told_to_provider_and_host(pylon, mode, provider, host):
    pylon.start("--mode", mode)
    status = json.loads(control(pylon, b'"Status"\n'))["Status"]
    assert (status["provider_active"], status["host_active"]) == (provider, host)


def test_a_pid_file_of_a_dead_process_is_stale(pylon):
    gone = subprocess.Popen(["true"])
    gone.wait()
    (pylon.base / "pylon.pid").write_text(f"{gone.pid}\n")
    pylon.run("status", expect=69)
    pylon.start()
    assert int((pylon.base / "pylon.pid").read_text()) == pylon.pid("supervisor")


def test_a_process_that_got_the_number_of_a_dead_supervisor_is_left_alone(pylon):
    other = subprocess.Popen(["sleep", "60"])
    try:
        (pylon.base / "pylon.pid").write_text(f"{other.pid}\n")
        pylon.run("status", expect=69)
        assert pylon.json("stop") == {"stopped": False}
        assert pylon.json("stop", "--force") == {"stopped": False}
        pylon.start()
        pylon.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_of_several_starts_at_once_one_wins_and_the_others_say_so(pylon):
    starts = [subprocess.Popen(pylon.command("start", "-d", "--json"), stdout=subprocess.PIPE, text=True)
              for _ in range(4)]
    answers = [json.loads(s.communicate(timeout=60)[0]) for s in starts]
    assert [s.returncode for s in starts] == [0] * 4
    assert sorted(a["already"] for a in answers) == [False, True, True, True]
    assert {a["pid"] for a in answers} == {pylon.pid("supervisor")}
    for role in ROLES:
        assert len(pylon.pids(role)) == 1


def test_a_wrong_configuration_is_told_with_its_line(pylon):
    pylon.config.write_text("network = \"regtest\"\nmin_price_msats = \"many\"\n")
    for how in ("-d", "-f"):
        done = pylon.run("start", how, "--json", expect=78)
        assert error(done)["name"] == "ConfigInvalid" and ":2:19:" in error(done)["message"]
    done = pylon.run("config", "check", expect=78)
    assert "2:19" in done.stdout


@pytest.mark.parametrize("role", ROLES)
def test_a_service_that_was_killed_comes_back(pylon, role):
    pylon.start()
    before = pylon.kill(role)
    assert pylon.json("status")["daemon"]["running"]
    after = wait_for(lambda: pylon.pid(role), 20, f"{role} is back")
    assert after != before
    assert wait_service(pylon, role, "running")["restarts"] == 1


def test_status_answers_while_the_store_is_dead(pylon):
    pylon.start()
    store = pylon.pid("store")
    os.kill(store, signal.SIGSTOP)
    try:
        before = time.monotonic()
        status = json.loads(control(pylon, b'"Status"\n'))["Status"]
        assert status["running"] and time.monotonic() - before < 3
    finally:
        os.kill(store, signal.SIGKILL)
    assert json.loads(control(pylon, b'"Status"\n'))["Status"]["running"]
    assert pylon.run("status").stdout


def test_restarts_come_slower_and_slower(pylon):
    pylon.start()
    for n in range(1, 5):
        os.kill(wait_service(pylon, "store", "running")["pid"], signal.SIGKILL)
        wait_for(lambda n=n: services(pylon)["store"]["restarts"] == n, 10, f"restart {n} is counted")
    began = time.monotonic()
    wait_service(pylon, "store", "running")
    assert time.monotonic() - began > 0.3  # 100, 200, 400, 800 ms


def test_a_service_whose_configuration_is_wrong_waits_for_a_better_one(pylon):
    pylon.start()
    good = pylon.config.read_text()
    pylon.config.write_text("network = 1\n")
    pylon.kill("store")
    wait_service(pylon, "store", "failed")
    with socket.socket(socket.AF_UNIX) as s:  # turned away at once, not left waiting
        s.settimeout(5)
        s.connect(str(pylon.base / "run/store.sock"))
        assert s.recv(1) == b""
    assert pylon.run("stop", "--help").returncode == 0
    os.kill(pylon.pid("supervisor"), signal.SIGHUP)  # still wrong: nothing changes
    assert services(pylon)["store"]["state"] == "failed"
    pylon.config.write_text(good)
    os.kill(pylon.pid("supervisor"), signal.SIGHUP)
    wait_for(lambda: services(pylon)["store"]["state"] != "failed", 10, "the store may come again")
    assert pylon.json("job", "list") == []


def test_stop_kills_what_does_not_end(pylon):
    pylon.start()
    os.kill(pylon.pid("relay"), signal.SIGSTOP)
    pylon.run("stop", "--timeout", "1")
    assert_nothing_runs(pylon)


def test_stop_ends_even_a_supervisor_that_hangs(pylon):
    pylon.start()
    os.kill(pylon.pid("supervisor"), signal.SIGSTOP)
    pylon.run("stop", "--force")
    wait_for(lambda: not any(pylon.pids(role) for role in (*ROLES, "supervisor")), 40, "nothing runs")
    assert left_behind(pylon) == set()


def test_the_foreground_logs_to_stderr_and_stops_at_ctrl_c(pylon):
    with subprocess.Popen(pylon.command("start", "-f", env={"PYLON_LOG": "debug"}), stderr=subprocess.PIPE,
                          text=True) as process:
        wait_for(lambda: (pylon.base / "control.sock").exists(), 20, "control.sock is there")
        wait_for(lambda: pylon.json("status", expect=None).get("daemon", {}).get("running"), 20, "it is up")
        pylon.run("start", "-f", expect=1)
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "pylon-store" in log
    assert_nothing_runs(pylon)
    assert not (pylon.base / "pylon.log").exists()


def test_a_full_log_is_moved_aside(make_pylon):
    pylon = make_pylon("start", [], more="[log]\nmax_size = \"4K\"\n[frobnicate]\n")
    pylon.start()
    for _ in range(30):  # each service warns about the section that nobody knows
        os.kill(pylon.pid("supervisor"), signal.SIGHUP)
        time.sleep(0.05)
        if (pylon.base / "pylon.log.1").exists():
            break
    assert (pylon.base / "pylon.log.1").stat().st_size <= 4096
    assert (pylon.base / "pylon.log").stat().st_size <= 4096
    assert (pylon.base / "pylon.log").stat().st_mode & 0o777 == 0o600
    lines = ((pylon.base / "pylon.log.1").read_text() + (pylon.base / "pylon.log").read_text()).splitlines()
    assert all(line[:2] == "20" and "frobnicate" in line or "pylon" in line for line in lines)


def test_another_config_and_data_dir_are_used_throughout(pylon, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(pylon.config.read_text().replace("[relay]", f"data_dir = \"{tmp_path}/data\"\n[relay]", 1))
    pylon.run("--config", other, "init")
    pylon.run("start", "-d", "--config", os.path.relpath(other))
    try:
        assert (tmp_path / "data/pylon.db").exists() and (tmp_path / "data/run/store.sock").exists()
        assert pylon.json("--config", other, "status")["daemon"]["running"]
        pylon.run("status", expect=69)
    finally:
        pylon.run("stop", "--config", other)
    assert not (tmp_path / "data/run").exists()


def test_init_needs_no_instance_and_never_shows_the_words_again(make_pylon):
    pylon = make_pylon("start", [], init=False)
    before = pylon.config.read_text()
    made = pylon.json("init", "--words", "24")
    assert len(made["mnemonic"].split()) == 24 and not made["config_is_new"]
    assert pylon.config.read_text() == before
    assert (pylon.base / "identity.mnemonic").stat().st_mode & 0o777 == 0o600
    assert error(pylon.run("init", "--json", expect=73))["name"] == "KeyExists"
    again = subprocess.run(pylon.command("init", "--import", "--force", "--json"), input=made["mnemonic"] + "\n",
                           capture_output=True, text=True, timeout=30, check=True)
    answer = json.loads(again.stdout)
    assert answer["pubkey"] == made["pubkey"] and "mnemonic" not in answer
    assert left_behind(pylon) == set()
    wrong = subprocess.run(pylon.command("init", "--import", "--force", "--json"), input="abandon " * 12,
                           capture_output=True, text=True, timeout=30, check=False)
    assert wrong.returncode != 0 and error(wrong)["name"] == "BadInput"
