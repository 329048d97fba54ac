"""What cannot be done is paid back to the customer's own wallet by NIP-47: NWCWalletService of @getalby/sdk, and a wallet
of ours. His address is a secret, is asked for one invoice, and is paid once, whatever dies."""
import json

import pytest

from paid import bolt11, demand, feedback, job_template, make_paid, post
from parts import wait_for
from test_crash import Fault
from test_nwc import connect, make_wallet, wallet  # noqa: F401: fixtures
from test_paid_crash import HOPELESS, PRICE, pay
from test_wallet import FAULTS, Purse

HAS = 1_000_000


@pytest.fixture
def make_shop(make_pylon, relay, tmp_path):
    made = []

    def make(env=None):
        pylon = make_paid(make_pylon, relay, price=PRICE, more=HOPELESS, env=env)
        purse = Purse(pylon, tmp_path)
        made.append(purse)
        purse.fund(HAS)
        return pylon, purse

    yield make
    for purse in made:
        purse.close()  # its wallet may have been killed
        purse.verify()
        purse.close()


def hopeless_job(relay, purse, *params):
    """Encrypted for the provider, and paid."""
    (announcement,) = wait_for(lambda: relay.events(31990), 20, "the announcement")
    template = json.loads(job_template(40, extra=[("param", *p) for p in params]))
    (request,) = post(relay, json.dumps({**template, "scheme": "nip44", "to": announcement["pubkey"]}))
    pay(purse, relay, request)
    return request


def secret_is_nowhere(pylon, relay, request, uri):
    """In no file of Pylon's (log, books, jobs, relay's shelf), in no answer and in no event."""
    secret = uri.partition("secret=")[2][:64]
    assert len(secret) == 64
    said = [pylon.log(), pylon.run("job", "show", request["id"], "--json").stdout, pylon.run("job", "show", request["id"]).stdout,
            pylon.run("why", request["id"], expect=None).stdout, pylon.run("wallet", "history", "--json").stdout,
            json.dumps(relay.events(7000)), json.dumps(relay.events(5970))]
    assert not [text for text in said if secret in text]
    files = [f for f in pylon.base.rglob("*") if f.is_file()]
    assert files and not [f for f in files if secret.encode() in f.read_bytes()]


def paid_back(pylon, purse, relay, request):
    pylon.wait_state(request["id"], "cancelled", seconds=90)
    purse.close()
    assert purse.balances()["owner"] == HAS and not purse.balances().get("refunds")
    wait_for(lambda: len(feedback(relay, request, "error")) == 2, 10, "the customer hears of both")


@pytest.mark.parametrize("scheme, name", [("nip44", "nwc"), ("nip04", "refund")])
def test_money_goes_back_to_the_customers_wallet(make_shop, make_wallet, relay, scheme, name):  # noqa: F811
    pylon, purse = make_shop()
    theirs = make_wallet(*(["nip04"] if scheme == "nip04" else []))
    _, back, _ = purse.invoice(PRICE, account="owner", text="my money")
    theirs.order("mode", invoice=back)
    request = hopeless_job(relay, purse, (name, theirs.uri))
    paid_back(pylon, purse, relay, request)
    (asked,) = [r["params"] for r in theirs.order("state")["requests"] if r["method"] == "make_invoice"]
    assert asked["amount"] == PRICE
    secret_is_nowhere(pylon, relay, request, theirs.uri)


def test_a_wallet_of_another_pylon_is_as_good(make_shop, make_pylon, relay):
    """Here it is one of the same machine: what its NIP-47 service makes is asked for over the relay."""
    pylon, purse = make_shop()
    uri = connect(pylon, "--account", "agent:customer", name="customer")
    request = hopeless_job(relay, purse, ("nwc", uri))
    pylon.wait_state(request["id"], "cancelled", seconds=90)
    assert purse.balances()["agent:customer"] == PRICE and not purse.balances().get("refunds")
    secret_is_nowhere(pylon, relay, request, uri)


@pytest.mark.parametrize("order, why", [
    ({"amount": PRICE + 1000}, "another amount"),
    ({"invoice": "lnbcrt1nonsense"}, "made no invoice"),
    ({"refuse": {"make_invoice": "RESTRICTED"}}, "says RESTRICTED"),
    ({"lose": "make_invoice"}, "does not answer"),
])
def test_a_wallet_that_cheats_or_is_silent_leaves_it_owed(make_shop, wallet, relay, order, why):  # noqa: F811
    pylon, purse = make_shop()
    wallet.order("mode", **order)
    request = hopeless_job(relay, purse, ("nwc", wallet.uri))
    wait_for(lambda: why in pylon.log(), 60, f"the log says that it {why}")
    assert pylon.state(request["id"]) == "owed" and purse.balances()["refunds"] == PRICE
    secret_is_nowhere(pylon, relay, request, wallet.uri)


@pytest.mark.parametrize("uri, why", [
    ("nostr+walletconnect://" + "1" * 64 + "?relay=ws%3A%2F%2F127.0.0.1%3A1&secret=" + "2" * 64, "NWC address is none"),
    ("nostr+walletconnect://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798?secret=" + "2" * 64, "NWC address is none"),
    ("nostr+walletconnect://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798?relay=ws%3A%2F%2F127.0.0.1%3A1&lud16=a%40b.example"
     "&secret=" + "2" * 64, "does not answer"),
])
def test_an_address_that_leads_nowhere_leaves_it_owed(make_shop, relay, uri, why):
    pylon, purse = make_shop()
    request = hopeless_job(relay, purse, ("nwc", uri))
    wait_for(lambda: why in pylon.log() or "cannot be reached" in pylon.log(), 60, f"the log says: {why}")
    assert pylon.state(request["id"]) == "owed"
    secret_is_nowhere(pylon, relay, request, uri)


@pytest.mark.skipif(not FAULTS, reason="needs a build with -Dfaults=true")
@pytest.mark.parametrize("point", ["payment.new", "payment.sent", "payment.outcome", "payment.settled"])
def test_the_wallet_is_killed_while_it_pays_back(make_shop, wallet, relay, tmp_path, point):  # noqa: F811
    """The customer's wallet is asked for one invoice: from then on it is on disk."""
    fault = Fault(tmp_path, f"{point}@2", "kill")  # the first one is the customer's own
    pylon, purse = make_shop(env=fault.env)
    _, back, _ = purse.invoice(PRICE, account="owner", text="my money")
    wallet.order("mode", invoice=back)
    request = hopeless_job(relay, purse, ("nwc", wallet.uri))
    fault.wait()
    paid_back(pylon, purse, relay, request)
    assert wallet.asked("make_invoice") == 1
    secret_is_nowhere(pylon, relay, request, wallet.uri)


def test_an_address_on_the_command_line_is_refused(pylon):
    done = pylon.run("job", "settle", "ab" * 32, "--refund", "nostr+walletconnect://x", expect=None)
    assert done.returncode != 0 and "is a secret" in done.stderr


def test_the_provider_is_killed_while_the_customers_wallet_is_asked(make_shop, wallet, relay):  # noqa: F811
    pylon, purse = make_shop()
    _, back, _ = purse.invoice(PRICE, account="owner", text="my money")
    wallet.order("mode", lose="make_invoice")
    request = hopeless_job(relay, purse, ("nwc", wallet.uri))
    wait_for(lambda: wallet.asked("make_invoice") == 1, 30, "the wallet is asked")
    wallet.order("mode", invoice=back)
    pylon.kill("wallet")
    pylon.kill("provider")
    paid_back(pylon, purse, relay, request)
    secret_is_nowhere(pylon, relay, request, wallet.uri)
