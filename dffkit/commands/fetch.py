"""`python -m dffkit fetch`: public copies of the data sets."""

import argparse
from pathlib import Path

from dffkit.datasets.fetch import fetch, readable
from dffkit.datasets.public_copies import PUBLIC_COPIES
from dffkit.support.errors import CommandError


def add_fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `fetch`."""
    parser.add_argument("name", nargs="?", choices=tuple(PUBLIC_COPIES), metavar="NAME", help="without one, list them")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where the data sets are (default: data/real/)")
    parser.add_argument("--force", action="store_true", help="download it again and replace what is there")


def fetch_main(arguments: argparse.Namespace) -> int:
    """Fetch one data set, or list all; return the exit status."""
    if arguments.name is None:
        for name, copy in PUBLIC_COPIES.items():
            size = readable(sum(file.size for file in copy.files))
            print(f"{name:14} {size:>9}  {copy.about}")
        return 0
    try:
        fetch(arguments.name, arguments.to, force=arguments.force)
    except OSError as error:  # of the disk: full, read-only, a file in the folder's place
        raise CommandError(str(error)) from error
    return 0
