"""HTTP on the loopback address alone: a fixed table of routes, of which each is bounded.

    GET  /          the page, for whoever has the token in the address
    POST /about     what there is to move
    POST /draw      values -> pictures, a line of JSON each, as they come
    POST /given     a picture -> its values, or what is made of it

No path of a request reaches the file system: it is looked up in a table of these four. Nothing that
is asked for changes the server. Requests have seconds in all, not between two bytes, so that
nobody who sends slowly keeps a place; there are few places.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from typing import Any

from minigen.data import DataError
from minigen.explorer.answers import to_json
from minigen.explorer.controls import ValuesError, checked, described
from minigen.explorer.door import HOST, Door, RefusedError
from minigen.explorer.uploads import decoded
from minigen.explorer.view import View
from minigen.explorer.worker import DroppedError, Worker
from minigen.training.common import RunError, read_json
from minigen.training.pages.html import resource

LARGEST = 4 << 20  # bytes of a request's body
PLACES = 16  # connections at a time; a browser opens six
SECONDS = 15.0  # for a request to come whole, and between two
STATIC = files("minigen.explorer")
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def page(name: str) -> tuple[bytes, str]:
    """A page with its style and script inside, and its content security policy: these alone, by
    their hashes, answers of this server, and pictures that the page holds itself."""
    text, hashes = (STATIC / f"{name}.html").read_text("utf-8"), {}
    for part in "page.css", f"{name}.js":
        colours = resource("colours.css") if part == "page.css" else ""
        inside = colours + (STATIC / part).read_text("utf-8")
        hashes[part] = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        text = text.replace(f"{{{part}}}", inside)
    policy = (
        f"{NOTHING}; script-src 'sha256-{hashes[f'{name}.js']}'; style-src"
        f" 'sha256-{hashes['page.css']}'; img-src data:; connect-src 'self';"
        " require-trusted-types-for 'script'"
    )
    return text.encode(), policy


class Server(socketserver.ThreadingTCPServer):
    """Shows one view.

    Args:
        view: what.
        port: 0 for any that is free.
        seconds: see SECONDS.

    Raises:
        RunError: the port cannot be had.
    """

    daemon_threads = True
    block_on_close = False
    # A port that was just given back can be had again; on Windows this would share it instead.
    allow_reuse_address = os.name == "posix"

    def __init__(self, view: View[Any], port: int = 0, seconds: float = SECONDS):
        self.view, self.seconds, self.worker = view, seconds, Worker()
        self.places = threading.BoundedSemaphore(PLACES)
        self.page, self.closed = page("page"), page("door")
        try:
            super().__init__((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(
                f"cannot use port {port} of {HOST}: {reason}; give another --port, or leave it out"
                " for any that is free"
            ) from error
        self.door = Door(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, if there is a place."""
        if self.places.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except Exception:  # at Ctrl-C there may be a thread, which gives it back itself
                self.places.release()
                raise
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """And give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no error of the server."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Until(io.RawIOBase):
    """Bytes of a socket, until a time, however they are scattered before it."""

    def __init__(self, connection: socket.socket):
        self._connection, self.end = connection, 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "minigen", ""
    # Else the pieces of an answer wait for the client's word that it has the one before: 40 ms.
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        """Reads are bounded in all."""
        super().setup()
        self._source = _Until(self.connection)
        self.rfile = io.BufferedReader(self._source)

    def handle_one_request(self) -> None:
        """Within the server's seconds."""
        self._source.end = time.monotonic() + self.server.seconds
        super().handle_one_request()

    def do_GET(self) -> None:
        """The page."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """All that has the token in a header."""
        self._answered(self._post)

    def _answered(self, answer: Callable[[], None]) -> None:
        try:
            if self.request_version != self.protocol_version:
                raise RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "expected HTTP/1.1")
            answer()
        except RefusedError as refused:
            self._refuse(refused.status, str(refused))
        except ValuesError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))

    def _get(self) -> None:
        door, (path, _, query) = self.server.door, self.path.partition("?")
        door.check_sender("GET", self.headers)
        if path != "/":
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        try:
            stays = door.visit(query)
        except RefusedError as refused:
            return self._page(refused.status, *self.server.closed)
        if stays:
            return self._page(HTTPStatus.OK, *self.server.page)
        return self._send(HTTPStatus.SEE_OTHER, "text/plain", b"", {"Location": door.address})

    def _page(self, status: HTTPStatus, text: bytes, policy: str) -> None:
        self._send(status, "text/html; charset=utf-8", text, {"Content-Security-Policy": policy})

    def _post(self) -> None:
        self.server.door.check_sender("POST", self.headers)
        self.server.door.check_token(self.headers)
        route = ROUTES.get(self.path)
        if route is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
        route(self, self._body())

    def _body(self) -> bytes:
        """What a request brings along.

        Raises:
            RefusedError: it is too large, or does not say how large.
        """
        lengths = self.headers.get_all("Content-Length", [])
        coded = self.headers.get_all("Transfer-Encoding", [])
        if coded or len(lengths) != 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "expected one Content-Length")
        if len(lengths[0]) > 9 or int(lengths[0]) > LARGEST:
            raise RefusedError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected {LARGEST:,} bytes at most"
            )
        body = self.rfile.read(int(lengths[0]))
        if len(body) < int(lengths[0]):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the request ends before its end")
        return body

    def _about(self, body: bytes) -> None:
        view = self.server.view
        about = {"controls": [described(c) for c in view.controls], **view.about()}
        self._send(HTTPStatus.OK, "application/json", to_json(about))

    def _draw(self, body: bytes) -> None:
        view = self.server.view
        try:
            values = checked(view.controls, read_json(body))
        except ValuesError:
            raise
        except ValueError as error:
            raise ValuesError("expected values in JSON") from error
        self._stream(self.server.worker.answers(lambda show: view.draw(values, show)))

    def _given(self, body: bytes) -> None:
        view = self.server.view
        if view.takes is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "this model takes no pictures")
        images = decoded(body, *view.takes)
        self._stream(self.server.worker.answers(lambda show: show(view.given(images))))

    def _stream(self, answers: Iterator[Any]) -> None:
        """Answers in pieces, a line of JSON each. One that was dropped has no lines."""
        self.connection.settimeout(self.server.seconds)
        self._head(HTTPStatus.OK, "application/x-ndjson", {"Transfer-Encoding": "chunked"})

        def piece(answer: Any) -> None:
            line = to_json(answer) + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

        with contextlib.closing(answers), contextlib.suppress(DroppedError):
            try:
                for answer in answers:
                    piece(answer)
            except (DataError, ValuesError) as error:
                piece({"error": str(error)})
        self.wfile.write(b"0\r\n\r\n")

    def _send(
        self, status: HTTPStatus, kind: str, body: bytes, more: dict[str, str] | None = None
    ) -> None:
        self.connection.settimeout(self.server.seconds)
        self._head(status, kind, {"Content-Length": str(len(body)), **(more or {})})
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, kind: str, more: dict[str, str]) -> None:
        """A status and headers: nobody may keep, frame, guess at or embed what is sent, and no
        other page is told of it. There is no CORS header."""
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Security-Policy": NOTHING,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
            **more,
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        """One line of plain text, and the end of the connection: what else was sent on it may be
        anything."""
        self.close_connection = True
        self.request_version = self.protocol_version  # of older ones answers had no status
        line = why.encode(errors="replace") + b"\n"
        self._send(status, "text/plain; charset=utf-8", line, {"Connection": "close"})

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What http.server itself refuses; its messages repeat what was sent."""
        self._refuse(HTTPStatus(code), HTTPStatus(code).phrase)

    def log_message(self, *args: Any) -> None:
        """Nothing: addresses hold the token."""


ROUTES: dict[str, Callable[[Handler, bytes], None]] = {
    "/about": Handler._about,
    "/draw": Handler._draw,
    "/given": Handler._given,
}
