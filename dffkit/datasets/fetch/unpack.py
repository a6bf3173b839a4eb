"""Archives from the net, unpacked with suspicion: every name and size is looked at before a byte is written."""

import contextlib
import errno
import functools
import gzip
import os
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from dffkit.datasets.fetch.disk import readable, require_room
from dffkit.support.errors import DataError

# What the standard library raises on a damaged archive; a seek to nowhere is an OSError besides.
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, struct.error)
DAMAGE += (EOFError, ValueError, OverflowError, NotImplementedError)
REMEDY = "get the archive again, and if it stays so, tell those who offer it"


class Entry(NamedTuple):
    """A member of an archive.

    Attributes:
        name: as the archive has it, with slashes; a folder's too, without the last one.
        kind: "file", "folder", or what it is instead.
        size: of its content; the standard library reads no more than that.
        open: opens its content.
    """

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


def unpack(
    archive: Path, folder: Path, *, inside: str = "", max_files: int, max_size: int, progress: bool = True
) -> int:
    """Unpack a zip or tar(.gz) archive, or what is `inside` a folder of it, into a folder; return how many files.

    Only plain files and folders are made, with the rights that new files have. The folder must be there; `whole_folder`
    gives one that nobody sees until all is in it.

    Raises:
        DataError: if the archive is damaged, has more members or bytes than it may, nothing at that place, or any
            member that could be written elsewhere or over another one: a link, a device, a name with "..", a drive or
            a backslash, two names that are one on some systems. Nothing is written then, but where the damage is
            inside of a file's content.
        CommandError: if there is no room on the disk.
    """
    begin = f"{inside}/" if inside else ""
    with _damage_is_a_data_error(archive), _entries(archive) as entries:
        checked = _checked(archive, entries, max_files, max_size)
        files = [entry for entry in checked if entry.kind == "file" and entry.name.startswith(begin)]
        if not files:
            raise DataError(f"{archive}: expected files in its folder '{inside}', found none; is it another archive?")
        require_room(folder, sum(entry.size for entry in files))
        for entry in tqdm(files, desc=f"unpacking {archive.name}", unit="file", disable=not progress):
            path = folder / entry.name.removeprefix(begin)
            path.parent.mkdir(parents=True, exist_ok=True)
            with entry.open() as content, path.open("xb") as file:
                shutil.copyfileobj(content, file)
    return len(files)


@contextlib.contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """A new folder beside the target, renamed to it at the end; after an exception it is deleted and nothing changes.

    It takes the place of a target that is there. After a kill between the two renamings the old one is `NAME.old`.
    """
    staged, old = (target.with_name(f"{target.name}.{ending}") for ending in ("part", "old"))
    _remove(staged)
    staged.mkdir(parents=True)
    try:
        yield staged
    except BaseException:
        _remove(staged)
        raise
    if os.path.lexists(target):
        _remove(old)
        os.replace(target, old)
    os.replace(staged, target)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


@contextlib.contextmanager
def _damage_is_a_data_error(archive: Path) -> Iterator[None]:
    try:
        yield
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise DataError(f"{archive}: is damaged ({error}); delete it, and download it again") from error


@contextlib.contextmanager
def _entries(archive: Path) -> Iterator[Iterator[Entry]]:
    """The members of an archive, one by one: a tar has no list of them, and may be far longer than its file."""
    with archive.open("rb") as file:
        head = file.read(4)
    if head.startswith(b"PK"):
        with zipfile.ZipFile(archive) as opened:
            yield (_of_zip(opened, info) for info in opened.infolist())
    else:
        with tarfile.open(archive, "r:gz" if head.startswith(b"\x1f\x8b") else "r:") as opened:
            yield _of_tar(opened)


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    name = info.orig_filename  # `filename` ends before a NUL, and has other slashes on Windows
    mode = stat.S_IFMT(info.external_attr >> 16)  # 0 where the writer's system has none
    if info.flag_bits & 1:
        kind = "an encrypted file"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        kind = "of an unusual compression"
    elif name.endswith("/") and mode in (0, stat.S_IFDIR):
        kind = "folder"
    else:
        kind = "file" if mode in (0, stat.S_IFREG) else "a link or a device"
    name = name.removesuffix("/") if kind == "folder" else name
    return Entry(name, kind, info.file_size, functools.partial(archive.open, info))


def _of_tar(archive: tarfile.TarFile) -> Iterator[Entry]:
    for info in archive:
        kind = "folder" if info.isdir() else "file" if info.isreg() else "a link or a device"
        yield Entry(info.name, kind, info.size, functools.partial(archive.extractfile, info))
    archive.fileobj.seek(archive.offset)
    rest = archive.fileobj.read(1 << 20)  # up to the checksum of a gzip, which is looked at then
    if len(rest) < tarfile.BLOCKSIZE or rest.strip(b"\0"):  # tarfile takes a damaged member for the end
        raise tarfile.ReadError("no end where its members end")


def _checked(archive: Path, entries: Iterable[Entry], max_files: int, max_size: int) -> list[Entry]:
    """All entries of an archive; raise `DataError` unless every one may be unpacked beside the others."""
    checked: list[Entry] = []
    places: dict[str, tuple[str, str]] = {}
    size = 0
    for entry in entries:
        checked.append(entry)
        size += entry.size
        if len(checked) > max_files or size > max_size:
            most = f"{max_files:,} members and {readable(max_size)}"
            raise DataError(f"{archive}: expected at most {most}, has more, so it was not unpacked; {REMEDY}")
        if problem := _problem(entry) or _clash(entry, places):
            raise DataError(f"{archive}: its member {entry.name!r} {problem}, so it was not unpacked; {REMEDY}")
    return checked


def _problem(entry: Entry) -> str | None:
    """Why an entry must not be unpacked, on this system or on another, whatever else is in the archive."""
    if entry.kind not in ("file", "folder"):
        return f"is {entry.kind}"
    if len(entry.name) > 255:
        return "has too long a name"
    if not entry.name.isprintable() or "\\" in entry.name or ":" in entry.name:
        return "has a backslash, a colon or an unprintable sign in its name"
    # Windows drops dots and blanks at the end of a name, so "a." is "a" there; "." and ".." end so as well.
    if any(not part or part.endswith((".", " ")) for part in entry.name.split("/")):
        return "leaves its folder, or has another name on another system"
    return None


def _clash(entry: Entry, places: dict[str, tuple[str, str]]) -> str | None:
    """Note the places that an entry takes, its own and its folders'; say which earlier one is there already."""
    parts = entry.name.split("/")
    for count in range(1, len(parts) + 1):
        name, kind = "/".join(parts[:count]), entry.kind if count == len(parts) else "folder"
        # Some systems don't distinguish a from A, or the two ways to write an accent.
        place = unicodedata.normalize("NFC", name).casefold()
        if place in places and (kind == "file" or places[place] != (name, kind)):
            return f"is in the way of {places[place][0]!r}"
        places[place] = name, kind
    return None
