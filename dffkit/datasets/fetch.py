"""Download public copies of the data sets: `python -m dffkit fetch NAME`.

pooch downloads, zipfile unpacks; this module decides what to accept. pooch can't resume, so a broken download starts
again. Where the SHA-256 of a file is not known in advance, the first download's is printed and stored in `fetched.json`
beside the data sets, and every later download must have the same.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

from dffkit import __version__
from dffkit.datasets.public_copies import PUBLIC_COPIES, File, PublicCopy
from dffkit.support.errors import CommandError, DataError
from dffkit.support.files import data_folder, locked, write

HASHES = "fetched.json"
TIMEOUTS = (10, 30)  # seconds until a server must have answered, and without a further byte
CHUNK = 1 << 18  # bytes written at a time
# What zipfile raises for a damaged archive. An OSError without a number, or of an impossible seek, is damage too.
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, RuntimeError)
SAFE_PART = re.compile(r"[^\\:]*[^\\:. ]")  # Windows reads \ and : as separators, and drops dots and blanks at the end


def fetch(name: str, folder: Path | None = None, *, force: bool = False) -> Path:
    """Download a data set and unpack it to a folder of its name; an existing folder is left alone.

    Args:
        name: key of `PUBLIC_COPIES`.
        folder: the folder of all data sets; by default the one that DFFKIT_DATA names, or data/real/.
        force: download the data set again and, when it is complete, replace the old one.

    Returns:
        The folder of the data set.

    Raises:
        CommandError: if the download failed, the disk is too small, or another process is fetching into the folder.
        DataError: if a file is not the expected one, or its archive is damaged or unsafe. The data set stays as it was.
    """
    folder = data_folder() if folder is None else folder
    target, copy = folder / name, PUBLIC_COPIES[name]
    with locked(folder, busy=f"{folder}: another process is fetching into it; run this when it has ended"):
        if os.path.lexists(target) and not force:
            print(f"{target} is there already. --force downloads it again.")
            return target
        print(f"{copy.about}\n{copy.terms}")
        for file in copy.files:
            known = file.sha256 or f"not known in advance; the first download's is stored in {HASHES} and compared"
            print(f"from     {file.address}\n         {readable(file.size)}, SHA-256: {known}")
        print(f"to       {target}, {readable(copy.unpacked)}")
        _fetch(copy, target)
        print(f"{name} is in {target}, its SHA-256 in {folder / HASHES}")
    return target


def readable(size: int) -> str:
    """Return a number of bytes in its usual unit: 31000000000 -> "31.0 GB"."""
    for unit, bytes_of in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_of:
            return f"{size / bytes_of:.1f} {unit}"
    return f"{size} bytes"


def _fetch(copy: PublicCopy, target: Path) -> None:
    """Download all files, unpack them, show the result as `target`, and delete the downloads."""
    downloads, hashes = target.parent / "downloads", target.parent / HASHES
    downloads.mkdir(exist_ok=True)
    for leftover in downloads.glob("tmp*"):  # of a fetch that was killed
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    missing = sum(file.size for file in copy.files if not (downloads / file.name).exists())
    _require_room(downloads, missing + copy.unpacked)
    stored, new = _stored(hashes), {}
    for file in copy.files:
        path = downloads / file.name
        was_there = path.exists()
        if not was_there:
            _download(file, path)
        new[file.address] = _checked(file, path, stored.get(file.address), was_there)
    with tempfile.TemporaryDirectory(dir=downloads, prefix="tmp") as staging:
        staged = Path(staging) / "new"
        staged.mkdir()
        for file in copy.files:
            if file.inside is None:
                shutil.copyfile(downloads / file.name, staged / file.name)
            else:
                _unpack(file, downloads / file.name, staged)
        # After unpacking, so that a refused archive is not expected from now on; before the data set is visible.
        write(hashes, f"{json.dumps(stored | new, indent=2, sort_keys=True)}\n")
        if os.path.lexists(target):
            os.replace(target, Path(staging) / "old")
        os.replace(staged, target)
    for file in copy.files:
        (downloads / file.name).unlink()
    with contextlib.suppress(OSError):  # the folder may hold downloads of other data sets
        downloads.rmdir()


def _require_room(folder: Path, size: int) -> None:
    """Raise `CommandError` if the disk of an existing folder has fewer than `size` bytes left."""
    free = shutil.disk_usage(folder).free
    if free < size:
        need = f"{readable(size)} are needed on this disk, {readable(free)} are free"
        raise CommandError(f"{folder}: {need}; make room, or use another disk by --to FOLDER")


def _stored(path: Path) -> dict[str, str]:
    """Return the SHA-256 of earlier downloads by address."""
    if not path.exists():
        return {}
    try:
        stored = json.loads(path.read_bytes())
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or not all(re.fullmatch("[0-9a-f]{64}", str(value)) for value in stored.values()):
        raise DataError(f"{path}: expected JSON with a SHA-256 for each address; mend it or delete it")
    return stored


def _by_hand(file: File, path: Path) -> str:
    """Return the advice for a reader whose network or server fails."""
    curl = f"curl -L -C - -o {path} {file.address}"
    return f"If you can download it by other means, put it there as {path}, and run this again. This resumes:\n  {curl}"


def _download(file: File, path: Path) -> None:
    """Download a file as a whole to a path where none is yet."""
    import pooch  # here, since `--help` and the list must work without the extra
    import requests

    def require_encryption(response: requests.Response, **_: object) -> None:
        if file.address.startswith("https:") and not response.url.startswith("https:"):
            leads = f"leads to {response.url}, which is not encrypted"
            raise CommandError(f"{file.address}: {leads}. {_by_hand(file, path)}")

    headers = {"User-Agent": f"dffkit/{__version__}", "Accept-Encoding": "identity"}
    options = {"headers": headers, "timeout": TIMEOUTS, "hooks": {"response": require_encryption}}
    downloader = pooch.HTTPDownloader(True, CHUNK, **options)
    pooch.get_logger().setLevel("WARNING")
    print(f"downloading {file.name}")
    try:
        pooch.retrieve(file.address, None, path.name, path.parent, downloader=downloader)
    except requests.RequestException as error:
        answer = type(error).__name__ if error.response is None else f"status {error.response.status_code}"
        reason = f"can't be downloaded ({answer}). Are you online? Nothing of it was kept."
        raise CommandError(f"{file.address}: {reason} {_by_hand(file, path)}") from error


def _checked(file: File, path: Path, stored: str | None, was_there: bool) -> str:
    """Return the SHA-256 of a download; delete a wrong one unless it was there before, and raise `DataError`."""
    with path.open("rb") as content:
        head = content.read(max(map(len, file.begins)))
        content.seek(0)
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    expected = file.sha256 or stored
    if not head.startswith(file.begins):
        begins = " or ".join(str(start)[1:] for start in file.begins)
        problem = f"expected a file that begins with {begins}, got {str(head)[1:]}: a web page?"
    elif expected in (None, digest):
        print(f"{file.name}: SHA-256 {digest}, {'as expected' if expected else 'not known before'}")
        return digest
    else:
        problem = f"expected SHA-256 {expected}, got {digest}."
        if file.sha256 is None:
            problem += f" The first download had it. If the file may change, delete its line in {HASHES}."
    if was_there:
        raise DataError(f"{path}: {problem} Delete it and run this again.")
    path.unlink()
    raise DataError(f"{file.address}: {problem} Nothing of it was kept. {_by_hand(file, path)}")


def _unpack(file: File, archive: Path, folder: Path) -> None:
    """Unpack the files in the folder `file.inside` of a zip archive, after a check of all its members.

    Raises:
        DataError: if the archive is damaged, has more members or bytes than `file` allows, nothing inside that folder,
            or any member that is a link, a device, encrypted, or named so that it could be written elsewhere.
    """
    from tqdm import tqdm

    remedy = "so it was not unpacked; delete it and run this again, and if it stays so, tell those who offer it"
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            if len(members) > file.max_files or sum(member.file_size for member in members) > file.max_size:
                most = f"{file.max_files:,} members and {readable(file.max_size)}"
                raise DataError(f"{archive}: expected at most {most}, has more, {remedy}")
            for member in members:
                if not _is_safe(member):
                    name = member.orig_filename  # `filename` ends before a NUL
                    raise DataError(f"{archive}: its member {name!r} is no plain file with a safe name, {remedy}")
            start = f"{file.inside}/"
            wanted = [member for member in members if member.filename.startswith(start) and not member.is_dir()]
            if not wanted:
                raise DataError(f"{archive}: expected files in its folder '{file.inside}', found none, {remedy}")
            _require_room(folder, sum(member.file_size for member in wanted))
            for member in tqdm(wanted, desc=f"unpacking {archive.name}", unit="file"):
                path = folder / member.filename.removeprefix(start)
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as content, path.open("xb") as out:
                    shutil.copyfileobj(content, out)
    except (FileExistsError, NotADirectoryError) as error:
        raise DataError(f"{archive}: two of its members have one name here ({error.filename}), {remedy}") from error
    except (*DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise DataError(f"{archive}: is damaged ({error}); delete it and run this again") from error


def _is_safe(member: zipfile.ZipInfo) -> bool:
    """Return True for a plain file or folder with a relative name that means the same on every system."""
    expected = stat.S_IFDIR if member.orig_filename.endswith("/") else stat.S_IFREG
    plain = stat.S_IFMT(member.external_attr >> 16) in (0, expected)  # 0 where the writer's system has no such modes
    unlocked = not member.flag_bits & 1 and member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    name = member.orig_filename.removesuffix("/")
    return plain and unlocked and name.isprintable() and all(map(SAFE_PART.fullmatch, name.split("/")))
