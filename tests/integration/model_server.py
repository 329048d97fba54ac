"""Servers of language models that are none: they speak OpenAI's API as llama.cpp's server does, or Ollama's, byte for
byte as those were recorded, and misbehave when told. test_backend.py asks them with the official clients too, so that
what passes here is not a misunderstanding of both sides."""
import asyncio
import contextlib
import json
import socket
import threading
import time

WORDS = ["The", " quick", " brown", " fox", " says", " \u201chej\u201d", " \U0001f98a", "."]
TEXT = "".join(WORDS)


class Gone(Exception):
    pass


class ModelServer:
    """`faults` are taken one for each generation, then `fault` holds: see FAULTS. `pause` is the time between two
    words. What was asked is in `asked`; how many generations are open, and were at most, in `open` and `most`;
    `aborted` has the times at which a client closed in the middle."""

    FAULTS = ("ok", "hang", "hang-mid", "die", "die-mid", "garbage", "big", "500", "slow", "split", "html", "error-mid",
              "no-usage", "no-done", "context", "endless", "flood", "bad-utf8", "whole", "think", "busy")

    def __init__(self, wire, port=0, models=("tiny",), context=2048, slots=4, path=None, key=None, tls=None):
        self.wire, self.models, self.context, self.slots, self.key = wire, list(models), context, slots, key
        self.fault, self.faults, self.pause, self.n_words = "ok", [], 0.0, len(WORDS)
        self.asked, self.aborted, self.listed = [], [], 0
        self.open = self.most = self.served = self.n_sent = 0
        self.port, self.path, self.tls = port, path, tls
        self.list_body = None
        self.list_pause = 0  # how long the list of models takes
        self.loop = None
        self.start()

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    # ---- life

    def start(self):
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(10)

    def _run(self, ready):
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.tasks = set()

        async def serve():
            if self.path:
                self.server = await asyncio.start_unix_server(self._connection, self.path, backlog=512)
            else:
                self.server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=512,
                                                         ssl=self.tls)
                self.port = self.server.sockets[0].getsockname()[1]
            ready.set()
        self.loop.run_until_complete(serve())
        self.loop.run_forever()

    def stop(self):
        """Gone with all its connections, as a killed process."""
        if not self.loop:
            return

        def end():
            self.server.close()
            for writer in list(self.tasks):
                writer.transport.abort()
            for task in asyncio.all_tasks():
                task.cancel()
            self.loop.call_later(0.05, self.loop.stop)
        self.loop.call_soon_threadsafe(end)
        self.thread.join(10)
        self.loop.close()
        self.loop = None
        self.open = 0

    # ---- HTTP

    async def _connection(self, reader, writer):
        self.tasks.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in head[1:] if h)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._answer(reader, writer, method, path, headers, json.loads(body) if body else None)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, Gone, RuntimeError, asyncio.CancelledError):
            pass
        finally:
            self.tasks.discard(writer)
            writer.transport.abort()

    def _reply(self, writer, status, value, content_type="application/json; charset=utf-8"):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    async def _answer(self, reader, writer, method, path, headers, body):
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            return self._reply(writer, 401, {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}})
        if self.list_pause and path in ("/v1/models", "/api/tags"):
            self.listed += 1
            await asyncio.sleep(self.list_pause)
        fixed = getattr(self, "_get_" + self.wire)(path, body)
        if fixed is not None:
            return self._reply(writer, *fixed)
        if path in ("/v1/chat/completions", "/api/chat"):
            return await self._generate(reader, writer, body)
        self._reply(writer, 404, {"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}})

    def _get_openai(self, path, body):
        if path == "/health":
            return 200, {"status": "ok"}
        if path == "/v1/models":
            self.listed += 1
            return 200, self.list_body or {"object": "list", "data": [
                {"id": m, "object": "model", "created": 1763600000, "owned_by": "llamacpp",
                 "meta": {"vocab_type": 2, "n_vocab": 259, "n_ctx_train": self.context, "n_embd": 64, "n_params": 1, "size": 1}}
                for m in self.models]}
        if path == "/props":
            return 200, {"default_generation_settings": {"id": 0, "n_ctx": self.context, "is_processing": False},
                         "total_slots": self.slots, "model_path": "/models/tiny.gguf", "chat_template": "", "build_info": "b7000"}
        if path == "/v1/embeddings":
            self.asked.append(body)
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            return 200, {"object": "list", "model": body["model"], "usage": {"prompt_tokens": 3, "total_tokens": 3},
                         "data": [{"object": "embedding", "index": i, "embedding": [0.25, -1.5e-3, len(t)]}
                                  for i, t in enumerate(texts)]}

    def _get_ollama(self, path, body):
        if path == "/api/version":
            return 200, {"version": "0.13.0"}
        if path == "/api/tags":
            self.listed += 1
            return 200, self.list_body or {"models": [
                {"name": m, "model": m, "modified_at": "2026-11-01T10:00:00Z", "size": 2019393189, "digest": "a80c4f17acd5" + m.encode().hex(),
                 "details": {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
                             "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}} for m in self.models]}
        if path == "/api/show":
            if body["model"] not in self.models:
                return 404, {"error": f"model '{body['model']}' not found"}
            return 200, {"modelfile": "", "parameters": f"num_ctx                        {self.context}\nstop  \"x\"", "template": "{{ .Prompt }}",
                         "details": {"family": "llama"}, "capabilities": ["completion"],
                         "model_info": {"general.architecture": "llama", "llama.context_length": 131072}}
        if path == "/api/embed":
            self.asked.append(body)
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            return 200, {"model": body["model"], "embeddings": [[0.25, -1.5e-3, len(t)] for t in texts],
                         "total_duration": 1, "load_duration": 1, "prompt_eval_count": 3}

    # ---- generating

    async def _generate(self, reader, writer, body):
        self.asked.append(body)
        fault = self.faults.pop(0) if self.faults else self.fault
        assert fault in self.FAULTS, fault
        self.open += 1
        self.most = max(self.most, self.open)
        # Whoever closes while we write is seen here, as a model's server sees it.
        watcher = asyncio.ensure_future(self._watch(reader))
        try:
            await self._misbehave(writer, body, fault, watcher)
            self.served += 1
        except ConnectionError:  # seen by the write, not by the watcher
            self.aborted.append(time.monotonic())
            raise
        finally:
            self.open -= 1
            if not watcher.done():
                watcher.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watcher

    @staticmethod
    async def _watch(reader):
        with contextlib.suppress(ConnectionError):
            await reader.read(1)

    async def _wait(self, seconds, watcher):
        if seconds <= 0:
            seconds = 0
        done, _ = await asyncio.wait([watcher], timeout=seconds)
        if done:
            self.aborted.append(time.monotonic())
            raise Gone

    async def _misbehave(self, writer, body, fault, watcher):
        error = {"error": {"code": 500, "message": "CUDA error: out of memory", "type": "server_error"}}
        if self.wire == "ollama":
            error = {"error": "llama runner process has terminated: CUDA error"}
        if fault == "hang":
            return await self._wait(3600, watcher)
        if fault == "die":
            raise Gone
        if fault == "500":
            return self._reply(writer, 500, error)
        if fault == "busy":
            return self._reply(writer, 503, {"error": "server busy, please try again. maximum pending requests exceeded"})
        if fault == "html":
            return self._reply(writer, 200, b"<html>Welcome to nginx!</html>", "text/html")
        if fault == "context":
            return self._reply(writer, 400, {"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it",
                                                       "type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": self.context}})
        if not body.get("stream", self.wire == "ollama") or fault == "whole":
            return self._reply(writer, 200, self._whole(body))
        content_type = "text/event-stream" if self.wire == "openai" else "application/x-ndjson"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        await self._stream(writer, body, fault, watcher, error)
        writer.write(b"0\r\n\r\n")

    def _chunk(self, writer, data):
        if data:
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _send(self, writer, value, raw=None):
        line = raw if raw is not None else json.dumps(value, ensure_ascii=False).encode()
        self._chunk(writer, b"data: " + line + b"\n\n" if self.wire == "openai" else line + b"\n")

    def _piece(self, body, text=None, finish=None, usage=False, **more):
        if self.wire == "openai":
            delta = {"content": text, **more} if text is not None or more else {}
            piece = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763600000, "model": body["model"],
                     "choices": [{"index": 0, "delta": {k: v for k, v in delta.items() if v is not None}, "finish_reason": finish}]}
            if usage:
                piece["choices"], piece["usage"] = [], self._usage()
            return piece
        piece = {"model": body["model"], "created_at": "2026-11-20T10:00:00.1Z",
                 "message": {"role": "assistant", "content": text or "", **more}, "done": finish is not None}
        if finish:
            piece |= {"done_reason": finish, "total_duration": 5, "load_duration": 1, "prompt_eval_count": 7,
                      "prompt_eval_duration": 1, "eval_count": self.n_words, "eval_duration": 3}
        return piece

    def _usage(self):
        return {"prompt_tokens": 7, "completion_tokens": self.n_words, "total_tokens": 7 + self.n_words}

    def _whole(self, body):
        if self.wire == "ollama":
            return self._piece(body, TEXT, "stop")
        return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1763600000, "model": body["model"],
                "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
                "usage": self._usage()}

    async def _stream(self, writer, body, fault, watcher, error):
        if self.wire == "openai":
            self._send(writer, self._piece(body, None, role="assistant"))
        if fault == "think":
            thought = {"reasoning_content": "hm"} if self.wire == "openai" else {"thinking": "hm"}
            for _ in range(5):
                self._send(writer, self._piece(body, None, **thought))
                await self._wait(0.2, watcher)
        n = 0
        while n < self.n_words or fault in ("endless", "flood"):
            word = WORDS[n % len(WORDS)]
            if n == self.n_words // 2 and not await self._in_the_middle(writer, body, fault, watcher, error):
                return
            if fault == "split":
                await self._split(writer, self._piece(body, word), watcher)
            elif fault == "bad-utf8":
                # A token that is a part of a character, as some servers pass it on.
                half = json.dumps(self._piece(body, "@@")).encode()
                self._send(writer, None, half.replace(b"@@", b"\xf0\x9f"))
                self._send(writer, None, half.replace(b"@@", b"\xa6\x8a\xff"))
            else:
                self._send(writer, self._piece(body, word * (1000 if fault == "flood" else 1)))
            await writer.drain()
            self.n_sent += 1
            await self._wait(0.3 if fault == "slow" else self.pause, watcher)
            n += 1
        self._send(writer, self._piece(body, None, "stop"))
        if self.wire == "openai":
            if fault != "no-usage" and (body.get("stream_options") or {}).get("include_usage"):
                self._send(writer, self._piece(body, usage=True))
            if fault != "no-done":
                self._send(writer, None, b"[DONE]")

    async def _in_the_middle(self, writer, body, fault, watcher, error):
        """False: nothing more is said."""
        if fault == "hang-mid":
            await writer.drain()
            await self._wait(3600, watcher)
        if fault == "die-mid":
            await writer.drain()
            await self._wait(0.05, watcher)
            raise Gone
        if fault == "garbage":
            self._send(writer, None, b"\x00\xff{\"choi")
        if fault == "big":
            self._send(writer, self._piece(body, "x" * (10 << 20)))
        if fault == "error-mid":
            self._send(writer, error)
            return False
        return True

    async def _split(self, writer, piece, watcher):
        """Each byte in a packet of its own, so that lines and characters are cut everywhere."""
        line = json.dumps(piece, ensure_ascii=False).encode()
        line = b"data: " + line + b"\r\n\r\n" if self.wire == "openai" else line + b"\n"
        for i in range(len(line)):
            self._chunk(writer, line[i:i + 1])
            if i % 16 == 0:
                await writer.drain()
                await self._wait(0, watcher)


def refuse_port():
    """A port at which nobody is."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
