"""Bicycles and motorcycles, with their riders or without."""

import itertools

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.animals import loft
from dffkit.datasets.toytown.coats import draw_outline
from dffkit.datasets.toytown.model import PAINT, SHIRTS, SKIN, TROUSERS, Builder, Way, column, pick
from dffkit.datasets.toytown.people import RIDER_LIMBS, dress
from dffkit.datasets.toytown.vehicles import DARK, draw_wheel

CHROME = ((196, 198, 202), (150, 152, 158), (60, 60, 64))
BALL = np.sqrt(1 - np.linspace(-0.97, 0.97, 16) ** 2)  # half the width of a ball, from top to bottom
LEATHER = ((30, 28, 28), (96, 60, 38), (60, 56, 54))


class _Machine:
    """Adds the parts of one machine; points are (x, y, z) in metres, y down."""

    def __init__(self, builder: Builder, rng: Generator, way: Way, label: str, parked: bool) -> None:
        lean = (float(rng.choice([-0.14, 0.14])) if parked else 0.0, 0.0)
        self.me, self.builder, self.rng, self.label = builder.add_object(label, way, lean), builder, rng, label

    def tubes(self, radius: float, colour: np.ndarray, *ends: tuple) -> None:
        """Add straight tubes of one colour; `ends` are (a, b) each. An x other than 0 adds its mirror image too."""
        texture = self.builder.atlas.add(column(colour, self.rng))
        for a, b in ends:
            for side in (-1, 1) if a[0] or b[0] else (1,):
                mirrored = (side * a[0], *a[1:]), (side * b[0], *b[1:])
                self.builder.limb(*mirrored, radius, texture, self.label, self.me)

    def solid(self, colour: np.ndarray, *rings: tuple) -> None:
        """Add a smooth body along z through `rings` of (y, z, half width, half depth)."""
        paint = lambda points, *_: colour + self.rng.normal(0, 2, points.shape[:-1])[..., None]  # noqa: E731
        for corner, u, v, picture in loft(np.array([(*ring, 0.0) for ring in rings]), 6, 16, paint):
            self.builder.quad(corner, u, v, self.builder.atlas.add(picture), self.label, self.me, cutout=True)

    def ball(self, x: float, y: float, z: float, radius: float, colour) -> None:
        """Add a round lamp or mirror."""
        texture = self.builder.atlas.add(draw_outline(np.full((16, 16, 3), colour), BALL))
        self.builder.limb((x, y - radius, z), (x, y + radius, z), radius, texture, self.label, self.me, cutout=True)

    def wheels(self, picture: np.ndarray, radius: float, thick: float, *places: float) -> None:
        """Add wheels whose tread, `thick` metres wide, is a ring of flat pieces."""
        texture, tread = self.builder.atlas.add(picture), self.builder.atlas.add(column(DARK + 6, self.rng, (8, 8), 0))
        angle = np.linspace(0, 2 * np.pi, 17)
        for z in places:
            for x in (-thick / 2, thick / 2):
                self.builder.wheel(x, z, radius, texture, self.label, self.me)
            rim = np.stack([0 * angle - thick / 2, -radius - radius * np.cos(angle), z + radius * np.sin(angle)], 1)
            for a, b in itertools.pairwise(0.99 * rim + 0.01 * rim.mean(0)):
                self.builder.quad(a, b - a, (thick, 0, 0), tread, self.label, self.me)


def bicycle(builder: Builder, rng: Generator, way: Way, rider: bool = True) -> int:
    """Add a bicycle, parked or pedalled by a rider, and return its object's number."""
    machine = _Machine(builder, rng, way, "bicycle", parked=not rider)
    paint, dark = pick(rng, PAINT), DARK + 8
    machine.wheels(draw_wheel(rng, spokes=12, bicycle=True, tyre=0.11), 0.34, 0.035, -0.53, 0.53)
    seat, pedals, head = (0, -0.84, -0.16), (0, -0.3, 0.05), (0, -0.86, 0.42)
    low = rng.random() < 0.4  # a frame to step through
    top = ((0, -0.55, -0.05), (0, -0.74, 0.43)) if low else (seat, head)
    machine.tubes(0.021, paint, (seat, pedals), top, ((0, -0.74, 0.43), pedals), (head, (0, -0.68, 0.44)))
    axles = ((0.04, -0.34, -0.53), (0.04, -0.34, 0.53))
    machine.tubes(0.014, paint, ((0.04, -0.8, -0.15), axles[0]), ((0.04, -0.3, 0.05), axles[0]))
    machine.tubes(0.015, paint * 0.8, ((0.04, -0.72, 0.44), axles[1]))
    bar = ((0, -1.02, 0.4), (0.29, -1.04, 0.4)) if low else ((0, -1.0, 0.46), (0.26, -1.0, 0.48))
    machine.tubes(0.015, pick(rng, CHROME), (seat, (0, -0.95, -0.2)), (head, bar[0]), bar)
    machine.tubes(0.022, dark, (bar[1], (bar[1][0], bar[1][1], bar[1][2] - 0.14)))
    saddle = (-0.96, -0.34, 0.05, 0.02), (-0.97, -0.28, 0.09, 0.03), (-0.97, -0.02, 0.025, 0.02)
    machine.solid(pick(rng, LEATHER), *saddle)
    ring = builder.atlas.add(draw_wheel(rng, spokes=5))
    builder.quad((0.05, -0.4, -0.05), (0, 0, 0.2), (0, 0.2, 0), ring, "bicycle", machine.me, cutout=True, spin=0.34)
    machine.tubes(0.02, dark, ((0.06, -0.3, 0.05), (0.1, -0.42, 0.13)))
    if rng.random() < 0.4:  # mudguards and lamps
        machine.ball(0, -0.8, 0.5, 0.045, (250, 246, 220))
        machine.ball(0, -0.66, -0.86, 0.04, (210, 30, 26))
        machine.tubes(0.025, paint * 0.9, ((0, -0.7, -0.45), (0, -0.66, -0.74)), ((0, -0.66, -0.74), (0, -0.5, -0.87)))
    if rng.random() < 0.3:
        wicker = builder.atlas.add(column(pick(rng, ((150, 110, 66), (50, 50, 54))), rng, (16, 16), 0.1))
        builder.box((-0.17, -0.98, 0.52), (0.17, -0.74, 0.8), (wicker,) * 4, "bicycle", machine.me)
    if rider:
        colours = tuple(pick(rng, c, 8) for c in (SKIN, SHIRTS, TROUSERS))
        shin = colours[0] if rng.random() < 0.5 else colours[2] * 0.95
        named = dress(builder, rng, colours, shin, False, 0.6)
        builder.riders.append((machine.me, [named[name.split()[-1]] for name, _ in RIDER_LIMBS]))
    builder.shadow(machine.me, 0.6, 1.7)
    return machine.me


def motorcycle(builder: Builder, rng: Generator, way: Way, rider: bool = True) -> int:
    """Add a motorcycle, parked or with a rider, and return its object's number."""
    machine = _Machine(builder, rng, way, "motorcycle", parked=not rider)
    paint, chrome, dark = pick(rng, PAINT), pick(rng, CHROME), DARK + 10
    machine.wheels(draw_wheel(rng, spokes=int(rng.integers(3, 7))), 0.31, 0.15, -0.7, 0.7)
    racer = rng.random() < 0.4
    machine.tubes(0.03, chrome, ((0.1, -0.92, 0.42), (0.1, -0.31, 0.7)))  # fork
    machine.tubes(0.035, dark, ((0.1, -0.38, -0.05), (0.1, -0.31, -0.7)), ((0.13, -0.8, -0.45), (0.1, -0.36, -0.62)))
    machine.solid(dark + 40, (-0.42, -0.3, 0.1, 0.1), (-0.42, -0.24, 0.17, 0.2), (-0.42, 0.22, 0.17, 0.22),
                  (-0.4, 0.34, 0.1, 0.12))  # engine  # fmt: skip
    machine.tubes(0.025, chrome, *(((0.19, y, -0.2), (0.19, y, 0.2)) for y in (-0.56, -0.48, -0.4)))  # its fins
    machine.solid(paint, (-0.8, -0.14, 0.08, 0.1), (-0.82, 0.0, 0.15, 0.15), (-0.86, 0.26, 0.15, 0.15),
                  (-0.84, 0.42, 0.06, 0.08))  # tank  # fmt: skip
    rise = 0.12 if racer else 0.0
    machine.solid(pick(rng, LEATHER), (-0.76, 0.0, 0.1, 0.07), (-0.74, -0.25, 0.15, 0.08),
                  (-0.78 - rise, -0.62, 0.13, 0.08), (-0.8 - rise, -0.78, 0.05, 0.04))  # fmt: skip
    machine.solid(paint, (-0.66, -0.3, 0.12, 0.07), (-0.66 - rise, -0.72, 0.11, 0.09),
                  (-0.62 - rise, -1.0 + rise, 0.04, 0.05))  # tail  # fmt: skip
    machine.ball(0, -0.68 - rise, -0.98 + rise, 0.055, (210, 30, 26))
    mudguard = (-0.58, 0.42, 0.07, 0.03), (-0.66, 0.68, 0.1, 0.04), (-0.56, 0.98, 0.07, 0.03)
    machine.solid(paint * 0.9, *mudguard)
    machine.tubes(0.055, chrome, ((0.21, -0.33, -0.1), (0.23, -0.36, -0.86)))  # exhausts
    machine.tubes(0.02, dark, ((0, -0.98, 0.38), (0.36, -1.04, 0.3)), ((0.3, -1.02, 0.32), (0.34, -1.18, 0.36)))
    for x in (-0.36, 0.36):
        machine.ball(x, -1.2, 0.36, 0.06, (60, 64, 70))
    if racer:
        machine.solid(paint, (-0.9, 0.3, 0.2, 0.16), (-0.84, 0.62, 0.2, 0.22), (-0.78, 0.86, 0.1, 0.1))
        machine.solid(paint * 0.92, (-0.45, -0.1, 0.16, 0.1), (-0.5, 0.3, 0.21, 0.26), (-0.56, 0.58, 0.15, 0.16))
        machine.ball(0, -0.82, 0.87, 0.08, (250, 246, 220))
    else:
        machine.ball(0, -0.86, 0.58, 0.115, chrome)
        machine.ball(0, -0.86, 0.66, 0.1, (250, 246, 220))
    if rider:
        _seated(machine, racer)
    builder.shadow(machine.me, 0.8, 2.2)
    return machine.me


def _seated(machine: _Machine, bent: bool) -> None:
    """Add a motorcycle's rider, who sits still; `bent` over the tank or upright."""
    rng, builder = machine.rng, machine.builder
    jacket, trousers = pick(rng, (*SHIRTS, *LEATHER), 6), pick(rng, (*TROUSERS, *LEATHER), 6)
    glove = DARK + 6
    named = dress(builder, rng, (glove, jacket, trousers), trousers * 0.95, False, 1.0)
    ahead = 0.18 if bent else 0.0
    neck, head = (0, -1.4 + ahead / 2, -0.14 + ahead), -0.06 + 1.3 * ahead
    limbs = [("trunk", 0.26, (0, -1.46 + ahead / 2, neck[2]), (0, -0.78, -0.34))]
    limbs.append(("head", 0.2, (0, -1.84 + ahead * 0.7, head), (0, -1.46 + ahead * 0.7, head)))
    for side in (-1, 1):
        limbs.append(("arm", 0.08, (side * 0.2, neck[1], neck[2]), (side * 0.34, -1.04, 0.3)))
        knee = (side * 0.24, -0.74, 0.14)
        limbs += [("thigh", 0.115, (side * 0.12, -0.86, -0.34), knee), ("shin", 0.1, knee, (side * 0.22, -0.28, -0.12))]
    for name, radius, a, b in limbs:
        builder.limb(a, b, radius, named[name], "person", machine.me, cutout=True)
