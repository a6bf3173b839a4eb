"""A still seen by a moving camera: a random smooth motion, and the frames on the way.

Lengths are in pixels, matrices are 3x3, and pixel centres are integers. Motions start at the current frame, which is
the last one, and run backwards in time.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from dffkit.datasets.sprites import window
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
PIECES, RADIUS = 3, (0.05, 0.2)  # largest number of pieces; their radius in shares of the height
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
    """An ellipse of the picture that moves by itself."""

    position: np.ndarray  # picture of a disc -> current frame
    shift: np.ndarray  # x, y over REACH frames
    behind: np.ndarray  # x, y from the piece to the part of the picture that fills its hole


@dataclass(frozen=True)
class Shot:
    """The motion of the camera and of the pieces."""

    size: tuple[int, int]  # (H, W) of the frames
    view: np.ndarray  # still -> current frame
    focus: np.ndarray  # x, y in the current frame, the centre of zoom and turn
    zoom: float  # logarithm of the factor over REACH frames
    turn: float  # degrees over REACH frames
    shift: np.ndarray  # x, y over REACH frames
    bend: float  # change of the speed over REACH frames, as a share
    pieces: tuple[Piece, ...]  # from the lowest to the highest

    def picture(self, still: np.ndarray, back: int) -> np.ndarray:
        """Return the frame `(H, W, 3)` uint8 of a still `(H0, W0, 3)` uint8, `back` frames before the current one."""
        camera, *motions = self.motions(back)
        image = _warped(still, camera @ self.view, self.size)
        if back == 0:
            return image  # no piece has moved yet
        for piece in self.pieces:
            behind = camera @ shift(*piece.behind) @ self.view
            _paste(image, still, behind, HOLE, camera @ piece.position)
        for piece, motion in zip(self.pieces, motions, strict=True):
            _paste(image, still, motion @ self.view, PIECE, motion @ piece.position)
        return image

    def motions(self, back: int) -> list[np.ndarray]:
        """Return the maps from the current frame to frame `back`: of the background, then of each piece."""
        share = back / REACH
        way = share * (1 + self.bend * (share - 1))
        camera = _turned(self.focus, way * self.turn, math.exp(way * self.zoom), way * self.shift)
        return [camera, *(shift(*(way * piece.shift)) @ camera for piece in self.pieces)]


def draw_shot(rng: np.random.Generator, still: tuple[int, int], size: tuple[int, int]) -> Shot:
    """Return a random shot of a still (H0, W0), with frames of `size` (H, W)."""
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
    pieces = tuple(_piece(rng, *ellipse, size[0] * log_uniform(rng, *OWN)) for ellipse in ellipses)
    return Shot(size, view, focus, zoom, turn, aside, bend, pieces)


def _view(rng: np.random.Generator, still: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Return a map from the still to a frame that shows a random part of it, and its surroundings if it is small."""
    scale = log_uniform(rng, *SCALE)
    half = np.array(size[::-1]) / scale / 2
    centre = [rng.uniform(*sorted((h, side - h))) - 0.5 for h, side in zip(half, still[::-1], strict=True)]
    return _turned(centre, rng.uniform(-TURN, TURN), scale, np.array(size[::-1]) / 2 - 0.5 - centre)


def _piece(rng: np.random.Generator, centre: tuple[float, float], radii: np.ndarray, distance: float) -> Piece:
    position = np.array([[radii[0] / _RIM, 0, centre[0]], [0, radii[1] / _RIM, centre[1]], [0, 0, 1]])
    position = position @ shift(-_HALF, -_HALF)
    return Piece(position, random_vector(rng, distance), random_vector(rng, rng.uniform(2, 3) * max(radii)))


def _paste(
    image: np.ndarray, still: np.ndarray, to_frame: np.ndarray, disc: np.ndarray, disc_to_frame: np.ndarray
) -> None:
    """Draw the moved still over the image within the moved disc."""
    x, y, cover = _cover(disc, disc_to_frame, image.shape[:2])
    if cover.size == 0:
        return
    under = image[y : y + cover.shape[0], x : x + cover.shape[1]]
    over = _warped(still, shift(-x, -y) @ to_frame, cover.shape)
    under[:] = cv2.blendLinear(over, np.ascontiguousarray(under), cover, 1 - cover)


def _cover(disc: np.ndarray, to_frame: np.ndarray, size: tuple[int, int]) -> tuple[int, int, np.ndarray]:
    """Return corner x, y of the window that the moved disc touches, and the share of each pixel that it covers."""
    ends = np.array([(-_RIM, -_RIM), (_RIM, -_RIM), (_RIM, _RIM), (-_RIM, _RIM)]) + _HALF
    x, y, width, height = window(apply(to_frame, ends), size)
    if not width or not height:
        return x, y, np.zeros((height, width), np.float32)
    return x, y, cv2.warpAffine(disc, (shift(-x, -y) @ to_frame)[:2], (width, height))


def _warped(still: np.ndarray, to_frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the still moved to a frame, and outside it continued as its mirror image."""
    return cv2.warpAffine(still, to_frame[:2], size[::-1], borderMode=cv2.BORDER_REFLECT_101)


def _turned(centre: np.ndarray, degrees: float, zoom: float, move: np.ndarray) -> np.ndarray:
    """Return the map that zooms and turns about a centre, then moves."""
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D(tuple(map(float, centre)), float(degrees), float(zoom))
    return shift(*move) @ matrix
