"""How an object moves through the street, and the shadow that goes with it."""

import math
from dataclasses import dataclass

from dffkit.datasets.toytown import vehicle_looks
from dffkit.datasets.toytown.model import LABEL, Builder

AWAY, TOWARDS = 0.0, math.pi  # headings: the way the camera drives, and against it


@dataclass(frozen=True)
class Way:
    """How an object moves: the fields are those of `model.Objects`."""

    start: tuple[float, float]
    velocity: tuple[float, float] = (0.0, 0.0)
    follows: float = 0.0
    swing: tuple[float, float, float] = (0.0, 1.0, 0.0)
    heading: float = AWAY


def mover(builder: Builder, label: str, way: Way, lean: tuple[float, float] = (0.0, 0.0)) -> int:
    """A new object, without parts yet; returns its number."""
    return builder.add_object(LABEL[label], way.start, way.velocity, way.follows, way.swing, way.heading, lean)


def shadow(builder: Builder, owner: int, width: float, length: float) -> None:
    """The shadow under an object: width and length in metres."""
    texture = builder.atlas.add(vehicle_looks.shadow())
    corner = (-width / 2, -0.02, -length / 2)
    builder.quad(corner, (width, 0, 0), (0, 0, length), texture, LABEL["road"], owner, cutout=True)
