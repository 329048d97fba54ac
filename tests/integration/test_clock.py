"""A clock that is set, forwards and back, while money moves: time in the books never goes backwards, no limit of a grant is
had twice, and nothing that was paid is lost."""
import os

import pytest

from paid import bolt11, demand, job_template, make_paid, post
from parts import BUILD, wait_for
from store_wire import Refused
from test_wallet import Purse

HOUR, DAY = 3600, 24 * 3600


class Clock:
    def __init__(self, folder):
        self.file = folder / "clock"
        self.set(0)
        self.env = {"LD_PRELOAD": str(BUILD / "tests/integration/clockshift.so"), "CLOCKSHIFT_FILE": str(self.file),
                    "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"}

    def set(self, seconds):
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.file)


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


@pytest.fixture
def shop(make_pylon, relay, tmp_path, clock):
    made = []

    def make(more=""):
        pylon = make_paid(make_pylon, relay, env=clock.env, more=more)
        made.append(Purse(pylon, tmp_path))
        made[-1].fund(1_000_000)
        return pylon, made[-1]

    yield make
    for one in made:
        one.close()


def pay(purse, name, msat, **options):
    _, invoice, _ = purse.invoice(msat)
    return purse.pay(name, invoice, **options)[0]


def test_time_in_the_books_never_goes_backwards(shop, clock):
    pylon, purse = shop()
    for n, seconds in enumerate((0, 2 * DAY, -DAY, 0, HOUR, -30 * DAY, 0)):
        clock.set(seconds)
        assert pay(purse, f"p{n}", 1000 + n) == "settled"
    wait_for(lambda: purse.balances().get("provider") == 7 * 1000 + 21, 10, "all is booked")
    times = [row[0] for row in pylon.query("select booked_at from ledger_entries order by seq")]
    assert len(times) >= 14 and times == sorted(times)
    purse.verify()
    assert pylon.json("ledger", "verify")["ok"]
    pylon.kill("store")  # what the books believe of the time outlives the store
    purse.close()
    assert wait_for(lambda: pylon.run("wallet", "balance", expect=None).returncode == 0, 20, "it is back")
    assert pay(purse, "last", 5000) == "settled"
    times = [row[0] for row in pylon.query("select booked_at from ledger_entries order by seq")]
    assert times == sorted(times)


def test_no_window_of_a_grant_is_had_twice(shop, clock):
    pylon, purse = shop()
    pylon.json("wallet", "grant", "pocket", "owner", "per_hour=100 sat", "per_day=250 sat")

    def spend(name):
        try:
            return pay(purse, name, 60_000, grant="pocket", fee=0)
        except Refused as refused:
            return refused.name.rpartition(".")[2]

    assert spend("first") == "settled"
    assert spend("second") == "NoMoney"  # 120 in an hour
    clock.set(-2 * HOUR)
    assert spend("back") == "NoMoney"
    clock.set(2 * HOUR)
    assert spend("two hours later") == "settled"
    for n in range(5):  # to and fro: time that has passed once does not pass again
        clock.set(-2 * HOUR if n % 2 == 0 else 2 * HOUR)
        assert spend(f"to and fro {n}") == "NoMoney"
    clock.set(4 * HOUR)
    assert spend("four") == "settled"
    clock.set(6 * HOUR)
    assert spend("six") == "settled"
    clock.set(8 * HOUR)
    assert spend("eight") == "NoMoney"  # 300 in a day
    clock.set(40 * HOUR)
    assert spend("the next day") == "settled"
    purse.verify()


def test_an_invoice_is_over_when_the_clock_says_so_and_nothing_is_lost(shop, relay, clock):
    pylon, purse = shop('[pay]\ninvoice_expiry = "10s"\n')
    (late,) = post(relay, job_template(content="forwards"))
    asked = demand(relay, late)
    clock.set(HOUR)
    with pytest.raises(Refused, match="expired"):
        purse.pay("late", bolt11(asked))
    pylon.wait_state(late["id"], "expired", seconds=40)
    assert purse.balances()["owner"] == 1_000_000

    clock.set(0)
    (early,) = post(relay, job_template(content="back"))
    asked = demand(relay, early)
    clock.set(-HOUR)  # its invoice seems to be good for another hour; the job's time passes all the same
    pylon.wait_state(early["id"], "expired", seconds=40)
    assert purse.pay("early", bolt11(asked))[0] == "settled"
    pylon.wait_state(early["id"], "completed", "owed", seconds=30)
    balances = purse.balances()
    assert balances["owner"] == 1_000_000 - 21_000
    assert balances.get("provider", 0) + balances.get("refunds", 0) + balances.get("held", 0) == 21_000
    purse.verify()



def test_a_clock_that_was_set_back_leaves_no_request_out(make_pylon, relay, clock):
    """As on a machine that starts without the time and is told it later."""
    pylon = make_pylon("start", [relay.url])
    clock.set(DAY)
    pylon.start(env=clock.env)
    wait_for(relay.subscribers, 20, "it asks from a day on that has not come")
    clock.set(0)
    relay.drop()
    wait_for(relay.subscribers, 20, "it asks once more, with the right time")
    (first,) = post(relay, job_template(content="after"))
    pylon.wait_state(first["id"], "completed")
    pylon.kill("relay")
    (second,) = post(relay, job_template(content="and again"))
    pylon.wait_state(second["id"], "completed")
    assert len(relay.results(first["id"])) == len(relay.results(second["id"])) == 1
