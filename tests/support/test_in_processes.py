"""machine.py: jobs in several processes, in order, with an error, and after Ctrl-C."""

import itertools
import os
import signal
import subprocess
import sys

import pytest

from dffkit.support.machine import in_processes

SCRIPT = """
import signal, time
from dffkit.support.machine import in_processes

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    for _ in in_processes(time.sleep, [0, 0] + 8 * [600], count=2):
        print("started", flush=True)
"""


def test_results_come_in_order():
    assert list(in_processes(divmod, [7, 8, 9], itertools.repeat(4), count=2)) == [(1, 3), (2, 0), (2, 1)]


def test_an_error_of_a_job_is_raised():
    with pytest.raises(ZeroDivisionError):
        list(in_processes(divmod, [7, 8], [0, 1], count=1))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for a group of processes")
def test_ctrl_c_ends_a_pool_whose_processes_are_busy(tmp_path):
    (tmp_path / "sleep.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "sleep.py")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, start_new_session=True, **pipes)
    try:
        assert [process.stdout.readline() for _ in range(2)] == 2 * ["started\n"]
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate(timeout=100)  # the jobs would take 40 minutes
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert errors.strip().endswith("KeyboardInterrupt")
    assert "Exception in thread" not in errors
