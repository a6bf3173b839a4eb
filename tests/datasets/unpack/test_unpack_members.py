"""Archives: every kind of name, link, device and size is refused that may do harm."""

import stat
import tarfile
import zipfile

import pytest
from archives import FILES, contents, is_refused, make_tar, make_zip, run

from dffkit.support.errors import DataError

LINK = stat.S_IFLNK | 0o777


# Names


@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "set/../../out",
        "set/..",
        "..",
        ".",
        "./set/1",
        "set/./1",
        "/out",
        "//out",
        "set//1",
        "C:/out",
        "C:out",
        "set/1:stream",
        "..\\out",
        "set\\1",
        "\\out",
        "set/1.",
        "set/1 ",
        "set. /1",
        "set/1\n",
        "set/\x1b[2J",
        "set/" + "a" * 252,
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_name_that_may_lead_elsewhere_is_refused(make, place, name, first):
    members = [(name, b"x"), *FILES.items()] if first else [*FILES.items(), (name, b"x")]
    is_refused(make(members), place, r"its member .* (name|system), so it was not unpacked; get the archive again")
    # Also where it is not in the part that is wanted.
    is_refused(make(members), place, "so it was not unpacked", inside="else")


def test_a_nul_in_a_name_is_refused(tmp_path, place):
    """Python's own writers cut such names, and so does its reader: the rest of the name must be looked at."""
    path = make_zip(tmp_path / "a.zip", [("set/1.png?x", b"x")])
    path.write_bytes(path.read_bytes().replace(b"1.png?x", b"1.png\0x"))
    assert zipfile.ZipFile(path).namelist() == ["set/1.png"]
    is_refused(path, place, r"'set/1\.png\\x00x' has a backslash, a colon or an unprintable sign")
    info = tarfile.TarInfo("set/1")
    info.pax_headers = {"path": "set/1\0x"}
    is_refused(make_tar(tmp_path / "a.tar.gz", [(info, b"x")]), place, "unprintable sign")


def test_a_tar_name_without_an_encoding_is_refused(tmp_path, place):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo("set/ü"))
    is_refused(tmp_path / "a.tar", place, "unprintable sign")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("set/a.png", "set/A.png"),
        ("set/a.png", "SET/b.png"),
        ("set/strasse", "set/straße"),
        ("set/\u00e9", "set/e\u0301"),
        ("set/a", "set/a/b"),
        ("set/a/b", "set/a"),
        ("set/a", "set/A/b"),
    ],
)
def test_names_that_are_one_on_some_systems_are_refused(make, place, one, other):
    is_refused(make([(one, b"1"), (other, b"2")]), place, "is in the way of 'set")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice_is_refused(make, place):
    is_refused(make([("set/a", b"1"), ("set/a", b"2")]), place, "'set/a' is in the way of 'set/a'")


# Links, devices and sizes


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_a_tar_are_refused(tmp_path, place, kind):
    info = tarfile.TarInfo("set/link")
    info.type, info.linkname = kind, "README"
    archive = make_tar(tmp_path / "a.tar.gz", [*FILES.items(), (info, b"")])
    is_refused(archive, place, "'set/link' is a link or a device")


@pytest.mark.parametrize("mode", [LINK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
@pytest.mark.parametrize("name", ["set/link", "set/link/"])
def test_links_and_devices_of_a_zip_are_refused(tmp_path, place, mode, name):
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    is_refused(make_zip(tmp_path / "a.zip", [*FILES.items(), (info, b"README")]), place, "is a link or a device")


def test_an_encrypted_or_unusually_packed_file_is_refused(tmp_path, place):
    path = make_zip(tmp_path / "a.zip", [("set/1", b"x")])
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    is_refused(path, place, "'set/1' is an encrypted file")
    info = zipfile.ZipInfo("set/1")
    info.compress_type = zipfile.ZIP_BZIP2
    is_refused(make_zip(tmp_path / "b.zip", [(info, b"x")]), place, "'set/1' is of an unusual compression")


def test_a_bomb_is_refused(make, place):
    archive = make([("set/1", bytes(4_000_000)), ("set/2", b"")])
    is_refused(archive, place, r"expected at most 10 members and 4\.0 MB, has more", max_size=3_999_999)
    assert run(archive, place, max_size=4_000_000) == 2


def test_a_tar_bomb_is_not_read_to_its_end(tmp_path, place):
    """It says how long it is before it goes on, and that is enough: here nothing follows at all."""
    info = tarfile.TarInfo("set/1")
    info.size = 1 << 40
    (tmp_path / "a.tar").write_bytes(info.tobuf())
    is_refused(tmp_path / "a.tar", place, "has more")


def test_too_many_files_are_refused(make, place):
    archive = make([(str(number), b"") for number in range(11)])
    is_refused(archive, place, "at most 10 members .* not unpacked; get the archive again")
    assert run(archive, place, max_files=11) == 11


def test_a_size_that_is_not_true_is_refused(tmp_path, place):
    """What the list of a zip says is less than there is: no more than that is read, and then it does not fit."""
    path = make_zip(tmp_path / "a.zip", [("set/1", bytes(4_000_000))])
    path.write_bytes(path.read_bytes().replace((4_000_000).to_bytes(4, "little"), (9).to_bytes(4, "little")))
    with pytest.raises(DataError, match="is damaged"):
        run(path, place)
    assert all(len(content) <= 9 for content in contents(place).values())
