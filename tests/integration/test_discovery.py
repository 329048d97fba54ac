"""Whether others find the provider: an announcement for each kind, replaced when it changes, withdrawn by a stop
and by a crash."""
import json
import signal

from parts import customer, mining_job, tag, wait_for


def announced(relay):
    """d tag → the newest event of each announcement."""
    newest = {}
    for event in relay.events(31990):
        key = tag(event, "d")
        if key not in newest or event["created_at"] >= newest[key]["created_at"]:
            newest[key] = event
    return newest


def served(relay):
    """The kinds that a customer would find."""
    return {tag(e, "k") for e in announced(relay).values()} - {None}


def deletions(relay):
    return {t[1] for e in relay.events(5) for t in e["tags"] if t[0] == "a"}


def test_each_kind_has_an_announcement_of_its_own(pylon, relay):
    event = wait_for(lambda: announced(relay).get("pylon-5970"), 20, "the announcement of kind 5970")
    content = json.loads(event["content"])
    assert content["name"] == "under test"
    assert content["amount"] == "free"
    assert content["nip90Params"]["pow"] == {"required": False, "values": []}
    assert [t[1] for t in event["tags"] if t[0] == "k"] == ["5970"]


def test_it_is_withdrawn_at_stop_and_comes_back(pylon, relay):
    event = wait_for(lambda: announced(relay).get("pylon-5970"), 20, "the announcement")
    pylon.stop()
    wait_for(lambda: f"31990:{event['pubkey']}:pylon-5970" in deletions(relay), 20, "it is deleted")
    wait_for(lambda: served(relay) == set(), 20, "nobody finds it")
    pylon.start()
    again = wait_for(lambda: served(relay) == {"5970"} and announced(relay)["pylon-5970"], 20, "it is back")
    assert again["created_at"] > event["created_at"]


def test_it_is_withdrawn_after_a_crash_that_nobody_mends(way, relay, make_pylon):
    """The provider dies and cannot start again, because its configuration is broken meanwhile."""
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    event = wait_for(lambda: announced(relay).get("pylon-5970"), 20, "the announcement")
    good = pylon.config.read_text()
    pylon.kill("provider", signal.SIGKILL)
    wait_for(lambda: f"31990:{event['pubkey']}:pylon-5970" in deletions(relay), 20, "it is deleted after the crash")
    assert pylon.config.read_text() == good
    back = wait_for(lambda: served(relay) == {"5970"} and announced(relay)["pylon-5970"], 30, "it is announced again")
    assert back["created_at"] > event["created_at"]
    (request,) = [line["request"] for line in customer("post", relay.url, mining_job()) if "request" in line]
    pylon.wait_state(request["id"], "completed")


def test_what_is_said_already_is_not_said_again(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url])
    pylon.start()
    wait_for(lambda: announced(relay).get("pylon-5970"), 20, "the announcement")
    n = len(relay.events(31990))
    pylon.run("provider", "announce")
    wait_for(lambda: len(relay.events(31990)) == n + 1, 20, "said again where somebody asks for it")
    pylon.config.write_text(pylon.config.read_text().replace("under test", "another name"))
    reload(pylon)
    wait_for(lambda: json.loads(announced(relay)["pylon-5970"]["content"])["name"] == "another name", 20,
             "what changed is announced")
    n = len(relay.events(31990))
    reload(pylon)
    (request,) = [line["request"] for line in customer("post", relay.url, mining_job()) if "request" in line]
    pylon.wait_state(request["id"], "completed")
    assert len(relay.events(31990)) == n


def reload(pylon):
    import os
    os.kill(wait_for(lambda: pylon.pid("provider"), 10, "the provider runs"), signal.SIGHUP)


def test_the_provider_goes_offline_and_online_by_word(pylon, relay):
    wait_for(lambda: served(relay) == {"5970"}, 20, "the announcement")
    assert pylon.json("provider", "status")["state"] == "online"
    pylon.run("provider", "offline")
    wait_for(lambda: served(relay) == set(), 20, "it is withdrawn")
    wait_for(lambda: pylon.json("provider", "status")["state"] == "offline", 20, "it is offline")
    error = json.loads(pylon.run("provider", "announce", "--json", expect=1).stdout)["error"]
    assert error["name"] == "NotOnline" and error["hint"]
    pylon.run("provider", "online")
    wait_for(lambda: served(relay) == {"5970"}, 20, "it is announced")
    pylon.run("provider", "drain")
    wait_for(lambda: pylon.json("provider", "status")["state"] == "offline", 20, "it is drained")
