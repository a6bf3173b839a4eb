"""Notebook 06's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import numpy as np
import pandas

from dffkit.lessons.check.nb06 import envelope, fastest_within, frame_times
from dffkit.paper import speed_accuracy


def kept(beaten):
    """Return a function that keeps unbeaten points, by `beaten(speed, score, other speed, other score)`."""
    return lambda speeds, scores: [
        not any(beaten(a, b, c, d) for j, (c, d) in enumerate(zip(speeds, scores, strict=True)) if j != i)
        for i, (a, b) in enumerate(zip(speeds, scores, strict=True))
    ]


def good(speeds, scores, needed):
    return [speed for speed, score in zip(speeds, scores, strict=True) if score >= needed]


WRONG = [
    (frame_times, "the two kinds are not equally frequent", lambda k, c, n: ((k + c) / 2, max(k, c))),
    (frame_times, "l - 1 others are left", lambda k, c, n: (k / n + c, max(k, c))),
    (frame_times, "the number of the others", lambda k, c, n: (k / (n - 1) + c, max(k, c))),
    (frame_times, "the time of all l frames", lambda k, c, n: (k + n * c - c, max(k, c))),
    (frame_times, "You swap the two kinds", lambda k, c, n: ((c + (n - 1) * k) / n, max(k, c))),
    (frame_times, "takes longer than the mean", lambda k, c, n: 2 * [np.mean([k] + (n - 1) * [c])]),
    (frame_times, "That is the fastest frame", lambda k, c, n: (np.mean([k] + (n - 1) * [c]), min(k, c))),
    (frame_times, "mostly the key frame", lambda k, c, n: (np.mean([k] + (n - 1) * [c]), c)),
    (frame_times, "not always the slowest", lambda k, c, n: (np.mean([k] + (n - 1) * [c]), k)),
    (frame_times, "The order is mean, slowest", lambda k, c, n: (max(k, c), np.mean([k] + (n - 1) * [c]))),
    (frame_times, "Expected the shape (2,), got 19.", lambda k, c, n: np.mean([k] + (n - 1) * [c])),
    (envelope, "You mark the beaten points",
     lambda s, a: [not x for x in kept(lambda a, b, c, d: c >= a and d >= b)(s, a)]),
    (envelope, "equal in the other", kept(lambda a, b, c, d: c > a and d > b)),
    (envelope, "Of two points of the same speed", kept(lambda a, b, c, d: c > a and d >= b)),
    (envelope, "Of two points of the same score", kept(lambda a, b, c, d: c >= a and d > b)),
    (envelope, "Only the most accurate point is left", kept(lambda a, b, c, d: d > b)),
    (envelope, "must not beat itself", lambda s, a: [
        not any(c >= x and d >= y for c, d in zip(s, a, strict=True)) for x, y in zip(s, a, strict=True)]),
    (envelope, "any other point can beat it", lambda s, a: [
        not (i + 1 < len(s) and s[i + 1] >= s[i] and a[i + 1] >= a[i]) for i in range(len(s))]),
    (envelope, "Expected the shape", lambda s, a: max(s)),
    (fastest_within, "exactly as many points as allowed",
     lambda s, a, r, x: max(good(s, a, r - x + 1e-6), default=None)),
    (fastest_within, "a later one may be faster", lambda s, a, r, x: (*good(s, a, r - x), None)[0]),
    (fastest_within, "You take the most accurate",
     lambda s, a, r, x: s[a.index(max(a))] if max(a) >= r - x else None),
    (fastest_within, "not in percent", lambda s, a, r, x: max(good(s, a, r * (1 - x / 100)), default=None)),
    (fastest_within, "take the fastest", lambda s, a, r, x: min(good(s, a, r - x), default=None)),
    (fastest_within, "return None", lambda s, a, r, x: max([0, *good(s, a, r - x)])),
    (fastest_within, "raised ValueError", lambda s, a, r, x: max(good(s, a, r - x))),
    (envelope, "For some examples your function returns None",
     lambda s, a: kept(lambda *_: False)(s, a) if len(s) > 1 else None),
    (fastest_within, "You print the answer", lambda s, a, r, x: print(max(good(s, a, r - x), default=None))),
]  # fmt: skip


def by_list(key, current, duration):
    times = [key] + [current] * (duration - 1)
    return [sum(times) / len(times), max(times)]


def by_library(speeds, scores):
    points = pandas.DataFrame({"speedup": speeds, "score": scores})
    return points.index.isin(speed_accuracy.envelope(points).index).tolist()


def by_sorting(speeds, scores):
    order = np.lexsort((scores, speeds))[::-1]
    best, result = -np.inf, np.zeros(len(speeds), bool)
    for index in order:
        result[index], best = scores[index] > best, max(best, scores[index])
    return result


def by_pairs(speeds, scores):
    result = []
    for speed, score in zip(speeds, scores, strict=True):
        beaten = False
        for other_speed, other_score in zip(speeds, scores, strict=True):
            as_good = other_speed >= speed and other_score >= score
            if as_good and (other_speed > speed or other_score > score):
                beaten = True
        result.append(not beaten)
    return result


def by_pandas(speeds, scores, reference, loss):
    good = pandas.Series(speeds)[pandas.Series(scores) >= reference - loss]
    return None if good.empty else good.max()


def by_loop(speeds, scores, reference, loss):
    best = None
    for speed, score in zip(speeds, scores, strict=True):
        if reference - score <= loss and (best is None or speed > best):
            best = speed
    return best


RIGHT = {
    frame_times: [by_list, lambda k, c, n: np.array([c + (k - c) / n, max(c, k)])],
    envelope: [by_library, by_sorting, by_pairs, kept(lambda a, b, c, d: c >= a and d >= b)],
    fastest_within: [by_pandas, by_loop],
}


def random_points(rng):
    points = list({(float(rng.randint(1, 5)), float(rng.randint(60, 66))) for _ in range(rng.randint(1, 8))})
    rng.shuffle(points)
    return [speed for speed, _ in points], [score for _, score in points]


RANDOM = {
    frame_times: lambda rng: (rng.uniform(20, 200), rng.uniform(5, 100), rng.randint(2, 20)),
    envelope: random_points,
    fastest_within: lambda rng: (*random_points(rng), float(rng.randint(60, 68)), float(rng.randint(0, 6))),
}
