"""The books by themselves: races for the last millisat, every crash, a full disk, a pulled plug, and other programs
that read them. The caller is a program named pylon-wallet, since only the wallet writes them."""
import csv
import errno
import io
import itertools
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading

import pytest

from parts import BUILD
from store_wire import BOOKS, CUSTOMER, PUBLIC, SERVICE, Refused, opened

TYPES = {
    "Deposits": "a(sssxs)", "Transfers": "a(sssxs)", "AddInvoices": "a(ssssssxxx)", "SettleInvoices": "a(ssssxxx)",
    "EndInvoices": "a(ss)", "AddIntents": "a(sssssssssxx)", "MoveIntents": "a(ssssssx)", "SetGrants": "a(sss)",
    "AddJobs": "a(sqssssxx)",
}


@pytest.fixture
def store(tmp_path):
    yield from opened(tmp_path)


def h(n):
    return f"{n:064x}"


def intent(name, account, n, msat=1000, fee=0, grant="", purpose="", ref=""):
    return (name, account, h(n), "lnbcrt1", "payee", grant, purpose, ref, "", msat, fee)


def move(name, state, fee=0, driver="regtest"):
    return (name, state, "", "", "", driver, fee)


def do(wire, member, *rows):
    return wire.call(SERVICE if member == "AddJobs" else BOOKS, member, TYPES[member], list(rows))


def verified(wire, **drivers):
    bad = [check for check in wire.call(PUBLIC, "VerifyLedger") if not check[1]]
    assert not bad
    if drivers:
        verdict, report = wire.call(BOOKS, "Verify", "a(sx)", list(drivers.items()))
        assert verdict == 0, report
    return True


def balances(wire):
    return {row[0]: row[1] for row in wire.call(BOOKS, "Balances")}


# Who may ask.

def test_only_the_wallet_writes_the_books(store):
    store.start()
    for program in ("pylon-provider", "pylon-host", "busctl"):
        with pytest.raises(Refused) as refused:
            do(store.wire(program), "Deposits", ("d", "regtest", "owner", 1, ""))
        assert refused.value.name == "com.openagents.Pylon1.Error.NotAllowed"
    assert verified(store.wire("busctl"))


# Two spends against the last sat.

RACER = """
import sys
import gi
gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib

path, name, n, window = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
bus = Gio.DBusConnection.new_for_address_sync(f"unix:path={path}", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT)
loop, state = GLib.MainLoop(), {"next": 0, "done": 0}
sys.stdin.readline()  # all start together

def ask():
    i = state["next"]
    state["next"] += 1
    grant = f"g{i}" if i % 2 else ""
    account = "agent:rich" if i % 2 else f"agent:r{i}"
    key = int.from_bytes(name.encode(), "big") << 64 | i
    row = (f"{name}-{i}", account, f"{key:064x}", "lnbcrt1", "payee", grant, "", "", "", 990, 10)
    bus.call(None, "/com/openagents/Pylon1", "com.openagents.Pylon1.Store.Wallet", "AddIntents",
             GLib.Variant("(a(sssssssssxx))", ([row],)), None, Gio.DBusCallFlags.NONE, 60000, None, answered, i)

def answered(source, result, i):
    verdict, text = bus.call_finish(result).unpack()[0][0]
    print(i, verdict, flush=False)
    state["done"] += 1
    if state["next"] < n:
        ask()
    elif state["done"] == n:
        loop.quit()

for _ in range(min(window, n)):
    ask()
loop.run()
"""


def racers(store, names, n):
    program = store.folder / "pylon-wallet"
    if not program.exists():
        shutil.copy(os.path.realpath("/usr/bin/python3"), program)
    running = [subprocess.Popen([program, "-I", "-c", RACER, store.path, name, str(n), str(window)], text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
               for name, window in names.items()]
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    outputs = [None] * len(running)

    def read(k):
        outputs[k] = running[k].communicate()[0]

    threads = [threading.Thread(target=read, args=(k,)) for k in range(len(running))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not any(one.returncode for one in running)
    return [dict(map(int, line.split()) for line in text.splitlines()) for text in outputs]


def test_two_spends_against_the_last_sat_never_both_succeed(store):
    """Each race has room for one: half of them in the account, half in a grant on an account that is rich. Three
    processes spend from all of them at once, each by its own connection and at its own pace."""
    n = 10000
    wire = store.start().wire("pylon-wallet")
    do(wire, "Deposits", ("rich", "regtest", "agent:rich", 10**9, ""))
    for first in range(0, n, 1000):
        part = range(first, first + 1000)
        do(wire, "Deposits", *((f"d{i}", "regtest", f"agent:r{i}", 1000, "") for i in part if not i % 2))
        do(wire, "SetGrants", *((f"g{i}", "agent:rich", '{"total_msat":1000}') for i in part if i % 2))

    answers = racers(store, {"a": 1, "b": 8, "c": 64}, n)
    for i in range(n):
        verdicts = sorted(answer[i] for answer in answers)
        assert verdicts[-1] == 0 and verdicts[1] < 0, f"race {i}: {verdicts}"
    won = [sum(answer[i] == 0 for i in range(n)) for answer in answers]
    assert sum(won) == n
    assert store.query("SELECT count(*), count(DISTINCT iif(grant_name = '', account, grant_name)) FROM payments") == [(n, n)]
    assert store.query("SELECT max(reserved_msats - msats * -1) FROM ledger_accounts WHERE name GLOB 'agent:*'") == [(0,)]
    assert verified(wire)


# Crashes. What was answered is there, what was not is repeated, and nothing counts twice.

def story(n):
    """Everything that happens to one paid job and to what its earnings are spent for, in calls."""
    job, base = h(1000 + n), 10 * n
    return [
        ("Deposits", (f"d{n}", "regtest", "agent:alice", 5000, "")),
        ("AddInvoices", (h(base + 1), "lnbcrt1", "held", job, "pre", "", 2000, 1, 2)),
        ("AddJobs", (job, 5050, CUSTOMER, "{}", "ws://a", "unpaid", 2000, 1)),
        ("SettleInvoices", (h(base + 1), "regtest", "", "c", 2000, 0, 1)),
        ("MoveJobs", (job, "queued", "", "", "")),
        ("MoveJobs", (job, "publishing", "{}", "", "")),
        ("MoveJobs", (job, "completed", "", "", "")),
        ("Transfers", (f"t{n}", "provider", "agent:alice", 1500, "")),
        ("AddIntents", intent(f"p{n}", "agent:alice", base + 2, 3000, 10)),
        ("MoveIntents", move(f"p{n}", "sent")),
        ("MoveIntents", move(f"p{n}", "settled", 7)),
        ("AddIntents", intent(f"q{n}", "agent:alice", base + 3, 100, 10)),
        ("MoveIntents", move(f"q{n}", "sent")),
        ("MoveIntents", move(f"q{n}", "failed")),
    ]


AFTER = {"wallet:regtest": 5000 + 2000 - 3007, "agent:alice": 5000 + 1500 - 3007, "provider": 500, "held": 0}


def tell(store, calls):
    """As a client does: connects again and repeats what has no answer."""
    wires = {}

    def wire(program):
        if program not in wires:
            wires[program] = store.wire(program)
        return wires[program]

    for member, row in calls:
        for _ in range(5):
            try:
                if member == "MoveJobs":
                    answer = wire("pylon-provider").call(SERVICE, member, "a(sssss)b", [row], False)
                elif member == "AddJobs":
                    answer = do(wire("pylon-provider"), member, row)
                else:
                    answer = do(wire("pylon-wallet"), member, row)
            except Refused:
                store.process.wait(timeout=10)
                wires.clear()
                store.start()
                continue
            assert answer[0][0] in (0, 1, -errno.EALREADY), (member, answer)
            break
        else:
            raise AssertionError(f"{member} is never answered")
    return wire("pylon-wallet")


@pytest.mark.parametrize("point", ["ledger.booked", "sql.commit.before", "sql.commit.after"])
def test_killed_at_every_booking(store, monkeypatch, point):
    """The n-th time the point is passed, for every n."""
    calls = story(0)
    passes = 5 if point == "ledger.booked" else len(calls)
    once = store.folder / "once"
    for n in range(1, passes + 1):
        for file in store.data.glob("pylon.db*"):
            file.unlink()
        shutil.rmtree(once, ignore_errors=True)
        once.mkdir()
        monkeypatch.setenv("PYLON_FAULTS", f"{point}@{n}=kill")
        monkeypatch.setenv("PYLON_FAULTS_ONCE", str(once))
        store.start()
        wire = tell(store, calls)
        if not list(once.iterdir()):
            pytest.skip("this build has no faults")
        assert verified(wire, regtest=AFTER["wallet:regtest"])
        assert {name: msat for name, msat in balances(wire).items() if name in AFTER} == AFTER, n
        store.kill()


def test_the_same_again_changes_nothing(store):
    store.start()
    tell(store, story(0))
    wire = tell(store, [call for call in story(0) if call[0] not in ("MoveJobs", "AddJobs")])
    assert {name: msat for name, msat in balances(wire).items() if name in AFTER} == AFTER
    assert verified(wire, regtest=AFTER["wallet:regtest"])


def test_a_full_disk_refuses_and_books_no_halves(store):
    mount = 'mount -t tmpfs -o size=4M,mode=0777 tmpfs "$1" && shift && exec "$@"'
    before = ("unshare", "-m", "sh", "-c", mount, "sh", store.data)
    if subprocess.run([*before, "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    wire = store.start(before).wire("pylon-wallet")
    do(wire, "Deposits", ("d", "regtest", "owner", 10**9, ""))
    n = 0
    with pytest.raises(Refused, match="the disk is full"):
        for n in itertools.count(1):
            row = list(intent(f"p{n}", "owner", n, 100, 1))
            row[3] = "lnbcrt1" + "x" * 4000
            assert do(wire, "AddIntents", tuple(row)) == [(0, "new")]
            assert do(wire, "MoveIntents", move(f"p{n}", "sent")) == [(0, "")]
            assert do(wire, "MoveIntents", move(f"p{n}", "settled", 1)) == [(0, "")]
    assert n > 20
    assert verified(wire)
    spent = 10**9 - balances(wire)["owner"]
    assert spent in ((n - 1) * 101, n * 101)
    assert balances(wire)["wallet:regtest"] == balances(wire)["owner"]


def test_the_plug_is_pulled_while_money_moves(store, tmp_path):
    """The file is put back to what was synced: every answer that was given by then is still true."""
    synced = tmp_path / "synced"
    synced.mkdir()
    store.start(["env", f"LD_PRELOAD={BUILD}/tests/integration/lastsync.so", f"LASTSYNC_DIR={synced}",
                 "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0"])
    wire = store.wire("pylon-wallet")
    do(wire, "Deposits", ("d", "regtest", "owner", 10**9, ""))
    answered, dice = [], random.Random(1)
    for n in range(1, 60):
        do(wire, "AddIntents", intent(f"p{n}", "owner", n, 100, 5))
        do(wire, "MoveIntents", move(f"p{n}", "sent"))
        do(wire, "MoveIntents", move(f"p{n}", "settled", dice.randrange(5)))
        answered.append(f"p{n}")
        if n % 20:
            continue
        unplugged = tmp_path / f"unplugged-{n}"
        shutil.copytree(synced, unplugged)
        with sqlite3.connect(unplugged / "pylon.db") as db:
            assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
            settled = {row[0] for row in db.execute("select id from payments where status = 'settled'")}
            assert settled >= set(answered)
            assert db.execute("select sum(msats) from ledger_accounts").fetchall() == [(0,)]
            (spent,) = db.execute("select sum(amount_msats + fee_msats) from payments where status = 'settled'").fetchone()
            assert db.execute("select -msats from ledger_accounts where name = 'owner'").fetchall() == [(10**9 - spent,)]


# What people see.

def pylon(store, *args, expect=0):
    """The command on this store's socket, as a self-fork instance has it."""
    run = store.data / "run"
    run.mkdir(exist_ok=True)
    link = run / "store.sock"
    if not link.exists():
        link.symlink_to(store.path)
    done = subprocess.run([BUILD / "src/cli/pylon", "--user", *args], env={**os.environ, "HOME": str(store.home), "LC_ALL": "C.UTF-8"},
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == expect, done.stderr + done.stdout
    return done.stdout


def test_the_books_on_paper(store):
    store.start()
    assert "Nothing has been booked yet." in pylon(store, "ledger", "list")
    wire = tell(store, [call for n in range(3) for call in story(n)])
    do(wire, "Deposits", ("d", "regtest", "agent:a.b-c_D", 5, 'a "note", with; all | of it\nand a line'))

    entries = json.loads(pylon(store, "ledger", "export", "--json"))
    assert [e["entry"] for e in entries] == list(range(1, len(entries) + 1))
    assert all(sum(p["msats"] for p in e["postings"]) == 0 for e in entries)
    assert json.loads(pylon(store, "ledger", "list", "--json", "--limit", "2")) == entries[-2:]
    assert "wallet:regtest" in pylon(store, "ledger", "list")

    rows = list(csv.DictReader(io.StringIO(pylon(store, "ledger", "export", "--format", "csv"))))
    assert [(int(r["entry"]), r["account"], int(r["msat"])) for r in rows] == [
        (e["entry"], p["account"], p["msats"]) for e in entries for p in e["postings"]]
    assert rows[-1]["text"].startswith('a "note", with')

    assert "no format" in json.loads(pylon(store, "ledger", "export", "--format", "xml", "--json", expect=2))["error"]["message"]


@pytest.mark.parametrize("program", ["ledger", "hledger"])
def test_other_programs_read_the_books(store, tmp_path, program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    store.start()
    wire = tell(store, [call for n in range(3) for call in story(n)])
    do(wire, "Deposits", ("d", "regtest", "agent:a.b-c_D", 5, 'a "note", with; all | of it\nand a line'))
    journal = tmp_path / "books.journal"
    journal.write_text(pylon(store, "ledger", "export", "--format", "ledger"))
    words = subprocess.run([program, "-f", journal, "balance", "--flat"], capture_output=True, text=True, check=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout
    assert words.strip().splitlines()[-1].split() == ["0"]
    seen = {}
    for line in words.splitlines():
        parts = line.replace(",", "").split()
        if len(parts) == 3:
            seen[parts[2]] = int(parts[0])
    ours = balances(wire)
    assert seen["Assets:Wallet:regtest"] == ours["wallet:regtest"]
    assert seen["Equity:Agent:alice"] == -ours["agent:alice"]
    assert seen["Equity:Agent:a.b-c_D"] == -5
    assert seen["Equity:Provider"] == -ours["provider"]


def test_three_ask_for_a_proof_at_once(store):
    store.start()
    wires = [store.wire("busctl") for _ in range(3)]
    tell(store, story(0))
    answers = []

    def ask(wire):
        try:
            answers.append(verified(wire))
        except Refused as error:
            answers.append(error.name)

    threads = [threading.Thread(target=ask, args=(wire,)) for wire in wires]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verified(store.wire("busctl"))
    assert set(answers) <= {True, "com.openagents.Pylon1.Error.Busy", None}


def test_verify_tells_right_from_wrong(store):
    store.start()
    tell(store, story(0))
    assert json.loads(pylon(store, "ledger", "verify", "--json"))["ok"]
    assert "The books are right." in pylon(store, "ledger", "verify")
    with sqlite3.connect(store.db) as db:
        db.execute("update ledger_accounts set msats = msats - 1 where name = 'agent:alice'")
    found = json.loads(pylon(store, "ledger", "verify", "--json", expect=1))
    assert not found["ok"]
    assert [c["check"] for c in found["checks"] if not c["ok"]] == ["balanced", "balances"]
    assert "The books are wrong." in pylon(store, "ledger", "verify", expect=1)
