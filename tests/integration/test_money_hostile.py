"""Peers that mean harm, where money is. A buyer whose sellers cheat pays once, what was agreed, to whom it
chose; a seller whose customers cheat works for what its wallet received, and for nothing else."""
import json

import pytest

import bolt11 as invoices
from paid import bolt11, demand, demands, job_template, make_paid, post
from parts import customer, tag, wait_for
from purse import Stubs
from test_wallet import Purse

SELLER, ANOTHER = "11" * 32, "22" * 32
HAD = 100_000_000


def public(key):
    return customer("sign", "-", "{}", env={"CUSTOMER_KEY": key})[0]["pubkey"]


@pytest.fixture
def stubs(tmp_path):
    one = Stubs(tmp_path)
    yield one
    one.kill()


@pytest.fixture
def settings(stubs, tmp_path):
    secret = tmp_path / "backend.secret"
    secret.write_text(stubs.nodes["lnd"]["secret"])
    secret.chmod(0o600)
    return f"""
[wallet]
driver = "lnd"
url = "{stubs.nodes['lnd']['url']}"
ca_file = "{stubs.certificate}"
secret_file = "{secret}"
"""


class Buyer:
    """A Pylon that buys, with a real node's wallet behind it, and what its sellers say."""

    def __init__(self, pylon, relay, stubs, folder):
        self.pylon, self.relay, self.stubs = pylon, relay, stubs
        self.purse = Purse(pylon, folder)
        wait_for(lambda: self.purse.balances().get("owner") == HAD, 10, "what was there is the owner's")

    def order(self, *more, seller=SELLER, limit=30000, text="a question"):
        args = ["--provider", public(seller)] if seller else []
        job = self.pylon.json("job", "submit", "--no-wait", "--auto-pay", "--max", str(limit), "--kind", "5050", *args, *more, text)
        return wait_for(lambda: next((e for e in self.relay.events(5050) if e["id"] == job["id"]), None), 20, "the request is out")

    def say(self, request, *tags, key=SELLER, kind=7000, content=""):
        event = {"kind": kind, "content": content, "tags": [["e", request["id"]], ["p", request["pubkey"]], *tags]}
        return customer("post", self.relay.url, json.dumps(event), env={"CUSTOMER_KEY": key})[0]["request"]

    def ask_money(self, request, invoice, msat=21000, key=SELLER):
        self.say(request, ["status", "payment-required"], ["amount", str(msat), invoice], key=key)

    def status(self, request):
        rows = self.pylon.query("select status from purchases where id = ?", request["id"])
        return rows[0][0] if rows else None

    def wait_status(self, request, *wanted):
        return wait_for(lambda: self.status(request) in wanted and self.status(request), 20,
                        f"the purchase is {wanted}, it is {self.status(request)}")

    def times_paid(self, invoice):
        return self.stubs.order("state", node="lnd")["settlements"].get(invoice["hash"], 0)

    def nothing_left(self, but=0):
        """The owner has what he had, less what is named, and nothing is held back."""
        _, balance, reserved = next(row for row in self.purse.call("Balances") if row[0] == "owner")
        assert (balance, reserved) == (HAD - but, 0)


@pytest.fixture
def buyer(make_pylon, relay, stubs, settings, tmp_path):
    pylon = make_pylon("start", [relay.url], settings)
    pylon.config.write_text(pylon.config.read_text().replace("enable_payments = false", "enable_payments = true"))
    pylon.start("--mode", "host")
    one = Buyer(pylon, relay, stubs, tmp_path)
    yield one
    one.purse.close()  # a wallet that was killed has a new connection
    one.purse.verify()
    one.purse.close()


# ---- who buys

def test_a_seller_is_paid_what_was_agreed_and_delivers(buyer, stubs):
    request = buyer.order()
    invoice = stubs.order("invoice")
    buyer.ask_money(request, invoice["bolt11"])
    buyer.wait_status(request, "paid")
    buyer.say(request, kind=6050, content="an answer")
    assert buyer.pylon.json("job", "result", request["id"])["content"] == "an answer"
    assert buyer.times_paid(invoice) == 1
    buyer.nothing_left(but=22000)


@pytest.mark.parametrize("cheat", ["more than it says", "more than the limit", "another network", "nonsense", "expired", "cut off",
                                   "changed", "no invoice", "no amount at all", "all there is"])
def test_a_demand_that_is_not_what_was_agreed_is_not_paid(buyer, stubs, tmp_path, cheat):
    request = buyer.order()
    msat, invoice = 21000, stubs.order("invoice")
    text = invoice["bolt11"]
    if cheat == "more than it says":
        invoice = stubs.order("invoice", msat=29000)
        text = invoice["bolt11"]
    elif cheat == "more than the limit":
        msat, invoice = 31000, stubs.order("invoice", msat=31000)
        text = invoice["bolt11"]
    elif cheat == "another network":
        text = invoices.encode("mainnet", 7, b"\1" * 32, b"\2" * 32, 21000, "", 4_000_000_000, 600)
    elif cheat == "nonsense":
        text = "lnbcrt1" + "q" * 300
    elif cheat == "expired":
        text = invoices.encode("regtest", 7, b"\1" * 32, b"\2" * 32, 21000, "", 1_600_000_000, 600)
    elif cheat == "cut off":
        text = text[:-20]
    elif cheat == "changed":  # another amount under the same signature
        text = text.replace("lnbcrt210n1", "lnbcrt290n1")
    elif cheat == "no invoice":
        text = ""
    elif cheat == "no amount at all":
        msat, text = "", invoices.encode("regtest", 7, b"\1" * 32, b"\2" * 32, 0, "", 4_000_000_000, 600)
    elif cheat == "all there is":
        text = invoices.encode("regtest", 7, b"\1" * 32, b"\2" * 32, 2_100_000_000_000_000_000, "", 4_000_000_000, 600)
    buyer.ask_money(request, text, msat=msat)
    honest = stubs.order("invoice")
    buyer.ask_money(request, honest["bolt11"])
    status = buyer.wait_status(request, "failed", "paid")
    assert buyer.times_paid(invoice) == 0
    # Either this seller has lost the buyer, or has said it properly meanwhile.
    buyer.nothing_left(but=22000 * buyer.times_paid(honest))
    assert (status == "paid") == (buyer.times_paid(honest) == 1)


def test_somebody_else_s_demand_is_not_paid(buyer, stubs):
    request = buyer.order()
    theirs, ours = stubs.order("invoice"), stubs.order("invoice")
    buyer.ask_money(request, theirs["bolt11"], key=ANOTHER)
    buyer.ask_money(request, ours["bolt11"])
    buyer.wait_status(request, "paid")
    assert (buyer.times_paid(theirs), buyer.times_paid(ours)) == (0, 1)
    buyer.nothing_left(but=22000)


def test_two_demands_for_one_job_are_paid_once(buyer, stubs):
    request = buyer.order()
    asked = [stubs.order("invoice") for _ in range(3)]
    for invoice in asked:
        buyer.ask_money(request, invoice["bolt11"])
    buyer.wait_status(request, "paid")
    late = stubs.order("invoice")
    buyer.ask_money(request, late["bolt11"])
    buyer.pylon.kill("host")
    buyer.say(request, kind=6050, content="an answer")
    assert buyer.pylon.json("job", "result", request["id"])["content"] == "an answer"
    assert sum(buyer.times_paid(i) for i in (*asked, late)) == 1
    buyer.nothing_left(but=22000)


def test_of_two_sellers_one_is_paid_and_only_its_result_counts(buyer, stubs):
    request = buyer.order(seller=None)
    invoice = {key: stubs.order("invoice") for key in (SELLER, ANOTHER)}
    buyer.ask_money(request, invoice[SELLER]["bolt11"])
    buyer.wait_status(request, "paid")
    buyer.ask_money(request, invoice[ANOTHER]["bolt11"], key=ANOTHER)
    buyer.say(request, kind=6050, content="not paid for", key=ANOTHER)
    buyer.say(request, kind=6050, content="paid for")
    assert buyer.pylon.json("job", "result", request["id"])["content"] == "paid for"
    assert (buyer.times_paid(invoice[SELLER]), buyer.times_paid(invoice[ANOTHER])) == (1, 0)
    buyer.nothing_left(but=22000)


def test_an_invoice_that_was_paid_for_one_job_is_not_paid_for_another(buyer, stubs):
    invoice = stubs.order("invoice")
    first = buyer.order(text="the first question")
    buyer.ask_money(first, invoice["bolt11"])
    buyer.wait_status(first, "paid")
    second = buyer.order(text="the second question")
    buyer.ask_money(second, invoice["bolt11"])
    buyer.wait_status(second, "paid", "failed")
    assert buyer.times_paid(invoice) == 1
    buyer.nothing_left(but=22000)


def test_a_payment_that_gets_stuck_is_not_made_again(buyer, stubs):
    """The seller's node holds it. Whatever it says meanwhile, and whoever dies, it is one payment."""
    stubs.order("mode", node="lnd", pay="pending")
    request = buyer.order()
    invoice, more = stubs.order("invoice"), stubs.order("invoice")
    buyer.ask_money(request, invoice["bolt11"])
    wait_for(lambda: invoice["hash"] in stubs.order("state", node="lnd")["payments"], 20, "it is on its way")
    buyer.ask_money(request, more["bolt11"])
    for role in ("host", "wallet", "store"):
        buyer.pylon.kill(role)
    buyer.purse.close()
    wait_for(lambda: buyer.purse.balances()["owner"] == HAD, 20, "it is not booked yet")
    stubs.order("resolve", node="lnd", hash=invoice["hash"], ok=True)
    buyer.wait_status(request, "paid")
    assert (buyer.times_paid(invoice), buyer.times_paid(more)) == (1, 0)
    buyer.nothing_left(but=22000)


# ---- who sells

@pytest.fixture
def seller(make_pylon, relay, stubs, settings, tmp_path):
    pylon = make_paid(make_pylon, relay, more=settings)
    purse = Purse(pylon, tmp_path)
    wait_for(lambda: purse.balances().get("owner") == HAD, 10, "what was there is the owner's")
    pylon.purse = purse
    yield pylon
    purse.close()
    purse.verify()
    purse.close()


def hash_of(pylon, request):
    return pylon.query("select payment_hash from invoices where job_id = ?", request["id"])[0][0]


def asked_for(pylon, relay, **more):
    (request,) = post(relay, job_template(**more))
    bolt11(demand(relay, request))
    return request, hash_of(pylon, request)


def test_a_customer_pays_on_another_node_and_has_its_result(seller, relay, stubs):
    request, payment_hash = asked_for(seller, relay)
    stubs.order("pay", hash=payment_hash)
    seller.wait_state(request["id"], "completed")
    assert seller.purse.balances()["provider"] == 21000


def test_what_the_backend_keeps_is_its_fee_and_the_customer_has_paid(seller, relay, stubs):
    """A node settles for all of an invoice or not at all. phoenixd then takes what a channel costs from it."""
    request, payment_hash = asked_for(seller, relay)
    stubs.order("pay", hash=payment_hash, msat=18000)
    seller.wait_state(request["id"], "completed")
    balances = seller.purse.balances()
    assert balances["wallet:lnd"] == HAD + 18000
    assert balances["provider"] - balances["fees"] == 18000


def test_a_payment_that_is_told_many_times_is_one(seller, relay, stubs):
    stubs.order("mode", node="lnd", events="duplicate")
    jobs = [asked_for(seller, relay, content=f"job {i}") for i in range(5)]
    for _, payment_hash in jobs:
        stubs.order("pay", hash=payment_hash)
    for request, _ in jobs:
        seller.wait_state(request["id"], "completed")
        assert len(relay.results(request["id"])) == 1
    assert seller.purse.balances()["provider"] == 5 * 21000


def test_a_word_of_payment_that_is_not_the_wallet_s_is_not_believed(seller, relay):
    """Zap receipts and feedback that anybody can sign."""
    request, payment_hash = asked_for(seller, relay)
    asked = demand(relay, request)
    text = bolt11(asked)
    for kind, tags in ((9735, [["e", asked["id"]], ["p", asked["pubkey"]], ["bolt11", text], ["preimage", "00" * 32],
                               ["description", json.dumps({"kind": 9734, "tags": [["amount", "21000"]]})]]),
                       (7000, [["e", request["id"]], ["p", asked["pubkey"]], ["status", "payment-received"], ["amount", "21000", text]]),
                       (7000, [["e", request["id"]], ["p", asked["pubkey"]], ["status", "success"]])):
        customer("post", relay.url, json.dumps({"kind": kind, "content": "paid", "tags": tags}), env={"CUSTOMER_KEY": ANOTHER})
    other, _ = asked_for(seller, relay, content="the next")
    assert seller.state(other["id"]) == seller.state(request["id"]) == "unpaid"
    assert not relay.results(request["id"])


def test_the_same_request_again_has_the_same_invoice(seller, relay, stubs):
    request, payment_hash = asked_for(seller, relay)
    for _ in range(3):
        relay.inject(json.dumps(["EVENT", "x", request]))
    for role in ("provider", "wallet", "store"):
        seller.kill(role)
    stubs.order("pay", hash=payment_hash)
    seller.wait_state(request["id"], "completed")
    assert len({bolt11(e) for e in demands(relay, request)}) == 1
    assert seller.query("select count(*) from invoices where job_id = ?", request["id"]) == [(1,)]
    assert tag(relay.results(request["id"])[0], "amount") == "21000"


def test_a_backend_that_lies_about_an_invoice_is_not_believed(seller, relay, stubs):
    """It names the hash of one, or asks for another amount, than what the customer would pay."""
    other = stubs.order("invoice", msat=1000)
    abroad = invoices.encode("mainnet", 7, b"\1" * 32, b"\2" * 32, 21000, "", 4_000_000_000, 600)
    for n, text in enumerate((other["bolt11"], abroad, "lnbcrt1nonsense")):
        body = json.dumps({"r_hash": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", "payment_request": text})
        stubs.order("fault", node="lnd", path="/v1/invoices", kind="answer", body=body)
        (request,) = post(relay, job_template(content=f"job {n}"))
        seller.wait_state(request["id"], "failed")
        assert not demands(relay, request)
    request, payment_hash = asked_for(seller, relay, content="the next")
    stubs.order("pay", hash=payment_hash)
    seller.wait_state(request["id"], "completed")
