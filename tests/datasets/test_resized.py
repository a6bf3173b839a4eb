"""Frames, label maps and boxes are scaled together; the boxes of random windows surround the right pixels."""

import pytest
import torch

from dffkit.datasets.resized import Crops, Window, clip_boxes, resized, resized_target, short_side
from dffkit.datasets.snippets import Snippet
from dffkit.training.pairs import Pairs

HEIGHT, WIDTH = 60, 90
BOX = torch.tensor([[30.0, 20, 50, 50]])


@pytest.mark.parametrize(
    ("size", "expected"),
    [((720, 1280), (562, 1000)), ((1280, 720), (1000, 562)), ((480, 640), (600, 800)), ((600, 600), (600, 600))],
)
def test_short_side_gives_the_sizes_of_the_authors(size, expected):
    assert short_side(600, 1000)(size) == expected


def test_boxes_and_frames_are_scaled_alike():
    frame = torch.zeros(3, 40, 60, dtype=torch.uint8)
    frame[:, 10:30, 20:50] = 200
    target = {"boxes": torch.tensor([[20.0, 10, 50, 30]]), "labels": torch.tensor([2]), "ignore": torch.zeros(1, 4)}
    snippet = resized(Snippet("s", 30.0, [frame], {0: target}), lambda size: (80, 90))
    assert snippet.frames[0].shape == (3, 80, 90)
    assert snippet.targets[0]["boxes"].tolist() == [[30, 20, 75, 60]]
    assert snippet.targets[0]["labels"].tolist() == [2]
    assert (snippet.frames[0][:, 22:58, 33:72] == 200).all()
    assert (snippet.frames[0][:, :18] == 0).all()


def test_label_maps_keep_their_values():
    labels = torch.zeros(40, 60, dtype=torch.uint8)
    labels[10:30, 20:50] = 255
    scaled = resized_target(labels, (40, 60), (20, 30))
    assert scaled.dtype == torch.uint8
    assert torch.equal(scaled, labels[1::2, 1::2])


def test_snippet_of_the_right_size_is_unchanged_and_targets_are_made_on_access():
    frame = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    snippet = resized(Snippet("s", 30.0, [frame] * 3, {1: torch.zeros(40, 60, dtype=torch.uint8)}), lambda size: size)
    assert snippet.frames[2] is frame
    assert list(snippet.targets) == [1]
    assert snippet.targets[1].shape == (40, 60)


def video(count=4):
    """A video of a bright box on noise that moves one pixel a frame."""
    frames = torch.randint(
        0, 90, (count, 3, HEIGHT, WIDTH), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    for i in range(count):
        frames[i, :, 20:50, 30 + i : 50 + i] = 255
    boxes = {i: BOX + torch.tensor([i, 0, i, 0]) for i in range(count)}
    targets = {i: {"boxes": box, "labels": torch.tensor([1]), "tracks": torch.tensor([7])} for i, box in boxes.items()}
    return Snippet("video", 10.0, list(frames), targets)


def crops(**changes):
    return Crops([video()], **({"count": 30, "size": (64, 64), "scales": (1.5, 2.5), "seed": 0} | changes))


def test_boxes_surround_the_bright_pixels():
    seen = 0
    for snippet in crops():
        for i in (0, 3):
            frame, target = snippet.frames[i], snippet.targets[i]
            assert frame.shape == (3, 64, 64)
            for x1, y1, x2, y2 in target["boxes"].round().int().tolist():
                assert 0 <= x1 < x2 <= 64
                assert 0 <= y1 < y2 <= 64
                inside = frame[:, y1 + 3 : y2 - 3, x1 + 3 : x2 - 3]
                assert inside.numel() == 0 or inside.min() > 200
                seen += 1
            if len(target["boxes"]) + len(target["ignore"]) == 0:
                assert (frame > 200).float().mean() < 0.05
            assert len(target["labels"]) == len(target["tracks"]) == len(target["boxes"])
    assert seen > 20


def test_windows_differ_repeat_and_stay_fixed_in_a_snippet():
    first, second = crops(), crops()
    assert len(first) == 30
    assert [snippet.name for snippet in first][:2] == ["video/0", "video/1"]
    assert all(torch.equal(a.frames[1], b.frames[1]) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0].frames[1], first[1].frames[1])
    assert not torch.equal(first[0].frames[1], crops(seed=1)[0].frames[1])
    for snippet in first:
        for (x, *_), (later, *_) in zip(snippet.targets[0]["boxes"], snippet.targets[3]["boxes"], strict=False):
            assert x == 0 or 3 * 1.5 - 0.1 < later - x < 3 * 2.5 + 0.1


@pytest.mark.parametrize(("left", "boxes", "ignored"), [(30, 1, 0), (41, 1, 0), (43, 0, 1), (50, 0, 0)])
def test_box_mostly_outside_the_window_is_ignored(left, boxes, ignored):
    target = Window(10, left, 40, 40, (80, 80)).target({"boxes": BOX, "labels": torch.tensor([1])})
    assert (len(target["boxes"]), len(target["ignore"])) == (boxes, ignored)
    if boxes:
        assert target["boxes"].tolist() == [[0.0, 20, 2 * (50 - left), 80]]


def test_a_rest_of_one_pixel_is_seen_and_less_is_not():
    boxes = torch.tensor([[-3.0, 0, 1, 5], [-3.0, 0, 0.9, 5], [0, 9, 4, 13]])
    assert clip_boxes(boxes, (10, 10))[1].tolist() == [0.25, 0, 0.25]


def test_regions_to_ignore_move_with_the_window():
    target = {"boxes": BOX[:0], "labels": torch.zeros(0, dtype=torch.int64), "ignore": BOX}
    assert Window(10, 20, 40, 40, (80, 80)).target(target)["ignore"].tolist() == [[20.0, 20, 60, 80]]


def test_pairs_can_be_drawn():
    batch = Pairs(crops(), 0, max_offset=3).batch(range(6))
    assert batch.frames.shape == batch.key_frames.shape == (6, 3, 64, 64)


def test_every_window_contains_a_box_centre():
    wide = Snippet(
        "wide",
        10.0,
        [torch.zeros(3, 60, 1000, dtype=torch.uint8)] * 2,
        {1: {"boxes": BOX, "labels": torch.tensor([1])}},
    )
    found = Crops([wide], count=40, size=(32, 32), scales=(1, 1), seed=0)
    windows = [found._window(0, variant) for variant in range(40)]
    assert all(window.left <= 40 <= window.left + 32 and window.top <= 35 <= window.top + 32 for window in windows)
    assert len({(window.left, window.top) for window in windows}) > 30


def test_video_without_boxes_is_reported():
    empty = Snippet(
        "empty", 10.0, [torch.zeros(3, 60, 90, dtype=torch.uint8)], {0: {"boxes": BOX[:0], "labels": torch.zeros(0)}}
    )
    with pytest.raises(ValueError, match="snippets: expected boxes, got none in empty"):
        Crops([empty], count=1, size=(32, 32), scales=(1, 1), seed=0)


def test_video_that_is_too_small_is_reported():
    with pytest.raises(ValueError, match=r"size: windows of \(128, 64\) at 1.5 need \[85, 43\] pixels, video has"):
        crops(size=(128, 64))
