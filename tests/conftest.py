"""What the tests share: a fixed seed, the same examples on every run, sums in one order, and the way to real data."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from places import REPOSITORY

from dffkit.networks import precision

# Helpers that assert show what they have compared, as tests do.
pytest.register_assert_rewrite("mot_tree", "scored_snippets", "small_runs", "tiny_queue")

# The same examples on every run, so that a failure can be repeated; no deadline, since a busy machine is not a fault.
settings.register_profile("dffkit", derandomize=True, deadline=None)
settings.load_profile("dffkit")


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    """Let every test start from the same random state, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_bf16_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the precision "auto" be float32 on every machine."""
    monkeypatch.setattr(precision, "has_bf16_units", lambda device: False)


@pytest.fixture(autouse=True)
def _no_open_figures() -> Iterator[None]:
    """Close every figure after the test that drew it: pyplot keeps them, and warns from the 21st on."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in the same order every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Give the path of a named data set under DFFKIT_DATA, by default data/real; without it the test skips."""

    def look_up(name: str) -> Path:
        path = Path(os.environ.get("DFFKIT_DATA") or REPOSITORY / "data" / "real") / name
        if not path.exists():
            pytest.skip(f"real data '{name}' is not here; put it under data/real/ or where DFFKIT_DATA points")
        return path

    return look_up
