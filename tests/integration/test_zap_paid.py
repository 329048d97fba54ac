"""Jobs that are paid by zaps: the money is elsewhere, and that it was paid is the word of one server. Counted only where
the owner takes that server's word, up to his limit, after every check, and once."""
import hashlib
import http.server
import itertools
import json
import threading
import time

import pytest

import bolt11 as ln
from paid import bolt11, demand, demands, feedback, job_template, make_paid, post
from parts import customer, tag, wait_for
from test_crash import Fault
from test_wallet import FAULTS, Purse

PRICE = 21000
SERVER, OTHER, SENDER = "53" * 32, "54" * 32, "55" * 32
serial = itertools.count(1)


def sign(key, **template):
    (event,) = [line for line in customer("sign", "-", json.dumps(template), env={"CUSTOMER_KEY": key})]
    return event.get("request", event)


class Server:
    """The LNURL server of our own address, and its receipts: its node is none of ours."""

    def __init__(self):
        self.pubkey = sign(SERVER, kind=1, content="", tags=[])["pubkey"]
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({"tag": "payRequest", "callback": f"http://127.0.0.1:{outer.port}/pay", "minSendable": 1,
                                   "maxSendable": 10**9, "metadata": '[["text/plain","shop"]]', "allowsNostr": True,
                                   "nostrPubkey": outer.pubkey}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"shop@127.0.0.1:{self.port}"

    def settings(self, cap=100_000):
        return f'[pay]\nzap_address = "{self.address}"\nzap_max_msats = {cap}\n'

    def receipt(self, relay, recipient, zapped, msat=PRICE, key=SERVER, said=None, preimage=None, to=None, about=None, network="regtest",
                forge=None, more=()):
        """What is left out is as it should be. Published; returns its payment hash."""
        request = sign(SENDER, kind=9734, content="thanks", tags=[["relays", relay.url], ["amount", str(said or msat)], ["p", to or recipient],
                                                                  ["e", zapped], *more])
        if forge:
            request = {**request, **forge}
        description = json.dumps(request, separators=(",", ":"))
        preimage = preimage or hashlib.sha256(b"preimage %d" % next(serial)).digest()
        payment_hash = hashlib.sha256(preimage).digest()
        invoice = ln.encode(network, 7, payment_hash, bytes(32), msat, "", int(time.time()), 600,
                            hashlib.sha256((about or description).encode()).digest())
        tags = [["p", to or recipient], ["e", zapped], ["bolt11", invoice], ["description", description], ["preimage", preimage.hex()]]
        customer("post", relay.url, json.dumps({"kind": 9735, "content": "", "tags": tags}), env={"CUSTOMER_KEY": key})
        return payment_hash.hex()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    one = Server()
    yield one
    one.close()


@pytest.fixture
def shop(make_pylon, relay, tmp_path, server):
    """shop(more, env): a Pylon that takes zaps of that server, and its purse."""
    made = []

    def make(more=None, env=None):
        pylon = make_paid(make_pylon, relay, price=PRICE, more=server.settings() if more is None else more, env=env)
        made.append(Purse(pylon, tmp_path))
        return pylon, made[-1]

    yield make
    for one in made:
        one.close()


def refusals(pylon):
    return [line.split(": ", 1)[1] for line in pylon.log().splitlines() if "A zap does not pay job" in line]


def delivered(pylon, purse, request):
    pylon.wait_state(request["id"], "completed", seconds=30)
    purse.close()
    balances = purse.balances()
    assert balances["provider"] == PRICE and balances["wallet:zaps"] == PRICE and not balances.get("held")
    assert pylon.json("earnings")["summary"]["total_msats"] == PRICE
    purse.verify()
    assert pylon.json("ledger", "verify")["ok"]


def test_a_zap_pays_a_job_once(shop, relay, server):
    pylon, purse = shop()
    first, second = post(relay, job_template(content="one"), job_template(content="two"))
    asked, other = demand(relay, first), demand(relay, second)
    preimage = hashlib.sha256(b"paid once").digest()
    server.receipt(relay, asked["pubkey"], asked["id"], preimage=preimage)
    delivered(pylon, purse, first)
    assert tag(wait_for(lambda: relay.results(first["id"]), 10, "the result")[0], "amount") == str(PRICE)

    server.receipt(relay, asked["pubkey"], asked["id"], preimage=preimage)  # told again
    server.receipt(relay, asked["pubkey"], other["id"], preimage=preimage)  # and for another job
    wait_for(lambda: len(refusals(pylon)) == 1, 20, "the second job's receipt is refused")
    assert "counted before" in refusals(pylon)[0] and pylon.state(second["id"]) == "unpaid"
    delivered(pylon, purse, first)
    purse.fund(1_000_000)
    assert purse.pay("second", bolt11(other))[0] == "settled"  # its invoice is as good as ever
    pylon.wait_state(second["id"], "completed")


def test_the_request_itself_may_be_zapped(shop, relay, server):
    pylon, purse = shop()
    (request,) = post(relay, job_template())
    server.receipt(relay, demand(relay, request)["pubkey"], request["id"])
    delivered(pylon, purse, request)


def test_no_forged_receipt_pays(shop, relay, server):
    pylon, purse = shop(server.settings(cap=30_000))
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    us, zapped = asked["pubkey"], asked["id"]
    forgeries = {
        "another server": {"key": OTHER},
        "less than": {"msat": PRICE - 1},
        "zap_max_msats": {"msat": 30_001},
        "another amount": {"msat": PRICE, "said": PRICE + 1},
        "something else": {"about": "a cup of tea"},
        "no event": {"forge": {"content": "not what was signed"}},
        "another network": {"network": "mainnet"},
        "another address": {"more": [["lnurl", "lnurl1dp68gurn8ghj7um9wfmxjcm99e3k7mf0v9cxj0m385ekvcenxc6r2c35xvukxefcv5mkvv34x5ekzd3ev56nyd3hxqurzepexejxxepnxscrvwfnv9nxzcn9xq6xyefhvgcxxcmyxymnserxfq5fns"]]},
        "more than one event": {"more": [["e", "ab" * 32]]},
        "more than one server": {"more": [["P", "ab" * 32], ["P", "cd" * 32]]},
        "was for another server": {"more": [["P", "ab" * 32]]},
    }
    for n, (words, how) in enumerate(forgeries.items()):
        server.receipt(relay, us, zapped, **how)
        wait_for(lambda n=n: len(refusals(pylon)) > n, 20, f"the wallet refuses: {words}")
        assert words in refusals(pylon)[-1], refusals(pylon)
    # What is not even for us, or about nothing that we have asked for, is not looked at.
    server.receipt(relay, us, "ab" * 32)
    server.receipt(relay, us, zapped, to="cd" * 32)
    # A stranger says "pay", with his own event in place of ours.
    (stranger,) = customer("post", relay.url, json.dumps({"kind": 7000, "content": "", "tags": [
        ["status", "payment-required"], ["e", request["id"]], ["amount", "1"]]}), env={"CUSTOMER_KEY": OTHER})[:1]
    server.receipt(relay, us, stranger["request"]["id"])
    time.sleep(1)
    assert len(refusals(pylon)) == len(forgeries)
    assert pylon.state(request["id"]) == "unpaid" and not purse.balances().get("wallet:zaps")
    assert pylon.query("select count(*) from invoices where stage = 'zap'") == [(0,)]

    server.receipt(relay, us, zapped)
    delivered(pylon, purse, request)


@pytest.mark.parametrize("left_out", ["zap_address", "zap_max_msats"])
def test_zaps_pay_nothing_unless_the_owner_says_whose_and_how_much(shop, relay, server, left_out):
    pylon, purse = shop("\n".join(line for line in server.settings().splitlines() if left_out not in line) + "\n")
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    server.receipt(relay, asked["pubkey"], asked["id"])
    (after,) = post(relay, job_template(content="after it"))
    demand(relay, after)
    assert pylon.state(request["id"]) == "unpaid" and not purse.balances().get("wallet:zaps")


@pytest.mark.skipif(not FAULTS, reason="needs a build with -Dfaults=true")
@pytest.mark.parametrize("victim", ["wallet", "provider", "store", "relay"])
def test_a_zap_is_counted_once_whatever_dies(shop, relay, server, tmp_path, victim):
    fault = Fault(tmp_path, "zap.added" if victim == "wallet" else "nothing", "kill")
    pylon, purse = shop(env=fault.env)
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    if victim != "wallet":
        pylon.kill(victim)
    server.receipt(relay, asked["pubkey"], asked["id"])
    if victim == "wallet":
        fault.wait()
    delivered(pylon, purse, request)
    pylon.kill("wallet")
    delivered(pylon, purse, request)


def test_who_pays_twice_is_served_once_and_the_rest_is_owed(shop, relay, server):
    pylon, purse = shop()
    purse.fund(1_000_000)
    (request,) = post(relay, job_template())
    asked = demand(relay, request)
    server.receipt(relay, asked["pubkey"], asked["id"])
    pylon.wait_state(request["id"], "completed", seconds=30)
    assert purse.pay("too", bolt11(asked))[0] == "settled"
    wait_for(lambda: purse.balances().get("refunds") == PRICE, 10, "what came too is to be given back")
    assert purse.balances()["provider"] == PRICE
    purse.verify()


def test_what_was_zapped_and_cannot_be_done_is_owed_and_never_sent_by_itself(shop, relay, server):
    """Else a server that lies about zaps could have real money paid back."""
    pylon, purse = shop(server.settings() + '[provider]\njob_timeout = "1s"\n[pow]\nmax_bits = 40\n')
    _, back, _ = purse.invoice(PRICE, account="owner")
    purse.fund(1_000_000, "provider")
    (request,) = post(relay, job_template(40, extra=[("param", "refund", back)]))
    asked = demand(relay, request)
    server.receipt(relay, asked["pubkey"], asked["id"])
    pylon.wait_state(request["id"], "owed", seconds=30)
    wait_for(lambda: "could not be paid back" in pylon.log(), 10, "it is tried, and refused")
    assert purse.balances()["refunds"] == PRICE and not purse.balances().get("owner")
    assert "by a zap" in pylon.log()
    wait_for(lambda: feedback(relay, request, "error"), 10, "the customer hears of it")
    assert len(demands(relay, request)) == 1
    purse.verify()
