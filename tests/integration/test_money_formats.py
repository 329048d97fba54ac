"""Formats of money where a person meets them: an invoice's QR code on a terminal, and addresses to pay to."""
import http.server
import json
import os
import pty
import re
import struct
import subprocess
import threading
import fcntl
import termios

import pytest

from parts import NODE


def on_terminal(pylon, *args, columns=200, env=None):
    """What a person would see: the command runs on a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(pylon.command(*args, env={"LC_ALL": "C.UTF-8", **(env or {})}), stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    seen = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(master)
    assert process.wait(30) == 0, seen
    return seen.decode()


def modules(seen):
    """Rows of modules, light is 1; None where there is no picture."""
    lines = [re.sub("\033\\[[0-9;]*m", "", line) for line in seen.splitlines() if line.startswith("\033[97;40m")]
    both = {"█": "11", "▀": "10", "▄": "01", " ": "00"}
    return [row for line in lines for row in ("".join(both[c][i] for c in line.rstrip("\r\n")) for i in (0, 1))] or None


@pytest.fixture
def regtest(make_pylon):
    one = make_pylon("start", None)
    one.start()
    return one


def test_an_invoice_on_a_terminal_is_a_picture_that_others_read(regtest):
    seen = on_terminal(regtest, "wallet", "invoice", "21", "tea")
    invoice = next(line for line in seen.split() if line.startswith("lnbcrt"))
    rows = modules(seen)
    assert rows and all(len(row) == len(rows[0]) for row in rows)
    read = subprocess.run(["node", NODE / "qr-read.mjs"], input="\n".join(rows), capture_output=True, text=True, timeout=30)
    assert read.stdout.strip() == "LIGHTNING:" + invoice.upper(), read.stderr


def test_where_it_cannot_be_shown_the_text_is_enough(regtest):
    assert modules(on_terminal(regtest, "wallet", "invoice", "21", columns=40)) is None
    assert modules(on_terminal(regtest, "wallet", "invoice", "21", env={"LC_ALL": "C"})) is None
    assert regtest.run("wallet", "invoice", "21").stdout.startswith("lnbcrt210n1")
    assert "\033" not in on_terminal(regtest, "wallet", "invoice", "21", "--json")


class Server(http.server.BaseHTTPRequestHandler):
    """An LNURL server; what it does is in the name."""
    pylon = None

    def do_GET(self):
        port = self.server.server_address[1]
        path, _, query = self.path.partition("?")
        name = path.rpartition("/")[2]
        if "well-known" in path:
            answer = {"tag": "payRequest", "callback": f"http://127.0.0.1:{port}/cb/{name}", "minSendable": 1000, "maxSendable": 50_000_000,
                      "metadata": json.dumps([["text/plain", "tea"]]), "commentAllowed": 20}
            if name == "gone":
                answer = {"status": "ERROR", "reason": "nobody of this name"}
        else:
            msat = int(re.search(r"amount=(\d+)", query).group(1)) + (1000 if name == "dear" else 0)
            invoice = self.pylon.json("wallet", "invoice", f"{msat} msat", "tea", "--account", "agent:ada")["bolt11"]
            answer = {"pr": invoice, "routes": []}
            if name == "mainnet":
                answer["pr"] = ("lnbc20u1p3y0x3hpp5743k2g0fsqqxj7n8qzuhns5gmkk4djeejk3wkp64ppevgekvc0jsdqcve5kzar2v9nr5gpqd4hkuetesp5ez2g297jduwc20t6lmqlsg3man0vf2"
                                "jfd8ar9fh8fhn2g8yttfkqxqy9gcqcqzys9qrsgqrzjqtx3k77yrrav9hye7zar2rtqlfkytl094dsp0ms5majzth6gt7ca6uhdkxl983uywgqqqqlgqqqvx5qqjqrzjqd98kxkpyw0l9tyy8r8q57k7zpy9zjmh6sez752wj6gcumqnj3yxzhdsmg6qq56utgqqqqqqqqqqqeqqjq7jd56882gtxhrjm03c93aacyfy306m4fq0tskf83c0nmet8zc2lxyyg3saz8x6vwcp26xnrlagf9semau3qm2glysp7sv95693fphvsp54l567")
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def lnurl(regtest):
    handler = type("Handler", (Server,), {"pylon": regtest})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def balance(pylon, account):
    return next((row["balance_msats"] for row in pylon.json("wallet", "balance") if row["account"] == account), 0)


def test_an_address_is_paid(regtest, lnurl):
    regtest.run("wallet", "fund", "1000")
    paid = regtest.json("wallet", "pay", f"ada@{lnurl}", "30", "--comment", "for you", "--yes")
    assert paid["state"] == "settled", paid
    assert balance(regtest, "owner") == 970_000 and balance(regtest, "agent:ada") == 30_000


@pytest.mark.parametrize("name, why", [("dear", "another amount"), ("mainnet", ""), ("gone", "nobody of this name")])
def test_a_server_that_cheats_is_paid_nothing(regtest, lnurl, name, why):
    regtest.run("wallet", "fund", "1000")
    failed = regtest.run("wallet", "pay", f"{name}@{lnurl}", "30", "--yes", expect=None)
    assert failed.returncode != 0 and why in failed.stderr, failed.stderr
    assert balance(regtest, "owner") == 1_000_000
