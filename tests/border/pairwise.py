"""Few cases of a large product that still have every pair of values somewhere."""

import itertools
import random
from collections.abc import Iterable
from typing import TypeVar

Case = TypeVar("Case", bound=tuple)


def pairwise(cases: Iterable[Case]) -> list[Case]:
    """Return some of the cases, so that each pair of values of two properties that any case has is in one of these.

    Args:
        cases: all cases that are possible, tuples of the values of the same properties. Impossible ones are left out
            by the caller, so that no pair counts that can't be made.
    """
    cases = list(cases)
    random.Random(0).shuffle(cases)
    pairs = [{*itertools.combinations(enumerate(case), 2)} for case in cases]
    missing, chosen = set().union(*pairs), []
    for least in range(max(map(len, pairs)), 0, -1):  # first cases that have many new pairs, at last those with one
        for case, its_pairs in zip(cases, pairs, strict=True):
            if len(its_pairs & missing) >= least:
                missing -= its_pairs
                chosen.append(case)
    return sorted(chosen, key=str)
