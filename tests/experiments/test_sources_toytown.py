"""sources/ and the rendered worlds: what is rendered ahead, how long streets are, and what a world is called."""

import builtins
import contextlib

import pytest
import torch
from hand_made import DETECTION, FLOW, SEGMENTATION, STILLS, recipe

from dffkit.experiments import sources


@pytest.mark.parametrize(
    ("job", "split"), [("stills", "stills"), ("pairs", "val"), ("pairs", "train"), ("pairs", "elsewhere")]
)
def test_toytown_is_rendered_ahead_where_its_snippets_are_looked_for(tmp_path, monkeypatch, job, split):
    from dffkit.datasets.toytown import recordings

    tiny = STILLS if job == "stills" else recipe(length=12, first_label=9)
    monkeypatch.setattr(recordings, "record", lambda *words: {"frames": torch.zeros(1, 3, 2, 2, dtype=torch.uint8)})
    monkeypatch.setattr(recordings, "ProcessPoolExecutor", lambda *words: contextlib.nullcontext(builtins))
    sources.prepare(tiny, split, 2, tmp_path, progress=False)
    files = {path.relative_to(tmp_path): path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(files) == 2
    for snippet in sources.snippets(tiny, split, 2, tmp_path):
        assert snippet.frames[0].shape == (3, 2, 2)
    assert {path.relative_to(tmp_path): path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == files


def test_only_training_streets_are_as_long_and_labelled_as_the_recipe_says():
    tiny = recipe(length=12, first_label=9)
    (train,), (val,) = (sources.snippets(tiny, split, 1) for split in ("train", "val"))
    assert (len(train.frames), list(train.targets)) == (12, [9, 10, 11])
    assert (len(val.frames), list(val.targets)) == (30, [9, 19, 29])


def test_another_data_set_is_named():
    with pytest.raises(ValueError, match=r"data: expected one of .*toytown.*, got 'kitti'"):
        sources.snippets(recipe(data="kitti"), "val")


def test_worlds_are_named_by_what_is_trained_on():
    from dffkit.datasets import sprites, toytown

    assert sources.data_version(FLOW) == sprites.data_version()
    assert sources.data_version(STILLS) == toytown.data_version()
    for task in (SEGMENTATION, DETECTION):
        assert sources.data_version(recipe(task=task)) == toytown.data_version(toytown.WORLDS[task[0]])
        assert sources.data_version(recipe(task=task), "test") == sources.data_version(recipe(task=task))
        elsewhere, _ = toytown.ELSEWHERE[task[0]]
        assert sources.data_version(recipe(task=task), "elsewhere") == toytown.data_version(elsewhere)
