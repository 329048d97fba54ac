"""Whose turn it is, and who is let in: fairness against a customer with very many jobs, limits, lists, drops."""
import contextlib
import json
import subprocess
import threading
import types

from paid import bolt11, demands, make_paid
from parts import NODE, customer, mining_job, tag, wait_for
from test_wallet import Purse

ABUSE = 10000


def post(relay, *templates, key=None):
    lines = customer("post", relay.url, *templates, env={"CUSTOMER_KEY": key} if key else None)
    return [line["request"] for line in lines if "request" in line]


def flood(relay, n, template):
    done = subprocess.run(["node", NODE / "flood.mjs", relay.url, str(n), template], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextlib.contextmanager
def watched(pylon):
    """The changes of all jobs, as `pylon job watch` prints them, in a list that grows."""
    changes = []
    process = subprocess.Popen(pylon.command("job", "watch", "--json"), stdout=subprocess.PIPE, text=True)

    def read():
        for line in process.stdout:
            changes.append(json.loads(line))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield changes
    finally:
        process.terminate()
        process.wait()
        reader.join(10)


def states(changes, request_id):
    return [c["state"] for c in changes if c["id"] == request_id]


def refusal(relay, request_id):
    errors = [e for e in relay.events(7000) if tag(e, "e") == request_id and tag(e, "status") == "error"]
    return errors and (tag(errors[0], "status", 2) or errors[0]["content"])


def test_ten_thousand_requests_delay_a_stranger_by_one_slot(way, make_pylon):
    """At Pylon's own relay: one in JavaScript would be what is measured."""
    pylon = make_pylon(way, None, "[provider]\nmax_concurrent_jobs = 1\nper_customer_max = 100000\n"
                       "queue_max = 100000\nper_customer_size = \"1G\"\n[pow]\nworkers = 1\n")
    pylon.start()
    own = types.SimpleNamespace(url=f"ws://127.0.0.1:{pylon.local_port}")
    abuser = flood(own, ABUSE, mining_job(20))
    wait_for(lambda: pylon.query("select count(*) from jobs")[0][0] == ABUSE, 60, "all of it is on disk")
    assert pylon.json("provider", "status")["queued"] > ABUSE * 8 // 10, "the abuser was served too fast for this test"
    with watched(pylon) as changes:
        wait_for(lambda: changes, 30, "the queue moves")
        (stranger,) = post(own, mining_job(20, "a stranger's"))
        wait_for(lambda: "completed" in states(changes, stranger["id"]), 60, "the stranger's job is done")
    since = next(i for i, c in enumerate(changes) if c["id"] == stranger["id"] and c["state"] == "queued")
    until = next(i for i, c in enumerate(changes) if c["id"] == stranger["id"] and c["state"] == "running")
    before = [c for c in changes[since:until] if c["state"] == "running"]
    assert len(before) <= 1, f"{len(before)} of the abuser's jobs came first"
    assert {c["customer"] for c in before} <= {abuser["pubkey"]}


def test_a_customer_runs_so_many_jobs_at_a_time(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url], "[provider]\nmax_concurrent_jobs = 4\nper_customer_running = 1\n"
                       "[pow]\nworkers = 4\n")
    pylon.start()
    key = "11" * 32
    requests = post(relay, *(mining_job(23, f"job {i}") for i in range(3)), key=key)
    wait_for(lambda: pylon.json("provider", "status")["running"] == 1 and pylon.json("provider", "status")["queued"] == 2,
             20, "one runs, two wait")
    (other,) = post(relay, mining_job(23, "another's"))
    wait_for(lambda: pylon.json("provider", "status")["running"] == 2, 20, "somebody else has his own slot")
    places = {j["id"]: j.get("position") for j in pylon.json("job", "list")}
    assert sorted(p for p in places.values() if p) == [1, 2]
    shown = next(pylon.json("job", "show", i) for i, p in places.items() if p == 2)
    assert shown["position"] == 2 and shown["class"] == "free"
    assert "queued 1" in pylon.run("job", "list").stdout
    for request in [*requests, other]:
        if pylon.state(request["id"]) not in ("completed", "publishing"):
            pylon.run("job", "cancel", request["id"][:8], expect=None)


def test_the_owner_cancels_and_the_customer_hears_so(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url], "[provider]\nmax_concurrent_jobs = 1\n[pow]\nworkers = 1\nmax_bits = 60\n")
    pylon.start()
    running, waiting = post(relay, mining_job(55, "runs for ever"), mining_job(55, "waits"))
    wait_for(lambda: {pylon.state(r["id"]) for r in (running, waiting)} == {"running", "queued"}, 20, "one runs, one waits")
    with watched(pylon) as changes:
        for request in (waiting, running):
            answer = pylon.json("job", "cancel", request["id"][:12])
            assert answer["cancelled"] == request["id"]
            pylon.wait_state(request["id"], "cancelled")
            assert "cancelled" in wait_for(lambda r=request: refusal(relay, r["id"]), 20, "the customer hears so")
        wait_for(lambda: states(changes, running["id"])[-1:] == ["cancelled"], 20, "whoever watches sees it")
    wait_for(lambda: pylon.json("provider", "status")["running"] == 0, 20, "nothing runs")
    (after,) = post(relay, mining_job(8))
    pylon.wait_state(after["id"], "completed")
    gone = json.loads(pylon.run("job", "cancel", after["id"], "--json", expect=None).stdout)["error"]
    assert gone["name"] == "NoSuchJob" and gone["hint"]


def test_who_asks_too_often_is_told_and_others_are_not(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url], "[provider]\nper_customer_rate = 3\n")
    pylon.start()
    requests = post(relay, *(mining_job(8, f"job {i}") for i in range(5)), key="22" * 32)
    (other,) = post(relay, mining_job(8))
    pylon.wait_state(other["id"], "completed")
    for request in requests[:3]:
        pylon.wait_state(request["id"], "completed")
    for request in requests[3:]:
        assert "often" in wait_for(lambda r=request: refusal(relay, r["id"]), 20, "he is told")
        assert pylon.state(request["id"]) is None
    verdicts = {v["verdict"]: v["requests"] for v in pylon.json("why")["verdicts"]}
    assert verdicts["too-fast"] == 2 and verdicts["accepted"] == 4


def test_keys_are_denied_and_agents_come_first(way, relay, make_pylon):
    denied, agent = "33" * 32, "44" * 32
    (bad,) = post(relay, mining_job(8), key=denied)
    (own,) = post(relay, mining_job(8, "an agent's"), key=agent)
    pylon = make_pylon(way, [relay.url], f"[provider]\nmax_concurrent_jobs = 1\ndeny = [\"{bad['pubkey']}\"]\n"
                       f"agents = [\"{own['pubkey']}\"]\n[pow]\nworkers = 1\nmax_bits = 60\n")
    pylon.start()
    pylon.wait_state(own["id"], "completed")
    verdicts = {v["verdict"]: v["requests"] for v in pylon.json("why")["verdicts"]}
    assert verdicts["denied"] == 1
    assert pylon.state(bad["id"]) is None
    assert not refusal(relay, bad["id"])

    (blocker,) = post(relay, mining_job(55, "runs for ever"))
    pylon.wait_state(blocker["id"], "running")
    strangers = post(relay, *(mining_job(55, f"stranger {i}") for i in range(3)))
    (mine,) = post(relay, mining_job(55, "an agent's second"), key=agent)
    jobs = wait_for(lambda: len([j for j in pylon.json("job", "list") if j.get("position")]) == 4
                    and {j["id"]: j for j in pylon.json("job", "list")}, 20, "four wait")
    assert jobs[mine["id"]]["position"] == 1 and jobs[mine["id"]]["class"] == "agent"
    for request in [*strangers, mine, blocker]:
        pylon.run("job", "cancel", request["id"])


def test_a_request_carries_the_work_that_is_asked_for(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url], "[provider]\nmin_pow = 6\n")
    pylon.start()
    (cheap,) = post(relay, mining_job(8))
    assert "proof of work" in wait_for(lambda: refusal(relay, cheap["id"]), 20, "he is told")
    signed = sign_with_work(json.loads(mining_job(8)), 6)
    publish(relay, json.dumps(["EVENT", signed]))
    pylon.wait_state(signed["id"], "completed")


def sign_with_work(template, bits):
    """Many variants in one call, and the first whose id has the zero bits."""
    base = [t for t in template["tags"] if t[0] != "nonce"]
    variants = [json.dumps({**template, "tags": [*base, ["nonce", str(n), str(bits)]]}) for n in range(600)]
    for event in customer("sign", "-", *variants):
        if 256 - int(event["id"], 16).bit_length() >= bits:
            return event
    raise AssertionError("no luck in 600 tries")


def publish(relay, frame):
    script = ("import WebSocket from 'ws'; const ws = new WebSocket(process.argv[1]);"
              "ws.on('open', () => ws.send(process.argv[2])); ws.on('message', () => ws.close());")
    subprocess.run(["node", "--input-type=module", "-e", script, relay.url, frame], check=True, cwd=NODE, timeout=30)


def test_many_free_jobs_leave_room_and_the_turn_to_who_pays(make_pylon, relay, tmp_path):
    """The abuser's jobs are free, and more than the queue takes of those that nobody has paid for."""
    pylon = make_paid(make_pylon, relay, more="[provider]\nmax_concurrent_jobs = 1\nqueue_max = 200\n"
                      "per_customer_max = 100000\n[pow]\nworkers = 1\n"
                      "[[price]]\nmodel = \"gift\"\nfree_per_day = 1000\n")
    purse = Purse(pylon, tmp_path)
    try:
        purse.fund(1_000_000)
        wait_for(relay.subscribers, 20, "Pylon is subscribed")
        template = json.loads(mining_job(22))
        template["tags"].append(["param", "model", "gift"])
        flood(relay, 400, json.dumps(template))
        wait_for(lambda: pylon.json("provider", "status")["queued"] >= 100, 30, "the abuser waits")
        full = wait_for(lambda: {v["verdict"]: v["requests"] for v in pylon.json("why")["verdicts"]}.get("queue-full"), 30,
                        "no more are taken")
        assert full >= 200
        with watched(pylon) as changes:
            (stranger,) = post(relay, mining_job(18, "a stranger's"))
            asked = wait_for(lambda: demands(relay, stranger), 30, "there is room for who pays")[0]
            assert purse.pay("the stranger", bolt11(asked))[0] == "settled"
            wait_for(lambda: "completed" in states(changes, stranger["id"]), 60, "the stranger's job is done")
        since = next(i for i, c in enumerate(changes) if c["id"] == stranger["id"] and c["state"] == "queued")
        until = next(i for i, c in enumerate(changes) if c["id"] == stranger["id"] and c["state"] == "running")
        assert sum(c["state"] == "running" for c in changes[since:until]) <= 1
        assert pylon.json("why", stranger["id"])["class"] == "paid"
    finally:
        purse.close()
