"""`python -m dffkit test`: lint, then one pytest run over the tests and the notebooks."""

import argparse
import os
import subprocess
import sys

from dffkit.support.files import root

# `loadfile` keeps the cells of a notebook together and in order. All other options are in pyproject.toml.
TWO_WORKERS = ("-n", "2", "--dist", "loadfile")


def test_main(arguments: argparse.Namespace) -> int:
    """Run Ruff and, if it finds nothing, pytest with `arguments.rest`; return the exit status."""
    repository = root()
    lint = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=repository)
    if lint.returncode != 0:
        print("The lint failed (above), so the tests were not run.", file=sys.stderr)
        return lint.returncode

    # Two workers and their kernels share two cores: with more threads each they would slow one another down.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", *TWO_WORKERS, *arguments.rest]
    return subprocess.run(command, cwd=repository, env=environment).returncode
