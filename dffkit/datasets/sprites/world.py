"""What flying sprites are like: everything that can be set."""

import math
from dataclasses import asdict, dataclass

from dffkit.support.files import fingerprint

VERSION = "sprites-2"  # another one whenever the same parameters give other pictures


@dataclass(frozen=True)
class SpriteWorld:
    """Everything that can be set. Lengths are in pixels where nothing else is said; ranges are (low, high).

    Attributes:
        sprites: how many.
        radius: of a sprite, as a share of the frame's height; all orders of size are equally frequent.
        displacement: mixture of (share, low, high): how far things move from the current to the key frame. The shape
            is that of street video over 0 to 9 frames: much is slow, and there is a tail of near and fast things.
        still: share of pairs with i == k: the same frame twice.
        zooming: share of backgrounds that zoom about a random point, as if the camera drove; others only shift.
        driving_forward: share of those that shrink into the key frame, which is the earlier one.
        zooming_shift: how much of a drawn displacement a zooming background shifts as well.
        roll: largest rotation of the background, in degrees.
        own_motion: share of sprites that move by themselves, on top of the camera's motion.
        parallax: how many times the camera's motion a sprite takes part in.
        deformation: most that turning, and also that zooming, moves a sprite's rim, as a share of its displacement.
        textures: how many the layers draw from.
        contrast: of a layer's texture.
        flicker: share of pairs of which one frame is exposed wrongly, as Toytown's frames sometimes are ...
        exposure: ... and by what factor.
        gain, offset: largest change of contrast, and of brightness in grey levels, from the current to the key frame.
        noise: largest standard deviation of the noise on both frames, in grey levels. Still pairs have no such change.
    """

    sprites: tuple[int, int] = (6, 18)
    radius: tuple[float, float] = (0.04, 0.5)
    displacement: tuple[tuple[float, float, float], ...] = ((0.45, 0, 4), (0.4, 4, 20), (0.15, 20, 80))
    still: float = 0.1
    zooming: float = 0.6
    driving_forward: float = 0.75
    zooming_shift: float = 0.3
    roll: float = 1.0
    own_motion: float = 0.6
    parallax: tuple[float, float] = (0.5, 1.5)
    deformation: float = 0.3
    textures: int = 64
    contrast: tuple[float, float] = (0.15, 1.0)
    flicker: float = 0.1
    exposure: tuple[float, float] = (0.5, 1.7)
    gain: float = 0.03
    offset: float = 4.0
    noise: float = 2.0

    def __post_init__(self) -> None:
        shares = [share for share, _, _ in self.displacement]
        if min(shares) < 0 or not math.isclose(sum(shares), 1):
            raise ValueError(f"displacement: expected shares of at least 0 that add up to 1, got {shares}")
        if any(not 0 <= low <= high for _, low, high in self.displacement):
            raise ValueError(f"displacement: expected 0 <= low <= high, got {self.displacement}")
        if self.sprites[0] < 0 or self.sprites[1] < self.sprites[0] or self.sprites[1] > 254:
            raise ValueError(f"sprites: expected 0 <= low <= high <= 254, got {self.sprites}")
        if self.textures < 1:
            raise ValueError(f"textures: expected at least 1, got {self.textures}")


def data_version(parameters: SpriteWorld | None = None) -> str:
    """Twelve hex digits that say which pictures (seed, index) gives: of the parameters and of this code's version."""
    return fingerprint({"version": VERSION, **asdict(parameters or SpriteWorld())})
