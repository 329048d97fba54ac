"""A real llama.cpp server (make-llama builds it) with a model of random weights: what it writes means nothing, and is
not even UTF-8 all the time, but how it speaks is real. tools/check --real builds it and runs this."""
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import pytest

from parts import ROOT, customer, free_port, is_open, wait_for

SERVER = next(iter(sorted((ROOT / ".cache/llama").glob("build-*/bin/llama-server"))), None)
PYTHON = ROOT / ".cache/python/bin/python"
pytestmark = pytest.mark.skipif(not SERVER, reason="tests/real/make-llama builds the server")


class Llama:
    def __init__(self, folder, port=None, *more):
        self.port = port or free_port()
        self.log = open(pathlib.Path(folder) / f"llama-{self.port}.log", "wb")
        self.process = subprocess.Popen([SERVER, "-m", ROOT / ".cache/llama/tiny.gguf", "--host", "127.0.0.1", "--port", str(self.port),
                                         "-c", "4096", "-np", "2", *more], stdout=self.log, stderr=subprocess.STDOUT)
        self.url = f"http://127.0.0.1:{self.port}"
        wait_for(lambda: is_open(self.port) and self.healthy(), 60, "the server has loaded its model")

    def get(self, path):
        return json.loads(urllib.request.urlopen(self.url + path, timeout=10).read())

    def healthy(self):
        try:
            return self.get("/health")["status"] == "ok"
        except OSError:
            return False

    def busy(self):
        return sum(slot["is_processing"] for slot in self.get("/slots"))

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait()
        self.log.close()


@pytest.fixture
def llama(tmp_path):
    made = []

    def make(*args):
        made.append(Llama(tmp_path, *args))
        return made[-1]
    yield make
    for one in made:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def start(way, relay, make_pylon):
    def make(*servers, more=""):
        rows = "".join(f'[[backend]]\nname = "llama{i}"\ntype = "openai"\nurl = "{s.url}/v1"\n{more}' for i, s in enumerate(servers))
        pylon = make_pylon(way, [relay.url], f"[compute]\nautodetect = {json.dumps(not servers)}\nprobe_interval = 1\n" + rows)
        pylon.start()
        return pylon
    return make


def infer(pylon, prompt, *args, expect=0):
    done = pylon.run("infer", prompt, "--json", *args, expect=expect)
    return json.loads(done.stdout or done.stderr)


def test_it_is_known_and_writes(llama, start):
    server = llama()
    pylon = start(server)
    (backend,) = pylon.json("compute")["backends"]
    props = server.get("/props")
    assert backend["state"] == "up" and backend["slots"] == props["total_slots"] == 2
    (model,) = pylon.json("compute")["models"]
    assert model["name"] == "tiny" and model["context"] == props["default_generation_settings"]["n_ctx"]
    answer = infer(pylon, "the job is done", "--max-tokens", "200")
    assert answer["model"] == "tiny" and answer["tokens_out"] == 200 and 5 < answer["tokens_in"] < 100
    assert answer["text"]
    assert infer(pylon, "pay " * 6000, "--max-tokens", "5", expect=2)["error"]["name"] == "BadInput"
    assert pylon.json("compute")["backends"][0]["broken"] == 0


def test_it_is_found_where_it_usually_is(llama, start):
    if is_open(8080):
        pytest.skip("somebody is at port 8080")
    pylon = start()
    server = llama(8080)
    wait_for(lambda: [b for b in pylon.json("compute")["backends"] if b["state"] == "up"], 30, "it is noticed")
    found = next(b for b in pylon.json("compute")["backends"] if b["state"] == "up")
    assert found["name"] == "llamacpp" and found["detected"]
    assert infer(pylon, "ok", "--max-tokens", "9")["tokens_out"] == 9
    server.kill()


def test_a_customer_is_served_and_a_killed_server_replaced(llama, start, relay):
    first, second = llama(), llama()
    pylon = start(first, second)
    templates = [json.dumps({"kind": 5050, "tags": [["i", f"pylon agent {i}", "text"], ["param", "max_tokens", "1500"]]}) for i in range(12)]
    sent = [line["request"] for line in customer("post", relay.url, *templates) if "request" in line]
    wait_for(lambda: relay.results(sent[0]["id"], 6050), 60, "the first result")
    first.kill()
    for request in sent:
        (result, *_) = wait_for(lambda r=request: relay.results(r["id"], 6050), 120, "a result")
        assert result["content"]
        pylon.wait_state(request["id"], "completed")


def test_who_goes_away_stops_it(llama, start):
    server = llama()
    pylon = start(server)
    process = subprocess.Popen(pylon.command("infer", "event key", "--max-tokens", "3500"), stdout=subprocess.DEVNULL)
    wait_for(server.busy, 10, "it writes")
    process.kill()
    process.wait()
    gone = time.monotonic()
    wait_for(lambda: not server.busy(), 5, "it has stopped")
    assert time.monotonic() - gone < 1
    assert infer(pylon, "ok", "--max-tokens", "9")["tokens_out"] == 9


@pytest.mark.skipif(not PYTHON.exists(), reason="tools/setup test installs the official clients")
def test_the_official_client_understands_it_as_we_do(llama, start):
    """Greedy, so that both get the same."""
    server = llama()
    pylon = start(server)
    code = ("import openai, sys\n"
            "c = openai.OpenAI(base_url=sys.argv[1] + '/v1', api_key='none')\n"
            "for p in c.chat.completions.create(model='tiny', messages=[{'role': 'user', 'content': 'relay'}], max_tokens=64, stream=True):\n"
            "    sys.stdout.write((p.choices[0].delta.content or '') if p.choices else '')\n")
    theirs = subprocess.run([PYTHON, "-c", code, server.url], capture_output=True, check=True, timeout=60, env={**os.environ, "PYTHONUTF8": "1"})
    ours = infer(pylon, "relay", "--max-tokens", "64")
    assert ours["tokens_out"] == 64
    assert theirs.stdout and ours["text"]


@pytest.mark.parametrize("mind", ["local", "nip90"])
def test_noise_as_a_mind_does_no_harm(llama, way, relay, make_pylon, mind):
    """What it writes is no action: an agent that thinks with it does nothing, pays for its thoughts, and lives on."""
    server = llama()
    pylon = make_pylon(way, [relay.url], f'[[backend]]\nname = "llama"\ntype = "openai"\nurl = "{server.url}/v1"\n'
                                         "[compute]\nautodetect = false\nprobe_interval = 1\n")
    pylon.config.write_text(pylon.config.read_text().replace("enable_payments = false", "enable_payments = true")
                            .replace("require_payment = false", "require_payment = true\nmin_price_msats = 3000"))
    pylon.start("--mode", "both")
    wait_for(lambda: pylon.json("compute")["models"], 30, "the model is there")
    pylon.run("agent", "spawn", "noise", "--mind", mind, "--fund", "no", "--set", "mind.max_tokens=64",
              "--set", "schedule.heartbeat_seconds=86400")
    pylon.run("wallet", "fund", "5000")
    pylon.run("agent", "fund", "noise", "5000", "--from", "owner", "--yes")
    for i in range(4):
        pylon.run("agent", "tick", "noise", expect=None)
    ticks = pylon.query("select status, actions_json, prompt_tokens from tick_history")
    assert len(ticks) >= 4 and all(status in ("done", "failed") for status, *_ in ticks), ticks
    assert pylon.query("select count(*) from agent_actions where status not in ('refused', 'done') or type not in ('', 'nothing')"
                       " and status = 'done'") == [(0,)]
    assert [e for e in relay.events(1, 4, 1059, 9734)] == []
    spent = 5_000_000 - next(row["balance_msats"] for row in pylon.json("wallet", "balance") if row["account"] == "agent:noise")
    assert 0 < spent <= 3000 * 3 * (len(ticks) + 1)
    assert pylon.json("agent", "info", "noise")["state"] in ("active", "low_balance")
    pylon.run("ledger", "verify")
