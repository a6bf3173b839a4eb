"""A place of its own for runs and results."""

from tiny_queue import place  # noqa: F401  a fixture
