"""The first bytes of a URL: one GET with a range, repeated where the failure may pass."""

from __future__ import annotations

import socket
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from valuegen.frozen import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTEMPTS = 4
WAITS = (0.5, 1.0, 2.0)  # seconds before the second attempt and those after it
LONGEST_WAIT = 20.0  # seconds; who is asked to wait longer should know, not wait
TIMEOUT = 15.0  # seconds without a byte
PASSING = (408, 429, 500, 502, 503, 504)
PARTIAL, UNSATISFIABLE = 206, 416


@dataclass(frozen=True)
class Answer:
    """What a server said. `total` is the length of the whole file, where it states one."""

    status: int
    body: bytes
    total: int | None
    headers: Mapping[str, str]  # lower-case; those of a redirect, too, where the last answer lacks them


class Unreachable(Exception):  # noqa: N818 - a condition, not a fault
    """No answer came; the text says why."""


class Redirects(HTTPRedirectHandler):
    """Follows redirects, and gives the token only to the server it was meant for."""

    def __init__(self, token: str | None) -> None:
        self.token = token
        self.seen: dict[str, str] = {}

    def redirect_request(  # noqa: PLR0917 - the standard library's signature
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """The next request; HTTPError for one that leaves HTTP, or HTTPS for HTTP."""
        self.seen = {**_lower(headers), **self.seen}
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.scheme not in ("http", "https") or (old.scheme, new.scheme) == ("https", "http"):
            raise HTTPError(req.full_url, code, "unsafe redirect", headers, fp)
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        same = (old.scheme, old.hostname, old.port) == (new.scheme, new.hostname, new.port)
        if request is not None and self.token and same and req.unredirected_hdrs.get("Authorization"):
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        return request


def get(url: str, *, at_most: int, token: str | None = None) -> Answer:
    """The first `at_most` bytes; the last answer where attempts end, Unreachable where none came.

    5xx, 429 (as long as Retry-After asks) and dropped connections are tried again, ATTEMPTS in all.
    """
    for attempt in range(ATTEMPTS):
        last = attempt == ATTEMPTS - 1
        wait: float = 0.0 if last else WAITS[attempt]
        try:
            answer = _once(url, at_most=at_most, token=token)
        except Unreachable:
            raise
        except (OSError, HTTPException) as error:
            if last:
                raise Unreachable(f"{_why(error)}, {ATTEMPTS} times") from None
        else:
            if answer.status not in PASSING or last:
                return answer
            wait = max(wait, retry_after(answer.headers) or 0.0)
            if wait > LONGEST_WAIT:
                return answer
        time.sleep(wait)
    raise AssertionError("the last attempt returns or raises")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks for, as a number or a date; None if it does not."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()  # reads every root certificate: once is enough


def _once(url: str, *, at_most: int, token: str | None) -> Answer:
    request = Request(url, headers={"Range": f"bytes=0-{at_most - 1}", "User-Agent": "valuegen"})  # noqa: S310
    request.add_header("Accept-Encoding", "identity")
    if token:
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    redirects = Redirects(token)
    try:
        with build_opener(redirects, HTTPSHandler(context=_context())).open(
            request, timeout=TIMEOUT
        ) as response:
            # A server that ignores the range sends everything: what is not asked for stays unread.
            body = response.read(at_most)
            headers, status = _lower(response.headers), response.status
    except HTTPError as error:
        with error:
            return Answer(error.code, b"", 0, {**redirects.seen, **_lower(error.headers)})
    except URLError as error:
        if isinstance(error.reason, socket.gaierror | ConnectionRefusedError | ssl.SSLError):
            raise Unreachable(_why(error.reason)) from None  # asking again would change nothing
        raise
    expected = headers.get("content-length", "")
    length = int(expected) if expected.isdecimal() else None
    if length is not None and len(body) < min(at_most, length):
        raise ConnectionResetError("the connection was dropped")
    total = length
    if status == PARTIAL:
        stated = headers.get("content-range", "").rpartition("/")[2]
        total = int(stated) if stated.isdecimal() else None
    return Answer(status, body, total, {**redirects.seen, **headers})


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    if isinstance(reason, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror.lower()
    return str(reason).partition("\n")[0] or type(reason).__name__
