"""A server of the explorer in this process, and requests to it as bytes."""

import json
import socket
import threading
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import numpy as np

from minigen.explorer.answers import picture
from minigen.explorer.controls import Choice, Slider, Sliders
from minigen.explorer.server import Server


class Grey:
    """A view without a model: a grey square, as bright as its slider says."""

    shows, sees = "picture", "a grey square"
    controls = (
        Slider("level", "level", 0.0, 1.0, 0.5),
        Choice("class", "class", ("cat", "dog")),
        Sliders("z", "code z", -3.0, 3.0, (0.0, 0.0), "normal"),
    )
    takes = (1, 4)

    def __init__(self, title="grey"):
        self.title = title

    def about(self):
        return {
            "title": self.title, "notes": "", "sees": self.sees, "shows": self.shows, "takes": True,
        }  # fmt: skip

    def draw(self, values, show):
        show({"picture": picture(np.full((1, 1, 4, 4), values["level"], np.float32))})

    def given(self, images):
        return {"values": {"level": round(float(images.mean()), 3)}, "given": picture(images)}


@contextmanager
def serving(view, **options):
    """A server that answers, until the block ends."""
    with Server(view, **options) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


def token_of(server):
    return urlsplit(server.door.address).query.removeprefix("token=")


def headers_of(server, body=b"", **other):
    """Those of the server's own page, others in their place, or none where one is None."""
    own = {
        "Host": server.door.host, "Origin": server.door.origin, "X-Token": token_of(server),
        "Content-Length": str(len(body)),
    }  # fmt: skip
    all_of_them = own | {name.replace("_", "-"): value for name, value in other.items()}
    return "".join(f"{n}: {v}\r\n" for n, v in all_of_them.items() if v is not None).encode()


def request(server, line, headers, body=b""):
    """Send a request as bytes, and give what comes until the server closes: the status (None if
    nothing came, 200 for the oldest form, which has none), the head, and the body."""
    with socket.create_connection(server.server_address, timeout=10) as connection:
        connection.sendall(line + b"\r\n" + headers + b"Connection: close\r\n\r\n" + body)
        return answer_on(connection)


def thrown(server, text):
    """The status that any bytes get; the server may hang up while they are on their way."""
    with socket.create_connection(server.server_address, timeout=30) as connection:
        with suppress(OSError):
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
        return answer_on(connection)[0]


def answer_on(connection):
    came = b""
    try:
        while piece := connection.recv(1 << 16):
            came += piece
    except ConnectionResetError:  # it closed while something was still on its way there
        pass
    head, _, body = came.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if not came:
        return None, b"", b""
    if not words[0].startswith(b"HTTP/"):
        return 200, b"", came
    return int(words[1]), head, body


def ask(server, path, body=b"", **headers):
    """POST as the page does: the status and the lines of the answer."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    line = f"POST {path} HTTP/1.1".encode()
    status, head, came = request(server, line, headers_of(server, body, **headers), body)
    if b"chunked" in head:
        came = unchunked(came)
    return status, came


def unchunked(came):
    text = b""
    while came:
        size, _, came = came.partition(b"\r\n")
        text, came = text + came[: int(size, 16)], came[int(size, 16) + 2 :]
    return text
