"""The door to web servers: one answer to one request, or what is wrong, named."""

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus

from voxray.core.errors import MachineError

_PASSING = {408, 425, 429, 500, 502, 503, 504}
"""RFC 9110 and RFC 6585: the server may answer otherwise a little later."""
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class PassingError(Exception):
    """The connection or the server failed in a way that another try may not.

    Attributes:
        wait_s: How long the server asked to wait; None if it did not say.
    """

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class RangeError(Exception):
    """The server has no bytes from there on: what is there is as long, or longer."""


@dataclass(frozen=True, slots=True)
class Version:
    """Which file a server has at an address.

    Attributes:
        tag: ETag, or the time of its last change; "" when the server gives neither.
        n_bytes: Its whole size; None when the server does not say.
    """

    tag: str
    n_bytes: int | None

    @property
    def is_strong(self) -> bool:
        """Whether the server can be asked for the rest of just this version."""
        return bool(self.tag) and not self.tag.startswith("W/")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sends.

    Attributes:
        first_byte: Place in the file of the first byte sent.
        body: To be read.
    """

    version: Version
    first_byte: int
    body: http.client.HTTPResponse


@contextmanager
def get(
    url: str, first_byte: int, version: Version | None, timeout_s: float
) -> Iterator[Answer]:
    """Ask for a file from a byte on.

    Args:
        url: http or https; an https address never leads to an http one.
        first_byte: Of the rest that is wanted. The server may send the whole file all
            the same, or one of another version: see the answer.
        version: That of the part which is there.
        timeout_s: Longest silence.

    Raises:
        PassingError: If the server is busy or away, or the connection breaks, also
            while the body is read.
        RangeError: If the file ends before `first_byte`.
        MachineError: If the server refuses for good.
    """
    request = urllib.request.Request(url, headers=_headers(first_byte, version))
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            _check_encrypted(url, response.url)
            yield _answer(response)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error) from error
    except (http.client.HTTPException, OSError) as error:
        raise _broken(url, error) from error


def _headers(first_byte: int, version: Version | None) -> dict[str, str]:
    own = {"User-Agent": "voxray", "Accept-Encoding": "identity"}
    if first_byte == 0:
        return own
    own["Range"] = f"bytes={first_byte}-"
    if version is not None and version.is_strong:
        own["If-Range"] = version.tag
    return own


def _check_encrypted(asked: str, given: str) -> None:
    if asked.startswith("https:") and not given.startswith("https:"):
        msg = f"{_host(asked)} leads to an address without encryption; not used"
        raise MachineError(msg)


def _answer(response: http.client.HTTPResponse) -> Answer:
    headers = response.headers
    tag = headers.get("ETag") or headers.get("Last-Modified") or ""
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if found is None:
            msg = "the server sent a part of the file and not which part"
            raise PassingError(msg)
        return Answer(Version(tag, int(found[2])), int(found[1]), response)
    length = headers.get("Content-Length", "")
    return Answer(Version(tag, int(length) if length.isdigit() else None), 0, response)


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    text = f"{_host(url)} answers {error.code} {error.reason}"
    if error.code in _PASSING:
        wait = error.headers.get("Retry-After", "")
        return PassingError(text, float(wait) if wait.isdigit() else None)
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeError(text)
    return MachineError(f"{text} for {url}")


def _broken(url: str, error: Exception) -> Exception:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    text = str(reason) or type(error).__name__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return MachineError(f"the certificate of {_host(url)} is not valid: {text}")
    return PassingError(f"no connection to {_host(url)}, or it broke: {text}")


def _host(url: str) -> str:
    return url.split("/")[2]
