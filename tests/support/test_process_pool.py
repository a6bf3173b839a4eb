"""machine.py: a pool of processes that Ctrl-C ends."""

import os
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import signal, time
from dffkit.support.machine import process_pool

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    with process_pool(2) as pool:
        for _ in pool.map(time.sleep, [0, 0] + 8 * [600]):
            print("started", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for a group of processes")
def test_ctrl_c_ends_a_pool_whose_processes_are_busy(tmp_path):
    (tmp_path / "sleep.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "sleep.py")]
    process = subprocess.Popen(command, text=True, stdout=-1, stderr=-1, start_new_session=True)
    try:
        assert [process.stdout.readline() for _ in range(2)] == 2 * ["started\n"]
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, errors = process.communicate(timeout=100)  # the jobs would take 40 minutes
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert errors.strip().endswith("KeyboardInterrupt")
