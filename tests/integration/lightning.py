#!/usr/bin/python3
"""A small Lightning for tests: nodes that speak the wire formats of phoenixd, LND, Core Lightning and LNbits,
share one ledger, so that a payment from one to another settles with its true preimage, and misbehave on
order. In a process of its own:

    lightning.py NETWORK [CERTIFICATE KEY NODE…]      prints {"control": port, "phoenixd": {"url", "secret"}, …}

Orders are JSON objects, POSTed to the control port: {"do": NAME, …}; each is a function order_NAME below."""
import asyncio
import base64
import collections
import hashlib
import json
import pathlib
import secrets
import socket
import ssl
import sys
import tempfile
import time

from aiohttp import WSMsgType, web

import bolt11

HOP_FEE = 1000  # msat, of every payment that leaves a node
WAIT = 1.0      # how long LNbits waits for a payment before it answers "pending"


class Refused(Exception):
    """A payment that did not happen, and will not."""

    def __init__(self, why, reason):
        super().__init__(reason)
        self.why, self.reason = why, reason


class Known(Exception):
    """A payment for this hash was made, or is under way."""

    def __init__(self, payment):
        super().__init__(payment.status)
        self.payment = payment


class Invoice:
    def __init__(self, node, msat, description, expiry, label="", description_hash=None):
        self.node, self.msat, self.description, self.expiry, self.label = node, msat, description, expiry, label
        self.preimage = secrets.token_bytes(32)
        self.hash = hashlib.sha256(self.preimage).digest()
        self.created = time.time()
        self.bolt11 = bolt11.encode(node.network, node.key, self.hash, secrets.token_bytes(32), msat, description,
                                    int(self.created), expiry, description_hash)
        self.settled = self.received = self.index = None
        self.cancelled = False

    @property
    def expired(self):
        return self.settled is None and (self.cancelled or time.time() > self.created + self.expiry)


class Payment:
    def __init__(self, invoice, msat):
        self.invoice, self.msat, self.fee = invoice, msat, 0
        self.id = secrets.token_hex(16)
        self.hash, self.preimage = invoice.hash, None
        self.status, self.reason = "pending", ""
        self.created, self.completed = time.time(), None
        self.over = asyncio.get_running_loop().create_future()

    def end(self, status, reason="", preimage=None):
        self.status, self.reason, self.preimage, self.completed = status, reason, preimage, time.time()
        if not self.over.done():
            self.over.set_result(None)


class Lightning:
    def __init__(self, network):
        self.network = network
        self.nodes = {}
        self.invoices = {}    # by hash
        self.by_bolt11 = {}
        self.settlements = collections.Counter()  # how often an invoice was paid: never more than once

    def add_invoice(self, node, *args, **more):
        invoice = Invoice(node, *args, **more)
        self.invoices[invoice.hash] = self.by_bolt11[invoice.bolt11] = invoice
        return invoice

    def settle(self, invoice, msat):
        self.settlements[invoice.hash.hex()] += 1
        invoice.settled, invoice.received = time.time(), msat
        invoice.node.last_index += 1
        invoice.index = invoice.node.last_index
        invoice.node.balance += msat
        invoice.node.announce(invoice)


class Node:
    """What all kinds have in common: balance, payments, faults."""
    name = None
    fee = HOP_FEE

    def __init__(self, lightning):
        self.lightning, self.network = lightning, lightning.network
        self.key = secrets.randbelow(bolt11.N - 1) + 1
        self.balance = 100_000_000
        self.last_index = 0
        self.payments = {}  # by hash
        self.mode = {}      # how payments and events behave
        self.faults = []
        self.requests = []  # what was asked, for tests that count
        self.watchers = set()
        self.sockets = set()
        self.items = []     # what websockets were opened for
        self.secret = secrets.token_hex(16)

    def fee_of(self, _msat):
        return self.fee

    def announce(self, invoice):
        """Tells whoever watches; out of order or twice where that was ordered."""
        if self.mode.get("events") == "off":
            return
        held = self.mode.setdefault("held", [])
        held.append(invoice)
        if self.mode.get("events") == "reorder" and len(held) < 2:
            return
        for one in reversed(held):
            for _ in range(2 if self.mode.get("events") == "duplicate" else 1):
                for watcher in list(self.watchers):
                    watcher(one)
        held.clear()

    def begin(self, text, msat, fee_limit):
        """A payment that is on its way, or an exception."""
        invoice = self.lightning.by_bolt11.get(text)
        if not invoice:
            raise Refused("no_route", "no route to the destination")
        old = self.payments.get(invoice.hash)
        if old and old.status != "failed":
            raise Known(old)
        if invoice.expired:
            raise Refused("expired", "invoice expired")
        msat = invoice.msat or msat
        fee = self.fee_of(msat)
        payment = self.payments[invoice.hash] = Payment(invoice, msat)
        if fee_limit is not None and fee > fee_limit:
            payment.end("failed", "no_route")
        elif msat + fee > self.balance:
            payment.end("failed", "balance")
        elif invoice.settled or self.mode.get("pay") == "fail":
            payment.end("failed", self.mode.get("reason", "refused"))
        elif self.mode.get("pay") != "pending":
            self.complete(payment)
        return payment

    def complete(self, payment):
        payment.fee = self.fee_of(payment.msat)
        self.balance -= payment.msat + payment.fee
        self.lightning.settle(payment.invoice, payment.msat)
        junk = self.mode.get("pay") == "junk"
        payment.end("succeeded", preimage=secrets.token_bytes(32) if junk else payment.invoice.preimage)

    # ---- faults: {"path": part of the path, "kind": …, "times": n}

    def fault_for(self, path):
        for fault in self.faults:
            if fault["path"] in path and fault.get("times", 1) > 0:
                fault["times"] = fault.get("times", 1) - 1
                return fault
        return {}

    @staticmethod
    def cut(request):
        request.transport.abort()
        raise asyncio.CancelledError

    @web.middleware
    async def misbehave(self, request, handler):
        self.requests.append(f"{request.method} {request.path_qs}")
        fault = self.fault_for(request.path)
        kind = fault.get("kind")
        if kind == "cut before":
            self.cut(request)
        if kind == "slow":
            await asyncio.sleep(fault["seconds"])
        if kind == "answer":  # without doing it
            return self.odd_answer(fault)
        if kind == "hang":
            await asyncio.sleep(3600)
        answer = await handler(request)
        if kind == "cut after":
            self.cut(request)
        if kind == "answer after":
            return self.odd_answer(fault)
        return answer

    @staticmethod
    def odd_answer(fault):
        body = fault.get("body", "")
        body = {"huge": b'{"a":"' + b"x" * 3_000_000 + b'"}', "deep": b"[" * 50_000 + b"]" * 50_000, "utf8": b'{"a":"\xff\xfe"}',
                "null": b'{"a":"\\u0000","isPaid":true}', "empty": b"", "array": b"[]", "number": b"1e999",
                "html": b"<html>gateway</html>"}.get(body, body.encode() if isinstance(body, str) else body)
        return web.Response(status=fault.get("status", 200), body=body, content_type=fault.get("type", "application/json"))

    # ---- serving

    def application(self):
        app = web.Application(middlewares=[self.misbehave, self.authorise])
        self.routes(app.router)
        return app

    @web.middleware
    async def authorise(self, request, handler):
        if not self.may(request):
            return self.not_allowed()
        return await handler(request)

    async def push(self, request, wanted, message):
        """A websocket that says message(invoice) of each settled invoice for which wanted(invoice)."""
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        queue = asyncio.Queue()
        watcher = lambda invoice: queue.put_nowait(invoice) if wanted(invoice) else None
        self.watchers.add(watcher)
        self.sockets.add(ws)

        async def tell():
            while True:
                await ws.send_str(message(await queue.get()))

        teller = asyncio.ensure_future(tell())
        try:
            async for m in ws:
                if m.type == WSMsgType.ERROR:
                    break
        finally:
            teller.cancel()
            self.watchers.discard(watcher)
            self.sockets.discard(ws)
        return ws


class Other(Node):
    """Everybody else: made to be paid and to pay."""
    name = "other"


def milliseconds(t):
    return int(t * 1000)


class Phoenixd(Node):
    name = "phoenixd"

    def fee_of(self, msat):
        return 4000 + msat * 4 // 1000

    def may(self, request):
        return request.headers.get("Authorization", "") == "Basic " + base64.b64encode(f":{self.secret}".encode()).decode()

    def not_allowed(self):
        return web.Response(status=401, text="Invalid authentication (use basic auth with the http password set in phoenix.conf)")

    def routes(self, r):
        r.add_get("/getinfo", self.info)
        r.add_get("/getbalance", self.get_balance)
        r.add_post("/createinvoice", self.create)
        r.add_get("/payments/incoming/{hash}", self.incoming)
        r.add_get("/payments/incoming", self.incoming_list)
        r.add_post("/payinvoice", self.pay)
        r.add_get("/payments/outgoingbyhash/{hash}", self.outgoing)
        r.add_get("/websocket", self.websocket)

    @staticmethod
    def say(value):
        return web.json_response(value, dumps=lambda v: json.dumps(v, indent=4))

    async def info(self, _):
        return self.say({"nodeId": bolt11.public_key(self.key).hex(), "channels": [], "chain": self.network,
                         "blockHeight": 800000, "version": "0.8.1-stub"})

    async def get_balance(self, _):
        return self.say({"balanceSat": self.balance // 1000, "feeCreditSat": 0})

    async def create(self, request):
        form = await request.post()
        if ("description" in form) == ("descriptionHash" in form):
            return web.Response(status=400, text="Must provide either a description or descriptionHash")
        if len(form.get("description", "")) > 128:
            return web.Response(status=400, text="Request parameter description is too long (max 128 characters)")
        hashed = bytes.fromhex(form["descriptionHash"]) if "descriptionHash" in form else None
        invoice = self.lightning.add_invoice(self, int(form["amountSat"]) * 1000, form.get("description", ""),
                                             int(form.get("expirySeconds", 3600)), form.get("externalId", ""), hashed)
        return self.say({"amountSat": invoice.msat // 1000, "paymentHash": invoice.hash.hex(), "serialized": invoice.bolt11})

    def row(self, i):
        row = {"type": "incoming_payment", "subType": "lightning", "paymentHash": i.hash.hex(), "preimage": i.preimage.hex(),
               "externalId": i.label, "description": i.description, "invoice": i.bolt11, "isPaid": i.settled is not None,
               "isExpired": i.expired, "requestedSat": i.msat // 1000, "receivedSat": (i.received or 0) // 1000, "fees": 0,
               "expiresAt": milliseconds(i.created + i.expiry), "createdAt": milliseconds(i.created)}
        return {**row, "completedAt": milliseconds(i.settled)} if i.settled else row

    async def incoming(self, request):
        invoice = self.lightning.invoices.get(bytes.fromhex(request.match_info["hash"]))
        return self.say(self.row(invoice)) if invoice and invoice.node is self else web.Response(status=404, text="Not found")

    async def incoming_list(self, request):
        q = request.query
        rows = [i for i in self.lightning.invoices.values() if i.node is self and i.settled
                and milliseconds(i.settled) >= int(q.get("from", 0))]
        rows.sort(key=lambda i: -i.settled)
        offset = int(q.get("offset", 0))
        return self.say([self.row(i) for i in rows[offset:offset + int(q.get("limit", 20))]])

    async def pay(self, request):
        form = await request.post()
        try:
            payment = self.begin(form["invoice"], int(form.get("amountSat", 0)) * 1000, None)
            await payment.over
            if payment.status == "failed":
                raise Refused("failed", {"balance": "not enough funds in wallet to process payment"}.get(
                    payment.reason, "payment could not be sent through existing channels"))
        except Known as e:
            reason = "this invoice has already been paid" if e.payment.status == "succeeded" else \
                "another payment is in progress for that invoice"
            return self.say({"paymentHash": e.payment.hash.hex(), "reason": reason})
        except Refused as e:
            return self.say({"paymentHash": "00" * 32, "reason": e.reason})
        return self.say({"recipientAmountSat": payment.msat // 1000, "routingFeeSat": payment.fee // 1000,
                         "paymentId": payment.id, "paymentHash": payment.hash.hex(), "paymentPreimage": payment.preimage.hex()})

    async def outgoing(self, request):
        p = self.payments.get(bytes.fromhex(request.match_info["hash"]))
        if not p:
            return web.Response(status=404, text="Not found")
        row = {"type": "outgoing_payment", "subType": "lightning", "paymentId": p.id, "paymentHash": p.hash.hex(),
               "isPaid": p.status == "succeeded", "sent": (p.msat + p.fee) // 1000, "fees": p.fee, "invoice": p.invoice.bolt11,
               "createdAt": milliseconds(p.created)}
        if p.preimage:
            row["preimage"] = p.preimage.hex()
        if p.completed:
            row["completedAt"] = milliseconds(p.completed)
        return self.say(row)

    async def websocket(self, request):
        return await self.push(request, lambda i: True, lambda i: json.dumps(
            {"type": "payment_received", "timestamp": milliseconds(i.settled), "amountSat": i.received // 1000,
             "paymentHash": i.hash.hex(), "externalId": i.label}))


def b64(data):
    return base64.b64encode(data).decode()


class Lnd(Node):
    name = "lnd"

    def may(self, request):
        return request.headers.get("Grpc-Metadata-macaroon", "") == self.secret

    def not_allowed(self):
        return web.json_response({"code": 2, "message": "verification failed: signature mismatch after caveat verification",
                                  "details": []}, status=500)

    def routes(self, r):
        r.add_get("/v1/getinfo", self.info)
        r.add_get("/v1/balance/channels", self.get_balance)
        r.add_post("/v1/invoices", self.create)
        r.add_get("/v1/invoices", self.invoice_list)
        r.add_get("/v1/invoices/subscribe", self.subscribe)
        r.add_get("/v1/invoice/{hash}", self.lookup)
        r.add_post("/v2/router/send", self.pay)
        r.add_get("/v2/router/track/{hash}", self.track)

    async def info(self, _):
        return web.json_response({"version": "0.21.99-beta", "identity_pubkey": bolt11.public_key(self.key).hex(), "alias": "stub",
                                  "chains": [{"chain": "bitcoin", "network": self.network}], "synced_to_chain": True})

    async def get_balance(self, _):
        return web.json_response({"balance": str(self.balance // 1000),
                                  "local_balance": {"sat": str(self.balance // 1000), "msat": str(self.balance)}})

    async def create(self, request):
        body = await request.json()
        hashed = base64.b64decode(body["description_hash"]) if "description_hash" in body else None
        invoice = self.lightning.add_invoice(self, int(body["value_msat"]), body.get("memo", ""), int(body.get("expiry", 86400)),
                                             description_hash=hashed)
        return web.json_response({"r_hash": b64(invoice.hash), "payment_request": invoice.bolt11, "add_index": "1",
                                  "payment_addr": b64(b"\1" * 32)})

    def row(self, i):
        state = "SETTLED" if i.settled else "CANCELED" if i.expired else "OPEN"
        return {"memo": i.description, "r_preimage": b64(i.preimage), "r_hash": b64(i.hash), "value_msat": str(i.msat),
                "settled": bool(i.settled), "creation_date": str(int(i.created)), "settle_date": str(int(i.settled or 0)),
                "payment_request": i.bolt11, "expiry": str(i.expiry), "add_index": "1", "settle_index": str(i.index or 0),
                "amt_paid_msat": str(i.received or 0), "state": state}

    def mine(self):
        return [i for i in self.lightning.invoices.values() if i.node is self]

    async def lookup(self, request):
        invoice = self.lightning.invoices.get(bytes.fromhex(request.match_info["hash"]))
        if not invoice or invoice.node is not self:
            return web.json_response({"code": 5, "message": "unable to locate invoice", "details": []}, status=404)
        return web.json_response(self.row(invoice))

    async def invoice_list(self, request):
        rows = self.mine()[-int(request.query["num_max_invoices"]):]
        return web.json_response({"invoices": [self.row(i) for i in rows], "last_index_offset": "1", "first_index_offset": "1"})

    async def stream(self, request):
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        return answer

    @staticmethod
    async def line(answer, value):
        await answer.write(json.dumps(value).encode() + b"\n")

    async def subscribe(self, request):
        answer = await self.stream(request)
        queue = asyncio.Queue()
        since = int(request.query.get("settle_index", 0))
        if since:
            for i in sorted((i for i in self.mine() if i.settled and i.index > since), key=lambda i: i.index):
                await self.line(answer, {"result": self.row(i)})
        watcher = queue.put_nowait
        self.watchers.add(watcher)
        self.sockets.add(request.transport)
        try:
            while True:
                await self.line(answer, {"result": self.row(await queue.get())})
        finally:
            self.watchers.discard(watcher)

    @staticmethod
    def result(p):
        status = {"pending": "IN_FLIGHT", "succeeded": "SUCCEEDED", "failed": "FAILED"}[p.status]
        reason = {"no_route": "NO_ROUTE", "balance": "INSUFFICIENT_BALANCE", "refused": "INCORRECT_PAYMENT_DETAILS"}.get(p.reason, "NONE")
        return {"result": {"payment_hash": p.hash.hex(), "payment_preimage": (p.preimage or bytes(32)).hex(), "value_msat": str(p.msat),
                           "fee_msat": str(p.fee), "status": status, "failure_reason": f"FAILURE_REASON_{reason}", "htlcs": []}}

    async def pay(self, request):
        body = await request.json()
        limit = int(body.get("fee_limit_msat", 0))  # LND: none said is none allowed
        try:
            payment = self.begin(body["payment_request"], int(body.get("amt_msat", 0)), limit)
        except Known as e:
            message = {"succeeded": "invoice is already paid", "pending": "payment is in transition"}[e.payment.status]
            return web.json_response({"error": {"code": 6, "message": message, "details": []}}, status=409)
        except Refused as e:
            if e.why == "expired":
                return web.json_response({"error": {"code": 3, "message": "invoice expired", "details": []}}, status=400)
            answer = await self.stream(request)
            await self.line(answer, {"result": {"payment_hash": "00" * 32, "status": "FAILED", "failure_reason": "FAILURE_REASON_NO_ROUTE"}})
            return answer
        answer = await self.stream(request)
        if not body.get("no_inflight_updates"):
            await self.line(answer, {"result": {**self.result(payment)["result"], "status": "IN_FLIGHT"}})
        await payment.over
        await self.line(answer, self.result(payment))
        return answer

    async def track(self, request):
        p = self.payments.get(base64.urlsafe_b64decode(request.match_info["hash"]))
        if not p:
            return web.json_response({"error": {"code": 5, "message": "payment isn't initiated", "details": []}}, status=404)
        answer = await self.stream(request)
        if p.status == "pending" and request.query.get("no_inflight_updates") != "true":
            await self.line(answer, self.result(p))
        await p.over
        await self.line(answer, self.result(p))
        return answer


class Cln(Node):
    name = "cln"

    def may(self, request):
        return request.headers.get("Rune", "") == self.secret

    def not_allowed(self):
        return web.json_response({"code": 1502, "message": "Not permitted: rune is not valid"}, status=401)

    def routes(self, r):
        r.add_post("/v1/{method}", self.call)

    def error(self, code, message):
        value = {"code": code, "message": message}
        return web.json_response({"error": value} if self.mode.get("nested") else value, status=500)

    async def call(self, request):
        method = getattr(self, "rpc_" + request.match_info["method"], None)
        if not method:
            return web.json_response({"code": -32601, "message": "Unknown command"}, status=404)
        answer = await method(await request.json())
        return answer if isinstance(answer, web.StreamResponse) else web.json_response(answer, status=201)

    def mine(self):
        return [i for i in self.lightning.invoices.values() if i.node is self]

    def row(self, i):
        row = {"label": i.label, "bolt11": i.bolt11, "payment_hash": i.hash.hex(), "amount_msat": i.msat, "description": i.description,
               "status": "paid" if i.settled else "expired" if i.expired else "unpaid", "expires_at": int(i.created + i.expiry),
               "created_index": 1}
        if i.settled:
            row |= {"pay_index": i.index, "amount_received_msat": i.received, "paid_at": int(i.settled),
                    "payment_preimage": i.preimage.hex()}
        return row

    async def rpc_getinfo(self, _):
        return {"id": bolt11.public_key(self.key).hex(), "alias": "STUBBORNSTUB", "version": "v26.06",
                "network": {"mainnet": "bitcoin"}.get(self.network, self.network)}

    async def rpc_listfunds(self, _):
        return {"outputs": [], "channels": [{"state": "CHANNELD_NORMAL", "our_amount_msat": self.balance},
                                            {"state": "ONCHAIN", "our_amount_msat": 77}]}

    async def rpc_invoice(self, q):
        if any(i.label == q["label"] for i in self.mine()):
            return self.error(900, "Duplicate label")
        i = self.lightning.add_invoice(self, q["amount_msat"], q["description"], q.get("expiry", 604800), q["label"])
        return {"bolt11": i.bolt11, "payment_hash": i.hash.hex(), "payment_secret": "11" * 32, "expires_at": int(i.created + i.expiry),
                "created_index": 1, "warning_capacity": "stub"}

    async def rpc_listinvoices(self, q):
        return {"invoices": [self.row(i) for i in self.mine() if q["payment_hash"] == i.hash.hex()]}

    async def rpc_waitanyinvoice(self, q):
        queue = asyncio.Queue()
        watcher = queue.put_nowait
        self.watchers.add(watcher)
        try:
            end = time.time() + q["timeout"]
            while True:
                paid = sorted((i for i in self.mine() if i.settled and i.index > q["lastpay_index"]), key=lambda i: i.index)
                if paid and not (self.mode.get("events") == "off" and time.time() < end):
                    return self.row(paid[0])
                await asyncio.wait_for(queue.get(), end - time.time())
        except asyncio.TimeoutError:
            return self.error(904, "Timed out")
        finally:
            self.watchers.discard(watcher)

    async def rpc_xpay(self, q):
        try:
            p = self.begin(q["invstring"], q.get("amount_msat", 0), q.get("maxfee"))
            await p.over
        except Known as e:
            if e.payment.status == "succeeded" and self.mode.get("nested"):
                return self.error(219, "Already paid")
            if e.payment.status == "succeeded":  # xpay says it again
                p = e.payment
            else:
                return self.error(-1, "Payment already in progress")
        except Refused as e:
            return self.error({"expired": 207, "no_route": 205}[e.why], e.reason)
        if p.status == "failed":
            return self.error({"no_route": 205, "balance": 205}.get(p.reason, 203), f"Failed: {p.reason}")
        return {"payment_preimage": p.preimage.hex(), "amount_msat": p.msat, "amount_sent_msat": p.msat + p.fee, "failed_parts": 0,
                "successful_parts": 1}

    async def rpc_listpays(self, q):
        p = self.payments.get(bytes.fromhex(q["payment_hash"]))
        if not p:
            return {"pays": []}
        row = {"payment_hash": p.hash.hex(), "status": {"succeeded": "complete"}.get(p.status, p.status), "created_at": int(p.created),
               "amount_msat": p.msat, "amount_sent_msat": p.msat + p.fee}
        return {"pays": [{**row, "preimage": p.preimage.hex()} if p.preimage else row]}


class Lnbits(Node):
    name = "lnbits"

    def may(self, request):
        # Its answers about one hash, and its websockets, need no key.
        return request.headers.get("X-Api-Key", "") == self.secret or request.path.startswith("/api/v1/ws/")

    def not_allowed(self):
        return web.json_response({"detail": "Wallet not found."}, status=404)

    def routes(self, r):
        r.add_get("/api/v1/wallet", self.wallet)
        r.add_post("/api/v1/payments", self.payment)
        r.add_get("/api/v1/payments", self.listing)
        r.add_get("/api/v1/payments/{hash}", self.lookup)
        r.add_get("/api/v1/ws/{item}", self.websocket)

    async def wallet(self, _):
        return web.json_response({"id": "stub", "name": "LNbits wallet", "balance": self.balance})

    @staticmethod
    def time(t):
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t % 1 * 1e6):06d}+00:00"

    def incoming(self, i):
        status = "success" if i.settled else "pending"
        return {"checking_id": i.hash.hex(), "payment_hash": i.hash.hex(), "wallet_id": "stub", "amount": i.msat, "fee": 0,
                "bolt11": i.bolt11, "payment_request": i.bolt11, "status": status, "memo": i.description, "preimage": i.preimage.hex(),
                "created_at": self.time(i.created), "time": self.time(i.created), "updated_at": self.time(i.settled or i.created),
                "extra": {"pylon": i.label}}

    def outgoing(self, p):
        status = {"succeeded": "success"}.get(p.status, p.status)
        return {"checking_id": p.hash.hex(), "payment_hash": p.hash.hex(), "wallet_id": "stub", "amount": -p.msat, "fee": -p.fee,
                "bolt11": p.invoice.bolt11, "payment_request": p.invoice.bolt11, "status": status, "memo": "", "extra": {},
                "preimage": p.preimage.hex() if p.preimage else None, "created_at": self.time(p.created),
                "updated_at": self.time(p.completed or p.created)}

    def failed(self, detail, status="failed"):
        return web.json_response({"detail": detail, "status": status}, status=520)

    async def payment(self, request):
        body = await request.json()
        if body.get("out", True):
            return await self.pay(body)
        hashed = bytes.fromhex(body["description_hash"]) if "description_hash" in body else None
        assert body["unit"] == "sat"
        i = self.lightning.add_invoice(self, body["amount"] * 1000, body.get("memo", ""), body.get("expiry", 3600),
                                       body.get("extra", {}).get("pylon", ""), hashed)
        return web.json_response(self.incoming(i), status=201)

    async def pay(self, body):
        try:
            p = self.begin(body["bolt11"], 0, None)
        except Known as e:
            return self.failed("Payment already paid.", "success") if e.payment.status == "succeeded" else \
                self.failed("Payment is still pending.", "pending")
        except Refused as e:
            return self.failed(e.reason)
        try:
            await asyncio.wait_for(asyncio.shield(p.over), WAIT)
        except asyncio.TimeoutError:
            return web.json_response(self.outgoing(p), status=201)
        if p.status == "failed":
            return self.failed({"balance": "Insufficient balance."}.get(p.reason, f"Payment failed: {p.reason}"))
        return web.json_response(self.outgoing(p), status=201)

    async def lookup(self, request):
        payment_hash = bytes.fromhex(request.match_info["hash"])
        p, i = self.payments.get(payment_hash), self.lightning.invoices.get(payment_hash)
        if p:
            row = self.outgoing(p)
        elif i and i.node is self:
            row = self.incoming(i)
        else:
            return web.json_response({"detail": "Payment does not exist."}, status=404)
        if row["status"] == "success":
            return web.json_response({"paid": True, "preimage": row["preimage"], "details": row})
        return web.json_response({"paid": False, "status": row["status"], "details": {**row, "preimage": None}})

    async def listing(self, request):
        q = request.query
        rows = [self.incoming(i) for i in self.lightning.invoices.values() if i.node is self and i.settled]
        rows = [r for r in rows if r["updated_at"] >= q.get("updated_at[ge]", "")]
        rows.sort(key=lambda r: r["updated_at"], reverse=q.get("direction") == "desc")
        offset = int(q.get("offset", 0))
        return web.json_response(rows[offset:offset + int(q.get("limit", 20))])

    async def websocket(self, request):
        item = request.match_info["item"]
        self.items.append(item)
        return await self.push(request, lambda i: i.hash.hex() == item, lambda i: json.dumps({"pending": False, "status": "success"}))


class Control:
    def __init__(self, lightning):
        self.lightning = lightning

    async def order(self, request):
        order = await request.json()
        answer = getattr(self, "order_" + order.pop("do"))(**order)
        return web.json_response(answer)

    def order_invoice(self, node="other", msat=21000, expiry=3600, description="from the tests"):
        """A foreign invoice."""
        i = self.lightning.add_invoice(self.lightning.nodes[node], msat, description, expiry)
        return {"bolt11": i.bolt11, "hash": i.hash.hex(), "preimage": i.preimage.hex()}

    def order_pay(self, hash, msat=None):
        """Somebody pays an invoice. Says when."""
        i = self.lightning.invoices[bytes.fromhex(hash)]
        if i.settled or i.expired:
            return {"error": "it cannot be paid"}
        self.lightning.settle(i, msat or i.msat)
        return {"at": time.time(), "preimage": i.preimage.hex()}

    def order_fault(self, node, **fault):
        self.lightning.nodes[node].faults.append(fault)
        return True

    def order_mode(self, node, **mode):
        self.lightning.nodes[node].mode.update(mode)
        return True

    def order_well(self, node):
        """Everything as it should be again."""
        self.lightning.nodes[node].mode.clear()
        self.lightning.nodes[node].faults.clear()
        return True

    def order_resolve(self, node, hash, ok):
        """A payment that was pending ends."""
        one = self.lightning.nodes[node]
        payment = one.payments[bytes.fromhex(hash)]
        one.complete(payment) if ok else payment.end("failed", "no_route")
        return True

    def order_drop(self, node):
        """Cuts every push connection."""
        one = self.lightning.nodes[node]
        for s in list(one.sockets):
            (s._req.transport if isinstance(s, web.WebSocketResponse) else s).abort()
        one.sockets.clear()
        return True

    def order_cancel(self, hash):
        self.lightning.invoices[bytes.fromhex(hash)].cancelled = True
        return True

    def order_state(self, node):
        one = self.lightning.nodes[node]
        return {"balance": one.balance, "requests": one.requests, "watchers": len(one.watchers), "items": one.items,
                "payments": {h.hex(): p.status for h, p in one.payments.items()},
                "settlements": dict(self.lightning.settlements)}


async def serve(app, tls=None):
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    await web.SockSite(runner, listener, ssl_context=tls).start()
    return listener.getsockname()[1]


async def main(network, certificate=None, key=None, *encrypted):
    lightning = Lightning(network)
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
    said = {}
    for kind in (Other, Phoenixd, Lnd, Cln, Lnbits):
        node = lightning.nodes[kind.name] = kind(lightning)
        if kind is Other:
            continue
        secure = tls if kind.name in encrypted else None
        port = await serve(node.application(), secure)
        path = pathlib.Path(tempfile.mkdtemp(prefix="pylon-")) / f"{kind.name}.sock"
        runner = web.AppRunner(node.application(), access_log=None)
        await runner.setup()
        await web.UnixSite(runner, str(path)).start()
        said[kind.name] = {"socket": str(path), "url": f"{'https' if secure else 'http'}://127.0.0.1:{port}", "secret": node.secret}
    control = web.Application()
    control.router.add_post("/", Control(lightning).order)
    said["control"] = await serve(control)
    print(json.dumps(said), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
