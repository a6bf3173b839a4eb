"""sources.py: from small data sets in their official layouts to scores, errors for missing data, rendered worlds."""

import dataclasses

import city_tree
import numpy as np
import pytest
import torch
import vid_tree
from hand_made import DETECTION, FLOW, SEGMENTATION, STILLS, recipe
from PIL import Image
from small_runs import picture, small, trained_and_scored

from dffkit.experiments import queue, sources
from dffkit.experiments.runs import Run
from dffkit.support.errors import DataError
from dffkit.support.files import data_folder
from dffkit.training import jobs
from dffkit.training.pairs import MixedPairs, Mixture
from dffkit.training.recipes import REAL, find


def write_camvid(folder):
    for number in range(70):
        picture(folder / "train" / f"s_{number:03}.png", (120, 160))
        picture(folder / "trainannot" / f"s_{number:03}.png", (120, 160), 12, "L")
    for number in range(1, 24, 2):
        picture(folder / "val" / f"clip_{number:03}.png", (120, 160))
        picture(folder / "valannot" / f"clip_{number:03}.png", (120, 160), 12, "L")


@pytest.mark.parametrize("name", ["camvid/frame", "camvid/dff"])
def test_camvid_trains_on_moving_stills_and_is_scored_on_its_clip(bare_workspace, name):
    write_camvid(data_folder() / "camvid")
    recipe = small(name, size=(96, 128), batch=2)
    train = sources.snippets(recipe, "train")
    assert len(train) == 3 * 64
    assert train[0].frames[0].shape == (3, 96, 128)
    (clip,) = sources.snippets(recipe, "test")
    assert (len(clip.frames), clip.frames[0].shape) == (12, (3, 120, 160))
    assert len(sources.snippets(recipe, "val", 4)) == 4
    found = trained_and_scored(recipe, bare_workspace, "test")
    assert {("mIoU", 1), ("mIoU", 2)} <= found


def test_cityscapes_trains_and_is_scored_at_the_papers_size_but_smaller(bare_workspace, monkeypatch):
    monkeypatch.setitem(sources.SIDES, "cityscapes", (32, 2048))
    root = data_folder() / "cityscapes"
    for split in ("train", "val"):
        city_tree.write_snippet(root, split=split, labels=range(7, 15))
    recipe = small("paper/cityscapes/dff")
    (snippet,) = sources.snippets(recipe, "train")
    assert snippet.frames[0].shape == (3, 32, 64)
    assert snippet.targets[19].shape == (32, 64)
    assert {("mIoU", 1), ("mIoU", 2)} <= trained_and_scored(recipe, bare_workspace)


@pytest.fixture
def vid(bare_workspace):
    """ImageNet VID and DET, in small, with the authors' lists."""
    root = data_folder() / "ILSVRC2015"
    vid_tree.write_video(root)
    vid_tree.write_video(root, vid_tree.VAL, length=21)
    vid_tree.write_still(root, vid_tree.STILL, vid_tree.thing(track=None))
    lists = root / "ImageSets"
    frames = "".join(f"{vid_tree.TRAIN} 1 {i} 12\n" for i in (3, 11))
    vid_tree.write_text(lists / sources.VID_LISTS["vid"], frames)
    vid_tree.write_text(lists / sources.VID_LISTS["det"], f"{vid_tree.STILL} 1\n")
    vid_tree.write_text(lists / sources.VID_LISTS["val"], f"{vid_tree.VAL} 1 0 21\n")
    return root


def test_imagenet_vid_trains_on_videos_and_stills_two_to_one(bare_workspace, vid, monkeypatch):
    monkeypatch.setitem(sources.SIDES, "imagenet_vid", (64, 1000))
    recipe = small("paper/imagenet-vid/dff", iterations=3)
    train = sources.snippets(recipe, "train")
    assert isinstance(train, Mixture)
    job = jobs.make_job(recipe, 0, train)
    assert isinstance(job.pairs, MixedPairs)
    assert [len(train[job.pairs.sample(number).snippet].frames) for number in range(6)] == [12, 12, 1] * 2
    (video,) = sources.snippets(recipe, "val")
    assert video.frames[0].shape == (3, 64, 128)
    assert video.targets[3]["boxes"][0].tolist() == [12, 10, 32, 30]  # twice as large
    assert {("mAP", 1), ("mAP", 2)} <= trained_and_scored(recipe, bare_workspace)


@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
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
def test_missing_data_is_named_with_a_remedy(bare_workspace, name, remedy):
    with pytest.raises(DataError, match=rf"{data_folder()}/\w+: no such folder; .*{remedy}"):
        queue.train_run(Run(dataclasses.replace(find(name), start=(), weights="")), bare_workspace)


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


def test_flownet_trains_on_chairs_and_is_scored_on_others(bare_workspace):
    write_chairs(data_folder() / "flying_chairs")
    recipe = small("paper/flow", flow_width=1 / 16)
    job = jobs.make_job(recipe, 0, sources.snippets(recipe, "train"))
    assert job.batch(range(3)).flow[:, 0].unique().tolist() == [1.0]
    queue.train_run(Run(recipe), bare_workspace)
    rows = queue.evaluate_run(Run(recipe), bare_workspace)
    assert {(row.subset, row.frames) for row in rows} == {(f"flying chairs {of}", 2) for of in ("all", "visible")}
    values = {row.metric: row.value for row in rows if row.subset == "flying chairs all"}
    assert set(values) == {"EPE", "EPE of no flow", "EPE of DIS"}
    assert values["EPE of no flow"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("job", "split"), [("stills", "stills"), ("pairs", "val"), ("pairs", "train"), ("pairs", "elsewhere")]
)
def test_toytown_is_rendered_in_advance_where_its_snippets_are_read(tmp_path, monkeypatch, job, split):
    from dffkit.datasets.toytown import recordings

    tiny = STILLS if job == "stills" else recipe(length=12, first_label=9)
    monkeypatch.setattr(recordings, "record", lambda *words: {"frames": torch.zeros(1, 3, 2, 2, dtype=torch.uint8)})
    monkeypatch.setattr(recordings, "in_processes", map)
    sources.snippets(tiny, split, 2, tmp_path)
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


def test_the_data_version_is_that_of_the_world_trained_on():
    from dffkit.datasets import sprites, toytown

    assert sources.data_version(FLOW) == sprites.data_version()
    handheld = dataclasses.replace(FLOW, data="handheld")
    assert sources.data_version(handheld) == sprites.data_version(sprites.WORLDS["handheld"])
    assert sources.data_version(STILLS) == toytown.data_version()
    for task in (SEGMENTATION, DETECTION):
        assert sources.data_version(recipe(task=task)) == toytown.data_version(toytown.WORLDS[task[0]])
        assert sources.data_version(recipe(task=task), "test") == sources.data_version(recipe(task=task))
        elsewhere, _ = toytown.ELSEWHERE[task[0]]
        assert sources.data_version(recipe(task=task), "elsewhere") == toytown.data_version(elsewhere)


def test_handheld_stills_are_scored_on_stills_that_no_network_was_trained_on():
    stills = dataclasses.replace(find("handheld/stills"), streets=2)
    trained, scored = (sources.snippets(stills, split, 2) for split in ("stills", "val"))
    assert [each.name for each in trained] == ["stills-0000-30fps-1", "stills-0001-30fps-1"]
    assert [each.name for each in scored] == ["stills-100000-30fps-1", "stills-100001-30fps-1"]
    assert all(list(each.targets) == [0] for each in (*trained, *scored))


def test_handheld_training_mixes_films_and_stills_two_to_one():
    recipe = dataclasses.replace(find("handheld/dff"), streets=2)
    mixture = sources.snippets(recipe, "train")
    assert [(len(part), share) for part, share in mixture.parts] == [(2, 2), (6, 1)]
    assert [list(each.targets) for each in mixture] == [[9], [9], *[[0]] * 6]
    assert [list(each.targets) for each in sources.snippets(recipe, "val", 1)] == [[19]]


def test_films_for_aggregation_go_on_after_the_labelled_frame_and_are_else_the_same():
    fgfa, dff = (dataclasses.replace(find(f"handheld/{name}"), streets=1) for name in ("fgfa", "dff"))
    for split, label, length in (("train", 9, 19), ("val", 19, 32)):
        longer, film = sources.snippets(fgfa, split, 1)[0], sources.snippets(dff, split, 1)[0]
        assert len(longer.frames) == length
        assert list(longer.targets) == [label]
        assert torch.equal(longer.frames[label], film.frames[label])
        assert torch.equal(longer.targets[label]["boxes"], film.targets[label]["boxes"])
        assert torch.equal(longer.motion[label], film.motion[label])
    assert fgfa.first_label == fgfa.max_offset == fgfa.length - 1 - fgfa.first_label
