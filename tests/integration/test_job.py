"""The main job, in each way to start Pylon: a stranger's request arrives from a relay that is not ours and
is answered with events which that relay accepts. What may go wrong on the way goes wrong here."""
import json

import pytest

from parts import FINAL, customer, is_open, mined_bits, mining_job, tag, wait_for


def requests(lines):
    return [line["request"] for line in lines if "request" in line]


def buy(pylon, relays, *templates, seconds=30):
    """A customer's request and its answers; every answer verified by nostr-tools."""
    lines = customer("buy", ",".join(r.url for r in relays), seconds, *templates)
    answers = [line for line in lines if "event" in line]
    assert all(line["verified"] for line in answers)
    assert all(line["event"]["pubkey"] == answers[0]["event"]["pubkey"] for line in answers)
    return requests(lines), [line["event"] for line in answers]


def post(relays, *templates):
    return requests(customer("post", ",".join(r.url for r in relays), *templates))


def served_once(pylon, relay, request, bits=8, seconds=30):
    """The job is completed, its result is on the relay exactly once, and it is what was asked for."""
    pylon.wait_state(request["id"], "completed", seconds=seconds)
    results = wait_for(lambda: relay.results(request["id"]), seconds, "a result on the relay")
    assert len({r["id"] for r in results}) == 1
    result = results[0]
    assert mined_bits(result) >= bits
    assert tag(result, "p") == request["pubkey"]
    assert json.loads(tag(result, "request")) == request
    assert ["i", *next(t[1:] for t in request["tags"] if t[0] == "i")] in result["tags"]
    return result


def test_the_job(pylon, relay):
    (request,), answers = buy(pylon, [relay], mining_job(12))
    result = served_once(pylon, relay, request, 12)
    assert result["id"] in [a["id"] for a in answers]
    assert "processing" in relay.statuses(request["id"])

    jobs = pylon.json("job", "list")
    assert [j["id"] for j in jobs] == [request["id"]]
    assert jobs[0]["state"] == "completed"
    assert jobs[0]["kind"] == 5970
    assert pylon.json("job", "show", request["id"][:12])["customer"] == request["pubkey"]
    assert pylon.run("status").stdout
    assert pylon.json("status")
    assert pylon.json("earnings")


@pytest.mark.parametrize("scheme", ["nip44", "nip04"])
def test_an_encrypted_job_is_answered_in_the_same_scheme(pylon, relay, scheme):
    (announcement,) = wait_for(lambda: relay.events(31990), 20, "the announcement")
    template = {**json.loads(mining_job(10)), "scheme": scheme, "to": announcement["pubkey"]}
    lines = customer("buy", relay.url, 20, json.dumps(template))
    (request,) = requests(lines)
    (result,) = [line for line in lines if "event" in line and line["event"]["kind"] == 6970]
    assert "hello" not in json.dumps([request, result["event"]])
    assert ("?iv=" in result["event"]["content"]) == (scheme == "nip04")
    assert mined_bits({"content": result["opened"]}) >= 10
    assert ["encrypted"] in result["event"]["tags"]


def test_a_job_may_hold_characters_that_d_bus_does_not_carry(pylon, relay):
    template = json.loads(mining_job(8))
    template["tags"].append(["t", "\ufffe\ufdd0\U0001ffff"])
    (request,), _ = buy(pylon, [relay], json.dumps(template))
    assert "\ufffe" in request["tags"][-1][1]
    served_once(pylon, relay, request)
    (after,), _ = buy(pylon, [relay], mining_job(8))
    served_once(pylon, relay, after)


def test_the_announcement_names_the_kinds_and_is_withdrawn_at_stop(pylon, relay):
    announcement = wait_for(lambda: relay.events(31990), 10, "the announcement is on the relay")[0]
    assert tag(announcement, "d") is not None
    assert ["k", "5970"] in announcement["tags"]
    pylon.stop()
    wait_for(lambda: relay.events(5) or relay.events(31990)[-1]["content"] != announcement["content"], 10,
             "the announcement is withdrawn")


def test_a_job_that_comes_by_two_relays_runs_once(way, relay, second_relay, make_pylon):
    pylon = make_pylon(way, [relay.url, second_relay.url])
    pylon.start()
    (request,), _ = buy(pylon, [relay, second_relay], mining_job(10))
    first = served_once(pylon, relay, request)
    second = served_once(pylon, second_relay, request)
    assert first["id"] == second["id"]
    assert pylon.query("select count(*) from jobs") == [(1,)]


def test_a_relay_that_was_killed_is_used_again(pylon, relay):
    (request,), _ = buy(pylon, [relay], mining_job())
    served_once(pylon, relay, request)
    relay.kill()
    relay.start()
    wait_for(relay.subscribers, 60, "Pylon is subscribed again")
    (request,), _ = buy(pylon, [relay], mining_job())
    served_once(pylon, relay, request)


def test_a_job_posted_while_the_provider_was_down_is_served_after(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url])
    (first,) = post([relay], mining_job())
    pylon.start()
    served_once(pylon, relay, first)
    pylon.stop()
    (second,) = post([relay], mining_job())
    pylon.start()
    served_once(pylon, relay, second)
    assert len(relay.results(first["id"])) == 1


def test_forged_and_malformed_frames_change_nothing(pylon, relay):
    wait_for(relay.subscribers, 20, "Pylon is subscribed")
    (good,) = post([relay], mining_job())
    served_once(pylon, relay, good)

    forged = {**good, "content": "changed"}
    bad_signature = {**good, "sig": good["sig"][:-2] + ("00" if good["sig"][-2:] != "00" else "11")}
    half = json.dumps(["EVENT", "SUB", good])[:-40]
    deep = "[" * 5000 + "]" * 5000
    for frame in (json.dumps(["EVENT", "SUB", forged]), json.dumps(["EVENT", "SUB", bad_signature]), half, deep, "",
                  "null", "[]", "{}", '["EVENT"]', '["EVENT","SUB"]', '["EVENT","SUB",null]', '["EOSE",5]', '["OK"]',
                  '["EVENT","SUB",{"id":1}]', '["CLOSED","SUB","error: \\u0000 \\u001b[2J"]', '["NOTICE",{}]',
                  '["AUTH"]', '["EVENT","other",{}]', json.dumps(["EVENT", "SUB", {**good, "tags": [[None]]}])):
        relay.inject(frame)
        wait_for(relay.subscribers, 60, f"Pylon is subscribed after {frame[:60]}")
    relay.inject(b"\xff\xfe\x00binary", binary=True)
    wait_for(relay.subscribers, 60, "Pylon is subscribed after a binary frame")

    (again,) = post([relay], mining_job())
    served_once(pylon, relay, again)
    assert pylon.query("select count(*) from jobs") == [(2,)]
    assert len(relay.results(good["id"])) == 1


def test_an_oversized_frame_is_not_swallowed(pylon, relay):
    wait_for(relay.subscribers, 20, "Pylon is subscribed")
    relay.inject(json.dumps(["EVENT", "SUB", {"content": "x" * (8 << 20)}]))
    wait_for(relay.subscribers, 60, "Pylon is subscribed again")
    (request,) = post([relay], mining_job())
    served_once(pylon, relay, request, seconds=60)


def test_a_request_that_cannot_be_served_is_answered_with_the_reason(pylon, relay):
    hopeless = mining_job(200)
    nonsense = json.dumps({"tags": [["i", "not an event", "text"], ["param", "pow", "4"]]})
    for template in (hopeless, nonsense):
        lines = customer("buy", relay.url, 20, template)
        request = requests(lines)[0]
        errors = [line["event"] for line in lines if "event" in line and tag(line["event"], "status") == "error"]
        assert errors and (tag(errors[0], "status", 2) or errors[0]["content"])
        assert not relay.results(request["id"])
    assert pylon.query("select count(*) from jobs where status = 'completed'") == [(0,)]


def test_the_second_job_arrives_though_the_relay_was_unplugged_and_pylon_killed(pylon, relay):
    """A relay says OK for job 1 and is unplugged for job 2; relay service and then provider are killed."""
    first, second = post([relay], mining_job(8), mining_job(21, content="second"))
    served_once(pylon, relay, first)
    wait_for(lambda: pylon.state(second["id"]), 20, "the second job is known")
    relay.kill()
    pylon.kill("relay")
    pylon.kill("provider")
    wait_for(lambda: pylon.pid("provider"), 20, "the provider is back")
    relay.start()
    served_once(pylon, relay, second, 21, seconds=90)
    assert len(relay.results(first["id"])) == 1


@pytest.mark.parametrize("role", ["store", "signer", "relay", "provider"])
def test_any_one_service_may_be_restarted(pylon, relay, role):
    (request,) = post([relay], mining_job())
    served_once(pylon, relay, request)
    pylon.restart(role)
    (request,) = post([relay], mining_job())
    served_once(pylon, relay, request, seconds=60)


@pytest.mark.parametrize("role", ["store", "signer", "relay", "provider"])
def test_a_killed_service_comes_back_and_status_answers_meanwhile(pylon, relay, role):
    (request,) = post([relay], mining_job())
    served_once(pylon, relay, request)
    pylon.kill(role)
    assert pylon.run("status").stdout
    (request,) = post([relay], mining_job())
    served_once(pylon, relay, request, seconds=60)
    assert pylon.query("select count(*) from jobs where status = 'completed'") == [(2,)]


def test_data_lie_where_the_architecture_says(pylon, relay):
    (request,) = post([relay], mining_job())
    served_once(pylon, relay, request)
    assert pylon.database("store").exists()
    assert pylon.database("relay").exists()
    for path in (pylon.database("store"), pylon.database("relay")):
        assert path.stat().st_mode & 0o077 == 0, f"{path} is open to others"
    tables = {name for (name,) in pylon.query("select name from sqlite_master where type in ('table', 'view')")}
    assert {"jobs", "earnings", "agent_state", "tick_history", "invoices"} <= tables


def test_many_jobs_at_once_all_end(pylon, relay):
    posted = post([relay], *[mining_job(6, content=f"job {n}") for n in range(60)])
    for request in posted:
        pylon.wait_state(request["id"], *FINAL, seconds=60)
        assert len(wait_for(lambda: relay.results(request["id"]), 20, "a result on the relay")) == 1


def test_the_relay_on_this_machine_serves_a_customer_too(way, make_pylon):
    """The defaults: no other relay is configured, and the customer comes to ours."""
    pylon = make_pylon(way, None)
    pylon.start()
    wait_for(lambda: is_open(pylon.local_port), 20, "the local relay listens")
    lines = customer("buy", f"ws://127.0.0.1:{pylon.local_port}", 30, mining_job())
    (request,) = requests(lines)
    results = [line["event"] for line in lines if "event" in line and line["event"]["kind"] == 6970]
    assert len(results) == 1 and tag(results[0], "e") == request["id"]
    pylon.wait_state(request["id"], "completed")
