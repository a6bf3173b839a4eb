"""Speed of the recipes' networks on this machine: `python -m dffkit speed`, for Tables 4 and 5 and Figure 3.

With key frame duration l, l frames take the time of one key frame, of l - 1 other frames, and l times that of decoding
the maps to a label map or boxes. Frames come one by one, as on a live stream. These networks are so small that decoding
takes a good part of the time, most of all of boxes, and time does not follow FLOPs; `python -m dffkit benchmark`
measures networks of the paper's size.
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
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import results
from dffkit.experiments.benchmark import times_in_turns
from dffkit.experiments.rendered import films
from dffkit.networks.precision import PRECISIONS, autocast, in_lower_precision
from dffkit.training.assembly import build
from dffkit.training.recipe import Recipe

TABLE = "speed.csv"
CURRENT, KEY = 19, 15  # indices of the measured frames in a film of val


class Architecture(NamedTuple):
    """The settings of a recipe that determine the speed of its network.

    `data` is the name of the rendered world: together with `task` it determines the frames and the head.
    """

    data: str
    task: str
    features: str
    width: float
    flow: str
    flow_width: float
    small_stem: bool
    scale: bool
    split: int
    shrink: int

    @classmethod
    def of(cls, recipe: Recipe) -> "Architecture":
        """Return the architecture of a recipe for Frame or DFF."""
        features = (f"ResNet-{recipe.depth}", recipe.width)
        scale = recipe.scale and recipe.flow not in (*HAND_CRAFTED, NO_FLOW)
        flow = (recipe.flow, recipe.flow_width, recipe.small_stem, scale)
        return cls(recipe.data, recipe.task, *features, *flow, recipe.split, recipe.shrink)


class Speed(NamedTuple):
    """Times in milliseconds and counts of a network; counts are NaN for hand-crafted flow."""

    key_ms: float  # for the maps of a key frame
    current_ms: float  # for the maps of another frame
    decode_ms: float  # for decoding the maps to a label map or boxes
    key_gflop: float  # counted operations for the maps, in billions
    current_gflop: float
    ratio: float  # Eq. 5's r

    def fps(self, duration: int) -> float:
        """Return the frames per second at a key frame duration, with decoding."""
        return 1000 * duration / (self.key_ms + (duration - 1) * self.current_ms + duration * self.decode_ms)

    def gflop(self, duration: int) -> float:
        """Return the mean of the counted operations per frame, in billions."""
        return (self.key_gflop + (duration - 1) * self.current_gflop) / duration

    def eq7(self, duration: int) -> float:
        """Return Eq. 7's speedup over the same N_feat on every frame, with Eq. 5's r; NaN where r is."""
        return complexity.speedup(duration, self.ratio) if self.ratio >= 0 else float("nan")


def measure(
    recipes: Sequence[Recipe],
    trained: Mapping[tuple[str, str], DeepFeatureFlow],
    repeats: int,
    device: str,
    precision: str,
) -> list[dict[str, Any]]:
    """Measure the networks of recipes; return rows with the fields of `Architecture` and `Speed`, and the precision.

    Weights are random, but decoding, whose time depends on what is found, gets the maps of a `trained` network. A
    computation that several networks share, as a key frame or decoding, is one measurement, the median over all of
    them. The operations of hand-crafted flow are not counted: there `key_gflop`, `current_gflop` and `ratio` are NaN.

    Args:
        recipes: recipes for Frame or DFF.
        trained: a trained network for each world and task, as `Recipe.data` and `Recipe.task`.
        repeats, device: of `times_in_turns`.
        precision: "float32", or "bfloat16" for mixed precision.
    """
    models, parts = {}, {}
    for recipe in tqdm(recipes, desc="build", unit="network"):
        models[recipe] = model = build(recipe).to(device).eval()
        made = _parts(recipe, model, trained[recipe.data, recipe.task], device, precision)
        parts |= {(recipe, name): part for name, part in made.items()}
    with torch.inference_mode():
        times = times_in_turns(parts, device, repeats, progress=True)
    shared: dict[tuple, list[float]] = {}
    for measurement, values in times.items():
        shared.setdefault(_same(*measurement), []).extend(values)
    rows = []
    for recipe, model in models.items():
        times = {part: shared[_same(recipe, part)] for part in ("key", "current", "decode")}
        medians = {f"{part}_ms": round(statistics.median(each), 3) for part, each in times.items()}
        rows.append(Architecture.of(recipe)._asdict() | medians | _counted(recipe, model) | {"precision": precision})
    return rows


def measured(folder: Path) -> dict[Architecture, Speed]:
    """Return the stored speeds of a results folder, by architecture; empty if there is no table."""
    kinds = Architecture.__annotations__
    found = {}
    for row in results.read_rows(folder / TABLE):
        values = (row[name] == "True" if kind is bool else kind(row[name]) for name, kind in kinds.items())
        found[Architecture(*values)] = Speed(*(float(row[name]) for name in Speed._fields))
    return found


def _parts(
    recipe: Recipe, model: DeepFeatureFlow, trained: DeepFeatureFlow, device: str, precision: str
) -> dict[str, Callable[[], Any]]:
    film = next(films(recipe, "val", 1))
    current, key = (film.frame(index)[None].to(device) for index in (CURRENT, KEY))
    model, mixed = in_lower_precision(model, PRECISIONS[precision]), autocast(precision, device)
    with torch.inference_mode(), mixed:
        _, kept = model.on_key_frame(key)
        maps, _ = trained.on_key_frame(current[:, :, :: recipe.shrink, :: recipe.shrink])
    task_network = copy.deepcopy(model.task_network)
    task_network.load_state_dict(trained.task_network.state_dict())
    return {
        "key": mixed(lambda: model.on_key_frame(current)),
        "current": mixed(lambda: model.on_current_frame(current, kept)),
        "decode": lambda: task_network.decode(maps, tuple(current.shape[2:])),
    }


def _same(recipe: Recipe, part: str) -> tuple:
    """Return a key that is the same for equal computations: a key frame runs all layers of N at any split point."""
    if part == "current":
        return part, recipe
    return (part, recipe.data, recipe.task, recipe.shrink) + ((recipe.depth, recipe.width) if part == "key" else ())


def _counted(recipe: Recipe, model: DeepFeatureFlow) -> dict[str, float]:
    """Return the FLOPs of a key frame and of another frame, in billions, and Eq. 5's r."""
    if recipe.flow in HAND_CRAFTED:
        return dict.fromkeys(("key_gflop", "current_gflop", "ratio"), float("nan"))
    costs = complexity.count_costs(model, recipe.size)
    key, current = costs.features + costs.task, costs.flow + costs.warp + costs.task
    ratio = complexity.cost_ratio(costs)
    return {"key_gflop": round(key / 1e9, 5), "current_gflop": round(current / 1e9, 5), "ratio": round(ratio, 5)}
