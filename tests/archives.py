"""Archives as tests want them, and what has become of them; the tests of unpacking share them."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from dffkit.datasets.fetch.unpack import unpack
from dffkit.support.errors import DataError

FILES = {"set/README": b"read me", "set/train/1.png": b"one" * 500, "set/train/2.png": b"two", "else/3.png": b"three"}
FORMATS = ("zip", "tar", "tar.gz")


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


def maker(folder: Path, ending: str):
    """A maker of archives of a format from pairs of a name and a content."""
    path = folder / f"archive.{ending}"
    return {
        "zip": lambda members: make_zip(path, members),
        "tar": lambda members: make_tar(path, members, "w"),
        "tar.gz": lambda members: make_tar(path, members, "w:gz"),
    }[ending]


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
