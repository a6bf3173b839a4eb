"""Results that are no longer of today's recipes, data, networks or code: `python -m dffkit claims` fails on them."""

import ast
import hashlib
import json
from pathlib import Path

from dffkit.experiments import results, speed
from dffkit.experiments.results import EVALUATION
from dffkit.experiments.runs import stored_scores
from dffkit.experiments.speed import Architecture
from dffkit.paper import ledger, verdicts
from dffkit.paper.claims import claims
from dffkit.support import files
from dffkit.support.files import root
from dffkit.support.machine import describe
from dffkit.training.recipes import HANDHELD, RECIPES

# The code that scores, counts and times hang on. Recipes and rendered data have hashes of their own.
CODE = (
    "warp.py", "dff.py", "schedules.py", "video.py", "complexity.py", "networks/*.py", "baselines/*.py", "scores/*.py",
    "training/assembly.py", "experiments/scoring.py", "experiments/rendered.py", "experiments/lost_boxes.py",
)  # fmt: skip


def stale() -> list[str]:
    """Return a line for each recipe, network or file of code whose results are of a former one."""
    return [*former_scores(), *former_speeds(), *changed_code()]


def record_code() -> Path:
    """Store that results agree with today's code, as `claims --revalidate` has found; return the file."""
    about = describe()
    found = {name: about[name] for name in ("commit", "date", "device")} | {"code": code()}
    return files.write(_record(), json.dumps(found, indent=1) + "\n")


def changed_code() -> list[str]:
    """Return a line that names the files of `CODE` that are not as at the last `record_code`; none if all are."""
    stored = json.loads(_record().read_text(encoding="utf-8")) if _record().exists() else {"code": {}}
    now, then = code(), stored["code"]
    changed = [name for name in sorted({*now, *then}) if now.get(name) != then.get(name)]
    if not changed:
        return []
    when = f"the check at commit {stored['commit']}, {stored['date']}" if then else "any check"
    return [f"code changed since {when}: {', '.join(changed)}; python -m dffkit claims --revalidate checks it again"]


def code() -> dict[str, str]:
    """Return the digest of each file of `CODE`, without comments on lines of their own and without docstrings."""
    paths = sorted(path for pattern in CODE for path in (root() / "dffkit").glob(pattern))
    return {path.relative_to(root()).as_posix(): _digest(path.read_text(encoding="utf-8")) for path in paths}


def _digest(text: str) -> str:
    words = set()  # numbers of the lines of docstrings
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            words.update(range(node.lineno, node.end_lineno + 1))
    lines = (line.rstrip() for number, line in enumerate(text.splitlines(), 1) if number not in words)
    kept = "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))
    return hashlib.blake2b(kept.encode(), digest_size=6).hexdigest()


def former_scores() -> list[str]:
    """Return a line for each recipe of a claim that has rows of a former recipe or data, and none of today's."""
    lines = []
    for recipe in dict.fromkeys(each for claim in claims().values() for each in verdicts.recipes_of(claim)):
        rows = [row for row in results.read(ledger.folder() / EVALUATION) if row.provenance["recipe"] == recipe.name]
        tested = [row for row in rows if row.measurement.split == "test"]
        if tested and not stored_scores(ledger.folder() / EVALUATION, {"": recipe}, "test"):
            lines.append(f"{recipe.name}: {len(tested)} stored rows, none of today's recipe ({recipe.hash}) and data")
    return lines


def former_speeds() -> list[str]:
    """Return a line for each network with a stored speed that no recipe has today."""
    known = {Architecture.of(recipe) for recipe in (RECIPES | HANDHELD).values()}
    former = [each for each in speed.measured(ledger.folder()) if each not in known]
    return [f"{speed.TABLE}: no recipe has {each}; python -m dffkit speed measures today's" for each in former]


def _record() -> Path:
    return root() / "data" / "revalidated.json"
