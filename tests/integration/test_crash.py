"""Killed in every durable state of the table of jobs, and unplugged: nothing is lost, nothing is done twice."""
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from parts import BUILD, customer, is_open, mining_job, tag, wait_for

# No free job comes here: a test below lays them into the table.
PAID_ONLY = {"unpaid", "owed"}
UNHAPPY = {"failed", "expired", "cancelled"}  # have tests of their own


def durable_states():
    """The names in the provider's own table, so that a new state is tested from the day it exists."""
    done = subprocess.run([BUILD / "src/provider/pylon-provider", "--list-states"], capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines() if line]


def pytest_generate_tests(metafunc):
    if "state" in metafunc.fixturenames:
        metafunc.parametrize("state", [s for s in durable_states() if s not in PAID_ONLY | UNHAPPY])


def post(relay, *templates):
    return [line["request"] for line in customer("post", relay.url, *templates)]


def results_by_request(relay):
    found = {}
    for event in relay.events(6970):
        found.setdefault(tag(event, "e"), set()).add(event["id"])
    return found


def stored_result(pylon, request):
    rows = pylon.query("select result from job_results join jobs using (seq) where id = ?", request["id"])
    return json.loads(rows[0][0])["id"] if rows and rows[0][0] else None


class Fault:
    """One named point; it strikes once, whichever process passes it first."""

    def __init__(self, folder, name, action):
        self.folder = folder / "faults"
        self.folder.mkdir()
        self.name = name.partition("@")[0]
        self.env = {"PYLON_FAULTS": f"{name}={action}", "PYLON_FAULTS_ONCE": str(self.folder)}

    def struck(self):
        return (self.folder / self.name).exists()

    def wait(self):
        wait_for(self.struck, 30, f"the point {self.name} is passed")


@pytest.fixture
def make_faulty(make_pylon, relay, tmp_path):
    def make(name, action):
        fault = Fault(tmp_path, name, action)
        pylon = make_pylon("start", [relay.url], env=fault.env)
        pylon.start()
        return pylon, fault

    return make


def ends_well(pylon, relay, *requests):
    for request in requests:
        pylon.wait_state(request["id"], "completed", seconds=60)
    wait_for(lambda: all(r["id"] in results_by_request(relay) for r in requests), 30, "every result is on the relay")
    found = results_by_request(relay)
    assert all(len(found[r["id"]]) == 1 for r in requests)
    assert all(stored_result(pylon, r) in found[r["id"]] for r in requests)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_provider_is_killed_in_each_state(make_faulty, relay, state, moment):
    pylon, fault = make_faulty(f"job.{state}.{moment}", "kill")
    (request,) = post(relay, mining_job(8))
    fault.wait()
    ends_well(pylon, relay, request)


@pytest.mark.parametrize("victim", ["store", "relay", "signer"])
def test_a_service_it_needs_is_killed_in_each_state(make_faulty, relay, state, victim):
    """The provider stops itself at the point, the other one dies, the provider goes on."""
    pylon, fault = make_faulty(f"job.{state}.after", "stop")
    (request,) = post(relay, mining_job(8))
    fault.wait()
    provider = pylon.pid("provider")
    before = stored_result(pylon, request)
    if pylon.pid(victim):
        pylon.kill(victim)
    os.kill(provider, signal.SIGCONT)
    ends_well(pylon, relay, request)
    if before:
        assert results_by_request(relay)[request["id"]] == {before}, "the job was run again"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_provider_is_killed_while_a_job_fails(make_pylon, relay, tmp_path, moment):
    fault = Fault(tmp_path, f"job.failed.{moment}", "kill")
    pylon = make_pylon("start", [relay.url], '[provider]\njob_timeout = "1s"\n', env=fault.env)
    pylon.start()
    (hard,) = post(relay, mining_job(28, content="no luck within a second"))
    fault.wait()
    pylon.wait_state(hard["id"], "failed", seconds=60)
    (fine,) = post(relay, mining_job(8, content="the next one"))
    ends_well(pylon, relay, fine)
    assert not relay.results(hard["id"])


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_provider_is_killed_while_a_job_is_cancelled(make_pylon, tmp_path, moment):
    """Through our own relay: the other one does not hand a deletion to who asks for it by its k tag."""
    fault = Fault(tmp_path, f"job.cancelled.{moment}", "kill")
    pylon = make_pylon("start", None, env=fault.env)
    pylon.start()
    wait_for(lambda: is_open(pylon.local_port), 20, "the local relay listens")
    url = f"ws://127.0.0.1:{pylon.local_port}"
    key = {"CUSTOMER_KEY": "42" * 32}
    request = customer("post", url, mining_job(28, content="not wanted any more"), env=key)[0]["request"]
    wait_for(lambda: pylon.state(request["id"]), 20, "the job is known")
    customer("post", url, json.dumps({"kind": 5, "tags": [["e", request["id"]], ["k", "5970"]]}), env=key)
    fault.wait()
    pylon.wait_state(request["id"], "cancelled", seconds=60)
    other = customer("post", url, mining_job(8))[0]["request"]
    pylon.wait_state(other["id"], "completed", seconds=60)
    assert pylon.state(request["id"]) == "cancelled"
    assert not stored_result(pylon, request)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_provider_is_killed_while_a_job_expires(make_faulty, relay, moment):
    """It was accepted in time, and the provider was down when its time was over."""
    pylon, fault = make_faulty(f"job.expired.{moment}", "kill")
    (done,) = post(relay, mining_job(8))
    ends_well(pylon, relay, done)
    template = json.loads(mining_job(8, content="too late"))
    template["tags"].append(["expiration", str(int(time.time()) - 1)])
    # The relay refuses what has expired, but by then it is signed.
    request = customer("post", relay.url, json.dumps(template), expect=None)[0]["request"]
    lay_into_the_table(pylon, relay, request, "queued")
    pylon.kill("provider")
    fault.wait()
    pylon.wait_state(request["id"], "expired", seconds=60)
    assert not relay.results(request["id"])


def lay_into_the_table(pylon, relay, request, state, price=0):
    with contextlib.closing(sqlite3.connect(pylon.database("store"), timeout=10)) as db, db:
        seq = db.execute("insert into jobs (id, kind, customer_pubkey, status, price_msats, created_at)"
                         " values (?, 5970, ?, ?, ?, ?)",
                         (request["id"], request["pubkey"], state, price, request["created_at"])).lastrowid
        db.execute("insert into job_requests (seq, relay, request) values (?, ?, ?)",
                   (seq, relay.url, json.dumps(request)))


@pytest.mark.parametrize("waits", ["unpaid", "owed"])
def test_a_job_that_money_hangs_on_outlives_every_kill(make_pylon, relay, waits):
    """What an older or a newer version left there: no service forgets it, runs it or ends it."""
    pylon = make_pylon("start", [relay.url])
    pylon.start()
    (done,) = post(relay, mining_job(8))
    ends_well(pylon, relay, done)
    pylon.stop()
    (request,) = post(relay, mining_job(8, content="for money"))
    lay_into_the_table(pylon, relay, request, waits, 1000)
    pylon.start()
    for victim in ("store", "relay", "signer", "provider"):
        (other,) = post(relay, mining_job(8, content=f"before {victim} dies"))
        ends_well(pylon, relay, other)
        pylon.kill(victim)
        assert pylon.state(request["id"]) == waits
    (last,) = post(relay, mining_job(8, content="the last"))
    ends_well(pylon, relay, last)
    assert pylon.state(request["id"]) == waits
    assert not relay.results(request["id"])


def test_everything_is_killed_at_once_while_jobs_run(make_pylon, relay):
    pylon = make_pylon("start", [relay.url])
    pylon.start()
    requests = post(relay, *[mining_job(14, content=f"job {n}") for n in range(30)])
    wait_for(lambda: pylon.query("select 1 from jobs where status = 'completed' limit 1"), 30, "one job is done")
    for role in ("supervisor", "provider", "relay", "signer", "store", "host"):
        for pid in pylon.pids(role):
            os.kill(pid, signal.SIGKILL)
    for role in ("supervisor", "provider", "relay", "signer", "store", "host"):
        wait_for(lambda: not pylon.pids(role), 10, f"{role} is gone")
    pylon.start()
    ends_well(pylon, relay, *requests)


def test_a_write_that_fails_is_told_to_the_customer(make_faulty, relay):
    """The third commit anywhere fails. Every customer has a result, or hears that it was not to be."""
    pylon, fault = make_faulty("sql.commit.before@3", "EIO")
    requests = post(relay, *[mining_job(6, content=f"job {n}") for n in range(5)])
    for request in requests:
        wait_for(lambda: pylon.state(request["id"]) == "completed" or "error" in relay.statuses(request["id"]), 60,
                 "a job ends, and its customer hears how")
    done = [r for r in requests if pylon.state(r["id"]) == "completed"]
    ends_well(pylon, relay, *done)
    assert fault.struck()


@pytest.mark.parametrize("moment", [1, 4, 9])
def test_the_plug_is_pulled(make_pylon, relay, tmp_path, moment):
    """The databases are put back to what was synced. Whatever the world had seen by then must be in them."""
    synced = tmp_path / "synced"
    synced.mkdir()
    options = os.environ.get("ASAN_OPTIONS", "")
    pylon = make_pylon("start", [relay.url], env={
        "LD_PRELOAD": str(BUILD / "tests/integration/lastsync.so"), "LASTSYNC_DIR": str(synced),
        "ASAN_OPTIONS": f"{options}:verify_asan_link_order=0:detect_leaks=0"})
    pylon.start()
    requests = post(relay, *[mining_job(14, content=f"job {n}") for n in range(12)])
    wait_for(lambda: len(relay.events(6970)) >= moment, 60, f"{moment} results are on the relay")

    everything = [pid for role in ("supervisor", "provider", "relay", "signer", "store", "host") for pid in pylon.pids(role)]
    for pid in everything:
        os.kill(pid, signal.SIGSTOP)  # from here on the world sees nothing new
    announced = relay.events(6970, 7000)
    shutil.copytree(synced, tmp_path / "unplugged")
    for pid in everything:
        os.kill(pid, signal.SIGKILL)
    for role in ("supervisor", "provider", "relay", "signer", "store", "host"):
        wait_for(lambda: not pylon.pids(role), 10, f"{role} is gone")
    for file in pylon.base.glob("*.db*"):
        file.unlink()
    for file in (tmp_path / "unplugged").iterdir():
        if not file.name.endswith(".new"):
            shutil.copy(file, pylon.base / file.name)

    assert pylon.query("pragma integrity_check") == [("ok",)]
    for event in announced:
        rows = pylon.query("select status, result from jobs left join job_results using (seq) where id = ?", tag(event, "e"))
        assert rows, "something was said about a job that was not on disk"
        if event["kind"] == 6970:
            assert rows[0][0] in ("publishing", "completed"), "a result was published before it was on disk"
            assert json.loads(rows[0][1])["id"] == event["id"]

    pylon.env = {}
    pylon.start()
    ends_well(pylon, relay, *requests)
