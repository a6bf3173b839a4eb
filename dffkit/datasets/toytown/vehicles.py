"""Cars and trucks, each with its own size and colours."""

import math

from numpy.random import Generator

from dffkit.datasets.toytown import looks, vehicle_looks
from dffkit.datasets.toytown.model import LABEL, Builder
from dffkit.datasets.toytown.way import Way, mover, shadow


def vehicle(builder: Builder, rng: Generator, way: Way, trucks: float) -> None:
    """A car, or with probability `trucks` a truck."""
    if rng.random() < trucks:
        truck(builder, rng, way)
    else:
        car(builder, rng, way)


def _wheels(builder, rng, owner, label, half, radius, places) -> None:
    texture = builder.atlas.add(vehicle_looks.wheel(rng, spokes=int(rng.integers(4, 8))))
    tread = builder.atlas.add(looks.column(vehicle_looks.DARK, rng, (8, 8)))
    for x in (-half - 0.02, half + 0.02):
        for z in places:
            corner = (x, -2 * radius, z - radius)
            builder.quad(
                corner, (0, 0, 2 * radius), (0, 2 * radius, 0), texture, LABEL[label], owner, cutout=True, spin=radius
            )
            inner = x - math.copysign(0.14, x)
            builder.limb((inner, -2 * radius, z), (inner, 0, z), 0.11, tread, LABEL[label], owner, light=0.7)


def car(builder: Builder, rng: Generator, way: Way) -> None:
    """A car: body and cabin as boxes with leaning windscreens, four wheels that turn."""
    me, label = mover(builder, "car", way), LABEL["car"]
    paint, add = looks.pick(rng, looks.PAINT), builder.atlas.add
    half, length, radius = rng.uniform(0.82, 0.94), rng.uniform(3.5, 4.7), 0.32
    belt, top = -rng.uniform(0.82, 0.98), -rng.uniform(1.38, 1.72)
    rear, front = -length / 2, length / 2
    faces = (add(vehicle_looks.car_end(paint, True, rng)), add(vehicle_looks.car_end(paint, False, rng)))
    bare = add(vehicle_looks.plain(paint, rng))
    side = add(vehicle_looks.car_side(paint))
    builder.box((-half, belt, rear), (half, -0.2, front), (*faces, side, bare), label, me)
    estate = rng.random() < 0.35
    cabin_rear, cabin_front = rear + (0.1 if estate else rng.uniform(0.3, 0.7)), front - rng.uniform(0.9, 1.3)
    lean = (0.15 if estate else rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.7))
    inset = half - 0.09
    screen = add(vehicle_looks.cabin_end(paint, rng))
    across, size = (2 * inset, 0, 0), cabin_front - cabin_rear
    builder.quad((-inset, top, cabin_rear + lean[0]), across, (0, belt - top, -lean[0]), screen, label, me, light=0.95)
    builder.quad((-inset, top, cabin_front - lean[1]), across, (0, belt - top, lean[1]), screen, label, me, light=0.95)
    windows = add(vehicle_looks.cabin_side(paint, rng, (lean[0] / size, lean[1] / size)))
    for x in (-inset, inset):
        builder.quad(
            (x, top, cabin_rear), (0, 0, size), (0, belt - top, 0), windows, label, me, light=0.85, cutout=True
        )
    roof = (0, 0, size - sum(lean))
    builder.quad((-inset, top, cabin_rear + lean[0]), across, roof, bare, label, me, light=1.08)
    _wheels(builder, rng, me, "car", half, radius, (rear + 0.2 * length, front - 0.2 * length))
    shadow(builder, me, 2 * half + 0.5, length + 0.5)


def truck(builder: Builder, rng: Generator, way: Way) -> None:
    """A truck: a tall box behind a cab."""
    me, label = mover(builder, "truck", way), LABEL["truck"]
    add = builder.atlas.add
    paint, load = looks.pick(rng, looks.PAINT), looks.pick(rng, ((236, 236, 232), (210, 200, 170), (120, 130, 140)))
    half, length, top, radius = rng.uniform(1.08, 1.22), rng.uniform(5.2, 8), -rng.uniform(2.7, 3.5), 0.48
    rear, front = -length / 2, length / 2
    cab = front - 1.7
    box = (add(vehicle_looks.truck_end(load, True, rng)), add(vehicle_looks.plain(load, rng)))
    side = add(vehicle_looks.truck_side(load, rng))
    builder.box((-half, top, rear), (half, -0.5, cab - 0.15), (*box, side, box[1]), label, me)
    face = add(vehicle_looks.truck_end(paint, False, rng))
    door, bare = add(vehicle_looks.cab_side(paint, rng)), add(vehicle_looks.plain(paint, rng))
    cab_top = max(top + 0.2, -2.7)
    builder.box((-half + 0.06, cab_top, cab), (half - 0.06, -0.35, front), (bare, face, door, bare), label, me)
    chassis = add(vehicle_looks.plain(vehicle_looks.DARK + 20, rng))
    low = (-half + 0.2, -0.6, rear + 0.1)
    builder.box(low, (half - 0.2, -0.3, front - 0.1), (chassis, chassis, chassis, None), label, me)
    _wheels(builder, rng, me, "truck", half, radius, (rear + 0.9, rear + 2.0, front - 0.9))
    shadow(builder, me, 2 * half + 0.6, length + 0.6)
