"""Notebook 03, clip_pictures.py and flow_pictures.py: numbers, texts and sliders of pictures, and the loss curve."""

import io
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from PIL import Image

from dffkit import FeatureNetwork, FixedInterval, flownet, recognize
from dffkit.datasets import toytown
from dffkit.datasets.sprites import sprite_pair
from dffkit.dff import DeepFeatureFlow
from dffkit.lessons import clip_pictures, flow_pictures, nb03_training
from dffkit.lessons.flow_pictures import Estimate, flow_colours
from dffkit.networks.detection import RFCN
from dffkit.networks.segmentation import ScoreMaps
from dffkit.training.pairs import Pairs
from dffkit.training.toytown_recipes import DETECTION
from dffkit.warp import flow_to_cells


def width_of(picture):
    """Decode the PNG, which fails if it is none."""
    return Image.open(io.BytesIO(picture.png)).width


# Flow in colours


@given(st.floats(-math.pi, math.pi), st.floats(0.01, 1), st.floats(0.1, 100))
def test_the_hue_is_the_direction_and_the_saturation_the_length(angle, length, longest):
    flow = torch.tensor([math.cos(angle), math.sin(angle)]).double().view(2, 1, 1) * length * longest
    (red, green, blue) = flow_colours(flow, longest)[0, 0]
    assert max(red, green, blue) == pytest.approx(1)
    assert min(red, green, blue) == pytest.approx(1 - length, abs=1e-6)
    opposite = flow_colours(-flow, longest)[0, 0]
    assert np.allclose(opposite + flow_colours(flow, longest)[0, 0], 2 - length, atol=1e-6)  # complementary colours


def test_no_flow_is_white_and_long_flow_is_no_more_than_full():
    assert np.allclose(flow_colours(torch.zeros(2, 3, 4), 5.0), 1)
    assert np.allclose(flow_colours(torch.zeros(2, 3, 4), 0.0), 1)
    assert np.allclose(flow_colours(torch.full((2, 3, 4), 50.0), 5.0), flow_colours(torch.full((2, 3, 4), 5.0), 5.0))


def test_right_and_down_have_colours_of_their_own():
    right, down = flow_colours(torch.tensor([[[1.0, 0]], [[0, 1]]]), 1)[0]
    assert np.allclose(right, (1, 0, 0))
    assert np.allclose(down, (0.5, 1, 0))


def test_the_error_of_an_estimate_is_in_pixels():
    exact = torch.randn(2, 64, 96).cumsum(2)
    cells = flow_to_cells(exact[None])[0]
    frame = torch.zeros(3, 64, 96, dtype=torch.uint8)
    assert Estimate(frame, exact, cells).error == pytest.approx(0, abs=1e-5)
    still = Estimate(frame, exact, torch.zeros_like(cells))
    assert still.error == pytest.approx(still.motion)
    off = cells + torch.tensor([3.0, -4.0]).view(2, 1, 1)
    assert Estimate(frame, exact, off).error == pytest.approx(5 * 16, rel=1e-5)


@pytest.mark.parametrize("index", [0, 4])  # 4 is a still pair
def test_pictures_of_a_sprite_pair(index):
    pair = sprite_pair(1_000_000, index)
    longest = float(pair.flow.norm(dim=0).max())
    assert f"up to {longest:.0f} pixels" in flow_pictures.sprite_flow(pair).alt
    found = flow_to_cells(pair.flow[None])[0]
    picture = flow_pictures.flow_estimates({"good": Estimate(pair.current, pair.flow, found)})
    assert "good: F's flow is off by 0.0 pixels" in picture.alt
    assert width_of(picture) > 800


def test_the_pyramid_stands_above_its_targets():
    pair = sprite_pair(1_000_000, 0)
    network = flownet(width=1 / 16, scale_channels=None)
    with torch.no_grad():
        predictions = network.pyramid(*(network.prepare(frame[None]) for frame in (pair.current, pair.key)))
    assert "2×3, 3×6, 6×12, 12×24, 24×48 cells" in flow_pictures.flow_pyramid(predictions, pair.flow).alt


# Pairs and the gradient


@pytest.fixture(scope="module")
def pairs():
    return Pairs(toytown.snippets("train", "segmentation", 1, length=12), seed=0)


def test_the_picture_of_the_pairs_counts_their_offsets(pairs):
    samples = [pairs.sample(number) for number in range(200)]
    counts = Counter(sample.frame - sample.key for sample in samples)
    picture = nb03_training.sampled_pairs(samples, length=12)
    assert ", ".join(str(counts[offset]) for offset in range(10)) in picture.alt
    nb03_training.sampled_pairs(samples[:3])  # fewer than are shown


def test_the_picture_of_a_batch_names_its_frames(pairs):
    first, second = pairs.sample(0), pairs.sample(1)
    picture = nb03_training.pair_batch(pairs, [0, 1])
    assert f"{first.frame} and {first.key}, {second.frame} and {second.key}" in picture.alt


def test_the_arrows_go_against_the_gradient():
    """The arrows are drawn by `_arrows`; the longest is two cells."""
    drawn = []
    gradient = torch.zeros(1, 2, 12, 24)
    gradient[0, 0, 3, 4] = 5.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nb03_training, "_arrows", lambda axes, flow, colour: drawn.append(flow))
        frame, wrong = torch.zeros(3, 192, 384, dtype=torch.uint8), torch.zeros(192, 384, dtype=torch.bool)
        picture = nb03_training.flow_gradient(frame, gradient, torch.ones(1, 2, 12, 24), wrong)
    assert drawn[0][0, 3, 4] == -2
    assert drawn[0].abs().sum() == 2
    assert "100% of it" in picture.alt


def test_the_gradient_can_be_zero():
    frame, wrong = torch.zeros(3, 192, 384, dtype=torch.uint8), torch.ones(192, 384, dtype=torch.bool)
    picture = nb03_training.flow_gradient(frame, torch.zeros(1, 2, 12, 24), torch.zeros(1, 2, 12, 24), wrong)
    assert "here it is zero everywhere" in picture.alt


# The loss curve


class Handle:
    """A replacement for a display's handle that keeps its pictures."""

    def __init__(self):
        self.pictures = []

    def update(self, picture):
        self.pictures.append(picture)


def test_the_curve_is_redrawn_every_few_losses_and_at_the_end(monkeypatch):
    handle = Handle()
    monkeypatch.setattr(nb03_training, "display", lambda picture, display_id: handle)
    curve = nb03_training.LossCurve(12, guessing=2.3, every=5)
    for n in range(12):
        curve.add(float(n))
    assert [picture.alt.split(" iterations")[0] for picture in handle.pictures] == [
        "The loss over 5 of 12", "The loss over 10 of 12", "The loss over 12 of 12"
    ]  # fmt: skip
    assert curve.smooth()[:3] == [0, 0.5, 1]
    assert curve.smooth()[-1] == pytest.approx(6.5)  # of 2 to 11
    assert "the mean of the last ten is 6.5" in handle.pictures[-1].alt


def test_without_a_notebook_the_curve_only_counts(capsys):
    curve = nb03_training.LossCurve(1, guessing=2.3)
    curve.add(1.0)
    assert curve.losses == [1.0]
    assert "0 of 1 iterations" in capsys.readouterr().out


# A clip under a model's results


def model_for(task):
    """A tiny untrained model."""
    features = FeatureNetwork(14, width=1 / 16)
    heads = {
        "segmentation": lambda: ScoreMaps(in_channels=64, num_classes=10),
        "detection": lambda: RFCN(in_channels=64, **dict(DETECTION[1])),
    }
    return DeepFeatureFlow(features, flownet(width=1 / 16, scale_channels=64), heads[task]()).eval()


@pytest.fixture(scope="module")
def film():
    return toytown.Film("val", 4)


def test_the_colours_of_the_classes_differ():
    colours = torch.tensor([to_rgb(colour) for colour in clip_pictures.COLOURS.values()])
    distances = torch.cdist(colours, colours) + 9 * torch.eye(10)
    assert distances.min() > 0.25


def test_the_score_of_labels_is_the_share_of_right_pixels():
    target = torch.zeros(10, 10, dtype=torch.uint8)
    result = target.clone()
    result[:, 7:] = 3
    assert clip_pictures.score_text(result, target) == "70%"
    assert clip_pictures.score_text(target, target) == "100%"


def found(boxes, labels, scores):
    return {
        "boxes": torch.tensor(boxes).view(-1, 4), "labels": torch.tensor(labels).long(), "scores": torch.tensor(scores)
    }  # fmt: skip


def test_the_score_of_boxes_counts_objects_of_the_right_class_and_place():
    target = {"boxes": torch.tensor([[0.0, 0, 20, 20], [50, 50, 80, 80]]), "labels": torch.tensor([1, 3])}
    box, other = [0.0, 0, 20, 18], [50.0, 50, 80, 80]
    assert clip_pictures.score_text(found([*box, *other], [1, 3], [0.9, 0.9]), target) == "2 of 2"
    assert clip_pictures.score_text(found([*box, *box], [1, 1], [0.9, 0.9]), target) == "1 of 2"
    assert clip_pictures.score_text(found([*box, *other], [1, 2], [0.9, 0.9]), target) == "1 of 2"
    assert clip_pictures.score_text(found([*box, *other], [1, 3], [0.9, 0.4]), target) == "1 of 2"
    assert clip_pictures.score_text(found([30.0, 0, 50, 20], [1], [0.9]), target) == "0 of 2"
    assert clip_pictures.score_text(found([], [], []), target) == "0 of 2"


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_a_strip_names_its_key_frames(film, task):
    model, frames = model_for(task), [film.frame(i) for i in range(5)]
    results = {n: list(recognize(model, frames, FixedInterval(n))) for n in (2, 5)}
    text = clip_pictures.clip_strip(film, results, columns=3).alt
    for duration, keys in ((2, {0, 2, 4}), (5, {0})):
        (line,) = [line for line in text.split(". ") if line.startswith(f"With l = {duration}")]
        assert {i for i in range(5) if f"key frame {i}:" in line} == keys


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_a_recognized_frame_equals_the_stream_s(film, task):
    model = model_for(task)
    stream = list(recognize(model, [film.frame(i) for i in range(4)], FixedInterval(3)))
    for i, key in ((0, 0), (2, 0), (3, 3)):
        one = clip_pictures.recognize_frame(model, film, i, key)
        if task == "segmentation":
            assert (one == stream[i].output).float().mean() > 0.999
        else:
            assert torch.allclose(one["scores"], stream[i].output["scores"], atol=1e-5)
        alt = clip_pictures.recognized_frame(film, model, i, 3).alt
        assert alt.startswith(f"Key frame {key}; frame {i} ")
        assert ("is a key frame itself" in alt) == (i == key)


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_carried_and_own_results_equal_the_stream_s(film, task):
    model, frames = model_for(task), [film.frame(i) for i in range(3)]
    carried, own, flow = clip_pictures.carried_and_own(model, frames[2], frames[0])
    assert flow.shape == (2, 12, 24)
    assert flow.abs().max() > 0
    for found, duration in ((carried, 3), (own, 1)):
        *_, last = recognize(model, frames, FixedInterval(duration))
        if task == "segmentation":
            assert (found == last.output).float().mean() > 0.999
        else:
            assert torch.allclose(found["scores"], last.output["scores"], atol=1e-5)
    carried, own, flow = clip_pictures.carried_and_own(model, frames[2], None)
    assert carried is own
    assert flow.shape == (2, 12, 24)
    assert not flow.any()


@pytest.mark.parametrize("task", ["segmentation", "detection"])
def test_the_compared_frame_names_frames_scores_and_flow(film, task):
    model = model_for(task)
    alt = clip_pictures.compared_frame(film, model, 2, 3).alt
    carried, own, flow = clip_pictures.carried_and_own(model, film.frame(2), film.frame(0))
    target = clip_pictures.target_of(film, 2, task == "detection")
    assert alt.startswith("Above, key frame 0, frame 2, ")
    assert f"up to {flow.norm(dim=0).max():.1f} cells" in alt
    assert f"carried features, {clip_pictures.score_text(carried, target)} " in alt
    assert f"own features, {clip_pictures.score_text(own, target)};" in alt
    alt = clip_pictures.compared_frame(film, model, 3, 3).alt
    assert "up to 0.0 cells" in alt
    assert "is a key frame itself" in alt


def test_the_sliders_end_where_the_picture_still_works(film):
    explorer = clip_pictures.clip_explorer(film, model_for("segmentation"), frames=20)
    assert "With l = 10 it gets its features from key frame 0" in explorer.view.value
    for frame, duration, key in ((0, 1, 0), (19, 20, 0), (19, 1, 19), (19, 7, 14)):
        explorer.sliders["frame"].value, explorer.sliders["duration"].value = frame, duration
        assert f"key frame {key}, frame {frame}, " in explorer.view.value
    explorer.play.value = 18
    assert "key frame 14, frame 18, " in explorer.view.value


def test_a_remembered_film_renders_a_frame_once_and_leaves_the_film_as_it_is(film):
    remembered = clip_pictures.remembered(film)
    assert remembered.frame(3) is remembered.frame(3)
    assert film.frame(3) is not film.frame(3)
    assert torch.equal(remembered.frame(3), film.frame(3))
