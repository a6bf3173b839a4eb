"""One file over HTTP: resumed where it broke off, checked, and in its place as a whole or not at all.

What has come of `NAME` is in `NAME.part`. A download that was broken off goes on there, unless the file on the server
has changed since, or the server does not say so much that one could know.
"""

import hashlib
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from dffkit import __version__
from dffkit.datasets.fetch.disk import require_room
from dffkit.datasets.fetch.partial import Partial, Version
from dffkit.support.errors import CommandError, DataError

REDIRECTS = 5
CHUNK = 1 << 18
TRY_AGAIN = (408, 429, 500, 502, 503, 504)  # the server's trouble of the moment


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        connect: seconds until it must have taken the call.
        read: seconds in which at least one byte must come.
        attempts: how often it is asked in all.
        pause: seconds before the second attempt; twice as many before the third, and so on.
    """

    connect: float = 10
    read: float = 30
    attempts: int = 5
    pause: float = 2


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Attributes:
        address: where it is.
        path: where it shall be.
        sha256: of its content, if that is known.
        begins: how its content may begin; a network's login page does not.
        if_changed: what to do if the SHA-256 is another one.
    """

    address: str
    path: Path
    sha256: str | None = None
    begins: tuple[bytes, ...] = (b"",)
    if_changed: str = ""

    @property
    def by_hand(self) -> str:
        """What a reader can do where this module can't."""
        return f"If you can download it by other means, put it there as {self.path}, and run this again."


def download(wanted: Wanted, *, patience: Patience = Patience(), progress: bool = True) -> str:
    """Bring a file to its path, unless one is there already, and return its SHA-256.

    Raises:
        CommandError: if the server can't be reached, has no such file, or breaks off at every attempt; or if there is
            no room on the disk. What has come is kept, and the next call goes on from there.
        DataError: if it is not the file that is wanted. What has come now is deleted; a file that was there is not.
    """
    if wanted.path.exists():
        return _checked(wanted.path, wanted, f"{wanted.path}: ", "Delete it, and run this again.")
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    part = Partial(wanted.path.with_name(f"{wanted.path.name}.part"), wanted.address)
    _fill(part, wanted, patience, progress)
    try:
        digest = _checked(part.path, wanted, f"{wanted.address}: ", f"Nothing of it was kept. {wanted.by_hand}")
    except DataError:
        part.forget()
        raise
    os.replace(part.path, wanted.path)
    part.forget()
    return digest


class _BrokenOff(Exception):
    """An attempt failed in a way that another one may mend. The message says how."""


def _fill(part: Partial, wanted: Wanted, patience: Patience, progress: bool) -> None:
    """Ask for what is missing of a part, until it is the whole file."""
    answered, broken = False, ""
    with requests.Session() as session:
        session.max_redirects = REDIRECTS
        session.headers.update({"User-Agent": f"dffkit/{__version__}", "Accept-Encoding": "identity"})
        for attempt in range(patience.attempts):
            if part.is_whole:
                return
            time.sleep(patience.pause * attempt)
            try:
                with _ask(session, part, patience) as response:
                    answered = True
                    _take(response, part, wanted, progress)
                return
            except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError, _BrokenOff) as error:
                broken = f"{type(error).__name__.strip('_')}: {error}"
                if not answered:  # without a network, waiting helps nobody
                    reason = f"no answer ({type(error).__name__}). Are you online?"
                    raise CommandError(f"{wanted.address}: {reason} {wanted.by_hand}") from error
            except requests.RequestException as error:  # no address, not HTTP, too many redirects
                raise CommandError(f"{wanted.address}: {error} {wanted.by_hand}") from error
    raise CommandError(
        f"{wanted.address}: broke off {patience.attempts} times, at last with {broken}\n"
        f"What has come is kept; run this again to go on from there. {wanted.by_hand}"
    )


def _ask(session: requests.Session, part: Partial, patience: Patience) -> requests.Response:
    """Ask for the rest if there is something that it can be proved to be the rest of, and else for all."""
    proof = part.version.proof if part.size else ""
    headers = {"Range": f"bytes={part.size}-", "If-Range": proof} if proof else {}
    return session.get(part.address, headers=headers, stream=True, timeout=(patience.connect, patience.read))


def _take(response: requests.Response, part: Partial, wanted: Wanted, progress: bool) -> None:
    """Write what an answer brings: all of the file, or the rest of it."""
    _require_safe(response, wanted)
    version = Version.of(wanted.address, response)
    # Undecoded: a length and a hash are of the bytes as the server keeps them.
    chunks = response.raw.stream(CHUNK, decode_content=False)
    if response.status_code == 200:  # all of it, whatever was asked for
        chunks = _looked_at(chunks, wanted)  # before the old part is given up: a login page is a 200 too
        have = 0
    else:
        _require_rest(response, part, version, wanted)
        have = part.size
    require_room(part.path.parent, (version.length or 0) - have)
    name = wanted.path.name
    bar = tqdm(total=version.length, initial=have, unit="B", unit_scale=True, desc=name, disable=not progress)
    if not have:
        part.begin(version)
    with part.path.open("ab") as file, bar:
        for chunk in chunks:
            file.write(chunk)
            bar.update(len(chunk))
    if version.length not in (None, part.size):
        raise _BrokenOff(f"expected {version.length:,} bytes, got {part.size:,}")


def _require_rest(response: requests.Response, part: Partial, version: Version, wanted: Wanted) -> None:
    """Raise what suits the answer, unless it brings the rest of the very file that the part is of."""
    status = f"status {response.status_code} {response.reason}"
    if response.status_code in TRY_AGAIN:
        raise _BrokenOff(status)
    if response.status_code not in (206, 416):
        raise CommandError(f"{wanted.address}: expected status 200, got {status}. {wanted.by_hand}")
    goes_on = response.headers.get("Content-Range", "").startswith(f"bytes {part.size}-")
    if not (goes_on and part.version and version.may_be(part.version)):
        part.forget()
        raise _BrokenOff(f"{status}: not the rest of what has come")


def _require_safe(response: requests.Response, wanted: Wanted) -> None:
    """Raise `CommandError` if an encrypted address leads to one that anybody on the way can answer for."""
    open_to_all = [each.url for each in (*response.history, response) if not each.url.startswith("https:")]
    if wanted.address.startswith("https:") and open_to_all:
        raise CommandError(f"{wanted.address}: leads to {open_to_all[0]}, which is not encrypted. {wanted.by_hand}")


def _looked_at(chunks: Iterator[bytes], wanted: Wanted) -> Iterator[bytes]:
    """The same chunks, after a look at the first one, which may be short."""
    head = next(chunks, b"")
    if not any(head[: len(start)] == start[: len(head)] for start in wanted.begins):
        raise DataError(f"{wanted.address}: {_another(head, wanted)} {wanted.by_hand}")
    return itertools.chain([head], chunks)


def _checked(path: Path, wanted: Wanted, called: str, advice: str) -> str:
    """A file's SHA-256; raise `DataError` if the file is not the one that is wanted."""
    with path.open("rb") as file:
        head = file.read(max(map(len, wanted.begins)))
        if not head.startswith(wanted.begins):
            raise DataError(f"{called}{_another(head, wanted)} {advice}")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if wanted.sha256 not in (None, digest):
        raise DataError(f"{called}expected SHA-256 {wanted.sha256}, got {digest}. {advice} {wanted.if_changed}".strip())
    return digest


def _another(head: bytes, wanted: Wanted) -> str:
    expected = " or ".join(str(start)[1:] for start in wanted.begins)
    return f"expected a file that begins with {expected}, got {str(head[:40])[1:]}: a web page?"
