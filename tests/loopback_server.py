"""A server on this machine that answers each request as the test says: well, badly, or not at all."""

import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """Gives the `answers` one by one, the last one again and again, and keeps the headers of what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}/file"
        self.answers: list[Answer] = []
        self.asked: list[dict[str, str]] = []
        self.over = threading.Event()

    def close(self) -> None:
        self.over.set()  # lets go those who stall
        self.shutdown()
        self.server_close()

    def handle_error(self, *_) -> None:
        """Whoever asked has gone; that is what the tests are about."""

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for headers in self.asked]


class Handler(BaseHTTPRequestHandler):
    """Hands each request to the next answer."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)
        self.close_connection = True

    def log_message(self, *_) -> None:
        pass

    def begin(self, status: int, headers: dict[str, str | int]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Connection": "close"}).items():
            self.send_header(name, str(value))
        self.end_headers()


def started() -> Server:
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


def whole(content: bytes, *, upto: int | None = None, stall: bool = False, **headers: str) -> Answer:
    """All of a file, whatever range is asked for, or only its first bytes: then it breaks off, or stalls."""

    def answer(handler: Handler) -> None:
        handler.begin(200, {"Content-Length": len(content), **headers})
        _send(handler, content[:upto], stall)

    return answer


def ranged(content: bytes, *, upto: int | None = None, stall: bool = False, **headers: str) -> Answer:
    """The range that is asked for, if the version that it should be of is this one; and else the whole file."""

    def answer(handler: Handler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        validators = (headers.get("ETag"), headers.get("Last-Modified"))
        if not asked or handler.headers.get("If-Range", validators[0]) not in validators:
            whole(content, upto=upto, stall=stall, **headers)(handler)
            return
        start = int(asked[1])
        if start >= len(content):
            handler.begin(416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": 0})
            return
        span = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.begin(206, {"Content-Range": span, "Content-Length": len(content) - start, **headers})
        _send(handler, content[start:upto], stall)

    return answer


def chunked(content: bytes, *, upto: int | None = None, **headers: str) -> Answer:
    """A file of a length that is not told."""

    def answer(handler: Handler) -> None:
        handler.begin(200, {"Transfer-Encoding": "chunked", **headers})
        for start in range(0, len(content[:upto]), 100):
            part = content[:upto][start : start + 100]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        if upto is None:
            handler.wfile.write(b"0\r\n\r\n")

    return answer


def only(status: int, content: bytes = b"", **headers: str) -> Answer:
    """Just a status, and perhaps a page."""

    def answer(handler: Handler) -> None:
        handler.begin(status, {"Content-Length": len(content), **headers})
        handler.wfile.write(content)

    return answer


def _send(handler: Handler, content: bytes, stall: bool) -> None:
    handler.wfile.write(content)
    if stall:
        handler.server.over.wait()
