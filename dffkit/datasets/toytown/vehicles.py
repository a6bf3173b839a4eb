"""Cars, trucks, buses and wheels: a texture for each face, and the boxes that carry the faces."""

import math

import numpy as np
from numpy.random import Generator

from dffkit.datasets.toytown.model import PAINT, Builder, Canvas, Way, column, noise, pick

GLASS = ((46, 58, 70), (70, 86, 100), (34, 38, 46))
DARK = np.array([26.0, 26.0, 30.0])
WHEELS = (0.24, 0.8)  # places of a bus's wheels, as shares of its length


def draw_car_end(paint: np.ndarray, rear: bool, rng: Generator) -> np.ndarray:
    """Draw the lower half of a car from behind or from in front: lamps, bumper, number plate."""
    canvas = Canvas((32, 64), paint)
    canvas.rectangle((0, 0.62, 1, 0.84), paint * 0.72)
    canvas.rectangle((0, 0.84, 1, 1), DARK)
    lamp = (200, 24, 24) if rear else (250, 246, 220)
    height = rng.uniform(0.2, 0.34)
    for left in (0.03, 0.79):
        canvas.rectangle((left, 0.16, left + 0.18, 0.16 + height), lamp, 0.06)
    if rear:
        canvas.rectangle((0.36, 0.4, 0.64, 0.56), (236, 232, 210))
    else:
        canvas.rectangle((0.28, 0.22, 0.72, 0.5), DARK + 24)
        canvas.rectangle((0.38, 0.66, 0.62, 0.8), (236, 232, 210))
    return canvas.picture()


def draw_car_side(paint: np.ndarray) -> np.ndarray:
    """Draw the lower half of a car from the side: doors, handles, dark wheel arches."""
    canvas = Canvas((32, 128), paint)
    canvas.rectangle((0, 0, 1, 0.16), paint * 1.12)
    canvas.rectangle((0, 0.8, 1, 1), DARK + 10)
    for x in (0.36, 0.58, 0.78):
        canvas.rectangle((x, 0.05, x + 0.008, 0.8), paint * 0.55)
    for x in (0.53, 0.73):
        canvas.rectangle((x, 0.24, x + 0.035, 0.31), paint * 0.5)
    canvas.rectangle((0, 0.2, 0.035, 0.45), (200, 30, 30))
    canvas.rectangle((0.965, 0.2, 1, 0.45), (250, 246, 220))
    w, h = canvas.width, canvas.height
    for x in (0.2, 0.8):
        r = 0.098 * w
        canvas.pen.ellipse((x * w - r, h - r * 0.9, x * w + r, h + r * 1.1), fill=tuple(int(c) for c in DARK))
    return canvas.picture()


def draw_cabin_end(paint: np.ndarray, rng: Generator) -> np.ndarray:
    """Draw a windscreen in its frame."""
    glass = pick(rng, GLASS, 6)
    canvas = Canvas((32, 64), paint)
    canvas.rectangle((0.07, 0.1, 0.93, 0.95), glass, 0.1)
    canvas.rectangle((0.07, 0.1, 0.93, 0.4), glass * 1.35 + 14, 0.1)
    return canvas.picture()


def draw_cabin_side(paint: np.ndarray, rng: Generator, lean: tuple[float, float]) -> np.ndarray:
    """Draw side windows, cut out to a trapezium; `lean` of its rear and front is a share of its length."""
    glass = pick(rng, GLASS, 6)
    canvas = Canvas((32, 64), paint)
    canvas.rectangle((0.1, 0.14, 0.5, 0.92), glass, 0.08)
    canvas.rectangle((0.54, 0.14, 0.9, 0.92), glass, 0.08)
    picture = canvas.picture()
    y, x = np.mgrid[0:32, 0:64] / np.array([31.0, 63.0])[:, None, None]
    inside = (x >= lean[0] * (1 - y)) & (x <= 1 - lean[1] * (1 - y))
    picture[~(inside & (x > lean[0] * (1 - y) + 0.03) & (x < 0.97 - lean[1] * (1 - y)))] = paint
    return np.concatenate([picture, 255.0 * inside[..., None]], 2)


def draw_plain(colour: np.ndarray, rng: Generator) -> np.ndarray:
    """Draw one colour with a little dirt."""
    return colour + 3 * noise(rng, (16, 16), 2, 2)[..., None]


def draw_wheel(rng: Generator, spokes: int = 5, bicycle: bool = False, tyre: float = 0.2) -> np.ndarray:
    """Draw a wheel, cut out round; a bicycle's is open between the spokes, its `tyre` is a share of the radius."""
    y, x = np.mgrid[0:64, 0:64] / 31.5 - 1
    r, angle = np.hypot(x, y), np.arctan2(y, x)
    rim = np.array([190.0, 192, 196]) * rng.uniform(0.7, 1.05)
    image = np.broadcast_to(np.array([30.0, 30, 32]), (*r.shape, 3)).copy()
    spoke = np.cos(spokes * angle) > (0.75 if bicycle else 0.1)
    if bicycle:
        image[(r < 1.04 - tyre) & spoke] = rim
        solid = (r < 1) & ((r > 1 - tyre) | spoke | (r < 0.14))
    else:
        image[(r < 0.66) & (spoke | (r > 0.56) | (r < 0.2))] = rim
        solid = r < 1
    return np.concatenate([image, 255.0 * solid[..., None]], 2)


def draw_truck_end(paint: np.ndarray, rear: bool, rng: Generator) -> np.ndarray:
    """Draw the back doors of a truck's box, or the front of its cab."""
    canvas = Canvas((64, 64), paint)
    if rear:
        for x in (0.02, 0.495, 0.97):
            canvas.rectangle((x, 0.02, x + 0.015, 0.88), paint * 0.6)
        for y in (0.25, 0.6):
            canvas.rectangle((0.4, y, 0.6, y + 0.03), paint * 0.5)
        canvas.rectangle((0, 0.88, 1, 1), DARK + 14)
        for x in (0.03, 0.81):
            canvas.rectangle((x, 0.9, x + 0.16, 0.97), (210, 30, 26))
    else:
        canvas.rectangle((0.06, 0.12, 0.94, 0.48), pick(rng, GLASS, 5), 0.05)
        canvas.rectangle((0.2, 0.58, 0.8, 0.78), DARK + 20)
        canvas.rectangle((0, 0.86, 1, 1), DARK)
        for x in (0.03, 0.81):
            canvas.rectangle((x, 0.72, x + 0.16, 0.82), (250, 246, 220))
    return canvas.picture()


def draw_truck_side(paint: np.ndarray, rng: Generator) -> np.ndarray:
    """Draw the side of a truck's box: planks and a coloured stripe."""
    canvas = Canvas((64, 128), paint)
    stripe = pick(rng, ((220, 60, 40), (40, 90, 180), (240, 190, 40), (50, 140, 90)))
    low = rng.uniform(0.3, 0.5)
    canvas.rectangle((0, low, 1, low + rng.uniform(0.12, 0.3)), stripe)
    for x in np.linspace(0, 1, rng.integers(5, 10)):
        canvas.rectangle((x, 0, x + 0.006, 1), paint * 0.75)
    canvas.rectangle((0, 0.94, 1, 1), DARK + 20)
    return canvas.picture()


def draw_cab_side(paint: np.ndarray, rng: Generator) -> np.ndarray:
    """Draw the side of a truck's cab: one window and a door."""
    canvas = Canvas((64, 64), paint)
    canvas.rectangle((0.3, 0.12, 0.92, 0.46), pick(rng, GLASS, 5), 0.05)
    canvas.rectangle((0.24, 0.08, 0.26, 0.86), paint * 0.6)
    canvas.rectangle((0, 0.86, 1, 1), DARK)
    return canvas.picture()


def draw_bus_end(paint: np.ndarray, stripe: np.ndarray, rear: bool, decks: int, rng: Generator) -> np.ndarray:
    """Draw a bus from behind or from in front: windows, the sign with its line, lamps."""
    canvas, glass, low = Canvas((64, 64), paint), pick(rng, GLASS, 5), 0.0 if decks == 1 else 0.42
    canvas.rectangle((0, 0.7, 1, 0.78), stripe)
    for deck in range(decks):  # from the lowest one
        top, bottom = (0.1 + low, 0.5 + low / 4) if deck == 0 else (0.05, 0.3)
        canvas.rectangle((0.06, top + 0.08 * rear, 0.94, bottom), glass, 0.05)
        canvas.rectangle((0.06, top + 0.08 * rear, 0.94, top + 0.12), glass * 1.3 + 14, 0.04)
    canvas.rectangle((0.2, 0.02 + low * 0.78, 0.8, 0.11 + low * 0.86), DARK)
    canvas.rectangle((0.26, 0.04 + low * 0.79, 0.26 + rng.uniform(0.2, 0.48), 0.09 + low * 0.84), (250, 190, 40))
    canvas.rectangle((0, 0.92, 1, 1), DARK)
    if rear:
        canvas.rectangle((0.2, 0.72, 0.8, 0.86), DARK + 24)
    for x in (0.03, 0.83):
        canvas.rectangle((x, 0.79, x + 0.14, 0.88), (210, 30, 26) if rear else (250, 246, 220), 0.06)
    return canvas.picture()


def draw_bus_side(paint: np.ndarray, stripe: np.ndarray, doors: bool, decks: int, rng: Generator) -> np.ndarray:
    """Draw the side of a bus, its front on the right: rows of windows, a stripe, wheel arches, perhaps doors."""
    canvas, glass, count = Canvas((64, 256), paint), pick(rng, GLASS, 5), 7
    canvas.rectangle((0, 0.64, 1, 0.76), stripe)
    for deck in range(decks):
        top, bottom = ((0.14, 0.52) if decks == 1 else (0.45, 0.66)) if deck == 0 else (0.08, 0.3)
        canvas.rectangle((0.02, top, 0.98, bottom), DARK + 10, 0.03)
        for i in range(count):
            left = 0.03 + 0.95 * i / count
            canvas.rectangle((left, top + 0.02, left + 0.84 / count, bottom - 0.02), glass, 0.05)
            canvas.rectangle((left, top + 0.02, left + 0.84 / count, top + 0.1), glass * 1.3 + 12, 0.05)
    canvas.rectangle((0, 0.93, 1, 1), DARK + 10)
    for left in (0.9, 0.5) if doors else ():
        canvas.rectangle((left, 0.12 if decks == 1 else 0.42, left + 0.085, 0.95), DARK)
        for x in (left + 0.006, left + 0.045):
            canvas.rectangle((x, 0.16 if decks == 1 else 0.46, x + 0.033, 0.9), glass * 1.2 + 10, 0.06)
    w, h = canvas.width, canvas.height
    for x in WHEELS:
        r = 0.052 * w
        canvas.pen.ellipse((x * w - r, h - r, x * w + r, h + r), fill=tuple(int(c) for c in DARK))
    return canvas.picture()


def vehicle(builder: Builder, rng: Generator, way: Way, trucks: float) -> None:
    """Add a car, or with probability `trucks` a truck."""
    (truck if rng.random() < trucks else car)(builder, rng, way)


def _wheels(builder, rng, owner, label, half, radius, places) -> None:
    texture = builder.atlas.add(draw_wheel(rng, spokes=int(rng.integers(4, 8))))
    tread = builder.atlas.add(column(DARK, rng, (8, 8)))
    for x in (-half - 0.02, half + 0.02):
        for z in places:
            builder.wheel(x, z, radius, texture, label, owner)
            inner = x - math.copysign(0.14, x)
            builder.limb((inner, -2 * radius, z), (inner, 0, z), 0.11, tread, label, owner, light=0.7)


def car(builder: Builder, rng: Generator, way: Way) -> int:
    """Add a car: body and cabin as boxes with leaning windscreens, and four wheels that turn; return its number."""
    me, label, add = builder.add_object("car", way), "car", builder.atlas.add
    paint = pick(rng, PAINT)
    half, length, radius = rng.uniform(0.82, 0.94), rng.uniform(3.5, 4.7), 0.32
    belt, top = -rng.uniform(0.82, 0.98), -rng.uniform(1.38, 1.72)
    rear, front = -length / 2, length / 2
    faces = add(draw_car_end(paint, True, rng)), add(draw_car_end(paint, False, rng))
    bare, side = add(draw_plain(paint, rng)), add(draw_car_side(paint))
    builder.box((-half, belt, rear), (half, -0.2, front), (*faces, side, bare), label, me)
    estate = rng.random() < 0.35
    cabin_rear, cabin_front = rear + (0.1 if estate else rng.uniform(0.3, 0.7)), front - rng.uniform(0.9, 1.3)
    lean = (0.15 if estate else rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.7))
    inset = half - 0.09
    screen = add(draw_cabin_end(paint, rng))
    across, size = (2 * inset, 0, 0), cabin_front - cabin_rear
    builder.quad((-inset, top, cabin_rear + lean[0]), across, (0, belt - top, -lean[0]), screen, label, me, light=0.95)
    builder.quad((-inset, top, cabin_front - lean[1]), across, (0, belt - top, lean[1]), screen, label, me, light=0.95)
    windows = add(draw_cabin_side(paint, rng, (lean[0] / size, lean[1] / size)))
    for x in (-inset, inset):
        corner, edges = (x, top, cabin_rear), ((0, 0, size), (0, belt - top, 0))
        builder.quad(corner, *edges, windows, label, me, light=0.85, cutout=True)
    roof = (0, 0, size - sum(lean))
    builder.quad((-inset, top, cabin_rear + lean[0]), across, roof, bare, label, me, light=1.08)
    _wheels(builder, rng, me, label, half, radius, (rear + 0.2 * length, front - 0.2 * length))
    builder.shadow(me, 2 * half + 0.5, length + 0.5)
    return me


def truck(builder: Builder, rng: Generator, way: Way) -> None:
    """Add a truck: a tall box behind a cab."""
    me, label, add = builder.add_object("truck", way), "truck", builder.atlas.add
    paint, load = pick(rng, PAINT), pick(rng, ((236, 236, 232), (210, 200, 170), (120, 130, 140)))
    half, length, top, radius = rng.uniform(1.08, 1.22), rng.uniform(5.2, 8), -rng.uniform(2.7, 3.5), 0.48
    rear, front = -length / 2, length / 2
    cab = front - 1.7
    box = (add(draw_truck_end(load, True, rng)), add(draw_plain(load, rng)))
    side = add(draw_truck_side(load, rng))
    builder.box((-half, top, rear), (half, -0.5, cab - 0.15), (*box, side, box[1]), label, me)
    face = add(draw_truck_end(paint, False, rng))
    door, bare = add(draw_cab_side(paint, rng)), add(draw_plain(paint, rng))
    cab_top = max(top + 0.2, -2.7)
    builder.box((-half + 0.06, cab_top, cab), (half - 0.06, -0.35, front), (bare, face, door, bare), label, me)
    chassis = add(draw_plain(DARK + 20, rng))
    low = (-half + 0.2, -0.6, rear + 0.1)
    builder.box(low, (half - 0.2, -0.3, front - 0.1), (chassis, chassis, chassis, None), label, me)
    _wheels(builder, rng, me, label, half, radius, (rear + 0.9, rear + 2.0, front - 0.9))
    builder.shadow(me, 2 * half + 0.6, length + 0.6)


def bus(builder: Builder, rng: Generator, way: Way) -> int:
    """Add a bus of a city or a coach, one in five with two decks, and return its number."""
    me, label, add = builder.add_object("bus", way), "bus", builder.atlas.add
    paint, stripe = pick(rng, PAINT), pick(rng, ((236, 236, 232), *PAINT))
    decks = 2 if rng.random() < 0.2 else 1
    half, length, radius = rng.uniform(1.2, 1.28), rng.uniform(8.5, 12), 0.48
    top, rear, front = -(rng.uniform(2.8, 3.3) if decks == 1 else rng.uniform(4.0, 4.3)), -length / 2, length / 2
    ends = (add(draw_bus_end(paint, stripe, rear, decks, rng)) for rear in (True, False))
    roof = add(draw_plain(paint * 0.4 + 130, rng))
    left, right = (add(draw_bus_side(paint, stripe, doors, decks, rng)) for doors in (False, True))
    builder.box((-half, top, rear), (half, -0.3, front), (*ends, left, roof), label, me)
    builder.quad((half + 0.01, top, rear), (0, 0, length), (0, -0.3 - top, 0), right, label, me, light=0.8)
    if decks == 1 and rng.random() < 0.6:  # cooling on the roof
        grey = add(draw_plain(DARK + 150, rng))
        builder.box((-0.7, top - 0.22, -1), (0.7, top, rng.uniform(0.2, 2)), (grey,) * 4, label, me)
    _wheels(builder, rng, me, label, half, radius, [rear + share * length for share in WHEELS])
    builder.shadow(me, 2 * half + 0.6, length + 0.6)
    return me
