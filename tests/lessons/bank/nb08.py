"""Notebook 08's exercises: wrong answers as learners write them, right ones of several kinds, and random inputs."""

import math

import numpy as np
import torch

from dffkit.lessons.check.nb08 import weights, window


def cosines(embeddings, query):
    return np.array([np.dot(e, query) / np.linalg.norm(e) / np.linalg.norm(query) for e in embeddings])


def softmax(values):
    return np.exp(values) / np.exp(values).sum()


WRONG = [
    (weights, "divide it by both lengths", lambda e, q: softmax(np.array(e) @ np.array(q))),
    (weights, "divide by the query's and by the frame's",
     lambda e, q: softmax([np.dot(each, q) / np.linalg.norm(each) for each in e])),
    (weights, "divide by the frame's and by the query's",
     lambda e, q: softmax([np.dot(each, q) / np.linalg.norm(q) for each in e])),
    (weights, "Take exp first", lambda e, q: cosines(e, q) / cosines(e, q).sum()),
    (weights, "do not add up to 1", lambda e, q: np.exp(cosines(e, q))),
    (weights, "Those are the cosines", cosines),
    (weights, "what is alike must weigh more", lambda e, q: softmax(-cosines(e, q))),
    (weights, "All frames get the same weight", lambda e, q: [1 / len(e)] * len(e)),
    (weights, "not the maximum", lambda e, q: np.eye(len(e))[cosines(e, q).argmax()]),
    (weights, "divide by the sum", lambda e, q: np.exp(cosines(e, q) - cosines(e, q).max())),
    (window, "You leave out the frames", lambda i, k, n: list(range(max(0, i - k), min(n, i + k + 1)))),
    (window, "frames of the end", lambda i, k, n: [j % n for j in range(i - k, i + k + 1)]),
    (window, "that the video does not have", lambda i, k, n: list(range(i - k, i + k + 1))),
    (window, "is n - 1", lambda i, k, n: np.clip(np.arange(i - k, i + k + 1), 0, n)),
    (window, "You cut at the start only", lambda i, k, n: np.maximum(np.arange(i - k, i + k + 1), 0)),
    (window, "You cut at the end only", lambda i, k, n: np.minimum(np.arange(i - k, i + k + 1), n - 1)),
    (window, "ends before b", lambda i, k, n: np.clip(np.arange(i - k, i + k), 0, n - 1)),
    (window, "belongs to its own window",
     lambda i, k, n: [min(max(i + d, 0), n - 1) for d in range(-k, k + 1) if d != 0]),
    (window, "frames before the current one only",
     lambda i, k, n: [min(max(i - 2 * k + d, 0), n - 1) for d in range(2 * k + 1)]),
]  # fmt: skip


def by_math(embeddings, query):
    grown = []
    for each in embeddings:
        product = sum(a * b for a, b in zip(each, query, strict=True))
        grown.append(math.exp(product / (math.hypot(*each) * math.hypot(*query))))
    return [each / sum(grown) for each in grown]


def by_torch(embeddings, query):
    each, wanted = torch.tensor(embeddings).double(), torch.tensor(query).double()
    return torch.cosine_similarity(each, wanted[None], dim=1).softmax(0)


def by_clip(index, reach, length):
    return np.clip(np.arange(index - reach, index + reach + 1), 0, length - 1)


def by_loop(index, reach, length):
    found = []
    for other in range(index - reach, index + reach + 1):
        if other < 0:
            other = 0
        if other > length - 1:
            other = length - 1
        found.append(other)
    return found


RIGHT = {weights: [by_math, by_torch], window: [by_clip, by_loop]}


def random_vectors(rng):
    channels = rng.randint(2, 4)
    *embeddings, query = ([rng.uniform(0.2, 3) * rng.choice((-1, 1)) for _ in range(channels)]
                          for _ in range(rng.randint(3, 6)))  # fmt: skip
    return embeddings, query


def random_window(rng):
    length = rng.randint(1, 9)
    return rng.randrange(length), rng.randint(0, 6), length


RANDOM = {weights: random_vectors, window: random_window}
