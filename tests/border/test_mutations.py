"""Damaged files: every reader gives a `DataError` or a value of the right form, whatever was done to its file.

`pytest tests/border/test_mutations.py --mutations 10000` does more than the few hundred of every test run.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mutated_readers import READERS

PROGRAM = Path(__file__).with_name("read_mutated.py")
MUTATIONS = 400  # of each reader, unless --mutations says another number
MOST_ENDS = 5  # ends of the process for a reader; then the others would only take time
COSTLY = {"trained run": 4, "ImageNet VID": 2, "Cityscapes": 4}  # these get a part of the number


class Worker:
    """A process that reads damaged files; after a crash there is a new one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def outcomes(self, reader: str, count: int) -> Counter[str]:
        """Return what came of `count` damaged files of a reader: "read", "refused", or what was wrong and where."""
        outcomes, first, ends = Counter(), 0, 0
        while first < count and ends < MOST_ENDS:
            case = None
            for answer in self._answers(reader, first, count):
                if "begins" in answer:
                    case = answer
                elif "outcome" in answer:
                    is_right = answer["outcome"] in ("read", "refused")
                    outcomes[answer["outcome"] if is_right else f"{case}: {answer['outcome']}"] += 1
                else:
                    return outcomes
            outcomes[f"{case or 'undamaged'}: the process ended: {self.end()}"] += 1
            first, ends = (case["begins"] + 1 if case else count), ends + 1
        return outcomes

    def _answers(self, reader: str, first: int, stop: int) -> Iterator[dict[str, Any]]:
        if self._process is None:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
            pipe = subprocess.PIPE
            command = [sys.executable, str(PROGRAM)]
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._said, text=True)
        print(json.dumps([reader, first, stop]), file=self._process.stdin, flush=True)
        yield from map(json.loads, self._process.stdout)

    def end(self) -> str:
        """Let the process end; return its exit status and the last that it wrote on standard error."""
        process, self._process = self._process, None
        if process is None:
            return ""
        process.communicate()
        self._said.seek(0)
        return f"status {process.returncode}, {self._said.read()[-1500:].decode(errors='replace')}"


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.end()


@pytest.mark.parametrize("reader", READERS)
def test_damaged_file_gives_a_data_error_or_a_right_value(worker, request, reader):
    count = request.config.getoption("--mutations", None) or MUTATIONS // COSTLY.get(reader, 1)
    outcomes = worker.outcomes(reader, count)
    refused = outcomes.pop("refused", 0)
    outcomes.pop("read", 0)
    assert not outcomes, f"to see one again: python {PROGRAM} {reader!r} NUMBER\n" + "\n".join(outcomes)
    assert refused > count / 10  # else the files are hardly damaged
