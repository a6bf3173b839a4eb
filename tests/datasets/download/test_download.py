"""One file over HTTP: it comes whole and alone, and what is not the file is refused."""

import hashlib

import pytest
from downloads import CONTENT, DATE, ETAG, OTHER, PATIENCE, SHA256, get, left
from loopback_server import chunked, only, ranged, whole

from dffkit.datasets.fetch import download as module
from dffkit.datasets.fetch.download import Wanted, download
from dffkit.support.errors import DataError

PAGE = b"<!DOCTYPE html><title>Please log in</title>" + b" " * 3000


def known(wanted: Wanted, sha256: str) -> Wanted:
    return Wanted(wanted.address, wanted.path, sha256=sha256, begins=wanted.begins)


# What comes at once


@pytest.mark.parametrize("answer", [whole, ranged, chunked])
@pytest.mark.parametrize("headers", [ETAG, DATE, {}])
def test_a_file_comes_whole_and_alone(server, wanted, answer, headers):
    server.answers = [answer(CONTENT, **headers)]
    assert get(wanted) == SHA256
    assert wanted.path.read_bytes() == CONTENT
    assert left(wanted) == {"file.zip"}
    assert len(server.asked) == 1
    assert server.ranges == [None]


def test_a_file_that_is_there_is_checked_and_not_asked_for(server, wanted):
    server.answers = [only(500)]
    wanted.path.parent.mkdir()
    wanted.path.write_bytes(CONTENT)
    assert get(wanted) == SHA256
    with pytest.raises(DataError, match=rf"file\.zip: expected SHA-256 0{{64}}, got {SHA256}\. Delete it, and run"):
        get(known(wanted, "0" * 64))
    wanted.path.write_bytes(PAGE)
    with pytest.raises(DataError, match=r"file\.zip: expected a file that begins with 'PK"):
        get(wanted)
    assert wanted.path.read_bytes() == PAGE  # it is the reader's
    assert server.asked == []


def test_encoded_content_is_kept_as_it_is_stored(server, wanted):
    server.answers = [whole(CONTENT, **{"Content-Encoding": "gzip"})]
    assert get(wanted) == SHA256
    assert server.asked[0]["Accept-Encoding"] == "identity"


def test_the_bar_tells_name_size_and_where_it_goes_on(server, wanted, capsys):
    server.answers = [whole(CONTENT, upto=1000, **ETAG), ranged(CONTENT, **ETAG)]
    download(wanted, patience=PATIENCE)
    bars = capsys.readouterr().err
    assert "file.zip" in bars
    assert "2.00k/2.00k" in bars


# What is not the file


def test_a_login_page_is_refused_and_costs_nothing_that_had_come(server, wanted):
    server.answers = [whole(PAGE)]
    with pytest.raises(DataError, match=r"'PK\\x03\\x04', got '<!DOCTYPE html>.*put it there as .*file\.zip"):
        get(wanted)
    assert left(wanted) == set()
    server.answers = [ranged(CONTENT, upto=1000, **ETAG), whole(PAGE)]
    with pytest.raises(DataError, match="a web page"):
        get(wanted)
    server.answers = [ranged(CONTENT, **ETAG)]
    assert get(wanted) == SHA256
    assert server.ranges[-1] == "bytes=1000-"


@pytest.mark.parametrize("content", [b"", b"P", b"PK\x03"])
def test_a_file_shorter_than_its_beginning_is_refused(server, wanted, content):
    server.answers = [whole(content)]
    with pytest.raises(DataError, match=r"begins with 'PK\\x03\\x04', got "):
        get(wanted)
    assert left(wanted) == set()


def test_a_first_byte_that_comes_alone_is_enough(server, wanted, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1)
    server.answers = [whole(CONTENT)]
    assert get(wanted) == SHA256


def test_another_hash_is_refused_and_nothing_kept(server, wanted):
    server.answers = [whole(b"PK\x03\x04" + OTHER)]
    got = hashlib.sha256(b"PK\x03\x04" + OTHER).hexdigest()
    with pytest.raises(DataError, match=rf"{server.address}: expected SHA-256 {SHA256}, got {got}\. Nothing of it was"):
        get(known(wanted, SHA256))
    assert left(wanted) == set()
    server.answers = [whole(CONTENT)]
    assert get(known(wanted, SHA256)) == SHA256
