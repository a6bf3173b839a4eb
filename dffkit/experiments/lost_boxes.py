"""Which boxes Deep Feature Flow loses: found on the frame itself, and no longer from a key frame some frames earlier.

Mean average precision falls for many reasons at once. Here each box of a rendered film is followed by itself, and
counted by its size, its speed, and whether the key frame showed it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

from dffkit.datasets.snippets import MOTION_CLASSES, Snippet, motion_class
from dffkit.datasets.toytown import Film, Recording
from dffkit.datasets.toytown.statistics import HIDDEN, SHORT
from dffkit.dff import DeepFeatureFlow
from dffkit.scores.detection import OVERLAP
from dffkit.warp import CELL

OFFSET = 9  # i - k
CONFIDENT = 0.3  # score from which on a detection counts
SIZES, BEFORE = ("small", "large"), ("shown", "hidden", "new")


class Fate(NamedTuple):
    """What became of one box.

    Attributes:
        size, speed: one of `SIZES`, and one of `MOTION_CLASSES`, or "unknown" for a box that only one frame has.
        before: whether the key frame "shown" it, more than 30% of it was "hidden" there, or it is "new" since.
        found: on the frame itself.
        kept: found from the key frame, too.
    """

    size: str
    speed: str
    before: str
    found: bool
    kept: bool


@torch.inference_mode()
def fates(model: DeepFeatureFlow, snippet: Snippet, film: Film | Recording) -> Iterator[Fate]:
    """Yield the fate of every box of a snippet's annotated frames; `film` is the film that the snippet shows.

    Args:
        model: for detection, in eval mode.
        snippet: targets have "tracks" and "visible" as `Film.boxes` gives them.
        film: the same film; it knows the boxes of frames that are not annotated.
    """
    device = next(model.parameters()).device
    for index, target in snippet.targets.items():
        if index < OFFSET:
            continue
        current, key = (snippet.frames[i][None].to(device) for i in (index, index - OFFSET))
        size = tuple(current.shape[2:])
        maps = model.on_key_frame(current)[0], model.on_current_frame(current, model.key_frame(key))
        found, kept = (found_boxes(target, model.task_network.decode(each, size)[0], CONFIDENT) for each in maps)
        earlier = film.boxes(index - OFFSET)
        shown = dict(zip(earlier["tracks"].tolist(), earlier["visible"].tolist(), strict=True))
        sides = (target["boxes"][:, 2:] - target["boxes"][:, :2]).amin(1) / CELL
        speeds = (*MOTION_CLASSES, "unknown")
        for i, speed in enumerate(motion_class(snippet.motion[index]).tolist()):
            visible = shown.get(int(target["tracks"][i]))
            before = "new" if visible is None else "hidden" if visible < 1 - HIDDEN else "shown"
            yield Fate(
                SIZES[bool(sides[i] >= SHORT)], speeds[min(speed, 3)], before, bool(found[i]), bool(kept[i] & found[i])
            )  # fmt: skip


def lost(boxes: Iterable[Fate]) -> dict[str, tuple[float, int]]:
    """Return by group the share of found boxes that were not kept, and their number; groups without any are left out.

    Groups are "all", "small", "large", "slow", ..., "large slow", ..., and "shown", "hidden", "new".
    """
    found = [box for box in boxes if box.found]
    groups: dict[str, list[Fate]] = {}
    for box in found:
        for name in ("all", box.size, box.speed, f"{box.size} {box.speed}", box.before):
            groups.setdefault(name, []).append(box)
    return {name: (1 - sum(box.kept for box in each) / len(each), len(each)) for name, each in groups.items()}


def lost_boxes(
    model: DeepFeatureFlow, snippets: Sequence[Snippet], films: Iterable[Film | Recording]
) -> dict[str, tuple[float, int]]:
    """Return `lost` over all snippets, each with its film."""
    return lost(fate for snippet, film in zip(snippets, films, strict=True) for fate in fates(model, snippet, film))


def found_boxes(target: Mapping[str, Tensor], prediction: Mapping[str, Tensor], least: float) -> Tensor:
    """Mark the boxes of a target that a detection of their class, with `least` as score, overlaps enough, `(N,)`."""
    confident = prediction["scores"].cpu() >= least
    boxes, labels = prediction["boxes"].cpu()[confident].float(), prediction["labels"].cpu()[confident]
    met = (box_iou(target["boxes"], boxes) >= OVERLAP) & (target["labels"][:, None] == labels)
    return met.any(1)
