"""What a server's answer means."""

import ssl
import urllib.error

import pytest

from tests.unit.datasets.makers import Answer, serve
from voxray.core.errors import MachineError
from voxray.datasets import web


def test_an_encrypted_address_never_leads_to_an_open_one():
    with pytest.raises(MachineError, match=r"a\.org leads to an address without"):
        web._check_encrypted("https://a.org/x", "http://b.org/x")
    web._check_encrypted("https://a.org/x", "https://b.org/x")
    web._check_encrypted("http://a.org/x", "http://a.org/y")


def test_a_bad_certificate_is_not_tried_again():
    reason = ssl.SSLCertVerificationError("self-signed")
    error = web._broken("https://a.org/x", urllib.error.URLError(reason))
    assert isinstance(error, MachineError)
    assert "certificate of a.org" in str(error)


def test_a_broken_connection_says_what_broke():
    assert "TimeoutError" in str(web._broken("http://a.org/x", TimeoutError()))


def test_a_weak_tag_does_not_ask_for_the_rest_of_a_version():
    weak = web.Version('W/"1"', 10)
    assert "If-Range" not in web._headers(5, weak)
    assert web._headers(5, web.Version('"1"', 10))["If-Range"] == '"1"'
    assert "Range" not in web._headers(0, weak)


def test_the_time_of_the_last_change_stands_for_a_missing_tag():
    stamp = "Mon, 01 Jan 2024 00:00:00 GMT"
    answer = Answer(b"abc", tag="", headers={"Last-Modified": stamp})
    with serve(answer) as server, web.get(f"{server.url}/a", 0, None, 5) as got:
        assert got.version == web.Version(stamp, 3)


def test_a_redirect_is_followed():
    moved = Answer(status=302)
    with serve(Answer(b"abc")) as there, serve(moved) as server:
        moved.headers["Location"] = f"{there.url}/b"
        with web.get(f"{server.url}/a", 0, None, 5) as got:
            assert got.body.read() == b"abc"
