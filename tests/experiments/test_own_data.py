"""own_data.py: from a function to scores, and the errors for data sets that can't be used."""

import textwrap

import numpy
import pytest
import torch
from PIL import Image
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

def generated(split):
    yield from dataset(split)

def broken_generator(split):
    yield None
    raise RuntimeError("no disk")

def forgotten(split):
    dataset(split)

def broken(split):
    return open("no_such_file")

def twice(split):
    return dataset(split)[:1] * 2

def beyond(split):
    return [Snippet(s.name, s.fps, s.frames, {12: s.targets[9]}) for s in dataset(split)]

def listed(split):
    return [Snippet(s.name, s.fps, s.frames, [s.targets[9]]) for s in dataset(split)]

def empty(split):
    return []

def string(split):
    return []
string.names = "dark bright"

def same(split):
    return []
same.names = ["dark", "dark"]

def lazy(split):
    class Broken(dict):
        def __getitem__(self, i):
            raise OSError("label map is gone")
    return [Snippet("a", 30.0, [f.float() / 255 for f in dataset(split)[0].frames], Broken({9: None}))]

def unlabelled(split):
    return [Snippet(s.name, s.fps, s.frames, {}) for s in dataset(split)]
"""


@pytest.fixture
def yours(tmp_path, monkeypatch):
    (tmp_path / "my_clips.py").write_text(textwrap.dedent(YOURS))
    (tmp_path / "bad_import.py").write_text("import torch\nimport no_such_package\n")
    (tmp_path / "bad_syntax.py").write_text("import torch\n\nnames = (1,\n")
    (tmp_path / "exits.py").write_text("raise SystemExit(2)\n")
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
        ("my_clips:nothing", "my_clips:nothing: can't be imported: my_clips has no function 'nothing'"),
        ("my_clips:wrong", "my_clips:wrong: 'train': expected a list of dffkit.Snippet, got dict of str"),
        ("my_clips:forgotten", "'train': expected a list of dffkit.Snippet, got NoneType"),
        ("my_clips:broken_generator", r"'train': RuntimeError: no disk \(my_clips.py, line 29\)"),
        ("my_clips:broken", r"'train': FileNotFoundError: .*'no_such_file' \(my_clips.py, line 35\)"),
        ("my_clips:twice", "'train': expected snippets with names that differ, got one name twice"),
        ("my_clips:beyond", r"train-0: targets: expected frame numbers in 0\.\.11, got 12"),
        ("my_clips:listed", "train-0: expected a list of frames, and a dict of frame number -> target, got list"),
        ("my_clips:empty", "'train': expected an annotated frame, got none in 0 snippets"),
        ("my_clips:string", r"names: expected a list of strings that differ, as .*, got 'dark bright'"),
        ("my_clips:same", r"names: expected a list of strings that differ, as .*, got \['dark', 'dark'\]"),
        ("my_clips.py:dataset", r"No module named 'my_clips.py'; .*; give \"module:function\" with a module"),
        ("clips/my_clips.py:dataset", r"No module named 'clips/my_clips'; give \"module:function\" with a module"),
        ("bad_import:dataset", r"ModuleNotFoundError: No module named 'no_such_package' \(bad_import.py, line 2\)"),
        ("bad_syntax:dataset", r"SyntaxError: .* \(bad_syntax.py, line 3\)"),
        ("exits:dataset", r"exits:dataset: can't be imported: SystemExit: 2 \(exits.py, line 1\)"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_named(yours, data, message):
    with pytest.raises(DataError, match=message):
        sources.snippets(small("toytown/segmentation/frame", data=data), "train")


def test_a_generator_is_a_data_set(yours):
    recipe = small("toytown/segmentation/dff", data="my_clips:generated")
    assert [snippet.name for snippet in sources.snippets(recipe, "val")] == ["val-0", "val-1"]


def test_a_data_set_without_exact_flow_is_refused_for_the_recipe_that_needs_it(yours):
    recipe = small("toytown/segmentation/exact-flow", data="my_clips:dataset")
    with pytest.raises(DataError, match="train-0: has no exact flow, which toytown/segmentation/exact-flow needs"):
        sources.snippets(recipe, "train")


def test_errors_in_frames_and_targets_name_their_place(yours):
    (snippet,) = sources.snippets(small("toytown/segmentation/dff", data="my_clips:lazy"), "val")
    with pytest.raises(DataError, match=r"my_clips:lazy: a, frame 3: .*got torch.float32; values in 0..1"):
        snippet.frames[3]
    with pytest.raises(DataError, match=r"a, target of frame 9: OSError: label map is gone \(my_clips.py, line 60\)"):
        snippet.targets[9]


PIXELS = numpy.random.default_rng(0).integers(0, 256, (6, 7, 3), dtype=numpy.uint8)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (Image.fromarray(PIXELS), r"got Image; an RGB image or array .* becomes one by torch.from_numpy\(numpy.array"),
        (PIXELS, "got ndarray; an RGB image or array .* becomes one by torch.from_numpy"),
        (torch.from_numpy(PIXELS), r"got \(1, 6, 7, 3\); the channels come last"),
        (torch.from_numpy(PIXELS[..., 0]), r"got \(1, 6, 7\); a grayscale frame .* becomes RGB by frame.expand"),
        (torch.from_numpy(PIXELS / 255).permute(2, 0, 1), r"got torch.float64; values in 0..1: \(frames \* 255\)"),
        (torch.from_numpy(PIXELS).permute(2, 0, 1).long(), "got torch.int64$"),
        (torch.zeros(4, 6, 7, dtype=torch.uint8), r"expected RGB frames .* got \(1, 4, 6, 7\)$"),
    ],
)
def test_a_wrong_frame_is_refused_with_its_remedy(yours, monkeypatch, frame, message):
    import my_clips

    monkeypatch.setattr(my_clips, "same", lambda split: [Snippet("a", 30.0, [frame], {})], raising=False)
    (snippet,) = sources.snippets(small("toytown/segmentation/dff", data="my_clips:same"), "val")
    with pytest.raises(DataError, match=f"my_clips:same: a, frame 0: ValueError: .*{message}"):
        snippet.frames[0]


def test_an_empty_val_leaves_out_the_scores_in_training(bare_workspace, yours, capsys):
    recipe = small("toytown/segmentation/dff", data="my_clips:unlabelled")
    assert scoring.validation(Run(recipe), bare_workspace) is None
    assert "'val' has no annotated frame in its first snippets: no scores in training" in capsys.readouterr().err


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


@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
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
