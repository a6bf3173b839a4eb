"""The handheld world: an animal or a vehicle, filmed by somebody who points a camera at it, as in ImageNet VID."""

import math

import numpy as np
from numpy.random import Generator

from dffkit.datasets.sprites.scene import log_uniform
from dffkit.datasets.toytown import place
from dffkit.datasets.toytown.model import SUBJECTS, Builder, Way
from dffkit.datasets.toytown.parts import Parts, rotations
from dffkit.datasets.toytown.subjects import subject
from dffkit.datasets.toytown.view import Scene, Seen, waver

CELLS = (12, 24)  # height and width of the frame in cells of the feature map
SIZES = (6.0, 12.3)  # square root of a subject's area, in cells: all orders of size are equally frequent
# Of a thing and a group, in cells: it is filmed from farther away rather than cut off.
TALLEST, WIDEST, SPAN = 10.0, 19.0, 22.5
FOCAL = (1.1, 2.8)  # focal length, in widths of the frame
# Share of films with up to so many subjects, and the factor of their size: a group is filmed from farther away.
GROUPS = ((0.66, 1, 1.0), (0.22, 2, 0.9), (0.055, 3, 0.8), (0.035, 4, 0.75), (0.03, 5, 0.7))
SAME_KIND = 0.85  # share of companions that are of the subject's kind; the others are of the one that looks like it
ALIKE = (("bicycle", "motorcycle"), ("bus", "car"), ("cattle", "sheep"), ("dog", "fox"), ("horse", "zebra"))
# Speed of a subject in the picture, in its own widths a frame, against the share of films that are slower.
SPEEDS = ((0.0, 0.0004), (0.25, 0.003), (0.5, 0.0105), (0.75, 0.0295), (0.9, 0.066), (1.0, 0.19))
STEADY = 0.35  # exponent of the size
TURNS = (1.5, 6.0)  # frequency of the operator's slow errors, in radians a second
TREMOR = 0.0012  # largest amplitude of a trembling hand, in radians
# What makes a subject move in the picture: it passes a camera that hardly turns, or the hand is unsteady while it
# stands, or while the camera follows it.
PASSES, FOLLOWED = 0.3, 0.4
ROAD_USERS = ("bicycle", "bus", "car", "motorcycle")
# Natural speeds in metres a second, of those that are followed.
PACE = {"bus": 9.0, "car": 11.0, "motorcycle": 10.0, "bicycle": 5.0, "horse": 5.0, "zebra": 4.0, "cattle": 1.5}
OTHER_PACE = 2.0
PARKED = 0.3  # share of bicycles and motorcycles without a rider


class Handheld(Scene):
    """A subject, perhaps with companions, in a place with passers-by, and a camera in somebody's hands.

    Args:
        key: the seed of all that is random here: (world seed, split, number of the film).
        size: (H, W) of the frames.
        focus_error: standard deviation of the blur, as the sigma of a Gaussian in pixels of a frame 384 wide.
    """

    def __init__(self, key: tuple[int, ...], size: tuple[int, int], focus_error: float) -> None:
        rng = np.random.default_rng(key)
        focal = log_uniform(rng, *FOCAL)
        group = _Group(rng, focal)
        self._height = min(rng.uniform(0.5, 1.7), 0.35 * group.distance)
        self._group = group
        on_road = 0.85 if group.kind in ROAD_USERS else 0.15
        place.lay_out(group.builder, rng, group.distance, group.heading, on_road)
        self._aim = _aim(rng, group)
        self._roll = math.radians(rng.uniform(0, 2)), rng.uniform(0.5, 2), rng.uniform(0, 2 * math.pi)
        self._walk = rng.uniform(-0.8, 0.8, 2) * (rng.random() < 0.25)  # of the operator, in metres a second
        self.blur = abs(rng.normal(0, focus_error)) * size[1] / 384  # sigma of its defocus in pixels
        super().__init__(Parts(group.builder, lambda time: 0.0), size, focal, rng)

    def camera(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the camera's rotation (3, 3), scene to camera, and its position (3,)."""
        x, z = self._walk * time
        position = np.array([x, -self._height, z])
        target = self._group.middle_at(self._group.followed_until(time)) - position
        yaw = math.atan2(target[0], target[2]) + waver(self._aim[0], time)
        pitch = math.atan2(target[1], math.hypot(target[0], target[2])) + waver(self._aim[1], time)
        about_x, about_y, about_z = rotations(pitch, -yaw, waver([self._roll], time))
        return about_z @ about_x @ about_y, position

    def boxes(self, seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the objects in view: numbers (n,), boxes (n, 4) of what is seen of them, visible shares (n,).

        The outline that the share refers to goes on for half a frame beyond the frame's border.
        """
        boxed = self.parts.boxed[seen.pixels]
        _, area = self._outlines(seen, (self.size[0] // 2, self.size[1] // 2))
        which = np.unique(boxed)
        which = which[which >= 0]
        boxes, shares = np.zeros((len(which), 4), np.int64), np.zeros(len(which))
        for i, number in enumerate(which):
            y, x = np.nonzero(boxed == number)
            boxes[i] = x.min(), y.min(), x.max() + 1, y.max() + 1
            shares[i] = min(1.0, len(x) / max(area[number], 1))
        return which, boxes, shares


class _Group:
    """A subject and its companions, built: where they are and how they move.

    Attributes:
        builder: what was built.
        kind: the subject's class.
        distance, heading: from the camera, in metres; of the motion, in radians from z towards x.
        cell: size of a cell at that distance, in metres.
        width, height: of the subject as the camera sees it, in metres.
        span: width of the whole group, in metres.
        velocity: x and z in metres a second.
        gain: 1 if the camera turns after the group, 0 if it lets it pass.
        waver: the speed of the operator's error, in radians a second.
        passing: seconds after which the group is in the middle of a camera that does not turn.
    """

    def __init__(self, rng: Generator, focal: float) -> None:
        self.builder, self.kind = Builder(), str(rng.choice(SUBJECTS))
        self.heading, self.passing = rng.uniform(0, 2 * math.pi), rng.uniform(0.15, 0.6)
        has_rider, manner = rng.random() >= PARKED, rng.random()
        can_move, sideways = has_rider or self.kind not in ("bicycle", "motorcycle"), abs(math.sin(self.heading))
        passes = can_move and manner < PASSES and sideways > 0.4
        followed = can_move and PASSES <= manner < PASSES + FOLLOWED
        _, count, factor = GROUPS[rng.choice(len(GROUPS), p=[share for share, *_ in GROUPS])]
        kinds = [self.kind, *(self._companion(rng) for _ in range(count - 1))]
        # Gaits and grazing heads depend on the way; where it begins is known later.
        way = Way(velocity=(0.0, float(passes or followed)), heading=self.heading)
        members = [subject(self.builder, rng, way, kind, has_rider) for kind in kinds]
        extents = [self._seen(self.builder.extent[me]) for me in members]
        (self.width, self.height), (widest, tallest) = extents[0], np.max(extents, axis=0)
        places, self.span = _side_by_side(rng, [width for width, _ in extents])
        wanted = factor * log_uniform(rng, *SIZES) / math.sqrt(self.width * self.height)  # cells a metre
        self.cell = 1 / min(wanted, TALLEST / tallest, WIDEST / widest, SPAN / self.span)
        self.distance = focal * CELLS[1] * self.cell
        speed, pace = self._speed(rng), rng.uniform(0.1, 1.0) * PACE.get(self.kind, OTHER_PACE)
        self.gain, self.waver = (0.0, 0.0) if passes else (1.0, speed / self.distance)
        pace = speed / sideways if passes else pace * followed
        self.velocity = pace * np.array([math.sin(self.heading), math.cos(self.heading)])
        for me, (x, z) in zip(members, places, strict=True):
            label, _, lean = self.builder.objects[me]
            start = np.array([x, self.distance + z]) - self.velocity * self.passing
            self.builder.objects[me] = (label, Way(tuple(start), tuple(self.velocity), heading=self.heading), lean)

    def _companion(self, rng: Generator) -> str:
        pair = next(pair for pair in ALIKE if self.kind in pair)
        return self.kind if rng.random() < SAME_KIND else pair[self.kind == pair[0]]

    def _seen(self, extent: tuple[float, float, float]) -> tuple[float, float]:
        """Return the width and height of a thing as the camera sees it, in metres."""
        length, width, height = extent
        return abs(length * math.sin(self.heading)) + abs(width * math.cos(self.heading)), height

    def _speed(self, rng: Generator) -> float:
        """Return the speed in the picture, in metres a second at the subject's distance."""
        share, speed = np.array(SPEEDS).T
        size = math.sqrt(self.width * self.height) / self.cell
        return 30 * math.exp(np.interp(rng.random(), share, np.log(speed))) * self.width * (size / 7) ** STEADY

    def middle_at(self, time: float) -> np.ndarray:
        """Return the middle of the group (3,) at `time`, in metres."""
        x, z = np.array([0, self.distance]) + self.velocity * (time - self.passing)
        return np.array([x, -self.height / 2, z])

    def followed_until(self, time: float) -> float:
        """Return the time at which the group was where the camera still points: `passing` if it does not turn."""
        return self.passing + self.gain * (time - self.passing)


def _side_by_side(rng: Generator, widths: list[float]) -> tuple[list[tuple[float, float]], float]:
    """Return x and z of things of these widths beside each other, and the width of all, in metres."""
    places, edges = [(0.0, 0.0)], [widths[0] / 2, widths[0] / 2]  # how far they reach to the left and to the right
    for number, width in enumerate(widths[1:]):
        side = number % 2
        x = edges[side] + rng.uniform(0.45, 0.8) * width
        edges[side] = x + width / 2
        places.append(((1 if side else -1) * x, rng.uniform(-0.5, 0.5) * width))
    middle = (edges[1] - edges[0]) / 2
    return [(x - middle, z) for x, z in places], sum(edges)


def _aim(rng: Generator, group: _Group) -> list[tuple]:
    """Return the errors of the operator's aim, sideways and up and down, as `waver` takes them."""
    errors = []
    for share, side, cells in ((1.0, group.span, CELLS[1]), (0.4, group.height, CELLS[0])):
        speed, frequency = share * group.waver * math.sqrt(2), log_uniform(rng, *TURNS)
        # The group stays in the picture, but for a little of it.
        room = max(0.05 * side, cells * group.cell / 2 - 0.48 * side) / group.distance
        amplitude = min(speed / frequency, room)
        slow = amplitude, speed / max(amplitude, 1e-9), rng.uniform(0, 2 * math.pi)
        tremor = rng.uniform(0, TREMOR), rng.uniform(7, 12), rng.uniform(0, 2 * math.pi)
        still = rng.uniform(-0.5, 0.5) * max(0.0, room - amplitude), 0.0, math.pi / 2
        errors.append((slow, tremor, still))
    return errors
