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


ROOT, FRIEND, STRANGER = "61" * 32, "62" * 32, "63" * 32


def post(relay, template, key):
    lines = customer("post", relay.url, template if isinstance(template, str) else json.dumps(template),
                     env={"CUSTOMER_KEY": key})
    return next(line["request"] for line in lines if "request" in line)


def test_only_who_is_followed_is_served_also_while_no_relay_answers(way, relay, make_pylon):
    friend = post(relay, {"kind": 1, "content": "hello"}, FRIEND)["pubkey"]
    root = post(relay, {"kind": 3, "tags": [["p", friend]]}, ROOT)["pubkey"]
    pylon = make_pylon(way, [relay.url], f"[provider]\ntrust = \"follows\"\ntrust_roots = [\"{root}\"]\n")
    pylon.start()
    wait_for(relay.subscribers, 20, "Pylon is subscribed")
    wait_for(lambda: pylon.query("select 1 from settings where name = 'provider.follows.0' and value <> ''"), 30,
             "the list of follows is kept")
    served_one = post(relay, mining_job(8, "a friend's"), FRIEND)
    pylon.wait_state(served_one["id"], "completed")
    other = post(relay, mining_job(8, "a stranger's"), STRANGER)
    again = post(relay, mining_job(8, "a friend's second"), FRIEND)
    pylon.wait_state(again["id"], "completed")
    assert pylon.state(other["id"]) is None
    wait_for(lambda: {v["verdict"]: v["requests"] for v in pylon.json("why")["verdicts"]}.get("not-trusted") == 1, 20,
             "the stranger was seen")

    # What was known holds where the relays have forgotten the list.
    pylon.stop()
    relay.kill()
    relay.file.write_text("")
    relay.start()
    pylon.start()
    wait_for(relay.subscribers, 60, "Pylon is subscribed")
    third = post(relay, mining_job(8, "a friend's third"), FRIEND)
    pylon.wait_state(third["id"], "completed", seconds=40)


def test_it_says_that_it_lives_and_answers_who_asks(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url], "[discovery]\nheartbeat = \"1s\"\nping = true\n")
    pylon.start()
    beat = wait_for(lambda: relay.events(11998), 20, "a heartbeat")[0]
    assert tag(beat, "status") == "online" and ["k", "5970"] in beat["tags"]
    assert int(tag(beat, "expiration")) > beat["created_at"]
    wait_for(lambda: len({e["created_at"] for e in relay.events(11998)}) >= 2, 20, "another one")
    ping = post(relay, {"kind": 7007, "tags": [["p", beat["pubkey"]]]}, FRIEND)
    pong = wait_for(lambda: [e for e in relay.events(7000) if tag(e, "e") == ping["id"]], 20, "the pong")[0]
    assert tag(pong, "status") == "pong" and tag(pong, "p") == ping["pubkey"] and pong["pubkey"] == beat["pubkey"]
    for i in range(20):
        post(relay, {"kind": 7007, "content": str(i), "tags": [["p", beat["pubkey"]]]}, STRANGER)
    done = post(relay, mining_job(8), FRIEND)
    pylon.wait_state(done["id"], "completed")
    assert len([e for e in relay.events(7000) if tag(e, "status") == "pong"]) <= 12  # of 21: six a minute for each
    pylon.stop()
    wait_for(lambda: tag(relay.events(11998)[-1], "status") == "offline", 20, "it says that it goes")


def test_the_profile_keeps_what_others_wrote_and_is_published_once(way, relay, make_pylon):
    pylon = make_pylon(way, [relay.url], "[discovery]\nprofile = true\n")
    pylon.start()
    first = wait_for(lambda: relay.events(0), 30, "the profile")[0]
    assert json.loads(first["content"]) == {"name": "under test"}
    assert first["pubkey"] == pylon.json("provider", "status")["public_key"]
    pylon.stop()
    pylon.start()
    (request,) = [post(relay, mining_job(8), FRIEND)]
    pylon.wait_state(request["id"], "completed")
    pylon.config.write_text(pylon.config.read_text().replace("under test", "renamed"))
    reload(pylon)
    wait_for(lambda: json.loads(relay.events(0)[-1]["content"])["name"] == "renamed", 30, "the new name")
    assert len(relay.events(0)) == 2
