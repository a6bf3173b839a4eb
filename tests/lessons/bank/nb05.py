"""Notebook 05's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import numpy as np
import torch

from dffkit.lessons.check.nb05 import at_risk, paired_interval, split_ratio


def percentiles(values, low=2.5, high=97.5):
    return np.percentile(np.asarray(values), [low, high])


def counted(small=lambda w, h: min(w, h) / 16 < 2.5, new=lambda age, gap: age < gap, counts=lambda a, b: a or b):
    """Return a learner's share, with one step replaced."""

    def function(widths, heights, ages, gap):
        total = 0
        for w, h, age in zip(widths, heights, ages, strict=True):
            total += counts(small(w, h), new(age, gap))
        return total / len(widths)

    return function


WRONG = [
    (paired_interval, "The sign is reversed", lambda a, b, draws: percentiles((b[draws] - a[draws]).mean(1))),
    (paired_interval, "subtract street by street",
     lambda a, b, draws: percentiles(a[draws].mean(1)) - percentiles(b[draws].mean(1))),
    (paired_interval, "different streets",
     lambda a, b, draws: percentiles(a[draws].mean(1) - b[draws.flip(0)].mean(1))),
    (paired_interval, "interval of 90%", lambda a, b, draws: percentiles((a - b)[draws].mean(1), 5, 95)),
    (paired_interval, "single streets", lambda a, b, draws: percentiles((a - b)[draws])),
    (paired_interval, "normal distribution", lambda a, b, draws: [
        (a - b).mean() + s * 1.96 * (a - b).std() / len(a) ** 0.5 for s in (-1, 1)]),
    (paired_interval, "A row of `draws`", lambda a, b, draws: percentiles((a - b)[draws].mean(0))),
    (paired_interval, "Expected the shape (2,), got", lambda a, b, draws: (a - b)[draws].mean()),
    (split_ratio, "leave out the moved layers", lambda f, n, t, m: (f + t) / (n + t)),
    (split_ratio, "its cost stays", lambda f, n, t, m: (f + t + m) / (n + t + m)),
    (split_ratio, "now run on every frame", lambda f, n, t, m: (f + t) / (n + t - m)),
    (split_ratio, "above and below", lambda f, n, t, m: f / n + m / n),
    (split_ratio, "has it below as well", lambda f, n, t, m: (f + t + m) / n),
    (split_ratio, "upside down", lambda f, n, t, m: (n + t) / (f + t + m)),
    (split_ratio, "examples are right; the first wrong one", lambda f, n, t, m: (f + t + 2 * m) / (n + t)),
    (at_risk, "The widths are in pixels", counted(small=lambda w, h: min(w, h) < 2.5)),
    (at_risk, "You look at the longer side", counted(small=lambda w, h: w < 40 and h < 40)),
    (at_risk, "You look at the width only", counted(small=lambda w, h: w < 40)),
    (at_risk, "You look at the height only", counted(small=lambda w, h: h < 40)),
    (at_risk, "You compare the area", counted(small=lambda w, h: w * h / 256 < 2.5**2)),
    (at_risk, "Exactly two and a half cells", counted(small=lambda w, h: not min(w, h) > 40)),
    (at_risk, "is in the key frame: it is not new", counted(new=lambda age, gap: age <= gap)),
    (at_risk, "What the key frame shows is old", counted(new=lambda age, gap: age > gap)),
    (at_risk, "Either reason is enough", counted(counts=lambda a, b: a and b)),
    (at_risk, "counts twice", counted(counts=lambda a, b: a + b)),
    (at_risk, "You count small boxes only", counted(counts=lambda a, b: a)),
    (at_risk, "You count new boxes only", counted(counts=lambda a, b: b)),
    (at_risk, "boxes that are safe", lambda *boxes: 1 - counted()(*boxes)),
    (at_risk, "That is their number", lambda *boxes: round(counted()(*boxes) * len(boxes[0]))),
    (at_risk, "not in percent", lambda *boxes: 100 * counted()(*boxes)),
    (at_risk, "examples are right; the first wrong one", counted(counts=lambda a, b: True)),
    (split_ratio, "You print the answer", lambda f, n, t, m: print((f + t + m) / (n + t))),
    (split_ratio, "Every number is 2 times the right one", lambda f, n, t, m: 2 * (f + t + m) / (n + t)),
    (split_ratio, "do you divide by //", lambda f, n, t, m: (f + t + m) // (n + t)),
]  # fmt: skip


def by_rows(first, second, draws):
    means = [float((first[row] - second[row]).mean()) for row in draws]
    return np.percentile(means, [2.5, 97.5]).tolist()


def by_numpy(widths, heights, ages, gap):
    small = np.minimum(widths, heights) < 2.5 * 16
    new = np.array(ages) < gap
    return (small | new).mean()


def by_frames(flow, features, task, moved):
    key_frame = (features - moved) + (task + moved)
    return (flow + (task + moved)) / key_frame


RIGHT = {
    paired_interval: [
        by_rows,
        lambda a, b, draws: torch.quantile((a - b)[draws].mean(dim=1), torch.tensor([0.025, 0.975], dtype=a.dtype)),
        lambda a, b, draws: percentiles(a[draws].mean(1) - b[draws].mean(1)),
    ],
    at_risk: [counted(), by_numpy],
    split_ratio: [by_frames, lambda f, n, t, m: f / (n + t) + (t + m) / (n + t)],
}


def random_scores(rng):
    torch.manual_seed(rng.randrange(10**6))
    streets = rng.randint(3, 20)
    shared, first, second = torch.randn(3, streets, dtype=torch.float64)
    return 70 + 4 * shared + first, 69 + 4 * shared + second, torch.randint(0, streets, (200, streets))


def random_boxes(rng):
    count = rng.randint(1, 8)
    sides = [[float(rng.choice([8, 24, 39, 40, 41, 80, 160])) for _ in range(count)] for _ in range(2)]
    return (*sides, [rng.randint(0, 12) for _ in range(count)], rng.randint(0, 10))


def random_costs(rng):
    features = rng.uniform(50, 200)
    return rng.uniform(1, 40), features, rng.uniform(0, 20), rng.uniform(0, features)


RANDOM = {paired_interval: random_scores, at_risk: random_boxes, split_ratio: random_costs}
