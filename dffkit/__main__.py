"""The entry of `python -m dffkit`."""

import sys
import warnings

from dffkit.commands.cli import main

if __name__ == "__main__":
    # For users a warning is a line of text; the place in the code does not help them.
    warnings.showwarning = lambda message, *_: print(f"dffkit: {message}", file=sys.stderr)
    sys.exit(main())
