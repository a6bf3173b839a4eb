"""What a street is made of: flat parts, round limbs, and the moving objects that carry them."""

from dataclasses import dataclass, field

import numpy as np

from dffkit.datasets.toytown.atlas import Atlas

LABELS = ("road", "pavement", "building", "vegetation", "sky", "pole", "car", "truck", "person", "cyclist")
CLASSES = ("car", "truck", "person", "cyclist")  # of boxes: 1 is "car"
LABEL = {name: i for i, name in enumerate(LABELS)}

WORLD = 0  # the object that everything fixed belongs to
BACKDROP = 1  # moves along with the camera: the sky and the hills, too far away to come nearer


@dataclass
class Objects:
    """Everything that moves as one, as lists with one entry an object; metres, seconds, radians.

    An object stands at `start + velocity * t` on the ground (x, z), plus the camera's own way along the street if it
    `follows`, plus a `swing` of (amplitude, frequency, phase) along z. It looks along `heading`; 0 is down the street.
    """

    label: list[int] = field(default_factory=list)  # in LABELS, or -1: no box
    start: list[tuple[float, float]] = field(default_factory=list)
    velocity: list[tuple[float, float]] = field(default_factory=list)
    follows: list[float] = field(default_factory=list)
    swing: list[tuple[float, float, float]] = field(default_factory=list)
    heading: list[float] = field(default_factory=list)
    lean: list[tuple[float, float]] = field(default_factory=list)  # sideways, forwards: rare poses


class Builder:
    """Collects objects, parts and textures while a street is laid out."""

    def __init__(self) -> None:
        self.atlas = Atlas()
        self.objects = Objects()
        self.quads: list[tuple] = []
        self.limbs: list[tuple] = []
        self.walkers: list[tuple] = []
        self.cyclists: list[tuple] = []
        self.add_object(-1)  # WORLD
        self.add_object(-1, follows=1.0)  # BACKDROP

    def add_object(
        self,
        label,
        start=(0.0, 0.0),
        velocity=(0.0, 0.0),
        follows=0.0,
        swing=(0.0, 1.0, 0.0),
        heading=0.0,
        lean=(0.0, 0.0),
    ) -> int:
        """Add an object and return its number."""
        o = self.objects
        o.label.append(label)
        o.start.append(start)
        o.velocity.append(velocity)
        o.follows.append(follows)
        o.swing.append(swing)
        o.heading.append(heading)
        o.lean.append(lean)
        return len(o.label) - 1

    def quad(
        self, corner, u, v, texture, label, owner=WORLD, repeat=(1.0, 1.0), light=1.0, cutout=False, spin=0.0
    ) -> None:
        """Add a parallelogram in its owner's coordinates. `spin`: a wheel of that radius, which rolls."""
        self.quads.append((*corner, *u, *v, texture, label, owner, *repeat, light, cutout, spin))

    def box(self, low, high, textures, label, owner=WORLD, light=(0.94, 0.8, 1.08)) -> None:
        """Add a box from `low` to `high` (x, y, z), y down. `textures`: rear, front, side, top; None leaves one out."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        rear, front, side, top = textures
        x, y, z = (x1 - x0, 0, 0), (0, y1 - y0, 0), (0, 0, z1 - z0)
        if rear is not None:
            self.quad((x0, y0, z0), x, y, rear, label, owner, light=light[0])
        if front is not None:
            self.quad((x0, y0, z1), x, y, front, label, owner, light=light[0])
        if side is not None:
            for x_side in (x0, x1):
                self.quad((x_side, y0, z0), z, y, side, label, owner, light=light[1])
        if top is not None:
            self.quad((x0, y0, z0), x, z, top, label, owner, light=light[2])

    def limb(self, a, b, radius, texture, label, owner=WORLD, light=1.0, cutout=False, repeat=(1.0, 1.0)) -> None:
        """Add a round thing from `a` to `b`, drawn as a strip that always faces the camera."""
        self.limbs.append((*a, *b, radius, texture, label, owner, light, cutout, *repeat))

    def walker(self, owner, height, stride, textures) -> None:
        """Add a person's eight limbs to an object; `textures` are those of `WALKER_LIMBS`, in order."""
        self.walkers.append((owner, height, stride, textures))

    def cyclist(self, owner, textures) -> None:
        """Add a bicycle's and its rider's limbs to an object; `textures` are those of `CYCLIST_LIMBS`, in order."""
        self.cyclists.append((owner, textures))


# name, radius in metres (for a person of 1.75 m)
WALKER_LIMBS = (
    ("far arm", 0.085), ("far thigh", 0.12), ("far shin", 0.105), ("near thigh", 0.12), ("near shin", 0.105),
    ("trunk", 0.28), ("near arm", 0.085), ("head", 0.2),
)  # fmt: skip
CYCLIST_LIMBS = (
    ("far thigh", 0.12), ("far shin", 0.1), ("rear tyre", 0.06), ("front tyre", 0.06), ("seat tube", 0.04),
    ("chain stay", 0.04), ("top tube", 0.04), ("fork", 0.04), ("near thigh", 0.12), ("near shin", 0.1),
    ("trunk", 0.26), ("far arm", 0.08), ("near arm", 0.08), ("head", 0.195),
)  # fmt: skip


def walker_limbs(phase: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Where a walker's limbs are: `phase` (n,) of the gait in radians, 0 standing -> (n, 8, 2, 3) ends in metres.

    Local coordinates: x right, y down, z ahead, the ground under the hips is 0.
    """
    swing = 0.55 * np.sin(phase)
    zero = np.zeros_like(phase)

    def point(x, y, z):
        return np.stack([zero + x, zero + y, zero + z], -1)

    bob = -0.02 * np.cos(2 * phase)
    shoulder, hip = -1.42 + bob, -0.92 + bob
    legs, arms = [], []
    for side, s in ((-1, swing), (1, -swing)):
        knee = point(side * 0.1, hip + 0.42 * np.cos(s), 0.42 * np.sin(s))
        bend = s - 0.35 - 0.35 * np.cos(phase) * side  # the shin trails behind the knee
        foot = knee + point(0, 0.44 * np.cos(bend), 0.44 * np.sin(bend))
        legs.append(((point(side * 0.1, hip, 0), knee), (knee, foot)))
        arms.append(
            (point(side * 0.27, shoulder + 0.06, 0), point(side * 0.3, shoulder + 0.6 * np.cos(s), -0.6 * np.sin(s)))
        )
    trunk = (point(0, shoulder - 0.08, 0), point(0, hip + 0.1, 0))
    head = (point(0, shoulder - 0.36, 0.02), point(0, shoulder - 0.03, 0.02))
    limbs = [arms[0], *legs[0], *legs[1], trunk, arms[1], head]
    return np.stack([np.stack(ends, 1) for ends in limbs], 1) * (height / 1.75)[:, None, None, None]


def cyclist_limbs(phase: np.ndarray) -> np.ndarray:
    """Where a cyclist's limbs are: `phase` (n,) of the pedals in radians -> (n, 14, 2, 3) ends in metres."""
    zero = np.zeros_like(phase)

    def point(x, y, z):
        return np.stack([zero + x, zero + y, zero + z], -1)

    hip, shoulder = (-1.02, -0.18), (-1.5, 0.22)
    legs = []
    for side, angle in ((-1, phase), (1, phase + np.pi)):
        foot_y, foot_z = -0.3 + 0.17 * np.sin(angle), 0.05 + 0.17 * np.cos(angle)
        dy, dz = foot_y - hip[0], foot_z - hip[1]
        distance = np.hypot(dy, dz)
        reach = np.sqrt(np.maximum(0.47**2 - (distance / 2) ** 2, 0)) / distance
        knee = point(side * 0.1, (foot_y + hip[0]) / 2 - reach * dz, (foot_z + hip[1]) / 2 + reach * dy)
        legs.append(((point(side * 0.1, *hip), knee), (knee, point(side * 0.1, foot_y, foot_z))))
    arms = [(point(s * 0.2, shoulder[0] + 0.05, shoulder[1]), point(s * 0.24, -1.05, 0.5)) for s in (-1, 1)]
    tyres = [(point(0, -0.68, z), point(0, 0, z)) for z in (-0.53, 0.53)]
    seat, pedals, handle = point(0, -0.95, -0.2), point(0, -0.3, 0.05), point(0, -1.02, 0.46)
    frame = [(seat, pedals), (pedals, point(0, -0.34, -0.53)), (seat, handle), (handle, point(0, -0.34, 0.53))]
    trunk = (point(0, shoulder[0] - 0.12, shoulder[1]), point(0, hip[0] + 0.1, hip[1]))
    head = (point(0, -1.86, 0.3), point(0, -1.53, 0.3))
    limbs = [*legs[0], *tyres, *frame, *legs[1], trunk, *arms, head]
    return np.stack([np.stack(ends, 1) for ends in limbs], 1)
