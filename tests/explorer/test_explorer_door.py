"""Nobody gets in but the page of this server, in the browser of whoever started it: what hostile
pages, users and senders could try, one by one."""

import base64
import hashlib
import io
import json
import random
import re
import secrets
import socket
import struct
import time
import tracemalloc
import zlib
from socketserver import ThreadingTCPServer

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from served import Grey, answer_on, ask, headers_of, request, serving, thrown, token_of

from minigen.explorer import door
from minigen.explorer.answers import to_json
from minigen.explorer.server import LARGEST, PLACES, ROUTES, Server
from minigen.explorer.uploads import MOST_PIXELS
from minigen.training import RunError

GET = b"GET / HTTP/1.1"
MALFORMED = 400  # requests; 10,000 are sent by measure.py


@pytest.fixture(scope="module")
def server():
    with serving(Grey()) as server:
        yield server


def status(server, line, **headers):
    return request(server, line, headers_of(server, **headers))[0]


def page(server, query, **headers):
    headers = {"Origin": None, "X-Token": None, "Content-Length": None} | headers
    return request(server, f"GET /?{query} HTTP/1.1".encode(), headers_of(server, **headers))


def test_the_page_gets_in(server):
    found, head, body = page(server, f"token={token_of(server)}")
    assert found == 200 and b"<h1" in body
    assert ask(server, "/draw", {"level": 0.2})[0] == 200
    assert ask(server, "/about")[0] == 200
    assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("host", [
    "localhost:{port}", "127.0.0.1", "127.0.0.1:{other}", "evil.example:{port}", "[::1]:{port}",
    "127.0.0.1:{port}.evil.example", "0.0.0.0:{port}", "127.1:{port}", "", None,
])  # fmt: skip
def test_another_host_is_refused(server, host):
    """DNS rebinding: the page of evil.example, whose name has come to mean 127.0.0.1."""
    port = server.server_address[1]
    host = host and host.format(port=port, other=port + 1)
    assert ask(server, "/draw", {}, Host=host)[0] == 403
    assert page(server, f"token={token_of(server)}", Host=host)[0] == 403


def test_two_hosts_are_refused(server):
    twice = headers_of(server) + b"Host: evil.example\r\n"
    assert request(server, b"POST /about HTTP/1.1", twice)[0] == 403


@pytest.mark.parametrize("origin", [
    "http://evil.example", "null", "https://127.0.0.1:{port}", "http://127.0.0.1:{other}",
    "http://127.0.0.1", "http://localhost:{port}", "", None,
])  # fmt: skip
def test_another_origin_is_refused(server, origin):
    """A page of somebody else's, or another program's of this machine, that guesses the port."""
    port = server.server_address[1]
    origin = origin and origin.format(port=port, other=port + 1)
    assert ask(server, "/draw", {}, Origin=origin)[0] == 403
    if origin is not None:  # to visit the page by a typed address, browsers send none
        assert page(server, f"token={token_of(server)}", Origin=origin)[0] == 403


@given(st.binary(max_size=60))
def test_any_other_token_is_refused(server, guess):
    token, guess = token_of(server).encode(), guess.translate(None, b"\r\n\0")
    for wrong in (guess, token[: len(guess) % len(token)], token + guess, token.swapcase()):
        if wrong.strip() != token:
            headers = headers_of(server, X_Token=None) + b"X-Token: " + wrong + b"\r\n"
            assert request(server, b"POST /draw HTTP/1.1", headers)[0] in (400, 403)


def test_no_token_is_refused_and_the_page_holds_nothing(server):
    for query in ("", "token=", "token", f"TOKEN={token_of(server)}", "token=x&token=y"):
        found, _, body = page(server, query)
        assert found == 403 and b"canvas" not in body
    assert ask(server, "/about", X_Token=None)[0] == 403
    line = f"POST /about?token={token_of(server)} HTTP/1.1".encode()  # the header alone counts
    assert request(server, line, headers_of(server, X_Token=None))[0] == 403


def test_tokens_are_long_new_and_compared_in_constant_time(monkeypatch):
    first, second = door.Door(1), door.Door(1)
    tokens = {d.address.partition("=")[2] for d in (first, second)}
    tokens |= {d.address_once.partition("=")[2] for d in (first, second)}
    assert len(tokens) == 4 and all(len(base64.urlsafe_b64decode(t + "=")) == 32 for t in tokens)
    compared = []
    plain = secrets.compare_digest

    def counted(a, b):
        compared.append((a, b))
        return plain(a, b)

    monkeypatch.setattr(secrets, "compare_digest", counted)
    token = first.address.partition("=")[2]
    headers = {"X-Token": token}

    class Headers:
        def get_all(self, name, default=None):
            return [headers[name]]

    first.check_token(Headers())
    first.visit(f"token={token}")
    assert compared == [(token.encode(), token.encode())] * 2  # whole, both times


def test_the_address_on_a_browsers_command_line_is_good_once(server):
    """Other users of the machine can read it there."""
    query = server.door.address_once.partition("?")[2]
    found, head, _ = page(server, query)
    assert found == 303 and f"Location: {server.door.address}".encode() in head
    assert page(server, query)[0] == 403
    assert ask(server, "/about", X_Token=query.partition("=")[2])[0] == 403


def test_no_page_is_let_in_by_a_cors_header_and_all_is_closed_up(server):
    preflight = headers_of(server, Origin="http://evil.example") + (
        b"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-token\r\n"
    )
    heads = [request(server, b"OPTIONS /draw HTTP/1.1", preflight)]
    heads += [page(server, f"token={token_of(server)}"), page(server, "")]
    heads.append(request(server, b"POST /about HTTP/1.1", headers_of(server)))
    assert [found for found, _, _ in heads] == [501, 200, 403, 200]
    for _, head, body in heads:
        assert b"access-control" not in head.lower()
        for line in (
            b"Referrer-Policy: no-referrer", b"X-Content-Type-Options: nosniff",
            b"Cross-Origin-Resource-Policy: same-origin", b"Cache-Control: no-store",
            b"X-Frame-Options: DENY", b"Server: minigen \r\n",
        ):  # fmt: skip
            assert line in head + b"\r\n"
        policy = re.search(rb"Content-Security-Policy: (.*)", head)[1].decode()
        assert policy.startswith("default-src 'none'; ") and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "*" not in policy and "http" not in policy
        for tag in ("script", "style"):  # what is inside is allowed by its hash alone
            for inside in re.findall(f"<{tag}>(.*?)</{tag}>", body.decode(), re.S):
                digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
                assert f"{tag}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_post_is_answered_but_for_the_page(server, method):
    for path in ROUTES:
        query = f"?token={token_of(server)}"
        line = f"{method} {path}{query} HTTP/1.1".encode()
        assert status(server, line) in (404, 501)
    assert status(server, f"POST /?token={token_of(server)} HTTP/1.1".encode()) == 404


@pytest.mark.parametrize("path", [
    "/page.js", "/server.py", "/../server.py", "/..%2fserver.py", "//etc/passwd", "/etc/passwd",
    "/%2e%2e/%2e%2e/etc/passwd", "/about/../../server.py", "\\..\\server.py", "file:///etc/passwd",
    "/about/", "/About", "/config.json", "/checkpoint.npz", "/draw%00", "*",
])  # fmt: skip
def test_no_path_reaches_a_file(server, path):
    for method in "GET", "POST":
        found, _, body = request(server, f"{method} {path} HTTP/1.1".encode(), headers_of(server))
        assert 400 <= found < 500 and len(body) < 100
    line = f"GET {path}?token={token_of(server)} HTTP/1.1".encode()
    assert 400 <= status(server, line, Origin=None) < 500


@pytest.mark.parametrize("length, expected", [
    (LARGEST + 1, 413), ("9" * 400, 413), (-1, 411), ("1e3", 411), ("0x10", 411), ("", 411),
    (None, 411), ("5, 5", 411), ("²", 411), ("+5", 411),
])  # fmt: skip
def test_bodies_are_bounded_before_they_are_read(server, length, expected):
    headers = headers_of(server, Content_Length=None)
    if length is not None:
        headers += f"Content-Length: {length}\r\n".encode("latin-1")
    assert request(server, b"POST /given HTTP/1.1", headers)[0] == expected


def test_a_body_has_one_length_and_no_pieces(server):
    twice = headers_of(server) + b"Content-Length: 5\r\n"
    assert request(server, b"POST /draw HTTP/1.1", twice, b"{}   ")[0] == 411
    pieces = headers_of(server, Transfer_Encoding="chunked")
    assert request(server, b"POST /draw HTTP/1.1", pieces, b"2\r\n{}\r\n0\r\n\r\n")[0] == 411


def png(width, height, data=b""):
    """A PNG that says how large it is, and holds this."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("width, height", [(60_000, 60_000), (2001, 2000), (1, 2**31 - 1), (0, 4)])
def test_pixels_are_bounded_before_they_are_decoded(server, width, height, monkeypatch):
    """A kilobyte can hold a billion pixels."""
    bomb = png(width, height, bytes(min(MOST_PIXELS + 4000, width * height + height)))
    assert len(bomb) < 10_000
    monkeypatch.setattr(Image.Image, "load", lambda *args: pytest.fail("it was decoded"))
    tracemalloc.start()
    found, said = ask(server, "/given", bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == 400 and b"expected a picture" in said
    assert peak < 2_000_000


@pytest.mark.parametrize("kind", ["WEBP", "BMP", "TIFF", "ICO", "PPM"])
def test_formats_that_are_not_needed_are_not_opened(server, kind):
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, kind)
    assert ask(server, "/given", file.getvalue())[0] == 400


@given(st.integers(0, 200), st.binary(max_size=8))
def test_damaged_pictures_are_an_error_of_the_sender(server, place, instead):
    file = io.BytesIO()
    Image.linear_gradient("L").resize((32, 32)).save(file, "PNG")
    whole = file.getvalue()
    damaged = whole[:place] + instead + whole[place + 9 :]
    found, said = ask(server, "/given", damaged)
    assert found in (200, 400) and b"Traceback" not in said


def test_a_picture_that_is_given_is_its_middle_square(server):
    file = io.BytesIO()
    image = Image.new("RGB", (300, 100), "black")
    image.paste("white", (100, 0, 200, 100))
    image.save(file, "PNG")
    found, said = ask(server, "/given", file.getvalue())
    assert found == 200 and json.loads(said)["values"] == {"level": 1.0}


def test_who_sends_slowly_does_not_keep_a_place():
    """The time is for all of a request: each byte comes well before a time-out between bytes."""
    with serving(Grey(), seconds=0.5) as server:
        slow = [socket.create_connection(server.server_address, timeout=10) for _ in range(2)]
        slow[1].sendall(b"POST /draw HTTP/1.1\r\n" + headers_of(server, b"x" * 90) + b"\r\n")
        text = b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 1000
        sent, open_ones = 0, {*slow}
        while open_ones and sent < len(text):
            for connection in [*open_ones]:
                try:
                    connection.sendall(text[sent : sent + 1])
                except OSError:
                    open_ones.discard(connection)
            sent += 1
            time.sleep(0.02)
        assert not open_ones and sent < 500
        for connection in slow:
            connection.close()
        assert ask(server, "/about")[0] == 200


def test_there_are_few_connections_and_their_places_come_back():
    with serving(Grey()) as server:
        idle = [socket.create_connection(server.server_address, timeout=10) for _ in range(PLACES)]
        for connection in idle:  # each is served before the next comes
            connection.sendall(b"GET /x HTTP/1.1\r\n" + headers_of(server, Origin=None)[:-2])
        while server.places._value:
            time.sleep(0.01)
        with socket.create_connection(server.server_address, timeout=10) as one_more:
            assert answer_on(one_more)[0] is None
        for connection in idle:
            connection.close()
        while server.places._value < PLACES:
            time.sleep(0.01)
        assert ask(server, "/about")[0] == 200


@given(st.text("<>&'\"/!-scriptimg=\u2028\u2029é\0\ud800"))
@example("</script><script>alert(1)</script>")
def test_names_are_escaped_inside_json(name):
    written = to_json({"title": name, name: [name]}).decode("ascii")
    assert not set("<>&'") & {*written}
    assert json.loads(written) == {"title": name, name: [name]}


def requests_gone_wrong(server, count, seed=0):
    """Requests that were right, but for bytes that were changed or taken out; and noise."""
    chance = random.Random(seed)
    body = json.dumps({"level": 0.5}).encode()
    right = [
        f"POST {path} HTTP/1.1\r\n".encode() + headers_of(server, body) + b"\r\n" + body
        for path in ROUTES
    ]
    right.append(GET + b"\r\n" + headers_of(server) + b"\r\n")
    secret = token_of(server).encode()
    for i in range(count):
        if i % 8 == 0:
            yield chance.randbytes(chance.randrange(1, 400)) + b"\r\n\r\n"
            continue
        text = bytearray(chance.choice(right))
        # The token, or a header that has to be there, goes wrong in any case; all else may.
        wrong = chance.choice((secret, b"Host", b"127.0.0.1", b"Origin", b"http://", b"X-Token"))
        place = bytes(text).find(wrong) + chance.randrange(len(wrong))
        text[place : place + 1] = b"" if chance.random() < 0.5 else b"~"
        for _ in range(chance.randrange(4)):
            place = chance.randrange(len(text))
            piece = chance.randbytes(chance.randrange(3))
            text[place : place + chance.randrange(3)] = piece
        yield bytes(text)


def test_malformed_requests_get_an_error_or_nothing(server):
    found = [thrown(server, text) for text in requests_gone_wrong(server, MALFORMED)]
    assert all(one is None or one >= 400 for one in found)
    assert ask(server, "/about")[0] == 200


def test_a_port_that_is_taken_is_a_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(RunError, match=f"cannot use port {port} of 127.0.0.1: .*--port"):
            Server(Grey(), port)


def test_a_place_is_given_back_once_if_ctrl_c_comes_as_its_thread_begins(monkeypatch):
    def begun(server, request, client):
        server.places.release()  # as the thread does at its end
        raise KeyboardInterrupt

    server = Server(Grey())
    monkeypatch.setattr(ThreadingTCPServer, "process_request", begun)
    with pytest.raises(KeyboardInterrupt):
        server.process_request(None, None)
    server.server_close()
