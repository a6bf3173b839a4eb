"""What has come so far of a file from a server, and which version of the file it is a part of."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import requests


@dataclass(frozen=True)
class Version:
    """What a server says of a file; empty or None where it says nothing."""

    address: str
    etag: str
    modified: str
    length: int | None

    @classmethod
    def of(cls, address: str, response: requests.Response) -> "Version":
        """The version that an answer with the whole file, or with a part of it, is about."""
        if response.status_code == 206:
            length = response.headers.get("Content-Range", "").rpartition("/")[2]
        else:
            length = response.headers.get("Content-Length", "")
        found = (response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""))
        return cls(address, *found, int(length) if length.isdecimal() else None)

    @property
    def proof(self) -> str:
        """What the server can be asked to compare: a strong ETag (a weak one says nothing of bytes) or the date."""
        return self.etag if self.etag.startswith('"') else self.modified

    def may_be(self, other: "Version") -> bool:
        """Whether the two differ in nothing that both say."""
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return all(mine == theirs for mine, theirs in pairs if mine and theirs)


@dataclass(frozen=True)
class Partial:
    """A part of a file at `path`, and beside it a note of the version that it is of."""

    path: Path
    address: str

    @property
    def note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def version(self) -> Version | None:
        """The version that the bytes are of; None if there are none that can be gone on from."""
        try:
            version = Version(**json.loads(self.note.read_text(encoding="utf-8")))
        except (FileNotFoundError, TypeError, ValueError):
            return None
        return version if version.address == self.address and self.path.exists() else None

    @property
    def size(self) -> int:
        """How many bytes there are to go on from."""
        return self.path.stat().st_size if self.version else 0

    @property
    def is_whole(self) -> bool:
        return self.version is not None and self.version.length == self.size

    def begin(self, version: Version) -> None:
        """Make room for a version's first byte."""
        self.path.write_bytes(b"")  # first: a run that is killed here has no bytes that the old note is not about
        self.note.write_text(json.dumps(asdict(version)), encoding="utf-8")

    def forget(self) -> None:
        """Delete what has come."""
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)
