"""pylon-store by itself, over its private socket: repeated calls, kill -9, files in every bad state, backup.
The caller is a program named pylon-provider, since only services may change anything."""
import contextlib
import os
import sqlite3
import subprocess
import threading
import time

import pytest

from parts import wait_for

from store_wire import BOOKS, CUSTOMER, PUBLIC, SERVICE, Refused, opened


@pytest.fixture
def store(tmp_path):
    yield from opened(tmp_path)


def job(i, state="queued", price=0):
    return (f"{i:064x}", 5970, CUSTOMER, '{"kind":5970}', "ws://127.0.0.1:7447", state, price, 1700000000 + i % 65536)


def move(i, state, result="", error="", feedback=""):
    return (f"{i:064x}", state, result, error, feedback)


def made(store, jobs=0):
    """A database with that many jobs, closed in order."""
    wire = store.start().wire()
    if jobs:
        assert wire.add(*map(job, range(jobs))) == [(0, "")] * jobs
    wire.property("JobsCompleted")
    wire.close()
    assert store.stop() == 0


def test_a_repeated_call_gets_its_first_answer(store):
    wire = store.start().wire()
    assert wire.add(job(1), job(2)) == [(0, ""), (0, "")]
    assert wire.add(job(1, "running")) == [(1, "queued")]
    assert wire.move(move(1, "publishing", '{"id":"r"}')) == [(0, "")]
    assert wire.move(move(1, "publishing", '{"id":"other"}')) == [(0, "")]
    assert wire.move(move(1, "completed")) == [(0, "")]
    assert wire.move(move(1, "completed")) == [(0, "")]
    assert store.query("SELECT status, output_hash FROM jobs WHERE seq = 1") == [("completed", "r")]
    assert wire.property("JobsCompleted") == 1


def test_one_bad_item_does_not_fail_the_others(store):
    wire = store.start().wire()
    bad = ("short",) + job(2)[1:]
    assert wire.add(job(1), bad, job(3)) == [(0, ""), (-22, "its id is not an event id"), (0, "")]
    assert wire.move(move(1, "failed"), move(2, "failed"), move(3, "nowhere")) == [
        (0, ""), (-2, "there is no such job"), (-22, "there is no such state")]
    assert wire.move(move(1, "running")) == [(-114, "the job is over")]
    assert wire.property("JobsByState")["failed"] == 1


def test_what_people_ask(store):
    wire = store.start().wire()
    person = store.wire("busctl")
    wire.add(*(job(i << 200, "unpaid", 1000) for i in range(1, 4)))
    wallet = store.wire("pylon-wallet")
    wallet.call(BOOKS, "AddInvoices", "a(ssssssxxx)", [
        (f"{i:064x}", "lnbcrt1", "held", f"{i << 200:064x}", "pre", "", 1000, 1, 2) for i in (1, 2)])
    wallet.call(BOOKS, "SettleInvoices", "a(ssssxxx)", [(f"{i:064x}", "regtest", "", "", 1000, 0, 2) for i in (1, 2)])
    for state in ("queued", "running", "publishing", "completed"):
        wire.move(*(move(i << 200, state, '{"id":"r","kind":6970}', "", '{"kind":7000}') for i in (1, 2)))
    wire.move(move(3 << 200, "expired", error="nobody paid"))

    rows = person.call(PUBLIC, "ListJobs", "sux", "", 10, 0)
    assert [(r[3], r[6]) for r in rows] == [("expired", "nobody paid"), ("completed", ""), ("completed", "")]
    assert len(person.call(PUBLIC, "ListJobs", "sux", "completed", 1, 0)) == 1
    one = person.call(PUBLIC, "GetJob", "s", f"{2 << 200:064x}"[:20])
    assert (one["status"], one["price_msats"], one["result"], one["request"]) == (
        "completed", 1000, '{"id":"r","kind":6970}', '{"kind":5970}')
    assert one["started_at"] <= one["completed_at"]
    totals, by_source, recent = person.call(PUBLIC, "Earnings", "u", 1)
    assert totals == {"total_msats": 2000, "job_count": 2} and by_source == {"job": 2000}
    assert [(r[2], r[3]) for r in recent] == [("job", 1000)]
    assert person.property("EarningsMsat") == 2000 and person.property("Path") == str(store.db)

    with pytest.raises(Refused) as refused:
        person.call(PUBLIC, "GetJob", "s", "00000000")
    assert refused.value.name == "com.openagents.Pylon1.Error.Ambiguous"
    with pytest.raises(Refused) as refused:
        person.call(PUBLIC, "GetJob", "s", "ffffffff")
    assert refused.value.name == "com.openagents.Pylon1.Error.NoSuchJob"
    with pytest.raises(Refused) as refused:
        person.call(SERVICE, "SetSetting", "ss", "provider.online", "no")
    assert refused.value.name == "com.openagents.Pylon1.Error.NotAllowed"
    assert subprocess.run(["sqlite3", store.db, "SELECT count(*) FROM jobs"], capture_output=True,
                          text=True).stdout == "3\n"


def test_every_answered_row_is_there_after_kill(store):
    wire = store.start().wire()
    answered = []

    def write():
        for n in range(0, 100000, 10):
            try:
                assert wire.add(*map(job, range(n, n + 10))) == [(0, "")] * 10
            except Refused:
                return
            answered.extend(range(n, n + 10))

    writer = threading.Thread(target=write)
    writer.start()
    wait_for(lambda: len(answered) > 500, 20, "500 answers")
    store.kill()
    writer.join()

    store.start()
    again = store.wire()
    assert again.add(*map(job, answered[-100:])) == [(1, "queued")] * 100
    assert store.query("SELECT count(*) FROM jobs")[0][0] >= len(answered)
    assert again.property("JobsByState")["queued"] == store.query("SELECT count(*) FROM jobs")[0][0]


def test_open_jobs_come_in_pages_after_a_restart(store):
    made(store, 30)
    wire = store.start().wire()
    wire.move(move(7, "completed"))
    seen, after = [], ""
    while page := wire.call(SERVICE, "OpenJobs", "su", after, 8):
        seen += [int(row[0], 16) for row in page]
        after = page[-1][0]
    assert seen == [i for i in range(30) if i != 7]


def test_a_lazy_move_is_on_disk_within_a_second_and_at_a_clean_stop(store):
    wire = store.start().wire()
    wire.add(job(1), job(2))
    before = time.monotonic()
    assert wire.move(move(1, "running"), lazy=True) == [(0, "")]
    wait_for(lambda: store.query("SELECT status FROM jobs WHERE seq = 1") == [("running",)], 2, "it is on disk")
    assert time.monotonic() - before < 1.5
    wire.move(move(2, "running"), lazy=True)
    assert store.stop() == 0
    assert store.query("SELECT status FROM jobs WHERE seq = 2") == [("running",)]


def test_a_lazy_move_whose_commit_failed_is_done_again(store):
    wire = store.start(["env", "PYLON_FAULTS=sql.commit.before@2=ENOSPC"]).wire()
    wire.add(job(1))
    assert wire.move(move(1, "completed"), lazy=True) == [(0, "")]
    wait_for(lambda: "the disk is full" in store.words(), 3, "the commit failed")
    wait_for(lambda: store.query("SELECT status FROM jobs") == [("completed",)], 4, "it is on disk after all")
    assert wire.property("JobsCompleted") == 1


def test_settings_are_kept(store):
    wire = store.start().wire()
    assert wire.call(SERVICE, "GetSetting", "s", "provider.online") == ""
    wire.call(SERVICE, "SetSetting", "ss", "provider.online", "no")
    store.kill()
    store.start()
    assert store.wire().call(SERVICE, "GetSetting", "s", "provider.online") == "no"
    with pytest.raises(Refused) as refused:
        store.wires[-1].call(SERVICE, "SetSetting", "ss", "", "no")
    assert refused.value.name == "com.openagents.Pylon1.Error.BadInput"


def test_a_damaged_database_is_refused_and_left_alone(store):
    made(store, 100)
    content = bytearray(store.db.read_bytes())
    content[4096:8192] = os.urandom(4096)
    content[0:16] = b"this is no SQLit"
    store.db.write_bytes(content)
    assert store.start().exit_code() == 78
    assert "the database file is damaged. Nothing in it was changed." in store.words()
    assert store.db.read_bytes() == content


def test_damage_that_is_met_later_is_an_error_with_its_name(store):
    made(store, 2000)
    content = bytearray(store.db.read_bytes())
    for page in range(100, len(content) // 4096):
        content[page * 4096:page * 4096 + 4096] = b"\xff" * 4096
    store.db.write_bytes(content)
    wire = store.start().wire()
    with pytest.raises(Refused) as refused:
        wire.call(PUBLIC, "ListJobs", "sux", "", 1000, 0)
    assert refused.value.name == "com.openagents.Pylon1.Error.Damaged"
    with pytest.raises(Refused):
        wire.call(PUBLIC, "ListJobs", "sux", "", 1000, 0)
    assert store.words().count("is damaged") == 1


def test_a_newer_database_is_refused_and_left_alone(store):
    made(store, 1)
    db = sqlite3.connect(store.db, isolation_level=None)
    (known,) = db.execute("SELECT max(id) FROM migrations").fetchone()
    db.execute("INSERT INTO migrations VALUES (?, 'from the future', 0)", (known + 1,))
    db.close()
    content = store.db.read_bytes()
    assert store.start().exit_code() == 78
    assert "written by a newer version of Pylon" in store.words()
    assert store.db.read_bytes() == content


def test_another_programs_database_is_refused(store):
    with sqlite3.connect(store.db) as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    assert store.start().exit_code() == 78
    assert "the database of another program" in store.words()


def test_a_read_only_database_is_refused(store):
    made(store, 1)
    before = ()
    if os.geteuid() == 0:  # root may write into any file: let the file system say no
        mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
        before = ("unshare", "-m", "sh", "-c", mount, "sh", store.db)
        if subprocess.run([*before, "true"], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("nothing can be mounted here")
    os.chmod(store.db, 0o444)
    assert store.start(before).exit_code() == 77
    assert "the database file may only be read" in store.words()


def test_a_full_disk_refuses_and_loses_nothing(store):
    mount = 'mount -t tmpfs -o size=1M,mode=0777 tmpfs "$1" && shift && exec "$@"'
    before = ("unshare", "-m", "sh", "-c", mount, "sh", store.data)
    if subprocess.run([*before, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    wire = store.start(before).wire()
    large = [(*job(i)[:3], '{"content":"' + "x" * 20000 + '"}', *job(i)[4:]) for i in range(200)]
    n = 0
    with pytest.raises(Refused, match="the disk is full"):
        for n, row in enumerate(large):
            assert wire.add(row) == [(0, "")]
    assert n > 5
    assert wire.add(large[n - 1]) == [(1, "queued")]
    assert wire.property("JobsByState")["queued"] == n
    assert store.words().count("the disk is full") == 1


def test_another_program_may_hold_the_lock_for_a_while(store):
    wire = store.start().wire()
    wire.add(job(1))
    other = sqlite3.connect(store.db, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Refused) as refused:
        wire.add(job(2))
    assert refused.value.name == "com.openagents.Pylon1.Error.Busy"
    other.execute("COMMIT")
    other.close()
    assert wire.add(job(2)) == [(0, "")]


def test_two_instances_never_share_the_files(store):
    wire = store.start().wire()
    wire.add(job(1))
    first = store.process
    assert store.start().exit_code() == 75
    assert f"is held by pylon-store (PID {first.pid})" in store.words()
    assert wire.add(job(1)) == [(1, "queued")]
    first.kill()
    first.wait()
    store.start()
    assert store.wire().add(job(1)) == [(1, "queued")]


def test_a_backup_while_writing_is_whole(store, tmp_path):
    wire, other = store.start().wire(), store.wire()
    for n in range(0, 20000, 1000):
        wire.add(*map(job, range(n, n + 1000)))
    copy = tmp_path / "copy.db"
    errors = []

    def back_up():
        with open(copy, "wb") as file:
            try:
                other.call(PUBLIC, "Backup", "h", 0, fds=[file.fileno()])
            except Refused as error:
                errors.append(error)

    thread = threading.Thread(target=back_up)
    thread.start()
    n = 20000
    while thread.is_alive():
        assert wire.add(*map(job, range(n, n + 20))) == [(0, "")] * 20
        n += 20
    assert not errors and n > 20000
    with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("PRAGMA journal_mode").fetchall() == [("delete",)]
        assert 20000 <= db.execute("SELECT count(*) FROM jobs").fetchone()[0] <= n
        assert db.execute("SELECT sum(jobs) FROM job_totals").fetchone() == db.execute(
            "SELECT count(*) FROM jobs").fetchone()
    assert sorted(p.name for p in store.data.iterdir()) == ["pylon.db", "pylon.db-shm", "pylon.db-wal",
                                                             "pylon.lock"]

    reading, _ = os.pipe()
    with pytest.raises(Refused, match="a regular file"):
        other.call(PUBLIC, "Backup", "h", 0, fds=[reading])
