"""Where tests find what is stored."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).resolve().parent / "golden"
