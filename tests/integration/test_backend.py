"""Servers of language models that behave, and that do not: what the owner gets by `pylon infer`, what a customer gets
for his job, and what the server sees of it. The servers are model_server.py's, which the official clients believe to be
real."""
import json
import os
import signal
import ssl
import subprocess
import threading
import time

import pytest
from gi.repository import Gio, GLib

from model_server import TEXT, ModelServer, refuse_port
from parts import ROOT, WAYS, customer, is_open, wait_for
from test_job import post, requests

PYTHON = ROOT / ".cache/python/bin/python"


@pytest.fixture
def serve():
    made = []

    def make(wire, **more):
        made.append(ModelServer(wire, **more))
        return made[-1]

    yield make
    for server in made:
        server.stop()


def backend(server, name, *more):
    where = f'socket = "{server.path}"' if server.path else f'url = "{server.url}"'
    return "\n".join(["[[backend]]", f'name = "{name}"', f'type = "{server.wire}"', where, *more, ""])


SETTINGS = "[compute]\nautodetect = false\nprobe_interval = 1\n"


@pytest.fixture
def place(way, tmp_path):
    return WAYS[way].place(tmp_path)


@pytest.fixture
def start(way, relay, make_pylon):
    """start(servers by name, more keys of each, more sections): Pylon with these backends, online, all of them up."""
    def make(*rows, more=""):
        pylon = make_pylon(way, [relay.url], SETTINGS + "".join(rows) + more)
        pylon.start()
        return pylon
    return make


def infer(pylon, *args, expect=0, seconds=30):
    done = pylon.run("infer", "hello", "--json", *args, expect=expect, seconds=seconds)
    return json.loads(done.stdout or done.stderr)


def backends(pylon):
    return {b["name"]: b for b in pylon.json("compute")["backends"]}


# ---- the servers of this file are what they say

@pytest.mark.skipif(not PYTHON.exists(), reason="tools/setup test installs the official clients")
@pytest.mark.parametrize("wire", ["openai", "ollama"])
def test_the_official_clients_take_the_servers_for_real(serve, wire):
    server = serve(wire, models=["tiny", "other"])
    server.faults = ["ok", "ok", "500", "error-mid"] if wire == "openai" else ["ok", "500", "error-mid"]
    done = subprocess.run([PYTHON, ROOT / "tests/integration/python/clients.py", wire, server.url, "tiny"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["models"] == ["tiny", "other"]
    assert found["text"] == found["whole"] == TEXT
    assert found["finish"] == "stop" and found["usage"] == [7, server.n_words]
    assert found["vectors"] == [[0.25, -1.5e-3, 1], [0.25, -1.5e-3, 2]]
    assert "CUDA" in found["error"] and "CUDA" in found["error-mid"]


# ---- one server

@pytest.mark.parametrize("wire", ["openai", "ollama"])
def test_a_model_is_asked_and_answers(start, serve, wire):
    server = serve(wire, models=["tiny:latest" if wire == "ollama" else "tiny"])
    pylon = start(backend(server, "one", 'aliases = ["gpt-4o=tiny"]'))
    assert infer(pylon, "--max-tokens", "64") == {
        "text": TEXT, "model": server.models[0], "backend": "one", "tokens_in": 7, "tokens_out": server.n_words,
        "duration_usec": pytest.approx(5e6, abs=5e6)}
    assert infer(pylon, "--model", "gpt-4o")["text"] == TEXT
    assert infer(pylon, "--model", "tiny")["model"] == server.models[0]
    asked = server.asked[0]
    assert asked["model"] == server.models[0] and asked["stream"] is True
    assert asked["messages"] == [{"role": "user", "content": "hello"}]
    assert (asked["max_tokens"] if wire == "openai" else asked["options"]["num_predict"]) == 64
    assert pylon.run("infer", "hello").stdout == TEXT + "\n"

    assert pylon.json("compute")["models"] == [
        {"name": server.models[0], "context": 2048, "backends": ["one"]}, {"name": "gpt-4o", "context": 2048, "backends": ["one"]}]
    one = backends(pylon)["one"]
    assert one["state"] == "up" and one["slots"] == 4 and one["used"] == 0 and one["answers"] == 4 and not one["trouble"]
    assert infer(pylon, "--model", "gpt-5", expect=1)["error"]["name"] == "NoSuchModel"


@pytest.mark.parametrize("wire", ["openai", "ollama"])
@pytest.mark.parametrize("fault", ["split", "no-usage", "no-done", "whole", "think"])
def test_what_is_only_odd_is_understood(start, serve, wire, fault):
    server = serve(wire)
    pylon = start(backend(server, "one", 'first_token_timeout = "5s"', 'token_timeout = "2s"'))
    server.fault = fault
    assert infer(pylon)["text"] == TEXT


@pytest.mark.parametrize("wire", ["openai", "ollama"])
def test_characters_cut_between_pieces_are_whole_again(start, serve, wire):
    server = serve(wire)
    pylon = start(backend(server, "one"))
    server.fault = "bad-utf8"
    assert infer(pylon)["text"] == "\U0001f98a\ufffd" * server.n_words


TROUBLES = {"die": "closed", "die-mid": "ended", "garbage": "not what its type speaks", "big": "too large", "500": "CUDA",
            "html": "another type", "error-mid": "CUDA", "hang": "in time", "hang-mid": "in the middle"}


@pytest.mark.parametrize("wire", ["openai", "ollama"])
def test_faults_are_told_to_the_owner_and_the_server_is_used_again(start, serve, wire):
    server = serve(wire)
    pylon = start(backend(server, "one", 'first_token_timeout = "1s"', 'token_timeout = "500ms"'))
    for fault, words in TROUBLES.items():
        server.faults = [fault]
        error = infer(pylon, expect=69)["error"]
        assert error["name"] == "NoBackend", fault
        assert "CUDA" not in error["message"], "what a server says is the owner's business"
        assert words in backends(pylon)["one"]["trouble"], fault
    assert infer(pylon)["text"] == TEXT
    one = backends(pylon)["one"]
    assert one["used"] == 0 and one["broken"] == len(TROUBLES) and one["answers"] == 1 and not one["trouble"]
    wait_for(lambda: server.open == 0, 5, "no generation is left")


def test_a_server_that_is_busy_with_others_is_waited_for(start, serve, relay):
    server = serve("ollama")
    pylon = start(backend(server, "one"))
    server.faults = ["busy", "busy"]
    begun = time.monotonic()
    assert infer(pylon)["text"] == TEXT
    assert time.monotonic() - begun > 1.5, "it is not pestered"
    server.faults = ["busy"] * 3
    (request,) = post([relay], job())
    assert result(relay, request)["content"] == TEXT


def test_a_text_that_is_too_long_is_not_the_servers_fault(start, serve):
    server = serve("openai")
    pylon = start(backend(server, "one"))
    server.fault = "context"
    assert infer(pylon, expect=2)["error"]["name"] == "BadInput"
    assert backends(pylon)["one"]["broken"] == 0


def test_an_answer_without_end_is_cut_off_and_the_model_stops(start, serve):
    server = serve("openai")
    pylon = start(backend(server, "one", 'output_max = "20K"'))
    server.fault = "endless"
    text = infer(pylon)["text"]
    assert 20 * 1024 - 4 <= len(text.encode()) <= 20 * 1024
    assert (TEXT * 2000).startswith(text)
    wait_for(lambda: server.open == 0, 2, "the model has stopped")


def test_a_key_is_sent_and_kept_to_ourselves(way, start, serve, place):
    server = serve("openai", key="sk-very-secret")
    key = place / "key"
    key.write_text("sk-very-secret\n")
    WAYS[way].give(key)
    key.chmod(0o644)
    pylon = start(backend(server, "one", f'api_key_file = "{key}"'))
    assert infer(pylon, expect=69)["error"]["name"] == "NoBackend"
    assert "can be read by others" in pylon.log()
    key.chmod(0o600)
    pylon.stop()
    pylon.start()
    assert infer(pylon)["text"] == TEXT
    key.write_text("sk-wrong")
    pylon.stop()
    pylon.start()
    one = wait_for(lambda: (b := backends(pylon)["one"])["state"] == "down" and b, 10, "it is refused")
    assert "API key" in one["trouble"]
    assert "sk-" not in pylon.log() + pylon.run("config", "show").stdout + json.dumps(pylon.json("compute"))


def test_unix_sockets_and_https(way, start, serve, place):
    cert, key = place / "cert.pem", place / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", key, "-out", cert, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    local = serve("openai", path=str(place / "llama.sock"), models=["local"])
    WAYS[way].give(place / "llama.sock")
    secure = serve("ollama", tls=context, models=["secure"])
    pylon = start(backend(local, "local"), backend(secure, "secure", f'ca_file = "{cert}"'), backend(secure, "stranger"))
    assert infer(pylon, "--model", "local")["backend"] == "local"
    assert infer(pylon, "--model", "secure")["backend"] == "secure"
    stranger = backends(pylon)["stranger"]
    assert stranger["state"] == "down" and "certificate" in stranger["trouble"]


# ---- several servers

def test_another_server_goes_on_where_one_breaks(start, serve):
    first, second = serve("openai", models=["m"]), serve("ollama", models=["m"])
    pylon = start(*(backend(s, n, 'first_token_timeout = "1s"', 'token_timeout = "500ms"')
                    for n, s in {"first": first, "second": second}.items()))
    for fault in TROUBLES:
        first.faults = second.faults = [fault]  # whoever is asked first
        assert infer(pylon, "--model", "m")["text"] == TEXT, fault
        assert not first.faults
    first.fault = "die-mid"
    for _ in range(3):
        assert infer(pylon, "--model", "m")["text"] == TEXT
    first.stop()
    assert infer(pylon, "--model", "m") | {"duration_usec": 0} == {
        "text": TEXT, "model": "m", "backend": "second", "tokens_in": 7, "tokens_out": second.n_words, "duration_usec": 0}


def test_the_one_with_the_least_to_do_is_taken(start, serve):
    servers = [serve("openai", slots=4) for _ in range(2)]
    pylon = start(*(backend(s, f"b{i}") for i, s in enumerate(servers)), more="[provider]\nmax_concurrent_jobs = 16\n")
    for s in servers:
        s.pause = 0.1
    threads = [threading.Thread(target=infer, args=(pylon,)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [s.served for s in servers] == [4, 4]
    assert [s.most for s in servers] == [4, 4]


def test_slots_of_a_model_and_fallbacks(start, serve):
    server = serve("openai", models=["big", "small"], slots=4)
    pylon = start(backend(server, "one", "model_slots = 1", 'fallbacks = ["gpt-4o=big"]', 'models = ["big"]'),
                  more="[provider]\nmax_concurrent_jobs = 16\n")
    assert infer(pylon, "--model", "gpt-4o")["model"] == "big"
    assert infer(pylon, "--model", "small", expect=1)["error"]["name"] == "NoSuchModel"
    server.pause = 0.05
    threads = [threading.Thread(target=infer, args=(pylon,)) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert server.most == 1 and server.served == 4


def test_servers_come_and_go_and_are_announced(start, serve, relay):
    port = refuse_port()
    early = serve("openai", models=["early"])
    pylon = start(backend(early, "early"), f'[[backend]]\nname = "late"\ntype = "ollama"\nurl = "http://127.0.0.1:{port}"\n')
    assert backends(pylon)["late"]["state"] == "down"
    assert infer(pylon, "--model", "late", expect=1)["error"]["name"] == "NoSuchModel"
    late = serve("ollama", port=port, models=["late"])
    wait_for(lambda: backends(pylon)["late"]["state"] == "up", 10, "it is noticed")
    assert infer(pylon, "--model", "late")["backend"] == "late"

    def announced(kind):
        last = relay.events(31990)[-1:]
        return last and str(kind) in [t[1] for t in last[0]["tags"] if t[0] == "k"]
    wait_for(lambda: announced(5050), 10, "text generation is announced")
    late.stop()
    early.stop()
    wait_for(lambda: {b["state"] for b in backends(pylon).values()} == {"down"}, 10, "both are missed")
    assert infer(pylon, expect=69)["error"]["name"] == "NoBackend"


def test_huge_and_hostile_lists_of_models_do_no_harm(start, serve):
    server = serve("openai")
    server.list_body = {"object": "list", "data": [{"id": f"m{i}", "max_model_len": i} for i in range(20000)] + [{"id": "x\n"}, {}, 7]}
    pylon = start(backend(server, "one"))
    assert backends(pylon)["one"]["models"] == 1024
    assert infer(pylon, "--model", "m7")["text"] == TEXT
    server.list_body = {"object": "list", "data": [{"id": "a" * 300}, {"id": "\u0007"}, {"id": "ok"}]}
    wait_for(lambda: backends(pylon)["one"]["models"] == 1, 10, "the new list")
    server.list_body = [[[[[[]]]]]]
    wait_for(lambda: backends(pylon)["one"]["state"] == "down", 10, "what is no list")


def test_a_server_that_is_too_busy_to_list_its_models_is_not_given_up(start, serve):
    server = serve("openai")
    pylon = start(backend(server, "one"))
    server.fault, server.pause = "endless", 0.05
    asking = subprocess.Popen(pylon.command("infer", "hello"), stdout=subprocess.DEVNULL)
    wait_for(lambda: server.open == 1, 10, "it writes")
    server.list_pause, before = 30, server.listed
    wait_for(lambda: server.listed >= before + 3, 30, "it was asked, and asked again")
    assert backends(pylon)["one"]["state"] == "up" and server.open == 1
    asking.kill()
    asking.wait()
    wait_for(lambda: backends(pylon)["one"]["state"] == "down", 30, "it does nothing, and does not answer")
    server.list_pause = 0
    wait_for(lambda: backends(pylon)["one"]["state"] == "up", 30, "it answers")


def test_nobody_is_asked_while_offline(start, serve):
    server = serve("openai")
    pylon = start(backend(server, "one"))
    wait_for(lambda: server.listed >= 3, 10, "it is asked every second")
    pylon.run("provider", "offline")
    wait_for(lambda: pylon.json("status")["daemon"]["provider_state"] == "offline", 10, "it is offline")
    before = server.listed
    time.sleep(2.5)  # nothing is what is waited for
    assert server.listed == before
    assert infer(pylon)["text"] == TEXT, "the owner may think while nothing is sold"


# ---- who asks

def test_who_goes_away_stops_the_model_within_a_second(start, serve):
    server = serve("openai")
    pylon = start(backend(server, "one"))
    server.fault, server.pause = "endless", 0.02
    process = subprocess.Popen(pylon.command("infer", "hello"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: server.open == 1, 10, "the model writes")
    process.send_signal(signal.SIGINT)
    gone = time.monotonic()
    process.wait()
    wait_for(lambda: server.aborted, 5, "the server notices")
    assert server.aborted[0] - gone < 1
    server.fault, server.pause = "ok", 0
    assert infer(pylon)["text"] == TEXT


class Thought:
    """Infer() on the provider's own socket, without the command."""

    def __init__(self, pylon, model="", text="hello"):
        if not hasattr(pylon, "base"):
            pytest.skip("the socket is where the user's instance has it")
        self.connection = Gio.DBusConnection.new_for_address_sync(
            f"unix:path={pylon.base / 'run/provider.sock'}", Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT, None, None)
        self.ask(model, text)

    def ask(self, model="", text="hello"):
        (handle,), fds = self.connection.call_with_unix_fd_list_sync(
            None, "/com/openagents/Pylon1", "com.openagents.Pylon1.Provider.Compute", "Infer",
            GLib.Variant("(sa(ss)a{sv})", (model, [("user", text)], {"temperature": GLib.Variant("d", 0.5)})), None,
            Gio.DBusCallFlags.NONE, 10000, None, None)
        self.stream = os.fdopen(fds.get(handle), "rb")
        return self.stream


def test_who_reads_slowly_makes_the_model_wait(start, serve):
    server = serve("openai")
    pylon = start(backend(server, "one", 'token_timeout = "1s"', 'output_max = "8M"'))
    server.fault = "flood"
    thought = Thought(pylon)
    wait_for(lambda: server.n_sent > 10, 10, "the model writes")
    wait_for(lambda: (before := server.n_sent, time.sleep(0.5)) and server.n_sent == before, 20, "the model waits")
    stalled = server.n_sent
    assert stalled * 4000 < 8 << 20, "the whole answer was taken, and kept"
    time.sleep(1.5)  # longer than it may be silent: waiting is not being silent
    assert server.n_sent == stalled and backends(pylon)["one"]["used"] == 1
    lines = thought.stream.readlines()
    assert json.loads(lines[-1])["done"]["backend"] == "one"
    assert sum(len(json.loads(line)["text"].encode()) for line in lines[:-1]) > (8 << 20) - 4

    thought.ask()
    wait_for(lambda: server.open == 1, 10, "it writes again")
    thought.stream.close()
    closed = time.monotonic()
    wait_for(lambda: server.open == 0, 5, "it stops")
    assert time.monotonic() - closed < 1


def test_only_so_many_may_ask_at_the_same_time(start, serve):
    server = serve("openai")
    pylon = start(backend(server, "one"))
    server.fault = "hang"
    thoughts = [Thought(pylon) for _ in range(4)]
    streams = [thoughts[0].stream] + [thoughts[0].ask() for _ in range(60)]
    with pytest.raises(GLib.Error, match="Busy"):
        thoughts[0].ask()
    assert server.most <= 4
    for stream in streams + [t.stream for t in thoughts[1:]]:
        stream.close()
    wait_for(lambda: server.open == 0, 5, "nobody is asked")
    server.fault = "ok"
    assert infer(pylon)["text"] == TEXT


def job(text="hello", **more):
    return json.dumps({"kind": 5050, "tags": [["i", text, "text"], *more.get("tags", [])]})


def result(relay, request, seconds=60):
    return wait_for(lambda: relay.results(request["id"], 6050), seconds, "the result")[0]


def test_a_model_that_is_not_here_is_refused_to_who_asked_us(start, serve, relay):
    """Several hear a request to all, and somebody else may have the model."""
    server = serve("openai")
    pylon = start(backend(server, "one"))
    us = pylon.json("status")["identity"]["pubkey"]
    param = ["param", "model", "gpt-5"]
    to_all, to_us = post([relay], job(tags=[param]), job(tags=[param, ["p", us]]))
    refusal = wait_for(lambda: [e for e in relay.events(7000) if ["e", to_us["id"]] in [t[:2] for t in e["tags"]]], 20, "a refusal")
    assert [t for t in refusal[0]["tags"] if t[0] == "status"][0][:2] == ["status", "error"]
    assert not [e for e in relay.events(7000) if ["e", to_all["id"]] in [t[:2] for t in e["tags"]]]
    assert not server.asked


def test_vectors_are_sold_where_the_settings_say_so(start, serve, relay):
    server = serve("ollama", models=["nomic-embed-text:latest"])
    start(backend(server, "one"), more='[[kind]]\nkind = 5999\nas = "embeddings"\n')
    template = {"kind": 5999, "tags": [["i", "one", "text"], ["i", "three", "text"]]}
    (request,) = post([relay], json.dumps(template))
    content = wait_for(lambda: relay.results(request["id"], 6999), 30, "the vectors")[0]["content"]
    assert json.loads(content) == [[0.25, -1.5e-3, 3], [0.25, -1.5e-3, 5]]
    assert server.asked == [{"model": "nomic-embed-text:latest", "input": ["one", "three"]}]


def test_backends_are_configured_while_pylon_runs(start, serve):
    first, second = serve("openai", models=["first"]), serve("ollama", models=["second"])
    pylon = start(backend(first, "first"))
    first.fault, first.pause = "slow", 0.2
    asking = subprocess.Popen(pylon.command("infer", "hello", "--json"), stdout=subprocess.PIPE, text=True)
    wait_for(lambda: first.open == 1, 10, "it writes")
    text = pylon.config.read_text()
    pylon.config.write_text(text + backend(second, "second", 'aliases = ["other=second"]'))
    os.kill(pylon.pid("provider"), signal.SIGHUP)
    wait_for(lambda: backends(pylon).get("second", {}).get("state") == "up", 10, "the second one is known")
    assert infer(pylon, "--model", "other")["backend"] == "second"
    assert json.loads(asking.communicate(timeout=20)[0])["text"] == TEXT, "what was being written is finished"

    first.fault, first.pause = "endless", 0.05
    asking = subprocess.Popen(pylon.command("infer", "hello", "--json", "--model", "first"), stdout=subprocess.PIPE, text=True)
    wait_for(lambda: len(first.asked) == 2, 10, "it writes again")
    pylon.config.write_text(text.replace('name = "first"', 'name = "renamed"') + 'enabled = false\n' + backend(second, "second"))
    os.kill(pylon.pid("provider"), signal.SIGHUP)
    wait_for(lambda: first.aborted, 5, "a server that is taken out of the settings is not talked to any more")
    assert list(backends(pylon)) == ["second"]
    asking.kill()
    asking.communicate()


def test_a_job_survives_a_server_that_dies_in_the_middle(start, serve, relay):
    first, second = serve("openai", models=["m"]), serve("openai", models=["m"])
    pylon = start(backend(first, "first"), backend(second, "second"))
    for server in (first, second):
        server.pause = 0.1
    first.fault = "die-mid"
    (request,) = post([relay], job())
    assert result(relay, request)["content"] == TEXT
    pylon.wait_state(request["id"], "completed")


def test_a_job_survives_the_end_of_everything_that_works_on_it(start, serve, relay):
    """kill -9 of the provider while the model writes, and the server is away when it comes back."""
    server = serve("openai")
    pylon = start(backend(server, "one"))
    server.pause = 0.2
    (request,) = post([relay], job())
    wait_for(lambda: server.open == 1, 20, "the model writes")
    port = server.port
    pylon.kill("provider")
    server.stop()
    wait_for(lambda: pylon.pid("provider"), 20, "the provider is back")
    wait_for(lambda: backends(pylon)["one"]["state"] == "down", 20, "it misses its server")
    again = serve("openai", port=port)
    assert result(relay, request)["content"] == TEXT
    pylon.wait_state(request["id"], "completed")
    assert len({r["id"] for r in relay.results(request["id"], 6050)}) == 1 and len(again.asked) == 1


def test_200_jobs_over_4_slots_are_all_served(start, serve, relay):
    server = serve("openai", slots=4)
    server.pause = 0.01
    pylon = start(backend(server, "one"), more="[provider]\nmax_concurrent_jobs = 50\nper_customer_max = 300\nper_customer_rate = 1000\n")
    begun = time.monotonic()
    sent = post([relay], *(job(f"number {i}") for i in range(200)))
    for request in sent:
        assert result(relay, request, 120)["content"] == TEXT
    print(f"200 jobs in {time.monotonic() - begun:.1f} s")
    assert server.most == 4, "never more than its slots"
    assert len(server.asked) == 200
    assert backends(pylon)["one"]["used"] == 0


def test_a_customer_who_cancels_stops_the_model(way, make_pylon, serve):
    """Through our own relay: the other one does not hand a deletion to who asks for it by its k tag."""
    server = serve("openai")
    server.fault, server.pause = "endless", 0.02
    pylon = make_pylon(way, None, SETTINGS + backend(server, "one"))
    pylon.start()
    wait_for(lambda: is_open(pylon.local_port), 20, "the local relay listens")
    env, url = {"CUSTOMER_KEY": "07" * 32}, f"ws://127.0.0.1:{pylon.local_port}"
    (request,) = requests(customer("post", url, job(), env=env))
    wait_for(lambda: server.open == 1, 20, "the model writes")
    gone = time.monotonic()
    customer("post", url, json.dumps({"kind": 5, "tags": [["e", request["id"]], ["k", "5050"]]}), env=env)
    wait_for(lambda: server.aborted, 10, "the server notices")
    print(f"stopped after {server.aborted[0] - gone:.2f} s, with node's own start")
    pylon.wait_state(request["id"], "cancelled")
    assert server.open == 0
