"""Moving stills: their views and their labels."""

import numpy as np
import pytest
import torch
from made_up_stills import SIZE, STILL, interior, label_map, moving, smooth, still

from dffkit.datasets import camvid
from dffkit.datasets.moving_stills import MovingStills
from dffkit.datasets.snippets import Snippet
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
    batch = Pairs(moving(variants=5), 0, max_offset=9).batch(range(12))
    assert batch.key_frames.shape == (12, 3, *SIZE)
    assert batch.targets.shape == (12, *SIZE)
    again = Pairs(moving(variants=5), 0, max_offset=9).batch(range(4, 12))
    assert torch.equal(again.frames, batch.frames[4:])
    assert torch.equal(again.key_frames, batch.key_frames[4:])
    assert torch.equal(again.targets, batch.targets[4:])


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
