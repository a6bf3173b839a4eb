"""Model cards: what each shipped model is, how it was trained and what it scores, from the manifest and stored rows."""

import re
from collections.abc import Mapping

from dffkit import weights
from dffkit.experiments import sources
from dffkit.experiments.scoring import METRIC, TABLE_4
from dffkit.paper import ledger
from dffkit.paper.style import METRICS
from dffkit.paper.tables import AT, markdown_table
from dffkit.scores.differences import mean_score
from dffkit.support.files import root
from dffkit.training.recipe import Recipe

JOBS = {"flow": "*F* alone", "stills": "*N_feat* with heads", "frames": "Frame", "pairs": "Deep Feature Flow"}
JOBS |= {"aggregate": "flow-guided aggregation"}
SCENES = {"toytown": "streets", "handheld": "films"}
CARD = """
### {name}

- **What:** {what}: {networks}; {millions:.2f} million parameters. {classes}
- **Trained on** {data}: {recipe.iterations:,} iterations of {recipe.batch}, from {start}.{frozen}
- **Score** on {score}.
- **Shipped** {date}, scored at commit {commit}; recipe {recipe_hash}, seed {seed}; {size}; {licence}.
- **Load:** `dffkit.weights.load("{name}")`
- **Train again:** `python -m dffkit train {name}`
"""


def markdown() -> str:
    """Return a table with a line for each shipped model, and the cards below it."""
    licence = f"[{(root() / 'LICENSE').read_text(encoding='utf-8').splitlines()[0]}](../../LICENSE)"
    lines, cards = [["model", "what", "data", "score", "size"]], []
    for name, listed in weights.models().items():
        about = weights.entry(name)
        recipe = Recipe(**about.pop("recipe"))
        short, score = _scores(recipe, about["seed"], listed["scores"])
        what = ", ".join(filter(None, (JOBS[recipe.job], " and ".join(listed["tasks"]))))
        size = f"{listed['bytes'] / 1e6:.1f} MB"
        lines.append([f"[{name}](#{re.sub(r'[^a-z0-9_-]', '', name)})", what, recipe.data, short, size])
        about |= _training(recipe) | {"what": what, "score": score, "size": size, "licence": licence}
        cards.append(CARD.format(name=name, recipe=recipe, millions=about["parameters"] / 1e6, **about))
    return (markdown_table(lines) + "\n" + "".join(cards)).replace("@", AT)


def _training(recipe: Recipe) -> dict[str, str]:
    """Return a recipe's networks, classes, data, starts and frozen parameters in words."""
    networks = [] if recipe.job == "flow" else [f"ResNet-{recipe.depth} at width {recipe.width:.3g}"]
    if recipe.job in ("flow", "pairs", "aggregate"):
        networks.append(f"{recipe.flow} at width {recipe.flow_width:.3g}{'' if recipe.scale else ', S = 1'}")
    classes = ", ".join(sources.names(recipe))
    scenes = f"{recipe.streets:,} {SCENES[recipe.data]}, " if recipe.data in SCENES else ""
    part = "sprites" if recipe.job == "flow" else f"{scenes}split `{recipe.data_split}`"
    return {
        "networks": " and ".join(networks),
        "classes": f"Classes: {classes}." if classes else "It serves to start from.",
        "data": f"{part} of `{recipe.data}`",
        "start": ", ".join(f"`{part}` of {start.name}" for part, start in recipe.start) or "random weights",
        "frozen": f" Frozen: {', '.join(f'`{each}`' for each in recipe.freeze)}." if recipe.freeze else "",
    }


def _scores(recipe: Recipe, seed: int, on_val: Mapping[str, float]) -> tuple[str, str]:
    """Return the scores in short, and in full with split, intervals and trainings; those on val if none is on test."""
    durations = () if recipe.pretraining else (1, TABLE_4[recipe.task])
    runs = {each: found for each in durations if (found := ledger.replicates_by_seed(recipe, each))}
    if not runs:
        short = ", ".join(filter(None, (_on_val(*each) for each in on_val.items())))
        return (f"{short} (val)", f"val: {short}; one training") if short else ("-", "val: none is stored")
    means = {duration: mean_score(found) for duration, found in runs.items()}
    short, full = (
        f"{METRICS[recipe.task]} " + ", ".join(form.format(each, **mean.points()) for each, mean in means.items())
        for form in ("{difference:.1f}% at *l* = {}", "{difference:.1f}% ({low:.1f} to {high:.1f}) at *l* = {}")
    )
    if any(mean.low == mean.high for mean in means.values()):
        return short, f"test: {short}; one training, and no interval, as this is one video"
    if (trainings := max(mean.seeds for mean in means.values())) == 1:
        return short, f"test: {full}; one training"
    own = " and ".join(f"{100 * found[seed].value:.1f}%" for found in runs.values() if seed in found)
    return short, f"test: {full}; means of {trainings} trainings, this one {own}"


def _on_val(score: str, value: float) -> str:
    """Return an overall score of the manifest in words, "" for others: "mAP@1" by duration, "EPE sprites all"."""
    metric, _, duration = score.partition("@")
    if duration:
        shown = {METRIC[task]: METRICS[task] for task in METRIC}[metric]
        return f"{shown} {100 * value:.1f}% at *l* = {duration}"
    found = re.fullmatch(r"EPE (\w+) all", score)
    return f"EPE {value:.1f} pixels on {found[1]}" if found else ""
