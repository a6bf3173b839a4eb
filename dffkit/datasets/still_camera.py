"""A still seen by a moving camera: a random smooth motion, the pictures on the way, and the exact flow between them.

Lengths are in pixels, matrices are 3x3, and pixel centres have whole coordinates. Motions are told from the current
frame, the last one, backwards.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from dffkit.datasets.sprites.drawing import flow_of_layers, window
from dffkit.datasets.sprites.scene import apply, log_uniform, random_vector, shift

REACH = 9  # frames: the farthest key frame of the paper's l = 10; the speeds below are counted over them
SCALE = (0.7, 1.4)  # of the still in the view; all orders of size are equally frequent, here and below
TURN = 5.0  # degrees: largest rotation of the view
# How far the camera's motion moves things over REACH frames, in shares of the frame's height. In frames 240 pixels high
# it is 14 pixels in the mean over 4 frames: about what DIS measures in CamVid's clip.
CAMERA = (0.08, 0.8)
STANDING = 0.2  # share of cameras that stand still
FORWARD = 0.7  # share of the others that drive forward, so that things are smaller in earlier frames
OWN = (0.0125, 0.25)  # how far pieces of the picture move by themselves, on top of that; shares as above
PIECES, RADIUS = 3, (0.05, 0.2)  # at most so many, in shares of the frame's height; and half of the boxes
BEND = 0.5  # largest change of the speed on the way, as a share
_HALF, _RIM = 64, 60  # pixels of a disc's picture: half its side, and the unit radius


def _disc(radius: float) -> np.ndarray:
    """How much a disc covers of each pixel of its picture; its rim is a tenth of the unit radius."""
    y, x = np.mgrid[-_HALF : _HALF + 1, -_HALF : _HALF + 1] / _RIM
    return np.clip((radius - np.hypot(x, y)) / 0.1, 0, 1).astype(np.float32)


# Where a piece moved away there is a hole, a little smaller: in the current frame no pixel of it may be seen.
PIECE, HOLE = _disc(1.0), _disc(0.85)


@dataclass(frozen=True)
class Piece:
    """An ellipse of the picture that moves by itself.

    Attributes:
        place: picture of a disc -> current frame.
        shift: x, y over REACH frames.
        behind: x, y: how far from it lies the part of the picture that is seen in its hole.
    """

    place: np.ndarray
    shift: np.ndarray
    behind: np.ndarray


@dataclass(frozen=True)
class Shot:
    """What the camera does.

    Attributes:
        size: (H, W) of the frames.
        view: still -> current frame.
        focus: x, y in the current frame, about which things zoom and turn.
        zoom: logarithm of the factor over REACH frames.
        turn: degrees over REACH frames.
        shift: x, y over REACH frames.
        bend: how the speed changes.
        pieces: the higher ones last.
    """

    size: tuple[int, int]
    view: np.ndarray
    focus: np.ndarray
    zoom: float
    turn: float
    shift: np.ndarray
    bend: float
    pieces: tuple[Piece, ...]

    def picture(self, still: np.ndarray, back: int, fill: tuple[float, float, float] | None) -> np.ndarray:
        """The frame `(H, W, 3)` uint8 that lies `back` frames before the current one.

        Args:
            still: `(H0, W0, 3)` uint8.
            back: 0 for the current frame.
            fill: colour of what lies outside the still; None for its mirror image.
        """
        camera, *motions = self._motions(back)
        image = _warped(still, camera @ self.view, self.size, fill)
        if back == 0:
            return image  # the pieces are where they were
        for piece in self.pieces:
            behind = camera @ shift(*piece.behind) @ self.view
            _paste(image, still, behind, HOLE, camera @ piece.place, fill)
        for piece, motion in zip(self.pieces, motions, strict=True):
            _paste(image, still, motion @ self.view, PIECE, motion @ piece.place, fill)
        return image

    def flow(self, back: int, to: int) -> tuple[np.ndarray, np.ndarray]:
        """The flow `(2, H, W)` float32, x then y, from one frame to another, both counted as in `picture`; and
        `(H, W)` bool, true for what is hidden there or outside it.
        """
        pairs = zip(self._motions(back), self._motions(to), strict=True)
        steps = np.stack([there @ np.linalg.inv(here) - np.eye(3) for here, there in pairs])
        flow, hidden = flow_of_layers(steps, self._owners(back), self._owners(to))
        return flow.astype(np.float32), hidden

    def _motions(self, back: int) -> list[np.ndarray]:
        """Current frame -> that frame: of the background, and of each piece."""
        part = back / REACH
        way = part * (1 + self.bend * (part - 1))
        camera = _turned(self.focus, way * self.turn, math.exp(way * self.zoom), way * self.shift)
        return [camera, *(shift(*(way * piece.shift)) @ camera for piece in self.pieces)]

    def _owners(self, back: int) -> np.ndarray:
        """Which layer is seen, `(H, W)`: 0 for the background, then the pieces."""
        owners = np.zeros(self.size, np.uint8)
        for number, (piece, motion) in enumerate(zip(self.pieces, self._motions(back)[1:], strict=True), 1):
            x, y, cover = _cover(PIECE, motion @ piece.place, self.size)
            owners[y : y + cover.shape[0], x : x + cover.shape[1]][cover > 0.5] = number
        return owners


def draw_shot(
    rng: np.random.Generator, still: tuple[int, int], size: tuple[int, int], boxes: np.ndarray | None = None
) -> Shot:
    """A random shot of a still.

    Args:
        rng: where everything is drawn from.
        still: (H0, W0).
        size: (H, W) of the frames.
        boxes: `(N, 4)` xyxy in the still: things that may move by themselves.
    """
    view = _view(rng, still, size)
    distance = 0.0 if rng.random() < STANDING else size[0] * log_uniform(rng, *CAMERA)
    along, across, around = distance * rng.dirichlet((1, 1, 1))
    reach = math.hypot(*size) / 2
    zoom = along / reach * (-1 if rng.random() < FORWARD else 1)
    turn = math.degrees(around / reach) * rng.choice([-1, 1])
    focus = rng.uniform(0.25, 0.75, 2) * (size[1], size[0])
    aside, bend = random_vector(rng, across), rng.uniform(-BEND, BEND)
    ellipses = [
        (rng.uniform(0, (size[1], size[0])), size[0] * log_uniform(rng, *RADIUS) * rng.uniform(0.5, 1, 2))
        for _ in range(rng.integers(PIECES, endpoint=True))
    ]
    for x1, y1, x2, y2 in [] if boxes is None else moved_boxes(boxes, view):
        if rng.random() < 0.5:
            ellipses.append((((x1 + x2 - 1) / 2, (y1 + y2 - 1) / 2), 0.55 * np.array([x2 - x1, y2 - y1])))
    pieces = tuple(_piece(rng, *ellipse, size[0] * log_uniform(rng, *OWN)) for ellipse in ellipses)
    return Shot(size, view, focus, zoom, turn, aside, bend, pieces)


def _view(rng: np.random.Generator, still: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """A random part of the still, or more than all of it where it is too small."""
    scale = log_uniform(rng, *SCALE)
    half = np.array(size[::-1]) / scale / 2
    centre = [rng.uniform(*sorted((h, side - h))) - 0.5 for h, side in zip(half, still[::-1], strict=True)]
    return _turned(centre, rng.uniform(-TURN, TURN), scale, np.array(size[::-1]) / 2 - 0.5 - centre)


def moved_boxes(boxes: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The upright boxes `(N, 4)` xyxy, x2 and y2 exclusive, around what these boxes become."""
    # A pixel's left edge is half a pixel before its centre.
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]] - 0.5
    corners = apply(motion, corners) + 0.5  # (N, 4, 2)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _piece(rng: np.random.Generator, centre: tuple[float, float], radii: np.ndarray, distance: float) -> Piece:
    place = np.array([[radii[0] / _RIM, 0, centre[0]], [0, radii[1] / _RIM, centre[1]], [0, 0, 1]])
    place = place @ shift(-_HALF, -_HALF)
    return Piece(place, random_vector(rng, distance), random_vector(rng, rng.uniform(2, 3) * max(radii)))


def _paste(
    image: np.ndarray,
    still: np.ndarray,
    to_frame: np.ndarray,
    disc: np.ndarray,
    disc_to_frame: np.ndarray,
    fill: tuple[float, float, float] | None,
) -> None:
    """Draw the moved still over the image where the moved disc is."""
    x, y, cover = _cover(disc, disc_to_frame, image.shape[:2])
    if cover.size == 0:
        return
    under = image[y : y + cover.shape[0], x : x + cover.shape[1]]
    over = _warped(still, shift(-x, -y) @ to_frame, cover.shape, fill)
    under[:] = cv2.blendLinear(over, np.ascontiguousarray(under), cover, 1 - cover)


def _cover(disc: np.ndarray, to_frame: np.ndarray, size: tuple[int, int]) -> tuple[int, int, np.ndarray]:
    """Corner x, y of the window that the moved disc touches, and how much of each pixel there it covers."""
    ends = np.array([(-_RIM, -_RIM), (_RIM, -_RIM), (_RIM, _RIM), (-_RIM, _RIM)]) + _HALF
    x, y, width, height = window(apply(to_frame, ends), size)
    if not width or not height:
        return x, y, np.zeros((height, width), np.float32)
    return x, y, cv2.warpAffine(disc, (shift(-x, -y) @ to_frame)[:2], (width, height))


def _warped(
    still: np.ndarray, to_frame: np.ndarray, size: tuple[int, int], fill: tuple[float, float, float] | None
) -> np.ndarray:
    border = {"borderMode": cv2.BORDER_REFLECT_101} if fill is None else {"borderValue": fill}
    return cv2.warpAffine(still, to_frame[:2], size[::-1], **border)


def _turned(centre: np.ndarray, degrees: float, zoom: float, move: np.ndarray) -> np.ndarray:
    """Zoom and turn about a centre, then move."""
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D(tuple(map(float, centre)), float(degrees), float(zoom))
    return shift(*move) @ matrix
