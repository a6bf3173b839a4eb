"""How fast the recipes' networks are on this machine: `python -m dffkit speed`, for Tables 4 and 5 and Figure 3.

With key frame duration l, l frames take the time of one key frame and of l - 1 others. The others are measured one by
one, as a live stream has them, and several at a time, as recorded video allows (`recognize`'s `look_ahead`): these
networks are so small that much of a frame's time does not depend on how many there are. Label maps and boxes are not
made of the maps.
"""

import argparse
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from dffkit import complexity
from dffkit.allocator import keep_freed_memory
from dffkit.datasets.toytown import WORLDS, Film
from dffkit.dff import DeepFeatureFlow
from dffkit.experiments import results
from dffkit.experiments.place import default_place
from dffkit.machine import describe
from dffkit.recipes import RECIPES
from dffkit.recipes.assembly import build
from dffkit.recipes.recipe import EXACT_FLOW, HAND_CRAFTED, NO_FLOW, Recipe
from dffkit.timing.stopwatch import milliseconds

TABLE = "speed.csv"
CURRENT, KEY = 19, 15  # frames of a street of val
TOGETHER = 9  # current frames at a time: all of a key frame's where l is 10


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
        key_ms, current_ms: milliseconds of a key frame, and of another frame on a live stream.
        together_ms: of another frame, where `TOGETHER` of them go through the networks together.
        key_gflop, current_gflop: the same, counted.
        ratio: Eq. 5's r; NaN, as the counts, for hand-crafted flow.
    """

    key_ms: float
    current_ms: float
    together_ms: float
    key_gflop: float
    current_gflop: float
    ratio: float

    def fps(self, duration: int, *, live: bool = True) -> float:
        """Frames a second at a key frame duration, of a live stream or of recorded video."""
        other = self.current_ms if live else self.together_ms
        return 1000 * duration / (self.key_ms + (duration - 1) * other)

    def gflop(self, duration: int) -> float:
        """The mean of a frame, counted."""
        return (self.key_gflop + (duration - 1) * self.current_gflop) / duration

    def eq7(self, duration: int) -> float:
        """Eq. 7's speedup over the same N_feat on every frame, by Eq. 5's r."""
        return complexity.speedup(duration, self.ratio) if self.ratio >= 0 else float("nan")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `speed`."""
    parser.add_argument("--repeats", type=int, default=9, metavar="N", help="of which the median counts (default: 9)")
    parser.add_argument("--threads", type=int, metavar="N", help="threads that compute (default: torch's)")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def main(arguments: argparse.Namespace) -> int:
    """Measure all recipes for Frame and DFF, and write them to data/results/speed.csv."""
    keep_freed_memory()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    chosen = [each for each in RECIPES.values() if not each.pretraining and each.flow != EXACT_FLOW]
    recipes = {Architecture.of(recipe): recipe for recipe in chosen}
    rows = measure(list(recipes.values()), repeats=arguments.repeats, device=arguments.device)
    machine = describe(arguments.device)
    results.write(default_place().results / TABLE, [row | machine for row in rows])
    print(f"{len(rows)} networks measured: data/results/{TABLE}")
    for row in rows:
        print(
            f"  {row['task']:12} {row['features']:10} {row['flow']:17} split {row['split']:2}  "
            f"key frame {row['key_ms']:7.1f} ms  other frame {row['current_ms']:7.1f} ms, "
            f"{row['together_ms']:7.1f} of {TOGETHER}"
        )
    return 0


def measure(recipes: Sequence[Recipe], *, repeats: int = 9, device: str = "cpu") -> list[dict[str, Any]]:
    """Rows with the architecture and the fields of `Speed`; times are medians.

    All take turns, so that a machine that slows down slows them all. Weights are random: they decide no time here.
    Nothing is counted for hand-crafted flow, whose work is not a network's: there it is NaN.
    """
    parts: dict[tuple[int, str], Callable[[], Any]] = {}
    models = [build(recipe).to(device).eval() for recipe in recipes]
    for number, (recipe, model) in enumerate(zip(recipes, models, strict=True)):
        parts |= {(number, name): part for name, part in _parts(recipe, model, device).items()}
    times: dict[tuple[int, str], list[float]] = {each: [] for each in parts}
    with torch.inference_mode():
        for repeat in tqdm(range(repeats + 1), desc="speed", unit="round"):  # the first warms up
            for each, part in parts.items():
                taken = milliseconds(part, device)
                if repeat:
                    times[each].append(taken)
    medians = {each: statistics.median(values) for each, values in times.items()}
    return [
        {
            **Architecture.of(recipe)._asdict(),
            "key_ms": round(medians[number, "key"], 3),
            "current_ms": round(medians[number, "current"], 3),
            # A hand-crafted method takes one pair after another, whoever asks.
            "together_ms": round(
                medians.get((number, "together"), TOGETHER * medians[number, "current"]) / TOGETHER, 3
            ),
            **_counted(recipe, model),
        }
        for number, (recipe, model) in enumerate(zip(recipes, models, strict=True))
    ]


def measured(folder: Path) -> dict[Architecture, Speed]:
    """The stored table in a folder, by architecture; nothing if there is none."""
    kinds = Architecture.__annotations__
    found = {}
    for row in results.read(folder / TABLE):
        values = (row[name] == "True" if kind is bool else kind(row[name]) for name, kind in kinds.items())
        found[Architecture(*values)] = Speed(*(float(row[name]) for name in Speed._fields))
    return found


def _parts(recipe: Recipe, model: DeepFeatureFlow, device: str) -> dict[str, Callable[[], Any]]:
    film = Film("val", 0, 30.0, WORLDS[recipe.task])
    current, key = (film.frame(index)[None].to(device) for index in (CURRENT, KEY))
    with torch.inference_mode():
        _, kept = model.on_key_frame(key)
    parts = {"key": lambda: model.on_key_frame(current), "current": lambda: model.on_current_frame(current, kept)}
    if recipe.flow not in HAND_CRAFTED:
        several = current.repeat(TOGETHER, 1, 1, 1)
        parts["together"] = lambda: model.on_current_frame(several, kept)
    return parts


def _counted(recipe: Recipe, model: DeepFeatureFlow) -> dict[str, float]:
    """FLOPs of a key frame and of another frame, in billions, and Eq. 5's r."""
    if recipe.flow in HAND_CRAFTED:
        return dict.fromkeys(("key_gflop", "current_gflop", "ratio"), float("nan"))
    costs = complexity.count_costs(model, recipe.size)
    key, current = costs.features + costs.task, costs.flow + costs.warp + costs.task
    ratio = complexity.cost_ratio(costs)
    return {"key_gflop": round(key / 1e9, 5), "current_gflop": round(current / 1e9, 5), "ratio": round(ratio, 5)}
