"""What this kit has for each claim of the paper, and the verdict on it: computed from data/results and the code."""

import csv
import functools
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from dffkit.experiments import results
from dffkit.experiments.results import TRAINING
from dffkit.experiments.runs import Run, in_order
from dffkit.experiments.sources import SIDES
from dffkit.networks.detection import RFCN
from dffkit.networks.features import FeatureNetwork
from dffkit.networks.flow import flownet
from dffkit.networks.segmentation import ScoreMaps
from dffkit.paper import all_statements, ledger
from dffkit.paper.claims import Claim
from dffkit.paper.settings import DRIVE, SETTINGS, find_setting
from dffkit.support.files import root
from dffkit.training import recipes
from dffkit.training.recipe import Recipe

NOT_RUN = "not run"
FILE = root() / "data" / "verdicts.csv"


class Finding(NamedTuple):
    """Ours beside a claim.

    Verdicts by kind: exact, by-construction and convention: "equal", "differs", "named" or "proved by a test". shape:
    "holds", "does not hold", "not resolved", "not reached" or "not run". scale-bound: "in small" (narrow networks, a
    rendered world), "other hardware" or "not run".
    """

    claim: str  # its id
    world: str  # "drive" or "films" if ours depends on a rendered world, else ""
    verdict: str
    ours: str = ""  # as text, with the interval in points and the number of trainings where it has them


def findings(wanted: Iterable[Claim]) -> list[Finding]:
    """Return what the kit has for some claims, in their order: a finding for each world that a claim is about."""
    _once.cache_clear()  # the tables of the last call, perhaps of other results
    return [finding for claim in wanted for finding in _find(claim)]


def settings_of(claim: Claim) -> list[str]:
    """Return the settings whose results a claim is about: those of its task that have its recipes; perhaps none."""
    if ":" not in claim.how and claim.how != "statement":
        return []
    own = (name for name, setting in SETTINGS.items() if setting.task == claim.of[0])
    return [name for name in own if set(claim.recipes) <= ledger.recipes_of(name).keys()]


def recipes_of(claim: Claim) -> list[Recipe]:
    """Return the recipes behind ours, in every world that has them."""
    return [find_setting(setting).recipe(name) for setting in settings_of(claim) for name in claim.recipes]


def printed(claim: Claim) -> str:
    """Return what the paper prints, as text: for an order, the difference of its numbers in points; "" if nothing."""
    if claim.how != "statement" or claim.paper is not None:
        return claim.words(claim.paper)
    points = all_statements.printed_difference(claim.of[1], claim.of[0])
    return "" if np.isnan(points) else f"{points:.1f}"


def trainings(claim: Claim) -> list[dict[str, str]]:
    """Return the stored trainings behind ours, and those that they started from: rows of training.csv, one a run."""
    runs = in_order([Run(recipe) for recipe in recipes_of(claim)])
    wanted = {run.recipe.hash for run in runs}
    rows = results.read_rows(ledger.folder() / TRAINING)
    return [row for row in rows if row["metric"] == "loss" and row["recipe_hash"] in wanted]


def command(claim: Claim) -> str:
    """Return the command that gets ours again, "" if there is none."""
    names = " ".join(recipe.name for recipe in recipes_of(claim))
    return claim.command.format(recipes=names, test=claim.test)


def stored() -> list[Finding]:
    """Return the findings that were last accepted (data/verdicts.csv); none if there is no file."""
    if not FILE.exists():
        return []
    with FILE.open(encoding="utf-8", newline="") as file:
        return [Finding(**row) for row in csv.DictReader(file)]


def turned(before: Iterable[Finding], now: Iterable[Finding]) -> list[str]:
    """Return a line for each verdict or number that is not as it was accepted."""
    was, found = ({each[:2]: each[2:] for each in side} for side in (before, now))
    lines = []
    for key in dict.fromkeys((*was, *found)):
        one, other = (" ".join(side.get(key, ("nothing",))).strip() for side in (was, found))
        if one != other:
            lines.append(f"{' '.join(key).strip()}: was {one}, is {other}")
    return lines


def _find(claim: Claim) -> list[Finding]:
    if claim.test:
        return [Finding(claim.id, "", "proved by a test")]
    if found := settings_of(claim):
        give = _statement if claim.how == "statement" else _in_small
        worlds = {setting: "drive" if setting in DRIVE else find_setting(setting).scenes for setting in found}
        return [Finding(claim.id, worlds[setting], *give(claim, setting)) for setting in found]
    if not claim.how:
        return [Finding(claim.id, "", NOT_RUN)]
    ours = (ledger.FUNCTIONS | FUNCTIONS)[claim.how](*claim.of)
    return [Finding(claim.id, "", _verdict(claim, ours), claim.words(ours))]


def _verdict(claim: Claim, ours: Any) -> str:
    if claim.kind == "scale-bound":
        return "other hardware"
    if claim.kind == "shape":
        return "holds" if ours < claim.limit else "does not hold"
    if claim.how == "named":
        return "named"
    printed = claim.authors if claim.paper is None else claim.paper
    near = claim.limit is not None and abs(ours - printed) <= claim.limit
    return "equal" if near or claim.words(ours) == claim.words(printed) else "differs"


def _in_small(claim: Claim, setting: str) -> tuple[str, ...]:
    """Return the verdict and ours from the table and column that the claim names, in a setting."""
    function, _, column = claim.how.partition(":")
    try:
        table = _once(pkgutil.resolve_name(f"dffkit.paper.{function}"), setting)
    except ValueError:  # a network of the text on Figure 3 is not scored or not measured
        return (NOT_RUN,)
    _, *row = claim.of
    lines = table[table.iloc[:, 0].isin(row)] if row and len(table) else table
    ours = lines[column].iloc[-1] if len(lines) else np.nan
    return (NOT_RUN,) if np.isnan(ours) else ("in small", claim.words(ours))


def _statement(claim: Claim, setting: str) -> tuple[str, ...]:
    """Return the verdict on an order in a setting, and its difference with interval and number of trainings."""
    line = _once(_statements, setting).get(claim.of[1])
    if line is None:
        return (NOT_RUN,)
    if np.isnan(line.get("difference", np.nan)):
        return (line["verdict"],)
    trainings = "1 training" if line["seeds"] == 1 else f"{line['seeds']:.0f} trainings"
    return line["verdict"], f"{line['difference']:.1f} ({line['low']:.1f} to {line['high']:.1f}), {trainings}"


def _statements(setting: str) -> dict[str, dict[str, Any]]:
    """Return the lines of `all_statements` by their text."""
    return {line["statement"]: line for line in all_statements.all_statements(setting).to_dict("records")}


@functools.cache
def _once(function: Callable, *arguments: Any) -> Any:
    return function(*arguments)


def _attribute(where: str, path: str = "", share: float = 1) -> Any:
    """Return an attribute of a built network, a recipe or "module:name", by a path of names, keys and indices."""
    value = _once(_networks).get(where) or (recipes.find(where) if "/" in where else pkgutil.resolve_name(where))
    for name in filter(None, path.split(".")):
        if isinstance(value, Mapping):
            value = value[name]
        else:
            value = value[int(name)] if name.isdecimal() else getattr(value, name)
    return value if share == 1 else value / share


def _networks() -> dict[str, torch.nn.Module]:
    """Return the paper's networks without memory for their weights."""
    with torch.device("meta"):
        parts = {"features": FeatureNetwork(101), "flow": flownet()}
        return parts | {"detection": RFCN(num_classes=30), "segmentation": ScoreMaps(num_classes=19)}


def _flow_side(data: str) -> int:
    """Return the shorter side of F's input, for frames of a data set as N_feat sees them."""
    frames = torch.zeros(1, 3, *SIDES[data], dtype=torch.uint8, device="meta")
    return min(_once(_networks)["flow"].prepare(frames).shape[2:])


def _step(name: str) -> int:
    recipe = recipes.find(name)
    return round(recipe.iterations * recipe.step_at)


def _named(where: str) -> str:
    pkgutil.resolve_name(where)
    return where


FUNCTIONS = {"attribute": _attribute, "flow_side": _flow_side, "step": _step, "named": _named}
