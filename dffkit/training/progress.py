"""A training as its user sees it: a bar or a line every minute, and an early end by Ctrl-C or SIGTERM."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from tqdm import tqdm

from dffkit.support.machine import is_first_process

TIMED = 10  # iterations whose rate gives the estimate of the rest
EVERY = 60.0  # seconds between two lines where there is no bar


class Progress:
    """How far a training is: a bar, or a line every minute.

    Args:
        name: of the recipe.
        iteration, iterations: number of iterations that are done, and of all.
        bar: show a bar.
    """

    def __init__(self, name: str, iteration: int, iterations: int, bar: bool) -> None:
        often = 0.1 if sys.stderr.isatty() else EVERY  # a bar in a file is a line each time
        self.bar = tqdm(
            desc=name, initial=iteration, total=iterations, unit="it", file=sys.stderr, mininterval=often,
            maxinterval=max(often, 10), disable=not (bar and is_first_process()),
        )  # fmt: skip
        self.name, self.first, self.iterations = name, iteration, iterations
        self.began = self.said = time.monotonic()

    def update(self, iteration: int, summary: Mapping[str, str]) -> None:
        """Show the iteration and the values of `summary`; once, about how long the rest takes."""
        self.bar.update()
        self.bar.set_postfix(summary, refresh=False)
        now, done = time.monotonic(), iteration - self.first
        minutes = (now - self.began) / done * (self.iterations - iteration) / 60
        if done == TIMED and minutes >= 1:
            announce(f"{self.name}: about {minutes:.0f} min at the rate of the first {TIMED} iterations")
        elif self.bar.disable and now - self.said >= EVERY:
            self.said = now
            values = "".join(f", {name} {value}" for name, value in summary.items())
            announce(f"{self.name}: iteration {iteration} of {self.iterations}{values}")


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
    former: dict[int, Any] = {}

    def give_back() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    def hold(number: int, _: Any) -> None:
        held.append(number)
        give_back()

    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        former = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in former:
            signal.signal(number, hold)
        yield held
    finally:
        give_back()
