"""Buying. A purchase is on disk before anybody hears of it: a closed terminal and every kill of pylon-host lose
nothing, and what was answered meanwhile is found."""
import json
import os
import signal
import subprocess

import pytest

from parts import BUILD, customer, tag, wait_for
from test_crash import Fault

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
    assert terminal.returncode == 0
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
