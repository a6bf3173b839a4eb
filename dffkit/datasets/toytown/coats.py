"""The coats of animals: colours as functions of the place in the body, and the outlines of limbs, ears and tails."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

TRUNK, NECK, HEAD, LEG = range(4)  # parts of the body
BLACK, WHITE, PINK = (30, 27, 27), (232, 228, 218), (214, 160, 148)
RED, TAN, BROWN, CREAM, GREY = (178, 88, 40), (188, 140, 90), (98, 60, 36), (222, 204, 170), (142, 140, 138)
# Each with the colour of mane, tail and lower legs.
HORSES = (((122, 66, 34), BLACK), ((152, 82, 44), (140, 74, 40)), ((152, 84, 44), (224, 196, 140)), (BLACK, BLACK))
HORSES += (((172, 172, 174), (226, 226, 226)), ((120, 122, 128), (60, 60, 64)), ((206, 160, 98), (238, 224, 196)))
HORSES += ((WHITE, WHITE), ((150, 122, 88), (44, 36, 30)))


@dataclass(frozen=True)
class Coat:
    """One animal's colours. A share below or above which a colour counts runs from 0 at the back of a part to 1."""

    base: np.ndarray  # of the body
    mane: np.ndarray
    tail: np.ndarray
    ear: np.ndarray
    sock: np.ndarray  # of the legs below the share `ankle` of their length
    hoof: tuple | np.ndarray = BLACK  # at the ends of the legs
    tip: np.ndarray | None = None  # of the tail's end
    under: np.ndarray | None = None  # of belly, throat and cheeks
    # On trunk, neck and head `under` counts where the surface faces upwards by less than this (-1 down, 1 up).
    below: tuple[float, float, float] = (-0.6, -0.5, -0.3)
    patch: np.ndarray | None = None  # in blotches
    blotch: float = 0.3  # width of a blotch, in shoulder heights
    rare: float = 0.2  # blotches are where their noise exceeds this
    stripe: np.ndarray | None = None  # across the body
    stripes: float = 0.085  # distance of stripes, in shoulder heights
    ankle: float = 0.6
    muzzle: np.ndarray | None = None  # of the head's end
    nose: float = 0.78  # share of the head where the muzzle begins
    blaze: np.ndarray | None = None  # down the middle of the face
    broad: float = 0.5  # radians of the blaze to either side
    rough: float = 0.0  # strength of the creases between the wool's curls
    face: np.ndarray | None = None  # of the whole head, if not `base`

    def painter(self, rng: Generator) -> Callable[..., np.ndarray]:
        """Return a function of (part, points, along, up, turn) -> colours (..., 3); `turn` is 0 on the back."""
        blotches, lumps, wave = solid_noise(rng, self.blotch), solid_noise(rng, 0.055, 16), solid_noise(rng, 0.25)

        def paint(part: int, points, along, up, turn) -> np.ndarray:
            y, z = points[..., 1], points[..., 2]
            image = np.broadcast_to(np.asarray(self.base, np.float32), (*y.shape, 3)).copy()
            if part == HEAD and self.face is not None:
                image[:] = self.face
            if self.patch is not None:
                image[blotches(points) > self.rare] = self.patch
            if self.stripe is not None:
                dark = (2.5 * self._striped(part, y, z, along, wave(points)) + 0.6).clip(0, 1)[..., None]
                image += dark * (self.stripe - image)
            if self.under is not None and part != LEG:
                mix = ((self.below[part] - up) / 0.2 + 0.5).clip(0, 1)[..., None]
                image += mix * (self.under - image)
            if part == LEG:
                if self.stripe is None:
                    image[along + 0.03 * wave(points) > self.ankle] = self.sock
                image[along > 0.93] = self.hoof
            if part == HEAD:
                if self.blaze is not None:
                    image[(np.abs(turn) < self.broad) & (along > 0.12)] = self.blaze
                if self.muzzle is not None:
                    image[along + 0.02 * wave(points) > self.nose] = self.muzzle
            if self.rough and part in (TRUNK, NECK):  # dark creases between curls
                image *= 1 - self.rough * np.exp(-((lumps(points)[..., None] / 0.45) ** 2))
            return image + 3.5 * rng.standard_normal((*y.shape, 1), np.float32)

        return paint

    def _striped(self, part, y, z, along, wave) -> np.ndarray:
        if part == TRUNK:  # upright on the flank, lying on the rump
            way = z - 1.5 * (y + 0.8) * ((-0.02 - z) / 0.35).clip(0, 1)
        elif part == LEG:
            way = y
        else:
            way = along * (0.56 if part == NECK else 0.34)
        scale = self.stripes * (1.0, 0.9, 0.55, 0.65)[part]
        return np.sin(2 * np.pi * way / scale + 0.9 * wave)


def tone(rng: Generator, colours: tuple, spread: float) -> np.ndarray:
    """Return one of the colours (3,), lighter or darker by about `spread`; coats differ little in hue."""
    colour = np.array(colours[rng.integers(len(colours))]) * rng.normal(1, spread / 60)
    return (colour + rng.normal(0, 2, 3)).clip(8, 248)


def solid_noise(rng: Generator, cell: float, waves: int = 8) -> Callable[[np.ndarray], np.ndarray]:
    """Return a smooth random function of points (..., 3), about -1 to 1, that changes over `cell`."""
    turns, phase = rng.normal(0, 1.4 / cell, (3, waves)), rng.uniform(0, 6.3, waves)
    turns, phase, weights = (a.astype(np.float32) for a in (turns, phase, np.full(waves, waves**-0.5)))
    return lambda points: np.cos(points.astype(np.float32) @ turns + phase) @ weights


def choose_coat(kind: str, rng: Generator) -> Coat:
    """Return a coat as animals of this kind have."""
    return {"cattle": _cattle, "dog": _dog, "fox": _fox, "horse": _horse, "sheep": _sheep, "zebra": _zebra}[kind](rng)


def _plain(base: np.ndarray, ends: np.ndarray | None = None, **others) -> Coat:
    """Return a coat of one colour; `ends` is that of mane, tail and lower legs."""
    ends = base * 0.85 if ends is None else ends
    return Coat(base, mane=ends, tail=ends, ear=base * 0.9, sock=ends, **others)


def _horse(rng: Generator) -> Coat:
    base, ends = (tone(rng, (colour,), 7) for colour in HORSES[rng.integers(len(HORSES))])
    coat = _plain(base, ends, muzzle=base * 0.55 + 8, blotch=0.5)
    if rng.random() < 0.4:
        coat = replace(coat, blaze=np.array(WHITE), broad=rng.uniform(0.3, 0.9))
    if rng.random() < 0.3:
        coat = replace(coat, sock=np.array(WHITE), ankle=rng.uniform(0.65, 0.85))
    return replace(coat, patch=np.array(WHITE)) if rng.random() < 0.15 else coat


def _zebra(rng: Generator) -> Coat:
    base, dark = tone(rng, ((234, 228, 214), (226, 214, 190)), 5), tone(rng, (BLACK, (52, 42, 36)), 4)
    coat = _plain(base, dark, stripe=dark, stripes=rng.uniform(0.085, 0.125), muzzle=dark, nose=0.8)
    return replace(coat, under=base, below=(-0.75, -2.0, -2.0), tail=base * 0.9, tip=dark, ear=base * 0.9)


def _cattle(rng: Generator) -> Coat:
    base = tone(rng, (BLACK, BROWN, (150, 84, 46), CREAM, (196, 150, 104), WHITE), 7)
    coat = _plain(base, base * 0.9, muzzle=tone(rng, (PINK, (70, 58, 56)), 5), nose=0.84, blotch=0.42)
    kind = rng.random()
    if kind < 0.5:  # large patches, often with a blaze
        patch = tone(rng, (BLACK, BROWN, (150, 84, 46)) if base.mean() > 160 else (WHITE,), 5)
        coat = replace(coat, patch=patch, rare=rng.uniform(-0.3, 0.3), sock=np.array(WHITE), ankle=0.5)
    elif kind < 0.7 and base.mean() < 120:  # a white face and a white belly
        coat = replace(coat, face=np.array(WHITE), under=np.array(WHITE), below=(-0.7, -0.3, -2.0))
    return replace(coat, tip=coat.base * 0.6)


def _sheep(rng: Generator) -> Coat:
    wools = ((226, 218, 200), (208, 198, 176), (232, 228, 220), (190, 178, 154), (84, 66, 54), (60, 56, 54))
    wool = tone(rng, wools, 6)
    face = tone(rng, (BLACK, (226, 214, 196), (92, 76, 62)), 5) if wool.mean() > 120 else wool * 0.75
    coat = _plain(wool, wool * 0.95, rough=0.18, face=face, muzzle=face * 0.8, nose=0.86, ankle=0.3)
    return replace(coat, sock=face, ear=face * 0.95)


def _fox(rng: Generator) -> Coat:
    base = tone(rng, (RED, (196, 104, 50), (160, 92, 56), (204, 140, 88), (112, 100, 94)), 8)
    coat = _plain(base, np.array(BLACK) + 12.0, under=tone(rng, (WHITE,), 5), below=(-0.72, -0.1, 0.0), ankle=0.45)
    return replace(coat, tail=base * 0.92, tip=np.array(WHITE), ear=np.array(BLACK) + 10.0)


def _dog(rng: Generator) -> Coat:
    base = tone(rng, (BLACK, TAN, BROWN, CREAM, (186, 104, 56), WHITE, GREY, (120, 84, 56)), 8)
    coat, kind = _plain(base, base * 0.95, hoof=base * 0.7, blotch=0.22), rng.random()
    if kind < 0.25:  # a dark saddle over tan
        tan = tone(rng, (TAN, (176, 110, 62), CREAM), 6)
        coat = replace(coat, base=np.array(BLACK) + 8.0, under=tan, below=(0.25, 0.2, 0.2), sock=tan, ankle=-1.0)
        return replace(coat, tail=coat.base, ear=coat.base, hoof=tan * 0.8, muzzle=coat.base, nose=0.7)
    if kind < 0.5:  # white below, with blotches or a blaze
        white = np.array(WHITE, float)
        coat = replace(coat, under=white, below=(-0.3, 0.1, -0.1), sock=white, ankle=0.55, hoof=white * 0.9, tip=white)
        return replace(coat, blaze=white, broad=0.4) if rng.random() < 0.6 else coat
    if kind < 0.7:
        patch = tone(rng, (BLACK, BROWN) if base.mean() > 150 else (WHITE, CREAM), 6)
        return replace(coat, patch=patch, blotch=rng.uniform(0.1, 0.3), rare=rng.uniform(0.2, 0.7))
    return replace(coat, muzzle=base * 0.45, nose=0.6) if rng.random() < 0.4 else coat


def draw_outline(image: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Give a strip's picture (H, W, 3) soft shading, and holes outside `profile` (H,), its half width from 0 to 1."""
    x = (np.arange(image.shape[1]) + 0.5) / image.shape[1] * 2 - 1
    alpha = 255.0 * (np.abs(x) < profile[:, None])
    return np.concatenate([image * (1.0 - 0.1 * x - 0.18 * x**2)[:, None], alpha[..., None]], 2)
