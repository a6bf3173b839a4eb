"""People on foot and on bicycles, each with a size, colours and a pose."""

import math

from numpy.random import Generator

from dffkit.datasets.toytown import looks, people_looks, vehicle_looks
from dffkit.datasets.toytown.model import CYCLIST_LIMBS, LABEL, WALKER_LIMBS, Builder
from dffkit.datasets.toytown.way import Way, mover, shadow


def _lean(rng: Generator, rare_poses: float) -> tuple[float, float]:
    if rng.random() >= rare_poses:
        return (0.0, 0.0)
    return (rng.choice([-1.0, 1.0]) * rng.uniform(0.25, 0.6), rng.uniform(-0.2, 0.7))  # up to 35 and 40 degrees


def person(builder: Builder, rng: Generator, way: Way, rare_poses: float) -> None:
    """A person on foot: eight limbs, legs and arms swinging with the steps."""
    me, add = mover(builder, "person", way, _lean(rng, rare_poses)), builder.atlas.add
    skin, shirt, trousers = (looks.pick(rng, c, 8) for c in (looks.SKIN, looks.SHIRTS, looks.TROUSERS))
    shoe = looks.pick(rng, ((30, 30, 30), (240, 240, 240), (120, 70, 40)), 6)
    arm = add(people_looks.limb(shirt * 0.92, skin, 0.82 if rng.random() < 0.6 else 0.4))
    bare = rng.random() < 0.3  # shorts, or a skirt
    thigh, shin = (
        add(people_looks.limb(trousers)),
        add(people_looks.limb(skin if bare else trousers * 0.95, shoe, 0.84)),
    )
    trunk = add(people_looks.torso(rng, shirt, trousers))
    head = add(people_looks.head(rng, faces_camera=math.cos(way.heading) < 0.3))
    named = {"arm": arm, "thigh": thigh, "shin": shin, "trunk": trunk, "head": head}
    textures = [named[name.split()[-1]] for name, _ in WALKER_LIMBS]
    height = rng.uniform(1.5, 1.95) if rng.random() < 0.85 else rng.uniform(1.05, 1.4)
    builder.walker(me, height, rng.uniform(1.2, 1.6) * height / 1.75, textures)
    shadow(builder, me, 0.7, 0.7)


def cyclist(builder: Builder, rng: Generator, way: Way, rare_poses: float) -> None:
    """A person on a bicycle, pedalling."""
    me, add = mover(builder, "cyclist", way, _lean(rng, rare_poses * 0.7)), builder.atlas.add
    skin, shirt, trousers = (looks.pick(rng, c, 8) for c in (looks.SKIN, looks.SHIRTS, looks.TROUSERS))
    paint, tyre = looks.pick(rng, looks.PAINT), vehicle_looks.DARK + 8
    named = {
        "arm": add(people_looks.limb(shirt * 0.92, skin, 0.7)),
        "thigh": add(people_looks.limb(trousers)),
        "shin": add(people_looks.limb(skin, tyre, 0.86)),
        "trunk": add(people_looks.torso(rng, shirt, trousers)),
        "head": add(people_looks.head(rng, faces_camera=math.cos(way.heading) < 0.3, helmet=rng.random() < 0.7)),
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
    shadow(builder, me, 0.7, 1.7)
