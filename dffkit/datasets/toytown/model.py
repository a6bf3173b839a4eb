"""The model of a street: flat parts, round limbs, and the moving objects that carry them, collected by a builder."""

import math
from dataclasses import dataclass

from dffkit.datasets.toytown.textures import Atlas, draw_shadow

LABELS = ("road", "pavement", "building", "vegetation", "sky", "pole", "car", "truck", "person", "cyclist")
CLASSES = ("car", "truck", "person", "cyclist")  # of boxes: 1 is "car"
LABEL = {name: i for i, name in enumerate(LABELS)}

WORLD = 0  # the object that everything fixed belongs to
BACKDROP = 1  # moves along with the camera: the sky and the hills, too far away to come nearer
AWAY, TOWARDS = 0.0, math.pi  # headings: down the street as the camera drives, and against it


@dataclass(frozen=True)
class Way:
    """The motion of one object, in metres, seconds and radians.

    The object stands at `start + velocity * t` on the ground (x, z), plus the camera's own way along the street if it
    `follows` (1.0), plus a `swing` of (amplitude, frequency, phase) along z. It looks along `heading`.
    """

    start: tuple[float, float] = (0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    follows: float = 0.0
    swing: tuple[float, float, float] = (0.0, 1.0, 0.0)
    heading: float = AWAY


class Builder:
    """Collects textures, objects and parts while a street is laid out.

    Attributes:
        atlas: the textures; parts name them by number.
        objects: (label or -1 for no box, way, lean sideways and forwards) of each object.
        quads, limbs: the parts, as the methods `quad` and `limb` add them.
        walkers, cyclists: (owner, height in metres, stride in metres, textures of `people.WALKER_LIMBS`) of each person
            on foot, (owner, textures of `people.CYCLIST_LIMBS`) of each cyclist.
    """

    def __init__(self) -> None:
        self.atlas = Atlas()
        self.objects: list[tuple[int, Way, tuple[float, float]]] = []
        self.quads: list[tuple] = []
        self.limbs: list[tuple] = []
        self.walkers: list[tuple] = []
        self.cyclists: list[tuple] = []
        self.add_object(None, Way())  # WORLD
        self.add_object(None, Way(follows=1.0))  # BACKDROP

    def add_object(self, label: str | None, way: Way, lean: tuple[float, float] = (0.0, 0.0)) -> int:
        """Add an object without parts and return its number; `lean` makes a rare pose. Without a label: no box."""
        self.objects.append((-1 if label is None else LABEL[label], way, lean))
        return len(self.objects) - 1

    def quad(
        self, corner, u, v, texture, label, owner=WORLD, repeat=(1.0, 1.0), light=1.0, cutout=False, spin=0.0
    ) -> None:
        """Add a parallelogram in its owner's coordinates. `spin`: the radius of a wheel, which rolls."""
        self.quads.append((*corner, *u, *v, texture, LABEL[label], owner, *repeat, light, cutout, spin))

    def box(self, low, high, textures, label, owner=WORLD) -> None:
        """Add a box from `low` to `high` (x, y, z), y down. `textures`: rear, front, side, top; None leaves one out."""
        (x0, y0, z0), (x1, y1, z1) = low, high
        rear, front, side, top = textures
        x, y, z = (x1 - x0, 0, 0), (0, y1 - y0, 0), (0, 0, z1 - z0)
        if rear is not None:
            self.quad((x0, y0, z0), x, y, rear, label, owner, light=0.94)
        if front is not None:
            self.quad((x0, y0, z1), x, y, front, label, owner, light=0.94)
        if side is not None:
            for x_side in (x0, x1):
                self.quad((x_side, y0, z0), z, y, side, label, owner, light=0.8)
        if top is not None:
            self.quad((x0, y0, z0), x, z, top, label, owner, light=1.08)

    def shadow(self, owner: int, width: float, length: float) -> None:
        """Add the shadow under an object; width and length are in metres."""
        corner, texture = (-width / 2, -0.02, -length / 2), self.atlas.add(draw_shadow())
        self.quad(corner, (width, 0, 0), (0, 0, length), texture, "road", owner, cutout=True)

    def wheel(self, x: float, z: float, radius: float, texture: int, label: str, owner: int) -> None:
        """Add a wheel that stands on the ground at x, z and rolls as its owner moves."""
        corner, side = (x, -2 * radius, z - radius), 2 * radius
        self.quad(corner, (0, 0, side), (0, side, 0), texture, label, owner, cutout=True, spin=radius)

    def limb(self, a, b, radius, texture, label, owner=WORLD, light=1.0, cutout=False) -> None:
        """Add a round thing from `a` to `b`, drawn as a strip that always faces the camera."""
        self.limbs.append((*a, *b, radius, texture, LABEL[label], owner, light, cutout, 1.0, 1.0))
