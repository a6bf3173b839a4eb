"""Toytown as a data set: snippets, their targets and motion, in memory and on disk."""

import dataclasses

import pytest
import torch

from dffkit.datasets import toytown
from dffkit.datasets.snippets import MOTION_CLASSES, NO_MOTION, motion_class, motion_iou
from dffkit.datasets.toytown import FPS, Film, Recording, World, recordings

SMALL = World(size=(64, 128), min_side=8)


def snippet(task: str, **options):
    return toytown.snippets("val", task, [4], world=SMALL, length=12, annotated=(2, 11), **options)[0]


def test_a_snippet_holds_the_frames_and_labels_of_its_film():
    segmentation, detection, both = (snippet(task, fps=17.0) for task in ("segmentation", "detection", "both"))
    film = Film("val", 4, 17.0, SMALL)
    assert len(segmentation.frames) == 12
    assert list(segmentation.targets) == [2, 11]
    for i in (0, 11):
        assert torch.equal(segmentation.frames[i], film.frame(i))
    assert torch.equal(segmentation.targets[11], film.labels(11))
    boxes = film.boxes(11)
    for name in ("boxes", "labels", "tracks", "visible"):
        assert torch.equal(detection.targets[11][name], boxes[name])
    labels, same = both.targets[11]
    assert torch.equal(labels, segmentation.targets[11])
    assert torch.equal(same["boxes"], boxes["boxes"])


def test_motion_is_computed_from_the_tracks():
    detection, segmentation = snippet("detection", fps=17.0), snippet("segmentation", fps=17.0)
    film = Film("val", 4, 17.0, SMALL)
    tracks = []
    for i in range(12):
        boxes = film.boxes(i)
        tracks.append(dict(zip(boxes["tracks"].tolist(), boxes["boxes"], strict=True)))
    expected = motion_iou(tracks, 11)
    found = dict(zip(detection.targets[11]["tracks"].tolist(), detection.motion[11].tolist(), strict=True))
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, nan_ok=True)
    pixels, labels, owners = segmentation.motion[11], segmentation.targets[11], film.owners(11)
    for track, value in expected.items():
        assert (pixels[owners == track] == motion_class(torch.tensor([value]))).all()
    numbers = [toytown.LABELS.index(name) for name in toytown.CLASSES]
    things = torch.isin(labels, torch.tensor(numbers, dtype=torch.uint8))
    assert (pixels[~things] == NO_MOTION).all()


def test_the_three_motion_classes_occur():
    """Each has over 15% of the boxes at the frame rate of detection."""
    motion = []
    for number in range(14):  # boxes alone, at half the size, take a tenth of the time
        world = dataclasses.replace(toytown.WORLDS["detection"], size=(96, 192), min_side=24)
        film = Film("val", number, FPS["detection"], world)
        boxes = [film.boxes(i) for i in range(0, 21, 2)]
        tracks = [dict(zip(b["tracks"].tolist(), b["boxes"], strict=True)) for b in boxes]
        motion += motion_iou(tracks, 5, reach=5).values()
    motion = torch.tensor(motion)
    shares = [(motion_class(motion) == k).float().mean() for k in range(len(MOTION_CLASSES))]
    assert len(motion) > 60
    assert min(shares) > 0.15, shares


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_each_task_has_its_own_world(task):
    snippet = toytown.snippets("val", task, [0], annotated=(1,), length=2)[0]
    film = Film("val", 0, FPS[task], toytown.WORLDS[task])
    assert torch.equal(snippet.frames[1], film.frame(1))
    assert len(set(map(toytown.data_version, toytown.WORLDS.values()))) == 2


def test_stored_snippets_equal_rendered_ones(tmp_path):
    fresh, stored = snippet("detection"), snippet("detection", folder=tmp_path)
    again = snippet("detection", folder=tmp_path)
    assert not list(tmp_path.rglob("*")), "rendered only when needed"
    assert torch.equal(stored.frames[0], fresh.frames[0])
    (file,) = tmp_path.rglob("*.safetensors")
    assert toytown.data_version(SMALL) in str(file), "each world has a folder of its own"
    for other in (stored, again):
        assert torch.equal(other.frames[7], fresh.frames[7])
        for name, value in fresh.targets[11].items():
            assert torch.equal(torch.nan_to_num(other.targets[11][name]), torch.nan_to_num(value))
    assert not list(tmp_path.rglob("*.part"))


def test_a_damaged_file_is_rendered_again(tmp_path):
    recording = Recording("val", 4, 17.0, 3, SMALL, tmp_path)
    good = recording["frames", 2].clone()
    content = recording.path.read_bytes()
    for damaged in (b"", content[:100], content[:-50]):
        recording.path.unlink()  # a new file: the old one is still mapped into memory
        recording.path.write_bytes(damaged)
        recordings._open.cache_clear()
        assert torch.equal(Recording("val", 4, 17.0, 3, SMALL, tmp_path)["frames", 2], good)
        assert recording.path.read_bytes() == content


@pytest.mark.parametrize(("stored", "wanted"), [(3, 5), (5, 3)])
def test_frames_that_a_film_of_another_length_has_are_not_rendered_again(tmp_path, monkeypatch, stored, wanted):
    whole, rendered = recordings.record("val", 4, 17.0, wanted, SMALL), []
    Recording("val", 4, 17.0, stored, SMALL, tmp_path).open()
    render = Film.frame
    monkeypatch.setattr(Film, "frame", lambda film, i: rendered.append(i) or render(film, i))
    found = Recording("val", 4, 17.0, wanted, SMALL, tmp_path).open()
    assert rendered == list(range(stored, wanted))
    for name, values in whole.items():
        torch.testing.assert_close(found.get_tensor(name), values, rtol=0, atol=0, equal_nan=True)


def test_all_streets_are_rendered_by_several_processes(tmp_path):
    toytown.render_all("val", 17.0, range(2), folder=tmp_path, length=2, world=SMALL, progress=False)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    toytown.render_all("val", 17.0, range(2), folder=tmp_path, length=2, world=SMALL, progress=False)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}


def test_each_split_has_its_annotated_frames():
    train = toytown.snippets("train", "segmentation", 1, world=SMALL)[0]
    val = toytown.snippets("val", "segmentation", 1, world=SMALL)[0]
    boxes = toytown.snippets("test", "detection", 1, world=SMALL)[0]
    stills = toytown.snippets("stills", "both", 1, world=SMALL)[0]
    assert list(train.targets) == list(range(30))
    assert min(val.targets) >= 9, "a full history for key frame duration 10"
    assert min(boxes.targets) >= 19, "and for 20"
    assert (train.fps, boxes.fps) == (17.0, 30.0)
    assert len(stills.frames) == len(stills.targets) == 6
    assert stills.fps < 1


@pytest.mark.parametrize("index", [12, -13])
def test_frames_beyond_the_end(index):
    with pytest.raises(IndexError, match=r"frame: expected 0\.\.11"):
        snippet("segmentation").frames[index]


def test_frames_without_labels_have_no_target():
    with pytest.raises(KeyError):
        snippet("segmentation").targets[3]
    assert 3 not in snippet("segmentation").targets


def test_motion_iou_by_hand():
    still, moved = torch.tensor([0.0, 0, 10, 10]), torch.tensor([5.0, 0, 15, 10])  # IoU 50 / 150
    tracks = [{1: still}, {1: still, 2: still}, {1: moved}, {}]
    motion = motion_iou(tracks, 1)
    assert motion[1] == pytest.approx((1 + 1 / 3) / 2)  # frame 3 has no track 1: skipped
    assert motion[2] != motion[2], "seen once: unknown"
    assert motion_iou(tracks, 1, reach=0)[1] != motion_iou(tracks, 1, reach=0)[1]


def test_motion_classes_at_their_edges():
    values = torch.tensor([1.0, 0.901, 0.9, 0.7, 0.699, 0.0, float("nan")])
    assert motion_class(values).tolist() == [0, 0, 1, 1, 2, 2, NO_MOTION]
