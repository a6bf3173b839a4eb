"""One file over HTTP, from a server that truncates, stalls, lies, loops, changes its mind, or is not there."""

import contextlib
import hashlib
import shutil
import socket
from types import SimpleNamespace

import loopback_server
import pytest
from loopback_server import chunked, only, ranged, whole

from dffkit.errors import DataError
from dffkit.fetch import download as module
from dffkit.fetch.download import Patience, Wanted, download
from dffkit.repository import CommandError

PATIENCE = Patience(connect=10, read=10, attempts=3, pause=0)
HASTE = Patience(connect=10, read=0.4, attempts=3, pause=0)
CONTENT = b"PK\x03\x04" + bytes(i * i % 251 for i in range(2000))
OTHER = CONTENT[::-1]
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"<!DOCTYPE html><title>Please log in</title>" + b" " * 3000
ETAG = {"ETag": '"1"'}
DATE = {"Last-Modified": "Thu, 01 Jan 2015 00:00:00 GMT"}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, "CHUNK", 100)
    server = loopback_server.started()
    yield server
    server.close()


@pytest.fixture
def wanted(server, tmp_path):
    return Wanted(server.address, tmp_path / "downloads" / "file.zip", begins=(b"PK\x03\x04",))


def get(wanted: Wanted, patience: Patience = PATIENCE) -> str:
    return download(wanted, patience=patience, progress=False)


def left(wanted: Wanted) -> set[str]:
    """The names of what is in the folder of downloads."""
    return {path.name for path in wanted.path.parent.iterdir()}


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


# What breaks off


@pytest.mark.parametrize("headers", [ETAG, DATE, ETAG | DATE])
def test_what_breaks_off_goes_on_where_it_was(server, wanted, headers):
    server.answers = [ranged(CONTENT, upto=upto, **headers) for upto in (1000, 1500)] + [ranged(CONTENT, **headers)]
    assert get(wanted) == SHA256
    assert wanted.path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]
    assert server.asked[1]["If-Range"] == headers.get("ETag", headers.get("Last-Modified"))


def test_a_server_that_stalls_is_noticed_and_asked_again(server, wanted):
    server.answers = [ranged(CONTENT, upto=1000, stall=True, **ETAG), ranged(CONTENT, **ETAG)]
    assert get(wanted, HASTE) == SHA256
    assert server.ranges == [None, "bytes=1000-"]


def test_a_rest_that_comes_in_pieces_is_put_together(server, wanted):
    piece = only(206, CONTENT[1000:1500], **ETAG, **{"Content-Range": "bytes 1000-1499/2004"})
    server.answers = [whole(CONTENT, upto=1000, **ETAG), piece, ranged(CONTENT, **ETAG)]
    assert get(wanted) == SHA256
    assert server.ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_answers_need_not_say_the_same_things(server, wanted):
    """The first may not tell the length, and that with the rest tells the date no more."""
    rest = only(206, CONTENT[1000:], **ETAG, **{"Content-Range": "bytes 1000-2003/2004"})
    server.answers = [chunked(CONTENT, upto=1000, **ETAG, **DATE), rest]
    assert get(wanted) == SHA256
    assert server.ranges == [None, "bytes=1000-"]


def test_a_rest_that_nobody_asked_for_is_not_taken(server, wanted):
    server.answers = [only(206, CONTENT, **ETAG, **{"Content-Range": "bytes 0-2003/2004"}), whole(CONTENT)]
    assert get(wanted) == SHA256
    assert len(server.asked) == 2


def test_the_next_call_goes_on_where_the_last_one_gave_up(server, wanted):
    server.answers = [ranged(CONTENT, upto=upto, **ETAG) for upto in (500, 900, 1300)]
    with pytest.raises(CommandError, match=r"broke off 3 times, at last with .*(?s:.)*run this again to go on"):
        get(wanted)
    assert left(wanted) == {"file.zip.part", "file.zip.part.json"}
    server.answers = [ranged(CONTENT, **ETAG)]
    assert get(wanted) == SHA256
    assert server.ranges[-1] == "bytes=1300-"


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}])
def test_without_proof_of_the_version_it_begins_anew(server, wanted, headers):
    server.answers = [ranged(CONTENT, upto=1000, **headers), ranged(CONTENT, **headers)]
    assert get(wanted) == SHA256
    assert server.ranges == [None, None]


def test_a_server_that_ignores_ranges_gives_it_all_again(server, wanted):
    server.answers = [whole(CONTENT, upto=1000, **ETAG), whole(CONTENT, **ETAG)]
    assert get(wanted) == SHA256
    assert server.ranges == [None, "bytes=1000-"]


def test_a_broken_file_without_a_length_is_noticed(server, wanted):
    server.answers = [chunked(CONTENT, upto=1000), chunked(CONTENT)]
    assert get(wanted) == SHA256
    assert len(server.asked) == 2


def test_a_file_that_changed_in_between_begins_anew(server, wanted):
    server.answers = [ranged(OTHER, upto=1000, **ETAG), ranged(CONTENT, ETag='"2"')]
    wanted = Wanted(wanted.address, wanted.path)
    assert get(wanted) == SHA256
    assert wanted.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("wrong", "length"),
    [
        ({"ETag": '"2"', "Content-Range": "bytes 1000-2003/2004"}, 1004),
        ({"ETag": '"1"', "Content-Range": "bytes 1000-2004/2005"}, 1005),
        ({"ETag": '"1"', "Content-Range": "bytes 999-2003/2004"}, 1005),
        ({"ETag": '"1"'}, 1004),
    ],
)
def test_a_part_of_another_version_or_place_is_not_added(server, wanted, wrong, length):
    """The server does not heed If-Range."""
    server.answers = [whole(CONTENT, upto=1000, **ETAG), only(206, OTHER[:length], **wrong), ranged(CONTENT, **ETAG)]
    assert get(wanted) == SHA256
    assert server.ranges == [None, "bytes=1000-", None]


def test_a_part_of_another_address_is_not_gone_on_with(server, wanted):
    server.answers = [ranged(OTHER, upto=1000, **ETAG)]
    with pytest.raises(CommandError):
        get(Wanted(wanted.address + "?old", wanted.path))
    server.answers = [ranged(CONTENT, **ETAG)]
    assert get(wanted) == SHA256
    assert server.ranges[-1] is None
    assert len(server.asked) == 4


@pytest.mark.parametrize("note", [None, b"", b"[]", b"{}", b'{"size": 3}'])
def test_a_part_of_nobody_knows_what_begins_anew(server, wanted, note):
    wanted.path.parent.mkdir()
    wanted.path.with_name("file.zip.part").write_bytes(OTHER)
    if note is not None:
        wanted.path.with_name("file.zip.part.json").write_bytes(note)
    server.answers = [ranged(CONTENT, **ETAG)]
    assert get(wanted) == SHA256


def test_a_range_behind_the_end_begins_anew(server, wanted):
    server.answers = [chunked(CONTENT, upto=1000, **ETAG), ranged(CONTENT[:700], **ETAG), ranged(CONTENT, **ETAG)]
    assert get(wanted) == SHA256
    assert server.ranges == [None, "bytes=1000-", None]


def test_a_part_that_is_the_whole_file_is_not_asked_for_again(server, wanted, monkeypatch):
    """As after a kill between the last byte and the renaming."""
    server.answers = [whole(CONTENT, **ETAG)]
    with monkeypatch.context() as patch:
        patch.setattr(module.os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            get(wanted)
    assert left(wanted) == {"file.zip.part", "file.zip.part.json"}
    assert get(wanted) == SHA256
    assert len(server.asked) == 1
    assert left(wanted) == {"file.zip"}


def test_an_interrupt_leaves_what_has_come_and_nothing_else(server, wanted, monkeypatch):
    class Bar(contextlib.nullcontext):
        def __init__(self, **_):
            super().__init__(self)
            self.calls = 0

        def update(self, _):
            self.calls += 1
            if self.calls == 7:
                raise KeyboardInterrupt

    server.answers = [ranged(CONTENT, **ETAG)]
    with monkeypatch.context() as patch:
        patch.setattr(module, "tqdm", Bar)
        with pytest.raises(KeyboardInterrupt):
            get(wanted)
    assert left(wanted) == {"file.zip.part", "file.zip.part.json"}
    assert get(wanted) == SHA256
    assert server.ranges == [None, "bytes=700-"]


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


# What can't be had


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
