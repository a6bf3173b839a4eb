"""Pictures and tables of a model's results on Toytown: beside the ground truth, and where the key frame misses."""

import copy
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import Tensor

from dffkit.datasets.toytown import CLASSES, LABELS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import annotate
from dffkit.experiments.annotate import BOX_COLOURS, SURE
from dffkit.experiments.lost_boxes import found_boxes
from dffkit.lessons.explore import Explorer, Picture, slider
from dffkit.lessons.flow_pictures import colour_wheel
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper.style import DARK_GREY, flow_colours, styled
from dffkit.video import Recognition

COLOURS = dict(zip(LABELS, annotate.COLOURS, strict=False))
FULL_COLOUR = 3.0  # cells; flow of this length or more has full colour, so that colours keep their meaning in a widget


def target_of(film: Film, index: int, boxes: bool) -> Any:
    """Return the true boxes of a frame, or its label map."""
    return film.boxes(index) if boxes else film.labels(index)


def score_text(result: Any, target: Any) -> str:
    """Return the share of right pixels ("93%"), or the number of objects found ("2 of 3")."""
    if isinstance(result, Tensor):
        return f"{100 * float((result == target).float().mean()):.0f}%"
    each = found_targets(result, target)
    return f"{int(each.sum())} of {len(each)}"


def found_targets(result: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> Tensor:
    """Mark the true boxes that a result contains with their class, IoU >= 0.5 and score >= `SURE`: `(N,)` bool."""
    return found_boxes(target, result, SURE)


@styled
def clip_strip(film: Film, results: Mapping[int, Sequence[Recognition]], columns: int = 5) -> Picture:
    """Draw the first frames of a clip with a model's results, key frames framed, and with the truth.

    Args:
        film: the clip.
        results: key frame duration -> results of `recognize` for the first frames.
        columns: frames in a row.
    """
    (first, *_) = results.values()
    boxes = not isinstance(first[0].output, Tensor)
    blocks = {f"l = {duration}": found for duration, found in results.items()}
    blocks["truth"] = [Recognition(i, False, target_of(film, i, boxes)) for i in range(len(first))]
    rows = -(-len(first) // columns)
    figure = Figure(figsize=(8.8, (0.86 * rows + 0.1) * len(blocks) + 0.3))
    blocks_below = {"left": 0.03, "right": 0.998, "top": 0.997, "bottom": 0.34 / figure.get_figheight()}
    spots = figure.add_gridspec(len(blocks), 1, hspace=0.05, **blocks_below)
    texts = []
    for spot, (name, block) in zip(spots, blocks.items(), strict=True):
        low, high = spot.get_position(figure).intervaly
        figure.text(0.006, (low + high) / 2, name, rotation=90, va="center", weight="bold")
        words = []
        small = spot.subgridspec(rows, columns, wspace=0.02, hspace=0.03)
        for found, place in zip(block, small, strict=False):
            word = draw_recognition(figure.add_subplot(place), film, found, scored=name != "truth")
            words.append(f"{'key frame ' if found.is_key_frame else ''}{found.index}: {word}")
        if name != "truth":
            texts.append(f"With {name}, {', '.join(words)}.")
    add_class_legend(figure, boxes, loc="lower center")
    what, unit = ("boxes", "objects found") if boxes else ("labels", "pixels right")
    return Picture.of(
        figure,
        f"""Frames 0 to {len(first) - 1} of a street with the model's {what}, key frames framed in black, and with the
        true {what}; in each frame the {unit}. {" ".join(texts)}""",
        bits=4,
    )


@styled
def recognized_frame(film: Film, model: DeepFeatureFlow, frame: int, duration: int) -> Picture:
    """Draw a key frame, a frame recognized by its features, and the same frame with the truth."""
    boxes = not isinstance(model.task_network, ScoreMaps)
    key_index = frame - frame % duration
    result = recognize_frame(model, film, frame, key_index)
    target = target_of(film, frame, boxes)
    figure = Figure(figsize=(8.8, 2.05), layout="constrained")
    score = f"{score_text(result, target)} {'objects found' if boxes else 'of the pixels right'}"
    shown = ((key_index, None, f"key frame k = {key_index}"), (frame, result, f"frame i = {frame}: {score}"))
    for axes, (index, found, title) in zip(figure.subplots(1, 3), (*shown, (frame, target, "the truth")), strict=True):
        draw_result(axes, film.frame(index), found)
        axes.set_title(title)
    add_class_legend(figure, boxes)
    source = "is a key frame itself" if frame == key_index else f"gets its features from key frame {key_index}"
    return Picture.of(
        figure,
        f"""Key frame {key_index}; frame {frame} with the model's result, {score}; and
        frame {frame} with the truth. With l = {duration} it {source}.""",
        bits=5,
    )


@styled
def compared_frame(film: Film, model: DeepFeatureFlow, frame: int, duration: int) -> Picture:
    """Draw a key frame, a current frame and the flow; below, the result by carried and by own features, and the truth.

    A key frame has no flow, which is drawn white, and both of its results are the same.
    """
    boxes = not isinstance(model.task_network, ScoreMaps)
    key_index = frame - frame % duration
    key, current = (film.frame(index) for index in (key_index, frame))
    carried, own, flow = carried_and_own(model, current, None if frame == key_index else key)
    target = target_of(film, frame, boxes)
    figure = Figure(figsize=(8.8, 3.5))
    figure.subplots_adjust(left=0.005, right=0.995, top=0.935, bottom=0.1, wspace=0.02, hspace=0.17)
    above, below = figure.subplots(2, 3)
    titles = f"key frame k = {key_index}", f"frame i = {frame}"
    for axes, title, shown in zip(above[:2], titles, (key, current), strict=True):
        draw_result(axes, shown)
        axes.set_title(title)
    above[2].imshow(flow_colours(flow, FULL_COLOUR))
    above[2].spines[:].set_visible(False)
    colour_wheel(above[2])
    longest = float(flow.norm(dim=0).max())
    above[2].set(xticks=[], yticks=[], title=f"flow from i to k, up to {longest:.1f} cells")
    scores = [score_text(result, target) for result in (carried, own)]
    titles = f"by carried features: {scores[0]}", f"by its own: {scores[1]}", "the truth"
    for axes, result, title in zip(below, (carried, own, target), titles, strict=True):
        draw_result(axes, current, result)
        axes.set_title(title)
    add_class_legend(figure, boxes, loc="lower center")
    unit = "objects found" if boxes else "of the pixels right"
    source = "is a key frame itself" if frame == key_index else f"gets its features from key frame {key_index}"
    return Picture.of(
        figure,
        f"""Above, key frame {key_index}, frame {frame}, and the flow between them in colours, up to {longest:.1f} cells
        long. Below, frame {frame} with the result by carried features, {scores[0]} {unit}; by its own features,
        {scores[1]}; and with the truth. With l = {duration} it {source}.""",
        bits=5,
    )


def clip_explorer(film: Film, model: DeepFeatureFlow, frames: int = 30) -> Explorer:
    """Return a widget that moves or plays along a clip and changes the key frame duration."""
    return Explorer(
        partial(compared_frame, remembered(film), model),
        played="frame",
        frame=slider("frame i", 0, frames - 1, 1, 9),
        duration=slider("key frame duration l", 1, 20, 1, 10),
    )


def remembered(film: Film) -> Film:
    """Return the same film, which renders none of the last eight frames asked for again: a widget repeats them."""
    film = copy.copy(film)
    film.frame = lru_cache(maxsize=8)(film.frame)
    return film


def recognize_frame(model: DeepFeatureFlow, film: Film, index: int, key_index: int) -> Any:
    """Return the result for a frame by the features of its key frame, which may be the frame itself."""
    return recognize_frames(model, film, [index], key_index)[0]


@torch.no_grad()
def recognize_frames(model: DeepFeatureFlow, film: Film, indices: Sequence[int], key_index: int) -> list[Any]:
    """Return the results for frames by the features of one key frame, which may be among them."""
    maps, key = model.on_key_frame(film.frame(key_index)[None])
    found = []
    for index in indices:
        frame = film.frame(index)
        own = maps if index == key_index else model.on_current_frame(frame[None], key)
        found.append(model.task_network.decode(own, frame.shape[1:])[0])
    return found


@torch.no_grad()
def carried_and_own(model: DeepFeatureFlow, frame: Tensor, key_frame: Tensor | None) -> tuple[Any, Any, Tensor]:
    """Return a frame's result by the features of its key frame, by its own, and the flow `(2, h, w)` in cells.

    For None the frame is the key frame itself: the results are the same, and the flow is 0.
    """
    maps, current = model.on_key_frame(frame[None])
    own = model.task_network.decode(maps, frame.shape[1:])[0]
    if key_frame is None:
        return own, own, torch.zeros(2, *current.features.shape[2:])
    key = model.key_frame(key_frame[None])
    flow, _ = model.flow_network(current.flow_input, key.flow_input)
    return model.task_network.decode(model.on_current_frame(frame[None], key), frame.shape[1:])[0], own, flow[0]


def draw_result(axes: Axes, frame: Tensor, result: Any = None) -> None:
    """Draw a frame and, over it, a label map or boxes, or nothing for None."""
    tinted = annotate.labels_over(frame, result) if isinstance(result, Tensor) else frame
    axes.imshow(tinted.permute(1, 2, 0).numpy())
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if isinstance(result, dict):
        sure = result["scores"] >= SURE if "scores" in result else slice(None)
        for (x1, y1, x2, y2), label in zip(result["boxes"][sure].tolist(), result["labels"][sure], strict=True):
            colour = annotate.COLOURS[int(label) + BOX_COLOURS]
            for width, line in ((2.4, "white"), (1.3, colour)):  # a light rim, visible on any ground
                axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=line, linewidth=width))


def draw_recognition(axes: Axes, film: Film, found: Recognition, title: str = "", *, scored: bool = True) -> str:
    """Draw a result with `title` (default: the frame's number) and its score in the upper corners, key frames framed.

    Returns:
        The score, or "" if it is not to be `scored`.
    """
    draw_result(axes, film.frame(found.index), found.output)
    boxes = not isinstance(found.output, Tensor)
    score = score_text(found.output, target_of(film, found.index, boxes)) if scored else ""
    title = title or f"i = {found.index}{' · key' if found.is_key_frame else ''}"
    behind = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
    for x, side, text in ((0.015, "left", title), (0.985, "right", score)):
        if text:
            axes.text(x, 0.96, text, fontsize=9, bbox=behind, ha=side, va="top", transform=axes.transAxes)
    if found.is_key_frame:
        axes.spines[:].set(visible=True, color="black", linewidth=2.5)
    return score


def add_class_legend(
    figure: Figure, boxes: bool, loc: str = "outside lower center", classes: Sequence[str] = CLASSES
) -> None:
    """Add the colour of each class below the pictures: of `classes` for boxes, else of the label maps."""
    colours = dict(zip(classes, annotate.COLOURS[BOX_COLOURS + 1 :], strict=False)) if boxes else COLOURS
    patches = [Patch(facecolor=each, edgecolor=DARK_GREY, linewidth=0.4, label=name) for name, each in colours.items()]
    figure.legend(handles=patches, loc=loc, ncols=10, fontsize=8.5, handlelength=1)


# Where propagation fails


@torch.no_grad()
def accuracy_by_gap(films: Sequence[Film], model: DeepFeatureFlow, gaps: Sequence[int]) -> pandas.DataFrame:
    """Return the share of right labels where the key frame, frame 0, shows the same surface, and where it does not.

    Returns:
        One row for each gap in frames. `new` is the percentage of pixels that the key frame does not show. `seen,
        carried` and `new, carried` are the percentages of right labels among the other pixels and among the new
        ones with the key frame's features; `seen, own` and `new, own` those with the frame's own features.
    """
    keys = [model.key_frame(film.frame(0)[None]) for film in films]  # once, for all gaps
    lines = []
    for gap in gaps:
        new = torch.stack([film.flow(gap, 0)[1] for film in films])
        labels = torch.stack([film.labels(gap) for film in films])
        line = {"gap": gap, "new": 100 * float(new.double().mean())}
        frames = [film.frame(gap)[None] for film in films]
        own = [model(frame) for frame in frames]
        pairs = zip(frames, keys, strict=True)
        carried = [model.on_current_frame(*pair) for pair in pairs] if gap else own  # i == k: no propagation
        for source, maps in (("carried", carried), ("own", own)):
            found = torch.stack([model.task_network.decode(each, labels.shape[1:])[0] for each in maps])
            right = (found == labels).double()
            line[f"seen, {source}"] = 100 * float(right[~new].mean())
            line[f"new, {source}"] = 100 * float(right[new].mean())
        lines.append(line)
    return pandas.DataFrame(lines)


@styled
def new_region_errors(film: Film, model: DeepFeatureFlow, frame: int, key_frame: int) -> Picture:
    """Draw a key frame, a later frame with its new pixels darkened, and the later frame's wrong pixels."""
    wrong = recognize_frame(model, film, frame, key_frame) != film.labels(frame)
    new, picture = film.flow(frame, key_frame)[1], film.frame(frame)
    figure = Figure(figsize=(8.8, 1.75), layout="constrained")
    panels = {
        f"key frame {key_frame}": film.frame(key_frame),
        f"frame {frame}, what is new darkened": torch.where(new, picture // 4, picture),
        "wrong pixels": picture,
    }
    for axes, (title, shown) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        draw_result(axes, shown)
        axes.set_title(title)
    axes.imshow(np.where(wrong.numpy(), 1.0, np.nan), cmap="autumn", vmin=0, vmax=2, alpha=0.9)
    share, inside = float(new.float().mean()), float(wrong[new].float().mean())
    return Picture.of(
        figure,
        f"""Key frame {key_frame}; frame {frame}, with {100 * share:.0f}% of its pixels darkened, which the key frame
        does not show; and frame {frame} with the wrongly labelled pixels in colour: {100 * inside:.0f}% of the darkened
        pixels are among them.""",
        bits=5,
    )
