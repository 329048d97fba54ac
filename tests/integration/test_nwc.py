"""Nostr Wallet Connect in both directions: our client against the wallet service of @getalby/sdk, which also
misbehaves on order, over a relay that is not ours."""
import hashlib
import json
import select
import subprocess
import time
import urllib.request

import pytest

from paid import make_paid
from parts import NODE, wait_for
from purse import Driver, Outcome


class Wallet:
    """node/nwc-wallet.mjs in a process of its own."""

    def __init__(self, folder, relay, *args):
        self.log = open(folder / "nwc-wallet.log", "ab")
        self.process = subprocess.Popen(["node", NODE / "nwc-wallet.mjs", relay.url, *args], stdout=subprocess.PIPE, stderr=self.log)
        said = json.loads(self.process.stdout.readline())
        self.uri, self.control, self.client = said["uri"], said["control"], said["client"]

    def order(self, do, **order):
        body = json.dumps({"do": do, **order}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.control}/", data=body)
        return json.loads(urllib.request.urlopen(request, timeout=20).read())

    def asked(self, method):
        return sum(r["method"] == method for r in self.order("state")["requests"])

    def invoice(self, msat=21000):
        made = self.order("invoice", msat=msat)
        return {"bolt11": made["invoice"], "hash": made["payment_hash"]}

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


@pytest.fixture
def make_wallet(tmp_path, relay):
    made = []

    def make(*args):
        made.append(Wallet(tmp_path, relay, *args))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def wallet(make_wallet):
    return make_wallet()


@pytest.fixture
def make_driver(tmp_path, relay, make_pylon):
    """The driver behind tool-driver, at the relay service of a Pylon of which nothing else is asked."""
    pylon, made = make_pylon("start", [relay.url]), []
    pylon.start()

    def make(uri):
        folder = tmp_path / f"driver-{len(made)}"
        folder.mkdir()
        made.append(Driver(folder, "nwc", url="", secret=uri, relay=pylon.base / "run/relay.sock"))
        assert made[-1].first == ["ready"], made[-1].first
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def driver(make_driver, wallet):
    return make_driver(wallet.uri)


def prepared(driver, invoice, msat=21000):
    driver.ask("prepare", invoice["hash"], "intent", invoice["bolt11"], msat, 10000, False)
    answer = driver.answer("prepared")
    assert answer[1] == 0, answer
    return answer[3]


def pay(driver, invoice, opaque=None, again=False, msat=21000, seconds=80):
    opaque = opaque or prepared(driver, invoice, msat)
    driver.ask("pay", invoice["hash"], "intent", invoice["bolt11"], msat, 10000, False, opaque, again)
    return Outcome(driver.answer("paid", seconds))


def test_the_wallet_says_who_it_is_and_what_it_has(driver):
    driver.ask("info")
    assert driver.answer("info")[1:] == [0, "", "regtest", "alby-sdk"]
    driver.ask("balance")
    assert driver.answer("balance")[1:] == [0, "", 1_000_000_000]


def test_an_invoice_is_made_watched_and_known(driver, wallet):
    driver.watch()
    answer = driver.make(msat=21500, description="tea & \"cake\"")
    assert answer[1] == 0, answer
    payment_hash, _, _, _, _, text = answer[3]
    assert text.startswith("lnbcrt215n1")
    assert driver.invoice(payment_hash)[3][:2] == [payment_hash, "open"]
    assert driver.invoice("ab" * 32)[3][1] == "absent"

    paid = wallet.order("pay", hash=payment_hash)
    row, _ = driver.settled(payment_hash)
    print(f"noticed after {(time.time() - paid['at']) * 1000:.1f} ms")
    assert row[1:3] == ["settled", 21500] and row[4] == paid["preimage"]
    assert driver.invoice(payment_hash)[3][1:3] == ["settled", 21500]


def test_what_nobody_told_of_is_found_by_asking(driver, wallet):
    driver.watch()
    payment_hash = driver.make()[3][0]
    wallet.order("pay", hash=payment_hash, quiet=True)
    assert driver.invoice(payment_hash)[3][1:3] == ["settled", 21000]


def test_an_invoice_is_paid_with_proof(driver, wallet):
    invoice = wallet.invoice()
    outcome = pay(driver, invoice)
    assert outcome.state == "settled" and outcome.fee == 7 and outcome.proves(invoice["hash"])
    looked = driver.payment(invoice["hash"])
    assert looked.state == "settled" and looked.fee == 7 and looked.proves(invoice["hash"])
    assert wallet.order("state")["paid"] == {invoice["hash"]: 1}


def test_a_wallet_that_knows_only_nip_04_is_understood(make_wallet, make_driver):
    wallet = make_wallet("nip04")
    driver = make_driver(wallet.uri)
    invoice = wallet.invoice()
    assert pay(driver, invoice).state == "settled"
    payment_hash = driver.make()[3][0]
    wallet.order("pay", hash=payment_hash)
    assert driver.settled(payment_hash)[0][1] == "settled"


@pytest.mark.parametrize("code, state", [
    ("INSUFFICIENT_BALANCE", "failed"), ("QUOTA_EXCEEDED", "failed"), ("RESTRICTED", "failed"), ("UNAUTHORIZED", "failed"),
    ("NOT_IMPLEMENTED", "failed"), ("RATE_LIMITED", "failed"), ("BAD_REQUEST", "failed"), ("EXPIRED", "failed"),
    ("INTERNAL", "unknown"), ("OTHER", "unknown"), ("PAYMENT_FAILED", "unknown"), ("NEVER_HEARD_OF", "unknown")])
def test_only_what_was_never_tried_is_failed(driver, wallet, code, state):
    invoice = wallet.invoice()
    wallet.order("mode", refuse={"pay_invoice": code})
    opaque = prepared(driver, invoice)
    assert pay(driver, invoice, opaque).state == state
    # The same again: now it may be the first one that the refusal is about.
    assert pay(driver, invoice, opaque, again=True).state == "unknown"
    assert wallet.order("state")["paid"] == {}


def test_a_lost_answer_is_unknown_and_then_found(driver, wallet):
    invoice = wallet.invoice()
    wallet.order("mode", lose="answer")
    opaque = prepared(driver, invoice)
    driver.ask("pay", invoice["hash"], "intent", invoice["bolt11"], 21000, 10000, False, opaque, False)
    wait_for(lambda: wallet.order("state")["paid"], 20, "the wallet has paid")
    looked = driver.payment(invoice["hash"])
    assert looked.state == "settled" and looked.proves(invoice["hash"])


def test_the_same_request_after_a_crash_pays_once(make_driver, wallet):
    first = make_driver(wallet.uri)
    invoice = wallet.invoice()
    wallet.order("mode", lose="answer")
    opaque = prepared(first, invoice)
    first.ask("pay", invoice["hash"], "intent", invoice["bolt11"], 21000, 10000, False, opaque, False)
    wait_for(lambda: wallet.order("state")["paid"], 20, "the wallet has paid")
    first.kill_hard()

    wallet.order("mode")
    second = make_driver(wallet.uri)
    # This service does not even remember the request's id; that it is paid it says as INTERNAL.
    assert pay(second, invoice, opaque, again=True).state == "unknown"
    assert second.payment(invoice["hash"]).state == "settled"
    assert wallet.order("state")["paid"] == {invoice["hash"]: 1}
    assert wallet.asked("pay_invoice") >= 1


def test_what_the_wallet_does_not_know_is_absent_not_failed(driver, wallet):
    looked = driver.payment("cd" * 32)
    assert looked.state == "unknown" and looked.absent


@pytest.mark.parametrize("state, outcome", [("pending", "pending"), ("failed", "failed"), ("expired", "unknown"), ("accepted", "pending")])
def test_a_payment_is_what_the_wallet_says_of_it(driver, wallet, state, outcome):
    invoice = wallet.invoice()
    wallet.order("mode", state=state)
    opaque = prepared(driver, invoice)
    driver.ask("pay", invoice["hash"], "intent", invoice["bolt11"], 21000, 10000, False, opaque, False)
    wait_for(lambda: wallet.asked("pay_invoice"), 20, "the wallet was asked")
    assert driver.payment(invoice["hash"]).state == outcome


def test_a_junk_preimage_is_handed_on_and_proves_nothing(driver, wallet):
    invoice = wallet.invoice()
    wallet.order("mode", junk=True)
    outcome = pay(driver, invoice)
    assert outcome.state == "settled" and not outcome.proves(invoice["hash"])


def test_a_secret_that_is_no_connection_is_refused(tmp_path):
    tool = Driver(tmp_path, "nwc", url="", secret="https://example.com", relay="/nowhere")
    assert tool.first[0] == "closed" and "nostr+walletconnect" in tool.first[2]
    tool.kill()


# ---- the other direction: other programs use our wallet

class Client:
    """node/nwc-client.mjs in a process of its own."""

    def __init__(self, folder, uri):
        self.log = open(folder / "nwc-client.log", "ab")
        self.process = subprocess.Popen(["node", NODE / "nwc-client.mjs", uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.log)
        self.said, self.buffer = [], b""
        self.wait(lambda m: m[0] == "ready", 20)

    def wait(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while True:
            for message in self.said:
                if condition(message):
                    self.said.remove(message)
                    return message
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"the client did not say so in {seconds} s; it said {self.said}"
            *lines, self.buffer = (self.buffer + self.process.stdout.read1(65536)).split(b"\n")
            self.said += [json.loads(line) for line in lines]

    def start(self, method, **params):
        self.process.stdin.write(json.dumps([method, params]).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method, seconds=30, **params):
        self.start(method, **params)
        return self.wait(lambda m: m[0] in ("ok", "error"), seconds)

    def ok(self, method, **params):
        answer = self.ask(method, **params)
        assert answer[0] == "ok", answer
        return answer[1]

    def news(self, seconds=10):
        return self.wait(lambda m: m[0] == "news", seconds)[1]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()


@pytest.fixture
def make_client(tmp_path):
    made = []

    def make(uri):
        made.append(Client(tmp_path, uri))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def connect(pylon, *options, name="phone"):
    return pylon.json("wallet", "connect", name, *options)["address"]


def balance(pylon, account="owner"):
    return next((row["balance_msats"] for row in pylon.json("wallet", "balance") if row["account"] == account), 0)


@pytest.fixture
def rich(pylon):
    pylon.run("wallet", "fund", "1000")
    pylon.run("wallet", "fund", "500", "--account", "agent:ada")
    return pylon


def test_a_third_party_client_looks_around(rich, make_client):
    client = make_client(connect(rich, "--max-sat", "100"))
    info = client.ok("getInfo")
    assert info["network"] == "regtest" and info["alias"] == "under test" and "pay_invoice" in info["methods"]
    assert client.ok("getBalance") == {"balance": 1_000_000}


def test_a_third_party_client_is_paid_and_hears_of_it(rich, make_client):
    client = make_client(connect(rich))
    made = client.ok("makeInvoice", amount=21_000, description="for \"tea\"", expiry=600)
    assert made["type"] == "incoming" and made["invoice"].startswith("lnbcrt210n1")
    assert client.ok("lookupInvoice", payment_hash=made["payment_hash"])["state"] == "pending"
    rich.run("wallet", "pay", made["invoice"], "--account", "agent:ada", "--yes")
    news = client.news()
    assert news["notification_type"] == "payment_received"
    assert news["notification"]["payment_hash"] == made["payment_hash"] and news["notification"]["amount"] == 21_000
    found = client.ok("lookupInvoice", invoice=made["invoice"])
    assert found["settled_at"] > 0 and found["amount"] == 21_000
    assert client.ok("getBalance") == {"balance": 1_021_000}
    rows = client.ok("listTransactions", limit=5)["transactions"]
    assert [r["payment_hash"] for r in rows][0] == made["payment_hash"] and rows[0]["type"] == "incoming"


def test_a_third_party_client_pays_within_its_budget(rich, make_client):
    client = make_client(connect(rich, "--max-sat", "50"))
    invoices = [rich.json("wallet", "invoice", "30", f"no {i}", "--account", "agent:ada") for i in range(3)]
    paid = client.ok("payInvoice", invoice=invoices[0]["bolt11"])
    assert hashlib.sha256(bytes.fromhex(paid["preimage"])).hexdigest() == invoices[0]["payment_hash"]
    assert balance(rich) == 970_000 and balance(rich, "agent:ada") == 530_000

    # 30 of 50 are spent: the next one does not fit, and costs nothing.
    refused = client.ask("payInvoice", invoice=invoices[1]["bolt11"])
    assert refused[:2] == ["error", "QUOTA_EXCEEDED"], refused
    assert balance(rich) == 970_000
    assert client.ok("lookupInvoice", payment_hash=invoices[0]["payment_hash"])["type"] == "outgoing"
    news = client.news()
    assert news["notification_type"] == "payment_sent" and news["notification"]["payment_hash"] == invoices[0]["payment_hash"]
    # Paying it again is answered with the first payment, and moves nothing.
    again = client.ok("payInvoice", invoice=invoices[0]["bolt11"])
    assert again["preimage"] == paid["preimage"] and balance(rich) == 970_000
    (connection,) = rich.json("wallet", "connections")
    assert connection["used"]["total_msat"] == 30_000 and connection["state"] == "active"


def test_a_connection_without_a_budget_only_receives(rich, make_client):
    client = make_client(connect(rich))
    invoice = rich.json("wallet", "invoice", "1", "--account", "agent:ada")
    assert client.ask("payInvoice", invoice=invoice["bolt11"])[:2] == ["error", "RESTRICTED"]
    assert "pay_invoice" not in client.ok("getInfo")["methods"]


def test_a_connection_that_is_ended_is_heard_no_more(rich, make_client):
    client = make_client(connect(rich, "--max-sat", "100", "--per", "day"))
    client.ok("getBalance")
    rich.run("wallet", "disconnect", "phone")
    client.start("getBalance")
    answer = client.wait(lambda m: m[0] in ("ok", "error"), 60)
    assert answer[0] == "error" and "imeout" in answer[1] + answer[2], answer
    assert [c["state"] for c in rich.json("wallet", "connections")] == ["revoked"]


def test_connections_survive_a_restart_and_their_secret_is_nowhere(rich, make_client):
    uri = connect(rich, "--max-sat", "100")
    secret = uri.partition("secret=")[2][:64]
    client = make_client(uri)
    client.ok("getBalance")
    rich.kill("wallet")
    assert wait_for(lambda: client.ask("getBalance", seconds=60)[0] == "ok", 60, "the wallet answers again")
    for path in rich.base.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_connections_are_served_after_a_new_start_though_nobody_asks_the_wallet(rich, make_client):
    client = make_client(connect(rich, "--max-sat", "100"))
    rich.stop()
    rich.start()
    assert wait_for(lambda: client.ask("getBalance", seconds=60)[0] == "ok", 60, "the wallet answers")


def test_the_same_request_twice_is_one_payment(rich, relay, tmp_path):
    """Delivered again by whoever: the event's id is the payment's."""
    uri = connect(rich, "--max-sat", "100")
    invoice = rich.json("wallet", "invoice", "30", "--account", "agent:ada")
    done = subprocess.run(["node", NODE / "nwc-twice.mjs", uri, invoice["bolt11"]], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers and all(a["result"]["preimage"] == answers[0]["result"]["preimage"] for a in answers), answers
    assert balance(rich) == 970_000
    assert rich.json("wallet", "connections")[0]["used"]["total_msat"] == 30_000


# ---- a second Pylon, whose wallet is the first one's

@pytest.fixture
def guest(rich, relay, make_pylon):
    """Pays through the account agent:ada of the first one, which has 500 sat."""
    uri = connect(rich, "--max-sat", "400", "--account", "agent:ada", name="guest")
    one = make_pylon("start", [relay.url], more='[wallet]\ndriver = "nwc"\n')
    secret = one.base / "wallet.secret"
    secret.write_text(uri + "\n")
    secret.chmod(0o600)
    one.start()
    wait_for(lambda: one.json("wallet", "status")["state"] == "ready", 20, "the guest's wallet is ready")
    wait_for(lambda: balance(one) == 500_000, 20, "what was there is the guest's owner's")
    return one


def test_a_second_pylon_pays_us(rich, guest):
    assert guest.json("wallet", "status")["driver"] == "nwc"
    invoice = rich.json("wallet", "invoice", "30", "tea")
    paid = guest.json("wallet", "pay", invoice["bolt11"], "--yes")
    assert paid["state"] == "settled", paid
    assert hashlib.sha256(bytes.fromhex(paid["preimage"])).hexdigest() == invoice["payment_hash"]
    assert balance(rich) == 1_030_000 and balance(rich, "agent:ada") == 470_000 and balance(guest) == 470_000


def test_a_second_pylon_is_paid_by_us(rich, guest):
    invoice = guest.json("wallet", "invoice", "21", "cake")
    rich.run("wallet", "pay", invoice["bolt11"], "--yes")
    at = time.monotonic()
    wait_for(lambda: balance(guest) == 521_000, 10, "the guest has noticed")
    print(f"noticed and booked after {(time.monotonic() - at) * 1000:.0f} ms at most")
    assert balance(rich) == 979_000 and balance(rich, "agent:ada") == 521_000


def test_a_budget_holds_for_a_second_pylon(rich, guest):
    invoices = [rich.json("wallet", "invoice", "300", f"{i}") for i in range(2)]
    assert guest.json("wallet", "pay", invoices[0]["bolt11"], "--yes", "--max-fee", "0")["state"] == "settled"
    failed = guest.run("wallet", "pay", invoices[1]["bolt11"], "--yes", "--max-fee", "0", expect=None)
    assert failed.returncode != 0
    assert balance(rich) == 1_300_000 and balance(rich, "agent:ada") == 200_000


ROUNDS = 3  # each may wait a minute for an answer that was lost


@pytest.mark.parametrize("killed", ["guest", "house", "relay"])
def test_whoever_is_killed_nothing_is_paid_twice(rich, guest, killed):
    """The wallet of either side, or the guest's relay service, dies somewhere in the middle."""
    invoices = [rich.json("wallet", "invoice", "10", f"round {i}")["bolt11"] for i in range(ROUNDS)]
    for i, invoice in enumerate(invoices):
        paying = subprocess.Popen(guest.command("wallet", "pay", invoice, "--yes", "--max-fee", "0", "--id", f"round-{i}"),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        time.sleep(0.02 + 0.015 * i)  # another place each time; no state is waited for
        victim, role = {"guest": (guest, "wallet"), "house": (rich, "wallet"), "relay": (guest, "relay")}[killed]
        victim.kill(role)
        paying.wait(120)

    def outcome(i):
        # Asked for again with the same id: that never pays again.
        done = guest.run("wallet", "pay", invoices[i], "--yes", "--max-fee", "0", "--id", f"round-{i}", "--json", expect=None, seconds=120)
        return next((state for state in ("settled", "failed") if f'"{state}"' in done.stdout), None)

    outcomes = [wait_for(lambda i=i: outcome(i), 120, f"round {i} has ended") for i in range(ROUNDS)]
    paid = outcomes.count("settled")
    assert balance(rich) == 1_000_000 + 10_000 * paid and balance(rich, "agent:ada") == 500_000 - 10_000 * paid, outcomes
    wait_for(lambda: balance(guest) == 500_000 - 10_000 * paid, 20, "the guest's books agree")
    for one in (rich, guest):
        one.run("ledger", "verify")


# ---- a customer who is not ours, with a wallet by NIP-47

def test_a_customer_pays_a_real_invoice_over_nwc_and_gets_its_result(make_pylon, relay):
    """nostr-tools asks and @getalby/sdk pays, over a relay that is not ours."""
    shop = make_paid(make_pylon, relay)
    shop.run("wallet", "fund", "500", "--account", "agent:customer")
    uri = connect(shop, "--max-sat", "100", "--account", "agent:customer", name="customer")
    done = subprocess.run(["node", NODE / "nwc-customer.mjs", relay.url, uri, "8"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["amount"] == 21_000 and said["result"]["kind"] == 6970
    assert hashlib.sha256(bytes.fromhex(said["preimage"])).hexdigest() == said["payment_hash"]
    wait_for(lambda: balance(shop, "provider") == 21_000, 20, "the job has earned what was paid")
    assert balance(shop, "agent:customer") == 479_000 and balance(shop, "held") == 0
    shop.run("ledger", "verify")
