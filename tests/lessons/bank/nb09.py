"""Notebook 09's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import itertools

import numpy as np

from dffkit.lessons.check.nb09 import gain_at_equal_rate, key_frames


def from_last(positions, threshold, exceeds):
    keys = [0]
    for i in range(1, len(positions)):
        keys.append(i if exceeds(positions[i] - positions[keys[-1]], threshold) else keys[-1])
    return keys


def from_the_one_before(positions, threshold):
    last, found = 0, [0]
    for i, (a, b) in enumerate(itertools.pairwise(positions), 1):
        last = i if abs(b - a) > threshold else last
        found.append(last)
    return found


def from_the_first(positions, threshold):
    last, found = 0, []
    for i, x in enumerate(positions):
        last = i if abs(x - positions[0]) > threshold else last
        found.append(last)
    return found


def too_late(positions, threshold):
    keys = from_last(positions, threshold, lambda d, t: abs(d) > t)
    return [keys[max(0, i - 1)] if i == k else k for i, k in enumerate(keys)]


def solved(positions, threshold):
    return from_last(positions, threshold, lambda d, t: abs(d) > t)


WRONG = [
    (key_frames, "what moves slowly never gets a key frame", from_the_one_before),
    (key_frames, "compare with the last key frame", from_the_first),
    (key_frames, "does not exceed it", lambda x, t: from_last(x, t, lambda d, t: abs(d) >= t)),
    (key_frames, "take the absolute difference", lambda x, t: from_last(x, t, lambda d, t: d > t)),
    (key_frames, "You mark the key frames", lambda x, t: [i == k for i, k in enumerate(solved(x, t))]),
    (key_frames, "You count key frames", lambda x, t: np.unique(solved(x, t), return_inverse=True)[1]),
    (key_frames, "is a key frame itself", too_late),
    (key_frames, "You swap the comparison", lambda x, t: from_last(x, t, lambda d, t: abs(d) < t)),
    (key_frames, "Expected the shape", lambda x, t: sorted(set(solved(x, t)))),
    (gain_at_equal_rate, "not the other way round", lambda r, s, rate, score: np.interp(rate, r, s) - score),
    (gain_at_equal_rate, "You take the nearest rate",
     lambda r, s, rate, score: score - min(zip(r, s, strict=True), key=lambda p: abs(p[0] - rate))[1]),
    (gain_at_equal_rate, "next higher rate",
     lambda r, s, rate, score: score - next(b for a, b in zip(r, s, strict=True) if a >= rate)),
    (gain_at_equal_rate, "next lower rate",
     lambda r, s, rate, score: score - [b for a, b in zip(r, s, strict=True) if a <= rate][-1]),
    (gain_at_equal_rate, "the mean of the fixed scores", lambda r, s, rate, score: score - sum(s) / len(s)),
    (gain_at_equal_rate, "subtract it from the schedule's", lambda r, s, rate, score: np.interp(rate, r, s)),
    (gain_at_equal_rate, "not a share", lambda r, s, rate, score: 100 * score / np.interp(rate, r, s) - 100),
]  # fmt: skip


def by_while(positions, threshold):
    keys, start = [], 0
    for i, position in enumerate(positions):
        while abs(position - positions[start]) > threshold:
            start = i
        keys.append(start)
    return keys


def by_marks(positions, threshold):
    marks, last = np.zeros(len(positions), int), positions[0]
    for i, position in enumerate(positions):
        if abs(position - last) > threshold:
            marks[i], last = i, position
    return np.maximum.accumulate(marks)


def by_line(rates, scores, rate, score):
    for a, b in itertools.pairwise(range(len(rates))):
        if rate <= rates[b]:
            share = (rate - rates[a]) / (rates[b] - rates[a])
            return score - (1 - share) * scores[a] - share * scores[b]
    raise AssertionError


def by_numpy(rates, scores, rate, score):
    return score - np.interp(rate, rates, scores)


RIGHT = {key_frames: [solved, by_while, by_marks], gain_at_equal_rate: [by_line, by_numpy]}


def random_rates(rng):
    rates = sorted(rng.sample(range(5, 60), rng.randint(2, 5)))
    scores = sorted(rng.uniform(70, 95) for _ in rates)
    return [float(each) for each in rates], scores, rng.uniform(rates[0], rates[-1]), rng.uniform(70, 95)


RANDOM = {
    key_frames: lambda rng: ([rng.randint(0, 9) for _ in range(rng.randint(2, 12))], rng.randint(0, 5)),
    gain_at_equal_rate: random_rates,
}
