"""A model of one's own: a server that speaks as much of OpenAI's wire as a test of what is asked and answered
needs. It says what the test wants, at the pace it wants, and remembers what it was asked."""
import http.server
import json
import socket
import threading
import time


class Mind:
    """answer(messages) returns the words of the answer, one after the other; a number among them is a pause in
    seconds."""

    def __init__(self, answer=lambda messages: ["Paris", "."], models=("llama3.2",)):
        self.answer = answer
        self.models = list(models)
        self.asked = []  # the bodies of all completions
        self.left = []   # when somebody hung up in the middle, time.monotonic()
        self.running = 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def config(self, more=""):
        """A [[backend]]; keys without a section cannot follow."""
        return f'[compute]\nautodetect = false\n{more}\n[[backend]]\nname = "mind"\ntype = "openai"\nurl = "{self.url}/v1"\n'

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def prompts(self):
        """What was asked, without what the system says."""
        return [[m["content"] for m in body["messages"] if m["role"] != "system"] for body in self.asked]

    def _handler(mind):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body):
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                if self.path == "/v1/models":
                    self.reply(200, {"object": "list", "data": [{"id": m, "object": "model", "created": 1, "owned_by": "test"}
                                                                for m in mind.models]})
                else:
                    self.reply(404, {"error": {"message": "there is no such thing here"}})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/v1/embeddings":
                    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
                    self.reply(200, {"object": "list", "model": body["model"],
                                     "data": [{"object": "embedding", "index": i, "embedding": [float(len(t)), 0.5]}
                                              for i, t in enumerate(texts)],
                                     "usage": {"prompt_tokens": 1, "total_tokens": 1}})
                    return
                if self.path != "/v1/chat/completions":
                    self.reply(404, {"error": {"message": "there is no such thing here"}})
                    return
                mind.asked.append(body)
                mind.running += 1
                try:
                    self.complete(body, mind.answer(body["messages"]))
                except (BrokenPipeError, ConnectionResetError):
                    mind.left.append(time.monotonic())
                finally:
                    mind.running -= 1

            def complete(self, body, words):
                if not body.get("stream"):
                    text = "".join(w for w in words if isinstance(w, str))
                    self.reply(200, {"id": "x", "object": "chat.completion", "model": body["model"],
                                     "choices": [{"index": 0, "message": {"role": "assistant", "content": text},
                                                  "finish_reason": "stop"}],
                                     "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}})
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                for word in words:
                    if isinstance(word, str):
                        self.event(body, {"index": 0, "delta": {"content": word}, "finish_reason": None})
                    else:
                        self.pause(word)
                self.event(body, {"index": 0, "delta": {}, "finish_reason": "stop"})
                self.wfile.write(b"data: [DONE]\n\n")

            def event(self, body, choice):
                chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": body["model"], "choices": [choice]}
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                self.wfile.flush()

            def pause(self, seconds):
                """Ends at once where the other side hangs up."""
                self.connection.settimeout(seconds)
                try:
                    if self.connection.recv(1, socket.MSG_PEEK) == b"":
                        raise ConnectionResetError
                except TimeoutError:
                    pass
                finally:
                    self.connection.settimeout(None)

        return Handler


class Pages:
    """A web server: path → (status, headers, body); and how often each was asked for. It answers once its gate is open."""

    def __init__(self, pages, delay=0):
        self.pages = pages
        self.hits = []
        self.delay = delay
        self.gate = threading.Event()
        self.gate.set()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                server.hits.append(self.path)
                server.gate.wait(60)
                time.sleep(server.delay)
                status, headers, body = server.pages.get(self.path, (404, {}, b"no"))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
