"""What became of every request: counted durably, explained, with the change that would have won it."""
import contextlib
import json
import signal
import sqlite3

from parts import customer, mining_job, wait_for


def post(relay, *templates, key=None):
    lines = customer("post", relay.url, *templates, env={"CUSTOMER_KEY": key} if key else None)
    return [line["request"] for line in lines if "request" in line]


def verdicts(pylon, *args):
    counts = {}
    for row in pylon.json("why", *args)["verdicts"]:
        counts[row["kind"], row["verdict"]] = counts.get((row["kind"], row["verdict"]), 0) + row["requests"]
    return counts


def kind(number, *tags):
    return json.dumps({"kind": number, "content": "x", "tags": [list(t) for t in tags]})


def test_each_request_has_a_verdict_and_the_best_change_comes_first(pylon, relay):
    wait_for(relay.subscribers, 20, "Pylon is subscribed")
    (good,) = post(relay, mining_job(8))
    post(relay, mining_job(60), mining_job(61))
    post(relay, *[kind(5100, ["i", str(i), "text"]) for i in range(3)], kind(5300, ["p", "ab" * 32]))
    post(relay, json.dumps({"tags": [*json.loads(mining_job(8))["tags"], ["p", "cd" * 32]]}))
    pylon.wait_state(good["id"], "completed")
    expected = {(5970, "accepted"): 1, (5970, "too-hard"): 2, (5100, "unsupported-kind"): 3, (5300, "not-for-us"): 1,
                (5970, "not-for-us"): 1}
    wait_for(lambda: verdicts(pylon) == expected, 20, f"{expected}, it is {verdicts(pylon)}")
    report = pylon.json("why")
    assert report["seen"] == 8 and report["accepted"] == 1
    assert all(row["relay"] == relay.url for row in report["verdicts"])
    advice = report["advice"]
    assert [(a["verdict"], a["requests"]) for a in advice[:2]] == [("unsupported-kind", 3), ("too-hard", 2)]
    assert advice[0]["kind"] == 5100 and all(a["change"] for a in advice)
    text = pylon.run("why").stdout
    assert "8 requests were seen, and 1 became jobs" in text
    assert "What would have won more" in text
    # The same event again is no other request.
    relay.inject(json.dumps(["EVENT", "SUB", good]))
    (after,) = post(relay, mining_job(8))
    pylon.wait_state(after["id"], "completed")
    assert verdicts(pylon)[5970, "accepted"] == 2
    # A forgery is none of them, and counted beside.
    forged = {**good, "id": "ab" * 32}
    relay.inject(json.dumps(["EVENT", "SUB", forged]))
    (bad,) = wait_for(lambda: pylon.json("why")["bad_events"], 20, "the forgery is counted")
    assert bad["relay"] == relay.url and bad["events"] >= 1
    assert "wrong signature" in pylon.run("why").stdout
    assert pylon.json("why")["accepted"] == 2


def test_the_story_of_one_request(pylon, relay):
    (good,) = post(relay, mining_job(12))
    (bad,) = post(relay, mining_job(60))
    pylon.wait_state(good["id"], "completed")
    story = wait_for(lambda: pylon.json("why", good["id"][:10]).get("run_ms") is not None
                     and pylon.json("why", good["id"][:10]), 20, "the story of the job")
    assert story["verdict"] == "accepted" and story["state"] == "completed"
    assert story["backend"] == "pow" and story["class"] == "free"
    assert story["relay"] == relay.url and story["customer"] == good["pubkey"]
    assert story["wait_ms"] >= 0 and story["run_ms"] >= 0
    refused = wait_for(lambda: pylon.json("why", bad["id"]), 20, "the story of the refused one")
    assert refused["verdict"] == "too-hard" and "harder" in refused["reason"]
    assert "state" not in refused
    error = json.loads(pylon.run("why", "0123456789", "--json", expect=1).stdout)["error"]
    assert error["name"] == "NoSuchJob"
    assert "Verdict: too-hard" in pylon.run("why", bad["id"]).stdout


def test_bids_below_the_price_say_which_price_would_have_won(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url])
    pylon.config.write_text(pylon.config.read_text().replace("require_payment = false", "require_payment = true")
                            .replace("enable_payments = false", "enable_payments = true\nmin_price_msats = 10000"))
    pylon.start()
    wait_for(relay.subscribers, 20, "Pylon is subscribed")
    template = json.loads(mining_job(8))
    bids = [9500, 6100, 6500, 7900, 1200, 100]
    requests = post(relay, *[json.dumps({"tags": [*template["tags"], ["bid", str(b)]]}) for b in bids])
    wait_for(lambda: all(relay.statuses(r["id"]) for r in requests), 20, "each is answered")
    report = wait_for(lambda: pylon.json("why")["bids"] and pylon.json("why"), 20, "bids are counted")
    assert {b["percent_of_price"]: b["requests"] for b in report["bids"]} == {90: 1, 70: 1, 60: 2, 10: 1, 0: 1}
    (advice,) = [a for a in report["advice"] if a["verdict"] == "too-cheap"]
    assert advice["percent_of_price"] == 60 and advice["requests"] == 4 and advice["price_msats"] == 6000
    assert "4 of kind 5970 bid at least 60 % of your price of 10 sat" in pylon.run("why").stdout


def test_counts_outlive_every_process(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    wait_for(relay.subscribers, 20, "Pylon is subscribed")
    requests = post(relay, *(mining_job(8, f"job {i}") for i in range(5)))
    for request in requests:
        pylon.wait_state(request["id"], "completed")
    assert verdicts(pylon)[5970, "accepted"] == 5  # and so they are with the store, which writes them down lazily
    wait_for(lambda: pylon.query("select sum(requests) from why_counts") == [(5,)], 10, "they are on the disk")
    for role in ("provider", "store"):
        pylon.kill(role, signal.SIGKILL)
    assert wait_for(lambda: json_or_nothing(pylon), 30, "an answer") == {(5970, "accepted"): 5}
    pylon.stop()
    pylon.start()
    assert wait_for(lambda: json_or_nothing(pylon), 30, "an answer") == {(5970, "accepted"): 5}
    assert pylon.query("select sum(requests) from why_counts") == [(5,)]


def json_or_nothing(pylon):
    done = pylon.run("why", "--json", expect=None)
    if done.returncode:
        return None
    counts = {}
    for row in json.loads(done.stdout)["verdicts"]:
        counts[row["kind"], row["verdict"]] = counts.get((row["kind"], row["verdict"]), 0) + row["requests"]
    return counts


def test_what_is_older_is_left_out(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    (request,) = post(relay, mining_job(8))
    pylon.wait_state(request["id"], "completed")
    assert verdicts(pylon)[5970, "accepted"] == 1
    pylon.stop()
    with contextlib.closing(sqlite3.connect(pylon.database("store"))) as db, db:
        db.execute("update why_counts set hour = hour - 30")
    pylon.start()
    assert pylon.json("why")["seen"] == 0
    assert "No request was seen" in pylon.run("why").stdout
    assert pylon.json("why", "--since", "3d")["seen"] == 1
