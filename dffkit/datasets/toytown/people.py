"""People on foot and on bicycles: their limbs, the motion of their limbs, and their textures."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.model import HAIR, LABEL, PAINT, SHIRTS, SKIN, TROUSERS, Builder, Canvas, Way, column, pick
from dffkit.datasets.toytown.vehicles import DARK, draw_wheel

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

MACHINE = ("tyre", "tube", "stay", "fork")  # limbs of a bicycle, the others are its rider's
RIDER = [i for i, (name, _) in enumerate(CYCLIST_LIMBS) if name.split()[-1] not in MACHINE]
RIDER_LIMBS = tuple(CYCLIST_LIMBS[i] for i in RIDER)


def walker_limbs(phase: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Return the ends of walkers' limbs, (n, 8, 2, 3) in metres; `phase` (n,) of the gait in radians, 0 standing.

    Local coordinates: x right, y down, z ahead; 0 is the ground under the hips.
    """
    swing = 0.55 * np.sin(phase)
    point = _points(phase)
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
    """Return the ends of cyclists' limbs, (n, 14, 2, 3) in metres; `phase` (n,) of the pedals in radians."""
    point = _points(phase)
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


def _points(phase: np.ndarray) -> Callable[..., np.ndarray]:
    """Return a function that makes points (n, 3) of x, y, z, each a number or (n,)."""
    zero = np.zeros_like(phase)
    return lambda x, y, z: np.stack([zero + x, zero + y, zero + z], -1)


def body_limbs(owner: int, limbs: tuple, textures: list[int], label: str, height: float) -> np.ndarray:
    """Return rows like those of `Builder.limbs` for one body; its ends are computed anew at every moment."""
    rows = []
    for (name, radius), texture in zip(limbs, textures, strict=True):
        light = 0.8 if name.startswith("far") else 1.0
        solid = name.split()[-1] in MACHINE
        size = radius * height / 1.75
        rows.append([0.0] * 6 + [size, texture, LABEL[label], owner, light, not solid, 1.0, 1.0])
    return np.array(rows)


def person(builder: Builder, rng: Generator, way: Way, rare_poses: float) -> None:
    """Add a person on foot: eight limbs, legs and arms swinging with the steps."""
    me, add = builder.add_object("person", way, _lean(rng, rare_poses)), builder.atlas.add
    skin, shirt, trousers = (pick(rng, c, 8) for c in (SKIN, SHIRTS, TROUSERS))
    shoe = pick(rng, ((30, 30, 30), (240, 240, 240), (120, 70, 40)), 6)
    arm = add(draw_limb(shirt * 0.92, skin, 0.82 if rng.random() < 0.6 else 0.4))
    bare = rng.random() < 0.3  # shorts, or a skirt
    thigh, shin = add(draw_limb(trousers)), add(draw_limb(skin if bare else trousers * 0.95, shoe, 0.84))
    trunk = add(draw_trunk(rng, shirt, trousers))
    head = add(draw_head(rng, faces_camera=math.cos(way.heading) < 0.3))
    named = {"arm": arm, "thigh": thigh, "shin": shin, "trunk": trunk, "head": head}
    textures = [named[name.split()[-1]] for name, _ in WALKER_LIMBS]
    height = rng.uniform(1.5, 1.95) if rng.random() < 0.85 else rng.uniform(1.05, 1.4)
    builder.walkers.append((me, height, rng.uniform(1.2, 1.6) * height / 1.75, textures))
    builder.shadow(me, 0.7, 0.7)


def cyclist(builder: Builder, rng: Generator, way: Way, rare_poses: float) -> None:
    """Add a person on a bicycle, pedalling."""
    me, add = builder.add_object("cyclist", way, _lean(rng, rare_poses * 0.7)), builder.atlas.add
    skin, shirt, trousers = (pick(rng, c, 8) for c in (SKIN, SHIRTS, TROUSERS))
    paint, tyre = pick(rng, PAINT), DARK + 8
    named = dress(builder, rng, (skin, shirt, trousers), skin, math.cos(way.heading) < 0.3, 0.7)
    named |= {"tyre": add(column(tyre, rng)), "tube": add(column(paint, rng))}
    named["stay"] = named["fork"] = named["tube"]
    builder.cyclists.append((me, [named[name.split()[-1]] for name, _ in CYCLIST_LIMBS]))
    wheel = add(draw_wheel(rng, spokes=8, bicycle=True))
    for z in (-0.53, 0.53):
        builder.wheel(0, z, 0.34, wheel, "cyclist", me)
    builder.shadow(me, 0.7, 1.7)


def dress(builder: Builder, rng: Generator, colours: tuple, shin, faces_camera: bool, helmets: float) -> dict[str, int]:
    """Return the textures of a rider's limbs by name; `colours` of skin, shirt, trousers, `helmets` is a share."""
    (skin, shirt, trousers), add = colours, builder.atlas.add
    return {
        "arm": add(draw_limb(shirt * 0.92, skin, 0.7)),
        "thigh": add(draw_limb(trousers)),
        "shin": add(draw_limb(shin, DARK + 8, 0.86)),
        "trunk": add(draw_trunk(rng, shirt, trousers)),
        "head": add(draw_head(rng, faces_camera, helmet=rng.random() < helmets)),
    }


def _lean(rng: Generator, rare_poses: float) -> tuple[float, float]:
    if rng.random() >= rare_poses:
        return (0.0, 0.0)
    return (rng.choice([-1.0, 1.0]) * rng.uniform(0.25, 0.6), rng.uniform(-0.2, 0.7))  # up to 35 and 40 degrees


def draw_limb(colour: np.ndarray, end: np.ndarray | None = None, split: float = 0.8) -> np.ndarray:
    """Draw a capsule (32 x 16) with soft shading; below `split` it has the colour `end` (a hand, a shoe)."""
    y, x = _grid(32, 16)
    image = np.broadcast_to(colour, (*y.shape, 3)).copy()
    if end is not None:
        image[int(split * len(y)) :] = end
    cap = np.minimum(np.minimum(y + 0.5, len(y) - 0.5 - y) / 5, 1)  # rounded ends
    alpha = 255.0 * (np.abs(x) < np.sqrt(1 - (1 - cap) ** 2))
    return np.concatenate([image * (1.06 - 0.16 * x - 0.22 * x**2)[..., None], alpha[..., None]], 2)


@cache
def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return y in 0..height and x in -1..1 of each texel, both (H, W)."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    return y, (x - (width - 1) / 2) / (width / 2)


def draw_trunk(rng: Generator, shirt: np.ndarray, trousers: np.ndarray) -> np.ndarray:
    """Draw a rounded trunk (64 x 32), wide at the shoulders: a plain shirt, or one with stripes, a print or a bag."""
    y, x = _grid(64, 32)
    image = np.broadcast_to(shirt, (*y.shape, 3)).copy()
    kind = rng.integers(4)
    if kind == 1:
        image[y.astype(int) // 6 % 2 == 0] = shirt * 0.35 + 150
    elif kind == 2:
        image[(np.abs(x) < 0.35) & (y > 16) & (y < 34)] = 235 - shirt * 0.5
    elif kind == 3:  # a rucksack
        image[(np.abs(x) < 0.62) & (y > 8) & (y < 44)] = pick(rng, PAINT) * 0.7
    image[y > 54] = trousers
    half = 0.98 - 0.22 * (y / len(y)) - 0.6 * np.maximum(0, 1 - y / 9) ** 2
    alpha = 255.0 * (np.abs(x) < half)
    return np.concatenate([image * (1.06 - 0.14 * x - 0.2 * x**2)[..., None], alpha[..., None]], 2)


def draw_head(rng: Generator, faces_camera: bool, helmet: bool = False) -> np.ndarray:
    """Draw a round head (32 x 32): hair or a helmet, and a face if it faces the camera."""
    skin, hair = pick(rng, SKIN, 6), pick(rng, SHIRTS if helmet else HAIR, 6)
    canvas = Canvas((32, 32), skin)
    canvas.rectangle((0, 0, 1, 0.36 if faces_camera else 0.8), hair)
    if faces_camera:
        canvas.rectangle((0, 0, 0.12, 0.62), hair)
        canvas.rectangle((0.88, 0, 1, 0.62), hair)
        for x in (0.34, 0.66):
            canvas.rectangle((x - 0.06, 0.5, x + 0.06, 0.62), (30, 24, 24), 0.06)
        canvas.rectangle((0.38, 0.78, 0.62, 0.83), (150, 60, 60))
    y, x = np.mgrid[0:32, 0:32] / 15.5 - 1
    alpha = 255.0 * (np.hypot(x * 1.12, y) < 1)
    light = 1.06 - 0.12 * x - 0.16 * (x**2 + y**2)
    return np.concatenate([canvas.picture() * light[..., None], alpha[..., None]], 2)
