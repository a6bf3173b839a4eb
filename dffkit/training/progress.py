"""A training as its user sees it: a bar or now and then a line, and an early end by Ctrl-C or SIGTERM."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from dffkit.support.machine import is_first_process

EVERY = 30.0  # seconds between two lines where there is no bar
LINE = "{desc}: iteration {n_fmt} of {total_fmt}, about {remaining} left{postfix}\n"


def training_bar(name: str, iteration: int, iterations: int, bar: bool) -> tqdm:
    """Return a bar for a training from `iteration` on; without `bar` its states are lines, if it takes long enough."""
    often = 0.1 if bar and sys.stderr.isatty() else EVERY  # in a file each state is a line
    lines = {} if bar else {"bar_format": LINE, "delay": EVERY, "leave": False}
    return tqdm(
        desc=name, initial=iteration, total=iterations, unit="it", file=sys.stderr, mininterval=often, miniters=1,
        disable=not is_first_process(), **lines,
    )  # fmt: skip


def announce(text: str) -> None:
    """Print a line to stderr, above the bars, in the first process only."""
    if is_first_process():
        tqdm.write(text, file=sys.stderr)


@contextlib.contextmanager
def held_signals() -> Iterator[list[int]]:
    """Hold Ctrl-C and SIGTERM back and list those that came, so that a checkpoint can be written first.

    Only the first is held: a second one takes effect at once. Signals that this process ignores stay ignored. Outside
    the main thread, which alone can receive signals, nothing is held.
    """
    held: list[int] = []

    def hold(number: int, _: Any) -> None:
        held.append(number)
        former.close()

    with contextlib.ExitStack() as former:
        for number in (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ():
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                former.callback(signal.signal, number, signal.signal(number, hold))
        yield held
