"""Zaps from end to end: an agent's request, a server of addresses that is not ours, the payment, and the receipt as
others and we read it. Nothing is zapped twice, whatever dies."""
import json

import pytest

from parts import tag, wait_for
from store_wire import GLib, Refused
from test_wallet import FAULTS, SERVICE, Purse, Stubborn
from zaps import Addresses, Keys, read_by_others, read_by_us

HOST = "pylon-host"
NOTE = "ab" * 32
NAMES = {"bob": "agent:bob", "plain": "agent:bob", "other": "agent:bob", "text": "agent:bob", "silent": "agent:bob"}


class World:
    def __init__(self, pylon, folder, relay, env=None):
        self.pylon, self.relay = pylon, relay
        pylon.config.write_text(pylon.config.read_text().replace("enable_payments = false", "enable_payments = true"))
        pylon.start(env=env)
        self.purse = Purse(pylon, folder)
        self.sure = Stubborn(self)
        self.keys = Keys(pylon, folder)
        self.ada, self.bob = (self.keys.agent(name) for name in ("ada", "bob"))
        self.addresses = Addresses(pylon, folder, **NAMES)

    def close(self):
        """What Stubborn does between two tries."""
        self.purse.close()

    def end(self):
        self.close()
        self.keys.close()
        self.addresses.kill()

    def host(self, method, types, *args):
        return self.purse.call(method, types, *args, program=HOST, interface=SERVICE)

    def info(self, name):
        return self.host("LnurlInfo", "s", self.addresses.at(name))

    def request(self, name, msat, comment="", lnurl=None, event=NOTE):
        lnurl = lnurl or self.info(name)[5]
        return self.keys.sign("ada", 9734, [["relays", self.relay.url], ["amount", str(msat)], ["lnurl", lnurl], ["p", self.bob],
                                            ["e", event], ["k", "1"]], comment)

    def zap(self, name, msat, request, pay_id="zap-1"):
        options = {"zap": GLib.Variant("s", request), "ref": GLib.Variant("s", pay_id), "purpose": GLib.Variant("s", "zap")}
        return self.host("Pay", "sssxxa{sv}", pay_id, "agent:ada", self.addresses.at(name), msat, -1, options)

    def receipts(self):
        return self.relay.events(9735)

    def balance(self, account):
        return self.purse.balances().get(account, 0)


@pytest.fixture
def world(make_pylon, relay, tmp_path):
    one = World(make_pylon("start", [relay.url]), tmp_path, relay)
    one.purse.fund(500_000, "agent:ada")
    yield one
    one.end()


def test_an_agent_zaps_another_and_everybody_reads_the_receipt(world):
    low, high, comment_max, allows, server, lnurl, about = world.info("bob")
    assert (low, high, comment_max, allows, server, about) == (1000, 100_000_000, 100, True, world.addresses.pubkey, "for bob")
    comment = "tea & \"cake\" for 5€ 🦙"
    request = world.request("bob", 21_000, comment, lnurl)
    state, hash_, *_ = world.zap("bob", 21_000, request)
    assert state == "settled"
    assert (world.balance("agent:ada"), world.balance("agent:bob")) == (479_000, 21_000)

    (receipt,) = wait_for(world.receipts, 20, "the receipt is on the relay")
    expected = {"sender": world.ada, "recipient": world.bob, "event": NOTE, "comment": comment, "msat": 21_000, "hash": hash_}
    assert read_by_others(receipt) == expected
    assert read_by_us(receipt, world.bob) == {**expected, "proven": True}
    assert receipt["pubkey"] == server and tag(receipt, "description") == request
    assert read_by_us(receipt, world.ada) == "it is for somebody else"

    # The same zap again asks nobody and pays nothing.
    assert world.zap("bob", 21_000, request)[:2] == (state, hash_)
    assert world.addresses.asked("bob") == 1 and world.balance("agent:ada") == 479_000
    world.purse.verify()


@pytest.mark.parametrize("name, why", [("other", "something else"), ("text", "something else"), ("plain", "nothing of zaps")])
def test_an_invoice_that_is_not_for_the_zap_is_not_paid(world, name, why):
    with pytest.raises(Refused, match=why):
        world.zap(name, 21_000, world.request(name, 21_000))
    assert world.balance("agent:ada") == 500_000 and world.receipts() == []
    assert world.pylon.query("select count(*) from payments") == [(0,)]


def test_a_request_that_is_wrong_is_not_even_sent(world):
    good = world.request("bob", 21_000)
    forged = json.dumps({**json.loads(good), "content": "another comment"})
    elsewhere = world.request("bob", 21_000, lnurl=world.info("silent")[5])
    for name, msat, request, why in (("bob", 22_000, good, "another amount"), ("bob", 21_000, forged, "id"),
                                     ("bob", 21_000, elsewhere, "another address"), ("bob", 21_000, "{}", "missing"),
                                     ("bob", 21_000, "x" * 9000, "too long")):
        with pytest.raises(Refused, match=why):
            world.zap(name, msat, request)
    with pytest.raises(Refused, match="address"):
        world.host("Pay", "sssxxa{sv}", "z", "agent:ada", world.purse.invoice(21_000)[1], 0, -1, {"zap": GLib.Variant("s", good)})
    assert world.addresses.asked("bob") == 0 and world.balance("agent:ada") == 500_000


POINTS = ("payment.new", "payment.sent", "payment.outcome", "payment.settled", "invoice.settled@2")


@pytest.mark.skipif(not FAULTS, reason="needs a build with -Dfaults=true")
@pytest.mark.parametrize("point", POINTS)
def test_a_zap_is_paid_once_whatever_dies(point, make_pylon, relay, tmp_path):
    once = tmp_path / "once"
    once.mkdir()
    world = World(make_pylon("start", [relay.url]), tmp_path, relay,
                  {"PYLON_FAULTS": f"{point}=kill", "PYLON_FAULTS_ONCE": once})
    try:
        world.purse.fund(500_000, "agent:ada")
        request = world.request("bob", 21_000)
        state = wait_for(lambda: (s := world.sure.zap("bob", 21_000, request)[0]) in ("settled", "failed") and s, 60, "the zap is over")
        assert list(once.iterdir()), "nothing died"
        assert state == "settled" or point == "payment.new"  # it was never sent
        paid = 21_000 if state == "settled" else 0
        wait_for(lambda: world.sure.balance("agent:bob") == paid, 20, "bob has it")
        assert world.sure.balance("agent:ada") == 500_000 - paid
        assert world.pylon.query("select count(*) from payments where status = 'settled'") == [(paid // 21_000,)]
        if paid:
            (receipt,) = wait_for(world.receipts, 30, "the receipt is on the relay")
            assert read_by_us(receipt, world.bob)["msat"] == 21_000
        world.purse.verify()
    finally:
        world.end()
