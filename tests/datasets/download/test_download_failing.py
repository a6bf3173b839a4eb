"""A download from a server in trouble, that sends elsewhere, or that is not there; and a disk that is full."""

import contextlib
import shutil
import socket
from types import SimpleNamespace

import pytest
from downloads import CONTENT, ETAG, HASTE, SHA256, get, left
from loopback_server import only, ranged, whole

from dffkit.datasets.fetch import download as module
from dffkit.datasets.fetch.download import Patience, Wanted, download
from dffkit.support.errors import CommandError


@pytest.mark.parametrize("status", module.TRY_AGAIN)
def test_a_server_in_trouble_is_asked_again(server, wanted, status):
    server.answers = [only(status), whole(CONTENT)]
    assert get(wanted) == SHA256


def test_a_server_that_stays_in_trouble_is_given_up(server, wanted):
    server.answers = [only(503)]
    with pytest.raises(CommandError, match=r"broke off 3 times, at last with BrokenOff: status 503"):
        get(wanted)
    assert len(server.asked) == 3


def test_the_pauses_grow(server, wanted, monkeypatch):
    pauses = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    server.answers = [only(500)]
    with pytest.raises(CommandError):
        download(wanted, patience=Patience(2, 2, attempts=4, pause=1.5), progress=False)
    assert pauses == [0, 1.5, 3, 4.5]


@pytest.mark.parametrize("status", [204, 304, 401, 403, 404, 410])
def test_other_answers_are_final_and_say_what_to_do(server, wanted, status):
    server.answers = [only(status)]
    message = rf"{server.address}: expected status 200, got status {status} .*put it there as .*file\.zip"
    with pytest.raises(CommandError, match=message):
        get(wanted)
    assert len(server.asked) == 1
    assert left(wanted) == set()


def test_a_redirect_is_followed(server, wanted):
    server.answers = [only(302, Location="/elsewhere"), whole(CONTENT)]
    assert get(wanted) == SHA256


def test_redirects_in_a_loop_end(server, wanted):
    server.answers = [only(302, Location="/file")]
    with pytest.raises(CommandError, match=r"redirects\. If you can download it by other means"):
        get(wanted)
    assert len(server.asked) == module.REDIRECTS + 1


@pytest.mark.parametrize("place", ["file:///etc/hostname", "ftp://127.0.0.1/file"])
def test_a_redirect_leads_to_http_only(server, wanted, place):
    server.answers = [only(302, Location=place)]
    with pytest.raises(CommandError, match="No connection adapters were found"):
        get(wanted)
    assert left(wanted) == set()


@pytest.mark.parametrize("hops", [["https://a/", "http://b/"], ["http://b/", "https://c/"]])
def test_an_encrypted_address_does_not_lead_to_an_open_one(server, wanted, monkeypatch, hops):
    """No server here has a certificate, so the answer is made up."""
    *history, last = [SimpleNamespace(url=url) for url in hops]
    answer = contextlib.nullcontext(SimpleNamespace(url=last.url, history=history))
    monkeypatch.setattr(module.requests.Session, "get", lambda *_, **__: answer)
    with pytest.raises(CommandError, match="https://a: leads to http://b/, which is not encrypted"):
        get(Wanted("https://a", wanted.path))


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/file", "no address", "http://"])
def test_what_is_no_address_is_said_at_once(wanted, address):
    with pytest.raises(CommandError, match=f"^{address}: .*by other means"):
        get(Wanted(address, wanted.path))


def test_without_a_network_one_line_says_so_at_once(wanted, monkeypatch):
    monkeypatch.setattr(module.time, "sleep", lambda seconds: pytest.fail("waited") if seconds else None)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(CommandError) as caught:
        get(Wanted(f"http://127.0.0.1:{port}/file", wanted.path))
    message = str(caught.value)
    assert message.startswith(f"http://127.0.0.1:{port}/file: no answer (ConnectionError). Are you online? ")
    assert f"put it there as {wanted.path}" in message
    assert "\n" not in message


def test_a_server_that_never_answers_is_noticed(wanted):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(CommandError, match=r"no answer \(ReadTimeout\)"):
            get(Wanted(f"http://127.0.0.1:{port}/file", wanted.path), HASTE)


def test_a_full_disk_is_said_before_it_is_full(server, wanted, monkeypatch):
    free = shutil.disk_usage(wanted.path.parent.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=1003))
    server.answers = [whole(CONTENT, upto=1000, **ETAG)]
    with pytest.raises(CommandError, match=r"downloads: 2\.0 kB are needed on this disk, 1\.0 kB are free"):
        get(wanted)
    assert left(wanted) == set()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=2004))
    with pytest.raises(CommandError, match="broke off"):
        get(wanted)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=1004))  # enough for the rest
    server.answers = [ranged(CONTENT, **ETAG)]
    assert get(wanted) == SHA256
