"""Options that several commands share; a wrong one is named before anything is loaded or computed."""

import argparse
from collections.abc import Callable

import torch


def at_least(least: int) -> Callable[[str], int]:
    """What argparse makes an option's number with."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} on, got {text!r}")
        return int(text)

    return number


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`, which the command hands to `check_device`."""
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """`--threads`, which the command hands to `use_threads`."""
    parser.add_argument("--threads", type=at_least(1), metavar="N", help="threads that compute (default: torch's)")
