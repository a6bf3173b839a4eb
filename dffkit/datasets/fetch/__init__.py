"""Public copies of the data sets, on the reader's own machine: `python -m dffkit fetch NAME`.

The SHA-256 of some files is not known in advance. It is computed at the first download then, printed, and stored in
`fetched.json` beside the data sets; every later download must have the same.
"""

import contextlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dffkit.datasets.fetch.disk import readable
from dffkit.datasets.fetch.public_copies import PUBLIC_COPIES, PublicCopy
from dffkit.support import files
from dffkit.support.errors import DataError
from dffkit.support.files import locked
from dffkit.support.repository import data_folder

if TYPE_CHECKING:
    from dffkit.datasets.fetch.download import Patience

HASHES = "fetched.json"


def fetch(
    name: str,
    folder: Path | None = None,
    *,
    force: bool = False,
    patience: "Patience | None" = None,
    progress: bool = True,
) -> Path:
    """Download a data set, unpack it to a folder of its name, and return that folder; if it is there, do nothing.

    Args:
        folder: where the data sets are, by default the folder that DFFKIT_DATA names, or data/real/.
        force: download it anew and, when all is there, replace the old one.
        patience: how long its servers are waited for.
        progress: whether bars are shown.

    Raises:
        CommandError: if it can't be had now, or another process is fetching. What has come is kept for the next call.
        DataError: if what came is not what was expected, or must not be unpacked. Nothing changes then.
    """
    folder = data_folder() if folder is None else folder
    with locked(folder, busy=f"{folder}: another process is fetching into it; run this when it has ended"):
        if os.path.lexists(folder / name) and not force:
            print(f"{folder / name} is there already. --force downloads it again.")
        else:
            print(_described(name, folder))
            _fetch(name, folder, patience, progress)
            print(f"{name} is in {folder / name}, its SHA-256 in {folder / HASHES}")
    return folder / name


def _described(name: str, folder: Path) -> str:
    """What a reader should know before it begins."""
    copy = PUBLIC_COPIES[name]
    lines = [copy.about, copy.terms]
    for file in copy.files:
        known = file.sha256 or f"not known in advance; once downloaded, it is stored in {HASHES} and compared"
        lines += [f"from     {file.address}", f"         {readable(file.size)}, SHA-256: {known}"]
    lines.append(f"to       {folder / name}, {readable(copy.unpacked)}")
    return "\n".join(lines)


def _fetch(name: str, folder: Path, patience: "Patience | None", progress: bool) -> None:
    """Download all, then unpack all, then show the result under its name, then delete the downloads."""
    from dffkit.datasets.fetch import unpack  # here, since help must not need the extra

    copy, downloads = PUBLIC_COPIES[name], folder / "downloads"
    digests = _download(copy, folder, downloads, patience, progress)
    with unpack.whole_folder(folder / name) as staged:
        for file in copy.files:
            download = downloads / file.name
            if file.inside is None:
                shutil.copyfile(download, staged / file.name)
            else:
                limits = {"max_files": file.max_files, "max_size": file.max_size}
                unpack.unpack(download, staged, inside=file.inside, **limits, progress=progress)
        # Not before all is unpacked: what is refused must not become what is expected. And not after it is shown.
        text = json.dumps(_stored(folder) | digests, indent=2, sort_keys=True)
        files.write(folder / HASHES, f"{text}\n")
    for file in copy.files:
        (downloads / file.name).unlink()
    with contextlib.suppress(OSError):  # other data sets' downloads may be there
        downloads.rmdir()


def _download(
    copy: PublicCopy, folder: Path, downloads: Path, patience: "Patience | None", progress: bool
) -> dict[str, str]:
    """Download the files that are not there; return the SHA-256 of each address."""
    from dffkit.datasets.fetch.download import Patience, Wanted, download

    stored, digests = _stored(folder), {}
    changed = f"That of the first download is expected. If the file may change, delete its line in {folder / HASHES}."
    for file in copy.files:
        path, expected = downloads / file.name, file.sha256 or stored.get(file.address)
        advice = "" if file.sha256 else changed
        wanted = Wanted(file.address, path, sha256=expected, begins=file.begins, if_changed=advice)
        digest = download(wanted, patience=patience or Patience(), progress=progress)
        print(f"{file.name}: SHA-256 {digest}, {'as expected' if expected else 'not known before'}")
        digests[file.address] = digest
    return digests


def _stored(folder: Path) -> dict[str, str]:
    """The SHA-256 of what was downloaded before, by address."""
    path = folder / HASHES
    if not path.exists():
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or not all(re.fullmatch("[0-9a-f]{64}", str(value)) for value in stored.values()):
        raise DataError(f"{path}: expected JSON with a SHA-256 for each address; mend it or delete it")
    return stored
