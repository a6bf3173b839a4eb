"""Moving stills: their views, their labels, and their boxes."""

import numpy as np
import pytest
import torch
from made_up_stills import BOXES, SIZE, STILL, boxed, interior, label_map, moving, smooth, still

from dffkit.datasets import camvid, mot
from dffkit.datasets.moving_stills import VISIBLE, MovingStills
from dffkit.datasets.snippets import Snippet
from dffkit.datasets.still_camera import moved_boxes
from dffkit.training.pairs import Pairs

COLOURS = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255]], dtype=torch.uint8)


def test_a_snippet_has_a_target_for_its_last_frame_only():
    data = moving(still(smooth(), label_map(), "a"), still(smooth(), label_map(), "b"), variants=3, length=5)
    assert len(data) == len(list(data)) == 6
    assert [snippet.name for snippet in data] == [f"{name}/0/{variant}" for name in "ab" for variant in range(3)]
    for snippet in data:
        assert (len(snippet.frames), list(snippet.targets)) == (5, [4])
        assert all(frame.shape == (3, *SIZE) and frame.dtype == torch.uint8 for frame in snippet.frames)
        assert snippet.targets[4].shape == SIZE
    assert data[-1].name == "b/0/2"
    with pytest.raises(IndexError):
        data[6]


def test_every_annotated_frame_becomes_a_still():
    frames = [smooth(), smooth().flip(2), smooth().flip(1)]
    snippet = Snippet("film", 10.0, frames, {0: label_map(), 2: label_map()})
    assert [part.name for part in moving(snippet, variants=1)] == ["film/0/0", "film/2/0"]


def test_a_frame_is_a_function_of_seed_still_variant_and_number():
    stills = [still(smooth(), label_map(), "a"), still(smooth(), label_map(), "b")]
    one, other = moving(*stills, variants=2), moving(*stills[::-1], variants=3)
    backwards = [other[i].frames[t] for i in (4, 3, 1, 0) for t in (9, 4, 0)]
    again = [one[i].frames[t] for i in (1, 0, 3, 2) for t in (9, 4, 0)]
    assert all(torch.equal(*pair) for pair in zip(backwards, again, strict=True))
    assert torch.equal(one[0].targets[9], other[3].targets[9])
    views = [one[0], one[1], one[2], moving(stills[0], seed=1)[0]]
    assert len({snippet.frames[9].numpy().tobytes() for snippet in views}) == 4  # variant, name and seed all matter


def test_pairs_are_sampled_from_moving_stills():
    data = moving(still(boxed(), (label_map(), BOXES)), variants=5)
    pairs = Pairs(data, 0, max_offset=9)
    batch = pairs.batch(range(12))
    assert batch.key_frames.shape == (12, 3, *SIZE)
    assert batch.targets[0].shape == (12, *SIZE)
    again = Pairs(moving(still(boxed(), (label_map(), BOXES)), variants=5), 0, max_offset=9).batch(range(4, 12))
    assert torch.equal(again.frames, batch.frames[4:])
    assert torch.equal(again.key_frames, batch.key_frames[4:])
    assert torch.equal(again.targets[0], batch.targets[0][4:])


def test_labels_belong_to_their_pixels():
    """A picture in its labels' colours keeps them in every view, except where two classes meet."""
    data = moving(still(COLOURS[label_map().long()].permute(2, 0, 1), label_map()), size=(120, 160))
    for snippet in data:
        labels = snippet.targets[9]
        shown = snippet.frames[9].argmax(0)
        certain = (labels != 255) & interior(labels)
        assert certain.float().mean() > 0.2
        assert torch.equal(shown[certain], labels[certain].long())


def test_outside_the_still_the_picture_continues_without_labels():
    data = moving(still(torch.full((3, *STILL), 200, dtype=torch.uint8), label_map()), size=(160, 200))
    for snippet in data:
        outside = snippet.targets[9] == 255
        assert outside.float().mean() > 0.3  # the frame is larger than the still at any scale
        assert not outside.all()
        assert (snippet.frames[9] == 200).all()  # the still's mirror image


def test_a_still_with_boxes_is_surrounded_by_its_mean_colour():
    picture = boxed()
    data = moving(still(picture, (label_map(), BOXES)), size=(160, 200))
    mean = picture.float().mean((1, 2))
    for snippet in data:
        labels, _ = snippet.targets[9]
        outside = (labels == 255) & interior(labels)
        assert (snippet.frames[9][:, outside].float() - mean[:, None]).abs().max() <= 1


def test_views_differ_in_scale_and_turn():
    data = moving()
    shots = [data._scene(i).shot for i in range(40)]
    scales = [np.sqrt(np.linalg.det(shot.view[:2, :2])) for shot in shots]
    assert 0.7 <= min(scales) < 0.8
    assert 1.25 < max(scales) <= 1.4
    turns = [np.degrees(np.arctan2(shot.view[0, 1], shot.view[0, 0])) for shot in shots]
    assert -5 <= min(turns) < -3
    assert 3 < max(turns) <= 5


def test_a_view_lies_in_the_still_if_it_fits():
    """If the frame is small enough, only the rotation puts pixels outside the still."""
    for index, snippet in enumerate(data := moving(size=(48, 64))):
        scale = np.sqrt(np.linalg.det(data._scene(index).shot.view[:2, :2]))
        assert scale >= 0.7 > 64 / 128
        assert (snippet.targets[9] == 255).float().mean() < 0.12


@pytest.mark.parametrize("label", [1, 2, 3, 4])
def test_boxes_stay_around_their_objects(label):
    x1, y1, x2, y2 = BOXES["boxes"][label - 1].int().tolist()
    picture = torch.zeros(3, *STILL, dtype=torch.uint8)
    picture[:, y1:y2, x1:x2] = 255
    compared = 0
    for snippet in moving(still(picture, BOXES), size=(90, 120)):
        target = snippet.targets[9]
        assert len(target["boxes"]) == len(target["labels"])
        assert target["boxes"].dtype == target["ignore"].dtype == torch.float32
        bright = (snippet.frames[9][0] > 127).nonzero()
        for box in target["boxes"][target["labels"] == label]:
            ends = torch.cat([bright.min(0).values.flip(0), bright.max(0).values.flip(0) + 1])
            # Half of an edge's pixel may be bright, and an object turned by up to 5 degrees leaves corners in its box.
            slack = 0.6 + torch.tensor([box[3] - box[1], box[2] - box[0]] * 2) * np.sin(np.radians(5))
            inwards = (ends - box) * torch.tensor([1, 1, -1, -1])
            assert (inwards > -0.7).all()
            assert (inwards < slack).all()
            compared += 1
    assert compared > 10


def test_boxes_are_measured_at_the_edges_of_pixels():
    """Every pixel becomes 2x2, so the centre of pixel x moves to 2x + 0.5."""
    doubled = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
    assert moved_boxes(np.array([[3.0, 4, 5, 8]]), doubled).tolist() == [[6, 8, 10, 16]]
    turned = np.array([[0, -1, 9], [1, 0, 0], [0, 0, 1.0]])  # a quarter turn of a picture of 10 rows
    assert moved_boxes(np.array([[3.0, 4, 5, 8]]), turned).tolist() == [[2, 3, 6, 5]]


def test_boxes_mostly_outside_the_view_become_regions_to_ignore():
    kinds = {"kept": 0, "cut": 0, "gone": 0, "ignored": 0}
    height, width = size = (60, 80)
    for index, snippet in enumerate(data := moving(still(boxed(), BOXES), variants=100, size=size)):
        target, view = snippet.targets[9], data._scene(index).shot.view
        kept = target["labels"].tolist()
        for label, (x1, y1, x2, y2) in enumerate(BOXES["boxes"].tolist(), 1):
            corners = view[:2] @ np.array([[x1, x2, x2, x1], [y1, y1, y2, y2], [1, 1, 1, 1]])
            low, high = corners.min(1), corners.max(1)
            seen = np.clip(np.minimum(high, (width, height)) - np.maximum(low, 0), 0, None)
            share = seen.prod() / (high - low).prod()
            if share > VISIBLE + 0.1:
                assert label in kept
                kinds["kept" if share > 0.99 else "cut"] += 1
            elif share < VISIBLE - 0.1:
                assert label not in kept
                kinds["ignored" if share > 0.1 else "gone"] += 1
                if share > 0.1:
                    rest = torch.tensor([*np.maximum(low, 0), *np.minimum(high, (width, height))])
                    assert (target["ignore"] - rest).abs().amax(1).min() < 1
        assert len(target["ignore"]) <= 1 + len(BOXES["boxes"]) - len(kept)
        for boxes in (target["boxes"], target["ignore"]):
            assert (boxes >= 0).all()
            assert (boxes <= torch.tensor([width, height, width, height])).all()
            assert (boxes[:, 2:] - boxes[:, :2] >= 1).all()
    assert min(kinds.values()) > 0


def test_regions_to_ignore_move_like_boxes():
    regions = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "ignore": BOXES["boxes"][:1]}
    as_boxes = {"boxes": BOXES["boxes"][:1], "labels": torch.tensor([1])}
    # Other boxes give other pieces, but the view is drawn before the pieces.
    for region, box in zip(moving(still(boxed(), regions)), moving(still(boxed(), as_boxes)), strict=True):
        target, other = region.targets[9], box.targets[9]
        assert target["boxes"].shape == (0, 4)
        assert torch.equal(target["ignore"], torch.cat([other["boxes"], other["ignore"]]))


@pytest.mark.parametrize("wrong", [{"variants": 0}, {"length": 0}, {"size": (0, 8)}])
def test_wrong_options_are_named(wrong):
    with pytest.raises(ValueError, match="variants, length, size: expected at least 1, got"):
        moving(**wrong)


def test_stills_without_labels_are_named():
    with pytest.raises(ValueError, match="stills: expected at least one annotated frame, got none in 1 snippets"):
        moving(Snippet("a", 1.0, [smooth()], {}))


def test_real_stills_move(real_data):
    data = MovingStills(camvid.snippets(real_data("camvid"), "train")[:3], variants=2, seed=0, size=(256, 320))
    batch = Pairs(data, 0).batch(range(4))
    assert batch.frames.shape == batch.key_frames.shape == (4, 3, 256, 320)
    assert set(batch.targets.unique().tolist()) <= {*range(11), 255}
    assert (batch.targets != 255).float().mean() > 0.5


@pytest.mark.filterwarnings("ignore::dffkit.datasets.snippets.SkippedRecords")
def test_real_people_move(real_data):
    people = mot.pets09_snippets(real_data("pets09"), "train")
    data = MovingStills(people, variants=1, seed=0, size=(256, 320))
    assert len(data) == 400
    assert sum(len(data[i].targets[9]["boxes"]) for i in range(0, 400, 20)) > 20
    assert data[200].frames[0].shape == (3, 256, 320)
