"""The ten kinds of things that are filmed by hand."""

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.animals import BUILDS, animal
from dffkit.datasets.toytown.cycles import bicycle, motorcycle
from dffkit.datasets.toytown.model import LABEL, SUBJECTS, Builder, Way
from dffkit.datasets.toytown.vehicles import bus, car


def subject(builder: Builder, rng: Generator, way: Way, kind: str, rider: bool = True) -> int:
    """Add a subject of one of `SUBJECTS`, store its extent in `builder.extent`, and return its object's number.

    Without a `rider`, a bicycle or a motorcycle is parked.

    Raises:
        ValueError: for another kind.
    """
    if kind not in SUBJECTS:
        raise ValueError(f"kind: expected one of {SUBJECTS}, got {kind!r}")
    quads, limbs = len(builder.quads), len(builder.limbs)
    if kind in BUILDS:
        me = animal(builder, rng, way, kind)
    elif kind in ("bicycle", "motorcycle"):
        me = (bicycle if kind == "bicycle" else motorcycle)(builder, rng, way, rider)
    else:
        me = (bus if kind == "bus" else car)(builder, rng, way)
    builder.extent[me] = _extent(builder.quads[quads:], builder.limbs[limbs:], LABEL[kind])
    return me


def _extent(quads: list[tuple], limbs: list[tuple], label: int) -> tuple[float, float, float]:
    """Return length, width and height in metres of the parts with this label; the ground is at 0."""
    faces = np.array([quad[:9] for quad in quads if quad[10] == label]).reshape(-1, 3, 3)
    corner, u, v = faces.transpose(1, 0, 2)
    rods = np.array([limb[:7] for limb in limbs if limb[8] == label]).reshape(-1, 7)
    ends = rods[:, :6].reshape(-1, 2, 3)
    points = np.concatenate([corner, corner + u, corner + v, corner + u + v, *ends.transpose(1, 0, 2)])
    low, high = points.min(0), points.max(0)
    return float(high[2] - low[2]), float(high[0] - low[0]), float(-low[1])
