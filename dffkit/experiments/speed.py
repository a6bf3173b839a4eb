"""How fast the recipes' networks are on this machine: `python -m dffkit speed`, for Tables 4 and 5 and Figure 3.

With key frame duration l, l frames take the time of one key frame, of l - 1 others, and l times that of making a label
map or boxes of the maps. Frames come one by one, as on a live stream. These networks are so small that their results
take a good part of the time, most of all boxes, and time does not follow FLOPs; `python -m dffkit benchmark` measures
the paper's own size.
"""

import copy
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from dffkit import complexity
from dffkit.baselines import HAND_CRAFTED, NO_FLOW
from dffkit.datasets.toytown import WORLDS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import results
from dffkit.experiments.benchmark import milliseconds
from dffkit.training.assembly import build
from dffkit.training.recipe import Recipe

TABLE = "speed.csv"
CURRENT, KEY = 19, 15  # frames of a street of val


class Architecture(NamedTuple):
    """What of a recipe decides how fast its network is."""

    task: str
    features: str
    width: float
    flow: str
    flow_width: float
    scale: bool
    split: int
    shrink: int

    @classmethod
    def of(cls, recipe: Recipe) -> "Architecture":
        """The architecture of a recipe for Frame or DFF."""
        flow = (recipe.flow, recipe.flow_width, recipe.scale and recipe.flow not in (*HAND_CRAFTED, NO_FLOW))
        return cls(recipe.task, f"ResNet-{recipe.depth}", recipe.width, *flow, recipe.split, recipe.shrink)


class Speed(NamedTuple):
    """How fast a network is.

    Attributes:
        key_ms, current_ms: milliseconds of a key frame's maps, and of another frame's.
        decode_ms: of a label map or boxes from them.
        key_gflop, current_gflop: of the maps, counted.
        ratio: Eq. 5's r; NaN, as the counts, for hand-crafted flow.
    """

    key_ms: float
    current_ms: float
    decode_ms: float
    key_gflop: float
    current_gflop: float
    ratio: float

    def fps(self, duration: int) -> float:
        """Frames a second at a key frame duration, results included."""
        return 1000 * duration / (self.key_ms + (duration - 1) * self.current_ms + duration * self.decode_ms)

    def gflop(self, duration: int) -> float:
        """The mean of a frame, counted."""
        return (self.key_gflop + (duration - 1) * self.current_gflop) / duration

    def eq7(self, duration: int) -> float:
        """Eq. 7's speedup over the same N_feat on every frame, by Eq. 5's r."""
        return complexity.speedup(duration, self.ratio) if self.ratio >= 0 else float("nan")


def measure(
    recipes: Sequence[Recipe], trained: Mapping[str, DeepFeatureFlow], *, repeats: int = 9, device: str = "cpu"
) -> list[dict[str, Any]]:
    """Rows with the architecture and the fields of `Speed`; times are medians.

    All take turns, so that a machine that slows down slows them all. Weights are random, but for results, whose time
    depends on what is found: they are made of the maps of a `trained` network for each task. Whatever is the same
    computation in several networks, a key frame's or a result's, is one measurement, the median over all of them.
    Nothing is counted for hand-crafted flow, whose work is not a network's: there it is NaN.
    """
    parts: dict[tuple[int, str], Callable[[], Any]] = {}
    models = [build(recipe).to(device).eval() for recipe in recipes]
    for number, (recipe, model) in enumerate(zip(recipes, models, strict=True)):
        parts |= {(number, name): part for name, part in _parts(recipe, model, trained[recipe.task], device).items()}
    times: dict[tuple[int, str], list[float]] = {each: [] for each in parts}
    with torch.inference_mode():
        for repeat in tqdm(range(repeats + 1), desc="speed", unit="round"):  # the first warms up
            for each, part in parts.items():
                taken = milliseconds(part, device)
                if repeat:
                    times[each].append(taken)
    shared: dict[tuple, list[float]] = {}
    for (number, name), values in times.items():
        shared.setdefault(_same(recipes[number], name, number), []).extend(values)
    return [
        {
            **Architecture.of(recipe)._asdict(),
            **{
                f"{name}_ms": round(statistics.median(shared[_same(recipe, name, number)]), 3)
                for name in ("key", "current", "decode")
            },
            **_counted(recipe, model),
        }
        for number, (recipe, model) in enumerate(zip(recipes, models, strict=True))
    ]


def measured(folder: Path) -> dict[Architecture, Speed]:
    """The stored table in a folder, by architecture; nothing if there is none."""
    kinds = Architecture.__annotations__
    found = {}
    for row in results.read_rows(folder / TABLE):
        values = (row[name] == "True" if kind is bool else kind(row[name]) for name, kind in kinds.items())
        found[Architecture(*values)] = Speed(*(float(row[name]) for name in Speed._fields))
    return found


def _parts(
    recipe: Recipe, model: DeepFeatureFlow, trained: DeepFeatureFlow, device: str
) -> dict[str, Callable[[], Any]]:
    film = Film("val", 0, 30.0, WORLDS[recipe.task])
    current, key = (film.frame(index)[None].to(device) for index in (CURRENT, KEY))
    with torch.inference_mode():
        _, kept = model.on_key_frame(key)
        maps, _ = trained.on_key_frame(current[:, :, :: recipe.shrink, :: recipe.shrink])
    task_network = copy.deepcopy(model.task_network)
    task_network.load_state_dict(trained.task_network.state_dict())
    return {
        "key": lambda: model.on_key_frame(current),
        "current": lambda: model.on_current_frame(current, kept),
        "decode": lambda: task_network.decode(maps, tuple(current.shape[2:])),
    }


def _same(recipe: Recipe, part: str, number: int) -> tuple:
    """What decides how long a part takes: a key frame runs all layers of N, wherever they are split."""
    if part == "current":
        return part, number
    return (part, recipe.task, recipe.shrink) + ((recipe.depth, recipe.width) if part == "key" else ())


def _counted(recipe: Recipe, model: DeepFeatureFlow) -> dict[str, float]:
    """FLOPs of a key frame and of another frame, in billions, and Eq. 5's r."""
    if recipe.flow in HAND_CRAFTED:
        return dict.fromkeys(("key_gflop", "current_gflop", "ratio"), float("nan"))
    costs = complexity.count_costs(model, recipe.size)
    key, current = costs.features + costs.task, costs.flow + costs.warp + costs.task
    ratio = complexity.cost_ratio(costs)
    return {"key_gflop": round(key / 1e9, 5), "current_gflop": round(current / 1e9, 5), "ratio": round(ratio, 5)}
