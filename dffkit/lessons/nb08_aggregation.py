"""Notebook 08: weights by hand and their bounds, what flow and embedding do, the stream, the cost, and the widget."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from dffkit.aggregation.cost import count_costs, count_frame
from dffkit.aggregation.model import Aggregation, Embedding, FrameValues, fgfa, frame_weights, weight_bounds
from dffkit.aggregation.seq_nms import seq_nms
from dffkit.aggregation.stream import aggregate, around
from dffkit.complexity import SIZE
from dffkit.datasets.snippets import Snippet
from dffkit.dff import DeepFeatureFlow
from dffkit.lessons.clip_pictures import draw_result
from dffkit.lessons.explore import Explorer, Picture, slider
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper import ledger
from dffkit.paper.style import BLUE, GREY, ORANGE, RED, styled
from dffkit.warp import warp

CELL = 16  # pixels of a frame, a side
# Embeddings of three frames at four cells, as arrows; the middle frame is the current one.
ARROWS = {
    "before": [(1, 0), (0, 1), (-1, 0), (2, 0)], "current": [(1, 0), (1, 0), (1, 0), (1, 0)],
    "after": [(1, 0), (1, 0), (1, 0), (0, 3)],
}  # fmt: skip
REACH = 10  # K of the talk
OFFSETS = (1, 2, 4, 9)


def arrows() -> tuple[Tensor, Tensor]:
    """Return `ARROWS` as the arguments of `frame_weights`: embeddings `(1, 3, 2, 1, 4)`, the query `(1, 2, 1, 4)`."""
    embeddings = torch.tensor(list(ARROWS.values()), dtype=torch.float64).permute(0, 2, 1)[None, :, :, None]
    return embeddings, embeddings[:, 1]


def weights_by_hand() -> pandas.DataFrame:
    """Return the cosine of each frame at each cell, and its weight by `frame_weights`: a line for each frame."""
    embeddings, query = arrows()
    weights = frame_weights(embeddings, query)[0, :, 0]
    cosines = torch.cosine_similarity(embeddings, query[:, None], dim=2)[0, :, 0]
    cells = {f"cell {c}": [f"{a:.0f} → {w:.3f}" for a, w in zip(cosines[:, c], weights[:, c], strict=True)]
             for c in range(4)}  # fmt: skip
    return pandas.DataFrame({"frame": list(ARROWS), **cells})


@styled
def bounds_picture(most: int = 25, sharper: float = 0.1) -> Picture:
    """Draw the smallest and largest weight by the number of frames, and the largest with cosines over `sharper`."""
    counts = range(2, most + 1)
    low, high = zip(*map(weight_bounds, counts), strict=True)
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(counts, low, high, color=BLUE, alpha=0.15, linewidth=0)
    axes.plot(counts, high, "-", color=BLUE, label="bounds")
    axes.plot(counts, low, "-", color=BLUE)
    axes.plot(counts, [1 / n for n in counts], ":", color=GREY, label="1 / n")
    sharp = [1 / (1 + (n - 1) * np.exp(-2 / sharper)) for n in counts]
    axes.plot(counts, sharp, "--", color=RED, label=f"largest, cosines divided by {sharper:g}")
    axes.set(xlabel="frames", ylabel="weight of one frame", ylim=(0, 1.05), xticks=[2, 5, 9, 13, 17, 21, 25])
    axes.legend()
    ends = " and ".join(f"{each:.4f}" for each in weight_bounds(2 * REACH + 1))
    return Picture.of(
        figure,
        f"""Bounds of a frame's weight over the number of frames: the largest falls, the smallest falls towards 0, and
        1/n is between. For {2 * REACH + 1} frames they are {ends}. With cosines divided by {sharper:g} the largest is
        near 1 for every number.""",
    )


@torch.inference_mode()
def similarity(model: DeepFeatureFlow, film: Snippet, index: int) -> pandas.DataFrame:
    """Return the mean cosine of a frame's features in its boxes with a neighbour's, left in place and carried by F.

    Args:
        model: its N_feat and F are used, in eval mode.
        film: with boxes at `index`, and frames around it.
        index: the current frame.
    """
    inside = cells_of_boxes(film.targets[index]["boxes"], tuple(film.frames[index].shape[1:]))
    own = model.key_frame(film.frames[index][None])
    lines = []
    for offset in OFFSETS:
        other = model.key_frame(film.frames[index - offset][None])
        flow, _ = model.flow_network(own.flow_input, other.flow_input)
        ways = {"left in place": other.features, "carried": warp(other.features, flow)}
        found = {way: torch.cosine_similarity(own.features, each, dim=1)[0][inside] for way, each in ways.items()}
        lines.append({"frames before": offset, **{way: float(each.mean()) for way, each in found.items()}})
    return pandas.DataFrame(lines)


def cells_of_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the cells whose centre is in one of the boxes `(N, 4)`, for frames of `size` (H, W): `(h, w)` bool."""
    y, x = ((torch.arange(-(-side // CELL)) + 0.5) * CELL for side in size)
    across = (x >= boxes[:, :1]) & (x < boxes[:, 2:3])  # (N, w)
    down = (y >= boxes[:, 1:2]) & (y < boxes[:, 3:])  # (N, h)
    return (down[:, :, None] & across[:, None]).any(0)


def small_model() -> Aggregation:
    """Return a small network with random weights, whose flow is not zero."""
    torch.manual_seed(0)
    features = FeatureNetwork(14, width=1 / 16)
    torch.nn.init.normal_(features.reduce.weight, std=0.1)  # so that frames differ in their features
    task = ScoreMaps(in_channels=features.channels, num_classes=5)
    flow = flownet(width=1 / 16, scale_channels=None)
    return Aggregation(features, flow, task, Embedding(features.channels)).eval()


def noise(count: int) -> list[Tensor]:
    """Return a video of `count` small random frames."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8, generator=generator) for _ in range(count)]


@torch.inference_mode()
def direct(model: Aggregation, frames: Sequence[Tensor], reach: int) -> list[Tensor]:
    """Return the results of all frames of a video, with all of its features at hand."""
    values, results = {index: model.extract(frame[None]) for index, frame in enumerate(frames)}, []
    for index, current in values.items():
        carried = _carried(model, values, around(index, reach, len(frames)), index)
        maps = model.task_network(model.combine(*carried, current.embedding))
        results.append(model.task_network.decode(maps, frames[index].shape[1:])[0])
    return results


def _carried(
    model: Aggregation, values: Mapping[int, FrameValues], window: Sequence[int], index: int
) -> tuple[Tensor, Tensor | None]:
    """Return `model.carry` of the frames of a window to frame `index`."""
    stacked = FrameValues(*map(torch.cat, zip(*(values[other] for other in window), strict=True)))
    return model.carry(values[index], stacked, torch.tensor([other == index for other in window]))


def arrivals(model: Aggregation, frames: Sequence[Tensor], reach: int) -> pandas.DataFrame:
    """Return the number of frames that a stream has read when each result comes, and the frames it is made of."""
    read = 0

    def counted() -> Sequence[Tensor]:
        nonlocal read
        for frame in frames:
            read += 1
            yield frame

    lines = []
    for result in aggregate(model, counted(), reach):
        window = ", ".join(map(str, around(result.index, reach, len(frames))))
        lines.append({"result of frame": result.index, "frames read": read, "made of frames": window})
    return pandas.DataFrame(lines)


def cost_table() -> pandas.DataFrame:
    """Return r of FGFA at full size and K = 10 by formula, with 2K and 2K + 1 flows, for both orders.

    Columns: `order`; `flows`; `table2`, r with F alone, by the cost of FlowNet (with S) that Table 2 prints; `r`, with
    all parts, as counted; `counted`, "yes" if the network counted in one go agrees with the formula (with 2K flows,
    which is what the kit computes).
    """
    inverse, lines = ledger.printed("inverse_ratio")["ResNet-101", "FlowNet"], []
    for order, first in (("embedding after the warp", False), ("embedding before the warp", True)):
        with torch.device("meta"):  # costs need no weights
            model = fgfa(embed_first=first)
        costs = count_costs(model)
        agrees = count_frame(model, SIZE, REACH) == costs.frame(REACH) - 2 * REACH * costs.warp
        for own_flow, flows in ((False, "2K = 20"), (True, "2K + 1 = 21")):
            line = {"order": order, "flows": flows, "table2": 1 + (2 * REACH + own_flow) / inverse}
            lines.append(
                line | {"r": costs.ratio(REACH, own_flow), "counted": "-" if own_flow else "yes" if agrees else "no"}
            )
    return pandas.DataFrame(lines)


def sequence_by_hand() -> pandas.DataFrame:
    """Return the boxes of one class in three frames with their scores before and after Seq-NMS ("" if dropped)."""
    clip = [
        {"thing": ([0, 0, 40, 40], 0.9)},
        {"thing": ([4, 0, 44, 40], 0.3), "too small": ([4, 0, 44, 20], 0.4)},
        {"thing": ([8, 0, 48, 40], 0.9), "far away": ([90, 0, 120, 40], 0.5)},
    ]
    detections = [
        {"boxes": torch.tensor([box for box, _ in frame.values()]).float(), "labels": torch.ones(len(frame)).long(),
         "scores": torch.tensor([score for _, score in frame.values()])} for frame in clip
    ]  # fmt: skip
    lines = []
    for number, (frame, found) in enumerate(zip(clip, seq_nms(detections), strict=True)):
        for name, (box, score) in frame.items():
            kept = [float(new) for own, new in zip(found["boxes"].tolist(), found["scores"], strict=True) if own == box]
            lines.append((number, name, ", ".join(map(str, box)), score, kept[0] if kept else None))
    return pandas.DataFrame(lines, columns=["frame", "box", "place", "score", "after"])


class Weighed:
    """A frame of a film with the cosines of the frames around it, computed once for the widget.

    Args:
        model: trained, in eval mode, with an embedding.
        film: the frames.
        index: the current frame, with boxes.
    """

    @torch.inference_mode()
    def __init__(self, model: Aggregation, film: Snippet, index: int) -> None:
        self.window = around(index, REACH, len(film.frames))
        self.frames = [film.frames[other] for other in self.window]
        values = {other: model.extract(film.frames[other][None]) for other in set(self.window)}
        _, embeddings = _carried(model, values, self.window, index)
        self.cosines = torch.cosine_similarity(embeddings[0], values[index].embedding, dim=1)  # (2K + 1, h, w)
        x1, y1, x2, y2 = film.targets[index]["boxes"][0].tolist()
        self.row, self.column = int((y1 + y2) / 2 / CELL), int((x1 + x2) / 2 / CELL)


def weights_explorer(weighed: Weighed) -> Explorer:
    """Return a widget: choose K and a cell, and see the weight of each frame there. It starts in the first box."""
    _, height, width = weighed.cosines.shape
    return Explorer(
        partial(weights_at, weighed),
        reach=slider("K", 1, REACH, 1, REACH),
        column=slider("cell, from the left", 0, width - 1, 1, weighed.column),
        row=slider("cell, from the top", 0, height - 1, 1, weighed.row),
    )


@styled
def weights_at(weighed: Weighed, reach: int, column: int, row: int) -> Picture:
    """Draw the current frame with a cell, the weight of each frame there, and the neighbours of most and least."""
    middle = slice(REACH - reach, REACH + reach + 1)
    weights = weighed.cosines[middle, row, column].softmax(0)
    frames, offsets = weighed.frames[middle], list(range(-reach, reach + 1))
    neighbours = sorted((place for place in range(len(offsets)) if place != reach), key=weights.tolist().__getitem__)
    shown = {"current": reach, "most": neighbours[-1], "least": neighbours[0]}
    figure = Figure(figsize=(8.8, 4.0), layout="constrained")
    above, below = figure.subfigures(2, 1)
    for axes, (name, place) in zip(above.subplots(1, 3), shown.items(), strict=True):
        draw_result(axes, frames[place])
        if name == "current":
            axes.add_patch(Rectangle((column * CELL, row * CELL), CELL, CELL, fill=False, edgecolor=RED, linewidth=2))
        axes.set_title(f"{name}: {offsets[place]:+d}, weight {weights[place]:.3f}", loc="left")
    axes = below.subplots()
    axes.bar(offsets, weights.tolist(), color=[ORANGE if each == 0 else BLUE for each in offsets])
    axes.axhline(1 / len(offsets), color=GREY, linestyle=":")
    axes.set(xlabel="frame, counted from the current one", ylabel="weight", xlim=(-REACH - 0.6, REACH + 0.6))
    axes.set_xticks(range(-REACH, REACH + 1, 2))
    most, least = (f"{weights[place]:.3f} at {offsets[place]:+d}" for place in list(shown.values())[1:])
    return Picture.of(
        figure,
        f"""The weights of {len(offsets)} frames at the cell in row {row}, column {column}, as bars over the frames;
        equal weights would be {1 / len(offsets):.3f}. Above them the current frame with the cell, and the
        neighbours of most weight, {most}, and of least, {least}.""",
        bits=5,
    )
