"""Who gets in: the page of this server alone, in the browser of whoever started it.

Other programs of this machine can reach the loopback address, and so can every page that a browser
has open. What keeps them out, each by itself:

    Host        must be this address and port: a page of another name, which its owner lets point
                to 127.0.0.1 after it was loaded, is sent by browsers with that name (DNS rebinding)
    Origin      where there is one, must be this server's; a POST must have one, and browsers let no
                page choose it
    token       32 random bytes that no other page, and no other user, can know. It comes in the
                address, which the page clears at once, and then in a header, which no form and no
                link can send, and no foreign script without leave, which nobody gets (CORS)

A browser's address can be read by other users of the machine where it is an argument of its
process. So the one that is opened has a token that is good for one visit, and leads to the other.
"""

from __future__ import annotations

import secrets
import threading
from email.message import Message
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode

HOST = "127.0.0.1"
HEADER = "X-Token"


class RefusedError(Exception):
    """A request that is not answered, with its status and a line that says why."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Door:
    """What a request must bring along.

    Args:
        port: of the server.
    """

    def __init__(self, port: int):
        self.host = f"{HOST}:{port}"
        self.origin = f"http://{self.host}"
        self._token, self._once = secrets.token_urlsafe(), secrets.token_urlsafe()
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """For whoever started the server: good as long as it runs."""
        return f"{self.origin}/?{urlencode({'token': self._token})}"

    @property
    def address_once(self) -> str:
        """For the browser's command line: good for one visit."""
        return f"{self.origin}/?{urlencode({'token': self._once})}"

    def check_sender(self, method: str, headers: Message) -> None:
        """Host and Origin.

        Raises:
            RefusedError: they are not this server's, or there are several.
        """
        if headers.get_all("Host") != [self.host]:
            raise RefusedError(HTTPStatus.FORBIDDEN, f"expected the host {self.host}")
        origins = headers.get_all("Origin", [])
        if origins != [self.origin] and (origins or method != "GET"):
            raise RefusedError(HTTPStatus.FORBIDDEN, f"expected the origin {self.origin}")

    def check_token(self, headers: Message) -> None:
        """The token in the header.

        Raises:
            RefusedError: it is not there, wrong, or there are several.
        """
        given = headers.get_all(HEADER, [])
        if len(given) != 1 or not _equal(given[0], self._token):
            raise RefusedError(HTTPStatus.FORBIDDEN, "expected the token of this session")

    def visit(self, query: str) -> bool:
        """Whether the token of an address is the one that stays, and not the one that is good for
        one visit.

        Raises:
            RefusedError: it is neither.
        """
        given = parse_qs(query).get("token", [])
        if len(given) == 1:
            if _equal(given[0], self._token):
                return True
            with self._lock:
                if _equal(given[0], self._once):
                    self._once = secrets.token_urlsafe()
                    return False
        raise RefusedError(HTTPStatus.FORBIDDEN, "open the address that explore.py has printed")


def _equal(given: str, token: str) -> bool:
    """In a time that says nothing about where they differ."""
    return secrets.compare_digest(given.encode(errors="replace"), token.encode())
