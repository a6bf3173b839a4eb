"""Who moves through the street: cars, trucks, people and cyclists, each with its own size, colours and way."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown import looks, vehicle_looks
from dffkit.datasets.toytown.model import CYCLIST_LIMBS, LABEL, WALKER_LIMBS, Builder
from dffkit.datasets.toytown.street import BEGIN, CROSS, END, ROAD

LANE = 1.25  # where cars drive, in metres from the middle
PARKED = 3.65
AWAY, TOWARDS = 0.0, math.pi  # headings: the way the camera drives, and against it


@dataclass(frozen=True)
class Way:
    """How an object moves: the fields are those of `model.Objects`."""

    start: tuple[float, float]
    velocity: tuple[float, float] = (0.0, 0.0)
    follows: float = 0.0
    swing: tuple[float, float, float] = (0.0, 1.0, 0.0)
    heading: float = AWAY


def populate(builder: Builder, rng: Generator, crossings: list[float], drive, rare_poses: float) -> None:
    """Put traffic into the street. `drive(t)`: metres the camera has driven; `rare_poses`: a share in 0..1."""
    for side in (-1, 1):
        _parked(builder, rng, side, crossings)
    _same_lane(builder, rng)
    _other_lane(builder, rng)
    for crossing in crossings[:3]:
        _crossing(builder, rng, crossing, drive, rare_poses)
    for side in (-1, 1):
        _on_the_pavement(builder, rng, side, rare_poses)
        _cyclists(builder, rng, side, rare_poses)
    if rng.random() < 0.75:  # people and cyclists who keep pace with the camera
        side = rng.choice([-1.0, 1.0])
        way = Way((side * rng.uniform(2.2, 2.6), rng.uniform(8, 20)), follows=1.0, swing=_swing(rng, 2))
        cyclist(builder, rng, way, rare_poses)
    if rng.random() < 0.5:
        side = rng.choice([-1.0, 1.0])
        way = Way((side * rng.uniform(5.2, 6.8), rng.uniform(10, 22)), follows=1.0, swing=_swing(rng, 2))
        person(builder, rng, way, rare_poses)


def _swing(rng: Generator, amplitude: float) -> tuple[float, float, float]:
    return (amplitude * rng.uniform(0.3, 1), rng.uniform(0.3, 0.9), rng.uniform(0, 2 * math.pi))


def _parked(builder, rng, side, crossings) -> None:
    z, share = BEGIN + rng.uniform(0, 8), rng.uniform(0.05, 0.5)
    while z < END:
        if rng.random() < share and all(abs(z - c) > CROSS / 2 + 6 for c in crossings):
            heading = AWAY if side > 0 or rng.random() < 0.3 else TOWARDS
            vehicle(builder, rng, Way((side * PARKED, z), heading=heading), trucks=0.08)
        z += rng.uniform(6.2, 9)


def _same_lane(builder, rng) -> None:
    if rng.random() < 0.8:  # a car ahead keeps its distance
        gap = rng.uniform(9, 24)
        way = Way((LANE + rng.normal(0, 0.15), gap), follows=1.0, swing=_swing(rng, 2.5))
        vehicle(builder, rng, way, trucks=0.3)
        if rng.random() < 0.5:
            way = Way((LANE, gap + rng.uniform(10, 16)), follows=1.0, swing=_swing(rng, 2))
            vehicle(builder, rng, way, trucks=0.3)


def _other_lane(builder, rng) -> None:
    if rng.random() < 0.3:  # overtaking, or further ahead in the left lane
        start, speed = rng.uniform(-14, 14), rng.uniform(1.5, 6)
        way = Way((-LANE, start), velocity=(0.0, speed), follows=1.0)
        vehicle(builder, rng, way, trucks=0.15)
        return
    z, speed, busy = rng.uniform(8, 40), rng.uniform(4, 11), rng.uniform(10, 45)
    while z < END:
        vehicle(builder, rng, Way((-LANE, z), velocity=(0.0, -speed), heading=TOWARDS), trucks=0.35)
        z += 9 + rng.exponential(busy)


def _crossing(builder, rng, z, drive, rare_poses) -> None:
    """Somebody crosses when the camera is well before the crossing."""
    moment = next((t for t in np.arange(0, 12, 0.1) if drive(t) > z - rng.uniform(14, 34)), None)
    if moment is None:
        return
    for _ in range(rng.integers(0, 3)):
        side, speed = rng.choice([-1.0, 1.0]), rng.uniform(4, 8)
        lane = z + (1.9 if side > 0 else -1.9)
        start = side * (-3 - speed * (moment + rng.uniform(-1.5, 1)))
        heading = side * math.pi / 2
        vehicle(builder, rng, Way((start, lane), velocity=(side * speed, 0.0), heading=heading), trucks=0.3)
    for _ in range(rng.integers(0, 4)):
        side, speed = rng.choice([-1.0, 1.0]), rng.uniform(0.9, 1.9)
        start = side * (-rng.uniform(0, 5) - speed * moment)
        spot = z - CROSS / 2 - rng.uniform(0.6, 3)
        person(builder, rng, Way((start, spot), velocity=(side * speed, 0.0), heading=side * math.pi / 2), rare_poses)
    if rng.random() < 0.4:
        side, speed = rng.choice([-1.0, 1.0]), rng.uniform(3, 5)
        start = side * (-rng.uniform(0, 5) - speed * moment)
        way = Way((start, z + rng.uniform(-3, 3)), velocity=(side * speed, 0.0), heading=side * math.pi / 2)
        cyclist(builder, rng, way, rare_poses)


def _on_the_pavement(builder, rng, side, rare_poses) -> None:
    z, busy = rng.uniform(-4, 12), rng.uniform(2.5, 10)
    while z < 150:
        x = side * rng.uniform(ROAD + 0.5, 7.2)
        kind = rng.random()
        if kind < 0.2:  # stands
            way = Way((x, z), heading=rng.uniform(0, 2 * math.pi))
        else:
            speed = rng.uniform(0.8, 1.8) if kind < 0.85 else rng.uniform(2.5, 4)  # walks, or runs
            away = rng.random() < 0.5
            way = Way((x, z), velocity=(0.0, speed if away else -speed), heading=AWAY if away else TOWARDS)
        person(builder, rng, way, rare_poses)
        z += 1 + rng.exponential(busy)


def _cyclists(builder, rng, side, rare_poses) -> None:
    z, busy = rng.uniform(0, 30), rng.uniform(14, 50)
    while z < 170:
        speed = rng.uniform(3, 6)
        way = Way(
            (side * rng.uniform(2.2, 2.6), z), velocity=(0.0, side * speed), heading=AWAY if side > 0 else TOWARDS
        )
        cyclist(builder, rng, way, rare_poses)
        z += 4 + rng.exponential(busy)


def vehicle(builder: Builder, rng: Generator, way: Way, trucks: float) -> None:
    """A car, or with probability `trucks` a truck."""
    if rng.random() < trucks:
        truck(builder, rng, way)
    else:
        car(builder, rng, way)


def _object(builder: Builder, label: str, way: Way, lean=(0.0, 0.0)) -> int:
    return builder.add_object(LABEL[label], way.start, way.velocity, way.follows, way.swing, way.heading, lean)


def _shadow(builder: Builder, owner: int, width: float, length: float) -> None:
    texture = builder.atlas.add(vehicle_looks.shadow())
    corner = (-width / 2, -0.02, -length / 2)
    builder.quad(corner, (width, 0, 0), (0, 0, length), texture, LABEL["road"], owner, cutout=True)


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
    me, label = _object(builder, "car", way), LABEL["car"]
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
    _shadow(builder, me, 2 * half + 0.5, length + 0.5)


def truck(builder: Builder, rng: Generator, way: Way) -> None:
    """A truck: a tall box behind a cab."""
    me, label = _object(builder, "truck", way), LABEL["truck"]
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
    _shadow(builder, me, 2 * half + 0.6, length + 0.6)


def _lean(rng: Generator, rare_poses: float) -> tuple[float, float]:
    if rng.random() >= rare_poses:
        return (0.0, 0.0)
    return (rng.choice([-1.0, 1.0]) * rng.uniform(0.25, 0.6), rng.uniform(-0.2, 0.7))  # up to 35 and 40 degrees


def person(builder: Builder, rng: Generator, way: Way, rare_poses: float) -> None:
    """A person on foot: eight limbs, legs and arms swinging with the steps."""
    me, add = _object(builder, "person", way, _lean(rng, rare_poses)), builder.atlas.add
    skin, shirt, trousers = (looks.pick(rng, c, 8) for c in (looks.SKIN, looks.SHIRTS, looks.TROUSERS))
    shoe = looks.pick(rng, ((30, 30, 30), (240, 240, 240), (120, 70, 40)), 6)
    arm = add(looks.limb(shirt * 0.92, skin, 0.82 if rng.random() < 0.6 else 0.4))
    bare = rng.random() < 0.3  # shorts, or a skirt
    thigh, shin = add(looks.limb(trousers)), add(looks.limb(skin if bare else trousers * 0.95, shoe, 0.84))
    trunk = add(looks.torso(rng, shirt, trousers))
    head = add(looks.head(rng, faces_camera=math.cos(way.heading) < 0.3))
    named = {"arm": arm, "thigh": thigh, "shin": shin, "trunk": trunk, "head": head}
    textures = [named[name.split()[-1]] for name, _ in WALKER_LIMBS]
    height = rng.uniform(1.5, 1.95) if rng.random() < 0.85 else rng.uniform(1.05, 1.4)
    builder.walker(me, height, rng.uniform(1.2, 1.6) * height / 1.75, textures)
    _shadow(builder, me, 0.7, 0.7)


def cyclist(builder: Builder, rng: Generator, way: Way, rare_poses: float) -> None:
    """A person on a bicycle, pedalling."""
    me, add = _object(builder, "cyclist", way, _lean(rng, rare_poses * 0.7)), builder.atlas.add
    skin, shirt, trousers = (looks.pick(rng, c, 8) for c in (looks.SKIN, looks.SHIRTS, looks.TROUSERS))
    paint, tyre = looks.pick(rng, looks.PAINT), vehicle_looks.DARK + 8
    named = {
        "arm": add(looks.limb(shirt * 0.92, skin, 0.7)),
        "thigh": add(looks.limb(trousers)),
        "shin": add(looks.limb(skin, tyre, 0.86)),
        "trunk": add(looks.torso(rng, shirt, trousers)),
        "head": add(looks.head(rng, faces_camera=math.cos(way.heading) < 0.3, helmet=rng.random() < 0.7)),
        "tyre": add(looks.column(tyre, rng)),
        "tube": add(looks.column(paint, rng)),
    }
    named["stay"] = named["fork"] = named["tube"]
    textures = [named[name.split()[-1]] for name, _ in CYCLIST_LIMBS]
    builder.cyclist(me, textures)
    wheel = add(vehicle_looks.wheel(rng, spokes=8, bicycle=True))
    for z in (-0.53, 0.53):
        builder.quad(
            (0, -0.68, z - 0.34), (0, 0, 0.68), (0, 0.68, 0), wheel, LABEL["cyclist"], me, cutout=True, spin=0.34
        )
    _shadow(builder, me, 0.7, 1.7)
