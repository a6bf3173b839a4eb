"""Archives: what is unpacked, as which files, and where the disk is full or in trouble."""

import errno
import shutil
import stat
import tarfile
import zipfile

import pytest
from archives import FILES, contents, is_refused, make_tar, make_zip, run

from dffkit.support.errors import CommandError


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
