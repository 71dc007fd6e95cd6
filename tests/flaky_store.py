"""HTTP proxy of a store, with injected faults."""

import socket
import sys
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Literal, Self

Fault = Literal["slow_down", "denied", "drop", "drop_halfway"]
ANSWERS = {"slow_down": (503, "SlowDown"), "denied": (403, "AccessDenied")}


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # tests kill clients
            super().handle_error(request, client_address)


class FlakyStore:
    """Forward HTTP requests, except for those to which `fault_of(method, path)` gives a fault."""

    def __init__(self, store: str, fault_of: Callable[[str, str], Fault | None]) -> None:
        self.requests: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.close_connection = True
                self.raw_requestline = self.rfile.readline()
                if self.raw_requestline and self.parse_request():
                    self.close_connection = False
                    self.answer()

            def answer(self) -> None:
                proxy.requests.append(self.command)
                body = self.read_body()
                fault = fault_of(self.command, self.path)
                if fault == "drop":
                    self.drop()
                elif fault in ANSWERS:
                    status, code = ANSWERS[fault]
                    self.reply(status, {}, f"<Error><Code>{code}</Code></Error>".encode())
                else:
                    connection = HTTPConnection(store)
                    hop = {"transfer-encoding", "expect"}
                    kept = {name: value for name, value in self.headers.items() if name.lower() not in hop}
                    connection.request(self.command, self.path, body or None, kept)
                    answer = connection.getresponse()
                    headers, body = dict(answer.headers), answer.read()
                    connection.close()
                    if fault == "drop_halfway":
                        self.reply(answer.status, headers | {"Content-Length": str(len(body))}, body[::2])
                        self.drop()
                    else:
                        self.reply(answer.status, headers, body)

            def read_body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response_only(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    if name not in {"Connection", "Transfer-Encoding"}:
                        self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def drop(self) -> None:
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.endpoint = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
