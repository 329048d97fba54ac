"""The parts of the tests about money: a Lightning of stubs (lightning.py), and a driver of ours behind
tool-driver, which answers as the wallet's core would be answered."""
import contextlib
import hashlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import time
import urllib.request

from parts import BUILD, ROOT, free_port, is_open, wait_for

HERE = pathlib.Path(__file__).resolve().parent


def certificate(folder, name="tls"):
    """A self-signed certificate for this machine: its path, its key's, and the pin."""
    cert, key = folder / f"{name}.cert", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    public = subprocess.run(["openssl", "x509", "-in", cert, "-pubkey", "-noout"], check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public, check=True, capture_output=True).stdout
    digest = subprocess.run(["openssl", "base64", "-A"], input=hashlib.sha256(der).digest(), check=True, capture_output=True).stdout
    return cert, key, "sha256//" + digest.decode()


class Stubs:
    """lightning.py in a process of its own."""

    def __init__(self, folder, network="regtest", encrypted=("lnd", "cln")):
        self.certificate, self.key, self.pin = certificate(folder)
        self.log = open(folder / "lightning.log", "ab")
        self.process = subprocess.Popen(["/usr/bin/python3", HERE / "lightning.py", network, self.certificate, self.key, *encrypted],
                                        stdout=subprocess.PIPE, stderr=self.log)
        self.nodes = json.loads(self.process.stdout.readline())
        self.control = self.nodes.pop("control")

    def order(self, do, **order):
        body = json.dumps({"do": do, **order}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.control}/", data=body)
        return json.loads(urllib.request.urlopen(request, timeout=20).read())

    def asked(self, node, part):
        return sum(part in r for r in self.order("state", node=node)["requests"])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        for node in self.nodes.values():
            shutil.rmtree(pathlib.Path(node["socket"]).parent, ignore_errors=True)


LNBITS = ROOT / ".cache/lnbits"  # where tools/setup puts it


class RealLnbits:
    """LNbits itself with its FakeWallet: its wallets pay each other with true preimages. It does what a
    server of ours does in tests, as far as the real one can; else the test is left out."""

    def __init__(self, folder):
        self.certificate, self.pin = "", ""
        self.port = free_port()
        data = folder / "lnbits"
        data.mkdir()
        packages = next((LNBITS / "lib").glob("python3*/site-packages"))
        self.log = open(folder / "lnbits.log", "ab")
        self.process = subprocess.Popen(
            [LNBITS / "bin/lnbits", "--host", "127.0.0.1", "--port", str(self.port)], cwd=packages, stdout=self.log, stderr=self.log,
            env={**os.environ, "LNBITS_DATA_FOLDER": data, "LNBITS_BACKEND_WALLET_CLASS": "FakeWallet", "LNBITS_ADMIN_UI": "true",
                 "LNBITS_EXTENSIONS_MANIFESTS": "[]", "LNBITS_WASM_EXTENSIONS_MANIFESTS": "[]", "LNBITS_RATE_LIMIT_NO": "100000"})
        wait_for(lambda: is_open(self.port), 60, "LNbits is there")
        self.admin = self.call("PUT", "/api/v1/auth/first_install",
                          {"username": "admin", "password": "test-test", "password_repeat": "test-test"})["access_token"]
        self.nodes, self.wallets = {}, {}

    def open_wallets(self):
        """New ones for each test, with money in them."""
        for name in ("lnbits", "other"):
            wallet = self.call("POST", "/api/v1/account", {"name": name})
            self.call("PUT", "/users/api/v1/balance", {"id": wallet["id"], "amount": 100_000}, Authorization=f"Bearer {self.admin}")
            self.wallets[name] = wallet["adminkey"]
        self.nodes = {"lnbits": {"url": f"http://127.0.0.1:{self.port}", "secret": self.wallets["lnbits"]}}

    def call(self, method, path, body=None, **headers):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=json.dumps(body).encode() if body else None,
                                         headers={"Content-Type": "application/json", **headers}, method=method)
        return json.loads(urllib.request.urlopen(request, timeout=30).read())

    def payments(self, wallet, **more):
        return self.call("GET", "/api/v1/payments?limit=1000", **{"X-Api-Key": self.wallets[wallet]}, **more)

    ORDERS = {"invoice", "pay", "state"}

    def order(self, do, **order):
        return getattr(self, "order_" + do)(**order)

    def order_invoice(self, msat=21000):
        row = self.call("POST", "/api/v1/payments", {"out": False, "amount": msat // 1000, "unit": "sat", "memo": "from the tests"},
                        **{"X-Api-Key": self.wallets["other"]})
        return {"bolt11": row["bolt11"], "hash": row["payment_hash"], "preimage": "00" * 32}

    def order_pay(self, hash):
        row = next(r for r in self.payments("lnbits") if r["payment_hash"] == hash)
        paid = self.call("POST", "/api/v1/payments", {"out": True, "bolt11": row["bolt11"]}, **{"X-Api-Key": self.wallets["other"]})
        return {"at": time.time(), "preimage": paid["preimage"]}

    def order_state(self, node):
        settled = {}
        for row in self.payments("other"):
            if row["status"] == "success" and row["amount"] > 0:
                settled[row["payment_hash"]] = settled.get(row["payment_hash"], 0) + 1
        return {"settlements": settled, "items": Everything(), "watchers": 0}

    def asked(self, node, part):
        return 0

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Everything(list):
    def count(self, _):
        return 1


class Ended(AssertionError):
    """The tool is gone."""


class Driver:
    """A driver of ours. What it says is kept until somebody asks for it."""

    def __init__(self, folder, name, url, secret, ca_file="", pin="", more="", relay=None):
        config, secret_file = folder / f"{name}.toml", folder / f"{name}.secret"
        config.write_text(f'network = "regtest"\n[wallet]\ndriver = "{name}"\nurl = "{url}"\nca_file = "{ca_file}"\npin = "{pin}"\n{more}')
        secret_file.write_text(secret)
        secret_file.chmod(0o600)
        self.name = name
        self.said = []
        self.watching = False
        tool = BUILD / "tests/integration/tool-driver"
        if relay:  # there the name of the program says who it is
            tool = shutil.copy(tool, folder / "pylon-wallet")
        self.process = subprocess.Popen([tool, config, secret_file, *([relay] if relay else [])], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.buffer = b""
        try:
            self.first = self.wait_any(lambda m: m[0] in ("ready", "closed"), 10)
        except Ended:  # the configuration was refused already
            self.first = ["closed", -1, ""]

    def ask(self, *words):
        self.process.stdin.write(json.dumps(words).encode() + b"\n")
        self.process.stdin.flush()

    def read(self, seconds):
        ready, _, _ = select.select([self.process.stdout], [], [], max(seconds, 0))
        if not ready:
            return False
        data = self.process.stdout.read1(65536)
        if not data:
            raise Ended(f"the tool ended: {self.process.wait()}")
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        self.said += [json.loads(line) for line in lines]
        return True

    def wait_any(self, condition, seconds):
        deadline = time.monotonic() + seconds
        while True:
            for message in self.said:
                if condition(message):
                    self.said.remove(message)
                    return message
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                raise AssertionError(f"{self.name} did not say so in {seconds} s; it said {self.said}")

    def answer(self, word, seconds=30):
        return self.wait_any(lambda m: m[0] == word, seconds)

    def settled(self, payment_hash, seconds=10):
        """The push about this invoice: [hash, state, msat, at, preimage, bolt11] and the cursor with it."""
        deadline = time.monotonic() + seconds
        while True:
            for _, cursor, rows in (m for m in self.said if m[0] == "settled"):
                for row in rows:
                    if row[0] == payment_hash:
                        return row, cursor
            if not self.read(deadline - time.monotonic()):
                raise AssertionError(f"{self.name} did not tell of {payment_hash} in {seconds} s; it said {self.said}")

    def silent(self, word, seconds):
        """Nothing of that kind comes in this time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.read(deadline - time.monotonic())
        return not any(m[0] == word for m in self.said)

    def make(self, msat=21000, description="a test", expiry=600, name="id-1"):
        self.ask("make", name, msat, description, expiry)
        return self.answer("made")

    def pay(self, invoice, msat=21000, fee_max=10000, ours=False, seconds=30):
        self.ask("pay", invoice["hash"], "intent", invoice["bolt11"], msat, fee_max, ours)
        return Outcome(self.answer("paid", seconds))

    def payment(self, payment_hash):
        self.ask("payment", payment_hash)
        return Outcome(self.answer("payment"))

    def invoice(self, payment_hash):
        self.ask("invoice", payment_hash)
        return self.answer("invoice")

    def watch(self, cursor=""):
        self.watching = True
        self.ask("watch", cursor)

    def kill(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            assert self.process.wait(10) == 0 or self.first[0] == "closed", "the tool did not end well"
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def kill_hard(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Outcome:
    """What came of a payment."""

    def __init__(self, message):
        _, self.state, self.absent, self.fee, self.preimage, self.reason = message

    def proves(self, payment_hash):
        return hashlib.sha256(bytes.fromhex(self.preimage)).hexdigest() == payment_hash

    def __repr__(self):
        return f"{self.state} absent={self.absent} fee={self.fee} {self.reason!r}"
