"""A small data set in files, as a reader's own would be, and the kit's commands run on it (notebook 07)."""

import io
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from dffkit.datasets.toytown import Film
from dffkit.support import files
from dffkit.support.repository import root

CLIPS = {"train": (0, 1, 2, 3), "val": (4,), "test": (5,)}
FRAMES, STEP = 7, 2  # of each clip; only the last has a label map


def example_folder() -> Path:
    """A folder in `build/` with `clips/SPLIT/CLIP/NUMBER.jpg`, and a label map `.png` beside some; made once."""
    folder = root() / "build" / "notebooks" / "my_data"
    for split, numbers in CLIPS.items():
        for number in numbers:
            _write(folder / "clips" / split / f"street{number}", Film("train" if split == "train" else "val", number))
    return folder


def _write(folder: Path, film: Film) -> None:
    for index in range(FRAMES):
        path = folder / f"{index:04}.jpg"
        _save(path, lambda index=index: film.frame(STEP * index).permute(1, 2, 0), format="jpeg", quality=95)
    _save(path.with_suffix(".png"), lambda: film.labels(STEP * index), format="png")


def _save(path: Path, picture: Callable[[], Tensor], **options: Any) -> None:
    if not path.exists():
        buffer = io.BytesIO()
        Image.fromarray(picture().numpy()).save(buffer, **options)
        files.write(path, buffer.getvalue())


def command(folder: Path, line: str) -> str:
    """What `python -m dffkit` and the rest of a command line prints in a folder, without the folders' own names.

    Raises:
        RuntimeError: with all that it printed, if it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "dffkit", *shlex.split(line)], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"python -m dffkit {line}: {done.stdout}{done.stderr}")
    return done.stdout.replace(f"{folder}/", "").replace(f"{root()}/", "")
