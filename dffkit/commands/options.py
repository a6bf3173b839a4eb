"""Options that several commands share. A wrong value is refused before anything is loaded or computed."""

import argparse
from collections.abc import Callable

import torch


def at_least(least: int) -> Callable[[str], int]:
    """Return an argparse type for integers of at least `least`."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} on, got {text!r}")
        return int(text)

    return number


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`, by default the GPU if torch finds one; the command calls `check_device` with it."""
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", default=default, help="cpu, or a GPU: cuda, cuda:1 (default: cuda if there is one)")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`, by default torch's own number; the command calls `use_threads` with it."""
    parser.add_argument("--threads", type=at_least(1), metavar="N", help="computing threads (default: torch's choice)")
