"""Makes `python -m dffkit` work."""

import sys

from dffkit.commands.cli import main

if __name__ == "__main__":
    sys.exit(main())
