"""Archives: what is unpacked, and every kind of name, link, size and damage that is refused as a whole."""

import errno
import io
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dffkit.errors import DataError
from dffkit.fetch.unpack import unpack, whole_folder
from dffkit.repository import CommandError

FILES = {"set/README": b"read me", "set/train/1.png": b"one" * 500, "set/train/2.png": b"two", "else/3.png": b"three"}
LINK = stat.S_IFLNK | 0o777


def make_zip(path: Path, members, **options) -> Path:
    """A zip of `(name or ZipInfo, content)`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def make_tar(path: Path, members, mode: str = "w:gz") -> Path:
    """A tar of `(name or TarInfo, content)`."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def place(tmp_path) -> Path:
    """An empty folder for what is unpacked, in another empty one that nothing may be written to."""
    folder = tmp_path / "around" / "place"
    folder.mkdir(parents=True)
    return folder


def run(archive: Path, place: Path, **options) -> int:
    return unpack(archive, place, **({"max_files": 10, "max_size": 10_000, "progress": False} | options))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_refused(archive: Path, place: Path, match: str, **options) -> None:
    """The whole archive is refused, and nothing of it is there, inside or outside."""
    with pytest.raises(DataError, match=match) as caught:
        run(archive, place, **options)
    assert str(archive) in str(caught.value)
    assert [*place.parent.rglob("*")] == [place]


@pytest.fixture(params=["zip", "tar", "tar.gz"])
def make(request, tmp_path):
    """A maker of archives from pairs of a name and a content."""
    path = tmp_path / f"archive.{request.param}"
    return {
        "zip": lambda members: make_zip(path, members),
        "tar": lambda members: make_tar(path, members, "w"),
        "tar.gz": lambda members: make_tar(path, members, "w:gz"),
    }[request.param]


# What is unpacked


def test_everything_is_unpacked(make, place):
    assert run(make(FILES.items()), place) == 4
    assert contents(place) == FILES


def test_only_what_is_inside_a_folder_is_unpacked(make, place):
    assert run(make(FILES.items()), place, inside="set/train") == 2
    assert contents(place) == {"1.png": b"one" * 500, "2.png": b"two"}


@pytest.mark.parametrize("inside", ["set/tra", "set/README", "other", "set/train/1.png"])
def test_a_place_without_files_is_refused(make, place, inside):
    is_refused(make(FILES.items()), place, f"expected files in its folder '{inside}', found none", inside=inside)


def test_folders_may_be_members(tmp_path, place):
    run(make_zip(tmp_path / "a.zip", [("set/", b""), ("set/sub/", b""), ("set/sub/1", b"1")]), place)
    folder = tarfile.TarInfo("other/sub")
    folder.type = tarfile.DIRTYPE
    run(make_tar(tmp_path / "a.tar.gz", [(folder, b""), ("other/sub/2", b"2")]), place)
    assert contents(place) == {"set/sub/1": b"1", "other/sub/2": b"2"}


def test_a_program_becomes_a_plain_file(tmp_path, place):
    info = zipfile.ZipInfo("run")
    info.external_attr = (stat.S_IFREG | 0o4777) << 16
    run(make_zip(tmp_path / "a.zip", [(info, b"#!")]), place)
    info = tarfile.TarInfo("run2")
    info.mode = 0o4777
    run(make_tar(tmp_path / "a.tar.gz", [(info, b"#!")]), place)
    assert [path.stat().st_mode & 0o7111 for path in (place / "run", place / "run2")] == [0, 0]


def test_the_bar_counts_files(make, place, capsys):
    run(make(FILES.items()), place, progress=True)
    assert "4/4" in capsys.readouterr().err


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


def test_no_room_on_the_disk_is_said_before(make, place, monkeypatch):
    free = shutil.disk_usage(place)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=1502))
    with pytest.raises(CommandError, match=r"place: 1\.5 kB are needed"):
        run(make(FILES.items()), place, inside="set/train")
    assert contents(place) == {}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free._replace(free=1503))
    assert run(make(FILES.items()), place, inside="set/train") == 2


def test_trouble_with_the_disk_is_not_called_damage(make, place, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        run(make(FILES.items()), place)


# Damage


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


# Whole folders


def test_a_folder_is_seen_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "target"
    with whole_folder(target) as staged:
        (staged / "file").write_text("new")
        assert not target.exists()
    assert contents(tmp_path) == {"new/target/file": b"new"}


@pytest.mark.parametrize("trouble", [DataError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [True, False])
def test_after_trouble_nothing_has_changed(tmp_path, trouble, old):
    target = tmp_path / "target"
    if old:
        target.mkdir()
        (target / "file").write_text("old")
    before = contents(tmp_path)

    def run_into_trouble():
        with whole_folder(target) as staged:
            (staged / "file").write_text("new")
            raise trouble

    with pytest.raises(trouble):
        run_into_trouble()
    assert contents(tmp_path) == before
    assert target.exists() == old
    assert {*tmp_path.iterdir()} == ({target} if old else set())


def test_a_new_folder_replaces_the_old_one_and_what_kills_have_left(tmp_path):
    target = tmp_path / "target"
    for name in ("target", "target.part", "target.old"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "old").write_text("old")
    with whole_folder(target) as staged:
        assert contents(staged) == {}
        (staged / "file").write_text("new")
        assert contents(target) == {"sub/old": b"old"}
    assert contents(tmp_path) == {"target/file": b"new"}
    assert [*tmp_path.iterdir()] == [target]


def test_what_a_link_leads_to_is_not_touched(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("kept")
    (tmp_path / "target").symlink_to(tmp_path / "elsewhere")
    with whole_folder(tmp_path / "target") as staged:
        (staged / "file").write_text("new")
    assert contents(tmp_path) == {"elsewhere/file": b"kept", "target/file": b"new"}
    assert not (tmp_path / "target").is_symlink()
