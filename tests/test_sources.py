"""sources/ and the recipes on real video: from official layouts, which the tests write in small, to scores."""

import dataclasses
import textwrap
from pathlib import Path

import city_tree
import hand_made
import numpy as np
import pytest
import torch
import vid_tree
from PIL import Image
from torchvision import models

from dffkit import sources
from dffkit.datasets.snippets import Snippet
from dffkit.errors import DataError
from dffkit.experiments import results, runs, scoring
from dffkit.experiments.place import Place
from dffkit.experiments.runs import Run
from dffkit.recipes import RECIPES, find
from dffkit.recipes.assembly import build, load_part, published
from dffkit.recipes.real import REAL, on_own_data, with_imagenet
from dffkit.recipes.recipe import Recipe
from dffkit.repository import CommandError, data_folder
from dffkit.sources import cityscapes, imagenet_vid
from dffkit.training import jobs
from dffkit.training.mixed_pairs import MixedPairs, Mixture

REPOSITORY = Path(__file__).resolve().parent.parent
SMALL = {"depth": 14, "width": 1 / 16, "iterations": 2, "batch": 1, "start": (), "weights": ""}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A place of its own, and a data folder that is empty."""
    monkeypatch.setenv("DFFKIT_DATA", str(tmp_path / "real"))
    return Place(tmp_path / "runs", tmp_path / "results", tmp_path / "cache", progress=False)


def small(recipe, **changes):
    """A recipe, by its name, that is trained in a moment, and else as it is."""
    recipe = find(recipe)
    flow = {"flow_width": 1 / 16} if recipe.flow_width else {}
    return dataclasses.replace(recipe, **{**SMALL, **flow, **changes})


def trained_and_scored(recipe, place, split="val", duration=2):
    """The metrics that a run of a few iterations gives."""
    runs.train_run(Run(recipe), place)
    rows = runs.evaluate_run(Run(recipe), place, split=split, duration=duration)
    assert (place.results / "evaluation.csv").exists()
    return {(row["metric"], row["duration"]) for row in rows if row["subset"] == "all"}


def picture(path, size, high=256, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (*size, 3) if mode == "RGB" else size
    Image.fromarray(np.random.default_rng(0).integers(0, high, shape, dtype=np.uint8)).save(path)


def write_camvid(folder):
    for number in range(70):
        picture(folder / "train" / f"s_{number:03}.png", (120, 160))
        picture(folder / "trainannot" / f"s_{number:03}.png", (120, 160), 12, "L")
    for number in range(1, 24, 2):
        picture(folder / "val" / f"clip_{number:03}.png", (120, 160))
        picture(folder / "valannot" / f"clip_{number:03}.png", (120, 160), 12, "L")


@pytest.mark.parametrize("name", ["camvid/frame", "camvid/dff"])
def test_camvid_trains_on_moving_stills_and_is_scored_on_its_clip(place, name):
    write_camvid(data_folder() / "camvid")
    recipe = small(name, size=(96, 128), batch=2)
    train = sources.snippets(recipe, "train")
    assert len(train) == 3 * 64
    assert train[0].frames[0].shape == (3, 96, 128)
    (clip,) = sources.snippets(recipe, "test")
    assert (len(clip.frames), clip.frames[0].shape) == (12, (3, 120, 160))
    assert len(sources.snippets(recipe, "val", 4)) == 4
    found = trained_and_scored(recipe, place, "test")
    assert {("mIoU", 1), ("mIoU", 2)} <= found


def test_cityscapes_trains_and_is_scored_at_the_papers_size_but_smaller(place, monkeypatch):
    monkeypatch.setattr(cityscapes, "SHORT", 32)
    root = data_folder() / "cityscapes"
    for split in ("train", "val"):
        city_tree.write_snippet(root, split=split)
    recipe = small("paper/cityscapes/dff")
    (snippet,) = sources.snippets(recipe, "train")
    assert snippet.frames[0].shape == (3, 32, 64)
    assert snippet.targets[19].shape == (32, 64)
    assert {("mIoU", 1), ("mIoU", 2)} <= trained_and_scored(recipe, place)


@pytest.fixture
def vid(place):
    """ImageNet VID and DET, in small, with the authors' lists."""
    root = data_folder() / "ILSVRC2015"
    vid_tree.write_video(root)
    vid_tree.write_video(root, vid_tree.VAL, length=21)
    vid_tree.write_still(root, vid_tree.STILL, vid_tree.thing(track=None))
    lists = root / "ImageSets"
    frames = "".join(f"{vid_tree.TRAIN} 1 {i} 12\n" for i in (3, 11))
    vid_tree.write_text(lists / imagenet_vid.LISTS["vid"], frames)
    vid_tree.write_text(lists / imagenet_vid.LISTS["det"], f"{vid_tree.STILL} 1\n")
    vid_tree.write_text(lists / imagenet_vid.LISTS["val"], f"{vid_tree.VAL} 1 0 21\n")
    return root


def test_imagenet_vid_trains_on_videos_and_stills_two_to_one(place, vid, monkeypatch):
    monkeypatch.setattr(imagenet_vid, "SHORT", 64)
    recipe = small("paper/imagenet-vid/dff", iterations=3)
    train = sources.snippets(recipe, "train")
    assert isinstance(train, Mixture)
    job = jobs.make_job(recipe, 0, train)
    assert isinstance(job.pairs, MixedPairs)
    assert [len(train[job.pairs.sample(number).snippet].frames) for number in range(6)] == [12, 12, 1] * 2
    (video,) = sources.snippets(recipe, "val")
    assert video.frames[0].shape == (3, 64, 128)
    assert video.targets[3]["boxes"][0].tolist() == [12, 10, 32, 30]  # twice as large
    assert {("mAP", 1), ("mAP", 2)} <= trained_and_scored(recipe, place)


@pytest.mark.filterwarnings("ignore::dffkit.datasets.left_out.LeftOut")
def test_pets_are_seen_enlarged_in_windows(real_data, monkeypatch):
    monkeypatch.setenv("DFFKIT_DATA", str(real_data("pets09").parent))
    recipe = REAL["pets09/dff"]
    train = sources.snippets(recipe, "train")
    assert (len(train), train[0].frames[0].shape) == (100, (3, *recipe.size))
    (test,) = sources.snippets(recipe, "test")
    assert (len(test.frames), test.frames[0].shape) == (100, (3, 720, 960))
    heights = torch.cat([test.targets[i]["boxes"] for i in range(0, 100, 10)])
    assert 80 < (heights[:, 3] - heights[:, 1]).median() < 130


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("camvid/dff", "python -m dffkit fetch camvid"),
        ("pets09/frame", "python -m dffkit fetch pets09"),
        ("paper/flow", "python -m dffkit fetch flying_chairs"),
        ("paper/cityscapes/dff", "put the data set there"),
        ("paper/imagenet-vid/dff", "put the data set there"),
    ],
)
def test_data_that_is_not_there_is_named(place, name, remedy):
    with pytest.raises(DataError, match=rf"{data_folder()}/\w+: no such folder; .*{remedy}"):
        runs.train_run(Run(dataclasses.replace(find(name), start=(), weights="")), place)


def write_chairs(folder):
    """Four pairs that move one pixel to the right, of which the last two choose."""
    for number in range(1, 5):
        picture(folder / f"{number:05}_img1.ppm", (64, 96))
        with Image.open(folder / f"{number:05}_img1.ppm") as image:
            Image.fromarray(np.roll(np.array(image), 1, 1)).save(folder / f"{number:05}_img2.ppm")
        flow = np.broadcast_to(np.array([1, 0], "<f4"), (64, 96, 2))
        header = b"PIEH" + np.array([96, 64], "<i4").tobytes()
        (folder / f"{number:05}_flow.flo").write_bytes(header + flow.tobytes())
    (folder / "FlyingChairs_train_val.txt").write_text("1\n1\n2\n2\n")


def test_flownet_trains_on_chairs_and_is_judged_on_others(place):
    write_chairs(data_folder() / "flying_chairs")
    recipe = small("paper/flow", flow_width=1 / 16)
    job = jobs.make_job(recipe, 0, sources.snippets(recipe, "train"))
    assert job.batch(range(3)).flow[:, 0].unique().tolist() == [1.0]
    runs.train_run(Run(recipe), place)
    rows = runs.evaluate_run(Run(recipe), place)
    assert {(row["subset"], row["frames"]) for row in rows} == {(f"flying chairs {of}", 2) for of in ("all", "visible")}
    values = {row["metric"]: row["value"] for row in rows if row["subset"] == "flying chairs all"}
    assert set(values) == {"EPE", "EPE of no flow", "EPE of DIS"}
    assert values["EPE of no flow"] == pytest.approx(1)


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

def unlabelled(split):
    return [Snippet(s.name, s.fps, s.frames, {}) for s in dataset(split)]
"""


@pytest.fixture
def yours(tmp_path, monkeypatch):
    (tmp_path / "my_clips.py").write_text(textwrap.dedent(YOURS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_data_set_of_ones_own_trains_and_is_scored(place, yours):
    recipe = small("toytown/segmentation/dff", data="my_clips:dataset", name="mine/dff", heads=(
        ("segmentation", (("num_classes", 2),)),
    ))  # fmt: skip
    assert sources.names(recipe) == ("dark", "bright")
    assert isinstance(sources.snippets(recipe, "train")[0], Snippet)
    assert {("mIoU", 1), ("mIoU", 2)} <= trained_and_scored(recipe, place)
    assert {row["world"] for row in results.read(place.results / "evaluation.csv")} == {sources.world(recipe, "val")}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("no_such_module:dataset", "no_such_module:dataset: can't be imported: No module named 'no_such_module'"),
        ("my_clips:nothing", "my_clips:nothing: can't be imported: .*has no attribute 'nothing'"),
        ("my_clips:wrong", "my_clips:wrong: expected a list of dffkit.Snippet for 'train', got dict"),
    ],
)
def test_a_data_set_that_can_not_be_used_is_named(yours, data, message):
    with pytest.raises(DataError, match=message):
        sources.snippets(small("toytown/segmentation/frame", data=data), "train")


def test_a_data_set_of_ones_own_that_has_changed_is_another_world(yours, monkeypatch):
    whole, short = (small("toytown/segmentation/dff", data=f"my_clips:{name}") for name in ("dataset", "short"))
    assert sources.world(whole) == sources.world(whole)
    before = sources.world(short)
    import my_clips

    monkeypatch.setattr(my_clips, "short", lambda split: my_clips.dataset(split)[:1])
    assert sources.world(short) != before


def test_boxes_without_names_count_from_one(yours):
    names = sources.names(small("toytown/detection/dff", data="my_clips:short"))
    assert names[:2] == ("1", "2")
    assert sources.names(small("toytown/segmentation/dff", data="my_clips:short"))[0] == "0"


def test_short_clips_of_ones_own_are_scored_as_far_as_they_go(yours):
    assert sources.longest(small("toytown/segmentation/dff", data="my_clips:dataset")) == 10
    assert sources.longest(small("toytown/segmentation/dff", data="my_clips:short")) == 4
    with pytest.raises(DataError, match="my_clips:unlabelled: expected targets in 'val', got none"):
        sources.longest(small("toytown/segmentation/dff", data="my_clips:unlabelled"))


def test_the_recipes_on_real_video_are_whole():
    assert not REAL.keys() & RECIPES.keys()
    for name, recipe in REAL.items():
        assert find(name) == recipe
        assert recipe.data in sources.SOURCES
        assert Recipe(**dataclasses.asdict(recipe)).hash == recipe.hash
        for _, needed in recipe.start:
            assert find(needed.name) == needed
    for data in ("camvid", "pets09"):
        longer, dff = (dataclasses.asdict(REAL[f"{data}/{name}"]) for name in ("frame-longer", "dff"))
        differing = {field for field in longer if longer[field] != dff[field]}
        assert differing == {"name", "job", "start", "flow", "flow_width", "lr_factors"}
        assert longer["start"] == dff["start"][:2]


def test_imagenet_weights_start_the_feature_network_or_the_reader_is_told_how(place, monkeypatch):
    asked = []

    def published(recipe, seed):
        asked.append(seed)
        raise OSError("no route to host")

    monkeypatch.setattr(runs, "published", published)
    with pytest.raises(CommandError, match=r"ImageNet weights, which can't be reached: no route to host.\s.*by hand"):
        runs.train_run(Run(dataclasses.replace(find("paper/cityscapes/frame"), start=()), 3), place)
    assert asked == [3]


def test_a_fresh_start_takes_the_imagenet_weights_again(place, monkeypatch):
    asked = []
    network = {"weights": "imagenet", "layout": "torchvision"}
    recipe = dataclasses.replace(hand_made.recipe(iterations=1), name="mine/frame", **network)
    start = build(recipe).state_dict()
    monkeypatch.setattr(runs, "published", lambda recipe, seed: asked.append(seed) or start)
    monkeypatch.setattr(runs, "data", lambda recipe, place, split: hand_made.snippets())
    monkeypatch.setattr(scoring, "validation", lambda recipe, place: None)
    for resume in (True, True, False):
        runs.train_run(Run(recipe, 5), place, resume=resume)
    assert asked == [5, 5]  # not when the run is finished already


@pytest.mark.parametrize("name", ["camvid/frame", "pets09/dff"])
def test_the_recipes_on_real_video_can_start_from_imagenet(name, monkeypatch):
    donor = models.resnet101(weights=None).state_dict()
    monkeypatch.setattr(models.ResNet101_Weights, "get_state_dict", lambda self, **options: dict(donor))
    recipe = with_imagenet(find(name))
    frame = recipe if name.endswith("frame") else dict(recipe.start)["feature_network"]
    assert (frame.weights, frame.start) == ("imagenet", ())
    model = build(recipe)
    start = published(frame)
    load_part(model, "feature_network", start)
    assert torch.equal(model.feature_network.state_dict()["conv1.weight"], donor["conv1.weight"])


def test_what_begins_with_frames_n_begins_with_frame_on_the_same_imagenet_weights_and_data():
    recipe = with_imagenet(find("camvid/dff"))
    starts = dict(recipe.start)
    assert recipe.weights == "", "it begins with a network that was trained"
    assert starts["feature_network"] == starts["task_network"] == with_imagenet(find("camvid/frame"))
    assert starts["flow_network"] == find("toytown/flow")
    own = on_own_data(find("camvid/dff"), "my_clips:dataset", 3)
    (frame,) = {other for part, other in own.start if part != "flow_network"}
    for each in (own, frame):
        assert each.data == "my_clips:dataset"
        assert dict(each.heads[0][1])["num_classes"] == 3
    assert (own.name, frame.name) == ("my_clips.dataset/dff", "my_clips.dataset/frame")
    assert on_own_data(find("camvid/dff"), None, None) == find("camvid/dff")


def test_the_readmes_own_data_set_trains(place, tmp_path, monkeypatch):
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
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
    assert {("mIoU", 1), ("mIoU", 2)} <= trained_and_scored(recipe, place)
