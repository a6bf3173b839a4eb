"""An option of the tests of this folder."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--mutations N`; it is known where this folder is named: `pytest tests/border --mutations 10000`."""
    parser.addoption("--mutations", type=int, help="number of damaged files for each reader")
