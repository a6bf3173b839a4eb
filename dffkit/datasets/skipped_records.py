"""What a reader has to leave out is said once, with how much of what, so that nothing is missing silently."""

import warnings
from collections.abc import Mapping
from pathlib import Path

from dffkit.support.processes import is_first_process


class SkippedRecords(UserWarning):
    """Part of a data set does not count. Silence it by `warnings.simplefilter("ignore", SkippedRecords)`."""


def tell(source: Path, left_out: Mapping[str, int], stacklevel: int = 3) -> None:
    """Warn of how much is left out, unless it is nothing.

    Args:
        source: the file or folder.
        left_out: what, in the plural, and why -> how many.
        stacklevel: of the code that the warning points at, as `warnings.warn` counts; 3 is who calls the caller.
    """
    said = "; ".join(f"{count:,} {what}" for what, count in left_out.items() if count)
    if said:
        say(source, said, stacklevel + 1)


def say(source: Path, text: str, stacklevel: int = 3) -> None:
    """Warn of what is left out; of several processes the first does.

    Python shows a warning once for each text, so what is read again, for each split, may say it each time.
    """
    if is_first_process():
        warnings.warn(f"{source}: {text}", SkippedRecords, stacklevel)
