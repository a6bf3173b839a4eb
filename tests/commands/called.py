"""`python -m dffkit run`, called as a function."""

import argparse

from dffkit.commands import run as run_command


def run(*words):
    """Return its exit status."""
    parser = argparse.ArgumentParser()
    run_command.add_run_arguments(parser)
    return run_command.run_main(parser.parse_args([*map(str, words), "--no-progress", "--threads", "1"]))
