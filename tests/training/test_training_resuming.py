"""A training goes on where it stopped bit by bit, from checkpoints of its own only."""

import pytest
from hand_made import DETECTION, FLOW, STILLS, recipe
from tiny_trainings import equal, log, run

from dffkit.support.errors import DataError
from dffkit.training import checkpoint
from dffkit.training.checkpoint import FINISHED

pytestmark = pytest.mark.usefixtures("one_thread")


class Stop(Exception):
    """What stops a run in these tests."""


@pytest.mark.parametrize(
    "tiny", [recipe(), recipe(task=DETECTION, optimiser="adamw"), STILLS, FLOW], ids=lambda r: r.name
)
@pytest.mark.parametrize("workers", [0, 3])
def test_a_stopped_run_goes_on_bit_by_bit(tmp_path, tiny, workers):
    whole = run(tiny, tmp_path / "whole", log_every=3, workers=0)

    def stop(model):
        raise Stop

    options = {"checkpoint_every": 2, "log_every": 3, "workers": workers}
    with pytest.raises(Stop):
        run(tiny, tmp_path / "stopped", validate=stop, validate_every=3, **options)
    assert [path.name for path in (tmp_path / "stopped").glob("*.pt")] == ["checkpoint-00000002.pt"]
    resumed = run(tiny, tmp_path / "stopped", **options)
    assert equal(resumed.state_dict(), whole.state_dict())
    assert log(tmp_path / "stopped") == log(tmp_path / "whole")


def test_a_finished_run_is_not_trained_again(tmp_path):
    first = run(recipe(), tmp_path)
    stamp = (tmp_path / FINISHED).stat().st_mtime_ns
    again = run(recipe(), tmp_path)
    assert equal(first.state_dict(), again.state_dict())
    assert not again.training
    assert (tmp_path / FINISHED).stat().st_mtime_ns == stamp


def test_without_resuming_it_begins_again(tmp_path):
    whole = run(recipe(), tmp_path)
    again = run(recipe(), tmp_path, resume=False)
    assert equal(whole.state_dict(), again.state_dict())
    assert len(log(tmp_path)) == 6


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"tiny": recipe(lr=0.06)}, "recipe_hash"),
        ({"seed": 1}, "seed 1, got 0"),
        ({"data_version": "b"}, "data_version 'b', got 'a'"),
    ],
)
def test_the_checkpoints_of_another_run_are_refused(tmp_path, finished, other, named):
    arguments = {"tiny": recipe(), "folder": tmp_path, "data_version": "a", "checkpoint_every": 2}
    run(**arguments)
    if not finished:
        state = checkpoint.read(tmp_path / FINISHED)
        (tmp_path / FINISHED).unlink()
        checkpoint.save(tmp_path, state, 4)
    with pytest.raises(DataError, match=f"another run: expected {named}"):
        run(**{**arguments, **other})
