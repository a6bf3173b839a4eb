"""The manifest of `data/weights`, checked field by field: whatever JSON can hold may come in."""

import hashlib
import json
import math
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from dffkit.support.errors import DataError

MAX_FILE = 20_000_000  # bytes
FORMAT = 1
REPAIR = "restore the folder as it was published, e.g. with 'git checkout -- data/weights'"


def _text(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _whole(least: int, most: float = math.inf) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and -math.inf < value < math.inf


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _mapping(is_key: Callable[[Any], bool], is_value: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(is_key, value)) and all(map(is_value, value.values()))


def _anything(value: Any) -> bool:
    return True


# A field -> (is a value right, in words).
FILE_NAME = _text(r"[A-Za-z0-9_]+-[0-9a-f]{12}\.safetensors")  # no folders: nothing outside this one is ever read
_HASH = (_text(r"[0-9a-f]{6,64}"), "6 to 64 hexadecimal digits")
_ENTRY = {
    "recipe": (_mapping(_anything, _anything), "a mapping"),
    "recipe_hash": _HASH,
    "world_hash": _HASH,
    "seed": (_whole(0), "a whole number of at least 0"),
    "scores": (_mapping(_anything, _is_finite), "a mapping of names to finite numbers"),
    "commit": (_text(r"[0-9a-f]{7,40}(-dirty)?"), "7 to 40 hexadecimal digits"),
    "date": (_is_date, "a date such as 2026-01-31"),
    "parameters": (_whole(1), "a whole number of at least 1"),
    "files": (lambda value: isinstance(value, list) and value and all(map(FILE_NAME, value)), "a list of file names"),
}
_FILE = {
    "sha256": (_text(r"[0-9a-f]{64}"), "64 hexadecimal digits"),
    "bytes": (_whole(1, MAX_FILE), f"a whole number from 1 to {MAX_FILE:,}"),
}
_MANIFEST = {
    "format": (_whole(FORMAT, FORMAT), f"{FORMAT}, the format this version reads"),
    "sha256": _FILE["sha256"],
    "files": (_mapping(FILE_NAME, _anything), "a mapping with file names of this folder"),
    "models": (_mapping(_text(r"\S+"), _anything), "a mapping with names without spaces"),
}


def _complaint(value: Any, fields: dict) -> str:
    """What is wrong with a mapping that should have just these fields; an empty string for nothing."""
    if not isinstance(value, dict):
        return f"expected a mapping, got {value!r:.80}"
    if value.keys() != fields.keys():
        return f"expected the fields {sorted(fields)}, got {sorted(map(str, value))}"
    for field, (is_right, words) in fields.items():
        if not is_right(value[field]):
            return f"{field}: expected {words}, got {value[field]!r:.80}"
    return ""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest as data, every field of it checked."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise DataError(f"{path}: no such file, so there are no trained weights; {REPAIR}")
    try:
        manifest = json.loads(path.read_bytes())
        trouble = complaint_about(manifest)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON: {error}; {REPAIR}") from error
    if trouble:
        raise DataError(f"{path}: {trouble}; {REPAIR}")
    return manifest


def complaint_about(manifest: Any) -> str:
    """What is wrong with a whole manifest; an empty string for nothing."""
    if trouble := _complaint(manifest, _MANIFEST):
        return trouble
    for file, listed in manifest["files"].items():
        if trouble := _complaint(listed, _FILE):
            return f"file {file!r}: {trouble}"
    for name, about in manifest["models"].items():
        if trouble := _complaint(about, _ENTRY):
            return f"model {name!r}: {trouble}"
        if unlisted := [file for file in about["files"] if file not in manifest["files"]]:
            return f"model {name!r}: files: {unlisted[0]!r} is not among the manifest's files"
    # This holds off no attacker, who can hash too, but a slip in a hand-edited score or recipe would go unnoticed.
    body = {field: value for field, value in manifest.items() if field != "sha256"}
    return "" if manifest["sha256"] == digest(body) else "was changed by hand or damaged: its own hash is wrong"


def digest(body: dict) -> str:
    """The manifest's own SHA-256, of everything but itself."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
