"""A workspace of its own for runs and results."""

from tiny_queue import workspace  # noqa: F401  a fixture
