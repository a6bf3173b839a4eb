"""Recipes: everything that a training run depends on, as data. A run is a recipe, a seed and a world, nothing else.

`RECIPES` holds them by name. `build` makes the untrained network of a recipe. What a run gives is found by the recipe's
hash, which changes whenever the recipe, or one that it starts from, does.
"""

import dataclasses
import difflib
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dffkit.dff import DeepFeatureFlow, split_points
from dffkit.fingerprint import fingerprint
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.networks.no_flow import NoFlow
from dffkit.networks.segmentation import ScoreMaps
from dffkit.widths import FEATURE_WIDTH, SIZE, flow_width

Options = tuple[tuple[str, Any], ...]  # keyword arguments as data

JOBS = ("flow", "stills", "frames", "pairs")
PRETRAINING = ("flow", "stills")
TASKS = {"segmentation": ScoreMaps, "detection": RFCN}
NO_FLOW = "none"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One training run, but for its seed. Never change a default: hashes leave out fields that have theirs.

    Attributes:
        name: free; two recipes that differ in nothing else are the same.
        job: "flow" pre-trains F on sprites (Sec. 4.2); "stills" pre-trains N_feat on single frames, with one head for
            each of `heads`, in ImageNet's stead; "frames" trains per-frame recognition, Frame (Fig. 2a); "pairs"
            trains Deep Feature Flow (Fig. 2b).
        heads: (task, options of its network) for each task network; "frames" and "pairs" have one, "flow" none.
        start: (part, recipe whose trained part it starts with); a part is one of "feature_network", "flow_network"
            and "task_network". What is not named starts at random, by the seed.
        freeze: what is not trained: beginnings of parameter names, e.g. "flow_network".
        data: name of the data set. "flow" always takes sprites, of `size` (H, W).
        data_split, streets: the data set's part to train on, and how many streets of it.
        length, first_label: frames of each of these streets, and the first that has a label; those before it serve as
            key frames alone. For "frames" and "pairs".
        depth, width, norm: of `FeatureNetwork`.
        flow, flow_width: name in `FLOW_NETWORKS` and width of F, or "none": propagated features are copied.
        scale: whether F has a scale field; None for features that are only warped (S = 1).
        scale_bias: "trained", or "frozen" at 1.
        split: layers after the propagation (Table 5).
        iterations, batch: T, and frames (or pairs) in each.
        optimiser: "sgd" with momentum 0.9, as the paper, or "adamw".
        lr, weight_decay: at the start; weights of layers decay, biases and normalisation do not, as in MXNet.
        lr_factors: (beginning of parameter names, factor on the learning rate); the first that fits counts.
        schedule: "step" divides the learning rate by 10 after 2/3 of the iterations, as the paper; "cosine" to 0.
        warm_up: iterations over which the learning rate rises linearly.
        clip: largest norm of the whole gradient; 0 for no limit.
        precision: "float32", or "bfloat16" for mixed precision.
        max_offset, label_interval, flip: of `Pairs`.
        mirrors: of each pair of sprites, 1 (as it is) to 4 are trained on.
    """

    name: str
    job: str
    heads: tuple[tuple[str, Options], ...] = ()
    start: tuple[tuple[str, "Recipe"], ...] = ()
    freeze: tuple[str, ...] = ()
    data: str = "toytown"
    data_split: str = "train"
    streets: int = 100
    size: tuple[int, int] = SIZE
    depth: int = 101
    width: float = FEATURE_WIDTH
    norm: str = "frozen"
    flow: str = "FlowNet"
    flow_width: float = flow_width("FlowNet")
    scale: bool = True
    scale_bias: str = "trained"
    split: int = 1
    iterations: int = 10000
    batch: int = 8
    optimiser: str = "sgd"
    lr: float = 0.01
    weight_decay: float = 5e-4
    lr_factors: tuple[tuple[str, float], ...] = ()
    schedule: str = "step"
    warm_up: int = 0
    clip: float = 0.0
    precision: str = "float32"
    max_offset: int = 9
    label_interval: int = 1
    flip: bool = True
    mirrors: int = 1
    length: int = 30
    first_label: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # JSON knows no tuples, and a recipe within a recipe comes as a mapping
            object.__setattr__(self, field.name, _from_json(getattr(self, field.name)))
        choices = {
            "job": JOBS,
            "flow": (*FLOW_NETWORKS, NO_FLOW),
            "optimiser": ("sgd", "adamw"),
            "schedule": ("step", "cosine"),
            "precision": ("float32", "bfloat16"),
            "norm": ("frozen", "trained"),
            "scale_bias": ("trained", "frozen"),
        }
        for field, allowed in choices.items():
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field}: expected one of {list(allowed)}, got {getattr(self, field)!r}")
        if any(task not in TASKS for task, _ in self.heads):
            raise ValueError(f"heads: expected tasks of {list(TASKS)}, got {[task for task, _ in self.heads]}")
        heads = {"flow": 0, "frames": 1, "pairs": 1}.get(self.job, len(self.heads))
        if len(self.heads) != heads or (self.job == "stills" and not heads):
            raise ValueError(f"heads: expected {heads or 'some'} for job {self.job!r}, got {len(self.heads)}")
        if not 1 <= self.mirrors <= 4:
            raise ValueError(f"mirrors: expected 1 to 4, got {self.mirrors}")
        if not 0 <= self.first_label < self.length:
            raise ValueError(f"first_label: expected 0 to {self.length - 1}, as length says, got {self.first_label}")
        if self.iterations < 0 or self.batch < 1:
            raise ValueError(f"iterations, batch: expected at least 0 and 1, got {self.iterations} and {self.batch}")

    @property
    def hash(self) -> str:
        """Twelve hex digits of everything but the name; of the recipes it starts from as well."""
        changed = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in ("name", "start") and value != field.default:
                changed[field.name] = value
        changed["start"] = {part: recipe.hash for part, recipe in self.start}
        return fingerprint(changed)

    @property
    def task(self) -> str:
        """The first head's task; "" without heads."""
        return self.heads[0][0] if self.heads else ""

    @property
    def pretraining(self) -> bool:
        """Whether one run, of seed 0, serves the recipes that start from it whatever their seed, as ImageNet's does."""
        return self.job in PRETRAINING

    def start_seed(self, part: str, seed: int) -> int:
        """The seed of the run that gives `part` to the run with `seed`."""
        return 0 if dict(self.start)[part].pretraining else seed

    def describe(self) -> str:
        """A line for people."""
        networks = f"ResNet-{self.depth} x {self.width:g}, {self.flow} x {self.flow_width:g}"
        starts = ", ".join(f"{part} from {recipe.name}" for part, recipe in self.start) or "from nothing"
        return (
            f"{self.name} ({self.hash}): {self.job}, {networks}, {starts}; {self.iterations} iterations of "
            f"{self.batch}, {self.optimiser} {self.lr:g} {self.schedule}, {self.precision}"
        )


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return Recipe(**value)
    return tuple(_from_json(item) for item in value) if isinstance(value, list | tuple) else value


class Stills(nn.Module):
    """One N_feat with several task networks side by side: what is pre-trained on single frames."""

    def __init__(self, feature_network: nn.Module, heads: dict[str, nn.Module]) -> None:
        super().__init__()
        self.feature_network, self.heads = feature_network, nn.ModuleDict(heads)

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Frames `(B, 3, H, W)` uint8 -> each head's maps."""
        features = self.feature_network(frames)
        return {task: head(features) for task, head in self.heads.items()}


def build(recipe: Recipe, seed: int = 0) -> nn.Module:
    """The untrained network, on the CPU, in training mode: a `DeepFeatureFlow`, `Stills`, or a dict with F alone.

    Each part's random weights depend on the seed and on the part's name only: runs with the same seed start from the
    same task network, whatever else they differ in.
    """
    if recipe.job == "flow":
        # F is pre-trained without S, which is added as ones later: so one F serves features of any width.
        return nn.ModuleDict({"flow_network": _seeded(seed, "flow_network", partial(_flow, recipe, None))})
    make_features = partial(FeatureNetwork, recipe.depth, width=recipe.width, norm=recipe.norm)
    features = _seeded(seed, "feature_network", make_features)
    heads = {
        task: _seeded(seed, task, partial(TASKS[task], in_channels=features.channels, **dict(settings)))
        for task, settings in recipe.heads
    }
    if recipe.job == "stills":
        return Stills(features, heads)
    (head,) = heads.values()
    channels = head.out_channels if recipe.split == 0 else split_points(features).get(recipe.split, (0, 1))[1]
    flow = _seeded(seed, "flow_network", partial(_flow, recipe, channels))
    return DeepFeatureFlow(features, flow, head, split=recipe.split)


def _flow(recipe: Recipe, channels: int | None) -> nn.Module:
    if recipe.flow == NO_FLOW:
        return NoFlow()
    return FLOW_NETWORKS[recipe.flow](
        width=recipe.flow_width,
        scale_channels=channels if recipe.scale else None,
        freeze_scale_bias=recipe.scale_bias == "frozen",
    )


def _seeded(seed: int, part: str, make: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(zlib.crc32(f"{seed}/{part}".encode()))
        return make()


def load_part(module: nn.Module, part: str, state: dict[str, Tensor]) -> None:
    """Fill one part of a network from the state of a whole trained network that has a part of this name.

    F pre-trained alone has no scale field: then S keeps its ones. A scale field that the part does not have is left
    out.

    Raises:
        ValueError: if the part's weights are not those of this network.
    """
    target = getattr(module, part) if not isinstance(module, nn.ModuleDict) else module[part]
    weights = {name.removeprefix(f"{part}."): w for name, w in state.items() if name.startswith(f"{part}.")}
    own = target.state_dict()
    weights = {name: w for name, w in weights.items() if name in own or not name.startswith("scale.")}
    missing = {name for name in own if name not in weights and not name.startswith("scale.")}
    unexpected = {name for name in weights if name not in own}
    other = {name for name in weights.keys() & own.keys() if weights[name].shape != own[name].shape}
    if missing or unexpected or other:
        wrong = sorted(missing | unexpected | other)
        raise ValueError(f"start: expected the weights of this {part}, got others: {', '.join(wrong[:3])} ...")
    target.load_state_dict(weights, strict=False)


def find(name: str) -> Recipe:
    """The recipe of this name.

    Raises:
        ValueError: naming the closest ones, if there is none.
    """
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=3, cutoff=0.4) or list(RECIPES)
        raise ValueError(f"recipe: no {name!r}; did you mean {' or '.join(close)}?")
    return RECIPES[name]


def options(**values: Any) -> Options:
    """Keyword arguments as data, in one order."""
    return tuple(sorted(values.items()))


SEGMENTATION = ("segmentation", options(num_classes=10))
# Boxes are 10 to 150 pixels wide. 20 shapes at 2 x 2 positions in a cell have an anchor of IoU 0.5 for 95% of them;
# at one position, as in the paper, it is 73%, as a person is narrower than a cell. k = 3: a bin for 3 pixels or more.
DETECTION = (
    "detection",
    options(
        num_classes=4, bins=3, anchor_scales=(1, 1.5, 2, 4, 8), anchor_ratios=(0.5, 1, 2, 3), anchor_positions=2,
        proposals=150, pre_nms=2000,
    ),
)  # fmt: skip
# While N_feat is pre-trained, a head with fewer anchors is enough: it is thrown away.
DETECTION_IN_PRETRAINING = (
    "detection",
    options(num_classes=4, bins=3, anchor_scales=(1, 2, 4, 8), anchor_ratios=(0.5, 1, 2), proposals=100, pre_nms=1000),
)
HEADS = dict((SEGMENTATION, DETECTION))


def _flow_recipe(flow: str, **changes: Any) -> Recipe:
    fields = {"flow": flow, "flow_width": flow_width(flow), "iterations": 30000, "batch": 8, "mirrors": 4}
    fields |= {"optimiser": "adamw", "lr": 1e-3, "schedule": "cosine", "warm_up": 200, "clip": 1.0}
    fields |= {"precision": "bfloat16"}
    return Recipe("toytown/flow", "flow", **(fields | changes))


def _stills_recipe(depth: int, **changes: Any) -> Recipe:
    fields = {"depth": depth, "norm": "trained", "flow": NO_FLOW, "flow_width": 0, "iterations": 8000, "batch": 8}
    fields |= {"data_split": "stills", "streets": 1000, "precision": "bfloat16"}
    fields |= {"optimiser": "adamw", "lr": 1.5e-3, "schedule": "cosine", "warm_up": 200, "clip": 10.0}
    return Recipe("toytown/stills", "stills", (SEGMENTATION, DETECTION_IN_PRETRAINING), **(fields | changes))


def _recognition(name: str, task: str, stills: Recipe, flow: Recipe | None, **changes: Any) -> Recipe:
    """Frame (without `flow`) or DFF: the same start, the same T, the same settings."""
    fields = {"job": "pairs" if flow else "frames", "heads": ((task, HEADS[task]),), "depth": stills.depth}
    fields |= {"start": (("feature_network", stills), *((("flow_network", flow),) if flow else ()))}
    fields |= {"flow": flow.flow if flow else NO_FLOW, "flow_width": flow.flow_width if flow else 0}
    # Of many streets three frames each, as Cityscapes labels one in a snippet: objects vary more than frames do.
    fields |= {"iterations": 4000, "batch": 8, "streets": 600, "length": 12, "first_label": 9}
    fields |= {"freeze": ("feature_network.conv1", "feature_network.layer1")}  # the first two stages, as the authors
    fields |= {"optimiser": "adamw", "lr": 5e-4, "schedule": "cosine", "warm_up": 100, "clip": 10.0}
    fields |= {"precision": "bfloat16"}
    return Recipe(f"toytown/{task}/{name}", **(fields | changes))


def _all() -> dict[str, Recipe]:
    flow, stills = _flow_recipe("FlowNet"), _stills_recipe(101)
    recipes = [flow, stills]
    for task in HEADS:
        recipes += [_recognition("frame", task, stills, None), _recognition("dff", task, stills, flow)]
    return {recipe.name: recipe for recipe in recipes}


RECIPES = _all()
