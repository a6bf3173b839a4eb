"""`fetch` unpacks plain files only, inside their folder; hostile and damaged archives are refused as a whole."""

import shutil
import stat
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_copy import contents, packed

from dffkit.datasets import fetch
from dffkit.datasets.public_copies import ZIP, File
from dffkit.support.errors import DataError

FILES = {"set/README": b"read me", "set/train/1.png": b"one" * 500, "set/train/2.png": b"two", "else/3.png": b"three"}


def unpack(folder, content, **options):
    """Unpack an archive to `folder/around/place` and return the files there."""
    archive, place = folder / "a.zip", folder / "around" / "place"
    archive.write_bytes(content)
    place.mkdir(parents=True, exist_ok=True)
    options = {"inside": "set", "max_files": 10, "max_size": 10_000} | options
    fetch._unpack(File("", "", 0, ZIP, **options), archive, place)
    return contents(place)


def is_refused(folder, content, match, **options):
    """The error names the archive, and nothing is written, inside the place or outside."""
    with pytest.raises(DataError, match=match) as caught:
        unpack(folder, content, **options)
    assert str(folder / "a.zip") in str(caught.value)
    assert [*(folder / "around").rglob("*")] == [folder / "around" / "place"]


def test_only_the_wanted_folder_is_unpacked_as_plain_files(tmp_path):
    program = zipfile.ZipInfo("set/run")
    program.external_attr = (stat.S_IFREG | 0o4777) << 16
    members = [("set/", b""), ("set/train/", b""), *FILES.items(), (program, b"#!")]
    assert unpack(tmp_path, packed(members)) == {
        "README": b"read me", "train/1.png": b"one" * 500, "train/2.png": b"two", "run": b"#!",
    }  # fmt: skip
    assert (tmp_path / "around" / "place" / "run").stat().st_mode & 0o7111 == 0


@pytest.mark.parametrize("inside", ["set/tra", "set/README", "other", "set/train/1.png"])
def test_archive_without_the_wanted_folder_is_refused(tmp_path, inside):
    is_refused(tmp_path, packed(FILES.items()), f"expected files in its folder '{inside}', found none", inside=inside)


@pytest.mark.parametrize(
    "name",
    [
        "../out", "set/../../out", "set/..", "..", ".", "./set/1", "set/./1", "/out", "//out", "set//1", "C:/out",
        "C:out", "set/1:stream", "..\\out", "set\\1", "\\out", "set/1.", "set/1 ", "set. /1", "set/1\n", "set/\x1b[2J",
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [True, False])
def test_name_that_may_lead_elsewhere_is_refused(tmp_path, name, first):
    members = [(name, b"x"), *FILES.items()] if first else [*FILES.items(), (name, b"x")]
    for inside in ("set", "else"):  # also where the member is not in the wanted folder
        is_refused(tmp_path, packed(members), "no plain file with a safe name, so it was not unpacked", inside=inside)


def test_nul_in_a_name_is_refused(tmp_path):
    """The name that zipfile gives ends at the NUL."""
    content = packed([("set/1.png?x", b"x")]).replace(b"1.png?x", b"1.png\0x")
    is_refused(tmp_path, content, r"'set/1\.png\\x00x' is no plain file with a safe name")


@pytest.mark.parametrize("names", [("set/a", "set/a"), ("set/a", "set/a/b"), ("set/a/b", "set/a")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path, names):
    with pytest.raises(DataError, match="two of its members have one name here"):
        unpack(tmp_path, packed((name, b"x") for name in names))


@pytest.mark.parametrize("kind", [stat.S_IFLNK | 0o777, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
@pytest.mark.parametrize("name", ["set/link", "set/link/"])
def test_links_and_devices_are_refused(tmp_path, kind, name):
    info = zipfile.ZipInfo(name)
    info.external_attr = kind << 16
    is_refused(tmp_path, packed([*FILES.items(), (info, b"README")]), "no plain file")


def test_encrypted_or_unusually_packed_file_is_refused(tmp_path):
    content = bytearray(packed([("set/1", b"x")]))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    is_refused(tmp_path, bytes(content), "no plain file")
    info = zipfile.ZipInfo("set/1")
    info.compress_type = zipfile.ZIP_BZIP2
    is_refused(tmp_path, packed([(info, b"x")]), "no plain file")


def test_too_many_bytes_or_members_are_refused(tmp_path):
    bomb = packed([("set/1", bytes(4_000_000)), ("set/2", b"")])
    is_refused(tmp_path, bomb, r"expected at most 10 members and 4\.0 MB, has more", max_size=3_999_999)
    many = packed((f"set/{number}", b"") for number in range(11))
    is_refused(tmp_path, many, "at most 10 members .* not unpacked; delete it and run this again")
    assert len(unpack(tmp_path, many, max_files=11)) == 11


def test_size_that_is_not_true_is_refused(tmp_path):
    """The list of members says less than there is: no more than that is read, and then the checksum does not fit."""
    content = packed([("set/1", bytes(4_000_000))])
    with pytest.raises(DataError, match="is damaged"):
        unpack(tmp_path, content.replace((4_000_000).to_bytes(4, "little"), (9).to_bytes(4, "little")))
    assert all(len(content) <= 9 for content in contents(tmp_path / "around").values())


def test_truncated_archive_is_refused(tmp_path):
    content = packed((name, content + b"." * 2000) for name, content in FILES.items())
    for size in [*range(0, len(content), 101), len(content) - 1]:
        is_refused(tmp_path, content[:size], "is damaged")


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_byte_is_refused_or_changes_no_content(tmp_path, data):
    content = bytearray(packed(FILES.items()))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack(tmp_path, bytes(content))
    except DataError:
        pass
    else:
        assert {*found.values()} <= {*FILES.values()}
    shutil.rmtree(tmp_path / "around")
