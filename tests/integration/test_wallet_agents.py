"""What pylon-wallet does for the host and its agents, and for nobody else: grants, ticks, transfers, invoices."""
import json

import pytest

from store_wire import GLib, Refused
from test_wallet import SERVICE, Purse

HOST = "pylon-host"


@pytest.fixture
def purse(make_pylon, relay, tmp_path):
    pylon = make_pylon("start", [relay.url])
    pylon.config.write_text(pylon.config.read_text().replace("enable_payments = false", "enable_payments = true"))
    pylon.start()
    one = Purse(pylon, tmp_path)
    yield one
    one.close()


def as_host(purse, method, types, *args):
    return purse.call(method, types, *args, program=HOST)


def grant(purse, name="agent:ada", **limits):
    as_host(purse, "SetGrant", "sss", name, name, json.dumps(limits))


def refused(error, ask, *args, **options):
    with pytest.raises(Refused) as e:
        ask(*args, **options)
    assert e.value.name.endswith("." + error), e.value


def host_pays(purse, name, msat):
    return purse.call("Pay", "sssxxa{sv}", name, "agent:ada", purse.invoice(msat)[1], 0, -1,
                      {"grant": GLib.Variant("s", "agent:ada")}, program=HOST, interface=SERVICE)


def test_an_agent_is_funded_spends_within_its_tick_and_gives_back(purse):
    purse.fund(1_000_000)
    as_host(purse, "Transfer", "sssxs", "t1", "owner", "agent:ada", 500_000, "to begin with")
    as_host(purse, "Transfer", "sssxs", "t1", "owner", "agent:ada", 500_000, "to begin with")
    grant(purse, per_tick_msat=30_000)
    for tick in ("1", "1"):
        purse.call("BeginTick", "ss", "agent:ada", tick, program=HOST, interface=SERVICE)
    assert host_pays(purse, "p1", 20_000)[0] == "settled"
    refused("NoMoney", host_pays, purse, "p2", 20_000)
    purse.call("BeginTick", "ss", "agent:ada", "1", program=HOST, interface=SERVICE)  # the same tick gives nothing
    refused("NoMoney", host_pays, purse, "p3", 20_000)
    purse.call("BeginTick", "ss", "agent:ada", "2", program=HOST, interface=SERVICE)
    assert host_pays(purse, "p4", 20_000)[0] == "settled"

    as_host(purse, "Transfer", "sssxs", "t2", "agent:ada", "provider", 10_000, "a thought")
    as_host(purse, "Transfer", "sssxs", "t3", "agent:ada", "owner", 50_000, "back")
    assert purse.call("Accounts", "as", ["agent:ada", "agent:new", "owner"], program=HOST, interface=SERVICE) == [
        ("agent:ada", 400_000, 0, False), ("agent:new", 0, 0, False), ("owner", 550_000, 0, False)]
    as_host(purse, "RevokeGrant", "s", "agent:ada")
    refused("NoMoney", host_pays, purse, "p5", 1_000)
    refused("NoMoney", as_host, purse, "Transfer", "sssxs", "t4", "agent:ada", "owner", 500_000, "too much")
    purse.verify()


def test_an_agents_invoice_fills_its_account(purse):
    purse.fund(100_000)
    _, bolt11, _ = as_host(purse, "CreateInvoice", "sxsu", "agent:ada", 21_000, "for ada", 600)
    assert purse.pay("p1", bolt11)[0] == "settled"
    assert purse.balances()["agent:ada"] == 21_000


def test_the_host_may_not_more_than_that(purse):
    purse.fund(100_000)
    purse.fund(100_000, "agent:ada")
    for name, types, *args in (
            ("Transfer", "sssxs", "x", "owner", "provider", 1, ""), ("Transfer", "sssxs", "x", "agent:ada", "agent:bob", 1, ""),
            ("Transfer", "sssxs", "x", "agent:ada", "outside", 1, ""), ("Transfer", "sssxs", "x", "outside", "agent:ada", 1, ""),
            ("SetGrant", "sss", "agent:ada", "owner", "{}"), ("SetGrant", "sss", "nwc:x", "agent:ada", "{}"),
            ("SetGrant", "sss", "mine", "agent:ada", "{}"), ("RevokeGrant", "s", "nwc:x"),
            ("CreateInvoice", "sxsu", "owner", 1000, "", 60), ("CreateInvoice", "sxsu", "provider", 1000, "", 60),
            ("Fund", "sx", "agent:ada", 1000), ("Unfreeze", "s", "agent:ada"), ("Approve", "sbs", "x", True, "")):
        refused("NotAllowed", as_host, purse, name, types, *args)
    refused("NotAllowed", purse.call, "BeginTick", "ss", "nwc:x", "1", program=HOST, interface=SERVICE)


@pytest.mark.parametrize("program", ["pylon-provider", "pylon-relay"])
def test_no_other_service_may_any_of_it(purse, program):
    purse.fund(100_000, "agent:ada")
    for interface, name, types, *args in (
            (None, "Transfer", "sssxs", "x", "agent:ada", "provider", 1, ""), (None, "SetGrant", "sss", "agent:ada", "agent:ada", "{}"),
            (None, "RevokeGrant", "s", "agent:ada"), (None, "CreateInvoice", "sxsu", "agent:ada", 1000, "", 60),
            (SERVICE, "BeginTick", "ss", "agent:ada", "1"), (SERVICE, "Accounts", "as", ["owner"]), (SERVICE, "LnurlInfo", "s", "a@b.c")):
        options = {"interface": interface} if interface else {}
        refused("NotAllowed", purse.call, name, types, *args, program=program, **options)
