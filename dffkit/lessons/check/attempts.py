"""Run a learner's function: for a limited time, with what it prints kept, and its own line found in an error."""

import contextlib
import ctypes
import io
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

PRINTED = 2000  # characters that are kept: an endless loop may print
PATIENCE = 1.0  # seconds in which a function that is told to stop should have stopped


class Ran(NamedTuple):
    """One call of a function: its answer or its error, and what it printed."""

    answer: Any
    error: BaseException | None
    printed: str


class TimeLimitExceeded(BaseException):
    """A function ran for longer than its limit. Not an `Exception`, so that `except Exception` lets it pass."""


def run(function: Callable[[], Any], seconds: float) -> Ran:
    """Call `function` in a thread of its own and stop it after `seconds`; the error is then `TimeLimitExceeded`.

    The exception is raised inside the function, so a loop of Python code is stopped on every system and in every
    thread, even if it catches each `Exception`. One long call of compiled code can't be stopped, nor may a loop that
    catches everything: the caller gets control back all the same, and the error's message says that it goes on.
    """
    outcome: list[Any] = [None, None]
    printed = _Beginning()

    def call() -> None:
        try:
            outcome[0] = function()
        except BaseException as error:  # whatever a learner's function raises is reported, not raised
            outcome[1] = error

    worker = threading.Thread(target=call, daemon=True)
    with contextlib.redirect_stdout(printed):
        worker.start()
        try:
            worker.join(seconds)
        finally:  # also if the learner interrupts the kernel
            late = worker.is_alive()
            _stop(worker)
    if worker.is_alive():
        outcome[1] = TimeLimitExceeded("It is still running: restart the kernel to be rid of it.")
    elif late and outcome[1] is None:
        outcome[1] = TimeLimitExceeded()
    return Ran(*outcome, printed.getvalue())


def own_line(error: BaseException, function: Callable[..., Any]) -> str:
    """Return the learner's last line before the error as "Line 3: ...", or "" if there is none.

    All of a notebook's cells share their global variables, so they tell the learner's lines from those of libraries.
    """
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    own = getattr(function, "__globals__", None) or vars(module or object)
    lines = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)
             if frame.f_globals is own]  # fmt: skip
    if not lines:
        return ""
    number, text = lines[-1][1], traceback.linecache.getline(*lines[-1]).strip()
    return f"Line {number}: {text}" if text else f"Line {number}"


class _Beginning(io.StringIO):
    """The first characters of what is printed; the rest is dropped."""

    def write(self, text: str) -> int:
        return super().write(text) if self.tell() < PRINTED else len(text)


def _stop(worker: threading.Thread) -> None:
    exception = ctypes.py_object(TimeLimitExceeded)
    for _ in range(int(PATIENCE / 0.02)):
        if not worker.is_alive():
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), exception)
        worker.join(0.02)
