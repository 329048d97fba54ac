"""Killed in every durable state of paid jobs: each is paid at most once, delivered or owed, and the books agree with
the wallet. The other parts of it die as well."""
import os
import signal

import pytest

from paid import bolt11, demand, demands, feedback, job_template, make_paid, post
from parts import tag, wait_for
from store_wire import Refused
from test_crash import Fault, durable_states, results_by_request
from test_wallet import Purse

PRICE = 21000
WAY = ("unpaid", "queued", "publishing", "completed")  # of a job that goes well
HOPELESS = '[provider]\njob_timeout = "1s"\n[pow]\nmax_bits = 40\n'


def test_the_states_on_the_way_are_those_of_the_table():
    assert set(durable_states()) == {*WAY, "owed", "failed", "expired", "cancelled"}


@pytest.fixture
def paid(make_pylon, relay, tmp_path):
    """paid(point, action): one that wants to be paid, and strikes a fault there; and its wallet."""
    made = []

    def make(point, action="kill", more=""):
        fault = Fault(tmp_path, point, action)
        pylon = make_paid(make_pylon, relay, price=PRICE, env=fault.env, more=more)
        purse = Purse(pylon, tmp_path)
        made.append(purse)
        purse.fund(1_000_000)
        return pylon, purse, fault

    yield make
    for purse in made:
        purse.close()


def pay(purse, relay, request):
    """The customer pays the invoice he was asked with; every demand for one job has the same."""
    purse.close()  # the wallet may have been killed
    first = demand(relay, request)

    def paid():
        """Asked again with the same id, where the wallet dies meanwhile."""
        try:
            return purse.pay(f"for {request['id'][:8]}", bolt11(first))[0] == "settled"
        except Refused:
            purse.close()
            return False

    wait_for(paid, 30, "the customer has paid")
    assert len({bolt11(e) for e in demands(relay, request)}) == 1


def delivered_once(pylon, purse, relay, request):
    pylon.wait_state(request["id"], "completed", seconds=60)
    wait_for(lambda: request["id"] in results_by_request(relay), 30, "the result is on the relay")
    assert len(results_by_request(relay)[request["id"]]) == 1
    purse.close()
    balances = purse.balances()
    assert balances["provider"] == PRICE and balances["owner"] == 1_000_000 - PRICE
    assert not balances.get("held") and not balances.get("refunds")
    assert pylon.json("earnings")["summary"]["total_msats"] == PRICE
    purse.verify()


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", WAY)
def test_the_provider_is_killed_in_each_state(paid, relay, state, moment):
    pylon, purse, fault = paid(f"job.{state}.{moment}")
    (request,) = post(relay, job_template())
    if state == "unpaid":
        fault.wait()
    pay(purse, relay, request)
    fault.wait()
    delivered_once(pylon, purse, relay, request)


@pytest.mark.parametrize("victim", ["store", "wallet", "relay", "signer"])
@pytest.mark.parametrize("state", WAY)
def test_a_service_it_needs_is_killed_in_each_state(paid, relay, state, victim):
    """The provider stops itself at the point, the other one dies, the provider goes on."""
    pylon, purse, fault = paid(f"job.{state}.after", "stop")
    (request,) = post(relay, job_template())
    if state != "unpaid":
        pay(purse, relay, request)
    fault.wait()
    provider = pylon.pid("provider")
    if pylon.pid(victim):
        pylon.kill(victim)
    os.kill(provider, signal.SIGCONT)
    if state == "unpaid":
        pay(purse, relay, request)
    delivered_once(pylon, purse, relay, request)


@pytest.mark.parametrize("point", ["invoice.made@2", "invoice.added@2"])
def test_the_wallet_is_killed_at_each_step_of_an_invoice(paid, relay, point):
    """The first ones are the faucet's."""
    pylon, purse, fault = paid(point)
    (request,) = post(relay, job_template())
    pay(purse, relay, request)
    fault.wait()
    delivered_once(pylon, purse, relay, request)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_provider_is_killed_while_a_paid_job_becomes_owed(paid, relay, moment):
    pylon, purse, fault = paid(f"job.owed.{moment}", more=HOPELESS)
    (request,) = post(relay, job_template(40))
    pay(purse, relay, request)
    fault.wait()
    pylon.wait_state(request["id"], "owed", seconds=60)
    purse.close()
    assert purse.balances()["refunds"] == PRICE and not purse.balances().get("held")
    assert pylon.json("earnings")["summary"]["total_msats"] == 0
    purse.verify()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_provider_is_killed_while_it_pays_back(paid, relay, moment):
    pylon, purse, fault = paid(f"job.cancelled.{moment}", more=HOPELESS)
    _, back, _ = purse.invoice(PRICE, account="owner", text="my money")
    (request,) = post(relay, job_template(40, extra=[("param", "refund", back)]))
    pay(purse, relay, request)
    fault.wait()
    pylon.wait_state(request["id"], "cancelled", seconds=60)
    purse.close()
    assert purse.balances()["owner"] == 1_000_000 and not purse.balances().get("refunds")
    purse.verify()


@pytest.mark.parametrize("point", ["payment.new", "payment.sent", "payment.outcome", "payment.settled"])
def test_the_wallet_is_killed_while_it_pays_back(paid, relay, point):
    pylon, purse, fault = paid(f"{point}@2", more=HOPELESS)
    _, back, _ = purse.invoice(PRICE, account="owner", text="my money")
    (request,) = post(relay, job_template(40, extra=[("param", "refund", back)]))
    pay(purse, relay, request)
    fault.wait()
    pylon.wait_state(request["id"], "cancelled", "owed", seconds=90)
    purse.close()
    wait_for(lambda: purse.balances()["owner"] + purse.balances().get("refunds", 0) == 1_000_000, 60, "the money is back")
    purse.verify()


def test_a_held_result_outlives_every_kill(paid, relay):
    more = "[[price]]\nbase_msats = 21000\npay_after = true\n"
    pylon, purse, _ = paid("nothing", more=more)
    (request,) = post(relay, job_template())
    demand(relay, request)
    for victim in ("store", "wallet", "relay", "signer", "provider"):
        pylon.kill(victim)
        assert pylon.state(request["id"]) == "unpaid" and not relay.results(request["id"])
    wait_for(lambda: pylon.pid("provider"), 20, "it is back")
    pay(purse, relay, request)
    delivered_once(pylon, purse, relay, request)
    assert len(feedback(relay, request, "processing")) == 1


def test_everything_is_killed_at_once_while_paid_jobs_run(paid, relay):
    pylon, purse, _ = paid("nothing")
    requests = post(relay, *[job_template(14, f"job {n}") for n in range(12)])
    for n, request in enumerate(requests):
        pay(purse, relay, request) if n % 2 == 0 else demand(relay, request)
    for role in ("supervisor", "provider", "host", "wallet", "relay", "signer", "store"):
        for pid in pylon.pids(role):
            os.kill(pid, signal.SIGKILL)
    for role in ("supervisor", "provider", "host", "wallet", "relay", "signer", "store"):
        wait_for(lambda role=role: not pylon.pids(role), 10, f"{role} is gone")
    pylon.start()
    for n, request in enumerate(requests):
        if n % 2:
            pay(purse, relay, request)
        pylon.wait_state(request["id"], "completed", seconds=60)
    assert all(len(ids) == 1 for ids in results_by_request(relay).values())
    assert purse.balances()["provider"] == 12 * PRICE
    assert {tag(e, "amount") for e in relay.events(6970)} == {str(PRICE)}
    purse.verify()
