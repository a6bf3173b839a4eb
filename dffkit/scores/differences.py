"""Which of two methods is better, and how sure that is: paired differences over streets and seeds."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

INTERVAL = 95  # percent


class Drawn(NamedTuple):
    """One training's score, and what it might have been on other streets: the `replicates` `(draws of streets,)`."""

    value: float
    replicates: np.ndarray


class Difference(NamedTuple):
    """How much better one method is than another.

    Attributes:
        mean: of the difference, over seeds.
        low, high: ends of its interval of 95%.
        probability: the share of draws in which the difference is above 0.
        seeds: how many trainings of each were compared. With one, interval and probability are of these two trainings
            on other streets; with more they are of the methods, from the start that all their trainings had.
    """

    mean: float
    low: float
    high: float
    probability: float
    seeds: int

    def points(self, prefix: str = "", mean: str = "difference") -> dict[str, float]:
        """It and the ends of its interval in points, named as a line of a table wants them."""
        return {mean: 100 * self.mean, f"{prefix}low": 100 * self.low, f"{prefix}high": 100 * self.high}

    @property
    def verdict(self) -> str:
        """Whether it is "better" or "worse", or "not resolved" as the interval contains 0."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "not resolved"


def difference(
    first: Mapping[int, Drawn], second: Mapping[int, Drawn], *, draws: int = 5000, seed: int = 0
) -> Difference:
    """How much better the first method is than the second.

    Streets are bootstrapped. What other trainings might have given is drawn from Student's t for the mean over seeds:
    to draw again from three of them would make the interval much too narrow. That trainings differ on some streets
    more than on others is in both, so that the interval is a little wide.

    Args:
        first, second: seed of a training -> its score. The seeds that both have are compared, each with its own
            partner, as both saw the same samples in the same order.
        draws: of streets and seeds together; with one seed, the draws of streets are what they are.
        seed: of these draws.

    Raises:
        ValueError: if they have no seed in common, or other numbers of draws of streets.
    """
    common = sorted(first.keys() & second.keys())
    if not common:
        raise ValueError(f"seeds: expected some in common, got {sorted(first)} and {sorted(second)}")
    pairs = [(first[each], second[each]) for each in common]
    counts = {len(score.replicates) for pair in pairs for score in pair}
    if len(counts) > 1:
        raise ValueError(f"replicates: expected as many in each, got {sorted(counts)}")
    differences = np.stack([one.replicates - other.replicates for one, other in pairs])  # (seeds, draws of streets)
    found = np.array([one.value - other.value for one, other in pairs])
    drawn = differences.mean(0)
    if len(common) > 1:
        rng = np.random.default_rng(seed)
        drawn = drawn[rng.integers(len(drawn), size=draws)]
        drawn = drawn + found.std(ddof=1) / np.sqrt(len(common)) * rng.standard_t(len(common) - 1, size=draws)
    return judged(found.mean(), drawn, len(common))


def judged(mean: float, draws: np.ndarray, seeds: int) -> Difference:
    """A difference from what it is in many draws `(draws,)`."""
    tail = (100 - INTERVAL) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    above = (draws > 0).mean() + (draws == 0).mean() / 2
    return Difference(float(mean), float(low), float(high), float(above), seeds)


def below(found: Difference, limit: float) -> str:
    """Whether a difference is below a limit: "holds", "does not hold" or "not resolved"."""
    if found.high < limit:
        return "holds"
    return "does not hold" if found.low > limit else "not resolved"


def within(found: Difference, limit: float) -> str:
    """Whether a difference is between -limit and limit: "holds", "does not hold" or "not resolved"."""
    other_way_round = found._replace(low=-found.high, high=-found.low)
    sides = {below(found, limit), below(other_way_round, limit)}
    return "does not hold" if "does not hold" in sides else "not resolved" if "not resolved" in sides else "holds"


def statement(text: str, found: Difference) -> dict[str, object]:
    """A line of a table: that a difference is above 0, in points (or percent), and whether it "holds"."""
    verdict = {"better": "holds", "worse": "does not hold"}.get(found.verdict, found.verdict)
    return {
        "statement": text,
        **found.points(),
        "probability": found.probability,
        "seeds": found.seeds,
        "verdict": verdict,
    }
