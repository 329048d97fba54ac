"""Whatever is killed, whenever: each job is paid at most once and delivered or owed, the books sum up to 0, and hold
what the wallet's backend holds; also after the files were put back to what was synced."""
import json
import os
import random
import shutil
import signal
import threading
import time

import pytest

from paid import bolt11, job_template, make_paid, post
from parts import BUILD, tag, wait_for
from test_crash import durable_states, results_by_request
from test_wallet import FAULTS, Purse, Refused, is_lost

PRICE = 21000
FUND = 100_000_000
VICTIMS = ("wallet", "store", "provider", "relay", "host", "signer")
PATH = [s for s in durable_states() if s in ("unpaid", "queued", "publishing", "completed")]  # of a job that is paid
PAYMENT = ("payment.new", "payment.sent", "payment.outcome", "payment.settled")
INVOICE = ("invoice.added", "invoice.settled", "invoice.booked")

needs_faults = pytest.mark.skipif(not FAULTS, reason="needs a build with -Dfaults=true")


class Customer(threading.Thread):
    """Pays what is asked for its requests, once each, from the owner's account. Asks again whatever gets no answer,
    by the same id; takes a new id only when the old one has failed for good."""

    def __init__(self, pylon, relay, folder, requests):
        super().__init__(daemon=True)
        self.purse = Purse(pylon, folder)
        self.relay, self.requests = relay, list(requests)
        self.tries = {r["id"]: 1 for r in requests}
        self.paid, self.over, self.refused = set(), threading.Event(), []

    def run(self):
        while not self.over.is_set() and len(self.paid) < len(self.requests):
            asked = {tag(e, "e"): e for e in self.relay.events(7000) if tag(e, "status") == "payment-required"}
            for request in self.requests:
                if request["id"] in asked and request["id"] not in self.paid and not self.over.is_set():
                    self.look(request, asked[request["id"]])
            time.sleep(0.05)
        self.purse.close()

    def look(self, request, asked):
        try:
            self.pay(request["id"], bolt11(asked))
        except (Refused, OSError, AssertionError, IndexError, EOFError) as error:
            if isinstance(error, Refused) and not is_lost(error):
                self.refused.append(str(error))
            self.purse.close()

    def pay(self, job, invoice):
        state, *_ = self.purse.pay(f"{job[:32]}-{self.tries[job]}", invoice, fee=0, purpose="job", ref=job)
        if state == "settled":
            self.paid.add(job)
        elif state == "failed":
            self.tries[job] += 1


class Market:
    def __init__(self, make_pylon, relay, folder, env=None, more=""):
        self.relay, self.folder = relay, folder
        self.pylon = make_paid(make_pylon, relay, price=PRICE, env=env, more=more)
        self.purse = Purse(self.pylon, folder)
        self.customers = []
        self.requests = []

    def fund(self):
        self.sure(lambda: self.purse.call("Fund", "sx", "owner", FUND))
        wait_for(lambda: self.sure(self.purse.balances).get("owner", 0) >= FUND, 20, "the faucet's money is booked")
        self.funded = self.sure(self.purse.balances)["owner"]

    def sure(self, ask):
        """As our callers do: what has no answer is asked again."""
        for _ in range(30):
            try:
                return ask()
            except (Refused, OSError, AssertionError, IndexError, EOFError) as error:
                last = error
                self.purse.close()
                time.sleep(0.2)
        raise last

    def order(self, *templates, customers=1):
        requests = post(self.relay, *templates)
        self.requests += requests
        for n in range(customers):
            one = Customer(self.pylon, self.relay, self.folder, requests[n::customers])
            one.start()
            self.customers.append(one)
        return requests

    def ended(self):
        over = {row[0] for row in self.pylon.query("select id from jobs where status in ('completed', 'owed', 'expired')")}
        return all(r["id"] in over for r in self.requests)

    def close(self):
        for one in self.customers:
            one.over.set()
        for one in self.customers:
            one.join(40)
        self.purse.close()

    def ends_well(self, seconds=60):
        """All is over: what was paid is delivered or owed, once, and all the books agree."""
        pylon = self.pylon
        try:
            wait_for(self.ended, seconds, "every job ends")
        except AssertionError:
            raise AssertionError(f"jobs {pylon.query('select status, count(*) from jobs group by 1')}, "
                                 f"payments {pylon.query('select status, error_message, count(*) from payments group by 1, 2')}, "
                                 f"refusals {[one.refused[-2:] for one in self.customers]}") from None
        wait_for(lambda: not pylon.query("select 1 from payments where status not in ('settled', 'failed')"), 30, "no payment is open")
        done = [r for r in self.requests if pylon.state(r["id"]) == "completed"]
        wait_for(lambda: all(r["id"] in results_by_request(self.relay) for r in done), 30, "every result is on the relay")
        found = results_by_request(self.relay)
        assert all(len(found[r["id"]]) == 1 for r in done), "a job was delivered with two results"
        assert not [r for r in self.requests if pylon.state(r["id"]) == "expired" and r["id"] in found]

        assert not pylon.query("select ref from payments where status = 'settled' and purpose = 'job' group by ref having count(*) > 1")
        paid = {row[0] for row in pylon.query("select ref from payments where status = 'settled' and purpose = 'job'")}
        assert paid >= {r["id"] for r in done}, "a job was delivered without its money"
        assert not [r for r in self.requests if r["id"] in paid and pylon.state(r["id"]) not in ("completed", "owed")]
        wait_for(lambda: not pylon.query("select 1 from invoices where status = 'pending' and job_id in (select ref from payments where "
                                         "status = 'settled')"), 20, "every settlement is booked")
        (node,) = pylon.query("select count(*) from regtest_payments where hash in (select id from invoices where job_id is not null)")[0]
        assert node == pylon.query("select count(*) from payments where status = 'settled' and purpose = 'job'")[0][0], "the node paid something twice"

        balances = self.sure(self.purse.balances)
        owed = [r for r in self.requests if r["id"] in paid and r not in done]
        assert balances["owner"] == self.funded - PRICE * len(paid)
        assert balances.get("provider", 0) == PRICE * len(done) and balances.get("refunds", 0) == PRICE * len(owed)
        assert not balances.get("held", 0)
        assert pylon.query("select sum(msats) from ledger_accounts") == [(0,)]
        self.sure(self.purse.verify)
        assert pylon.json("ledger", "verify")["ok"]
        assert pylon.query("pragma integrity_check") == [("ok",)]
        return done, owed


@pytest.fixture
def market(make_pylon, relay, tmp_path):
    made = []

    def make(fault=None, env=None, more="", fund=True):
        once = tmp_path / "once"
        once.mkdir(exist_ok=True)
        faults = {"PYLON_FAULTS": fault, "PYLON_FAULTS_ONCE": str(once)} if fault else {}
        made.append(Market(make_pylon, relay, tmp_path, {**(env or {}), **faults}, more))
        if fund:
            made[-1].fund()
        return made[-1], lambda: any(once.iterdir())

    yield make
    for one in made:
        one.close()


# One job, and a death at each of its durable points.

@needs_faults
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", PATH)
def test_the_provider_dies_in_each_state_of_a_paid_job(market, state, moment):
    shop, struck = market(f"job.{state}.{moment}=kill")
    shop.order(job_template())
    wait_for(struck, 30, "the provider dies")
    done, _ = shop.ends_well()
    assert len(done) == 1


def stopped(pylon, role):
    return [p for p in pylon.pids(role) if open(f"/proc/{p}/stat").read().rpartition(")")[2].split()[0] == "T"]


@needs_faults
@pytest.mark.parametrize("victim", ["wallet", "store", "relay", "host", "signer"])
@pytest.mark.parametrize("state", PATH)
def test_a_service_dies_in_each_state_of_a_paid_job(market, state, victim):
    """The provider stops itself there, the other one dies, the provider goes on."""
    shop, struck = market(f"job.{state}.after=stop")
    shop.order(job_template())
    wait_for(struck, 30, "the point is passed")
    (provider,) = wait_for(lambda: stopped(shop.pylon, "provider"), 10, "the provider stands still")
    if shop.pylon.pid(victim):
        shop.pylon.kill(victim)
    os.kill(provider, signal.SIGCONT)
    done, _ = shop.ends_well()
    assert len(done) == 1


def go_on(pylon, victim):
    """When the wallet stands still: the other one dies, the wallet goes on."""
    if victim == "wallet":
        return
    (wallet,) = wait_for(lambda: stopped(pylon, "wallet"), 60, "the wallet stands still")
    for pid in pylon.pids(victim):
        os.kill(pid, signal.SIGKILL)
    os.kill(wallet, signal.SIGCONT)


@needs_faults
@pytest.mark.parametrize("victim", ["wallet", "store", "provider", "relay", "host", "signer"])
@pytest.mark.parametrize("point", PAYMENT + INVOICE)
def test_a_service_dies_in_each_state_of_a_payment(market, point, victim):
    """The wallet stops itself there, or dies there itself."""
    shop, struck = market(f"{point}={'kill' if victim == 'wallet' else 'stop'}", fund=False)
    strike = threading.Thread(target=go_on, args=(shop.pylon, victim), daemon=True)
    strike.start()  # the faucet's money passes some of the points already
    shop.fund()
    shop.order(job_template())
    wait_for(struck, 30, "the point is passed")
    done, _ = shop.ends_well()
    assert len(done) == 1


@needs_faults
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("victim", ["provider", "store", "wallet"])
def test_dying_while_a_paid_job_becomes_owed(market, victim, moment):
    shop, struck = market(f"job.owed.{moment}={'kill' if victim == 'provider' else 'stop'}", more='[pow]\nmax_bits = 40\n[provider]\njob_timeout = "2s"\n')
    shop.order(job_template(36))
    wait_for(struck, 25, "the point is passed")
    if victim != "provider":
        (provider,) = wait_for(lambda: stopped(shop.pylon, "provider"), 10, "the provider stands still")
        shop.pylon.kill(victim)
        os.kill(provider, signal.SIGCONT)
    done, owed = shop.ends_well()
    assert (len(done), len(owed)) == (0, 1)


# Many jobs, and deaths at random.

def kill_one(pylon, dice, victims=VICTIMS):
    role = dice.choice(victims)
    for pid in pylon.pids(role):
        try:
            os.kill(pid, signal.SIGKILL)
            return role
        except ProcessLookupError:
            pass
    return None


def keeps_what_is_synced(folder):
    """The environment of services of which each file is kept in this folder as it was at its last fdatasync."""
    folder.mkdir()
    return {"LD_PRELOAD": str(BUILD / "tests/integration/lastsync.so"), "LASTSYNC_DIR": str(folder),
            "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0:detect_leaks=0"}


def pull_the_plug(pylon, synced, unplugged, seen):
    """Everything stops at once, and the files are those as of the last fdatasync. Returns what seen() said then."""
    for pid in everything(pylon):
        os.kill(pid, signal.SIGSTOP)  # from here on the world sees nothing new
    answer = seen()
    shutil.copytree(synced, unplugged)
    for pid in everything(pylon):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not everything(pylon), 20, "all are gone")
    for file in pylon.base.glob("*.db*"):
        file.unlink()
    for file in unplugged.iterdir():
        if not file.name.endswith(".new"):
            shutil.copy(file, pylon.base / file.name)
    assert pylon.query("pragma integrity_check") == [("ok",)]
    assert pylon.query("select sum(msats) from ledger_accounts") == [(0,)]
    return answer


def test_fifty_paid_jobs_under_random_kills(market, relay, tmp_path):
    """PYLON_KILLS of them (tools/check --real: 500) while fifty customers wait; new jobs come as long as it goes on.
    At the end the plug is pulled, while the last jobs are paid, and all must be well again."""
    kills = int(os.environ.get("PYLON_KILLS", "40"))
    synced = tmp_path / "synced"
    shop, _ = market(env=keeps_what_is_synced(synced))
    dice = random.Random(int(os.environ.get("PYLON_SEED", "1")))
    shop.order(*[job_template(10, f"job {n}") for n in range(50)], customers=4)
    killed, waves = {}, 1
    deadline = time.monotonic() + 60 + kills * 3
    while sum(killed.values()) < kills and time.monotonic() < deadline:
        time.sleep(dice.uniform(0.02, 0.5))
        role = kill_one(shop.pylon, dice)
        if role:
            killed[role] = killed.get(role, 0) + 1
        if shop.ended():
            shop.order(*[job_template(10, f"wave {waves} job {n}") for n in range(50)], customers=4)
            waves += 1
    done, owed = shop.ends_well(180)
    print(json.dumps({"kills": killed, "jobs": len(shop.requests), "delivered": len(done), "owed": len(owed)}))
    assert len(done) + len(owed) == len(shop.requests)
    assert sum(killed.values()) >= kills, killed

    shop.order(*[job_template(10, f"the last job {n}") for n in range(20)], customers=2)
    wait_for(lambda: len(results_by_request(relay)) > len(done) + 5, 60, "some of the last jobs are delivered")
    seen = pull_the_plug(shop.pylon, synced, tmp_path / "unplugged", lambda: set(results_by_request(relay)))
    assert {row[0] for row in shop.pylon.query("select job_id from earnings")} >= seen, "a result was published before its money was booked"
    shop.pylon.env = {}
    shop.pylon.start()
    done, owed = shop.ends_well(180)
    print(json.dumps({"after the plug": len(shop.requests), "delivered": len(done), "owed": len(owed)}))
    assert len(done) + len(owed) == len(shop.requests)


def everything(pylon):
    return [pid for role in ("supervisor", *VICTIMS) for pid in pylon.pids(role)]


@pytest.mark.parametrize("moment", [1, 6, 14])
def test_the_plug_is_pulled_while_jobs_are_paid(market, relay, tmp_path, moment):
    """The files as of the last fdatasync: nothing that the world has seen is missing, and all ends well from there."""
    synced = tmp_path / "synced"
    shop, _ = market(env=keeps_what_is_synced(synced))
    pylon = shop.pylon
    shop.order(*[job_template(12, f"job {n}") for n in range(20)], customers=2)
    wait_for(lambda: len(relay.events(6970)) >= moment, 60, f"{moment} results are on the relay")
    seen = pull_the_plug(pylon, synced, tmp_path / "unplugged", lambda: set(results_by_request(relay)))
    earned = {row[0] for row in pylon.query("select job_id from earnings")}
    assert earned >= seen, "a result was published before its money was booked"
    pylon.env = {}
    pylon.start()
    done, owed = shop.ends_well(120)
    assert len(done) + len(owed) == 20
