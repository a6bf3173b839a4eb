"""A download that breaks off goes on where it was, or begins anew where that can't be told."""

import contextlib

import pytest
from downloads import CONTENT, DATE, ETAG, HASTE, OTHER, SHA256, get, left
from loopback_server import chunked, only, ranged, whole

from dffkit.datasets.fetch import download as module
from dffkit.datasets.fetch.download import Wanted
from dffkit.support.errors import CommandError


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
