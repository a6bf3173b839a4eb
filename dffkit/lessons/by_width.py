"""Which boxes are lost by carrying features, the small or the large: notebook 06, on why Toytown loses more than the
paper.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas
import torch

from dffkit.datasets.toytown import FPS, WORLDS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.lessons.clip_pictures import is_found, recognise
from dffkit.warp import CELL

WIDTHS = {"up to 2 cells": (0, 2), "2 to 4 cells": (2, 4), "more than 4 cells": (4, np.inf)}


def street(number: int, split: str = "val") -> Film:
    """A street as the recipes for detection see it."""
    return Film(split, number, FPS["detection"], WORLDS["detection"])


def found_by_width(
    models: Mapping[str, DeepFeatureFlow], gap: int = 9, streets: int = 12, frames: Sequence[int] = (19, 24, 29)
) -> pandas.DataFrame:
    """How many of the true boxes are found, in percent, by their width: a line for each of `WIDTHS`.

    Columns: `boxes`, how many there are, and one for each model: with the features of the frame itself, if its name
    begins with "Frame", and else with those of the frame `gap` frames earlier.
    """
    widths, hits = [], {name: [] for name in models}
    for film in map(street, range(streets)):
        for index in frames:
            target = film.boxes(index)
            widths.append((target["boxes"][:, 2] - target["boxes"][:, 0]) / CELL)
            current, earlier = film.frame(index), film.frame(index - gap)
            for name, model in models.items():
                own = name.startswith("Frame")
                result = recognise(model, current, current if own else earlier, same=own)
                hits[name].append(is_found(result, target))
    width, lines = torch.cat(widths), []
    for low, high in WIDTHS.values():
        wide = (width > low) & (width <= high)
        shares = {name: 100 * float(torch.cat(each)[wide].float().mean()) for name, each in hits.items()}
        lines.append({"boxes": int(wide.sum()), **shares})
    return pandas.DataFrame(lines, index=list(WIDTHS))
