"""A small Cityscapes in the official layout; the tests of its reader and of runs on it share it."""

import random

import numpy as np
from PIL import Image

SIZE = (4, 8)


def name(city, sequence, frame, ending):
    return f"{city}_{sequence:06d}_{frame:06d}_{ending}.png"


def frame_path(root, frame, city="ulm", sequence=0, split="train"):
    return root / "leftImg8bit_sequence" / split / city / name(city, sequence, frame, "leftImg8bit")


def label_path(root, frame, kind="labelIds", city="ulm", sequence=0, split="train"):
    return root / "gtFine" / split / city / name(city, sequence, frame, f"gtFine_{kind}")


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def write_snippet(root, labelled=19, labels=12, size=SIZE, **place):
    """Write thirty frames, each as bright as its number, and a label map."""
    numbers = list(range(labelled - 19, labelled + 11))
    random.Random(labelled).shuffle(numbers)  # so that no folder lists them in order by chance
    for number in numbers:
        write(frame_path(root, number, **place), np.full((*size, 3), number % 256))
    write(label_path(root, labelled, **place), np.full(size, labels))
    write(label_path(root, labelled, "color", **place), np.zeros((*size, 4)))
    return root
