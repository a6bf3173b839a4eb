"""A still seen by a moving camera: a random smooth motion, the frames on the way, and the exact flow between them.

Lengths are in pixels, matrices are 3x3, and pixel centres are integers. Motions start at the current frame, which is
the last one, and run backwards in time.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from dffkit.datasets.sprites import flow_of_layers, window
from dffkit.datasets.sprites.scene import apply, log_uniform, random_vector, shift

REACH = 9  # frames: the farthest key frame of the paper's l = 10; the speeds below are counted over them
SCALE = (0.7, 1.4)  # of the still in the view; in this and the other ranges all orders of size are equally frequent
TURN = 5.0  # degrees: largest rotation of the view
# Displacement by the camera's motion over REACH frames, in shares of the frame's height. In frames 240 pixels high the
# mean over 4 frames is 14 pixels, about the value that DIS measures in CamVid's clip.
CAMERA = (0.08, 0.8)
STANDING = 0.2  # share of cameras that stand still
FORWARD = 0.7  # share of the moving cameras that drive forward, so that things are smaller in earlier frames
OWN = (0.0125, 0.25)  # displacement of pieces of the picture, added to the camera's; shares as above
PIECES, RADIUS = 3, (0.05, 0.2)  # largest number of pieces besides half of the boxes; radius in shares of the height
BEND = 0.5  # largest change of the speed on the way, as a share
_HALF, _RIM = 64, 60  # pixels of a disc's picture: half its side, and the unit radius


def _disc(radius: float) -> np.ndarray:
    """Return the share of each pixel that a disc covers; its soft rim is a tenth of the unit radius wide."""
    y, x = np.mgrid[-_HALF : _HALF + 1, -_HALF : _HALF + 1] / _RIM
    return np.clip((radius - np.hypot(x, y)) / 0.1, 0, 1).astype(np.float32)


# A piece that moved away leaves a hole. The hole is a little smaller, so that the current frame shows no pixel of it.
PIECE, HOLE = _disc(1.0), _disc(0.85)


@dataclass(frozen=True)
class Piece:
    """An ellipse of the picture that moves by itself.

    Attributes:
        position: picture of a disc -> current frame.
        shift: x, y over REACH frames.
        behind: x, y from the piece to the part of the picture that fills its hole.
    """

    position: np.ndarray
    shift: np.ndarray
    behind: np.ndarray


@dataclass(frozen=True)
class Shot:
    """The motion of the camera and of the pieces.

    Attributes:
        size: (H, W) of the frames.
        view: still -> current frame.
        focus: x, y in the current frame, the centre of zoom and turn.
        zoom: logarithm of the factor over REACH frames.
        turn: degrees over REACH frames.
        shift: x, y over REACH frames.
        bend: change of the speed over REACH frames, as a share.
        pieces: from the lowest to the highest.
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
        """Return the frame `(H, W, 3)` uint8 that lies `back` frames before the current one.

        Args:
            still: `(H0, W0, 3)` uint8.
            back: 0 for the current frame.
            fill: colour outside the still; None continues it as its mirror image.
        """
        camera, *motions = self._motions(back)
        image = _warped(still, camera @ self.view, self.size, fill)
        if back == 0:
            return image  # no piece has moved yet
        for piece in self.pieces:
            behind = camera @ shift(*piece.behind) @ self.view
            _paste(image, still, behind, HOLE, camera @ piece.position, fill)
        for piece, motion in zip(self.pieces, motions, strict=True):
            _paste(image, still, motion @ self.view, PIECE, motion @ piece.position, fill)
        return image

    def flow(self, back: int, to: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the flow from one frame to another, both counted backwards as in `picture`.

        Returns:
            The flow `(2, H, W)` float32, x then y, in pixels; and `(H, W)` bool, true for points hidden or outside.
        """
        pairs = zip(self._motions(back), self._motions(to), strict=True)
        steps = np.stack([there @ np.linalg.inv(here) - np.eye(3) for here, there in pairs])
        flow, hidden = flow_of_layers(steps, self._owners(back), self._owners(to))
        return flow.astype(np.float32), hidden

    def _motions(self, back: int) -> list[np.ndarray]:
        """Return the maps from the current frame to frame `back`: of the background, then of each piece."""
        share = back / REACH
        way = share * (1 + self.bend * (share - 1))
        camera = _turned(self.focus, way * self.turn, math.exp(way * self.zoom), way * self.shift)
        return [camera, *(shift(*(way * piece.shift)) @ camera for piece in self.pieces)]

    def _owners(self, back: int) -> np.ndarray:
        """Return the layer that each pixel shows, `(H, W)`: 0 for the background, then the pieces."""
        owners = np.zeros(self.size, np.uint8)
        for number, (piece, motion) in enumerate(zip(self.pieces, self._motions(back)[1:], strict=True), 1):
            x, y, cover = _cover(PIECE, motion @ piece.position, self.size)
            owners[y : y + cover.shape[0], x : x + cover.shape[1]][cover > 0.5] = number
        return owners


def draw_shot(
    rng: np.random.Generator, still: tuple[int, int], size: tuple[int, int], boxes: np.ndarray | None = None
) -> Shot:
    """Return a random shot of a still.

    Args:
        rng: source of all random numbers.
        still: (H0, W0).
        size: (H, W) of the frames.
        boxes: `(N, 4)` xyxy in the still; half of them become pieces that move by themselves.
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
    """Return a map from the still to a frame that shows a random part of it, and its surroundings if it is small."""
    scale = log_uniform(rng, *SCALE)
    half = np.array(size[::-1]) / scale / 2
    centre = [rng.uniform(*sorted((h, side - h))) - 0.5 for h, side in zip(half, still[::-1], strict=True)]
    return _turned(centre, rng.uniform(-TURN, TURN), scale, np.array(size[::-1]) / 2 - 0.5 - centre)


def moved_boxes(boxes: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Return the upright boxes `(N, 4)` xyxy, x2 and y2 exclusive, around the images of these boxes."""
    # A pixel's left edge is half a pixel before its centre.
    corners = boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]] - 0.5
    corners = apply(motion, corners) + 0.5  # (N, 4, 2)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _piece(rng: np.random.Generator, centre: tuple[float, float], radii: np.ndarray, distance: float) -> Piece:
    position = np.array([[radii[0] / _RIM, 0, centre[0]], [0, radii[1] / _RIM, centre[1]], [0, 0, 1]])
    position = position @ shift(-_HALF, -_HALF)
    return Piece(position, random_vector(rng, distance), random_vector(rng, rng.uniform(2, 3) * max(radii)))


def _paste(
    image: np.ndarray,
    still: np.ndarray,
    to_frame: np.ndarray,
    disc: np.ndarray,
    disc_to_frame: np.ndarray,
    fill: tuple[float, float, float] | None,
) -> None:
    """Draw the moved still over the image within the moved disc."""
    x, y, cover = _cover(disc, disc_to_frame, image.shape[:2])
    if cover.size == 0:
        return
    under = image[y : y + cover.shape[0], x : x + cover.shape[1]]
    over = _warped(still, shift(-x, -y) @ to_frame, cover.shape, fill)
    under[:] = cv2.blendLinear(over, np.ascontiguousarray(under), cover, 1 - cover)


def _cover(disc: np.ndarray, to_frame: np.ndarray, size: tuple[int, int]) -> tuple[int, int, np.ndarray]:
    """Return corner x, y of the window that the moved disc touches, and the share of each pixel that it covers."""
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
    """Return the map that zooms and turns about a centre, then moves."""
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D(tuple(map(float, centre)), float(degrees), float(zoom))
    return shift(*move) @ matrix
