"""own_data.py: from a function to scores, and the errors for data sets that can't be used."""

import textwrap

import pytest
from places import REPOSITORY
from small_runs import picture, small, trained_and_scored

from dffkit.datasets.snippets import Snippet
from dffkit.experiments import queue, results, scoring, sources
from dffkit.experiments.runs import Run
from dffkit.support.errors import DataError
from dffkit.training.assembly import build

YOURS = """
import torch
from dffkit import Snippet

def dataset(split):
    frames = [torch.randint(0, 256, (3, 64, 128), dtype=torch.uint8) for _ in range(12)]
    labels = {i: (frames[i][0] > 127).byte() for i in (9, 11)}
    return [Snippet(f"{split}-{number}", 30.0, frames, labels) for number in range(2)]

dataset.names = ("dark", "bright")

def wrong(split):
    return {"frames": []}

def short(split):
    return [Snippet(s.name, s.fps, s.frames[:4], {3: s.targets[9]}) for s in dataset(split)]

def uneven(split):
    four = [Snippet(f"{split}-short-{i}", 30.0, *other) for i, other in enumerate(
        [(s.frames, s.targets) for s in short(split)] * 2
    )]
    return four + (dataset(split) if split == "val" else [])

def unlabelled(split):
    return [Snippet(s.name, s.fps, s.frames, {}) for s in dataset(split)]
"""


@pytest.fixture
def yours(tmp_path, monkeypatch):
    (tmp_path / "my_clips.py").write_text(textwrap.dedent(YOURS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_data_set_of_ones_own_trains_and_is_scored(bare_workspace, yours):
    recipe = small("toytown/segmentation/dff", data="my_clips:dataset", name="mine/dff", heads=(
        ("segmentation", (("num_classes", 2),)),
    ))  # fmt: skip
    assert sources.names(recipe) == ("dark", "bright")
    assert isinstance(sources.snippets(recipe, "train")[0], Snippet)
    assert {("mIoU", 1), ("mIoU", 2)} <= trained_and_scored(recipe, bare_workspace)
    rows = results.read(bare_workspace.results / "evaluation.csv")
    assert {row.measurement.data_version for row in rows} == {sources.data_version(recipe, "val")}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("no_such_module:dataset", "no_such_module:dataset: can't be imported: No module named 'no_such_module'"),
        ("my_clips:nothing", "my_clips:nothing: can't be imported: .*has no attribute 'nothing'"),
        ("my_clips:wrong", "my_clips:wrong: expected a list of dffkit.Snippet for 'train', got dict"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_named(yours, data, message):
    with pytest.raises(DataError, match=message):
        sources.snippets(small("toytown/segmentation/frame", data=data), "train")


def test_the_data_version_changes_with_the_data_set(yours, monkeypatch):
    whole, short = (small("toytown/segmentation/dff", data=f"my_clips:{name}") for name in ("dataset", "short"))
    assert sources.data_version(whole) == sources.data_version(whole)
    before = sources.data_version(short)
    import my_clips

    monkeypatch.setattr(my_clips, "short", lambda split: my_clips.dataset(split)[:1])
    assert sources.data_version(short) != before


def test_boxes_without_names_count_from_one(yours):
    names = sources.names(small("toytown/detection/dff", data="my_clips:short"))
    assert names[:2] == ("1", "2")
    assert sources.names(small("toytown/segmentation/dff", data="my_clips:short"))[0] == "0"


def test_short_clips_limit_the_longest_duration(bare_workspace, yours):
    def longest(data):
        recipe = small("toytown/segmentation/dff", data=data)
        return sources.longest_duration(recipe, sources.snippets(recipe, "val"))

    assert longest("my_clips:dataset") == 10
    assert longest("my_clips:short") == 4
    recipe = small("toytown/segmentation/dff", data="my_clips:unlabelled")
    nothing = "expected an annotated frame with 0 frames before it, got none in 2 snippets of my_clips:unlabelled; give"
    with pytest.raises(DataError, match=nothing):
        scoring.score(Run(recipe), build(recipe), bare_workspace, split="val")


def test_the_longest_duration_depends_on_the_scored_clips_alone(bare_workspace, yours):
    """Validation scores the first four, and the clips of one split may be shorter than another's."""
    recipe = small("toytown/segmentation/dff", data="my_clips:uneven", name="mine/dff", heads=(
        ("segmentation", (("num_classes", 2),)),
    ))  # fmt: skip
    assert ("mIoU", 10) in trained_and_scored(recipe, bare_workspace, duration=None)
    rows = queue.evaluate_run(Run(recipe), bare_workspace, split="test")
    assert max(row.duration for row in rows if row.metric == "mIoU") == 4
    message = "mine/dff: at key frame duration 8, expected an annotated frame with 7 frames before it, got none in 4"
    with pytest.raises(DataError, match=message):
        queue.evaluate_run(Run(recipe), bare_workspace, split="test", duration=8)


def test_the_readmes_own_data_set_trains(bare_workspace, tmp_path, monkeypatch):
    readme = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    code = readme.partition("# my_clips.py\n")[2].partition("```")[0]
    (tmp_path / "readme_clips.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for split in ("train", "val"):
        for i in range(11):
            picture(tmp_path / "clips" / split / "a" / f"{i:02}.jpg", (64, 128))
        picture(tmp_path / "clips" / split / "a" / "10.png", (64, 128), 3, "L")
    recipe = small("toytown/segmentation/dff", data="readme_clips:dataset", name="mine/dff", heads=(
        ("segmentation", (("num_classes", 3),)),
    ))  # fmt: skip
    (snippet,) = sources.snippets(recipe, "train")
    assert (len(snippet.frames), list(snippet.targets)) == (11, [10])
    assert {("mIoU", 1), ("mIoU", 2)} <= trained_and_scored(recipe, bare_workspace)
