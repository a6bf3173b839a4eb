"""The kit's recipes, by name: what is trained on what, and how. Each is data; `recipe.py` says what it holds."""

import difflib

from dffkit.training.real_recipes import REAL
from dffkit.training.recipe import Recipe
from dffkit.training.toytown_recipes import RECIPES

# The networks of Figure 3.
CURVES = {name for name in RECIPES if name.split("/")[-1].startswith(("frame", "dff")) and "-1-in-" not in name}
# What is scored at all of Figure 3's key frame durations: also fix N, as DFF's lead over it depends on the duration.
AT_ALL_DURATIONS = CURVES | {name for name in RECIPES if name.endswith("/fix-n")}

__all__ = ["AT_ALL_DURATIONS", "CURVES", "REAL", "RECIPES", "find"]


def find(name: str) -> Recipe:
    """The recipe of this name, on Toytown (`RECIPES`) or on real video (`REAL`).

    Raises:
        ValueError: naming the closest ones, if there is none.
    """
    known = RECIPES | REAL
    if name not in known:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or list(known)
        raise ValueError(f"recipe: no {name!r}; did you mean {' or '.join(close)}?")
    return known[name]
