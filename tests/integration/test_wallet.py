"""pylon-wallet with the wallet that is built in: real invoices, the books behind them, and no sat lost or paid
twice whatever dies in between."""
import json
import subprocess

import pytest

from parts import wait_for
from store_wire import Refused, Wire

PUBLIC = "com.openagents.Pylon1.Wallet"
SERVICE = PUBLIC + ".Service"


class Purse:
    """The wallet of a running Pylon, asked over its private socket as its owner does."""

    def __init__(self, pylon, folder):
        self.pylon, self.folder = pylon, folder
        self.wires = {}

    def wire(self, program="owner"):
        if program not in self.wires:
            self.wires[program] = Wire(self.folder, str(self.pylon.base / "run/wallet.sock"), program)
        return self.wires[program]

    def call(self, method, types="", *args, program="owner", interface=PUBLIC):
        return self.wire(program).call(interface, method, types, *args)

    def close(self):
        for wire in self.wires.values():
            wire.close()
        self.wires = {}

    def balances(self):
        return {account: balance for account, balance, _ in self.call("Balances")}

    def fund(self, msat, account="owner"):
        before = self.balances().get(account, 0)
        self.call("Fund", "sx", account, msat)
        wait_for(lambda: self.balances().get(account, 0) == before + msat, 10, "the faucet's money is booked")

    def invoice(self, msat, account="provider", text="", expiry=600):
        return self.call("CreateInvoice", "sxsu", account, msat, text, expiry)

    def pay(self, name, destination, msat=0, account="owner", fee=-1, **options):
        from gi.repository import GLib
        options = {k: GLib.Variant("s", v) for k, v in options.items()}
        return self.call("Pay", "sssxxa{sv}", name, account, destination, msat, fee, options)

    def verify(self):
        ok, report = self.call("Verify")
        assert ok, report


@pytest.fixture
def purse(make_pylon, relay, tmp_path):
    pylon = make_pylon("start", [relay.url])
    pylon.start()
    one = Purse(pylon, tmp_path)
    yield one
    one.close()


def test_accounts_of_one_machine_pay_each_other(purse):
    purse.fund(5_000_000)
    hash_, bolt11, _ = purse.invoice(1_234_567)
    state, paid, preimage, fee, reason = purse.pay("p1", bolt11)
    assert (state, paid, fee, reason) == ("settled", hash_, 0, "")
    import hashlib
    assert hashlib.sha256(bytes.fromhex(preimage)).hexdigest() == hash_
    wait_for(lambda: purse.balances().get("provider") == 1_234_567, 5, "the provider has it")
    assert purse.balances()["owner"] == 5_000_000 - 1_234_567
    assert purse.pay("p1", bolt11)[:2] == ("settled", hash_)
    assert purse.pay("p2", bolt11)[:2] == ("settled", hash_)
    assert purse.balances()["owner"] == 5_000_000 - 1_234_567
    purse.verify()


def test_a_person_pays_and_is_paid_by_the_command(purse):
    pylon = purse.pylon
    assert pylon.json("wallet", "status")["driver"] == "regtest"
    assert pylon.json("wallet", "fund", "1000")["done"]
    wait_for(lambda: [a for a in pylon.json("wallet", "balance") if a["account"] == "owner" and
                      a["balance_msats"] == 1_000_000], 10, "the money is there")
    invoice = pylon.json("wallet", "invoice", "21", "a cup of tea", "--account", "provider")
    assert pylon.run("wallet", "pay", invoice["bolt11"], expect=1).stderr.startswith("Money is spent only after")
    paid = pylon.json("wallet", "pay", invoice["bolt11"], "--yes", "--id", "tea")
    assert (paid["state"], paid["payment_hash"], paid["fee_msats"]) == ("settled", invoice["payment_hash"], 0)
    assert pylon.json("wallet", "pay", invoice["bolt11"], "--yes", "--id", "tea") == paid
    assert pylon.json("wallet", "show", "tea")["amount_msat"] == 21_000
    wait_for(lambda: pylon.json("wallet", "show", invoice["payment_hash"])["state"] in ("settled", "paid"), 5, "paid")
    assert pylon.json("wallet", "transfer", "5", "provider", "agent:one", "--yes")["done"]
    assert pylon.json("wallet", "grant", "a", "agent:one", "per_day=2 sat", "payee=x")["done"]
    [grant] = pylon.json("wallet", "grant")
    assert (grant["limits"], grant["account"]) == ({"per_day_msat": 2000, "payees": ["x"]}, "agent:one")
    kinds = [line["kind"] for line in pylon.json("wallet", "history")]
    assert kinds.count("payment") >= 1 and "transfer" in kinds
    assert "5 sat" in pylon.run("wallet", "balance").stdout
    assert "no amount" in pylon.run("wallet", "fund", "many", expect=2).stderr
    error = pylon.json("wallet", "pay", "lnbcrt1nonsense", "--yes", expect=2)["error"]
    assert error["name"] == "BadInput"
    purse.verify()
