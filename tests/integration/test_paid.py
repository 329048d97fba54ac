"""Being paid. Each rule has its test: the price, the invoice that is on disk before it is asked for, work after the
money and results after it, bids, free jobs, late payments, and what becomes of money for which nothing can be done."""
import json
import time
from datetime import datetime

import pytest

from paid import bolt11, demand, demands, feedback, job_template, make_paid, post
from parts import customer, mined_bits, tag, wait_for
from test_nwc import connect, make_client  # noqa: F401 (a fixture)
from test_wallet import Purse


@pytest.fixture
def paid(make_pylon, relay, tmp_path):
    """paid(price=…, more=…): a Pylon that wants to be paid, and the wallet of its machine with some money."""
    made = []

    def make(fund=10_000_000, **more):
        pylon = make_paid(make_pylon, relay, **more)
        purse = Purse(pylon, tmp_path)
        made.append(purse)
        if fund:
            purse.fund(fund)
        return pylon, purse

    yield make
    for purse in made:
        purse.verify()
        purse.close()


def earned(pylon):
    return pylon.json("earnings")["summary"]


def test_a_paid_job_goes_all_the_way(paid, relay):
    pylon, purse = paid()
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    assert tag(asked, "amount") == "21000"
    assert pylon.state(request["id"]) == "unpaid"
    assert bolt11(asked).startswith("lnbcrt210n1")
    assert 590 <= int(tag(asked, "expiration")) - asked["created_at"] <= 600
    assert not relay.results(request["id"])

    assert purse.pay("the customer", bolt11(asked))[0] == "settled"
    pylon.wait_state(request["id"], "completed")
    (result,) = wait_for(lambda: relay.results(request["id"]), 20, "the result")
    assert tag(result, "amount") == "21000" and mined_bits(result) >= 8
    assert earned(pylon) == {"total_sats": 21, "total_msats": 21000, "job_count": 1, "by_source": {"job": 21000}}
    assert purse.balances()["provider"] == 21000
    assert len(demands(relay, request)) == 1

    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert pylon.json("earnings", "--by", "kind")["by_kind"] == [{"kind": "5970", "job_count": 1, "amount_msats": 21000}]
    assert pylon.json("earnings", "--by", "source")["by_source"][0]["source"] == "job"
    by_day = pylon.json("earnings", "--since", "7d")
    assert by_day["summary"] == {"total_sats": 21, "total_msats": 21000, "job_count": 1}
    assert by_day["by_day"][0]["amount_msats"] == 21000 and by_day["by_day"][0]["day"] <= today
    assert pylon.run("earnings", "--by", "kind", "--csv").stdout == "kind,earnings,amount_msats\n5970,1,21000\n"
    assert pylon.run("earnings", "--csv").stdout.splitlines()[1].startswith(f'{request["id"]},{request["id"]},job,21000,')


def test_nothing_runs_before_the_wallet_says_so(paid, relay):
    """With the driver's watch five seconds late the job is so, too."""
    pylon, purse = paid(env={"PYLON_FAULTS": "regtest.watch@2=EIO"})
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    assert purse.pay("late", bolt11(asked))[0] == "settled"
    began = time.monotonic()
    while time.monotonic() < began + 3:
        assert pylon.state(request["id"]) == "unpaid" and not relay.results(request["id"])
        time.sleep(0.1)
    pylon.wait_state(request["id"], "completed", seconds=30)


def test_a_bid_below_the_price_is_refused_before_any_invoice(paid, relay):
    pylon, _ = paid(fund=0)
    (cheap,) = post(relay, job_template(extra=[("bid", "20999")]))
    (error,) = wait_for(lambda: feedback(relay, cheap, "error"), 20, "it is refused")
    assert "bid" in tag(error, "status", 2)
    assert not demands(relay, cheap) and pylon.state(cheap["id"]) is None
    (fair,) = post(relay, job_template(content="fair", extra=[("bid", "21000")]))
    assert tag(demand(relay, fair), "amount") == "21000"




@pytest.mark.parametrize("rule, bid, price", [("require", 90000, 2000), ("take", 90000, 50000), ("accept", 1, 2000)])
def test_a_bid_is_what_its_rule_says(paid, relay, rule, bid, price):
    rows = f'[[price]]\nkind = 5970\nbase_msats = 2000\nminimum_msats = 0\nmaximum_msats = 50000\nbid = "{rule}"\n'
    paid(fund=0, more=rows)
    (request,) = post(relay, job_template(extra=[("bid", str(bid))]))
    assert tag(demand(relay, request), "amount") == str(price)


def test_free_jobs_are_free_so_many_times_a_day(paid, relay):
    pylon, purse = paid(more="[[price]]\nbase_msats = 5000\nminimum_msats = 0\nfree_per_day = 2\n")
    requests = []
    for n in range(3):
        requests += post(relay, job_template(content=f"job {n}"))
        wait_for(lambda n=n: pylon.state(requests[n]["id"]) in ("completed", "unpaid"), 20, "it is served, or asked for")
    assert [pylon.state(r["id"]) for r in requests] == ["completed", "completed", "unpaid"]
    purse.pay("the third", bolt11(demand(relay, requests[2])))
    pylon.wait_state(requests[2]["id"], "completed")
    assert earned(pylon)["total_msats"] == 5000


def test_free_jobs_are_counted_across_restarts(paid, relay):
    pylon, _ = paid(more="[[price]]\nbase_msats = 5000\nminimum_msats = 0\nfree_per_day = 2\n")
    requests = []
    for n in range(3):
        requests += post(relay, job_template(content=f"job {n}"))
        wait_for(lambda n=n: pylon.state(requests[n]["id"]) in ("completed", "unpaid"), 20, "it is served, or asked for")
        for role in ("provider", "store"):
            pylon.kill(role)
        wait_for(lambda: pylon.pid("provider"), 20, "the provider is back")
    assert [pylon.state(r["id"]) for r in requests] == ["completed", "completed", "unpaid"]


def test_who_did_not_pay_for_a_result_pays_first_from_then_on(paid, relay):
    pylon, _ = paid(fund=0, more="[[price]]\nbase_msats = 3000\nminimum_msats = 0\npay_after = true\n[pay]\ninvoice_expiry = \"10s\"\n")
    (first,) = post(relay, job_template(content="one"))
    demand(relay, first)
    assert feedback(relay, first, "processing")  # the work came first
    pylon.wait_state(first["id"], "expired", seconds=30)
    pylon.stop()
    pylon.start()
    (second,) = post(relay, job_template(content="two"))
    demand(relay, second)
    assert pylon.state(second["id"]) == "unpaid" and not feedback(relay, second, "processing")


def test_an_invoice_that_nobody_pays_ends_its_job(paid, relay):
    pylon, _ = paid(fund=0, more='[pay]\ninvoice_expiry = "10s"\n')
    (request,) = post(relay, job_template())
    demand(relay, request)
    pylon.wait_state(request["id"], "expired", seconds=30)
    assert not relay.results(request["id"])


def test_a_result_is_held_back_until_it_is_paid(paid, relay):
    pylon, purse = paid(more="[[price]]\nbase_msats = 3000\nminimum_msats = 0\npay_after = true\n[pay]\ncredit_msats = 4000\n")
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    assert feedback(relay, request, "processing"), "the work comes first"
    assert not relay.results(request["id"])
    (second,) = post(relay, job_template(content="beyond the credit"))
    demand(relay, second)
    assert not feedback(relay, second, "processing"), "who owes has to pay first"

    pylon.kill("provider")
    purse.pay("post", bolt11(asked))
    pylon.wait_state(request["id"], "completed")
    (result,) = wait_for(lambda: relay.results(request["id"]), 20, "the result")
    assert tag(result, "amount") == "3000"
    assert len(feedback(relay, request, "processing")) == 1, "it was not worked out twice"


def test_a_cancelled_job_that_is_not_paid_is_gone(paid, relay, make_pylon):
    pylon, purse = paid(fund=0)
    (request,) = post(relay, job_template())
    demand(relay, request)
    pylon.json("job", "cancel", request["id"])
    pylon.wait_state(request["id"], "cancelled")


# Nobody finds that many bits in time.
HOPELESS = '[provider]\njob_timeout = "1s"\n[pow]\nmax_bits = 40\n'


def owed(pylon):
    return [j["id"] for j in pylon.json("job", "list", "--state", "owed")]


def test_what_is_paid_and_cannot_be_done_is_owed_until_it_is_settled(paid, relay):
    pylon, purse = paid(more=HOPELESS)
    (request,) = post(relay, job_template(40))
    purse.pay("for nothing", bolt11(demand(relay, request)))
    pylon.wait_state(request["id"], "owed", seconds=30)
    assert owed(pylon) == [request["id"]]
    assert wait_for(lambda: feedback(relay, request, "error"), 10, "the customer hears of it")
    assert purse.balances()["refunds"] == 21000
    assert earned(pylon)["total_msats"] == 0
    pylon.kill("provider")
    wait_for(lambda: pylon.pid("provider"), 20, "it is back")
    assert owed(pylon) == [request["id"]]

    _, back, _ = purse.invoice(21000, account="owner", text="my money")
    pylon.json("job", "settle", request["id"], "--refund", back)
    pylon.wait_state(request["id"], "cancelled")
    assert purse.balances()["owner"] == 10_000_000 and not purse.balances().get("refunds")


def test_the_owner_may_have_delivered_otherwise(paid, relay):
    pylon, purse = paid(more=HOPELESS)
    (request,) = post(relay, job_template(40))
    purse.pay("for nothing", bolt11(demand(relay, request)))
    pylon.wait_state(request["id"], "owed", seconds=30)
    pylon.json("job", "settle", request["id"], "--delivered")
    pylon.wait_state(request["id"], "completed")
    assert earned(pylon)["total_msats"] == 21000
    pylon.run("job", "settle", request["id"], "--delivered", expect=1)


def test_the_owner_cancels_a_paid_job_and_owes_it(paid, relay):
    pylon, purse = paid(more="[pow]\nmax_bits = 40\n")
    (request,) = post(relay, job_template(40))
    purse.pay("for nothing", bolt11(demand(relay, request)))
    wait_for(lambda: feedback(relay, request, "processing"), 20, "it runs")
    pylon.json("job", "cancel", request["id"])
    pylon.wait_state(request["id"], "owed")


def test_without_a_wallet_the_provider_that_wants_money_does_not_go_online(make_pylon, relay):
    pylon = make_paid(make_pylon, relay, more='[wallet]\ndriver = "none"\n', start=False)
    done = pylon.start(expect=None)
    said = done.stdout + done.stderr + pylon.run("status", expect=None).stdout + pylon.log()
    assert "no wallet" in said
    (request,) = post(relay, job_template())
    time.sleep(1)
    assert not feedback(relay, request, "error") and pylon.state(request["id"]) is None


def test_an_encrypted_job_is_paid_in_the_open_and_answered_sealed(paid, relay):
    pylon, purse = paid()
    (announcement,) = wait_for(lambda: relay.events(31990), 20, "the announcement")
    template = {**json.loads(job_template()), "scheme": "nip44", "to": announcement["pubkey"]}
    (request,) = post(relay, json.dumps(template))
    asked = demand(relay, request)
    purse.pay("sealed", bolt11(asked))
    pylon.wait_state(request["id"], "completed")
    (result,) = wait_for(lambda: relay.results(request["id"]), 20, "the result")
    assert ["encrypted"] in result["tags"] and "nonce" not in result["content"]


def test_money_goes_back_by_itself_where_the_customer_says_how(paid, relay):
    """His request names an invoice of his own: the wallet of the same machine pays it."""
    pylon, purse = paid(more=HOPELESS)
    _, back, _ = purse.invoice(21000, account="owner", text="my money")
    (request,) = post(relay, job_template(40, extra=[("param", "refund", back)]))
    purse.pay("for nothing", bolt11(demand(relay, request)))
    pylon.wait_state(request["id"], "cancelled", seconds=30)
    assert purse.balances()["owner"] == 10_000_000
    errors = wait_for(lambda: len(feedback(relay, request, "error")) == 2 and feedback(relay, request, "error"), 10, "both are told")
    assert any("sent back" in (tag(e, "status", 2) or "") for e in errors)
    assert earned(pylon)["total_msats"] == 0


@pytest.mark.parametrize("deliver", [True, False])
def test_what_is_paid_late_is_delivered_or_owed_as_the_owner_says(paid, relay, deliver):
    """The payment is on its way while the invoice's time is over: the driver tells of it seconds later."""
    more = f'[pay]\ninvoice_expiry = "10s"\ndeliver_late = {str(deliver).lower()}\n'
    pylon, purse = paid(more=more, env={"PYLON_FAULTS": "regtest.watch@2=EIO"})
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    left = int(tag(asked, "expiration")) - time.time()
    time.sleep(max(left - 1.5, 0))
    assert purse.pay("at the last moment", bolt11(asked))[0] == "settled"
    pylon.wait_state(request["id"], "completed", "owed", seconds=40)
    assert purse.balances().get("provider", 0) + purse.balances().get("refunds", 0) + purse.balances().get("held", 0) == 21000


def test_the_owner_sees_what_is_owed(paid, relay):
    pylon, purse = paid(more=HOPELESS)
    (request,) = post(relay, job_template(40))
    purse.pay("for nothing", bolt11(demand(relay, request)))
    pylon.wait_state(request["id"], "owed", seconds=30)
    assert "owed" in pylon.run("status").stdout
    assert "owed" in pylon.run("job", "list").stdout
    assert "is owed" in pylon.log()


def test_a_stranger_pays_by_nostr_wallet_connect_and_gets_his_result(paid, relay, make_client):
    """nostr-tools signs the request and reads the answers, @getalby/sdk pays the invoice; both over a relay that is not
    ours."""
    pylon, purse = paid()
    wallet = make_client(connect(pylon, "--max-sat", "100", name="customer"))
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    began = time.monotonic()
    assert len(wallet.ok("payInvoice", invoice=bolt11(asked))["preimage"]) == 64
    pylon.wait_state(request["id"], "completed")
    (result,) = wait_for(lambda: relay.results(request["id"]), 20, "the result")
    assert mined_bits(result) >= 8 and time.monotonic() - began < 10
    assert purse.balances()["provider"] == 21000


def test_work_begins_within_50_ms_after_the_wallet_has_the_money(paid, relay):
    """By the clock of the log: from the wallet's line to the provider's."""
    pylon, purse = paid()
    delays = []
    for n in range(5):
        (request,) = post(relay, job_template(content=f"job {n}"))
        purse.pay(f"p{n}", bolt11(demand(relay, request)))
        pylon.wait_state(request["id"], "completed")
        lines = [line for line in pylon.log().splitlines() if request["id"][:12] in line]
        times = [next(line.split()[0] for line in lines if word in line) for word in ("Received", "is paid")]
        delays.append((datetime.fromisoformat(times[1]) - datetime.fromisoformat(times[0])).total_seconds())
    assert sorted(delays)[2] <= 0.05, delays
