"""The entry of `python -m dffkit`."""

import sys

from dffkit.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
