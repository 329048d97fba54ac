"""Buying. A purchase is on disk before anybody hears of it: a closed terminal and every kill of pylon-host lose
nothing, and what was answered meanwhile is found."""
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from paid import make_paid
from parts import BUILD, customer, tag, wait_for
from test_crash import Fault
from test_wallet import Purse

NOTE = json.dumps({"kind": 1, "created_at": 1700000000, "tags": [], "content": "to be mined", "pubkey": "ab" * 32})


def purchase_states():
    """The names in pylon-host's own table, so that a new state is tested from the day it exists."""
    done = subprocess.run([BUILD / "src/host/pylon-host", "--list-states"], capture_output=True, text=True, check=True)
    return done.stdout.split()


def rows(pylon):
    return pylon.query("select id, status, payee_pubkey, bolt11, amount_msats, fee_msats, result from purchases")


def status_of(pylon, job):
    found = pylon.query("select status from purchases where id = ?", job)
    return found[0][0] if found else None


def wait_status(pylon, job, *wanted, seconds=30):
    return wait_for(lambda: status_of(pylon, job) in wanted and status_of(pylon, job), seconds,
                    f"purchase {job[:8]} in {wanted}, it is in {status_of(pylon, job)}")


def submit(pylon, *args, expect=0):
    return pylon.json("job", "submit", "--no-wait", *args, expect=expect)


def test_a_result_is_bought_and_can_be_seen_again_later(pylon):
    bought = pylon.json("job", "submit", "--pow", "8", NOTE)
    assert bought["state"] == "success" and bought["content"]
    assert status_of(pylon, bought["id"]) == "received"
    pylon.kill("host")
    again = pylon.json("job", "result", bought["id"])
    assert again["event"] == bought["event"]
    assert pylon.json("job", "result", "--no-wait", bought["id"][:12])["event"] == bought["event"]
    listed = pylon.json("job", "list", "--bought")
    assert [(line["id"], line["state"]) for line in listed] == [(bought["id"], "received")]


def test_a_closed_terminal_loses_nothing(pylon):
    job = submit(pylon, "--pow", "19", NOTE)["id"]
    terminal = subprocess.Popen(pylon.command("job", "result", job), stdout=subprocess.PIPE)
    os.kill(terminal.pid, signal.SIGHUP)
    terminal.wait()
    terminal.stdout.close()
    assert pylon.json("job", "result", job)["state"] == "success"


def test_a_terminal_waits_on_while_the_host_is_killed(pylon):
    job = submit(pylon, "--pow", "21", NOTE)["id"]
    with subprocess.Popen(pylon.command("job", "result", "--json", job), stdout=subprocess.PIPE) as terminal:
        pylon.kill("host")
        answer, _ = terminal.communicate(timeout=60)
    assert terminal.returncode == 0, answer
    assert json.loads(answer)["state"] == "success"


def test_a_connection_that_ends_before_a_word_was_said_is_made_again(pylon):
    """As when the host is killed just after it accepted it."""
    job = pylon.json("job", "submit", "--pow", "8", NOTE)["id"]
    place = pylon.base / "run/host.sock"
    aside = place.with_name("aside")
    for _ in range(10):  # it may have said a word: that was always tried again
        place.rename(aside)
        with socket.socket(socket.AF_UNIX) as brief:
            brief.bind(str(place))
            brief.listen()
            with subprocess.Popen(pylon.command("job", "result", "--json", job), stdout=subprocess.PIPE) as terminal:
                connection = brief.accept()[0]
                aside.rename(place)
                connection.close()
                answer, _ = terminal.communicate(timeout=60)
        assert terminal.returncode == 0, answer
        assert json.loads(answer)["state"] == "success"


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", [s for s in purchase_states() if s in ("asking", "received")])
def test_the_host_is_killed_in_each_state_of_a_free_purchase(make_pylon, relay, tmp_path, state, moment):
    fault = Fault(tmp_path, f"purchase.{state}.{moment}", "kill")
    pylon = make_pylon("start", [relay.url], env=fault.env)
    pylon.start()
    done = pylon.run("job", "submit", "--no-wait", "--json", "--pow", "8", NOTE, expect=None)
    fault.wait()
    if (state, moment) == ("asking", "before"):  # nobody has heard of it
        assert done.returncode != 0 and not rows(pylon)
        assert not relay.events(5970)
    else:
        (row,) = wait_for(lambda: rows(pylon), 10, "the purchase is on disk")
        wait_status(pylon, row[0], "received")
        assert pylon.json("job", "result", row[0])["state"] == "success"
        assert len(relay.events(5970)) == 1
    again = pylon.json("job", "submit", "--pow", "8", NOTE.replace("mined", "mined again"))
    assert again["state"] == "success"


def test_what_was_answered_while_the_host_was_down_is_found(make_pylon, relay):
    pylon = make_pylon("start", [relay.url])
    pylon.start("--mode", "host")
    job = submit(pylon, "--timeout", "120", "--kind", "5050", "a question")["id"]
    (request,) = wait_for(lambda: relay.events(5050), 20, "the request is on the relay")
    pylon.stop()
    answer = {"kind": 6050, "content": "an answer", "tags": [["e", job], ["p", request["pubkey"]]]}
    customer("post", relay.url, json.dumps(answer))
    pylon.start("--mode", "host")
    assert pylon.json("job", "result", job)["content"] == "an answer"


def test_only_the_chosen_provider_counts(make_pylon, relay):
    pylon = make_pylon("start", [relay.url])
    pylon.start("--mode", "host")
    keys = {"right": "11" * 32, "wrong": "22" * 32}
    right = customer("sign", "-", "{}", env={"CUSTOMER_KEY": keys["right"]})[0]["pubkey"]
    job = submit(pylon, "--kind", "5050", "--provider", right, "a question")["id"]
    (request,) = wait_for(lambda: relay.events(5050), 20, "the request is on the relay")
    assert tag(request, "p") == right
    for who in ("wrong", "right"):
        answer = {"kind": 6050, "content": who, "tags": [["e", job], ["p", request["pubkey"]]]}
        customer("post", relay.url, json.dumps(answer), env={"CUSTOMER_KEY": keys[who]})
    assert pylon.json("job", "result", job)["content"] == "right"


def test_auto_pay_needs_a_limit(pylon):
    pylon.run("job", "submit", "--auto-pay", NOTE, expect=2)


# ---- with money

@pytest.fixture
def rich(make_pylon, relay, tmp_path):
    """rich(…): a Pylon that is paid for its work, and an owner who can pay."""
    made = []

    def make(**more):
        pylon = make_paid(make_pylon, relay, **more)
        purse = Purse(pylon, tmp_path)
        made.append(purse)
        purse.fund(1_000_000)
        return pylon, purse

    yield make
    for purse in made:
        purse.verify()
        purse.close()


def spent(purse):
    return 1_000_000 - purse.balances()["owner"]


def test_a_purchase_pays_by_itself_up_to_its_limit(rich):
    pylon, purse = rich()
    bought = pylon.json("job", "submit", "--auto-pay", "--max", "21000", "--pow", "8", NOTE)
    assert bought["state"] == "success" and bought["provider"]
    assert spent(purse) == 21000 and purse.balances()["provider"] == 21000
    (row,) = rows(pylon)
    assert row[1:3] == ("received", bought["provider"]) and row[4:6] == (21000, 0)
    assert pylon.json("job", "list", "--bought")[0]["amount_msats"] == 21000


def test_nothing_is_paid_above_the_limit_or_the_bid(rich, relay):
    pylon, purse = rich()
    done = pylon.run("job", "submit", "--auto-pay", "--max", "20999", "--timeout", "4", "--json", NOTE, expect=1)
    assert "more than may be paid" in done.stdout
    assert spent(purse) == 0


def test_without_auto_pay_the_invoice_is_shown_and_anybody_may_pay_it(rich):
    pylon, purse = rich()
    job = submit(pylon, "--pow", "8", NOTE)["id"]
    wait_status(pylon, job, "unpaid")
    shown = pylon.json("job", "result", "--no-wait", job)
    assert shown["state"] == "unpaid" and shown["amount_msats"] == 21000
    assert shown["bolt11"] in pylon.run("job", "result", "--no-wait", job).stderr
    pylon.kill("host")
    assert pylon.json("job", "result", "--no-wait", job) == shown
    purse.pay("by hand", shown["bolt11"])
    assert pylon.json("job", "result", job)["state"] == "success"


def test_a_terminal_waits_as_long_as_it_was_told_and_the_purchase_goes_on(rich):
    pylon, purse = rich()
    before = time.monotonic()
    done = pylon.run("job", "submit", "--timeout", "1", "--pow", "8", "--json", NOTE, expect=69)
    assert time.monotonic() - before < 20 and json.loads(done.stdout)["error"]["name"] == "TimedOut"
    (job,) = [row[0] for row in rows(pylon)]
    purse.pay("by hand", pylon.json("job", "result", "--no-wait", job)["bolt11"])
    assert pylon.json("job", "result", job)["state"] == "success"


class Shop:
    """A provider that is not ours, and does what a test says. Its invoices are of an account of the same wallet."""

    def __init__(self, relay, purse, key):
        self.relay, self.purse, self.env = relay, purse, {"CUSTOMER_KEY": key * 32}
        self.pubkey = customer("sign", "-", "{}", env=self.env)[0]["pubkey"]

    def say(self, kind, request, tags, content=""):
        tags = [["e", request["id"]], ["p", request["pubkey"]], *tags]
        customer("post", self.relay.url, json.dumps({"kind": kind, "content": content, "tags": tags}), env=self.env)

    def ask(self, request, msat, amount=None, expiry=600):
        bolt11 = self.purse.invoice(msat, account="agent:shop", text=os.urandom(4).hex(), expiry=expiry)[1]
        self.say(7000, request, [["status", "payment-required"], ["amount", str(amount or msat), bolt11]])
        return bolt11

    def deliver(self, request, content):
        self.say(6050, request, [], content)

    def announce(self, msat):
        event = {"kind": 31990, "content": "{}", "tags": [["d", "shop"], ["k", "5050"], ["price", str(msat), "per-request", "sats"]]}
        customer("post", self.relay.url, json.dumps(event), env=self.env)


def order(pylon, relay, *args):
    job = submit(pylon, "--kind", "5050", *args, f"question {os.urandom(4).hex()}")["id"]
    return wait_for(lambda: next((e for e in relay.events(5050) if e["id"] == job), None), 20, "the request is on the relay")


def test_two_invoices_for_one_job_are_paid_once_and_the_payee_alone_counts(rich, relay):
    pylon, purse = rich()
    shop, other = Shop(relay, purse, "33"), Shop(relay, purse, "44")
    request = order(pylon, relay, "--auto-pay", "--max", "50000")
    first = shop.ask(request, 4000)
    wait_status(pylon, request["id"], "paid")
    shop.ask(request, 4000)
    other.ask(request, 1000)
    other.deliver(request, "of somebody else")
    shop.deliver(request, "the answer")
    assert pylon.json("job", "result", request["id"])["content"] == "the answer"
    assert spent(purse) == 4000
    assert rows(pylon)[0][2:4] == (shop.pubkey, first)


@pytest.mark.parametrize("msat, amount, bid, reason", [
    (4000, 2000, None, "more than its event says"), (4000, None, "3000", "more than was bid"),
    (60000, None, None, "more than may be paid")])
def test_an_invoice_is_compared_before_it_is_paid(rich, relay, msat, amount, bid, reason):
    pylon, purse = rich()
    shop = Shop(relay, purse, "33")
    request = order(pylon, relay, "--auto-pay", "--max", "50000", "--provider", shop.pubkey, *(("--bid", bid) if bid else ()))
    shop.ask(request, msat, amount)
    wait_status(pylon, request["id"], "failed")
    assert reason in pylon.run("job", "result", "--json", request["id"], expect=1).stdout
    assert spent(purse) == 0


def test_who_asks_for_more_than_he_announced_is_not_paid(rich, relay):
    pylon, purse = rich()
    shop = Shop(relay, purse, "33")
    shop.announce(2000)
    request = order(pylon, relay, "--auto-pay", "--max", "50000", "--provider", shop.pubkey)
    shop.ask(request, 4000)
    wait_status(pylon, request["id"], "failed")
    assert "more than the provider announced" in pylon.run("job", "result", "--json", request["id"], expect=1).stdout
    fair = order(pylon, relay, "--auto-pay", "--max", "50000", "--provider", shop.pubkey)
    shop.ask(fair, 2000)
    wait_status(pylon, fair["id"], "paid")
    assert spent(purse) == 2000


def test_an_open_order_goes_on_to_the_next_who_asks_fairly(rich, relay):
    pylon, purse = rich()
    dear, fair = Shop(relay, purse, "33"), Shop(relay, purse, "44")
    request = order(pylon, relay, "--auto-pay", "--max", "5000")
    dear.ask(request, 6000)
    fair.ask(request, 3000)
    wait_status(pylon, request["id"], "paid")
    fair.deliver(request, "well")
    assert pylon.json("job", "result", request["id"])["content"] == "well"
    assert spent(purse) == 3000


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("state", [s for s in purchase_states() if s in ("paying", "paid", "received")])
def test_the_host_is_killed_in_each_state_of_a_paid_purchase(rich, tmp_path, state, moment):
    fault = Fault(tmp_path, f"purchase.{state}.{moment}", "kill")
    pylon, purse = rich(env=fault.env)
    job = submit(pylon, "--auto-pay", "--max", "30000", "--pow", "8", NOTE)["id"]
    fault.wait()
    wait_status(pylon, job, "received", seconds=60)
    assert pylon.json("job", "result", job)["state"] == "success"
    assert spent(purse) == 21000 and purse.balances()["provider"] == 21000


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_host_is_killed_while_an_invoice_waits_for_somebody(rich, tmp_path, moment):
    fault = Fault(tmp_path, f"purchase.unpaid.{moment}", "kill")
    pylon, purse = rich(env=fault.env)
    job = submit(pylon, "--pow", "8", NOTE)["id"]
    fault.wait()
    wait_status(pylon, job, "unpaid")
    purse.pay("by hand", pylon.json("job", "result", "--no-wait", job)["bolt11"])
    assert pylon.json("job", "result", job)["state"] == "success"
    assert spent(purse) == 21000


@pytest.mark.parametrize("point", ["payment.new", "payment.sent", "payment.outcome", "payment.settled"])
def test_the_wallet_is_killed_while_a_purchase_is_paid(rich, tmp_path, point):
    fault = Fault(tmp_path, point, "kill")
    pylon, purse = rich(env=fault.env)
    job = submit(pylon, "--auto-pay", "--max", "30000", "--pow", "8", NOTE)["id"]
    fault.wait()
    state = wait_status(pylon, job, "received", "failed", seconds=60)
    purse.close()
    assert (state, spent(purse)) in (("received", 21000), ("failed", 0))


@pytest.mark.parametrize("point", ["payment.new", "payment.sent", "payment.outcome", "payment.settled"])
def test_a_payment_whose_answer_was_lost_is_asked_for(rich, relay, tmp_path, point):
    fault = Fault(tmp_path, point, "kill")
    pylon, purse = rich(env=fault.env)
    shop = Shop(relay, purse, "33")
    request = order(pylon, relay, "--auto-pay", "--max", "5000")
    shop.ask(request, 3000)
    fault.wait()
    purse.close()
    wait_status(pylon, request["id"], "paid", "failed", seconds=60)
    assert spent(purse) == (3000 if status_of(pylon, request["id"]) == "paid" else 0)
