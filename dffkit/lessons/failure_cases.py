"""Cases in which propagation fails: surfaces that the key frame does not show (notebooks 05 and 07)."""

from collections.abc import Sequence

import numpy as np
import pandas
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dffkit.datasets.toytown import Film
from dffkit.dff import DeepFeatureFlow
from dffkit.lessons.clip_pictures import compact_picture, draw_result, recognize_frame
from dffkit.lessons.explore import Picture
from dffkit.paper.style import styled


def newly_visible(film: Film, frame: int, key_frame: int) -> Tensor:
    """Return the pixels of a frame whose surface is hidden in the key frame or outside it, `(H, W)` bool."""
    return film.flow(frame, key_frame)[1]


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
        new = torch.stack([newly_visible(film, gap, 0) for film in films])
        line = {"gap": gap, "new": 100 * float(new.double().mean())}
        frames = [film.frame(gap)[None] for film in films]
        own = [model(frame) for frame in frames]
        pairs = zip(frames, keys, strict=True)
        carried = [model.on_current_frame(*pair) for pair in pairs] if gap else own  # i == k: no propagation
        for source, maps in (("carried", carried), ("own", own)):
            right = torch.stack([_right(model, film, gap, each) for film, each in zip(films, maps, strict=True)])
            line |= {
                f"seen, {source}": 100 * float(right[~new].mean()),
                f"new, {source}": 100 * float(right[new].mean()),
            }
        lines.append(line)
    return pandas.DataFrame(lines)


def _right(model: DeepFeatureFlow, film: Film, frame: int, maps: Tensor) -> Tensor:
    """Return 1 where the labels decoded from `maps` are the true labels of a frame, else 0: `(H, W)` float64."""
    labels = film.labels(frame)
    return (model.task_network.decode(maps, labels.shape)[0] == labels).double()


@styled
def new_region_errors(film: Film, model: DeepFeatureFlow, frame: int, key_frame: int) -> Picture:
    """Draw a key frame, a later frame with its new pixels darkened, and the later frame's wrong pixels."""
    result = recognize_frame(model, film.frame(frame), film.frame(key_frame), same=False)
    wrong, away = result != film.labels(frame), newly_visible(film, frame, key_frame)
    figure = Figure(figsize=(8.8, 1.75), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    draw_result(first, film.frame(key_frame))
    first.set_title(f"key frame {key_frame}")
    dark = torch.where(away, film.frame(frame) // 4, film.frame(frame))
    draw_result(second, dark)
    second.set_title(f"frame {frame}, what is new darkened")
    draw_result(third, film.frame(frame))
    third.imshow(np.where(wrong.numpy(), 1.0, np.nan), cmap="autumn", vmin=0, vmax=2, alpha=0.9)
    third.set_title("wrong pixels")
    share, inside = float(away.float().mean()), float(wrong[away].float().mean())
    return compact_picture(
        figure,
        f"""Key frame {key_frame}; frame {frame}, with {100 * share:.0f}% of its pixels darkened, which the key frame
        does not show; and frame {frame} with the wrongly labelled pixels in colour: {100 * inside:.0f}% of the darkened
        pixels are among them.""",
    )
