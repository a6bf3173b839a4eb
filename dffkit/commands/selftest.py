"""`python -m dffkit test`: lint, then one pytest run over the tests and the notebooks."""

import os
import subprocess
import sys

from dffkit.support.repository import root

# The folders are pytest's `testpaths` (pyproject.toml), so a path among the reader's own arguments replaces them.
PYTEST_OPTIONS = (
    "--nbval",
    "--nbval-current-env",  # this interpreter's kernel, whatever name a notebook has stored
    *("--nbval-sanitize-with", "tests/nbval_sanitize.cfg"),
    *("--nbval-cell-timeout", "120"),
    *("-n", "2", "--dist", "loadfile"),  # loadfile keeps the cells of a notebook together and in order
)


def run_tests(pytest_arguments: list[str]) -> int:
    """Run Ruff and, if it finds nothing, pytest with the given further arguments; return the exit status."""
    repository = root()
    lint = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=repository)
    if lint.returncode != 0:
        print("The lint failed (above), so the tests were not run.", file=sys.stderr)
        return lint.returncode

    # Two workers and their kernels share two cores: more threads each would only get in each other's way.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", *PYTEST_OPTIONS, *pytest_arguments]
    return subprocess.run(command, cwd=repository, env=environment).returncode
