"""A real Ollama (make-ollama builds it) with a model of random weights: what it writes means nothing, but how it speaks
is real. tools/check --real builds it and runs this."""
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import pytest

from parts import ROOT, customer, free_port, is_open, wait_for

SERVER = next(iter(sorted((ROOT / ".cache/ollama").glob("ollama-v*"))), None)
PYTHON = ROOT / ".cache/python/bin/python"
pytestmark = pytest.mark.skipif(not SERVER, reason="tests/real/make-ollama builds the server")


class Ollama:
    """With models "tiny" and "copy", which are the same."""

    def __init__(self, folder, port=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = pathlib.Path(folder) / f"ollama-{self.port}"
        self.home.mkdir(exist_ok=True)
        self.log = open(pathlib.Path(folder) / f"ollama-{self.port}.log", "ab")
        self.env = {**os.environ, "HOME": str(self.home), "OLLAMA_HOST": f"127.0.0.1:{self.port}", "OLLAMA_NUM_PARALLEL": "2"}
        self.start()
        (self.home / "Modelfile").write_text(f"FROM {ROOT / '.cache/ollama/tiny.gguf'}\n")
        for name in ("tiny", "copy"):
            self.do("create", name, "-f", self.home / "Modelfile")

    def start(self):
        self.process = subprocess.Popen([SERVER, "serve"], stdout=self.log, stderr=subprocess.STDOUT, env=self.env,
                                        start_new_session=True)
        wait_for(lambda: is_open(self.port), 60, "the server listens")

    def do(self, *args):
        subprocess.run([SERVER, *args], env=self.env, check=True, capture_output=True, timeout=60)

    def ask(self, path):
        return json.loads(urllib.request.urlopen(self.url + path, timeout=10).read())

    def busy(self):
        """Its runner, one process for each model that is loaded, burns the processor while it writes."""
        def ticks():
            total = 0
            for entry in pathlib.Path("/proc").iterdir():
                try:
                    words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                    if b"runner" in words and str(self.home).encode() in words:
                        total += sum(map(int, (entry / "stat").read_text().rpartition(")")[2].split()[11:13]))
                except OSError:
                    continue
            return total
        before = ticks()
        time.sleep(0.2)  # what is looked at is a rate
        return ticks() - before > 3

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def ollama(tmp_path):
    made = []

    def make(*args):
        made.append(Ollama(tmp_path, *args))
        return made[-1]
    yield make
    for one in made:
        if one.process.poll() is None:
            one.kill()
        one.log.close()


@pytest.fixture
def start(way, relay, make_pylon):
    def make(*servers):
        rows = "".join(f'[[backend]]\nname = "ollama{i}"\ntype = "ollama"\nurl = "{s.url}"\n' for i, s in enumerate(servers))
        pylon = make_pylon(way, [relay.url], f"[compute]\nautodetect = {json.dumps(not servers)}\nprobe_interval = 1\n" + rows)
        pylon.start()
        return pylon
    return make


def infer(pylon, prompt, *args, expect=0):
    done = pylon.run("infer", prompt, "--json", *args, expect=expect)
    return json.loads(done.stdout or done.stderr)


def test_it_is_known_and_writes(ollama, start):
    pylon = start(ollama())
    (backend,) = pylon.json("compute")["backends"]
    assert backend["state"] == "up"
    assert {m["name"] for m in pylon.json("compute")["models"]} == {"tiny:latest", "copy:latest"}
    answer = infer(pylon, "the job is done", "--model", "tiny", "--max-tokens", "100")
    assert answer["model"] == "tiny:latest" and answer["tokens_out"] == 100 and answer["tokens_in"] > 3 and answer["text"]
    assert pylon.json("compute")["backends"][0]["broken"] == 0


def test_it_is_found_where_it_usually_is_and_models_come_and_go(ollama, start):
    if is_open(11434):
        pytest.skip("somebody is at port 11434")
    pylon = start()
    server = ollama(11434)
    found = wait_for(lambda: next((b for b in pylon.json("compute")["backends"] if b["state"] == "up"), None), 30, "it is noticed")
    assert found["name"] == "ollama" and found["detected"]
    assert infer(pylon, "ok", "--model", "copy", "--max-tokens", "9")["tokens_out"] == 9
    server.do("rm", "copy")
    wait_for(lambda: [m["name"] for m in pylon.json("compute")["models"]] == ["tiny:latest"], 30, "a model has gone")
    assert infer(pylon, "ok", "--model", "copy", expect=None)["error"]["name"] == "NoSuchModel"


def test_a_customer_is_served_and_a_killed_server_replaced(ollama, start, relay):
    first, second = ollama(), ollama()
    pylon = start(first, second)
    templates = [json.dumps({"kind": 5050, "tags": [["i", f"pylon agent {i}", "text"], ["param", "max_tokens", "800"]]}) for i in range(12)]
    sent = [line["request"] for line in customer("post", relay.url, *templates) if "request" in line]
    wait_for(lambda: relay.results(sent[0]["id"], 6050), 60, "the first result")
    first.kill()
    for request in sent:
        (result, *_) = wait_for(lambda r=request: relay.results(r["id"], 6050), 120, "a result")
        assert result["content"]
        pylon.wait_state(request["id"], "completed")


def test_who_goes_away_stops_it(ollama, start):
    server = ollama()
    pylon = start(server)
    process = subprocess.Popen(pylon.command("infer", "event key", "--model", "tiny", "--max-tokens", "100000"),
                               stdout=subprocess.DEVNULL)
    wait_for(server.busy, 20, "it writes")
    process.kill()
    process.wait()
    gone = time.monotonic()
    wait_for(lambda: not server.busy(), 5, "it has stopped")
    assert time.monotonic() - gone < 2
    assert infer(pylon, "ok", "--model", "tiny", "--max-tokens", "9")["tokens_out"] == 9


@pytest.mark.skipif(not PYTHON.exists(), reason="tools/setup test installs the official clients")
def test_the_official_client_understands_it_as_we_do(ollama, start):
    server = ollama()
    pylon = start(server)
    code = ("import ollama, sys\n"
            "for p in ollama.Client(host=sys.argv[1]).chat(model='tiny', messages=[{'role': 'user', 'content': 'relay'}],\n"
            "                                              options={'num_predict': 64, 'temperature': 0, 'seed': 1}, stream=True):\n"
            "    sys.stdout.write(p['message']['content'])\n")
    theirs = subprocess.run([PYTHON, "-c", code, server.url], capture_output=True, check=True, timeout=60, env={**os.environ, "PYTHONUTF8": "1"})
    ours = infer(pylon, "relay", "--model", "tiny", "--max-tokens", "64")
    assert ours["tokens_out"] == 64
    assert theirs.stdout and ours["text"]
