"""LiteLLM's proxy, the real one, between Pylon and a server of models: what many have in front of theirs. tools/check
--real installs it (make-litellm) and runs this."""
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

import pytest

from model_server import TEXT, ModelServer
from parts import ROOT, customer, free_port, wait_for

LITELLM = ROOT / ".cache/litellm/bin/litellm"
KEY = "sk-pylon-test"
pytestmark = pytest.mark.skipif(not LITELLM.exists(), reason="tests/real/make-litellm installs the proxy")


class Proxy:
    def __init__(self, folder, server):
        self.port = free_port()
        config = pathlib.Path(folder) / "litellm.json"  # YAML is a superset of JSON
        config.write_text(json.dumps({
            "model_list": [{"model_name": "tiny",
                            "litellm_params": {"model": "openai/tiny", "api_base": f"{server.url}/v1", "api_key": "none",
                                               "num_retries": 0}}],
            "general_settings": {"master_key": KEY}, "router_settings": {"num_retries": 0, "allowed_fails": 1000},
            "litellm_settings": {"telemetry": False, "num_retries": 0}}))
        self.log = open(pathlib.Path(folder) / "litellm.log", "wb")
        self.process = subprocess.Popen([LITELLM, "--config", config, "--host", "127.0.0.1", "--port", str(self.port)],
                                        stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
                                        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"})
        wait_for(self.alive, 120, "the proxy answers")

    def alive(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/liveliness", timeout=5).status == 200
        except OSError:
            return False

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()


@pytest.fixture
def server():
    one = ModelServer("openai", models=["tiny"])
    yield one
    one.stop()


@pytest.fixture
def pylon(way, relay, make_pylon, server, tmp_path):
    proxy = Proxy(tmp_path, server)
    try:
        key = tmp_path / "api.key"
        key.write_text(KEY)
        key.chmod(0o600)
        one = make_pylon(way, [relay.url],
                         "[compute]\nautodetect = false\nprobe_interval = 1\n[[backend]]\nname = \"lite\"\ntype = \"openai\"\n"
                         f"url = \"http://127.0.0.1:{proxy.port}/v1\"\napi_key_file = \"{key}\"\n")
        one.start()
        wait_for(lambda: [b for b in one.json("compute")["backends"] if b["state"] == "up"], 30, "the proxy is found")
        yield one
    finally:
        proxy.stop()


def infer(pylon, *args, expect=0):
    done = pylon.run("infer", "hello", "--json", *args, expect=expect)
    return json.loads(done.stdout or done.stderr)


def test_its_models_are_known_and_asked(pylon, server):
    assert [m["name"] for m in pylon.json("compute")["models"]] == ["tiny"]
    answer = infer(pylon, "--max-tokens", "64")
    assert answer["text"] == TEXT and answer["model"] == "tiny" and answer["backend"] == "lite"
    assert answer["tokens_out"] > 0


def test_a_customer_is_served_through_it(pylon, relay, server):
    (line,) = [x for x in customer("post", relay.url, json.dumps({"kind": 5050, "tags": [["i", "hello", "text"]]}))
               if "request" in x]
    (result, *_) = wait_for(lambda: relay.results(line["request"]["id"], 6050), 30, "the result")
    assert result["content"] == TEXT


def test_who_goes_away_stops_the_server_behind_it(pylon, server):
    server.fault = "endless"
    server.pause = 0.05
    process = subprocess.Popen(pylon.command("infer", "hello"), stdout=subprocess.DEVNULL)
    wait_for(lambda: server.open, 10, "it writes")
    process.kill()
    process.wait()
    gone = time.monotonic()
    wait_for(lambda: not server.open, 10, "it has stopped")
    assert time.monotonic() - gone < 5  # LiteLLM notices when it writes on


def test_what_goes_wrong_behind_it_is_an_error_with_words(pylon, server):
    server.fault = "500"
    error = infer(pylon, expect=None)["error"]
    assert error["message"]
    server.fault = "ok"
    assert infer(pylon)["text"] == TEXT
