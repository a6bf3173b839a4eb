"""Recipes: everything that a training depends on, as data; and the identity of a measurement.

A recipe's hash changes whenever the recipe changes, or a recipe that it starts from.
"""

import dataclasses
from typing import Any, NamedTuple

from dffkit.baselines import EXACT_FLOW, HAND_CRAFTED, NO_FLOW
from dffkit.networks.flow import FLOW_NETWORKS
from dffkit.networks.precision import PRECISIONS
from dffkit.support.files import fingerprint

Options = tuple[tuple[str, Any], ...]  # keyword arguments as data

TASKS = ("segmentation", "detection")
JOBS = ("flow", "stills", "frames", "pairs", "aggregate")
PRETRAINING = ("flow", "stills")
SIZE = (192, 384)  # height and width of Toytown's frames
FEATURE_WIDTH = 5 / 32  # 160 channels at stride 16
# One width for all networks would change the cost ratio r: an eighth of the channels does not cost an eighth of the
# FLOPs, as the inputs keep three channels and the flow two. So each flow network has a width of its own, with which
# small pairs with ResNet-50 and with ResNet-101 keep Table 2's ratio within 10% at `SIZE`.
FLOW_WIDTHS = {"FlowNet": 0.135, "FlowNet Half": 0.114, "FlowNet Inception": 0.08}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """One training run without its seed. Never change a default: hashes leave out fields that have their default."""

    name: str  # not hashed; recipes that differ only in their names are the same
    # "flow" pre-trains F on sprites (Sec. 4.2); "stills" pre-trains N_feat on single frames, with one head for each of
    # `heads`, instead of ImageNet; "frames" trains per-frame recognition, Frame (Fig. 2a); "pairs" trains Deep Feature
    # Flow (Fig. 2b); "aggregate" trains flow-guided aggregation.
    job: str
    # (task, options of its network) for each task network; "frames", "pairs" and "aggregate" have one, "flow" none.
    heads: tuple[tuple[str, Options], ...] = ()
    # (part, recipe whose trained part it starts with); a part is one of "feature_network", "flow_network" and
    # "task_network". Parts that are not named start at random, by the seed.
    start: tuple[tuple[str, "Recipe"], ...] = ()
    freeze: tuple[str, ...] = ()  # beginnings of the names of parameters that are not trained, e.g. "flow_network"

    # Name of the data set, one of `sources.SOURCES`, or "module:function" for the user's own. "flow" takes sprites
    # unless a data set with exact flow is named.
    data: str = "toytown"
    data_options: Options = ()  # (name, value) of further options of the data set's source
    data_split: str = "train"  # the part of the data set to train on
    streets: int = 100  # number of streets in this part
    length: int = 30  # frames of each of these streets, for "frames" and "pairs"
    first_label: int = 0  # the first of these frames that has a label; those before it serve as key frames only
    size: tuple[int, int] = SIZE  # (H, W) of sprites, and of the frames that are cut out of real data sets to train on

    depth: int = 101  # of `FeatureNetwork`, as width, norm and layout
    width: float = FEATURE_WIDTH
    norm: str = "frozen"
    layout: str = "msra"
    weights: str = ""  # "imagenet" starts N_feat from torchvision's ImageNet weights
    shrink: int = 1  # frames are made smaller by this factor before N_feat; its features have 16 times that as stride
    # Name of F in `FLOW_NETWORKS`. Flow without width and scale field: one of `HAND_CRAFTED`, "exact" for the data
    # set's own flow, or "none" to copy features.
    flow: str = "FlowNet"
    flow_width: float = FLOW_WIDTHS["FlowNet"]
    small_stem: bool = False  # of `flownet_inception`
    scale: bool = True  # True if F has a scale field; False if features are only warped (S = 1)
    scale_bias: str = "trained"  # or "frozen" at 1
    split: int = 1  # layers after the propagation (Table 5)

    iterations: int = 10000  # T
    batch: int = 8  # frames (or pairs) in each iteration
    optimiser: str = "sgd"  # with momentum 0.9, as in the paper, or "adamw"
    lr: float = 0.01  # at the start
    weight_decay: float = 5e-4  # of layers' weights; biases and normalisation do not decay, as in MXNet
    # (beginning of parameter names, factor on the learning rate); the first that fits counts.
    lr_factors: tuple[tuple[str, float], ...] = ()
    # "step" divides the learning rate by 10 after `step_at` of the iterations, as the paper does after 2/3 on ImageNet
    # VID and 3/4 on Cityscapes; "cosine" lets it fall to 0.
    schedule: str = "step"
    step_at: float = 2 / 3
    warm_up: int = 0  # iterations over which the learning rate rises linearly
    clip: float = 0.0  # largest norm of the whole gradient; 0 for no limit
    # Or "bfloat16" for mixed precision: that of trainings before the device chose it (`networks.precision`), and so of
    # rows and checkpoints that name none.
    precision: str = "float32"
    max_offset: int = 9  # of `Pairs`, as label_interval and flip
    label_interval: int = 1
    flip: bool = True
    neighbours: int = 2  # of each frame, within max_offset frames, for "aggregate"
    weighting: str = "cosine"  # for "aggregate": an embedding weighs the frames; or "equal"
    mirrors: int = 1  # copies of each pair of sprites that are trained on, 1 (as it is) to 4 (mirrored along both axes)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # JSON knows no tuples, and a recipe within a recipe comes as a mapping
            object.__setattr__(self, field.name, _from_json(getattr(self, field.name)))
        choices = {
            "job": JOBS,
            "flow": (*FLOW_NETWORKS, *HAND_CRAFTED, EXACT_FLOW, NO_FLOW),
            "optimiser": ("sgd", "adamw"),
            "schedule": ("step", "cosine"),
            "precision": tuple(PRECISIONS),
            "norm": ("frozen", "trained"),
            "scale_bias": ("trained", "frozen"),
            "layout": ("msra", "torchvision"),
            "weights": ("", "imagenet"),
            "weighting": ("cosine", "equal"),
        }
        for field, allowed in choices.items():
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field}: expected one of {list(allowed)}, got {getattr(self, field)!r}")
        if any(task not in TASKS for task, _ in self.heads):
            raise ValueError(f"heads: expected tasks of {list(TASKS)}, got {[task for task, _ in self.heads]}")
        heads = {"flow": 0, "frames": 1, "pairs": 1, "aggregate": 1}.get(self.job, len(self.heads))
        if len(self.heads) != heads or (self.job == "stills" and not heads):
            raise ValueError(f"heads: expected {heads or 'some'} for job {self.job!r}, got {len(self.heads)}")
        if not 1 <= self.mirrors <= 4:
            raise ValueError(f"mirrors: expected 1 to 4, got {self.mirrors}")
        if not 0 <= self.first_label < self.length:
            raise ValueError(f"first_label: expected 0 to {self.length - 1}, as length says, got {self.first_label}")
        if self.job == "aggregate" and not 1 <= self.neighbours <= 2 * self.max_offset + 1:
            most = 2 * self.max_offset + 1
            raise ValueError(f"neighbours: expected 1 to {most}, as max_offset says, got {self.neighbours}")
        if self.iterations < 0 or self.batch < 1:
            raise ValueError(f"iterations, batch: expected at least 0 and 1, got {self.iterations} and {self.batch}")

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits of all fields but the name, and of the recipes that this one starts from."""
        changed = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in ("name", "start") and value != field.default:
                changed[field.name] = value
        changed["start"] = {part: recipe.hash for part, recipe in self.start}
        return fingerprint(changed)

    @property
    def task(self) -> str:
        """Task of the first head; "" without heads."""
        return self.heads[0][0] if self.heads else ""

    @property
    def pretraining(self) -> bool:
        """True if its run of seed 0 serves every seed of the recipes that start from it, as ImageNet's weights do."""
        return self.job in PRETRAINING

    def describe(self) -> str:
        """Return one line that describes the recipe to a reader."""
        flow = f"{self.flow} x {self.flow_width:g}" if self.flow_width else f"flow: {self.flow}"
        networks = f"ResNet-{self.depth} x {self.width:g}, {flow}"
        starts = ", ".join(f"{part} from {recipe.name}" for part, recipe in self.start) or "from nothing"
        return (
            f"{self.name} ({self.hash}): {self.job}, {networks}, {starts}; {self.iterations} iterations of "
            f"{self.batch}, {self.optimiser} {self.lr:g} {self.schedule}"
        )


class Measurement(NamedTuple):
    """Identity of a measurement: a new value replaces an old one only if their identities are equal."""

    recipe_hash: str  # `Recipe.hash` of the recipe that the weights were trained by
    seed: int  # seed of that training
    data_version: str  # hexadecimal digits that change when the data set's frames or targets change
    split: str  # the part of the data set that was trained or scored on


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return Recipe(**value)
    return tuple(_from_json(item) for item in value) if isinstance(value, list | tuple) else value


def options(**values: Any) -> Options:
    """Return keyword arguments as data, in one order."""
    return tuple(sorted(values.items()))
