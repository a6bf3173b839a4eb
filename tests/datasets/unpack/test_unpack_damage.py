"""Archives: one that is none, cut off or changed is refused as a whole."""

import tarfile

import pytest
from archives import FILES, contents, is_refused, make_tar, make_zip, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dffkit.datasets.fetch.unpack import whole_folder
from dffkit.support.errors import DataError

GZIP = b"\x1f\x8b"


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04", b"<html>", GZIP, GZIP + bytes(600), bytes(600)])
def test_what_is_no_archive_is_refused(tmp_path, place, content):
    (tmp_path / "a.zip").write_bytes(content)
    is_refused(tmp_path / "a.zip", place, "is damaged|found none")


def test_an_archive_that_is_cut_off_is_refused(make, place):
    archive = make([(name, content + b"." * 2000) for name, content in FILES.items()])
    content = archive.read_bytes().rstrip(b"\0")  # a tar ends in zeros, of which it needs only some
    for size in [*range(0, len(content), 101), *range(0, len(content), tarfile.BLOCKSIZE), len(content) - 1]:
        archive.write_bytes(content[:size])
        is_refused(archive, place, "is damaged|found none")


def test_the_checksum_of_a_gzip_is_looked_at(tmp_path, place):
    path = make_tar(tmp_path / "a.tar.gz", FILES.items())
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    is_refused(path, place, "is damaged .CRC check failed")


def test_a_tar_does_not_end_in_the_middle(tmp_path, place):
    """The standard library takes a damaged header for the end."""
    path = make_tar(tmp_path / "a.tar", FILES.items(), "w")
    content = bytearray(path.read_bytes())
    content[content.index(b"set/train/2.png")] ^= 1
    path.write_bytes(content)
    with tarfile.open(path) as archive:
        assert len(archive.getnames()) < len(FILES)
    is_refused(path, place, "no end where its members end")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_is_refused_or_changes_no_content(tmp_path, data):
    path = make_zip(tmp_path / "a.zip", FILES.items())
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        with whole_folder(tmp_path / "place") as place:
            run(path, place)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert {*contents(tmp_path / "place").values()} <= {*FILES.values()}
    assert not {*tmp_path.iterdir()} - {path, tmp_path / "place"}
