"""Exercises of notebook 07: when to take a key frame, how long a still box is right, frames in order, a third task."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import dffkit
from dffkit.datasets.images import natural
from dffkit.lessons.check import Example, Exercise, Mistake
from dffkit.lessons.check.answers import NotComparable
from dffkit.networks.segmentation import upsample

# Exercise 1: when to take a key frame

is_key_frame = Exercise(
    "Exercise 1",
    lambda index, key_index, difference, threshold, longest: difference > threshold or index - key_index >= longest,
    [
        Example("frame 3 after key frame 0, and the picture has hardly changed", (3, 0, 2.0, 15.0, 10)),
        Example("frame 3 after key frame 0, and the picture is a different one", (3, 0, 60.0, 15.0, 10)),
        Example("frame 10 after key frame 0, with 10 as the longest duration", (10, 0, 2.0, 15.0, 10)),
        Example("frame 9 after key frame 0, with 10 as the longest duration", (9, 0, 2.0, 15.0, 10)),
        Example("frame 20 after key frame 13, as there was a cut", (20, 13, 2.0, 15.0, 10)),
        Example("frame 26, and the last key frame was frame 13", (26, 13, 2.0, 15.0, 10)),
        Example("frame 25 after key frame 13, and a different picture", (25, 13, 60.0, 15.0, 10)),
    ],
    [
        Mistake("Count from the last key frame: after a cut the count begins anew.",
                lambda index, key_index, difference, threshold, longest: (
                    difference > threshold or index % longest == 0)),
        Mistake("A cut alone is a reason, and so is a long distance: one of them is enough.",
                lambda index, key_index, difference, threshold, longest: (
                    difference > threshold and index - key_index >= longest)),
        Mistake("With duration l the next key frame is l frames after the last: a distance of exactly l is enough.",
                lambda index, key_index, difference, threshold, longest: (
                    difference > threshold or index - key_index > longest)),
        Mistake("You look at the difference only: a slow change would never get a key frame.",
                lambda index, key_index, difference, threshold, longest: difference > threshold),
        Mistake("You look at the distance only: after a cut the old features would be carried on.",
                lambda index, key_index, difference, threshold, longest: index - key_index >= longest),
    ],
)  # fmt: skip

# Exercise 2: how long a still box is right

longest_duration = Exercise(
    "Exercise 2",
    lambda width, speed: width // (3 * speed) + 1,
    [
        Example("a box 30 pixels wide that moves by 1 pixel a frame", (30, 1)),
        Example("a box 30 pixels wide that moves by 5 pixels a frame", (30, 5)),
        Example("a box 18 pixels wide that moves by 2 pixels a frame", (18, 2)),
        Example("a box 20 pixels wide that moves by 3 pixels a frame", (20, 3)),
        Example("a box 10 pixels wide that moves by 12 pixels a frame", (10, 12)),
    ],
    [
        Mistake("With key frame duration l the oldest box is l - 1 frames old: add one to the frames it may age.",
                lambda width, speed: width // (3 * speed)),
        Mistake("That is half of the box's width. But the union grows while the overlap shrinks: "
                "IoU = (w - d) / (w + d).",
                lambda width, speed: width // (2 * speed) + 1),
        Mistake("That is half of the box's width, and with l the oldest box is only l - 1 frames old.",
                lambda width, speed: width // (2 * speed)),
        Mistake("There the two boxes no longer touch: they have to share half of the area they cover together.",
                lambda width, speed: width // speed + 1),
        Mistake("A key frame duration is a whole number of frames: round down.",
                lambda width, speed: width / (3 * speed) + 1),
    ],
)  # fmt: skip


# Exercise 3: frames in order, with a planted bug


def _sorted(key: Callable[[str], object] | None = None) -> Callable[[list[str]], list[str]]:
    return lambda names: sorted(names, key=key)


def _positions(order: Callable[[list[str]], list[str]], names: list[str]) -> list[int] | None:
    """Return where each ordered name was in `names`, -1 for a name that was not there."""
    ordered = order(list(names))
    if ordered is None or ordered is ...:
        return ordered
    return [names.index(name) if name in names else -1 for name in ordered]


mended_order = Exercise(
    "Exercise 3",
    _sorted(natural),
    [
        Example("frame9.jpg, frame10.jpg, frame11.jpg", (["frame9.jpg", "frame10.jpg", "frame11.jpg"],)),
        Example("frame10.jpg, frame2.jpg, frame1.jpg", (["frame10.jpg", "frame2.jpg", "frame1.jpg"],)),
        Example("000.png, 002.png, 001.png, 010.png", (["000.png", "002.png", "001.png", "010.png"],)),
        Example("street4_100.jpg, street4_20.jpg, street4_3.jpg",
                (["street4_100.jpg", "street4_20.jpg", "street4_3.jpg"],)),
        Example("20.jpg, 007.jpg, 0100.jpg, with and without zeros in front", (["20.jpg", "007.jpg", "0100.jpg"],)),
    ],
    [
        Mistake("The bug is still there: which of frame2.jpg and frame10.jpg comes first, compared letter by letter?",
                _sorted()),
        Mistake("Shorter names come first now, and nothing else is sorted.", _sorted(len)),
        Mistake("Shorter names come first: that is right until somebody writes zeros in front.",
                _sorted(lambda name: (len(name), name))),
        Mistake("You leave the names as they come: folders have no order.", lambda names: names),
        Mistake("The order is reversed: a film that runs backwards has a flow of the wrong sign.",
                lambda names: sorted(names, key=natural, reverse=True)),
        Mistake("You take the first number of the name: in street4_20.jpg that is the street.",
                _sorted(lambda name: int(re.findall("[0-9]+", name)[0]))),
    ],
    describe_index=lambda place: f"frame {place} of the film",
    answer_by=_positions,
)  # fmt: skip


# Exercise 4: a third task


def _mean_of_known(error: Tensor, known: Tensor) -> Tensor:
    return (error.abs() * known).sum() / known.sum().clamp(min=1)


class _Depth(nn.Module):
    """A distance for each pixel, in metres; 0 in the targets is not known."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, 1
        self.distance = nn.Conv2d(in_channels, 1, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.distance(features)

    def loss(self, maps: Tensor, targets: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        return {"depth": self.mean(self.decode(maps, size) - targets, targets > 0)}

    def decode(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        return upsample(maps, size)[:, 0]

    mean = staticmethod(_mean_of_known)


def _depth_by(mean: Callable[[Tensor, Tensor], Tensor]) -> type[nn.Module]:
    """Return the solution with another mean of the errors, given where they are known."""
    return type("Depth", (_Depth,), {"mean": staticmethod(mean)})


CHANNELS = 8


def _loss(network: nn.Module, maps: Tensor, targets: Tensor) -> list[Tensor]:
    losses = network.loss(maps, targets, targets.shape[1:])
    if not isinstance(losses, dict):
        raise NotComparable(f"loss returns a dictionary of names and numbers, yours a {type(losses).__name__}.")
    return list(losses.values())


def _gradients(network: nn.Module) -> list[bool]:
    """Return which of N_task, N_feat and F get a gradient from the loss on a pair of frames."""
    torch.manual_seed(0)
    features = dffkit.FeatureNetwork(14, width=CHANNELS / 1024)
    flow = dffkit.flownet(width=1 / 64, scale_channels=CHANNELS)
    frames = torch.randint(256, (2, 1, 3, 64, 96), dtype=torch.uint8)
    (loss,) = _loss(network, dffkit.DeepFeatureFlow(features, flow, network)(*frames), torch.ones(1, 64, 96))
    loss.backward()
    parts = ([p.grad for p in part.parameters() if p.grad is not None] for part in (network, features, flow))
    return [any(bool(gradient.any()) for gradient in gradients) for gradients in parts]


def _answer(task: type[nn.Module], part: str, *inputs: Any) -> Any:
    """Return what a part of the task network gives, as numbers."""
    network = task(CHANNELS)
    if network is None or network is ...:
        return network
    if part == "forward":
        return network(*inputs).shape
    return {"decode": lambda: network.decode(*inputs), "loss": lambda: _loss(network, *inputs),
            "gradients": lambda: _gradients(network)}[part]()  # fmt: skip


_MAPS = torch.tensor([3.0, 7.0]).view(2, 1, 1, 1).expand(2, 1, 3, 4)
_FIVE = torch.full((2, 40, 56), 5.0)  # sides that are no multiples of 16
_TELL = "maps that are 3 everywhere on the first frame and 7 on the second"

third_task = Exercise(
    "Exercise 4",
    _Depth,
    [
        Example("the shape of forward's maps, for features of 2 frames, 8 channels, 3x4 cells",
                ("forward", torch.zeros(2, CHANNELS, 3, 4))),
        Example(f"decode, for frames of 40x56 pixels, of {_TELL}", ("decode", _MAPS, (40, 56))),
        Example(f"loss, where the truth is 5, of {_TELL}", ("loss", _MAPS, _FIVE)),
        Example(f"loss, where the truth is 5 on the left and not known (0) on the right, of {_TELL}",
                ("loss", _MAPS, _FIVE * (torch.arange(56) < 20))),
        Example("loss where nothing is known", ("loss", _MAPS, 0 * _FIVE)),
        Example("DeepFeatureFlow on a pair: does a gradient reach N_task, N_feat, F (1) or not (0)?", ("gradients",)),
    ],
    [
        Mistake("Where the target is 0 the distance is not known: leave these pixels out of the loss.",
                _depth_by(lambda error, known: error.abs().mean())),
        Mistake("You leave unknown pixels out of the sum, but divide by the number of all pixels.",
                _depth_by(lambda error, known: (error.abs() * known).mean())),
        Mistake("Where nothing is known the mean of no pixels is NaN, and one NaN ruins a training: return 0 then.",
                _depth_by(lambda error, known: error.abs()[known].mean())),
        Mistake("That is the squared error: take the absolute one.",
                _depth_by(lambda error, known: (error.square() * known).sum() / known.sum().clamp(min=1))),
        Mistake("That is the sum of the errors: divide by the number of known pixels, or large frames count more.",
                _depth_by(lambda error, known: (error.abs() * known).sum())),
        Mistake("Errors of both signs cancel in your mean: take the absolute value of each first.",
                _depth_by(lambda error, known: (error * known).sum() / known.sum().clamp(min=1))),
    ],
    answer_by=_answer,
)  # fmt: skip
