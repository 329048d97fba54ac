"""The parts of the tests about money: a Lightning of stubs (lightning.py), and a driver of ours behind
tool-driver, which answers as the wallet's core would be answered."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import select
import shutil
import ssl
import subprocess
import time
import urllib.error
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


LND = ROOT / ".cache/lnd/bin"  # where tests/real/make-lnd puts it


class RealLnd:
    """lnd itself: a chain of our own, our node, and another one with a channel to it."""

    ORDERS = {"invoice", "pay", "state", "cancel"}
    HAD = 100_000  # sat of ours at the beginning of each test

    def __init__(self, folder):
        self.folder, self.pin = folder, ""
        self.rpc, self.p2p = free_port(), free_port()
        (folder / "none.conf").write_text("")
        self.processes = []
        try:
            self.set_up()
        except BaseException:
            self.kill()
            raise

    def set_up(self):
        self.btcd = self.start_chain()
        self.wait(lambda: self.chain("getblockcount"), "the chain is there")
        self.ours, self.other = self.start_node("ours"), self.start_node("other")
        for node in (self.ours, self.other):
            self.wait(lambda node=node: self.ask(node, "GET", "/v1/getinfo")["identity_pubkey"], f"{node['name']} is there")
        self.open_channel()
        self.certificate = self.ours["dir"] / "tls.cert"
        self.nodes = {"lnd": {"url": f"https://127.0.0.1:{self.ours['rest']}", "secret": self.macaroon(self.ours)}}

    @staticmethod
    def wait(condition, what):
        def now():
            with contextlib.suppress(OSError, ValueError, KeyError, subprocess.CalledProcessError):
                return condition()
        return wait_for(now, 90, what)

    def start(self, name, *command):
        log = open(self.folder / f"{name}.log", "ab")
        self.processes.append(subprocess.Popen([str(c) for c in command], stdout=log, stderr=log, env={**os.environ, "HOME": str(self.folder)}))
        log.close()
        return self.processes[-1]

    def start_chain(self, miner=None):
        return self.start("btcd", LND / "btcd", "--regtest", f"--datadir={self.folder}/btcd", f"--logdir={self.folder}/btcd.logs",
                          f"--configfile={self.folder}/none.conf", "--rpcuser=u", "--rpcpass=p", f"--rpclisten=127.0.0.1:{self.rpc}",
                          f"--listen=127.0.0.1:{self.p2p}", f"--rpccert={self.folder}/rpc.cert", f"--rpckey={self.folder}/rpc.key", "--txindex",
                          *([f"--miningaddr={miner}"] if miner else []))

    def chain(self, *command):
        return subprocess.run([LND / "btcctl", "--regtest", "-C", self.folder / "none.conf", "-u", "u", "-P", "p", "-s", f"127.0.0.1:{self.rpc}",
                               "-c", self.folder / "rpc.cert", *map(str, command)], capture_output=True, text=True, check=True,
                              env={**os.environ, "HOME": str(self.folder)}).stdout

    def start_node(self, name):
        node = {"name": name, "dir": self.folder / name, "rest": free_port(), "p2p": free_port()}
        self.start(name, LND / "lnd", f"--lnddir={node['dir']}", "--bitcoin.regtest", "--bitcoin.node=btcd", f"--btcd.rpchost=127.0.0.1:{self.rpc}",
                   "--btcd.rpcuser=u", "--btcd.rpcpass=p", f"--btcd.rpccert={self.folder}/rpc.cert", "--noseedbackup",
                   f"--rpclisten=127.0.0.1:{free_port()}", f"--restlisten=127.0.0.1:{node['rest']}", f"--listen=127.0.0.1:{node['p2p']}",
                   "--bitcoin.defaultchanconfs=1", "--trickledelay=50")
        return node

    @staticmethod
    def macaroon(node):
        return (node["dir"] / "data/chain/bitcoin/regtest/admin.macaroon").read_bytes().hex()

    def ask(self, node, method, path, body=None):
        request = urllib.request.Request(f"https://127.0.0.1:{node['rest']}{path}", data=json.dumps(body).encode() if body is not None else None,
                                         headers={"Grpc-Metadata-macaroon": self.macaroon(node)}, method=method)
        context = ssl.create_default_context(cafile=node["dir"] / "tls.cert")
        return json.loads(urllib.request.urlopen(request, timeout=60, context=context).read())

    def open_channel(self):
        """The other node has all the money of the chain, and gives ours its part with the channel."""
        address = self.ask(self.other, "GET", "/v1/newaddress?type=0")["address"]
        self.btcd.terminate()
        self.btcd.wait()
        self.btcd = self.start_chain(address)
        self.wait(lambda: self.chain("getblockcount"), "the chain is back")
        self.chain("generate", 450)  # segwit is active from there on
        for node in (self.ours, self.other):
            self.wait(lambda node=node: self.ask(node, "GET", "/v1/getinfo")["synced_to_chain"], f"{node['name']} has the chain")
        self.wait(lambda: int(self.ask(self.other, "GET", "/v1/balance/blockchain")["confirmed_balance"]) > 0, "there is money")
        key = self.ask(self.ours, "GET", "/v1/getinfo")["identity_pubkey"]
        self.ask(self.other, "POST", "/v1/peers", {"addr": {"pubkey": key, "host": f"127.0.0.1:{self.ours['p2p']}"}, "timeout": "10"})
        self.ask(self.other, "POST", "/v1/channels", {"node_pubkey": base64.b64encode(bytes.fromhex(key)).decode(),
                                                      "local_funding_amount": "2000000", "push_sat": str(self.HAD)})

        def active():
            self.chain("generate", 1)
            return all(c["active"] for n in (self.ours, self.other) for c in self.ask(n, "GET", "/v1/channels")["channels"] or [{"active": False}])

        self.wait(active, "the channel is open")
        self.wait(lambda: not self.move(self.other, self.ours, 1000) and not self.move(self.ours, self.other, 1000), "money moves")

    def balance(self):
        return int(self.ask(self.ours, "GET", "/v1/balance/channels")["local_balance"]["msat"])

    def move(self, payer, payee, msat):
        """What was wrong; "" is well."""
        invoice = self.ask(payee, "POST", "/v1/invoices", {"value_msat": str(msat)})["payment_request"]
        return self.ask(payer, "POST", "/v1/channels/transactions", {"payment_request": invoice})["payment_error"]

    def is_quiet(self):
        return not any(c["pending_htlcs"] for n in (self.ours, self.other) for c in self.ask(n, "GET", "/v1/channels")["channels"])

    def open_wallets(self):
        """As in the beginning."""
        self.wait(self.is_quiet, "nothing is on its way")
        more = self.HAD * 1000 - self.balance()
        if more:
            assert not self.move(*((self.other, self.ours) if more > 0 else (self.ours, self.other)), abs(more))
            self.wait(lambda: self.is_quiet() and self.balance() == self.HAD * 1000, "it is as in the beginning")

    def order(self, do, **order):
        return getattr(self, "order_" + do)(**order)

    def order_invoice(self, msat=21000):
        made = self.ask(self.other, "POST", "/v1/invoices", {"value_msat": str(msat), "memo": "from the tests"})
        digest = base64.b64decode(made["r_hash"]).hex()
        preimage = base64.b64decode(self.ask(self.other, "GET", f"/v1/invoice/{digest}")["r_preimage"]).hex()
        return {"bolt11": made["payment_request"], "hash": digest, "preimage": preimage}

    def order_pay(self, hash):
        invoice = self.ask(self.ours, "GET", f"/v1/invoice/{hash}")["payment_request"]
        paid = self.ask(self.other, "POST", "/v1/channels/transactions", {"payment_request": invoice})
        assert not paid["payment_error"], paid
        return {"at": time.time(), "preimage": base64.b64decode(paid["payment_preimage"]).hex()}

    def order_cancel(self, hash):
        for node in (self.ours, self.other):
            with contextlib.suppress(urllib.error.HTTPError):
                self.ask(node, "POST", "/v2/invoices/cancel", {"payment_hash": base64.b64encode(bytes.fromhex(hash)).decode()})
        return {}

    def order_state(self, node):
        rows = self.ask(self.other, "GET", "/v1/invoices?num_max_invoices=10000&reversed=true")["invoices"]
        settled = {base64.b64decode(r["r_hash"]).hex(): 1 for r in rows if r["state"] == "SETTLED"}
        return {"settlements": settled, "items": Everything(), "watchers": 0, "balance": self.balance()}

    def asked(self, node, part):
        return 0

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()


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
