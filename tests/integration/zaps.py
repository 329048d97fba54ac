"""Lightning addresses that are not ours (node/lnurl.mjs) over accounts of a Pylon, and what belongs to a zap."""
import json
import os
import subprocess
import time
import urllib.request

from parts import BUILD, NODE
from store_wire import Wire

SIGNER = "com.openagents.Pylon1.Signer"


class Addresses:
    """names: the name of each address, and the account it fills. server.at("bob") is an address."""

    def __init__(self, pylon, folder, **names):
        uris = [f"{name}=" + pylon.json("wallet", "connect", f"lnurl-{name}", "--account", account)["address"]
                for name, account in names.items()]
        self.log = open(folder / "lnurl.log", "ab")
        self.process = subprocess.Popen(["node", NODE / "lnurl.mjs", *uris], stdout=subprocess.PIPE, stderr=self.log)
        said = json.loads(self.process.stdout.readline())
        self.port, self.pubkey = said["port"], said["pubkey"]

    def at(self, name):
        return f"{name}@127.0.0.1:{self.port}"

    def asked(self, name):
        return json.loads(urllib.request.urlopen(f"http://127.0.0.1:{self.port}/asked", timeout=10).read()).get(name, 0)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Keys:
    """The signer of a running Pylon: as its owner, and as its host."""

    def __init__(self, pylon, folder):
        self.wires = [Wire(folder, str(pylon.base / "run/signer.sock"), program) for program in ("owner", "pylon-host")]

    def agent(self, name):
        """Makes the key, and says its public one."""
        out, into = os.pipe()
        try:
            return self.wires[0].call(SIGNER, "Generate", "subh", f"agent:{name}", 12, False, 0, fds=[into])
        finally:
            os.close(into)
            os.close(out)

    def sign(self, name, kind, tags, content=""):
        draft = {"kind": kind, "created_at": int(time.time()), "tags": tags, "content": content}
        ((error, event),) = self.wires[1].call(SIGNER, "Sign", "sas", f"agent:{name}", [json.dumps(draft)])
        assert error == 0, event
        return event

    def close(self):
        for wire in self.wires:
            wire.close()


def read_by_others(receipt):
    done = subprocess.run(["node", NODE / "zap-read.mjs"], input=json.dumps(receipt), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def read_by_us(receipt, recipient):
    """As read_by_others(), or the reason why not."""
    done = subprocess.run([BUILD / "tests/integration/tool-nostr"], input=json.dumps(["zap", json.dumps(receipt), recipient]) + "\n",
                          capture_output=True, text=True, timeout=60, check=True)
    answer = json.loads(done.stdout)
    if isinstance(answer, dict):
        return answer["error"]
    sender, event, msat, hash_, proven, comment = answer.split(" ", 5)
    return {"sender": sender, "recipient": recipient, "event": event.strip("-"), "comment": comment, "msat": int(msat),
            "hash": hash_, "proven": proven == "1"}
