"""Read damaged files in a process of its own, and tell what came that is neither a `DataError` nor a right value.

As a program it takes jobs from standard input, each a line of JSON, and writes a line before each file that it reads,
so that it is known which file ended the process. Standard error has to be a file: what readers write there is counted.

    python tests/border/read_mutated.py "labels" 17     # read one file again, which is kept, and show the traceback
"""

import contextlib
import faulthandler
import json
import os
import random
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path += [str(folder) for folder in (Path(__file__).parents[2], Path(__file__).parents[1], Path(__file__).parent)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from mutated_readers import READERS, Reader
from mutations import mutated

from dffkit.datasets.snippets import SkippedRecords
from dffkit.support.errors import DataError

HANGS = 900  # seconds for a file: far more than a small one needs on the busiest machine
MEMORY = 2 << 30  # bytes that reading a small file may add: Pillow takes up to 179 million pixels
# What no reader does: run programs, load libraries, talk to others, or change files.
FORBIDDEN = {
    "os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "socket.connect", "socket.getaddrinfo",
    "ctypes.dlopen", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink",
    "shutil.rmtree", "shutil.move", "urllib.Request",
}  # fmt: skip


class Watch:
    """What a reader does beside returning a value."""

    def __init__(self) -> None:
        self.forbidden: list[str] = []
        self.is_on = False
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple) -> None:
        if self.is_on and (event in FORBIDDEN or (event == "open" and _writes(arguments))):
            self.forbidden.append(f"{event} {arguments}"[:200])

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self.forbidden, self.is_on = [], True
        try:
            yield
        finally:
            self.is_on = False


def _writes(arguments: tuple) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def damage(reader: Reader, name: str, number: int, files: list[Path]) -> tuple[Path, bytes, str]:
    """Return the file that is damaged in case `number`, its new content, and what was done to it."""
    rng = random.Random(f"{name}/{number}")
    path = rng.choice(files)
    content, whole, where = path.read_bytes(), bytes, ""
    if reader.inside is not None and rng.random() < 0.5:
        content, whole = reader.inside(content, rng)
        where = " inside"
    new, kinds = mutated(content, rng)
    return path, whole(new), kinds + where


def outcome(reader: Reader, path: Path, watch: Watch) -> str:
    """Read a damaged file; return "refused", "read", or what is wrong with what came."""
    said, memory, found = os.fstat(2).st_size, peak_memory(), "read"
    try:
        with watch(), warnings.catch_warnings():
            warnings.simplefilter("ignore", SkippedRecords)
            reader.read(path)
    except DataError as error:
        found = "refused" if path.name in str(error) or path.parent.name in str(error) else f"names no file: {error}"
    except BaseException as error:
        places = traceback.extract_tb(error.__traceback__)[:0:-1]
        where = " < ".join(f"{Path(place.filename).name}:{place.lineno}" for place in places)
        found = f"{type(error).__name__}: {error}"[:300] + f" at {where}"
    if watch.forbidden:
        found = f"does {watch.forbidden}"
    if peak_memory() > memory + MEMORY:
        found = f"takes {(peak_memory() - memory) / 2**20:.0f} MiB, then: {found}"
    if reader.is_quiet and os.fstat(2).st_size > said:
        found = f"writes {os.fstat(2).st_size - said} bytes on standard error, then: {found}"
    return found


def peak_memory() -> int:
    """Return the most memory that this process has had, in bytes; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def limit_memory() -> None:
    """Let an allocation of more than a few GiB fail instead of the machine."""
    if sys.platform == "linux":
        import resource

        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + 3 * MEMORY,) * 2)


def run(name: str, numbers: range, say: Callable[[dict[str, Any]], None], watch: Watch) -> None:
    """Read the damaged files of a reader; say before each which it is, and after it what came."""
    reader = READERS[name]
    with tempfile.TemporaryDirectory(prefix="mutated") as folder:
        files = list(reader.make(Path(folder)))
        originals = {path: path.read_bytes() for path in files}
        for path in files:  # undamaged they are right
            reader.read(path)
        for number in numbers:
            path, content, kinds = damage(reader, name, number, files)
            say({"begins": number, "file": path.name, "kinds": kinds})
            faulthandler.dump_traceback_later(HANGS, exit=True)
            path.write_bytes(content)
            say({"outcome": outcome(reader, path, watch).replace(folder, "")})
            path.write_bytes(originals[path])
            faulthandler.cancel_dump_traceback_later()
    say({"ends": True})


def again(name: str, number: int) -> None:
    """Make one damaged file, keep it, and read it without a guard."""
    folder = Path(tempfile.mkdtemp())
    reader = READERS[name]
    path, content, kinds = damage(reader, name, number, list(reader.make(folder)))
    path.write_bytes(content)
    print(f"{path}: {kinds}", flush=True)
    reader.read(path)


def work() -> None:
    """Take jobs from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a reader prints is no answer

    def say(what: dict[str, Any]) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    faulthandler.enable()
    limit_memory()
    watch = Watch()
    for line in sys.stdin:
        name, first, stop = json.loads(line)
        run(name, range(first, stop), say, watch)


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) == 3:
        again(sys.argv[1], int(sys.argv[2]))
    else:
        work()
