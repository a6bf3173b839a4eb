"""Animals on four legs: one rig with other proportions and coats for cattle, dogs, foxes, horses, sheep and zebras.

Trunk, neck and head are lofts: flat facets between elliptic rings. Every texel's colour is a function of its place in
the body, so that coats continue from facet to facet. All lengths are in shoulder heights.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.coats import HEAD, LEG, NECK, TRUNK, choose_coat, draw_outline
from dffkit.datasets.toytown.model import LABEL, Builder, Way

SEAM = 0.05  # facets overlap by this share of their width
DUTY = 0.6  # share of a step during which a foot stands on the ground
# Of a leg: hip, length of either half, +1 if it bends forwards, steps a metre, share of a step ahead, half the step.
GAIT = ("x", "y", "z", "bone", "bend", "steps", "offset", "reach")
# The shape of a leg: places from hip to foot as shares, and the radius there, in those of its top and its foot.
PLACES = (0.0, 0.06, 0.25, 0.42, 0.5, 0.58, 0.86, 0.93, 1.0)
HIND = ((0.5, 0), (0.8, 0), (0.9, 0), (0.25, 0.9), (0, 1.5), (0, 1.2), (0, 1.0), (0, 1.25), (0, 1.4))
FRONT = ((0.5, 0), (0.8, 0), (0.85, 0), (0.3, 0.8), (0, 1.4), (0, 1.15), (0, 1.0), (0, 1.25), (0, 1.4))
HORN = (200, 188, 160)


@dataclass(frozen=True)
class Build:
    """The proportions of one kind of animal; all but `height` are in shoulder heights, angles in radians."""

    height: tuple[float, float]  # at the shoulder, of grown animals, in metres
    length: float  # from breast to rump
    depth: float  # of the chest
    width: float  # half of the chest's
    tuck: float  # depth of the loins, as a share of the chest's
    neck: tuple[float, float, float, float]  # length, rise, half its depth at the breast and at the head
    head: tuple[float, float, float, float]  # length, rise, half its width, half its depth
    muzzle: tuple[float, float]  # its width and depth as shares of the skull's
    leg: tuple[float, float]  # its radius at the top and at the bottom
    tail: tuple[float, float, float]  # length, radius, rise
    ear: tuple[float, float, float]  # length, radius, angle from upright


BUILDS = {
    "cattle": Build((1.25, 1.5), 1.22, 0.54, 0.2, 0.94, (0.42, 0.2, 0.19, 0.13), (0.4, -0.75, 0.095, 0.12), (0.8, 0.72),
                    (0.1, 0.045), (0.62, 0.028, -1.45), (0.17, 0.05, 1.75)),
    "dog": Build((0.4, 0.72), 1.08, 0.47, 0.145, 0.78, (0.33, 0.8, 0.165, 0.12), (0.41, -0.25, 0.115, 0.125),
                 (0.58, 0.5), (0.1, 0.052), (0.5, 0.05, 0.6), (0.15, 0.06, 0.3)),
    "fox": Build((0.36, 0.44), 1.22, 0.44, 0.145, 0.84, (0.34, 0.5, 0.15, 0.12), (0.43, -0.3, 0.135, 0.125),
                 (0.32, 0.36), (0.08, 0.04), (0.85, 0.13, -0.4), (0.21, 0.085, 0.4)),
    "horse": Build((1.35, 1.75), 1.1, 0.46, 0.155, 0.86, (0.62, 0.85, 0.2, 0.11), (0.44, -0.85, 0.075, 0.11),
                   (0.66, 0.55), (0.1, 0.04), (0.62, 0.07, -1.35), (0.14, 0.036, 0.2)),
    "sheep": Build((0.62, 0.8), 1.15, 0.62, 0.25, 0.98, (0.36, 0.6, 0.2, 0.14), (0.36, -0.5, 0.085, 0.1), (0.7, 0.62),
                   (0.085, 0.042), (0.28, 0.06, -1.3), (0.17, 0.045, 1.75)),
    "zebra": Build((1.2, 1.4), 1.12, 0.47, 0.165, 0.9, (0.56, 0.8, 0.2, 0.12), (0.45, -0.8, 0.075, 0.11),
                   (0.7, 0.58), (0.1, 0.04), (0.55, 0.035, -1.35), (0.17, 0.05, 0.3)),
}  # fmt: skip


def animal(builder: Builder, rng: Generator, way: Way, kind: str) -> int:
    """Add an animal of one of `BUILDS` and return its object's number. Only one that stands on its `way` may graze."""
    moves = way.velocity != (0.0, 0.0) or way.follows > 0 or way.swing[0] > 0
    me, build = builder.add_object(kind, way), _individual(kind, rng, moves)
    young = rng.random() < 0.15
    size = rng.uniform(*build.height) * (rng.uniform(0.6, 0.8) if young else 1.0)
    coat = choose_coat(kind, rng)
    paint, spine = coat.painter(rng), _spine(build)
    for part, sides, texels in ((TRUNK, 8, 32), (NECK, 6, 32), (HEAD, 6, 16)):
        for corner, u, v, picture in loft(spine[part], sides, texels, lambda *place, part=part: paint(part, *place)):
            texture = builder.atlas.add(picture)
            builder.quad(corner * size, u * size, v * size, texture, kind, me, cutout=True)
    _legs(builder, me, kind, build, size, paint)
    _details(builder, rng, me, kind, build, size, coat, spine)
    builder.shadow(me, 2.6 * build.width * size, 1.1 * build.length * size)
    return me


def _individual(kind: str, rng: Generator, moves: bool) -> Build:
    """Return the proportions of one animal, a few per cent from its kind's; some of those that stand graze."""
    build = BUILDS[kind]
    changed = {name: getattr(build, name) * rng.normal(1, 0.05) for name in ("length", "depth", "width", "tuck")}
    length, rise, *neck = build.neck
    rise += rng.normal(0, 0.12)
    if kind == "dog":
        thick, hangs, curls = rng.normal(1, 0.15, 2).clip(0.7, 1.3), rng.random() < 0.5, rng.random() < 0.5
        changed["muzzle"] = tuple(build.muzzle * thick)
        changed["ear"] = (0.19, 0.065, rng.uniform(2.3, 2.8)) if hangs else build.ear
        changed["tail"] = (build.tail[0], rng.uniform(0.035, 0.07), rng.uniform(0.5, 1.1) if curls else -0.5)
    elif kind != "fox" and not moves and rng.random() < 0.25:
        rise, head = -0.75, build.head
        changed["head"] = (head[0], -1.2, *head[2:])
    return replace(build, neck=(length, rise, *neck), **changed)


def _spine(build: Build) -> list[np.ndarray]:
    """Return the rings of trunk, neck and head, (n, 5) each: y, z, half width, half depth, rise of the spine."""
    half, loins, length, wide = build.depth / 2, build.depth * build.tuck / 2, build.length, build.width
    back = -1 + half
    trunk = [
        (loins - 1, -0.465 * length, 0.12 * wide, 0.15 * loins, 0),
        (loins - 1, -0.38 * length, 0.92 * wide, 0.95 * loins, 0),
        (back, 0.2 * length, wide, half, 0),
        (back, 0.4 * length, 0.78 * wide, 0.78 * half, 0),
        (back - 0.02, 0.5 * length, 0.12 * wide, 0.15 * half, 0),
    ]
    long, rise, low, high = build.neck
    start = np.array([-0.97 + low * math.cos(rise), 0.36 * length])
    end = start + long * np.array([-math.sin(rise), math.cos(rise)])
    neck = [(*start, 0.7 * wide, low, rise), (*end, 0.7 * high, high, rise)]
    long, tilt, wide, half = build.head
    along = np.array([-math.sin(tilt), math.cos(tilt)])
    thin, flat = build.muzzle
    shapes = ((-0.28, 0.5, 0.5), (0.0, 1, 1), (0.4, 0.3 + 0.7 * thin, 0.35 + 0.65 * flat), (0.74, thin, flat))
    shapes += ((0.84, 0.1 * thin, 0.1 * flat),)
    head = [(*(end + along * share * long), wide * x, half * y, tilt) for share, x, y in shapes]
    return [np.array(rings) for rings in (trunk, neck, head)]


def loft(rings: np.ndarray, sides: int, texels: int, paint) -> list[tuple[np.ndarray, ...]]:
    """Return (corner, U, V, picture) of the facets between neighbouring rings.

    Args:
        rings: (n, 5), as `_spine` returns them.
        sides: number of facets around the body.
        texels: of a facet, along each side.
        paint: (points, along, up, turn) of all texels -> colours.
    """
    # facet 0 lies in the middle of the back
    angle = np.float32(2 * np.pi / sides) * (np.arange(sides + 1, dtype=np.float32) - 0.5)
    y, z, wide, half, rise = rings.T.astype(np.float32)[:, :, None]
    lift, full = half * np.cos(angle), 1 / math.cos(0.6 * math.pi / sides)  # between inside and outside the ellipse
    ring = np.stack([wide * np.sin(angle), -lift * np.cos(rise), -lift * np.sin(rise)], -1) * full
    ring[..., 1:] += np.stack([y, z], -1)
    edges, middles = ring[:, 1:] - ring[:, :-1], (ring[:, 1:] + ring[:, :-1]) / 2
    size = np.linalg.norm(edges, axis=2, keepdims=True)
    direction = edges[:-1] + edges[1:]
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    widest = np.maximum(size[:-1], size[1:])
    u, v = direction * widest * (1 + SEAM), middles[1:] - middles[:-1]
    first, v = middles[:-1] - SEAM * v, v * (1 + 2 * SEAM)
    s = (np.arange(texels, dtype=np.float32) + 0.5) / texels
    share = (size[:-1] + (size[1:] - size[:-1]) * s) / widest  # (n - 1, sides, texels) of the width, row by row
    across = (s - 0.5) * (1 + SEAM) / share[..., None]  # (n - 1, sides, texels, texels), -0.5 to 0.5 in the facet
    turn = (angle[:-1, None, None] + angle[1] - angle[0]) + (across.clip(-0.6, 0.6) - 0.5) * 2 * np.pi / sides
    points = first[:, :, None, None] + v[:, :, None, None] * s[:, None, None] + u[:, :, None, None] * (s - 0.5)[:, None]
    wide, half, rise = ((x[:-1] + x[1:])[..., None, None] / 2 for x in (wide, half, rise))
    up = np.cos(turn) / half / np.hypot(np.sin(turn) / wide, np.cos(turn) / half) * np.cos(rise)
    steps = np.linspace(0, 1, len(rings), dtype=np.float32)[:-1, None, None, None]
    along = np.broadcast_to(steps + s[:, None] / (len(rings) - 1), turn.shape)
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    image = paint(points, along, up, turn) * (0.8 + 0.24 * up)[..., None]
    alpha = 255.0 * (np.abs(across) < 0.5 + SEAM / 2 / share[..., None])
    pictures = np.concatenate([image, alpha[..., None]], -1)
    corner = first - u / 2
    return [(corner[i, j], u[i, j], v[i, j], pictures[i, j]) for i in range(len(v)) for j in range(sides)]


def _legs(builder, me, kind, build, size, paint) -> None:
    """Add four legs."""
    rows, columns = (np.arange(64, dtype=np.float32)[:, None] + 0.5) / 64, np.linspace(-1, 1, 32, dtype=np.float32)
    for side, place, offset in ((-1, -0.39, 0.0), (1, -0.39, 0.5), (-1, 0.33, 0.25), (1, 0.33, 0.75)):
        hind = place < 0
        hip = np.array([side * (0.5 if hind else 0.6) * build.width, -1 + 0.5 * build.depth, place * build.length])
        long = -hip[1] * size
        gait = (*(hip * size), 0.52 * long, -1.0 if hind else 1.0, DUTY / 0.68 / long, offset, 0.34 * long)
        top, low = build.leg
        top *= 1.35 if hind else 1.0
        looks = []
        for half in (0, 1):
            along = np.broadcast_to((rows + half) / 2, (64, 32))
            places = np.stack([0 * along + hip[0], hip[1] * (1 - along), hip[2] + top * columns + 0 * along], -1)
            light = (0.8 if side < 0 else 0.86) + 0.1 * along
            image = paint(LEG, places, along, 0 * along, 0 * along) * light[..., None]
            profile = np.interp(along[:, 0], PLACES, np.array(HIND if hind else FRONT) @ (top, low))
            knee = 1 - np.abs(rows[:, 0] - 1 + half)  # 1 at the end where the halves meet, which is round
            profile *= np.sqrt(1 - ((knee - 0.86) / 0.14).clip(0, 1) ** 2)
            radius = profile.max()
            looks += [radius * size, builder.atlas.add(draw_outline(image, profile / radius))]
        builder.legs.append((me, LABEL[kind], gait, *looks))


def pace(gait: np.ndarray, velocity: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return the columns of `GAIT` (n, 8) for legs that walk, trot in diagonal pairs at speed, or stand straight."""
    trots = np.hypot(*velocity.T) > 1.9 * np.sqrt(-gait[:, 1])
    offset = np.where(trots, np.ceil(2 * gait[:, 6]) / 2, gait[:, 6])
    return np.column_stack([gait[:, :6], offset, gait[:, 7] * moves])


def leg_limbs(travelled: np.ndarray, gait: np.ndarray) -> np.ndarray:
    """Return the ends of legs' upper and lower halves, (n, 2, 2, 3) in metres.

    A foot on the ground stays where it is while the body moves on by 2 * reach, then it is lifted and put ahead.

    Args:
        travelled: metres, (n,).
        gait: the columns of `GAIT`, (n, 8).
    """
    x, y, z, bone, bend, steps, offset, reach = gait.T
    turn = (travelled * steps + offset) % 1
    swing = ((turn - DUTY) / (1 - DUTY)).clip(0, 1)
    foot_z = z + reach * np.where(turn < DUTY, 1 - 2 * turn / DUTY, -np.cos(np.pi * swing))
    foot_y = -0.35 * reach * np.sin(np.pi * swing)
    dy, dz = foot_y - y, foot_z - z
    distance = np.hypot(dy, dz)
    out = bend * np.sqrt(np.maximum(bone**2 - (distance / 2) ** 2, 0)) / distance
    hip, foot = np.stack([x, y, z], 1), np.stack([x, foot_y, foot_z], 1)
    knee = np.stack([x, y + dy / 2 - out * dz, z + dz / 2 + out * dy], 1)
    over = 0.12 * bone[:, None] * np.array([0.0, 1.0, 0.0])  # the halves overlap in the knee
    return np.stack([np.stack([hip, knee + over], 1), np.stack([knee - over, foot], 1)], 1)


def _details(builder, rng, me, kind, build, size, coat, spine) -> None:
    """Add eyes, nose, ears, horns, mane and tail."""
    add, v = builder.atlas.add, (np.arange(32) + 0.5) / 32

    def strip(a, b, radius, colours, profile) -> None:
        image = np.array(colours, float)[np.minimum((v * len(colours)).astype(int), len(colours) - 1)]
        texture = add(draw_outline(np.repeat(image[:, None], 32, 1), profile))
        ends = (tuple(size * np.array(end)) for end in (a, b))
        builder.limb(*ends, radius * size, texture, kind, me, cutout=True)

    def head(share, x, up):
        """Return a point on the head: `share` of its rings, `x` and `up` in half widths and half depths there."""
        y, z, wide, half, tilt = (np.interp(share, (0, 1, 2, 3, 4), column) for column in spine[HEAD].T)
        return np.array([x * wide, y - up * half * math.cos(tilt), z - up * half * math.sin(tilt)])

    ball, leaf = np.sqrt(1 - (2 * v - 1) ** 2), np.sin(np.pi * (0.2 + 0.8 * v)) ** 0.7

    def round_thing(place, radius, colour) -> None:
        down = np.array([0.0, radius, 0.0])
        strip(place - down, place + down, radius, [colour], ball)

    if kind in ("dog", "fox"):
        round_thing(head(3.9, 0, 0.7), 0.032, (24, 20, 20))
    horned = kind == "cattle" and rng.random() < 0.5
    for side in (-1, 1):
        round_thing(head(1.45, side * 1.0, 0.42), 0.15 * build.head[3], (20, 16, 14))
        if horned:
            base, bow = head(0.8, side * 0.5, 0.9), np.array([side * 0.16, -0.04, 0.02])
            strip(base, base + bow, 0.026, [HORN], 1 - 0.4 * v)
            strip(base + 0.9 * bow, base + 1.1 * bow + (0, -0.13, 0.03), 0.018, [HORN, (90, 80, 70)], 1 - v)
        length, broad, spread = build.ear
        base = head(0.75, side * 0.6, 0.75)
        tip = base + length * np.array([side * math.sin(spread), -math.cos(spread), 0.0])
        shape = 1 - v if kind in ("dog", "fox") else leaf
        strip(base, tip, broad, [coat.ear], shape)
    # tail
    length, radius, rise = build.tail
    root = np.array([0, -1 + 0.24 * build.depth * build.tuck, -0.435 * build.length])
    end = root + length * np.array([0, -math.sin(rise), -math.cos(rise)])
    tip = coat.tail if coat.tip is None else coat.tip
    profile = np.sqrt(0.2 + 0.8 * v) * np.sqrt((1 - v) * 2).clip(0, 1) if kind == "fox" else 0.5 + 0.5 * ball
    strip(root, end, radius, [coat.tail] * 3 + [tip], profile)
    if kind in ("horse", "zebra"):
        (y, z, _, low, rise), (y1, z1, _, high, _) = spine[NECK]
        up = np.array([0, -math.cos(rise), -math.sin(rise)])
        strip((0, y, z) + up * low, (0, y1, z1) + up * high * 1.2, 0.06, [coat.mane], 0.8 + 0.2 * np.sin(40 * v))
