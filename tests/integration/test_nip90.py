"""NIP-90 from a customer's side: NDK and nostr-tools ask, through a relay that is not ours; a model of the test's
own answers. What is asked, from where inputs come, what is heard meanwhile, and what comes out."""
import json
import os
import subprocess
import time

import pytest

from mind import Mind, Pages
from paid import bolt11, demand, demands
from parts import NODE, customer, tag, wait_for
from test_paid import paid  # noqa: F401, a fixture


@pytest.fixture
def mind():
    one = Mind()
    yield one
    one.stop()


@pytest.fixture
def pages():
    one = Pages({})
    yield one
    one.stop()


@pytest.fixture
def open_pylon(way, relay, make_pylon, mind):
    """open_pylon(settings): online, and its model is served. The settings are sections."""
    def make(more=""):
        one = make_pylon(way, [relay.url], more=mind.config() + more)
        one.start()
        wait_for(lambda: any(tag(e, "k") and ["k", "5050"] in e["tags"] for e in relay.events(31990)), 30,
                 "text generation is announced")
        return one
    return make


def us(relay):
    return relay.events(31990)[-1]["pubkey"]


def template(kind, *tags, content="", **more):
    return json.dumps({"kind": kind, "tags": list(tags), "content": content, **more})


def text(words):
    return ["i", words, "text"]


def buy(relay, *templates, seconds=30, expect=0):
    """(request, its answers as customer.mjs printed them, oldest first) for one template."""
    lines = customer("buy", relay.url, seconds, *templates, expect=expect)
    answers = [line for line in lines if "event" in line]
    assert all(line["verified"] for line in answers)
    return lines[0]["request"], answers


def result_of(answers):
    results = [a for a in answers if a["event"]["kind"] != 7000]
    assert len({a["event"]["id"] for a in results}) == 1, answers
    return results[0]["event"]


def error_of(answers):
    assert not [a for a in answers if a["event"]["kind"] != 7000]
    return next(tag(a["event"], "status", 2) for a in answers if tag(a["event"], "status") == "error")


def ndk(relay, kind, order, seconds=30):
    done = subprocess.run(["node", NODE / "ndk.mjs", relay.url, str(seconds), str(kind), json.dumps(order)],
                          capture_output=True, text=True, timeout=seconds + 30, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- kinds and spellings

def test_ndk_buys_text(open_pylon, relay, mind):
    open_pylon()
    said, *heard = ndk(relay, 5050, {"input": [["What is the capital of France?", "text"]], "output": "text/plain",
                                     "params": {"model": "llama3.2", "max_tokens": "64", "temperature": "0.5", "top_k": "40"}})
    (result,) = [h for h in heard if "result" in h]
    assert result["result"] == "Paris."
    assert result["jobRequestId"] == said["request"]["id"]
    assert result["status"] == "success"
    assert tag(result["event"], "model") == "llama3.2"
    assert tag(result["event"], "output") == "text/plain"
    assert "processing" in [h.get("status") for h in heard]
    assert mind.prompts() == [["What is the capital of France?"]]
    assert mind.asked[0]["max_tokens"] == 64 and mind.asked[0]["temperature"] == 0.5


@pytest.mark.parametrize("scheme", ["ndk", "nip44", "nip04"])
def test_an_encrypted_request_is_answered_in_kind_in_all_it_hears(open_pylon, relay, mind, scheme):
    mind.answer = lambda messages: ["Par", 0.4, "is", 0.4, "."]
    open_pylon('[feedback]\npartial_interval = "100ms"\n')
    if scheme == "ndk":
        said, *heard = ndk(relay, 5050, {"input": [["capital?", "text"]], "provider": us(relay), "encrypt": True})
        request = said["request"]
        words = [h.get("result") or h.get("content") for h in heard]
        events = [h["event"] for h in heard]
    else:
        request, heard = buy(relay, template(5050, text("capital?"), scheme=scheme, to=us(relay)))
        words = [h.get("opened") for h in heard]
        events = [h["event"] for h in heard]
    assert "capital" not in json.dumps(request)
    assert "Paris." in words
    assert mind.prompts() == [["capital?"]]
    partials = [(e, w) for e, w in zip(events, words) if tag(e, "status") == "partial"]
    assert partials
    for event, opened in partials:
        assert json.loads(opened)[-1][0] == "content" and "Paris.".startswith(json.loads(opened)[-1][1])
    assert "Par" not in json.dumps(events)
    assert all(("?iv=" in e["content"]) == (scheme == "nip04") for e in events if e["content"])


def test_an_encrypted_request_hears_its_error_encrypted(open_pylon, relay):
    open_pylon()
    request, heard = buy(relay, template(5050, ["output", "image/png"], text("x"), scheme="nip44", to=us(relay)))
    (error,) = [h for h in heard if tag(h["event"], "status") == "error"]
    assert tag(error["event"], "status", 2) is None
    assert json.loads(error["opened"]) == [
        ["status", "error", "This kind of work is not answered in the output format that is asked for."]]


SPELLINGS = {
    "i with its type": (5050, [["i", "Hi", "text"]], ""),
    "i without a type": (5050, [["i", "Hi"]], ""),
    "a type that is none": (5050, [["i", "Hi", "prompt"]], ""),
    "input": (5050, [["input", "text", "Hi"]], ""),
    "a parameter": (5050, [["param", "prompt", "Hi"]], ""),
    "the content": (5050, [], "Hi"),
    "content beside i": (5050, [["i", "Hi", "text"]], "NIP 90 Text Generation Request"),
    "relays without their name": (5050, [["i", "Hi", "text"], ["wss://a.example", "wss://b.example"]], ""),
    "a bid with underscores": (5050, [["i", "Hi", "text"], ["bid", "100_000"]], ""),
    "numbers that are none": (5050, [["i", "Hi", "text"], ["param", "max_tokens", "lots"], ["param", "temperature", "hot"]], ""),
    "an empty parameter": (5050, [["i", "Hi", "text"], ["param"], ["param", "model"], ["output"], ["p", "nobody"]], ""),
}


def test_understandable_mistakes_are_served(open_pylon, relay, mind):
    open_pylon()
    lines = customer("buy", relay.url, 40, *[template(kind, *tags, ["t", name], content=content)
                                             for name, (kind, tags, content) in SPELLINGS.items()])
    requests = {line["request"]["id"]: line["request"] for line in lines if "request" in line}
    results = {tag(line["event"], "e"): line["event"]["content"] for line in lines
               if "event" in line and line["event"]["kind"] == 6050}
    assert {tag(r, "t"): results.get(i) for i, r in requests.items()} == dict.fromkeys(SPELLINGS, "Paris.")
    assert mind.prompts() == [["Hi"]] * len(SPELLINGS)


def test_the_registrys_text_kinds_are_prompts(open_pylon, relay, mind):
    open_pylon()
    for kind, tags, told in (
            (5000, [], "Extract the text"),
            (5001, [["param", "length", "3 words"]], "in 3 words"),
            (5002, [["param", "language", "de"]], '"de"')):
        request, heard = buy(relay, template(kind, text("Some words."), *tags))
        assert result_of(heard)["kind"] == kind + 1000
        assert result_of(heard)["content"] == "Paris."
        system = [m["content"] for m in mind.asked[-1]["messages"] if m["role"] == "system"]
        assert told in system[0]
        assert mind.prompts()[-1] == ["Some words."]


def test_any_other_kind_is_a_row_of_the_settings(open_pylon, relay, mind):
    open_pylon('[[kind]]\nkind = 5933\nprompt = "Review this {language|C}:\\n{input}"\noutputs = ["text/markdown"]\n'
               '[[kind]]\nkind = 5940\nas = "embeddings"\n')
    wait_for(lambda: ["k", "5933"] in [t for e in relay.events(31990) for t in e["tags"]], 20, "it is announced")
    request, heard = buy(relay, template(5933, text("int x;"), ["param", "language", "C++"]))
    assert mind.prompts() == [["Review this C++:\nint x;"]]
    assert tag(result_of(heard), "output") == "text/markdown"
    request, heard = buy(relay, template(5940, text("a"), text("bcd")))
    assert [row[0] if isinstance(row, list) else row for row in json.loads(result_of(heard)["content"])]


def test_what_is_not_possible_is_refused_with_a_reason(open_pylon, relay, mind):
    pylon = open_pylon()
    for tags, reason in (
            ([text("x"), ["output", "image/png"]], "This kind of work is not answered in the output format that is asked for."),
            ([], "The request has no input."),
            ([text("  ")], "The request's inputs are empty."),
            ([["i", "hello", "event"]], "The input names no event."),
            ([["i", "file:///etc/passwd", "url"]], "The input is not a URL that begins with https://."),
            ([["i", "https://www.youtube.com/watch?v=J8LONr-6VmM", "url"]],
             "The URL is not of a text, and this provider reads texts only.")):
        request, heard = buy(relay, template(5050, *tags))
        assert error_of(heard) == reason
        assert pylon.state(request["id"]) is None
    assert mind.asked == []


def test_json_is_answered_as_json(open_pylon, relay, mind):
    mind.answer = lambda messages: ["Sure:\n```json\n", '{"capital": "Paris"}', "\n```"]
    open_pylon()
    request, heard = buy(relay, template(5050, text("capital?"), ["output", "application/json"]))
    assert json.loads(result_of(heard)["content"]) == {"capital": "Paris"}
    assert tag(result_of(heard), "output") == "application/json"
    mind.answer = lambda messages: ["I would rather not."]
    request, heard = buy(relay, template(5050, text("capital?"), ["output", "application/json"]))
    assert tag(result_of(heard), "output") == "text/plain"
    assert tag(result_of(heard), "status", 2) == "The model did not answer in JSON."


# ---- inputs

def test_an_event_is_an_input(open_pylon, relay, mind):
    open_pylon()
    (note,) = [line["request"] for line in customer("post", relay.url, template(1, content="GM, nostr."))]
    request, heard = buy(relay, template(5001, ["i", "Summarize this", "text"], ["i", note["id"], "event"]))
    assert result_of(heard)["content"] == "Paris."
    assert mind.prompts() == [["Summarize this\n\nGM, nostr."]]


def test_an_event_that_does_not_come_is_an_error(open_pylon, relay, mind):
    pylon = open_pylon('[input]\ntimeout = "5s"\n')
    (note,) = customer("sign", "-", template(1, content="Never published."))
    (request,) = [line["request"] for line in customer("post", relay.url, template(5001, ["i", note["id"], "event"]))]
    pylon.wait_state(request["id"], "queued")
    pylon.wait_state(request["id"], "failed", seconds=30)
    (error,) = wait_for(lambda: [e for e in relay.events(7000) if tag(e, "status") == "error"], 10, "the customer hears it")
    assert tag(error, "status", 2) == "The event that is the input was not found."
    assert mind.asked == []


def test_a_page_is_an_input(open_pylon, relay, mind, pages):
    pages.pages = {
        "/plain": (200, {"Content-Type": "text/plain"}, "Grüße".encode()),
        "/page": (200, {"Content-Type": "text/html; charset=utf-8"},
                  b"<html><script>var a = '<p>';</script><p>One &amp; two</p><p>Three</p></html>"),
        "/moved": (302, {"Location": "/plain"}, b""),
        "/picture": (200, {"Content-Type": "image/png"}, b"\x89PNG"),
        "/gone": (410, {}, b""),
        "/large": (200, {"Content-Type": "text/plain"}, b"x" * 70000),
    }
    pylon = open_pylon('[input]\nallow_private = true\nsize_max = "64K"\n')
    for path, read in (("/plain", "Grüße"), ("/page", "One & two\n\nThree"), ("/moved", "Grüße")):
        request, heard = buy(relay, template(5000, ["i", pages.url + path, "url"]))
        assert result_of(heard)["content"] == "Paris."
        assert mind.prompts()[-1] == [read]
    n = len(mind.asked)
    for path, reason in (
            ("/picture", "What the URL leads to is not a text."),
            ("/gone", "The URL could not be fetched: the server answered with status 410."),
            ("/large", "An input is larger than this provider takes.")):
        request, heard = buy(relay, template(5000, ["i", pages.url + path, "url"]))
        assert error_of(heard) == reason
        assert pylon.state(request["id"]) == "failed"
    assert len(mind.asked) == n


def test_who_asks_for_a_heap_of_pages_does_not_delay_a_stranger(open_pylon, relay, mind, pages):
    """So many are fetched at a time, and customers take turns."""
    pages.pages = {f"/{i}": (200, {"Content-Type": "text/plain"}, b"x" * 1000) for i in range(101)}
    pages.gate.clear()
    pylon = open_pylon('[input]\nallow_private = true\n')
    heap = [template(5000, ["i", f"{pages.url}/{i}", "url"]) for i in range(100)]
    customer("post", relay.url, *heap)
    wait_for(lambda: pylon.query("select count(*) from jobs") == [(100,)], 60, "the heap is here")
    wait_for(lambda: len(pages.hits) == 16, 20, "the first of them are being fetched")
    customer("post", relay.url, template(5000, ["i", f"{pages.url}/100", "url"]))
    wait_for(lambda: pylon.query("select count(*) from jobs") == [(101,)], 20, "the stranger is here")
    assert len(pages.hits) == 16
    pages.gate.set()
    wait_for(lambda: pylon.query("select count(*) from jobs where status = 'completed'") == [(101,)], 60, "all are done")
    assert pages.hits.index("/100") < 24, pages.hits


def test_an_expired_request_is_not_run(open_pylon, relay, mind, pages):
    pages.pages = {"/": (200, {"Content-Type": "text/plain"}, b"x")}
    pages.delay = 3
    pylon = open_pylon('[input]\nallow_private = true\n')
    request, heard = buy(relay, template(5000, ["i", f"{pages.url}/", "url"], ["expiration", str(int(time.time()) + 2)]))
    assert error_of(heard) == "The request expired before its turn came."
    assert pylon.state(request["id"]) == "failed" and mind.asked == []


PRIVATE = ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "http://10.0.0.1:{port}/",
           "http://192.168.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::ffff:127.0.0.1]:{port}/",
           "http://127.1:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/", "http://0:{port}/",
           "http://relay.internal/", "http://a@127.0.0.1:{port}/", "http://user:pass@example.com/"]


def test_no_url_of_a_stranger_leads_into_our_network(open_pylon, relay, mind, pages):
    """By name they are refused before anything else happens."""
    pylon = open_pylon()
    port = pages.url.rsplit(":", 1)[1]
    lines = customer("buy", relay.url, 40, *[template(5000, ["i", url.format(port=port), "url"]) for url in PRIVATE])
    requests = [line["request"] for line in lines if "request" in line]
    errors = {tag(line["event"], "e"): tag(line["event"], "status", 2) for line in lines
              if "event" in line and tag(line["event"], "status") == "error"}
    assert {errors.get(r["id"]) for r in requests} <= {"The URL does not lead to a public address.",
                                                       "The input is not a URL that can be fetched."}
    assert len(errors) == len(PRIVATE)
    assert pages.hits == [] and mind.asked == []
    assert pylon.query("select count(*) from jobs") == [(0,)]


REBINDING = {"rebind.example.com": ["127.0.0.1"], "six.example.com": ["::1"], "lan.example.com": ["10.0.0.1"],
             "mapped.example.com": ["::ffff:127.0.0.1"], "cloud.example.com": ["169.254.169.254"]}


@pytest.mark.skipif(os.geteuid() != 0, reason="names of one's own need a mount namespace")
@pytest.mark.parametrize("allowed", [False, True])
def test_a_public_name_of_a_private_address_leads_nowhere(way, relay, make_pylon, mind, pages, tmp_path, allowed):
    """The address is judged when the connection is made: whatever a name says by then. Where it is allowed, the same
    names do lead there, so that this test can fail."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{a} {name}\n" for name, l in REBINDING.items() for a in l))
    more = "[input]\nallow_private = true\n" if allowed else ""
    pylon = make_pylon(way, [relay.url], more=mind.config() + more)
    command = pylon.command
    pylon.command = lambda *args, **more: ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"',
                                           hosts, *command(*args, **more)]
    pylon.start()
    wait_for(lambda: any(["k", "5000"] in e["tags"] for e in relay.events(31990)), 30, "it is announced")
    port = pages.url.rsplit(":", 1)[1]
    if allowed:
        pages.pages = {"/": (200, {"Content-Type": "text/plain"}, b"secret")}
        buy(relay, template(5000, ["i", f"http://rebind.example.com:{port}/", "url"]))
        assert mind.prompts() == [["secret"]]
        return
    lines = customer("buy", relay.url, 40, *[template(5000, ["i", f"http://{name}:{port}/", "url"]) for name in REBINDING])
    requests = [line["request"] for line in lines if "request" in line]
    errors = {tag(line["event"], "e"): tag(line["event"], "status", 2) for line in lines
              if "event" in line and tag(line["event"], "status") == "error"}
    assert [errors.get(r["id"]) for r in requests] == ["The URL does not lead to a public address."] * len(REBINDING)
    assert {pylon.state(r["id"]) for r in requests} == {"failed"}
    assert pages.hits == [] and mind.asked == []


def test_a_job_is_the_input_of_another(open_pylon, relay, mind):
    mind.answer = lambda messages: ["<", messages[-1]["content"], ">"]
    pylon = open_pylon()
    first, heard = buy(relay, template(5050, text("one")))
    second, heard = buy(relay, template(5050, ["i", first["id"], "job"]))
    assert result_of(heard)["content"] == "<<one>>"
    assert pylon.state(second["id"]) in ("publishing", "completed")


def test_a_job_waits_for_the_one_that_is_its_input(open_pylon, relay, mind):
    """The first one is slow; the second holds no slot meanwhile, and survives a restart."""
    mind.answer = lambda messages: ["<", 3, messages[-1]["content"], ">"] if messages[-1]["content"] == "one" \
        else ["<", messages[-1]["content"], ">"]
    pylon = open_pylon('[provider]\nmax_concurrent_jobs = 1\n')
    (first,) = [line["request"] for line in customer("post", relay.url, template(5050, text("one")))]
    (second,) = [line["request"] for line in customer("post", relay.url, template(5050, ["i", first["id"], "job"]))]
    pylon.wait_state(second["id"], "queued")
    pylon.kill("provider")
    pylon.wait_state(second["id"], "completed", seconds=60)
    assert relay.results(second["id"], 6050)[0]["content"] == "<<one>>"
    assert mind.prompts()[-1] == ["<one>"]


def test_the_result_of_somebody_elses_job_is_an_input_and_an_impostors_is_not(open_pylon, relay, mind):
    open_pylon('[input]\njob_wait = "30s"\n')
    named, impostor = {"CUSTOMER_KEY": "33" * 32}, {"CUSTOMER_KEY": "44" * 32}
    (who,) = customer("sign", "-", template(1), env=named)
    (first,) = [line["request"] for line in customer("post", relay.url, template(5999, text("x"), ["p", who["pubkey"]]))]
    answer = [["e", first["id"]], ["p", first["pubkey"]]]
    customer("post", relay.url, template(6999, *answer, content="a lie"), env=impostor)
    (second,) = [line["request"] for line in customer("post", relay.url, template(5001, ["i", first["id"], "job"]))]
    customer("post", relay.url, template(6999, *answer, content="the truth"), env=named)
    wait_for(lambda: relay.results(second["id"], 6001), 30, "the summary")
    assert mind.prompts() == [["the truth"]]


def test_an_address_and_a_hint_lead_to_an_event(open_pylon, relay, second_relay, mind):
    """NIP-19 does not belong into requests, but is there; the hint is not followed where it is no public relay."""
    open_pylon('[input]\ntimeout = "4s"\n')
    (article,) = [line["request"] for line in customer("post", relay.url, template(30023, ["d", "x"], content="An article."))]
    made = subprocess.run(["node", "--input-type=module", "-e",
                           "import * as n from 'nostr-tools/nip19'; console.log(n.naddrEncode(JSON.parse(process.argv[1])))",
                           json.dumps({"identifier": "x", "pubkey": article["pubkey"], "kind": 30023, "relays": []})],
                          cwd=NODE, capture_output=True, text=True, check=True)
    request, heard = buy(relay, template(5001, ["i", "nostr:" + made.stdout.strip(), "event"]))
    assert mind.prompts() == [["An article."]]
    (hidden,) = [line["request"] for line in customer("post", second_relay.url, template(1, content="Hidden."))]
    request, heard = buy(relay, template(5001, ["i", hidden["id"], "event", second_relay.url]))
    assert error_of(heard) == "The event that is the input was not found."


def test_an_encrypted_result_is_an_input_for_its_own_customer_only(open_pylon, relay, mind):
    open_pylon('[input]\njob_wait = "5s"\n')
    key = {"CUSTOMER_KEY": "11" * 32}
    lines = customer("buy", relay.url, 20, template(5050, text("mine"), scheme="nip44", to=us(relay)), env=key)
    first = lines[0]["request"]
    lines = customer("buy", relay.url, 20, template(5050, ["i", first["id"], "job"], scheme="nip44", to=us(relay)), env=key)
    assert [line["opened"] for line in lines if line.get("event", {}).get("kind") == 6050] == ["Paris."]
    assert mind.prompts()[-1] == ["Paris."]
    request, heard = buy(relay, template(5050, ["i", first["id"], "job"]))
    assert error_of(heard) == "The result of the other job is encrypted."


# ---- what is heard meanwhile

def test_parts_come_while_it_is_written_and_not_too_many(open_pylon, relay, mind):
    mind.answer = lambda messages: [w for i in range(100) for w in (f"word{i} ", 0.02)]
    open_pylon('[feedback]\npartial_interval = "200ms"\npartial_lifetime = "1min"\n')
    request, heard = buy(relay, template(5050, text("talk")))
    whole = result_of(heard)["content"]
    parts = [a["event"] for a in heard if tag(a["event"], "status") == "partial"]
    assert 3 <= len(parts) <= 15
    assert all(whole.startswith(p["content"].rstrip()) for p in parts)
    assert sorted(len(p["content"]) for p in parts) == [len(p["content"]) for p in parts]
    assert all(30 < int(tag(p, "expiration")) - time.time() < 61 for p in parts)


def test_parts_can_be_switched_off(open_pylon, relay, mind):
    mind.answer = lambda messages: ["a", 0.5, "b", 0.5, "c"]
    open_pylon('[feedback]\npartials = false\npartial_interval = "100ms"\n')
    request, heard = buy(relay, template(5050, text("talk")))
    assert result_of(heard)["content"] == "abc"
    assert "partial" not in relay.statuses(request["id"])


def test_an_answer_that_no_relay_would_take_is_cut_off_and_the_model_stopped(open_pylon, relay, mind):
    mind.answer = lambda messages: [w for i in range(3000) for w in ("x" * 99 + " ", 0.001)]
    open_pylon('[feedback]\nanswer_max = "2K"\n')
    request, heard = buy(relay, template(5050, text("talk")))
    assert len(result_of(heard)["content"]) <= 2048
    assert tag(result_of(heard), "status", 2) == "The answer was cut off, because relays take no larger one."
    wait_for(lambda: mind.left or not mind.running, 5, "the model is left alone")
    assert mind.left


def test_a_cancellation_stops_the_model_within_a_second(open_pylon, relay, mind):
    mind.answer = lambda messages: [w for i in range(300) for w in ("word ", 0.1)]
    pylon = open_pylon()
    key = {"CUSTOMER_KEY": "22" * 32}
    (request,) = [line["request"] for line in customer("post", relay.url, template(5050, text("talk")), env=key)]
    wait_for(lambda: mind.running, 20, "it is written")
    began = time.monotonic()
    customer("post", relay.url, template(5, ["e", request["id"]], ["k", "5050"]), env=key)
    cancelled = time.monotonic()
    wait_for(lambda: mind.left, 10, "the model hears that nobody listens")
    assert mind.left[0] - cancelled < 1, (began, cancelled, mind.left)
    pylon.wait_state(request["id"], "cancelled")


def test_a_job_that_waits_for_its_inputs_can_be_cancelled(open_pylon, relay, mind):
    pylon = open_pylon()
    key = {"CUSTOMER_KEY": "55" * 32}
    (request,) = [line["request"] for line in customer("post", relay.url, template(5050, ["i", "ab" * 32, "job"]), env=key)]
    pylon.wait_state(request["id"], "queued")
    customer("post", relay.url, template(5, ["e", request["id"]]), env=key)  # without the kind, and by nobody's p
    customer("post", relay.url, template(5, ["e", request["id"]], ["p", us(relay)]), env=key)
    pylon.wait_state(request["id"], "cancelled")
    pylon.stop()


def test_nobody_else_cancels_a_job(open_pylon, relay, mind):
    mind.answer = lambda messages: [w for i in range(20) for w in ("word ", 0.1)]
    pylon = open_pylon()
    (request,) = [line["request"] for line in customer("post", relay.url, template(5050, text("talk")))]
    wait_for(lambda: mind.running, 20, "it is written")
    customer("post", relay.url, template(5, ["e", request["id"]], ["k", "5050"]))
    pylon.wait_state(request["id"], "completed", seconds=20)
    assert mind.left == []


# ---- and money

def test_inputs_are_fetched_once_they_are_paid_for(paid, relay, mind, pages):  # noqa: F811
    pages.pages = {"/": (200, {"Content-Type": "text/plain"}, b"The page.")}
    pylon, purse = paid(more="\n" + mind.config() + "[input]\nallow_private = true\n")
    wait_for(lambda: any(["k", "5001"] in e["tags"] for e in relay.events(31990)), 30, "it is announced")
    (request,) = [line["request"] for line in customer("post", relay.url, template(5001, ["i", pages.url + "/", "url"]))]
    asked = demand(relay, request)
    assert pages.hits == [] and mind.asked == []
    assert purse.pay("the customer", bolt11(asked))[0] == "settled"
    pylon.wait_state(request["id"], "completed")
    (result,) = wait_for(lambda: relay.results(request["id"], 6001), 20, "the summary")
    assert tag(result, "amount") == "21000" and result["content"] == "Paris."
    assert mind.prompts() == [["The page."]]


def test_an_input_that_fails_after_it_was_paid_for_is_owed(paid, relay, mind, pages):  # noqa: F811
    pylon, purse = paid(more="\n" + mind.config() + "[input]\nallow_private = true\n")
    wait_for(lambda: any(["k", "5001"] in e["tags"] for e in relay.events(31990)), 30, "it is announced")
    (request,) = [line["request"] for line in customer("post", relay.url, template(5001, ["i", pages.url + "/gone", "url"]))]
    assert purse.pay("the customer", bolt11(demand(relay, request)))[0] == "settled"
    pylon.wait_state(request["id"], "owed")
    assert mind.asked == []


def test_what_is_paid_after_the_work_is_not_given_away_in_parts(paid, relay, mind):  # noqa: F811
    mind.answer = lambda messages: ["Par", 0.5, "is", 0.5, "."]
    pylon, purse = paid(more="\n" + mind.config() + '[feedback]\npartial_interval = "100ms"\n'
                        "[[price]]\nbase_msats = 3000\nminimum_msats = 0\npay_after = true\n[pay]\ncredit_msats = 4000\n")
    wait_for(lambda: any(["k", "5050"] in e["tags"] for e in relay.events(31990)), 30, "it is announced")
    (request,) = [line["request"] for line in customer("post", relay.url, template(5050, text("capital?")))]
    asked = demand(relay, request)
    assert len(mind.asked) == 1 and "partial" not in relay.statuses(request["id"])
    assert not [e for e in relay.events(7000, 6050) if "Par" in e["content"]]
    assert purse.pay("the customer", bolt11(asked))[0] == "settled"
    (result,) = wait_for(lambda: relay.results(request["id"], 6050), 20, "the result")
    assert result["content"] == "Paris."


def test_what_is_refused_costs_nothing(paid, relay, mind):  # noqa: F811
    pylon, purse = paid(more="\n" + mind.config())
    wait_for(lambda: any(["k", "5050"] in e["tags"] for e in relay.events(31990)), 30, "it is announced")
    for tags in ([text("x"), ["output", "image/png"]], [["i", "http://127.0.0.1/", "url"]], []):
        request, heard = buy(relay, template(5050, *tags))
        assert error_of(heard) and not demands(relay, request)
